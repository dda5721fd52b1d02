/*-------------------------------------------------------------------------
 *
 * queue_read.c
 *		Statements that answer for a caller.
 *
 * They are told who asks (AJ_VISIBLE in api.h) and find nothing of others.
 *
 * A job's history is pieced together by aj_queue_updates(): the submit, the
 * first start and the end are read off the job's row, everything else from
 * asyncjob.job_update.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "queue_read.h"
#include "scope.h"
#include "seal.h"
#include "shmem.h"

#define HEAD_COLUMNS \
	"SELECT j.state::text, j.owner, coalesce(j.worker_id, 0), j.seq," \
	" j.step_no, jsonb_array_length(p.steps), j.cancel_requested," \
	" j.suspect, q.paused, j.xmin, j.run_at, j.session_id, q.name," \
	" (SELECT o.rolname FROM asyncjob.owner o WHERE o.role = j.owner)," \
	" j.external, (SELECT l.expires_at FROM asyncjob.lease l" \
	"  WHERE l.job_id = j.id AND j.state = 'running'), j.queue_id," \
	" j.waiting_for, CASE WHEN j.waiting_for = 'branches'" \
	"  THEN (SELECT 'steps under way: ' || string_agg(DISTINCT '\"'" \
	"    || (p.steps -> c.step_no::integer ->> 'name') || '\"', ', ')" \
	"   FROM asyncjob.job c WHERE c.parent_id = j.id AND c.item_no IS NOT NULL" \
	"    AND c.state IN ('queued', 'running', 'waiting'))" \
	"  WHEN j.waiting_for IS NOT NULL THEN (SELECT u.message" \
	"   FROM asyncjob.job_update u WHERE u.job_id = j.id AND u.seq = j.seq) END," \
	" CASE WHEN j.item_no IS NOT NULL THEN j.parent_id ELSE 0 END," \
	" p.name, p.paused_at IS NOT NULL, q.quiesced_at" \
	" FROM asyncjob.job j" \
	" JOIN asyncjob.pipeline p ON p.id = j.pipeline_id" \
	" JOIN asyncjob.queue q ON q.id = j.queue_id" \
	" WHERE j.id = $1 AND" AJ_VISIBLE

AJ_STATEMENT(read_head, HEAD_COLUMNS, INT8OID, AJ_VISIBLE_TYPES);

AJ_STATEMENT(lock_head, HEAD_COLUMNS "FOR UPDATE OF j",
			 INT8OID, AJ_VISIBLE_TYPES);

AJ_STATEMENT(read_state,
			 "SELECT j.state::text, j.xmin FROM asyncjob.job j"
			 " WHERE j.id = $1 AND" AJ_VISIBLE,
			 INT8OID, AJ_VISIBLE_TYPES);

AJ_STATEMENT(read_result,
			 "SELECT j.result, j.params, j.owner, j.parent_id, j.item_no, j.step_no"
			 " FROM asyncjob.job j WHERE j.id = $1", INT8OID);

AJ_STATEMENT(read_params,
			 "SELECT j.params, j.owner, j.parent_id, j.item_no, j.step_no"
			 " FROM asyncjob.job j WHERE j.id = $1 AND" AJ_VISIBLE,
			 INT8OID, AJ_VISIBLE_TYPES);

/* what the worker of a running job shows, ours or an external one */
#define AJ_LIVE \
	"LATERAL (SELECT s.progress, s.message, s.started_at" \
	"  FROM asyncjob._live(" AJ_LIVE_ID("j") ") s" \
	" UNION ALL SELECT h.progress, h.message, h.claimed_at" \
	"  FROM asyncjob.lease h WHERE h.job_id = j.id" \
	"   AND j.state = 'running' AND j.worker_id = -h.token) l"

/* an error of a job, or of its history, as $2 may read it */
#define ROOT \
	" CASE WHEN j.item_no IS NULL THEN j.id ELSE j.parent_id END"
