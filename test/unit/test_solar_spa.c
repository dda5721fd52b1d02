/*-------------------------------------------------------------------------
 *
 * test_solar_spa.c
 *		The sun's position against the report that defines the algorithm.
 *
 * Figures: NREL/TP-560-34302, table A5.1 (the example with its intermediate
 * results) and the sunrise table of its appendix; Meeus, Astronomical
 * Algorithms (1998) for Julian days; NASA/TP-2006-214141 for delta T.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include "spa.h"

static const AjkSpaSite golden = {39.742476, -105.1786, 1830.14, 820, 11};

static void
test_example(void)
{
	double		jd = ajk_julian_day(2003, 10, 17 + (19.5 + 30 / 3600.0) / 24);
	AjkSpaSun	s;
	AjkSpaPosition p;

	ajk_spa_sun(jd, 67, &s);
	ajk_spa_position(&s, &golden, &p);
	near(jd, 2452930.312847, 5e-7, "Julian day");
	near(s.l_deg, 24.0182616917, 1e-9, "L");
	near(s.b_deg, -0.0001011219, 1e-10, "B");
	near(s.r_au, 0.9965422974, 1e-10, "R");
	near(s.dpsi_deg, -0.00399840, 5e-9, "nutation in longitude");
	near(s.deps_deg, 0.00166657, 5e-9, "nutation in obliquity");
	near(s.eps_deg, 23.440465, 5e-7, "obliquity");
	near(s.lambda_deg, 204.0085519281, 1e-9, "apparent longitude");
	near(s.alpha_deg, 202.227408, 1e-6, "right ascension");
	near(s.delta_deg, -9.31434, 1e-5, "declination");
	near(p.hour_angle_deg, 11.105900, 1e-5, "hour angle");
	near(p.elevation0_deg, 39.872046, 1e-5, "elevation without refraction");
	near(p.elevation_deg, 39.888378, 1e-5, "elevation");
	near(p.zenith_deg, 50.11162, 1e-5, "zenith");
	near(p.azimuth_deg, 194.340241, 1e-5, "azimuth");
	near(ajk_spa_equation_of_time(jd, 67), 14.64, 5e-3, "equation of time, min");
}

static void
test_rise_set(void)
{
	static const struct
	{
		int			y,
					m,
					d;
		double		lat;
		double		rise;
		double		set;
	}			day[] =
	{
		{1996, 7, 5, -35, 7 * 3600 + 8 * 60 + 15, 17 * 3600 + 1 * 60 + 4},
		{2004, 12, 4, -35, 4 * 3600 + 38 * 60 + 57, 19 * 3600 + 2 * 60 + 2},
		{1994, 1, 2, 35, 7 * 3600 + 8 * 60 + 12, 16 * 3600 + 59 * 60 + 55}
	};
	double		rise,
				transit,
				set;
	double		jd;

	for (int i = 0; i < 3; i++)
	{
		jd = ajk_julian_day(day[i].y, day[i].m, day[i].d);
		ajk_spa_rise_set(jd, ajk_delta_t(jd), day[i].lat, 0, &rise, &transit, &set);
		near(rise * 86400, day[i].rise, 1.5, "sunrise of the report, s");
		near(set * 86400, day[i].set, 1.5, "sunset of the report, s");
	}

	/* Golden, Colorado: 06:12:43 and, of the UT day, 17:20:19 local time */
	jd = ajk_julian_day(2003, 10, 17);
	ajk_spa_rise_set(jd, 67, golden.lat_deg, golden.lon_deg, &rise, &transit, &set);
	near(rise * 86400, (7 + 6) * 3600 + 12 * 60 + 43, 1.5, "sunrise of the example, s");
	ok(set > transit && transit > rise, "sunset follows the transit");
	ajk_spa_rise_set(jd - 1, 67, golden.lat_deg, golden.lon_deg, &rise, &transit, &set);
	near((set - 1) * 86400, 20 * 60 + 19, 1.5, "sunset that falls on the example's UT day, s");

	ajk_spa_rise_set(ajk_julian_day(2020, 6, 21), 69, 80, 20, &rise, &transit, &set);
	ok(isnan(rise) && isnan(set) && isfinite(transit), "no sunset in the arctic summer");
}

static void
test_series(void)
{
	enum
	{
		N = 8760
	};
	double	   *jd = malloc(N * sizeof(double));
	AjkSpaPosition *p = malloc(N * sizeof(AjkSpaPosition));
	double		worst = 0;
	static const AjkSpaSite sites[] = {
		{39.73, -105.18, 1800, 820, 10}, {-33.9, 151.2, 10, 1013, 18}, {69.6, 18.9, 0, 1013, 3}
	};

	for (int k = 0; k < 3; k++)
	{
		for (int i = 0; i < N; i++)
			jd[i] = ajk_julian_day(2012 + 9 * k, 1, 1) + (i + 0.5) / 24;
		ok(ajk_spa_series(jd, N, &sites[k], p, NULL, NULL, NULL) == AJK_OK, "a year");
		for (int i = 0; i < N; i += 7)
		{
			AjkSpaSun	s;
			AjkSpaPosition q;

			ajk_spa_sun(jd[i], ajk_delta_t(jd[i]), &s);
			ajk_spa_position(&s, &sites[k], &q);
			worst = fmax(worst, fabs(q.zenith_deg - p[i].zenith_deg));
			if (q.zenith_deg > 1 && q.zenith_deg < 179)
				worst = fmax(worst, fabs(remainder(q.azimuth_deg - p[i].azimuth_deg, 360)) *
							 sin(AJK_DEG2RAD(q.zenith_deg)));
		}
	}
	near(worst, 0, 1e-6, "interpolated days against the full algorithm, deg");
	jd[3] = NAN;
	ok(ajk_spa_series(jd, 10, &sites[0], p, NULL, NULL, NULL) == AJK_RANGE, "NaN is refused");
	free(jd);
	free(p);
}

int
main(void)
{
	near(ajk_julian_day(2000, 1, 1.5), 2451545.0, 0, "J2000");
	near(ajk_julian_day(1987, 6, 19.5), 2446966.0, 0, "Meeus' example");
	near(ajk_julian_day(1970, 1, 1), AJK_JD_UNIX, 0, "Unix epoch");
	near(ajk_delta_t(ajk_julian_day(2000, 1, 1)), 63.86, 0.1, "delta T 2000");
	near(ajk_delta_t(ajk_julian_day(1950, 1, 1)), 29.07, 0.1, "delta T 1950");
	near(ajk_delta_t(ajk_julian_day(1900, 1, 1)), -2.79, 0.1, "delta T 1900");
	near(ajk_standard_pressure(0), 1013.25, 1e-9, "pressure at sea level");
	near(ajk_standard_pressure(1000), 898.75, 0.1, "standard atmosphere, 1000 m");
	test_example();
	test_rise_set();
	test_series();
	return unit_done();
}
