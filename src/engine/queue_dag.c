/*-------------------------------------------------------------------------
 *
 * queue_dag.c
 *		Statements about jobs whose steps are jobs of their own.
 *
 * What is kept of the job itself: how its steps have come out, whether it waits
 * for its branches (queue_branch.c) or goes on, and its end.
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
#include "pipeline.h"
#include "queue.h"
#include "queue_dag.h"
#include "queue_pause.h"
#include "scope.h"
#include "seal.h"

AJ_STATEMENT(lock_parent,
			 "SELECT j.owner, j.pipeline_id, j.queue_id, j.priority, j.step_no,"
			 " j.seq, j.params, j.session_id, j.user_id, j.state::text,"
			 " j.waiting_for IS NOT DISTINCT FROM 'branches', j.failures,"
			 " j.free_retries, j.parent_id, j.item_no"
			 " FROM asyncjob.job j WHERE j.id = $1 FOR UPDATE",
			 INT8OID);

AJ_STATEMENT(lock_parent_of,
			 "SELECT true FROM asyncjob.job c JOIN asyncjob.job p"
			 " ON p.id = c.parent_id"
			 " WHERE c.id = $1 AND c.item_no IS NOT NULL FOR UPDATE OF p",
			 INT8OID);

/* jobs that stand ready for external workers */
AJ_STATEMENT(offered,
			 "SELECT j.id, j.pipeline_id FROM asyncjob.job j WHERE j.owner = $1"
			 " AND j.state = 'queued' AND j.external AND j.item_no IS NULL"
			 " AND j.run_at <= $2 AND " AJ_PIPELINE_OPEN("j")
			 " AND EXISTS (SELECT FROM asyncjob.queue q WHERE q.id = j.queue_id"
			 "  AND " AJ_QUEUE_OPEN("q") ")"
			 " ORDER BY j.id",
			 OIDOID, TIMESTAMPTZOID);

AJ_STATEMENT(lock_offered,
			 "SELECT FROM asyncjob.job j WHERE j.id = $1 AND j.state = 'queued'"
			 " AND j.external AND j.item_no IS NULL FOR UPDATE SKIP LOCKED",
			 INT8OID);

AJ_STATEMENT(read_outcomes,
			 "SELECT c.step_no, coalesce(c.outcome, 'done')"
			 " FROM asyncjob.checkpoint c WHERE c.job_id = $1",
			 INT8OID);

AJ_STATEMENT(add_outcome,
			 "INSERT INTO asyncjob.checkpoint (job_id, step_no, attempt,"
			 " started_at, finished_at, output, outcome, error)"
			 " VALUES ($1, $2, $3, $4, clock_timestamp(), $5, $6, $7)",
			 INT8OID, INT2OID, INT2OID, TIMESTAMPTZOID, JSONBOID, TEXTOID,
			 JSONBOID);

AJ_STATEMENT(await_branches,
			 "UPDATE asyncjob.job SET state = 'waiting', waiting_for = 'branches',"
			 " limit_group = NULL,"
			 " run_at = 'infinity', step_no = $2, seq = $3, worker_id = NULL,"
			 " suspect = false, failures = 0, free_retries = 0, crashes = 0,"
			 " external = false WHERE id = $1",
			 INT8OID, INT2OID, INT4OID);

AJ_STATEMENT(continue_queued,
			 "UPDATE asyncjob.job SET state = 'queued', waiting_for = NULL,"
			 " run_at = $4, step_no = $2, seq = $3, external = $5 WHERE id = $1",
			 INT8OID, INT2OID, INT4OID, TIMESTAMPTZOID, BOOLOID);

AJ_STATEMENT(continue_held,
			 "UPDATE asyncjob.job SET step_no = $2, seq = $3, failures = 0,"
			 " free_retries = 0, crashes = 0, suspect = false WHERE id = $1",
			 INT8OID, INT2OID, INT4OID);

AJ_STATEMENT(end_job,
			 "UPDATE asyncjob.job SET state = $2::asyncjob.job_state, step_no = $3,"
			 " seq = $4, result = $5, error = $6,"
			 " partial = $2 = 'completed' AND $6 IS NOT NULL,"
			 " finished_at = clock_timestamp(), worker_id = NULL,"
			 " waiting_for = NULL, suspect = false,"
			 " failures = CASE WHEN $2 = 'failed' THEN"
			 "  coalesce(($6 ->> 'attempt')::smallint, failures) ELSE failures END,"
			 " cancel_reason = CASE WHEN $2 = 'cancelled' THEN $6 ->> 'message'"
			 "  ELSE cancel_reason END"
			 " WHERE id = $1",
			 INT8OID, TEXTOID, INT2OID, INT4OID, JSONBOID, JSONBOID);

