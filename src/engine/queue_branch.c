/*-------------------------------------------------------------------------
 *
 * queue_branch.c
 *		Statements about steps that are jobs of their own.
 *
 * A step that runs beside others is a row of asyncjob.job too, a branch: its
 * parent_id is the job, step_no the step, item_no 0, or the number of the
 * item where the step runs once for each of many.  It is claimed, retried
 * and lost like any other job.  When it has ended, its output becomes the
 * parent's checkpoint, its history the parent's, and the row goes.
 *
 * Rows are locked from parent to child.  Whoever changes a parent on behalf
 * of its branches holds the parent's row; dag.c has the rules.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "external.h"
#include "queue.h"
#include "queue_dag.h"
#include "queue_read.h"
#include "scope.h"
#include "wake.h"

/* cancelled by its handler, that is: cancel() asks for it first */
AJ_STATEMENT(read_branches,
			 "SELECT c.step_no, count(*)::integer,"
			 " (count(*) FILTER (WHERE c.state IN ('queued', 'running', 'waiting')))::integer,"
			 " (count(*) FILTER (WHERE c.state = 'running'))::integer,"
			 " (count(*) FILTER (WHERE c.state = 'failed'))::integer,"
			 " (count(*) FILTER (WHERE c.state = 'cancelled' AND NOT c.cancel_requested))::integer,"
			 " max(c.item_no) > 0,"
			 " (count(*) FILTER (WHERE c.state = 'completed'))::integer"
			 " FROM asyncjob.job c"
			 " WHERE c.parent_id = $1 AND c.item_no IS NOT NULL"
			 " GROUP BY c.step_no",
			 INT8OID);

/* as status() has it (queue_read.c) */
AJ_STATEMENT(read_progress,
			 "SELECT j.seq, j.step_no, jsonb_array_length(p.steps), j.session_id,"
			 " (SELECT sum(s.done)::float8 FROM (SELECT"
			 "   avg(CASE WHEN c.state IN ('queued', 'running', 'waiting')"
			 "    THEN coalesce(k.progress, 0) ELSE 1 END) AS done"
			 "  FROM asyncjob.job c LEFT JOIN LATERAL asyncjob._live("
			 AJ_LIVE_ID("c") ") k ON true"
			 "  WHERE c.parent_id = j.id AND c.item_no IS NOT NULL"
			 "  GROUP BY c.step_no) s), j.waiting_for IS NOT DISTINCT FROM 'branches'"
			 " FROM asyncjob.job j JOIN asyncjob.pipeline p ON p.id = j.pipeline_id"
			 " WHERE j.id = $1",
			 INT8OID);

AJ_STATEMENT(unfinished_items,
			 "SELECT true FROM asyncjob.job c"
			 " WHERE c.parent_id = $1 AND c.step_no = $2 AND c.item_no > 0"
			 " AND c.state IN ('queued', 'running', 'waiting') LIMIT 1",
			 INT8OID, INT2OID);

AJ_STATEMENT(collect_one,
			 "INSERT INTO asyncjob.checkpoint (job_id, step_no, attempt,"
			 " started_at, finished_at, output, outcome, error)"
			 " SELECT $1, $2, c.failures + CASE c.state WHEN 'failed' THEN 0 ELSE 1 END,"
			 "  coalesce(c.started_at, c.created_at), c.finished_at, c.result,"
			 "  CASE c.state WHEN 'failed' THEN 'failed' END,"
			 "  CASE c.state WHEN 'failed' THEN c.error END"
			 " FROM asyncjob.job c WHERE c.parent_id = $1 AND c.step_no = $2"
			 "  AND c.item_no = 0"
			 " RETURNING outcome, error ->> 'message'",
			 INT8OID, INT2OID);

