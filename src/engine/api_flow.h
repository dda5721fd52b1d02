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

/* what is submitted now belongs to a sealed job whose run is over */
extern bool aj_submit_sealed;
extern TimestampTz aj_end_of(Interval *duration, const char *name);
extern void aj_spawn_again(AjRun *run);

#endif							/* AJ_API_FLOW_H */
