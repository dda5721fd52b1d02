/*-------------------------------------------------------------------------
 *
 * battery_trend.c
 *		Where a battery is going: trends, end of life, forecast, projection.
 *
 * An end of life is told only where the capacity falls significantly: the
 * Mann-Kendall test and the confidence of the Theil-Sen slope must both say
 * so, over TREND_DAYS and TREND_WINDOWS at least.  It is a straight
 * continuation; batteries may fade slower (calendar) or faster (a knee).
 *
 * The projection is independent of that: a published model of LFP cells, of
 * which the telemetry is only the load.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "battery.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/numeric.h"

#include "../kernels/degradation.h"
#include "../kernels/stats.h"

PG_FUNCTION_INFO_V1(aj_step_battery_trend_forecast);

#define YEAR_S (365 * 86400.0)
#define TREND_DAYS 90
#define TREND_WINDOWS 12
#define SIGNIFICANT 0.05
#define FORECAST_DAYS 14
#define PROFILE_DAYS 7
#define MAX_FADE_POINTS 20000

static void
put_trend(StringInfo o, const AjkTrend *t, const AjkOls *l, double unit)
{
	aj_json_field(o, "points", t->n, 0);
	aj_json_field(o, "theil_sen_per_year", t->slope * unit, 6);
	aj_json_field(o, "low_per_year", t->slope_low * unit, 6);
	aj_json_field(o, "high_per_year", t->slope_high * unit, 6);
	aj_json_field(o, "mann_kendall_z", t->z, 4);
	aj_json_field(o, "p", t->p, 6);
	aj_json_field(o, "ols_per_year", l->slope * unit, 6);
	aj_json_field(o, "ols_low_per_year", l->slope_low * unit, 6);
	aj_json_field(o, "ols_high_per_year", l->slope_high * unit, 6);
	aj_json_field(o, "r2", l->r2, 5);
}

/* Capacity of the windows [t, ah]; end of life. */
static void
capacity_trend(StringInfo o, const AjBatteryInput *b, JsonbContainer *health)
{
	JsonbContainer *list = aj_param_array(health, "windows");
	int			n = list ? (int) JsonContainerSize(list) : 0;
	double	   *x = palloc(sizeof(double) * Max(n, 1));
	double	   *y = palloc(sizeof(double) * Max(n, 1));
	AjkTrend	t;
	AjkOls		l;
	double		days;
	double		end = b->d.t[b->d.n - 1];
	double		limit = b->config.eol_retention * b->config.capacity_ah;
	double		now;

	for (int i = 0; i < n; i++)
	{
		JsonbContainer *p = aj_item_array(list, i);

		x[i] = aj_item_number(p, 0);
		y[i] = aj_item_number(p, 1);
	}
	days = n > 1 ? (x[n - 1] - x[0]) / 86400 : 0;
	if (n < TREND_WINDOWS || days < TREND_DAYS)
	{
		char	   *have = psprintf("%d capacity windows over %.0f days", n, days);
		char	   *need = psprintf("%d windows over %d days", TREND_WINDOWS, TREND_DAYS);

		aj_json_not_yet(o, "capacity_trend", "The capacity was not seen often or long enough.", have, need);
		aj_json_not_yet(o, "end_of_life", "There is no trend of the capacity.", have, need);
		return;
	}
	for (int i = 0; i < n; i++)
		x[i] = (x[i] - end) / YEAR_S;
	if (ajk_trend(x, y, n, &t) != AJK_OK || ajk_ols(x, y, n, &l) != AJK_OK)
	{
		aj_json_not_yet(o, "capacity_trend", "The windows have no spread in time.", NULL, NULL);
		aj_json_not_yet(o, "end_of_life", "There is no trend of the capacity.", NULL, NULL);
		return;
	}
	now = t.intercept;
	appendStringInfo(o, "\"capacity_trend\":{\"status\":\"determined\",\"significant\":%s",
					 t.p < SIGNIFICANT ? "true" : "false");
	put_trend(o, &t, &l, 1);
	aj_json_field(o, "fade_pct_per_year", -100 * t.slope / b->config.capacity_ah, 4);
	aj_json_field(o, "ah_at_end", now, 4);
	aj_json_field(o, "days", days, 1);
	appendStringInfoChar(o, '}');
	if (!(t.p < SIGNIFICANT && t.slope_high < 0))
	{
		aj_json_not_yet(o, "end_of_life", "The capacity does not fall significantly.",
						psprintf("%+.3f Ah a year, 95 %% between %+.3f and %+.3f, p = %.3f", t.slope, t.slope_low, t.slope_high, t.p),
						psprintf("a fall with p < %.2f; a longer series tells more", SIGNIFICANT));
		return;
	}
	appendStringInfoString(o, ",\"end_of_life\":{\"status\":\"determined\"");
	aj_json_field(o, "retention", b->config.eol_retention, 4);
	aj_json_field(o, "years_left", Max((now - limit) / -t.slope, 0), 3);
	aj_json_field(o, "years_left_low", Max((now - limit) / -t.slope_low, 0), 3);
	aj_json_field(o, "years_left_high", Max((now - limit) / -t.slope_high, 0), 3);
	aj_json_text_field(o, "at", aj_utc_text(end + Max((now - limit) / -t.slope, 0) * YEAR_S));
	aj_json_text_field(o, "method", "straight continuation of the Theil-Sen slope");
	appendStringInfoChar(o, '}');
}

