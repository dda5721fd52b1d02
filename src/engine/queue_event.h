/*-------------------------------------------------------------------------
 *
 * queue_event.h
 *		Statements about events, those who wait for them, and spawned jobs.
 *
 * All functions are called inside an AjScope (scope.h).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_QUEUE_EVENT_H
#define AJ_QUEUE_EVENT_H

#include "postgres.h"

#include "executor.h"
#include "types.h"

/* queue_event.c: events */
extern bool aj_queue_emit(Oid owner, const char *event, const char *key,
						  Jsonb *payload);
extern bool aj_queue_find_event(Oid owner, const char *event,
								const char *key, Jsonb **payload);
extern bool aj_queue_forget_event(Oid owner, const char *event,
								  const char *key);
extern bool aj_queue_event_granted(Oid owner, const char *event, Oid role);
extern void aj_queue_grant_event(Oid owner, const char *event, Oid role,
								 bool grant);
extern void aj_queue_add_wait(const AjJob *job, const AjSuspend *why);
extern int64 aj_queue_subscribe(Oid owner, Oid event_owner,
								const char *event, const char *pipeline,
								const char *filter);
extern bool aj_queue_unsubscribe(int64 id, Oid role, bool admin);
extern void aj_queue_chain(const int64 *job_ids, int n);
extern bool aj_queue_chains_wanted(void);
extern bool aj_queue_dispatch(Oid owner, int64 *after, bool carefully);

/* queue_spawn.c: jobs of jobs */
extern void aj_queue_adopt(int64 job_id, const AjJob *parent);
extern Jsonb *aj_queue_children(const AjJob *job, int *unfinished);
extern void aj_queue_wake_for_children(int64 parent_id);
extern bool aj_queue_sweep_children(Oid owner);

#endif							/* AJ_QUEUE_EVENT_H */