#define OPENED_ERROR(error) \
	" asyncjob._open_error($2, j.owner," ROOT ", " error ")"

/* the columns of asyncjob.job_status */
#define STATUS_COLUMNS \
	"SELECT j.id, p.name, q.name, j.state, j.partial," \
	" CASE WHEN b.names IS NOT NULL THEN b.names ELSE s.step ->> 'name' END," \
	" CASE WHEN j.state = 'failed' THEN coalesce((j.error ->> 'step_no')::integer," \
	"  j.step_no + 1) ELSE least(j.step_no + 1, n.n) END," \
	" CASE WHEN j.state = 'completed' THEN n.n ELSE j.step_no END, n.n," \
	" CASE WHEN j.state = 'completed' THEN 1.0" \
	"  ELSE (j.step_no + coalesce(l.progress, b.done, 0)) / n.n END," \
	" CASE WHEN j.state = 'completed' THEN 1.0" \
	"  ELSE coalesce(l.progress, b.done / b.steps) END," \
	" CASE WHEN j.state = 'cancelled' THEN j.cancel_reason" \
	"  ELSE coalesce(l.message, b.message) END," \
	" CASE WHEN (j.state = 'running' OR j.waiting_for = 'branches')" \
	"   AND (j.step_no + coalesce(l.progress, b.done, 0)) / n.n >= 0.02" \
	"  THEN (clock_timestamp() - j.started_at)" \
	"   * (n.n / (j.step_no + coalesce(l.progress, b.done, 0)) - 1) END," \
	" CASE WHEN j.state = 'queued' AND j.external THEN" \
	"  (SELECT count(*) + 1 FROM (SELECT FROM asyncjob.job a" \
	"   WHERE a.state = 'queued' AND a.external AND a.owner = j.owner" \
	"   AND a.queue_id = j.queue_id AND (a.priority > j.priority" \
	"    OR a.priority = j.priority AND (a.run_at, a.id) < (j.run_at, j.id))" \
	"   AND a.run_at <= greatest(clock_timestamp(), j.run_at)" \
	"   LIMIT 9999) ahead)" \
	"  WHEN j.state = 'queued' THEN (SELECT count(*) + 1 FROM (SELECT FROM asyncjob.job a" \
	"   WHERE a.state = 'queued' AND NOT a.external AND a.owner = j.owner" \
	"   AND a.queue_id = j.queue_id AND (a.priority > j.priority" \
	"    OR a.priority = j.priority AND (a.run_at, a.id) < (j.run_at, j.id))" \
	"   AND a.run_at <= greatest(clock_timestamp(), j.run_at)" \
	"   LIMIT 9999) ahead) END," \
	" j.priority, CASE WHEN j.started_at IS NULL THEN 0" \
	"  WHEN j.state IN ('failed', 'queued', 'waiting') THEN j.failures::integer" \
	"  ELSE j.failures + 1 END," \
	" coalesce(j.error ->> 'code', j.error ->> 'sqlstate')," \
	" j.error ->> 'category'," \
	" e.error ->> 'message', e.error ->> 'detail', e.error ->> 'hint'," \
	" j.created_at, nullif(j.run_at, 'infinity'), j.started_at, j.finished_at, j.user_id," \
	" j.session_id, j.seq" \
	" FROM asyncjob.job j" \
	" JOIN asyncjob.pipeline p ON p.id = j.pipeline_id" \
	" JOIN asyncjob.queue q ON q.id = j.queue_id" \
	" CROSS JOIN LATERAL (SELECT" OPENED_ERROR("j.error") " AS error OFFSET 0) e" \
	" CROSS JOIN LATERAL (SELECT jsonb_array_length(p.steps)::float8 AS f," \
	"  jsonb_array_length(p.steps) AS n) n" \
	" CROSS JOIN LATERAL (SELECT p.steps -> CASE WHEN j.state = 'failed'" \
	"  THEN coalesce((j.error ->> 'step_no')::integer - 1, j.step_no)" \
	"  ELSE least(j.step_no, n.n - 1) END AS step) s" \
	" LEFT JOIN " AJ_LIVE " ON true" \
	" LEFT JOIN LATERAL (SELECT string_agg(c.name, ', ' ORDER BY c.step_no) AS names," \
	"   sum(c.done) AS done, count(*) AS steps, " \
	"   (array_agg(c.message ORDER BY c.step_no) FILTER (WHERE c.message IS NOT NULL))[1] AS message" \
	"  FROM (SELECT c.step_no, p.steps -> c.step_no::integer ->> 'name' AS name," \
	"    max(k.message) AS message," \
	"    avg(CASE WHEN c.state IN ('queued', 'running', 'waiting')" \
	"     THEN coalesce(k.progress, 0) ELSE 1 END) AS done" \
	"   FROM asyncjob.job c LEFT JOIN LATERAL asyncjob._live(" AJ_LIVE_ID("c") ") k" \
	"    ON true" \
	"   WHERE c.parent_id = j.id AND c.item_no IS NOT NULL GROUP BY c.step_no) c" \
	"  WHERE j.waiting_for = 'branches') b ON true "

