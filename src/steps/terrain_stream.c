/*-------------------------------------------------------------------------
 *
 * terrain_stream.c
 *		The figures of a grid of a site that goes by in bands.
 *
 * What is known of single cells is added up row by row, in the order in which
 * a whole grid's is, so sums are the same to the last bit.  Patches are told
 * by ajk_patches_row: when one of the buildable ground has ended it is either
 * too small, and its cells are taken out of a map of one bit a cell, or a
 * compartment.  Their sums are put together from parts, in another order than
 * a whole grid's, so they are the same to rounding.  The widest clearing is
 * looked for in the bits.
 *
 * The overview's cells get the means of the slope and the suitability of the
 * grid's cells within them.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "terrain_detail.h"

#include <math.h>

#include "utils/memutils.h"

#include "../kernels/patches.h"
#include "../kernels/suitability.h"
#include "site_plan.h"

/* What all buildable patches come to */
typedef struct Buildable
{
	const AjSiteGrid *grid;
	AjTerrainDetail *d;
	uint8	   *bits;
	double		least;			/* cells of a patch that counts */
	size_t		small;			/* cells of those that don't */
	double		suitability_sum;
	double		seen;			/* cells with suitability */
	int64		first[AJ_MAX_COMPARTMENTS + 1]; /* of those listed */
} Buildable;

/* What a kind of asset could use */
typedef struct Usable
{
	AjTerrainDetail *d;
	int			kind;
	double		cell_area;
	double		least;
} Usable;

typedef struct Stream
{
	AjSiteBands *bands;
	const AjSiteGrid *grid;
	AjSiteGrid *overview;
	AjTerrainDetail *d;
	AjTerrainFigures *f;
	AjReliefFigures ruggedness;
	AjReliefFigures position;
	Buildable	buildable;
	Usable		usable[AJ_NASSET_TYPES];
	AjkPatches *patches;		/* of buildable ground */
	AjkPatches *asset[AJ_NASSET_TYPES];
	float	   *rough;			/* cells of a band */
	float	   *other;
	float	   *suit;
	float	   *row_suit;		/* cells of a row */
	float	   *row_seen;
	bool	   *member;
	int		   *over_col;		/* column of the overview */
	float	   *over_slope;		/* cells of the overview: sums */
	uint32	   *over_known;
	uint32	   *over_suits;
	size_t		none;			/* cells that nothing excludes */
} Stream;

/* Keep the largest compartments, the largest first. */
static void
list_compartment(Buildable *b, const AjkPatch *p)
{
	AjTerrainDetail *d = b->d;
	AjCompartment c = {0};
	int			at = d->nlisted;

	c.cells = p->cells;
	c.suitability_sum = p->sum[0];
	c.slope_sum = p->sum[1];
	c.best = p->best;
	c.best_at = p->best_at;
	while (at > 0 && (d->compartments[at - 1].cells < c.cells ||
					  (d->compartments[at - 1].cells == c.cells &&
					   b->first[at - 1] > p->first)))
	{
		d->compartments[at] = d->compartments[at - 1];
		b->first[at] = b->first[at - 1];
		at--;
	}
	d->compartments[at] = c;
	b->first[at] = p->first;
	d->nlisted = Min(d->nlisted + 1, AJ_MAX_COMPARTMENTS);
}

static AjkError
buildable_patch(void *arg, const AjkPatch *p)
{
	Buildable  *b = arg;

	if (b->least > 1 && p->cells < b->least)
	{
		b->small += p->cells;
		return ajk_bits_erase(b->bits, b->grid->ncols, b->grid->nrows,
							  (size_t) p->first);
	}
	b->suitability_sum += p->sum[0];
	b->seen += p->sum[2];
	b->d->ncompartments++;
	list_compartment(b, p);
	return AJK_OK;
}

static AjkError
usable_patch(void *arg, const AjkPatch *p)
{
	Usable	   *u = arg;

	if (p->cells >= u->least)
	{
		double		area = p->cells * u->cell_area;

		u->d->asset[u->kind].area_m2 += area;
		u->d->asset[u->kind].largest_m2 = Max(u->d->asset[u->kind].largest_m2, area);
		u->d->asset[u->kind].patches++;
	}
	return AJK_OK;
}

