/*-------------------------------------------------------------------------
 *
 * dag_data.c
 *		What the steps of a job that is no chain get, and what comes of it.
 *
 * A step gets the params of the job, the outputs of the steps that it needs
 * (null of one that has none), and its item, if it runs for one of many.  On
 * the same its conditions and its list of items are evaluated, of which nobody
 * knows how long they take: beyond PATH_MS they are given up.
 *
 * In run() a step of many items is called for one after the other, here.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "dag.h"
#include "errors.h"
#include "jsonpath.h"
#include "seal.h"

#define MAX_ITEMS		10000
#define PATH_MS			1000	/* for a condition or list of items */

/* ---------- input and result ---------- */

static void
append_jsonb(StringInfo s, Jsonb *jb)
{
	JsonbToCString(s, &jb->root, VARSIZE(jb));
}

/* Append the output of a step, null if it has none. */
static void
append_output(StringInfo s, Jsonb *checkpoints, int step_no)
{
	char		key[16];
	JsonbValue *v = NULL;

	snprintf(key, sizeof(key), "%d", step_no);
	if (checkpoints != NULL)
		v = getKeyJsonValueFromContainer(&checkpoints->root, key, strlen(key), NULL);
	if (v == NULL)
		appendStringInfoString(s, "null");
	else
		append_jsonb(s, JsonbValueToJsonb(v));
}

static void
push_key(AjJsonbState *state, const char *key)
{
	JsonbValue	v = {.type = jbvString};

	v.val.string.val = (char *) key;
	v.val.string.len = strlen(key);
	aj_push_jsonb(state, WJB_KEY, &v);
}

static void
push_jsonb(AjJsonbState *state, Jsonb *jb)
{
	JsonbValue	v = {.type = jbvBinary};

	v.val.binary.data = &jb->root;
	v.val.binary.len = VARSIZE(jb) - VARHDRSZ;
	if (JB_ROOT_IS_SCALAR(jb))
		(void) JsonbExtractScalar(&jb->root, &v);
	aj_push_jsonb(state, WJB_VALUE, &v);
}

/*
 * What a step gets: the params of the job, outputs of the steps it needs,
 * and the item, if it runs for one.  Each of many items gets all params, so it
 * is put together without a detour over text.
 */
Jsonb *
aj_dag_step_input(const AjRun *run, int step_no, Jsonb *item, int item_no)
{
	const AjPipeline *pipeline = run->pipeline;
	const AjStep *step = &pipeline->steps[step_no];
	AjJsonbState state = {0};
	JsonbValue	null = {.type = jbvNull};

	aj_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	push_key(&state, "params");
	push_jsonb(&state, run->params);
	push_key(&state, "steps");
	aj_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	for (int a = 0; a < step->nafter; a++)
	{
		char		key[16];
		JsonbValue *v = NULL;

		snprintf(key, sizeof(key), "%d", step->after[a]);
		if (run->checkpoints != NULL)
			v = getKeyJsonValueFromContainer(&run->checkpoints->root, key,
											 strlen(key), NULL);
		push_key(&state, pipeline->steps[step->after[a]].name);
		aj_push_jsonb(&state, WJB_VALUE, v ? v : &null);
	}
	aj_push_jsonb(&state, WJB_END_OBJECT, NULL);
	if (item != NULL)
	{
		JsonbValue	no = {.type = jbvNumeric};

		no.val.numeric = DatumGetNumeric(DirectFunctionCall1(int4_numeric,
															 Int32GetDatum(item_no)));
		push_key(&state, "item");
		push_jsonb(&state, item);
		push_key(&state, "item_no");
		aj_push_jsonb(&state, WJB_VALUE, &no);
	}
	return JsonbValueToJsonb(aj_push_jsonb(&state, WJB_END_OBJECT, NULL));
}

/* Input of the current step.  A first step that has no item gets the params. */
Jsonb *
aj_dag_input(const AjRun *run, Jsonb *item, int item_no)
{
	const AjStep *step = &run->pipeline->steps[run->job->step_no];

	if (step->nafter == 0 && item == NULL)
		return run->params;
	return aj_dag_step_input(run, run->job->step_no, item, item_no);
}

/*
 * Read what the current step needs of the job it belongs to.  Runs in a
 * scope; the results live in run->context.  What can't be decrypted now makes
 * the job wait: job->locked says why.
 */
void
aj_dag_load(AjRun *run)
{
	bool		branch = run->job->item_no >= 0;
	MemoryContext old = MemoryContextSwitchTo(run->context);

	run->params = branch ? aj_queue_parent_params(run->job) : run->job->params;
	run->checkpoints = aj_queue_checkpoints(run->job);
	MemoryContextSwitchTo(old);
}

/* Outputs of all sinks: the one's own, or an object of several by name. */
Jsonb *
aj_dag_result(const AjRun *run)
{
	const AjPipeline *pipeline = run->pipeline;
	StringInfoData s;
	int			nsinks = 0;

	for (int i = 0; i < pipeline->nsteps; i++)
		nsinks += pipeline->steps[i].is_sink;

	initStringInfo(&s);
	for (int i = 0; i < pipeline->nsteps; i++)
	{
		if (!pipeline->steps[i].is_sink)
			continue;
		if (nsinks > 1)
		{
			appendStringInfoString(&s, s.len ? ", " : "{");
			escape_json(&s, pipeline->steps[i].name);
			appendStringInfoString(&s, ": ");
		}
		append_output(&s, run->checkpoints, i);
	}
	if (nsinks > 1)
		appendStringInfoChar(&s, '}');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(s.data)));
}

/* ---------- conditions and items ---------- */

