/*-------------------------------------------------------------------------
 *
 * submit.c
 *		asyncjob submit: hand in a job, and follow it if asked.
 *
 * Only what was given on the command line is passed, by name, so that the
 * server's defaults hold for the rest.  Values travel as parameters of the
 * statement, never inside its text.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

/* Print a finished job's result on standard output. */
static int
print_result(const char *job)
{
	PGresult   *res = ajc_query("SELECT asyncjob.result($1::pg_catalog.int8)",
								1, &job, 0);
	int			rc = EXIT_OK;

	if (ajc_query_ok(res))
		printf("%s\n", PQgetisnull(res, 0, 0) ? "null" : PQgetvalue(res, 0, 0));
	else
	{
		ajc_report_error(res);
		rc = ajc_connection_lost() ? EXIT_CONNECTION : EXIT_ERROR;
	}
	PQclear(res);
	return rc;
}

int
ajc_cmd_submit(const AjcOptions *options, int argc, char **argv)
{
	static const struct
	{
		const char *name;
		const char *type;
		size_t		offset;
	}			arguments[] = {
		{"queue", "text", offsetof(AjcOptions, queue)},
		{"priority", "text", offsetof(AjcOptions, priority)},
		{"run_at", "timestamptz", offsetof(AjcOptions, run_at)},
		{"user_id", "text", offsetof(AjcOptions, user_id)},
		{"session_id", "text", offsetof(AjcOptions, session)},
		{"unique_key", "text", offsetof(AjcOptions, unique_key)},
	};
	char		sql[1024];
	const char *params[16];
	int			nparams = 0;
	size_t		used;
	char	   *text = NULL;
	char		job[32];
	PGresult   *res;
	int			rc = EXIT_OK;

	if (argc < 1 || argc > 2)
	{
		fprintf(stderr, "asyncjob: usage: asyncjob submit PIPELINE [PARAMS | @FILE | -]\n");
		return EXIT_ERROR;
	}
	if (argc == 2 && (text = ajc_read_params(argv[1])) == NULL)
		return EXIT_ERROR;

	params[nparams++] = argv[0];
	used = (size_t) snprintf(sql, sizeof(sql),
							 "SELECT asyncjob.submit(pipeline => $1::pg_catalog.text");
	if (text)
	{
		params[nparams++] = text;
		used += (size_t) snprintf(sql + used, sizeof(sql) - used,
								  ", params => $%d::pg_catalog.jsonb", nparams);
	}
	for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++)
	{
		const char *field = (const char *) options + arguments[i].offset;
		const char *value = *(const char *const *) field;

		if (value == NULL)
			continue;
		params[nparams++] = value;
		used += (size_t) snprintf(sql + used, sizeof(sql) - used,
								  ", %s => $%d::pg_catalog.%s",
								  arguments[i].name, nparams, arguments[i].type);
	}
	snprintf(sql + used, sizeof(sql) - used, ")");

	res = ajc_query(sql, nparams, params, 0);
	free(text);
	if (!ajc_query_ok(res))
	{
		ajc_report_error(res);
		if (ajc_connection_lost())
		{
			fprintf(stderr, "HINT:  Whether the job was submitted is not known; asyncjob list tells. With --unique-key a second try is safe.\n");
			rc = EXIT_CONNECTION;
		}
		else
			rc = EXIT_ERROR;
		PQclear(res);
		return rc;
	}
	snprintf(job, sizeof(job), "%s", PQgetvalue(res, 0, 0));
	PQclear(res);

	if (options->wait || options->watch)
	{
		AjcStatus	st = {.job_id = 0};

		rc = ajc_follow(options, job, !options->watch, &st);
		if (rc == EXIT_JOB_FAILED || rc == EXIT_JOB_CANCELLED)
			ajc_print_job_error(&st);
		else if (rc == EXIT_OK && options->wait)
			rc = print_result(job);
		ajc_free_status(&st);
	}
	else
		printf("%s\n", job);
	return rc;
}
