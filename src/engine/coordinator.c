/*-------------------------------------------------------------------------
 *
 * coordinator.c
 *		The process that keeps one database's queue going.
 *
 * It keeps time (jobs that fall due), starts workers where roles have ready
 * jobs (staff.c), gives back the jobs of workers that died, buries jobs of
 * dropped roles, runs suspects of a server crash alone (suspects.c), and
 * publishes notices.  It runs no user code.
 *
 * Each round is a few short transactions, begun by a share lock on the
 * extension, so that DROP EXTENSION waits for milliseconds and the next round
 * finds it gone.  Between rounds there is no transaction and no snapshot.
 *
 * Everybody's jobs depend on it, so it waits for no row that a session may have
 * locked (SKIP LOCKED, and a look again at a poll), and an error in one part of a
 * round ends that part only.  One in giving back jobs or in running suspects
 * ends the process, and the next one begins with that.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "commands/dbcommands.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/spin.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "chores.h"
#include "coordinator.h"
#include "dag.h"
#include "events.h"
#include "extension.h"
#include "external.h"
#include "guc.h"
#include "lanes.h"
#include "limits.h"
#include "pause.h"
#include "publish.h"
#include "queue.h"
#include "queue_event.h"
#include "schedule_chore.h"
#include "scope.h"
#include "shmem.h"
#include "staff.h"
#include "suspects.h"

#define SHUTDOWN_MS			30
#define ORPHANS_AGAIN_MS	250 /* what a session holds locked may be free */
#define AFTER_ERROR_MS		1000

AjDatabase *aj_my_db = NULL;
static int64 counted_from = 0;	/* loss of workers with lower ids is free */
static TimestampTz orphans_again = 0;	/* 0: none are left */
static bool external_news = false;
static bool ours = false;		/* not a copy's */
static MemoryContext round_context;
static List *ready_owners = NIL;	/* in round_context */
static TimestampTz publish_after = 0;

static void
coordinator_exit(int code, Datum arg)
{
	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	aj_my_db->proc = NULL;
	aj_my_db->pid = 0;
	if (aj_my_db->state == AJ_DB_RUNNING || aj_my_db->state == AJ_DB_STARTING)
		aj_my_db->state = aj_my_db->evicting > 0 || code == 0 ?
			AJ_DB_WANTED : aj_my_db->state;
	if (aj_shared->alone_mode != AJ_ALONE_NONE &&
		aj_shared->alone_db == aj_my_db->dbid)
		aj_shared->alone_mode = AJ_ALONE_NONE;
	if (aj_shared->launcher)
		SetLatch(&aj_shared->launcher->procLatch);
	LWLockRelease(aj_shared->lock);
}

/* The extension isn't here: go, and don't come back before it does. */
pg_noreturn static void leave_for_good(void) AJ_NORETURN;

static void
leave_for_good(void)
{
	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	aj_my_db->state = AJ_DB_ABSENT;
	for (int i = 0; i < aj_shared->nslots; i++)
	{
		AjWorkerSlot *slot = &aj_shared->slots[i];

		if (slot->state != AJ_SLOT_FREE && slot->dbid == aj_my_db->dbid)
		{
			slot->leave = true;
			if (slot->proc)
				SetLatch(&slot->proc->procLatch);
			if (slot->state == AJ_SLOT_DEAD)
				slot->state = AJ_SLOT_FREE;
		}
	}
	LWLockRelease(aj_shared->lock);
	aj_lanes_empty(aj_my_db->dbid);
	aj_schedule_leave();
	proc_exit(0);
}

/* The database isn't named in asyncjob.databases, or no longer. */
static void
leave_if_unlisted(void)
{
	bool		listed;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	listed = aj_database_listed(get_database_name(MyDatabaseId));
	CommitTransactionCommand();
	if (!listed)
		leave_for_good();
}

/*
 * Begin a transaction that may touch the queue.
 */
void
aj_coordinator_begin(AjScope *scope)
{
	if (!aj_scope_begin(scope))
		leave_for_good();
}

/*
 * Give back the jobs of all workers that are no more, and mark those that were
 * running when the server crashed.  Those whose rows a session holds locked
 * are left for later.  lost says that a worker was lost just now; the first
 * time the server may have been restarted.
 *
 * When the server is shut down, workers may go before the signal has reached
 * us.  That must be charged to nobody, so give it a moment to arrive.
 */
