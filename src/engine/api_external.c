/*-------------------------------------------------------------------------
 *
 * api_external.c
 *		heartbeat(), complete() and fail().
 *
 * What external workers call for a step that they have claimed (api_claim.c).
 * Each is one short transaction of the caller's (or part of a longer one: a
 * worker that completes a step in the transaction of its own database effects
 * does both or neither).  The token names one claim: whoever comes back late,
 * after the lease ended and the step was given to another, or the job was
 * cancelled, is told so and changes nothing.  An expired lease that nobody has
 * ended yet still counts.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "api.h"
#include "api_external.h"
#include "dag.h"
#include "executor.h"
#include "external.h"
#include "limits.h"
#include "queue.h"
#include "queue_external.h"
#include "queue_submit.h"
#include "redact.h"
#include "seal.h"
#include "wake.h"

#define DEFAULT_LEASE_MS	(5 * 60 * 1000)
#define MAX_LEASE_MS	(366 * (int64) SECS_PER_DAY * 1000)

PG_FUNCTION_INFO_V1(aj_heartbeat);
PG_FUNCTION_INFO_V1(aj_complete);
PG_FUNCTION_INFO_V1(aj_fail);
PG_FUNCTION_INFO_V1(aj_grant_worker);
PG_FUNCTION_INFO_V1(aj_revoke_worker);

int64
aj_interval_ms(const Interval *span)
{
	return span->time / 1000 +
		((int64) span->day + (int64) span->month * DAYS_PER_MONTH) *
		SECS_PER_DAY * 1000;
}

/* The length of a lease, in milliseconds. */
int64
aj_lease_arg(FunctionCallInfo fcinfo, int n)
{
	Interval   *span;
	int64		ms;

	if (PG_ARGISNULL(n))
		return DEFAULT_LEASE_MS;
	span = PG_GETARG_INTERVAL_P(n);
	ms = aj_interval_ms(span);
	if (ms <= 0 || span->month > 12 || span->day > 366 || ms > MAX_LEASE_MS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("lease is out of range: %s",
						DatumGetCString(DirectFunctionCall1(interval_out,
															IntervalPGetDatum(span)))),
				 errhint("Give a length of time from 1 ms to 366 days.")));
	return ms;
}

static int64
token_arg(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(1))
		aj_null_argument("token");
	return PG_GETARG_INT64(1);
}

/* The pipeline of a job that is held, and what its steps so far gave. */
void
aj_held_run(AjRun *run, AjHeld *held, MemoryContext context)
{
	run->job = &held->job;
	run->context = context;
	run->pipeline = aj_pipeline_get(held->job.pipeline_id);
	if (run->pipeline != NULL && run->pipeline->dag)
		aj_dag_load(run);
	else if (run->pipeline != NULL && run->pipeline->nsteps > 1)
		run->checkpoints = aj_queue_checkpoints(&held->job);
}

/* ---------- holding and finishing ---------- */

/* The token doesn't fit: say what became of the job. */
pg_noreturn static void not_held(int64 job_id, int64 token, const AjHolder *holder) AJ_NORETURN;

static void
not_held(int64 job_id, int64 token, const AjHolder *holder)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("job " INT64_FORMAT " is not held under token " INT64_FORMAT,
					job_id, token),
			 holder->state == AJ_RUNNING && holder->worker_id < 0 ?
			 errdetail("It is held under another token; the lease of this one has expired.") :
			 errdetail("It is %s.", aj_state_names[holder->state]),
			 errhint("Stop working on it; what was done outside the database may be done again by others.")));
}

/* Lock a job that the caller holds under this token. */
static void
lock_held(const AjCaller *caller, int64 job_id, int64 token, AjHeld *held)
{
	AjHolder	holder;

	if (!aj_queue_lock_leased(caller, job_id, token, held, &holder))
		not_held(job_id, token, &holder);
}

/*
 * heartbeat(job_id bigint, token bigint, lease interval, progress float8,
 *			 message text)
 */
Datum
aj_heartbeat(PG_FUNCTION_ARGS)
{
	int64		job_id = aj_job_arg(fcinfo);
	int64		token = token_arg(fcinfo);
	TimestampTz expires_at =
	TimestampTzPlusMilliseconds(GetCurrentTimestamp(), aj_lease_arg(fcinfo, 2));
	double		progress = PG_ARGISNULL(3) ? 0 : PG_GETARG_FLOAT8(3);
	char	   *message = aj_text_arg(fcinfo, 4);
	AjCaller	caller;
	AjScope		scope;
	AjHeld		held = {0};

	if (!(progress >= 0 && progress <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("progress is out of range: %g", progress),
				 errhint("Give a fraction from 0 to 1.")));
	if (message != NULL)
		message[pg_mbcliplen(message, strlen(message), AJ_MESSAGE_LEN - 1)] = '\0';
	PreventCommandIfReadOnly("heartbeat()");
	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	lock_held(&caller, job_id, token, &held);
	aj_redact_prepare();
	message = aj_redact(message);
	if (held.job.sealed)
		message = NULL;			/* nobody could be shown it but by decrypting */
	aj_queue_extend_lease(job_id, token, expires_at, progress,
						  PG_ARGISNULL(3), message);
	aj_scope_leave(&scope);
	PG_RETURN_TIMESTAMPTZ(expires_at);
}

