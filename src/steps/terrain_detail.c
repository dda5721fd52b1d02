/*-------------------------------------------------------------------------
 *
 * terrain_detail.c
 *		What the terrain step says beyond slope and area.
 *
 * Ruggedness index and topographic position (Riley 1999; Weiss 2001), the
 * ruggedness index of wind engineering at the middle of the site, suitability
 * for a kind of asset, what each kind of asset could use, the compartments
 * of buildable ground and contour lines.
 *
 * What a kind of asset could use is ground that nothing but slope excludes,
 * up to the slope that the kind bears, in connected patches that hold one
 * pad at least.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "terrain_detail.h"

#include <math.h>

#include "utils/memutils.h"

#include "../kernels/contour.h"
#include "../kernels/suitability.h"

#define RIX_RADIUS_M	3500.0
#define RIX_SLOPE		0.3
#define RIX_RADII		72
#define MAX_LEVELS		100		/* where the interval is ours to choose */
#define MAX_PLACES		4000000 /* of all contours */

/* Contours of a grid, until they are written. */
typedef struct Contours
{
	int			nlines;
	int			maxlines;
	size_t		nplaces;
	size_t		maxplaces;
	double	   *level;			/* [nlines] */
	size_t	   *end;			/* [nlines] */
	float	   *col;			/* [nplaces] */
	float	   *row;
} Contours;

/* ---- suitability ---- */

AjkError
aj_suitability(const AjSiteGrid *g, const AjAssetType *type, double w_slope,
			   double w_curvature, double w_aspect, double w_roughness,
			   uint32 bits, const float *curvature, const float *roughness,
			   float *out)
{
	AjkSuitability how;

	how.optimal_slope_deg = type->optimal_slope_deg;
	how.max_slope_deg = Min(type->max_slope_deg, g->max_slope_deg);
	how.optimal_slope_deg = Min(how.optimal_slope_deg, how.max_slope_deg);
	how.w_slope = w_slope;
	how.w_curvature = w_curvature;
	how.w_aspect = w_aspect;
	how.w_roughness = w_roughness;
	how.favoured_aspect_deg = !type->faces_sun ? NAN : g->south ? 0 : 180;
	how.cell_m = g->cell_m;
	return ajk_suitability(&how, g->slope, g->aspect, curvature, roughness,
						   g->reasons, bits, (Size) g->ncols * g->nrows, out,
						   aj_poll, NULL);
}

/* ---- figures ---- */

void
aj_relief_add(const AjSiteGrid *g, Size from, Size cells, const float *value,
			  AjReliefFigures *r)
{
	if (r->seen == 0)
	{
		r->lo = INFINITY;
		r->hi = -INFINITY;
	}
	for (Size i = from; i < from + cells; i++)
	{
		if (isnan(value[i]) || (g->reasons[i] & AJ_REASON_OUTSIDE))
			continue;
		r->lo = fmin(r->lo, value[i]);
		r->hi = fmax(r->hi, value[i]);
		r->sum += value[i];
		r->seen++;
	}
}

static AjkError
relief_figures(const AjSiteGrid *g, AjkRelief what, float *work, double *lo,
			   double *hi, double *mean)
{
	AjReliefFigures r = {0};
	AjkError	err = ajk_relief(g->elev, g->ncols, g->nrows, what, work,
								 aj_poll, NULL);

	if (err == AJK_OK)
		aj_relief_add(g, 0, (Size) g->ncols * g->nrows, work, &r);
	*lo = r.seen > 0 ? r.lo : NAN;
	*hi = r.seen > 0 ? r.hi : NAN;
	*mean = r.seen > 0 ? r.sum / r.seen : NAN;
	return err;
}

