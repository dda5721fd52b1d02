/*-------------------------------------------------------------------------
 *
 * limits.h
 *		Limits of queues: who may start, and when.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_LIMITS_H
#define AJ_LIMITS_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "queue_limits.h"

extern const AjLimits *aj_limits_of(int32 queue_id);
extern bool aj_limits_known(int32 queue_id);
extern bool aj_limits_known_rated(int32 queue_id);
extern bool aj_limits_stale(void);
extern bool aj_limits_may_be(void);
extern void aj_limits_started(int32 queue_id, int64 job_id, TimestampTz at);
extern bool aj_limits_hold(int32 queue_id, int64 job_id);
extern int	aj_limits_admit_here(const int32 *queues, int n, Oid role,
								 bool external, int max, bool wait);
extern void aj_limits_round(TimestampTz *next);
extern bool aj_limits_lock_user(const AjSubmission *s, bool wait);
extern void aj_limits_check_user(const AjSubmission *s, const char *queue,
								 int added);

#endif							/* AJ_LIMITS_H */
