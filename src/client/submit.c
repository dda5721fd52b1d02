/*-------------------------------------------------------------------------
 *
 * submit.c
 *		asyncjob submit: hand in a job, and follow it if asked.
 *
 * Only what was given on the command line is passed, so that the server's
 * defaults hold for the rest.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

/* Print a finished job's result on standard output. */
static int
print_result(const char *job)
{
	AjcResult  *res = ajc_query("SELECT asyncjob.result($1::pg_catalog.int8)",
								1, &job, 0);
	int			rc = EXIT_OK;

	if (ajc_query_ok(res))
		printf("%s\n", ajc_is_null(res, 0, 0) ? "null" : ajc_value(res, 0, 0));
	else
	{
		ajc_report_error(res);
		rc = ajc_connection_lost() ? EXIT_CONNECTION : EXIT_ERROR;
	}
	ajc_clear(res);
	return rc;
}

/* The name of a file where parameters should stand */
static bool
is_file(const char *arg)
{
	return strcmp(arg, "-") != 0 && arg[0] != '@' &&
		arg[strspn(arg, " \t\r\n")] != '{' && access(arg, R_OK) == 0;
}

int
ajc_cmd_submit(const AjcOptions *options, int argc, char **argv)
{
	asyncjob_submission submission = ASYNCJOB_SUBMISSION_INIT;
	char	   *text = NULL;
	char		job[32];
	AjcResult  *res;
	int			rc = EXIT_OK;

	if (argc == 2 && is_file(argv[1]))
	{
		fprintf(stderr, "asyncjob: \"%s\" is no JSON object, but a file\n"
				"HINT:  @%s reads it.\n", argv[1], argv[1]);
		return EXIT_ERROR;
	}
	if (argc == 2 && (text = ajc_read_params(argv[1])) == NULL)
		return EXIT_ERROR;
	submission.pipeline = argv[0];
	submission.params = text;
	submission.queue = options->queue;
	submission.priority = options->priority;
	submission.run_at = options->run_at;
	submission.user_id = options->user_id;
	submission.session_id = options->session;
	submission.unique_key = options->unique_key;
	res = ajc_submit(&submission);
	free(text);
	if (!ajc_query_ok(res))
	{
		if (ajc_connection_lost())
			fprintf(stderr, "asyncjob: whether the job was submitted is not known; asyncjob list tells\n");
		else if (strcmp(res->sqlstate, "22P02") == 0 && strstr(res->message, "json") && argc == 2 && argv[1][0] != '@' && !res->hint[0])
		{
			int			rc_failed = ajc_failed(res);

			fprintf(stderr, "HINT:  Quote JSON for the shell: '{\"key\": 1}', or put it into a file and say @FILE.\n");
			return rc_failed;
		}
		return ajc_failed(res);
	}
	snprintf(job, sizeof(job), "%s", ajc_value(res, 0, 0));
	ajc_clear(res);

	if (!options->wait && !options->watch)
		printf("%s\n", job);
	else
	{
		AjcStatus	st = {.job_id = 0};

		rc = ajc_follow(options, job, !options->watch, &st);
		if (rc == EXIT_JOB_FAILED || rc == EXIT_JOB_CANCELLED)
			ajc_print_job_error(&st);
		else if (rc == EXIT_OK && options->wait)
			rc = print_result(job);
		ajc_free_status(&st);
	}
	return rc;
}
