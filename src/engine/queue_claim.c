/*-------------------------------------------------------------------------
 *
 * queue_claim.c
 *		Statements that find a job and claim it.
 *
 * A claim goes lane by lane.  A lane is one owner, queue and priority; its
 * ready jobs stand next to each other in job_ready_idx, by due time, then id.
 * A worker knows its owner's lanes, and where in them the living entries
 * begin, from shared memory (lanes.c); drain(), and everybody where that table
 * is full, skips from one lane to the next in the index.  So jobs of other
 * roles, of paused queues, and jobs that are not due are never walked over.
 * From the most urgent lane one job, or many for a batch, is locked with SKIP
 * LOCKED.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "lanes.h"
#include "lanes_here.h"
#include "limits.h"
#include "pause.h"
#include "queue.h"
#include "queue_pause.h"
#include "scope.h"
#include "seal.h"
#include "shmem.h"

AJ_STATEMENT(find_lanes,
			 "WITH RECURSIVE lane AS ("
			 " (SELECT j.queue_id, j.priority FROM asyncjob.job j"
			 "   WHERE j.state = 'queued' AND NOT j.external AND j.owner = $1"
			 "   ORDER BY j.queue_id, j.priority LIMIT 1)"
			 " UNION ALL"
			 " SELECT n.queue_id, n.priority FROM lane l CROSS JOIN LATERAL"
			 "  (SELECT j.queue_id, j.priority FROM asyncjob.job j"
			 "    WHERE j.state = 'queued' AND NOT j.external AND j.owner = $1"
			 "      AND (j.queue_id, j.priority) > (l.queue_id, l.priority)"
			 "    ORDER BY j.queue_id, j.priority LIMIT 1) n)"
			 " SELECT l.queue_id, l.priority, h.run_at, h.id FROM lane l"
			 " JOIN asyncjob.queue q ON q.id = l.queue_id AND " AJ_QUEUE_OPEN("q")
			 " CROSS JOIN LATERAL"
			 "  (SELECT j.run_at, j.id FROM asyncjob.job j"
			 "    WHERE j.state = 'queued' AND NOT j.external AND j.owner = $1"
			 "      AND j.queue_id = l.queue_id AND j.priority = l.priority"
			 "      AND j.run_at <= $2"
			 "    ORDER BY j.run_at, j.id LIMIT 1) h"
			 " ORDER BY l.priority DESC, h.run_at, h.id",
			 OIDOID, TIMESTAMPTZOID);

/*
 * The queue, $2, isn't paused, and if it has limits the job has a place, or is
 * a branch of one that has.  The first EXISTS stands for itself, so that it is
 * evaluated once and no row of a paused queue is looked at; the second is
 * evaluated once, too, and the third only where that says no.
 */
#define MAY_START(j) \
	" EXISTS (SELECT FROM asyncjob.queue q" \
	"   WHERE q.id = $2 AND " AJ_QUEUE_OPEN("q") ")" \
	" AND (EXISTS (SELECT FROM asyncjob.queue q" \
	"    WHERE q.id = $2 AND NOT q.gated)" \
	"  OR " j ".item_no IS NOT NULL" \
	"  OR EXISTS (SELECT FROM asyncjob.place p WHERE p.job_id = " j ".id))"

/*
 * The subquery must be a scalar one, which runs once.  As a table of a join
 * it may become the inner side of a nested loop, and would lock another job
 * for each row of the outer side.
 */
#define CLAIM_IN_LANE(more) \
	"UPDATE asyncjob.job j SET state = 'running', worker_id = $5," \
	" started_at = coalesce(j.started_at, $4), seq = j.seq + 1" \
	" WHERE j.id = (SELECT c.id FROM asyncjob.job c" \
	"  WHERE c.state = 'queued' AND NOT c.external" \
	"    AND c.owner = $1 AND c.queue_id = $2" \
	"    AND c.priority = $3 AND c.run_at <= $4" \
	"    AND (c.run_at, c.id) >= ($6, $7)" \
	"    AND" MAY_START("c") more \
	"  ORDER BY c.run_at, c.id LIMIT 1 FOR UPDATE SKIP LOCKED)" \
	" RETURNING " AJ_JOB_COLUMNS