/* Patches of one row of the band, which is row of the grid */
static AjkError
add_row(Stream *s, const AjSiteGrid *b, Size at, Size row)
{
	int			ncols = b->ncols;
	const uint32 *reasons = b->reasons + at;
	const float *slope = b->slope + at;
	const float *value[AJK_PATCH_SUMS] = {s->row_suit, slope, s->row_seen};
	static const float *const nothing[AJK_PATCH_SUMS] = {NULL, NULL, NULL};
	AjkError	err;

	for (int c = 0; c < ncols; c++)
	{
		float		v = s->suit[at + c];

		s->member[c] = reasons[c] == 0;
		if (s->member[c])
			ajk_set_bit(s->buildable.bits, row * ncols + c);
		s->row_seen[c] = !isnan(v);
		s->row_suit[c] = isnan(v) ? 0 : v;
	}
	err = ajk_patches_row(s->patches, s->member, value);
	for (int k = 0; err == AJK_OK && k < AJ_NASSET_TYPES; k++)
	{
		double		limit = aj_asset_types[k].max_slope_deg;

		for (int c = 0; c < ncols; c++)
			s->member[c] = (reasons[c] & ~AJ_REASON_SLOPE) == 0 &&
				slope[c] <= limit;
		err = ajk_patches_row(s->asset[k], s->member, nothing);
	}
	return err;
}

/* Into the overview, by the middle of each cell */
static void
add_overview(Stream *s, const AjSiteGrid *b, Size at, Size row)
{
	const AjSiteGrid *o = s->overview;
	double		y = s->grid->y0 - (row + 0.5) * s->grid->cell_m;
	double		r = floor((o->y0 - y) / o->cell_m);

	if (!(r >= 0 && r < o->nrows))
		return;
	for (int c = 0; c < b->ncols; c++)
	{
		Size		i;

		if (s->over_col[c] < 0)
			continue;
		i = (Size) r * o->ncols + s->over_col[c];
		if (!isnan(b->slope[at + c]))
		{
			s->over_slope[i] += b->slope[at + c];
			s->over_known[i]++;
		}
		if (!isnan(s->suit[at + c]))
		{
			s->d->suitability[i] += s->suit[at + c];
			s->over_suits[i]++;
		}
	}
}

static AjkError
add_band(Stream *s)
{
	const AjSiteBands *bands = s->bands;
	AjSiteGrid *b = bands->band;
	Size		from = (Size) bands->skip * b->ncols;
	Size		cells = (Size) bands->nrows * b->ncols;
	size_t		all[32];
	size_t		alone[32];
	size_t		none = 0;
	AjkError	err;

	err = ajk_relief(b->elev, b->ncols, b->nrows, AJK_TRI, s->other, aj_poll, NULL);
	if (err == AJK_OK)
	{
		aj_relief_add(b, from, cells, s->other, &s->ruggedness);
		err = ajk_relief(b->elev, b->ncols, b->nrows, AJK_TPI, s->other, aj_poll, NULL);
	}
	if (err == AJK_OK)
	{
		aj_relief_add(b, from, cells, s->other, &s->position);
		err = ajk_relief(b->elev, b->ncols, b->nrows, AJK_ROUGHNESS, s->rough,
						 aj_poll, NULL);
	}
	if (err == AJK_OK)
		err = aj_terrain_add(b, from, cells, s->rough, s->f);
	if (err == AJK_OK)
		err = ajk_curvature(b->elev, b->ncols, b->nrows, b->cell_m, b->cell_m,
							NULL, NULL, s->other, aj_poll, NULL);
	if (err == AJK_OK)
		err = aj_suitability(b, s->d->type, 0.65, 0.15, 0.10, 0.10, 0xFFFFFFFF,
							 s->other, s->rough, s->suit);
	if (err == AJK_OK)
		err = ajk_mask_counts(b->reasons + from, cells, AJ_REASON_OUTSIDE, all,
							  alone, &none, aj_poll, NULL);
	for (int k = 0; err == AJK_OK && k < 32; k++)
	{
		bands->grid->lost_cells[k] += all[k];
		bands->grid->lost_alone[k] += alone[k];
	}
	for (int r = 0; err == AJK_OK && r < bands->nrows; r++)
	{
		Size		at = from + (Size) r * b->ncols;

		if (r % 16 == 0 && aj_poll(NULL, 0))
			return AJK_STOPPED;
		err = add_row(s, b, at, (Size) bands->first + r);
		add_overview(s, b, at, (Size) bands->first + r);
	}
	s->none += none;
	return err;
}

