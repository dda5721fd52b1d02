/*-------------------------------------------------------------------------
 *
 * layout_step.c
 *		The layout step: where the turbines of a site should stand.
 *
 * Input: site, DEM, wind resource, turbine, and how many (n_turbines) or how
 * much (target_capacity_kw).  Candidates are the buildable cells of the
 * site's grid; every place the optimiser looks at is tested exactly against
 * boundary setback and zone buffers (see layout.c for the search).
 *
 * Spacing is promised for the coordinates that are written out, on the
 * ground: the search therefore works in ground metres about the site's
 * middle and keeps a few centimetres more than asked for, which covers the
 * variation of the projection's scale over the site and the rounding to
 * 1e-7 degrees.  After rounding all constraints are verified once more.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "layout_step.h"
#include "report_svg.h"
#include "terrain_detail.h"

#include <math.h>

#include "../kernels/geodesy.h"
#include "../kernels/layout.h"

#include "portability/instr_time.h"

PG_FUNCTION_INFO_V1(aj_step_layout);
PG_FUNCTION_INFO_V1(aj_check_layout);
PG_FUNCTION_INFO_V1(aj_check_full_analysis);

/* Kept beyond every limit; half a step of 1e-7 degrees is 6 mm. */
#define ROUNDING_M 0.03

/* Above this the grid's cells are thinned out as candidates. */
#define MAX_CANDIDATES 300000

typedef struct LayoutParams
{
	int			n;
	double		min_spacing_d;
	uint64		seed;
	int64		max_evaluations;
	double		time_budget_s;	/* 0: none */
	int			nstarts;
} LayoutParams;

/* From the kernel's ground metres about the middle to the site's grid */
typedef struct Place
{
	const AjSiteGrid *grid;
	double		setback_m;
	double		mx;
	double		my;
} Place;

typedef struct Report
{
	AjPoll		poll;
	const AjkLayoutState *state;
	int			nstarts;
	char		message[128];
} Report;

/* A turbine of the result */
typedef struct Turbine
{
	double		x;				/* grid metres */
	double		y;
	double		lon;			/* rounded */
	double		lat;
} Turbine;

static void
layout_params(JsonbContainer *params, double rated_kw, LayoutParams *lp)
{
	bool		by_n = aj_param_exists(params, "n_turbines");
	bool		by_kw = aj_param_exists(params, "target_capacity_kw");

	if (by_n == by_kw)
		aj_step_error(AJ_ERRCODE_VALIDATION,
					  by_n ? "parameter_conflict" : "parameter_missing",
					  by_n ? "both \"n_turbines\" and \"target_capacity_kw\" are given" :
					  "parameter \"n_turbines\" is missing", NULL,
					  "Give either \"n_turbines\", the number of turbines, or \"target_capacity_kw\", the capacity to reach.");
	if (by_n)
		lp->n = aj_require_int(params, "n_turbines", 1, AJ_MAX_TURBINES);
	else
		lp->n = (int) ceil(aj_require_number(params, "target_capacity_kw",
											 1, AJ_MAX_TURBINES * rated_kw) /
						   rated_kw - 1e-9);
	lp->min_spacing_d = aj_param_number(params, "min_spacing_d", 5, 1, 50);
	lp->seed = (uint64) aj_param_number(params, "seed", 42, 0, 9e15);
	lp->time_budget_s = aj_param_number(params, "time_budget_s", 0, 0, 86400);
	lp->max_evaluations = (int64) aj_param_number(params, "max_evaluations",
												  lp->time_budget_s > 0 ? 1e12 :
												  Min(Max(5000 * lp->n, 100000), 400000),
												  100, 1e12);

	/*
	 * many turbines settle late: one slow annealing is worth more than
	 * several
	 */
	lp->nstarts = aj_param_int(params, "n_starts", lp->n < 20 ? 2 : 1, 1, 100);
}

AjSiteGridDefaults
aj_layout_defaults(const AjFarmInput *in)
{
	AjSiteGridDefaults d = {15.0, 0.5 * in->turbine->rotor_diameter_m};

	return d;
}