/* locked, but not marked: they end in this transaction or stay queued */
#define LOCK_IN_LANE(more) \
	"SELECT " AJ_JOB_COLUMNS " FROM asyncjob.job j" \
	" WHERE j.state = 'queued' AND NOT j.external" \
	"   AND j.owner = $1 AND j.queue_id = $2" \
	"   AND j.priority = $3 AND j.run_at <= $4" \
	"   AND (j.run_at, j.id) >= ($6, $7)" \
	"   AND" MAY_START("j") more \
	" ORDER BY j.run_at, j.id LIMIT $5 FOR UPDATE SKIP LOCKED"

/* the second of each while any pipeline is paused (pause.c) */
AJ_STATEMENT(claim_in_lane, CLAIM_IN_LANE(""),
			 OIDOID, INT4OID, INT2OID, TIMESTAMPTZOID, INT8OID,
			 TIMESTAMPTZOID, INT8OID);
AJ_STATEMENT(claim_open_in_lane, CLAIM_IN_LANE(" AND " AJ_PIPELINE_OPEN("c")),
			 OIDOID, INT4OID, INT2OID, TIMESTAMPTZOID, INT8OID,
			 TIMESTAMPTZOID, INT8OID);
AJ_STATEMENT(lock_in_lane, LOCK_IN_LANE(""),
			 OIDOID, INT4OID, INT2OID, TIMESTAMPTZOID, INT8OID,
			 TIMESTAMPTZOID, INT8OID);
AJ_STATEMENT(lock_open_in_lane, LOCK_IN_LANE(" AND " AJ_PIPELINE_OPEN("j")),
			 OIDOID, INT4OID, INT2OID, TIMESTAMPTZOID, INT8OID,
			 TIMESTAMPTZOID, INT8OID);

/* when drain() has to put its clock to */
AJ_STATEMENT(next_due,
			 "SELECT min(j.run_at) FROM asyncjob.job j"
			 " JOIN asyncjob.queue q ON q.id = j.queue_id AND " AJ_QUEUE_OPEN("q")
			 " WHERE (j.state = 'queued' OR j.state = 'waiting' AND j.limit_group < "
			 AJ_PAUSE_GROUPS ") AND NOT j.external AND j.owner = $1"
			 " AND j.run_at > $2 AND " AJ_PIPELINE_OPEN("j"),
			 OIDOID, TIMESTAMPTZOID);

/* the first job of a lane from a place on, due or not */
AJ_STATEMENT(find_head,
			 "SELECT j.run_at, j.id FROM asyncjob.job j"
			 " WHERE j.state = 'queued' AND NOT j.external"
			 "   AND j.owner = $1 AND j.queue_id = $2"
			 "   AND j.priority = $3 AND (j.run_at, j.id) >= ($4, $5)"
			 " ORDER BY j.run_at, j.id LIMIT 1",
			 OIDOID, INT4OID, INT2OID, TIMESTAMPTZOID, INT8OID);

AJ_STATEMENT(claim_locked,
			 "UPDATE asyncjob.job SET state = 'running', worker_id = $2,"
			 " started_at = coalesce(started_at, $3), seq = seq + 1"
			 " WHERE id = $1",
			 INT8OID, INT8OID, TIMESTAMPTZOID);

AJ_STATEMENT(claim_alone,
			 "UPDATE asyncjob.job j SET state = 'running', worker_id = $3,"
			 " seq = j.seq + 1"
			 " WHERE j.id = $1 AND j.owner = $2 AND j.state = 'waiting'"
			 " AND j.suspect RETURNING " AJ_JOB_COLUMNS,
			 INT8OID, OIDOID, INT8OID);

/*
 * For those who hold the job in their own transaction.  run() is somebody's
 * own will and $2; asyncjob.synchronous stands for a worker.
 */
AJ_STATEMENT(take,
			 "UPDATE asyncjob.job j SET state = 'running', worker_id = 0,"
			 " started_at = coalesce(j.started_at, clock_timestamp()),"
			 " seq = j.seq + 1"
			 " WHERE j.id = $1 AND j.state = 'queued' AND ($2 OR"
			 "  EXISTS (SELECT FROM asyncjob.queue q WHERE q.id = j.queue_id AND "
			 AJ_QUEUE_OPEN("q") ") AND " AJ_PIPELINE_OPEN("j") ")"
			 " RETURNING " AJ_JOB_COLUMNS,
			 INT8OID, BOOLOID);

