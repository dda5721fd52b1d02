/*-------------------------------------------------------------------------
 *
 * suspects.c
 *		Running alone what ran when the server crashed.
 *
 * The crash file (crashfile.c) says which jobs were running then.  Each of them
 * may have brought the server down, so it is marked in the queue, and claimed
 * only while nothing else runs in the cluster: a crash is its own then, and
 * counts.
 *
 * To run one alone, all coordinators and workers go by aj_shared->alone_mode:
 * nobody claims while it isn't AJ_ALONE_NONE, but for the role of the suspect
 * once it is AJ_ALONE_RUNNING.  Gathering, the wait for those that are busy,
 * is given up after GATHER_MS and not tried again for AJ_GATHER_AGAIN_MS, so a
 * suspect can't hold up a busy server.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "storage/latch.h"
#include "utils/timestamp.h"

#include "coordinator.h"
#include "guc.h"
#include "queue.h"
#include "scope.h"
#include "shmem.h"
#include "staff.h"
#include "suspects.h"

#define GATHER_MS			5000	/* wait for others before running alone */

static TimestampTz next_gathering = 0;

/*
 * Note in the queue who was running when the server crashed.  Returns how many
 * are left for later, as a session has their rows locked, and which: they must
 * not be given back before.
 */
int
aj_suspects_note(AjSuspect **left)
{
	AjSuspect  *suspects;
	int			n = aj_crashfile_suspects(aj_my_db->dbid, &suspects);
	bool	   *noted = palloc(n * sizeof(bool));
	AjScope		scope;

	*left = NULL;
	if (n == 0)
		return 0;
	aj_coordinator_begin(&scope);
	for (int i = 0; i < n; i++)
	{
		int			crashes = suspects[i].crashes + (suspects[i].alone ? 1 : 0);

		noted[i] = aj_queue_mark_suspect(suspects[i].job_id, suspects[i].worker_id,
										 crashes, crashes >= aj_guc_crash_limit);
	}
	aj_scope_commit(&scope);
	for (int i = 0; i < n; i++)
	{
		if (!noted[i])
			continue;
		ereport(LOG,
				(errmsg("job " INT64_FORMAT " was running when the server crashed",
						suspects[i].job_id),
				 errdetail("It runs alone from now on and becomes a dead letter after %d crashes.",
						   aj_guc_crash_limit)));
		aj_crashfile_forget(&suspects[i]);
	}
	return aj_crashfile_suspects(aj_my_db->dbid, left);
}

/*
 * Run a suspect alone.  Nothing is claimed anywhere in the cluster while we
 * gather; if the jobs that run now take too long, all go on and we try again
 * later.  Returns how long to wait before looking again.
 */
long
aj_suspects_tend(void)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		job;
	Oid			role = InvalidOid;
	AjScope		scope;
	bool		start = false;
	long		wait_ms = AJ_GATHER_AGAIN_MS;
	AjAloneMode mode;
	bool		mine;

	LWLockAcquire(aj_shared->lock, LW_SHARED);
	mode = aj_shared->alone_mode;
	mine = mode != AJ_ALONE_NONE && aj_shared->alone_db == aj_my_db->dbid;
	LWLockRelease(aj_shared->lock);
	if (mode != AJ_ALONE_NONE && !mine)
		return 1000;
	if (mode == AJ_ALONE_NONE && now < next_gathering)
		return TimestampDifferenceMilliseconds(now, next_gathering) + 1;

	aj_coordinator_begin(&scope);
	job = aj_queue_next_suspect(0, &role);
	aj_scope_commit(&scope);

	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	switch (aj_shared->alone_mode)
	{
		case AJ_ALONE_NONE:
			if (job == 0)
				break;
			aj_shared->alone_mode = AJ_ALONE_GATHERING;
			aj_shared->alone_db = aj_my_db->dbid;
			aj_shared->alone_until = TimestampTzPlusMilliseconds(now, GATHER_MS);
			pg_fallthrough;

		case AJ_ALONE_GATHERING:
			wait_ms = 50;
			if (job == 0)
				aj_shared->alone_mode = AJ_ALONE_NONE;
			else if (aj_staff_count(InvalidOid, InvalidOid, AJ_SLOT_BUSY, false) == 0)
			{
				aj_shared->alone_mode = AJ_ALONE_RUNNING;
				aj_shared->alone_job = job;
				aj_shared->alone_role = role;
				start = true;
			}
			else if (now >= aj_shared->alone_until)
			{
				aj_shared->alone_mode = AJ_ALONE_NONE;
				next_gathering = TimestampTzPlusMilliseconds(now, AJ_GATHER_AGAIN_MS);
			}
			break;

		case AJ_ALONE_RUNNING:

			/*
			 * It is over when the job is no suspect in waiting any more and
			 * nobody is busy with it.
			 */
			wait_ms = 50;
			if (job != aj_shared->alone_job &&
				aj_staff_count(InvalidOid, InvalidOid, AJ_SLOT_BUSY, false) == 0)
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

		(void) aj_staff_feed(&owner);
	}
	return wait_ms;
}
