/*-------------------------------------------------------------------------
 *
 * queue_external.c
 *		Statements about external workers.
 *
 * A job whose current step is external is marked so, stands in an index of
 * its own while it is queued, and is never walked over by our workers.  A
 * claim marks it running under worker_id = -token, so the statements that end
 * a step ask for the token as they ask for a worker's id, and writes a lease.
 *
 * Whoever touches a lease has locked the job's row before, which orders a
 * heartbeat, a late complete() and the lease's end.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "limits.h"
#include "pause.h"
#include "queue.h"
#include "queue_external.h"
#include "queue_pause.h"
#include "scope.h"
#include "shmem.h"

/* May caller $1, under filter $2 and user $3, work for job j? */
#define MAY_WORK(j) \
	" ($2 = 0 OR ($2 = 1 AND " j ".user_id = $3))" \
	" AND (" j ".owner = $1 OR EXISTS (SELECT FROM asyncjob.queue_worker w" \
	"  WHERE w.queue_id = " j ".queue_id AND pg_has_role($1, w.role, 'USAGE')))"

/* whoever got his place first, where there are limits, or is due first */
AJ_STATEMENT(find_lanes,
			 "WITH RECURSIVE lane AS ("
			 " SELECT f.queue_id, f.owner, f.priority"
			 "  FROM unnest($2) u (id) JOIN asyncjob.queue q"
			 "   ON q.id = u.id AND " AJ_QUEUE_OPEN("q") " CROSS JOIN LATERAL"
			 "  (SELECT j.queue_id, j.owner, j.priority FROM asyncjob.job j"
			 "    WHERE j.state = 'queued' AND j.external AND j.queue_id = u.id"
			 "    ORDER BY j.owner, j.priority LIMIT 1) f"
			 " UNION ALL"
			 " SELECT n.queue_id, n.owner, n.priority FROM lane l"
			 "  CROSS JOIN LATERAL"
			 "  (SELECT j.queue_id, j.owner, j.priority FROM asyncjob.job j"
			 "    WHERE j.state = 'queued' AND j.external"
			 "      AND j.queue_id = l.queue_id"
			 "      AND (j.owner, j.priority) > (l.owner, l.priority)"
			 "    ORDER BY j.owner, j.priority LIMIT 1) n)"
			 " SELECT l.queue_id, l.owner, l.priority FROM lane l"
			 " CROSS JOIN LATERAL"
			 "  (SELECT j.run_at, j.id FROM asyncjob.job j"
			 "    WHERE j.state = 'queued' AND j.external"
			 "      AND j.queue_id = l.queue_id AND j.owner = l.owner"
			 "      AND j.priority = l.priority AND j.run_at <= $3"
			 "    ORDER BY j.run_at, j.id LIMIT 1) h"
			 " LEFT JOIN asyncjob.place p ON p.job_id = h.id"
			 " WHERE l.owner = $1 OR EXISTS"
			 "  (SELECT FROM asyncjob.queue_worker w WHERE w.queue_id = l.queue_id"
			 "    AND pg_has_role($1, w.role, 'USAGE'))"
			 " ORDER BY l.priority DESC, coalesce(p.admitted_at, h.run_at), h.id",
			 OIDOID, INT4ARRAYOID, TIMESTAMPTZOID);

/* an array, so that the jobs are chosen once */
AJ_STATEMENT(claim,
			 "UPDATE asyncjob.job j SET state = 'running',"
			 " worker_id = -nextval('asyncjob.lease_token_seq'),"
			 " started_at = coalesce(j.started_at, $6), seq = j.seq + 1"
			 " WHERE j.id = ANY (ARRAY(SELECT c.id FROM asyncjob.job c"
			 "  WHERE c.state = 'queued' AND c.external AND c.queue_id = $3"
			 "    AND c.owner = $1 AND c.priority = $4 AND c.run_at <= $6"
			 "    AND ($2 = 0 OR ($2 = 1 AND c.user_id = $7))"
			 "    AND " AJ_PIPELINE_OPEN("c")
			 "    AND EXISTS (SELECT FROM asyncjob.queue q WHERE q.id = $3"
			 "      AND " AJ_QUEUE_OPEN("q") " AND (NOT q.gated OR c.item_no IS NOT NULL OR EXISTS"
			 "       (SELECT FROM asyncjob.place p WHERE p.job_id = c.id)))"
			 "  ORDER BY c.run_at, c.id LIMIT $5 FOR UPDATE SKIP LOCKED))"
			 " RETURNING " AJ_JOB_COLUMNS ", -j.worker_id,"
			 " (SELECT q.name FROM asyncjob.queue q WHERE q.id = $3)",
			 OIDOID, INT4OID, INT4OID, INT2OID, INT8OID, TIMESTAMPTZOID,
			 TEXTOID);

