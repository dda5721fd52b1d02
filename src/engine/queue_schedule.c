/*-------------------------------------------------------------------------
 *
 * queue_schedule.c
 *		Statements about schedules and their runs.
 *
 * Whoever submits for a schedule locks its row first (take_due,
 * take_pending), stepping over those that somebody else has, and puts a row
 * for the due time into schedule_run before it submits.  The lock is why two
 * at once don't get in each other's way, the row's primary key why a due time
 * has one job, whatever happens.
 *
 * Locks: the schedule's row, then those of its runs.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "queue_schedule.h"
#include "scope.h"

/* of so many latest runs the jobs count as those that may not have ended */
#define RECENT	"100"

const char *const aj_catch_up_names[] = {"none", "one", "all"};

static const char *const run_states[] = {
	"pending", "submitted", "skipped", "refused"
};

#define COLUMNS \
	" s.id, s.owner, s.name, s.cron, s.time_zone, s.pipeline, s.params," \
	" s.queue, s.priority, s.user_id, s.concurrency_key, s.overlap," \
	" s.catch_up, s.catch_up_limit, s.paused, s.next_at"

#define UNFINISHED(id) \
	"SELECT j.id FROM asyncjob.job j WHERE j.id = ANY (ARRAY(" \
	"  SELECT r.job_id FROM asyncjob.schedule_run r" \
	"  WHERE r.schedule_id = " id " AND r.job_id IS NOT NULL" \
	"  ORDER BY r.due_at DESC LIMIT " RECENT "))" \
	" AND j.state IN ('queued', 'running', 'waiting')"

AJ_STATEMENT(find,
			 "SELECT" COLUMNS " FROM asyncjob.schedule s"
			 " WHERE s.owner = $1 AND s.name = $2 FOR UPDATE",
			 OIDOID, TEXTOID);

AJ_STATEMENT(add,
			 "INSERT INTO asyncjob.schedule (owner, name, cron, time_zone,"
			 " pipeline, params, queue, priority, user_id, concurrency_key,"
			 " overlap, catch_up, catch_up_limit, next_at)"
			 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,"
			 "  $14)",
			 OIDOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, TEXTOID,
			 INT2OID, TEXTOID, TEXTOID, BOOLOID, TEXTOID, INT4OID,
			 TIMESTAMPTZOID);

AJ_STATEMENT(change,
			 "UPDATE asyncjob.schedule SET cron = $3, time_zone = $4,"
			 " pipeline = $5, params = $6, queue = $7, priority = $8,"
			 " user_id = $9, concurrency_key = $10, overlap = $11,"
			 " catch_up = $12, catch_up_limit = $13, next_at = $14"
			 " WHERE owner = $1 AND name = $2",
			 OIDOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, TEXTOID,
			 INT2OID, TEXTOID, TEXTOID, BOOLOID, TEXTOID, INT4OID,
			 TIMESTAMPTZOID);

AJ_STATEMENT(drop, "DELETE FROM asyncjob.schedule WHERE id = $1", INT8OID);

AJ_STATEMENT(drop_runs,
			 "DELETE FROM asyncjob.schedule_run WHERE schedule_id = $1",
			 INT8OID);

AJ_STATEMENT(set_paused,
			 "UPDATE asyncjob.schedule SET paused = $2,"
			 " next_at = coalesce($3, next_at), problem = $4 WHERE id = $1",
			 INT8OID, BOOLOID, TIMESTAMPTZOID, TEXTOID);

/* those before have been seen to, and their dead entries needn't be walked */
AJ_STATEMENT(take_due,
			 "SELECT" COLUMNS " FROM asyncjob.schedule s"
			 " WHERE NOT s.paused AND s.next_at <= $1"
			 "  AND (s.next_at, s.id) > ($3, $4)"
			 "  AND ($2 = 0 OR s.owner = $2)"
			 " ORDER BY s.next_at, s.id LIMIT 1 FOR UPDATE SKIP LOCKED",
			 TIMESTAMPTZOID, OIDOID, TIMESTAMPTZOID, INT8OID);

