/*-------------------------------------------------------------------------
 *
 * layout_step.c
 *		The layout step: where the turbines of a site should stand.
 *
 * Input: site, DEM, wind resource, turbine, and how many (n_turbines) or how
 * much (target_capacity_kw), or several types of turbines with their counts.
 * Candidates are the buildable cells of the site's grid; every place the
 * optimiser looks at is tested exactly against boundary setback and zone
 * buffers (see layout.c for the search).
 *
 * min_spacing_d counts in diameters of the larger of two rotors: a turbine's
 * distance from what makes the wake is told in diameters of that, and as the
 * wind comes from all sides each of the two is that at times.  The boundary
 * setback is each type's own rotor radius, unless given.
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

typedef struct Report
{
	AjPoll		poll;
	const AjkLayoutState *state;
	int			nstarts;
	char		message[128];
} Report;

static void
layout_params(JsonbContainer *params, const AjFarmInput *in, AjLayoutParams *lp)
{
	lp->n = aj_turbine_counts(params, in, lp->count);
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

/* The grid shows what the smallest rotor may be built on. */
AjSiteGridDefaults
aj_layout_defaults(const AjFarmInput *in)
{
	AjSiteGridDefaults d = {15.0, 0.5 * in->turbine->rotor_diameter_m};

	for (int i = 1; i < in->ntypes; i++)
		d.boundary_setback_m = fmin(d.boundary_setback_m,
									0.5 * in->types[i]->rotor_diameter_m);
	return d;
}

double
aj_layout_setback(JsonbContainer *params, const AjFarmInput *in, int type)
{
	return aj_param_number(params, "boundary_setback_m",
						   0.5 * in->types[type]->rotor_diameter_m, 0, 10000);
}

void
aj_check_layout_params(const AjStepInput *input)
{
	AjFarmInput in;
	AjLayoutParams lp;
	AjSiteGridDefaults defaults = {0};

	aj_farm_input(input, AJK_WAKE_IEA37_SBG, true, NULL, &in);
	layout_params(input->params, &in, &lp);
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
	aj_check_simulation_params(&in, NULL);
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
	const AjLayoutPlace *p = arg;
	double		gx = p->mx + x * p->grid->k;
	double		gy = p->my + y * p->grid->k;

	return ground_allowed(p->grid, gx, gy) &&
		aj_site_margin(p->grid, gx, gy, p->setback_m) >= ROUNDING_M;
}

