/*-------------------------------------------------------------------------
 *
 * queue_submit.h
 *		How pipelines, queues and jobs come into being.
 *
 * All functions are called inside an AjScope (scope.h).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_QUEUE_SUBMIT_H
#define AJ_QUEUE_SUBMIT_H

#include "postgres.h"

#include "pipeline.h"

/* What a submit() does where an unfinished job has its unique key. */
typedef enum AjUniqueMode
{
	AJ_UNIQUE_KEEP,				/* nothing; that job is the one */
	AJ_UNIQUE_REPLACE,			/* it gets the new parameters */
	AJ_UNIQUE_DEBOUNCE			/* and the new due time */
} AjUniqueMode;

/* What all jobs of one call of submit() or submit_many() have in common. */
typedef struct AjSubmission
{
	Oid			owner;
	int32		pipeline_id;
	int32		queue_id;
	int			priority;
	TimestampTz run_at;			/* 0: now */
	char	   *user_id;
	char	   *session_id;
	char	   *unique_key;
	AjUniqueMode unique_mode;
	char	   *concurrency_key;
	bool		external;		/* its first step is */
	bool		held;			/* it has to wait for a place */
	bool		sealed;			/* it is encrypted (seal.c) */
	bool		moved;			/* replaced, it was another queue's or user's */
} AjSubmission;

extern bool aj_queue_read_pipeline(int32 id, AjPipeline *pipeline,
								   Jsonb **steps);
extern int32 aj_queue_find_pipeline(const char *name, Oid *owner);
extern int	aj_queue_pipeline_grants(const char *name, Oid **roles);
extern int32 aj_queue_find_queue(const char *name);
extern int32 aj_queue_read_queue(const char *name, int *max_depth,
								 bool *encrypt);
extern bool aj_queue_encrypts(int32 queue_id);
extern void aj_queue_set_encrypt(int32 queue_id, bool encrypt);
extern bool aj_queue_session_exists(const char *session, Oid role,
									const char *user_id);
extern bool aj_queue_note_owner(Oid role, const char *rolname);
extern int64 aj_queue_add_job(AjSubmission *s, Jsonb *params,
							  bool *added, bool *changed);
extern int	aj_queue_add_jobs(AjSubmission *s, Datum params_array,
							  int64 *first);

/* queue_unique.c */
extern int64 aj_queue_replace_job(AjSubmission *s, Jsonb *params);

/* queue_insert.c */
extern bool aj_queue_insert_job(AjSubmission *s, Jsonb *params, int64 *id);
extern int	aj_queue_insert_jobs(AjSubmission *s, Datum params_array,
								 int64 *first);

extern int32 aj_queue_add_pipeline(const AjPipeline *pipeline, Jsonb *steps,
								   const char *description, bool superuser);
extern Oid	aj_queue_pipeline_owner(const char *name);
extern bool aj_queue_retire_pipeline(const char *name);
extern void aj_queue_grant_pipeline(const char *name, Oid role);
extern void aj_queue_revoke_pipeline(const char *name, Oid role);
extern int32 aj_queue_add_queue(const char *name);
extern bool aj_queue_add_session(const char *id, Oid owner,
								 const char *user_id, const char *title);
extern int64 aj_queue_add_message(const char *session, Oid owner,
								  const char *user_id, const char *content,
								  int64 job_id);

#endif							/* AJ_QUEUE_SUBMIT_H */
