/*-------------------------------------------------------------------------
 *
 * api_submit.c
 *		submit(), submit_many() and run().
 *
 * Everything that can be known to be wrong is refused here, before anything
 * is stored: unknown names, numbers out of range, a pipeline the caller may
 * not run, an owner no worker could log in as, and what the pipeline's own
 * validator finds in the params.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "api.h"
#include "api_flow.h"
#include "executor.h"
#include "extension.h"
#include "external.h"
#include "foreground.h"
#include "guc.h"
#include "latency.h"
#include "limits.h"
#include "names.h"
#include "queue.h"
#include "queue_read.h"
#include "queue_submit.h"
#include "redact.h"
#include "seal.h"
#include "wake.h"

PG_FUNCTION_INFO_V1(aj_submit);
PG_FUNCTION_INFO_V1(aj_submit_many);
PG_FUNCTION_INFO_V1(aj_run);

bool		aj_submit_sealed = false;

/* What identifies a call's pipeline, checked. */
typedef struct Target
{
	AjSubmission s;
	int			max_depth;		/* of the queue, -1: none */
	const AjPipeline *pipeline;
} Target;

/*
 * A worker logs in as the owner; find out now if it can't.
 */
static void
check_owner(Oid role)
{
	HeapTuple	tuple;
	bool		canlogin;

	if (AJ_OWNER_NEEDS_LOGIN)
	{
		tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for role %u", role);
		canlogin = ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
		ReleaseSysCache(tuple);
		if (!canlogin)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("role \"%s\" cannot own jobs because it is not permitted to log in",
							GetUserNameFromId(role, false)),
					 errhint("ALTER ROLE ... LOGIN is enough, no password or pg_hba.conf entry is needed; or use PostgreSQL 17 or later.")));
	}
	if (aj_database_aclcheck(MyDatabaseId, role, ACL_CONNECT) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" cannot own jobs because it may not connect to this database",
						GetUserNameFromId(role, false)),
				 errhint("GRANT CONNECT ON DATABASE to the role.")));
}

int
aj_priority_arg(FunctionCallInfo fcinfo, int n)
{
	static const struct
	{
		const char *word;
		int			priority;
	}			words[] =
	{
		{"low", 3}, {"medium", 5}, {"high", 8}, {"urgent", 10}
	};
	char	   *text = aj_text_arg(fcinfo, n);
	char	   *end;
	long		value;

	if (text == NULL)
		aj_null_argument("priority");
	for (int i = 0; i < lengthof(words); i++)
	{
		if (pg_strcasecmp(text, words[i].word) == 0)
			return words[i].priority;
	}
	errno = 0;
	value = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value < 0 || value > 10)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("priority is out of range: \"%s\"", text),
				 errhint("Give 0 to 10, higher is more urgent, or LOW, MEDIUM, HIGH or URGENT.")));
	return (int) value;
}

static bool
may_submit(const AjPipelineName *pipeline, Oid role)
{
	if (pipeline->owner == role || superuser_arg(role))
		return true;
	for (int i = 0; i < pipeline->ngrants; i++)
	{
		if (!OidIsValid(pipeline->grants[i]) ||
			has_privs_of_role(role, pipeline->grants[i]))
			return true;
	}
	return false;
}

/*
 * Resolve pipeline and queue for this caller.
 */
