/*-------------------------------------------------------------------------
 *
 * status.c
 *		What the server says of a job, read into structs.
 *
 * asyncjob.status() and asyncjob.steps() check who asks; a job that does not
 * exist and one of another role are the same error.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

#define STATUS_COLUMNS \
	"s.job_id, s.pipeline, s.state, s.partial, s.step, s.step_no," \
	" s.completed_steps, s.total_steps, s.progress, s.step_progress," \
	" s.message, pg_catalog.date_part('epoch', s.eta)," \
	" pg_catalog.date_part('epoch', coalesce(s.finished_at," \
	"  pg_catalog.clock_timestamp()) - s.started_at)," \
	" s.queue_position, s.error_message, s.error_detail, s.error_hint," \
	" s.error_code"

static void
copy_text(char *dst, size_t size, const AjcResult *res, int row, int column)
{
	snprintf(dst, size, "%s", ajc_value(res, row, column));

	/* a character that was cut in two is no character */
	if (strlen(dst) == size - 1)
	{
		size_t		n = size - 1;

		while (n > 0 && ((unsigned char) dst[n - 1] & 0xC0) == 0x80)
			n--;
		if (n > 0 && (unsigned char) dst[n - 1] >= 0xC0)
			dst[n - 1] = '\0';
	}
	ajc_sanitize(dst);
}

static char *
dup_text(const AjcResult *res, int row, int column)
{
	char	   *copy;

	if (ajc_is_null(res, row, column))
		return NULL;
	copy = ajc_alloc(NULL, ajc_length(res, row, column) + 1);
	strcpy(copy, ajc_value(res, row, column));
	ajc_sanitize_text(copy);
	return copy;
}

static double
number(const AjcResult *res, int row, int column, double if_null)
{
	return ajc_is_null(res, row, column) ? if_null
		: strtod(ajc_value(res, row, column), NULL);
}

static void
fill_status(AjcStatus *st, const AjcResult *res, int row)
{
	memset(st, 0, sizeof(*st));
	st->job_id = strtoll(ajc_value(res, row, 0), NULL, 10);
	copy_text(st->pipeline, sizeof(st->pipeline), res, row, 1);
	copy_text(st->state, sizeof(st->state), res, row, 2);
	st->partial = ajc_value(res, row, 3)[0] == 't';
	copy_text(st->step, sizeof(st->step), res, row, 4);
	st->step_no = (int) number(res, row, 5, 0);
	st->completed_steps = (int) number(res, row, 6, 0);
	st->total_steps = (int) number(res, row, 7, 0);
	st->progress = number(res, row, 8, 0);
	st->step_progress = number(res, row, 9, 0);
	copy_text(st->message, sizeof(st->message), res, row, 10);
	st->eta_s = number(res, row, 11, -1);
	st->elapsed_s = number(res, row, 12, -1);
	st->queue_position = (int64_t) number(res, row, 13, 0);
	st->error_message = dup_text(res, row, 14);
	st->error_detail = dup_text(res, row, 15);
	st->error_hint = dup_text(res, row, 16);
	copy_text(st->error_code, sizeof(st->error_code), res, row, 17);
}

void
ajc_free_status(AjcStatus *st)
{
	free(st->error_message);
	free(st->error_detail);
	free(st->error_hint);
	memset(st, 0, sizeof(*st));
}

/*
 * Read a job's status; what st held before is freed.  On failure the error is
 * reported, unless the connection was lost.
 */
bool
ajc_get_status(const char *job, AjcStatus *st)
{
	AjcResult  *res = ajc_query("SELECT " STATUS_COLUMNS
								" FROM asyncjob.status($1::pg_catalog.int8) s",
								1, &job, 0);
	bool		ok = ajc_query_ok(res) && ajc_ntuples(res) == 1;

	if (ok)
	{
		ajc_free_status(st);
		fill_status(st, res, 0);
	}
	else if (!ajc_connection_lost())
		ajc_report_error(res);
	ajc_clear(res);
	return ok;
}

/*
 * Read the statuses of several jobs, '{1,2}'; found gets each of those that
 * are there and ours.  False on failure, which is reported unless the connection was lost.
 */
