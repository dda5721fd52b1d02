/*-------------------------------------------------------------------------
 *
 * dem_load.c
 *		load_dem() and load_dem_rows(): ESRI ASCII grids into tiles.
 *
 * The text is read once, row by row, into a band of 256 grid rows; when the
 * band is full its tiles are written.  So beside the text itself a model
 * needs memory for one band (10 MB for 10,000 columns).  A piece that covers
 * only part of a band is merged into the tiles that are there.
 *
 * Unknown cells are NaN in the tiles, whatever NODATA_value the source had.
 * An elevation that no place on Earth has is refused: it is nearly always a
 * void that the header does not declare.
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

#include "../kernels/ascgrid.h"

#define LOWEST_M	(-11100.0)
#define HIGHEST_M	9100.0
#define FEED_BYTES	65536

PG_FUNCTION_INFO_V1(aj_load_dem);
PG_FUNCTION_INFO_V1(aj_load_dem_rows);

typedef struct Loader
{
	AjDem		dem;
	AjkAscReader reader;
	bool		existing;		/* the model's row is there */
	float	   *band;			/* AJ_DEM_TILE rows */
	int			band_no;		/* -1: none begun */
	int			band_from;		/* rows filled in it, from..to */
	int			band_to;
	float	   *row;
	double		min_m;
	double		max_m;
	int64		unknown;
	int			first_row;
	SPIPlanPtr	put;
	SPIPlanPtr	get;
} Loader;

static AJ_NORETURN void
refuse(const char *name, const char *what, const char *hint)
{
	aj_step_error(AJ_ERRCODE_VALIDATION, "dem_invalid",
				  psprintf("elevation model \"%s\" is invalid: %s", name,
						   what), NULL, hint);
}

/* ---- where the grid lies ---- */

static void
check_epsg(Loader *l)
{
	if (!ajk_epsg_known(l->dem.epsg, &l->dem.zone, &l->dem.south))
		aj_step_error(AJ_ERRCODE_VALIDATION, "crs_unsupported",
					  psprintf("EPSG:%d is not supported", l->dem.epsg),
					  "Supported are 4326 (degrees), 32601 to 32660 and 32701 to 32760 (UTM).",
					  "Transform to EPSG:4326 or install PostGIS.");
}

/* Bounding box in degrees, from points along the rim. */
static void
set_bbox(Loader *l)
{
	AjDem	   *d = &l->dem;
	double		x1 = d->x0 + d->ncols * d->dx,
				y1 = d->y0 - d->nrows * d->dy;
	double		per_lon,
				per_lat;

	if (d->zone == 0)
	{
		d->west = d->x0;
		d->east = x1;
		d->north = d->y0;
		d->south_lat = y1;
		/* half a cell of slack for grids whose centres lie on the limits */
		if (d->west < -180.0 - d->dx || d->east > 360.0 + d->dx ||
			d->south_lat < -90.0 - d->dy || d->north > 90.0 + d->dy ||
			d->east - d->west > 360.0 + d->dx)
			aj_step_error(AJ_ERRCODE_VALIDATION, "coordinates_out_of_range",
						  psprintf("elevation model \"%s\" reaches from %.10g, %.10g to %.10g, %.10g degrees",
								   d->name, d->west, d->south_lat, d->east,
								   d->north),
						  "These are no degrees of longitude and latitude.",
						  "Give longitude -180..180 and latitude -90..90, longitude first; for a UTM grid in metres give its EPSG code (32601..32660, 32701..32760).");
		ajk_metres_per_degree((d->south_lat + d->north) / 2, &per_lon,
							  &per_lat);
		d->cell_m = Min(d->dx * per_lon, d->dy * per_lat);
	}
	else
	{
		AjkTm		tm = ajk_tm_utm(d->zone, d->south);

		if (d->x0 < -500000.0 || x1 > 1500000.0 || y1 < -100000.0 ||
			d->y0 > 10100000.0 || d->dx < 0.01 || d->dy < 0.01)
			aj_step_error(AJ_ERRCODE_VALIDATION, "coordinates_out_of_range",
						  psprintf("elevation model \"%s\" reaches from %.10g, %.10g to %.10g, %.10g metres",
								   d->name, d->x0, y1, x1, d->y0),
						  psprintf("These are no coordinates of EPSG:%d.",
								   d->epsg),
						  "Give eastings and northings in metres, or EPSG:4326 for a grid in degrees.");
		d->west = d->south_lat = INFINITY;
		d->east = d->north = -INFINITY;
		for (int i = 0; i <= 16; i++)
			for (int side = 0; side < 4; side++)
			{
				double		f = i / 16.0;
				double		x = side == 0 ? d->x0 : side == 1 ? x1 :
				d->x0 + f * (x1 - d->x0);
				double		y = side == 2 ? d->y0 : side == 3 ? y1 :
				d->y0 + f * (y1 - d->y0);
				double		lon,
							lat;

				/* one that goes over the 180th meridian counts on beyond it */
				ajk_tm_inverse(&tm, x, y, &lon, &lat);
				lon = tm.lon0_deg + remainder(lon - tm.lon0_deg, 360.0);
				d->west = Min(d->west, lon);
				d->east = Max(d->east, lon);
				d->south_lat = Min(d->south_lat, lat);
				d->north = Max(d->north, lat);
			}
		d->cell_m = Min(d->dx, d->dy);
	}
}

