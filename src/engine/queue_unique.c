/*-------------------------------------------------------------------------
 *
 * queue_unique.c
 *		Statements about unfinished jobs that have a unique key.
 *
 * job_unique_key_idx lets one unfinished job of an owner have a key.  A later
 * submit() with the same key leaves it as it is, or makes it what was submitted
 * now, if it hasn't started.  One that has started goes on, without the key,
 * so that what was submitted now runs after all: with these parameters.
 *
 * Whoever has the row's lock decides: a claim that is first makes the update
 * find a job that runs, a submit that is first makes the claim run the new
 * parameters.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "queue_limits.h"
#include "queue_submit.h"
#include "scope.h"

#define NOT_STARTED \
	" (j.started_at IS NULL AND NOT j.suspect AND (j.state = 'queued'" \
	"  OR j.state = 'waiting' AND j.limit_group IS NOT NULL))"

AJ_STATEMENT(lock_waiting,
			 "SELECT j.queue_id <> $3 OR j.user_id IS DISTINCT FROM $4"
			 " FROM asyncjob.job j WHERE j.owner = $1 AND j.unique_key = $2"
			 " AND" NOT_STARTED " FOR UPDATE",
			 OIDOID, TEXTOID, INT4OID, TEXTOID);

AJ_STATEMENT(replace_waiting,
			 "UPDATE asyncjob.job j SET pipeline_id = $3, queue_id = $4,"
			 " priority = $5, user_id = $6, session_id = $7,"
			 " params = CASE WHEN $13 THEN asyncjob._seal(j.id, 'params', 0, 0, $8,"
			 "  '{\"$encrypted\": \"\"}') ELSE $8 END,"
			 " run_at = coalesce($9, j.run_at), external = $10,"
			 " concurrency_key = $11, step_no = 0, waiting_for = NULL,"
			 " state = CASE WHEN $12 THEN 'waiting'::asyncjob.job_state"
			 "  ELSE 'queued' END,"
			 " limit_group = CASE WHEN $12 THEN "
			 AJ_LIMIT_GROUP("$1", "$6", "$11") " END"
			 " WHERE j.owner = $1 AND j.unique_key = $2"
			 " AND" NOT_STARTED
			 " RETURNING j.id, j.run_at",
			 OIDOID, TEXTOID, INT4OID, INT4OID, INT2OID, TEXTOID, TEXTOID,
			 JSONBOID, TIMESTAMPTZOID, BOOLOID, TEXTOID, BOOLOID, BOOLOID);

/* it would go on counting where the job isn't any more */
AJ_STATEMENT(drop_place,
			 "DELETE FROM asyncjob.place WHERE job_id = $1", INT8OID);

AJ_STATEMENT(take_key,
			 "UPDATE asyncjob.job j SET unique_key = NULL"
			 " WHERE j.owner = $1 AND j.unique_key = $2"
			 " AND j.state IN ('queued', 'running', 'waiting')"
			 " AND NOT" NOT_STARTED,
			 OIDOID, TEXTOID);

/*
 * Make the job that has this key and hasn't started what is submitted now;
 * s->run_at of 0 leaves its due time, and is set to it; s->moved says whether it
 * was in another queue or another user's.  Returns its id, or 0 if there is
 * none: one that has started has given up the key then.
 */
int64
aj_queue_replace_job(AjSubmission *s, Jsonb *params)
{
	Datum		values[13] = {ObjectIdGetDatum(s->owner),
		CStringGetTextDatum(s->unique_key), Int32GetDatum(s->pipeline_id),
		Int32GetDatum(s->queue_id), Int16GetDatum(s->priority), 0, 0,
		JsonbPGetDatum(params), TimestampTzGetDatum(s->run_at),
		BoolGetDatum(s->external), 0, BoolGetDatum(s->held),
	BoolGetDatum(s->sealed)};
	char		nulls[14] = "             ";
	bool		isnull;
	Datum		place[4] = {values[0], values[1], values[3]};
	char		place_nulls[5] = "    ";

	place[3] = aj_text_or_null(s->user_id, &place_nulls[3]);
	if (aj_execute(&lock_waiting, place, place_nulls, 0) == 1)
		s->moved = DatumGetBool(aj_value(0, 1, &isnull));
	values[5] = aj_text_or_null(s->user_id, &nulls[5]);
	values[6] = aj_text_or_null(s->session_id, &nulls[6]);
	values[10] = aj_text_or_null(s->concurrency_key, &nulls[10]);
	if (s->run_at == 0)
		nulls[8] = 'n';
	if (aj_execute(&replace_waiting, values, nulls, 0) == 1)
	{
		Datum		id[1] = {Int64GetDatum(DatumGetInt64(aj_value(0, 1, &isnull)))};

		s->run_at = DatumGetTimestampTz(aj_value(0, 2, &isnull));
		aj_execute(&drop_place, id, NULL, 0);
		return DatumGetInt64(id[0]);
	}
	aj_execute(&take_key, values, NULL, 0);
	return 0;
}
