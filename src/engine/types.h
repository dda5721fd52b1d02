/*-------------------------------------------------------------------------
 *
 * types.h
 *		Words of the engine shared by all its modules.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_TYPES_H
#define AJ_TYPES_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

#define AJ_EXTENSION	"asyncjob"
#define AJ_SCHEMA		"asyncjob"

/*
 * State of a job, in the order of the SQL enum asyncjob.job_state.
 *
 *	QUEUED		-> RUNNING (claimed), CANCELLED, FAILED (its role is gone)
 *	RUNNING		-> COMPLETED, FAILED, CANCELLED, QUEUED (retry, lost worker),
 *				   WAITING (to run alone after a server crash)
 *	WAITING		-> QUEUED, RUNNING, CANCELLED, FAILED
 *	COMPLETED	final
 *	FAILED		a dead letter; retry() makes it QUEUED
 *	CANCELLED	final; retry() makes it QUEUED
 */
typedef enum AjState
{
	AJ_QUEUED,
	AJ_RUNNING,
	AJ_WAITING,
	AJ_COMPLETED,
	AJ_FAILED,
	AJ_CANCELLED
} AjState;

#define AJ_STATE_IS_FINAL(s) ((s) >= AJ_COMPLETED)

extern const char *const aj_state_names[];
extern AjState aj_state_by_name(const char *name);

/* A claimed job, as the executor needs it. */
typedef struct AjJob
{
	int64		id;
	Oid			owner;
	int32		pipeline_id;
	int32		queue_id;
	int			priority;
	TimestampTz run_at;			/* when it is, or was, due */
	int			step_no;		/* index into the pipeline's run order, from 0 */
	int			failures;		/* attempts that the current step has spent */
	int			free_retries;	/* retries of it that were not charged */
	int			crashes;		/* server crashes it caused while alone */
	int			seq;			/* number of its last durable update */
	bool		alone;			/* runs with no other job beside it */
	int64		parent_id;		/* job that it belongs to, or 0 */
	int			item_no;		/* -1: it has a pipeline of its own; 0: it is
								 * step step_no of its parent; n: for item n */
	char	   *session_id;		/* NULL: belongs to no chat session */
	char	   *user_id;		/* NULL: of no application user */
	Jsonb	   *params;
	bool		sealed;			/* what it carries is encrypted (seal.c) */
	char	   *locked;			/* why that can't be opened, or NULL */
} AjJob;

/* The job that was submitted, of which this is perhaps a step. */
static inline int64
aj_job_root(const AjJob *job)
{
	return job->item_no >= 0 ? job->parent_id : job->id;
}

/* What a failed step says, copied out of ErrorData. */
typedef struct AjError
{
	int			sqlerrcode;
	char	   *code;			/* a word such as spacing_infeasible, or NULL */
	char	   *message;
	char	   *detail;
	char	   *hint;
	char	   *context;
} AjError;

#endif							/* AJ_TYPES_H */
