/*-------------------------------------------------------------------------
 *
 * unit.h
 *		A test program's few words: ok, near, skip, done.
 *
 * Each check prints one line, "ok N - what" or "not ok N - what" with the
 * figures; unit_done() prints the plan "1..N" and gives the exit status.
 * A program includes this once, runs its checks in main and ends with
 *		return unit_done();
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef UNIT_H
#define UNIT_H

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int	unit_n;
static int	unit_failed;

/* One check; what is a printf format that says what was checked. */
static inline bool
__attribute__((format(printf, 2, 3), unused))
ok(bool good, const char *what,...)
{
	va_list		ap;

	unit_n++;
	if (!good)
		unit_failed++;
	printf("%sok %d - ", good ? "" : "not ", unit_n);
	va_start(ap, what);
	vprintf(what, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	return good;
}

/* got is within tol of want (absolute); NaN never is. */
static inline bool
__attribute__((unused))
near(double got, double want, double tol, const char *what)
{
	double		diff = fabs(got - want);

	return ok(diff <= tol, "%s: got %.12g, want %.12g, off by %.3g (<= %.3g)",
			  what, got, want, diff, tol);
}

/* A check that cannot run here, and why. */
static inline void
__attribute__((unused))
skip(const char *why)
{
	printf("ok %d # SKIP %s\n", ++unit_n, why);
	fflush(stdout);
}

static inline int
__attribute__((unused))
unit_done(void)
{
	printf("1..%d\n", unit_n);
	return unit_failed == 0 ? 0 : 1;
}

/* Path of a file of test/data; the buffer is reused by the next call. */
static inline const char *
__attribute__((unused))
test_data(const char *name)
{
	static char path[1024];
	const char *dir = getenv("AJ_TEST_DATA");

	snprintf(path, sizeof(path), "%s/%s", dir ? dir : "../data", name);
	return path;
}

/* The same of data that may not stand in the repository, and may be missing */
static inline const char *
__attribute__((unused))
shared_data(const char *name)
{
	static char path[1024];
	const char *dir = getenv("AJ_SHARED_DATA");

	snprintf(path, sizeof(path), "%s/%s", dir ? dir : "../../../shared/data",
			 name);
	return path;
}

/* A whole file, or NULL; free it. */
static inline char *
__attribute__((unused))
read_whole(const char *path, size_t *len)
{
	FILE	   *f = path ? fopen(path, "r") : NULL;
	char	   *text = NULL;
	long		size;

	if (f == NULL)
		return NULL;
	if (fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0)
	{
		rewind(f);
		text = malloc(size + 1);
		*len = fread(text, 1, size, f);
		text[*len] = '\0';
	}
	fclose(f);
	return text;
}

#endif							/* UNIT_H */
