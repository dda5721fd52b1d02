/*-------------------------------------------------------------------------
 *
 * queue_pause.c
 *		Statements about queues, pipelines and databases that rest.
 *
 * pause.c says how they work together.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "external.h"
#include "queue_flow.h"
#include "queue_limits.h"
#include "queue_pause.h"
#include "scope.h"

AJ_STATEMENT(set_paused,
			 "UPDATE asyncjob.queue SET paused = $2 WHERE name = $1 RETURNING id",
			 TEXTOID, BOOLOID);

/* all versions: a job keeps the one that it was submitted with */
AJ_STATEMENT(pause_pipeline,
			 "UPDATE asyncjob.pipeline SET paused_at = CASE WHEN $2"
			 "  THEN coalesce(paused_at, clock_timestamp()) END"
			 " WHERE name = $1",
			 TEXTOID, BOOLOID);

AJ_STATEMENT(any_paused,
			 "SELECT FROM asyncjob.pipeline p WHERE p.paused_at IS NOT NULL = $1"
			 " LIMIT 1",
			 BOOLOID);

/* of the first jobs of a lane those of paused pipelines, from a place on */
#define SET_ASIDE(external) \
	"UPDATE asyncjob.job j SET state = 'waiting', waiting_for = 'pause'," \
	" limit_group = " AJ_PAUSE_GROUPS " + j.pipeline_id" \
	" WHERE j.state = 'queued' AND j.id = ANY (ARRAY(SELECT l.id" \
	"  FROM asyncjob.job l WHERE l.state = 'queued' AND l.id = ANY (ARRAY(" \
	"   SELECT h.id FROM (SELECT c.id, c.pipeline_id FROM asyncjob.job c" \
	"     WHERE c.state = 'queued' AND " external " AND c.owner = $1" \
	"      AND c.queue_id = $2 AND c.priority = $3 AND c.run_at <= $4" \
	"      AND (c.run_at, c.id) >= ($5, $6)" \
	"     ORDER BY c.run_at, c.id LIMIT $7) h" \
	"   WHERE NOT " AJ_PIPELINE_OPEN("h") "))" \
	"  FOR UPDATE SKIP LOCKED))"

AJ_STATEMENT(set_aside, SET_ASIDE("NOT c.external"),
			 OIDOID, INT4OID, INT2OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID,
			 INT8OID);

AJ_STATEMENT(set_external_aside, SET_ASIDE("c.external"),
			 OIDOID, INT4OID, INT2OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID,
			 INT8OID);

/*
 * Groups of pipelines that aren't paused any more.  And of limits that are gone:
 * who made a job wait may have committed after who took them away.
 */
AJ_STATEMENT(groups_to_call,
			 "WITH RECURSIVE g AS ("
			 " SELECT q.id AS queue_id, f.limit_group FROM asyncjob.queue q"
			 "  CROSS JOIN LATERAL (SELECT j.limit_group FROM asyncjob.job j"
			 "   WHERE j.state = 'waiting' AND j.limit_group >= CASE WHEN q.gated"
			 "     THEN " AJ_PAUSE_GROUPS " ELSE -" AJ_PAUSE_GROUPS " END"
			 "    AND j.queue_id = q.id"
			 "   ORDER BY j.limit_group LIMIT 1) f"
			 " UNION ALL"
			 " SELECT g.queue_id, n.limit_group FROM g CROSS JOIN LATERAL"
			 "  (SELECT j.limit_group FROM asyncjob.job j"
			 "   WHERE j.state = 'waiting' AND j.limit_group > g.limit_group"
			 "    AND j.queue_id = g.queue_id"
			 "   ORDER BY j.limit_group LIMIT 1) n)"
			 " SELECT g.queue_id, g.limit_group FROM g WHERE NOT EXISTS"
			 "  (SELECT FROM asyncjob.pipeline p WHERE p.id = g.limit_group - "
			 AJ_PAUSE_GROUPS " AND p.paused_at IS NOT NULL = $1)",
			 BOOLOID);

AJ_STATEMENT(call_back,
			 "UPDATE asyncjob.job j SET" AJ_READY_AGAIN("j") ", waiting_for = NULL"
			 " WHERE j.state = 'waiting' AND j.id = ANY (ARRAY(SELECT l.id"
			 "  FROM asyncjob.job l WHERE l.state = 'waiting' AND l.queue_id = $1"
			 "   AND l.limit_group = $2 AND ($4 = 0 OR l.owner = $4)"
			 "  LIMIT $3 FOR UPDATE SKIP LOCKED))"
			 " RETURNING " AJ_READY_COLUMNS("j"),
			 INT4OID, INT8OID, INT8OID, OIDOID);

