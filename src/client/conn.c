/*-------------------------------------------------------------------------
 *
 * conn.c
 *		The connection: options and environment as psql's, errors, waiting.
 *
 * Everything waits in poll(), so that Ctrl-C is seen at once and a
 * notification as soon as it arrives.  A connection that is lost while a job
 * is being watched is made again, with pauses that double from 0.1 s to 5 s:
 * a restart of the server does not end the job, so it need not end the view.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "client.h"

#define CONNECT_TIMEOUT_MS	20000

PGconn	   *ajc_conn = NULL;

static char password[256];

/* Ask on the terminal, without echo; false if there is no terminal. */
static bool
ask_password(void)
{
	FILE	   *tty = fopen("/dev/tty", "r+");
	struct termios saved,
				quiet;
	bool		ok;

	if (tty == NULL)
		return false;
	fputs("Password: ", tty);
	fflush(tty);
	if (tcgetattr(fileno(tty), &saved) == 0)
	{
		quiet = saved;
		quiet.c_lflag &= ~ECHO;
		tcsetattr(fileno(tty), TCSAFLUSH, &quiet);
		ok = fgets(password, sizeof(password), tty) != NULL;
		tcsetattr(fileno(tty), TCSAFLUSH, &saved);
	}
	else
		ok = fgets(password, sizeof(password), tty) != NULL;
	fputc('\n', tty);
	fclose(tty);
	password[strcspn(password, "\n")] = '\0';
	return ok;
}

/*
 * What a server says unasked goes to standard error; its last words on a
 * connection do not, as the loss is reported by whoever notices it.
 */
static void
on_notice(void *arg, const PGresult *res)
{
	const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);

	(void) arg;
	if (severity == NULL || strcmp(severity, "FATAL") != 0)
		fprintf(stderr, "%s", PQresultErrorMessage(res));
}

/*
 * Start a connection and wait for it; a NULL value means libpq's own default,
 * which looks at PGHOST, PGPORT, PGUSER, PGDATABASE, PGSERVICE and the rest.
 */
static PGconn *
open_connection(const AjcOptions *options)
{
	const char *keywords[] = {"host", "port", "user", "dbname", "password",
	"fallback_application_name", NULL};
	const char *values[] = {options->host, options->port, options->user,
		options->dbname, password[0] ? password : NULL,
	"asyncjob", NULL};
	PGconn	   *conn = PQconnectStartParams(keywords, values, 1);
	PostgresPollingStatusType want = PGRES_POLLING_WRITING;

	if (conn == NULL || PQstatus(conn) == CONNECTION_BAD)
		return conn;
	PQsetNoticeReceiver(conn, on_notice, NULL);
	while (want != PGRES_POLLING_OK && want != PGRES_POLLING_FAILED)
	{
		struct pollfd fd = {.fd = PQsocket(conn)};
		int			got;

		fd.events = want == PGRES_POLLING_READING ? POLLIN : POLLOUT;
		got = poll(&fd, 1, CONNECT_TIMEOUT_MS);
		if (got < 0 && errno == EINTR && ajc_interrupts == 0)
			continue;
		if (got <= 0)
			break;
		want = PQconnectPoll(conn);
	}
	return conn;
}

/* Returns an exit code; errors are reported. */
int
ajc_connect(const AjcOptions *options)
{
	PGresult   *res;

	ajc_conn = open_connection(options);
	if (ajc_conn != NULL && PQstatus(ajc_conn) != CONNECTION_OK &&
		PQconnectionNeedsPassword(ajc_conn) && !options->no_password &&
		ask_password())
	{
		PQfinish(ajc_conn);
		ajc_conn = open_connection(options);
	}
	if (ajc_conn == NULL || PQstatus(ajc_conn) != CONNECTION_OK)
	{
		const char *message = PQerrorMessage(ajc_conn);

		fprintf(stderr, "asyncjob: %s",
				message[0] ? message : "no answer from the server within 20 s\n");
		ajc_disconnect();
		return EXIT_CONNECTION;
	}

	/* Everything this program calls is schema-qualified. */
	res = PQexec(ajc_conn,
				 "SELECT pg_catalog.set_config('search_path', '', false),"
				 " pg_catalog.set_config('client_encoding', 'UTF8', false),"
				 " pg_catalog.to_regnamespace('asyncjob')");
	if (PQresultStatus(res) != PGRES_TUPLES_OK)
	{
		ajc_report_error(res);
		PQclear(res);
		return ajc_connection_lost() ? EXIT_CONNECTION : EXIT_ERROR;
	}
	if (PQgetisnull(res, 0, 2))
	{
		fprintf(stderr,
				"asyncjob: database \"%s\" does not have the extension\n"
				"HINT:  Run CREATE EXTENSION asyncjob there, or name another database with -d.\n",
				PQdb(ajc_conn));
		PQclear(res);
		return EXIT_ERROR;
	}
	PQclear(res);
	return EXIT_OK;
}

