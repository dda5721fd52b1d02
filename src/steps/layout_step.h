/*-------------------------------------------------------------------------
 *
 * layout_step.h
 *		A layout as the steps that search for one and choose one have it.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_LAYOUT_STEP_H
#define AJ_LAYOUT_STEP_H

#include "wind_farm.h"

#include "../kernels/layout.h"

typedef struct AjLaidOut
{
	AjSiteGrid *grid;
	AjFarmInput farm;
	char	   *geojson;		/* the turbines */
	char	   *metrics;		/* a JSON object */
	char	   *convergence;	/* CSV */
} AjLaidOut;

typedef struct AjLayoutParams
{
	int			n;
	int			count[AJ_MAX_TURBINE_TYPES];
	double		min_spacing_d;
	uint64		seed;
	int64		max_evaluations;
	double		time_budget_s;	/* 0: none */
	int			nstarts;
} AjLayoutParams;

/* From the kernel's ground metres about the middle to the site's grid */
typedef struct AjLayoutPlace
{
	const AjSiteGrid *grid;
	double		setback_m;
	double		mx;
	double		my;
} AjLayoutPlace;

/* A turbine of the result */
typedef struct AjLaidTurbine
{
	int			type;
	double		x;				/* grid metres */
	double		y;
	double		lon;			/* rounded */
	double		lat;
} AjLaidTurbine;

/* Slope and setback that turbines keep unless told otherwise */
extern AjSiteGridDefaults aj_layout_defaults(const AjFarmInput *in);

/* Setback of turbines of a type from the boundary */
extern double aj_layout_setback(JsonbContainer *params, const AjFarmInput *in,
								int type);

/* Search; seed < 0: the parameter's. */
extern void aj_layout_search(const AjStepInput *input, double seed,
							 AjLaidOut *laid);

/*
 * Store a layout's artifacts and its report; the output of the step.
 * Progress stands at the report.
 */
extern Jsonb *aj_layout_store(const AjStepInput *input, AjLaidOut *laid);

/* What two types keep, in metres on the ground */
extern double aj_type_spacing(const AjFarmInput *in, double min_spacing_d,
							  int a, int b);

/*
 * Verify the turbines as they will be written; the layout, its figures and
 * its convergence into laid, whose grid and farm are set.  place has one for
 * each type.
 */
extern void aj_layout_write(const AjLayoutParams *lp,
							const AjkLayoutResult *result,
							const AjLaidTurbine *turbine,
							const AjLayoutPlace *place, AjLaidOut *laid);

#endif							/* AJ_LAYOUT_STEP_H */
