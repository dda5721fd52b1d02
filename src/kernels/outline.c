/*-------------------------------------------------------------------------
 *
 * outline.c
 *		Outlines of a set of cells.
 *
 * Walks along the borders between cells inside and outside the set with the
 * inside to the left.  At a corner where two inside cells touch only
 * diagonally the walk turns left, so patches connect by edges only, as in
 * ajk_mask_patches.  Points on a straight run are left out.
 *
 * A ring that meets itself at such a corner is split there, so every ring is
 * simple and the polygons are valid as simple features have it.
 *
 * Every border has one northern edge of an inside cell that is passed going
 * west; each such edge not yet passed starts a ring.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "mask.h"

#include <stdlib.h>
#include <string.h>

typedef struct Walk
{
	int			ncols;
	int			nrows;
	int32_t    *label;			/* patch of each inside cell, 0 outside */
	uint8_t    *passed;			/* northern edge of the cell was passed */
	int32_t    *seen;			/* place in the ring of a corner, from 1 */
	AjkOutline *out;
	size_t		npoints;
	size_t		maxpoints;
	int			maxrings;
} Walk;

/* east, north, west, south; row numbers grow southwards */
static const int step_col[4] = {1, 0, -1, 0};
static const int step_row[4] = {0, -1, 0, 1};

/* the cell to the left and to the right ahead of a corner, by direction */
static const int left_col[4] = {0, -1, -1, 0};
static const int left_row[4] = {-1, -1, 0, 0};
static const int right_col[4] = {0, 0, -1, -1};
static const int right_row[4] = {0, -1, -1, 0};

static bool
is_inside(const Walk *w, int col, int row)
{
	return col >= 0 && col < w->ncols && row >= 0 && row < w->nrows &&
		w->label[(size_t) row * w->ncols + col] != 0;
}

static bool
add_point(Walk *w, int col, int row)
{
	if (w->npoints == w->maxpoints)
	{
		size_t		more = w->maxpoints ? w->maxpoints * 2 : 1024;
		int		   *c = realloc(w->out->col, more * sizeof(int));
		int		   *r;

		if (c == NULL)
			return false;
		w->out->col = c;
		r = realloc(w->out->row, more * sizeof(int));
		if (r == NULL)
			return false;
		w->out->row = r;
		w->maxpoints = more;
	}
	w->out->col[w->npoints] = col;
	w->out->row[w->npoints] = row;
	w->npoints++;
	return true;
}

static bool
add_ring(Walk *w, int patch)
{
	AjkOutline *o = w->out;

	if (o->nrings == w->maxrings)
	{
		int			more = w->maxrings ? w->maxrings * 2 : 64;
		int		   *start = realloc(o->start, (more + 1) * sizeof(int));
		int		   *patches;
		bool	   *holes;

		if (start == NULL)
			return false;
		o->start = start;
		patches = realloc(o->patch, more * sizeof(int));
		if (patches == NULL)
			return false;
		o->patch = patches;
		holes = realloc(o->hole, more * sizeof(bool));
		if (holes == NULL)
			return false;
		o->hole = holes;
		w->maxrings = more;
	}
	o->start[o->nrings] = (int) w->npoints;
	o->patch[o->nrings] = patch;
	o->hole[o->nrings] = false;
	o->nrings++;
	return true;
}

/* Is the ring from a point on a hole? */
static void
set_hole(Walk *w, size_t first)
{
	double		twice = 0.0;

	/* rows count southwards, so a hole's doubled area comes out positive */
	for (size_t i = first; i < w->npoints; i++)
	{
		size_t		j = i + 1 < w->npoints ? i + 1 : first;

		twice += (double) w->out->col[i] * w->out->row[j]
			- (double) w->out->col[j] * w->out->row[i];
	}
	w->out->hole[w->out->nrings - 1] = twice > 0.0;
}

/*
 * A ring that comes to a corner twice, where cells of the patch touch only
 * diagonally, becomes several rings that touch there: simple features know
 * no ring that touches itself.  What lies between the two visits is cut out
 * whenever a corner is met again.
 */
static bool
split_ring(Walk *w, size_t first)
{
	AjkOutline *o = w->out;
	int			patch = o->patch[o->nrings - 1];
	size_t		n = w->npoints - first;
	int		   *col = malloc(2 * n * sizeof(int));
	int		   *row = col + n;
	size_t		depth = 0;
	bool		good = col != NULL;

	if (!good)
		return false;
	memcpy(col, o->col + first, n * sizeof(int));
	memcpy(row, o->row + first, n * sizeof(int));
	o->nrings--;
	w->npoints = first;

	/* col and row, as far as they are read, become the stack */
	for (size_t i = 0; good && i < n; i++)
	{
		size_t		corner = (size_t) row[i] * (w->ncols + 1) + col[i];
		size_t		from = (size_t) w->seen[corner];

		if (from > 0)
		{
			good = add_ring(w, patch);
			for (size_t k = from - 1; good && k < depth; k++)
				good = add_point(w, col[k], row[k]);
			for (size_t k = from; k < depth; k++)
				w->seen[(size_t) row[k] * (w->ncols + 1) + col[k]] = 0;
			if (good)
				set_hole(w, (size_t) o->start[o->nrings - 1]);
			depth = from;
			continue;
		}
		col[depth] = col[i];
		row[depth] = row[i];
		w->seen[corner] = (int32_t) ++depth;
	}
	good = good && add_ring(w, patch);
	for (size_t k = 0; good && k < depth; k++)
		good = add_point(w, col[k], row[k]);
	for (size_t k = 0; k < depth; k++)
		w->seen[(size_t) row[k] * (w->ncols + 1) + col[k]] = 0;
	if (good)
		set_hole(w, (size_t) o->start[o->nrings - 1]);
	free(col);
	return good;
}

