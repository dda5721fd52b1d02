/*-------------------------------------------------------------------------
 *
 * cache.c
 *		Outputs of steps that are reused by other jobs.
 *
 * A step with a "cache_ttl" whose handler and input are those of a step that
 * another job of the same owner finished less than that ago isn't run: its
 * output and artifacts are that job's.  The input is compared by a SHA-256 that
 * is the same for equal jsonb values; the function's row version is part of it,
 * so a handler that was replaced is run.
 *
 * The output is looked up in a subtransaction that is rolled back, so that no
 * lock on the engine's tables is held while the handler runs after all.  It is
 * stored, and a reused one's artifacts are copied, in the transaction in which
 * the step is finished.
 *
 * Two jobs that compute the same at the same time both do.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/resowner.h"
#include "utils/syscache.h"

#include "api.h"
#include "cache.h"
#include "queue.h"
#include "queue_cache.h"

PG_FUNCTION_INFO_V1(aj_clear_cache);

/* Row version of a function. */
static TransactionId
function_version(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	TransactionId xmin;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
	ReleaseSysCache(tuple);
	return xmin;
}

/*
 * Append a jsonb so that what is equal looks equal: jsonb has sorted the keys,
 * but 1 and 1.0 are the same number.
 */
static void
append_comparable(StringInfo s, Jsonb *jb)
{
	JsonbIterator *it = JsonbIteratorInit(&jb->root);
	JsonbIteratorToken token;
	JsonbValue	v;

	while ((token = JsonbIteratorNext(&it, &v, false)) != WJB_DONE)
	{
		appendStringInfoChar(s, (char) token);
		if (token == WJB_BEGIN_ARRAY && v.val.array.rawScalar)
			appendStringInfoChar(s, '1');	/* not in an array at all */
		if (token != WJB_KEY && token != WJB_VALUE && token != WJB_ELEM)
			continue;
		appendStringInfoChar(s, (char) v.type);
		if (v.type == jbvString)
		{
			appendStringInfo(s, "%d:", v.val.string.len);
			appendBinaryStringInfo(s, v.val.string.val, v.val.string.len);
		}
		else if (v.type == jbvNumeric)
			appendStringInfo(s, "%s ", numeric_normalize(v.val.numeric));
		else if (v.type == jbvBool)
			appendStringInfoChar(s, v.val.boolean ? 't' : 'f');
	}
}

static void
make_key(AjRun *run, Jsonb *input)
{
	const AjStep *step = &run->pipeline->steps[run->job->step_no];
	Oid			function = run->flinfo.fn_oid;
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	StringInfoData s;

	initStringInfo(&s);
	appendStringInfo(&s, "%s\n%u\n", step->handler, function_version(function));
	append_comparable(&s, input);
	if (pg_cryptohash_init(ctx) < 0 ||
		pg_cryptohash_update(ctx, (const uint8 *) s.data, s.len) < 0 ||
		pg_cryptohash_final(ctx, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute a SHA-256 digest");
	pg_cryptohash_free(ctx);
	hex_encode((const char *) digest, sizeof(digest), run->cache_key);
	run->cache_key[2 * PG_SHA256_DIGEST_LENGTH] = '\0';
	pfree(s.data);
}

/*
 * The output of an equal step, in the current memory context, or NULL.  The
 * step has been prepared, and is about to be called.
 */
Jsonb *
aj_cache_find(AjRun *run, Jsonb *input)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	AjScope		scope;
	Jsonb	   *output;

	make_key(run, input);
	BeginInternalSubTransaction(NULL);
	aj_scope_enter(&scope, true);
	MemoryContextSwitchTo(context);
	output = aj_queue_find_cached(run->job->owner, run->cache_key,
								  &run->cached_job, &run->cached_step);
	aj_scope_leave(&scope);
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return output;
}

/*
 * The step is finished: keep its output, or if it was another job's, take that
 * job's artifacts as well.  The caller is in a scope.
 */
void
aj_cache_finish(AjRun *run, Jsonb *output)
{
	const AjStep *step = &run->pipeline->steps[run->job->step_no];
	int64		job_id = aj_job_root(run->job);

	if (run->cached_job == 0)
		aj_queue_store_cached(run->job->owner, run->cache_key, job_id,
							  run->job->step_no, output, step->cache_ttl);
	else if (!aj_queue_copy_artifacts(run->cached_job, run->cached_step, job_id,
									  run->job->step_no))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("artifacts of job " INT64_FORMAT " have gone meanwhile",
						run->cached_job)));
}

/* clear_cache() */
Datum
aj_clear_cache(PG_FUNCTION_ARGS)
{
	Oid			caller = GetUserId();
	AjScope		scope;
	int64		n;

	PreventCommandIfReadOnly("clear_cache()");
	aj_scope_enter(&scope, false);
	n = aj_queue_clear_cache(caller);
	aj_scope_leave(&scope);
	PG_RETURN_INT64(n);
}
