/*-------------------------------------------------------------------------
 *
 * runner.c
 *		A worker's way with a job that it has claimed.
 *
 * Steps follow one another in the worker that has the job.  Each has a
 * transaction of its own, T2, which runs its handler and commits its effects
 * together with the step's output and the job's next state (executor.c).
 * After an error it is rolled back and T3 records it.
 *
 * cancel() and timeouts interrupt a handler with SIGINT; statements of the
 * engine hold cancel interrupts off, so that what is being recorded is.
 * SIGTERM is honoured everywhere: the exit callback marks the slot dead, and
 * the coordinator gives the job back without charging an attempt.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "pgstat.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "crashfile.h"
#include "dag.h"
#include "errors.h"
#include "executor.h"
#include "extension.h"
#include "external.h"
#include "limits.h"
#include "publish.h"
#include "queue.h"
#include "queue_event.h"
#include "queue_external.h"
#include "runner.h"
#include "scope.h"
#include "shmem.h"
#include "worker.h"

static void
show_step(const AjRun *run)
{
	AjNotice	notice;

	aj_notice_fill(&notice, run->job->id, run->job->seq, AJ_RUNNING,
				   run->job->step_no, run->pipeline->nsteps,
				   run->job->session_id);

	SpinLockAcquire(&aj_my_slot->mutex);
	aj_my_slot->branch_of = run->job->item_no < 0 ? 0 : run->job->parent_id;
	aj_my_slot->step_no = run->job->step_no;
	aj_my_slot->step_count = run->pipeline->nsteps;
	aj_my_slot->attempt = run->job->failures + 1;
	aj_my_slot->seq = run->job->seq;
	aj_my_slot->step_started = GetCurrentTimestamp();
	aj_my_slot->fraction = 0;
	aj_my_slot->message[0] = '\0';
	memcpy(aj_my_slot->session, notice.session, AJ_CHANNEL_LEN);
	aj_my_slot->published = aj_my_slot->changes;
	aj_my_slot->published_at = aj_my_slot->step_started;
	SpinLockRelease(&aj_my_slot->mutex);

	/* a cancel that comes before the handler runs is the handler's */
	HOLD_CANCEL_INTERRUPTS();
	if (run->job->item_no < 0)
		aj_publish_soon(&notice);
	RESUME_CANCEL_INTERRUPTS();
}

static void
read_checkpoints(AjRun *run)
{
	AjScope		scope;

	HOLD_CANCEL_INTERRUPTS();
	aj_worker_begin();
	aj_scope_enter(&scope, true);
	if (aj_extension_lock())
	{
		MemoryContext old = MemoryContextSwitchTo(run->context);

		if (run->pipeline->dag)
			aj_dag_load(run);
		else
			run->checkpoints = aj_queue_checkpoints(run->job);
		MemoryContextSwitchTo(old);
	}
	aj_scope_leave(&scope);
	CommitTransactionCommand();
	RESUME_CANCEL_INTERRUPTS();
}

/* A job whose row is not ours any more, or that has been cancelled. */
static AjState
give_up(AjRun *run, AjError *error, bool cancelled)
{
	bool		found;
	AjState		state;

	HOLD_CANCEL_INTERRUPTS();
	aj_worker_begin();
	state = aj_fail_step(run, aj_my_slot->worker_id, error, cancelled, &found);
	CommitTransactionCommand();
	QueryCancelPending = false;
	RESUME_CANCEL_INTERRUPTS();

	if (!found)
		ereport(LOG,
				(errmsg("job " INT64_FORMAT " was taken from its worker",
						run->job->id)));
	return state;
}

/*
 * The next step is an external one: queue the job for those who claim() it.
 */
static AjState
hand_over(AjRun *run)
{
	AjScope		scope;
	bool		ours = false;

	HOLD_CANCEL_INTERRUPTS();
	aj_worker_begin();
	aj_scope_enter(&scope, true);
	if (aj_extension_lock() &&
		aj_queue_hand_over(run->job, aj_my_slot->worker_id, true))
	{
		ours = true;
		aj_external_at_commit(run->job->queue_id);
	}
	aj_scope_leave(&scope);
	CommitTransactionCommand();
	RESUME_CANCEL_INTERRUPTS();
	return ours ? AJ_QUEUED : give_up(run, NULL, true);
}

