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

	ajl_error_clear(e);
	e->pub.code = code;
	va_start(ap, fmt);
	vsnprintf(e->message, sizeof(e->message), fmt, ap);
	va_end(ap);
	return code;
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

/*
 * Why an attempt to connect failed.  libpq gives no SQLSTATE for that, so a
 * wrong password is known by its message, which servers send untranslated as
 * long as their lc_messages says so.
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
	copy_text(e->message, sizeof(e->message), PQerrorMessage(conn));
	if (e->message[0] == '\0')
		copy_text(e->message, sizeof(e->message), "the server closed the connection");
	if (PQconnectionNeedsPassword(conn) ||
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
