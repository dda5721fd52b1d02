/*-------------------------------------------------------------------------
 *
 * executor.c
 *		Running the steps of a job.
 *
 * A handler is called by aj_call_step() as the current user, in the current
 * transaction; what it logs and the artifacts it makes are kept in memory
 * and written by aj_finish_step(), together with the checkpoint and the
 * job's next state.  So no table of the engine is locked while a handler
 * runs, and a step's effects, its output and the job's progress commit
 * together or not at all.
 *
 * This is the same code in a worker, where the transaction is the step's
 * own, and in run() and drain(), where it is the caller's.  The caller
 * catches errors; the logs of a step that failed are still in the AjRun.
 *
 * What handlers call of the engine is in step_api.c.
 *
 * A handler that is a procedure may commit.  What it did until then stays,
 * so its artifacts are written when they are made; its step's output still
 * commits with what it did last.
 *
 * A handler that sleeps or waits (api_flow.c) ends by an error, too.  What
 * is recorded then is not a failure but what the job waits for.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_language.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "api_flow.h"
#include "asyncjob.h"
#include "cache.h"
#include "dag.h"
#include "errors.h"
#include "events.h"
#include "executor.h"
#include "extension.h"
#include "latency.h"
#include "limits.h"
#include "procedure.h"
#include "queue.h"
#include "queue_dag.h"
#include "queue_flow.h"
#include "redact.h"
#include "scope.h"
#include "seal.h"
#include "shmem.h"

static AjRun *current_run = NULL;

AjRun *
aj_current_run(void)
{
	return current_run;
}

static void
append_jsonb(StringInfo s, Jsonb *jb)
{
	JsonbToCString(s, &jb->root, VARSIZE(jb));
}

static bool
append_checkpoint(StringInfo s, const AjRun *run, int step_no)
{
	char		key[16];
	JsonbValue *v;

	if (run->checkpoints == NULL)
		return false;
	snprintf(key, sizeof(key), "%d", step_no);
	v = getKeyJsonValueFromContainer(&run->checkpoints->root, key,
									 strlen(key), NULL);
	if (v == NULL)
		return false;
	append_jsonb(s, JsonbValueToJsonb(v));
	return true;
}

/*
 * What the current step gets: the job's params, and if it needs other steps,
 * their outputs beside them.
 */
Jsonb *
aj_run_input(const AjRun *run)
{
	const AjStep *step = &run->pipeline->steps[run->job->step_no];
	StringInfoData s;

	if (run->pipeline->dag)
		return run->job->item_no > 0 ?
			aj_dag_input(run, run->job->params, run->job->item_no) :
			aj_dag_input(run, run->item, run->item_no);
	if (step->nafter == 0)
		return run->job->params;

	initStringInfo(&s);
	appendStringInfoString(&s, "{\"params\": ");
	append_jsonb(&s, run->job->params);
	appendStringInfoString(&s, ", \"steps\": {");
	for (int a = 0; a < step->nafter; a++)
	{
		if (a)
			appendStringInfoString(&s, ", ");
		escape_json(&s, run->pipeline->steps[step->after[a]].name);
		appendStringInfoString(&s, ": ");
		if (!append_checkpoint(&s, run, step->after[a]))
			elog(ERROR, "output of step \"%s\" of job " INT64_FORMAT " is missing",
				 run->pipeline->steps[step->after[a]].name, run->job->id);
	}
	appendStringInfoString(&s, "}}");
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											  CStringGetDatum(s.data)));
}

/*
 * The job's result, given the output of its last step: that output, or where
 * several steps are needed by no other, an object of theirs by name.
 */
static Jsonb *
job_result(const AjRun *run, Jsonb *output)
{
	const AjPipeline *pipeline = run->pipeline;
	StringInfoData s;
	int			nsinks = 0;

	for (int i = 0; i < pipeline->nsteps; i++)
		nsinks += pipeline->steps[i].is_sink;
	if (nsinks == 1)
		return output;

	initStringInfo(&s);
	for (int i = 0; i < pipeline->nsteps; i++)
	{
		if (!pipeline->steps[i].is_sink)
			continue;
		appendStringInfoString(&s, s.len ? ", " : "{");
		escape_json(&s, pipeline->steps[i].name);
		appendStringInfoString(&s, ": ");
		if (i == run->job->step_no)
			append_jsonb(&s, output);
		else if (!append_checkpoint(&s, run, i))
			appendStringInfoString(&s, "null");
	}
	appendStringInfoChar(&s, '}');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											  CStringGetDatum(s.data)));
}