/*
 * T2, and T3 if it fails.  Returns the state of the job afterwards.
 */
static AjState
run_step(AjRun *run)
{
	const AjStep *step = &run->pipeline->steps[run->job->step_no];
	AjSuspect	entry = {.dbid = MyDatabaseId,.job_id = run->job->id,
		.worker_id = aj_my_slot->worker_id,.crashes = run->job->crashes,
	.alone = run->job->alone};
	volatile AjState state = AJ_RUNNING;
	volatile bool timed = false;
	AjError    *volatile error = NULL;
	volatile bool cancelled = false;
	int			seq = run->job->seq;
	int			step_no = run->job->step_no;
	int			failures = run->job->failures;
	int			free_retries = run->job->free_retries;
	int			crashes = run->job->crashes;

	if (run->pipeline->dag)
	{
		if (run->params == NULL)
			read_checkpoints(run);
	}
	else if (step->nafter > 0 || step_no == run->pipeline->nsteps - 1)
	{
		if (run->pipeline->nsteps > 1)
			read_checkpoints(run);
	}

	/* a timeout or signal that came too late for the step before */
	if (!aj_slot_cancel_wanted(run->job->id))
		QueryCancelPending = false;

	aj_crashfile_enter(&entry);
	PG_TRY();
	{
		Jsonb	   *output;
		bool		done;

		MemoryContextSwitchTo(run->context);
		pgstat_report_activity(STATE_RUNNING,
							   psprintf("asyncjob: job " INT64_FORMAT ", pipeline %s, step %s",
										run->job->id, run->pipeline->name, step->name));
		aj_worker_begin();
		if (step->timeout > 0)
		{
			timed = true;
			enable_timeout_after(STATEMENT_TIMEOUT, (int) Min(step->timeout, INT_MAX));
		}
		output = aj_call_step(run);
		aj_fire_deferred_triggers();
		CHECK_FOR_INTERRUPTS();
		if (timed)
		{
			disable_timeout(STATEMENT_TIMEOUT, false);
			timed = false;
		}
		HOLD_CANCEL_INTERRUPTS();
		done = aj_finish_step(run, aj_my_slot->worker_id, output);
		if (done)
		{
			aj_worker_defaults();
			CommitTransactionCommand();
			state = run->state;
		}
		else
		{
			AbortCurrentTransaction();
			cancelled = true;
		}
		RESUME_CANCEL_INTERRUPTS();
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		/*
		 * As in the apply worker: nothing may interrupt us on the way to a
		 * clean state.
		 */
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(run->context);
		edata = CopyErrorData();
		if (timed)
		{
			disable_timeout(STATEMENT_TIMEOUT, false);
			if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED &&
				TimestampDifferenceExceeds(run->started, GetCurrentTimestamp(),
										   (int) Min(step->timeout, INT_MAX)))
			{
				edata->message = psprintf("step \"%s\" exceeded its timeout of " INT64_FORMAT " ms",
										  step->name, step->timeout);
				edata->hint = "Raise the step's \"timeout\" or split the step.";
			}
		}
		error = aj_error_copy(edata, run->context);
		AbortOutOfAnyTransaction();
		PortalErrorCleanup();	/* cursors that a procedure held over */
		FlushErrorState();
		MemoryContextSwitchTo(TopMemoryContext);
		QueryCancelPending = false;
		/* whatever error the handler made of it */
		cancelled = aj_slot_cancel_wanted(run->job->id);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	aj_crashfile_leave();

	if (error != NULL || cancelled)
	{
		/* what was counted in the transaction that is gone */
		run->job->seq = seq;
		run->job->step_no = step_no;
		run->job->failures = failures;
		run->job->free_retries = free_retries;
		run->job->crashes = crashes;
		aj_forget_step(run);
		state = give_up(run, error, cancelled);
	}
	pgstat_report_activity(STATE_IDLE, "asyncjob: waiting for jobs");
	return state;
}

