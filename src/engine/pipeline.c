/*-------------------------------------------------------------------------
 *
 * pipeline.c
 *		Pipelines: their steps, in the order in which they are run.
 *
 * A pipeline is stored as a jsonb array of step objects.  create_pipeline()
 * parses what the user gave, refuses what is wrong, and stores it normalised:
 * all keys present, handlers as schema-qualified signatures.  The same parser
 * reads it back in the process that runs a job, which keeps the result, since
 * a version of a pipeline never changes.
 *
 * "after" names the steps whose output a step needs; without it, a step needs
 * the one before it.  Steps are put into a run order in which each comes
 * after all it needs and that otherwise keeps the order they were given in,
 * so the number of a step is stable.
 *
 * Handlers and validators are stored as text signatures, not as OIDs, which
 * neither pg_dump nor pg_upgrade could carry over; they are looked up again,
 * and the right to execute them is checked again, whenever one is called.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "pipeline.h"
#include "pipeline_flow.h"
#include "queue_submit.h"
#include "scope.h"
#include "shmem.h"

static HTAB *pipeline_cache = NULL;

typedef struct PipelineCacheEntry
{
	int32		id;				/* key */
	AjPipeline *pipeline;
} PipelineCacheEntry;

/* A step as given, before the run order is known. */
typedef struct RawStep
{
	AjStep		step;
	int			nafter;			/* -1: the step before */
	char	  **after;
	bool		placed;
} RawStep;

char *
aj_json_cstring(const JsonbValue *v)
{
	return pnstrdup(v->val.string.val, v->val.string.len);
}

JsonbValue *
aj_json_key(JsonbContainer *object, const char *key)
{
	return getKeyJsonValueFromContainer(object, key, strlen(key), NULL);
}

/* What a user wrote as a length of time, or NULL if it is none. */
Interval *
aj_read_interval(const char *text)
{
	MemoryContext context = CurrentMemoryContext;
	uint32		holdoff = QueryCancelHoldoffCount;
	Interval   *volatile interval = NULL;

	/* interval_in() touches nothing that an abort would have to undo */
	PG_TRY();
	{
		interval = DatumGetIntervalP(DirectFunctionCall3(interval_in,
														 CStringGetDatum(text),
														 ObjectIdGetDatum(InvalidOid),
														 Int32GetDatum(-1)));
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		FlushErrorState();
		/* an error lets go of what our caller holds off */
		QueryCancelHoldoffCount = holdoff;
	}
	PG_END_TRY();
	return interval;
}

/* A length of time such as '5s' or '1 hour 30 minutes', in ms. */
int64
aj_json_duration(const char *text, const char *step, const char *key)
{
	Interval   *interval = aj_read_interval(text);
	int64		ms;

	if (interval == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of step \"%s\" is not a length of time: \"%s\"",
						key, step, text),
				 errhint("For example \"5 min\".")));
	ms = interval->time / 1000 +
		((int64) interval->day + (int64) interval->month * DAYS_PER_MONTH) *
		SECS_PER_DAY * 1000;
	if (ms < 0 || ms > (int64) 366 * SECS_PER_DAY * 1000)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of step \"%s\" is out of range: \"%s\"",
						key, step, text),
				 errhint("Give a length of time from 0 to 366 days.")));
	return ms;
}

static int
parse_count(const JsonbValue *v, const char *step, const char *key,
			int min, int max)
{
	double		n;

	if (v->type != jbvNumeric)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of step \"%s\" is not a number", key, step)));
	if (!DatumGetBool(DirectFunctionCall2(numeric_eq,
										  NumericGetDatum(v->val.numeric),
										  DirectFunctionCall1(numeric_floor,
															  NumericGetDatum(v->val.numeric)))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of step \"%s\" is not a whole number", key, step),
				 errhint("Give a number from %d to %d.", min, max)));
	n = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
										   NumericGetDatum(v->val.numeric)));
	if (n < min || n > max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of step \"%s\" is out of range: %.15g",
						key, step, n),
				 errhint("Give a number from %d to %d.", min, max)));
	return (int) n;
}

/* An array of strings. */
char **
aj_json_strings(const JsonbValue *v, const char *step, const char *key, int *n)
{
	JsonbIterator *it;
	JsonbValue	item;
	JsonbIteratorToken token;
	char	  **result;

	if (v->type != jbvBinary || !JsonContainerIsArray(v->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of step \"%s\" is not an array", key, step)));

	result = palloc((JsonContainerSize(v->val.binary.data) + 1) * sizeof(char *));
	*n = 0;
	it = JsonbIteratorInit(v->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (item.type != jbvString)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s of step \"%s\" holds something other than strings",
							key, step)));
		result[(*n)++] = aj_json_cstring(&item);
	}
	return result;
}