AJ_STATEMENT(add_lease,
			 "INSERT INTO asyncjob.lease (job_id, token, role, expires_at)"
			 " VALUES ($1, $2, $3, $4) ON CONFLICT (job_id) DO UPDATE"
			 " SET token = excluded.token, role = excluded.role,"
			 "  claimed_at = excluded.claimed_at,"
			 "  expires_at = excluded.expires_at, progress = 0, message = NULL",
			 INT8OID, INT8OID, OIDOID, TIMESTAMPTZOID);

AJ_STATEMENT(lock_job,
			 "SELECT " AJ_JOB_COLUMNS ", j.state::text,"
			 " coalesce(j.worker_id, 0), q.name, j.cancel_requested"
			 " FROM asyncjob.job j JOIN asyncjob.queue q ON q.id = j.queue_id"
			 " WHERE j.id = $4 AND" MAY_WORK("j") " FOR UPDATE OF j",
			 OIDOID, INT4OID, TEXTOID, INT8OID);

AJ_STATEMENT(extend_lease,
			 "UPDATE asyncjob.lease SET expires_at = $3,"
			 " progress = coalesce($4, progress),"
			 " message = coalesce($5, message)"
			 " WHERE job_id = $1 AND token = $2",
			 INT8OID, INT8OID, TIMESTAMPTZOID, FLOAT8OID, TEXTOID);

AJ_STATEMENT(drop_lease,
			 "DELETE FROM asyncjob.lease WHERE job_id = $1 RETURNING claimed_at",
			 INT8OID);

AJ_STATEMENT(queue_name,
			 "SELECT q.name FROM asyncjob.queue q WHERE q.id = $1", INT4OID);

/*
 * $1 null: of all queues; $3 null: whoever may work for them.  A page after
 * another, so that those that somebody has locked don't stand before others.
 */
AJ_STATEMENT(expired,
			 "SELECT l.job_id, l.expires_at FROM asyncjob.lease l"
			 " JOIN asyncjob.job j ON j.id = l.job_id"
			 " WHERE l.expires_at <= clock_timestamp()"
			 "  AND (l.expires_at, l.job_id) > ($4, $5)"
			 "  AND ($1 IS NULL OR j.queue_id = ANY ($1))"
			 "  AND ($3 IS NULL OR j.owner = $3 OR EXISTS"
			 "   (SELECT FROM asyncjob.queue_worker w WHERE w.queue_id = j.queue_id"
			 "     AND pg_has_role($3, w.role, 'USAGE')))"
			 " ORDER BY l.expires_at, l.job_id LIMIT $2",
			 INT4ARRAYOID, INT4OID, OIDOID, TIMESTAMPTZOID, INT8OID);

/* is it no branch, or its parent not locked by others, and so by us now? */
AJ_STATEMENT(lock_parent_if_free,
			 "SELECT c.item_no IS NULL OR (SELECT p.id FROM asyncjob.job p"
			 "  WHERE p.id = c.parent_id FOR UPDATE SKIP LOCKED) IS NOT NULL"
			 " FROM asyncjob.job c WHERE c.id = $1",
			 INT8OID);

AJ_STATEMENT(lock_if_free,
			 "SELECT " AJ_JOB_COLUMNS ", j.state::text,"
			 " coalesce(j.worker_id, 0), q.name, j.cancel_requested"
			 " FROM asyncjob.job j JOIN asyncjob.queue q ON q.id = j.queue_id"
			 " WHERE j.id = $1 FOR UPDATE OF j SKIP LOCKED",
			 INT8OID);

AJ_STATEMENT(read_lease,
			 "SELECT l.token, l.role FROM asyncjob.lease l"
			 " WHERE l.job_id = $1 AND l.expires_at <= clock_timestamp()",
			 INT8OID);

