/*-------------------------------------------------------------------------
 *
 * worker.c
 *		Background workers that run jobs.
 *
 * A worker belongs to one database and one role, the owner of the jobs it
 * runs, and is logged in as that role: a handler has its owner's rights and
 * can gain no others, whatever it leaves behind for commit time.
 *
 * Its transactions are short and have one purpose each:
 *
 *	T1	claims a job and commits, without waiting for its WAL: a claim lost
 *		in a crash of the server leaves a queued job, as its requeueing would;
 *	T2	runs one step's handler and commits its effects together with the
 *		step's output and the job's next state (executor.c);
 *	T3	after an error, records it.
 *
 * Between T1 and T2 the process stands in its slot as the job's worker and,
 * while the handler runs, in the crash file.  Steps follow one another in the
 * worker that has the job.
 *
 * cancel() and timeouts interrupt a handler with SIGINT; statements of the
 * engine hold cancel interrupts off, so that what is being recorded is.
 * SIGTERM is honoured everywhere: the exit callback marks the slot dead, and
 * the coordinator gives the job back without charging an attempt.
 *
 * After each job everything the handler may have left in the session goes:
 * settings, role, temp tables, cursors, prepared statements, advisory locks.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/async.h"
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/procarray.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "batch.h"
#include "crashfile.h"
#include "dag.h"
#include "errors.h"
#include "executor.h"
#include "extension.h"
#include "external.h"
#include "guc.h"
#include "limits.h"
#include "publish.h"
#include "queue.h"
#include "queue_event.h"
#include "queue_external.h"
#include "redact.h"
#include "scope.h"
#include "shmem.h"
#include "worker.h"

static MemoryContext job_context = NULL;	/* of the job in hand */

/* ---------- life and death ---------- */

static void
worker_exit(int code, Datum arg)
{
	Oid			dbid = aj_my_slot->dbid;
	AjDatabase *db;

	aj_crashfile_leave();
	aj_lane_scan_abandon();

	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	aj_my_slot->proc = NULL;
	aj_my_slot->pid = 0;

	/*
	 * With a job in hand, or not having reached its database, there is
	 * something for the coordinator to do.
	 */
	if (aj_my_slot->job_id != 0 || !aj_my_slot->connected)
		aj_my_slot->state = AJ_SLOT_DEAD;
	else
		aj_my_slot->state = AJ_SLOT_FREE;
	aj_my_slot->since = GetCurrentTimestamp();
	db = aj_database_find(dbid);
	if (db)
	{
		pg_atomic_write_u32(&db->orphans, 1);
		if (db->proc)
			SetLatch(&db->proc->procLatch);
	}
	LWLockRelease(aj_shared->lock);
	aj_my_slot = NULL;
}

static bool
attach(int slot_no, const AjWorkerExtra *extra)
{
	AjWorkerSlot *slot = &aj_shared->slots[slot_no];
	bool		ours;

	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	ours = slot->state == AJ_SLOT_STARTING &&
		slot->generation == extra->generation && slot->pid == 0;
	if (ours)
	{
		slot->pid = MyProcPid;
		slot->proc = MyProc;
		pg_atomic_write_u32(&slot->woken, AJ_WOKEN_FOR_MORE);
		slot->worker_id =
			(int64) pg_atomic_fetch_add_u64(&aj_shared->next_worker_id, 1);
		aj_my_slot = slot;
	}
	LWLockRelease(aj_shared->lock);
	return ours;
}

/* ---------- transactions ---------- */

/*
 * Begin a transaction, whatever ALTER ROLE SET says its defaults are.
 */
void
aj_worker_begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	XactReadOnly = false;
	XactDeferrable = false;
	aj_worker_defaults();
}

/*
 * Remove what a handler may have left in the session.  See DiscardAll().
 */
void
aj_worker_clean_session(void)
{
	aj_worker_begin();
	PortalHashTableDeleteAll();
	SetPGVariable("session_authorization", NIL, false);
	ResetAllOptions();
	DropAllPreparedStatements();
	Async_UnlistenAll();
	LockReleaseAll(USER_LOCKMETHOD, true);
	ResetTempTableNamespace();
	ResetSequenceCaches();
	CommitTransactionCommand();
}

static bool
may_claim(int64 *alone_job)
{
	AjDatabase *db;
	bool		may;

	*alone_job = 0;
	LWLockAcquire(aj_shared->lock, LW_SHARED);
	db = aj_database_find(MyDatabaseId);
	may = aj_guc_enabled && !aj_my_slot->leave && db != NULL &&
		!db->paused && db->evicting == 0;
	if (may && aj_shared->alone_mode != AJ_ALONE_NONE)
	{
		may = aj_shared->alone_mode == AJ_ALONE_RUNNING &&
			aj_shared->alone_db == MyDatabaseId &&
			aj_shared->alone_role == aj_my_slot->roleid &&
			aj_shared->alone_job != 0;
		*alone_job = aj_shared->alone_job;
	}
	LWLockRelease(aj_shared->lock);
	return may;
}