/* Monthly figures of a list [{t, key}, ...] */
static void
monthly_trend(StringInfo o, const char *name, JsonbContainer *list, const char *key, const char *what)
{
	int			n = list ? (int) JsonContainerSize(list) : 0;
	double	   *x = palloc(sizeof(double) * Max(n, 1));
	double	   *y = palloc(sizeof(double) * Max(n, 1));
	AjkTrend	t;
	AjkOls		l;

	for (int i = 0; i < n; i++)
	{
		JsonbContainer *c = aj_item_object(list, i);

		x[i] = aj_require_number(c, "t", -INFINITY, INFINITY) / YEAR_S;
		y[i] = aj_require_number(c, key, -INFINITY, INFINITY);
	}
	if (n < 6 || ajk_trend(x, y, n, &t) != AJK_OK || ajk_ols(x, y, n, &l) != AJK_OK)
	{
		aj_json_not_yet(o, name, psprintf("There are too few months with %s.", what), psprintf("%d", n), "6");
		return;
	}
	appendStringInfo(o, ",\"%s\":{\"status\":\"determined\",\"significant\":%s", name, t.p < SIGNIFICANT ? "true" : "false");
	put_trend(o, &t, &l, 1);
	aj_json_field(o, "pct_per_year", 100 * t.slope / y[0], 3);
	appendStringInfoChar(o, '}');
}

