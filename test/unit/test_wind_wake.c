/*-------------------------------------------------------------------------
 *
 * test_wind_wake.c
 *		Wake models and annual energy against published figures.
 *
 * IEA37: the energies published with the example layouts of IEA Wind Task
 * 37's case study 1, total and by direction.  PyWake: Horns Rev 1 and the
 * 16-turbine case by several models.  Jensen: the Nibe example of his 1983
 * report, and closed forms for turbines in a row.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"
#include "wind_cases.h"

#include "wake.h"

static const AjkTurbine iea37 = {
	.diameter_m = 130,.hub_height_m = 110,.rated_kw = 3350,
	.curve = AJK_CURVE_IEA37,.cut_in_ms = 4,.rated_ms = 9.8,
	.cut_out_ms = 25,.ct_const = 8.0 / 9.0
};

/* the turbine of Jensen's report: only Ct and diameter matter */
static const AjkTurbine nibe = {
	.diameter_m = 40,.hub_height_m = 45,.rated_kw = 630,
	.curve = AJK_CURVE_IEA37,.cut_in_ms = 4,.rated_ms = 13,
	.cut_out_ms = 25,.ct_const = 8.0 / 9.0
};

static AjkError
iea37_wind(AjkWind *wind)
{
	double		wd[16];
	double		ws = 9.8;

	for (int i = 0; i < 16; i++)
		wd[i] = 22.5 * i;
	return ajk_wind_from_rose(wind, 16, wd, 1, &ws, iea37_rose);
}

static void
test_iea37(void)
{
	static const int n[] = {9, 16, 36, 64};
	static const double *const x[] = {iea37_x9, iea37_x16, iea37_x36, iea37_x64};
	static const double *const y[] = {iea37_y9, iea37_y16, iea37_y36, iea37_y64};
	static const double *const aep[] = {iea37_aep9, iea37_aep16, iea37_aep36,
	iea37_aep64};
	static const double want[] = {178379.91881, 366941.57116, 737883.09851,
	1294974.29770};
	AjkWind		wind;

	ok(iea37_wind(&wind) == AJK_OK, "IEA37 wind rose");
	for (int c = 0; c < 4; c++)
	{
		double		each[64];
		double		dir[16];
		double		dir_gross[16];
		AjkYield	yield = {.turbine_mwh = each,.direction_mwh = dir,
		.direction_gross_mwh = dir_gross};
		AjkFarm		farm = {n[c], x[c], y[c], &iea37,
		{AJK_WAKE_IEA37_SBG, AJK_SUPER_RSS, 0.0324555, false, 0.0}, 0.0, 0, NULL, NULL};
		double		worst = 0.0;
		double		sum = 0.0;

		ok(ajk_farm_yield(&farm, &wind, &yield, NULL, NULL) == AJK_OK,
		   "IEA37, %d turbines", n[c]);
		near(yield.net_mwh, want[c], 1e-5, "annual energy, MWh");
		near(yield.gross_mwh, n[c] * 3.35 * 8760, 1e-6, "without wakes, MWh");
		for (int i = 0; i < 16; i++)
			worst = fmax(worst, fabs(dir[i] - aep[c][i]));
		near(worst, 0.0, 1.1e-5, "worst direction against the published, MWh");
		for (int i = 0; i < n[c]; i++)
			sum += each[i];
		near(sum, yield.net_mwh, 1e-6, "turbines add up to the farm");
		sum = 0.0;
		for (int i = 0; i < 16; i++)
			sum += dir_gross[i];
		near(sum, yield.gross_mwh, 1e-6, "directions add up to the gross");
	}

	{
		AjkFarm		farm = {16, iea37_x16, iea37_y16, &iea37,
		{AJK_WAKE_NOJ, AJK_SUPER_RSS, 0.1, false, 0.0}, 0.0, 0, NULL, NULL};
		AjkYield	yield = {0};

		ajk_farm_yield(&farm, &wind, &yield, NULL, NULL);
		near(yield.net_mwh, 367205.0846866496, 367205e-9,
			 "16 turbines, NOJ (PyWake)");
		farm.wake.model = AJK_WAKE_BASTANKHAH_2014;
		farm.wake.k = 0.0324555;
		ajk_farm_yield(&farm, &wind, &yield, NULL, NULL);
		near(yield.net_mwh, 355971.9717035484, 355971e-9,
			 "16 turbines, Bastankhah (PyWake)");
	}
	ajk_wind_free(&wind);
}

