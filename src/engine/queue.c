/*-------------------------------------------------------------------------
 *
 * queue.c
 *		Statements that take a claimed job to its end.
 *
 * While a job runs its row carries the worker_id of the process that has it.
 * Whoever changes the row afterwards asks for that id, so a worker that was
 * given up for dead cannot finish a job somebody else has.  The number of the
 * job's last update is counted by the one that runs it.
 *
 * cancel() sets cancel_requested on the row of a running job.  The worker's
 * own update of the row then finds it and does not finish: whichever of the
 * two gets the row lock first decides, and no answer of cancel() is wrong.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "asyncjob.h"
#include "clock.h"
#include "errors.h"
#include "latency.h"
#include "queue.h"
#include "scope.h"
#include "seal.h"

#define AJ_CHUNK	(1024 * 1024)

const char *const aj_state_names[] = {
	"queued", "running", "waiting", "completed", "failed", "cancelled"
};

/*
 * By = ANY rather than as a join with unnest(): nothing but the primary key
 * can serve it, whatever the statistics say.  The ids are sorted, so that
 * width_bucket() finds the place of one by halving.
 */
AJ_STATEMENT(complete_many,
			 "UPDATE asyncjob.job j SET state = 'completed', seq = 3,"
			 " result = ($2)[width_bucket(j.id, $1)],"
			 " started_at = ($3)[width_bucket(j.id, $1)],"
			 " finished_at = ($4)[width_bucket(j.id, $1)]"
			 " WHERE j.id = ANY ($1)",
			 INT8ARRAYOID, JSONBARRAYOID, TIMESTAMPTZARRAYOID,
			 TIMESTAMPTZARRAYOID);

AJ_STATEMENT(add_update,
			 "INSERT INTO asyncjob.job_update"
			 " (job_id, seq, at, kind, state, step_no, level, message, data)"
			 " VALUES ($1, $2, $3, $4, $5::asyncjob.job_state, $6, $7, $8, $9)",
			 INT8OID, INT4OID, TIMESTAMPTZOID, TEXTOID, TEXTOID, INT2OID,
			 TEXTOID, TEXTOID, JSONBOID);

AJ_STATEMENT(read_checkpoints,
			 "SELECT coalesce(jsonb_object_agg(c.step_no::text, c.output), '{}')"
			 " FROM asyncjob.checkpoint c WHERE c.job_id = $1",
			 INT8OID);

AJ_STATEMENT(read_sealed,
			 "SELECT c.step_no, c.output FROM asyncjob.checkpoint c"
			 " WHERE c.job_id = $1 AND c.output IS NOT NULL",
			 INT8OID);

AJ_STATEMENT(add_checkpoint,
			 "INSERT INTO asyncjob.checkpoint"
			 " (job_id, step_no, attempt, started_at, finished_at, output)"
			 " VALUES ($1, $2, $3, $4, clock_timestamp(), $5)",
			 INT8OID, INT2OID, INT2OID, TIMESTAMPTZOID, JSONBOID);

AJ_STATEMENT(advance,
			 "UPDATE asyncjob.job SET step_no = $3, failures = 0,"
			 " free_retries = 0, suspect = false, crashes = 0, seq = $4"
			 " WHERE id = $1 AND worker_id = $2 AND state = 'running'"
			 " AND NOT cancel_requested",
			 INT8OID, INT8OID, INT2OID, INT4OID);

AJ_STATEMENT(complete,
			 "UPDATE asyncjob.job SET state = 'completed', result = $3, seq = $4,"
			 " finished_at = clock_timestamp(), worker_id = NULL, error = NULL,"
			 " suspect = false"
			 " WHERE id = $1 AND worker_id = $2 AND state = 'running'"
			 " AND NOT cancel_requested",
			 INT8OID, INT8OID, JSONBOID, INT4OID);

AJ_STATEMENT(lock_held,
			 "SELECT j.cancel_requested FROM asyncjob.job j"
			 " WHERE j.id = $1 AND j.worker_id = $2 AND j.state = 'running'"
			 " FOR UPDATE",
			 INT8OID, INT8OID);

AJ_STATEMENT(set_seq, "UPDATE asyncjob.job SET seq = $2 WHERE id = $1",
			 INT8OID, INT4OID);

