/*-------------------------------------------------------------------------
 *
 * test_wind_types.c
 *		Farms of several types of turbines: wakes, estimate, layout.
 *
 * The reference is the definition written out: every turbine of a random farm
 * meets every wake by the published formulas, without sorting ahead, lists of
 * pairs or vectors.  What must not matter (types that are the same under two
 * names, hubs of one height in one wind) is compared with a farm of one type.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"
#include "wind_cases.h"

#include "layout.h"
#include "surrogate.h"

#define N 14
#define TYPES 3

static double v80_kw[23];
static AjkTurbine types[TYPES];
static AjkWind wind;

static void
set_up(void)
{
	AjkWeibull	w = {12, hornsrev_freq, hornsrev_a, hornsrev_k, 0.0};

	for (int i = 0; i < 23; i++)
		v80_kw[i] = v80_power_w[i] / 1000.0;
	types[0] = (AjkTurbine)
	{
		.diameter_m = 80,.hub_height_m = 70,.rated_kw = 2000,
			.curve = AJK_CURVE_TABLE,.npoints = 23,.ws = v80_ws,
			.power_kw = v80_kw,.ct = v80_ct
	};
	types[1] = (AjkTurbine)
	{
		.diameter_m = 130,.hub_height_m = 110,.rated_kw = 3350,
			.curve = AJK_CURVE_IEA37,.cut_in_ms = 4,.rated_ms = 9.8,
			.cut_out_ms = 25,.ct_const = 8.0 / 9.0
	};
	types[2] = (AjkTurbine)
	{
		.diameter_m = 44,.hub_height_m = 55,.rated_kw = 600,
			.curve = AJK_CURVE_IEA37,.cut_in_ms = 3,.rated_ms = 13,
			.cut_out_ms = 25,.ct_const = 0.7
	};
	ok(ajk_wind_from_weibull(&wind, &w, 10.0, 3.0, 25.0, 1.0) == AJK_OK, "wind");
}

/* ---- the definition ---- */

static double
induction(bool madsen, double ct)
{
	ct = fmin(ct, 1.0);
	return madsen ? 0.2460 * ct + 0.0586 * ct * ct + 0.0883 * ct * ct * ct :
		(1.0 - sqrt(1.0 - ct)) / 2.0;
}

/* Area that two discs share, over that of the second, by thin strips */
static double
shared(double ra, double rb, double apart)
{
	const int	strips = 50000;
	double		area = 0.0;

	for (int i = 0; i < strips; i++)
	{
		double		x = -rb + 2.0 * rb * (i + 0.5) / strips;
		double		hb = sqrt(rb * rb - x * x);
		double		xa = x - apart;
		double		ha = fabs(xa) < ra ? sqrt(ra * ra - xa * xa) : 0.0;

		area += 2.0 * fmin(ha, hb) * 2.0 * rb / strips;
	}
	return area / (AJK_PI * rb * rb);
}

static double
loss_of(const AjkWake *wake, const AjkTurbine *from, double ct, double ti,
		const AjkTurbine *at, double x, double y)
{
	double		dz = at->hub_height_m - from->hub_height_m;
	double		r2 = y * y + dz * dz;
	double		d = from->diameter_m;
	double		k = wake->k;
	double		beta = (1.0 + sqrt(1.0 - ct)) / (2.0 * sqrt(1.0 - ct));
	double		s;

	if (wake->model == AJK_WAKE_NOJ)
	{
		double		wide = d + 2.0 * k * x;

		return 2.0 * induction(wake->madsen, ct) * d * d / (wide * wide) *
			shared(wide / 2.0, at->diameter_m / 2.0, sqrt(r2));
	}
	if (wake->model == AJK_WAKE_NIAYIFAR_2016)
		k = 0.38 * ti + 0.004;
	s = wake->model == AJK_WAKE_IEA37_SBG ? k * x + d / sqrt(8.0) :
		k * x + 0.2 * sqrt(beta) * d;
	return 2.0 * induction(wake->madsen, ct * d * d / (8.0 * s * s)) *
		exp(-r2 / (2.0 * s * s));
}

