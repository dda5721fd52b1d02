/*-------------------------------------------------------------------------
 *
 * api_pause.c
 *		Queues, pipelines and databases that rest, and go on.
 *
 * pause_queue() and pause_pipeline() let nothing further start, quiesce() does
 * so for the whole database; what runs may finish.  pause.c says how.
 *
 * quiesce_wait() also waits until nothing runs.  It commits the pause first, and
 * then has to outlast those who may not have seen it: claims and batches that
 * had begun to look for jobs.  All of these hold the share lock on the
 * extension from before they look until their commit, so whoever holds it just
 * after our commit is waited for, without getting into the line for that lock.
 * After them every job that was started is marked running, and no further
 * one will be, so looking for running jobs is enough.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "api.h"
#include "extension.h"
#include "external.h"
#include "queue_pause.h"
#include "queue_submit.h"
#include "scope.h"
#include "wake.h"

#define LOOK_MS		50			/* between two looks of quiesce_wait() */

PG_FUNCTION_INFO_V1(aj_pause_queue);
PG_FUNCTION_INFO_V1(aj_resume_queue);
PG_FUNCTION_INFO_V1(aj_pause_pipeline);
PG_FUNCTION_INFO_V1(aj_resume_pipeline);
PG_FUNCTION_INFO_V1(aj_quiesce);
PG_FUNCTION_INFO_V1(aj_quiesce_wait);
PG_FUNCTION_INFO_V1(aj_resume);

/* The caller is in a scope. */
static int32
pause_queue(const char *name, bool paused)
{
	if (!aj_queue_set_paused(name, paused))
		aj_unknown_queue(name);
	return aj_queue_find_queue(name);
}

static Datum
set_queue_paused(FunctionCallInfo fcinfo, bool paused)
{
	char	   *name = aj_text_arg(fcinfo, 0);
	AjScope		scope;
	int32		queue_id;

	if (name == NULL)
		aj_null_argument("name");
	aj_require_admin(paused ? "pause queues" : "resume queues");
	PreventCommandIfReadOnly("pause_queue() or resume_queue()");
	aj_scope_enter(&scope, false);
	queue_id = pause_queue(name, paused);
	if (!paused)
		aj_external_at_commit(queue_id);
	aj_scope_leave(&scope);
	aj_at_commit_look();
	PG_RETURN_VOID();
}

/* pause_queue(name text) */
Datum
aj_pause_queue(PG_FUNCTION_ARGS)
{
	return set_queue_paused(fcinfo, true);
}

/* resume_queue(name text) */
Datum
aj_resume_queue(PG_FUNCTION_ARGS)
{
	return set_queue_paused(fcinfo, false);
}

/* By its owner, or an administrator. */
static Datum
set_pipeline_paused(FunctionCallInfo fcinfo, bool paused)
{
	char	   *name = aj_text_arg(fcinfo, 0);
	AjCaller	caller;
	AjScope		scope;
	Oid			owner;

	if (name == NULL)
		aj_null_argument("name");
	PreventCommandIfReadOnly("pause_pipeline() or resume_pipeline()");
	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	owner = aj_queue_pipeline_owner(name);
	if (!OidIsValid(owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("pipeline \"%s\" does not exist", name)));
	if (owner != caller.role && !caller.admin)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of pipeline \"%s\" or an administrator",
						name)));
	(void) aj_queue_pause_pipeline(name, paused);
	aj_scope_leave(&scope);
	aj_at_commit_look();
	PG_RETURN_VOID();
}

/* pause_pipeline(name text) */
Datum
aj_pause_pipeline(PG_FUNCTION_ARGS)
{
	return set_pipeline_paused(fcinfo, true);
}

/* resume_pipeline(name text) */
Datum
aj_resume_pipeline(PG_FUNCTION_ARGS)
{
	return set_pipeline_paused(fcinfo, false);
}

