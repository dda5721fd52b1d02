/*-------------------------------------------------------------------------
 *
 * solar.c
 *		Irradiance on a plane, and what hills take away from it.
 *
 * Sources:
 *	F. Kasten and A. T. Young, Applied Optics 28 (1989) 4735: air mass.
 *	D. G. Erbs, S. A. Klein, J. A. Duffie, Solar Energy 28 (1982) 293: diffuse
 *	share of global irradiance.
 *	P. Ineichen and R. Perez, Solar Energy 73 (2002) 151: clear sky.
 *	R. Perez, P. Ineichen, R. Seals, J. Michalsky, R. Stewart, Solar Energy 44
 *	(1990) 271: the sky's light on a tilted plane; all-sites coefficients.
 *	K. Anderson and M. Mikofski, NREL/TP-5K00-76626 (2020): backtracking.
 *
 * A horizon is found by walking from the place outwards, half a cell at a time,
 * in each of 360 directions, with elevations interpolated between cell centres.
 * Hills take the beam and the circumsolar light while the sun is behind them,
 * and of the rest of the sky's light the share that an even sky would lose.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "solar.h"

#include <math.h>

#define EARTH_RADIUS_M 6371000.0
#define REFRACTION 0.13

static double
sin_deg(double d)
{
	return sin(AJK_DEG2RAD(d));
}

static double
cos_deg(double d)
{
	return cos(AJK_DEG2RAD(d));
}

static double
clamp(double v, double low, double high)
{
	return v < low ? low : v > high ? high : v;
}

double
ajk_airmass(double z)
{
	if (!(z < 90))
		return NAN;
	return 1 / (cos_deg(z) + 0.50572 * pow(96.07995 - z, -1.6364));
}

double
ajk_extraterrestrial(double r_au)
{
	return AJK_SOLAR_CONSTANT / (r_au * r_au);
}

double
ajk_erbs_dhi(double ghi, double zenith_deg, double dni_extra)
{
	double		top = dni_extra * cos_deg(zenith_deg);
	double		kt = top > 0 ? clamp(ghi / top, 0, 1) : 0;
	double		share;

	if (kt <= 0.22)
		share = 1 - 0.09 * kt;
	else if (kt <= 0.8)
		share = 0.9511 + kt * (-0.1604 + kt * (4.388 + kt * (-16.638 + kt * 12.336)));
	else
		share = 0.165;
	return ghi * share;
}

void
ajk_ineichen(double zenith, double am, double linke, double altitude_m,
			 double dni_extra, double *ghi, double *dni, double *dhi)
{
	double		fh1 = exp(-altitude_m / 8000);
	double		fh2 = exp(-altitude_m / 1250);
	double		cg1 = 5.09e-5 * altitude_m + 0.868;
	double		cg2 = 3.92e-5 * altitude_m + 0.0387;
	double		cos_z = fmax(cos_deg(zenith), 0);
	double		b = 0.664 + 0.163 / fh1;
	double		bnc;
	double		most;

	*ghi = *dni = *dhi = 0;
	if (!(cos_z > 0) || !isfinite(am))
		return;
	*ghi = cg1 * dni_extra * cos_z * fmax(exp(-cg2 * am * (fh1 + fh2 * (linke - 1))), 0);
	bnc = dni_extra * fmax(b * exp(-0.09 * am * (linke - 1)), 0);
	most = *ghi * clamp((1 - (0.1 - 0.2 * exp(-linke)) / (0.1 + 0.882 / fh1)) / cos_z,
						0, 1e20);
	*dni = fmin(bnc, most);
	*dhi = *ghi - *dni * cos_z;
}

double
ajk_cos_incidence(double tilt, double azimuth, double sun_zenith,
				  double sun_azimuth)
{
	return clamp(cos_deg(tilt) * cos_deg(sun_zenith) +
				 sin_deg(tilt) * sin_deg(sun_zenith) *
				 cos_deg(sun_azimuth - azimuth), -1, 1);
}

void
ajk_perez(double tilt, double azimuth, double dhi, double dni,
		  double dni_extra, double sun_zenith, double sun_azimuth,
		  double airmass, AjkPerez *out)
{
	static const double limit[] = {1.065, 1.23, 1.5, 1.95, 2.8, 4.5, 6.2};
	static const double f[8][6] = {
		{-0.008, 0.588, -0.062, -0.060, 0.072, -0.022},
		{0.130, 0.683, -0.151, -0.019, 0.066, -0.029},
		{0.330, 0.487, -0.221, 0.055, -0.064, -0.026},
		{0.568, 0.187, -0.295, 0.109, -0.152, -0.014},
		{0.873, -0.392, -0.362, 0.226, -0.462, 0.001},
		{1.132, -1.237, -0.412, 0.288, -0.823, 0.056},
		{1.060, -1.600, -0.359, 0.264, -1.127, 0.131},
		{0.678, -0.327, -0.250, 0.156, -1.377, 0.251}
	};
	double		z = AJK_DEG2RAD(sun_zenith);
	double		z3 = 1.041 * z * z * z;
	double		eps;
	double		bright;
	double		f1;
	double		f2;
	int			bin = 0;

	out->isotropic = out->circumsolar = out->horizon = 0;
	if (!(dhi > 0) || !isfinite(airmass))
		return;
	eps = ((dhi + dni) / dhi + z3) / (1 + z3);
	while (bin < 7 && eps >= limit[bin])
		bin++;
	bright = dhi * airmass / dni_extra;
	f1 = fmax(f[bin][0] + f[bin][1] * bright + f[bin][2] * z, 0);
	f2 = f[bin][3] + f[bin][4] * bright + f[bin][5] * z;
	out->isotropic = dhi * (1 - f1) * (1 + cos_deg(tilt)) / 2;
	out->circumsolar = dhi * f1 *
		fmax(ajk_cos_incidence(tilt, azimuth, sun_zenith, sun_azimuth), 0) /
		fmax(cos_deg(sun_zenith), cos_deg(85));
	out->horizon = dhi * f2 * sin_deg(tilt);
	/* the model's sum is not below zero */
	if (out->isotropic + out->circumsolar + out->horizon < 0)
		out->isotropic = out->circumsolar = out->horizon = 0;
}

