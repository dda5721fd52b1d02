/*-------------------------------------------------------------------------
 *
 * fakepq.c
 *		A libpq without a server, see fakepq.h.
 *
 * Jobs have ids from 1 and updates 1 queued, 2 running, 3 log, 4 step,
 * 5 completed.  A connection's socket is -1, which poll() takes for never
 * ready; the library doesn't mind, as it tries before it waits.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "fakepq.h"

#define MAX_XIDS 4096

__thread	FakeServer fake;
__thread int64_t fake_now = 1000;

static __thread char fate[MAX_XIDS];	/* of transactions: c, a or p */

static __thread PGconn *current;

struct pg_result
{
	ExecStatusType status;
	int			rows;
	int			columns;
	char	  **cells;
	char		sqlstate[6];
	const char *message;
};

struct pg_conn
{
	ConnStatusType status;
	const char *message;
	PGresult   *answer;
	bool		busy;			/* PQgetResult has more to say */
	char	   *statement;		/* not carried out yet */
	char	  **params;
	int			nparams;
	bool		in_transaction;
	int			xid;
	bool		submitted;
	PGVerbosity verbosity;
	PQnoticeReceiver receiver;
	void	   *receiver_arg;
	PGnotify   *first;
	PGnotify  **last;
};

int64_t
fake_clock(void)
{
	return fake_now;
}

/* Does this call fail? */
static bool
fails(void)
{
	bool		now = ++fake.calls == fake.fail_at;

	if (fake.fail_rate > 0)
	{
		fake.seed = fake.seed * 1103515245u + 12345u;
		now = now || (double) (fake.seed >> 8 & 0xFFFF) / 65536 < fake.fail_rate;
	}
	if (now)
		fake.failed++;
	return now;
}

/* ---- results ---- */

static PGresult *
result(ExecStatusType status, int rows, int columns)
{
	PGresult   *res = calloc(1, sizeof(*res));

	res->status = status;
	res->rows = rows;
	res->columns = columns;
	res->cells = calloc((size_t) rows * (size_t) columns + 1, sizeof(char *));
	fake.results++;
	return res;
}

static PGresult *
error(const char *sqlstate, const char *message)
{
	PGresult   *res = result(PGRES_FATAL_ERROR, 0, 0);

	snprintf(res->sqlstate, sizeof(res->sqlstate), "%s", sqlstate);
	res->message = message;
	return res;
}

static void
put(PGresult *res, int row, int column, const char *text)
{
	res->cells[row * res->columns + column] = strdup(text);
}

static void
put_number(PGresult *res, int row, int column, long number)
{
	char		text[32];

	snprintf(text, sizeof(text), "%ld", number);
	put(res, row, column, text);
}

void
PQclear(PGresult *res)
{
	if (res == NULL)
		return;
	for (int i = 0; i < res->rows * res->columns; i++)
		free(res->cells[i]);
	free(res->cells);
	free(res);
	fake.results--;
}

ExecStatusType
PQresultStatus(const PGresult *res)
{
	return res ? res->status : PGRES_FATAL_ERROR;
}

int
PQntuples(const PGresult *res)
{
	return res->rows;
}

int
PQnfields(const PGresult *res)
{
	return res->columns;
}

char *
PQfname(const PGresult *res, int column)
{
	return column < res->columns ? "column" : NULL;
}

int
PQgetisnull(const PGresult *res, int row, int column)
{
	return res->cells[row * res->columns + column] == NULL;
}

char *
PQgetvalue(const PGresult *res, int row, int column)
{
	char	   *cell = res->cells[row * res->columns + column];

	return cell ? cell : "";
}

int
PQgetlength(const PGresult *res, int row, int column)
{
	return (int) strlen(PQgetvalue(res, row, column));
}

char *
PQresultErrorField(const PGresult *res, int field)
{
	if (res == NULL || res->sqlstate[0] == '\0')
		return NULL;
	if (field == PG_DIAG_SQLSTATE)
		return (char *) res->sqlstate;
	if (field == PG_DIAG_SEVERITY_NONLOCALIZED)
		return "ERROR";
	return field == PG_DIAG_MESSAGE_PRIMARY ? (char *) res->message : NULL;
}

