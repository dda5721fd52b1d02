/*-------------------------------------------------------------------------
 *
 * steer.c
 *		Cancelling a job and queueing one again, for all who do it.
 *
 * cancel() and retry() raise an error where a job can't be steered; who steers
 * many of them (api_where.c) goes on with the next.  So what became of a job
 * is told here, and what to make of that is the caller's.
 *
 * Both lock the job's row, before those of its branches.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "external.h"
#include "limits.h"
#include "queue.h"
#include "queue_dag.h"
#include "queue_external.h"
#include "queue_steer.h"
#include "shmem.h"
#include "steer.h"
#include "types.h"
#include "wake.h"

/* It can be cancelled without its worker. */
static void
cancel_now(const AjJobHead *head, const char *reason)
{
	aj_queue_cancel_now(head, reason);
	aj_queue_cancel_descendants(head->id);
	aj_at_commit_child_ended();
	if (head->session_id != NULL)
		(void) aj_queue_write_chat(head->id, "Analysis was cancelled.",
								   AJ_CANCELLED);
	aj_at_end_reset_lanes(false);
	if (aj_limits_of(head->queue_id) != NULL)
		aj_at_commit_look();	/* it may have had a place */
	aj_at_commit_changed(head->id, head->seq + 1, AJ_CANCELLED,
						 head->step_no, head->step_count, head->session_id);
}

/*
 * Cancel a job.  AJ_STEERED if it ends, or has ended, as cancelled.
 *
 * A worker that runs the job (in a batch it is still queued to others) is
 * interrupted at once, before the row is touched: it must not be kept from
 * stopping by what this transaction does later.  So the cancel of a running
 * job is not undone by a rollback.
 */
AjSteered
aj_steer_cancel(const AjCaller *caller, int64 job_id, const char *reason,
				AjJobHead *head)
{
	AjSteered	steered = AJ_STEERED;
	AjScope		scope;
	MemoryContext context = CurrentMemoryContext;

	aj_scope_enter(&scope, false);
	MemoryContextSwitchTo(context);
	if (!aj_queue_head(caller, job_id, false, head))
		steered = AJ_STEER_UNKNOWN;
	else if (head->branch_of != 0)
		steered = AJ_STEER_BRANCH;
	else
	{
		if (!AJ_STATE_IS_FINAL(head->state) && aj_shared != NULL)
			(void) aj_signal_cancel(MyDatabaseId, job_id);
		if (!aj_queue_head(caller, job_id, true, head))
			steered = AJ_STEER_UNKNOWN;
	}
	if (steered != AJ_STEERED)
	{
		aj_scope_leave(&scope);
		return steered;
	}

	if (head->state == AJ_RUNNING && head->worker_id < 0)
	{
		/* its external worker learns it when it comes back */
		(void) aj_queue_drop_lease(job_id);
		head->state = AJ_WAITING;
	}
	switch (head->state)
	{
		case AJ_QUEUED:
		case AJ_WAITING:
			cancel_now(head, reason);
			break;
		case AJ_RUNNING:
			aj_queue_ask_cancel(head, reason);
			aj_queue_cancel_descendants(job_id);
			aj_at_commit_cancel(job_id);
			break;
		default:
			/* its worker may have been faster than we to the row */
			if (head->state != AJ_CANCELLED)
				steered = AJ_STEER_STATE;
			else if (reason != NULL)
				aj_queue_ask_cancel(head, reason);
			break;
	}
	aj_scope_leave(&scope);
	return steered;
}

/*
 * Queue a failed or cancelled job again.  The caller calls
 * aj_at_end_reset_lanes() after the last one.
 */
AjSteered
aj_steer_retry(const AjCaller *caller, int64 job_id, int64 *rival,
			   AjJobHead *head)
{
	AjSteered	steered = AJ_STEERED;
	AjScope		scope;
	int			seq = 0;
	MemoryContext context = CurrentMemoryContext;

	*rival = 0;
	aj_scope_enter(&scope, false);
	MemoryContextSwitchTo(context);
	if (!aj_queue_head(caller, job_id, true, head))
		steered = AJ_STEER_UNKNOWN;
	else if (head->branch_of != 0)
		steered = AJ_STEER_BRANCH;
	else if (head->state != AJ_FAILED && head->state != AJ_CANCELLED)
		steered = AJ_STEER_STATE;
	else if ((*rival = aj_queue_find_rival(head)) != 0)
		steered = AJ_STEER_RIVAL;
	else
	{
		seq = aj_queue_retry(head);
		head->external |= aj_queue_offer(job_id);
		if (aj_limits_hold(head->queue_id, job_id))
			aj_at_commit_look();
		else if (head->external)
			aj_external_at_commit(head->queue_id);
	}
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);
	if (steered == AJ_STEERED)
		aj_at_commit_changed(job_id, seq, AJ_QUEUED, head->step_no,
							 head->step_count, head->session_id);
	return steered;
}
