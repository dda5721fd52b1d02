/*-------------------------------------------------------------------------
 *
 * queue_submit.c
 *		Statements by which pipelines, queues and jobs come into being.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "extension.h"
#include "queue.h"
#include "queue_submit.h"
#include "scope.h"

AJ_STATEMENT(read_pipeline,
			 "SELECT p.name, p.version, p.owner, p.validator, p.steps"
			 " FROM asyncjob.pipeline p WHERE p.id = $1",
			 INT4OID);

AJ_STATEMENT(find_pipeline,
			 "SELECT p.id, p.owner FROM asyncjob.pipeline p"
			 " WHERE p.name = $1 AND p.is_current",
			 TEXTOID);

AJ_STATEMENT(pipeline_grants,
			 "SELECT g.role FROM asyncjob.pipeline_grant g"
			 " WHERE g.pipeline = $1",
			 TEXTOID);

AJ_STATEMENT(find_queue,
			 "SELECT q.id, coalesce(q.max_depth, -1), q.encrypt"
			 " FROM asyncjob.queue q WHERE q.name = $1",
			 TEXTOID);

AJ_STATEMENT(encrypts,
			 "SELECT true FROM asyncjob.queue q WHERE q.id = $1 AND q.encrypt",
			 INT4OID);

AJ_STATEMENT(set_encrypt,
			 "UPDATE asyncjob.queue SET encrypt = $2"
			 " WHERE id = $1 AND encrypt <> $2",
			 INT4OID, BOOLOID);

AJ_STATEMENT(find_session,
			 "SELECT true FROM asyncjob.chat_session s"
			 " WHERE s.id = $1 AND s.owner = $2"
			 " AND ($3 IS NULL OR s.user_id IS NULL OR s.user_id = $3)",
			 TEXTOID, OIDOID, TEXTOID);

AJ_STATEMENT(find_owner,
			 "SELECT true FROM asyncjob.owner o WHERE o.role = $1"
			 " AND o.rolname = $2",
			 OIDOID, NAMEOID);

AJ_STATEMENT(other_owner,
			 "SELECT true FROM asyncjob.owner o WHERE o.role = $1"
			 " AND o.rolname <> $2",
			 OIDOID, NAMEOID);

AJ_STATEMENT(add_owner,
			 "INSERT INTO asyncjob.owner AS o (role, rolname) VALUES ($1, $2)"
			 " ON CONFLICT (role) DO UPDATE SET rolname = excluded.rolname"
			 " WHERE o.rolname <> excluded.rolname",
			 OIDOID, NAMEOID);

AJ_STATEMENT(add_job,
			 "INSERT INTO asyncjob.job (created_at, run_at, owner, pipeline_id,"
			 " queue_id, priority, user_id, session_id, params)"
			 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id",
			 TIMESTAMPTZOID, TIMESTAMPTZOID, OIDOID, INT4OID, INT4OID, INT2OID,
			 TEXTOID, TEXTOID, JSONBOID);

/* a separate one, since an insert that may conflict is a speculative one */
AJ_STATEMENT(add_unique_job,
			 "INSERT INTO asyncjob.job (created_at, run_at, owner, pipeline_id,"
			 " queue_id, priority, user_id, session_id, params, unique_key)"
			 " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
			 " ON CONFLICT (owner, unique_key) WHERE unique_key IS NOT NULL"
			 "  AND state IN ('queued', 'running', 'waiting') DO NOTHING"
			 " RETURNING id",
			 TIMESTAMPTZOID, TIMESTAMPTZOID, OIDOID, INT4OID, INT4OID, INT2OID,
			 TEXTOID, TEXTOID, JSONBOID, TEXTOID);

AJ_STATEMENT(find_by_key,
			 "SELECT j.id FROM asyncjob.job j WHERE j.owner = $1"
			 " AND j.unique_key = $2"
			 " AND j.state IN ('queued', 'running', 'waiting')",
			 OIDOID, TEXTOID);