static const char *const step_keys[] = {
	"name", "handler", "after", "max_attempts", "backoff", "backoff_for",
	"timeout", "batch", "external", "cache_ttl",
	"optional", "when", "for_each",
	NULL
};

static void
parse_step(JsonbContainer *object, int place, RawStep *raw)
{
	AjStep	   *step = &raw->step;
	JsonbIterator *it;
	JsonbValue	key,
			   *v;
	JsonbIteratorToken token;

	memset(raw, 0, sizeof(RawStep));
	raw->nafter = -1;

	v = aj_json_key(object, "name");
	if (v == NULL || v->type != jbvString || v->val.string.len == 0 ||
		v->val.string.len > 63)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("step %d has no name", place + 1),
				 errhint("Give each step a \"name\" of 1 to 63 bytes.")));
	step->name = aj_json_cstring(v);

	/* a misspelt key must not be taken for a default */
	it = JsonbIteratorInit(object);
	while ((token = JsonbIteratorNext(&it, &key, true)) != WJB_DONE)
	{
		int			i;

		if (token != WJB_KEY)
			continue;
		for (i = 0; step_keys[i]; i++)
		{
			if (strlen(step_keys[i]) == key.val.string.len &&
				memcmp(step_keys[i], key.val.string.val,
					   key.val.string.len) == 0)
				break;
		}
		if (step_keys[i] == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("step \"%s\" has an unknown key \"%s\"",
							step->name, aj_json_cstring(&key)),
					 errhint("The keys are name, handler, after, max_attempts, backoff, backoff_for, timeout, batch, external, cache_ttl, optional, when and for_each.")));
	}

	if ((v = aj_json_key(object, "external")) != NULL)
	{
		if (v->type != jbvBool)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("external of step \"%s\" is not true or false",
							step->name)));
		step->external = v->val.boolean;
	}
	v = aj_json_key(object, "handler");
	if (v == NULL && step->external)
		step->handler = AJ_EXTERNAL;
	else if (v == NULL || v->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("step \"%s\" has no handler", step->name),
				 errhint("Name a function (jsonb) RETURNS jsonb as its \"handler\", or \"external\".")));
	else
	{
		step->handler = aj_json_cstring(v);
		if (strcmp(step->handler, AJ_EXTERNAL) == 0)
			step->external = true;
		else if (step->external)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("step \"%s\" is external and has a handler", step->name),
					 errhint("Leave out either \"external\" or \"handler\".")));
	}

	if ((v = aj_json_key(object, "after")) != NULL)
		raw->after = aj_json_strings(v, step->name, "after", &raw->nafter);
	if ((v = aj_json_key(object, "max_attempts")) != NULL)
		step->max_attempts = parse_count(v, step->name, "max_attempts", 1, 100);
	if ((v = aj_json_key(object, "timeout")) != NULL)
	{
		if (v->type != jbvString)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("timeout of step \"%s\" is not a string", step->name),
					 errhint("Give a length of time such as \"5 min\".")));
		step->timeout = aj_json_duration(aj_json_cstring(v), step->name, "timeout");
	}
	if ((v = aj_json_key(object, "cache_ttl")) != NULL)
	{
		if (v->type != jbvString)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("cache_ttl of step \"%s\" is not a string", step->name),
					 errhint("Give a length of time such as \"1 hour\".")));
		step->cache_ttl = aj_json_duration(aj_json_cstring(v), step->name, "cache_ttl");
	}
	if ((v = aj_json_key(object, "batch")) != NULL)
	{
		if (v->type != jbvBool)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("batch of step \"%s\" is not true or false",
							step->name)));
		step->batch = v->val.boolean;
	}
	if (step->external && (step->batch || step->timeout > 0 || step->cache_ttl > 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("step \"%s\" is external and cannot have \"%s\"",
						step->name, step->batch ? "batch" :
						step->timeout > 0 ? "timeout" : "cache_ttl"),
				 errhint("The lease of claim() bounds an external step.")));
	aj_step_flow_parse(object, step);
}

static int
find_raw(RawStep *raw, int n, const char *name)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(raw[i].step.name, name) == 0)
			return i;
	}
	return -1;
}

