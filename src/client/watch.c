/*-------------------------------------------------------------------------
 *
 * watch.c
 *		Follow jobs until they end.
 *
 * The server announces what changes on the channels asyncjob_job_<id>,
 * asyncjob_session_<id> and asyncjob.  A notification is only a hint to read
 * the status again, which checks who asks; one second without any is reason
 * enough too, so a lost one delays the view and never ends it.  Between two
 * looks at the server lie at least 50 ms.
 *
 * The first Ctrl-C stops watching and leaves the job alone; a second within
 * two seconds cancels it.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

#define SAFETY_MS		1000
#define MIN_PAUSE_MS	50
#define GIVE_UP_S		120.0

/* LISTEN on a channel, whose name is not one of ours to trust. */
static bool
listen_on(const char *channel)
{
	char	   *quoted = PQescapeIdentifier(ajc_conn, channel, strlen(channel));
	char	   *sql = NULL;
	PGresult   *res;
	bool		ok;

	if (quoted == NULL)
		return false;
	sql = ajc_alloc(NULL, strlen(quoted) + 16);
	sprintf(sql, "LISTEN %s", quoted);
	res = ajc_query(sql, 0, NULL, 0);
	ok = ajc_query_ok(res);
	if (!ok && !ajc_connection_lost())
		ajc_report_error(res);
	PQclear(res);
	free(sql);
	PQfreemem(quoted);
	return ok;
}

/* Wait for news, for the safety interval or for Ctrl-C. */
static void
wait_for_news(void)
{
	double		until = ajc_now() + SAFETY_MS / 1000.0;
	bool		news = false;

	(void) poll(NULL, 0, MIN_PAUSE_MS);
	while (!news && ajc_interrupts == 0 && !ajc_connection_lost())
	{
		PGnotify   *notify;
		double		left = until - ajc_now();

		PQconsumeInput(ajc_conn);
		while ((notify = PQnotifies(ajc_conn)) != NULL)
		{
			news = true;
			PQfreemem(notify);
		}
		if (news || left <= 0)
			break;
		(void) ajc_wait_socket((int) (left * 1000) + 1);
	}
}

/* Make a lost connection again and LISTEN as before. */
static bool
come_back(const AjcOptions *options, const char *channel, bool quiet)
{
	if (!quiet)
		ajc_display_note("connection lost; trying again");
	if (!ajc_reconnect(options, GIVE_UP_S))
		return false;
	if (!quiet)
		ajc_display_note("connected again");
	return listen_on(channel);
}

static void
say_connection_lost(const char *job)
{
	const char *message = ajc_conn ? PQerrorMessage(ajc_conn) : "";

	fprintf(stderr, "asyncjob: lost the connection: %s%s", message,
			message[0] && message[strlen(message) - 1] == '\n' ? "" : "\n");
	if (job)
		fprintf(stderr, "HINT:  The job goes on. Look again with: asyncjob watch %s\n", job);
}

/*
 * Ctrl-C: say that the job goes on; cancel it if it is pressed again within
 * two seconds.  True if it was cancelled.
 */
static bool
stop_or_cancel(const char *job)
{
	double		until = ajc_now() + 2;
	const char *params[] = {job, "cancelled with Ctrl-C"};
	PGresult   *res;
	bool		ok;

	ajc_display_end();
	fprintf(stderr, "\nStopped watching; job %s goes on. Ctrl-C again cancels it.\n",
			job);
	while (ajc_interrupts < 2 && ajc_now() < until)
		(void) poll(NULL, 0, 50);
	if (ajc_interrupts < 2)
		return false;
	res = ajc_query("SELECT asyncjob.cancel($1::pg_catalog.int8, $2)", 2, params, 0);
	ok = ajc_query_ok(res);
	if (ok)
		fprintf(stderr, "Cancelling job %s.\n", job);
	else
		ajc_report_error(res);
	PQclear(res);
	ajc_interrupts = 0;
	return ok;
}

/* Print the log lines that a job wrote since the last look. */
static void
show_log(const char *job, char *since, size_t since_size)
{
	const char *params[] = {job, since};
	PGresult   *res = ajc_query("SELECT u.seq, u.kind, u.step, u.level, u.message"
								" FROM asyncjob.updates($1::pg_catalog.int8,"
								"  $2::pg_catalog.int8::pg_catalog.int4) u ORDER BY u.seq",
								2, params, 0);

	for (int i = 0; ajc_query_ok(res) && i < PQntuples(res); i++)
	{
		snprintf(since, since_size, "%s", PQgetvalue(res, i, 0));
		if (strcmp(PQgetvalue(res, i, 1), "log") == 0)
		{
			ajc_sanitize(PQgetvalue(res, i, 4));
			ajc_display_note("%s: %s: %s", PQgetvalue(res, i, 3),
							 PQgetvalue(res, i, 2), PQgetvalue(res, i, 4));
		}
	}
	PQclear(res);
}

/*
 * Follow one job to its end and return the exit code that says how it ended.
 * The last status is left in *last, which the caller frees.
 */
