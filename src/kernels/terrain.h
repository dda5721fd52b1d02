/*-------------------------------------------------------------------------
 *
 * terrain.h
 *		What a grid of elevations says about the ground.
 *
 * Grids are float32, row 0 northernmost, NaN where the elevation is
 * unknown.  A derivative is NaN where any of the 3 x 3 cells is, so in the
 * outermost rows and columns.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_TERRAIN_H
#define AJK_TERRAIN_H

#include "geodesy.h"
#include "geometry.h"

typedef enum AjkSlopeMethod
{
	AJK_SLOPE_HORN,				/* Horn 1981 */
	AJK_SLOPE_ZEVENBERGEN_THORNE	/* Zevenbergen & Thorne 1987 */
} AjkSlopeMethod;

/*
 * Slope (degrees) and aspect (degrees clockwise from north, downslope; NaN
 * where flat); either may be NULL.  dx_row and dy_row, if not NULL, are the
 * cells' widths and heights in metres row by row (longitude/latitude grids,
 * see ajk_geographic_cells) and dx or dy is ignored.
 */
extern AjkError ajk_slope_aspect(const float *z, int ncols, int nrows,
								 const double *dx_row, const double *dy_row,
								 double dx, double dy, AjkSlopeMethod method,
								 float *slope, float *aspect, ajk_poll poll,
								 void *arg);

typedef enum AjkRelief
{
	AJK_ROUGHNESS,				/* largest less smallest of the 3 x 3 */
	AJK_TRI,					/* terrain ruggedness index, Riley 1999 */
	AJK_TPI						/* centre less mean of its neighbours */
} AjkRelief;

extern AjkError ajk_relief(const float *z, int ncols, int nrows,
						   AjkRelief what, float *out, ajk_poll poll,
						   void *arg);

/*
 * Curvature of Zevenbergen & Thorne 1987, 1/m: along the slope (profile),
 * across it (plan), both 0 where flat, and the sum of the surface's second
 * derivatives (total: positive in hollows).  Each may be NULL.
 */
extern AjkError ajk_curvature(const float *z, int ncols, int nrows, double dx,
							  double dy, float *profile, float *plan,
							  float *total, ajk_poll poll, void *arg);

/*
 * Shade 1..255 of a surface lit from azimuth and altitude (degrees), 0 where
 * unknown.
 */
extern AjkError ajk_hillshade(const float *z, int ncols, int nrows,
							  double dx, double dy, double exaggeration,
							  double azimuth_deg, double altitude_deg,
							  uint8_t *out, ajk_poll poll, void *arg);

/*
 * A grid of elevations in its own coordinates: degrees if tm is NULL, else
 * metres of that projection.
 */
typedef struct AjkDem
{
	int			ncols;
	int			nrows;
	double		x0;				/* west edge */
	double		y0;				/* north edge */
	double		dx;
	double		dy;
	const AjkTm *tm;
	const float *z;

	/* z has only the rows from row0 on, so many of them; 0: all rows */
	int			row0;
	int			held;
} AjkDem;

/*
 * Bilinear resampling to the cell centres of a frame in the projection tm.
 * NaN where a cell that takes part is NaN or missing: nothing is made up.
 */
extern AjkError ajk_resample(const AjkDem *dem, const AjkTm *tm,
							 const AjkFrame *frame, float *out,
							 ajk_poll poll, void *arg);

/* Elevation at one place, by the same rule. */
extern double ajk_dem_at(const AjkDem *dem, double x, double y);

/*
 * Width and height in metres of the cells of each row of a grid in degrees,
 * the height of one parallel of it: a metre per degree of longitude shrinks
 * towards the pole.
 */
extern void ajk_geographic_cells(double y0_deg, double dx_deg, double dy_deg,
								 int nrows, double *dx_m, double *dy_m);

/*
 * Ruggedness index of wind engineering (WAsP: Mortensen & Petersen, EWEC
 * 1997): the share of nradii lines of length radius from x, y along which
 * the ground rises or falls by more than threshold (0.3).  Steps are one
 * cell long; only those between known elevations count, and *known is their
 * share.  NaN if there are none.  dem is in metres.
 */
extern double ajk_rix(const AjkDem *dem, double x, double y, double radius,
					  double threshold, int nradii, double *known);

#endif							/* AJK_TERRAIN_H */