AJ_STATEMENT(add_jobs,
			 "INSERT INTO asyncjob.job (created_at, run_at, owner, pipeline_id,"
			 " queue_id, priority, user_id, session_id, params)"
			 " SELECT $1, $2, $3, $4, $5, $6, $7, $8, u.params"
			 " FROM unnest($9) WITH ORDINALITY u (params, place)"
			 " ORDER BY u.place RETURNING id",
			 TIMESTAMPTZOID, TIMESTAMPTZOID, OIDOID, INT4OID, INT4OID, INT2OID,
			 TEXTOID, TEXTOID, JSONBARRAYOID);

AJ_STATEMENT(lock_pipeline,
			 "SELECT p.id, p.owner, p.version, p.is_current, NOT EXISTS"
			 "  (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = p.owner)"
			 " FROM asyncjob.pipeline p"
			 " WHERE p.name = $1 ORDER BY p.version DESC LIMIT 1 FOR UPDATE",
			 TEXTOID);

AJ_STATEMENT(drop_grants,
			 "DELETE FROM asyncjob.pipeline_grant WHERE pipeline = $1", TEXTOID);

AJ_STATEMENT(retire_pipeline,
			 "UPDATE asyncjob.pipeline SET is_current = false"
			 " WHERE name = $1 AND is_current",
			 TEXTOID);

/* what is paused stays so */
AJ_STATEMENT(add_pipeline,
			 "INSERT INTO asyncjob.pipeline"
			 " (name, version, owner, steps, validator, description, paused_at)"
			 " SELECT $1, $2, $3, $4, $5, $6, max(p.paused_at)"
			 " FROM asyncjob.pipeline p WHERE p.name = $1 RETURNING id",
			 TEXTOID, INT4OID, OIDOID, JSONBOID, TEXTOID, TEXTOID);

AJ_STATEMENT(add_queue,
			 "INSERT INTO asyncjob.queue (name, quiesced_at)"
			 " SELECT $1, f.quiesced_at FROM asyncjob.queue f WHERE f.id = 1"
			 " FOR SHARE ON CONFLICT (name) DO NOTHING RETURNING id",
			 TEXTOID);

AJ_STATEMENT(grant_pipeline,
			 "INSERT INTO asyncjob.pipeline_grant (pipeline, role)"
			 " VALUES ($1, $2) ON CONFLICT DO NOTHING",
			 TEXTOID, OIDOID);

AJ_STATEMENT(revoke_pipeline,
			 "DELETE FROM asyncjob.pipeline_grant WHERE pipeline = $1 AND role = $2",
			 TEXTOID, OIDOID);

AJ_STATEMENT(add_session,
			 "INSERT INTO asyncjob.chat_session (id, owner, user_id, title)"
			 " VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
			 TEXTOID, OIDOID, TEXTOID, TEXTOID);

AJ_STATEMENT(add_message,
			 "INSERT INTO asyncjob.chat_message"
			 " (session_id, owner, user_id, role, content, job_id,"
			 "  response_complete)"
			 " VALUES ($1, $2, $3, 'human', $4, nullif($5, 0), true)"
			 " RETURNING id",
			 TEXTOID, OIDOID, TEXTOID, TEXTOID, INT8OID);

/*
 * Read a version of a pipeline into memory of the current context.  The
 * steps are still to be parsed.
 */
bool
aj_queue_read_pipeline(int32 id, AjPipeline *pipeline, Jsonb **steps)
{
	MemoryContext context = CurrentMemoryContext,
				old;
	Datum		values[1] = {Int32GetDatum(id)},
				value;
	bool		isnull;
	HeapTuple	row;
	TupleDesc	desc;

	if (aj_execute(&read_pipeline, values, NULL, 0) == 0)
		return false;
	row = SPI_tuptable->vals[0];
	desc = SPI_tuptable->tupdesc;
	old = MemoryContextSwitchTo(context);
	pipeline->id = id;
	pipeline->name = TextDatumGetCString(SPI_getbinval(row, desc, 1, &isnull));
	pipeline->version = DatumGetInt32(SPI_getbinval(row, desc, 2, &isnull));
	pipeline->owner = DatumGetObjectId(SPI_getbinval(row, desc, 3, &isnull));
	value = SPI_getbinval(row, desc, 4, &isnull);
	pipeline->validator = isnull ? NULL : TextDatumGetCString(value);
	*steps = DatumGetJsonbPCopy(SPI_getbinval(row, desc, 5, &isnull));
	MemoryContextSwitchTo(old);
	return true;
}

