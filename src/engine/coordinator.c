/*-------------------------------------------------------------------------
 *
 * coordinator.c
 *		The process that keeps one database's queue going.
 *
 * It keeps time (jobs that fall due), starts workers where roles have ready
 * jobs, gives back the jobs of workers that died, buries jobs of dropped
 * roles, runs suspects of a server crash alone, and publishes notices.  It
 * runs no user code.
 *
 * Each round is a few short transactions, begun by a share lock on the
 * extension, so that DROP EXTENSION waits for milliseconds and the next round
 * finds it gone.  Between rounds there is no transaction and no snapshot.
 *
 * Who gets a worker: of the roles with ready jobs, those whose best job ranks
 * higher come first.  A role has at most as many workers as it can feed: one
 * is started in a round if none of the role's is idle.  When all of
 * asyncjob.max_workers are taken, an idle worker of another role is told to
 * leave; if there is none, a busy one of another role is told to leave after
 * its job, where the waiting job ranks higher than that one and its role has
 * no worker, or has waited for a second (then a worker that came less than a
 * second ago stays, and roles settle at equal shares).  The place is kept for
 * the role that asked.
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
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "chores.h"
#include "coordinator.h"
#include "crashfile.h"
#include "dag.h"
#include "events.h"
#include "extension.h"
#include "external.h"
#include "guc.h"
#include "lanes.h"
#include "limits.h"
#include "publish.h"
#include "queue.h"
#include "registration.h"
#include "schedule_chore.h"
#include "scope.h"
#include "shmem.h"
#include "worker.h"

#define SHUTDOWN_MS			30
#define START_GRACE_MS		10000	/* a process must have started by then */
#define YIELD_AFTER_MS		1000	/* a role that waited so long gets a slot */
#define LINGERS_AFTER_MS	20	/* a worker idle for so long has no work */
#define GATHER_MS			5000	/* wait for others before running alone */
#define GATHER_AGAIN_MS		30000
#define ROLE_REST_MIN_MS	1000	/* after a worker could not connect */
#define ROLE_REST_MAX_MS	10000

/* A role whose workers can't connect is left alone for a while. */
typedef struct RoleRest
{
	Oid			role;			/* key */
	TimestampTz until;
	int			ms;
} RoleRest;

static AjDatabase *my_db = NULL;
static BackgroundWorkerHandle **handles = NULL; /* by slot, ours alone */
static HTAB *resting = NULL;
static TimestampTz next_gathering = 0;
static bool first_round = true;

static void
coordinator_exit(int code, Datum arg)
{
	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	my_db->proc = NULL;
	my_db->pid = 0;
	if (my_db->state == AJ_DB_RUNNING || my_db->state == AJ_DB_STARTING)
		my_db->state = my_db->evicting > 0 || code == 0 ?
			AJ_DB_WANTED : my_db->state;
	if (aj_shared->alone_mode != AJ_ALONE_NONE &&
		aj_shared->alone_db == my_db->dbid)
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
	my_db->state = AJ_DB_ABSENT;
	for (int i = 0; i < aj_shared->nslots; i++)
	{
		AjWorkerSlot *slot = &aj_shared->slots[i];

		if (slot->state != AJ_SLOT_FREE && slot->dbid == my_db->dbid)
		{
			slot->leave = true;
			if (slot->proc)
				SetLatch(&slot->proc->procLatch);
			if (slot->state == AJ_SLOT_DEAD)
				slot->state = AJ_SLOT_FREE;
		}
	}
	LWLockRelease(aj_shared->lock);
	aj_lanes_empty(my_db->dbid);
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
static void
begin(AjScope *scope)
{
	if (!aj_scope_begin(scope))
		leave_for_good();
}

/* ---------- the dead ---------- */

static void
rest_role(Oid role)
{
	bool		found;
	RoleRest   *rest = hash_search(resting, &role, HASH_ENTER, &found);

	rest->ms = found ? Min(rest->ms * 2, ROLE_REST_MAX_MS) : ROLE_REST_MIN_MS;
	rest->until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), rest->ms);
}

