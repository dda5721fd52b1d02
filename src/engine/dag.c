/*-------------------------------------------------------------------------
 *
 * dag.c
 *		Which step of a job comes next, and which run beside each other.
 *
 * A pipeline that is a plain chain never comes here: its steps follow one
 * another in the worker that has the job (executor.c, queue.c).
 *
 * Otherwise each step of a job has an outcome in asyncjob.checkpoint once it
 * is done, was skipped, or has failed and is optional.  A step is ready when
 * all that it needs have an outcome; of what has no output it gets null.
 * proceed() looks at outcomes and branches and decides:
 *
 *	- one step is ready and nothing else under way: the job runs it itself, as
 *	  a plain one does;
 *	- several are ready, or one is to run for each of many items: each becomes
 *	  a branch, a job of its own (queue_dag.c), and the job waits for them;
 *	- nothing is ready or under way: the job is completed, and partial where
 *	  something is missing;
 *	- a branch that is not optional has failed: no other is begun, those that
 *	  run may finish, and then the job fails.  retry() goes on from there.
 *
 * So where a job runs a step itself, step_no steps are done, and it is the
 * next in run order; and while it waits for branches, step_no counts what is
 * done.
 *
 * proceed() is called with the job's row locked: by the worker that has the
 * job, when it begins or has finished a step, in the transaction of that; and
 * by settle() on behalf of a branch that has ended, in a transaction that
 * begins after that end is committed.  Of two branches that end at once, the
 * one that locks the job later sees both.  If the process is lost between
 * the two transactions, the coordinator's sweep() does it.
 *
 * In run() a job has one transaction and no branches: the steps are run one
 * after the other ("alone").  What a step gets is put together in dag_data.c.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "dag.h"
#include "errors.h"
#include "events.h"
#include "extension.h"
#include "queue.h"
#include "queue_dag.h"
#include "queue_flow.h"
#include "scope.h"
#include "seal.h"
#include "shmem.h"
#include "wake.h"

#define SWEEP_AT_ONCE	100
#define SWEEP_MS		500		/* after it others have their turn */
#define SETTLE_MS		200		/* for a lock on a row of a job's */

static bool sweep_wanted = false;
static int	collecting = -1;	/* step whose branches are being put together */

/* What is known of a job while it is decided how it goes on. */
typedef struct Progress
{
	AjRun	   *run;
	AjOutcome  *outcomes;
	AjBranch   *branches;
	bool		held;			/* the job is this worker's, not waiting */
	bool		alone;			/* no branches */
	bool		begin;			/* nobody has it, claim() could */
} Progress;

static int
count_outcomes(const Progress *p)
{
	int			n = 0;

	for (int i = 0; i < p->run->pipeline->nsteps; i++)
		n += p->outcomes[i] != AJ_OUTCOME_NONE;
	return n;
}

static bool
is_ready(const Progress *p, int step_no)
{
	const AjStep *step = &p->run->pipeline->steps[step_no];

	for (int a = 0; a < step->nafter; a++)
	{
		if (p->outcomes[step->after[a]] == AJ_OUTCOME_NONE)
			return false;
	}
	return true;
}

static void
reload_checkpoints(AjRun *run)
{
	MemoryContext old = MemoryContextSwitchTo(run->context);

	run->checkpoints = aj_queue_checkpoints(run->job);
	MemoryContextSwitchTo(old);
	if (run->job->locked != NULL)
		aj_not_opened(run->job->locked);
}

/* Tell the world of a change that no worker's end of the job will tell. */
static void
announce(const Progress *p, AjState state)
{
	AjJob	   *job = p->run->job;

	if (!p->held)
		aj_at_commit_changed(job->id, job->seq, state, job->step_no,
							 p->run->pipeline->nsteps, job->session_id);
}

static AjState
end_completed(Progress *p)
{
	AjRun	   *run = p->run;
	AjJob	   *job = run->job;
	Jsonb	   *missing = aj_queue_missing(job->id, job->pipeline_id);
	int			nsteps = run->pipeline->nsteps;
	int			ndone = 0;

	for (int i = 0; i < nsteps; i++)
		ndone += p->outcomes[i] == AJ_OUTCOME_DONE;
	reload_checkpoints(run);
	aj_tell_chat(run, psprintf("Analysis complete: %s finished %d of %d steps.",
							   run->pipeline->name, ndone, nsteps),
				 AJ_COMPLETED);
	aj_queue_end(job, AJ_COMPLETED, nsteps - 1, aj_dag_result(run), missing);
	aj_chain(job->id);
	if (job->parent_id != 0)
		aj_at_commit_child_ended();
	announce(p, AJ_COMPLETED);
	return AJ_COMPLETED;
}

