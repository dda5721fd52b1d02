/*-------------------------------------------------------------------------
 *
 * test_wind_climate.c
 *		Turbine curves, wind climates and the random generator.
 *
 * Figures: IEA Wind Task 37 case study 1 (turbine), PyWake's Horns Rev 1
 * site (probability mass), closed forms of the Weibull distribution, and the
 * reference outputs of splitmix64 and xoshiro256** as their authors' C code
 * prints them.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"
#include "wind_cases.h"

#include "rng.h"
#include "turbine.h"
#include "windrose.h"

static const AjkTurbine iea37 = {
	.diameter_m = 130,.hub_height_m = 110,.rated_kw = 3350,
	.curve = AJK_CURVE_IEA37,.cut_in_ms = 4,.rated_ms = 9.8,
	.cut_out_ms = 25,.ct_const = 8.0 / 9.0
};

static void
test_turbine(void)
{
	double		power[23];
	AjkTurbine	v80 = {
		.diameter_m = 80,.hub_height_m = 70,.rated_kw = 2000,
		.curve = AJK_CURVE_TABLE,.npoints = 23,.ws = v80_ws,
		.power_kw = power,.ct = v80_ct
	};
	AjkTurbine	bad;
	int			point;
	const char *what;
	bool		rising = true;
	double		descending[] = {3, 5, 4};

	near(ajk_turbine_power(&iea37, 3.999), 0.0, 0.0, "below cut-in");
	near(ajk_turbine_power(&iea37, 6.9), 3350.0 / 8.0, 1e-9,
		 "half-way to rated is an eighth of the power");
	near(ajk_turbine_power(&iea37, 9.8), 3350.0, 0.0, "rated");
	near(ajk_turbine_power(&iea37, 25.0), 3350.0, 0.0, "at cut-out");
	near(ajk_turbine_power(&iea37, 25.001), 0.0, 0.0, "past cut-out");
	near(ajk_turbine_power(&iea37, NAN), 0.0, 0.0, "no power from NaN");
	near(ajk_turbine_ct(&iea37, 12.0), 8.0 / 9.0, 0.0, "constant Ct");

	for (int i = 0; i < 23; i++)
		power[i] = v80_power_w[i] / 1000.0;
	near(ajk_turbine_power(&v80, 8.0), 696.0, 1e-12, "V80 at a table speed");
	near(ajk_turbine_power(&v80, 8.25), 771.0, 1e-9, "V80 between two rows");
	near(ajk_turbine_ct(&v80, 9.5), 0.8, 1e-12, "V80 Ct between two rows");
	near(ajk_turbine_power(&v80, 25.1), 0.0, 0.0, "V80 past the table");
	near(ajk_turbine_power(&v80, 2.9), 0.0, 0.0, "V80 before the table");
	near(ajk_turbine_ct(&v80, 30.0), 0.053, 0.0, "idle Ct is the last row's");
	for (double u = 3.0; u < 24.985; u += 0.01)
		rising = rising && isfinite(ajk_turbine_power(&v80, u)) &&
			ajk_turbine_power(&v80, u + 0.01) >=
			ajk_turbine_power(&v80, u) - 1e-9;
	ok(rising, "V80 power never falls up to cut-out");

	bad = v80;
	bad.cut_in_ms = 4.0;
	bad.cut_out_ms = 20.0;
	ok(ajk_turbine_power(&bad, 3.9) == 0.0 &&
	   ajk_turbine_power(&bad, 4.0) == 66.6 &&
	   ajk_turbine_power(&bad, 20.0) == 2000.0 &&
	   ajk_turbine_power(&bad, 20.1) == 0.0, "a table within cut-in and cut-out");
	ok(ajk_turbine_check(&v80, &point, &what) == AJK_OK, "V80 is valid");
	ok(ajk_turbine_check(&iea37, &point, &what) == AJK_OK, "IEA37 is valid");
	bad = v80;
	bad.npoints = 3;
	bad.ws = descending;
	ok(ajk_turbine_check(&bad, &point, &what) == AJK_RANGE && point == 2 &&
	   strcmp(what, "wind speed") == 0, "a falling speed is found in its row");
	bad = v80;
	bad.rated_kw = 1000;
	ok(ajk_turbine_check(&bad, &point, &what) == AJK_RANGE &&
	   strcmp(what, "power_kw") == 0, "power over rated is found");
	bad = v80;
	bad.diameter_m = NAN;
	ok(ajk_turbine_check(&bad, &point, &what) == AJK_RANGE &&
	   strcmp(what, "rotor_diameter_m") == 0, "NaN diameter is found");
}

/*
 * Merged to at most max directions, each direction's share stays within the
 * width of what it is merged to, whatever their number and where they begin.
 */
