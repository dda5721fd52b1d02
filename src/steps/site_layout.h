/*-------------------------------------------------------------------------
 *
 * site_layout.h
 *		The layout of a site: assets on pads, roads to them, earth moved.
 *
 * Everything is reckoned in a frame of ground metres: x to the east, y to
 * the north, origin at the grid's north-western corner (so y is negative),
 * which is the site's UTM grid divided by its scale there.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_SITE_LAYOUT_H
#define AJ_SITE_LAYOUT_H

#include "asset_types.h"
#include "site_grid.h"

#include "../kernels/mask.h"

#include "../kernels/earthwork.h"
#include "../kernels/route.h"

#define AJ_MAX_ASSETS	5000
#define AJ_MAX_VARIANTS	8

/* Memory of a cell beside the grid's own: masks, costs, the search's queue */
#define AJ_SITE_LAYOUT_BYTES 99

typedef struct AjStrategy
{
	const char *name;
	double		min_spacing_m;	/* between pads */
	double		w_slope;
	double		w_proximity;	/* by road, to the entry */
	bool		least_earth;	/* try more proximity, keep what moves least */
} AjStrategy;

typedef struct AjFixedAsset
{
	int			kind;
	char	   *name;
	double		lon;
	double		lat;
} AjFixedAsset;

/* One variant's parameters. */
typedef struct AjLayoutParams
{
	char	   *name;
	const AjStrategy *strategy;
	const AjAssetProfile *profile;
	AjAssetType types[AJ_NASSET_TYPES];
	double		target_kw;
	double		spacing_m;
	int			count[AJ_NASSET_TYPES]; /* beside the fixed ones */
	int			nfixed;
	AjFixedAsset *fixed;
	double		road_width_m;
	double		max_grade;		/* rise over run */
	double		station_m;
	double		smoothing_m;
	AjkSides	sides;
	double		swell;
	double		shrink;
	const char *jurisdiction;
} AjLayoutParams;

typedef struct AjPlaced
{
	int			kind;
	char	   *name;
	bool		fixed;
	double		x,				/* middle of the pad, ground metres */
				y;
	Size		cell;
	double		slope_deg;		/* largest on the pad */
	double		aspect_deg;		/* at the middle */
	double		score;
	double		ground_m;		/* mean under the pad */
	double		pad_m;			/* height of the pad */
	double		cut_m3,
				fill_m3;
} AjPlaced;

typedef struct AjStation
{
	double		s;				/* along the road */
	double		x,
				y;
	double		ground_m;
	double		height_m;
	double		cut_m2,
				fill_m2;
} AjStation;

typedef struct AjRoad
{
	int			to;				/* asset */
	int			depth;			/* 0: from the entry; of others, one more than
								 * the road it leaves */
	AjkCost		cost;
	int			npoints;		/* the centre line */
	double	   *px,
			   *py;
	int			nstations;		/* evenly spaced */
	AjStation  *st;
	double		length_m;
	double		max_grade,
				mean_grade;
	double		cut_m3,
				fill_m3;
	double		cut_prism_m3,	/* by prismoids, as a check */
				fill_prism_m3;
	double		step_m;			/* pad above the end of the road */
	int			open_sections;	/* whose side slopes don't meet the ground */
} AjRoad;

typedef struct AjRule
{
	const char *rule;
	const char *unit;
	bool		at_least;		/* or at most */
	double		limit;
	double		value;			/* the worst */
	int			worst;			/* asset or road, -1: none applies */
	bool		of_road;
	int			failures;
} AjRule;

#define AJ_MAX_RULES 8

typedef struct AjLayout
{
	AjLayoutParams *p;
	bool		trial;			/* may fail: no error is raised then */
	bool		failed;
	int			nassets;
	AjPlaced   *assets;
	int			nroads;
	AjRoad	   *roads;
	double		capacity_kw,
				road_m,
				pad_cut_m3,
				pad_fill_m3,
				road_cut_m3,
				road_fill_m3,
				max_grade;
	double		spacing_m;		/* the smallest between pads */
	int			nrules;
	AjRule		rules[AJ_MAX_RULES];
	int			failures;
} AjLayout;

/* What all variants share: the ground and what may be reached. */
typedef struct AjGroundModel
{
	AjSiteGrid *g;
	double		cell;			/* ground metres */
	AjkDem		dem;			/* the grid in ground metres */
	float	   *curvature;
	float	   *roughness;
	float	   *suitability;	/* of the variant and type in hand */
	uint8	   *blocked;		/* for the middle of a road */
	float	   *multiplier;		/* of a road's cost, NULL if 1 everywhere */
	double		min_multiplier;
	AjkCost    *reach;			/* from the entry; -1: no way */
	AjkCost		reach_max;
	bool		has_entry;
	int32_t		entry_cell;
	double		entry_x,
				entry_y;
	AjkRouteGrid route;
} AjGroundModel;

/* elevation of the ground, for the kernels; arg is the AjkDem */
extern double aj_ground_at(void *arg, double x, double y);
extern void aj_local_lonlat(const AjGroundModel *m, double x, double y,
							double *lon, double *lat);

/* site_place.c */
extern void aj_ground_model(AjGroundModel *m, const AjLayoutParams *p);
extern void aj_place_assets(AjGroundModel *m, AjLayout *l);

/* The distance between two pads, sides along x and y; 0 if they touch. */
extern double aj_pad_gap(const AjLayout *l, int i, int j);

/* site_roads.c */
extern void aj_level_pads(AjGroundModel *m, AjLayout *l);
extern void aj_build_roads(AjGroundModel *m, AjLayout *l);

/*
 * Asset that no road can reach, -1 if all can.  eased: with fewer bends,
 * which takes longer and changes nothing about what can be reached.
 */
extern int	aj_find_roads(AjGroundModel *m, AjLayout *l, bool eased,
						  AjkNetwork *net);
extern AJ_NORETURN void aj_road_unreachable(AjGroundModel *m,
											const AjLayout *l, int asset);

/* site_compliance.c */
extern void aj_check_compliance(const AjGroundModel *m, AjLayout *l);

/* site_layout_out.c */
extern void aj_layout_metrics(StringInfo b, const AjLayout *l);
extern void aj_layout_compliance(StringInfo b, const AjLayout *l);
extern char *aj_layout_assets(const AjGroundModel *m, const AjLayout *l);
extern char *aj_layout_pads(const AjGroundModel *m, const AjLayout *l);
extern char *aj_layout_roads(const AjGroundModel *m, const AjLayout *l);
extern char *aj_layout_stations_csv(const AjGroundModel *m,
									const AjLayout *l);
extern char *aj_layout_earthwork_csv(const AjLayout *l);

static inline bool
aj_is_generation(int kind)
{
	return kind != AJ_ASSET_SUBSTATION;
}

#endif							/* AJ_SITE_LAYOUT_H */
