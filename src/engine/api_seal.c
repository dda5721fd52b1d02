/*-------------------------------------------------------------------------
 *
 * api_seal.c
 *		encryption_keys() and reencrypt().
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "funcapi.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "api.h"
#include "keyring.h"
#include "queue_seal.h"
#include "seal.h"
#include "shmem.h"
#include "wake.h"

PG_FUNCTION_INFO_V1(aj_encryption_keys);
PG_FUNCTION_INFO_V1(aj_reencrypt);

extern Datum aj_progress_sql(PG_FUNCTION_ARGS);

#define BATCH			100
#define MAX_BATCH		10000

static void
put_key(ReturnSetInfo *rsinfo, const char *id, bool current, bool configured,
		int64 in_use)
{
	Datum		values[4] = {CStringGetTextDatum(id), BoolGetDatum(current),
	BoolGetDatum(configured), Int64GetDatum(in_use)};
	bool		nulls[4] = {false};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * encryption_keys(): the keys of the file, and those by which something is
 * encrypted
 */
Datum
aj_encryption_keys(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext context = CurrentMemoryContext;
	AjScope		scope;
	const AjKey *keys;
	int			nkeys,
				nused;
	char	  **ids;
	int64	   *counts;

	aj_require_admin("look at encryption keys");
	InitMaterializedSRF(fcinfo, 0);
	aj_scope_enter(&scope, false);
	MemoryContextSwitchTo(context);
	nused = aj_queue_keys_in_use(&ids, &counts);
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);

	nkeys = aj_keys(&keys);
	for (int k = 0; k < nkeys; k++)
	{
		int64		in_use = 0;

		for (int i = 0; i < nused; i++)
		{
			if (strcmp(ids[i], keys[k].id) == 0)
			{
				in_use = counts[i];
				counts[i] = 0;
			}
		}
		put_key(rsinfo, keys[k].id, k == nkeys - 1, true, in_use);
	}
	for (int i = 0; i < nused; i++)
	{
		if (counts[i] > 0)
			put_key(rsinfo, ids[i], false, false, counts[i]);
	}
	return (Datum) 0;
}

/* Of {"batch": n}. */
static int
batch_arg(Jsonb *report)
{
	JsonbValue *v = report != NULL && JB_ROOT_IS_OBJECT(report) ?
	getKeyJsonValueFromContainer(&report->root, "batch", 5, NULL) : NULL;
	double		batch = BATCH;

	if (v != NULL && v->type == jbvNumeric)
		batch = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
												   NumericGetDatum(v->val.numeric)));
	else if (v != NULL)
		batch = 0;
	if (!(batch >= 1 && batch <= MAX_BATCH))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("batch is out of range"),
				 errhint("Give a number of jobs from 1 to %d.", MAX_BATCH)));
	return (int) batch;
}

/* One transaction's work.  Returns the last job's id, 0 if there are no more. */
static int64
one_batch(int64 after, int batch, int64 *changed, int64 *highest)
{
	AjScope		scope;
	char	   *key_id = aj_seal_key();
	int64		last;

	aj_scope_enter(&scope, aj_my_slot != NULL);
	if (*highest == 0)
		*highest = aj_queue_highest_job();
	last = aj_queue_reseal(after, batch, key_id, changed);
	aj_scope_leave(&scope);
	/* each value was encrypted by the key that was current then */
	if (strcmp(key_id, aj_seal_key()) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("the current key has changed meanwhile"),
				 errhint("Call reencrypt() again.")));
	/* workers step over what we hold */
	if (last != 0)
		aj_at_end_reset_lanes(true);
	return last;
}

/*
 * CALL reencrypt(INOUT report jsonb): encrypt by the current key what is
 * encrypted by another.  Each batch is committed where that is possible.
 */
Datum
aj_reencrypt(PG_FUNCTION_ARGS)
{
	CallContext *call = (CallContext *) fcinfo->context;
	bool		atomic = call == NULL || !IsA(call, CallContext) || call->atomic;
	MemoryContext context = CurrentMemoryContext,
				each;
	int			batch = batch_arg(PG_ARGISNULL(0) ? NULL : PG_GETARG_JSONB_P(0));
	int64		after = 0,
				highest = 0,
				changed = 0;
	TupleDesc	desc;
	Datum		values[1];
	bool		nulls[1] = {false};

	aj_require_admin("encrypt jobs anew");
	PreventCommandDuringRecovery("reencrypt()");
	PreventCommandIfReadOnly("reencrypt()");
	each = AllocSetContextCreate(context, "asyncjob reencrypt",
								 ALLOCSET_DEFAULT_SIZES);
	SPI_connect_ext(atomic ? 0 : SPI_OPT_NONATOMIC);
	if (!atomic)
		SPI_commit();
	for (;;)
	{
		int64		last,
					n;

		MemoryContextReset(each);
		MemoryContextSwitchTo(each);
		last = one_batch(after, batch, &n, &highest);
		if (last == 0)
			break;
		after = last;
		changed += n;
		if (!atomic)
			SPI_commit();
		MemoryContextSwitchTo(each);
		DirectFunctionCall2(aj_progress_sql,
							Float8GetDatum((double) after / (double) Max(highest, after)),
							CStringGetTextDatum(psprintf(INT64_FORMAT " rows", changed)));
		CHECK_FOR_INTERRUPTS();
	}
	SPI_finish();

	MemoryContextSwitchTo(context);
	MemoryContextDelete(each);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "asyncjob.reencrypt() does not fit this library");
	BlessTupleDesc(desc);
	values[0] = DirectFunctionCall1(jsonb_in,
									CStringGetDatum(psprintf("{\"changed\": " INT64_FORMAT "}", changed)));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}
