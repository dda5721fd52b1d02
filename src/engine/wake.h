/*-------------------------------------------------------------------------
 *
 * wake.h
 *		What becomes known to other processes when a transaction commits.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_WAKE_H
#define AJ_WAKE_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "shmem.h"

extern void aj_wake_install(void);
extern void aj_at_commit_job_ready(Oid owner, int32 queue_id, int priority,
								   TimestampTz run_at, int64 id);
extern void aj_at_end_reset_lanes(bool moved);
extern void aj_at_commit_external(int32 queue_id);
extern void aj_at_commit_cancel(int64 job_id);
extern void aj_at_commit_changed(int64 job_id, int seq, AjState state,
								 int step_no, int step_count,
								 const char *session);
extern void aj_at_commit_announce(void);
extern void aj_at_commit_look(void);
extern void aj_at_commit_flow(void);
extern void aj_at_commit_wait(TimestampTz wake_at);
extern void aj_at_commit_child_ended(void);
extern void aj_at_commit_chains(void);
extern void aj_flow_changed(uint32 flow, TimestampTz wake_at, bool chains);

#endif							/* AJ_WAKE_H */
