/*-------------------------------------------------------------------------
 *
 * battery_balance.c
 *		Energy balance and cycles of a battery.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "battery.h"

#include <math.h>

#include "../kernels/rainflow.h"

PG_FUNCTION_INFO_V1(aj_step_battery_energy_balance);
PG_FUNCTION_INFO_V1(aj_step_battery_cycles);

/* Cycles of a smaller depth are noise of the state of charge. */
#define SMALLEST_DOD 0.02

/* A day is in deficit where the sun gives less than this share of the load. */
#define SUFFICIENT 0.9

/* A year is not told from less than a month, a mean load not from less than a day. */
#define YEAR_FROM_H 720.0
#define LOAD_FROM_H 24.0

/* A sum stands for the whole time where so much of it is known. */
#define KNOWN_SHARE 0.95

static double
known_mean(const double *v, int from, int to)
{
	double		sum = 0;
	int			n = 0;

	for (int i = from; v && i < to; i++)
		if (!isnan(v[i]))
			sum += v[i], n++;
	return n ? sum / n : NAN;
}

static void
put_day(StringInfo o, const AjBatteryInput *b, int64 day, int from, int to)
{
	const AjkTelemetry *d = &b->d;
	AjkEnergy	e;
	double		low = NAN;
	double		high = NAN;

	ajk_battery_energy(d, from, to, &e);
	for (int i = from; d->soc && i < to; i++)
	{
		low = fmin(low, d->soc[i]);
		high = fmax(high, d->soc[i]);
	}
	appendStringInfo(o, "%s{\"day\":\"%s\"", o->data[o->len - 1] == '[' ? "" : ",", aj_day_text(day));
	if (e.current_h > 0)
	{
		aj_json_field(o, "charge_ah", e.charge_ah, 3);
		aj_json_field(o, "discharge_ah", e.discharge_ah, 3);
	}
	if (e.power_h > 0)
	{
		aj_json_field(o, "charge_kwh", e.charge_kwh, 4);
		aj_json_field(o, "discharge_kwh", e.discharge_kwh, 4);
	}
	if (!isnan(low))
	{
		aj_json_field(o, "soc_min", low, 4);
		aj_json_field(o, "soc_max", high, 4);
		aj_json_field(o, "soc_mean", known_mean(d->soc, from, to), 4);
		aj_json_field(o, "efc", e.soc_throughput / 2, 5);
	}
	if (d->temp)
		aj_json_field(o, "temp_mean_c", known_mean(d->temp, from, to), 2);
	if (e.pv_h > 0)
		aj_json_field(o, "pv_kwh", e.pv_kwh, 3);
	if (e.load_h > 0)
		aj_json_field(o, "load_kwh", e.load_kwh, 3);
	if (e.generator_known_h > 0)
		aj_json_field(o, "generator_kwh", e.generator_kwh, 3);
	aj_json_field(o, "covered_h", e.hours, 2);
	appendStringInfoChar(o, '}');
}

static void
put_profile(StringInfo o, const AjBatteryInput *b)
{
	const AjkTelemetry *d = &b->d;
	double		sum[24][4];
	int			n[24][4];

	memset(sum, 0, sizeof(sum));
	memset(n, 0, sizeof(n));
	for (int i = 0; i < d->n; i++)
	{
		int64		day;
		double		hour;
		double		v[4];

		aj_local_time(&b->config, d->t[i], &day, &hour);
		v[0] = d->soc ? d->soc[i] : NAN;
		v[1] = d->current && d->voltage ? d->current[i] * d->voltage[i] : NAN;
		v[2] = d->load ? d->load[i] : NAN;
		v[3] = d->pv ? d->pv[i] : NAN;
		for (int k = 0; k < 4; k++)
			if (!isnan(v[k]))
			{
				sum[(int) hour][k] += v[k];
				n[(int) hour][k]++;
			}
	}
	appendStringInfoString(o, ",\"hourly_profile\":[");
	for (int h = 0; h < 24; h++)
	{
		static const char *const key[] = {"soc_mean", "battery_w", "load_w", "pv_w"};

		appendStringInfo(o, "%s{\"hour\":%d", h ? "," : "", h);
		for (int k = 0; k < 4; k++)
			if (n[h][k])
				aj_json_field(o, key[k], sum[h][k] / n[h][k], k ? 2 : 5);
		appendStringInfoChar(o, '}');
	}
	appendStringInfoChar(o, ']');
}

/*
 * step_battery_energy_balance(input jsonb) returns jsonb
 */
