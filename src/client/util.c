/*-------------------------------------------------------------------------
 *
 * util.c
 *		Signals, time, memory, and numbers as people read them.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"

volatile int ajc_interrupts = 0;

static void
on_interrupt(int signo)
{
	(void) signo;
	ajc_interrupts++;
}

/* Count SIGINT and SIGTERM instead of dying of them, or let them kill again. */
void
ajc_catch_interrupts(bool on)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = on ? on_interrupt : SIG_DFL;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	ajc_interrupts = 0;
}

/* Seconds of a clock that never jumps. */
double
ajc_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

void *
ajc_alloc(void *old, size_t size)
{
	void	   *p = realloc(old, size);

	if (p == NULL)
	{
		fprintf(stderr, "asyncjob: out of memory\n");
		exit(EXIT_ERROR);
	}
	return p;
}

/* "0.4 s", "41 s", "3 min 05 s", "2 h 14 min" */
void
ajc_format_duration(char *buf, size_t size, double seconds)
{
	long		s = (long) (seconds + 0.5);

	if (seconds < 9.95)
		snprintf(buf, size, "%.1f s", seconds < 0 ? 0.0 : seconds);
	else if (s < 100)
		snprintf(buf, size, "%ld s", s);
	else if (s < 6000)
		snprintf(buf, size, "%ld min %02ld s", s / 60, s % 60);
	else
		snprintf(buf, size, "%ld h %02ld min", s / 3600, s / 60 % 60);
}

void
ajc_format_size(char *buf, size_t size, double bytes)
{
	if (bytes < 1000)
		snprintf(buf, size, "%.0f B", bytes);
	else if (bytes < 1e6)
		snprintf(buf, size, "%.1f kB", bytes / 1e3);
	else if (bytes < 1e9)
		snprintf(buf, size, "%.1f MB", bytes / 1e6);
	else
		snprintf(buf, size, "%.1f GB", bytes / 1e9);
}

/* Columns of a UTF-8 string, one per character. */
int
ajc_width(const char *s)
{
	int			width = 0;

	for (; *s; s++)
		if (((unsigned char) *s & 0xC0) != 0x80)
			width++;
	return width;
}

/* Print in exactly width columns: cut, or filled with spaces. */
void
ajc_print_padded(const char *s, int width)
{
	int			used = 0;

	for (; *s; s++)
	{
		if (((unsigned char) *s & 0xC0) != 0x80 && ++used > width)
			return;
		putchar(*s);
	}
	for (; used < width; used++)
		putchar(' ');
}

/* What comes from a job must not steer the terminal. */
void
ajc_sanitize(char *s)
{
	for (; *s; s++)
	{
		/* U+0080 to U+009F are control characters as well */
		if ((unsigned char) s[0] == 0xC2 && (unsigned char) s[1] >= 0x80 &&
			(unsigned char) s[1] < 0xA0)
			s[0] = s[1] = ' ';
		else if ((unsigned char) *s < 0x20 || *s == 0x7F)
			*s = ' ';
	}
}

/*
 * Parameters of a job: the text itself, "-" for standard input, "@FILE" for a
 * file.  Returns malloc'ed text, or NULL after a message.
 */
char *
ajc_read_params(const char *arg)
{
	FILE	   *f = stdin;
	char	   *text = NULL;
	size_t		used = 0,
				size = 0,
				got;

	if (arg[0] != '@' && strcmp(arg, "-") != 0)
	{
		text = ajc_alloc(NULL, strlen(arg) + 1);
		return strcpy(text, arg);
	}
	if (arg[0] == '@' && (f = fopen(arg + 1, "r")) == NULL)
	{
		fprintf(stderr, "asyncjob: could not open \"%s\": %s\n", arg + 1,
				strerror(errno));
		return NULL;
	}
	do
	{
		if (size - used < 4096)
			text = ajc_alloc(text, size = size * 2 + 8192);
		got = fread(text + used, 1, size - used - 1, f);
		used += got;
	} while (got > 0);
	text[used] = '\0';
	if (ferror(f) || memchr(text, '\0', used) != NULL)
	{
		fprintf(stderr, "asyncjob: could not read the parameters as text\n");
		free(text);
		text = NULL;
	}
	if (f != stdin)
		fclose(f);
	return text;
}
