/*-------------------------------------------------------------------------
 *
 * layout.c
 *		Places wind turbines for the most annual energy.
 *
 * The number of turbines is given; they must stand where the area allows,
 * and no two nearer than its spacing (ajk_apart).  Both hold for every
 * layout the search ever looks at, so there is nothing to repair at the end.
 *
 * 1. Starts.  The first is the widest hexagonal lattice that has enough
 *	  places, what a planner would draw by hand; the others alternate between
 *	  greedy insertion (every next turbine at the best of a handful of random
 *	  places) and places drawn at random.  Where these find no room for all,
 *	  the packing search (pack.c) does, or says how many fit.
 * 2. Every start is improved by random search with relocation (Feng and
 *	  Shen, Renewable Energy 78 (2015) 182): a turbine is lifted and the best
 *	  of a few trial places taken, some anywhere in the area, some near by at
 *	  scales from three diameters to a hundredth of one.  A loss is accepted
 *	  with the Metropolis probability of a temperature that falls (Kirkpatrick
 *	  et al., Science 220 (1983) 671).
 * 3. The best of them gets the rest of the budget, half of it for
 *	  another, cooler annealing, then only near moves uphill.
 *
 * Moves are judged by the estimate of surrogate.c, the first start and the
 * result by ajk_farm_yield; should the result be worse by that, the start is
 * returned.  The search is bounded by the number of trial places, not by
 * time, and draws from one seeded generator: same input, same bytes.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "layout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rng.h"
#include "surrogate.h"

/* The estimate looks at no more directions than this. */
#define MAX_DIRECTIONS 120

/* Trial places for one lifted turbine. */
#define TRIALS 6

/* Random places looked at for one greedy insertion. */
#define GREEDY_TRIALS 40

/* Draws of a place that may fail before a turbine is given up. */
#define MAX_MISSES 400

/* Accepted moves after which rounding is swept out of the estimate. */
#define REFRESH 2000

/* Pairs of turbines and directions between two polls, a few milliseconds. */
#define WORK_PER_POLL 100000

/* What the caller's test of a place counts for; a boundary may be long. */
#define WORK_PER_PLACE 1000

typedef struct Search
{
	const AjkLayoutProblem *prob;
	AjkLayoutResult *result;
	AjkLayoutState *state;
	ajk_poll	poll;
	void	   *arg;

	AjkPacker  *packer;
	AjkSurrogate s;
	AjkRng		rng;
	int			ncells;
	const double *cx;
	const double *cy;
	int64_t		work;			/* since the last poll */
	bool		stopped;

	double		best_mwh;		/* of the current start */
	double	   *best_x;			/* n */
	double	   *best_y;
	double	   *top_x;			/* n: of all starts */
	double	   *top_y;
	double	   *first_x;		/* n: the first start as it was */
	double	   *first_y;
	double	   *pack_x;			/* ajk_packer_cap */
	double	   *pack_y;
} Search;

/*
 * The poll for whatever the search calls: their own shares of work would
 * make progress run up and down, so the search's is told.
 */
static bool
search_poll(void *arg, double fraction)
{
	Search	   *q = arg;

	(void) fraction;
	if (!q->stopped && q->poll)
		q->stopped = q->poll(q->arg, (double) q->state->evaluations /
							 (double) q->prob->max_evaluations);
	return q->stopped;
}

static bool
should_stop(Search *q, int64_t work)
{
	q->work += work;
	if (q->work >= WORK_PER_POLL)
	{
		q->work = 0;
		search_poll(q, 0.0);
	}
	return q->stopped;
}

static void
set_layout(Search *q, int n, const double *x, const double *y)
{
	(void) ajk_surrogate_set(&q->s, n, x, y, search_poll, q);
}

/* Is x, y far enough from all turbines but one, and allowed? */
static bool
free_place(Search *q, int but, double x, double y)
{
	double		d = q->prob->area.spacing_m;

	for (int i = 0; i < q->s.n; i++)
		if (i != but && !ajk_apart(q->s.x[i] - x, q->s.y[i] - y, d))
			return false;
	return q->prob->area.allowed(q->prob->area.allowed_arg, x, y);
}

