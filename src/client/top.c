/*-------------------------------------------------------------------------
 *
 * top.c
 *		asyncjob top: queues, workers and jobs, live.
 *
 * The tables are read once a second and after each key that changes
 * something; rates and times come from a subscription to all jobs, over the
 * last minute.  Keys act on the line under the cursor, which stays with its
 * job or queue when the lines move; what can't be undone is asked for.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>

#include "client.h"

#ifdef AJC_NO_NCURSES

int
ajc_cmd_top(const AjcOptions *options, int argc, char **argv)
{
	(void) options;
	(void) argc;
	(void) argv;
	fprintf(stderr, "asyncjob: top was left out of this build\n"
			"HINT:  Build it again where the headers of ncurses are (Debian: libncurses-dev).\n");
	return EXIT_ERROR;
}

#else

#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <ncurses.h>

#define REFRESH_S	1.0
#define WINDOW_S	60
#define SAMPLES		4096
#define MAX_LINES	200

/* ---- what the subscription tells ---- */

/* A job that ended: when by our clock, how long it waited and ran, seconds */
typedef struct Sample
{
	double		at;
	double		waited;
	double		ran;
	bool		failed;
} Sample;

/* A job between its start and its end */
typedef struct Begun
{
	int64_t		job_id;
	double		queued;
	double		running;
} Begun;

static Sample samples[SAMPLES];
static unsigned nsamples;		/* ever */
static Begun begun[SAMPLES];

static void
on_update(asyncjob_client *client, const asyncjob_update *u, void *arg)
{
	Begun	   *b = &begun[u->job_id % SAMPLES];

	(void) client;
	(void) arg;
	if (u->kind != ASYNCJOB_UPDATE_STATE)
		return;
	if (b->job_id != u->job_id || u->state == ASYNCJOB_QUEUED)
		*b = (Begun)
	{
		.job_id = u->job_id,.queued = u->state == ASYNCJOB_QUEUED ? u->at : -1,.running = -1
	};
	if (u->state == ASYNCJOB_RUNNING && b->running < 0)
		b->running = u->at;
}

static void
on_complete(asyncjob_client *client, const asyncjob_update *u, void *arg)
{
	const Begun *b = &begun[u->job_id % SAMPLES];
	Sample	   *s = &samples[nsamples++ % SAMPLES];

	(void) client;
	(void) arg;
	s->at = ajc_now();
	s->failed = u->state == ASYNCJOB_FAILED;
	s->waited = s->ran = -1;
	if (b->job_id == u->job_id && b->running >= 0)
	{
		s->ran = u->at - b->running;
		if (b->queued >= 0)
			s->waited = b->running - b->queued;
	}
}

static int
compare(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return x < y ? -1 : x > y;
}

/* "1.2 ms / 40 ms": the middle one and the 95th of a hundred */
static void
percentiles(char *buf, size_t size, bool waited)
{
	static double values[SAMPLES];
	int			n = 0;
	char		p50[32],
				p95[32];

	for (unsigned i = 0; i < SAMPLES && i < nsamples; i++)
	{
		double		v = waited ? samples[i].waited : samples[i].ran;

		if (samples[i].at > ajc_now() - WINDOW_S && v >= 0)
			values[n++] = v;
	}
	if (n == 0)
	{
		snprintf(buf, size, "-");
		return;
	}
	qsort(values, (size_t) n, sizeof(double), compare);
	for (int i = 0; i < 2; i++)
	{
		double		v = values[i == 0 ? n / 2 : n * 95 / 100];
		char	   *text = i == 0 ? p50 : p95;

		if (v < 1)
			snprintf(text, sizeof(p50), "%.1f ms", v * 1000);
		else
			ajc_format_duration(text, sizeof(p50), v);
	}
	snprintf(buf, size, "%s / %s", p50, p95);
}

/* ---- what is read ---- */

typedef enum Part
{
	JOBS,
	QUEUES
} Part;

static AjcResult *queues;
static AjcResult *workers;
static AjcResult *jobs;

/* What stands below the queues */
static enum
{
	RUNNING,
	FAILED,
	WORKERS
}			show = RUNNING;

static Part part;
static int	cursor;
static char chosen[256];		/* the job or queue under it */
static char to_cancel[32];		/* a job, while we ask whether to */
static char notice[512];

static int
lines_of(const AjcResult *res)
{
	return res ? ajc_ntuples(res) : 0;
}

static const AjcResult *
lines(void)
{
	return part == QUEUES ? queues : show == WORKERS ? workers : jobs;
}