/* What each kind could use; cells is a scratch copy of the reasons. */
static AjkError
asset_areas(const AjSiteGrid *g, uint32 *cells, int32 *label,
			AjTerrainDetail *d)
{
	Size		n = (Size) g->ncols * g->nrows;
	double		cell_area = g->cell_m * g->cell_m / (g->k * g->k);
	AjkError	err = AJK_OK;

	for (int k = 0; err == AJK_OK && k < AJ_NASSET_TYPES; k++)
	{
		const AjAssetType *t = &aj_asset_types[k];
		double		least = Max(ceil(t->pad_m * t->pad_m / cell_area), 1);
		int			npatches;
		Size	   *count;

		for (Size i = 0; i < n; i++)
			cells[i] = (g->reasons[i] & ~(AJ_REASON_SLOPE | AJ_REASON_SMALL_PATCH)) |
				(g->slope[i] <= t->max_slope_deg ? 0 : AJ_REASON_SLOPE);
		err = ajk_mask_patches(cells, g->ncols, g->nrows, (size_t) least,
							   AJ_REASON_SMALL_PATCH, label, &npatches,
							   aj_poll, NULL);
		if (err != AJK_OK)
			break;
		count = MemoryContextAllocExtended(CurrentMemoryContext,
										   ((Size) npatches + 1) * sizeof(Size),
										   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		for (Size i = 0; i < n; i++)
			count[label[i]]++;
		d->asset[k].patches = npatches;
		for (int p = 1; p <= npatches; p++)
		{
			d->asset[k].area_m2 += count[p] * cell_area;
			d->asset[k].largest_m2 = Max(d->asset[k].largest_m2,
										 count[p] * cell_area);
		}
		pfree(count);
	}
	return err;
}

/* The patches of buildable ground, numbered as their outlines are. */
static AjkError
compartments(const AjSiteGrid *g, uint32 *cells, int32 *label,
			 AjTerrainDetail *d)
{
	Size		n = (Size) g->ncols * g->nrows;
	AjkError	err;

	memcpy(cells, g->reasons, n * sizeof(uint32));
	err = ajk_mask_patches(cells, g->ncols, g->nrows, 0, 0, label,
						   &d->ncompartments, aj_poll, NULL);
	if (err != AJK_OK)
		return err;
	d->nlisted = d->ncompartments;
	d->compartments =
		MemoryContextAllocExtended(CurrentMemoryContext,
								   ((Size) d->ncompartments + 1) * sizeof(AjCompartment),
								   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (Size i = 0; i < n; i++)
	{
		AjCompartment *c;
		float		s = isnan(d->suitability[i]) ? 0 : d->suitability[i];

		if (label[i] == 0)
			continue;
		c = &d->compartments[label[i] - 1];
		if (c->cells == 0 || s > c->best)
		{
			c->best = s;
			c->best_at = i;
		}
		c->cells++;
		c->slope_sum += g->slope[i];
		c->suitability_sum += s;
	}
	return AJK_OK;
}

/* ---- contours ---- */

static AjkError
keep_line(void *arg, double level, bool closed, int n, const double *col,
		  const double *row)
{
	Contours   *k = arg;

	if (n < 2)
		return AJK_OK;
	if (k->nplaces + n > MAX_PLACES)
		return AJK_RANGE;
	if (k->nlines == k->maxlines)
	{
		int			more = k->maxlines ? 2 * k->maxlines : 256;
		double	   *l = realloc(k->level, more * sizeof(double));
		size_t	   *e;

		if (l == NULL)
			return AJK_NOMEM;
		k->level = l;
		e = realloc(k->end, more * sizeof(size_t));
		if (e == NULL)
			return AJK_NOMEM;
		k->end = e;
		k->maxlines = more;
	}
	if (k->nplaces + n > k->maxplaces)
	{
		size_t		more = Max(2 * k->maxplaces, k->nplaces + n + 4096);
		float	   *p = realloc(k->col, more * sizeof(float));

		if (p == NULL)
			return AJK_NOMEM;
		k->col = p;
		p = realloc(k->row, more * sizeof(float));
		if (p == NULL)
			return AJK_NOMEM;
		k->row = p;
		k->maxplaces = more;
	}
	for (int i = 0; i < n; i++)
	{
		k->col[k->nplaces] = (float) col[i];
		k->row[k->nplaces] = (float) row[i];
		k->nplaces++;
	}
	k->level[k->nlines] = level;
	k->end[k->nlines] = k->nplaces;
	k->nlines++;
	return AJK_OK;
}

/* The given interval, or one that draws no more than MAX_LEVELS levels. */
static double
choose_interval(const AjSiteGrid *g, JsonbContainer *params)
{
	static const double steps[] = {10, 20, 50, 100, 200, 500, 1000};
	Size		n = (Size) g->ncols * g->nrows;
	double		lo = INFINITY,
				hi = -INFINITY;
	int			step = 0;

	if (aj_param_exists(params, "contour_interval_m"))
		return aj_param_number(params, "contour_interval_m", 10, 0, 10000);
	for (Size i = 0; i < n; i++)
	{
		lo = fmin(lo, g->elev[i]);
		hi = fmax(hi, g->elev[i]);
	}
	while (step < (int) lengthof(steps) - 1 &&
		   (hi - lo) / steps[step] > MAX_LEVELS)
		step++;
	return steps[step];
}

static char *
contours_geojson(const AjSiteGrid *g, const Contours *k, double interval)
{
	AjGeoJson	gj;
	size_t		from = 0;

	aj_geojson_begin(&gj);
	for (int i = 0; i < k->nlines; i++)
	{
		int			n = (int) (k->end[i] - from);
		double	   *lon = palloc(n * sizeof(double));
		double	   *lat = palloc(n * sizeof(double));
		StringInfoData props;

		CHECK_FOR_INTERRUPTS();
		for (int j = 0; j < n; j++)
			aj_site_lonlat(g, g->x0 + k->col[from + j] * g->cell_m,
						   g->y0 - k->row[from + j] * g->cell_m,
						   &lon[j], &lat[j]);
		initStringInfo(&props);
		appendStringInfoString(&props, "\"feature_type\":\"contour\",\"elevation_m\":");
		aj_json_number(&props, k->level[i], 3);
		appendStringInfo(&props, ",\"index\":%s",
						 fabs(remainder(k->level[i] / interval, 5)) < 1e-6 ?
						 "true" : "false");
		aj_geojson_line(&gj, props.data, n, lon, lat);
		pfree(props.data);
		pfree(lon);
		pfree(lat);
		from = k->end[i];
	}
	return aj_geojson_end(&gj);
}

static void
draw_contours(const AjSiteGrid *g, AjTerrainDetail *d, AjPoll *poll)
{
	Contours	k = {0};
	AjkError	err = AJK_OK;

	PG_TRY();
	{
		if (d->contour_interval_m > 0)
		{
			aj_compute_begin();
			err = ajk_contours(g->elev, g->ncols, g->nrows, 0,
							   d->contour_interval_m, keep_line, &k,
							   aj_poll, poll);
			aj_compute_end();
		}
		if (err == AJK_RANGE)
			aj_step_error(AJ_ERRCODE_RESOURCE, "contours_too_many",
						  psprintf("contours every %.6g m have more than %d positions",
								   d->contour_interval_m, MAX_PLACES), NULL,
						  "Raise contour_interval_m or resolution_m, or give contour_interval_m 0 for none.");
		aj_kernel_check(err);
		d->contours = contours_geojson(g, &k, d->contour_interval_m);
	}
	PG_FINALLY();
	{
		free(k.level);
		free(k.end);
		free(k.col);
		free(k.row);
	}
	PG_END_TRY();
}

/* ---- all of it ---- */

void
aj_terrain_detail_check(JsonbContainer *params)
{
	(void) aj_param_choice(params, "suitability_for", "wind_turbine",
						   aj_asset_names);
	(void) aj_param_number(params, "contour_interval_m", 10, 0, 10000);
}

static AjkError
compute(const AjSiteGrid *g, float *work, float *curvature, AjTerrainDetail *d)
{
	Size		n = (Size) g->ncols * g->nrows;
	double		none,
				sum = 0;
	Size		seen = 0;
	AjkError	err;

	err = relief_figures(g, AJK_TRI, work, &none, &d->ruggedness_max,
						 &d->ruggedness_mean);
	if (err == AJK_OK)
		err = relief_figures(g, AJK_TPI, work, &d->position_min,
							 &d->position_max, &none);
	if (err == AJK_OK)
		err = ajk_relief(g->elev, g->ncols, g->nrows, AJK_ROUGHNESS, work,
						 aj_poll, NULL);
	if (err == AJK_OK)
		err = ajk_curvature(g->elev, g->ncols, g->nrows, g->cell_m, g->cell_m,
							NULL, NULL, curvature, aj_poll, NULL);
	if (err == AJK_OK)
		err = aj_suitability(g, d->type, 0.65, 0.15, 0.10, 0.10,
							 0xFFFFFFFF, curvature, work, d->suitability);
	for (Size i = 0; err == AJK_OK && i < n; i++)
		if (!isnan(d->suitability[i]))
		{
			sum += d->suitability[i];
			seen++;
		}
	d->suitability_mean = seen > 0 ? sum / seen : NAN;

	/* both scratch arrays are of no further use as floats */
	if (err == AJK_OK)
		err = asset_areas(g, (uint32 *) curvature, (int32 *) work, d);
	if (err == AJK_OK)
		err = compartments(g, (uint32 *) curvature, (int32 *) work, d);
	return err;
}

const AjAssetType *
aj_terrain_asset(JsonbContainer *params)
{
	return &aj_asset_types[aj_asset_kind(aj_param_choice(params,
														 "suitability_for",
														 "wind_turbine",
														 aj_asset_names))];
}

double
aj_terrain_rix_radius(const AjSiteGrid *g)
{
	return RIX_RADIUS_M * g->k;
}

void
aj_terrain_rix(const AjSiteGrid *g, const AjkDem *elev, AjTerrainDetail *d)
{
	double		x,
				y;

	d->rix_lon = (g->site->west + g->site->east) / 2;
	d->rix_lat = (g->site->south + g->site->north) / 2;
	aj_site_xy(g, d->rix_lon, d->rix_lat, &x, &y);
	d->rix = ajk_rix(elev, x, y, aj_terrain_rix_radius(g), RIX_SLOPE, RIX_RADII,
					 &d->rix_known);
}

void
aj_terrain_contours(const AjSiteGrid *g, JsonbContainer *params,
					AjTerrainDetail *d, double from, double to)
{
	AjPoll		poll = {from, to, "drawing contours"};

	d->contour_interval_m = choose_interval(g, params);
	draw_contours(g, d, &poll);
}

AjTerrainDetail *
aj_terrain_detail(const AjSiteGrid *g, JsonbContainer *params, float *work,
				  double from, double to)
{
	AjTerrainDetail *d = palloc0(sizeof(AjTerrainDetail));
	Size		n = (Size) g->ncols * g->nrows;
	AjkDem		dem = {g->ncols, g->nrows, g->x0, g->y0, g->cell_m, g->cell_m,
	NULL, g->elev, 0, 0};
	float	   *curvature;
	AjkError	err;

	d->type = aj_terrain_asset(params);
	d->suitability = MemoryContextAllocHuge(CurrentMemoryContext,
											n * sizeof(float));
	curvature = MemoryContextAllocHuge(CurrentMemoryContext,
									   n * sizeof(float));
	aj_progress(from, "computing suitability");
	aj_compute_begin();
	err = compute(g, work, curvature, d);
	aj_compute_end();
	pfree(curvature);
	aj_kernel_check(err);

	aj_terrain_rix(g, &dem, d);
	aj_terrain_contours(g, params, d, from + 0.6 * (to - from), to);
	return d;
}

/* ---- writing ---- */

static void
put(StringInfo buf, const char *key, double value, int decimals)
{
	if (buf->data[buf->len - 1] != '{')
		appendStringInfoChar(buf, ',');
	appendStringInfo(buf, "\"%s\":", key);
	aj_json_number(buf, value, decimals);
}

static int
larger_first(const void *a, const void *b, void *arg)
{
	const AjCompartment *c = arg;
	int			i = *(const int *) a,
				j = *(const int *) b;

	if (c[i].cells != c[j].cells)
		return c[i].cells > c[j].cells ? -1 : 1;
	return i < j ? -1 : i > j;
}

static void
put_compartments(StringInfo buf, const AjSiteGrid *g, const AjTerrainDetail *d)
{
	double		cell_area = g->cell_m * g->cell_m / (g->k * g->k);
	int		   *order = palloc_extended(((Size) d->nlisted + 1) * sizeof(int),
										MCXT_ALLOC_HUGE);

	for (int i = 0; i < d->nlisted; i++)
		order[i] = i;
	qsort_arg(order, d->nlisted, sizeof(int), larger_first, d->compartments);
	appendStringInfo(buf, ",\"compartment_count\":%d,\"compartments\":[",
					 d->ncompartments);
	for (int i = 0; i < Min(d->nlisted, AJ_MAX_COMPARTMENTS); i++)
	{
		const AjCompartment *c = &d->compartments[order[i]];
		double		lon,
					lat;

		aj_site_lonlat(g, g->x0 + (c->best_at % g->ncols + 0.5) * g->cell_m,
					   g->y0 - (c->best_at / g->ncols + 0.5) * g->cell_m,
					   &lon, &lat);
		appendStringInfo(buf, "%s{\"compartment\":%d", i ? "," : "", order[i] + 1);
		put(buf, "area_m2", c->cells * cell_area, 1);
		put(buf, "slope_mean_deg", c->slope_sum / c->cells, 3);
		put(buf, "suitability_mean", c->suitability_sum / c->cells, 4);
		appendStringInfoString(buf, ",\"best_place\":{");
		put(buf, "suitability", c->best, 4);
		put(buf, "longitude", lon, 7);
		put(buf, "latitude", lat, 7);
		appendStringInfoString(buf, "}}");
	}
	appendStringInfoChar(buf, ']');
	pfree(order);
}

void
aj_terrain_detail_json(StringInfo buf, const AjSiteGrid *g,
					   const AjTerrainDetail *d)
{
	appendStringInfoString(buf, ",\"ruggedness_m\":{");
	put(buf, "mean", d->ruggedness_mean, 4);
	put(buf, "max", d->ruggedness_max, 4);
	appendStringInfoString(buf, "},\"topographic_position_m\":{");
	put(buf, "min", d->position_min, 4);
	put(buf, "max", d->position_max, 4);
	appendStringInfoString(buf, "},\"rix\":{");
	put(buf, "value", d->rix, 6);
	put(buf, "radius_m", RIX_RADIUS_M, 0);
	put(buf, "slope_threshold", RIX_SLOPE, 2);
	put(buf, "known_share", d->rix_known, 4);
	put(buf, "longitude", d->rix_lon, 7);
	put(buf, "latitude", d->rix_lat, 7);
	appendStringInfo(buf, "},\"suitability\":{\"asset_type\":\"%s\"",
					 d->type->name);
	put(buf, "mean", d->suitability_mean, 4);
	appendStringInfoString(buf, "},\"buildable_by_asset\":[");
	for (int k = 0; k < AJ_NASSET_TYPES; k++)
	{
		const AjAssetType *t = &aj_asset_types[k];

		appendStringInfo(buf, "%s{\"asset_type\":\"%s\"", k ? "," : "", t->name);
		put(buf, "max_slope_deg", t->max_slope_deg, 3);
		put(buf, "pad_m", t->pad_m, 3);
		put(buf, "area_m2", d->asset[k].area_m2, 1);
		put(buf, "patches", d->asset[k].patches, 0);
		put(buf, "largest_patch_m2", d->asset[k].largest_m2, 1);
		appendStringInfoChar(buf, '}');
	}
	appendStringInfoChar(buf, ']');
	put_compartments(buf, g, d);
	put(buf, "contour_interval_m", d->contour_interval_m, 3);
}