static void
requeue_orphans(bool lost)
{
	bool		left;
	AjSuspect  *suspects;
	int			nsuspects = aj_suspects_note(&suspects);
	int64	   *living = palloc((aj_shared->nslots + nsuspects) * sizeof(int64));
	int			n = 0;
	int64		limit;
	int			count;
	AjScope		scope;

	if (lost && counted_from != 0)
	{
		(void) WaitLatch(MyLatch, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 SHUTDOWN_MS, PG_WAIT_EXTENSION);
		CHECK_FOR_INTERRUPTS();
	}

	LWLockAcquire(aj_shared->lock, LW_SHARED);
	limit = (int64) pg_atomic_read_u64(&aj_shared->next_worker_id);
	for (int i = 0; i < aj_shared->nslots; i++)
	{
		AjWorkerSlot *slot = &aj_shared->slots[i];

		if (slot->pid != 0 && slot->dbid == aj_my_db->dbid)
			living[n++] = slot->worker_id;
	}
	LWLockRelease(aj_shared->lock);
	for (int i = 0; i < nsuspects; i++)
		living[n++] = suspects[i].worker_id;
	if (counted_from == 0)
		counted_from = limit;

	aj_coordinator_begin(&scope);
	count = aj_queue_requeue_orphans(living, n, limit, counted_from, &left);
	aj_scope_commit(&scope);
	orphans_again = left || nsuspects > 0 ?
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ORPHANS_AGAIN_MS) : 0;
	/* a lost worker may have had queued jobs locked */
	if (lost || count > 0)
		aj_lanes_reset(aj_my_db->dbid);
	if (count > 0)
		ereport(LOG,
				(errmsg("asyncjob gave back %d jobs of lost workers", count)));
}

/* ---------- rounds ---------- */

/*
 * Look for jobs that nobody announced, and for ended branches that nobody
 * noticed, each poll interval; less often where dead entries make that slow.
 */
static void
find_lanes(void)
{
	static TimestampTz last = 0;
	static long took = 0;
	TimestampTz start = GetCurrentTimestamp();

	/* the interval may have been lowered since */
	bool		due = TimestampDifferenceExceeds(last, start,
												 Max(aj_guc_poll_interval, 50 * took));

	if (aj_dag_sweep_wanted() || due)
		aj_dag_sweep(InvalidOid);
	if (!due)
		return;
	aj_queue_find_lanes();
	last = GetCurrentTimestamp();
	took = TimestampDifferenceMilliseconds(start, last);
}

/* How long it is to a time, 0 or DT_NOEND for never. */
static long
ms_until(TimestampTz next)
{
	TimestampTz now = GetCurrentTimestamp();

	return next == 0 || next == DT_NOEND ? aj_guc_poll_interval :
		next <= now ? 0 :
		TimestampDifferenceMilliseconds(now, next) + 1;
}

/* ---------- parts of a round ---------- */

/*
 * Whose jobs these are.  Before any of ours is run, the workers have to know
 * whether somebody wants to hear of its end: a restart forgets that.
 */
static long
tend_origin(void)
{
	bool		is_ours = aj_origin_is_ours();

	if (is_ours && !ours && aj_queue_chains_wanted())
		pg_atomic_write_u32(&aj_my_db->chains, 1);
	ours = is_ours;
	return aj_guc_poll_interval;
}

/* Places of queues with limits. */
static long
tend_places(void)
{
	TimestampTz next;

	aj_limits_round(&next);
	return ms_until(next);
}

/* Leases of external workers. */
static long
tend_leases(void)
{
	return aj_external_round(aj_my_db, &external_news);
}

static bool
leases_news(void)
{
	return pg_atomic_read_u64(&aj_my_db->external) != 0;
}

/* Waits, events, the ends of jobs that belong to others. */
static long
tend_flow(void)
{
	return ms_until(aj_flow_round(aj_my_db));
}

static bool
flow_news(void)
{
	return pg_atomic_read_u32(&aj_my_db->flow) != 0 || aj_pauses_may_have_changed();
}

/*
 * Whose jobs these are; jobs that nobody announced, and those of dropped roles;
 * and who has ready ones.
 */
