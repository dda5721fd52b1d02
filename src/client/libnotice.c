/*-------------------------------------------------------------------------
 *
 * libnotice.c
 *		Payloads of notifications, and what they make a subscription do.
 *
 * A payload is one notice, {"job": 1, "seq": 3, "state": "running", "step": 2,
 * "steps": 2, "progress": 0.625}, or {"jobs": [ ... ]}, or {"lost": true}.
 * Any role may NOTIFY, so a notice is only a hint: it makes the library ask
 * updates_many(), which knows the truth.  Live progress alone is taken from
 * the payload, and only of a job that is known to be unfinished.
 *
 * The parser knows just this much of JSON: objects of numbers, strings
 * without escapes and literals.  What it doesn't understand is no hint.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "lib.h"

static const char *const state_names[] = {
	"unknown", "queued", "running", "waiting", "completed", "failed", "cancelled"
};

asyncjob_job_state
ajl_state_of(const char *name, size_t len)
{
	for (int i = ASYNCJOB_QUEUED; i <= ASYNCJOB_CANCELLED; i++)
		if (strlen(state_names[i]) == len && memcmp(state_names[i], name, len) == 0)
			return (asyncjob_job_state) i;
	return ASYNCJOB_UNKNOWN;
}

const char *
asyncjob_state_name(asyncjob_job_state state)
{
	return (unsigned) state <= ASYNCJOB_CANCELLED ? state_names[state] : state_names[0];
}

bool
asyncjob_state_is_final(asyncjob_job_state state)
{
	return state >= ASYNCJOB_COMPLETED && state <= ASYNCJOB_CANCELLED;
}

static const char *
skip_space(const char *p)
{
	while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
		p++;
	return p;
}

/* The character, after space; NULL if it isn't there. */
static const char *
expect(const char *p, char what)
{
	p = skip_space(p);
	return *p == what ? p + 1 : NULL;
}

/* A string without escapes. */
static const char *
parse_string(const char *p, const char **text, size_t *len)
{
	p = expect(p, '"');
	if (p == NULL)
		return NULL;
	*text = p;
	while (*p != '\0' && *p != '"' && *p != '\\')
		p++;
	*len = (size_t) (p - *text);
	return *p == '"' ? p + 1 : NULL;
}

static bool
is_key(const char *key, size_t len, const char *name)
{
	return strlen(name) == len && memcmp(key, name, len) == 0;
}

static int32_t
clamp(double value)
{
	return value >= 0 && value < 2147483647.0 ? (int32_t) value : 0;
}

/* One notice; p stands behind its brace. */
static const char *
parse_notice(const char *p, AjlNotice *n)
{
	memset(n, 0, sizeof(*n));
	if (expect(p, '}') != NULL)
		return expect(p, '}');
	for (;;)
	{
		const char *key,
				   *text;
		size_t		key_len,
					len;

		p = parse_string(p, &key, &key_len);
		p = p ? expect(p, ':') : NULL;
		if (p == NULL)
			return NULL;
		p = skip_space(p);
		if (*p == '"')
		{
			p = parse_string(p, &text, &len);
			if (p == NULL)
				return NULL;
			if (is_key(key, key_len, "state"))
				n->state = ajl_state_of(text, len);
		}
		else
		{
			char	   *end;
			double		value = ajl_strtod(p, &end);

			if (end == p)
				return NULL;
			if (is_key(key, key_len, "job"))
				n->job_id = strtoll(p, NULL, 10);
			else if (is_key(key, key_len, "seq"))
				n->seq = clamp(value);
			else if (is_key(key, key_len, "step"))
				n->step_no = clamp(value);
			else if (is_key(key, key_len, "steps"))
				n->step_count = clamp(value);
			else if (is_key(key, key_len, "progress"))
				n->progress = value >= 0 && value <= 1 ? value : 0;
			p = end;
		}
		p = skip_space(p);
		if (*p == '}')
			return p + 1;
		p = expect(p, ',');
		if (p == NULL)
			return NULL;
	}
}

