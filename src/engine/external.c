/*-------------------------------------------------------------------------
 *
 * external.c
 *		External workers: leases that expire, news of work.
 *
 * A step whose handler is "external" is run by a program that claims it over
 * SQL (api_external.c) and holds it under a lease.  A lease ends when the
 * worker finishes the step, when the job is cancelled, or when it expires:
 * then the attempt has failed, and the step's retry policy decides what
 * follows.  The coordinator ends expired leases in time; where none runs, the
 * next claim() of the queue does.  Each locks the job's row first (of a step
 * that is a job of its own that of its job before) and then looks at the lease
 * again, so a heartbeat or a late complete() that was first wins.  A row that
 * somebody has locked is left for the next look, so no transaction of an
 * external worker can hold up the coordinator.
 *
 * News.  Who makes an external job ready sets its queue's bit in shared
 * memory at commit, wakes those who wait in claim_wait(), and the coordinator
 * sends NOTIFY asyncjob_queue_<name> in a transaction of its own.  Bits are
 * shared by queues whose ids are equal modulo 64, and only tell where to look.
 * Where nothing is preloaded the transaction itself sends the NOTIFY.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "commands/async.h"
#include "utils/timestamp.h"

#include "asyncjob.h"
#include "dag.h"
#include "executor.h"
#include "external.h"
#include "guc.h"
#include "limits.h"
#include "queue.h"
#include "queue_external.h"
#include "wake.h"

#define CHANNEL_PREFIX	"asyncjob_queue_"
#define EXPIRE_MAX		100		/* leases ended in one go */
#define RETRY_MS		100		/* look again at rows others had locked */
#define RETRY_SHARE		5		/* and rest so many times as long as it took */

/* External jobs of these queues became ready, and are visible. */
void
aj_external_announce(uint64 queues)
{
	AjDatabase *db;

	LWLockAcquire(aj_shared->lock, LW_SHARED);
	db = aj_database_find(MyDatabaseId);
	if (db != NULL)
	{
		(void) pg_atomic_fetch_or_u64(&db->external, queues);
		pg_atomic_write_u32(&db->work, 1);
		if (db->proc)
			SetLatch(&db->proc->procLatch);
	}
	LWLockRelease(aj_shared->lock);
	aj_external_wake_waiters();
}

void
aj_external_wake_waiters(void)
{
	ConditionVariableBroadcast(aj_external_waiters());
}

static void
notify(const char *queue)
{
	Async_Notify(psprintf(CHANNEL_PREFIX "%s", queue), "");
}

/*
 * This transaction makes an external job of a queue ready.  The caller is in a
 * scope.
 */
void
aj_external_at_commit(int32 queue_id)
{
	char	   *name;

	if (aj_shared != NULL)
		aj_at_commit_external(queue_id);
	else if ((name = aj_queue_name(queue_id)) != NULL)
		notify(name);
}

/*
 * This transaction makes a job ready: tell those who may run it, our workers
 * or external ones.  The caller is in a scope.
 */
void
aj_announce_ready(Oid owner, int32 queue_id, int priority, TimestampTz run_at,
				  int64 id, bool external)
{
	if (external)
		aj_external_at_commit(queue_id);
	else
		aj_at_commit_job_ready(owner, queue_id, priority, run_at, id);
}

/*
 * The step that an external worker held has ended, well or not; another may
 * follow, and be external or not.  The caller is in a scope.  Returns the
 * state that the job is in then: running only if it could not be handed over.
 */
AjState
aj_external_go_on(AjHeld *held, AjRun *run, AjState state)
{
	AjJob	   *job = &held->job;
	bool		external = run->pipeline->steps[job->step_no].external;

	if (state == AJ_RUNNING)
	{
		if (!aj_queue_hand_over(job, -held->token, external))
			return AJ_RUNNING;
		state = AJ_QUEUED;
		aj_announce_ready(job->owner, job->queue_id, job->priority,
						  job->run_at, job->id, external);
	}
	if (job->item_no >= 0 && AJ_STATE_IS_FINAL(state))
		aj_dag_branch_ended(run, state);
	else if (job->parent_id != 0)
		aj_at_commit_child_ended();
	return state;
}

