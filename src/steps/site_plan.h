/*-------------------------------------------------------------------------
 *
 * site_plan.h
 *		What site_grid.c and site_bands.c share: how a grid is made.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_SITE_PLAN_H
#define AJ_SITE_PLAN_H

#include "dem.h"
#include "site_grid.h"

#define AJ_GRID_CELL_BYTES	24.0	/* memory of one cell of the grid */

/* What is known before anything large is allocated. */
typedef struct AjSitePlan
{
	AjDem	   *dem;
	AjkTm		tm;
	AjkTm		dem_tm;			/* if dem->zone */
	AjkFrame	frame;
	double		margin_m;
	int			col0,			/* window of the model */
				row0,
				ncols,
				nrows;
	int			factor;
	double		bytes;			/* that the whole grid takes */
} AjSitePlan;

/* Raises grid_too_large unless the defaults say that the grid streams. */
extern void aj_site_plan(JsonbContainer *params,
						 const AjSiteGridDefaults *defaults, AjSite *site,
						 AjSitePlan *p, AjSiteGrid *g);
extern void aj_site_plan_window(const AjSitePlan *p, const AjkFrame *f,
								int *col0, int *row0, int *ncols, int *nrows);
extern void aj_site_set_zones(AjSiteGrid *g, const AjkTm *tm);
extern double aj_site_min_cells(const AjSiteGrid *g);
extern void aj_site_set_areas(AjSiteGrid *g, size_t buildable);

/* The arrays of a grid or, where frame says so, a band of one */
extern AjkError aj_site_derive(AjSiteGrid *g, const AjSitePlan *p,
							   const AjkFrame *frame, const AjkDem *source,
							   double from, double to);

#endif							/* AJ_SITE_PLAN_H */
