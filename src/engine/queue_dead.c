/*-------------------------------------------------------------------------
 *
 * queue_dead.c
 *		Statements about dead letters, alarms and full queues.
 *
 * Dead letters stand in an index of their own, so that finding them costs
 * nothing where there are many jobs that went well.  What an alarm counts is
 * counted up to a limit, lane by lane (queue_claim.c) where it is about queued
 * jobs: whether a threshold of 10 is passed needn't be found out by counting
 * a million.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "queue_dead.h"
#include "scope.h"
#include "seal.h"

/* job j has ended, and nobody holds it; $3 are those that a pin was found of */
#define AJ_ENDED_FREE(j) \
	" " j ".state IN ('completed', 'failed', 'cancelled')" \
	" AND " j ".id <> ALL ($3) AND NOT EXISTS" \
	"  (SELECT FROM asyncjob.pin h WHERE h.job_id = " j ".id" \
	"   AND h.until > clock_timestamp()) "

AJ_STATEMENT(find_dead,
			 "SELECT d.id FROM (SELECT j.id, j.unique_key IS NULL OR"
			 "  row_number() OVER (PARTITION BY j.owner, j.unique_key"
			 "   ORDER BY j.id DESC) = 1 AS newest"
			 "  FROM asyncjob.job j"
			 "  JOIN asyncjob.pipeline p ON p.id = j.pipeline_id"
			 "  JOIN asyncjob.queue q ON q.id = j.queue_id"
			 "  WHERE j.state = 'failed' AND j.id > $1 AND" AJ_VISIBLE
			 "  AND" AJ_FILTER
			 "  AND (NOT $22 OR j.unique_key IS NULL OR NOT EXISTS"
			 "   (SELECT FROM asyncjob.job r WHERE r.owner = j.owner"
			 "    AND r.unique_key = j.unique_key"
			 "    AND r.state IN ('queued', 'running', 'waiting')))) d"
			 " WHERE d.newest OR NOT $20 ORDER BY d.id LIMIT $21",
			 INT8OID, AJ_VISIBLE_TYPES, AJ_FILTER_TYPES, BOOLOID, INT8OID, BOOLOID);

/* params that are no object have nothing to merge into */
AJ_STATEMENT(merged_params,
			 "SELECT CASE jsonb_typeof(o.params) WHEN 'object'"
			 "  THEN o.params || $2 ELSE $2 END, j.pipeline_id"
			 " FROM asyncjob.job j CROSS JOIN LATERAL (SELECT"
			 "  asyncjob._open(j.id, 'params', 0, 0, j.params, j.params) AS params"
			 "  OFFSET 0) o WHERE j.id = $1",
			 INT8OID, JSONBOID);

AJ_STATEMENT(sealed_owner,
			 "SELECT j.owner FROM asyncjob.job j"
			 " WHERE j.id = $1 AND j.params ? '$encrypted'",
			 INT8OID);

AJ_STATEMENT(begin_anew,
			 "UPDATE asyncjob.job j SET step_no = 0,"
			 " params = asyncjob._seal(j.id, 'params', 0, 0, $2, j.params),"
			 " external = coalesce((p.steps -> 0 ->> 'external')::boolean, false)"
			 " FROM asyncjob.pipeline p"
			 " WHERE j.id = $1 AND p.id = j.pipeline_id RETURNING j.external",
			 INT8OID, JSONBOID);

AJ_STATEMENT(drop_checkpoints,
			 "DELETE FROM asyncjob.checkpoint WHERE job_id = $1", INT8OID);

/*
 * What hangs on a job has no foreign keys: they would lock its row.  With a job
 * go its branches and the jobs that it spawned, and so on, as far as they have
 * ended, nobody holds them, and, unless $2, no rule keeps them longer: dead
 * letters and those with artifacts go when it is their time.
 *
 * They are looked for when they are locked, and again when they are deleted:
 * one may have been queued again, or pinned, before we had its lock, and then
 * keeps what hangs on it.
 */
#define GONE \
	"WITH RECURSIVE gone AS (SELECT j.id FROM asyncjob.job j" \
	"   WHERE j.id = ANY ($1) AND" AJ_ENDED_FREE("j") \
	"  UNION SELECT c.id FROM gone g JOIN asyncjob.job c" \
	"   ON c.parent_id = g.id AND" AJ_ENDED_FREE("c") \
	"   AND ($2 OR c.item_no IS NOT NULL OR c.state <> 'failed'" \
	"    AND NOT EXISTS (SELECT FROM asyncjob.artifact a" \
	"     WHERE a.job_id = c.id)))"
