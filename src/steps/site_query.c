/*-------------------------------------------------------------------------
 *
 * site_query.c
 *		Asking the grid of a site: may this stand here, what was lost.
 *
 * Whether something may stand at a place is decided by exact distances to
 * the boundary and the zones; only slope, voids and small patches are taken
 * from the cell it falls in.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "site_grid.h"

#include <math.h>

#include "../kernels/geodesy.h"

/* Index of the cell at x, y; false outside of the grid. */
static bool
cell_at(const AjSiteGrid *g, double x, double y, Size *cell)
{
	double		c = floor((x - g->x0) / g->cell_m);
	double		r = floor((g->y0 - y) / g->cell_m);

	if (!(c >= 0 && c < g->ncols && r >= 0 && r < g->nrows))
		return false;
	*cell = (Size) r * g->ncols + (Size) c;
	return true;
}

/* ---- places ---- */

/* Grid metres to the nearest point of a zone, negative inside a polygon. */
static double
zone_distance(const AjSiteGrid *g, int z, double x, double y)
{
	const AjZone *zone = &g->site->zones[z];
	bool		polygon = zone->shape == AJ_SHAPE_POLYGON;
	double		best = INFINITY;

	for (int i = 0; i < zone->npaths; i++)
		best = fmin(best, ajk_path_dist(&g->zone_paths[z][i], polygon, x, y));
	if (polygon && ajk_in_rings(g->zone_paths[z], zone->npaths, x, y))
		return -best;
	return best;
}

/* The same of the boundary: positive inside. */
static double
boundary_distance(const AjSiteGrid *g, double x, double y)
{
	double		best = INFINITY;

	for (int i = 0; i < g->site->nrings; i++)
		best = fmin(best, ajk_path_dist(&g->rings[i], true, x, y));
	return ajk_in_rings(g->rings, g->site->nrings, x, y) ? best : -best;
}

uint32
aj_site_reasons_at(const AjSiteGrid *g, double x, double y, double setback_m)
{
	uint32		bits = 0;
	Size		cell;
	double		d;

	if (!cell_at(g, x, y, &cell))
		return AJ_REASON_OUTSIDE | AJ_REASON_NODATA;
	bits = g->reasons[cell] & (AJ_REASON_NODATA | AJ_REASON_SLOPE |
							   AJ_REASON_SMALL_PATCH);
	d = boundary_distance(g, x, y);
	if (d < 0)
		bits |= AJ_REASON_OUTSIDE;
	if (fabs(d) < setback_m * g->k)
		bits |= AJ_REASON_BOUNDARY_SETBACK;
	for (int z = 0; z < g->nzone; z++)
	{
		const double *box = &g->zone_box[4 * z];

		if (g->site->zones[z].cost_multiplier < AJ_HARD_ZONE ||
			x < box[0] || x > box[2] || y < box[1] || y > box[3])
			continue;
		d = zone_distance(g, z, x, y);
		if (d < 0 || d < g->site->zones[z].buffer_m * g->k)
			bits |= 1u << (AJ_REASON_ZONE_SHIFT + g->zone_type[z]);
	}
	return bits;
}

bool
aj_site_allowed(const AjSiteGrid *g, double x, double y, double setback_m)
{
	return aj_site_reasons_at(g, x, y, setback_m) == 0;
}

/*
 * Ground metres to spare beyond the setback and the nearest zone's buffer,
 * whichever way edges are drawn between the corners given.
 */
double
aj_site_margin(const AjSiteGrid *g, double x, double y, double setback_m)
{
	double		margin = boundary_distance(g, x, y) / g->k - setback_m - g->bend_m;

	for (int z = 0; z < g->nzone; z++)
		if (g->site->zones[z].cost_multiplier >= AJ_HARD_ZONE)
			margin = fmin(margin, zone_distance(g, z, x, y) / g->k
						  - g->site->zones[z].buffer_m - g->zone_bend_m[z]);
	return margin;
}

double
aj_site_elevation(const AjSiteGrid *g, double x, double y)
{
	Size		cell;

	return cell_at(g, x, y, &cell) ? g->elev[cell] : NAN;
}

double
aj_site_slope(const AjSiteGrid *g, double x, double y)
{
	Size		cell;

	return cell_at(g, x, y, &cell) ? g->slope[cell] : NAN;
}

