/*-------------------------------------------------------------------------
 *
 * api_claim.c
 *		claim() and claim_wait(): what external workers get work by.
 *
 * A claim looks at the lanes of external jobs in the queues that it names
 * (queue_external.c), gives out places of limited queues where no coordinator
 * does, ends leases that have expired, and hands what an external worker can't
 * run to those who can.  claim_wait() does the same again and again, a
 * transaction each, and sleeps on a condition variable in between.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "nodes/parsenodes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "api.h"
#include "api_external.h"
#include "dag.h"
#include "executor.h"
#include "extension.h"
#include "external.h"
#include "limits.h"
#include "pause.h"
#include "queue.h"
#include "queue_external.h"
#include "queue_flow.h"
#include "queue_submit.h"
#include "redact.h"
#include "shmem.h"
#include "wake.h"

#define MAX_CLAIM		1000
#define POLL_MS			1000
#define POLL_ALONE_MS	100		/* nothing preloaded, nobody will wake us */

PG_FUNCTION_INFO_V1(aj_claim);
PG_FUNCTION_INFO_V1(aj_claim_wait);

/* A request for work. */
typedef struct Request
{
	int32	   *queues;
	int			nqueues;
	int			max;
	int64		lease_ms;
} Request;

/* A step that was claimed, with what its worker is told. */
typedef struct Claimed
{
	AjHeld		held;
	const char *pipeline;
	const char *step;
	Jsonb	   *input;
	TimestampTz expires_at;
} Claimed;

/*
 * The arguments that claim() and claim_wait() share: queues, n, lease.
 */
static void
request_args(FunctionCallInfo fcinfo, Request *request)
{
	Datum	   *names;
	bool	   *nulls;
	AjScope		scope;
	MemoryContext context = CurrentMemoryContext;

	if (PG_ARGISNULL(0))
		aj_null_argument("queues");
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, 'i',
					  &names, &nulls, &request->nqueues);
	if (request->nqueues == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("queues is empty"),
				 errhint("Name at least one queue, for example ARRAY['default'].")));
	request->max = PG_ARGISNULL(1) ? 1 : PG_GETARG_INT32(1);
	if (request->max < 1 || request->max > MAX_CLAIM)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("n is out of range: %d", request->max),
				 errhint("Give 1 to %d.", MAX_CLAIM)));
	request->lease_ms = aj_lease_arg(fcinfo, 2);

	request->queues = palloc(request->nqueues * sizeof(int32));
	aj_scope_enter(&scope, false);
	MemoryContextSwitchTo(context);
	for (int i = 0; i < request->nqueues; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("element %d of queues must not be null", i + 1)));
		request->queues[i] = aj_queue_find_queue(TextDatumGetCString(names[i]));
		if (request->queues[i] == 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("queue \"%s\" does not exist",
							TextDatumGetCString(names[i])),
					 errhint("asyncjob.queues lists them.")));
	}
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);
}

/*
 * A claimed job is more than a chain of steps: find out what comes next.  That
 * runs nobody's code.  Returns false, and gives the job up, if it is not a step
 * by itself; *others then says that there may be others to claim.
 */
static bool
enter(AjHeld *held, AjRun *run, bool *others)
{
	AjJob	   *job = &held->job;
	bool		found;
	AjState		state = aj_dag_enter(run, -held->token, false, &found);

	if (found && state == AJ_RUNNING && job->locked == NULL)
		return true;
	(void) aj_queue_drop_lease(job->id);
	if (found)
		aj_at_commit_changed(job->id, job->seq, state, job->step_no,
							 run->pipeline->nsteps, job->session_id);
	*others |= found && state == AJ_WAITING && job->locked == NULL;
	return false;
}

/*
 * What the worker of a claimed step is told.  Returns false if it is none for
 * an external worker; it has then been put where it belongs.
 */
