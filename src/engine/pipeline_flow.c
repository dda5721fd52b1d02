/*-------------------------------------------------------------------------
 *
 * pipeline_flow.c
 *		What a step says about retries and about its place in the flow.
 *
 * "backoff" is an array of delays, ["5s", "10s", "30s"], of which the last
 * repeats, or an object: {"delays": [...], "jitter": 0.5}, or exponential
 * {"initial": "1s", "factor": 2, "max": "10 min", "jitter": 0.5}.
 * "backoff_for" holds such values by SQLSTATE or by category of failure, for
 * the failures that need a time of their own.
 *
 * "optional", "when" and "for_each" are for dag.c.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"

#include "errors.h"
#include "jsonpath.h"
#include "pipeline_flow.h"

#define MAX_DELAYS		100
#define MAX_RULES		32
#define DEFAULT_MAX_MS	(600 * 1000)

static double
parse_fraction(const JsonbValue *v, const char *step, const char *key,
			   double min, double max)
{
	double		d = -1;

	if (v->type == jbvNumeric)
		d = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
											   NumericGetDatum(v->val.numeric)));
	if (!(d >= min && d <= max))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of step \"%s\" is not a number from %g to %g",
						key, step, min, max)));
	return d;
}

static int64
parse_delay(const JsonbValue *v, const char *step, const char *key)
{
	if (v->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of step \"%s\" is not a string", key, step),
				 errhint("Give a length of time such as \"5 min\".")));
	return aj_json_duration(aj_json_cstring(v), step, key);
}

static void
parse_delays(const JsonbValue *v, const char *step, const char *key,
			 AjBackoff *backoff)
{
	char	  **texts = aj_json_strings(v, step, key, &backoff->n);

	if (backoff->n == 0 || backoff->n > MAX_DELAYS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of step \"%s\" holds %d delays",
						key, step, backoff->n),
				 errhint("Give 1 to %d delays; the last one repeats.", MAX_DELAYS)));
	backoff->delays = palloc(backoff->n * sizeof(int64));
	for (int i = 0; i < backoff->n; i++)
		backoff->delays[i] = aj_json_duration(texts[i], step, key);
}

/* A misspelt key must not be taken for a default. */
static void
check_backoff_keys(JsonbContainer *object, const char *step, const char *key,
				   bool list)
{
	JsonbIterator *it = JsonbIteratorInit(object);
	JsonbValue	name;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&it, &name, true)) != WJB_DONE)
	{
		char	   *text;

		if (token != WJB_KEY)
			continue;
		text = aj_json_cstring(&name);
		if (strcmp(text, "jitter") == 0 ||
			strcmp(text, "delays") == 0 ||
			(!list && (strcmp(text, "initial") == 0 ||
					   strcmp(text, "factor") == 0 ||
					   strcmp(text, "max") == 0)))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of step \"%s\" has an unknown key \"%s\"",
						key, step, text),
				 errhint("The keys are delays and jitter, or initial, factor, max and jitter.")));
	}
}

static void
parse_backoff(const JsonbValue *v, const char *step, const char *key,
			  AjBackoff *backoff)
{
	JsonbContainer *object;
	JsonbValue *member;

	backoff->given = true;
	backoff->factor = 2;
	if (v->type == jbvString)
	{
		backoff->n = 1;
		backoff->delays = palloc(sizeof(int64));
		backoff->delays[0] = parse_delay(v, step, key);
		return;
	}
	if (v->type != jbvBinary || !JsonContainerIsObject(v->val.binary.data))
	{
		parse_delays(v, step, key, backoff);
		return;
	}

	object = v->val.binary.data;
	member = aj_json_key(object, "delays");
	check_backoff_keys(object, step, key, member != NULL);
	if (member != NULL)
		parse_delays(member, step, key, backoff);
	else
	{
		member = aj_json_key(object, "initial");
		if (member == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s of step \"%s\" has neither \"delays\" nor \"initial\"",
							key, step),
					 errhint("For example: {\"initial\": \"1s\", \"factor\": 2, \"max\": \"10 min\", \"jitter\": 0.5}.")));
		backoff->initial = parse_delay(member, step, key);
		backoff->max = Max(DEFAULT_MAX_MS, backoff->initial);
		if ((member = aj_json_key(object, "factor")) != NULL)
			backoff->factor = parse_fraction(member, step, "factor", 1, 100);
		if ((member = aj_json_key(object, "max")) != NULL)
			backoff->max = parse_delay(member, step, key);
	}
	if ((member = aj_json_key(object, "jitter")) != NULL)
		backoff->jitter = parse_fraction(member, step, "jitter", 0, 1);
}

/* Is this a word by which failures are told apart? */
static bool
is_failure(const char *text)
{
	for (int i = 0; aj_error_categories[i]; i++)
	{
		if (strcmp(aj_error_categories[i], text) == 0)
			return true;
	}
	return strlen(text) == 5 &&
		strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5;
}