PGresult *
PQmakeEmptyPGresult(PGconn *conn, ExecStatusType status)
{
	(void) conn;
	return result(status, 0, 0);
}

/* ---- the server ---- */

int
fake_add_job(void)
{
	if (fake.njobs == FAKE_JOBS - 1)
		abort();
	fake.updates[++fake.njobs] = 1;
	return fake.njobs;
}

void
fake_notify(const char *channel, const char *payload)
{
	PGnotify   *n;
	size_t		size = strlen(channel) + 1;
	char		pattern[256];

	snprintf(pattern, sizeof(pattern), "LISTEN \"%s\";", channel);
	if (current == NULL || fake.silent || strstr(fake.listening, pattern) == NULL)
		return;
	n = calloc(1, sizeof(*n) + size + strlen(payload) + 1);
	n->relname = strcpy((char *) (n + 1), channel);
	n->extra = strcpy((char *) (n + 1) + size, payload);
	*current->last = n;
	current->last = &n->next;
}

void
fake_advance(int job)
{
	char		payload[256],
				channel[64];
	int			seq = fake.updates[job];

	if (seq >= FAKE_LAST)
		return;
	fake.updates[job] = ++seq;
	snprintf(payload, sizeof(payload),
			 "{\"job\":%d,\"seq\":%d,\"state\":\"%s\",\"step\":1,\"steps\":1,\"progress\":0.5}",
			 job, seq, seq == FAKE_LAST ? "completed" : "running");
	snprintf(channel, sizeof(channel), "asyncjob_job_%d", job);
	fake_notify(channel, payload);
	fake_notify("asyncjob", payload);
	fake_notify("asyncjob_session_s", payload);
}

static void
add_update(PGresult *res, int row, int job, int seq)
{
	static const char *const kinds[] = {"", "state", "state", "log", "step", "state"};
	static const char *const states[] = {"", "queued", "running", NULL, NULL, "completed"};

	put_number(res, row, 0, job);
	put_number(res, row, 1, seq);
	put(res, row, 2, kinds[seq]);
	if (states[seq])
		put(res, row, 3, states[seq]);
	put_number(res, row, 4, (long) (fake_now / 1000));
	if (seq == 3)
		put(res, row, 7, "a line");
}

/* updates_many(jobs, since), both as '{1,2}' */
static PGresult *
answer_updates(const char *jobs, const char *since)
{
	PGresult   *res = result(PGRES_TUPLES_OK, FAKE_JOBS * FAKE_LAST * 4, 9);
	int			row = 0;

	while (*jobs != '}')
	{
		int			job = (int) strtol(jobs + 1, (char **) &jobs, 10);
		int			from = (int) strtol(since + 1, (char **) &since, 10);
		int			first = row;

		if (job < 1 || job > fake.njobs || fake.foreign[job])
			continue;
		for (int seq = from + 1; seq <= fake.updates[job]; seq++)
			add_update(res, row++, job, seq);
		if (row == first)
			put_number(res, row++, 0, job);
	}
	res->rows = row;
	return res;
}

static PGresult *
answer_recent(const char *since)
{
	PGresult   *res = result(PGRES_TUPLES_OK, fake.njobs + 1, 3);
	int			row = 0;

	for (int job = 1; job <= fake.njobs; job++)
		if (!fake.foreign[job] && (fake.updates[job] < FAKE_LAST || since != NULL))
		{
			put_number(res, row, 0, (long) (fake_now / 1000));
			put_number(res, row, 1, job);
			put_number(res, row++, 2, fake.updates[job]);
		}
	if (row == 0)
		put_number(res, row++, 0, (long) (fake_now / 1000));
	res->rows = row;
	return res;
}

/* External steps have ids from 1 in the order of their claims. */
static PGresult *
answer_claim(int n)
{
	PGresult   *res;

	if (n > fake.claimable)
		n = fake.claimable;
	res = result(PGRES_TUPLES_OK, n, 10);
	for (int i = 0; i < n; i++)
	{
		fake.claimable--;
		fake.steps[++fake.claimed] = 'c';
		put_number(res, i, 0, fake.claimed);
		put_number(res, i, 1, 1000 + fake.claimed);
		put(res, i, 2, "q");
		put(res, i, 3, "p");
		put(res, i, 4, "step");
		put(res, i, 5, "1");
		put(res, i, 6, "{\"n\": 1}");
	}
	return res;
}

