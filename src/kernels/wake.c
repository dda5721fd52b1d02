/*-------------------------------------------------------------------------
 *
 * wake.c
 *		The annual energy of a wind farm with the wakes of its turbines.
 *
 * The wakes at a turbine (wake_model.c) are superposed (by default root of
 * the sum of squares) to one loss of speed du, relative to the free wind; the
 * turbine's speed is U (1 - du).  Turbines are visited in downwind order, so
 * that every one's Ct comes from its own slowed wind.  Energy is the sum over
 * directions and speeds of probability times power times 8760 h.
 *
 * Turbines may be of several types.  A wake then has the diameter and thrust
 * of the turbine that makes it; a rotor at another hub height is off its axis
 * by the difference, so the distance from the axis is hypot(across, height);
 * and as hubs at other heights are in other free winds, losses are added up
 * in metres per second: a wake takes du of the free wind at the hub of the
 * turbine that makes it.
 *
 * The air is the same everywhere: no speed-up by terrain, no difference of
 * height between the turbines' feet.
 *
 * The geometry of a direction is the same for all speeds, so per pair of
 * turbines only what depends on Ct is computed in the inner loop.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "wake.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lanes.h"
#include "wake_model.h"

/* How often to ask the poll callback, in pairs of turbines. */
#define PAIRS_PER_POLL 100000

/* A turbine of one direction, in downwind order. */
typedef struct Placed
{
	double		x;				/* downwind */
	double		y;				/* across */
	int			id;				/* place in the caller's arrays */
	int			type;
} Placed;

/*
 * The wakes that reach turbines.  a and b hold what does not depend on Ct, y
 * being the distance from the wake's axis: iea37_sbg D^2 / (8 s^2) and the
 * exponential; bastankhah_2014 k x and y; niayifar_2016 x and y; noj the whole
 * factor of 2 a, and nothing.
 */
typedef struct Pairs
{
	int		   *from;			/* place in downwind order */
	double	   *a;
	double	   *b;
} Pairs;

typedef struct Work
{
	Placed	   *placed;			/* n */
	int		   *first;			/* n + 1: pairs of turbine i: first[i] .. */
	Pairs		pair;
	size_t		pair_cap;
	double	   *loss;			/* pair_cap: scratch */
	double	   *sigma0_max;		/* ntypes: at the turbine's largest Ct */
	double	   *factor;			/* n: of the free speed; NULL: 1 */
	double	   *ct;				/* n, at the current speed */
	double	   *load;			/* n, bastankhah_2014: Ct D^2 / 8 */
	double	   *sigma0;			/* n, bastankhah_2014 and niayifar_2016 */
	double	   *k;				/* n, niayifar_2016: expansion */
	double	   *ti;				/* n, niayifar_2016 */
	double	   *ws_eff;			/* n, in downwind order */
	double	   *power;			/* n, likewise */
	int		   *count;			/* ntypes: turbines of it */
	double	   *gross;			/* ntypes: energy of one without wakes */
} Work;

static void
work_free(Work *w)
{
	free(w->placed);
	free(w->first);
	free(w->pair.from);
	free(w->pair.a);
	free(w->pair.b);
	free(w->loss);
	free(w->sigma0_max);
	free(w->factor);
	free(w->ct);
	free(w->load);
	free(w->sigma0);
	free(w->k);
	free(w->ti);
	free(w->ws_eff);
	free(w->power);
	free(w->count);
	free(w->gross);
}

/* The largest initial sigma that a turbine's thrust can make */
static double
largest_sigma0(const AjkWake *wake, const AjkTurbine *t)
{
	double		ct = t->curve == AJK_CURVE_IEA37 ? t->ct_const : 0.0;

	if (t->curve == AJK_CURVE_TABLE)
		for (int i = 0; i < t->npoints; i++)
			ct = fmax(ct, t->ct[i]);
	return ajk_sigma0(wake, t->diameter_m, fmin(ct, AJK_CT_MAX));
}

static inline int
ntypes(const AjkFarm *farm)
{
	return farm->type ? farm->ntypes : 1;
}

