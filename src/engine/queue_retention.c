/*-------------------------------------------------------------------------
 *
 * queue_retention.c
 *		Statements that delete what is kept no longer.
 *
 * There is no index by time of end: it would cost every job an entry.  Jobs
 * get their ids about in the order of their submission, so a sweep walks the
 * primary key from the oldest job on, a few thousand rows at a time, and is
 * over at the first job that is younger than anything is kept.  Rows are
 * locked with SKIP LOCKED: neither does a claim wait for the sweep, nor the
 * sweep for a worker.
 *
 * asyncjob.retention_defaults has the defaults, asyncjob.retention what
 * differs from them.  A default for a kind of artifacts only makes them stay
 * longer than their job would; a rule can make them go earlier.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "queue_bury.h"
#include "queue_dead.h"
#include "queue_retention.h"
#include "scope.h"
#include "types.h"
#include "wake.h"

/*
 * By queue and kind, with null for ever.  A rule of a queue goes before one
 * for all, that before the default.
 */
#define RULES \
	"rule AS MATERIALIZED (SELECT q.id AS queue_id, d.kind," \
	" CASE WHEN o.kind IS NOT NULL THEN o.keep" \
	"  WHEN a.kind IS NOT NULL THEN a.keep ELSE d.keep END AS keep" \
	" FROM asyncjob.queue q JOIN asyncjob.retention_defaults d" \
	"  ON d.kind IN ('result', 'dead_letter', 'queued')" \
	" LEFT JOIN asyncjob.retention o ON o.queue_id = q.id AND o.kind = d.kind" \
	" LEFT JOIN asyncjob.retention a ON a.queue_id = 0 AND a.kind = d.kind)"

#define UNPINNED \
	" NOT EXISTS (SELECT FROM asyncjob.pin h WHERE h.job_id = j.id" \
	" AND h.until > $1) "

/* the last id to look at now, and whether that is the end */
AJ_STATEMENT(range,
			 "WITH young AS (SELECT $1 - $4 AS since) SELECT max(r.id),"
			 " coalesce(bool_or(r.created_at >= y.since), true) OR count(*) < $3"
			 " FROM young y, (SELECT j.id, j.created_at FROM asyncjob.job j"
			 "  WHERE j.id > $2 ORDER BY j.id LIMIT $3) r",
			 TIMESTAMPTZOID, INT8OID, INT8OID, INTERVALOID);

/* the shortest time that anything is kept; null: all is kept for ever */
AJ_STATEMENT(shortest_keep,
			 "WITH " RULES " SELECT min(k.keep) FROM (SELECT r.keep FROM rule r"
			 " UNION ALL SELECT t.keep FROM asyncjob.retention t"
			 "  WHERE t.kind LIKE 'artifact%') k WHERE $1",
			 BOOLOID);

/* an artifact that no rule is about is kept as long as its job, or longer */
AJ_STATEMENT(old_artifacts,
			 "WITH " RULES " SELECT a.job_id, a.name FROM asyncjob.artifact a"
			 " JOIN asyncjob.job j ON j.id = a.job_id"
			 " JOIN rule r ON r.queue_id = j.queue_id"
			 "  AND r.kind = CASE j.state WHEN 'failed' THEN 'dead_letter'"
			 "   ELSE 'result' END"
			 " LEFT JOIN LATERAL (SELECT t.keep FROM asyncjob.retention t"
			 "  WHERE t.queue_id IN (0, j.queue_id)"
			 "   AND t.kind IN ('artifact', 'artifact:' || a.kind)"
			 "  ORDER BY t.kind = 'artifact', t.queue_id = 0 LIMIT 1) s ON true"
			 " LEFT JOIN LATERAL (SELECT true AS found FROM asyncjob.retention t"
			 "  WHERE t.queue_id IN (0, j.queue_id)"
			 "   AND t.kind IN ('artifact', 'artifact:' || a.kind) LIMIT 1) f ON true"
			 " LEFT JOIN asyncjob.retention_defaults d ON d.kind = 'artifact:' || a.kind"
			 " WHERE a.job_id > $2 AND a.job_id <= $3"
			 " AND j.state IN ('completed', 'failed', 'cancelled')"
			 " AND CASE WHEN f.found THEN a.created_at < $1 - s.keep"
			 "  ELSE j.finished_at < $1 - r.keep AND (d.keep IS NULL"
			 "   OR a.created_at < $1 - d.keep) END"
			 " AND" UNPINNED "FOR UPDATE OF j, a SKIP LOCKED",
			 TIMESTAMPTZOID, INT8OID, INT8OID);

AJ_STATEMENT(drop_artifact,
			 "DELETE FROM asyncjob.artifact WHERE job_id = $1 AND name = $2",
			 INT8OID, TEXTOID);

AJ_STATEMENT(drop_chunks,
			 "DELETE FROM asyncjob.artifact_chunk WHERE job_id = $1 AND name = $2",
			 INT8OID, TEXTOID);

