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
	const AjkTurbine *turbine;	/* of each type */
	double		ct;				/* the one thrust coefficient, of type 0 */
	double		gross_mwh;		/* mean of a turbine without wakes */

	bool		gauss;			/* a wake with these three figures */
	double		k;				/* sigma = k x + sigma0 */
	double		sigma0;			/* of type 0 */
	double		c;				/* Ct D^2 / 8, of type 0 */

	double	   *east;			/* nwd: unit vector downwind */
	double	   *north;
	int			ntypes;
	int			steps;			/* of a table */
	double	   *table;			/* per direction and type, energy by loss */

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

	/* of several types, else NULL: what the turbine of each place is */
	int		   *type;			/* cap */
	int		   *row;			/* cap: where in a direction's table; 0 if
								 * empty */
	double	   *type_ct;		/* ntypes */
	double	   *place_sigma0;	/* cap */
	double	   *place_c;
	double	   *hub;			/* m */
	double	   *factor2;		/* squared free speed over the climate's */
	double		base_mwh;		/* of the others, without the lifted one */
	double		total_mwh;
} AjkSurrogate;

/* Values of a direction's tables */
static inline size_t
ajk_table_width(const AjkSurrogate *s)
{
	return (size_t) s->ntypes * ((size_t) s->steps + 2);
}

/*
 * For the farm's turbines, wakes and north; cap places, of which each has the
 * farm's type.  What the farm points to must stay.
 */
extern AjkError ajk_surrogate_init(AjkSurrogate *s, int cap,
								   const AjkFarm *farm, const AjkWind *wind,
								   int max_wd);
extern void ajk_surrogate_free(AjkSurrogate *s);

/* false if the poll asked to stop */
extern bool ajk_surrogate_set(AjkSurrogate *s, int n, const double *x,
							  const double *y, ajk_poll poll, void *arg);
extern void ajk_surrogate_next(AjkSurrogate *s);
extern void ajk_surrogate_lift(AjkSurrogate *s, int turbine);
extern void ajk_surrogate_put_back(AjkSurrogate *s);
extern double ajk_surrogate_try(const AjkSurrogate *s, double x, double y);
extern void ajk_surrogate_drop(AjkSurrogate *s, double x, double y);
extern void ajk_surrogate_swap(AjkSurrogate *s, int a, int b);

#endif							/* AJK_SURROGATE_H */
