/*-------------------------------------------------------------------------
 *
 * libsub.c
 *		Subscriptions, and what each of them knows of which job.
 *
 * A track is the pair of a subscription and a job, with the sequence number
 * of the last update that was delivered: that number alone makes that nothing
 * is delivered twice, and asking updates_many() from it on that nothing is
 * missed.  Tracks hang in chains by the job's number.  A dirty track has
 * updates to be fetched.
 *
 * A subscription to a job ends with the job's final state.  The tracks of a
 * session's or of everybody's jobs stay for a while after that, so that a
 * late notice or a list after a lost connection doesn't start them anew.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <string.h>

#include "lib.h"

static bool
copy_callbacks(asyncjob_callbacks *to, const asyncjob_callbacks *from)
{
	memset(to, 0, sizeof(*to));
	if (from->struct_size < sizeof(size_t) || from->struct_size > sizeof(*to))
		return false;
	memcpy(to, from, from->struct_size);
	return true;
}

static asyncjob_subscription
add_sub(asyncjob_client *c, AjlSubKind kind, int64_t job_id,
		const char *session, const char *channel,
		const asyncjob_callbacks *callbacks)
{
	AjlSub	   *sub = ajl_alloc(sizeof(*sub));

	if (sub == NULL)
	{
		ajl_no_memory(c);
		return 0;
	}
	sub->kind = kind;
	sub->job_id = job_id;
	sub->state = channel ? AJL_SUB_NEW : AJL_SUB_NAMELESS;
	sub->floor = -1;
	sub->synced = -1;
	if ((session && (sub->session = ajl_strdup(session)) == NULL) ||
		(channel && (sub->channel = ajl_strdup(channel)) == NULL))
	{
		ajl_free(sub->session);
		ajl_free(sub);
		ajl_no_memory(c);
		return 0;
	}
	if (!copy_callbacks(&sub->cb, callbacks ? callbacks : &c->options.callbacks))
	{
		ajl_free(sub->session);
		ajl_free(sub->channel);
		ajl_free(sub);
		ajl_error_set(&c->error, ASYNCJOB_INVALID_INPUT,
					  "callbacks must begin with their size");
		return 0;
	}
	sub->id = ++c->last_sub;
	sub->next = c->subs;
	c->subs = sub;
	c->nsubs++;
	if (kind == AJL_SUB_JOB && ajl_track_new(c, sub, job_id) == NULL)
	{
		ajl_no_memory(c);
		sub->dead = true;
		c->garbage = true;
		c->nsubs--;
		if (c->depth == 0)
			ajl_sweep(c);
		return 0;
	}
	if (c->link == AJL_LINK_NONE)
		(void) asyncjob_connect(c);
	return sub->id;
}

/* The same for a program, whose callback may end all of it while we connect. */
static asyncjob_subscription
add_sub_of_program(asyncjob_client *c, AjlSubKind kind, const char *session,
				   const char *channel, const asyncjob_callbacks *callbacks)
{
	asyncjob_subscription id;

	ajl_enter(c);
	id = add_sub(c, kind, 0, session, channel, callbacks);
	return ajl_leave(c) ? id : 0;
}

asyncjob_subscription
asyncjob_subscribe_job(asyncjob_client *c, int64_t job_id, int32_t since_seq,
					   const asyncjob_callbacks *callbacks)
{
	char		channel[64];
	asyncjob_subscription id;

	if (job_id <= 0 || since_seq < 0)
	{
		ajl_error_set(&c->error, ASYNCJOB_INVALID_INPUT,
					  "job %lld since %d: both count from 1",
					  (long long) job_id, since_seq);
		return 0;
	}
	snprintf(channel, sizeof(channel), "asyncjob_job_%lld", (long long) job_id);
	ajl_enter(c);
	id = add_sub(c, AJL_SUB_JOB, job_id, NULL, channel, callbacks);
	if (id != 0)
	{
		AjlSub	   *sub = ajl_sub_find(c, id);

		/* NULL if connecting failed at once and the callback has ended it */
		if (sub != NULL)
			ajl_track_find(c, sub, job_id)->last_seq = since_seq;
	}
	return ajl_leave(c) ? id : 0;
}