#define LOCK_GONE \
	"SELECT l.id FROM asyncjob.job l" \
	" WHERE l.id = ANY (ARRAY(SELECT g.id FROM gone g)) FOR UPDATE SKIP LOCKED"

AJ_STATEMENT(lock_gone, GONE LOCK_GONE, INT8ARRAYOID, BOOLOID, INT8ARRAYOID);
AJ_STATEMENT(delete_jobs,
			 GONE " DELETE FROM asyncjob.job WHERE id = ANY (ARRAY(" LOCK_GONE "))"
			 " AND state IN ('completed', 'failed', 'cancelled')"
			 " RETURNING id, id = ANY ($1)",
			 INT8ARRAYOID, BOOLOID, INT8ARRAYOID);

AJ_STATEMENT(pinned_now,
			 "SELECT h.job_id FROM asyncjob.pin h"
			 " WHERE h.job_id = ANY ($1) AND h.until > clock_timestamp()",
			 INT8ARRAYOID);

AJ_STATEMENT(delete_updates,
			 "DELETE FROM asyncjob.job_update WHERE job_id = ANY ($1)",
			 INT8ARRAYOID);
AJ_STATEMENT(delete_checkpoints,
			 "DELETE FROM asyncjob.checkpoint WHERE job_id = ANY ($1)",
			 INT8ARRAYOID);
AJ_STATEMENT(delete_artifacts,
			 "DELETE FROM asyncjob.artifact WHERE job_id = ANY ($1)",
			 INT8ARRAYOID);
AJ_STATEMENT(drop_memos,
			 "DELETE FROM asyncjob.job_memo WHERE job_id = $1", INT8OID);
AJ_STATEMENT(drop_branches,
			 "DELETE FROM asyncjob.job WHERE parent_id = $1 AND item_no IS NOT NULL",
			 INT8OID);
AJ_STATEMENT(delete_memos,
			 "DELETE FROM asyncjob.job_memo WHERE job_id = ANY ($1)",
			 INT8ARRAYOID);
AJ_STATEMENT(delete_waits,
			 "DELETE FROM asyncjob.event_wait WHERE job_id = ANY ($1)",
			 INT8ARRAYOID);
AJ_STATEMENT(delete_pins,
			 "DELETE FROM asyncjob.pin WHERE job_id = ANY ($1)", INT8ARRAYOID);
AJ_STATEMENT(delete_chunks,
			 "DELETE FROM asyncjob.artifact_chunk WHERE job_id = ANY ($1)",
			 INT8ARRAYOID);

/*
 * Lanes of the jobs of workers, which stand in job_ready_idx, and of those of
 * external workers, in job_external_idx.
 */
#define LANES_OF(lane, columns, which) \
	lane " AS (" \
	" (SELECT " columns " FROM asyncjob.job j WHERE" which \
	"   ORDER BY " columns " LIMIT 1)" \
	" UNION ALL SELECT n.* FROM " lane " l CROSS JOIN LATERAL" \
	"  (SELECT " columns " FROM asyncjob.job j WHERE" which \
	"    AND (" columns ") > (l.*) ORDER BY " columns " LIMIT 1) n)"
#define READY		" j.state = 'queued' AND NOT j.external "
#define EXTERNAL	" j.state = 'queued' AND j.external "
/* those that a limit of their queue holds back */
#define HELD		" j.state = 'waiting' AND j.limit_group IS NOT NULL "
#define LANES \
	"WITH RECURSIVE " LANES_OF("lane", "j.owner, j.queue_id, j.priority", READY) \
	", " LANES_OF("external_lane", "j.queue_id, j.owner, j.priority", EXTERNAL)

/* jobs of a lane l */
#define IN_LANE \
	" AND j.owner = l.owner AND j.queue_id = l.queue_id" \
	" AND j.priority = l.priority "

