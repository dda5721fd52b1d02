/*-------------------------------------------------------------------------
 *
 * executor.h
 *		Running the steps of a job.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_EXECUTOR_H
#define AJ_EXECUTOR_H

#include "postgres.h"

#include "fmgr.h"
#include "nodes/pg_list.h"
#include "utils/snapshot.h"

#include "pipeline.h"
#include "types.h"

/* A job in the hands of this process. */
typedef struct AjRun
{
	AjJob	   *job;
	const AjPipeline *pipeline;
	Jsonb	   *checkpoints;	/* outputs by step number, or NULL */
	MemoryContext context;		/* lives as long as the step */
	List	   *logs;			/* of AjLogLine */
	int			dropped_logs;
	List	   *artifacts;		/* of AjArtifact */
	bool		prepared;		/* flinfo is that of the current step */
	bool		compiled;		/* and its handler is written in C */
	FmgrInfo	flinfo;
	char		cache_key[65];	/* of a step with a cache_ttl */
	int64		cached_job;		/* whose output was reused, or 0 */
	int			cached_step;
	TimestampTz started;		/* of the step */
	Snapshot	snapshot;		/* pushed by us for the handler, or NULL */
	struct AjRun *outer;		/* run() inside a handler */
} AjRun;

extern void aj_executor_install(void);
extern const AjRun *aj_current_run(void);
extern void aj_prepare_step(AjRun *run, MemoryContext context);
extern Jsonb *aj_call_step(AjRun *run);
extern void aj_fire_deferred_triggers(void);
extern bool aj_finish_step(AjRun *run, int64 worker_id, Jsonb *output);
extern AjState aj_fail_step(AjRun *run, int64 worker_id, AjError *error,
							bool cancelled, bool *found);
extern void aj_forget_step(AjRun *run);
extern void aj_tell_chat(AjRun *run, const char *content, AjState state);
extern Jsonb *aj_run_input(const AjRun *run);
extern void aj_forget_current_run(void);

#endif							/* AJ_EXECUTOR_H */