double
ajk_tracker_rotation(double sun_zenith, double sun_azimuth,
					 double axis_azimuth, double max_angle, double gcr)
{
	double		rotation = AJK_RAD2DEG(atan2(sin_deg(sun_zenith) *
											 sin_deg(sun_azimuth - axis_azimuth),
											 cos_deg(sun_zenith)));

	/* the shadow of a row reaches the next where cos(rotation) < gcr */
	if (gcr > 0)
	{
		double		reach = fabs(cos_deg(rotation)) / gcr;

		if (reach < 1)
			rotation -= copysign(AJK_RAD2DEG(acos(reach)), rotation);
	}
	return clamp(rotation, -max_angle, max_angle);
}

/* ---- horizon ---- */

double
ajk_horizon_at(const double *horizon, double azimuth)
{
	double		at = azimuth * AJK_HORIZON_BINS / 360.0;
	double		low = floor(at);
	int			i = ((int) low % AJK_HORIZON_BINS + AJK_HORIZON_BINS) % AJK_HORIZON_BINS;

	if (horizon == NULL)
		return 0;
	return horizon[i] + (at - low) *
		(horizon[(i + 1) % AJK_HORIZON_BINS] - horizon[i]);
}

/*
 * Over one azimuth, cos(incidence) cos(e) integrated over the elevations e
 * from h up to the zenith, as far as the plane sees them.
 */
