/*-------------------------------------------------------------------------
 *
 * api_retention.c
 *		How long things are kept.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "api.h"
#include "names.h"
#include "queue_read.h"
#include "queue_retention.h"

#define MAX_PIN_DAYS	30
#define MAX_KEEP_DAYS	366000	/* so long before now there are times, too */
#define PRUNE_AT_ONCE	10000

PG_FUNCTION_INFO_V1(aj_set_retention);
PG_FUNCTION_INFO_V1(aj_reset_retention);
PG_FUNCTION_INFO_V1(aj_pin);
PG_FUNCTION_INFO_V1(aj_unpin);
PG_FUNCTION_INFO_V1(aj_prune);

/* Is this a prefix and a name? */
static bool
is_one_of(const char *kind, const char *prefix)
{
	size_t		len = strlen(prefix);

	return strncmp(kind, prefix, len) == 0 && kind[len] != '\0' &&
		strlen(kind) <= len + 100;
}

static char *
kind_arg(FunctionCallInfo fcinfo)
{
	char	   *kind = aj_text_arg(fcinfo, 0);
	static const char *const kinds[] = {
		"result", "dead_letter", "queued", "artifact", "event"
	};
	bool		known = false;

	if (kind == NULL)
		aj_null_argument("kind");
	for (int i = 0; i < lengthof(kinds); i++)
		known |= strcmp(kind, kinds[i]) == 0;
	if (!known && !is_one_of(kind, "artifact:") && !is_one_of(kind, "event:"))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("nothing of kind \"%s\" is kept", kind),
				 errhint("The kinds are result, dead_letter, queued, artifact, event, artifact: followed by the kind of an artifact, and event: followed by the name of an event.")));
	return kind;
}

static int32
queue_arg(FunctionCallInfo fcinfo, int n, const char *kind)
{
	char	   *queue = aj_text_arg(fcinfo, n);
	int32		id;

	if (queue == NULL)
		return 0;
	if (strncmp(kind, "event", 5) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("events belong to no queue"),
				 errhint("Leave out the queue; event:NAME is a rule for one event.")));
	id = aj_name_queue(queue, NULL, NULL);
	if (id == 0)
		aj_unknown_queue(queue);
	return id;
}

/* set_retention(kind text, keep interval, queue text) */
Datum
aj_set_retention(PG_FUNCTION_ARGS)
{
	char	   *kind;
	Interval   *keep = PG_ARGISNULL(1) ? NULL : PG_GETARG_INTERVAL_P(1);
	int32		queue_id;
	AjScope		scope;

	aj_require_admin("set retention");
	kind = kind_arg(fcinfo);
	if (keep != NULL &&
		(aj_compare_days(keep, 0) < 0 || aj_compare_days(keep, MAX_KEEP_DAYS) > 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("keep is out of range"),
				 errhint("Give an interval from 0 to %d days, or null for ever.",
						 MAX_KEEP_DAYS)));
	PreventCommandIfReadOnly("set_retention()");
	queue_id = queue_arg(fcinfo, 2, kind);
	aj_scope_enter(&scope, false);
	aj_queue_set_retention(queue_id, kind, keep);
	aj_scope_leave(&scope);
	PG_RETURN_VOID();
}

/* reset_retention(kind text, queue text): was there a rule? */
Datum
aj_reset_retention(PG_FUNCTION_ARGS)
{
	char	   *kind;
	int32		queue_id;
	AjScope		scope;
	bool		was;

	aj_require_admin("set retention");
	kind = kind_arg(fcinfo);
	PreventCommandIfReadOnly("reset_retention()");
	queue_id = queue_arg(fcinfo, 1, kind);
	aj_scope_enter(&scope, false);
	was = aj_queue_reset_retention(queue_id, kind);
	aj_scope_leave(&scope);
	PG_RETURN_BOOL(was);
}

/* pin(job_id bigint, duration interval): until when */
Datum
aj_pin(PG_FUNCTION_ARGS)
{
	int64		job_id = aj_job_arg(fcinfo);
	Interval   *duration;
	AjCaller	caller;
	AjJobHead	head;
	AjScope		scope;
	TimestampTz until;

	if (PG_ARGISNULL(1))
		aj_null_argument("duration");
	duration = PG_GETARG_INTERVAL_P(1);
	if (aj_compare_days(duration, 0) <= 0 || aj_compare_days(duration, MAX_PIN_DAYS) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("duration is out of range"),
				 errhint("Give more than 0 and at most %d days; pin again to hold longer.",
						 MAX_PIN_DAYS)));
	PreventCommandIfReadOnly("pin()");
	until = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
													TimestampTzGetDatum(GetCurrentTimestamp()),
													IntervalPGetDatum(duration)));
	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	/* with the row locked, so that it isn't pruned at the same moment */
	if (!aj_queue_head(&caller, job_id, true, &head))
		aj_unknown_job(job_id);
	until = aj_queue_pin(job_id, caller.role, until);
	aj_scope_leave(&scope);
	PG_RETURN_TIMESTAMPTZ(until);
}

/* unpin(job_id bigint): had this role pinned it? */
Datum
aj_unpin(PG_FUNCTION_ARGS)
{
	int64		job_id = aj_job_arg(fcinfo);
	AjCaller	caller;
	AjJobHead	head;
	AjScope		scope;
	bool		was;

	PreventCommandIfReadOnly("unpin()");
	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	/* pruning steps over a job that is locked, and takes its pins along */
	if (!aj_queue_head(&caller, job_id, true, &head))
		aj_unknown_job(job_id);
	was = aj_queue_unpin(job_id, caller.role);
	aj_scope_leave(&scope);
	PG_RETURN_BOOL(was);
}

/* prune(): jobs deleted, artifacts deleted, jobs expired */
Datum
aj_prune(PG_FUNCTION_ARGS)
{
	AjSweep		sweep = {0};
	AjScope		scope;
	TupleDesc	desc;
	Datum		values[3];
	bool		nulls[3] = {false};
	MemoryContext context = CurrentMemoryContext;

	aj_require_admin("prune jobs");
	PreventCommandIfReadOnly("prune()");
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "prune() must return a row");
	while (!sweep.over)
	{
		aj_scope_enter(&scope, false);
		aj_queue_sweep(&sweep, PRUNE_AT_ONCE);
		aj_scope_leave(&scope);
		MemoryContextSwitchTo(context);
		CHECK_FOR_INTERRUPTS();
	}
	values[0] = Int64GetDatum(sweep.deleted);
	values[1] = Int64GetDatum(sweep.artifacts);
	values[2] = Int64GetDatum(sweep.expired);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, nulls)));
}
