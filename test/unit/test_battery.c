/*-------------------------------------------------------------------------
 *
 * test_battery.c
 *		Battery analyses against published references and a known pack.
 *
 * Figures: ASTM E1049-85 (the example of section 5.4.4), NIST StRD data set
 * Norris (certified values), Mann-Kendall and Theil-Sen by hand, BLAST-Lite's
 * results for the residential profile where that file is at hand, and a made
 * up pack (battery_pack.h) whose truth must come out of its telemetry.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include "battery_pack.h"
#include "csv.h"
#include "degradation.h"
#include "rainflow.h"
#include "stats.h"

static void
test_rainflow(void)
{
	static const double x[] = {-2, 1, -3, 5, -1, 3, -4, 4, -2};
	static const double range[] = {3, 4, 6, 8, 9};
	static const double want[] = {0.5, 1.5, 0.5, 1, 0.5};
	static const double flat[] = {0.5, 0.5, 0.5};
	static const double held[] = {0, 1, 1, 1, 0, 0, 1};
	AjkCycle   *c;
	int			n;

	ok(ajk_rainflow(x, 9, &c, &n) == AJK_OK, "counts the standard's example");
	for (int k = 0; k < 5; k++)
	{
		double		got = 0;

		for (int i = 0; i < n; i++)
			if (c[i].range == range[k])
				got += c[i].count;
		near(got, want[k], 0, "cycles of a range");
	}
	free(c);
	ok(ajk_rainflow(flat, 3, &c, &n) == AJK_OK && n == 1 && c[0].range == 0, "nothing moves");
	free(c);
	ok(ajk_rainflow(flat, 1, &c, &n) == AJK_OK && n == 0, "one point");
	free(c);
	ok(ajk_rainflow(held, 7, &c, &n) == AJK_OK, "plateaus");
	{
		double		sum = 0;

		for (int i = 0; i < n; i++)
			sum += c[i].count * c[i].range;
		near(sum, 1.5, 1e-15, "range times count is half of the way");
	}
	free(c);
}

static void
test_stats(void)
{
	/* NIST StRD, Norris */
	static const double y[] = {
		0.1, 338.8, 118.1, 888.0, 9.2, 228.1, 668.5, 998.5, 449.1, 778.9, 559.2, 0.3, 0.1, 778.1, 668.8, 339.3,
		448.9, 10.8, 557.7, 228.3, 998.0, 888.8, 119.6, 0.3, 0.6, 557.6, 339.3, 888.0, 998.5, 778.9, 10.2, 117.6,
		228.9, 668.4, 449.2, 0.2
	};
	static const double x[] = {
		0.2, 337.4, 118.2, 884.6, 10.1, 226.5, 666.3, 996.3, 448.6, 777.0, 558.2, 0.4, 0.6, 775.5, 666.9, 338.0,
		447.5, 11.6, 556.0, 228.1, 995.8, 887.6, 120.2, 0.3, 0.3, 556.8, 339.1, 887.2, 999.0, 779.0, 11.1, 118.3,
		229.2, 669.1, 448.9, 0.5
	};
	static const double t5[] = {0, 1, 2, 3, 4};
	static const double up[] = {1, 2, 3, 4, 50};
	static const double ties[] = {1, 2, 2, 3, 3};
	double		step[60];
	double		q[] = {4, 1, 3, 2};
	AjkOls		o;
	AjkTrend	tr;
	double		m,
				mad;
	bool		rises;
	int			since;

	ok(ajk_ols(x, y, 36, &o) == AJK_OK, "Norris");
	near(o.intercept, -0.262323073774029, 1e-9, "Norris intercept");
	near(o.slope, 1.00211681802045, 1e-12, "Norris slope");
	near(o.r2, 0.999993745883712, 1e-12, "Norris R squared");
	near(o.slope_se, 0.429796848199937e-3, 1e-12, "Norris standard error of the slope");
	ok(ajk_ols(x, y, 2, &o) == AJK_RANGE, "two points have no error");
	near(ajk_t975(1), 12.7062, 1e-4, "t, 1 degree of freedom");
	near(ajk_t975(8), 2.306004, 2e-3, "t, 8");
	near(ajk_t975(30), 2.042272, 1e-4, "t, 30");
	near(ajk_normal_cdf(1.959963984540054), 0.975, 1e-12, "normal");
	ok(ajk_trend(t5, up, 5, &tr) == AJK_OK, "a trend with an outlier");
	near(tr.slope, 1, 0, "Theil-Sen is not moved by it");
	near(tr.s, 10, 0, "all pairs rise");
	near(tr.z, 9 / sqrt(5 * 4 * 15 / 18.0), 1e-12, "Mann-Kendall");
	near(tr.p, 0.027486, 1e-5, "its p");
	ok(ajk_trend(t5, ties, 5, &tr) == AJK_OK, "a trend with ties");
	near(tr.s, 8, 0, "pairs that rise");
	near(tr.z, 7 / sqrt((300 - 18 - 18) / 18.0), 1e-12, "ties lower the variance");
	ok(ajk_trend(t5, up, 3, &tr) == AJK_RANGE, "three points are no trend");
	near(ajk_median(q, 4), 2.5, 0, "median of an even number");
	near(ajk_quantile(q, 4, 1), 4, 0, "largest");
	ok(ajk_median_mad(up, 5, &m, &mad) == AJK_OK && m == 3 && mad == 1, "median and its deviation");
	for (int i = 0; i < 60; i++)
		step[i] = (i % 2) * 0.1 + (i >= 30 ? 2 : 0);
	ok(ajk_page_hinkley(step, 30, 0.1, 2, &rises, &since) == -1, "no change, no alarm");
	ok(ajk_page_hinkley(step, 60, 0.1, 2, &rises, &since) >= 30 && rises && since >= 28 && since <= 31,
	   "a step is found, and when it was");
}