void
aj_check_layout_params(const AjStepInput *input)
{
	AjFarmInput in;
	LayoutParams lp;
	AjSiteGridDefaults defaults = {0};

	aj_farm_input(input, AJK_WAKE_IEA37_SBG, true, &in);
	layout_params(input->params, in.turbine->rated_kw, &lp);
	defaults = aj_layout_defaults(&in);
	aj_site_grid_check(input->params, &defaults);
}

/*
 * check_layout(params jsonb) returns void
 */
Datum
aj_check_layout(PG_FUNCTION_ARGS)
{
	static const char *const known[] = {
		AJ_SITE_GRID_PARAMS, AJ_WIND_FARM_PARAMS, AJ_LAYOUT_PARAMS, "title",
		NULL
	};
	AjStepInput in;

	aj_step_input(PG_GETARG_JSONB_P(0), &in);
	aj_check_params(in.params, known);
	aj_check_layout_params(&in);
	PG_RETURN_VOID();
}

/*
 * check_full_analysis(params jsonb) returns void
 */
Datum
aj_check_full_analysis(PG_FUNCTION_ARGS)
{
	static const char *const known[] = {
		AJ_SITE_GRID_PARAMS, AJ_WIND_FARM_PARAMS, AJ_LAYOUT_PARAMS,
		AJ_SIMULATION_PARAMS, AJ_WIND_SERIES_PARAMS,
		AJ_TERRAIN_DETAIL_PARAMS, "title", NULL
	};
	AjStepInput in;

	aj_step_input(PG_GETARG_JSONB_P(0), &in);
	aj_check_params(in.params, known);
	aj_check_wind_resource_params(in.params);
	aj_check_layout_params(&in);
	aj_check_simulation_params(&in);
	aj_terrain_detail_check(in.params);
	(void) aj_param_text(in.params, "title", NULL);
	PG_RETURN_VOID();
}

/* ---- the search ---- */

/* What the cell says of the ground itself; the rest is tested exactly. */
static bool
ground_allowed(const AjSiteGrid *grid, double x, double y)
{
	double		col = floor((x - grid->x0) / grid->cell_m);
	double		row = floor((grid->y0 - y) / grid->cell_m);

	if (!(col >= 0 && col < grid->ncols && row >= 0 && row < grid->nrows))
		return false;
	return (grid->reasons[(Size) row * grid->ncols + (Size) col] &
			(AJ_REASON_NODATA | AJ_REASON_SLOPE | AJ_REASON_SMALL_PATCH)) == 0;
}

static bool
place_allowed(void *arg, double x, double y)
{
	const Place *p = arg;
	double		gx = p->mx + x * p->grid->k;
	double		gy = p->my + y * p->grid->k;

	return ground_allowed(p->grid, gx, gy) &&
		aj_site_margin(p->grid, gx, gy, p->setback_m) >= ROUNDING_M;
}

/* Ground metres to spare, for the search to put turbines on a boundary */
static double
place_margin(void *arg, double x, double y)
{
	const Place *p = arg;

	return aj_site_margin(p->grid, p->mx + x * p->grid->k,
						  p->my + y * p->grid->k, p->setback_m) - ROUNDING_M;
}

static double
clock_seconds(void)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	return INSTR_TIME_GET_DOUBLE(now);
}

static bool
report_poll(void *arg, double fraction)
{
	Report	   *r = arg;
	const AjkLayoutState *s = r->state;

	if (s->best_mwh > 0)
	{
		if (s->start > r->nstarts)
			snprintf(r->message, sizeof(r->message),
					 "refining the best layout: %.2f GWh/yr, %+.2f %% over a regular grid",
					 s->best_mwh / 1000, 100 * (s->best_mwh / s->first_mwh - 1));
		else
			snprintf(r->message, sizeof(r->message),
					 "start %d of %d: best %.2f GWh/yr, %+.2f %% over a regular grid",
					 s->start, r->nstarts, s->best_mwh / 1000,
					 100 * (s->best_mwh / s->first_mwh - 1));
	}
	return aj_poll(&r->poll, fraction);
}