static void
parse_rules(const JsonbValue *v, AjStep *step)
{
	JsonbIterator *it;
	JsonbValue	item;
	JsonbIteratorToken token;
	int			n;

	if (v->type != jbvBinary || !JsonContainerIsObject(v->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("backoff_for of step \"%s\" is not an object", step->name),
				 errhint("For example: {\"rate_limit\": \"5 min\", \"40001\": [\"1s\", \"5s\"]}.")));
	n = JsonContainerSize(v->val.binary.data);
	if (n > MAX_RULES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("backoff_for of step \"%s\" has %d members", step->name, n),
				 errhint("Give at most %d.", MAX_RULES)));
	step->rules = palloc0((n + 1) * sizeof(AjBackoffRule));
	it = JsonbIteratorInit(v->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &item, true)) != WJB_DONE)
	{
		AjBackoffRule *rule = &step->rules[step->nrules];

		if (token == WJB_KEY)
		{
			rule->failure = aj_json_cstring(&item);
			if (!is_failure(rule->failure))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("backoff_for of step \"%s\" names an unknown kind of failure \"%s\"",
								step->name, rule->failure),
						 errhint("Give a SQLSTATE or one of validation, infeasible, resource, external, rate_limit, timeout, system and handler.")));
		}
		else if (token == WJB_VALUE)
		{
			parse_backoff(&item, step->name, "backoff_for", &rule->backoff);
			step->nrules++;
		}
	}
}

static char *
parse_jsonpath(const JsonbValue *v, const char *step, const char *key)
{
	char	   *text;

	if (v->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s of step \"%s\" is not a string", key, step),
				 errhint("Give a jsonpath such as \"$.params.sites[*]\".")));
	text = aj_json_cstring(v);
	aj_check_jsonpath(text, psprintf("%s of step \"%s\"", key, step));
	return text;
}

/*
 * A chain of plain steps, each of which needs the one before it, is run
 * without further ado; all else is for dag.c.
 */
bool
aj_pipeline_is_dag(const AjPipeline *pipeline)
{
	for (int i = 0; i < pipeline->nsteps; i++)
	{
		const AjStep *step = &pipeline->steps[i];
		bool		follows = i == 0;

		for (int a = 0; a < step->nafter; a++)
			follows |= step->after[a] == i - 1;
		if (!follows || step->optional || step->when || step->for_each)
			return true;
	}
	return false;
}

void
aj_step_flow_parse(JsonbContainer *object, AjStep *step)
{
	JsonbValue *v;

	if ((v = aj_json_key(object, "optional")) != NULL)
	{
		if (v->type != jbvBool)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("optional of step \"%s\" is not true or false",
							step->name)));
		step->optional = v->val.boolean;
	}
	if ((v = aj_json_key(object, "when")) != NULL)
		step->when = parse_jsonpath(v, step->name, "when");
	if ((v = aj_json_key(object, "for_each")) != NULL)
		step->for_each = parse_jsonpath(v, step->name, "for_each");

	if ((v = aj_json_key(object, "backoff")) != NULL)
		parse_backoff(v, step->name, "backoff", &step->backoff);
	if ((v = aj_json_key(object, "backoff_for")) != NULL)
		parse_rules(v, step);
}

/* As it was given, delays in ms. */
static void
append_backoff(StringInfo s, const AjBackoff *backoff)
{
	if (backoff->n > 0)
	{
		appendStringInfoString(s, backoff->jitter > 0 ? "{\"delays\": [" : "[");
		for (int b = 0; b < backoff->n; b++)
			appendStringInfo(s, "%s\"" INT64_FORMAT " ms\"",
							 b ? ", " : "", backoff->delays[b]);
		appendStringInfoChar(s, ']');
		if (backoff->jitter > 0)
			appendStringInfo(s, ", \"jitter\": %.15g}", backoff->jitter);
	}
	else
		appendStringInfo(s, "{\"initial\": \"" INT64_FORMAT " ms\", \"factor\": %.15g,"
						 " \"max\": \"" INT64_FORMAT " ms\", \"jitter\": %.15g}",
						 backoff->initial, backoff->factor, backoff->max,
						 backoff->jitter);
}

void
aj_step_flow_normalise(StringInfo s, const AjStep *step)
{
	if (step->backoff.given)
	{
		appendStringInfoString(s, ", \"backoff\": ");
		append_backoff(s, &step->backoff);
	}
	for (int r = 0; r < step->nrules; r++)
	{
		appendStringInfoString(s, r ? ", " : ", \"backoff_for\": {");
		escape_json(s, step->rules[r].failure);
		appendStringInfoString(s, ": ");
		append_backoff(s, &step->rules[r].backoff);
	}
	if (step->nrules > 0)
		appendStringInfoChar(s, '}');
	if (step->optional)
		appendStringInfoString(s, ", \"optional\": true");
	if (step->when)
	{
		appendStringInfoString(s, ", \"when\": ");
		escape_json(s, step->when);
	}
	if (step->for_each)
	{
		appendStringInfoString(s, ", \"for_each\": ");
		escape_json(s, step->for_each);
	}
}
