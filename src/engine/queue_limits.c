/*-------------------------------------------------------------------------
 *
 * queue_limits.c
 *		Statements about the limits of queues.
 *
 * limits.c says how they work together.  A waiting job stands in job_held_idx
 * by its group, a hash of owner, user and key, so that the first of each group
 * is found without walking over the others; two groups with one hash would
 * only share their order, since each job is counted by its own row.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "queue.h"
#include "queue_flow.h"
#include "queue_limits.h"
#include "queue_pause.h"
#include "scope.h"

#define STRAYS_AT_ONCE	1000

#define LIMIT_GROUP(j) \
	AJ_LIMIT_GROUP(j ".owner", j ".user_id", j ".concurrency_key")

#define LIMIT_COLUMNS \
	"SELECT l.queue_id, coalesce(l.max_running, -1)," \
	" coalesce(l.max_running_per_user, -1), l.user_limit_mode = 'reject'," \
	" coalesce(l.max_running_per_key, -1), coalesce(l.rate_limit, -1)," \
	" coalesce(1000 * extract(epoch FROM l.rate_interval), 0)::bigint," \
	" coalesce(l.rate_limit_per_key, -1)," \
	" coalesce(1000 * extract(epoch FROM l.rate_interval_per_key), 0)::bigint," \
	" l.fair, l.user_weights," \
	" coalesce(1000 * extract(epoch FROM l.ageing), 0)::bigint, l.vtime, NOT " AJ_QUEUE_OPEN("q") \
	" FROM asyncjob.queue_limit l JOIN asyncjob.queue q ON q.id = l.queue_id"

AJ_STATEMENT(read_limits, LIMIT_COLUMNS " WHERE q.gated = $1 ORDER BY l.queue_id",
			 BOOLOID);

AJ_STATEMENT(lock_limits,
			 LIMIT_COLUMNS " WHERE q.gated AND l.queue_id = $1"
			 " FOR NO KEY UPDATE OF l SKIP LOCKED", INT4OID);

AJ_STATEMENT(wait_limits,
			 LIMIT_COLUMNS " WHERE l.queue_id = $1 FOR NO KEY UPDATE OF l",
			 INT4OID);

/*
 * A suspect of a crash keeps its place: it will run, alone.  So does a job
 * whose branches run: they have none of their own.  If $2, since when the job,
 * or a branch of it, is ready to be claimed.
 */
AJ_STATEMENT(all_places,
			 "SELECT p.job_id, p.owner, p.user_id, p.key, p.admitted_at,"
			 " p.started_at, CASE WHEN j.state = 'queued' THEN 1"
			 "  WHEN j.state = 'running' OR j.state = 'waiting'"
			 "   AND (j.suspect OR j.waiting_for = 'branches') THEN 2"
			 "  ELSE 0 END,"
			 " CASE WHEN NOT $2 THEN NULL"
			 "  WHEN j.state = 'queued' THEN greatest(p.admitted_at, j.run_at)"
			 "  WHEN j.waiting_for = 'branches' THEN (SELECT min(b.run_at)"
			 "   FROM asyncjob.job b WHERE b.parent_id = j.id AND b.item_no IS NOT NULL"
			 "    AND b.state = 'queued' AND NOT b.external) END,"
			 " coalesce(j.external, false)"
			 " FROM asyncjob.place p LEFT JOIN asyncjob.job j ON j.id = p.job_id"
			 " WHERE p.queue_id = $1",
			 INT4OID, BOOLOID);

/* one that a session has locked, with its job, is left for the next time */
AJ_STATEMENT(drop_places,
			 "WITH gone AS (DELETE FROM asyncjob.place p WHERE p.job_id = ANY (ARRAY("
			 "   SELECT l.job_id FROM asyncjob.place l WHERE l.job_id = ANY ($1)"
			 "   FOR UPDATE SKIP LOCKED))"
			 "  RETURNING p.queue_id, p.owner, p.key, p.started_at)"
			 " INSERT INTO asyncjob.queue_start (queue_id, owner, key, started_at)"
			 " SELECT g.queue_id, g.owner, g.key, g.started_at FROM gone g"
			 " WHERE $2 AND g.started_at IS NOT NULL",
			 INT8ARRAYOID, BOOLOID);

