/*-------------------------------------------------------------------------
 *
 * geometry.c
 *		Points, paths and polygons in the plane.
 *
 * Buffers are never built as polygons.  What lies nearer than d to a line
 * is the union of the capsules around its segments; a capsule is convex, so
 * in each row of a grid it is one interval, found in closed form.  That
 * makes a setback exact at the cell centres at a cost proportional to the
 * area it covers.
 *
 * Self-crossing is found by comparing segments whose x ranges overlap, in
 * order of their western ends, with the orientation test; segments that
 * touch, overlap or cross count, neighbours may share their common point.  Two
 * rings may touch in a point, as simple features may: parcels that meet at a
 * corner, a hole that reaches the outline.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "geometry.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double
ajk_ring_area(const AjkPath *ring)
{
	double		twice = 0.0;

	/* relative to the first point, so that large coordinates cancel */
	for (int i = 1; i + 1 < ring->n; i++)
		twice += (ring->x[i] - ring->x[0]) * (ring->y[i + 1] - ring->y[0])
			- (ring->x[i + 1] - ring->x[0]) * (ring->y[i] - ring->y[0]);
	return twice / 2.0;
}

void
ajk_ring_centroid(const AjkPath *ring, double *x, double *y)
{
	double		twice = 0.0,
				sx = 0.0,
				sy = 0.0;

	for (int i = 1; i + 1 < ring->n; i++)
	{
		double		ax = ring->x[i] - ring->x[0];
		double		ay = ring->y[i] - ring->y[0];
		double		bx = ring->x[i + 1] - ring->x[0];
		double		by = ring->y[i + 1] - ring->y[0];
		double		cross = ax * by - bx * ay;

		twice += cross;
		sx += (ax + bx) * cross;
		sy += (ay + by) * cross;
	}
	*x = ring->x[0] + (twice != 0.0 ? sx / (3.0 * twice) : 0.0);
	*y = ring->y[0] + (twice != 0.0 ? sy / (3.0 * twice) : 0.0);
}

bool
ajk_in_rings(const AjkPath *rings, int nrings, double x, double y)
{
	bool		inside = false;

	for (int r = 0; r < nrings; r++)
	{
		const AjkPath *p = &rings[r];

		for (int i = 0, j = p->n - 1; i < p->n; j = i++)
			if ((p->y[i] > y) != (p->y[j] > y) &&
				x < p->x[i] + (y - p->y[i]) * (p->x[j] - p->x[i])
				/ (p->y[j] - p->y[i]))
				inside = !inside;
	}
	return inside;
}

double
ajk_segment_dist2(double px, double py, double ax, double ay,
				  double bx, double by)
{
	double		dx = bx - ax,
				dy = by - ay;
	double		len2 = dx * dx + dy * dy;
	double		t = 0.0;

	if (len2 > 0.0)
	{
		t = ((px - ax) * dx + (py - ay) * dy) / len2;
		t = t < 0.0 ? 0.0 : t > 1.0 ? 1.0 : t;
	}
	dx = px - (ax + t * dx);
	dy = py - (ay + t * dy);
	return dx * dx + dy * dy;
}

double
ajk_path_dist(const AjkPath *path, bool closed, double x, double y)
{
	double		best = INFINITY;
	int			last = closed ? path->n : path->n - 1;

	if (path->n == 1)
		return hypot(x - path->x[0], y - path->y[0]);
	for (int i = 0; i < last; i++)
	{
		int			j = i + 1 < path->n ? i + 1 : 0;
		double		d2 = ajk_segment_dist2(x, y, path->x[i], path->y[i],
										   path->x[j], path->y[j]);

		if (d2 < best)
			best = d2;
	}
	return sqrt(best);
}

/* ---- self-crossing ---- */

typedef struct Segment
{
	double		ax,
				ay,
				bx,
				by;				/* ax <= bx */
	int			ring;
	int			i;				/* its number in the ring */
	int			n;				/* segments of that ring */
} Segment;

