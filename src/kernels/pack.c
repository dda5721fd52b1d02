/*-------------------------------------------------------------------------
 *
 * pack.c
 *		How many turbines fit: points in an area, a minimum distance apart.
 *
 * The exact answer is a maximum independent set, which is NP-hard; this
 * finds a large one:
 *
 * 1. hexagonal lattices (the densest packing of the plane) of the minimum
 *	  pitch at several angles and offsets, each filled up with whatever
 *	  candidates still fit;
 * 2. sweeps: candidates taken in the order of their position along a
 *	  direction, each placed if it fits;
 * 3. from the best of these a local search over the candidates: a point is
 *	  exchanged for two where its going makes room for two (the 1-2 swap of
 *	  Andrade, Resende and Werneck, J. Heuristics 18 (2012) 525), else for
 *	  one other at random, which moves the gaps about until a point fits in.
 *
 * So the number is a lower bound of what fits, and messages say "found".
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "pack.h"

#include <stdlib.h>
#include <string.h>

/* The search works on at most so many candidates, evenly thinned out. */
#define MAX_CANDIDATES 40000
#define LATTICE_TRIALS 96
#define SWEEP_TRIALS 24
#define SWAP_ROUNDS 1500

/* A candidate and its place in a sweep */
typedef struct Ranked
{
	double		key;
	int			id;
} Ranked;

struct AjkPacker
{
	AjkArea		area;
	int			n;				/* candidates that may be built on */
	double	   *cx;
	double	   *cy;
	double		west,
				south,
				east,
				north;
	ajk_poll	poll;			/* for lattices, which may have many points */
	void	   *arg;
	int			stride;			/* search looks at every stride-th of them */

	/* points placed so far, found by bins of one spacing's width */
	int			cap;
	int			npoints;
	double	   *px;
	double	   *py;
	double	   *lx;				/* cap: scratch for a lattice */
	double	   *ly;
	int		   *next;			/* chain of a bin, -1 at its end */
	int			ncols;
	int			nrows;
	int		   *head;

	Ranked	   *order;			/* n: candidates in the order of a sweep */
	int		   *conflicts;		/* n: points within spacing of a candidate */
	int		   *blocker;		/* n: sum of those points' slots */
	int		   *pool;			/* n: scratch list of candidates */
};

double
ajk_min_spacing(int n, const double *x, const double *y)
{
	double		best = INFINITY;

	for (int i = 0; i < n; i++)
	{
		for (int j = 0; j < i; j++)
		{
			double		dx = x[i] - x[j];
			double		dy = y[i] - y[j];

			if (dx * dx + dy * dy < best)
				best = dx * dx + dy * dy;
		}
	}
	return sqrt(best);
}

void
ajk_packer_free(AjkPacker *p)
{
	if (p == NULL)
		return;
	free(p->cx);
	free(p->cy);
	free(p->px);
	free(p->py);
	free(p->lx);
	free(p->ly);
	free(p->next);
	free(p->head);
	free(p->order);
	free(p->conflicts);
	free(p->blocker);
	free(p->pool);
	free(p);
}

int
ajk_packer_cells(const AjkPacker *p, const double **cx, const double **cy)
{
	*cx = p->cx;
	*cy = p->cy;
	return p->n;
}

int
ajk_packer_cap(const AjkPacker *p)
{
	return p->cap;
}

static void
clear_points(AjkPacker *p)
{
	p->npoints = 0;
	for (int i = 0; i < p->ncols * p->nrows; i++)
		p->head[i] = -1;
}

static int
bin_of(const AjkPacker *p, double x, double y)
{
	int			col = (int) ((x - p->west) / p->area.spacing_m);
	int			row = (int) ((y - p->south) / p->area.spacing_m);

	col = col < 0 ? 0 : col >= p->ncols ? p->ncols - 1 : col;
	row = row < 0 ? 0 : row >= p->nrows ? p->nrows - 1 : row;
	return row * p->ncols + col;
}

