/*-------------------------------------------------------------------------
 *
 * wake.c
 *		Wakes of wind turbines and the annual energy of a wind farm.
 *
 * A wake model gives the relative loss of speed, du/U, at a point x metres
 * downwind and y metres across from a rotor of diameter D and thrust
 * coefficient Ct.  Nothing is felt upwind (x <= 0).
 *
 * iea37_sbg: s = k x + D / sqrt(8);
 *		du/U = 2 a(Ct D^2 / (8 s^2)) exp(-y^2 / (2 s^2)).
 *		IEA Wind Task 37, Combined case studies 1 and 2 (2018); k = 0.0324555.
 * bastankhah_2014: s = k x + 0.2 sqrt(b) D,
 *		b = (1 + sqrt(1 - Ct)) / (2 sqrt(1 - Ct)); du/U as above.
 *		Bastankhah and Porte-Agel, Renewable Energy 70 (2014) 116.
 * noj: du/U = 2 a(Ct) (D / (D + 2 k x))^2 times the share of the downwind rotor
 *		that lies within the wake, a disc of radius D/2 + k x.
 *		N. O. Jensen, Risoe-M-2411 (1983); Katic, Hoejstrup and Jensen, EWEC
 *		(1986).
 *
 * The induction a is that of one-dimensional momentum theory, a(Ct) =
 * (1 - sqrt(1 - Ct)) / 2, or on request Madsen's polynomial 0.2460 Ct +
 * 0.0586 Ct^2 + 0.0883 Ct^3 (Madsen et al., Wind Energ. Sci. 5 (2020) 1).
 *
 * The wakes at a turbine are superposed (by default root of the sum of
 * squares) to one du, relative to the free wind; the turbine's speed is
 * U (1 - du).  Turbines are visited in downwind order, so that every one's
 * Ct comes from its own slowed wind.  Energy is the sum over directions and
 * speeds of probability times power times 8760 h.
 *
 * The air is the same everywhere: no speed-up by terrain, no difference of
 * height between turbines.
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

/* How often to ask the poll callback, in pairs of turbines. */
#define PAIRS_PER_POLL 100000

/*
 * A Gaussian is taken as nothing beyond so many standard deviations: its
 * square is then below 1e-35.
 */
#define GAUSS_REACH 9.0

static const char *const model_name[] = {"iea37_sbg", "bastankhah_2014", "noj"};

const char *
ajk_wake_name(AjkWakeModel model)
{
	return model_name[model];
}

bool
ajk_wake_by_name(const char *name, AjkWakeModel *model)
{
	for (int i = 0; i < 3; i++)
	{
		if (strcmp(name, model_name[i]) == 0)
		{
			*model = (AjkWakeModel) i;
			return true;
		}
	}
	return false;
}

/* Onshore values of the models' own literature. */
double
ajk_wake_default_k(AjkWakeModel model)
{
	return model == AJK_WAKE_NOJ ? 0.075 : 0.0324555;
}

/* Induction factor; near the rotor a Gaussian's share can pass 1. */
static inline double
induction(const AjkWake *wake, double ct)
{
	if (ct > 1.0)
		ct = 1.0;
	if (wake->madsen)
		return ct * (0.2460 + ct * (0.0586 + ct * 0.0883));
	return 0.5 * (1.0 - sqrt(1.0 - ct));
}

/* Standard deviation of a Gaussian wake at x = 0. */
static double
initial_sigma(const AjkWake *wake, double d, double ct)
{
	double		root;

	if (wake->model == AJK_WAKE_IEA37_SBG)
		return d / sqrt(8.0);
	root = sqrt(1.0 - ct);
	return 0.2 * d * sqrt(0.5 * (1.0 + root) / root);
}

bool
ajk_wake_gauss(const AjkWake *wake, double diameter_m, double ct, double *k,
			   double *sigma0)
{
	if (wake->model == AJK_WAKE_NOJ || wake->madsen)
		return false;
	*k = wake->k;
	*sigma0 = initial_sigma(wake, diameter_m, ct < AJK_CT_MAX ? ct : AJK_CT_MAX);
	return true;
}

/* Share of a disc of radius r that a disc of radius wr covers, y apart. */
static double
overlap(double wr, double r, double y)
{
	double		d = fabs(y);
	double		a,
				b,
				cut;

	if (d >= wr + r)
		return 0.0;
	if (d <= wr - r)
		return 1.0;
	if (d <= r - wr)
		return (wr * wr) / (r * r);
	a = acos(fmax(-1.0, fmin(1.0, (d * d + wr * wr - r * r) / (2.0 * d * wr))));
	b = acos(fmax(-1.0, fmin(1.0, (d * d + r * r - wr * wr) / (2.0 * d * r))));
	cut = (-d + wr + r) * (d + wr - r) * (d - wr + r) * (d + wr + r);
	return (wr * wr * a + r * r * b - 0.5 * sqrt(fmax(cut, 0.0))) /
		(AJK_PI * r * r);
}

