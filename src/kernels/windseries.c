/*-------------------------------------------------------------------------
 *
 * windseries.c
 *		A measured series of wind: quality control and statistics.
 *
 * A record is good or has one flaw: no speed, a speed that cannot be, no
 * direction, a direction that cannot be, or a sensor that stood still (the
 * same speed, or above calm the same direction, for too many records in a
 * row: ice, a broken cup; not looked for where a column is so coarse that
 * equal values say nothing).  Flawed records are counted and left out; nothing
 * is put in their place.  A gap is a step of time over one and a half
 * intervals; the interval is that given, or the median step.
 *
 * Sector i of n is centred at i * 360 / n degrees and takes directions from
 * half a width below (included) to half a width above (not).  Speeds b *
 * bin <= u < (b + 1) * bin are bin b; the last takes what is above.
 *
 * A sector with too few records for a fit gets the whole sample's shape k
 * and the A that has the sector's mean; it says so (fitted is false).
 *
 * The shear exponent is that of the mean speeds at two heights over the
 * records that have both and are not slow, ln(u2 / u1) / ln(h2 / h1): the
 * mean of the records' own exponents would be ruled by calms.
 *
 * Units: m/s, degrees, seconds.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "windseries.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "windrose.h"

#define STEP_OF_GAP 1.5
#define TI_MIN_SPEED 4.0

/*
 * A column with fewer different values than this is too coarse (whole knots,
 * tens of degrees) for a run of equal ones to mean anything.
 */
#define RESOLUTION 100

