/*-------------------------------------------------------------------------
 *
 * shmem.c
 *		Shared memory of the engine: databases, worker slots, who is woken.
 *
 * There is one LWLock.  It is held only for a walk over the small arrays,
 * never across memory allocation, catalog access or a wait.  The order of
 * locks is AjShared.lock, then a slot's or ring's spinlock.
 *
 * A worker's liveness is its slot: the exit callback of the process marks the
 * slot dead, whatever made it exit, and the coordinator then gives its jobs
 * back.  When the server restarts after a crash, shared memory is made anew
 * and no slot is taken, so every job that is still marked running is an
 * orphan.  worker_id, drawn from a counter that starts at the time of the
 * server's start, is what tells the orphans from the living.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <signal.h>

#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"

#include "crashfile.h"
#include "guc.h"
#include "lanes.h"
#include "shmem.h"

AjShared   *aj_shared = NULL;
AjWorkerSlot *aj_my_slot = NULL;
bool		aj_slot_missed = false;

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;

/*
 * Every worker takes one of max_worker_processes, so there can't be more;
 * asyncjob.max_workers may then be changed by a reload.
 */
int
aj_shmem_slot_count(void)
{
	return max_worker_processes;
}

static Size
aj_shmem_size(void)
{
	Size		size = MAXALIGN(sizeof(AjShared));

	size = add_size(size, mul_size(aj_guc_max_databases,
								   MAXALIGN(sizeof(AjDatabase))));
	size = add_size(size, mul_size(aj_shmem_slot_count(),
								   MAXALIGN(sizeof(AjWorkerSlot))));
	size = add_size(size, aj_lanes_size());
	return size;
}

static void
aj_shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(aj_shmem_size());
	RequestNamedLWLockTranche("asyncjob", 2);	/* ours and lanes.c's */
}

static void
aj_shmem_startup(void)
{
	bool		found;
	char	   *base;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	base = ShmemInitStruct("asyncjob", aj_shmem_size(), &found);
	aj_shared = (AjShared *) base;
	if (!found)
	{
		memset(base, 0, aj_shmem_size());
		aj_shared->lock = &(GetNamedLWLockTranche("asyncjob"))->lock;
		aj_shared->ndatabases = aj_guc_max_databases;
		aj_shared->nslots = aj_shmem_slot_count();
		pg_atomic_init_u64(&aj_shared->next_worker_id,
						   (uint64) GetCurrentTimestamp());
		for (int i = 0; i < AJ_WAIT_BUCKETS; i++)
			ConditionVariableInit(&aj_shared->waiters[i]);

		base += MAXALIGN(sizeof(AjShared));
		aj_shared->databases = (AjDatabase *) base;
		base += mul_size(aj_guc_max_databases, MAXALIGN(sizeof(AjDatabase)));
		aj_shared->slots = (AjWorkerSlot *) base;
		base += mul_size(aj_shared->nslots, MAXALIGN(sizeof(AjWorkerSlot)));
		aj_lanes_init(base);

		for (int i = 0; i < aj_shared->ndatabases; i++)
		{
			AjDatabase *db = &aj_shared->databases[i];

			pg_atomic_init_u32(&db->work, 0);
			pg_atomic_init_u32(&db->orphans, 0);
			pg_atomic_init_u32(&db->flow, AJ_FLOW_WAITS | AJ_FLOW_CHILD_ENDED);
			pg_atomic_init_u64(&db->wake_at, (uint64) DT_NOEND);
			pg_atomic_init_u32(&db->chains, 0);
			pg_atomic_init_u64(&db->external, 0);
			aj_latency_init(db->latency);
			SpinLockInit(&db->mutex);
			ConditionVariableInit(&db->room);
		}
		for (int i = 0; i < aj_shared->nslots; i++)
		{
			pg_atomic_init_u32(&aj_shared->slots[i].woken, 0);
			SpinLockInit(&aj_shared->slots[i].mutex);
		}

		/* Who was running when the last server went down? */
		aj_crashfile_collect();
	}
	LWLockRelease(AddinShmemInitLock);
}

void
aj_shmem_install(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = aj_shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = aj_shmem_startup;
}

/*
 * Entry of a database, or NULL.  The caller holds AjShared.lock.
 */
AjDatabase *
aj_database_find(Oid dbid)
{
	for (int i = 0; i < aj_shared->ndatabases; i++)
	{
		AjDatabase *db = &aj_shared->databases[i];

		if (db->state != AJ_DB_FREE && db->dbid == dbid)
			return db;
	}
	return NULL;
}

/*
 * Ask the launcher for a coordinator.  Returns NULL when the array is full.
 * The caller holds AjShared.lock exclusively.
 */
AjDatabase *
aj_database_want(Oid dbid)
{
	AjDatabase *db = aj_database_find(dbid);

	for (int i = 0; db == NULL && i < aj_shared->ndatabases; i++)
	{
		AjDatabase *candidate = &aj_shared->databases[i];

		if (candidate->state == AJ_DB_FREE ||
			(candidate->state == AJ_DB_ABSENT && candidate->evicting == 0))
		{
			db = candidate;
			if (db->dbid != dbid)
				aj_latency_reset(db->latency);
			db->dbid = dbid;
			db->state = AJ_DB_ABSENT;
			db->evicting = 0;
			db->paused = false;
			db->head = db->tail = 0;
			db->lost = false;
		}
	}
	if (db != NULL && db->state == AJ_DB_ABSENT)
	{
		db->state = AJ_DB_WANTED;
		db->retry_at = 0;
	}
	return db;
}

