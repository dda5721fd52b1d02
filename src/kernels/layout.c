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
 *	  the packing search (pack.c) and pushing apart what it finds
 *	  (layout_fit.c) do, or say how many fit.
 * 2. Every start is annealed (layout_anneal.c), so long that its temperature
 *	  can fall slowly; one start in a given time is about as good as several
 *	  short ones, but several depend less on luck.
 * 3. The best of several is warmed up, not so far that it loses its shape,
 *	  and annealed once more.
 *
 * Turbines may be of several types, whose spacings and setbacks differ; which
 * place has which type is part of what is searched (layout_types.c).
 *
 * Moves are judged by the estimate of surrogate.c, the first start and the
 * result by ajk_farm_yield; should the result be worse by that, the start is
 * returned.  The search is bounded by the number of trial places, and draws
 * from one seeded generator: same input, same bytes.  A time budget may end
 * it earlier, and then the machine's speed is an input, too.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "layout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "layout_search.h"

/* The estimate looks at no more directions than this. */
#define MAX_DIRECTIONS 72

/* Random places looked at for one greedy insertion. */
#define GREEDY_TRIALS 40

/* Draws of a place that may fail before a turbine is given up. */
#define MAX_MISSES 400

/*
 * Temperatures, as shares of what relocating one turbine of the first start
 * typically changes: at the first a layout is all but random, at the second
 * its shape is settled, the third shakes without breaking it.  Found on
 * circular farms of 16, 36 and 64 turbines; what matters is that the slow
 * part of the cooling lies between the first two.
 */
#define HOT 0.12
#define COLD 0.012
#define WARM 0.05

/* That change, as a share of a turbine's energy, where it can't be measured */
#define CHANGE 0.1

/* Places that are looked at and not free count as one trial each so many */
#define PROPOSALS_PER_TRIAL 10.0

/* Share of trial places anywhere in the area, at the beginning */
#define FAR 0.5

/*
 * The poll for whatever the search calls: their own shares of work would
 * make progress run up and down, so the search's is told.
 */
static bool
search_poll(void *arg, double fraction)
{
	AjkSearch  *q = arg;

	(void) fraction;
	if (!q->stopped && q->poll)
		q->stopped = q->poll(q->arg, ajk_search_done(q));
	return q->stopped;
}

/*
 * Share of the budget that is used, of trials or of time, whichever is more.
 * Where hardly any place is free, those that are not count, too, or the
 * budget would last for ever.
 */
double
ajk_search_done(AjkSearch *q)
{
	const AjkLayoutProblem *p = q->prob;
	double		trials = fmax((double) q->state->evaluations,
							  (double) q->proposals / PROPOSALS_PER_TRIAL);
	double		done = trials / (double) p->max_evaluations;

	if (p->seconds && p->time_budget_s > 0.0)
		done = fmax(done, (p->seconds() - q->began_s) / p->time_budget_s);
	return done < 1.0 ? done : 1.0;
}

bool
ajk_search_stop(AjkSearch *q, int64_t work)
{
	q->work += work;
	if (q->work >= AJK_WORK_PER_POLL)
	{
		q->work = 0;
		search_poll(q, 0.0);
	}
	return q->stopped;
}

void
ajk_search_set(AjkSearch *q, int n, const double *x, const double *y)
{
	(void) ajk_surrogate_set(&q->s, n, x, y, search_poll, q);
}

/* Is x, y far enough from all turbines but t, and allowed for that? */
bool
ajk_search_free_place(AjkSearch *q, int t, double x, double y)
{
	for (int i = 0; i < q->s.n; i++)
		if (i != t && !ajk_apart(q->s.x[i] - x, q->s.y[i] - y,
								 ajk_search_spacing(q, t, i)))
			return false;
	return ajk_search_allowed(q, t, x, y);
}

/* A random place: a candidate's centre moved about within its cell. */
void
ajk_search_random_place(AjkSearch *q, double *x, double *y)
{
	int			c = ajk_rng_below(&q->rng, q->ncells);
	double		w = q->prob->area.cell_m;

	*x = q->cx[c] + w * (ajk_rng_uniform(&q->rng) - 0.5);
	*y = q->cy[c] + w * (ajk_rng_uniform(&q->rng) - 0.5);
}

/* Fill the farm at random (trials 1) or greedily; false if it won't fit. */
static bool
insert_all(AjkSearch *q, int trials)
{
	ajk_search_set(q, 0, q->s.x, q->s.y);
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

			if (ajk_search_stop(q, AJK_WORK_PER_PLACE + q->s.n))
				return false;
			ajk_search_random_place(q, &x, &y);
			if (!ajk_search_free_place(q, q->s.n, x, y))
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
			if (ajk_search_stop(q, (int64_t) q->s.n * q->s.nwd))
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
		if (ajk_search_stop(q, (int64_t) q->s.n * q->s.nwd))
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
insert_lattice(AjkSearch *q)
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
		ajk_search_stop(q, AJK_WORK_PER_POLL))
		return false;
	for (int i = 0; i < 40; i++)
	{
		double		mid = sqrt(lo * hi);

		if (ajk_search_stop(q, AJK_WORK_PER_POLL))
			return false;
		m = ajk_packer_lattice(q->packer, mid, angle, u, v, NULL, NULL, cap);
		if (m >= n)
			lo = mid;
		else
			hi = mid;
	}
	m = ajk_packer_lattice(q->packer, lo, angle, u, v, q->pack_x, q->pack_y,
						   cap);
	if (ajk_search_stop(q, AJK_WORK_PER_POLL))
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
	ajk_search_set(q, n, q->pack_x, q->pack_y);
	return true;
}

