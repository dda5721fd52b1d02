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
#include "lanes.h"
#include "wake.h"

/*
 * Arrays by direction have rows of cap, a multiple of AJK_LANES; places
 * beyond n hold turbines so far downwind that no wake reaches or leaves them.
 */
typedef struct AjkSurrogate
{
	int			cap;			/* turbines there is room for, rounded up */
	int			n;				/* turbines placed */
	int			nwd;
	AjkWake		wake;
	double		diameter_m;
	double		ct;				/* the one thrust coefficient */
	double		gross_mwh;		/* of one turbine without wakes */

	bool		gauss;			/* a wake with these three figures */
	double		k;				/* sigma = k x + sigma0 */
	double		sigma0;
	double		c;				/* Ct D^2 / 8 */

	double	   *east;			/* nwd: unit vector downwind */
	double	   *north;
	int			steps;			/* of a table */
	double	   *table;			/* per direction, energy by loss of speed */

	double	   *x;				/* cap */
	double	   *y;
	double	   *down;			/* nwd * cap: place along the wind */
	double	   *across;
	double	   *sum;			/* squared losses at a turbine */
	double	   *energy;			/* MWh of it */
	double	   *base;			/* the same without the lifted turbine */
	double	   *base_energy;
	double	   *scratch;		/* cap */
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
extern void ajk_surrogate_put_back(AjkSurrogate *s);
extern double ajk_surrogate_try(const AjkSurrogate *s, double x, double y);
extern void ajk_surrogate_drop(AjkSurrogate *s, double x, double y);

#endif							/* AJK_SURROGATE_H */
