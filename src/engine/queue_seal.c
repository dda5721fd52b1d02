/*-------------------------------------------------------------------------
 *
 * queue_seal.c
 *		Statements about keys of what is encrypted.
 *
 * To encrypt something anew changes nothing that anybody could see, so it is
 * done to jobs in every state.  A job's row is locked first, as always; its
 * worker, if it has one, read what it needs when it claimed the job, and what
 * it writes is encrypted by the key that is current then.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "queue_seal.h"
#include "scope.h"

#define IS_SEALED(j)	" " j ".params ? '$encrypted' "

AJ_STATEMENT(lock_sealed,
			 "SELECT j.id FROM asyncjob.job j WHERE j.id > $1"
			 " AND j.item_no IS NULL AND" IS_SEALED("j")
			 " ORDER BY j.id LIMIT $2 FOR UPDATE",
			 INT8OID, INT4OID);

AJ_STATEMENT(highest,
			 "SELECT coalesce(max(j.id), 0) FROM asyncjob.job j WHERE $1", BOOLOID);

#define STALE(value)	" coalesce(asyncjob._stale(" value "), false) "

/* a branch's row is its parent's in all that matters here */
AJ_STATEMENT(reseal_jobs,
			 "UPDATE asyncjob.job j SET params = CASE WHEN j.item_no IS NULL"
			 "  THEN asyncjob._reseal(j.id, 'params', 0, 0, j.params)"
			 "  ELSE asyncjob._reseal(j.parent_id, 'item', j.step_no, j.item_no, j.params) END,"
			 " result = CASE WHEN j.item_no IS NULL"
			 "  THEN asyncjob._reseal(j.id, 'result', 0, 0, j.result)"
			 "  ELSE asyncjob._reseal(j.parent_id, 'output', j.step_no, j.item_no, j.result) END,"
			 " error = asyncjob._reseal(CASE WHEN j.item_no IS NULL THEN j.id"
			 "  ELSE j.parent_id END, 'error', 0, 0, j.error)"
			 " WHERE (j.id = ANY ($1) OR j.parent_id = ANY ($1) AND j.item_no IS NOT NULL)"
			 "  AND (" STALE("j.params") "OR" STALE("j.result") "OR" STALE("j.error") ")",
			 INT8ARRAYOID);

AJ_STATEMENT(reseal_checkpoints,
			 "UPDATE asyncjob.checkpoint c SET"
			 " output = asyncjob._reseal(c.job_id, 'output', c.step_no, 0, c.output),"
			 " error = asyncjob._reseal(c.job_id, 'error', 0, 0, c.error)"
			 " WHERE c.job_id = ANY ($1)"
			 "  AND (" STALE("c.output") "OR" STALE("c.error") ")",
			 INT8ARRAYOID);

/* a branch's history stays under its own id until it has ended */
AJ_STATEMENT(reseal_updates,
			 "UPDATE asyncjob.job_update u SET data = asyncjob._reseal("
			 "  CASE WHEN j.item_no IS NULL THEN j.id ELSE j.parent_id END,"
			 "  CASE u.kind WHEN 'log' THEN 'log' ELSE 'error' END, 0, 0, u.data)"
			 " FROM asyncjob.job j WHERE u.job_id = j.id"
			 "  AND (j.id = ANY ($1) OR j.parent_id = ANY ($1) AND j.item_no IS NOT NULL)"
			 "  AND" STALE("u.data"),
			 INT8ARRAYOID);

AJ_STATEMENT(reseal_memos,
			 "UPDATE asyncjob.job_memo m SET value = asyncjob._reseal("
			 "  m.job_id, m.kind || ':' || m.name, m.step_no, m.item_no, m.value)"
			 " WHERE m.job_id = ANY ($1) AND" STALE("m.value"),
			 INT8ARRAYOID);

#define OLD_KEY \
	" a.job_id = ANY ($1) AND a.key_id <> $2"

AJ_STATEMENT(reseal_chunks,
			 "UPDATE asyncjob.artifact_chunk k SET data = asyncjob._reseal_bytes("
			 "  k.job_id, 'artifact:' || k.name, 0, k.chunk_no, k.data, a.key_id)"
			 " FROM asyncjob.artifact a WHERE k.job_id = a.job_id"
			 "  AND k.name = a.name AND" OLD_KEY,
			 INT8ARRAYOID, TEXTOID);