static bool
brief(AjHeld *held, TimestampTz expires_at, Claimed *claimed, bool *others)
{
	AjRun		run = {0};
	AjJob	   *job = &held->job;

	aj_held_run(&run, held, CurrentMemoryContext);
	if (run.pipeline == NULL || job->step_no >= run.pipeline->nsteps)
	{
		AjError		error = {
			.sqlerrcode = ERRCODE_UNDEFINED_OBJECT,
			.message = psprintf("the pipeline of job " INT64_FORMAT " is missing", job->id),
			.hint = "Submit the job again.",
		};
		bool		found;

		(void) aj_queue_drop_lease(job->id);
		(void) aj_queue_fail(job, -held->token, &error, AJ_VERDICT_DEAD, 0, &found);
		return false;
	}
	if (job->locked != NULL)
	{
		bool		found;

		(void) aj_queue_drop_lease(job->id);
		(void) aj_queue_await_key(job, -held->token, &found);
		return false;
	}
	if (run.pipeline->dag && job->item_no < 0 && !enter(held, &run, others))
		return false;
	if (!run.pipeline->steps[job->step_no].external)
	{
		(void) aj_queue_drop_lease(job->id);
		(void) aj_queue_hand_over(job, -held->token, false);
		aj_at_commit_job_ready(job->owner, job->queue_id, job->priority,
							   job->run_at, job->id);
		return false;
	}
	claimed->held = *held;
	claimed->pipeline = run.pipeline->name;
	claimed->step = run.pipeline->steps[job->step_no].name;
	claimed->input = aj_run_input(&run);
	claimed->expires_at = expires_at;
	aj_at_commit_changed(job->id, job->seq, AJ_RUNNING, job->step_no,
						 run.pipeline->nsteps, job->session_id);
	return true;
}

/*
 * Claim what there is, in the current transaction.  The result lives in the
 * memory context of the call.
 */
static int
claim_now(const Request *request, Claimed **claimed)
{
	MemoryContext context = CurrentMemoryContext;
	AjCaller	caller;
	AjScope		scope;
	AjHeld	   *held = palloc0(request->max * sizeof(AjHeld));
	bool		others = true;
	int			n = 0;

	*claimed = palloc0(request->max * sizeof(Claimed));
	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	MemoryContextSwitchTo(context);
	if (!aj_origin_is_ours())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the queue was copied from another server or database"),
				 errhint("Let an administrator call asyncjob.resume() first.")));
	/* quiesce_wait() has to know that a claim is under way */
	(void) aj_extension_lock();
	if (aj_shared == NULL)
		aj_call_back_here(InvalidOid);
	aj_redact_prepare();
	(void) aj_external_expire(request->queues, request->nqueues, caller.role);
	if (aj_limits_admit_here(request->queues, request->nqueues, caller.role,
							 true, request->max, false) > 0)
		aj_at_commit_look();
	while (others && n < request->max)
	{
		AjExternalLane *lanes;
		int			nlanes = aj_queue_external_lanes(&caller, request->queues,
													 request->nqueues, &lanes);

		others = false;
		for (int i = 0; i < nlanes && n < request->max; i++)
		{
			TimestampTz expires_at =
			TimestampTzPlusMilliseconds(GetCurrentTimestamp(), request->lease_ms);
			int			taken = aj_queue_claim_external(&caller, &lanes[i],
														request->max - n,
														expires_at, held);

			for (int j = 0; j < taken; j++)
				n += brief(&held[j], expires_at, &(*claimed)[n], &others);
			if (taken > 0 && aj_limits_known(lanes[i].queue_id))
				aj_at_commit_look();
		}
	}
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);
	return n;
}