/*
 * Look up the handler of the current step, which the current user must be
 * allowed to execute.  What is remembered lives in context.
 */
void
aj_prepare_step(AjRun *run, MemoryContext context)
{
	const AjStep *step = &run->pipeline->steps[run->job->step_no];
	Oid			function = aj_handler_find(step->handler, GetUserId(), false);
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	run->compiled = ((Form_pg_proc) GETSTRUCT(tuple))->prolang == ClanguageId;
	run->procedure = ((Form_pg_proc) GETSTRUCT(tuple))->prokind == PROKIND_PROCEDURE ?
		function : InvalidOid;
	ReleaseSysCache(tuple);
	if (!OidIsValid(run->procedure))
		fmgr_info_cxt(function, &run->flinfo, context);
	run->prepared = true;
}

/* What a handler that returned null has for output. */
static Jsonb *
null_output(void)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("null")));
}

/*
 * Call the handler of the current step, as the current user in the current
 * transaction.  The output is in run->context.
 */
Jsonb *
aj_call_step(AjRun *run)
{
	MemoryContext old;

	LOCAL_FCINFO(fcinfo, 1);
	Jsonb	   *input,
			   *output;
	Datum		result;

	run->started = GetCurrentTimestamp();
	run->outer = current_run;
	current_run = run;

	PushActiveSnapshot(GetTransactionSnapshot());
	run->snapshot = GetActiveSnapshot();

	old = MemoryContextSwitchTo(run->context);
	if (run->job->locked != NULL)
		aj_not_opened(run->job->locked);
	input = aj_run_input(run);
	if (!run->prepared)
		aj_prepare_step(run, run->context);
	if (run->pipeline->steps[run->job->step_no].cache_ttl > 0 &&
		!run->job->sealed &&
		(output = aj_cache_find(run, input)) != NULL)
	{
		PopActiveSnapshot();
		run->snapshot = NULL;
		aj_step_log("info", psprintf("the output of job " INT64_FORMAT " is reused",
									 run->cached_job), NULL);
		MemoryContextSwitchTo(old);
		current_run = run->outer;
		return output;
	}
	if (OidIsValid(run->procedure))
	{
		/* a procedure that commits must find no snapshot but its portal's */
		PopActiveSnapshot();
		run->snapshot = NULL;
		output = aj_call_procedure(run->procedure, input, run->may_commit,
								   run->context);
		if (output == NULL)
			output = null_output();
		MemoryContextSwitchTo(old);
		current_run = run->outer;
		return output;
	}
	InitFunctionCallInfoData(*fcinfo, &run->flinfo, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = JsonbPGetDatum(input);
	fcinfo->args[0].isnull = false;
	result = FunctionCallInvoke(fcinfo);
	MemoryContextSwitchTo(run->context);
	if (fcinfo->isnull)
		output = null_output();
	else
		output = DatumGetJsonbPCopy(result);
	MemoryContextSwitchTo(old);

	if (run->snapshot != NULL)
	{
		PopActiveSnapshot();
		run->snapshot = NULL;
	}
	current_run = run->outer;
	return output;
}

/*
 * The step raised an error and its (sub)transaction was rolled back, and the
 * snapshot with it.
 */
void
aj_forget_step(AjRun *run)
{
	run->snapshot = NULL;
	current_run = run->outer;
	list_free(run->artifacts);
	run->artifacts = NIL;
}

/* Leave the handler; the job is to wait. */
void
aj_suspend(AjRun *run, const AjSuspend *why)
{
	MemoryContext old = MemoryContextSwitchTo(run->context);

	run->suspend = *why;
	run->suspend.name = why->name ? pstrdup(why->name) : NULL;
	run->suspend.event = why->event ? pstrdup(why->event) : NULL;
	run->suspend.key = why->key ? pstrdup(why->key) : NULL;
	run->suspend.message = aj_redact(pstrdup(why->message));
	MemoryContextSwitchTo(old);
	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED),
			 errmsg("%s", run->suspend.message),
			 errdetail("The job waits; this run of its step ends here.")));
}

