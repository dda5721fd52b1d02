/*-------------------------------------------------------------------------
 *
 * clock.h
 *		What time it is for jobs.
 *
 * That of the server; only drain() puts its own process' clock forward, from
 * one job's time to the next, so that an application can test retries and
 * jobs of the future without waiting.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_CLOCK_H
#define AJ_CLOCK_H

#include "postgres.h"

#include "utils/timestamp.h"

extern int64 aj_clock_ahead;	/* microseconds, 0 but within drain() */

static inline TimestampTz
aj_now(void)
{
	return GetCurrentTimestamp() + aj_clock_ahead;
}

#endif							/* AJ_CLOCK_H */
