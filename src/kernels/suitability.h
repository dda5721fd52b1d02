/*-------------------------------------------------------------------------
 *
 * suitability.h
 *		How well ground suits something to be built on it, 0 to 1.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_SUITABILITY_H
#define AJK_SUITABILITY_H

#include "kernel.h"

typedef struct AjkSuitability
{
	double		optimal_slope_deg;	/* up to here slope costs nothing */
	double		max_slope_deg;	/* above it the ground is not suited */
	double		w_slope;		/* weights; their sum must be positive */
	double		w_curvature;
	double		w_aspect;
	double		w_roughness;
	double		favoured_aspect_deg;	/* NaN: all alike */
	double		cell_m;
} AjkSuitability;

/*
 * curvature is the total of ajk_curvature, roughness AJK_ROUGHNESS of
 * ajk_relief.  out is NaN where cells[i] has one of bits, where the slope
 * exceeds its limit and where it is unknown.
 */
extern AjkError ajk_suitability(const AjkSuitability *how,
								const float *slope, const float *aspect,
								const float *curvature,
								const float *roughness,
								const uint32_t *cells, uint32_t bits,
								size_t n, float *out, ajk_poll poll,
								void *arg);

#endif							/* AJK_SUITABILITY_H */
