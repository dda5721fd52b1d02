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
 * Of several types each has its thrust coefficient and its tables, and what a
 * pair of turbines does to each other depends on which is upwind.  That is
 * compiled apart (mixed), so that farms of one type don't pay for it.
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
#include <string.h>

/* So far downwind that no wake reaches or leaves it */
#define FAR_AWAY 1e12

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

/*
 * Energies of w turbines whose squared losses are before + more; at, where
 * there are several types, is where each one's row begins.
 */
AJK_BODY void
lookup_all(const double *restrict row, const int *restrict at, double steps,
		   const double *restrict before, const double *restrict more,
		   double *restrict sum, double *restrict energy, int w)
{
	for (int i = 0; i < w; i++)
	{
		double		v = before[i] + more[i];

		v = v > 0.0 ? v : 0.0;
		sum[i] = v;
		energy[i] = lookup(at ? row + at[i] : row, steps, v);
	}
}

/* Squared loss at dx >= 0 downwind, squared dy2 off the axis, of a Gaussian */
AJK_BODY double
gauss_loss2(double k, double sigma0, double c, double dx, double dy2)
{
	double		sigma = k * dx + sigma0;
	double		q = 1.0 / (sigma * sigma);
	double		share = c * q;
	double		a;

	share = share < 1.0 ? share : 1.0;
	a = 1.0 - sqrt(1.0 - share);
	return a * a * ajk_exp_neg(-dy2 * q);
}

/* The same of any wake, dy off the axis, between two types */
static double
other_loss2(const AjkSurrogate *s, int from, int at, double dx, double dy)
{
	double		du = ajk_wake_deficit(&s->wake, s->turbine[from].diameter_m,
									  s->type_ct[from], dx, dy,
									  s->turbine[at].diameter_m);

	return du * du;
}

AJK_BODY double
loss2(const AjkSurrogate *s, bool gauss, double dx, double dy)
{
	return gauss ? gauss_loss2(s->k, s->sigma0, s->c, dx, dy * dy) :
		other_loss2(s, 0, 0, dx, dy);
}

/*
 * The same between two turbines of several types, dx downwind and dy across
 * from each other: the wake is that of the one upwind, and a part of the free
 * wind at its hub.  mine: that is the turbine of place t, else that of i.
 */
AJK_BODY double
loss2_mixed(const AjkSurrogate *s, bool gauss, bool mine, int t, int i,
			double sigma0, double c, double dx, double dy2)
{
	return gauss ? gauss_loss2(s->k, sigma0, c, dx, dy2) :
		other_loss2(s, s->type[mine ? t : i], s->type[mine ? i : t], dx,
					sqrt(dy2));
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
		double		e = s->table[(size_t) d * ajk_table_width(s)];

		if (s->row)
			s->row[t] = 0;
		s->down[at] = FAR_AWAY;
		s->across[at] = 0.0;
		s->sum[at] = s->base[at] = 0.0;
		s->energy[at] = s->base_energy[at] = e;
	}
}

/*
 * What the turbine of place t, standing at (u, v), adds to the squared losses
 * of the others in direction d, into add[], and what they add to its own.
 */
AJK_BODY double
wakes_of(const AjkSurrogate *s, bool gauss, bool mixed, int d, int w, int t,
		 double u, double v, double *restrict add)
{
	const double *restrict down = s->down + (size_t) d * s->cap;
	const double *restrict across = s->across + (size_t) d * s->cap;
	double		own[AJK_LANES] = {0};

	/* of several types only; single values of place t */
	const double *restrict sigma0 = mixed ? s->place_sigma0 : down;
	const double *restrict c = mixed ? s->place_c : down;
	const double *restrict hub = mixed ? s->hub : down;
	const double *restrict factor2 = mixed ? s->factor2 : down;
	double		sigma0_t = sigma0[t];
	double		c_t = c[t];
	double		hub_t = hub[t];
	double		factor2_t = factor2[t];

	for (int i = 0; i < w; i += AJK_LANES)
	{
		for (int l = 0; l < AJK_LANES; l++)
		{
			double		dx = down[i + l] - u;
			double		dy = across[i + l] - v;
			double		loss;
			double		theirs;

			if (mixed)
			{
				bool		mine = dx > 0.0;
				double		dz = hub[i + l] - hub_t;
				double		f = factor2[i + l];
				double		from = mine ? factor2_t : f;
				double		at = mine ? f : factor2_t;

				loss = loss2_mixed(s, gauss, mine, t, i + l,
								   mine ? sigma0_t : sigma0[i + l],
								   mine ? c_t : c[i + l], fabs(dx),
								   dy * dy + dz * dz) * from / at;
			}
			else
				loss = loss2(s, gauss, fabs(dx), dy);
			theirs = dx > 0.0 ? loss : 0.0;
			loss = dx < 0.0 ? loss : 0.0;
			add[i + l] = theirs;
			own[l] += loss;
		}
	}
	return add_lanes(own);
}

/* Where the rows of all places' types begin, and that of one */
#define ROWS(s, mixed) ((mixed) ? (s)->row : NULL)
#define ROW_OF(s, mixed, t) \
	((mixed) ? (size_t) (s)->type[t] * ((size_t) (s)->steps + 2) : 0)

