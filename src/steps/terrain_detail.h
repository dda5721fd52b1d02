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

#define AJ_MAX_COMPARTMENTS 50	/* that the result lists */

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
	int			nlisted;		/* of these in the following array */
	AjCompartment *compartments;
	double		contour_interval_m;
	char	   *contours;		/* GeoJSON */
} AjTerrainDetail;

/* Upper ends of the classes of slope, the last has none. */
#define AJ_SLOPE_CLASSES 7
extern const double aj_slope_class[AJ_SLOPE_CLASSES + 1];

/* Figures of the ground within the boundary; grow as rows are added. */
typedef struct AjTerrainFigures
{
	Size		inside;			/* cells within the boundary */
	Size		known;			/* of these with slope */
	Size		elevated;		/* of these with elevation */
	double		elev_min,
				elev_max,
				elev_sum;
	double		slope_max,
				slope_sum;
	Size		slopes[AJ_SLOPE_CLASSES];
	Size		aspects[8];
	Size		flat;
	Size		rough;
	double		rough_max,
				rough_sum;
	double		clear_cells;	/* radius of the largest clear circle */
	Size		clear_at;
} AjTerrainFigures;

/* Add so many cells of a grid, or a band of one, from one on. */
extern AjkError aj_terrain_add(const AjSiteGrid *grid, Size from, Size cells,
							   const float *rough, AjTerrainFigures *f);

/* What a measure of relief comes to within the boundary */
typedef struct AjReliefFigures
{
	double		lo;
	double		hi;
	double		sum;
	Size		seen;
} AjReliefFigures;

extern void aj_relief_add(const AjSiteGrid *grid, Size from, Size cells,
						  const float *value, AjReliefFigures *r);

/*
 * The same of a grid that goes by in bands (terrain_stream.c): all figures
 * into f, grid (areas lost) and the detail returned; the overview's slope and
 * the detail's suitability become the means of its cells, from which it is
 * excluded again.
 */
extern AjTerrainDetail *aj_terrain_stream(AjSiteBands *bands,
										  JsonbContainer *params,
										  AjSiteGrid *overview,
										  AjTerrainFigures *f, double from,
										  double to);

/* The detail's type of asset */
extern const AjAssetType *aj_terrain_asset(JsonbContainer *params);

/* Ruggedness index around the middle of the site's box, of elevations */
extern void aj_terrain_rix(const AjSiteGrid *grid, const AjkDem *elev,
						   AjTerrainDetail *d);
extern double aj_terrain_rix_radius(const AjSiteGrid *grid);

/* Contours of a grid into the detail */
extern void aj_terrain_contours(const AjSiteGrid *grid, JsonbContainer *params,
								AjTerrainDetail *d, double from, double to);

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
