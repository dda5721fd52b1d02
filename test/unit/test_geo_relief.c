/*-------------------------------------------------------------------------
 *
 * test_geo_relief.c
 *		Contours, curvature, ruggedness index, cells of grids in degrees:
 *		closed forms.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"
#include "contour.h"
#include "terrain.h"

#define N 101

static float z[N * N];

/* What the lines of a grid come to. */
typedef struct Lines
{
	int			n;
	int			closed;
	int			points;
	double		length;
	double		worst;			/* farthest of a place from where it belongs */
	double		level;
	double		(*off) (double level, double col, double row);
	int			stop_at;
	bool		open_end_inside;	/* an open line ends within the grid */
}			Lines;

static AjkError
on_line(void *arg, double level, bool closed, int n, const double *col,
		const double *row)
{
	Lines	   *l = arg;

	l->n++;
	l->closed += closed;
	l->points += n;
	l->level = level;
	for (int i = 0; i < n; i++)
	{
		if (l->off)
			l->worst = fmax(l->worst, fabs(l->off(level, col[i], row[i])));
		if (i > 0)
			l->length += hypot(col[i] - col[i - 1], row[i] - row[i - 1]);
	}
	if (closed && (col[0] != col[n - 1] || row[0] != row[n - 1]))
		l->worst = INFINITY;
	if (!closed)
		for (int end = 0; end < n; end += n - 1)
			if (col[end] > 0.6 && col[end] < N - 0.6 &&
				row[end] > 0.6 && row[end] < N - 0.6)
				l->open_end_inside = true;
	return l->stop_at == l->n ? AJK_STOPPED : AJK_OK;
}

/* distance from the centre less the level, for a cone */
static double
off_circle(double level, double col, double row)
{
	return hypot(col - N / 2.0, row - N / 2.0) - level;
}

static double
off_plane(double level, double col, double row)
{
	return (2 * (col - 0.5) - 3 * (row - 0.5) - level) / hypot(2, 3);
}