AJK_BODY double
try_all(const AjkSurrogate *s, bool gauss, bool mixed, double x, double y,
		double *restrict add)
{
	double		total = s->base_mwh;
	double		steps = s->steps;
	const int  *restrict at = ROWS(s, mixed);
	int			w = width(s);

	for (int d = 0; d < s->nwd; d++)
	{
		const double *restrict base = s->base + (size_t) d * s->cap;
		const double *restrict energy = s->base_energy + (size_t) d * s->cap;
		const double *restrict row = s->table + (size_t) d * ajk_table_width(s);
		double		own = wakes_of(s, gauss, mixed, d, w, s->lifted,
								   x * s->east[d] + y * s->north[d],
								   x * s->north[d] - y * s->east[d], add);

		for (int i = 0; i < w; i++)
			add[i] = lookup(at ? row + at[i] : row, steps, base[i] + add[i]) -
				energy[i];
		total += add_up(add, w) +
			lookup(row + ROW_OF(s, mixed, s->lifted), steps, own);
	}
	return total;
}

AJK_BODY double
lift_all(AjkSurrogate *s, bool gauss, bool mixed, int t, double *restrict add)
{
	double		total = 0.0;
	double		steps = s->steps;
	int			w = width(s);

	for (int d = 0; d < s->nwd; d++)
	{
		size_t		at = (size_t) d * s->cap;
		const double *restrict row = s->table + (size_t) d * ajk_table_width(s);
		const double *energy = s->base_energy + at;

		(void) wakes_of(s, gauss, mixed, d, w, t, s->down[at + t],
						s->across[at + t], add);
		for (int i = 0; i < w; i++)
			add[i] = -add[i];
		lookup_all(row, ROWS(s, mixed), steps, s->sum + at, add, s->base + at,
				   s->base_energy + at, w);
		total += add_up(energy, w) - energy[t] - (w - s->n) * row[0];
	}
	return total;
}

/* The place t itself holds nothing yet. */
AJK_BODY double
drop_all(AjkSurrogate *s, bool gauss, bool mixed, int t, double x, double y,
		 double *restrict add)
{
	double		total = 0.0;
	double		steps = s->steps;
	int			w = width(s);

	for (int d = 0; d < s->nwd; d++)
	{
		size_t		at = (size_t) d * s->cap;
		const double *restrict row = s->table + (size_t) d * ajk_table_width(s);
		double	   *energy = s->energy + at;
		double		own = wakes_of(s, gauss, mixed, d, w, t,
								   x * s->east[d] + y * s->north[d],
								   x * s->north[d] - y * s->east[d], add);

		lookup_all(row, ROWS(s, mixed), steps, s->base + at, add, s->sum + at,
				   energy, w);
		s->sum[at + t] = own;
		energy[t] = lookup(row + ROW_OF(s, mixed, t), steps, own);
		total += add_up(energy, w) - (w - s->n) * row[0];
	}
	return total;
}

AJK_BODY double
set_all(AjkSurrogate *s, bool gauss, bool mixed, int d, double *add)
{
	size_t		at = (size_t) d * s->cap;
	const double *row = s->table + (size_t) d * ajk_table_width(s);
	double		total = 0.0;
	int			w = width(s);

	for (int i = 0; i < s->n; i++)
	{
		double		own = wakes_of(s, gauss, mixed, d, w, i, s->down[at + i],
								   s->across[at + i], add);

		s->sum[at + i] = own;
		s->energy[at + i] = lookup(row + ROW_OF(s, mixed, i), s->steps, own);
		total += s->energy[at + i];
	}
	return total;
}

/* Compiled for each kind of wake, for one type and for several */
#define CASES(s, call, ...) \
	((s)->type ? \
	 ((s)->gauss ? call(s, true, true, __VA_ARGS__) : call(s, false, true, __VA_ARGS__)) : \
	 ((s)->gauss ? call(s, true, false, __VA_ARGS__) : call(s, false, false, __VA_ARGS__)))

AJK_BODY double
try_place_body(const AjkSurrogate *s, double x, double y, double *add)
{
	return CASES(s, try_all, x, y, add);
}

AJK_BODY double
lift_turbine_body(AjkSurrogate *s, int t, double *add)
{
	return CASES(s, lift_all, t, add);
}

AJK_BODY double
drop_turbine_body(AjkSurrogate *s, int t, double x, double y, double *add)
{
	return CASES(s, drop_all, t, x, y, add);
}

AJK_BODY double
set_direction_body(AjkSurrogate *s, int d, double *add)
{
	return CASES(s, set_all, d, add);
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
	{
		put_place(s, i, x[i], y[i]);
		if (s->row)
			s->row[i] = s->type[i] * (s->steps + 2);
	}
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
		s->base_energy[at] = s->table[(size_t) d * ajk_table_width(s) +
									  (s->row ? (size_t) s->row[turbine] : 0)];
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
	{
		s->n++;
		if (s->row)
			s->row[t] = s->type[t] * (s->steps + 2);
	}
	s->total_mwh = drop_turbine(s, t, x, y, s->scratch);
	put_place(s, t, x, y);
}

/* What is lifted is off the ground for good; all else stays. */
static void
take_away(AjkSurrogate *s)
{
	size_t		size = sizeof(double) * (size_t) s->nwd * (size_t) s->cap;

	memcpy(s->sum, s->base, size);
	memcpy(s->energy, s->base_energy, size);
}

/* Let two turbines change places, which matters where their types differ. */
void
ajk_surrogate_swap(AjkSurrogate *s, int a, int b)
{
	double		ax = s->x[a];
	double		ay = s->y[a];
	double		bx = s->x[b];
	double		by = s->y[b];
	size_t		size = sizeof(double) * (size_t) s->nwd * (size_t) s->cap;

	ajk_surrogate_lift(s, a);
	take_away(s);
	ajk_surrogate_lift(s, b);
	ajk_surrogate_drop(s, ax, ay);

	/* a is still away: what stands now is what it is dropped among */
	memcpy(s->base, s->sum, size);
	memcpy(s->base_energy, s->energy, size);
	s->lifted = a;
	ajk_surrogate_drop(s, bx, by);
}
