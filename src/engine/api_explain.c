/*-------------------------------------------------------------------------
 *
 * api_explain.c
 *		explain(): why is a job not running?
 *
 * Of several reasons the one is told that has to go first: what is wrong with
 * the job's owner, then what somebody has stopped, its time, its limits, and at
 * last the engine.  Other roles' jobs are counted, not named, unless the
 * caller sees them.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "lib/stringinfo.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "api.h"
#include "extension.h"
#include "guc.h"
#include "queue.h"
#include "queue_explain.h"
#include "queue_read.h"
#include "shmem.h"
#include "types.h"

PG_FUNCTION_INFO_V1(aj_explain);

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

/* Jobs that have the workers: those of the caller's role, others by number. */
static char *
who_has_workers(const AjCaller *caller)
{
	StringInfoData own;
	int			nown = 0,
				nothers = 0,
				nidle = 0;

	initStringInfo(&own);
	LWLockAcquire(aj_shared->lock, LW_SHARED);
	for (int i = 0; i < aj_shared->nslots; i++)
	{
		AjWorkerSlot *slot = &aj_shared->slots[i];

		if (slot->state == AJ_SLOT_FREE)
			continue;
		if (slot->state != AJ_SLOT_BUSY)
			nidle++;
		else if (slot->dbid != MyDatabaseId ||
				 (slot->roleid != caller->role && !caller->admin))
			nothers++;
		else if (++nown <= 5)
			appendStringInfo(&own, "%s" INT64_FORMAT, nown > 1 ? ", " : "",
							 slot->job_id);
	}
	LWLockRelease(aj_shared->lock);
	if (nown > 5)
		appendStringInfoString(&own, ", ...");
	return psprintf("%d busy%s%s%s%s", nown + nothers,
					nown ? (nown > 1 ? " (jobs " : " (job ") : "", own.data,
					nown ? (nothers ? psprintf(", and %d of others)", nothers) : ")") : "",
					nidle ? psprintf(", %d about to be free", nidle) : "");
}

/* The state of the engine as far as it keeps jobs from starting. */
static const char *
engine_obstacle(const AjCaller *caller, bool ours)
{
	AjDatabase *db;
	const char *why = NULL;
	int			workers = 0;

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
	else if (db->state != AJ_DB_RUNNING && !aj_shared->no_process)
		why = "the coordinator of this database is starting";
	else if (db->evicting > 0)
		why = "the database is being dropped, renamed or copied";
	else if (aj_shared->alone_mode != AJ_ALONE_NONE)
		why = "a job that was running when the server crashed has to run alone";
	for (int i = 0; i < aj_shared->nslots; i++)
		workers += aj_shared->slots[i].state != AJ_SLOT_FREE;
	if (why == NULL && aj_shared->no_process)
		why = "no background process is free; raise max_worker_processes";
	LWLockRelease(aj_shared->lock);
	if (why == NULL && workers >= aj_guc_max_workers)
		why = psprintf("all %d workers are taken, %s; raise asyncjob.max_workers",
					   aj_guc_max_workers, who_has_workers(caller));
	return why;
}

/* What a job that was put aside waits for. */
static const char *
waiting_reason(const AjJobHead *head, const AjFacts *facts)
{
	const char *what = head->waiting_detail ? head->waiting_detail :
	head->waiting_for;

	if (strcmp(head->waiting_for, "children") == 0 && facts->children != NULL)
		what = psprintf("%s: %s", what, facts->children);
	if (TIMESTAMP_NOT_FINITE(head->run_at) ||
		strcmp(head->waiting_for, "key") == 0)
		return what;
	return psprintf("%s, until %s%s", what,
					strcmp(head->waiting_for, "sleep") == 0 ? "" : "at the latest ",
					timestamptz_to_str(head->run_at));
}

/* Why is its time still to come? */
static const char *
not_due_reason(const AjJobHead *head, const AjFacts *facts)
{
	const char *until = timestamptz_to_str(head->run_at);

	if (facts->last == NULL || facts->error == NULL)
		return psprintf("it is not due before %s", until);
	if (strcmp(facts->last, "info") == 0)
		return psprintf("it is not due before %s; step \"%s\" asked to be run again then",
						until, facts->step);
	if (strcmp(facts->last, "warning") == 0)
		return psprintf("it is not due before %s; step \"%s\" is tried again then, free of charge, after: %s",
						until, facts->step, facts->error);
	return psprintf("it is not due before %s; step \"%s\" is tried again then, after attempt %d failed: %s",
					until, facts->step, facts->failures, facts->error);
}

