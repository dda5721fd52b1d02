/*-------------------------------------------------------------------------
 *
 * terrain_detail.h
 *		What the terrain step says beyond slope and area: ruggedness, what
 *		each kind of asset could use, compartments, contours, suitability.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_TERRAIN_DETAIL_H
#define AJ_TERRAIN_DETAIL_H

#include "asset_types.h"
#include "site_grid.h"

#include "../kernels/mask.h"

/* Memory of a cell beside the grid's own */
#define AJ_TERRAIN_DETAIL_BYTES 16

#define AJ_TERRAIN_DETAIL_PARAMS \
	"suitability_for", "contour_interval_m"

typedef struct AjCompartment
{
	double		cells;
	double		slope_sum;
	double		suitability_sum;
	double		lon,			/* of its cell that suits best */
				lat;
	float		best;
	Size		best_at;
} AjCompartment;

typedef struct AjTerrainDetail
{
	const AjAssetType *type;	/* what suitability is for */
	float	   *suitability;	/* [cell] */
	double		suitability_mean;	/* of buildable cells; NaN if none */
	double		ruggedness_mean,
				ruggedness_max;
	double		position_min,	/* topographic position index */
				position_max;
	double		rix,
				rix_known;
	double		rix_lon,
				rix_lat;
	struct
	{
		double		area_m2;
		double		largest_m2;
		int			patches;
	}			asset[AJ_NASSET_TYPES];
	int			ncompartments;
	AjCompartment *compartments;
	double		contour_interval_m;
	char	   *contours;		/* GeoJSON */
} AjTerrainDetail;

/* The parameters' checks. */
extern void aj_terrain_detail_check(JsonbContainer *params);

/*
 * Compute all of it.  work is a buffer of a float per cell.  Progress goes
 * from..to.
 */
extern AjTerrainDetail *aj_terrain_detail(const AjSiteGrid *grid,
										  JsonbContainer *params, float *work,
										  double from, double to);

/* Append ',"key":...' of all figures. */
extern void aj_terrain_detail_json(StringInfo buf, const AjSiteGrid *grid,
								   const AjTerrainDetail *detail);

/*
 * Suitability of the grid for a type of asset; weights as in the source
 * documents (slope .65, curvature .15, aspect .10, roughness .10) unless
 * given.  To be called between aj_compute_begin and aj_compute_end; cells
 * with one of bits are left out.  curvature and roughness are those of the
 * grid.
 */
extern AjkError aj_suitability(const AjSiteGrid *grid,
							   const AjAssetType *type, double w_slope,
							   double w_curvature, double w_aspect,
							   double w_roughness, uint32 bits,
							   const float *curvature, const float *roughness,
							   float *out);

#endif							/* AJ_TERRAIN_DETAIL_H */
