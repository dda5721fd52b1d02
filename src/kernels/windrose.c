/*-------------------------------------------------------------------------
 *
 * windrose.c
 *		A wind climate as probabilities by direction and speed.
 *
 * A sector-wise Weibull climate is sampled from the first sector's middle in
 * even steps: each direction belongs to the nearest sector (half-way to the lower one) and
 * gets the sector's frequency times step / sector width.  A speed bin of
 * width w about u has the probability F(u + w/2) - F(u - w/2) of the
 * sector's F(u) = 1 - exp(-(u / A)^k).  That is how PyWake bins a uniform
 * Weibull site, so that its published figures can be compared with; the
 * mass outside of the range of speeds is left out, not spread.
 *
 * Units: degrees, m/s.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "windrose.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double
ajk_weibull_cdf(double a_ms, double k, double ws)
{
	if (ws <= 0.0)
		return 0.0;
	return 1.0 - exp(-pow(ws / a_ms, k));
}

double
ajk_weibull_mean(double a_ms, double k)
{
	return a_ms * tgamma(1.0 + 1.0 / k);
}

/*
 * Rotor-equivalent wind speed over that at hub height (IEC 61400-12-1:2017):
 * the cube root of the mean over the rotor's disc of the speed's cube, for a
 * power law.  Gauss's formula of the second kind of Chebyshev, whose weight is
 * the width of the disc: exact for polynomials of degree 127.
 */
double
ajk_rotor_equivalent(double hub_height_m, double diameter_m,
					 double shear_alpha)
{
	enum
	{
		N = 64
	};
	double		sum = 0.0;

	for (int i = 1; i <= N; i++)
	{
		double		phi = AJK_PI * i / (N + 1);
		double		z = 1.0 + 0.5 * diameter_m / hub_height_m * cos(phi);

		sum += sin(phi) * sin(phi) *
			pow(z > 0.0 ? z : 0.0, 3.0 * shear_alpha);
	}
	return cbrt(2.0 / (N + 1) * sum);
}

/*
 * The same by the cubes at three heights, hub height and half a radius below
 * and above: what FLORIS's grid of 3 x 3 points gives.
 */
double
ajk_rotor_points(double hub_height_m, double diameter_m, double shear_alpha)
{
	double		r = 0.25 * diameter_m / hub_height_m;

	return cbrt((pow(1.0 - r, 3.0 * shear_alpha) + 1.0 +
				 pow(1.0 + r, 3.0 * shear_alpha)) / 3.0);
}

AjkError
ajk_wind_alloc(AjkWind *wind, int nwd, int nws)
{
	memset(wind, 0, sizeof(*wind));
	if (nwd < 1 || nws < 1 || nwd > 36000 || nws > 10000)
		return AJK_RANGE;
	wind->wd = malloc(sizeof(double) * (size_t) nwd);
	wind->ws = malloc(sizeof(double) * (size_t) nws);
	wind->prob = calloc((size_t) nwd * (size_t) nws, sizeof(double));
	if (!wind->wd || !wind->ws || !wind->prob)
	{
		ajk_wind_free(wind);
		return AJK_NOMEM;
	}
	wind->nwd = nwd;
	wind->nws = nws;
	return AJK_OK;
}

void
ajk_wind_free(AjkWind *wind)
{
	free(wind->wd);
	free(wind->ws);
	free(wind->prob);
	memset(wind, 0, sizeof(*wind));
}

static void
add_up(AjkWind *wind)
{
	size_t		cells = (size_t) wind->nwd * (size_t) wind->nws;

	wind->mass = 0.0;
	for (size_t i = 0; i < cells; i++)
		wind->mass += wind->prob[i];
}

/*
 * Does a step of directions divide the circle, and every sector get the same
 * number of directions?  Else the frequencies would be distorted.
 */
bool
ajk_wind_step_fits(double wd_step_deg, int nsectors)
{
	double		steps;

	if (!(wd_step_deg >= 0.1) || wd_step_deg > 360.0 || nsectors < 1)
		return false;
	steps = 360.0 / wd_step_deg;
	if (fabs(steps - floor(steps + 0.5)) > 1e-9)
		return false;
	return ((int) floor(steps + 0.5)) % nsectors == 0;
}