void
aj_wake_launcher(void)
{
	LWLockAcquire(aj_shared->lock, LW_SHARED);
	if (aj_shared->launcher)
		SetLatch(&aj_shared->launcher->procLatch);
	LWLockRelease(aj_shared->lock);
}

void
aj_wake_coordinator(Oid dbid)
{
	AjDatabase *db;

	LWLockAcquire(aj_shared->lock, LW_SHARED);
	db = aj_database_find(dbid);
	if (db && db->proc)
		SetLatch(&db->proc->procLatch);
	LWLockRelease(aj_shared->lock);
}

/* Let the coordinator look at the queue. */
void
aj_ask_coordinator(Oid dbid)
{
	AjDatabase *db;

	LWLockAcquire(aj_shared->lock, LW_SHARED);
	db = aj_database_find(dbid);
	if (db != NULL)
	{
		pg_atomic_write_u32(&db->work, 1);
		if (db->proc)
			SetLatch(&db->proc->procLatch);
	}
	LWLockRelease(aj_shared->lock);
}

/*
 * A job of this role became ready: wake one idle worker of the role, else
 * the coordinator, which will start one.  Runs in commit callbacks, so it
 * must not fail.  A worker marks itself idle before its last look at the
 * queue, so a job committed after that look finds it idle here.
 *
 * A worker that was woken for more than one job, or for it doesn't know how
 * many, asks the coordinator to look for others (worker.c).
 */
bool
aj_wake_for_job(Oid dbid, Oid roleid)
{
	AjDatabase *db;
	bool		woken = false;

	LWLockAcquire(aj_shared->lock, LW_SHARED);
	for (int i = 0; i < aj_shared->nslots; i++)
	{
		AjWorkerSlot *slot = &aj_shared->slots[i];

		if (slot->state == AJ_SLOT_IDLE && slot->dbid == dbid &&
			slot->roleid == roleid && !slot->leave && slot->proc)
		{
			pg_atomic_fetch_add_u32(&slot->woken, 1);
			SetLatch(&slot->proc->procLatch);
			woken = true;
			break;
		}
	}
	if (!woken && (db = aj_database_find(dbid)) != NULL)
	{
		pg_atomic_write_u32(&db->work, 1);
		if (db->proc)
			SetLatch(&db->proc->procLatch);
	}
	LWLockRelease(aj_shared->lock);
	return woken;
}

/*
 * Interrupt the worker that is running this job.  The signal goes out while
 * the lock is held, so it can't hit the slot's next process; the worker
 * itself checks cancel_job against the job it has in hand.
 */
bool
aj_signal_cancel(Oid dbid, int64 job_id)
{
	bool		found = false;

	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < aj_shared->nslots; i++)
	{
		AjWorkerSlot *slot = &aj_shared->slots[i];

		if (slot->state == AJ_SLOT_BUSY && slot->dbid == dbid &&
			slot->job_id == job_id)
		{
			slot->cancel_job = job_id;
			if (slot->pid != 0)
				kill(slot->pid, SIGINT);
			found = true;
			break;
		}
	}
	LWLockRelease(aj_shared->lock);
	return found;
}

void
aj_wake_waiters(int64 job_id)
{
	ConditionVariableBroadcast(aj_wait_bucket(job_id));
}

/* The worker takes a job in hand. */
void
aj_slot_begin_job(int64 job_id, int priority)
{
	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	aj_my_slot->state = AJ_SLOT_BUSY;
	aj_my_slot->since = GetCurrentTimestamp();
	aj_my_slot->job_id = job_id;
	aj_my_slot->priority = priority;
	aj_my_slot->cancel_job = 0;
	LWLockRelease(aj_shared->lock);
}

/*
 * The worker has no job in hand any more.  A cancel signal that was sent for
 * the job may still be under way; it is harmless, since whatever it
 * interrupts finds cancel_job to be 0.  Progress that wasn't told yet isn't
 * any more: the slot would tell it as that of the next job.
 */
void
aj_slot_end_job(void)
{
	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	SpinLockAcquire(&aj_my_slot->mutex);
	aj_my_slot->published = aj_my_slot->changes;
	SpinLockRelease(&aj_my_slot->mutex);
	aj_my_slot->state = AJ_SLOT_IDLE;
	aj_my_slot->since = GetCurrentTimestamp();
	aj_my_slot->job_id = 0;
	aj_my_slot->cancel_job = 0;
	LWLockRelease(aj_shared->lock);
}

bool
aj_slot_cancel_wanted(int64 job_id)
{
	bool		wanted;

	if (aj_my_slot == NULL)
		return false;
	LWLockAcquire(aj_shared->lock, LW_SHARED);
	wanted = aj_my_slot->cancel_job == job_id;
	LWLockRelease(aj_shared->lock);
	return wanted;
}

/*
 * Copy of the slot that runs this job, if one does; aj_slot_missed is set if
 * not.
 */
bool
aj_slot_copy(Oid dbid, int64 job_id, AjWorkerSlot *copy)
{
	bool		found = false;

	if (aj_shared == NULL)
		return false;
	LWLockAcquire(aj_shared->lock, LW_SHARED);
	for (int i = 0; i < aj_shared->nslots && !found; i++)
	{
		AjWorkerSlot *slot = &aj_shared->slots[i];

		if (slot->state == AJ_SLOT_BUSY && slot->dbid == dbid &&
			slot->job_id == job_id)
		{
			SpinLockAcquire(&slot->mutex);
			memcpy(copy, slot, sizeof(AjWorkerSlot));
			SpinLockRelease(&slot->mutex);
			found = true;
		}
	}
	LWLockRelease(aj_shared->lock);
	aj_slot_missed |= !found;
	return found;
}
