/*-------------------------------------------------------------------------
 *
 * libsync.c
 *		What subscriptions need of the server, and its answers.
 *
 * On each connection, in this order, so that nothing falls between:
 *
 *		LISTEN on the channel, and only when that is committed
 *		(session, all:) list the jobs that may have changed meanwhile
 *		fetch the updates of each from the last that was delivered
 *
 * After that a notice makes a job dirty, and dirty jobs are fetched again, up
 * to AJL_BATCH in one statement.  Every poll_interval, longer with many
 * subscriptions, all unfinished jobs are fetched without a notice: where
 * nothing is preloaded nobody announces anything.  A hot standby refuses
 * LISTEN; there the polls are all there is, and once a minute another LISTEN,
 * for the standby may have been promoted meanwhile.
 *
 * The list after a lost connection goes back to LIST_MARGIN_S before the last
 * answer, for finished_at is set some time before a job's end is committed.
 * Finished tracks stay for KEEP_MS, which is longer, so the margin never
 * brings a job a second time.
 *
 * A lack of memory leaves what was to be done as it is and tries again after
 * retry_delay.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib.h"

#define LIST_MARGIN_S	300
#define KEEP_MS			600000
#define DEAF_MS			60000
#define IN_RECOVERY		"25006"
#define LATE_MS			60000	/* who comes later than this has a backlog */

/* Forget what was so on the lost connection. */
void
ajl_sync_reset(asyncjob_client *c)
{
	for (AjlSub *sub = c->subs; sub != NULL; sub = sub->next)
	{
		if (sub->state > AJL_SUB_NEW)
			sub->state = AJL_SUB_NEW;
		sub->relist_at = 0;
	}
	for (size_t i = 0; i < AJL_HASH_SIZE; i++)
		for (AjlTrack *t = c->hash[i]; t != NULL; t = t->next)
		{
			/* what was dirty, or being fetched, is so again after LISTEN */
			t->dirty = t->fetching = t->again = false;
			t->next_dirty = NULL;
		}
	c->dirty = NULL;
	c->dirty_end = &c->dirty;
	c->flight_njobs = 0;
	c->fetch_at = 0;
	ajl_buf_reset(&c->unlisten);
}

static int64_t
later(const asyncjob_client *c)
{
	int			delay = c->options.retry_delay_ms;

	return ajl_clock() + (delay > 10 ? delay : 10);
}

/* When is there something to be sent?  1: now, 0: never. */
int64_t
ajl_sync_due(const asyncjob_client *c)
{
	int64_t		due = 0;

	if (c->unlisten.len > 0)
		return 1;
	if (c->dirty != NULL)
		due = c->fetch_at > 0 ? c->fetch_at : 1;
	for (const AjlSub *sub = c->subs; sub != NULL && due != 1; sub = sub->next)
	{
		if (sub->dead)
			continue;
		if (sub->state != AJL_SUB_LIVE && sub->relist_at == 0)
			return 1;
		if (sub->relist_at > 0 && (due == 0 || sub->relist_at < due))
			due = sub->relist_at;
	}
	return due;
}

static void
add_identifier(AjlBuf *buf, const char *name)
{
	ajl_buf_add(buf, "\"");
	for (const char *p = name; *p; p++)
	{
		char		text[3] = {*p, *p == '"' ? '"' : '\0', '\0'};

		ajl_buf_add(buf, text);
	}
	ajl_buf_add(buf, "\";");
}

