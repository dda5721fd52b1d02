/*-------------------------------------------------------------------------
 *
 * queue_upkeep.c
 *		Statements by which the coordinator keeps the queue going.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "errors.h"
#include "guc.h"
#include "lanes.h"
#include "queue.h"
#include "queue_bury.h"
#include "queue_limits.h"
#include "queue_pause.h"
#include "scope.h"

AJ_STATEMENT(origin_matches,
			 "SELECT coalesce(bool_and(o.system_identifier = $1"
			 " AND o.database_oid = $2), true) FROM asyncjob.origin o",
			 INT8OID, OIDOID);

AJ_STATEMENT(clear_origin, "DELETE FROM asyncjob.origin WHERE $1", BOOLOID);

AJ_STATEMENT(add_origin, "INSERT INTO asyncjob.origin VALUES ($1, $2)",
			 INT8OID, OIDOID);

/*
 * A restored dump brings the owners' names; their OIDs belong to others here.
 * $1 says that the rows come from another system; in a copy within one system
 * only the OIDs that are gone are looked up by name.  What belongs to a role
 * that doesn't exist here belongs to nobody (0) afterwards.
 */
#define MOVED_ROLES \
	" (SELECT o.role AS old, coalesce(r.oid, 0) AS new FROM asyncjob.owner o" \
	"  LEFT JOIN pg_catalog.pg_roles r ON r.rolname = o.rolname" \
	"  WHERE ($1 OR NOT EXISTS (SELECT FROM pg_catalog.pg_roles x" \
	"    WHERE x.oid = o.role)) AND o.role <> coalesce(r.oid, 0)) m"

AJ_STATEMENT(lost_owners,
			 "SELECT m.old FROM" MOVED_ROLES " WHERE m.new = 0", BOOLOID);
AJ_STATEMENT(remap_jobs,
			 "UPDATE asyncjob.job j SET owner = m.new FROM" MOVED_ROLES
			 " WHERE j.owner = m.old", BOOLOID);
AJ_STATEMENT(remap_pipelines,
			 "UPDATE asyncjob.pipeline p SET owner = m.new FROM" MOVED_ROLES
			 " WHERE p.owner = m.old", BOOLOID);
AJ_STATEMENT(remap_sessions,
			 "UPDATE asyncjob.chat_session s SET owner = m.new FROM" MOVED_ROLES
			 " WHERE s.owner = m.old", BOOLOID);
AJ_STATEMENT(remap_messages,
			 "UPDATE asyncjob.chat_message c SET owner = m.new FROM" MOVED_ROLES
			 " WHERE c.owner = m.old", BOOLOID);
AJ_STATEMENT(remap_events,
			 "UPDATE asyncjob.event e SET owner = m.new FROM" MOVED_ROLES
			 " WHERE e.owner = m.old", BOOLOID);
AJ_STATEMENT(remap_waits,
			 "UPDATE asyncjob.event_wait w SET event_owner = m.new FROM" MOVED_ROLES
			 " WHERE w.event_owner = m.old", BOOLOID);
AJ_STATEMENT(remap_subscribers,
			 "UPDATE asyncjob.subscription s SET owner = m.new FROM" MOVED_ROLES
			 " WHERE s.owner = m.old", BOOLOID);
AJ_STATEMENT(remap_subscribed,
			 "UPDATE asyncjob.subscription s SET event_owner = m.new FROM" MOVED_ROLES
			 " WHERE s.event_owner = m.old", BOOLOID);
AJ_STATEMENT(remap_event_grants,
			 "UPDATE asyncjob.event_grant g SET owner = m.new FROM" MOVED_ROLES
			 " WHERE g.owner = m.old", BOOLOID);
AJ_STATEMENT(remap_event_grantees,
			 "UPDATE asyncjob.event_grant g SET role = m.new FROM" MOVED_ROLES
			 " WHERE g.role = m.old", BOOLOID);