AJ_STATEMENT(depth,
			 LANES " SELECT count(*) FROM (SELECT FROM lane l CROSS JOIN LATERAL"
			 "  (SELECT FROM asyncjob.job j WHERE" READY IN_LANE "LIMIT $2) i"
			 "  WHERE l.queue_id = $1"
			 "  UNION ALL SELECT FROM (SELECT FROM asyncjob.job j"
			 "   WHERE" EXTERNAL "AND j.queue_id = $1 LIMIT $2) e"
			 "  UNION ALL SELECT FROM (SELECT FROM asyncjob.job j"
			 "   WHERE" HELD "AND j.queue_id = $1 LIMIT $2) h LIMIT $2) c",
			 INT4OID, INT8OID);

AJ_STATEMENT(set_max_depth,
			 "UPDATE asyncjob.queue SET max_depth = $2 WHERE name = $1",
			 TEXTOID, INT4OID);

AJ_STATEMENT(set_alarm,
			 "INSERT INTO asyncjob.alarm AS a"
			 " (name, metric, queue_id, pipeline, threshold, period)"
			 " SELECT $1, $2, nullif($3, 0), $4, $5, $6"
			 " WHERE $4 IS NULL OR EXISTS"
			 "  (SELECT FROM asyncjob.pipeline p WHERE p.name = $4)"
			 " ON CONFLICT (name) DO UPDATE SET metric = excluded.metric,"
			 " queue_id = excluded.queue_id, pipeline = excluded.pipeline,"
			 " threshold = excluded.threshold, period = excluded.period,"
			 " value = NULL, checked_at = NULL, raised_at = NULL",
			 TEXTOID, TEXTOID, INT4OID, TEXTOID, FLOAT8OID, INTERVALOID);

AJ_STATEMENT(drop_alarm, "DELETE FROM asyncjob.alarm WHERE name = $1", TEXTOID);

AJ_STATEMENT(any_alarm, "SELECT FROM asyncjob.alarm a WHERE $1 LIMIT 1", BOOLOID);

/*
 * Of queued jobs the first 10,000 of a lane are looked at, of ended ones the
 * last 10,000.
 */
#define AJ_OF_ALARM \
	" (a.queue_id IS NULL OR j.queue_id = a.queue_id)" \
	" AND (a.pipeline IS NULL OR j.pipeline_id IN" \
	"  (SELECT p.id FROM asyncjob.pipeline p WHERE p.name = a.pipeline)) "
#define DUE_IN(lane, which) \
	" SELECT i.* FROM " lane " l CROSS JOIN LATERAL (SELECT j.queue_id," \
	"  j.pipeline_id, j.run_at FROM asyncjob.job j WHERE" which IN_LANE \
	"  AND j.run_at <= $1 ORDER BY j.run_at, j.id LIMIT 10000) i "
#define DUE_JOBS \
	" FROM (" DUE_IN("lane", READY) "UNION ALL" \
	DUE_IN("external_lane", EXTERNAL) \
	"UNION ALL (SELECT j.queue_id, j.pipeline_id, j.run_at" \
	"  FROM asyncjob.job j WHERE" HELD "AND j.run_at <= $1 AND" \
	AJ_OF_ALARM "LIMIT 10000)) j WHERE" AJ_OF_ALARM

AJ_STATEMENT(check_alarms,
			 LANES ", found AS MATERIALIZED (SELECT a.*,"
			 " CASE a.metric WHEN 'queue_depth' THEN"
			 "  (SELECT count(*) " DUE_JOBS ")"
			 " WHEN 'oldest_age' THEN (SELECT"
			 "  coalesce(extract(epoch FROM $1 - min(j.run_at)), 0) " DUE_JOBS ")"
			 " WHEN 'dead_letters' THEN (SELECT count(*) FROM"
			 "  (SELECT FROM asyncjob.job j WHERE j.state = 'failed'"
			 "   AND" AJ_OF_ALARM " LIMIT ceil(a.threshold)::bigint + 10000) j)"
			 " ELSE (SELECT coalesce(avg((j.state = 'failed')::integer), 0) FROM"
			 "  (SELECT j.state, j.finished_at, j.queue_id, j.pipeline_id"
			 "   FROM asyncjob.job j ORDER BY j.id DESC LIMIT 10000) j"
			 "  WHERE j.state IN ('completed', 'failed')"
			 "  AND j.finished_at > $1 - a.period AND" AJ_OF_ALARM ")"
			 " END::double precision AS now_value FROM asyncjob.alarm a),"
			 " changed AS (UPDATE asyncjob.alarm a SET value = f.now_value,"
			 " checked_at = greatest(a.checked_at, $1), raised_at = CASE WHEN f.now_value > a.threshold"
			 "  THEN coalesce(a.raised_at, $1) END"
			 " FROM found f WHERE f.name = a.name"
			 " RETURNING a.name, a.metric, a.value, a.threshold,"
			 "  a.raised_at IS NOT NULL AS raised,"
			 "  (f.raised_at IS NULL) <> (a.raised_at IS NULL) AS news)"
			 " SELECT count(*) FILTER (WHERE c.raised),"
			 "  count(CASE WHEN c.news THEN pg_notify('asyncjob_alarm',"
			 "   json_build_object('alarm', c.name, 'state',"
			 "    CASE WHEN c.raised THEN 'raised' ELSE 'cleared' END,"
			 "    'metric', c.metric, 'value', c.value,"
			 "    'threshold', c.threshold)::text) END)"
			 " FROM changed c",
			 TIMESTAMPTZOID);

