/*-------------------------------------------------------------------------
 *
 * test_wind_resource.c
 *		Measured wind: reading, quality control, Weibull fits, shear.
 *
 * Expected: the ball bearings of Lieblein and Zelen (J. Res. NBS 57 (1956)
 * 273), whose maximum likelihood is published as k = 2.102, A = 81.88
 * (Lawless, Statistical Models and Methods for Lifetime Data); closed forms;
 * and where the source documents' data lie beside the project, a year of
 * ten-minute means whose moments and fits were computed by others.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include "windrose.h"
#include "windseries.h"

static const char *const usual[AJK_WIND_COLUMNS];

static const AjkWindRules rules = {60.0, 0.5, 12, 0.0};

static void
test_fits(void)
{
	static const double bearings[] = {
		17.88, 28.92, 33.00, 41.52, 42.12, 45.60, 48.48, 51.84, 51.96, 54.12,
		55.56, 67.80, 68.64, 68.64, 68.88, 84.12, 93.12, 98.64, 105.12, 105.84,
		127.92, 128.04, 173.40
	};
	double		u[20000];
	double		sorted[20000];
	AjkWeibullFit fit;
	AjkSpeedStats s;

	ok(ajk_weibull_fit(bearings, 23, AJK_WEIBULL_MLE, sorted, &fit) == AJK_OK,
	   "ball bearings are fitted");
	near(fit.k, 2.102, 5e-4, "shape, as published");
	near(fit.a_ms, 81.88, 5e-3, "scale, as published");

	/* the quantiles of a distribution: both methods find it again */
	for (int i = 0; i < 20000; i++)
		u[i] = 9.0 * pow(-log(1.0 - (i + 0.5) / 20000), 1.0 / 2.2);
	ajk_speed_stats(u, 20000, &s);
	near(s.mean, ajk_weibull_mean(9.0, 2.2), 1e-3, "mean of the quantiles");
	for (int m = 0; m < 2; m++)
	{
		ok(ajk_weibull_fit(u, 20000, (AjkWeibullMethod) m, sorted, &fit) == AJK_OK,
		   "quantiles are fitted by method %d", m);
		near(fit.k, 2.2, 2e-3, "shape");
		near(fit.a_ms, 9.0, 2e-3, "scale");
		near(fit.power_ratio, 1.0, 1e-3, "energy");
		ok(fit.ks < 1e-3, "the two distributions agree (%g)", fit.ks);
	}
	ajk_weibull_fit(u, 20000, AJK_WEIBULL_WASP, sorted, &fit);
	near(fit.power_ratio, 1.0, 1e-12, "the Atlas's method keeps the energy exactly");

	/* units don't change the shape */
	for (int i = 0; i < 20000; i++)
		u[i] *= 1e-3;
	ajk_weibull_fit(u, 20000, AJK_WEIBULL_MLE, sorted, &fit);
	near(fit.k, 2.2, 2e-3, "shape of km/s");

	for (int i = 0; i < 100; i++)
		u[i] = 7.0;
	ok(ajk_weibull_fit(u, 100, AJK_WEIBULL_MLE, sorted, &fit) == AJK_INFEASIBLE &&
	   ajk_weibull_fit(u, 100, AJK_WEIBULL_WASP, sorted, &fit) == AJK_INFEASIBLE,
	   "speeds all alike determine nothing");
	for (int i = 0; i < 100; i++)
		u[i] = 0.0;
	ok(ajk_weibull_fit(u, 100, AJK_WEIBULL_MLE, sorted, &fit) == AJK_INFEASIBLE,
	   "nor does a calm");
	ok(ajk_weibull_fit(bearings, 5, AJK_WEIBULL_MLE, sorted, &fit) == AJK_INFEASIBLE,
	   "nor do five values");
	u[3] = NAN;
	ok(ajk_weibull_fit(u, 100, AJK_WEIBULL_MLE, sorted, &fit) == AJK_RANGE,
	   "what is no number is refused");
}

