/*-------------------------------------------------------------------------
 *
 * api_schedule.c
 *		schedule(), alter_schedule(), unschedule() and what belongs to them.
 *
 * A schedule belongs to the role that makes it, and its jobs are that role's.
 * Its names are the role's own.  What submit() would refuse is refused when
 * the schedule is made, and checked again at each run.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "api.h"
#include "clock.h"
#include "cronlink.h"
#include "executor.h"
#include "extension.h"
#include "guc.h"
#include "queue_schedule.h"
#include "queue_submit.h"
#include "schedule.h"
#include "seal.h"
#include "types.h"
#include "wake.h"

PG_FUNCTION_INFO_V1(aj_schedule);
PG_FUNCTION_INFO_V1(aj_alter_schedule);
PG_FUNCTION_INFO_V1(aj_unschedule);
PG_FUNCTION_INFO_V1(aj_pause_schedule);
PG_FUNCTION_INFO_V1(aj_resume_schedule);
PG_FUNCTION_INFO_V1(aj_next_runs);
PG_FUNCTION_INFO_V1(aj_scheduled_for);
PG_FUNCTION_INFO_V1(aj_tick);
PG_FUNCTION_INFO_V1(aj_cron_state);

#define MAX_CATCH_UP	10000
#define MAX_NEXT_RUNS	10000
#define TICK_LATE_MS	180000	/* it should come each minute */
#define SURE_FOR_MS		60000	/* that pg_cron is as it was */

/* ---------- arguments ---------- */

pg_noreturn static void unknown_schedule(const char *name) AJ_NORETURN;

static void
unknown_schedule(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("schedule \"%s\" does not exist", name),
			 errhint("asyncjob.schedules lists them.")));
}

static void
parse_cron(const char *text, AjCron *cron)
{
	AjCronError error;

	if (!aj_cron_parse(text, cron, &error))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("bad cron expression \"%.*s\": %s", AJ_CRON_MAX_LEN,
						text, error.message),
				 errhint("%s", error.hint)));
}

/*
 * PostgreSQL takes what is no name of a zone for a rule by POSIX: "UTC+2" is
 * two hours behind UTC, and "Europe/Berlin2" too.  Nobody who writes that
 * means it.  Rules have digits, and few names do.
 */
static bool
is_zone_name(const char *name)
{
	static const char *const with_digits[] = {
		"EST5EDT", "CST6CDT", "MST7MDT", "PST8PDT", "GMT0"
	};

	if (strpbrk(name, "0123456789") == NULL)
		return true;
	for (int i = 0; i < lengthof(with_digits); i++)
	{
		if (pg_strcasecmp(name, with_digits[i]) == 0)
			return true;
	}
	return pg_strncasecmp(name, "Etc/GMT", 7) == 0 &&
		atoi(name + 7) >= -14 && atoi(name + 7) <= 12;
}

static pg_tz *
parse_zone(const char *name)
{
	pg_tz	   *zone = strlen(name) <= TZ_STRLEN_MAX && is_zone_name(name) ?
	aj_zone_find(name) : NULL;

	if (zone == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown time zone \"%s\"", name),
				 errhint("Give a name such as UTC or Europe/Berlin; pg_timezone_names lists them.")));
	return zone;
}

/* The next time after now, for a schedule that is made or changed. */
static TimestampTz
next_time(const char *text, const char *time_zone, TimestampTz after)
{
	AjCron		cron;
	TimestampTz next;
	pg_tz	   *zone = parse_zone(time_zone);

	parse_cron(text, &cron);
	next = aj_cron_next_at(&cron, zone, after);
	if (next == DT_NOEND)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("bad cron expression \"%s\": it never comes", text),
				 errhint("No month that it names has such a day.")));
	return next;
}

static AjCatchUp
parse_catch_up(const char *text)
{
	AjCatchUp	result = AJ_CATCH_UP_NONE;

	while (result <= AJ_CATCH_UP_ALL && strcmp(text, aj_catch_up_names[result]) != 0)
		result++;
	if (result > AJ_CATCH_UP_ALL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown catch_up \"%s\"", text),
				 errhint("It is none, one or all.")));
	return result;
}