/* Centres of the buildable cells, about the middle, evenly thinned out. */
static void
candidates(const AjSiteGrid *grid, const Place *p, AjkArea *area)
{
	Size		cells = (Size) grid->ncols * grid->nrows;
	Size		free_cells = 0;
	int			step = 1;
	double	   *cx;
	double	   *cy;
	int			n = 0;

	for (Size i = 0; i < cells; i++)
		free_cells += grid->reasons[i] == 0;
	while (free_cells / ((Size) step * step) > MAX_CANDIDATES)
		step++;
	cx = palloc(sizeof(double) * (free_cells + 1));
	cy = palloc(sizeof(double) * (free_cells + 1));
	for (int row = step / 2; row < grid->nrows; row += step)
	{
		CHECK_FOR_INTERRUPTS();
		for (int col = step / 2; col < grid->ncols; col += step)
		{
			if (grid->reasons[(Size) row * grid->ncols + col] != 0)
				continue;
			cx[n] = (grid->x0 + (col + 0.5) * grid->cell_m - p->mx) / grid->k;
			cy[n] = (grid->y0 - (row + 0.5) * grid->cell_m - p->my) / grid->k;
			n++;
		}
	}
	area->ncells = n;
	area->cx = cx;
	area->cy = cy;
	area->cell_m = grid->cell_m * step / grid->k;
}

/* How much larger than at the middle is the scale anywhere on the grid? */
static double
scale_spread(const AjSiteGrid *grid)
{
	AjkTm		tm = ajk_tm_utm(grid->zone, grid->south);
	double		most = grid->k;

	for (int i = 0; i < 4; i++)
	{
		double		lon,
					lat;

		aj_site_lonlat(grid,
					   grid->x0 + (i & 1) * grid->ncols * grid->cell_m,
					   grid->y0 - (i >> 1) * grid->nrows * grid->cell_m,
					   &lon, &lat);
		most = fmax(most, ajk_tm_scale(&tm, lon, lat));
	}
	return most / grid->k;
}

/*
 * Round a turbine's coordinates to the seven decimals that are written, to a
 * neighbouring value if the nearest should not be allowed.
 */
static bool
round_place(const Place *p, double x, double y, Turbine *t)
{
	double		lon,
				lat;

	aj_site_lonlat(p->grid, x, y, &lon, &lat);
	for (int i = 0; i < 9; i++)
	{
		t->lon = (floor(lon * 1e7 + 0.5) + (i + 1) % 3 - 1) / 1e7;
		t->lat = (floor(lat * 1e7 + 0.5) + (i / 3 + 1) % 3 - 1) / 1e7;
		aj_site_xy(p->grid, t->lon, t->lat, &t->x, &t->y);
		if (ground_allowed(p->grid, t->x, t->y) &&
			aj_site_margin(p->grid, t->x, t->y, p->setback_m) >= 0)
			return true;
	}
	return false;
}

/* Smallest distance on the ground between the rounded places. */
static double
ground_spacing(const AjSiteGrid *grid, const Turbine *t, int n, double about)
{
	AjkTm		tm = ajk_tm_utm(grid->zone, grid->south);
	double		least = INFINITY;

	for (int i = 0; i < n; i++)
	{
		for (int j = 0; j < i; j++)
		{
			double		d = hypot(t[i].x - t[j].x, t[i].y - t[j].y);
			double		k = grid->k;

			if (d < about * 1.01)
				k = ajk_tm_scale(&tm, 0.5 * (t[i].lon + t[j].lon),
								 0.5 * (t[i].lat + t[j].lat));
			least = fmin(least, d / k);
		}
	}
	return least;
}

static int
compare_west_east(const void *a, const void *b)
{
	const Turbine *ta = a;
	const Turbine *tb = b;

	if (ta->lon != tb->lon)
		return ta->lon < tb->lon ? -1 : 1;
	return ta->lat < tb->lat ? -1 : ta->lat > tb->lat;
}

