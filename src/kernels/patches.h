/*-------------------------------------------------------------------------
 *
 * patches.h
 *		Connected patches and the widest clearing of a grid, row by row.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_PATCHES_H
#define AJK_PATCHES_H

#include "kernel.h"

#define AJK_PATCH_SUMS 3

/* A connected patch (sharing an edge) of cells, when all of it was seen */
typedef struct AjkPatch
{
	int64_t		cells;
	int64_t		first;			/* in reading order, row * ncols + column */
	double		sum[AJK_PATCH_SUMS];	/* of the caller's quantities */
	float		best;			/* largest of the first of them */
	int64_t		best_at;		/* and where, first in reading order */
} AjkPatch;

typedef AjkError (*AjkPatchDone) (void *arg, const AjkPatch *patch);

typedef struct AjkPatches AjkPatches;

/*
 * done is called for each patch as soon as it cannot grow any more; in the
 * order in which they end.  Memory: some 80 bytes a column, whatever the
 * number of rows.
 */
extern AjkError ajk_patches_begin(AjkPatches **patches, int ncols,
								  AjkPatchDone done, void *arg);

/*
 * The next row: which cells belong to a patch, and up to AJK_PATCH_SUMS
 * quantities of each (pointers may be NULL).
 */
extern AjkError ajk_patches_row(AjkPatches *patches, const bool *member,
								const float *const value[AJK_PATCH_SUMS]);
extern AjkError ajk_patches_end(AjkPatches *patches);
extern void ajk_patches_free(AjkPatches *patches);

/* ---- grids of one bit a cell ---- */

static inline bool
ajk_bit(const uint8_t *bits, size_t i)
{
	return bits[i >> 3] >> (i & 7) & 1;
}

static inline void
ajk_set_bit(uint8_t *bits, size_t i)
{
	bits[i >> 3] |= (uint8_t) (1 << (i & 7));
}

/* Clear the bits of the patch (sharing edges) that the cell first is in. */
extern AjkError ajk_bits_erase(uint8_t *bits, int ncols, int nrows,
							   size_t first);

/*
 * The cell that is farthest from all cells whose bit is not set (between
 * centres, in cells), first in reading order; *radius 0 if none is set, or
 * all are.  As ajk_edt finds it, in the memory of a few rows.
 */
extern AjkError ajk_bits_clearing(const uint8_t *bits, int ncols, int nrows,
								  double *radius, size_t *at, ajk_poll poll,
								  void *arg);

#endif							/* AJK_PATCHES_H */