/* Energy of each turbine by the definition; of all as the result */
static double
by_definition(const AjkFarm *f, double *mwh)
{
	double		total = 0.0;

	memset(mwh, 0, sizeof(double) * (size_t) f->n);
	for (int i = 0; i < wind.nwd; i++)
	{
		double		a = (wind.wd[i] + f->true_north_deg) * AJK_PI / 180.0;

		for (int j = 0; j < wind.nws; j++)
		{
			double		p = wind.prob[i * wind.nws + j];
			double		u[N],
						ct[N],
						ti[N];
			bool		done[N] = {false};

			for (int turn = 0; turn < f->n; turn++)
			{
				int			t = -1;
				double		first = INFINITY;
				double		sum = 0.0;
				double		more = 0.0;
				const AjkTurbine *at;
				double		here;

				for (int k = 0; k < f->n; k++)
				{
					double		along = -sin(a) * f->x[k] - cos(a) * f->y[k];

					if (!done[k] && along < first)
					{
						first = along;
						t = k;
					}
				}
				at = &f->turbine[f->type[t]];
				here = wind.ws[j] * f->speed_factor[f->type[t]];
				for (int k = 0; k < f->n; k++)
				{
					const AjkTurbine *from = &f->turbine[f->type[k]];
					double		dx = f->x[t] - f->x[k];
					double		dy = f->y[t] - f->y[k];
					double		x = -sin(a) * dx - cos(a) * dy;
					double		y = -cos(a) * dx + sin(a) * dy;
					double		lost;

					if (!done[k])
						continue;
					lost = wind.ws[j] * f->speed_factor[f->type[k]] *
						loss_of(&f->wake, from, ct[k], ti[k], at, x, y) / here;
					sum = f->wake.super == AJK_SUPER_RSS ? sum + lost * lost :
						f->wake.super == AJK_SUPER_LINEAR ? sum + lost :
						fmax(sum, lost);
					if (f->wake.model == AJK_WAKE_NIAYIFAR_2016)
					{
						double		k_of = 0.38 * ti[k] + 0.004;
						double		beta = (1.0 + sqrt(1.0 - ct[k])) /
						(2.0 * sqrt(1.0 - ct[k]));
						double		s = k_of * x + 0.2 * sqrt(beta) * from->diameter_m;
						double		dz = at->hub_height_m - from->hub_height_m;
						double		added = 0.73 * pow(induction(false, ct[k]), 0.8325) *
						pow(f->wake.ti, 0.0325) * pow(fmax(x / from->diameter_m, 1.0), -0.32);

						if (hypot(y, dz) < 2.0 * s + at->diameter_m / 2.0 && ct[k] > 0.0)
							more = fmax(more, added * shared(2.0 * s, at->diameter_m / 2.0,
															 hypot(y, dz)));
					}
				}
				if (f->wake.super == AJK_SUPER_RSS)
					sum = sqrt(sum);
				u[t] = here * fmax(0.0, 1.0 - sum);
				ct[t] = ajk_turbine_ct(at, u[t]);
				ti[t] = hypot(f->wake.ti, more);
				done[t] = true;
				mwh[t] += p * 8.760 * ajk_turbine_power(at, u[t]);
			}
		}
	}
	for (int t = 0; t < f->n; t++)
		total += mwh[t];
	return total;
}

static void
scatter(AjkRng *rng, double width, double *x, double *y)
{
	for (int i = 0; i < N; i++)
	{
		x[i] = width * ajk_rng_uniform(rng);
		y[i] = width * ajk_rng_uniform(rng);
	}
}

static void
test_wakes(void)
{
	static const double factors[TYPES] = {1.0, 1.0651, 0.967};
	static const int type[N] = {0, 1, 2, 1, 0, 2, 2, 1, 1, 0, 1, 2, 0, 1};
	double		x[N];
	double		y[N];
	double		expected[N];
	double		mwh[N];
	double		gross[N];
	AjkRng		rng;

	ajk_rng_seed(&rng, 11);
	for (int m = 0; m < AJK_WAKE_MODELS; m++)
		for (int super = 0; super < 3; super++)
		{
			AjkFarm		f = {N, x, y, types,
				{(AjkWakeModel) m, (AjkSuperposition) super,
				ajk_wake_default_k((AjkWakeModel) m), super == 2, 0.08},
			1.7, TYPES, type, factors};
			AjkYield	yield = {.turbine_mwh = mwh,.turbine_gross_mwh = gross};
			double		worst = 0.0;
			double		total;
			double		sum = 0.0;

			/* the areas of circles by strips are slow: fewer of them */
			if ((m == AJK_WAKE_NOJ || m == AJK_WAKE_NIAYIFAR_2016) && super != 1)
				continue;
			f.n = m == AJK_WAKE_NOJ || m == AJK_WAKE_NIAYIFAR_2016 ? 4 : N;
			scatter(&rng, m == AJK_WAKE_NOJ || m == AJK_WAKE_NIAYIFAR_2016 ?
					900.0 : 2500.0, x, y);
			total = by_definition(&f, expected);
			ok(ajk_farm_yield(&f, &wind, &yield, NULL, NULL) == AJK_OK,
			   "%s, superposition %d", ajk_wake_name((AjkWakeModel) m), super);
			near(yield.net_mwh, total, 1e-6 * total, "energy as by the definition");
			for (int i = 0; i < f.n; i++)
			{
				worst = fmax(worst, fabs(mwh[i] / expected[i] - 1.0));
				sum += gross[i];
			}
			near(worst, 0.0, 1e-6, "of every turbine, relative");
			near(sum, yield.gross_mwh, 1e-9 * sum, "gross energies add up");
			ok(yield.net_mwh < 0.999 * yield.gross_mwh, "with wakes that are felt");
		}
}

