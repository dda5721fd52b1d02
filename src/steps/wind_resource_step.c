/*-------------------------------------------------------------------------
 *
 * wind_resource_step.c
 *		The wind_resource step: what the wind of a place is like.
 *
 * From a measured series: quality control, wind rose, Weibull distributions
 * of all directions and by sector, shear, power density, months and hours.
 * From a loaded wind resource: the same figures as far as its distributions
 * give them.  The output's "definition" is a wind resource as the loaders
 * take it; the layout and simulation steps of the same job read it where no
 * parameter "wind" names another.
 *
 * Power density is 1/2 rho times the mean cube of the speed as measured, not
 * of a fit.  Air density: as given; or from elevation and temperature by the
 * barometric formula of the ISO 2533 atmosphere; or 1.225 kg/m3.
 *
 * Nothing is extrapolated without a shear exponent: that is the parameter,
 * or what two measured heights give, else hub_height_m is refused.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "report_svg.h"
#include "wind_series.h"

#include <math.h>

#include "utils/datetime.h"

/* A distance of distributions that is no scatter of a measured wind */
#define MOST_KS 0.1

PG_FUNCTION_INFO_V1(aj_step_wind_resource);
PG_FUNCTION_INFO_V1(aj_check_wind_resource_job);

typedef struct ResourceParams
{
	int			sectors;
	double		bin_m_s;
	AjkWeibullMethod method;
	const char *method_name;
	AjkWindRules rules;
	double		min_recovery_pct;
	int			min_records;
	double		hub_height_m;	/* NaN: not asked for */
	double		shear_alpha;	/* NaN: not given */
	double		density;
	const char *density_from;
} ResourceParams;

/* Dry air of the ISO 2533 atmosphere's pressure at a height, and 15 C or T */
static double
air_density(double elevation_m, double temperature_c)
{
	double		p = 101325.0 * pow(1.0 - 2.25577e-5 * elevation_m, 5.25588);

	return p / (287.05 * (temperature_c + 273.15));
}

static ResourceParams
resource_params(JsonbContainer *params)
{
	static const char *const methods[] = {"mle", "wasp", NULL};
	ResourceParams p;
	double		elevation;
	double		temperature;

	p.sectors = aj_param_int(params, "sectors", 12, 4, AJK_WIND_MAX_SECTORS);
	p.bin_m_s = aj_param_number(params, "speed_bin_m_s", 1, 0.25, 5);
	p.method_name = aj_param_choice(params, "weibull_method", "mle", methods);
	p.method = strcmp(p.method_name, "mle") == 0 ? AJK_WEIBULL_MLE :
		AJK_WEIBULL_WASP;
	p.rules.calm = aj_param_number(params, "calm_m_s", 0.5, 0, 5);
	p.rules.max_speed = aj_param_number(params, "max_speed_m_s", 60, 10, 75);
	p.rules.frozen = aj_param_int(params, "frozen_records", 12, 0, 100000);
	p.rules.interval_s = 0;
	p.min_recovery_pct = aj_param_number(params, "min_recovery_pct", 50, 0, 100);
	p.min_records = aj_param_int(params, "min_records", 100, AJK_WEIBULL_MIN,
								 AJ_MAX_SERIES);
	p.hub_height_m = aj_param_number(params, "hub_height_m", NAN, 1, 500);
	p.shear_alpha = aj_param_number(params, "shear_alpha", NAN, -0.5, 1.0);
	p.density = aj_param_number(params, "air_density_kg_m3", NAN, 0.5, 1.6);
	p.density_from = "air_density_kg_m3";
	elevation = aj_param_number(params, "elevation_m", NAN, -500, 6000);
	temperature = aj_param_number(params, "temperature_c", NAN, -60, 60);
	if (isnan(p.density) && !isnan(elevation))
	{
		p.density = air_density(elevation, isnan(temperature) ?
								15.0 - 0.0065 * elevation : temperature);
		p.density_from = "elevation_m";
	}
	else if (isnan(p.density) && !isnan(temperature))
		aj_step_error(AJ_ERRCODE_VALIDATION, "parameter_missing",
					  "parameter \"elevation_m\" is missing",
					  "The density of air follows from temperature_c and elevation_m together.",
					  "Give elevation_m too, or air_density_kg_m3.");
	else if (isnan(p.density))
	{
		p.density = 1.225;
		p.density_from = "standard air at sea level";
	}
	return p;
}

