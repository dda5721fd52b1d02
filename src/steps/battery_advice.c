/*-------------------------------------------------------------------------
 *
 * battery_advice.c
 *		Anomalies of a battery, and what to do about it.
 *
 * A recommendation follows from a rule and carries the evidence it rests on:
 * the figure, its limit, and what it was taken from.  Where the figure is not
 * determinable the rule is silent.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "battery.h"

#include <math.h>

PG_FUNCTION_INFO_V1(aj_step_battery_anomalies);
PG_FUNCTION_INFO_V1(aj_step_battery_recommendations);

#define MAX_LISTED 200

/* An anomaly as it is written */
typedef struct Finding
{
	const char *kind;
	const char *unit;
	double		scale;			/* of SI to the unit */
	AjkAnomaly	a;
} Finding;

static const struct
{
	const char *kind;
	const char *unit;
	double		scale;
}			anomaly_kind[] =

{
	{"soc_jump", "share", 1}, {"voltage_outlier", "V", 1}, {"temperature_outlier", "C", 1},
	{"cell_spread_outlier", "mV", 1000}, {"cell_spread_drift", "mV", 1000}
},

			stuck_kind[] =
{
	{"soc_stuck", "share", 1}, {"current_stuck", "A", 1}, {"voltage_stuck", "V", 1},
	{"cell_min_stuck", "V", 1}, {"cell_max_stuck", "V", 1}
};

static int
by_time(const void *x, const void *y)
{
	const Finding *a = x;
	const Finding *b = y;

	return a->a.t < b->a.t ? -1 : a->a.t > b->a.t ? 1 : strcmp(a->kind, b->kind);
}

/*
 * step_battery_anomalies(input jsonb) returns jsonb
 */
