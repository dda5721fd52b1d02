/*-------------------------------------------------------------------------
 *
 * layout_out.c
 *		What a layout says of itself: turbines, figures, compliance.
 *
 * Everything is told of the coordinates as they are written, and verified
 * once more; a layout that broke a rule would not leave this file.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "layout_step.h"
#include "report_svg.h"

#include <math.h>

#include "../kernels/geodesy.h"

/* What two types keep, in metres on the ground */
double
aj_type_spacing(const AjFarmInput *in, double min_spacing_d, int a, int b)
{
	return min_spacing_d * fmax(in->types[a]->rotor_diameter_m,
								in->types[b]->rotor_diameter_m);
}

/*
 * Distance on the ground between the two of the rounded places that have
 * least to spare, and what they have to keep.
 */
static double
ground_spacing(const AjSiteGrid *grid, const AjFarmInput *in,
			   double min_spacing_d, const AjLaidTurbine *t, int n, double *required)
{
	AjkTm		tm = ajk_tm_utm(grid->zone, grid->south);
	double		spare = INFINITY;
	double		least = INFINITY;

	*required = aj_type_spacing(in, min_spacing_d, 0, 0);
	for (int i = 0; i < n; i++)
	{
		for (int j = 0; j < i; j++)
		{
			double		d = hypot(t[i].x - t[j].x, t[i].y - t[j].y);
			double		k = grid->k;
			double		need = aj_type_spacing(in, min_spacing_d, t[i].type, t[j].type);

			if (d < need * 1.01)
				k = ajk_tm_scale(&tm, 0.5 * (t[i].lon + t[j].lon),
								 0.5 * (t[i].lat + t[j].lat));
			if (d / k - need < spare)
			{
				spare = d / k - need;
				least = d / k;
				*required = need;
			}
		}
	}
	return least;
}

static char *
turbines_geojson(const AjSiteGrid *grid, const AjFarmInput *in,
				 const AjLaidTurbine *t, int n, const AjLayoutPlace *place)
{
	AjGeoJson	gj;

	aj_geojson_begin(&gj);
	for (int i = 0; i < n; i++)
	{
		const AjTurbine *type = in->types[t[i].type];
		double		setback_m = place[t[i].type].setback_m;
		StringInfoData p;

		initStringInfo(&p);
		appendStringInfo(&p, "\"turbine_id\":%d,\"capacity_mw\":", i + 1);
		aj_json_number(&p, type->rated_kw / 1000, 6);
		appendStringInfoString(&p, ",\"hub_height_m\":");
		aj_json_number(&p, type->hub_height_m, 3);
		appendStringInfoString(&p, ",\"rotor_diameter_m\":");
		aj_json_number(&p, type->rotor_diameter_m, 3);
		if (in->ntypes > 1)
		{
			appendStringInfoString(&p, ",\"turbine_type\":");
			aj_json_string(&p, type->name);
		}
		appendStringInfoString(&p, ",\"elevation_m\":");
		aj_json_number(&p, aj_site_elevation(grid, t[i].x, t[i].y), 1);
		appendStringInfoString(&p, ",\"slope_deg\":");
		aj_json_number(&p, aj_site_slope(grid, t[i].x, t[i].y), 2);
		appendStringInfoString(&p, ",\"constraint_margin_m\":");
		aj_json_number(&p, floor(10 * aj_site_margin(grid, t[i].x, t[i].y,
													 setback_m)) / 10, 1);
		aj_geojson_point(&gj, p.data, t[i].lon, t[i].lat);
		pfree(p.data);
	}
	return aj_geojson_end(&gj);
}

/* A rule that every turbine keeps: its limit and the worst of the turbines */
typedef struct Rule
{
	const char *name;
	double		limit;
	double		actual;
	bool		passed;
} Rule;

#define NRULES 3

