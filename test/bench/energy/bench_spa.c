/*-------------------------------------------------------------------------
 *
 * bench_spa.c
 *		How long a year of sun positions and of a photovoltaic system takes.
 *
 * Prints spa_year_ms, 8760 sun positions as the solar_yield step computes
 * them; spa_year_direct_ms, the same by the full algorithm at every time; and
 * pv_year_ms, the whole chain from weather to energy.  The best of several
 * passes, so that another process's work is not measured.  pvlib takes 66 ms
 * for the positions on the same machine.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "pv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define HOURS	8760
#define PASSES	15

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + 1e-6 * t.tv_nsec;
}

int
main(void)
{
	static const AjkSpaSite site = {39.73, -105.18, 1820, 813, 10};
	static double jd[HOURS];
	static AjkSpaPosition pos[HOURS];
	static float ghi[HOURS],
				dni[HOURS],
				dhi[HOURS],
				air[HOURS],
				wind[HOURS],
				ac[HOURS];
	AjkPvSystem sys = {.dc_kw = 4,.tilt_deg = 20,.azimuth_deg = 180,.albedo = 0.2,
		.losses_pct = 14.08,.dc_ac_ratio = 1.2,.inverter_efficiency = 0.96,
	.gamma_per_c = -0.0047,.inoct_c = 45};
	AjkPvWeather w = {HOURS, 1, jd, ghi, dni, dhi, air, wind, NULL};
	AjkPvSeries out = {.ac_kw = ac};
	AjkPvTotals totals;
	double		best[3] = {INFINITY, INFINITY, INFINITY};
	double		sum = 0;

	for (int i = 0; i < HOURS; i++)
		jd[i] = ajk_julian_day(2023, 1, 1) + (i + 7.5) / 24;
	for (int pass = 0; pass < PASSES; pass++)
	{
		double		t = now_ms();

		if (ajk_spa_series(jd, HOURS, &site, pos, NULL, NULL, NULL) != AJK_OK)
			return 1;
		best[0] = fmin(best[0], now_ms() - t);
		for (int i = 0; i < HOURS; i++)
		{
			double		up = fmax(cos(AJK_DEG2RAD(pos[i].zenith_deg)), 0);

			sum += pos[i].azimuth_deg;
			dni[i] = (float) (up > 0 ? 800 * up + 100 : 0);
			dhi[i] = (float) (150 * up);
			ghi[i] = (float) (dni[i] * up + dhi[i]);
			air[i] = 12;
			wind[i] = 3;
		}
		t = now_ms();
		for (int i = 0; i < HOURS; i++)
		{
			AjkSpaSun	sun;

			ajk_spa_sun(jd[i], ajk_delta_t(jd[i]), &sun);
			ajk_spa_position(&sun, &site, &pos[i]);
		}
		best[1] = fmin(best[1], now_ms() - t);
		t = now_ms();
		if (ajk_pv_run(&sys, &site, &w, &out, &totals, NULL, NULL) != AJK_OK)
			return 1;
		best[2] = fmin(best[2], now_ms() - t);
		sum += totals.ac_kwh;
	}

	/* the result is used, or a clever compiler would compute nothing */
	if (!isfinite(sum))
		return 1;
	printf("spa_year_ms\t%.3f\tms\n", best[0]);
	printf("spa_year_direct_ms\t%.3f\tms\n", best[1]);
	printf("pv_year_ms\t%.3f\tms\n", best[2]);
	return 0;
}
