/*-------------------------------------------------------------------------
 *
 * battery_health.c
 *		Capacity, resistance, imbalance and temperature of a battery.
 *
 * What the telemetry cannot tell is said to be "not yet determinable", with
 * what there is and what would be needed; no figure stands in for it.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "battery.h"

#include <math.h>

#include "../kernels/csv.h"
#include "../kernels/stats.h"

PG_FUNCTION_INFO_V1(aj_step_battery_capacity_resistance);
PG_FUNCTION_INFO_V1(aj_step_battery_imbalance_temperature);

#define WINDOWS_NEEDED 5

/* Shares of the nominal capacity that no battery has left */
#define MOST_CAPACITY 1.5
#define LEAST_CAPACITY 0.2

/* Resistances told in two ways that differ by more are not told. */
#define MAX_RESISTANCE_RATIO 1.4

/* Charge and state of charge that correlate less belong to two batteries. */
#define MIN_CORRELATION 0.3

/* An efficiency less certain than this is not told. */
#define MAX_EFFICIENCY_SE 0.02

/* The latest capacity is that of the windows of the last days. */
#define RECENT_S (60 * 86400.0)

/* Number of the calendar month of a Unix time */
static int
month_of(double t)
{
	int			y,
				m,
				d;

	ajk_date((int64) floor(t / 86400), &y, &m, &d);
	return y * 12 + m - 1;
}

static char *
month_text(int month)
{
	return psprintf("%04d-%02d", month / 12, month % 12 + 1);
}

static int
by_time(const void *a, const void *b)
{
	double		x = ((const AjkWindow *) a)->t;
	double		y = ((const AjkWindow *) b)->t;

	return x < y ? -1 : x > y;
}

static void
put_capacity(StringInfo o, const char *key, double q, double se, int n, double nominal)
{
	appendStringInfo(o, "%s\"%s\":{\"status\":\"determined\"", o->data[o->len - 1] == '{' ? "" : ",", key);
	aj_json_field(o, "ah", q, 4);
	aj_json_field(o, "standard_error_ah", se, 4);
	aj_json_field(o, "retention", q / nominal, 5);
	aj_json_field(o, "windows", n, 0);
	appendStringInfoChar(o, '}');
}

static void
put_resistance(StringInfo o, const AjBatteryInput *b, double q)
{
	const AjkTelemetry *d = &b->d;
	AjkResistance r = ajk_battery_resistance(d, 0, d->n, q);
	bool		first = true;

	if (isnan(r.ohm) || r.ohm <= 0)
	{
		if (!d->current || !d->voltage || !d->soc)
			aj_json_not_yet(o, "resistance", "The telemetry lacks a channel.", NULL, "channels current_a, voltage_v and soc");
		else
			aj_json_not_yet(o, "resistance", "Currents differ too little at the same state of charge.",
							psprintf("%d samples under current", r.samples), "30 samples, of currents that differ by some per cent of the capacity");
		return;
	}
	if (fabs(log(r.ohm / r.step_ohm)) > log(MAX_RESISTANCE_RATIO) + 3 * r.step_se_ohm / r.step_ohm || r.step_ohm <= 0)
	{
		aj_json_not_yet(o, "resistance", "Two ways to tell it are too far apart.",
						psprintf("%.2f mohm among samples of one state of charge, %.2f mohm between neighbours", 1000 * r.ohm, 1000 * r.step_ohm),
						"a state of charge without jumps, and voltage and current of the same moment");
		return;
	}
	appendStringInfoString(o, ",\"resistance\":{\"status\":\"determined\"");
	aj_json_field(o, "mohm", r.ohm * 1000, 4);
	aj_json_field(o, "standard_error_mohm", r.se_ohm * 1000, 4);
	aj_json_field(o, "samples", r.samples, 0);
	appendStringInfoString(o, ",\"monthly\":[");
	for (int i = 0; i < d->n;)
	{
		int			m = month_of(d->t[i]);
		int			from = i;
		AjkResistance x;

		while (i < d->n && month_of(d->t[i]) == m)
			i++;
		x = ajk_battery_resistance(d, from, i, q);
		if (isnan(x.ohm) || x.ohm <= 0)
			continue;
		appendStringInfo(o, "%s{\"month\":\"%s\"", first ? "" : ",", month_text(m));
		aj_json_field(o, "mohm", x.ohm * 1000, 4);
		aj_json_field(o, "standard_error_mohm", x.se_ohm * 1000, 4);
		aj_json_field(o, "t", (d->t[from] + d->t[i - 1]) / 2, 0);
		appendStringInfoChar(o, '}');
		first = false;
	}
	appendStringInfoString(o, "]}");
}

