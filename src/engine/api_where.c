/*-------------------------------------------------------------------------
 *
 * api_where.c
 *		cancel_where(), retry_where() and purge_where(): jobs steered by
 *		filter, as a job.
 *
 * Each submits a job of the built-in pipeline of its name and returns its id
 * at once.  That job works as the role that called, so it sees and steers
 * what the caller does, and is watched, cancelled and retried as any other.
 * Its handler is a procedure that works on 250 jobs at a time and commits:
 * locks are held for a moment, and progress() tells how far it is.
 *
 * Chosen are jobs that were submitted before it, by their ids: so it ends, and
 * never works on itself; jobs that it belongs to (spawn()) are left alone,
 * too, since their cancel would be its own.
 *
 * How far it has come is a checkpoint of its step, committed with each batch.
 * A run that begins again after a crash goes on there; and what a batch does,
 * done twice is the same: a job that is cancelled already is skipped.
 *
 * asyncjob.user_id of the caller's session goes along in the params, as the
 * worker's session has none.  Like the setting itself that is a filter, not
 * a boundary.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "api.h"
#include "asyncjob.h"
#include "executor.h"
#include "filter.h"
#include "queue_dead.h"
#include "queue_flow.h"
#include "queue_where.h"
#include "shmem.h"
#include "steer.h"
#include "wake.h"

PG_FUNCTION_INFO_V1(aj_cancel_where);
PG_FUNCTION_INFO_V1(aj_retry_where);
PG_FUNCTION_INFO_V1(aj_purge_where);
PG_FUNCTION_INFO_V1(aj_check_cancel_where);
PG_FUNCTION_INFO_V1(aj_check_retry_where);
PG_FUNCTION_INFO_V1(aj_check_purge_where);
PG_FUNCTION_INFO_V1(aj_step_cancel_where);
PG_FUNCTION_INFO_V1(aj_step_retry_where);
PG_FUNCTION_INFO_V1(aj_step_purge_where);

extern Datum aj_submit(PG_FUNCTION_ARGS);

#define BATCH			250
#define CHECKPOINT		"how far"
#define SUBMIT_ARGS		10

typedef enum Action
{
	CANCEL,
	RETRY,
	PURGE
} Action;

/* What distinguishes them. */
static const struct
{
	const char *pipeline;
	const char *done;			/* key of the result */
	const char *states;			/* that are chosen, unless the filter says */
	const char *allowed;		/* that it may ask for */
	const char *hint;
}			actions[] =

{
	{"cancel_where", "cancelled", "{queued,running,waiting}",
	"queued running waiting", "Only queued, running and waiting jobs can be cancelled."},
	{"retry_where", "queued", "{failed}",
	"failed cancelled", "Only failed and cancelled jobs can be retried."},
	{"purge_where", "deleted", "{failed}",
	"failed completed cancelled", "Only failed, completed and cancelled jobs can be purged."},
};

/* Why a job was not worked on. */
typedef enum Reason
{
	ENDED,						/* before it could be cancelled */
	CHANGED,					/* the filter doesn't choose it any more */
	UNIQUE_KEY,					/* another job has it */
	HELD,						/* pinned, or in somebody's hands */
	REASONS
} Reason;

static const char *const reason_names[] = {"ended", "changed", "unique_key", "held"};

/* How far a job is. */
typedef struct Tally
{
	int64		total;			/* jobs that were there at the beginning */
	int64		last;			/* id of the last one worked on */
	int64		matched;		/* how many were */
	int64		done;
	int64		skipped[REASONS];
} Tally;

/* What the params say. */
typedef struct Wish
{
	AjFilter	filter;
	const char *states;
	char	   *reason;
	char	   *only_user;
} Wish;

static JsonbValue *
member(const Jsonb *object, const char *key, JsonbValue *value)
{
	return getKeyJsonValueFromContainer((JsonbContainer *) &object->root, key,
										strlen(key), value);
}