static void
bury_without_pipeline(AjJob *job)
{
	AjError		error = {
		.sqlerrcode = ERRCODE_UNDEFINED_OBJECT,
		.message = psprintf("the pipeline of job " INT64_FORMAT " is missing", job->id),
		.hint = "Submit the job again.",
	};
	bool		found;

	(void) aj_queue_fail(job, aj_my_slot->worker_id, &error, AJ_VERDICT_DEAD,
						 0, &found);
}

/*
 * T1.  The job and its pipeline are in job_context on success.  gone is set
 * if the extension isn't there any more.
 */
static bool
claim(AjJob *job, const AjPipeline **pipeline, bool *gone)
{
	AjScope		scope;
	int64		alone_job;
	bool		claimed = false,
				again = false;

	*gone = false;
	if (!may_claim(&alone_job))
		return false;

	HOLD_CANCEL_INTERRUPTS();
	pgstat_report_activity(STATE_RUNNING, "asyncjob: claiming a job");
	aj_worker_begin();
	if (!aj_extension_lock())
		*gone = true;
	else
	{
		aj_scope_enter(&scope, true);
		MemoryContextSwitchTo(job_context);
		claimed = alone_job != 0 ?
			aj_queue_claim_alone(alone_job, aj_my_slot->roleid,
								 aj_my_slot->worker_id, job) :
			aj_queue_claim(aj_my_slot->roleid, aj_my_slot->worker_id, job);
		if (claimed)
		{
			aj_redact_prepare();
			*pipeline = aj_pipeline_get(job->pipeline_id);
			if (*pipeline == NULL || job->step_no >= (*pipeline)->nsteps)
			{
				/* a bad row must not stop those behind it */
				bury_without_pipeline(job);
				again = true;
			}
			else
			{
				/* so that cancel() finds us as soon as it can see the row */
				QueryCancelPending = false;
				aj_slot_begin_job(job->id, job->priority);
			}
		}
		aj_scope_leave(&scope);
		/* a start that counts for a rate must not be forgotten */
		aj_commit_durably(alone_job != 0 || again ||
						  (claimed && aj_limits_known_rated(job->queue_id)));
	}
	CommitTransactionCommand();
	MemoryContextSwitchTo(TopMemoryContext);
	RESUME_CANCEL_INTERRUPTS();
	pgstat_report_activity(STATE_IDLE, "asyncjob: waiting for jobs");
	if (again)
		SetLatch(MyLatch);
	return claimed && !again;
}

/* ---------- running a job ---------- */

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
		if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED &&
			aj_slot_cancel_wanted(run->job->id))
			cancelled = true;
		AbortOutOfAnyTransaction();
		PortalErrorCleanup();	/* cursors that a procedure held over */
		FlushErrorState();
		MemoryContextSwitchTo(TopMemoryContext);
		QueryCancelPending = false;
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

