/*-------------------------------------------------------------------------
 *
 * api_event.c
 *		emit(), wait_for_event(), on_event(), spawn() and wait_for_children().
 *
 * An event belongs to the role that emits it.  Another role may hear it
 * where that role has said so with grant_event().
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "api.h"
#include "api_flow.h"
#include "clock.h"
#include "executor.h"
#include "jsonpath.h"
#include "queue_event.h"
#include "queue_flow.h"
#include "queue_submit.h"
#include "seal.h"
#include "shmem.h"
#include "wake.h"

PG_FUNCTION_INFO_V1(aj_emit);
PG_FUNCTION_INFO_V1(aj_wait_for_event);
PG_FUNCTION_INFO_V1(aj_on_event);
PG_FUNCTION_INFO_V1(aj_drop_on_event);
PG_FUNCTION_INFO_V1(aj_grant_event);
PG_FUNCTION_INFO_V1(aj_revoke_event);
PG_FUNCTION_INFO_V1(aj_forget_event);
PG_FUNCTION_INFO_V1(aj_spawn);
PG_FUNCTION_INFO_V1(aj_wait_for_children);

#define MAX_EVENT_LEN	255

/* emit(event text, payload jsonb, key text) returns boolean: was it new? */
Datum
aj_emit(PG_FUNCTION_ARGS)
{
	char	   *event = aj_limited_text_arg(fcinfo, 0, "event", MAX_EVENT_LEN, true);
	char	   *key = aj_limited_text_arg(fcinfo, 2, "key", AJ_MAX_KEY_LEN, false);
	Oid			caller = GetUserId();
	AjScope		scope;
	bool		added;

	if (PG_ARGISNULL(1))
		aj_null_argument("payload");
	aj_refuse_sealed(PG_GETARG_JSONB_P(1), "payload");
	PreventCommandDuringRecovery("emit()");
	PreventCommandIfReadOnly("emit()");
	aj_scope_enter(&scope, aj_my_slot != NULL);
	added = aj_queue_emit(caller, event, key, PG_GETARG_JSONB_P(1));
	if (added)
		aj_queue_note_owner(caller, GetUserNameFromId(caller, false));
	aj_scope_leave(&scope);
	if (added)
		aj_at_commit_flow();
	PG_RETURN_BOOL(added);
}

/*
 * The role whose event is meant: the caller, or another one that permits it.
 * Runs in a scope.
 */
static Oid
event_owner(FunctionCallInfo fcinfo, int n, const char *event, Oid caller)
{
	Oid			owner;

	if (PG_ARGISNULL(n))
		return caller;
	owner = PG_GETARG_OID(n);
	if (owner != caller && !aj_queue_event_granted(owner, event, caller))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for event \"%s\" of role \"%s\"",
						event, GetUserNameFromId(owner, false)),
				 errhint("That role can grant it with asyncjob.grant_event().")));
	return owner;
}

/*
 * What a wait is called that was given no name: <event>/<key>.  A slash in the
 * event is marked, so that no other event and key have the same; another
 * role's event has its owner's number.
 */
static char *
wait_name(const char *event, const char *key, Oid owner)
{
	StringInfoData s;

	initStringInfo(&s);
	for (const char *c = event; *c; c++)
	{
		if (*c == '/' || *c == '\\')
			appendStringInfoChar(&s, '\\');
		appendStringInfoChar(&s, *c);
	}
	if (OidIsValid(owner))
		appendStringInfo(&s, "\\@%u", owner);
	if (key != NULL)
		appendStringInfo(&s, "/%s", key);
	return s.data;
}

/* The payload out of a memo. */
static Datum
payload_of(const AjMemo *memo)
{
	JsonbValue *v = getKeyJsonValueFromContainer(&memo->value->root, "payload", 7, NULL);

	return JsonbPGetDatum(JsonbValueToJsonb(v));
}

/*
 * wait_for_event(event text, key text, timeout interval, name text,
 *				  owner regrole) returns jsonb: its payload, null if time is up
 */