/* Id and owner of the current version of a pipeline, or 0. */
int32
aj_queue_find_pipeline(const char *name, Oid *owner)
{
	Datum		values[1] = {CStringGetTextDatum(name)};
	bool		isnull;

	if (aj_execute(&find_pipeline, values, NULL, 0) == 0)
		return 0;
	*owner = DatumGetObjectId(aj_value(0, 2, &isnull));
	return DatumGetInt32(aj_value(0, 1, &isnull));
}

/* Roles that a pipeline was granted to, in the current memory context. */
int
aj_queue_pipeline_grants(const char *name, Oid **roles)
{
	Datum		values[1] = {CStringGetTextDatum(name)};
	bool		isnull;
	int			n;

	n = aj_execute(&pipeline_grants, values, NULL, 0);
	*roles = palloc((n + 1) * sizeof(Oid));
	for (int i = 0; i < n; i++)
		(*roles)[i] = DatumGetObjectId(aj_value(i, 1, &isnull));
	return n;
}

/*
 * Id of a queue, or 0; max_depth is -1 where there is none, and encrypt says
 * whether its jobs are.
 */
int32
aj_queue_read_queue(const char *name, int *max_depth, bool *encrypt)
{
	Datum		values[1] = {CStringGetTextDatum(name)};
	bool		isnull;

	if (aj_execute(&find_queue, values, NULL, 0) == 0)
		return 0;
	*max_depth = DatumGetInt32(aj_value(0, 2, &isnull));
	*encrypt = DatumGetBool(aj_value(0, 3, &isnull));
	return DatumGetInt32(aj_value(0, 1, &isnull));
}

/* Are the jobs of a queue encrypted? */
bool
aj_queue_encrypts(int32 queue_id)
{
	Datum		values[1] = {Int32GetDatum(queue_id)};

	return aj_execute(&encrypts, values, NULL, 0) > 0;
}

void
aj_queue_set_encrypt(int32 queue_id, bool encrypt)
{
	Datum		values[2] = {Int32GetDatum(queue_id), BoolGetDatum(encrypt)};

	aj_execute(&set_encrypt, values, NULL, 0);
}

/* Id of a queue, or 0. */
int32
aj_queue_find_queue(const char *name)
{
	int			max_depth;
	bool		encrypt;

	return aj_queue_read_queue(name, &max_depth, &encrypt);
}

/* Is there such a chat session, of this role and user? */
bool
aj_queue_session_exists(const char *session, Oid role, const char *user_id)
{
	char		nulls[4] = "   ";
	Datum		values[3] = {CStringGetTextDatum(session),
	ObjectIdGetDatum(role)};

	values[2] = aj_text_or_null(user_id, &nulls[2]);
	return aj_execute(&find_session, values, nulls, 0) > 0;
}

/*
 * Remember the name of a role that owns jobs.  Returns true if that was
 * known.
 */
bool
aj_queue_note_owner(Oid role, const char *rolname)
{
	Datum		values[2] = {ObjectIdGetDatum(role),
	DirectFunctionCall1(namein, CStringGetDatum(rolname))};

	if (aj_execute(&find_owner, values, NULL, 0) > 0)
		return true;

	/*
	 * In a restored dump another role's name may stand under this OID; it
	 * must stay until resume() has found that role.
	 */
	if (aj_execute(&other_owner, values, NULL, 0) > 0 && !aj_origin_is_ours())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the queue was copied from another server or database"),
				 errhint("Let an administrator call asyncjob.resume() first.")));
	aj_execute(&add_owner, values, NULL, 0);
	return false;
}

