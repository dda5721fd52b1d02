/*-------------------------------------------------------------------------
 *
 * solar_step.c
 *		The solar yield step: a year of a photovoltaic system.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "solar.h"

#include <math.h>

PG_FUNCTION_INFO_V1(aj_step_solar_yield);
PG_FUNCTION_INFO_V1(aj_check_solar_yield);

/* 90 % quantile of the standard normal distribution */
#define Z90 1.2815515655446004

/* Latitude and longitude of the array, and what is told of it on a map. */
static char *
geojson(const AjSolarYear *y)
{
	AjGeoJson	gj;
	StringInfoData p;

	aj_geojson_begin(&gj);
	initStringInfo(&p);
	appendStringInfo(&p, "\"feature_type\":\"solar_array\",\"asset_type\":\"solar_array\",\"capacity_kw\":");
	aj_json_number(&p, y->sys.dc_kw, 3);
	appendStringInfoString(&p, ",\"annual_ac_kwh\":");
	aj_json_number(&p, y->tot.ac_kwh, 1);
	appendStringInfoString(&p, ",\"specific_yield_kwh_kwp\":");
	aj_json_number(&p, y->tot.ac_kwh / y->sys.dc_kw, 2);
	appendStringInfoString(&p, ",\"weather\":");
	aj_json_string(&p, y->weather->name);
	aj_geojson_point(&gj, p.data, y->place.lon_deg, y->place.lat_deg);
	return aj_geojson_end(&gj);
}

static char *
monthly_csv(const AjSolarYear *y)
{
	StringInfoData b;

	initStringInfo(&b);
	appendStringInfoString(&b, "month,ghi_kwh_m2,poa_kwh_m2,ac_kwh,specific_yield_kwh_kwp,air_c\n");
	for (int m = 0; m < 12; m++)
		appendStringInfo(&b, "%d,%.3f,%.3f,%.3f,%.4f,%.2f\n", m + 1, y->month[m].ghi_kwh_m2,
						 y->month[m].poa_kwh_m2, y->month[m].ac_kwh,
						 y->month[m].ac_kwh / y->sys.dc_kw, y->month[m].air_c);
	return b.data;
}

static StringInfo
hourly_csv(const AjSolarYear *y)
{
	StringInfo	b = makeStringInfo();
	const AjWeather *w = y->weather;

	appendStringInfoString(b, "month,day_of_year,local_hour,sun_elevation_deg,sun_azimuth_deg,poa_w_m2,cell_c,ac_kw\n");
	for (int i = 0; i < w->n; i++)
	{
		int			m,
					day;
		double		hour;

		aj_solar_local(w, i, &m, &day, &hour);
		appendStringInfo(b, "%d,%d,%.4f,%.3f,%.3f,%.2f,%.2f,%.5f\n", m + 1, day + 1, hour,
						 y->elevation_deg[i], y->azimuth_deg[i], y->poa[i], y->cell_c[i], y->ac_kw[i]);
	}
	return b;
}

static void
put_loss(StringInfo b, const char *name, double kwh, double before)
{
	appendStringInfo(b, "%s{\"name\":\"%s\"", b->data[b->len - 1] == '[' ? "" : ",", name);
	aj_json_field(b, "kwh", kwh, 3);
	aj_json_field(b, "pct", before > 0 ? 100 * kwh / before : 0, 4);
	appendStringInfoChar(b, '}');
}

static void
put_losses(StringInfo b, const AjSolarYear *y)
{
	const AjkPvTotals *t = &y->tot;
	double		left = t->nominal_kwh;

	appendStringInfoString(b, ",\"losses\":[");
	put_loss(b, "horizon", t->horizon_kwh, left);
	left -= t->horizon_kwh;
	put_loss(b, "reflection", t->reflection_kwh, left);
	left -= t->reflection_kwh;
	put_loss(b, "temperature", t->temperature_kwh, left);
	left -= t->temperature_kwh;
	put_loss(b, "system", t->system_kwh, left);
	left -= t->system_kwh;
	put_loss(b, "inverter", t->inverter_kwh, left);
	left -= t->inverter_kwh;
	put_loss(b, "clipping", t->clipping_kwh, left);
	appendStringInfoChar(b, ']');
}

