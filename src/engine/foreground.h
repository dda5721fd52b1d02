/*-------------------------------------------------------------------------
 *
 * foreground.h
 *		Running jobs in the transaction of a caller.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_FOREGROUND_H
#define AJ_FOREGROUND_H

#include "postgres.h"

#include "queue_submit.h"
#include "types.h"

extern AjState aj_run_here(AjJob *job, bool catch);
extern void aj_run_submitted(const AjSubmission *s, const int64 *ids, int n);

#endif							/* AJ_FOREGROUND_H */
