/*-------------------------------------------------------------------------
 *
 * iea37.c
 *		Optimises the layout of IEA Wind Task 37's case study 1.
 *
 *		iea37 TURBINES SECONDS SEED [STARTS] > layout
 *
 * Prints a comment line and one line "x y" a turbine, in metres with all
 * digits.  rescore.pl, which shares no code with this, says what it is worth.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "layout.h"

#define CELL 25.0

/*
 * The scorer works with another order of operations: keep so much, in
 * metres, within every limit that rounding cannot matter.
 */
#define MARGIN 1e-8

static const double rose[] = {
	0.025, 0.024, 0.029, 0.036, 0.063, 0.065, 0.100, 0.122,
	0.063, 0.038, 0.039, 0.083, 0.213, 0.046, 0.032, 0.022
};

static double
margin(void *arg, double x, double y)
{
	return *(double *) arg - MARGIN - sqrt(x * x + y * y);
}

static bool
allowed(void *arg, double x, double y)
{
	return margin(arg, x, y) >= 0.0;
}

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

/*
 * Many turbines settle late, so in a minute one slow annealing is worth more
 * than several; given more, several depend less on luck.
 */
static int
starts_for(int n, double time_s)
{
	if (n <= 16)
		return 4;
	return time_s < 200.0 ? 1 : (int) (time_s / 120.0);
}

int
main(int argc, char **argv)
{
	AjkTurbine	turbine = {
		.diameter_m = 130,.hub_height_m = 110,.rated_kw = 3350,
		.curve = AJK_CURVE_IEA37,.cut_in_ms = 4,.rated_ms = 9.8,
		.cut_out_ms = 25,.ct_const = 8.0 / 9.0
	};
	AjkWind		wind;
	double		wd[16];
	double		ws = 9.8;
	double		radius;
	double	   *cx;
	double	   *cy;
	int			n;
	AjkLayoutProblem p = {0};
	AjkLayoutResult r = {0};

	if (argc < 4 || (n = atoi(argv[1])) < 1 || n > 1000)
	{
		fprintf(stderr, "usage: iea37 TURBINES SECONDS SEED [STARTS]\n");
		return 2;
	}
	radius = n <= 9 ? 900.0 : n <= 16 ? 1300.0 : n <= 36 ? 2000.0 : 3000.0;
	for (int i = 0; i < 16; i++)
		wd[i] = 22.5 * i;
	if (ajk_wind_from_rose(&wind, 16, wd, 1, &ws, rose) != AJK_OK)
		return 1;

	cx = malloc(sizeof(double) * 4 * (size_t) pow(radius / CELL + 1, 2));
	cy = malloc(sizeof(double) * 4 * (size_t) pow(radius / CELL + 1, 2));
	r.x = malloc(sizeof(double) * (size_t) n);
	r.y = malloc(sizeof(double) * (size_t) n);
	if (!cx || !cy || !r.x || !r.y)
		return 1;
	for (double y = -radius + CELL / 2; y < radius; y += CELL)
		for (double x = -radius + CELL / 2; x < radius; x += CELL)
			if (allowed(&radius, x, y))
			{
				cx[p.area.ncells] = x;
				cy[p.area.ncells++] = y;
			}
	p.area.cx = cx;
	p.area.cy = cy;
	p.area.cell_m = CELL;
	p.area.allowed = allowed;
	p.area.allowed_arg = &radius;
	p.area.spacing_m = 2 * 130.0 + MARGIN;
	p.turbine = &turbine;
	p.wind = &wind;
	p.wake.model = AJK_WAKE_IEA37_SBG;
	p.wake.super = AJK_SUPER_RSS;
	p.wake.k = 0.0324555;
	p.n = n;
	p.nstarts = argc > 4 ? atoi(argv[4]) : starts_for(n, atof(argv[2]));
	p.max_evaluations = INT64_C(1000000000000);
	p.seed = (uint64_t) atoll(argv[3]);
	p.margin = margin;
	p.time_budget_s = atof(argv[2]);
	p.seconds = seconds;
	if (ajk_layout_optimize(&p, &r, NULL, NULL, NULL) != AJK_OK)
	{
		fprintf(stderr, "iea37: no layout\n");
		return 1;
	}
	printf("# IEA37 case study 1, %d turbines, seed %s, %s s, %lld places tried: %.5f MWh by itself\n",
		   n, argv[3], argv[2], (long long) r.evaluations, r.end_mwh);
	for (int i = 0; i < n; i++)
		printf("%.17g %.17g\n", r.x[i], r.y[i]);
	ajk_wind_free(&wind);
	return 0;
}
