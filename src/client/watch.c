/*-------------------------------------------------------------------------
 *
 * watch.c
 *		Follow jobs until they end.
 *
 * A subscription of libasyncjob says what happens to the jobs: log lines are
 * printed as they come, everything else makes the view read the status again,
 * at most every 50 ms, and once a second for the times in it.  With --json
 * each update is printed as an object instead, and nothing is asked.
 *
 * The first Ctrl-C stops watching and leaves the job alone; a second within
 * two seconds cancels it.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

#define PATIENCE_S		120.0
#define REFRESH_S		1.0
#define MIN_PAUSE_S		0.05
#define MANY_PAUSE_S	0.2
#define MANY_AT_ONCE	100
#define KEEP_WATCHED	500

/* What the subscription has said since the last look */
typedef struct View
{
	bool		json;
	bool		quiet;
	bool		many;			/* say whose log line it is */
	bool		news;
	bool		ended;			/* the one job, or a job */
	bool		refused;
} View;

/* ---- JSON ---- */

static void
print_json_string(const char *key, const char *text)
{
	if (text == NULL)
		return;
	printf(", \"%s\": \"", key);
	for (const unsigned char *p = (const unsigned char *) text; *p; p++)
	{
		if (*p == '"' || *p == '\\')
			printf("\\%c", *p);
		else if (*p < 0x20)
			printf("\\u%04x", *p);
		else
			putchar(*p);
	}
	putchar('"');
}

static void
print_json(const asyncjob_update *u)
{
	static const char *const kinds[] = {"", "state", "step", "attempt", "log", "progress"};

	printf("{\"job\": %" PRId64 ", \"kind\": \"%s\"", u->job_id, kinds[u->kind]);
	if (u->seq > 0)
		printf(", \"seq\": %d, \"at\": %.6f", u->seq, u->at);
	if (u->state != ASYNCJOB_UNKNOWN)
		print_json_string("state", asyncjob_state_name(u->state));
	if (u->kind == ASYNCJOB_UPDATE_PROGRESS)
		printf(", \"step_no\": %d, \"steps\": %d, \"progress\": %.4f", u->step_no,
			   u->step_count, u->progress);
	print_json_string("step", u->step);
	print_json_string("level", u->level);
	print_json_string("message", u->message);
	if (u->data)
		printf(", \"data\": %s", u->data);
	puts("}");
	fflush(stdout);
}

/* ---- callbacks ---- */

static void
show_log(const asyncjob_update *u, bool many)
{
	char		job[32] = "";
	char	   *message = ajc_alloc(NULL, strlen(u->message ? u->message : "") + 1);

	strcpy(message, u->message ? u->message : "");
	ajc_sanitize(message);
	if (many)
		snprintf(job, sizeof(job), "job %" PRId64 " ", u->job_id);
	ajc_display_note("%s: %s%s: %s", u->level ? u->level : "info", job,
					 u->step ? u->step : "", message);
	free(message);
}

static void
on_update(asyncjob_client *client, const asyncjob_update *u, void *arg)
{
	View	   *view = arg;

	(void) client;
	view->news = true;
	if (view->json)
		print_json(u);
	else if (!view->quiet && u->kind == ASYNCJOB_UPDATE_LOG)
		show_log(u, view->many);
}

static void
on_complete(asyncjob_client *client, const asyncjob_update *u, void *arg)
{
	(void) client;
	(void) u;
	((View *) arg)->ended = true;
}

static void
on_error(asyncjob_client *client, asyncjob_subscription sub, int64_t job_id,
		 const asyncjob_error *e, void *arg)
{
	View	   *view = arg;

	(void) client;
	(void) sub;
	(void) job_id;
	view->refused = true;
	fprintf(stderr, "asyncjob: %s\n", e->message);
	if (e->hint[0])
		fprintf(stderr, "HINT:  %s\n", e->hint);
}

static asyncjob_callbacks
callbacks_of(View *view)
{
	asyncjob_callbacks cb = ASYNCJOB_CALLBACKS_INIT;

	cb.on_update = on_update;
	cb.on_complete = on_complete;
	cb.on_error = on_error;
	cb.arg = view;
	return cb;
}

