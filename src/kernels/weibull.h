/*-------------------------------------------------------------------------
 *
 * weibull.h
 *		Weibull distributions fitted to measured wind speeds.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_WEIBULL_H
#define AJK_WEIBULL_H

#include "kernel.h"

typedef enum AjkWeibullMethod
{
	AJK_WEIBULL_MLE,			/* maximum likelihood */
	AJK_WEIBULL_WASP			/* third moment and P(u > mean) as observed */
} AjkWeibullMethod;

typedef struct AjkWeibullFit
{
	double		a_ms;			/* scale */
	double		k;				/* shape */
	double		ks;				/* largest distance of the two CDFs */
	double		power_ratio;	/* fitted mean cube / observed mean cube */
} AjkWeibullFit;

/* What a sample is fitted by, and what it is described with */
typedef struct AjkSpeedStats
{
	size_t		n;
	double		mean;
	double		mean_cube;
	double		max;
	double		sd;				/* of the sample, n - 1 */
} AjkSpeedStats;

/* Smallest sample that is fitted; below it a fit says nothing. */
#define AJK_WEIBULL_MIN 10

extern void ajk_speed_stats(const double *u, size_t n, AjkSpeedStats *stats);

/*
 * Fit n speeds >= 0, m/s.  AJK_INFEASIBLE if the sample determines no
 * distribution: fewer than AJK_WEIBULL_MIN positive speeds, or all alike.
 * sorted is room for n numbers.
 */
extern AjkError ajk_weibull_fit(const double *u, size_t n,
								AjkWeibullMethod method, double *sorted,
								AjkWeibullFit *fit);

#endif							/* AJK_WEIBULL_H */