/* Some layout of n turbines to begin with. */
static AjkError
make_start(AjkSearch *q, int start)
{
	int			n = q->prob->n;
	int			found;
	bool		good;
	AjkError	err;

	if (start == 0)
		good = insert_lattice(q);
	else
		good = insert_all(q, start % 2 ? GREEDY_TRIALS : 1);
	if (q->stopped || ajk_search_stop(q, AJK_WORK_PER_POLL))
		return AJK_STOPPED;
	if (good)
		return AJK_OK;

	err = ajk_packer_search(q->packer, n, ajk_rng_next(&q->rng), q->pack_x,
							q->pack_y, &found, search_poll, q);
	if (err != AJK_OK)
		return err;
	if (found < n && !q->prob->type && start == 0)
	{
		double	   *scratch = malloc(sizeof(double) * 6 * (size_t) n);

		if (scratch == NULL)
			return AJK_NOMEM;
		memcpy(scratch, q->pack_x, sizeof(double) * (size_t) found);
		memcpy(scratch + n, q->pack_y, sizeof(double) * (size_t) found);
		found = ajk_search_fit(q, found, n, scratch, scratch + n, scratch + 2 * n);
		if (found == n)
			ajk_search_set(q, n, scratch, scratch + n);
		free(scratch);
		if (q->stopped)
			return AJK_STOPPED;
		if (found == n)
			return AJK_OK;
	}
	if (found < n && q->prob->type)
	{
		int			more;

		err = ajk_search_pack_types(q, q->pack_x, q->pack_y, &more);
		if (err != AJK_OK)
			return err;
		found = more > found ? more : found;
	}
	if (found < n)
	{
		/* a later start may fail to find what an earlier one found */
		if (start > 0)
		{
			ajk_search_set(q, n, q->first_x, q->first_y);
			return AJK_OK;
		}
		q->result->n_fit = found;
		return AJK_INFEASIBLE;
	}
	ajk_search_set(q, n, q->pack_x, q->pack_y);
	return AJK_OK;
}

static AjkError
exact_energy(AjkSearch *q, const double *x, const double *y, double *mwh)
{
	const AjkLayoutProblem *p = q->prob;
	AjkFarm		farm = {p->n, x, y, p->turbine, p->wake, p->true_north_deg,
	p->ntypes, p->type, p->speed_factor};
	AjkYield	yield = {0};
	AjkError	err = ajk_farm_yield(&farm, p->wind, &yield, search_poll, q);

	*mwh = yield.net_mwh;
	return err;
}

static AjkError
run(AjkSearch *q)
{
	const AjkLayoutProblem *prob = q->prob;
	AjkLayoutResult *r = q->result;
	size_t		size = sizeof(double) * (size_t) prob->n;
	double		change = 0.0;
	AjkAnnealing a = {1.0, 0.0, 0.0, FAR};
	AjkError	err;

	/* with several starts, a third of the budget is for the best of them */
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

			/* the best until a better one; where no wind blows there is none */
			memcpy(q->top_x, q->s.x, size);
			memcpy(q->top_y, q->s.y, size);
			q->state->first_mwh = q->s.total_mwh;
			err = exact_energy(q, q->first_x, q->first_y, &r->start_mwh);
			if (err != AJK_OK)
				return err;
			change = ajk_search_typical_change(q);
			if (!(change > 0.0))
				change = CHANGE * q->s.gross_mwh;
			a.hot_mwh = HOT * change;
			a.cold_mwh = COLD * change;
		}
		if (prob->nstarts > 1)
			a.until = 2.0 / 3.0 * (i + 1) / prob->nstarts;
		ajk_search_anneal(q, &a);
		if (q->stopped)
			return AJK_STOPPED;
	}

	q->state->start = prob->nstarts + 1;
	if (prob->nstarts > 1)
	{
		AjkAnnealing last = {1.0, WARM * change, COLD * change, FAR};

		ajk_search_set(q, prob->n, q->top_x, q->top_y);
		ajk_search_anneal(q, &last);
		if (q->stopped)
			return AJK_STOPPED;
	}

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
	AjkSearch	q;
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
	for (int i = 0; problem->type && i < problem->n; i++)
		if (problem->type[i] < 0 || problem->type[i] >= problem->ntypes)
			return AJK_INVALID;
	ajk_rng_seed(&q.rng, problem->seed);

	err = ajk_packer_new(&problem->area, &q.packer, search_poll, &q);
	if (err != AJK_OK)
		return err;
	if (problem->seconds)
		q.began_s = problem->seconds();
	q.ncells = ajk_packer_cells(q.packer, &q.cx, &q.cy);
	if (q.ncells == 0)
	{
		ajk_packer_free(q.packer);
		return AJK_INFEASIBLE;
	}

	for (int i = 0; i < q.ncells; i++)
		q.extent_m = fmax(q.extent_m, fmax(fabs(q.cx[i] - q.cx[0]),
										   fabs(q.cy[i] - q.cy[0])) / 2.0);
	q.extent_m = fmax(q.extent_m, problem->turbine->diameter_m);
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
	{
		AjkFarm		farm = {problem->n, NULL, NULL, problem->turbine,
			problem->wake, problem->true_north_deg, problem->ntypes,
		problem->type, problem->speed_factor};

		err = ajk_surrogate_init(&q.s, problem->n, &farm, problem->wind,
								 MAX_DIRECTIONS);
	}
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
