/*-------------------------------------------------------------------------
 *
 * geodesy.c
 *		Longitude/latitude on WGS 84 to metres and back.
 *
 * Transverse Mercator by Krueger's series in the third flattening n to the
 * sixth order, as given by C. F. F. Karney, "Transverse Mercator with an
 * accuracy of a few nanometers", Journal of Geodesy 85 (2011) 475-485:
 * equations (7)-(13) forward, (14)-(21) inverse, (23)-(27) scale, (35) and
 * (36) the coefficients.  Good to nanometres within 35 degrees of the
 * central meridian.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "geodesy.h"

#include <math.h>

#define WGS84_A		6378137.0
#define WGS84_F		(1.0 / 298.257223563)
#define WGS84_E2	(WGS84_F * (2.0 - WGS84_F))
#define WGS84_N		(WGS84_F / (2.0 - WGS84_F))

#define ORDER		6

/* Powers of n for the polynomials below. */
#define N1	WGS84_N
#define N2	(N1 * N1)
#define N3	(N2 * N1)
#define N4	(N2 * N2)
#define N5	(N4 * N1)
#define N6	(N3 * N3)

/* Karney (35) */
static const double alpha[ORDER + 1] = {
	0,
	N1 / 2 - N2 * 2 / 3 + N3 * 5 / 16 + N4 * 41 / 180 - N5 * 127 / 288
	+ N6 * 7891 / 37800,
	N2 * 13 / 48 - N3 * 3 / 5 + N4 * 557 / 1440 + N5 * 281 / 630
	- N6 * 1983433 / 1935360,
	N3 * 61 / 240 - N4 * 103 / 140 + N5 * 15061 / 26880
	+ N6 * 167603 / 181440,
	N4 * 49561 / 161280 - N5 * 179 / 168 + N6 * 6601661 / 7257600,
	N5 * 34729 / 80640 - N6 * 3418889 / 1995840,
	N6 * 212378941 / 319334400
};

/* Karney (36) */
static const double beta[ORDER + 1] = {
	0,
	N1 / 2 - N2 * 2 / 3 + N3 * 37 / 96 - N4 / 360 - N5 * 81 / 512
	+ N6 * 96199 / 604800,
	N2 / 48 + N3 / 15 - N4 * 437 / 1440 + N5 * 46 / 105
	- N6 * 1118711 / 3870720,
	N3 * 17 / 480 - N4 * 37 / 840 - N5 * 209 / 4480 + N6 * 5569 / 90720,
	N4 * 4397 / 161280 - N5 * 11 / 504 - N6 * 830251 / 7257600,
	N5 * 4583 / 161280 - N6 * 108847 / 3991680,
	N6 * 20648693 / 638668800
};

/* Karney (14): radius of the rectifying sphere */
#define RECTIFYING	(WGS84_A / (1 + N1) * (1 + N2 / 4 + N4 / 64 + N6 / 256))

int
ajk_utm_zone(double lon_deg)
{
	int			zone = (int) floor((lon_deg + 180.0) / 6.0) + 1;

	return zone < 1 ? 1 : zone > 60 ? 60 : zone;
}

AjkTm
ajk_tm_utm(int zone, bool south)
{
	AjkTm		tm;

	tm.lon0_deg = zone * 6.0 - 183.0;
	tm.k0 = 0.9996;
	tm.false_e_m = 500000.0;
	tm.false_n_m = south ? 10000000.0 : 0.0;
	return tm;
}

AjkTm
ajk_tm_local(double lon_deg, double lat_deg)
{
	AjkTm		tm;
	double		x,
				y;

	tm.lon0_deg = lon_deg;
	tm.k0 = 1.0;
	tm.false_e_m = 0.0;
	tm.false_n_m = 0.0;
	ajk_tm_forward(&tm, lon_deg, lat_deg, &x, &y);
	tm.false_n_m = -y;
	return tm;
}

/* tangent of the conformal latitude from that of the geographic (7)-(9) */
static double
conformal_tan(double tau)
{
	double		e = sqrt(WGS84_E2);
	double		tau1 = sqrt(1.0 + tau * tau);
	double		sigma = sinh(e * atanh(e * tau / tau1));

	return tau * sqrt(1.0 + sigma * sigma) - sigma * tau1;
}

/* Coordinates on the conformal sphere's transverse Mercator (10). */
static void
sphere_coordinates(double dlon_rad, double taup, double *xi, double *eta)
{
	double		c = cos(dlon_rad);

	*xi = atan2(taup, c);
	*eta = asinh(sin(dlon_rad) / sqrt(taup * taup + c * c));
}