Datum
aj_step_battery_anomalies(PG_FUNCTION_ARGS)
{
	AjBatteryInput b;
	JsonbContainer *health;
	double		q;
	double		ohm;
	AjkAnomaly *a;
	Finding    *f;
	int			n;
	StringInfoData o;

	aj_battery_input(PG_GETARG_JSONB_P(0), true, &b);
	health = aj_battery_step(&b, "capacity_resistance");
	q = aj_number_at2(health, "capacity", "ah");
	ohm = aj_number_at2(health, "resistance", "mohm") / 1000;
	if (ajk_battery_anomalies(&b.d, isnan(q) ? b.config.capacity_ah : q, ohm, b.config.anomaly_limit, &a, &n) != AJK_OK)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	f = palloc_extended(sizeof(Finding) * (Size) (n + b.nstuck + 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < n; i++)
		f[i] = (Finding)
	{
		anomaly_kind[a[i].kind].kind, anomaly_kind[a[i].kind].unit, anomaly_kind[a[i].kind].scale, a[i]
	};
	free(a);
	for (int i = 0; i < b.nstuck; i++)
	{
		const AjkStuck *s = &b.stuck[i];

		f[n++] = (Finding)
		{
			stuck_kind[s->kind].kind, stuck_kind[s->kind].unit, stuck_kind[s->kind].scale,
			{
				0, b.d.t[s->from], b.d.t[s->to], s->to - s->from + 1, b.stuck_at[i], NAN, 0
			}
		};
	}
	qsort(f, n, sizeof(Finding), by_time);
	initStringInfo(&o);
	appendStringInfo(&o, "{\"count\":%d,\"listed\":%d", n, Min(n, MAX_LISTED));
	aj_json_field(&o, "limit", b.config.anomaly_limit, 2);
	appendStringInfoString(&o, ",\"by_kind\":{");
	for (int k = 0; k < (int) (lengthof(anomaly_kind) + lengthof(stuck_kind)); k++)
	{
		const char *kind = k < (int) lengthof(anomaly_kind) ? anomaly_kind[k].kind :
		stuck_kind[k - lengthof(anomaly_kind)].kind;
		int			count = 0;

		for (int i = 0; i < n; i++)
			count += f[i].kind == kind;
		if (count)
			aj_json_field(&o, kind, count, 0);
	}
	appendStringInfoString(&o, "},\"anomalies\":[");
	/* the latest, in order of time */
	for (int i = Max(n - MAX_LISTED, 0); i < n; i++)
	{
		appendStringInfoString(&o, o.data[o.len - 1] == '[' ? "{" : ",{");
		aj_json_text_field(&o, "kind", f[i].kind);
		aj_json_text_field(&o, "from", aj_utc_text(f[i].a.t));
		aj_json_text_field(&o, "to", aj_utc_text(f[i].a.t_end));
		aj_json_field(&o, "samples", f[i].a.samples, 0);
		aj_json_field(&o, "value", f[i].a.value * f[i].scale, 4);
		aj_json_field(&o, "expected", f[i].a.expected * f[i].scale, 4);
		if (f[i].a.score > 0)
			aj_json_field(&o, "score", f[i].a.score, 2);
		aj_json_text_field(&o, "unit", f[i].unit);
		appendStringInfoChar(&o, '}');
	}
	appendStringInfoString(&o, "]}");
	PG_RETURN_JSONB_P(aj_jsonb_from_text(o.data));
}

/* ---- recommendations ---- */

typedef struct Advice
{
	StringInfo	o;
	int			n;
} Advice;

static void
advise(Advice *a, const char *code, const char *priority, const char *title,
	   const char *text, const char *metric, double value, double limit,
	   const char *unit, const char *source)
{
	appendStringInfoString(a->o, a->n++ ? ",{" : "{");
	aj_json_text_field(a->o, "code", code);
	aj_json_text_field(a->o, "priority", priority);
	aj_json_text_field(a->o, "title", title);
	aj_json_text_field(a->o, "text", text);
	appendStringInfoString(a->o, ",\"evidence\":{");
	aj_json_text_field(a->o, "metric", metric);
	aj_json_field(a->o, "value", value, 4);
	aj_json_field(a->o, "limit", limit, 4);
	aj_json_text_field(a->o, "unit", unit);
	aj_json_text_field(a->o, "step", source);
	appendStringInfoString(a->o, "}}");
}

/*
 * step_battery_recommendations(input jsonb) returns jsonb
 */
Datum
aj_step_battery_recommendations(PG_FUNCTION_ARGS)
{
	AjBatteryInput b;
	JsonbContainer *valid;
	JsonbContainer *balance;
	JsonbContainer *cycles;
	JsonbContainer *health;
	JsonbContainer *climate;
	JsonbContainer *trend;
	JsonbContainer *odd;
	JsonbContainer *x;
	StringInfoData o;
	Advice		a;
	double		v;
	double		w;
	bool		lead;
	bool		plates;

	aj_battery_input(PG_GETARG_JSONB_P(0), false, &b);

	/* lead wants to be full; graphite anodes plate lithium in the cold */
	lead = strcmp(b.config.chemistry, "lead_acid") == 0;
	plates = !lead && strcmp(b.config.chemistry, "lto") != 0;
	valid = aj_battery_step(&b, "validate_telemetry");
	balance = aj_battery_step(&b, "energy_balance");
	cycles = aj_battery_step(&b, "cycles");
	health = aj_battery_step(&b, "capacity_resistance");
	climate = aj_battery_step(&b, "imbalance_temperature");
	trend = aj_battery_step(&b, "trend_forecast");
	odd = aj_battery_step(&b, "anomalies");
	initStringInfo(&o);
	appendStringInfoString(&o, "{\"recommendations\":[");
	a.o = &o;
	a.n = 0;

	x = aj_determined(health, "capacity_recent");
	if (x == NULL)
		x = aj_determined(health, "capacity");
	v = x ? aj_number_at(x, "retention") : NAN;
	w = x ? aj_number_at(x, "standard_error_ah") / b.config.capacity_ah : NAN;
	if (v + 2 * w < b.config.eol_retention)
		advise(&a, "replace", "high", "Plan the replacement of the battery",
			   "Its capacity has fallen below the end of life.", "retention", v, b.config.eol_retention, "of capacity_ah", "capacity_resistance");
	else if ((x = aj_determined(trend, "end_of_life")) != NULL && aj_number_at(x, "years_left") < 3)
		advise(&a, "replace_soon", "medium", "Budget a replacement",
			   "At the present fade the end of life is less than three years away.", "years_left", aj_number_at(x, "years_left"), 3, "years", "trend_forecast");
	v = aj_number_at2(health, "efficiency", "coulombic");
	if (v < 0.95 && !lead)
		advise(&a, "coulombic_efficiency", "medium", "Find out where charge is lost",
			   "Less charge comes out than goes in.", "coulombic", v, 0.95, "share", "capacity_resistance");
	x = aj_determined(health, "current_offset");
	if (x)
		advise(&a, "current_offset", "medium", "Calibrate the current sensor",
			   "Charge is lost or won with time, not by charging: the sensor has an offset, there is a load that it does not see, or the battery discharges itself.",
			   "current_offset", aj_number_at(x, "a"), 0, "A", "capacity_resistance");
	x = aj_determined(trend, "resistance_trend");
	if (x && aj_param_bool(x, "significant", false) && aj_number_at(x, "pct_per_year") > 10)
		advise(&a, "resistance", "medium", "Check connections and cells",
			   "The resistance rises; tighten terminals, compare cells under load.", "resistance", aj_number_at(x, "pct_per_year"), 10, "% a year", "trend_forecast");
	v = aj_number_at2(climate, "imbalance", "median_mv_high_soc");
	w = aj_number_at2(climate, "imbalance", "median_mv");
	if (w > 50 || v > 100)
		advise(&a, "balance", w > 100 ? "high" : "medium", "Balance the cells",
			   "Cell voltages are apart; hold the battery full until the balancer has done, and look for a weak cell if it comes back.",
			   w > 50 ? "median_mv" : "median_mv_high_soc", w > 50 ? w : v, w > 50 ? 50 : 100, "mV", "imbalance_temperature");
	x = aj_determined(climate, "temperature");
	if (x)
	{
		if (plates && aj_number_at(x, "charged_below_0_c_samples") > 0)
			advise(&a, "cold_charge", "high", "Do not charge below freezing",
				   "Charging below 0 degrees C plates lithium; heat the battery or block the charger.", "charged_below_0_c_samples",
				   aj_number_at(x, "charged_below_0_c_samples"), 0, "samples", "imbalance_temperature");
		if (aj_number_at(x, "over_45_c_pct") > 0.1)
			advise(&a, "hot", "high", "Cool the battery", "It is over 45 degrees C, which ages it quickly.", "over_45_c_pct",
				   aj_number_at(x, "over_45_c_pct"), 0.1, "% of samples", "imbalance_temperature");
		else if (aj_number_at(x, "p95_c") > 35)
			advise(&a, "warm", "medium", "Ventilate the battery", "It is over 35 degrees C at times; calendar ageing about doubles with each 10 degrees.",
				   "p95_c", aj_number_at(x, "p95_c"), 35, "degrees C", "imbalance_temperature");
	}
	x = aj_determined(cycles, "rainflow");
	v = x && aj_number_at(x, "cycles") >= 10 ? 100 * aj_number_at(x, "deeper_than_max_dod") / aj_number_at(x, "cycles") : NAN;
	if (v > 5)
		advise(&a, "deep_cycles", "medium", "Discharge less deeply",
			   psprintf("Cycles go deeper than %.4g %%; raise the lower limit of the state of charge or add capacity.", 100 * b.config.max_dod),
			   "deeper_than_max_dod", v, 5, "% of cycles", "cycles");
	v = aj_number_at2(balance, "totals", "soc_mean");
	if (v > 0.85 && !lead)
		advise(&a, "rests_full", "low", "Keep the battery less full", "It is nearly full most of the time; a lower upper limit slows calendar ageing.",
			   "soc_mean", v, 0.85, "share", "energy_balance");
	x = aj_determined(balance, "solar");
	if (x && aj_number_at(x, "sufficiency") < 0.9)
		advise(&a, "solar_deficit", "medium", "Add generation or save energy",
			   "The sun gives less than the load takes.", "sufficiency", aj_number_at(x, "sufficiency"), 0.9, "of the load", "energy_balance");
	x = aj_determined(balance, "autonomy");
	if (x && aj_number_at(x, "full_h") < 12)
		advise(&a, "autonomy", "low", "Consider more capacity", "A full battery lasts less than a night at the mean load.",
			   "full_h", aj_number_at(x, "full_h"), 12, "h", "energy_balance");
	v = aj_number_at(valid, "covered_pct");
	if (v < 95)
		advise(&a, "gaps", "low", "Mend the logger", "Telemetry is missing; each insight rests on less than it could.", "covered_pct", v, 95, "% of the time", "validate_telemetry");
	v = aj_number_at2(odd, "by_kind", "soc_jump") + 0;
	if (v >= 3)
		advise(&a, "soc_jumps", "medium", "Recalibrate the state of charge", "It jumps without charge; a full charge lets the battery management system find it again.",
			   "soc_jump", v, 3, "events", "anomalies");
	v = 0;
	for (int k = 0; k < (int) lengthof(stuck_kind); k++)
		if (aj_number_at2(odd, "by_kind", stuck_kind[k].kind) > 0)
			v += aj_number_at2(odd, "by_kind", stuck_kind[k].kind);
	if (v > 0)
		advise(&a, "stuck_sensor", "medium", "Check the sensors",
			   "A value stays the same to the last digit while the battery is charged or discharged.", "stuck", v, 0, "events", "anomalies");
	if (aj_number_at2(odd, "by_kind", "cell_spread_drift") > 0)
		advise(&a, "spread_drift", "medium", "Watch the cell that drifts", "The spread of cell voltages has moved lastingly.",
			   "cell_spread_drift", aj_number_at2(odd, "by_kind", "cell_spread_drift"), 0, "events", "anomalies");
	appendStringInfo(&o, "],\"count\":%d", a.n);
	if (a.n == 0)
		aj_json_text_field(&o, "note", "No rule applies to what could be determined.");
	appendStringInfoChar(&o, '}');
	PG_RETURN_JSONB_P(aj_jsonb_from_text(o.data));
}