/* What charge and state of charge together tell */
typedef struct Charge
{
	AjkWindow  *w;				/* malloc'd */
	int			n;
	double		q;				/* NaN without windows */
	double		se;
	AjkEnergy	e;
	AjkBalance	b;
	bool		offset;			/* the current is off by b.offset_a */
	double		coulombic;
	double		coulombic_se;
	double		energy;
} Charge;

/* Less charge than this comes out of no battery of its kind. */
static double
least_efficiency(const AjBatteryInput *b)
{
	return strcmp(b->config.chemistry, "lead_acid") == 0 || strcmp(b->config.chemistry, "other") == 0 ? 0.6 : 0.9;
}

/*
 * Windows, efficiency, offset and capacity depend on each other: three rounds
 * do.  An offset is believed where it is beyond doubt, matters, and leaves an
 * efficiency that a battery has; windows are then of currents less the offset.
 */
static void
solve(const AjBatteryInput *b, Charge *c)
{
	AjkTelemetry d = b->d;
	double		volt = 0;
	int			known = 0;
	double	   *current = NULL;
	double		least = least_efficiency(b);

	for (int i = 0; d.voltage && i < d.n; i++)
		if (!isnan(d.voltage[i]))
			volt += d.voltage[i], known++;
	volt = known ? volt / known : b->config.nominal_voltage_v;
	memset(c, 0, sizeof(*c));
	c->q = b->config.capacity_ah;
	ajk_battery_energy(&b->d, 0, d.n, &c->e);
	if (ajk_battery_balance(&b->d, &c->b) != AJK_OK)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	for (int round = 0; round < 3; round++)
	{
		double		eta;

		ajk_battery_efficiency(&c->e, c->q, volt, &c->coulombic, &c->energy);
		c->coulombic_se = c->b.eta_se;
		c->offset = fabs(c->b.offset_a) > 5 * c->b.offset_se_a &&
			fabs(c->b.offset_a) * c->e.soc_current_h > 0.01 * c->e.charge_soc_ah &&
			c->b.eta_offset > least - 2 * c->b.eta_offset_se &&
			c->b.eta_offset < 1 + 2 * c->b.eta_offset_se;
		if (c->offset)
		{
			if (current == NULL)
				current = palloc_extended(sizeof(double) * (Size) d.n, MCXT_ALLOC_HUGE);
			for (int i = 0; i < d.n; i++)
				current[i] = b->d.current[i] - c->b.offset_a;
			c->energy = NAN;
			c->coulombic = c->b.eta_offset;
			c->coulombic_se = c->b.eta_offset_se;
		}
		d.current = c->offset ? current : b->d.current;
		/* of a short or odd series: do without */
		eta = c->coulombic > least - (isnan(c->coulombic_se) ? 0.02 : 2 * c->coulombic_se) ? Min(Max(c->coulombic, least), 1) : 1;
		free(c->w);
		if (ajk_capacity_windows(&d, b->config.min_window_dsoc, eta, &c->w, &c->n) != AJK_OK)
			ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
		if (!ajk_capacity_tls(c->w, c->n, &c->q, &c->se))
			break;
	}

	/*
	 * half of the windows are charges, which an error of the efficiency
	 * shifts
	 */
	if (c->offset)
		c->se = hypot(c->se, c->q * c->coulombic_se / 2);
	if (c->n == 0)
		c->q = NAN;
}

