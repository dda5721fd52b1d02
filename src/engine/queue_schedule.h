/*-------------------------------------------------------------------------
 *
 * queue_schedule.h
 *		Statements about schedules and their runs.
 *
 * All functions are called inside an AjScope (scope.h).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_QUEUE_SCHEDULE_H
#define AJ_QUEUE_SCHEDULE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

/* What becomes of runs that were missed. */
typedef enum AjCatchUp
{
	AJ_CATCH_UP_NONE,
	AJ_CATCH_UP_ONE,
	AJ_CATCH_UP_ALL
} AjCatchUp;

/* What came of a due time. */
typedef enum AjRunState
{
	AJ_RUN_PENDING,
	AJ_RUN_SUBMITTED,
	AJ_RUN_SKIPPED,
	AJ_RUN_REFUSED
} AjRunState;

typedef struct AjSchedule
{
	int64		id;				/* 0: it is new */
	Oid			owner;
	char	   *name;
	char	   *cron;
	char	   *time_zone;
	char	   *pipeline;
	Jsonb	   *params;
	char	   *queue;
	int			priority;
	char	   *user_id;
	char	   *concurrency_key;
	bool		overlap;
	AjCatchUp	catch_up;
	int			catch_up_limit;
	bool		paused;
	TimestampTz next_at;
} AjSchedule;

/* What is known of pg_cron's calls. */
typedef struct AjScheduleClock
{
	TimestampTz last_tick;		/* 0: never */
	char	   *problem;		/* NULL: none */
	char	   *hint;
} AjScheduleClock;

extern const char *const aj_catch_up_names[];

extern bool aj_queue_schedule_find(Oid owner, const char *name,
								   AjSchedule *s);
extern void aj_queue_schedule_put(AjSchedule *s);
extern void aj_queue_schedule_drop(int64 id);
extern void aj_queue_schedule_pause(int64 id, bool paused,
									TimestampTz next_at,
									const char *problem);
extern bool aj_queue_schedule_take_due(Oid owner, TimestampTz now,
									   TimestampTz after, int64 after_id,
									   AjSchedule *s);
extern bool aj_queue_schedule_take_pending(Oid owner, TimestampTz after,
										   int64 after_id, AjSchedule *s,
										   TimestampTz *due);
extern int64 aj_queue_schedule_unfinished(int64 id);
extern bool aj_queue_schedule_add_run(int64 id, TimestampTz due,
									  AjRunState state, const char *reason);
extern bool aj_queue_schedule_claim_run(int64 id, TimestampTz due);
extern void aj_queue_schedule_end_run(int64 id, TimestampTz due,
									  AjRunState state, int64 job_id,
									  const char *reason);
extern int	aj_queue_schedule_pending(int64 id);
extern int	aj_queue_schedule_skip_oldest(int64 id, int keep,
										  const char *reason);
extern void aj_queue_schedule_moved(int64 id, TimestampTz next_at,
									TimestampTz forget_before);
extern TimestampTz aj_queue_schedule_next(Oid owner, TimestampTz after);
extern void aj_queue_schedule_lock_names(Oid owner);
extern bool aj_queue_schedule_any(bool *pending);
extern int	aj_queue_schedule_count(TimestampTz *since);
extern TimestampTz aj_queue_schedule_due_of(int64 job_id);
extern void aj_queue_schedule_note_tick(void);
extern void aj_queue_schedule_note_cron(const char *problem,
										const char *hint);
extern bool aj_queue_schedule_clock(AjScheduleClock *clock);

#endif							/* AJ_QUEUE_SCHEDULE_H */