/* Is x, y far enough from all points placed? */
static bool
fits(const AjkPacker *p, double x, double y)
{
	int			bin = bin_of(p, x, y);
	int			col = bin % p->ncols;
	int			row = bin / p->ncols;

	for (int r = row - 1; r <= row + 1; r++)
	{
		if (r < 0 || r >= p->nrows)
			continue;
		for (int c = col - 1; c <= col + 1; c++)
		{
			if (c < 0 || c >= p->ncols)
				continue;
			for (int i = p->head[r * p->ncols + c]; i >= 0; i = p->next[i])
				if (!ajk_apart(p->px[i] - x, p->py[i] - y, p->area.spacing_m))
					return false;
		}
	}
	return true;
}

static void
place(AjkPacker *p, double x, double y)
{
	int			i = p->npoints;
	int			bin;

	if (i >= p->cap)
		return;
	bin = bin_of(p, x, y);
	p->px[i] = x;
	p->py[i] = y;
	p->next[i] = p->head[bin];
	p->head[bin] = i;
	p->npoints++;
}

AjkError
ajk_packer_new(const AjkArea *area, AjkPacker **packer, ajk_poll poll,
			   void *arg)
{
	AjkPacker  *p;
	double		bins;
	size_t		n = area->ncells > 0 ? (size_t) area->ncells : 1;

	*packer = NULL;
	if (area->ncells < 0 || !(area->spacing_m > 0.0) ||
		!isfinite(area->spacing_m) || area->allowed == NULL)
		return AJK_INVALID;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return AJK_NOMEM;
	p->area = *area;
	p->poll = poll;
	p->arg = arg;
	p->cx = malloc(sizeof(double) * n);
	p->cy = malloc(sizeof(double) * n);
	p->order = malloc(sizeof(Ranked) * n);
	p->conflicts = malloc(sizeof(int) * n);
	p->blocker = malloc(sizeof(int) * n);
	p->pool = malloc(sizeof(int) * n);
	if (!p->cx || !p->cy || !p->order || !p->conflicts || !p->blocker ||
		!p->pool)
	{
		ajk_packer_free(p);
		return AJK_NOMEM;
	}

	p->west = p->south = INFINITY;
	p->east = p->north = -INFINITY;
	for (int i = 0; i < area->ncells; i++)
	{
		if (i % 100 == 0 && poll && poll(arg, (double) i / area->ncells))
		{
			ajk_packer_free(p);
			return AJK_STOPPED;
		}
		if (!area->allowed(area->allowed_arg, area->cx[i], area->cy[i]))
			continue;
		p->cx[p->n] = area->cx[i];
		p->cy[p->n] = area->cy[i];
		p->west = fmin(p->west, area->cx[i]);
		p->east = fmax(p->east, area->cx[i]);
		p->south = fmin(p->south, area->cy[i]);
		p->north = fmax(p->north, area->cy[i]);
		p->n++;
	}
	if (p->n == 0)
		p->west = p->east = p->south = p->north = 0.0;
	p->stride = p->n / MAX_CANDIDATES + 1;

	/* discs of half the spacing about the points do not overlap */
	bins = (p->east - p->west) / area->spacing_m + 2.0;
	bins *= (p->north - p->south) / area->spacing_m + 2.0;
	if (bins > 50e6)
	{
		ajk_packer_free(p);
		return AJK_RANGE;
	}
	p->ncols = (int) ((p->east - p->west) / area->spacing_m) + 1;
	p->nrows = (int) ((p->north - p->south) / area->spacing_m) + 1;
	p->cap = (int) (bins * 1.2) + 8;
	p->px = malloc(sizeof(double) * (size_t) p->cap);
	p->py = malloc(sizeof(double) * (size_t) p->cap);
	p->lx = malloc(sizeof(double) * (size_t) p->cap);
	p->ly = malloc(sizeof(double) * (size_t) p->cap);
	p->next = malloc(sizeof(int) * (size_t) p->cap);
	p->head = malloc(sizeof(int) * (size_t) p->ncols * (size_t) p->nrows);
	if (!p->px || !p->py || !p->lx || !p->ly || !p->next || !p->head)
	{
		ajk_packer_free(p);
		return AJK_NOMEM;
	}
	*packer = p;
	return AJK_OK;
}

/*
 * The points of a hexagonal lattice that may be built on: rows pitch *
 * sqrt(3)/2 apart at an angle (radians), the origin shifted by shares of the
 * pitch.  Returns their number, at most cap; x and y may be NULL to count.
 */
