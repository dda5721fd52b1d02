/*-------------------------------------------------------------------------
 *
 * schedule.h
 *		Submitting what schedules are due for.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_SCHEDULE_H
#define AJ_SCHEDULE_H

#include "postgres.h"

#include "cron.h"
#include "datatype/timestamp.h"
#include "pgtime.h"

extern pg_tz *aj_zone_find(const char *name);
extern TimestampTz aj_cron_next_at(const AjCron *cron, pg_tz *zone,
								   TimestampTz after);
extern int	aj_schedules_due(Oid owner);
extern int	aj_schedules_pending(Oid owner);

#endif							/* AJ_SCHEDULE_H */