/* Beyond this |y| at x the wake is not felt by a rotor's centre or area. */
double
ajk_wake_reach(const AjkWake *wake, double diameter_m, double x)
{
	if (wake->model == AJK_WAKE_NOJ)
		return diameter_m + wake->k * x;
	if (wake->model == AJK_WAKE_IEA37_SBG)
		return GAUSS_REACH * (wake->k * x + 0.3536 * diameter_m);
	/* 0.2 sqrt(b) is at most this at AJK_CT_MAX */
	return GAUSS_REACH * (wake->k * x + 0.808 * diameter_m);
}

/* du/U of one wake at one rotor of the same diameter. */
double
ajk_wake_deficit(const AjkWake *wake, double diameter_m, double ct,
				 double x, double y)
{
	double		sigma;
	double		share;

	if (!(x > 0.0) || fabs(y) > ajk_wake_reach(wake, diameter_m, x))
		return 0.0;
	if (ct > AJK_CT_MAX)
		ct = AJK_CT_MAX;
	if (wake->model == AJK_WAKE_NOJ)
	{
		double		r = 0.5 * diameter_m;
		double		wr = r + wake->k * x;

		return 2.0 * induction(wake, ct) * (r / wr) * (r / wr) *
			overlap(wr, r, y);
	}
	sigma = wake->k * x + initial_sigma(wake, diameter_m, ct);
	share = ct * diameter_m * diameter_m / (8.0 * sigma * sigma);
	return 2.0 * induction(wake, share) * exp(-0.5 * (y / sigma) * (y / sigma));
}

/* A turbine of one direction, in downwind order. */
typedef struct Placed
{
	double		x;				/* downwind */
	double		y;				/* across */
	int			id;				/* place in the caller's arrays */
} Placed;

/*
 * One wake that reaches a turbine.  a and b hold what does not depend on Ct:
 * iea37_sbg D^2 / (8 s^2) and the exponential; bastankhah_2014 k x and y;
 * noj the whole factor of 2 a, and nothing.
 */
typedef struct Pair
{
	int			from;			/* place in downwind order */
	double		a;
	double		b;
} Pair;

typedef struct Work
{
	Placed	   *placed;			/* n */
	int		   *first;			/* n + 1: pairs of turbine i: first[i] .. */
	Pair	   *pair;
	size_t		pair_cap;
	double	   *ct;				/* n, at the current speed */
	double	   *sigma0;			/* n, bastankhah_2014 only */
	double	   *ws_eff;			/* n, in downwind order */
} Work;

static void
work_free(Work *w)
{
	free(w->placed);
	free(w->first);
	free(w->pair);
	free(w->ct);
	free(w->sigma0);
	free(w->ws_eff);
}

