/*-------------------------------------------------------------------------
 *
 * dem_read.c
 *		Finding an elevation model and reading a window of its tiles.
 *
 * Only the tiles that the window touches are read, a few at a time, so a
 * site in a model of any size costs memory for its own window only.  Where
 * the grid wanted is coarser than the model, whole blocks of cells are
 * averaged on the way in.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "dem.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define TILES_AT_ONCE	16

#define DEM_COLUMNS \
	"dem_id, name, epsg, ncols, nrows, x0, y0, dx, dy, tile_cells," \
	" west, south, east, north, cell_m, complete, rows_loaded"

#define VISIBLE \
	"(owner OPERATOR(pg_catalog.=) current_user OR owner IS NULL)"

static double
float8_column(int n)
{
	bool		isnull;

	return DatumGetFloat8(SPI_getbinval(SPI_tuptable->vals[0],
										SPI_tuptable->tupdesc, n, &isnull));
}

static int
int4_column(int n)
{
	bool		isnull;

	return DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0],
									   SPI_tuptable->tupdesc, n, &isnull));
}

/* The first row of DEM_COLUMNS that SPI has returned. */
static void
read_row(AjDem *d, MemoryContext context)
{
	bool		isnull;

	d->id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
										SPI_tuptable->tupdesc, 1, &isnull));
	d->name = MemoryContextStrdup(context,
								  SPI_getvalue(SPI_tuptable->vals[0],
											   SPI_tuptable->tupdesc, 2));
	d->epsg = int4_column(3);
	d->ncols = int4_column(4);
	d->nrows = int4_column(5);
	d->x0 = float8_column(6);
	d->y0 = float8_column(7);
	d->dx = float8_column(8);
	d->dy = float8_column(9);
	d->tile = int4_column(10);
	d->west = float8_column(11);
	d->south_lat = float8_column(12);
	d->east = float8_column(13);
	d->north = float8_column(14);
	d->cell_m = float8_column(15);
	if (!ajk_epsg_known(d->epsg, &d->zone, &d->south) || d->tile < 1 ||
		d->ncols < 1 || d->nrows < 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("elevation model \"%s\" has an invalid row in asyncjob.dem",
						d->name),
				 errhint("Load it again with asyncjob.load_dem().")));
}

static void
must_select(int ret)
{
	if (ret != SPI_OK_SELECT)
		elog(ERROR, "reading asyncjob.dem failed: %s",
			 SPI_result_code_string(ret));
}

static bool
find_named(AjDem *d, const char *name, MemoryContext context)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1];

	values[0] = CStringGetTextDatum(name);
	must_select(SPI_execute_with_args("SELECT " DEM_COLUMNS " FROM asyncjob.dem"
									  " WHERE name OPERATOR(pg_catalog.=) $1 AND " VISIBLE
									  " ORDER BY owner IS NULL LIMIT 1",
									  1, types, values, NULL, true, 1));
	if (SPI_processed == 0)
		return false;
	read_row(d, context);
	if (strcmp(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 16),
			   "t") != 0)
		aj_step_error(AJ_ERRCODE_VALIDATION, "dem_incomplete",
					  psprintf("elevation model \"%s\" is not complete", name),
					  psprintf("Rows %s of %d are there.",
							   SPI_getvalue(SPI_tuptable->vals[0],
											SPI_tuptable->tupdesc, 17),
							   d->nrows),
					  "Load the missing rows with asyncjob.load_dem_rows().");
	return true;
}

/*
 * The finest model whose bounding box holds the box.  Longitudes of a model
 * may count from 0 to 360, or beyond the 180th meridian.
 */
