/*-------------------------------------------------------------------------
 *
 * wake.c
 *		What becomes known to other processes when a transaction commits.
 *
 * submit(), cancel() and their like only note what they did; the one
 * transaction callback, registered when the library is loaded, acts on the
 * notes at XACT_EVENT_COMMIT, when the rows are visible.  A latch in shared
 * memory is set, nothing else: no NOTIFY on the way of a submit.  A rolled
 * back transaction or subtransaction wakes nobody who'd find anything, at
 * most somebody who finds nothing.
 *
 * COMMIT PREPARED, logical replication and restores pass by this callback;
 * for them the coordinator polls.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "external.h"
#include "lanes.h"
#include "lanes_here.h"
#include "limits.h"
#include "publish.h"
#include "wake.h"

typedef struct PendingReady
{
	AjLaneKey	lane;
	AjPlace		first;
	struct PendingReady *next;
} PendingReady;

typedef struct PendingNotice
{
	AjNotice	notice;
	SubTransactionId subid;		/* that it belongs to */
	struct PendingNotice *next;
} PendingNotice;

typedef struct PendingCancel
{
	int64		job_id;
	SubTransactionId subid;
	struct PendingCancel *next;
} PendingCancel;

/* notes of the current transaction, in TopTransactionContext */
static PendingReady *pending_ready = NULL;
static bool pending_reset = false;	/* all lanes, at commit */
static bool pending_reset_abort = false;	/* all lanes, if rolled back */
static bool pending_look = false;	/* the coordinator shall look for itself */
static uint32 pending_flow = 0; /* AJ_FLOW_*: the coordinator shall look at
								 * what waits */
static TimestampTz pending_wake = DT_NOEND; /* the first of it to wake */
static bool pending_chains = false; /* ends of jobs are to be emitted */
static bool pending_announce = false;
static uint64 pending_external = 0; /* queues with new external jobs */
static PendingCancel *pending_cancels = NULL;
static PendingNotice *pending_notices = NULL;
static PendingNotice **pending_notices_end = &pending_notices;
static bool pending_any = false;

static void
forget_all(void)
{
	pending_ready = NULL;
	pending_reset = false;
	pending_reset_abort = false;
	pending_look = false;
	pending_flow = 0;
	pending_wake = DT_NOEND;
	pending_chains = false;
	pending_announce = false;
	pending_external = 0;
	pending_cancels = NULL;
	pending_notices = NULL;
	pending_notices_end = &pending_notices;
	pending_any = false;
}

static void
wake_xact_callback(XactEvent event, void *arg)
{
	if (!pending_any)
		return;

	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (aj_shared != NULL)
			{
				TimestampTz now = pending_ready ? GetCurrentTimestamp() : 0;

				if (pending_reset)
					aj_lanes_reset(MyDatabaseId);
				for (PendingReady *r = pending_ready; r; r = r->next)
				{
					aj_lane_ready(&r->lane, r->first);

					/* what isn't due yet needs the coordinator's alarm */
					if (r->first.run_at <= now)
						(void) aj_wake_for_job(MyDatabaseId, r->lane.owner);
					else
						pending_look = true;
				}
				for (PendingCancel *c = pending_cancels; c; c = c->next)
					(void) aj_signal_cancel(MyDatabaseId, c->job_id);
				for (PendingNotice *n = pending_notices; n; n = n->next)
				{
					aj_publish_nowait(&n->notice);
					if (AJ_STATE_IS_FINAL(n->notice.state))
						aj_wake_waiters(n->notice.job_id);
				}
				if (pending_announce)
				{
					LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
					(void) aj_database_want(MyDatabaseId);
					LWLockRelease(aj_shared->lock);
					aj_wake_launcher();
				}
				if (pending_external)
					aj_external_announce(pending_external);
				if (pending_flow || pending_chains)
					aj_flow_changed(pending_flow, pending_wake, pending_chains);
				if (pending_look)
					aj_ask_coordinator(MyDatabaseId);
			}
			forget_all();
			break;

		case XACT_EVENT_ABORT:
			if (pending_reset_abort && aj_shared != NULL)
				aj_lanes_reset(MyDatabaseId);
			forget_all();
			break;

		case XACT_EVENT_PREPARE:
			/* an end of a job that nobody tells could not be found later */
			if (pending_chains)
				aj_flow_changed(0, DT_NOEND, true);
			forget_all();
			break;

		default:
			break;
	}
}

/*
 * What a savepoint did and was rolled back must not be told to listeners; what
 * it committed becomes its parent's.
 */
static void
wake_subxact_callback(SubXactEvent event, SubTransactionId subid,
					  SubTransactionId parent, void *arg)
{
	PendingNotice **notice = &pending_notices;
	PendingCancel **cancel = &pending_cancels;

	if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		for (PendingNotice *n = pending_notices; n; n = n->next)
			if (n->subid == subid)
				n->subid = parent;
		for (PendingCancel *c = pending_cancels; c; c = c->next)
			if (c->subid == subid)
				c->subid = parent;
	}
	else if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		while (*notice != NULL)
		{
			if ((*notice)->subid == subid)
				*notice = (*notice)->next;
			else
				notice = &(*notice)->next;
		}
		pending_notices_end = notice;
		while (*cancel != NULL)
		{
			if ((*cancel)->subid == subid)
				*cancel = (*cancel)->next;
			else
				cancel = &(*cancel)->next;
		}
	}
}