/*
 * Free the slots of workers that died or never came, remembering the roles
 * whose workers could not connect.  Returns whether jobs may be orphaned.
 */
static bool
reap_slots(void)
{
	TimestampTz now = GetCurrentTimestamp();
	Oid		   *failed = palloc(aj_shared->nslots * sizeof(Oid));
	int			nfailed = 0;
	bool		orphans = false;

	for (int i = 0; i < aj_shared->nslots; i++)
	{
		AjWorkerSlot *slot = &aj_shared->slots[i];
		bool		stopped = false;
		pid_t		pid;

		if (handles[i] != NULL &&
			GetBackgroundWorkerPid(handles[i], &pid) == BGWH_STOPPED)
		{
			stopped = true;
			pfree(handles[i]);
			handles[i] = NULL;
		}

		LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
		if (slot->dbid == my_db->dbid)
		{
			/* registered, but the process never reached its slot */
			if (slot->state == AJ_SLOT_STARTING && slot->pid == 0 &&
				(stopped || TimestampDifferenceExceeds(slot->since, now,
													   START_GRACE_MS)))
			{
				slot->state = AJ_SLOT_DEAD;
				slot->generation++;
			}
			if (slot->state == AJ_SLOT_DEAD)
			{
				if (!slot->connected)
					failed[nfailed++] = slot->roleid;
				orphans |= slot->job_id != 0;
				slot->state = AJ_SLOT_FREE;
				slot->job_id = 0;
			}
		}
		LWLockRelease(aj_shared->lock);
	}
	for (int i = 0; i < nfailed; i++)
		rest_role(failed[i]);
	pfree(failed);
	return orphans;
}

/*
 * Give back the jobs of all workers that are no more.
 *
 * When the server is shut down, workers may go before the signal has reached
 * us.  That must be charged to nobody, so give it a moment to arrive.
 */
static void
requeue_orphans(void)
{
	int64	   *living = palloc(aj_shared->nslots * sizeof(int64));
	int			n = 0;
	int64		limit;
	int			count;
	AjScope		scope;

	if (!first_round)
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

		if (slot->pid != 0 && slot->dbid == my_db->dbid)
			living[n++] = slot->worker_id;
	}
	LWLockRelease(aj_shared->lock);

	begin(&scope);
	count = aj_queue_requeue_orphans(living, n, limit, first_round);
	aj_scope_commit(&scope);
	aj_lanes_reset(my_db->dbid);
	if (count > 0)
		ereport(LOG,
				(errmsg("asyncjob gave back %d jobs of lost workers", count)));
}

/* Note in the queue who was running when the server crashed. */
static void
note_suspects(void)
{
	AjSuspect  *suspects;
	int			n = aj_crashfile_suspects(my_db->dbid, &suspects);
	AjScope		scope;

	if (n == 0)
		return;
	begin(&scope);
	for (int i = 0; i < n; i++)
	{
		int			crashes = suspects[i].crashes + (suspects[i].alone ? 1 : 0);

		aj_queue_mark_suspect(suspects[i].job_id, suspects[i].worker_id,
							  crashes, crashes >= aj_guc_crash_limit);
	}
	aj_scope_commit(&scope);
	for (int i = 0; i < n; i++)
	{
		ereport(LOG,
				(errmsg("job " INT64_FORMAT " was running when the server crashed",
						suspects[i].job_id),
				 errdetail("It runs alone from now on and becomes a dead letter after %d crashes.",
						   aj_guc_crash_limit)));
		aj_crashfile_forget(&suspects[i]);
	}
}

/* ---------- workers ---------- */

static int
count_workers(Oid dbid, Oid role, AjSlotState state, bool any_state)
{
	int			n = 0;

	for (int i = 0; i < aj_shared->nslots; i++)
	{
		AjWorkerSlot *slot = &aj_shared->slots[i];

		if (slot->state != AJ_SLOT_FREE &&
			(any_state || slot->state == state) &&
			(!OidIsValid(dbid) || slot->dbid == dbid) &&
			(!OidIsValid(role) || slot->roleid == role))
			n++;
	}
	return n;
}

