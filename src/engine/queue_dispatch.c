/*-------------------------------------------------------------------------
 *
 * queue_dispatch.c
 *		What follows from events: jobs that are woken or started.
 *
 * emit() only inserts a row, so neither does it wait for anybody nor does
 * anybody wait for its transaction.  What follows from an event, once it is
 * committed, is done by one process, the coordinator (or drain(), where none
 * runs), in a transaction that ends with the event being no longer pending:
 * jobs that wait for it are woken, with its payload in their memo, and jobs
 * are queued for subscriptions.  So nothing is done twice.
 *
 * Nothing is lost either, in whatever order an event and a wait for it are
 * committed.  An event with a key is kept, and a wait that is new is compared
 * with what is kept.  One without a key is for those who waited before: a
 * wait remembers the snapshot it was made in, and the event its transaction,
 * and the event is for the wait unless it was visible in that snapshot.  Its
 * row stays until all transactions that ran when it was dispatched have
 * ended, that is, until every wait that it could be for has been seen.
 *
 * The end of a job is an event only where somebody is known to wait for it, so
 * one that ends while a wait for it is being committed emits nothing.  A wait
 * for the end of a certain job is therefore compared with that job, and stays
 * new until all transactions that ran when it was first seen have ended.
 *
 * Locks: the job's row, then its wait's.  Who dispatches waits for neither:
 * a session may sit in a transaction that has them, and everybody depends on
 * the coordinator.  An event for such a job stays pending, with done_xid set
 * where its subscriptions have been seen to, and is looked at again soon.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "errors.h"
#include "external.h"
#include "jsonpath.h"
#include "limits.h"
#include "queue.h"
#include "queue_dead.h"
#include "queue_event.h"
#include "queue_limits.h"
#include "queue_submit.h"
#include "scope.h"
#include "seal.h"
#include "wake.h"

#define DISPATCH_AT_ONCE	1000
#define FILTER_MS		200

/*
 * Events of $3 (0: of everybody), and what the jobs and subscriptions of $3
 * want of others'.  Scalar subqueries, since an EXISTS could be answered by
 * hashing all jobs of $3.
 */
AJ_STATEMENT(pending,
			 "SELECT e.id, e.done_xid IS NOT NULL FROM asyncjob.event e"
			 " WHERE e.pending AND e.id > $2 AND ($3 = 0 OR e.owner = $3"
			 "  OR (SELECT true FROM asyncjob.event_wait w JOIN asyncjob.job j"
			 "   ON j.id = w.job_id WHERE w.event_owner = e.owner"
			 "   AND w.event = e.event AND j.owner = $3 LIMIT 1)"
			 "  OR (SELECT true FROM asyncjob.subscription s"
			 "   WHERE s.event_owner = e.owner AND s.event = e.event"
			 "   AND s.owner = $3 LIMIT 1))"
			 " ORDER BY e.id LIMIT $1 FOR UPDATE SKIP LOCKED",
			 INT8OID, INT8OID, OIDOID);

/* who waits for an event; new waits are compared with what there was */
#define NAMES(e, w) \
	e ".owner = " w ".event_owner AND " e ".event = " w ".event"
#define AFTER(e, w) \
	"NOT pg_visible_in_snapshot(" e ".xid, " w ".since)"
#define FITS(e, w) \
	NAMES(e, w) " AND (" w ".key IS NULL OR " w ".key = " e ".key)" \
	" AND (" e ".kept AND " w ".key IS NOT NULL OR " AFTER(e, w) ")"

/* By key and without, so that the waits for other keys aren't looked at. */
AJ_STATEMENT(waits_of_event,
			 "SELECT f.job_id, e.payload FROM asyncjob.event e"
			 " CROSS JOIN LATERAL"
			 "  (SELECT w.job_id FROM asyncjob.event_wait w WHERE " NAMES("e", "w")
			 "     AND w.key = e.key AND (e.kept OR " AFTER("e", "w") ")"
			 "   UNION ALL"
			 "   SELECT w.job_id FROM asyncjob.event_wait w WHERE " NAMES("e", "w")
			 "     AND w.key IS NULL AND " AFTER("e", "w") ") f"
			 " WHERE e.id = $1 ORDER BY f.job_id",
			 INT8OID);