int
ajc_follow(const AjcOptions *options, const char *job, bool quiet,
		   AjcStatus *last)
{
	char		channel[64];
	char		since[32] = "0";
	AjcStep    *steps = NULL;
	int			nsteps = 0;
	int			rc = EXIT_OK;

	snprintf(channel, sizeof(channel), "asyncjob_job_%s", job);
	ajc_catch_interrupts(true);
	if (!quiet)
		ajc_display_begin(options);
	if (!listen_on(channel))
	{
		rc = EXIT_ERROR;
		if (ajc_connection_lost())
		{
			say_connection_lost(job);
			rc = EXIT_CONNECTION;
		}
	}
	while (rc == EXIT_OK)
	{
		bool		ok = ajc_get_status(job, last);

		if (ok && !quiet)
		{
			show_log(job, since, sizeof(since));
			nsteps = ajc_get_steps(job, &steps);
			ok = nsteps >= 0;
			if (ok)
				ajc_display_job(last, steps, nsteps);
		}
		if (!ok && ajc_connection_lost() && ajc_interrupts == 0)
		{
			if (!come_back(options, channel, quiet) && ajc_interrupts == 0)
			{
				say_connection_lost(job);
				rc = EXIT_CONNECTION;
			}
			continue;
		}
		if (!ok && ajc_interrupts == 0)
		{
			rc = EXIT_ERROR;
			break;
		}
		if (ajc_interrupts > 0)
		{
			if (!stop_or_cancel(job))
				rc = EXIT_INTERRUPTED;
			continue;
		}
		if (ajc_final(last))
		{
			rc = ajc_exit_code(last);
			break;
		}
		wait_for_news();
	}
	if (!quiet)
		ajc_display_end();
	free(steps);
	ajc_catch_interrupts(false);
	return rc;
}

/*
 * Follow the jobs of a session, or all that the role may see: those that are
 * not finished now or come while we look.  A session's view ends when all of
 * its jobs have; --all goes on until Ctrl-C.
 */
static int
follow_many(const AjcOptions *options)
{
	char		channel[128] = "asyncjob";
	AjcStatus  *jobs = NULL;
	int			njobs = 0;
	int			rc = EXIT_OK;

	if (options->session)
	{
		PGresult   *res = ajc_query("SELECT asyncjob.channel($1)", 1,
									&options->session, 0);

		if (!ajc_query_ok(res))
		{
			ajc_report_error(res);
			PQclear(res);
			return EXIT_ERROR;
		}
		snprintf(channel, sizeof(channel), "%s", PQgetvalue(res, 0, 0));
		PQclear(res);
	}
	ajc_catch_interrupts(true);
	ajc_display_begin(options);
	if (!listen_on(channel))
	{
		rc = EXIT_ERROR;
		if (ajc_connection_lost())
		{
			say_connection_lost(NULL);
			rc = EXIT_CONNECTION;
		}
	}
	while (rc == EXIT_OK && ajc_interrupts == 0)
	{
		PGresult   *res = ajc_query("SELECT l.job_id, l.state FROM"
									" asyncjob.list_jobs(session_id => $1) l"
									" ORDER BY l.job_id", 1,
									&options->session, 0);
		bool		ok = ajc_query_ok(res);
		bool		busy = false;

		if (!ok && !ajc_connection_lost())
		{
			ajc_report_error(res);
			rc = EXIT_ERROR;
		}
		for (int i = 0; ok && i < PQntuples(res); i++)
		{
			const char *job = PQgetvalue(res, i, 0);
			const char *state = PQgetvalue(res, i, 1);
			int			k = 0;

			while (k < njobs && jobs[k].job_id != strtoll(job, NULL, 10))
				k++;
			if (k == njobs)
			{
				AjcStatus	now = {.state = ""};

				/* What ended before we came is no news. */
				snprintf(now.state, sizeof(now.state), "%s", state);
				if (ajc_final(&now))
					continue;
				jobs = ajc_alloc(jobs, sizeof(AjcStatus) * (size_t) (njobs + 1));
				memset(&jobs[njobs++], 0, sizeof(AjcStatus));
			}
			else if (ajc_final(&jobs[k]))
				continue;
			ok = ajc_get_status(job, &jobs[k]);
			busy = busy || (ok && !ajc_final(&jobs[k]));
		}
		PQclear(res);
		if (ok)
		{
			ajc_display_jobs(jobs, njobs);
			if (options->session && !busy)
				break;
			wait_for_news();
		}
		else if (ajc_connection_lost() && ajc_interrupts == 0 &&
				 !come_back(options, channel, false) && ajc_interrupts == 0)
		{
			say_connection_lost(NULL);
			rc = EXIT_CONNECTION;
		}
	}
	ajc_display_end();
	if (rc == EXIT_OK && ajc_interrupts > 0)
	{
		fprintf(stderr, "\nStopped watching; the jobs go on.\n");
		rc = EXIT_INTERRUPTED;
	}
	for (int i = 0; i < njobs; i++)
	{
		if (rc == EXIT_OK)
			rc = ajc_exit_code(&jobs[i]);
		ajc_free_status(&jobs[i]);
	}
	free(jobs);
	ajc_catch_interrupts(false);
	return rc;
}

int
ajc_cmd_watch(const AjcOptions *options, int argc, char **argv)
{
	AjcStatus	st = {.job_id = 0};
	int			rc;

	if (options->all || options->session)
	{
		if (argc != 0)
		{
			fprintf(stderr, "asyncjob: watch takes a job, --session or --all, not two of them\n");
			return EXIT_ERROR;
		}
		return follow_many(options);
	}
	if (argc != 1)
	{
		fprintf(stderr, "asyncjob: which job? Usage: asyncjob watch JOB | --session ID | --all\n");
		return EXIT_ERROR;
	}
	rc = ajc_follow(options, argv[0], false, &st);
	if (rc == EXIT_JOB_FAILED || rc == EXIT_JOB_CANCELLED)
		ajc_print_job_error(&st);
	ajc_free_status(&st);
	return rc;
}
