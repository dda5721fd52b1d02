/*-------------------------------------------------------------------------
 *
 * weibull.c
 *		Weibull distributions fitted to measured wind speeds.
 *
 * F(u) = 1 - exp(-(u / A)^k).  Two methods, which differ where the sample
 * isn't Weibull (which is common), so a result always says which was used:
 *
 * mle	Maximum likelihood: the k with
 *			sum(u^k ln u) / sum(u^k) - 1/k - mean(ln u) = 0,
 *		by Newton's method within a bracket, then A^k = mean(u^k).  Every hour
 *		counts the same.  Speeds of zero have no likelihood and are left out
 *		of this fit.  A. C. Cohen, Technometrics 7 (1965) 579.
 * wasp	The mean cube, so the energy, and the share of hours above the mean
 *		speed are as observed: with A(k) = (mean cube / Gamma(1 + 3/k))^(1/3),
 *		the k with exp(-(mean / A)^k) = P(u > mean), by bisection.  The method
 *		of the European Wind Atlas (Troen and Petersen, Risoe 1989).
 *
 * The distance of Kolmogorov and Smirnov and the ratio of the mean cubes
 * tell how well a fit describes the sample.
 *
 * Units: m/s.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "weibull.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "windrose.h"

/* Shapes that are looked for; measured winds have 1.2 to 4. */
#define K_MIN 0.1
#define K_MAX 50.0

void
ajk_speed_stats(const double *u, size_t n, AjkSpeedStats *stats)
{
	double		sum = 0.0;
	double		cubes = 0.0;
	double		squares = 0.0;

	memset(stats, 0, sizeof(*stats));
	stats->n = n;
	if (n == 0)
		return;
	for (size_t i = 0; i < n; i++)
	{
		sum += u[i];
		cubes += u[i] * u[i] * u[i];
		if (u[i] > stats->max)
			stats->max = u[i];
	}
	stats->mean = sum / (double) n;
	stats->mean_cube = cubes / (double) n;
	for (size_t i = 0; i < n; i++)
		squares += (u[i] - stats->mean) * (u[i] - stats->mean);
	if (n > 1)
		stats->sd = sqrt(squares / (double) (n - 1));
}

/*
 * The likelihood equation and its derivative at k, for speeds divided by
 * their maximum: the equation doesn't change by that, and no power overflows.
 */
static double
likelihood(const double *u, size_t n, double max, double mean_log, double k,
		   double *slope)
{
	double		s0 = 0.0;
	double		s1 = 0.0;
	double		s2 = 0.0;
	double		r;

	for (size_t i = 0; i < n; i++)
	{
		if (u[i] > 0.0)
		{
			double		l = log(u[i] / max);
			double		p = exp(k * l);

			s0 += p;
			s1 += p * l;
			s2 += p * l * l;
		}
	}
	r = s1 / s0;
	*slope = s2 / s0 - r * r + 1.0 / (k * k);
	return r - 1.0 / k - mean_log;
}

static AjkError
fit_mle(const double *u, size_t n, double max, AjkWeibullFit *fit)
{
	double		mean_log = 0.0;
	double		lo = K_MIN;
	double		hi = K_MAX;
	double		k = 2.0;
	double		sum = 0.0;
	size_t		m = 0;

	for (size_t i = 0; i < n; i++)
	{
		if (u[i] > 0.0)
		{
			mean_log += log(u[i] / max);
			m++;
		}
	}
	if (m < AJK_WEIBULL_MIN)
		return AJK_INFEASIBLE;
	mean_log /= (double) m;

	/* the left side ascends with k: Newton, or halve where that leaves */
	for (int i = 0; i < 100; i++)
	{
		double		slope;
		double		f = likelihood(u, n, max, mean_log, k, &slope);
		double		next;

		if (f > 0.0)
			hi = k;
		else
			lo = k;
		next = k - f / slope;
		if (!(next > lo && next < hi))
			next = 0.5 * (lo + hi);
		if (fabs(next - k) <= 1e-13 * k)
			break;
		k = next;
	}
	if (k < 1.001 * K_MIN || k > 0.999 * K_MAX)
		return AJK_INFEASIBLE;
	for (size_t i = 0; i < n; i++)
		if (u[i] > 0.0)
			sum += pow(u[i] / max, k);
	fit->k = k;
	fit->a_ms = max * pow(sum / (double) m, 1.0 / k);
	return AJK_OK;
}

static AjkError
fit_wasp(const double *u, size_t n, const AjkSpeedStats *s, AjkWeibullFit *fit)
{
	size_t		above = 0;
	double		target;
	double		lo = K_MIN;
	double		hi = K_MAX;
	double		k;

	for (size_t i = 0; i < n; i++)
		above += u[i] > s->mean;
	if (above == 0 || above == n)
		return AJK_INFEASIBLE;
	target = -log((double) above / (double) n);

	/* (mean / A(k))^k falls as k grows over what occurs: bisection */
	k = 0.0;
	for (int i = 0; i < 200; i++)
	{
		double		a;

		k = 0.5 * (lo + hi);
		a = exp((log(s->mean_cube) - lgamma(1.0 + 3.0 / k)) / 3.0);
		if (pow(s->mean / a, k) > target)
			lo = k;
		else
			hi = k;
		if (hi - lo <= 1e-14 * k)
			break;
	}
	if (k < 1.001 * K_MIN || k > 0.999 * K_MAX)
		return AJK_INFEASIBLE;
	fit->k = k;
	fit->a_ms = exp((log(s->mean_cube) - lgamma(1.0 + 3.0 / k)) / 3.0);
	return AJK_OK;
}

static int
compare_double(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

AjkError
ajk_weibull_fit(const double *u, size_t n, AjkWeibullMethod method,
				double *sorted, AjkWeibullFit *fit)
{
	AjkSpeedStats s;
	AjkError	err;

	memset(fit, 0, sizeof(*fit));
	for (size_t i = 0; i < n; i++)
		if (!(u[i] >= 0.0) || !isfinite(u[i]))
			return AJK_RANGE;
	if (n < AJK_WEIBULL_MIN)
		return AJK_INFEASIBLE;
	ajk_speed_stats(u, n, &s);
	if (!(s.sd > 1e-9 * s.max))
		return AJK_INFEASIBLE;
	if (method == AJK_WEIBULL_MLE)
		err = fit_mle(u, n, s.max, fit);
	else
		err = fit_wasp(u, n, &s, fit);
	if (err != AJK_OK)
		return err;

	memcpy(sorted, u, sizeof(double) * n);
	qsort(sorted, n, sizeof(double), compare_double);
	for (size_t i = 0; i < n; i++)
	{
		double		f = ajk_weibull_cdf(fit->a_ms, fit->k, sorted[i]);

		fit->ks = fmax(fit->ks, fmax(f - (double) i / (double) n,
									 (double) (i + 1) / (double) n - f));
	}
	fit->power_ratio = fit->a_ms * fit->a_ms * fit->a_ms *
		tgamma(1.0 + 3.0 / fit->k) / s.mean_cube;
	return AJK_OK;
}
