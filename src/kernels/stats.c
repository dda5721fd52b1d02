/*-------------------------------------------------------------------------
 *
 * stats.c
 *		Robust statistics and trends of short series.
 *
 * Sources: H. Theil, Proc. Kon. Ned. Akad. v. Wetensch. A 53 (1950) 386;
 * P. K. Sen, J. Am. Stat. Assoc. 63 (1968) 1379: slope and its confidence;
 * H. B. Mann, Econometrica 13 (1945) 245; M. G. Kendall, Rank Correlation
 * Methods (1975): the test, variance with ties; E. S. Page, Biometrika 41
 * (1954) 100 and D. V. Hinkley, Biometrika 58 (1971) 509: change of a mean.
 *
 * Theil-Sen looks at every pair, so series of more than MAX_PAIRED points are
 * thinned to medians of equal stretches first.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PAIRED 1500

static int
ascending(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return x < y ? -1 : x > y;
}

double
ajk_quantile(double *x, int n, double q)
{
	double		at;
	int			i;

	if (n == 0)
		return NAN;
	qsort(x, n, sizeof(double), ascending);
	at = q * (n - 1);
	i = (int) at;
	return i >= n - 1 ? x[n - 1] : x[i] + (at - i) * (x[i + 1] - x[i]);
}

/* The k-th smallest, reordering x (Hoare's selection). */
static double
nth(double *x, int n, int k)
{
	int			lo = 0;
	int			hi = n - 1;

	while (lo < hi)
	{
		double		pivot = x[lo + (hi - lo) / 2];
		int			i = lo;
		int			j = hi;

		while (i <= j)
		{
			while (x[i] < pivot)
				i++;
			while (x[j] > pivot)
				j--;
			if (i <= j)
			{
				double		t = x[i];

				x[i++] = x[j];
				x[j--] = t;
			}
		}
		if (k <= j)
			hi = j;
		else if (k >= i)
			lo = i;
		else
			break;
	}
	return x[k];
}

double
ajk_median(double *x, int n)
{
	double		a;

	if (n == 0)
		return NAN;
	a = nth(x, n, n / 2);
	if (n % 2 == 0)
	{
		double		b = x[0];

		for (int i = 1; i < n / 2; i++)
			b = fmax(b, x[i]);
		a = (a + b) / 2;
	}
	return a;
}

AjkError
ajk_median_mad(const double *x, int n, double *median, double *mad)
{
	double	   *d = malloc((n > 0 ? n : 1) * sizeof(double));

	if (d == NULL)
		return AJK_NOMEM;
	memcpy(d, x, n * sizeof(double));
	*median = ajk_median(d, n);
	for (int i = 0; i < n; i++)
		d[i] = fabs(x[i] - *median);
	*mad = ajk_median(d, n);
	free(d);
	return AJK_OK;
}

double
ajk_normal_cdf(double z)
{
	return 0.5 * erfc(-z / sqrt(2));
}

double
ajk_t975(int df)
{
	static const double exact[] = {12.7062047, 4.3026527, 3.1824463, 2.7764451, 2.5705818};
	const double z = 1.959963984540054;
	double		v = df;

	if (df < 1)
		return INFINITY;
	if (df <= 5)
		return exact[df - 1];
	/* Cornish and Fisher's expansion */
	return z + (z * z * z + z) / (4 * v) +
		(5 * pow(z, 5) + 16 * z * z * z + 3 * z) / (96 * v * v) +
		(3 * pow(z, 7) + 19 * pow(z, 5) + 17 * z * z * z - 15 * z) / (384 * v * v * v);
}

AjkError
ajk_ols(const double *x, const double *y, int n, AjkOls *out)
{
	double		mx = 0;
	double		my = 0;
	double		sxx = 0;
	double		sxy = 0;
	double		syy = 0;
	double		sse;

	memset(out, 0, sizeof(*out));
	out->n = n;
	if (n < 3)
		return AJK_RANGE;
	for (int i = 0; i < n; i++)
	{
		mx += x[i];
		my += y[i];
	}
	mx /= n;
	my /= n;
	for (int i = 0; i < n; i++)
	{
		sxx += (x[i] - mx) * (x[i] - mx);
		sxy += (x[i] - mx) * (y[i] - my);
		syy += (y[i] - my) * (y[i] - my);
	}
	if (!(sxx > 0))
		return AJK_RANGE;
	out->slope = sxy / sxx;
	out->intercept = my - out->slope * mx;
	sse = 0;
	for (int i = 0; i < n; i++)
	{
		double		e = y[i] - out->intercept - out->slope * x[i];

		sse += e * e;
	}
	out->r2 = syy > 0 ? 1 - sse / syy : 1;
	out->slope_se = sqrt(sse / (n - 2) / sxx);
	out->slope_low = out->slope - ajk_t975(n - 2) * out->slope_se;
	out->slope_high = out->slope + ajk_t975(n - 2) * out->slope_se;
	return AJK_OK;
}

