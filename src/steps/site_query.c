/*-------------------------------------------------------------------------
 *
 * site_query.c
 *		Asking the grid of a site: may this stand here, what was lost, a map.
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

#include "utils/memutils.h"

#include "../kernels/geodesy.h"
#include "../kernels/pngout.h"
#include "../kernels/terrain.h"

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

		if (x < box[0] || x > box[2] || y < box[1] || y > box[3])
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

double
aj_site_margin(const AjSiteGrid *g, double x, double y, double setback_m)
{
	double		margin = boundary_distance(g, x, y) / g->k - setback_m;

	for (int z = 0; z < g->nzone; z++)
		margin = fmin(margin, zone_distance(g, z, x, y) / g->k
					  - g->site->zones[z].buffer_m);
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
	uint32		worst = 0;
	const char *hint;

	initStringInfo(&detail);
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
						 100.0 * area / g->site_area_m2);
		if (area > most || worst == 0)
		{
			most = area;
			worst = bit;
		}
	}
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
	aj_step_error(AJ_ERRCODE_INFEASIBLE, "no_buildable_area",
				  "no buildable area is left", detail.data, hint);
}

/* ---- the map ---- */

/* Colours of the ground from low to high. */
static const uint8 tints[][3] = {
	{150, 180, 140}, {190, 203, 152}, {224, 215, 168}, {214, 188, 148},
	{196, 166, 140}, {236, 232, 228}
};

#define MAX_MAP_PIXELS	2000	/* along the longer side */

#define NTINTS ((int) lengthof(tints))

static void
tint(double level, double rgb[3])
{
	double		at = level * (NTINTS - 1);
	int			i = Min(Max((int) floor(at), 0), NTINTS - 2);

	at = Min(Max(at - i, 0.0), 1.0);
	for (int c = 0; c < 3; c++)
		rgb[c] = tints[i][c] + at * (tints[i + 1][c] - tints[i][c]);
}

/* Lowest and highest elevation of the grid. */
static void
elevation_range(const AjSiteGrid *g, float *lo, float *hi)
{
	Size		n = (Size) g->ncols * g->nrows;

	*lo = INFINITY;
	*hi = -INFINITY;
	for (Size i = 0; i < n; i++)
	{
		if (g->elev[i] < *lo)
			*lo = g->elev[i];
		if (g->elev[i] > *hi)
			*hi = g->elev[i];
		if (i % 1048576 == 0)
			CHECK_FOR_INTERRUPTS();
	}
}

/* One pixel for the cell at row r, column c. */
static void
paint(const AjSiteGrid *g, const uint8 *shade, int r, int c, float lo,
	  float hi, bool show_excluded, uint8 *pixel)
{
	Size		i = (Size) r * g->ncols + c;

	/* the rim has no shade of its own */
	int			sr = Min(Max(r, 1), Max(g->nrows - 2, 0));
	int			sc = Min(Max(c, 1), Max(g->ncols - 2, 0));
	int			s = shade[(Size) sr * g->ncols + sc];
	double		rgb[3] = {238, 238, 238};

	if (s > 0 && !isnan(g->elev[i]))
	{
		tint(hi > lo ? (g->elev[i] - lo) / (hi - lo) : 0.3, rgb);
		for (int k = 0; k < 3; k++)
			rgb[k] *= Min(0.35 + 0.85 * s / 255.0, 1.08);
	}
	if (g->reasons[i] & AJ_REASON_OUTSIDE)
		for (int k = 0; k < 3; k++)
			rgb[k] = 0.55 * rgb[k] + 0.45 * 245;
	else if (show_excluded && g->reasons[i] != 0)
	{
		static const double red[3] = {200, 70, 60};

		for (int k = 0; k < 3; k++)
			rgb[k] = 0.72 * rgb[k] + 0.28 * red[k];
	}
	for (int k = 0; k < 3; k++)
		pixel[k] = (uint8) Min(Max(rgb[k] + 0.5, 0.0), 255.0);
}

void *
aj_site_hillshade_png(const AjSiteGrid *g, bool show_excluded, Size *len)
{
	int			most = Max(g->ncols, g->nrows);
	double		shrink = most > MAX_MAP_PIXELS ?
	(double) MAX_MAP_PIXELS / most : 1.0;
	int			width = Max((int) rint(g->ncols * shrink), 1),
				height = Max((int) rint(g->nrows * shrink), 1);
	uint8	   *shade;
	uint8	   *pixels;
	uint8_t    *png = NULL;
	size_t		size = 0;
	void	   *copy = NULL;
	float		lo,
				hi;
	AjkError	err;

	shade = MemoryContextAllocHuge(CurrentMemoryContext,
								   (Size) g->ncols * g->nrows);
	pixels = MemoryContextAllocHuge(CurrentMemoryContext,
									(Size) width * height * 3);
	elevation_range(g, &lo, &hi);
	err = ajk_hillshade(g->elev, g->ncols, g->nrows, g->cell_m, g->cell_m,
						1.0, 315, 45, shade, aj_poll, NULL);
	if (err == AJK_OK)
	{
		for (int i = 0; i < height; i++)
			for (int j = 0; j < width; j++)
				paint(g, shade, (int) ((i + 0.5) * g->nrows / height),
					  (int) ((j + 0.5) * g->ncols / width), lo, hi,
					  show_excluded, pixels + 3 * ((Size) i * width + j));
		err = ajk_png(pixels, width, height, 3, &png, &size, aj_poll, NULL);
	}
	if (err == AJK_OK)
		copy = MemoryContextAllocExtended(CurrentMemoryContext, size,
										  MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	if (copy)
		memcpy(copy, png, size);
	free(png);
	pfree(shade);
	pfree(pixels);
	if (err == AJK_STOPPED)
		aj_poll_finish();
	if (copy == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY),
						errmsg("out of memory"),
						errdetail("Failed on a map of %d x %d pixels.",
								  width, height)));
	*len = size;
	return copy;
}
