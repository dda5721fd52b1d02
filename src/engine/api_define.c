/*-------------------------------------------------------------------------
 *
 * api_define.c
 *		Queues and pipelines.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "commands/extension.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "api.h"
#include "api_limits.h"
#include "extension.h"
#include "external.h"
#include "pipeline.h"
#include "queue_submit.h"
#include "seal.h"
#include "wake.h"

PG_FUNCTION_INFO_V1(aj_create_queue);
PG_FUNCTION_INFO_V1(aj_create_pipeline);
PG_FUNCTION_INFO_V1(aj_drop_pipeline);
PG_FUNCTION_INFO_V1(aj_grant_pipeline);
PG_FUNCTION_INFO_V1(aj_revoke_pipeline);
PG_FUNCTION_INFO_V1(aj_install);
PG_FUNCTION_INFO_V1(aj_updated);
PG_FUNCTION_INFO_V1(aj_origin_is_ours_sql);
PG_FUNCTION_INFO_V1(aj_library_version);

/* create_queue(name text, limits..., encrypt boolean) */
Datum
aj_create_queue(PG_FUNCTION_ARGS)
{
	char	   *name;
	AjScope		scope;
	int32		queue_id;
	bool		limits;

	aj_check_nargs(fcinfo, 13);
	name = aj_name_arg(fcinfo, 0, "queue", 48);
	aj_require_admin("create queues");
	PreventCommandIfReadOnly("create_queue()");
	limits = aj_check_limits(fcinfo, false);
	if (!PG_ARGISNULL(12) && PG_GETARG_BOOL(12))
		aj_seal_require();
	aj_scope_enter(&scope, false);
	queue_id = aj_queue_add_queue(name);
	if (queue_id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("queue \"%s\" already exists", name)));
	if (limits)
		aj_set_limits(fcinfo, queue_id, false);
	if (!PG_ARGISNULL(12) && PG_GETARG_BOOL(12))
		aj_queue_set_encrypt(queue_id, true);
	aj_scope_leave(&scope);
	PG_RETURN_VOID();
}

/* Whose handler is looked up, and what it is called, where an error comes. */
static void
handler_context(void *arg)
{
	const AjStep *step = arg;

	errcontext("handler \"%s\" of step \"%s\"", step->handler, step->name);
}

/* See what a step names as its handler, as the caller. */
static void
find_handler(AjStep *step, Oid owner)
{
	ErrorContextCallback context = {.callback = handler_context,.arg = step};

	context.previous = error_context_stack;
	error_context_stack = &context;
	step->handler = aj_handler_signature(step->handler, owner, false);
	error_context_stack = context.previous;
}

/*
 * create_pipeline(name text, steps jsonb, description text, validator text):
 * the id of the new version.
 */
Datum
aj_create_pipeline(PG_FUNCTION_ARGS)
{
	AjPipeline	pipeline = {0};
	AjScope		scope;
	Jsonb	   *steps;
	int32		id;
	bool		builtin = creating_extension;

	pipeline.name = aj_name_arg(fcinfo, 0, "pipeline", 63);
	pipeline.owner = GetUserId();
	if (PG_ARGISNULL(1))
		aj_null_argument("steps");
	PreventCommandIfReadOnly("create_pipeline()");

	/* names are resolved as the caller, by the caller's search path */
	aj_pipeline_parse(PG_GETARG_JSONB_P(1), &pipeline);
	for (int i = 0; i < pipeline.nsteps; i++)
	{
		if (!pipeline.steps[i].external)
			find_handler(&pipeline.steps[i], pipeline.owner);
	}
	if (!PG_ARGISNULL(3))
		pipeline.validator = aj_handler_signature(aj_text_arg(fcinfo, 3),
												  pipeline.owner, true);
	steps = aj_pipeline_normalise(&pipeline);

	aj_scope_enter(&scope, false);
	id = aj_queue_add_pipeline(&pipeline, steps, aj_text_arg(fcinfo, 2),
							   superuser_arg(pipeline.owner));
	if (id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of pipeline \"%s\"", pipeline.name)));
	if (builtin)
		aj_queue_grant_pipeline(pipeline.name, InvalidOid);
	else
		(void) aj_queue_note_owner(pipeline.owner, GetUserNameFromId(pipeline.owner, false));
	aj_scope_leave(&scope);
	PG_RETURN_INT32(id);
}

