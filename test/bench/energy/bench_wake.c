/*-------------------------------------------------------------------------
 *
 * bench_wake.c
 *		How fast the annual energy of a wind farm is computed, on one core.
 *
 * Prints aep_iea37_64_us, one evaluation of the example layout of 64 turbines
 * of IEA Wind Task 37's case study 1 in 16 directions (PyWake: 17.5 ms), and
 * aep_hornsrev_ms, the 80 turbines of Horns Rev 1 in 360 directions and 23
 * speeds (PyWake: 2,700 ms) by the slowest of the three models the reference
 * has figures of.  Best of several passes, so that another process's work is
 * not measured; values are checked against the references.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "../../unit/wind_cases.h"
#include "wake.h"

static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

/* Best time of passes, seconds; -1 if the energy is another than expected */
static double
measure(const AjkFarm *farm, const AjkWind *wind, double mwh, double tolerance,
		int passes)
{
	AjkYield	yield = {0};
	double		best = INFINITY;

	for (int i = 0; i < passes; i++)
	{
		double		t = now_s();

		if (ajk_farm_yield(farm, wind, &yield, NULL, NULL) != AJK_OK)
			return -1;
		best = fmin(best, now_s() - t);
		if (!(fabs(yield.net_mwh - mwh) <= tolerance))
		{
			fprintf(stderr, "bench_wake: %.6f MWh, expected %.6f\n",
					yield.net_mwh, mwh);
			return -1;
		}
	}
	return best;
}

int
main(void)
{
	AjkTurbine	iea37 = {
		.diameter_m = 130,.hub_height_m = 110,.rated_kw = 3350,
		.curve = AJK_CURVE_IEA37,.cut_in_ms = 4,.rated_ms = 9.8,
		.cut_out_ms = 25,.ct_const = 8.0 / 9.0
	};
	double		power[23];
	AjkTurbine	v80 = {
		.diameter_m = 80,.hub_height_m = 70,.rated_kw = 2000,
		.curve = AJK_CURVE_TABLE,.npoints = 23,.ws = v80_ws,
		.power_kw = power,.ct = v80_ct
	};
	AjkWeibull	weibull = {12, hornsrev_freq, hornsrev_a, hornsrev_k, 0.0};
	AjkFarm		farm = {
		.n = 64,.x = iea37_x64,.y = iea37_y64,.turbine = &iea37,
		.wake = {.model = AJK_WAKE_IEA37_SBG,.super = AJK_SUPER_RSS,.k = 0.0324555}
	};
	AjkFarm		hornsrev = {.n = 80,.x = hornsrev_x,.y = hornsrev_y,.turbine = &v80};
	struct
	{
		AjkWakeModel model;
		double		k;
		bool		madsen;
		double		gwh;
	}			cases[] = {
		{AJK_WAKE_NOJ, 0.1, true, 701.8641902501},
		{AJK_WAKE_IEA37_SBG, 0.0324555, false, 694.1483188596},
		{AJK_WAKE_BASTANKHAH_2014, 0.0324555, true, 682.1920555491}
	};
	AjkWind		rose;
	AjkWind		climate;
	double		wd[16];
	double		ws = 9.8;
	double		t;
	double		slowest = 0;

	for (int i = 0; i < 16; i++)
		wd[i] = 22.5 * i;
	for (int i = 0; i < 23; i++)
		power[i] = v80_power_w[i] / 1000.0;
	if (ajk_wind_from_rose(&rose, 16, wd, 1, &ws, iea37_rose) != AJK_OK ||
		ajk_wind_from_weibull(&climate, &weibull, 1.0, 3.0, 25.0, 1.0) != AJK_OK)
		return 1;

	t = measure(&farm, &rose, 1294974.29770, 1e-5, 200);
	if (t < 0)
		return 1;
	printf("aep_iea37_64_us\t%.1f\tus\n", t * 1e6);
	for (int i = 0; i < 3; i++)
	{
		hornsrev.wake.model = cases[i].model;
		hornsrev.wake.super = AJK_SUPER_RSS;
		hornsrev.wake.k = cases[i].k;
		hornsrev.wake.madsen = cases[i].madsen;
		t = measure(&hornsrev, &climate, cases[i].gwh * 1000,
					cases[i].gwh * 1e-6, 5);
		if (t < 0)
			return 1;
		slowest = fmax(slowest, t);
	}
	printf("aep_hornsrev_ms\t%.2f\tms\n", slowest * 1e3);
	return 0;
}