/* ---- writing ---- */

static SPIPlanPtr
prepare(const char *sql, int n, Oid *types)
{
	SPIPlanPtr	plan = SPI_prepare(sql, n, types);

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s",
			 SPI_result_code_string(SPI_result));
	return plan;
}

static void
must(int ret, int wanted)
{
	if (ret != wanted)
		elog(ERROR, "writing an elevation model failed: %s",
			 SPI_result_code_string(ret));
}

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

/* Write the tiles of the band, as far as it is filled. */
static void
flush_band(Loader *l)
{
	AjDem	   *d = &l->dem;
	int			rows = Min(AJ_DEM_TILE, d->nrows - l->band_no * AJ_DEM_TILE);
	bool		whole = l->band_from == 0 && l->band_to == rows;
	int			ntiles = (d->ncols + AJ_DEM_TILE - 1) / AJ_DEM_TILE;
	Size		max = VARHDRSZ + sizeof(float) * AJ_DEM_TILE * AJ_DEM_TILE;
	bytea	   *tile;

	if (l->band_no < 0)
		return;
	tile = palloc(max);
	for (int t = 0; t < ntiles; t++)
	{
		int			cols = Min(AJ_DEM_TILE, d->ncols - t * AJ_DEM_TILE);
		Size		size = VARHDRSZ + sizeof(float) * rows * cols;
		float	   *cell = (float *) VARDATA(tile);
		Datum		values[4];
		bool		merged = false;

		values[0] = Int64GetDatum(d->id);
		values[1] = Int32GetDatum(l->band_no);
		values[2] = Int32GetDatum(t);
		values[3] = PointerGetDatum(tile);
		if (!whole)
		{
			must(SPI_execute_plan(l->get, values, NULL, false, 1),
				 SPI_OK_SELECT);
			if (SPI_processed == 1)
			{
				bool		isnull;
				bytea	   *old = DatumGetByteaP(SPI_getbinval(SPI_tuptable->vals[0],
															   SPI_tuptable->tupdesc,
															   1, &isnull));

				if (VARSIZE(old) == size)
				{
					memcpy(tile, old, size);
					merged = true;
				}
			}
			SPI_freetuptable(SPI_tuptable);
		}
		SET_VARSIZE(tile, size);
		for (int r = 0; r < rows; r++)
		{
			bool		fresh = r >= l->band_from && r < l->band_to;

			if (!fresh && merged)
				continue;
			for (int c = 0; c < cols; c++)
				cell[r * cols + c] = swap_if_big_endian(!fresh ? NAN :
														l->band[(Size) r * d->ncols + t * AJ_DEM_TILE + c]);
		}
		must(SPI_execute_plan(l->put, values, NULL, false, 0), SPI_OK_INSERT);
	}
	pfree(tile);
	l->band_no = -1;
	CHECK_FOR_INTERRUPTS();
}

