/*-------------------------------------------------------------------------
 *
 * report_svg.h
 *		The report's drawings: map, wind rose, energy chart.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_REPORT_SVG_H
#define AJ_REPORT_SVG_H

#include "wind_farm.h"

/* What the report knows; read from the input by report_step.c. */
typedef struct AjReport
{
	char	   *title;
	AjSiteGrid *grid;
	AjFarmInput farm;
	AjPositions *pos;			/* turbines, in the order of their ids */
	JsonbContainer *layout;		/* the step's metrics; NULL if unknown */
	JsonbContainer *sim;		/* output of the simulation step */
} AjReport;

extern void aj_svg_map(StringInfo b, const AjReport *r);
extern void aj_svg_wind_rose(StringInfo b, const AjReport *r);
extern void aj_svg_energy(StringInfo b, const AjReport *r);

/* Colour of a zone type in map and legend. */
extern const char *aj_zone_color(int zone_type);

#endif							/* AJ_REPORT_SVG_H */