/* The first sample at or after a time, the last one if there is none. */
static int
first_from(const AjkTelemetry *d, double t)
{
	int			lo = 0;
	int			hi = d->n - 1;

	while (lo < hi)
	{
		int			mid = (lo + hi) / 2;

		if (d->t[mid] < t)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/*
 * State of charge of the next 24 hours: the last one plus the usual change by
 * local hour.  Tried on the last seven days, each from its own past.
 */
static void
soc_forecast(StringInfo o, const AjBatteryInput *b)
{
	const AjkTelemetry *d = &b->d;
	double		days = d->n > 1 ? (d->t[d->n - 1] - d->t[0]) / 86400 : 0;
	double	   *change[24];
	int			count[24] = {0};
	double		usual[24];
	int			most = (int) days + 2;
	double		last_t = NAN;
	double		last_soc = NAN;
	double		error = 0;
	double		naive = 0;
	int			errors = 0;
	double		soc;
	double		hour;
	int64		day;
	int			hour0;
	int			in_hour = -1;

	if (d->soc == NULL || days < FORECAST_DAYS)
	{
		aj_json_not_yet(o, "soc_forecast", d->soc ? "The series is too short." : "The telemetry has no state of charge.",
						psprintf("%.1f days", days), psprintf("%d days with channel soc", FORECAST_DAYS));
		return;
	}
	for (int h = 0; h < 24; h++)
		change[h] = palloc(sizeof(double) * most);
	/* changes over whole local hours; the last week is kept for the trial */
	for (int i = 0; i < d->n && d->t[i] <= d->t[d->n - 1] - 7 * 86400; i++)
	{
		if (isnan(d->soc[i]))
			continue;
		aj_local_time(&b->config, d->t[i], &day, &hour);
		if ((int) hour == in_hour)
			continue;
		if (in_hour >= 0 && d->t[i] - last_t < 5400 && d->t[i] - last_t > 1800 && count[in_hour] < most)
			change[in_hour][count[in_hour]++] = d->soc[i] - last_soc;
		last_t = d->t[i];
		last_soc = d->soc[i];
		in_hour = (int) hour;
	}
	for (int h = 0; h < 24; h++)
	{
		double		sum = 0;

		for (int k = 0; k < count[h]; k++)
			sum += change[h][k];
		usual[h] = count[h] ? sum / count[h] : 0;
	}
	/* the trial: six hours ahead, at each whole hour of the last week */
	for (double t = d->t[d->n - 1] - 7 * 86400; t < d->t[d->n - 1] - 6 * 3600; t += 3600)
	{
		int			at = first_from(d, t);
		int			then = first_from(d, t + 6 * 3600);
		double		guess;

		if (isnan(d->soc[at]) || isnan(d->soc[then]) || fabs(d->t[then] - t - 6 * 3600) > 3600)
			continue;
		guess = d->soc[at];
		aj_local_time(&b->config, d->t[at], &day, &hour);
		for (int k = 0; k < 6; k++)
			guess = Min(Max(guess + usual[((int) hour + k) % 24], 0), 1);
		error += fabs(guess - d->soc[then]);
		naive += fabs(d->soc[at] - d->soc[then]);
		errors++;
	}
	if (errors < 24)
	{
		aj_json_not_yet(o, "soc_forecast", "The last week has too few hours to try a forecast on.", psprintf("%d", errors), "24");
		return;
	}
	if (error >= naive)
	{
		aj_json_not_yet(o, "soc_forecast", "In the last week the usual day told no more than taking the state of charge to stay.",
						psprintf("a mean error of %.1f points six hours ahead, %.1f if it is taken to stay", 100 * error / errors, 100 * naive / errors),
						"days that are alike");
		return;
	}
	aj_local_time(&b->config, d->t[d->n - 1], &day, &hour);
	hour0 = (int) hour;
	soc = last_soc;
	for (int i = d->n - 1; i >= 0; i--)
		if (!isnan(d->soc[i]))
		{
			soc = d->soc[i];
			break;
		}
	appendStringInfoString(o, ",\"soc_forecast\":{\"status\":\"determined\"");
	aj_json_text_field(o, "from", aj_utc_text(d->t[d->n - 1]));
	aj_json_field(o, "mean_error_6h", error / errors, 4);
	aj_json_field(o, "mean_error_6h_if_unchanged", naive / errors, 4);
	aj_json_field(o, "trials", errors, 0);
	appendStringInfoString(o, ",\"soc\":[");
	for (int k = 0; k < 24; k++)
	{
		soc = Min(Max(soc + usual[(hour0 + k) % 24], 0), 1);
		if (k)
			appendStringInfoChar(o, ',');
		aj_json_number(o, soc, 4);
	}
	appendStringInfoString(o, "]}");
}

static void
projection(StringInfo o, const AjBatteryInput *b)
{
	const AjkTelemetry *d = &b->d;
	double		days = d->n > 1 ? (d->t[d->n - 1] - d->t[0]) / 86400 : 0;
	double	   *t;
	double	   *soc;
	double	   *temp;
	int			n = 0;
	AjkFade    *f;
	int			nf;
	AjkError	err;
	AjPoll		poll = {0.2, 0.9, "projection"};
	double		eol = NAN;
	double		low = INFINITY;
	double		high = -INFINITY;

	if (strcmp(b->config.chemistry, "lfp") != 0)
	{
		aj_json_not_yet(o, "projection", psprintf("There is no model of %s cells here.", b->config.chemistry), NULL, "chemistry lfp");
		return;
	}
	if (!d->soc || (!d->temp && isnan(b->config.ambient_c)) || days < PROFILE_DAYS)
	{
		aj_json_not_yet(o, "projection", days < PROFILE_DAYS ? "The series is too short to be a load." : "The load of a battery is its state of charge and temperature.",
						psprintf("%.1f days", days), psprintf("channels soc and temp_c (or ambient_c) over %d days", PROFILE_DAYS));
		return;
	}
	t = palloc_extended(sizeof(double) * (Size) d->n, MCXT_ALLOC_HUGE);
	soc = palloc_extended(sizeof(double) * (Size) d->n, MCXT_ALLOC_HUGE);
	temp = palloc_extended(sizeof(double) * (Size) d->n, MCXT_ALLOC_HUGE);
	for (int i = 0; i < d->n; i++)
	{
		double		c = d->temp && !isnan(d->temp[i]) ? d->temp[i] : b->config.ambient_c;

		if (isnan(d->soc[i]) || isnan(c))
			continue;
		t[n] = d->t[i] - d->t[0];
		soc[n] = d->soc[i];
		temp[n++] = c;
		low = Min(low, c);
		high = Max(high, c);
	}
	f = palloc_extended(sizeof(AjkFade) * (Size) MAX_FADE_POINTS, MCXT_ALLOC_HUGE);
	aj_compute_begin();
	err = ajk_fade_lfp(t, soc, temp, n, b->config.horizon_years, f, MAX_FADE_POINTS, &nf, aj_poll, &poll);
	aj_compute_end();
	if (err == AJK_STOPPED)
		aj_poll_finish();
	if (err == AJK_NOMEM)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	if (err != AJK_OK)
	{
		aj_json_not_yet(o, "projection", "The series is too coarse or too fragmented to be a load.", NULL, "a sample every hour or more");
		return;
	}
	for (int i = 0; i < nf && isnan(eol); i++)
		if (f[i].q < b->config.eol_retention)
			eol = f[i].years;
	appendStringInfoString(o, ",\"projection\":{\"status\":\"determined\"");
	aj_json_text_field(o, "model", "BLAST-Lite LFP-Gr 250 Ah, the load of the series repeated, from a new battery");
	aj_json_field(o, "years_to_end_of_life", eol, 3);
	aj_json_field(o, "horizon_years", b->config.horizon_years, 2);
	appendStringInfo(o, ",\"outside_tested_range\":%s", low < 10 || high > 45 ? "true" : "false");
	appendStringInfoString(o, ",\"years\":[");
	for (int y = 0; y <= (int) b->config.horizon_years; y++)
	{
		AjkFade		a = ajk_fade_at(f, nf, y);

		if (y == 0)
			a = (AjkFade)
		{
			0, 1, 1, 1, 0
		};
		appendStringInfo(o, "%s{\"year\":%d", y ? "," : "", y);
		aj_json_field(o, "q", a.q, 6);
		aj_json_field(o, "q_calendar", a.q_calendar, 6);
		aj_json_field(o, "q_cycles", a.q_cycles, 6);
		aj_json_field(o, "efc", a.efc, 2);
		appendStringInfoChar(o, '}');
	}
	appendStringInfoString(o, "]}");
}

/*
 * step_battery_trend_forecast(input jsonb) returns jsonb
 */
Datum
aj_step_battery_trend_forecast(PG_FUNCTION_ARGS)
{
	AjBatteryInput b;
	JsonbContainer *health;
	JsonbContainer *resistance;
	StringInfoData o;

	aj_battery_input(PG_GETARG_JSONB_P(0), true, &b);
	health = aj_battery_step(&b, "capacity_resistance");
	initStringInfo(&o);
	appendStringInfoChar(&o, '{');
	capacity_trend(&o, &b, health);
	resistance = aj_determined(health, "resistance");
	monthly_trend(&o, "resistance_trend", resistance ? aj_param_array(resistance, "monthly") : NULL, "mohm", "a resistance");
	soc_forecast(&o, &b);
	projection(&o, &b);
	appendStringInfoChar(&o, '}');
	PG_RETURN_JSONB_P(aj_jsonb_from_text(o.data));
}