/* Put what the arguments say over what a schedule is. */
static void
apply_arguments(FunctionCallInfo fcinfo, const AjCaller *caller, AjSchedule *s)
{
	char	   *text;

	if ((text = aj_text_arg(fcinfo, 1)) != NULL)
		s->cron = text;
	if ((text = aj_text_arg(fcinfo, 2)) != NULL)
		s->pipeline = text;
	if (!PG_ARGISNULL(3))
		s->params = PG_GETARG_JSONB_P(3);
	aj_refuse_sealed(s->params, "params");
	if ((text = aj_text_arg(fcinfo, 4)) != NULL)
		s->time_zone = text;
	if ((text = aj_text_arg(fcinfo, 5)) != NULL)
		s->queue = text;
	if (!PG_ARGISNULL(6))
		s->priority = aj_priority_arg(fcinfo, 6);
	if (!PG_ARGISNULL(7))
		s->overlap = PG_GETARG_BOOL(7);
	if ((text = aj_text_arg(fcinfo, 8)) != NULL)
		s->catch_up = parse_catch_up(text);
	if (!PG_ARGISNULL(9))
		s->catch_up_limit = PG_GETARG_INT32(9);
	if (s->catch_up_limit < 1 || s->catch_up_limit > MAX_CATCH_UP)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("catch_up_limit is out of range: %d", s->catch_up_limit),
				 errhint("Give 1 to %d.", MAX_CATCH_UP)));
	if ((text = aj_user_arg(fcinfo, 10, caller)) != NULL)
		s->user_id = text;
	if ((text = aj_limited_text_arg(fcinfo, 11, "concurrency_key", AJ_MAX_KEY_LEN, false)) != NULL)
		s->concurrency_key = text;
}

/* Take away what the last argument names. */
static void
apply_clear(FunctionCallInfo fcinfo, const AjCaller *caller, AjSchedule *s)
{
	Datum	   *names;
	bool	   *nulls;
	int			n;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(12), TEXTOID, -1, false, 'i',
					  &names, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		char	   *name = nulls[i] ? "null" : TextDatumGetCString(names[i]);
		bool		user = strcmp(name, "user_id") == 0;

		if (!user && strcmp(name, "concurrency_key") != 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("clear names \"%s\"", name),
					 errhint("What can be cleared is user_id and concurrency_key.")));
		if (!PG_ARGISNULL(user ? 10 : 11))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s is both given and to be cleared", name),
					 errhint("Give a new value, or clear it.")));
		if (user && caller->filter != AJ_ALL_USERS)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("user_id cannot be cleared in a session of one user"),
					 errdetail("asyncjob.user_id is \"%s\".", caller->user_id)));
		if (user)
			s->user_id = NULL;
		else
			s->concurrency_key = NULL;
	}
}

/*
 * A schedule without pg_cron would wait for ever: refuse it, and say what is
 * missing.
 */
static void
require_cron(void)
{
	static TimestampTz sure_since = 0;
	static Oid	sure_of = InvalidOid;
	AjCronReport report;

	if (!aj_guc_require_pg_cron)
		return;
	if (sure_of == MyDatabaseId &&
		!TimestampDifferenceExceeds(sure_since, GetCurrentTimestamp(), SURE_FOR_MS))
		return;
	aj_cron_visit(AJ_CRON_KEEP, &report);
	if (report.problem[0] != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("schedules need pg_cron: %s", report.problem),
				 errhint("%s", report.hint)));
	sure_of = MyDatabaseId;
	sure_since = GetCurrentTimestamp();
}

/* ---------- define ---------- */

/* Check and store a schedule; returns when it is due next. */
static TimestampTz
store(FunctionCallInfo fcinfo, const AjCaller *caller, AjSchedule *s,
	  bool found, const AjSchedule *before)
{
	TimestampTz now = aj_now();
	AjScope		scope;

	apply_arguments(fcinfo, caller, s);
	if (PG_NARGS() > 12 && !PG_ARGISNULL(12))
		apply_clear(fcinfo, caller, s);
	s->next_at = next_time(s->cron, s->time_zone, now);
	/* what is due by the same rule still is */
	if (found && !s->paused && before->next_at <= now &&
		strcmp(s->cron, before->cron) == 0 &&
		strcmp(s->time_zone, before->time_zone) == 0)
		s->next_at = before->next_at;
	aj_check_submit(s->pipeline, s->queue, s->params);
	if (!found)
		require_cron();
	aj_scope_enter(&scope, false);
	aj_queue_schedule_put(s);
	aj_scope_leave(&scope);
	return s->next_at;
}

