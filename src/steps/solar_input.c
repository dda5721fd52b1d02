/*-------------------------------------------------------------------------
 *
 * solar_input.c
 *		Parameters of the solar steps, the horizon, and the computed year.
 *
 * The yield step and the report both compute the year, from the same weather
 * and parameters; it takes some 30 ms, and checkpoints stay small.
 *
 * Weather of more or less than a year, a leap year included, is brought to a
 * year of 8760 hours by its length; at least 360 days are needed, since a season that is missing
 * cannot be told from the others.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "dem.h"
#include "solar.h"
#include "wind_farm.h"

#include <math.h>

#include "utils/memutils.h"

#include "../kernels/csv.h"

#define DAYS_NEEDED 360
#define FAR_KM 200.0			/* weather from further away is refused */
#define MAX_WINDOW 4096			/* cells along a side of the horizon's grid */

static const char *const trackings[] = {"none", "single_axis", NULL};
static const char *const modules[] = {"standard", "premium", "thin_film", NULL};
static const char *const mountings[] = {"open_rack", "roof", NULL};
static const char *const horizons[] = {"none", "dem", NULL};

static double
distance_km(double lon0, double lat0, double lon1, double lat1)
{
	double		a = AJK_DEG2RAD(lat0);
	double		b = AJK_DEG2RAD(lat1);
	double		s = sin((b - a) / 2);
	double		t = sin(AJK_DEG2RAD(lon1 - lon0) / 2);

	return 2 * 6371.0 * asin(Min(sqrt(s * s + cos(a) * cos(b) * t * t), 1));
}

static void
read_place(AjSolarYear *y, JsonbContainer *params)
{
	const AjWeather *w = y->weather;

	y->place.lat_deg = w->latitude;
	y->place.lon_deg = w->longitude;
	y->place.elevation_m = w->elevation_m;
	if (aj_param_exists(params, "longitude") || aj_param_exists(params, "latitude"))
	{
		y->place.lon_deg = aj_require_number(params, "longitude", -180, 180);
		y->place.lat_deg = aj_require_number(params, "latitude", -90, 90);
		if (aj_param_exists(params, "site"))
			aj_step_error(AJ_ERRCODE_VALIDATION, "unit_or_range",
						  "parameters \"site\" and \"longitude\" are both given", NULL,
						  "Give one of them.");
	}
	else if (aj_param_exists(params, "site"))
	{
		AjSite	   *s = aj_site_get(params);

		y->place.lon_deg = 0.5 * (s->west + s->east);
		y->place.lat_deg = 0.5 * (s->south + s->north);
	}
	y->distance_km = distance_km(w->longitude, w->latitude, y->place.lon_deg, y->place.lat_deg);
	if (y->distance_km > FAR_KM)
		aj_step_error(AJ_ERRCODE_VALIDATION, "weather_too_far",
					  psprintf("weather \"%s\" is from a place %.0f km away", w->name, y->distance_km),
					  psprintf("The weather is from %.4f, %.4f, the array stands at %.4f, %.4f (longitude, latitude).",
							   w->longitude, w->latitude, y->place.lon_deg, y->place.lat_deg),
					  psprintf("Load weather from within %.0f km of the site; check that longitude and latitude are not swapped.", FAR_KM));
	y->place.pressure_mbar = ajk_standard_pressure(y->place.elevation_m);
	y->place.temp_c = 12;
}