AJ_STATEMENT(hand_over,
			 "UPDATE asyncjob.job SET state = 'queued', worker_id = NULL,"
			 " external = $3, suspect = false,"
			 " run_at = least(run_at, clock_timestamp())"
			 " WHERE id = $1 AND worker_id = $2 AND state = 'running'"
			 " AND NOT cancel_requested RETURNING run_at",
			 INT8OID, INT8OID, BOOLOID);

AJ_STATEMENT(pipeline_of,
			 "SELECT j.pipeline_id FROM asyncjob.job j WHERE j.id = $1", INT8OID);

AJ_STATEMENT(offer,
			 "UPDATE asyncjob.job SET external = true WHERE id = $1", INT8OID);

/*
 * Queues with ready external jobs of which somebody wants to hear: those in
 * the set $1 and those with jobs that fell due since $2.  And when the next
 * job falls due.
 */
AJ_STATEMENT(ready_queues,
			 "WITH RECURSIVE lane AS ("
			 " (SELECT j.queue_id, j.owner, j.priority FROM asyncjob.job j"
			 "   WHERE j.state = 'queued' AND j.external"
			 "   ORDER BY j.queue_id, j.owner, j.priority LIMIT 1)"
			 " UNION ALL"
			 " SELECT n.queue_id, n.owner, n.priority FROM lane l"
			 "  CROSS JOIN LATERAL"
			 "  (SELECT j.queue_id, j.owner, j.priority FROM asyncjob.job j"
			 "    WHERE j.state = 'queued' AND j.external"
			 "      AND (j.queue_id, j.owner, j.priority)"
			 "        > (l.queue_id, l.owner, l.priority)"
			 "    ORDER BY j.queue_id, j.owner, j.priority LIMIT 1) n)"
			 " SELECT q.name, bool_or(h.run_at <= $3) AND " AJ_QUEUE_OPEN("q")
			 "   AND ((1::bigint << (q.id & 63)) & $1 <> 0 OR bool_or(d.fell_due)),"
			 "  min(f.run_at)"
			 " FROM lane l JOIN asyncjob.queue q ON q.id = l.queue_id"
			 " LEFT JOIN LATERAL"
			 "  (SELECT j.run_at FROM asyncjob.job j"
			 "    WHERE j.state = 'queued' AND j.external"
			 "      AND j.queue_id = l.queue_id AND j.owner = l.owner"
			 "      AND j.priority = l.priority"
			 "    ORDER BY j.run_at LIMIT 1) h ON true"
			 " LEFT JOIN LATERAL"
			 "  (SELECT true AS fell_due FROM asyncjob.job j"
			 "    WHERE j.state = 'queued' AND j.external"
			 "      AND j.queue_id = l.queue_id AND j.owner = l.owner"
			 "      AND j.priority = l.priority"
			 "      AND j.run_at > $2 AND j.run_at <= $3 LIMIT 1) d ON true"
			 " LEFT JOIN LATERAL"
			 "  (SELECT j.run_at FROM asyncjob.job j"
			 "    WHERE j.state = 'queued' AND j.external"
			 "      AND j.queue_id = l.queue_id AND j.owner = l.owner"
			 "      AND j.priority = l.priority AND j.run_at > $3"
			 "    ORDER BY j.run_at LIMIT 1) f ON true"
			 " GROUP BY q.id",
			 INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID);

AJ_STATEMENT(next_expiry,
			 "SELECT min(l.expires_at) FROM asyncjob.lease l WHERE $1", BOOLOID);

AJ_STATEMENT(works_for,
			 "SELECT true FROM asyncjob.queue_worker w WHERE w.queue_id = $1"
			 " AND pg_has_role($2, w.role, 'USAGE') LIMIT 1", INT4OID, OIDOID);

AJ_STATEMENT(add_worker,
			 "INSERT INTO asyncjob.queue_worker VALUES ($1, $2)"
			 " ON CONFLICT DO NOTHING", INT4OID, OIDOID);

AJ_STATEMENT(drop_worker,
			 "DELETE FROM asyncjob.queue_worker WHERE queue_id = $1 AND role = $2",
			 INT4OID, OIDOID);

