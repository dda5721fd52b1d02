/*-------------------------------------------------------------------------
 *
 * admin.c
 *		asyncjob retry, dead, check, report.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>

#include "client.h"

int
ajc_cmd_retry(const AjcOptions *options, int argc, char **argv)
{
	AjcStatus	st = {.job_id = 0};
	const char *job;
	AjcResult  *res;
	int			rc = EXIT_OK;

	job = argv[0];
	res = ajc_query("SELECT asyncjob.retry($1::pg_catalog.int8)", 1, &job, AJC_ONCE);
	if (!ajc_query_ok(res))
		return ajc_failed(res);
	ajc_clear(res);
	if (options->watch)
	{
		rc = ajc_follow(options, job, false, &st);
		if (rc == EXIT_JOB_FAILED || rc == EXIT_JOB_CANCELLED)
			ajc_print_job_error(&st);
		ajc_free_status(&st);
	}
	else
		printf("job %s: queued again\n", job);
	return rc;
}

/* ---- dead letters ---- */

/*
 * The filter of redrive() and purge(): a job's id, JSON, or what the options
 * say; NULL after a message if that is nothing, for all must be said.
 */
static const char *
dead_filter(const AjcOptions *options, const char *arg, char *buf, size_t size)
{
	AjcResult  *res;
	const char *params[] = {options->queue, options->pipeline};

	if (arg != NULL && (options->all || options->queue || options->pipeline))
	{
		fprintf(stderr, "asyncjob: a job or a filter, not both\n");
		return NULL;
	}
	if (arg != NULL && strspn(arg, "0123456789") != strlen(arg) && arg[strspn(arg, " \t\r\n")] != '{')
	{
		fprintf(stderr, "asyncjob: \"%s\" is neither a job nor a filter in JSON\n"
				"HINT:  --pipeline %s or --queue %s chooses by name.\n", arg, arg, arg);
		return NULL;
	}
	if (arg != NULL)
		return arg;
	if (!options->all && !options->queue && !options->pipeline)
	{
		fprintf(stderr, "asyncjob: which dead letters? A job, a filter such as '{\"code\": \"40001\"}',\n"
				"--queue NAME, --pipeline NAME, or --all\n");
		return NULL;
	}
	res = ajc_query("SELECT pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object("
					"'queue', $1::pg_catalog.text, 'pipeline', $2::pg_catalog.text))", 2, params, 0);
	if (!ajc_query_ok(res))
	{
		ajc_report_error(res);
		ajc_clear(res);
		return NULL;
	}
	snprintf(buf, size, "%s", ajc_value(res, 0, 0));
	ajc_clear(res);
	return buf;
}

static int
list_dead(const AjcOptions *options)
{
	const char *params[] = {options->queue, options->pipeline,
	options->limit ? options->limit : "20"};
	AjcResult  *res;
	int			n;

#define DEAD_FROM \
	" FROM (SELECT d.* FROM asyncjob.dead_letters d" \
	"  WHERE ($1::pg_catalog.text IS NULL OR d.queue = $1)" \
	"  AND ($2::pg_catalog.text IS NULL OR d.pipeline = $2)" \
	"  ORDER BY d.failed_at DESC, d.job_id DESC LIMIT $3::pg_catalog.int8) d" \
	" ORDER BY d.failed_at, d.job_id"
	if (options->json)
		return ajc_print_lines("SELECT pg_catalog.to_jsonb(d)" DEAD_FROM, 3, params);
	res = ajc_query("SELECT d.job_id, d.pipeline,"
					" pg_catalog.to_char(d.failed_at, 'YYYY-MM-DD HH24:MI'),"
					" coalesce(d.message, '')" DEAD_FROM, 3, params, 0);
	if (!ajc_query_ok(res))
		return ajc_failed(res);
	n = ajc_ntuples(res);
	if (n > 0)
		printf("%10s  %-16s %-16s  %s\n", "job", "pipeline", "failed", "error");
	else
		ajc_say_none("dead letters");
	for (int i = 0; i < n; i++)
	{
		ajc_sanitize(ajc_value(res, i, 1));
		ajc_sanitize(ajc_value(res, i, 3));
		printf("%10s  ", ajc_value(res, i, 0));
		ajc_print_padded(ajc_value(res, i, 1), 16);
		printf(" %s  ", ajc_value(res, i, 2));
		ajc_print_padded(ajc_value(res, i, 3),
						 ajc_width(ajc_value(res, i, 3)) < 32 ? ajc_width(ajc_value(res, i, 3)) : 32);
		putchar('\n');
	}
	ajc_clear(res);
	return EXIT_OK;
}

