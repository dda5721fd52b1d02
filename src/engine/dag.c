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
 * after the other ("alone").
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "dag.h"
#include "errors.h"
#include "events.h"
#include "extension.h"
#include "jsonpath.h"
#include "queue.h"
#include "queue_dag.h"
#include "queue_flow.h"
#include "seal.h"
#include "shmem.h"
#include "wake.h"

#define MAX_ITEMS		10000
#define SWEEP_AT_ONCE	100
#define PATH_MS			1000	/* for a condition or list of items */

static bool sweep_wanted = false;

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

static void
append_jsonb(StringInfo s, Jsonb *jb)
{
	JsonbToCString(s, &jb->root, VARSIZE(jb));
}

/* Append the output of a step, null if it has none. */
static void
append_output(StringInfo s, Jsonb *checkpoints, int step_no)
{
	char		key[16];
	JsonbValue *v = NULL;

	snprintf(key, sizeof(key), "%d", step_no);
	if (checkpoints != NULL)
		v = getKeyJsonValueFromContainer(&checkpoints->root, key, strlen(key), NULL);
	if (v == NULL)
		appendStringInfoString(s, "null");
	else
		append_jsonb(s, JsonbValueToJsonb(v));
}

static void
push_key(JsonbParseState * *state, const char *key)
{
	JsonbValue	v = {.type = jbvString};

	v.val.string.val = (char *) key;
	v.val.string.len = strlen(key);
	pushJsonbValue(state, WJB_KEY, &v);
}

static void
push_jsonb(JsonbParseState * *state, Jsonb *jb)
{
	JsonbValue	v = {.type = jbvBinary};

	v.val.binary.data = &jb->root;
	v.val.binary.len = VARSIZE(jb) - VARHDRSZ;
	if (JB_ROOT_IS_SCALAR(jb))
		(void) JsonbExtractScalar(&jb->root, &v);
	pushJsonbValue(state, WJB_VALUE, &v);
}

/*
 * What a step gets: the params of the job, outputs of the steps it needs,
 * and the item, if it runs for one.  Each of many items gets all params, so it
 * is put together without a detour over text.
 */
static Jsonb *
step_input(const AjRun *run, int step_no, Jsonb *item, int item_no)
{
	const AjPipeline *pipeline = run->pipeline;
	const AjStep *step = &pipeline->steps[step_no];
	JsonbParseState *state = NULL;
	JsonbValue	null = {.type = jbvNull};

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_key(&state, "params");
	push_jsonb(&state, run->params);
	push_key(&state, "steps");
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int a = 0; a < step->nafter; a++)
	{
		char		key[16];
		JsonbValue *v = NULL;

		snprintf(key, sizeof(key), "%d", step->after[a]);
		if (run->checkpoints != NULL)
			v = getKeyJsonValueFromContainer(&run->checkpoints->root, key,
											 strlen(key), NULL);
		push_key(&state, pipeline->steps[step->after[a]].name);
		pushJsonbValue(&state, WJB_VALUE, v ? v : &null);
	}
	pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	if (item != NULL)
	{
		JsonbValue	no = {.type = jbvNumeric};

		no.val.numeric = DatumGetNumeric(DirectFunctionCall1(int4_numeric,
															 Int32GetDatum(item_no)));
		push_key(&state, "item");
		push_jsonb(&state, item);
		push_key(&state, "item_no");
		pushJsonbValue(&state, WJB_VALUE, &no);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Input of the current step.  A first step that has no item gets the params. */
Jsonb *
aj_dag_input(const AjRun *run, Jsonb *item, int item_no)
{
	const AjStep *step = &run->pipeline->steps[run->job->step_no];

	if (step->nafter == 0 && item == NULL)
		return run->params;
	return step_input(run, run->job->step_no, item, item_no);
}

/*
 * Read what the current step needs of the job it belongs to.  Runs in a
 * scope; the results live in run->context.  What can't be decrypted now makes
 * the job wait: job->locked says why.
 */
void
aj_dag_load(AjRun *run)
{
	bool		branch = run->job->item_no >= 0;
	MemoryContext old = MemoryContextSwitchTo(run->context);

	run->params = branch ? aj_queue_parent_params(run->job) : run->job->params;
	run->checkpoints = aj_queue_checkpoints(run->job);
	MemoryContextSwitchTo(old);
}

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

/* Outputs of all sinks: the one's own, or an object of several by name. */
static Jsonb *
job_result(const AjRun *run)
{
	const AjPipeline *pipeline = run->pipeline;
	StringInfoData s;
	int			nsinks = 0;

	for (int i = 0; i < pipeline->nsteps; i++)
		nsinks += pipeline->steps[i].is_sink;

	initStringInfo(&s);
	for (int i = 0; i < pipeline->nsteps; i++)
	{
		if (!pipeline->steps[i].is_sink)
			continue;
		if (nsinks > 1)
		{
			appendStringInfoString(&s, s.len ? ", " : "{");
			escape_json(&s, pipeline->steps[i].name);
			appendStringInfoString(&s, ": ");
		}
		append_output(&s, run->checkpoints, i);
	}
	if (nsinks > 1)
		appendStringInfoChar(&s, '}');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(s.data)));
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
	aj_queue_end(job, AJ_COMPLETED, nsteps - 1, job_result(run), missing);
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
			aj_queue_collect_branch(job, i, false);
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
not_to_be_had(Progress *p, int step_no, char *message, const char *hint)
{
	AjError		error = {
		.sqlerrcode = ERRCODE_PROGRAM_LIMIT_EXCEEDED,
		.message = message,
		.hint = pstrdup(hint),
	};
	AjJob		at = *p->run->job;

	if (p->alone)
		ereport(ERROR,
				(errcode(error.sqlerrcode), errmsg("%s", message),
				 errhint("%s", hint)));
	at.step_no = step_no;

	/* whatever runs beside it is of no use any more */
	aj_queue_cancel_descendants(p->run->job->id);
	return end_failed(p, step_no, aj_error_to_jsonb(&error, &at));
}

