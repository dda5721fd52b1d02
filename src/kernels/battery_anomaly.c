/*-------------------------------------------------------------------------
 *
 * battery_anomaly.c
 *		What in a battery's telemetry is unlike the rest.
 *
 * A value is an outlier where it lies further than limit robust standard
 * deviations (1.4826 times the median absolute deviation of residuals) from
 * what was to be expected there: for temperature and spread of cells the
 * median of the day; for voltage the median at that state of charge, plus
 * resistance times current, and the deviation at that state of charge.  The deviation is not taken below the resolution
 * of a sensor, so that a constant channel does not turn each digit into an
 * event.  Neighbouring samples are one event.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "battery.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"

#define DAY_S 86400.0
#define BANDS 40
#define MAD_TO_SIGMA 1.4826

/* where the open circuit voltage is too steep to say what is to be expected */
#define STEEP_BELOW 0.15
#define STEEP_ABOVE 0.93

/* charge that cannot have moved between two samples */
#define JUMP 0.10
#define JUMP_WITHOUT_CURRENT 0.20

typedef struct List
{
	AjkAnomaly *a;
	int			n;
	int			size;
	bool		nomem;
} List;

static void
add(List *l, AjkAnomalyKind kind, double t, double t_end, int samples,
	double value, double expected, double score)
{
	if (l->n == l->size)
	{
		int			size = l->size ? 2 * l->size : 64;
		AjkAnomaly *a = realloc(l->a, size * sizeof(AjkAnomaly));

		if (a == NULL)
		{
			l->nomem = true;
			return;
		}
		l->a = a;
		l->size = size;
	}
	l->a[l->n++] = (AjkAnomaly)
	{
		kind, t, t_end, samples, value, expected, score
	};
}

/* Runs of residuals over the limit become events. */
static void
outliers(List *l, AjkAnomalyKind kind, const AjkTelemetry *d,
		 const double *value, const double *expected, const double *own_sigma,
		 double resolution, double limit, double *scratch)
{
	double		all = 1;
	int			k = 0;

	for (int i = 0; i < d->n; i++)
		if (!isnan(value[i]) && !isnan(expected[i]))
			scratch[k++] = fabs(value[i] - expected[i]);
	if (k < 100)
		return;
	if (own_sigma == NULL)
		all = fmax(ajk_median(scratch, k) * MAD_TO_SIGMA, resolution);
#define SIGMA(i) (own_sigma ? fmax(own_sigma[i], resolution) : all)
	for (int i = 0; i < d->n; i++)
	{
		int			from = i;
		int			worst = i;

		if (!(fabs(value[i] - expected[i]) > limit * SIGMA(i)))
			continue;
		while (i < d->n && fabs(value[i] - expected[i]) > limit * SIGMA(i) &&
			   (i == from || d->t[i] - d->t[i - 1] <= d->max_gap_s))
		{
			if (fabs(value[i] - expected[i]) > fabs(value[worst] - expected[worst]))
				worst = i;
			i++;
		}
		i--;
		add(l, kind, d->t[from], d->t[i], i - from + 1, value[worst], expected[worst],
			fabs(value[worst] - expected[worst]) / SIGMA(worst));
	}
#undef SIGMA
}

/* The median of the day each sample belongs to; returns how many days. */
static int
daily_medians(const AjkTelemetry *d, const double *value, double *expected,
			  double *day_t, double *day_median, double *scratch)
{
	int			days = 0;

	for (int i = 0; i < d->n;)
	{
		double		day = floor(d->t[i] / DAY_S);
		int			k = 0;
		int			from = i;
		double		m;

		for (; i < d->n && floor(d->t[i] / DAY_S) == day; i++)
			if (!isnan(value[i]))
				scratch[k++] = value[i];
		m = ajk_median(scratch, k);
		for (int j = from; j < i; j++)
			expected[j] = m;
		if (k > 0)
		{
			day_t[days] = day * DAY_S;
			day_median[days++] = m;
		}
	}
	return days;
}

static void
soc_jumps(List *l, const AjkTelemetry *d, double capacity_ah, double *scratch)
{
	double		least = 0;
	double		most = 0;
	int			k = 0;

	if (d->soc == NULL)
		return;
	/* between coarse samples currents come and go unseen: that is no jump */
	for (int i = 0; d->current && i < d->n; i++)
		if (!isnan(d->current[i]))
			scratch[k++] = d->current[i] / capacity_ah;
	if (k > 0)
	{
		least = fmin(ajk_quantile(scratch, k, 0.01), 0);
		most = fmax(ajk_quantile(scratch, k, 0.99), 0);
	}
	for (int i = 1; i < d->n; i++)
	{
		double		ds = d->soc[i] - d->soc[i - 1];
		double		dt = d->t[i] - d->t[i - 1];
		bool		current = d->current && !isnan(d->current[i]) && !isnan(d->current[i - 1]);
		double		q = current ? (d->current[i] + d->current[i - 1]) / 2 * dt / 3600 / capacity_ah : 0;

		if (isnan(ds) || dt > d->max_gap_s || dt > 3600)
			continue;
		if (fabs(ds - q) > (current ? JUMP : JUMP_WITHOUT_CURRENT) &&
			(ds > most * dt / 3600 + JUMP / 2 || ds < least * dt / 3600 - JUMP / 2))
			add(l, AJK_SOC_JUMP, d->t[i - 1], d->t[i], 1, d->soc[i], d->soc[i - 1] + q, 0);
	}
}