bool
ajc_get_statuses(const char *jobs, void (*found) (const AjcStatus *st))
{
	AjcResult  *res = ajc_query("SELECT " STATUS_COLUMNS
								" FROM asyncjob.updates_many($1::pg_catalog.int8[], pg_catalog.array_fill("
								"  2147483647, ARRAY[pg_catalog.cardinality($1::pg_catalog.int8[])])) j,"
								" LATERAL asyncjob.status(j.job_id) s", 1, &jobs, 0);
	bool		ok = ajc_query_ok(res);

	for (int i = 0; i < ajc_ntuples(res); i++)
	{
		AjcStatus	st;

		fill_status(&st, res, i);
		found(&st);
		ajc_free_status(&st);
	}
	if (!ok && !ajc_connection_lost())
		ajc_report_error(res);
	ajc_clear(res);
	return ok;
}

/* Read a job's steps into a malloc'ed array; -1 on failure. */
int
ajc_get_steps(const char *job, AjcStep **steps)
{
	AjcResult  *res = ajc_query("SELECT s.step_no, s.name, s.state, s.progress,"
								" pg_catalog.date_part('epoch', coalesce(s.finished_at,"
								"  pg_catalog.clock_timestamp()) - s.started_at)"
								" FROM asyncjob.steps($1::pg_catalog.int8) s"
								" ORDER BY s.step_no",
								1, &job, 0);
	int			n;

	if (!ajc_query_ok(res))
	{
		if (!ajc_connection_lost())
			ajc_report_error(res);
		ajc_clear(res);
		return -1;
	}
	n = ajc_ntuples(res);
	*steps = ajc_alloc(*steps, sizeof(AjcStep) * (size_t) (n + 1));
	for (int i = 0; i < n; i++)
	{
		AjcStep    *step = &(*steps)[i];

		step->step_no = (int) number(res, i, 0, 0);
		copy_text(step->name, sizeof(step->name), res, i, 1);
		copy_text(step->state, sizeof(step->state), res, i, 2);
		step->progress = number(res, i, 3, 0);
		step->elapsed_s = number(res, i, 4, -1);
	}
	ajc_clear(res);
	return n;
}

bool
ajc_final(const AjcStatus *st)
{
	return strcmp(st->state, "completed") == 0 ||
		strcmp(st->state, "failed") == 0 ||
		strcmp(st->state, "cancelled") == 0;
}

/* The exit code that stands for a final state. */
int
ajc_exit_code(const AjcStatus *st)
{
	if (strcmp(st->state, "failed") == 0)
		return EXIT_JOB_FAILED;
	if (strcmp(st->state, "cancelled") == 0)
		return EXIT_JOB_CANCELLED;
	return EXIT_OK;
}

/* Print why a job was cancelled, if whoever did it gave a reason. */
static void
print_cancel_reason(const AjcStatus *st)
{
	char		job[32];
	const char *params[] = {job};
	AjcResult  *res;

	snprintf(job, sizeof(job), "%lld", (long long) st->job_id);
	res = ajc_query("SELECT u.message FROM asyncjob.updates($1::pg_catalog.int8) u"
					" WHERE u.kind = 'state' AND u.message IS NOT NULL"
					" ORDER BY u.seq DESC LIMIT 1", 1, params, 0);
	if (ajc_query_ok(res) && ajc_ntuples(res) == 1)
	{
		ajc_sanitize_text(ajc_value(res, 0, 0));
		fprintf(stderr, ": %s", ajc_value(res, 0, 0));
	}
	ajc_clear(res);
}

/* Say on standard error why a job failed or was cancelled. */
void
ajc_print_job_error(const AjcStatus *st)
{
	fprintf(stderr, "asyncjob: job %lld %s", (long long) st->job_id, st->state);
	if (st->step[0] && strcmp(st->state, "failed") == 0)
		fprintf(stderr, " in step %s", st->step);
	if (st->error_message)
		fprintf(stderr, ": %s", st->error_message);
	else if (strcmp(st->state, "cancelled") == 0)
		print_cancel_reason(st);
	if (st->error_code[0])
		fprintf(stderr, " (%s)", st->error_code);
	fputc('\n', stderr);
	if (st->error_detail)
		fprintf(stderr, "DETAIL:  %s\n", st->error_detail);
	if (st->error_hint)
		fprintf(stderr, "HINT:  %s\n", st->error_hint);
}
