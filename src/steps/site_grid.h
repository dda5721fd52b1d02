/*-------------------------------------------------------------------------
 *
 * site_grid.h
 *		The metric grid of a site: elevation, slope, what may be built where.
 *
 * Loaded by every step that needs the ground.  Deterministic: the same
 * site, DEM and parameters give the same grid, so that layout and report
 * need no copy of what the terrain step computed.
 *
 * Coordinates are UTM metres (x east, y north) of one zone.  Row 0 is the
 * northernmost; the centre of a cell is at
 *		x = x0 + (col + 0.5) * cell_m,	y = y0 - (row + 0.5) * cell_m
 * A grid metre is 1/k metre on the ground, k at the site's middle (within
 * 0.1 % of 1 in a UTM zone).  Setbacks and areas given here are ground
 * metres.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_SITE_GRID_H
#define AJ_SITE_GRID_H

#include "inputs.h"

#include "../kernels/geometry.h"
#include "../kernels/terrain.h"

/* Why a cell may not be built on; a cell may have several. */
#define AJ_REASON_NODATA			0x0001	/* no elevation there */
#define AJ_REASON_OUTSIDE			0x0002	/* outside the boundary */
#define AJ_REASON_BOUNDARY_SETBACK	0x0004	/* too near the boundary */
#define AJ_REASON_SLOPE				0x0008	/* steeper than max_slope_deg */
#define AJ_REASON_SMALL_PATCH		0x0010	/* connected area < min_patch_m2 */
#define AJ_REASON_ZONE_SHIFT		8	/* first of the zone types */
#define AJ_MAX_ZONE_TYPES			24

typedef struct AjSiteGrid
{
	AjSite	   *site;			/* with x, y of every path set */
	char	   *dem_name;
	double		dem_cell_m;		/* native cell, smaller side, metres */

	int			ncols;
	int			nrows;
	double		cell_m;			/* grid metres */
	double		x0;				/* west edge */
	double		y0;				/* north edge */
	int			zone;			/* UTM zone 1..60 */
	bool		south;
	double		k;				/* grid metres per ground metre */

	float	   *elev;			/* [row * ncols + col] m, NaN where unknown */
	float	   *slope;			/* degrees, NaN where unknown */
	float	   *aspect;			/* degrees clockwise from north, downslope;
								 * NaN where flat or unknown */
	uint32	   *reasons;		/* AJ_REASON_* bits; 0 is buildable */

	int			nzone_types;
	char	   *zone_types[AJ_MAX_ZONE_TYPES];	/* of bit SHIFT + i */
	int			nzone;			/* per zone of the site, its type's index */
	int		   *zone_type;

	double		max_slope_deg;	/* the parameters it was made with */
	double		boundary_setback_m;
	double		min_patch_m2;
	AjkSlopeMethod slope_method;

	/* cells within the boundary that each bit takes, and takes alone */
	size_t		lost_cells[32];
	size_t		lost_alone[32];

	double		site_area_m2;	/* ground, from the rings */
	double		buildable_area_m2;	/* ground, by cells */
	double		entry_x,		/* where site->has_entry */
				entry_y;

	AjkPath    *rings;			/* the boundary in grid metres, for kernels */
	AjkPath   **zone_paths;		/* each zone's */
	double	   *zone_box;		/* each zone's x0, y0, x1, y1 with its buffer */

	/*
	 * Ground metres, at most, between edges straight in degrees and edges
	 * straight on the grid: of the boundary, of each zone.
	 */
	double		bend_m;
	double	   *zone_bend_m;
} AjSiteGrid;

/*
 * Parameters read here, for aj_check_params lists.
 */
#define AJ_SITE_GRID_PARAMS \
	"site", "longitude", "latitude", "radius_km", "dem", "resolution_m", \
	"margin_m", "max_slope_deg", "boundary_setback_m", "min_patch_m2", \
	"slope_method"

typedef struct AjSiteGridDefaults
{
	double		max_slope_deg;	/* 15 for turbines */
	double		boundary_setback_m; /* 5; for turbines the rotor radius */
	double		cell_m;			/* 0: 30, or the model's own */
	double		max_cells;		/* cell_m is doubled until there are no more;
								 * 0: no limit */
	double		extra_bytes;	/* that the step needs for each cell beside
								 * the grid */
	double		force_cell_m;	/* not 0: whatever the parameters say */
	bool		streams;		/* may be too large to be held: see below */
} AjSiteGridDefaults;

/*
 * Read site and DEM, resample, derive.  Call it outside of
 * aj_compute_begin/end: it reads tables first and computes, between its own
 * begin and end, afterwards.  Progress goes from..to.
 */
extern AjSiteGrid *aj_site_grid_load(JsonbContainer *params,
									 const AjSiteGridDefaults *defaults,
									 double from, double to);

/* Only the checks of the above that cost little, for submit. */
extern void aj_site_grid_check(JsonbContainer *params,
							   const AjSiteGridDefaults *defaults);