/* nobody's schedule could never run, and two may have one name */
AJ_STATEMENT(forget_schedules,
			 "WITH gone AS (DELETE FROM asyncjob.schedule s USING" MOVED_ROLES
			 "  WHERE s.owner = m.old AND m.new = 0 RETURNING s.id)"
			 " DELETE FROM asyncjob.schedule_run r USING gone"
			 "  WHERE r.schedule_id = gone.id", BOOLOID);
/* several at once: unique at the end of the statement */
AJ_STATEMENT(remap_schedules,
			 "UPDATE asyncjob.schedule s SET owner = m.new FROM" MOVED_ROLES
			 " WHERE s.owner = m.old", BOOLOID);
/* transactions of another server say nothing here: what waits takes all */
AJ_STATEMENT(forget_events,
			 "DELETE FROM asyncjob.event WHERE NOT pending AND NOT kept AND $1",
			 BOOLOID);
AJ_STATEMENT(forget_snapshots,
			 "UPDATE asyncjob.event_wait SET since = '1:1:', fresh = true WHERE $1",
			 BOOLOID);
AJ_STATEMENT(forget_since,
			 "UPDATE asyncjob.subscription SET since = '1:1:' WHERE $1", BOOLOID);
/* role 0 of a grant is everybody, so one to a lost role goes */
AJ_STATEMENT(list_moved_grants,
			 "SELECT g.pipeline, m.new FROM asyncjob.pipeline_grant g"
			 " JOIN" MOVED_ROLES " ON g.role = m.old", BOOLOID);
AJ_STATEMENT(delete_moved_grants,
			 "DELETE FROM asyncjob.pipeline_grant g USING" MOVED_ROLES
			 " WHERE g.role = m.old", BOOLOID);
AJ_STATEMENT(add_moved_grant,
			 "INSERT INTO asyncjob.pipeline_grant SELECT $1, $2 WHERE $2 <> 0"
			 " ON CONFLICT DO NOTHING",
			 TEXTOID, OIDOID);
AJ_STATEMENT(list_moved_workers,
			 "SELECT w.queue_id, m.new FROM asyncjob.queue_worker w"
			 " JOIN" MOVED_ROLES " ON w.role = m.old", BOOLOID);
AJ_STATEMENT(delete_moved_workers,
			 "DELETE FROM asyncjob.queue_worker w USING" MOVED_ROLES
			 " WHERE w.role = m.old", BOOLOID);
AJ_STATEMENT(add_moved_worker,
			 "INSERT INTO asyncjob.queue_worker SELECT $1, $2 WHERE $2 <> 0"
			 " ON CONFLICT DO NOTHING",
			 INT4OID, OIDOID);
AJ_STATEMENT(list_moved,
			 "SELECT m.new, o.rolname FROM" MOVED_ROLES
			 " JOIN asyncjob.owner o ON o.role = m.old WHERE m.new <> 0", BOOLOID);
AJ_STATEMENT(delete_moved,
			 "DELETE FROM asyncjob.owner d USING" MOVED_ROLES
			 " WHERE d.role = m.old", BOOLOID);
AJ_STATEMENT(add_moved_owner,
			 "INSERT INTO asyncjob.owner VALUES ($1, $2)"
			 " ON CONFLICT (role) DO UPDATE SET rolname = excluded.rolname",
			 OIDOID, NAMEOID);
/* their workers are elsewhere, whatever their ids */
AJ_STATEMENT(requeue_running,
			 "UPDATE asyncjob.job SET state = 'queued', worker_id = NULL"
			 " WHERE state = 'running' AND $1", BOOLOID);
AJ_STATEMENT(any_origin, "SELECT FROM asyncjob.origin WHERE $1", BOOLOID);
AJ_STATEMENT(other_system,
			 "SELECT FROM asyncjob.origin o WHERE o.system_identifier <> $1",
			 INT8OID);

