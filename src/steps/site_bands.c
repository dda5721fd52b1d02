/*-------------------------------------------------------------------------
 *
 * site_bands.c
 *		The grid of a site that is too large to be held, in bands of rows.
 *
 * A band is a grid of its own, made by the functions that make whole grids,
 * and its cells are those of the whole to the last bit: places are reckoned
 * from the whole grid's corner, elevations from the whole window's.  It has
 * a row more above and below, so what looks at 3 x 3 cells is right in every
 * row that counts.
 *
 * What a step needs beside it is in the same reckoning: a bit a cell, some
 * hundred bytes a column, and an overview of coarser cells that is held as a
 * whole.  A band takes at most a quarter of asyncjob.max_step_memory, the
 * overview half; the bits are what a grid can be too large for.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "site_grid.h"

#include <math.h>

#include "utils/memutils.h"

#include "site_plan.h"

#define BAND_CELL_BYTES		32.0	/* grid, three values more, a mark */
#define COLUMN_BYTES		640.0	/* records of patches, rows of distances */
#define OVERVIEW_CELL_BYTES	96.0	/* grid, details, outlines */
#define OVERVIEW_CELLS		4e6 /* no more are of use in a picture */
#define MOST_ROWS			256
#define LEAST_ROWS			4

/* How the memory is shared out; bytes is what all of it takes. */
static void
share_out(AjSiteBands *b, double ncols, double nrows, double cell)
{
	double		limit = (double) aj_max_step_memory();
	double		factor = b->plan->factor;
	double		overview;
	double		row;
	double		rows;

	/* a row of the band with what of the model's window it needs */
	row = ncols * BAND_CELL_BYTES +
		b->plan->ncols / factor * (cell / b->plan->dem->cell_m / factor + 1) *
		(factor > 1 ? sizeof(float) + sizeof(double) + sizeof(uint32) : sizeof(float));
	rows = floor(0.25 * limit / row) - 6;
	rows = Max(Min(Min(rows, MOST_ROWS), nrows), LEAST_ROWS);
	b->most_rows = (int) rows;
	b->bands = (int) ceil(nrows / rows);
	b->overview_cell_m = cell;
	for (;;)
	{
		overview = (ncols * cell / b->overview_cell_m + 4) *
			(nrows * cell / b->overview_cell_m + 4);
		if (overview <= OVERVIEW_CELLS &&
			overview * OVERVIEW_CELL_BYTES <= 0.5 * limit)
			break;
		b->overview_cell_m *= 2;
	}
	b->bytes = ncols * nrows / 8 + ncols * COLUMN_BYTES + (rows + 6) * row +
		overview * OVERVIEW_CELL_BYTES;
}

static AjSiteBands *
plan(JsonbContainer *params, const AjSiteGridDefaults *defaults)
{
	AjSiteBands *b = palloc0(sizeof(AjSiteBands));
	AjSiteGridDefaults d = *defaults;
	AjSiteGrid *g = palloc0(sizeof(AjSiteGrid));
	double		cell;
	double		limit = (double) aj_max_step_memory();

	d.streams = true;
	b->grid = g;
	b->plan = palloc0(sizeof(AjSitePlan));
	aj_site_plan(params, &d, aj_site_get(params), b->plan, g);
	cell = g->cell_m;
	share_out(b, g->ncols, g->nrows, cell);
	if (b->bytes > limit)
	{
		AjSiteBands c = *b;
		double		fits = floor(cell);

		do
		{
			fits = Max(fits + 1, ceil(fits * 1.05));
			share_out(&c, g->ncols * cell / fits + 4, g->nrows * cell / fits + 4, fits);
		} while (c.bytes > limit && fits < 5000);
		aj_check_memory(b->bytes, psprintf("%d x %d cells, in bands,", g->ncols, g->nrows),
						psprintf("Raise resolution_m to %.0f or asyncjob.max_step_memory.", fits));
	}
	return b;
}

bool
aj_site_grid_fits(JsonbContainer *params, const AjSiteGridDefaults *defaults)
{
	AjSiteGrid	g = {0};
	AjSitePlan	p = {0};
	AjSiteGridDefaults d = *defaults;

	d.streams = true;
	aj_site_plan(params, &d, aj_site_get(params), &p, &g);
	aj_site_set_zones(&g, &p.tm);
	if (p.bytes <= (double) aj_max_step_memory())
		return true;
	(void) plan(params, defaults);
	return false;
}