static void
read_system(AjSolarYear *y, JsonbContainer *params)
{
	AjkPvSystem *s = &y->sys;
	bool		south = y->place.lat_deg < 0;
	bool		premium;

	s->dc_kw = aj_require_number(params, "dc_capacity_kw", 0.001, 1e8);
	s->tracking = aj_param_choice(params, "tracking", "none", trackings) == trackings[1];
	y->module_type = aj_param_choice(params, "module_type", "standard", modules);
	y->mounting = aj_param_choice(params, "mounting", "open_rack", mountings);
	premium = y->module_type == modules[1];
	s->gamma_per_c = aj_param_number(params, "gamma_pdc_per_c",
									 premium ? -0.0035 : y->module_type == modules[2] ? -0.0020 : -0.0047,
									 -0.01, 0);
	s->ar_coated = premium;
	s->inoct_c = y->mounting == mountings[1] ? 49 : 45;
	s->albedo = aj_param_number(params, "albedo", 0.2, 0, 1);
	s->losses_pct = aj_param_number(params, "losses_pct", 14.08, 0, 99);
	s->dc_ac_ratio = aj_param_number(params, "dc_ac_ratio", 1.2, 0.1, 10);
	s->inverter_efficiency = aj_param_number(params, "inverter_eff", 0.96, 0.5, 1);
	y->uncertainty_pct = aj_param_number(params, "uncertainty_pct", 7, 0, 50);
	if (s->tracking)
	{
		double		gcr = aj_param_number(params, "gcr", 0.4, 0.01, 0.99);

		for (int i = 0; i < 2; i++)
			if (aj_param_exists(params, i ? "azimuth_deg" : "tilt_deg"))
				aj_step_error(AJ_ERRCODE_VALIDATION, "unit_or_range",
							  psprintf("parameter \"%s\" does not go with tracking", i ? "azimuth_deg" : "tilt_deg"),
							  "A tracker's axis lies level; its rotation follows the sun.",
							  "Leave it out, or give axis_azimuth_deg, max_angle_deg and gcr.");
		s->azimuth_deg = aj_param_number(params, "axis_azimuth_deg", south ? 0 : 180, 0, 360);
		s->max_angle_deg = aj_param_number(params, "max_angle_deg", 60, 1, 90);
		s->gcr = aj_param_bool(params, "backtracking", true) ? gcr : 0;
	}
	else
	{
		(void) aj_param_number(params, "gcr", 0.4, 0.01, 0.99);
		s->tilt_deg = aj_param_number(params, "tilt_deg", rint(fabs(y->place.lat_deg)), 0, 90);
		s->azimuth_deg = aj_param_number(params, "azimuth_deg", south ? 0 : 180, 0, 360);
	}
	(void) aj_param_bool(params, "hourly", false);
	(void) aj_param_text(params, "title", NULL);
}

/* The horizon written out: elevations at even azimuths from north. */
static void
given_horizon(AjSolarYear *y, JsonbContainer *params)
{
	int			n;
	double	   *h = aj_param_numbers(params, "horizon_deg", &n, 0, 90);

	if (n < 4 || n > 3600)
		aj_step_error(AJ_ERRCODE_VALIDATION, "unit_or_range",
					  psprintf("parameter \"horizon_deg\" has %d values", n),
					  "Allowed are 4 to 3600 values.",
					  "Give the height of the horizon in degrees at even steps of azimuth, clockwise from north.");
	y->horizon = palloc(AJK_HORIZON_BINS * sizeof(double));
	for (int i = 0; i < AJK_HORIZON_BINS; i++)
	{
		double		at = (double) i * n / AJK_HORIZON_BINS;
		int			k = (int) at;

		y->horizon[i] = h[k % n] + (at - k) * (h[(k + 1) % n] - h[k % n]);
	}
	y->sys.horizon = y->horizon;
}

/* From azimuths of a UTM grid, whose north is not quite true north, to true ones */
static void
turn_to_true_north(const AjDem *d, double lon, double lat, double *horizon)
{
	double		turn = aj_true_north(d->zone, d->south, lon, lat);
	double		grid[AJK_HORIZON_BINS];

	memcpy(grid, horizon, sizeof(grid));
	for (int i = 0; i < AJK_HORIZON_BINS; i++)
		horizon[i] = ajk_horizon_at(grid, i * 360.0 / AJK_HORIZON_BINS + turn);
}

