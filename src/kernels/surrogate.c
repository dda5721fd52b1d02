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
 * The loops run over all turbines of a direction without a branch (see
 * lanes.h): a pair of turbines costs about 2 ns at eight lanes.  A Gaussian
 * wake with one Ct has three figures, k, sigma0 and Ct D^2 / 8, whichever
 * model it is; the top hat's overlap of circles is not vectorised.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "surrogate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Entries of a table: loss of speed 0, 1/steps, ... 1; fewer directions, more */
#define STEPS_FINE 2048
#define STEPS_COARSE 512
#define FEW_DIRECTIONS 36

/* So far downwind that no wake reaches or leaves it */
#define FAR_AWAY 1e12

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
	free(s->down);
	free(s->across);
	free(s->sum);
	free(s->energy);
	free(s->base);
	free(s->base_energy);
	free(s->scratch);
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
	cap = (cap + 1 + AJK_LANES - 1) / AJK_LANES * AJK_LANES;
	s->cap = cap;
	s->nwd = coarse.nwd;
	s->wake = *wake;
	s->diameter_m = d;
	s->ct = typical_ct(turbine, wind);
	s->steps = s->nwd <= FEW_DIRECTIONS ? STEPS_FINE : STEPS_COARSE;
	s->gauss = ajk_wake_gauss(wake, d, s->ct, &s->k, &s->sigma0);
	s->c = s->ct * d * d / 8.0;

	cells = (size_t) s->nwd * (size_t) cap;
	s->east = malloc(sizeof(double) * (size_t) s->nwd);
	s->north = malloc(sizeof(double) * (size_t) s->nwd);
	s->table = malloc(sizeof(double) * (size_t) s->nwd * ((size_t) s->steps + 2));
	s->x = malloc(sizeof(double) * (size_t) cap);
	s->y = malloc(sizeof(double) * (size_t) cap);
	s->down = malloc(sizeof(double) * cells);
	s->across = malloc(sizeof(double) * cells);
	s->sum = malloc(sizeof(double) * cells);
	s->energy = malloc(sizeof(double) * cells);
	s->base = malloc(sizeof(double) * cells);
	s->base_energy = malloc(sizeof(double) * cells);
	s->scratch = malloc(sizeof(double) * (size_t) cap);
	if (!s->east || !s->north || !s->table || !s->x || !s->y || !s->down ||
		!s->across || !s->sum || !s->energy || !s->base || !s->base_energy ||
		!s->scratch)
	{
		ajk_surrogate_free(s);
		ajk_wind_free(&coarse);
		return AJK_NOMEM;
	}

	ref = ajk_wake_deficit(wake, d, s->ct, 7.0 * d, 0.0);
	for (int i = 0; i < s->nwd; i++)
	{
		double		angle = AJK_DEG2RAD(coarse.wd[i] + true_north_deg);
		double	   *row = s->table + (size_t) i * ((size_t) s->steps + 2);

		s->east[i] = -sin(angle);
		s->north[i] = -cos(angle);
		memset(row, 0, sizeof(double) * ((size_t) s->steps + 2));
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
			for (int t = 0; t < s->steps + 2; t++)
			{
				double		loss = ratio * t / s->steps;

				row[t] += p * AJK_HOURS_PER_YEAR / 1000.0 *
					ajk_turbine_power(turbine, u * fmax(0.0, 1.0 - loss));
			}
		}
		s->gross_mwh += row[0];
	}
	ajk_wind_free(&coarse);
	return AJK_OK;
}

/* Energy of a turbine whose squared losses are sum, from a table's row. */
AJK_BODY double
lookup(const double *row, double steps, double sum)
{
	double		at = sqrt(sum) * steps;
	int			i;

	at = at < steps ? at : steps;
	i = (int) at;
	return row[i] + (at - i) * (row[i + 1] - row[i]);
}

/* Energies of w turbines whose squared losses are before + more */
AJK_BODY void
lookup_all(const double *restrict row, double steps,
		   const double *restrict before, const double *restrict more,
		   double *restrict sum, double *restrict energy, int w)
{
	for (int i = 0; i < w; i++)
	{
		double		v = before[i] + more[i];

		v = v > 0.0 ? v : 0.0;
		sum[i] = v;
		energy[i] = lookup(row, steps, v);
	}
}

/* Squared loss at dx >= 0 downwind, dy across, of a Gaussian wake */
AJK_BODY double
gauss_loss2(double k, double sigma0, double c, double dx, double dy)
{
	double		sigma = k * dx + sigma0;
	double		q = 1.0 / (sigma * sigma);
	double		share = c * q;
	double		a;

	share = share < 1.0 ? share : 1.0;
	a = 1.0 - sqrt(1.0 - share);
	return a * a * ajk_exp_neg(-dy * dy * q);
}

