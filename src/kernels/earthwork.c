/*-------------------------------------------------------------------------
 *
 * earthwork.c
 *		Vertical profiles of roads, level pads, and the ground to be moved.
 *
 * Profile.  Of all functions with |h'| <= g, the one nearest to the ground z
 * in the largest distance lies midway between
 *		upper(s) = min over t of z(t) + g |s - t|
 *		lower(s) = max over t of z(t) - g |s - t|
 * (the extensions of McShane and of Whitney, 1934), each found by one pass
 * forth and one back.  An end that is given bounds the profile by the cone
 * of what can be reached from it; bounds of grade g keep the grade.
 *
 * Cross section.  The ground is taken to be straight between samples, and
 * the area between it and the formation is that of the trapezia and
 * triangles exactly, so on a plane hillside the result is the closed form.
 * A side slope begins at the edge of the road: in cut, where the ground is
 * higher there, it rises; in fill it falls; either until it meets the
 * ground.
 *
 * Pad.  The pad and what is around it as far as the side slopes may reach
 * are divided into small squares, the ground taken at the middle of each.  A
 * square at a distance d of the pad is cut to h + d / cut and filled to
 * h - d / fill.  The pad holds an even number of squares each way, so a level
 * pad on a plane hillside gives L^2 W s / 8 to the last digit.  Cut falls and
 * fill rises with h, so the height of balance is found by bisection.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "earthwork.h"

#include <math.h>
#include <stdlib.h>

struct AjkPadGround
{
	int			n;
	int			nunder;			/* the first so many lie under the pad */
	double		cell_area;
	double	   *z;
	double	   *cut_at;			/* height above the pad's of the side slope */
	double	   *fill_at;		/* below */
};

/* ---- profile ---- */

static double
clamp(double v, double lo, double hi)
{
	return v < lo ? lo : v > hi ? hi : v;
}

AjkError
ajk_profile(int n, const double *station, const double *ground,
			double max_grade, double first, double last, double *height)
{
	double	   *lower;

	if (n <= 0 || !(max_grade > 0))
		return AJK_INVALID;
	for (int i = 0; i < n; i++)
		if (isnan(ground[i]) || (i > 0 && !(station[i] >= station[i - 1])))
			return AJK_INVALID;
	lower = malloc(n * sizeof(double));
	if (lower == NULL)
		return AJK_NOMEM;
	for (int i = 0; i < n; i++)
		height[i] = lower[i] = ground[i];
	for (int i = 1; i < n; i++)
	{
		double		d = max_grade * (station[i] - station[i - 1]);

		height[i] = fmin(height[i], height[i - 1] + d);
		lower[i] = fmax(lower[i], lower[i - 1] - d);
	}
	for (int i = n - 2; i >= 0; i--)
	{
		double		d = max_grade * (station[i + 1] - station[i]);

		height[i] = fmin(height[i], height[i + 1] + d);
		lower[i] = fmax(lower[i], lower[i + 1] - d);
	}
	if (!isnan(first) && !isnan(last))
	{
		double		d = max_grade * (station[n - 1] - station[0]);

		last = clamp(last, first - d, first + d);
	}
	for (int i = 0; i < n; i++)
	{
		double		to_last = max_grade * (station[n - 1] - station[i]);
		double		to_first = max_grade * (station[i] - station[0]);

		height[i] = 0.5 * (height[i] + lower[i]);
		if (!isnan(last))
			height[i] = clamp(height[i], last - to_last, last + to_last);
		if (!isnan(first))
			height[i] = clamp(height[i], first - to_first, first + to_first);
	}
	free(lower);
	return AJK_OK;
}

AjkError
ajk_moving_mean(int n, const double *values, int half, double *out)
{
	double	   *sum = malloc(((size_t) n + 1) * sizeof(double));

	if (sum == NULL)
		return AJK_NOMEM;
	sum[0] = 0;
	for (int i = 0; i < n; i++)
		sum[i + 1] = sum[i] + values[i];
	for (int i = 0; i < n; i++)
	{
		/* symmetric also at the ends, so that a straight line stays one */
		int			h = half;

		if (h > i)
			h = i;
		if (h > n - 1 - i)
			h = n - 1 - i;
		out[i] = (sum[i + h + 1] - sum[i - h]) / (2 * h + 1);
	}
	free(sum);
	return AJK_OK;
}

/* ---- sections ---- */

/*
 * Add the area between a straight piece and the axis: a and b are its
 * distances from the axis at the ends.
 */
static void
add_area(double a, double b, double len, double *above, double *below)
{
	if (a >= 0 && b >= 0)
		*above += 0.5 * (a + b) * len;
	else if (a <= 0 && b <= 0)
		*below -= 0.5 * (a + b) * len;
	else
	{
		double		t = a / (a - b);

		if (a > 0)
		{
			*above += 0.5 * a * t * len;
			*below -= 0.5 * b * (1 - t) * len;
		}
		else
		{
			*below -= 0.5 * a * t * len;
			*above += 0.5 * b * (1 - t) * len;
		}
	}
}

/* One side slope from the edge on; e is the ground above the road there. */
static bool
side(AjkGround ground, void *arg, double x, double y, double dx, double dy,
	 double h, double from, double e, const AjkSides *sides, double *area)
{
	double		run = e > 0 ? sides->cut : sides->fill;
	double		sign = e > 0 ? 1 : -1;
	double		before = fabs(e);
	double		none = 0;

	if (e == 0 || run <= 0)
		return true;
	for (double u = 0; u < sides->reach_m;)
	{
		double		step = fmin(sides->step_m, sides->reach_m - u);
		double		z;
		double		here;

		u += step;
		z = ground(arg, x + (from + u) * dx, y + (from + u) * dy);
		if (isnan(z))
			return false;

		/* how far the ground still lies beyond the side slope */
		here = sign * (z - h) - u / run;
		add_area(before, here, step, area, &none);
		if (here <= 0)
			return true;
		before = here;
	}
	return false;
}

