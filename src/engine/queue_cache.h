/*-------------------------------------------------------------------------
 *
 * queue_cache.h
 *		Statements about cached outputs of steps.
 *
 * All functions are called inside an AjScope (scope.h).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_QUEUE_CACHE_H
#define AJ_QUEUE_CACHE_H

#include "postgres.h"

#include "utils/jsonb.h"

extern Jsonb *aj_queue_find_cached(Oid owner, const char *key, int64 *job_id,
								   int *step_no);
extern void aj_queue_store_cached(Oid owner, const char *key, int64 job_id,
								  int step_no, Jsonb *output, int64 ttl_ms);
extern bool aj_queue_copy_artifacts(int64 from_job, int from_step,
									int64 to_job, int to_step);
extern int64 aj_queue_clear_cache(Oid owner);

#endif							/* AJ_QUEUE_CACHE_H */
