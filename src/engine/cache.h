/*-------------------------------------------------------------------------
 *
 * cache.h
 *		Outputs of steps that are reused by other jobs.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_CACHE_H
#define AJ_CACHE_H

#include "postgres.h"

#include "executor.h"

extern Jsonb *aj_cache_find(AjRun *run, Jsonb *input);
extern void aj_cache_finish(AjRun *run, Jsonb *output);

#endif							/* AJ_CACHE_H */
