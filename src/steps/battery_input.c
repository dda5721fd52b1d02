/*-------------------------------------------------------------------------
 *
 * battery_input.c
 *		Parameters and samples of the battery steps; the first three steps.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "battery.h"

#include <math.h>

#include "../kernels/csv.h"

PG_FUNCTION_INFO_V1(aj_check_battery_insights);
PG_FUNCTION_INFO_V1(aj_step_battery_initialize);
PG_FUNCTION_INFO_V1(aj_step_battery_load_telemetry);
PG_FUNCTION_INFO_V1(aj_step_battery_validate_telemetry);

/* Currents beyond this many times the capacity are in another unit. */
#define MAX_RATE 10.0

/* A battery's voltage is not so many times the nominal, nor so small a part. */
#define MAX_VOLTAGE_RATIO 2.0

/* Nor is its capacity: charge, or the nominal one, is in another unit. */
#define MAX_CAPACITY_RATIO 20.0

/* No battery keeps its temperature to the last digit for so long. */
#define CONSTANT_S (7 * 86400.0)

static const char *const known[] = {
	"telemetry", "capacity_ah", "nominal_voltage_v", "chemistry", "window_days", "timezone",
	"max_gap_factor", "min_coverage_pct", "min_window_dsoc", "max_dod", "eol_retention",
	"horizon_years", "anomaly_limit", "ambient_c", "title", NULL
};
static const char *const chemistries[] = {"lfp", "nmc", "nca", "lto", "lead_acid", "other", NULL};

void
aj_battery_config(JsonbContainer *params, AjBatteryConfig *c)
{
	if (!aj_param_exists(params, "telemetry"))
		aj_step_error(AJ_ERRCODE_VALIDATION, "telemetry_missing",
					  "parameter \"telemetry\" is missing", NULL,
					  "Load a series with asyncjob.load_telemetry(name, csv) or asyncjob.load_telemetry_from(name, table) and give its name.");
	c->telemetry = aj_require_text(params, "telemetry");
	c->capacity_ah = aj_require_number(params, "capacity_ah", 0.01, 1e7);
	c->nominal_voltage_v = aj_param_number(params, "nominal_voltage_v", 51.2, 1, 5000);
	c->chemistry = aj_param_choice(params, "chemistry", "lfp", chemistries);
	c->window_days = aj_param_number(params, "window_days", INFINITY, 1, 36500);
	c->timezone = aj_param_text(params, "timezone", "UTC");
	c->zone = aj_time_zone(c->timezone);
	c->max_gap_factor = aj_param_number(params, "max_gap_factor", 5, 1.5, 1000);
	c->min_coverage_pct = aj_param_number(params, "min_coverage_pct", 70, 0, 100);
	c->min_window_dsoc = aj_param_number(params, "min_window_dsoc", 0.4, 0.1, 0.95);
	c->max_dod = aj_param_number(params, "max_dod", 0.8, 0.05, 1);
	c->eol_retention = aj_param_number(params, "eol_retention", 0.8, 0.3, 0.99);
	c->horizon_years = aj_param_number(params, "horizon_years", 10, 1, 40);
	c->anomaly_limit = aj_param_number(params, "anomaly_limit", 8, 3, 100);
	c->ambient_c = aj_param_number(params, "ambient_c", NAN, -40, 60);
	(void) aj_param_text(params, "title", NULL);
}

/* Values of sensors that are stuck are not known. */
static void
mask_stuck(AjBatteryInput *b)
{
	static const AjChannel channel[] = {AJ_CH_SOC, AJ_CH_CURRENT, AJ_CH_VOLTAGE, AJ_CH_CELL_MIN, AJ_CH_CELL_MAX};
	AjkStuck   *found;

	if (ajk_battery_stuck(&b->d, b->config.capacity_ah, &found, &b->nstuck) != AJK_OK)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	b->stuck = palloc(sizeof(AjkStuck) * Max(b->nstuck, 1));
	b->stuck_at = palloc(sizeof(double) * Max(b->nstuck, 1));
	for (int i = 0; i < b->nstuck; i++)
	{
		double	   *v = b->series->value[channel[found[i].kind]];

		b->stuck[i] = found[i];
		b->stuck_at[i] = v[found[i].from];
		for (int k = found[i].from; k <= found[i].to; k++)
			v[k] = NAN;
	}
	free(found);
}

void
aj_battery_input(Jsonb *arg, bool values, AjBatteryInput *b)
{
	memset(b, 0, sizeof(*b));
	aj_step_input(arg, &b->in);
	aj_battery_config(b->in.params, &b->config);
	b->series = aj_telemetry_get(b->config.telemetry, values, b->config.window_days);
	if (values)
	{
		if (b->series->n < 10)
			aj_step_error(AJ_ERRCODE_VALIDATION, "telemetry_insufficient",
						  psprintf("telemetry \"%s\" has %d samples in the window", b->series->name, b->series->n),
						  "Ten are needed, and more for each insight.",
						  "Load a longer series or raise window_days.");
		b->d = aj_telemetry_view(b->series, b->config.max_gap_factor);
		mask_stuck(b);
	}
}