static Jsonb *
output(const AjSolarYear *y)
{
	const AjkPvSystem *s = &y->sys;
	const AjkPvTotals *t = &y->tot;
	double		ac_limit = s->dc_kw / s->dc_ac_ratio;
	double		seen = t->ghi_kwh_m2;
	StringInfoData b;

	initStringInfo(&b);
	appendStringInfoChar(&b, '{');
	aj_json_field(&b, "annual_ac_kwh", t->ac_kwh, 3);
	aj_json_field(&b, "annual_ac_p90_kwh", t->ac_kwh * (1 - Z90 * y->uncertainty_pct / 100), 3);
	aj_json_field(&b, "uncertainty_pct", y->uncertainty_pct, 4);
	aj_json_field(&b, "annual_dc_kwh", t->dc_kwh, 3);
	aj_json_field(&b, "specific_yield_kwh_kwp", t->ac_kwh / s->dc_kw, 4);
	aj_json_field(&b, "performance_ratio", t->poa_open_kwh_m2 > 0 ? t->ac_kwh / (t->poa_open_kwh_m2 * s->dc_kw) : NAN, 6);
	aj_json_field(&b, "capacity_factor_dc", t->ac_kwh / (s->dc_kw * 8760), 6);
	aj_json_field(&b, "capacity_factor_ac", t->ac_kwh / (ac_limit * 8760), 6);
	aj_json_field(&b, "peak_ac_kw", t->peak_ac_kw, 4);
	aj_json_field(&b, "ghi_kwh_m2", seen, 4);
	aj_json_field(&b, "poa_kwh_m2", t->poa_kwh_m2, 4);
	aj_json_field(&b, "poa_without_horizon_kwh_m2", t->poa_open_kwh_m2, 4);
	aj_json_field(&b, "poa_beam_kwh_m2", t->beam_kwh_m2, 4);
	aj_json_field(&b, "poa_sky_kwh_m2", t->sky_kwh_m2, 4);
	aj_json_field(&b, "poa_ground_kwh_m2", t->ground_kwh_m2, 4);
	aj_json_field(&b, "nominal_kwh", t->nominal_kwh, 3);
	put_losses(&b, y);
	appendStringInfoString(&b, ",\"monthly\":[");
	for (int m = 0; m < 12; m++)
	{
		appendStringInfo(&b, "%s{\"month\":%d", m ? "," : "", m + 1);
		aj_json_field(&b, "ghi_kwh_m2", y->month[m].ghi_kwh_m2, 3);
		aj_json_field(&b, "poa_kwh_m2", y->month[m].poa_kwh_m2, 3);
		aj_json_field(&b, "ac_kwh", y->month[m].ac_kwh, 3);
		aj_json_field(&b, "air_c", y->month[m].air_c, 2);
		appendStringInfoChar(&b, '}');
	}
	appendStringInfoString(&b, "],\"system\":{");
	aj_json_field(&b, "dc_capacity_kw", s->dc_kw, 4);
	aj_json_field(&b, "ac_capacity_kw", ac_limit, 4);
	appendStringInfo(&b, ",\"tracking\":\"%s\",\"module_type\":\"%s\",\"mounting\":\"%s\"",
					 s->tracking ? "single_axis" : "none", y->module_type, y->mounting);
	if (s->tracking)
	{
		aj_json_field(&b, "axis_azimuth_deg", s->azimuth_deg, 4);
		aj_json_field(&b, "max_angle_deg", s->max_angle_deg, 4);
		appendStringInfo(&b, ",\"backtracking\":%s", s->gcr > 0 ? "true" : "false");
		if (s->gcr > 0)
			aj_json_field(&b, "gcr", s->gcr, 4);
	}
	else
	{
		aj_json_field(&b, "tilt_deg", s->tilt_deg, 4);
		aj_json_field(&b, "azimuth_deg", s->azimuth_deg, 4);
	}
	aj_json_field(&b, "albedo", s->albedo, 4);
	aj_json_field(&b, "losses_pct", s->losses_pct, 4);
	aj_json_field(&b, "dc_ac_ratio", s->dc_ac_ratio, 4);
	aj_json_field(&b, "inverter_eff", s->inverter_efficiency, 4);
	aj_json_field(&b, "gamma_pdc_per_c", s->gamma_per_c, 6);
	appendStringInfoString(&b, "},\"place\":{");
	aj_json_field(&b, "longitude", y->place.lon_deg, 7);
	aj_json_field(&b, "latitude", y->place.lat_deg, 7);
	aj_json_field(&b, "elevation_m", y->place.elevation_m, 1);
	appendStringInfoString(&b, ",\"weather\":");
	aj_json_string(&b, y->weather->name);
	aj_json_field(&b, "weather_years", y->years, 3);
	appendStringInfoChar(&b, '}');
	if (y->horizon)
	{
		appendStringInfoString(&b, ",\"horizon\":{");
		if (y->dem)
		{
			appendStringInfoString(&b, "\"dem\":");
			aj_json_string(&b, y->dem);
			aj_json_field(&b, "seen_m", y->horizon_seen_m, 0);
		}
		aj_json_field(&b, "shaded_hours", t->shaded_hours, 1);
		aj_json_field(&b, "sun_hours", t->sun_hours, 1);
		appendStringInfoString(&b, ",\"elevation_deg\":[");
		for (int i = 0; i < AJK_HORIZON_BINS; i += 5)
		{
			if (i)
				appendStringInfoChar(&b, ',');
			aj_json_number(&b, y->horizon[i], 2);
		}
		appendStringInfoString(&b, "]}");
	}
	appendStringInfoString(&b, ",\"assumptions\":[");
	for (int i = 0; y->assumptions[i]; i++)
	{
		if (i)
			appendStringInfoChar(&b, ',');
		aj_json_string(&b, y->assumptions[i]);
	}
	appendStringInfoString(&b, "]}");
	return aj_jsonb_from_text(b.data);
}

