/*-------------------------------------------------------------------------
 *
 * site_grid.c
 *		Building the metric grid of a site.
 *
 * First everything that reads tables: the site, the elevation model and the
 * window of it that the site needs.  What the grid will take is reckoned
 * before any of it is allocated.  Then the computation, without a snapshot:
 * resampling to UTM, slope and aspect (Horn), and for each cell the reasons
 * why it may not be built on.
 *
 * The grid is in the elevation model's own UTM zone, if it has one and the
 * site lies near it, else in the zone of the site's middle.  Where cell size
 * and zone are those of the model, the grid takes the model's cells as they
 * are, so slope and aspect are the same as computed on the model itself.
 * Otherwise the grid's edges are multiples of the cell size, so that sites
 * side by side share their cells.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "site_grid.h"

#include <math.h>

#include "utils/memutils.h"

#include "site_plan.h"
#include "../kernels/mask.h"

#define COVER_SAMPLES	64		/* per side, to find what a model misses */
#define LEAST_CELLS		10		/* across a site, unless resolution_m is given */

static const char *const slope_methods[] = {
	"horn", "zevenbergen_thorne", NULL
};

/* ---- planning ---- */

static bool
in_boundary(const AjSite *site, double lon, double lat)
{
	bool		inside = false;

	for (int i = 0; i < site->nrings; i++)
	{
		AjkPath		ring = {site->rings[i].n, site->rings[i].lon,
		site->rings[i].lat};

		if (ajk_in_rings(&ring, 1, lon, lat))
			inside = !inside;
	}
	return inside;
}

/* The whole site must lie on the model. */
static void
check_cover(const AjSite *site, const AjDem *dem)
{
	int			inside = 0,
				missing = 0;

	for (int i = 0; i < site->nrings; i++)
		for (int j = 0; j < site->rings[i].n; j++)
		{
			inside++;
			missing += !aj_dem_contains(dem, site->rings[i].lon[j],
										site->rings[i].lat[j]);
		}
	for (int i = 0; i < COVER_SAMPLES; i++)
		for (int j = 0; j < COVER_SAMPLES; j++)
		{
			double		lon = site->west + (site->east - site->west)
			* (i + 0.5) / COVER_SAMPLES;
			double		lat = site->south + (site->north - site->south)
			* (j + 0.5) / COVER_SAMPLES;

			if (!in_boundary(site, lon, lat))
				continue;
			inside++;
			missing += !aj_dem_contains(dem, lon, lat);
		}
	if (missing == 0)
		return;
	aj_step_error(AJ_ERRCODE_VALIDATION, "dem_does_not_cover_site",
				  psprintf("elevation model \"%s\" does not cover the site",
						   dem->name),
				  psprintf("About %.0f %% of the site is missing: it reaches from %.7g, %.7g to %.7g, %.7g, the model from %.7g, %.7g to %.7g, %.7g (longitude, latitude).",
						   Max(100.0 * missing / inside, 1.0),
						   site->west, site->south, site->east, site->north,
						   dem->west, dem->south_lat, dem->east, dem->north),
				  "Load a model that covers it with asyncjob.load_dem(), or name another in \"dem\".");
}

static void
project_paths(const AjkTm *tm, int n, AjPath *paths)
{
	for (int i = 0; i < n; i++)
	{
		AjPath	   *p = &paths[i];

		p->x = palloc(p->n * sizeof(double));
		p->y = palloc(p->n * sizeof(double));
		for (int j = 0; j < p->n; j++)
			ajk_tm_forward(tm, p->lon[j], p->lat[j], &p->x[j], &p->y[j]);
	}
}

