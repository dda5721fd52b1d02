/*-------------------------------------------------------------------------
 *
 * api_drain.c
 *		drain(): a role's ready jobs, run here.
 *
 * For tests of applications, and for databases without background processes.
 * drain() does what the coordinator would see to as well (what wakes, is due
 * by a schedule, gets a place in a queue with limits), for the caller's jobs.
 * To come to what falls due later it puts a clock of its own forward (clock.h),
 * which goes back when it returns.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "api.h"
#include "clock.h"
#include "dag.h"
#include "events.h"
#include "extension.h"
#include "foreground.h"
#include "lanes_here.h"
#include "limits.h"
#include "queue.h"
#include "queue_flow.h"
#include "queue_schedule.h"
#include "redact.h"
#include "schedule.h"
#include "shmem.h"
#include "wake.h"

PG_FUNCTION_INFO_V1(aj_drain);

int64		aj_clock_ahead = 0;

/* Run the next ready job of a role; false if there is none. */
static bool
drain_one(Oid role)
{
	MemoryContext context = CurrentMemoryContext;
	AjJob		job = {0};
	AjScope		scope;
	bool		claimed;

	aj_scope_enter(&scope, false);
	MemoryContextSwitchTo(context);
	claimed = aj_queue_claim(role, 0, &job);
	if (!claimed)
	{
		aj_dag_begin_offered(role);
		aj_flow_here(role);
		(void) aj_schedules_due(role);
		(void) aj_schedules_pending(role);
		MemoryContextSwitchTo(context);
		claimed = aj_queue_claim(role, 0, &job);
	}
	if (!claimed && aj_limits_admit_here(NULL, 0, role, false, 1, true) > 0)
		claimed = aj_queue_claim(role, 0, &job);
	if (!claimed && aj_shared == NULL &&
		aj_limits_admit_here(NULL, 0, role, true, 1, true) > 0)
	{
		aj_dag_begin_offered(role);
		MemoryContextSwitchTo(context);
		claimed = aj_queue_claim(role, 0, &job);
	}
	if (claimed)
	{
		aj_redact_prepare();
		(void) aj_pipeline_get(job.pipeline_id);
	}
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);
	if (claimed)
		(void) aj_run_here(&job, true);
	return claimed;
}

/* Put the clock to the time of a role's next job, if that is not too far. */
static bool
turn_clock(Oid role, TimestampTz until)
{
	MemoryContext context = CurrentMemoryContext;
	TimestampTz now = aj_now();
	TimestampTz due,
				wake,
				scheduled;
	AjScope		scope;

	aj_scope_enter(&scope, false);
	due = aj_queue_next_due(role, now);
	wake = aj_queue_next_wake(role, now);
	scheduled = aj_queue_schedule_next(role, now);
	due = Min(due, Min(wake, scheduled));
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);
	if (due == DT_NOEND || due > until)
		return false;
	aj_clock_ahead += due - now;
	return true;
}

/*
 * drain(max_jobs int, until timestamptz): run the caller's ready jobs here,
 * for tests of applications, and those that fall due until then, each at its
 * time by a clock of our own.  Returns how many times a job was run.
 */
Datum
aj_drain(PG_FUNCTION_ARGS)
{
	int			max;
	TimestampTz until = DT_NOBEGIN;
	volatile int n = 0;
	int64		ahead = aj_clock_ahead;
	AjLanesHere here;
	bool		looked = true;	/* at everything, after the last run */
	Oid			caller = GetUserId();	/* in a scope we are the engine */
	MemoryContext context,
				old;

	aj_check_nargs(fcinfo, 2);
	max = PG_ARGISNULL(0) ? PG_INT32_MAX : PG_GETARG_INT32(0);
	PreventCommandDuringRecovery("drain()");
	PreventCommandIfReadOnly("drain()");
	if (max < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_jobs is out of range: %d", max),
				 errhint("Give a number from 0, or null for all.")));
	if (!PG_ARGISNULL(1))
	{
		until = PG_GETARG_TIMESTAMPTZ(1);
		if (TIMESTAMP_NOT_FINITE(until) ||
			until > GetCurrentTimestamp() + 10 * AJ_MAX_AHEAD_S * USECS_PER_SEC)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("until is out of range: %s", timestamptz_to_str(until)),
					 errhint("Give a time within the next ten years.")));
	}

	/* workers step over what we hold; a rollback must call them back */
	aj_at_end_reset_lanes(true);

	context = AllocSetContextCreate(CurrentMemoryContext, "asyncjob drain",
									ALLOCSET_DEFAULT_SIZES);
	aj_lanes_here_begin(&here, caller);
	old = MemoryContextSwitchTo(context);
	PG_TRY();
	{
		while (n < max)
		{
			MemoryContextReset(context);
			if (drain_one(caller))
			{
				n++;
				looked = false;
			}
			else if (!turn_clock(caller, until))
			{
				if (looked)
					break;
				aj_lanes_here_anew(&here);
				looked = true;
			}
			CHECK_FOR_INTERRUPTS();
		}
	}
	PG_FINALLY();
	{
		aj_lanes_here_end(&here);
		aj_clock_ahead = ahead;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	PG_RETURN_INT32(n);
}
