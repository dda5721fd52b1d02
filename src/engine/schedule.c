/*-------------------------------------------------------------------------
 *
 * schedule.c
 *		Submitting what schedules are due for.
 *
 * pg_cron has one job a database for us: to call tick() each minute
 * (cronlink.c).  Which schedules are due then is our own computation, because
 * pg_cron knows one time zone for all, has no memory of runs that it missed
 * and would start a second one beside the first.  A schedule carries the next
 * time it is due; a tick takes those whose time has come, sees to all of their
 * due times since, and moves the next one into the future.  So it doesn't
 * matter when a tick comes, or how many.
 *
 * Of the due times that a tick finds, the latest is the regular one if it
 * isn't older than GRACE_S; all others were missed.  Those the schedule
 * doesn't want are written down as skipped, in one row.  Those it wants all of
 * (catch_up all) are written down as pending, and are then submitted in their
 * order, the next one when the last job has ended: by the coordinator, by
 * later ticks, or by drain().
 *
 * A job is submitted as its owner's call of submit() would, in a
 * subtransaction: whatever submit() refuses is the run's affair, not that of
 * other schedules.  No code of users is run: validators have seen the params
 * when the schedule was made.
 *
 * A schedule that can't go on (its owner is gone, its time zone is unknown to
 * this server) is paused, and says why.
 *
 * All this is done at the time that aj_now() tells, so drain() can go through
 * a year of it.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "api.h"
#include "clock.h"
#include "limits.h"
#include "names.h"
#include "queue_schedule.h"
#include "queue_submit.h"
#include "schedule.h"
#include "scope.h"

#define GRACE_S			300		/* later than that a run is missed */
#define KEEP_RUNS_S		(30 * SECS_PER_DAY)
#define LONGEST_GAP_S	(366 * (int64) SECS_PER_DAY)

/* ---------- time ---------- */

/* A time zone by its name, NULL if this server doesn't know it. */
pg_tz *
aj_zone_find(const char *name)
{
	pg_tz	   *zone = pg_tzset(name);

	return zone != NULL && pg_tz_acceptable(zone) ? zone : NULL;
}

static void
span_at(int64_t t, AjZoneSpan *span, void *zone)
{
	pg_time_t	time = t,
				boundary;
	long int	before_gmtoff,
				after_gmtoff;
	int			before_isdst,
				after_isdst;
	int			rc = pg_next_dst_boundary(&time, &before_gmtoff, &before_isdst,
										  &boundary, &after_gmtoff,
										  &after_isdst, zone);

	if (rc < 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_FIELD_OVERFLOW),
				 errmsg("time zone \"%s\" has no time here",
						pg_get_timezone_name(zone))));
	span->offset_s = before_gmtoff;
	span->until = rc > 0 ? boundary : INT64_MAX;
}

/* The next time after one, DT_NOEND for never. */
TimestampTz
aj_cron_next_at(const AjCron *cron, pg_tz *zone, TimestampTz after)
{
	int64_t		next = aj_cron_next(cron, timestamptz_to_time_t(after),
									span_at, zone);

	return next == AJ_CRON_NEVER ? DT_NOEND : time_t_to_timestamptz(next);
}

/* ---------- one run ---------- */

static AjSubmission
submission_of(const AjSchedule *s)
{
	AjSubmission submission = {.owner = s->owner,.priority = s->priority,
	.user_id = s->user_id,.concurrency_key = s->concurrency_key};

	return submission;
}

/*
 * A session that has submitted for the same user, to a queue that refuses what
 * is beyond his limit, has to end its transaction before we can.  Nobody else's
 * schedule should wait for that, so this one is left for the next time.
 */
static bool
can_submit_now(const AjSchedule *s)
{
	AjSubmission submission = submission_of(s);

	submission.queue_id = aj_name_queue(s->queue, NULL, NULL);
	return submission.queue_id == 0 || aj_limits_lock_user(&submission, false);
}

typedef struct DueRun
{
	const AjSchedule *schedule;
	int64		job;
} DueRun;

static void
submit_due(void *arg)
{
	DueRun	   *run = arg;
	const AjSchedule *s = run->schedule;
	AjSubmission submission = submission_of(s);

	run->job = aj_submit_for(&submission, s->pipeline, s->queue, s->params);
}

