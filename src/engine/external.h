/*-------------------------------------------------------------------------
 *
 * external.h
 *		External workers: leases that expire, news of work.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_EXTERNAL_H
#define AJ_EXTERNAL_H

#include "postgres.h"

#include "executor.h"
#include "queue_external.h"
#include "shmem.h"

#define AJ_EXTERNAL_MAX_WAIT_MS	20000

/* a queue in a set of queues, which may hold others too */
#define AJ_QUEUE_BIT(queue_id)	(UINT64CONST(1) << ((queue_id) & 63))

/* processes that wait for external work of this database sleep here */
#define aj_external_waiters() \
	(&aj_shared->waiters[MyDatabaseId % AJ_WAIT_BUCKETS])

extern void aj_external_announce(uint64 queues);
extern void aj_external_wake_waiters(void);
extern void aj_external_at_commit(int32 queue_id);
extern void aj_announce_ready(Oid owner, int32 queue_id, int priority,
							  TimestampTz run_at, int64 id, bool external);
extern AjState aj_external_go_on(AjHeld *held, AjRun *run, AjState state);
extern int	aj_external_expire(const int32 *queues, int n, Oid role);
extern long aj_external_round(AjDatabase *db, bool *news);
extern void aj_external_failed(AjDatabase *db);

#endif							/* AJ_EXTERNAL_H */
