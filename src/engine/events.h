/*-------------------------------------------------------------------------
 *
 * events.h
 *		What follows from events, waits and the ends of jobs.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_EVENTS_H
#define AJ_EVENTS_H

#include "postgres.h"

#include "shmem.h"

extern bool aj_chains_wanted(void);
extern void aj_chain(int64 job_id);
extern TimestampTz aj_flow_round(AjDatabase *db);
extern void aj_flow_failed(void);
extern void aj_flow_here(Oid owner);

#endif							/* AJ_EVENTS_H */