/* ---- the reader's callbacks ---- */

/* The header is known: replace the model's row. */
static float *
on_header(void *arg, const AjkAscHeader *h)
{
	Loader	   *l = arg;
	AjDem	   *d = &l->dem;
	Oid			types[14] = {TEXTOID, INT4OID, INT4OID, INT4OID, FLOAT8OID,
		FLOAT8OID, FLOAT8OID, FLOAT8OID, FLOAT8OID, FLOAT8OID, FLOAT8OID,
	FLOAT8OID, FLOAT8OID, FLOAT8OID};
	Datum		v[14];
	char		nulls[15] = "              ";
	bool		isnull;

	d->ncols = h->ncols;
	d->nrows = h->nrows;
	d->x0 = h->x0;
	d->y0 = h->y0;
	d->dx = h->dx;
	d->dy = h->dy;
	d->tile = AJ_DEM_TILE;
	set_bbox(l);

	v[0] = CStringGetTextDatum(d->name);
	v[1] = Int32GetDatum(d->epsg);
	v[2] = Int32GetDatum(d->ncols);
	v[3] = Int32GetDatum(d->nrows);
	v[4] = Float8GetDatum(d->x0);
	v[5] = Float8GetDatum(d->y0);
	v[6] = Float8GetDatum(d->dx);
	v[7] = Float8GetDatum(d->dy);
	v[8] = Float8GetDatum(h->nodata);
	if (!h->has_nodata || isnan(h->nodata))
		nulls[8] = 'n';
	v[9] = Float8GetDatum(d->west);
	v[10] = Float8GetDatum(d->south_lat);
	v[11] = Float8GetDatum(d->east);
	v[12] = Float8GetDatum(d->north);
	v[13] = Float8GetDatum(d->cell_m);
	must(SPI_execute_with_args("DELETE FROM asyncjob.dem WHERE name OPERATOR(pg_catalog.=) $1"
							   " AND owner OPERATOR(pg_catalog.=) current_user",
							   1, types, v, NULL, false, 0), SPI_OK_DELETE);
	must(SPI_execute_with_args("INSERT INTO asyncjob.dem (name, epsg, ncols, nrows, x0, y0, dx, dy,"
							   " nodata, west, south, east, north, cell_m)"
							   " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
							   " RETURNING dem_id", 14, types, v, nulls, false, 0),
		 SPI_OK_INSERT_RETURNING);
	d->id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
										SPI_tuptable->tupdesc, 1, &isnull));
	l->band = MemoryContextAllocHuge(CurrentMemoryContext,
									 sizeof(float) * AJ_DEM_TILE * (Size) d->ncols);
	l->row = palloc(sizeof(float) * d->ncols);
	return l->row;
}

static AjkError
on_row(void *arg, int row, const float *values)
{
	Loader	   *l = arg;
	AjDem	   *d = &l->dem;
	int			band = row / AJ_DEM_TILE;

	for (int c = 0; c < d->ncols; c++)
	{
		float		v = values[c];

		if (isnan(v))
			l->unknown++;
		else if (v < LOWEST_M || v > HIGHEST_M)
			refuse(d->name,
				   psprintf("%.10g at row %d, column %d is no elevation in metres",
							v, row + 1, c + 1),
				   "Declare voids with NODATA_value in the header, and give elevations in metres.");
		else
		{
			l->min_m = Min(l->min_m, v);
			l->max_m = Max(l->max_m, v);
		}
	}
	if (l->band_no != band)
	{
		flush_band(l);
		l->band_no = band;
		l->band_from = row % AJ_DEM_TILE;
	}
	memcpy(l->band + (Size) (row % AJ_DEM_TILE) * d->ncols, values,
		   sizeof(float) * d->ncols);
	l->band_to = row % AJ_DEM_TILE + 1;
	return AJK_OK;
}