static void
put_efficiency(StringInfo o, const AjBatteryInput *b, const Charge *c)
{
	double		q = isnan(c->q) ? b->config.capacity_ah : c->q;
	const char *need = "channels current_a and soc, and two full charges";

	if (!b->d.current || !b->d.soc)
		aj_json_not_yet(o, "efficiency", "The telemetry lacks a channel.", NULL, need);
	else if (!(c->e.charge_soc_ah > 2 * b->config.capacity_ah))
		aj_json_not_yet(o, "efficiency", "Too little charge has gone through.", NULL, need);
	else if (c->e.soc_throughput * q < 0.5 * (c->e.charge_soc_ah + c->e.discharge_soc_ah))
		aj_json_not_yet(o, "efficiency", "The state of charge does not follow the charge.",
						psprintf("%.0f Ah through the battery, %.0f Ah by the state of charge",
								 c->e.charge_soc_ah + c->e.discharge_soc_ah, c->e.soc_throughput * q), need);
	else if (!(c->coulombic_se < MAX_EFFICIENCY_SE))
		aj_json_not_yet(o, "efficiency", "Charge and state of charge fit too badly.",
						isnan(c->coulombic_se) ? psprintf("%d blocks of six hours", c->b.blocks) :
						psprintf("%.3f, standard error %.3f", c->coulombic, c->coulombic_se),
						psprintf("a standard error below %.2f; a longer series tells more", MAX_EFFICIENCY_SE));
	else if (c->coulombic > 1 + fmax(3 * c->coulombic_se, 0.01) ||
			 c->coulombic < least_efficiency(b) - fmax(3 * c->coulombic_se, 0.01))
		aj_json_not_yet(o, "efficiency", "What came out and what went in cannot both be right.",
						psprintf("%.1f %% of the charge came out again", 100 * c->coulombic),
						"a current without an offset and a state of charge without drift");
	else
	{
		appendStringInfoString(o, ",\"efficiency\":{\"status\":\"determined\"");
		aj_json_field(o, "coulombic", c->coulombic, 5);
		aj_json_field(o, "standard_error", c->coulombic_se, 5);
		if (!isnan(c->energy) && c->e.power_h >= 0.95 * c->e.soc_current_h)
			aj_json_field(o, "energy", c->energy, 5);
		appendStringInfoChar(o, '}');
	}
	if (c->offset)
	{
		appendStringInfoString(o, ",\"current_offset\":{\"status\":\"determined\"");
		aj_json_field(o, "a", c->b.offset_a, 4);
		aj_json_field(o, "standard_error_a", c->b.offset_se_a, 4);
		appendStringInfoChar(o, '}');
	}
	else if (isnan(c->b.offset_a))
		aj_json_not_yet(o, "current_offset", "There is too little charge or state of charge, or it is too much alike.",
						psprintf("%d blocks of six hours", c->b.blocks), "some days of charges, discharges and rest");
	else
		aj_json_not_yet(o, "current_offset", "None stands out.",
						psprintf("%+.3f A, standard error %.3f A", c->b.offset_a, c->b.offset_se_a), NULL);
}

/*
 * step_battery_capacity_resistance(input jsonb) returns jsonb
 */
