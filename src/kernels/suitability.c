/*-------------------------------------------------------------------------
 *
 * suitability.c
 *		How well ground suits something to be built on it, 0 to 1.
 *
 * The weighted mean of four scores, each 1 where nothing could be better:
 *		slope		1 up to the optimal slope, falling to 0 at the limit
 *		curvature	1 on a plane, 0 where the ground bends by 0.02 / m
 *		aspect		1 towards the favoured direction, less the farther from it
 *					and the steeper: on flat ground direction is nothing
 *		roughness	1 where the 3 x 3 cells are level, 0 where their relief is
 *					that of a plane of the limiting slope along the diagonal
 *
 * The scores are pure numbers, so their mean does not depend on the size of
 * the cells but through what the cells show of the ground.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "suitability.h"

#include <math.h>

#define POLL_CELLS		65536
#define CURVATURE_LIMIT	0.02	/* 1/m */

static inline double
clamp01(double v)
{
	return v < 0.0 ? 0.0 : v > 1.0 ? 1.0 : v;
}

AjkError
ajk_suitability(const AjkSuitability *how, const float *slope,
				const float *aspect, const float *curvature,
				const float *roughness, const uint32_t *cells, uint32_t bits,
				size_t n, float *out, ajk_poll poll, void *arg)
{
	double		sum = how->w_slope + how->w_curvature + how->w_aspect
	+ how->w_roughness;
	double		range = how->max_slope_deg - how->optimal_slope_deg;
	double		relief = 2 * sqrt(2.0) * how->cell_m
	* tan(AJK_DEG2RAD(fmin(how->max_slope_deg, 80)));

	if (!(sum > 0) || how->w_slope < 0 || how->w_curvature < 0 ||
		how->w_aspect < 0 || how->w_roughness < 0)
		return AJK_INVALID;
	for (size_t i = 0; i < n; i++)
	{
		double		s = slope[i];
		double		score;

		if (poll && i % POLL_CELLS == 0 && poll(arg, (double) i / n))
			return AJK_STOPPED;
		out[i] = NAN;
		if ((cells[i] & bits) != 0 || !(s <= how->max_slope_deg))
			continue;
		score = how->w_slope * (range > 0 ?
								clamp01((how->max_slope_deg - s) / range) : 1);

		/* unknown beside the rim: what is known decides, at the worst */
		score += how->w_curvature *
			(isnan(curvature[i]) ? 0 :
			 1 - clamp01(fabs((double) curvature[i]) / CURVATURE_LIMIT));
		score += how->w_roughness *
			(isnan(roughness[i]) ? 0 :
			 relief > 0 ? 1 - clamp01(roughness[i] / relief) : 1);
		if (isnan(how->favoured_aspect_deg) || isnan(aspect[i]))
			score += how->w_aspect;
		else
		{
			double		away = AJK_DEG2RAD(aspect[i] - how->favoured_aspect_deg);
			double		steep = how->max_slope_deg > 0 ?
			clamp01(s / how->max_slope_deg) : 0;

			score += how->w_aspect * (1 - 0.5 * (1 - cos(away)) * steep);
		}
		out[i] = (float) (score / sum);
	}
	return AJK_OK;
}