/*
 * Call found for each notice; it gets NULL for {"lost": true}.  False: not a
 * payload of ours, or only its beginning was.
 */
bool
ajl_parse_notices(const char *payload,
				  void (*found) (void *arg, const AjlNotice *n), void *arg)
{
	const char *p = expect(payload, '{');
	const char *key,
			   *q;
	size_t		len;
	AjlNotice	n;

	if (p == NULL || (q = parse_string(p, &key, &len)) == NULL)
		return false;
	if (is_key(key, len, "lost"))
	{
		found(arg, NULL);
		return true;
	}
	if (!is_key(key, len, "jobs"))
	{
		p = parse_notice(p, &n);
		if (p == NULL || n.job_id <= 0)
			return false;
		found(arg, &n);
		return true;
	}
	p = expect(q, ':');
	p = p ? expect(p, '[') : NULL;
	while (p != NULL)
	{
		p = expect(p, '{');
		p = p ? parse_notice(p, &n) : NULL;
		if (p == NULL || n.job_id <= 0)
			return false;
		found(arg, &n);
		if (expect(p, ']') != NULL)
			return true;
		p = expect(p, ',');
	}
	return false;
}

/* ---- what follows from a notice ---- */

typedef struct Hint
{
	asyncjob_client *c;
	const char *channel;
} Hint;

static void
on_hint(void *arg, const AjlNotice *n)
{
	Hint	   *hint = arg;
	asyncjob_client *c = hint->c;

	for (AjlSub *sub = c->subs; sub != NULL; sub = sub->next)
	{
		AjlTrack   *track;

		if (sub->dead || sub->channel == NULL || sub->kind == AJL_SUB_QUEUE ||
			strcmp(sub->channel, hint->channel) != 0)
			continue;
		if (n == NULL)
		{
			/* Notices were lost: look at everything. */
			for (size_t i = 0; i < AJL_HASH_SIZE; i++)
				for (track = c->hash[i]; track != NULL; track = track->next)
					if (track->sub == sub && !track->final)
						ajl_track_dirty(c, track);
			if (sub->state == AJL_SUB_LIVE && sub->kind != AJL_SUB_JOB)
				sub->state = AJL_SUB_UNLISTED;
			continue;
		}
		if (sub->kind == AJL_SUB_JOB && sub->state < AJL_SUB_LISTENING)
			continue;			/* will be read as a whole */
		track = ajl_track_find(c, sub, n->job_id);
		if (track == NULL && sub->kind != AJL_SUB_JOB)
		{
			track = ajl_track_new(c, sub, n->job_id);
			if (track == NULL)
			{
				/* Memory is short: read the list again in a while. */
				sub->relist_at = ajl_clock() + c->options.retry_delay_ms;
				continue;
			}
		}
		if (track == NULL || track->dead)
			continue;
		if (n->seq > track->last_seq)
			ajl_track_dirty(c, track);
		else if (!track->dirty && !track->fetching && !track->final &&
				 n->state == ASYNCJOB_RUNNING)
		{
			asyncjob_update update = {
				.job_id = n->job_id,.kind = ASYNCJOB_UPDATE_PROGRESS,
				.state = n->state,.step_no = n->step_no,
				.step_count = n->step_count,.progress = n->progress
			};

			ajl_deliver(c, track, &update);
		}
	}
}

void
ajl_notified(asyncjob_client *c, const PGnotify *notify)
{
	Hint		hint = {c, notify->relname};

	for (AjlSub *sub = c->subs; sub != NULL; sub = sub->next)
		if (sub->kind == AJL_SUB_QUEUE && !sub->dead &&
			strcmp(sub->channel, notify->relname) == 0)
			sub->cb.on_update(c, NULL, sub->cb.arg);
	(void) ajl_parse_notices(notify->extra, on_hint, &hint);
}
