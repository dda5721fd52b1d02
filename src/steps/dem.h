/*-------------------------------------------------------------------------
 *
 * dem.h
 *		Elevation models in asyncjob.dem and asyncjob.dem_tile.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_DEM_H
#define AJ_DEM_H

#include "inputs.h"

#include "../kernels/geodesy.h"
#include "../kernels/terrain.h"

#define AJ_DEM_TILE		256		/* cells along a full tile's side */

typedef struct AjDem
{
	int64		id;
	char	   *name;
	int			epsg;
	int			zone;			/* UTM zone, 0 for degrees */
	bool		south;
	int			ncols;
	int			nrows;
	double		x0;				/* west edge */
	double		y0;				/* north edge */
	double		dx;
	double		dy;
	double		cell_m;
	int			tile;
	double		west,			/* degrees */
				south_lat,
				east,
				north;
} AjDem;

/*
 * The model named, or, where name is NULL, the finest that covers the box.
 * Raises dem_unknown, dem_incomplete, dem_does_not_cover_site.
 */
extern AjDem *aj_dem_find(const char *name, double west, double south,
						  double east, double north);

/* Place in the model's own coordinates; lon in the model's turn. */
extern void aj_dem_project(const AjDem *dem, double lon, double lat,
						   double *x, double *y);
extern bool aj_dem_contains(const AjDem *dem, double lon, double lat);

/*
 * Read cells col0.. and row0.., averaging blocks of factor x factor (col0
 * and row0 are multiples of factor).  out has ceil(ncols / factor) x
 * ceil(nrows / factor) cells; a block of which less than half is known is
 * NaN.
 */
extern void aj_dem_window(const AjDem *dem, int col0, int row0, int ncols,
						  int nrows, int factor, float *out);

#endif							/* AJ_DEM_H */
