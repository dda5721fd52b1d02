/*-------------------------------------------------------------------------
 *
 * libblock.c
 *		Blocking functions: the loop that a program without one needs.
 *
 * Each sends its request and runs the loop until the answer is there.  They
 * return the code of the answer and leave its error in the client.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "lib.h"

static int
inside_callback(asyncjob_client *c)
{
	return (int) ajl_error_set(&c->error, ASYNCJOB_INVALID_INPUT,
							   "a blocking function cannot be called from a callback");
}

int
asyncjob_run(asyncjob_client *c, int timeout_ms)
{
	struct pollfd fd = {.fd = asyncjob_socket(c)};
	int			events = asyncjob_events(c);
	int			timeout = asyncjob_timeout(c);

	if (c->depth > 0)
		return inside_callback(c);
	if (timeout < 0 || (timeout_ms >= 0 && timeout_ms < timeout))
		timeout = timeout_ms;
	if (events & ASYNCJOB_READ)
		fd.events |= POLLIN;
	if (events & ASYNCJOB_WRITE)
		fd.events |= POLLOUT;

	/* A signal ends the wait early; the caller looks at what it meant. */
	(void) poll(&fd, 1, timeout);
	return asyncjob_dispatch(c);
}

/* What is left of a timeout that began at start; -1: no limit */
static int
left_of(int64_t start, int timeout_ms)
{
	int64_t		left = start + timeout_ms - ajl_clock();

	return timeout_ms < 0 ? -1 : left > 0 ? (int) left : 0;
}

static int
timed_out(asyncjob_client *c, const char *what, int timeout_ms)
{
	return (int) ajl_error_set(&c->error, ASYNCJOB_TIMEOUT, "%s within %.3g s",
							   what, timeout_ms / 1000.0);
}

int
asyncjob_connect_wait(asyncjob_client *c, int timeout_ms)
{
	int64_t		start = ajl_clock();

	if (c->depth > 0)
		return inside_callback(c);
	(void) asyncjob_connect(c);
	while (c->state != ASYNCJOB_CONNECTED)
	{
		if (c->state == ASYNCJOB_ERROR)
			return (int) ajl_error_copy(&c->error, &c->link_error);
		if (timeout_ms >= 0 && left_of(start, timeout_ms) == 0)
			return timed_out(c, "no connection", timeout_ms);
		(void) asyncjob_run(c, left_of(start, timeout_ms));
	}
	return ASYNCJOB_OK;
}

/* ---- requests ---- */

typedef struct Waiting
{
	bool		done;
	asyncjob_rows *rows;
	AjlError	error;
} Waiting;

static void
on_reply(asyncjob_client *c, const asyncjob_error *error, asyncjob_rows *rows, void *arg)
{
	Waiting    *w = arg;

	(void) c;
	w->done = true;
	if (error == NULL)
		w->rows = asyncjob_rows_keep(rows);
	else
	{
		ajl_error_set(&w->error, error->code, "%s", error->message);
		snprintf(w->error.sqlstate, sizeof(w->error.sqlstate), "%s", error->sqlstate);
		ajl_error_detail(&w->error, error->detail);
		ajl_error_hint(&w->error, error->hint);
	}
}

/* Run the loop until the reply to a request that was sent with w is there. */
static int
finish(asyncjob_client *c, int sent, Waiting *w)
{
	if (sent != ASYNCJOB_OK)
		return sent;
	while (!w->done)
	{
		/* a callback has disconnected, but this needs a connection */
		if (c->link == AJL_LINK_NONE)
			(void) asyncjob_connect(c);
		(void) asyncjob_run(c, -1);
	}
	if (w->rows == NULL)
		return (int) ajl_error_copy(&c->error, &w->error);
	return ASYNCJOB_OK;
}

int
asyncjob_query(asyncjob_client *c, const char *sql, int nparams,
			   const char *const *params, int flags, asyncjob_rows **rows)
{
	Waiting		w = {.done = false};
	int			rc;

	*rows = NULL;
	if (c->depth > 0)
		return inside_callback(c);
	rc = finish(c, asyncjob_send_query(c, sql, nparams, params, flags, on_reply, &w), &w);
	*rows = w.rows;
	return rc;
}

int
asyncjob_submit(asyncjob_client *c, const asyncjob_submission *submission,
				int64_t *job_id)
{
	Waiting		w = {.done = false};
	int			rc;

	*job_id = 0;
	if (c->depth > 0)
		return inside_callback(c);
	rc = finish(c, asyncjob_send_submit(c, submission, on_reply, &w), &w);
	if (rc == ASYNCJOB_OK)
		*job_id = asyncjob_rows_int(w.rows, 0, 0);
	asyncjob_rows_free(w.rows);
	return rc;
}

/* One statement about one job; text may be the second parameter. */
static int
query_job(asyncjob_client *c, const char *sql, int64_t job_id, const char *text,
		  int flags, asyncjob_rows **rows)
{
	char		id[32];
	const char *params[] = {id, text};

	snprintf(id, sizeof(id), "%lld", (long long) job_id);
	return asyncjob_query(c, sql, text ? 2 : 1, params, flags, rows);
}

int
asyncjob_status(asyncjob_client *c, int64_t job_id, asyncjob_rows **rows)
{
	return query_job(c, "SELECT * FROM asyncjob.status($1)", job_id, NULL,
					 ASYNCJOB_RETRY, rows);
}

