/*-------------------------------------------------------------------------
 *
 * libmem.c
 *		Memory, errors, text buffers and time of libasyncjob.
 *
 * All memory goes through three functions that a program may replace.  An
 * error has its buffers in itself, so that saying "out of memory" needs none;
 * longer texts of the server are cut at a character's end.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib.h"

static void *(*alloc_function) (size_t) = malloc;
static void *(*realloc_function) (void *, size_t) = realloc;
static void (*free_function) (void *) = free;

void
asyncjob_set_allocator(void *(*alloc_fn) (size_t),
					   void *(*realloc_fn) (void *, size_t),
					   void (*free_fn) (void *))
{
	bool		all = alloc_fn != NULL && realloc_fn != NULL && free_fn != NULL;

	alloc_function = all ? alloc_fn : malloc;
	realloc_function = all ? realloc_fn : realloc;
	free_function = all ? free_fn : free;
}

void *
ajl_alloc(size_t size)
{
	void	   *p = alloc_function(size);

	if (p != NULL)
		memset(p, 0, size);
	return p;
}

void *
ajl_realloc(void *p, size_t size)
{
	return realloc_function(p, size);
}

void
ajl_free(void *p)
{
	if (p != NULL)
		free_function(p);
}

void
asyncjob_free_memory(void *p)
{
	ajl_free(p);
}

char *
ajl_strdup(const char *s)
{
	size_t		size = strlen(s) + 1;
	char	   *copy = ajl_alloc(size);

	return copy ? memcpy(copy, s, size) : NULL;
}

/* Milliseconds of a clock that never jumps; unit tests have their own. */
static int64_t
monotonic_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t		(*ajl_clock) (void) = monotonic_ms;

/*
 * strtod() in the C locale: the server's numbers have a point, whatever the
 * program's locale writes.  (For the same reason nothing that is sent comes
 * from a printf of a float, see ajl_format_micros.)  end may be NULL.
 */
double
ajl_strtod(const char *s, char **end)
{
	locale_t	plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t) 0);
	locale_t	saved;
	double		value;

	if (plain == (locale_t) 0)
		return strtod(s, end);	/* no memory: right in most locales */
	saved = uselocale(plain);
	value = strtod(s, end);
	(void) uselocale(saved);
	freelocale(plain);
	return value;
}

/* A number that is not negative with six decimals, in any locale. */
void
ajl_format_micros(char *buf, size_t size, double value)
{
	long long	micros = (long long) (value * 1e6 + 0.5);

	snprintf(buf, size, "%lld.%06lld", micros / 1000000, micros % 1000000);
}

/* ---- text buffers: after a failure all further additions do nothing ---- */

static bool
make_room(AjlBuf *buf, size_t more)
{
	size_t		size = buf->size ? buf->size : 256;
	char	   *data;

	if (buf->failed)
		return false;
	while (size < buf->len + more + 1)
		size *= 2;
	if (size == buf->size)
		return true;
	data = ajl_realloc(buf->data, size);
	if (data == NULL)
	{
		ajl_buf_reset(buf);
		buf->failed = true;
		return false;
	}
	buf->data = data;
	buf->size = size;
	return true;
}

void
ajl_buf_add(AjlBuf *buf, const char *s)
{
	size_t		len = strlen(s);

	if (!make_room(buf, len))
		return;
	memcpy(buf->data + buf->len, s, len + 1);
	buf->len += len;
}

void
ajl_buf_addf(AjlBuf *buf, const char *fmt,...)
{
	va_list		ap;
	int			need;

	va_start(ap, fmt);
	need = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (need < 0 || !make_room(buf, (size_t) need))
		return;
	va_start(ap, fmt);
	vsnprintf(buf->data + buf->len, (size_t) need + 1, fmt, ap);
	va_end(ap);
	buf->len += (size_t) need;
}

/* Empty, and as new. */
void
ajl_buf_reset(AjlBuf *buf)
{
	ajl_free(buf->data);
	memset(buf, 0, sizeof(*buf));
}

/* ---- errors ---- */

/* Of a text that was cut, perhaps in the midst of this one */
static void
drop_last_character(char *text)
{
	size_t		len = strlen(text);

	while (len > 0 && ((unsigned char) text[len - 1] & 0xC0) == 0x80)
		len--;
	text[len > 0 ? len - 1 : 0] = '\0';
}

