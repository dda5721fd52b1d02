/*-------------------------------------------------------------------------
 *
 * bench_loop.c
 *		What the engine is measured against: the best claim loop by hand.
 *
 * claim_loop() is a worker as somebody would write it who needs nothing but
 * speed: one prepared statement locks the first n queued rows with SKIP
 * LOCKED and marks them done, with their results and both times; COMMIT;
 * again, until no row is left.  No subtransaction, no handler, no notice, no
 * crash protection, no look at other lanes.  It works on bench.job, a copy of
 * asyncjob.job with its columns, indexes, settings and rows.
 *
 * step_progress() times calls of aj_progress() from a compiled step.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "asyncjob.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "nodes/parsenodes.h"
#include "portability/instr_time.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(claim_loop);
PG_FUNCTION_INFO_V1(step_progress);

#define PROGRESS_CALLS	10000000

static const char *const loop_query =
"WITH c AS (SELECT id, params FROM bench.job"
"  WHERE state = 'queued' AND NOT external AND owner = $2 AND queue_id = 1"
"  AND priority = 5 AND run_at <= now()"
"  ORDER BY run_at, id LIMIT $1 FOR UPDATE SKIP LOCKED)"
" UPDATE bench.job j SET state = 'completed', result = c.params,"
" started_at = clock_timestamp(), finished_at = clock_timestamp(), seq = 3"
" FROM c WHERE j.id = c.id";

/*
 * claim_loop(batch integer, INOUT jobs bigint): a procedure, to be called
 * outside of a transaction block.
 */
Datum
claim_loop(PG_FUNCTION_ARGS)
{
	CallContext *call = (CallContext *) fcinfo->context;
	Oid			types[2] = {INT8OID, OIDOID};
	Datum		values[2];
	int64		total = 0;
	TupleDesc	desc;
	bool		isnull = false;
	SPIPlanPtr	plan;

	if (call == NULL || !IsA(call, CallContext) || call->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("claim_loop() cannot be called inside a transaction block")));
	values[0] = Int64GetDatum(PG_GETARG_INT32(0));
	values[1] = ObjectIdGetDatum(GetUserId());

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	plan = SPI_prepare(loop_query, 2, types);
	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "could not prepare the loop's statement");
	for (;;)
	{
		if (SPI_execute_plan(plan, values, NULL, false, 0) != SPI_OK_UPDATE)
			elog(ERROR, "the loop's statement did not run");
		if (SPI_processed == 0)
			break;
		total += (int64) SPI_processed;
		SPI_commit();
		CHECK_FOR_INTERRUPTS();
	}
	SPI_freeplan(plan);
	SPI_finish();

	desc = CreateTemplateTupleDesc(1);
	TupleDescInitEntry(desc, 1, "jobs", INT8OID, -1, 0);
	BlessTupleDesc(desc);
	values[0] = Int64GetDatum(total);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, &isnull)));
}

/* Nanoseconds of one call of aj_progress(), with calls of every kind. */
static double
time_progress(const char *message)
{
	instr_time	start,
				end;

	INSTR_TIME_SET_CURRENT(start);
	for (int i = 0; i < PROGRESS_CALLS; i++)
		aj_progress((double) i / PROGRESS_CALLS, message);
	INSTR_TIME_SET_CURRENT(end);
	INSTR_TIME_SUBTRACT(end, start);
	return INSTR_TIME_GET_DOUBLE(end) * 1e9 / PROGRESS_CALLS;
}

/*
 * A handler.  Returns what a call cost without and with a message.  Outside
 * of a job there is nothing to measure.
 */
Datum
step_progress(PG_FUNCTION_ARGS)
{
	double		plain,
				with_message;

	if (aj_job_id() == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("step_progress() does not run in a job")));
	plain = time_progress(NULL);
	with_message = time_progress("computing tile 17 of 64");
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in,
										CStringGetDatum(psprintf("{\"plain\": %.3f, \"message\": %.3f}",
																 plain, with_message))));
}