static void
resolve_target(Target *target, const AjCaller *caller, const char *pipeline,
			   const char *queue)
{
	const AjPipelineName *found = aj_name_pipeline(pipeline);

	target->s.owner = caller->role;
	if (found == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("pipeline \"%s\" does not exist", pipeline),
				 errhint("asyncjob.pipelines lists those that you may run.")));
	target->s.pipeline_id = found->id;
	if (!may_submit(found, caller->role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for pipeline \"%s\"", pipeline),
				 errhint("Its owner can grant it with asyncjob.grant_pipeline().")));
	target->s.queue_id = aj_name_queue(queue, &target->max_depth,
									   &target->s.sealed);
	if (target->s.queue_id == 0)
		aj_unknown_queue(queue);
	/* what an encrypted job submits carries what it carries */
	if (aj_submit_sealed ||
		(aj_current_run() != NULL && aj_current_run()->job->sealed))
		target->s.sealed = true;
	aj_name_note_owner(caller->role, GetUserNameFromId(caller->role, false));
	target->pipeline = aj_pipeline_read(target->s.pipeline_id);
	aj_handlers_check(target->pipeline, caller->role);
	target->s.external = aj_pipeline_begins_outside(target->pipeline);
}

/* Refuse a pipeline that the current user may not run. */
void
aj_check_pipeline(const char *pipeline)
{
	Target		target = {0};
	AjCaller	caller;
	AjScope		scope;

	aj_caller(&caller);
	check_owner(caller.role);
	aj_scope_enter(&scope, false);
	resolve_target(&target, &caller, pipeline, "default");
	aj_scope_leave(&scope);
}

/* Refuse what submit() would. */
void
aj_check_submit(const char *pipeline, const char *queue, Jsonb *params)
{
	Target		target = {0};
	AjCaller	caller;

	aj_caller(&caller);
	check_owner(caller.role);
	resolve_target(&target, &caller, pipeline, queue);
	aj_validate_params(target.pipeline, params);
}

/* Let the pipeline's validator look at the params, as the caller. */
void
aj_validate_params(const AjPipeline *pipeline, Jsonb *params)
{
	LOCAL_FCINFO(fcinfo, 1);
	FmgrInfo	flinfo;

	if (pipeline->validator == NULL)
		return;

	/* by hand, since a SQL function that returns void may return null */
	fmgr_info(aj_handler_find(pipeline->validator, GetUserId(), true), &flinfo);
	InitFunctionCallInfoData(*fcinfo, &flinfo, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = JsonbPGetDatum(params);
	fcinfo->args[0].isnull = false;
	(void) FunctionCallInvoke(fcinfo);
}

/*
 * The same for a job of another role's: as that role, whose right it is to see
 * to its own, and whose code must not run with the rights of somebody who
 * steers everybody's jobs.  So nothing may be left behind for a time when the
 * user is the caller again.
 */
void
aj_validate_params_of(Oid owner, const AjPipeline *pipeline, Jsonb *params)
{
	Oid			userid;
	int			sec_context,
				nestlevel;

	if (owner == GetUserId() || pipeline->validator == NULL)
	{
		aj_validate_params(pipeline, params);
		return;
	}
	GetUserIdAndSecContext(&userid, &sec_context);
	SetUserIdAndSecContext(owner, sec_context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	nestlevel = NewGUCNestLevel();
	aj_validate_params(pipeline, params);
	AtEOXact_GUC(false, nestlevel);
	SetUserIdAndSecContext(userid, sec_context);
}

/* The application's user, which asyncjob.user_id may dictate. */
char *
aj_user_arg(FunctionCallInfo fcinfo, int n, const AjCaller *caller)
{
	char	   *user_id = aj_limited_text_arg(fcinfo, n, "user_id", AJ_MAX_ID_LEN, false);

	if (caller->filter == AJ_ONE_USER)
	{
		if (user_id == NULL)
			user_id = pstrdup(caller->user_id);
		else if (strcmp(user_id, caller->user_id) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("user_id \"%s\" is not this session's user", user_id),
					 errdetail("asyncjob.user_id is \"%s\".", caller->user_id)));
	}
	else if (caller->filter == AJ_NO_USER)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("asyncjob.user_id is not set"),
				 errdetail("asyncjob.require_user_id is on."),
				 errhint("SET asyncjob.user_id to the application's user.")));
	return user_id;
}

/*
 * Arguments that submit() and submit_many() share, from number first on:
 * queue, priority, run_at, user_id, session_id.
 */
