/*-------------------------------------------------------------------------
 *
 * librequest.c
 *		Statements that somebody waits for, one in flight at a time.
 *
 * A submission happens once, whatever becomes of the connection.  It is a
 * transaction of its own:
 *
 *		BEGIN;  SELECT asyncjob.submit(...), pg_current_xact_id();  COMMIT
 *
 * If the connection is lost before COMMIT is sent, the transaction is rolled
 * back for certain and is done again.  If it is lost after that, the next
 * connection asks pg_xact_status() what became of it: committed means that
 * the job is the one whose id we have, aborted that it is done again.  While
 * the old backend still has it in progress (it may not know yet that we are
 * gone) it is terminated, and asked again.  The answer of the status is
 * durable, so also a crash of the server makes no second job and loses none.
 * A unique_key could not do this: it holds only until the job has finished.
 *
 * But a transaction's id is not ours for ever.  A server that crashes before
 * our COMMIT is on disk gives the id, and the job's, to somebody else when it
 * is back; and the next connection may be to another server: a standby that
 * was promoted without our transaction, or what asyncjob_set_conninfo()
 * names.  So "committed" counts only where there is the job, no younger than
 * our submit().  Where there is none and the server has been started since,
 * the transaction was lost with the crash, and is done again.  Otherwise
 * nobody knows, and that is the answer.
 *
 * A statement that may be run twice (ASYNCJOB_RETRY) is simply sent again;
 * any other fails when its answer is lost.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "lib.h"

#define CHECK_PAUSE_MS	100

/* ---- rows ---- */

/* Takes res over; NULL: out of memory, res is cleared. */
asyncjob_rows *
ajl_rows_new(PGresult *res)
{
	asyncjob_rows *rows = ajl_alloc(sizeof(*rows));

	if (rows == NULL)
	{
		PQclear(res);
		return NULL;
	}
	rows->res = res;
	rows->refs = 1;
	return rows;
}

asyncjob_rows *
asyncjob_rows_keep(asyncjob_rows *rows)
{
	rows->refs++;
	return rows;
}

void
asyncjob_rows_free(asyncjob_rows *rows)
{
	if (rows == NULL || --rows->refs > 0)
		return;
	PQclear(rows->res);
	ajl_free(rows);
}

int
asyncjob_rows_count(const asyncjob_rows *rows)
{
	return PQntuples(rows->res);
}

int
asyncjob_rows_columns(const asyncjob_rows *rows)
{
	return PQnfields(rows->res);
}

const char *
asyncjob_rows_name(const asyncjob_rows *rows, int column)
{
	const char *name = PQfname(rows->res, column);

	return name ? name : "";
}

const char *
asyncjob_rows_value(const asyncjob_rows *rows, int row, int column)
{
	if (row < 0 || row >= PQntuples(rows->res) || column < 0 ||
		column >= PQnfields(rows->res) || PQgetisnull(rows->res, row, column))
		return NULL;
	return PQgetvalue(rows->res, row, column);
}

const char *
asyncjob_rows_text(const asyncjob_rows *rows, int row, int column)
{
	const char *value = asyncjob_rows_value(rows, row, column);

	return value ? value : "";
}

size_t
asyncjob_rows_length(const asyncjob_rows *rows, int row, int column)
{
	return asyncjob_rows_value(rows, row, column) ?
		(size_t) PQgetlength(rows->res, row, column) : 0;
}

int64_t
asyncjob_rows_int(const asyncjob_rows *rows, int row, int column)
{
	return strtoll(asyncjob_rows_text(rows, row, column), NULL, 10);
}

double
asyncjob_rows_double(const asyncjob_rows *rows, int row, int column)
{
	return ajl_strtod(asyncjob_rows_text(rows, row, column), NULL);
}

/* ---- sending ---- */

/*
 * Send a statement.  What can't be sent is treated as a lost connection, by
 * whoever dispatches: the one case beside that is a lack of memory in libpq,
 * and after it libpq's state isn't worth guessing at.
 */
static void
send_statement(asyncjob_client *c, AjlFlight flight, const char *sql, int nparams,
			   const char *const *params, int format)
{
	int			sent;

	c->flight = flight;
	if (nparams > 0 || format != 0)
		sent = PQsendQueryParams(c->conn, sql, nparams, NULL, params, NULL, NULL, format);
	else
		sent = PQsendQuery(c->conn, sql);
	if (sent)
		c->flushing = true;
	else
		c->broken = true;
}

