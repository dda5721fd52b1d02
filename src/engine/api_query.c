/*-------------------------------------------------------------------------
 *
 * api_query.c
 *		status(), result(), list_jobs(), steps(), updates(), artifacts() and
 *		artifact_data().
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "api.h"
#include "queue.h"
#include "queue_read.h"
#include "seal.h"
#include "shmem.h"
#include "types.h"

#define AJ_CHUNK		(1024 * 1024)
#define MAX_LIMIT		10000

PG_FUNCTION_INFO_V1(aj_status);
PG_FUNCTION_INFO_V1(aj_result);
PG_FUNCTION_INFO_V1(aj_list_jobs);
PG_FUNCTION_INFO_V1(aj_params);
PG_FUNCTION_INFO_V1(aj_step_result);
PG_FUNCTION_INFO_V1(aj_steps);
PG_FUNCTION_INFO_V1(aj_updates);
PG_FUNCTION_INFO_V1(aj_artifacts);
PG_FUNCTION_INFO_V1(aj_artifact_data);
PG_FUNCTION_INFO_V1(aj_live);
PG_FUNCTION_INFO_V1(aj_workers);

/*
 * The row of asyncjob.job_status that the last statement returned, as a
 * composite Datum in the given memory context.
 */
static Datum
status_datum(FunctionCallInfo fcinfo, MemoryContext context)
{
	TupleDesc	desc;
	MemoryContext old;
	Datum	   *values;
	bool	   *nulls;
	HeapTuple	tuple;
	int			natts = SPI_tuptable->tupdesc->natts;

	old = MemoryContextSwitchTo(context);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
		desc->natts != natts)
		elog(ERROR, "asyncjob.job_status does not fit this library");
	BlessTupleDesc(desc);
	values = palloc(natts * sizeof(Datum));
	nulls = palloc(natts * sizeof(bool));
	heap_deform_tuple(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, values, nulls);
	tuple = heap_form_tuple(desc, values, nulls);
	MemoryContextSwitchTo(old);
	return HeapTupleGetDatum(tuple);
}

/*
 * A job's status as of now, for a function that returns asyncjob.job_status.
 */
Datum
aj_status_of(FunctionCallInfo fcinfo, int64 job_id)
{
	MemoryContext context = CurrentMemoryContext;
	AjCaller	caller;
	AjScope		scope;
	Datum		result;

	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	if (aj_queue_status(&caller, job_id) == 0)
		aj_unknown_job(job_id);
	result = status_datum(fcinfo, context);
	aj_scope_leave(&scope);
	return result;
}

/* status(job_id bigint) returns asyncjob.job_status */
Datum
aj_status(PG_FUNCTION_ARGS)
{
	return aj_status_of(fcinfo, aj_job_arg(fcinfo));
}

/* result(job_id bigint) returns jsonb, null until the job is completed */
Datum
aj_result(PG_FUNCTION_ARGS)
{
	int64		job_id = aj_job_arg(fcinfo);
	MemoryContext context = CurrentMemoryContext;
	AjCaller	caller;
	AjJobHead	head;
	AjScope		scope;
	Jsonb	   *result;

	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	if (!aj_queue_head(&caller, job_id, false, &head))
		aj_unknown_job(job_id);
	MemoryContextSwitchTo(context);
	result = aj_queue_result(job_id, caller.role);
	aj_scope_leave(&scope);
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(result);
}

/* params(job_id bigint) returns jsonb */
Datum
aj_params(PG_FUNCTION_ARGS)
{
	int64		job_id = aj_job_arg(fcinfo);
	MemoryContext context = CurrentMemoryContext;
	AjCaller	caller;
	AjScope		scope;
	Jsonb	   *params;

	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	MemoryContextSwitchTo(context);
	params = aj_queue_params(&caller, job_id);
	if (params == NULL)
		aj_unknown_job(job_id);
	aj_scope_leave(&scope);
	PG_RETURN_JSONB_P(params);
}

/* step_result(job_id bigint, step text) returns jsonb, null until it is done */
Datum
aj_step_result(PG_FUNCTION_ARGS)
{
	int64		job_id = aj_job_arg(fcinfo);
	char	   *step = aj_text_arg(fcinfo, 1);
	MemoryContext context = CurrentMemoryContext;
	AjCaller	caller;
	AjJobHead	head;
	AjScope		scope;
	Jsonb	   *output;

	if (step == NULL)
		aj_null_argument("step");
	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	if (!aj_queue_head(&caller, job_id, false, &head))
		aj_unknown_job(job_id);
	MemoryContextSwitchTo(context);
	if (!aj_queue_step_result(&caller, job_id, step, &output))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("job " INT64_FORMAT " has no step \"%s\"", job_id, step),
				 errhint("asyncjob.steps() lists them.")));
	aj_scope_leave(&scope);
	if (output == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(output);
}

