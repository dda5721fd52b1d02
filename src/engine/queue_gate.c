/*-------------------------------------------------------------------------
 *
 * queue_gate.c
 *		Statements that give a queue limits, change them and take them away.
 *
 * A queue that has any limit is gated: its jobs need places (queue_limits.c).
 * Whoever changes that locks the limits first, so that nobody gives out places
 * meanwhile, and then the queue.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"

#include "queue.h"
#include "queue_limits.h"
#include "queue_pause.h"
#include "scope.h"

AJ_STATEMENT(add_limits,
			 "INSERT INTO asyncjob.queue_limit (queue_id) VALUES ($1)"
			 " ON CONFLICT (queue_id) DO NOTHING", INT4OID);

/* what is in $13 goes, what is null stays */
AJ_STATEMENT(store_limits,
			 "UPDATE asyncjob.queue_limit l SET"
			 " max_running = CASE WHEN 'max_running' = ANY ($13) THEN NULL"
			 "  ELSE coalesce($2, l.max_running) END,"
			 " max_running_per_user = CASE WHEN 'max_running_per_user' = ANY ($13) THEN NULL"
			 "  ELSE coalesce($3, l.max_running_per_user) END,"
			 " user_limit_mode = CASE WHEN 'user_limit_mode' = ANY ($13) THEN 'wait'"
			 "  ELSE coalesce($4, l.user_limit_mode) END,"
			 " max_running_per_key = CASE WHEN 'max_running_per_key' = ANY ($13) THEN NULL"
			 "  ELSE coalesce($5, l.max_running_per_key) END,"
			 " rate_limit = CASE WHEN 'rate_limit' = ANY ($13) THEN NULL"
			 "  ELSE coalesce($6, l.rate_limit) END,"
			 " rate_interval = CASE WHEN 'rate_interval' = ANY ($13) THEN NULL"
			 "  ELSE coalesce($7, l.rate_interval) END,"
			 " rate_limit_per_key = CASE WHEN 'rate_limit_per_key' = ANY ($13) THEN NULL"
			 "  ELSE coalesce($8, l.rate_limit_per_key) END,"
			 " rate_interval_per_key = CASE WHEN 'rate_interval_per_key' = ANY ($13) THEN NULL"
			 "  ELSE coalesce($9, l.rate_interval_per_key) END,"
			 " fair = CASE WHEN 'fair' = ANY ($13) THEN false"
			 "  ELSE coalesce($10, l.fair) END,"
			 " user_weights = CASE WHEN 'user_weights' = ANY ($13) THEN '{}'"
			 "  ELSE coalesce($11, l.user_weights) END,"
			 " ageing = CASE WHEN 'ageing' = ANY ($13) THEN NULL"
			 "  ELSE coalesce($12, l.ageing) END"
			 " WHERE l.queue_id = $1",
			 INT4OID, INT4OID, INT4OID, TEXTOID, INT4OID, INT4OID, INTERVALOID,
			 INT4OID, INTERVALOID, BOOLOID, JSONBOID, INTERVALOID, TEXTARRAYOID);

AJ_STATEMENT(lock_queue,
			 "SELECT q.gated FROM asyncjob.queue q WHERE q.id = $1 FOR UPDATE",
			 INT4OID);

AJ_STATEMENT(set_gated,
			 "UPDATE asyncjob.queue SET gated = $2 WHERE id = $1",
			 INT4OID, BOOLOID);

AJ_STATEMENT(place_all,
			 "INSERT INTO asyncjob.place (job_id, queue_id, owner, user_id, key,"
			 " started_at) SELECT j.id, j.queue_id, j.owner, j.user_id,"
			 " j.concurrency_key, clock_timestamp() FROM asyncjob.job j"
			 " WHERE j.queue_id = $1 AND j.item_no IS NULL AND (j.state = 'running'"
			 "  OR j.state = 'waiting' AND (j.suspect OR j.waiting_for = 'branches'))"
			 " ON CONFLICT DO NOTHING",
			 INT4OID);

AJ_STATEMENT(hold_all,
			 "UPDATE asyncjob.job j SET state = 'waiting', limit_group = "
			 AJ_LIMIT_GROUP("j.owner", "j.user_id", "j.concurrency_key") " WHERE j.queue_id = $1 AND j.state = 'queued'"
			 " AND j.item_no IS NULL"
			 " AND NOT EXISTS (SELECT FROM asyncjob.place p WHERE p.job_id = j.id)",
			 INT4OID);

AJ_STATEMENT(let_all_go,
			 "UPDATE asyncjob.job j SET state = 'queued', limit_group = NULL"
			 " WHERE j.queue_id = $1 AND j.state = 'waiting'"
			 " AND j.limit_group < " AJ_PAUSE_GROUPS,
			 INT4OID);

