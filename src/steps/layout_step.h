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

typedef struct AjLaidOut
{
	AjSiteGrid *grid;
	AjFarmInput farm;
	char	   *geojson;		/* the turbines */
	char	   *metrics;		/* a JSON object */
	char	   *convergence;	/* CSV */
}			AjLaidOut;

/* Slope and setback that turbines keep unless told otherwise */
extern AjSiteGridDefaults aj_layout_defaults(const AjFarmInput *in);

/* Search; seed < 0: the parameter's. */
extern void aj_layout_search(const AjStepInput *input, double seed,
							 AjLaidOut * laid);

/*
 * Store a layout's artifacts and its report; the output of the step.
 * Progress stands at the report.
 */
extern Jsonb *aj_layout_store(const AjStepInput *input, AjLaidOut * laid);

#endif							/* AJ_LAYOUT_STEP_H */