static AjState
end_failed(Progress *p, int step_no, Jsonb *error)
{
	AjRun	   *run = p->run;
	JsonbValue *v = getKeyJsonValueFromContainer(&error->root, "message", 7, NULL);

	aj_tell_chat(run, psprintf("Analysis failed at step %s: %s",
							   run->pipeline->steps[step_no].name,
							   v && v->type == jbvString ?
							   aj_json_cstring(v) : "unknown error"),
				 AJ_FAILED);
	aj_queue_end(run->job, AJ_FAILED, count_outcomes(p), NULL, error);
	aj_chain(run->job->id);
	if (run->job->parent_id != 0)
		aj_at_commit_child_ended();
	announce(p, AJ_FAILED);
	return AJ_FAILED;
}

/* All branches of a step have ended; what came of them becomes the job's. */
static void
collect(AjJob *job, int step_no, bool items)
{
	collecting = step_no;
	aj_queue_collect_branch(job, step_no, items);
	collecting = -1;
}

/*
 * A step has failed that the job cannot do without, or a handler cancelled
 * the job: nothing further is begun, and when nothing runs any more, the job
 * ends.
 */
static AjState
wind_up(Progress *p, bool cancelled)
{
	const AjPipeline *pipeline = p->run->pipeline;
	AjJob	   *job = p->run->job;
	int			running = 0;
	int			step_no = job->step_no;
	Jsonb	   *error;

	for (int i = 0; i < pipeline->nsteps; i++)
	{
		AjBranch   *b = &p->branches[i];

		if (b->total == 0)
			continue;
		if (b->unfinished > b->running)
			aj_queue_drop_branches(job, i, "{queued,waiting}");
	}
	/* one may have been claimed just then */
	aj_queue_branches(job->id, pipeline->nsteps, p->branches);
	for (int i = 0; i < pipeline->nsteps; i++)
	{
		AjBranch   *b = &p->branches[i];

		running += b->running;
		if (b->running == 0 && b->completed > 0 && !b->items)
		{
			collect(job, i, false);
			p->outcomes[i] = AJ_OUTCOME_DONE;
			memset(b, 0, sizeof(*b));
		}
	}
	if (running > 0)
	{
		aj_queue_await_branches(job, count_outcomes(p), NULL);
		return AJ_WAITING;
	}

	error = aj_queue_branch_error(job->id, cancelled ? "cancelled" : "failed",
								  &step_no);
	for (int i = 0; i < pipeline->nsteps; i++)
	{
		if (p->branches[i].total > 0)
			aj_queue_drop_branches(job, i, "{failed,cancelled}");
	}
	if (!cancelled)
		return end_failed(p, step_no, error);
	aj_tell_chat(p->run, "Analysis was cancelled.", AJ_CANCELLED);
	aj_queue_end(job, AJ_CANCELLED, count_outcomes(p), NULL, error);
	announce(p, AJ_CANCELLED);
	return AJ_CANCELLED;
}

/* The items or the condition of a step can't be had: the job fails. */
static AjState
not_to_be_had(Progress *p, int step_no, const AjRefusal *why)
{
	AjError		error = {
		.sqlerrcode = ERRCODE_PROGRAM_LIMIT_EXCEEDED,
		.message = why->message,
		.hint = pstrdup(why->hint),
	};
	AjJob		at = *p->run->job;

	if (p->alone)
		ereport(ERROR,
				(errcode(error.sqlerrcode), errmsg("%s", why->message),
				 errhint("%s", why->hint)));
	at.step_no = step_no;

	/* whatever runs beside it is of no use any more */
	aj_queue_cancel_descendants(p->run->job->id);
	return end_failed(p, step_no, aj_error_to_jsonb(&error, &at));
}

static void
set_outcome(Progress *p, int step_no, AjOutcome outcome, Jsonb *output)
{
	aj_queue_add_outcome(p->run->job, step_no, outcome, 0, GetCurrentTimestamp(),
						 output, NULL);
	p->outcomes[step_no] = outcome;
	reload_checkpoints(p->run);
}