AJ_STATEMENT(end_attempt,
			 "UPDATE asyncjob.job SET state = $3::asyncjob.job_state,"
			 " seq = $4, run_at = coalesce($5, run_at), failures = $6,"
			 " free_retries = $7, error = coalesce($8, error), worker_id = NULL,"
			 " cancel_reason = coalesce(cancel_reason, $9),"
			 " suspect = false,"
			 " finished_at = CASE WHEN $5 IS NULL THEN clock_timestamp() END"
			 " WHERE id = $1 AND worker_id = $2 AND state = 'running'",
			 INT8OID, INT8OID, TEXTOID, INT4OID, TIMESTAMPTZOID, INT2OID,
			 INT2OID, JSONBOID, TEXTOID);

AJ_STATEMENT(add_artifact,
			 "INSERT INTO asyncjob.artifact AS a"
			 " (job_id, name, step_no, kind, media_type, size, sha256, data, key_id)"
			 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
			 " ON CONFLICT (job_id, name) DO UPDATE SET step_no = excluded.step_no,"
			 " kind = excluded.kind, media_type = excluded.media_type,"
			 " size = excluded.size, sha256 = excluded.sha256,"
			 " created_at = excluded.created_at, data = excluded.data,"
			 " key_id = excluded.key_id",
			 INT8OID, TEXTOID, INT2OID, TEXTOID, TEXTOID, INT8OID, TEXTOID,
			 BYTEAOID, TEXTOID);

AJ_STATEMENT(drop_chunks,
			 "DELETE FROM asyncjob.artifact_chunk WHERE job_id = $1 AND name = $2",
			 INT8OID, TEXTOID);

AJ_STATEMENT(add_chunk,
			 "INSERT INTO asyncjob.artifact_chunk (job_id, name, chunk_no, data)"
			 " VALUES ($1, $2, $3, $4)",
			 INT8OID, TEXTOID, INT4OID, BYTEAOID);

/*
 * The thought steps of the source documents: one for each step of the
 * pipeline, from the checkpoints, in their words.
 */
AJ_STATEMENT(add_chat_message,
			 "INSERT INTO asyncjob.chat_message (session_id, owner, user_id, role,"
			 " content, job_id, response_complete, artifacts, thought_steps)"
			 " SELECT s.id, j.owner, j.user_id, 'ai', $2, j.id, true,"
			 " coalesce((SELECT jsonb_agg(jsonb_build_object('type', a.kind,"
			 "   'name', a.name, 'media_type', a.media_type, 'size', a.size,"
			 "   'sha256', a.sha256) ORDER BY a.created_at, a.name)"
			 "  FROM asyncjob.artifact a WHERE a.job_id = j.id), '[]'),"
			 " coalesce((SELECT jsonb_agg(jsonb_build_object("
			 "   'step', e.place, 'action', e.step ->> 'name',"
			 "   'status', CASE WHEN c.outcome = 'failed' THEN 'error'"
			 "     WHEN c.outcome = 'skipped' THEN 'skipped'"
			 "     WHEN e.place - 1 < j.step_no OR $3 = 'completed'"
			 "     THEN 'complete' WHEN e.place - 1 = j.step_no THEN 'error'"
			 "     ELSE 'skipped' END,"
			 "   'timestamp', coalesce(c.started_at, j.started_at),"
			 "   'duration', round(1000 * extract(epoch FROM"
			 "     coalesce(c.finished_at, clock_timestamp())"
			 "     - coalesce(c.started_at, j.started_at)))) ORDER BY e.place)"
			 "  FROM jsonb_array_elements(p.steps) WITH ORDINALITY e (step, place)"
			 "  LEFT JOIN asyncjob.checkpoint c"
			 "   ON c.job_id = j.id AND c.step_no = e.place - 1), '[]')"
			 " FROM asyncjob.job j JOIN asyncjob.pipeline p ON p.id = j.pipeline_id"
			 " JOIN asyncjob.chat_session s ON s.id = j.session_id"
			 "  AND s.owner = j.owner"
			 " WHERE j.id = $1",
			 INT8OID, TEXTOID, TEXTOID);