/*
 * An event that is pending still, although we have dispatched what there was,
 * is in the hands of somebody who may not have seen the wait: it stays new.
 * Of the others there may be many that are kept; one index finds that with the
 * key, another those that were emitted since.
 */
#define KEPT_OR_AFTER(cond) \
	"SELECT e.id, e.payload FROM asyncjob.event e" \
	" WHERE e.kept AND " cond " AND " NAMES("e", "w") " AND e.key = w.key" \
	" UNION ALL" \
	" SELECT e.id, e.payload FROM asyncjob.event e" \
	" WHERE " cond " AND " NAMES("e", "w") \
	"  AND (w.key IS NULL OR w.key = e.key)" \
	"  AND e.xid >= pg_snapshot_xmin(w.since) AND " AFTER("e", "w")

AJ_STATEMENT(events_of_waits,
			 "SELECT w.job_id, coalesce((SELECT f.payload FROM ("
			 KEPT_OR_AFTER("NOT e.pending") ") f ORDER BY f.id LIMIT 1), ("
			 AJ_END_OF_JOB("w.event_owner", "w.event", "w.key") ")),"
			 " (SELECT true FROM (" KEPT_OR_AFTER("e.pending") ") p LIMIT 1)"
			 "  IS NOT NULL"
			 " FROM asyncjob.event_wait w"
			 " WHERE w.fresh AND w.job_id > $2 AND ($3 = 0 OR"
			 "  (SELECT o.owner FROM asyncjob.job o WHERE o.id = w.job_id) = $3)"
			 " ORDER BY w.job_id LIMIT $1",
			 INT8OID, INT8OID, OIDOID);

/*
 * drain() sees its own waits, of which others that dispatch know nothing yet.
 * $2: all transactions before it have ended.
 */
AJ_STATEMENT(not_fresh,
			 "UPDATE asyncjob.event_wait w SET seen_xid = pg_current_xact_id(),"
			 " fresh = w.seen_xid IS NULL AND " AJ_JOB_END("w.event")
			 "  AND coalesce(" AJ_JOB_ID("w.key") ", false)"
			 " WHERE w.job_id = ANY (ARRAY(SELECT l.job_id"
			 "  FROM asyncjob.event_wait l WHERE l.job_id = $1"
			 "  AND l.fresh AND l.xid <> pg_current_xact_id()"
			 "  AND (l.seen_xid IS NULL OR l.seen_xid < $2)"
			 "  FOR UPDATE SKIP LOCKED))",
			 INT8OID, XID8OID);

AJ_STATEMENT(lock_waiting,
			 "SELECT coalesce(j.parent_id, j.id), j.step_no, coalesce(j.item_no, 0),"
			 " j.owner, j.queue_id, j.priority, j.seq, j.item_no IS NOT NULL,"
			 " w.name, j.params ? '$encrypted'"
			 " FROM asyncjob.job j JOIN asyncjob.event_wait w ON w.job_id = j.id"
			 " WHERE j.id = $1 AND j.state = 'waiting'"
			 " AND j.waiting_for = 'event' FOR UPDATE OF j, w SKIP LOCKED",
			 INT8OID);

/* it does, but we didn't get the locks */
AJ_STATEMENT(still_waits,
			 "SELECT true FROM asyncjob.job j JOIN asyncjob.event_wait w"
			 " ON w.job_id = j.id WHERE j.id = $1 AND j.state = 'waiting'"
			 " AND j.waiting_for = 'event'",
			 INT8OID);

AJ_STATEMENT(drop_wait,
			 "DELETE FROM asyncjob.event_wait WHERE job_id = ANY (ARRAY("
			 " SELECT w.job_id FROM asyncjob.event_wait w WHERE w.job_id = $1"
			 " FOR UPDATE SKIP LOCKED))",
			 INT8OID);