static void
test_csv(void)
{
	static const char good[] =
	"\xef\xbb\xbf" "Time;extra;\"WS\";wd\r\n"
	"2020-02-28T23:50:00Z;x;5.5;359.9\r\n"
	"2020-02-29 00:00;x;;0\n"
	"\n"
	"2020-02-29T01:10:00+01:00;x;-999;NaN\n"
	"2020-02-29 00:20:00.5;x;7;90";
	static const struct
	{
		const char *text;
		size_t		line;
	}			bad[] = {
		{"", 0},
		{"ws,wd\n", 0},
		{"speed,heading\n5,6\n", 1},
		{"direction\n5\n", 1},
		{"ws,wd\n5,6\n5\n", 3},
		{"ws,wd\n5,6\nfive,6\n", 3},
		{"time,ws,wd\n2020-02-29,5,6\n2020-13-01,5,6\n", 3},
		{"time,ws,wd\n2020-02-28,5,6\n2021-02-29,5,6\n", 3},
		{"time,ws,wd\n2020-01-01T25:00,5,6\n", 2},
		{"time,ws,wd\n,5,6\n", 2},
	};
	const char *named[AJK_WIND_COLUMNS] = {NULL, "v80", "vane", NULL, NULL};
	AjkWindSeries s;
	AjkCsvError e;

	ok(ajk_wind_csv(good, sizeof(good) - 1, usual, &s, &e) == AJK_OK && s.n == 4,
	   "a table with another column, quotes, CRLF and an empty line");
	near(s.column[AJK_WIND_TIME][0], 1582933800.0, 0.0, "2020-02-28T23:50Z");
	near(s.column[AJK_WIND_TIME][2], 1582935000.0, 0.0, "with a zone");
	near(s.column[AJK_WIND_TIME][3], 1582935600.5, 0.0, "with a fraction");
	ok(isnan(s.column[AJK_WIND_SPEED][1]) && isnan(s.column[AJK_WIND_SPEED][2]) &&
	   isnan(s.column[AJK_WIND_DIRECTION][2]), "missing values, three ways");
	ok(s.column[AJK_WIND_SPEED][0] == 5.5 && s.column[AJK_WIND_DIRECTION][3] == 90.0 &&
	   s.column[AJK_WIND_STD] == NULL, "values in their columns");
	ajk_wind_series_free(&s);

	ok(ajk_wind_csv("v80\tvane\n5\t6\n", 12, named, &s, &e) == AJK_OK &&
	   s.n == 1 && s.column[AJK_WIND_DIRECTION][0] == 6.0, "columns by given names");
	ajk_wind_series_free(&s);
	ok(ajk_wind_csv("ws\tvane\n5\t6\n", 11, named, &s, &e) == AJK_SYNTAX &&
	   strcmp(e.field, "v80") == 0, "a given name that isn't there");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		AjkError	err = ajk_wind_csv(bad[i].text, strlen(bad[i].text), usual,
									   &s, &e);

		ok(err == AJK_SYNTAX && e.line == bad[i].line && e.what != NULL,
		   "bad table %zu is refused in line %zu (%s %s)", i, e.line, e.what,
		   e.field);
	}
}

