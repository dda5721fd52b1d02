/*-------------------------------------------------------------------------
 *
 * api_limits.h
 *		Limits as arguments of create_queue() and alter_queue().
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_API_LIMITS_H
#define AJ_API_LIMITS_H

#include "postgres.h"

#include "fmgr.h"

extern bool aj_check_limits(FunctionCallInfo fcinfo, bool clears);
extern void aj_set_limits(FunctionCallInfo fcinfo, int32 queue_id, bool clears);

#endif							/* AJ_API_LIMITS_H */
