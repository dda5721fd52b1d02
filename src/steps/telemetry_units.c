/*-------------------------------------------------------------------------
 *
 * telemetry_units.c
 *		Order and units of a series that is being loaded.
 *
 * Units are told by the values only where that is certain: a state of charge
 * over 1.5 is in per cent.  A series in which values change their unit on the
 * way is refused, not mended.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "telemetry_loader.h"

#include <math.h>

#include "../kernels/csv.h"

/* Unix times of 1900-01-01 and 2200-01-01 */
#define EARLIEST (-2208988800.0)
#define LATEST 7258118400.0

static int
by_time(const void *a, const void *b)
{
	const AjTelemetrySample *x = a;
	const AjTelemetrySample *y = b;

	return x->t < y->t ? -1 : x->t > y->t ? 1 : x->row - y->row;
}

/* Bring samples into the order of time; of those with one time the first stays. */
void
aj_telemetry_order(AjTelemetryLoader *l)
{
	int			n = 0;

	for (int i = 1; i < l->n; i++)
		l->unsorted += l->s[i].t < l->s[i - 1].t;
	if (l->unsorted > 0)
		qsort(l->s, l->n, sizeof(AjTelemetrySample), by_time);
	for (int i = 0; i < l->n; i++)
	{
		if (n > 0 && l->s[i].t == l->s[n - 1].t)
		{
			bool		same = true;

			for (int c = 0; c < AJ_CHANNELS; c++)
				same = same && (l->s[i].v[c] == l->s[n - 1].v[c] ||
								(isnan(l->s[i].v[c]) && isnan(l->s[n - 1].v[c])));
			l->duplicates++;
			l->conflicts += !same;
			continue;
		}
		l->s[n++] = l->s[i];
	}
	l->n = n;
	if (n < 10)
		aj_telemetry_refuse(l, "telemetry_insufficient", psprintf("it has %d sample%s", n, n == 1 ? "" : "s"),
							"Ten samples are needed to be a series, more for each insight.",
							"Load a longer series.");
	if (l->s[0].t < EARLIEST || l->s[n - 1].t > LATEST)
		aj_telemetry_refuse(l, "telemetry_invalid", psprintf("its times reach from %.15g to %.15g seconds since 1970", l->s[0].t, l->s[n - 1].t),
							"Allowed are the years 1900 to 2200.", "Correct the times, or give the option \"start_at\".");
}

/* A time, in UTC, for messages and results. */
char *
aj_telemetry_time_text(double t)
{
	int			y,
				m,
				d;
	double		days = floor(t / 86400);
	int			s = (int) (t - days * 86400);

	ajk_date((int64) days, &y, &m, &d);
	return psprintf("%04d-%02d-%02d %02d:%02d:%02d UTC", y, m, d, s / 3600, s / 60 % 60, s % 60);
}

/*
 * Neighbouring values that differ by a factor of a unit: 100 between fraction
 * and per cent, 1000 between V and mV or A and mA.
 */
static void
check_mixed(const AjTelemetryLoader *l, int c, double factor, double least, const char *units)
{
	double		last = NAN;
	int			jumps = 0;
	double		at = 0;

	for (int i = 0; i < l->n; i++)
	{
		double		v = fabs(l->s[i].v[c]);

		if (isnan(v) || v < least)
			continue;
		if (!isnan(last) && ((v > last * factor / 1.6 && v < last * factor * 1.6) ||
							 (last > v * factor / 1.6 && last < v * factor * 1.6)))
		{
			if (jumps++ == 0)
				at = l->s[i].t;
		}
		last = v;
	}
	if (jumps > 0)
		aj_telemetry_refuse(l, "unit_mixed", psprintf("%s changes its unit", aj_channel_name[c]),
							psprintf("At %s it changes by a factor of %.0f between neighbours, as between %s%s.",
									 aj_telemetry_time_text(at), factor, units, jumps > 1 ? psprintf(", and at %d other times", jumps - 1) : ""),
							"Bring all samples to one unit and load the series again.");
}

/* What no battery's channel reaches, and what it may be then */
static const struct
{
	int			channel;
	double		low;
	double		high;
	const char *allowed;
	double		foreign;		/* values beyond this look like ... */
	const char *hint;
}			limits[] =

