/*-------------------------------------------------------------------------
 *
 * staff.h
 *		Which roles get workers.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_STAFF_H
#define AJ_STAFF_H

#include "postgres.h"

#include "queue.h"
#include "shmem.h"

extern void aj_staff_init(void);
extern bool aj_staff_reap(void);
extern int	aj_staff_count(Oid dbid, Oid role, AjSlotState state,
						   bool any_state);
extern long aj_staff_feed(const AjReadyOwner *owner);
extern void aj_staff_shed(void);

#endif							/* AJ_STAFF_H */