void
ajl_send(asyncjob_client *c, AjlFlight flight, const char *sql, int nparams,
		 const char *const *params)
{
	send_statement(c, flight, sql, nparams, params, 0);
}

static void
free_request(AjlRequest *r)
{
	for (int i = 0; i < r->nparams && r->params != NULL; i++)
		ajl_free(r->params[i]);
	ajl_free(r->params);
	ajl_free(r->sql);
	asyncjob_rows_free(r->rows);
	ajl_free(r);
}

void
ajl_requests_free(asyncjob_client *c)
{
	while (c->requests != NULL)
	{
		AjlRequest *r = c->requests;

		c->requests = r->next;
		free_request(r);
	}
	c->requests_end = &c->requests;
	c->nrequests = 0;
}

/* Nobody waits for the answers to requests that were sent with arg. */
void
ajl_requests_forget(asyncjob_client *c, const void *arg)
{
	for (AjlRequest *r = c->requests; r != NULL; r = r->next)
		if (r->arg == arg)
			r->reply = NULL;
}

/* Append a request with copies of all it needs; NULL if memory is out. */
static AjlRequest *
add_request(asyncjob_client *c, const char *sql, int nparams,
			const char *const *params, asyncjob_reply reply, void *arg)
{
	AjlRequest *r = ajl_alloc(sizeof(*r));

	if (r == NULL)
		return NULL;
	r->sql = ajl_strdup(sql);
	if (nparams > 0)
		r->params = ajl_alloc(sizeof(char *) * (size_t) nparams);
	r->nparams = nparams;
	r->reply = reply;
	r->arg = arg;
	ajl_error_clear(&r->refusal);
	if (r->sql == NULL || (nparams > 0 && r->params == NULL))
	{
		free_request(r);
		return NULL;
	}
	for (int i = 0; i < nparams; i++)
		if (params[i] != NULL && (r->params[i] = ajl_strdup(params[i])) == NULL)
		{
			free_request(r);
			return NULL;
		}
	*c->requests_end = r;
	c->requests_end = &r->next;
	c->nrequests++;
	return r;
}

/* Take a request out of the queue. */
static void
unlink_request(asyncjob_client *c, AjlRequest *r)
{
	AjlRequest **p = &c->requests;

	while (*p != r)
		p = &(*p)->next;
	*p = r->next;
	r->next = NULL;
	if (c->requests_end == &r->next)
		c->requests_end = p;
	c->nrequests--;
}

/* Answer a request: with r->rows, or with an error. */
static void
reply_to(asyncjob_client *c, AjlRequest *r, const AjlError *e)
{
	unlink_request(c, r);
	if (r->reply != NULL)
		r->reply(c, e ? &e->pub : NULL, e ? NULL : r->rows, r->arg);
	free_request(r);
}

static void
reply_no_memory(asyncjob_client *c, AjlRequest *r)
{
	AjlError	e;

	ajl_error_set(&e, ASYNCJOB_OUT_OF_MEMORY, "out of memory");
	reply_to(c, r, &e);
}

/* The connection is not to be had, or not any more: e says why. */
static void
fail_request(asyncjob_client *c, AjlRequest *r, const AjlError *why)
{
	AjlError	e;

	ajl_error_copy(&e, why);
	if (r->is_submit && e.pub.code != ASYNCJOB_AUTH_REQUIRED &&
		e.pub.code != ASYNCJOB_INVALID_INPUT)
		e.pub.code = ASYNCJOB_SUBMISSION_FAILED;
	if (r->stage == AJL_COMMIT || r->stage == AJL_CHECK)
	{
		ajl_error_set(&e, ASYNCJOB_SUBMISSION_FAILED,
					  "the connection was lost while job %s was being submitted: %s",
					  asyncjob_rows_text(r->rows, 0, 0), why->message);
		ajl_error_hint(&e, "Whether that job exists is not known; ask for its status when the server can be reached.");
	}
	reply_to(c, r, &e);
}

void
ajl_requests_fail(asyncjob_client *c, const AjlError *why)
{
	AjlError	e;
	size_t		n = c->nrequests;

	/* not those that callbacks add meanwhile */
	ajl_error_copy(&e, why);
	while (n-- > 0 && c->requests != NULL)
		fail_request(c, c->requests, &e);
}