static AjkError
work_alloc(Work *w, const AjkFarm *farm)
{
	int			n = farm->n;
	size_t		size = sizeof(double) * (size_t) n;

	memset(w, 0, sizeof(*w));
	w->placed = malloc(sizeof(Placed) * (size_t) n);
	w->first = malloc(sizeof(int) * ((size_t) n + 1));
	w->ct = malloc(size);
	w->sigma0 = malloc(size);
	w->ws_eff = malloc(size);
	w->power = malloc(size);
	w->k = malloc(size);
	w->ti = malloc(size);
	w->load = malloc(size);
	w->sigma0_max = malloc(sizeof(double) * (size_t) ntypes(farm));
	w->count = calloc((size_t) ntypes(farm), sizeof(int));
	w->gross = calloc((size_t) ntypes(farm), sizeof(double));
	if (farm->type && farm->speed_factor)
		w->factor = malloc(size);
	if (!w->placed || !w->first || !w->ct || !w->sigma0 || !w->ws_eff ||
		!w->power || !w->k || !w->ti || !w->load || !w->sigma0_max ||
		!w->count || !w->gross ||
		(farm->type && farm->speed_factor && !w->factor))
	{
		work_free(w);
		return AJK_NOMEM;
	}
	for (int t = 0; t < ntypes(farm); t++)
		w->sigma0_max[t] = largest_sigma0(&farm->wake, &farm->turbine[t]);
	for (int i = 0; farm->type && i < n; i++)
		w->count[farm->type[i]]++;
	return AJK_OK;
}

/* Downwind order; ties by the caller's order, so the result is unique. */
static int
compare_placed(const void *pa, const void *pb)
{
	const Placed *a = pa;
	const Placed *b = pb;

	if (a->x != b->x)
		return a->x < b->x ? -1 : 1;
	return a->id < b->id ? -1 : 1;
}

/* ajk_reach() for a turbine whose thrust is known */
static inline double
pair_reach(const AjkWake *wake, double d, double x, double sigma0_max)
{
	if (wake->model == AJK_WAKE_BASTANKHAH_2014)
		return AJK_GAUSS_REACH * (wake->k * x + sigma0_max);
	return ajk_reach(wake, d, x);
}

static bool
grow_pairs(Work *w, size_t need)
{
	size_t		cap = w->pair_cap * 2 + need + 256;
	int		   *from = realloc(w->pair.from, cap * sizeof(int));
	double	   *a;
	double	   *b;
	double	   *loss;

	if (from)
		w->pair.from = from;
	a = realloc(w->pair.a, cap * sizeof(double));
	if (a)
		w->pair.a = a;
	b = realloc(w->pair.b, cap * sizeof(double));
	if (b)
		w->pair.b = b;
	loss = realloc(w->loss, cap * sizeof(double));
	if (loss)
		w->loss = loss;
	if (!from || !a || !b || !loss)
		return false;
	w->pair_cap = cap;
	return true;
}

/*
 * Turn the farm into the wind, sort it, and list the wakes that are felt.
 * Compiled for one type of turbines and for several.
 */
