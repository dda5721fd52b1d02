/*-------------------------------------------------------------------------
 *
 * chores.c
 *		What a coordinator does now and then.
 *
 * Each chore has its time.  It is done in transactions of its own, begun as
 * those of a round are, by a share lock on the extension.  No job waits for a
 * chore to succeed: one that fails is reported and tried again later.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "chores.h"
#include "extension.h"
#include "guc.h"
#include "queue_dead.h"
#include "queue_retention.h"
#include "schedule_chore.h"
#include "scope.h"

#define AGAIN_AFTER_ERROR_MS	60000
#define PRUNE_BATCH				1000	/* rows looked at in one transaction */
#define PRUNE_PAUSE_MS			10	/* between two of them */
#define PRUNE_REST_MIN_MS		500 /* between two sweeps */
#define PRUNE_REST_MAX_MS		60000

typedef struct Chore
{
	long		(*work) (void); /* returns ms to wait before the next time */
	TimestampTz next;
} Chore;

static long
check_alarms(void)
{
	if (aj_queue_any_alarm())
		(void) aj_queue_check_alarms();
	return aj_guc_alarm_interval;
}

/*
 * Delete what is kept no longer, a batch each time.  A sweep begins anew
 * after a twentieth of the shortest time that anything is kept, and rests
 * twenty times as long as the last one has worked.  How long things are kept
 * may change meanwhile.
 */
static long
prune(void)
{
	static AjSweep sweep;
	static long worked_ms = 0;
	static TimestampTz ended = 0;
	TimestampTz start = GetCurrentTimestamp();

	if (sweep.after == 0 && ended != 0)
	{
		long		keep_ms = aj_queue_shortest_keep_ms();
		long		rest_ms = keep_ms < 0 ? PRUNE_REST_MAX_MS : keep_ms / 20;

		rest_ms = Max(Min(Max(rest_ms, PRUNE_REST_MIN_MS), PRUNE_REST_MAX_MS),
					  20 * worked_ms);
		if (!TimestampDifferenceExceeds(ended, start, (int) rest_ms))
			return aj_guc_poll_interval;
		worked_ms = 0;
	}
	aj_queue_sweep(&sweep, PRUNE_BATCH);
	worked_ms += TimestampDifferenceMilliseconds(start, GetCurrentTimestamp());
	if (!sweep.over)
		return PRUNE_PAUSE_MS;
	if (sweep.deleted + sweep.artifacts + sweep.expired > 0)
		ereport(LOG,
				(errmsg("asyncjob pruned " INT64_FORMAT " jobs and " INT64_FORMAT " artifacts; " INT64_FORMAT " queued jobs expired",
						sweep.deleted, sweep.artifacts, sweep.expired)));
	memset(&sweep, 0, sizeof(sweep));
	ended = GetCurrentTimestamp();
	return Min(aj_guc_poll_interval, PRUNE_REST_MAX_MS);
}

static Chore chores[] =
{
	{
		.work = check_alarms
	},
	{
		.work = prune
	},
	{
		.work = aj_schedule_chore
	},
};

/* Returns how long to wait, or -1 where the extension has gone. */
static long
do_chore(Chore *chore)
{
	AjScope		scope;
	long		wait_ms;

	if (!aj_scope_begin(&scope))
		return -1;				/* the next round finds that out too */
	wait_ms = aj_origin_is_ours() ? chore->work() : aj_guc_poll_interval;
	aj_scope_commit(&scope);
	return wait_ms;
}

/*
 * Do what is due.  Returns how long to wait before something is again.
 */
long
aj_chores(void)
{
	MemoryContext context = CurrentMemoryContext;
	TimestampTz now = GetCurrentTimestamp();
	long		result = aj_guc_poll_interval;

	for (int i = 0; i < lengthof(chores); i++)
	{
		volatile long wait_ms = AGAIN_AFTER_ERROR_MS;
		Chore	   *chore = &chores[i];

		if (chore->next > now)
		{
			result = Min(result, TimestampDifferenceMilliseconds(now, chore->next) + 1);
			continue;
		}
		PG_TRY();
		{
			wait_ms = do_chore(chore);
		}
		PG_CATCH();
		{
			EmitErrorReport();
			FlushErrorState();
			AbortCurrentTransaction();
		}
		PG_END_TRY();
		MemoryContextSwitchTo(context);
		CHECK_FOR_INTERRUPTS();
		if (wait_ms < 0)
			return 0;
		chore->next = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), wait_ms);
		result = Min(result, wait_ms);
	}
	return result;
}
