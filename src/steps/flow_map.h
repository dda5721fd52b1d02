/*-------------------------------------------------------------------------
 *
 * flow_map.h
 *		The wind between the turbines, as a raster.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_FLOW_MAP_H
#define AJ_FLOW_MAP_H

#include "wind_farm.h"

typedef struct AjFlowParams
{
	double		resolution_m;	/* 0: no map */
	double		max_cells;		/* coarser where there would be more */
	double		direction_deg;	/* NaN: the mean over all */
	double		speed_m_s;
} AjFlowParams;

extern AjFlowParams aj_flow_params(JsonbContainer *params);

/* In ground metres about the middle of the turbines */
typedef struct AjFlowRaster
{
	AjkFlowGrid grid;
	double		west;			/* of the western cells' edge */
	double		south;
	float	   *speed;			/* m/s */
	double		free_m_s;
	double		lowest_m_s;
	double		dark_m_s;		/* gets the darkest colour */
	double		direction_deg;	/* NaN: the mean over all */
	int			directions;
	void	   *png;			/* NULL: no memory for it */
	Size		png_len;
} AjFlowRaster;

/* Progress goes from..to. */
extern AjFlowRaster *aj_flow_compute(const AjFlowParams *p,
									 const AjkFarm *farm,
									 const AjPositions *pos,
									 const AjkWind *climate, double from,
									 double to);

/* Store the artifacts, append "flow_map" to the result. */
extern void aj_flow_map(const AjFlowRaster *r, const AjPositions *pos,
						StringInfo out);

/* A section of a report; site may be NULL. */
extern void aj_report_flow(StringInfo b, const AjFlowRaster *r,
						   const AjPositions *pos, const AjSiteGrid *site);

#endif							/* AJ_FLOW_MAP_H */