static void
test_horns_rev(void)
{
	static const struct
	{
		AjkWake		wake;
		double		gwh;
		const char *what;
	}			cases[] = {
		{{AJK_WAKE_NOJ, AJK_SUPER_RSS, 0.1, true, 0.0}, 701.8641902501, "Horns Rev, NOJ, GWh"},
		{{AJK_WAKE_IEA37_SBG, AJK_SUPER_RSS, 0.0324555, false, 0.0}, 694.1483188596,
		"Horns Rev, IEA37 SBG, GWh"},
		{{AJK_WAKE_BASTANKHAH_2014, AJK_SUPER_RSS, 0.0324555, true, 0.0}, 682.1920555491,
		"Horns Rev, Bastankhah, GWh"},
	};
	double		power[23];
	AjkTurbine	v80 = {
		.diameter_m = 80,.hub_height_m = 70,.rated_kw = 2000,
		.curve = AJK_CURVE_TABLE,.npoints = 23,.ws = v80_ws,
		.power_kw = power,.ct = v80_ct
	};
	AjkWeibull	w = {12, hornsrev_freq, hornsrev_a, hornsrev_k, 0.0};
	AjkWind		wind;

	for (int i = 0; i < 23; i++)
		power[i] = v80_power_w[i] / 1000.0;
	ok(ajk_wind_from_weibull(&wind, &w, 1.0, 3.0, 25.0, 1.0) == AJK_OK,
	   "Horns Rev climate");
	for (int c = 0; c < 3; c++)
	{
		AjkFarm		farm = {80, hornsrev_x, hornsrev_y, &v80, cases[c].wake, 0.0, 0, NULL, NULL};
		AjkYield	yield = {0};

		ajk_farm_yield(&farm, &wind, &yield, NULL, NULL);
		near(yield.gross_mwh / 1000.0, 744.0358905988, 744e-9,
			 "Horns Rev, gross, GWh");
		near(yield.net_mwh / 1000.0, cases[c].gwh, cases[c].gwh * 1e-9,
			 cases[c].what);
	}
	ajk_wind_free(&wind);
}

/* Turbines one behind the other in a west wind. */
static void
test_rows(void)
{
	double		x[3] = {0.0, 40.0, 100.0};
	double		y[3] = {0.0, 0.0, 0.0};
	double		u[3];
	AjkFarm		farm = {2, x, y, &nibe, {AJK_WAKE_NOJ, AJK_SUPER_RSS, 0.1, false, 0.0}, 0.0, 0, NULL, NULL};
	double		a = 1.0 / 3.0;	/* of Ct 8/9 */
	double		d1,
				d2;

	ajk_farm_speeds(&farm, 270.0, 8.1, u);
	near(u[0], 8.1, 0.0, "the first of a row is in free wind");
	near(u[1], 4.35, 1e-9, "Jensen, Nibe, 40 m behind");
	x[1] = 100.0;
	ajk_farm_speeds(&farm, 270.0, 8.1, u);
	near(u[1], 5.7, 1e-9, "Jensen, Nibe, 100 m behind");

	/* 2 a (D/(D+2kx))^2 of both, root of the sum of squares */
	farm.n = 3;
	x[1] = 200.0;
	x[2] = 400.0;
	d1 = 2.0 * a * pow(40.0 / (40.0 + 0.2 * 400.0), 2);
	d2 = 2.0 * a * pow(40.0 / (40.0 + 0.2 * 200.0), 2);
	ajk_farm_speeds(&farm, 270.0, 10.0, u);
	near(u[2], 10.0 * (1.0 - hypot(d1, d2)), 1e-12, "third of a row, RSS");
	farm.wake.super = AJK_SUPER_LINEAR;
	ajk_farm_speeds(&farm, 270.0, 10.0, u);
	near(u[2], 10.0 * (1.0 - d1 - d2), 1e-12, "third of a row, sum");
	farm.wake.super = AJK_SUPER_MAX;
	ajk_farm_speeds(&farm, 270.0, 10.0, u);
	near(u[2], 10.0 * (1.0 - d2), 1e-12, "third of a row, deepest");
	farm.wake.super = AJK_SUPER_RSS;

	ajk_farm_speeds(&farm, 90.0, 10.0, u);
	near(u[2], 10.0, 0.0, "an east wind reaches the eastern turbine first");
	ok(u[0] < u[1] && u[1] < u[2], "and slows towards the west");
	ajk_farm_speeds(&farm, 0.0, 10.0, u);
	ok(u[0] == 10.0 && u[1] == 10.0 && u[2] == 10.0,
	   "a north wind crosses the row unslowed");

	/* the grid's north is not true north: 270 - 30 from the grid's west */
	farm.true_north_deg = 30.0;
	ajk_farm_speeds(&farm, 240.0, 10.0, u);
	near(u[2], 10.0 * (1.0 - hypot(d1, d2)), 1e-12, "turned grid");
	farm.true_north_deg = 0.0;

	/* half of the rotor in the wake of a 40 m rotor that does not expand */
	farm.wake.k = 0.0;
	farm.n = 2;
	y[1] = 20.0;
	ajk_farm_speeds(&farm, 270.0, 10.0, u);
	/* lens of two equal discs whose centres are one radius apart */
	near(u[1], 10.0 * (1.0 - 2.0 * a * (2.0 / 3.0 - sqrt(0.75) / AJK_PI)),
		 1e-12, "partly within the wake");
	y[1] = 40.0;
	ajk_farm_speeds(&farm, 270.0, 10.0, u);
	near(u[1], 10.0, 0.0, "beside the wake");
}