/* A file of the residential profile, time, state of charge, temperature */
static void
test_profile(void)
{
	size_t		len;
	char	   *text = read_whole(shared_data("battery/residential_pv_bess_germany.csv"), &len);
	static const double want[3][3] = {{0.981996, 0.940792, 0.900843}, {0.980984, 0.933357, 0.886287},
	{0.977301, 0.935248, 0.897193}};
	static const double warm[3] = {20, 10, 35};
	static const int year[3] = {1, 5, 10};
	double	   *t;
	double	   *soc;
	double	   *temp;
	int			n = 0;
	AjkCsv		csv;
	AjkCycle   *c;
	int			nc;
	double		cycles = 0;
	AjkFade    *fade;
	int			nf;
	AjkTelemetry d;
	AjkEnergy	e;

	if (text == NULL)
	{
		skip("the residential profile is not at hand");
		return;
	}
	t = malloc(60000 * 3 * sizeof(double));
	soc = t + 60000;
	temp = soc + 60000;
	ajk_csv_open(&csv, text, len);
	ajk_csv_next(&csv);
	while (ajk_csv_next(&csv) && n < 60000)
	{
		ajk_csv_number(&csv.field[1], &t[n]);
		ajk_csv_number(&csv.field[2], &soc[n]);
		ajk_csv_number(&csv.field[3], &temp[n]);
		n++;
	}
	ok(n == 52560, "a year of ten minutes");
	memset(&d, 0, sizeof(d));
	d.n = n;
	d.t = t;
	d.soc = soc;
	d.max_gap_s = 3000;
	ajk_battery_energy(&d, 0, n, &e);
	near(e.soc_throughput / 2, 261.808976, 1e-6, "equivalent full cycles");
	ok(ajk_rainflow(soc, n, &c, &nc) == AJK_OK && nc == 1272, "1272 cycles");
	for (int i = 0; i < nc; i++)
		cycles += c[i].range * c[i].count;
	near(cycles, 261.808976, 1e-6, "are as many full ones");
	free(c);
	fade = malloc(20000 * sizeof(AjkFade));
	for (int k = 0; k < 3; k++)
	{
		for (int i = 0; i < n; i++)
			temp[i] = warm[k];
		ok(ajk_fade_lfp(t, soc, temp, n, 10, fade, 20000, &nf, NULL, NULL) == AJK_OK, "ten years at %.0f C", warm[k]);
		for (int y = 0; y < 3; y++)
			near(ajk_fade_at(fade, nf, year[y]).q, want[k][y], 2e-3, "capacity left (BLAST-Lite)");
	}
	free(fade);
	free(t);
	free(text);
}

