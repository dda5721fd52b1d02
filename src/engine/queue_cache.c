/*-------------------------------------------------------------------------
 *
 * queue_cache.c
 *		Statements about cached outputs of steps.
 *
 * What has expired is deleted a little at a time, by those who store.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "queue_cache.h"
#include "scope.h"

/* an output is of use only as long as its artifacts are there */
AJ_STATEMENT(find,
			 "SELECT c.job_id, c.step_no, c.output FROM asyncjob.step_cache c"
			 " WHERE c.owner = $1 AND c.key = $2"
			 " AND c.expires_at > clock_timestamp() AND c.artifacts ="
			 "  (SELECT count(*) FROM asyncjob.artifact a"
			 "   WHERE a.job_id = c.job_id AND a.step_no = c.step_no)",
			 OIDOID, TEXTOID);

AJ_STATEMENT(store,
			 "INSERT INTO asyncjob.step_cache AS c"
			 " (owner, key, job_id, step_no, artifacts, output, expires_at)"
			 " SELECT $1, $2, $3, $4, (SELECT count(*) FROM asyncjob.artifact a"
			 "   WHERE a.job_id = $3 AND a.step_no = $4), $5,"
			 "  clock_timestamp() + $6 * interval '1 ms'"
			 " ON CONFLICT (owner, key) DO UPDATE SET job_id = excluded.job_id,"
			 " step_no = excluded.step_no, artifacts = excluded.artifacts,"
			 " output = excluded.output, expires_at = excluded.expires_at",
			 OIDOID, TEXTOID, INT8OID, INT2OID, JSONBOID, INT8OID);

AJ_STATEMENT(prune,
			 "DELETE FROM asyncjob.step_cache d USING"
			 " (SELECT c.owner, c.key FROM asyncjob.step_cache c"
			 "   WHERE c.expires_at <= clock_timestamp()"
			 "   ORDER BY c.expires_at LIMIT $1 FOR UPDATE SKIP LOCKED) x"
			 " WHERE d.owner = x.owner AND d.key = x.key",
			 INT4OID);

AJ_STATEMENT(count_artifacts,
			 "SELECT count(*) FROM asyncjob.artifact a"
			 " WHERE a.job_id = $1 AND a.step_no = $2", INT8OID, INT2OID);

AJ_STATEMENT(drop_chunks,
			 "DELETE FROM asyncjob.artifact_chunk d USING asyncjob.artifact a"
			 " WHERE a.job_id = $1 AND a.step_no = $2 AND d.job_id = $3"
			 " AND d.name = a.name", INT8OID, INT2OID, INT8OID);

AJ_STATEMENT(copy_artifacts,
			 "INSERT INTO asyncjob.artifact AS t"
			 " (job_id, name, step_no, kind, media_type, size, sha256, data)"
			 " SELECT $3, a.name, $4, a.kind, a.media_type, a.size, a.sha256, a.data"
			 " FROM asyncjob.artifact a WHERE a.job_id = $1 AND a.step_no = $2"
			 " ON CONFLICT (job_id, name) DO UPDATE SET step_no = excluded.step_no,"
			 " kind = excluded.kind, media_type = excluded.media_type,"
			 " size = excluded.size, sha256 = excluded.sha256,"
			 " created_at = excluded.created_at, data = excluded.data",
			 INT8OID, INT2OID, INT8OID, INT2OID);

AJ_STATEMENT(copy_chunks,
			 "INSERT INTO asyncjob.artifact_chunk (job_id, name, chunk_no, data)"
			 " SELECT $3, k.name, k.chunk_no, k.data"
			 " FROM asyncjob.artifact a JOIN asyncjob.artifact_chunk k"
			 "  ON k.job_id = a.job_id AND k.name = a.name"
			 " WHERE a.job_id = $1 AND a.step_no = $2", INT8OID, INT2OID, INT8OID);

AJ_STATEMENT(cached_artifacts,
			 "SELECT c.artifacts FROM asyncjob.step_cache c"
			 " WHERE c.job_id = $1 AND c.step_no = $2 LIMIT 1", INT8OID, INT2OID);

AJ_STATEMENT(clear_cache,
			 "DELETE FROM asyncjob.step_cache WHERE owner = $1", OIDOID);

#define PRUNE_AT_ONCE	10

/* A cached output in the memory context of the call, or NULL. */
Jsonb *
aj_queue_find_cached(Oid owner, const char *key, int64 *job_id, int *step_no)
{
	MemoryContext context = CurrentMemoryContext,
				old;
	Datum		values[2] = {ObjectIdGetDatum(owner), CStringGetTextDatum(key)};
	bool		isnull;
	Jsonb	   *output;

	*job_id = 0;
	if (aj_execute(&find, values, NULL, 0) == 0)
		return NULL;
	*job_id = DatumGetInt64(aj_value(0, 1, &isnull));
	*step_no = DatumGetInt16(aj_value(0, 2, &isnull));
	old = MemoryContextSwitchTo(context);
	output = DatumGetJsonbPCopy(aj_value(0, 3, &isnull));
	MemoryContextSwitchTo(old);
	return output;
}

void
aj_queue_store_cached(Oid owner, const char *key, int64 job_id, int step_no,
					  Jsonb *output, int64 ttl_ms)
{
	Datum		values[6] = {ObjectIdGetDatum(owner), CStringGetTextDatum(key),
		Int64GetDatum(job_id), Int16GetDatum(step_no), JsonbPGetDatum(output),
	Int64GetDatum(ttl_ms)};

	aj_execute(&store, values, NULL, 0);
	values[0] = Int32GetDatum(PRUNE_AT_ONCE);
	aj_execute(&prune, values, NULL, 0);
}

/*
 * Copy a step's artifacts to another job.  Returns false if they have gone.
 */
bool
aj_queue_copy_artifacts(int64 from_job, int from_step, int64 to_job,
						int to_step)
{
	Datum		values[4] = {Int64GetDatum(from_job), Int16GetDatum(from_step),
	Int64GetDatum(to_job), Int16GetDatum(to_step)};
	int			expected = 0;
	bool		isnull;

	if (from_job == to_job)
		return true;			/* items of one step */
	if (aj_execute(&cached_artifacts, values, NULL, 0) > 0)
		expected = DatumGetInt32(aj_value(0, 1, &isnull));
	aj_execute(&count_artifacts, values, NULL, 0);
	if (DatumGetInt64(aj_value(0, 1, &isnull)) != expected)
		return false;
	aj_execute(&drop_chunks, values, NULL, 0);
	aj_execute(&copy_artifacts, values, NULL, 0);
	aj_execute(&copy_chunks, values, NULL, 0);
	return true;
}

int64
aj_queue_clear_cache(Oid owner)
{
	Datum		values[1] = {ObjectIdGetDatum(owner)};

	return aj_execute(&clear_cache, values, NULL, 0);
}