static bool
has_series(JsonbContainer *params)
{
	bool		series = aj_param_exists(params, "series");
	bool		wind = aj_param_exists(params, "wind");

	if (series && wind)
		aj_step_error(AJ_ERRCODE_VALIDATION, "parameter_conflict",
					  "both \"series\" and \"wind\" are given", NULL,
					  "Give either \"series\", a measured series, or \"wind\", a wind resource.");
	if (!series && !wind)
		aj_step_error(AJ_ERRCODE_VALIDATION, "wind_resource_missing",
					  "neither \"series\" nor \"wind\" is given", NULL,
					  "Give \"series\", the name of a measured series loaded with asyncjob.load_wind_series() or asyncjob.load_wind_series_csv(), or \"wind\", a wind resource loaded with asyncjob.load_weibull() or asyncjob.load_wind_rose() or one as an object.");
	return series;
}

static AJ_NORETURN void
refuse_hub_height(const char *name, bool height_known)
{
	if (!height_known)
		aj_step_error(AJ_ERRCODE_VALIDATION, "shear_unknown",
					  psprintf("the height at which \"%s\" was measured is not known",
							   name), NULL,
					  "Load it with height_m, or leave hub_height_m out.");
	aj_step_error(AJ_ERRCODE_VALIDATION, "shear_unknown",
				  psprintf("the wind of \"%s\" cannot be brought to hub height: no shear exponent is known",
						   name), NULL,
				  "Give shear_alpha, or load the series with upper_speed_m_s and upper_height_m, or leave hub_height_m out.");
}

void
aj_check_wind_resource_params(JsonbContainer *params)
{
	ResourceParams p = resource_params(params);
	double		height;
	bool		shear = !isnan(p.shear_alpha);
	const char *name;

	if (has_series(params))
	{
		AjWindSeries *s = aj_wind_series_get(params, false);

		name = s->name;
		height = s->height_m;
		shear = shear || !isnan(s->upper_height_m);
	}
	else
	{
		AjWind	   *w = aj_wind_get(params, "wind");

		name = w->name;
		height = w->height_m > 0 ? w->height_m : NAN;
		shear = shear || !isnan(w->shear_alpha);
	}
	if (!isnan(p.hub_height_m) && p.hub_height_m != height &&
		(isnan(height) || !shear))
		refuse_hub_height(name, !isnan(height));
}

/*
 * check_wind_resource_job(params jsonb) returns void
 */
Datum
aj_check_wind_resource_job(PG_FUNCTION_ARGS)
{
	static const char *const known[] = {
		AJ_WIND_RESOURCE_PARAMS, NULL
	};
	AjStepInput in;

	aj_step_input(PG_GETARG_JSONB_P(0), &in);
	aj_check_params(in.params, known);
	aj_check_wind_resource_params(in.params);
	PG_RETURN_VOID();
}

static void
put(StringInfo b, const char *key, double value, int decimals)
{
	char		last = b->data[b->len - 1];

	appendStringInfo(b, "%s\"%s\":", last == '{' || last == '[' ? "" : ",", key);
	aj_json_number(b, value, decimals);
}

static void
put_text(StringInfo b, const char *key, const char *value)
{
	char		last = b->data[b->len - 1];

	appendStringInfo(b, "%s\"%s\":", last == '{' || last == '[' ? "" : ",", key);
	if (value)
		aj_json_string(b, value);
	else
		appendStringInfoString(b, "null");
}

