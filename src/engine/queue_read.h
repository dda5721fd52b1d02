/*-------------------------------------------------------------------------
 *
 * queue_read.h
 *		Statements that answer for a caller.
 *
 * All functions are called inside an AjScope (scope.h).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_QUEUE_READ_H
#define AJ_QUEUE_READ_H

#include "postgres.h"

#include "api.h"
#include "scope.h"
#include "types.h"

/* for asyncjob._live(): a job that a worker of ours has in hand */
#define AJ_LIVE_ID(j) \
	"CASE WHEN " j ".state = 'running' AND " j ".worker_id > 0 THEN " j ".id END"

/* a job as cancel(), retry(), wait() and explain() look at it */
typedef struct AjJobHead
{
	int64		id;
	AjState		state;
	Oid			owner;
	int64		worker_id;		/* 0: none */
	int			seq;
	int			step_no;
	int			step_count;
	bool		cancel_requested;
	bool		suspect;
	bool		queue_paused;
	TransactionId xmin;
	TimestampTz run_at;
	char	   *session_id;
	char	   *queue;
	char	   *rolname;		/* name of the owner when it submitted */
	int32		queue_id;
	bool		external;		/* an external worker runs its current step */
	TimestampTz lease_until;	/* of that worker, or 0 */
	int64		branch_of;		/* the job that it is a step of, or 0 */
	char	   *waiting_for;	/* NULL: it isn't put aside */
	char	   *waiting_detail; /* NULL or the last line of its history */
	char	   *pipeline;
	bool		pipeline_paused;
	TimestampTz quiesced_at;	/* the database, or 0 */
} AjJobHead;

extern bool aj_queue_head(const AjCaller *caller, int64 job_id, bool lock,
						  AjJobHead *head);
extern AjState aj_queue_state_now(const AjCaller *caller, int64 job_id,
								  TransactionId *xmin);
extern Jsonb *aj_queue_result(int64 job_id, Oid reader);
extern Jsonb *aj_queue_params(const AjCaller *caller, int64 job_id);
extern int	aj_queue_status(const AjCaller *caller, int64 job_id);
extern int	aj_queue_list(const AjCaller *caller, const char *user_id,
						  const char *session_id, const char *state,
						  int64 after, int limit, int64 parent);
extern bool aj_queue_step_result(const AjCaller *caller, int64 job_id,
								 const char *step, Jsonb **output);
extern int	aj_queue_steps(const AjCaller *caller, int64 job_id);
extern int	aj_queue_updates(const AjCaller *caller, int64 job_id, int since);
extern int	aj_queue_artifacts(const AjCaller *caller, int64 job_id);
extern int64 aj_queue_artifact_size(const AjCaller *caller, int64 job_id,
									const char *name, bool *chunked,
									char **key_id);
extern Datum aj_queue_artifact_piece(int64 job_id, const char *name,
									 int chunk, int64 start, int64 len,
									 bool *isnull);
extern int	aj_execute_live(AjStatement *stmt, Datum *values,
							const char *nulls);

#endif							/* AJ_QUEUE_READ_H */