/* Medians of MAX_PAIRED stretches of a long series. */
static int
thin(const double *x, const double *y, int n, double *tx, double *ty,
	 double *scratch)
{
	for (int k = 0; k < MAX_PAIRED; k++)
	{
		int			from = (int) ((int64_t) n * k / MAX_PAIRED);
		int			to = (int) ((int64_t) n * (k + 1) / MAX_PAIRED);

		memcpy(scratch, x + from, (to - from) * sizeof(double));
		tx[k] = ajk_median(scratch, to - from);
		memcpy(scratch, y + from, (to - from) * sizeof(double));
		ty[k] = ajk_median(scratch, to - from);
	}
	return MAX_PAIRED;
}

AjkError
ajk_trend(const double *x, const double *y, int n, AjkTrend *out)
{
	double	   *tx = NULL;
	double	   *slopes;
	double	   *sorted;
	double		var;
	double		c;
	int			pairs = 0;

	memset(out, 0, sizeof(*out));
	out->n = n;
	if (n < 4)
		return AJK_RANGE;
	if (n > MAX_PAIRED)
	{
		tx = malloc((2 * MAX_PAIRED + n) * sizeof(double));
		if (tx == NULL)
			return AJK_NOMEM;
		n = thin(x, y, n, tx, tx + MAX_PAIRED, tx + 2 * MAX_PAIRED);
		x = tx;
		y = tx + MAX_PAIRED;
	}
	slopes = malloc((size_t) n * (n - 1) / 2 * sizeof(double));
	sorted = malloc(n * sizeof(double));
	if (!slopes || !sorted)
	{
		free(slopes);
		free(sorted);
		free(tx);
		return AJK_NOMEM;
	}
	for (int i = 0; i < n; i++)
		for (int j = i + 1; j < n; j++)
		{
			out->s += (y[j] > y[i]) - (y[j] < y[i]);
			if (x[j] > x[i])
				slopes[pairs++] = (y[j] - y[i]) / (x[j] - x[i]);
		}
	memcpy(sorted, y, n * sizeof(double));
	qsort(sorted, n, sizeof(double), ascending);
	var = n * (n - 1.0) * (2.0 * n + 5);
	for (int i = 0; i < n;)
	{
		int			j = i;
		double		t;

		while (j < n && sorted[j] == sorted[i])
			j++;
		t = j - i;
		var -= t * (t - 1) * (2 * t + 5);
		i = j;
	}
	var /= 18;
	out->z = var <= 0 || out->s == 0 ? 0 : (out->s - (out->s > 0 ? 1 : -1)) / sqrt(var);
	out->p = 2 * ajk_normal_cdf(-fabs(out->z));
	if (pairs > 0)
	{
		int			lo,
					hi;

		qsort(slopes, pairs, sizeof(double), ascending);
		out->slope = pairs % 2 ? slopes[pairs / 2] : (slopes[pairs / 2 - 1] + slopes[pairs / 2]) / 2;
		c = 1.959963984540054 * sqrt(fmax(var, 0));
		lo = (int) floor((pairs - c) / 2);
		hi = (int) ceil((pairs + c) / 2);
		out->slope_low = slopes[lo < 0 ? 0 : lo];
		out->slope_high = slopes[hi >= pairs ? pairs - 1 : hi];
		for (int i = 0; i < n; i++)
			sorted[i] = y[i] - out->slope * x[i];
		out->intercept = ajk_median(sorted, n);
	}
	free(slopes);
	free(sorted);
	free(tx);
	return pairs > 0 ? AJK_OK : AJK_RANGE;
}

int
ajk_page_hinkley(const double *x, int n, double delta, double lambda,
				 bool *up, int *since)
{
	double		mean = 0;
	double		rise = 0;
	double		fall = 0;
	double		rise_min = 0;
	double		fall_min = 0;
	int			rise_at = 0;
	int			fall_at = 0;

	for (int i = 0; i < n; i++)
	{
		mean += (x[i] - mean) / (i + 1);
		rise += x[i] - mean - delta;
		fall += mean - x[i] - delta;
		if (rise < rise_min)
			rise_min = rise, rise_at = i;
		if (fall < fall_min)
			fall_min = fall, fall_at = i;
		if (rise - rise_min > lambda || fall - fall_min > lambda)
		{
			*up = rise - rise_min > lambda;
			*since = *up ? rise_at : fall_at;
			return i;
		}
	}
	return -1;
}