static void
test_fade(void)
{
	double		t[] = {0, 43200, 86400, 129600, 172800};
	double		soc[] = {0.5, 0.5, 0.5, 0.5, 0.5};
	double		temp[] = {25, 25, 25, 25, 25};
	AjkFade    *f = malloc(10000 * sizeof(AjkFade));
	int			n;
	double		k;

	/* rest only: the calendar term alone, in closed form */
	ok(ajk_fade_lfp(t, soc, temp, 5, 5, f, 10000, &n, NULL, NULL) == AJK_OK, "five years of rest");
	k = (1 - f[0].q_calendar) / pow(f[0].years * 365, 0.526);
	near(1 - ajk_fade_at(f, n, 5).q, k * pow(5 * 365, 0.526), 2e-4, "loss grows with t^0.526");
	near(ajk_fade_at(f, n, 5).q_cycles, 1, 0, "no cycles, no loss by them");
	ok(ajk_fade_lfp(t, soc, temp, 2, 5, f, 10000, &n, NULL, NULL) == AJK_RANGE, "two samples are no profile");
	near(ajk_fade_at(f, 0, 5).q, 1, 0, "new before anything is known");
	{
		/* two full cycles an hour: more pieces than there is room for points */
		double		cycle_t[49];
		double		cycle_soc[49];
		double		cycle_temp[49];
		double		q;

		for (int i = 0; i < 49; i++)
		{
			cycle_t[i] = 900.0 * i;
			cycle_soc[i] = i % 2 ? 1.0 : 0.0;
			cycle_temp[i] = 25;
		}
		ok(ajk_fade_lfp(cycle_t, cycle_soc, cycle_temp, 49, 0.5, f, 10000, &n, NULL, NULL) == AJK_OK && n > 1000,
		   "half a year of cycles, all points");
		q = ajk_fade_at(f, n, 0.5).q;
		ok(ajk_fade_lfp(cycle_t, cycle_soc, cycle_temp, 49, 0.5, f, 100, &n, NULL, NULL) == AJK_OK && n <= 100,
		   "the same with room for a hundred");
		near(ajk_fade_at(f, n, 0.5).q, q, 1e-6, "ends at the same capacity");
	}
	free(f);
}

static double
slope_per_year(const AjkWindow *w, int n, AjkTrend *tr)
{
	double	   *x = malloc(2 * n * sizeof(double));
	double	   *y = x + n;

	for (int i = 0; i < n; i++)
	{
		x[i] = (w[i].t - w[0].t) / (365 * 86400.0);
		y[i] = w[i].capacity_ah;
	}
	ajk_trend(x, y, n, tr);
	free(x);
	return tr->slope;
}

