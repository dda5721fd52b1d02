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

#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "publish.h"
#include "wake.h"

#define MAX_OWNERS	8

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
static Oid	pending_owners[MAX_OWNERS];
static int	npending_owners = 0;
static bool pending_look = false;	/* the coordinator shall look for itself */
static bool pending_announce = false;
static PendingCancel *pending_cancels = NULL;
static PendingNotice *pending_notices = NULL;
static PendingNotice **pending_notices_end = &pending_notices;
static bool pending_any = false;

static void
forget_all(void)
{
	npending_owners = 0;
	pending_look = false;
	pending_announce = false;
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
				for (int i = 0; i < npending_owners; i++)
					(void) aj_wake_for_job(MyDatabaseId, pending_owners[i]);
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
				if (pending_look)
					aj_ask_coordinator(MyDatabaseId);
			}
			forget_all();
			break;

		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
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

/* A job of this role is queued. */
void
aj_at_commit_job_ready(Oid owner, TimestampTz run_at)
{
	pending_any = true;
	if (run_at > GetCurrentTimestamp())
	{
		/* not for a worker yet; the coordinator sets its alarm */
		pending_look = true;
		return;
	}
	for (int i = 0; i < npending_owners; i++)
	{
		if (pending_owners[i] == owner)
			return;
	}
	if (npending_owners < MAX_OWNERS)
		pending_owners[npending_owners++] = owner;
	else
		pending_look = true;
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