static void
contours(void)
{
	Lines		l = {.off = off_circle};

	for (int r = 0; r < N; r++)
		for (int c = 0; c < N; c++)
			z[r * N + c] = (float) hypot(c - N / 2, r - N / 2);
	ok(ajk_contours(z, N, N, 0, 10, on_line, &l, NULL, NULL) == AJK_OK,
	   "contours of a cone");
	/* circles of radius 10 to 50; beyond, at the corners, arcs of 60 and 70 */
	ok(l.n == 5 + 2 * 4 && l.closed == 5, "%d lines, %d of them closed", l.n,
	   l.closed);
	ok(l.worst < 0.02, "places within %.3g cells of the circles", l.worst);
	ok(!l.open_end_inside, "open lines end at the rim");
	{
		double		want = 0;

		for (int i = 10; i <= 50; i += 10)
			want += 2 * AJK_PI * i;
		for (int i = 60; i <= 70; i += 10)
			want += 4 * i * (AJK_PI / 2 - 2 * acos(50.0 / i));
		near(l.length / want, 1, 2e-3, "length of all lines over the circles'");
	}

	/* on a plane places are exact and no line is closed */
	l = (Lines)
	{
		.off = off_plane
	};
	for (int r = 0; r < N; r++)
		for (int c = 0; c < N; c++)
			z[r * N + c] = 2.0f * c - 3.0f * r;
	ajk_contours(z, N, N, 1, 25, on_line, &l, NULL, NULL);
	/* from -300 to 200 at 1 + 25 i: -299 to 176 */
	ok(l.n == 20 && l.closed == 0, "plane: %d lines, %d closed", l.n, l.closed);
	ok(l.worst < 1e-9, "plane: off by %.3g cells", l.worst);
	near(l.level, 176, 0, "the highest level");

	/* an unknown cell opens the lines beside it and nothing else */
	l = (Lines)
	{
		.off = off_circle
	};
	for (int r = 0; r < N; r++)
		for (int c = 0; c < N; c++)
			z[r * N + c] = (float) hypot(c - N / 2, r - N / 2);
	z[(N / 2) * N + N / 2 + 20] = NAN;
	ajk_contours(z, N, N, 0, 20, on_line, &l, NULL, NULL);
	ok(l.closed == 1 && l.n == 2 + 4, "a hole opens one of two circles: %d of %d closed",
	   l.closed, l.n);
	ok(l.open_end_inside, "it ends beside the hole");

	/* a level that is a corner's value counts as reached, once */
	l = (Lines)
	{
		0
	};
	memset(z, 0, sizeof(z));
	z[50 * N + 50] = 10;
	ajk_contours(z, N, N, 0, 10, on_line, &l, NULL, NULL);
	ok(l.n == 1 && l.closed == 1 && l.points == 5,
	   "a peak of just the level: %d line of %d places", l.n, l.points);

	/* saddle: the mean decides */
	for (int high = 0; high < 2; high++)
	{
		float		s[16] = {
			0, 0, 0, 0,
			0, high ? 9 : 1.5f, 0, 0,
			0, 0, high ? 9 : 1.5f, 0,
			0, 0, 0, 0
		};

		l = (Lines)
		{
			0
		};
		ajk_contours(s, 4, 4, 1, 100, on_line, &l, NULL, NULL);
		ok(l.n == (high ? 1 : 2) && l.closed == l.n, "saddle %s: %d closed",
		   high ? "connected" : "apart", l.n);
	}
	l = (Lines)
	{
		.stop_at = 1
	};
	ok(ajk_contours(z, N, N, 0, 1, on_line, &l, NULL, NULL) == AJK_STOPPED &&
	   l.n == 1, "the receiver ends it");
	ok(ajk_contours(z, N, N, 0, 0, on_line, &l, NULL, NULL) == AJK_INVALID &&
	   ajk_contours(z, N, N, 0, 1e-4, on_line, &l, NULL, NULL) == AJK_RANGE,
	   "no interval, too many levels");
	for (int i = 0; i < N * N; i++)
		z[i] = NAN;
	l.n = 0;
	ok(ajk_contours(z, N, N, 0, 1, on_line, &l, NULL, NULL) == AJK_OK && l.n == 0,
	   "nothing known, no line");
	ok(ajk_contours(z, 1, 1, 0, 1, on_line, &l, NULL, NULL) == AJK_OK && l.n == 0,
	   "a single cell has none");
}

/* z = a x2 + b y2 + e x y + s x: second derivatives are known everywhere */
static void
curvature(void)
{
	static float along[N * N],
				across[N * N],
				total[N * N];
	const double a = 0.002,
				b = -0.001,
				e = 0.0015,
				s = 0.3,
				cell = 5;
	double		worst = 0;
	int			known = 0;

	for (int r = 0; r < N; r++)
		for (int c = 0; c < N; c++)
		{
			double		x = (c - 50) * cell,
						y = (50 - r) * cell;

			z[r * N + c] = (float) (a * x * x + b * y * y + e * x * y + s * x);
		}
	ajk_curvature(z, N, N, cell, cell, along, across, total, NULL, NULL);
	for (int r = 0; r < N; r++)
		for (int c = 0; c < N; c++)
		{
			int			i = r * N + c;
			double		x = (c - 50) * cell,
						y = (50 - r) * cell;
			double		zx = 2 * a * x + e * y + s,
						zy = 2 * b * y + e * x;
			double		g2 = zx * zx + zy * zy;

			if (isnan(total[i]))
				continue;
			known++;
			if (g2 < 1e-3)
				continue;
			worst = fmax(worst, fabs(total[i] - 2 * (a + b)));
			worst = fmax(worst, fabs(along[i] + (2 * a * zx * zx + 2 * e * zx * zy + 2 * b * zy * zy) / g2));
			worst = fmax(worst, fabs(across[i] - (2 * a * zy * zy - 2 * e * zx * zy + 2 * b * zx * zx) / g2));
		}
	ok(known == (N - 2) * (N - 2), "curvature: %d cells", known);
	ok(worst < 5e-5, "curvature off by %.3g 1/m", worst);
	memset(z, 0, sizeof(z));
	z[0] = NAN;
	ajk_curvature(z, N, N, cell, cell, along, across, total, NULL, NULL);
	ok(along[5 * N + 5] == 0 && across[5 * N + 5] == 0 && isnan(total[N + 1]),
	   "flat ground has none, nor has a cell beside a void");
}