AjState
aj_state_by_name(const char *name)
{
	for (int s = AJ_QUEUED; s <= AJ_CANCELLED; s++)
	{
		if (strcmp(aj_state_names[s], name) == 0)
			return (AjState) s;
	}
	elog(ERROR, "unknown job state \"%s\"", name);
}

/* Write down a change of a job, of the given kind. */
void
aj_queue_add_update(int64 job_id, int seq, TimestampTz at, const char *kind,
					const char *state, int step_no, const char *level,
					const char *message, Jsonb *data)
{
	Datum		values[9];
	char		nulls[9];

	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int64GetDatum(job_id);
	values[1] = Int32GetDatum(seq);
	values[2] = TimestampTzGetDatum(at);
	values[3] = CStringGetTextDatum(kind);
	values[4] = aj_text_or_null(state, &nulls[4]);
	values[5] = Int16GetDatum(step_no);
	values[6] = aj_text_or_null(level, &nulls[6]);
	values[7] = aj_text_or_null(message, &nulls[7]);
	values[8] = JsonbPGetDatum(data);
	if (data == NULL)
		nulls[8] = 'n';
	aj_execute(&add_update, values, nulls, 0);
}

/* Sort the columns of complete_many by id; they mostly are. */
static void
sort_by_id(int n, Datum *columns[4])
{
	for (int i = 1; i < n; i++)
	{
		Datum		row[4];
		int			j = i;

		if (DatumGetInt64(columns[0][i - 1]) <= DatumGetInt64(columns[0][i]))
			continue;
		for (int c = 0; c < 4; c++)
			row[c] = columns[c][i];
		for (; j > 0 && DatumGetInt64(columns[0][j - 1]) > DatumGetInt64(row[0]); j--)
		{
			for (int c = 0; c < 4; c++)
				columns[c][j] = columns[c][j - 1];
		}
		for (int c = 0; c < 4; c++)
			columns[c][j] = row[c];
	}
}

/*
 * End n locked jobs that are new (seq 1) and have one step.  The arrays are
 * sorted by id.
 */
int
aj_queue_complete_many(int n, Datum *ids, Datum *results, Datum *started,
					   Datum *finished)
{
	Datum	   *columns[4] = {ids, results, started, finished};
	Datum		values[4];

	sort_by_id(n, columns);
	values[0] = PointerGetDatum(construct_array(ids, n, INT8OID, 8,
												FLOAT8PASSBYVAL, 'd'));

	/* expanded, since a flat array is walked from its beginning for each */
	values[1] = expand_array(PointerGetDatum(construct_array(results, n, JSONBOID,
															 -1, false, 'i')),
							 CurrentMemoryContext, NULL);
	values[1] = EOHPGetRODatum(DatumGetEOHP(values[1]));
	values[2] = PointerGetDatum(construct_array(started, n, TIMESTAMPTZOID, 8,
												FLOAT8PASSBYVAL, 'd'));
	values[3] = PointerGetDatum(construct_array(finished, n, TIMESTAMPTZOID, 8,
												FLOAT8PASSBYVAL, 'd'));
	return aj_execute(&complete_many, values, NULL, 0);
}

/* The same where they are sealed. */
static Jsonb *
sealed_checkpoints(AjJob *job, MemoryContext context)
{
	Datum		values[1] = {Int64GetDatum(aj_job_root(job))};
	int			n = aj_execute(&read_sealed, values, NULL, 0);
	MemoryContext old = MemoryContextSwitchTo(context);
	StringInfoData s;
	bool		isnull;

	initStringInfo(&s);
	appendStringInfoChar(&s, '{');
	for (int i = 0; i < n && job->locked == NULL; i++)
	{
		AjSealPlace place = {aj_job_root(job), "output",
		DatumGetInt16(aj_value(i, 1, &isnull)), 0};
		Jsonb	   *output = aj_try_open(&place,
										 DatumGetJsonbP(aj_value(i, 2, &isnull)),
										 &job->locked);

		if (output == NULL)
			break;
		appendStringInfo(&s, "%s\"%d\": ", i ? ", " : "", place.step_no);
		JsonbToCString(&s, &output->root, VARSIZE(output));
	}
	if (job->locked != NULL)
	{
		MemoryContextSwitchTo(old);
		return NULL;
	}
	appendStringInfoChar(&s, '}');
	values[0] = DirectFunctionCall1(jsonb_in, CStringGetDatum(s.data));
	MemoryContextSwitchTo(old);
	return DatumGetJsonbP(values[0]);
}