static void
test_deficit(void)
{
	static const AjkWake wakes[] = {
		{AJK_WAKE_IEA37_SBG, AJK_SUPER_RSS, 0.0324555, false, 0.0},
		{AJK_WAKE_BASTANKHAH_2014, AJK_SUPER_RSS, 0.0324555, false, 0.0},
		{AJK_WAKE_NOJ, AJK_SUPER_RSS, 0.075, false, 0.0},
		{AJK_WAKE_NIAYIFAR_2016, AJK_SUPER_RSS, 0.0, false, 0.1},
	};
	double		s;

	for (int m = 0; m < AJK_WAKE_MODELS; m++)
	{
		bool		down = true;
		bool		across = true;
		bool		thrust = true;
		bool		range = true;

		for (double x = 10.0; x < 20000.0; x *= 1.1)
		{
			if (x > 300.0 &&
				ajk_wake_deficit(&wakes[m], 130, 0.8, x * 1.1, 0, 130) >
				ajk_wake_deficit(&wakes[m], 130, 0.8, x, 0, 130))
				down = false;
			for (double y = -600.0; y <= 600.0; y += 25.0)
			{
				double		du = ajk_wake_deficit(&wakes[m], 130, 0.8, x, y, 130);

				range = range && isfinite(du) && du >= 0.0 && du <= 1.0;
				across = across && fabs(du - ajk_wake_deficit(&wakes[m], 130, 0.8, x, -y, 130)) < 1e-15;
			}
			/* Bastankhah's wake also widens with Ct, steeply near 1 */
			if (x > 300.0)
				for (double ct = 0.05; ct < 0.75; ct += 0.05)
					thrust = thrust &&
						ajk_wake_deficit(&wakes[m], 130, ct + 0.05, x, 0, 130) >
						ajk_wake_deficit(&wakes[m], 130, ct, x, 0, 130);
		}
		ok(range, "%s: loss within 0..1", ajk_wake_name(wakes[m].model));
		ok(down, "%s: loss falls downwind", ajk_wake_name(wakes[m].model));
		ok(across, "%s: the same to both sides", ajk_wake_name(wakes[m].model));
		ok(thrust, "%s: more thrust, more loss", ajk_wake_name(wakes[m].model));
		ok(ajk_wake_deficit(&wakes[m], 130, 0.8, 0.0, 0.0, 130) == 0.0 &&
		   ajk_wake_deficit(&wakes[m], 130, 0.8, -500.0, 0.0, 130) == 0.0,
		   "%s: nothing upwind", ajk_wake_name(wakes[m].model));
		ok(isfinite(ajk_wake_deficit(&wakes[m], 130, 1.2, 1.0, 0.0, 130)),
		   "%s: finite for a Ct over one", ajk_wake_name(wakes[m].model));
	}

	/* the published formula, written out */
	s = 0.0324555 * 910.0 + 130.0 / sqrt(8.0);
	near(ajk_wake_deficit(&wakes[0], 130, 8.0 / 9.0, 910.0, 50.0, 130),
		 (1.0 - sqrt(1.0 - (8.0 / 9.0) / (8.0 * s * s / (130.0 * 130.0)))) *
		 exp(-0.5 * pow(50.0 / s, 2)), 1e-15, "IEA37 formula at 7 D");
}