/* Voltage to be expected at each sample's state of charge and current. */
static bool
expected_voltage(const AjkTelemetry *d, double ohm, double *expected,
				 double *sigma, double *scratch)
{
	double		band[BANDS];
	double		spread[BANDS];
	double		least[BANDS];

	if (!d->voltage || !d->soc || !d->current || isnan(ohm))
		return false;
	for (int b = 0; b < BANDS; b++)
	{
		int			k = 0;

		for (int i = 0; i < d->n; i++)
			if (!isnan(d->voltage[i]) && !isnan(d->current[i]) && !isnan(d->soc[i]) &&
				(int) fmin(fmax(d->soc[i] * BANDS, 0), BANDS - 1) == b)
				scratch[k++] = d->voltage[i] - ohm * d->current[i];
		band[b] = spread[b] = NAN;
		if (k >= 50 && (b + 0.5) / BANDS > STEEP_BELOW && (b + 0.5) / BANDS < STEEP_ABOVE)
		{
			band[b] = ajk_median(scratch, k);
			for (int i = 0; i < k; i++)
				scratch[i] = fabs(scratch[i] - band[b]);
			spread[b] = ajk_median(scratch, k) * MAD_TO_SIGMA;
		}
	}

	/*
	 * Within a band the open circuit voltage moves itself, and where a
	 * battery rests at one state of charge most samples of its band are
	 * alike: from one end of the band to the other is no outlier.
	 */
	for (int b = 0; b < BANDS; b++)
	{
		double		below = b > 0 && !isnan(band[b - 1]) ? band[b] - band[b - 1] : 0;
		double		above = b + 1 < BANDS && !isnan(band[b + 1]) ? band[b + 1] - band[b] : 0;

		least[b] = fmax(fabs(below), fabs(above)) / 4;
	}
	for (int b = 0; b < BANDS; b++)
		spread[b] = fmax(spread[b], least[b]);
	for (int i = 0; i < d->n; i++)
	{
		int			b = isnan(d->soc[i]) ? 0 : (int) fmin(fmax(d->soc[i] * BANDS, 0), BANDS - 1);

		expected[i] = isnan(d->soc[i]) || isnan(d->current[i]) ? NAN : band[b] + ohm * d->current[i];
		sigma[i] = spread[b];
	}
	return true;
}

static int
by_time(const void *a, const void *b)
{
	const AjkAnomaly *x = a;
	const AjkAnomaly *y = b;

	return x->t < y->t ? -1 : x->t > y->t ? 1 : (int) x->kind - (int) y->kind;
}

AjkError
ajk_battery_anomalies(const AjkTelemetry *d, double capacity_ah, double ohm,
					  double limit, AjkAnomaly **out, int *nout)
{
	List		l = {NULL, 0, 0, false};
	size_t		n = d->n > 0 ? d->n : 1;
	double	   *expected = malloc(n * sizeof(double));
	double	   *scratch = malloc(n * sizeof(double));
	double	   *spread = malloc(n * sizeof(double));
	double	   *day_t = malloc(n * sizeof(double));
	double	   *day_v = malloc(n * sizeof(double));

	*out = NULL;
	*nout = 0;
	if (!expected || !scratch || !spread || !day_t || !day_v)
	{
		l.nomem = true;
		goto done;
	}
	soc_jumps(&l, d, capacity_ah, scratch);
	if (expected_voltage(d, ohm, expected, spread, scratch))
		outliers(&l, AJK_VOLTAGE_OUTLIER, d, d->voltage, expected, spread, 0.02, limit, scratch);
	if (d->temp)
	{
		daily_medians(d, d->temp, expected, day_t, day_v, scratch);
		outliers(&l, AJK_TEMPERATURE_OUTLIER, d, d->temp, expected, NULL, 0.5, limit, scratch);
	}
	if (d->cell_min && d->cell_max)
	{
		int			days;
		double		median;
		double		mad;

		for (int i = 0; i < d->n; i++)
			spread[i] = d->cell_max[i] - d->cell_min[i];
		days = daily_medians(d, spread, expected, day_t, day_v, scratch);
		outliers(&l, AJK_SPREAD_OUTLIER, d, spread, expected, NULL, 0.003, limit, scratch);
		if (days >= 28 && ajk_median_mad(day_v, days, &median, &mad) == AJK_OK)
		{
			/* the scatter from day to day, not the drift itself */
			double		sigma;
			bool		up;
			int			since;
			int			at;

			for (int i = 1; i < days; i++)
				scratch[i - 1] = fabs(day_v[i] - day_v[i - 1]);
			sigma = fmax(ajk_median(scratch, days - 1) * MAD_TO_SIGMA / sqrt(2), 0.001);
			at = ajk_page_hinkley(day_v, days, sigma, 10 * sigma, &up, &since);
			if (at >= 0)
			{
				int			k = days - since;

				memcpy(scratch, day_v + since, k * sizeof(double));
				median = ajk_median(scratch, k);
				memcpy(scratch, day_v, (since > 0 ? since : 1) * sizeof(double));
				add(&l, AJK_SPREAD_DRIFT, day_t[since], day_t[days - 1], k, median,
					ajk_median(scratch, since > 0 ? since : 1), 0);
			}
		}
	}
	if (l.n > 1)
		qsort(l.a, l.n, sizeof(AjkAnomaly), by_time);
done:
	free(expected);
	free(scratch);
	free(spread);
	free(day_t);
	free(day_v);
	if (l.nomem)
	{
		free(l.a);
		return AJK_NOMEM;
	}
	*out = l.a;
	*nout = l.n;
	return AJK_OK;
}