/*
 * Make a lost connection again.  Gives up after give_up_s seconds or at
 * Ctrl-C.
 */
bool
ajc_reconnect(const AjcOptions *options, double give_up_s)
{
	double		until = ajc_now() + give_up_s;
	int			pause_ms = 100;

	while (ajc_interrupts == 0)
	{
		PGconn	   *conn = open_connection(options);

		if (conn != NULL && PQstatus(conn) == CONNECTION_OK)
		{
			PGresult   *res = PQexec(conn,
									 "SELECT pg_catalog.set_config('search_path', '', false),"
									 " pg_catalog.set_config('client_encoding', 'UTF8', false)");
			bool		ok = PQresultStatus(res) == PGRES_TUPLES_OK;

			PQclear(res);
			if (ok)
			{
				ajc_disconnect();
				ajc_conn = conn;
				return true;
			}
		}
		if (ajc_now() > until)
		{
			ajc_disconnect();
			ajc_conn = conn;	/* keeps the message */
			return false;
		}
		PQfinish(conn);
		(void) poll(NULL, 0, pause_ms);
		if (pause_ms < 5000)
			pause_ms *= 2;
	}
	return false;
}

void
ajc_disconnect(void)
{
	PQfinish(ajc_conn);
	ajc_conn = NULL;
}

bool
ajc_connection_lost(void)
{
	return ajc_conn == NULL || PQstatus(ajc_conn) != CONNECTION_OK;
}

/*
 * Wait until something arrives on the connection, or for timeout_ms, or for a
 * signal.  Returns true if something arrived.
 */
bool
ajc_wait_socket(int timeout_ms)
{
	struct pollfd fd = {.fd = PQsocket(ajc_conn),.events = POLLIN};

	if (fd.fd < 0)
		return false;
	if (poll(&fd, 1, timeout_ms) <= 0)
		return false;
	PQconsumeInput(ajc_conn);
	return true;
}

/*
 * Run one statement; parameters travel apart from its text.  The result may
 * be an error: see ajc_query_ok.  Never returns NULL.
 */
PGresult *
ajc_query(const char *sql, int nparams, const char *const *params,
		  int result_format)
{
	PGresult   *res = NULL,
			   *next;

	if (!PQsendQueryParams(ajc_conn, sql, nparams, NULL, params, NULL, NULL,
						   result_format))
		return PQmakeEmptyPGresult(ajc_conn, PGRES_FATAL_ERROR);
	while (PQflush(ajc_conn) > 0)
	{
		struct pollfd fd = {.fd = PQsocket(ajc_conn),.events = POLLIN | POLLOUT};

		(void) poll(&fd, 1, -1);
		if ((fd.revents & POLLIN) && !PQconsumeInput(ajc_conn))
			break;
	}
	for (;;)
	{
		while (PQisBusy(ajc_conn))
		{
			(void) ajc_wait_socket(1000);

			/* Somebody insists on leaving while the server doesn't answer. */
			if (ajc_interrupts > 2)
				_exit(EXIT_INTERRUPTED);
			if (ajc_connection_lost())
				break;
		}
		next = PQgetResult(ajc_conn);
		if (next == NULL)
			break;
		PQclear(res);
		res = next;
	}
	return res ? res : PQmakeEmptyPGresult(ajc_conn, PGRES_FATAL_ERROR);
}

bool
ajc_query_ok(const PGresult *res)
{
	ExecStatusType status = PQresultStatus(res);

	return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

/* Print an error with its detail and hint, in psql's form. */
void
ajc_report_error(const PGresult *res)
{
	const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL);
	const char *hint = PQresultErrorField(res, PG_DIAG_MESSAGE_HINT);

	if (message == NULL)
	{
		message = PQerrorMessage(ajc_conn);
		fprintf(stderr, "asyncjob: %s%s", message[0] ? message : "no answer from the server",
				message[0] && message[strlen(message) - 1] == '\n' ? "" : "\n");
		return;
	}
	fprintf(stderr, "asyncjob: %s\n", message);
	if (detail)
		fprintf(stderr, "DETAIL:  %s\n", detail);
	if (hint)
		fprintf(stderr, "HINT:  %s\n", hint);
}
