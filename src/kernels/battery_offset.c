/*-------------------------------------------------------------------------
 *
 * battery_offset.c
 *		What a battery loses with charging, and what with time.
 *
 * Coulombic efficiency is charge out over charge in, and an offset of the
 * current sensor of half a per cent of the capacity in an hour looks like a
 * tenth of it.  The two differ in that one goes with the charge and the other
 * with time.  The change of the state of charge over blocks of six hours is
 * regressed on charge in, charge out and hours: of the four only the state of
 * charge is noisy, so least squares are unbiased.  Whether a sample is a
 * moment's value or the mean of the time before or after it shifts charge from
 * one block to the next, in proportion to the currents at their ends; that is
 * a fourth regressor.  Blocks in which the state of charge jumps are left out
 * by a second round.
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

#define BLOCK_S (6 * 3600.0)

/* so much of a block must be known, and so many blocks of a series */
#define KNOWN_SHARE 0.75
#define MIN_BLOCKS 12

/* robust standard deviations beyond which a block is left out */
#define OUTLIER 5.0

/* what the change of the state of charge is regressed on */
enum
{
	X_IN, X_OUT, X_ENDS, X_HOURS, NX
};

typedef struct Block
{
	double		x[NX];
	double		y;				/* change of the state of charge */
} Block;

typedef struct Fit
{
	double		b[NX];
	double		cov[NX][NX];
} Fit;

/* Invert a symmetric positive matrix of m columns in place. */
static bool
invert(double a[NX][NX], int m)
{
	double		inv[NX][NX] = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}};

	for (int i = 0; i < m; i++)
	{
		double		p = a[i][i];

		if (!(p > 1e-12))
			return false;
		for (int k = 0; k < m; k++)
		{
			a[i][k] /= p;
			inv[i][k] /= p;
		}
		for (int r = 0; r < m; r++)
		{
			double		f = a[r][i];

			for (int k = 0; r != i && k < m; k++)
			{
				a[r][k] -= f * a[i][k];
				inv[r][k] -= f * inv[i][k];
			}
		}
	}
	memcpy(a, inv, sizeof(inv));
	return true;
}

static double
residual(const Block *b, const Fit *f, int m)
{
	double		r = b->y;

	for (int i = 0; i < m; i++)
		r -= f->b[i] * b->x[i];
	return r;
}

/* Least squares on the first m regressors, which are brought to one scale. */
static bool
fit(const Block *b, int n, int m, Fit *f)
{
	double		scale[NX] = {0, 0, 0, 0};
	double		xx[NX][NX];
	double		xy[NX] = {0, 0, 0, 0};
	double		sse = 0;

	memset(xx, 0, sizeof(xx));
	for (int k = 0; k < n; k++)
		for (int i = 0; i < m; i++)
			scale[i] += b[k].x[i] * b[k].x[i];
	for (int i = 0; i < m; i++)
	{
		if (!(scale[i] > 0))
			return false;
		scale[i] = sqrt(scale[i]);
	}
	for (int k = 0; k < n; k++)
		for (int i = 0; i < m; i++)
		{
			for (int j = 0; j < m; j++)
				xx[i][j] += b[k].x[i] * b[k].x[j] / scale[i] / scale[j];
			xy[i] += b[k].x[i] * b[k].y / scale[i];
		}
	if (!invert(xx, m))
		return false;
	memset(f, 0, sizeof(*f));
	for (int i = 0; i < m; i++)
	{
		/* what the others tell of one so well is not told by it */
		if (!(xx[i][i] > 0 && xx[i][i] < 1e4))
			return false;
		for (int j = 0; j < m; j++)
			f->b[i] += xx[i][j] * xy[j] / scale[i];
	}
	for (int k = 0; k < n; k++)
		sse += pow(residual(&b[k], f, m), 2);
	for (int i = 0; i < m; i++)
		for (int j = 0; j < m; j++)
			f->cov[i][j] = xx[i][j] * sse / (n - m) / scale[i] / scale[j];
	return true;
}

/* Leave out what does not fit; how many blocks stay. */
static int
trim(Block *b, int n, const Fit *f, double *scratch)
{
	double		limit;
	int			kept = 0;

	for (int k = 0; k < n; k++)
		scratch[k] = fabs(residual(&b[k], f, NX));
	limit = fmax(OUTLIER * 1.4826 * ajk_median(scratch, n), 1e-6);
	for (int k = 0; k < n; k++)
		if (fabs(residual(&b[k], f, NX)) <= limit)
			b[kept++] = b[k];
	return kept;
}

/* Quotient of two coefficients, and its standard error. */
static void
quotient(const Fit *f, int over, int under, double sign, double *v, double *se)
{
	double		a = f->b[over];
	double		b = f->b[under];

	*v = sign * a / b;
	*se = sqrt(fmax(f->cov[over][over] - 2 * a / b * f->cov[over][under]
					+ a * a / (b * b) * f->cov[under][under], 0)) / fabs(b);
}

AjkError
ajk_battery_balance(const AjkTelemetry *d, AjkBalance *out)
{
	Block	   *b;
	double	   *scratch;
	int			n = 0;
	Fit			f;
	size_t		most = 1;
	double		step = ajk_median_step(d->t, d->n) / 3600;

	*out = (AjkBalance)
	{
		0, NAN, NAN, NAN, NAN, NAN, NAN
	};
	if (d->current == NULL || d->soc == NULL || d->n < 2)
		return AJK_OK;
	most += (size_t) fmin((d->t[d->n - 1] - d->t[0]) / BLOCK_S + 1, d->n);
	b = malloc(most * sizeof(Block));
	scratch = malloc(most * sizeof(double));
	if (b == NULL || scratch == NULL)
	{
		free(b);
		free(scratch);
		return AJK_NOMEM;
	}
	for (int i = 0; i < d->n;)
	{
		double		block = floor((d->t[i] - d->t[0]) / BLOCK_S);
		int			from = i;
		AjkEnergy	e;
		double		ends;

		while (i < d->n && floor((d->t[i] - d->t[0]) / BLOCK_S) == block)
			i++;
		ajk_battery_energy(d, from, i, &e);
		ends = d->current[i - 1] - d->current[from > 0 ? from - 1 : 0];
		if (isnan(ends) || e.soc_current_h * 3600 < KNOWN_SHARE * BLOCK_S)
			continue;
		b[n++] = (Block)
		{
			{
				e.charge_soc_ah, e.discharge_soc_ah, ends * step / 2, e.soc_current_h
			}, e.soc_change_ah
		};
	}
	if (n >= MIN_BLOCKS && fit(b, n, NX, &f))
		n = trim(b, n, &f, scratch);
	out->blocks = n;
	if (n >= MIN_BLOCKS && fit(b, n, X_HOURS, &f) && f.b[X_OUT] < 0)
		quotient(&f, X_IN, X_OUT, -1, &out->eta, &out->eta_se);
	if (n >= MIN_BLOCKS && fit(b, n, NX, &f) && f.b[X_OUT] < 0)
	{
		quotient(&f, X_IN, X_OUT, -1, &out->eta_offset, &out->eta_offset_se);
		quotient(&f, X_HOURS, X_OUT, 1, &out->offset_a, &out->offset_se_a);
	}
	free(b);
	free(scratch);
	return AJK_OK;
}
