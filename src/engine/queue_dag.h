/*-------------------------------------------------------------------------
 *
 * queue_dag.h
 *		Statements about jobs whose steps are jobs of their own.
 *
 * All functions are called inside an AjScope (scope.h).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_QUEUE_DAG_H
#define AJ_QUEUE_DAG_H

#include "postgres.h"

#include "types.h"

/* How a step stands. */
typedef enum AjOutcome
{
	AJ_OUTCOME_NONE,			/* no outcome yet */
	AJ_OUTCOME_DONE,
	AJ_OUTCOME_SKIPPED,			/* its "when" was false */
	AJ_OUTCOME_FAILED			/* it is optional */
} AjOutcome;

/* The jobs that run one step of another job: one, or one for each item. */
typedef struct AjBranch
{
	int			total;
	int			unfinished;
	int			running;		/* of the unfinished */
	int			completed;
	int			failed;
	int			cancelled;		/* by a handler */
	bool		items;
} AjBranch;

/* How far a job is that waits for its branches. */
typedef struct AjBranchProgress
{
	bool		waits;			/* does it? */
	int			seq;
	int			step_no;		/* steps that are done */
	int			step_count;
	double		done;			/* of the steps under way, in steps */
	char	   *session_id;		/* or NULL */
} AjBranchProgress;

/* queue_dag.c */
extern bool aj_queue_lock_parent(int64 job_id, AjJob *job, AjState *state,
								 bool *for_branches);
extern void aj_queue_lock_parent_of(int64 job_id);
extern int	aj_queue_offered(Oid owner, int64 **ids);
extern bool aj_queue_lock_offered(int64 job_id);
extern void aj_queue_outcomes(int64 job_id, int nsteps, AjOutcome *outcomes);
extern void aj_queue_add_outcome(AjJob *job, int step_no, AjOutcome outcome,
								 int attempt, TimestampTz started,
								 Jsonb *output, Jsonb *error);
extern void aj_queue_await_branches(AjJob *job, int step_no,
									const char *message);
extern void aj_queue_continue(AjJob *job, int step_no, bool held,
							  bool external);
extern void aj_queue_end(AjJob *job, AjState state, int step_no,
						 Jsonb *result, Jsonb *error);
extern Jsonb *aj_queue_missing(int64 job_id, int32 pipeline_id);
extern Jsonb *aj_queue_parent_params(AjJob *job);
extern int	aj_queue_stuck_parents(int64 *ids, int max, int64 after,
								   Oid owner);

/* queue_branch.c */
extern void aj_queue_branches(int64 job_id, int nsteps, AjBranch *branches);
extern bool aj_queue_branch_progress(int64 job_id, AjBranchProgress *progress);
extern int	aj_queue_fresh_parts(int64 job_id, int after_step, int64 **ids);
extern bool aj_queue_unfinished_items(int64 job_id, int step_no);
extern void aj_queue_collect_branch(AjJob *job, int step_no, bool items);
extern void aj_queue_drop_branches(AjJob *job, int step_no,
								   const char *which);
extern Jsonb *aj_queue_branch_error(int64 job_id, const char *state,
									int *step_no);
extern void aj_queue_add_branch(const AjJob *job, int step_no,
								Jsonb *items, bool external);
extern void aj_queue_cancel_descendants(int64 job_id);
extern void aj_queue_drop_ended(int64 job_id);

#endif							/* AJ_QUEUE_DAG_H */
