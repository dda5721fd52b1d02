/*-------------------------------------------------------------------------
 *
 * queue_retention.h
 *		Statements that delete what is kept no longer.
 *
 * All functions are called inside an AjScope (scope.h).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_QUEUE_RETENTION_H
#define AJ_QUEUE_RETENTION_H

#include "postgres.h"

#include "utils/timestamp.h"

/* What a sweep has done so far, and where it is. */
typedef struct AjSweep
{
	int64		after;			/* ids up to this one have been looked at */
	bool		over;			/* nothing beyond that is old enough */
	int64		deleted;
	int64		artifacts;
	int64		expired;
} AjSweep;

extern void aj_queue_sweep(AjSweep *sweep, int max);
extern long aj_queue_shortest_keep_ms(void);
extern void aj_queue_set_retention(int32 queue_id, const char *kind,
								   Interval *keep);
extern bool aj_queue_reset_retention(int32 queue_id, const char *kind);
extern TimestampTz aj_queue_pin(int64 job_id, Oid role, TimestampTz until);
extern bool aj_queue_unpin(int64 job_id, Oid role);

#endif							/* AJ_QUEUE_RETENTION_H */
