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

#include "flow_map.h"
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
	JsonbContainer *wind;		/* of the wind_resource step; may be NULL */
	JsonbContainer *params;
} AjReport;

extern void aj_svg_map(StringInfo b, const AjReport *r);
extern void aj_svg_wind_rose(StringInfo b, const AjReport *r);
extern void aj_svg_energy(StringInfo b, const AjReport *r);

/*
 * Parts of maps, in ground metres, y downwards, origin at the north-western
 * corner of the grid; unit is a thousandth of the map's longer side.
 */
extern void aj_svg_paths(StringInfo b, const AjSiteGrid *g,
						 const AjPath *paths, int n, bool closed);
extern void aj_svg_zone(StringInfo b, const AjSiteGrid *g, const AjZone *z,
						int type, double unit);

/* What these, the boundary and the colours of the ground mean: <li>s. */
extern void aj_svg_key(StringInfo b, const AjSiteGrid *g);

/* Degrees by which true north is clockwise of the map's up. */
extern double aj_grid_north(const AjSiteGrid *g);

/* A map of values; about is what it shows, for those who don't see it. */
extern void aj_svg_values(StringInfo b, const AjSiteGrid *g, const void *png,
						  Size len, const char *about);

/* In a map of w x h from the origin. */
extern void aj_svg_scale_and_north(StringInfo b, double w, double h,
								   double unit, double true_north_deg);

/* Colour of a type's turbines */
extern const char *aj_turbine_color(int type);

/* A cell "name of the type" of a table, "" where there is only one */
extern char *aj_turbine_cell(const AjFarmInput *farm, int type);

/* Rows of the inputs: the turbine, or each type with its number of them */
extern void aj_report_turbine_rows(StringInfo b, const AjFarmInput *farm,
								   const AjPositions *pos, bool hub);

/* A section on the types of turbines of a simulation, if there are several */
extern void aj_report_types(StringInfo b, JsonbContainer *sim);

/* Sections: the map with its legend; the ground lost by reason. */
extern void aj_report_map(StringInfo b, const AjReport *r, const char *title);
extern void aj_report_ground(StringInfo b, const AjSiteGrid *g);

/*
 * Reports of the single pipelines (the terrain's map may be a coarser grid
 * than that it is about), as artifacts terrain_report.html,
 * layout_report.html, simulation_report.html, wind_resource_report.html.
 */
extern void aj_terrain_report(JsonbContainer *params, AjSiteGrid *grid,
							  AjSiteGrid *map, const char *metrics,
							  const void *slope_png, Size slope_len,
							  const void *suitability_png,
							  Size suitability_len);
extern void aj_wind_resource_report(JsonbContainer *params, Jsonb *output);
extern void aj_layout_report(JsonbContainer *params, AjSiteGrid *grid,
							 const AjFarmInput *farm, Jsonb *output);
extern void aj_simulation_report(JsonbContainer *params,
								 const AjFarmInput *farm, AjPositions *pos,
								 const AjFlowRaster *flow, Jsonb *output);

/* Mean speed by month and hour, where the wind is a series with times. */
extern void aj_report_wind_means(StringInfo b, JsonbContainer *wind);

#endif							/* AJ_REPORT_SVG_H */