/* Let the library work until there is news, or until a time, or Ctrl-C. */
static void
wait_for_news(View *view, double not_before, double until)
{
	for (;;)
	{
		double		now = ajc_now();
		double		left = (view->news && not_before > now ? not_before : until) - now;

		if (ajc_interrupts > 0 || view->refused || ajc_gave_up())
			return;
		if (view->news && now >= not_before)
			return;
		if (left <= 0)
			return;
		(void) asyncjob_run(ajc_client, (int) (left * 1000) + 1);
	}
}

/* ---- one job ---- */

/*
 * Ctrl-C: say that the job goes on; cancel it if it is pressed again within
 * two seconds.  True if it was cancelled.
 */
static bool
stop_or_cancel(const char *job)
{
	double		until = ajc_now() + 2;
	const char *params[] = {job, "cancelled with Ctrl-C"};
	AjcResult  *res;
	bool		ok;

	ajc_display_end();
	if (ajc_terminated)
	{
		fprintf(stderr, "\nStopped watching; job %s goes on.\n", job);
		return false;
	}
	fprintf(stderr, "\nStopped watching; job %s goes on. Ctrl-C again cancels it.\n",
			job);
	while (ajc_interrupts < 2 && ajc_now() < until)
		(void) poll(NULL, 0, 50);
	if (ajc_interrupts < 2 || ajc_terminated)
		return false;
	ajc_interrupts = 0;
	res = ajc_query("SELECT asyncjob.cancel($1::pg_catalog.int8, $2)", 2, params, 0);
	ok = ajc_query_ok(res);
	if (ok)
		fprintf(stderr, "Cancelling job %s.\n", job);
	else
		ajc_report_error(res);
	ajc_clear(res);
	return ok;
}

/*
 * Follow one job to its end and return the exit code that says how it ended.
 * The last status is left in *last, which the caller frees.
 */
int
ajc_follow(const AjcOptions *options, const char *job, bool quiet,
		   AjcStatus *last)
{
	View		view = {.json = options->json && !quiet,.quiet = quiet};
	asyncjob_callbacks cb = callbacks_of(&view);
	AjcStep    *steps = NULL;
	asyncjob_subscription sub;
	int			rc = -1;

	ajc_catch_interrupts(true);
	ajc_patience_s = PATIENCE_S;
	if (!quiet && !view.json)
		ajc_display_begin(options);
	sub = asyncjob_subscribe_job(ajc_client, strtoll(job, NULL, 10), 0, &cb);
	while (rc < 0)
	{
		double		started = ajc_now();
		int			nsteps = 0;
		bool		ok = true;

		/* An end that was told before we look is in what we then see. */
		bool		ended = view.ended;

		view.news = false;
		if (sub == 0 || view.refused)
			rc = EXIT_ERROR;
		else if (ajc_interrupts > 0)
		{
			if (!stop_or_cancel(job))
				rc = EXIT_INTERRUPTED;
			continue;
		}
		else if (ajc_gave_up())
		{
			ajc_say_connection_lost(job);
			rc = EXIT_CONNECTION;
		}
		else if (ended || !(quiet || view.json))
		{
			/*
			 * An end that the subscription hasn't told yet is not for now:
			 * log lines come before it.
			 */
			ok = ajc_get_status(job, last);
			if (ok && !quiet && !view.json && (ended || !ajc_final(last)))
			{
				nsteps = ajc_get_steps(job, &steps);
				ok = nsteps >= 0;
				if (ok)
					ajc_display_job(last, steps, nsteps);
			}
			if (ok && ended && ajc_final(last))
				rc = ajc_exit_code(last);
			else if (!ok && !ajc_connection_lost() && ajc_interrupts == 0)
				rc = EXIT_ERROR;
		}
		if (rc < 0)
			wait_for_news(&view, started + MIN_PAUSE_S, started + REFRESH_S);
	}
	asyncjob_unsubscribe(ajc_client, sub);
	if (!quiet)
		ajc_display_end();
	free(steps);
	ajc_catch_interrupts(false);
	return rc;
}

