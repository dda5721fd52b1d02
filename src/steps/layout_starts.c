/*-------------------------------------------------------------------------
 *
 * layout_starts.c
 *		Layouts of several seeds beside each other, and the best of them.
 *
 * The pipeline layout_multistart runs step_layout_start once for each of the
 * parameter "seeds", in as many workers as there are, each a whole search of
 * its own; step_layout_best takes the layout of the most energy, of equal
 * ones that of the earlier seed.  So the result depends on the list of seeds
 * and not on who was faster, and is never worse than a layout job's with any
 * one of them.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "layout_step.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(aj_step_layout_start);
PG_FUNCTION_INFO_V1(aj_step_layout_best);
PG_FUNCTION_INFO_V1(aj_check_layout_multistart);

#define MAX_SEEDS	100
#define MAX_SEED	9e15

static double
whole_number(const JsonbValue *v)
{
	double		x = v->type == jbvNumeric ?
	DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
									   NumericGetDatum(v->val.numeric))) : NAN;

	return x >= 0 && x <= MAX_SEED && floor(x) == x ? x : NAN;
}

static AJ_NORETURN void
refuse_seeds(const char *why)
{
	aj_step_error(AJ_ERRCODE_VALIDATION, "unit_or_range",
				  psprintf("parameter \"seeds\" is invalid: %s", why), NULL,
				  psprintf("Give 1 to %d different whole numbers, such as [1, 2, 3, 4].",
						   MAX_SEEDS));
}

static void
check_seeds(JsonbContainer *params)
{
	JsonbContainer *seeds = aj_require_array(params, "seeds");
	int			n = (int) JsonContainerSize(seeds);
	double	   *seed = palloc(sizeof(double) * Max(n, 1));

	if (n < 1 || n > MAX_SEEDS)
		refuse_seeds(psprintf("it has %d elements", n));
	for (int i = 0; i < n; i++)
	{
		seed[i] = whole_number(getIthJsonbValueFromContainer(seeds, i));
		if (isnan(seed[i]))
			refuse_seeds(psprintf("element %d is not a whole number from 0 to %.0f",
								  i + 1, MAX_SEED));
		for (int k = 0; k < i; k++)
			if (seed[k] == seed[i])
				refuse_seeds(psprintf("%.0f occurs twice", seed[i]));
	}
}

/*
 * check_layout_multistart(params jsonb) returns void
 */
Datum
aj_check_layout_multistart(PG_FUNCTION_ARGS)
{
	static const char *const known[] = {
		AJ_SITE_GRID_PARAMS, AJ_WIND_FARM_PARAMS, AJ_LAYOUT_SEARCH_PARAMS,
		"seeds", "title", NULL
	};
	AjStepInput in;

	aj_step_input(PG_GETARG_JSONB_P(0), &in);
	aj_check_params(in.params, known);
	check_seeds(in.params);
	aj_check_layout_params(&in);
	PG_RETURN_VOID();
}

/*
 * step_layout_start(input jsonb) returns jsonb
 */
Datum
aj_step_layout_start(PG_FUNCTION_ARGS)
{
	Jsonb	   *arg = PG_GETARG_JSONB_P(0);
	AjStepInput input;
	AjLaidOut	laid;
	JsonbValue	item;
	double		seed = NAN;
	StringInfoData b;

	aj_step_input(arg, &input);
	if (getKeyJsonValueFromContainer(&arg->root, "item", 4, &item))
		seed = whole_number(&item);
	if (isnan(seed))
		aj_step_error(AJ_ERRCODE_VALIDATION, "unit_or_range",
					  "the item of this step is not a seed", NULL,
					  "Let the step run for each of a list of whole numbers.");
	aj_layout_search(&input, seed, &laid);
	initStringInfo(&b);
	appendStringInfo(&b, "{\"layout\":%s,\"metrics\":%s}", laid.geojson,
					 laid.metrics);
	aj_progress(1.0, "layout done");
	PG_RETURN_JSONB_P(aj_jsonb_from_text(b.data));
}