AJ_STATEMENT(forget_starts,
			 "DELETE FROM asyncjob.queue_start s"
			 " WHERE s.queue_id = $1 AND s.started_at <= $2",
			 INT4OID, TIMESTAMPTZOID);

AJ_STATEMENT(starts,
			 "SELECT 0::bigint, s.owner, NULL::text, s.key, s.started_at,"
			 " s.started_at, 0, NULL::timestamptz, false FROM asyncjob.queue_start s"
			 " WHERE s.queue_id = $1 AND s.started_at > $2",
			 INT4OID, TIMESTAMPTZOID);

#define WAITER_COLUMNS \
	"j.id, j.limit_group, j.priority, j.run_at, j.owner, j.user_id," \
	" j.concurrency_key, j.external"

AJ_STATEMENT(waiting_groups,
			 "WITH RECURSIVE g AS ("
			 " (SELECT " WAITER_COLUMNS " FROM asyncjob.job j"
			 "   WHERE j.state = 'waiting' AND j.limit_group < " AJ_PAUSE_GROUPS
			 "     AND j.queue_id = $1 AND (j.limit_group, j.priority) > ($2, $3)"
			 "   ORDER BY j.limit_group, j.priority, j.run_at, j.id LIMIT 1)"
			 " UNION ALL"
			 " SELECT n.* FROM g CROSS JOIN LATERAL"
			 "  (SELECT " WAITER_COLUMNS " FROM asyncjob.job j"
			 "    WHERE j.state = 'waiting' AND j.limit_group < " AJ_PAUSE_GROUPS
			 "      AND j.queue_id = $1"
			 "      AND (j.limit_group, j.priority) > (g.limit_group, g.priority)"
			 "    ORDER BY j.limit_group, j.priority, j.run_at, j.id LIMIT 1) n)"
			 " SELECT * FROM g LIMIT $4",
			 INT4OID, INT8OID, INT2OID, INT4OID);

AJ_STATEMENT(has_waiting,
			 "SELECT true FROM asyncjob.job j WHERE j.state = 'waiting'"
			 " AND j.limit_group < " AJ_PAUSE_GROUPS " AND j.queue_id = $1"
			 " AND ($2 = 0 OR j.owner = $2) AND j.run_at <= $3 LIMIT 1",
			 INT4OID, OIDOID, TIMESTAMPTZOID);

/* $8: 1 external ones only, 0 others only, -1 all */
AJ_STATEMENT(lock_waiters,
			 "SELECT " WAITER_COLUMNS " FROM asyncjob.job j"
			 " WHERE j.state = 'waiting' AND j.limit_group = $2"
			 "   AND j.queue_id = $1 AND j.priority = $3"
			 "   AND (j.run_at, j.id) >= ($4, $5) AND j.run_at <= $6"
			 "   AND ($8 < 0 OR j.external = ($8 = 1))"
			 " ORDER BY j.run_at, j.id LIMIT $7 FOR UPDATE SKIP LOCKED",
			 INT4OID, INT8OID, INT2OID, TIMESTAMPTZOID, INT8OID,
			 TIMESTAMPTZOID, INT4OID, INT4OID);

AJ_STATEMENT(admit,
			 "WITH admitted AS (UPDATE asyncjob.job j SET state = 'queued',"
			 "   limit_group = NULL,"
			 "   priority = CASE WHEN $2 = 0 THEN j.priority ELSE least(10, j.priority"
			 "    + floor(1000 * extract(epoch FROM $3 - j.run_at) / $2))::smallint END"
			 "  WHERE j.id = ANY ($1) AND j.state = 'waiting'"
			 "  RETURNING j.id, j.owner, j.user_id, j.concurrency_key, j.queue_id,"
			 "   j.priority, j.run_at, j.external),"
			 " placed AS (INSERT INTO asyncjob.place AS p"
			 "   (job_id, queue_id, owner, user_id, key)"
			 "  SELECT a.id, a.queue_id, a.owner, a.user_id, a.concurrency_key"
			 "  FROM admitted a ON CONFLICT (job_id) DO UPDATE"
			 "  SET admitted_at = excluded.admitted_at, started_at = NULL)"
			 " SELECT " AJ_READY_COLUMNS("a") " FROM admitted a",
			 INT8ARRAYOID, INT8OID, TIMESTAMPTZOID);