/*
 * Workers' jobs whose workers are gone; workers with ids from $2 on are new.
 * Those that somebody has locked are left.
 */
#define IS_ORPHAN(j) \
	j ".state = 'running' AND " j ".worker_id >= 0 AND " j ".worker_id < $2" \
	" AND " j ".worker_id <> ALL ($1)"
#define FREE_ORPHANS(that) \
	" id = ANY (ARRAY(SELECT o.id FROM asyncjob.job o WHERE " IS_ORPHAN("o") \
	"  AND " that " FOR UPDATE SKIP LOCKED))"

/* cancelled just then, or lost too often: workers before $3 aren't counted */
#define IS_DONE_FOR(j) \
	"(" j ".cancel_requested OR (" j ".worker_id >= $3" \
	" AND " j ".free_retries >= $4 AND " j ".failures + 1 >= $5))"

/* a cancel() may commit before any statement: what is done for isn't queued */
AJ_STATEMENT(requeue_orphans,
			 "UPDATE asyncjob.job SET state = 'queued', worker_id = NULL,"
			 " free_retries = least(free_retries"
			 "  + CASE WHEN worker_id >= $3 THEN 1 ELSE 0 END, 1000),"
			 " failures = failures"
			 "  + CASE WHEN worker_id >= $3 AND free_retries >= $4 THEN 1 ELSE 0 END"
			 " WHERE" FREE_ORPHANS("NOT " IS_DONE_FOR("o")),
			 INT8ARRAYOID, INT8OID, INT8OID, INT4OID, INT4OID);

AJ_STATEMENT(any_orphan,
			 "SELECT FROM asyncjob.job o WHERE " IS_ORPHAN("o") " LIMIT 1",
			 INT8ARRAYOID, INT8OID);

AJ_STATEMENT(bury_orphans,
			 "UPDATE asyncjob.job SET state = CASE WHEN cancel_requested"
			 "  THEN 'cancelled'::asyncjob.job_state ELSE 'failed' END,"
			 " worker_id = NULL, seq = seq + 1,"
			 " finished_at = clock_timestamp(),"
			 " error = CASE WHEN cancel_requested THEN error ELSE"
			 "  jsonb_build_object('sqlstate', '57P01', 'category', 'system',"
			 "   'step_no', step_no + 1, 'attempt', failures + 1,"
			 "   'message', 'the worker was lost ' || free_retries || ' times',"
			 "   'hint', 'Look into the server log for why workers are terminated, then retry() the job.')"
			 "  END"
			 " WHERE" FREE_ORPHANS(IS_DONE_FOR("o")) " RETURNING id",
			 INT8ARRAYOID, INT8OID, INT8OID, INT4OID, INT4OID);

/*
 * A job of a batch was not marked running; it is queued still.  One that was
 * cancelled isn't run any more, so it is as good as any orphan.
 */
#define WAS_RUNNING(s) \
	s ".id = $1 AND NOT " s ".cancel_requested" \
	" AND (" s ".worker_id = $2 AND " s ".state = 'running'" \
	"  OR " s ".worker_id IS NULL AND " s ".state = 'queued')"
#define FREE_SUSPECT \
	" id = ANY (ARRAY(SELECT s.id FROM asyncjob.job s WHERE " WAS_RUNNING("s") \
	"  FOR UPDATE SKIP LOCKED))"

AJ_STATEMENT(mark_suspect,
			 "UPDATE asyncjob.job SET state = 'waiting', suspect = true,"
			 " crashes = $3, worker_id = NULL"
			 " WHERE" FREE_SUSPECT,
			 INT8OID, INT8OID, INT2OID);