int
asyncjob_send_query(asyncjob_client *c, const char *sql, int nparams,
					const char *const *params, int flags,
					asyncjob_reply reply, void *arg)
{
	AjlRequest *r;

	if (sql == NULL || nparams < 0 || nparams > 65535 || (nparams > 0 && params == NULL))
		return (int) ajl_error_set(&c->error, ASYNCJOB_INVALID_INPUT,
								   "a statement and its parameters are needed");
	r = add_request(c, sql, nparams, params, reply, arg);
	if (r == NULL)
		return (int) ajl_no_memory(c);
	r->may_retry = (flags & ASYNCJOB_RETRY) != 0;
	r->binary = (flags & ASYNCJOB_BINARY) != 0;
	if (c->link == AJL_LINK_NONE)
		return asyncjob_connect(c);
	return ASYNCJOB_OK;
}

int
asyncjob_send_submit(asyncjob_client *c, const asyncjob_submission *submission,
					 asyncjob_reply reply, void *arg)
{
	static const struct
	{
		const char *name;
		const char *type;
		size_t		offset;
	}			arguments[] = {
		{"pipeline", "text", offsetof(asyncjob_submission, pipeline)},
		{"params", "jsonb", offsetof(asyncjob_submission, params)},
		{"queue", "text", offsetof(asyncjob_submission, queue)},
		{"priority", "text", offsetof(asyncjob_submission, priority)},
		{"run_at", "timestamptz", offsetof(asyncjob_submission, run_at)},
		{"user_id", "text", offsetof(asyncjob_submission, user_id)},
		{"session_id", "text", offsetof(asyncjob_submission, session_id)},
		{"unique_key", "text", offsetof(asyncjob_submission, unique_key)},
	};
	asyncjob_submission s = ASYNCJOB_SUBMISSION_INIT;
	const char *params[8];
	int			n = 0;
	AjlBuf		sql = {NULL, 0, 0, false};
	AjlRequest *r;

	if (submission == NULL || submission->struct_size < sizeof(size_t) ||
		submission->struct_size > sizeof(s))
		return (int) ajl_error_set(&c->error, ASYNCJOB_INVALID_INPUT,
								   "a submission must begin with its size");
	memcpy(&s, submission, submission->struct_size);
	if (s.pipeline == NULL)
		return (int) ajl_error_set(&c->error, ASYNCJOB_INVALID_INPUT,
								   "a submission needs a pipeline");

	/* Only what is given, by name: the server's defaults hold for the rest. */
	ajl_buf_add(&sql, "SELECT asyncjob.submit(");
	for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++)
	{
		const char *value = *(const char *const *) ((const char *) &s + arguments[i].offset);

		if (value == NULL)
			continue;
		params[n++] = value;
		ajl_buf_addf(&sql, "%s%s => $%d::pg_catalog.%s", n > 1 ? ", " : "",
					 arguments[i].name, n, arguments[i].type);
	}
	ajl_buf_add(&sql, "), pg_catalog.pg_current_xact_id(), pg_catalog.pg_backend_pid(),"
				" pg_catalog.clock_timestamp()");
	if (sql.failed)
		return (int) ajl_no_memory(c);
	r = add_request(c, sql.data, n, params, reply, arg);
	ajl_buf_reset(&sql);
	if (r == NULL)
		return (int) ajl_no_memory(c);
	r->is_submit = true;
	if (c->link == AJL_LINK_NONE)
		return asyncjob_connect(c);
	return ASYNCJOB_OK;
}