/* the oldest after a time and an id that need not wait for a job */
AJ_STATEMENT(take_pending,
			 "SELECT" COLUMNS ", r.due_at FROM asyncjob.schedule_run r"
			 " JOIN asyncjob.schedule s ON s.id = r.schedule_id"
			 " WHERE r.state = 'pending' AND NOT s.paused"
			 "  AND ($1 = 0 OR s.owner = $1)"
			 "  AND (r.due_at, s.id) > ($2, $3)"
			 "  AND (s.overlap OR NOT EXISTS (" UNFINISHED("s.id") "))"
			 " ORDER BY r.due_at, s.id LIMIT 1 FOR UPDATE OF s SKIP LOCKED",
			 OIDOID, TIMESTAMPTZOID, INT8OID);

AJ_STATEMENT(unfinished, UNFINISHED("$1") " ORDER BY j.id DESC LIMIT 1",
			 INT8OID);

AJ_STATEMENT(add_run,
			 "INSERT INTO asyncjob.schedule_run"
			 " (schedule_id, due_at, state, reason) VALUES ($1, $2, $3, $4)"
			 " ON CONFLICT (schedule_id, due_at) DO NOTHING",
			 INT8OID, TIMESTAMPTZOID, TEXTOID, TEXTOID);

AJ_STATEMENT(claim_run,
			 "UPDATE asyncjob.schedule_run SET state = 'submitted',"
			 " at = clock_timestamp(), reason = NULL"
			 " WHERE schedule_id = $1 AND due_at = $2 AND state = 'pending'",
			 INT8OID, TIMESTAMPTZOID);

AJ_STATEMENT(end_run,
			 "UPDATE asyncjob.schedule_run SET state = $3, job_id = nullif($4, 0),"
			 " reason = $5 WHERE schedule_id = $1 AND due_at = $2",
			 INT8OID, TIMESTAMPTZOID, TEXTOID, INT8OID, TEXTOID);

/* a missed run may be caught up on after a later one */
AJ_STATEMENT(note_last,
			 "UPDATE asyncjob.schedule SET"
			 " last_job_id = coalesce(nullif($4, 0), last_job_id),"
			 " last_state = CASE WHEN $2 >= coalesce(last_due_at, $2)"
			 "  THEN $3 ELSE last_state END,"
			 " last_reason = CASE WHEN $2 >= coalesce(last_due_at, $2)"
			 "  THEN $5 ELSE last_reason END,"
			 " last_due_at = greatest(last_due_at, $2)"
			 " WHERE id = $1",
			 INT8OID, TIMESTAMPTZOID, TEXTOID, INT8OID, TEXTOID);

AJ_STATEMENT(count_pending,
			 "SELECT count(*)::integer FROM asyncjob.schedule_run r"
			 " WHERE r.schedule_id = $1 AND r.state = 'pending'",
			 INT8OID);

AJ_STATEMENT(skip_oldest,
			 "UPDATE asyncjob.schedule_run SET state = 'skipped', reason = $3,"
			 " at = clock_timestamp()"
			 " WHERE schedule_id = $1 AND state = 'pending' AND due_at <"
			 "  (SELECT r.due_at FROM asyncjob.schedule_run r"
			 "   WHERE r.schedule_id = $1 AND r.state = 'pending'"
			 "   ORDER BY r.due_at DESC OFFSET $2 - 1 LIMIT 1)",
			 INT8OID, INT4OID, TEXTOID);

AJ_STATEMENT(moved,
			 "UPDATE asyncjob.schedule SET next_at = $2 WHERE id = $1",
			 INT8OID, TIMESTAMPTZOID);

AJ_STATEMENT(forget_runs,
			 "DELETE FROM asyncjob.schedule_run WHERE schedule_id = $1"
			 " AND due_at < $2 AND state <> 'pending'",
			 INT8OID, TIMESTAMPTZOID);

AJ_STATEMENT(next,
			 "SELECT min(s.next_at) FROM asyncjob.schedule s"
			 " WHERE s.owner = $1 AND NOT s.paused AND s.next_at > $2",
			 OIDOID, TIMESTAMPTZOID);

/* schedule() is called by one at a time of a role */
AJ_STATEMENT(lock_names,
			 "SELECT FROM asyncjob.owner o WHERE o.role = $1 FOR NO KEY UPDATE",
			 OIDOID);

AJ_STATEMENT(any,
			 "SELECT EXISTS (SELECT FROM asyncjob.schedule_run r"
			 "  WHERE r.state = 'pending'),"
			 " EXISTS (SELECT FROM asyncjob.schedule s WHERE NOT s.paused)"
			 " WHERE $1",
			 BOOLOID);