/* ISO 8601 of seconds since 1970, without a library that knows time zones */
static char *
iso_time(double seconds)
{
	int			y,
				m,
				d,
				left;

	if (isnan(seconds))
		return NULL;
	j2date((int) floor(seconds / 86400.0) + 2440588, &y, &m, &d);
	left = (int) (seconds - floor(seconds / 86400.0) * 86400.0);
	return psprintf("%04d-%02d-%02dT%02d:%02d:%02dZ", y, m, d, left / 3600,
					left / 60 % 60, left % 60);
}

static void
put_fit(StringInfo b, const char *key, const AjkWeibullFit *f)
{
	appendStringInfo(b, ",\"%s\":{", key);
	put(b, "a_m_s", f->a_ms, 7);
	put(b, "k", f->k, 7);
	put(b, "ks_distance", f->ks, 6);
	put(b, "power_ratio", f->power_ratio, 6);
	appendStringInfoChar(b, '}');
}

static void
put_quality(StringInfo b, const AjkWindQuality *q, const AjWindSeries *s,
			double recovery)
{
	static const char *const flaws[AJK_WIND_FLAWS] = {
		"valid", "speed_missing", "speed_out_of_range", "direction_missing",
		"direction_out_of_range", "frozen"
	};

	appendStringInfo(b, ",\"quality\":{\"records\":%zu,\"expected\":%zu",
					 s->data.n, q->expected);
	for (int i = 0; i < AJK_WIND_FLAWS; i++)
		appendStringInfo(b, ",\"%s\":%zu", flaws[i], q->count[i]);
	put(b, "recovery_pct", recovery, 4);
	put(b, "interval_s", q->interval_s, 3);
	put_text(b, "from", iso_time(q->first_s));
	put_text(b, "to", iso_time(q->last_s));
	appendStringInfo(b, ",\"gaps\":%zu", q->ngaps);
	put(b, "gap_hours", q->gap_s / 3600, 3);
	appendStringInfoString(b, ",\"longest_gaps\":[");
	for (int i = 0; i < AJK_WIND_GAPS && (size_t) i < q->ngaps; i++)
	{
		appendStringInfoString(b, i ? ",{" : "{");
		put_text(b, "after", iso_time(s->data.column[AJK_WIND_TIME][q->at[i]]));
		put(b, "hours", q->longest[i] / 3600, 3);
		appendStringInfoChar(b, '}');
	}
	appendStringInfoString(b, "]}");
}

