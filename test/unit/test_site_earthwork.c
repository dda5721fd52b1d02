/*-------------------------------------------------------------------------
 *
 * test_site_earthwork.c
 *		Profiles, sections, pads, suitability: closed forms.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"
#include "earthwork.h"
#include "rng.h"
#include "suitability.h"

/* The ground of a test: a plane, or a cosine ridge along y. */
typedef struct Ground
{
	double		rise_x;
	double		rise_y;
	double		ridge_m;
	double		wave_m;
}			Ground;

static double
ground(void *arg, double x, double y)
{
	Ground	   *g = arg;
	double		z = 100 + g->rise_x * x + g->rise_y * y;

	if (g->ridge_m != 0)
		z += g->ridge_m * cos(2 * AJK_PI * x / g->wave_m);
	return z;
}

static double
cliff(void *arg, double x, double y)
{
	(void) arg;
	(void) y;
	return x > 30 ? NAN : 100 + 2 * x;
}

/* Largest grade of a profile, and largest distance from the ground. */
static void
look(int n, const double *s, const double *z, const double *h, double *grade,
	 double *off)
{
	*grade = *off = 0;
	for (int i = 0; i < n; i++)
	{
		*off = fmax(*off, fabs(h[i] - z[i]));
		if (i > 0)
			*grade = fmax(*grade, fabs(h[i] - h[i - 1]) / (s[i] - s[i - 1]));
	}
}

static void
profiles(void)
{
	enum
	{
		N = 201
	};
	double		s[N],
				z[N],
				h[N];
	double		g,
				off,
				want;
	AjkRng		rng;

	for (int i = 0; i < N; i++)
		s[i] = 5 * i;

	/* gentle ground is followed */
	for (int i = 0; i < N; i++)
		z[i] = 50 + 4 * sin(s[i] / 80);
	ok(ajk_profile(N, s, z, 0.1, NAN, NAN, h) == AJK_OK, "profile");
	look(N, s, z, h, &g, &off);
	ok(off == 0, "ground within the grade is the profile");

	/* a step of 30 m at once: half of what is missing, on each side */
	for (int i = 0; i < N; i++)
		z[i] = i < 100 ? 0 : 30;
	ajk_profile(N, s, z, 0.08, NAN, NAN, h);
	look(N, s, z, h, &g, &off);
	ok(g <= 0.08 + 1e-12, "grade %.6f", g);
	/* the best: max over i, j of (|z_i - z_j| - g |s_i - s_j|) / 2 */
	near(off, (30 - 0.08 * 5) / 2, 1e-9, "a step's least distance");

	/* random ground: nobody can be nearer than the closed form */
	ajk_rng_seed(&rng, 3);
	for (int i = 0; i < N; i++)
		z[i] = (i ? z[i - 1] : 0) + 1.2 * ajk_rng_normal(&rng);
	ajk_profile(N, s, z, 0.05, NAN, NAN, h);
	look(N, s, z, h, &g, &off);
	want = 0;
	for (int i = 0; i < N; i++)
		for (int j = 0; j < i; j++)
			want = fmax(want, (fabs(z[i] - z[j]) - 0.05 * (s[i] - s[j])) / 2);
	ok(g <= 0.05 + 1e-12, "grade %.6f on random ground", g);
	near(off, want, 1e-9, "least largest distance");

	/* given ends */
	ajk_profile(N, s, z, 0.05, z[0] + 3, z[N - 1] - 2, h);
	look(N, s, z, h, &g, &off);
	ok(h[0] == z[0] + 3 && h[N - 1] == z[N - 1] - 2 && g <= 0.05 + 1e-12,
	   "ends are met at grade %.6f", g);
	ajk_profile(N, s, z, 0.05, 0, 1000, h);
	near(h[N - 1], 0.05 * 1000, 1e-9, "an end too high is approached at full grade");
	near(h[0], 0, 1e-12, "the first end is met");
	z[7] = NAN;
	ok(ajk_profile(N, s, z, 0.05, NAN, NAN, h) == AJK_INVALID, "unknown ground");

	for (int i = 0; i < N; i++)
		z[i] = 3 + 0.02 * s[i];
	ajk_moving_mean(N, z, 10, h);
	look(N, s, z, h, &g, &off);
	ok(off < 1e-12, "the mean of a straight line is itself");
}