/*
 * Decide how the job goes on; see above.  Its row is locked.
 */
static AjState
proceed(Progress *p)
{
	AjRun	   *run = p->run;
	AjJob	   *job = run->job;
	const AjPipeline *pipeline = run->pipeline;
	int			n = pipeline->nsteps;
	bool	   *ready = palloc0(n * sizeof(bool));
	Jsonb	  **items = palloc0(n * sizeof(Jsonb *));
	int			nready = 0,
				nactive = 0,
				next = -1;
	bool		failed = false;
	AjRefusal	why;
	StringInfoData names;

	p->outcomes = palloc(n * sizeof(AjOutcome));
	p->branches = palloc0(n * sizeof(AjBranch));
	aj_queue_outcomes(job->id, n, p->outcomes);
	if (!p->alone)
		aj_queue_branches(job->id, n, p->branches);
	for (int i = 0; i < n; i++)
	{
		if (p->branches[i].cancelled > 0)
			return wind_up(p, true);
		failed |= p->branches[i].failed > 0 && !pipeline->steps[i].optional;
	}
	if (failed)
		return wind_up(p, false);

	for (int i = 0; i < n; i++)
	{
		AjBranch   *b = &p->branches[i];

		if (b->total == 0 || b->items || b->unfinished > 0)
			continue;
		if (b->completed + b->failed > 0)
		{
			collect(job, i, false);
			p->outcomes[i] = b->failed ? AJ_OUTCOME_FAILED : AJ_OUTCOME_DONE;
		}
		else					/* stopped by cancel(), before a retry() */
			aj_queue_drop_branches(job, i, "{cancelled}");
		memset(b, 0, sizeof(*b));
	}
	reload_checkpoints(run);

	/* in run order, so what a step that is skipped makes ready comes later */
	for (int i = 0; i < n; i++)
	{
		const AjStep *step = &pipeline->steps[i];
		AjBranch   *b = &p->branches[i];

		if (p->outcomes[i] != AJ_OUTCOME_NONE || !is_ready(p, i))
			continue;
		if (b->unfinished > 0)
		{
			nactive++;
			continue;
		}
		if (step->when != NULL && b->total == 0)
		{
			bool		holds;

			if (!aj_dag_condition(run, i, &holds, &why))
				return not_to_be_had(p, i, &why);
			if (!holds)
			{
				set_outcome(p, i, AJ_OUTCOME_SKIPPED, NULL);
				continue;
			}
		}
		if (step->for_each != NULL && !p->alone)
		{
			if (!aj_dag_items(run, i, &items[i], &why))
				return not_to_be_had(p, i, &why);
			if (JB_ROOT_COUNT(items[i]) == 0)
			{
				set_outcome(p, i, AJ_OUTCOME_DONE, items[i]);
				continue;
			}
			if (b->completed + b->failed == JB_ROOT_COUNT(items[i]))
			{
				collect(job, i, true);
				p->outcomes[i] = b->completed ? AJ_OUTCOME_DONE : AJ_OUTCOME_FAILED;
				reload_checkpoints(run);
				continue;
			}
			if (b->total > b->completed + b->failed)
				aj_queue_drop_branches(job, i, "{cancelled}");
		}
		ready[i] = true;
		nready++;
		if (next < 0)
			next = i;
	}

	if (nready == 0 && nactive == 0)
		return end_completed(p);
	if (nready > 0 &&
		(p->alone || (nready == 1 && nactive == 0 && items[next] == NULL)))
	{
		if (p->begin && job->step_no == next && pipeline->steps[next].external)
			return AJ_RUNNING;	/* it stands where it should */
		if (!p->held || job->step_no != next)
			aj_queue_continue(job, next, p->held, pipeline->steps[next].external);
		if (!p->held)
			announce(p, AJ_QUEUED);
		return p->held ? AJ_RUNNING : AJ_QUEUED;
	}

	initStringInfo(&names);
	for (int i = 0; i < n; i++)
	{
		if (!ready[i])
			continue;
		aj_queue_add_branch(job, i, items[i], pipeline->steps[i].external);
		appendStringInfo(&names, "%s\"%s\"", names.len ? ", " : "begins ",
						 pipeline->steps[i].name);
	}
	aj_queue_await_branches(job, count_outcomes(p), nready > 0 ? names.data : NULL);
	announce(p, AJ_WAITING);
	return AJ_WAITING;
}