/* Let nothing further start.  Returns the queue, 0 for the whole database. */
static int32
quiesce(const char *queue)
{
	AjScope		scope;
	int32		queue_id = 0;

	aj_require_admin("quiesce queues");
	aj_scope_enter(&scope, false);
	if (queue != NULL)
		queue_id = pause_queue(queue, true);
	else
		aj_queue_quiesce(true);
	aj_scope_leave(&scope);
	return queue_id;
}

static int64
count_running(int32 queue_id)
{
	AjScope		scope;
	int64		running;

	aj_scope_enter(&scope, false);
	running = aj_queue_running(queue_id);
	aj_scope_leave(&scope);
	return running;
}

/* quiesce(queue text): how many jobs run at this moment */
Datum
aj_quiesce(PG_FUNCTION_ARGS)
{
	PreventCommandIfReadOnly("quiesce()");
	PG_RETURN_INT64(count_running(quiesce(aj_text_arg(fcinfo, 0))));
}

/* Have all these transactions ended? */
static bool
all_gone(VirtualTransactionId *vxids, int *n)
{
	while (*n > 0 && VirtualXactLock(vxids[*n - 1], false))
		(*n)--;
	return *n == 0;
}

/* quiesce_wait(queue text, timeout interval, INOUT running bigint) */
Datum
aj_quiesce_wait(PG_FUNCTION_ARGS)
{
	CallContext *call = (CallContext *) fcinfo->context;
	char	   *queue = aj_text_arg(fcinfo, 0);
	TimestampTz until = aj_deadline_arg(fcinfo, 1);
	MemoryContext context = CurrentMemoryContext;
	VirtualTransactionId *vxids;
	TupleDesc	desc;
	Datum		values[1];
	bool		nulls[1] = {false};
	int32		queue_id;
	int64		running;
	int			n;

	if (call == NULL || !IsA(call, CallContext) || call->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("asyncjob.quiesce_wait() cannot be called inside a transaction block"),
				 errhint("CALL it by itself, or use asyncjob.quiesce() and look at asyncjob.queue_stats.")));
	PreventCommandIfReadOnly("quiesce_wait()");

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	PushActiveSnapshot(GetTransactionSnapshot());
	queue_id = quiesce(queue);
	PopActiveSnapshot();
	SPI_commit();

	vxids = aj_extension_lockers(&n);
	for (;;)
	{
		TimestampTz now;
		bool		settled = all_gone(vxids, &n);
		long		wait_ms = LOOK_MS;

		PushActiveSnapshot(GetTransactionSnapshot());
		running = count_running(queue_id);
		PopActiveSnapshot();
		SPI_commit();
		now = GetCurrentTimestamp();
		if ((settled && running == 0) || (until != 0 && now >= until))
			break;
		if (until != 0)
			wait_ms = Min(wait_ms, TimestampDifferenceMilliseconds(now, until) + 1);
		InvalidateCatalogSnapshotConditionally();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 wait_ms, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}

	/* jobs that were claimed, but whose claims aren't committed */
	running += n;
	SPI_finish();

	MemoryContextSwitchTo(context);
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "asyncjob.quiesce_wait() does not fit this library");
	BlessTupleDesc(desc);
	values[0] = Int64GetDatum(running);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}

/*
 * resume(): run jobs again after quiesce(), and those of a restored dump or a
 * copied database here
 */
Datum
aj_resume(PG_FUNCTION_ARGS)
{
	AjScope		scope;

	aj_require_admin("resume a database");
	PreventCommandIfReadOnly("resume()");
	aj_scope_enter(&scope, false);
	/* names may only be trusted over OIDs where the OIDs are another server's */
	if (!aj_origin_is_ours())
		aj_origin_adopt();
	aj_queue_quiesce(false);
	aj_scope_leave(&scope);
	aj_at_commit_announce();
	aj_at_end_reset_lanes(true);
	PG_RETURN_VOID();
}