static char *
text_member(const Jsonb *params, const char *key)
{
	JsonbValue	value;

	if (member(params, key, &value) == NULL || value.type == jbvNull)
		return NULL;
	if (value.type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not a text", key)));
	return pnstrdup(value.val.string.val, value.val.string.len);
}

/* Read the params, and refuse what is wrong with them. */
static void
read_wish(Action action, Jsonb *params, Wish *wish)
{
	static const char *const keys[] = {"filter", "reason", "only_user"};
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *state;

	if (!JB_ROOT_IS_OBJECT(params) || member(params, "filter", &value) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("params have no filter"),
				 errhint("Call asyncjob.%s().", actions[action].pipeline)));
	aj_filter_parse(JsonbValueToJsonb(&value), true, &wish->filter);

	it = JsonbIteratorInit(&params->root);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		int			k = 0;

		if (token != WJB_KEY)
			continue;
		while (k < lengthof(keys) &&
			   (strlen(keys[k]) != value.val.string.len ||
				memcmp(keys[k], value.val.string.val, value.val.string.len) != 0))
			k++;
		if (k == lengthof(keys))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown parameter \"%s\"",
							pnstrdup(value.val.string.val, value.val.string.len)),
					 errhint("Call asyncjob.%s().", actions[action].pipeline)));
	}
	wish->reason = text_member(params, "reason");
	wish->only_user = text_member(params, "only_user");

	wish->states = actions[action].states;
	state = aj_filter_state(&wish->filter);
	if (state != NULL)
	{
		if (strstr(actions[action].allowed, state) == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("state \"%s\" of the filter does not fit %s()",
							state, actions[action].pipeline),
					 errhint("%s", actions[action].hint)));
		wish->states = psprintf("{%s}", state);
	}
}

/* Refuse what a step would. */
static Datum
check(FunctionCallInfo fcinfo, Action action)
{
	Wish		wish;
	AjCaller	caller;
	AjJobHead	head;
	AjScope		scope;
	bool		known = true;

	read_wish(action, PG_GETARG_JSONB_P(0), &wish);
	aj_caller(&caller);
	if (caller.filter == AJ_ONE_USER &&
		(wish.only_user == NULL || strcmp(wish.only_user, caller.user_id) != 0))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only_user is not this session's user"),
				 errhint("Call asyncjob.%s(), which sees to it.",
						 actions[action].pipeline)));
	if (wish.filter.named)
	{
		aj_scope_enter(&scope, false);
		known = aj_queue_head(&caller, wish.filter.job_id, false, &head);
		aj_scope_leave(&scope);
	}
	if (!known)
		aj_unknown_job(wish.filter.job_id);
	PG_RETURN_VOID();
}

Datum
aj_check_cancel_where(PG_FUNCTION_ARGS)
{
	return check(fcinfo, CANCEL);
}

Datum
aj_check_retry_where(PG_FUNCTION_ARGS)
{
	return check(fcinfo, RETRY);
}

Datum
aj_check_purge_where(PG_FUNCTION_ARGS)
{
	return check(fcinfo, PURGE);
}

/* Submit the job, by submit() itself. */
static Datum
submit_where(FunctionCallInfo fcinfo, Action action, const char *reason,
			 int queue_arg)
{
	LOCAL_FCINFO(call, SUBMIT_ARGS);
	AjCaller	caller;
	StringInfoData params;
	Jsonb	   *filter;

	if (PG_ARGISNULL(0))
		aj_null_argument("filter");
	filter = aj_filter_settle(PG_GETARG_JSONB_P(0));
	aj_caller(&caller);
	initStringInfo(&params);
	appendStringInfo(&params, "{\"filter\": %s",
					 JsonbToCString(NULL, &filter->root, VARSIZE(filter)));
	if (reason != NULL)
	{
		appendStringInfoString(&params, ", \"reason\": ");
		escape_json(&params, reason);
	}
	if (caller.filter == AJ_ONE_USER)
	{
		appendStringInfoString(&params, ", \"only_user\": ");
		escape_json(&params, caller.user_id);
	}
	appendStringInfoChar(&params, '}');

	InitFunctionCallInfoData(*call, fcinfo->flinfo, SUBMIT_ARGS, InvalidOid,
							 NULL, NULL);
	for (int i = 0; i < SUBMIT_ARGS; i++)
		call->args[i].isnull = true;
	call->args[0].value = CStringGetTextDatum(actions[action].pipeline);
	call->args[0].isnull = false;
	call->args[1].value = DirectFunctionCall1(jsonb_in, CStringGetDatum(params.data));
	call->args[1].isnull = false;
	/* queue and priority */
	call->args[2] = fcinfo->args[queue_arg];
	call->args[3] = fcinfo->args[queue_arg + 1];
	return aj_submit(call);
}

/* cancel_where(filter jsonb, reason text, queue text, priority text) */
Datum
aj_cancel_where(PG_FUNCTION_ARGS)
{
	return submit_where(fcinfo, CANCEL, aj_text_arg(fcinfo, 1), 2);
}

/* retry_where(filter jsonb, queue text, priority text) */
Datum
aj_retry_where(PG_FUNCTION_ARGS)
{
	return submit_where(fcinfo, RETRY, NULL, 1);
}

/* purge_where(filter jsonb, queue text, priority text) */
Datum
aj_purge_where(PG_FUNCTION_ARGS)
{
	return submit_where(fcinfo, PURGE, NULL, 1);
}