AJ_STATEMENT(read_status, STATUS_COLUMNS "WHERE j.id = $1 AND" AJ_VISIBLE,
			 INT8OID, AJ_VISIBLE_TYPES);

AJ_STATEMENT(list_jobs,
			 STATUS_COLUMNS "WHERE ($1 = 0 OR j.id < $1) AND" AJ_VISIBLE
			 "AND j.item_no IS NULL AND j.parent_id IS NOT DISTINCT FROM $10 "
			 "AND ($6 IS NULL OR j.user_id = $6)"
			 " AND ($7 IS NULL OR j.session_id = $7)"
			 " AND ($8 IS NULL OR j.state = $8::asyncjob.job_state)"
			 " ORDER BY j.id DESC LIMIT $9",
			 INT8OID, AJ_VISIBLE_TYPES, TEXTOID, TEXTOID, TEXTOID, INT4OID, INT8OID);

AJ_STATEMENT(read_step_result,
			 "SELECT s.place - 1, c.output,"
			 " CASE WHEN s.place = n.n AND NOT n.dag THEN j.result END,"
			 " j.params, j.owner"
			 " FROM asyncjob.job j JOIN asyncjob.pipeline p ON p.id = j.pipeline_id"
			 " CROSS JOIN LATERAL jsonb_array_elements(p.steps)"
			 "  WITH ORDINALITY s (step, place)"
			 " CROSS JOIN LATERAL (SELECT jsonb_array_length(p.steps) AS n,"
			 "  EXISTS (SELECT FROM asyncjob.checkpoint d WHERE d.job_id = j.id"
			 "   AND d.step_no = jsonb_array_length(p.steps) - 1) AS dag) n"
			 " LEFT JOIN asyncjob.checkpoint c"
			 "  ON c.job_id = j.id AND c.step_no = s.place - 1"
			 " WHERE j.id = $1 AND" AJ_VISIBLE "AND s.step ->> 'name' = $6",
			 INT8OID, AJ_VISIBLE_TYPES, TEXTOID);