/*
 * Is a slot kept for another role?  The caller holds the lock.
 */
static bool
promised_to_other(Oid role)
{
	return aj_shared->promised_until > GetCurrentTimestamp() &&
		(aj_shared->promised_db != my_db->dbid ||
		 aj_shared->promised_role != role);
}

/*
 * Make room for a role: tell a worker of another role to leave, and keep its
 * slot for the one that asked.  The caller holds the lock.
 *
 * Starting a process costs as much as hundreds of short jobs, so a worker
 * that has work keeps its slot for a while, and roles that all have work
 * settle at equal shares instead of chasing each other.
 */
static void
ask_for_slot(const AjReadyOwner *owner)
{
	AjWorkerSlot *victim = NULL;
	TimestampTz now = GetCurrentTimestamp();
	bool		waited = TimestampDifferenceExceeds(owner->run_at, now,
													YIELD_AFTER_MS);
	int			mine = count_workers(my_db->dbid, owner->role, AJ_SLOT_FREE, true);

	if (aj_shared->promised_until > now)
		return;					/* one is about to go */
	for (int i = 0; i < aj_shared->nslots; i++)
	{
		AjWorkerSlot *slot = &aj_shared->slots[i];
		bool		outranked;

		if (slot->state != AJ_SLOT_IDLE && slot->state != AJ_SLOT_BUSY)
			continue;
		if (slot->leave ||
			(slot->dbid == my_db->dbid && slot->roleid == owner->role))
			continue;

		/* between two jobs a worker is idle for a moment too */
		if (slot->state == AJ_SLOT_IDLE &&
			TimestampDifferenceExceeds(slot->since, now, LINGERS_AFTER_MS))
		{
			victim = slot;
			break;
		}
		outranked = slot->state == AJ_SLOT_BUSY && mine == 0 &&
			slot->priority < owner->priority;
		if (!outranked &&
			!(waited &&
			  TimestampDifferenceExceeds(slot->arrived, now, YIELD_AFTER_MS) &&
			  (mine == 0 ||
			   count_workers(slot->dbid, slot->roleid, AJ_SLOT_FREE, true) > mine + 1)))
			continue;
		if (victim == NULL || slot->arrived < victim->arrived)
			victim = slot;
	}
	if (victim != NULL)
	{
		victim->leave = true;
		aj_shared->promised_db = my_db->dbid;
		aj_shared->promised_role = owner->role;
		aj_shared->promised_until = TimestampTzPlusMilliseconds(now, YIELD_AFTER_MS);
		if (victim->proc)
			SetLatch(&victim->proc->procLatch);
	}
}

/*
 * asyncjob.max_workers may have been lowered: idle workers go first, the
 * others after the job they have.
 */
static void
shed_workers(void)
{
	int			excess = -aj_guc_max_workers;

	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < aj_shared->nslots; i++)
		excess += aj_shared->slots[i].state != AJ_SLOT_FREE &&
			!aj_shared->slots[i].leave;
	for (int pass = AJ_SLOT_IDLE; pass <= AJ_SLOT_BUSY; pass++)
	{
		for (int i = 0; i < aj_shared->nslots && excess > 0; i++)
		{
			AjWorkerSlot *slot = &aj_shared->slots[i];

			if (slot->dbid != my_db->dbid || slot->leave ||
				(int) slot->state != pass)
				continue;
			slot->leave = true;
			if (slot->proc)
				SetLatch(&slot->proc->procLatch);
			excess--;
		}
	}
	LWLockRelease(aj_shared->lock);
}