/*
 * Find a role's schedule, in the memory context of the call.  For schedule()
 * its name is locked even if there is none.
 */
static bool
find(Oid owner, const char *name, bool lock_name, AjSchedule *s)
{
	MemoryContext context = CurrentMemoryContext;
	AjScope		scope;
	bool		found;

	aj_scope_enter(&scope, false);
	MemoryContextSwitchTo(context);
	if (lock_name)
		aj_queue_schedule_lock_names(owner);
	found = aj_queue_schedule_find(owner, name, s);
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);
	return found;
}

/* By the filter of asyncjob.user_id. */
static bool
may_see(const AjCaller *caller, const AjSchedule *s)
{
	return caller->filter == AJ_ALL_USERS ||
		(caller->filter == AJ_ONE_USER && s->user_id != NULL &&
		 strcmp(s->user_id, caller->user_id) == 0);
}

/*
 * schedule(name text, cron text, pipeline text, params jsonb, time_zone text,
 *			queue text, priority text, overlap boolean, catch_up text,
 *			catch_up_limit integer, user_id text, concurrency_key text)
 */
Datum
aj_schedule(PG_FUNCTION_ARGS)
{
	static const char *const required[] = {
		NULL, "cron", "pipeline", "params", "time_zone", "queue", "priority",
		"overlap", "catch_up", "catch_up_limit"
	};
	char	   *name = aj_name_arg(fcinfo, 0, "schedule", 63);
	AjCaller	caller;
	AjSchedule	s = {0},
				before;
	AjScope		scope;
	bool		found;

	for (int i = 1; i < lengthof(required); i++)
	{
		if (PG_ARGISNULL(i))
			aj_null_argument(required[i]);
	}
	PreventCommandDuringRecovery("schedule()");
	PreventCommandIfReadOnly("schedule()");
	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	(void) aj_queue_note_owner(caller.role, GetUserNameFromId(caller.role, false));
	aj_scope_leave(&scope);
	found = find(caller.role, name, true, &before);
	if (found && !may_see(&caller, &before))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("schedule \"%s\" already exists", name),
				 errdetail("It is not that of asyncjob.user_id."),
				 errhint("Choose another name.")));
	s.owner = caller.role;
	s.name = name;
	if (found)
	{
		s.id = before.id;
		s.paused = before.paused;
	}
	s.catch_up_limit = 1;
	PG_RETURN_TIMESTAMPTZ(store(fcinfo, &caller, &s, found, &before));
}

/* alter_schedule(the same, all but the name null by default, clear text[]) */
Datum
aj_alter_schedule(PG_FUNCTION_ARGS)
{
	char	   *name = aj_name_arg(fcinfo, 0, "schedule", 63);
	AjCaller	caller;
	AjSchedule	s,
				before;

	aj_check_nargs(fcinfo, 13);
	PreventCommandIfReadOnly("alter_schedule()");
	aj_caller(&caller);
	if (!find(caller.role, name, false, &s) || !may_see(&caller, &s))
		unknown_schedule(name);
	before = s;
	PG_RETURN_TIMESTAMPTZ(store(fcinfo, &caller, &s, true, &before));
}

/* A schedule of the caller, or of another role for an administrator. */
static void
find_of(FunctionCallInfo fcinfo, const char *what, AjSchedule *s)
{
	char	   *name = aj_name_arg(fcinfo, 0, "schedule", 63);
	AjCaller	caller;
	Oid			owner;

	aj_caller(&caller);
	owner = PG_ARGISNULL(1) ? caller.role : PG_GETARG_OID(1);
	if (owner != caller.role && !caller.admin)
		aj_require_admin(what);
	if (!find(owner, name, false, s) || !may_see(&caller, s))
		unknown_schedule(name);
}