/* The horizon from an elevation model. */
static void
dem_horizon(AjSolarYear *y, JsonbContainer *params, bool compute)
{
	char	   *name = aj_param_text(params, "dem", NULL);
	double		far_m = 1000 * aj_param_number(params, "horizon_distance_km", 20, 0.1, 200);
	double		lon = y->place.lon_deg;
	double		lat = y->place.lat_deg;
	AjDem	   *d = aj_dem_find(name, lon, lat, lon, lat);
	double		x,
				yy;
	double		row_m;			/* metres a degree or metre of y */
	double		reach_x,
				reach_y;
	int			c0,
				c1,
				r0,
				r1,
				factor = 1;
	int			w,
				h;
	float	   *z;
	double	   *dx;
	AjkError	err;
	AjPoll		poll = {0.1, 0.4, "horizon"};

	if (!aj_dem_contains(d, lon, lat))
		aj_step_error(AJ_ERRCODE_VALIDATION, "dem_does_not_cover_site",
					  psprintf("elevation model \"%s\" does not cover the array", d->name),
					  psprintf("The array stands at %.7g, %.7g (longitude, latitude); the model reaches from %.7g, %.7g to %.7g, %.7g.",
							   lon, lat, d->west, d->south_lat, d->east, d->north),
					  "Load one that does with asyncjob.load_dem(name, asc_grid, epsg), or give \"horizon\": \"none\".");
	y->dem = d->name;
	if (!compute)
		return;
	aj_dem_project(d, lon, lat, &x, &yy);
	row_m = d->zone ? 1 : 111132.0;
	reach_y = far_m / row_m;
	reach_x = d->zone ? far_m : far_m / (111320.0 * Max(cos(AJK_DEG2RAD(Min(fabs(lat) + reach_y, 89))), 0.01));
	c0 = Max((int) floor((x - reach_x - d->x0) / d->dx), 0);
	c1 = Min((int) ceil((x + reach_x - d->x0) / d->dx), d->ncols);
	r0 = Max((int) floor((d->y0 - yy - reach_y) / d->dy), 0);
	r1 = Min((int) ceil((d->y0 - yy + reach_y) / d->dy), d->nrows);
	while (Max(c1 - c0, r1 - r0) / factor > MAX_WINDOW)
		factor++;
	c0 -= c0 % factor;
	r0 -= r0 % factor;
	w = (c1 - c0 + factor - 1) / factor;
	h = (r1 - r0 + factor - 1) / factor;
	if (w < 2 || h < 2)
		aj_step_error(AJ_ERRCODE_VALIDATION, "dem_does_not_cover_site",
					  psprintf("elevation model \"%s\" has too few cells around the array", d->name), NULL,
					  "Load a finer or larger one, or give \"horizon\": \"none\".");
	aj_check_memory(sizeof(float) * (double) w * h, psprintf("%d x %d cells of the horizon", w, h),
					"Lower horizon_distance_km or raise asyncjob.max_step_memory.");
	z = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(float) * (Size) w * h);
	aj_dem_window(d, c0, r0, c1 - c0, r1 - r0, factor, z);
	dx = palloc(sizeof(double) * h);
	for (int r = 0; r < h; r++)
	{
		double		row_lat = d->y0 - (r0 + (r + 0.5) * factor) * d->dy;

		dx[r] = d->dx * factor * (d->zone ? 1 : 111320.0 * Max(cos(AJK_DEG2RAD(row_lat)), 0.001));
	}
	y->horizon = palloc(AJK_HORIZON_BINS * sizeof(double));
	aj_compute_begin();
	err = ajk_horizon(z, w, h, dx, d->dy * factor * row_m,
					  Min(Max((x - d->x0) / d->dx / factor - c0 / (double) factor - 0.5, 0), w - 1),
					  Min(Max((d->y0 - yy) / d->dy / factor - r0 / (double) factor - 0.5, 0), h - 1),
					  2.0, far_m, y->horizon, &y->horizon_seen_m, aj_poll, &poll);
	aj_compute_end();
	if (err == AJK_STOPPED)
		aj_poll_finish();
	if (err != AJK_OK)
		aj_step_error(AJ_ERRCODE_VALIDATION, "dem_does_not_cover_site",
					  psprintf("elevation model \"%s\" has no elevation at the array", d->name), NULL,
					  "Move the array, load a model without the void, or give \"horizon\": \"none\".");
	pfree(z);
	if (d->zone)
		turn_to_true_north(d, lon, lat, y->horizon);
	y->sys.horizon = y->horizon;
}

