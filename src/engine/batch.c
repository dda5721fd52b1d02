/*-------------------------------------------------------------------------
 *
 * batch.c
 *		Running many short jobs in one transaction.
 *
 * A commit costs more than a short handler.  Jobs of a pipeline whose one
 * step says "batch": true are therefore locked by the lane, run one after
 * the other, each in a subtransaction, and recorded by one statement, all in
 * one transaction.  They are never marked running: until the commit they are
 * queued to everybody else, and if this process dies they still are.
 *
 * Only what is simple goes this way.  A job that was tried before, belongs to
 * a chat session, logs, makes an artifact, or fails is left where it is and
 * claimed by itself next, which records everything as usual; so a failing
 * handler is called once more than its attempts say.
 *
 * Size: a worker begins with the job by job way, tries a batch of two after
 * it has met a job that allows one, and doubles as long as all of the batch
 * are done within BATCH_GROW_MS.  No job is begun after BATCH_MS, so a
 * cancel() or a more urgent job waits about that long, and BATCH_MAX bounds
 * what one transaction holds.  A batch that proved slow halves the size.
 *
 * cancel() finds the job in the slot and interrupts it; whatever the batch
 * did is then rolled back and done again.  Each job stands in the crash file
 * while its handler runs, so a batch that was running at a crash points at
 * one job.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "utils/datum.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "batch.h"
#include "crashfile.h"
#include "events.h"
#include "executor.h"
#include "extension.h"
#include "limits.h"
#include "publish.h"
#include "queue.h"
#include "queue_event.h"
#include "redact.h"
#include "scope.h"
#include "shmem.h"
#include "worker.h"

#define BATCH_MAX		256
#define BATCH_MS		10
#define BATCH_GROW_MS	5

static int	batch_size = 1;		/* 1: job by job */
static const AjJob *held = NULL;	/* first locked job that isn't done */
static int64 not_in_batch = 0;	/* the job that must be run by itself */

bool
aj_batch_wanted(void)
{
	return batch_size > 1;
}

static bool
fits(const AjJob *job, const AjPipeline *pipeline)
{
	return pipeline != NULL && pipeline->nsteps == 1 && !pipeline->dag &&
		pipeline->steps[0].batch && pipeline->steps[0].timeout == 0 &&
		pipeline->steps[0].cache_ttl == 0 &&
		job->seq == 1 && job->session_id == NULL && !job->alone &&
		job->parent_id == 0 && job->locked == NULL &&
		job->id != not_in_batch && !aj_limits_known_rated(job->queue_id);
}

/* The first of the jobs that we held, and hold no longer, can be claimed. */
static void
let_go(void)
{
	if (held != NULL)
		aj_queue_let_go(held);
	held = NULL;
}

/*
 * A batch failed as a whole and was rolled back: go back to the job by job
 * way.
 */
void
aj_batch_reset(void)
{
	batch_size = 1;
	let_go();
}

/* A job was run by itself: would it have fitted? */
void
aj_batch_hint(const AjPipeline *pipeline)
{
	if (batch_size == 1 && pipeline->nsteps == 1 && pipeline->steps[0].batch)
		batch_size = 2;
}

/*
 * Run one job in a subtransaction.  Returns its output, in context, or NULL
 * if it is to be run by itself instead.
 */