/* Ground metres to spare, for the search to put turbines on a boundary */
static double
place_margin(void *arg, double x, double y)
{
	const AjLayoutPlace *p = arg;

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
candidates(const AjSiteGrid *grid, const AjLayoutPlace *p, AjkArea *area)
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
round_place(const AjLayoutPlace *p, double x, double y, AjLaidTurbine *t)
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

static int
compare_west_east(const void *a, const void *b)
{
	const AjLaidTurbine *ta = a;
	const AjLaidTurbine *tb = b;

	if (ta->lon != tb->lon)
		return ta->lon < tb->lon ? -1 : 1;
	return ta->lat < tb->lat ? -1 : ta->lat > tb->lat;
}

static AJ_NORETURN void
refuse_infeasible(const AjSiteGrid *grid, const AjFarmInput *in,
				  const AjLayoutParams *lp, double spacing_m, int n_fit)
{
	char	   *hint;

	if (n_fit == 0)
		aj_no_buildable_area(grid);
	hint = psprintf(in->ntypes == 1 ? "Ask for at most %d turbines (%.0f kW), or " :
					"Ask for at most %d turbines, or for fewer of the large type, or ",
					n_fit, n_fit * in->turbine->rated_kw);
	hint = lp->min_spacing_d > 3 ?
		psprintf("%slower min_spacing_d from %.4g.", hint, lp->min_spacing_d) :
		psprintf("%sfor a larger site.", hint);
	aj_step_error(AJ_ERRCODE_INFEASIBLE, "spacing_infeasible",
				  psprintf("%d turbines do not fit: %d is the largest number found that does",
						   lp->n, n_fit),
				  psprintf("%.1f ha of the site's %.1f ha are buildable; turbines must stand %s%.1f m (%.4g rotor diameters) apart.",
						   grid->buildable_area_m2 / 1e4,
						   grid->site_area_m2 / 1e4,
						   in->ntypes == 1 ? "" : "up to ", spacing_m,
						   lp->min_spacing_d),
				  hint);
}

/* Turbines in the order in which they are placed, the largest first */
static int *
turbine_order(const AjFarmInput *in, const AjLayoutParams *lp)
{
	int		   *type = palloc(sizeof(int) * lp->n);
	bool		done[AJ_MAX_TURBINE_TYPES] = {false};
	int			n = 0;

	for (int k = 0; k < in->ntypes; k++)
	{
		int			next = -1;

		for (int i = 0; i < in->ntypes; i++)
			if (!done[i] && (next < 0 || in->types[i]->rotor_diameter_m >
							 in->types[next]->rotor_diameter_m))
				next = i;
		done[next] = true;
		for (int i = 0; i < lp->count[next]; i++)
			type[n++] = next;
	}
	return type;
}

/*
 * What the search has to know of several types.  Places and spacing of the
 * problem itself become the largest type's.
 */
static void
set_types(AjkLayoutProblem *problem, const AjFarmInput *in,
		  const AjLayoutParams *lp, AjLayoutPlace *place)
{
	int			n = in->ntypes;
	double	   *spacing = palloc(sizeof(double) * n * n);
	void	  **arg = palloc(sizeof(void *) * n);
	double		scale = problem->area.spacing_m;
	int			widest = 0;

	for (int a = 0; a < n; a++)
	{
		arg[a] = &place[a];
		if (place[a].setback_m > place[widest].setback_m)
			widest = a;
		for (int b = 0; b < n; b++)
		{
			spacing[a * n + b] = aj_type_spacing(in, lp->min_spacing_d, a, b) *
				scale + ROUNDING_M;
			problem->area.spacing_m = a + b == 0 ? spacing[0] :
				fmax(problem->area.spacing_m, spacing[a * n + b]);
		}
	}
	problem->area.allowed_arg = &place[widest];
	if (n == 1)
		return;
	problem->ntypes = n;
	problem->type = turbine_order(in, lp);
	problem->spacing_m = spacing;
	problem->place_arg = arg;
	problem->speed_factor = in->speed_factor;
}

void
aj_layout_search(const AjStepInput *input, double seed, AjLaidOut *laid)
{
	AjFarmInput in;
	AjLayoutParams lp;
	AjSiteGridDefaults defaults = {0};
	AjSiteGrid *grid;
	AjkWind		climate;
	AjkLayoutState state = {0};
	AjkLayoutResult result = {0};
	AjkLayoutProblem problem = {0};
	Report		report = {{0.1, 0.99, NULL}, &state, 0, "placing turbines"};
	AjLayoutPlace place[AJ_MAX_TURBINE_TYPES];
	AjLaidTurbine *turbines;
	AjkError	err;
	double		lon,
				lat;

	aj_farm_input(input, AJK_WAKE_IEA37_SBG, false, NULL, &in);
	in.wake.super = AJK_SUPER_RSS;
	layout_params(input->params, &in, &lp);
	if (seed >= 0)
		lp.seed = (uint64) seed;
	defaults = aj_layout_defaults(&in);
	aj_farm_climate(&in, &climate);
	grid = aj_site_grid_load(input->params, &defaults, 0, 0.1);
	for (int i = 0; i < in.ntypes; i++)
	{
		place[i].grid = grid;
		place[i].setback_m = aj_layout_setback(input->params, &in, i);
		place[i].mx = grid->x0 + 0.5 * grid->ncols * grid->cell_m;
		place[i].my = grid->y0 - 0.5 * grid->nrows * grid->cell_m;
	}
	report.poll.message = report.message;
	report.nstarts = lp.nstarts;

	aj_compute_begin();
	candidates(grid, place, &problem.area);
	if (problem.area.ncells == 0)
	{
		aj_compute_end();
		aj_no_buildable_area(grid);
	}
	aj_site_lonlat(grid, place->mx, place->my, &lon, &lat);
	problem.area.allowed = place_allowed;
	problem.area.spacing_m = scale_spread(grid);
	set_types(&problem, &in, &lp, place);
	problem.turbine = in.ktypes;
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
	{
		double		spacing_m = 0;

		for (int i = 0; i < in.ntypes; i++)
			spacing_m = fmax(spacing_m, aj_type_spacing(&in, lp.min_spacing_d, i, i));
		refuse_infeasible(grid, &in, &lp, spacing_m, result.n_fit);
	}
	aj_kernel_failed(err, "layout optimisation");

	turbines = palloc(sizeof(AjLaidTurbine) * lp.n);
	for (int i = 0; i < lp.n; i++)
	{
		int			type = problem.type ? problem.type[i] : 0;

		turbines[i].type = type;
		if (!round_place(&place[type], place->mx + result.x[i] * grid->k,
						 place->my + result.y[i] * grid->k, &turbines[i]))
			elog(ERROR, "turbine at %.3f, %.3f violates a constraint after rounding",
				 result.x[i], result.y[i]);
	}
	qsort(turbines, lp.n, sizeof(AjLaidTurbine), compare_west_east);
	laid->grid = grid;
	laid->farm = in;
	aj_layout_write(&lp, &result, turbines, place, laid);
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