static void
read_horizon(AjSolarYear *y, JsonbContainer *params, bool compute)
{
	bool		list = aj_param_exists(params, "horizon_deg");
	const char *mode = aj_param_choice(params, "horizon",
									   aj_param_exists(params, "dem") ? "dem" : "none", horizons);

	(void) aj_param_number(params, "horizon_distance_km", 20, 0.1, 200);
	if (list && mode == horizons[1])
		aj_step_error(AJ_ERRCODE_VALIDATION, "unit_or_range",
					  "the horizon is given by \"horizon_deg\" and by an elevation model", NULL,
					  "Give one of \"horizon_deg\" and \"dem\".");
	if (list)
		given_horizon(y, params);
	else if (mode == horizons[1])
		dem_horizon(y, params, compute);
}

AjSolarYear *
aj_solar_input(JsonbContainer *params, bool values)
{
	AjSolarYear *y = palloc0(sizeof(AjSolarYear));
	double		days;

	y->weather = aj_weather_get(params, values);
	days = y->weather->n * y->weather->interval_s / 86400;
	if (days < DAYS_NEEDED)
		aj_step_error(AJ_ERRCODE_VALIDATION, "weather_gaps",
					  psprintf("weather \"%s\" covers %.1f days", y->weather->name, days),
					  psprintf("A year's yield needs %d days or more.", DAYS_NEEDED),
					  "Load a whole year with asyncjob.load_weather(name, csv).");
	y->years = days / 365.0;
	read_place(y, params);
	read_system(y, params);
	read_horizon(y, params, values);
	return y;
}

void
aj_solar_local(const AjWeather *w, int i, int *month, int *day, double *hour)
{
	double		t = w->first_s + i * w->interval_s + w->utc_offset_h * 3600;
	double		days = floor(t / 86400);
	int			y,
				m,
				d;

	ajk_date((int64) days, &y, &m, &d);
	*month = m - 1;
	*day = (int) ((int64) days - ajk_days(y, 1, 1));
	*hour = (t - days * 86400) / 3600;
}

/* ---- the year ---- */

static float *
floats(int n)
{
	return MemoryContextAllocHuge(CurrentMemoryContext, sizeof(float) * (Size) n);
}

/* Divide every sum by the number of years. */
static void
per_year(AjSolarYear *y)
{
	AjkPvTotals *t = &y->tot;
	double	   *sums[] = {&t->ghi_kwh_m2, &t->poa_open_kwh_m2, &t->poa_kwh_m2, &t->beam_kwh_m2,
		&t->sky_kwh_m2, &t->ground_kwh_m2, &t->nominal_kwh, &t->horizon_kwh, &t->reflection_kwh,
		&t->temperature_kwh, &t->system_kwh, &t->dc_kwh, &t->inverter_kwh, &t->clipping_kwh,
	&t->ac_kwh, &t->sun_hours, &t->shaded_hours, &t->dark_ghi_kwh_m2};

	for (Size i = 0; i < lengthof(sums); i++)
		*sums[i] /= y->years;
	for (int m = 0; m < 12; m++)
	{
		y->month[m].ghi_kwh_m2 /= y->years;
		y->month[m].poa_kwh_m2 /= y->years;
		y->month[m].ac_kwh /= y->years;
	}
}