/* What a reader must know before using the figures */
static void
put_warnings(StringInfo b, const AjkWindQuality *q, const AjkWindStats *st,
			 const ResourceParams *p, double recovery)
{
	int			n = 0;
	int			unfitted = 0;
	int			beyond = 0;
	const AjkWeibullFit *all = p->method == AJK_WEIBULL_MLE ? &st->mle : &st->wasp;
	double		zeros = 100.0 * (double) st->zeros / (double) st->all.n;
	double		days = q->interval_s * (double) q->expected / 86400.0;

	appendStringInfoString(b, ",\"warnings\":[");
	if (isnan(days))
	{
		aj_json_string(b, "The series tells neither times nor an interval: gaps cannot be seen.");
		n++;
	}
	else if (days < 360)
	{
		appendStringInfoString(b, n++ ? "," : "");
		aj_json_string(b, psprintf("The series covers %.1f days, less than a year: its seasons are not evenly represented.",
								   days));
	}
	if (recovery < 90)
	{
		appendStringInfoString(b, n++ ? "," : "");
		aj_json_string(b, psprintf("Only %.1f %% of the expected records are valid.",
								   recovery));
	}
	for (int i = 0; i < p->sectors; i++)
	{
		const AjkWeibullFit *f = &st->sector[i].fit;

		unfitted += !st->sector[i].fitted;
		beyond += st->sector[i].frequency > 0 &&
			(f->a_ms != fmin(fmax(f->a_ms, AJ_WEIBULL_LEAST_A), AJ_WEIBULL_MOST_A) ||
			 f->k != fmin(fmax(f->k, AJ_WEIBULL_LEAST_K), AJ_WEIBULL_MOST_K));
	}
	if (unfitted > 0)
	{
		appendStringInfoString(b, n++ ? "," : "");
		aj_json_string(b, psprintf("%d of %d sectors have too few records for a fit of their own; they carry the shape of all directions.",
								   unfitted, p->sectors));
	}
	if (zeros > 1 && p->method == AJK_WEIBULL_MLE)
	{
		appendStringInfoString(b, n++ ? "," : "");
		aj_json_string(b, psprintf("%.1f %% of the speeds are 0, of which maximum likelihood knows nothing: its distributions hold that much too much wind; weibull_method wasp counts them.",
								   zeros));
	}
	if (all->ks > fmax(MOST_KS, 2 / sqrt((double) st->all.n)))
	{
		appendStringInfoString(b, n++ ? "," : "");
		aj_json_string(b, psprintf("The speeds are not distributed as Weibull's: the fitted share of hours below a speed is off by up to %.0f %%.",
								   100 * all->ks));
	}
	if (beyond > 0)
	{
		appendStringInfoString(b, n++ ? "," : "");
		aj_json_string(b, psprintf("The distributions of %d of %d sectors are none that a wind resource may have (scale %.4g to %.4g m/s, shape %.4g to %.4g); the definition holds the nearest.",
								   beyond, p->sectors, AJ_WEIBULL_LEAST_A, AJ_WEIBULL_MOST_A, AJ_WEIBULL_LEAST_K, AJ_WEIBULL_MOST_K));
	}
	if (fabs(all->power_ratio - 1) > 0.05)
	{
		appendStringInfoString(b, n++ ? "," : "");
		aj_json_string(b, "The fitted distribution's energy differs from the measured one by more than 5 %; consider weibull_method wasp, or the rose.");
	}
	appendStringInfoChar(b, ']');
}

static void
put_sectors(StringInfo b, const AjkWindStats *st, const ResourceParams *p)
{
	double		cubes = st->all.mean_cube;

	appendStringInfoString(b, ",\"sectors\":[");
	for (int i = 0; i < p->sectors; i++)
	{
		const AjkWindSector *s = &st->sector[i];

		appendStringInfoString(b, i ? ",{" : "{");
		put(b, "direction_deg", i * 360.0 / p->sectors, 6);
		appendStringInfo(b, ",\"records\":%zu", s->stats.n);
		put(b, "frequency", s->frequency, 9);
		put(b, "mean_speed_m_s", s->stats.n ? s->stats.mean : NAN, 6);
		put(b, "weibull_a_m_s", s->fit.a_ms, 7);
		put(b, "weibull_k", s->fit.k, 7);
		appendStringInfo(b, ",\"fitted\":%s", s->fitted ? "true" : "false");
		put(b, "power_density_w_m2", 0.5 * p->density * s->stats.mean_cube, 4);
		put(b, "energy_share", s->frequency * s->stats.mean_cube / cubes, 6);
		appendStringInfoChar(b, '}');
	}
	appendStringInfoChar(b, ']');
}

