/*-------------------------------------------------------------------------
 *
 * test_solar_pv.c
 *		Irradiance, horizon, tracker and the photovoltaic chain.
 *
 * Figures: test/data/reference/solar.json (pvlib, PVWatts), NREL's hourly
 * PVWatts export for Denver where that file is at hand, and geometry.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include "pv.h"
#include "weather.h"

static void
test_parts(void)
{
	double		g,
				b,
				d;
	double		losses[] = {2, 3, 0, 2, 2, 0.5, 1.5, 1, 0, 3};
	AjkFuentes	f;
	AjkPerez	p;

	near(ajk_airmass(0), 1, 1e-3, "air mass overhead");
	near(ajk_airmass(60), 1.993, 2e-3, "air mass at 60 deg (Kasten and Young's table)");
	near(ajk_airmass(85), 10.31, 0.02, "air mass at 85 deg");
	ok(isnan(ajk_airmass(90)), "no air mass at the horizon");
	ajk_ineichen(10, 1, 3, 0, 1364, &g, &b, &d);
	near(g, 1038.159219, 1e-6, "Ineichen ghi");
	near(b, 942.2081860378344, 1e-6, "Ineichen dni");
	near(d, 110.26529293612793, 1e-6, "Ineichen dhi");
	near(ajk_pvwatts_dc(900, 30, 100, -0.003), 88.65, 1e-9, "PVWatts DC");
	near(ajk_pvwatts_ac(90, 100, 0.95, 0.9637), 85.58556604752516, 1e-9, "PVWatts AC");
	near(ajk_pvwatts_ac(120, 100, 0.95, 0.9637), 95, 1e-12, "clipped at the inverter's limit");
	near(ajk_pvwatts_ac(0, 100, 0.95, 0.9637), 0, 0, "nothing from nothing");
	near(ajk_pvwatts_losses(losses, 10), 14.075660688264469, 1e-9, "PVWatts losses");
	near(ajk_noct_sam(1000, 25, 1, 45, 0.2), 55.230790492, 1e-6, "SAM NOCT");
	ajk_fuentes_init(&f, 45, 5, 9.144);
	near(ajk_fuentes_step(&f, 1000, 20, 1, 1), 48.042, 1e-3, "Fuentes, first hour");
	near(ajk_fuentes_step(&f, 1000, 20, 1, 1), 51.845, 1e-3, "second");
	near(ajk_fuentes_step(&f, 1000, 20, 1, 1), 51.846, 1e-3, "third");

	/* Erbs: the two ends of the correlation and its middle */
	near(ajk_erbs_dhi(100, 0, 1000) / 100, 1 - 0.009, 1e-12, "overcast is all diffuse");
	near(ajk_erbs_dhi(900, 0, 1000) / 900, 0.165, 1e-12, "clear");
	near(ajk_erbs_dhi(500, 0, 1000) / 500,
		 0.9511 - 0.0802 + 4.388 * 0.25 - 16.638 * 0.125 + 12.336 * 0.0625, 1e-12, "between");

	/* a lying plane gets the sky's diffuse light as it is, any weather */
	ajk_perez(0, 180, 120, 700, 1367, 40, 150, ajk_airmass(40), &p);
	near(p.isotropic + p.circumsolar + p.horizon, 120, 1e-9, "Perez on the level");
	ajk_perez(30, 180, 120, 0, 1367, 40, 150, ajk_airmass(40), &p);
	ok(p.circumsolar >= 0 && p.isotropic <= 120, "Perez under clouds");
	near(ajk_cos_incidence(35, 200, 35, 200), 1, 1e-12, "square to the sun");
	near(ajk_cos_incidence(0, 0, 35, 77), cos(AJK_DEG2RAD(35)), 1e-12, "lying");
	near(ajk_cover_transmission(1, false), 1, 1e-12, "cover, square");
	ok(ajk_cover_transmission(cos(AJK_DEG2RAD(60)), true) > ajk_cover_transmission(cos(AJK_DEG2RAD(60)), false) &&
	   ajk_cover_transmission(cos(AJK_DEG2RAD(85)), false) < 0.6, "a coating helps, grazing light does not pass");
	near(ajk_cover_transmission(cos(AJK_DEG2RAD(60)), false), 0.946, 0.01, "glass at 60 deg (De Soto 2006, fig. 1)");
}

