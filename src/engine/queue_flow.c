/*-------------------------------------------------------------------------
 *
 * queue_flow.c
 *		Statements about jobs that wait, and about what handlers remember.
 *
 * A job that sleeps or waits is a row in state 'waiting': waiting_for says
 * for what, run_at until when at most ('infinity': as long as it takes), and
 * no worker has it.  To wake it is to queue it again; its handler then starts
 * anew, and what it asked for before is answered from asyncjob.job_memo.  So
 * the memo is the truth and a wake-up a hint: one too many makes the handler
 * go back to sleep.
 *
 * The coordinator wakes what is due; drain() does so for its caller's jobs,
 * which makes it work without any background process.
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

#include "clock.h"
#include "external.h"
#include "queue.h"
#include "queue_event.h"
#include "queue_flow.h"
#include "queue_limits.h"
#include "scope.h"
#include "seal.h"
#include "wake.h"

#define KEY_WAIT_MS		10000

AJ_STATEMENT(read_memo,
			 "SELECT m.wake_at, m.value FROM asyncjob.job_memo m"
			 " WHERE m.job_id = $1 AND m.step_no = $2 AND m.kind = $3"
			 " AND m.name = $4 AND m.item_no = $5",
			 INT8OID, INT2OID, TEXTOID, TEXTOID, INT4OID);

AJ_STATEMENT(add_memo,
			 "INSERT INTO asyncjob.job_memo AS m"
			 " (job_id, step_no, item_no, kind, name, wake_at, value)"
			 " VALUES ($1, $2, $8, $3, $4, $5, $6)"
			 " ON CONFLICT (job_id, step_no, item_no, kind, name) DO UPDATE"
			 " SET wake_at = excluded.wake_at, value = excluded.value,"
			 "  at = excluded.at WHERE $7",
			 INT8OID, INT2OID, TEXTOID, TEXTOID, TIMESTAMPTZOID, JSONBOID,
			 BOOLOID, INT4OID);

AJ_STATEMENT(suspend,
			 "UPDATE asyncjob.job SET state = 'waiting', waiting_for = $2,"
			 " limit_group = NULL,"
			 " run_at = coalesce($3, 'infinity'), seq = $4, worker_id = NULL,"
			 " suspect = false, crashes = 0 WHERE id = $1",
			 INT8OID, TEXTOID, TIMESTAMPTZOID, INT4OID);

AJ_STATEMENT(wake_due,
			 "WITH due AS (SELECT j.id FROM asyncjob.job j"
			 "  WHERE j.state = 'waiting' AND j.limit_group IS NULL"
			 "   AND NOT j.suspect AND j.run_at <= $1 AND j.run_at >= $4"
			 "   AND j.waiting_for IS NOT NULL AND ($2 = 0 OR j.owner = $2)"
			 "   AND (j.waiting_for <> 'key' OR asyncjob._can_open("
			 "    CASE WHEN j.item_no IS NULL THEN j.id ELSE j.parent_id END,"
			 "    CASE WHEN j.item_no IS NULL THEN 'params' ELSE 'item' END,"
			 "    CASE WHEN j.item_no IS NULL THEN 0 ELSE j.step_no::integer END,"
			 "    coalesce(j.item_no, 0), j.params))"
			 "  ORDER BY j.run_at, j.id LIMIT $3 FOR UPDATE SKIP LOCKED),"
			 " woken AS (UPDATE asyncjob.job j SET" AJ_READY_AGAIN("j") ","
			 "   waiting_for = NULL, seq = j.seq + 1"
			 "  WHERE j.id = ANY (ARRAY(SELECT d.id FROM due d))"
			 "  RETURNING " AJ_READY_COLUMNS("j") ", j.seq, j.step_no),"
			 " gone AS (DELETE FROM asyncjob.event_wait e"
			 "  WHERE e.job_id = ANY (ARRAY(SELECT w.id FROM woken w))),"
			 " noted AS (INSERT INTO asyncjob.job_update"
			 "   (job_id, seq, kind, state, step_no)"
			 "  SELECT w.id, w.seq, 'state', 'queued', w.step_no FROM woken w)"
			 " SELECT " AJ_READY_COLUMNS("w") " FROM woken w",
			 TIMESTAMPTZOID, OIDOID, INT8OID, TIMESTAMPTZOID);

AJ_STATEMENT(next_wake,
			 "SELECT j.run_at FROM asyncjob.job j"
			 " WHERE j.state = 'waiting' AND j.limit_group IS NULL"
			 " AND NOT j.suspect AND j.run_at > $1 AND j.run_at < 'infinity'"
			 " AND j.waiting_for IS NOT NULL AND ($2 = 0 OR j.owner = $2)"
			 " ORDER BY j.run_at LIMIT 1",
			 TIMESTAMPTZOID, OIDOID);

/* The place of what is remembered; an event's is sealed in SQL, too. */
static char *
memo_place(const char *kind, const char *name)
{
	return psprintf("%s:%s", kind, name);
}