/* Send the statement of a submission's stage. */
static void
send_stage(asyncjob_client *c, AjlRequest *r, AjlStage stage)
{
	const char *params[] = {r->xid, r->pid, NULL, r->at};

	r->stage = stage;
	switch (stage)
	{
		case AJL_START:
			ajl_send(c, AJL_REQUEST, "BEGIN", 0, NULL);
			break;
		case AJL_SUBMIT:
			ajl_send(c, AJL_REQUEST, r->sql, r->nparams, (const char *const *) r->params);
			break;
		case AJL_COMMIT:
			ajl_send(c, AJL_REQUEST, "COMMIT", 0, NULL);
			break;
		case AJL_ROLLBACK:
			ajl_send(c, AJL_REQUEST, "ROLLBACK", 0, NULL);
			break;
		case AJL_CHECK:
			params[2] = asyncjob_rows_text(r->rows, 0, 0);
			ajl_send(c, AJL_REQUEST,
					 "SELECT pg_catalog.pg_xact_status($1::pg_catalog.xid8),"
					 " EXISTS (SELECT FROM asyncjob.updates_many(ARRAY[$3::pg_catalog.int8], ARRAY[0]) u"
					 "  WHERE u.at <= $4::pg_catalog.timestamptz),"
					 " pg_catalog.pg_postmaster_start_time() > $4::pg_catalog.timestamptz,"
					 " (SELECT pg_catalog.bool_or(pg_catalog.pg_terminate_backend(a.pid))"
					 "  FROM pg_catalog.pg_stat_activity a"
					 "  WHERE a.pid = $2::pg_catalog.int4"
					 "  AND a.backend_xid::pg_catalog.text::pg_catalog.numeric ="
					 "   $1::pg_catalog.xid8::pg_catalog.text::pg_catalog.numeric % 4294967296)",
					 4, params);
			break;
	}
}

/* Start the first request that is due; true if there was one. */
bool
ajl_request_start(asyncjob_client *c)
{
	int64_t		now = 0;

	for (AjlRequest *r = c->requests; r != NULL; r = r->next)
	{
		if (r->not_before > 0)
		{
			if (now == 0)
				now = ajl_clock();
			if (r->not_before > now)
				continue;
		}

		/* The one in flight is the first. */
		if (r != c->requests)
		{
			unlink_request(c, r);
			r->next = c->requests;
			c->requests = r;
			c->nrequests++;
		}
		if (r->is_submit)
			send_stage(c, r, r->stage == AJL_CHECK ? AJL_CHECK : AJL_START);
		else if (r->binary)
			send_statement(c, AJL_REQUEST, r->sql, r->nparams,
						   (const char *const *) r->params, 1);
		else
			ajl_send(c, AJL_REQUEST, r->sql, r->nparams, (const char *const *) r->params);
		return true;
	}
	return false;
}

/* May this one be done again?  If so it waits for a while. */
static bool
try_again(asyncjob_client *c, AjlRequest *r, bool pause)
{
	r->attempts++;
	if (c->options.max_retries >= 0 && r->attempts > c->options.max_retries)
		return false;
	r->not_before = pause ? ajl_clock() + ajl_backoff_ms(c, r->attempts) : 0;
	return true;
}

/* The connection was lost before the answer came. */
void
ajl_request_lost(asyncjob_client *c)
{
	AjlRequest *r = c->requests;
	AjlError	e;

	if (r == NULL || c->doomed)
		return;
	if (r->stage == AJL_COMMIT || r->stage == AJL_CHECK)
	{
		r->stage = AJL_CHECK;
		r->not_before = 0;
		return;
	}
	if (r->stage == AJL_ROLLBACK && !r->again)
	{
		reply_to(c, r, &r->refusal);
		return;
	}
	r->stage = AJL_START;
	if (!r->is_submit && !r->may_retry)
	{
		ajl_error_set(&e, ASYNCJOB_CONNECTION_FAILED,
					  "the connection was lost before the answer came: %s",
					  c->link_error.message);
		ajl_error_hint(&e, "Whether the statement was carried out is not known.");
		reply_to(c, r, &e);
	}
	else if (!try_again(c, r, false))
		fail_request(c, r, &c->link_error);
}

static bool
worth_again(const AjlError *e)
{
	return strcmp(e->sqlstate, "40001") == 0 || strcmp(e->sqlstate, "40P01") == 0 ||
		strncmp(e->sqlstate, "57P0", 4) == 0;
}

