/*-------------------------------------------------------------------------
 *
 * test_wind_layout.c
 *		Placing turbines: spacing, determinism, packing, energy gained.
 *
 * Expected: places on a line and in a grid by closed form; IEA Wind Task
 * 37's case study 1, 16 turbines in a circle of 1,300 m, where the example
 * layout yields 366941.57 MWh and the best published one (SNOPT with
 * wake expansion continuation, AIAA 2019-0540) 418924.41 MWh.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"
#include "wind_cases.h"

#include "layout.h"
#include "surrogate.h"

#define MAX_CELLS 4000

static const AjkTurbine iea37 = {
	.diameter_m = 130,.hub_height_m = 110,.rated_kw = 3350,
	.curve = AJK_CURVE_IEA37,.cut_in_ms = 4,.rated_ms = 9.8,
	.cut_out_ms = 25,.ct_const = 8.0 / 9.0
};
static const AjkWake sbg = {AJK_WAKE_IEA37_SBG, AJK_SUPER_RSS, 0.0324555, false, 0.0};

static double cx[MAX_CELLS];
static double cy[MAX_CELLS];

static bool
in_circle(void *arg, double x, double y)
{
	double		r = *(double *) arg;

	return x * x + y * y <= r * r;
}

/* a ring of land about a lake, with a road through it */
static bool
in_ring(void *arg, double x, double y)
{
	return in_circle(arg, x, y) && x * x + y * y >= 700.0 * 700.0 &&
		fabs(x - y) > 60.0;
}

static bool
on_line(void *arg, double x, double y)
{
	(void) arg;
	return fabs(y) < 1e-9 && x >= 0.0 && x <= 1000.0;
}

static bool
in_square(void *arg, double x, double y)
{
	(void) arg;
	return x >= 0.0 && x <= 1000.0 && y >= 0.0 && y <= 1000.0;
}

static AjkWind
iea37_wind(void)
{
	AjkWind		wind;
	double		wd[16];
	double		ws = 9.8;

	for (int i = 0; i < 16; i++)
		wd[i] = 22.5 * i;
	ok(ajk_wind_from_rose(&wind, 16, wd, 1, &ws, iea37_rose) == AJK_OK,
	   "IEA37 wind rose");
	return wind;
}

static AjkArea
area_of(ajk_allowed allowed, double *radius, double cell, double spacing)
{
	AjkArea		a = {0, cx, cy, cell, allowed, radius, spacing};

	for (double y = -*radius + cell / 2; y < *radius; y += cell)
	{
		for (double x = -*radius + cell / 2; x < *radius; x += cell)
		{
			if (a.ncells < MAX_CELLS && allowed(radius, x, y))
			{
				cx[a.ncells] = x;
				cy[a.ncells++] = y;
			}
		}
	}
	return a;
}

static void
test_packing(void)
{
	AjkPacker  *p;
	AjkArea		line = {0, cx, cy, 10.0, on_line, NULL, 100.0};
	AjkArea		square = {0, cx, cy, 50.0, in_square, NULL, 500.0};
	double	   *x;
	double	   *y;
	int			n;

	for (int i = 0; i <= 100; i++)
	{
		cx[i] = 10.0 * i;
		cy[i] = 0.0;
	}
	line.ncells = 101;
	ok(ajk_packer_new(&line, &p, NULL, NULL) == AJK_OK, "a line of 1000 m");
	x = malloc(sizeof(double) * (size_t) ajk_packer_cap(p));
	y = malloc(sizeof(double) * (size_t) ajk_packer_cap(p));
	ok(ajk_packer_search(p, 50, 1, x, y, &n, NULL, NULL) == AJK_OK,
	   "packed");
	ok(n == 11, "holds 11 at 100 m (found %d)", n);
	near(ajk_min_spacing(n, x, y), 100.0, 0.0, "exactly 100 m apart");
	ok(ajk_packer_search(p, 7, 1, x, y, &n, NULL, NULL) == AJK_OK && n == 7,
	   "or as many as asked for");
	ajk_packer_free(p);
	free(x);
	free(y);

	for (int i = 0; i < 441; i++)
	{
		cx[i] = 50.0 * (i % 21);
		cy[i] = 50.0 * (i / 21);
	}
	square.ncells = 441;
	ok(ajk_packer_new(&square, &p, NULL, NULL) == AJK_OK, "a square of 1000 m");
	x = malloc(sizeof(double) * (size_t) ajk_packer_cap(p));
	y = malloc(sizeof(double) * (size_t) ajk_packer_cap(p));
	ok(ajk_packer_search(p, 50, 1, x, y, &n, NULL, NULL) == AJK_OK,
	   "packed");
	ok(n == 9, "holds 9 at 500 m (found %d)", n);
	ok(ajk_min_spacing(n, x, y) >= 500.0, "none nearer than 500 m");
	ajk_packer_free(p);
	free(x);
	free(y);
}

