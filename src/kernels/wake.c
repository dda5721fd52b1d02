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
 * niayifar_2016: as bastankhah_2014, with k = 0.38 I + 0.004 of the turbulence
 *		intensity I at the turbine that makes the wake.  I^2 is the ambient I0^2
 *		plus the largest square of what the turbines upwind add,
 *		0.73 a^0.8325 I0^0.0325 (x/D)^-0.32 (Crespo and Hernandez, J. Wind Eng.
 *		Ind. Aerodyn. 61 (1996) 71) times the share of the rotor within their
 *		wakes, discs of radius 2 s.  Nearer than one diameter x/D counts as 1.
 *		Niayifar and Porte-Agel, Energies 9 (2016) 741, who superpose by the
 *		sum; here that is a choice of its own.
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

#include "lanes.h"

/* How often to ask the poll callback, in pairs of turbines. */
#define PAIRS_PER_POLL 100000

/*
 * A Gaussian is taken as nothing beyond so many standard deviations, where it
 * is below 3e-11; the square that is summed by default is 1e-21.
 */
#define GAUSS_REACH 7.0

/* niayifar_2016: k = K_TI I + K_0, and at most this for reach */
#define K_TI 0.38
#define K_0 0.004
#define TI_ADDED_MAX 0.8

static const char *const model_name[AJK_WAKE_MODELS] = {
	"iea37_sbg", "bastankhah_2014", "noj", "niayifar_2016"
};

const char *
ajk_wake_name(AjkWakeModel model)
{
	return model_name[model];
}