bool
ajk_section(AjkGround ground, void *arg, double x, double y, double nx,
			double ny, double h, double width_m, const AjkSides *sides,
			double *cut_m2, double *fill_m2)
{
	int			n = (int) fmax(ceil(width_m / sides->step_m), 1);
	double		a = width_m / 2;
	double		first = 0,
				before = 0;
	bool		met;

	*cut_m2 = *fill_m2 = 0;
	for (int i = 0; i <= n; i++)
	{
		double		u = -a + width_m * i / n;
		double		d = ground(arg, x + u * nx, y + u * ny) - h;

		if (isnan(d))
			return false;
		if (i == 0)
			first = d;
		else
			add_area(before, d, width_m / n, cut_m2, fill_m2);
		before = d;
	}
	met = side(ground, arg, x, y, nx, ny, h, a, before, sides,
			   before > 0 ? cut_m2 : fill_m2);
	return side(ground, arg, x, y, -nx, -ny, h, a, first, sides,
				first > 0 ? cut_m2 : fill_m2) && met;
}

/* ---- pads ---- */

AjkPadGround *
ajk_pad_ground(AjkGround ground, void *arg, const AjkPad *pad,
			   const AjkSides *sides)
{
	AjkPadGround *g = calloc(1, sizeof(AjkPadGround));
	int			nx = 2 * (int) fmax(ceil(pad->length_m / sides->step_m / 2), 1);
	int			ny = 2 * (int) fmax(ceil(pad->width_m / sides->step_m / 2), 1);
	double		dx = pad->length_m / nx;
	double		dy = pad->width_m / ny;
	bool		walls = sides->cut <= 0 && sides->fill <= 0;
	int			mx = walls ? 0 : (int) ceil(sides->reach_m / dx);
	int			my = walls ? 0 : (int) ceil(sides->reach_m / dy);
	size_t		n = ((size_t) nx + 2 * mx) * ((size_t) ny + 2 * my);
	int			at = 0;

	if (g == NULL)
		return NULL;
	g->z = malloc(n * sizeof(double));
	g->cut_at = malloc(n * sizeof(double));
	g->fill_at = malloc(n * sizeof(double));
	if (g->z == NULL || g->cut_at == NULL || g->fill_at == NULL)
	{
		ajk_pad_ground_free(g);
		return NULL;
	}
	g->cell_area = dx * dy;
	for (int around = 0; around < 2; around++)
	{
		for (int i = -mx; i < nx + mx; i++)
			for (int j = -my; j < ny + my; j++)
			{
				bool		under = i >= 0 && i < nx && j >= 0 && j < ny;
				double		u = (i + 0.5) * dx - pad->length_m / 2;
				double		v = (j + 0.5) * dy - pad->width_m / 2;
				double		d = hypot(fmax(fabs(u) - pad->length_m / 2, 0),
									  fmax(fabs(v) - pad->width_m / 2, 0));

				if (under == (around == 1) || d > sides->reach_m)
					continue;
				g->z[at] = ground(arg, pad->x + u, pad->y + v);

				/* unknown ground around the pad is left as it is */
				if (!under && isnan(g->z[at]))
					continue;
				g->cut_at[at] = under ? 0 :
					sides->cut > 0 ? d / sides->cut : INFINITY;
				g->fill_at[at] = under ? 0 :
					sides->fill > 0 ? d / sides->fill : INFINITY;
				at++;
			}
		if (!around)
			g->nunder = at;
	}
	g->n = at;
	return g;
}

void
ajk_pad_ground_free(AjkPadGround *g)
{
	if (g)
	{
		free(g->z);
		free(g->cut_at);
		free(g->fill_at);
		free(g);
	}
}

void
ajk_pad_range(const AjkPadGround *g, double *lo, double *hi, double *mean)
{
	double		sum = 0;

	*lo = INFINITY;
	*hi = -INFINITY;
	for (int i = 0; i < g->nunder; i++)
	{
		sum += g->z[i];
		*lo = fmin(*lo, g->z[i]);
		*hi = fmax(*hi, g->z[i]);
	}
	*mean = sum / g->nunder;
	if (isnan(sum))
		*lo = *hi = NAN;
}

void
ajk_pad_volumes(const AjkPadGround *g, double h, double *cut_m3,
				double *fill_m3)
{
	double		cut = 0,
				fill = 0;

	for (int i = 0; i < g->n; i++)
	{
		double		d = g->z[i] - h;

		if (d > g->cut_at[i])
			cut += d - g->cut_at[i];
		else if (-d > g->fill_at[i])
			fill += -d - g->fill_at[i];
	}
	*cut_m3 = cut * g->cell_area;
	*fill_m3 = fill * g->cell_area;
}

double
ajk_pad_balance(const AjkPadGround *g, double shrink)
{
	double		lo,
				hi,
				mean;

	ajk_pad_range(g, &lo, &hi, &mean);
	if (isnan(mean))
		return NAN;

	/* around the pad the ground may be higher and lower than under it */
	for (int i = g->nunder; i < g->n; i++)
	{
		lo = fmin(lo, g->z[i]);
		hi = fmax(hi, g->z[i]);
	}
	for (int i = 0; i < 60 && hi - lo > 1e-9; i++)
	{
		double		h = 0.5 * (lo + hi);
		double		cut,
					fill;

		ajk_pad_volumes(g, h, &cut, &fill);
		if (shrink * cut > fill)
			lo = h;
		else
			hi = h;
	}
	return 0.5 * (lo + hi);
}