AJ_STATEMENT(list_steps,
			 "SELECT e.place::integer, e.step ->> 'name',"
			 " CASE WHEN c.outcome IS NOT NULL THEN c.outcome"
			 "  WHEN c.job_id IS NOT NULL OR j.state = 'completed' THEN 'completed'"
			 "  WHEN b.total > 0 THEN b.state"
			 "  WHEN e.place = f.current THEN j.state::text ELSE 'pending' END,"
			 " CASE WHEN c.job_id IS NOT NULL THEN c.attempt::integer"
			 "  WHEN b.total > 0 THEN b.attempt"
			 "  WHEN e.place <> f.current OR j.started_at IS NULL THEN 0"
			 "  WHEN j.state IN ('failed', 'queued') THEN j.failures"
			 "  ELSE j.failures + 1 END,"
			 " CASE WHEN j.state = 'completed' OR c.job_id IS NOT NULL THEN 1.0"
			 "  WHEN b.total > 0 THEN b.done"
			 "  WHEN e.place = f.current THEN coalesce(l.progress, 0)"
			 "  ELSE 0 END,"
			 " CASE WHEN c.outcome = 'skipped' THEN NULL"
			 "  WHEN c.job_id IS NOT NULL THEN c.started_at"
			 "  WHEN b.total > 0 THEN b.started_at"
			 "  WHEN e.place = f.current THEN coalesce(l.started_at,"
			 "   (SELECT max(d.finished_at) FROM asyncjob.checkpoint d"
			 "    WHERE d.job_id = j.id), j.started_at) END,"
			 " CASE WHEN c.job_id IS NOT NULL THEN c.finished_at"
			 "  WHEN e.place = f.current THEN j.finished_at END,"
			 OPENED_ERROR("CASE WHEN c.job_id IS NOT NULL THEN c.error"
						  "  WHEN b.total > 0 THEN b.error"
						  "  WHEN e.place = f.current THEN j.error END")
			 " ->> 'message'"
			 " FROM asyncjob.job j"
			 " JOIN asyncjob.pipeline p ON p.id = j.pipeline_id"
			 " CROSS JOIN LATERAL jsonb_array_elements(p.steps)"
			 "  WITH ORDINALITY e (step, place)"
			 " CROSS JOIN LATERAL (SELECT CASE WHEN j.waiting_for = 'branches' THEN 0"
			 "  WHEN j.state = 'failed' THEN coalesce((j.error ->> 'step_no')::integer,"
			 "   j.step_no + 1) ELSE j.step_no + 1 END AS current) f"
			 " LEFT JOIN asyncjob.checkpoint c"
			 "  ON c.job_id = j.id AND c.step_no = e.place - 1"
			 " LEFT JOIN " AJ_LIVE " ON true"
			 " CROSS JOIN LATERAL (SELECT count(*) AS total,"
			 "   CASE WHEN bool_or(d.state = 'running') THEN 'running'"
			 "    WHEN bool_or(d.state = 'queued') THEN 'queued'"
			 "    WHEN bool_or(d.state = 'waiting') THEN 'waiting'"
			 "    ELSE max(d.state::text) END AS state,"
			 "   max(d.failures + CASE WHEN d.started_at IS NULL"
			 "    OR d.state IN ('failed', 'queued') THEN 0 ELSE 1 END) AS attempt,"
			 "   avg(CASE WHEN d.state IN ('queued', 'running', 'waiting')"
			 "    THEN coalesce(k.progress, 0) ELSE 1 END) AS done,"
			 "   min(d.started_at) AS started_at,"
			 "   (array_agg(d.error ORDER BY d.error ->> 'message', d.id)"
			 "    FILTER (WHERE d.error IS NOT NULL))[1] AS error"
			 "  FROM asyncjob.job d LEFT JOIN LATERAL asyncjob._live("
			 AJ_LIVE_ID("d") ") k ON true"
			 "  WHERE d.parent_id = j.id AND d.step_no = e.place - 1"
			 "   AND d.item_no IS NOT NULL AND NOT j.state = 'completed') b"
			 " WHERE j.id = $1 AND" AJ_VISIBLE
			 "ORDER BY e.place",
			 INT8OID, AJ_VISIBLE_TYPES);