static void
submission_values(AjSubmission *s, Datum *values, char *nulls)
{
	TimestampTz now = GetCurrentTimestamp();

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
}

/* Jobs that not any worker may take at once: queue_insert.c. */
static bool
is_special(const AjSubmission *s)
{
	return s->external || s->held || s->concurrency_key != NULL || s->sealed;
}

/*
 * Insert a job.  Where an unfinished job of the same unique key exists, its
 * id is returned and nothing is inserted; *changed says whether it became what
 * is submitted now.  s->run_at is set if it was 0.
 */
int64
aj_queue_add_job(AjSubmission *s, Jsonb *params, bool *added, bool *changed)
{
	Datum		values[10];
	char		nulls[11] = "          ";
	bool		isnull;
	int64		id = 0;
	TimestampTz run_at = s->run_at;

	*changed = false;
	submission_values(s, values, nulls);
	values[8] = JsonbPGetDatum(params);
	if (s->unique_key == NULL)
	{
		if (is_special(s))
		{
			*added = aj_queue_insert_job(s, params, &id);
			return id;
		}
		aj_execute(&add_job, values, nulls, 0);
		*added = true;
		return DatumGetInt64(aj_value(0, 1, &isnull));
	}
	values[9] = CStringGetTextDatum(s->unique_key);
	for (;;)
	{
		Datum		key[2] = {values[2], values[9]};

		if (is_special(s))
			*added = aj_queue_insert_job(s, params, &id);
		else
		{
			*added = aj_execute(&add_unique_job, values, nulls, 0) == 1;
			if (*added)
				id = DatumGetInt64(aj_value(0, 1, &isnull));
		}
		if (*added)
			return id;
		if (s->unique_mode != AJ_UNIQUE_KEEP)
		{
			AjSubmission now = *s;

			now.run_at = run_at;
			id = aj_queue_replace_job(&now, params);
			if (id != 0)
			{
				s->run_at = now.run_at;
				s->moved = now.moved;
				*changed = true;
				return id;
			}
		}
		else if (aj_execute(&find_by_key, key, NULL, 0) == 1)
			return DatumGetInt64(aj_value(0, 1, &isnull));
		/* it ended, or started, in between: try again */
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * Insert many; their ids, in order, are left in SPI_tuptable.  Returns how
 * many, and the first id.
 */
int
aj_queue_add_jobs(AjSubmission *s, Datum params_array, int64 *first)
{
	Datum		values[9];
	char		nulls[10] = "         ";
	bool		isnull;
	int			n;

	if (is_special(s))
		return aj_queue_insert_jobs(s, params_array, first);
	submission_values(s, values, nulls);
	values[8] = params_array;
	n = aj_execute(&add_jobs, values, nulls, 0);
	*first = n > 0 ? DatumGetInt64(aj_value(0, 1, &isnull)) : 0;
	return n;
}

/*
 * Two that make a pipeline of one name do so in turn; later the row of the
 * latest version sees to that.  The lock's tag is one that SQL can't take.
 */
static void
lock_name(const char *name)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0,
						 hash_bytes((const unsigned char *) name, strlen(name)), 8);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

/*
 * Store a pipeline, as a new version if the role owns one of that name; a
 * superuser's new version stays its owner's.  Where that role was dropped, the
 * name is a superuser's to take, or to set free by drop_pipeline(); those whom
 * the dropped role had granted it have to be granted it anew.
 * Returns its id, or 0 if the name is another role's.
 */
int32
aj_queue_add_pipeline(const AjPipeline *pipeline, Jsonb *steps,
					  const char *description, bool superuser)
{
	Datum		values[6] = {CStringGetTextDatum(pipeline->name)};
	char		nulls[7] = "      ";
	Oid			owner = pipeline->owner;
	int			version = 1;
	bool		isnull;

	lock_name(pipeline->name);
	if (aj_execute(&lock_pipeline, values, NULL, 0) > 0)
	{
		HeapTuple	row = SPI_tuptable->vals[0];
		TupleDesc	desc = SPI_tuptable->tupdesc;

		bool		current = DatumGetBool(SPI_getbinval(row, desc, 4, &isnull));
		bool		orphan = DatumGetBool(SPI_getbinval(row, desc, 5, &isnull));

		owner = DatumGetObjectId(SPI_getbinval(row, desc, 2, &isnull));
		if (owner != pipeline->owner && !superuser && !(orphan && !current))
			return 0;
		version = DatumGetInt32(SPI_getbinval(row, desc, 3, &isnull)) + 1;
		aj_execute(&retire_pipeline, values, NULL, 0);
		if (orphan)
		{
			owner = pipeline->owner;
			aj_execute(&drop_grants, values, NULL, 0);
		}
	}
	values[1] = Int32GetDatum(version);
	values[2] = ObjectIdGetDatum(owner);
	values[3] = JsonbPGetDatum(steps);
	values[4] = aj_text_or_null(pipeline->validator, &nulls[4]);
	values[5] = aj_text_or_null(description, &nulls[5]);
	aj_execute(&add_pipeline, values, nulls, 0);
	return DatumGetInt32(aj_value(0, 1, &isnull));
}

/* Owner of a pipeline's current version, or InvalidOid. */
Oid
aj_queue_pipeline_owner(const char *name)
{
	Datum		values[1] = {CStringGetTextDatum(name)};
	bool		isnull;

	if (aj_execute(&lock_pipeline, values, NULL, 0) == 0)
		return InvalidOid;
	return DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0],
										  SPI_tuptable->tupdesc, 2, &isnull));
}