/* niayifar_2016 written out for a row, and what its turbulence does */
static void
test_turbulence(void)
{
	double		x[3] = {0.0, 650.0, 1300.0};
	double		y[3] = {0.0, 0.0, 0.0};
	double		u[3];
	double		each[3];
	double		ti[3];
	AjkWake		wake = {AJK_WAKE_NIAYIFAR_2016, AJK_SUPER_LINEAR, 0.0, false, 0.06};
	AjkFarm		farm = {3, x, y, &iea37, wake, 0.0, 0, NULL, NULL};
	double		ct = 8.0 / 9.0;
	double		a = 1.0 / 3.0;
	double		eps = 0.2 * sqrt(0.5 * (1.0 + 1.0 / 3.0) / (1.0 / 3.0));
	double		added = 0.73 * pow(a, 0.8325) * pow(0.06, 0.0325) * pow(5.0, -0.32);
	double		i1 = hypot(0.06, added);
	double		s01 = ((0.38 * 0.06 + 0.004) * 5.0 + eps);
	double		s02 = ((0.38 * 0.06 + 0.004) * 10.0 + eps);
	double		s12 = ((0.38 * i1 + 0.004) * 5.0 + eps);
	double		d01 = 1.0 - sqrt(1.0 - ct / (8.0 * s01 * s01));
	double		d02 = 1.0 - sqrt(1.0 - ct / (8.0 * s02 * s02));
	double		d12 = 1.0 - sqrt(1.0 - ct / (8.0 * s12 * s12));
	AjkWind		wind;
	double		wd = 270.0;
	double		ws = 9.0;
	double		one = 1.0;
	AjkYield	yield = {.turbine_mwh = each,.turbine_ti = ti};

	near(ajk_wake_added_ti(130.0, ct, 0.06, 650.0), added, 1e-15,
		 "turbulence added at 5 D, Crespo and Hernandez");
	ajk_farm_speeds(&farm, 270.0, 9.0, u);
	near(u[1], 9.0 * (1.0 - d01), 1e-12, "second of a row");
	near(u[2], 9.0 * (1.0 - d02 - d12), 1e-12, "third, by the sum");
	ajk_wind_from_rose(&wind, 1, &wd, 1, &ws, &one);
	ok(ajk_farm_yield(&farm, &wind, &yield, NULL, NULL) == AJK_OK, "energy");
	near(ti[0], 0.06, 1e-15, "ambient turbulence at the first");
	near(ti[1], i1, 1e-12, "at the second");
	near(ti[2], i1, 1e-12, "at the third: the larger of two, not their sum");

	/* the more turbulent, the shorter a wake */
	farm.wake.ti = 0.12;
	ajk_farm_speeds(&farm, 270.0, 9.0, &each[0]);
	ok(each[1] > u[1] && each[2] > u[2], "more turbulence, less loss");
	farm.wake.ti = 1.5;
	ok(ajk_farm_yield(&farm, &wind, &yield, NULL, NULL) == AJK_INVALID,
	   "a turbulence intensity of 1.5 is refused");
	ajk_wind_free(&wind);
}

