/*-------------------------------------------------------------------------
 *
 * libconn.c
 *		The connection: made, lost, made again.
 *
 *		NONE -> POLLING -> SETUP -> READY
 *				  ^  \		|		 |
 *				PAUSE <---------------	 lost or failed
 *
 * The pause after the n-th failed attempt in a row is retry_delay times
 * multiplier^(n-1), at most max_delay, cut by a random part so that a
 * thousand clients do not come back in the same moment.  After max_retries of
 * them the state is ERROR and requests fail; with subscriptions left the
 * attempts go on, max_delay apart, until the subscription timeout ends those.
 * A wrong password or a database without the extension is an ERROR at once.
 *
 * libpq never blocks here, except where it resolves a host's name.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "lib.h"

static const char setup_sql[] =
"SELECT pg_catalog.set_config('search_path', '', false),"
" pg_catalog.to_regnamespace('asyncjob')";

static void
set_state(asyncjob_client *c, asyncjob_connection state)
{
	if (c->state == state)
		return;
	c->state = state;
	if (c->options.callbacks.on_connection != NULL)
		c->options.callbacks.on_connection(c, state,
										   c->link_error.pub.code != ASYNCJOB_OK ?
										   &c->link_error.pub : NULL,
										   c->options.callbacks.arg);
}

/* xorshift64*: enough to spread clients, no more is asked of it */
static double
next_random(asyncjob_client *c)
{
	c->random ^= c->random >> 12;
	c->random ^= c->random << 25;
	c->random ^= c->random >> 27;
	return (double) ((c->random * 0x2545F4914F6CDD1Du) >> 11) / 9007199254740992.0;
}

int64_t
ajl_backoff_ms(asyncjob_client *c, int attempt)
{
	double		delay = c->options.retry_delay_ms;

	for (int i = 1; i < attempt && delay < c->options.max_delay_ms; i++)
		delay *= c->options.backoff_multiplier;
	if (delay > c->options.max_delay_ms)
		delay = c->options.max_delay_ms;
	return (int64_t) (delay * (1 - c->options.jitter * next_random(c)) + 0.5);
}

static void
on_notice(void *arg, const PGresult *res)
{
	asyncjob_client *c = arg;
	const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

	/* Said unasked, it is why the connection ends. */
	if (severity != NULL && strcmp(severity, "FATAL") == 0)
		snprintf(c->last_words, sizeof(c->last_words), "%s", message ? message : "");
	else if (c->options.on_notice != NULL)
	{
		ajl_enter(c);
		c->options.on_notice(c, severity ? severity : "", message ? message : "",
							 c->options.callbacks.arg);
		c->depth--;
	}
}

/* Close what there is; nobody is told. */
void
ajl_link_drop(asyncjob_client *c)
{
	PQclear(c->answer);
	c->answer = NULL;
	PQfinish(c->conn);
	c->conn = NULL;
	c->flushing = false;
	c->broken = false;
	c->flight = AJL_IDLE;
	c->flight_sub = NULL;
	c->link = AJL_LINK_NONE;
}

/* The connection is no more: statements in flight have no answer. */
void
ajl_link_lost(asyncjob_client *c)
{
	AjlFlight	flight = c->flight;

	if (c->link == AJL_LINK_READY)
		c->lost_at = ajl_clock();
	ajl_link_drop(c);
	ajl_sync_reset(c);
	if (flight == AJL_REQUEST)
		ajl_request_lost(c);
	set_state(c, ASYNCJOB_DISCONNECTED);
}

/* An attempt failed, or the server refused us; link_error says why. */
static void
attempt_failed(asyncjob_client *c, bool for_good)
{
	bool		in_vain;

	ajl_link_drop(c);
	ajl_sync_reset(c);
	c->attempts++;
	in_vain = for_good || (c->options.max_retries >= 0 &&
						   c->attempts > c->options.max_retries);
	if (in_vain)
	{
		set_state(c, ASYNCJOB_ERROR);
		ajl_requests_fail(c, &c->link_error);
		if (c->link != AJL_LINK_NONE)
			return;				/* a callback has begun anew */
		if (c->nsubs == 0)
			return;
	}
	c->link = AJL_LINK_PAUSE;
	c->deadline = ajl_clock() + ajl_backoff_ms(c, in_vain ? 64 : c->attempts);
}

/*
 * Is it the string itself that cannot be understood?  Then another attempt is
 * none the better.  What has no "=" and is no URI is the name of a database.
 */
static bool
malformed(const char *conninfo)
{
	PQconninfoOption *parsed;

	if (strchr(conninfo, '=') == NULL && strstr(conninfo, "://") == NULL)
		return false;
	parsed = PQconninfoParse(conninfo, NULL);
	PQconninfoFree(parsed);
	return parsed == NULL;
}

