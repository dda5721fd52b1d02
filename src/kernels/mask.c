/*-------------------------------------------------------------------------
 *
 * mask.c
 *		Grids of reason bits: distances, patches, counts.
 *
 * The distance transform is that of P. Felzenszwalb and D. Huttenlocher,
 * "Distance transforms of sampled functions", Theory of Computing 8 (2012):
 * the lower envelope of parabolas, first along the columns and then along
 * the rows, exact and linear in the number of cells.  The first pass needs
 * no parabolas, since there the distances are whole numbers.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "mask.h"

#include <math.h>
#include <stdlib.h>

/* Asks the caller every so many cells whether to stop. */
#define POLL_CELLS	((size_t) 1 << 18)

static inline bool
asks(size_t i, size_t n, ajk_poll poll, void *arg)
{
	return poll && i % POLL_CELLS == 0 && poll(arg, (double) i / n);
}

/*
 * Lower envelope of the parabolas (x - q)^2 + f(q), f being the square of the
 * line's value at q: distances in the row's own direction come in.
 */
void
ajk_edt_row(float *line, int ncols, double *f, double *z, int *v)
{
	int			k = -1;

	for (int q = 0; q < ncols; q++)
	{
		double		s = -INFINITY;

		f[q] = (double) line[q] * line[q];
		if (isinf(f[q]))
			continue;
		while (k >= 0)
		{
			int			p = v[k];

			s = ((f[q] + (double) q * q) - (f[p] + (double) p * p))
				/ (2.0 * (q - p));
			if (s > z[k])
				break;
			k--;
		}
		if (k < 0)
			s = -INFINITY;
		k++;
		v[k] = q;
		z[k] = s;
	}
	if (k >= 0)
	{
		int			i = 0;

		for (int q = 0; q < ncols; q++)
		{
			double		d;

			while (i < k && z[i + 1] < q)
				i++;
			d = q - v[i];
			line[q] = (float) sqrt(d * d + f[v[i]]);
		}
	}
}

AjkError
ajk_edt(const uint32_t *cells, uint32_t bits, int ncols, int nrows,
		float *dist, ajk_poll poll, void *arg)
{
	int			most = ncols > nrows ? ncols : nrows;
	double	   *f = malloc(((size_t) most + 1) * sizeof(double));
	double	   *z = malloc(((size_t) most + 1) * sizeof(double));
	int		   *v = malloc(((size_t) most + 1) * sizeof(int));
	AjkError	err = AJK_OK;
	int			every = 65536 / (ncols > 0 ? ncols : 1) + 1;

	if (f == NULL || z == NULL || v == NULL)
		err = AJK_NOMEM;

	/* columns: distance to the nearest cell above, then also below */
	for (int r = 0; err == AJK_OK && r < nrows; r++)
	{
		if (poll && r % every == 0 && poll(arg, 0.2 * r / nrows))
			err = AJK_STOPPED;
		for (int c = 0; c < ncols; c++)
		{
			size_t		at = (size_t) r * ncols + c;

			dist[at] = (cells[at] & bits) ? 0.0f :
				r > 0 ? dist[at - ncols] + 1.0f : INFINITY;
		}
	}
	for (int r = nrows - 2; err == AJK_OK && r >= 0; r--)
	{
		if (poll && r % every == 0 && poll(arg, 0.4 - 0.2 * r / nrows))
			err = AJK_STOPPED;
		for (int c = 0; c < ncols; c++)
		{
			size_t		at = (size_t) r * ncols + c;
			float		below = dist[at + ncols] + 1.0f;

			if (below < dist[at])
				dist[at] = below;
		}
	}

	for (int r = 0; err == AJK_OK && r < nrows; r++)
	{
		ajk_edt_row(dist + (size_t) r * ncols, ncols, f, z, v);
		if (poll && r % every == 0 && poll(arg, 0.4 + 0.6 * r / nrows))
			err = AJK_STOPPED;
	}
	free(f);
	free(z);
	free(v);
	return err;
}

AjkError
ajk_mask_above(const float *values, size_t n, double limit, uint32_t bit,
			   uint32_t nan_bit, uint32_t *cells, ajk_poll poll, void *arg)
{
	for (size_t i = 0; i < n; i++)
	{
		if (asks(i, n, poll, arg))
			return AJK_STOPPED;
		if (isnan(values[i]))
			cells[i] |= nan_bit;
		else if (values[i] > limit)
			cells[i] |= bit;
	}
	return AJK_OK;
}