AJK_BODY AjkError
turn(const AjkFarm *farm, double wd, Work *w, bool mixed)
{
	double		angle = AJK_DEG2RAD(wd + farm->true_north_deg);
	double		east = -sin(angle); /* where the wind blows to */
	double		north = -cos(angle);
	const AjkWake *wake = &farm->wake;
	const AjkTurbine *one = farm->turbine;
	size_t		npairs = 0;

	for (int i = 0; i < farm->n; i++)
	{
		w->placed[i].x = farm->x[i] * east + farm->y[i] * north;
		w->placed[i].y = farm->x[i] * north - farm->y[i] * east;
		w->placed[i].id = i;
		w->placed[i].type = mixed ? farm->type[i] : 0;
	}
	qsort(w->placed, (size_t) farm->n, sizeof(Placed), compare_placed);
	if (w->factor)
		for (int i = 0; i < farm->n; i++)
			w->factor[i] = farm->speed_factor[w->placed[i].type];

	for (int i = 0; i < farm->n; i++)
	{
		w->first[i] = (int) npairs;
		if (npairs + (size_t) i > w->pair_cap && !grow_pairs(w, npairs + (size_t) i))
			return AJK_NOMEM;
		for (int j = 0; j < i; j++)
		{
			double		x = w->placed[i].x - w->placed[j].x;
			double		y = w->placed[i].y - w->placed[j].y;
			double		d = one->diameter_m;
			double		rotor = d;
			double		sigma0_max = w->sigma0_max[0];
			double		reach;
			double	   *a = &w->pair.a[npairs];
			double	   *b = &w->pair.b[npairs];

			if (!(x > 0.0))
				continue;
			if (mixed)
			{
				const AjkTurbine *from = &one[w->placed[j].type];
				const AjkTurbine *at = &one[w->placed[i].type];

				d = from->diameter_m;
				rotor = at->diameter_m;
				sigma0_max = w->sigma0_max[w->placed[j].type];
				if (at->hub_height_m != from->hub_height_m)
					y = hypot(y, at->hub_height_m - from->hub_height_m);
			}
			reach = pair_reach(wake, d, x, sigma0_max);
			if (mixed)
				reach += 0.5 * fmax(rotor - d, 0.0);
			if (fabs(y) > reach)
				continue;
			w->pair.from[npairs] = j;
			if (wake->model == AJK_WAKE_IEA37_SBG)
			{
				double		s = wake->k * x + d / sqrt(8.0);

				*a = d * d / (8.0 * s * s);
				*b = exp(-0.5 * (y / s) * (y / s));
			}
			else if (wake->model == AJK_WAKE_BASTANKHAH_2014)
			{
				*a = wake->k * x;
				*b = y;
			}
			else if (wake->model == AJK_WAKE_NIAYIFAR_2016)
			{
				*a = x;
				*b = y;
			}
			else
			{
				double		r = 0.5 * d;
				double		wr = r + wake->k * x;

				*a = (r / wr) * (r / wr) * ajk_disc_overlap(wr, 0.5 * rotor, y);
				*b = 0.0;
				if (*a == 0.0)
					continue;
			}
			npairs++;
		}
	}
	w->first[farm->n] = (int) npairs;
	return AJK_OK;
}

static AjkError
set_direction(const AjkFarm *farm, double wd, Work *w)
{
	return farm->type ? turn(farm, wd, w, true) : turn(farm, wd, w, false);
}

/*
 * The losses by n wakes of bastankhah_2014, and the sum of their squares,
 * vectorised: most of the time of a simulation is spent here.
 */
AJK_BODY double
gauss_losses_body(int n, const int *restrict from, const double *restrict kx,
				  const double *restrict y, const double *restrict load,
				  const double *restrict sigma0, bool madsen,
				  double *restrict loss)
{
	double		lane[AJK_LANES] = {0};
	double		sum = 0.0;
	int			end = 0;

	for (int i = 0; i < n; i++)
	{
		double		s = kx[i] + sigma0[from[i]];
		double		q = 1.0 / (s * s);
		double		share = load[from[i]] * q;
		double		a;

		share = share < 1.0 ? share : 1.0;
		a = madsen ? share * (0.2460 + share * (0.0586 + share * 0.0883)) :
			0.5 * (1.0 - sqrt(1.0 - share));
		loss[i] = 2.0 * a * ajk_exp_neg(-0.5 * y[i] * y[i] * q);
	}
	for (; end + AJK_LANES <= n; end += AJK_LANES)
		for (int l = 0; l < AJK_LANES; l++)
			lane[l] += loss[end + l] * loss[end + l];
	for (; end < n; end++)
		sum += loss[end] * loss[end];
	for (int l = 0; l < AJK_LANES; l++)
		sum += lane[l];
	return sum;
}

AJK_VARIANTS(double, gauss_losses,
			 (int n, const int *restrict from, const double *restrict kx,
			  const double *restrict y, const double *restrict load,
			  const double *restrict sigma0, bool madsen,
			  double *restrict loss),
			 (n, from, kx, y, load, sigma0, madsen, loss))