AJ_STATEMENT(reseal_artifacts,
			 "UPDATE asyncjob.artifact a SET key_id = $2,"
			 " data = asyncjob._reseal_bytes(a.job_id, 'artifact:' || a.name, 0, -1,"
			 "  a.data, a.key_id)"
			 " WHERE" OLD_KEY,
			 INT8ARRAYOID, TEXTOID);

#define BY_KEY(value) \
	"unnest(asyncjob._sealed_by(" value ")) k (id)"

AJ_STATEMENT(in_use,
			 "SELECT i.id, count(*) FROM ("
			 " SELECT k.id FROM asyncjob.job j, LATERAL (SELECT v.id FROM"
			 "  unnest(asyncjob._sealed_by(j.params) || coalesce(asyncjob._sealed_by(j.result), '{}')"
			 "   || coalesce(asyncjob._sealed_by(j.error), '{}')) v (id)) k"
			 "  WHERE" IS_SEALED("j")
			 " UNION ALL SELECT k.id FROM asyncjob.job j JOIN asyncjob.checkpoint c"
			 "  ON c.job_id = j.id, LATERAL (SELECT v.id FROM"
			 "  unnest(coalesce(asyncjob._sealed_by(c.output), '{}')"
			 "   || coalesce(asyncjob._sealed_by(c.error), '{}')) v (id)) k"
			 "  WHERE" IS_SEALED("j")
			 " UNION ALL SELECT k.id FROM asyncjob.job j JOIN asyncjob.job_update u"
			 "  ON u.job_id = j.id, LATERAL " BY_KEY("u.data")
			 "  WHERE" IS_SEALED("j")
			 " UNION ALL SELECT k.id FROM asyncjob.job j JOIN asyncjob.job_memo m"
			 "  ON m.job_id = j.id, LATERAL " BY_KEY("m.value")
			 "  WHERE" IS_SEALED("j")
			 " UNION ALL SELECT a.key_id FROM asyncjob.artifact a"
			 "  WHERE a.key_id IS NOT NULL AND $1) i GROUP BY i.id ORDER BY i.id",
			 BOOLOID);

/*
 * Encrypt by the current key what of the next max jobs isn't.  Returns the last
 * of their ids, 0 if there are no more.
 */
int64
aj_queue_reseal(int64 after, int max, const char *key_id, int64 *changed)
{
	Datum		values[2] = {Int64GetDatum(after), Int32GetDatum(max)};
	int			n = aj_execute(&lock_sealed, values, NULL, 0);
	Datum	   *ids = palloc((n + 1) * sizeof(Datum));
	bool		isnull;

	*changed = 0;
	if (n == 0)
		return 0;
	for (int i = 0; i < n; i++)
		ids[i] = Int64GetDatum(DatumGetInt64(aj_value(i, 1, &isnull)));
	values[0] = PointerGetDatum(construct_array(ids, n, INT8OID, 8,
												FLOAT8PASSBYVAL, 'd'));
	*changed += aj_execute(&reseal_jobs, values, NULL, 0);
	*changed += aj_execute(&reseal_checkpoints, values, NULL, 0);
	*changed += aj_execute(&reseal_updates, values, NULL, 0);
	*changed += aj_execute(&reseal_memos, values, NULL, 0);
	values[1] = CStringGetTextDatum(key_id);
	(void) aj_execute(&reseal_chunks, values, NULL, 0);
	*changed += aj_execute(&reseal_artifacts, values, NULL, 0);
	return DatumGetInt64(ids[n - 1]);
}

int64
aj_queue_highest_job(void)
{
	Datum		values[1] = {BoolGetDatum(true)};
	bool		isnull;

	aj_execute(&highest, values, NULL, 0);
	return DatumGetInt64(aj_value(0, 1, &isnull));
}

/*
 * Ids of the keys by which something is encrypted, and how many values each,
 * in the memory context of the call.
 */
int
aj_queue_keys_in_use(char ***ids, int64 **counts)
{
	MemoryContext context = CurrentMemoryContext,
				old;
	Datum		values[1] = {BoolGetDatum(true)};
	int			n = aj_execute(&in_use, values, NULL, 0);
	bool		isnull;

	old = MemoryContextSwitchTo(context);
	*ids = palloc((n + 1) * sizeof(char *));
	*counts = palloc((n + 1) * sizeof(int64));
	for (int i = 0; i < n; i++)
	{
		(*ids)[i] = TextDatumGetCString(aj_value(i, 1, &isnull));
		(*counts)[i] = DatumGetInt64(aj_value(i, 2, &isnull));
	}
	MemoryContextSwitchTo(old);
	return n;
}
