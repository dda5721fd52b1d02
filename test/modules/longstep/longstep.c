/*-------------------------------------------------------------------------
 *
 * longstep.c
 *		A compiled step that computes for as long as it is told to.
 *
 * For tests of what a worker holds while a step computes: between
 * aj_compute_begin() and aj_compute_end() it touches nothing of the server's
 * but its own progress.  What it computes is a sum, so that the processor is
 * really busy; params: {"ms": how long}.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "asyncjob.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(longstep);

static int
int_member(Jsonb *jb, const char *key)
{
	JsonbValue *v = getKeyJsonValueFromContainer(&jb->root, key,
												 (int) strlen(key), NULL);

	if (v == NULL || v->type != jbvNumeric)
		ereport(ERROR,
				(errcode(AJ_ERRCODE_VALIDATION),
				 errmsg("params lack the number \"%s\"", key)));
	return DatumGetInt32(DirectFunctionCall1(numeric_int4,
											 NumericGetDatum(v->val.numeric)));
}

Datum
longstep(PG_FUNCTION_ARGS)
{
	Jsonb	   *params = PG_GETARG_JSONB_P(0);
	int			ms = int_member(params, "ms");
	TimestampTz start = GetCurrentTimestamp();
	volatile double sum = 0;
	long		done = 0;

	aj_compute_begin();
	while (done < ms)
	{
		for (int i = 1; i < 10000; i++)
			sum += 1.0 / i;
		CHECK_FOR_INTERRUPTS();
		done = TimestampDifferenceMilliseconds(start, GetCurrentTimestamp());
		aj_progress((double) done / ms, "computing");
	}
	aj_compute_end();

	PG_RETURN_JSONB_P(params);
}