static int
segment_cmp(const void *a, const void *b)
{
	const Segment *s = a;
	const Segment *t = b;

	if (s->ax != t->ax)
		return s->ax < t->ax ? -1 : 1;
	if (s->ring != t->ring)
		return s->ring < t->ring ? -1 : 1;
	return s->i < t->i ? -1 : s->i > t->i;
}

static double
orient(double ax, double ay, double bx, double by, double cx, double cy)
{
	return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
}

static bool
on_segment(const Segment *s, double x, double y)
{
	return x >= s->ax && x <= s->bx &&
		y >= fmin(s->ay, s->by) && y <= fmax(s->ay, s->by);
}

/* Do two segments meet, and where?  If not crossing, an end is on the other. */
static bool
segments_meet(const Segment *s, const Segment *t, double *x, double *y,
			  bool *crossing)
{
	double		o1 = orient(s->ax, s->ay, s->bx, s->by, t->ax, t->ay);
	double		o2 = orient(s->ax, s->ay, s->bx, s->by, t->bx, t->by);
	double		o3 = orient(t->ax, t->ay, t->bx, t->by, s->ax, s->ay);
	double		o4 = orient(t->ax, t->ay, t->bx, t->by, s->bx, s->by);

	if (((o1 > 0 && o2 < 0) || (o1 < 0 && o2 > 0)) &&
		((o3 > 0 && o4 < 0) || (o3 < 0 && o4 > 0)))
	{
		double		u = o3 / (o3 - o4);

		*crossing = true;
		*x = s->ax + u * (s->bx - s->ax);
		*y = s->ay + u * (s->by - s->ay);
		return true;
	}
	*crossing = false;
	if (o1 == 0 && on_segment(s, t->ax, t->ay))
	{
		*x = t->ax;
		*y = t->ay;
		return true;
	}
	if (o2 == 0 && on_segment(s, t->bx, t->by))
	{
		*x = t->bx;
		*y = t->by;
		return true;
	}
	if (o3 == 0 && on_segment(t, s->ax, s->ay))
	{
		*x = s->ax;
		*y = s->ay;
		return true;
	}
	if (o4 == 0 && on_segment(t, s->bx, s->by))
	{
		*x = s->bx;
		*y = s->by;
		return true;
	}
	return false;
}

/*
 * Neighbours share a point by right; they meet wrongly only if one folds
 * back onto the other.
 */
static bool
neighbours_fold(const AjkPath *p, int i, double *x, double *y)
{
	int			h = i > 0 ? i - 1 : p->n - 1;
	int			j = i + 1 < p->n ? i + 1 : 0;
	double		ux = p->x[h] - p->x[i],
				uy = p->y[h] - p->y[i];
	double		vx = p->x[j] - p->x[i],
				vy = p->y[j] - p->y[i];

	if (ux * vy - uy * vx != 0.0 || ux * vx + uy * vy <= 0.0)
		return false;
	*x = p->x[i];
	*y = p->y[i];
	return true;
}

/* Directions from a point of a ring's segment to where the ring comes from and goes to */
static void
ways(const AjkPath *p, int i, double x, double y, double way[2][2])
{
	int			j = i + 1 < p->n ? i + 1 : 0;
	int			from = i;
	int			to = j;

	if (p->x[i] == x && p->y[i] == y)
		from = i > 0 ? i - 1 : p->n - 1;
	else if (p->x[j] == x && p->y[j] == y)
		to = j + 1 < p->n ? j + 1 : 0;
	way[0][0] = p->x[from] - x;
	way[0][1] = p->y[from] - y;
	way[1][0] = p->x[to] - x;
	way[1][1] = p->y[to] - y;
}

/* Counterclockwise angle from one direction to another, 0..2 pi */
static double
turn(const double *a, const double *b)
{
	double		t = atan2(a[0] * b[1] - a[1] * b[0], a[0] * b[0] + a[1] * b[1]);

	return t < 0.0 ? t + 2.0 * AJK_PI : t;
}