/* What can be said of a job that has ended. */
static void
explain_end(StringInfo s, const AjJobHead *head, const AjFacts *facts)
{
	appendStringInfo(s, "It is %s", aj_state_names[head->state]);
	if (head->state == AJ_COMPLETED && facts->partial)
		appendStringInfoString(s, ", without steps that were optional; asyncjob.steps() names them");
	else if (head->state == AJ_CANCELLED && facts->reason != NULL)
		appendStringInfo(s, ": %s", facts->reason);
	appendStringInfoChar(s, '.');
	if (head->state == AJ_CANCELLED)
		appendStringInfoString(s, " asyncjob.retry() queues it again.");
	if (head->state != AJ_FAILED)
		return;
	if (facts->error != NULL && facts->failures > 0)
		appendStringInfo(s, " Attempt %d of step \"%s\" was the last: %s.",
						 facts->failures, facts->step, facts->error);
	else if (facts->error != NULL)
		appendStringInfo(s, " The reason: %s.", facts->error);
	appendStringInfoString(s, " asyncjob.status() tells the error; asyncjob.retry() queues it again.");
}

static void
explain_running(StringInfo s, const AjJobHead *head, const AjFacts *facts)
{
	appendStringInfo(s, "It is running step %d of %d.",
					 head->step_no + 1, head->step_count);
	if (head->lease_until != 0)
		appendStringInfo(s, " An external worker%s holds it until %s.",
						 facts->holder ? psprintf(" of role \"%s\"", facts->holder) : "",
						 timestamptz_to_str(head->lease_until));
	if (head->cancel_requested)
		appendStringInfoString(s, " Its worker has been told to cancel it.");
}

/* Why a job that is to run doesn't; held is what its queue's limits say. */
static const char *
obstacle(const AjCaller *caller, const AjJobHead *head, const AjFacts *facts,
		 const char *held, bool ours)
{
	const char *why = head->external ? NULL : login_obstacle(head);

	if (why != NULL)
		return why;
	if (head->quiesced_at != 0)
		return psprintf("the database is quiesced since %s; asyncjob.resume() ends that",
						timestamptz_to_str(head->quiesced_at));
	if (head->queue_paused)
		return psprintf("queue \"%s\" is paused", head->queue);
	if (head->pipeline_paused)
		return psprintf("pipeline \"%s\" is paused", head->pipeline);
	if (head->suspect && head->state == AJ_WAITING)
		return "it was running when the server crashed and waits to run alone";
	if (head->run_at > GetCurrentTimestamp())
		return not_due_reason(head, facts);
	if (held != NULL)
		return held;
	if (head->external && ours)
		return psprintf("an external worker has to claim it; asyncjob.claim(ARRAY['%s']) does",
						head->queue);
	why = engine_obstacle(caller, ours);
	if (why != NULL)
		return why;
	if (head->waiting_for != NULL)
		return psprintf("pipeline \"%s\" was paused, and it is about to be queued again",
						head->pipeline);
	return "it is next in line for a worker, behind more urgent or older jobs if there are any";
}

/* What a job that neither runs nor has ended waits for. */
static const char *
waits_for(const AjCaller *caller, const AjJobHead *head, const AjFacts *facts,
		  const char *held, bool ours)
{
	if (head->state == AJ_WAITING && head->waiting_for != NULL &&
		strcmp(head->waiting_for, "pause") != 0)
		return waiting_reason(head, facts);
	return obstacle(caller, head, facts, held, ours);
}

/* explain(job_id bigint) returns text */
Datum
aj_explain(PG_FUNCTION_ARGS)
{
	int64		job_id = aj_job_arg(fcinfo);
	AjCaller	caller;
	AjJobHead	head,
				branch;
	AjFacts		facts,
				branch_facts;
	AjScope		scope;
	bool		ours;
	int64		branch_id = 0;
	const char *held = NULL;
	MemoryContext context = CurrentMemoryContext;
	StringInfoData s;

	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	MemoryContextSwitchTo(context);
	if (!aj_queue_head(&caller, job_id, false, &head))
		aj_unknown_job(job_id);
	ours = aj_origin_is_ours();
	aj_queue_facts(job_id, &facts);
	if (head.state == AJ_WAITING)
		held = aj_queue_why_held(&caller, job_id);

	/* where no branch runs, there is a reason behind the reason */
	if (head.waiting_for != NULL && strcmp(head.waiting_for, "branches") == 0)
		branch_id = aj_queue_idle_branch(job_id);
	if (branch_id != 0 && aj_queue_head(&caller, branch_id, false, &branch))
		aj_queue_facts(branch_id, &branch_facts);
	else
		branch_id = 0;
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);

	initStringInfo(&s);
	if (head.state == AJ_RUNNING)
		explain_running(&s, &head, &facts);
	else if (AJ_STATE_IS_FINAL(head.state))
		explain_end(&s, &head, &facts);
	else if (branch_id != 0)
		appendStringInfo(&s, "It waits: %s; \"%s\" waits: %s.",
						 waiting_reason(&head, &facts), branch_facts.step,
						 waits_for(&caller, &branch, &branch_facts, NULL, ours));
	else
		appendStringInfo(&s, "It waits: %s.",
						 waits_for(&caller, &head, &facts, held, ours));
	PG_RETURN_TEXT_P(cstring_to_text(s.data));
}