/* ---- several jobs ---- */

typedef struct Watched
{
	AjcStatus	st;
	asyncjob_job_state ended;	/* by its last update; UNKNOWN: it hasn't */
	bool		stale;
	bool		asked;
	bool		started;		/* st has been read */
} Watched;

static Watched *watched;
static int	nwatched;
static int	seen_jobs;			/* ever */
static int	worst;				/* exit code of those that were forgotten */

static int
find_watched(int64_t job_id)
{
	int			k = nwatched;

	/* jobs that have just begun are at the end */
	while (--k >= 0 && watched[k].st.job_id != job_id)
		;
	return k;
}

static void
on_many_update(asyncjob_client *client, const asyncjob_update *u, void *arg)
{
	int			k = find_watched(u->job_id);

	on_update(client, u, arg);
	if (((View *) arg)->json)
	{
		seen_jobs++;
		return;
	}
	if (k < 0)
	{
		watched = ajc_alloc(watched, sizeof(Watched) * (size_t) (nwatched + 1));
		k = nwatched++;
		seen_jobs++;
		memset(&watched[k], 0, sizeof(Watched));
		watched[k].st.job_id = u->job_id;
	}
	watched[k].stale = true;
	if (u->kind == ASYNCJOB_UPDATE_STATE)
		watched[k].ended = u->is_final ? u->state : ASYNCJOB_UNKNOWN;
}

static int
exit_code_of(const Watched *w)
{
	if (w->started && !w->stale)
		return ajc_exit_code(&w->st);
	return w->ended == ASYNCJOB_FAILED ? EXIT_JOB_FAILED
		: w->ended == ASYNCJOB_CANCELLED ? EXIT_JOB_CANCELLED : EXIT_OK;
}

/*
 * Forget the jobs that are no more, and of those that have ended the oldest:
 * a view of all jobs may go on for days.  Where they end faster than they can
 * be read and shown they are only counted.
 */
static void
forget_watched(void)
{
	int			too_many = nwatched - KEEP_WATCHED;
	int			uncounted[2] = {0, 0};	/* completed, not so */
	int			kept = 0;

	for (int k = 0; k < nwatched; k++)
	{
		Watched    *w = &watched[k];
		bool		shown = w->started && !w->stale && ajc_final(&w->st);
		bool		vanished = w->asked && w->stale;

		w->asked = false;
		if (!vanished && !(too_many > 0 && (shown || w->ended != ASYNCJOB_UNKNOWN)))
		{
			watched[kept++] = *w;
			continue;
		}
		too_many--;
		if (!shown && !vanished)
			uncounted[w->ended != ASYNCJOB_COMPLETED]++;
		if (worst == EXIT_OK)
			worst = exit_code_of(w);
		ajc_free_status(&w->st);
	}
	nwatched = kept;
	if (uncounted[0] + uncounted[1] > 0)
		ajc_display_note("%d more jobs completed, %d failed or were cancelled",
						 uncounted[0], uncounted[1]);
}

static void
found_status(const AjcStatus *st)
{
	int			k = find_watched(st->job_id);

	if (k < 0)
		return;
	ajc_free_status(&watched[k].st);
	watched[k].st = *st;
	watched[k].st.error_message = watched[k].st.error_detail = watched[k].st.error_hint = NULL;
	watched[k].stale = false;
	watched[k].started = true;
}

/* Read what has changed, the newest first; what runs is read for its times. */
static bool
refresh_many(void)
{
	char		jobs[32 * MANY_AT_ONCE];
	size_t		used = 0;
	int			n = 0;

	for (int k = nwatched - 1; k >= 0 && n < MANY_AT_ONCE; k--)
		if (watched[k].stale || (watched[k].started && strcmp(watched[k].st.state, "running") == 0))
		{
			used += (size_t) snprintf(jobs + used, sizeof(jobs) - used, "%c%" PRId64,
									  n++ == 0 ? '{' : ',', watched[k].st.job_id);
			watched[k].asked = watched[k].stale = true;
		}
	if (n == 0)
		return true;
	snprintf(jobs + used, sizeof(jobs) - used, "}");
	if (ajc_get_statuses(jobs, found_status))
		return true;
	for (int k = 0; k < nwatched; k++)
		watched[k].asked = false;
	return false;
}