static Datum
queue_array(const int32 *queues, int n)
{
	Datum	   *ids = palloc((n + 1) * sizeof(Datum));

	for (int i = 0; i < n; i++)
		ids[i] = Int32GetDatum(queues[i]);
	return PointerGetDatum(construct_array(ids, n, INT4OID, 4, true, 'i'));
}

/*
 * Lanes with ready external jobs that the caller may claim, the most urgent
 * first, in the memory context of the call.
 */
int
aj_queue_external_lanes(const AjCaller *caller, const int32 *queues, int n,
						AjExternalLane **lanes)
{
	Datum		values[3] = {ObjectIdGetDatum(caller->role),
		queue_array(queues, n),
	TimestampTzGetDatum(GetCurrentTimestamp())};
	int			found = aj_execute(&find_lanes, values, NULL, 0);
	bool		isnull;

	*lanes = palloc((found + 1) * sizeof(AjExternalLane));
	for (int i = 0; i < found; i++)
	{
		(*lanes)[i].queue_id = DatumGetInt32(aj_value(i, 1, &isnull));
		(*lanes)[i].owner = DatumGetObjectId(aj_value(i, 2, &isnull));
		(*lanes)[i].priority = DatumGetInt16(aj_value(i, 3, &isnull));
	}
	return found;
}

static int
compare_held(const void *a, const void *b)
{
	const AjHeld *ha = a,
			   *hb = b;
	AjPlace		pa = {ha->job.run_at, ha->job.id},
				pb = {hb->job.run_at, hb->job.id};

	return aj_place_before(pa, pb) ? -1 : 1;
}

/*
 * Claim up to max jobs of a lane.  held has room for them; what it points to
 * lives in the memory context of the call.
 */
int
aj_queue_claim_external(const AjCaller *caller, const AjExternalLane *lane,
						int max, TimestampTz expires_at, AjHeld *held)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		values[7];
	char		nulls[8] = "       ";
	bool		isnull;
	int			n;

	values[0] = ObjectIdGetDatum(lane->owner);
	values[1] = Int32GetDatum((int) caller->filter);
	values[2] = Int32GetDatum(lane->queue_id);
	values[3] = Int16GetDatum(lane->priority);
	values[4] = Int64GetDatum(max);
	values[5] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[6] = aj_text_or_null(caller->user_id, &nulls[6]);
	if (aj_any_pipeline_paused())
	{
		AjLaneKey	key = {MyDatabaseId, lane->owner, lane->queue_id, lane->priority};
		AjPlace		start = {DT_NOBEGIN, 0};

		while (aj_queue_set_aside(&key, GetCurrentTimestamp(), start, true) == AJ_ASIDE_MAX)
			;
	}
	n = aj_execute(&claim, values, nulls, 0);
	for (int i = 0; i < n; i++)
	{
		aj_queue_read_job(i, &held[i].job, context);
		held[i].token = DatumGetInt64(aj_value(i, AJ_JOB_NCOLUMNS + 1, &isnull));
		held[i].queue = TextDatumGetCString(aj_value(i, AJ_JOB_NCOLUMNS + 2, &isnull));
	}
	qsort(held, n, sizeof(AjHeld), compare_held);
	for (int i = 0; i < n; i++)
	{
		values[0] = Int64GetDatum(held[i].job.id);
		values[1] = Int64GetDatum(held[i].token);
		values[2] = ObjectIdGetDatum(caller->role);
		values[3] = TimestampTzGetDatum(expires_at);
		aj_execute(&add_lease, values, NULL, 0);
		aj_queue_note_start(&held[i].job);
		aj_limits_started(held[i].job.queue_id, held[i].job.id,
						  GetCurrentTimestamp());
	}
	return n;
}

/* The job that a locking statement returned: is it held under this token? */
static bool
read_held(int64 token, AjHeld *held, AjHolder *holder, MemoryContext context)
{
	char	   *state;
	bool		isnull;

	aj_queue_read_job(0, &held->job, context);
	held->token = token;
	state = TextDatumGetCString(aj_value(0, AJ_JOB_NCOLUMNS + 1, &isnull));
	holder->worker_id = DatumGetInt64(aj_value(0, AJ_JOB_NCOLUMNS + 2, &isnull));
	held->queue = MemoryContextStrdup(context,
									  TextDatumGetCString(aj_value(0, AJ_JOB_NCOLUMNS + 3, &isnull)));
	holder->cancelled = DatumGetBool(aj_value(0, AJ_JOB_NCOLUMNS + 4, &isnull));
	holder->state = AJ_QUEUED;
	while (strcmp(aj_state_names[holder->state], state) != 0)
		holder->state++;
	/* the worker_id of our own workers is above 0 */
	return token > 0 && holder->state == AJ_RUNNING && holder->worker_id == -token;
}