static void
test_pack(const Pack * p, const char *name)
{
	PackData	d = pack_run(p);
	AjkTelemetry v = pack_view(&d);
	AjkEnergy	e;
	AjkTelemetryCheck check;
	AjkWindow  *w;
	int			n;
	double		q = p->capacity_ah;
	double		eta = 1;
	double		kwh;
	double		se;
	double		mid = p->capacity_ah * (1 - p->fade_per_year * p->days / 365 / 2);
	AjkResistance r;
	AjkBalance	balance;
	AjkTrend	tr;

	ok(ajk_telemetry_check(&v, &check) == AJK_OK && check.gaps == 0 && check.sign > 0.5,
	   "%s: sound telemetry", name);
	ajk_battery_energy(&v, 0, d.n, &e);
	for (int k = 0; k < 3; k++)
	{
		ajk_battery_efficiency(&e, q, 52, &eta, &kwh);
		if (k)
			free(w);
		ajk_capacity_windows(&v, 0.4, eta, &w, &n);
		ajk_capacity_tls(w, n, &q, &se);
	}
	printf("# %s: %d windows, capacity %.3f +- %.3f (%.3f), eta %.5f (%.5f)\n", name, n, q, se, mid, eta, p->eta);
	ok(n > p->days / 2, "%s: %d windows", name, n);
	near(q / mid, 1, 0.01, "capacity");
	near(eta / p->eta, 1, 0.005, "coulombic efficiency");
	ok(kwh < eta && kwh > 0.8 * eta, "energy efficiency is below it");
	r = ajk_battery_resistance(&v, 0, d.n, q);
	printf("# %s: %.5f +- %.5f ohm, %.5f +- %.5f between neighbours (%.5f)\n", name, r.ohm, r.se_ohm, r.step_ohm, r.step_se_ohm, p->ohm);
	near(r.ohm / p->ohm, 1, 0.05, "resistance");
	near(r.step_ohm / p->ohm, 1, 0.15, "resistance between neighbours");
	ok(ajk_battery_balance(&v, &balance) == AJK_OK, "%d blocks", balance.blocks);
	near(balance.eta / p->eta, 1, 0.005, "coulombic efficiency by blocks");
	ok(fabs(balance.offset_a) < 5 * balance.offset_se_a, "no offset is told where there is none: %g +- %g A", balance.offset_a, balance.offset_se_a);
	if (p->fade_per_year > 0)
	{
		slope_per_year(w, n, &tr);
		near(-tr.slope / (p->fade_per_year * p->capacity_ah), 1, 0.10, "fade");
		ok(tr.p < 0.05, "and it is significant");
	}
	else
	{
		/* one series of twenty is beyond the bounds of 95 % by chance */
		slope_per_year(w, n, &tr);
		ok(tr.p > 0.01 && fabs(tr.slope) < 0.001 * p->capacity_ah, "no fade is not taken for one");
	}
	free(w);
	free(d.t);
}

static void
test_gaps_and_anomalies(void)
{
	Pack		p = {200, 0.02, 0.99, 0.012, 0.004, 0.01, 0.2, 600, 120, 5};
	PackData	d = pack_run(&p);
	AjkTelemetry v;
	AjkEnergy	whole;
	AjkEnergy	e;
	AjkTelemetryCheck c;
	AjkAnomaly *a;
	int			n;
	int			found[5] = {0};
	int			gap = 5000;

	v = pack_view(&d);
	ajk_battery_energy(&v, 0, d.n, &whole);
	ok(ajk_battery_anomalies(&v, 200, 0.012, 8, &a, &n) == AJK_OK, "a sound pack");
	for (int i = 0; i < n && i < 10; i++)
		printf("# kind %d at %.0f: %g for %g, %g\n", a[i].kind, (a[i].t - d.t[0]) / 600, a[i].value, a[i].expected, a[i].score);
	ok(n <= 2, "%d anomalies where nothing is wrong", n);
	free(a);
	/* ten hours are missing */
	for (int i = gap; i < d.n; i++)
		d.t[i] += 36000;
	ajk_telemetry_check(&v, &c);
	ok(c.gaps == 1 && c.longest_gap_s == 36600 && c.longest_gap_at == d.t[gap - 1], "a gap is seen");
	ajk_battery_energy(&v, 0, d.n, &e);
	ok(e.charge_ah < whole.charge_ah + 1e-9 && e.charge_ah > whole.charge_ah - 20, "nothing is integrated over it");
	/* what goes wrong */
	d.temp[3000] += 25;
	d.temp[3001] += 30;
	d.voltage[4000] -= 3;
	for (int i = 8000; i < d.n; i++)
		d.soc[i] = fmax(d.soc[i] - 0.3, 0);
	d.cell_max[12000] += 0.15;
	for (int i = 10000; i < d.n; i++)
		d.cell_max[i] += 0.02;
	ok(ajk_battery_anomalies(&v, 200, 0.012, 8, &a, &n) == AJK_OK, "%d anomalies", n);
	for (int i = 0; i < n; i++)
	{
		found[a[i].kind]++;
		if (a[i].kind == AJK_TEMPERATURE_OUTLIER && a[i].t == d.t[3000])
			ok(a[i].samples == 2 && a[i].value == d.temp[3001] && a[i].score > 8, "two hot samples are one event");
		if (a[i].kind == AJK_SPREAD_DRIFT)
			near(a[i].t, d.t[10000], 3 * 86400, "when the cells began to drift apart");
	}
	ok(found[AJK_SOC_JUMP] >= 1 && found[AJK_VOLTAGE_OUTLIER] >= 1 &&
	   found[AJK_TEMPERATURE_OUTLIER] == 1 && found[AJK_SPREAD_OUTLIER] >= 1 && found[AJK_SPREAD_DRIFT] == 1,
	   "jump %d, voltage %d, temperature %d, spread %d, drift %d", found[0], found[1], found[2], found[3], found[4]);
	free(a);
	free(d.t);
}