asyncjob_subscription
asyncjob_subscribe_session(asyncjob_client *c, const char *session_id,
						   const asyncjob_callbacks *callbacks)
{
	if (session_id == NULL || session_id[0] == '\0')
	{
		ajl_error_set(&c->error, ASYNCJOB_INVALID_INPUT, "a session's id is needed");
		return 0;
	}
	return add_sub_of_program(c, AJL_SUB_SESSION, session_id, NULL, callbacks);
}

asyncjob_subscription
asyncjob_subscribe_all(asyncjob_client *c, const asyncjob_callbacks *callbacks)
{
	return add_sub_of_program(c, AJL_SUB_ALL, NULL, "asyncjob", callbacks);
}

/*
 * For the external worker: on_update is called, with no update, whenever there
 * may be work: LISTEN has just begun, or the server says so.
 */
asyncjob_subscription
ajl_subscribe_queue(asyncjob_client *c, const char *queue, const asyncjob_callbacks *callbacks)
{
	char		channel[80];

	snprintf(channel, sizeof(channel), "asyncjob_queue_%s", queue);
	return add_sub(c, AJL_SUB_QUEUE, 0, NULL, channel, callbacks);
}

AjlSub *
ajl_sub_find(const asyncjob_client *c, asyncjob_subscription id)
{
	AjlSub	   *sub = c->subs;

	while (sub != NULL && (sub->id != id || sub->dead))
		sub = sub->next;
	return sub;
}

/* Two subscriptions may share a channel; the last one closes it. */
static void
close_channel(asyncjob_client *c, const AjlSub *gone)
{
	if (gone->channel == NULL || gone->state < AJL_SUB_LISTENING ||
		c->link != AJL_LINK_READY || c->unlisten.failed)
		return;
	for (AjlSub *sub = c->subs; sub != NULL; sub = sub->next)
		if (!sub->dead && sub->channel != NULL && strcmp(sub->channel, gone->channel) == 0)
			return;
	ajl_buf_add(&c->unlisten, "UNLISTEN \"");
	for (const char *p = gone->channel; *p; p++)
	{
		char		text[3] = {*p, *p == '"' ? '"' : '\0', '\0'};

		ajl_buf_add(&c->unlisten, text);
	}
	ajl_buf_add(&c->unlisten, "\";");
	if (c->unlisten.failed)
		ajl_buf_reset(&c->unlisten);	/* the channel stays open, unheard */
}

static void
kill_sub(asyncjob_client *c, AjlSub *sub)
{
	sub->dead = true;
	c->garbage = true;
	c->nsubs--;
	close_channel(c, sub);
	if (c->depth == 0)
		ajl_sweep(c);
}

void
asyncjob_unsubscribe(asyncjob_client *c, asyncjob_subscription id)
{
	AjlSub	   *sub = ajl_sub_find(c, id);

	if (sub != NULL)
		kill_sub(c, sub);
}

/* End a subscription and say why. */
void
ajl_sub_end(asyncjob_client *c, AjlSub *sub, const AjlError *e, int64_t job_id)
{
	asyncjob_callbacks cb = sub->cb;
	asyncjob_subscription id = sub->id;

	if (sub->dead)
		return;
	kill_sub(c, sub);
	if (cb.on_error != NULL && !c->doomed)
		cb.on_error(c, id, job_id, &e->pub, cb.arg);
}

void
ajl_subs_fail(asyncjob_client *c, const AjlError *e)
{
	for (size_t i = 0; i < AJL_HASH_SIZE; i++)
		for (AjlTrack *t = c->hash[i]; t != NULL; t = t->next)
			if (t->sub->kind == AJL_SUB_JOB)
				ajl_sub_end(c, t->sub, e, t->job_id);
	for (AjlSub *sub = c->subs; sub != NULL; sub = sub->next)
		if (sub->kind != AJL_SUB_JOB)
			ajl_sub_end(c, sub, e, 0);
}

/* ---- tracks ---- */

AjlTrack **
ajl_chain(const asyncjob_client *c, int64_t job_id)
{
	uint64_t	h = (uint64_t) job_id * 0x9E3779B97F4A7C15u;

	return &c->hash[(h >> 40) & (AJL_HASH_SIZE - 1)];
}