static void
common_args(FunctionCallInfo fcinfo, int first, const AjCaller *caller,
			AjSubmission *s, char **queue)
{
	*queue = aj_text_arg(fcinfo, first);
	if (*queue == NULL)
		aj_null_argument("queue");
	s->priority = aj_priority_arg(fcinfo, first + 1);
	if (!PG_ARGISNULL(first + 2))
	{
		s->run_at = PG_GETARG_TIMESTAMPTZ(first + 2);
		if (TIMESTAMP_NOT_FINITE(s->run_at) ||
			s->run_at > GetCurrentTimestamp() + AJ_MAX_AHEAD_S * USECS_PER_SEC)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("run_at is out of range: %s",
							timestamptz_to_str(s->run_at)),
					 errhint("Give a time at most 366 days ahead.")));
	}
	s->user_id = aj_user_arg(fcinfo, first + 3, caller);
	s->session_id = aj_limited_text_arg(fcinfo, first + 4, "session_id", AJ_MAX_ID_LEN, false);
}

static void
check_session(const AjCaller *caller, const AjSubmission *s)
{
	AjScope		scope;
	bool		exists;

	if (s->session_id == NULL)
		return;
	aj_scope_enter(&scope, false);
	exists = aj_queue_session_exists(s->session_id, caller->role, s->user_id);
	aj_scope_leave(&scope);
	if (!exists)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("chat session \"%s\" does not exist", s->session_id),
				 errhint("Make it with asyncjob.create_chat_session().")));
}

/* What to do where an unfinished job has the unique key. */
static AjUniqueMode
unique_mode_arg(FunctionCallInfo fcinfo, int n, const AjSubmission *s)
{
	static const char *const modes[] = {"keep", "replace", "debounce"};
	char	   *text = aj_text_arg(fcinfo, n);
	AjUniqueMode mode = AJ_UNIQUE_KEEP;

	if (text == NULL)
		return mode;
	while (mode <= AJ_UNIQUE_DEBOUNCE && strcmp(text, modes[mode]) != 0)
		mode++;
	if (mode > AJ_UNIQUE_DEBOUNCE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown unique_mode \"%s\"", text),
				 errhint("The modes are keep, replace and debounce.")));
	if (mode != AJ_UNIQUE_KEEP && s->unique_key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unique_mode \"%s\" needs a unique_key", text)));
	if (mode == AJ_UNIQUE_DEBOUNCE && s->run_at == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unique_mode \"debounce\" needs run_at"),
				 errhint("Give the time when the job is to run unless another submit() postpones it, for example now() + interval '10 s'.")));
	return mode;
}

/* Tell those who wait for it of a new job, or of the first of several. */
static void
announce(const AjSubmission *s, int64 id)
{
	if (s->held)
		aj_at_commit_look();
	else
		aj_announce_ready(s->owner, s->queue_id, s->priority, s->run_at, id,
						  s->external);
}

/*
 * submit(pipeline text, params jsonb, queue text, priority text,
 *		  run_at timestamptz, user_id text, session_id text, unique_key text,
 *		  concurrency_key text, unique_mode text)
 */
