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

#include "compat.h"

#include "fmgr.h"
#include "nodes/pg_list.h"
#include "utils/snapshot.h"

#include "pipeline.h"
#include "types.h"

/* What a handler left its run for, to come back to later. */
typedef enum AjSuspendKind
{
	AJ_SUSPEND_NOT,
	AJ_SUSPEND_SLEEP,
	AJ_SUSPEND_EVENT,
	AJ_SUSPEND_CHILDREN,
	AJ_SUSPEND_KEY				/* what it needs can't be decrypted now */
} AjSuspendKind;

typedef struct AjSuspend
{
	AjSuspendKind kind;
	char	   *name;			/* of the sleep or wait */
	char	   *message;		/* for the job's history */
	TimestampTz wake_at;		/* 0: no limit */
	Oid			event_owner;
	char	   *event;
	char	   *key;			/* or NULL */
} AjSuspend;

/* A job that the handler has spawned in a transaction that isn't over. */
typedef struct AjSpawn
{
	int64		id;
	char	   *pipeline;
	char	   *queue;
	char	   *name;
	Jsonb	   *params;
	SubTransactionId subid;
} AjSpawn;

/* A job in the hands of this process. */
typedef struct AjRun
{
	AjJob	   *job;
	const AjPipeline *pipeline;
	Jsonb	   *checkpoints;	/* outputs by step number, or NULL */
	Jsonb	   *params;			/* of the job it belongs to (dag.c) */
	Jsonb	   *item;			/* and its number, where one run has them all */
	int			item_no;
	Jsonb	   *items_error;	/* of items that failed, or NULL */
	bool		no_item;		/* all of them did */
	AjState		state;			/* of the job, after its step was finished */
	MemoryContext context;		/* lives as long as the step */
	List	   *logs;			/* of AjLogLine */
	int			dropped_logs;
	List	   *artifacts;		/* of AjArtifact */
	bool		prepared;		/* flinfo is that of the current step */
	bool		compiled;		/* and its handler is written in C */
	Oid			procedure;		/* the handler, if it is a procedure */
	bool		in_place;		/* in run(): nothing waits or is retried */
	bool		may_commit;		/* the transaction is the step's own */
	AjSuspend	suspend;
	List	   *spawned;		/* of AjSpawn, not committed yet */
	List	   *spawn_names;	/* in this run */
	FmgrInfo	flinfo;
	char		cache_key[65];	/* of a step with a cache_ttl */
	int64		cached_job;		/* whose output was reused, or 0 */
	int			cached_step;
	TimestampTz started;		/* of the step */
	Snapshot	snapshot;		/* pushed by us for the handler, or NULL */
	struct AjRun *outer;		/* run() inside a handler */
} AjRun;

extern void aj_step_log(const char *level, const char *message,
						const char *data);
extern void aj_step_api_install(void);	/* step_api.c */
extern AjRun *aj_current_run(void);
extern void aj_prepare_step(AjRun *run, MemoryContext context);
extern Jsonb *aj_call_step(AjRun *run);
extern void aj_fire_deferred_triggers(void);
extern bool aj_finish_step(AjRun *run, int64 worker_id, Jsonb *output);
extern AjState aj_fail_step(AjRun *run, int64 worker_id, AjError *error,
							bool cancelled, bool *found);
extern void aj_forget_step(AjRun *run);
pg_noreturn extern void aj_suspend(AjRun *run, const AjSuspend *why) AJ_NORETURN;
extern bool aj_run_suspends(const AjRun *run, int sqlerrcode,
							const char *message);
extern void aj_tell_chat(AjRun *run, const char *content, AjState state);
extern Jsonb *aj_run_input(const AjRun *run);
extern void aj_forget_current_run(void);

#endif							/* AJ_EXECUTOR_H */