/* the extension's own queue is always there: whoever adds one waits for it */
AJ_STATEMENT(quiesce_first,
			 "UPDATE asyncjob.queue SET quiesced_at = CASE WHEN $1"
			 "  THEN coalesce(quiesced_at, clock_timestamp()) END WHERE id = 1"
			 " RETURNING quiesced_at",
			 BOOLOID);

AJ_STATEMENT(quiesce_others,
			 "UPDATE asyncjob.queue SET quiesced_at = $1 WHERE id <> 1"
			 " AND quiesced_at IS DISTINCT FROM $1 RETURNING id",
			 TIMESTAMPTZOID);

AJ_STATEMENT(running,
			 "SELECT count(*) FROM asyncjob.job j WHERE j.state = 'running'"
			 " AND ($1 = 0 OR j.queue_id = $1)",
			 INT4OID);

bool
aj_queue_set_paused(const char *name, bool paused)
{
	Datum		values[2] = {CStringGetTextDatum(name), BoolGetDatum(paused)};

	return aj_execute(&set_paused, values, NULL, 0) > 0;
}

/* Returns false if there is no such pipeline. */
bool
aj_queue_pause_pipeline(const char *name, bool paused)
{
	Datum		values[2] = {CStringGetTextDatum(name), BoolGetDatum(paused)};

	return aj_execute(&pause_pipeline, values, NULL, 0) > 0;
}

bool
aj_queue_any_paused(void)
{
	Datum		values[1] = {BoolGetDatum(true)};

	return aj_execute(&any_paused, values, NULL, 0) > 0;
}

/*
 * Set aside due jobs of paused pipelines among the first of a lane.  Returns
 * how many.
 */
int
aj_queue_set_aside(const AjLaneKey *lane, TimestampTz now, AjPlace from,
				   bool external)
{
	Datum		values[7] = {ObjectIdGetDatum(lane->owner),
		Int32GetDatum(lane->queue_id), Int16GetDatum(lane->priority),
		TimestampTzGetDatum(now), TimestampTzGetDatum(from.run_at),
	Int64GetDatum(from.id), Int64GetDatum(AJ_ASIDE_MAX)};

	return aj_execute(external ? &set_external_aside : &set_aside, values, NULL, 0);
}

/*
 * Queue jobs of an owner, or (0) of all, again that wait for the end of a pause
 * or for a place where there are none any more, some at a time.  Returns how
 * many.
 */
int
aj_queue_call_back(Oid owner)
{
	Datum		yes[1] = {BoolGetDatum(true)};
	int			ngroups = aj_execute(&groups_to_call, yes, NULL, 0);
	SPITupleTable *groups = SPI_tuptable;
	int			called = 0;

	for (int g = 0; g < ngroups && called < AJ_ASIDE_MAX; g++)
	{
		Datum		values[4];
		bool		isnull;

		values[3] = ObjectIdGetDatum(owner);
		values[0] = SPI_getbinval(groups->vals[g], groups->tupdesc, 1, &isnull);
		values[1] = SPI_getbinval(groups->vals[g], groups->tupdesc, 2, &isnull);
		values[2] = Int64GetDatum(AJ_ASIDE_MAX - called);
		called += aj_queue_announce(aj_execute(&call_back, values, NULL, 0));
	}
	return called;
}

/* The whole database; who waits for work of external steps is told its end. */
void
aj_queue_quiesce(bool quiesce)
{
	Datum		values[1] = {BoolGetDatum(quiesce)};
	bool		isnull;
	int			n;

	aj_execute(&quiesce_first, values, NULL, 0);
	values[0] = aj_value(0, 1, &isnull);
	n = aj_execute(&quiesce_others, values, isnull ? "n" : NULL, 0);
	if (!quiesce)
	{
		SPITupleTable *rows = SPI_tuptable;

		aj_external_at_commit(1);
		for (int i = 0; i < n; i++)
			aj_external_at_commit(DatumGetInt32(SPI_getbinval(rows->vals[i],
															  rows->tupdesc, 1, &isnull)));
	}
}

/* How many jobs run, of a queue or (0) of all, ours and external ones. */
int64
aj_queue_running(int32 queue_id)
{
	Datum		values[1] = {Int32GetDatum(queue_id)};
	bool		isnull;

	aj_execute(&running, values, NULL, 0);
	return DatumGetInt64(aj_value(0, 1, &isnull));
}
