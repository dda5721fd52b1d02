/*-------------------------------------------------------------------------
 *
 * libclient.c
 *		The client object: options, what an event loop asks, dispatch.
 *
 * Functions that may call back stand between ajl_enter() and ajl_leave().
 * What a callback removes (a subscription, the client itself) is only marked
 * there and freed by the outermost ajl_leave(), so the lists that are being
 * walked stay whole.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>
#include <unistd.h>

#include "lib.h"

#ifndef AJC_VERSION
#define AJC_VERSION "unknown"
#endif

const char *
asyncjob_version(void)
{
	return AJC_VERSION;
}

const char *
asyncjob_connection_name(asyncjob_connection state)
{
	static const char *const names[] = {
		"disconnected", "connecting", "connected", "error"
	};

	return (size_t) state < sizeof(names) / sizeof(names[0]) ? names[state] : "error";
}

static bool
options_valid(const asyncjob_options *o)
{
	return o->max_retries >= -1 && o->retry_delay_ms >= 0 &&
		o->backoff_multiplier >= 1 && o->backoff_multiplier <= 1e6 && o->max_delay_ms >= o->retry_delay_ms &&
		o->jitter >= 0 && o->jitter <= 1 && o->subscription_timeout_ms >= -1 &&
		o->connect_timeout_ms > 0 && o->poll_interval_ms >= -1 &&
		o->poll_interval_ms != 0;
}

asyncjob_client *
asyncjob_new(const asyncjob_options *options)
{
	asyncjob_options o = ASYNCJOB_OPTIONS_INIT;
	asyncjob_client *c;

	if (options != NULL)
	{
		size_t		size = options->struct_size;

		/* A program built with an older header has a shorter struct. */
		if (size < sizeof(size_t) || size > sizeof(o))
			return NULL;
		memcpy(&o, options, size);
		o.struct_size = sizeof(o);
	}
	if (!options_valid(&o))
		return NULL;
	c = ajl_alloc(sizeof(*c));
	if (c == NULL)
		return NULL;
	c->options = o;
	ajl_error_clear(&c->error);
	ajl_error_clear(&c->link_error);
	c->requests_end = &c->requests;
	c->dirty_end = &c->dirty;
	c->conninfo = ajl_strdup(o.conninfo ? o.conninfo : "");
	c->application_name = ajl_strdup(o.application_name ? o.application_name : "libasyncjob");
	c->hash = ajl_alloc(sizeof(AjlTrack *) * AJL_HASH_SIZE);
	c->options.conninfo = c->conninfo;
	c->options.application_name = c->application_name;
	c->random = (uint64_t) ajl_clock() * 0x9E3779B97F4A7C15u ^ (uint64_t) (uintptr_t) c ^
		(uint64_t) getpid() << 32;
	c->random |= 1;
	if (c->conninfo == NULL || c->application_name == NULL || c->hash == NULL)
	{
		asyncjob_free(c);
		return NULL;
	}
	return c;
}

void
asyncjob_free(asyncjob_client *c)
{
	if (c == NULL)
		return;
	if (c->depth > 0)
	{
		/* From a callback: be silent from here on, go when it has returned. */
		c->doomed = true;
		for (AjlSub *sub = c->subs; sub != NULL; sub = sub->next)
			memset(&sub->cb, 0, sizeof(sub->cb));
		for (AjlRequest *r = c->requests; r != NULL; r = r->next)
			r->reply = NULL;
		memset(&c->options.callbacks, 0, sizeof(c->options.callbacks));
		c->options.on_notice = NULL;
		return;
	}
	ajl_link_drop(c);
	ajl_requests_free(c);
	ajl_subs_free(c);
	ajl_buf_reset(&c->unlisten);
	ajl_free(c->hash);
	ajl_free(c->conninfo);
	ajl_free(c->application_name);
	ajl_free(c);
}

void
ajl_enter(asyncjob_client *c)
{
	c->depth++;
}

/* False if the client is no more. */
bool
ajl_leave(asyncjob_client *c)
{
	if (--c->depth > 0)
		return true;
	if (c->doomed)
	{
		asyncjob_free(c);
		return false;
	}
	ajl_sweep(c);
	return true;
}

const asyncjob_error *
asyncjob_last_error(const asyncjob_client *c)
{
	return &c->error.pub;
}

asyncjob_connection
asyncjob_connection_state(const asyncjob_client *c)
{
	return c->state;
}

const asyncjob_error *
asyncjob_connection_error(const asyncjob_client *c)
{
	return &c->link_error.pub;
}