/*
 * The flow at a place is what a turbine of the first type finds there, for a
 * wake that is felt at the hub.
 */
static void
test_flow(void)
{
	static const double factors[TYPES] = {1.1, 1.17, 1.06};
	static const int type[N] = {0, 1, 2, 1, 0, 2, 2, 1, 1, 0, 1, 2, 0, 1};
	double		x[N];
	double		y[N];
	double		u[N];
	AjkRng		rng;

	ajk_rng_seed(&rng, 21);
	for (int m = 0; m < AJK_WAKE_MODELS; m++)
	{
		AjkFarm		f = {N, x, y, types, {(AjkWakeModel) m, AJK_SUPER_LINEAR,
		ajk_wake_default_k((AjkWakeModel) m), false, 0.08}, 0.0, TYPES, type, factors};
		double		worst = 0.0;
		int			felt = 0;

		if (m == AJK_WAKE_NOJ)
			continue;
		scatter(&rng, 2500.0, x, y);
		ok(ajk_farm_speeds(&f, 250.0, 9.0, u) == AJK_OK, "%s", ajk_wake_name((AjkWakeModel) m));
		for (int i = 0; i < N; i++)
		{
			AjkFlowGrid g = {1, 1, x[i], y[i], 50.0};
			float		speed = 0.0f;

			if (type[i] != 0)
				continue;
			ajk_farm_flow(&f, 250.0, 9.0, 1.0, &g, &speed, NULL, NULL);
			worst = fmax(worst, fabs(speed - u[i]));
			felt += u[i] < 9.9 - 1e-3;
		}
		near(worst, 0.0, 2e-6, "flow at the turbines of the first type, m/s");
		ok(felt > 0, "%d of them in wakes", felt);
	}
}

