/*-------------------------------------------------------------------------
 *
 * api_control.c
 *		cancel(), retry() and reprioritize().
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "utils/builtins.h"

#include "api.h"
#include "queue_read.h"
#include "queue_steer.h"
#include "steer.h"
#include "types.h"
#include "wake.h"

PG_FUNCTION_INFO_V1(aj_cancel);
PG_FUNCTION_INFO_V1(aj_retry);
PG_FUNCTION_INFO_V1(aj_reprioritize);

/* There is no such job, or it is a step, which is not steered by itself. */
static void
refuse(AjSteered steered, int64 job_id, const AjJobHead *head, const char *what)
{
	if (steered == AJ_STEER_UNKNOWN)
		aj_unknown_job(job_id);
	if (steered == AJ_STEER_BRANCH)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job " INT64_FORMAT " is a step of job " INT64_FORMAT,
						head->id, head->branch_of),
				 errhint("Call %s with that job.", what)));
}

/*
 * cancel(job_id bigint, reason text): true if the job ends, or has ended, as
 * cancelled.
 */
Datum
aj_cancel(PG_FUNCTION_ARGS)
{
	int64		job_id = aj_job_arg(fcinfo);
	char	   *reason = aj_text_arg(fcinfo, 1);
	AjCaller	caller;
	AjJobHead	head;
	AjSteered	steered;

	PreventCommandIfReadOnly("cancel()");
	aj_caller(&caller);
	steered = aj_steer_cancel(&caller, job_id, reason, &head);
	refuse(steered, job_id, &head, "asyncjob.cancel()");
	PG_RETURN_BOOL(steered == AJ_STEERED);
}

/* retry(job_id bigint): queue a failed or cancelled job again */
Datum
aj_retry(PG_FUNCTION_ARGS)
{
	int64		job_id = aj_job_arg(fcinfo);
	AjCaller	caller;
	AjJobHead	head;
	AjSteered	steered;
	int64		rival;

	PreventCommandIfReadOnly("retry()");
	aj_caller(&caller);
	steered = aj_steer_retry(&caller, job_id, &rival, &head);
	refuse(steered, job_id, &head, "asyncjob.retry()");
	if (steered == AJ_STEER_STATE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job " INT64_FORMAT " is %s", job_id,
						aj_state_names[head.state]),
				 errhint("Only a failed or cancelled job can be retried.")));
	if (steered == AJ_STEER_RIVAL)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("job " INT64_FORMAT " cannot be queued again", job_id),
				 errdetail("Job " INT64_FORMAT " has the same unique_key and has not ended.",
						   rival)));
	aj_at_end_reset_lanes(true);
	PG_RETURN_VOID();
}

/* reprioritize(job_id bigint, priority int): true if it was in time */
Datum
aj_reprioritize(PG_FUNCTION_ARGS)
{
	int64		job_id = aj_job_arg(fcinfo);
	int			priority;
	AjCaller	caller;
	AjJobHead	head;
	AjScope		scope;
	bool		done;
	MemoryContext context = CurrentMemoryContext;

	if (PG_ARGISNULL(1))
		aj_null_argument("priority");
	priority = PG_GETARG_INT32(1);
	if (priority < 0 || priority > 10)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("priority is out of range: %d", priority),
				 errhint("Give 0 to 10, higher is more urgent.")));
	PreventCommandIfReadOnly("reprioritize()");
	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	MemoryContextSwitchTo(context);
	if (!aj_queue_head(&caller, job_id, true, &head))
		aj_unknown_job(job_id);
	done = aj_queue_reprioritize(job_id, priority);
	aj_scope_leave(&scope);
	aj_at_end_reset_lanes(done);
	PG_RETURN_BOOL(done);
}