static bool
path_too_long(const AjRun *run, int step_no, const char *key, AjRefusal *why)
{
	why->message = psprintf("%s of step \"%s\" took longer than %d ms", key,
							run->pipeline->steps[step_no].name, PATH_MS);
	why->hint = "Give a jsonpath with fewer wildcards, or let a step prepare what it finds.";
	return false;
}

/* Does a step's condition hold?  Returns false, and why, if that can't be had. */
bool
aj_dag_condition(const AjRun *run, int step_no, bool *holds, AjRefusal *why)
{
	AjPathResult result = aj_jsonpath_true(aj_dag_step_input(run, step_no, NULL, 0),
										   run->pipeline->steps[step_no].when,
										   PATH_MS);

	*holds = result != AJ_PATH_NO;
	if (result == AJ_PATH_TOO_LONG)
		return path_too_long(run, step_no, "when", why);
	return true;
}

/* Is any of these items an object that we would take for an encrypted one? */
static bool
any_looks_sealed(Jsonb *items)
{
	JsonbIterator *it = JsonbIteratorInit(&items->root);
	JsonbValue	item;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM && item.type == jbvBinary &&
			JsonContainerIsObject(item.val.binary.data) &&
			JsonContainerSize(item.val.binary.data) == 1 &&
			aj_is_sealed(JsonbValueToJsonb(&item)))
			return true;
	}
	return false;
}

/* Items of a step that runs for many.  Likewise. */
bool
aj_dag_items(const AjRun *run, int step_no, Jsonb **items, AjRefusal *why)
{
	const AjStep *step = &run->pipeline->steps[step_no];

	if (aj_jsonpath_items(aj_dag_step_input(run, step_no, NULL, 0), step->for_each,
						  PATH_MS, items) == AJ_PATH_TOO_LONG)
		return path_too_long(run, step_no, "for_each", why);
	if (any_looks_sealed(*items))
	{
		why->message = psprintf("for_each of step \"%s\" finds an item that looks encrypted",
								step->name);
		why->hint = "Its one key has the name by which encrypted values are known; put a second one beside it.";
		return false;
	}
	if (JB_ROOT_COUNT(*items) <= MAX_ITEMS)
		return true;
	why->message = psprintf("for_each of step \"%s\" finds more than %d items",
							step->name, MAX_ITEMS);
	why->hint = "Split the array, and submit a job for each part.";
	return false;
}

/* ---------- items in place ---------- */

/*
 * Call the handler for one item.  Where the step is optional, so is each item:
 * what went wrong is caught and added to errors, and the output is null.
 */
static Jsonb *
call_item(AjRun *run, StringInfo errors, char **message)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	int			nartifacts = list_length(run->artifacts);
	Jsonb	   *volatile output = NULL;

	if (!run->pipeline->steps[run->job->step_no].optional)
		return aj_call_step(run);

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		output = aj_call_step(run);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *edata;
		AjError    *error;
		List	   *artifacts = list_truncate(run->artifacts, nartifacts);

		MemoryContextSwitchTo(run->context);
		edata = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		run->artifacts = NIL;
		aj_forget_step(run);
		run->artifacts = artifacts;
		if (edata->sqlerrcode == ERRCODE_QUERY_CANCELED ||
			edata->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
			ReThrowError(edata);	/* it is the caller who is interrupted */
		error = aj_error_copy(edata, run->context);
		if (*message == NULL || strcmp(error->message, *message) < 0)
			*message = error->message;
		appendStringInfoString(errors, errors->len ? ", " : "[");
		append_jsonb(errors, aj_error_to_jsonb(error, run->job));
		/* an object: the number goes into it */
		errors->data[--errors->len] = '\0';
		appendStringInfo(errors, ", \"item_no\": %d}", run->item_no);
		output = NULL;
	}
	PG_END_TRY();
	return output;
}

/*
 * In run() there are no branches: call the handler of the current step for
 * one item after the other.  Returns the array of their outputs.
 */
Jsonb *
aj_dag_call_items(AjRun *run)
{
	AjRefusal	why;
	MemoryContext old;
	Jsonb	   *items;
	JsonbIterator *it;
	JsonbValue	item;
	JsonbIteratorToken token;
	StringInfoData s,
				errors;
	char	   *message = NULL;
	int			n,
				nfailed = 0;

	old = MemoryContextSwitchTo(run->context);
	if (!aj_dag_items(run, run->job->step_no, &items, &why))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("%s", why.message),
				 errhint("%s", why.hint)));
	n = JB_ROOT_COUNT(items);
	initStringInfo(&s);
	initStringInfo(&errors);
	it = JsonbIteratorInit(&items->root);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		Jsonb	   *output;

		if (token != WJB_ELEM)
			continue;
		run->item = JsonbValueToJsonb(&item);
		run->item_no++;
		output = call_item(run, &errors, &message);
		appendStringInfoString(&s, s.len ? ", " : "[");
		if (output != NULL)
			append_jsonb(&s, output);
		else
		{
			appendStringInfoString(&s, "null");
			nfailed++;
		}
		CHECK_FOR_INTERRUPTS();
	}
	run->item = NULL;
	appendStringInfoString(&s, s.len ? "]" : "[]");
	if (nfailed > 0)
	{
		StringInfoData error;

		initStringInfo(&error);
		appendStringInfoString(&error, "{\"message\": ");
		escape_json(&error, psprintf("%d of %d items failed: %s", nfailed, n,
									 run->job->sealed ? AJ_HIDDEN : message));
		appendStringInfo(&error, ", \"items\": %s]}", errors.data);
		run->items_error = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
															  CStringGetDatum(error.data)));
		run->no_item = nfailed == n;
		run->job->failures += run->no_item;
	}
	MemoryContextSwitchTo(old);
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(s.data)));
}