/* The wind rose in the words of the applications that draw it */
static char *
rose_json(const AjkWindStats *st, const ResourceParams *p)
{
	StringInfoData b;
	int			most = 0;

	for (int i = 0; i < p->sectors; i++)
		if (st->sector[i].frequency > st->sector[most].frequency)
			most = i;
	initStringInfo(&b);
	appendStringInfoString(&b, "{\"directionBins\":[");
	for (int i = 0; i < p->sectors; i++)
	{
		static const char *const compass[] = {
			"N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE",
			"S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW"
		};
		double		angle = i * 360.0 / p->sectors;

		appendStringInfo(&b, "%s{\"direction\":\"%s\"", i ? "," : "",
						 compass[(int) floor(angle / 22.5 + 0.5) % 16]);
		put(&b, "angle", angle, 6);
		put(&b, "frequency", 100 * st->sector[i].frequency, 6);
		put(&b, "averageSpeed", st->sector[i].stats.n ?
			st->sector[i].stats.mean : NAN, 4);
		put(&b, "energyPct", 100 * st->sector[i].frequency *
			st->sector[i].stats.mean_cube / st->all.mean_cube, 4);
		appendStringInfoString(&b, ",\"speedBins\":[");
		for (int j = 0; j < st->nbins; j++)
		{
			appendStringInfoString(&b, j ? ",{" : "{");
			put(&b, "from_m_s", j * p->bin_m_s, 4);
			put(&b, "frequency", 100 * st->prob[i][j], 6);
			appendStringInfoChar(&b, '}');
		}
		appendStringInfoString(&b, "]}");
	}
	appendStringInfoChar(&b, ']');
	put(&b, "averageSpeed", st->all.mean, 6);
	put(&b, "maxSpeed", st->all.max, 4);
	put(&b, "predominantDirection", most * 360.0 / p->sectors, 6);
	put(&b, "calmPercentage", 100.0 * (double) st->calms / (double) st->all.n, 6);
	appendStringInfoChar(&b, '}');
	return b.data;
}

/* frequency: sums to one to the last digit that is written */
static void
put_definition(StringInfo b, const AjkWindStats *st, const ResourceParams *p,
			   const AjWindSeries *s, double alpha, double ti)
{
	static const char *const keys[] = {
		"direction_deg", "frequency", "weibull_a_m_s", "weibull_k"
	};

	appendStringInfoString(b, ",\"definition\":{\"kind\":\"weibull\"");
	put_text(b, "name", s->name);
	for (int k = 0; k < 4; k++)
	{
		appendStringInfo(b, ",\"%s\":[", keys[k]);
		for (int i = 0; i < p->sectors; i++)
		{
			const AjkWindSector *sec = &st->sector[i];

			if (i > 0)
				appendStringInfoChar(b, ',');
			aj_json_number(b, k == 0 ? i * 360.0 / p->sectors :
						   k == 1 ? sec->frequency :
						   k == 2 ? fmin(fmax(sec->fit.a_ms, AJ_WEIBULL_LEAST_A), AJ_WEIBULL_MOST_A) :
						   fmin(fmax(sec->fit.k, AJ_WEIBULL_LEAST_K), AJ_WEIBULL_MOST_K), 10);
		}
		appendStringInfoChar(b, ']');
	}
	if (!isnan(s->height_m))
		put(b, "height_m", s->height_m, 6);
	if (!isnan(alpha))
		put(b, "shear_alpha", alpha, 9);
	if (!isnan(ti))
		put(b, "turbulence_intensity", fmin(fmax(ti, 0), 1), 6);
	put(b, "air_density_kg_m3", p->density, 6);
	put_text(b, "source", s->source ? s->source :
			 psprintf("Weibull (%s) by sector of the measured series %s",
					  p->method_name, s->name));
	appendStringInfoChar(b, '}');
}

static void
put_shear(StringInfo b, double alpha, const char *from, double height,
		  const ResourceParams *p, const AjkWeibullFit *fit, double mean,
		  double mean_cube)
{
	appendStringInfoString(b, ",\"shear\":{");
	put(b, "alpha", alpha, 9);
	put_text(b, "from", from);
	appendStringInfoChar(b, '}');
	if (!isnan(p->hub_height_m))
	{
		double		f = p->hub_height_m == height ? 1.0 :
		pow(p->hub_height_m / height, alpha);

		appendStringInfoString(b, ",\"at_hub_height\":{");
		put(b, "height_m", p->hub_height_m, 6);
		put(b, "factor", f, 9);
		put(b, "mean_speed_m_s", f * mean, 7);
		if (fit)
		{
			put(b, "weibull_a_m_s", f * fit->a_ms, 7);
			put(b, "weibull_k", fit->k, 7);
		}
		put(b, "power_density_w_m2", 0.5 * p->density * f * f * f * mean_cube, 4);
		appendStringInfoChar(b, '}');
	}
}

