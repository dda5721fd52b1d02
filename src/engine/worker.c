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
 *		step's output and the job's next state (runner.c);
 *	T3	after an error, records it.
 *
 * Between T1 and T2 the process stands in its slot as the job's worker and,
 * while the handler runs, in the crash file.
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
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "batch.h"
#include "crashfile.h"
#include "errors.h"
#include "executor.h"
#include "extension.h"
#include "guc.h"
#include "limits.h"
#include "publish.h"
#include "queue.h"
#include "redact.h"
#include "runner.h"
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

	/*
	 * While the process was being started SIGHUP was ignored, and the
	 * settings that it has from the postmaster may be older than one that was
	 * sent then.
	 */
	ConfigReloadPending = true;

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
		woken = pg_atomic_exchange_u32(&aj_my_slot->woken, 0);
		if (aj_batch_wanted() && may_claim(&alone_job) && alone_job == 0)
			found = run_batch(job, &pipeline, &gone);
		else
			found = claim(job, &pipeline, &gone) ?
				AJ_BATCH_SINGLE : AJ_BATCH_NOTHING;
		if (found != AJ_BATCH_NOTHING)
		{
			/*
			 * There may be work for one more: for what others woke us until
			 * the slot was busy, and, if nobody said for how many jobs we
			 * were woken, for all there is.  Whoever makes a job ready while
			 * we are busy asks the coordinator himself.
			 */
			woken += pg_atomic_exchange_u32(&aj_my_slot->woken, 0);
			if (woken > 1 || (was_idle && woken == 0))
				aj_ask_coordinator(MyDatabaseId);
			was_idle = false;
			if (found == AJ_BATCH_SINGLE)
			{
				aj_run_job(job, pipeline, job_context);
				aj_batch_hint(pipeline);
			}
			idle_since = GetCurrentTimestamp();
			/* autovacuum has to know, but not of each job: once a second */
			pgstat_report_stat(false);
			continue;
		}
		was_idle = true;
		if (gone)
			break;
		pgstat_report_stat(true);

		wait_ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
												  TimestampTzPlusMilliseconds(idle_since,
																			  aj_guc_worker_idle_timeout));
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 wait_ms + 1, PG_WAIT_EXTENSION);
	}
	proc_exit(0);
}