/*
 * Fill in a job from a row of AJ_JOB_COLUMNS, in the caller's memory context.
 * If its params can't be decrypted, job->locked says why.
 */
void
aj_queue_read_job(int row, AjJob *job, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	bool		isnull;
	Datum		value;

	job->id = DatumGetInt64(aj_value(row, 1, &isnull));
	job->owner = DatumGetObjectId(aj_value(row, 2, &isnull));
	job->pipeline_id = DatumGetInt32(aj_value(row, 3, &isnull));
	job->step_no = DatumGetInt16(aj_value(row, 4, &isnull));
	job->failures = DatumGetInt16(aj_value(row, 5, &isnull));
	job->free_retries = DatumGetInt16(aj_value(row, 6, &isnull));
	job->crashes = DatumGetInt16(aj_value(row, 7, &isnull));
	job->seq = DatumGetInt32(aj_value(row, 8, &isnull));
	value = aj_value(row, 9, &isnull);
	job->session_id = isnull ? NULL : TextDatumGetCString(value);
	value = aj_value(row, 10, &isnull);
	job->user_id = isnull ? NULL : TextDatumGetCString(value);
	value = aj_value(row, 11, &isnull);
	job->params = DatumGetJsonbPCopy(value);
	job->alone = DatumGetBool(aj_value(row, 12, &isnull));
	job->queue_id = DatumGetInt32(aj_value(row, 13, &isnull));
	job->priority = DatumGetInt16(aj_value(row, 14, &isnull));
	job->run_at = DatumGetTimestampTz(aj_value(row, 15, &isnull));
	value = aj_value(row, 16, &isnull);
	job->parent_id = isnull ? 0 : DatumGetInt64(value);
	value = aj_value(row, 17, &isnull);
	job->item_no = isnull ? -1 : DatumGetInt32(value);
	aj_job_open_params(job);
	MemoryContextSwitchTo(old);
}

/*
 * A job was started.  The first start is read off the job's row; any later
 * one is written down.
 */
void
aj_queue_note_start(AjJob *job)
{
	if (job->seq > 2)
		aj_queue_add_update(job->id, job->seq, GetCurrentTimestamp(), "state",
							"running", job->step_no, NULL, NULL, NULL);
}

/* Order of lanes: the most urgent first, then the one with the oldest job. */
static int
compare_lanes(const void *a, const void *b)
{
	const AjLaneView *la = a,
			   *lb = b;

	if (la->key.priority != lb->key.priority)
		return la->key.priority > lb->key.priority ? -1 : 1;
	return aj_place_before(la->floor, lb->floor) ? -1 : 1;
}

/* Lanes with jobs that are due by a time, and their heads. */
static int
skip_through(Oid owner, TimestampTz by, AjLaneView **views)
{
	Datum		values[2] = {ObjectIdGetDatum(owner), TimestampTzGetDatum(by)};
	int			n = aj_execute(&find_lanes, values, NULL, 0);

	*views = palloc0((n + 1) * sizeof(AjLaneView));
	for (int i = 0; i < n; i++)
	{
		AjLaneView *view = &(*views)[i];
		bool		isnull;

		view->key.dbid = MyDatabaseId;
		view->key.owner = owner;
		view->key.queue_id = DatumGetInt32(aj_value(i, 1, &isnull));
		view->key.priority = DatumGetInt16(aj_value(i, 2, &isnull));
		view->index = -1;
		view->floor.run_at = DatumGetTimestampTz(aj_value(i, 3, &isnull));
		view->floor.id = DatumGetInt64(aj_value(i, 4, &isnull));
	}
	return n;
}

/* The lanes that drain() remembers; at first those of the index. */
static int
remembered_lanes(AjLanesHere *here, AjLaneView **views)
{
	if (!here->known)
	{
		int			n = skip_through(here->owner, DT_NOEND, views);

		for (int i = 0; i < n; i++)
			aj_lane_here_add(here, &(*views)[i]);
		here->known = true;
	}
	*views = palloc((here->nlanes + 1) * sizeof(AjLaneView));
	memcpy(*views, here->lanes, here->nlanes * sizeof(AjLaneView));
	return here->nlanes;
}

/*
 * This owner's lanes that may have ready jobs, the most urgent first.  A
 * worker knows them from shared memory, drain() remembers them, others skip
 * through the index.
 */
