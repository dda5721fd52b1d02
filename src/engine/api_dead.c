/*-------------------------------------------------------------------------
 *
 * api_dead.c
 *		Dead letters, alarms and full queues.
 *
 * A dead letter is a job whose state is failed.  redrive() queues those that
 * a filter chooses as retry() queues one; with other params their steps begin
 * anew, since what they found out was found out of the old ones.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "api.h"
#include "external.h"
#include "filter.h"
#include "limits.h"
#include "names.h"
#include "pipeline.h"
#include "queue_dead.h"
#include "queue_external.h"
#include "queue_read.h"
#include "queue_steer.h"
#include "queue_submit.h"
#include "seal.h"
#include "types.h"
#include "wake.h"

#define MAX_PERIOD_DAYS	366

PG_FUNCTION_INFO_V1(aj_redrive);
PG_FUNCTION_INFO_V1(aj_purge);
PG_FUNCTION_INFO_V1(aj_set_max_depth);
PG_FUNCTION_INFO_V1(aj_set_alarm);
PG_FUNCTION_INFO_V1(aj_drop_alarm);
PG_FUNCTION_INFO_V1(aj_check_alarms);

/* Arguments filter and max_jobs. */
static int64
choice_args(FunctionCallInfo fcinfo, int max_arg, AjFilter *filter)
{
	if (PG_ARGISNULL(0))
		aj_null_argument("filter");
	aj_filter_parse(PG_GETARG_JSONB_P(0), false, filter);
	if (PG_ARGISNULL(max_arg))
		return PG_INT64_MAX;
	if (PG_GETARG_INT32(max_arg) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_jobs is out of range: %d", PG_GETARG_INT32(max_arg)),
				 errhint("Give a number from 0, or null for all.")));
	return PG_GETARG_INT32(max_arg);
}

/* A job that was named has to be there, and dead. */
static void
check_named(const AjFilter *filter, const AjCaller *caller)
{
	AjJobHead	head;

	if (!filter->named)
		return;
	if (!aj_queue_head(caller, filter->job_id, false, &head))
		aj_unknown_job(filter->job_id);
	if (head.state != AJ_FAILED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job " INT64_FORMAT " is %s", filter->job_id,
						aj_state_names[head.state]),
				 errhint("Only a dead letter, a job that is failed, can be redriven or purged.")));
}

/*
 * Queue one dead letter again.  Returns whether it was one still.
 */
static bool
redrive(int64 job_id, const AjCaller *caller, Jsonb *changes, bool named)
{
	AjJobHead	head;
	AjScope		scope;
	Jsonb	   *params = NULL;
	int32		pipeline_id = 0;
	int64		rival;
	int			seq;
	MemoryContext context = CurrentMemoryContext;

	aj_scope_enter(&scope, false);
	MemoryContextSwitchTo(context);
	if (!aj_queue_head(caller, job_id, true, &head) || head.state != AJ_FAILED)
	{
		aj_scope_leave(&scope);
		return false;
	}
	rival = aj_queue_find_rival(&head);
	if (rival != 0 && named)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("job " INT64_FORMAT " cannot be queued again", job_id),
				 errdetail("Job " INT64_FORMAT " has the same unique_key and has not ended.",
						   rival)));
	if (rival == 0 && changes != NULL)
		params = aj_queue_merged_params(job_id, caller->role, changes,
										&pipeline_id);
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);
	if (rival != 0)
		return false;

	if (params != NULL)
	{
		aj_refuse_sealed(params, "params");
		aj_validate_params_of(head.owner, aj_pipeline_read(pipeline_id), params);
	}

	aj_scope_enter(&scope, false);
	MemoryContextSwitchTo(context);
	if (params != NULL)
	{
		head.external = aj_queue_begin_anew(job_id, params);
		head.step_no = 0;
	}
	seq = aj_queue_retry(&head);
	head.external |= aj_queue_offer(job_id);
	if (aj_limits_hold(head.queue_id, job_id))
		aj_at_commit_look();
	else if (head.external)
		aj_external_at_commit(head.queue_id);
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);
	aj_at_commit_changed(job_id, seq, AJ_QUEUED, head.step_no,
						 head.step_count, head.session_id);
	return true;
}