/* The same of any wake */
static double
other_loss2(const AjkSurrogate *s, double dx, double dy)
{
	double		du;

	if (fabs(dy) > ajk_wake_reach(&s->wake, s->diameter_m, dx))
		return 0.0;
	du = ajk_wake_deficit(&s->wake, s->diameter_m, s->ct, dx, dy);
	return du * du;
}

AJK_BODY double
loss2(const AjkSurrogate *s, bool gauss, double dx, double dy)
{
	return gauss ? gauss_loss2(s->k, s->sigma0, s->c, dx, dy) :
		other_loss2(s, dx, dy);
}

AJK_BODY double
add_lanes(const double *lane)
{
	double		sum = 0.0;

	for (int l = 0; l < AJK_LANES; l++)
		sum += lane[l];
	return sum;
}

/* Sum of w values, the same whatever the width of a vector is */
AJK_BODY double
add_up(const double *restrict v, int w)
{
	double		lane[AJK_LANES] = {0};

	for (int i = 0; i < w; i += AJK_LANES)
		for (int l = 0; l < AJK_LANES; l++)
			lane[l] += v[i + l];
	return add_lanes(lane);
}

/* Lanes in use: n rounded up */
static inline int
width(const AjkSurrogate *s)
{
	return (s->n + AJK_LANES - 1) / AJK_LANES * AJK_LANES;
}

static void
put_place(AjkSurrogate *s, int t, double x, double y)
{
	s->x[t] = x;
	s->y[t] = y;
	for (int d = 0; d < s->nwd; d++)
	{
		s->down[(size_t) d * s->cap + t] = x * s->east[d] + y * s->north[d];
		s->across[(size_t) d * s->cap + t] = x * s->north[d] - y * s->east[d];
	}
}

/* The place t has no turbine, for all the loops can tell. */
static void
put_nothing(AjkSurrogate *s, int t)
{
	for (int d = 0; d < s->nwd; d++)
	{
		size_t		at = (size_t) d * s->cap + t;
		double		e = s->table[(size_t) d * ((size_t) s->steps + 2)];

		s->down[at] = FAR_AWAY;
		s->across[at] = 0.0;
		s->sum[at] = s->base[at] = 0.0;
		s->energy[at] = s->base_energy[at] = e;
	}
}

/*
 * What a turbine at (u, v) adds to the squared losses of the others in
 * direction d, into add[], and what they add to its own.
 */
AJK_BODY double
wakes_of(const AjkSurrogate *s, bool gauss, int d, int w, double u, double v,
		 double *restrict add)
{
	const double *restrict down = s->down + (size_t) d * s->cap;
	const double *restrict across = s->across + (size_t) d * s->cap;
	double		own[AJK_LANES] = {0};

	for (int i = 0; i < w; i += AJK_LANES)
	{
		for (int l = 0; l < AJK_LANES; l++)
		{
			double		dx = down[i + l] - u;
			double		loss = loss2(s, gauss, fabs(dx), across[i + l] - v);
			double		theirs = dx > 0.0 ? loss : 0.0;

			loss = dx < 0.0 ? loss : 0.0;
			add[i + l] = theirs;
			own[l] += loss;
		}
	}
	return add_lanes(own);
}

AJK_BODY double
try_all(const AjkSurrogate *s, bool gauss, double x, double y, double *restrict add)
{
	double		total = s->base_mwh;
	double		steps = s->steps;
	int			w = width(s);

	for (int d = 0; d < s->nwd; d++)
	{
		const double *restrict base = s->base + (size_t) d * s->cap;
		const double *restrict energy = s->base_energy + (size_t) d * s->cap;
		const double *restrict row = s->table + (size_t) d * ((size_t) s->steps + 2);
		double		own = wakes_of(s, gauss, d, w,
								   x * s->east[d] + y * s->north[d],
								   x * s->north[d] - y * s->east[d], add);

		for (int i = 0; i < w; i++)
			add[i] = lookup(row, steps, base[i] + add[i]) - energy[i];
		total += add_up(add, w) + lookup(row, steps, own);
	}
	return total;
}

AJK_BODY double
try_place_body(const AjkSurrogate *s, double x, double y, double *add)
{
	return s->gauss ? try_all(s, true, x, y, add) : try_all(s, false, x, y, add);
}

AJK_BODY double
lift_all(AjkSurrogate *s, bool gauss, int t, double *restrict add)
{
	double		total = 0.0;
	double		steps = s->steps;
	int			w = width(s);

	for (int d = 0; d < s->nwd; d++)
	{
		size_t		at = (size_t) d * s->cap;
		const double *restrict row = s->table + (size_t) d * ((size_t) s->steps + 2);
		const double *energy = s->base_energy + at;

		(void) wakes_of(s, gauss, d, w, s->down[at + t], s->across[at + t], add);
		for (int i = 0; i < w; i++)
			add[i] = -add[i];
		lookup_all(row, steps, s->sum + at, add, s->base + at,
				   s->base_energy + at, w);
		total += add_up(energy, w) - energy[t] - (w - s->n) * row[0];
	}
	return total;
}

