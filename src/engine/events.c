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

#define LATE_COMMIT_MS	1000
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
 * Wake what is due.  While an old snapshot is held, the index of what waits
 * begins with the dead entries of all that has been woken, so only a poll
 * reads it from the beginning; otherwise what was due a while before the last
 * round has been woken by it.  That while is for transactions that compute
 * when to wake and take long to commit.
 */
static TimestampTz
wake(bool poll)
{
	static TimestampTz before = DT_NOBEGIN;
	TimestampTz now = aj_now();
	TimestampTz due;
	int			n;

	if (poll || now < before)
		before = DT_NOBEGIN;
	n = aj_queue_wake_due(InvalidOid, before, &due);
	if (n < AJ_WAKE_AT_ONCE)
		before = TimestampTzPlusMilliseconds(now, -LATE_COMMIT_MS);
	return due;
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
 * Dispatch events.  Returns when to go on, 0 for when something changes.  What
 * has to be tried again is, after a rest that is long beside the work.
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
	return all ? 0 : TimestampTzPlusMilliseconds(end, Max(AGAIN_MS,
														  20 * TimestampDifferenceMilliseconds(start, end)));
}

static TimestampTz
earlier(TimestampTz a, TimestampTz b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/*
 * The coordinator's round.  Returns when there will be something to do next,
 * 0 for never.  Runs in a scope.
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
	TimestampTz due;
	bool		poll = now >= next_poll || poll_soon;
	uint32		what = pg_atomic_exchange_u32(&db->flow, 0);

	calling |= aj_pauses_changed() || poll;
	if (what == 0 && !calling && (next == 0 || now < next))
		return next;
	if (calling)
		calling = aj_queue_call_back(InvalidOid) == AJ_ASIDE_MAX;
	if (poll)
	{
		if (aj_queue_chains_wanted())
			pg_atomic_write_u32(&db->chains, 1);
		next_poll = TimestampTzPlusMilliseconds(now, aj_guc_poll_interval);
		poll_soon = false;
	}
	due = earlier(wake(poll), dispatch());
	if (calling)
		due = now;
	if (poll || more_parents || (what & AJ_FLOW_CHILD_ENDED) != 0)
		more_parents = aj_queue_sweep_children(InvalidOid);
	if (more_parents)
		due = now;
	next = due;
	return next;
}

/* The same for a process that runs jobs of its role in the foreground. */
void
aj_flow_here(Oid owner)
{
	TimestampTz due;
	int64		after = 0;

	aj_call_back_here(owner);
	(void) aj_queue_wake_due(owner, DT_NOBEGIN, &due);

	do
	{
		(void) aj_queue_dispatch(owner, &after, false);
	} while (after != 0);
	while (aj_queue_sweep_children(owner))
		;
	aj_dag_sweep(owner);
}
