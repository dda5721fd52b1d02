/*-------------------------------------------------------------------------
 *
 * surrogate.c
 *		A fast estimate of a wind farm's energy that follows single moves.
 *
 * An optimiser tries many moves of one turbine.  Two simplifications make a
 * trial cost O(n) per direction, independent of the number of speeds:
 *
 * - every turbine has the same thrust coefficient, that of the free wind
 *	 averaged over the speeds at which a loss costs energy, so squared losses
 *	 just add up at each turbine and a move changes only the moved turbine's
 *	 terms;
 * - the energy of a turbine in one direction is then a function of its one
 *	 relative loss of speed, tabulated beforehand over all speeds (the loss
 *	 at another speed is scaled by the induction at that speed's Ct, seven
 *	 diameters downwind).
 *
 * With one wind speed and a constant Ct, as in the IEA37 case studies, the
 * estimate is exact up to the table's interpolation.  In general it is not;
 * its user judges results by ajk_farm_yield.  Neighbouring directions are
 * merged to at most max_wd.
 *
 * Protocol of a move: lift a turbine, try places, drop it at one.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "surrogate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Entries of a table: loss of speed 0, 1/512, ... 1 */
#define TABLE_STEPS 512
#define TABLE_SIZE (TABLE_STEPS + 2)

/* exp(-20) squared is nothing beside the table's error. */
#define NEAR_ENOUGH 6.0

/* Ct weighted by what a small loss of speed costs at each speed. */
static double
typical_ct(const AjkTurbine *turbine, const AjkWind *wind)
{
	double		weight = 0.0;
	double		sum = 0.0;

	for (int j = 0; j < wind->nws; j++)
	{
		double		u = wind->ws[j];
		double		cost = ajk_turbine_power(turbine, u) -
		ajk_turbine_power(turbine, 0.95 * u);
		double		p = 0.0;

		for (int i = 0; i < wind->nwd; i++)
			p += wind->prob[(size_t) i * wind->nws + j];
		if (cost > 0.0)
		{
			weight += p * cost;
			sum += p * cost * ajk_turbine_ct(turbine, u);
		}
	}
	if (weight > 0.0)
		return sum / weight;
	return ajk_turbine_ct(turbine, ajk_wind_mean_speed(wind));
}

void
ajk_surrogate_free(AjkSurrogate *s)
{
	free(s->east);
	free(s->north);
	free(s->table);
	free(s->x);
	free(s->y);
	free(s->sum);
	free(s->energy);
	free(s->base);
	free(s->base_energy);
	memset(s, 0, sizeof(*s));
}

AjkError
ajk_surrogate_init(AjkSurrogate *s, int cap, const AjkTurbine *turbine,
				   const AjkWind *wind, const AjkWake *wake,
				   double true_north_deg, int max_wd)
{
	AjkWind		coarse;
	size_t		cells;
	double		d = turbine->diameter_m;
	double		ref;
	AjkError	err;

	memset(s, 0, sizeof(*s));
	err = ajk_wind_coarsen(wind, max_wd, &coarse);
	if (err != AJK_OK)
		return err;
	s->cap = cap;
	s->nwd = coarse.nwd;
	s->wake = *wake;
	s->diameter_m = d;
	s->ct = typical_ct(turbine, wind);

	cells = (size_t) s->nwd * (size_t) cap;
	s->east = malloc(sizeof(double) * (size_t) s->nwd);
	s->north = malloc(sizeof(double) * (size_t) s->nwd);
	s->table = malloc(sizeof(double) * (size_t) s->nwd * TABLE_SIZE);
	s->x = malloc(sizeof(double) * (size_t) cap);
	s->y = malloc(sizeof(double) * (size_t) cap);
	s->sum = malloc(sizeof(double) * cells);
	s->energy = malloc(sizeof(double) * cells);
	s->base = malloc(sizeof(double) * cells);
	s->base_energy = malloc(sizeof(double) * cells);
	if (!s->east || !s->north || !s->table || !s->x || !s->y || !s->sum ||
		!s->energy || !s->base || !s->base_energy)
	{
		ajk_surrogate_free(s);
		ajk_wind_free(&coarse);
		return AJK_NOMEM;
	}

	ref = ajk_wake_deficit(wake, d, s->ct, 7.0 * d, 0.0);
	for (int i = 0; i < s->nwd; i++)
	{
		double		angle = AJK_DEG2RAD(coarse.wd[i] + true_north_deg);
		double	   *row = s->table + (size_t) i * TABLE_SIZE;

		s->east[i] = -sin(angle);
		s->north[i] = -cos(angle);
		memset(row, 0, sizeof(double) * TABLE_SIZE);
		for (int j = 0; j < coarse.nws; j++)
		{
			double		p = coarse.prob[(size_t) i * coarse.nws + j];
			double		u = coarse.ws[j];
			double		ratio = 1.0;

			if (p == 0.0)
				continue;
			if (ref > 0.0)
				ratio = ajk_wake_deficit(wake, d, ajk_turbine_ct(turbine, u),
										 7.0 * d, 0.0) / ref;
			for (int t = 0; t < TABLE_SIZE; t++)
			{
				double		loss = ratio * t / TABLE_STEPS;

				row[t] += p * AJK_HOURS_PER_YEAR / 1000.0 *
					ajk_turbine_power(turbine, u * fmax(0.0, 1.0 - loss));
			}
		}
		s->gross_mwh += row[0];
	}
	ajk_wind_free(&coarse);
	return AJK_OK;
}