/* The cursor was moved: what is under it now? */
static void
choose(void)
{
	if (cursor >= lines_of(lines()))
		cursor = lines_of(lines()) > 0 ? lines_of(lines()) - 1 : 0;
	snprintf(chosen, sizeof(chosen), "%s",
			 cursor < lines_of(lines()) ? ajc_value(lines(), cursor, 0) : "");
}

/* The lines have moved: the cursor with them, if there still is what it was on. */
static void
follow_chosen(void)
{
	for (int i = 0; i < lines_of(lines()); i++)
		if (strcmp(ajc_value(lines(), i, 0), chosen) == 0)
		{
			cursor = i;
			return;
		}
	choose();
}

static void
read_part(AjcResult **into, const char *sql, int nparams, const char *const *params)
{
	AjcResult  *res = ajc_query(sql, nparams, params, 0);

	if (!ajc_query_ok(res))
	{
		snprintf(notice, sizeof(notice), "%s", res->message);
		ajc_clear(res);
		return;
	}
	if (*into)
		ajc_clear(*into);
	*into = res;
}

static void
read_all(void)
{
	const char *params[] = {show == FAILED ? "failed" : "running"};

	read_part(&queues, "SELECT q.name, q.paused, q.queued, q.running,"
			  " CASE WHEN q.paused THEN 'paused' WHEN s.quiesced_at IS NOT NULL THEN 'quiesced'"
			  "  ELSE 'open' END FROM asyncjob.queues q JOIN asyncjob.queue s ON s.name = q.name"
			  " ORDER BY q.queued + q.running DESC, q.name LIMIT 50", 0, NULL);
	read_part(&workers, "SELECT w.pid, w.role, w.state, w.job_id,"
			  " pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - w.since)"
			  " FROM asyncjob.workers() w ORDER BY w.state, w.pid", 0, NULL);
	read_part(&jobs, "SELECT l.job_id, l.pipeline, l.state, l.progress, l.step,"
			  " pg_catalog.date_part('epoch', coalesce(l.finished_at,"
			  "  pg_catalog.clock_timestamp()) - coalesce(l.started_at, l.created_at)),"
			  " coalesce(l.error_message, l.message, '')"
			  " FROM asyncjob.list_jobs(state => $1, max_rows => 200) l"
			  " ORDER BY l.job_id DESC", 1, params);
	follow_chosen();
}

/* ---- the screen ---- */

/* Add to a line what has room in it. */
static void put(const char *fmt,...) __attribute__((format(printf, 1, 2)));

static void
put(const char *fmt,...)
{
	char		text[512];
	int			room = COLS - 1 - getcurx(stdscr);
	int			used;
	va_list		ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (room > 0)
		addnstr(text, (int) ajc_fit(text, room, &used));
}

/* Text in exactly so many columns, or fewer at the end of a line. */
static void
cell(const char *text, int width)
{
	char		copy[256];
	int			used;
	size_t		n;

	snprintf(copy, sizeof(copy), "%s", text);
	ajc_sanitize(copy);
	n = ajc_fit(copy, width, &used);
	put("%.*s%*s", (int) n, copy, width > used ? width - used : 0, "");
}

static void
heading(int y, const char *text)
{
	attron(A_REVERSE);
	mvhline(y, 0, ' ', COLS);
	mvaddnstr(y, 1, text, COLS - 2);
	attroff(A_REVERSE);
}