/* Root of a label, halving the path on the way. */
static int32_t
root_of(int32_t *parent, int32_t i)
{
	while (parent[i] != i)
	{
		parent[i] = parent[parent[i]];
		i = parent[i];
	}
	return i;
}

AjkError
ajk_mask_patches(uint32_t *cells, int ncols, int nrows, size_t min_cells,
				 uint32_t bit, int32_t *label, int *npatches,
				 ajk_poll poll, void *arg)
{
	size_t		n = (size_t) ncols * nrows;
	int32_t    *own = NULL;
	int32_t    *parent;
	size_t	   *count;
	int32_t		used = 0;
	int32_t		kept = 0;
	size_t		maxlabels = 1;

	/* a new label begins only at a cell with no zero to its west or north */
	for (size_t i = 0; i < n; i++)
	{
		if (asks(i, 4 * n, poll, arg))
			return AJK_STOPPED;
		if (cells[i] == 0 && (i % ncols == 0 || cells[i - 1] != 0) &&
			(i < (size_t) ncols || cells[i - ncols] != 0))
			maxlabels++;
	}
	if (maxlabels > INT32_MAX)
		return AJK_RANGE;

	if (label == NULL)
		label = own = malloc((n + 1) * sizeof(int32_t));
	parent = malloc(maxlabels * sizeof(int32_t));
	count = calloc(maxlabels, sizeof(size_t));
	if (label == NULL || parent == NULL || count == NULL)
	{
		free(own);
		free(parent);
		free(count);
		return AJK_NOMEM;
	}
	parent[0] = 0;

	for (int r = 0; r < nrows; r++)
		for (int c = 0; c < ncols; c++)
		{
			size_t		at = (size_t) r * ncols + c;
			int32_t		west,
						north;

			label[at] = 0;
			if (asks(at, 2 * n, poll, arg))
				goto stopped;
			if (cells[at] != 0)
				continue;
			west = c > 0 ? label[at - 1] : 0;
			north = r > 0 ? label[at - ncols] : 0;
			if (west == 0 && north == 0)
			{
				used++;
				parent[used] = used;
				label[at] = used;
			}
			else if (west != 0 && north != 0)
			{
				int32_t		a = root_of(parent, west);
				int32_t		b = root_of(parent, north);

				/* the smaller label wins, so numbers don't depend on order */
				if (a < b)
					parent[b] = a;
				else
					parent[a] = b;
				label[at] = a < b ? a : b;
			}
			else
				label[at] = west != 0 ? west : north;
			count[label[at]]++;
		}

	for (int32_t i = 1; i <= used; i++)
	{
		int32_t		root = root_of(parent, i);

		if (root != i)
			count[root] += count[i];
	}
	/* number the patches that stay; 0 stands for those that don't */
	for (int32_t i = 1; i <= used; i++)
		if (parent[i] == i)
			count[i] = count[i] >= min_cells ? (size_t) ++kept : 0;
	for (size_t i = 0; i < n; i++)
	{
		if (asks(i, n, poll, arg))
			goto stopped;
		if (label[i] != 0)
		{
			label[i] = (int32_t) count[root_of(parent, label[i])];
			if (label[i] == 0)
				cells[i] |= bit;
		}
	}
	if (npatches)
		*npatches = kept;
	free(own);
	free(parent);
	free(count);
	return AJK_OK;

stopped:
	free(own);
	free(parent);
	free(count);
	return AJK_STOPPED;
}

AjkError
ajk_mask_counts(const uint32_t *cells, size_t n, uint32_t outside,
				size_t all[32], size_t alone[32], size_t *none,
				ajk_poll poll, void *arg)
{
	for (int b = 0; b < 32; b++)
		all[b] = alone[b] = 0;
	*none = 0;
	for (size_t i = 0; i < n; i++)
	{
		uint32_t	left = cells[i];
		bool		single = (left & (left - 1)) == 0;

		if (asks(i, n, poll, arg))
			return AJK_STOPPED;
		if (left & outside)
			continue;
		if (left == 0)
			(*none)++;
		for (int b = 0; left != 0; b++, left >>= 1)
			if (left & 1)
			{
				all[b]++;
				alone[b] += single;
			}
	}
	return AJK_OK;
}