/* Exclude by what was written into slope, instead of what was before. */
extern AjkError aj_site_exclude_again(AjSiteGrid *grid);

/* ----
 * A grid too large to be held (site_bands.c): its rows go by in bands, whose
 * cells are those of the whole to the last bit.
 * ----
 */
typedef struct AjSiteBands
{
	AjSiteGrid *grid;			/* the whole, without arrays of cells */
	AjSiteGrid *band;			/* some rows of it, and one more to each side
								 * where there is one */
	int			first;			/* row of the grid */
	int			nrows;			/* from there on */
	int			skip;			/* rows of the band before them */
	int			most_rows;		/* that a band has */
	int			bands;			/* in all */
	double		overview_cell_m;	/* a whole grid of these can be held */
	double		bytes;			/* what all of it takes */
	struct AjSitePlan *plan;
	float	   *window;			/* of the model */
	Size		window_cells;
} AjSiteBands;

/* Can the grid be held?  Raises grid_too_large if not even in bands. */
extern bool aj_site_grid_fits(JsonbContainer *params,
							  const AjSiteGridDefaults *defaults);

extern AjSiteBands *aj_site_bands(JsonbContainer *params,
								  const AjSiteGridDefaults *defaults);

/* The next band; false after the last.  Progress goes from..to over all. */
extern bool aj_site_bands_next(AjSiteBands *bands, double from, double to);

/* Elevations of a rectangle of the grid, palloc'd */
extern float *aj_site_bands_box(const AjSiteBands *bands, int col0, int row0,
								int ncols, int nrows);

/* Refuse what was put together of more than one state of the model. */
extern void aj_site_bands_end(const AjSiteBands *bands);

/*
 * May something stand at x, y (grid metres)?  Exact distances to boundary
 * (at least setback_m on the ground and inside) and zones (at least their
 * buffer), not the cells' approximation; slope and nodata from the cell.
 * Returns the reason bits, 0 if it may.
 */
extern uint32 aj_site_reasons_at(const AjSiteGrid *grid, double x, double y,
								 double setback_m);
extern bool aj_site_allowed(const AjSiteGrid *grid, double x, double y,
							double setback_m);

/*
 * Ground metres by which x, y clears the nearest of boundary setback and
 * zone buffers; negative if it violates one.
 */
extern double aj_site_margin(const AjSiteGrid *grid, double x, double y,
							 double setback_m);

/* Elevation, slope or aspect of the cell at x, y; NaN outside. */
extern double aj_site_elevation(const AjSiteGrid *grid, double x, double y);
extern double aj_site_slope(const AjSiteGrid *grid, double x, double y);

extern void aj_site_lonlat(const AjSiteGrid *grid, double x, double y,
						   double *lon, double *lat);
extern void aj_site_xy(const AjSiteGrid *grid, double lon, double lat,
					   double *x, double *y);

/*
 * Name of a reason bit ("slope", "boundary_setback", "zone_environmental").
 */
extern const char *aj_reason_name(const AjSiteGrid *grid, uint32 bit);

/*
 * Area inside the boundary lost to one reason: all of it, and the part that
 * no other reason also takes.  Ground m2.
 */
extern void aj_area_lost(const AjSiteGrid *grid, uint32 bit,
						 double *area_m2, double *alone_m2);

/*
 * Raise no_buildable_area, with the area lost per reason and what to do.
 */
extern AJ_NORETURN void aj_no_buildable_area(const AjSiteGrid *grid);

/*
 * Shaded relief of the whole grid as RGB PNG, tinted by elevation, one pixel
 * per cell as far as 2,000 along the longer side; excluded ground within the
 * boundary is toned when show_excluded.  palloc'd.
 */
extern void *aj_site_hillshade_png(const AjSiteGrid *grid, bool show_excluded,
								   Size *len);

/*
 * The same for any values of the cells, coloured from lo to hi by palette;
 * where they are NaN the relief alone is drawn.
 */
typedef enum AjPalette
{
	AJ_PALETTE_SLOPE,			/* pale to dark red */
	AJ_PALETTE_SUITABILITY		/* red over yellow to green */
} AjPalette;

/* What the colours of a palette stand for, as a list of one item. */
extern void aj_site_ramp(StringInfo b, AjPalette palette, const char *low,
						 const char *high);

extern void *aj_site_values_png(const AjSiteGrid *grid, const float *values,
								double lo, double hi, AjPalette palette,
								Size *len);

/*
 * Store a map of the grid as artifact "<name>.png", with its world file
 * "<name>.pgw" and, for its coordinate system, "<name>.png.aux.xml": saved
 * side by side they open in a GIS at their place.
 */
extern void aj_site_map_artifact(const AjSiteGrid *grid, const char *name,
								 const char *kind, const void *png, Size len);

#endif							/* AJ_SITE_GRID_H */