AJ_STATEMENT(bury_crasher,
			 "UPDATE asyncjob.job SET state = 'failed', suspect = false,"
			 " crashes = $3, worker_id = NULL, seq = seq + 1,"
			 " finished_at = clock_timestamp(), error = jsonb_build_object("
			 "  'sqlstate', '57P02', 'category', 'system',"
			 "  'step_no', step_no + 1, 'attempt', failures + 1,"
			 "  'code', 'handler_crashed',"
			 "  'message', 'the handler crashed the server ' || $3 || ' times while it ran alone',"
			 "  'hint', 'Mend the handler, then retry() the job.')"
			 " WHERE" FREE_SUSPECT " RETURNING id",
			 INT8OID, INT8OID, INT2OID);

AJ_STATEMENT(was_running,
			 "SELECT FROM asyncjob.job s WHERE " WAS_RUNNING("s"),
			 INT8OID, INT8OID);

/* The lanes of all owners, as in queue.c, and of each the first job. */
AJ_STATEMENT(all_lanes,
			 "WITH RECURSIVE lane AS ("
			 " (SELECT j.owner, j.queue_id, j.priority FROM asyncjob.job j"
			 "   WHERE j.state = 'queued' AND NOT j.external AND $1"
			 "   ORDER BY j.owner, j.queue_id, j.priority LIMIT 1)"
			 " UNION ALL"
			 " SELECT n.owner, n.queue_id, n.priority FROM lane l"
			 "  CROSS JOIN LATERAL"
			 "  (SELECT j.owner, j.queue_id, j.priority FROM asyncjob.job j"
			 "    WHERE j.state = 'queued' AND NOT j.external"
			 "      AND (j.owner, j.queue_id, j.priority)"
			 "        > (l.owner, l.queue_id, l.priority)"
			 "    ORDER BY j.owner, j.queue_id, j.priority LIMIT 1) n)"
			 " SELECT l.owner, l.queue_id, l.priority, h.run_at, h.id"
			 " FROM lane l CROSS JOIN LATERAL"
			 "  (SELECT j.run_at, j.id FROM asyncjob.job j"
			 "    WHERE j.state = 'queued' AND NOT j.external"
			 "      AND j.owner = l.owner"
			 "      AND j.queue_id = l.queue_id AND j.priority = l.priority"
			 "    ORDER BY j.run_at, j.id LIMIT 1) h",
			 BOOLOID);

AJ_STATEMENT(paused_queues,
			 "SELECT q.id FROM asyncjob.queue q WHERE NOT " AJ_QUEUE_OPEN("q")
			 " AND $1", BOOLOID);

AJ_STATEMENT(next_suspect,
			 "SELECT j.id, j.owner FROM asyncjob.job j"
			 " JOIN asyncjob.queue q ON q.id = j.queue_id AND " AJ_QUEUE_OPEN("q")
			 " WHERE j.state = 'waiting' AND j.limit_group IS NULL"
			 " AND j.suspect AND j.id > $1 AND " AJ_PIPELINE_OPEN("j")
			 " ORDER BY j.id LIMIT 1",
			 INT8OID);

/*
 * An owner without a row in asyncjob.owner is one whose jobs are still being
 * restored: pg_dump writes the tables in the order of their names, so that
 * row comes after the one in asyncjob.origin which says that these jobs wait
 * for resume().
 */
AJ_STATEMENT(owner_known,
			 "SELECT true FROM asyncjob.owner o WHERE o.role = $1", OIDOID);
AJ_STATEMENT(role_exists,
			 "SELECT true FROM pg_catalog.pg_roles r WHERE r.oid = $1"
			 " UNION ALL SELECT true WHERE $1 <> 0 AND NOT EXISTS"
			 "  (SELECT FROM asyncjob.owner o WHERE o.role = $1)", OIDOID);