static void
start_worker(const AjReadyOwner *owner)
{
	Oid			role = owner->role;
	AjWorkerExtra extra = {.dbid = my_db->dbid,.roleid = role};
	int			slot_no = -1;
	static bool warned = false;

	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < aj_shared->nslots; i++)
	{
		AjWorkerSlot *slot = &aj_shared->slots[i];

		if (slot->state == AJ_SLOT_FREE && handles[i] == NULL)
		{
			slot->state = AJ_SLOT_STARTING;
			slot->generation++;
			slot->dbid = my_db->dbid;
			slot->roleid = role;
			slot->worker_id = 0;
			slot->pid = 0;
			slot->proc = NULL;
			slot->since = GetCurrentTimestamp();
			slot->arrived = slot->since;
			slot->connected = false;
			slot->leave = false;
			slot->job_id = 0;
			slot->cancel_job = 0;
			extra.generation = slot->generation;
			slot_no = i;
			if (aj_shared->promised_db == my_db->dbid &&
				aj_shared->promised_role == role)
				aj_shared->promised_until = 0;
			break;
		}
	}
	LWLockRelease(aj_shared->lock);
	if (slot_no < 0)
		return;

	if (aj_start_process("aj_worker_main", "asyncjob worker",
						 psprintf("asyncjob worker %d", slot_no),
						 Int32GetDatum(slot_no), &extra, sizeof(extra),
						 &handles[slot_no]))
	{
		aj_shared->no_process = false;
		warned = false;
		return;
	}

	handles[slot_no] = NULL;
	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	aj_shared->slots[slot_no].state = AJ_SLOT_FREE;
	aj_shared->no_process = true;

	/* a lingering worker of another role may hold the process we lack */
	ask_for_slot(owner);
	LWLockRelease(aj_shared->lock);
	if (!warned)
		ereport(LOG,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("asyncjob is out of background worker slots"),
				 errdetail("Jobs stay queued until one is free."),
				 errhint("You might need to increase max_worker_processes or lower asyncjob.max_workers.")));
	warned = true;
}

/*
 * A role has ready jobs: see that it has a worker for them.  Returns how
 * long to wait before looking again.
 */
static long
feed_owner(const AjReadyOwner *owner)
{
	RoleRest   *rest = hash_search(resting, &owner->role, HASH_FIND, NULL);
	TimestampTz now = GetCurrentTimestamp();
	bool		start = false,
				idle = false,
				rivals = false,
				connected = false;

	if (rest != NULL && rest->until > now)
		return TimestampDifferenceMilliseconds(now, rest->until) + 1;

	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < aj_shared->nslots; i++)
	{
		AjWorkerSlot *slot = &aj_shared->slots[i];

		if (slot->dbid != my_db->dbid || slot->roleid != owner->role)
		{
			rivals |= slot->state != AJ_SLOT_FREE;
			continue;
		}
		connected |= slot->connected;
		if (slot->state == AJ_SLOT_STARTING)
			idle = true;
		if (slot->state == AJ_SLOT_IDLE && !slot->leave)
		{
			if (slot->proc)
				SetLatch(&slot->proc->procLatch);
			idle = true;
		}
	}
	if (!idle)
	{
		if (count_workers(InvalidOid, InvalidOid, AJ_SLOT_FREE, true) +
			(promised_to_other(owner->role) ? 1 : 0) <
			Min(aj_guc_max_workers, aj_shared->nslots))
			start = true;
		else
			ask_for_slot(owner);
	}
	LWLockRelease(aj_shared->lock);

	if (connected)
		(void) hash_search(resting, &owner->role, HASH_REMOVE, NULL);
	if (start)
		start_worker(owner);
	return rivals && !idle && !start ? 100 : 1000;
}

/*
 * Run a suspect alone.  Nothing is claimed anywhere in the cluster while we
 * gather; if the jobs that run now take too long, all go on and we try again
 * later.  Returns how long to wait before looking again.
 */