/* A sensor that is off, and what it does to those who do not look. */
static void
test_offset(void)
{
	Pack		p = {280, 0.03, 0.985, 0.010, 0.005, 0.010, 0.3, 600, 365, 42};

	for (int sign = -1; sign <= 1; sign += 2)
	{
		PackData	d = pack_run(&p);
		AjkTelemetry v = pack_view(&d);
		AjkBalance	b;

		for (int i = 0; i < d.n; i++)
			d.current[i] += 2 * sign;
		ok(ajk_battery_balance(&v, &b) == AJK_OK, "%d blocks", b.blocks);
		printf("# offset %.4f +- %.4f A, eta %.5f +- %.5f\n", b.offset_a, b.offset_se_a, b.eta_offset, b.eta_offset_se);
		near(b.offset_a, 2 * sign, 4 * b.offset_se_a, "the offset of the current");
		ok(fabs(b.offset_a) > 5 * b.offset_se_a, "beyond doubt");
		near(b.eta_offset, p.eta, 4 * b.eta_offset_se, "the efficiency beside it");
		ok(fabs(b.eta - p.eta) > 0.05, "which is wrong without it: %g", b.eta);
		free(d.t);
	}
}

/* Sensors that stop, one at a time; and what is constant and in order. */
/*
 * 200 Ah, charged at day and discharged at night, at rest in between and where
 * it is full; currents are means of the time before their samples, or after.
 */
static void
rest_and_work(int n, bool before, double *t, double *soc, double *current)
{
	AjkRng		rng;
	double		s = 0.3;

	ajk_rng_seed(&rng, 11);
	current[0] = 0;
	for (int i = 0; i < n; i++)
	{
		double		hour = fmod(i / 6.0, 24);
		double		amp = (0.6 + 0.8 * ajk_rng_uniform(&rng)) *
		(hour >= 9 && hour < 14 ? 50 : hour >= 18 ? -50 : 0);

		if (s + amp / 6 / 200 > 0.95 || s + amp / 6 / 200 < 0.3)
			amp = 0;
		t[i] = 1.7e9 + 600.0 * i;
		soc[i] = s;
		if (i + before < n)
			current[i + before] = amp;
		s += amp / 6 / 200;
	}
}

/* What a deep charge from rest tells of the capacity is the same for both. */
static void
test_means(void)
{
	const int	n = 60 * 144;
	double	   *t = malloc(n * 4 * sizeof(double));
	double	   *soc = t + n;
	double	   *current = soc + n;
	double	   *voltage = current + n;
	AjkTelemetry v;
	AjkRng		rng;
	AjkAnomaly *a;
	int			found;

	memset(&v, 0, sizeof(v));
	v.n = n;
	v.t = t;
	v.soc = soc;
	v.current = current;
	v.max_gap_s = 3000;
	for (int before = 0; before < 2; before++)
	{
		AjkWindow  *w;
		double		q = 0;
		double		se;

		rest_and_work(n, before, t, soc, current);
		ok(ajk_capacity_windows(&v, 0.4, 1, &w, &found) == AJK_OK && found > 100 &&
		   ajk_capacity_tls(w, found, &q, &se), "windows of a battery that rests");
		near(q, 200, 0.2, before ? "current of the time before" : "current of the time after");
		free(w);
	}

	/* a steep curve, and most samples at rest in a few places of it */
	ajk_rng_seed(&rng, 3);
	for (int i = 0; i < n; i++)
	{
		voltage[i] = 14 * (3.4 + 0.75 * soc[i]) + 0.015 * current[i] + 0.005 * ajk_rng_normal(&rng);
		soc[i] += 0.003 * ajk_rng_normal(&rng);
	}
	v.voltage = voltage;
	voltage[4000] += 3;
	ok(ajk_battery_anomalies(&v, 200, 0.015, 8, &a, &found) == AJK_OK && found == 1 &&
	   a[0].kind == AJK_VOLTAGE_OUTLIER && a[0].t == t[4000], "the one outlier of a steep curve, not %d", found);
	free(a);
	free(t);
}