/* The window of the model that the frame needs, two cells wider. */
void
aj_site_plan_window(const AjSitePlan *p, const AjkFrame *f, int *col0,
					int *row0, int *ncols, int *nrows)
{
	AjDem	   *d = p->dem;
	double		north = f->y0 - f->row0 * f->cell;
	double		x0 = INFINITY,
				y0 = INFINITY,
				x1 = -INFINITY,
				y1 = -INFINITY;
	int			c0,
				c1,
				r0,
				r1;

	for (int i = 0; i <= 64; i++)
		for (int side = 0; side < 4; side++)
		{
			double		u = side == 0 ? 0 : side == 1 ? 1 : i / 64.0;
			double		v = side == 2 ? 0 : side == 3 ? 1 : i / 64.0;
			double		lon,
						lat,
						x,
						y;

			ajk_tm_inverse(&p->tm, f->x0 + u * f->ncols * f->cell,
						   north - v * f->nrows * f->cell, &lon, &lat);
			aj_dem_project(d, lon, lat, &x, &y);
			x0 = fmin(x0, x);
			x1 = fmax(x1, x);
			y0 = fmin(y0, y);
			y1 = fmax(y1, y);
		}
	c0 = (int) fmax(floor((x0 - d->x0) / d->dx) - 2.0 * p->factor, 0);
	c1 = (int) fmin(ceil((x1 - d->x0) / d->dx) + 2.0 * p->factor, d->ncols);
	r0 = (int) fmax(floor((d->y0 - y1) / d->dy) - 2.0 * p->factor, 0);
	r1 = (int) fmin(ceil((d->y0 - y0) / d->dy) + 2.0 * p->factor, d->nrows);

	/* blocks begin at multiples, so they are the same for every site */
	*col0 = c0 - c0 % p->factor;
	*row0 = r0 - r0 % p->factor;
	*ncols = Max(c1 - *col0, 1);
	*nrows = Max(r1 - *row0, 1);
}

/* What a grid of so many cells takes, and the window of the model with it. */
static double
grid_bytes(const AjSitePlan *p, double cells, double cell_m, double extra)
{
	double		factor = fmax(floor(cell_m / p->dem->cell_m + 1e-9), 1);

	return cells * (AJ_GRID_CELL_BYTES + extra) +
		(double) p->ncols * p->nrows / (factor * factor) *
		(factor > 1 ? sizeof(float) + sizeof(double) + sizeof(uint32) :
		 sizeof(float));
}

static void
check_grid_memory(const AjSitePlan *p, double ncols, double nrows, double extra)
{
	double		cell = p->frame.cell;
	double		cells = ncols * nrows;
	double		bytes = grid_bytes(p, cells, cell, extra);
	double		limit = (double) aj_max_step_memory();
	double		fits = ceil(cell * sqrt(bytes / limit));

	/* the grid gains a rim of cells, and the window comes in steps */
	while (bytes > limit && fits < 1e6 &&
		   grid_bytes(p, (ncols * cell / fits + 4) * (nrows * cell / fits + 4),
					  fits, extra) > limit)
		fits++;
	aj_check_memory(bytes, psprintf("%.0f x %.0f cells", ncols, nrows),
					psprintf("Raise resolution_m to %.0f or asyncjob.max_step_memory.",
							 fits));
}

