/*-------------------------------------------------------------------------
 *
 * api_limits.c
 *		alter_queue(), drop_queue(), and the limits of create_queue().
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "api.h"
#include "api_limits.h"
#include "extension.h"
#include "external.h"
#include "queue_limits.h"
#include "queue_submit.h"
#include "seal.h"
#include "wake.h"

#define MAX_PLACES		1000000
#define MAX_RATE		100000
#define MAX_WEIGHT		1000

PG_FUNCTION_INFO_V1(aj_alter_queue);
PG_FUNCTION_INFO_V1(aj_drop_queue);

/* The limits, in the order of the arguments. */
static const char *const limit_names[] = {
	"max_running", "max_running_per_user", "user_limit_mode",
	"max_running_per_key", "rate_limit", "rate_interval",
	"rate_limit_per_key", "rate_interval_per_key", "fair", "user_weights",
	"ageing"
};

static void
check_count(FunctionCallInfo fcinfo, int n, const char *name, int most)
{
	int			value = PG_GETARG_INT32(n);

	if (value < 0 || value > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is out of range: %d", name, value),
				 errhint("Give 0 to %d.", most)));
}

static void
check_span(FunctionCallInfo fcinfo, int n, const char *name)
{
	Interval   *span = PG_GETARG_INTERVAL_P(n);
	int64		ms = span->time / 1000 +
	((int64) span->day + (int64) span->month * DAYS_PER_MONTH) *
	SECS_PER_DAY * 1000;

	if (ms <= 0 || span->month > 12 || ms > (int64) 366 * SECS_PER_DAY * 1000)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is out of range: %s", name,
						DatumGetCString(DirectFunctionCall1(interval_out,
															IntervalPGetDatum(span)))),
				 errhint("Give a length of time from 1 ms to 366 days.")));
}

static void
check_weights(Jsonb *weights)
{
	JsonbIterator *it;
	JsonbValue	v;
	JsonbIteratorToken token;
	bool		fits = JB_ROOT_IS_OBJECT(weights);

	it = JsonbIteratorInit(&weights->root);
	while (fits && (token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		double		weight;

		if (token != WJB_VALUE)
			continue;
		fits = v.type == jbvNumeric;
		if (!fits)
			break;
		weight = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
													NumericGetDatum(v.val.numeric)));
		fits = weight > 0 && weight <= MAX_WEIGHT;
	}
	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("user_weights is not an object of weights above 0 and up to %d",
						MAX_WEIGHT),
				 errhint("For example {\"alice\": 3}; who isn't named has 1.")));
}

static void
check_clear(FunctionCallInfo fcinfo, ArrayType *clear)
{
	Datum	   *names;
	bool	   *nulls;
	int			n;

	deconstruct_array(clear, TEXTOID, -1, false, 'i', &names, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		bool		known = false;

		for (int k = 0; k < lengthof(limit_names) && !nulls[i]; k++)
		{
			if (strcmp(TextDatumGetCString(names[i]), limit_names[k]) != 0)
				continue;
			known = true;
			if (!PG_ARGISNULL(k + 1))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("%s is both given and to be cleared", limit_names[k]),
						 errhint("Give a new value, or clear it.")));
		}
		if (!known)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("clear names an unknown limit \"%s\"",
							nulls[i] ? "null" : TextDatumGetCString(names[i])),
					 errhint("The limits are max_running, max_running_per_user, user_limit_mode, max_running_per_key, rate_limit, rate_interval, rate_limit_per_key, rate_interval_per_key, fair, user_weights and ageing.")));
	}
}

/*
 * Refuse limits that make no sense.  They are the arguments from the second
 * on, and after them, if the function clears any, the names of those.  Returns
 * whether any is given.
 */
bool
aj_check_limits(FunctionCallInfo fcinfo, bool clears)
{
	bool		any = false;

	for (int i = 0; i < lengthof(limit_names); i++)
		any |= !PG_ARGISNULL(i + 1);
	if (!PG_ARGISNULL(1))
		check_count(fcinfo, 1, "max_running", MAX_PLACES);
	if (!PG_ARGISNULL(2))
		check_count(fcinfo, 2, "max_running_per_user", MAX_PLACES);
	if (!PG_ARGISNULL(3))
	{
		char	   *mode = aj_text_arg(fcinfo, 3);

		if (strcmp(mode, "wait") != 0 && strcmp(mode, "reject") != 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown user_limit_mode \"%s\"", mode),
					 errhint("The modes are wait and reject.")));
	}
	if (!PG_ARGISNULL(4))
		check_count(fcinfo, 4, "max_running_per_key", MAX_PLACES);
	if (!PG_ARGISNULL(5))
		check_count(fcinfo, 5, "rate_limit", MAX_RATE);
	if (!PG_ARGISNULL(6))
		check_span(fcinfo, 6, "rate_interval");
	if (!PG_ARGISNULL(7))
		check_count(fcinfo, 7, "rate_limit_per_key", MAX_RATE);
	if (!PG_ARGISNULL(8))
		check_span(fcinfo, 8, "rate_interval_per_key");
	if (!PG_ARGISNULL(10))
		check_weights(PG_GETARG_JSONB_P(10));
	if (!PG_ARGISNULL(11))
		check_span(fcinfo, 11, "ageing");
	if (clears && !PG_ARGISNULL(12))
	{
		ArrayType  *clear = PG_GETARG_ARRAYTYPE_P(12);

		check_clear(fcinfo, clear);
		any |= ARR_NDIM(clear) > 0;
	}
	return any;
}