static int64
number_of(const Jsonb *object, const char *key)
{
	JsonbValue	value;

	if (member(object, key, &value) == NULL || value.type != jbvNumeric)
		return 0;
	return DatumGetInt64(DirectFunctionCall1(numeric_int8,
											 NumericGetDatum(value.val.numeric)));
}

/* How far an earlier run came.  Returns false if there was none. */
static bool
recall(const AjRun *run, Tally *tally)
{
	AjMemo		memo = {0};

	if (!aj_queue_memo(run->job, "checkpoint", CHECKPOINT, &memo) ||
		memo.value == NULL)
		return false;
	tally->total = number_of(memo.value, "total");
	tally->last = number_of(memo.value, "last");
	tally->matched = number_of(memo.value, "matched");
	tally->done = number_of(memo.value, "done");
	for (int r = 0; r < REASONS; r++)
		tally->skipped[r] = number_of(memo.value, reason_names[r]);
	return true;
}

static void
remember(const AjRun *run, const Tally *tally)
{
	StringInfoData s;

	initStringInfo(&s);
	appendStringInfo(&s, "{\"total\": " INT64_FORMAT ", \"last\": " INT64_FORMAT
					 ", \"matched\": " INT64_FORMAT ", \"done\": " INT64_FORMAT,
					 tally->total, tally->last, tally->matched, tally->done);
	for (int r = 0; r < REASONS; r++)
		appendStringInfo(&s, ", \"%s\": " INT64_FORMAT, reason_names[r],
						 tally->skipped[r]);
	appendStringInfoChar(&s, '}');
	aj_queue_remember(run->job, "checkpoint", CHECKPOINT, 0,
					  DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(s.data))),
					  true);
}

/* The counts as the result of the job. */
static Datum
report(Action action, const Tally *tally)
{
	StringInfoData s;
	int64		skipped = 0;
	const char *comma = "";

	initStringInfo(&s);
	for (int r = 0; r < REASONS; r++)
		skipped += tally->skipped[r];
	appendStringInfo(&s, "{\"matched\": " INT64_FORMAT ", \"%s\": " INT64_FORMAT
					 ", \"skipped\": " INT64_FORMAT ", \"reasons\": {",
					 tally->matched, actions[action].done, tally->done, skipped);
	for (int r = 0; r < REASONS; r++)
	{
		if (tally->skipped[r] == 0)
			continue;
		appendStringInfo(&s, "%s\"%s\": " INT64_FORMAT, comma, reason_names[r],
						 tally->skipped[r]);
		comma = ", ";
	}
	appendStringInfoString(&s, "}}");
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(s.data));
}

/* Work on one job. */
static void
steer_one(Action action, const AjCaller *caller, const Wish *wish,
		  const AjChosen *job, Tally *tally)
{
	AjJobHead	head;
	AjSteered	steered;
	int64		rival;

	if (action == CANCEL)
	{
		steered = aj_steer_cancel(caller, job->id, wish->reason, &head);
		if (steered == AJ_STEERED)
			tally->done++;
		else
			tally->skipped[ENDED]++;
		return;
	}
	steered = job->newest ? aj_steer_retry(caller, job->id, &rival, &head) :
		AJ_STEER_RIVAL;
	if (steered == AJ_STEERED)
		tally->done++;
	else
		tally->skipped[steered == AJ_STEER_RIVAL ? UNIQUE_KEY : CHANGED]++;
}

static void
purge_batch(const AjChosen *jobs, int n, Tally *tally)
{
	int64		ids[BATCH];
	int64		deleted;
	AjScope		scope;

	for (int i = 0; i < n; i++)
		ids[i] = jobs[i].id;
	aj_scope_enter(&scope, false);
	deleted = aj_queue_delete_jobs(ids, n, true);
	aj_scope_leave(&scope);
	tally->done += deleted;
	tally->skipped[HELD] += n - deleted;
}

/*
 * Of some jobs those that the filter still chooses.  Returns how many; they
 * are the first of the array then.
 */
static int
still_chosen(const AjChoice *choice, AjChosen *jobs, int n)
{
	AjChoice	again = *choice;
	AjChosen   *now;
	AjScope		scope;
	MemoryContext context = CurrentMemoryContext;
	int			nnow,
				left = 0;

	again.after = jobs[0].id - 1;
	again.last = jobs[n - 1].id;
	again.by_key = false;
	aj_scope_enter(&scope, false);
	MemoryContextSwitchTo(context);
	nnow = aj_queue_find_chosen(&again, &now);
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);
	for (int i = 0, k = 0; i < n; i++)
	{
		while (k < nnow && now[k].id < jobs[i].id)
			k++;
		if (k < nnow && now[k].id == jobs[i].id)
			jobs[left++] = jobs[i];
	}
	return left;
}