void
aj_site_plan(JsonbContainer *params, const AjSiteGridDefaults *defaults,
			 AjSite *site, AjSitePlan *p, AjSiteGrid *g)
{
	char	   *dem_name = aj_param_text(params, "dem", NULL);
	double		lon = (site->west + site->east) / 2,
				lat = (site->south + site->north) / 2;
	double		dflt = defaults->cell_m > 0 ? defaults->cell_m : 30.0;
	double		margin;
	double		x0 = INFINITY,
				y0 = INFINITY,
				x1 = -INFINITY,
				y1 = -INFINITY;
	double		ncols,
				nrows;
	bool		aligned;

	p->margin_m = aj_param_number(params, "margin_m", 100, 0, 20000);
	g->max_slope_deg = aj_param_number(params, "max_slope_deg",
									   defaults->max_slope_deg, 0, 90);
	g->boundary_setback_m = aj_param_number(params, "boundary_setback_m",
											defaults->boundary_setback_m,
											0, 10000);
	g->min_patch_m2 = aj_param_number(params, "min_patch_m2", 900, 0, 1e12);
	g->slope_method = strcmp(aj_param_choice(params, "slope_method", "horn",
											 slope_methods), "horn") == 0 ?
		AJK_SLOPE_HORN : AJK_SLOPE_ZEVENBERGEN_THORNE;

	p->dem = aj_dem_find(dem_name, site->west, site->south, site->east,
						 site->north);
	check_cover(site, p->dem);
	g->dem_name = p->dem->name;
	g->dem_cell_m = p->dem->cell_m;

	g->zone = ajk_utm_zone(lon);
	g->south = lat < 0;
	if (p->dem->zone)
	{
		p->dem_tm = ajk_tm_utm(p->dem->zone, p->dem->south);
		if (fabs(remainder(lon - p->dem_tm.lon0_deg, 360)) <= 6.0)
		{
			g->zone = p->dem->zone;
			g->south = p->dem->south;
		}
		if (defaults->cell_m == 0 &&
			p->dem->cell_m >= 10 && p->dem->cell_m <= 100 &&
			p->dem->dx == p->dem->dy)
			dflt = p->dem->cell_m;
	}
	p->tm = ajk_tm_utm(g->zone, g->south);
	g->k = ajk_tm_scale(&p->tm, lon, lat);

	project_paths(&p->tm, site->nrings, site->rings);
	for (int i = 0; i < site->nrings; i++)
		for (int j = 0; j < site->rings[i].n; j++)
		{
			x0 = fmin(x0, site->rings[i].x[j]);
			x1 = fmax(x1, site->rings[i].x[j]);
			y0 = fmin(y0, site->rings[i].y[j]);
			y1 = fmax(y1, site->rings[i].y[j]);
		}

	while (defaults->max_cells > 0 &&
		   (x1 - x0) * (y1 - y0) / (dflt * dflt) > defaults->max_cells)
		dflt *= 2;

	/* sums over a few cells would be those of another site */
	while (defaults->cell_m == 0 && dflt > 1 &&
		   fmin(x1 - x0, y1 - y0) < LEAST_CELLS * dflt)
		dflt /= 2;
	p->frame.cell = defaults->force_cell_m > 0 ? defaults->force_cell_m :
		aj_param_number(params, "resolution_m", dflt, 0.1, 5000);

	/* slope needs a cell all around, also where no margin is wanted */
	margin = fmax(p->margin_m * g->k, 2 * p->frame.cell);
	x0 -= margin;
	y0 -= margin;
	x1 += margin;
	y1 += margin;
	aligned = p->dem->zone == g->zone && p->dem->south == g->south &&
		p->dem->dx == p->frame.cell && p->dem->dy == p->frame.cell;
	{
		double		ox = aligned ? p->dem->x0 : 0,
					oy = aligned ? p->dem->y0 : 0,
					cell = p->frame.cell;

		p->frame.x0 = ox + floor((x0 - ox) / cell) * cell;
		p->frame.y0 = oy + ceil((y1 - oy) / cell) * cell;
		ncols = ceil((x1 - p->frame.x0) / cell);
		nrows = ceil((p->frame.y0 - y0) / cell);
	}
	p->frame.ncols = (int) fmin(ncols, 1e6);
	p->frame.nrows = (int) fmin(nrows, 1e6);
	p->factor = Max(1, (int) Min(floor(p->frame.cell / p->dem->cell_m + 1e-9), 1e6));
	aj_site_plan_window(p, &p->frame, &p->col0, &p->row0, &p->ncols, &p->nrows);
	p->bytes = grid_bytes(p, ncols * nrows, p->frame.cell,
						  defaults->extra_bytes);
	if (!defaults->streams)
		check_grid_memory(p, ncols, nrows, defaults->extra_bytes);
	if (ncols > 1e6 || nrows > 1e6)
		aj_step_error(AJ_ERRCODE_RESOURCE, "grid_too_large",
					  psprintf("%.0f x %.0f cells are more than 1,000,000 along a side",
							   ncols, nrows), NULL, "Raise resolution_m.");

	g->site = site;
	g->ncols = p->frame.ncols;
	g->nrows = p->frame.nrows;
	g->cell_m = p->frame.cell;
	g->x0 = p->frame.x0;
	g->y0 = p->frame.y0;
}