{
	{AJ_CH_TEMP, -60, 120, "-60 to 120 degrees C", 200, "It looks like kelvin; subtract 273.15."},
	{AJ_CH_CURRENT, -1e6, 1e6, "-1,000,000 to 1,000,000 A", INFINITY, NULL},
	{AJ_CH_VOLTAGE, 0, 1e5, "0 to 100,000 V", INFINITY, NULL},
	{AJ_CH_CELL_MIN, 0, 10, "0 to 10 V", 500, "It looks like millivolts; divide by 1000."},
	{AJ_CH_CELL_MAX, 0, 10, "0 to 10 V", 500, "It looks like millivolts; divide by 1000."},
	{AJ_CH_PV, -1e9, 1e9, "-1e9 to 1e9 W", INFINITY, NULL},
	{AJ_CH_LOAD, -1e9, 1e9, "-1e9 to 1e9 W", INFINITY, NULL},
	{AJ_CH_GENERATOR, -1e9, 1e9, "-1e9 to 1e9 W", INFINITY, NULL}
};

static void
check_limits(const AjTelemetryLoader *l)
{
	for (Size k = 0; k < lengthof(limits); k++)
		for (int i = 0; i < l->n; i++)
		{
			double		v = l->s[i].v[limits[k].channel];

			if (v < limits[k].low || v > limits[k].high)
				aj_telemetry_refuse(l, "unit_or_range", psprintf("%s is %.6g at %s", aj_channel_name[limits[k].channel], v, aj_telemetry_time_text(l->s[i].t)),
									psprintf("Allowed is %s.", limits[k].allowed),
									v > limits[k].foreign && v < 1000 * limits[k].foreign ? limits[k].hint : "Correct the value or leave it out.");
		}
}

static void
check_cells(const AjTelemetryLoader *l)
{
	for (int i = 0; i < l->n; i++)
	{
		const double *v = l->s[i].v;

		if (v[AJ_CH_CELL_MIN] > v[AJ_CH_CELL_MAX])
			aj_telemetry_refuse(l, "unit_or_range", psprintf("cell_min_v is %.6g and cell_max_v %.6g at %s", v[AJ_CH_CELL_MIN], v[AJ_CH_CELL_MAX], aj_telemetry_time_text(l->s[i].t)),
								"The weakest cell cannot have more than the strongest.",
								"Correct which column is which with the option \"columns\".");
	}
}

/* Check every value, and bring all to the units of telemetry_block. */
void
aj_telemetry_units(AjTelemetryLoader *l)
{
	int			percent = 0;
	int			known = 0;
	int			fraction = 0;
	double		most = 0;
	bool		scale;

	check_mixed(l, AJ_CH_SOC, 100, 0.05, "a fraction and per cent");
	check_mixed(l, AJ_CH_VOLTAGE, 1000, 0.5, "V and mV");
	check_mixed(l, AJ_CH_CELL_MIN, 1000, 0.5, "V and mV");
	check_mixed(l, AJ_CH_CELL_MAX, 1000, 0.5, "V and mV");
	check_limits(l);
	check_cells(l);
	for (int i = 0; i < l->n; i++)
	{
		double		s = l->s[i].v[AJ_CH_SOC];

		known += !isnan(s);
		percent += s > 1.5;
		fraction += s > 0.05 && s < 1 && s * 10 != rint(s * 10);
		most = fmax(most, s);
	}
	scale = l->soc_unit ? strcmp(l->soc_unit, "percent") == 0 : percent * 20 > known;
	if (scale && l->soc_unit && known > 0 && most <= 1)
		aj_telemetry_refuse(l, "unit_or_range", psprintf("soc is never more than %.4g", most),
							"The option \"soc_unit\" says per cent, of which there would be one at most.",
							"Leave out \"soc_unit\", or give \"fraction\".");
	/* a battery is below one per cent for long only where it is broken */
	if (scale && !l->soc_unit && fraction * 50 > known)
		aj_telemetry_refuse(l, "unit_mixed", "soc changes its unit",
							psprintf("%d of %d values are over 1.5, as per cent, and %d between 0.05 and 1, as a fraction.", percent, known, fraction),
							"Bring all samples to one unit and load the series again, or give the option \"soc_unit\".");
	for (int i = 0; i < l->n; i++)
	{
		double	   *s = &l->s[i].v[AJ_CH_SOC];

		if (scale)
			*s /= 100;
		if (*s < -0.001 || *s > 1.005)
			aj_telemetry_refuse(l, "unit_or_range", psprintf("soc is %.6g at %s", scale ? *s * 100 : *s, aj_telemetry_time_text(l->s[i].t)),
								scale ? "Allowed is 0 to 100 per cent." : "Allowed is 0 to 1.",
								"Give the option \"soc_unit\" if the series is in the other unit, or correct the value.");
		if (!isnan(*s))
			*s = Min(Max(*s, 0), 1);
		if (l->discharge_positive)
			l->s[i].v[AJ_CH_CURRENT] = -l->s[i].v[AJ_CH_CURRENT];
	}
}
