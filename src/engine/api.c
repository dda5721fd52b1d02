/*-------------------------------------------------------------------------
 *
 * api.c
 *		What the SQL-callable functions have in common.
 *
 * An API function finds out who calls it, becomes the engine (scope.h), runs
 * statements that are told who asks, and returns.  A job that the caller may
 * not see is answered exactly as one that does not exist.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "nodes/execnodes.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"
#include "utils/wait_event.h"

#include "api.h"
#include "guc.h"
#include "types.h"

PG_FUNCTION_INFO_V1(aj_role);

/* _role() returns oid: who asks, for row-level security */
Datum
aj_role(PG_FUNCTION_ARGS)
{
	PG_RETURN_OID(GetUserId());
}

/*
 * An administrator of the queue is who may execute pause_queue(), which is
 * what grant_admin() grants.
 */
static bool
is_admin(Oid role)
{
	Oid			argtypes[1] = {TEXTOID};
	Oid			schema = get_namespace_oid(AJ_SCHEMA, true);
	Oid			function;

	if (superuser_arg(role))
		return true;
	if (!OidIsValid(schema))
		return false;
	function = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
							   CStringGetDatum("pause_queue"),
							   PointerGetDatum(buildoidvector(argtypes, 1)),
							   ObjectIdGetDatum(schema));
	return OidIsValid(function) &&
		aj_proc_aclcheck(function, role, ACL_EXECUTE) == ACLCHECK_OK;
}

void
aj_caller(AjCaller *caller)
{
	caller->role = GetUserId();
	caller->admin = is_admin(caller->role);
	caller->user_id = NULL;
	if (aj_guc_user_id != NULL && aj_guc_user_id[0] != '\0')
	{
		caller->filter = AJ_ONE_USER;
		/* a validator may set it otherwise while the caller is at work */
		caller->user_id = pstrdup(aj_guc_user_id);
	}
	else
		caller->filter = aj_guc_require_user_id ? AJ_NO_USER : AJ_ALL_USERS;
}

void
aj_require_admin(const char *what)
{
	if (!is_admin(GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to %s", what),
				 errhint("A superuser can grant it with asyncjob.grant_admin().")));
}

void
aj_unknown_job(int64 job_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("job " INT64_FORMAT " does not exist", job_id)));
}

void
aj_null_argument(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("%s must not be null", name)));
}

/* The first argument, a job's id. */
int64
aj_job_arg(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		aj_null_argument("job_id");
	return PG_GETARG_INT64(0);
}

char *
aj_text_arg(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/* A text of some bytes, up to a limit. */
char *
aj_limited_text_arg(FunctionCallInfo fcinfo, int n, const char *name, int limit,
					bool required)
{
	char	   *text = aj_text_arg(fcinfo, n);

	if (text == NULL && required)
		aj_null_argument(name);
	if (text != NULL && (text[0] == '\0' || strlen(text) > limit))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s has %zu bytes", name, strlen(text)),
				 errhint("Give 1 to %d bytes%s.", limit, required ? "" : ", or null")));
	return text;
}

/*
 * The name of something that is made; those of queues and pipelines also name
 * channels and files.
 */
char *
aj_name_arg(FunctionCallInfo fcinfo, int n, const char *what, int limit)
{
	char	   *name = aj_text_arg(fcinfo, n);

	if (name == NULL)
		aj_null_argument("name");
	aj_check_name(name, what, limit);
	return name;
}

void
aj_check_name(const char *name, const char *what, int limit)
{
	static const char allowed[] = "0123456789.-_"
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

	if (name[0] == '\0' || strlen(name) > limit ||
		strspn(name, allowed) != strlen(name) || strspn(name, "0123456789.-") > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("\"%s\" cannot be the name of %s %s", name,
						strchr("aeiou", what[0]) ? "an" : "a", what),
				 errhint("Begin with an ASCII letter or underscore, go on with letters, digits, \"_\", \".\" or \"-\", %d bytes at most.",
						 limit)));
}

void
aj_visible_values(const AjCaller *caller, int64 job_id, Datum *values,
				  char *nulls)
{
	values[0] = Int64GetDatum(job_id);
	values[1] = ObjectIdGetDatum(caller->role);
	values[2] = BoolGetDatum(caller->admin);
	values[3] = Int32GetDatum((int) caller->filter);
	values[4] = caller->user_id ? CStringGetTextDatum(caller->user_id) : (Datum) 0;
	memset(nulls, ' ', AJ_VISIBLE_ARGS);
	if (caller->user_id == NULL)
		nulls[4] = 'n';
}

/*
 * Return the rows of the last statement as the function's result set.
 */
void
aj_return_rows(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	for (uint64 i = 0; i < SPI_processed; i++)
		tuplestore_puttuple(rsinfo->setResult, SPI_tuptable->vals[i]);
}

/*
 * Sleep until there is news, but no longer than so many milliseconds.  The
 * caller is on the list of the condition variable; NULL: nothing is preloaded,
 * so nobody tells.
 */
void
aj_sleep_for_news(ConditionVariable *cv, long ms)
{
	InvalidateCatalogSnapshotConditionally();
	if (cv)
		(void) ConditionVariableTimedSleep(cv, ms, PG_WAIT_EXTENSION);
	else
	{
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 ms, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
	CHECK_FOR_INTERRUPTS();
}

/* -1, 0 or 1 as an interval is below, equal to or above so many days */
int
aj_compare_days(Interval *interval, int days)
{
	Interval	other = {.day = days};

	return DatumGetInt32(DirectFunctionCall2(interval_cmp,
											 IntervalPGetDatum(interval),
											 IntervalPGetDatum(&other)));
}