static AjState
too_many_items(Progress *p, int step_no)
{
	return not_to_be_had(p, step_no,
						 psprintf("for_each of step \"%s\" finds more than %d items",
								  p->run->pipeline->steps[step_no].name, MAX_ITEMS),
						 "Split the array, and submit a job for each part.");
}

static AjState
path_too_long(Progress *p, int step_no, const char *key)
{
	return not_to_be_had(p, step_no,
						 psprintf("%s of step \"%s\" took longer than %d ms",
								  key, p->run->pipeline->steps[step_no].name, PATH_MS),
						 "Give a jsonpath with fewer wildcards, or let a step prepare what it finds.");
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
			aj_queue_collect_branch(job, i, false);
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
			AjPathResult result = aj_jsonpath_true(step_input(run, i, NULL, 0),
												   step->when, PATH_MS);

			if (result == AJ_PATH_TOO_LONG)
				return path_too_long(p, i, "when");
			if (result == AJ_PATH_NO)
			{
				set_outcome(p, i, AJ_OUTCOME_SKIPPED, NULL);
				continue;
			}
		}
		if (step->for_each != NULL && !p->alone)
		{
			if (aj_jsonpath_items(step_input(run, i, NULL, 0), step->for_each,
								  PATH_MS, &items[i]) == AJ_PATH_TOO_LONG)
				return path_too_long(p, i, "for_each");
			if (JB_ROOT_COUNT(items[i]) > MAX_ITEMS)
				return too_many_items(p, i);
			if (JB_ROOT_COUNT(items[i]) == 0)
			{
				set_outcome(p, i, AJ_OUTCOME_DONE, items[i]);
				continue;
			}
			if (b->completed + b->failed == JB_ROOT_COUNT(items[i]))
			{
				aj_queue_collect_branch(job, i, true);
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

/*
 * Call the handler for one item.  Where the step is optional, so is each item:
 * what went wrong is caught and added to errors, and the output is null.
 */
static Jsonb *
call_item(AjRun *run, StringInfo errors, char **message)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	int			nartifacts = list_length(run->artifacts);
	Jsonb	   *volatile output = NULL;

	if (!run->pipeline->steps[run->job->step_no].optional)
		return aj_call_step(run);

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		output = aj_call_step(run);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *edata;
		AjError    *error;
		List	   *artifacts = list_truncate(run->artifacts, nartifacts);

		MemoryContextSwitchTo(run->context);
		edata = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		run->artifacts = NIL;
		aj_forget_step(run);
		run->artifacts = artifacts;
		if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED ||
			edata->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
			ReThrowError(edata);	/* it is the caller who is interrupted */
		error = aj_error_copy(edata, run->context);
		if (*message == NULL || strcmp(error->message, *message) < 0)
			*message = error->message;
		appendStringInfoString(errors, errors->len ? ", " : "[");
		append_jsonb(errors, aj_error_to_jsonb(error, run->job));
		/* an object: the number goes into it */
		errors->data[--errors->len] = '\0';
		appendStringInfo(errors, ", \"item_no\": %d}", run->item_no);
		output = NULL;
	}
	PG_END_TRY();
	return output;
}