/* The speed at every turbine, in downwind order, for one free speed. */
AJK_BODY void
spread(const AjkFarm *farm, double ws, Work *w, bool mixed)
{
	const AjkWake *wake = &farm->wake;
	const double *factor = mixed ? w->factor : NULL;

	for (int i = 0; i < farm->n; i++)
	{
		const AjkTurbine *turbine = mixed ?
		&farm->turbine[w->placed[i].type] : farm->turbine;
		double		d = turbine->diameter_m;
		double		free_ws = factor ? ws * factor[i] : ws;
		double		sum = 0.0;
		double		added2 = 0.0;
		int			p = w->first[i];

		if (wake->model == AJK_WAKE_BASTANKHAH_2014)
		{
			double		squares = gauss_losses(w->first[i + 1] - p,
											   w->pair.from + p, w->pair.a + p,
											   w->pair.b + p, w->load, w->sigma0,
											   wake->madsen, w->loss);

			if (wake->super == AJK_SUPER_RSS && !factor)
			{
				sum = squares;
				p = w->first[i + 1];
			}
		}
		for (; p < w->first[i + 1]; p++)
		{
			int			from = w->pair.from[p];
			double		du;

			if (wake->model == AJK_WAKE_IEA37_SBG)
				du = 2.0 * ajk_induction(wake, w->ct[from] * w->pair.a[p]) *
					w->pair.b[p];
			else if (wake->model == AJK_WAKE_NOJ)
				du = 2.0 * ajk_induction(wake, w->ct[from]) * w->pair.a[p];
			else if (wake->model == AJK_WAKE_BASTANKHAH_2014)
				du = w->loss[p - w->first[i]];
			else
			{
				double		df = mixed ?
				farm->turbine[w->placed[from].type].diameter_m : d;
				double		s = w->k[from] * w->pair.a[p] + w->sigma0[from];
				double		share = ajk_disc_overlap(2.0 * s, 0.5 * d, w->pair.b[p]);

				du = ajk_gauss_loss(wake, df, w->ct[from], s, w->pair.b[p]);
				if (share > 0.0)
				{
					double		more = share *
					ajk_wake_added_ti(df, w->ct[from], wake->ti, w->pair.a[p]);

					added2 = fmax(added2, more * more);
				}
			}
			if (factor)
				du *= factor[from] / factor[i];
			if (wake->super == AJK_SUPER_RSS)
				sum += du * du;
			else if (wake->super == AJK_SUPER_LINEAR)
				sum += du;
			else if (du > sum)
				sum = du;
		}
		if (wake->super == AJK_SUPER_RSS)
			sum = sqrt(sum);
		w->ws_eff[i] = free_ws * fmax(0.0, 1.0 - sum);
		ajk_turbine_both(turbine, w->ws_eff[i], &w->power[i], &w->ct[i]);
		if (wake->model == AJK_WAKE_BASTANKHAH_2014)
		{
			w->sigma0[i] = ajk_sigma0(wake, d, w->ct[i]);
			w->load[i] = w->ct[i] * (d * d / 8.0);
		}
		else if (wake->model == AJK_WAKE_NIAYIFAR_2016)
		{
			w->sigma0[i] = ajk_sigma0(wake, d, w->ct[i]);
			w->ti[i] = sqrt(wake->ti * wake->ti + added2);
			w->k[i] = AJK_K_TI * w->ti[i] + AJK_K_0;
		}
	}
}

static void
propagate(const AjkFarm *farm, double ws, Work *w)
{
	if (farm->type)
		spread(farm, ws, w, true);
	else
		spread(farm, ws, w, false);
}

static bool
farm_is_valid(const AjkFarm *farm)
{
	if (farm->n < 1 || farm->n > 20000 || !(farm->wake.k >= 0.0) ||
		!isfinite(farm->wake.k) || !(farm->wake.ti >= 0.0) ||
		!(farm->wake.ti <= 1.0))
		return false;
	for (int i = 0; i < farm->n; i++)
		if (!isfinite(farm->x[i]) || !isfinite(farm->y[i]) ||
			(farm->type && (farm->type[i] < 0 || farm->type[i] >= farm->ntypes)))
			return false;
	if (farm->type && farm->speed_factor)
		for (int t = 0; t < farm->ntypes; t++)
			if (!(farm->speed_factor[t] > 0.0) || !isfinite(farm->speed_factor[t]))
				return false;
	return true;
}

