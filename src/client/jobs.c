/*-------------------------------------------------------------------------
 *
 * jobs.c
 *		asyncjob status, list, cancel: one statement each.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

int
ajc_cmd_status(const AjcOptions *options, int argc, char **argv)
{
	AjcStatus	st = {.job_id = 0};
	AjcStep    *steps = NULL;
	char		text[64];
	const char *job;
	int			nsteps;

	job = argv[0];
	if (options->json)
		return ajc_print_lines("SELECT pg_catalog.to_jsonb(s) FROM"
							   " asyncjob.status($1::pg_catalog.int8) s", 1, &job);
	if (!ajc_get_status(job, &st) || (nsteps = ajc_get_steps(job, &steps)) < 0)
	{
		if (ajc_connection_lost())
			ajc_say_connection_lost(NULL);
		ajc_free_status(&st);
		return ajc_connection_lost() ? EXIT_CONNECTION : EXIT_ERROR;
	}
	printf("job        %lld\npipeline   %s\nstate      %s%s\n",
		   (long long) st.job_id, st.pipeline, st.state,
		   st.partial ? " (partial)" : "");
	printf("progress   %d %%, %d of %d steps\n",
		   (int) (st.progress * 100 + 1e-9), st.completed_steps, st.total_steps);
	if (st.queue_position > 0)
		printf("place      %lld in its queue\n", (long long) st.queue_position);
	if (st.elapsed_s >= 0)
	{
		ajc_format_duration(text, sizeof(text), st.elapsed_s);
		printf("elapsed    %s\n", text);
	}
	if (st.eta_s >= 0 && !ajc_final(&st))
	{
		ajc_format_duration(text, sizeof(text), st.eta_s);
		printf("left       %s (estimate)\n", text);
	}
	if (st.message[0] && !ajc_final(&st))
	{
		fputs("message    ", stdout);
		ajc_print_padded(st.message, ajc_width(st.message) < 68 ? ajc_width(st.message) : 68);
		putchar('\n');
	}
	for (int i = 0; i < nsteps; i++)
	{
		text[0] = '\0';
		if (steps[i].elapsed_s >= 0)
			ajc_format_duration(text, sizeof(text), steps[i].elapsed_s);
		printf("%s %2d  ", i == 0 ? "steps     " : "          ", steps[i].step_no);
		ajc_print_padded(steps[i].name, 24);
		printf("  %-10s %s\n", steps[i].state, text);
	}
	if (st.error_message)
	{
		printf("error      %s%s%s%s\n", st.error_message,
			   st.error_code[0] ? " (" : "", st.error_code,
			   st.error_code[0] ? ")" : "");
		if (st.error_detail)
			printf("detail     %s\n", st.error_detail);
		if (st.error_hint)
			printf("hint       %s\n", st.error_hint);
	}
	free(steps);
	ajc_free_status(&st);
	return EXIT_OK;
}

/* The newest jobs last, so that they stand above the prompt. */
int
ajc_cmd_list(const AjcOptions *options, int argc, char **argv)
{
	const char *params[] = {options->user_id, options->session, options->state,
	options->limit ? options->limit : "20"};
	AjcResult  *res;

	(void) argv;
#define LIST_CALL \
	"asyncjob.list_jobs(user_id => $1, session_id => $2, state => $3," \
	" max_rows => $4::pg_catalog.int4)"
	if (options->json)
		return ajc_print_lines("SELECT pg_catalog.to_jsonb(l) FROM " LIST_CALL " l"
							   " ORDER BY l.job_id", 4, params);
	res = ajc_query("SELECT l.job_id, l.pipeline, l.state, l.progress, l.step,"
					" pg_catalog.to_char(l.created_at, 'YYYY-MM-DD HH24:MI'),"
					" pg_catalog.date_part('epoch', coalesce(l.finished_at,"
					"  pg_catalog.clock_timestamp()) - l.started_at)"
					" FROM " LIST_CALL " l ORDER BY l.job_id", 4, params, 0);
	if (!ajc_query_ok(res))
		return ajc_failed(res);
	if (ajc_ntuples(res) > 0)
		printf("%10s  %-18s %-10s %5s  %-16s  %s\n", "job", "pipeline", "state",
			   "done", "submitted", "time");
	else
		ajc_say_none("such jobs");
	for (int i = 0; i < ajc_ntuples(res); i++)
	{
		char		elapsed[32] = "";

		if (!ajc_is_null(res, i, 6))
			ajc_format_duration(elapsed, sizeof(elapsed),
								strtod(ajc_value(res, i, 6), NULL));
		ajc_sanitize(ajc_value(res, i, 1));
		printf("%10s  ", ajc_value(res, i, 0));
		ajc_print_padded(ajc_value(res, i, 1), 18);
		printf(" %-10s %3d %%  %-16s  %s\n", ajc_value(res, i, 2),
			   (int) (strtod(ajc_value(res, i, 3), NULL) * 100 + 1e-9),
			   ajc_value(res, i, 5), elapsed);
	}
	ajc_clear(res);
	return EXIT_OK;
}

int
ajc_cmd_cancel(const AjcOptions *options, int argc, char **argv)
{
	const char *params[] = {argc > 0 ? argv[0] : NULL, argc > 1 ? argv[1] : NULL};
	AjcResult  *res;
	bool		done;

	(void) options;
	if (argc == 2)
		res = ajc_query("SELECT asyncjob.cancel($1::pg_catalog.int8, $2)", 2, params, 0);
	else
		res = ajc_query("SELECT asyncjob.cancel($1::pg_catalog.int8)", 1, params, 0);
	if (!ajc_query_ok(res))
		return ajc_failed(res);
	done = ajc_value(res, 0, 0)[0] == 't';
	ajc_clear(res);
	if (!done)
	{
		fprintf(stderr, "asyncjob: job %s had already ended\n", argv[0]);
		return EXIT_ERROR;
	}
	printf("job %s: cancelling\n", argv[0]);
	return EXIT_OK;
}