AjlTrack *
ajl_track_find(const asyncjob_client *c, const AjlSub *sub, int64_t job_id)
{
	AjlTrack   *t = *ajl_chain(c, job_id);

	while (t != NULL && (t->job_id != job_id || t->sub != sub || t->dead || sub->dead))
		t = t->next;
	return t;
}

AjlTrack *
ajl_track_new(asyncjob_client *c, AjlSub *sub, int64_t job_id)
{
	AjlTrack  **chain = ajl_chain(c, job_id);
	AjlTrack   *t = ajl_alloc(sizeof(*t));

	if (t == NULL)
		return NULL;
	t->sub = sub;
	t->job_id = job_id;
	t->next = *chain;
	*chain = t;
	return t;
}

void
ajl_track_kill(asyncjob_client *c, AjlTrack *t)
{
	t->dead = true;
	c->garbage = true;
}

/* There is news of the job: fetch it, once more if that is under way. */
void
ajl_track_dirty(asyncjob_client *c, AjlTrack *t)
{
	if (t->dead || t->sub->dead)
		return;
	if (t->fetching)
		t->again = true;
	else if (!t->dirty)
	{
		t->dirty = true;
		t->next_dirty = NULL;
		*c->dirty_end = t;
		c->dirty_end = &t->next_dirty;
	}
}

/*
 * Hand an update to the subscription.  What was to be remembered of it is
 * remembered before the callback, so that it may do what it likes.
 */
void
ajl_deliver(asyncjob_client *c, AjlTrack *t, asyncjob_update *update)
{
	AjlSub	   *sub = t->sub;
	asyncjob_callbacks cb = sub->cb;

	if (t->dead || sub->dead || c->doomed)
		return;
	update->subscription = sub->id;
	if (update->kind != ASYNCJOB_UPDATE_PROGRESS)
		t->last_seq = update->seq;
	if (update->kind == ASYNCJOB_UPDATE_STATE)
	{
		t->final = update->is_final;
		t->final_at = ajl_clock();
	}

	/* Old history of a job that was new to us is no news. */
	if (update->seq > 0 && sub->kind != AJL_SUB_JOB && !t->whole &&
		sub->floor >= 0 && update->at < sub->floor)
		return;
	if (cb.on_update != NULL)
		cb.on_update(c, update, cb.arg);
	if (!update->is_final || sub->dead || c->doomed)
		return;
	if (sub->kind == AJL_SUB_JOB)
		kill_sub(c, sub);
	if (cb.on_complete != NULL)
		cb.on_complete(c, update, cb.arg);
}

/* ---- freeing ---- */

/* Free what is dead; nothing is being walked now. */
void
ajl_sweep(asyncjob_client *c)
{
	AjlTrack  **p;

	if (!c->garbage)
		return;
	c->garbage = false;
	for (p = &c->dirty; *p != NULL;)
	{
		if ((*p)->dead || (*p)->sub->dead)
			*p = (*p)->next_dirty;
		else
			p = &(*p)->next_dirty;
	}
	c->dirty_end = p;
	for (size_t i = 0; i < AJL_HASH_SIZE; i++)
		for (p = &c->hash[i]; *p != NULL;)
		{
			AjlTrack   *t = *p;

			if (t->dead || t->sub->dead)
			{
				*p = t->next;
				ajl_free(t);
			}
			else
				p = &t->next;
		}
	if (c->flight_sub != NULL && c->flight_sub->dead)
		c->flight_sub = NULL;
	for (AjlSub **s = &c->subs; *s != NULL;)
	{
		AjlSub	   *sub = *s;

		if (sub->dead)
		{
			*s = sub->next;
			ajl_free(sub->session);
			ajl_free(sub->channel);
			ajl_free(sub);
		}
		else
			s = &sub->next;
	}
}

void
ajl_subs_free(asyncjob_client *c)
{
	for (AjlSub *sub = c->subs; sub != NULL; sub = sub->next)
		sub->dead = true;
	c->garbage = true;
	if (c->hash != NULL)
		ajl_sweep(c);
	c->nsubs = 0;
}