/* LISTEN for new subscriptions, UNLISTEN for those that are gone. */
static bool
start_listen(asyncjob_client *c)
{
	AjlBuf		sql = {NULL, 0, 0, false};
	int			n = 0;

	if (c->unlisten.len > 0)
		ajl_buf_add(&sql, c->unlisten.data);
	for (AjlSub *sub = c->subs; sub != NULL && n < AJL_BATCH; sub = sub->next)
		if (!sub->dead && sub->state == AJL_SUB_NEW && sub->relist_at == 0)
		{
			ajl_buf_add(&sql, "LISTEN ");
			add_identifier(&sql, sub->channel);
			n++;
		}
	if (n == 0 && c->unlisten.len == 0)
		return false;
	if (sql.failed)
	{
		ajl_buf_reset(&c->unlisten);
		for (AjlSub *sub = c->subs; sub != NULL; sub = sub->next)
			if (sub->state == AJL_SUB_NEW)
				sub->relist_at = later(c);
		return false;
	}
	for (AjlSub *sub = c->subs; sub != NULL && n > 0; sub = sub->next)
		if (!sub->dead && sub->state == AJL_SUB_NEW && sub->relist_at == 0)
		{
			sub->state = AJL_SUB_LISTENING;
			n--;
		}
	ajl_buf_reset(&c->unlisten);
	ajl_send(c, AJL_LISTEN, sql.data, 0, NULL);
	ajl_buf_reset(&sql);
	return true;
}

static bool
start_list(asyncjob_client *c, AjlSub *sub)
{
	char		since[64];
	const char *params[] = {NULL, sub->session};
	double		alive = sub->synced;

	if (sub->synced >= 0)
	{
		if (c->alive_at > sub->synced_at)
			alive += (double) (c->alive_at - sub->synced_at) / 1000;
		alive -= LIST_MARGIN_S;
		if (alive < sub->floor)
			alive = sub->floor;
		ajl_format_micros(since, sizeof(since), alive);
		params[0] = since;
	}
	c->flight_sub = sub;
	ajl_send(c, AJL_LIST,
			 "SELECT pg_catalog.date_part('epoch', n.now), j.job_id, j.seq FROM"
			 " (SELECT pg_catalog.clock_timestamp() AS now) n LEFT JOIN"
			 " asyncjob.recent_jobs(pg_catalog.to_timestamp($1::pg_catalog.float8), $2) j"
			 " ON true", 2, params);
	return true;
}

/*
 * Fetch the updates of dirty jobs.  Each job stands in the statement once,
 * with the least that one of its subscriptions knows: so its rows come in
 * order, and the last one is its last.
 */
static bool
start_fetch(asyncjob_client *c)
{
	AjlBuf		jobs = {NULL, 0, 0, false};
	AjlBuf		since = {NULL, 0, 0, false};
	const char *params[2];
	int			limit = c->dirty->solo ? 1 : AJL_BATCH;
	int			taken = 0;
	AjlTrack   *t;
	AjlTrack   *other;

	c->flight_njobs = 0;
	for (t = c->dirty; t != NULL && c->flight_njobs < limit; t = t->next_dirty, taken++)
	{
		int32_t		least = t->last_seq;

		if (t->fetching)
			continue;			/* with an earlier one of the same job */
		if (t->solo && c->flight_njobs > 0)
			break;
		for (other = *ajl_chain(c, t->job_id); other != NULL; other = other->next)
			if (other->job_id == t->job_id && other->dirty)
			{
				other->fetching = true;
				other->seen = false;
				if (other->last_seq < least)
					least = other->last_seq;
			}
		ajl_buf_addf(&jobs, "%c%lld", c->flight_njobs == 0 ? '{' : ',',
					 (long long) t->job_id);
		ajl_buf_addf(&since, "%c%d", c->flight_njobs == 0 ? '{' : ',', least);
		c->flight_jobs[c->flight_njobs++] = t->job_id;
	}
	ajl_buf_add(&jobs, "}");
	ajl_buf_add(&since, "}");
	if (jobs.failed || since.failed)
	{
		ajl_buf_reset(&jobs);
		ajl_buf_reset(&since);
		for (t = c->dirty; t != NULL; t = t->next_dirty)
			t->fetching = false;
		c->flight_njobs = 0;
		c->fetch_at = later(c);
		return false;
	}
	while (taken-- > 0)
	{
		t = c->dirty;
		c->dirty = t->next_dirty;
		t->dirty = false;
	}
	if (c->dirty == NULL)
		c->dirty_end = &c->dirty;
	params[0] = jobs.data;
	params[1] = since.data;
	ajl_send(c, AJL_FETCH,
			 "SELECT u.job_id, u.seq, u.kind, u.state,"
			 " pg_catalog.date_part('epoch', u.at), u.step, u.level, u.message, u.data"
			 " FROM asyncjob.updates_many($1::pg_catalog.int8[], $2::pg_catalog.int4[]) u"
			 " ORDER BY u.job_id, u.seq", 2, params);
	ajl_buf_reset(&jobs);
	ajl_buf_reset(&since);
	return true;
}

