/*-------------------------------------------------------------------------
 *
 * queue_steer.h
 *		Statements that cancel, retry and reprioritize a job.
 *
 * All functions are called inside an AjScope (scope.h).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_QUEUE_STEER_H
#define AJ_QUEUE_STEER_H

#include "postgres.h"

#include "queue_read.h"

extern void aj_queue_cancel_now(const AjJobHead *head, const char *reason);
extern void aj_queue_ask_cancel(const AjJobHead *head, const char *reason);
extern int64 aj_queue_find_rival(const AjJobHead *head);
extern int	aj_queue_retry(const AjJobHead *head);
extern bool aj_queue_reprioritize(int64 job_id, int priority);

#endif							/* AJ_QUEUE_STEER_H */
