/*-------------------------------------------------------------------------
 *
 * geometry.h
 *		Points, paths and polygons in the plane.
 *
 * A polygon is a set of rings, exteriors and holes alike, read by the
 * even-odd rule.  A ring's last point is joined to its first and need not
 * repeat it.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_GEOMETRY_H
#define AJK_GEOMETRY_H

#include "kernel.h"

typedef struct AjkPath
{
	int			n;
	const double *x;
	const double *y;
} AjkPath;

/*
 * A grid's place: row 0 is the northernmost, x0 and y0 its outer corner.  A
 * band of a grid begins at its row row0, and what is computed for it is what
 * is for the whole, to the last bit.
 */
typedef struct AjkFrame
{
	int			ncols;
	int			nrows;			/* of the band */
	double		x0;				/* west edge */
	double		y0;				/* north edge, of row 0 */
	double		cell;
	int			row0;			/* first row of the band */
} AjkFrame;

/* The height of the centres of a band's row */
static inline double
ajk_row_y(const AjkFrame *f, int row)
{
	return f->y0 - (row + f->row0 + 0.5) * f->cell;
}

/* Signed area, positive if counterclockwise. */
extern double ajk_ring_area(const AjkPath *ring);

/* Centre of gravity of the area. */
extern void ajk_ring_centroid(const AjkPath *ring, double *x, double *y);

extern bool ajk_in_rings(const AjkPath *rings, int nrings, double x, double y);

/* Squared distance from p to the segment a-b. */
extern double ajk_segment_dist2(double px, double py, double ax, double ay,
								double bx, double by);

/* Distance to a path's points and segments; closed joins the ends. */
extern double ajk_path_dist(const AjkPath *path, bool closed,
							double x, double y);

typedef enum AjkRingFault
{
	AJK_RING_GOOD = 0,
	AJK_RING_SHORT,				/* fewer than three distinct points */
	AJK_RING_FLAT,				/* encloses no area */
	AJK_RING_CROSSES			/* crosses or touches itself, crosses or runs
								 * along another ring */
} AjkRingFault;

/*
 * Check rings, each by itself and against each other.  On a fault *ring is
 * the ring's number from 0, *x and *y a place of it.
 */
extern AjkError ajk_rings_check(const AjkPath *rings, int nrings,
								AjkRingFault *fault, int *ring,
								double *x, double *y);

/*
 * Set bit in every cell whose centre lies inside the rings (or outside, if
 * inside is false).
 */
extern AjkError ajk_raster_rings(const AjkFrame *frame, const AjkPath *rings,
								 int nrings, bool inside, uint32_t bit,
								 uint32_t *cells, ajk_poll poll, void *arg);

/*
 * Set bit in every cell whose centre is nearer than dist to the path (not
 * the area within).
 */
extern AjkError ajk_raster_near(const AjkFrame *frame, const AjkPath *path,
								bool closed, double dist, uint32_t bit,
								uint32_t *cells, ajk_poll poll, void *arg);

#endif							/* AJK_GEOMETRY_H */