/*
 * Rows as lines of unit length, a pitch of 1/gcr apart, turned by rotation:
 * the share of a row in the shadow of its neighbour towards the sun, whose
 * profile angle from the vertical is s.  Found by projecting along the ray.
 */
static double
row_shadow(double rotation, double s, double gcr)
{
	double		r = AJK_DEG2RAD(rotation);
	double		width = fabs(cos(r - AJK_DEG2RAD(s)));	/* across the rays */
	double		pitch = fabs(cos(AJK_DEG2RAD(s))) / gcr;

	return fmax(0, width - pitch) / width;
}

static void
test_tracker(void)
{
	near(ajk_tracker_rotation(30, 90, 180, 90, 0), -30, 1e-9, "faces the morning sun, axis to the south");
	near(ajk_tracker_rotation(30, 270, 0, 90, 0), -30, 1e-9, "... the evening, axis to the north");
	near(ajk_tracker_rotation(80, 90, 0, 60, 0), 60, 1e-9, "stops at its end");
	near(ajk_tracker_rotation(80, 90, 0, 90, 2.0 / 7), 27.42833, 1e-4, "backtracks (pvlib's example)");
	near(ajk_tracker_rotation(40, 180, 180, 60, 0.4), 0, 1e-9, "level when the sun is along the axis");
	for (int z = 50; z < 90; z += 3)
	{
		double		r = ajk_tracker_rotation(z, 90, 0, 90, 0.4);

		if (!(row_shadow(r, z, 0.4) < 1e-9))
			ok(false, "no shadow at zenith %d", z);
		if (row_shadow(z, z, 0.4) > 0 && !(row_shadow(r + 0.5, z, 0.4) > 0))
			ok(false, "not turned back further than needed at zenith %d", z);
	}
	ok(row_shadow(85, 85, 0.4) > 0.5, "without backtracking rows shade each other");
}