AjSiteBands *
aj_site_bands(JsonbContainer *params, const AjSiteGridDefaults *defaults)
{
	AjSiteBands *b = plan(params, defaults);
	AjSiteGrid *g = b->grid;
	Size		cells = (Size) g->ncols * (b->most_rows + 2);

	aj_site_set_zones(g, &b->plan->tm);
	aj_site_set_areas(g, 0);
	b->band = palloc(sizeof(AjSiteGrid));
	*b->band = *g;
	b->band->elev = MemoryContextAllocHuge(CurrentMemoryContext, cells * sizeof(float));
	b->band->slope = MemoryContextAllocHuge(CurrentMemoryContext, cells * sizeof(float));
	b->band->aspect = MemoryContextAllocHuge(CurrentMemoryContext, cells * sizeof(float));
	b->band->reasons = MemoryContextAllocHuge(CurrentMemoryContext, cells * sizeof(uint32));
	return b;
}

/*
 * What of the model's window a frame needs, read; with the whole window's
 * corner, so that places in it come out the same.
 */
static void
read_window(const AjSiteBands *b, const AjkFrame *f, float **window, Size *room,
			AjkDem *source)
{
	const AjSitePlan *p = b->plan;
	int			col0,
				row0,
				ncols,
				nrows;
	int			end;
	Size		need;

	aj_site_plan_window(p, f, &col0, &row0, &ncols, &nrows);
	end = row0 + nrows;
	/* whole blocks, as far as the whole window goes */
	end = p->row0 + (end - p->row0 + p->factor - 1) / p->factor * p->factor;
	row0 = Max(row0, p->row0);
	end = Min(end, p->row0 + p->nrows);
	nrows = Max(end - row0, 1);

	memset(source, 0, sizeof(*source));
	source->ncols = (p->ncols + p->factor - 1) / p->factor;
	source->nrows = (p->nrows + p->factor - 1) / p->factor;
	source->dx = p->dem->dx * p->factor;
	source->dy = p->dem->dy * p->factor;
	source->x0 = p->dem->x0 + p->col0 * p->dem->dx;
	source->y0 = p->dem->y0 - p->row0 * p->dem->dy;
	source->tm = p->dem->zone ? &p->dem_tm : NULL;
	source->row0 = (row0 - p->row0) / p->factor;
	source->held = (nrows + p->factor - 1) / p->factor;
	need = (Size) source->ncols * source->held;
	if (need > *room)
	{
		if (*window)
			pfree(*window);
		*window = MemoryContextAllocHuge(CurrentMemoryContext, need * sizeof(float));
		*room = need;
	}
	aj_dem_window(p->dem, p->col0, row0, p->ncols, nrows, p->factor, *window);
	source->z = *window;
}

static void
check(AjkError err)
{
	if (err == AJK_STOPPED)
		aj_poll_finish();
	if (err != AJK_OK)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY),
						errmsg("out of memory"),
						errdetail("Failed on a band of the grid of a site.")));
}

bool
aj_site_bands_next(AjSiteBands *b, double from, double to)
{
	const AjSiteGrid *g = b->grid;
	AjSiteGrid *band = b->band;
	AjkFrame	f = b->plan->frame;
	AjkDem		source;
	int			end;
	double		begun;
	AjkError	err;

	b->first += b->nrows;
	if (b->first >= g->nrows)
		return false;
	b->nrows = Min(b->most_rows, g->nrows - b->first);
	b->skip = b->first > 0 ? 1 : 0;
	end = Min(b->first + b->nrows + 1, g->nrows);
	f.row0 = b->first - b->skip;
	f.nrows = end - f.row0;
	band->nrows = f.nrows;
	band->y0 = g->y0 - f.row0 * g->cell_m;
	memset(band->reasons, 0, sizeof(uint32) * (Size) band->ncols * band->nrows);
	read_window(b, &f, &b->window, &b->window_cells, &source);
	begun = from + (to - from) * b->first / g->nrows;
	aj_compute_begin();
	err = aj_site_derive(band, b->plan, &f, &source, begun,
						 begun + 0.5 * (to - from) * b->nrows / g->nrows);
	aj_compute_end();
	check(err);
	return true;
}

float *
aj_site_bands_box(const AjSiteBands *b, int col0, int row0, int ncols,
				  int nrows)
{
	AjkFrame	f = b->plan->frame;
	AjkDem		source;
	float	   *window = NULL;
	Size		room = 0;
	float	   *elev = MemoryContextAllocHuge(CurrentMemoryContext,
											  (Size) ncols * nrows * sizeof(float));
	AjkError	err;

	f.x0 += col0 * f.cell;
	f.ncols = ncols;
	f.row0 = row0;
	f.nrows = nrows;
	read_window(b, &f, &window, &room, &source);
	aj_compute_begin();
	err = ajk_resample(&source, &b->plan->tm, &f, elev, aj_poll, NULL);
	aj_compute_end();
	check(err);
	pfree(window);
	return elev;
}

void
aj_site_bands_end(const AjSiteBands *b)
{
	const AjSite *site = b->grid->site;
	AjDem	   *d = aj_dem_find(b->plan->dem->name, site->west, site->south,
								site->east, site->north);

	if (d->id != b->plan->dem->id)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("elevation model \"%s\" was replaced while it was being read",
						d->name)));
}
