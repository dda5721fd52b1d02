/*-------------------------------------------------------------------------
 *
 * display.c
 *		Progress on the screen: bars on a terminal, lines elsewhere.
 *
 * On a terminal a block of lines is drawn and redrawn in place, never wider
 * than the window or 80 columns: a line for the job, one for each step with
 * its bar, and the step's last message.  Elsewhere (a file, a pipe, --plain)
 * a line is printed when the state or the step changes or a step has come
 * another quarter of its way, so that a log stays short.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

#define NAME_WIDTH		16
#define MAX_BAR			32
#define MAX_SAID		2000	/* far more than are watched at once */

static bool in_place;
static bool active;
static bool colours;
static int	columns;
static int	rows;
static int	drawn;				/* lines of the block on the screen */

/* What was last said of which job, where lines are printed. */
typedef struct Said
{
	int64_t		job_id;
	char		state[16];
	int			step_no;
	int			quarter;
} Said;

static Said *said;
static int	nsaid;

/* Of the jobs that have ended only the last ones may be spoken of again. */
static void
forget_said(void)
{
	int			too_many = nsaid - MAX_SAID / 2;
	int			kept = 0;

	for (int i = 0; i < nsaid; i++)
		if (too_many > 0 && (strcmp(said[i].state, "completed") == 0 ||
							 strcmp(said[i].state, "failed") == 0 ||
							 strcmp(said[i].state, "cancelled") == 0))
			too_many--;
		else
			said[kept++] = said[i];
	nsaid = kept;
}

static void
measure(void)
{
	struct winsize ws;

	columns = 80;
	rows = 24;
	if (in_place && ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0)
	{
		columns = ws.ws_col < 80 ? ws.ws_col : 80;
		rows = ws.ws_row > 4 ? ws.ws_row : 4;
	}
}

void
ajc_display_begin(const AjcOptions *options)
{
	const char *term = getenv("TERM");

	in_place = isatty(STDOUT_FILENO) && !options->plain &&
		term != NULL && strcmp(term, "dumb") != 0;
	colours = in_place && getenv("NO_COLOR") == NULL;
	drawn = 0;
	active = true;
	measure();
	if (!in_place)
		setvbuf(stdout, NULL, _IOLBF, 0);
}

/* Move to the block's first line and clear what follows. */
static void
erase(void)
{
	if (drawn > 0)
		printf("\033[%dA", drawn);
	printf("\r\033[J");
	drawn = 0;
}

static const char *
colour_of(const char *state)
{
	if (!colours)
		return "";
	if (strcmp(state, "completed") == 0)
		return "\033[32m";
	if (strcmp(state, "failed") == 0)
		return "\033[31m";
	if (strcmp(state, "cancelled") == 0)
		return "\033[33m";
	if (strcmp(state, "running") == 0)
		return "\033[36m";
	return "";
}

/* One line of the block: "  name  [####....]  43 %  note", cut to fit. */
static void
bar_line(const char *label, double fraction, const char *state,
		 const char *note)
{
	int			bar = columns - NAME_WIDTH - 36;
	int			full;
	int			room;

	if (bar > MAX_BAR)
		bar = MAX_BAR;
	if (fraction < 0)
		fraction = 0;
	if (fraction > 1)
		fraction = 1;
	fputs("  ", stdout);
	ajc_print_padded(label, NAME_WIDTH);
	room = columns - NAME_WIDTH - 2 - 8;
	if (bar >= 4)
	{
		full = (int) (fraction * bar + 1e-9);
		printf(" %s[", colour_of(state));
		for (int i = 0; i < bar; i++)
			putchar(i < full ? '#' : '.');
		printf("]%s", colours ? "\033[0m" : "");
		room -= bar + 3;
	}
	printf(" %3d %%", (int) (fraction * 100 + 1e-9));
	if (note[0] && room > 0)
	{
		fputs("  ", stdout);
		ajc_print_padded(note, room < ajc_width(note) ? room : ajc_width(note));
	}
	putchar('\n');
	drawn++;
}

/*
 * Does the job wait for nothing but its own steps, which run beside each
 * other?  To who watches it is running.
 */
static const char *
state_of(const AjcStatus *st)
{
	return strcmp(st->state, "waiting") == 0 && st->step_progress > 0 ?
		"running" : st->state;
}

static void
note_of_step(char *buf, size_t size, const AjcStatus *st, const AjcStep *step)
{
	char		elapsed[32] = "";

	if (step->elapsed_s >= 0)
		ajc_format_duration(elapsed, sizeof(elapsed), step->elapsed_s);
	if (strcmp(step->state, "completed") == 0 ||
		strcmp(step->state, "running") == 0 ||
		(step->step_no == st->step_no && strcmp(st->state, "running") == 0))
		snprintf(buf, size, "%s", elapsed);
	else
		snprintf(buf, size, "%s", step->state);
}