AJ_STATEMENT(list_updates,
			 "SELECT u.seq, u.at, u.kind, u.state, p.steps -> u.step_no ->> 'name',"
			 " u.level, CASE WHEN o.line IS NULL THEN u.message"
			 "  ELSE o.line ->> 'message' END,"
			 " CASE WHEN o.line IS NULL THEN u.data ELSE o.line -> 'data' END"
			 " FROM asyncjob.job j"
			 " JOIN asyncjob.pipeline p ON p.id = j.pipeline_id"
			 " CROSS JOIN LATERAL ("
			 "  SELECT 1 AS seq, j.created_at AS at, 'state' AS kind,"
			 "   'queued'::asyncjob.job_state AS state, NULL::integer AS step_no,"
			 "   NULL::text AS level, NULL::text AS message, NULL::jsonb AS data"
			 "  UNION ALL SELECT 2, j.started_at, 'state', 'running', 0, NULL,"
			 "   NULL, NULL WHERE j.started_at IS NOT NULL AND NOT EXISTS"
			 "    (SELECT FROM asyncjob.job_update f"
			 "     WHERE f.job_id = j.id AND f.seq = 2)"
			 "  UNION ALL SELECT d.seq, d.at, d.kind, d.state, d.step_no,"
			 "   d.level, d.message, d.data FROM asyncjob.job_update d"
			 "   WHERE d.job_id = j.id"
			 "  UNION ALL SELECT j.seq, j.finished_at, 'state', j.state,"
			 "   CASE j.state WHEN 'failed' THEN"
			 "    coalesce((j.error ->> 'step_no')::integer - 1, j.step_no)"
			 "    ELSE j.step_no END, NULL, coalesce(j.error ->> 'message',"
			 "    j.cancel_reason), j.error WHERE j.finished_at IS NOT NULL) u"
			 " CROSS JOIN LATERAL (SELECT asyncjob._open_update($2, j.owner," ROOT ","
			 "  u.message, u.data) AS line OFFSET 0) o"
			 " WHERE j.id = $1 AND" AJ_VISIBLE "AND u.seq > $6"
			 " ORDER BY u.seq",
			 INT8OID, AJ_VISIBLE_TYPES, INT4OID);

AJ_STATEMENT(list_artifacts,
			 "SELECT a.name, p.steps -> a.step_no::integer ->> 'name', a.kind,"
			 " a.media_type, a.size, a.sha256, a.created_at"
			 " FROM asyncjob.job j"
			 " JOIN asyncjob.pipeline p ON p.id = j.pipeline_id"
			 " JOIN asyncjob.artifact a ON a.job_id = j.id"
			 " WHERE j.id = $1 AND" AJ_VISIBLE
			 "ORDER BY a.step_no, a.name",
			 INT8OID, AJ_VISIBLE_TYPES);

AJ_STATEMENT(artifact_size,
			 "SELECT a.size, a.data IS NULL, a.key_id, j.owner FROM asyncjob.job j"
			 " JOIN asyncjob.artifact a ON a.job_id = j.id AND a.name = $6"
			 " WHERE j.id = $1 AND" AJ_VISIBLE,
			 INT8OID, AJ_VISIBLE_TYPES, TEXTOID);

AJ_STATEMENT(inline_piece,
			 "SELECT substr(a.data, $3, $4) FROM asyncjob.artifact a"
			 " WHERE a.job_id = $1 AND a.name = $2",
			 INT8OID, TEXTOID, INT4OID, INT4OID);

AJ_STATEMENT(chunk_piece,
			 "SELECT substr(c.data, $3, $4) FROM asyncjob.artifact_chunk c"
			 " WHERE c.job_id = $1 AND c.name = $2 AND c.chunk_no = $5",
			 INT8OID, TEXTOID, INT4OID, INT4OID, INT4OID);

/*
 * What a steering function needs to know of a job, with its row locked if so
 * wished.  In the memory context of the call.  Returns false if the caller
 * sees no such job.
 */