/*
 * This process has the job and is about to run it: find out what.  found
 * says whether it is still this process' and not to be cancelled.  Runs in a
 * scope.
 */
AjState
aj_dag_enter(AjRun *run, int64 worker_id, bool alone, bool *found)
{
	Progress	p = {.run = run,.held = true,.alone = alone};
	MemoryContext old;
	AjState		state;
	bool		cancelled = false;

	*found = aj_queue_lock_held(run->job->id, worker_id, &cancelled) && !cancelled;
	if (!*found)
		return AJ_CANCELLED;
	old = MemoryContextSwitchTo(run->context);
	aj_dag_load(run);
	if (run->job->locked != NULL)
		state = aj_queue_await_key(run->job, worker_id, found);
	else
		state = proceed(&p);
	MemoryContextSwitchTo(old);
	return state;
}

/*
 * A job that nobody has is offered to external workers, but may have something
 * else to do first: find out.  Returns whether it had.  Runs in a scope.
 */
bool
aj_dag_begin(int64 job_id)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "asyncjob begin",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	AjJob		job;
	AjRun		run = {.job = &job,.context = context};
	Progress	p = {.run = &run,.begin = true};
	AjState		state;
	bool		for_branches;
	bool		begun = false;

	if (aj_queue_lock_offered(job_id) &&
		aj_queue_lock_parent(job_id, &job, &state, &for_branches))
	{
		run.pipeline = aj_pipeline_get(job.pipeline_id);
		if (run.pipeline != NULL && aj_pipeline_may_go_outside(run.pipeline))
		{
			aj_dag_load(&run);
			begun = job.locked == NULL && proceed(&p) != AJ_RUNNING;
		}
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return begun;
}

/*
 * Where nothing is preloaded, claim() gets jobs going that may begin with
 * external steps, and drain() those of its caller.  Runs in a scope.
 */
void
aj_dag_begin_offered(Oid owner)
{
	int64	   *ids;
	int			n = aj_shared == NULL ? aj_queue_offered(owner, &ids) : 0;

	for (int i = 0; i < n; i++)
		(void) aj_dag_begin(ids[i]);
}

/*
 * The step that this process ran itself has come out; go on.  The caller has
 * locked the job's row.
 */
AjState
aj_dag_step_done(AjRun *run, AjOutcome outcome, Jsonb *output, Jsonb *error)
{
	Progress	p = {.run = run,.held = true,.alone = run->in_place};
	MemoryContext old = MemoryContextSwitchTo(run->context);
	AjState		state;

	aj_queue_add_outcome(run->job, run->job->step_no, outcome,
						 run->job->failures + (outcome == AJ_OUTCOME_DONE ? 1 : 0),
						 run->started, output, error);
	state = proceed(&p);
	MemoryContextSwitchTo(old);
	return state;
}