AJ_STATEMENT(old_jobs,
			 "WITH " RULES " SELECT j.id FROM asyncjob.job j"
			 " JOIN rule r ON r.queue_id = j.queue_id"
			 "  AND r.kind = CASE j.state WHEN 'failed' THEN 'dead_letter'"
			 "   ELSE 'result' END"
			 " WHERE j.id > $2 AND j.id <= $3"
			 " AND j.state IN ('completed', 'failed', 'cancelled')"
			 " AND j.finished_at < $1 - r.keep AND" UNPINNED
			 " AND NOT EXISTS (SELECT FROM asyncjob.artifact a"
			 "  WHERE a.job_id = j.id)"
			 " FOR UPDATE OF j SKIP LOCKED",
			 TIMESTAMPTZOID, INT8OID, INT8OID);

AJ_STATEMENT(expire,
			 "WITH " RULES ", late AS MATERIALIZED (SELECT j.id, r.keep"
			 "  FROM asyncjob.job j JOIN rule r"
			 "   ON r.queue_id = j.queue_id AND r.kind = 'queued'"
			 "  WHERE j.id > $2 AND j.id <= $3 AND (j.state = 'queued'"
			 "   OR j.state = 'waiting' AND j.limit_group IS NOT NULL)"
			 "  AND j.run_at < $1 - r.keep AND" UNPINNED
			 "  FOR UPDATE OF j SKIP LOCKED)"
			 " UPDATE asyncjob.job j SET state = 'failed', seq = j.seq + 1,"
			 " limit_group = NULL, waiting_for = NULL, finished_at = $1, error = jsonb_build_object('sqlstate', '57014',"
			 "  'category', 'system', 'code', 'expired',"
			 "  'step_no', j.step_no + 1, 'attempt', j.failures,"
			 "  'message', 'the job was not started within ' ||"
			 "   (SELECT l.keep FROM late l WHERE l.id = j.id),"
			 "  'hint', 'See why jobs of its queue wait, then redrive() it.')"
			 " WHERE j.id = ANY (ARRAY(SELECT l.id FROM late l)) RETURNING j.id",
			 TIMESTAMPTZOID, INT8OID, INT8OID);

/* events that are kept because they have a key; a rule may be for one name */
AJ_STATEMENT(old_events,
			 "DELETE FROM asyncjob.event WHERE id = ANY (ARRAY("
			 " SELECT e.id FROM asyncjob.event e"
			 " LEFT JOIN asyncjob.retention o ON o.queue_id = 0"
			 "  AND o.kind = 'event:' || e.event"
			 " LEFT JOIN asyncjob.retention a ON a.queue_id = 0 AND a.kind = 'event'"
			 " WHERE e.kept AND NOT e.pending AND e.emitted_at < $1 -"
			 "  CASE WHEN o.kind IS NOT NULL THEN o.keep"
			 "   WHEN a.kind IS NOT NULL THEN a.keep ELSE (SELECT d.keep"
			 "    FROM asyncjob.retention_defaults d WHERE d.kind = 'event') END"
			 " ORDER BY e.id LIMIT 10000 FOR UPDATE OF e SKIP LOCKED))",
			 TIMESTAMPTZOID);

AJ_STATEMENT(old_pins,
			 "DELETE FROM asyncjob.pin d USING (SELECT h.job_id, h.role"
			 "  FROM asyncjob.pin h WHERE h.until <= $1 FOR UPDATE SKIP LOCKED) o"
			 " WHERE d.job_id = o.job_id AND d.role = o.role",
			 TIMESTAMPTZOID);

AJ_STATEMENT(set_rule,
			 "INSERT INTO asyncjob.retention (queue_id, kind, keep)"
			 " VALUES ($1, $2, $3) ON CONFLICT (queue_id, kind)"
			 " DO UPDATE SET keep = excluded.keep",
			 INT4OID, TEXTOID, INTERVALOID);

AJ_STATEMENT(reset_rule,
			 "DELETE FROM asyncjob.retention WHERE queue_id = $1 AND kind = $2",
			 INT4OID, TEXTOID);

AJ_STATEMENT(pin,
			 "INSERT INTO asyncjob.pin AS h (job_id, role, until)"
			 " VALUES ($1, $2, $3) ON CONFLICT (job_id, role)"
			 " DO UPDATE SET until = greatest(h.until, excluded.until)"
			 " RETURNING until",
			 INT8OID, OIDOID, TIMESTAMPTZOID);

AJ_STATEMENT(unpin,
			 "DELETE FROM asyncjob.pin WHERE job_id = $1 AND role = $2",
			 INT8OID, OIDOID);

static bool
shortest(Interval *keep)
{
	Datum		values[1] = {BoolGetDatum(true)};
	bool		isnull;
	Datum		value;

	aj_execute(&shortest_keep, values, NULL, 0);
	value = aj_value(0, 1, &isnull);
	if (!isnull)
		*keep = *DatumGetIntervalP(value);
	return !isnull;
}

