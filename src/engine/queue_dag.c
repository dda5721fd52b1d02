/*-------------------------------------------------------------------------
 *
 * queue_dag.c
 *		Statements about jobs whose steps are jobs of their own.
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

#include "clock.h"
#include "external.h"
#include "pipeline.h"
#include "queue.h"
#include "queue_dag.h"
#include "queue_pause.h"
#include "queue_read.h"
#include "scope.h"
#include "seal.h"
#include "wake.h"

AJ_STATEMENT(lock_parent,
			 "SELECT j.owner, j.pipeline_id, j.queue_id, j.priority, j.step_no,"
			 " j.seq, j.params, j.session_id, j.user_id, j.state::text,"
			 " j.waiting_for IS NOT DISTINCT FROM 'branches', j.failures,"
			 " j.free_retries, j.parent_id, j.item_no"
			 " FROM asyncjob.job j WHERE j.id = $1 FOR UPDATE",
			 INT8OID);

AJ_STATEMENT(lock_parent_of,
			 "SELECT true FROM asyncjob.job c JOIN asyncjob.job p"
			 " ON p.id = c.parent_id"
			 " WHERE c.id = $1 AND c.item_no IS NOT NULL FOR UPDATE OF p",
			 INT8OID);

/* jobs that stand ready for external workers */
AJ_STATEMENT(offered,
			 "SELECT j.id, j.pipeline_id FROM asyncjob.job j WHERE j.owner = $1"
			 " AND j.state = 'queued' AND j.external AND j.item_no IS NULL"
			 " AND j.run_at <= $2 AND " AJ_PIPELINE_OPEN("j")
			 " AND EXISTS (SELECT FROM asyncjob.queue q WHERE q.id = j.queue_id"
			 "  AND " AJ_QUEUE_OPEN("q") ")"
			 " ORDER BY j.id",
			 OIDOID, TIMESTAMPTZOID);

AJ_STATEMENT(lock_offered,
			 "SELECT FROM asyncjob.job j WHERE j.id = $1 AND j.state = 'queued'"
			 " AND j.external AND j.item_no IS NULL FOR UPDATE SKIP LOCKED",
			 INT8OID);

AJ_STATEMENT(read_outcomes,
			 "SELECT c.step_no, coalesce(c.outcome, 'done')"
			 " FROM asyncjob.checkpoint c WHERE c.job_id = $1",
			 INT8OID);

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

AJ_STATEMENT(add_outcome,
			 "INSERT INTO asyncjob.checkpoint (job_id, step_no, attempt,"
			 " started_at, finished_at, output, outcome, error)"
			 " VALUES ($1, $2, $3, $4, clock_timestamp(), $5, $6, $7)",
			 INT8OID, INT2OID, INT2OID, TIMESTAMPTZOID, JSONBOID, TEXTOID,
			 JSONBOID);

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
			 "WITH branch AS (SELECT c.id, c.item_no FROM asyncjob.job c"
			 "  WHERE c.parent_id = $1 AND c.step_no = $2"
			 "   AND c.item_no IS NOT NULL AND c.state::text = ANY ($4)),"
			 " moved AS (DELETE FROM asyncjob.job_update u USING branch b"
			 "  WHERE u.job_id = b.id"
			 "  RETURNING b.item_no, u.job_id, u.seq, u.at, u.kind, u.state,"
			 "   u.level, u.message, u.data)"
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

AJ_STATEMENT(await_branches,
			 "UPDATE asyncjob.job SET state = 'waiting', waiting_for = 'branches',"
			 " limit_group = NULL,"
			 " run_at = 'infinity', step_no = $2, seq = $3, worker_id = NULL,"
			 " suspect = false, failures = 0, free_retries = 0, crashes = 0,"
			 " external = false WHERE id = $1",
			 INT8OID, INT2OID, INT4OID);

AJ_STATEMENT(continue_queued,
			 "UPDATE asyncjob.job SET state = 'queued', waiting_for = NULL,"
			 " run_at = $4, step_no = $2, seq = $3, external = $5 WHERE id = $1",
			 INT8OID, INT2OID, INT4OID, TIMESTAMPTZOID, BOOLOID);