/* unschedule(name text, owner regrole) */
Datum
aj_unschedule(PG_FUNCTION_ARGS)
{
	AjSchedule	s;
	AjScope		scope;

	PreventCommandIfReadOnly("unschedule()");
	find_of(fcinfo, "drop another role's schedule", &s);
	aj_scope_enter(&scope, false);
	aj_queue_schedule_drop(s.id);
	aj_scope_leave(&scope);
	PG_RETURN_VOID();
}

/* pause_schedule(name text, owner regrole) */
Datum
aj_pause_schedule(PG_FUNCTION_ARGS)
{
	AjSchedule	s;
	AjScope		scope;

	PreventCommandIfReadOnly("pause_schedule()");
	find_of(fcinfo, "pause another role's schedule", &s);
	aj_scope_enter(&scope, false);
	aj_queue_schedule_pause(s.id, true, 0, NULL);
	aj_scope_leave(&scope);
	PG_RETURN_VOID();
}

/* resume_schedule(name text, owner regrole) */
Datum
aj_resume_schedule(PG_FUNCTION_ARGS)
{
	AjSchedule	s;
	AjScope		scope;
	TimestampTz next;

	PreventCommandIfReadOnly("resume_schedule()");
	find_of(fcinfo, "resume another role's schedule", &s);
	next = next_time(s.cron, s.time_zone, aj_now());
	if (!s.paused)
		PG_RETURN_TIMESTAMPTZ(s.next_at);
	aj_scope_enter(&scope, false);
	aj_queue_schedule_pause(s.id, false, next, NULL);
	aj_scope_leave(&scope);
	PG_RETURN_TIMESTAMPTZ(next);
}

/* ---------- ask ---------- */

/* next_runs(cron text, time_zone text, max_rows integer, after timestamptz) */
Datum
aj_next_runs(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *text = aj_text_arg(fcinfo, 0);
	char	   *time_zone = aj_text_arg(fcinfo, 1);
	TimestampTz t = PG_ARGISNULL(3) ? aj_now() : PG_GETARG_TIMESTAMPTZ(3);
	AjCron		cron;
	pg_tz	   *zone;

	if (text == NULL)
		aj_null_argument("cron");
	if (time_zone == NULL)
		aj_null_argument("time_zone");
	if (PG_ARGISNULL(2))
		aj_null_argument("max_rows");
	if (PG_GETARG_INT32(2) < 1 || PG_GETARG_INT32(2) > MAX_NEXT_RUNS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_rows is out of range: %d", PG_GETARG_INT32(2)),
				 errhint("Give 1 to %d.", MAX_NEXT_RUNS)));
	/* what is behind the tables of time zones can be computed, but is no use */
	if (TIMESTAMP_NOT_FINITE(t) ||
		t < time_t_to_timestamptz(0) ||
		t > time_t_to_timestamptz((pg_time_t) 1000 * 366 * SECS_PER_DAY))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("after is out of range: %s", timestamptz_to_str(t)),
				 errhint("Give a time between 1970 and 2970.")));
	(void) next_time(text, time_zone, t);
	parse_cron(text, &cron);
	zone = parse_zone(time_zone);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < PG_GETARG_INT32(2); i++)
	{
		Datum		value;
		bool		isnull = false;

		t = aj_cron_next_at(&cron, zone, t);
		if (t == DT_NOEND)
			break;
		value = TimestampTzGetDatum(t);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, &value, &isnull);
		CHECK_FOR_INTERRUPTS();
	}
	return (Datum) 0;
}

/* scheduled_for(): when the current job was due */
Datum
aj_scheduled_for(PG_FUNCTION_ARGS)
{
	AjRun	   *run = aj_current_run();
	AjScope		scope;
	TimestampTz due;

	if (run == NULL)
		PG_RETURN_NULL();
	aj_scope_enter(&scope, aj_my_slot != NULL);
	due = aj_queue_schedule_due_of(aj_job_root(run->job));
	aj_scope_leave(&scope);
	if (due == 0)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(due);
}

/* ---------- the tick ---------- */