static bool
merged_near(int n, double first, double step, int max, int *merged)
{
	AjkWind		wind;
	AjkWind		coarse;
	bool		good;
	double		took = 0.0;

	if (ajk_wind_alloc(&wind, n, 1) != AJK_OK)
		return false;
	wind.ws[0] = 9.0;
	for (int i = 0; i < n; i++)
	{
		wind.wd[i] = fmod(first + i * step, 360.0);
		wind.prob[i] = 1.0 + i % 7;
		wind.mass += wind.prob[i];
	}
	good = ajk_wind_coarsen(&wind, max, &coarse) == AJK_OK &&
		coarse.nwd <= max && fabs(coarse.mass - wind.mass) < 1e-9;
	for (int i = 0, at = 0; good && at < coarse.nwd; at++)
	{
		double		share = 0.0;

		/* in their order, so the shares tell which went where */
		for (; i < n && share + wind.prob[i] <= coarse.prob[at] + 1e-9; i++)
		{
			share += wind.prob[i];
			good = good && fabs(remainder(wind.wd[i] - coarse.wd[at], 360.0)) <
				360.0 / max;
		}
		good = good && fabs(share - coarse.prob[at]) < 1e-9 &&
			coarse.wd[at] >= 0.0 && coarse.wd[at] < 360.0;
		took += share;
	}
	good = good && fabs(took - wind.mass) < 1e-9;
	*merged = good ? coarse.nwd : -1;
	ajk_wind_free(&wind);
	ajk_wind_free(&coarse);
	return good;
}

static void
test_merging(void)
{
	int			n;

	ok(merged_near(360, 11.25, 1.0, 72, &n) && n == 72,
	   "a group that goes over north keeps its direction");
	ok(merged_near(360, 11.25, 1.0, 36, &n) && n == 36, "so with wider ones");
	ok(merged_near(73, 0.0, 360.0 / 73, 72, &n) && n == 37,
	   "a prime number of directions isn't merged to one");
	ok(merged_near(359, 0.0, 1.0, 72, &n) && n == 72, "one is missing");
	ok(merged_near(100, 200.0, 1.0, 72, &n) && n == 20, "a part of the circle");
	ok(merged_near(73, 3.0, 5.0 * (1 - 5e-10), 72, &n) && n == 72,
	   "steps just below the width");
	ok(merged_near(72, 3.0, 5.0, 72, &n) && n == 72, "few are left alone");
}

