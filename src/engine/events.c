/*-------------------------------------------------------------------------
 *
 * events.c
 *		What follows from events, waits and the ends of jobs.
 *
 * Whoever makes something wait, emits an event or ends a child says so in
 * shared memory when it is committed, and the coordinator then takes a round
 * here: wakes what is due, dispatches events (queue_event.c), and looks for
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
	bool		poll = now >= next_poll;
	uint32		what = pg_atomic_exchange_u32(&db->flow, 0);

	calling |= aj_pauses_changed() || poll;
	if (what == 0 && !calling && (next == 0 || now < next))
		return next;
	if (calling)
		calling = aj_queue_call_back() == AJ_ASIDE_MAX;
	if (poll)
	{
		if (aj_queue_chains_wanted())
			pg_atomic_write_u32(&db->chains, 1);
		next_poll = TimestampTzPlusMilliseconds(now, aj_guc_poll_interval);
	}
	due = wake(poll);
	if (aj_queue_dispatch() || calling)
		due = now;
	if (poll || more_parents || (what & AJ_FLOW_CHILD_ENDED) != 0)
		more_parents = aj_queue_sweep_children();
	if (more_parents)
		due = now;
	next = due;
	return next;
}

/* The same for a process that runs jobs in the foreground. */
void
aj_flow_here(Oid owner)
{
	TimestampTz due;

	aj_call_back_here();
	(void) aj_queue_wake_due(owner, DT_NOBEGIN, &due);

	while (aj_queue_dispatch())
		;
	while (aj_queue_sweep_children())
		;
	while (aj_dag_sweep())
		;
}