AJ_STATEMENT(count_all,
			 "SELECT count(*)::integer, min(s.created_at) FROM asyncjob.schedule s"
			 " WHERE NOT s.paused AND $1",
			 BOOLOID);

AJ_STATEMENT(due_of,
			 "SELECT r.due_at FROM asyncjob.schedule_run r WHERE r.job_id = $1",
			 INT8OID);

/* who finds another one at it needn't say the same */
#define NOTE(what) \
	"WITH free AS (SELECT c.only_one FROM asyncjob.schedule_clock c" \
	"  FOR NO KEY UPDATE SKIP LOCKED)" \
	" UPDATE asyncjob.schedule_clock c SET " what \
	" FROM free WHERE c.only_one = free.only_one"

AJ_STATEMENT(note_tick,
			 NOTE("last_tick_at = clock_timestamp()") " AND $1",
			 BOOLOID);

AJ_STATEMENT(note_cron,
			 NOTE("checked_at = clock_timestamp(), problem = $1, hint = $2"),
			 TEXTOID, TEXTOID);

AJ_STATEMENT(read_clock,
			 "SELECT c.last_tick_at, c.problem, c.hint"
			 " FROM asyncjob.schedule_clock c"
			 " WHERE (c.last_tick_at IS NOT NULL OR c.checked_at IS NOT NULL)"
			 "  AND $1",
			 BOOLOID);