int
ajk_packer_lattice(AjkPacker *p, double pitch, double angle, double shift_u,
				   double shift_v, double *x, double *y, int cap)
{
	/* a hair wider, so that rounding cannot put points too near */
	double		u = pitch * (1.0 + 1e-9) + 1e-6;
	double		v = u * sqrt(0.75);
	double		midx = 0.5 * (p->west + p->east);
	double		midy = 0.5 * (p->south + p->north);
	double		reach = 0.5 * hypot(p->east - p->west, p->north - p->south);
	int			rows = (int) (reach / v) + 2;
	int			cols = (int) (reach / u) + 2;
	double		c = cos(angle);
	double		s = sin(angle);
	double		half = 0.5 * p->area.cell_m;
	int			n = 0;

	for (int r = -rows; r <= rows; r++)
	{
		/* cut short where the poll says stop; callers poll again after it */
		if (p->poll && p->poll(p->arg, 0.0))
			break;
		for (int k = -cols; k <= cols; k++)
		{
			double		a = (k + shift_u + (r & 1 ? 0.5 : 0.0)) * u;
			double		b = (r + shift_v) * v;
			double		px = midx + a * c - b * s;
			double		py = midy + a * s + b * c;

			if (px < p->west - half || px > p->east + half ||
				py < p->south - half || py > p->north + half ||
				!p->area.allowed(p->area.allowed_arg, px, py))
				continue;
			if (n >= cap)
				return n;
			if (x)
			{
				x[n] = px;
				y[n] = py;
			}
			n++;
		}
	}
	return n;
}