static void
compliance(const AjSiteGrid *grid, const AjLaidTurbine *t, int n, const AjLayoutPlace *place,
		   double spacing_m, double min_spacing_m, Rule *rule)
{
	double		margin = INFINITY;
	double		slope = 0;

	for (int i = 0; i < n; i++)
	{
		double		s = aj_site_slope(grid, t[i].x, t[i].y);

		margin = fmin(margin, aj_site_margin(grid, t[i].x, t[i].y,
											 place[t[i].type].setback_m));
		if (!isnan(s))
			slope = fmax(slope, s);
	}
	rule[0] = (Rule)
	{
		"min_spacing_m", spacing_m, min_spacing_m, min_spacing_m >= spacing_m
	};
	rule[1] = (Rule)
	{
		"constraint_margin_m", 0, margin, margin >= 0
	};
	rule[2] = (Rule)
	{
		"max_slope_deg", grid->max_slope_deg, slope, slope <= grid->max_slope_deg
	};
}

static char *
compliance_csv(JsonbContainer *metrics)
{
	JsonbContainer *list = aj_require_array(metrics, "compliance");
	StringInfoData b;

	initStringInfo(&b);
	appendStringInfoString(&b, "rule,limit,actual,passed\n");
	for (uint32 i = 0; i < JsonContainerSize(list); i++)
	{
		JsonbContainer *rule = aj_item_object(list, i);

		double		actual = aj_param_number(rule, "actual", NAN, -INFINITY, INFINITY);

		/* empty: one turbine has no distance to another */
		appendStringInfo(&b, "%s,%.4f,%s,%s\n", aj_require_text(rule, "rule"),
						 aj_require_number(rule, "limit", -INFINITY, INFINITY),
						 isnan(actual) ? "" : psprintf("%.4f", actual),
						 aj_param_bool(rule, "passed", false) ? "true" : "false");
	}
	return b.data;
}

static char *
convergence_csv(const AjkLayoutResult *r)
{
	StringInfoData b;

	initStringInfo(&b);
	appendStringInfoString(&b, "evaluations,aep_gwh\n");
	for (int i = 0; i < r->ntrace; i++)
		appendStringInfo(&b, INT64_FORMAT ",%.4f\n",
						 (int64) r->trace_evaluations[i], r->trace_mwh[i] / 1000);
	return b.data;
}

/* What there is of each type */
static void
put_types(StringInfo b, const AjFarmInput *in, const AjLayoutParams *lp,
		  const AjLayoutPlace *place)
{
	appendStringInfoString(b, ",\"types\":[");
	for (int i = 0; i < in->ntypes; i++)
	{
		const AjTurbine *t = in->types[i];

		appendStringInfoString(b, i ? ",{\"turbine\":" : "{\"turbine\":");
		aj_json_string(b, t->name);
		aj_json_field(b, "count", lp->count[i], 0);
		aj_json_field(b, "capacity_kw", lp->count[i] * t->rated_kw, 3);
		aj_json_field(b, "hub_height_m", t->hub_height_m, 3);
		aj_json_field(b, "rotor_diameter_m", t->rotor_diameter_m, 3);
		aj_json_field(b, "spacing_m", aj_type_spacing(in, lp->min_spacing_d, i, i), 3);
		aj_json_field(b, "boundary_setback_m", place[i].setback_m, 3);
		appendStringInfoChar(b, '}');
	}
	appendStringInfoChar(b, ']');
}

