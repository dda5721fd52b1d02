/*-------------------------------------------------------------------------
 *
 * api_control.c
 *		cancel(), retry(), reprioritize() and explain().
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "api.h"
#include "extension.h"
#include "external.h"
#include "guc.h"
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
PG_FUNCTION_INFO_V1(aj_explain);

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

/* Why can't a worker log in as this role?  NULL: it can. */
static const char *
login_obstacle(const AjJobHead *head)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(head->owner));
	bool		canlogin;

	if (!HeapTupleIsValid(tuple))
		return psprintf("its owner, role \"%s\", was dropped",
						head->rolname ? head->rolname : "?");
	canlogin = ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	ReleaseSysCache(tuple);
	if (AJ_OWNER_NEEDS_LOGIN && !canlogin)
		return psprintf("its owner, role \"%s\", is not permitted to log in",
						GetUserNameFromId(head->owner, true));
	if (aj_database_aclcheck(MyDatabaseId, head->owner, ACL_CONNECT) != ACLCHECK_OK)
		return psprintf("its owner, role \"%s\", may not connect to this database",
						GetUserNameFromId(head->owner, true));
	return NULL;
}

/* The state of the engine as far as it keeps jobs from starting. */
static const char *
engine_obstacle(const AjJobHead *head, bool ours)
{
	AjDatabase *db;
	const char *why = NULL;
	int			workers = 0,
				busy = 0;

	if (aj_shared == NULL)
		return "asyncjob is not in shared_preload_libraries, so no worker runs; use asyncjob.drain()";
	if (!ours)
		return "the queue was copied from another server or database; asyncjob.resume() starts it";
	if (!aj_guc_enabled)
		return "asyncjob.enabled is off";
	if (aj_guc_max_workers == 0)
		return "asyncjob.max_workers is 0";

	LWLockAcquire(aj_shared->lock, LW_SHARED);
	db = aj_database_find(MyDatabaseId);
	if (db == NULL || db->state == AJ_DB_ABSENT)
		why = "this database is not served; see asyncjob.databases and asyncjob.max_databases";
	else if (db->state != AJ_DB_RUNNING)
		why = "the coordinator of this database is starting";
	else if (db->evicting > 0)
		why = "the database is being dropped, renamed or copied";
	else if (aj_shared->alone_mode != AJ_ALONE_NONE)
		why = "a job that was running when the server crashed has to run alone";
	for (int i = 0; i < aj_shared->nslots; i++)
	{
		workers += aj_shared->slots[i].state != AJ_SLOT_FREE;
		busy += aj_shared->slots[i].state == AJ_SLOT_BUSY;
	}
	if (why == NULL && aj_shared->no_process)
		why = "no background process is free; raise max_worker_processes";
	LWLockRelease(aj_shared->lock);
	if (why == NULL && workers >= aj_guc_max_workers)
		why = psprintf("all %d workers are taken, %d of them busy; raise asyncjob.max_workers",
					   aj_guc_max_workers, busy);
	return why;
}

/* What a job that was put aside waits for. */
static const char *
waiting_reason(const AjJobHead *head)
{
	const char *what = head->waiting_detail ? head->waiting_detail :
	head->waiting_for;

	if (TIMESTAMP_NOT_FINITE(head->run_at))
		return what;
	return psprintf("%s, until %s%s", what,
					strcmp(head->waiting_for, "sleep") == 0 ? "" : "at the latest ",
					timestamptz_to_str(head->run_at));
}

/* explain(job_id bigint) returns text: why is it not running? */
Datum
aj_explain(PG_FUNCTION_ARGS)
{
	int64		job_id = aj_job_arg(fcinfo);
	AjCaller	caller;
	AjJobHead	head;
	AjScope		scope;
	bool		ours;
	const char *why = NULL;
	const char *held = NULL;
	MemoryContext context = CurrentMemoryContext;
	StringInfoData s;

	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	MemoryContextSwitchTo(context);
	if (!aj_queue_head(&caller, job_id, false, &head))
		aj_unknown_job(job_id);
	ours = aj_origin_is_ours();
	if (head.state == AJ_WAITING)
		held = aj_queue_why_held(job_id);
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);

	initStringInfo(&s);
	switch (head.state)
	{
		case AJ_RUNNING:
			appendStringInfo(&s, "It is running step %d of %d.",
							 head.step_no + 1, head.step_count);
			if (head.lease_until != 0)
				appendStringInfo(&s, " An external worker holds it until %s.",
								 timestamptz_to_str(head.lease_until));
			if (head.cancel_requested)
				appendStringInfoString(&s, " Its worker has been told to cancel it.");
			PG_RETURN_TEXT_P(cstring_to_text(s.data));
		case AJ_COMPLETED:
		case AJ_FAILED:
		case AJ_CANCELLED:
			appendStringInfo(&s, "It is %s.", aj_state_names[head.state]);
			if (head.state == AJ_FAILED)
				appendStringInfoString(&s, " asyncjob.status() tells the error; asyncjob.retry() queues it again.");
			PG_RETURN_TEXT_P(cstring_to_text(s.data));
		case AJ_WAITING:
			if (head.waiting_for != NULL)
			{
				appendStringInfo(&s, "It waits: %s.", waiting_reason(&head));
				PG_RETURN_TEXT_P(cstring_to_text(s.data));
			}
			if (head.suspect)
				why = "it was running when the server crashed and waits to run alone";
			break;
		default:
			break;
	}

	if (why == NULL && (head.external || (why = login_obstacle(&head)) == NULL) &&
		head.queue_paused)
		why = psprintf("queue \"%s\" is paused", head.queue);
	if (why == NULL && head.run_at > GetCurrentTimestamp())
		why = psprintf("it is not due before %s", timestamptz_to_str(head.run_at));
	if (why == NULL)
		why = held;
	if (why == NULL && head.external)
		why = psprintf("an external worker has to claim it; asyncjob.claim(ARRAY['%s']) does",
					   head.queue);
	if (why == NULL)
		why = engine_obstacle(&head, ours);
	if (why == NULL)
		why = "it is next in line for a worker, behind more urgent or older jobs if there are any";
	appendStringInfo(&s, "It waits: %s.", why);
	PG_RETURN_TEXT_P(cstring_to_text(s.data));
}
