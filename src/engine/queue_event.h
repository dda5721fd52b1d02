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

/* payload of the event that tells a job's end */
#define AJ_JOB_EVENT \
	"jsonb_strip_nulls(jsonb_build_object('job_id', j.id, 'pipeline', p.name," \
	" 'state', j.state, 'partial', j.partial, 'user_id', j.user_id," \
	" 'error', j.error ->> 'message'))"

/* the end of a job, asked for by its id: nothing needs to be kept for that */
#define AJ_JOB_ID(key)		key " ~ '^[0-9]{1,18}$'"
#define AJ_JOB_END(event)	event " ~ '-(completed|failed)$'"
#define AJ_END_OF_JOB(owner, event, key) \
	"SELECT " AJ_JOB_EVENT " FROM asyncjob.job j" \
	" JOIN asyncjob.pipeline p ON p.id = j.pipeline_id" \
	" WHERE " AJ_JOB_ID(key) \
	"  AND j.id = CASE WHEN " AJ_JOB_ID(key) " THEN " key "::bigint END" \
	"  AND j.owner = " owner " AND j.item_no IS NULL" \
	"  AND j.state IN ('completed', 'failed')" \
	"  AND " event " = p.name || '-' || j.state"

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

/* queue_dispatch.c: what follows from them */
extern bool aj_queue_dispatch(Oid owner, int64 *after, bool carefully);

/* queue_spawn.c: jobs of jobs */
extern void aj_queue_adopt(int64 job_id, const AjJob *parent);
extern Jsonb *aj_queue_children(const AjJob *job, int *unfinished);
extern void aj_queue_wake_for_children(int64 parent_id);
extern bool aj_queue_sweep_children(Oid owner);

#endif							/* AJ_QUEUE_EVENT_H */
