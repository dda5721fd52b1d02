/*-------------------------------------------------------------------------
 *
 * steer.h
 *		Cancelling a job and queueing one again, for all who do it.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_STEER_H
#define AJ_STEER_H

#include "postgres.h"

#include "api.h"
#include "queue_read.h"

/* What became of it. */
typedef enum AjSteered
{
	AJ_STEERED,
	AJ_STEER_UNKNOWN,			/* the caller sees no such job */
	AJ_STEER_BRANCH,			/* it is a step of another job */
	AJ_STEER_STATE,				/* it is in a state that forbids it */
	AJ_STEER_RIVAL				/* an unfinished job has its unique_key */
} AjSteered;

extern AjSteered aj_steer_cancel(const AjCaller *caller, int64 job_id,
								 const char *reason, AjJobHead *head);
extern AjSteered aj_steer_retry(const AjCaller *caller, int64 job_id,
								int64 *rival, AjJobHead *head);

#endif							/* AJ_STEER_H */
