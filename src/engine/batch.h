/*-------------------------------------------------------------------------
 *
 * batch.h
 *		Running many short jobs in one transaction.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_BATCH_H
#define AJ_BATCH_H

#include "postgres.h"

#include "pipeline.h"
#include "types.h"

typedef enum AjBatchResult
{
	AJ_BATCH_NOTHING,			/* no job is ready */
	AJ_BATCH_DONE,				/* some jobs are completed */
	AJ_BATCH_SINGLE				/* one job was claimed, to be run by itself */
} AjBatchResult;

extern bool aj_batch_wanted(void);
extern void aj_batch_hint(const AjPipeline *pipeline);
extern void aj_batch_reset(void);
extern AjBatchResult aj_batch_run(MemoryContext context, AjJob *single,
								  const AjPipeline **pipeline, bool *gone);

#endif							/* AJ_BATCH_H */