AjkError
ajk_wind_from_weibull(AjkWind *wind, const AjkWeibull *w, double wd_step_deg,
					  double ws_min, double ws_max, double ws_step)
{
	int			nwd;
	int			nws;
	double		total = 0.0;
	double		width = 360.0 / w->nsectors;
	AjkError	err;

	memset(wind, 0, sizeof(*wind));
	if (!ajk_wind_step_fits(wd_step_deg, w->nsectors) ||
		!(ws_step > 0.0) || !(ws_min >= 0.0) || !(ws_max >= ws_min) ||
		ws_max > 100.0)
		return AJK_RANGE;
	for (int i = 0; i < w->nsectors; i++)
	{
		if (!(w->freq[i] >= 0.0) || !(w->a_ms[i] > 0.0) || !(w->k[i] > 0.0) ||
			!isfinite(w->freq[i] + w->a_ms[i] + w->k[i]))
			return AJK_RANGE;
		total += w->freq[i];
	}
	if (!(total > 0.0))
		return AJK_RANGE;

	nwd = (int) floor(360.0 / wd_step_deg + 0.5);
	nws = (int) floor((ws_max - ws_min) / ws_step + 1e-9) + 1;
	err = ajk_wind_alloc(wind, nwd, nws);
	if (err != AJK_OK)
		return err;

	for (int j = 0; j < nws; j++)
		wind->ws[j] = ws_min + j * ws_step;
	for (int i = 0; i < nwd; i++)
	{
		int			s;
		double		share;

		wind->wd[i] = fmod(360.0 * i / nwd + w->first_deg, 360.0);
		s = (int) ceil(360.0 * i / nwd / width - 0.5) % w->nsectors;
		share = w->freq[s] / total * w->nsectors / nwd;
		for (int j = 0; j < nws; j++)
		{
			double		hi = ajk_weibull_cdf(w->a_ms[s], w->k[s],
											 wind->ws[j] + 0.5 * ws_step);
			double		lo = ajk_weibull_cdf(w->a_ms[s], w->k[s],
											 wind->ws[j] - 0.5 * ws_step);

			wind->prob[(size_t) i * nws + j] = share * (hi - lo);
		}
	}
	add_up(wind);
	return AJK_OK;
}

/* Take a rose as it is; the caller has checked that it sums to one. */
AjkError
ajk_wind_from_rose(AjkWind *wind, int nwd, const double *wd, int nws,
				   const double *ws, const double *prob)
{
	AjkError	err = ajk_wind_alloc(wind, nwd, nws);

	if (err != AJK_OK)
		return err;
	memcpy(wind->wd, wd, sizeof(double) * (size_t) nwd);
	memcpy(wind->ws, ws, sizeof(double) * (size_t) nws);
	memcpy(wind->prob, prob, sizeof(double) * (size_t) nwd * (size_t) nws);
	for (size_t i = 0; i < (size_t) nwd * (size_t) nws; i++)
	{
		if (!(wind->prob[i] >= 0.0) || !isfinite(wind->prob[i]))
		{
			ajk_wind_free(wind);
			return AJK_RANGE;
		}
	}
	add_up(wind);
	return AJK_OK;
}

double
ajk_wind_mean_speed(const AjkWind *wind)
{
	double		sum = 0.0;

	for (int i = 0; i < wind->nwd; i++)
		for (int j = 0; j < wind->nws; j++)
			sum += wind->prob[(size_t) i * wind->nws + j] * wind->ws[j];
	return wind->mass > 0.0 ? sum / wind->mass : 0.0;
}

/* A direction as one at or after the first, so that they ascend */
static double
unwrapped(const AjkWind *in, int i)
{
	return in->wd[i] < in->wd[0] ? in->wd[i] + 360.0 : in->wd[i];
}

/*
 * Merge neighbouring directions, which go once around the circle, so that at
 * most max_wd remain: those that lie within 360 / max_wd of a group's first.
 * The optimiser's inner loop works on this.
 */
AjkError
ajk_wind_coarsen(const AjkWind *in, int max_wd, AjkWind *out)
{
	double		width = in->nwd > max_wd ? 360.0 / max_wd * (1 - 1e-9) : 0.0;
	AjkError	err;
	int			from = 0;

	if (max_wd < 1)
		return AJK_RANGE;
	err = ajk_wind_alloc(out, in->nwd < max_wd ? in->nwd : max_wd, in->nws);
	if (err != AJK_OK)
		return err;
	memcpy(out->ws, in->ws, sizeof(double) * (size_t) in->nws);
	out->nwd = 0;
	while (from < in->nwd)
	{
		double	   *prob = out->prob + (size_t) out->nwd * in->nws;
		double		sum = 0.0;
		int			to = from;

		do
		{
			sum += unwrapped(in, to);
			for (int j = 0; j < in->nws; j++)
				prob[j] += in->prob[(size_t) to * in->nws + j];
			to++;
		} while (to < in->nwd && width > 0.0 &&
				 (out->nwd == max_wd - 1 ||
				  unwrapped(in, to) - unwrapped(in, from) < width));
		out->wd[out->nwd++] = fmod(sum / (to - from), 360.0);
		from = to;
	}
	add_up(out);
	return AJK_OK;
}