/* ---- the functions ---- */

/* The row of a model of which further rows come. */
static void
find_existing(Loader *l, int first_row)
{
	AjDem	   *d = &l->dem;
	Oid			types[1] = {TEXTOID};
	Datum		v[1];
	bool		isnull;
	AjkAscHeader h = {0};
	HeapTuple	t;
	TupleDesc	td;

	v[0] = CStringGetTextDatum(d->name);
	must(SPI_execute_with_args("SELECT dem_id, epsg, ncols, nrows, nodata FROM asyncjob.dem"
							   " WHERE name OPERATOR(pg_catalog.=) $1"
							   " AND owner OPERATOR(pg_catalog.=) current_user FOR UPDATE",
							   1, types, v, NULL, false, 1), SPI_OK_SELECT);
	if (SPI_processed == 0)
		refuse(d->name, "its first rows have not been loaded",
			   "Begin with first_row 0 and a text that has the header.");
	t = SPI_tuptable->vals[0];
	td = SPI_tuptable->tupdesc;
	d->id = DatumGetInt64(SPI_getbinval(t, td, 1, &isnull));
	d->epsg = DatumGetInt32(SPI_getbinval(t, td, 2, &isnull));
	d->ncols = DatumGetInt32(SPI_getbinval(t, td, 3, &isnull));
	d->nrows = DatumGetInt32(SPI_getbinval(t, td, 4, &isnull));
	h.ncols = d->ncols;
	h.nrows = d->nrows;
	h.nodata = DatumGetFloat8(SPI_getbinval(t, td, 5, &isnull));
	h.has_nodata = !isnull;
	if (first_row < 0 || first_row >= d->nrows)
		refuse(d->name, psprintf("first_row is %d", first_row),
			   psprintf("Give 0 to %d: the grid has %d rows.",
						d->nrows - 1, d->nrows));
	l->band = MemoryContextAllocHuge(CurrentMemoryContext,
									 sizeof(float) * AJ_DEM_TILE * (Size) d->ncols);
	l->row = palloc(sizeof(float) * d->ncols);
	ajk_asc_begin_rows(&l->reader, &h, first_row, l->row, on_row, l);
}