static void
draw_head(void)
{
	char		wait[80],
				run[80],
				line[256],
				clock[16];
	time_t		now = time(NULL);
	struct tm	tm;
	int			busy = 0,
				done = 0,
				failed = 0;
	double		since = ajc_now() - 10;

	localtime_r(&now, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	for (int i = 0; i < lines_of(workers); i++)
		busy += strcmp(ajc_value(workers, i, 2), "busy") == 0;
	for (unsigned i = 0; i < SAMPLES && i < nsamples; i++)
		if (samples[i].at > since)
		{
			done++;
			failed += samples[i].failed;
		}
	percentiles(wait, sizeof(wait), true);
	percentiles(run, sizeof(run), false);
	snprintf(line, sizeof(line),
			 "asyncjob top  %s  workers %d, busy %d  ended %.1f/s%s  failed %.1f/s",
			 clock, lines_of(workers), busy, done / 10.0,
			 nsamples >= SAMPLES && done == SAMPLES ? "+" : "", failed / 10.0);
	mvaddnstr(0, 0, line, COLS);
	snprintf(line, sizeof(line), "waited (p50 / p95) %s   ran %s", wait, run);
	mvaddnstr(1, 0, line, COLS);
}

static void
draw_line(int y, bool selected)
{
	move(y, 0);
	if (selected)
		attron(A_BOLD | A_UNDERLINE);
}

/* The first line of a list that shows the cursor in so many lines */
static int
first_line(int shown)
{
	return part == JOBS && cursor >= shown ? cursor - shown + 1 : 0;
}

static void
draw_jobs(int y)
{
	heading(y++, show == FAILED
			? (part == JOBS ? "> FAILED JOB  pipeline         step           took      error"
			   : "  FAILED JOB  pipeline         step           took      error")
			: (part == JOBS ? "> JOB         pipeline         step           time     done"
			   : "  JOB         pipeline         step           time     done"));
	for (int i = first_line(LINES - 1 - y); i < lines_of(jobs) && y < LINES - 1; i++, y++)
	{
		char		took[32];
		double		fraction = strtod(ajc_value(jobs, i, 3), NULL);

		ajc_format_duration(took, sizeof(took), strtod(ajc_value(jobs, i, 5), NULL));
		draw_line(y, part == JOBS && cursor == i);
		cell("", 1);
		put("%10s   ", ajc_value(jobs, i, 0));
		cell(ajc_value(jobs, i, 1), 16);
		cell(" ", 1);
		cell(ajc_value(jobs, i, 4), 14);
		put(" %-9s", took);
		if (show == FAILED)
			cell(ajc_value(jobs, i, 6), COLS > 57 ? COLS - 57 : 1);
		else
		{
			put("%3d %% ", (int) (fraction * 100));
			for (int k = 0; k < 17 && COLS >= 80; k++)
				addch(k < (int) (fraction * 17 + 1e-9) ? '#' : '.');
		}
		attroff(A_BOLD | A_UNDERLINE);
	}
}

static void
draw_workers(int y)
{
	heading(y++, part == JOBS ? "> WORKER      role                 state      since     job"
			: "  WORKER      role                 state      since     job");
	for (int i = first_line(LINES - 1 - y); i < lines_of(workers) && y < LINES - 1; i++, y++)
	{
		char		since[32];

		ajc_format_duration(since, sizeof(since), strtod(ajc_value(workers, i, 4), NULL));
		draw_line(y, part == JOBS && cursor == i);
		cell("", 1);
		put("%10s   ", ajc_value(workers, i, 0));
		cell(ajc_value(workers, i, 1), 20);
		put(" %-10s %-9s ", ajc_value(workers, i, 2), since);
		cell(ajc_value(workers, i, 3), 20);
		attroff(A_BOLD | A_UNDERLINE);
	}
}

static void
draw(void)
{
	int			room = LINES - 4;
	int			nqueues = lines_of(queues) < room / 3 ? lines_of(queues) : room / 3;
	int			y = 3;
	int			first = part == QUEUES && cursor >= nqueues ? cursor - nqueues + 1 : 0;

	erase();
	draw_head();
	heading(2, part == QUEUES ? "> QUEUE                          state        queued    running"
			: "  QUEUE                          state        queued    running");
	for (int i = first; i < first + nqueues; i++, y++)
	{
		draw_line(y, part == QUEUES && cursor == i);
		cell("", 3);
		cell(ajc_value(queues, i, 0), 30);
		put(" %-8s %10s %10s", ajc_value(queues, i, 4),
			ajc_value(queues, i, 2), ajc_value(queues, i, 3));
		attroff(A_BOLD | A_UNDERLINE);
	}
	if (show == WORKERS)
		draw_workers(y);
	else
		draw_jobs(y);
	attron(A_REVERSE);
	mvhline(LINES - 1, 0, ' ', COLS);
	if (to_cancel[0])
		mvprintw(LINES - 1, 1, "Cancel job %s?  y yes  n no", to_cancel);
	else if (notice[0])
	{
		move(LINES - 1, 1);
		cell(notice, COLS - 2);
	}
	else
		mvaddnstr(LINES - 1, 1, ajc_connection_lost() ? "connection lost; trying again"
				  : "q quit  TAB part  f failed  w workers  p pause  c cancel  r retry  e explain", COLS - 2);
	attroff(A_REVERSE);
	refresh();
}

/* ---- keys ---- */

/* Run a statement about the line under the cursor and show what it says. */
static void
act(const char *sql, const char *id, int flags, const char *done)
{
	AjcResult  *res = ajc_query(sql, 1, &id, flags);

	if (!ajc_query_ok(res))
		snprintf(notice, sizeof(notice), "%s", res->message);
	else if (done != NULL)
		snprintf(notice, sizeof(notice), "%s: %s", id, done);
	else
		snprintf(notice, sizeof(notice), "%s: %s", id, ajc_value(res, 0, 0));
	ajc_clear(res);
}

static bool
press(int key)
{
	int			n = lines_of(lines());
	char		copy[sizeof(chosen)];
	const char *id = cursor < n ? strcpy(copy, chosen) : NULL;

	notice[0] = '\0';
	if (to_cancel[0])
	{
		if (key == 'y' || key == 'Y')
			act("SELECT asyncjob.cancel($1::pg_catalog.int8, 'cancelled in asyncjob top')",
				to_cancel, 0, "cancelling");
		else
			snprintf(notice, sizeof(notice), "%s: goes on", to_cancel);
		to_cancel[0] = '\0';
		read_all();
		return true;
	}
	switch (key)
	{
		case 'q':
		case 'Q':
			return false;
		case KEY_UP:
		case 'k':
			cursor = cursor > 0 ? cursor - 1 : 0;
			choose();
			return true;
		case KEY_DOWN:
		case 'j':
			cursor = cursor + 1 < n ? cursor + 1 : cursor;
			choose();
			return true;
		case '\t':
			part = part == JOBS ? QUEUES : JOBS;
			cursor = 0;
			choose();
			return true;
		case 'f':
		case 'w':
			show = key == 'f' ? (show == FAILED ? RUNNING : FAILED)
				: (show == WORKERS ? RUNNING : WORKERS);
			part = JOBS;
			cursor = 0;
			chosen[0] = '\0';
			break;
		case 'p':
			if (part != QUEUES || id == NULL)
				snprintf(notice, sizeof(notice), "choose a queue first: TAB, then up and down");
			else if (ajc_value(queues, cursor, 1)[0] == 't')
				act("SELECT asyncjob.resume_queue($1)", id, 0, "resumed");
			else
				act("SELECT asyncjob.pause_queue($1)", id, 0, "paused");
			break;
		case 'c':
		case 'r':
		case 'e':
			if (part != JOBS || show == WORKERS || id == NULL)
				snprintf(notice, sizeof(notice), "there is no job under the cursor");
			else if (key == 'c')
				snprintf(to_cancel, sizeof(to_cancel), "%.20s", id);
			else if (key == 'r')
				act("SELECT asyncjob.retry($1::pg_catalog.int8)", id, AJC_ONCE, "queued again");
			else
				act("SELECT asyncjob.explain($1::pg_catalog.int8)", id, 0, NULL);
			break;
		default:
			return true;
	}
	read_all();
	return true;
}

int
ajc_cmd_top(const AjcOptions *options, int argc, char **argv)
{
	asyncjob_callbacks cb = ASYNCJOB_CALLBACKS_INIT;
	double		next = 0;
	bool		going = true;
	int			rc = EXIT_OK;

	(void) options;
	(void) argv;
	if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
	{
		fprintf(stderr, "asyncjob: top needs a terminal\n"
				"HINT:  asyncjob queues --json and asyncjob list --json are for programs.\n");
		return EXIT_ERROR;
	}
	cb.on_update = on_update;
	cb.on_complete = on_complete;
	(void) asyncjob_subscribe_all(ajc_client, &cb);
	ajc_patience_s = 3600;
	ajc_catch_interrupts(true);
	if (newterm(NULL, stdout, stdin) == NULL)
	{
		fprintf(stderr, "asyncjob: the terminal \"%s\" is not known\n",
				getenv("TERM") ? getenv("TERM") : "");
		return EXIT_ERROR;
	}
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	curs_set(0);
	while (going && ajc_interrupts == 0)
	{
		struct pollfd fds[2] = {{.fd = STDIN_FILENO,.events = POLLIN}, {.fd = -1}};
		int			events = asyncjob_events(ajc_client);
		int			due = asyncjob_timeout(ajc_client);
		double		left;
		int			key;

		if (ajc_now() >= next)
		{
			if (!ajc_connection_lost())
				read_all();
			next = ajc_now() + REFRESH_S;
		}
		draw();
		left = next - ajc_now();
		fds[1].fd = asyncjob_socket(ajc_client);
		fds[1].events = (short) ((events & ASYNCJOB_READ ? POLLIN : 0) |
								 (events & ASYNCJOB_WRITE ? POLLOUT : 0));
		if (due < 0 || due > left * 1000)
			due = left > 0 ? (int) (left * 1000) + 1 : 0;
		(void) poll(fds, 2, due);
		(void) asyncjob_dispatch(ajc_client);
		while (going && (key = getch()) != ERR)
		{
			going = press(key);
		}
		if (ajc_gave_up())
			rc = EXIT_CONNECTION;
		going = going && rc == EXIT_OK;
	}
	endwin();
	if (rc == EXIT_CONNECTION)
		ajc_say_connection_lost(NULL);
	if (queues)
		ajc_clear(queues);
	if (workers)
		ajc_clear(workers);
	if (jobs)
		ajc_clear(jobs);
	ajc_catch_interrupts(false);
	return rc;
}

#endif							/* AJC_NO_NCURSES */