/* Speeds at the turbines, in the caller's order, for one wind. */
AjkError
ajk_farm_speeds(const AjkFarm *farm, double wd, double ws, double *ws_eff)
{
	Work		w;
	AjkError	err;

	if (!farm_is_valid(farm))
		return AJK_INVALID;
	err = work_alloc(&w, farm);
	if (err != AJK_OK)
		return err;
	err = set_direction(farm, wd, &w);
	if (err == AJK_OK)
	{
		propagate(farm, ws, &w);
		for (int i = 0; i < farm->n; i++)
			ws_eff[w.placed[i].id] = w.ws_eff[i];
	}
	work_free(&w);
	return err;
}

/*
 * Energy of all turbines in one free wind, mwh of a kilowatt; each type's of
 * one turbine is added to w->gross.
 */
static double
free_energy(const AjkFarm *farm, double ws, double mwh, Work *w)
{
	double		sum = 0.0;

	if (!farm->type)
		return farm->n * mwh * ajk_turbine_power(farm->turbine, ws);
	for (int t = 0; t < farm->ntypes; t++)
	{
		double		e = mwh * ajk_turbine_power(&farm->turbine[t],
												farm->speed_factor ?
												ws * farm->speed_factor[t] : ws);

		w->gross[t] += e;
		sum += w->count[t] * e;
	}
	return sum;
}

AjkError
ajk_farm_yield(const AjkFarm *farm, const AjkWind *wind, AjkYield *yield,
			   ajk_poll poll, void *arg)
{
	Work		w;
	AjkError	err;
	size_t		since_poll = 0;

	yield->gross_mwh = yield->net_mwh = 0.0;
	if (!farm_is_valid(farm))
		return AJK_INVALID;
	err = work_alloc(&w, farm);
	if (err != AJK_OK)
		return err;
	if (yield->turbine_mwh)
		memset(yield->turbine_mwh, 0, sizeof(double) * (size_t) farm->n);
	if (yield->turbine_ti)
		memset(yield->turbine_ti, 0, sizeof(double) * (size_t) farm->n);

	for (int i = 0; i < wind->nwd; i++)
	{
		double		gross = 0.0;
		double		net = 0.0;

		err = set_direction(farm, wind->wd[i], &w);
		if (err != AJK_OK)
			break;
		since_poll += (size_t) farm->n * (size_t) farm->n / 2;
		for (int j = 0; j < wind->nws; j++)
		{
			double		p = wind->prob[(size_t) i * wind->nws + j];
			double		mwh = p * AJK_HOURS_PER_YEAR / 1000.0;	/* per kW */

			since_poll += (size_t) w.first[farm->n] + (size_t) farm->n;
			if (since_poll >= PAIRS_PER_POLL)
			{
				since_poll = 0;
				if (poll && poll(arg, (double) i / wind->nwd))
				{
					work_free(&w);
					return AJK_STOPPED;
				}
			}
			if (p == 0.0)
				continue;
			propagate(farm, wind->ws[j], &w);
			gross += free_energy(farm, wind->ws[j], mwh, &w);
			for (int t = 0; t < farm->n; t++)
			{
				double		e = mwh * w.power[t];

				net += e;
				if (yield->turbine_mwh)
					yield->turbine_mwh[w.placed[t].id] += e;
				if (yield->turbine_ti &&
					farm->wake.model == AJK_WAKE_NIAYIFAR_2016)
					yield->turbine_ti[w.placed[t].id] += e * w.ti[t];
			}
		}
		if (yield->direction_gross_mwh)
			yield->direction_gross_mwh[i] = gross;
		if (yield->direction_mwh)
			yield->direction_mwh[i] = net;
		yield->gross_mwh += gross;
		yield->net_mwh += net;
	}
	if (err == AJK_OK && yield->turbine_gross_mwh)
		for (int i = 0; i < farm->n; i++)
			yield->turbine_gross_mwh[i] = farm->type ?
				w.gross[farm->type[i]] : yield->gross_mwh / farm->n;
	if (err == AJK_OK && yield->turbine_ti && yield->turbine_mwh)
		for (int i = 0; i < farm->n; i++)
			yield->turbine_ti[i] = yield->turbine_mwh[i] > 0.0 ?
				yield->turbine_ti[i] / yield->turbine_mwh[i] : farm->wake.ti;
	work_free(&w);
	return err;
}