/* Send the next statement that subscriptions need; true if there was one. */
bool
ajl_sync_start(asyncjob_client *c)
{
	int64_t		now = ajl_clock();

	for (AjlSub *sub = c->subs; sub != NULL; sub = sub->next)
	{
		const char *params[] = {sub->session};

		if (sub->relist_at > 0 && sub->relist_at <= now)
		{
			sub->relist_at = 0;
			if (sub->state == AJL_SUB_LIVE && sub->kind != AJL_SUB_JOB &&
				sub->kind != AJL_SUB_QUEUE)
				sub->state = AJL_SUB_UNLISTED;
		}
		if (sub->dead || sub->state != AJL_SUB_NAMELESS || sub->relist_at > 0)
			continue;
		c->flight_sub = sub;
		ajl_send(c, AJL_CHANNEL, "SELECT asyncjob.channel($1)", 1, params);
		return true;
	}
	if (start_listen(c))
		return true;
	for (AjlSub *sub = c->subs; sub != NULL; sub = sub->next)
		if (!sub->dead && sub->state == AJL_SUB_UNLISTED && sub->relist_at == 0)
			return start_list(c, sub);
	if (c->dirty != NULL && c->fetch_at <= now)
	{
		c->fetch_at = 0;
		return start_fetch(c);
	}
	return false;
}

/* ---- answers ---- */

/* Would the same statement be refused again? */
static bool
refused(const AjlError *e)
{
	return e->pub.code == ASYNCJOB_INVALID_INPUT || e->pub.code == ASYNCJOB_AUTH_REQUIRED;
}

static void
channel_answered(asyncjob_client *c, AjlSub *sub, PGresult *res)
{
	sub->channel = ajl_strdup(PQgetvalue(res, 0, 0));
	if (sub->channel == NULL)
		sub->relist_at = later(c);
	else
		sub->state = AJL_SUB_NEW;
}

static void
listen_answered(asyncjob_client *c, const AjlError *e)
{
	if (e != NULL && strcmp(e->sqlstate, IN_RECOVERY) == 0)
		c->deaf_at = ajl_clock();
	for (AjlSub *sub = c->subs; sub != NULL; sub = sub->next)
	{
		AjlTrack   *t;

		if (sub->dead || sub->state != AJL_SUB_LISTENING)
			continue;
		sub->deaf = e != NULL && strcmp(e->sqlstate, IN_RECOVERY) == 0 &&
			sub->kind != AJL_SUB_QUEUE;
		if (e != NULL && !sub->deaf && refused(e))
			ajl_sub_end(c, sub, e, sub->job_id);
		else if (e != NULL && !sub->deaf)
		{
			sub->state = AJL_SUB_NEW;
			sub->relist_at = later(c);
		}
		else if (sub->kind == AJL_SUB_JOB)
		{
			sub->state = AJL_SUB_LIVE;
			t = ajl_track_find(c, sub, sub->job_id);
			if (t != NULL)
				ajl_track_dirty(c, t);
		}
		else if (sub->kind == AJL_SUB_QUEUE)
		{
			sub->state = AJL_SUB_LIVE;
			sub->cb.on_update(c, NULL, sub->cb.arg);
		}
		else
		{
			/* those we knew, and those the list will add */
			sub->state = AJL_SUB_UNLISTED;
			for (size_t i = 0; i < AJL_HASH_SIZE; i++)
				for (t = c->hash[i]; t != NULL; t = t->next)
					if (t->sub == sub && !t->final)
						ajl_track_dirty(c, t);
		}
	}
}