AJ_STATEMENT(bury_owner,
			 "UPDATE asyncjob.job j SET state = 'failed', seq = seq + 1,"
			 " limit_group = NULL, waiting_for = NULL, suspect = false,"
			 " finished_at = clock_timestamp(),"
			 " error = jsonb_build_object('sqlstate', '42704',"
			 "  'category', 'system', 'code', 'owner_dropped',"
			 "  'step_no', step_no + 1, 'attempt', failures,"
			 "  'message', 'the role that owned the job was dropped',"
			 "  'detail', 'The role was \"' || coalesce((SELECT o.rolname"
			 "    FROM asyncjob.owner o WHERE o.role = $1), '?') || '\".',"
			 "  'hint', 'Submit the job again as another role.')"
			 " WHERE j.id = ANY (ARRAY(SELECT l.id FROM asyncjob.job l"
			 "  WHERE l.owner = $1 AND l.state IN ('queued', 'waiting')"
			 "  FOR UPDATE SKIP LOCKED)) RETURNING j.id",
			 OIDOID);

bool
aj_queue_origin_matches(int64 system_identifier, Oid dbid)
{
	Datum		values[2] = {Int64GetDatum(system_identifier),
	ObjectIdGetDatum(dbid)};
	bool		isnull;

	aj_execute(&origin_matches, values, NULL, 0);
	return DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0],
									  SPI_tuptable->tupdesc, 1, &isnull));
}

/* Run a statement of two arguments for each of these rows. */
static void
add_all(AjStatement *stmt, SPITupleTable *rows, int n)
{
	for (int i = 0; i < n; i++)
	{
		Datum		values[2];
		bool		isnull;

		values[0] = SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull);
		values[1] = SPI_getbinval(rows->vals[i], rows->tupdesc, 2, &isnull);
		aj_execute(stmt, values, NULL, 0);
	}
}

/*
 * These jobs belong here from now on.  Their owners are found again by name.
 */
void
aj_queue_set_origin(int64 system_identifier, Oid dbid)
{
	Datum		system[2] = {Int64GetDatum(system_identifier),
	ObjectIdGetDatum(dbid)};
	Datum		foreign[1];
	Datum		any[1] = {BoolGetDatum(true)};
	Datum		values[2];
	SPITupleTable *rows;
	int			n;
	bool		isnull;

	if (aj_queue_origin_matches(system_identifier, dbid) &&
		aj_execute(&any_origin, any, NULL, 0) > 0)
		return;					/* nothing was copied */
	values[0] = BoolGetDatum(true);
	aj_execute(&requeue_running, values, NULL, 0);
	foreign[0] = BoolGetDatum(aj_execute(&other_system, system, NULL, 0) > 0);

	/* while their names are still known */
	n = aj_execute(&lost_owners, foreign, NULL, 0);
	rows = SPI_tuptable;
	for (int i = 0; i < n; i++)
	{
		values[0] = SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull);
		aj_execute(&bury_owner, values, NULL, 0);
	}

	aj_execute(&remap_jobs, foreign, NULL, 0);
	aj_execute(&remap_pipelines, foreign, NULL, 0);
	aj_execute(&remap_sessions, foreign, NULL, 0);
	aj_execute(&remap_messages, foreign, NULL, 0);
	aj_execute(&remap_events, foreign, NULL, 0);
	aj_execute(&remap_waits, foreign, NULL, 0);
	aj_execute(&remap_subscribers, foreign, NULL, 0);
	aj_execute(&remap_subscribed, foreign, NULL, 0);
	aj_execute(&remap_event_grants, foreign, NULL, 0);
	aj_execute(&remap_event_grantees, foreign, NULL, 0);
	aj_execute(&forget_schedules, foreign, NULL, 0);
	aj_execute(&remap_schedules, foreign, NULL, 0);
	values[0] = BoolGetDatum(true);
	aj_execute(&forget_events, values, NULL, 0);
	aj_execute(&forget_snapshots, values, NULL, 0);
	aj_execute(&forget_since, values, NULL, 0);

	/* roles may have changed places, so all rows go before any comes back */
	n = aj_execute(&list_moved_grants, foreign, NULL, 0);
	rows = SPI_tuptable;
	aj_execute(&delete_moved_grants, foreign, NULL, 0);
	add_all(&add_moved_grant, rows, n);
	n = aj_execute(&list_moved_workers, foreign, NULL, 0);
	rows = SPI_tuptable;
	aj_execute(&delete_moved_workers, foreign, NULL, 0);
	add_all(&add_moved_worker, rows, n);
	n = aj_execute(&list_moved, foreign, NULL, 0);
	rows = SPI_tuptable;
	aj_execute(&delete_moved, foreign, NULL, 0);
	add_all(&add_moved_owner, rows, n);
	aj_queue_limits_moved();
	aj_execute(&clear_origin, any, NULL, 0);
	aj_execute(&add_origin, system, NULL, 0);
}