/* A copy that is cut, if it must be, between two UTF-8 characters. */
static void
copy_text(char *to, size_t size, const char *from)
{
	size_t		len = from ? strlen(from) : 0;

	if (len >= size)
	{
		len = size - 1;
		while (len > 0 && ((unsigned char) from[len] & 0xC0) == 0x80)
			len--;
	}
	while (len > 0 && from[len - 1] == '\n')
		len--;
	if (len > 0)
		memcpy(to, from, len);
	to[len] = '\0';
}

void
ajl_error_clear(AjlError *e)
{
	e->sqlstate[0] = e->message[0] = e->detail[0] = e->hint[0] = '\0';
	e->pub.code = ASYNCJOB_OK;
	e->pub.sqlstate = e->sqlstate;
	e->pub.message = e->message;
	e->pub.detail = e->detail;
	e->pub.hint = e->hint;
}

asyncjob_code
ajl_error_set(AjlError *e, asyncjob_code code, const char *fmt,...)
{
	va_list		ap;
	int			need;

	ajl_error_clear(e);
	e->pub.code = code;
	va_start(ap, fmt);
	need = vsnprintf(e->message, sizeof(e->message), fmt, ap);
	va_end(ap);
	if (need >= (int) sizeof(e->message))
		drop_last_character(e->message);
	return code;
}

void
ajl_error_detail(AjlError *e, const char *detail)
{
	copy_text(e->detail, sizeof(e->detail), detail);
}

void
ajl_error_hint(AjlError *e, const char *hint)
{
	copy_text(e->hint, sizeof(e->hint), hint);
}

asyncjob_code
ajl_error_copy(AjlError *to, const AjlError *from)
{
	if (to != from)
	{
		ajl_error_clear(to);
		to->pub.code = from->pub.code;
		memcpy(to->sqlstate, from->sqlstate, sizeof(to->sqlstate));
		memcpy(to->message, from->message, sizeof(to->message));
		memcpy(to->detail, from->detail, sizeof(to->detail));
		memcpy(to->hint, from->hint, sizeof(to->hint));
	}
	return to->pub.code;
}

asyncjob_code
ajl_no_memory(asyncjob_client *c)
{
	return ajl_error_set(&c->error, ASYNCJOB_OUT_OF_MEMORY, "out of memory");
}

/*
 * What the server's SQLSTATE means to a caller.  AUTH_REQUIRED asks for other
 * credentials or a grant, INVALID_INPUT for other arguments; all else is
 * neither.
 */
static asyncjob_code
code_of(const char *sqlstate)
{
	static const char *const invalid[] = {
		"22", "23", "42", "0A", "AJ1", "54", "55000"
	};

	if (strncmp(sqlstate, "28", 2) == 0 || strcmp(sqlstate, "42501") == 0)
		return ASYNCJOB_AUTH_REQUIRED;
	if (strncmp(sqlstate, "08", 2) == 0 || strncmp(sqlstate, "57P0", 4) == 0)
		return ASYNCJOB_CONNECTION_FAILED;
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
		if (strncmp(sqlstate, invalid[i], strlen(invalid[i])) == 0)
			return ASYNCJOB_INVALID_INPUT;
	return ASYNCJOB_UNKNOWN_ERROR;
}

/*
 * An error of a statement, or of the connection it was sent over.  One without
 * a SQLSTATE is libpq's own, and on a connection that stands it is its lack of
 * memory for the answer.
 */
asyncjob_code
ajl_error_of_result(AjlError *e, const PGconn *conn, const PGresult *res)
{
	const char *sqlstate = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
	const char *message = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;

	ajl_error_clear(e);
	if (sqlstate == NULL)
	{
		bool		lost = PQstatus(conn) != CONNECTION_OK;

		copy_text(e->message, sizeof(e->message), PQerrorMessage(conn));
		if (e->message[0] == '\0')
			copy_text(e->message, sizeof(e->message), "no answer from the server");
		return e->pub.code = lost ? ASYNCJOB_CONNECTION_FAILED : ASYNCJOB_OUT_OF_MEMORY;
	}
	copy_text(e->sqlstate, sizeof(e->sqlstate), sqlstate);
	copy_text(e->message, sizeof(e->message), message);
	copy_text(e->detail, sizeof(e->detail),
			  PQresultErrorField(res, PG_DIAG_MESSAGE_DETAIL));
	copy_text(e->hint, sizeof(e->hint),
			  PQresultErrorField(res, PG_DIAG_MESSAGE_HINT));
	return e->pub.code = code_of(e->sqlstate);
}

