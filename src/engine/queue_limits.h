/*-------------------------------------------------------------------------
 *
 * queue_limits.h
 *		Statements about the limits of queues.
 *
 * All functions are called inside an AjScope (scope.h).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_QUEUE_LIMITS_H
#define AJ_QUEUE_LIMITS_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "queue_submit.h"
#include "types.h"

/*
 * Which jobs stand behind each other: a hash of owner, user and key, below the
 * groups of paused pipelines (queue_pause.h).
 */
#define AJ_LIMIT_GROUP(owner, user_id, key) \
	"(hashtextextended(" owner "::text || chr(10) || coalesce(" user_id ", '')" \
	" || chr(10) || coalesce(" key ", ''), 0) >> 1)"

/*
 * Queue job j again: where its queue has limits and it has no place any more,
 * it has to wait for one.
 */
#define AJ_NEEDS_PLACE(j) \
	j ".item_no IS NULL AND EXISTS (SELECT FROM asyncjob.queue gq" \
	"  WHERE gq.id = " j ".queue_id AND gq.gated)" \
	" AND NOT EXISTS (SELECT FROM asyncjob.place gp WHERE gp.job_id = " j ".id)"
#define AJ_READY_AGAIN(j) \
	" state = CASE WHEN " AJ_NEEDS_PLACE(j) \
	"  THEN 'waiting'::asyncjob.job_state ELSE 'queued' END," \
	" limit_group = CASE WHEN " AJ_NEEDS_PLACE(j) \
	"  THEN " AJ_LIMIT_GROUP(j ".owner", j ".user_id", j ".concurrency_key") " END"

/* what aj_queue_announce() has to know of jobs that a statement made ready */
#define AJ_READY_COLUMNS(j) \
	j ".owner, " j ".queue_id, " j ".priority, " j ".run_at, " j ".id, " \
	j ".external"

/* Limits of a queue; -1 and 0 ms: none. */
typedef struct AjLimits
{
	int32		queue_id;
	int			max_running;
	int			max_per_user;
	bool		reject;			/* what is beyond max_per_user isn't accepted */
	int			max_per_key;
	int			rate;
	int64		rate_ms;
	int			key_rate;
	int64		key_rate_ms;
	bool		fair;
	Jsonb	   *weights;		/* of users, by name */
	int64		ageing_ms;
	double		vtime;			/* fair: the turn that is being given */
	bool		paused;
} AjLimits;

typedef struct AjPlaceHeld
{
	int64		job_id;
	Oid			owner;
	char	   *user_id;		/* or NULL */
	char	   *key;			/* or NULL */
	TimestampTz admitted_at;
	TimestampTz started_at;		/* 0: not yet, or not of interest */
	int			state;			/* 0 it has ended, 1 not started, 2 runs */
	TimestampTz ready_at;		/* fair: since then it could be claimed, or 0 */
	bool		external;
} AjPlaceHeld;

/* A job that waits for a place. */
typedef struct AjWaiter
{
	int64		id;
	int64		group;
	int			priority;
	TimestampTz run_at;
	Oid			owner;
	char	   *user_id;
	char	   *key;
	bool		external;
} AjWaiter;

extern int	aj_queue_read_limits(AjLimits **limits);
extern bool aj_queue_lock_limits(int32 queue_id, bool wait, AjLimits *limits);
extern bool aj_queue_has_waiting(int32 queue_id, Oid owner);
extern int	aj_queue_places(const AjLimits *limits, AjPlaceHeld **places);
extern void aj_queue_drop_places(int n, const int64 *job_ids, bool keep_starts);
extern int	aj_queue_starts(int32 queue_id, TimestampTz since,
							AjPlaceHeld **starts);
extern int	aj_queue_waiting_groups(int32 queue_id, int64 after_group,
									int after_priority, int max,
									AjWaiter **heads);
extern int	aj_queue_lock_waiters(int32 queue_id, const AjWaiter *after,
								  bool inclusive, int external, int max,
								  AjWaiter **waiters);
extern int	aj_queue_admit(int32 queue_id, int n, const int64 *job_ids,
						   int64 ageing_ms);
extern int	aj_queue_turns(int32 queue_id, AjPlaceHeld **users, double **vtimes);
extern void aj_queue_store_turn(int32 queue_id, Oid owner, const char *user_id,
								double vtime);
extern void aj_queue_store_vtime(int32 queue_id, double vtime);
extern int	aj_queue_hold_strays(int32 queue_id);
extern bool aj_queue_hold(int64 job_id);
extern void aj_queue_note_place_start(int64 job_id, TimestampTz at);
extern int	aj_queue_count_unfinished(const AjSubmission *s);

/* queue_gate.c: limits come, change and go */
extern bool aj_queue_store_limits(int32 queue_id, Datum *values,
								  const char *nulls, AjLimits *limits);
extern void aj_queue_gate(int32 queue_id, bool was_gated, bool gated);
extern void aj_queue_limits_moved(void);
extern int64 aj_queue_unfinished(int32 queue_id);
extern void aj_queue_retire(int32 queue_id);

#endif							/* AJ_QUEUE_LIMITS_H */