/* ---- building ---- */

/*
 * How far the middle of an edge is off, ground metres: GeoJSON's edges are
 * straight in degrees (RFC 7946, 3.1.1), those of the grid in its metres.
 */
static double
bend(const AjSiteGrid *g, const AjkTm *tm, const AjPath *p, bool closed)
{
	double		most = 0;

	for (int i = 0; i < (closed ? p->n : p->n - 1); i++)
	{
		int			j = i + 1 < p->n ? i + 1 : 0;
		double		x,
					y;

		ajk_tm_forward(tm, (p->lon[i] + p->lon[j]) / 2,
					   (p->lat[i] + p->lat[j]) / 2, &x, &y);
		most = fmax(most, ajk_segment_dist2(x, y, p->x[i], p->y[i], p->x[j],
											p->y[j]));
	}
	return sqrt(most) / g->k;
}

/* Give every zone type its bit, and every path its place. */
void
aj_site_set_zones(AjSiteGrid *g, const AjkTm *tm)
{
	AjSite	   *site = g->site;

	g->rings = palloc(site->nrings * sizeof(AjkPath));
	for (int i = 0; i < site->nrings; i++)
		g->rings[i] = (AjkPath)
	{
		site->rings[i].n, site->rings[i].x, site->rings[i].y
	};
	g->bend_m = 0;
	for (int i = 0; i < site->nrings; i++)
		g->bend_m = fmax(g->bend_m, bend(g, tm, &site->rings[i], true));
	g->nzone = site->nzones;
	g->zone_type = palloc0(Max(g->nzone, 1) * sizeof(int));
	g->zone_paths = palloc0(Max(g->nzone, 1) * sizeof(AjkPath *));
	g->zone_box = palloc0(Max(g->nzone, 1) * 4 * sizeof(double));
	g->zone_bend_m = palloc0(Max(g->nzone, 1) * sizeof(double));
	for (int z = 0; z < site->nzones; z++)
	{
		AjZone	   *zone = &site->zones[z];
		double	   *box = &g->zone_box[4 * z];
		int			t = 0;

		while (t < g->nzone_types &&
			   strcmp(g->zone_types[t], zone->zone_type) != 0)
			t++;
		if (t == g->nzone_types)
		{
			if (t == AJ_MAX_ZONE_TYPES)
				aj_step_error(AJ_ERRCODE_VALIDATION, "zone_invalid",
							  psprintf("site has more than %d zone types",
									   AJ_MAX_ZONE_TYPES), NULL,
							  "Give similar exclusions the same zone_type.");
			g->zone_types[g->nzone_types++] = zone->zone_type;
		}
		g->zone_type[z] = t;

		project_paths(tm, zone->npaths, zone->paths);
		g->zone_paths[z] = palloc(zone->npaths * sizeof(AjkPath));
		box[0] = box[1] = INFINITY;
		box[2] = box[3] = -INFINITY;
		for (int i = 0; i < zone->npaths; i++)
		{
			AjPath	   *p = &zone->paths[i];

			g->zone_paths[z][i] = (AjkPath)
			{
				p->n, p->x, p->y
			};
			g->zone_bend_m[z] = fmax(g->zone_bend_m[z],
									 bend(g, tm, p, zone->shape == AJ_SHAPE_POLYGON));
			for (int j = 0; j < p->n; j++)
			{
				box[0] = fmin(box[0], p->x[j]);
				box[1] = fmin(box[1], p->y[j]);
				box[2] = fmax(box[2], p->x[j]);
				box[3] = fmax(box[3], p->y[j]);
			}
		}
		box[0] -= zone->buffer_m * g->k;
		box[1] -= zone->buffer_m * g->k;
		box[2] += zone->buffer_m * g->k;
		box[3] += zone->buffer_m * g->k;
	}
	if (site->has_entry)
		ajk_tm_forward(tm, site->entry_lon, site->entry_lat, &g->entry_x,
					   &g->entry_y);
}

