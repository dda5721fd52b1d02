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
#include "external.h"
#include "limits.h"
#include "queue.h"
#include "queue_dag.h"
#include "queue_external.h"
#include "queue_read.h"
#include "shmem.h"
#include "types.h"
#include "wake.h"

PG_FUNCTION_INFO_V1(aj_cancel);
PG_FUNCTION_INFO_V1(aj_retry);
PG_FUNCTION_INFO_V1(aj_reprioritize);

/* A step of a job is not steered by itself. */
static void
refuse_branch(const AjJobHead *head, const char *what)
{
	if (head->branch_of != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job " INT64_FORMAT " is a step of job " INT64_FORMAT,
						head->id, head->branch_of),
				 errhint("Call %s with that job.", what)));
}

/*
 * cancel(job_id bigint, reason text): true if the job ends, or has ended, as
 * cancelled.
 *
 * A worker that runs the job (in a batch it is still queued to others) is interrupted at once, before the row is
 * touched: it must not be kept from stopping by what this transaction does
 * later.  So the cancel of a running job is not undone by a rollback.
 */
Datum
aj_cancel(PG_FUNCTION_ARGS)
{
	int64		job_id = aj_job_arg(fcinfo);
	char	   *reason = aj_text_arg(fcinfo, 1);
	AjCaller	caller;
	AjJobHead	head;
	AjScope		scope;
	bool		cancelled = true;
	MemoryContext context = CurrentMemoryContext;

	PreventCommandIfReadOnly("cancel()");
	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	MemoryContextSwitchTo(context);
	if (!aj_queue_head(&caller, job_id, false, &head))
		aj_unknown_job(job_id);
	refuse_branch(&head, "asyncjob.cancel()");
	if (!AJ_STATE_IS_FINAL(head.state) && aj_shared != NULL)
		(void) aj_signal_cancel(MyDatabaseId, job_id);

	if (!aj_queue_head(&caller, job_id, true, &head))
		aj_unknown_job(job_id);
	if (head.state == AJ_RUNNING && head.worker_id < 0)
	{
		/* its external worker learns it when it comes back */
		(void) aj_queue_drop_lease(job_id);
		head.state = AJ_WAITING;
	}
	switch (head.state)
	{
		case AJ_QUEUED:
		case AJ_WAITING:
			aj_queue_cancel_now(&head, reason);
			aj_queue_cancel_descendants(job_id);
			aj_at_commit_child_ended();
			if (head.session_id != NULL)
				(void) aj_queue_write_chat(job_id, "Analysis was cancelled.",
										   AJ_CANCELLED);
			aj_at_end_reset_lanes(false);
			if (aj_limits_of(head.queue_id) != NULL)
				aj_at_commit_look();	/* it may have had a place */
			aj_at_commit_changed(job_id, head.seq + 1, AJ_CANCELLED,
								 head.step_no, head.step_count, head.session_id);
			break;
		case AJ_RUNNING:
			aj_queue_ask_cancel(&head, reason);
			aj_queue_cancel_descendants(job_id);
			aj_at_commit_cancel(job_id);
			break;
		default:
			/* its worker may have been faster than we to the row */
			cancelled = head.state == AJ_CANCELLED;
			if (cancelled && reason != NULL)
				aj_queue_ask_cancel(&head, reason);
			break;
	}
	aj_scope_leave(&scope);
	PG_RETURN_BOOL(cancelled);
}

/* retry(job_id bigint): queue a failed or cancelled job again */
Datum
aj_retry(PG_FUNCTION_ARGS)
{
	int64		job_id = aj_job_arg(fcinfo);
	AjCaller	caller;
	AjJobHead	head;
	AjScope		scope;
	int64		rival;
	int			seq;
	MemoryContext context = CurrentMemoryContext;

	PreventCommandIfReadOnly("retry()");
	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	MemoryContextSwitchTo(context);
	if (!aj_queue_head(&caller, job_id, true, &head))
		aj_unknown_job(job_id);
	refuse_branch(&head, "asyncjob.retry()");
	if (head.state != AJ_FAILED && head.state != AJ_CANCELLED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job " INT64_FORMAT " is %s", job_id,
						aj_state_names[head.state]),
				 errhint("Only a failed or cancelled job can be retried.")));
	rival = aj_queue_find_rival(&head);
	if (rival != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("job " INT64_FORMAT " cannot be queued again", job_id),
				 errdetail("Job " INT64_FORMAT " has the same unique_key and has not ended.",
						   rival)));
	seq = aj_queue_retry(&head);
	if (aj_limits_hold(head.queue_id, job_id))
		aj_at_commit_look();
	else if (head.external)
		aj_external_at_commit(head.queue_id);
	aj_scope_leave(&scope);

	aj_at_commit_changed(job_id, seq, AJ_QUEUED, head.step_no,
						 head.step_count, head.session_id);
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