bool
aj_queue_head(const AjCaller *caller, int64 job_id, bool lock, AjJobHead *head)
{
	MemoryContext context = CurrentMemoryContext,
				old;
	Datum		values[AJ_VISIBLE_ARGS],
				v;
	char		nulls[AJ_VISIBLE_ARGS + 1];
	bool		isnull;

	aj_visible_values(caller, job_id, values, nulls);
	if (aj_execute(lock ? &lock_head : &read_head, values, nulls, 0) == 0)
		return false;

	old = MemoryContextSwitchTo(context);
	head->id = job_id;
	head->state = aj_state_by_name(TextDatumGetCString(aj_value(0, 1, &isnull)));
	head->owner = DatumGetObjectId(aj_value(0, 2, &isnull));
	head->worker_id = DatumGetInt64(aj_value(0, 3, &isnull));
	head->seq = DatumGetInt32(aj_value(0, 4, &isnull));
	head->step_no = DatumGetInt16(aj_value(0, 5, &isnull));
	head->step_count = DatumGetInt32(aj_value(0, 6, &isnull));
	head->cancel_requested = DatumGetBool(aj_value(0, 7, &isnull));
	head->suspect = DatumGetBool(aj_value(0, 8, &isnull));
	head->queue_paused = DatumGetBool(aj_value(0, 9, &isnull));
	head->xmin = DatumGetTransactionId(aj_value(0, 10, &isnull));
	head->run_at = DatumGetTimestampTz(aj_value(0, 11, &isnull));
	v = aj_value(0, 12, &isnull);
	head->session_id = isnull ? NULL : TextDatumGetCString(v);
	head->queue = TextDatumGetCString(aj_value(0, 13, &isnull));
	v = aj_value(0, 14, &isnull);
	head->rolname = isnull ? NULL : pstrdup(NameStr(*DatumGetName(v)));
	head->external = DatumGetBool(aj_value(0, 15, &isnull));
	v = aj_value(0, 16, &isnull);
	head->lease_until = isnull ? 0 : DatumGetTimestampTz(v);
	head->queue_id = DatumGetInt32(aj_value(0, 17, &isnull));
	v = aj_value(0, 18, &isnull);
	head->waiting_for = isnull ? NULL : TextDatumGetCString(v);
	v = aj_value(0, 19, &isnull);
	head->waiting_detail = isnull ? NULL : TextDatumGetCString(v);
	head->branch_of = DatumGetInt64(aj_value(0, 20, &isnull));
	head->pipeline = TextDatumGetCString(aj_value(0, 21, &isnull));
	head->pipeline_paused = DatumGetBool(aj_value(0, 22, &isnull));
	v = aj_value(0, 23, &isnull);
	head->quiesced_at = isnull ? 0 : DatumGetTimestampTz(v);
	MemoryContextSwitchTo(old);
	return true;
}

/*
 * State of a job as committed now, whatever snapshot the caller's
 * transaction has.  Raises the error if it isn't there.
 */
AjState
aj_queue_state_now(const AjCaller *caller, int64 job_id, TransactionId *xmin)
{
	Datum		values[AJ_VISIBLE_ARGS];
	char		nulls[AJ_VISIBLE_ARGS + 1];
	bool		isnull;

	aj_visible_values(caller, job_id, values, nulls);
	if (aj_execute_latest(&read_state, values, nulls) == 0)
		aj_unknown_job(job_id);
	*xmin = DatumGetTransactionId(aj_value(0, 2, &isnull));
	return aj_state_by_name(TextDatumGetCString(aj_value(0, 1, &isnull)));
}

/*
 * A job's result in the memory context of the call, or NULL.  The caller has
 * seen to it that the reader may see the job.
 */
Jsonb *
aj_queue_result(int64 job_id, Oid reader)
{
	MemoryContext context = CurrentMemoryContext,
				old;
	Datum		values[1] = {Int64GetDatum(job_id)},
				v;
	bool		isnull;
	Jsonb	   *result = NULL;

	if (aj_execute(&read_result, values, NULL, 0) == 0)
		return NULL;
	v = aj_value(0, 1, &isnull);
	if (!isnull)
	{
		old = MemoryContextSwitchTo(context);
		result = DatumGetJsonbPCopy(v);
		if (aj_is_sealed(DatumGetJsonbP(aj_value(0, 2, &isnull))))
		{
			AjSealPlace place = {job_id, "result", 0, 0};

			aj_require_content_of(job_id,
								  DatumGetObjectId(aj_value(0, 3, &isnull)),
								  reader);
			v = aj_value(0, 5, &isnull);
			if (!isnull)
			{
				/* a branch's is to be its parent's */
				place.what = "output";
				place.item_no = DatumGetInt32(v);
				place.job_id = DatumGetInt64(aj_value(0, 4, &isnull));
				place.step_no = DatumGetInt16(aj_value(0, 6, &isnull));
			}
			result = aj_open(&place, result);
		}
		MemoryContextSwitchTo(old);
	}
	return result;
}

