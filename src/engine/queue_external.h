/*-------------------------------------------------------------------------
 *
 * queue_external.h
 *		Statements about external workers.
 *
 * All functions are called inside an AjScope (scope.h).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_QUEUE_EXTERNAL_H
#define AJ_QUEUE_EXTERNAL_H

#include "postgres.h"

#include "api.h"
#include "types.h"

/* One owner's external jobs of one queue and priority. */
typedef struct AjExternalLane
{
	int32		queue_id;
	Oid			owner;
	int			priority;
} AjExternalLane;

/* A step in the hands of an external worker. */
typedef struct AjHeld
{
	AjJob		job;
	int64		token;
	char	   *queue;
} AjHeld;

/* What is said of a lease that doesn't fit. */
typedef struct AjHolder
{
	AjState		state;
	int64		worker_id;		/* 0: none */
	bool		cancelled;		/* it is to be */
} AjHolder;

/* Where a page of leases ends, in the order in which they expire. */
typedef struct AjLeasePlace
{
	TimestampTz expires_at;
	int64		job_id;
} AjLeasePlace;

extern int	aj_queue_external_lanes(const AjCaller *caller,
									const int32 *queues, int n,
									AjExternalLane **lanes);
extern int	aj_queue_claim_external(const AjCaller *caller,
									const AjExternalLane *lane, int max,
									TimestampTz expires_at, AjHeld *held);
extern bool aj_queue_lock_leased(const AjCaller *caller, int64 job_id,
								 int64 token, AjHeld *held, AjHolder *holder);
extern void aj_queue_extend_lease(int64 job_id, int64 token,
								  TimestampTz expires_at, double progress,
								  bool no_progress, const char *message);
extern TimestampTz aj_queue_drop_lease(int64 job_id);
extern char *aj_queue_name(int32 queue_id);
extern int	aj_queue_expired(const int32 *queues, int n, Oid role, int max,
							 AjLeasePlace *after, int64 **ids);
extern bool aj_queue_lock_expired(int64 job_id, AjHeld *held, Oid *role);
extern bool aj_queue_offer(int64 job_id);
extern bool aj_queue_hand_over(AjJob *job, int64 worker_id, bool external);
extern void aj_queue_external_ready(uint64 queues, TimestampTz since,
									List **names, TimestampTz *next);
extern bool aj_queue_works_for(int32 queue_id, Oid role);
extern void aj_queue_grant_worker(int32 queue_id, Oid role, bool grant);

#endif							/* AJ_QUEUE_EXTERNAL_H */