/*
 * Lock a job that the caller may work for; raises the error of an unknown job
 * if there is none.  Returns whether it is held under this token.
 */
bool
aj_queue_lock_leased(const AjCaller *caller, int64 job_id, int64 token,
					 AjHeld *held, AjHolder *holder)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		values[4];
	char		nulls[5] = "    ";

	values[0] = ObjectIdGetDatum(caller->role);
	values[1] = Int32GetDatum((int) caller->filter);
	values[2] = aj_text_or_null(caller->user_id, &nulls[2]);
	values[3] = Int64GetDatum(job_id);
	if (aj_execute(&lock_job, values, nulls, 0) == 0)
		aj_unknown_job(job_id);
	if (!read_held(token, held, holder, context))
		return false;

	/* with the job that it is a step of: its worker is to stop */
	if (holder->cancelled)
		holder->state = AJ_CANCELLED;
	return !holder->cancelled;
}

void
aj_queue_extend_lease(int64 job_id, int64 token, TimestampTz expires_at,
					  double progress, bool no_progress, const char *message)
{
	Datum		values[5] = {Int64GetDatum(job_id), Int64GetDatum(token),
	TimestampTzGetDatum(expires_at), Float8GetDatum(progress)};
	char		nulls[6] = "     ";

	if (no_progress)
		nulls[3] = 'n';
	values[4] = aj_text_or_null(message, &nulls[4]);
	aj_execute(&extend_lease, values, nulls, 0);
}

/* Remove a job's lease; returns since when it was held, 0 if it wasn't. */
TimestampTz
aj_queue_drop_lease(int64 job_id)
{
	Datum		values[1] = {Int64GetDatum(job_id)};
	bool		isnull;

	if (aj_execute(&drop_lease, values, NULL, 0) == 0)
		return 0;
	return DatumGetTimestampTz(aj_value(0, 1, &isnull));
}

/* Name of a queue, in the memory context of the call. */
char *
aj_queue_name(int32 queue_id)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		values[1] = {Int32GetDatum(queue_id)};
	bool		isnull;

	if (aj_execute(&queue_name, values, NULL, 0) == 0)
		return NULL;
	return MemoryContextStrdup(context,
							   TextDatumGetCString(aj_value(0, 1, &isnull)));
}

/*
 * The next max jobs whose leases have expired, of these queues or (NULL) of
 * all, that a role or (0) anybody may work for, after a place, which is then
 * that of the last.
 */
int
aj_queue_expired(const int32 *queues, int n, Oid role, int max, AjLeasePlace *after,
				 int64 **ids)
{
	Datum		values[5] = {0, Int32GetDatum(max), ObjectIdGetDatum(role),
		TimestampTzGetDatum(after->expires_at),
	Int64GetDatum(after->job_id)};
	char		nulls[6] = "     ";
	bool		isnull;
	int			found;

	if (queues != NULL)
		values[0] = queue_array(queues, n);
	else
		nulls[0] = 'n';
	if (!OidIsValid(role))
		nulls[2] = 'n';
	found = aj_execute(&expired, values, nulls, 0);
	*ids = palloc((found + 1) * sizeof(int64));
	for (int i = 0; i < found; i++)
		(*ids)[i] = DatumGetInt64(aj_value(i, 1, &isnull));
	if (found > 0)
	{
		after->job_id = (*ids)[found - 1];
		after->expires_at = DatumGetTimestampTz(aj_value(found - 1, 2, &isnull));
	}
	return found;
}

/*
 * Lock such a job, unless somebody else has.  Returns whether it is still held
 * under a lease that has expired; one that means nothing any more is removed.
 */
