/*-------------------------------------------------------------------------
 *
 * wake.h
 *		Wakes of wind turbines and the annual energy of a wind farm.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_WAKE_H
#define AJK_WAKE_H

#include "kernel.h"
#include "turbine.h"
#include "windrose.h"

typedef enum AjkWakeModel
{
	AJK_WAKE_IEA37_SBG,			/* simplified Gaussian of IEA Wind Task 37 */
	AJK_WAKE_BASTANKHAH_2014,	/* Gaussian, Bastankhah and Porte-Agel */
	AJK_WAKE_NOJ,				/* top hat, Jensen, with area overlap */
	AJK_WAKE_NIAYIFAR_2016		/* Gaussian that widens with turbulence */
} AjkWakeModel;

#define AJK_WAKE_MODELS 4

typedef enum AjkSuperposition
{
	AJK_SUPER_RSS,				/* root of the sum of squares */
	AJK_SUPER_LINEAR,			/* sum */
	AJK_SUPER_MAX				/* the deepest wake alone */
} AjkSuperposition;

typedef struct AjkWake
{
	AjkWakeModel model;
	AjkSuperposition super;
	double		k;				/* expansion per metre downwind */
	bool		madsen;			/* induction by Madsen's polynomial */
	double		ti;				/* niayifar_2016: ambient turbulence intensity */
} AjkWake;

#define AJK_HOURS_PER_YEAR 8760.0

/* n turbines; x east, y north of the map's grid, in metres */
typedef struct AjkFarm
{
	int			n;
	const double *x;
	const double *y;
	const AjkTurbine *turbine;	/* of each type */
	AjkWake		wake;

	/*
	 * Clockwise angle from the grid's north to true north; wind directions
	 * are from true north, coordinates mostly are not.
	 */
	double		true_north_deg;

	/*
	 * Several types: which one each turbine is of (NULL: all are turbine[0]),
	 * and, for each type, the free wind speed at its hub over the climate's,
	 * which are valid at one height (NULL: 1).
	 */
	int			ntypes;
	const int  *type;
	const double *speed_factor;
} AjkFarm;

/* The arrays are the caller's, and may be NULL where not wanted. */
typedef struct AjkYield
{
	double		gross_mwh;		/* as if no turbine had a wake */
	double		net_mwh;		/* with wakes, before any other loss */
	double	   *turbine_mwh;	/* n, with wakes */
	double	   *turbine_gross_mwh;	/* n, without */
	double	   *turbine_ti;		/* n, niayifar_2016: energy-weighted mean */
	double	   *direction_gross_mwh;	/* nwd */
	double	   *direction_mwh;	/* nwd, with wakes */
} AjkYield;

extern const char *ajk_wake_name(AjkWakeModel model);
extern bool ajk_wake_by_name(const char *name, AjkWakeModel *model);
extern double ajk_wake_default_k(AjkWakeModel model);

/*
 * Is this a Gaussian, sigma = k x + sigma0 at this Ct?
 */
extern bool ajk_wake_gauss(const AjkWake *wake, double diameter_m, double ct,
						   double *k, double *sigma0);
extern double ajk_wake_added_ti(double diameter_m, double ct,
								double ambient_ti, double x);
extern double ajk_wake_deficit(const AjkWake *wake, double diameter_m,
							   double ct, double x, double y,
							   double rotor_m);
extern AjkError ajk_farm_speeds(const AjkFarm *farm, double wd, double ws,
								double *ws_eff);

/* A grid of points: row 0 in the north, x0, y0 the north-western cell's middle */
typedef struct AjkFlowGrid
{
	int			ncols;
	int			nrows;
	double		x0;
	double		y0;
	double		cell_m;
} AjkFlowGrid;

/*
 * speed[nrows * ncols] += weight times the speed at the hub height of
 * turbine[0] at each point with the wakes of all turbines, for one wind.
 */
extern AjkError ajk_farm_flow(const AjkFarm *farm, double wd, double ws,
							  double weight, const AjkFlowGrid *grid,
							  float *speed, ajk_poll poll, void *arg);
extern AjkError ajk_farm_yield(const AjkFarm *farm, const AjkWind *wind,
							   AjkYield *yield, ajk_poll poll, void *arg);

#endif							/* AJK_WAKE_H */