AJ_STATEMENT(continue_held,
			 "UPDATE asyncjob.job SET step_no = $2, seq = $3, failures = 0,"
			 " free_retries = 0, crashes = 0, suspect = false WHERE id = $1",
			 INT8OID, INT2OID, INT4OID);

AJ_STATEMENT(end_job,
			 "UPDATE asyncjob.job SET state = $2::asyncjob.job_state, step_no = $3,"
			 " seq = $4, result = $5, error = $6,"
			 " partial = $2 = 'completed' AND $6 IS NOT NULL,"
			 " finished_at = clock_timestamp(), worker_id = NULL,"
			 " waiting_for = NULL, suspect = false,"
			 " failures = CASE WHEN $2 = 'failed' THEN"
			 "  coalesce(($6 ->> 'attempt')::smallint, failures) ELSE failures END,"
			 " cancel_reason = CASE WHEN $2 = 'cancelled' THEN $6 ->> 'message'"
			 "  ELSE cancel_reason END"
			 " WHERE id = $1",
			 INT8OID, TEXTOID, INT2OID, INT4OID, JSONBOID, JSONBOID);

/* which steps of a completed job have no output, or not all of it */
AJ_STATEMENT(missing,
			 "SELECT jsonb_build_object('code', 'partial', 'category', 'partial',"
			 "  'message', 'missing: ' || string_agg('step \"'"
			 "    || (p.steps -> c.step_no::integer ->> 'name') || '\" ('"
			 "    || (c.error ->> 'message') || ')', ', ' ORDER BY c.step_no),"
			 "  'hint', 'Mend the cause and submit the job again.',"
			 "  'missing', jsonb_agg(jsonb_build_object("
			 "    'step', p.steps -> c.step_no::integer ->> 'name') || c.error"
			 "    ORDER BY c.step_no))"
			 " FROM asyncjob.checkpoint c JOIN asyncjob.pipeline p ON p.id = $2"
			 " WHERE c.job_id = $1 AND c.error IS NOT NULL"
			 " HAVING count(*) > 0",
			 INT8OID, INT4OID);

AJ_STATEMENT(parent_params,
			 "SELECT p.params FROM asyncjob.job p WHERE p.id = $1",
			 INT8OID);

AJ_STATEMENT(cancel_descendants,
			 "WITH RECURSIVE tree AS ("
			 " SELECT c.id FROM asyncjob.job c WHERE c.parent_id = $1"
			 " UNION ALL"
			 " SELECT c.id FROM tree t JOIN asyncjob.job c ON c.parent_id = t.id),"
			 " locked AS (SELECT j.id, j.state, j.item_no FROM asyncjob.job j"
			 "  WHERE j.id IN (SELECT t.id FROM tree t)"
			 "   AND j.state IN ('queued', 'running', 'waiting')"
			 "  ORDER BY j.id FOR UPDATE)"
			 " UPDATE asyncjob.job j SET cancel_requested = true,"
			 "  cancel_reason = coalesce(j.cancel_reason, 'its parent was cancelled'),"
			 "  state = CASE l.state WHEN 'running' THEN j.state ELSE 'cancelled' END,"
			 "  suspect = j.suspect AND l.state = 'running',"
			 "  waiting_for = NULL,"
			 "  seq = j.seq + CASE l.state WHEN 'running' THEN 0 ELSE 1 END,"
			 "  finished_at = CASE l.state WHEN 'running' THEN NULL ELSE clock_timestamp() END"
			 " FROM locked l WHERE j.id = l.id"
			 " RETURNING j.id, l.state = 'running'",
			 INT8OID);