/* Whatever the view knows of it, a line each; long values below their name */
static int
show_dead(const AjcOptions *options, const char *job)
{
	AjcResult  *res;

	if (options->json)
		return ajc_print_lines("SELECT pg_catalog.to_jsonb(d) FROM asyncjob.dead_letters d"
							   " WHERE d.job_id = $1::pg_catalog.int8", 1, &job);
	res = ajc_query("SELECT e.key, CASE WHEN pg_catalog.jsonb_typeof(e.value) IN ('object', 'array')"
					" THEN E'\\n' || pg_catalog.jsonb_pretty(e.value) ELSE e.value #>> '{}' END"
					" FROM asyncjob.dead_letters d,"
					" pg_catalog.jsonb_each(pg_catalog.jsonb_strip_nulls(pg_catalog.to_jsonb(d))) e"
					" WHERE d.job_id = $1::pg_catalog.int8", 1, &job, 0);
	if (!ajc_query_ok(res))
		return ajc_failed(res);
	if (ajc_ntuples(res) == 0)
	{
		fprintf(stderr, "asyncjob: job %s is no dead letter\n"
				"HINT:  asyncjob dead lists those there are.\n", job);
		ajc_clear(res);
		return EXIT_ERROR;
	}
	for (int i = 0; i < ajc_ntuples(res); i++)
	{
		ajc_sanitize_text(ajc_value(res, i, 1));
		printf("%-12s %s\n", ajc_value(res, i, 0), ajc_value(res, i, 1));
	}
	ajc_clear(res);
	return EXIT_OK;
}

int
ajc_cmd_dead(const AjcOptions *options, int argc, char **argv)
{
	const char *what = argc > 0 ? argv[0] : "list";
	char		buf[512];
	const char *filter;
	const char *params[3];
	AjcResult  *res;
	bool		redrive = strcmp(what, "redrive") == 0;

	if (strcmp(what, "list") == 0 && argc <= 1)
		return list_dead(options);
	if (strcmp(what, "show") == 0 && argc == 2)
		return show_dead(options, argv[1]);
	if ((!redrive && strcmp(what, "purge") != 0) || argc > 2)
	{
		fprintf(stderr, "asyncjob: usage: asyncjob dead [list | show JOB | redrive WHICH | purge WHICH]\n"
				"WHICH is a job, a filter in JSON, --queue NAME, --pipeline NAME or --all.\n");
		return EXIT_ERROR;
	}
	filter = dead_filter(options, argc == 2 ? argv[1] : NULL, buf, sizeof(buf));
	if (filter == NULL)
		return EXIT_ERROR;
	params[0] = filter;
	params[1] = options->limit;
	res = ajc_query(redrive ? "SELECT asyncjob.redrive($1::pg_catalog.jsonb,"
					" max_jobs => $2::pg_catalog.int4)"
					: "SELECT asyncjob.purge($1::pg_catalog.jsonb,"
					" max_jobs => $2::pg_catalog.int4)", 2, params, AJC_ONCE);
	if (!ajc_query_ok(res))
		return ajc_failed(res);
	printf("%s dead letter%s %s\n", ajc_value(res, 0, 0),
		   strcmp(ajc_value(res, 0, 0), "1") == 0 ? "" : "s",
		   redrive ? "queued again" : "deleted");
	ajc_clear(res);
	return EXIT_OK;
}

/* ---- check ---- */

/* Words of a text in lines of at most 79 columns, from the eighth on. */
static void
print_wrapped(const char *text)
{
	int			column = 8;

	while (*text)
	{
		int			len = (int) strcspn(text, " ");

		if (column > 8 && column + 1 + len > 79)
			column = printf("\n        ") - 1;
		else if (column > 8)
			column += printf(" ");
		column += printf("%.*s", len, text);
		text += len;
		text += strspn(text, " ");
	}
	putchar('\n');
}