/* Do two rings whose segments meet in a point only touch there? */
static bool
rings_touch(const AjkPath *rings, const Segment *s, const Segment *t, double x,
			double y)
{
	double		a[2][2];
	double		b[2][2];
	double		wedge;
	double		at[2];

	if (s->ring == t->ring)
		return false;
	ways(&rings[s->ring], s->i, x, y, a);
	ways(&rings[t->ring], t->i, x, y, b);
	wedge = turn(a[0], a[1]);
	for (int k = 0; k < 2; k++)
	{
		at[k] = turn(a[0], b[k]);

		/* along the other ring: they share more than a point */
		if (at[k] == 0.0 || at[k] == wedge ||
			(b[k][0] == 0.0 && b[k][1] == 0.0))
			return false;
	}
	return (at[0] < wedge) == (at[1] < wedge);
}

static bool
are_neighbours(const Segment *s, const Segment *t)
{
	int			d;

	if (s->ring != t->ring)
		return false;
	d = abs(s->i - t->i);
	return d == 1 || d == s->n - 1;
}

AjkError
ajk_rings_check(const AjkPath *rings, int nrings, AjkRingFault *fault,
				int *ring, double *x, double *y)
{
	Segment    *seg;
	size_t		nseg = 0;

	*fault = AJK_RING_GOOD;
	*ring = 0;
	*x = *y = 0.0;

	for (int r = 0; r < nrings; r++)
	{
		const AjkPath *p = &rings[r];
		double		xmin,
					xmax,
					ymin,
					ymax;

		*ring = r;
		if (p->n > 0)
		{
			*x = p->x[0];
			*y = p->y[0];
		}
		if (p->n < 3)
		{
			*fault = AJK_RING_SHORT;
			return AJK_INVALID;
		}
		xmin = xmax = p->x[0];
		ymin = ymax = p->y[0];
		for (int i = 0; i < p->n; i++)
		{
			xmin = fmin(xmin, p->x[i]);
			xmax = fmax(xmax, p->x[i]);
			ymin = fmin(ymin, p->y[i]);
			ymax = fmax(ymax, p->y[i]);
			if (neighbours_fold(p, i, x, y))
			{
				*fault = AJK_RING_CROSSES;
				return AJK_INVALID;
			}
		}
		if (xmax - xmin <= 0.0 || ymax - ymin <= 0.0)
		{
			*fault = AJK_RING_FLAT;
			return AJK_INVALID;
		}
		nseg += p->n;
	}

	seg = malloc(nseg * sizeof(Segment));
	if (seg == NULL)
		return AJK_NOMEM;
	nseg = 0;
	for (int r = 0; r < nrings; r++)
	{
		const AjkPath *p = &rings[r];

		for (int i = 0; i < p->n; i++)
		{
			Segment    *s = &seg[nseg++];
			int			j = i + 1 < p->n ? i + 1 : 0;
			bool		swap = p->x[i] > p->x[j];

			s->ax = swap ? p->x[j] : p->x[i];
			s->ay = swap ? p->y[j] : p->y[i];
			s->bx = swap ? p->x[i] : p->x[j];
			s->by = swap ? p->y[i] : p->y[j];
			s->ring = r;
			s->i = i;
			s->n = p->n;
		}
	}
	qsort(seg, nseg, sizeof(Segment), segment_cmp);

	for (size_t i = 0; i < nseg; i++)
		for (size_t j = i + 1; j < nseg && seg[j].ax <= seg[i].bx; j++)
		{
			bool		crossing;

			if (are_neighbours(&seg[i], &seg[j]))
				continue;
			if (segments_meet(&seg[i], &seg[j], x, y, &crossing) &&
				(crossing || !rings_touch(rings, &seg[i], &seg[j], *x, *y)))
			{
				*fault = AJK_RING_CROSSES;
				*ring = seg[i].ring > seg[j].ring ? seg[i].ring : seg[j].ring;
				free(seg);
				return AJK_INVALID;
			}
		}
	free(seg);

	for (int r = 0; r < nrings; r++)
		if (ajk_ring_area(&rings[r]) == 0.0)
		{
			*fault = AJK_RING_FLAT;
			*ring = r;
			return AJK_INVALID;
		}
	return AJK_OK;
}