void
aj_wake_install(void)
{
	RegisterSubXactCallback(wake_subxact_callback, NULL);
	RegisterXactCallback(wake_xact_callback, NULL);
}

/*
 * A job is queued, or several of which this is the first in its lane.
 */
void
aj_at_commit_job_ready(Oid owner, int32 queue_id, int priority,
					   TimestampTz run_at, int64 id)
{
	AjLaneKey	lane = {MyDatabaseId, owner, queue_id, priority};
	AjPlace		place = {run_at, id};
	PendingReady *ready;

	aj_lanes_here_ready(&lane, place);
	pending_any = true;
	pending_look |= aj_limits_known(queue_id);	/* it may need a place */
	for (ready = pending_ready; ready; ready = ready->next)
	{
		if (memcmp(&ready->lane, &lane, sizeof(lane)) == 0)
		{
			if (aj_place_before(place, ready->first))
				ready->first = place;
			pending_look = true;	/* one worker may be too few */
			return;
		}
	}
	ready = MemoryContextAlloc(TopTransactionContext, sizeof(PendingReady));
	ready->lane = lane;
	ready->first = place;
	ready->next = pending_ready;
	pending_ready = ready;
}

/*
 * Queued jobs were locked or moved: where the first job of a lane stands has
 * to be found out again, at commit only if moved, after a rollback always.
 */
void
aj_at_end_reset_lanes(bool moved)
{
	if (moved)
		aj_lanes_here_reset();
	pending_any = true;
	pending_reset |= moved;
	pending_look |= moved;
	pending_reset_abort = true;
}

/* A queue has a new job for external workers. */
void
aj_at_commit_external(int32 queue_id)
{
	pending_external |= AJ_QUEUE_BIT(queue_id);
	pending_any = true;
}

/* A running job is to be stopped. */
void
aj_at_commit_cancel(int64 job_id)
{
	PendingCancel *cancel = MemoryContextAlloc(TopTransactionContext,
											   sizeof(PendingCancel));

	cancel->job_id = job_id;
	cancel->subid = GetCurrentSubTransactionId();
	cancel->next = pending_cancels;
	pending_cancels = cancel;
	pending_any = true;
}

/* The state of a job changed outside of its worker. */
void
aj_at_commit_changed(int64 job_id, int seq, AjState state, int step_no,
					 int step_count, const char *session)
{
	PendingNotice *pending = MemoryContextAllocZero(TopTransactionContext,
													sizeof(PendingNotice));

	aj_notice_fill(&pending->notice, job_id, seq, state, step_no, step_count,
				   session);
	pending->subid = GetCurrentSubTransactionId();
	*pending_notices_end = pending;
	pending_notices_end = &pending->next;
	pending_any = true;
}

/*
 * The extension was created.  A template database is not served, as at the
 * launcher's start: a coordinator in it would be in the way of CREATE DATABASE.
 */
void
aj_at_commit_announce(void)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID,
										ObjectIdGetDatum(MyDatabaseId));
	bool		template = HeapTupleIsValid(tuple) &&
	((Form_pg_database) GETSTRUCT(tuple))->datistemplate;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	if (template)
		return;
	pending_any = true;
	pending_announce = true;
}

/* Something else changed that the coordinator should look at. */
void
aj_at_commit_look(void)
{
	pending_any = true;
	pending_look = true;
}

/* Jobs began to wait, or events were emitted. */
void
aj_at_commit_flow(void)
{
	pending_any = true;
	pending_flow |= AJ_FLOW_WAITS;
}

/* A job began to wait, till then at most; 0 if it waits for ever. */
void
aj_at_commit_wait(TimestampTz wake_at)
{
	aj_at_commit_flow();
	if (wake_at != 0 && wake_at < pending_wake)
		pending_wake = wake_at;
}

/* A child of a job was ended by another process than its worker. */
void
aj_at_commit_child_ended(void)
{
	pending_any = true;
	pending_flow |= AJ_FLOW_CHILD_ENDED;
}

/* From now on ends of jobs are events that somebody wants. */
void
aj_at_commit_chains(void)
{
	pending_any = true;
	pending_chains = true;
}

/* The same at once; what it is about is committed. */
void
aj_flow_changed(uint32 flow, TimestampTz wake_at, bool chains)
{
	AjDatabase *db;

	if (aj_shared == NULL)
		return;
	LWLockAcquire(aj_shared->lock, LW_SHARED);
	db = aj_database_find(MyDatabaseId);
	if (db != NULL)
	{
		uint64		first = pg_atomic_read_u64(&db->wake_at);

		while (wake_at < (TimestampTz) first &&
			   !pg_atomic_compare_exchange_u64(&db->wake_at, &first,
											   (uint64) wake_at))
			;
		pg_atomic_fetch_or_u32(&db->flow, flow);
		if (chains)
			pg_atomic_write_u32(&db->chains, 1);
	}
	LWLockRelease(aj_shared->lock);
	aj_ask_coordinator(MyDatabaseId);
}