/* Types that are one and the same, and two hub heights in closed form */
static void
test_same(void)
{
	static const int type[N] = {0, 1, 1, 0, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1};
	static const double one[2] = {1.0, 1.0};
	AjkTurbine	twins[2] = {types[1], types[1]};
	double		x[N];
	double		y[N];
	AjkRng		rng;

	ajk_rng_seed(&rng, 12);
	scatter(&rng, 2500.0, x, y);
	for (int m = 0; m < AJK_WAKE_MODELS; m++)
	{
		AjkWake		wake = {(AjkWakeModel) m, AJK_SUPER_RSS,
		ajk_wake_default_k((AjkWakeModel) m), false, 0.08};
		AjkFarm		plain = {N, x, y, twins, wake, 0.0, 0, NULL, NULL};
		AjkFarm		mixed = {N, x, y, twins, wake, 0.0, 2, type, one};
		AjkYield	a = {0};
		AjkYield	b = {0};
		AjkSurrogate s;
		AjkSurrogate t;

		ajk_farm_yield(&plain, &wind, &a, NULL, NULL);
		ajk_farm_yield(&mixed, &wind, &b, NULL, NULL);
		near(b.net_mwh, a.net_mwh, 1e-12 * a.net_mwh, "twins are one type");
		near(b.gross_mwh, a.gross_mwh, 1e-12 * a.gross_mwh, "without wakes, too");
		ok(ajk_surrogate_init(&s, N, &plain, &wind, 72) == AJK_OK &&
		   ajk_surrogate_init(&t, N, &mixed, &wind, 72) == AJK_OK, "estimates");
		ajk_surrogate_set(&s, N, x, y, NULL, NULL);
		ajk_surrogate_set(&t, N, x, y, NULL, NULL);
		near(t.total_mwh, s.total_mwh, 1e-12 * s.total_mwh, "estimates of twins are one");
		ajk_surrogate_free(&s);
		ajk_surrogate_free(&t);
	}

	/* one wind, one behind the other, the second hub 30 m lower */
	{
		AjkTurbine	two[2] = {types[1], types[1]};
		double		px[2] = {0, 0};
		double		py[2] = {700, 0};
		int			which[2] = {0, 1};
		double		factor[2] = {1.0, 0.9};
		double		u[2];
		double		s = 0.0324555 * 700 + 130 / sqrt(8.0);
		double		du = 9.0 * (1.0 - sqrt(1.0 - 8.0 / 9.0 * 130 * 130 / (8 * s * s))) *
		exp(-30.0 * 30.0 / (2 * s * s));
		AjkFarm		f = {2, px, py, two, {AJK_WAKE_IEA37_SBG, AJK_SUPER_RSS, 0.0324555, false, 0.0},
		0.0, 2, which, factor};

		two[1].hub_height_m = 80;
		ok(ajk_farm_speeds(&f, 0.0, 9.0, u) == AJK_OK, "two hub heights");
		near(u[0], 9.0, 0.0, "the first is free");
		near(u[1], 8.1 - du, 1e-12, "the second loses metres per second of the first's wind");
	}
	/* what a farm may not be */
	{
		int			wrong[N] = {0, 1, 2};
		double		nothing[2] = {1.0, 0.0};
		double		u[N];
		AjkFarm		f = {N, x, y, twins, {AJK_WAKE_IEA37_SBG, AJK_SUPER_RSS, 0.0324555, false, 0.0},
		0.0, 2, wrong, NULL};

		ok(ajk_farm_speeds(&f, 0.0, 9.0, u) == AJK_INVALID, "a type that is none is refused");
		f.type = type;
		f.speed_factor = nothing;
		ok(ajk_farm_speeds(&f, 0.0, 9.0, u) == AJK_INVALID, "and a speed of nothing");
	}
}

/* The estimate follows moves and exchanges of turbines of several types. */
static void
test_estimate(void)
{
	static const double factors[TYPES] = {1.0, 1.0651, 0.967};
	static const int type[N] = {1, 1, 1, 1, 1, 0, 0, 0, 0, 2, 2, 2, 2, 2};
	double		wd[16];
	double		ws = 9.0;
	AjkWind		rose;
	AjkRng		rng;

	for (int i = 0; i < 16; i++)
		wd[i] = 22.5 * i;
	ajk_wind_from_rose(&rose, 16, wd, 1, &ws, iea37_rose);
	ajk_rng_seed(&rng, 13);
	for (int m = 0; m < AJK_WAKE_MODELS; m++)
	{
		double		x[N];
		double		y[N];
		AjkFarm		f = {N, x, y, types, {(AjkWakeModel) m, AJK_SUPER_RSS,
		ajk_wake_default_k((AjkWakeModel) m), false, 0.08}, 0.4, TYPES, type, factors};
		AjkYield	yield = {0};
		AjkSurrogate s;
		double		worst = 0.0;
		double		before;

		scatter(&rng, 4000.0, x, y);
		ajk_farm_yield(&f, &rose, &yield, NULL, NULL);
		ok(ajk_surrogate_init(&s, N, &f, &rose, 72) == AJK_OK, "%s", ajk_wake_name(f.wake.model));

		/* put down one after the other or all at once is the same */
		ajk_surrogate_set(&s, 0, x, y, NULL, NULL);
		for (int i = 0; i < N; i++)
		{
			double		tried;

			ajk_surrogate_next(&s);
			tried = ajk_surrogate_try(&s, x[i], y[i]);
			ajk_surrogate_drop(&s, x[i], y[i]);
			worst = fmax(worst, fabs(tried - s.total_mwh));
		}
		near(worst, 0.0, 1e-6, "a try says what the drop gives, MWh");
		before = s.total_mwh;
		ajk_surrogate_set(&s, N, x, y, NULL, NULL);
		near(before, s.total_mwh, 1e-6, "one after the other or all at once");

		/*
		 * the constant thrusts are exact, the table's and what widens with
		 * turbulence nearly
		 */
		near(s.total_mwh, yield.net_mwh, 0.01 * yield.net_mwh, "near the energy");
		worst = 0.0;
		for (int i = 0; i < 400; i++)
		{
			double		px = 4000.0 * ajk_rng_uniform(&rng);
			double		py = 4000.0 * ajk_rng_uniform(&rng);
			int			a = ajk_rng_below(&rng, N);
			int			b = ajk_rng_below(&rng, N);
			double		tried;

			if (i % 3 == 0 && a != b)
			{
				double		ax = s.x[a];

				ajk_surrogate_swap(&s, a, b);
				ok(s.x[b] == ax, "b stands where a stood");
				continue;
			}
			ajk_surrogate_lift(&s, a);
			tried = ajk_surrogate_try(&s, px, py);
			ajk_surrogate_drop(&s, px, py);
			worst = fmax(worst, fabs(tried - s.total_mwh));
		}
		near(worst, 0.0, 1e-6, "tries say what drops give after 400 moves, MWh");
		before = s.total_mwh;
		memcpy(x, s.x, sizeof(x));
		memcpy(y, s.y, sizeof(y));
		ajk_surrogate_set(&s, N, x, y, NULL, NULL);
		near(before, s.total_mwh, 1e-3, "no drift, MWh");
		ajk_surrogate_free(&s);
	}
	ajk_wind_free(&rose);
}