/* One cell array of the grid. */
static void *
cells_alloc(const AjSiteGrid *g, Size width)
{
	return MemoryContextAllocExtended(CurrentMemoryContext,
									  (Size) g->ncols * g->nrows * width,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

static AjkError
mask_boundary(AjSiteGrid *g, const AjkFrame *f)
{
	AjkError	err = ajk_raster_rings(f, g->rings, g->site->nrings, false,
									   AJ_REASON_OUTSIDE, g->reasons,
									   aj_poll, NULL);

	for (int i = 0; err == AJK_OK && i < g->site->nrings; i++)
		err = ajk_raster_near(f, &g->rings[i], true,
							  g->boundary_setback_m * g->k,
							  AJ_REASON_BOUNDARY_SETBACK, g->reasons,
							  aj_poll, NULL);
	return err;
}

static AjkError
mask_zones(AjSiteGrid *g, const AjkFrame *f)
{
	AjkError	err = AJK_OK;

	for (int z = 0; err == AJK_OK && z < g->nzone; z++)
	{
		AjZone	   *zone = &g->site->zones[z];
		uint32		bit = 1u << (AJ_REASON_ZONE_SHIFT + g->zone_type[z]);

		if (zone->cost_multiplier < AJ_HARD_ZONE)
			continue;
		if (zone->shape == AJ_SHAPE_POLYGON)
			err = ajk_raster_rings(f, g->zone_paths[z], zone->npaths, true,
								   bit, g->reasons, aj_poll, NULL);
		for (int i = 0; err == AJK_OK && zone->buffer_m > 0 &&
			 i < zone->npaths; i++)
			err = ajk_raster_near(f, &g->zone_paths[z][i],
								  zone->shape == AJ_SHAPE_POLYGON,
								  zone->buffer_m * g->k, bit, g->reasons,
								  aj_poll, NULL);
	}
	return err;
}

/* Cells that a patch has at least; 0 or 1: any will do. */
double
aj_site_min_cells(const AjSiteGrid *g)
{
	double		cell_area = g->cell_m * g->cell_m / (g->k * g->k);

	return floor(g->min_patch_m2 / cell_area + 0.5);
}

/* Elevation, slope, aspect and what excludes each cell by itself */
AjkError
aj_site_derive(AjSiteGrid *g, const AjSitePlan *p, const AjkFrame *frame,
			   const AjkDem *source, double from, double to)
{
	Size		n = (Size) g->ncols * g->nrows;
	AjPoll		poll;
	AjkError	err;

	poll.from = from;
	poll.to = from + 0.5 * (to - from);
	poll.message = "projecting elevation";
	err = ajk_resample(source, &p->tm, frame, g->elev, aj_poll, &poll);

	poll.from = poll.to;
	poll.to = from + 0.8 * (to - from);
	poll.message = "computing slope and aspect";
	if (err == AJK_OK)
		err = ajk_slope_aspect(g->elev, g->ncols, g->nrows, NULL, NULL, g->cell_m,
							   g->cell_m, g->slope_method, g->slope,
							   g->aspect, aj_poll, &poll);
	if (err == AJK_OK)
		err = ajk_mask_above(g->slope, n, g->max_slope_deg, AJ_REASON_SLOPE,
							 AJ_REASON_NODATA, g->reasons, aj_poll, NULL);
	if (err == AJK_OK)
		err = mask_boundary(g, frame);
	if (err == AJK_OK)
		err = mask_zones(g, frame);
	return err;
}

/* Small patches, and what the reasons take; what is within the boundary */
static AjkError
count_cells(AjSiteGrid *g, AjPoll *poll)
{
	Size		n = (Size) g->ncols * g->nrows;
	double		min_cells = aj_site_min_cells(g);
	AjkError	err = AJK_OK;
	size_t		buildable = 0;

	if (min_cells > 1)
		err = ajk_mask_patches(g->reasons, g->ncols, g->nrows,
							   (size_t) min_cells, AJ_REASON_SMALL_PATCH,
							   NULL, NULL, aj_poll, NULL);
	if (err == AJK_OK)
		err = ajk_mask_counts(g->reasons, n, AJ_REASON_OUTSIDE,
							  g->lost_cells, g->lost_alone, &buildable,
							  aj_poll, poll);
	if (err == AJK_OK)
		aj_site_set_areas(g, buildable);
	return err;
}

void
aj_site_set_areas(AjSiteGrid *g, size_t buildable)
{
	double		cell_area = g->cell_m * g->cell_m / (g->k * g->k);

	g->buildable_area_m2 = buildable * cell_area;
	g->site_area_m2 = 0;
	for (int i = 0; i < g->site->nrings; i++)
		g->site_area_m2 += fabs(ajk_ring_area(&g->rings[i])) / (g->k * g->k)
			* (g->site->rings[i].hole ? -1 : 1);
}

/* Exclude by what has been written into slope, instead of what was before. */
AjkError
aj_site_exclude_again(AjSiteGrid *g)
{
	Size		n = (Size) g->ncols * g->nrows;
	AjkError	err;

	for (Size i = 0; i < n; i++)
		g->reasons[i] &= ~(AJ_REASON_SLOPE | AJ_REASON_NODATA |
						   AJ_REASON_SMALL_PATCH);
	err = ajk_mask_above(g->slope, n, g->max_slope_deg, AJ_REASON_SLOPE,
						 AJ_REASON_NODATA, g->reasons, aj_poll, NULL);
	return err == AJK_OK ? count_cells(g, NULL) : err;
}

/* Everything between reading the tables and the finished grid. */
static AjkError
compute(AjSiteGrid *g, const AjSitePlan *p, const AjkDem *source, double from,
		double to)
{
	AjPoll		poll = {from + 0.8 * (to - from), to, "applying exclusions"};
	AjkError	err = aj_site_derive(g, p, &p->frame, source, from, to);

	return err == AJK_OK ? count_cells(g, &poll) : err;
}

AjSiteGrid *
aj_site_grid_load(JsonbContainer *params, const AjSiteGridDefaults *defaults,
				  double from, double to)
{
	AjSiteGrid *g = palloc0(sizeof(AjSiteGrid));
	AjSitePlan	plan = {0};
	AjkDem		source = {0};
	float	   *window;
	AjkError	err;
	AjSite	   *site = aj_site_get(params);

	aj_site_plan(params, defaults, site, &plan, g);
	aj_progress(from, "reading elevation");
	source.ncols = (plan.ncols + plan.factor - 1) / plan.factor;
	source.nrows = (plan.nrows + plan.factor - 1) / plan.factor;
	source.dx = plan.dem->dx * plan.factor;
	source.dy = plan.dem->dy * plan.factor;
	source.x0 = plan.dem->x0 + plan.col0 * plan.dem->dx;
	source.y0 = plan.dem->y0 - plan.row0 * plan.dem->dy;
	source.tm = plan.dem->zone ? &plan.dem_tm : NULL;
	window = MemoryContextAllocHuge(CurrentMemoryContext,
									(Size) source.ncols * source.nrows
									* sizeof(float));
	aj_dem_window(plan.dem, plan.col0, plan.row0, plan.ncols, plan.nrows,
				  plan.factor, window);
	source.z = window;

	g->elev = cells_alloc(g, sizeof(float));
	g->slope = cells_alloc(g, sizeof(float));
	CHECK_FOR_INTERRUPTS();
	g->aspect = cells_alloc(g, sizeof(float));
	g->reasons = cells_alloc(g, sizeof(uint32));
	aj_site_set_zones(g, &plan.tm);

	aj_compute_begin();
	err = compute(g, &plan, &source, from + 0.2 * (to - from), to);
	aj_compute_end();
	pfree(window);
	if (err == AJK_STOPPED)
		aj_poll_finish();
	if (err != AJK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Failed on the grid of a site, %d x %d cells.",
						   g->ncols, g->nrows)));
	return g;
}

void
aj_site_grid_check(JsonbContainer *params, const AjSiteGridDefaults *defaults)
{
	AjSiteGrid	g = {0};
	AjSitePlan	plan = {0};

	aj_site_plan(params, defaults, aj_site_get(params), &plan, &g);
	aj_site_set_zones(&g, &plan.tm);
}
