/*-------------------------------------------------------------------------
 *
 * layout_types.c
 *		Layouts of turbines of several types.
 *
 * Which place has which type is searched by exchanging two turbines of
 * different types, taken or not by the rule of Metropolis as any move.
 *
 * Where not all turbines fit at the largest spacing, they are packed with
 * their own: in the order of the candidates' positions along a direction each
 * turbine takes the first place where it fits.  As that order doesn't change
 * and turbines only come, a place once refused to a type stays refused, so
 * one pass over the candidates serves all turbines of a type.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "layout_search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SWEEPS 48

/* Candidates of a sweep, evenly thinned out */
#define MAX_CANDIDATES 40000

/* A candidate and its place in a sweep */
typedef struct Ranked
{
	double		key;
	int			id;
} Ranked;

/* May turbine t stand where turbine other does, if that goes? */
static bool
could_take(AjkSearch *q, int t, int other)
{
	double		x = q->s.x[other];
	double		y = q->s.y[other];

	for (int i = 0; i < q->s.n; i++)
		if (i != t && i != other &&
			!ajk_apart(q->s.x[i] - x, q->s.y[i] - y,
					   ajk_search_spacing(q, t, i)))
			return false;
	return ajk_search_allowed(q, t, x, y);
}

/* Let two turbines of different types change places, or not; did they? */
bool
ajk_search_swap(AjkSearch *q, double temp)
{
	const AjkLayoutProblem *p = q->prob;
	int			a = ajk_rng_below(&q->rng, p->n);
	int			b = ajk_rng_below(&q->rng, p->n);
	double		now = q->s.total_mwh;

	q->proposals++;
	if (ajk_search_stop(q, 2 * AJK_WORK_PER_PLACE))
		return false;
	if (p->type[a] == p->type[b] || !could_take(q, a, b) || !could_take(q, b, a))
		return false;
	ajk_surrogate_swap(&q->s, a, b);
	q->state->evaluations++;
	if (ajk_search_stop(q, AJK_WORK_PER_SWAP * (int64_t) p->n * q->s.nwd / 8))
		return false;
	if (q->s.total_mwh > now ||
		ajk_rng_uniform(&q->rng) < exp((q->s.total_mwh - now) / temp))
		return true;
	ajk_surrogate_swap(&q->s, a, b);
	return false;
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

/* Is a place free for turbine t beside those already placed? */
static bool
fits(const AjkSearch *q, const int *placed, int n, const double *px,
	 const double *py, int t, double x, double y)
{
	for (int i = 0; i < n; i++)
		if (!ajk_apart(px[i] - x, py[i] - y,
					   ajk_search_spacing(q, t, placed[i])))
			return false;
	return ajk_search_allowed(q, t, x, y);
}

/*
 * Places for the turbines with their own spacings, of the sweep that places
 * most of them: for all, if *n is their number.
 */
AjkError
ajk_search_pack_types(AjkSearch *q, double *x, double *y, int *n)
{
	const AjkLayoutProblem *p = q->prob;
	int			stride = q->ncells / MAX_CANDIDATES + 1;
	Ranked	   *order = malloc(sizeof(Ranked) * ((size_t) q->ncells + 1));
	double	   *px = malloc(sizeof(double) * (size_t) p->n);
	double	   *py = malloc(sizeof(double) * (size_t) p->n);
	int		   *placed = malloc(sizeof(int) * (size_t) p->n);
	int		   *cursor = malloc(sizeof(int) * (size_t) p->ntypes);
	AjkError	err = AJK_OK;

	*n = 0;
	if (!order || !px || !py || !placed || !cursor)
		err = AJK_NOMEM;
	for (int sweep = 0; err == AJK_OK && sweep < SWEEPS && *n < p->n; sweep++)
	{
		double		angle = 2.0 * AJK_PI * sweep / SWEEPS;
		double		c = cos(angle);
		double		s = sin(angle);
		int			norder = 0;
		int			count = 0;

		for (int i = 0; i < q->ncells; i += stride)
		{
			/* a small slant across makes every row start at the same end */
			order[norder].key = q->cx[i] * c + q->cy[i] * s +
				1e-3 * (q->cy[i] * c - q->cx[i] * s);
			order[norder++].id = i;
		}
		qsort(order, (size_t) norder, sizeof(Ranked), compare_ranked);
		memset(cursor, 0, sizeof(int) * (size_t) p->ntypes);
		for (int k = 0; err == AJK_OK && k < p->n; k++)
		{
			/* the largest first, or last */
			int			t = sweep % 2 ? p->n - 1 - k : k;
			int		   *at = &cursor[p->type[t]];

			for (; *at < norder; (*at)++)
			{
				int			id = order[*at].id;

				if (ajk_search_stop(q, AJK_WORK_PER_PLACE + count))
				{
					err = AJK_STOPPED;
					break;
				}
				if (!fits(q, placed, count, px, py, t, q->cx[id], q->cy[id]))
					continue;
				px[count] = q->cx[id];
				py[count] = q->cy[id];
				placed[count++] = t;
				break;
			}
		}
		if (err == AJK_OK && count > *n)
		{
			*n = count;
			if (count == p->n)
				for (int i = 0; i < count; i++)
				{
					x[placed[i]] = px[i];
					y[placed[i]] = py[i];
				}
		}
	}
	free(order);
	free(px);
	free(py);
	free(placed);
	free(cursor);
	return err;
}