static PGresult *
answer_step(char what, int id)
{
	PGresult   *res;

	if (fake.steps[id] != 'c' ||
		(fake.cancel_every > 0 && id % fake.cancel_every == 0))
	{
		if (fake.steps[id] == 'c')
			fake.given_up++;
		fake.steps[id] = 'd';
		return error("55000", "the job is not held under this token");
	}
	if (what == 'h')
		fake.beats++;
	else
	{
		fake.steps[id] = 'd';
		if (what == 'c')
			fake.completed++;
		else
			fake.given_up++;
	}
	res = result(PGRES_TUPLES_OK, 1, 1);
	put(res, 0, 0, "completed");
	return res;
}

static PGresult *
carry_out(PGconn *conn, const char *sql, char **params, int nparams)
{
	PGresult   *res;

	fake.statements++;
	if (strncmp(sql, "SELECT pg_catalog.set_config", 28) == 0)
	{
		res = result(PGRES_TUPLES_OK, 1, 2);
		put(res, 0, 0, "");
		if (!fake.no_extension)
			put(res, 0, 1, "asyncjob");
		return res;
	}
	if (strncmp(sql, "LISTEN", 6) == 0 || strncmp(sql, "UNLISTEN", 8) == 0)
	{
		fake.listens++;
		if (fake.standby)
			return error("25006", "cannot execute LISTEN during recovery");
		strncat(fake.listening, sql, sizeof(fake.listening) - strlen(fake.listening) - 1);
		return result(PGRES_COMMAND_OK, 0, 0);
	}
	if (strncmp(sql, "SELECT u.job_id", 15) == 0 && fake.refuse_updates > 0)
	{
		fake.refuse_updates--;
		return error("57014", "canceling statement due to statement timeout");
	}
	if (strncmp(sql, "SELECT u.job_id", 15) == 0)
		return answer_updates(params[0], params[1]);
	if (strstr(sql, "recent_jobs") != NULL)
		return answer_recent(params[0]);
	if (strncmp(sql, "SELECT asyncjob.channel", 23) == 0)
	{
		char		name[64];

		res = result(PGRES_TUPLES_OK, 1, 1);
		snprintf(name, sizeof(name), "asyncjob_session_%s", params[0]);
		put(res, 0, 0, name);
		return res;
	}
	if (strcmp(sql, "BEGIN") == 0)
	{
		conn->in_transaction = true;
		return result(PGRES_COMMAND_OK, 0, 0);
	}
	if (strncmp(sql, "SELECT asyncjob.submit(", 23) == 0)
	{
		if (fake.refuse_submit != NULL)
			return error(fake.refuse_submit, "refused");
		if (fake.nxids == MAX_XIDS - 1 || !conn->in_transaction || nparams < 1)
			abort();
		conn->xid = ++fake.nxids;
		conn->submitted = true;
		fate[conn->xid] = 'a';
		res = result(PGRES_TUPLES_OK, 1, 4);
		put(res, 0, 3, "2026-01-01 00:00:00+00");
		put_number(res, 0, 0, fake.njobs + 1);
		put_number(res, 0, 1, conn->xid);
		put(res, 0, 2, "4711");
		return res;
	}
	if (strcmp(sql, "COMMIT") == 0 || strcmp(sql, "ROLLBACK") == 0)
	{
		if (conn->submitted && sql[0] == 'C')
		{
			fate[conn->xid] = 'c';

			/* what the first COMMIT did is lost with the crash */
			if (!fake.crashed || conn->xid > 1)
				(void) fake_add_job();
		}
		conn->in_transaction = conn->submitted = false;
		return result(PGRES_COMMAND_OK, 0, 0);
	}
	if (strncmp(sql, "SELECT pg_catalog.pg_xact_status", 32) == 0)
	{
		res = result(PGRES_TUPLES_OK, 1, 4);
		put(res, 0, 1, fake.other_server || fake.crashed ? "f" : "t");
		put(res, 0, 2, fake.crashed ? "t" : "f");
		if (fake.slow_commit > 0)
		{
			fake.slow_commit--;
			put(res, 0, 0, "in progress");
		}
		else
			put(res, 0, 0, fate[atoi(params[0])] == 'c' ? "committed" : "aborted");
		return res;
	}
	if (strncmp(sql, "SELECT * FROM asyncjob.claim(", 29) == 0)
		return answer_claim(atoi(params[1]));
	if (strncmp(sql, "SELECT asyncjob.complete(", 25) == 0 ||
		strncmp(sql, "SELECT asyncjob.fail(", 21) == 0 ||
		strncmp(sql, "SELECT asyncjob.heartbeat(", 26) == 0)
	{
		if (sql[16] == 'c' && params[2] != NULL && strcmp(params[2], "no JSON") == 0)
			return error("22P02", "invalid input syntax for type json");
		if (sql[16] == 'f' && nparams > 3 && strcmp(params[3], "nonsense") == 0)
			return error("22023", "sqlstate is not one");
		return answer_step(sql[16], atoi(params[0]));
	}
	if (strcmp(sql, "SELECT 1") == 0)
	{
		res = result(PGRES_TUPLES_OK, 1, 1);
		put(res, 0, 0, "1");
		return res;
	}
	if (strcmp(sql, "COPY t TO STDOUT") == 0)
		return result(PGRES_COPY_OUT, 0, 0);
	return error("42601", "syntax error");
}