/* The flow at a turbine's place is the speed it has, before its own wake. */
static void
test_flow(void)
{
	static const AjkWake wakes[AJK_WAKE_MODELS] = {
		{AJK_WAKE_IEA37_SBG, AJK_SUPER_RSS, 0.0324555, false, 0.0},
		{AJK_WAKE_BASTANKHAH_2014, AJK_SUPER_LINEAR, 0.0324555, false, 0.0},
		{AJK_WAKE_NOJ, AJK_SUPER_MAX, 0.075, false, 0.0},
		{AJK_WAKE_NIAYIFAR_2016, AJK_SUPER_RSS, 0.0, false, 0.08},
	};
	double		x[3] = {0.0, 650.0, 1300.0};
	double		y[3] = {0.0, 0.0, 0.0};
	AjkFlowGrid g = {31, 21, -650.0, 650.0, 65.0};
	float		speed[31 * 21];
	double		u[3];

	for (int m = 0; m < AJK_WAKE_MODELS; m++)
	{
		AjkFarm		farm = {3, x, y, &iea37, wakes[m], 0.0, 0, NULL, NULL};
		bool		range = true;
		bool		even = true;

		memset(speed, 0, sizeof(speed));
		ok(ajk_farm_flow(&farm, 270.0, 9.0, 0.5, &g, speed, NULL, NULL) == AJK_OK &&
		   ajk_farm_flow(&farm, 270.0, 9.0, 0.5, &g, speed, NULL, NULL) == AJK_OK,
		   "%s: two halves", ajk_wake_name(wakes[m].model));
		ajk_farm_speeds(&farm, 270.0, 9.0, u);
		/* row 10 is y = 0, columns 10, 20, 30 are the turbines */
		for (int t = 0; t < 3; t++)
			near(speed[10 * 31 + 10 + 10 * t], u[t], 1e-5, "at a turbine");
		for (int i = 0; i < 31 * 21; i++)
			range = range && speed[i] >= 0.0f && speed[i] < 9.0001f;
		for (int row = 0; row < 10; row++)
			for (int col = 1; col < 31; col += 2)	/* not in a rotor's plane */
				even = even && fabsf(speed[row * 31 + col] -
									 speed[(20 - row) * 31 + col]) < 1e-5f;
		ok(range && even, "within 0 and the free wind, the same on both sides");
		near(speed[10 * 31], 9.0, 1e-6, "upwind of all it is free");
	}
}

/*
 * Three turbines of NREL's 5 MW reference in a row, 5 D apart, by FLORIS v4's
 * example rose and Jensen model.  FLORIS averages sheared speeds, and wakes,
 * over 3 x 3 points of the rotor; here the shear is, and wakes by area.
 */
static void
test_floris(void)
{
	double		ws[100];
	double		power[100];
	double		ct[100];
	double		wd[72];
	double		speed[26];
	double		prob[72 * 26] = {0};
	double		x[3] = {0.0, 630.0, 1260.0};
	double		y[3] = {0.0, 0.0, 0.0};
	double		u,
				d,
				p,
				skip1,
				skip2;
	AjkTurbine	nrel = {
		.diameter_m = 126,.hub_height_m = 90,.rated_kw = 5000,
		.curve = AJK_CURVE_TABLE,.ws = ws,.power_kw = power,.ct = ct
	};
	AjkFarm		farm = {3, x, y, &nrel, {AJK_WAKE_NOJ, AJK_SUPER_RSS, 0.05, false, 0.0}, 0.0, 0, NULL, NULL};
	AjkYield	yield = {0};
	AjkWind		wind;
	char		line[200];
	FILE	   *f = fopen(shared_data("turbines/NREL_Reference_5MW_126.csv"), "r");

	while (f && nrel.npoints < 100 && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lf,%lf,%lf,%lf,%lf", &ws[nrel.npoints],
				   &power[nrel.npoints], &skip1, &skip2, &ct[nrel.npoints]) == 5)
			nrel.npoints++;
	if (f)
		fclose(f);
	f = fopen(shared_data("wind/floris_wind_rose.csv"), "r");
	if (f == NULL || nrel.npoints < 10)
	{
		if (f)
			fclose(f);
		skip("FLORIS's example isn't here");
		return;
	}
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lf,%lf,%lf", &u, &d, &p) == 3 && u < 26.0 && d < 360.0)
		{
			int			i = (int) (d / 5.0 + 0.5);
			int			j = (int) (u + 0.5);

			wd[i] = d;
			speed[j] = u * ajk_rotor_points(90.0, 126.0, 0.12);
			prob[i * 26 + j] = p;
		}
	fclose(f);
	ok(ajk_wind_from_rose(&wind, 72, wd, 26, speed, prob) == AJK_OK, "its rose");
	ok(ajk_farm_yield(&farm, &wind, &yield, NULL, NULL) == AJK_OK, "its row");
	near(yield.net_mwh / 1000.0, 58.982430176, 0.003 * 58.98, "FLORIS, Jensen, GWh");
	near(yield.net_mwh / yield.gross_mwh, 58.982430176 / 59.666747583, 0.003,
		 "FLORIS, share left by wakes");
	ajk_wind_free(&wind);
}

