/*-------------------------------------------------------------------------
 *
 * schedule_chore.h
 *		What a coordinator does for schedules.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_SCHEDULE_CHORE_H
#define AJ_SCHEDULE_CHORE_H

#include "postgres.h"

extern long aj_schedule_chore(void);
extern void aj_schedule_leave(void);

#endif							/* AJ_SCHEDULE_CHORE_H */