/* Work on some jobs, and write down that they are done. */
static void
steer_batch(Action action, const AjRun *run, const AjChoice *choice,
			const Wish *wish, AjChosen *jobs, int n, Tally *tally)
{
	static const Reason gone[] = {ENDED, CHANGED, CHANGED};
	int64		last = jobs[n - 1].id;
	int			left = still_chosen(choice, jobs, n);
	AjScope		scope;

	tally->skipped[gone[action]] += n - left;
	if (action == PURGE)
		purge_batch(jobs, left, tally);
	for (int i = 0; i < left && action != PURGE; i++)
	{
		steer_one(action, choice->caller, wish, &jobs[i], tally);
		CHECK_FOR_INTERRUPTS();
	}
	if (action == RETRY)
		aj_at_end_reset_lanes(true);
	tally->matched += n;
	tally->last = last;
	aj_scope_enter(&scope, aj_my_slot != NULL);
	remember(run, tally);
	aj_scope_leave(&scope);
}

static void
show_progress(const Tally *tally)
{
	char		message[64];

	snprintf(message, sizeof(message), INT64_FORMAT " of " INT64_FORMAT " jobs",
			 tally->matched, Max(tally->total, tally->matched));
	aj_step_api()->progress((double) tally->matched /
							Max(Max(tally->total, tally->matched), 1), message);
}

/* Commit, if this transaction is ours. */
static void
next_transaction(bool may_commit, MemoryContext context)
{
	PopActiveSnapshot();
	if (may_commit)
		SPI_commit();
	else
		CommandCounterIncrement();
	MemoryContextSwitchTo(context);
	CHECK_FOR_INTERRUPTS();
	PushActiveSnapshot(GetTransactionSnapshot());
}

/* The handler: a procedure (INOUT jsonb). */
static Datum
step(FunctionCallInfo fcinfo, Action action)
{
	CallContext *call = (CallContext *) fcinfo->context;
	bool		may_commit = call != NULL && IsA(call, CallContext) && !call->atomic;
	MemoryContext context = CurrentMemoryContext,
				batch;
	AjRun	   *run = aj_current_run();
	Wish		wish;
	AjCaller	caller;
	AjChoice	choice = {.filter = &wish.filter,.caller = &caller,
	.by_key = action == RETRY};
	AjChosen   *chosen;
	AjScope		scope;
	Tally		tally = {0};
	TupleDesc	desc;
	Datum		values[1];
	bool		nulls[1] = {false};
	int			n;

	if (run == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this is a handler, and runs in a job"),
				 errhint("Call asyncjob.%s().", actions[action].pipeline)));
	if (PG_ARGISNULL(0))
		aj_null_argument("params");
	read_wish(action, DatumGetJsonbPCopy(PG_GETARG_DATUM(0)), &wish);
	aj_caller(&caller);
	if (wish.only_user != NULL)
	{
		caller.filter = AJ_ONE_USER;
		caller.user_id = wish.only_user;
	}
	choice.states = wish.states;
	choice.job_id = aj_job_root(run->job);
	batch = AllocSetContextCreate(context, "asyncjob steering",
								  ALLOCSET_DEFAULT_SIZES);

	SPI_connect_ext(may_commit ? SPI_OPT_NONATOMIC : 0);
	MemoryContextSwitchTo(context);
	PushActiveSnapshot(GetTransactionSnapshot());
	aj_scope_enter(&scope, false);
	MemoryContextSwitchTo(context);
	if (!recall(run, &tally))
		tally.total = aj_queue_count_chosen(&choice);
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);

	for (;;)
	{
		choice.after = tally.last;
		aj_scope_enter(&scope, false);
		MemoryContextSwitchTo(context);
		n = aj_queue_find_chosen(&choice, &chosen);
		aj_scope_leave(&scope);
		MemoryContextSwitchTo(context);
		if (n == 0)
			break;
		for (int i = 0; i < n; i += BATCH)
		{
			show_progress(&tally);
			MemoryContextSwitchTo(batch);
			steer_batch(action, run, &choice, &wish, chosen + i,
						Min(BATCH, n - i), &tally);
			next_transaction(may_commit, context);
			MemoryContextReset(batch);
		}
		pfree(chosen);
	}
	show_progress(&tally);
	PopActiveSnapshot();
	SPI_finish();

	MemoryContextSwitchTo(context);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "asyncjob.step_%s() does not fit this library",
			 actions[action].pipeline);
	BlessTupleDesc(desc);
	values[0] = report(action, &tally);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

Datum
aj_step_cancel_where(PG_FUNCTION_ARGS)
{
	return step(fcinfo, CANCEL);
}

Datum
aj_step_retry_where(PG_FUNCTION_ARGS)
{
	return step(fcinfo, RETRY);
}

Datum
aj_step_purge_where(PG_FUNCTION_ARGS)
{
	return step(fcinfo, PURGE);
}