static Jsonb *
run_one(AjRun *run, MemoryContext handler_context, MemoryContext context)
{
	ResourceOwner owner = CurrentResourceOwner;
	Jsonb	   *volatile output = NULL;
	AjSuspect	entry = {.dbid = MyDatabaseId,.job_id = run->job->id,
	.worker_id = aj_my_slot->worker_id,.crashes = run->job->crashes};

	/* one writer, and readers compare it with an id of theirs */
	aj_my_slot->job_id = run->job->id;
	aj_crashfile_enter(&entry);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(run->context);
	PG_TRY();
	{
		if (!run->prepared)
			aj_prepare_step(run, handler_context);
		output = aj_call_step(run);
		if (run->logs == NIL && run->artifacts == NIL)
			ReleaseCurrentSubTransaction();
		else
		{
			/* it is run by itself next, so what it did here must go */
			RollbackAndReleaseCurrentSubTransaction();
			output = NULL;
		}
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(run->context);
		edata = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		CurrentResourceOwner = owner;
		aj_forget_step(run);
		aj_crashfile_leave();

		/* somebody wants us, or this job, to stop: that ends the batch */
		if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED &&
			!aj_run_suspends(run, edata->sqlerrcode, edata->message))
			ReThrowError(edata);
		output = NULL;
	}
	PG_END_TRY();
	CurrentResourceOwner = owner;
	aj_crashfile_leave();

	MemoryContextSwitchTo(context);
	if (output == NULL)
		return NULL;
	return (Jsonb *) DatumGetPointer(datumCopy(JsonbPGetDatum(output), false, -1));
}

/* Somebody wants to hear of the ends of jobs. */
static void
chain_all(const AjJob *jobs, int n)
{
	int64	   *ended = palloc(n * sizeof(int64));

	for (int i = 0; i < n; i++)
		ended[i] = jobs[i].id;
	aj_queue_chain(ended, n);
}

/*
 * Lock jobs and end as many as may be.  A job that doesn't fit is claimed
 * into *single if it comes first.  context lives until the caller's next
 * round.
 */