static AjkError
work_alloc(Work *w, int n)
{
	size_t		size = sizeof(double) * (size_t) n;

	memset(w, 0, sizeof(*w));
	w->placed = malloc(sizeof(Placed) * (size_t) n);
	w->first = malloc(sizeof(int) * ((size_t) n + 1));
	w->ct = malloc(size);
	w->sigma0 = malloc(size);
	w->ws_eff = malloc(size);
	if (!w->placed || !w->first || !w->ct || !w->sigma0 || !w->ws_eff)
	{
		work_free(w);
		return AJK_NOMEM;
	}
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

/* Turn the farm into the wind, sort it, and list the wakes that are felt. */
static AjkError
set_direction(const AjkFarm *farm, double wd, Work *w)
{
	double		angle = AJK_DEG2RAD(wd + farm->true_north_deg);
	double		east = -sin(angle); /* where the wind blows to */
	double		north = -cos(angle);
	double		d = farm->turbine->diameter_m;
	const AjkWake *wake = &farm->wake;
	size_t		npairs = 0;

	for (int i = 0; i < farm->n; i++)
	{
		w->placed[i].x = farm->x[i] * east + farm->y[i] * north;
		w->placed[i].y = farm->x[i] * north - farm->y[i] * east;
		w->placed[i].id = i;
	}
	qsort(w->placed, (size_t) farm->n, sizeof(Placed), compare_placed);

	for (int i = 0; i < farm->n; i++)
	{
		w->first[i] = (int) npairs;
		if (npairs + (size_t) i > w->pair_cap)
		{
			size_t		cap = w->pair_cap * 2 + (size_t) i + 256;
			Pair	   *grown = realloc(w->pair, cap * sizeof(Pair));

			if (grown == NULL)
				return AJK_NOMEM;
			w->pair = grown;
			w->pair_cap = cap;
		}
		for (int j = 0; j < i; j++)
		{
			double		x = w->placed[i].x - w->placed[j].x;
			double		y = w->placed[i].y - w->placed[j].y;
			Pair	   *p = &w->pair[npairs];

			if (!(x > 0.0) || fabs(y) > ajk_wake_reach(wake, d, x))
				continue;
			p->from = j;
			if (wake->model == AJK_WAKE_IEA37_SBG)
			{
				double		s = wake->k * x + d / sqrt(8.0);

				p->a = d * d / (8.0 * s * s);
				p->b = exp(-0.5 * (y / s) * (y / s));
			}
			else if (wake->model == AJK_WAKE_BASTANKHAH_2014)
			{
				p->a = wake->k * x;
				p->b = y;
			}
			else
			{
				double		r = 0.5 * d;
				double		wr = r + wake->k * x;

				p->a = (r / wr) * (r / wr) * overlap(wr, r, y);
				p->b = 0.0;
				if (p->a == 0.0)
					continue;
			}
			npairs++;
		}
	}
	w->first[farm->n] = (int) npairs;
	return AJK_OK;
}

/* The speed at every turbine, in downwind order, for one free speed. */
static void
propagate(const AjkFarm *farm, double ws, Work *w)
{
	const AjkWake *wake = &farm->wake;
	double		d = farm->turbine->diameter_m;

	for (int i = 0; i < farm->n; i++)
	{
		double		sum = 0.0;

		for (int p = w->first[i]; p < w->first[i + 1]; p++)
		{
			const Pair *pair = &w->pair[p];
			double		ct = w->ct[pair->from];
			double		du;

			if (wake->model == AJK_WAKE_IEA37_SBG)
				du = 2.0 * induction(wake, ct * pair->a) * pair->b;
			else if (wake->model == AJK_WAKE_NOJ)
				du = 2.0 * induction(wake, ct) * pair->a;
			else
			{
				double		s = pair->a + w->sigma0[pair->from];
				double		t = pair->b / s;

				if (fabs(t) > GAUSS_REACH)
					continue;
				du = 2.0 * exp(-0.5 * t * t) *
					induction(wake, ct * d * d / (8.0 * s * s));
			}
			if (wake->super == AJK_SUPER_RSS)
				sum += du * du;
			else if (wake->super == AJK_SUPER_LINEAR)
				sum += du;
			else if (du > sum)
				sum = du;
		}
		if (wake->super == AJK_SUPER_RSS)
			sum = sqrt(sum);
		w->ws_eff[i] = ws * fmax(0.0, 1.0 - sum);
		w->ct[i] = ajk_turbine_ct(farm->turbine, w->ws_eff[i]);
		if (wake->model == AJK_WAKE_BASTANKHAH_2014)
			w->sigma0[i] = initial_sigma(wake, d, w->ct[i]);
	}
}

static bool
farm_is_valid(const AjkFarm *farm)
{
	if (farm->n < 1 || farm->n > 20000 || !(farm->wake.k >= 0.0) ||
		!isfinite(farm->wake.k))
		return false;
	for (int i = 0; i < farm->n; i++)
		if (!isfinite(farm->x[i]) || !isfinite(farm->y[i]))
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
	err = work_alloc(&w, farm->n);
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
	err = work_alloc(&w, farm->n);
	if (err != AJK_OK)
		return err;
	if (yield->turbine_mwh)
		memset(yield->turbine_mwh, 0, sizeof(double) * (size_t) farm->n);

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
			gross += farm->n * mwh *
				ajk_turbine_power(farm->turbine, wind->ws[j]);
			for (int t = 0; t < farm->n; t++)
			{
				double		e = mwh * ajk_turbine_power(farm->turbine,
														w.ws_eff[t]);

				net += e;
				if (yield->turbine_mwh)
					yield->turbine_mwh[w.placed[t].id] += e;
			}
		}
		if (yield->direction_gross_mwh)
			yield->direction_gross_mwh[i] = gross;
		if (yield->direction_mwh)
			yield->direction_mwh[i] = net;
		yield->gross_mwh += gross;
		yield->net_mwh += net;
	}
	work_free(&w);
	return err;
}
