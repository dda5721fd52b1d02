/*-------------------------------------------------------------------------
 *
 * listen.c
 *		Print what comes over a channel, with the time it came.
 *
 * One line a notice: microseconds since 1970, a tab, the payload.  The first
 * line is "listening", so that whoever started it knows when to begin.  Ends
 * when it is killed or loses the connection.  The connection is told by
 * libpq's environment variables.
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

static void
listen_on(PGconn *conn, const char *channel)
{
	char	   *name = PQescapeIdentifier(conn, channel, 63);
	char		command[160];
	PGresult   *result;

	if (name == NULL)
		exit(1);
	snprintf(command, sizeof(command), "LISTEN %s", name);
	result = PQexec(conn, command);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
	{
		fputs(PQerrorMessage(conn), stderr);
		exit(1);
	}
	PQclear(result);
	PQfreemem(name);
}

int
main(int argc, char **argv)
{
	PGconn	   *conn = PQconnectdb("");
	struct pollfd wanted;

	if (argc != 2)
	{
		fputs("usage: listen CHANNEL\n", stderr);
		return 2;
	}
	if (PQstatus(conn) != CONNECTION_OK)
	{
		fputs(PQerrorMessage(conn), stderr);
		return 1;
	}
	listen_on(conn, argv[1]);
	puts("listening");
	fflush(stdout);

	wanted.fd = PQsocket(conn);
	wanted.events = POLLIN;
	for (;;)
	{
		struct timeval now;
		PGnotify   *notice;

		if (poll(&wanted, 1, -1) < 0)
			return 1;
		gettimeofday(&now, NULL);
		if (!PQconsumeInput(conn))
			return 1;
		while ((notice = PQnotifies(conn)) != NULL)
		{
			printf("%lld\t%s\n",
				   (long long) now.tv_sec * 1000000 + now.tv_usec,
				   notice->extra);
			PQfreemem(notice);
		}
		fflush(stdout);
	}
}