AJ_STATEMENT(deliver,
			 "UPDATE asyncjob.job_memo SET value = asyncjob._seal($1, 'event:' || $4,"
			 "  $2, $3, jsonb_build_object('payload', $5),"
			 "  (SELECT j.params FROM asyncjob.job j WHERE j.id = $1))"
			 " WHERE job_id = $1 AND step_no = $2 AND item_no = $3"
			 " AND kind = 'event' AND name = $4",
			 INT8OID, INT2OID, INT4OID, TEXTOID, JSONBOID);

AJ_STATEMENT(wake,
			 "UPDATE asyncjob.job j SET" AJ_READY_AGAIN("j") ", waiting_for = NULL,"
			 " run_at = $2, seq = $3 WHERE j.id = $1",
			 INT8OID, TIMESTAMPTZOID, INT4OID);

AJ_STATEMENT(subscriptions_of_event,
			 "SELECT s.id, s.owner, s.pipeline, p.id, e.payload, s.filter"
			 " FROM asyncjob.event e JOIN asyncjob.subscription s"
			 "  ON s.event_owner = e.owner AND s.event = e.event"
			 "  AND NOT pg_visible_in_snapshot(e.xid, s.since)"
			 " LEFT JOIN asyncjob.pipeline p ON p.name = s.pipeline AND p.is_current"
			 "  AND (p.owner = s.owner OR EXISTS (SELECT FROM asyncjob.pipeline_grant g"
			 "   WHERE g.pipeline = p.name AND (g.role = 0"
			 "    OR pg_has_role(s.owner, g.role, 'USAGE')))"
			 "   OR EXISTS (SELECT FROM pg_catalog.pg_roles r"
			 "    WHERE r.oid = s.owner AND r.rolsuper))"
			 " WHERE e.id = $1"
			 "  AND EXISTS (SELECT FROM pg_catalog.pg_roles o WHERE o.oid = s.owner)"
			 "  AND (s.owner = e.owner OR EXISTS (SELECT FROM asyncjob.event_grant g"
			 "   WHERE g.owner = e.owner AND g.event = e.event"
			 "    AND pg_has_role(s.owner, g.role, 'USAGE')))"
			 " ORDER BY s.id",
			 INT8OID);

AJ_STATEMENT(note_fired,
			 "UPDATE asyncjob.subscription SET last_job_id = nullif($2, 0),"
			 " last_error = $3, last_at = clock_timestamp()"
			 " WHERE id = ANY (ARRAY(SELECT s.id FROM asyncjob.subscription s"
			 "  WHERE s.id = $1 FOR NO KEY UPDATE SKIP LOCKED))",
			 INT8OID, INT8OID, TEXTOID);

AJ_STATEMENT(dispatched,
			 "UPDATE asyncjob.event SET pending = $2,"
			 " done_xid = pg_current_xact_id() WHERE id = $1",
			 INT8OID, BOOLOID);

/* but for what a wait wants that couldn't have it yet */
AJ_STATEMENT(forget,
			 "DELETE FROM asyncjob.event WHERE id = ANY (ARRAY("
			 " SELECT e.id FROM asyncjob.event e WHERE NOT e.pending"
			 "  AND NOT e.kept AND e.done_xid < $1 AND ($2 = 0 OR e.owner = $2)"
			 "  AND NOT EXISTS (SELECT FROM asyncjob.event_wait w"
			 "   WHERE w.fresh AND " FITS("e", "w") ")"
			 " FOR UPDATE SKIP LOCKED))",
			 XID8OID, OIDOID);

AJ_STATEMENT(horizon,
			 "SELECT pg_snapshot_xmin(pg_current_snapshot()) WHERE $1", BOOLOID);

/*
 * Give an event to a job that waits for it, and queue the job.  Returns false
 * if that has to be tried again.
 */