/*
 * Give back every running job whose worker is not among the living.  A
 * worker with an id from limit on came after the living were counted.  One
 * with an id from counted on was lost in a running server, which is a free
 * retry, of which a step has only so many; that of others was nobody's fault.
 * *left says that somebody has some of them locked.
 */
int
aj_queue_requeue_orphans(const int64 *living, int n, int64 limit,
						 int64 counted, bool *left)
{
	Datum	   *ids = palloc((n + 1) * sizeof(Datum));
	Datum		values[5];
	int			count;

	for (int i = 0; i < n; i++)
		ids[i] = Int64GetDatum(living[i]);
	values[0] = PointerGetDatum(construct_array(ids, n, INT8OID, 8,
												FLOAT8PASSBYVAL, 'd'));
	values[1] = Int64GetDatum(limit);
	values[2] = Int64GetDatum(counted);
	values[3] = Int32GetDatum(AJ_MAX_FREE_RETRIES);
	values[4] = Int32GetDatum(aj_guc_max_attempts);
	count = aj_execute(&bury_orphans, values, NULL, 0);
	aj_queue_buried(count);
	count += aj_execute(&requeue_orphans, values, NULL, 0);
	*left = aj_execute(&any_orphan, values, NULL, 0) > 0;
	return count;
}

/*
 * A job was running, and its process could not say it was a bystander.
 * Returns false if somebody has it locked, so that it has to be tried again.
 */
bool
aj_queue_mark_suspect(int64 job_id, int64 worker_id, int crashes, bool dead)
{
	Datum		values[3] = {Int64GetDatum(job_id), Int64GetDatum(worker_id),
	Int16GetDatum(crashes)};
	int			n = aj_execute(dead ? &bury_crasher : &mark_suspect, values, NULL, 0);

	if (n > 0 && dead)
		aj_queue_buried(n);
	return n > 0 || aj_execute(&was_running, values, NULL, 0) == 0;
}

/* Insert a lane's best job into the list of owners, the best owner first. */
static List *
add_owner(List *owners, const AjLaneView *lane, AjPlace head)
{
	AjReadyOwner *owner = NULL;
	ListCell   *cell;
	int			place = 0;

	foreach(cell, owners)
	{
		AjReadyOwner *other = lfirst(cell);

		if (other->role == lane->key.owner)
			owner = other;
	}
	if (owner != NULL)
	{
		if (owner->priority > lane->key.priority ||
			(owner->priority == lane->key.priority && owner->run_at <= head.run_at))
			return owners;
		owners = list_delete_ptr(owners, owner);
	}
	else
		owner = palloc(sizeof(AjReadyOwner));
	owner->role = lane->key.owner;
	owner->priority = lane->key.priority;
	owner->run_at = head.run_at;
	owner->job_id = head.id;
	foreach(cell, owners)
	{
		AjReadyOwner *other = lfirst(cell);

		if (other->priority < owner->priority ||
			(other->priority == owner->priority && other->run_at > owner->run_at))
			break;
		place++;
	}
	return list_insert_nth(owners, place, owner);
}

