/*-------------------------------------------------------------------------
 *
 * staff.c
 *		Which roles get workers: starting them, and telling them to leave.
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
 * Everything here is the coordinator's.  aj_shared->lock protects the slots
 * and the promise; the handles of processes and the roles that rest are known
 * to this process alone, so a coordinator that begins anew knows of neither:
 * a slot that no process has come to is free again after START_GRACE_MS.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "coordinator.h"
#include "guc.h"
#include "registration.h"
#include "shmem.h"
#include "staff.h"
#include "worker.h"

#define START_GRACE_MS		10000	/* a process must have started by then */
#define YIELD_AFTER_MS		1000	/* a role that waited so long gets a slot */
#define LINGERS_AFTER_MS	20	/* a worker idle for so long has no work */
#define ROLE_REST_MIN_MS	1000	/* after a worker could not connect */
#define ROLE_REST_MAX_MS	10000

/* A role whose workers can't connect is left alone for a while. */
typedef struct RoleRest
{
	Oid			role;			/* key */
	TimestampTz until;
	int			ms;
} RoleRest;

static BackgroundWorkerHandle **handles = NULL; /* by slot, ours alone */
static HTAB *resting = NULL;

void
aj_staff_init(void)
{
	HASHCTL		ctl = {0};

	handles = MemoryContextAllocZero(TopMemoryContext,
									 aj_shared->nslots * sizeof(*handles));
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(RoleRest);
	ctl.hcxt = TopMemoryContext;
	resting = hash_create("asyncjob resting roles", 16, &ctl,
						  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

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
bool
aj_staff_reap(void)
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
		if (slot->dbid == aj_my_db->dbid)
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

int
aj_staff_count(Oid dbid, Oid role, AjSlotState state, bool any_state)
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
		(aj_shared->promised_db != aj_my_db->dbid ||
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
	int			mine = aj_staff_count(aj_my_db->dbid, owner->role, AJ_SLOT_FREE, true);

	if (aj_shared->promised_until > now)
		return;					/* one is about to go */
	for (int i = 0; i < aj_shared->nslots; i++)
	{
		AjWorkerSlot *slot = &aj_shared->slots[i];
		bool		outranked;

		if (slot->state != AJ_SLOT_IDLE && slot->state != AJ_SLOT_BUSY)
			continue;
		if (slot->leave ||
			(slot->dbid == aj_my_db->dbid && slot->roleid == owner->role))
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
			   aj_staff_count(slot->dbid, slot->roleid, AJ_SLOT_FREE, true) > mine + 1)))
			continue;
		if (victim == NULL || slot->arrived < victim->arrived)
			victim = slot;
	}
	if (victim != NULL)
	{
		victim->leave = true;
		aj_shared->promised_db = aj_my_db->dbid;
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
void
aj_staff_shed(void)
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

			if (slot->dbid != aj_my_db->dbid || slot->leave ||
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
	AjWorkerExtra extra = {.dbid = aj_my_db->dbid,.roleid = role};
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
			slot->dbid = aj_my_db->dbid;
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
			if (aj_shared->promised_db == aj_my_db->dbid &&
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
long
aj_staff_feed(const AjReadyOwner *owner)
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

		if (slot->dbid != aj_my_db->dbid || slot->roleid != owner->role)
		{
			rivals |= slot->state != AJ_SLOT_FREE;
			continue;
		}
		connected |= slot->connected;
		if (slot->state == AJ_SLOT_STARTING)
			idle = true;
		if (slot->state == AJ_SLOT_IDLE && !slot->leave)
		{
			pg_atomic_fetch_add_u32(&slot->woken, AJ_WOKEN_FOR_MORE);
			if (slot->proc)
				SetLatch(&slot->proc->procLatch);
			idle = true;
		}
	}
	if (!idle)
	{
		if (aj_staff_count(InvalidOid, InvalidOid, AJ_SLOT_FREE, true) +
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