static long
tend_lanes(void)
{
	MemoryContext context = CurrentMemoryContext;
	TimestampTz next_due = 0;

	MemoryContextSwitchTo(round_context);
	ready_owners = NIL;
	(void) tend_origin();
	if (ours && aj_guc_enabled)
	{
		int			buried;

		find_lanes();
		buried = aj_queue_bury_ownerless();
		if (buried > 0)
			ereport(LOG,
					(errmsg("asyncjob made %d jobs of dropped roles dead letters",
							buried)));
		ready_owners = aj_queue_ready_owners(&next_due);
	}
	MemoryContextSwitchTo(context);
	return ms_until(next_due);
}

/*
 * A part is done when its time has come, or there is news for it; where it
 * failed, not before it has rested.  Only where these jobs are ours.
 */
static struct Part
{
	long		(*work) (void); /* returns ms to wait before the next time */
	bool		(*news) (void);
	TimestampTz next;
	TimestampTz rests_until;	/* 0: the last time it didn't fail */
}			parts[] =

{
	{
		.work = tend_places,.news = aj_limits_may_be
	},
	{
		.work = tend_leases,.news = leases_news
	},
	{
		.work = tend_flow,.news = flow_news
	},
};

/*
 * Do a part, in a transaction of its own: an error, of which one role's job may
 * be the cause, must not keep others' from running.  Returns how long to wait
 * before the next time, at most, or -1 after an error.
 */
static long
tend(long (*work) (void))
{
	MemoryContext context = CurrentMemoryContext;
	volatile long wait_ms = -1;

	PG_TRY();
	{
		AjScope		scope;

		aj_coordinator_begin(&scope);
		wait_ms = work();
		aj_scope_commit(&scope);
	}
	PG_CATCH();
	{
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
		wait_ms = -1;
		if (work == tend_flow)
			aj_flow_failed();
		else if (work == tend_leases)
			aj_external_failed(aj_my_db);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CHECK_FOR_INTERRUPTS();
	return wait_ms;
}

/* Do the parts that are to be done.  Returns how long to wait. */
static long
tend_parts(void)
{
	long		wait_ms = aj_guc_poll_interval;

	for (int i = 0; i < lengthof(parts); i++)
	{
		struct Part *part = &parts[i];
		TimestampTz now = GetCurrentTimestamp();

		if (part->rests_until <= now && (part->next <= now || part->news()))
		{
			long		ms = tend(part->work);
			bool		failed = ms < 0;

			/* at each poll, for what nobody told */
			ms = failed ? AFTER_ERROR_MS : Min(ms, aj_guc_poll_interval);
			part->next = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);
			part->rests_until = failed ? part->next : 0;
		}
		wait_ms = Min(wait_ms, ms_until(Max(part->next, part->rests_until)));
	}
	if (external_news)
		aj_external_wake_waiters();
	external_news = false;
	return wait_ms;
}

/*
 * Look at the queue: bury, feed, and find out when to look again.
 */
static long
tend_queue(void)
{
	ListCell   *cell;
	long		wait_ms = aj_guc_poll_interval,
				lanes_ms;

	round_context = CurrentMemoryContext;
	if (ours && aj_guc_enabled)
		wait_ms = tend_parts();
	lanes_ms = tend(tend_lanes);
	wait_ms = Min(wait_ms, lanes_ms < 0 ? AFTER_ERROR_MS : lanes_ms);

	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	aj_my_db->paused = !ours;
	LWLockRelease(aj_shared->lock);

	/* that transaction may have heard of something for the others */
	for (int i = 0; i < lengthof(parts) && ours && aj_guc_enabled; i++)
	{
		if (parts[i].rests_until == 0 &&
			(parts[i].work == tend_places ? aj_limits_stale() : parts[i].news()))
			wait_ms = 0;
	}

	aj_staff_shed();
	foreach(cell, ready_owners)
	{
		long		feed_ms = aj_staff_feed(lfirst(cell));

		wait_ms = Min(wait_ms, feed_ms);
	}
	ready_owners = NIL;
	return Max(wait_ms, 0);
}

/*
 * Send notices.  That may fail when the server's queue of notifications is
 * full, because somebody listens who doesn't read; then they are lost, and
 * that is what is told next.
 */