/* redrive(filter jsonb, params jsonb, max_jobs int): how many were queued */
Datum
aj_redrive(PG_FUNCTION_ARGS)
{
	AjFilter	filter;
	AjCaller	caller;
	AjScope		scope;
	Jsonb	   *changes = PG_ARGISNULL(1) ? NULL : PG_GETARG_JSONB_P(1);
	int64		max = choice_args(fcinfo, 2, &filter);
	int64	   *ids;
	int			n;
	int64		done = 0;
	MemoryContext context = CurrentMemoryContext,
				each;

	if (changes != NULL && !JB_ROOT_IS_OBJECT(changes))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("params is not a JSON object"),
				 errhint("Give those of the jobs' params that are to be others.")));
	PreventCommandIfReadOnly("redrive()");
	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	MemoryContextSwitchTo(context);
	check_named(&filter, &caller);
	n = aj_queue_find_dead(&filter, &caller, true, max, &ids);
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);

	each = AllocSetContextCreate(context, "asyncjob redrive",
								 ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < n; i++)
	{
		MemoryContextSwitchTo(each);
		done += redrive(ids[i], &caller, changes, filter.named);
		MemoryContextReset(each);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextSwitchTo(context);
	MemoryContextDelete(each);
	if (done > 0)
		aj_at_end_reset_lanes(true);
	PG_RETURN_INT64(done);
}

/* purge(filter jsonb, max_jobs int): how many were deleted */
Datum
aj_purge(PG_FUNCTION_ARGS)
{
	AjFilter	filter;
	AjCaller	caller;
	AjScope		scope;
	int64		max = choice_args(fcinfo, 1, &filter);
	int64	   *ids;
	int			n;
	int64		done;
	MemoryContext context = CurrentMemoryContext;

	PreventCommandIfReadOnly("purge()");
	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	MemoryContextSwitchTo(context);
	check_named(&filter, &caller);
	n = aj_queue_find_dead(&filter, &caller, false, max, &ids);
	done = aj_queue_delete_jobs(ids, n, true);
	aj_scope_leave(&scope);
	PG_RETURN_INT64(done);
}

/*
 * What was just submitted, and can still be rolled back, must leave no more
 * than max_depth jobs queued.
 */
void
aj_require_room(const char *queue, int32 queue_id, int max_depth)
{
	AjScope		scope;
	int64		depth;

	aj_scope_enter(&scope, false);
	depth = aj_queue_depth(queue_id, (int64) max_depth + 1);
	aj_scope_leave(&scope);
	if (depth > max_depth)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("queue \"%s\" is full", queue),
				 errdetail("Its max_depth is %d.", max_depth),
				 errhint("Submit again later, or let an administrator raise the limit with asyncjob.set_max_depth().")));
}

/* set_max_depth(queue text, max_depth int) */
Datum
aj_set_max_depth(PG_FUNCTION_ARGS)
{
	char	   *queue = aj_text_arg(fcinfo, 0);
	int			max_depth = PG_ARGISNULL(1) ? -1 : PG_GETARG_INT32(1);
	AjScope		scope;

	if (queue == NULL)
		aj_null_argument("queue");
	aj_require_admin("limit queues");
	if (!PG_ARGISNULL(1) && max_depth < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_depth is out of range: %d", max_depth),
				 errhint("Give a number from 0, or null for no limit.")));
	PreventCommandIfReadOnly("set_max_depth()");
	aj_scope_enter(&scope, false);
	if (!aj_queue_set_max_depth(queue, max_depth))
		aj_unknown_queue(queue);
	aj_scope_leave(&scope);
	PG_RETURN_VOID();
}

void
aj_unknown_queue(const char *queue)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("queue \"%s\" does not exist", queue),
			 errhint("An administrator makes one with asyncjob.create_queue().")));
}

/*
 * set_alarm(metric text, threshold float8, queue text, pipeline text,
 *			 period interval, name text): the alarm's name
 */