static AjkError
end_patches(Stream *s)
{
	AjSiteGrid *g = s->bands->grid;
	AjkError	err = ajk_patches_end(s->patches);
	int			bit = 0;

	for (int k = 0; err == AJK_OK && k < AJ_NASSET_TYPES; k++)
		err = ajk_patches_end(s->asset[k]);
	while ((1u << bit) != AJ_REASON_SMALL_PATCH)
		bit++;
	g->lost_cells[bit] = g->lost_alone[bit] = s->buildable.small;
	aj_site_set_areas(g, s->none - s->buildable.small);
	s->d->suitability_mean = s->buildable.seen > 0 ?
		s->buildable.suitability_sum / s->buildable.seen : NAN;
	return err;
}

/* Means of the overview's cells, and what they exclude */
static AjkError
end_overview(Stream *s)
{
	AjSiteGrid *o = s->overview;
	Size		n = (Size) o->ncols * o->nrows;

	for (Size i = 0; i < n; i++)
	{
		o->slope[i] = s->over_known[i] > 0 ? s->over_slope[i] / s->over_known[i] : NAN;
		s->d->suitability[i] = s->over_suits[i] > 0 ?
			s->d->suitability[i] / s->over_suits[i] : NAN;
	}
	return aj_site_exclude_again(o);
}

/* Of the grid's own cells, where a box of them can be held */
static void
find_rix(Stream *s)
{
	const AjSiteGrid *g = s->grid;
	const AjSiteGrid *o = s->overview;
	double		reach = aj_terrain_rix_radius(g);
	AjkDem		dem = {o->ncols, o->nrows, o->x0, o->y0, o->cell_m, o->cell_m,
	NULL, o->elev, 0, 0};
	double		x,
				y;
	int			c0,
				c1,
				r0,
				r1;

	aj_site_xy(g, (g->site->west + g->site->east) / 2,
			   (g->site->south + g->site->north) / 2, &x, &y);
	c0 = (int) Max(floor((x - reach - g->x0) / g->cell_m) - 2, 0);
	c1 = (int) Min(ceil((x + reach - g->x0) / g->cell_m) + 2, g->ncols);
	r0 = (int) Max(floor((g->y0 - y - reach) / g->cell_m) - 2, 0);
	r1 = (int) Min(ceil((g->y0 - y + reach) / g->cell_m) + 2, g->nrows);

	/* from a multiple on, the projection is exact at the same columns */
	c0 -= c0 % 8;
	if (8.0 * (c1 - c0) * (r1 - r0) <= 0.5 * aj_max_step_memory())
	{
		dem.ncols = c1 - c0;
		dem.nrows = g->nrows;
		dem.x0 = g->x0 + c0 * g->cell_m;
		dem.y0 = g->y0;
		dem.dx = dem.dy = g->cell_m;
		dem.z = aj_site_bands_box(s->bands, c0, r0, c1 - c0, r1 - r0);
		dem.row0 = r0;
		dem.held = r1 - r0;
	}
	aj_terrain_rix(g, &dem, s->d);
}