static bool
find_covering(AjDem *d, const double *box, MemoryContext context)
{
	Oid			types[4] = {FLOAT8OID, FLOAT8OID, FLOAT8OID, FLOAT8OID};
	Datum		values[4];

	for (int i = 0; i < 4; i++)
		values[i] = Float8GetDatum(box[i]);
	must_select(SPI_execute_with_args("SELECT " DEM_COLUMNS " FROM asyncjob.dem"
									  " WHERE " VISIBLE " AND complete"
									  " AND south OPERATOR(pg_catalog.<=) $2 AND north OPERATOR(pg_catalog.>=) $4"
									  " AND EXISTS (SELECT FROM (VALUES (0), (360), (-360)) v (turn)"
									  " WHERE west OPERATOR(pg_catalog.<=) ($1 OPERATOR(pg_catalog.+) turn)"
									  " AND east OPERATOR(pg_catalog.>=) ($3 OPERATOR(pg_catalog.+) turn))"
									  " ORDER BY owner IS NULL, cell_m, name LIMIT 1",
									  4, types, values, NULL, true, 1));
	if (SPI_processed == 0)
		return false;
	read_row(d, context);
	return true;
}

AjDem *
aj_dem_find(const char *name, double west, double south, double east,
			double north)
{
	AjDem	   *d = palloc0(sizeof(AjDem));
	double		box[4] = {west, south, east, north};
	double		swapped[4] = {south, west, north, east};
	volatile bool found = false;
	volatile bool turned = false;

	aj_read_begin();
	{
		if (name)
			found = find_named(d, name, aj_read_context);
		else
		{
			found = find_covering(d, box, aj_read_context);
			if (!found)
				turned = find_covering(d, swapped, aj_read_context);
		}
	}
	aj_read_end();
	if (found)
		return d;
	if (name)
		aj_step_error(AJ_ERRCODE_VALIDATION, "dem_unknown",
					  psprintf("elevation model \"%s\" is not loaded", name),
					  NULL,
					  "Load it with asyncjob.load_dem(name, asc_grid, epsg), or leave \"dem\" out to take the finest one that covers the site.");
	aj_step_error(AJ_ERRCODE_VALIDATION, "dem_does_not_cover_site",
				  "no loaded elevation model covers the site",
				  psprintf("The site reaches from %.7g, %.7g to %.7g, %.7g (longitude, latitude).%s",
						   west, south, east, north,
						   turned ? " Its longitude and latitude seem to be swapped." : ""),
				  "Load one that does with asyncjob.load_dem(name, asc_grid, epsg).");
	return NULL;
}

void
aj_dem_project(const AjDem *d, double lon, double lat, double *x, double *y)
{
	if (d->zone == 0)
	{
		/* some grids count longitude 0..360, or on beyond the 180th meridian */
		if (lon < d->west - d->dx && lon + 360.0 <= d->east + d->dx)
			lon += 360.0;
		else if (lon > d->east + d->dx && lon - 360.0 >= d->west - d->dx)
			lon -= 360.0;
		*x = lon;
		*y = lat;
	}
	else
	{
		AjkTm		tm = ajk_tm_utm(d->zone, d->south);

		ajk_tm_forward(&tm, lon, lat, x, y);
	}
}

bool
aj_dem_contains(const AjDem *d, double lon, double lat)
{
	double		x,
				y;

	aj_dem_project(d, lon, lat, &x, &y);
	return x >= d->x0 && x <= d->x0 + d->ncols * d->dx &&
		y <= d->y0 && y >= d->y0 - d->nrows * d->dy;
}

/* What a window's blocks add up to while they are averaged. */
typedef struct Sums
{
	double	   *sum;
	uint32	   *count;
} Sums;

static float
swap_if_big_endian(float v)
{
#ifdef WORDS_BIGENDIAN
	uint32		u;

	memcpy(&u, &v, 4);
	u = pg_bswap32(u);
	memcpy(&v, &u, 4);
#endif
	return v;
}