/* ---- rasterising ---- */

static int
double_cmp(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return x < y ? -1 : x > y;
}

/* First row whose centre is at or below y (north is up), within 0..nrows. */
static int
first_row_below(const AjkFrame *f, double y)
{
	double		r = ceil((f->y0 - y) / f->cell - 0.5) - f->row0;

	return r <= 0.0 ? 0 : r >= f->nrows ? f->nrows : (int) r;
}

/* First column whose centre is at or right of x, within 0..ncols. */
static int
first_col_right(const AjkFrame *f, double x)
{
	double		c = ceil((x - f->x0) / f->cell - 0.5);

	return c <= 0.0 ? 0 : c >= f->ncols ? f->ncols : (int) c;
}

AjkError
ajk_raster_rings(const AjkFrame *f, const AjkPath *rings, int nrings,
				 bool inside, uint32_t bit, uint32_t *cells, ajk_poll poll,
				 void *arg)
{
	size_t	   *start;			/* crossings of row r: start[r]..start[r+1] */
	size_t	   *fill;
	double	   *xs;
	AjkError	err = AJK_OK;

	start = calloc((size_t) f->nrows + 1, sizeof(size_t));
	fill = malloc(((size_t) f->nrows + 1) * sizeof(size_t));
	if (start == NULL || fill == NULL)
	{
		free(start);
		free(fill);
		return AJK_NOMEM;
	}

	/* twice over the edges: count the crossings of each row, then list them */
	xs = NULL;
	for (int pass = 0; pass < 2; pass++)
	{
		for (int r = 0; r < nrings; r++)
		{
			const AjkPath *p = &rings[r];

			for (int i = 0, j = p->n - 1; i < p->n; j = i++)
			{
				double		ytop = fmax(p->y[i], p->y[j]);
				double		ybot = fmin(p->y[i], p->y[j]);
				int			row = first_row_below(f, ytop);

				/*
				 * A row is crossed if exactly one end is above its centre.
				 * The row found by division may be off by one in the last
				 * bit, so the comparison decides.
				 */
				if (row > 0)
					row--;
				for (; row < f->nrows; row++)
				{
					double		y = ajk_row_y(f, row);

					if (y >= ytop)
						continue;
					if (y < ybot)
						break;
					if (pass == 0)
						start[row + 1]++;
					else
						xs[fill[row]++] = p->x[i] + (y - p->y[i])
							* (p->x[j] - p->x[i]) / (p->y[j] - p->y[i]);
				}
			}
		}
		if (pass == 0)
		{
			for (int row = 0; row < f->nrows; row++)
				start[row + 1] += start[row];
			memcpy(fill, start, ((size_t) f->nrows + 1) * sizeof(size_t));
			xs = malloc((start[f->nrows] + 1) * sizeof(double));
			if (xs == NULL)
			{
				free(start);
				free(fill);
				return AJK_NOMEM;
			}
		}
	}

	for (int row = 0; row < f->nrows; row++)
	{
		uint32_t   *line = cells + (size_t) row * f->ncols;
		size_t		n = start[row + 1] - start[row];
		double	   *x = xs + start[row];
		int			col = 0;

		if (poll && row % (262144 / f->ncols + 1) == 0 &&
			poll(arg, (double) row / f->nrows))
		{
			err = AJK_STOPPED;
			break;
		}
		qsort(x, n, sizeof(double), double_cmp);
		for (size_t i = 0; i + 1 < n; i += 2)
		{
			int			from = first_col_right(f, x[i]);
			int			to = first_col_right(f, x[i + 1]);

			if (from < col)
				from = col;
			if (!inside)
				for (; col < from; col++)
					line[col] |= bit;
			else
				for (col = from; col < to; col++)
					line[col] |= bit;
			if (col < to)
				col = to;
		}
		if (!inside)
			for (; col < f->ncols; col++)
				line[col] |= bit;
	}
	free(start);
	free(fill);
	free(xs);
	return err;
}