static void
put_means(StringInfo b, const char *key, const double *mean, int n)
{
	appendStringInfo(b, ",\"%s\":[", key);
	for (int i = 0; i < n; i++)
	{
		if (i > 0)
			appendStringInfoChar(b, ',');
		aj_json_number(b, mean[i], 4);
	}
	appendStringInfoChar(b, ']');
}

static char *
weibull_csv(const AjkWindStats *st, const ResourceParams *p)
{
	StringInfoData b;

	initStringInfo(&b);
	appendStringInfoString(&b, "direction_deg,frequency,weibull_a_m_s,weibull_k,mean_speed_m_s,records\n");
	for (int i = 0; i < p->sectors; i++)
	{
		const AjkWindSector *s = &st->sector[i];

		appendStringInfo(&b, "%.6g,%.9f,%.6f,%.6f,%.4f,%zu\n",
						 i * 360.0 / p->sectors, s->frequency, s->fit.a_ms,
						 s->fit.k, s->stats.mean, s->stats.n);
	}
	return b.data;
}

/* ---- from a series ---- */

static AJ_NORETURN void
refuse_insufficient(const AjWindSeries *s, const char *have, const char *need)
{
	aj_step_error(AJ_ERRCODE_VALIDATION, "telemetry_insufficient",
				  psprintf("wind series \"%s\" is not sufficient: it has %s, needed are %s",
						   s->name, have, need), NULL,
				  "Load a longer or more complete series; min_records and min_recovery_pct say what is accepted.");
}