/*
 * list_jobs(user_id text, session_id text, state text, after bigint,
 *			 max_rows int, parent bigint)
 */
Datum
aj_list_jobs(PG_FUNCTION_ARGS)
{
	AjCaller	caller;
	AjScope		scope;
	char	   *state = aj_text_arg(fcinfo, 2);
	int			limit = PG_ARGISNULL(4) ? 100 : PG_GETARG_INT32(4);
	bool		known = state == NULL;

	for (int s = AJ_QUEUED; s <= AJ_CANCELLED; s++)
		known |= state != NULL && strcmp(state, aj_state_names[s]) == 0;
	if (!known)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown job state \"%s\"", state),
				 errhint("The states are queued, running, waiting, completed, failed and cancelled.")));
	if (limit < 1 || limit > MAX_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_rows is out of range: %d", limit),
				 errhint("Give 1 to %d; page on with \"after\".", MAX_LIMIT)));

	InitMaterializedSRF(fcinfo, 0);
	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	(void) aj_queue_list(&caller, aj_text_arg(fcinfo, 0),
						 aj_text_arg(fcinfo, 1), state,
						 PG_ARGISNULL(3) ? 0 : PG_GETARG_INT64(3), limit,
						 PG_ARGISNULL(5) ? 0 : PG_GETARG_INT64(5));
	aj_return_rows(fcinfo);
	aj_scope_leave(&scope);
	return (Datum) 0;
}

/* What the next three have in common. */
static Datum
rows_of_job(FunctionCallInfo fcinfo,
			int (*query) (const AjCaller *caller, int64 job_id))
{
	int64		job_id = aj_job_arg(fcinfo);
	AjCaller	caller;
	AjJobHead	head;
	AjScope		scope;

	InitMaterializedSRF(fcinfo, 0);
	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	if (!aj_queue_head(&caller, job_id, false, &head))
		aj_unknown_job(job_id);
	(void) query(&caller, job_id);
	aj_return_rows(fcinfo);
	aj_scope_leave(&scope);
	return (Datum) 0;
}

/* steps(job_id bigint) */
Datum
aj_steps(PG_FUNCTION_ARGS)
{
	return rows_of_job(fcinfo, aj_queue_steps);
}

/* artifacts(job_id bigint) */
Datum
aj_artifacts(PG_FUNCTION_ARGS)
{
	return rows_of_job(fcinfo, aj_queue_artifacts);
}

/* updates(job_id bigint, since_seq int) */
Datum
aj_updates(PG_FUNCTION_ARGS)
{
	int64		job_id = aj_job_arg(fcinfo);
	AjCaller	caller;
	AjJobHead	head;
	AjScope		scope;

	InitMaterializedSRF(fcinfo, 0);
	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	if (!aj_queue_head(&caller, job_id, false, &head))
		aj_unknown_job(job_id);
	(void) aj_queue_updates(&caller, job_id,
							PG_ARGISNULL(1) ? 0 : PG_GETARG_INT32(1));
	aj_return_rows(fcinfo);
	aj_scope_leave(&scope);
	return (Datum) 0;
}

/*
 * artifact_data(job_id bigint, name text, start bigint, length int): bytes
 * from start (0-based) on, as many as there are up to length.
 */