static void
require_pipeline_owner(const char *name)
{
	Oid			owner = aj_queue_pipeline_owner(name);

	if (!OidIsValid(owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("pipeline \"%s\" does not exist", name)));
}

/* drop_pipeline(name text): jobs that were submitted keep their version */
Datum
aj_drop_pipeline(PG_FUNCTION_ARGS)
{
	char	   *name = aj_name_arg(fcinfo, 0, "pipeline", 63);
	Oid			caller = GetUserId();
	AjScope		scope;

	PreventCommandIfReadOnly("drop_pipeline()");
	aj_scope_enter(&scope, false);
	require_pipeline_owner(name);
	if (aj_queue_pipeline_owner(name) != caller && !superuser_arg(caller))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of pipeline \"%s\"", name)));
	if (!aj_queue_retire_pipeline(name))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("pipeline \"%s\" does not exist", name)));
	aj_scope_leave(&scope);
	PG_RETURN_VOID();
}

static Datum
grant_or_revoke(FunctionCallInfo fcinfo, bool grant)
{
	char	   *name = aj_name_arg(fcinfo, 0, "pipeline", 63);
	Oid			caller = GetUserId();
	Oid			role;
	char	   *rolname;
	AjScope		scope;

	if (PG_ARGISNULL(1))
		aj_null_argument("role");
	role = PG_GETARG_OID(1);
	rolname = GetUserNameFromId(role, false);
	PreventCommandIfReadOnly(grant ? "grant_pipeline()" : "revoke_pipeline()");
	aj_scope_enter(&scope, false);
	require_pipeline_owner(name);
	if (aj_queue_pipeline_owner(name) != caller && !superuser_arg(caller))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of pipeline \"%s\"", name)));
	if (grant)
	{
		aj_queue_grant_pipeline(name, role);
		(void) aj_queue_note_owner(role, rolname);
	}
	else
		aj_queue_revoke_pipeline(name, role);
	aj_scope_leave(&scope);
	PG_RETURN_VOID();
}

/* grant_pipeline(pipeline text, role regrole) */
Datum
aj_grant_pipeline(PG_FUNCTION_ARGS)
{
	return grant_or_revoke(fcinfo, true);
}

/* revoke_pipeline(pipeline text, role regrole): jobs it has submitted go on */
Datum
aj_revoke_pipeline(PG_FUNCTION_ARGS)
{
	return grant_or_revoke(fcinfo, false);
}

/* _install(): called once by the install script */
Datum
aj_install(PG_FUNCTION_ARGS)
{
	AjScope		scope;

	if (!creating_extension)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("_install() can only be called by CREATE EXTENSION")));
	aj_scope_enter(&scope, false);
	aj_origin_adopt();
	aj_scope_leave(&scope);
	aj_at_commit_announce();
	PG_RETURN_VOID();
}

/* _updated(): called by update scripts at their end */
Datum
aj_updated(PG_FUNCTION_ARGS)
{
	if (!creating_extension)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("_updated() can only be called by ALTER EXTENSION UPDATE")));
	aj_at_commit_announce();
	PG_RETURN_VOID();
}

/* _origin_is_ours() */
Datum
aj_origin_is_ours_sql(PG_FUNCTION_ARGS)
{
	AjScope		scope;
	bool		ours;

	aj_scope_enter(&scope, false);
	ours = aj_origin_is_ours();
	aj_scope_leave(&scope);
	PG_RETURN_BOOL(ours);
}

/* _library_version() */
Datum
aj_library_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(AJ_VERSION));
}