static void
from_series(JsonbContainer *params, const ResourceParams *given, StringInfo b)
{
	ResourceParams p = *given;
	AjWindSeries *s = aj_wind_series_get(params, true);
	AjkWindStats *st = palloc0(sizeof(AjkWindStats));
	AjkWindQuality q;
	AjPoll		poll = {0.3, 0.95, "fitting distributions"};
	uint8_t    *flaw;
	size_t		at = 0;
	double		recovery;
	double		alpha = p.shear_alpha;
	const char *alpha_from = isnan(alpha) ? NULL : "parameter shear_alpha";
	double		ti;
	char	   *rose;
	char	   *csv;
	AjkError	err;

	p.rules.interval_s = isnan(s->interval_s) ? 0 : s->interval_s;
	aj_check_memory(120.0 * s->data.n, psprintf("a series of %zu records", s->data.n),
					"Raise asyncjob.max_step_memory.");
	flaw = MemoryContextAllocHuge(CurrentMemoryContext, s->data.n + 1);
	aj_compute_begin();
	err = ajk_wind_quality(&s->data, &p.rules, flaw, &q, &at);
	if (err == AJK_OK)
		err = ajk_wind_stats(&s->data, &p.rules, flaw, p.sectors, p.bin_m_s,
							 3.0, p.method, st, aj_poll, &poll);
	aj_compute_end();
	if (err == AJK_SYNTAX)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("times of wind series \"%s\" do not ascend at record %zu",
						s->name, at + 1),
				 errhint("Load it again with asyncjob.load_wind_series().")));
	recovery = 100.0 * (double) q.count[AJK_WIND_GOOD] / (double) q.expected;
	if (err == AJK_OK || err == AJK_INFEASIBLE)
	{
		if (q.count[AJK_WIND_GOOD] < (size_t) p.min_records)
			refuse_insufficient(s, psprintf("%zu valid records", q.count[AJK_WIND_GOOD]),
								psprintf("%d", p.min_records));
		if (recovery < p.min_recovery_pct)
			refuse_insufficient(s, psprintf("%.1f %% of the expected records", recovery),
								psprintf("%.4g %%", p.min_recovery_pct));
	}
	if (err == AJK_INFEASIBLE)
		refuse_insufficient(s, "speeds that are all alike",
							"speeds that differ");
	aj_kernel_failed(err, "wind statistics");

	if (isnan(alpha) && st->shear_n >= (size_t) p.min_records)
	{
		alpha = ajk_shear_exponent(st->shear_lower, s->height_m,
								   st->shear_upper, s->upper_height_m);
		alpha_from = psprintf("mean speeds at %.6g m and %.6g m over %zu records",
							  s->height_m, s->upper_height_m, st->shear_n);
	}
	if (!isnan(p.hub_height_m) && p.hub_height_m != s->height_m &&
		(isnan(s->height_m) || isnan(alpha)))
		refuse_hub_height(s->name, !isnan(s->height_m));
	ti = isnan(st->ti15) ? st->ti : st->ti15;

	appendStringInfoChar(b, '{');
	put_text(b, "series", s->name);
	put(b, "height_m", s->height_m, 6);
	put(b, "mean_speed_m_s", st->all.mean, 9);
	put(b, "mean_cube_m3_s3", st->all.mean_cube, 7);
	put(b, "max_speed_m_s", st->all.max, 6);
	put(b, "speed_sd_m_s", st->all.sd, 7);
	put(b, "calm_pct", 100.0 * (double) st->calms / (double) st->all.n, 6);
	put(b, "air_density_kg_m3", p.density, 6);
	put_text(b, "air_density_from", p.density_from);
	put(b, "power_density_w_m2", 0.5 * p.density * st->all.mean_cube, 6);
	put(b, "turbulence_intensity", st->ti, 6);
	put(b, "turbulence_intensity_15_m_s", st->ti15, 6);
	put_text(b, "weibull_method", p.method_name);
	put_fit(b, "weibull", p.method == AJK_WEIBULL_MLE ? &st->mle : &st->wasp);
	put_fit(b, "weibull_mle", &st->mle);
	put_fit(b, "weibull_wasp", &st->wasp);
	put_shear(b, alpha, alpha_from, s->height_m, &p,
			  p.method == AJK_WEIBULL_MLE ? &st->mle : &st->wasp,
			  st->all.mean, st->all.mean_cube);
	put_sectors(b, st, &p);
	if (s->data.column[AJK_WIND_TIME])
	{
		put_means(b, "monthly_mean_speed_m_s", st->month_mean, 12);
		put_means(b, "hourly_mean_speed_m_s", st->hour_mean, 24);
	}
	put_quality(b, &q, s, recovery);
	put_warnings(b, &q, st, &p, recovery);
	put_definition(b, st, &p, s, alpha, ti);

	rose = rose_json(st, &p);
	csv = weibull_csv(st, &p);
	aj_artifact("wind_rose", "wind_rose_analysis", "application/json", rose,
				strlen(rose));
	aj_artifact("weibull.csv", "weibull_table", "text/csv", csv, strlen(csv));
	appendStringInfo(b, ",\"wind_rose\":%s", rose);
	appendStringInfoString(b, ",\"artifacts\":[\"wind_rose\",\"weibull.csv\",\"wind_resource_report.html\"]}");
}

/* ---- from a wind resource ---- */