static bool
deliver_to(int64 job_id, Datum payload)
{
	TimestampTz now = GetCurrentTimestamp();
	Datum		id[1] = {Int64GetDatum(job_id)},
				memo[5],
				values[3];
	Oid			owner;
	int			queue_id,
				priority,
				seq,
				step_no;
	const char *why;
	bool		isnull;

	if (aj_execute(&lock_waiting, id, NULL, 0) == 0)
	{
		if (aj_execute(&still_waits, id, NULL, 0) > 0)
			return false;
		/* it was cancelled, or its time was up, or it has it */
		aj_execute(&drop_wait, id, NULL, 0);
		return true;
	}
	/* a payload that couldn't be encrypted */
	if (DatumGetBool(aj_value(0, 10, &isnull)) && !aj_seal_possible(&why))
		return false;
	step_no = DatumGetInt16(aj_value(0, 2, &isnull));
	/* a job that was spawned has a parent, but its memo is its own */
	memo[0] = DatumGetBool(aj_value(0, 8, &isnull)) ?
		Int64GetDatum(DatumGetInt64(aj_value(0, 1, &isnull))) : id[0];
	memo[1] = Int16GetDatum(step_no);
	memo[2] = Int32GetDatum(DatumGetInt32(aj_value(0, 3, &isnull)));
	memo[3] = PointerGetDatum(DatumGetTextPCopy(aj_value(0, 9, &isnull)));
	memo[4] = payload;
	owner = DatumGetObjectId(aj_value(0, 4, &isnull));
	queue_id = DatumGetInt32(aj_value(0, 5, &isnull));
	priority = DatumGetInt16(aj_value(0, 6, &isnull));
	seq = DatumGetInt32(aj_value(0, 7, &isnull)) + 1;
	aj_execute(&drop_wait, id, NULL, 0);
	aj_execute(&deliver, memo, NULL, 0);
	aj_queue_add_update(job_id, seq, now, "state", "queued", step_no, NULL,
						NULL, NULL);
	values[0] = id[0];
	values[1] = TimestampTzGetDatum(now);
	values[2] = Int32GetDatum(seq);
	aj_execute(&wake, values, NULL, 0);
	aj_at_commit_job_ready(owner, queue_id, priority, now, job_id);
	return true;
}

/* Queue a job for a subscription. */
static void
fire(int64 id, Oid owner, const char *pipeline_name, int32 pipeline_id,
	 Jsonb *payload)
{
	const AjPipeline *pipeline = pipeline_id ? aj_pipeline_get(pipeline_id) : NULL;
	AjSubmission s = {.owner = owner,.queue_id = 1,.priority = 5,
		.pipeline_id = pipeline_id,
	.sealed = aj_queue_encrypts(1)};
	Datum		values[3] = {Int64GetDatum(id)};
	char		nulls[4] = "   ";
	int64		job = 0;
	bool		added,
				changed;
	char	   *error = NULL;

	if (pipeline == NULL)
		error = psprintf("pipeline \"%s\" does not exist, or its owner does not permit to run it",
						 pipeline_name);
	else
	{
		s.external = aj_pipeline_begins_outside(pipeline);
		s.held = aj_limits_of(s.queue_id) != NULL;
		job = aj_queue_add_job(&s, payload, &added, &changed);
		if (s.held)
			aj_at_commit_look();
		else
			aj_announce_ready(owner, s.queue_id, s.priority, s.run_at, job,
							  s.external);
	}
	values[1] = Int64GetDatum(job);
	values[2] = aj_text_or_null(error, &nulls[2]);
	aj_execute(&note_fired, values, nulls, 0);
}

/* Does an event pass a subscription's filter? */
static bool
passes(int64 id, char *filter, Jsonb *payload)
{
	Datum		values[3] = {Int64GetDatum(id), Int64GetDatum(0)};

	switch (aj_jsonpath_true(payload, filter, FILTER_MS))
	{
		case AJ_PATH_YES:
			return true;
		case AJ_PATH_NO:
			return false;
		case AJ_PATH_TOO_LONG:
			values[2] = CStringGetTextDatum(psprintf("its filter took longer than %d ms",
													 FILTER_MS));
			aj_execute(&note_fired, values, NULL, 0);
			return false;
	}
	return false;
}

/* Something to see to. */
typedef struct Unit
{
	enum
	{
		AN_EVENT, A_WAIT, A_SUBSCRIPTION
	}			kind;
	int64		id;				/* of the event, the job that waits, ... */
	bool		carefully;
	bool		fired;			/* the event's subscriptions were seen to */
	bool		found;			/* what the wait waits for is there: payload */
	bool		more;			/* it may come */
	Datum		payload;
	Datum		ended;			/* all transactions before have ended */
	HeapTuple	row;			/* of subscriptions_of_event */
	TupleDesc	desc;
} Unit;