static void
add_tile(const AjDem *d, int tile_row, int tile_col, const bytea *data,
		 int col0, int row0, int ncols, int nrows, int factor, float *out,
		 Sums *sums)
{
	int			tr = tile_row * d->tile,
				tc = tile_col * d->tile;
	int			rows = Min(d->tile, d->nrows - tr),
				cols = Min(d->tile, d->ncols - tc);
	int			w = (ncols + factor - 1) / factor;
	const float *cell = (const float *) VARDATA_ANY(data);

	if (tile_row < 0 || tile_col < 0 || rows <= 0 || cols <= 0 ||
		VARSIZE_ANY_EXHDR(data) != sizeof(float) * rows * cols)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("tile %d, %d of elevation model \"%s\" has a wrong size",
						tile_row, tile_col, d->name),
				 errhint("Load the model again with asyncjob.load_dem().")));
	for (int r = Max(tr, row0); r < Min(tr + rows, row0 + nrows); r++)
		for (int c = Max(tc, col0); c < Min(tc + cols, col0 + ncols); c++)
		{
			float		v;
			Size		at = (Size) ((r - row0) / factor) * w
			+ (c - col0) / factor;

			/* a bytea's contents need not be aligned */
			memcpy(&v, &cell[(Size) (r - tr) * cols + (c - tc)], sizeof(v));
			v = swap_if_big_endian(v);
			if (factor == 1)
				out[at] = v;
			else if (!isnan(v))
			{
				sums->sum[at] += v;
				sums->count[at]++;
			}
		}
}

void
aj_dem_window(const AjDem *d, int col0, int row0, int ncols, int nrows,
			  int factor, float *out)
{
	int			w = (ncols + factor - 1) / factor,
				h = (nrows + factor - 1) / factor;
	Size		n = (Size) w * h;
	Sums		sums = {0};

	for (Size i = 0; i < n; i++)
		out[i] = NAN;
	if (factor > 1)
	{
		sums.sum = MemoryContextAllocExtended(CurrentMemoryContext,
											  n * sizeof(double),
											  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		sums.count = MemoryContextAllocExtended(CurrentMemoryContext,
												n * sizeof(uint32),
												MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	}

	aj_read_begin();
	{
		Oid			types[5] = {INT8OID, INT4OID, INT4OID, INT4OID, INT4OID};
		Datum		values[5];
		Portal		cursor;

		values[0] = Int64GetDatum(d->id);
		values[1] = Int32GetDatum(row0 / d->tile);
		values[2] = Int32GetDatum((row0 + nrows - 1) / d->tile);
		values[3] = Int32GetDatum(col0 / d->tile);
		values[4] = Int32GetDatum((col0 + ncols - 1) / d->tile);
		cursor = SPI_cursor_open_with_args(NULL,
										   "SELECT tile_row, tile_col, data FROM asyncjob.dem_tile"
										   " WHERE dem_id OPERATOR(pg_catalog.=) $1"
										   " AND tile_row OPERATOR(pg_catalog.>=) $2"
										   " AND tile_row OPERATOR(pg_catalog.<=) $3"
										   " AND tile_col OPERATOR(pg_catalog.>=) $4"
										   " AND tile_col OPERATOR(pg_catalog.<=) $5"
										   " ORDER BY tile_row, tile_col",
										   5, types, values, NULL, true, 0);
		for (;;)
		{
			SPI_cursor_fetch(cursor, true, TILES_AT_ONCE);
			if (SPI_processed == 0)
				break;
			for (uint64 i = 0; i < SPI_processed; i++)
			{
				HeapTuple	t = SPI_tuptable->vals[i];
				TupleDesc	td = SPI_tuptable->tupdesc;
				bool		isnull;
				Datum		raw = SPI_getbinval(t, td, 3, &isnull);
				bytea	   *data = DatumGetByteaPP(raw);

				add_tile(d, DatumGetInt32(SPI_getbinval(t, td, 1, &isnull)),
						 DatumGetInt32(SPI_getbinval(t, td, 2, &isnull)),
						 data, col0, row0, ncols, nrows, factor, out, &sums);
				if ((Pointer) data != DatumGetPointer(raw))
					pfree(data);
			}
			SPI_freetuptable(SPI_tuptable);
			CHECK_FOR_INTERRUPTS();
		}
		SPI_cursor_close(cursor);
	}
	aj_read_end();

	if (factor > 1)
	{
		for (int r = 0; r < h; r++)
			for (int c = 0; c < w; c++)
			{
				Size		at = (Size) r * w + c;
				int			full = Min(factor, nrows - r * factor)
				* Min(factor, ncols - c * factor);

				if (sums.count[at] * 2 >= (uint32) full && sums.count[at] > 0)
					out[at] = (float) (sums.sum[at] / sums.count[at]);
			}
		pfree(sums.sum);
		pfree(sums.count);
	}
}
