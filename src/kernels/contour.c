/*-------------------------------------------------------------------------
 *
 * contour.c
 *		Lines of equal value through a grid, by marching squares.
 *
 * The corners of the squares are the centres of the cells.  A corner counts
 * as above a level if its value is at least that, so no corner ever lies on
 * a line and every line passes between corners: it is either closed or ends
 * at the rim.  Where a square's corners are above and below in turn, the
 * mean of the four decides which two are connected.
 *
 * Each side of a square that a line crosses is crossed by one line only, so
 * lines are followed from side to side and sides are marked as passed.
 * Lines that end are followed first, from an end; what is left is closed.
 *
 * Cost: a look at every cell of the rows whose range holds the level, for
 * each level; memory: four bytes a cell.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "contour.h"

#include <math.h>
#include <stdlib.h>

/* Sides of a square, and of which kind they are. */
enum
{
	NORTH, EAST, SOUTH, WEST
};

typedef struct Tracer
{
	const float *z;
	int			ncols;
	int			nrows;
	double		level;
	uint16_t	stamp;			/* of this level */
	uint16_t   *across;			/* [cell] stamp: side to the cell east of it */
	uint16_t   *down;			/* [cell] stamp: side to the cell south of it */
	double	   *col;
	double	   *row;
	int			n;
	int			max;
} Tracer;

static inline double
value(const Tracer *t, int r, int c)
{
	return t->z[(size_t) r * t->ncols + c];
}

/* The square of which r, c is the north-western corner, all corners known? */
static bool
square_known(const Tracer *t, int r, int c)
{
	return r >= 0 && c >= 0 && r < t->nrows - 1 && c < t->ncols - 1 &&
		!isnan(value(t, r, c) + value(t, r, c + 1) +
			   value(t, r + 1, c) + value(t, r + 1, c + 1));
}

/* The two corners that a side of a square joins. */
static void
side_ends(int r, int c, int side, int *r0, int *c0, int *r1, int *c1)
{
	*r0 = side == SOUTH ? r + 1 : r;
	*c0 = side == EAST ? c + 1 : c;
	*r1 = side == NORTH ? r : r + 1;
	*c1 = side == WEST ? c : c + 1;
}

static bool
side_crossed(const Tracer *t, int r, int c, int side)
{
	int			r0,
				c0,
				r1,
				c1;

	side_ends(r, c, side, &r0, &c0, &r1, &c1);
	return (value(t, r0, c0) >= t->level) != (value(t, r1, c1) >= t->level);
}

static uint16_t *
side_mark(const Tracer *t, int r, int c, int side)
{
	int			r0,
				c0,
				r1,
				c1;

	side_ends(r, c, side, &r0, &c0, &r1, &c1);
	return (r0 == r1 ? t->across : t->down) + (size_t) r0 * t->ncols + c0;
}

/* Where a line that comes in by one side of a square leaves it. */
static int
way_out(const Tracer *t, int r, int c, int in)
{
	bool		nw,
				centre;

	for (int side = 0, n = 0, out = in;; side++)
	{
		if (side == 4)
		{
			if (n == 1)
				return out;
			break;				/* three others are crossed */
		}
		if (side != in && side_crossed(t, r, c, side))
		{
			out = side;
			n++;
		}
	}
	nw = value(t, r, c) >= t->level;
	centre = (value(t, r, c) + value(t, r, c + 1) + value(t, r + 1, c) +
			  value(t, r + 1, c + 1)) / 4 >= t->level;

	/* north joins east where the corner between them is the odd one out */
	if (nw == centre)
		return in == NORTH ? EAST : in == EAST ? NORTH :
			in == SOUTH ? WEST : SOUTH;
	return in == NORTH ? WEST : in == WEST ? NORTH :
		in == SOUTH ? EAST : SOUTH;
}

/* Add the place where the line crosses a side, and mark the side. */
static bool
add_place(Tracer *t, int r, int c, int side)
{
	int			r0,
				c0,
				r1,
				c1;
	double		a,
				b,
				f;

	if (t->n == t->max)
	{
		int			more = t->max ? t->max * 2 : 1024;
		double	   *col = realloc(t->col, more * sizeof(double));
		double	   *row;

		if (col == NULL)
			return false;
		t->col = col;
		row = realloc(t->row, more * sizeof(double));
		if (row == NULL)
			return false;
		t->row = row;
		t->max = more;
	}
	side_ends(r, c, side, &r0, &c0, &r1, &c1);
	a = value(t, r0, c0);
	b = value(t, r1, c1);
	f = (t->level - a) / (b - a);
	t->col[t->n] = c0 + 0.5 + f * (c1 - c0);
	t->row[t->n] = r0 + 0.5 + f * (r1 - r0);
	t->n++;
	*side_mark(t, r, c, side) = t->stamp;
	return true;
}