/*
 * Outputs of the finished steps of the job that was submitted, as an object
 * keyed by step number, in the memory context of the call.  NULL if they can't
 * be decrypted: job->locked says why.
 */
Jsonb *
aj_queue_checkpoints(AjJob *job)
{
	MemoryContext context = CurrentMemoryContext,
				old;
	Datum		values[1];
	bool		isnull;
	Jsonb	   *result;

	if (job->sealed)
		return sealed_checkpoints(job, context);
	values[0] = Int64GetDatum(aj_job_root(job));
	aj_execute(&read_checkpoints, values, NULL, 0);
	old = MemoryContextSwitchTo(context);
	result = DatumGetJsonbPCopy(aj_value(0, 1, &isnull));
	MemoryContextSwitchTo(old);
	return result;
}

/*
 * A step is done and another follows.  Returns false, leaving nothing
 * behind that the caller would commit, if the job was cancelled or is not
 * this worker's any more.
 */
bool
aj_queue_advance(AjJob *job, int64 worker_id, const AjStep *step,
				 TimestampTz started, Jsonb *output)
{
	Datum		values[5];
	char		nulls[6] = "     ";

	values[0] = Int64GetDatum(job->id);
	values[1] = Int64GetDatum(worker_id);
	values[2] = Int16GetDatum(job->step_no + 1);
	values[3] = Int32GetDatum(job->seq + 1);
	if (aj_execute(&advance, values, NULL, 0) != 1)
		return false;

	values[1] = Int16GetDatum(job->step_no);
	values[2] = Int16GetDatum(job->failures + 1);
	values[3] = TimestampTzGetDatum(started);
	values[4] = JsonbPGetDatum(aj_job_seal(job, "output", output));
	if (output == NULL)
		nulls[4] = 'n';
	aj_execute(&add_checkpoint, values, nulls, 0);

	job->seq++;
	aj_queue_add_update(job->id, job->seq, GetCurrentTimestamp(), "step",
						"running", job->step_no, NULL, NULL, NULL);
	job->step_no++;
	job->failures = 0;
	job->free_retries = 0;
	job->crashes = 0;
	return true;
}

/* Seal a job's result; that of a branch becomes an output of its parent. */
Jsonb *
aj_queue_seal_result(const AjJob *job, Jsonb *result)
{
	AjSealPlace place = {job->id, "result", 0, 0};

	if (!job->sealed || result == NULL)
		return result;
	return job->item_no >= 0 ? aj_job_seal(job, "output", result) :
		aj_seal(&place, result);
}

/* The last step is done.  Returns as aj_queue_advance() does. */
bool
aj_queue_complete(AjJob *job, int64 worker_id, Jsonb *result)
{
	Datum		values[4];
	char		nulls[5] = "    ";

	values[0] = Int64GetDatum(job->id);
	values[1] = Int64GetDatum(worker_id);
	values[2] = JsonbPGetDatum(aj_queue_seal_result(job, result));
	if (result == NULL)
		nulls[2] = 'n';
	values[3] = Int32GetDatum(job->seq + 1);
	if (aj_execute(&complete, values, nulls, 0) != 1)
		return false;
	job->seq++;
	return true;
}

/*
 * An attempt ended without a result.  Returns the state the job is in now;
 * found says whether it was still this worker's.
 */