/* claim(queues text[], n integer, lease interval) */
Datum
aj_claim(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Request		request;
	Claimed    *claimed;
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	PreventCommandDuringRecovery("claim()");
	PreventCommandIfReadOnly("claim()");
	request_args(fcinfo, &request);
	n = claim_now(&request, &claimed);
	for (int i = 0; i < n; i++)
	{
		const AjJob *job = &claimed[i].held.job;
		Datum		values[10];
		bool		nulls[10] = {false};

		values[0] = Int64GetDatum(job->id);
		values[1] = Int64GetDatum(claimed[i].held.token);
		values[2] = CStringGetTextDatum(claimed[i].held.queue);
		values[3] = CStringGetTextDatum(claimed[i].pipeline);
		values[4] = CStringGetTextDatum(claimed[i].step);
		values[5] = Int32GetDatum(job->failures + 1);
		values[6] = JsonbPGetDatum(claimed[i].input);
		values[7] = TimestampTzGetDatum(claimed[i].expires_at);
		nulls[8] = job->user_id == NULL;
		values[8] = nulls[8] ? (Datum) 0 : CStringGetTextDatum(job->user_id);
		nulls[9] = job->session_id == NULL;
		values[9] = nulls[9] ? (Datum) 0 : CStringGetTextDatum(job->session_id);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

static void
append_member(StringInfo s, const char *key, const char *value)
{
	appendStringInfo(s, ", \"%s\": ", key);
	if (value != NULL)
		escape_json(s, value);
	else
		appendStringInfoString(s, "null");
}

static Datum
claimed_to_jsonb(const Claimed *claimed, int n)
{
	StringInfoData s;

	initStringInfo(&s);
	appendStringInfoChar(&s, '[');
	for (int i = 0; i < n; i++)
	{
		const AjJob *job = &claimed[i].held.job;
		char		lease_until[MAXDATELEN + 1];

		JsonEncodeDateTime(lease_until,
						   TimestampTzGetDatum(claimed[i].expires_at),
						   TIMESTAMPTZOID, NULL);
		appendStringInfo(&s, "%s{\"job_id\": " INT64_FORMAT
						 ", \"token\": " INT64_FORMAT ", \"attempt\": %d",
						 i ? ", " : "", job->id, claimed[i].held.token,
						 job->failures + 1);
		append_member(&s, "queue", claimed[i].held.queue);
		append_member(&s, "pipeline", claimed[i].pipeline);
		append_member(&s, "step", claimed[i].step);
		append_member(&s, "lease_until", lease_until);
		append_member(&s, "user_id", job->user_id);
		append_member(&s, "session_id", job->session_id);
		appendStringInfoString(&s, ", \"input\": ");
		JsonbToCString(&s, &claimed[i].input->root, VARSIZE(claimed[i].input));
		appendStringInfoChar(&s, '}');
	}
	appendStringInfoChar(&s, ']');
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(s.data));
}

/*
 * claim_wait(queues text[], n integer, lease interval, timeout interval,
 *			  INOUT jobs jsonb)
 *
 * The last look's transaction, with the claim, is committed by the CALL.
 */
Datum
aj_claim_wait(PG_FUNCTION_ARGS)
{
	CallContext *call = (CallContext *) fcinfo->context;
	MemoryContext context = CurrentMemoryContext;
	ConditionVariable *cv = aj_shared ? aj_external_waiters() : NULL;
	int64		timeout_ms = AJ_EXTERNAL_MAX_WAIT_MS;
	TimestampTz until;
	Request		request;
	Claimed    *claimed;
	TupleDesc	desc;
	Datum		values[1];
	bool		nulls[1] = {false};
	int			n;

	if (call == NULL || !IsA(call, CallContext) || call->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("asyncjob.claim_wait() cannot be called inside a transaction block"),
				 errhint("CALL it by itself, or use asyncjob.claim().")));
	PreventCommandDuringRecovery("claim_wait()");
	PreventCommandIfReadOnly("claim_wait()");
	if (!PG_ARGISNULL(3))
		timeout_ms = aj_interval_ms(PG_GETARG_INTERVAL_P(3));
	if (timeout_ms < 0 || timeout_ms > AJ_EXTERNAL_MAX_WAIT_MS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout is out of range: " INT64_FORMAT " ms", timeout_ms),
				 errhint("Give a length of time from 0 to 20 s, and call again.")));
	request_args(fcinfo, &request);
	until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms);

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	SPI_commit();
	for (;;)
	{
		TimestampTz now;
		long		wait_ms = cv ? POLL_MS : POLL_ALONE_MS;

		/* be on the list before looking, so that no news is missed */
		if (cv)
			ConditionVariablePrepareToSleep(cv);
		MemoryContextSwitchTo(context);
		PushActiveSnapshot(GetTransactionSnapshot());
		n = claim_now(&request, &claimed);
		PopActiveSnapshot();
		now = GetCurrentTimestamp();
		if (n > 0 || now >= until)
			break;
		SPI_commit();
		wait_ms = Min(wait_ms, TimestampDifferenceMilliseconds(now, until) + 1);

		aj_sleep_for_news(cv, wait_ms);
	}
	if (cv)
		ConditionVariableCancelSleep();
	SPI_finish();

	MemoryContextSwitchTo(context);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "asyncjob.claim_wait() does not fit this library");
	BlessTupleDesc(desc);
	values[0] = claimed_to_jsonb(claimed, n);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}