static Datum
id_array(const int64 *ids, int n)
{
	Datum	   *values = palloc((n + 1) * sizeof(Datum));

	for (int i = 0; i < n; i++)
		values[i] = Int64GetDatum(ids[i]);
	return PointerGetDatum(construct_array(values, n, INT8OID, 8,
										   FLOAT8PASSBYVAL, 'd'));
}

/* Copy the ids that the last statement returned. */
static int64 *
returned_ids(int n)
{
	int64	   *ids = palloc((n + 1) * sizeof(int64));
	bool		isnull;

	for (int i = 0; i < n; i++)
		ids[i] = DatumGetInt64(aj_value(i, 1, &isnull));
	return ids;
}

/*
 * Dead letters that the caller sees and the filter lets through, the oldest
 * first; of those of one unique key only the newest, if so wished, and only if
 * no unfinished job has it, unless it was named.
 */
int
aj_queue_find_dead(const AjFilter *filter, const AjCaller *caller,
				   bool newest_of_key, int64 max, int64 **ids)
{
	Datum		values[AJ_VISIBLE_ARGS + AJ_FILTER_ARGS + 3];
	char		nulls[AJ_VISIBLE_ARGS + AJ_FILTER_ARGS + 3];
	int			n;

	memset(nulls, ' ', sizeof(nulls));
	aj_filter_values(filter, caller, 0, values, nulls);
	values[AJ_VISIBLE_ARGS + AJ_FILTER_ARGS] = BoolGetDatum(newest_of_key);
	values[AJ_VISIBLE_ARGS + AJ_FILTER_ARGS + 1] = Int64GetDatum(max);
	values[AJ_VISIBLE_ARGS + AJ_FILTER_ARGS + 2] =
		BoolGetDatum(newest_of_key && !filter->named);
	n = aj_execute(&find_dead, values, nulls, 0);
	*ids = returned_ids(n);
	return n;
}

/*
 * A job's params with others over them, and its pipeline.  If they are
 * encrypted, that is for the owner only: the pipeline's validator will see
 * them as the caller.
 */
Jsonb *
aj_queue_merged_params(int64 job_id, Oid reader, Jsonb *params,
					   int32 *pipeline_id)
{
	MemoryContext context = CurrentMemoryContext,
				old;
	Datum		values[2] = {Int64GetDatum(job_id), JsonbPGetDatum(params)};
	bool		isnull;
	Jsonb	   *merged;

	if (aj_execute(&sealed_owner, values, NULL, 0) > 0)
		aj_require_content_of(job_id, DatumGetObjectId(aj_value(0, 1, &isnull)),
							  reader);
	if (aj_execute(&merged_params, values, NULL, 0) == 0)
		return NULL;
	*pipeline_id = DatumGetInt32(aj_value(0, 2, &isnull));
	old = MemoryContextSwitchTo(context);
	merged = DatumGetJsonbPCopy(aj_value(0, 1, &isnull));
	MemoryContextSwitchTo(old);
	return merged;
}

/*
 * A locked job that ended gets other params and forgets what it has done.
 * Returns whether its first step is an external worker's.
 */
