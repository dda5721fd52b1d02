/*-------------------------------------------------------------------------
 *
 * runner.h
 *		A worker's way with a job that it has claimed.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_RUNNER_H
#define AJ_RUNNER_H

#include "postgres.h"

#include "pipeline.h"
#include "types.h"

extern void aj_run_job(AjJob *job, const AjPipeline *pipeline,
					   MemoryContext context);

#endif							/* AJ_RUNNER_H */
