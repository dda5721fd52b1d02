/*-------------------------------------------------------------------------
 *
 * test_geo_geometry.c
 *		Areas, containment, faults and rasters against brute force.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"
#include "geometry.h"

static const double sx[] = {0, 10, 10, 0},
			sy[] = {0, 0, 10, 10};
static const double hx[] = {3, 3, 7, 7},
			hy[] = {3, 7, 7, 3};

/* a generator of its own, so that runs agree everywhere */
static uint32_t state = 12345;

static double
random01(void)
{
	state = state * 1664525u + 1013904223u;
	return (state >> 8) / 16777216.0;
}

static void
fault_is(AjkRingFault want, int n, const double *x, const double *y,
		 double fx, double fy, const char *what)
{
	AjkPath		p = {n, x, y};
	AjkRingFault fault;
	int			ring;
	double		ax,
				ay;
	AjkError	err = ajk_rings_check(&p, 1, &fault, &ring, &ax, &ay);

	ok(fault == want && err == (want ? AJK_INVALID : AJK_OK) &&
	   (want != AJK_RING_CROSSES || (fabs(ax - fx) < 1e-12 &&
									 fabs(ay - fy) < 1e-12)),
	   "%s (fault %d at %g, %g)", what, (int) fault, ax, ay);
}

static void
faults(void)
{
	static const double bx[] = {0, 4, 4, 0},
				by[] = {0, 4, 0, 4};
	static const double fx[] = {0, 4, 8, 4},
				fy[] = {0, 0, 0, 0};
	static const double ex[] = {0, 4, 4, 2, 0},
				ey[] = {0, 0, 4, 0, 4};
	static const double px[] = {0, 4, 4, 6, 4, 4, 0},
				py[] = {0, 0, 2, 2, 2, 4, 4};
	AjkPath		two[2] = {{4, sx, sy}, {4, hx, hy}};
	double		ox[4],
				ax,
				ay;
	AjkRingFault fault;
	AjkError	err;
	int			ring;

	fault_is(AJK_RING_GOOD, 4, sx, sy, 0, 0, "a square is good");
	fault_is(AJK_RING_SHORT, 2, sx, sy, 0, 0, "two points are no ring");
	fault_is(AJK_RING_CROSSES, 4, bx, by, 2, 2, "a bow tie crosses in its middle");
	fault_is(AJK_RING_CROSSES, 4, fx, fy, 0, 0, "a flat ring folds back");
	fault_is(AJK_RING_CROSSES, 5, ex, ey, 2, 0, "a corner on an edge");
	fault_is(AJK_RING_CROSSES, 7, px, py, 6, 2, "a spike");

	ok(ajk_rings_check(two, 2, &fault, &ring, &ax, &ay) == AJK_OK,
	   "a hole inside is good");
	for (int i = 0; i < 4; i++)
		ox[i] = hx[i] + 5;
	two[1].x = ox;
	err = ajk_rings_check(two, 2, &fault, &ring, &ax, &ay);
	ok(err == AJK_INVALID &&
	   fault == AJK_RING_CROSSES && ring == 1 && ax == 10,
	   "a hole that leaves its exterior is found, at x %g", ax);
}

/* Two rings that meet: in a point is good, along an edge or across is not. */
static void
two_rings(bool good, int n, const double *x, const double *y, const char *what)
{
	static const double sx[] = {0, 2, 2, 0},
				sy[] = {0, 0, 2, 2};
	AjkPath		two[2] = {{4, (double *) sx, (double *) sy},
	{n, (double *) x, (double *) y}};
	AjkRingFault fault;
	int			ring;
	double		ax,
				ay;

	for (int order = 0; order < 2; order++)
	{
		AjkPath		swap = two[0];

		ok((ajk_rings_check(two, 2, &fault, &ring, &ax, &ay) == AJK_OK) == good &&
		   fault == (good ? AJK_RING_GOOD : AJK_RING_CROSSES), "%s", what);
		two[0] = two[1];
		two[1] = swap;
	}
}

static void
meetings(void)
{
	static const double ax[] = {2, 4, 4, 2},
				ay[] = {2, 2, 4, 4};
	static const double bx[] = {2, 4, 4, 2},
				by[] = {0, 0, 2, 2};
	static const double cx[] = {0, 1, 1},
				cy[] = {1, 0.5, 1.5};
	static const double dx[] = {1, 2, 3, 2},
				dy[] = {1, 2, 1, 0};
	static const double ex[] = {2, 3, 3},
				ey[] = {1, 0, 2};
	static const double fx[] = {2, 3, 3, 2},
				fy[] = {1, 1, 3, 3};
	static const double gx[] = {1, 2, 1, 0},
				gy[] = {0, 1, 2, 1};
	static const double hx[] = {2, 3, -1, 0, -1, 3},
				hy[] = {2, 4, 4, 0, -1, -1};

	two_rings(true, 4, ax, ay, "parcels that meet at a corner");
	two_rings(false, 4, bx, by, "parcels side by side");
	two_rings(true, 3, cx, cy, "a hole that reaches the outline");
	two_rings(false, 4, dx, dy, "across, through corners only");
	two_rings(true, 3, ex, ey, "a corner on the other's edge, outside");
	two_rings(false, 4, fx, fy, "along a part of an edge");
	two_rings(true, 4, gx, gy, "a hole that reaches it four times");
	two_rings(true, 6, hx, hy, "around a parcel, at two of its corners");
}