Datum
aj_step_battery_capacity_resistance(PG_FUNCTION_ARGS)
{
	AjBatteryInput b;
	const AjkTelemetry *d = &b.d;
	AjkWindow  *w;
	Charge		c;
	int			n;
	int			recent = 0;
	double		q;
	double		qr;
	double		ser;
	double		correlation;
	StringInfoData o;

	aj_battery_input(PG_GETARG_JSONB_P(0), true, &b);
	correlation = aj_number_at(aj_battery_step(&b, "validate_telemetry"), "current_soc_correlation");
	solve(&b, &c);
	w = c.w;
	n = c.n;
	q = c.q;
	initStringInfo(&o);
	appendStringInfoChar(&o, '{');
	if (n < WINDOWS_NEEDED)
	{
		if (!d->current || !d->soc)
			aj_json_not_yet(&o, "capacity", "The telemetry lacks a channel.", NULL, "channels current_a and soc");
		else
			aj_json_not_yet(&o, "capacity", "Too few charges or discharges are deep enough.",
							psprintf("%d of at least %.4g %% of the state of charge", n, 100 * b.config.min_window_dsoc),
							psprintf("%d; let the battery go through a deep cycle, or lower min_window_dsoc", WINDOWS_NEEDED));
		q = b.config.capacity_ah;
	}
	else if (correlation < MIN_CORRELATION)
	{
		aj_json_not_yet(&o, "capacity", "The current does not explain the state of charge.",
						psprintf("a correlation of %.2f", correlation),
						"the current and the state of charge of one battery");
		q = b.config.capacity_ah;
	}
	else if (q > MOST_CAPACITY * b.config.capacity_ah || q < LEAST_CAPACITY * b.config.capacity_ah)
	{
		aj_json_not_yet(&o, "capacity", "Charge and state of charge do not fit the nominal capacity.",
						psprintf("%.4g Ah by %d windows, of nominally %.4g Ah", q, n, b.config.capacity_ah),
						"the capacity_ah and the current of one and the same battery, in Ah and A");
		q = b.config.capacity_ah;
	}
	else
	{
		bool		first = true;

		qsort(w, n, sizeof(AjkWindow), by_time);
		put_capacity(&o, "capacity", q, c.se, n, b.config.capacity_ah);
		while (recent < n && w[n - 1 - recent].t > d->t[d->n - 1] - RECENT_S)
			recent++;
		if (recent >= WINDOWS_NEEDED && ajk_capacity_tls(w + n - recent, recent, &qr, &ser))
			put_capacity(&o, "capacity_recent", qr, ser, recent, b.config.capacity_ah);
		else
			aj_json_not_yet(&o, "capacity_recent", "Too few deep charges or discharges lie in the last 60 days.",
							psprintf("%d", recent), psprintf("%d", WINDOWS_NEEDED));
		appendStringInfoString(&o, ",\"capacity_monthly\":[");
		for (int i = 0; i < n;)
		{
			int			m = month_of(w[i].t);
			int			from = i;

			while (i < n && month_of(w[i].t) == m)
				i++;
			if (!ajk_capacity_tls(w + from, i - from, &qr, &ser))
				continue;
			appendStringInfo(&o, "%s{\"month\":\"%s\"", first ? "" : ",", month_text(m));
			aj_json_field(&o, "ah", qr, 4);
			aj_json_field(&o, "standard_error_ah", ser, 4);
			aj_json_field(&o, "windows", i - from, 0);
			aj_json_field(&o, "t", (w[from].t + w[i - 1].t) / 2, 0);
			appendStringInfoChar(&o, '}');
			first = false;
		}
		/* for the trend: each window, thinned where there are very many */
		appendStringInfoString(&o, "],\"windows\":[");
		for (int i = 0, step = n / 3000 + 1; i < n; i += step)
		{
			appendStringInfoString(&o, i ? ",[" : "[");
			aj_json_number(&o, w[i].t, 0);
			appendStringInfoChar(&o, ',');
			aj_json_number(&o, w[i].capacity_ah, 4);
			appendStringInfoChar(&o, ']');
		}
		appendStringInfoChar(&o, ']');
	}
	free(w);
	put_efficiency(&o, &b, &c);
	put_resistance(&o, &b, q);
	appendStringInfoChar(&o, '}');
	PG_RETURN_JSONB_P(aj_jsonb_from_text(o.data));
}

/* ---- imbalance, temperature ---- */