AJ_STATEMENT(turns,
			 "SELECT t.owner, t.user_id, t.vtime FROM asyncjob.queue_turn t"
			 " WHERE t.queue_id = $1", INT4OID);

AJ_STATEMENT(store_turn,
			 "INSERT INTO asyncjob.queue_turn VALUES ($1, $2, $3, $4)"
			 " ON CONFLICT (queue_id, owner, user_id) DO UPDATE"
			 " SET vtime = excluded.vtime",
			 INT4OID, OIDOID, TEXTOID, FLOAT8OID);

AJ_STATEMENT(store_vtime,
			 "UPDATE asyncjob.queue_limit SET vtime = $2 WHERE queue_id = $1",
			 INT4OID, FLOAT8OID);

AJ_STATEMENT(forget_turns,
			 "DELETE FROM asyncjob.queue_turn WHERE queue_id = $1 AND vtime <= $2",
			 INT4OID, FLOAT8OID);

/*
 * Does queue $1 have limits still?  They may have gone while we waited for the
 * lock on them; now that we have it they can't.
 */
#define STILL_GATED \
	"EXISTS (SELECT FROM asyncjob.queue q WHERE q.id = $1 AND q.gated)"

/*
 * Jobs that are queued without a place: from before the queue had limits, or
 * made ready by what knows nothing of them.  In the order of the indexes of
 * queued jobs, so that no others are read.
 */
AJ_STATEMENT(hold_strays,
			 "UPDATE asyncjob.job h SET state = 'waiting',"
			 " limit_group = " LIMIT_GROUP("h")
			 " WHERE h.state = 'queued' AND h.id = ANY (ARRAY("
			 "  SELECT s.id FROM asyncjob.owner o CROSS JOIN LATERAL"
			 "   (SELECT j.id FROM asyncjob.job j"
			 "     WHERE j.state = 'queued' AND NOT j.external"
			 "       AND j.owner = o.role AND j.queue_id = $1"
			 "       AND j.item_no IS NULL AND " STILL_GATED
			 "       AND NOT EXISTS (SELECT FROM asyncjob.place p"
			 "         WHERE p.job_id = j.id)"
			 "     ORDER BY j.priority, j.run_at, j.id LIMIT $2 FOR UPDATE SKIP LOCKED) s"
			 "  UNION ALL SELECT e.id FROM"
			 "   (SELECT j.id FROM asyncjob.job j"
			 "     WHERE j.state = 'queued' AND j.external AND j.queue_id = $1"
			 "       AND j.item_no IS NULL AND " STILL_GATED
			 "       AND NOT EXISTS (SELECT FROM asyncjob.place p"
			 "         WHERE p.job_id = j.id)"
			 "     ORDER BY j.owner, j.priority, j.run_at, j.id LIMIT $2"
			 "     FOR UPDATE SKIP LOCKED) e))",
			 INT4OID, INT4OID);

AJ_STATEMENT(hold,
			 "UPDATE asyncjob.job j SET state = 'waiting', limit_group = "
			 LIMIT_GROUP("j") " WHERE j.id = $1 AND j.state = 'queued'"
			 " AND j.item_no IS NULL",
			 INT8OID);

/* a start before this one, of a job that was lost, counts as well */
AJ_STATEMENT(keep_start,
			 "INSERT INTO asyncjob.queue_start (queue_id, owner, key, started_at)"
			 " SELECT p.queue_id, p.owner, p.key, p.started_at FROM asyncjob.place p"
			 " WHERE p.job_id = $1 AND p.started_at IS NOT NULL",
			 INT8OID);

AJ_STATEMENT(note_start,
			 "UPDATE asyncjob.place SET started_at = $2 WHERE job_id = $1",
			 INT8OID, TIMESTAMPTZOID);