/* A random place: a candidate's centre moved about within its cell. */
static void
random_place(Search *q, double *x, double *y)
{
	int			c = ajk_rng_below(&q->rng, q->ncells);
	double		w = q->prob->area.cell_m;

	*x = q->cx[c] + w * (ajk_rng_uniform(&q->rng) - 0.5);
	*y = q->cy[c] + w * (ajk_rng_uniform(&q->rng) - 0.5);
}

/* Fill the farm at random (trials 1) or greedily; false if it won't fit. */
static bool
insert_all(Search *q, int trials)
{
	set_layout(q, 0, q->s.x, q->s.y);
	while (q->s.n < q->prob->n)
	{
		int			misses = 0;
		int			found = 0;
		double		best = -1.0;
		double		bx = 0.0;
		double		by = 0.0;

		ajk_surrogate_next(&q->s);
		while (found < trials && misses < MAX_MISSES)
		{
			double		x,
						y,
						e;

			if (should_stop(q, WORK_PER_PLACE + q->s.n))
				return false;
			random_place(q, &x, &y);
			if (!free_place(q, -1, x, y))
			{
				misses++;
				continue;
			}
			found++;
			if (trials == 1)
			{
				bx = x;
				by = y;
				break;
			}

			e = ajk_surrogate_try(&q->s, x, y);
			if (should_stop(q, (int64_t) q->s.n * q->s.nwd))
				return false;
			if (e > best)
			{
				best = e;
				bx = x;
				by = y;
			}
		}
		if (found == 0)
			return false;
		ajk_surrogate_drop(&q->s, bx, by);
		if (should_stop(q, (int64_t) q->s.n * q->s.nwd))
			return false;
	}
	return true;
}

/*
 * The widest hexagonal lattice that has at least n places, by bisection over
 * the pitch at one angle and offset; the places whose turbines yield least
 * are left free.
 */
static bool
insert_lattice(Search *q)
{
	double		lo = q->prob->area.spacing_m;
	double		hi = lo * 64.0;
	double		angle = AJK_PI / 3.0 * ajk_rng_uniform(&q->rng);
	double		u = ajk_rng_uniform(&q->rng);
	double		v = ajk_rng_uniform(&q->rng);
	int			cap = ajk_packer_cap(q->packer);
	int			n = q->prob->n;
	int			m;

	if (ajk_packer_lattice(q->packer, lo, angle, u, v, NULL, NULL, cap) < n ||
		should_stop(q, WORK_PER_POLL))
		return false;
	for (int i = 0; i < 40; i++)
	{
		double		mid = sqrt(lo * hi);

		if (should_stop(q, WORK_PER_POLL))
			return false;
		m = ajk_packer_lattice(q->packer, mid, angle, u, v, NULL, NULL, cap);
		if (m >= n)
			lo = mid;
		else
			hi = mid;
	}
	m = ajk_packer_lattice(q->packer, lo, angle, u, v, q->pack_x, q->pack_y,
						   cap);
	if (should_stop(q, WORK_PER_POLL))
		return false;

	/* bisection assumes what is nearly true: more pitch, fewer places */
	for (int i = n; i < m; i++)
	{
		int			drop = ajk_rng_below(&q->rng, n + m - i);

		q->pack_x[drop] = q->pack_x[n + m - i - 1];
		q->pack_y[drop] = q->pack_y[n + m - i - 1];
	}
	if (m < n || !(ajk_min_spacing(n, q->pack_x, q->pack_y) >=
				   q->prob->area.spacing_m))
		return false;
	set_layout(q, n, q->pack_x, q->pack_y);
	return true;
}

static void
note_best(Search *q)
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
note_trace(Search *q)
{
	AjkLayoutResult *r = q->result;
	int64_t		due = (int64_t) ((double) q->prob->max_evaluations *
								 r->ntrace / (AJK_LAYOUT_TRACE - 1));

	if (r->ntrace < AJK_LAYOUT_TRACE && q->state->evaluations >= due)
	{
		r->trace_evaluations[r->ntrace] = q->state->evaluations;
		r->trace_mwh[r->ntrace] = q->state->best_mwh;
		r->ntrace++;
	}
}

/*
 * Improve what the surrogate holds, for so many evaluations.  far is the
 * share of trial places anywhere in the area; the temperatures are shares of
 * one turbine's gross energy.
 */