Datum
aj_wait_for_event(PG_FUNCTION_ARGS)
{
	char	   *event = aj_limited_text_arg(fcinfo, 0, "event", MAX_EVENT_LEN, true);
	char	   *key = aj_limited_text_arg(fcinfo, 1, "key", AJ_MAX_KEY_LEN, false);
	char	   *name = aj_limited_text_arg(fcinfo, 3, "name", MAX_EVENT_LEN, false);
	TimestampTz until = PG_ARGISNULL(2) ? 0 :
	aj_end_of(PG_GETARG_INTERVAL_P(2), "timeout");
	AjRun	   *run = aj_current_run();
	Oid			caller = GetUserId();
	MemoryContext context = CurrentMemoryContext;
	AjSuspend	why = {.kind = AJ_SUSPEND_EVENT,.event = event,.key = key};
	AjScope		scope;
	AjMemo		memo = {0};
	bool		found;
	Jsonb	   *payload;

	if (run == NULL || run->in_place)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("wait_for_event() can only be called in a job"),
				 errhint("In run() and outside of a job there is nothing that could be put aside.")));

	aj_scope_enter(&scope, aj_my_slot != NULL);
	MemoryContextSwitchTo(context);
	why.event_owner = event_owner(fcinfo, 4, event, caller);
	if (name == NULL)
		name = wait_name(event, key, why.event_owner == caller ? InvalidOid : why.event_owner);
	found = aj_queue_memo(run->job, "event", name, &memo);
	if (!found && key != NULL &&
		aj_queue_find_event(why.event_owner, event, key, &payload))
	{
		/* it was there before us */
		AjJsonbState state = {0};
		JsonbValue	k = {.type = jbvString},
					v,
				   *object;

		aj_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
		k.val.string.val = "payload";
		k.val.string.len = 7;
		aj_push_jsonb(&state, WJB_KEY, &k);
		v.type = jbvBinary;
		v.val.binary.data = &payload->root;
		v.val.binary.len = VARSIZE(payload) - VARHDRSZ;
		if (JB_ROOT_IS_SCALAR(payload))
			(void) JsonbExtractScalar(&payload->root, &v);
		aj_push_jsonb(&state, WJB_VALUE, &v);
		object = aj_push_jsonb(&state, WJB_END_OBJECT, NULL);
		memo.value = JsonbValueToJsonb(object);
		aj_queue_remember(run->job, "event", name, 0, memo.value, false);
		found = true;
	}
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);

	if (found && memo.value != NULL)
		PG_RETURN_DATUM(payload_of(&memo));
	if (found)
		until = memo.wake_at;
	if (until != 0 && until <= aj_now())
		PG_RETURN_NULL();		/* time is up */
	why.name = name;
	why.wake_at = until;
	why.message = key ? psprintf("event \"%s\", key \"%s\"", event, key) :
		psprintf("event \"%s\"", event);
	aj_suspend(run, &why);
}

/*
 * on_event(event text, pipeline text, filter text, owner regrole) returns
 * bigint: id of the subscription
 */
Datum
aj_on_event(PG_FUNCTION_ARGS)
{
	char	   *event = aj_limited_text_arg(fcinfo, 0, "event", MAX_EVENT_LEN, true);
	char	   *pipeline = aj_limited_text_arg(fcinfo, 1, "pipeline", 63, true);
	char	   *filter = aj_text_arg(fcinfo, 2);
	AjCaller	caller;
	AjScope		scope;
	Oid			owner;
	int64		id;

	PreventCommandIfReadOnly("on_event()");
	aj_caller(&caller);
	if (filter != NULL)
		aj_check_jsonpath(filter, "filter");
	aj_check_pipeline(pipeline);
	aj_scope_enter(&scope, false);
	owner = event_owner(fcinfo, 3, event, caller.role);
	id = aj_queue_subscribe(caller.role, owner, event, pipeline, filter);
	aj_scope_leave(&scope);
	aj_at_commit_chains();
	PG_RETURN_INT64(id);
}

/* drop_on_event(id bigint) */
Datum
aj_drop_on_event(PG_FUNCTION_ARGS)
{
	AjCaller	caller;
	AjScope		scope;
	int64		id;

	if (PG_ARGISNULL(0))
		aj_null_argument("id");
	id = PG_GETARG_INT64(0);
	PreventCommandIfReadOnly("drop_on_event()");
	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	if (!aj_queue_unsubscribe(id, caller.role, caller.admin))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("subscription " INT64_FORMAT " does not exist", id),
				 errhint("asyncjob.event_subscriptions lists them.")));
	aj_scope_leave(&scope);
	PG_RETURN_VOID();
}