static void
test_surrogate(AjkWind *wind)
{
	AjkSurrogate s;
	AjkYield	yield = {0};
	AjkFarm		farm = {16, iea37_x16, iea37_y16, &iea37, sbg, 0.0, 0, NULL, NULL};
	double		x[16];
	double		y[16];
	double		tried;
	double		worst = 0.0;
	AjkRng		rng;

	ok(ajk_surrogate_init(&s, 16, &farm, wind, 120) == AJK_OK,
	   "estimate set up");
	ajk_surrogate_set(&s, 16, iea37_x16, iea37_y16, NULL, NULL);
	ajk_farm_yield(&farm, wind, &yield, NULL, NULL);
	near(s.total_mwh, yield.net_mwh, 2e-5 * yield.net_mwh,
		 "estimate of the example layout");

	/* moves followed step by step end where a fresh start does */
	ajk_rng_seed(&rng, 7);
	for (int i = 0; i < 500; i++)
	{
		double		px = 1000.0 * ajk_rng_normal(&rng);
		double		py = 1000.0 * ajk_rng_normal(&rng);

		ajk_surrogate_lift(&s, ajk_rng_below(&rng, 16));
		tried = ajk_surrogate_try(&s, px, py);
		ajk_surrogate_drop(&s, px, py);
		worst = fmax(worst, fabs(tried - s.total_mwh));
	}
	near(worst, 0.0, 1e-6, "a try says what the drop gives, MWh");
	tried = s.total_mwh;
	memcpy(x, s.x, sizeof(x));
	memcpy(y, s.y, sizeof(y));
	ajk_surrogate_set(&s, 16, x, y, NULL, NULL);
	near(tried, s.total_mwh, 1e-3, "no drift over 500 moves, MWh");
	ajk_surrogate_free(&s);
}

static long polls;
static bool
count_polls(void *arg, double fraction)
{
	bool	   *bad = arg;

	polls++;
	if (!(fraction >= 0.0 && fraction <= 1.01))
		*bad = true;
	return false;
}

static bool
stop_later(void *arg, double fraction)
{
	int		   *polls_so_far = arg;

	(void) fraction;
	return ++* polls_so_far > 5;
}