/* which steps of a completed job have no output, or not all of it */
AJ_STATEMENT(missing,
			 "SELECT jsonb_build_object('code', 'partial', 'category', 'partial',"
			 "  'message', 'missing: ' || string_agg('step \"'"
			 "    || (p.steps -> c.step_no::integer ->> 'name') || '\" ('"
			 "    || (c.error ->> 'message') || ')', ', ' ORDER BY c.step_no),"
			 "  'hint', 'Mend the cause and submit the job again.',"
			 "  'missing', jsonb_agg(jsonb_build_object("
			 "    'step', p.steps -> c.step_no::integer ->> 'name') || c.error"
			 "    ORDER BY c.step_no))"
			 " FROM asyncjob.checkpoint c JOIN asyncjob.pipeline p ON p.id = $2"
			 " WHERE c.job_id = $1 AND c.error IS NOT NULL"
			 " HAVING count(*) > 0",
			 INT8OID, INT4OID);

AJ_STATEMENT(parent_params,
			 "SELECT p.params FROM asyncjob.job p WHERE p.id = $1",
			 INT8OID);

/*
 * Parents whose branches have ended without their doing anything about it:
 * the process that ended one was lost in between, or it was buried.  Whom
 * somebody has locked we come back to.
 */
AJ_STATEMENT(stuck_parents,
			 "SELECT j.id FROM asyncjob.job j"
			 " WHERE j.state = 'waiting' AND j.limit_group IS NULL AND NOT j.suspect"
			 "  AND j.run_at = 'infinity' AND j.waiting_for = 'branches'"
			 "  AND (NOT EXISTS (SELECT FROM asyncjob.job c"
			 "    WHERE c.parent_id = j.id AND c.item_no IS NOT NULL"
			 "     AND c.state IN ('queued', 'running', 'waiting'))"
			 "   OR EXISTS (SELECT FROM asyncjob.job c"
			 "    WHERE c.parent_id = j.id AND c.item_no = 0"
			 "     AND c.state IN ('completed', 'failed', 'cancelled')))"
			 "  AND j.id > $2 AND ($3 = 0 OR j.owner = $3)"
			 " ORDER BY j.id LIMIT $1 FOR UPDATE OF j SKIP LOCKED",
			 INT8OID, INT8OID, OIDOID);

static Datum
jsonb_or_null(Jsonb *jb, char *null)
{
	*null = jb ? ' ' : 'n';
	return JsonbPGetDatum(jb);
}

/*
 * Lock a job on behalf of its branches, and read it in the memory context of
 * the call.  Returns false if there is none.
 */
bool
aj_queue_lock_parent(int64 job_id, AjJob *job, AjState *state,
					 bool *for_branches)
{
	MemoryContext old,
				context = CurrentMemoryContext;
	Datum		values[1] = {Int64GetDatum(job_id)},
				v;
	bool		isnull;

	if (aj_execute(&lock_parent, values, NULL, 0) == 0)
		return false;
	old = MemoryContextSwitchTo(context);
	memset(job, 0, sizeof(AjJob));
	job->id = job_id;
	job->owner = DatumGetObjectId(aj_value(0, 1, &isnull));
	job->pipeline_id = DatumGetInt32(aj_value(0, 2, &isnull));
	job->queue_id = DatumGetInt32(aj_value(0, 3, &isnull));
	job->priority = DatumGetInt16(aj_value(0, 4, &isnull));
	job->step_no = DatumGetInt16(aj_value(0, 5, &isnull));
	job->seq = DatumGetInt32(aj_value(0, 6, &isnull));
	job->params = DatumGetJsonbPCopy(aj_value(0, 7, &isnull));
	v = aj_value(0, 8, &isnull);
	job->session_id = isnull ? NULL : TextDatumGetCString(v);
	v = aj_value(0, 9, &isnull);
	job->user_id = isnull ? NULL : TextDatumGetCString(v);
	*state = aj_state_by_name(TextDatumGetCString(aj_value(0, 10, &isnull)));
	*for_branches = DatumGetBool(aj_value(0, 11, &isnull));
	job->failures = DatumGetInt16(aj_value(0, 12, &isnull));
	job->free_retries = DatumGetInt16(aj_value(0, 13, &isnull));
	v = aj_value(0, 14, &isnull);
	job->parent_id = isnull ? 0 : DatumGetInt64(v);
	v = aj_value(0, 15, &isnull);
	job->item_no = isnull ? -1 : DatumGetInt32(v);
	aj_job_open_params(job);
	MemoryContextSwitchTo(old);
	return true;
}

