/*-------------------------------------------------------------------------
 *
 * step_api.c
 *		What a running handler can call of the engine.
 *
 * The functions of AjStepApi (asyncjob.h), and through them their SQL twins,
 * work on the innermost run of this process.  What is logged and made is kept
 * in the run until the step ends (executor.c); progress is in the worker's
 * slot at once.
 *
 * What a procedure spawned becomes a fact when it commits, so transaction
 * callbacks keep the list of it in step.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "asyncjob.h"
#include "executor.h"
#include "guc.h"
#include "queue.h"
#include "redact.h"
#include "scope.h"
#include "shmem.h"

#define MAX_LOG_LINES	10000

static int64
api_job_id(void)
{
	const AjRun *run = aj_current_run();

	return run ? aj_job_root(run->job) : 0;
}

static int
api_attempt(void)
{
	const AjRun *run = aj_current_run();

	return run ? run->job->failures + 1 : 0;
}

/*
 * Only the worker's own job is shown, so a run() inside a handler doesn't
 * move the job's bar about.
 */
static void
api_progress(double fraction, const char *message)
{
	const AjRun *run = aj_current_run();
	int			len = 0;

	if (aj_my_slot == NULL || run == NULL || run->outer)
		return;
	if (!(fraction >= 0))
		fraction = 0;
	else if (fraction > 1)
		fraction = 1;

	message = aj_redact(message);
	if (message)
		len = pg_mbcliplen(message, strlen(message), AJ_MESSAGE_LEN - 1);

	SpinLockAcquire(&aj_my_slot->mutex);
	aj_my_slot->fraction = fraction;
	if (message)
	{
		memcpy(aj_my_slot->message, message, len);
		aj_my_slot->message[len] = '\0';
	}
	aj_my_slot->changes++;
	SpinLockRelease(&aj_my_slot->mutex);
}

void
aj_step_log(const char *level, const char *message, const char *data)
{
	AjRun	   *run = aj_current_run();
	MemoryContext old;
	AjLogLine  *line;

	if (strcmp(level, "debug") != 0 && strcmp(level, "info") != 0 &&
		strcmp(level, "warning") != 0 && strcmp(level, "error") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown log level \"%s\"", level),
				 errhint("The levels are debug, info, warning and error.")));
	if (run == NULL)
		return;
	if (list_length(run->logs) >= MAX_LOG_LINES)
	{
		run->dropped_logs++;
		return;
	}
	old = MemoryContextSwitchTo(run->context);
	line = palloc(sizeof(AjLogLine));
	line->at = GetCurrentTimestamp();
	line->level = pstrdup(level);
	line->message = aj_redact(pstrdup(message));
	line->data = data == NULL ? NULL :
		aj_redact_jsonb(DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
														   CStringGetDatum(data))));
	run->logs = lappend(run->logs, line);
	MemoryContextSwitchTo(old);
}

static void
api_artifact(const char *name, const char *kind, const char *media_type,
			 const void *data, Size len)
{
	AjRun	   *run = aj_current_run();
	MemoryContext old;
	AjArtifact *artifact;

	if (run == NULL)
		return;
	old = MemoryContextSwitchTo(run->context);
	artifact = palloc(sizeof(AjArtifact));
	artifact->name = pstrdup(name);
	artifact->kind = pstrdup(kind);
	artifact->media_type = pstrdup(media_type);
	artifact->data = MemoryContextAllocHuge(run->context, Max(len, 1));
	memcpy(artifact->data, data, len);
	artifact->len = len;
	if (OidIsValid(run->procedure) && run->may_commit)
	{
		AjScope		scope;

		aj_scope_enter(&scope, aj_my_slot != NULL);
		aj_queue_store_artifacts(run->job, list_make1(artifact));
		aj_scope_leave(&scope);
	}
	else
		run->artifacts = lappend(run->artifacts, artifact);
	MemoryContextSwitchTo(old);
}

/*
 * Only a snapshot that we pushed, and that is still the innermost one, may
 * be dropped: a handler called from SQL stands on its caller's.
 */
static void
api_compute_begin(void)
{
	AjRun	   *run = aj_current_run();

	if (run && run->snapshot && ActiveSnapshotSet() &&
		GetActiveSnapshot() == run->snapshot)
	{
		PopActiveSnapshot();
		run->snapshot = NULL;
	}
	InvalidateCatalogSnapshotConditionally();
}

static void
api_compute_end(void)
{
	AjRun	   *run = aj_current_run();

	if (run && run->snapshot == NULL && !ActiveSnapshotSet())
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		run->snapshot = GetActiveSnapshot();
	}
}

static Size
api_max_step_memory(void)
{
	return (Size) aj_guc_max_step_memory * 1024;
}

static const AjStepApi step_api = {
	.version = AJ_STEP_API_VERSION,
	.job_id = api_job_id,
	.attempt = api_attempt,
	.progress = api_progress,
	.log = aj_step_log,
	.artifact = api_artifact,
	.compute_begin = api_compute_begin,
	.compute_end = api_compute_end,
	.max_step_memory = api_max_step_memory,
};

/*
 * What a procedure spawned is there when it commits, and gone when it rolls
 * back, or a block of it is left by an error.
 */
static void
spawn_xact_callback(XactEvent event, void *arg)
{
	for (AjRun *run = aj_current_run(); run; run = run->outer)
	{
		if (event == XACT_EVENT_COMMIT ||
			(event == XACT_EVENT_ABORT && run->suspend.kind == AJ_SUSPEND_NOT))
			run->spawned = NIL;
	}
}

static void
spawn_subxact_callback(SubXactEvent event, SubTransactionId subid,
					   SubTransactionId parent, void *arg)
{
	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	for (AjRun *run = aj_current_run(); run; run = run->outer)
	{
		ListCell   *cell;

		foreach(cell, run->spawned)
		{
			AjSpawn    *spawn = lfirst(cell);

			if (spawn->subid != subid)
				continue;
			if (event == SUBXACT_EVENT_COMMIT_SUB)
				spawn->subid = parent;
			else if (run->suspend.kind == AJ_SUSPEND_NOT)
				run->spawned = foreach_delete_current(run->spawned, cell);
		}
	}
}

void
aj_step_api_install(void)
{
	RegisterXactCallback(spawn_xact_callback, NULL);
	RegisterSubXactCallback(spawn_subxact_callback, NULL);
	*(const AjStepApi **) find_rendezvous_variable(AJ_STEP_API_VARIABLE) =
		&step_api;
}
