/*-------------------------------------------------------------------------
 *
 * schedule_chore.c
 *		What a coordinator does for schedules.
 *
 * It keeps no time for them; pg_cron does.  It sees that pg_cron calls tick()
 * as long as there are schedules, and no longer (cronlink.c): when the first
 * one comes or the last one goes, and every now and then, more often while
 * something is wrong.  And it submits missed runs that wait for the end of a
 * schedule's last job, which may be long before the next tick.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "utils/timestamp.h"

#include "cronlink.h"
#include "guc.h"
#include "queue_schedule.h"
#include "schedule.h"
#include "schedule_chore.h"

#define VISIT_MS	20			/* a visit may be over */
#define PENDING_MS	250			/* the last job may have ended */

/* in poll intervals, between two visits */
#define KEEP_EVERY	60
#define MEND_EVERY	6

static bool may_tick = false;	/* pg_cron may have a job of ours */

/*
 * Runs in a scope.  Returns how long to wait before the next time.
 */
long
aj_schedule_chore(void)
{
	static AjCronVisit visit;
	static AjCronErrand errand;
	static TimestampTz visited = 0; /* 0: not yet */
	static bool well = false;
	AjCronReport report;
	TimestampTz now = GetCurrentTimestamp();
	bool		pending,
				wanted = aj_queue_schedule_any(&pending);
	long		wait_ms = aj_guc_poll_interval;

	if (visit.handle != NULL)
	{
		if (!aj_cron_done(&visit, &report))
			return VISIT_MS;
		well = report.problem[0] == '\0';
		if (errand == AJ_CRON_REMOVE)
			may_tick = !well;
		else
			aj_queue_schedule_note_cron(well ? NULL : report.problem,
										well ? NULL : report.hint);
	}
	else
	{
		AjCronErrand next = wanted ? AJ_CRON_KEEP : AJ_CRON_REMOVE;
		bool		due = visited == 0 || next != errand ||
		TimestampDifferenceExceeds(visited, now, (well ? KEEP_EVERY : MEND_EVERY) *
								   aj_guc_poll_interval);

		if (visited == 0 && !wanted)
		{
			AjScheduleClock clock;

			/* they may have been dropped while nobody looked */
			may_tick = aj_queue_schedule_clock(&clock);
			errand = next;
			visited = now;
			due = may_tick;
		}
		if (due && (wanted || may_tick))
		{
			errand = next;
			visited = now;
			if (wanted)
				may_tick = true;
			if (aj_cron_begin(&visit, errand, &report))
				wait_ms = VISIT_MS;
			else
			{
				well = false;
				if (wanted)
					aj_queue_schedule_note_cron(report.problem, report.hint);
				else
					may_tick = aj_cron_loaded();
			}
		}
	}
	if (pending && aj_guc_enabled)
	{
		(void) aj_schedules_pending(InvalidOid);
		wait_ms = Min(wait_ms, PENDING_MS);
	}
	return wait_ms;
}

/* The extension has gone, and its schedules with it. */
void
aj_schedule_leave(void)
{
	if (may_tick)
		aj_cron_send(AJ_CRON_REMOVE, MyDatabaseId);
}