static void
test_horizon(void)
{
	enum
	{
		N = 201
	};
	float	   *z = calloc(N * N, sizeof(float));
	double	   *dx = malloc(N * sizeof(double));
	double		h[AJK_HORIZON_BINS];
	double		seen;
	double		wall[AJK_HORIZON_BINS];

	for (int i = 0; i < N; i++)
		dx[i] = 10;
	ok(ajk_horizon(z, N, N, dx, 10, 100, 100, 2, 800, h, &seen, NULL, NULL) == AJK_OK, "a plain");
	near(h[0], 0, 0, "its horizon is level");
	near(seen, 800, 0, "seen as far as asked");

	/* a wall 300 m high, two cells thick, 500 m in the south */
	for (int c = 0; c < N; c++)
		z[150 * N + c] = z[151 * N + c] = 300;
	ok(ajk_horizon(z, N, N, dx, 10, 100, 100, 0, 800, h, &seen, NULL, NULL) == AJK_OK, "a wall");
	near(h[180], AJK_RAD2DEG(atan(300.0 / 500)), 0.01, "due south");
	near(h[150], AJK_RAD2DEG(atan(300.0 * cos(AJK_DEG2RAD(30)) / 500)), 0.5, "30 deg off");
	near(h[0], 0, 0, "nothing in the north");
	near(ajk_horizon_at(h, 180.0), h[180], 1e-12, "read at a whole degree");
	near(ajk_horizon_at(h, 359.5), (h[359] + h[0]) / 2, 1e-12, "read across north");
	near(ajk_horizon_at(NULL, 10), 0, 0, "no horizon, no hills");
	ok(ajk_horizon(z, N, N, dx, 10, 100, 100, 0, 5000, h, &seen, NULL, NULL) == AJK_OK && seen < 1100,
	   "says how far the grid goes");
	z[100 * N + 100] = NAN;
	ok(ajk_horizon(z, N, N, dx, 10, 100, 100, 0, 800, h, &seen, NULL, NULL) == AJK_RANGE, "unknown ground at the place");

	/* the earth's curvature hides 1 m at 3.8 km with refraction of 0.13 */
	for (int i = 0; i < N; i++)
		dx[i] = 100;
	memset(z, 0, sizeof(float) * N * N);
	z[100 * N + 150] = 1.0f;
	ajk_horizon(z, N, N, dx, 100, 100, 100, 0, 9000, h, &seen, NULL, NULL);
	near(h[90], 0, 0, "a metre at 5 km is below the horizon");

	/* an even sky: half of it gone, and the closed form of a level plane */
	for (int i = 0; i < AJK_HORIZON_BINS; i++)
		wall[i] = 30;
	near(ajk_sky_share(wall, 0, 180), cos(AJK_DEG2RAD(30)) * cos(AJK_DEG2RAD(30)), 1e-9,
		 "a bowl of 30 deg takes a quarter from a level plane");
	for (int i = 0; i < AJK_HORIZON_BINS; i++)
		wall[i] = i < 180 ? 90 : 0;
	near(ajk_sky_share(wall, 0, 180), 0.5, 0.01, "a cliff takes half");
	near(ajk_sky_share(NULL, 30, 180), 1, 0, "no hills");
	for (int i = 0; i < AJK_HORIZON_BINS; i++)
		wall[i] = 0;
	near(ajk_sky_share(wall, 45, 180), 1, 1e-12, "a level horizon takes nothing");
	free(z);
	free(dx);
}