Datum
aj_submit(PG_FUNCTION_ARGS)
{
	Target		target = {0};
	AjCaller	caller;
	AjScope		scope;
	char	   *pipeline = aj_text_arg(fcinfo, 0);
	char	   *queue;
	Jsonb	   *params;
	TimestampTz start = GetCurrentTimestamp();
	int64		id;
	bool		added,
				changed;

	aj_check_nargs(fcinfo, 10);
	if (pipeline == NULL)
		aj_null_argument("pipeline");
	if (PG_ARGISNULL(1))
		aj_null_argument("params");
	params = PG_GETARG_JSONB_P(1);
	aj_refuse_sealed(params, "params");
	PreventCommandDuringRecovery("submit()");
	PreventCommandIfReadOnly("submit()");

	aj_caller(&caller);
	common_args(fcinfo, 2, &caller, &target.s, &queue);
	target.s.unique_key = aj_limited_text_arg(fcinfo, 7, "unique_key", AJ_MAX_KEY_LEN, false);
	target.s.concurrency_key = aj_limited_text_arg(fcinfo, 8, "concurrency_key", AJ_MAX_KEY_LEN, false);
	target.s.unique_mode = unique_mode_arg(fcinfo, 9, &target.s);
	check_owner(caller.role);

	resolve_target(&target, &caller, pipeline, queue);
	check_session(&caller, &target.s);

	aj_validate_params(target.pipeline, params);

	aj_scope_enter(&scope, false);
	target.s.held = aj_limits_of(target.s.queue_id) != NULL;
	id = aj_queue_add_job(&target.s, params, &added, &changed);
	if (changed)
	{
		/* it may have stood elsewhere, and have had a place */
		announce(&target.s, id);
		aj_at_commit_look();
		aj_at_end_reset_lanes(true);
	}
	if (target.s.held && (added || target.s.moved))
		aj_limits_check_user(&target.s, queue, 1);
	if (added)
		announce(&target.s, id);
	aj_scope_leave(&scope);
	if (target.max_depth >= 0 && (added || target.s.moved))
		aj_require_room(queue, target.s.queue_id, target.max_depth);
	aj_latency_note(AJ_LATENCY_SUBMIT, start, GetCurrentTimestamp());
	if (added && aj_guc_synchronous)
		aj_run_submitted(&target.s, &id, 1);
	PG_RETURN_INT64(id);
}

/*
 * Submit a job of another role's, named in s, as that role would; but no code
 * of users is run.  Returns its id.
 */
int64
aj_submit_for(const AjSubmission *s, const char *pipeline, const char *queue,
			  Jsonb *params)
{
	Target		target = {.s = *s};
	AjCaller	caller = {.role = s->owner};
	AjScope		scope;
	int64		id;
	bool		added,
				changed;

	check_owner(caller.role);
	resolve_target(&target, &caller, pipeline, queue);
	aj_scope_enter(&scope, false);
	target.s.held = aj_limits_of(target.s.queue_id) != NULL;
	id = aj_queue_add_job(&target.s, params, &added, &changed);
	if (target.s.held)
		aj_limits_check_user(&target.s, queue, 1);
	announce(&target.s, id);
	aj_scope_leave(&scope);
	if (target.max_depth >= 0)
		aj_require_room(queue, target.s.queue_id, target.max_depth);
	return id;
}

/* Copy the ids that the last statement returned. */
static int64 *
returned_ids(MemoryContext context, int n)
{
	int64	   *ids = MemoryContextAlloc(context, (n + 1) * sizeof(int64));
	bool		isnull;

	for (int i = 0; i < n; i++)
		ids[i] = DatumGetInt64(aj_value(i, 1, &isnull));
	return ids;
}

/*
 * submit_many(pipeline text, params jsonb[], queue text, priority text,
 *			   run_at timestamptz, user_id text, session_id text,
 *			   concurrency_key text)
 */
