/*-------------------------------------------------------------------------
 *
 * mask.h
 *		Grids of reason bits: distances, patches, counts, outlines.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_MASK_H
#define AJK_MASK_H

#include "geometry.h"

/*
 * Distance, in cells, from each cell's centre to that of the nearest cell
 * of which (cells[i] & bits) != 0; INFINITY if there is none.
 */
extern AjkError ajk_edt(const uint32_t *cells, uint32_t bits, int ncols,
						int nrows, float *dist, ajk_poll poll, void *arg);

/*
 * The last step of it for one row, of which line holds the distances along
 * the columns; f, z and v have room for a value per column and one more.
 */
extern void ajk_edt_row(float *line, int ncols, double *f, double *z, int *v);

/* Set bit where a value exceeds limit, and nan_bit where it is NaN. */
extern AjkError ajk_mask_above(const float *values, size_t n, double limit,
							   uint32_t bit, uint32_t nan_bit,
							   uint32_t *cells, ajk_poll poll, void *arg);

/*
 * Connected patches (sharing an edge) of the cells that are zero.  Those of
 * fewer than min_cells get bit.  label, if not NULL, receives each
 * remaining patch's number from 1, or 0; *npatches their count.
 */
extern AjkError ajk_mask_patches(uint32_t *cells, int ncols, int nrows,
								 size_t min_cells, uint32_t bit,
								 int32_t *label, int *npatches,
								 ajk_poll poll, void *arg);

/*
 * Cells per reason, leaving out those that have any bit of outside: all[b]
 * counts those with bit b, alone[b] those with it and no other, and
 * *none is the number of cells with none.
 */
extern AjkError ajk_mask_counts(const uint32_t *cells, size_t n,
								uint32_t outside, size_t all[32],
								size_t alone[32], size_t *none,
								ajk_poll poll, void *arg);

/*
 * Outlines of a set of cells as rings along the cells' borders, in grid
 * corners (col, row) counted from the north-west; seen with north up,
 * exteriors run counterclockwise and holes clockwise.  A hole follows the
 * exterior of the patch it lies in.  The enclosed area is that of the cells
 * exactly.
 */
typedef struct AjkOutline
{
	int			nrings;
	int		   *start;			/* [nrings + 1], into col and row */
	bool	   *hole;			/* [nrings] */
	int		   *patch;			/* [nrings], from 0, ascending */
	int		   *col;
	int		   *row;
} AjkOutline;

/*
 * The set is where (cells[i] & mask) == value (or != value, if not is true).
 */
extern AjkError ajk_outline(const uint32_t *cells, uint32_t mask,
							uint32_t value, bool not, int ncols, int nrows,
							AjkOutline *outline, ajk_poll poll, void *arg);
extern void ajk_outline_free(AjkOutline *outline);

#endif							/* AJK_MASK_H */