AjBatchResult
aj_batch_run(MemoryContext context, AjJob *single,
			 const AjPipeline **pipeline, bool *gone)
{
	AjScope		scope;
	AjJob	   *jobs;
	const AjPipeline **pipelines;
	AjRun		run = {0};
	MemoryContext handler_context;
	Datum	   *ids,
			   *results,
			   *started,
			   *finished;
	AjNotice   *notices;
	TimestampTz begun;
	int			n,
				done = 0;
	bool		clean = false;

	*gone = false;
	pgstat_report_activity(STATE_RUNNING, "asyncjob: running a batch of jobs");
	aj_worker_begin();
	if (!aj_extension_lock())
	{
		*gone = true;
		CommitTransactionCommand();
		return AJ_BATCH_NOTHING;
	}

	HOLD_CANCEL_INTERRUPTS();
	aj_scope_enter(&scope, true);
	MemoryContextSwitchTo(context);
	jobs = aj_queue_lock_many(aj_my_slot->roleid, batch_size, &n);
	if (n == 0)
	{
		batch_size = 1;
		aj_scope_leave(&scope);
		CommitTransactionCommand();
		MemoryContextSwitchTo(TopMemoryContext);
		RESUME_CANCEL_INTERRUPTS();
		pgstat_report_activity(STATE_IDLE, "asyncjob: waiting for jobs");
		return AJ_BATCH_NOTHING;
	}
	held = &jobs[0];
	(void) aj_limits_of(jobs[0].queue_id);
	aj_redact_prepare();
	pipelines = palloc(n * sizeof(*pipelines));
	for (int i = 0; i < n; i++)
		pipelines[i] = aj_pipeline_get(jobs[i].pipeline_id);

	if (pipelines[0] == NULL)
	{
		/* the job by job way knows what to do with it */
		batch_size = 1;
		aj_scope_leave(&scope);
		CommitTransactionCommand();
		let_go();
		MemoryContextSwitchTo(TopMemoryContext);
		RESUME_CANCEL_INTERRUPTS();
		return AJ_BATCH_DONE;
	}
	if (!fits(&jobs[0], pipelines[0]))
	{
		/* as in the job by job way */
		*single = jobs[0];
		*pipeline = pipelines[0];
		aj_queue_claim_locked(single, aj_my_slot->worker_id);
		batch_size = 1;
		not_in_batch = 0;
		QueryCancelPending = false;
		aj_slot_begin_job(single->id, single->priority);
		aj_scope_leave(&scope);
		held = n > 1 ? &jobs[1] : NULL;
		aj_commit_durably(false);
		CommitTransactionCommand();
		let_go();
		MemoryContextSwitchTo(TopMemoryContext);
		RESUME_CANCEL_INTERRUPTS();
		return AJ_BATCH_SINGLE;
	}
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);

	ids = palloc(4 * n * sizeof(Datum));
	results = ids + n;
	started = ids + 2 * n;
	finished = ids + 3 * n;
	notices = palloc(n * sizeof(AjNotice));
	handler_context = AllocSetContextCreate(context, "asyncjob handler",
											ALLOCSET_SMALL_SIZES);
	run.context = AllocSetContextCreate(context, "asyncjob step",
										ALLOCSET_DEFAULT_SIZES);
	aj_slot_begin_job(jobs[0].id, jobs[0].priority);
	SpinLockAcquire(&aj_my_slot->mutex);
	aj_my_slot->branch_of = 0;
	aj_my_slot->step_no = 0;
	aj_my_slot->step_count = 1;
	aj_my_slot->attempt = 1;
	aj_my_slot->seq = 2;
	aj_my_slot->fraction = 0;
	aj_my_slot->message[0] = '\0';
	aj_my_slot->session[0] = '\0';
	aj_my_slot->published = aj_my_slot->changes;
	SpinLockRelease(&aj_my_slot->mutex);
	QueryCancelPending = false;
	RESUME_CANCEL_INTERRUPTS();

	begun = GetCurrentTimestamp();
	for (int i = 0; i < n; i++)
	{
		Jsonb	   *output;

		if (!fits(&jobs[i], pipelines[i]))
			break;
		if (i > 0 && TimestampDifferenceExceeds(begun, GetCurrentTimestamp(),
												BATCH_MS))
			break;
		MemoryContextReset(run.context);
		run.logs = NIL;
		run.artifacts = NIL;
		if (run.pipeline != pipelines[i])
		{
			MemoryContextReset(handler_context);
			run.prepared = false;
			run.pipeline = pipelines[i];
		}
		run.job = &jobs[i];
		run.suspend.kind = AJ_SUSPEND_NOT;
		output = run_one(&run, handler_context, context);
		clean |= !run.compiled;
		if (output == NULL)
		{
			not_in_batch = jobs[i].id;
			break;
		}
		ids[done] = Int64GetDatum(jobs[i].id);
		results[done] = JsonbPGetDatum(aj_queue_seal_result(&jobs[i], output));
		started[done] = TimestampTzGetDatum(run.started);
		finished[done] = TimestampTzGetDatum(GetCurrentTimestamp());
		aj_notice_fill(&notices[done], jobs[i].id, 3, AJ_COMPLETED, 0, 1, NULL);
		done++;
	}

	if (done > 0 && clean)
		aj_fire_deferred_triggers();
	HOLD_CANCEL_INTERRUPTS();
	if (done > 0)
	{
		aj_scope_enter(&scope, true);
		if (aj_queue_complete_many(done, ids, results, started, finished) != done)
			elog(ERROR, "some of %d locked jobs changed", done);
		if (aj_chains_wanted())
			chain_all(jobs, done);
		aj_scope_leave(&scope);
		aj_worker_defaults();
	}
	CommitTransactionCommand();
	held = done < n ? &jobs[done] : NULL;
	let_go();
	MemoryContextSwitchTo(TopMemoryContext);
	QueryCancelPending = false;
	RESUME_CANCEL_INTERRUPTS();
	aj_slot_end_job();
	aj_publish_many(notices, done);
	for (int i = 0; i < done; i++)
		aj_wake_waiters(DatumGetInt64(ids[i]));
	if (aj_limits_known(jobs[0].queue_id))
		aj_ask_coordinator(MyDatabaseId);	/* their places are free */

	if (TimestampDifferenceExceeds(begun, GetCurrentTimestamp(), BATCH_MS))
		batch_size = Max(batch_size / 2, 1);
	else if (done == batch_size &&
			 !TimestampDifferenceExceeds(begun, GetCurrentTimestamp(),
										 BATCH_GROW_MS))
		batch_size = Min(batch_size * 2, BATCH_MAX);
	if (clean)
		aj_worker_clean_session();
	pgstat_report_activity(STATE_IDLE, "asyncjob: waiting for jobs");
	return AJ_BATCH_DONE;
}