static Datum
grant_or_revoke(FunctionCallInfo fcinfo, bool grant)
{
	char	   *event = aj_limited_text_arg(fcinfo, 0, "event", MAX_EVENT_LEN, true);
	Oid			caller = GetUserId();
	char	   *rolname;
	AjScope		scope;

	if (PG_ARGISNULL(1))
		aj_null_argument("role");
	rolname = GetUserNameFromId(PG_GETARG_OID(1), false);
	PreventCommandIfReadOnly("grant_event() or revoke_event()");
	aj_scope_enter(&scope, false);
	aj_queue_grant_event(caller, event, PG_GETARG_OID(1), grant);
	if (grant)
		aj_queue_note_owner(PG_GETARG_OID(1), rolname);
	aj_queue_note_owner(caller, GetUserNameFromId(caller, false));
	aj_scope_leave(&scope);
	PG_RETURN_VOID();
}

/* grant_event(event text, role regrole) */
Datum
aj_grant_event(PG_FUNCTION_ARGS)
{
	return grant_or_revoke(fcinfo, true);
}

/* revoke_event(event text, role regrole) */
Datum
aj_revoke_event(PG_FUNCTION_ARGS)
{
	return grant_or_revoke(fcinfo, false);
}

/* forget_event(event text, key text) returns boolean */
Datum
aj_forget_event(PG_FUNCTION_ARGS)
{
	char	   *event = aj_limited_text_arg(fcinfo, 0, "event", MAX_EVENT_LEN, true);
	char	   *key = aj_limited_text_arg(fcinfo, 1, "key", AJ_MAX_KEY_LEN, true);
	Oid			caller = GetUserId();
	AjScope		scope;
	bool		found;

	PreventCommandIfReadOnly("forget_event()");
	aj_scope_enter(&scope, aj_my_slot != NULL);
	found = aj_queue_forget_event(caller, event, key);
	aj_scope_leave(&scope);
	PG_RETURN_BOOL(found);
}

/* Submit as the current user, by whatever arguments submit() has. */
static int64
submit(const char *pipeline, Jsonb *params, const char *queue)
{
	Oid			types[3] = {TEXTOID, JSONBOID, TEXTOID};
	Datum		values[3] = {CStringGetTextDatum(pipeline),
	JsonbPGetDatum(params), CStringGetTextDatum(queue)};
	MemoryContext context = CurrentMemoryContext;
	bool		isnull,
				push = !ActiveSnapshotSet();
	int64		id;

	if (push)
		PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (SPI_execute_with_args("SELECT asyncjob.submit($1, $2, queue => $3)",
							  3, types, values, NULL, false, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "could not submit a job");
	id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
									 1, &isnull));
	SPI_finish();
	if (push)
		PopActiveSnapshot();
	MemoryContextSwitchTo(context);
	return id;
}

/* Submit a child of the current step, and remember it under a name. */
static int64
spawn_now(AjRun *run, const AjSpawn *spawn)
{
	int64		id;
	AjScope		scope;

	aj_submit_sealed = run->job->sealed;
	PG_TRY();
	{
		id = submit(spawn->pipeline, spawn->params, spawn->queue);
	}
	PG_FINALLY();
	{
		aj_submit_sealed = false;
	}
	PG_END_TRY();

	aj_scope_enter(&scope, aj_my_slot != NULL);
	aj_queue_adopt(id, run->job);
	aj_queue_remember(run->job, "spawn", spawn->name, 0,
					  DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
														 CStringGetDatum(psprintf(INT64_FORMAT, id)))),
					  true);
	aj_scope_leave(&scope);
	return id;
}

/*
 * The run ends because the step waits, and what it spawned in its last
 * transaction was rolled back.  Do it again, as the same user, in the
 * transaction that puts the job aside: the handler has learned ids that are
 * gone, but nothing of it is left that could know them.
 */
void
aj_spawn_again(AjRun *run)
{
	ListCell   *cell;

	foreach(cell, run->spawned)
		(void) spawn_now(run, lfirst(cell));
	run->spawned = NIL;
}