/* Items that only some uses need */
static bool
is_optional(const char *item)
{
	return strcmp(item, "pg_cron") == 0;
}

int
ajc_cmd_check(const AjcOptions *options, int argc, char **argv)
{
	bool		colours = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
	AjcResult  *res;
	char		text[1024];
	int			bad = 0;

	(void) argv;
	res = ajc_query(options->json ? "SELECT c.item, c.ok, c.detail, c.hint, pg_catalog.to_jsonb(c)"
					" FROM asyncjob.check() c"
					: "SELECT c.item, c.ok, c.detail, c.hint FROM asyncjob.check() c", 0, NULL, 0);
	if (!ajc_query_ok(res))
	{
		if (strcmp(res->sqlstate, "42501") == 0 && !options->json)
		{
			printf("missing rights: this role may not use asyncjob\n");
			fflush(stdout);
		}
		return ajc_failed(res);
	}
	for (int i = 0; i < ajc_ntuples(res); i++)
	{
		bool		ok = ajc_value(res, i, 1)[0] == 't';
		bool		optional = is_optional(ajc_value(res, i, 0));

		bad += !ok && !optional;
		if (options->json)
		{
			printf("%s\n", ajc_value(res, i, 4));
			continue;
		}
		printf("%s%-7s%s ", !colours ? "" : ok ? "\033[32m" : optional ? "\033[33m" : "\033[31m",
			   ok ? "ok" : optional ? "note" : "missing", colours ? "\033[0m" : "");
		snprintf(text, sizeof(text), "%s: %s", ajc_value(res, i, 0), ajc_value(res, i, 2));
		print_wrapped(text);
		if (!ok && !ajc_is_null(res, i, 3))
		{
			fputs("        ", stdout);
			print_wrapped(ajc_value(res, i, 3));
		}
	}
	ajc_clear(res);
	if (bad > 0 && !options->json)
		printf("%d of these must be mended before jobs run.\n", bad);
	return bad > 0 ? EXIT_ERROR : EXIT_OK;
}

/* ---- report ---- */

/* Show a file in the browser, or say where it is. */
static int
open_file(const char *path)
{
	const char *browser = getenv("BROWSER");
	pid_t		pid = fork();
	int			status;

	if (pid == 0)
	{
		if (browser != NULL && browser[0] != '\0')
			execlp(browser, browser, path, (char *) NULL);
		execlp("xdg-open", "xdg-open", path, (char *) NULL);
		execlp("open", "open", path, (char *) NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
		WEXITSTATUS(status) != 0)
	{
		fprintf(stderr, "asyncjob: could not open a browser\n"
				"HINT:  Open %s yourself, or set BROWSER.\n", path);
		return EXIT_ERROR;
	}
	return EXIT_OK;
}

int
ajc_cmd_report(const AjcOptions *options, int argc, char **argv)
{
	char		path[64];
	const char *params[2];
	AjcResult  *res;
	int			rc;

	params[0] = argv[0];
	res = ajc_query("SELECT a.name, a.size FROM asyncjob.artifacts($1::pg_catalog.int8) a"
					" WHERE a.media_type LIKE 'text/html%' ORDER BY a.created_at DESC LIMIT 1",
					1, params, 0);
	if (!ajc_query_ok(res))
		return ajc_failed(res);
	if (ajc_ntuples(res) == 0)
	{
		fprintf(stderr, "asyncjob: job %s has no report\n"
				"HINT:  asyncjob artifacts %s lists what it made.\n", argv[0], argv[0]);
		ajc_clear(res);
		return EXIT_ERROR;
	}
	snprintf(path, sizeof(path), "report-%s.html", argv[0]);
	rc = ajc_save_artifact(argv[0], ajc_value(res, 0, 0), path,
						   strtoll(ajc_value(res, 0, 1), NULL, 10));
	ajc_clear(res);
	if (rc != EXIT_OK)
		return rc;
	printf("%s\n", path);
	return options->open ? open_file(path) : EXIT_OK;
}