AjState
aj_queue_fail(AjJob *job, int64 worker_id, const AjError *error,
			  AjVerdict verdict, int64 delay_ms, bool *found)
{
	Datum		values[9];
	char		nulls[10] = "         ";
	bool		cancelled;
	AjState		state;
	Jsonb	   *error_json = NULL;
	TimestampTz now = aj_now();
	const char *level = "error";
	const char *why;

	values[0] = Int64GetDatum(job->id);
	values[1] = Int64GetDatum(worker_id);
	*found = aj_queue_lock_held(job->id, worker_id, &cancelled);
	if (!*found)
		return AJ_QUEUED;
	if (cancelled)
		verdict = AJ_VERDICT_CANCELLED;

	switch (verdict)
	{
		case AJ_VERDICT_RETRY:
			state = AJ_QUEUED;
			job->failures++;
			break;
		case AJ_VERDICT_RETRY_FREE:
			state = AJ_QUEUED;
			level = "warning";
			job->free_retries++;
			break;
		case AJ_VERDICT_SNOOZE:
			state = AJ_QUEUED;
			level = "info";
			break;
		case AJ_VERDICT_DEAD:
			state = AJ_FAILED;
			job->failures++;
			break;
		default:
			state = AJ_CANCELLED;
			break;
	}

	if (error != NULL && state != AJ_CANCELLED)
		error_json = aj_error_to_jsonb(error, job);
	if (state != AJ_CANCELLED)
	{
		job->seq++;
		aj_queue_add_update(job->id, job->seq, now, "attempt", aj_state_names[state],
							job->step_no, level,
							error == NULL ? NULL :
							job->sealed ? AJ_HIDDEN : error->message,
							error_json);
	}
	if (state == AJ_CANCELLED && job->sealed && error != NULL &&
		error->sqlerrcode == AJ_ERRCODE_CANCEL && aj_seal_possible(&why))
	{
		/* cancel_reason is not encrypted */
		AjLogLine	line = {.at = now,.level = "warning",.message = error->message};

		aj_queue_log(job, list_make1(&line));
	}
	if (AJ_STATE_IS_FINAL(state))
		job->seq++;

	values[2] = CStringGetTextDatum(aj_state_names[state]);
	values[3] = Int32GetDatum(job->seq);
	job->run_at = TimestampTzPlusMilliseconds(now, delay_ms);
	values[4] = TimestampTzGetDatum(job->run_at);
	if (AJ_STATE_IS_FINAL(state))
		nulls[4] = 'n';
	values[5] = Int16GetDatum(job->failures);
	values[6] = Int16GetDatum(job->free_retries);
	values[7] = JsonbPGetDatum(error_json);
	if (error_json == NULL)
		nulls[7] = 'n';
	/* what a handler said when it cancelled its job */
	values[8] = aj_text_or_null(state == AJ_CANCELLED && error != NULL &&
								error->sqlerrcode == AJ_ERRCODE_CANCEL ?
								(job->sealed ? AJ_HIDDEN : error->message) :
								NULL, &nulls[8]);
	aj_execute(&end_attempt, values, nulls, 0);
	return state;
}

/*
 * Lock a job's row.  Returns false if it isn't this worker's any more;
 * cancelled says that somebody asked for its end.
 */
bool
aj_queue_lock_held(int64 job_id, int64 worker_id, bool *cancelled)
{
	Datum		values[2] = {Int64GetDatum(job_id), Int64GetDatum(worker_id)};
	bool		isnull;

	if (aj_execute(&lock_held, values, NULL, 0) == 0)
		return false;
	*cancelled = DatumGetBool(aj_value(0, 1, &isnull));
	return true;
}

/* Updates were added after the job's row was written. */
void
aj_queue_set_seq(const AjJob *job)
{
	Datum		values[2] = {Int64GetDatum(job->id), Int32GetDatum(job->seq)};

	aj_execute(&set_seq, values, NULL, 0);
}

/* A line of a sealed job's log, message and data. */
static Jsonb *
sealed_line(const AjJob *job, const AjLogLine *line)
{
	AjSealPlace place = {aj_job_root(job), "log", 0, 0};
	StringInfoData s;

	initStringInfo(&s);
	appendStringInfoString(&s, "{\"message\": ");
	escape_json(&s, line->message);
	if (line->data != NULL)
	{
		appendStringInfoString(&s, ", \"data\": ");
		JsonbToCString(&s, &line->data->root, VARSIZE(line->data));
	}
	appendStringInfoChar(&s, '}');
	return aj_seal(&place, DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
															  CStringGetDatum(s.data))));
}

