/*-------------------------------------------------------------------------
 *
 * surrogate.h
 *		A fast estimate of a wind farm's energy that follows single moves.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_SURROGATE_H
#define AJK_SURROGATE_H

#include "kernel.h"
#include "wake.h"

typedef struct AjkSurrogate
{
	int			cap;			/* turbines there is room for */
	int			n;				/* turbines placed */
	int			nwd;
	AjkWake		wake;
	double		diameter_m;
	double		ct;				/* the one thrust coefficient */
	double		gross_mwh;		/* of one turbine without wakes */

	double	   *east;			/* nwd: unit vector downwind */
	double	   *north;
	double	   *table;			/* per direction, energy by loss of speed */

	double	   *x;				/* cap */
	double	   *y;
	double	   *sum;			/* nwd * cap: squared losses at a turbine */
	double	   *energy;			/* nwd * cap: MWh of it */
	double	   *base;			/* the same without the lifted turbine */
	double	   *base_energy;
	int			lifted;
	double		base_mwh;		/* of the others, without the lifted one */
	double		total_mwh;
} AjkSurrogate;

extern AjkError ajk_surrogate_init(AjkSurrogate *s, int cap,
								   const AjkTurbine *turbine,
								   const AjkWind *wind, const AjkWake *wake,
								   double true_north_deg, int max_wd);
extern void ajk_surrogate_free(AjkSurrogate *s);

/* false if the poll asked to stop */
extern bool ajk_surrogate_set(AjkSurrogate *s, int n, const double *x,
							  const double *y, ajk_poll poll, void *arg);
extern void ajk_surrogate_next(AjkSurrogate *s);
extern void ajk_surrogate_lift(AjkSurrogate *s, int turbine);
extern double ajk_surrogate_try(const AjkSurrogate *s, double x, double y);
extern void ajk_surrogate_drop(AjkSurrogate *s, double x, double y);

#endif							/* AJK_SURROGATE_H */
