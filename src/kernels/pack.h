/*-------------------------------------------------------------------------
 *
 * pack.h
 *		How many turbines fit: points in an area, a minimum distance apart.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_PACK_H
#define AJK_PACK_H

#include "kernel.h"
#include "rng.h"

/* May something stand at x, y?  The exact test, not a cell's. */
typedef bool (*ajk_allowed) (void *arg, double x, double y);

/*
 * An area to build in: candidate points, normally the centres of the
 * buildable cells of a grid, and the exact test for any other point.
 */
typedef struct AjkArea
{
	int			ncells;
	const double *cx;
	const double *cy;
	double		cell_m;			/* width of a candidate's cell */
	ajk_allowed allowed;
	void	   *allowed_arg;
	double		spacing_m;		/* no two points nearer than this */
} AjkArea;

/*
 * Are the points at least d apart?  The one test by which spacing is judged:
 * dx * dx + dy * dy >= d * d in double precision.
 */
static inline bool
ajk_apart(double dx, double dy, double d)
{
	return dx * dx + dy * dy >= d * d;
}

extern double ajk_min_spacing(int n, const double *x, const double *y);

/* Work memory for hexagonal lattices and the packing search. */
typedef struct AjkPacker AjkPacker;

extern AjkError ajk_packer_new(const AjkArea *area, AjkPacker **packer,
							   ajk_poll poll, void *arg);
extern void ajk_packer_free(AjkPacker *packer);

/* Candidates that pass the exact test; the packer's, not to be freed. */
extern int	ajk_packer_cells(const AjkPacker *packer, const double **cx,
							 const double **cy);

extern int	ajk_packer_lattice(AjkPacker *packer, double pitch, double angle,
							   double shift_u, double shift_v,
							   double *x, double *y, int cap);
extern AjkError ajk_packer_search(AjkPacker *packer, int want, uint64_t seed,
								  double *x, double *y, int *n,
								  ajk_poll poll, void *arg);

/* Room that x and y of ajk_packer_search need. */
extern int	ajk_packer_cap(const AjkPacker *packer);

#endif							/* AJK_PACK_H */