static int
compare_ranked(const void *pa, const void *pb)
{
	const Ranked *a = pa;
	const Ranked *b = pb;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

/* Candidates in the order of their position along a direction. */
static int
sweep_order(AjkPacker *p, double angle)
{
	double		c = cos(angle);
	double		s = sin(angle);
	int			n = 0;

	for (int i = 0; i < p->n; i += p->stride)
	{
		/* a small slant across makes every row start at the same end */
		p->order[n].key = p->cx[i] * c + p->cy[i] * s +
			1e-3 * (p->cy[i] * c - p->cx[i] * s);
		p->order[n++].id = i;
	}
	qsort(p->order, (size_t) n, sizeof(Ranked), compare_ranked);
	return n;
}

static void
fill_up(AjkPacker *p, int norder)
{
	for (int i = 0; i < norder; i++)
	{
		double		x = p->cx[p->order[i].id];
		double		y = p->cy[p->order[i].id];

		if (fits(p, x, y))
			place(p, x, y);
	}
}

/*
 * Count for every candidate the points that are in its way, sign = +1 when
 * the point of a slot comes, -1 when it goes.  With one in the way, blocker
 * is its slot.
 */
static void
count_conflicts(AjkPacker *p, int slot, int sign)
{
	for (int i = 0; i < p->n; i += p->stride)
	{
		if (!ajk_apart(p->cx[i] - p->px[slot], p->cy[i] - p->py[slot],
					   p->area.spacing_m))
		{
			p->conflicts[i] += sign;
			p->blocker[i] += sign * slot;
		}
	}
}

/* Candidates with this many points in the way (and that blocker) to pool. */
static int
collect(AjkPacker *p, int conflicts, int slot)
{
	int			n = 0;

	for (int i = 0; i < p->n; i += p->stride)
		if (p->conflicts[i] == conflicts &&
			(conflicts == 0 || p->blocker[i] == slot))
			p->pool[n++] = i;
	return n;
}

static void
set_point(AjkPacker *p, int slot, int candidate)
{
	p->px[slot] = p->cx[candidate];
	p->py[slot] = p->cy[candidate];
	count_conflicts(p, slot, 1);
}

/* Two of the pool that are far enough apart?  Tries from a random place. */
static bool
find_pair(AjkPacker *p, int npool, AjkRng *rng, int *a, int *b)
{
	int			tries = npool < 64 ? npool : 64;
	int			from;

	if (npool < 2)
		return false;
	from = ajk_rng_below(rng, npool);
	for (int t = 0; t < tries; t++)
	{
		int			i = p->pool[(int) ((from + (int64_t) t * npool / tries) %
									   npool)];

		for (int k = 0; k < npool; k++)
		{
			int			j = p->pool[k];

			if (ajk_apart(p->cx[i] - p->cx[j], p->cy[i] - p->cy[j],
						  p->area.spacing_m))
			{
				*a = i;
				*b = j;
				return true;
			}
		}
	}
	return false;
}

static AjkError
swap_search(AjkPacker *p, int want, AjkRng *rng, ajk_poll poll, void *arg)
{
	memset(p->conflicts, 0, sizeof(int) * (size_t) p->n);
	memset(p->blocker, 0, sizeof(int) * (size_t) p->n);
	for (int s = 0; s < p->npoints; s++)
	{
		if (poll && poll(arg, 0.5))
			return AJK_STOPPED;
		count_conflicts(p, s, 1);
	}

	for (int round = 0; round < SWAP_ROUNDS; round++)
	{
		int			slot;
		int			npool;
		int			a,
					b;

		if (poll && poll(arg, 0.5 + 0.5 * round / SWAP_ROUNDS))
			return AJK_STOPPED;
		if (p->npoints >= want || p->npoints >= p->cap || p->npoints == 0)
			break;

		/* whatever is free now */
		npool = collect(p, 0, 0);
		if (npool > 0)
		{
			set_point(p, p->npoints++, p->pool[ajk_rng_below(rng, npool)]);
			continue;
		}
		slot = ajk_rng_below(rng, p->npoints);
		npool = collect(p, 1, slot);
		if (npool == 0)
			continue;
		if (find_pair(p, npool, rng, &a, &b))
		{
			count_conflicts(p, slot, -1);
			set_point(p, slot, a);
			set_point(p, p->npoints++, b);
		}
		else
		{
			a = p->pool[ajk_rng_below(rng, npool)];
			count_conflicts(p, slot, -1);
			set_point(p, slot, a);
		}
	}
	return AJK_OK;
}

/*
 * Place as many points as can be found, or want if that is fewer.  x and y
 * have room for ajk_packer_cap() points.
 */
AjkError
ajk_packer_search(AjkPacker *p, int want, uint64_t seed, double *x, double *y,
				  int *n, ajk_poll poll, void *arg)
{
	AjkRng		rng;
	AjkError	err;
	int			best = 0;

	*n = 0;
	ajk_rng_seed(&rng, seed);
	if (p->n == 0 || want < 1)
		return AJK_OK;

	for (int t = 0; t < LATTICE_TRIALS + SWEEP_TRIALS && best < want; t++)
	{
		int			norder;

		if (poll && poll(arg, 0.5 * t / (LATTICE_TRIALS + SWEEP_TRIALS)))
			return AJK_STOPPED;
		clear_points(p);
		if (t < LATTICE_TRIALS)
		{
			double		angle = AJK_PI / 3.0 * ajk_rng_uniform(&rng);
			double		u = ajk_rng_uniform(&rng);
			double		v = ajk_rng_uniform(&rng);
			int			m = ajk_packer_lattice(p, p->area.spacing_m, angle, u, v,
											   p->lx, p->ly, p->cap);

			for (int i = 0; i < m; i++)
				if (fits(p, p->lx[i], p->ly[i]))
					place(p, p->lx[i], p->ly[i]);

			/* filling up the gaps pays only for those that are near the best */
			if (p->npoints * 4 < best * 3)
				continue;
		}
		norder = sweep_order(p, 2.0 * AJK_PI * t / SWEEP_TRIALS);
		fill_up(p, norder);
		if (p->npoints > best)
		{
			best = p->npoints;
			memcpy(x, p->px, sizeof(double) * (size_t) best);
			memcpy(y, p->py, sizeof(double) * (size_t) best);
		}
	}

	if (best < want)
	{
		memcpy(p->px, x, sizeof(double) * (size_t) best);
		memcpy(p->py, y, sizeof(double) * (size_t) best);
		p->npoints = best;
		err = swap_search(p, want, &rng, poll, arg);
		if (err != AJK_OK)
			return err;
		best = p->npoints;
		memcpy(x, p->px, sizeof(double) * (size_t) best);
		memcpy(y, p->py, sizeof(double) * (size_t) best);
	}
	*n = best < want ? best : want;
	return AJK_OK;
}