AJ_STATEMENT(collect_items,
			 "INSERT INTO asyncjob.checkpoint (job_id, step_no, attempt,"
			 " started_at, finished_at, output, outcome, error)"
			 " SELECT $1, $2,"
			 "  max(c.failures + CASE c.state WHEN 'failed' THEN 0 ELSE 1 END),"
			 "  coalesce(min(c.started_at), min(c.created_at)), max(c.finished_at),"
			 "  CASE WHEN NOT bool_and(c.state = 'failed') THEN"
			 "   asyncjob._seal($1, 'output', $2, 0, jsonb_agg(coalesce("
			 "    asyncjob._open($1, 'output', $2, c.item_no, c.result, c.params),"
			 "    'null') ORDER BY c.item_no),"
			 "    (SELECT p.params FROM asyncjob.job p WHERE p.id = $1)) END,"
			 "  CASE WHEN bool_and(c.state = 'failed') THEN 'failed' END,"
			 "  CASE WHEN bool_or(c.state = 'failed') THEN jsonb_build_object("
			 "   'message', count(*) FILTER (WHERE c.state = 'failed') || ' of '"
			 "     || count(*) || ' items failed: '"
			 "     || min(c.error ->> 'message') FILTER (WHERE c.state = 'failed'),"
			 "   'items', jsonb_agg(c.error || jsonb_build_object('item_no', c.item_no)"
			 "     ORDER BY c.item_no) FILTER (WHERE c.state = 'failed')) END"
			 " FROM asyncjob.job c WHERE c.parent_id = $1 AND c.step_no = $2"
			 "  AND c.item_no > 0"
			 " RETURNING outcome, error ->> 'message'",
			 INT8OID, INT2OID);

/* what the branches logged, and how they failed, is told by the parent */
AJ_STATEMENT(move_history,
			 "WITH moved AS (DELETE FROM asyncjob.job_update u"
			 "  WHERE u.job_id = ANY (ARRAY(SELECT c.id FROM asyncjob.job c"
			 "   WHERE c.parent_id = $1 AND c.step_no = $2"
			 "    AND c.item_no IS NOT NULL AND c.state::text = ANY ($4)))"
			 "  RETURNING (SELECT b.item_no FROM asyncjob.job b WHERE b.id = u.job_id),"
			 "   u.job_id, u.seq, u.at, u.kind, u.state, u.level, u.message, u.data)"
			 " INSERT INTO asyncjob.job_update"
			 "  (job_id, seq, at, kind, state, step_no, level, message, data)"
			 " SELECT $1, $3 + row_number() OVER (ORDER BY m.at, m.job_id, m.seq),"
			 "  m.at, m.kind, m.state, $2, m.level,"
			 "  CASE WHEN m.item_no > 0 THEN 'item ' || m.item_no || ': ' ELSE '' END"
			 "   || m.message,"
			 "  CASE WHEN m.item_no > 0 AND m.kind = 'attempt'"
			 "   THEN m.data || jsonb_build_object('item_no', m.item_no)"
			 "   ELSE m.data END"
			 " FROM moved m WHERE m.kind IN ('log', 'attempt')",
			 INT8OID, INT2OID, INT4OID, TEXTARRAYOID);

/* what a branch spawned is its parent's from now on */
AJ_STATEMENT(adopt,
			 "UPDATE asyncjob.job s SET parent_id = $1, parent_step = $2"
			 " FROM asyncjob.job c WHERE c.parent_id = $1 AND c.step_no = $2"
			 "  AND c.item_no IS NOT NULL AND c.state::text = ANY ($3)"
			 "  AND s.parent_id = c.id",
			 INT8OID, INT2OID, TEXTARRAYOID);

AJ_STATEMENT(drop_branches,
			 "DELETE FROM asyncjob.job c WHERE c.parent_id = $1"
			 " AND c.step_no = $2 AND c.item_no IS NOT NULL"
			 " AND c.state::text = ANY ($3)",
			 INT8OID, INT2OID, TEXTARRAYOID);

AJ_STATEMENT(branch_error,
			 "SELECT c.step_no, coalesce(c.error, '{}') ||"
			 "  CASE WHEN c.item_no > 0 THEN jsonb_build_object('item_no', c.item_no,"
			 "   'message', 'item ' || c.item_no || ': ' || coalesce(c.error ->> 'message', ''))"
			 "  ELSE '{}' END ||"
			 "  CASE WHEN c.state = 'cancelled' THEN"
			 "   jsonb_build_object('message', c.cancel_reason) ELSE '{}' END"
			 " FROM asyncjob.job c WHERE c.parent_id = $1 AND c.item_no IS NOT NULL"
			 "  AND c.state = $2::asyncjob.job_state"
			 "  AND (c.state <> 'cancelled' OR NOT c.cancel_requested)"
			 " ORDER BY c.finished_at LIMIT 1",
			 INT8OID, TEXTOID);