JsonbContainer *
aj_battery_step(const AjBatteryInput *b, const char *step)
{
	JsonbContainer *c = b->in.steps ? aj_step_output(&b->in, step) : NULL;

	if (c == NULL)
		aj_step_error(AJ_ERRCODE_VALIDATION, "step_missing",
					  psprintf("the output of step \"%s\" is missing", step), NULL,
					  "Run the pipeline battery_insights, or name the step in \"after\".");
	return c;
}

void
aj_local_time(const AjBatteryConfig *c, double t, int64 *day, double *hour)
{
	pg_time_t	s = (pg_time_t) floor(t);
	struct pg_tm *tm = pg_localtime(&s, c->zone);

	*day = ajk_days(tm->tm_year + 1900, tm->tm_mon + 1, tm->tm_mday);
	*hour = tm->tm_hour + tm->tm_min / 60.0 + tm->tm_sec / 3600.0;
}

char *
aj_day_text(int64 day)
{
	int			y,
				m,
				d;

	ajk_date(day, &y, &m, &d);
	return psprintf("%04d-%02d-%02d", y, m, d);
}

char *
aj_utc_text(double t)
{
	double		days = floor(t / 86400);
	int			s = (int) (t - days * 86400);

	return psprintf("%sT%02d:%02d:%02dZ", aj_day_text((int64) days), s / 3600, s / 60 % 60, s % 60);
}

void
aj_json_not_yet(StringInfo b, const char *key, const char *reason,
				const char *have, const char *need)
{
	appendStringInfo(b, "%s\"%s\":{\"status\":\"" AJ_NOT_YET "\"", b->data[b->len - 1] == '{' ? "" : ",", key);
	aj_json_text_field(b, "reason", reason);
	if (have)
		aj_json_text_field(b, "have", have);
	if (need)
		aj_json_text_field(b, "need", need);
	appendStringInfoChar(b, '}');
}

double
aj_number_at(JsonbContainer *c, const char *key)
{
	return aj_param_number(c, key, NAN, -INFINITY, INFINITY);
}

double
aj_number_at2(JsonbContainer *c, const char *object, const char *key)
{
	JsonbContainer *o = aj_param_object(c, object);

	return o ? aj_number_at(o, key) : NAN;
}

JsonbContainer *
aj_determined(JsonbContainer *c, const char *key)
{
	JsonbContainer *o = aj_param_object(c, key);
	char	   *status = o ? aj_param_text(o, "status", NULL) : NULL;

	return status && strcmp(status, "determined") == 0 ? o : NULL;
}

/* ---- steps ---- */

/*
 * check_battery_insights(params jsonb) returns void
 */
Datum
aj_check_battery_insights(PG_FUNCTION_ARGS)
{
	AjBatteryInput b;
	Jsonb	   *arg = PG_GETARG_JSONB_P(0);
	AjStepInput in;

	aj_step_input(arg, &in);
	aj_check_params(in.params, known);
	aj_battery_input(arg, false, &b);
	PG_RETURN_VOID();
}

/*
 * step_battery_initialize(input jsonb) returns jsonb
 */
Datum
aj_step_battery_initialize(PG_FUNCTION_ARGS)
{
	AjBatteryInput b;
	AjBatteryConfig *c = &b.config;
	StringInfoData o;

	aj_battery_input(PG_GETARG_JSONB_P(0), false, &b);
	initStringInfo(&o);
	appendStringInfoChar(&o, '{');
	aj_json_text_field(&o, "telemetry", b.series->name);
	aj_json_text_field(&o, "source", b.series->source);
	aj_json_field(&o, "samples", b.series->samples, 0);
	aj_json_field(&o, "capacity_ah", c->capacity_ah, 4);
	aj_json_field(&o, "nominal_voltage_v", c->nominal_voltage_v, 4);
	aj_json_field(&o, "capacity_kwh", c->capacity_ah * c->nominal_voltage_v / 1000, 4);
	aj_json_text_field(&o, "chemistry", c->chemistry);
	aj_json_text_field(&o, "timezone", c->timezone);
	aj_json_field(&o, "window_days", c->window_days, 3);
	aj_json_field(&o, "max_gap_factor", c->max_gap_factor, 3);
	aj_json_field(&o, "min_coverage_pct", c->min_coverage_pct, 3);
	aj_json_field(&o, "min_window_dsoc", c->min_window_dsoc, 4);
	aj_json_field(&o, "max_dod", c->max_dod, 4);
	aj_json_field(&o, "eol_retention", c->eol_retention, 4);
	aj_json_field(&o, "horizon_years", c->horizon_years, 2);
	aj_json_field(&o, "anomaly_limit", c->anomaly_limit, 2);
	appendStringInfoChar(&o, '}');
	PG_RETURN_JSONB_P(aj_jsonb_from_text(o.data));
}