/* Begin an attempt to connect. */
void
ajl_link_start(asyncjob_client *c)
{
	const char *keywords[] = {"dbname", "client_encoding",
	"fallback_application_name", NULL};
	const char *values[] = {c->conninfo, "UTF8", c->application_name, NULL};

	ajl_link_drop(c);
	if (c->lost_at == 0)
		c->lost_at = ajl_clock();
	c->last_words[0] = '\0';
	c->link = AJL_LINK_POLLING;
	c->polling = PGRES_POLLING_WRITING;
	c->deadline = ajl_clock() + c->options.connect_timeout_ms;

	/* dbname holds the whole string, which libpq takes apart */
	c->conn = PQconnectStartParams(keywords, values, 1);
	if (c->state != ASYNCJOB_ERROR)
		set_state(c, ASYNCJOB_CONNECTING);
	if (c->link != AJL_LINK_POLLING || c->conn == NULL ||
		PQstatus(c->conn) == CONNECTION_BAD)
	{
		if (c->link != AJL_LINK_POLLING)
			return;				/* disconnected by the callback */
		ajl_error_of_connection(&c->link_error, c->conn);
		if (c->conn != NULL && malformed(c->conninfo))
			c->link_error.pub.code = ASYNCJOB_INVALID_INPUT;
		attempt_failed(c, c->link_error.pub.code != ASYNCJOB_CONNECTION_FAILED &&
					   c->link_error.pub.code != ASYNCJOB_OUT_OF_MEMORY);
		return;
	}
	PQsetNoticeReceiver(c->conn, on_notice, c);
	(void) PQsetErrorVerbosity(c->conn, PQERRORS_VERBOSE);	/* for the SQLSTATE */
}

/* Is there something that the attempt waits for?  It must not go on before. */
static bool
socket_ready(const asyncjob_client *c)
{
	struct pollfd fd = {.fd = PQsocket(c->conn)};

	fd.events = c->polling == PGRES_POLLING_READING ? POLLIN : POLLOUT;
	return fd.fd < 0 || poll(&fd, 1, 0) > 0;
}

static void
poll_attempt(asyncjob_client *c)
{
	while (c->link == AJL_LINK_POLLING && socket_ready(c))
	{
		c->polling = PQconnectPoll(c->conn);

		/* not earlier: it clears what libpq would say of a failure */
		if (c->polling == PGRES_POLLING_FAILED ||
			(c->polling == PGRES_POLLING_OK && PQsetnonblocking(c->conn, 1) != 0))
		{
			ajl_error_of_connection(&c->link_error, c->conn);
			attempt_failed(c, c->link_error.pub.code == ASYNCJOB_AUTH_REQUIRED);
			return;
		}
		if (c->polling != PGRES_POLLING_OK)
			continue;
		(void) PQsetErrorVerbosity(c->conn, PQERRORS_DEFAULT);
		c->link = AJL_LINK_SETUP;
		ajl_send(c, AJL_SETUP, setup_sql, 0, NULL);
	}
	if (c->link == AJL_LINK_POLLING && ajl_clock() >= c->deadline)
	{
		ajl_error_set(&c->link_error, ASYNCJOB_CONNECTION_FAILED,
					  "no answer from the server within %d s",
					  c->options.connect_timeout_ms / 1000);
		attempt_failed(c, false);
	}
}

static void
setup_answered(asyncjob_client *c, PGresult *res)
{
	if (PQresultStatus(res) != PGRES_TUPLES_OK)
	{
		ajl_error_of_result(&c->link_error, c->conn, res);
		attempt_failed(c, c->link_error.pub.code == ASYNCJOB_AUTH_REQUIRED);
	}
	else if (PQgetisnull(res, 0, 1))
	{
		ajl_error_set(&c->link_error, ASYNCJOB_INVALID_INPUT,
					  "database \"%s\" does not have the extension", PQdb(c->conn));
		ajl_error_hint(&c->link_error,
					   "Run CREATE EXTENSION asyncjob there, or connect to another database.");
		attempt_failed(c, true);
	}
	else
	{
		c->link = AJL_LINK_READY;
		c->attempts = 0;
		c->lost_at = 0;
		c->next_poll = c->options.poll_interval_ms > 0 ?
			ajl_clock() + c->options.poll_interval_ms : 0;
		ajl_error_clear(&c->link_error);
		set_state(c, ASYNCJOB_CONNECTED);
	}
	PQclear(res);
}