/* Of a line "LOCATION:  function, file.c:123", in whatever language */
static bool
is_location(const char *line, size_t len)
{
	size_t		digits = 0;

	while (digits < len && line[len - digits - 1] >= '0' && line[len - digits - 1] <= '9')
		digits++;
	return digits > 0 && len > digits + 3 && memcmp(line + len - digits - 3, ".c:", 3) == 0;
}

/* ":  28P01: " between severity and message: its beginning, or NULL */
static const char *
find_sqlstate(const char *line, size_t len)
{
	for (size_t i = 0; i + 10 <= len; i++)
		if (memcmp(line + i, ":  ", 3) == 0 && memcmp(line + i + 8, ": ", 2) == 0 &&
			strspn(line + i + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5)
			return line + i;
	return NULL;
}

/*
 * libpq has no function for the SQLSTATE of a failed attempt to connect, but
 * at PQERRORS_VERBOSE its message holds it.  Take it out, and the lines that
 * say where in the server's source the error was raised, so that what is left
 * is what psql prints.  Of several hosts the last one's counts.
 */
static void
split_verbose(AjlError *e, const char *text)
{
	char	   *to = e->message;
	char	   *full = e->message + sizeof(e->message) - 1;

	while (*text != '\0' && to < full)
	{
		size_t		len = strcspn(text, "\n");
		const char *state = find_sqlstate(text, len);
		const char *next = text + len + (text[len] == '\n');

		if (!is_location(text, len))
			for (const char *p = text; p < next && to < full; p++)
			{
				if (state != NULL && p == state + 3)
				{
					memcpy(e->sqlstate, p, 5);
					e->sqlstate[5] = '\0';
					p += 7;
				}
				*to++ = *p;
			}
		text = next;
	}

	while (to > e->message && to[-1] == '\n')
		to--;
	*to = '\0';
	if (to == full)
		drop_last_character(e->message);
}

/*
 * Why an attempt to connect failed.  What never came to the server has no
 * SQLSTATE: libpq itself misses a password, or finds another side that isn't
 * PostgreSQL.
 */
asyncjob_code
ajl_error_of_connection(AjlError *e, const PGconn *conn)
{
	ajl_error_clear(e);
	e->pub.code = ASYNCJOB_CONNECTION_FAILED;
	if (conn == NULL)
	{
		e->pub.code = ASYNCJOB_OUT_OF_MEMORY;
		copy_text(e->message, sizeof(e->message), "out of memory");
		return e->pub.code;
	}
	split_verbose(e, PQerrorMessage(conn));
	if (e->message[0] == '\0')
		copy_text(e->message, sizeof(e->message), "the server closed the connection");
	if (PQconnectionNeedsPassword(conn) ||
		(e->sqlstate[0] != '\0' && code_of(e->sqlstate) == ASYNCJOB_AUTH_REQUIRED) ||
		strstr(e->message, "authentication failed") != NULL ||
		strstr(e->message, "no pg_hba.conf entry") != NULL)
		e->pub.code = ASYNCJOB_AUTH_REQUIRED;
	return e->pub.code;
}

bool
ajl_result_ok(const PGresult *res)
{
	ExecStatusType status = PQresultStatus(res);

	return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
}

const char *
asyncjob_code_name(asyncjob_code code)
{
	static const char *const names[] = {
		"OK", "AUTH_REQUIRED", "INVALID_INPUT", "SUBMISSION_FAILED",
		"UNKNOWN_ERROR", "CONNECTION_FAILED", "TIMEOUT", "OUT_OF_MEMORY",
		"JOB_FAILED"
	};

	return (size_t) code < sizeof(names) / sizeof(names[0]) ? names[code] : "UNKNOWN_ERROR";
}