/* A submission's stage is over; res is still the caller's. */
static void
submit_answered(asyncjob_client *c, AjlRequest *r, PGresult **res)
{
	const char *fate;
	AjlError	e;

	if (!ajl_result_ok(*res) && r->stage != AJL_CHECK && r->stage != AJL_ROLLBACK)
	{
		ajl_error_of_result(&r->refusal, c->conn, *res);
		r->refused = true;
		r->again = worth_again(&r->refusal);

		/*
		 * An error in answer to COMMIT doesn't mean that there was none: a
		 * backend can be told to end between its commit and its answer.
		 */
		send_stage(c, r, r->stage == AJL_COMMIT ? AJL_CHECK : AJL_ROLLBACK);
		return;
	}
	switch (r->stage)
	{
		case AJL_START:
			r->refused = false;
			send_stage(c, r, AJL_SUBMIT);
			break;
		case AJL_SUBMIT:
			if (PQntuples(*res) != 1 || PQnfields(*res) < 4)
			{
				ajl_error_set(&r->refusal, ASYNCJOB_UNKNOWN_ERROR,
							  "asyncjob.submit() gave no job");
				r->refused = true;
				r->again = false;
				send_stage(c, r, AJL_ROLLBACK);
				break;
			}
			strncpy(r->xid, PQgetvalue(*res, 0, 1), sizeof(r->xid) - 1);
			strncpy(r->pid, PQgetvalue(*res, 0, 2), sizeof(r->pid) - 1);
			strncpy(r->at, PQgetvalue(*res, 0, 3), sizeof(r->at) - 1);
			r->rows = ajl_rows_new(*res);
			*res = NULL;
			if (r->rows == NULL)
			{
				ajl_error_set(&r->refusal, ASYNCJOB_OUT_OF_MEMORY, "out of memory");
				r->refused = true;
				r->again = false;
				send_stage(c, r, AJL_ROLLBACK);
				break;
			}
			send_stage(c, r, AJL_COMMIT);
			break;
		case AJL_COMMIT:
			reply_to(c, r, NULL);
			break;
		case AJL_CHECK:
			fate = ajl_result_ok(*res) && PQntuples(*res) == 1 &&
				!PQgetisnull(*res, 0, 0) ? PQgetvalue(*res, 0, 0) : "";
			if (strcmp(fate, "committed") == 0 && PQgetvalue(*res, 0, 1)[0] == 't')
			{
				reply_to(c, r, NULL);
				break;
			}
			if (strcmp(fate, "committed") == 0 && PQgetvalue(*res, 0, 2)[0] != 't')
			{
				ajl_error_set(&e, ASYNCJOB_SUBMISSION_FAILED,
							  "this role and server do not know the job");
				fail_request(c, r, &e);
				break;
			}
			if (strcmp(fate, "in progress") == 0)
			{
				r->not_before = ajl_clock() + CHECK_PAUSE_MS;
				break;
			}

			/*
			 * aborted, or unknown to a server that was promoted without it,
			 * or another's after a crash
			 */
			ajl_error_of_result(&e, c->conn, *res);
			if (!ajl_result_ok(*res) && strcmp(e.sqlstate, "22023") != 0)
			{
				if (!try_again(c, r, true))
					fail_request(c, r, &e);
				break;
			}
			asyncjob_rows_free(r->rows);
			r->rows = NULL;
			r->stage = AJL_START;
			if (r->refused && !r->again)
				reply_to(c, r, &r->refusal);
			else if (!try_again(c, r, r->refused))
			{
				ajl_error_set(&e, ASYNCJOB_SUBMISSION_FAILED,
							  "the connection was lost at each of %d attempts",
							  r->attempts);
				reply_to(c, r, &e);
			}
			break;
		case AJL_ROLLBACK:
			r->stage = AJL_START;
			if (r->again && try_again(c, r, true))
			{
				r->refused = false;
				break;
			}
			if (r->again)
				r->refusal.pub.code = ASYNCJOB_SUBMISSION_FAILED;
			reply_to(c, r, &r->refusal);
			break;
	}
}

/* The first request's statement is answered; takes res over. */
void
ajl_request_answered(asyncjob_client *c, PGresult *res)
{
	AjlRequest *r = c->requests;
	AjlError	e;

	if (r->is_submit)
		submit_answered(c, r, &res);
	else if (ajl_result_ok(res))
	{
		r->rows = ajl_rows_new(res);
		res = NULL;
		if (r->rows == NULL)
			reply_no_memory(c, r);
		else
			reply_to(c, r, NULL);
	}
	else
	{
		ajl_error_of_result(&e, c->conn, res);
		if (!(r->may_retry && worth_again(&e) && try_again(c, r, true)))
			reply_to(c, r, &e);
	}
	PQclear(res);
}
