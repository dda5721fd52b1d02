/*-------------------------------------------------------------------------
 *
 * jsonpath.c
 *		Users' jsonpaths, evaluated within bounds.
 *
 * Conditions, lists of items and filters of events are jsonpaths that any role
 * with usage may write, and some are evaluated by the coordinator, on which
 * everybody depends.  A path of twenty characters, such as $.**.**.**, can take
 * hours and all memory on a small document.  So each has a time after which it
 * is given up.
 *
 * Engine statements hold off cancels, so the timeout's handler lifts that:
 * nothing but the evaluation, which holds off nothing itself, can run between
 * the handler and the error by which it ends.  The evaluation touches nothing
 * that an abort would have to undo, so the error needs no subtransaction.  A
 * cancel that the same error swallows is seen in the job's row.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timeout.h"

#include "jsonpath.h"

static TimeoutId path_timeout = MAX_TIMEOUTS;
static volatile sig_atomic_t timed_out = false;

/* Refuse what is no jsonpath now, rather than when it is needed. */
void
aj_check_jsonpath(const char *text, const char *what)
{
	MemoryContext context = CurrentMemoryContext;

	/* jsonpath_in() touches nothing that an abort would have to undo */
	PG_TRY();
	{
		(void) DirectFunctionCall1(jsonpath_in, CStringGetDatum(text));
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		FlushErrorState();
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is not a jsonpath: \"%s\"", what, text),
				 errdetail_internal("%s", edata->message),
				 errhint("For example $.steps.count.errors > 0, or $.params.sites[*].")));
	}
	PG_END_TRY();
}

static void
path_timeout_handler(void)
{
	timed_out = true;
	QueryCancelHoldoffCount = 0;
	QueryCancelPending = true;
	InterruptPending = true;
}

/*
 * Call a function (target jsonb, path jsonpath, vars jsonb, silent boolean).
 * Returns false if it was given up after ms; *result is NULL where nothing is
 * found, else in the memory context of the call.
 */
static bool
evaluate(PGFunction function, Jsonb *input, const char *path, int ms,
		 Jsonb **result)
{
	MemoryContext context = CurrentMemoryContext,
				work = AllocSetContextCreate(context, "asyncjob jsonpath",
											 ALLOCSET_DEFAULT_SIZES);
	uint32		holdoff = QueryCancelHoldoffCount;
	volatile bool ended = false;

	LOCAL_FCINFO(fcinfo, 4);

	if (path_timeout == MAX_TIMEOUTS)
		path_timeout = RegisterTimeout(USER_TIMEOUT, path_timeout_handler);
	timed_out = false;
	*result = NULL;
	MemoryContextSwitchTo(work);
	PG_TRY();
	{
		Datum		found;

		InitFunctionCallInfoData(*fcinfo, NULL, 4, InvalidOid, NULL, NULL);
		fcinfo->args[0].value = JsonbPGetDatum(input);
		fcinfo->args[1].value = DirectFunctionCall1(jsonpath_in, CStringGetDatum(path));
		fcinfo->args[2].value = DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"));
		fcinfo->args[3].value = BoolGetDatum(true);
		for (int i = 0; i < 4; i++)
			fcinfo->args[i].isnull = false;
		enable_timeout_after(path_timeout, ms);
		found = function(fcinfo);
		disable_timeout(path_timeout, false);
		if (!fcinfo->isnull)
		{
			MemoryContextSwitchTo(context);
			*result = DatumGetJsonbPCopy(found);
		}
		ended = true;
	}
	PG_CATCH();
	{
		disable_timeout(path_timeout, false);
		/* an error lets go of what our caller holds off */
		QueryCancelHoldoffCount = holdoff;
		if (!timed_out)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	if (timed_out)
	{
		/* it may have come too late to interrupt */
		QueryCancelHoldoffCount = holdoff;
		if (ended)
			QueryCancelPending = false;
	}
	MemoryContextSwitchTo(context);
	MemoryContextDelete(work);
	return ended;
}

/* Does a path find something that is neither false nor null? */
AjPathResult
aj_jsonpath_true(Jsonb *input, const char *path, int ms)
{
	Jsonb	   *found;
	JsonbValue	v;

	if (!evaluate(jsonb_path_query_first, input, path, ms, &found))
		return AJ_PATH_TOO_LONG;
	if (found == NULL)
		return AJ_PATH_NO;
	if (JB_ROOT_IS_SCALAR(found) && JsonbExtractScalar(&found->root, &v) &&
		(v.type == jbvNull || (v.type == jbvBool && !v.val.boolean)))
		return AJ_PATH_NO;
	return AJ_PATH_YES;
}

/*
 * What a path finds, as an array in the memory context of the call.
 *
 * A path without wildcard, range or filter finds one thing: an array of the
 * items.  What any other finds are the items, even if there is one only and
 * that is an array.  A mere null is none.
 */
AjPathResult
aj_jsonpath_items(Jsonb *input, const char *path, int ms, Jsonb **items)
{
	JsonbValue *one;

	if (!evaluate(jsonb_path_query_array, input, path, ms, items))
		return AJ_PATH_TOO_LONG;
	if (JB_ROOT_COUNT(*items) != 1)
		return AJ_PATH_YES;
	one = getIthJsonbValueFromContainer(&(*items)->root, 0);
	if (one->type == jbvNull)
		*items = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("[]")));
	else if (one->type == jbvBinary && JsonContainerIsArray(one->val.binary.data) &&
			 strpbrk(path, "*?") == NULL && strstr(path, " to ") == NULL)
		*items = JsonbValueToJsonb(one);
	return AJ_PATH_YES;
}
