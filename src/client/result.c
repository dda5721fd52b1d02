/*-------------------------------------------------------------------------
 *
 * result.c
 *		asyncjob result, artifacts: what a job made.
 *
 * Artifacts are read by range, a megabyte at a time, so that their size does
 * not matter to either side.  A file appears under its name only when it is
 * complete.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"

#define RANGE_SIZE		(1024 * 1024)

int
ajc_cmd_result(const AjcOptions *options, int argc, char **argv)
{
	AjcStatus	st = {.job_id = 0};
	const char *job;
	AjcResult  *res;
	int			rc = EXIT_OK;

	(void) options;
	job = argv[0];
	if (!ajc_get_status(job, &st))
	{
		if (ajc_connection_lost())
			ajc_say_connection_lost(NULL);
		return ajc_connection_lost() ? EXIT_CONNECTION : EXIT_ERROR;
	}
	if (!ajc_final(&st))
	{
		fprintf(stderr, "asyncjob: job %s is %s and has no result yet\n"
				"HINT:  Wait for it with: asyncjob watch %s\n", job, st.state, job);
		rc = EXIT_ERROR;
	}
	else if ((rc = ajc_exit_code(&st)) != EXIT_OK)
		ajc_print_job_error(&st);
	ajc_free_status(&st);
	if (rc != EXIT_OK)
		return rc;

	/* People get lines, programs the value as it is stored. */
	res = ajc_query(isatty(STDOUT_FILENO)
					? "SELECT pg_catalog.jsonb_pretty(asyncjob.result($1::pg_catalog.int8))"
					: "SELECT asyncjob.result($1::pg_catalog.int8)", 1, &job, 0);
	if (ajc_query_ok(res))
	{
		/* JSON escapes most control characters itself, but not all */
		if (isatty(STDOUT_FILENO))
			ajc_sanitize_text(ajc_value(res, 0, 0));
		printf("%s\n", ajc_is_null(res, 0, 0) ? "null" : ajc_value(res, 0, 0));
	}
	else
	{
		ajc_report_error(res);
		rc = ajc_connection_lost() ? EXIT_CONNECTION : EXIT_ERROR;
	}
	ajc_clear(res);
	return rc;
}

/*
 * A file's name for an artifact: its own, with an extension by its media type
 * if it has none.  A name that would leave the directory is refused.
 */
static bool
file_name(char *path, size_t size, const char *dir, const char *name,
		  const char *media_type)
{
	static const char *const types[][2] = {
		{"application/geo+json", ".geojson"}, {"application/json", ".json"},
		{"image/png", ".png"}, {"text/html", ".html"}, {"text/csv", ".csv"},
		{"text/plain", ".txt"}, {"image/svg+xml", ".svg"}
	};
	const char *extension = "";
	int			n;
	bool		odd = false;

	for (const char *p = name; *p; p++)
		odd = odd || (unsigned char) *p < 0x20 || *p == 0x7F;
	if (odd || name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL)
	{
		char	   *shown = strcpy(ajc_alloc(NULL, strlen(name) + 1), name);

		ajc_sanitize(shown);
		fprintf(stderr, "asyncjob: artifact \"%s\" has no name that a file could have\n",
				shown);
		free(shown);
		return false;
	}
	if (strchr(name, '.') == NULL)
		for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
			if (strncmp(media_type, types[i][0], strlen(types[i][0])) == 0)
				extension = types[i][1];
	n = snprintf(path, size, "%s/%s%s", dir, name, extension);
	return n > 0 && (size_t) n < size;
}

/*
 * A new file, whatever stood in its place: in a directory that others may
 * write to it could be a link to a file of ours.
 */
static FILE *
create_file(const char *path)
{
	int			fd;

	(void) unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	return fd < 0 ? NULL : fdopen(fd, "wb");
}