static void
display_many(void)
{
	AjcStatus  *st = ajc_alloc(NULL, sizeof(AjcStatus) * (size_t) (nwatched + 1));
	int			n = 0;

	for (int k = 0; k < nwatched; k++)
		if (watched[k].started)
			st[n++] = watched[k].st;
	ajc_display_jobs(st, n);
	free(st);
	forget_watched();
}

/* Are there jobs of the session that have not ended?  -1: not known */
static int
session_is_busy(const char *session)
{
	AjcResult  *res = ajc_query("SELECT EXISTS (SELECT FROM asyncjob.recent_jobs(session_id => $1))",
								1, &session, 0);
	int			busy = ajc_query_ok(res) ? ajc_value(res, 0, 0)[0] == 't' : -1;

	if (busy < 0 && !ajc_connection_lost())
	{
		ajc_report_error(res);
		busy = -2;
	}
	ajc_clear(res);
	return busy;
}

/*
 * Follow the jobs of a session, or all that the role may see: those that are
 * not finished now or come while we look.  A session's view ends when all of
 * its jobs have; --all goes on until Ctrl-C.
 */
static int
follow_many(const AjcOptions *options)
{
	View		view = {.json = options->json,.many = true};
	asyncjob_callbacks cb = callbacks_of(&view);
	asyncjob_subscription sub;
	bool		over = false;
	int			rc = EXIT_OK;

	cb.on_update = on_many_update;
	ajc_catch_interrupts(true);
	ajc_patience_s = PATIENCE_S;
	if (!view.json)
		ajc_display_begin(options);
	sub = options->session ? asyncjob_subscribe_session(ajc_client, options->session, &cb)
		: asyncjob_subscribe_all(ajc_client, &cb);
	view.ended = true;			/* there may be none at all */
	while (rc == EXIT_OK && ajc_interrupts == 0)
	{
		double		started = ajc_now();
		int			busy = 1;
		bool		ok;

		view.news = false;
		if (sub == 0 || view.refused)
			rc = EXIT_ERROR;
		if (rc == EXIT_OK && ajc_gave_up())
		{
			ajc_say_connection_lost(NULL);
			rc = EXIT_CONNECTION;
		}
		if (rc != EXIT_OK || over)
			break;
		if (options->session && view.ended)
		{
			view.ended = false;
			busy = session_is_busy(options->session);
			if (busy == -2)
				rc = EXIT_ERROR;
			else if (busy == -1)
				view.ended = true;

			/* let the ends that have been seen there come here, too */
			over = busy == 0;
			if (over)
				for (int i = 0; i < 20; i++)
					(void) asyncjob_run(ajc_client, 10);
		}
		ok = view.json || refresh_many();
		if (ok && !view.json)
			display_many();
		else if (!ok && !ajc_connection_lost() && ajc_interrupts == 0)
			rc = EXIT_ERROR;
		if (rc == EXIT_OK && !over)
			wait_for_news(&view, started + MANY_PAUSE_S, started + REFRESH_S);
	}
	asyncjob_unsubscribe(ajc_client, sub);
	ajc_display_end();
	if (rc == EXIT_OK && ajc_interrupts > 0)
	{
		fprintf(stderr, "\nStopped watching; the jobs go on.\n");
		rc = EXIT_INTERRUPTED;
	}
	if (rc == EXIT_OK && seen_jobs == 0)
		ajc_say_none("unfinished jobs in this session");
	if (rc == EXIT_OK)
		rc = worst;
	for (int k = 0; k < nwatched; k++)
	{
		if (rc == EXIT_OK)
			rc = exit_code_of(&watched[k]);
		ajc_free_status(&watched[k].st);
	}
	free(watched);
	watched = NULL;
	nwatched = 0;
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
		if (argc != 0 || (options->all && options->session))
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