/*
 * What the current step of a job remembers under a name, in the memory
 * context of the call.
 */
bool
aj_queue_memo(const AjJob *job, const char *kind, const char *name,
			  AjMemo *memo)
{
	MemoryContext context = CurrentMemoryContext,
				old;
	Datum		values[5] = {Int64GetDatum(aj_job_root(job)),
		Int16GetDatum(job->step_no), CStringGetTextDatum(kind),
		CStringGetTextDatum(name), Int32GetDatum(Max(job->item_no, 0))
	};
	Datum		v;
	bool		isnull;

	if (aj_execute(&read_memo, values, NULL, 0) == 0)
		return false;
	v = aj_value(0, 1, &isnull);
	memo->wake_at = isnull ? 0 : DatumGetTimestampTz(v);
	v = aj_value(0, 2, &isnull);
	old = MemoryContextSwitchTo(context);
	memo->value = isnull ? NULL : DatumGetJsonbPCopy(v);
	if (memo->value != NULL && job->sealed)
	{
		AjSealPlace place = {aj_job_root(job), memo_place(kind, name),
		job->step_no, Max(job->item_no, 0)};

		memo->value = aj_open(&place, memo->value);
	}
	MemoryContextSwitchTo(old);
	return true;
}

/* Remember; where there is something already, only if it may be replaced. */
void
aj_queue_remember(const AjJob *job, const char *kind, const char *name,
				  TimestampTz wake_at, Jsonb *value, bool replace)
{
	Datum		values[8] = {Int64GetDatum(aj_job_root(job)),
		Int16GetDatum(job->step_no), CStringGetTextDatum(kind),
		CStringGetTextDatum(name), TimestampTzGetDatum(wake_at)
	};
	char		nulls[9] = "        ";

	if (wake_at == 0)
		nulls[4] = 'n';
	/* the id of what was spawned is looked for in SQL */
	if (strcmp(kind, "spawn") != 0)
		value = aj_job_seal(job, memo_place(kind, name), value);
	values[5] = JsonbPGetDatum(value);
	if (value == NULL)
		nulls[5] = 'n';
	values[6] = BoolGetDatum(replace);
	values[7] = Int32GetDatum(Max(job->item_no, 0));
	aj_execute(&add_memo, values, nulls, 0);
}

/*
 * Put a running job aside.  Returns false if it isn't this worker's any more;
 * cancelled says that it is to be cancelled instead, and nothing was done.
 */
