/*-------------------------------------------------------------------------
 *
 * windrose.h
 *		A wind climate as probabilities by direction and speed.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_WINDROSE_H
#define AJK_WINDROSE_H

#include "kernel.h"

/*
 * prob[i * nws + j] is the probability of direction wd[i] (degrees from
 * which the wind blows, clockwise from true north) together with speed ws[j]
 * (m/s).  Their sum, mass, is at most 1: what is missing are hours outside
 * of the range of speeds.
 */
typedef struct AjkWind
{
	int			nwd;
	int			nws;
	double	   *wd;
	double	   *ws;
	double	   *prob;
	double		mass;
} AjkWind;

/* Sector-wise Weibull distributions, sector i centred at first + i * 360 / n. */
typedef struct AjkWeibull
{
	int			nsectors;
	const double *freq;			/* any positive scale; normalised here */
	const double *a_ms;			/* scale parameter */
	const double *k;			/* shape parameter */
	double		first_deg;
} AjkWeibull;

extern double ajk_weibull_cdf(double a_ms, double k, double ws);
extern double ajk_weibull_mean(double a_ms, double k);
extern double ajk_rotor_equivalent(double hub_height_m, double diameter_m,
								   double shear_alpha);
extern double ajk_rotor_points(double hub_height_m, double diameter_m,
							   double shear_alpha);

extern AjkError ajk_wind_alloc(AjkWind *wind, int nwd, int nws);
extern void ajk_wind_free(AjkWind *wind);

extern bool ajk_wind_step_fits(double wd_step_deg, int nsectors);
extern AjkError ajk_wind_from_weibull(AjkWind *wind, const AjkWeibull *w,
									  double wd_step_deg, double ws_min,
									  double ws_max, double ws_step);
extern AjkError ajk_wind_from_rose(AjkWind *wind, int nwd, const double *wd,
								   int nws, const double *ws,
								   const double *prob);
extern double ajk_wind_mean_speed(const AjkWind *wind);
extern AjkError ajk_wind_coarsen(const AjkWind *in, int max_wd, AjkWind *out);

#endif							/* AJK_WINDROSE_H */