/* The connection broke: say why, and pause before it is made again. */
static void
broken(asyncjob_client *c)
{
	bool		was_ready = c->link == AJL_LINK_READY;

	ajl_error_of_connection(&c->link_error, c->conn);
	if (c->last_words[0] != '\0')
		ajl_error_set(&c->link_error, ASYNCJOB_CONNECTION_FAILED, "%s", c->last_words);
	if (c->link_error.pub.code == ASYNCJOB_AUTH_REQUIRED && was_ready)
		c->link_error.pub.code = ASYNCJOB_CONNECTION_FAILED;
	if (!was_ready)
	{
		attempt_failed(c, false);
		return;
	}
	ajl_link_lost(c);
	if (c->link != AJL_LINK_NONE || c->doomed)
		return;					/* a callback has begun anew */
	c->link = AJL_LINK_PAUSE;
	c->deadline = ajl_clock() + ajl_backoff_ms(c, 1);
}

/* Read what is there and hand it on; true if an answer was complete. */
static bool
read_answers(asyncjob_client *c)
{
	PGnotify   *notify;
	AjlFlight	flight;
	PGresult   *res;

	while (c->conn != NULL && !c->doomed && (notify = PQnotifies(c->conn)) != NULL)
	{
		ajl_notified(c, notify);
		PQfreemem(notify);
	}
	while (c->conn != NULL && c->flight != AJL_IDLE && !PQisBusy(c->conn))
	{
		ExecStatusType status;

		res = PQgetResult(c->conn);
		if (res != NULL)
		{
			status = PQresultStatus(res);

			/* of several results the first that failed, or the last */
			if (c->answer != NULL && !ajl_result_ok(c->answer))
				PQclear(res);
			else
			{
				PQclear(c->answer);
				c->answer = res;
			}
			if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT ||
				status == PGRES_COPY_BOTH)
				return false;	/* libpq would give it for ever: see caller */
			continue;
		}
		if (PQstatus(c->conn) == CONNECTION_BAD)
			return false;		/* no answer but the end */
		flight = c->flight;
		res = c->answer;
		c->answer = NULL;
		c->flight = AJL_IDLE;
		if (res == NULL)
			res = PQmakeEmptyPGresult(c->conn, PGRES_FATAL_ERROR);
		if (flight == AJL_SETUP)
			setup_answered(c, res);
		else if (flight == AJL_REQUEST)
			ajl_request_answered(c, res);
		else
			ajl_sync_answered(c, flight, res);
		return true;
	}
	return false;
}

/* Is the one statement that libpq can't end for us in its way? */
static bool
in_copy(const asyncjob_client *c)
{
	ExecStatusType status = PQresultStatus(c->answer);

	return c->answer != NULL &&
		(status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH);
}

static bool
flush_output(asyncjob_client *c)
{
	int			rc = c->flushing ? PQflush(c->conn) : 0;

	if (rc >= 0)
		c->flushing = rc > 0;
	return rc >= 0;
}

/* Start what is to be started; requests and subscriptions take turns. */
static bool
start_something(asyncjob_client *c)
{
	if (c->link != AJL_LINK_READY || c->flight != AJL_IDLE || c->doomed)
		return false;
	c->turn = !c->turn;
	if (c->turn)
		return ajl_request_start(c) || ajl_sync_start(c);
	return ajl_sync_start(c) || ajl_request_start(c);
}

void
ajl_link_dispatch(asyncjob_client *c)
{
	if (c->link == AJL_LINK_PAUSE && ajl_clock() >= c->deadline)
		ajl_link_start(c);
	if (c->link == AJL_LINK_POLLING)
		poll_attempt(c);
	while (c->link == AJL_LINK_SETUP || c->link == AJL_LINK_READY)
	{
		bool		more;

		if (c->broken || !flush_output(c) || !PQconsumeInput(c->conn))
		{
			/* The server's last words, and answers, may have come before. */
			while (!c->doomed && c->conn != NULL && read_answers(c))
				;
			if (!c->doomed && c->conn != NULL)
				broken(c);
			return;
		}
		more = read_answers(c);
		if (c->doomed || c->conn == NULL)
			return;
		if (!more && (PQstatus(c->conn) == CONNECTION_BAD || in_copy(c)))
		{
			broken(c);
			return;
		}
		if (c->link == AJL_LINK_SETUP && !more && ajl_clock() >= c->deadline)
		{
			broken(c);
			return;
		}
		if (c->link == AJL_LINK_READY && c->next_poll > 0 && ajl_clock() >= c->next_poll)
			ajl_sync_poll(c);
		more = start_something(c) || more;
		if (!more)
			return;
	}
}