static char *
text_column(int col)
{
	bool		isnull;
	Datum		value = aj_value(0, col, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* The first row of the last statement, in the current memory context. */
static void
read_schedule(AjSchedule *s)
{
	bool		isnull;
	char	   *catch_up;

	memset(s, 0, sizeof(*s));
	s->id = DatumGetInt64(aj_value(0, 1, &isnull));
	s->owner = DatumGetObjectId(aj_value(0, 2, &isnull));
	s->name = text_column(3);
	s->cron = text_column(4);
	s->time_zone = text_column(5);
	s->pipeline = text_column(6);
	s->params = DatumGetJsonbPCopy(aj_value(0, 7, &isnull));
	s->queue = text_column(8);
	s->priority = DatumGetInt16(aj_value(0, 9, &isnull));
	s->user_id = text_column(10);
	s->concurrency_key = text_column(11);
	s->overlap = DatumGetBool(aj_value(0, 12, &isnull));
	catch_up = text_column(13);
	while (s->catch_up < AJ_CATCH_UP_ALL &&
		   strcmp(catch_up, aj_catch_up_names[s->catch_up]) != 0)
		s->catch_up++;
	s->catch_up_limit = DatumGetInt32(aj_value(0, 14, &isnull));
	s->paused = DatumGetBool(aj_value(0, 15, &isnull));
	s->next_at = DatumGetTimestampTz(aj_value(0, 16, &isnull));
}

/* Lock and read a role's schedule. */
bool
aj_queue_schedule_find(Oid owner, const char *name, AjSchedule *s)
{
	Datum		values[2] = {ObjectIdGetDatum(owner), CStringGetTextDatum(name)};

	if (aj_execute(&find, values, NULL, 0) == 0)
		return false;
	read_schedule(s);
	return true;
}

/* Store one that is new, or has been found and changed. */
void
aj_queue_schedule_put(AjSchedule *s)
{
	Datum		values[14] = {ObjectIdGetDatum(s->owner),
		CStringGetTextDatum(s->name), CStringGetTextDatum(s->cron),
		CStringGetTextDatum(s->time_zone), CStringGetTextDatum(s->pipeline),
		JsonbPGetDatum(s->params), CStringGetTextDatum(s->queue),
	Int16GetDatum(s->priority)};
	char		nulls[15] = "              ";

	values[8] = aj_text_or_null(s->user_id, &nulls[8]);
	values[9] = aj_text_or_null(s->concurrency_key, &nulls[9]);
	values[10] = BoolGetDatum(s->overlap);
	values[11] = CStringGetTextDatum(aj_catch_up_names[s->catch_up]);
	values[12] = Int32GetDatum(s->catch_up_limit);
	values[13] = TimestampTzGetDatum(s->next_at);
	aj_execute(s->id == 0 ? &add : &change, values, nulls, 0);
}

void
aj_queue_schedule_drop(int64 id)
{
	Datum		values[1] = {Int64GetDatum(id)};

	aj_execute(&drop, values, NULL, 0);
	aj_execute(&drop_runs, values, NULL, 0);
}

/* Pause a schedule, or let it go on; next_at 0: as it is. */
void
aj_queue_schedule_pause(int64 id, bool paused, TimestampTz next_at,
						const char *problem)
{
	Datum		values[4] = {Int64GetDatum(id), BoolGetDatum(paused),
	TimestampTzGetDatum(next_at)};
	char		nulls[5] = "    ";

	if (next_at == 0)
		nulls[2] = 'n';
	values[3] = aj_text_or_null(problem, &nulls[3]);
	aj_execute(&set_paused, values, nulls, 0);
}

/*
 * Lock the next one that is due, of a role or of any (InvalidOid), after that
 * of a time and an id.
 */
bool
aj_queue_schedule_take_due(Oid owner, TimestampTz now, TimestampTz after,
						   int64 after_id, AjSchedule *s)
{
	Datum		values[4] = {TimestampTzGetDatum(now), ObjectIdGetDatum(owner),
	TimestampTzGetDatum(after), Int64GetDatum(after_id)};

	if (aj_execute(&take_due, values, NULL, 0) == 0)
		return false;
	read_schedule(s);
	return true;
}

/* Lock the next one, after that of a time, with a missed run whose turn it is. */
bool
aj_queue_schedule_take_pending(Oid owner, TimestampTz after, int64 after_id,
							   AjSchedule *s, TimestampTz *due)
{
	Datum		values[3] = {ObjectIdGetDatum(owner), TimestampTzGetDatum(after),
	Int64GetDatum(after_id)};
	bool		isnull;

	if (aj_execute(&take_pending, values, NULL, 0) == 0)
		return false;
	read_schedule(s);
	*due = DatumGetTimestampTz(aj_value(0, 17, &isnull));
	return true;
}

/* A job of a schedule's that has not ended, or 0. */
int64
aj_queue_schedule_unfinished(int64 id)
{
	Datum		values[1] = {Int64GetDatum(id)};
	bool		isnull;

	if (aj_execute(&unfinished, values, NULL, 0) == 0)
		return 0;
	return DatumGetInt64(aj_value(0, 1, &isnull));
}

/* Write down the latest due time's outcome where schedules are listed. */
static void
note_outcome(int64 id, TimestampTz due, AjRunState state, int64 job_id,
			 const char *reason)
{
	Datum		values[5] = {Int64GetDatum(id), TimestampTzGetDatum(due),
	CStringGetTextDatum(run_states[state]), Int64GetDatum(job_id)};
	char		nulls[6] = "     ";

	values[4] = aj_text_or_null(reason, &nulls[4]);
	aj_execute(&note_last, values, nulls, 0);
}

/* Returns false if something came of this due time before. */
bool
aj_queue_schedule_add_run(int64 id, TimestampTz due, AjRunState state,
						  const char *reason)
{
	Datum		values[4] = {Int64GetDatum(id), TimestampTzGetDatum(due),
	CStringGetTextDatum(run_states[state])};
	char		nulls[5] = "    ";

	values[3] = aj_text_or_null(reason, &nulls[3]);
	if (aj_execute(&add_run, values, nulls, 0) == 0)
		return false;
	if (state == AJ_RUN_SKIPPED)
		note_outcome(id, due, state, 0, reason);
	return true;
}

/* Returns false if a missed run isn't pending any more. */
bool
aj_queue_schedule_claim_run(int64 id, TimestampTz due)
{
	Datum		values[2] = {Int64GetDatum(id), TimestampTzGetDatum(due)};

	return aj_execute(&claim_run, values, NULL, 0) > 0;
}

void
aj_queue_schedule_end_run(int64 id, TimestampTz due, AjRunState state,
						  int64 job_id, const char *reason)
{
	Datum		values[5] = {Int64GetDatum(id), TimestampTzGetDatum(due),
	CStringGetTextDatum(run_states[state]), Int64GetDatum(job_id)};
	char		nulls[6] = "     ";

	values[4] = aj_text_or_null(reason, &nulls[4]);
	aj_execute(&end_run, values, nulls, 0);
	note_outcome(id, due, state, job_id, reason);
}

/* How many missed runs wait to be caught up on. */
int
aj_queue_schedule_pending(int64 id)
{
	Datum		values[1] = {Int64GetDatum(id)};
	bool		isnull;

	aj_execute(&count_pending, values, NULL, 0);
	return DatumGetInt32(aj_value(0, 1, &isnull));
}

/* Keep the latest of them; returns how many were skipped. */
int
aj_queue_schedule_skip_oldest(int64 id, int keep, const char *reason)
{
	Datum		values[3] = {Int64GetDatum(id), Int32GetDatum(keep),
	CStringGetTextDatum(reason)};

	return aj_execute(&skip_oldest, values, NULL, 0);
}

/* Its due times up to the next have been seen to. */
void
aj_queue_schedule_moved(int64 id, TimestampTz next_at,
						TimestampTz forget_before)
{
	Datum		values[2] = {Int64GetDatum(id), TimestampTzGetDatum(next_at)};

	aj_execute(&moved, values, NULL, 0);
	values[1] = TimestampTzGetDatum(forget_before);
	aj_execute(&forget_runs, values, NULL, 0);
}

/* When a role's next schedule is due after this, DT_NOEND for never. */
TimestampTz
aj_queue_schedule_next(Oid owner, TimestampTz after)
{
	Datum		values[2] = {ObjectIdGetDatum(owner), TimestampTzGetDatum(after)};
	Datum		value;
	bool		isnull;

	aj_execute(&next, values, NULL, 0);
	value = aj_value(0, 1, &isnull);
	return isnull ? DT_NOEND : DatumGetTimestampTz(value);
}

void
aj_queue_schedule_lock_names(Oid owner)
{
	Datum		values[1] = {ObjectIdGetDatum(owner)};

	aj_execute(&lock_names, values, NULL, 0);
}

/* Is there any that isn't paused; is there a missed run? */
bool
aj_queue_schedule_any(bool *pending)
{
	Datum		values[1] = {BoolGetDatum(true)};
	bool		isnull;

	aj_execute(&any, values, NULL, 0);
	*pending = DatumGetBool(aj_value(0, 1, &isnull));
	return DatumGetBool(aj_value(0, 2, &isnull));
}

/* How many there are that aren't paused, and when the first was made. */
int
aj_queue_schedule_count(TimestampTz *since)
{
	Datum		values[1] = {BoolGetDatum(true)};
	bool		isnull;

	aj_execute(&count_all, values, NULL, 0);
	*since = DatumGetTimestampTz(aj_value(0, 2, &isnull));
	return DatumGetInt32(aj_value(0, 1, &isnull));
}

/* For when a job was scheduled; 0 if by no schedule. */
TimestampTz
aj_queue_schedule_due_of(int64 job_id)
{
	Datum		values[1] = {Int64GetDatum(job_id)};
	bool		isnull;

	if (aj_execute(&due_of, values, NULL, 0) == 0)
		return 0;
	return DatumGetTimestampTz(aj_value(0, 1, &isnull));
}

void
aj_queue_schedule_note_tick(void)
{
	Datum		values[1] = {BoolGetDatum(true)};

	aj_execute(&note_tick, values, NULL, 0);
}

/* What the coordinator found out about pg_cron; NULL: all is well. */
void
aj_queue_schedule_note_cron(const char *problem, const char *hint)
{
	Datum		values[2];
	char		nulls[3] = "  ";

	values[0] = aj_text_or_null(problem, &nulls[0]);
	values[1] = aj_text_or_null(hint, &nulls[1]);
	aj_execute(&note_cron, values, nulls, 0);
}

/* Returns false where there never were schedules. */
bool
aj_queue_schedule_clock(AjScheduleClock *clock)
{
	Datum		values[1] = {BoolGetDatum(true)};
	Datum		value;
	bool		isnull;

	memset(clock, 0, sizeof(*clock));
	if (aj_execute(&read_clock, values, NULL, 0) == 0)
		return false;
	value = aj_value(0, 1, &isnull);
	clock->last_tick = isnull ? 0 : DatumGetTimestampTz(value);
	clock->problem = text_column(2);
	clock->hint = text_column(3);
	return true;
}