/*
 * Parse an array of steps into pipeline->steps, allocated in the current
 * memory context.  Handlers are taken as they stand.
 */
void
aj_pipeline_parse(Jsonb *steps, AjPipeline *pipeline)
{
	JsonbIterator *it;
	JsonbValue	item;
	JsonbIteratorToken token;
	RawStep    *raw;
	int		   *place;			/* place in the run order, by place given */
	int			n = 0,
				placed = 0;

	if (!JB_ROOT_IS_ARRAY(steps) || JB_ROOT_IS_SCALAR(steps) ||
		JB_ROOT_COUNT(steps) == 0 || JB_ROOT_COUNT(steps) > AJ_MAX_STEPS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("steps is not an array of 1 to %d steps", AJ_MAX_STEPS),
				 errhint("For example: [{\"name\": \"greet\", \"handler\": \"public.greet\"}].")));

	raw = palloc(JB_ROOT_COUNT(steps) * sizeof(RawStep));
	it = JsonbIteratorInit(&steps->root);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (item.type != jbvBinary ||
			!JsonContainerIsObject(item.val.binary.data))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("step %d is not an object", n + 1)));
		parse_step(item.val.binary.data, n, &raw[n]);
		if (find_raw(raw, n, raw[n].step.name) >= 0)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_OBJECT),
					 errmsg("two steps are named \"%s\"", raw[n].step.name)));
		n++;
	}

	for (int i = 0; i < n; i++)
	{
		if (raw[i].nafter < 0)
		{
			raw[i].nafter = i > 0 ? 1 : 0;
			raw[i].after = palloc(sizeof(char *));
			if (i > 0)
				raw[i].after[0] = raw[i - 1].step.name;
		}
		for (int a = 0; a < raw[i].nafter; a++)
		{
			if (find_raw(raw, n, raw[i].after[a]) < 0)
				ereport(ERROR,
						(errcode(ERRCODE_UNDEFINED_OBJECT),
						 errmsg("step \"%s\" comes after \"%s\", which is no step of the pipeline",
								raw[i].step.name, raw[i].after[a]),
						 errhint("\"after\" holds names of other steps of the same array.")));
		}
	}

	/* Kahn's algorithm, always taking the first step that is ready */
	pipeline->nsteps = n;
	pipeline->steps = palloc0(n * sizeof(AjStep));
	place = palloc(n * sizeof(int));
	while (placed < n)
	{
		int			next = -1;

		for (int i = 0; i < n && next < 0; i++)
		{
			bool		ready = !raw[i].placed;

			for (int a = 0; ready && a < raw[i].nafter; a++)
				ready = raw[find_raw(raw, n, raw[i].after[a])].placed;
			if (ready)
				next = i;
		}
		if (next < 0)
		{
			StringInfoData names;

			initStringInfo(&names);
			for (int i = 0; i < n; i++)
			{
				if (!raw[i].placed)
					appendStringInfo(&names, "%s\"%s\"",
									 names.len ? ", " : "", raw[i].step.name);
			}
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
					 errmsg("steps wait for each other: %s", names.data),
					 errhint("Remove an \"after\" so that the steps form no cycle.")));
		}

		raw[next].placed = true;
		place[next] = placed;
		raw[next].step.nafter = raw[next].nafter;
		raw[next].step.after = palloc((raw[next].nafter + 1) * sizeof(int));
		raw[next].step.is_sink = true;
		for (int a = 0; a < raw[next].nafter; a++)
		{
			int			needed = place[find_raw(raw, n, raw[next].after[a])];

			raw[next].step.after[a] = needed;
			pipeline->steps[needed].is_sink = false;
		}
		pipeline->steps[placed++] = raw[next].step;
	}
	pipeline->dag = aj_pipeline_is_dag(pipeline);
}

/*
 * The steps as they are stored: in run order, with all that matters spelt
 * out.  Parsing this gives the same pipeline again.
 */
