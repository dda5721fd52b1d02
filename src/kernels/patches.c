/*-------------------------------------------------------------------------
 *
 * patches.c
 *		Connected patches and the widest clearing of a grid, row by row.
 *
 * A patch is known by a record while a cell of the last row belongs to it.
 * Where two meet, their records are joined (union-find among the records of
 * two rows); a record that no cell of a new row belongs to is done, and is
 * used again.  So the memory is that of a row, and what is known of a patch
 * in the end are sums.
 *
 * The distance to the nearest cell above is carried along; that to the
 * nearest below is looked up once it has been passed, so each cell of a
 * column is looked at twice.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "patches.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mask.h"

typedef struct Record
{
	AjkPatch	patch;
	int			parent;			/* itself, or what it was joined to */
	int			row;			/* parity of the last row it was seen in */
} Record;

struct AjkPatches
{
	int			ncols;
	int64_t		row;
	AjkPatchDone done;
	void	   *arg;
	int		   *above;			/* ncols: record of the row before, -1 none */
	int		   *here;
	Record	   *record;
	int			nrecords;
	int		   *unused;			/* stack of records */
	int			nunused;
	int		   *used;			/* list of the others */
	int			nused;
};

void
ajk_patches_free(AjkPatches *p)
{
	if (p == NULL)
		return;
	free(p->above);
	free(p->here);
	free(p->record);
	free(p->unused);
	free(p->used);
	free(p);
}

AjkError
ajk_patches_begin(AjkPatches **patches, int ncols, AjkPatchDone done,
				  void *arg)
{
	AjkPatches *p = calloc(1, sizeof(*p));

	*patches = NULL;
	if (p == NULL)
		return AJK_NOMEM;

	/* every second cell of two rows */
	p->ncols = ncols;
	p->nrecords = ncols + 2;
	p->done = done;
	p->arg = arg;
	p->above = malloc(sizeof(int) * (size_t) ncols);
	p->here = malloc(sizeof(int) * (size_t) ncols);
	p->record = malloc(sizeof(Record) * (size_t) p->nrecords);
	p->unused = malloc(sizeof(int) * (size_t) p->nrecords);
	p->used = malloc(sizeof(int) * (size_t) p->nrecords);
	if (!p->above || !p->here || !p->record || !p->unused || !p->used)
	{
		ajk_patches_free(p);
		return AJK_NOMEM;
	}
	for (int c = 0; c < ncols; c++)
		p->above[c] = -1;
	for (int i = 0; i < p->nrecords; i++)
		p->unused[p->nunused++] = p->nrecords - 1 - i;
	*patches = p;
	return AJK_OK;
}

static int
root_of(AjkPatches *p, int i)
{
	Record	   *r = p->record;

	while (r[i].parent != i)
	{
		r[i].parent = r[r[i].parent].parent;
		i = r[i].parent;
	}
	return i;
}

static int
new_record(AjkPatches *p, int64_t first)
{
	int			i = p->unused[--p->nunused];
	Record	   *r = &p->record[i];

	memset(r, 0, sizeof(*r));
	r->parent = i;
	r->patch.first = first;
	r->patch.best_at = first;
	r->patch.best = -INFINITY;
	p->used[p->nused++] = i;
	return i;
}

/* Join two records; the one whose patch began first stays. */
static int
join(AjkPatches *p, int a, int b)
{
	AjkPatch   *to;
	const AjkPatch *from;

	if (a == b)
		return a;
	if (p->record[b].patch.first < p->record[a].patch.first)
	{
		int			t = a;

		a = b;
		b = t;
	}
	to = &p->record[a].patch;
	from = &p->record[b].patch;
	p->record[b].parent = a;
	to->cells += from->cells;
	for (int k = 0; k < AJK_PATCH_SUMS; k++)
		to->sum[k] += from->sum[k];
	if (from->best > to->best ||
		(from->best == to->best && from->best_at < to->best_at))
	{
		to->best = from->best;
		to->best_at = from->best_at;
	}
	return a;
}

/* Hand over what no cell of the row belongs to, and keep the rest. */
static AjkError
settle(AjkPatches *p)
{
	int			kept = 0;
	AjkError	err = AJK_OK;

	for (int i = 0; i < p->nused; i++)
		p->record[p->used[i]].row = 0;
	for (int c = 0; c < p->ncols; c++)
		if (p->here[c] >= 0)
		{
			p->here[c] = root_of(p, p->here[c]);
			p->record[p->here[c]].row = 1;
		}
	for (int i = 0; i < p->nused; i++)
	{
		int			r = p->used[i];

		if (p->record[r].row)
			p->used[kept++] = r;
		else
		{
			if (p->record[r].parent == r && err == AJK_OK)
				err = p->done(p->arg, &p->record[r].patch);
			p->unused[p->nunused++] = r;
		}
	}
	p->nused = kept;
	return err;
}