/* End a lease that has expired, if its job can be locked now. */
static bool
end_lease(int64 job_id)
{
	AjHeld		held = {0};
	AjRun		run = {0};
	AjError		error = {
		.sqlerrcode = AJ_ERRCODE_EXTERNAL,
		.code = "lease_expired",
		.hint = "Claim with a longer lease, or call asyncjob.heartbeat() while working.",
	};
	Oid			role;
	char	   *rolname;
	AjState		state;
	bool		still_held;

	if (!aj_queue_lock_expired(job_id, &held, &role))
		return false;
	run.job = &held.job;
	run.pipeline = aj_pipeline_get(held.job.pipeline_id);
	run.context = CurrentMemoryContext;
	if (run.pipeline == NULL || held.job.step_no >= run.pipeline->nsteps)
		return false;
	rolname = GetUserNameFromId(role, true);
	error.message = psprintf("the lease of external worker \"%s\" expired",
							 rolname ? rolname : "?");
	(void) aj_queue_drop_lease(held.job.id);
	state = aj_fail_step(&run, -held.token, &error, false, &still_held);
	aj_at_commit_changed(held.job.id, held.job.seq, state, held.job.step_no,
						 run.pipeline->nsteps, held.job.session_id);
	if (state == AJ_QUEUED)
		aj_external_at_commit(held.job.queue_id);
	else
		(void) aj_external_go_on(&held, &run, state);
	if (aj_limits_of(held.job.queue_id) != NULL)
		aj_at_commit_look();
	return true;
}

/*
 * End leases that have expired, of these queues or (NULL) of all, and of jobs
 * that a role or (0) anybody may work for.  The caller is in a scope.  Returns
 * how many jobs were taken from their holders.
 */
int
aj_external_expire(const int32 *queues, int n, Oid role)
{
	AjLeasePlace after = {DT_NOBEGIN, 0};
	int			ended = 0;
	int			found;

	do
	{
		int64	   *ids;

		found = aj_queue_expired(queues, n, role, EXPIRE_MAX, &after, &ids);
		for (int i = 0; i < found; i++)
			ended += end_lease(ids[i]) ? 1 : 0;
	} while (found == EXPIRE_MAX && ended < EXPIRE_MAX);
	return ended;
}

/* of the coordinator's rounds: when the next is due, what the last one told */
static TimestampTz next = 0;
static TimestampTz last = DT_NOBEGIN;
static TimestampTz last_before = DT_NOBEGIN;
static uint64 taken = 0;

/* The last round was rolled back: what it was to tell is to be told yet. */
void
aj_external_failed(AjDatabase *db)
{
	(void) pg_atomic_fetch_or_u64(&db->external, taken);
	taken = 0;
	last = last_before;
	next = 0;
}

/*
 * The coordinator's round: end leases, and send news of work.  Returns how
 * long to wait before the next; *news says that those who wait in
 * claim_wait() should be woken when this transaction has committed.
 */
long
aj_external_round(AjDatabase *db, bool *news)
{
	uint64		queues = pg_atomic_exchange_u64(&db->external, 0);
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz due;
	List	   *names;
	ListCell   *cell;

	taken = queues;
	last_before = last;
	if (queues != 0 || next <= now)
	{
		(void) aj_external_expire(NULL, 0, InvalidOid);
		aj_queue_external_ready(queues, last, &names, &due);
		foreach(cell, names)
			notify(lfirst(cell));
		*news = names != NIL;
		last = now;
		next = TimestampTzPlusMilliseconds(now, aj_guc_poll_interval);
		if (due != 0 && due <= now)
		{
			TimestampTz end = GetCurrentTimestamp();

			next = TimestampTzPlusMilliseconds(end, Max(RETRY_MS,
														RETRY_SHARE * TimestampDifferenceMilliseconds(now, end)));
		}
		else if (due != 0 && due < next)
			next = due;
	}
	return TimestampDifferenceMilliseconds(now, next) + 1;
}