static void
run_job(AjJob *job, const AjPipeline *pipeline)
{
	AjRun		run = {0};
	AjState		state;
	AjNotice	notice;
	bool		branch = job->item_no >= 0;
	bool		entered = branch || !pipeline->dag;

	run.job = job;
	run.pipeline = pipeline;
	run.context = AllocSetContextCreate(job_context, "asyncjob step",
										ALLOCSET_DEFAULT_SIZES);
	do
	{
		/* from 18 on a commit returns to the context of its begin */
		MemoryContextSwitchTo(job_context);
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
	MemoryContextSwitchTo(job_context);

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
	pgstat_report_stat(true);
}

/*
 * A batch (batch.c), surviving its failure as a whole: then nothing of it
 * was done.
 */
static AjBatchResult
run_batch(AjJob *single, const AjPipeline **pipeline, bool *gone)
{
	volatile AjBatchResult result = AJ_BATCH_DONE;

	PG_TRY();
	{
		result = aj_batch_run(job_context, single, pipeline, gone);
	}
	PG_CATCH();
	{
		int			sqlerrcode = geterrcode();

		HOLD_INTERRUPTS();

		/*
		 * What a handler's deferred trigger says is recorded when its job is
		 * run by itself, and is not for the log.
		 */
		if (ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_INTERNAL_ERROR)
			EmitErrorReport();
		AbortOutOfAnyTransaction();
		FlushErrorState();
		if (ERRCODE_TO_CATEGORY(sqlerrcode) != ERRCODE_INTERNAL_ERROR &&
			sqlerrcode != ERRCODE_QUERY_CANCELED)
			ereport(LOG,
					(errmsg("a batch of jobs failed as a whole with SQLSTATE %s and is run job by job",
							unpack_sql_state(sqlerrcode))));
		MemoryContextSwitchTo(TopMemoryContext);
		QueryCancelPending = false;
		aj_crashfile_leave();
		aj_forget_current_run();
		aj_lane_scan_abandon();
		aj_batch_reset();
		aj_slot_end_job();
		RESUME_INTERRUPTS();
		aj_worker_clean_session();
	}
	PG_END_TRY();
	return result;
}

static bool
should_leave(TimestampTz idle_since)
{
	AjDatabase *db;
	bool		leave;

	LWLockAcquire(aj_shared->lock, LW_SHARED);
	db = aj_database_find(MyDatabaseId);
	leave = aj_my_slot->leave || db == NULL || db->evicting > 0;
	LWLockRelease(aj_shared->lock);
	return leave || !aj_guc_enabled ||
		TimestampDifferenceExceeds(idle_since, GetCurrentTimestamp(),
								   aj_guc_worker_idle_timeout);
}

/*
 * Settings that ALTER ROLE SET could use to end the process instead of the
 * handler.  A handler can still change them, for itself.
 */
static void
pin_settings(void)
{
	static const char *const settings[][2] = {
		{"exit_on_error", "off"},
		{"idle_in_transaction_session_timeout", "0"},
		{"transaction_timeout", "0"},	/* since 17 */
	};

	for (int i = 0; i < lengthof(settings); i++)
	{
		if (GetConfigOption(settings[i][0], true, false) != NULL)
			SetConfigOption(settings[i][0], settings[i][1],
							PGC_USERSET, PGC_S_OVERRIDE);
	}
}

void
aj_worker_main(Datum arg)
{
	AjWorkerExtra extra;
	TimestampTz idle_since;
	bool		was_idle = true;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	memcpy(&extra, MyBgworkerEntry->bgw_extra, sizeof(extra));
	if (aj_shared == NULL || !attach(DatumGetInt32(arg), &extra))
		proc_exit(0);			/* nobody waits for us any more */
	before_shmem_exit(worker_exit, (Datum) 0);
	aj_crashfile_attach(DatumGetInt32(arg));
	BackgroundWorkerUnblockSignals();

	BackgroundWorkerInitializeConnectionByOid(extra.dbid, extra.roleid,
											  AJ_WORKER_CONNECT_FLAGS);
	pin_settings();
	aj_redact_install();
	aj_publish_install();
	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	aj_my_slot->connected = true;
	aj_my_slot->state = AJ_SLOT_IDLE;
	aj_my_slot->since = GetCurrentTimestamp();
	LWLockRelease(aj_shared->lock);

	job_context = AllocSetContextCreate(TopMemoryContext, "asyncjob job",
										ALLOCSET_DEFAULT_SIZES);
	pgstat_report_appname("asyncjob worker");
	idle_since = GetCurrentTimestamp();

	for (;;)
	{
		AjJob	   *job;
		const AjPipeline *pipeline = NULL;
		AjBatchResult found;
		int64		alone_job;
		uint32		woken;
		bool		gone = false;
		long		wait_ms;

		MemoryContextSwitchTo(job_context);
		MemoryContextReset(job_context);
		ResetLatch(MyLatch);
		/* pg_cancel_backend() of an idle worker: nothing to cancel */
		QueryCancelPending = false;
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (should_leave(idle_since))
			break;

		job = MemoryContextAllocZero(job_context, sizeof(AjJob));
		if (aj_batch_wanted() && may_claim(&alone_job) && alone_job == 0)
			found = run_batch(job, &pipeline, &gone);
		else
			found = claim(job, &pipeline, &gone) ?
				AJ_BATCH_SINGLE : AJ_BATCH_NOTHING;

		/*
		 * From its claim on the slot is busy, so whoever makes another job
		 * ready asks the coordinator himself.
		 */
		woken = pg_atomic_exchange_u32(&aj_my_slot->woken, 0);
		if (found != AJ_BATCH_NOTHING)
		{
			/* there may be work for one more */
			if (was_idle && woken != 1)
				aj_ask_coordinator(MyDatabaseId);
			was_idle = false;
			if (found == AJ_BATCH_SINGLE)
			{
				run_job(job, pipeline);
				aj_batch_hint(pipeline);
			}
			idle_since = GetCurrentTimestamp();
			continue;
		}
		was_idle = true;
		if (gone)
			break;

		wait_ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
												  TimestampTzPlusMilliseconds(idle_since,
																			  aj_guc_worker_idle_timeout));
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 wait_ms + 1, PG_WAIT_EXTENSION);
	}
	proc_exit(0);
}
