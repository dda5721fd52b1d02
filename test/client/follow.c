/*-------------------------------------------------------------------------
 *
 * follow.c
 *		A program that knows libasyncjob only as it is installed, for tests.
 *
 *		follow [--slow MS] jobs < IDS
 *		follow session ID COUNT | follow all COUNT
 *		follow submit COUNT PIPELINE PARAMS
 *
 * Follows jobs by an event loop of its own and writes what it is told, a line
 * each: "update JOB SEQ KIND STATE", "complete JOB STATE", "error JOB CODE
 * SQLSTATE MESSAGE", "connection STATE", "submitted JOB", "refused CODE
 * MESSAGE".  It ends when all subscriptions have, or after COUNT completions.
 * The connection is that of the environment.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <asyncjob_client.h>
#include <inttypes.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const kinds[] = {"", "state", "step", "attempt", "log", "progress"};
static int	slow_ms;
static long completed;
static long submitted;

static void
on_update(asyncjob_client *client, const asyncjob_update *u, void *arg)
{
	(void) client;
	(void) arg;
	if (slow_ms > 0)
		usleep((useconds_t) slow_ms * 1000);
	printf("update %" PRId64 " %d %s %s\n", u->job_id, u->seq, kinds[u->kind],
		   asyncjob_state_name(u->state));
}

static void
on_complete(asyncjob_client *client, const asyncjob_update *u, void *arg)
{
	(void) client;
	(void) arg;
	completed++;
	printf("complete %" PRId64 " %s\n", u->job_id, asyncjob_state_name(u->state));
}

static void
on_error(asyncjob_client *client, asyncjob_subscription sub, int64_t job_id,
		 const asyncjob_error *e, void *arg)
{
	(void) client;
	(void) sub;
	(void) arg;
	printf("error %" PRId64 " %s %s %s\n", job_id, asyncjob_code_name(e->code),
		   e->sqlstate[0] ? e->sqlstate : "-", e->message);
}

static void
on_connection(asyncjob_client *client, asyncjob_connection state,
			  const asyncjob_error *e, void *arg)
{
	(void) client;
	(void) arg;
	printf("connection %s%s%s\n", asyncjob_connection_name(state), e ? " " : "",
		   e ? e->message : "");
}

static void
on_submitted(asyncjob_client *client, const asyncjob_error *e, asyncjob_rows *rows, void *arg)
{
	(void) client;
	(void) arg;
	submitted++;
	if (e != NULL)
		printf("refused %s %s\n", asyncjob_code_name(e->code), e->message);
	else
		printf("submitted %" PRId64 "\n", asyncjob_rows_int(rows, 0, 0));
}

/* The loop that an application would have anyway. */
static void
turn(asyncjob_client *client)
{
	struct pollfd fd = {.fd = asyncjob_socket(client)};
	int			events = asyncjob_events(client);

	fd.events = (short) ((events & ASYNCJOB_READ ? POLLIN : 0) |
						 (events & ASYNCJOB_WRITE ? POLLOUT : 0));
	(void) poll(&fd, 1, asyncjob_timeout(client));
	(void) asyncjob_dispatch(client);
}

int
main(int argc, char **argv)
{
	asyncjob_options options = ASYNCJOB_OPTIONS_INIT;
	asyncjob_client *client;
	char		line[64];
	long		until = 0;

	/* as programs with a graphical interface do */
	(void) setlocale(LC_ALL, "");
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("one half is %.1f\n", 0.5);
	if (argc > 2 && strcmp(argv[1], "--slow") == 0)
	{
		slow_ms = atoi(argv[2]);
		argv += 2;
		argc -= 2;
	}
	if (argc < 2)
		return 2;
	options.callbacks.on_update = on_update;
	options.callbacks.on_complete = on_complete;
	options.callbacks.on_error = on_error;
	options.callbacks.on_connection = on_connection;
	client = asyncjob_new(&options);
	if (client == NULL)
		return 2;
	if (strcmp(argv[1], "jobs") == 0)
		while (fgets(line, sizeof(line), stdin) != NULL)
			(void) asyncjob_subscribe_job(client, atoll(line), 0, NULL);
	else if (strcmp(argv[1], "session") == 0 && argc == 4)
	{
		(void) asyncjob_subscribe_session(client, argv[2], NULL);
		until = atol(argv[3]);
	}
	else if (strcmp(argv[1], "all") == 0 && argc == 3)
	{
		(void) asyncjob_subscribe_all(client, NULL);
		until = atol(argv[2]);
	}
	else if (strcmp(argv[1], "submit") == 0 && argc == 5)
	{
		asyncjob_submission submission = ASYNCJOB_SUBMISSION_INIT;
		long		n = atol(argv[2]);

		submission.pipeline = argv[3];
		submission.params = argv[4];

		/* one after the other, so that they are spread over the time */
		for (long i = 0; i < n; i++)
		{
			(void) asyncjob_send_submit(client, &submission, on_submitted, NULL);
			while (submitted <= i)
				turn(client);
		}
	}
	else
		return 2;
	while (asyncjob_subscriptions(client) > 0 && (until == 0 || completed < until))
		turn(client);
	asyncjob_free(client);
	return 0;
}