static void
test_iea37(AjkWind *wind)
{
	double		radius = 1300.0;
	double		x[16];
	double		y[16];
	double		x2[16];
	double		y2[16];
	bool		bad = false;
	bool		inside = true;
	bool		rising = true;
	int			stop = 0;
	AjkLayoutResult r = {.x = x,.y = y};
	AjkLayoutResult r2 = {.x = x2,.y = y2};
	AjkLayoutState state;
	AjkLayoutProblem p = {area_of(in_circle, &radius, 50.0, 260.0), &iea37,
	wind, sbg, 0.0, 16, 4, 60000, 42, NULL, 0.0, NULL, 0, NULL, NULL, NULL, NULL};
	AjkFarm		farm = {16, x, y, &iea37, sbg, 0.0, 0, NULL, NULL};
	AjkYield	yield = {0};

	ok(ajk_layout_optimize(&p, &r, &state, count_polls, &bad) == AJK_OK,
	   "16 turbines in a circle of 1300 m");
	for (int i = 0; i < 16; i++)
		inside = inside && in_circle(&radius, x[i], y[i]);
	ok(inside, "all inside of the circle");
	ok(ajk_min_spacing(16, x, y) >= 260.0, "2 D apart: %.17g m",
	   ajk_min_spacing(16, x, y));
	ajk_farm_yield(&farm, wind, &yield, NULL, NULL);
	near(r.end_mwh, yield.net_mwh, 0.0, "the energy said is the layout's");
	ok(r.end_mwh > r.start_mwh, "better than the lattice: %.1f > %.1f MWh",
	   r.end_mwh, r.start_mwh);
	ok(r.end_mwh > 410000.0,
	   "far better than the example layout's 366941.6: %.1f MWh", r.end_mwh);
	ok(r.end_mwh < 469536.0, "below the farm without wakes");
	ok(llabs((long long) r.evaluations - 60000) <= 10,
	   "the budget is kept: %lld", (long long) r.evaluations);
	ok(polls > 100 && !bad, "polled %ld times with a share of 0..1", polls);
	for (int i = 1; i < r.ntrace; i++)
		rising = rising && r.trace_mwh[i] >= r.trace_mwh[i - 1];
	ok(r.ntrace > 10 && rising, "convergence curve rises");

	ok(ajk_layout_optimize(&p, &r2, NULL, NULL, NULL) == AJK_OK &&
	   memcmp(x, x2, sizeof(x)) == 0 && memcmp(y, y2, sizeof(y)) == 0,
	   "same seed, same bytes, polled or not");
	p.seed = 43;
	p.max_evaluations = 5000;
	ok(ajk_layout_optimize(&p, &r2, NULL, NULL, NULL) == AJK_OK &&
	   memcmp(x, x2, sizeof(x)) != 0, "another seed, another layout");
	ok(ajk_layout_optimize(&p, &r2, NULL, stop_later, &stop) == AJK_STOPPED,
	   "stops when the poll says so");
	ok(stop == 6, "and does not ask again");

	p.n = 200;
	ok(ajk_layout_optimize(&p, &r, NULL, NULL, NULL) == AJK_INFEASIBLE,
	   "200 do not fit");

	/*
	 * Groemer's bound for a convex area A of perimeter P: 2 A / (sqrt(3) d^2)
	 * + P / (2 d) + 1 = 107.4; a hexagonal lattice alone gets 78.
	 */
	ok(r.n_fit >= 85 && r.n_fit <= 107, "says that %d do", r.n_fit);
	p.n = 78;
	p.max_evaluations = 400;
	{
		double		x78[78];
		double		y78[78];

		r.x = x78;
		r.y = y78;
		ok(ajk_layout_optimize(&p, &r, NULL, NULL, NULL) == AJK_OK &&
		   ajk_min_spacing(78, x78, y78) >= 260.0, "78 are placed");
	}
	p.area.ncells = 0;
	p.n = 16;
	ok(ajk_layout_optimize(&p, &r2, NULL, NULL, NULL) == AJK_INFEASIBLE &&
	   r2.n_fit == 0, "nothing fits where nothing is allowed");
	p.n = 0;
	ok(ajk_layout_optimize(&p, &r2, NULL, NULL, NULL) == AJK_INVALID,
	   "no turbines is refused");
}

static double
circle_margin(void *arg, double x, double y)
{
	return *(double *) arg - 1e-8 - sqrt(x * x + y * y);
}

static bool
within_circle(void *arg, double x, double y)
{
	return circle_margin(arg, x, y) >= 0.0;
}

static double ticks;
static double
clock_of_ticks(void)
{
	return ticks += 0.01;
}

/*
 * The published best of case study 1 (SNOPT with wake expansion continuation,
 * Thomas and Ning, AIAA 2019-0540), in a second's work.
 */
static void
test_record(AjkWind *wind)
{
	double		radius = 1300.0;
	double		x[16];
	double		y[16];
	int			rim = 0;
	AjkLayoutResult r = {.x = x,.y = y};
	AjkLayoutProblem p = {area_of(within_circle, &radius, 50.0, 260.0 + 1e-8),
	&iea37, wind, sbg, 0.0, 16, 1, 250000, 42, circle_margin, 0.0, NULL, 0, NULL, NULL, NULL, NULL};

	ok(ajk_layout_optimize(&p, &r, NULL, NULL, NULL) == AJK_OK,
	   "16 turbines, 250,000 places");
	ok(r.end_mwh > 418924.406, "better than the published best: %.2f MWh",
	   r.end_mwh);
	for (int i = 0; i < 16; i++)
		rim += hypot(x[i], y[i]) > 1300.0 - 1e-4;
	ok(rim >= 3, "%d turbines on the rim itself", rim);

	/* a clock that jumps ends the search early */
	p.time_budget_s = 5.0;
	p.seconds = clock_of_ticks;
	p.max_evaluations = 100000000;
	ok(ajk_layout_optimize(&p, &r, NULL, NULL, NULL) == AJK_OK &&
	   r.evaluations < 1000000, "a time budget: %lld places tried",
	   (long long) r.evaluations);
}

/*
 * A line that is full: no place but the ones that are taken is free, and the
 * search still comes to its end.
 */
static void
test_full(AjkWind *wind)
{
	double		x[11];
	double		y[11];
	AjkLayoutResult r = {.x = x,.y = y};
	AjkLayoutProblem p = {{101, cx, cy, 10.0, on_line, NULL, 100.0}, &iea37,
	wind, sbg, 0.0, 11, 2, 20000, 42, NULL, 0.0, NULL, 0, NULL, NULL, NULL, NULL};

	for (int i = 0; i <= 100; i++)
	{
		cx[i] = 10.0 * i;
		cy[i] = 0.0;
	}
	ok(ajk_layout_optimize(&p, &r, NULL, NULL, NULL) == AJK_OK &&
	   r.evaluations <= 20010, "a full line: %lld places tried",
	   (long long) r.evaluations);
	near(ajk_min_spacing(11, x, y), 100.0, 0.0, "all still 100 m apart");
}