/* Where a job is a step of another, lock that one. */
void
aj_queue_lock_parent_of(int64 job_id)
{
	Datum		values[1] = {Int64GetDatum(job_id)};

	aj_execute(&lock_parent_of, values, NULL, 0);
}

/*
 * Ready jobs of a role that external workers may claim, and may have something
 * else to do first.
 */
int
aj_queue_offered(Oid owner, int64 **ids)
{
	Datum		values[2] = {ObjectIdGetDatum(owner),
	TimestampTzGetDatum(aj_now())};
	MemoryContext context = CurrentMemoryContext;
	int			n = aj_execute(&offered, values, NULL, 0);
	SPITupleTable *rows = SPI_tuptable;
	int			found = 0;

	*ids = MemoryContextAlloc(context, (n + 1) * sizeof(int64));
	for (int i = 0; i < n; i++)
	{
		bool		isnull;
		int32		id = DatumGetInt32(SPI_getbinval(rows->vals[i], rows->tupdesc,
													 2, &isnull));
		const AjPipeline *pipeline = aj_pipeline_get(id);

		if (pipeline != NULL && aj_pipeline_may_go_outside(pipeline))
			(*ids)[found++] = DatumGetInt64(SPI_getbinval(rows->vals[i],
														  rows->tupdesc, 1, &isnull));
	}
	return found;
}

/* Lock such a job, unless somebody has it. */
bool
aj_queue_lock_offered(int64 job_id)
{
	Datum		values[1] = {Int64GetDatum(job_id)};

	return aj_execute(&lock_offered, values, NULL, 0) == 1;
}

/* How each step of a job has come out. */
void
aj_queue_outcomes(int64 job_id, int nsteps, AjOutcome *outcomes)
{
	Datum		values[1] = {Int64GetDatum(job_id)};
	int			n = aj_execute(&read_outcomes, values, NULL, 0);

	memset(outcomes, 0, nsteps * sizeof(AjOutcome));
	for (int i = 0; i < n; i++)
	{
		bool		isnull;
		int			step_no = DatumGetInt16(aj_value(i, 1, &isnull));
		char	   *word = TextDatumGetCString(aj_value(i, 2, &isnull));

		if (step_no < nsteps)
			outcomes[step_no] = strcmp(word, "failed") == 0 ? AJ_OUTCOME_FAILED :
				strcmp(word, "skipped") == 0 ? AJ_OUTCOME_SKIPPED : AJ_OUTCOME_DONE;
	}
}

/* A step that the job ran itself, or that was skipped, has come out. */
void
aj_queue_add_outcome(AjJob *job, int step_no, AjOutcome outcome, int attempt,
					 TimestampTz started, Jsonb *output, Jsonb *error)
{
	Datum		values[7] = {Int64GetDatum(job->id), Int16GetDatum(step_no),
	Int16GetDatum(attempt), TimestampTzGetDatum(started)};
	char		nulls[8] = "       ";
	const char *word = outcome == AJ_OUTCOME_FAILED ? "failed" :
	outcome == AJ_OUTCOME_SKIPPED ? "skipped" : NULL;
	JsonbValue *message = error == NULL ? NULL :
	getKeyJsonValueFromContainer(&error->root, "message", 7, NULL);

	if (job->sealed && output != NULL)
	{
		AjSealPlace place = {job->id, "output", step_no, 0};

		output = aj_seal(&place, output);
	}
	values[4] = jsonb_or_null(output, &nulls[4]);
	values[5] = aj_text_or_null(word, &nulls[5]);
	values[6] = jsonb_or_null(error, &nulls[6]);
	aj_execute(&add_outcome, values, nulls, 0);
	job->seq++;
	aj_queue_add_update(job->id, job->seq, GetCurrentTimestamp(), "step",
						"running", step_no, error ? "warning" : NULL,
						word == NULL && message != NULL ?
						aj_json_cstring(message) : word, error);
}