static void
list_answered(asyncjob_client *c, AjlSub *sub, PGresult *res)
{
	double		now = ajl_strtod(PQgetvalue(res, 0, 0), NULL);
	bool		first = sub->synced < 0;

	for (int i = 0; i < PQntuples(res); i++)
	{
		int64_t		job_id;
		AjlTrack   *t;

		if (PQgetisnull(res, i, 1))
			continue;
		job_id = strtoll(PQgetvalue(res, i, 1), NULL, 10);
		t = ajl_track_find(c, sub, job_id);
		if (t == NULL)
		{
			t = ajl_track_new(c, sub, job_id);
			if (t == NULL)
			{
				sub->relist_at = later(c);
				sub->state = AJL_SUB_LIVE;
				return;			/* the list is read again, as if never */
			}
			t->whole = first;
		}
		if (strtol(PQgetvalue(res, i, 2), NULL, 10) > t->last_seq)
			ajl_track_dirty(c, t);
	}
	if (first)
		sub->floor = now;
	sub->synced = now;
	sub->synced_at = ajl_clock();
	sub->state = AJL_SUB_LIVE;
}

/* A fetched job: what the answer left open. */
static void
fetched(asyncjob_client *c, int64_t job_id, const AjlError *e)
{
	for (AjlTrack *t = *ajl_chain(c, job_id); t != NULL; t = t->next)
	{
		if (t->job_id != job_id || !t->fetching)
			continue;
		t->fetching = false;
		t->solo = false;
		if (t->dead || t->sub->dead)
			continue;
		if (e != NULL)
		{
			/* one job's trouble is not the others' */
			if (c->flight_njobs > 1 && strcmp(e->sqlstate, "42501") != 0 &&
				strcmp(e->sqlstate, "42883") != 0)
				t->solo = true;
			else if (refused(e))
			{
				if (t->sub->kind == AJL_SUB_JOB)
					ajl_sub_end(c, t->sub, e, job_id);
				else if (e->pub.code == ASYNCJOB_AUTH_REQUIRED)
					ajl_sub_end(c, t->sub, e, 0);
				else
					ajl_track_kill(c, t);
				continue;
			}
			else
				c->fetch_at = later(c);
			ajl_track_dirty(c, t);
		}
		else if (!t->seen && t->sub->kind == AJL_SUB_JOB)
		{
			AjlError	none;

			ajl_error_set(&none, ASYNCJOB_INVALID_INPUT, "job %lld does not exist",
						  (long long) job_id);
			strcpy(none.sqlstate, "42704");
			ajl_sub_end(c, t->sub, &none, job_id);
		}
		else if (!t->seen)
			ajl_track_kill(c, t);	/* another role's, announced to all */
		else if (t->again)
			ajl_track_dirty(c, t);
		t->again = false;
	}
}

static asyncjob_update_kind
kind_of(const char *kind)
{
	if (strcmp(kind, "state") == 0)
		return ASYNCJOB_UPDATE_STATE;
	if (strcmp(kind, "step") == 0)
		return ASYNCJOB_UPDATE_STEP;
	if (strcmp(kind, "attempt") == 0)
		return ASYNCJOB_UPDATE_ATTEMPT;
	return ASYNCJOB_UPDATE_LOG;
}

static const char *
text_of(const PGresult *res, int row, int column)
{
	return PQgetisnull(res, row, column) ? NULL : PQgetvalue(res, row, column);
}