static void
from_resource(JsonbContainer *params, const ResourceParams *p, StringInfo b)
{
	AjWind	   *w = aj_wind_get(params, "wind");
	double	   *mean = palloc0(sizeof(double) * w->ndir);
	double	   *cube = palloc0(sizeof(double) * w->ndir);
	double		mean_all = 0;
	double		cube_all = 0;
	double		alpha = isnan(p->shear_alpha) ? w->shear_alpha : p->shear_alpha;
	double		height = w->height_m > 0 ? w->height_m : NAN;
	int			most = 0;
	char	   *rose;
	StringInfoData r;

	if (!isnan(p->hub_height_m) && p->hub_height_m != height &&
		(isnan(height) || isnan(alpha)))
		refuse_hub_height(w->name, !isnan(height));
	for (int i = 0; i < w->ndir; i++)
	{
		/* per direction, given that the wind comes from there */
		if (w->kind == AJ_WIND_WEIBULL)
		{
			mean[i] = ajk_weibull_mean(w->weibull_a_m_s[i], w->weibull_k[i]);
			cube[i] = pow(w->weibull_a_m_s[i], 3) *
				tgamma(1.0 + 3.0 / w->weibull_k[i]);
		}
		else if (w->frequency[i] > 0)
		{
			for (int j = 0; j < w->nspeed; j++)
			{
				double		f = w->probability[(Size) i * w->nspeed + j] /
				w->frequency[i];

				mean[i] += f * w->speed_m_s[j];
				cube[i] += f * pow(w->speed_m_s[j], 3);
			}
		}
		mean_all += w->frequency[i] * mean[i];
		cube_all += w->frequency[i] * cube[i];
		if (w->frequency[i] > w->frequency[most])
			most = i;
	}

	appendStringInfoChar(b, '{');
	put_text(b, "wind", w->name);
	put(b, "height_m", height, 6);
	put(b, "mean_speed_m_s", mean_all, 9);
	put(b, "mean_cube_m3_s3", cube_all, 7);
	put(b, "air_density_kg_m3", p->density, 6);
	put_text(b, "air_density_from", p->density_from);
	put(b, "power_density_w_m2", 0.5 * p->density * cube_all, 6);
	put(b, "turbulence_intensity", w->turbulence_intensity, 6);
	put_shear(b, alpha, isnan(alpha) ? NULL : isnan(p->shear_alpha) ?
			  "the wind resource" : "parameter shear_alpha", height, p, NULL,
			  mean_all, cube_all);
	initStringInfo(&r);
	appendStringInfoString(&r, "{\"directionBins\":[");
	appendStringInfoString(b, ",\"sectors\":[");
	for (int i = 0; i < w->ndir; i++)
	{
		appendStringInfoString(b, i ? ",{" : "{");
		put(b, "direction_deg", w->direction_deg[i], 6);
		put(b, "frequency", w->frequency[i], 9);
		put(b, "mean_speed_m_s", mean[i], 6);
		if (w->kind == AJ_WIND_WEIBULL)
		{
			put(b, "weibull_a_m_s", w->weibull_a_m_s[i], 7);
			put(b, "weibull_k", w->weibull_k[i], 7);
		}
		put(b, "power_density_w_m2", 0.5 * p->density * cube[i], 4);
		put(b, "energy_share", cube_all > 0 ?
			w->frequency[i] * cube[i] / cube_all : 0, 6);
		appendStringInfoChar(b, '}');
		appendStringInfoString(&r, i ? ",{" : "{");
		put(&r, "angle", w->direction_deg[i], 6);
		put(&r, "frequency", 100 * w->frequency[i], 6);
		put(&r, "averageSpeed", mean[i], 4);
		appendStringInfoChar(&r, '}');
	}
	appendStringInfoChar(b, ']');
	appendStringInfoChar(&r, ']');
	put(&r, "averageSpeed", mean_all, 6);
	put(&r, "predominantDirection", w->direction_deg[most], 6);
	appendStringInfoChar(&r, '}');
	rose = r.data;
	aj_artifact("wind_rose", "wind_rose_analysis", "application/json", rose,
				strlen(rose));
	appendStringInfo(b, ",\"warnings\":[],\"wind_rose\":%s", rose);
	appendStringInfoString(b, ",\"artifacts\":[\"wind_rose\",\"wind_resource_report.html\"]}");
}

/*
 * step_wind_resource(input jsonb) returns jsonb
 */
Datum
aj_step_wind_resource(PG_FUNCTION_ARGS)
{
	AjStepInput in;
	ResourceParams p;
	StringInfoData b;
	Jsonb	   *output;

	aj_step_input(PG_GETARG_JSONB_P(0), &in);
	p = resource_params(in.params);
	aj_progress(0, "reading the wind");
	initStringInfo(&b);
	if (has_series(in.params))
		from_series(in.params, &p, &b);
	else
		from_resource(in.params, &p, &b);
	aj_progress(1.0, "wind described");
	output = aj_jsonb_from_text(b.data);
	aj_wind_resource_report(in.params, output);
	PG_RETURN_JSONB_P(output);
}