bool
aj_queue_suspend(AjJob *job, int64 worker_id, const AjSuspend *why,
				 bool *cancelled)
{
	static const char *const words[] = {NULL, "sleep", "event", "children", "key"};
	Datum		values[4] = {Int64GetDatum(job->id)};
	char		nulls[5] = "    ";

	*cancelled = false;
	if (!aj_queue_lock_held(job->id, worker_id, cancelled))
		return false;
	if (*cancelled)
		return true;

	if (why->kind == AJ_SUSPEND_SLEEP ||
		(why->kind == AJ_SUSPEND_CHILDREN && why->wake_at != 0))
		aj_queue_remember(job, "sleep", why->name, why->wake_at, NULL, false);
	else if (why->kind == AJ_SUSPEND_EVENT)
	{
		aj_queue_remember(job, "event", why->name, why->wake_at, NULL, false);
		aj_queue_add_wait(job, why);
		aj_at_commit_chains();
	}
	aj_at_commit_wait(why->wake_at);

	job->seq++;
	aj_queue_add_update(job->id, job->seq, GetCurrentTimestamp(), "state",
						"waiting", job->step_no, NULL, why->message, NULL);
	values[1] = CStringGetTextDatum(words[why->kind]);
	values[2] = TimestampTzGetDatum(why->wake_at);
	if (why->wake_at == 0)
		nulls[2] = 'n';
	values[3] = Int32GetDatum(job->seq);
	aj_execute(&suspend, values, nulls, 0);
	return true;
}

/*
 * What a job needs can't be decrypted, or what comes of it encrypted: put it
 * aside, and look again when that may be otherwise.
 */
AjState
aj_queue_await_key(AjJob *job, int64 worker_id, bool *found)
{
	AjSuspend	why = {.kind = AJ_SUSPEND_KEY,
	.wake_at = TimestampTzPlusMilliseconds(aj_now(), KEY_WAIT_MS)};
	const char *reason = "";
	bool		cancelled;

	if (job->locked == NULL)
		(void) aj_seal_possible(&reason);
	if (job->locked != NULL)
		reason = job->locked;
	why.message = psprintf("encrypted data is not available: %.*s",
						   (int) Max(strlen(reason), 1) - 1, reason);
	*found = aj_queue_suspend(job, worker_id, &why, &cancelled) && !cancelled;
	return AJ_WAITING;
}

/*
 * When the next job of one owner or (0) of all wakes after this, DT_NOEND for
 * never.
 */
TimestampTz
aj_queue_next_wake(Oid owner, TimestampTz after)
{
	Datum		values[2] = {TimestampTzGetDatum(after), ObjectIdGetDatum(owner)};
	bool		isnull;

	if (aj_execute(&next_wake, values, NULL, 0) == 0)
		return DT_NOEND;
	return DatumGetTimestampTz(aj_value(0, 1, &isnull));
}

/*
 * Jobs were made ready, and these n rows of AJ_READY_COLUMNS returned: tell
 * those who may run them.  Returns n.
 */
int
aj_queue_announce(int n)
{
	SPITupleTable *rows = SPI_tuptable;
	int32		told = 0;		/* external workers of this queue were told */

	for (int i = 0; i < n; i++)
	{
		Datum		values[6];
		bool		isnull;
		int32		queue_id;
		bool		external;

		for (int c = 0; c < lengthof(values); c++)
			values[c] = SPI_getbinval(rows->vals[i], rows->tupdesc, c + 1, &isnull);
		queue_id = DatumGetInt32(values[1]);
		external = DatumGetBool(values[5]);
		if (external && queue_id == told)
			continue;
		aj_announce_ready(DatumGetObjectId(values[0]), queue_id,
						  DatumGetInt16(values[2]),
						  DatumGetTimestampTz(values[3]),
						  DatumGetInt64(values[4]), external);
		if (external)
			told = queue_id;
	}
	return n;
}

/*
 * Queue jobs whose time has come, from a certain time to another, of one owner
 * or (0) of all.  Returns how many.
 */
int
aj_queue_wake_due(Oid owner, TimestampTz since, TimestampTz now)
{
	Datum		values[4] = {TimestampTzGetDatum(now), ObjectIdGetDatum(owner),
	Int64GetDatum(AJ_WAKE_AT_ONCE), TimestampTzGetDatum(since)};

	return aj_queue_announce(aj_execute(&wake_due, values, NULL, 0));
}