/*
 * A job's params, likewise.  NULL if there is no such job.
 */
Jsonb *
aj_queue_params(const AjCaller *caller, int64 job_id)
{
	MemoryContext context = CurrentMemoryContext,
				old;
	Datum		values[AJ_VISIBLE_ARGS];
	char		nulls[AJ_VISIBLE_ARGS + 1];
	AjJob		job = {.id = job_id};
	Datum		v;
	bool		isnull;

	aj_visible_values(caller, job_id, values, nulls);
	if (aj_execute(&read_params, values, nulls, 0) == 0)
		return NULL;
	old = MemoryContextSwitchTo(context);
	job.params = DatumGetJsonbPCopy(aj_value(0, 1, &isnull));
	job.owner = DatumGetObjectId(aj_value(0, 2, &isnull));
	v = aj_value(0, 3, &isnull);
	job.parent_id = isnull ? 0 : DatumGetInt64(v);
	v = aj_value(0, 4, &isnull);
	job.item_no = isnull ? -1 : DatumGetInt32(v);
	job.step_no = DatumGetInt16(aj_value(0, 5, &isnull));
	if (aj_is_sealed(job.params))
	{
		aj_require_content_of(job_id, job.owner, caller->role);
		aj_job_open_params(&job);
		if (job.locked != NULL)
			aj_not_opened(job.locked);
	}
	MemoryContextSwitchTo(old);
	return job.params;
}

/*
 * Output of a step of a job, in the memory context of the call; NULL if there
 * is none yet.  Returns false where there is no such step.
 */
bool
aj_queue_step_result(const AjCaller *caller, int64 job_id, const char *step,
					 Jsonb **output)
{
	MemoryContext context = CurrentMemoryContext,
				old;
	Datum		values[6],
				v;
	char		nulls[7] = "      ";
	AjSealPlace place = {job_id, "output", 0, 0};
	bool		isnull;

	*output = NULL;
	aj_visible_values(caller, job_id, values, nulls);
	values[5] = CStringGetTextDatum(step);
	nulls[5] = ' ';
	if (aj_execute(&read_step_result, values, nulls, 0) == 0)
		return false;
	v = aj_value(0, 2, &isnull);
	if (isnull)
	{
		v = aj_value(0, 3, &isnull);
		place.what = "result";
	}
	if (!isnull)
	{
		old = MemoryContextSwitchTo(context);
		*output = DatumGetJsonbPCopy(v);
		if (aj_is_sealed(DatumGetJsonbP(aj_value(0, 4, &isnull))))
		{
			if (place.what[0] == 'o')
				place.step_no = DatumGetInt64(aj_value(0, 1, &isnull));
			aj_require_content_of(job_id,
								  DatumGetObjectId(aj_value(0, 5, &isnull)),
								  caller->role);
			*output = aj_open(&place, *output);
		}
		MemoryContextSwitchTo(old);
	}
	return true;
}

/*
 * Run a query of what is committed now that also looks at what workers show.
 * A step may end between its snapshot and its look at the worker's slot, and
 * would seem not to have begun; then it is asked once more.
 */
int
aj_execute_live(AjStatement *stmt, Datum *values, const char *nulls)
{
	int			n;

	aj_slot_missed = false;
	n = aj_execute_latest(stmt, values, nulls);
	return aj_slot_missed ? aj_execute_latest(stmt, values, nulls) : n;
}