Datum
aj_set_alarm(PG_FUNCTION_ARGS)
{
	static const struct
	{
		const char *metric;
		double		threshold;
	}			metrics[] =
	{
		{"queue_depth", 10}, {"dead_letters", 5}, {"oldest_age", 300}, {"failure_rate", 0.1}
	};
	AjAlarm		alarm = {0};
	AjScope		scope;
	char	   *metric = aj_text_arg(fcinfo, 0);
	char	   *queue = aj_text_arg(fcinfo, 2);
	char	   *name = aj_text_arg(fcinfo, 5);

	if (metric == NULL)
		aj_null_argument("metric");
	aj_require_admin("set alarms");
	for (int i = 0; i < lengthof(metrics); i++)
	{
		if (strcmp(metrics[i].metric, metric) == 0)
		{
			alarm.metric = metric;
			alarm.threshold = metrics[i].threshold;
		}
	}
	if (alarm.metric == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown metric \"%s\"", metric),
				 errhint("The metrics are queue_depth, dead_letters, oldest_age and failure_rate.")));
	if (!PG_ARGISNULL(1))
		alarm.threshold = PG_GETARG_FLOAT8(1);
	if (!(alarm.threshold >= 0 && alarm.threshold <= 1e9) ||
		(strcmp(metric, "failure_rate") == 0 && alarm.threshold > 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("threshold is out of range: %g", alarm.threshold),
				 errhint("Give 0 to %s.", strcmp(metric, "failure_rate") == 0 ?
						 "1, the share of jobs that failed" : "1000000000")));
	if (PG_ARGISNULL(4))
		aj_null_argument("period");
	alarm.period = PG_GETARG_INTERVAL_P(4);
	if (aj_compare_days(alarm.period, 0) <= 0 ||
		aj_compare_days(alarm.period, MAX_PERIOD_DAYS) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("period is out of range"),
				 errhint("Give more than 0 and at most %d days.", MAX_PERIOD_DAYS)));
	alarm.pipeline = aj_text_arg(fcinfo, 3);
	if (name == NULL)
	{
		name = psprintf("%s%s%s%s%s", metric, queue ? "." : "",
						queue ? queue : "", alarm.pipeline ? "-" : "",
						alarm.pipeline ? alarm.pipeline : "");
		if (strlen(name) > 63)
			ereport(ERROR,
					(errcode(ERRCODE_NAME_TOO_LONG),
					 errmsg("\"%s\" is too long for the name of an alarm", name),
					 errhint("Give one of at most 63 bytes as name.")));
	}
	aj_check_name(name, "alarm", 63);
	alarm.name = name;
	PreventCommandIfReadOnly("set_alarm()");
	if (queue != NULL && (alarm.queue_id = aj_name_queue(queue, NULL, NULL)) == 0)
		aj_unknown_queue(queue);

	aj_scope_enter(&scope, false);
	if (!aj_queue_set_alarm(&alarm))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("pipeline \"%s\" does not exist", alarm.pipeline)));
	aj_scope_leave(&scope);
	PG_RETURN_TEXT_P(cstring_to_text(name));
}

/* drop_alarm(name text) */
Datum
aj_drop_alarm(PG_FUNCTION_ARGS)
{
	char	   *name = aj_text_arg(fcinfo, 0);
	AjScope		scope;

	if (name == NULL)
		aj_null_argument("name");
	aj_require_admin("drop alarms");
	PreventCommandIfReadOnly("drop_alarm()");
	aj_scope_enter(&scope, false);
	if (!aj_queue_drop_alarm(name))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("alarm \"%s\" does not exist", name),
				 errhint("asyncjob.alarms lists them.")));
	aj_scope_leave(&scope);
	PG_RETURN_VOID();
}

/* check_alarms(): how many are raised */
Datum
aj_check_alarms(PG_FUNCTION_ARGS)
{
	AjScope		scope;
	int			raised;

	aj_require_admin("check alarms");
	PreventCommandIfReadOnly("check_alarms()");
	aj_scope_enter(&scope, false);
	raised = aj_queue_check_alarms();
	aj_scope_leave(&scope);
	PG_RETURN_INT32(raised);
}