/* Denver: NREL's own figures for every hour of the year */
static void
test_denver(void)
{
	size_t		len;
	char	   *text = read_whole(shared_data("solar/pvwatts_8760_rackmount_denver.csv"), &len);
	AjkWeatherOptions opt = {NAN, NAN, NAN, NAN, AJK_STAMP_DEFAULT};
	AjkWeather	w;
	AjkCsvFault fault;
	AjkPvSystem sys = {.dc_kw = 4,.tilt_deg = 20,.azimuth_deg = 180,.albedo = 0.2,
		.losses_pct = 14.08,.dc_ac_ratio = 1.2,.inverter_efficiency = 0.96,
	.gamma_per_c = -0.0047,.inoct_c = 45};
	AjkPvWeather in;
	AjkPvSeries out;
	AjkPvTotals tot;
	AjkSpaSite	site;
	double	   *jd;
	float	   *poa;
	float	   *ac;
	AjkCsv		csv;
	double		sq = 0;
	double		sum_poa = 0;
	double		sum_ac = 0;
	double		sum_dc = 0;
	int			n = 0;
	double		fixed;
	double		hills[AJK_HORIZON_BINS];

	if (text == NULL)
	{
		skip("the PVWatts year of Denver is not at hand");
		return;
	}
	if (!ok(ajk_weather_parse(text, len, &opt, &w, &fault) == AJK_OK, "reads the file: %s", fault.what))
		return;
	ok(w.n == 8760 && w.interval_s == 3600 && strcmp(w.format, "pvwatts") == 0 &&
	   w.utc_offset_h == -7 && (w.flags & AJK_WEATHER_GHI_DERIVED), "8760 hours of mountain time");
	jd = malloc(w.n * sizeof(double));
	poa = malloc(w.n * sizeof(float));
	ac = malloc(w.n * sizeof(float));
	for (int i = 0; i < w.n; i++)
		jd[i] = AJK_JD_UNIX + (w.first_s + i * w.interval_s) / 86400;
	site = (AjkSpaSite)
	{
		w.latitude, w.longitude, w.elevation_m, ajk_standard_pressure(w.elevation_m), 10
	};
	in = (AjkPvWeather)
	{
		w.n, 1, jd, w.ghi, w.dni, w.dhi, w.air_c, w.wind_m_s, NULL
	};
	memset(&out, 0, sizeof(out));
	out.poa = poa;
	out.ac_kw = ac;
	ok(ajk_pv_run(&sys, &site, &in, &out, &tot, NULL, NULL) == AJK_OK, "runs the year");
	ajk_csv_open(&csv, text, len);
	while (ajk_csv_next(&csv))
	{
		double		v[11];
		int			k = 0;

		while (k < 11 && k < csv.n && ajk_csv_number(&csv.field[k], &v[k]))
			k++;
		if (k < 11)
			continue;
		sq += (poa[n] - v[7]) * (poa[n] - v[7]);
		sum_poa += v[7] / 1000;
		sum_dc += v[9] / 1000;
		sum_ac += v[10] / 1000;
		n++;
	}
	ok(n == 8760, "8760 hours to compare with");
	near(sum_ac, 6023.671, 1e-3, "the file's own AC, kWh");
	near(tot.poa_kwh_m2 / sum_poa, 1, 0.005, "plane of array over the year");
	near(sqrt(sq / n), 0, 2.0, "root mean square error of plane of array, W/m2");
	near(tot.dc_kwh / sum_dc, 1, 0.005, "DC over the year");
	near(tot.ac_kwh / sum_ac, 1, 0.005, "AC over the year");
	near(tot.nominal_kwh - tot.horizon_kwh - tot.reflection_kwh - tot.temperature_kwh -
		 tot.system_kwh - tot.inverter_kwh - tot.clipping_kwh, tot.ac_kwh, 1e-6, "losses add up");
	near(tot.dark_ghi_kwh_m2, 0, 0.1, "no light at night");
	fixed = tot.poa_kwh_m2;

	/* a tracker collects a fifth more and more; hills only take */
	sys.tracking = true;
	sys.max_angle_deg = 60;
	sys.gcr = 0.4;
	ok(ajk_pv_run(&sys, &site, &in, &out, &tot, NULL, NULL) == AJK_OK, "runs a tracker");
	ok(tot.poa_kwh_m2 > 1.12 * fixed && tot.poa_kwh_m2 < 1.35 * fixed,
	   "a tracker's plane gets %.1f %% more", 100 * (tot.poa_kwh_m2 / fixed - 1));
	sys.tracking = false;
	for (int i = 0; i < AJK_HORIZON_BINS; i++)
		hills[i] = 0;
	sys.horizon = hills;
	ajk_pv_run(&sys, &site, &in, &out, &tot, NULL, NULL);
	near(tot.poa_kwh_m2, fixed, 0.01, "a level horizon changes nothing");
	near(tot.horizon_kwh, 0, 0.1, "and takes nothing");
	for (int i = 0; i < AJK_HORIZON_BINS; i++)
		hills[i] = 20;
	ajk_pv_run(&sys, &site, &in, &out, &tot, NULL, NULL);
	ok(tot.poa_kwh_m2 < 0.95 * fixed && tot.shaded_hours > 500 && tot.horizon_kwh > 0,
	   "hills of 20 deg take %.1f %%", 100 * (1 - tot.poa_kwh_m2 / fixed));
	near(tot.nominal_kwh - tot.horizon_kwh - tot.reflection_kwh - tot.temperature_kwh -
		 tot.system_kwh - tot.inverter_kwh - tot.clipping_kwh, tot.ac_kwh, 1e-6, "losses add up with hills");
	for (int i = 0; i < AJK_HORIZON_BINS; i++)
		hills[i] = 90;
	ajk_pv_run(&sys, &site, &in, &out, &tot, NULL, NULL);
	ok(tot.ac_kwh < 100, "at the bottom of a well there is only the ground's light");
	ajk_weather_free(&w);
	free(jd);
	free(poa);
	free(ac);
	free(text);
}

int
main(void)
{
	test_parts();
	test_tracker();
	test_horizon();
	test_denver();
	return unit_done();
}