static Datum
load(char *name, int first_row, text *asc, int epsg, bool whole)
{
	static Oid	types[4] = {INT8OID, INT4OID, INT4OID, BYTEAOID};
	MemoryContext caller = CurrentMemoryContext;
	Loader	   *l = palloc0(sizeof(Loader));
	AjkError	err = AJK_OK;
	const char *data = VARDATA_ANY(asc);
	Size		len = VARSIZE_ANY_EXHDR(asc);
	StringInfoData buf;
	Datum		v[5];
	Oid			vt[5] = {INT8OID, INT4OID, INT4OID, FLOAT8OID, FLOAT8OID};
	char		nulls[6] = "     ";
	char	   *json;
	bool		isnull;

	if (name[0] == '\0' || strlen(name) > 200)
		refuse(name, "its name is empty or longer than 200 bytes",
			   "Give a name of 1 to 200 characters.");
	l->dem.name = name;
	l->dem.epsg = epsg;
	l->band_no = -1;
	l->min_m = INFINITY;
	l->max_m = -INFINITY;
	check_epsg(l);

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (first_row == 0)
		ajk_asc_begin(&l->reader, on_header, on_row, l);
	else
		find_existing(l, first_row);
	l->put = prepare("INSERT INTO asyncjob.dem_tile (dem_id, tile_row, tile_col, data)"
					 " VALUES ($1, $2, $3, $4)"
					 " ON CONFLICT (dem_id, tile_row, tile_col) DO UPDATE SET data = EXCLUDED.data",
					 4, types);
	l->get = prepare("SELECT data FROM asyncjob.dem_tile WHERE dem_id OPERATOR(pg_catalog.=) $1"
					 " AND tile_row OPERATOR(pg_catalog.=) $2"
					 " AND tile_col OPERATOR(pg_catalog.=) $3", 3, types);

	for (Size at = 0; at < len && err == AJK_OK; at += FEED_BYTES)
	{
		err = ajk_asc_feed(&l->reader, data + at, Min(FEED_BYTES, len - at));
		CHECK_FOR_INTERRUPTS();
	}
	if (err == AJK_OK)
		err = ajk_asc_end(&l->reader, whole);
	if (err != AJK_OK)
		refuse(name, l->reader.message,
			   first_row == 0 ?
			   "Give an ESRI ASCII grid: ncols, nrows, xllcorner, yllcorner, cellsize, NODATA_value, then the elevations from the north-west." :
			   "Give whole rows of numbers, without a header.");
	flush_band(l);

	v[0] = Int64GetDatum(l->dem.id);
	v[1] = Int32GetDatum(first_row);
	v[2] = Int32GetDatum(l->reader.row);
	v[3] = Float8GetDatum(l->min_m);
	v[4] = Float8GetDatum(l->max_m);
	if (l->min_m > l->max_m)
		nulls[3] = nulls[4] = 'n';
	must(SPI_execute_with_args("UPDATE asyncjob.dem SET"
							   " rows_loaded = rows_loaded OPERATOR(pg_catalog.+)"
							   " pg_catalog.int4multirange(pg_catalog.int4range($2, $3)),"
							   " min_m = least(min_m, $4), max_m = greatest(max_m, $5)"
							   " WHERE dem_id OPERATOR(pg_catalog.=) $1"
							   " RETURNING pg_catalog.jsonb_build_object('name', name, 'epsg', epsg,"
							   " 'ncols', ncols, 'nrows', nrows, 'cell_m', cell_m,"
							   " 'bbox', pg_catalog.jsonb_build_array(west, south, east, north),"
							   " 'min_m', min_m, 'max_m', max_m, 'complete', complete)::pg_catalog.text",
							   5, vt, v, nulls, false, 0), SPI_OK_UPDATE_RETURNING);
	if (SPI_processed != 1)
		elog(ERROR, "elevation model \"%s\" vanished while loading", name);
	json = DatumGetCString(DirectFunctionCall1(textout,
											   SPI_getbinval(SPI_tuptable->vals[0],
															 SPI_tuptable->tupdesc,
															 1, &isnull)));
	json = MemoryContextStrdup(caller, json);
	SPI_finish();

	/* how many of this piece are unknown, so that voids are not overlooked */
	initStringInfo(&buf);
	json[strlen(json) - 1] = '\0';
	appendStringInfo(&buf, "%s, \"unknown_cells\": " INT64_FORMAT "}", json,
					 l->unknown);
	PG_RETURN_JSONB_P(aj_jsonb_from_text(buf.data));
}

/* A NULL is a file that was not read rather than a wish to load nothing. */
static void
require_arguments(FunctionCallInfo fcinfo, int n)
{
	for (int i = 0; i < n; i++)
		if (PG_ARGISNULL(i))
			aj_step_error(AJ_ERRCODE_VALIDATION, "parameter_missing",
						  psprintf("argument %d of the elevation model is null",
								   i + 1), NULL,
						  "Give name, text of the grid and EPSG code.");
}

/*
 * load_dem(name text, asc_grid text, epsg int) returns jsonb
 */
Datum
aj_load_dem(PG_FUNCTION_ARGS)
{
	require_arguments(fcinfo, 3);
	return load(text_to_cstring(PG_GETARG_TEXT_PP(0)), 0,
				PG_GETARG_TEXT_PP(1), PG_GETARG_INT32(2), true);
}

/*
 * load_dem_rows(name text, first_row int, asc_grid text, epsg int)
 * returns jsonb
 */
Datum
aj_load_dem_rows(PG_FUNCTION_ARGS)
{
	require_arguments(fcinfo, 4);
	return load(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_INT32(1),
				PG_GETARG_TEXT_PP(2), PG_GETARG_INT32(3), false);
}