static AJ_NORETURN void
refuse_infeasible(const AjSiteGrid *grid, const AjFarmInput *in,
				  const LayoutParams *lp, double spacing_m, int n_fit)
{
	char	   *hint;

	if (n_fit == 0)
		aj_no_buildable_area(grid);
	if (lp->min_spacing_d > 3)
		hint = psprintf("Ask for at most %d turbines (%.0f kW), or lower min_spacing_d from %.4g.",
						n_fit, n_fit * in->turbine->rated_kw,
						lp->min_spacing_d);
	else
		hint = psprintf("Ask for at most %d turbines (%.0f kW), or for a larger site.",
						n_fit, n_fit * in->turbine->rated_kw);
	aj_step_error(AJ_ERRCODE_INFEASIBLE, "spacing_infeasible",
				  psprintf("%d turbines do not fit: %d is the largest number found that does",
						   lp->n, n_fit),
				  psprintf("%.1f ha of the site's %.1f ha are buildable; turbines must stand %.1f m (%.4g rotor diameters) apart.",
						   grid->buildable_area_m2 / 1e4,
						   grid->site_area_m2 / 1e4, spacing_m,
						   lp->min_spacing_d),
				  hint);
}

/* ---- output ---- */

static char *
turbines_geojson(const AjSiteGrid *grid, const AjFarmInput *in,
				 const Turbine *t, int n, double setback_m)
{
	AjGeoJson	gj;

	aj_geojson_begin(&gj);
	for (int i = 0; i < n; i++)
	{
		StringInfoData p;

		initStringInfo(&p);
		appendStringInfo(&p, "\"turbine_id\":%d,\"capacity_mw\":", i + 1);
		aj_json_number(&p, in->turbine->rated_kw / 1000, 6);
		appendStringInfoString(&p, ",\"hub_height_m\":");
		aj_json_number(&p, in->turbine->hub_height_m, 3);
		appendStringInfoString(&p, ",\"rotor_diameter_m\":");
		aj_json_number(&p, in->turbine->rotor_diameter_m, 3);
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
}			Rule;

#define NRULES 3

static void
compliance(const AjSiteGrid *grid, const Turbine *t, int n, double setback_m,
		   double spacing_m, double min_spacing_m, Rule * rule)
{
	double		margin = INFINITY;
	double		slope = 0;

	for (int i = 0; i < n; i++)
	{
		double		s = aj_site_slope(grid, t[i].x, t[i].y);

		margin = fmin(margin, aj_site_margin(grid, t[i].x, t[i].y, setback_m));
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

static char *
metrics_json(const AjSiteGrid *grid, const AjFarmInput *in,
			 const LayoutParams *lp, const AjkLayoutResult *r,
			 double spacing_m, double min_spacing_m, const Rule * rule)
{
	StringInfoData b;

	initStringInfo(&b);
	appendStringInfo(&b, "{\"turbine_count\":%d,\"total_capacity_kw\":", lp->n);
	aj_json_number(&b, lp->n * in->turbine->rated_kw, 3);
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
	aj_json_string(&b, in->turbine->name);
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
aj_layout_search(const AjStepInput *input, double seed, AjLaidOut * laid)
{
	AjFarmInput in;
	LayoutParams lp;
	AjSiteGridDefaults defaults = {0};
	AjSiteGrid *grid;
	AjkWind		climate;
	AjkLayoutState state = {0};
	AjkLayoutResult result = {0};
	AjkLayoutProblem problem = {0};
	Report		report = {{0.1, 0.99, NULL}, &state, 0, "placing turbines"};
	Place		place;
	Turbine    *turbines;
	AjkError	err;
	double		spacing_m;
	double		min_spacing_m;
	double		lon,
				lat;
	Rule		rule[NRULES];

	aj_farm_input(input, AJK_WAKE_IEA37_SBG, false, &in);
	in.wake.super = AJK_SUPER_RSS;
	layout_params(input->params, in.turbine->rated_kw, &lp);
	if (seed >= 0)
		lp.seed = (uint64) seed;
	defaults = aj_layout_defaults(&in);
	aj_farm_climate(&in, &climate);
	grid = aj_site_grid_load(input->params, &defaults, 0, 0.1);
	spacing_m = lp.min_spacing_d * in.turbine->rotor_diameter_m;

	place.grid = grid;
	place.setback_m = grid->boundary_setback_m;
	place.mx = grid->x0 + 0.5 * grid->ncols * grid->cell_m;
	place.my = grid->y0 - 0.5 * grid->nrows * grid->cell_m;
	report.poll.message = report.message;
	report.nstarts = lp.nstarts;

	aj_compute_begin();
	candidates(grid, &place, &problem.area);
	if (problem.area.ncells == 0)
	{
		aj_compute_end();
		aj_no_buildable_area(grid);
	}
	aj_site_lonlat(grid, place.mx, place.my, &lon, &lat);
	problem.area.allowed = place_allowed;
	problem.area.allowed_arg = &place;
	problem.area.spacing_m = spacing_m * scale_spread(grid) + ROUNDING_M;
	problem.turbine = &in.kturbine;
	problem.wind = &climate;
	problem.wake = in.wake;
	problem.true_north_deg = aj_true_north(grid->zone, grid->south, lon, lat);
	problem.n = lp.n;
	problem.nstarts = lp.nstarts;
	problem.max_evaluations = lp.max_evaluations;
	problem.seed = lp.seed;
	problem.margin = place_margin;
	problem.time_budget_s = lp.time_budget_s;
	problem.seconds = lp.time_budget_s > 0 ? clock_seconds : NULL;
	aj_check_memory(problem.area.ncells * 80.0 +
					lp.n * 4.0 * sizeof(double) * Min(climate.nwd, 72),
					psprintf("%d candidate places and %d turbines",
							 problem.area.ncells, lp.n),
					"Raise resolution_m or asyncjob.max_step_memory.");
	result.x = palloc(sizeof(double) * lp.n);
	result.y = palloc(sizeof(double) * lp.n);
	err = ajk_layout_optimize(&problem, &result, &state, report_poll, &report);
	aj_compute_end();
	if (err == AJK_INFEASIBLE)
		refuse_infeasible(grid, &in, &lp, spacing_m, result.n_fit);
	aj_kernel_failed(err, "layout optimisation");

	turbines = palloc(sizeof(Turbine) * lp.n);
	for (int i = 0; i < lp.n; i++)
		if (!round_place(&place, place.mx + result.x[i] * grid->k,
						 place.my + result.y[i] * grid->k, &turbines[i]))
			elog(ERROR, "turbine at %.3f, %.3f violates a constraint after rounding",
				 result.x[i], result.y[i]);
	qsort(turbines, lp.n, sizeof(Turbine), compare_west_east);
	min_spacing_m = ground_spacing(grid, turbines, lp.n, spacing_m);
	if (min_spacing_m < spacing_m)
		elog(ERROR, "spacing of %.6f m after rounding is below %.6f m",
			 min_spacing_m, spacing_m);

	compliance(grid, turbines, lp.n, place.setback_m, spacing_m, min_spacing_m,
			   rule);
	laid->grid = grid;
	laid->farm = in;
	laid->geojson = turbines_geojson(grid, &in, turbines, lp.n, place.setback_m);
	laid->metrics = metrics_json(grid, &in, &lp, &result, spacing_m,
								 min_spacing_m, rule);
	laid->convergence = convergence_csv(&result);
}

Jsonb *
aj_layout_store(const AjStepInput *input, AjLaidOut * laid)
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

/*
 * step_layout(input jsonb) returns jsonb
 */
Datum
aj_step_layout(PG_FUNCTION_ARGS)
{
	AjStepInput input;
	AjLaidOut	laid;

	aj_step_input(PG_GETARG_JSONB_P(0), &input);
	aj_layout_search(&input, -1, &laid);
	PG_RETURN_JSONB_P(aj_layout_store(&input, &laid));
}
