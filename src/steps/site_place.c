/*-------------------------------------------------------------------------
 *
 * site_place.c
 *		Where the assets of a site stand.
 *
 * What a road can reach is found first: the cheapest way from the entry to
 * every cell.  An asset is only put where a road can come.
 *
 * Then type by type, those that bear the least slope first.  A cell's score
 * is the suitability of its ground for the type, and how near it is to the
 * entry by road, weighted as the strategy says.  Cells are tried from the
 * best on; an asset stands there if
 *		every cell of its pad is allowed and no steeper than the type bears,
 *		the circle around its pad clears the boundary's setback and every
 *		zone's buffer (exact distances, not the cells'),
 *		the pads already there are as far away as the strategy asks, and a
 *		road fits between.
 * Where this does not find room for all, the type is packed from the north
 * on instead, which loses nothing between pads; if that is not enough
 * either, the error says how many fit.
 *
 * Nothing is drawn at random: the same parameters give the same layout.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "site_layout.h"

#include <math.h>

#include "terrain_detail.h"

#include "utils/memutils.h"

/* What a cell of a pad may not be. */
#define FORBIDDEN	(~(uint32) AJ_REASON_BOUNDARY_SETBACK)

/* Cells around the entry in which a road may begin. */
#define ENTRY_CELLS	8

typedef struct Candidate
{
	float		score;
	int32		cell;
} Candidate;

double
aj_ground_at(void *arg, double x, double y)
{
	return ajk_dem_at(arg, x, y);
}

void
aj_local_lonlat(const AjGroundModel *m, double x, double y, double *lon,
				double *lat)
{
	aj_site_lonlat(m->g, m->g->x0 + x * m->g->k, m->g->y0 + y * m->g->k,
				   lon, lat);
}