Datum
aj_artifact_data(PG_FUNCTION_ARGS)
{
	int64		job_id = aj_job_arg(fcinfo);
	char	   *name = aj_text_arg(fcinfo, 1);
	int64		start = PG_ARGISNULL(2) ? 0 : PG_GETARG_INT64(2);
	int64		want;
	int64		size;
	bool		chunked = false;
	AjCaller	caller;
	AjScope		scope;
	char	   *key_id;
	bytea	   *result;
	char	   *out;

	if (name == NULL)
		aj_null_argument("name");
	if (start < 0 || (!PG_ARGISNULL(3) && PG_GETARG_INT32(3) < 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("start and length must not be negative")));

	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	size = aj_queue_artifact_size(&caller, job_id, name, &chunked, &key_id);
	if (size < 0)
	{
		AjJobHead	head;

		if (!aj_queue_head(&caller, job_id, false, &head))
			aj_unknown_job(job_id);
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("job " INT64_FORMAT " has no artifact \"%s\"", job_id, name),
				 errhint("asyncjob.artifacts() lists them.")));
	}
	want = Max(size - start, 0);
	if (!PG_ARGISNULL(3))
		want = Min(want, PG_GETARG_INT32(3));
	if (want > MaxAllocSize - VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("artifact \"%s\" is too large to be read at once", name),
				 errhint("Read it in pieces, with start and length.")));

	result = SPI_palloc(want + VARHDRSZ);
	SET_VARSIZE(result, want + VARHDRSZ);
	out = VARDATA(result);
	while (want > 0)
	{
		int			chunk = chunked ? (int) (start / AJ_CHUNK) : -1;
		int64		offset = chunked ? start % AJ_CHUNK : start;
		int64		len = chunked ? Min(want, AJ_CHUNK - offset) : want;
		bool		isnull;
		Datum		piece;
		bytea	   *bytes;
		int64		skip = 0;

		/* what is encrypted can only be opened as a whole */
		if (key_id != NULL)
			piece = aj_queue_artifact_piece(job_id, name, chunk, 0, INT_MAX - 1,
											&isnull);
		else
			piece = aj_queue_artifact_piece(job_id, name, chunk, offset, len,
											&isnull);
		if (isnull)
			elog(ERROR, "artifact \"%s\" of job " INT64_FORMAT " is damaged",
				 name, job_id);
		bytes = DatumGetByteaPP(piece);
		if (key_id != NULL)
		{
			AjSealPlace place = aj_artifact_place(job_id, name, chunk);

			bytes = aj_open_bytes(&place, key_id, bytes);
			skip = offset;
		}
		if (key_id != NULL ? VARSIZE_ANY_EXHDR(bytes) < skip + len :
			VARSIZE_ANY_EXHDR(bytes) != len)
			elog(ERROR, "artifact \"%s\" of job " INT64_FORMAT " is damaged",
				 name, job_id);
		memcpy(out, VARDATA_ANY(bytes) + skip, len);
		out += len;
		start += len;
		want -= len;
		SPI_freetuptable(SPI_tuptable);
	}
	aj_scope_leave(&scope);
	PG_RETURN_BYTEA_P(result);
}

/*
 * _live(job_id bigint): what a running job's worker shows; no row where none
 * runs it.
 */
Datum
aj_live(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	AjWorkerSlot slot;
	Datum		values[4];
	bool		nulls[4] = {false};

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0) || !aj_slot_copy(MyDatabaseId, PG_GETARG_INT64(0), &slot))
		return (Datum) 0;
	values[0] = Float8GetDatum(slot.fraction);
	if (slot.message[0] == '\0')
		nulls[1] = true;
	else
		values[1] = CStringGetTextDatum(slot.message);
	values[2] = TimestampTzGetDatum(slot.step_started);
	values[3] = Int32GetDatum((int) slot.pid);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	return (Datum) 0;
}

/*
 * workers(): the background workers of this database; a caller who is no
 * administrator sees its own role's.
 */
Datum
aj_workers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	static const char *const states[] = {"free", "starting", "idle", "busy", "dead"};
	AjCaller	caller;
	AjWorkerSlot *slots;
	int			n = 0;

	InitMaterializedSRF(fcinfo, 0);
	if (aj_shared == NULL)
		return (Datum) 0;
	aj_caller(&caller);
	slots = palloc(aj_shared->nslots * sizeof(AjWorkerSlot));
	LWLockAcquire(aj_shared->lock, LW_SHARED);
	for (int i = 0; i < aj_shared->nslots; i++)
	{
		AjWorkerSlot *slot = &aj_shared->slots[i];

		if (slot->state == AJ_SLOT_FREE || slot->dbid != MyDatabaseId ||
			(!caller.admin && slot->roleid != caller.role))
			continue;
		SpinLockAcquire(&slot->mutex);
		memcpy(&slots[n++], slot, sizeof(AjWorkerSlot));
		SpinLockRelease(&slot->mutex);
	}
	LWLockRelease(aj_shared->lock);

	for (int i = 0; i < n; i++)
	{
		Datum		values[6];
		bool		nulls[6] = {false};

		values[0] = Int32GetDatum((int) slots[i].pid);
		values[1] = CStringGetTextDatum(GetUserNameFromId(slots[i].roleid, true) ?
										GetUserNameFromId(slots[i].roleid, true) : "?");
		values[2] = CStringGetTextDatum(states[slots[i].state]);
		values[3] = TimestampTzGetDatum(slots[i].since);
		nulls[4] = slots[i].job_id == 0;
		values[4] = Int64GetDatum(slots[i].job_id);
		nulls[5] = slots[i].job_id == 0;
		values[5] = Float8GetDatum(slots[i].fraction);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