/*
 * step_solar_yield(input jsonb) returns jsonb
 */
Datum
aj_step_solar_yield(PG_FUNCTION_ARGS)
{
	AjStepInput in;
	AjSolarYear *y;
	Jsonb	   *out;
	char	   *text;
	StringInfo	hourly;

	aj_step_input(PG_GETARG_JSONB_P(0), &in);
	aj_progress(0.02, "weather");
	y = aj_solar_input(in.params, true);
	aj_solar_compute(y, 0.4, 0.9);
	aj_progress(0.9, "results");
	out = output(y);
	text = JsonbToCString(NULL, &out->root, VARSIZE(out));
	aj_artifact("solar_yield", "solar_yield", "application/json", text, strlen(text));
	text = monthly_csv(y);
	aj_artifact("monthly.csv", "solar_monthly", "text/csv", text, strlen(text));
	text = geojson(y);
	aj_artifact("solar_array.geojson", "solar_array", "application/geo+json", text, strlen(text));
	if (aj_param_bool(in.params, "hourly", false))
	{
		hourly = hourly_csv(y);
		aj_artifact("hourly.csv", "solar_hourly", "text/csv", hourly->data, hourly->len);
	}
	aj_progress(1.0, "yield computed");
	PG_RETURN_JSONB_P(out);
}

/*
 * check_solar_yield(params jsonb) returns void
 */
Datum
aj_check_solar_yield(PG_FUNCTION_ARGS)
{
	static const char *const known[] = {AJ_SOLAR_PARAMS, NULL};
	AjStepInput in;

	aj_step_input(PG_GETARG_JSONB_P(0), &in);
	aj_check_params(in.params, known);
	(void) aj_solar_input(in.params, false);
	PG_RETURN_VOID();
}