int
asyncjob_result(asyncjob_client *c, int64_t job_id, char **json)
{
	asyncjob_rows *rows;
	int			rc = query_job(c, "SELECT asyncjob.result($1)", job_id, NULL,
							   ASYNCJOB_RETRY, &rows);

	*json = NULL;
	if (rc == ASYNCJOB_OK && asyncjob_rows_value(rows, 0, 0) != NULL)
	{
		*json = ajl_strdup(asyncjob_rows_value(rows, 0, 0));
		if (*json == NULL)
			rc = (int) ajl_no_memory(c);
	}
	asyncjob_rows_free(rows);
	return rc;
}

int
asyncjob_cancel(asyncjob_client *c, int64_t job_id, const char *reason, bool *done)
{
	asyncjob_rows *rows;
	int			rc;

	rc = query_job(c, reason ? "SELECT asyncjob.cancel($1, $2)" : "SELECT asyncjob.cancel($1)",
				   job_id, reason, ASYNCJOB_RETRY, &rows);
	if (done != NULL)
		*done = rc == ASYNCJOB_OK && asyncjob_rows_text(rows, 0, 0)[0] == 't';
	asyncjob_rows_free(rows);
	return rc;
}

int
asyncjob_retry(asyncjob_client *c, int64_t job_id)
{
	asyncjob_rows *rows;
	int			rc = query_job(c, "SELECT asyncjob.retry($1)", job_id, NULL, 0, &rows);

	asyncjob_rows_free(rows);
	return rc;
}

/* ---- wait ---- */

typedef struct End
{
	asyncjob_job_state state;
	Waiting		w;
} End;

/* What the update that ended the job says beside its message */
static void
on_end_details(asyncjob_client *c, const asyncjob_error *error, asyncjob_rows *rows, void *arg)
{
	End		   *end = arg;
	AjlError   *e = &end->w.error;

	(void) c;
	end->w.done = true;
	if (error != NULL || asyncjob_rows_count(rows) != 1)
		return;
	snprintf(e->sqlstate, sizeof(e->sqlstate), "%s", asyncjob_rows_text(rows, 0, 0));
	ajl_error_detail(e, asyncjob_rows_text(rows, 0, 1));
	ajl_error_hint(e, asyncjob_rows_text(rows, 0, 2));
}

static void
on_end(asyncjob_client *c, const asyncjob_update *u, void *arg)
{
	End		   *end = arg;
	char		job[32],
				seq[16],
				before[16];
	const char *params[] = {job, before, seq};

	end->state = u->state;
	end->w.done = true;
	if (u->state == ASYNCJOB_COMPLETED)
		return;
	ajl_error_set(&end->w.error, ASYNCJOB_JOB_FAILED, "job %lld %s: %s",
				  (long long) u->job_id,
				  u->state == ASYNCJOB_CANCELLED ? "was cancelled" : "failed",
				  u->message ? u->message : "no reason was given");
	snprintf(job, sizeof(job), "%lld", (long long) u->job_id);
	snprintf(before, sizeof(before), "%d", u->seq - 1);
	snprintf(seq, sizeof(seq), "%d", u->seq);
	if (u->data != NULL &&
		asyncjob_send_query(c, "SELECT u.data ->> 'sqlstate', u.data ->> 'detail',"
							" u.data ->> 'hint' FROM asyncjob.updates($1::pg_catalog.int8,"
							" $2::pg_catalog.int4) u WHERE u.seq = $3::pg_catalog.int4",
							3, params, ASYNCJOB_RETRY, on_end_details, end) == ASYNCJOB_OK)
		end->w.done = false;
}

static void
on_end_error(asyncjob_client *c, asyncjob_subscription sub, int64_t job_id,
			 const asyncjob_error *error, void *arg)
{
	End		   *end = arg;

	(void) sub;
	(void) job_id;
	on_reply(c, error, NULL, &end->w);
}

int
asyncjob_wait(asyncjob_client *c, int64_t job_id, int timeout_ms,
			  asyncjob_job_state *state)
{
	End			end = {ASYNCJOB_UNKNOWN, {.done = false}};
	asyncjob_callbacks cb = ASYNCJOB_CALLBACKS_INIT;
	int64_t		start = ajl_clock();
	asyncjob_subscription sub;

	if (state != NULL)
		*state = ASYNCJOB_UNKNOWN;
	if (c->depth > 0)
		return inside_callback(c);
	cb.on_complete = on_end;
	cb.on_error = on_end_error;
	cb.arg = &end;
	sub = asyncjob_subscribe_job(c, job_id, 0, &cb);
	if (sub == 0)
		return (int) c->error.pub.code;
	while (!end.w.done)
	{
		if (timeout_ms >= 0 && left_of(start, timeout_ms) == 0)
		{
			asyncjob_unsubscribe(c, sub);
			ajl_requests_forget(c, &end);
			if (end.state != ASYNCJOB_UNKNOWN)
				break;			/* it has, but why isn't known in full */
			return timed_out(c, "the job has not ended", timeout_ms);
		}
		if (c->link == AJL_LINK_NONE)
			(void) asyncjob_connect(c);
		(void) asyncjob_run(c, left_of(start, timeout_ms));
	}
	if (state != NULL)
		*state = end.state;
	if (end.state == ASYNCJOB_COMPLETED)
		return ASYNCJOB_OK;
	return (int) ajl_error_copy(&c->error, &end.w.error);
}