static void
put_imbalance(StringInfo o, const AjBatteryInput *b)
{
	const AjkTelemetry *d = &b->d;
	double	   *all = palloc_extended(sizeof(double) * (Size) d->n, MCXT_ALLOC_HUGE);
	double	   *part = palloc_extended(sizeof(double) * (Size) d->n, MCXT_ALLOC_HUGE);
	int			n = 0;
	int			over[3] = {0};
	double		median;
	static const double limit[3] = {30, 50, 100};
	static const char *const over_key[3] = {"over_30_mv_pct", "over_50_mv_pct", "over_100_mv_pct"};
	static const char *const band_key[3] = {"median_mv_low_soc", "median_mv_mid_soc", "median_mv_high_soc"};

	for (int i = 0; i < d->n; i++)
	{
		double		mv = (d->cell_max[i] - d->cell_min[i]) * 1000;

		if (isnan(mv))
			continue;
		all[n++] = mv;
		for (int k = 0; k < 3; k++)
			over[k] += mv > limit[k];
	}
	if (n < 100)
	{
		aj_json_not_yet(o, "imbalance", "Too few samples have cell voltages.", psprintf("%d", n), "100");
		return;
	}
	appendStringInfoString(o, "\"imbalance\":{\"status\":\"determined\"");
	median = ajk_median(all, n);
	aj_json_field(o, "median_mv", median, 3);
	aj_json_field(o, "p95_mv", ajk_quantile(all, n, 0.95), 3);
	aj_json_field(o, "max_mv", all[n - 1], 3);
	for (int k = 0; k < 3; k++)
		aj_json_field(o, over_key[k], 100.0 * over[k] / n, 4);
	for (int k = 0; k < 3 && d->soc; k++)
	{
		int			m = 0;

		for (int i = 0; i < d->n; i++)
		{
			double		mv = (d->cell_max[i] - d->cell_min[i]) * 1000;

			if (!isnan(mv) && (k == 0 ? d->soc[i] < 0.2 : k == 1 ? d->soc[i] >= 0.2 && d->soc[i] <= 0.9 : d->soc[i] > 0.9))
				part[m++] = mv;
		}
		if (m >= 20)
			aj_json_field(o, band_key[k], ajk_median(part, m), 3);
	}
	aj_json_text_field(o, "verdict", median > 100 ? "critical" : median > 50 ? "poor" : median > 30 ? "fair" : "good");
	appendStringInfoChar(o, '}');
}

static void
put_temperature(StringInfo o, const AjBatteryInput *b)
{
	const AjkTelemetry *d = &b->d;
	double	   *t = palloc_extended(sizeof(double) * (Size) d->n, MCXT_ALLOC_HUGE);
	double		sum = 0;
	int			n = 0;
	int			hot = 0;
	int			warm = 0;
	int			cold = 0;
	int			cold_charge = 0;

	for (int i = 0; i < d->n; i++)
	{
		if (isnan(d->temp[i]))
			continue;
		t[n++] = d->temp[i];
		sum += d->temp[i];
		hot += d->temp[i] > 45;
		warm += d->temp[i] > 35;
		cold += d->temp[i] < 0;
		cold_charge += d->temp[i] < 0 && d->current && d->current[i] > 0.01 * b->config.capacity_ah;
	}
	if (n < 100)
	{
		aj_json_not_yet(o, "temperature", "Too few samples have a temperature.", psprintf("%d", n), "100");
		return;
	}
	appendStringInfoString(o, ",\"temperature\":{\"status\":\"determined\"");
	aj_json_field(o, "mean_c", sum / n, 3);
	aj_json_field(o, "p05_c", ajk_quantile(t, n, 0.05), 3);
	aj_json_field(o, "p95_c", ajk_quantile(t, n, 0.95), 3);
	aj_json_field(o, "min_c", t[0], 3);
	aj_json_field(o, "max_c", t[n - 1], 3);
	aj_json_field(o, "over_35_c_pct", 100.0 * warm / n, 4);
	aj_json_field(o, "over_45_c_pct", 100.0 * hot / n, 4);
	aj_json_field(o, "below_0_c_pct", 100.0 * cold / n, 4);
	aj_json_field(o, "charged_below_0_c_samples", cold_charge, 0);
	appendStringInfoChar(o, '}');
}

/*
 * step_battery_imbalance_temperature(input jsonb) returns jsonb
 */
Datum
aj_step_battery_imbalance_temperature(PG_FUNCTION_ARGS)
{
	AjBatteryInput b;
	StringInfoData o;

	aj_battery_input(PG_GETARG_JSONB_P(0), true, &b);
	initStringInfo(&o);
	appendStringInfoChar(&o, '{');
	if (b.d.cell_min && b.d.cell_max)
		put_imbalance(&o, &b);
	else
		aj_json_not_yet(&o, "imbalance", "The telemetry has no cell voltages.", NULL, "channels cell_min_v and cell_max_v");
	if (b.d.temp)
		put_temperature(&o, &b);
	else
		aj_json_not_yet(&o, "temperature", "The telemetry has no temperature.", NULL, "channel temp_c");
	appendStringInfoChar(&o, '}');
	PG_RETURN_JSONB_P(aj_jsonb_from_text(o.data));
}