static int
find_ready_lanes(Oid owner, TimestampTz now, AjLaneView **views)
{
	AjLanesHere *here = aj_lanes_here(owner);
	int			all,
				n = 0;

	if (here != NULL)
		all = remembered_lanes(here, views);
	else if (aj_my_slot != NULL && aj_lanes_complete())
		all = aj_lanes_list(MyDatabaseId, owner, views);
	else
		return skip_through(owner, now, views);

	for (int i = 0; i < all; i++)
	{
		if ((*views)[i].floor.run_at <= now)
			(*views)[n++] = (*views)[i];
	}
	qsort(*views, n, sizeof(AjLaneView), compare_lanes);
	return n;
}

/*
 * Begin to look for jobs of a lane, and where nothing could be taken, find
 * out from where on there is something.
 */
static void
lane_values(Oid owner, const AjLaneView *lane, Datum *values, AjPlace *floor)
{
	*floor = lane->index >= 0 ? aj_lane_scan_begin(lane) : lane->floor;
	values[0] = ObjectIdGetDatum(owner);
	values[1] = Int32GetDatum(lane->key.queue_id);
	values[2] = Int16GetDatum(lane->key.priority);
}

/*
 * While any pipeline is paused: set its jobs at the head of a lane aside.
 * Returns false where there may be more of them, and the lane has to wait.
 */
static bool
clear_head(Oid owner, const AjLaneView *lane, TimestampTz now, AjPlace floor)
{
	AjLaneKey	key = {MyDatabaseId, owner, lane->key.queue_id, lane->key.priority};

	while (aj_queue_set_aside(&key, now, floor, false) == AJ_ASIDE_MAX)
	{
		if (aj_my_slot != NULL)
		{
			SetLatch(MyLatch);	/* after the commit of what we have done */
			return false;
		}
	}
	return true;
}

static AjPlace
find_place(Datum *values, AjPlace floor)
{
	AjPlace		place = {DT_NOEND, 0};
	bool		isnull;

	values[3] = TimestampTzGetDatum(floor.run_at);
	values[4] = Int64GetDatum(floor.id);
	if (aj_execute(&find_head, values, NULL, 0) > 0)
	{
		place.run_at = DatumGetTimestampTz(aj_value(0, 1, &isnull));
		place.id = DatumGetInt64(aj_value(0, 2, &isnull));
	}
	return place;
}

/* The coordinator's look at a lane: place of its first job, due or not. */
AjPlace
aj_queue_lane_head(const AjLaneView *lane)
{
	Datum		values[5];
	AjPlace		floor,
				head;

	lane_values(lane->key.owner, lane, values, &floor);
	head = find_place(values, floor);
	aj_lane_scan_end(lane->index, &head);
	return head;
}

/*
 * Claim this owner's most urgent ready job.  The result lives in the memory
 * context of the call.
 */
bool
aj_queue_claim(Oid owner, int64 worker_id, AjJob *job)
{
	TimestampTz now = aj_now();
	bool		paused = aj_any_pipeline_paused();
	AjLaneView *lanes;
	int			nlanes = find_ready_lanes(owner, now, &lanes);
	AjLanesHere *here = aj_lanes_here(owner);

	for (int i = 0; i < nlanes; i++)
	{
		Datum		values[7];
		AjPlace		floor,
					reached;
		bool		claimed = false;

		lane_values(owner, &lanes[i], values, &floor);
		values[3] = TimestampTzGetDatum(now);
		values[4] = Int64GetDatum(worker_id);
		values[5] = TimestampTzGetDatum(floor.run_at);
		values[6] = Int64GetDatum(floor.id);
		if (!paused)
			claimed = aj_execute(&claim_in_lane, values, NULL, 0) == 1;
		else if (clear_head(owner, &lanes[i], now, floor))
			claimed = aj_execute(&claim_open_in_lane, values, NULL, 0) == 1;
		if (claimed)
		{
			aj_queue_read_job(0, job, CurrentMemoryContext);
			reached.run_at = job->run_at;
			reached.id = job->id;
		}
		else if (lanes[i].index >= 0)
			reached = find_place(values, floor);	/* others hold what is
													 * ready */
		if (lanes[i].index >= 0)
			aj_lane_scan_end(lanes[i].index, &reached);
		else if (here != NULL)
			aj_lane_here_reached(here, &lanes[i].key,
								 find_place(values, claimed ? reached : floor));
		if (claimed)
		{
			aj_queue_note_start(job);
			aj_limits_started(job->queue_id, job->id, now);
			return true;
		}
	}
	return false;
}