static void
test_quality(void)
{
	enum
	{
		N = 200
	};
	double		t[N];
	double		u[N];
	double		d[N];
	uint8_t		flaw[N];
	AjkWindSeries s = {N, {t, u, d, NULL, NULL}};
	AjkWindQuality q;
	AjkWindStats st;
	size_t		at = 0;

	for (int i = 0; i < N; i++)
	{
		/*
		 * 150 and later come after a gap of 2 hours, 170 after one of 20
		 * minutes
		 */
		t[i] = 1577836800.0 + 600.0 * i + (i >= 150 ? 7200 : 0) + (i >= 170 ? 1200 : 0);
		u[i] = 5.0 + 0.013 * i;
		d[i] = fmod(7.3 * i, 360.0);
	}
	u[3] = NAN;
	u[4] = -1.0;
	u[5] = 61.0;
	d[6] = NAN;
	d[7] = 361.0;
	d[8] = 360.0;
	for (int i = 20; i < 32; i++)
		u[i] = 8.0;				/* twelve: frozen */
	for (int i = 40; i < 51; i++)
		u[i] = 8.0;				/* eleven: not yet */
	for (int i = 60; i < 75; i++)
		d[i] = 44.0;			/* the vane */
	for (int i = 80; i < 95; i++)
	{
		u[i] = 0.2;				/* a calm may be long */
		d[i] = 10.0;
	}
	ok(ajk_wind_quality(&s, &rules, flaw, &q, &at) == AJK_OK, "checked");
	ok(q.count[AJK_WIND_NO_SPEED] == 1 && q.count[AJK_WIND_BAD_SPEED] == 2 &&
	   q.count[AJK_WIND_NO_DIRECTION] == 1 && q.count[AJK_WIND_BAD_DIRECTION] == 1,
	   "missing and impossible values");
	ok(q.count[AJK_WIND_FROZEN] == 27, "frozen cups and vane (%zu)",
	   q.count[AJK_WIND_FROZEN]);
	ok(flaw[31] == AJK_WIND_FROZEN && flaw[45] == AJK_WIND_GOOD &&
	   flaw[85] == AJK_WIND_GOOD && flaw[8] == AJK_WIND_GOOD, "where they are");
	near(q.interval_s, 600.0, 0.0, "interval from the times");
	ok(q.ngaps == 2 && q.at[0] == 149 && q.at[1] == 169, "two gaps, the longer first");
	near(q.longest[0], 7200.0, 0.0, "its length");
	near(q.gap_s, 8400.0, 0.0, "both");
	ok(q.expected == 214, "records expected: %zu", q.expected);

	/* whole knots, tens of degrees: equal values say nothing */
	{
		double		cu[N];
		double		cd[N];
		AjkWindSeries coarse = {N, {t, cu, cd, NULL, NULL}};

		for (int i = 0; i < N; i++)
		{
			cu[i] = 5.0 + i / 40;
			cd[i] = 10.0 * (i / 30);
		}
		ok(ajk_wind_quality(&coarse, &rules, flaw, &q, &at) == AJK_OK &&
		   q.count[AJK_WIND_FROZEN] == 0, "coarse values are not frozen");
		(void) ajk_wind_quality(&s, &rules, flaw, &q, &at);
	}

	/* a gap ends a run */
	for (int i = 143; i < 157; i++)
		u[i] = 12.5;
	(void) ajk_wind_quality(&s, &rules, flaw, &q, &at);
	ok(flaw[149] == AJK_WIND_GOOD && flaw[150] == AJK_WIND_GOOD,
	   "equal values before and after a gap are not frozen");

	ok(ajk_wind_stats(&s, &rules, flaw, 12, 1.0, 3.0, AJK_WEIBULL_MLE, &st, NULL,
					  NULL) == AJK_OK, "statistics");
	ok(st.all.n == q.count[AJK_WIND_GOOD] && st.calms == 15, "of the good ones");
	{
		double		f = 0.0;
		double		p = 0.0;

		for (int i = 0; i < 12; i++)
		{
			f += st.sector[i].frequency;
			for (int b = 0; b < st.nbins; b++)
				p += st.prob[i][b];
		}
		near(f, 1.0, 1e-12, "sectors add up");
		near(p, 1.0, 1e-12, "the rose adds up");
	}
	ok(st.month_n[0] == st.all.n && isnan(st.month_mean[1]), "all in January");

	/* 345 and 15 degrees: the northern sector takes the lower border only */
	d[100] = 345.0;
	d[101] = 15.0;
	/* what another cup or the logger's statistics say must be a wind's, too */
	{
		double		sd[N];
		double		up[N];
		AjkWindSeries two = {N, {t, u, d, sd, up}};

		for (int i = 0; i < N; i++)
		{
			sd[i] = i % 50 == 0 ? INFINITY : i % 50 == 1 ? 40.0 : 0.1 * u[i];
			up[i] = i % 50 == 2 ? INFINITY : i % 50 == 3 ? 1e300 : 1.1 * u[i];
		}
		(void) ajk_wind_stats(&two, &rules, flaw, 12, 1.0, 3.0, AJK_WEIBULL_MLE, &st,
							  NULL, NULL);
		near(st.ti, 0.1, 1e-12, "turbulence intensity of deviations below the mean");
		near(st.shear_upper / st.shear_lower, 1.1, 1e-12, "shear of speeds that can be");
	}

	for (int i = 0; i < N; i++)
		flaw[i] = i == 100 || i == 101 ? AJK_WIND_GOOD : AJK_WIND_FROZEN;
	(void) ajk_wind_stats(&s, &rules, flaw, 12, 1.0, 3.0, AJK_WEIBULL_MLE, &st,
						  NULL, NULL);
	near(st.prob[0][(int) u[100]], 1.0, 0.0, "345 degrees is north");
	near(st.prob[1][(int) u[101]], 1.0, 0.0, "15 degrees is not");

	t[50] = t[49];
	ok(ajk_wind_quality(&s, &rules, flaw, &q, &at) == AJK_SYNTAX && at == 50,
	   "a time that comes twice");

	near(ajk_shear_exponent(6.0, 40.0, 6.0 * pow(2.0, 0.2), 80.0), 0.2, 1e-14,
		 "shear exponent");
	ok(isnan(ajk_shear_exponent(6.0, 40.0, 7.0, 40.0)), "not of one height");
}