static int
compare_double(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

/* The longest gaps, in descending order */
static void
note_gap(AjkWindQuality *q, size_t at, double seconds)
{
	int			i = q->ngaps < AJK_WIND_GAPS ? (int) q->ngaps : AJK_WIND_GAPS;

	q->ngaps++;
	q->gap_s += seconds;
	if (i == AJK_WIND_GAPS)
	{
		if (seconds <= q->longest[AJK_WIND_GAPS - 1])
			return;
		i--;
	}
	for (; i > 0 && q->longest[i - 1] < seconds; i--)
	{
		q->longest[i] = q->longest[i - 1];
		q->at[i] = q->at[i - 1];
	}
	q->longest[i] = seconds;
	q->at[i] = at;
}

static AjkError
check_time(const AjkWindSeries *s, const AjkWindRules *rules,
		   AjkWindQuality *q, size_t *at)
{
	const double *t = s->column[AJK_WIND_TIME];
	double	   *step;

	q->interval_s = rules->interval_s > 0.0 ? rules->interval_s : NAN;
	q->first_s = q->last_s = NAN;
	q->expected = s->n;
	if (t == NULL)
		return AJK_OK;
	for (size_t i = 0; i < s->n; i++)
	{
		if (!isfinite(t[i]) || (i > 0 && t[i] <= t[i - 1]))
		{
			*at = i;
			return AJK_SYNTAX;
		}
	}
	q->first_s = t[0];
	q->last_s = t[s->n - 1];
	if (s->n < 2)
		return AJK_OK;
	if (isnan(q->interval_s))
	{
		step = malloc(sizeof(double) * (s->n - 1));
		if (step == NULL)
			return AJK_NOMEM;
		for (size_t i = 0; i + 1 < s->n; i++)
			step[i] = t[i + 1] - t[i];
		qsort(step, s->n - 1, sizeof(double), compare_double);
		q->interval_s = step[(s->n - 1) / 2];
		free(step);
	}
	for (size_t i = 0; i + 1 < s->n; i++)
		if (t[i + 1] - t[i] > STEP_OF_GAP * q->interval_s)
			note_gap(q, i, t[i + 1] - t[i] - q->interval_s);
	q->expected = (size_t) floor((q->last_s - q->first_s) / q->interval_s + 1.5);
	if (q->expected < s->n)
		q->expected = s->n;
	return AJK_OK;
}

/* Different values in a column, counted up to max */
static size_t
distinct(const double *value, size_t n, size_t max)
{
	double		seen[RESOLUTION];
	size_t		m = 0;

	for (size_t i = 0; i < n && m < max; i++)
	{
		size_t		j = 0;

		while (j < m && seen[j] != value[i])
			j++;
		if (j == m && !isnan(value[i]))
			seen[m++] = value[i];
	}
	return m;
}

/* Mark runs of at least so many equal values, where they count as frozen. */
static void
mark_frozen(const AjkWindSeries *s, const double *value, double calm,
			size_t least, double interval_s, uint8_t *flaw)
{
	const double *t = s->column[AJK_WIND_TIME];
	size_t		from = 0;

	if (distinct(value, s->n, RESOLUTION) < RESOLUTION)
		return;
	for (size_t i = 1; i <= s->n; i++)
	{
		if (i < s->n && value[i] == value[from] &&
			(t == NULL || t[i] - t[i - 1] <= STEP_OF_GAP * interval_s))
			continue;
		if (i - from >= least && !isnan(value[from]))
			for (size_t j = from; j < i; j++)
				if (flaw[j] == AJK_WIND_GOOD &&
					s->column[AJK_WIND_SPEED][j] >= calm)
					flaw[j] = AJK_WIND_FROZEN;
		from = i;
	}
}

AjkError
ajk_wind_quality(const AjkWindSeries *s, const AjkWindRules *rules,
				 uint8_t *flaw, AjkWindQuality *q, size_t *at)
{
	const double *u = s->column[AJK_WIND_SPEED];
	const double *d = s->column[AJK_WIND_DIRECTION];
	AjkError	err;

	memset(q, 0, sizeof(*q));
	err = check_time(s, rules, q, at);
	if (err != AJK_OK)
		return err;
	for (size_t i = 0; i < s->n; i++)
	{
		if (isnan(u[i]))
			flaw[i] = AJK_WIND_NO_SPEED;
		else if (u[i] < 0.0 || u[i] > rules->max_speed)
			flaw[i] = AJK_WIND_BAD_SPEED;
		else if (isnan(d[i]))
			flaw[i] = AJK_WIND_NO_DIRECTION;
		else if (d[i] < 0.0 || d[i] > 360.0)
			flaw[i] = AJK_WIND_BAD_DIRECTION;
		else
			flaw[i] = AJK_WIND_GOOD;
	}
	if (rules->frozen > 1)
	{
		mark_frozen(s, u, rules->calm, (size_t) rules->frozen,
					q->interval_s, flaw);
		mark_frozen(s, d, rules->calm, (size_t) rules->frozen, q->interval_s,
					flaw);
	}
	for (size_t i = 0; i < s->n; i++)
		q->count[flaw[i]]++;
	return AJK_OK;
}

/* Month 0..11 of a time, UTC */
static int
month_of(double seconds)
{
	long long	z = (long long) floor(seconds / 86400.0) + 719468;
	long long	era = (z >= 0 ? z : z - 146096) / 146097;
	int			doe = (int) (z - era * 146097);
	int			yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int			doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int			mp = (5 * doy + 2) / 153;

	return mp < 10 ? mp + 2 : mp - 10;
}

double
ajk_shear_exponent(double lower_ms, double lower_m, double upper_ms,
				   double upper_m)
{
	if (!(lower_ms > 0.0) || !(upper_ms > 0.0) || !(lower_m > 0.0) ||
		!(upper_m > 0.0) || lower_m == upper_m)
		return NAN;
	return log(upper_ms / lower_ms) / log(upper_m / lower_m);
}

/* What needs no sorting: rose, months, hours, turbulence, shear */
static void
gather(const AjkWindSeries *s, const AjkWindRules *rules, const uint8_t *flaw,
	   int nsectors, double bin_ms, double shear_min, AjkWindStats *stats,
	   int *sector_of)
{
	double		ti_sum = 0.0;
	double		ti15_sum = 0.0;
	size_t		ti_n = 0;
	size_t		ti15_n = 0;
	size_t		hour_n[24] = {0};

	for (size_t i = 0; i < s->n; i++)
	{
		double		u = s->column[AJK_WIND_SPEED][i];
		int			sec;
		int			bin;

		sector_of[i] = -1;
		if (flaw[i] != AJK_WIND_GOOD)
			continue;
		sec = (int) floor(s->column[AJK_WIND_DIRECTION][i] * nsectors / 360.0 +
						  0.5) % nsectors;
		bin = (int) floor(u / bin_ms);
		if (bin >= stats->nbins)
			bin = stats->nbins - 1;
		sector_of[i] = sec;
		stats->prob[sec][bin] += 1.0;
		stats->calms += u < rules->calm;
		stats->zeros += u == 0.0;
		if (s->column[AJK_WIND_TIME])
		{
			double		t = s->column[AJK_WIND_TIME][i];
			int			month = month_of(t);
			int			hour = (int) (floor(t / 3600.0) -
									  24.0 * floor(floor(t / 3600.0) / 24.0));

			stats->month_mean[month] += u;
			stats->month_n[month]++;
			stats->hour_mean[hour] += u;
			hour_n[hour]++;
		}
		/* a deviation beyond the mean is none of a wind's */
		if (s->column[AJK_WIND_STD] && u >= TI_MIN_SPEED &&
			s->column[AJK_WIND_STD][i] >= 0.0 && s->column[AJK_WIND_STD][i] <= u)
		{
			double		ti = s->column[AJK_WIND_STD][i] / u;

			ti_sum += ti;
			ti_n++;
			if (u >= 14.5 && u < 15.5)
			{
				ti15_sum += ti;
				ti15_n++;
			}
		}
		if (s->column[AJK_WIND_UPPER] && u >= shear_min &&
			s->column[AJK_WIND_UPPER][i] >= shear_min &&
			s->column[AJK_WIND_UPPER][i] <= rules->max_speed)
		{
			stats->shear_lower += u;
			stats->shear_upper += s->column[AJK_WIND_UPPER][i];
			stats->shear_n++;
		}
	}
	stats->ti = ti_n > 0 ? ti_sum / (double) ti_n : NAN;
	stats->ti15 = ti15_n >= 10 ? ti15_sum / (double) ti15_n : NAN;
	if (stats->shear_n > 0)
	{
		stats->shear_lower /= (double) stats->shear_n;
		stats->shear_upper /= (double) stats->shear_n;
	}
	for (int m = 0; m < 12; m++)
		stats->month_mean[m] = stats->month_n[m] > 0 ?
			stats->month_mean[m] / (double) stats->month_n[m] : NAN;
	for (int h = 0; h < 24; h++)
		stats->hour_mean[h] = hour_n[h] > 0 ?
			stats->hour_mean[h] / (double) hour_n[h] : NAN;
}

AjkError
ajk_wind_stats(const AjkWindSeries *s, const AjkWindRules *rules,
			   const uint8_t *flaw, int nsectors, double bin_ms,
			   double shear_min, AjkWeibullMethod method, AjkWindStats *stats,
			   ajk_poll poll, void *arg)
{
	double	   *u;
	double	   *sorted;
	int		   *sector_of;
	size_t		n = 0;
	double		max = 0.0;
	AjkError	err = AJK_NOMEM;

	memset(stats, 0, sizeof(*stats));
	if (nsectors < 1 || nsectors > AJK_WIND_MAX_SECTORS || !(bin_ms > 0.0))
		return AJK_INVALID;
	u = malloc(sizeof(double) * (s->n + 1));
	sorted = malloc(sizeof(double) * (s->n + 1));
	sector_of = malloc(sizeof(int) * (s->n + 1));
	if (!u || !sorted || !sector_of)
		goto done;

	for (size_t i = 0; i < s->n; i++)
	{
		if (flaw[i] == AJK_WIND_GOOD)
		{
			u[n++] = s->column[AJK_WIND_SPEED][i];
			max = fmax(max, u[n - 1]);
		}
	}
	stats->nbins = (int) floor(max / bin_ms) + 1;
	if (stats->nbins > AJK_WIND_MAX_BINS)
		stats->nbins = AJK_WIND_MAX_BINS;
	gather(s, rules, flaw, nsectors, bin_ms, shear_min, stats, sector_of);
	ajk_speed_stats(u, n, &stats->all);
	err = ajk_weibull_fit(u, n, AJK_WEIBULL_MLE, sorted, &stats->mle);
	if (err == AJK_OK)
		err = ajk_weibull_fit(u, n, AJK_WEIBULL_WASP, sorted, &stats->wasp);
	if (err != AJK_OK)
		goto done;

	for (int sec = 0; sec < nsectors; sec++)
	{
		AjkWindSector *out = &stats->sector[sec];
		size_t		m = 0;

		if (poll && poll(arg, (double) sec / nsectors))
		{
			err = AJK_STOPPED;
			goto done;
		}
		for (size_t i = 0; i < s->n; i++)
			if (sector_of[i] == sec)
				u[m++] = s->column[AJK_WIND_SPEED][i];
		ajk_speed_stats(u, m, &out->stats);
		out->frequency = (double) m / (double) n;
		for (int b = 0; b < stats->nbins; b++)
			stats->prob[sec][b] /= (double) n;
		out->fitted = ajk_weibull_fit(u, m, method, sorted,
									  &out->fit) == AJK_OK;
		if (!out->fitted)
		{
			const AjkWeibullFit *whole = method == AJK_WEIBULL_MLE ?
			&stats->mle : &stats->wasp;

			out->fit = *whole;
			out->fit.ks = out->fit.power_ratio = NAN;
			if (out->stats.mean > 0.0)
				out->fit.a_ms = out->stats.mean / ajk_weibull_mean(1.0, whole->k);
		}
	}
done:
	free(u);
	free(sorted);
	free(sector_of);
	return err;
}
