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
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "client.h"

volatile sig_atomic_t ajc_interrupts = 0;
volatile sig_atomic_t ajc_terminated = 0;

/* Only who sits before the terminal can mean to cancel by doing it twice. */
static void
on_interrupt(int signo)
{
	if (signo == SIGTERM)
		ajc_terminated = 1;
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

/*
 * Bytes of a UTF-8 string's beginning that fit into so many columns, and how
 * many of them it takes: East Asian characters take two, combining ones none.
 * In a locale that isn't UTF-8 each character counts as one.
 */
size_t
ajc_fit(const char *s, int width, int *used)
{
	size_t		n = 0;

	*used = 0;
	while (s[n] != '\0')
	{
		mbstate_t	state;
		wchar_t		c;
		size_t		len;
		int			w = 1;

		memset(&state, 0, sizeof(state));
		len = mbrtowc(&c, s + n, MB_CUR_MAX, &state);
		if (len >= 1 && len <= 4)
			w = wcwidth(c) >= 0 ? wcwidth(c) : 1;
		else
			for (len = 1; ((unsigned char) s[n + len] & 0xC0) == 0x80; len++)
				;
		if (*used + w > width)
			break;
		*used += w;
		n += len;
	}
	return n;
}

int
ajc_width(const char *s)
{
	int			used;

	(void) ajc_fit(s, INT_MAX, &used);
	return used;
}

/* Print in exactly width columns: cut, or filled with spaces. */
void
ajc_print_padded(const char *s, int width)
{
	int			used;
	size_t		n = ajc_fit(s, width, &used);

	printf("%.*s%*s", (int) n, s, width > used ? width - used : 0, "");
}

static void
sanitize(char *s, const char *allowed)
{
	for (; *s; s++)
	{
		/* U+0080 to U+009F are control characters as well */
		if ((unsigned char) s[0] == 0xC2 && (unsigned char) s[1] >= 0x80 &&
			(unsigned char) s[1] < 0xA0)
			s[0] = s[1] = ' ';
		else if (((unsigned char) *s < 0x20 && strchr(allowed, *s) == NULL) || *s == 0x7F)
			*s = ' ';
	}
}

/* What comes from a job must not steer the terminal, nor begin a line. */
void
ajc_sanitize(char *s)
{
	sanitize(s, "");
}

/* The same for a text that may have several lines */
void
ajc_sanitize_text(char *s)
{
	sanitize(s, "\n\t");
}

/* People want to be told; programs see that there is nothing. */
void
ajc_say_none(const char *what)
{
	if (isatty(STDOUT_FILENO))
		fprintf(stderr, "asyncjob: no %s\n", what);
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
