/*-------------------------------------------------------------------------
 *
 * api_flow.h
 *		What handlers call that outlives their run.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_API_FLOW_H
#define AJ_API_FLOW_H

#include "postgres.h"

#include "utils/timestamp.h"

#include "executor.h"

extern TimestampTz aj_end_of(Interval *duration, const char *name);
extern void aj_spawn_again(AjRun *run);

#endif							/* AJ_API_FLOW_H */