/* spawn(pipeline text, params jsonb, name text, queue text) returns bigint */
Datum
aj_spawn(PG_FUNCTION_ARGS)
{
	AjRun	   *run = aj_current_run();
	char	   *name = aj_limited_text_arg(fcinfo, 2, "name", MAX_EVENT_LEN, false);
	MemoryContext context = CurrentMemoryContext,
				old;
	AjSpawn    *spawn;
	AjMemo		memo;
	AjScope		scope;
	bool		found;

	if (PG_ARGISNULL(0))
		aj_null_argument("pipeline");
	if (PG_ARGISNULL(1))
		aj_null_argument("params");
	if (PG_ARGISNULL(3))
		aj_null_argument("queue");
	PreventCommandIfReadOnly("spawn()");
	if (run == NULL)
		PG_RETURN_INT64(submit(aj_text_arg(fcinfo, 0), PG_GETARG_JSONB_P(1),
							   aj_text_arg(fcinfo, 3)));

	old = MemoryContextSwitchTo(run->context);
	spawn = palloc0(sizeof(AjSpawn));
	spawn->pipeline = aj_text_arg(fcinfo, 0);
	spawn->params = PG_GETARG_JSONB_P_COPY(1);
	spawn->queue = aj_text_arg(fcinfo, 3);
	spawn->subid = GetCurrentSubTransactionId();
	if (name != NULL)
		spawn->name = pstrdup(name);
	else
	{
		/* the same call, the same name; the second such call, another */
		uint32		hash = DatumGetUInt32(DirectFunctionCall1(jsonb_hash,
															  JsonbPGetDatum(spawn->params)));
		int			same = 1;
		ListCell   *cell;

		foreach(cell, run->spawn_names)
		{
			char	   *other = lfirst(cell);

			same += strncmp(other, psprintf("%s %08x ", spawn->pipeline, hash),
							strlen(spawn->pipeline) + 10) == 0;
		}
		spawn->name = psprintf("%s %08x %d", spawn->pipeline, hash, same);
	}
	run->spawn_names = lappend(run->spawn_names, spawn->name);
	MemoryContextSwitchTo(old);

	aj_scope_enter(&scope, aj_my_slot != NULL);
	MemoryContextSwitchTo(context);
	found = aj_queue_memo(run->job, "spawn", spawn->name, &memo);
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);
	if (found)
		PG_RETURN_DATUM(DirectFunctionCall1(int8in,
											CStringGetDatum(JsonbToCString(NULL, &memo.value->root,
																		   VARSIZE(memo.value)))));
	spawn->id = spawn_now(run, spawn);
	old = MemoryContextSwitchTo(run->context);
	run->spawned = lappend(run->spawned, spawn);
	MemoryContextSwitchTo(old);
	PG_RETURN_INT64(spawn->id);
}

/* wait_for_children(timeout interval) returns jsonb */
Datum
aj_wait_for_children(PG_FUNCTION_ARGS)
{
	AjRun	   *run = aj_current_run();
	TimestampTz until = PG_ARGISNULL(0) ? 0 :
	aj_end_of(PG_GETARG_INTERVAL_P(0), "timeout");
	AjSuspend	why = {.kind = AJ_SUSPEND_CHILDREN,.name = "(children)"};
	MemoryContext context = CurrentMemoryContext;
	AjScope		scope;
	AjMemo		memo;
	Jsonb	   *children;
	int			unfinished;

	if (run == NULL || run->in_place)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("wait_for_children() can only be called in a job"),
				 errhint("In run() and outside of a job there is nothing that could be put aside.")));
	aj_scope_enter(&scope, aj_my_slot != NULL);
	MemoryContextSwitchTo(context);
	children = aj_queue_children(run->job, &unfinished);
	if (until != 0 && aj_queue_memo(run->job, "sleep", why.name, &memo))
		until = memo.wake_at;
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);
	if (unfinished == 0 || (until != 0 && until <= aj_now()))
		PG_RETURN_JSONB_P(children);
	why.wake_at = until;
	why.message = psprintf("%d job%s that it spawned", unfinished,
						   unfinished == 1 ? "" : "s");
	aj_suspend(run, &why);
}
