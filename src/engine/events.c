/*-------------------------------------------------------------------------
 *
 * events.c
 *		What follows from events, waits and the ends of jobs.
 *
 * Whoever makes something wait, emits an event or ends a child says so in
 * shared memory when it is committed, and the coordinator then takes a round
 * here: wakes what is due, dispatches events (queue_dispatch.c), and looks for
 * parents whose children have ended.  It does so at each poll, too, for what
 * nobody has told.  drain() does it for itself.
 *
 * The end of a job is an event, <pipeline>-completed or <pipeline>-failed,
 * but only where somebody may want to hear it.  A flag in shared memory says
 * so, which on_event() and waits set when they are committed and nothing
 * takes back, so jobs pay one read of it.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "utils/timestamp.h"

#include "clock.h"
#include "dag.h"
#include "events.h"
#include "guc.h"
#include "pause.h"
#include "queue_event.h"
#include "queue_flow.h"
#include "queue_pause.h"
#include "wake.h"

#define AGAIN_MS		250		/* what a session holds locked may be free */

static bool poll_soon = false;
static bool carefully = false;	/* one of many may raise an error */

/* May somebody want to hear of the end of a job?  Runs in a scope. */
bool
aj_chains_wanted(void)
{
	static AjDatabase *db = NULL;

	if (aj_my_slot == NULL)
		return aj_queue_chains_wanted();
	/* a worker stays in its database, which stays in its entry */
	if (db == NULL || db->dbid != MyDatabaseId)
	{
		LWLockAcquire(aj_shared->lock, LW_SHARED);
		db = aj_database_find(MyDatabaseId);
		LWLockRelease(aj_shared->lock);
	}
	return db == NULL || pg_atomic_read_u32(&db->chains) != 0;
}

/* A job has ended: that is an event.  Runs in a scope. */
void
aj_chain(int64 job_id)
{
	if (aj_chains_wanted())
		aj_queue_chain(&job_id, 1);
}

/*
 * Wake what is due.  Returns when the next one will be, DT_NOEND for never.
 *
 * While an old snapshot is held, the index of what waits keeps the dead entries
 * of all that has been woken, before its time or at it.  So only a poll reads
 * it from the beginning, and finds what was locked or lacked its key.  Otherwise
 * what was due at the last round was woken by it, save what has begun to wait
 * since, and of that first is the first to wake; nor is the next one looked for
 * before the one that is known is due.
 */
static TimestampTz
wake(TimestampTz first, bool poll)
{
	static TimestampTz woken = DT_NOBEGIN;	/* what was due till then */
	static TimestampTz next = DT_NOEND;
	TimestampTz now = aj_now();

	if (poll || now < woken)
		woken = DT_NOBEGIN;
	woken = Min(first, woken);
	next = Min(first, next);
	if (aj_queue_wake_due(InvalidOid, woken, now) == AJ_WAKE_AT_ONCE)
		return now;				/* there may be more */
	if (woken == DT_NOBEGIN || next <= now)
		next = aj_queue_next_wake(InvalidOid, now);
	woken = now;
	return next;
}

/*
 * The last round ended by an error, and was rolled back: all has to be looked
 * at again, one by one, so that what raises the error is found.
 */
void
aj_flow_failed(void)
{
	poll_soon = true;
	carefully = true;
}

/*
 * Dispatch events.  Returns when to go on, DT_NOEND for when something changes.
 * What has to be tried again is, after a rest that is long beside the work.
 */
static TimestampTz
dispatch(void)
{
	static int64 after = 0;
	TimestampTz start = GetCurrentTimestamp(),
				end;
	bool		all = aj_queue_dispatch(InvalidOid, &after, carefully);

	end = GetCurrentTimestamp();
	if (after != 0)
		return end;
	carefully = false;
	return all ? DT_NOEND : TimestampTzPlusMilliseconds(end, Max(AGAIN_MS,
																 20 * TimestampDifferenceMilliseconds(start, end)));
}

/*
 * The coordinator's round.  Returns when there will be something to do next,
 * DT_NOEND for never.  Runs in a scope.
 *
 * The worker that ends a child wakes the parent by itself; only where others
 * end one, and at each poll, are parents looked for.
 */
TimestampTz
aj_flow_round(AjDatabase *db)
{
	static TimestampTz next = 0;
	static TimestampTz next_poll = 0;
	static bool more_parents = false;
	static bool calling = false;	/* there may be more to call back */
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz first,
				again;
	bool		poll = now >= next_poll || poll_soon;
	uint32		what = pg_atomic_exchange_u32(&db->flow, 0);

	calling |= aj_pauses_changed() || poll;
	if (what == 0 && !calling && now < next)
		return next;
	first = (TimestampTz) pg_atomic_exchange_u64(&db->wake_at, (uint64) DT_NOEND);
	if (calling)
		calling = aj_queue_call_back(InvalidOid) == AJ_ASIDE_MAX;
	if (poll)
	{
		if (aj_queue_chains_wanted())
			pg_atomic_write_u32(&db->chains, 1);
		next_poll = TimestampTzPlusMilliseconds(now, aj_guc_poll_interval);
		poll_soon = false;
	}
	next = wake(first, poll);
	again = dispatch();
	next = Min(next, again);
	if (poll || more_parents || (what & AJ_FLOW_CHILD_ENDED) != 0)
		more_parents = aj_queue_sweep_children(InvalidOid);
	if (calling || more_parents)
		next = now;
	return next;
}

/* The same for a process that runs jobs of its role in the foreground. */
void
aj_flow_here(Oid owner)
{
	int64		after = 0;

	aj_call_back_here(owner);
	(void) aj_queue_wake_due(owner, DT_NOBEGIN, aj_now());

	do
	{
		(void) aj_queue_dispatch(owner, &after, false);
	} while (after != 0);
	while (aj_queue_sweep_children(owner))
		;
	aj_dag_sweep(owner);
}