/*
 * The interval of x in which points of height y are nearer than d to the
 * segment a-b.  False if empty.
 */
static bool
capsule_interval(double ax, double ay, double bx, double by, double d,
				 double y, double *from, double *to)
{
	double		lo = INFINITY,
				hi = -INFINITY;
	double		dx = bx - ax,
				dy = by - ay;
	double		len = hypot(dx, dy);

	/* the two round ends */
	if (fabs(y - ay) <= d)
	{
		double		w = sqrt(d * d - (y - ay) * (y - ay));

		lo = fmin(lo, ax - w);
		hi = fmax(hi, ax + w);
	}
	if (fabs(y - by) <= d)
	{
		double		w = sqrt(d * d - (y - by) * (y - by));

		lo = fmin(lo, bx - w);
		hi = fmax(hi, bx + w);
	}

	/* the straight sides: the segment moved by d to either side */
	if (len > 0.0)
	{
		double		nx = -dy / len * d,
					ny = dx / len * d;

		for (int side = -1; side <= 1; side += 2)
		{
			double		cy = ay + side * ny;

			if (dy != 0.0)
			{
				double		t = (y - cy) / dy;

				if (t >= 0.0 && t <= 1.0)
				{
					double		x = ax + side * nx + t * dx;

					lo = fmin(lo, x);
					hi = fmax(hi, x);
				}
			}
		}
		if (dy == 0.0 && fabs(y - ay) <= d)
		{
			lo = fmin(lo, fmin(ax, bx));
			hi = fmax(hi, fmax(ax, bx));
		}
	}
	*from = lo;
	*to = hi;
	return lo <= hi;
}

AjkError
ajk_raster_near(const AjkFrame *f, const AjkPath *p, bool closed, double dist,
				uint32_t bit, uint32_t *cells, ajk_poll poll, void *arg)
{
	int			last = closed || p->n == 1 ? p->n : p->n - 1;
	size_t		work = 0;

	for (int i = 0; i < last; i++)
	{
		int			j = i + 1 < p->n ? i + 1 : 0;
		double		ax = p->x[i],
					ay = p->y[i],
					bx = p->x[j],
					by = p->y[j];
		int			row = first_row_below(f, fmax(ay, by) + dist);
		int			end = first_row_below(f, fmin(ay, by) - dist);

		if (end < f->nrows)
			end++;
		for (; row < end; row++)
		{
			double		y = ajk_row_y(f, row);
			double		from,
						to;
			uint32_t   *line = cells + (size_t) row * f->ncols;
			int			c0,
						c1;

			if (!capsule_interval(ax, ay, bx, by, dist, y, &from, &to))
				continue;
			c0 = first_col_right(f, from);
			c1 = first_col_right(f, to);
			if (c1 < f->ncols)
				c1++;
			for (int c = c0; c < c1; c++)
			{
				/* at the interval's ends, let the distance itself decide */
				double		x = f->x0 + (c + 0.5) * f->cell;
				bool		edge = x - from < 1e-6 * f->cell ||
				to - x < 1e-6 * f->cell;

				if (edge && ajk_segment_dist2(x, y, ax, ay, bx, by)
					>= dist * dist)
					continue;
				line[c] |= bit;
			}
			work += c1 - c0 + 8;
		}
		if (poll && work > 1000000)
		{
			work = 0;
			if (poll(arg, (double) i / last))
				return AJK_STOPPED;
		}
	}
	return AJK_OK;
}