/*
 * Lock up to max of this owner's most urgent ready jobs, all of one lane.
 * They stay queued; the caller ends them in this transaction, claims one with
 * aj_queue_claim_locked(), or lets go of them, and then has to say so by
 * aj_queue_let_go().  Returns an array in the memory context of the call.
 */
AjJob *
aj_queue_lock_many(Oid owner, int max, int *n)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		paused = aj_any_pipeline_paused();
	AjLaneView *lanes;
	int			nlanes = find_ready_lanes(owner, now, &lanes);

	*n = 0;
	for (int i = 0; i < nlanes; i++)
	{
		Datum		values[7];
		AjPlace		floor,
					reached;
		AjJob	   *jobs = NULL;

		lane_values(owner, &lanes[i], values, &floor);
		values[3] = TimestampTzGetDatum(now);
		values[4] = Int64GetDatum(max);
		values[5] = TimestampTzGetDatum(floor.run_at);
		values[6] = Int64GetDatum(floor.id);
		if (!paused)
			*n = aj_execute(&lock_in_lane, values, NULL, 0);
		else if (clear_head(owner, &lanes[i], now, floor))
			*n = aj_execute(&lock_open_in_lane, values, NULL, 0);
		if (*n > 0)
		{
			jobs = palloc0(*n * sizeof(AjJob));
			for (int j = 0; j < *n; j++)
				aj_queue_read_job(j, &jobs[j], CurrentMemoryContext);

			/* others need not look at what is ours */
			reached.run_at = jobs[*n - 1].run_at;
			reached.id = jobs[*n - 1].id;
		}
		else if (lanes[i].index >= 0)
			reached = find_place(values, floor);
		if (lanes[i].index >= 0)
			aj_lane_scan_end(lanes[i].index, &reached);
		if (*n > 0)
			return jobs;
	}
	return NULL;
}

/*
 * This job can be claimed again, by anybody: after the commit or rollback of
 * the transaction that held it.
 */
void
aj_queue_let_go(const AjJob *job)
{
	AjLaneKey	lane = {MyDatabaseId, job->owner, job->queue_id, job->priority};
	AjPlace		place = {job->run_at, job->id};

	aj_lane_ready(&lane, place);
}

/* Mark one of the locked jobs running. */
void
aj_queue_claim_locked(AjJob *job, int64 worker_id)
{
	Datum		values[3] = {Int64GetDatum(job->id), Int64GetDatum(worker_id),
	TimestampTzGetDatum(GetCurrentTimestamp())};

	aj_execute(&claim_locked, values, NULL, 0);
	job->seq++;
	aj_queue_note_start(job);
	aj_limits_started(job->queue_id, job->id, GetCurrentTimestamp());
}

/* Claim the one job that is to run alone after a server crash. */
bool
aj_queue_claim_alone(int64 job_id, Oid owner, int64 worker_id, AjJob *job)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		values[3];

	values[0] = Int64GetDatum(job_id);
	values[1] = ObjectIdGetDatum(owner);
	values[2] = Int64GetDatum(worker_id);
	if (aj_execute(&claim_alone, values, NULL, 0) != 1)
		return false;
	aj_queue_read_job(0, job, context);
	aj_queue_note_start(job);
	aj_limits_started(job->queue_id, job->id, GetCurrentTimestamp());
	return true;
}

/*
 * Take a certain queued job in the caller's own transaction, paused or not if
 * it is so wished.
 */
bool
aj_queue_take(int64 job_id, bool anyway, AjJob *job)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		values[2] = {Int64GetDatum(job_id), BoolGetDatum(anyway)};

	if (aj_execute(&take, values, NULL, 0) != 1)
		return false;
	aj_queue_read_job(0, job, context);
	aj_queue_note_start(job);
	return true;
}

/* When the next job of a role falls due after this; DT_NOEND: none will. */
TimestampTz
aj_queue_next_due(Oid owner, TimestampTz after)
{
	Datum		values[2] = {ObjectIdGetDatum(owner), TimestampTzGetDatum(after)};
	bool		isnull;
	Datum		due;

	aj_execute(&next_due, values, NULL, 0);
	due = aj_value(0, 1, &isnull);
	return isnull ? DT_NOEND : DatumGetTimestampTz(due);
}