AJ_STATEMENT(drop_all_places,
			 "DELETE FROM asyncjob.place WHERE queue_id = $1", INT4OID);

AJ_STATEMENT(gate_again,
			 "UPDATE asyncjob.queue q SET gated = $1"
			 " FROM asyncjob.queue_limit l WHERE l.queue_id = q.id"
			 " AND (l.max_running IS NOT NULL OR l.max_running_per_user IS NOT NULL"
			 "  OR l.max_running_per_key IS NOT NULL OR l.rate_limit IS NOT NULL"
			 "  OR l.rate_limit_per_key IS NOT NULL OR l.fair"
			 "  OR l.ageing IS NOT NULL)", BOOLOID);

AJ_STATEMENT(own_again,
			 "UPDATE asyncjob.place p SET owner = j.owner FROM asyncjob.job j"
			 " WHERE $1 AND j.id = p.job_id AND j.owner <> p.owner", BOOLOID);

AJ_STATEMENT(forget_all_starts,
			 "DELETE FROM asyncjob.queue_start WHERE $1", BOOLOID);

AJ_STATEMENT(forget_cache,
			 "DELETE FROM asyncjob.step_cache WHERE $1", BOOLOID);

AJ_STATEMENT(forget_all_turns,
			 "DELETE FROM asyncjob.queue_turn WHERE $1", BOOLOID);

AJ_STATEMENT(unfinished,
			 "SELECT count(*) FROM asyncjob.job j WHERE j.queue_id = $1"
			 " AND j.state IN ('queued', 'running', 'waiting')", INT4OID);

AJ_STATEMENT(retire,
			 "UPDATE asyncjob.queue SET dropped = true, gated = false,"
			 " name = left(name, 30) || '.dropped.' || id WHERE id = $1", INT4OID);

/*
 * Store limits: values has them in the order of the table's columns, from the
 * second on, and last the names of those that go.  *limits is what there is
 * now.  Returns whether the queue had any before.
 */
bool
aj_queue_store_limits(int32 queue_id, Datum *values, const char *nulls,
					  AjLimits *limits)
{
	bool		isnull,
				gated;

	values[0] = Int32GetDatum(queue_id);
	aj_execute(&add_limits, values, NULL, 0);

	/* whoever gives out places has to be done */
	(void) aj_queue_lock_limits(queue_id, true, limits);
	aj_execute(&lock_queue, values, NULL, 0);
	gated = DatumGetBool(aj_value(0, 1, &isnull));
	aj_execute(&store_limits, values, nulls, 0);
	(void) aj_queue_lock_limits(queue_id, true, limits);
	return gated;
}

/*
 * From now on jobs of a queue need places, or need none any more.  Running
 * ones get theirs; queued ones wait for theirs, or wait no longer.  The
 * trigger on asyncjob.queue tells everybody, also where nothing but numbers
 * has changed.
 */
void
aj_queue_gate(int32 queue_id, bool was_gated, bool gated)
{
	Datum		values[2] = {Int32GetDatum(queue_id), BoolGetDatum(gated)};

	aj_execute(&set_gated, values, NULL, 0);
	if (gated && !was_gated)
	{
		aj_execute(&place_all, values, NULL, 0);
		aj_execute(&hold_all, values, NULL, 0);
	}
	else if (was_gated && !gated)
	{
		aj_execute(&drop_all_places, values, NULL, 0);
		aj_execute(&let_all_go, values, NULL, 0);
	}
}

int64
aj_queue_unfinished(int32 queue_id)
{
	Datum		values[1] = {Int32GetDatum(queue_id)};
	bool		isnull;

	aj_execute(&unfinished, values, NULL, 0);
	return DatumGetInt64(aj_value(0, 1, &isnull));
}

/*
 * The tables came from another server, where owners had other numbers and the
 * limits of built-in queues didn't come along.
 */
void
aj_queue_limits_moved(void)
{
	Datum		values[1] = {BoolGetDatum(true)};

	aj_execute(&gate_again, values, NULL, 0);
	aj_execute(&own_again, values, NULL, 0);
	aj_execute(&forget_all_starts, values, NULL, 0);
	aj_execute(&forget_all_turns, values, NULL, 0);
	aj_execute(&forget_cache, values, NULL, 0);
}

/* Give a queue's name free; its finished jobs keep it under another one. */
void
aj_queue_retire(int32 queue_id)
{
	Datum		values[1] = {Int32GetDatum(queue_id)};

	aj_execute(&retire, values, NULL, 0);
}