/*
 * Is this the error by which the handler left to wait?  One that it caught is
 * forgotten.
 */
bool
aj_run_suspends(const AjRun *run, int sqlerrcode, const char *message)
{
	return run->suspend.kind != AJ_SUSPEND_NOT &&
		sqlerrcode == ERRCODE_QUERY_CANCELED && message != NULL &&
		(strcmp(message, run->suspend.message) == 0 ||
		 strcmp(message, aj_redact(run->suspend.message)) == 0);
}

/* An error went past every run of this process. */
void
aj_forget_current_run(void)
{
	current_run = NULL;
}

/*
 * A sentence for the chat session of a job that ended well.
 */
static char *
success_message(const AjRun *run)
{
	return psprintf("Analysis complete: %s finished %d of %d steps.",
					run->pipeline->name, run->pipeline->nsteps,
					run->pipeline->nsteps);
}

typedef struct ChatWrite
{
	int64		job_id;
	const char *content;
	AjState		state;
} ChatWrite;

static void
write_chat(void *arg)
{
	const ChatWrite *w = arg;

	if (!aj_queue_write_chat(w->job_id, w->content, w->state))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the session does not exist any more")));
}

/*
 * Best effort: the job's end must not depend on the chat.  A failure is
 * logged in the job.
 */
void
aj_tell_chat(AjRun *run, const char *content, AjState state)
{
	ChatWrite	w = {run->job->id, content, state};
	ErrorData  *error;
	AjLogLine	line = {.level = "warning"};

	if (run->job->session_id == NULL)
		return;
	error = aj_try(write_chat, &w);
	if (error == NULL)
		return;
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		ReThrowError(error);	/* run() and drain(): the caller's */

	aj_latency_note_failed(AJ_LATENCY_CHAT);
	line.at = GetCurrentTimestamp();
	line.message = psprintf("could not write to chat session \"%s\": %s",
							run->job->session_id, error->message);
	aj_queue_log(run->job, list_make1(&line));
	FreeErrorData(error);
}

/*
 * Deferred triggers belong to the step: a worker runs them before it records
 * the step's end, as the owner, within the step's timeout and where cancel()
 * reaches them.  Their errors are the step's.
 */
void
aj_fire_deferred_triggers(void)
{
	ConstraintsSetStmt *immediate = makeNode(ConstraintsSetStmt);

	immediate->constraints = NIL;
	immediate->deferred = false;
	AfterTriggerSetState(immediate);
}

/*
 * Store the step's output and move the job on, in the transaction of the
 * step's own effects.  Returns false if the job was cancelled or taken away:
 * the caller must roll back.
 */
bool
aj_finish_step(AjRun *run, int64 worker_id, Jsonb *output)
{
	AjJob	   *job = run->job;
	const AjStep *step = &run->pipeline->steps[job->step_no];
	bool		last = job->step_no == run->pipeline->nsteps - 1;
	AjScope		scope;
	bool		done,
				cancelled;

	aj_scope_enter(&scope, worker_id != 0);
	if (!aj_extension_lock())
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"%s\" was dropped", AJ_EXTENSION)));
	if (run->dropped_logs > 0)
	{
		AjLogLine  *line = palloc0(sizeof(AjLogLine));

		line->at = GetCurrentTimestamp();
		line->level = "warning";
		line->message = psprintf("%d further log lines were dropped",
								 run->dropped_logs);
		run->logs = lappend(run->logs, line);
	}
	aj_queue_log(job, run->logs);
	aj_queue_store_artifacts(job, run->artifacts);
	if (step->cache_ttl > 0 && !job->sealed)
		aj_cache_finish(run, output);
	run->state = last ? AJ_COMPLETED : AJ_RUNNING;
	if (job->item_no >= 0)
	{
		/* a step of its parent, whose checkpoint this becomes (dag.c) */
		run->state = AJ_COMPLETED;
		done = aj_queue_complete(job, worker_id, output);
	}
	else if (run->pipeline->dag)
	{
		done = aj_queue_lock_held(job->id, worker_id, &cancelled) && !cancelled;
		if (done)
			run->state = run->no_item ?
				aj_dag_step_done(run, AJ_OUTCOME_FAILED, NULL, run->items_error) :
				aj_dag_step_done(run, AJ_OUTCOME_DONE, output, run->items_error);
	}
	else if (last)
	{
		aj_tell_chat(run, success_message(run), AJ_COMPLETED);
		done = aj_queue_complete(job, worker_id, job_result(run, output));
	}
	else
		done = aj_queue_advance(job, worker_id, step, run->started, output);
	if (done && run->state == AJ_COMPLETED && job->item_no < 0 && !run->pipeline->dag)
		aj_chain(job->id);
	aj_scope_leave(&scope);
	return done;
}