static void
sections(void)
{
	Ground		g = {.rise_x = 0};
	AjkSides	walls = {0, 0, 50, 0.5},
				sides = {2, 1.5, 50, 0.5};
	double		cut,
				fill;
	const double w = 6,
				a = 3;

	/* level ground, road h below: w h + b h2 */
	ok(ajk_section(ground, &g, 0, 0, 1, 0, 98, w, &sides, &cut, &fill), "meets the ground");
	near(cut, w * 2 + 2 * 4, 1e-9, "cut of 2 m");
	near(fill, 0, 0, "without fill");
	ajk_section(ground, &g, 0, 0, 1, 0, 103, w, &sides, &cut, &fill);
	near(fill, w * 3 + 1.5 * 9, 1e-9, "fill of 3 m");
	ajk_section(ground, &g, 0, 0, 1, 0, 98, w, &walls, &cut, &fill);
	near(cut, w * 2, 1e-9, "between walls");

	/* hillside of slope s, road at the ground's height: s a2 / 2 / (1 - s b) */
	g.rise_x = 0.2;
	ajk_section(ground, &g, 0, 0, 1, 0, 100, w, &sides, &cut, &fill);
	near(cut, 0.2 * a * a / 2 / (1 - 0.2 * 2), 1e-9, "cut of a hillside");
	near(fill, 0.2 * a * a / 2 / (1 - 0.2 * 1.5), 1e-9, "fill of a hillside");
	ajk_section(ground, &g, 0, 0, -1, 0, 100, w, &sides, &cut, &fill);
	near(cut, 0.2 * a * a / 2 / (1 - 0.2 * 2), 1e-9, "seen from the other side");
	/* along the slope there is none */
	ajk_section(ground, &g, 0, 0, 0, 1, 100, w, &sides, &cut, &fill);
	ok(cut == 0 && fill == 0, "across the fall line nothing moves");
	/* a hillside steeper than the side slope never meets it */
	g.rise_x = 0.6;
	ok(!ajk_section(ground, &g, 0, 0, 1, 0, 100, w, &sides, &cut, &fill),
	   "1:1.7 against 1:2 doesn't end");
	ok(!ajk_section(cliff, NULL, 29, 0, 1, 0, 150, w, &sides, &cut, &fill),
	   "unknown ground is told");
}

/*
 * A straight road on a plane, stations every 25 m: average end areas give
 * what a prism has; over a cosine ridge the sum converges to the integral.
 */
static void
volumes(void)
{
	Ground		g = {.rise_x = 0,.ridge_m = 4,.wave_m = 400};
	AjkSides	walls = {0, 0, 50, 0.5};
	double		end_area = 0,
				prismoid = 0;
	double		want = 0;
	const double w = 5,
				step = 10;

	/* level road at 100 through the ridge: cut = fill = w * R * wave / pi */
	for (double y = 0; y < 400; y += step)
	{
		double		c[3],
					f[3];

		for (int i = 0; i < 3; i++)
			ajk_section(ground, &g, y + i * step / 2, 0, 0, 1, 100, w, &walls,
						&c[i], &f[i]);
		end_area += step * (c[0] + c[2]) / 2;
		prismoid += step * (c[0] + 4 * c[1] + c[2]) / 6;
	}
	want = w * 4 * 400 / AJK_PI;
	/* trapezia on a cosine: too little by (pi step / wave)^2 / 3 */
	near(end_area / want, 1 - pow(AJK_PI * step / 400, 2) / 3, 1e-4,
		 "cosine hill, average end areas");
	near(prismoid / want, 1, 1e-5, "cosine hill, prismoids");
}