/* tick(): how many jobs were submitted */
Datum
aj_tick(PG_FUNCTION_ARGS)
{
	AjScope		scope;
	bool		ours;
	int			n = 0;

	aj_require_admin("submit what schedules are due for");
	PreventCommandDuringRecovery("tick()");
	PreventCommandIfReadOnly("tick()");
	aj_scope_enter(&scope, false);
	ours = aj_origin_is_ours();
	aj_scope_leave(&scope);
	if (ours)
	{
		n = aj_schedules_due(InvalidOid);
		n += aj_schedules_pending(InvalidOid);
	}
	aj_scope_enter(&scope, false);
	aj_queue_schedule_note_tick();
	aj_scope_leave(&scope);
	PG_RETURN_INT32(n);
}

static Datum
text_or_null(const char *text, bool *isnull)
{
	*isnull = text == NULL || text[0] == '\0';
	return *isnull ? (Datum) 0 : CStringGetTextDatum(text);
}

/*
 * _cron_state(): what check() says.  Only an administrator's call looks into
 * pg_cron's database; others are told what the coordinator found there.
 */
Datum
aj_cron_state(PG_FUNCTION_ARGS)
{
	MemoryContext context = CurrentMemoryContext;
	AjCaller	caller;
	AjScope		scope;
	AjCronReport report = {0};
	AjScheduleClock clock;
	TupleDesc	desc;
	TimestampTz now = GetCurrentTimestamp(),
				since;
	int			count;
	bool		cron_ok,
				tick_ok = true;
	const char *cron_detail = NULL,
			   *tick_detail = NULL,
			   *tick_hint = NULL;
	Datum		values[6];
	bool		nulls[6] = {0};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	MemoryContextSwitchTo(context);
	(void) aj_queue_schedule_clock(&clock);
	count = aj_queue_schedule_count(&since);
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);

	if (RecoveryInProgress())
		cron_detail = tick_detail = "this is a standby: nothing is due here";
	else if (!aj_cron_loaded() || caller.admin)
		aj_cron_visit(AJ_CRON_LOOK, &report);
	else if (clock.problem != NULL)
	{
		strlcpy(report.problem, clock.problem, sizeof(report.problem));
		strlcpy(report.hint, clock.hint ? clock.hint : "", sizeof(report.hint));
	}
	cron_ok = report.problem[0] == '\0';
	if (cron_detail == NULL)
		cron_detail = cron_ok ? "pg_cron can call tick()" :
			psprintf("%s; only schedules need it", report.problem);

	if (tick_detail != NULL)
		;
	else if (count == 0)
		tick_detail = "there is no schedule that is not paused";
	else if (clock.last_tick != 0 &&
			 !TimestampDifferenceExceeds(clock.last_tick, now, TICK_LATE_MS))
		tick_detail = psprintf("%d schedules; tick() was last called at %s",
							   count, timestamptz_to_str(clock.last_tick));
	else if (!cron_ok)
	{
		tick_ok = false;
		tick_detail = psprintf("%d schedules wait for pg_cron", count);
		tick_hint = report.hint;
	}
	else if (TimestampDifferenceExceeds(Max(clock.last_tick, since), now, TICK_LATE_MS))
	{
		tick_ok = false;
		tick_detail = psprintf("%d schedules wait; pg_cron %s%s%s%s%s", count,
							   clock.last_tick == 0 ? "has never called tick()" :
							   psprintf("last called tick() at %s",
										timestamptz_to_str(clock.last_tick)),
							   report.last_status[0] ? ", its last try " : "",
							   report.last_status,
							   report.last_message[0] ? ": " : "",
							   report.last_message);
		tick_hint = "See cron.job_run_details in pg_cron's database, and the server log. With cron.use_background_workers = on pg_cron needs no entry in pg_hba.conf.";
	}
	else
		tick_detail = psprintf("%d schedules; tick() is called soon", count);

	values[0] = BoolGetDatum(cron_ok);
	values[1] = CStringGetTextDatum(cron_detail);
	values[2] = text_or_null(report.hint, &nulls[2]);
	values[3] = BoolGetDatum(tick_ok);
	values[4] = CStringGetTextDatum(tick_detail);
	values[5] = text_or_null(tick_hint, &nulls[5]);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}
