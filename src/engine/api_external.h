/*-------------------------------------------------------------------------
 *
 * api_external.h
 *		What claiming a step and ending it share.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_API_EXTERNAL_H
#define AJ_API_EXTERNAL_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/timestamp.h"

#include "executor.h"
#include "queue_external.h"

extern int64 aj_interval_ms(const Interval *span);
extern int64 aj_lease_arg(FunctionCallInfo fcinfo, int n);
extern void aj_held_run(AjRun *run, AjHeld *held, MemoryContext context);

#endif							/* AJ_API_EXTERNAL_H */