/* The job waits for its branches; step_no steps are done. */
void
aj_queue_await_branches(AjJob *job, int step_no, const char *message)
{
	Datum		values[3] = {Int64GetDatum(job->id), Int16GetDatum(step_no)};

	if (message != NULL)
	{
		job->seq++;
		aj_queue_add_update(job->id, job->seq, GetCurrentTimestamp(), "state",
							"waiting", step_no, NULL, message, NULL);
	}
	job->step_no = step_no;
	values[2] = Int32GetDatum(job->seq);
	aj_execute(&await_branches, values, NULL, 0);
}

/* The job goes on with a step by itself. */
void
aj_queue_continue(AjJob *job, int step_no, bool held, bool external)
{
	TimestampTz now = GetCurrentTimestamp();
	Datum		values[5] = {Int64GetDatum(job->id), Int16GetDatum(step_no)};

	if (!held)
	{
		job->seq++;
		aj_queue_add_update(job->id, job->seq, now, "state", "queued", step_no,
							NULL, NULL, NULL);
	}
	job->step_no = step_no;
	job->failures = 0;
	job->free_retries = 0;
	job->crashes = 0;
	values[2] = Int32GetDatum(job->seq);
	values[3] = TimestampTzGetDatum(now);
	values[4] = BoolGetDatum(external);
	aj_execute(held ? &continue_held : &continue_queued, values, NULL, 0);
	if (!held)
		aj_announce_ready(job->owner, job->queue_id, job->priority, now,
						  job->id, external);
}

/* The job has ended. */
void
aj_queue_end(AjJob *job, AjState state, int step_no, Jsonb *result,
			 Jsonb *error)
{
	Datum		values[6] = {Int64GetDatum(job->id),
		CStringGetTextDatum(aj_state_names[state]), Int16GetDatum(step_no),
	Int32GetDatum(++job->seq)};
	char		nulls[7] = "      ";

	job->step_no = step_no;
	values[4] = jsonb_or_null(aj_queue_seal_result(job, result), &nulls[4]);
	values[5] = jsonb_or_null(error, &nulls[5]);
	aj_execute(&end_job, values, nulls, 0);
}

/* What is missing of a job's outputs, as its error; NULL if nothing is. */
Jsonb *
aj_queue_missing(int64 job_id, int32 pipeline_id)
{
	MemoryContext context = CurrentMemoryContext,
				old;
	Datum		values[2] = {Int64GetDatum(job_id), Int32GetDatum(pipeline_id)};
	bool		isnull;
	Jsonb	   *result;

	if (aj_execute(&missing, values, NULL, 0) == 0)
		return NULL;
	old = MemoryContextSwitchTo(context);
	result = DatumGetJsonbPCopy(aj_value(0, 1, &isnull));
	MemoryContextSwitchTo(old);
	return result;
}

/*
 * Params of the job that a branch belongs to, in the context of the call.  If
 * they can't be decrypted, job->locked says why.
 */
Jsonb *
aj_queue_parent_params(AjJob *job)
{
	MemoryContext context = CurrentMemoryContext,
				old;
	Datum		values[1] = {Int64GetDatum(job->parent_id)};
	bool		isnull;
	Jsonb	   *result;

	if (aj_execute(&parent_params, values, NULL, 0) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("job " INT64_FORMAT ", of which this is a step, does not exist",
						job->parent_id)));
	old = MemoryContextSwitchTo(context);
	result = DatumGetJsonbPCopy(aj_value(0, 1, &isnull));
	if (job->sealed && job->locked == NULL)
	{
		AjSealPlace place = {job->parent_id, "params", 0, 0};
		Jsonb	   *opened = aj_try_open(&place, result, &job->locked);

		if (opened != NULL)
			result = opened;
	}
	MemoryContextSwitchTo(old);
	return result;
}

/* The next of them after an id, of an owner or (0) of all; they are locked. */
int
aj_queue_stuck_parents(int64 *ids, int max, int64 after, Oid owner)
{
	Datum		values[3] = {Int64GetDatum(max), Int64GetDatum(after),
	ObjectIdGetDatum(owner)};
	int			n = aj_execute(&stuck_parents, values, NULL, 0);

	for (int i = 0; i < n; i++)
	{
		bool		isnull;

		ids[i] = DatumGetInt64(aj_value(i, 1, &isnull));
	}
	return n;
}
