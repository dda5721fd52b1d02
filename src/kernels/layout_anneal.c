/*-------------------------------------------------------------------------
 *
 * layout_anneal.c
 *		Simulated annealing of a layout, one turbine at a time.
 *
 * A turbine is lifted and walks: of a handful of trial places each is taken
 * or not by the rule of Metropolis, then it is put down.  (Lifting costs as
 * much as a trial, so a walk of several steps costs half as much as as many
 * moves of one, and is the same chain.)  Trial places are anywhere in the
 * area, for relocation, or near by at scales from half the area's width to a
 * ten-thousandth of that; smaller scales and fewer relocations as it cools.
 *
 * Layouts of much energy have half of their turbines on the boundary and
 * others exactly the spacing apart.  A random place is never on either, so a
 * trial place outside of the area is pulled to the nearest boundary, and one
 * too near to a turbine is pushed away from that to the spacing.
 *
 * Where there are several types of turbines, two of different types change
 * places now and then.
 *
 * The temperature falls geometrically from hot to cold over most of the
 * time, where the layout takes its shape, and from there to nothing, where
 * it settles.  Kirkpatrick, Gelatt and Vecchi, Science 220 (1983) 671; Feng
 * and Shen, Renewable Energy 78 (2015) 182, for relocation.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "layout_search.h"

#include <math.h>
#include <string.h>

/* Steps of a lifted turbine's walk */
#define STEPS 6

/* Walks that moved after which rounding is swept out of the estimate */
#define REFRESH 2000

/* Share of the time until cold, and the last temperature over cold */
#define COLD_AT 0.85
#define LAST 1e-4

/* Trials by which temperatures are measured */
#define CHANGES 100

/* Share of moves that exchange two types of turbines, where there are several */
#define SWAPS 0.08

/* Tries to come inside of the area, and to come off a turbine */
#define PULLS 4

static void
note_best(AjkSearch *q)
{
	size_t		size = sizeof(double) * (size_t) q->prob->n;

	q->best_mwh = q->s.total_mwh;
	memcpy(q->best_x, q->s.x, size);
	memcpy(q->best_y, q->s.y, size);
	if (q->best_mwh > q->state->best_mwh)
	{
		q->state->best_mwh = q->best_mwh;
		memcpy(q->top_x, q->s.x, size);
		memcpy(q->top_y, q->s.y, size);
	}
}

/* Points of the convergence curve, evenly spaced over the budget. */
static void
note_trace(AjkSearch *q, double done)
{
	AjkLayoutResult *r = q->result;

	if (r->ntrace < AJK_LAYOUT_TRACE &&
		done * (AJK_LAYOUT_TRACE - 1) >= r->ntrace)
	{
		r->trace_evaluations[r->ntrace] = q->state->evaluations;
		r->trace_mwh[r->ntrace] = q->state->best_mwh;
		r->ntrace++;
	}
}

/* Move a place outside of the area to the boundary, by Newton's method. */
bool
ajk_search_pull(AjkSearch *q, int t, double *x, double *y)
{
	const AjkLayoutProblem *p = q->prob;
	void	   *arg = ajk_search_place_arg(q, t);

	if (p->area.allowed(arg, *x, *y))
		return true;
	if (p->margin == NULL)
		return false;
	for (int i = 0; i < PULLS; i++)
	{
		const double h = 0.25;
		double		m = p->margin(arg, *x, *y);
		double		gx;
		double		gy;
		double		g2;

		/* inside by distance, so the ground itself isn't buildable */
		if (!(m < 0.0))
			break;
		gx = (p->margin(arg, *x + h, *y) - m) / h;
		gy = (p->margin(arg, *x, *y + h) - m) / h;
		g2 = gx * gx + gy * gy;
		if (!(g2 > 0.01))
			return false;
		/* a little further: rounding must not leave it outside */
		m -= 1e-9 * (1.0 + fabs(*x) + fabs(*y));
		*x -= m * gx / g2;
		*y -= m * gy / g2;
	}
	return p->area.allowed(arg, *x, *y);
}

/* The turbine that x, y is too near to for turbine t, the nearest; or -1 */
static int
nearest_hit(const AjkSearch *q, int t, double x, double y)
{
	const AjkLayoutProblem *p = q->prob;
	int			hit = -1;
	double		near2 = p->area.spacing_m * p->area.spacing_m;

	if (p->type)
		near2 = INFINITY;
	for (int i = 0; i < q->s.n; i++)
	{
		double		dx = x - q->s.x[i];
		double		dy = y - q->s.y[i];

		if (dx * dx + dy * dy < near2 && i != t &&
			(!p->type || !ajk_apart(dx, dy, ajk_search_spacing(q, t, i))))
		{
			near2 = dx * dx + dy * dy;
			hit = i;
		}
	}
	return hit;
}

/*
 * Move a place too near to another turbine off that; false if it is too near
 * to several.
 */
