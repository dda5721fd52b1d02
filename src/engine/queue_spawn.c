/*-------------------------------------------------------------------------
 *
 * queue_spawn.c
 *		Statements about jobs that other jobs have spawned.
 *
 * A spawned job has a pipeline of its own, its parent_id and parent_step say
 * who spawned it, and a memo of the parent has its id.  It is a job like any
 * other, but hidden from lists, and cancelled with its parent.
 *
 * Who has ended one looks after its commit whether its parent waits and
 * nothing that it waits for is left; a parent that begins to wait looks
 * after its own commit.  So one of the two sees what the other did.  What
 * ends otherwise (cancelled, buried, its worker lost) the coordinator finds.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "queue.h"
#include "queue_event.h"
#include "queue_flow.h"
#include "queue_limits.h"
#include "scope.h"

#define SWEEP_AT_ONCE	100

AJ_STATEMENT(adopt,
			 "UPDATE asyncjob.job SET parent_id = $2, parent_step = $3"
			 " WHERE id = $1",
			 INT8OID, INT8OID, INT2OID);

AJ_STATEMENT(children,
			 "SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object("
			 "  'job_id', c.id, 'name', m.name, 'pipeline', p.name,"
			 "  'state', c.state, 'partial', nullif(c.partial, false),"
			 "  'error', asyncjob._open_error(c.owner, c.owner, c.id, c.error) ->> 'message'))"
			 "  || jsonb_build_object('result', asyncjob._open(c.id, 'result', 0, 0,"
			 "   c.result, c.params)) ORDER BY c.id), '[]'),"
			 " (count(*) FILTER (WHERE c.state IN ('queued', 'running', 'waiting')))::integer"
			 " FROM asyncjob.job_memo m JOIN asyncjob.job c ON c.id = m.value::bigint"
			 " JOIN asyncjob.pipeline p ON p.id = c.pipeline_id"
			 " WHERE m.job_id = $1 AND m.step_no = $2 AND m.item_no = $3"
			 "  AND m.kind = 'spawn'",
			 INT8OID, INT2OID, INT4OID);

/* no child is left that w, a step of job root, waits for */
#define NONE_LEFT(root) \
	"NOT EXISTS (SELECT FROM asyncjob.job_memo m" \
	"  JOIN asyncjob.job c ON c.id = m.value::bigint" \
	"  WHERE m.job_id = " root " AND m.step_no = w.step_no" \
	"   AND m.item_no = coalesce(w.item_no, 0) AND m.kind = 'spawn'" \
	"   AND c.state IN ('queued', 'running', 'waiting'))"

#define WAKE_FOUND \
	" woken AS (UPDATE asyncjob.job j SET" AJ_READY_AGAIN("j") "," \
	"   waiting_for = NULL, run_at = clock_timestamp(), seq = j.seq + 1" \
	"  WHERE j.id = ANY (ARRAY(SELECT f.id FROM found f))" \
	"   AND j.state = 'waiting'" \
	"   AND j.waiting_for = 'children'" \
	"  RETURNING " AJ_READY_COLUMNS("j") ", j.seq, j.step_no)," \
	" noted AS (INSERT INTO asyncjob.job_update" \
	"   (job_id, seq, kind, state, step_no)" \
	"  SELECT n.id, n.seq, 'state', 'queued', n.step_no FROM woken n)" \
	" SELECT " AJ_READY_COLUMNS("n") " FROM woken n"

AJ_STATEMENT(wake_parent,
			 "WITH found AS (SELECT w.id FROM asyncjob.job w"
			 "  WHERE w.id IN (SELECT $1 UNION ALL SELECT b.id FROM asyncjob.job b"
			 "    WHERE b.parent_id = $1 AND b.item_no IS NOT NULL)"
			 "   AND w.state = 'waiting' AND w.waiting_for = 'children'"
			 "   AND " NONE_LEFT("$1") " FOR UPDATE OF w SKIP LOCKED),"
			 WAKE_FOUND,
			 INT8OID);

AJ_STATEMENT(sweep_children,
			 "WITH found AS (SELECT w.id FROM asyncjob.job w"
			 "  WHERE w.state = 'waiting' AND w.limit_group IS NULL AND NOT w.suspect"
			 "   AND w.waiting_for = 'children' AND ($2 = 0 OR w.owner = $2) AND "
			 NONE_LEFT("CASE WHEN w.item_no IS NULL THEN w.id ELSE w.parent_id END")
			 "  LIMIT $1 FOR UPDATE SKIP LOCKED),"
			 WAKE_FOUND,
			 INT8OID, OIDOID);

/* A job that was submitted just now belongs to the one that did. */
void
aj_queue_adopt(int64 job_id, const AjJob *parent)
{
	Datum		values[3] = {Int64GetDatum(job_id), Int64GetDatum(aj_job_root(parent)),
	Int16GetDatum(parent->step_no)};

	aj_execute(&adopt, values, NULL, 0);
}

/*
 * What became of the jobs that the current step has spawned, as an array in
 * the memory context of the call, and how many have not ended.
 */
Jsonb *
aj_queue_children(const AjJob *job, int *unfinished)
{
	MemoryContext context = CurrentMemoryContext,
				old;
	Datum		values[3] = {Int64GetDatum(aj_job_root(job)),
	Int16GetDatum(job->step_no), Int32GetDatum(Max(job->item_no, 0))};
	Jsonb	   *result;
	bool		isnull;

	aj_execute(&children, values, NULL, 0);
	*unfinished = DatumGetInt32(aj_value(0, 2, &isnull));
	old = MemoryContextSwitchTo(context);
	result = DatumGetJsonbPCopy(aj_value(0, 1, &isnull));
	MemoryContextSwitchTo(old);
	return result;
}

/* A child of this job has ended, or a step of it has begun to wait. */
void
aj_queue_wake_for_children(int64 parent_id)
{
	Datum		values[1] = {Int64GetDatum(parent_id)};

	(void) aj_queue_announce(aj_execute(&wake_parent, values, NULL, 0));
}

/*
 * Wake those of an owner, or (0) of all, whose children have ended and whom
 * nobody has locked.  Returns whether there may be more.
 */
bool
aj_queue_sweep_children(Oid owner)
{
	Datum		values[2] = {Int64GetDatum(SWEEP_AT_ONCE), ObjectIdGetDatum(owner)};

	return aj_queue_announce(aj_execute(&sweep_children, values, NULL, 0)) ==
		SWEEP_AT_ONCE;
}