/* a star with many corners, which does not cross itself */
static int
star(double *x, double *y, int n, double cx, double cy)
{
	for (int i = 0; i < n; i++)
	{
		double		a = 2 * AJK_PI * i / n;
		double		r = 20 + 15 * random01();

		x[i] = cx + r * cos(a);
		y[i] = cy + r * sin(a);
	}
	return n;
}

static void
rasters(void)
{
	enum
	{
		NC = 97, NR = 83
	};
	static uint32_t cells[NC * NR];
	AjkFrame	f = {NC, NR, -3.7, 79.1, 0.937, 0};
	double		x[40],
				y[40],
				x2[25],
				y2[25];
	AjkPath		rings[2];
	AjkPath		line;
	AjkPath		point = {1, x, y};
	size_t		in = 0,
				wrong_in = 0,
				wrong_out = 0,
				near_n = 0,
				wrong_near = 0,
				wrong_line = 0,
				wrong_point = 0;
	double		d = 4.3;

	rings[0] = (AjkPath)
	{
		star(x, y, 40, 40, 40), x, y
	};
	rings[1] = (AjkPath)
	{
		star(x2, y2, 25, 45, 38), x2, y2
	};
	for (int i = 0; i < 25; i++)
	{
		x2[i] = 45 + (x2[i] - 45) / 4;
		y2[i] = 38 + (y2[i] - 38) / 4;
	}
	line = (AjkPath)
	{
		8, x2, y2
	};
	/* exactly level and upright segments too */
	y2[1] = y2[0];
	x2[3] = x2[2];

	ok(ajk_raster_rings(&f, rings, 2, true, 1, cells, NULL, NULL) == AJK_OK &&
	   ajk_raster_rings(&f, rings, 2, false, 2, cells, NULL, NULL) == AJK_OK &&
	   ajk_raster_near(&f, &rings[0], true, d, 4, cells, NULL, NULL) == AJK_OK &&
	   ajk_raster_near(&f, &line, false, d, 8, cells, NULL, NULL) == AJK_OK &&
	   ajk_raster_near(&f, &point, true, 11.0, 16, cells, NULL,
					   NULL) == AJK_OK, "rasters are made");
	for (int r = 0; r < NR; r++)
		for (int c = 0; c < NC; c++)
		{
			double		px = f.x0 + (c + 0.5) * f.cell,
						py = f.y0 - (r + 0.5) * f.cell;
			uint32_t	bits = cells[r * NC + c];
			bool		inside = ajk_in_rings(rings, 2, px, py);
			bool		close = ajk_path_dist(&rings[0], true, px, py) < d;

			in += inside;
			near_n += close;
			wrong_in += inside != ((bits & 1) != 0);
			wrong_out += inside == ((bits & 2) != 0);
			wrong_near += close != ((bits & 4) != 0);
			wrong_line += (ajk_path_dist(&line, false, px, py) < d)
				!= ((bits & 8) != 0);
			wrong_point += (hypot(px - x[0], py - y[0]) < 11.0)
				!= ((bits & 16) != 0);
		}
	ok(in > 1000 && wrong_in == 0, "inside by scan lines equals point in polygon, %zu cells, %zu wrong", in, wrong_in);
	ok(wrong_out == 0, "outside is its complement, %zu wrong", wrong_out);
	ok(near_n > 500 && wrong_near == 0, "near a ring equals the distance, %zu cells, %zu wrong", near_n, wrong_near);
	ok(wrong_line == 0, "near an open line, %zu wrong", wrong_line);
	ok(wrong_point == 0, "near a point, %zu wrong", wrong_point);
}

static bool
stop(void *arg, double fraction)
{
	(void) fraction;
	(*(int *) arg)++;
	return true;
}

int
main(void)
{
	AjkPath		square = {4, sx, sy};
	AjkPath		rings[2] = {{4, sx, sy}, {4, hx, hy}};
	double		cx,
				cy;
	int			asked = 0;

	near(ajk_ring_area(&square), 100, 0, "area of a square");
	near(ajk_ring_area(&rings[1]), -16, 0, "area of a clockwise square");
	ajk_ring_centroid(&square, &cx, &cy);
	ok(cx == 5 && cy == 5, "its centre");
	ok(ajk_in_rings(rings, 2, 1, 1) && !ajk_in_rings(rings, 2, 5, 5) &&
	   !ajk_in_rings(rings, 2, 11, 5), "inside, in the hole, outside");
	near(ajk_path_dist(&square, true, 5, 5), 5, 0, "distance to the sides");
	near(ajk_path_dist(&square, true, -3, -4), 5, 1e-15, "distance to a corner");
	near(ajk_path_dist(&square, false, -2, 5), hypot(2, 5), 1e-15,
		 "an open path has no closing side");
	near(ajk_segment_dist2(1, 1, 2, 2, 2, 2), 2, 0, "a segment of no length");
	faults();
	meetings();
	rasters();

	{
		static uint32_t big[2000 * 2000];
		AjkFrame	f = {2000, 2000, 0, 2000, 1, 0};
		double		x[2] = {0, 2000},
					y[2] = {0, 2000};
		AjkPath		path = {2, x, y};

		ok(ajk_raster_near(&f, &path, false, 900, 1, big, stop,
						   &asked) == AJK_STOPPED && asked == 1,
		   "the caller can stop it");
	}
	return unit_done();
}