static void
draw_job(const AjcStatus *st, const AjcStep *steps, int nsteps)
{
	char		text[512],
				times[96] = "",
				left[32];

	erase();
	measure();
	if (st->elapsed_s >= 0)
		ajc_format_duration(times, sizeof(times), st->elapsed_s);
	if (strcmp(state_of(st), "running") == 0 && st->eta_s >= 0)
	{
		ajc_format_duration(left, sizeof(left), st->eta_s);
		snprintf(times + strlen(times), sizeof(times) - strlen(times),
				 ", about %s left", left);
	}
	if (strcmp(st->state, "queued") == 0 && st->queue_position > 0)
		snprintf(times, sizeof(times), "place %lld",
				 (long long) st->queue_position);
	snprintf(text, sizeof(text), "job %lld  %s", (long long) st->job_id,
			 st->pipeline);
	ajc_print_padded(text, columns > 60 ? columns - 50 : columns - 12);
	printf("  %s%s%s", colour_of(state_of(st)), state_of(st), colours ? "\033[0m" : "");
	if (columns > 60)
		printf("%s  %s", st->partial ? " (partial)" : "", times);
	putchar('\n');
	drawn++;

	/* A window too low for all steps shows the job as a whole. */
	if (nsteps + 3 > rows)
		bar_line(st->step[0] ? st->step : st->state, st->progress, st->state, "");
	else
		for (int i = 0; i < nsteps; i++)
		{
			double		fraction = steps[i].progress;

			if (steps[i].step_no == st->step_no &&
				strcmp(st->state, "running") == 0)
				fraction = st->step_progress;
			else if (strcmp(steps[i].state, "completed") == 0)
				fraction = 1;
			note_of_step(text, sizeof(text), st, &steps[i]);
			bar_line(steps[i].name, fraction, steps[i].state, text);
		}
	if (st->message[0] && !ajc_final(st))
	{
		fputs("  ", stdout);
		ajc_print_padded(st->message, columns - 3);
		putchar('\n');
		drawn++;
	}
	fflush(stdout);
}

/* The same for a log: only what is news. */
static void
say_job(const AjcStatus *st)
{
	int			quarter = (int) (st->step_progress * 4 + 1e-9);
	const char *state = state_of(st);
	char		at[16],
				elapsed[32],
				line[512];
	size_t		used;
	time_t		now = time(NULL);
	struct tm	tm;
	Said	   *last = NULL;

	for (int i = 0; i < nsaid && last == NULL; i++)
		if (said[i].job_id == st->job_id)
			last = &said[i];
	if (last != NULL && strcmp(last->state, state) == 0 &&
		(strcmp(state, "running") != 0 ||
		 (last->step_no == st->step_no && last->quarter >= quarter)))
		return;
	if (last == NULL)
	{
		said = ajc_alloc(said, sizeof(Said) * (size_t) (nsaid + 1));
		last = &said[nsaid++];
		last->job_id = st->job_id;
	}
	snprintf(last->state, sizeof(last->state), "%s", state);
	last->step_no = st->step_no;
	last->quarter = quarter;

	localtime_r(&now, &tm);
	strftime(at, sizeof(at), "%H:%M:%S", &tm);
	used = (size_t) snprintf(line, sizeof(line), "%s job %lld %s", at,
							 (long long) st->job_id, state);
	if (strcmp(state, "running") == 0 && st->total_steps > 0)
		snprintf(line + used, sizeof(line) - used,
				 ": step %d of %d, %s, %d %%%s%s", st->step_no,
				 st->total_steps, st->step,
				 (int) (st->step_progress * 100 + 1e-9),
				 st->message[0] ? ", " : "", st->message);
	else if (ajc_final(st) && st->elapsed_s >= 0)
	{
		ajc_format_duration(elapsed, sizeof(elapsed), st->elapsed_s);
		snprintf(line + used, sizeof(line) - used, "%s after %s",
				 st->partial ? " (partial)" : "", elapsed);
	}
	ajc_print_padded(line, ajc_width(line) < 80 ? ajc_width(line) : 80);
	putchar('\n');
	fflush(stdout);
	if (nsaid > MAX_SAID)
		forget_said();
}

void
ajc_display_job(const AjcStatus *st, const AjcStep *steps, int nsteps)
{
	if (in_place)
		draw_job(st, steps, nsteps);
	else
		say_job(st);
}

/* Several jobs: a line for each, the last ones where there are too many. */
void
ajc_display_jobs(const AjcStatus *st, int njobs)
{
	int			first = 0;

	if (!in_place)
	{
		for (int i = 0; i < njobs; i++)
			say_job(&st[i]);
		return;
	}
	erase();
	measure();
	if (njobs > rows - 2)
		first = njobs - (rows - 2);
	for (int i = first; i < njobs; i++)
	{
		char		label[256],
					note[300],
					elapsed[32] = "";

		snprintf(label, sizeof(label), "%lld %s", (long long) st[i].job_id,
				 st[i].pipeline);
		if (st[i].elapsed_s >= 0)
			ajc_format_duration(elapsed, sizeof(elapsed), st[i].elapsed_s);
		if (strcmp(state_of(&st[i]), "running") == 0 && st[i].eta_s >= 0)
		{
			char		left[32];

			ajc_format_duration(left, sizeof(left), st[i].eta_s);
			snprintf(note, sizeof(note), "%s, %s left  %s", elapsed, left, st[i].step);
		}
		else if (strcmp(state_of(&st[i]), "running") == 0)
			snprintf(note, sizeof(note), "%s  %s", elapsed, st[i].step);
		else
			snprintf(note, sizeof(note), "%s  %s", st[i].state, elapsed);
		bar_line(label, st[i].progress, st[i].state, note);
	}
	fflush(stdout);
}

/* A line that stays: above the block on a terminal. */
void
ajc_display_note(const char *fmt,...)
{
	va_list		args;

	if (in_place)
		erase();
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

bool
ajc_displaying(void)
{
	return active;
}

/* Leave the block as it is; what follows is printed below it. */
void
ajc_display_end(void)
{
	active = false;
	drawn = 0;
	fflush(stdout);
}