Jsonb *
aj_pipeline_normalise(const AjPipeline *pipeline)
{
	StringInfoData s;

	initStringInfo(&s);
	appendStringInfoChar(&s, '[');
	for (int i = 0; i < pipeline->nsteps; i++)
	{
		const AjStep *step = &pipeline->steps[i];

		appendStringInfoString(&s, i ? ", {\"name\": " : "{\"name\": ");
		escape_json(&s, step->name);
		appendStringInfoString(&s, ", \"handler\": ");
		escape_json(&s, step->handler);
		appendStringInfoString(&s, ", \"after\": [");
		for (int a = 0; a < step->nafter; a++)
		{
			if (a)
				appendStringInfoString(&s, ", ");
			escape_json(&s, pipeline->steps[step->after[a]].name);
		}
		appendStringInfoChar(&s, ']');
		if (step->max_attempts)
			appendStringInfo(&s, ", \"max_attempts\": %d", step->max_attempts);
		aj_step_flow_normalise(&s, step);
		if (step->batch)
			appendStringInfoString(&s, ", \"batch\": true");
		if (step->timeout)
			appendStringInfo(&s, ", \"timeout\": \"" INT64_FORMAT " ms\"",
							 step->timeout);
		if (step->cache_ttl)
			appendStringInfo(&s, ", \"cache_ttl\": \"" INT64_FORMAT " ms\"",
							 step->cache_ttl);
		appendStringInfoChar(&s, '}');
	}
	appendStringInfoChar(&s, ']');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											  CStringGetDatum(s.data)));
}

/*
 * A pipeline version by its id, kept for the life of the process.  The
 * caller is in a scope.  NULL if there is none.
 */
const AjPipeline *
aj_pipeline_get(int32 id)
{
	PipelineCacheEntry *entry;
	AjPipeline *pipeline;
	MemoryContext context,
				old;
	Jsonb	   *steps;

	if (pipeline_cache == NULL)
	{
		HASHCTL		ctl = {0};

		ctl.keysize = sizeof(int32);
		ctl.entrysize = sizeof(PipelineCacheEntry);
		ctl.hcxt = TopMemoryContext;
		pipeline_cache = hash_create("asyncjob pipelines", 64, &ctl,
									 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(pipeline_cache, &id, HASH_FIND, NULL);
	if (entry != NULL)
		return entry->pipeline;

	context = AllocSetContextCreate(CurrentMemoryContext, "asyncjob pipeline",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	pipeline = palloc0(sizeof(AjPipeline));
	if (!aj_queue_read_pipeline(id, pipeline, &steps))
	{
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
		return NULL;
	}
	aj_pipeline_parse(steps, pipeline);
	MemoryContextSwitchTo(old);

	MemoryContextSetParent(context, TopMemoryContext);
	entry = hash_search(pipeline_cache, &id, HASH_ENTER, NULL);
	entry->pipeline = pipeline;
	return pipeline;
}

/* The same for a caller that isn't in a scope. */
const AjPipeline *
aj_pipeline_read(int32 id)
{
	MemoryContext context = CurrentMemoryContext;
	PipelineCacheEntry *entry = NULL;
	const AjPipeline *pipeline;
	AjScope		scope;

	if (pipeline_cache != NULL)
		entry = hash_search(pipeline_cache, &id, HASH_FIND, NULL);
	if (entry != NULL)
		return entry->pipeline;
	aj_scope_enter(&scope, false);
	pipeline = aj_pipeline_get(id);
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);
	return pipeline;
}

/*
 * Can jobs of this pipeline be claimed by external workers from the submit on?
 * Those that begin with one external step, whatever their params.  What comes
 * first otherwise is for a worker of ours to find out (dag.c), and where none
 * can run, for claim(), if any of it may be external.
 */
bool
aj_pipeline_begins_outside(const AjPipeline *pipeline)
{
	const AjStep *first = &pipeline->steps[0];
	int			nfirst = 0,
				nexternal = 0;

	for (int i = 0; i < pipeline->nsteps; i++)
	{
		if (pipeline->steps[i].nafter > 0)
			continue;
		nfirst++;
		nexternal += pipeline->steps[i].external;
	}
	if (nfirst == 1 && first->when == NULL && first->for_each == NULL)
		return nexternal == 1;
	return aj_shared == NULL && nexternal > 0;
}

/* May a job of this pipeline need claim() to find out what comes next? */
bool
aj_pipeline_may_go_outside(const AjPipeline *pipeline)
{
	if (!pipeline->dag)
		return false;
	for (int i = 0; i < pipeline->nsteps; i++)
	{
		if (pipeline->steps[i].external)
			return true;
	}
	return false;
}

/*
 * Forget all, because the extension they belonged to is gone.  They are not
 * freed: the job in hand may still use one.
 */
void
aj_pipeline_forget(void)
{
	if (pipeline_cache != NULL)
		hash_destroy(pipeline_cache);
	pipeline_cache = NULL;
}
