/*-------------------------------------------------------------------------
 *
 * queue_flow.h
 *		Statements about jobs that wait, and about what handlers remember.
 *
 * All functions are called inside an AjScope (scope.h).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_QUEUE_FLOW_H
#define AJ_QUEUE_FLOW_H

#include "postgres.h"

#include "executor.h"
#include "types.h"

/* What is remembered under a name. */
typedef struct AjMemo
{
	TimestampTz wake_at;		/* 0: none */
	Jsonb	   *value;			/* or NULL */
} AjMemo;

extern bool aj_queue_memo(const AjJob *job, const char *kind,
						  const char *name, AjMemo *memo);
extern void aj_queue_remember(const AjJob *job, const char *kind,
							  const char *name, TimestampTz wake_at,
							  Jsonb *value, bool replace);
extern bool aj_queue_suspend(AjJob *job, int64 worker_id,
							 const AjSuspend *why, bool *cancelled);
extern AjState aj_queue_await_key(AjJob *job, int64 worker_id, bool *found);
extern TimestampTz aj_queue_next_wake(Oid owner, TimestampTz after);
extern int	aj_queue_announce(int n);

#define AJ_WAKE_AT_ONCE	1000	/* at most, by one call */
extern int	aj_queue_wake_due(Oid owner, TimestampTz since, TimestampTz now);

#endif							/* AJ_QUEUE_FLOW_H */