AJ_STATEMENT(add_branch,
			 "INSERT INTO asyncjob.job (run_at, owner, pipeline_id, queue_id,"
			 " priority, user_id, params, parent_id, parent_step, item_no, step_no,"
			 " external, concurrency_key)"
			 " SELECT $3, p.owner, p.pipeline_id, p.queue_id, p.priority,"
			 "  p.user_id, asyncjob._seal(p.id, 'item', $2, i.item_no, i.item, p.params),"
			 "  p.id, $2, i.item_no, $2, $5, p.concurrency_key"
			 " FROM asyncjob.job p CROSS JOIN LATERAL ("
			 "  SELECT '{}'::jsonb, 0 WHERE $4 IS NULL"
			 "  UNION ALL SELECT e.item, e.item_no::integer"
			 "   FROM jsonb_array_elements($4) WITH ORDINALITY e (item, item_no)"
			 "   WHERE NOT EXISTS (SELECT FROM asyncjob.job d"
			 "    WHERE d.parent_id = $1 AND d.step_no = $2"
			 "     AND d.item_no = e.item_no)) i (item, item_no)"
			 " WHERE p.id = $1 ORDER BY i.item_no RETURNING id",
			 INT8OID, INT2OID, TIMESTAMPTZOID, JSONBOID, BOOLOID);

/* what an external worker holds ends at once; it learns that when it comes */
#define RUNS_HERE(j) \
	" (" j ".state = 'running' AND " j ".worker_id >= 0) "

AJ_STATEMENT(cancel_descendants,
			 "WITH RECURSIVE tree AS ("
			 " SELECT c.id FROM asyncjob.job c WHERE c.parent_id = $1"
			 " UNION ALL"
			 " SELECT c.id FROM tree t JOIN asyncjob.job c ON c.parent_id = t.id),"
			 " locked AS (SELECT j.id FROM asyncjob.job j"
			 "  WHERE j.id = ANY (ARRAY(SELECT t.id FROM tree t))"
			 "   AND j.state IN ('queued', 'running', 'waiting')"
			 "  ORDER BY j.id FOR UPDATE),"
			 " dropped AS (DELETE FROM asyncjob.lease e"
			 "  WHERE e.job_id = ANY (ARRAY(SELECT l.id FROM locked l)))"
			 " UPDATE asyncjob.job j SET cancel_requested = true,"
			 "  cancel_reason = coalesce(j.cancel_reason, 'its parent was cancelled'),"
			 "  state = CASE WHEN" RUNS_HERE("j") "THEN j.state ELSE 'cancelled' END,"
			 "  worker_id = CASE WHEN" RUNS_HERE("j") "THEN j.worker_id END,"
			 "  suspect = j.suspect AND" RUNS_HERE("j") ","
			 "  limit_group = NULL, waiting_for = NULL,"
			 "  seq = j.seq + CASE WHEN" RUNS_HERE("j") "THEN 0 ELSE 1 END,"
			 "  finished_at = CASE WHEN NOT" RUNS_HERE("j") "THEN clock_timestamp() END"
			 " WHERE j.id = ANY (ARRAY(SELECT l.id FROM locked l))"
			 " RETURNING j.id, j.state = 'running'",
			 INT8OID);

/* one that an external worker held stays, for him to be told that it has ended */
AJ_STATEMENT(drop_cancelled,
			 "WITH gone AS (DELETE FROM asyncjob.job c WHERE c.parent_id = $1"
			 "  AND c.item_no IS NOT NULL AND (c.state = 'cancelled'"
			 "    AND NOT (c.external AND c.started_at IS NOT NULL)"
			 "   OR c.item_no = 0 AND c.state IN ('completed', 'failed'))"
			 "  RETURNING c.id)"
			 " DELETE FROM asyncjob.job_update u"
			 " WHERE u.job_id = ANY (ARRAY(SELECT g.id FROM gone g))",
			 INT8OID);