static long
tend_suspects(void)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		job;
	Oid			role = InvalidOid;
	AjScope		scope;
	bool		start = false;
	long		wait_ms = GATHER_AGAIN_MS;
	AjAloneMode mode;
	bool		mine;

	LWLockAcquire(aj_shared->lock, LW_SHARED);
	mode = aj_shared->alone_mode;
	mine = mode != AJ_ALONE_NONE && aj_shared->alone_db == my_db->dbid;
	LWLockRelease(aj_shared->lock);
	if (mode != AJ_ALONE_NONE && !mine)
		return 1000;
	if (mode == AJ_ALONE_NONE && now < next_gathering)
		return TimestampDifferenceMilliseconds(now, next_gathering) + 1;

	begin(&scope);
	job = aj_queue_next_suspect(0, &role);
	aj_scope_commit(&scope);

	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	switch (aj_shared->alone_mode)
	{
		case AJ_ALONE_NONE:
			if (job == 0)
				break;
			aj_shared->alone_mode = AJ_ALONE_GATHERING;
			aj_shared->alone_db = my_db->dbid;
			aj_shared->alone_until = TimestampTzPlusMilliseconds(now, GATHER_MS);
			/* FALLTHROUGH */

		case AJ_ALONE_GATHERING:
			wait_ms = 50;
			if (job == 0)
				aj_shared->alone_mode = AJ_ALONE_NONE;
			else if (count_workers(InvalidOid, InvalidOid, AJ_SLOT_BUSY, false) == 0)
			{
				aj_shared->alone_mode = AJ_ALONE_RUNNING;
				aj_shared->alone_job = job;
				aj_shared->alone_role = role;
				start = true;
			}
			else if (now >= aj_shared->alone_until)
			{
				aj_shared->alone_mode = AJ_ALONE_NONE;
				next_gathering = TimestampTzPlusMilliseconds(now, GATHER_AGAIN_MS);
			}
			break;

		case AJ_ALONE_RUNNING:

			/*
			 * It is over when the job is no suspect in waiting any more and
			 * nobody is busy with it.
			 */
			wait_ms = 50;
			if (job != aj_shared->alone_job &&
				count_workers(InvalidOid, InvalidOid, AJ_SLOT_BUSY, false) == 0)
				aj_shared->alone_mode = AJ_ALONE_NONE;
			else if (job == aj_shared->alone_job)
				start = true;
			role = aj_shared->alone_role;
			break;
	}
	if (aj_shared->alone_mode == AJ_ALONE_NONE)
	{
		/* all may claim again */
		for (int i = 0; i < aj_shared->nslots; i++)
		{
			AjWorkerSlot *slot = &aj_shared->slots[i];

			if (slot->state == AJ_SLOT_IDLE && slot->proc)
				SetLatch(&slot->proc->procLatch);
		}
	}
	LWLockRelease(aj_shared->lock);

	if (start)
	{
		AjReadyOwner owner = {.role = role,.priority = 10,.run_at = 0};

		(void) feed_owner(&owner);
	}
	return wait_ms;
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
	{
		while (aj_dag_sweep())
			;
	}
	if (!due)
		return;
	aj_queue_find_lanes();
	last = GetCurrentTimestamp();
	took = TimestampDifferenceMilliseconds(start, last);
}

/*
 * Look at the queue: bury, feed, and find out when to look again.
 */
static long
tend_queue(void)
{
	AjScope		scope;
	List	   *owners = NIL;
	ListCell   *cell;
	TimestampTz next_due = 0,
				next_wake = 0,
				now;
	long		wait_ms = aj_guc_poll_interval;
	bool		ours;
	bool		external = false;
	MemoryContext context = CurrentMemoryContext;

	begin(&scope);
	ours = aj_origin_is_ours();
	if (ours && aj_guc_enabled)
	{
		TimestampTz next;

		(void) aj_limits_round(&next);
		if (next != 0)
			wait_ms = Min(wait_ms, next <= GetCurrentTimestamp() ? 0 :
						  TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next) + 1);
		MemoryContextSwitchTo(context);
		wait_ms = Min(wait_ms, aj_external_round(my_db, &external));
		MemoryContextSwitchTo(context);
	}
	if (ours && aj_guc_enabled)
	{
		int			buried;

		find_lanes();
		buried = aj_queue_bury_ownerless();

		if (buried > 0)
			ereport(LOG,
					(errmsg("asyncjob made %d jobs of dropped roles dead letters",
							buried)));
		next_wake = aj_flow_round(my_db);
		MemoryContextSwitchTo(context);
		owners = aj_queue_ready_owners(&next_due);
	}
	aj_scope_commit(&scope);
	MemoryContextSwitchTo(context);
	if (external)
		aj_external_wake_waiters();

	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	my_db->paused = !ours;
	LWLockRelease(aj_shared->lock);

	shed_workers();
	now = GetCurrentTimestamp();
	foreach(cell, owners)
		wait_ms = Min(wait_ms, feed_owner(lfirst(cell)));
	if (next_wake != 0 && (next_due == 0 || next_wake < next_due))
		next_due = next_wake;
	if (next_due != 0)
		wait_ms = Min(wait_ms, next_due <= now ? 0 :
					  TimestampDifferenceMilliseconds(now, next_due) + 1);
	return Max(wait_ms, 0);
}