int
asyncjob_reconnect_attempts(const asyncjob_client *c)
{
	return c->attempts;
}

size_t
asyncjob_pending(const asyncjob_client *c)
{
	return c->nrequests;
}

size_t
asyncjob_subscriptions(const asyncjob_client *c)
{
	return c->nsubs;
}

int
asyncjob_connect(asyncjob_client *c)
{
	if (c->link == AJL_LINK_NONE || c->state == ASYNCJOB_ERROR)
	{
		ajl_enter(c);
		c->attempts = 0;
		ajl_link_start(c);
		(void) ajl_leave(c);
	}
	return ASYNCJOB_OK;
}

void
asyncjob_disconnect(asyncjob_client *c)
{
	ajl_enter(c);
	ajl_link_lost(c);
	ajl_link_drop(c);			/* also one that a callback has begun */
	c->attempts = 0;
	(void) ajl_leave(c);
}

int
asyncjob_set_conninfo(asyncjob_client *c, const char *conninfo)
{
	char	   *copy = ajl_strdup(conninfo ? conninfo : "");
	bool		linked = c->link != AJL_LINK_NONE || c->state == ASYNCJOB_ERROR;

	if (copy == NULL)
		return ajl_no_memory(c);
	ajl_free(c->conninfo);
	c->conninfo = copy;
	c->options.conninfo = copy;
	if (linked)
	{
		ajl_enter(c);
		ajl_link_lost(c);
		c->attempts = 0;
		ajl_link_start(c);
		(void) ajl_leave(c);
	}
	return ASYNCJOB_OK;
}

/* ---- what a loop asks ---- */

int
asyncjob_socket(const asyncjob_client *c)
{
	return c->conn ? PQsocket(c->conn) : -1;
}

int
asyncjob_events(const asyncjob_client *c)
{
	switch (c->link)
	{
		case AJL_LINK_POLLING:
			return c->polling == PGRES_POLLING_READING ? ASYNCJOB_READ : ASYNCJOB_WRITE;
		case AJL_LINK_SETUP:
		case AJL_LINK_READY:
			return ASYNCJOB_READ | (c->flushing ? ASYNCJOB_WRITE : 0);
		default:
			return 0;
	}
}

static void
earlier(int64_t *due, int64_t at)
{
	if (at > 0 && (*due == 0 || at < *due))
		*due = at;
}

int
asyncjob_timeout(const asyncjob_client *c)
{
	int64_t		due = 0;
	int64_t		now = ajl_clock();

	if (c->link == AJL_LINK_POLLING || c->link == AJL_LINK_PAUSE ||
		c->link == AJL_LINK_SETUP)
		earlier(&due, c->deadline);
	if (c->lost_at > 0 && c->nsubs > 0 && c->options.subscription_timeout_ms >= 0 &&
		c->link != AJL_LINK_READY)
		earlier(&due, c->lost_at + c->options.subscription_timeout_ms);
	if (c->link == AJL_LINK_READY)
	{
		earlier(&due, c->next_poll);
		if (c->flight == AJL_IDLE)
		{
			earlier(&due, ajl_sync_due(c));
			for (const AjlRequest *r = c->requests; r != NULL; r = r->next)
				earlier(&due, r->not_before > 0 ? r->not_before : 1);
		}
	}
	if (due == 0)
		return -1;
	if (due <= now)
		return 0;
	return due - now > 3600000 ? 3600000 : (int) (due - now);
}

int
asyncjob_dispatch(asyncjob_client *c)
{
	int			rc = ASYNCJOB_OK;

	ajl_enter(c);
	ajl_link_dispatch(c);
	if (c->lost_at > 0 && c->link != AJL_LINK_READY && c->nsubs > 0 &&
		c->options.subscription_timeout_ms >= 0 &&
		ajl_clock() - c->lost_at >= c->options.subscription_timeout_ms)
	{
		AjlError	e;

		ajl_error_set(&e, ASYNCJOB_TIMEOUT, "no connection for %d s: %s",
					  c->options.subscription_timeout_ms / 1000,
					  c->link_error.message);
		ajl_error_hint(&e, "Subscribe again when the server can be reached; the jobs go on meanwhile.");
		ajl_subs_fail(c, &e);
	}
	if (c->state == ASYNCJOB_ERROR)
		rc = (int) ajl_error_copy(&c->error, &c->link_error);
	if (!ajl_leave(c))
		rc = ASYNCJOB_OK;
	return rc;
}