/* Energy of one turbine in direction d with this sum of squared losses. */
static inline double
lookup(const AjkSurrogate *s, int d, double sum)
{
	const double *row = s->table + (size_t) d * TABLE_SIZE;
	double		at;
	int			i;

	if (sum <= 0.0)
		return row[0];
	at = sqrt(sum) * TABLE_STEPS;
	if (at >= TABLE_STEPS)
		return row[TABLE_STEPS];
	i = (int) at;
	return row[i] + (at - i) * (row[i + 1] - row[i]);
}

/* Squared loss at dx downwind, dy across. */
static inline double
loss2(const AjkSurrogate *s, double dx, double dy)
{
	double		limit;
	double		du;

	if (!(dx > 0.0))
		return 0.0;
	if (s->wake.model == AJK_WAKE_NOJ)
		limit = s->diameter_m + s->wake.k * dx;
	else
		limit = NEAR_ENOUGH * (s->wake.k * dx + 0.45 * s->diameter_m);
	if (fabs(dy) > limit)
		return 0.0;
	du = ajk_wake_deficit(&s->wake, s->diameter_m, s->ct, dx, dy);
	return du * du;
}

/* Recompute everything; also what rounding has gathered. */
bool
ajk_surrogate_set(AjkSurrogate *s, int n, const double *x, const double *y,
				  ajk_poll poll, void *arg)
{
	if (x != s->x)
	{
		memcpy(s->x, x, sizeof(double) * (size_t) n);
		memcpy(s->y, y, sizeof(double) * (size_t) n);
	}
	s->n = n;
	s->total_mwh = 0.0;
	for (int d = 0; d < s->nwd; d++)
	{
		double	   *sum = s->sum + (size_t) d * s->cap;

		if (n > 100 && poll && poll(arg, (double) d / s->nwd))
			return false;
		for (int i = 0; i < n; i++)
			sum[i] = 0.0;
		for (int i = 0; i < n; i++)
		{
			for (int j = 0; j < i; j++)
			{
				double		ex = s->x[i] - s->x[j];
				double		ey = s->y[i] - s->y[j];
				double		dx = ex * s->east[d] + ey * s->north[d];
				double		dy = ex * s->north[d] - ey * s->east[d];

				if (dx > 0.0)
					sum[i] += loss2(s, dx, dy);
				else
					sum[j] += loss2(s, -dx, dy);
			}
		}
		for (int i = 0; i < n; i++)
		{
			double		e = lookup(s, d, sum[i]);

			s->energy[(size_t) d * s->cap + i] = e;
			s->total_mwh += e;
		}
	}
	return true;
}