static void
pads(void)
{
	Ground		g = {.rise_x = 0.05};
	AjkPad		pad = {0, 0, 25, 25};
	AjkSides	walls = {0, 0, 0, 1},
				sides = {2, 2, 40, 0.5};
	AjkPadGround *p = ajk_pad_ground(ground, &g, &pad, &walls);
	double		h,
				cut,
				fill,
				lo,
				hi,
				mean;

	/* s L^3 / 8 */
	h = ajk_pad_balance(p, 1);
	near(h, 100, 1e-6, "balance height of a plane");
	ajk_pad_volumes(p, h, &cut, &fill);
	near(cut, 97.65625, 1e-4, "cut of a pad of 25 m on 5 %");
	near(fill, 97.65625, 1e-4, "fill of it");
	ajk_pad_range(p, &lo, &hi, &mean);
	near(mean, 100, 1e-9, "mean height");
	ok(hi - lo > 1.15 && hi - lo < 1.25, "range %.3f", hi - lo);

	/*
	 * Compacted to 0.9: x metres below the middle the cut is s (L/2 + x')^2 L
	 * / 2 with x' = x / s, so sqrt(0.9) (L/2 + x') = L/2 - x'
	 */
	h = ajk_pad_balance(p, 0.9);
	near(h, 100 - 0.05 * 12.5 * (1 - sqrt(0.9)) / (1 + sqrt(0.9)), 1e-3,
		 "balance with shrinkage");
	ajk_pad_volumes(p, h, &cut, &fill);
	near(0.9 * cut - fill, 0, 1e-4, "cut makes the fill");
	ajk_pad_ground_free(p);

	/* a fixed height on level ground, with side slopes: a frustum */
	g.rise_x = 0;
	p = ajk_pad_ground(ground, &g, &pad, &sides);
	ajk_pad_volumes(p, 98, &cut, &fill);
	/* L2 h + 4 L (b h2 / 2) + 4 corners of a quarter cone: pi b2 h3 / 3 */
	near(cut / (625 * 2 + 4 * 25 * 2 * 4 / 2.0 + AJK_PI * 4 * 8 / 3), 1, 2e-3,
		 "cut of 2 m with side slopes");
	near(fill, 0, 0, "no fill");
	near(ajk_pad_balance(p, 0.9), 100, 1e-6, "level ground needs no work");
	ajk_pad_ground_free(p);

	/* centre height, the usual shortcut, does not balance on a ridge */
	g = (Ground)
	{
		.ridge_m = 1,.wave_m = 60
	};
	p = ajk_pad_ground(ground, &g, &pad, &sides);
	ajk_pad_volumes(p, 101, &cut, &fill);
	ok(fill > 50 && cut == 0, "at the centre's height: cut %.1f, fill %.1f", cut, fill);
	h = ajk_pad_balance(p, 0.9);
	ajk_pad_volumes(p, h, &cut, &fill);
	ok(h < 101 && fabs(0.9 * cut - fill) < 1e-3, "balanced %.3f lower: cut %.1f, fill %.1f",
	   101 - h, cut, fill);
	ajk_pad_ground_free(p);

	pad.x = 25;
	p = ajk_pad_ground(cliff, NULL, &pad, &walls);
	ok(isnan(ajk_pad_balance(p, 1)), "unknown ground has no balance");
	ajk_pad_ground_free(p);
}

static void
suitability(void)
{
	AjkSuitability how = {5, 10, 0.65, 0.15, 0.10, 0.10, 180, 10};
	float		slope[] = {0, 5, 7.5f, 10, 10.1f, 0, NAN, 10, 10},
				aspect[] = {NAN, 180, 180, 180, 180, NAN, NAN, 0, 90};
	float		curvature[9] = {0},
				rough[9] = {0};
	uint32_t	cells[9] = {0, 0, 0, 0, 0, 4, 0, 0, 0};
	float		out[9];
	double		want[] = {1, 1, 1 - 0.65 / 2, 0.35, NAN, NAN, NAN, 0.25, 0.30};

	ok(ajk_suitability(&how, slope, aspect, curvature, rough, cells, 4, 9, out,
					   NULL, NULL) == AJK_OK, "suitability");
	for (int i = 0; i < 9; i++)
		if (isnan(want[i]))
			ok(isnan(out[i]), "cell %d is not suited", i);
		else
			near(out[i], want[i], 1e-6, "score");
	/* bent and rough ground */
	curvature[0] = -0.01f;
	curvature[1] = NAN;
	rough[2] = (float) (2 * sqrt(2) * 10 * tan(AJK_DEG2RAD(10)));
	cells[5] = 8;
	ajk_suitability(&how, slope, aspect, curvature, rough, cells, 4, 9, out,
					NULL, NULL);
	near(out[0], 1 - 0.15 / 2, 1e-6, "half bent");
	near(out[1], 0.85, 1e-6, "unknown bend");
	near(out[2], 1 - 0.65 / 2 - 0.1, 1e-6, "rough as the limit");
	near(out[5], 1, 1e-6, "another reason doesn't matter");
	how.w_slope = how.w_curvature = how.w_aspect = how.w_roughness = 0;
	ok(ajk_suitability(&how, slope, aspect, curvature, rough, cells, 4, 9, out,
					   NULL, NULL) == AJK_INVALID, "no weights");
}

int
main(void)
{
	profiles();
	sections();
	volumes();
	pads();
	suitability();
	return unit_done();
}