/* One row of asyncjob.job_status, as committed now. */
int
aj_queue_status(const AjCaller *caller, int64 job_id)
{
	Datum		values[AJ_VISIBLE_ARGS];
	char		nulls[AJ_VISIBLE_ARGS + 1];

	aj_visible_values(caller, job_id, values, nulls);
	return aj_execute_live(&read_status, values, nulls);
}

/* Rows of asyncjob.job_status, newest first, with ids below after. */
int
aj_queue_list(const AjCaller *caller, const char *user_id,
			  const char *session_id, const char *state, int64 after,
			  int limit, int64 parent)
{
	Datum		values[10];
	char		nulls[11] = "          ";

	aj_visible_values(caller, after, values, nulls);
	values[5] = aj_text_or_null(user_id, &nulls[5]);
	values[6] = aj_text_or_null(session_id, &nulls[6]);
	values[7] = aj_text_or_null(state, &nulls[7]);
	values[8] = Int32GetDatum(limit);
	values[9] = Int64GetDatum(parent);
	if (parent == 0)
		nulls[9] = 'n';
	return aj_execute(&list_jobs, values, nulls, 0);
}

int
aj_queue_steps(const AjCaller *caller, int64 job_id)
{
	Datum		values[AJ_VISIBLE_ARGS];
	char		nulls[AJ_VISIBLE_ARGS + 1];

	aj_visible_values(caller, job_id, values, nulls);
	return aj_execute(&list_steps, values, nulls, 0);
}

int
aj_queue_updates(const AjCaller *caller, int64 job_id, int since)
{
	Datum		values[6];
	char		nulls[7] = "      ";

	aj_visible_values(caller, job_id, values, nulls);
	values[5] = Int32GetDatum(since);
	return aj_execute(&list_updates, values, nulls, 0);
}

int
aj_queue_artifacts(const AjCaller *caller, int64 job_id)
{
	Datum		values[AJ_VISIBLE_ARGS];
	char		nulls[AJ_VISIBLE_ARGS + 1];

	aj_visible_values(caller, job_id, values, nulls);
	return aj_execute(&list_artifacts, values, nulls, 0);
}

/* Size of an artifact, or -1 if there is none of that name. */
int64
aj_queue_artifact_size(const AjCaller *caller, int64 job_id,
					   const char *name, bool *chunked, char **key_id)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		v;
	Datum		values[6];
	char		nulls[7] = "      ";
	bool		isnull;

	aj_visible_values(caller, job_id, values, nulls);
	values[5] = CStringGetTextDatum(name);
	if (aj_execute(&artifact_size, values, nulls, 0) == 0)
		return -1;
	*chunked = DatumGetBool(aj_value(0, 2, &isnull));
	*key_id = NULL;
	v = aj_value(0, 3, &isnull);
	if (!isnull)
	{
		*key_id = MemoryContextStrdup(context, TextDatumGetCString(v));
		aj_require_content_of(job_id,
							  DatumGetObjectId(aj_value(0, 4, &isnull)),
							  caller->role);
	}
	return DatumGetInt64(aj_value(0, 1, &isnull));
}

/*
 * A piece of an artifact (chunk < 0: of its inline data), a bytea that lives
 * until SPI is finished.
 */
Datum
aj_queue_artifact_piece(int64 job_id, const char *name, int chunk,
						int64 start, int64 len, bool *isnull)
{
	Datum		values[5];

	values[0] = Int64GetDatum(job_id);
	values[1] = CStringGetTextDatum(name);
	values[2] = Int32GetDatum((int32) start + 1);
	values[3] = Int32GetDatum((int32) len);
	values[4] = Int32GetDatum(chunk);
	*isnull = true;
	if (aj_execute(chunk < 0 ? &inline_piece : &chunk_piece, values, NULL, 0) == 0)
		return (Datum) 0;
	return aj_value(0, 1, isnull);
}