/* Follow a line from a side of square r, c through that square and on. */
static AjkError
follow(Tracer *t, int r, int c, int side, AjkContourLine line, void *arg)
{
	bool		closed = false;

	t->n = 0;
	if (!add_place(t, r, c, side))
		return AJK_NOMEM;
	while (square_known(t, r, c))
	{
		side = way_out(t, r, c, side);
		if (*side_mark(t, r, c, side) == t->stamp)
		{
			/* back at the beginning */
			closed = true;
			if (!add_place(t, r, c, side))
				return AJK_NOMEM;
			break;
		}
		if (!add_place(t, r, c, side))
			return AJK_NOMEM;
		switch (side)
		{
			case NORTH:
				r--;
				side = SOUTH;
				break;
			case EAST:
				c++;
				side = WEST;
				break;
			case SOUTH:
				r++;
				side = NORTH;
				break;
			default:
				c--;
				side = EAST;
		}
	}
	return line(arg, t->level, closed, t->n, t->col, t->row);
}

/* All lines of the level; ends first. */
static AjkError
trace_level(Tracer *t, const float *row_lo, const float *row_hi,
			AjkContourLine line, void *arg)
{
	for (int closed = 0; closed < 2; closed++)
		for (int r = 0; r < t->nrows - 1; r++)
		{
			/* written so that rows without a known cell are passed over */
			if (!(fminf(row_lo[r], row_lo[r + 1]) < t->level &&
				  fmaxf(row_hi[r], row_hi[r + 1]) >= t->level))
				continue;
			for (int c = 0; c < t->ncols - 1; c++)
			{
				if (!square_known(t, r, c))
					continue;
				for (int side = 0; side < 4; side++)
				{
					AjkError	err;
					bool		end =
					side == NORTH ? !square_known(t, r - 1, c) :
					side == EAST ? !square_known(t, r, c + 1) :
					side == SOUTH ? !square_known(t, r + 1, c) :
					!square_known(t, r, c - 1);

					if ((!closed && !end) || !side_crossed(t, r, c, side) ||
						*side_mark(t, r, c, side) == t->stamp)
						continue;
					err = follow(t, r, c, side, line, arg);
					if (err != AJK_OK)
						return err;
				}
			}
		}
	return AJK_OK;
}

AjkError
ajk_contours(const float *z, int ncols, int nrows, double base,
			 double interval, AjkContourLine line, void *arg,
			 ajk_poll poll, void *poll_arg)
{
	size_t		n = (size_t) ncols * nrows;
	Tracer		t = {.z = z,.ncols = ncols,.nrows = nrows};
	float	   *row_lo = malloc(nrows * sizeof(float));
	float	   *row_hi = malloc(nrows * sizeof(float));
	double		lo = INFINITY,
				hi = -INFINITY;
	double		first,
				last;
	AjkError	err = AJK_OK;

	if (!(interval > 0))
		err = AJK_INVALID;
	t.across = calloc(n, sizeof(uint16_t));
	t.down = calloc(n, sizeof(uint16_t));
	if (row_lo == NULL || row_hi == NULL || t.across == NULL || t.down == NULL)
		err = AJK_NOMEM;
	for (int r = 0; err == AJK_OK && r < nrows; r++)
	{
		row_lo[r] = INFINITY;
		row_hi[r] = -INFINITY;
		for (int c = 0; c < ncols; c++)
		{
			row_lo[r] = fminf(row_lo[r], z[(size_t) r * ncols + c]);
			row_hi[r] = fmaxf(row_hi[r], z[(size_t) r * ncols + c]);
		}
		lo = fmin(lo, row_lo[r]);
		hi = fmax(hi, row_hi[r]);
	}
	first = ceil((lo - base) / interval);
	last = floor((hi - base) / interval);
	if (err == AJK_OK && lo <= hi && last - first >= UINT16_MAX)
		err = AJK_RANGE;
	for (double i = first; err == AJK_OK && lo <= hi && i <= last; i++)
	{
		t.level = base + i * interval;
		t.stamp++;
		err = trace_level(&t, row_lo, row_hi, line, arg);
		if (err == AJK_OK && poll &&
			poll(poll_arg, (i - first) / (last - first + 1)))
			err = AJK_STOPPED;
	}
	free(row_lo);
	free(row_hi);
	free(t.across);
	free(t.down);
	free(t.col);
	free(t.row);
	return err;
}