/*
 * Record that an attempt of the current step failed, in a transaction that
 * the caller has begun, and decide what becomes of the job.  Returns its new
 * state; found says whether the job was still this worker's.
 */
AjState
aj_fail_step(AjRun *run, int64 worker_id, AjError *error, bool cancelled,
			 bool *found)
{
	AjJob	   *job = run->job;
	const AjStep *step = &run->pipeline->steps[job->step_no];
	AjVerdict	verdict = AJ_VERDICT_CANCELLED;
	int64		delay_ms = 0;
	AjScope		scope;
	AjState		state = AJ_QUEUED;
	bool		asked = false;
	const char *why;
	int			seq;

	*found = false;
	if (!cancelled && run->spawned != NIL &&
		aj_run_suspends(run, error->sqlerrcode, error->message))
		aj_spawn_again(run);
	aj_scope_enter(&scope, worker_id != 0);
	if (aj_extension_lock())
	{
		*found = aj_queue_lock_held(job->id, worker_id, &asked);
		cancelled |= asked;
		if (*found && !cancelled && job->sealed && !run->in_place &&
			(error->sqlerrcode == AJ_ERRCODE_NO_KEY || !aj_seal_possible(&why)))
		{
			/* nothing could be recorded, and nothing is wrong with the job */
			if (error->sqlerrcode == AJ_ERRCODE_NO_KEY && job->locked == NULL)
				job->locked = error->detail;
			state = aj_queue_await_key(job, worker_id, found);
			aj_scope_leave(&scope);
			return state;
		}
		if (*found && (!job->sealed || aj_seal_possible(&why)))
			aj_queue_log(job, run->logs);
		if (!cancelled &&
			aj_run_suspends(run, error->sqlerrcode, error->message))
		{
			*found = aj_queue_suspend(job, worker_id, &run->suspend, &cancelled);
			if (!cancelled)
			{
				aj_scope_leave(&scope);
				return AJ_WAITING;
			}
		}
		if (!cancelled)
			verdict = aj_error_verdict(error, job, step, &delay_ms);
		if (run->in_place && !cancelled)
			verdict = AJ_VERDICT_DEAD;	/* in run() nothing is retried */
		if (*found && verdict == AJ_VERDICT_DEAD && step->optional &&
			job->item_no < 0)
		{
			/* the job goes on without it */
			job->failures++;
			state = aj_dag_step_done(run, AJ_OUTCOME_FAILED, NULL,
									 aj_error_to_jsonb(error, job));
			aj_scope_leave(&scope);
			return state;
		}
		state = aj_queue_fail(job, worker_id, error, verdict, delay_ms, found);
		if (*found && state == AJ_QUEUED && aj_limits_hold(job->queue_id, job->id))
			state = AJ_WAITING;
		if (*found && state == AJ_FAILED && job->item_no < 0)
			aj_chain(job->id);
		if (*found && state == AJ_CANCELLED)
			aj_queue_cancel_descendants(job->id);
		seq = job->seq;
		if (*found && state == AJ_FAILED)
			aj_tell_chat(run, job->sealed ?
						 psprintf("Analysis failed at step %s. Its status says why.",
								  step->name) :
						 psprintf("Analysis failed at step %s: %s%s%s", step->name,
								  error->message,
								  error->hint ? "\n" : "",
								  error->hint ? error->hint : ""),
						 AJ_FAILED);
		else if (*found && state == AJ_CANCELLED)
			aj_tell_chat(run, "Analysis was cancelled.", AJ_CANCELLED);
		if (job->seq != seq)
		{
			/* the chat's failure was logged: the end comes after it */
			job->seq++;
			aj_queue_set_seq(job);
		}
	}
	aj_scope_leave(&scope);
	return state;
}
