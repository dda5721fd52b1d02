/*-------------------------------------------------------------------------
 *
 * queue_insert.c
 *		Statements that insert jobs which are not simply queued.
 *
 * Jobs whose first step is external, that have a concurrency_key, that are
 * encrypted, or whose queue has limits: they wait for a place (limits.c).  The
 * many that any worker may take at once are inserted by queue_submit.c, whose
 * statements carry nothing that they don't need.
 *
 * What is encrypted is bound to its job, so there the id comes first.
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

/* $12 says that it has to wait for a place */
#define STATE_AND_GROUP \
	" CASE WHEN $12 THEN 'waiting'::asyncjob.job_state ELSE 'queued' END," \
	" CASE WHEN $12 THEN " AJ_LIMIT_GROUP("$3", "$7", "$11") " END,"

AJ_STATEMENT(add_job,
			 "INSERT INTO asyncjob.job (created_at, run_at, owner, pipeline_id,"
			 " queue_id, priority, user_id, session_id, unique_key, external,"
			 " concurrency_key, state, limit_group, params)"
			 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11," STATE_AND_GROUP
			 " $13)"
			 " ON CONFLICT (owner, unique_key) WHERE unique_key IS NOT NULL"
			 "  AND state IN ('queued', 'running', 'waiting') DO NOTHING"
			 " RETURNING id",
			 TIMESTAMPTZOID, TIMESTAMPTZOID, OIDOID, INT4OID, INT4OID, INT2OID,
			 TEXTOID, TEXTOID, TEXTOID, BOOLOID, TEXTOID, BOOLOID, JSONBOID);

AJ_STATEMENT(add_jobs,
			 "INSERT INTO asyncjob.job (created_at, run_at, owner, pipeline_id,"
			 " queue_id, priority, user_id, session_id, unique_key, external,"
			 " concurrency_key, state, limit_group, params)"
			 " SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11," STATE_AND_GROUP
			 " u.params FROM unnest($13) WITH ORDINALITY u (params, place)"
			 " ORDER BY u.place RETURNING id",
			 TIMESTAMPTZOID, TIMESTAMPTZOID, OIDOID, INT4OID, INT4OID, INT2OID,
			 TEXTOID, TEXTOID, TEXTOID, BOOLOID, TEXTOID, BOOLOID,
			 JSONBARRAYOID);

/* as 'like_this' of _seal() */
#define SEALED " '{\"$encrypted\": \"\"}'"

#define SEALED_COLUMNS \
	"INSERT INTO asyncjob.job (id, created_at, run_at, owner, pipeline_id," \
	" queue_id, priority, user_id, session_id, unique_key, external," \
	" concurrency_key, state, limit_group, params)" \
	" SELECT n.id, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11," STATE_AND_GROUP \
	" asyncjob._seal(n.id, 'params', 0, 0, n.params," SEALED ")"

AJ_STATEMENT(add_sealed_job,
			 SEALED_COLUMNS
			 " FROM (SELECT nextval('asyncjob.job_id_seq') AS id, $13 AS params) n"
			 " ON CONFLICT (owner, unique_key) WHERE unique_key IS NOT NULL"
			 "  AND state IN ('queued', 'running', 'waiting') DO NOTHING"
			 " RETURNING id",
			 TIMESTAMPTZOID, TIMESTAMPTZOID, OIDOID, INT4OID, INT4OID, INT2OID,
			 TEXTOID, TEXTOID, TEXTOID, BOOLOID, TEXTOID, BOOLOID, JSONBOID);

AJ_STATEMENT(add_sealed_jobs,
			 SEALED_COLUMNS
			 " FROM (SELECT nextval('asyncjob.job_id_seq') AS id, u.params"
			 "  FROM (SELECT e.params FROM unnest($13) WITH ORDINALITY"
			 "   e (params, place) ORDER BY e.place) u) n"
			 " ORDER BY n.id RETURNING id",
			 TIMESTAMPTZOID, TIMESTAMPTZOID, OIDOID, INT4OID, INT4OID, INT2OID,
			 TEXTOID, TEXTOID, TEXTOID, BOOLOID, TEXTOID, BOOLOID,
			 JSONBARRAYOID);

static int
insert(AjStatement *stmt, AjSubmission *s, Datum params, int64 *first)
{
	TimestampTz now = GetCurrentTimestamp();
	Datum		values[13];
	char		nulls[14] = "             ";
	bool		isnull;
	int			n;

	if (s->run_at == 0)
		s->run_at = now;
	values[0] = TimestampTzGetDatum(now);
	values[1] = TimestampTzGetDatum(s->run_at);
	values[2] = ObjectIdGetDatum(s->owner);
	values[3] = Int32GetDatum(s->pipeline_id);
	values[4] = Int32GetDatum(s->queue_id);
	values[5] = Int16GetDatum(s->priority);
	values[6] = aj_text_or_null(s->user_id, &nulls[6]);
	values[7] = aj_text_or_null(s->session_id, &nulls[7]);
	values[8] = aj_text_or_null(s->unique_key, &nulls[8]);
	values[9] = BoolGetDatum(s->external);
	values[10] = aj_text_or_null(s->concurrency_key, &nulls[10]);
	values[11] = BoolGetDatum(s->held);
	values[12] = params;
	n = aj_execute(stmt, values, nulls, 0);
	*first = n > 0 ? DatumGetInt64(aj_value(0, 1, &isnull)) : 0;
	return n;
}

/*
 * Insert a job, unless an unfinished one has its unique key.  s->run_at is
 * set if it was 0.
 */
bool
aj_queue_insert_job(AjSubmission *s, Jsonb *params, int64 *id)
{
	return insert(s->sealed ? &add_sealed_job : &add_job, s,
				  JsonbPGetDatum(params), id) == 1;
}

/* Insert many; their ids, in order, are left in SPI_tuptable. */
int
aj_queue_insert_jobs(AjSubmission *s, Datum params_array, int64 *first)
{
	return insert(s->sealed ? &add_sealed_jobs : &add_jobs, s, params_array,
				  first);
}