static void
improve(Search *q, int64_t evaluations, double far, double hot, double cold)
{
	const AjkLayoutProblem *prob = q->prob;
	double		d = prob->turbine->diameter_m;
	int64_t		until = q->state->evaluations + evaluations;
	int64_t		begun = q->state->evaluations;
	int64_t		lifts = 0;
	int			accepted = 0;

	if (q->stopped)
		return;
	note_best(q);
	while (q->state->evaluations < until)
	{
		double		done = (double) (q->state->evaluations - begun) /
		(double) evaluations;
		int			t = ajk_rng_below(&q->rng, prob->n);
		double		now = q->s.total_mwh;
		double		best = -1.0;
		double		bx = 0.0;
		double		by = 0.0;
		bool		lifted = false;

		/* where hardly any place is free, the budget would last for ever */
		if (++lifts > evaluations + 1000)
			break;
		for (int k = 0; k < TRIALS; k++)
		{
			double		x,
						y,
						e;

			if (ajk_rng_uniform(&q->rng) < far)
				random_place(q, &x, &y);
			else
			{
				/* 3 D to 0.01 D, smaller ones more often towards the end */
				double		scale = 3.0 * d *
				pow(1.0 / 300.0, ajk_rng_uniform(&q->rng) *
					(0.5 + 0.5 * done));

				x = q->s.x[t] + scale * ajk_rng_normal(&q->rng);
				y = q->s.y[t] + scale * ajk_rng_normal(&q->rng);
			}
			if (should_stop(q, WORK_PER_PLACE + prob->n))
				return;
			if (!free_place(q, t, x, y))
				continue;
			if (!lifted)
			{
				ajk_surrogate_lift(&q->s, t);
				lifted = true;
				if (should_stop(q, (int64_t) prob->n * q->s.nwd))
					return;
			}
			e = ajk_surrogate_try(&q->s, x, y);
			q->state->evaluations++;
			if (should_stop(q, (int64_t) prob->n * q->s.nwd))
				return;
			if (e > best)
			{
				best = e;
				bx = x;
				by = y;
			}
		}
		if (best > 0.0)
		{
			double		temp = q->s.gross_mwh * hot * pow(cold / hot, done);

			if (best > now ||
				ajk_rng_uniform(&q->rng) < exp((best - now) / temp))
			{
				ajk_surrogate_drop(&q->s, bx, by);
				if (++accepted % REFRESH == 0)
					set_layout(q, prob->n, q->s.x, q->s.y);
				if (q->stopped)
					return;
				if (q->s.total_mwh > q->best_mwh)
					note_best(q);
			}
		}
		note_trace(q);
	}
}

/* Some layout of n turbines to begin with. */
static AjkError
make_start(Search *q, int start)
{
	int			n = q->prob->n;
	int			found;
	bool		good;
	AjkError	err;

	if (start == 0)
		good = insert_lattice(q);
	else
		good = insert_all(q, start % 2 ? GREEDY_TRIALS : 1);
	if (q->stopped || should_stop(q, WORK_PER_POLL))
		return AJK_STOPPED;
	if (good)
		return AJK_OK;

	err = ajk_packer_search(q->packer, n, ajk_rng_next(&q->rng), q->pack_x,
							q->pack_y, &found, search_poll, q);
	if (err != AJK_OK)
		return err;
	if (found < n)
	{
		/* a later start may fail to find what an earlier one found */
		if (start > 0)
		{
			set_layout(q, n, q->first_x, q->first_y);
			return AJK_OK;
		}
		q->result->n_fit = found;
		return AJK_INFEASIBLE;
	}
	set_layout(q, n, q->pack_x, q->pack_y);
	return AJK_OK;
}

static AjkError
exact_energy(Search *q, const double *x, const double *y, double *mwh)
{
	const AjkLayoutProblem *p = q->prob;
	AjkFarm		farm = {p->n, x, y, p->turbine, p->wake, p->true_north_deg};
	AjkYield	yield = {0};
	AjkError	err = ajk_farm_yield(&farm, p->wind, &yield, search_poll, q);

	*mwh = yield.net_mwh;
	return err;
}