/* ---- connections ---- */

static void
forget_statement(PGconn *conn)
{
	free(conn->statement);
	conn->statement = NULL;
	for (int i = 0; i < conn->nparams; i++)
		free(conn->params[i]);
	free(conn->params);
	conn->params = NULL;
	conn->nparams = 0;
}

static void
carry_out_now(PGconn *conn)
{
	if (conn->statement == NULL)
		return;
	PQclear(conn->answer);
	conn->answer = carry_out(conn, conn->statement, conn->params, conn->nparams);
	forget_statement(conn);
}

/* The connection is gone; what wasn't committed is rolled back. */
static void
break_connection(PGconn *conn, const char *message)
{
	conn->status = CONNECTION_BAD;
	conn->message = message;
	conn->in_transaction = conn->submitted = false;
	PQclear(conn->answer);
	conn->answer = NULL;
	forget_statement(conn);
}

void
fake_kill(void)
{
	if (current != NULL)
		break_connection(current, "server closed the connection unexpectedly\n");
}

PGconn *
PQconnectStartParams(const char *const *keywords, const char *const *values, int expand)
{
	PGconn	   *conn;

	(void) keywords;
	(void) expand;
	if (fails())
		return NULL;
	conn = calloc(1, sizeof(*conn));
	conn->message = "";
	conn->last = &conn->first;
	conn->status = CONNECTION_STARTED;
	if (strcmp(values[0], "nonsense=1") == 0)
		break_connection(conn, "invalid connection option \"nonsense\"\n");
	else if (fails())
		break_connection(conn, "could not create socket\n");
	fake.connections++;
	fake.open_connections++;
	fake.listening[0] = '\0';
	current = conn;
	return conn;
}

PQconninfoOption *
PQconninfoParse(const char *conninfo, char **message)
{
	(void) message;
	return strcmp(conninfo, "nonsense=1") == 0 ? NULL : calloc(1, sizeof(PQconninfoOption));
}

void
PQconninfoFree(PQconninfoOption *options)
{
	free(options);
}

PostgresPollingStatusType
PQconnectPoll(PGconn *conn)
{
	if (fails() || fake.down)
	{
		break_connection(conn, fake.connect_verbose && conn->verbosity == PQERRORS_VERBOSE
						 ? fake.connect_verbose
						 : fake.connect_error ? fake.connect_error : "connection refused\n");
		return PGRES_POLLING_FAILED;
	}
	if (conn->status == CONNECTION_STARTED)
	{
		conn->status = CONNECTION_MADE;
		return PGRES_POLLING_READING;
	}
	conn->status = CONNECTION_OK;
	return PGRES_POLLING_OK;
}