bool
aj_queue_lock_expired(int64 job_id, AjHeld *held, Oid *role)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		values[1] = {Int64GetDatum(job_id)};
	AjHolder	holder;
	bool		isnull;

	if (aj_execute(&lock_parent_if_free, values, NULL, 0) == 0 ||
		!DatumGetBool(aj_value(0, 1, &isnull)) ||
		aj_execute(&lock_if_free, values, NULL, 0) == 0)
		return false;
	(void) read_held(0, held, &holder, context);

	/* with the row locked nobody can extend it */
	if (aj_execute(&read_lease, values, NULL, 0) == 0)
		return false;
	held->token = DatumGetInt64(aj_value(0, 1, &isnull));
	*role = DatumGetObjectId(aj_value(0, 2, &isnull));
	if (holder.state == AJ_RUNNING && holder.worker_id == -held->token)
		return true;
	(void) aj_queue_drop_lease(job_id);
	return false;
}

/*
 * Where nothing is preloaded, a job that is queued again may have to be got
 * going by claim().  Returns whether it is offered to external workers.
 */
bool
aj_queue_offer(int64 job_id)
{
	Datum		values[1] = {Int64GetDatum(job_id)};
	const AjPipeline *pipeline;
	bool		isnull;

	if (aj_shared != NULL || aj_execute(&pipeline_of, values, NULL, 0) == 0)
		return false;
	pipeline = aj_pipeline_get(DatumGetInt32(aj_value(0, 1, &isnull)));
	return pipeline != NULL && aj_pipeline_may_go_outside(pipeline) &&
		aj_execute(&offer, values, NULL, 0) > 0;
}

/*
 * Queue a running job for its next step: an external one, or one of our own
 * workers'.  Returns false if it was cancelled or is not this worker's any
 * more.
 */
bool
aj_queue_hand_over(AjJob *job, int64 worker_id, bool external)
{
	Datum		values[3] = {Int64GetDatum(job->id), Int64GetDatum(worker_id),
	BoolGetDatum(external)};
	bool		isnull;

	if (aj_execute(&hand_over, values, NULL, 0) != 1)
		return false;
	job->run_at = DatumGetTimestampTz(aj_value(0, 1, &isnull));
	return true;
}

/*
 * Names of the queues whose external workers should hear of ready jobs: new
 * ones in the queues of a set, or jobs that fell due since a time.  And when
 * to look again, 0 if nothing falls due or expires.
 */
void
aj_queue_external_ready(uint64 queues, TimestampTz since, List **names,
						TimestampTz *next)
{
	MemoryContext context = CurrentMemoryContext,
				old;
	Datum		values[3] = {Int64GetDatum((int64) queues),
		TimestampTzGetDatum(since),
	TimestampTzGetDatum(GetCurrentTimestamp())};
	Datum		always[1] = {BoolGetDatum(true)};
	int			n = aj_execute(&ready_queues, values, NULL, 0);
	bool		isnull;

	*names = NIL;
	*next = 0;
	old = MemoryContextSwitchTo(context);
	for (int i = 0; i < n; i++)
	{
		Datum		due = aj_value(i, 3, &isnull);

		if (!isnull && (*next == 0 || DatumGetTimestampTz(due) < *next))
			*next = DatumGetTimestampTz(due);
		if (DatumGetBool(aj_value(i, 2, &isnull)))
			*names = lappend(*names, TextDatumGetCString(aj_value(i, 1, &isnull)));
	}
	MemoryContextSwitchTo(old);
	if (aj_execute(&next_expiry, always, NULL, 0) > 0)
	{
		Datum		expiry = aj_value(0, 1, &isnull);

		if (!isnull && (*next == 0 || DatumGetTimestampTz(expiry) < *next))
			*next = DatumGetTimestampTz(expiry);
	}
}

void
aj_queue_grant_worker(int32 queue_id, Oid role, bool grant)
{
	Datum		values[2] = {Int32GetDatum(queue_id), ObjectIdGetDatum(role)};

	aj_execute(grant ? &add_worker : &drop_worker, values, NULL, 0);
}

/* May a role work for everybody whose jobs are in a queue? */
bool
aj_queue_works_for(int32 queue_id, Oid role)
{
	Datum		values[2] = {Int32GetDatum(queue_id), ObjectIdGetDatum(role)};

	return aj_execute(&works_for, values, NULL, 0) > 0;
}