static void
publish(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	/* notices don't outlive the server: no flush of WAL for them */
	aj_commit_durably(false);
	aj_publish_send(my_db);
	CommitTransactionCommand();
}

static bool
evicted(void)
{
	bool		out;

	LWLockAcquire(aj_shared->lock, LW_SHARED);
	out = my_db->evicting > 0;
	LWLockRelease(aj_shared->lock);
	return out;
}

void
aj_coordinator_main(Datum arg)
{
	Oid			dbid;
	HASHCTL		ctl = {0};
	MemoryContext context;
	TimestampTz next_look = 0;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGINT, SIG_IGN);	/* pg_cancel_backend(): nothing to cancel */
	pqsignal(SIGTERM, die);
	memcpy(&dbid, MyBgworkerEntry->bgw_extra, sizeof(dbid));

	my_db = &aj_shared->databases[DatumGetInt32(arg)];
	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	if (my_db->dbid != dbid || my_db->state != AJ_DB_STARTING ||
		my_db->pid != 0)
	{
		LWLockRelease(aj_shared->lock);
		proc_exit(0);
	}
	my_db->pid = MyProcPid;
	my_db->proc = MyProc;
	LWLockRelease(aj_shared->lock);
	before_shmem_exit(coordinator_exit, (Datum) 0);
	BackgroundWorkerUnblockSignals();

	/* as the bootstrap superuser; statements run as the tables' owner */
	BackgroundWorkerInitializeConnectionByOid(dbid, InvalidOid, 0);

	handles = MemoryContextAllocZero(TopMemoryContext,
									 aj_shared->nslots * sizeof(*handles));
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(RoleRest);
	ctl.hcxt = TopMemoryContext;
	resting = hash_create("asyncjob resting roles", 16, &ctl,
						  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	context = AllocSetContextCreate(TopMemoryContext, "asyncjob coordinator",
									ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	pgstat_report_appname("asyncjob coordinator");

	leave_if_unlisted();

	/* what follows may wait for a DROP EXTENSION; the launcher needn't */
	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	my_db->state = AJ_DB_RUNNING;
	if (aj_shared->launcher)
		SetLatch(&aj_shared->launcher->procLatch);
	LWLockRelease(aj_shared->lock);

	note_suspects();
	requeue_orphans();
	first_round = false;

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
			next_look = 0;
		}

		if (pg_atomic_exchange_u32(&my_db->orphans, 0) != 0)
		{
			if (reap_slots())
				requeue_orphans();
			next_look = 0;
		}
		now = GetCurrentTimestamp();
		if (pg_atomic_exchange_u32(&my_db->work, 0) != 0 || next_look <= now)
		{
			long		alone_ms = GATHER_AGAIN_MS;

			if (reap_slots())
				requeue_orphans();
			/* first, so that nobody begins a long job just before */
			if (!my_db->paused && aj_guc_enabled)
				alone_ms = tend_suspects();
			wait_ms = Min(tend_queue(), alone_ms);
			if (!my_db->paused)
				wait_ms = Min(wait_ms, aj_chores());
			next_look = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), wait_ms);
		}

		now = GetCurrentTimestamp();
		wait_ms = next_look <= now ? 0 :
			TimestampDifferenceMilliseconds(now, next_look) + 1;
		if (aj_publish_pending(my_db, &wait_ms))
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