Datum
aj_step_battery_energy_balance(PG_FUNCTION_ARGS)
{
	AjBatteryInput b;
	const AjkTelemetry *d = &b.d;
	AjkEnergy	e;
	StringInfoData o;
	int			days = 0;
	int			deficit = 0;
	int			balanced = 0;
	double		years;

	aj_battery_input(PG_GETARG_JSONB_P(0), true, &b);
	ajk_battery_energy(d, 0, d->n, &e);
	years = (d->t[d->n - 1] - d->t[0]) / (365 * 86400.0);
	initStringInfo(&o);
	appendStringInfoString(&o, "{\"totals\":{");
	aj_json_field(&o, "covered_h", e.hours, 2);
	if (e.current_h > 0)
	{
		aj_json_field(&o, "charge_ah", e.charge_ah, 3);
		aj_json_field(&o, "discharge_ah", e.discharge_ah, 3);
	}
	if (e.power_h > 0)
	{
		aj_json_field(&o, "charge_kwh", e.charge_kwh, 3);
		aj_json_field(&o, "discharge_kwh", e.discharge_kwh, 3);
	}
	if (e.soc_h > 0)
	{
		aj_json_field(&o, "soc_change", e.soc_change, 5);
		aj_json_field(&o, "soc_throughput", e.soc_throughput, 8);
		aj_json_field(&o, "soc_mean", known_mean(d->soc, 0, d->n), 5);
	}
	if (e.pv_h > 0)
		aj_json_field(&o, "pv_kwh", e.pv_kwh, 3);
	if (e.load_h > 0)
		aj_json_field(&o, "load_kwh", e.load_kwh, 3);
	if (e.generator_known_h > 0)
	{
		aj_json_field(&o, "generator_kwh", e.generator_kwh, 3);
		aj_json_field(&o, "generator_h", e.generator_h, 3);
	}
	aj_json_field(&o, "years", years, 5);
	appendStringInfoString(&o, "},\"daily\":[");
	for (int i = 0; i < d->n;)
	{
		int64		day;
		int64		other;
		double		hour;
		int			from = i;

		/* hours of a day have the day's date, so most need not be looked up */
		aj_local_time(&b.config, d->t[i], &day, &hour);
		for (i++; i < d->n; i++)
		{
			if (d->t[i] - d->t[from] < (20 - hour) * 3600)
				continue;
			aj_local_time(&b.config, d->t[i], &other, &hour);
			if (other != day)
				break;
			hour = 24;
		}
		put_day(&o, &b, day, from, i);
		days++;
		if (d->pv && d->load)
		{
			AjkEnergy	x;

			ajk_battery_energy(d, from, i, &x);
			if (x.pv_h > 20 && x.load_h > 20 && x.load_kwh > 0)
			{
				deficit += x.pv_kwh < SUFFICIENT * x.load_kwh;
				balanced++;
			}
		}
		if (days % 64 == 0)
			CHECK_FOR_INTERRUPTS();
	}
	appendStringInfoChar(&o, ']');
	put_profile(&o, &b);
	if (!d->pv || !d->load)
		aj_json_not_yet(&o, "solar", "The telemetry has no solar and load power.", NULL, "channels pv_w and load_w");
	else if (!(e.load_kwh > 0) || fmin(e.pv_h, e.load_h) < KNOWN_SHARE * e.hours)
		aj_json_not_yet(&o, "solar", "Solar or load power is not known for enough of the time.",
						psprintf("pv_w for %.0f and load_w for %.0f of %.0f hours", e.pv_h, e.load_h, e.hours),
						psprintf("%.0f %% of the time; 0 where there is no power, not empty", 100 * KNOWN_SHARE));
	else
	{
		double		s = e.pv_kwh / e.load_kwh;

		appendStringInfoString(&o, ",\"solar\":{\"status\":\"determined\"");
		aj_json_field(&o, "sufficiency", s, 4);
		aj_json_text_field(&o, "verdict", s < 0.9 ? "deficit" : s > 1.1 ? "surplus" : "balanced");
		aj_json_field(&o, "deficit_days", deficit, 0);
		aj_json_field(&o, "days", balanced, 0);
		appendStringInfoChar(&o, '}');
	}
	{
		/* what the load, or else the discharge, takes on average */
		bool		load = e.load_h >= KNOWN_SHARE * e.hours && e.load_kwh > 0;
		double		mean_kw = load ? e.load_kwh / e.load_h :
		e.power_h > 0 && e.power_h >= KNOWN_SHARE * e.hours ? e.discharge_kwh / e.power_h : 0;
		double		soc = known_mean(d->soc, 0, d->n);

		if (mean_kw > 0 && !isnan(soc) && (load ? e.load_h : e.power_h) >= LOAD_FROM_H)
		{
			double		kwh = b.config.capacity_ah * b.config.nominal_voltage_v / 1000;

			appendStringInfoString(&o, ",\"autonomy\":{\"status\":\"determined\"");
			aj_json_field(&o, "mean_load_kw", mean_kw, 4);
			aj_json_field(&o, "full_h", kwh * b.config.max_dod / mean_kw, 2);
			aj_json_field(&o, "mean_soc_h", kwh * soc * b.config.max_dod / mean_kw, 2);
			aj_json_text_field(&o, "of", load ? "load" : "discharge");
			appendStringInfoChar(&o, '}');
		}
		else
			aj_json_not_yet(&o, "autonomy", "The telemetry tells no load.", NULL,
							psprintf("channels soc and load_w, or current_a and voltage_v, known for %.0f %% of the time, over a day", 100 * KNOWN_SHARE));
	}
	appendStringInfoChar(&o, '}');
	PG_RETURN_JSONB_P(aj_jsonb_from_text(o.data));
}

