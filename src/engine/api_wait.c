/*-------------------------------------------------------------------------
 *
 * api_wait.c
 *		wait() and await().
 *
 * Both sleep on a condition variable in shared memory that a worker wakes
 * when it has committed the end of a job, and look at the job again; a slow
 * poll stays for ends that nobody announces.  wait() is a function, so the
 * transaction of its caller goes on meanwhile and holds its snapshot back;
 * await() is a procedure that commits first and sleeps without one.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "api.h"
#include "guc.h"
#include "queue_read.h"
#include "shmem.h"

#define MAX_TIMEOUT_MS	(366 * (int64) SECS_PER_DAY * 1000)
#define POLL_MS			1000
#define POLL_ALONE_MS	50		/* nothing preloaded, nobody will wake us */

PG_FUNCTION_INFO_V1(aj_wait);
PG_FUNCTION_INFO_V1(aj_await);

/* An argument timeout: the time to give up, 0 for never. */
TimestampTz
aj_deadline_arg(FunctionCallInfo fcinfo, int n)
{
	Interval   *timeout;
	int64		ms;

	if (PG_ARGISNULL(n))
		return 0;
	timeout = PG_GETARG_INTERVAL_P(n);
	ms = timeout->time / 1000 +
		((int64) timeout->day + (int64) timeout->month * DAYS_PER_MONTH) *
		SECS_PER_DAY * 1000;
	if (ms < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout must not be negative")));
	if (timeout->month > 12 || timeout->day > 366 || ms > MAX_TIMEOUT_MS)
		return 0;				/* as good as for ever */
	return GetCurrentTimestamp() + ms * 1000;
}

/* State of the job as of now. */
static AjState
look(int64 job_id)
{
	AjCaller	caller;
	AjScope		scope;
	AjState		state;
	TransactionId xmin;

	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	state = aj_queue_state_now(&caller, job_id, &xmin);
	aj_scope_leave(&scope);

	if (!AJ_STATE_IS_FINAL(state) && TransactionIdIsCurrentTransactionId(xmin))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job " INT64_FORMAT " cannot start before this transaction commits",
						job_id),
				 errhint("Commit, then wait; or CALL asyncjob.await(), which commits first.")));
	return state;
}

/*
 * Sleep until the job ends or time is up.  quiet says that no transaction's
 * snapshot may be held while sleeping: each look is then a transaction.
 */
static void
wait_for_end(int64 job_id, TimestampTz until, bool quiet)
{
	ConditionVariable *cv = aj_shared ? aj_wait_bucket(job_id) : NULL;

	for (;;)
	{
		TimestampTz now;
		long		wait_ms = cv ? POLL_MS : POLL_ALONE_MS;
		AjState		state;

		/* be on the list before looking, so that no end is missed */
		if (cv)
			ConditionVariablePrepareToSleep(cv);
		if (quiet)
			PushActiveSnapshot(GetTransactionSnapshot());
		state = look(job_id);
		if (quiet)
		{
			PopActiveSnapshot();
			SPI_commit();
		}
		now = GetCurrentTimestamp();
		if (AJ_STATE_IS_FINAL(state) || (until != 0 && now >= until))
			break;
		if (until != 0)
			wait_ms = Min(wait_ms, TimestampDifferenceMilliseconds(now, until) + 1);

		aj_sleep_for_news(cv, wait_ms);
	}
	if (cv)
		ConditionVariableCancelSleep();
}

/* wait(job_id bigint, timeout interval) returns asyncjob.job_status */
Datum
aj_wait(PG_FUNCTION_ARGS)
{
	int64		job_id = aj_job_arg(fcinfo);

	wait_for_end(job_id, aj_deadline_arg(fcinfo, 1), false);
	return aj_status_of(fcinfo, job_id);
}

/*
 * await(job_id bigint, timeout interval, INOUT state text, INOUT result jsonb)
 */
Datum
aj_await(PG_FUNCTION_ARGS)
{
	CallContext *call = (CallContext *) fcinfo->context;
	int64		job_id = aj_job_arg(fcinfo);
	TimestampTz until;
	MemoryContext context = CurrentMemoryContext;
	TupleDesc	desc;
	AjCaller	caller;
	AjJobHead	head;
	AjScope		scope;
	Datum		values[2];
	bool		nulls[2] = {false, false};
	Jsonb	   *result;

	if (call == NULL || !IsA(call, CallContext) || call->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("asyncjob.await() cannot be called inside a transaction block"),
				 errhint("CALL it by itself, or use asyncjob.wait() after COMMIT.")));
	until = aj_deadline_arg(fcinfo, 1);

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	SPI_commit();
	wait_for_end(job_id, until, true);
	SPI_finish();

	PushActiveSnapshot(GetTransactionSnapshot());
	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	MemoryContextSwitchTo(context);
	if (!aj_queue_head(&caller, job_id, false, &head))
		aj_unknown_job(job_id);
	result = aj_queue_result(job_id, caller.role);
	aj_scope_leave(&scope);
	PopActiveSnapshot();

	MemoryContextSwitchTo(context);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "asyncjob.await() does not fit this library");
	BlessTupleDesc(desc);
	values[0] = CStringGetTextDatum(aj_state_names[head.state]);
	nulls[1] = result == NULL;
	values[1] = JsonbPGetDatum(result);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}