static bool attend_to(const Unit *unit);

/* A job for a subscription, if the event passes its filter. */
static void
see_to_subscription(const Unit *unit)
{
	char	   *filter = SPI_getvalue(unit->row, unit->desc, 6);
	Datum		pipeline;
	bool		isnull;

	if (filter != NULL &&
		!passes(unit->id, filter,
				DatumGetJsonbPCopy(SPI_getbinval(unit->row, unit->desc, 5, &isnull))))
		return;
	pipeline = SPI_getbinval(unit->row, unit->desc, 4, &isnull);
	fire(unit->id,
		 DatumGetObjectId(SPI_getbinval(unit->row, unit->desc, 2, &isnull)),
		 TextDatumGetCString(SPI_getbinval(unit->row, unit->desc, 3, &isnull)),
		 pipeline ? DatumGetInt32(pipeline) : 0,
		 DatumGetJsonbPCopy(SPI_getbinval(unit->row, unit->desc, 5, &isnull)));
}

/* Does the queue of subscriptions' jobs hold as many as it may? */
static bool
queue_is_full(void)
{
	int			max_depth;
	bool		encrypt;

	(void) aj_queue_read_queue("default", &max_depth, &encrypt);
	return max_depth >= 0 && aj_queue_depth(1, max_depth) >= max_depth;
}

/* Jobs for all subscriptions.  Returns false if none could be queued now. */
static bool
see_to_subscriptions(Datum *id, bool carefully)
{
	int			n = aj_execute(&subscriptions_of_event, id, NULL, 0);
	SPITupleTable *rows = SPI_tuptable;
	Unit		unit = {.kind = A_SUBSCRIPTION,.carefully = carefully};
	const char *why;
	bool		isnull;

	if (n > 0 && ((aj_queue_encrypts(1) && !aj_seal_possible(&why)) ||
				  queue_is_full()))
		return false;
	for (int i = 0; i < n; i++)
	{
		unit.row = rows->vals[i];
		unit.desc = rows->tupdesc;
		unit.id = DatumGetInt64(SPI_getbinval(unit.row, unit.desc, 1, &isnull));
		(void) attend_to(&unit);
	}
	return true;
}

/*
 * All that follows from one event.  Returns false if it has to be tried again.
 */
static bool
dispatch_event(const Unit *event)
{
	Datum		values[2] = {Int64GetDatum(event->id)};
	int			n = aj_execute(&waits_of_event, values, NULL, 0);
	SPITupleTable *rows = SPI_tuptable;
	Unit		wait = {.kind = A_WAIT,.carefully = event->carefully,.found = true};
	bool		delivered = true,
				fired = event->fired;
	bool		isnull;

	for (int i = 0; i < n; i++)
	{
		wait.id = DatumGetInt64(SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull));
		wait.payload = SPI_getbinval(rows->vals[i], rows->tupdesc, 2, &isnull);
		delivered &= attend_to(&wait);
	}
	if (!fired)
		fired = see_to_subscriptions(values, event->carefully);
	values[1] = BoolGetDatum(!delivered);
	if (fired && (delivered || !event->fired))
		aj_execute(&dispatched, values, NULL, 0);
	return delivered && fired;
}

/* Returns false if it has to be tried again. */
static bool
see_to(const Unit *unit)
{
	Datum		values[2] = {Int64GetDatum(unit->id), unit->ended};

	if (unit->kind == AN_EVENT)
		return dispatch_event(unit);
	if (unit->kind == A_SUBSCRIPTION)
		see_to_subscription(unit);
	else if (unit->found)
		return deliver_to(unit->id, unit->payload);
	else if (!unit->more)
		aj_execute(&not_fresh, values, NULL, 0);
	return true;
}

typedef struct Trial
{
	const Unit *unit;
	bool		done;
} Trial;

static void
see_to_it(void *arg)
{
	Trial	   *trial = arg;

	trial->done = see_to(trial->unit);
}