static double
lon_difference(double lon_deg, double lon0_deg)
{
	return AJK_DEG2RAD(remainder(lon_deg - lon0_deg, 360.0));
}

void
ajk_tm_forward(const AjkTm *tm, double lon_deg, double lat_deg,
			   double *x_m, double *y_m)
{
	double		taup = conformal_tan(tan(AJK_DEG2RAD(lat_deg)));
	double		xip,
				etap,
				xi,
				eta;

	sphere_coordinates(lon_difference(lon_deg, tm->lon0_deg), taup,
					   &xip, &etap);
	xi = xip;
	eta = etap;
	for (int j = 1; j <= ORDER; j++)
	{
		xi += alpha[j] * sin(2 * j * xip) * cosh(2 * j * etap);
		eta += alpha[j] * cos(2 * j * xip) * sinh(2 * j * etap);
	}
	*x_m = tm->false_e_m + tm->k0 * RECTIFYING * eta;
	*y_m = tm->false_n_m + tm->k0 * RECTIFYING * xi;
}

void
ajk_tm_inverse(const AjkTm *tm, double x_m, double y_m,
			   double *lon_deg, double *lat_deg)
{
	double		xi = (y_m - tm->false_n_m) / (tm->k0 * RECTIFYING);
	double		eta = (x_m - tm->false_e_m) / (tm->k0 * RECTIFYING);
	double		xip = xi;
	double		etap = eta;
	double		taup,
				tau,
				lon;

	for (int j = 1; j <= ORDER; j++)
	{
		xip -= beta[j] * sin(2 * j * xi) * cosh(2 * j * eta);
		etap -= beta[j] * cos(2 * j * xi) * sinh(2 * j * eta);
	}
	taup = sin(xip) / hypot(sinh(etap), cos(xip));

	/* Newton's method for the geographic latitude (19)-(21) */
	tau = taup / (1.0 - WGS84_E2);
	for (int i = 0; i < 5; i++)
	{
		double		taupi = conformal_tan(tau);
		double		delta = (taup - taupi) / sqrt(1.0 + taupi * taupi)
		* (1.0 + (1.0 - WGS84_E2) * tau * tau)
		/ ((1.0 - WGS84_E2) * sqrt(1.0 + tau * tau));

		tau += delta;
		if (fabs(delta) < 1e-15 * fmax(1.0, fabs(tau)))
			break;
	}
	lon = tm->lon0_deg + AJK_RAD2DEG(atan2(sinh(etap), cos(xip)));
	*lon_deg = lon > 180.0 ? lon - 360.0 : lon < -180.0 ? lon + 360.0 : lon;
	*lat_deg = AJK_RAD2DEG(atan(tau));
}

double
ajk_tm_scale(const AjkTm *tm, double lon_deg, double lat_deg)
{
	double		dlon = lon_difference(lon_deg, tm->lon0_deg);
	double		tau = tan(AJK_DEG2RAD(lat_deg));
	double		taup = conformal_tan(tau);
	double		s = sin(AJK_DEG2RAD(lat_deg));
	double		c = cos(dlon);
	double		xip,
				etap,
				p = 1.0,
				q = 0.0;

	sphere_coordinates(dlon, taup, &xip, &etap);
	for (int j = 1; j <= ORDER; j++)
	{
		p += 2 * j * alpha[j] * cos(2 * j * xip) * cosh(2 * j * etap);
		q += 2 * j * alpha[j] * sin(2 * j * xip) * sinh(2 * j * etap);
	}
	return tm->k0 * (RECTIFYING / WGS84_A) * hypot(p, q)
		* sqrt(1.0 - WGS84_E2 * s * s) * sqrt(1.0 + tau * tau)
		/ sqrt(taup * taup + c * c);
}

void
ajk_metres_per_degree(double lat_deg, double *per_lon, double *per_lat)
{
	double		s = sin(AJK_DEG2RAD(lat_deg));
	double		w2 = 1.0 - WGS84_E2 * s * s;
	double		w = sqrt(w2);

	/* radius of the parallel, and of curvature in the meridian */
	*per_lon = AJK_DEG2RAD(WGS84_A / w * cos(AJK_DEG2RAD(lat_deg)));
	*per_lat = AJK_DEG2RAD(WGS84_A * (1.0 - WGS84_E2) / (w2 * w));
}

bool
ajk_epsg_known(int epsg, int *zone, bool *south)
{
	*zone = 0;
	*south = false;
	if (epsg == 4326)
		return true;
	if (epsg > 32600 && epsg <= 32660)
	{
		*zone = epsg - 32600;
		return true;
	}
	if (epsg > 32700 && epsg <= 32760)
	{
		*zone = epsg - 32700;
		*south = true;
		return true;
	}
	return false;
}
