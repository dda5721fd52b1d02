/*-------------------------------------------------------------------------
 *
 * foreground.c
 *		Running jobs in the transaction of a caller.
 *
 * run(), drain() and asyncjob.synchronous run a job by the same code as a
 * worker (executor.c, dag.c), step after step, but in the caller's session and
 * transaction: its row is taken by the caller, under worker_id 0, and nobody
 * else sees anything of it before the caller commits.
 *
 * What an error does is the caller's choice.  run() passes it on, so all is
 * rolled back, and a pipeline has no branches there: items are run in place,
 * one after the other.  The other two record it as a worker would, which takes
 * a subtransaction for each step; retries, waits and branches then follow.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "dag.h"
#include "errors.h"
#include "executor.h"
#include "external.h"
#include "foreground.h"
#include "limits.h"
#include "queue.h"
#include "queue_external.h"
#include "queue_submit.h"
#include "redact.h"
#include "scope.h"
#include "shmem.h"
#include "wake.h"

/* Without branches, a step of many items is called for one after the other. */
static Jsonb *
call_here(AjRun *run)
{
	if (run->pipeline->steps[run->job->step_no].for_each != NULL &&
		run->in_place)
		return aj_dag_call_items(run);
	return aj_call_step(run);
}

/*
 * Run one step here.  In its own subtransaction an error is caught and
 * recorded as in a worker; otherwise it is the caller's.
 */
static AjState
step_in_foreground(AjRun *run, bool catch)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	AjJob		before = *run->job;
	AjError    *volatile error = NULL;
	AjScope		scope;
	bool		found;

	catch |= run->pipeline->steps[run->job->step_no].optional;
	if (run->pipeline->dag || run->pipeline->nsteps > 1)
	{
		MemoryContextSwitchTo(run->context);
		aj_scope_enter(&scope, false);
		MemoryContextSwitchTo(run->context);
		if (run->pipeline->dag)
			aj_dag_load(run);
		else
			run->checkpoints = aj_queue_checkpoints(run->job);
		aj_scope_leave(&scope);
		MemoryContextSwitchTo(context);
	}

	if (!catch)
	{
		PG_TRY();
		{
			Jsonb	   *output = call_here(run);

			if (!aj_finish_step(run, 0, output))
				elog(ERROR, "job " INT64_FORMAT " was taken away", run->job->id);
		}
		PG_CATCH();
		{
			aj_forget_step(run);
			PG_RE_THROW();
		}
		PG_END_TRY();
		return run->state;
	}

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		Jsonb	   *output = call_here(run);

		if (!aj_finish_step(run, 0, output))
			elog(ERROR, "job " INT64_FORMAT " was taken away", run->job->id);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(run->context);
		edata = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		aj_forget_step(run);
		if ((edata->sqlerrcode == ERRCODE_QUERY_CANCELED &&
			 !aj_run_suspends(run, edata->sqlerrcode, edata->message)) ||
			edata->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
			ReThrowError(edata);	/* it is the caller who is interrupted */
		error = aj_error_copy(edata, run->context);
	}
	PG_END_TRY();

	if (error == NULL)
		return run->state;
	*run->job = before;
	return aj_fail_step(run, 0, error, false, &found);
}

/* The next step is an external one: queue the job for those who claim() it. */
static AjState
hand_over(AjJob *job)
{
	AjScope		scope;

	aj_scope_enter(&scope, false);
	if (!aj_queue_hand_over(job, 0, true))
		elog(ERROR, "job " INT64_FORMAT " was taken away", job->id);
	aj_external_at_commit(job->queue_id);
	aj_scope_leave(&scope);
	return AJ_QUEUED;
}

/* Find out which step comes first, where the pipeline is no chain. */
static AjState
enter_in_foreground(AjRun *run, bool alone)
{
	AjScope		scope;
	AjState		state;
	bool		found;

	aj_scope_enter(&scope, false);
	state = aj_dag_enter(run, 0, alone, &found);
	aj_scope_leave(&scope);
	if (!found)
		elog(ERROR, "job " INT64_FORMAT " was taken away", run->job->id);
	return state;
}