static bool
push_off(AjkSearch *q, int t, double *x, double *y, bool *pushed)
{
	*pushed = false;
	for (;;)
	{
		int			hit = nearest_hit(q, t, *x, *y);
		double		d,
					dx,
					dy,
					r;

		if (hit < 0)
			return true;
		d = ajk_search_spacing(q, t, hit);
		dx = *x - q->s.x[hit];
		dy = *y - q->s.y[hit];
		r = hypot(dx, dy);
		if (*pushed || !(r > 0.1 * d))
			return false;

		/* a little further: rounding must not leave it too near */
		r = d / r * (1.0 + 1e-9);
		*x = q->s.x[hit] + dx * r;
		*y = q->s.y[hit] + dy * r;
		*pushed = true;
	}
}

/* A place to try for a turbine that stands at hx, hy */
static bool
propose(AjkSearch *q, int t, double hx, double hy, double far, double done,
		double *x, double *y)
{
	bool		pushed;

	if (ajk_rng_uniform(&q->rng) < far * (1.0 - done))
		ajk_search_random_place(q, x, y);
	else
	{
		double		scale = 0.5 * q->extent_m *
		pow(1e-4, ajk_rng_uniform(&q->rng) * (0.4 + 0.6 * done));

		*x = hx + scale * ajk_rng_normal(&q->rng);
		*y = hy + scale * ajk_rng_normal(&q->rng);
	}
	if (!ajk_search_pull(q, t, x, y) || !push_off(q, t, x, y, &pushed))
		return false;
	return !pushed || ajk_search_allowed(q, t, *x, *y);
}

/*
 * What relocating a turbine of this layout costs or gains, MWh: the root mean
 * square over some trials; the measure for temperatures.
 */
double
ajk_search_typical_change(AjkSearch *q)
{
	double		sum = 0.0;
	int			n = 0;

	for (int i = 0; i < 4 * CHANGES && n < CHANGES; i++)
	{
		int			t = ajk_rng_below(&q->rng, q->prob->n);
		double		now = q->s.total_mwh;
		double		x,
					y,
					e;

		if (ajk_search_stop(q, AJK_WORK_PER_PLACE + q->prob->n))
			break;
		ajk_search_random_place(q, &x, &y);
		if (!ajk_search_free_place(q, t, x, y))
			continue;
		ajk_surrogate_lift(&q->s, t);
		e = ajk_surrogate_try(&q->s, x, y);
		ajk_surrogate_put_back(&q->s);
		if (ajk_search_stop(q, (int64_t) q->prob->n * q->s.nwd / 4))
			break;
		sum += (e - now) * (e - now);
		n++;
	}
	return n > 0 ? sqrt(sum / n) : 0.0;
}

/* Lift a turbine and let it walk; did it come to another place? */
static bool
walk(AjkSearch *q, double temp, double far, double done)
{
	int			t = ajk_rng_below(&q->rng, q->prob->n);
	double		hx = q->s.x[t];
	double		hy = q->s.y[t];
	double		now = q->s.total_mwh;
	bool		lifted = false;

	for (int k = 0; k < STEPS; k++)
	{
		double		x,
					y,
					e;

		if (ajk_search_stop(q, AJK_WORK_PER_PLACE + q->prob->n))
			return false;
		q->proposals++;
		if (!propose(q, t, hx, hy, far, done, &x, &y))
			continue;
		if (!lifted)
		{
			ajk_surrogate_lift(&q->s, t);
			lifted = true;
		}
		e = ajk_surrogate_try(&q->s, x, y);
		q->state->evaluations++;
		if (ajk_search_stop(q, (int64_t) q->prob->n * q->s.nwd / 8))
			return false;
		if (e > now || ajk_rng_uniform(&q->rng) < exp((e - now) / temp))
		{
			now = e;
			hx = x;
			hy = y;
		}
	}
	if (!lifted)
		return false;
	if (hx == q->s.x[t] && hy == q->s.y[t])
	{
		ajk_surrogate_put_back(&q->s);
		return false;
	}
	ajk_surrogate_drop(&q->s, hx, hy);
	return true;
}

/* Improve what the surrogate holds, until a share of the budget is used. */
void
ajk_search_anneal(AjkSearch *q, const AjkAnnealing *a)
{
	const AjkLayoutProblem *prob = q->prob;
	double		from = ajk_search_done(q);
	double		all = from;
	double		temp = a->hot_mwh;
	double		done = 0.0;
	int64_t		moves = 0;
	int			moved = 0;

	if (q->stopped)
		return;
	note_best(q);
	while (all < a->until)
	{
		bool		other = prob->type && ajk_rng_uniform(&q->rng) < SWAPS ?
		ajk_search_swap(q, temp) : walk(q, temp, a->far, done);

		if (other)
		{
			if (++moved % REFRESH == 0)
				ajk_search_set(q, prob->n, q->s.x, q->s.y);
			if (!q->stopped && q->s.total_mwh > q->best_mwh)
				note_best(q);
		}
		if (q->stopped)
			return;

		if (++moves % 32 == 0 || prob->seconds == NULL)
		{
			all = ajk_search_done(q);
			done = (all - from) / (a->until - from);
			done = done < 1.0 ? done : 1.0;
			temp = done < COLD_AT ?
				a->hot_mwh * pow(a->cold_mwh / a->hot_mwh, done / COLD_AT) :
				a->cold_mwh * pow(LAST, (done - COLD_AT) / (1.0 - COLD_AT));
			note_trace(q, all);
		}
	}
}