/* ---- layouts ---- */

typedef struct Disc
{
	double		radius;
	double		setback;
}			Disc;

static double
disc_margin(void *arg, double x, double y)
{
	const		Disc *d = arg;

	return d->radius - d->setback - hypot(x, y);
}

static bool
in_disc(void *arg, double x, double y)
{
	return disc_margin(arg, x, y) >= 0.0;
}

static double cx[20000];
static double cy[20000];

/*
 * Three types in a circle: every pair keeps the larger one's spacing, every
 * turbine its own setback, and which stands where is searched, too.
 */
static void
test_layout(double radius, int n, const int *type, double d, bool fits)
{
	static const double factors[TYPES] = {1.0, 1.0651, 0.967};
	Disc		disc[TYPES];
	void	   *arg[TYPES];
	double		spacing[TYPES * TYPES];
	double		x[60];
	double		y[60];
	double		x2[60];
	double		y2[60];
	bool		good = true;
	AjkLayoutResult r = {.x = x,.y = y};
	AjkLayoutResult again = {.x = x2,.y = y2};
	AjkLayoutProblem p = {.turbine = types,.wind = &wind,
		.wake = {AJK_WAKE_BASTANKHAH_2014, AJK_SUPER_RSS, 0.0324555, false, 0.0},
		.n = n,.nstarts = 2,.max_evaluations = 8000,.seed = 5,.margin = disc_margin,
	.ntypes = TYPES,.type = type,.spacing_m = spacing,.place_arg = arg,.speed_factor = factors};
	AjkFarm		f = {n, x, y, types, p.wake, 0.0, TYPES, type, factors};
	AjkYield	yield = {0};

	p.area = (AjkArea)
	{
		0, cx, cy, 25.0, in_disc, &disc[1], 130 * d
	};
	for (int a = 0; a < TYPES; a++)
	{
		disc[a] = (Disc)
		{
			radius, types[a].diameter_m / 2
		};
		arg[a] = &disc[a];
		for (int b = 0; b < TYPES; b++)
			spacing[a * TYPES + b] = d * fmax(types[a].diameter_m, types[b].diameter_m);
	}
	for (double v = -radius; v <= radius; v += 25.0)
		for (double u = -radius; u <= radius; u += 25.0)
			if (u * u + v * v <= radius * radius && p.area.ncells < 20000)
			{
				cx[p.area.ncells] = u;
				cy[p.area.ncells++] = v;
			}
	if (!fits)
	{
		ok(ajk_layout_optimize(&p, &r, NULL, NULL, NULL) == AJK_INFEASIBLE, "%d in a circle of %.0f m do not fit", n, radius);
		ok(r.n_fit > 0 && r.n_fit < n, "%d do", r.n_fit);
		return;
	}
	ok(ajk_layout_optimize(&p, &r, NULL, NULL, NULL) == AJK_OK, "%d turbines of three types in a circle of %.0f m", n, radius);
	for (int i = 0; i < n; i++)
	{
		good = good && in_disc(arg[type[i]], x[i], y[i]);
		for (int j = 0; j < i; j++)
			good = good && hypot(x[i] - x[j], y[i] - y[j]) >=
				d * fmax(types[type[i]].diameter_m, types[type[j]].diameter_m) * (1 - 1e-12);
	}
	ok(good, "each keeps its setback, each two the larger one's spacing");
	ajk_farm_yield(&f, &wind, &yield, NULL, NULL);
	near(r.end_mwh, yield.net_mwh, 1e-9 * yield.net_mwh, "the energy said is the layout's");
	ok(r.end_mwh >= r.start_mwh, "%.1f of %.1f MWh", r.end_mwh, r.start_mwh);
	ok(ajk_layout_optimize(&p, &again, NULL, NULL, NULL) == AJK_OK &&
	   memcmp(x, x2, sizeof(double) * (size_t) n) == 0, "same seed, same bytes");
}