bool
ajk_wake_by_name(const char *name, AjkWakeModel *model)
{
	for (int i = 0; i < AJK_WAKE_MODELS; i++)
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

/* Expansion behind a turbine in the ambient turbulence */
static double
ambient_k(const AjkWake *wake)
{
	return wake->model == AJK_WAKE_NIAYIFAR_2016 ? K_TI * wake->ti + K_0 :
		wake->k;
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
	*k = ambient_k(wake);
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
	if (wake->model == AJK_WAKE_NIAYIFAR_2016)
		return GAUSS_REACH * ((K_TI * hypot(wake->ti, TI_ADDED_MAX) + K_0) * x +
							  0.808 * diameter_m);
	return GAUSS_REACH * (wake->k * x + 0.808 * diameter_m);
}

/*
 * Turbulence intensity that a wake adds at x downwind, whole in the wake.
 */
double
ajk_wake_added_ti(double diameter_m, double ct, double ambient_ti, double x)
{
	double		a = 0.5 * (1.0 - sqrt(1.0 - (ct < AJK_CT_MAX ? ct : AJK_CT_MAX)));
	double		xd = x > diameter_m ? x / diameter_m : 1.0;

	if (!(a > 0.0) || !(ambient_ti > 0.0))
		return 0.0;
	return fmin(TI_ADDED_MAX, 0.73 * pow(a, 0.8325) * pow(ambient_ti, 0.0325) *
				pow(xd, -0.32));
}

/*
 * du/U of one wake at one rotor of the same diameter, in ambient turbulence.
 */
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
	sigma = ambient_k(wake) * x + initial_sigma(wake, diameter_m, ct);
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
 * The wakes that reach turbines.  a and b hold what does not depend on Ct:
 * iea37_sbg D^2 / (8 s^2) and the exponential; bastankhah_2014 k x and y;
 * niayifar_2016 x and y; noj the whole factor of 2 a, and nothing.
 */
typedef struct Pairs
{
	int		   *from;			/* place in downwind order */
	double	   *a;
	double	   *b;
}			Pairs;

typedef struct Work
{
	Placed	   *placed;			/* n */
	int		   *first;			/* n + 1: pairs of turbine i: first[i] .. */
	Pairs		pair;
	size_t		pair_cap;
	double	   *loss;			/* pair_cap: scratch */
	double		sigma0_max;		/* at the turbine's largest Ct */
	double	   *ct;				/* n, at the current speed */
	double	   *sigma0;			/* n, bastankhah_2014 and niayifar_2016 */
	double	   *k;				/* n, niayifar_2016: expansion */
	double	   *ti;				/* n, niayifar_2016 */
	double	   *ws_eff;			/* n, in downwind order */
	double	   *power;			/* n, likewise */
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
	free(w->ct);
	free(w->sigma0);
	free(w->k);
	free(w->ti);
	free(w->ws_eff);
	free(w->power);
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
	w->power = malloc(size);
	w->k = malloc(size);
	w->ti = malloc(size);
	if (!w->placed || !w->first || !w->ct || !w->sigma0 || !w->ws_eff ||
		!w->power || !w->k || !w->ti)
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

/* The largest initial sigma that the turbine's thrust can make */
static double
largest_sigma0(const AjkFarm *farm)
{
	const AjkTurbine *t = farm->turbine;
	double		ct = t->curve == AJK_CURVE_IEA37 ? t->ct_const : 0.0;

	if (t->curve == AJK_CURVE_TABLE)
		for (int i = 0; i < t->npoints; i++)
			ct = fmax(ct, t->ct[i]);
	return initial_sigma(&farm->wake, t->diameter_m, fmin(ct, AJK_CT_MAX));
}

/* ajk_wake_reach() for a turbine whose thrust is known */
static inline double
pair_reach(const AjkWake *wake, double d, double x, double sigma0_max)
{
	if (wake->model == AJK_WAKE_BASTANKHAH_2014)
		return GAUSS_REACH * (wake->k * x + sigma0_max);
	return ajk_wake_reach(wake, d, x);
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

	w->sigma0_max = largest_sigma0(farm);
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
		if (npairs + (size_t) i > w->pair_cap && !grow_pairs(w, npairs + (size_t) i))
			return AJK_NOMEM;
		for (int j = 0; j < i; j++)
		{
			double		x = w->placed[i].x - w->placed[j].x;
			double		y = w->placed[i].y - w->placed[j].y;
			double	   *a = &w->pair.a[npairs];
			double	   *b = &w->pair.b[npairs];

			if (!(x > 0.0) || fabs(y) > pair_reach(wake, d, x, w->sigma0_max))
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

				*a = (r / wr) * (r / wr) * overlap(wr, r, y);
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

/* Loss of speed by one wake of a Gaussian whose sigma depends on Ct */
static inline double
gauss_loss(const AjkWake *wake, double d, double ct, double sigma, double y)
{
	double		t = y / sigma;

	if (fabs(t) > GAUSS_REACH)
		return 0.0;
	return 2.0 * exp(-0.5 * t * t) *
		induction(wake, ct * d * d / (8.0 * sigma * sigma));
}

/*
 * The losses by n wakes of bastankhah_2014, and the sum of their squares,
 * vectorised: most of the time of a simulation is spent here.
 */
AJK_BODY double
gauss_losses_body(int n, const int *restrict from, const double *restrict kx,
				  const double *restrict y, const double *restrict ct,
				  const double *restrict sigma0, double d, bool madsen,
				  double *restrict loss)
{
	double		c = d * d / 8.0;
	double		lane[AJK_LANES] = {0};
	double		sum = 0.0;
	int			end = 0;

	for (int i = 0; i < n; i++)
	{
		double		s = kx[i] + sigma0[from[i]];
		double		q = 1.0 / (s * s);
		double		share = ct[from[i]] * c * q;
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
			  const double *restrict y, const double *restrict ct,
			  const double *restrict sigma0, double d, bool madsen,
			  double *restrict loss),
			 (n, from, kx, y, ct, sigma0, d, madsen, loss))

/* The speed at every turbine, in downwind order, for one free speed. */
static void
propagate(const AjkFarm *farm, double ws, Work *w)
{
	const AjkWake *wake = &farm->wake;
	double		d = farm->turbine->diameter_m;

	for (int i = 0; i < farm->n; i++)
	{
		double		sum = 0.0;
		double		added2 = 0.0;

		int			p = w->first[i];

		if (wake->model == AJK_WAKE_BASTANKHAH_2014)
		{
			double		squares = gauss_losses(w->first[i + 1] - p,
											   w->pair.from + p, w->pair.a + p,
											   w->pair.b + p, w->ct, w->sigma0,
											   d, wake->madsen, w->loss);

			if (wake->super == AJK_SUPER_RSS)
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
				du = 2.0 * induction(wake, w->ct[from] * w->pair.a[p]) *
					w->pair.b[p];
			else if (wake->model == AJK_WAKE_NOJ)
				du = 2.0 * induction(wake, w->ct[from]) * w->pair.a[p];
			else if (wake->model == AJK_WAKE_BASTANKHAH_2014)
				du = w->loss[p - w->first[i]];
			else
			{
				double		s = w->k[from] * w->pair.a[p] + w->sigma0[from];
				double		share = overlap(2.0 * s, 0.5 * d, w->pair.b[p]);

				du = gauss_loss(wake, d, w->ct[from], s, w->pair.b[p]);
				if (share > 0.0)
				{
					double		more = share *
					ajk_wake_added_ti(d, w->ct[from], wake->ti, w->pair.a[p]);

					added2 = fmax(added2, more * more);
				}
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
		ajk_turbine_both(farm->turbine, w->ws_eff[i], &w->power[i], &w->ct[i]);
		if (wake->model == AJK_WAKE_BASTANKHAH_2014)
			w->sigma0[i] = initial_sigma(wake, d, w->ct[i]);
		else if (wake->model == AJK_WAKE_NIAYIFAR_2016)
		{
			w->sigma0[i] = initial_sigma(wake, d, w->ct[i]);
			w->ti[i] = sqrt(wake->ti * wake->ti + added2);
			w->k[i] = K_TI * w->ti[i] + K_0;
		}
	}
}

static bool
farm_is_valid(const AjkFarm *farm)
{
	if (farm->n < 1 || farm->n > 20000 || !(farm->wake.k >= 0.0) ||
		!isfinite(farm->wake.k) || !(farm->wake.ti >= 0.0) ||
		!(farm->wake.ti <= 1.0))
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
			gross += farm->n * mwh *
				ajk_turbine_power(farm->turbine, wind->ws[j]);
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
	if (err == AJK_OK && yield->turbine_ti && yield->turbine_mwh)
		for (int i = 0; i < farm->n; i++)
			yield->turbine_ti[i] = yield->turbine_mwh[i] > 0.0 ?
				yield->turbine_ti[i] / yield->turbine_mwh[i] : farm->wake.ti;
	work_free(&w);
	return err;
}

/* ---- the flow between the turbines ---- */

AjkError
ajk_farm_flow(const AjkFarm *farm, double wd, double ws, double weight,
			  const AjkFlowGrid *grid, float *speed, ajk_poll poll, void *arg)
{
	double		angle = AJK_DEG2RAD(wd + farm->true_north_deg);
	double		east = -sin(angle);
	double		north = -cos(angle);
	double		d = farm->turbine->diameter_m;
	AjkWake		wake = farm->wake;
	Work		w;
	AjkError	err;

	if (!farm_is_valid(farm) || grid->ncols < 1 || grid->nrows < 1)
		return AJK_INVALID;
	err = work_alloc(&w, farm->n);
	if (err != AJK_OK)
		return err;
	err = set_direction(farm, wd, &w);
	if (err != AJK_OK)
	{
		work_free(&w);
		return err;
	}
	propagate(farm, ws, &w);
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
				double		y = across - w.placed[i].y;
				double		du;

				if (!(x > 0.0))
					break;		/* all the others are further downwind */
				if (wake.model == AJK_WAKE_NIAYIFAR_2016)
					du = gauss_loss(&wake, d, w.ct[i], w.k[i] * x + w.sigma0[i], y);
				else if (wake.model == AJK_WAKE_NOJ)
				{
					/* at a point: within the wake or not */
					double		wr = 0.5 * d + wake.k * x;

					du = fabs(y) > wr ? 0.0 : 2.0 * induction(&wake, w.ct[i]) *
						(0.5 * d / wr) * (0.5 * d / wr);
				}
				else
					du = ajk_wake_deficit(&wake, d, w.ct[i], x, y);
				if (wake.super == AJK_SUPER_RSS)
					sum += du * du;
				else if (wake.super == AJK_SUPER_LINEAR)
					sum += du;
				else if (du > sum)
					sum = du;
			}
			if (wake.super == AJK_SUPER_RSS)
				sum = sqrt(sum);
			speed[(size_t) row * grid->ncols + col] +=
				(float) (weight * ws * fmax(0.0, 1.0 - sum));
		}
	}
	work_free(&w);
	return AJK_OK;
}