bool
aj_queue_begin_anew(int64 job_id, Jsonb *params)
{
	Datum		values[2] = {Int64GetDatum(job_id), JsonbPGetDatum(params)};
	bool		isnull;
	bool		external;

	aj_execute(&begin_anew, values, NULL, 0);
	external = DatumGetBool(aj_value(0, 1, &isnull));
	aj_execute(&drop_checkpoints, values, NULL, 0);
	aj_execute(&drop_memos, values, NULL, 0);
	aj_execute(&drop_branches, values, NULL, 0);
	return external;
}

/*
 * Of jobs whose rows we have locked those that somebody holds.  A pin is set
 * with its job's row locked, so none can come any more; but one may have been
 * committed since the snapshot of the statement that locked the row, or long
 * since that of the caller's transaction.  In the memory context of the call.
 */
int
aj_queue_pinned_now(const int64 *ids, int n, int64 **pinned)
{
	Datum		values[1] = {id_array(ids, n)};

	n = aj_execute_latest(&pinned_now, values, NULL);
	*pinned = returned_ids(n);
	return n;
}

/*
 * Delete jobs that have ended, with all that hangs on them.  thorough says that
 * nothing keeps what they spawned but a pin.  Returns how many of them went.
 */
int64
aj_queue_delete_jobs(const int64 *ids, int n, bool thorough)
{
	Datum		values[3] = {id_array(ids, n), BoolGetDatum(thorough),
	id_array(NULL, 0)};
	int64		chosen = 0;
	int64	   *pinned;
	bool		isnull;

	n = aj_execute(&lock_gone, values, NULL, 0);
	n = aj_queue_pinned_now(returned_ids(n), n, &pinned);
	values[2] = id_array(pinned, n);
	n = aj_execute(&delete_jobs, values, NULL, 0);
	if (n == 0)
		return 0;
	for (int i = 0; i < n; i++)
		chosen += DatumGetBool(aj_value(i, 2, &isnull));
	values[0] = id_array(returned_ids(n), n);
	aj_execute(&delete_updates, values, NULL, 0);
	aj_execute(&delete_checkpoints, values, NULL, 0);
	aj_execute(&delete_artifacts, values, NULL, 0);
	aj_execute(&delete_chunks, values, NULL, 0);
	aj_execute(&delete_memos, values, NULL, 0);
	aj_execute(&delete_waits, values, NULL, 0);
	aj_execute(&delete_pins, values, NULL, 0);
	return chosen;
}

/* How many jobs are queued now, counted up to a limit. */
int64
aj_queue_depth(int32 queue_id, int64 limit)
{
	Datum		values[2] = {Int32GetDatum(queue_id), Int64GetDatum(limit)};
	bool		isnull;

	aj_execute_latest(&depth, values, NULL);
	return DatumGetInt64(aj_value(0, 1, &isnull));
}

/* max_depth < 0: none */
bool
aj_queue_set_max_depth(const char *name, int max_depth)
{
	Datum		values[2] = {CStringGetTextDatum(name), Int32GetDatum(max_depth)};

	return aj_execute(&set_max_depth, values, max_depth < 0 ? " n" : NULL, 0) > 0;
}

/* Returns false if there is no such pipeline. */
bool
aj_queue_set_alarm(const AjAlarm *alarm)
{
	Datum		values[6];
	char		nulls[7] = "      ";

	values[0] = CStringGetTextDatum(alarm->name);
	values[1] = CStringGetTextDatum(alarm->metric);
	values[2] = Int32GetDatum(alarm->queue_id);
	values[3] = aj_text_or_null(alarm->pipeline, &nulls[3]);
	values[4] = Float8GetDatum(alarm->threshold);
	values[5] = IntervalPGetDatum(alarm->period);
	return aj_execute(&set_alarm, values, nulls, 0) > 0;
}

bool
aj_queue_drop_alarm(const char *name)
{
	Datum		values[1] = {CStringGetTextDatum(name)};

	return aj_execute(&drop_alarm, values, NULL, 0) > 0;
}

bool
aj_queue_any_alarm(void)
{
	Datum		values[1] = {BoolGetDatum(true)};

	return aj_execute(&any_alarm, values, NULL, 0) > 0;
}

/* Look at all alarms; returns how many are raised. */
int
aj_queue_check_alarms(void)
{
	Datum		values[1] = {TimestampTzGetDatum(GetCurrentTimestamp())};
	bool		isnull;

	aj_execute(&check_alarms, values, NULL, 0);
	return (int) DatumGetInt64(aj_value(0, 1, &isnull));
}