Datum
aj_submit_many(PG_FUNCTION_ARGS)
{
	Target		target = {0};
	AjCaller	caller;
	AjScope		scope;
	char	   *pipeline = aj_text_arg(fcinfo, 0);
	char	   *queue;
	ArrayType  *array;
	Datum	   *elements;
	bool	   *nulls;
	int			n;
	int64		first;
	int64	   *ids = NULL;
	TimestampTz start = GetCurrentTimestamp();
	MemoryContext context = CurrentMemoryContext;

	aj_check_nargs(fcinfo, 8);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (pipeline == NULL)
		aj_null_argument("pipeline");
	if (PG_ARGISNULL(1))
		aj_null_argument("params");
	array = PG_GETARG_ARRAYTYPE_P(1);
	PreventCommandDuringRecovery("submit_many()");
	PreventCommandIfReadOnly("submit_many()");
	deconstruct_array(array, JSONBOID, -1, false, 'i', &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("element %d of params must not be null", i + 1)));
		aj_refuse_sealed(DatumGetJsonbP(elements[i]), "params");
	}

	aj_caller(&caller);
	common_args(fcinfo, 2, &caller, &target.s, &queue);
	target.s.concurrency_key = aj_limited_text_arg(fcinfo, 7, "concurrency_key", AJ_MAX_KEY_LEN, false);
	check_owner(caller.role);

	resolve_target(&target, &caller, pipeline, queue);
	check_session(&caller, &target.s);

	for (int i = 0; i < n; i++)
		aj_validate_params(target.pipeline, DatumGetJsonbP(elements[i]));

	aj_scope_enter(&scope, false);
	target.s.held = aj_limits_of(target.s.queue_id) != NULL;
	(void) aj_queue_add_jobs(&target.s, PointerGetDatum(array), &first);
	aj_return_rows(fcinfo);
	if (aj_guc_synchronous)
		ids = returned_ids(context, n);
	if (n > 0)
	{
		if (target.s.held)
			aj_limits_check_user(&target.s, queue, n);
		announce(&target.s, first);
		if (n > 1)
			aj_at_commit_look();	/* for one worker more */
	}
	aj_scope_leave(&scope);
	if (target.max_depth >= 0)
		aj_require_room(queue, target.s.queue_id, target.max_depth);
	aj_latency_note(AJ_LATENCY_SUBMIT, start, GetCurrentTimestamp());
	if (aj_guc_synchronous)
		aj_run_submitted(&target.s, ids, n);
	return (Datum) 0;
}

/*
 * run(pipeline text, params jsonb): the same steps at once, in the caller's
 * transaction.
 */
Datum
aj_run(PG_FUNCTION_ARGS)
{
	Target		target = {0};
	AjCaller	caller;
	AjScope		scope;
	AjJob		job;
	char	   *pipeline = aj_text_arg(fcinfo, 0);
	Jsonb	   *params,
			   *result;
	bool		added,
				changed;
	MemoryContext context = CurrentMemoryContext;

	if (pipeline == NULL)
		aj_null_argument("pipeline");
	if (PG_ARGISNULL(1))
		aj_null_argument("params");
	params = PG_GETARG_JSONB_P(1);
	aj_refuse_sealed(params, "params");
	PreventCommandDuringRecovery("run()");
	PreventCommandIfReadOnly("run()");

	aj_caller(&caller);
	target.s.priority = 5;
	if (caller.filter == AJ_ONE_USER)
		target.s.user_id = pstrdup(caller.user_id);

	resolve_target(&target, &caller, pipeline, "default");
	for (int i = 0; i < target.pipeline->nsteps; i++)
	{
		if (target.pipeline->steps[i].external)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("pipeline \"%s\" cannot be run in the caller's transaction",
							pipeline),
					 errdetail("Its step \"%s\" is external.",
							   target.pipeline->steps[i].name),
					 errhint("submit() it, and claim() the step.")));
	}
	aj_validate_params(target.pipeline, params);

	aj_scope_enter(&scope, false);
	memset(&job, 0, sizeof(job));
	job.id = aj_queue_add_job(&target.s, params, &added, &changed);
	MemoryContextSwitchTo(context);
	aj_redact_prepare();
	if (!aj_queue_take(job.id, true, &job))
		elog(ERROR, "job " INT64_FORMAT " was taken away", job.id);
	aj_scope_leave(&scope);

	(void) aj_run_here(&job, false);

	aj_scope_enter(&scope, false);
	MemoryContextSwitchTo(context);
	result = aj_queue_result(job.id, caller.role);
	aj_scope_leave(&scope);
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(result);
}
