/*-------------------------------------------------------------------------
 *
 * queue.h
 *		Every statement on the tables of the queue.
 *
 * All functions are called inside an AjScope (scope.h).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_QUEUE_H
#define AJ_QUEUE_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "lanes.h"
#include "pipeline.h"
#include "seal.h"
#include "types.h"

/* What a handler wants stored with its step. */
typedef struct AjArtifact
{
	char	   *name;
	char	   *kind;
	char	   *media_type;
	char	   *data;
	Size		len;
} AjArtifact;

typedef struct AjLogLine
{
	TimestampTz at;
	char	   *level;
	char	   *message;
	Jsonb	   *data;			/* or NULL */
} AjLogLine;

/* What becomes of a job whose step failed. */
typedef enum AjVerdict
{
	AJ_VERDICT_RETRY,			/* queued again, an attempt is spent */
	AJ_VERDICT_RETRY_FREE,		/* queued again, no attempt is spent */
	AJ_VERDICT_SNOOZE,			/* queued again because the handler wished so */
	AJ_VERDICT_DEAD,			/* a dead letter */
	AJ_VERDICT_CANCELLED
} AjVerdict;

/* A role that has ready jobs. */
typedef struct AjReadyOwner
{
	Oid			role;
	int			priority;		/* of its best job */
	TimestampTz run_at;			/* since when that one is ready */
	int64		job_id;
} AjReadyOwner;

/* of asyncjob.job j, in the order that aj_queue_read_job() expects */
#define AJ_JOB_COLUMNS \
	"j.id, j.owner, j.pipeline_id, j.step_no, j.failures, j.free_retries," \
	" j.crashes, j.seq, j.session_id, j.user_id, j.params, j.suspect," \
	" j.queue_id, j.priority, j.run_at, j.parent_id, j.item_no"
#define AJ_JOB_NCOLUMNS	17

/* queue_claim.c: finding a job */
extern void aj_queue_read_job(int row, AjJob *job, MemoryContext context);
extern void aj_queue_note_start(AjJob *job);
extern bool aj_queue_claim(Oid owner, int64 worker_id, AjJob *job);
extern AjJob *aj_queue_lock_many(Oid owner, int max, int *n);
extern void aj_queue_let_go(const AjJob *job);
extern AjPlace aj_queue_lane_head(const AjLaneView *lane);
extern void aj_queue_claim_locked(AjJob *job, int64 worker_id);
extern bool aj_queue_claim_alone(int64 job_id, Oid owner, int64 worker_id,
								 AjJob *job);
extern TimestampTz aj_queue_next_due(Oid owner, TimestampTz after);
extern bool aj_queue_take(int64 job_id, bool anyway, AjJob *job);

/* queue.c: its way to the end */
extern void aj_queue_add_update(int64 job_id, int seq, TimestampTz at,
								const char *kind, const char *state,
								int step_no, const char *level,
								const char *message, Jsonb *data);
extern int	aj_queue_complete_many(int n, Datum *ids, Datum *results,
								   Datum *started, Datum *finished);
extern Jsonb *aj_queue_checkpoints(AjJob *job);
extern Jsonb *aj_queue_seal_result(const AjJob *job, Jsonb *result);
extern bool aj_queue_advance(AjJob *job, int64 worker_id, const AjStep *step,
							 TimestampTz started, Jsonb *output);
extern bool aj_queue_complete(AjJob *job, int64 worker_id, Jsonb *result);
extern AjState aj_queue_fail(AjJob *job, int64 worker_id,
							 const AjError *error, AjVerdict verdict,
							 int64 delay_ms, bool *found);
extern bool aj_queue_lock_held(int64 job_id, int64 worker_id,
							   bool *cancelled);
extern void aj_queue_set_seq(const AjJob *job);
extern void aj_queue_log(AjJob *job, List *lines);
extern AjSealPlace aj_artifact_place(int64 job_id, const char *name, int chunk);
extern void aj_queue_store_artifacts(AjJob *job, List *artifacts);
extern bool aj_queue_write_chat(int64 job_id, const char *content,
								AjState state);

/* queue_upkeep.c: what the coordinator does */
extern bool aj_queue_origin_matches(int64 system_identifier, Oid dbid);
extern void aj_queue_set_origin(int64 system_identifier, Oid dbid);
extern int	aj_queue_requeue_orphans(const int64 *living, int n, int64 limit,
									 int64 counted, bool *left);
extern bool aj_queue_mark_suspect(int64 job_id, int64 worker_id, int crashes,
								  bool dead);
extern List *aj_queue_ready_owners(TimestampTz *next_due);
extern void aj_queue_find_lanes(void);
extern int64 aj_queue_next_suspect(int64 after, Oid *owner);
extern int	aj_queue_bury_ownerless(void);

#endif							/* AJ_QUEUE_H */