/*
 * Submit the job of a due time that nobody has seen to.  Returns whether there
 * is one.
 */
static bool
submit_run(const AjSchedule *s, TimestampTz due)
{
	DueRun		run = {.schedule = s};
	ErrorData  *error = aj_try(submit_due, &run);
	int64		job = error == NULL ? run.job : 0;
	char	   *reason = NULL;

	if (error != NULL)
	{
		switch (error->sqlerrcode)
		{
				/* ours to end, or to be tried again with the next tick */
			case ERRCODE_QUERY_CANCELED:
			case ERRCODE_ADMIN_SHUTDOWN:
			case ERRCODE_T_R_SERIALIZATION_FAILURE:
			case ERRCODE_T_R_DEADLOCK_DETECTED:
			case ERRCODE_LOCK_NOT_AVAILABLE:
			case ERRCODE_OUT_OF_MEMORY:
			case ERRCODE_DISK_FULL:
				ReThrowError(error);
		}
		reason = error->message;
	}

	aj_queue_schedule_end_run(s->id, due,
							  job != 0 ? AJ_RUN_SUBMITTED : AJ_RUN_REFUSED,
							  job, reason);
	return job != 0;
}

/* A run at its time: skipped where the last job has not ended. */
static bool
regular_run(const AjSchedule *s, TimestampTz due)
{
	int64		last = s->overlap ? 0 : aj_queue_schedule_unfinished(s->id);

	if (last != 0)
	{
		(void) aj_queue_schedule_add_run(s->id, due, AJ_RUN_SKIPPED,
										 psprintf("job " INT64_FORMAT " had not ended",
												  last));
		return false;
	}
	if (!aj_queue_schedule_add_run(s->id, due, AJ_RUN_SUBMITTED, NULL))
		return false;
	return submit_run(s, due);
}

/* Write down that runs were missed and nobody wants them. */
static void
skip_missed(const AjSchedule *s, int64 n, TimestampTz last, const char *why)
{
	if (n > 0)
		(void) aj_queue_schedule_add_run(s->id, last, AJ_RUN_SKIPPED,
										 n == 1 ? psprintf("it was missed; %s", why) :
										 psprintf(INT64_FORMAT " runs up to this one were missed; %s",
												  n, why));
}

/* ---------- one schedule ---------- */

/* What keeps a schedule from going on, NULL if nothing does. */
static const char *
prepare(const AjSchedule *s, AjCron *cron, pg_tz **zone)
{
	AjCronError error;

	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(s->owner)))
		return "its owner does not exist any more";
	if (!aj_cron_parse(s->cron, cron, &error))
		return psprintf("cron expression \"%s\": %s", s->cron, error.message);
	*zone = aj_zone_find(s->time_zone);
	if (*zone == NULL)
		return psprintf("this server does not know time zone \"%s\"",
						s->time_zone);
	return NULL;
}

/*
 * See to all due times of a schedule up to now.  Returns how many jobs were
 * submitted.
 */