static void
publish(void)
{
	PG_TRY();
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		XactIsoLevel = XACT_READ_COMMITTED;
		/* notices don't outlive the server: no flush of WAL for them */
		aj_commit_durably(false);
		aj_publish_send(aj_my_db);
		aj_publish_commit();
	}
	PG_CATCH();
	{
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
		SpinLockAcquire(&aj_my_db->mutex);
		aj_my_db->lost = true;
		SpinLockRelease(&aj_my_db->mutex);
		publish_after = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													AFTER_ERROR_MS);
	}
	PG_END_TRY();
}

static bool
evicted(void)
{
	bool		out;

	LWLockAcquire(aj_shared->lock, LW_SHARED);
	out = aj_my_db->evicting > 0;
	LWLockRelease(aj_shared->lock);
	return out;
}

void
aj_coordinator_main(Datum arg)
{
	Oid			dbid;
	MemoryContext context;
	TimestampTz next_look = 0;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGINT, PG_SIG_IGN);	/* pg_cancel_backend(): nothing to cancel */
	pqsignal(SIGTERM, die);
	memcpy(&dbid, MyBgworkerEntry->bgw_extra, sizeof(dbid));

	aj_my_db = &aj_shared->databases[DatumGetInt32(arg)];
	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	if (aj_my_db->dbid != dbid || aj_my_db->state != AJ_DB_STARTING ||
		aj_my_db->pid != 0)
	{
		LWLockRelease(aj_shared->lock);
		proc_exit(0);
	}
	aj_my_db->pid = MyProcPid;
	aj_my_db->proc = MyProc;
	LWLockRelease(aj_shared->lock);
	before_shmem_exit(coordinator_exit, (Datum) 0);
	BackgroundWorkerUnblockSignals();
	ConfigReloadPending = true; /* one may have been missed, see worker.c */

	/* as the bootstrap superuser; statements run as the tables' owner */
	BackgroundWorkerInitializeConnectionByOid(dbid, InvalidOid, 0);

	aj_staff_init();
	context = AllocSetContextCreate(TopMemoryContext, "asyncjob coordinator",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	pgstat_report_appname("asyncjob coordinator");

	leave_if_unlisted();

	/* what follows may wait for a DROP EXTENSION; the launcher needn't */
	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	aj_my_db->state = AJ_DB_RUNNING;
	if (aj_shared->launcher)
		SetLatch(&aj_shared->launcher->procLatch);
	LWLockRelease(aj_shared->lock);

	requeue_orphans(true);

	for (;;)
	{
		long		wait_ms;
		TimestampTz now;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(context);
		MemoryContextReset(context);
		if (evicted())
			proc_exit(0);
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			leave_if_unlisted();
			MemoryContextSwitchTo(context);
			for (int i = 0; i < lengthof(parts); i++)
				parts[i].next = 0;
			next_look = 0;
		}

		if (pg_atomic_exchange_u32(&aj_my_db->orphans, 0) != 0)
		{
			if (aj_staff_reap())
				requeue_orphans(true);
			next_look = 0;
		}
		now = GetCurrentTimestamp();
		if (pg_atomic_exchange_u32(&aj_my_db->work, 0) != 0 || next_look <= now)
		{
			long		alone_ms = AJ_GATHER_AGAIN_MS;
			bool		lost = aj_staff_reap();

			if (lost || (orphans_again != 0 && orphans_again <= now))
				requeue_orphans(lost);
			if (!ours)
				(void) tend(tend_origin);
			/* first, so that nobody begins a long job just before */
			if (ours && aj_guc_enabled)
				alone_ms = aj_suspects_tend();
			/* Min() would do what it compares twice */
			wait_ms = tend_queue();
			wait_ms = Min(wait_ms, alone_ms);
			if (!aj_my_db->paused)
			{
				long		chores_ms = aj_chores();

				wait_ms = Min(wait_ms, chores_ms);
			}
			if (orphans_again != 0)
				wait_ms = Min(wait_ms, ORPHANS_AGAIN_MS);
			next_look = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), wait_ms);
		}

		now = GetCurrentTimestamp();
		wait_ms = next_look <= now ? 0 :
			TimestampDifferenceMilliseconds(now, next_look) + 1;
		if (now < publish_after)
			wait_ms = Min(wait_ms, TimestampDifferenceMilliseconds(now, publish_after) + 1);
		else if (aj_publish_pending(aj_my_db, &wait_ms))
		{
			publish();
			MemoryContextSwitchTo(context);
		}
		pgstat_report_stat(true);
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 wait_ms, PG_WAIT_EXTENSION);
	}
}