static void
ruggedness(void)
{
	AjkDem		dem = {N, N, 0, N * 10.0, 10, 10, NULL, z, 0, 0};
	double		known;

	/* on a cone every radius rises by its slope */
	for (int r = 0; r < N; r++)
		for (int c = 0; c < N; c++)
			z[r * N + c] = (float) (5 * hypot(c - N / 2, r - N / 2));
	near(ajk_rix(&dem, 505, 505, 400, 0.3, 72, &known), 1, 0, "cone of 1:2");
	near(known, 1, 0, "all known");
	near(ajk_rix(&dem, 505, 505, 400, 0.6, 72, NULL), 0, 0, "none above 0.6");

	/*
	 * a plane of slope 0.4 rises by 0.4 cos(angle), more than 0.3 within 41.4
	 * degrees of the fall line: 17 of 36 radii each way
	 */
	for (int r = 0; r < N; r++)
		for (int c = 0; c < N; c++)
			z[r * N + c] = 4.0f * c;
	near(ajk_rix(&dem, 505, 505, 400, 0.3, 72, &known), 34.0 / 72, 1e-12,
		 "plane of 0.4");
	/* half of it unknown */
	near(ajk_rix(&dem, 5, 505, 400, 0.3, 72, &known), 17.0 / 37, 0.02,
		 "from the western rim");
	ok(known > 0.49 && known < 0.53, "known share %.3f", known);
	ok(isnan(ajk_rix(&dem, -5000, 0, 100, 0.3, 72, &known)) && known == 0,
	   "nothing known, no index");
}

/*
 * A plane that rises by 0.1 to the east, sampled in degrees over ten degrees
 * of latitude: with a width per row the slope is right everywhere, with one
 * width for all it is off by a tenth.
 */
static void
degrees(void)
{
	static double dx[N],
				dy[N];
	static float slope[N * N];
	double		worst = 0,
				one_cell = 0;
	double		want = AJK_RAD2DEG(atan(0.1));

	ajk_geographic_cells(65, 0.001, 0.1, N, dx, dy);
	for (int r = 0; r < N; r++)
		for (int c = 0; c < N; c++)
			z[r * N + c] = (float) (0.1 * dx[r] * c);
	/* the rows' planes differ, so look along the row: no rise to the south */
	for (int r = 1; r < N - 1; r++)
	{
		float		rows[3 * N];
		double		w[3],
					h[3];

		for (int i = 0; i < 3; i++)
			memcpy(rows + i * N, z + r * N, N * sizeof(float));
		for (int i = 0; i < 3; i++)
		{
			w[i] = dx[r];
			h[i] = dy[r];
		}
		ajk_slope_aspect(rows, N, 3, w, h, 0, 0, AJK_SLOPE_HORN, slope, NULL,
						 NULL, NULL);
		worst = fmax(worst, fabs(slope[N + 50] - want));
		ajk_slope_aspect(rows, N, 3, NULL, NULL, dx[N / 2], dy[N / 2],
						 AJK_SLOPE_HORN, slope, NULL, NULL, NULL);
		one_cell = fmax(one_cell, fabs(slope[N + 50] - want));
	}
	ok(worst < 1e-4, "a width per row: slope off by %.2g", worst);
	ok(one_cell > 0.5, "one width for all would be off by %.2g", one_cell);
	/* a degree of longitude at 60 N, of latitude at 45 N: WGS 84 tables */
	ajk_geographic_cells(60.5, 1, 1, 1, dx, dy);
	near(dx[0], 55800.0, 1, "metres of a degree of longitude at 60 N");
	ajk_geographic_cells(45.5, 1, 1, 1, dx, dy);
	near(dy[0], 111131.8, 1, "metres of a degree of latitude at 45 N");
}

int
main(void)
{
	contours();
	curvature();
	ruggedness();
	degrees();
	return unit_done();
}