static double
strip(double h, double cos_tilt, double sin_tilt_cos)
{
	double		hidden = cos_tilt > 1e-12 ? atan2(-sin_tilt_cos, cos_tilt) :
	sin_tilt_cos > 0 ? -AJK_PI / 2 : AJK_PI / 2;

	if (hidden > h)
		h = hidden;
	if (h >= AJK_PI / 2)
		return 0;
	return cos_tilt * cos(h) * cos(h) / 2 +
		sin_tilt_cos * ((AJK_PI / 2 - h) / 2 - sin(2 * h) / 4);
}

double
ajk_sky_share(const double *horizon, double tilt, double azimuth)
{
	double		seen = 0;
	double		all = 0;

	if (horizon == NULL)
		return 1;
	/* every third direction is plenty for an average */
	for (int i = 0; i < AJK_HORIZON_BINS; i += 3)
	{
		double		a = i * 360.0 / AJK_HORIZON_BINS;
		double		s = sin_deg(tilt) * cos_deg(a - azimuth);

		seen += strip(AJK_DEG2RAD(fmax(horizon[i], 0)), cos_deg(tilt), s);
		all += strip(0, cos_deg(tilt), s);
	}
	return all > 0 ? seen / all : 1;
}

/* Elevation between cell centres; NaN outside or where a corner is. */
static double
elevation(const float *z, int ncols, int nrows, double col, double row)
{
	int			c = (int) floor(col);
	int			r = (int) floor(row);
	double		fc = col - c;
	double		fr = row - r;
	const float *p;

	if (!(col >= 0 && row >= 0 && col <= ncols - 1 && row <= nrows - 1))
		return NAN;
	if (c == ncols - 1)
		c--, fc = 1;
	if (r == nrows - 1)
		r--, fr = 1;
	p = z + (size_t) r * ncols + c;
	return (1 - fr) * ((1 - fc) * p[0] + fc * p[1]) +
		fr * ((1 - fc) * p[ncols] + fc * p[ncols + 1]);
}

AjkError
ajk_horizon(const float *z, int ncols, int nrows, const double *dx_m,
			double dy_m, double col, double row, double observer_m,
			double distance_m, double *horizon, double *seen_m,
			ajk_poll poll, void *arg)
{
	double		z0;
	int			row0 = (int) (row + 0.5);
	double		step;

	if (ncols < 2 || nrows < 2)
		return AJK_INVALID;
	z0 = elevation(z, ncols, nrows, col, row);
	if (isnan(z0))
		return AJK_RANGE;
	z0 += observer_m;
	step = 0.5 * fmin(dy_m, dx_m[row0 < 0 ? 0 : row0 >= nrows ? nrows - 1 : row0]);
	*seen_m = distance_m;
	for (int i = 0; i < AJK_HORIZON_BINS; i++)
	{
		double		s = sin_deg(i * 360.0 / AJK_HORIZON_BINS);
		double		c = cos_deg(i * 360.0 / AJK_HORIZON_BINS);
		double		at_col = col;
		double		at_row = row;
		double		best = 0;	/* tangent; the sea's horizon is level */
		double		d = 0;

		if (poll && i % 16 == 0 && poll(arg, (double) i / AJK_HORIZON_BINS))
			return AJK_STOPPED;
		for (;;)
		{
			int			r = (int) (at_row + 0.5);
			double		e;

			d += step;
			if (d > distance_m)
				break;
			r = r < 0 ? 0 : r >= nrows ? nrows - 1 : r;
			at_row -= step * c / dy_m;
			at_col += step * s / dx_m[r];
			if (at_col < 0 || at_row < 0 || at_col > ncols - 1 || at_row > nrows - 1)
			{
				*seen_m = fmin(*seen_m, d);
				break;
			}
			e = elevation(z, ncols, nrows, at_col, at_row);
			if (!isnan(e))
				best = fmax(best, (e - z0 - d * d * (1 - REFRACTION) /
								   (2 * EARTH_RADIUS_M)) / d);
		}
		horizon[i] = AJK_RAD2DEG(atan(best));
	}
	return AJK_OK;
}