static char *
text_of(JsonbContainer *c)
{
	return JsonbToCString(NULL, c, 1024);
}

/*
 * step_layout_best(input jsonb) returns jsonb
 */
Datum
aj_step_layout_best(PG_FUNCTION_ARGS)
{
	static const char *const figures[] = {
		"aep_start_gwh", "aep_end_gwh", "improvement_pct", "evaluations"
	};
	AjStepInput input;
	AjLaidOut	laid = {0};
	AjSiteGridDefaults defaults;
	JsonbContainer *starts;
	JsonbContainer *best = NULL;
	double		most = -INFINITY;
	StringInfoData list;
	StringInfoData csv;
	StringInfoData metrics;

	aj_step_input(PG_GETARG_JSONB_P(0), &input);
	starts = input.steps ? aj_param_array(input.steps, "starts") : NULL;
	if (starts == NULL || JsonContainerSize(starts) == 0)
		aj_step_error(AJ_ERRCODE_VALIDATION, "step_missing",
					  "the output of step \"starts\" is missing", NULL,
					  "This step follows a step \"starts\" that runs asyncjob.step_layout_start for each of several seeds.");
	aj_farm_input(&input, AJK_WAKE_IEA37_SBG, false, NULL, &laid.farm);

	initStringInfo(&list);
	initStringInfo(&csv);
	appendStringInfoString(&csv, "seed,evaluations,aep_gwh\n");
	for (uint32 i = 0; i < JsonContainerSize(starts); i++)
	{
		JsonbValue *v = getIthJsonbValueFromContainer(starts, i);
		JsonbContainer *start;
		JsonbContainer *m;
		JsonbContainer *trace;
		double		energy;
		double		seed;

		/* null: the step was optional, and this item failed */
		if (v->type == jbvNull)
			continue;
		start = aj_item_object(starts, i);
		m = aj_require_object(start, "metrics");
		energy = aj_require_number(m, "aep_end_gwh", -INFINITY, INFINITY);
		seed = aj_require_number(m, "seed", 0, MAX_SEED);
		if (energy > most)
		{
			most = energy;
			best = start;
		}
		appendStringInfo(&list, "%s{\"seed\":%.0f", list.len ? "," : "", seed);
		for (int k = 0; k < (int) lengthof(figures); k++)
			aj_json_field(&list, figures[k],
						  aj_param_number(m, figures[k], NAN, -INFINITY, INFINITY), 6);
		trace = aj_param_array(m, "convergence");
		appendStringInfo(&list, ",\"converged\":%s,\"convergence\":%s}",
						 aj_param_bool(m, "converged", false) ? "true" : "false",
						 trace ? text_of(trace) : "[]");
		for (uint32 k = 0; trace && k < JsonContainerSize(trace); k++)
		{
			JsonbContainer *pair = aj_item_array(trace, k);

			appendStringInfo(&csv, "%.0f,%.0f,%.4f\n", seed,
							 aj_item_number(pair, 0), aj_item_number(pair, 1));
		}
	}
	if (best == NULL)
		aj_step_error(AJ_ERRCODE_INFEASIBLE, "step_missing",
					  "no start has found a layout", NULL,
					  "The errors of the step \"starts\" say why.");

	defaults = aj_layout_defaults(&laid.farm);
	laid.grid = aj_site_grid_load(input.params, &defaults, 0, 0.8);
	laid.geojson = text_of(aj_require_object(best, "layout"));
	initStringInfo(&metrics);
	appendStringInfoString(&metrics, text_of(aj_require_object(best, "metrics")));
	metrics.len--;				/* the closing brace */
	appendStringInfo(&metrics, ",\"starts\":[%s]}", list.data);
	laid.metrics = metrics.data;
	laid.convergence = csv.data;
	PG_RETURN_JSONB_P(aj_layout_store(&input, &laid));
}