static AjkError
run(Search *q)
{
	const AjkLayoutProblem *prob = q->prob;
	AjkLayoutResult *r = q->result;
	size_t		size = sizeof(double) * (size_t) prob->n;
	int64_t		share;
	AjkError	err;

	/* half of the budget for the starts, half for the best of them */
	share = prob->max_evaluations / 2 / prob->nstarts;
	for (int i = 0; i < prob->nstarts; i++)
	{
		q->state->start = i + 1;
		err = make_start(q, i);
		if (err != AJK_OK)
			return err;
		if (i == 0)
		{
			memcpy(q->first_x, q->s.x, size);
			memcpy(q->first_y, q->s.y, size);
			q->state->first_mwh = q->s.total_mwh;
			err = exact_energy(q, q->first_x, q->first_y, &r->start_mwh);
			if (err != AJK_OK)
				return err;
		}
		improve(q, share, 0.3, 5e-3, 2e-4);
		if (q->stopped)
			return AJK_STOPPED;
	}

	q->state->start = prob->nstarts + 1;
	set_layout(q, prob->n, q->top_x, q->top_y);
	improve(q, (prob->max_evaluations - q->state->evaluations) / 2,
			0.15, 2e-3, 5e-5);
	if (q->stopped)
		return AJK_STOPPED;
	set_layout(q, prob->n, q->top_x, q->top_y);
	improve(q, prob->max_evaluations - q->state->evaluations,
			0.05, 5e-5, 1e-7);
	if (q->stopped)
		return AJK_STOPPED;

	err = exact_energy(q, q->top_x, q->top_y, &r->end_mwh);
	if (err != AJK_OK)
		return err;
	memcpy(r->x, q->top_x, size);
	memcpy(r->y, q->top_y, size);
	if (r->end_mwh < r->start_mwh)
	{
		r->end_mwh = r->start_mwh;
		memcpy(r->x, q->first_x, size);
		memcpy(r->y, q->first_y, size);
	}
	r->evaluations = q->state->evaluations;
	if (r->ntrace > 5)
	{
		double		before = r->trace_mwh[r->ntrace - 1 - r->ntrace / 5];

		r->converged = q->state->best_mwh - before < 1e-4 * before;
	}
	return AJK_OK;
}

AjkError
ajk_layout_optimize(const AjkLayoutProblem *problem, AjkLayoutResult *result,
					AjkLayoutState *state, ajk_poll poll, void *arg)
{
	Search		q;
	AjkLayoutState own;
	double	   *x = result->x;
	double	   *y = result->y;
	size_t		size;
	AjkError	err;

	memset(&q, 0, sizeof(q));
	memset(result, 0, sizeof(*result));
	result->x = x;
	result->y = y;
	q.prob = problem;
	q.result = result;
	q.state = state ? state : &own;
	q.poll = poll;
	q.arg = arg;
	memset(q.state, 0, sizeof(*q.state));
	if (problem->n < 1 || problem->n > 5000 || problem->nstarts < 1 ||
		problem->max_evaluations < 1 ||
		problem->wake.super != AJK_SUPER_RSS)
		return AJK_INVALID;
	ajk_rng_seed(&q.rng, problem->seed);

	err = ajk_packer_new(&problem->area, &q.packer, search_poll, &q);
	if (err != AJK_OK)
		return err;
	q.ncells = ajk_packer_cells(q.packer, &q.cx, &q.cy);
	if (q.ncells == 0)
	{
		ajk_packer_free(q.packer);
		return AJK_INFEASIBLE;
	}

	size = sizeof(double) * (size_t) problem->n;
	q.best_x = malloc(size);
	q.best_y = malloc(size);
	q.top_x = malloc(size);
	q.top_y = malloc(size);
	q.first_x = malloc(size);
	q.first_y = malloc(size);
	q.pack_x = malloc(sizeof(double) * (size_t) ajk_packer_cap(q.packer));
	q.pack_y = malloc(sizeof(double) * (size_t) ajk_packer_cap(q.packer));
	if (!q.best_x || !q.best_y || !q.top_x || !q.top_y || !q.first_x ||
		!q.first_y || !q.pack_x || !q.pack_y)
		err = AJK_NOMEM;
	if (err == AJK_OK)
		err = ajk_surrogate_init(&q.s, problem->n, problem->turbine,
								 problem->wind, &problem->wake,
								 problem->true_north_deg, MAX_DIRECTIONS);
	if (err == AJK_OK)
		err = run(&q);

	ajk_surrogate_free(&q.s);
	ajk_packer_free(q.packer);
	free(q.best_x);
	free(q.best_y);
	free(q.top_x);
	free(q.top_y);
	free(q.first_x);
	free(q.first_y);
	free(q.pack_x);
	free(q.pack_y);
	return err;
}