AJ_STATEMENT(count_unfinished,
			 "SELECT (SELECT count(*) FROM asyncjob.job j"
			 "   WHERE j.state = 'waiting' AND j.limit_group IS NOT NULL"
			 "   AND j.queue_id = $1 AND j.owner = $2"
			 "   AND j.user_id IS NOT DISTINCT FROM $3)"
			 " + (SELECT count(*) FROM asyncjob.place p"
			 "   JOIN asyncjob.job j ON j.id = p.job_id"
			 "   WHERE p.queue_id = $1 AND p.owner = $2"
			 "   AND p.user_id IS NOT DISTINCT FROM $3"
			 "   AND (j.state IN ('queued', 'running') OR j.state = 'waiting'"
			 "    AND j.limit_group IS NULL))",
			 INT4OID, OIDOID, TEXTOID);

/* jobs that were started while the queue was getting its limits */
AJ_STATEMENT(place_strays,
			 "INSERT INTO asyncjob.place (job_id, queue_id, owner, user_id, key,"
			 " started_at) SELECT j.id, j.queue_id, j.owner, j.user_id,"
			 " j.concurrency_key, clock_timestamp() FROM asyncjob.job j"
			 " WHERE j.state = 'running' AND j.worker_id <> 0 AND j.queue_id = $1"
			 " AND j.item_no IS NULL AND " STILL_GATED
			 " AND NOT EXISTS (SELECT FROM asyncjob.place p WHERE p.job_id = j.id)"
			 " ORDER BY j.worker_id, j.id ON CONFLICT DO NOTHING",
			 INT4OID);