static char *
metrics_json(const AjSiteGrid *grid, const AjFarmInput *in,
			 const AjLayoutParams *lp, const AjkLayoutResult *r,
			 double spacing_m, double min_spacing_m, const Rule *rule,
			 const AjLayoutPlace *place)
{
	StringInfoData b;

	initStringInfo(&b);
	appendStringInfo(&b, "{\"turbine_count\":%d,\"total_capacity_kw\":", lp->n);
	aj_json_number(&b, aj_turbine_capacity(in, lp->count), 3);
	appendStringInfoString(&b, ",\"min_spacing_m\":");
	aj_json_number(&b, min_spacing_m, 3);
	appendStringInfoString(&b, ",\"required_spacing_m\":");
	aj_json_number(&b, spacing_m, 3);
	appendStringInfoString(&b, ",\"aep_start_gwh\":");
	aj_json_number(&b, r->start_mwh / 1000, 6);
	appendStringInfoString(&b, ",\"aep_end_gwh\":");
	aj_json_number(&b, r->end_mwh / 1000, 6);
	appendStringInfoString(&b, ",\"improvement_pct\":");
	aj_json_number(&b, r->start_mwh > 0 ?
				   100 * (r->end_mwh / r->start_mwh - 1) : NAN, 4);
	appendStringInfo(&b, ",\"evaluations\":" INT64_FORMAT ",\"converged\":%s,\"seed\":" UINT64_FORMAT,
					 (int64) r->evaluations, r->converged ? "true" : "false",
					 lp->seed);
	appendStringInfo(&b, ",\"wake_model\":\"%s\",\"buildable_area_m2\":",
					 ajk_wake_name(in->wake.model));
	aj_json_number(&b, grid->buildable_area_m2, 0);
	appendStringInfoString(&b, ",\"turbine\":");
	aj_json_string(&b, aj_turbine_text(in, lp->count));
	if (in->ntypes > 1)
		put_types(&b, in, lp, place);
	appendStringInfoString(&b, ",\"wind\":");
	aj_json_string(&b, in->wind->name);
	appendStringInfoString(&b, ",\"convergence\":[");
	for (int i = 0; i < r->ntrace; i++)
	{
		appendStringInfo(&b, "%s[" INT64_FORMAT ",", i ? "," : "",
						 (int64) r->trace_evaluations[i]);
		aj_json_number(&b, r->trace_mwh[i] / 1000, 4);
		appendStringInfoChar(&b, ']');
	}
	appendStringInfoString(&b, "],\"compliance\":[");
	for (int i = 0; i < NRULES; i++)
	{
		appendStringInfo(&b, "%s{\"rule\":\"%s\",\"limit\":", i ? "," : "",
						 rule[i].name);
		aj_json_number(&b, rule[i].limit, 4);
		appendStringInfoString(&b, ",\"actual\":");
		aj_json_number(&b, rule[i].actual, 4);
		appendStringInfo(&b, ",\"passed\":%s}", rule[i].passed ? "true" : "false");
	}
	appendStringInfoString(&b, "]}");
	return b.data;
}

void
aj_layout_write(const AjLayoutParams *lp, const AjkLayoutResult *result,
				const AjLaidTurbine *turbine, const AjLayoutPlace *place,
				AjLaidOut *laid)
{
	const AjSiteGrid *grid = laid->grid;
	const AjFarmInput *in = &laid->farm;
	double		spacing_m;
	double		min_spacing_m;
	Rule		rule[NRULES];

	min_spacing_m = ground_spacing(grid, in, lp->min_spacing_d, turbine, lp->n,
								   &spacing_m);
	if (min_spacing_m < spacing_m)
		elog(ERROR, "spacing of %.6f m after rounding is below %.6f m",
			 min_spacing_m, spacing_m);
	compliance(grid, turbine, lp->n, place, spacing_m, min_spacing_m, rule);
	laid->geojson = turbines_geojson(grid, in, turbine, lp->n, place);
	laid->metrics = metrics_json(grid, in, lp, result, spacing_m,
								 min_spacing_m, rule, place);
	laid->convergence = convergence_csv(result);
}

Jsonb *
aj_layout_store(const AjStepInput *input, AjLaidOut *laid)
{
	StringInfoData b;
	Jsonb	   *output;
	char	   *text;

	initStringInfo(&b);
	appendStringInfo(&b, "{\"layout\":%s,\"metrics\":%s,"
					 "\"artifacts\":[\"turbine_layout\",\"layout_metrics\",\"convergence.csv\",\"compliance.csv\",\"layout_report.html\"]}",
					 laid->geojson, laid->metrics);
	output = aj_jsonb_from_text(b.data);
	aj_artifact("turbine_layout", "wind_farm_layout", "application/geo+json",
				laid->geojson, strlen(laid->geojson));
	aj_artifact("layout_metrics", "wind_farm_layout_metrics",
				"application/json", laid->metrics, strlen(laid->metrics));
	aj_artifact("convergence.csv", "convergence_table", "text/csv",
				laid->convergence, strlen(laid->convergence));
	text = compliance_csv(aj_require_object(&output->root, "metrics"));
	aj_artifact("compliance.csv", "compliance_table", "text/csv", text,
				strlen(text));
	aj_layout_report(input->params, laid->grid, &laid->farm, output);
	aj_progress(1.0, "layout done");
	return output;
}
