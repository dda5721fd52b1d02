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
	double		direction_deg;	/* NaN: the mean over all */
	double		speed_m_s;
} AjFlowParams;

extern AjFlowParams aj_flow_params(JsonbContainer *params);

/* Compute the map, store its artifacts, append "flow_map" to the result. */
extern void aj_flow_map(const AjFlowParams *p, const AjkFarm *farm,
						const AjPositions *pos, const AjkWind *climate,
						StringInfo out);

#endif							/* AJ_FLOW_MAP_H */
