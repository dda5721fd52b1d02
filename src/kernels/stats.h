/*-------------------------------------------------------------------------
 *
 * stats.h
 *		Robust statistics and trends of short series.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_STATS_H
#define AJK_STATS_H

#include "kernel.h"

/* The q quantile, linear between order statistics; sorts x. NaN if n is 0. */
extern double ajk_quantile(double *x, int n, double q);

/* Median and median absolute deviation from it; x is reordered. */
extern double ajk_median(double *x, int n);
extern AjkError ajk_median_mad(const double *x, int n, double *median,
							   double *mad);

typedef struct AjkOls
{
	int			n;
	double		slope;
	double		intercept;
	double		r2;
	double		slope_se;
	double		slope_low;		/* 95 % confidence */
	double		slope_high;
} AjkOls;

/* Ordinary least squares of y on x; AJK_RANGE with less than 3 points. */
extern AjkError ajk_ols(const double *x, const double *y, int n, AjkOls *out);

typedef struct AjkTrend
{
	int			n;
	double		slope;			/* Theil-Sen */
	double		intercept;		/* median of y - slope x */
	double		slope_low;		/* 95 % confidence (Sen 1968) */
	double		slope_high;
	double		s;				/* Mann-Kendall */
	double		z;
	double		p;				/* two-sided */
} AjkTrend;

/*
 * Theil-Sen slope and Mann-Kendall test of points sorted by x, with ties in y
 * taken into account.  AJK_RANGE with less than 4 points.
 */
extern AjkError ajk_trend(const double *x, const double *y, int n,
						  AjkTrend *out);

/*
 * Page-Hinkley: the first index at which the mean of x has moved, up or down,
 * from what it was before; -1 if it has not.  delta is the change tolerated,
 * lambda the sum that raises the alarm, both in units of x; *up tells where
 * to, *since is the index from which it has moved.
 */
extern int	ajk_page_hinkley(const double *x, int n, double delta,
							 double lambda, bool *up, int *since);

/* Distribution function of the standard normal distribution. */
extern double ajk_normal_cdf(double z);

/* Quantile of Student's t at 97.5 %. */
extern double ajk_t975(int df);

#endif							/* AJK_STATS_H */