/*
 * Of a job, and its branches: what nobody has run yet.  $2 is the step that the
 * job ran last, so one that is to be tried again isn't found.
 */
AJ_STATEMENT(fresh_parts,
			 "SELECT j.id FROM asyncjob.job j WHERE j.id = $1"
			 "  AND j.state = 'queued' AND NOT j.external AND j.step_no > $2"
			 "  AND j.run_at <= clock_timestamp()"
			 " UNION ALL (SELECT c.id FROM asyncjob.job c WHERE c.parent_id = $1"
			 "  AND c.item_no IS NOT NULL AND c.state = 'queued' AND NOT c.external"
			 "  AND c.started_at IS NULL AND c.run_at <= clock_timestamp()"
			 "  ORDER BY c.id)",
			 INT8OID, INT4OID);

static Datum
state_array(const char *which)
{
	return OidFunctionCall3(F_ARRAY_IN, CStringGetDatum(which),
							ObjectIdGetDatum(TEXTOID), Int32GetDatum(-1));
}

/* The jobs that run steps of a job, by step. */
void
aj_queue_branches(int64 job_id, int nsteps, AjBranch *branches)
{
	Datum		values[1] = {Int64GetDatum(job_id)};
	int			n = aj_execute(&read_branches, values, NULL, 0);

	memset(branches, 0, nsteps * sizeof(AjBranch));
	for (int i = 0; i < n; i++)
	{
		bool		isnull;
		int			step_no = DatumGetInt16(aj_value(i, 1, &isnull));
		AjBranch   *branch = &branches[step_no];

		if (step_no >= nsteps)
			continue;
		branch->total = DatumGetInt32(aj_value(i, 2, &isnull));
		branch->unfinished = DatumGetInt32(aj_value(i, 3, &isnull));
		branch->running = DatumGetInt32(aj_value(i, 4, &isnull));
		branch->failed = DatumGetInt32(aj_value(i, 5, &isnull));
		branch->cancelled = DatumGetInt32(aj_value(i, 6, &isnull));
		branch->items = DatumGetBool(aj_value(i, 7, &isnull));
		branch->completed = DatumGetInt32(aj_value(i, 8, &isnull));
	}
}

/* False if there is no such job. */
bool
aj_queue_branch_progress(int64 job_id, AjBranchProgress *progress)
{
	MemoryContext context = CurrentMemoryContext,
				old;
	Datum		values[1] = {Int64GetDatum(job_id)},
				v;
	bool		isnull;

	if (aj_execute_live(&read_progress, values, NULL) == 0)
		return false;
	progress->seq = DatumGetInt32(aj_value(0, 1, &isnull));
	progress->step_no = DatumGetInt16(aj_value(0, 2, &isnull));
	progress->step_count = DatumGetInt32(aj_value(0, 3, &isnull));
	v = aj_value(0, 4, &isnull);
	old = MemoryContextSwitchTo(context);
	progress->session_id = isnull ? NULL : TextDatumGetCString(v);
	MemoryContextSwitchTo(old);
	v = aj_value(0, 5, &isnull);
	progress->done = isnull ? 0 : DatumGetFloat8(v);
	progress->waits = DatumGetBool(aj_value(0, 6, &isnull));
	return true;
}

bool
aj_queue_unfinished_items(int64 job_id, int step_no)
{
	Datum		values[2] = {Int64GetDatum(job_id), Int16GetDatum(step_no)};

	return aj_execute(&unfinished_items, values, NULL, 0) > 0;
}

/*
 * Parts of a job that are ready for the first time: the job itself, if it is
 * beyond a step, or else its branches.  They are in the memory context of the
 * call.
 */
int
aj_queue_fresh_parts(int64 job_id, int after_step, int64 **ids)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		values[2] = {Int64GetDatum(job_id), Int32GetDatum(after_step)};
	int			n = aj_execute(&fresh_parts, values, NULL, 0);
	bool		isnull;

	*ids = MemoryContextAlloc(context, (n + 1) * sizeof(int64));
	for (int i = 0; i < n; i++)
		(*ids)[i] = DatumGetInt64(aj_value(i, 1, &isnull));
	return n;
}