static void
test_year(void)
{
	FILE	   *f;
	char	   *text;
	size_t		len;
	AjkWindSeries s;
	AjkCsvError e;
	AjkWindQuality q;
	AjkWindStats *st = malloc(sizeof(*st));
	uint8_t    *flaw;
	size_t		at;

	f = fopen(shared_data("wind/pywake_time_series_10min.csv"), "rb");
	if (f == NULL)
	{
		free(st);
		skip("the year of measured wind isn't here");
		return;
	}
	text = malloc(4000000);
	len = fread(text, 1, 4000000, f);
	fclose(f);
	ok(ajk_wind_csv(text, len, usual, &s, &e) == AJK_OK && s.n == 52559,
	   "a year, as it was stored");
	flaw = malloc(s.n);
	ok(ajk_wind_quality(&s, &rules, flaw, &q, &at) == AJK_OK &&
	   q.count[AJK_WIND_GOOD] == 52559, "all good");
	ok(ajk_wind_stats(&s, &rules, flaw, 12, 1.0, 3.0, AJK_WEIBULL_MLE, st, NULL,
					  NULL) == AJK_OK, "statistics");
	near(st->all.mean, 8.25338661, 1e-8, "mean");
	near(st->all.mean_cube, 1032.58843, 1e-5, "mean cube");
	near(st->mle.a_ms, 9.338701, 1e-5, "A, maximum likelihood");

	/*
	 * The reference's k of 2.128826 came from a simplex search; the root of
	 * the likelihood equation, by interval bisection with exact sums, is
	 * this.
	 */
	near(st->mle.k, 2.1288484872825756, 1e-9, "k, maximum likelihood");
	near(st->mle.k, 2.128826, 3e-5, "k, as the reference's simplex found it");
	near(st->wasp.a_ms, 9.033093, 1e-5, "A, Wind Atlas");
	near(st->wasp.k, 1.907455, 1e-5, "k, Wind Atlas");
	ajk_wind_series_free(&s);
	free(flaw);
	free(st);
	free(text);
}

int
main(void)
{
	test_fits();
	test_csv();
	test_quality();
	test_year();
	return unit_done();
}
