/*-------------------------------------------------------------------------
 *
 * pause.c
 *		asyncjob queues, pipelines, quiesce, resume.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>

#include "client.h"

/* A query without a result that matters. */
static int
act(const char *sql, const char *name, const char *done)
{
	AjcResult  *res = ajc_query(sql, name ? 1 : 0, &name, AJC_ONCE);

	if (!ajc_query_ok(res))
		return ajc_failed(res);
	ajc_clear(res);
	printf("%s %s\n", name ? name : "database", done);
	return EXIT_OK;
}

/* Rows of a name, a state, and numbers; with json as they are in the view. */
static int
print_table(bool json, const char *as_json, const char *sql, const char *what,
			const char *const *columns)
{
	AjcResult  *res = ajc_query(json ? as_json : sql, 0, NULL, 0);

	if (!ajc_query_ok(res))
		return ajc_failed(res);
	if (!json)
	{
		printf("%-40s %-8s", what, "state");
		for (int c = 0; columns[c]; c++)
			printf(" %10s", columns[c]);
		putchar('\n');
	}
	for (int i = 0; i < ajc_ntuples(res); i++)
	{
		if (json)
		{
			printf("%s\n", ajc_value(res, i, 0));
			continue;
		}
		ajc_sanitize(ajc_value(res, i, 0));
		ajc_print_padded(ajc_value(res, i, 0), 40);
		printf(" %-8s", ajc_value(res, i, 1));
		for (int c = 0; columns[c]; c++)
			printf(" %10s", ajc_value(res, i, c + 2));
		putchar('\n');
	}
	ajc_clear(res);
	return EXIT_OK;
}

int
ajc_cmd_queues(const AjcOptions *options, int argc, char **argv)
{
	static const char *const columns[] = {"queued", "running", NULL};

	if (argc == 2 && strcmp(argv[0], "pause") == 0)
		return act("SELECT asyncjob.pause_queue($1)", argv[1], "paused");
	if (argc == 2 && strcmp(argv[0], "resume") == 0)
		return act("SELECT asyncjob.resume_queue($1)", argv[1], "resumed");
	if (argc != 0)
	{
		fprintf(stderr, "asyncjob: usage: asyncjob queues [pause QUEUE | resume QUEUE]\n");
		return EXIT_ERROR;
	}
	return print_table(options->json,
					   "SELECT pg_catalog.to_jsonb(q) FROM asyncjob.queues q ORDER BY q.name",
					   "SELECT q.name, CASE WHEN q.paused THEN 'paused' WHEN s.quiesced_at IS NOT NULL"
					   " THEN 'quiesced' ELSE 'open' END, q.queued, q.running FROM asyncjob.queues q"
					   " JOIN asyncjob.queue s ON s.name = q.name ORDER BY q.name",
					   "queue", columns);
}

int
ajc_cmd_pipelines(const AjcOptions *options, int argc, char **argv)
{
	static const char *const columns[] = {"version", "steps", NULL};

	if (argc == 2 && strcmp(argv[0], "pause") == 0)
		return act("SELECT asyncjob.pause_pipeline($1)", argv[1], "paused");
	if (argc == 2 && strcmp(argv[0], "resume") == 0)
		return act("SELECT asyncjob.resume_pipeline($1)", argv[1], "resumed");
	if (argc != 0)
	{
		fprintf(stderr, "asyncjob: usage: asyncjob pipelines [pause PIPELINE | resume PIPELINE]\n");
		return EXIT_ERROR;
	}
	return print_table(options->json,
					   "SELECT pg_catalog.to_jsonb(p) FROM asyncjob.pipelines p ORDER BY p.name",
					   "SELECT p.name, CASE WHEN p.paused THEN 'paused' ELSE 'open' END, p.version,"
					   " p.total_steps FROM asyncjob.pipelines p ORDER BY p.name",
					   "pipeline", columns);
}

/* Wait until nothing runs any more. */
int
ajc_cmd_quiesce(const AjcOptions *options, int argc, char **argv)
{
	const char *queue = argc == 1 ? argv[0] : NULL;

	(void) options;
	if (queue != NULL)
		return act("CALL asyncjob.quiesce_wait($1)", queue, "paused; nothing of it runs any more");
	return act("CALL asyncjob.quiesce_wait()", NULL, "quiesced; nothing runs any more");
}

int
ajc_cmd_resume(const AjcOptions *options, int argc, char **argv)
{
	(void) options;
	(void) argc;
	(void) argv;
	return act("SELECT asyncjob.resume()", NULL, "resumed");
}