/* ---- the flow between the turbines ---- */

/* du/U of the wake of the i-th turbine in downwind order at a point */
static double
flow_loss(const AjkFarm *farm, const Work *w, int i, double x, double y)
{
	const AjkWake *wake = &farm->wake;
	const AjkTurbine *t = &farm->turbine[w->placed[i].type];
	double		d = t->diameter_m;
	double		du;

	if (t->hub_height_m != farm->turbine->hub_height_m)
		y = hypot(y, t->hub_height_m - farm->turbine->hub_height_m);
	if (wake->model == AJK_WAKE_NIAYIFAR_2016)
		du = ajk_gauss_loss(wake, d, w->ct[i], w->k[i] * x + w->sigma0[i], y);
	else if (wake->model == AJK_WAKE_NOJ)
	{
		/* at a point: within the wake or not */
		double		wr = 0.5 * d + wake->k * x;

		du = fabs(y) > wr ? 0.0 : 2.0 * ajk_induction(wake, w->ct[i]) *
			(0.5 * d / wr) * (0.5 * d / wr);
	}
	else
		du = ajk_wake_deficit(wake, d, w->ct[i], x, y, d);
	return w->factor ? du * w->factor[i] / farm->speed_factor[0] : du;
}

AjkError
ajk_farm_flow(const AjkFarm *farm, double wd, double ws, double weight,
			  const AjkFlowGrid *grid, float *speed, ajk_poll poll, void *arg)
{
	double		angle = AJK_DEG2RAD(wd + farm->true_north_deg);
	double		east = -sin(angle);
	double		north = -cos(angle);
	AjkSuperposition super = farm->wake.super;
	double		free_ws = ws;
	Work		w;
	AjkError	err;

	if (!farm_is_valid(farm) || grid->ncols < 1 || grid->nrows < 1)
		return AJK_INVALID;
	err = work_alloc(&w, farm);
	if (err != AJK_OK)
		return err;
	err = set_direction(farm, wd, &w);
	if (err != AJK_OK)
	{
		work_free(&w);
		return err;
	}
	propagate(farm, ws, &w);
	if (w.factor)
		free_ws = ws * farm->speed_factor[0];
	for (int row = 0; row < grid->nrows; row++)
	{
		if (poll && poll(arg, (double) row / grid->nrows))
		{
			work_free(&w);
			return AJK_STOPPED;
		}
		for (int col = 0; col < grid->ncols; col++)
		{
			double		px = grid->x0 + col * grid->cell_m;
			double		py = grid->y0 - row * grid->cell_m;
			double		along = px * east + py * north;
			double		across = px * north - py * east;
			double		sum = 0.0;

			for (int i = 0; i < farm->n; i++)
			{
				double		x = along - w.placed[i].x;
				double		du;

				if (!(x > 0.0))
					break;		/* all the others are further downwind */
				du = flow_loss(farm, &w, i, x, across - w.placed[i].y);
				if (super == AJK_SUPER_RSS)
					sum += du * du;
				else if (super == AJK_SUPER_LINEAR)
					sum += du;
				else if (du > sum)
					sum = du;
			}
			if (super == AJK_SUPER_RSS)
				sum = sqrt(sum);
			speed[(size_t) row * grid->ncols + col] +=
				(float) (weight * free_ws * fmax(0.0, 1.0 - sum));
		}
	}
	work_free(&w);
	return AJK_OK;
}