/*
 * Find out which step of a job comes next, where the pipeline is no chain.
 */
static AjState
enter_job(AjRun *run)
{
	AjScope		scope;
	AjState		state = AJ_CANCELLED;
	bool		found = false;

	HOLD_CANCEL_INTERRUPTS();
	aj_worker_begin();
	aj_scope_enter(&scope, true);
	if (aj_extension_lock())
		state = aj_dag_enter(run, aj_my_slot->worker_id, false, &found);
	aj_scope_leave(&scope);
	CommitTransactionCommand();
	RESUME_CANCEL_INTERRUPTS();
	return found ? state : give_up(run, NULL, true);
}

/*
 * A step of another job, or a job that another has spawned, has ended: see to
 * that job.  Or this one has begun to wait for what it spawned, which may have
 * ended just before.
 */
static void
see_to_family(const AjRun *run, AjState state)
{
	const AjJob *job = run->job;
	AjScope		scope;

	aj_worker_begin();
	aj_scope_enter(&scope, true);
	if (!aj_extension_lock())
		;
	else if (!AJ_STATE_IS_FINAL(state))
		aj_queue_wake_for_children(aj_job_root(job));
	else if (job->item_no >= 0)
		aj_dag_branch_ended(run, state);
	else
		aj_queue_wake_for_children(job->parent_id);
	aj_scope_leave(&scope);
	CommitTransactionCommand();
}

/*
 * Run a claimed job until it ends, or waits for something.  context is reset
 * by the caller.
 */
void
aj_run_job(AjJob *job, const AjPipeline *pipeline, MemoryContext context)
{
	AjRun		run = {0};
	AjState		state;
	AjNotice	notice;
	bool		branch = job->item_no >= 0;
	bool		entered = branch || !pipeline->dag;

	run.job = job;
	run.pipeline = pipeline;
	run.context = AllocSetContextCreate(context, "asyncjob step",
										ALLOCSET_DEFAULT_SIZES);
	do
	{
		/* from 18 on a commit returns to the context of its begin */
		MemoryContextSwitchTo(context);
		MemoryContextReset(run.context);
		run.checkpoints = NULL;
		run.logs = NIL;
		run.artifacts = NIL;
		run.dropped_logs = 0;
		run.prepared = false;
		run.may_commit = true;
		run.suspend.kind = AJ_SUSPEND_NOT;
		run.spawned = NIL;
		run.spawn_names = NIL;
		run.params = NULL;
		if (!entered)
		{
			entered = true;
			state = enter_job(&run);
			if (state != AJ_RUNNING)
				break;
		}
		if (pipeline->steps[job->step_no].external)
		{
			state = hand_over(&run);
			break;
		}
		show_step(&run);
		state = run_step(&run);
	} while (state == AJ_RUNNING);
	MemoryContextSwitchTo(context);

	/* what was meant for this job must not hit what follows */
	HOLD_CANCEL_INTERRUPTS();
	aj_notice_fill(&notice, job->id, job->seq, state, job->step_no,
				   pipeline->nsteps, job->session_id);
	aj_slot_end_job();
	if (!branch)
		aj_publish(&notice);
	if (AJ_STATE_IS_FINAL(state))
	{
		if (job->parent_id != 0)
			see_to_family(&run, state);
		if (!branch)
			aj_wake_waiters(job->id);
		if (aj_limits_known(job->queue_id))
			aj_ask_coordinator(MyDatabaseId);	/* its place is free */
	}
	else
	{
		/* it is queued again, perhaps for later, or waits */
		if (state == AJ_QUEUED)
			aj_queue_let_go(job);
		else if (run.suspend.kind == AJ_SUSPEND_CHILDREN)
			see_to_family(&run, state);
		aj_ask_coordinator(MyDatabaseId);
	}
	aj_worker_clean_session();
	QueryCancelPending = false;
	RESUME_CANCEL_INTERRUPTS();
}