/*
 * In run() there are no branches: call the handler of the current step for
 * one item after the other.  Returns the array of their outputs.
 */
Jsonb *
aj_dag_call_items(AjRun *run)
{
	const AjStep *step = &run->pipeline->steps[run->job->step_no];
	Progress	p = {.run = run,.alone = true};
	MemoryContext old;
	Jsonb	   *items;
	JsonbIterator *it;
	JsonbValue	item;
	JsonbIteratorToken token;
	StringInfoData s,
				errors;
	char	   *message = NULL;
	int			n,
				nfailed = 0;

	old = MemoryContextSwitchTo(run->context);
	if (aj_jsonpath_items(step_input(run, run->job->step_no, NULL, 0),
						  step->for_each, PATH_MS, &items) == AJ_PATH_TOO_LONG)
		(void) path_too_long(&p, run->job->step_no, "for_each");
	n = JB_ROOT_COUNT(items);
	if (n > MAX_ITEMS)
		(void) too_many_items(&p, run->job->step_no);
	initStringInfo(&s);
	initStringInfo(&errors);
	it = JsonbIteratorInit(&items->root);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		Jsonb	   *output;

		if (token != WJB_ELEM)
			continue;
		run->item = JsonbValueToJsonb(&item);
		run->item_no++;
		output = call_item(run, &errors, &message);
		appendStringInfoString(&s, s.len ? ", " : "[");
		if (output != NULL)
			append_jsonb(&s, output);
		else
		{
			appendStringInfoString(&s, "null");
			nfailed++;
		}
		CHECK_FOR_INTERRUPTS();
	}
	run->item = NULL;
	appendStringInfoString(&s, s.len ? "]" : "[]");
	if (nfailed > 0)
	{
		StringInfoData error;

		initStringInfo(&error);
		appendStringInfoString(&error, "{\"message\": ");
		escape_json(&error, psprintf("%d of %d items failed: %s", nfailed, n,
									 run->job->sealed ? AJ_HIDDEN : message));
		appendStringInfo(&error, ", \"items\": %s]}", errors.data);
		run->items_error = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
															  CStringGetDatum(error.data)));
		run->no_item = nfailed == n;
		run->job->failures += run->no_item;
	}
	MemoryContextSwitchTo(old);
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(s.data)));
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

/*
 * A branch has ended, and that is committed.  While other items of its step
 * are unfinished there is nothing to be done, unless it failed.
 */
void
aj_dag_branch_ended(const AjRun *run, AjState state)
{
	const AjJob *job = run->job;

	if (job->item_no > 0 && state == AJ_COMPLETED &&
		aj_queue_unfinished_items(job->parent_id, job->step_no))
		return;
	aj_dag_settle(job->parent_id);
}

/*
 * The coordinator looks for jobs whose branches have ended without anybody
 * having noticed.  Returns whether there may be more.
 */
bool
aj_dag_sweep(void)
{
	int64		ids[SWEEP_AT_ONCE];
	int			n = aj_queue_stuck_parents(ids, SWEEP_AT_ONCE);

	for (int i = 0; i < n; i++)
		aj_dag_settle(ids[i]);
	return n == SWEEP_AT_ONCE;
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