static void
test_climate(void)
{
	AjkWeibull	w = {12, hornsrev_freq, hornsrev_a, hornsrev_k, 0.0};
	double		one_f = 1.0;
	double		one_a = 9.0;
	double		one_k = 2.0;
	AjkWeibull	one = {1, &one_f, &one_a, &one_k, 0.0};
	AjkWind		wind;
	AjkWind		coarse;
	double		sector = 0.0;
	double		total = 0.0;
	double		shape = -1.0;

	near(ajk_weibull_cdf(9.0, 2.0, 9.0), 1.0 - exp(-1.0), 1e-15, "F(A)");
	near(ajk_weibull_cdf(9.0, 2.0, -1.0), 0.0, 0.0, "F below zero");
	near(ajk_weibull_mean(9.0, 2.0), 9.0 * sqrt(AJK_PI) / 2.0, 1e-12,
		 "Rayleigh mean");

	ok(ajk_wind_from_weibull(&wind, &w, 1.0, 3.0, 25.0, 1.0) == AJK_OK,
	   "Horns Rev climate");
	ok(wind.nwd == 360 && wind.nws == 23, "360 directions, 23 speeds");
	near(wind.mass, 0.9736527965575388, 1e-13, "mass of 3-25 m/s (PyWake)");
	for (int s = 0; s < 12; s++)
		total += hornsrev_freq[s];
	for (int i = 16; i <= 45; i++)
		for (int j = 0; j < 23; j++)
			sector += wind.prob[i * 23 + j];
	near(sector, hornsrev_freq[1] / total *
		 (ajk_weibull_cdf(hornsrev_a[1], hornsrev_k[1], 25.5) -
		  ajk_weibull_cdf(hornsrev_a[1], hornsrev_k[1], 2.5)), 1e-14,
		 "directions 16..45 make up the sector at 30");

	ok(ajk_wind_coarsen(&wind, 120, &coarse) == AJK_OK && coarse.nwd == 120,
	   "three directions merged to one");
	near(coarse.mass, wind.mass, 1e-13, "merging keeps the mass");
	near(coarse.wd[1], 4.0, 1e-12, "middle of 3, 4, 5");
	near(ajk_wind_mean_speed(&coarse), ajk_wind_mean_speed(&wind), 1e-12,
		 "merging keeps the mean speed");
	ajk_wind_free(&coarse);
	ajk_wind_free(&wind);

	ok(ajk_wind_from_weibull(&wind, &one, 10.0, 0.0, 60.0, 0.5) == AJK_OK,
	   "one sector, all speeds");
	near(wind.mass, 1.0, 1e-12, "all of the mass");
	near(ajk_wind_mean_speed(&wind), ajk_weibull_mean(9.0, 2.0), 2e-3,
		 "binned mean is the distribution's");
	ajk_wind_free(&wind);

	w.first_deg = 15.0;
	ok(ajk_wind_from_weibull(&wind, &w, 30.0, 3.0, 25.0, 1.0) == AJK_OK &&
	   wind.wd[0] == 15.0 && wind.wd[11] == 345.0, "sectors that begin at 15");
	near(wind.mass, 0.9736527965575388, 1e-13, "hold the same mass");
	ajk_wind_free(&wind);

	ok(ajk_wind_step_fits(7.5, 12) && !ajk_wind_step_fits(7.0, 12) &&
	   !ajk_wind_step_fits(4.0, 12) && !ajk_wind_step_fits(0.0, 12) &&
	   !ajk_wind_step_fits(NAN, 12), "steps that serve all sectors alike");
	ok(ajk_wind_from_weibull(&wind, &w, 4.0, 3.0, 25.0, 1.0) == AJK_RANGE,
	   "a step that does not is refused");
	one.k = &shape;
	ok(ajk_wind_from_weibull(&wind, &one, 1.0, 3.0, 25.0, 1.0) == AJK_RANGE,
	   "a negative shape is refused");
}

static void
test_rng(void)
{
	AjkRng		r = {{1, 2, 3, 4}};
	uint64_t	state = 1234567;
	double		mean = 0.0;
	double		square = 0.0;
	bool		inside = true;

	ok(ajk_splitmix64(&state) == UINT64_C(6457827717110365317) &&
	   ajk_splitmix64(&state) == UINT64_C(3203168211198807973),
	   "splitmix64 of 1234567");
	ok(ajk_rng_next(&r) == 11520 && ajk_rng_next(&r) == 0 &&
	   ajk_rng_next(&r) == 1509978240 &&
	   ajk_rng_next(&r) == UINT64_C(1215971899390074240),
	   "xoshiro256** from state 1, 2, 3, 4");

	ajk_rng_seed(&r, 42);
	for (int i = 0; i < 100000; i++)
	{
		double		u = ajk_rng_uniform(&r);
		double		z = ajk_rng_normal(&r);
		int			b = ajk_rng_below(&r, 7);

		inside = inside && u >= 0.0 && u < 1.0 && b >= 0 && b < 7;
		mean += z / 100000;
		square += z * z / 100000;
	}
	ok(inside, "uniform and below stay in range");
	near(mean, 0.0, 0.02, "normal: mean");
	near(square, 1.0, 0.03, "normal: variance");
}

static void
test_rotor(void)
{
	near(ajk_rotor_equivalent(100.0, 120.0, 0.0), 1.0, 1e-14, "no shear");
	near(ajk_rotor_equivalent(100.0, 120.0, 1.0 / 3.0), 1.0, 1e-14,
		 "the cube is linear: the middle of the rotor");
	near(ajk_rotor_equivalent(100.0, 120.0, 2.0 / 3.0),
		 cbrt(1.0 + 0.36 / 4.0), 1e-14, "the cube is a square: 1 + (R / 2h)^2");
	ok(ajk_rotor_equivalent(90.0, 126.0, 0.12) < 1.0, "flat shear: less than at the hub");
	near(ajk_rotor_points(100.0, 120.0, 2.0 / 3.0), cbrt(1.0 + 0.06), 1e-14,
		 "three heights of a square: (0.7^2 + 1 + 1.3^2) / 3");
}

int
main(void)
{
	test_rotor();
	test_turbine();
	test_climate();
	test_merging();
	test_rng();
	return unit_done();
}