/* Follow one border from the northern edge of cell (col, row), going west. */
static bool
walk_ring(Walk *w, int col, int row)
{
	int			dir = 2;
	int			c = col + 1,
				r = row;
	size_t		first = w->npoints;

	if (!add_ring(w, w->label[(size_t) row * w->ncols + col] - 1))
		return false;
	do
	{
		int			turn;

		if (dir == 2)
			w->passed[(size_t) r * w->ncols + c - 1] = 1;
		c += step_col[dir];
		r += step_row[dir];

		if (!is_inside(w, c + left_col[dir], r + left_row[dir]))
			turn = 1;
		else if (!is_inside(w, c + right_col[dir], r + right_row[dir]))
			turn = 0;
		else
			turn = 3;
		if (turn != 0 && !add_point(w, c, r))
			return false;
		dir = (dir + turn) % 4;
	} while (!(dir == 2 && c == col + 1 && r == row));

	return split_ring(w, first);
}

/* Put the rings of a patch together, exterior first. */
static AjkError
sort_rings(AjkOutline *o, int npatches)
{
	int			n = o->nrings;
	int		   *next = calloc((size_t) npatches + 1, sizeof(int));
	int		   *order = malloc(((size_t) n + 1) * sizeof(int));
	int		   *start = malloc(((size_t) n + 1) * sizeof(int));
	int		   *patch = malloc(((size_t) n + 1) * sizeof(int));
	bool	   *hole = malloc(((size_t) n + 1) * sizeof(bool));
	int			total = o->start[n];
	int		   *col = malloc(((size_t) total + 1) * sizeof(int));
	int		   *row = malloc(((size_t) total + 1) * sizeof(int));
	bool		good = next && order && start && patch && hole && col && row;

	if (good)
	{
		int			at = 0;

		for (int i = 0; i < n; i++)
			next[o->patch[i] + 1]++;
		for (int i = 0; i < npatches; i++)
			next[i + 1] += next[i];

		/* exteriors take the first place of their patch */
		for (int i = 0; i < n; i++)
			if (!o->hole[i])
				order[next[o->patch[i]]++] = i;
		for (int i = 0; i < n; i++)
			if (o->hole[i])
				order[next[o->patch[i]]++] = i;
		for (int k = 0; k < n; k++)
		{
			int			i = order[k];
			int			len = o->start[i + 1] - o->start[i];

			start[k] = at;
			patch[k] = o->patch[i];
			hole[k] = o->hole[i];
			memcpy(col + at, o->col + o->start[i], len * sizeof(int));
			memcpy(row + at, o->row + o->start[i], len * sizeof(int));
			at += len;
		}
		start[n] = at;
		ajk_outline_free(o);
		o->nrings = n;
		o->start = start;
		o->patch = patch;
		o->hole = hole;
		o->col = col;
		o->row = row;
	}
	else
	{
		free(start);
		free(patch);
		free(hole);
		free(col);
		free(row);
	}
	free(next);
	free(order);
	return good ? AJK_OK : AJK_NOMEM;
}

AjkError
ajk_outline(const uint32_t *cells, uint32_t mask, uint32_t value, bool not,
			int ncols, int nrows, AjkOutline *out, ajk_poll poll, void *arg)
{
	size_t		n = (size_t) ncols * nrows;
	Walk		w = {.ncols = ncols,.nrows = nrows,.out = out};
	uint32_t   *wanted = malloc((n + 1) * sizeof(uint32_t));
	int			npatches = 0;
	AjkError	err = AJK_OK;

	memset(out, 0, sizeof(*out));
	w.label = malloc((n + 1) * sizeof(int32_t));
	w.passed = calloc(n + 1, 1);
	w.seen = calloc(((size_t) ncols + 1) * ((size_t) nrows + 1),
					sizeof(int32_t));
	if (wanted == NULL || w.label == NULL || w.passed == NULL ||
		w.seen == NULL)
		err = AJK_NOMEM;
	else
	{
		for (size_t i = 0; i < n && err == AJK_OK; i++)
		{
			wanted[i] = ((cells[i] & mask) == value) == not;
			if (poll && i % 262144 == 0 && poll(arg, 0.0))
				err = AJK_STOPPED;
		}
	}
	if (err == AJK_OK)
		err = ajk_mask_patches(wanted, ncols, nrows, 0, 0, w.label,
							   &npatches, poll, arg);
	for (int r = 0; err == AJK_OK && r < nrows; r++)
	{
		if (poll && r % (65536 / ncols + 1) == 0 &&
			poll(arg, (double) r / nrows))
			err = AJK_STOPPED;
		for (int c = 0; err == AJK_OK && c < ncols; c++)
			if (is_inside(&w, c, r) && !is_inside(&w, c, r - 1) &&
				!w.passed[(size_t) r * ncols + c] && !walk_ring(&w, c, r))
				err = AJK_NOMEM;
	}
	if (err == AJK_OK && out->nrings > 0)
	{
		out->start[out->nrings] = (int) w.npoints;
		err = sort_rings(out, npatches);
	}
	free(wanted);
	free(w.label);
	free(w.passed);
	free(w.seen);
	if (err != AJK_OK)
		ajk_outline_free(out);
	return err;
}

void
ajk_outline_free(AjkOutline *o)
{
	free(o->start);
	free(o->hole);
	free(o->patch);
	free(o->col);
	free(o->row);
	memset(o, 0, sizeof(*o));
}