static double
square_margin(void *arg, double x, double y)
{
	return *(double *) arg - fmax(fabs(x), fabs(y));
}

static bool
fits_square(void *arg, double x, double y)
{
	return square_margin(arg, x, y) >= 0.0;
}

/*
 * Turbines that fit into a square by half a metre, where the candidates are
 * 30 m apart; and one more than do.
 */
static void
test_tight(AjkWind *wind)
{
	double		half;
	double		x[16];
	double		y[16];
	AjkLayoutProblem p = {0};
	AjkLayoutResult r = {.x = x,.y = y};

	p.turbine = &iea37;
	p.wind = wind;
	p.wake = sbg;
	p.nstarts = 1;
	p.max_evaluations = 100;
	p.margin = square_margin;
	for (int k = 2; k <= 4; k++)
	{
		bool		good;

		half = 325.0 * (k - 1) + 0.25;
		p.n = k * k;
		p.seed = 42;
		p.area = area_of(fits_square, &half, 30, 650);
		good = ajk_layout_optimize(&p, &r, NULL, NULL, NULL) == AJK_OK &&
			ajk_min_spacing(p.n, x, y) >= 650.0;
		for (int i = 0; good && i < p.n; i++)
			good = fits_square(&half, x[i], y[i]);
		ok(good, "%d turbines fill a square", p.n);
	}

	/* three, since its sides are shorter than the spacing */
	half = 324.5;
	p.n = 4;
	p.area = area_of(fits_square, &half, 30, 650);
	ok(ajk_layout_optimize(&p, &r, NULL, NULL, NULL) == AJK_INFEASIBLE && r.n_fit == 3,
	   "a metre less has room for three, not %d", r.n_fit);
}

/* Land with a hole and a cut, a Weibull wind, a tight spacing. */
static void
test_irregular(void)
{
	AjkWeibull	w = {12, hornsrev_freq, hornsrev_a, hornsrev_k, 0.0};
	double		radius = 2000.0;
	AjkWind		wind;
	double		x[20];
	double		y[20];
	bool		allowed = true;
	AjkLayoutResult r = {.x = x,.y = y};
	AjkLayoutProblem p = {area_of(in_ring, &radius, 80.0, 650.0), &iea37,
	&wind, sbg, -1.5, 20, 3, 6000, 1, NULL, 0.0, NULL, 0, NULL, NULL, NULL, NULL};

	ok(ajk_wind_from_weibull(&wind, &w, 5.0, 3.0, 25.0, 1.0) == AJK_OK,
	   "Weibull wind");
	ok(ajk_layout_optimize(&p, &r, NULL, NULL, NULL) == AJK_OK,
	   "20 turbines 5 D apart about a lake");
	for (int i = 0; i < 20; i++)
		allowed = allowed && in_ring(&radius, x[i], y[i]);
	ok(allowed, "none in the lake or on the road");
	ok(ajk_min_spacing(20, x, y) >= 650.0, "5 D apart: %.17g m",
	   ajk_min_spacing(20, x, y));
	ok(r.end_mwh >= r.start_mwh && isfinite(r.end_mwh),
	   "energy %.1f of %.1f MWh", r.end_mwh, r.start_mwh);

	/* the other models' estimates lead uphill, too */
	p.n = 9;
	p.max_evaluations = 3000;
	for (int m = 0; m < AJK_WAKE_MODELS; m++)
	{
		p.wake.ti = 0.1;
		p.wake.model = (AjkWakeModel) m;
		p.wake.k = ajk_wake_default_k(p.wake.model);
		ok(ajk_layout_optimize(&p, &r, NULL, NULL, NULL) == AJK_OK &&
		   r.end_mwh > r.start_mwh, "%s: %.1f of %.1f MWh",
		   ajk_wake_name(p.wake.model), r.end_mwh, r.start_mwh);
	}
	ajk_wind_free(&wind);
}

int
main(void)
{
	AjkWind		wind = iea37_wind();

	test_packing();
	test_surrogate(&wind);
	test_iea37(&wind);
	test_record(&wind);
	test_full(&wind);
	test_tight(&wind);
	test_irregular();
	ajk_wind_free(&wind);
	return unit_done();
}