AJK_BODY double
lift_turbine_body(AjkSurrogate *s, int t, double *add)
{
	return s->gauss ? lift_all(s, true, t, add) : lift_all(s, false, t, add);
}

/* The place t itself holds nothing yet. */
AJK_BODY double
drop_all(AjkSurrogate *s, bool gauss, int t, double x, double y, double *restrict add)
{
	double		total = 0.0;
	double		steps = s->steps;
	int			w = width(s);

	for (int d = 0; d < s->nwd; d++)
	{
		size_t		at = (size_t) d * s->cap;
		const double *restrict row = s->table + (size_t) d * ((size_t) s->steps + 2);
		double	   *energy = s->energy + at;
		double		own = wakes_of(s, gauss, d, w,
								   x * s->east[d] + y * s->north[d],
								   x * s->north[d] - y * s->east[d], add);

		lookup_all(row, steps, s->base + at, add, s->sum + at, energy, w);
		s->sum[at + t] = own;
		energy[t] = lookup(row, steps, own);
		total += add_up(energy, w) - (w - s->n) * row[0];
	}
	return total;
}

AJK_BODY double
drop_turbine_body(AjkSurrogate *s, int t, double x, double y, double *add)
{
	return s->gauss ? drop_all(s, true, t, x, y, add) :
		drop_all(s, false, t, x, y, add);
}

AJK_BODY double
set_all(AjkSurrogate *s, bool gauss, int d, double *add)
{
	size_t		at = (size_t) d * s->cap;
	const double *row = s->table + (size_t) d * ((size_t) s->steps + 2);
	double		total = 0.0;
	int			w = width(s);

	for (int i = 0; i < s->n; i++)
	{
		double		own = wakes_of(s, gauss, d, w, s->down[at + i],
								   s->across[at + i], add);

		s->sum[at + i] = own;
		s->energy[at + i] = lookup(row, s->steps, own);
		total += s->energy[at + i];
	}
	return total;
}

AJK_BODY double
set_direction_body(AjkSurrogate *s, int d, double *add)
{
	return s->gauss ? set_all(s, true, d, add) : set_all(s, false, d, add);
}

AJK_VARIANTS(double, try_place, (const AjkSurrogate *s, double x, double y, double *add), (s, x, y, add))
AJK_VARIANTS(double, lift_turbine, (AjkSurrogate *s, int t, double *add), (s, t, add))
AJK_VARIANTS(double, drop_turbine, (AjkSurrogate *s, int t, double x, double y, double *add), (s, t, x, y, add))
AJK_VARIANTS(double, set_direction, (AjkSurrogate *s, int d, double *add), (s, d, add))

/* Recompute everything; also what rounding has gathered. */
bool
ajk_surrogate_set(AjkSurrogate *s, int n, const double *x, const double *y,
				  ajk_poll poll, void *arg)
{
	s->n = n;
	for (int i = 0; i < n; i++)
		put_place(s, i, x[i], y[i]);
	for (int i = n; i < s->cap; i++)
		put_nothing(s, i);
	s->total_mwh = 0.0;
	for (int d = 0; d < s->nwd; d++)
	{
		if (n > 100 && poll && poll(arg, (double) d / s->nwd))
			return false;
		s->total_mwh += set_direction(s, d, s->scratch);
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
	s->lifted = turbine;
	s->base_mwh = lift_turbine(s, turbine, s->scratch);
	for (int d = 0; d < s->nwd; d++)
	{
		size_t		at = (size_t) d * s->cap + turbine;

		s->down[at] = FAR_AWAY;
		s->across[at] = 0.0;
		s->base[at] = 0.0;
		s->base_energy[at] = s->table[(size_t) d * ((size_t) s->steps + 2)];
	}
}

/* The lifted turbine stays where it was. */
void
ajk_surrogate_put_back(AjkSurrogate *s)
{
	put_place(s, s->lifted, s->x[s->lifted], s->y[s->lifted]);
}

/* The farm's energy with the lifted turbine at x, y. */
double
ajk_surrogate_try(const AjkSurrogate *s, double x, double y)
{
	return try_place(s, x, y, s->scratch);
}

/* Put the lifted turbine, or the next one, down at x, y. */
void
ajk_surrogate_drop(AjkSurrogate *s, double x, double y)
{
	int			t = s->lifted;

	if (t == s->n)
		s->n++;
	s->total_mwh = drop_turbine(s, t, x, y, s->scratch);
	put_place(s, t, x, y);
}
