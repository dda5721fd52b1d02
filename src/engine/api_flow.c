/*-------------------------------------------------------------------------
 *
 * api_flow.c
 *		What handlers call that outlives their run: checkpoint() and sleep().
 *
 * sleep() and its like leave the handler by an error of SQLSTATE 57014, which
 * plpgsql's WHEN OTHERS lets pass, after they have noted in the run what is
 * waited for.  Whoever runs the step finds the note, rolls back and puts the
 * job aside (executor.c).  On the next run the same call finds its memo and
 * returns.
 *
 * Where there is nothing to come back to (in run(), which is the caller's
 * own statement, and outside of a job) sleep() sleeps.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "api.h"
#include "api_flow.h"
#include "clock.h"
#include "executor.h"
#include "queue_flow.h"
#include "shmem.h"

PG_FUNCTION_INFO_V1(aj_checkpoint_set);
PG_FUNCTION_INFO_V1(aj_checkpoint_get);
PG_FUNCTION_INFO_V1(aj_sleep);

#define MAX_NAME_LEN	255
#define MAX_SLEEP_DAYS	366

/* The name of a checkpoint, sleep or wait. */
static char *
name_arg(FunctionCallInfo fcinfo)
{
	return aj_limited_text_arg(fcinfo, 0, "name", MAX_NAME_LEN, true);
}

/* What the running step remembers; NULL outside of a job too. */
static bool
recall(const char *kind, const char *name, AjMemo *memo)
{
	AjRun	   *run = aj_current_run();
	MemoryContext context = CurrentMemoryContext;
	AjScope		scope;
	bool		found;

	if (run == NULL)
		return false;
	aj_scope_enter(&scope, aj_my_slot != NULL);
	MemoryContextSwitchTo(context);
	found = aj_queue_memo(run->job, kind, name, memo);
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);
	return found;
}

/* checkpoint(name text, value jsonb) returns jsonb: the value */
Datum
aj_checkpoint_set(PG_FUNCTION_ARGS)
{
	char	   *name = name_arg(fcinfo);
	AjRun	   *run = aj_current_run();
	AjScope		scope;

	if (run != NULL)
	{
		aj_scope_enter(&scope, aj_my_slot != NULL);
		aj_queue_remember(run->job, "checkpoint", name, 0,
						  PG_ARGISNULL(1) ? NULL : PG_GETARG_JSONB_P(1), true);
		aj_scope_leave(&scope);
	}
	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(1));
}

/* checkpoint(name text) returns jsonb */
Datum
aj_checkpoint_get(PG_FUNCTION_ARGS)
{
	char	   *name = name_arg(fcinfo);
	AjMemo		memo;

	if (!recall("checkpoint", name, &memo) || memo.value == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(memo.value);
}

/* The time a length of time from now on; not below zero or above a year. */
TimestampTz
aj_end_of(Interval *duration, const char *name)
{
	TimestampTz now = aj_now();
	TimestampTz end = now - 1;

	/* far beyond is refused before it can overflow */
	if (abs(duration->month) <= 12 && abs(duration->day) <= 2 * MAX_SLEEP_DAYS &&
		duration->time / USECS_PER_DAY <= 2 * MAX_SLEEP_DAYS &&
		duration->time / USECS_PER_DAY >= -2 * MAX_SLEEP_DAYS)
		end = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
													  TimestampTzGetDatum(now),
													  IntervalPGetDatum(duration)));
	if (end < now || end > now + MAX_SLEEP_DAYS * USECS_PER_DAY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is out of range: %s", name,
						DatumGetCString(DirectFunctionCall1(interval_out,
															IntervalPGetDatum(duration)))),
				 errhint("Give a length of time from 0 to %d days.", MAX_SLEEP_DAYS)));
	return end;
}

/* Sleep here, in the caller's transaction. */
static void
sleep_in_place(TimestampTz until)
{
	for (;;)
	{
		long		ms = TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
														 until);

		if (ms <= 0)
			break;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 Min(ms, 3600 * 1000), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* sleep(name text, duration interval) */
Datum
aj_sleep(PG_FUNCTION_ARGS)
{
	char	   *name = name_arg(fcinfo);
	AjRun	   *run = aj_current_run();
	AjMemo		memo;
	AjSuspend	why = {.kind = AJ_SUSPEND_SLEEP,.name = name};
	TimestampTz until;

	if (PG_ARGISNULL(1))
		aj_null_argument("duration");
	until = aj_end_of(PG_GETARG_INTERVAL_P(1), "duration");
	if (run != NULL && recall("sleep", name, &memo))
		until = memo.wake_at;
	if (until <= aj_now())
		PG_RETURN_VOID();
	if (run == NULL || run->in_place)
	{
		sleep_in_place(until);
		PG_RETURN_VOID();
	}
	why.wake_at = until;
	why.message = psprintf("sleep \"%s\"", name);
	aj_suspend(run, &why);
}