AJ_STATEMENT(drop_cancelled,
			 "WITH gone AS (DELETE FROM asyncjob.job c WHERE c.parent_id = $1"
			 "  AND c.item_no IS NOT NULL AND (c.state = 'cancelled'"
			 "   OR c.item_no = 0 AND c.state IN ('completed', 'failed'))"
			 "  RETURNING c.id)"
			 " DELETE FROM asyncjob.job_update u USING gone g WHERE u.job_id = g.id",
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

/*
 * Parents whose branches have ended without their doing anything about it:
 * the process that ended one was lost in between, or it was buried.
 */
AJ_STATEMENT(stuck_parents,
			 "SELECT j.id FROM asyncjob.job j"
			 " WHERE j.state = 'waiting' AND j.limit_group IS NULL AND NOT j.suspect"
			 "  AND j.run_at = 'infinity' AND j.waiting_for = 'branches'"
			 "  AND (NOT EXISTS (SELECT FROM asyncjob.job c"
			 "    WHERE c.parent_id = j.id AND c.item_no IS NOT NULL"
			 "     AND c.state IN ('queued', 'running', 'waiting'))"
			 "   OR EXISTS (SELECT FROM asyncjob.job c"
			 "    WHERE c.parent_id = j.id AND c.item_no = 0"
			 "     AND c.state IN ('completed', 'failed', 'cancelled')))"
			 " ORDER BY j.id LIMIT $1",
			 INT8OID);

static Datum
jsonb_or_null(Jsonb *jb, char *null)
{
	*null = jb ? ' ' : 'n';
	return JsonbPGetDatum(jb);
}

static Datum
state_array(const char *which)
{
	return OidFunctionCall3(F_ARRAY_IN, CStringGetDatum(which),
							ObjectIdGetDatum(TEXTOID), Int32GetDatum(-1));
}

/*
 * Lock a job on behalf of its branches, and read it in the memory context of
 * the call.  Returns false if there is none.
 */
bool
aj_queue_lock_parent(int64 job_id, AjJob *job, AjState *state,
					 bool *for_branches)
{
	MemoryContext old,
				context = CurrentMemoryContext;
	Datum		values[1] = {Int64GetDatum(job_id)},
				v;
	bool		isnull;

	if (aj_execute(&lock_parent, values, NULL, 0) == 0)
		return false;
	old = MemoryContextSwitchTo(context);
	memset(job, 0, sizeof(AjJob));
	job->id = job_id;
	job->owner = DatumGetObjectId(aj_value(0, 1, &isnull));
	job->pipeline_id = DatumGetInt32(aj_value(0, 2, &isnull));
	job->queue_id = DatumGetInt32(aj_value(0, 3, &isnull));
	job->priority = DatumGetInt16(aj_value(0, 4, &isnull));
	job->step_no = DatumGetInt16(aj_value(0, 5, &isnull));
	job->seq = DatumGetInt32(aj_value(0, 6, &isnull));
	job->params = DatumGetJsonbPCopy(aj_value(0, 7, &isnull));
	v = aj_value(0, 8, &isnull);
	job->session_id = isnull ? NULL : TextDatumGetCString(v);
	v = aj_value(0, 9, &isnull);
	job->user_id = isnull ? NULL : TextDatumGetCString(v);
	*state = aj_state_by_name(TextDatumGetCString(aj_value(0, 10, &isnull)));
	*for_branches = DatumGetBool(aj_value(0, 11, &isnull));
	job->failures = DatumGetInt16(aj_value(0, 12, &isnull));
	job->free_retries = DatumGetInt16(aj_value(0, 13, &isnull));
	v = aj_value(0, 14, &isnull);
	job->parent_id = isnull ? 0 : DatumGetInt64(v);
	v = aj_value(0, 15, &isnull);
	job->item_no = isnull ? -1 : DatumGetInt32(v);
	aj_job_open_params(job);
	MemoryContextSwitchTo(old);
	return true;
}

/* Where a job is a step of another, lock that one. */
void
aj_queue_lock_parent_of(int64 job_id)
{
	Datum		values[1] = {Int64GetDatum(job_id)};

	aj_execute(&lock_parent_of, values, NULL, 0);
}

/*
 * Ready jobs of a role that external workers may claim, and may have something
 * else to do first.
 */
int
aj_queue_offered(Oid owner, int64 **ids)
{
	Datum		values[2] = {ObjectIdGetDatum(owner),
	TimestampTzGetDatum(aj_now())};
	MemoryContext context = CurrentMemoryContext;
	int			n = aj_execute(&offered, values, NULL, 0);
	SPITupleTable *rows = SPI_tuptable;
	int			found = 0;

	*ids = MemoryContextAlloc(context, (n + 1) * sizeof(int64));
	for (int i = 0; i < n; i++)
	{
		bool		isnull;
		int32		id = DatumGetInt32(SPI_getbinval(rows->vals[i], rows->tupdesc,
													 2, &isnull));
		const AjPipeline *pipeline = aj_pipeline_get(id);

		if (pipeline != NULL && aj_pipeline_may_go_outside(pipeline))
			(*ids)[found++] = DatumGetInt64(SPI_getbinval(rows->vals[i],
														  rows->tupdesc, 1, &isnull));
	}
	return found;
}

/* Lock such a job, unless somebody has it. */
bool
aj_queue_lock_offered(int64 job_id)
{
	Datum		values[1] = {Int64GetDatum(job_id)};

	return aj_execute(&lock_offered, values, NULL, 0) == 1;
}

/* How each step of a job has come out. */
void
aj_queue_outcomes(int64 job_id, int nsteps, AjOutcome *outcomes)
{
	Datum		values[1] = {Int64GetDatum(job_id)};
	int			n = aj_execute(&read_outcomes, values, NULL, 0);

	memset(outcomes, 0, nsteps * sizeof(AjOutcome));
	for (int i = 0; i < n; i++)
	{
		bool		isnull;
		int			step_no = DatumGetInt16(aj_value(i, 1, &isnull));
		char	   *word = TextDatumGetCString(aj_value(i, 2, &isnull));

		if (step_no < nsteps)
			outcomes[step_no] = strcmp(word, "failed") == 0 ? AJ_OUTCOME_FAILED :
				strcmp(word, "skipped") == 0 ? AJ_OUTCOME_SKIPPED : AJ_OUTCOME_DONE;
	}
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
aj_queue_branch_progress(int64 job_id, AjBranchProgress * progress)
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

/* A step that the job ran itself, or that was skipped, has come out. */
void
aj_queue_add_outcome(AjJob *job, int step_no, AjOutcome outcome, int attempt,
					 TimestampTz started, Jsonb *output, Jsonb *error)
{
	Datum		values[7] = {Int64GetDatum(job->id), Int16GetDatum(step_no),
	Int16GetDatum(attempt), TimestampTzGetDatum(started)};
	char		nulls[8] = "       ";
	const char *word = outcome == AJ_OUTCOME_FAILED ? "failed" :
	outcome == AJ_OUTCOME_SKIPPED ? "skipped" : NULL;
	JsonbValue *message = error == NULL ? NULL :
	getKeyJsonValueFromContainer(&error->root, "message", 7, NULL);

	if (job->sealed && output != NULL)
	{
		AjSealPlace place = {job->id, "output", step_no, 0};

		output = aj_seal(&place, output);
	}
	values[4] = jsonb_or_null(output, &nulls[4]);
	values[5] = aj_text_or_null(word, &nulls[5]);
	values[6] = jsonb_or_null(error, &nulls[6]);
	aj_execute(&add_outcome, values, nulls, 0);
	job->seq++;
	aj_queue_add_update(job->id, job->seq, GetCurrentTimestamp(), "step",
						"running", step_no, error ? "warning" : NULL,
						word == NULL && message != NULL ?
						aj_json_cstring(message) : word, error);
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

	values[3] = jsonb_or_null(items, &nulls[3]);
	values[4] = BoolGetDatum(external);
	n = aj_execute(&add_branch, values, nulls, 0);
	if (n == 0)
		return;
	aj_announce_ready(job->owner, job->queue_id, job->priority, now,
					  DatumGetInt64(aj_value(0, 1, &isnull)), external);
	if (n > 1)
		aj_at_commit_look();	/* for workers for the others */
}

/* The job waits for its branches; step_no steps are done. */
void
aj_queue_await_branches(AjJob *job, int step_no, const char *message)
{
	Datum		values[3] = {Int64GetDatum(job->id), Int16GetDatum(step_no)};

	if (message != NULL)
	{
		job->seq++;
		aj_queue_add_update(job->id, job->seq, GetCurrentTimestamp(), "state",
							"waiting", step_no, NULL, message, NULL);
	}
	job->step_no = step_no;
	values[2] = Int32GetDatum(job->seq);
	aj_execute(&await_branches, values, NULL, 0);
}

/* The job goes on with a step by itself. */
void
aj_queue_continue(AjJob *job, int step_no, bool held, bool external)
{
	TimestampTz now = GetCurrentTimestamp();
	Datum		values[5] = {Int64GetDatum(job->id), Int16GetDatum(step_no)};

	if (!held)
	{
		job->seq++;
		aj_queue_add_update(job->id, job->seq, now, "state", "queued", step_no,
							NULL, NULL, NULL);
	}
	job->step_no = step_no;
	job->failures = 0;
	job->free_retries = 0;
	job->crashes = 0;
	values[2] = Int32GetDatum(job->seq);
	values[3] = TimestampTzGetDatum(now);
	values[4] = BoolGetDatum(external);
	aj_execute(held ? &continue_held : &continue_queued, values, NULL, 0);
	if (!held)
		aj_announce_ready(job->owner, job->queue_id, job->priority, now,
						  job->id, external);
}

/* The job has ended. */
void
aj_queue_end(AjJob *job, AjState state, int step_no, Jsonb *result,
			 Jsonb *error)
{
	Datum		values[6] = {Int64GetDatum(job->id),
		CStringGetTextDatum(aj_state_names[state]), Int16GetDatum(step_no),
	Int32GetDatum(++job->seq)};
	char		nulls[7] = "      ";

	job->step_no = step_no;
	values[4] = jsonb_or_null(aj_queue_seal_result(job, result), &nulls[4]);
	values[5] = jsonb_or_null(error, &nulls[5]);
	aj_execute(&end_job, values, nulls, 0);
}

/* What is missing of a job's outputs, as its error; NULL if nothing is. */
Jsonb *
aj_queue_missing(int64 job_id, int32 pipeline_id)
{
	MemoryContext context = CurrentMemoryContext,
				old;
	Datum		values[2] = {Int64GetDatum(job_id), Int32GetDatum(pipeline_id)};
	bool		isnull;
	Jsonb	   *result;

	if (aj_execute(&missing, values, NULL, 0) == 0)
		return NULL;
	old = MemoryContextSwitchTo(context);
	result = DatumGetJsonbPCopy(aj_value(0, 1, &isnull));
	MemoryContextSwitchTo(old);
	return result;
}

/*
 * Params of the job that a branch belongs to, in the context of the call.  If
 * they can't be decrypted, job->locked says why.
 */
Jsonb *
aj_queue_parent_params(AjJob *job)
{
	MemoryContext context = CurrentMemoryContext,
				old;
	Datum		values[1] = {Int64GetDatum(job->parent_id)};
	bool		isnull;
	Jsonb	   *result;

	if (aj_execute(&parent_params, values, NULL, 0) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("job " INT64_FORMAT ", of which this is a step, does not exist",
						job->parent_id)));
	old = MemoryContextSwitchTo(context);
	result = DatumGetJsonbPCopy(aj_value(0, 1, &isnull));
	if (job->sealed && job->locked == NULL)
	{
		AjSealPlace place = {job->parent_id, "params", 0, 0};
		Jsonb	   *opened = aj_try_open(&place, result, &job->locked);

		if (opened != NULL)
			result = opened;
	}
	MemoryContextSwitchTo(old);
	return result;
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

int
aj_queue_stuck_parents(int64 *ids, int max)
{
	Datum		values[1] = {Int64GetDatum(max)};
	int			n = aj_execute(&stuck_parents, values, NULL, 0);

	for (int i = 0; i < n; i++)
	{
		bool		isnull;

		ids[i] = DatumGetInt64(aj_value(i, 1, &isnull));
	}
	return n;
}