/* Lock a held job and make ready to end its step. */
static void
begin_end(FunctionCallInfo fcinfo, AjHeld *held, AjRun *run)
{
	MemoryContext context = CurrentMemoryContext;
	int64		job_id = aj_job_arg(fcinfo);
	AjCaller	caller;
	AjScope		scope;

	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	MemoryContextSwitchTo(context);

	/*
	 * Of two steps of a job that end at once, each in a transaction of its
	 * own, the one that comes later has to see the other's end.
	 */
	aj_queue_lock_parent_of(job_id);
	lock_held(&caller, job_id, token_arg(fcinfo), held);
	aj_held_run(run, held, context);
	if (run->pipeline == NULL || held->job.step_no >= run->pipeline->nsteps)
		elog(ERROR, "the pipeline of job " INT64_FORMAT " is missing", job_id);
	aj_redact_prepare();
	if (held->job.locked != NULL)
		aj_not_opened(held->job.locked);
	run->started = aj_queue_drop_lease(job_id);
	if (aj_limits_of(held->job.queue_id) != NULL)
		aj_at_commit_look();	/* a place will be free */
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);
}

/* What follows; the state that the job is in then. */
static AjState
go_on(AjHeld *held, AjRun *run, AjState state)
{
	AjScope		scope;

	aj_scope_enter(&scope, false);
	state = aj_external_go_on(held, run, state);
	aj_scope_leave(&scope);
	if (state == AJ_RUNNING)
		elog(ERROR, "job " INT64_FORMAT " was taken away", held->job.id);
	return state;
}

/* complete(job_id bigint, token bigint, output jsonb) */
Datum
aj_complete(PG_FUNCTION_ARGS)
{
	AjHeld		held = {0};
	AjRun		run = {0};
	AjJob	   *job = &held.job;
	AjState		state;
	Jsonb	   *output;

	PreventCommandIfReadOnly("complete()");
	begin_end(fcinfo, &held, &run);
	output = PG_ARGISNULL(2) ?
		DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("null"))) :
		PG_GETARG_JSONB_P(2);
	if (!aj_finish_step(&run, -held.token, output))
		elog(ERROR, "job " INT64_FORMAT " was taken away", job->id);
	state = go_on(&held, &run, run.state);
	aj_at_commit_changed(job->id, job->seq, state, job->step_no,
						 run.pipeline->nsteps, job->session_id);
	PG_RETURN_TEXT_P(cstring_to_text(aj_state_names[state]));
}

static int
sqlstate_arg(FunctionCallInfo fcinfo, int n)
{
	char	   *text = PG_ARGISNULL(n) ? "AJ104" : aj_text_arg(fcinfo, n);

	if (strlen(text) != 5 ||
		strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 5 ||
		strncmp(text, "00", 2) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not the SQLSTATE of an error", text),
				 errhint("Give five digits or upper-case letters, for example AJ104 (something outside failed) or AJ001 (do not retry).")));
	return MAKE_SQLSTATE(text[0], text[1], text[2], text[3], text[4]);
}

/*
 * fail(job_id bigint, token bigint, message text, sqlstate text, detail text,
 *		hint text, code text)
 */
Datum
aj_fail(PG_FUNCTION_ARGS)
{
	AjHeld		held = {0};
	AjRun		run = {0};
	AjJob	   *job = &held.job;
	AjError		error = {0};
	AjScope		scope;
	AjState		state;
	bool		found;

	if (PG_ARGISNULL(2))
		aj_null_argument("message");
	error.message = aj_text_arg(fcinfo, 2);
	error.sqlerrcode = sqlstate_arg(fcinfo, 3);
	error.detail = aj_text_arg(fcinfo, 4);
	error.hint = aj_text_arg(fcinfo, 5);
	error.code = aj_text_arg(fcinfo, 6);
	PreventCommandIfReadOnly("fail()");
	begin_end(fcinfo, &held, &run);
	error.message = aj_redact(error.message);
	error.detail = aj_redact(error.detail);
	error.hint = aj_redact(error.hint);
	state = aj_fail_step(&run, -held.token, &error, false, &found);
	if (!found)
		elog(ERROR, "job " INT64_FORMAT " was taken away", job->id);
	if (state == AJ_QUEUED)
	{
		aj_scope_enter(&scope, false);
		aj_external_at_commit(job->queue_id);
		aj_scope_leave(&scope);
	}
	else
		state = go_on(&held, &run, state);
	aj_at_commit_changed(job->id, job->seq, state, job->step_no,
						 run.pipeline->nsteps, job->session_id);
	PG_RETURN_TEXT_P(cstring_to_text(aj_state_names[state]));
}

/* ---------- rights ---------- */

static Datum
grant_or_revoke(FunctionCallInfo fcinfo, bool grant)
{
	char	   *queue = aj_text_arg(fcinfo, 0);
	AjScope		scope;
	char	   *rolname;
	Oid			role;
	int32		queue_id;

	aj_require_admin("give queues to workers");
	if (queue == NULL)
		aj_null_argument("queue");
	if (PG_ARGISNULL(1))
		aj_null_argument("role");
	role = PG_GETARG_OID(1);
	rolname = GetUserNameFromId(role, false);
	PreventCommandIfReadOnly("grant_worker() or revoke_worker()");
	aj_scope_enter(&scope, false);
	queue_id = aj_queue_find_queue(queue);
	if (queue_id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("queue \"%s\" does not exist", queue)));
	aj_queue_grant_worker(queue_id, role, grant);
	if (grant)
		aj_queue_note_owner(role, rolname);
	aj_scope_leave(&scope);
	PG_RETURN_VOID();
}

/* grant_worker(queue text, role regrole) */
Datum
aj_grant_worker(PG_FUNCTION_ARGS)
{
	return grant_or_revoke(fcinfo, true);
}

/* revoke_worker(queue text, role regrole) */
Datum
aj_revoke_worker(PG_FUNCTION_ARGS)
{
	return grant_or_revoke(fcinfo, false);
}