AjkError
ajk_patches_row(AjkPatches *p, const bool *member,
				const float *const value[AJK_PATCH_SUMS])
{
	int64_t		at = p->row * p->ncols;
	int		   *t;
	AjkError	err;

	for (int c = 0; c < p->ncols; c++, at++)
	{
		int			west = c > 0 ? p->here[c - 1] : -1;
		int			north = p->above[c];
		AjkPatch   *patch;

		p->here[c] = -1;
		if (!member[c])
			continue;
		if (west >= 0 && north >= 0)
			p->here[c] = join(p, root_of(p, north), root_of(p, west));
		else if (west >= 0 || north >= 0)
			p->here[c] = root_of(p, west >= 0 ? west : north);
		else
			p->here[c] = new_record(p, at);
		patch = &p->record[p->here[c]].patch;
		patch->cells++;
		for (int k = 0; k < AJK_PATCH_SUMS; k++)
			if (value[k])
				patch->sum[k] += value[k][c];
		if (value[0] && value[0][c] > patch->best)
		{
			patch->best = value[0][c];
			patch->best_at = at;
		}
	}
	err = settle(p);
	p->row++;
	t = p->above;
	p->above = p->here;
	p->here = t;
	return err;
}

AjkError
ajk_patches_end(AjkPatches *p)
{
	for (int c = 0; c < p->ncols; c++)
		p->here[c] = -1;
	return settle(p);
}

/* ---- bits ---- */

static void
clear_bit(uint8_t *bits, size_t i)
{
	bits[i >> 3] &= (uint8_t) ~(1 << (i & 7));
}

AjkError
ajk_bits_erase(uint8_t *bits, int ncols, int nrows, size_t first)
{
	size_t		room = 64;
	size_t	   *stack = malloc(room * sizeof(size_t));
	size_t		n = 0;

	if (stack == NULL)
		return AJK_NOMEM;
	clear_bit(bits, first);
	stack[n++] = first;
	while (n > 0)
	{
		size_t		i = stack[--n];
		size_t		row = i / (size_t) ncols;
		size_t		col = i % (size_t) ncols;
		size_t		next[4];
		int			k = 0;

		if (n + 4 > room)
		{
			size_t	   *more = realloc(stack, 2 * room * sizeof(size_t));

			if (more == NULL)
			{
				free(stack);
				return AJK_NOMEM;
			}
			stack = more;
			room *= 2;
		}
		if (row > 0)
			next[k++] = i - (size_t) ncols;
		if (row + 1 < (size_t) nrows)
			next[k++] = i + (size_t) ncols;
		if (col > 0)
			next[k++] = i - 1;
		if (col + 1 < (size_t) ncols)
			next[k++] = i + 1;
		while (k > 0)
			if (ajk_bit(bits, next[--k]))
			{
				clear_bit(bits, next[k]);
				stack[n++] = next[k];
			}
	}
	free(stack);
	return AJK_OK;
}

AjkError
ajk_bits_clearing(const uint8_t *bits, int ncols, int nrows, double *radius,
				  size_t *at, ajk_poll poll, void *arg)
{
	size_t		room = (size_t) ncols + 1;
	float	   *line = malloc(room * sizeof(float));
	float	   *up = malloc(room * sizeof(float));	/* to the nearest above */
	int		   *below = malloc(room * sizeof(int)); /* row of the nearest
													 * below */
	double	   *f = malloc(room * sizeof(double));
	double	   *z = malloc(room * sizeof(double));
	int		   *v = malloc(room * sizeof(int));
	int			every = 65536 / (ncols > 0 ? ncols : 1) + 1;
	AjkError	err = AJK_OK;

	*radius = 0.0;
	*at = 0;
	if (!line || !up || !below || !f || !z || !v)
		err = AJK_NOMEM;
	for (int c = 0; err == AJK_OK && c < ncols; c++)
	{
		up[c] = INFINITY;
		below[c] = -1;
	}
	for (int r = 0; err == AJK_OK && r < nrows; r++)
	{
		for (int c = 0; c < ncols; c++)
		{
			size_t		i = (size_t) r * ncols + c;

			if (!ajk_bit(bits, i))
			{
				line[c] = up[c] = 0.0f;
				continue;
			}
			up[c] += 1.0f;
			if (below[c] < r)
			{
				int			k = r + 1;

				while (k < nrows && ajk_bit(bits, (size_t) k * ncols + c))
					k++;
				below[c] = k;
			}
			line[c] = up[c];
			if (below[c] < nrows && below[c] - r < up[c])
				line[c] = (float) (below[c] - r);
		}
		ajk_edt_row(line, ncols, f, z, v);
		for (int c = 0; c < ncols; c++)
			if (!isinf(line[c]) && line[c] > *radius)
			{
				*radius = line[c];
				*at = (size_t) r * ncols + c;
			}
		if (poll && r % every == 0 && poll(arg, (double) r / nrows))
			err = AJK_STOPPED;
	}
	free(line);
	free(up);
	free(below);
	free(f);
	free(z);
	free(v);
	return err;
}