static char *
text_or_null(int row, int col)
{
	bool		isnull;
	Datum		value = aj_value(row, col, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

static Datum
id_array(int n, const int64 *ids)
{
	Datum	   *values = palloc((n + 1) * sizeof(Datum));

	for (int i = 0; i < n; i++)
		values[i] = Int64GetDatum(ids[i]);
	return PointerGetDatum(construct_array(values, n, INT8OID, 8,
										   FLOAT8PASSBYVAL, 'd'));
}

static void
fill_limits(int row, AjLimits *limits)
{
	bool		isnull;

	limits->queue_id = DatumGetInt32(aj_value(row, 1, &isnull));
	limits->max_running = DatumGetInt32(aj_value(row, 2, &isnull));
	limits->max_per_user = DatumGetInt32(aj_value(row, 3, &isnull));
	limits->reject = DatumGetBool(aj_value(row, 4, &isnull));
	limits->max_per_key = DatumGetInt32(aj_value(row, 5, &isnull));
	limits->rate = DatumGetInt32(aj_value(row, 6, &isnull));
	limits->rate_ms = DatumGetInt64(aj_value(row, 7, &isnull));
	limits->key_rate = DatumGetInt32(aj_value(row, 8, &isnull));
	limits->key_rate_ms = DatumGetInt64(aj_value(row, 9, &isnull));
	limits->fair = DatumGetBool(aj_value(row, 10, &isnull));
	limits->weights = DatumGetJsonbPCopy(aj_value(row, 11, &isnull));
	limits->ageing_ms = DatumGetInt64(aj_value(row, 12, &isnull));
	limits->vtime = DatumGetFloat8(aj_value(row, 13, &isnull));
	limits->paused = DatumGetBool(aj_value(row, 14, &isnull));
}

/* Limits of all queues that have some, in the memory context of the call. */
int
aj_queue_read_limits(AjLimits **limits)
{
	Datum		values[1] = {BoolGetDatum(true)};
	int			n = aj_execute(&read_limits, values, NULL, 0);

	*limits = palloc0((n + 1) * sizeof(AjLimits));
	for (int i = 0; i < n; i++)
		fill_limits(i, &(*limits)[i]);
	return n;
}

/*
 * Lock a queue's limits: nobody else gives out its places until the end of
 * the transaction.  Returns false if somebody else does, unless we wait, or
 * the queue has none.
 */
bool
aj_queue_lock_limits(int32 queue_id, bool wait, AjLimits *limits)
{
	Datum		values[1] = {Int32GetDatum(queue_id)};

	if (aj_execute(wait ? &wait_limits : &lock_limits, values, NULL, 0) == 0)
		return false;
	fill_limits(0, limits);
	return true;
}

/* Has a role (0: any) due jobs that wait for places of a queue? */
bool
aj_queue_has_waiting(int32 queue_id, Oid owner)
{
	Datum		values[3] = {Int32GetDatum(queue_id), ObjectIdGetDatum(owner),
	TimestampTzGetDatum(aj_now())};

	return aj_execute(&has_waiting, values, NULL, 0) > 0;
}

static int
fill_places(int n, AjPlaceHeld **places)
{
	*places = palloc0((n + 1) * sizeof(AjPlaceHeld));
	for (int i = 0; i < n; i++)
	{
		AjPlaceHeld *place = &(*places)[i];
		bool		isnull;
		Datum		value;

		place->job_id = DatumGetInt64(aj_value(i, 1, &isnull));
		place->owner = DatumGetObjectId(aj_value(i, 2, &isnull));
		place->user_id = text_or_null(i, 3);
		place->key = text_or_null(i, 4);
		place->admitted_at = DatumGetTimestampTz(aj_value(i, 5, &isnull));
		value = aj_value(i, 6, &isnull);
		place->started_at = isnull ? 0 : DatumGetTimestampTz(value);
		place->state = DatumGetInt32(aj_value(i, 7, &isnull));
		value = aj_value(i, 8, &isnull);
		place->ready_at = isnull ? 0 : DatumGetTimestampTz(value);
		place->external = DatumGetBool(aj_value(i, 9, &isnull));
	}
	return n;
}

int
aj_queue_places(const AjLimits *limits, AjPlaceHeld **places)
{
	Datum		values[2] = {Int32GetDatum(limits->queue_id), BoolGetDatum(limits->fair)};

	return fill_places(aj_execute(&all_places, values, NULL, 0), places);
}

void
aj_queue_drop_places(int n, const int64 *job_ids, bool keep_starts)
{
	Datum		values[2] = {id_array(n, job_ids), BoolGetDatum(keep_starts)};

	aj_execute(&drop_places, values, NULL, 0);
}

/* Starts after a time, of jobs that have no place; older ones are forgotten. */
int
aj_queue_starts(int32 queue_id, TimestampTz since, AjPlaceHeld **places)
{
	Datum		values[2] = {Int32GetDatum(queue_id), TimestampTzGetDatum(since)};

	aj_execute(&forget_starts, values, NULL, 0);
	return fill_places(aj_execute(&starts, values, NULL, 0), places);
}

static int
fill_waiters(int n, AjWaiter **waiters)
{
	*waiters = palloc0((n + 1) * sizeof(AjWaiter));
	for (int i = 0; i < n; i++)
	{
		AjWaiter   *waiter = &(*waiters)[i];
		bool		isnull;

		waiter->id = DatumGetInt64(aj_value(i, 1, &isnull));
		waiter->group = DatumGetInt64(aj_value(i, 2, &isnull));
		waiter->priority = DatumGetInt16(aj_value(i, 3, &isnull));
		waiter->run_at = DatumGetTimestampTz(aj_value(i, 4, &isnull));
		waiter->owner = DatumGetObjectId(aj_value(i, 5, &isnull));
		waiter->user_id = text_or_null(i, 6);
		waiter->key = text_or_null(i, 7);
		waiter->external = DatumGetBool(aj_value(i, 8, &isnull));
	}
	return n;
}

/*
 * The first job of each group and priority of those that wait, in the order
 * of the groups, at most max, after a group and priority.
 */
int
aj_queue_waiting_groups(int32 queue_id, int64 after_group, int after_priority,
						int max, AjWaiter **heads)
{
	Datum		values[4] = {Int32GetDatum(queue_id), Int64GetDatum(after_group),
	Int16GetDatum(after_priority), Int32GetDatum(max)};

	return fill_waiters(aj_execute(&waiting_groups, values, NULL, 0), heads);
}

/*
 * Lock due jobs of a group, from a place on (or after it), that nobody else
 * has locked.
 */
int
aj_queue_lock_waiters(int32 queue_id, const AjWaiter *after, bool inclusive,
					  int external, int max, AjWaiter **waiters)
{
	Datum		values[8] = {Int32GetDatum(queue_id),
		Int64GetDatum(after->group), Int16GetDatum(after->priority),
		TimestampTzGetDatum(after->run_at),
		Int64GetDatum(after->id + (inclusive ? 0 : 1)),
		TimestampTzGetDatum(aj_now()), Int32GetDatum(max),
	Int32GetDatum(external)};

	return fill_waiters(aj_execute(&lock_waiters, values, NULL, 0), waiters);
}

/* Give places to locked jobs, and tell those who will run them. */
int
aj_queue_admit(int32 queue_id, int n, const int64 *job_ids, int64 ageing_ms)
{
	Datum		values[3] = {id_array(n, job_ids), Int64GetDatum(ageing_ms),
	TimestampTzGetDatum(aj_now())};

	return aj_queue_announce(aj_execute(&admit, values, NULL, 0));
}

/* The users of a fair queue that are ahead of others, and how far. */
int
aj_queue_turns(int32 queue_id, AjPlaceHeld **users, double **vtimes)
{
	Datum		values[1] = {Int32GetDatum(queue_id)};
	int			n = aj_execute(&turns, values, NULL, 0);
	bool		isnull;

	*users = palloc0((n + 1) * sizeof(AjPlaceHeld));
	*vtimes = palloc0((n + 1) * sizeof(double));
	for (int i = 0; i < n; i++)
	{
		(*users)[i].owner = DatumGetObjectId(aj_value(i, 1, &isnull));
		(*users)[i].user_id = text_or_null(i, 2);
		(*vtimes)[i] = DatumGetFloat8(aj_value(i, 3, &isnull));
	}
	return n;
}

void
aj_queue_store_turn(int32 queue_id, Oid owner, const char *user_id, double vtime)
{
	Datum		values[4] = {Int32GetDatum(queue_id), ObjectIdGetDatum(owner),
		CStringGetTextDatum(user_id ? user_id : ""),
	Float8GetDatum(vtime)};

	aj_execute(&store_turn, values, NULL, 0);
}

void
aj_queue_store_vtime(int32 queue_id, double vtime)
{
	Datum		values[2] = {Int32GetDatum(queue_id), Float8GetDatum(vtime)};

	aj_execute(&store_vtime, values, NULL, 0);
	aj_execute(&forget_turns, values, NULL, 0);
}

/*
 * Take queued jobs without a place back, and count running ones.  Returns how
 * many were queued.
 */
int
aj_queue_hold_strays(int32 queue_id)
{
	Datum		values[2] = {Int32GetDatum(queue_id), Int32GetDatum(STRAYS_AT_ONCE)};

	aj_execute(&place_strays, values, NULL, 0);
	return aj_execute(&hold_strays, values, NULL, 0);
}

/* A queued job of a limited queue has to wait for a place. */
bool
aj_queue_hold(int64 job_id)
{
	Datum		values[1] = {Int64GetDatum(job_id)};

	return aj_execute(&hold, values, NULL, 0) == 1;
}

/* A job of a queue with a rate starts. */
void
aj_queue_note_place_start(int64 job_id, TimestampTz at)
{
	Datum		values[2] = {Int64GetDatum(job_id), TimestampTzGetDatum(at)};

	aj_execute(&keep_start, values, NULL, 0);
	aj_execute(&note_start, values, NULL, 0);
}

/* How many jobs a user has in a queue that aren't finished, as of now. */
int
aj_queue_count_unfinished(const AjSubmission *s)
{
	Datum		values[3] = {Int32GetDatum(s->queue_id), ObjectIdGetDatum(s->owner)};
	char		nulls[4] = "   ";
	bool		isnull;

	values[2] = aj_text_or_null(s->user_id, &nulls[2]);
	aj_execute_latest(&count_unfinished, values, nulls);
	return (int) DatumGetInt64(aj_value(0, 1, &isnull));
}