/*
 * The same where one of many has raised an error: this one, if it does and that
 * may not pass, is given up, so that the others don't wait for it for ever.
 * Each wait and subscription of an event is one by itself; but all of an
 * event's subscriptions are seen to at once, or tried again.
 */
static bool
see_to_carefully(const Unit *unit)
{
	Trial		trial = {.unit = unit};
	ErrorData  *error = aj_try(see_to_it, &trial);
	Datum		values[3] = {Int64GetDatum(unit->id), BoolGetDatum(false)};
	bool		done;

	if (error == NULL)
		return trial.done;
	done = !aj_error_may_pass(error->sqlerrcode);
	if (error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN ||
		(!done && unit->kind == A_SUBSCRIPTION))
		ReThrowError(error);
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 !done ? errmsg("asyncjob puts off an event") :
			 unit->kind == A_WAIT ?
			 errmsg("asyncjob gave up an event for job " INT64_FORMAT, unit->id) :
			 unit->kind == A_SUBSCRIPTION ?
			 errmsg("asyncjob gave up an event for subscription " INT64_FORMAT, unit->id) :
			 errmsg("asyncjob gave up event " INT64_FORMAT, unit->id),
			 errdetail_internal("%s", error->message)));
	if (unit->kind == A_SUBSCRIPTION)
	{
		values[1] = Int64GetDatum(0);
		values[2] = CStringGetTextDatum(error->message);
		aj_execute(&note_fired, values, NULL, 0);
	}
	else if (done)
		aj_execute(unit->kind == A_WAIT ? &drop_wait : &dispatched, values, NULL, 0);
	FreeErrorData(error);
	return done;
}

static bool
attend_to(const Unit *unit)
{
	return unit->carefully ? see_to_carefully(unit) : see_to(unit);
}

/*
 * Do what follows from the next events after *after that have been emitted,
 * and look whether what new waits wait for has been: of a role, for its
 * drain(), or of all.  *after is 0 again when there are no more.  Returns false
 * if there is something that has to be tried again.
 */
bool
aj_queue_dispatch(Oid owner, int64 *after, bool carefully)
{
	Datum		page[3] = {Int64GetDatum(DISPATCH_AT_ONCE), Int64GetDatum(*after),
	ObjectIdGetDatum(owner)};
	Datum		yes[1] = {BoolGetDatum(true)};
	Datum		ended[2] = {0, ObjectIdGetDatum(owner)};
	Unit		unit = {.kind = AN_EVENT,.carefully = carefully};
	bool		all = true;
	int			n;
	SPITupleTable *rows;
	bool		isnull;

	/* waits of transactions that have ended by now are seen below */
	aj_execute(&horizon, yes, NULL, 0);
	unit.ended = ended[0] = aj_value(0, 1, &isnull);

	n = aj_execute(&pending, page, NULL, 0);
	rows = SPI_tuptable;
	for (int i = 0; i < n; i++)
	{
		unit.id = DatumGetInt64(SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull));
		unit.fired = DatumGetBool(SPI_getbinval(rows->vals[i], rows->tupdesc, 2, &isnull));
		all &= attend_to(&unit);
	}
	*after = n == DISPATCH_AT_ONCE ? unit.id : 0;

	/* all of them, before what they may want is forgotten */
	unit.kind = A_WAIT;
	unit.id = PG_INT64_MIN;
	do
	{
		page[1] = Int64GetDatum(unit.id);
		n = aj_execute(&events_of_waits, page, NULL, 0);
		rows = SPI_tuptable;
		for (int i = 0; i < n; i++)
		{
			unit.id = DatumGetInt64(SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull));
			unit.more = DatumGetBool(SPI_getbinval(rows->vals[i], rows->tupdesc, 3, &isnull));
			unit.payload = SPI_getbinval(rows->vals[i], rows->tupdesc, 2, &isnull);
			unit.found = !isnull;
			all &= attend_to(&unit);
		}
	} while (n == DISPATCH_AT_ONCE);

	aj_execute(&forget, ended, NULL, 0);
	return all;
}