/*
 * step_battery_load_telemetry(input jsonb) returns jsonb
 */
Datum
aj_step_battery_load_telemetry(PG_FUNCTION_ARGS)
{
	AjBatteryInput b;
	StringInfoData o;

	aj_battery_input(PG_GETARG_JSONB_P(0), true, &b);
	initStringInfo(&o);
	appendStringInfo(&o, "{\"samples\":%d", b.series->n);
	aj_json_text_field(&o, "from", aj_utc_text(b.d.t[0]));
	aj_json_text_field(&o, "to", aj_utc_text(b.d.t[b.d.n - 1]));
	aj_json_field(&o, "step_s", ajk_median_step(b.d.t, b.d.n), 3);
	aj_json_field(&o, "duplicates", b.series->duplicates, 0);
	aj_json_field(&o, "conflicts", b.series->conflicts, 0);
	aj_json_field(&o, "unsorted", b.series->unsorted, 0);
	appendStringInfoString(&o, ",\"channels\":{");
	for (int c = 0; c < AJ_CHANNELS; c++)
	{
		int			n = 0;

		if (b.series->value[c] == NULL)
			continue;
		for (int i = 0; i < b.series->n; i++)
			n += !isnan(b.series->value[c][i]);
		aj_json_field(&o, aj_channel_name[c], n, 0);
	}
	appendStringInfoString(&o, "}}");
	PG_RETURN_JSONB_P(aj_jsonb_from_text(o.data));
}

static void
refuse(const AjBatteryInput *b, const char *code, const char *what,
	   const char *detail, const char *hint)
{
	aj_step_error(AJ_ERRCODE_VALIDATION, code,
				  psprintf("telemetry \"%s\" is invalid: %s", b->series->name, what), detail, hint);
}

/* Charge and state of charge together tell the unit of the current. */
static void
check_charge_units(const AjBatteryInput *b)
{
	double		nominal = b->config.capacity_ah;
	AjkWindow  *w;
	int			n;
	int			off = 0;
	int			first = -1;
	double		q = 0;
	char	   *at = NULL;

	if (ajk_capacity_windows(&b->d, b->config.min_window_dsoc, 1, &w, &n) != AJK_OK)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	for (int i = 0; i < n; i++)
		if (w[i].capacity_ah > MAX_CAPACITY_RATIO * nominal || w[i].capacity_ah * MAX_CAPACITY_RATIO < nominal)
		{
			if (first < 0)
				first = i;
			off++;
		}
	if (first >= 0)
	{
		q = w[first].capacity_ah;
		at = aj_utc_text(w[first].t);
	}
	free(w);
	if (off < 2 || off * 20 < n)
		return;
	refuse(b, off * 10 > n * 9 ? "unit_or_range" : "unit_mixed",
		   off * 10 > n * 9 ? "the current is not that of this battery, or not in A" : "current_a changes its unit",
		   psprintf("About %s charge and state of charge give a capacity of %.4g Ah, not %.4g Ah, and so in %d of %d deep charges and discharges.",
					at, q, nominal, off, n),
		   "Give all currents in A, not in mA, and capacity_ah in Ah.");
}

/* Is a channel known, and always the same? */
static bool
is_constant(const double *v, int n)
{
	double		first = NAN;

	for (int i = 0; v && i < n; i++)
	{
		if (isnan(first))
			first = v[i];
		else if (!isnan(v[i]) && v[i] != first)
			return false;
	}
	return !isnan(first);
}

static void
warn(StringInfo w, const char *text)
{
	if (w->len)
		appendStringInfoChar(w, ',');
	aj_json_string(w, text);
}

static void
warn_stuck(StringInfo w, const AjBatteryInput *b)
{
	static const char *const name[] = {"soc", "current_a", "voltage_v", "cell_min_v", "cell_max_v"};

	for (int k = 0; k < (int) lengthof(name); k++)
	{
		double		hours = 0;
		int			n = 0;

		for (int i = 0; i < b->nstuck; i++)
			if ((int) b->stuck[i].kind == k)
			{
				n++;
				hours += (b->d.t[b->stuck[i].to] - b->d.t[b->stuck[i].from]) / 3600;
			}
		if (n > 0)
			warn(w, psprintf("%s is stuck for %.1f h in %d %s while the battery is charged or discharged; it is taken as not known there.",
							 name[k], hours, n, n > 1 ? "stretches" : "stretch"));
	}
}