static void
fetch_answered(asyncjob_client *c, const PGresult *res)
{
	for (int i = 0; i < PQntuples(res) && !c->doomed; i++)
	{
		int64_t		job_id = strtoll(PQgetvalue(res, i, 0), NULL, 10);
		asyncjob_update update = {
			.job_id = job_id,
			.seq = (int32_t) strtol(PQgetvalue(res, i, 1), NULL, 10),
			.kind = kind_of(PQgetvalue(res, i, 2)),
			.at = ajl_strtod(PQgetvalue(res, i, 4), NULL),
			.step = text_of(res, i, 5),
			.level = text_of(res, i, 6),
			.message = text_of(res, i, 7),
			.data = text_of(res, i, 8)
		};

		update.state = ajl_state_of(PQgetvalue(res, i, 3), strlen(PQgetvalue(res, i, 3)));

		/* A state that retry() has undone meanwhile was not the final one. */
		update.is_final = update.kind == ASYNCJOB_UPDATE_STATE &&
			asyncjob_state_is_final(update.state) &&
			(i + 1 == PQntuples(res) ||
			 strtoll(PQgetvalue(res, i + 1, 0), NULL, 10) != job_id);
		for (AjlTrack *t = *ajl_chain(c, job_id); t != NULL; t = t->next)
		{
			if (t->job_id != job_id || !t->fetching)
				continue;
			t->seen = true;
			if (!PQgetisnull(res, i, 1) && update.seq > t->last_seq)
				ajl_deliver(c, t, &update);
		}
	}
}

/* Takes res over. */
void
ajl_sync_answered(asyncjob_client *c, AjlFlight flight, PGresult *res)
{
	AjlSub	   *sub = c->flight_sub;
	AjlError	e;
	bool		ok = ajl_result_ok(res);

	c->flight_sub = NULL;
	c->alive_at = ajl_clock();
	if (!ok)
		ajl_error_of_result(&e, c->conn, res);
	if (flight == AJL_LISTEN)
		listen_answered(c, ok ? NULL : &e);
	else if (flight == AJL_FETCH)
	{
		if (ok)
			fetch_answered(c, res);
		for (int i = 0; i < c->flight_njobs && !c->doomed; i++)
			fetched(c, c->flight_jobs[i], ok ? NULL : &e);
		c->flight_njobs = 0;
	}
	else if (sub != NULL && !sub->dead)
	{
		if (!ok && refused(&e))
			ajl_sub_end(c, sub, &e, 0);
		else if (!ok || PQntuples(res) == 0)
			sub->relist_at = later(c);
		else if (flight == AJL_CHANNEL)
			channel_answered(c, sub, res);
		else
			list_answered(c, sub, res);
	}
	PQclear(res);
}

/* Look at everything without being told; forget what is long over. */
void
ajl_sync_poll(asyncjob_client *c)
{
	int64_t		now = ajl_clock();
	bool		in_time = c->polled_at > 0 && now - c->polled_at < LATE_MS;

	c->polled_at = now;
	c->next_poll = now + c->options.poll_interval_ms * (int64_t) (1 + c->nsubs / 200);
	for (size_t i = 0; i < AJL_HASH_SIZE; i++)
		for (AjlTrack *t = c->hash[i]; t != NULL; t = t->next)
		{
			if (!t->final && t->sub->state == AJL_SUB_LIVE)
				ajl_track_dirty(c, t);
			else if (t->final && in_time && !t->dirty && !t->fetching &&
					 now - t->final_at > KEEP_MS)
				ajl_track_kill(c, t);
		}
	for (AjlSub *sub = c->subs; sub != NULL; sub = sub->next)
	{
		if (sub->dead || sub->state != AJL_SUB_LIVE || sub->kind == AJL_SUB_QUEUE)
			continue;
		if (sub->deaf && now - c->deaf_at > DEAF_MS)
		{
			sub->state = AJL_SUB_NEW;
			continue;
		}
		if (sub->kind == AJL_SUB_JOB)
			continue;
		if (in_time && sub->synced >= 0)
		{
			double		floor = sub->synced +
			(double) (now - sub->synced_at - KEEP_MS) / 1000;

			if (floor > sub->floor)
				sub->floor = floor;
		}
		if (sub->kind == AJL_SUB_SESSION || sub->deaf)
			sub->state = AJL_SUB_UNLISTED;
	}
}