/* Let no further job of this pipeline be submitted. */
bool
aj_queue_retire_pipeline(const char *name)
{
	Datum		values[1] = {CStringGetTextDatum(name)};

	return aj_execute(&retire_pipeline, values, NULL, 0) > 0;
}

void
aj_queue_grant_pipeline(const char *name, Oid role)
{
	Datum		values[2] = {CStringGetTextDatum(name), ObjectIdGetDatum(role)};

	aj_execute(&grant_pipeline, values, NULL, 0);
}

void
aj_queue_revoke_pipeline(const char *name, Oid role)
{
	Datum		values[2] = {CStringGetTextDatum(name), ObjectIdGetDatum(role)};

	aj_execute(&revoke_pipeline, values, NULL, 0);
}

int32
aj_queue_add_queue(const char *name)
{
	Datum		values[1] = {CStringGetTextDatum(name)};
	bool		isnull;

	if (aj_execute(&add_queue, values, NULL, 0) == 0)
		return 0;
	return DatumGetInt32(aj_value(0, 1, &isnull));
}

/* Returns false if the id is taken. */
bool
aj_queue_add_session(const char *id, Oid owner, const char *user_id,
					 const char *title)
{
	Datum		values[4] = {CStringGetTextDatum(id), ObjectIdGetDatum(owner)};
	char		nulls[5] = "    ";

	values[2] = aj_text_or_null(user_id, &nulls[2]);
	values[3] = aj_text_or_null(title, &nulls[3]);
	return aj_execute(&add_session, values, nulls, 0) == 1;
}

/* A message that a person wrote; job_id 0: about no job. */
int64
aj_queue_add_message(const char *session, Oid owner, const char *user_id,
					 const char *content, int64 job_id)
{
	Datum		values[5] = {CStringGetTextDatum(session),
	ObjectIdGetDatum(owner)};
	char		nulls[6] = "     ";
	bool		isnull;

	values[2] = aj_text_or_null(user_id, &nulls[2]);
	values[3] = CStringGetTextDatum(content);
	values[4] = Int64GetDatum(job_id);
	aj_execute(&add_message, values, nulls, 0);
	return DatumGetInt64(aj_value(0, 1, &isnull));
}