void
PQfinish(PGconn *conn)
{
	if (conn == NULL)
		return;
	while (conn->first != NULL)
	{
		PGnotify   *n = conn->first;

		conn->first = n->next;
		free(n);
	}
	PQclear(conn->answer);
	forget_statement(conn);
	if (current == conn)
		current = NULL;
	free(conn);
	fake.open_connections--;
}

ConnStatusType
PQstatus(const PGconn *conn)
{
	return conn ? conn->status : CONNECTION_BAD;
}

char *
PQerrorMessage(const PGconn *conn)
{
	return (char *) (conn ? conn->message : "");
}

char *
PQdb(const PGconn *conn)
{
	(void) conn;
	return "fake";
}

int
PQsocket(const PGconn *conn)
{
	(void) conn;
	return -1;
}

int
PQconnectionNeedsPassword(const PGconn *conn)
{
	(void) conn;
	return 0;
}

/* As libpq's, it clears the message. */
int
PQsetnonblocking(PGconn *conn, int on)
{
	(void) on;
	conn->message = "";
	if (!fails())
		return 0;
	conn->message = "could not flush\n";
	return -1;
}

PGVerbosity
PQsetErrorVerbosity(PGconn *conn, PGVerbosity verbosity)
{
	PGVerbosity old = conn->verbosity;

	conn->verbosity = verbosity;
	return old;
}

PQnoticeReceiver
PQsetNoticeReceiver(PGconn *conn, PQnoticeReceiver receiver, void *arg)
{
	conn->receiver = receiver;
	conn->receiver_arg = arg;
	return NULL;
}

int
PQsendQueryParams(PGconn *conn, const char *sql, int nparams, const Oid *types,
				  const char *const *values, const int *lengths, const int *formats,
				  int result_format)
{
	(void) types;
	(void) lengths;
	(void) formats;
	(void) result_format;
	if (conn->busy)
		abort();				/* one at a time */
	if (fails())
	{
		/* out of memory, or the connection is found broken */
		if (fake.calls % 2 == 0)
			break_connection(conn, "could not send\n");
		return 0;
	}
	if (conn->status != CONNECTION_OK)
		return 0;
	conn->statement = strdup(sql);
	conn->nparams = nparams;
	conn->params = calloc((size_t) nparams + 1, sizeof(char *));
	for (int i = 0; i < nparams; i++)
		conn->params[i] = values[i] ? strdup(values[i]) : NULL;
	conn->busy = true;
	if (!fake.late)
		carry_out_now(conn);
	return 1;
}

int
PQsendQuery(PGconn *conn, const char *sql)
{
	return PQsendQueryParams(conn, sql, 0, NULL, NULL, NULL, NULL, 0);
}

int
PQflush(PGconn *conn)
{
	if (fails())
	{
		break_connection(conn, "could not flush\n");
		return -1;
	}
	return 0;
}

int
PQconsumeInput(PGconn *conn)
{
	if (conn->status == CONNECTION_BAD)
		return 0;
	if (fails())
	{
		/* broken before the answer came: carried out or not */
		break_connection(conn, "server closed the connection unexpectedly\n");
		return 0;
	}
	carry_out_now(conn);
	return 1;
}

int
PQisBusy(PGconn *conn)
{
	return conn->status == CONNECTION_OK && conn->busy && conn->answer == NULL &&
		conn->statement != NULL;
}

PGresult *
PQgetResult(PGconn *conn)
{
	PGresult   *res = conn->answer;

	if (res != NULL && fails())
	{
		/* libpq has no memory for it, and says so */
		PQclear(res);
		conn->answer = NULL;
		conn->message = "out of memory\n";
		return result(PGRES_FATAL_ERROR, 0, 0);
	}
	conn->answer = NULL;
	if (res == NULL)
		conn->busy = false;
	return res;
}

PGnotify *
PQnotifies(PGconn *conn)
{
	PGnotify   *n = conn->first;

	if (n != NULL)
	{
		conn->first = n->next;
		if (conn->first == NULL)
			conn->last = &conn->first;
	}
	return n;
}

void
PQfreemem(void *p)
{
	free(p);
}