static int
see_to(const AjSchedule *s, TimestampTz now)
{
	AjCron		cron;
	pg_tz	   *zone;
	const char *problem = prepare(s, &cron, &zone);
	bool		all = s->catch_up == AJ_CATCH_UP_ALL;
	int			limit = s->catch_up_limit;
	TimestampTz *wanted = NULL; /* the latest that are to be caught up on */
	TimestampTz next = s->next_at,
				last = 0,
				before_last = 0,
				unwanted = 0;
	int64		n = 0,
				nwanted = 0;
	bool		on_time;
	int			submitted = 0;

	if (problem != NULL)
	{
		aj_queue_schedule_pause(s->id, true, 0, problem);
		ereport(LOG,
				(errmsg("asyncjob paused schedule \"%s\": %s", s->name, problem)));
		return 0;
	}

	/* who was away for longer than a year misses what came before that */
	if (next < now - LONGEST_GAP_S * USECS_PER_SEC)
		next = aj_cron_next_at(&cron, zone, now - LONGEST_GAP_S * USECS_PER_SEC);
	if (all)
		wanted = palloc(limit * sizeof(TimestampTz));
	while (next <= now)
	{
		if (all && n > 0)
		{
			if (nwanted >= limit)
				unwanted = wanted[nwanted % limit];
			wanted[nwanted++ % limit] = last;
		}
		before_last = last;
		last = next;
		n++;
		next = aj_cron_next_at(&cron, zone, next);
		CHECK_FOR_INTERRUPTS();
	}
	on_time = n > 0 && last >= now - GRACE_S * USECS_PER_SEC;

	switch (s->catch_up)
	{
		case AJ_CATCH_UP_NONE:
			if (!on_time)
				skip_missed(s, n, last, "catch_up is none");
			else
			{
				skip_missed(s, n - 1, before_last, "catch_up is none");
				submitted += regular_run(s, last);
			}
			break;

		case AJ_CATCH_UP_ONE:
			skip_missed(s, n - 1, before_last, "catch_up is one");
			if (n > 0)
				submitted += regular_run(s, last);
			break;

		case AJ_CATCH_UP_ALL:
			if (n == 0)
				break;
			/* behind those that wait already it has to wait, too */
			if (on_time && nwanted == 0 && aj_queue_schedule_pending(s->id) == 0)
			{
				submitted += regular_run(s, last);
				break;
			}
			if (nwanted >= limit)
				unwanted = wanted[nwanted % limit];
			wanted[nwanted++ % limit] = last;
			if (nwanted > limit)
				skip_missed(s, nwanted - limit, unwanted,
							psprintf("catch_up_limit is %d", limit));
			for (int64 i = Max(nwanted - limit, 0); i < nwanted; i++)
				(void) aj_queue_schedule_add_run(s->id, wanted[i % limit],
												 AJ_RUN_PENDING, NULL);
			(void) aj_queue_schedule_skip_oldest(s->id, limit,
												 psprintf("it was missed; catch_up_limit is %d",
														  limit));
			break;
	}
	aj_queue_schedule_moved(s->id, next, now - KEEP_RUNS_S * USECS_PER_SEC);
	return submitted;
}

/* ---------- all of them ---------- */

/*
 * See to what is due, of a role or of all (InvalidOid).  Returns how many
 * jobs were submitted.
 */
int
aj_schedules_due(Oid owner)
{
	MemoryContext old = CurrentMemoryContext,
				context = AllocSetContextCreate(old, "asyncjob schedules",
												ALLOCSET_DEFAULT_SIZES);
	TimestampTz now = aj_now(),
				after = DT_NOBEGIN;
	int64		after_id = 0;
	int			n = 0;
	bool		found = true;

	while (found)
	{
		AjScope		scope;
		AjSchedule	s;

		MemoryContextReset(context);
		aj_scope_enter(&scope, false);
		MemoryContextSwitchTo(context);
		found = aj_queue_schedule_take_due(owner, now, after, after_id, &s);
		if (found)
		{
			after = s.next_at;
			after_id = s.id;
			if (can_submit_now(&s))
				n += see_to(&s, now);
		}
		aj_scope_leave(&scope);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return n;
}

/*
 * Submit missed runs whose turn it is.  Returns how many.
 */
int
aj_schedules_pending(Oid owner)
{
	MemoryContext old = CurrentMemoryContext,
				context = AllocSetContextCreate(old, "asyncjob schedules",
												ALLOCSET_DEFAULT_SIZES);
	TimestampTz after = DT_NOBEGIN;
	int64		after_id = 0;
	int			n = 0;
	bool		found = true;

	while (found)
	{
		AjScope		scope;
		AjSchedule	s;
		TimestampTz due;

		MemoryContextReset(context);
		aj_scope_enter(&scope, false);
		MemoryContextSwitchTo(context);
		found = aj_queue_schedule_take_pending(owner, after, after_id, &s, &due);
		if (found)
		{
			after = due;
			after_id = s.id;
		}

		/* another process may have seen to it before we had the lock */
		if (found && can_submit_now(&s) && aj_queue_schedule_claim_run(s.id, due))
		{
			AjCron		cron;
			pg_tz	   *zone;
			const char *problem = prepare(&s, &cron, &zone);

			if (problem == NULL)
				n += submit_run(&s, due);
			else
			{
				aj_queue_schedule_end_run(s.id, due, AJ_RUN_REFUSED, 0, problem);
				aj_queue_schedule_pause(s.id, true, 0, problem);
			}
		}
		aj_scope_leave(&scope);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return n;
}
