/*-------------------------------------------------------------------------
 *
 * queue_dead.h
 *		Statements about dead letters, alarms and full queues.
 *
 * All functions are called inside an AjScope (scope.h).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_QUEUE_DEAD_H
#define AJ_QUEUE_DEAD_H

#include "postgres.h"

#include "filter.h"
#include "utils/timestamp.h"

/* An alarm as set_alarm() defines it. */
typedef struct AjAlarm
{
	const char *name;
	const char *metric;
	int32		queue_id;		/* 0: all */
	const char *pipeline;		/* NULL: all */
	double		threshold;
	Interval   *period;
} AjAlarm;

extern int	aj_queue_find_dead(const AjFilter *filter, const AjCaller *caller,
							   bool newest_of_key, int64 max, int64 **ids);
extern Jsonb *aj_queue_merged_params(int64 job_id, Oid reader, Jsonb *params,
									 int32 *pipeline_id);
extern bool aj_queue_begin_anew(int64 job_id, Jsonb *params);
extern int	aj_queue_pinned_now(const int64 *ids, int n, int64 **pinned);
extern int64 aj_queue_delete_jobs(const int64 *ids, int n, bool thorough);
extern int64 aj_queue_depth(int32 queue_id, int64 limit);
extern bool aj_queue_set_max_depth(const char *name, int max_depth);
extern bool aj_queue_set_alarm(const AjAlarm *alarm);
extern bool aj_queue_drop_alarm(const char *name);
extern bool aj_queue_any_alarm(void);
extern int	aj_queue_check_alarms(void);

#endif							/* AJ_QUEUE_DEAD_H */