/* Run a job that this transaction has taken, step after step. */
AjState
aj_run_here(AjJob *job, bool catch)
{
	AjRun		run = {0};
	AjState		state;

	run.job = job;
	run.pipeline = aj_pipeline_get(job->pipeline_id);
	run.context = AllocSetContextCreate(CurrentMemoryContext, "asyncjob step",
										ALLOCSET_DEFAULT_SIZES);
	state = AJ_RUNNING;
	if (run.pipeline->dag && job->item_no < 0)
		state = enter_in_foreground(&run, !catch);
	while (state == AJ_RUNNING)
	{
		MemoryContextReset(run.context);
		run.checkpoints = NULL;
		run.logs = NIL;
		run.artifacts = NIL;
		run.dropped_logs = 0;
		run.prepared = false;
		run.in_place = !catch;
		run.item = NULL;
		run.item_no = 0;
		run.items_error = NULL;
		run.no_item = false;
		run.suspend.kind = AJ_SUSPEND_NOT;
		run.spawned = NIL;
		run.spawn_names = NIL;
		if (run.pipeline->steps[job->step_no].external)
		{
			state = hand_over(job);
			break;
		}
		state = step_in_foreground(&run, catch);
		CHECK_FOR_INTERRUPTS();
	}
	if (job->item_no >= 0 && AJ_STATE_IS_FINAL(state))
	{
		AjScope		scope;

		aj_scope_enter(&scope, false);
		aj_dag_branch_ended(&run, state);
		aj_scope_leave(&scope);
	}
	else if (job->parent_id != 0 && AJ_STATE_IS_FINAL(state))
		aj_at_commit_child_ended();
	MemoryContextDelete(run.context);
	return state;
}

/*
 * The job that this transaction submitted and has run waits for its branches:
 * run them, too, and then the job again, until it has ended or there is
 * something to wait for.
 */
static void
run_parts(int64 job_id, int last_step)
{
	MemoryContext old = CurrentMemoryContext,
				context = AllocSetContextCreate(old, "asyncjob branches",
												ALLOCSET_DEFAULT_SIZES);
	int64	   *ids;
	int			n;

	do
	{
		AjScope		scope;

		MemoryContextSwitchTo(old);
		aj_scope_enter(&scope, false);
		MemoryContextSwitchTo(old);
		n = aj_queue_fresh_parts(job_id, last_step, &ids);
		aj_scope_leave(&scope);
		for (int i = 0; i < n; i++)
		{
			AjJob		job = {0};
			bool		taken;

			MemoryContextReset(context);
			MemoryContextSwitchTo(context);
			aj_scope_enter(&scope, false);
			MemoryContextSwitchTo(context);
			taken = aj_queue_take(ids[i], false, &job);
			aj_scope_leave(&scope);
			MemoryContextSwitchTo(context);
			if (taken)
				(void) aj_run_here(&job, true);
			if (taken && job.id == job_id)
				last_step = job.step_no;
			CHECK_FOR_INTERRUPTS();
		}
	} while (n > 0);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/*
 * asyncjob.synchronous: run what was just submitted, as far as it is due.  How
 * it ends is in the job, as if a worker had run it.
 */
void
aj_run_submitted(const AjSubmission *s, const int64 *ids, int n)
{
	MemoryContext old = CurrentMemoryContext,
				context;

	if (s->run_at > GetCurrentTimestamp() || (s->external && aj_shared != NULL))
		return;
	aj_at_end_reset_lanes(true);
	context = AllocSetContextCreate(old, "asyncjob synchronous",
									ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < n; i++)
	{
		AjJob		job = {0};
		AjScope		scope;
		bool		taken;

		MemoryContextReset(context);
		MemoryContextSwitchTo(context);
		aj_scope_enter(&scope, false);
		MemoryContextSwitchTo(context);
		aj_redact_prepare();
		if (s->external)
		{
			/* nothing is preloaded: it may have other steps to begin with */
			taken = aj_dag_begin(ids[i]);
			while (!taken && s->held &&
				   aj_limits_admit_here(&s->queue_id, 1, s->owner, true, 1, true) > 0)
				taken = aj_dag_begin(ids[i]);
			aj_scope_leave(&scope);
			if (taken)
				run_parts(ids[i], -1);
			continue;
		}
		taken = aj_queue_take(ids[i], false, &job);
		/* what is before it in the queue gets a place first */
		while (!taken && s->held &&
			   aj_limits_admit_here(&s->queue_id, 1, s->owner, false, 1, true) > 0)
			taken = aj_queue_take(ids[i], false, &job);
		aj_scope_leave(&scope);
		MemoryContextSwitchTo(context);
		if (taken && aj_run_here(&job, true) == AJ_WAITING)
			run_parts(job.id, job.step_no);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