/* Write down what the handler logged. */
void
aj_queue_log(AjJob *job, List *lines)
{
	ListCell   *cell;

	foreach(cell, lines)
	{
		AjLogLine  *line = lfirst(cell);

		job->seq++;
		aj_queue_add_update(job->id, job->seq, line->at, "log", NULL, job->step_no,
							line->level,
							job->sealed ? AJ_HIDDEN : line->message,
							job->sealed ? sealed_line(job, line) : line->data);
	}
}

static char *
sha256_hex(const char *data, Size len)
{
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	char	   *hex = palloc(2 * PG_SHA256_DIGEST_LENGTH + 1);

	if (pg_cryptohash_init(ctx) < 0 ||
		pg_cryptohash_update(ctx, (const uint8 *) data, len) < 0 ||
		pg_cryptohash_final(ctx, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute a SHA-256 digest");
	pg_cryptohash_free(ctx);
	hex_encode((const char *) digest, sizeof(digest), hex);
	hex[2 * PG_SHA256_DIGEST_LENGTH] = '\0';
	return hex;
}

/* The place of an artifact, or (from 0) of a piece of it. */
AjSealPlace
aj_artifact_place(int64 job_id, const char *name, int chunk)
{
	AjSealPlace place = {job_id, psprintf("artifact:%s", name), 0, chunk};

	return place;
}

/*
 * An artifact, or a piece of it, as it is stored: encrypted by the key of this
 * id, or (NULL) clear.
 */
static Datum
stored_bytes(const AjJob *job, const char *name, int chunk, const char *key_id,
			 const char *data, Size len)
{
	AjSealPlace place;

	if (key_id == NULL)
		return PointerGetDatum(cstring_to_text_with_len(data, len));
	place = aj_artifact_place(aj_job_root(job), name, chunk);
	return PointerGetDatum(aj_seal_bytes(&place, key_id, data, len));
}

/* Store what the handler made. */
void
aj_queue_store_artifacts(AjJob *job, List *artifacts)
{
	ListCell   *cell;

	foreach(cell, artifacts)
	{
		AjArtifact *artifact = lfirst(cell);
		Datum		values[9];
		char		nulls[10] = "         ";
		const char *key_id = job->sealed ? aj_seal_key() : NULL;
		bool		inline_data = artifact->len <= AJ_CHUNK;

		values[0] = Int64GetDatum(aj_job_root(job));
		values[1] = CStringGetTextDatum(artifact->name);
		aj_execute(&drop_chunks, values, NULL, 0);

		values[2] = Int16GetDatum(job->step_no);
		values[3] = CStringGetTextDatum(artifact->kind);
		values[4] = CStringGetTextDatum(artifact->media_type);
		values[5] = Int64GetDatum((int64) artifact->len);
		values[6] = CStringGetTextDatum(sha256_hex(artifact->data, artifact->len));
		if (inline_data)
			values[7] = stored_bytes(job, artifact->name, -1, key_id,
									 artifact->data, artifact->len);
		else
			nulls[7] = 'n';
		values[8] = aj_text_or_null(key_id, &nulls[8]);
		aj_execute(&add_artifact, values, nulls, 0);

		for (Size start = 0, no = 0; !inline_data && start < artifact->len;
			 start += AJ_CHUNK, no++)
		{
			Size		len = Min(AJ_CHUNK, artifact->len - start);

			values[2] = Int32GetDatum((int32) no);
			values[3] = stored_bytes(job, artifact->name, (int) no, key_id,
									 artifact->data + start, len);
			aj_execute(&add_chunk, values, NULL, 0);
			pfree(DatumGetPointer(values[3]));
		}
	}
}

/*
 * Tell the chat session of a job how it ended.  Returns false when there is
 * no such session.
 */
bool
aj_queue_write_chat(int64 job_id, const char *content, AjState state)
{
	TimestampTz start = GetCurrentTimestamp();
	Datum		values[3];

	values[0] = Int64GetDatum(job_id);
	values[1] = CStringGetTextDatum(content);
	values[2] = CStringGetTextDatum(aj_state_names[state]);
	if (aj_execute(&add_chat_message, values, NULL, 0) != 1)
		return false;
	aj_latency_note(AJ_LATENCY_CHAT, start, GetCurrentTimestamp());
	return true;
}