/* Look through the whole index for lanes, and lower floors that are too high. */
void
aj_queue_find_lanes(void)
{
	Datum		values[1] = {BoolGetDatum(true)};
	int			n = aj_execute(&all_lanes, values, NULL, 0);

	for (int i = 0; i < n; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		TupleDesc	desc = SPI_tuptable->tupdesc;
		bool		isnull;
		AjLaneKey	key;
		AjPlace		head;

		key.dbid = MyDatabaseId;
		key.owner = DatumGetObjectId(SPI_getbinval(row, desc, 1, &isnull));
		key.queue_id = DatumGetInt32(SPI_getbinval(row, desc, 2, &isnull));
		key.priority = DatumGetInt16(SPI_getbinval(row, desc, 3, &isnull));
		head.run_at = DatumGetTimestampTz(SPI_getbinval(row, desc, 4, &isnull));
		head.id = DatumGetInt64(SPI_getbinval(row, desc, 5, &isnull));
		aj_lane_ready(&key, head);
	}
}

/*
 * Roles that have ready jobs, the one with the best job first, in the memory
 * context of the call; and when the next job falls due (0: none will).
 */
List *
aj_queue_ready_owners(TimestampTz *next_due)
{
	TimestampTz now = GetCurrentTimestamp();
	Datum		values[1] = {BoolGetDatum(true)};
	int			npaused,
				n;
	int32	   *paused;
	AjLaneView *lanes;
	List	   *result = NIL;

	*next_due = 0;
	npaused = aj_execute(&paused_queues, values, NULL, 0);
	paused = palloc((npaused + 1) * sizeof(int32));
	for (int i = 0; i < npaused; i++)
	{
		bool		isnull;

		paused[i] = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[i],
												SPI_tuptable->tupdesc, 1, &isnull));
	}

	/* a table that is full can't be trusted to hold every lane */
	if (!aj_lanes_complete())
		aj_queue_find_lanes();

	n = aj_lanes_list(MyDatabaseId, InvalidOid, &lanes);
	for (int i = 0; i < n; i++)
	{
		AjPlace		head = lanes[i].floor;
		bool		is_paused = false;

		for (int p = 0; p < npaused; p++)
			is_paused |= paused[p] == lanes[i].key.queue_id;
		if (is_paused)
			continue;
		if (head.run_at <= now)
			head = aj_queue_lane_head(&lanes[i]);
		values[0] = ObjectIdGetDatum(lanes[i].key.owner);
		if (head.run_at <= now && aj_execute(&owner_known, values, NULL, 0) == 0)
			continue;
		if (head.run_at <= now)
			result = add_owner(result, &lanes[i], head);
		else if (head.run_at != DT_NOEND &&
				 (*next_due == 0 || head.run_at < *next_due))
			*next_due = head.run_at;
	}
	return result;
}

/* The first job after this one that waits to run alone, or 0. */
int64
aj_queue_next_suspect(int64 after, Oid *owner)
{
	Datum		values[1] = {Int64GetDatum(after)};
	bool		isnull;

	if (aj_execute(&next_suspect, values, NULL, 0) == 0)
		return 0;
	*owner = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0],
											SPI_tuptable->tupdesc, 2, &isnull));
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
									   SPI_tuptable->tupdesc, 1, &isnull));
}

/* Jobs of roles that are gone become dead letters. */
int
aj_queue_bury_ownerless(void)
{
	AjLaneView *lanes;
	int			n = aj_lanes_list(MyDatabaseId, InvalidOid, &lanes);
	int			buried = 0;

	for (int i = 0; i < n; i++)
	{
		Datum		values[1] = {ObjectIdGetDatum(lanes[i].key.owner)};

		if (lanes[i].floor.run_at == DT_NOEND)
			continue;			/* an empty lane */
		if (aj_execute(&role_exists, values, NULL, 0) == 0)
		{
			int			ended = aj_execute(&bury_owner, values, NULL, 0);

			aj_queue_buried(ended);
			buried += ended;
		}
	}
	return buried;
}
