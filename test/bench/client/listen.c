/*-------------------------------------------------------------------------
 *
 * listen.c
 *		Print what comes over a channel, with the time it came.
 *
 * One line a notice: microseconds since 1970, a tab, the payload.  The first
 * line is "listening", so that whoever started it knows when to begin.  Ends
 * when it is killed or loses a connection.  Connections are told by libpq's
 * environment variables.
 *
 * With a number, so many sessions listen, and what the last one hears is
 * printed.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#include <libpq-fe.h>

static PGconn *
listen_on(const char *channel)
{
	PGconn	   *conn = PQconnectdb("");
	char	   *name;
	char		command[160];
	PGresult   *result;

	if (PQstatus(conn) != CONNECTION_OK ||
		(name = PQescapeIdentifier(conn, channel, 63)) == NULL)
	{
		fputs(PQerrorMessage(conn), stderr);
		exit(1);
	}
	snprintf(command, sizeof(command), "LISTEN %s", name);
	result = PQexec(conn, command);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
	{
		fputs(PQerrorMessage(conn), stderr);
		exit(1);
	}
	PQclear(result);
	PQfreemem(name);
	return conn;
}

/* Take in what has come, and print it if it is to be. */
static void
hear(PGconn *conn, int print)
{
	struct timeval now;
	PGnotify   *notice;

	gettimeofday(&now, NULL);
	if (!PQconsumeInput(conn))
		exit(1);
	while ((notice = PQnotifies(conn)) != NULL)
	{
		if (print)
			printf("%lld\t%s\n",
				   (long long) now.tv_sec * 1000000 + now.tv_usec,
				   notice->extra);
		PQfreemem(notice);
	}
	if (print)
		fflush(stdout);
}

int
main(int argc, char **argv)
{
	int			n = argc == 3 ? atoi(argv[2]) : 1;
	PGconn	  **conns;
	struct pollfd *wanted;

	if (argc < 2 || argc > 3 || n < 1)
	{
		fputs("usage: listen CHANNEL [SESSIONS]\n", stderr);
		return 2;
	}
	conns = calloc(n, sizeof(*conns));
	wanted = calloc(n, sizeof(*wanted));
	if (conns == NULL || wanted == NULL)
		return 1;
	for (int i = 0; i < n; i++)
	{
		conns[i] = listen_on(argv[1]);
		wanted[i].fd = PQsocket(conns[i]);
		wanted[i].events = POLLIN;
	}
	puts("listening");
	fflush(stdout);

	for (;;)
	{
		if (poll(wanted, n, -1) < 0)
			return 1;
		for (int i = 0; i < n; i++)
		{
			if (wanted[i].revents != 0)
				hear(conns[i], i == n - 1);
		}
	}
}