/* Make ready for one more turbine: it counts as lifted, so try, then drop. */
void
ajk_surrogate_next(AjkSurrogate *s)
{
	s->lifted = s->n;
	s->base_mwh = s->total_mwh;
	for (int d = 0; d < s->nwd; d++)
	{
		size_t		row = (size_t) d * s->cap;

		memcpy(s->base + row, s->sum + row, sizeof(double) * (size_t) s->n);
		memcpy(s->base_energy + row, s->energy + row,
			   sizeof(double) * (size_t) s->n);
	}
}

/* Take a turbine off the ground: what the others produce without it. */
void
ajk_surrogate_lift(AjkSurrogate *s, int turbine)
{
	double		x = s->x[turbine];
	double		y = s->y[turbine];

	s->lifted = turbine;
	s->base_mwh = 0.0;
	for (int d = 0; d < s->nwd; d++)
	{
		size_t		row = (size_t) d * s->cap;

		for (int i = 0; i < s->n; i++)
		{
			double		ex = s->x[i] - x;
			double		ey = s->y[i] - y;
			double		dx = ex * s->east[d] + ey * s->north[d];
			double		sum = s->sum[row + i];
			double		e = s->energy[row + i];

			if (i == turbine)
				continue;
			if (dx > 0.0)
			{
				double		gone = loss2(s, dx, ex * s->north[d] - ey * s->east[d]);

				if (gone > 0.0)
				{
					sum = fmax(0.0, sum - gone);
					e = lookup(s, d, sum);
				}
			}
			s->base[row + i] = sum;
			s->base_energy[row + i] = e;
			s->base_mwh += e;
		}
	}
}

/* The farm's energy with the lifted turbine at x, y. */
double
ajk_surrogate_try(const AjkSurrogate *s, double x, double y)
{
	double		total = s->base_mwh;

	for (int d = 0; d < s->nwd; d++)
	{
		const double *base = s->base + (size_t) d * s->cap;
		const double *energy = s->base_energy + (size_t) d * s->cap;
		double		east = s->east[d];
		double		north = s->north[d];
		double		own = 0.0;

		for (int i = 0; i < s->n; i++)
		{
			double		ex = s->x[i] - x;
			double		ey = s->y[i] - y;
			double		dx = ex * east + ey * north;
			double		dy = ex * north - ey * east;

			if (i == s->lifted)
				continue;
			if (dx > 0.0)
			{
				double		more = loss2(s, dx, dy);

				if (more > 0.0)
					total += lookup(s, d, base[i] + more) - energy[i];
			}
			else
				own += loss2(s, -dx, dy);
		}
		total += lookup(s, d, own);
	}
	return total;
}

/* Put the lifted turbine, or the next one, down at x, y. */
void
ajk_surrogate_drop(AjkSurrogate *s, double x, double y)
{
	int			t = s->lifted;

	if (t == s->n)
		s->n++;
	s->x[t] = x;
	s->y[t] = y;
	s->total_mwh = 0.0;
	for (int d = 0; d < s->nwd; d++)
	{
		size_t		row = (size_t) d * s->cap;
		double		own = 0.0;

		for (int i = 0; i < s->n; i++)
		{
			double		ex = s->x[i] - x;
			double		ey = s->y[i] - y;
			double		dx = ex * s->east[d] + ey * s->north[d];
			double		dy = ex * s->north[d] - ey * s->east[d];
			double		more;

			if (i == t)
				continue;
			if (dx > 0.0)
			{
				more = loss2(s, dx, dy);
				s->sum[row + i] = s->base[row + i] + more;
				s->energy[row + i] = more > 0.0 ?
					lookup(s, d, s->sum[row + i]) : s->base_energy[row + i];
			}
			else
			{
				own += loss2(s, -dx, dy);
				s->sum[row + i] = s->base[row + i];
				s->energy[row + i] = s->base_energy[row + i];
			}
			s->total_mwh += s->energy[row + i];
		}
		s->sum[row + t] = own;
		s->energy[row + t] = lookup(s, d, own);
		s->total_mwh += s->energy[row + t];
	}
}