void
aj_site_lonlat(const AjSiteGrid *g, double x, double y, double *lon,
			   double *lat)
{
	AjkTm		tm = ajk_tm_utm(g->zone, g->south);

	ajk_tm_inverse(&tm, x, y, lon, lat);
}

void
aj_site_xy(const AjSiteGrid *g, double lon, double lat, double *x, double *y)
{
	AjkTm		tm = ajk_tm_utm(g->zone, g->south);

	ajk_tm_forward(&tm, lon, lat, x, y);
}

/* ---- what was lost ---- */

const char *
aj_reason_name(const AjSiteGrid *g, uint32 bit)
{
	switch (bit)
	{
		case AJ_REASON_NODATA:
			return "no_elevation";
		case AJ_REASON_OUTSIDE:
			return "outside";
		case AJ_REASON_BOUNDARY_SETBACK:
			return "boundary_setback";
		case AJ_REASON_SLOPE:
			return "slope";
		case AJ_REASON_SMALL_PATCH:
			return "small_patch";
	}
	for (int t = 0; t < g->nzone_types; t++)
		if (bit == 1u << (AJ_REASON_ZONE_SHIFT + t))
			return psprintf("zone_%s", g->zone_types[t]);
	return "unknown";
}

void
aj_area_lost(const AjSiteGrid *g, uint32 bit, double *area_m2,
			 double *alone_m2)
{
	double		cell = g->cell_m * g->cell_m / (g->k * g->k);

	*area_m2 = *alone_m2 = 0;
	for (int b = 0; b < 32; b++)
		if (bit == (uint32) 1 << b)
		{
			*area_m2 = g->lost_cells[b] * cell;
			*alone_m2 = g->lost_alone[b] * cell;
		}
}

void
aj_no_buildable_area(const AjSiteGrid *g)
{
	StringInfoData detail;
	double		most = 0;
	double		in_patches = 0;
	uint32		worst = 0;
	const char *hint;

	initStringInfo(&detail);
	if (g->site_area_m2 < 10000)
		appendStringInfo(&detail, "Of %.0f m2", g->site_area_m2);
	else
		appendStringInfo(&detail, "Of %.3f km2", g->site_area_m2 / 1e6);
	for (int b = 0; b < AJ_REASON_ZONE_SHIFT + g->nzone_types; b++)
	{
		uint32		bit = 1u << b;
		double		area,
					alone;

		if (bit == AJ_REASON_OUTSIDE)
			continue;
		aj_area_lost(g, bit, &area, &alone);
		if (area <= 0)
			continue;
		appendStringInfo(&detail, "%s %s", worst ? "," : "",
						 bit == AJ_REASON_SLOPE ?
						 psprintf("slope > %.4g deg", g->max_slope_deg) :
						 aj_reason_name(g, bit));
		appendStringInfo(&detail, " removes %.0f %%",
						 Min(100.0, 100.0 * area / g->site_area_m2));
		if (bit == AJ_REASON_SMALL_PATCH)
			in_patches = alone;
		if (area > most || worst == 0)
		{
			most = area;
			worst = bit;
		}
	}
	if (worst == 0)
		appendStringInfo(&detail, " no cell of %.4g m has its centre within the boundary", g->cell_m);
	appendStringInfoChar(&detail, '.');
	switch (worst)
	{
		case 0:
			hint = "The site is smaller than a cell; lower resolution_m.";
			break;
		case AJ_REASON_SLOPE:
			hint = "Raise max_slope_deg or choose another site.";
			break;
		case AJ_REASON_BOUNDARY_SETBACK:
			hint = "Lower boundary_setback_m or choose a larger site.";
			break;
		case AJ_REASON_NODATA:
			hint = "Load an elevation model without voids here.";
			break;
		case AJ_REASON_SMALL_PATCH:
			hint = "Lower min_patch_m2 or choose another site.";
			break;
		default:
			hint = "Lower buffer_m of these exclusions or choose another site.";
	}
	if (in_patches > 0 && worst != AJ_REASON_SMALL_PATCH)
		hint = psprintf("%s A lower min_patch_m2 would leave %.0f m2.", hint, in_patches);
	aj_step_error(AJ_ERRCODE_INFEASIBLE, "no_buildable_area",
				  "no buildable area is left", detail.data, hint);
}