static void
test_layouts(void)
{
	static const int few[12] = {1, 1, 1, 1, 0, 0, 0, 0, 2, 2, 2, 2};

	/* four large, the others small: at 650 m only some 13 fit */
	static const int many[40] = {1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0,
	2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2};
	AjkLayoutProblem p = {0};
	AjkLayoutResult r = {0};
	int			wrong = 3;

	test_layout(1500.0, 12, few, 5.0, true);
	test_layout(1300.0, 40, many, 5.0, true);
	test_layout(600.0, 40, many, 5.0, false);
	p.n = p.nstarts = 1;
	p.max_evaluations = 1;
	p.ntypes = TYPES;
	p.type = &wrong;
	ok(ajk_layout_optimize(&p, &r, NULL, NULL, NULL) == AJK_INVALID, "a type that is none is refused");
}

/*
 * Exchanging types is worth something: where the wind blows along a row, the
 * order of a large turbine and small ones decides, and moves cannot pass.
 */
static bool
three_places(void *arg, double x, double y)
{
	(void) arg;
	return y == 0.0 && (x == 0.0 || x == 700.0 || x == 1400.0);
}

static void
test_exchange(void)
{
	double		wd = 270.0;
	double		ws = 8.0;
	double		all = 1.0;
	AjkWind		west;
	double		px[3] = {0, 700, 1400};
	double		py[3] = {0, 0, 0};
	double		best = 0.0;
	double		x[3];
	double		y[3];
	int			type[3] = {1, 2, 2};
	int			begun_worse = 0;
	void	   *arg[TYPES] = {NULL, NULL, NULL};
	double		spacing[TYPES * TYPES];
	AjkLayoutResult r = {.x = x,.y = y};
	AjkLayoutProblem p = {.turbine = types,.wind = &west,
		.wake = {AJK_WAKE_IEA37_SBG, AJK_SUPER_RSS, 0.0324555, false, 0.0},
		.n = 3,.nstarts = 1,.max_evaluations = 3000,.seed = 1,
	.ntypes = TYPES,.type = type,.spacing_m = spacing,.place_arg = arg};

	p.area = (AjkArea)
	{
		3, px, py, 0.0, three_places, NULL, 650.0
	};
	for (int i = 0; i < TYPES * TYPES; i++)
		spacing[i] = 650.0;
	ajk_wind_from_rose(&west, 1, &wd, 1, &ws, &all);
	for (int where = 0; where < 3; where++)
	{
		int			t[3] = {2, 2, 2};
		AjkFarm		f = {3, px, py, types, p.wake, 0.0, TYPES, t, NULL};
		AjkYield	yield = {0};

		t[where] = 1;
		ajk_farm_yield(&f, &west, &yield, NULL, NULL);
		best = fmax(best, yield.net_mwh);
	}
	for (int seed = 1; seed <= 6; seed++)
	{
		p.seed = (uint64_t) seed;
		for (int i = 0; i < 3; i++)
			type[i] = i == seed % 3 ? 1 : 2;
		ok(ajk_layout_optimize(&p, &r, NULL, NULL, NULL) == AJK_OK, "three places, all taken");
		near(r.end_mwh, best, 1e-9 * best, "the best of the three orders is found");
		begun_worse += r.start_mwh < 0.999 * best;
	}
	ok(begun_worse > 0, "%d times by exchanging", begun_worse);
	ajk_wind_free(&west);
}

int
main(void)
{
	set_up();
	test_wakes();
	test_flow();
	test_same();
	test_estimate();
	test_layouts();
	test_exchange();
	ajk_wind_free(&wind);
	return unit_done();
}
