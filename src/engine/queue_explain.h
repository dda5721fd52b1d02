/*-------------------------------------------------------------------------
 *
 * queue_explain.h
 *		Statements that find out why a job is as it is.
 *
 * All functions are called inside an AjScope (scope.h).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_QUEUE_EXPLAIN_H
#define AJ_QUEUE_EXPLAIN_H

#include "postgres.h"

#include "api.h"

/* What explain() tells besides what it needs to decide (AjJobHead). */
typedef struct AjFacts
{
	char	   *step;			/* name of the current one, or that failed */
	int			failures;		/* attempts that it has spent */
	bool		partial;
	char	   *error;			/* of the last attempt, or NULL */
	char	   *last;			/* how it ended: error, warning (free of
								 * charge), info (a snooze), or NULL */
	char	   *holder;			/* role of the external worker, or NULL */
	char	   *children;		/* unfinished ones, or NULL */
	char	   *reason;			/* of a cancel, or NULL */
	TimestampTz finished_at;
} AjFacts;

extern void aj_queue_facts(int64 job_id, AjFacts *facts);
extern char *aj_queue_why_held(const AjCaller *caller, int64 job_id);
extern int64 aj_queue_idle_branch(int64 job_id);

#endif							/* AJ_QUEUE_EXPLAIN_H */