/* A job's branch has ended, or its branches have to be looked at. */
void
aj_dag_settle(int64 parent_id)
{
	AjJob		job;
	AjRun		run = {0};
	Progress	p = {.run = &run};
	AjState		state;
	bool		for_branches;
	MemoryContext context,
				old;

	context = AllocSetContextCreate(CurrentMemoryContext, "asyncjob settle",
									ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	if (aj_queue_lock_parent(parent_id, &job, &state, &for_branches))
	{
		run.job = &job;
		run.context = context;
		run.pipeline = aj_pipeline_get(job.pipeline_id);
		if (AJ_STATE_IS_FINAL(state))
			aj_queue_drop_ended(parent_id);
		else if (state == AJ_WAITING && for_branches && run.pipeline != NULL)
		{
			/* what can't be opened now is looked at again by the sweep */
			aj_dag_load(&run);
			if (job.locked == NULL)
				(void) proceed(&p);
		}
	}
	else
		aj_queue_drop_ended(parent_id);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

static void
settle_soon(void *parent_id)
{
	int			nestlevel = aj_scope_wait_for_locks(SETTLE_MS);

	collecting = -1;
	aj_dag_settle(*(int64 *) parent_id);
	AtEOXact_GUC(false, nestlevel);
}

/* A job that can't be settled, and why. */
typedef struct Hopeless
{
	int64		job_id;
	const ErrorData *error;
} Hopeless;

/* It fails.  The step whose outputs are no good is begun anew by retry(). */
static void
end_hopeless(void *arg)
{
	const Hopeless *hopeless = arg;
	int			nestlevel = aj_scope_wait_for_locks(SETTLE_MS);
	MemoryContext context = CurrentMemoryContext;
	AjJob		job,
				at;
	AjRun		run = {.job = &job,.context = context};
	Progress	p = {.run = &run};
	AjState		state;
	bool		for_branches;

	if (aj_queue_lock_parent(hopeless->job_id, &job, &state, &for_branches) &&
		state == AJ_WAITING && for_branches &&
		(run.pipeline = aj_pipeline_get(job.pipeline_id)) != NULL)
	{
		MemoryContextSwitchTo(context);
		p.outcomes = palloc(run.pipeline->nsteps * sizeof(AjOutcome));
		aj_queue_outcomes(job.id, run.pipeline->nsteps, p.outcomes);
		at = job;
		at.step_no = collecting >= 0 ? collecting :
			Min(job.step_no, run.pipeline->nsteps - 1);
		aj_queue_cancel_descendants(job.id);
		aj_queue_drop_branches(&job, at.step_no, "{completed,failed,cancelled}");
		MemoryContextSwitchTo(context);
		(void) end_failed(&p, at.step_no,
						  aj_error_to_jsonb(aj_error_copy(hopeless->error, context),
											&at));
	}
	AtEOXact_GUC(false, nestlevel);
}

/*
 * The same where nobody must suffer from it.  A job that can't be settled now
 * (its key is missing, or a session holds one of its rows locked) stays as it
 * is for the next look; one that never can, since its outputs together are more
 * than a jsonb holds, has failed.
 */
static void
settle_if_possible(int64 parent_id)
{
	ErrorData  *error = aj_try(settle_soon, &parent_id);
	Hopeless	hopeless = {parent_id, error};

	if (error == NULL)
		return;
	if (error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
		ReThrowError(error);
	if (error->sqlerrcode != AJ_ERRCODE_NO_KEY &&
		error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
		ereport(LOG,
				(errcode(error->sqlerrcode),
				 errmsg("asyncjob cannot go on with job " INT64_FORMAT, parent_id),
				 errdetail_internal("%s", error->message)));
	if (!aj_error_may_pass(error->sqlerrcode))
	{
		ErrorData  *another = aj_try(end_hopeless, &hopeless);

		if (another != NULL && another->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
			ReThrowError(another);
		/* what keeps us from it now is tried again by the sweep */
	}
	FreeErrorData(error);
}

/*
 * A branch has ended, and that is committed.  While other items of its step
 * are unfinished there is nothing to be done, unless it failed.
 *
 * Background processes don't wait for long for the job's rows, which any
 * session may have locked: then the sweep comes back to it.  A client that
 * ends an external step waits, as there may be no sweep.
 */
void
aj_dag_branch_ended(const AjRun *run, AjState state)
{
	const AjJob *job = run->job;

	if (job->item_no > 0 && state == AJ_COMPLETED &&
		aj_queue_unfinished_items(job->parent_id, job->step_no))
		return;
	if (job->sealed || MyBackendType == B_BG_WORKER)
		settle_if_possible(job->parent_id);
	else
		aj_dag_settle(job->parent_id);
}

/*
 * Look for jobs, of an owner or (0) of all, whose branches have ended without
 * anybody having noticed.  Those whose rows are locked take time, so after a
 * while the rest is left for the next look, which goes on there.
 */
void
aj_dag_sweep(Oid owner)
{
	static int64 go_on = 0;
	int64		ids[SWEEP_AT_ONCE];
	int64		last = OidIsValid(owner) ? 0 : go_on;
	TimestampTz start = GetCurrentTimestamp();
	int			n;

	do
	{
		n = aj_queue_stuck_parents(ids, SWEEP_AT_ONCE, last, owner);
		for (int i = 0; i < n; i++)
		{
			settle_if_possible(last = ids[i]);
			if (!OidIsValid(owner) &&
				TimestampDifferenceExceeds(start, GetCurrentTimestamp(), SWEEP_MS))
			{
				go_on = last;
				return;
			}
		}
	} while (n == SWEEP_AT_ONCE);
	if (!OidIsValid(owner))
		go_on = 0;
}

/* This process ended a branch without looking after the job. */
void
aj_dag_sweep_soon(void)
{
	sweep_wanted = true;
}

bool
aj_dag_sweep_wanted(void)
{
	bool		wanted = sweep_wanted;

	sweep_wanted = false;
	return wanted;
}