/*
 * step_battery_cycles(input jsonb) returns jsonb
 */
Datum
aj_step_battery_cycles(PG_FUNCTION_ARGS)
{
	AjBatteryInput b;
	const AjkTelemetry *d = &b.d;
	AjkEnergy	e;
	AjkCycle   *cycle = NULL;
	int			n = 0;
	double	   *soc;
	int			known = 0;
	double		bins[10] = {0};
	double		equivalents = 0;
	double		count = 0;
	double		dod = 0;
	double		mean = 0;
	double		deep = 0;
	double		efc;
	double		hours;
	bool		by_charge;
	AjkError	err;
	StringInfoData o;

	aj_battery_input(PG_GETARG_JSONB_P(0), true, &b);
	ajk_battery_energy(d, 0, d->n, &e);
	initStringInfo(&o);
	appendStringInfoChar(&o, '{');
	if (d->soc == NULL)
		aj_json_not_yet(&o, "rainflow", "The telemetry has no state of charge.", NULL, "channel soc");
	else
	{
		soc = palloc_extended(sizeof(double) * (Size) d->n, MCXT_ALLOC_HUGE);
		for (int i = 0; i < d->n; i++)
			if (!isnan(d->soc[i]))
				soc[known++] = d->soc[i];
		err = ajk_rainflow(soc, known, &cycle, &n);
		if (err != AJK_OK)
			ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
		for (int i = 0; i < n; i++)
		{
			double		c = cycle[i].count;
			double		r = cycle[i].range;

			equivalents += c * r;
			if (r < SMALLEST_DOD)
				continue;
			bins[Min((int) (r * 10), 9)] += c;
			count += c;
			dod += c * r;
			mean += c * cycle[i].mean;
			deep += r > b.config.max_dod ? c : 0;
		}
		free(cycle);
		aj_json_field(&o, "efc_soc", e.soc_throughput / 2, 6);
		appendStringInfoString(&o, ",\"rainflow\":{\"status\":\"determined\"");
		aj_json_field(&o, "entries", n, 0);
		aj_json_field(&o, "full_cycle_equivalents", equivalents, 6);
		aj_json_field(&o, "cycles", count, 1);
		aj_json_field(&o, "smallest_dod", SMALLEST_DOD, 3);
		aj_json_field(&o, "mean_dod", count > 0 ? dod / count : NAN, 5);
		aj_json_field(&o, "mean_soc", count > 0 ? mean / count : NAN, 5);
		aj_json_field(&o, "deeper_than_max_dod", deep, 1);
		appendStringInfoString(&o, ",\"histogram\":[");
		for (int i = 0; i < 10; i++)
		{
			appendStringInfo(&o, "%s{", i ? "," : "");
			aj_json_field(&o, "dod_from", i / 10.0, 2);
			aj_json_field(&o, "dod_to", (i + 1) / 10.0, 2);
			aj_json_field(&o, "cycles", bins[i], 1);
			appendStringInfoChar(&o, '}');
		}
		appendStringInfoString(&o, "]}");
	}
	if (e.current_h > 0)
		aj_json_field(&o, "efc_ah", (e.charge_ah + e.discharge_ah) / 2 / b.config.capacity_ah, 6);
	/* of charge, unless more is known of the state of charge */
	by_charge = e.current_h > 0 && e.current_h >= KNOWN_SHARE * e.soc_h;
	efc = by_charge ? (e.charge_ah + e.discharge_ah) / 2 / b.config.capacity_ah : e.soc_throughput / 2;
	hours = by_charge ? e.current_h : e.soc_h;
	aj_json_field(&o, "efc", efc, 6);
	aj_json_text_field(&o, "efc_from", by_charge ? "charge" : "soc");
	aj_json_field(&o, "efc_known_h", hours, 2);
	aj_json_field(&o, "efc_per_year", hours >= YEAR_FROM_H ? efc / hours * 8760 : NAN, 4);
	appendStringInfoChar(&o, '}');
	PG_RETURN_JSONB_P(aj_jsonb_from_text(o.data));
}