/* Write one artifact into a file; reports what goes wrong. */
int
ajc_save_artifact(const char *job, const char *name, const char *path, long long expected)
{
	char		part[4200];
	char		start[32],
				length[32];
	const char *params[] = {job, name, start, length};
	long long	done = 0;
	FILE	   *f;
	int			rc = EXIT_OK;

	snprintf(part, sizeof(part), "%s.part", path);
	f = create_file(part);
	if (f == NULL)
	{
		fprintf(stderr, "asyncjob: could not write \"%s\": %s\n", part, strerror(errno));
		return EXIT_ERROR;
	}
	while (rc == EXIT_OK && done < expected)
	{
		AjcResult  *res;
		int			n = 0;

		snprintf(start, sizeof(start), "%lld", done);
		snprintf(length, sizeof(length), "%d", RANGE_SIZE);
		res = ajc_query("SELECT asyncjob.artifact_data($1::pg_catalog.int8,"
						" $2::pg_catalog.text, $3::pg_catalog.int8,"
						" $4::pg_catalog.int4)", 4, params, AJC_BINARY);
		if (!ajc_query_ok(res))
		{
			ajc_report_error(res);
			rc = ajc_connection_lost() ? EXIT_CONNECTION : EXIT_ERROR;
		}
		else if ((n = (int) ajc_length(res, 0, 0)) == 0)
		{
			fprintf(stderr, "asyncjob: artifact \"%s\" ended after %lld of %lld bytes\n",
					name, done, expected);
			rc = EXIT_ERROR;
		}
		else if (fwrite(ajc_value(res, 0, 0), 1, (size_t) n, f) != (size_t) n)
		{
			fprintf(stderr, "asyncjob: could not write \"%s\": %s\n", part, strerror(errno));
			rc = EXIT_ERROR;
		}
		done += n;
		ajc_clear(res);
	}
	if (fclose(f) != 0 && rc == EXIT_OK)
	{
		fprintf(stderr, "asyncjob: could not write \"%s\": %s\n", part, strerror(errno));
		rc = EXIT_ERROR;
	}
	if (rc == EXIT_OK && rename(part, path) != 0)
	{
		fprintf(stderr, "asyncjob: could not write \"%s\": %s\n", path, strerror(errno));
		rc = EXIT_ERROR;
	}
	if (rc != EXIT_OK)
		(void) unlink(part);
	return rc;
}

int
ajc_cmd_artifacts(const AjcOptions *options, int argc, char **argv)
{
	const char *job;
	AjcResult  *res;
	int			rc = EXIT_OK;

	job = argv[0];
	if (options->json && options->save)
	{
		fprintf(stderr, "asyncjob: --json and --save exclude each other\n");
		return EXIT_ERROR;
	}
	if (options->json)
		return ajc_print_lines("SELECT pg_catalog.to_jsonb(a)"
							   " FROM asyncjob.artifacts($1::pg_catalog.int8) a"
							   " ORDER BY a.created_at, a.name", 1, &job);
	res = ajc_query("SELECT a.name, a.step, a.kind, a.media_type, a.size"
					" FROM asyncjob.artifacts($1::pg_catalog.int8) a"
					" ORDER BY a.created_at, a.name", 1, &job, 0);
	if (!ajc_query_ok(res))
	{
		ajc_report_error(res);
		ajc_clear(res);
		return ajc_connection_lost() ? EXIT_CONNECTION : EXIT_ERROR;
	}
	if (options->save && mkdir(options->save, 0777) != 0 && errno != EEXIST)
	{
		fprintf(stderr, "asyncjob: could not create \"%s\": %s\n", options->save,
				strerror(errno));
		rc = EXIT_ERROR;
	}
	else if (ajc_ntuples(res) == 0)
		ajc_say_none("artifacts");
	else if (!options->save)
		printf("%-24s %-14s %-28s %9s\n", "artifact", "step", "media type", "size");
	for (int i = 0; rc == EXIT_OK && i < ajc_ntuples(res); i++)
	{
		const char *name = ajc_value(res, i, 0);
		long long	size = strtoll(ajc_value(res, i, 4), NULL, 10);
		char		path[4096],
					text[32];

		ajc_format_size(text, sizeof(text), (double) size);
		if (options->save)
		{
			if (!file_name(path, sizeof(path), options->save, name,
						   ajc_value(res, i, 3)))
				rc = EXIT_ERROR;
			else if ((rc = ajc_save_artifact(job, name, path, size)) == EXIT_OK)
				printf("%s (%s)\n", path, text);
			continue;
		}
		for (int column = 0; column < 4; column++)
			ajc_sanitize(ajc_value(res, i, column));
		ajc_print_padded(name, 24);
		putchar(' ');
		ajc_print_padded(ajc_value(res, i, 1), 14);
		putchar(' ');
		ajc_print_padded(ajc_value(res, i, 3), 28);
		printf(" %9s\n", text);
	}
	ajc_clear(res);
	return rc;
}