static void *
cells_alloc(const AjSiteGrid *g, Size width)
{
	return MemoryContextAllocExtended(CurrentMemoryContext,
									  (Size) g->ncols * g->nrows * width,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/* ---- what all variants share ---- */

/*
 * Cells that the middle of a road may not cross: outside of the boundary, in
 * a zone or its buffer, nearer to either than half a road, the metre by
 * which the line is straightened, and half a cell's diagonal.  Any point of
 * an edge between free cells lies that near to the middle of a free cell, so
 * no point of a road comes into a zone.
 */
static AjkError
block_cells(AjGroundModel *m, double road_width_m, uint32 *mask)
{
	const AjSiteGrid *g = m->g;
	AjkFrame	f = {g->ncols, g->nrows, g->x0, g->y0, g->cell_m, 0};
	double		clear = (road_width_m / 2 + 1) * g->k + 0.7072 * g->cell_m;
	Size		n = (Size) g->ncols * g->nrows;
	AjkError	err = ajk_raster_rings(&f, g->rings, g->site->nrings, false, 1,
									   mask, aj_poll, NULL);

	for (int i = 0; err == AJK_OK && i < g->site->nrings; i++)
		err = ajk_raster_near(&f, &g->rings[i], true, clear, 1, mask, aj_poll,
							  NULL);
	for (int z = 0; err == AJK_OK && z < g->nzone; z++)
	{
		AjZone	   *zone = &g->site->zones[z];
		bool		area = zone->shape == AJ_SHAPE_POLYGON;

		if (zone->cost_multiplier < AJ_HARD_ZONE)
			continue;
		if (area)
			err = ajk_raster_rings(&f, g->zone_paths[z], zone->npaths, true, 1,
								   mask, aj_poll, NULL);
		for (int i = 0; err == AJK_OK && i < zone->npaths; i++)
			err = ajk_raster_near(&f, &g->zone_paths[z][i], area,
								  zone->buffer_m * g->k + clear, 1, mask,
								  aj_poll, NULL);
	}
	for (Size i = 0; err == AJK_OK && i < n; i++)
		m->blocked[i] = mask[i] != 0 || isnan(g->elev[i]);
	return err;
}

/*
 * What roads pay in zones that don't exclude, with their buffers; where
 * several lie on a cell, their product.
 */
static AjkError
price_cells(AjGroundModel *m, uint32 *mask)
{
	const AjSiteGrid *g = m->g;
	AjkFrame	f = {g->ncols, g->nrows, g->x0, g->y0, g->cell_m, 0};
	Size		n = (Size) g->ncols * g->nrows;
	AjkError	err = AJK_OK;

	for (int z = 0; err == AJK_OK && z < g->nzone; z++)
	{
		AjZone	   *zone = &g->site->zones[z];
		bool		area = zone->shape == AJ_SHAPE_POLYGON;

		if (zone->cost_multiplier >= AJ_HARD_ZONE)
			continue;
		memset(mask, 0, n * sizeof(uint32));
		if (area)
			err = ajk_raster_rings(&f, g->zone_paths[z], zone->npaths, true, 1,
								   mask, aj_poll, NULL);
		for (int i = 0; err == AJK_OK && i < zone->npaths; i++)
			err = ajk_raster_near(&f, &g->zone_paths[z][i], area,
								  zone->buffer_m * g->k, 1, mask, aj_poll,
								  NULL);
		for (Size i = 0; err == AJK_OK && i < n; i++)
			if (mask[i])
			{
				m->multiplier[i] *= zone->cost_multiplier;
				m->min_multiplier = fmin(m->min_multiplier, m->multiplier[i]);
			}
	}
	return err;
}

/* The free cell nearest to the entry, -1 if none is near. */
static int32_t
entry_cell(const AjGroundModel *m)
{
	const AjSiteGrid *g = m->g;
	int			col = (int) floor(m->entry_x / m->cell);
	int			row = (int) floor(-m->entry_y / m->cell);
	double		best = INFINITY;
	int32_t		at = -1;

	for (int r = row - ENTRY_CELLS; r <= row + ENTRY_CELLS; r++)
		for (int c = col - ENTRY_CELLS; c <= col + ENTRY_CELLS; c++)
		{
			double		d;

			if (r < 0 || c < 0 || r >= g->nrows || c >= g->ncols ||
				m->blocked[(Size) r * g->ncols + c])
				continue;
			d = hypot((c + 0.5) * m->cell - m->entry_x,
					  -(r + 0.5) * m->cell - m->entry_y);
			if (d < best)
			{
				best = d;
				at = r * g->ncols + c;
			}
		}
	return at;
}

/* Without an entry: from the middle of the largest piece of free ground. */
static int32_t
middle_cell(const AjGroundModel *m, uint32 *mask)
{
	const AjSiteGrid *g = m->g;
	float	   *dist = cells_alloc(g, sizeof(float));
	Size		n = (Size) g->ncols * g->nrows;
	int32_t		at = -1;
	float		best = 0;

	for (Size i = 0; i < n; i++)
		mask[i] = m->blocked[i];
	aj_kernel_check(ajk_edt(mask, 1, g->ncols, g->nrows, dist, aj_poll, NULL));
	for (Size i = 0; i < n; i++)
		if (!isinf(dist[i]) && dist[i] > best)
		{
			best = dist[i];
			at = (int32_t) i;
		}
	pfree(dist);
	return at;
}

void
aj_ground_model(AjGroundModel *m, const AjLayoutParams *p)
{
	AjSiteGrid *g = m->g;
	Size		n = (Size) g->ncols * g->nrows;
	uint32	   *mask = cells_alloc(g, sizeof(uint32));
	AjkError	err;

	m->cell = g->cell_m / g->k;
	m->dem = (AjkDem)
	{
		g->ncols, g->nrows, 0, 0, m->cell, m->cell, NULL, g->elev
	};
	m->curvature = cells_alloc(g, sizeof(float));
	m->roughness = cells_alloc(g, sizeof(float));
	m->suitability = cells_alloc(g, sizeof(float));
	m->blocked = cells_alloc(g, 1);
	m->reach = cells_alloc(g, sizeof(AjkCost));

	m->min_multiplier = 1;
	for (int z = 0; z < g->nzone && m->multiplier == NULL; z++)
		if (g->site->zones[z].cost_multiplier < AJ_HARD_ZONE)
		{
			m->multiplier = cells_alloc(g, sizeof(float));
			for (Size i = 0; i < n; i++)
				m->multiplier[i] = 1;
		}

	aj_compute_begin();
	err = ajk_curvature(g->elev, g->ncols, g->nrows, m->cell, m->cell, NULL,
						NULL, m->curvature, aj_poll, NULL);
	if (err == AJK_OK)
		err = ajk_relief(g->elev, g->ncols, g->nrows, AJK_ROUGHNESS,
						 m->roughness, aj_poll, NULL);
	if (err == AJK_OK)
		err = block_cells(m, p->road_width_m, mask);
	if (err == AJK_OK && m->multiplier)
		err = price_cells(m, mask);
	aj_compute_end();
	aj_kernel_check(err);

	m->has_entry = g->site->has_entry;
	if (m->has_entry)
	{
		m->entry_x = (g->entry_x - g->x0) / g->k;
		m->entry_y = (g->entry_y - g->y0) / g->k;
		m->entry_cell = entry_cell(m);
		if (m->entry_cell < 0)
			aj_step_error(AJ_ERRCODE_INFEASIBLE, "entry_blocked",
						  "no road can begin at the site's entry point",
						  psprintf("Within %.0f m of it all ground is outside of the boundary or in an exclusion zone or its buffer.",
								   ENTRY_CELLS * m->cell),
						  "Move the entry_point, or lower buffer_m of the zone there.");
	}
	else
	{
		m->entry_cell = middle_cell(m, mask);
		if (m->entry_cell < 0)
			aj_no_buildable_area(g);
		m->entry_x = (m->entry_cell % g->ncols + 0.5) * m->cell;
		m->entry_y = -(m->entry_cell / g->ncols + 0.5) * m->cell;
	}
	pfree(mask);

	m->route = (AjkRouteGrid)
	{
		g->ncols, g->nrows, m->cell, g->elev, m->blocked, m->multiplier,
			m->min_multiplier,
			p->max_grade, 0.6 * p->max_grade
	};
	aj_compute_begin();
	err = ajk_reach(&m->route, &m->entry_cell, 1, m->reach, aj_poll, NULL);
	aj_compute_end();
	aj_kernel_check(err);
	m->reach_max = 1;
	for (Size i = 0; i < n; i++)
		m->reach_max = Max(m->reach_max, m->reach[i]);
}

/* ---- placing ---- */

double
aj_pad_gap(const AjLayout *l, int i, int j)
{
	const AjPlaced *a = &l->assets[i],
			   *b = &l->assets[j];
	double		half = (l->p->types[a->kind].pad_m + l->p->types[b->kind].pad_m) / 2;

	return hypot(fmax(fabs(a->x - b->x) - half, 0),
				 fmax(fabs(a->y - b->y) - half, 0));
}

/*
 * Largest slope under a pad; NaN if a cell of it is not allowed or its slope
 * unknown.
 */
static double
pad_slope(const AjGroundModel *m, double x, double y, double half,
		  uint32 forbidden)
{
	const AjSiteGrid *g = m->g;
	int			c0 = (int) ceil((x - half) / m->cell - 0.5 - 1e-9),
				c1 = (int) floor((x + half) / m->cell - 0.5 + 1e-9);
	int			r0 = (int) ceil((-y - half) / m->cell - 0.5 - 1e-9),
				r1 = (int) floor((-y + half) / m->cell - 0.5 + 1e-9);
	double		most = 0;

	/* a pad smaller than a cell takes the one it lies in */
	if (c1 < c0)
		c0 = c1 = (int) floor(x / m->cell);
	if (r1 < r0)
		r0 = r1 = (int) floor(-y / m->cell);
	if (c0 < 0 || r0 < 0 || c1 >= g->ncols || r1 >= g->nrows)
		return NAN;
	for (int r = r0; r <= r1; r++)
		for (int c = c0; c <= c1; c++)
		{
			Size		i = (Size) r * g->ncols + c;

			if ((g->reasons[i] & forbidden) || isnan(g->slope[i]))
				return NAN;
			most = fmax(most, g->slope[i]);
		}
	return most;
}

static bool
clear_of_all(const AjGroundModel *m, double x, double y, double half)
{
	const AjSiteGrid *g = m->g;

	return aj_site_margin(g, g->x0 + x * g->k, g->y0 + y * g->k,
						  g->boundary_setback_m) >= half * sqrt(2.0);
}

/* No asset of a type may have its middle in these cells any more. */
static void
take(const AjGroundModel *m, uint8 *taken, double x, double y, double reach)
{
	const AjSiteGrid *g = m->g;
	int			c0 = Max((int) ceil((x - reach) / m->cell - 0.5 + 1e-6), 0),
				c1 = Min((int) floor((x + reach) / m->cell - 0.5 - 1e-6), g->ncols - 1);
	int			r0 = Max((int) ceil((-y - reach) / m->cell - 0.5 + 1e-6), 0),
				r1 = Min((int) floor((-y + reach) / m->cell - 0.5 - 1e-6), g->nrows - 1);

	for (int r = r0; r <= r1; r++)
		for (int c = c0; c <= c1; c++)
			taken[(Size) r * g->ncols + c] = 1;
}

/* Pads keep the strategy's distance, and room for a road and a cell. */
static double
spacing(const AjGroundModel *m, const AjLayoutParams *p)
{
	return fmax(p->spacing_m, m->cell + p->road_width_m);
}

static int
by_score(const void *a, const void *b)
{
	const Candidate *x = a,
			   *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->cell < y->cell ? -1 : x->cell > y->cell;
}

static int
by_place(const void *a, const void *b)
{
	int32		x = ((const Candidate *) a)->cell,
				y = ((const Candidate *) b)->cell;

	return x < y ? -1 : x > y;
}

static AjPlaced *
add_asset(AjLayout *l, const AjGroundModel *m, int kind, double x, double y)
{
	AjPlaced   *a = &l->assets[l->nassets++];
	int			nth = 1;
	int			c = (int) floor(x / m->cell),
				r = (int) floor(-y / m->cell);

	for (int i = 0; i < l->nassets - 1; i++)
		nth += l->assets[i].kind == kind;
	memset(a, 0, sizeof(*a));
	a->kind = kind;
	a->name = psprintf("%s %d", l->p->types[kind].label, nth);
	a->x = x;
	a->y = y;
	a->cell = (Size) r * m->g->ncols + c;
	a->aspect_deg = m->g->aspect[a->cell];
	return a;
}

/* Try the candidates in their order; how many have been placed. */
static int
try_candidates(AjGroundModel *m, AjLayout *l, int kind, int wanted,
			   const Candidate *cand, Size n, uint8 *taken)
{
	const AjAssetType *t = &l->p->types[kind];
	double		half = t->pad_m / 2;
	double		apart = fmax(t->pad_m + spacing(m, l->p), 0);
	int			placed = 0;

	for (Size i = 0; i < n && placed < wanted; i++)
	{
		double		x = (cand[i].cell % m->g->ncols + 0.5) * m->cell;
		double		y = -(cand[i].cell / m->g->ncols + 0.5) * m->cell;
		double		slope;
		bool		far = true;
		AjPlaced   *a;

		if (i % 4096 == 0)
			CHECK_FOR_INTERRUPTS();
		if (taken[cand[i].cell])
			continue;
		for (int j = 0; far && t->apart_m > 0 && j < l->nassets; j++)
			far = l->assets[j].kind != kind ||
				hypot(l->assets[j].x - x, l->assets[j].y - y) >= t->apart_m;
		if (!far)
			continue;
		slope = pad_slope(m, x, y, half, FORBIDDEN);
		if (!(slope <= t->max_slope_deg) || !clear_of_all(m, x, y, half))
			continue;
		a = add_asset(l, m, kind, x, y);
		a->slope_deg = slope;
		a->score = cand[i].score;
		take(m, taken, x, y, apart);
		placed++;
	}
	return placed;
}

static AJ_NORETURN void
capacity_infeasible(const AjLayout *l, int kind, int wanted, int fit)
{
	const AjAssetType *t = &l->p->types[kind];
	double		share = l->p->profile->share[kind];
	char	   *hint = share > 0 && fit > 0 ?
	psprintf("Ask for a target_capacity_kw of at most %.0f, allow more slope in assets.%s.max_slope_deg, or choose another site.",
			 floor(fit * aj_asset_kw(t) / share), t->name) :
	psprintf("Allow more slope in assets.%s.max_slope_deg, a smaller assets.%s.pad_m, or choose another site.",
			 t->name, t->name);

	aj_step_error(AJ_ERRCODE_INFEASIBLE, "capacity_infeasible",
				  psprintf("only %d of %d assets of type \"%s\" fit, as far as found",
						   fit, wanted, t->name),
				  psprintf("Each needs a pad of %.4g m on slopes up to %.4g degrees that a road of at most %.4g %% reaches, %.4g m from other pads (variant \"%s\").",
						   t->pad_m, t->max_slope_deg, 100 * l->p->max_grade,
						   l->p->spacing_m, l->p->name), hint);
}

static void
place_kind(AjGroundModel *m, AjLayout *l, int kind, const uint8 *banned)
{
	AjLayoutParams *p = l->p;
	AjSiteGrid *g = m->g;
	const AjAssetType *t = &p->types[kind];
	const AjStrategy *s = p->strategy;
	Size		n = (Size) g->ncols * g->nrows;
	double		rest = 1 - s->w_slope - s->w_proximity;
	int			before = l->nassets;
	Candidate  *cand;
	uint8	   *taken;
	Size		ncand = 0;
	AjkError	err;
	int			placed = 0;

	if (p->count[kind] == 0)
		return;
	aj_compute_begin();
	/* what remains goes to curvature, aspect and roughness as 3 : 2 : 2 */
	err = aj_suitability(g, t, s->w_slope, rest * 3 / 7, rest * 2 / 7,
						 rest * 2 / 7, FORBIDDEN, m->curvature, m->roughness,
						 m->suitability);
	aj_compute_end();
	aj_kernel_check(err);

	cand = MemoryContextAllocHuge(CurrentMemoryContext,
								  (n + 1) * sizeof(Candidate));
	taken = cells_alloc(g, 1);
	for (Size i = 0; i < n; i++)
		if (!isnan(m->suitability[i]) && m->reach[i] >= 0 && !banned[i])
		{
			double		near = 1 - (double) m->reach[i] / m->reach_max;

			cand[ncand].cell = (int32) i;
			cand[ncand].score = (float) ((1 - s->w_proximity) * m->suitability[i]
										 + s->w_proximity * near);

			/* what roads pay more for, assets avoid */
			if (m->multiplier && m->multiplier[i] > 1)
				cand[ncand].score /= m->multiplier[i];
			ncand++;
		}
	for (int order = 0; order < 2 && placed < p->count[kind]; order++)
	{
		l->nassets = before;
		memset(taken, 0, n);
		for (int i = 0; i < l->nassets; i++)
			take(m, taken, l->assets[i].x, l->assets[i].y,
				 (p->types[l->assets[i].kind].pad_m + t->pad_m) / 2
				 + spacing(m, p));

		/* the road has to begin somewhere */
		take(m, taken, m->entry_x, m->entry_y, t->pad_m / 2 + spacing(m, p));
		take(m, taken, (m->entry_cell % g->ncols + 0.5) * m->cell,
			 -(m->entry_cell / g->ncols + 0.5) * m->cell,
			 t->pad_m / 2 + spacing(m, p));
		qsort(cand, ncand, sizeof(Candidate), order == 0 ? by_score : by_place);
		placed = try_candidates(m, l, kind, p->count[kind], cand, ncand, taken);
	}
	pfree(cand);
	pfree(taken);
	if (placed < p->count[kind])
	{
		if (!l->trial)
			capacity_infeasible(l, kind, p->count[kind], placed);
		l->failed = true;
	}
}

static void
place_fixed(AjGroundModel *m, AjLayout *l)
{
	AjSiteGrid *g = m->g;

	for (int i = 0; i < l->p->nfixed; i++)
	{
		const AjFixedAsset *f = &l->p->fixed[i];
		double		half = l->p->types[f->kind].pad_m / 2;
		double		gx,
					gy;
		uint32		reasons;
		AjPlaced   *a;

		aj_site_xy(g, f->lon, f->lat, &gx, &gy);
		reasons = aj_site_reasons_at(g, gx, gy, g->boundary_setback_m) &
			~(uint32) (AJ_REASON_SLOPE | AJ_REASON_SMALL_PATCH);
		if (reasons)
		{
			uint32		first = reasons & (~reasons + 1);

			if (reasons & AJ_REASON_OUTSIDE)
				first = AJ_REASON_OUTSIDE;
			aj_step_error(AJ_ERRCODE_INFEASIBLE, "asset_not_allowed",
						  psprintf("asset \"%s\" may not stand at %.7g, %.7g",
								   f->name, f->lon, f->lat),
						  psprintf("The reason is: %s.", aj_reason_name(g, first)),
						  "Move it in fixed_assets (longitude first), or leave it to be placed.");
		}
		a = add_asset(l, m, f->kind, (gx - g->x0) / g->k, (gy - g->y0) / g->k);
		a->name = f->name;
		a->fixed = true;
		a->slope_deg = pad_slope(m, a->x, a->y, half, AJ_REASON_NODATA);
		a->score = NAN;
		for (int j = 0; j < l->nassets - 1; j++)
			if (aj_pad_gap(l, j, l->nassets - 1) < m->cell + l->p->road_width_m)
				aj_step_error(AJ_ERRCODE_INFEASIBLE, "asset_not_allowed",
							  psprintf("assets \"%s\" and \"%s\" stand too near to each other",
									   l->assets[j].name, a->name),
							  psprintf("Their pads are %.1f m apart; a road between needs %.1f m.",
									   aj_pad_gap(l, j, l->nassets - 1),
									   m->cell + l->p->road_width_m),
							  "Move one of them in fixed_assets, or lower resolution_m.");
	}
}

/*
 * Place all, and again without the places that turn out to be shut in by
 * other pads.
 */
void
aj_place_assets(AjGroundModel *m, AjLayout *l)
{
	/* those that bear the least slope have the least choice */
	static const int order[AJ_NASSET_TYPES] = {
		AJ_ASSET_SUBSTATION, AJ_ASSET_BATTERY, AJ_ASSET_GENERATOR,
		AJ_ASSET_SOLAR, AJ_ASSET_TURBINE
	};
	uint8	   *banned = cells_alloc(m->g, 1);

	l->assets = palloc0(AJ_MAX_ASSETS * sizeof(AjPlaced));
	for (int round = 0;; round++)
	{
		AjkNetwork	net;
		int			unreached;

		l->nassets = 0;
		place_fixed(m, l);
		for (int i = 0; i < AJ_NASSET_TYPES && !l->failed; i++)
			place_kind(m, l, order[i], banned);
		if (l->nassets == 0 || l->failed)
			break;
		unreached = aj_find_roads(m, l, false, &net);
		ajk_network_free(&net);
		if (unreached < 0)
			break;
		if (l->assets[unreached].fixed || round == 20)
		{
			if (!l->trial)
				aj_road_unreachable(m, l, unreached);
			l->failed = true;
			break;
		}
		take(m, banned, l->assets[unreached].x, l->assets[unreached].y,
			 l->p->types[l->assets[unreached].kind].pad_m / 2);
	}
	pfree(banned);
}