static bool
stop_at_once(void *arg, double fraction)
{
	(void) fraction;
	++*(int *) arg;
	return true;
}

static void
test_limits(void)
{
	AjkWind		wind;
	double		x[2] = {0.0, NAN};
	double		y[2] = {0.0, 0.0};
	double		far[400];
	int			polls = 0;
	AjkYield	yield = {0};
	AjkFarm		farm = {2, x, y, &iea37,
	{AJK_WAKE_IEA37_SBG, AJK_SUPER_RSS, 0.0324555, false, 0.0}, 0.0, 0, NULL, NULL};

	iea37_wind(&wind);
	ok(ajk_farm_yield(&farm, &wind, &yield, NULL, NULL) == AJK_INVALID,
	   "a position that is no number is refused");
	farm.n = 0;
	ok(ajk_farm_yield(&farm, &wind, &yield, NULL, NULL) == AJK_INVALID,
	   "no turbine is refused");
	for (int i = 0; i < 400; i++)
		far[i] = 500.0 * i;
	farm.n = 400;
	farm.x = farm.y = far;
	ok(ajk_farm_yield(&farm, &wind, &yield, stop_at_once, &polls) ==
	   AJK_STOPPED && polls == 1, "stops when the poll says so");
	x[0] = 1e7;
	farm.n = 1;
	farm.x = x;
	farm.y = y;
	ok(ajk_farm_yield(&farm, &wind, &yield, NULL, NULL) == AJK_OK &&
	   fabs(yield.net_mwh - yield.gross_mwh) < 1e-9,
	   "one turbine has no wake loss");
	ajk_wind_free(&wind);
}

/*
 * A curve that begins above 0: where the wind is that of its first row, the
 * least loss of speed stops a turbine, and none that is felt is left out.
 */
static void
test_edge(void)
{
	static const double ws[] = {3, 10, 25};
	static const double kw[] = {40, 5000, 5000};
	static const double ct[] = {0.8, 0.8, 0.1};
	AjkTurbine	t = {.diameter_m = 126,.hub_height_m = 90,.rated_kw = 5000,
	.curve = AJK_CURVE_TABLE,.npoints = 3,.ws = ws,.power_kw = kw,.ct = ct};
	double		wd = 0.0;
	double		at = 3.0;
	double		one = 1.0;
	AjkWind		wind;

	ok(ajk_wind_from_rose(&wind, 1, &wd, 1, &at, &one) == AJK_OK, "a wind at cut-in");
	for (int m = 0; m < AJK_WAKE_MODELS; m++)
		for (int far = 0; far < 2; far++)
		{
			AjkWake		wake = {(AjkWakeModel) m, AJK_SUPER_RSS, 0.0324555, false, 0.0};
			double		root = sqrt(0.2);
			double		sigma = m == AJK_WAKE_IEA37_SBG ?
			0.0324555 * 600 + 126 / sqrt(8.0) :
			(m == AJK_WAKE_NIAYIFAR_2016 ? 0.004 : 0.0324555) * 600 +
			0.2 * 126 * sqrt((1 + root) / (2 * root));
			double		x[2] = {0, (far ? 8.9 : 8.0) * sigma};
			double		y[2] = {600, 0};
			double		mwh[2];
			AjkFarm		farm = {2, x, y, &t, wake, 0.0, 0, NULL, NULL};
			AjkYield	yield = {.turbine_mwh = mwh};

			if (m == AJK_WAKE_NOJ)
				continue;
			ajk_farm_yield(&farm, &wind, &yield, NULL, NULL);
			near(mwh[0], 40 * 8.76, 1e-9, "the first turns");
			near(mwh[1], far ? 40 * 8.76 : 0.0, 1e-9,
				 far ? "one that loses less than a number holds does, too" :
				 "one that loses 1e-15 of its wind doesn't");
		}
	ajk_wind_free(&wind);
}

int
main(void)
{
	test_iea37();
	test_horns_rev();
	test_rows();
	test_deficit();
	test_turbulence();
	test_flow();
	test_floris();
	test_limits();
	test_edge();
	return unit_done();
}
