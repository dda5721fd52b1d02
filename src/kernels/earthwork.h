/*-------------------------------------------------------------------------
 *
 * earthwork.h
 *		Vertical profiles of roads, level pads, and the ground to be moved.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_EARTHWORK_H
#define AJK_EARTHWORK_H

#include "kernel.h"

/* Elevation of the ground at a place; NaN where unknown. */
typedef double (*AjkGround) (void *arg, double x, double y);

/*
 * A profile of a road: heights whose grade never exceeds max_grade and whose
 * largest distance from the ground is as small as that allows.  The heights
 * at the ends may be given (NaN if not); an end that can't be reached within
 * the grade is missed by as little as possible, the second one first.
 */
extern AjkError ajk_profile(int n, const double *station,
							const double *ground, double max_grade,
							double first, double last, double *height);

/* Mean of the values within half a window about each, evenly spaced. */
extern AjkError ajk_moving_mean(int n, const double *values, int half,
								double *out);

/* Side slopes are horizontal metres per metre of height; 0 is a wall. */
typedef struct AjkSides
{
	double		cut;
	double		fill;
	double		reach_m;		/* where they end at the latest */
	double		step_m;			/* of the samples of the ground */
} AjkSides;

/*
 * Areas of a cross section of a road: level at height h for half a width to
 * both sides of x, y, along the unit vector nx, ny, then side slopes until
 * they meet the ground.  False if they don't within reach, or the ground is
 * unknown there; the areas are then what was found.
 */
extern bool ajk_section(AjkGround ground, void *arg, double x, double y,
						double nx, double ny, double h, double width_m,
						const AjkSides *sides, double *cut_m2,
						double *fill_m2);

/*
 * A level pad: a rectangle, its sides along x and y, with side slopes
 * around.
 */
typedef struct AjkPad
{
	double		x,				/* middle */
				y;
	double		length_m;		/* along x */
	double		width_m;		/* along y */
} AjkPad;

typedef struct AjkPadGround AjkPadGround;

/* Sample the ground under and around a pad; NULL if memory runs out. */
extern AjkPadGround *ajk_pad_ground(AjkGround ground, void *arg,
									const AjkPad *pad, const AjkSides *sides);
extern void ajk_pad_ground_free(AjkPadGround *ground);

/* Lowest, highest and mean elevation under the pad; NaN if unknown. */
extern void ajk_pad_range(const AjkPadGround *ground, double *lo, double *hi,
						  double *mean);

/* Volumes in place, if the pad lies at height h. */
extern void ajk_pad_volumes(const AjkPadGround *ground, double h,
							double *cut_m3, double *fill_m3);

/*
 * The height at which the cut, times shrink (what a cubic metre in place
 * becomes when compacted), makes the fill.
 */
extern double ajk_pad_balance(const AjkPadGround *ground, double shrink);

#endif							/* AJK_EARTHWORK_H */