static void *
alloc(Size n, Size width)
{
	return MemoryContextAllocExtended(CurrentMemoryContext, n * width,
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

static void
begin(Stream *s)
{
	const AjSiteGrid *g = s->grid;
	const AjSiteGrid *o = s->overview;
	double		cell_area = g->cell_m * g->cell_m / (g->k * g->k);
	Size		band = (Size) g->ncols * (s->bands->most_rows + 2);
	Size		over = (Size) o->ncols * o->nrows;

	s->rough = alloc(band, sizeof(float));
	s->other = alloc(band, sizeof(float));
	s->suit = alloc(band, sizeof(float));
	s->row_suit = alloc(g->ncols, sizeof(float));
	s->row_seen = alloc(g->ncols, sizeof(float));
	s->member = alloc(g->ncols, sizeof(bool));
	s->over_col = alloc(g->ncols, sizeof(int));
	s->over_slope = alloc(over, sizeof(float));
	s->over_known = alloc(over, sizeof(uint32));
	s->over_suits = alloc(over, sizeof(uint32));
	s->d->suitability = alloc(over, sizeof(float));
	s->d->compartments = alloc(AJ_MAX_COMPARTMENTS + 1, sizeof(AjCompartment));
	for (int c = 0; c < g->ncols; c++)
	{
		double		at = floor((g->x0 + (c + 0.5) * g->cell_m - o->x0) / o->cell_m);

		s->over_col[c] = at >= 0 && at < o->ncols ? (int) at : -1;
	}
	s->buildable.grid = g;
	s->buildable.d = s->d;
	s->buildable.bits = alloc((Size) g->ncols * g->nrows / 8 + 1, 1);
	s->buildable.least = aj_site_min_cells(g);
	aj_kernel_check(ajk_patches_begin(&s->patches, g->ncols, buildable_patch, &s->buildable));
	for (int k = 0; k < AJ_NASSET_TYPES; k++)
	{
		double		pad = aj_asset_types[k].pad_m;

		s->usable[k] = (Usable)
		{
			s->d, k, cell_area, Max(ceil(pad * pad / cell_area), 1)
		};
		aj_kernel_check(ajk_patches_begin(&s->asset[k], g->ncols, usable_patch, &s->usable[k]));
	}
}

/* The bands are of no more use, and what follows has memory of its own. */
static void
end(Stream *s)
{
	AjSiteBands *b = s->bands;

	pfree(s->buildable.bits);
	pfree(s->rough);
	pfree(s->other);
	pfree(s->suit);
	pfree(s->over_slope);
	pfree(s->over_known);
	pfree(s->over_suits);
	pfree(b->band->elev);
	pfree(b->band->slope);
	pfree(b->band->aspect);
	pfree(b->band->reasons);
	if (b->window)
		pfree(b->window);
	b->window = NULL;
}

AjTerrainDetail *
aj_terrain_stream(AjSiteBands *bands, JsonbContainer *params,
				  AjSiteGrid *overview, AjTerrainFigures *f, double from,
				  double to)
{
	Stream	   *s = palloc0(sizeof(Stream));
	AjTerrainDetail *d = palloc0(sizeof(AjTerrainDetail));
	double		last = from + 0.9 * (to - from);
	AjPoll		poll = {last, to, "measuring distances"};

	d->type = aj_terrain_asset(params);
	s->bands = bands;
	s->grid = bands->grid;
	s->overview = overview;
	s->d = d;
	s->f = f;
	PG_TRY();
	{
		AjkError	err;

		begin(s);
		while (aj_site_bands_next(bands, from, last))
		{
			aj_compute_begin();
			err = add_band(s);
			aj_compute_end();
			aj_kernel_check(err);
			aj_progress(from + (last - from) * (bands->first + bands->nrows) / s->grid->nrows,
						"analysing the ground in bands");
		}
		aj_site_bands_end(bands);
		aj_compute_begin();
		err = end_patches(s);
		if (err == AJK_OK)
			err = ajk_bits_clearing(s->buildable.bits, s->grid->ncols,
									s->grid->nrows, &f->clear_cells,
									&f->clear_at, aj_poll, &poll);
		if (err == AJK_OK)
			err = end_overview(s);
		aj_compute_end();
		aj_kernel_check(err);
	}
	PG_FINALLY();
	{
		ajk_patches_free(s->patches);
		for (int k = 0; k < AJ_NASSET_TYPES; k++)
			ajk_patches_free(s->asset[k]);
	}
	PG_END_TRY();
	d->ruggedness_mean = s->ruggedness.seen > 0 ?
		s->ruggedness.sum / s->ruggedness.seen : NAN;
	d->ruggedness_max = s->ruggedness.seen > 0 ? s->ruggedness.hi : NAN;
	d->position_min = s->position.seen > 0 ? s->position.lo : NAN;
	d->position_max = s->position.seen > 0 ? s->position.hi : NAN;
	end(s);
	find_rix(s);
	return d;
}
