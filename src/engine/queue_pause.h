/*-------------------------------------------------------------------------
 *
 * queue_pause.h
 *		Statements about queues, pipelines and databases that rest.
 *
 * All functions are called inside an AjScope (scope.h).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_QUEUE_PAUSE_H
#define AJ_QUEUE_PAUSE_H

#include "postgres.h"

#include "lanes.h"

/*
 * A queue, q, whose jobs may start: neither is it paused, nor is the database
 * quiesced, which is written on all queues so that a claim sees both in one row.
 */
#define AJ_QUEUE_OPEN(q)	"(NOT " q ".paused AND " q ".quiesced_at IS NULL)"

/* Job j is of no pipeline that is paused. */
#define AJ_PIPELINE_OPEN(j) \
	j ".pipeline_id <> ALL (ARRAY(SELECT z.id FROM asyncjob.pipeline z" \
	"  WHERE z.paused_at IS NOT NULL))"

/*
 * Jobs of paused pipelines that are set aside wait in groups of job_held_idx
 * from here on, by the id of their pipeline; those of limits are below.
 */
#define AJ_PAUSE_GROUPS		"4611686018427387904"

/* as many are set aside, or queued again, at a time */
#define AJ_ASIDE_MAX		1000

extern bool aj_queue_set_paused(const char *name, bool paused);
extern bool aj_queue_pause_pipeline(const char *name, bool paused);
extern bool aj_queue_any_paused(void);
extern int	aj_queue_set_aside(const AjLaneKey *lane, TimestampTz now,
							   AjPlace from, bool external);
extern int	aj_queue_call_back(Oid owner);
extern void aj_queue_quiesce(bool quiesce);
extern int64 aj_queue_running(int32 queue_id);

#endif							/* AJ_QUEUE_PAUSE_H */
