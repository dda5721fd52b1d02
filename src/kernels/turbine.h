/*-------------------------------------------------------------------------
 *
 * turbine.h
 *		Power and thrust of a wind turbine as functions of the wind speed.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_TURBINE_H
#define AJK_TURBINE_H

#include "kernel.h"

typedef enum AjkCurve
{
	AJK_CURVE_TABLE,			/* ws, power_kw and ct, interpolated linearly */
	AJK_CURVE_IEA37				/* cubic power, constant Ct */
} AjkCurve;

typedef struct AjkTurbine
{
	double		diameter_m;
	double		hub_height_m;
	double		rated_kw;
	AjkCurve	curve;

	/* AJK_CURVE_TABLE: npoints >= 2 values, ws strictly increasing */
	int			npoints;
	const double *ws;			/* m/s */
	const double *power_kw;
	const double *ct;

	/* no power outside; of a table 0 means its own first and last speed */
	double		cut_in_ms;
	double		cut_out_ms;

	/* AJK_CURVE_IEA37 */
	double		rated_ms;
	double		ct_const;
} AjkTurbine;

/*
 * Above this a thrust coefficient is cut: the one-dimensional momentum
 * theory under every wake model here ends at 1.
 */
#define AJK_CT_MAX 0.999

extern double ajk_turbine_power(const AjkTurbine *t, double ws);
extern double ajk_turbine_ct(const AjkTurbine *t, double ws);
extern void ajk_turbine_both(const AjkTurbine *t, double ws, double *power,
							 double *ct);

/*
 * AJK_RANGE with *point at the first bad row of the table (-1 if a scalar
 * is bad) and *what naming the bad quantity.
 */
extern AjkError ajk_turbine_check(const AjkTurbine *t, int *point,
								  const char **what);

#endif							/* AJK_TURBINE_H */
