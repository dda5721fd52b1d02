/*-------------------------------------------------------------------------
 *
 * layout_fit.c
 *		Room for one turbine more, by pushing those that stand apart.
 *
 * The packing search knows the candidates' places only, so it misses what
 * fits to a metre: four turbines in the corners of a square, say.  Here
 * turbines stand anywhere.  From the layout found and one more place at
 * random, and then from random places, whatever stands too near to each other
 * is moved apart by half of what lacks each, and whatever stands outside is
 * moved to the boundary, until nothing is left to move or patience is at its
 * end.  A turbine that comes onto ground that isn't buildable goes back to
 * where it was.
 *
 * This is for farms of one type, whose search can tell how far a place is from
 * the boundary (margin).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "layout_search.h"

#include <math.h>
#include <string.h>

/* A try's rounds, and tries; fewer where there are very many turbines */
#define ROUNDS 400
#define TRIES 24
#define MOST_PAIRS 4e7

/* Kept beyond the spacing, so that rounding doesn't undo what has been done */
#define SPARE_M 1e-4

/* Push all that are too near apart; was there any? */
static bool
push(AjkSearch *q, int n, double *x, double *y)
{
	double		d = q->prob->area.spacing_m + SPARE_M;
	bool		any = false;

	for (int i = 0; i < n; i++)
		for (int j = 0; j < i; j++)
		{
			double		dx = x[i] - x[j];
			double		dy = y[i] - y[j];
			double		r = dx * dx + dy * dy;
			double		f;

			if (r >= q->prob->area.spacing_m * q->prob->area.spacing_m)
				continue;
			any = true;
			r = sqrt(r);
			if (!(r > 1e-3))
			{
				dx = ajk_rng_normal(&q->rng);
				dy = ajk_rng_normal(&q->rng);
				r = hypot(dx, dy) + 1e-9;
				dx /= r;
				dy /= r;
				r = 1.0;
			}
			f = 0.5 * (d - r) / r;
			x[i] += f * dx;
			y[i] += f * dy;
			x[j] -= f * dx;
			y[j] -= f * dy;
		}
	return any;
}

/* From the places in x and y, to n that all are free; did it work? */
static bool
settle(AjkSearch *q, int n, double *x, double *y, double *last_x,
	   double *last_y)
{
	memcpy(last_x, x, sizeof(double) * (size_t) n);
	memcpy(last_y, y, sizeof(double) * (size_t) n);
	for (int round = 0; round < ROUNDS; round++)
	{
		if (ajk_search_stop(q, (int64_t) n * (n / 8 + AJK_WORK_PER_PLACE)))
			return false;
		if (!push(q, n, x, y))
			return true;
		for (int i = 0; i < n; i++)
		{
			if (x[i] == last_x[i] && y[i] == last_y[i])
				continue;
			if (!ajk_search_pull(q, i, &x[i], &y[i]))
			{
				x[i] = last_x[i];
				y[i] = last_y[i];
			}
			last_x[i] = x[i];
			last_y[i] = y[i];
		}
	}
	return false;
}

/*
 * Places for more turbines than the n of x and y, which are replaced: as many
 * as are found, at most want.  scratch has room for 4 * want.  Returns their
 * number.
 */
int
ajk_search_fit(AjkSearch *q, int n, int want, double *x, double *y,
			   double *scratch)
{
	double	   *tx = scratch;
	double	   *ty = scratch + want;

	if (q->prob->type || !q->prob->margin)
		return n;
	while (n < want)
	{
		int			tries = (int) fmin(TRIES, MOST_PAIRS / ((double) n * n * ROUNDS + 1.0));
		bool		good = false;

		for (int t = 0; t < tries && !good; t++)
		{
			int			kept = t % 2 ? 0 : n;

			memcpy(tx, x, sizeof(double) * (size_t) kept);
			memcpy(ty, y, sizeof(double) * (size_t) kept);
			for (int i = kept; i <= n; i++)
				ajk_search_random_place(q, &tx[i], &ty[i]);
			for (int i = kept; i <= n; i++)
				if (!ajk_search_allowed(q, i, tx[i], ty[i]))
					(void) ajk_search_pull(q, i, &tx[i], &ty[i]);
			good = settle(q, n + 1, tx, ty, scratch + 2 * want, scratch + 3 * want);
			if (q->stopped)
				return n;
			for (int i = 0; good && i <= n; i++)
				good = ajk_search_allowed(q, i, tx[i], ty[i]);
		}
		if (!good)
			break;
		n++;
		memcpy(x, tx, sizeof(double) * (size_t) n);
		memcpy(y, ty, sizeof(double) * (size_t) n);
	}
	return n;
}