static void
assumptions(AjSolarYear *y)
{
	const AjWeather *w = y->weather;
	int			n = 0;

	y->assumptions = palloc0(sizeof(char *) * 16);
	if (w->flags & AJK_WEATHER_TYPICAL_YEAR)
		y->assumptions[n++] = "The weather is a typical year; a single year differs from it by some per cent.";
	if (w->flags & AJK_WEATHER_SPLIT_DERIVED)
		y->assumptions[n++] = "Beam and diffuse irradiance are derived from global irradiance (correlation of Erbs et al. 1982).";
	if (w->flags & AJK_WEATHER_GHI_DERIVED)
		y->assumptions[n++] = "Global horizontal irradiance is computed from beam and diffuse.";
	if (w->flags & AJK_WEATHER_DHI_DERIVED)
		y->assumptions[n++] = "Diffuse irradiance is computed from global and beam.";
	if (fabs(y->years - 1) > 1e-6)
		y->assumptions[n++] = psprintf("The weather covers %.4g days; figures are per year of 365 days.", 365 * y->years);
	if (y->distance_km > 1)
		y->assumptions[n++] = psprintf("The weather is from a place %.0f km away.", y->distance_km);
	if (y->horizon == NULL)
		y->assumptions[n++] = "No shading by hills, trees or buildings.";
	else if (y->dem)
		y->assumptions[n++] = psprintf("Hills up to %.1f km away shade the array; trees and buildings do not.",
									   y->horizon_seen_m / 1000);
	else
		y->assumptions[n++] = "The horizon was given with the parameters.";
	y->assumptions[n++] = y->sys.tracking ?
		(y->sys.gcr > 0 ? "Rows backtrack, so they do not shade each other's beam; the diffuse light they take from each other is not modelled." :
		 "Rows shade each other when the sun is low; that is not modelled, since backtracking is off.") :
		"Rows do not shade each other; no snow beyond what the system losses contain.";
	y->assumptions[n++] = psprintf("System losses of %.4g %% stand for soiling, wiring, mismatch, ageing of the first year, availability and the like.",
								   y->sys.losses_pct);
	y->assumptions[n++] = psprintf("P90 takes the error of the yield to be normal with a standard deviation of %.4g %%.", y->uncertainty_pct);
}

void
aj_solar_compute(AjSolarYear *y, double from, double to)
{
	AjWeather  *w = y->weather;
	double	   *jd;
	AjkPvWeather in;
	AjkPvSeries out;
	AjkError	err;
	AjPoll		poll = {from, to, "yield"};
	int			count[12] = {0};
	double		hours = w->interval_s / 3600;

	aj_check_memory(100.0 * w->n, psprintf("%d intervals of weather", w->n),
					"Load fewer years or raise asyncjob.max_step_memory.");
	jd = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * (Size) w->n);
	for (int i = 0; i < w->n; i++)
		jd[i] = AJK_JD_UNIX + (w->first_s + i * w->interval_s) / 86400;
	y->elevation_deg = floats(w->n);
	y->azimuth_deg = floats(w->n);
	y->poa = floats(w->n);
	y->cell_c = floats(w->n);
	y->ac_kw = floats(w->n);
	in = (AjkPvWeather)
	{
		w->n, hours, jd, w->ghi, w->dni, w->dhi, w->air_c, w->wind_m_s, w->albedo
	};
	out = (AjkPvSeries)
	{
		y->elevation_deg, y->azimuth_deg, y->poa, y->cell_c, NULL, y->ac_kw
	};
	aj_compute_begin();
	err = ajk_pv_run(&y->sys, &y->place, &in, &out, &y->tot, aj_poll, &poll);
	aj_compute_end();
	if (err == AJK_STOPPED)
		aj_poll_finish();
	if (err != AJK_OK)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
						errdetail("Failed on %d intervals of weather.", w->n)));
	for (int i = 0; i < w->n; i++)
	{
		int			m,
					day;
		double		hour;

		aj_solar_local(w, i, &m, &day, &hour);
		y->month[m].ghi_kwh_m2 += w->ghi[i] * hours / 1000;
		y->month[m].poa_kwh_m2 += y->poa[i] * hours / 1000;
		y->month[m].ac_kwh += y->ac_kw[i] * hours;
		y->month[m].air_c += w->air_c[i];
		count[m]++;
	}
	for (int m = 0; m < 12; m++)
		y->month[m].air_c = count[m] ? y->month[m].air_c / count[m] : NAN;
	per_year(y);
	assumptions(y);
	pfree(jd);
}