/* What all branches of these states, of a step, leave behind. */
static void
move_and_drop(AjJob *job, int step_no, const char *which)
{
	Datum		states = state_array(which);
	Datum		history[4] = {Int64GetDatum(job->id), Int16GetDatum(step_no),
	Int32GetDatum(job->seq), states};
	Datum		values[3] = {history[0], history[1], states};

	job->seq += aj_execute(&move_history, history, NULL, 0);
	aj_execute(&adopt, values, NULL, 0);
	aj_execute(&drop_branches, values, NULL, 0);
}

/* All branches of a step have ended; what came of them becomes the job's. */
void
aj_queue_collect_branch(AjJob *job, int step_no, bool items)
{
	Datum		values[2] = {Int64GetDatum(job->id), Int16GetDatum(step_no)};
	bool		isnull;
	Datum		v;
	char	   *message;

	if (aj_execute(items ? &collect_items : &collect_one, values, NULL, 0) != 1)
		elog(ERROR, "step %d of job " INT64_FORMAT " could not be collected",
			 step_no + 1, job->id);
	v = aj_value(0, 2, &isnull);
	message = isnull ? NULL : TextDatumGetCString(v);
	move_and_drop(job, step_no, "{completed,failed}");
	job->seq++;
	aj_queue_add_update(job->id, job->seq, GetCurrentTimestamp(), "step",
						"running", step_no, message ? "warning" : NULL,
						message, NULL);
}

/* Branches of these states go, and what they did is forgotten. */
void
aj_queue_drop_branches(AjJob *job, int step_no, const char *which)
{
	move_and_drop(job, step_no, which);
}

/* Error of the first branch that ended in a state, in the context of the call. */
Jsonb *
aj_queue_branch_error(int64 job_id, const char *state, int *step_no)
{
	MemoryContext context = CurrentMemoryContext,
				old;
	Datum		values[2] = {Int64GetDatum(job_id), CStringGetTextDatum(state)};
	bool		isnull;
	Jsonb	   *error;

	if (aj_execute(&branch_error, values, NULL, 0) == 0)
		return NULL;
	*step_no = DatumGetInt16(aj_value(0, 1, &isnull));
	old = MemoryContextSwitchTo(context);
	error = DatumGetJsonbPCopy(aj_value(0, 2, &isnull));
	MemoryContextSwitchTo(old);
	return error;
}

/* Queue a step of a job as a job of its own, or (items) one for each item. */
void
aj_queue_add_branch(const AjJob *job, int step_no, Jsonb *items,
					bool external)
{
	TimestampTz now = GetCurrentTimestamp();
	Datum		values[5] = {Int64GetDatum(job->id), Int16GetDatum(step_no),
	TimestampTzGetDatum(now)};
	char		nulls[6] = "     ";
	bool		isnull;
	int			n;

	values[3] = JsonbPGetDatum(items);
	if (items == NULL)
		nulls[3] = 'n';
	values[4] = BoolGetDatum(external);
	n = aj_execute(&add_branch, values, nulls, 0);
	if (n == 0)
		return;
	aj_announce_ready(job->owner, job->queue_id, job->priority, now,
					  DatumGetInt64(aj_value(0, 1, &isnull)), external);
	if (n > 1)
		aj_at_commit_look();	/* for workers for the others */
}

/*
 * All that belongs to a job, whose row the caller has locked, is cancelled
 * with it.
 */
void
aj_queue_cancel_descendants(int64 job_id)
{
	Datum		values[1] = {Int64GetDatum(job_id)};
	int			n = aj_execute(&cancel_descendants, values, NULL, 0);

	for (int i = 0; i < n; i++)
	{
		bool		isnull;

		if (DatumGetBool(aj_value(i, 2, &isnull)))
			aj_at_commit_cancel(DatumGetInt64(aj_value(i, 1, &isnull)));
	}
	if (n > 0)
		aj_at_end_reset_lanes(false);
	aj_queue_drop_ended(job_id);
}

/* The job has ended, so nobody waits for its branches. */
void
aj_queue_drop_ended(int64 job_id)
{
	Datum		values[1] = {Int64GetDatum(job_id)};

	aj_execute(&drop_cancelled, values, NULL, 0);
}