static void
check_rate(int rate, int64 ms, const char *limit, const char *interval)
{
	if ((rate >= 0) != (ms > 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s and %s belong together", limit, interval),
				 errhint("Give both, for example %s => 10, %s => '1 min'.",
						 limit, interval)));
}

/* Store the limits among the arguments.  The caller is in a scope. */
void
aj_set_limits(FunctionCallInfo fcinfo, int32 queue_id, bool clears)
{
	Datum		values[13];
	char		nulls[14] = "             ";
	AjLimits	limits;
	bool		was_gated,
				gated;

	for (int i = 1; i < lengthof(values); i++)
	{
		bool		isnull = (i == 12 && !clears) || PG_ARGISNULL(i);

		nulls[i] = isnull ? 'n' : ' ';
		values[i] = isnull ? (Datum) 0 : PG_GETARG_DATUM(i);
	}
	was_gated = aj_queue_store_limits(queue_id, values, nulls, &limits);
	check_rate(limits.rate, limits.rate_ms, "rate_limit", "rate_interval");
	check_rate(limits.key_rate, limits.key_rate_ms, "rate_limit_per_key",
			   "rate_interval_per_key");
	gated = limits.max_running >= 0 || limits.max_per_user >= 0 ||
		limits.max_per_key >= 0 || limits.rate >= 0 || limits.key_rate >= 0 ||
		limits.fair || limits.ageing_ms > 0;
	aj_queue_gate(queue_id, was_gated, gated);
	if (was_gated != gated)
		aj_at_end_reset_lanes(true);
	if (!gated)
		aj_external_at_commit(queue_id);
	aj_at_commit_look();
}

static int32
queue_arg(FunctionCallInfo fcinfo)
{
	char	   *name = aj_text_arg(fcinfo, 0);
	int32		queue_id;

	if (name == NULL)
		aj_null_argument("name");
	queue_id = aj_queue_find_queue(name);
	if (queue_id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("queue \"%s\" does not exist", name)));
	return queue_id;
}

/* alter_queue(name text, limits..., clear text[], encrypt boolean) */
Datum
aj_alter_queue(PG_FUNCTION_ARGS)
{
	AjScope		scope;
	int32		queue_id;
	bool		limits;

	aj_check_nargs(fcinfo, 14);
	aj_require_admin("alter queues");
	PreventCommandIfReadOnly("alter_queue()");
	limits = aj_check_limits(fcinfo, true);
	if (!PG_ARGISNULL(13) && PG_GETARG_BOOL(13))
		aj_seal_require();
	aj_scope_enter(&scope, false);
	queue_id = queue_arg(fcinfo);
	if (limits)
		aj_set_limits(fcinfo, queue_id, true);
	if (!PG_ARGISNULL(13))
		aj_queue_set_encrypt(queue_id, PG_GETARG_BOOL(13));
	aj_scope_leave(&scope);
	PG_RETURN_VOID();
}

/* drop_queue(name text) */
Datum
aj_drop_queue(PG_FUNCTION_ARGS)
{
	AjScope		scope;
	int32		queue_id;
	int64		unfinished;

	aj_require_admin("drop queues");
	PreventCommandIfReadOnly("drop_queue()");
	aj_scope_enter(&scope, false);
	queue_id = queue_arg(fcinfo);
	if (queue_id < 1000)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("queue \"%s\" belongs to the extension",
						aj_text_arg(fcinfo, 0))));
	unfinished = aj_queue_unfinished(queue_id);
	if (unfinished > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("queue \"%s\" has " INT64_FORMAT " unfinished jobs",
						aj_text_arg(fcinfo, 0), unfinished),
				 errhint("Pause it, and cancel them or let them end.")));
	aj_queue_retire(queue_id);
	aj_scope_leave(&scope);
	PG_RETURN_VOID();
}