static void
test_stuck(void)
{
	static const int from[] = {2000, 5000, 8000};
	static const int to[] = {2100, 5200, 8200};

	for (int k = 0; k < 4; k++)
	{
		Pack		p = {200, 0.02, 0.99, 0.012, 0.004, 0.01, 0.2, 600, 120, 5};
		PackData	d = pack_run(&p);
		AjkTelemetry v = pack_view(&d);
		double	   *channel[] = {d.soc, d.current, d.voltage};
		AjkStuck   *s;
		int			n;

		for (int i = from[k % 3]; k < 3 && i < to[k]; i++)
			channel[k][i] = channel[k][from[k]];
		/* full, at rest, and constant: nothing contradicts that */
		for (int i = 1000; k == 3 && i < 1100; i++)
		{
			d.soc[i] = 1;
			d.current[i] = 0;
			d.voltage[i] = 53;
		}
		ok(ajk_battery_stuck(&v, 200, &s, &n) == AJK_OK && n == (k < 3), "%d stuck sensors", n);
		if (n == 1)
			ok((int) s[0].kind == k && s[0].from == from[k] && s[0].to == to[k] - 1, "channel %d, samples %d to %d", s[0].kind, s[0].from, s[0].to);
		free(s);
		free(d.t);
	}
}

/* Values unknown here and there are no zeros. */
static void
test_unknown(void)
{
	static const double t[] = {0, 3600, 7200, 10800, 14400};
	static const double load[] = {1000, 1000, NAN, 1000, 1000};
	static const double current[] = {10, 10, 10, NAN, NAN};
	static const double soc[] = {0.5, 0.6, 0.7, 0.8, 0.9};
	AjkTelemetry v;
	AjkEnergy	e;

	memset(&v, 0, sizeof(v));
	v.n = 5;
	v.t = t;
	v.load = load;
	v.current = current;
	v.soc = soc;
	v.max_gap_s = 18000;
	ajk_battery_energy(&v, 0, 5, &e);
	near(e.hours, 4, 0, "hours covered");
	near(e.load_h, 2, 0, "of which the load is known");
	near(e.load_kwh / e.load_h, 1, 1e-12, "so that its mean is right");
	near(e.current_h, 2, 0, "and the current");
	near(e.soc_current_h, 2, 0, "and both current and state of charge");
	near(e.charge_soc_ah, 20, 1e-12, "charge while both are known");
	near(e.soc_change_ah, 0.2, 1e-12, "and what it changed");
	near(e.power_h + e.pv_h + e.generator_known_h, 0, 0, "nothing else is known");
}

int
main(void)
{
	static const Pack house = {280, 0.03, 0.985, 0.010, 0.005, 0.010, 0.3, 600, 365, 42};
	static const Pack small = {100, 0.05, 0.97, 0.035, 0.01, 0.02, 0.2, 300, 365, 7};
	static const Pack steady = {200, 0.0, 0.995, 0.015, 0.005, 0.01, 0.2, 600, 365, 3};

	test_rainflow();
	test_stats();
	test_fade();
	test_profile();
	test_pack(&house, "house");
	test_pack(&small, "small");
	test_pack(&steady, "steady");
	test_gaps_and_anomalies();
	test_offset();
	test_means();
	test_stuck();
	test_unknown();
	return unit_done();
}