/*
 * step_battery_validate_telemetry(input jsonb) returns jsonb
 */
Datum
aj_step_battery_validate_telemetry(PG_FUNCTION_ARGS)
{
	AjBatteryInput b;
	AjkTelemetryCheck k;
	StringInfoData o;
	StringInfoData w;
	double		covered;

	aj_battery_input(PG_GETARG_JSONB_P(0), true, &b);
	if (ajk_telemetry_check(&b.d, &k) != AJK_OK)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	covered = k.span_s > 0 ? 100 * k.covered_s / k.span_s : 0;
	if (covered < b.config.min_coverage_pct)
		refuse(&b, "telemetry_insufficient", psprintf("%d %s leave%s %.1f %% of its time", k.gaps, k.gaps > 1 ? "gaps" : "gap", k.gaps > 1 ? "" : "s", covered),
			   psprintf("A gap is a step over %.4g s, %.4g times the median step; the longest is %.4g h from %s. min_coverage_pct is %.4g.",
						b.d.max_gap_s, b.config.max_gap_factor, k.longest_gap_s / 3600, aj_utc_text(k.longest_gap_at), b.config.min_coverage_pct),
			   "Load the missing samples, choose a window without the gaps by window_days, or lower min_coverage_pct; nothing is integrated over a gap.");
	if (k.sign < -0.2)
		refuse(&b, "current_sign_reversed", "the state of charge falls when its current is positive",
			   psprintf("Current and change of the state of charge correlate by %.2f; current must be positive when charging.", k.sign),
			   "Load it again with the option \"current_positive\": \"discharge\".");
	if (k.largest_current > MAX_RATE * b.config.capacity_ah && k.median_current > b.config.capacity_ah)
		refuse(&b, "unit_or_range", psprintf("currents of %.6g A are too large for a battery of %.6g Ah", k.largest_current, b.config.capacity_ah),
			   psprintf("Half of all currents are over %.6g A.", k.median_current),
			   "Give current in A, not in mA, and capacity_ah in Ah.");
	if (k.median_voltage > MAX_VOLTAGE_RATIO * b.config.nominal_voltage_v ||
		k.median_voltage * MAX_VOLTAGE_RATIO < b.config.nominal_voltage_v)
		refuse(&b, "unit_or_range", psprintf("voltages of %.6g V are not those of a battery of %.6g V", k.median_voltage, b.config.nominal_voltage_v),
			   psprintf("Half of all voltages are over %.6g V.", k.median_voltage),
			   "Give the battery's nominal_voltage_v, and voltage_v in V, not in mV.");
	check_charge_units(&b);
	initStringInfo(&w);
	if (k.gaps > 0)
		warn(&w, psprintf("%d %s; %.2f %% of the time is covered, and nothing is integrated over a gap.", k.gaps, k.gaps > 1 ? "gaps" : "gap", covered));
	if (b.series->conflicts > 0)
		warn(&w, psprintf("%d samples contradict another of the same time; the first was taken.", b.series->conflicts));
	if (b.series->unsorted > 0 && b.series->unsorted < b.series->samples / 100)
		warn(&w, psprintf("The time went back %d %s in the source; samples were put in order of time.", b.series->unsorted, b.series->unsorted > 1 ? "times" : "time"));
	warn_stuck(&w, &b);
	if (k.span_s > CONSTANT_S && is_constant(b.d.temp, b.d.n))
		warn(&w, "temp_c never changes; its sensor may be stuck.");
	if (k.largest_current > 3 * b.config.capacity_ah)
		warn(&w, psprintf("The largest current, %.4g A, is %.1f times the capacity in an hour.", k.largest_current, k.largest_current / b.config.capacity_ah));
	if (k.sign < 0.2)
		warn(&w, psprintf("Current explains little of the state of charge (correlation %.2f).", k.sign));
	initStringInfo(&o);
	appendStringInfoString(&o, "{\"valid\":true");
	aj_json_field(&o, "step_s", k.step_s, 3);
	aj_json_field(&o, "span_days", k.span_s / 86400, 4);
	aj_json_field(&o, "covered_pct", covered, 4);
	aj_json_field(&o, "gaps", k.gaps, 0);
	aj_json_field(&o, "longest_gap_h", k.longest_gap_s / 3600, 4);
	if (k.gaps)
		aj_json_text_field(&o, "longest_gap_at", aj_utc_text(k.longest_gap_at));
	aj_json_field(&o, "current_soc_correlation", k.sign, 4);
	appendStringInfo(&o, ",\"warnings\":[%s]}", w.data);
	PG_RETURN_JSONB_P(aj_jsonb_from_text(o.data));
}