/* The shortest time that anything is kept, -1 if all is kept for ever. */
long
aj_queue_shortest_keep_ms(void)
{
	Interval	keep;
	double		ms;

	if (!shortest(&keep))
		return -1;
	ms = keep.time / 1000.0 +
		(keep.day + keep.month * (double) DAYS_PER_MONTH) * SECS_PER_DAY * 1000.0;
	return (long) Min(ms, 1e9);
}

static void
delete_artifacts(AjSweep *sweep, Datum *values)
{
	int			n = aj_execute(&old_artifacts, values, NULL, 0);
	SPITupleTable *rows = SPI_tuptable;
	int64	   *ids = palloc((n + 1) * sizeof(int64)),
			   *pinned;
	int			npinned;
	bool		isnull;

	for (int i = 0; i < n; i++)
		ids[i] = DatumGetInt64(SPI_getbinval(rows->vals[i], rows->tupdesc, 1,
											 &isnull));
	npinned = aj_queue_pinned_now(ids, n, &pinned);
	for (int i = 0; i < n; i++)
	{
		Datum		key[2];
		bool		held = false;

		for (int p = 0; p < npinned; p++)
			held |= pinned[p] == ids[i];
		if (held)
			continue;
		key[0] = Int64GetDatum(ids[i]);
		key[1] = SPI_getbinval(rows->vals[i], rows->tupdesc, 2, &isnull);
		aj_execute(&drop_chunks, key, NULL, 0);
		sweep->artifacts += aj_execute(&drop_artifact, key, NULL, 0);
	}
}

static void
delete_jobs(AjSweep *sweep, Datum *values)
{
	int			n = aj_execute(&old_jobs, values, NULL, 0);
	int64	   *ids = palloc((n + 1) * sizeof(int64));
	bool		isnull;

	for (int i = 0; i < n; i++)
		ids[i] = DatumGetInt64(aj_value(i, 1, &isnull));
	sweep->deleted += aj_queue_delete_jobs(ids, n, false);
	pfree(ids);
}

static void
expire_jobs(AjSweep *sweep, Datum *values)
{
	int			n = aj_execute(&expire, values, NULL, 0);

	aj_queue_buried(n);
	sweep->expired += n;
	if (n > 0)
		aj_at_end_reset_lanes(true);
}

/*
 * Go on with a sweep, over up to max rows.
 */
void
aj_queue_sweep(AjSweep *sweep, int max)
{
	Interval	keep;
	Datum		values[4];
	bool		isnull;
	Datum		last;

	sweep->over = true;
	values[0] = TimestampTzGetDatum(GetCurrentTimestamp());
	if (sweep->after == 0)
	{
		aj_execute(&old_pins, values, NULL, 0);
		aj_execute(&old_events, values, NULL, 0);
	}
	if (!shortest(&keep))
		return;
	values[1] = Int64GetDatum(sweep->after);
	values[2] = Int64GetDatum(max);
	values[3] = IntervalPGetDatum(&keep);
	aj_execute(&range, values, NULL, 0);
	last = aj_value(0, 1, &isnull);
	if (isnull)
		return;
	sweep->over = DatumGetBool(aj_value(0, 2, &isnull));
	sweep->after = DatumGetInt64(last);
	values[2] = Int64GetDatum(sweep->after);
	delete_artifacts(sweep, values);
	delete_jobs(sweep, values);
	expire_jobs(sweep, values);
}

/* queue_id 0: all queues; keep NULL: for ever. */
void
aj_queue_set_retention(int32 queue_id, const char *kind, Interval *keep)
{
	Datum		values[3] = {Int32GetDatum(queue_id), CStringGetTextDatum(kind),
	IntervalPGetDatum(keep)};

	aj_execute(&set_rule, values, keep == NULL ? "  n" : NULL, 0);
}

bool
aj_queue_reset_retention(int32 queue_id, const char *kind)
{
	Datum		values[2] = {Int32GetDatum(queue_id), CStringGetTextDatum(kind)};

	return aj_execute(&reset_rule, values, NULL, 0) > 0;
}

/* Returns until when the role holds the job now. */
TimestampTz
aj_queue_pin(int64 job_id, Oid role, TimestampTz until)
{
	Datum		values[3] = {Int64GetDatum(job_id), ObjectIdGetDatum(role),
	TimestampTzGetDatum(until)};
	bool		isnull;

	aj_execute(&pin, values, NULL, 0);
	return DatumGetTimestampTz(aj_value(0, 1, &isnull));
}

bool
aj_queue_unpin(int64 job_id, Oid role)
{
	Datum		values[2] = {Int64GetDatum(job_id), ObjectIdGetDatum(role)};

	return aj_execute(&unpin, values, NULL, 0) > 0;
}
