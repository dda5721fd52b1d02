/*-------------------------------------------------------------------------
 *
 * spa.c
 *		Where the sun stands: the solar position algorithm of NREL.
 *
 * Written from I. Reda and A. Andreas, Solar Position Algorithm for Solar
 * Radiation Applications, NREL/TP-560-34302 (revised 2008); the numbers in
 * comments are that report's sections.  Uncertainty +-0.0003 degrees for the
 * years -2000 to 6000.
 *
 * A full evaluation sums 300 cosines, some 8 us.  What it sums changes slowly:
 * its fastest term turns once in fourteen days.  A series of times therefore
 * evaluates the sun once a day and interpolates longitude, distance, nutation
 * and obliquity by a cubic through four days; the error left is below 1e-6
 * degrees, a three-hundredth of the algorithm's own.  The sidereal time,
 * the hour angle and the parallax are computed for each time.
 *
 * Azimuths here are from north; the report also has one from south.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "spa.h"

#include <math.h>
#include <stdlib.h>

#include "spa_terms.h"

#define J2000 2451545.0

/* refraction at the horizon and the sun's radius, degrees */
#define HORIZON_REFRACTION 0.5667
#define SUN_RADIUS 0.26667

static double
wrap360(double deg)
{
	double		x = fmod(deg, 360.0);

	return x < 0 ? x + 360.0 : x;
}

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

double
ajk_julian_day(int year, int month, double day)
{
	double		a;

	if (month <= 2)
	{
		year--;
		month += 12;
	}
	a = floor(year / 100.0);
	return floor(365.25 * (year + 4716)) + floor(30.6001 * (month + 1)) + day +
		2 - a + floor(a / 4) - 1524.5;
}

/*
 * Polynomials of F. Espenak and J. Meeus, Five Millennium Canon of Solar
 * Eclipses, NASA/TP-2006-214141.
 */
double
ajk_delta_t(double jd)
{
	double		y = 2000.0 + (jd - J2000) / 365.25;
	double		t;

	if (y < 1900)
		y = 1900;
	if (y > 2150)
		y = 2150;
	if (y < 1920)
	{
		t = y - 1900;
		return -2.79 + t * (1.494119 + t * (-0.0598939 + t * (0.0061966 - t * 0.000197)));
	}
	if (y < 1941)
	{
		t = y - 1920;
		return 21.20 + t * (0.84493 + t * (-0.076100 + t * 0.0020936));
	}
	if (y < 1961)
	{
		t = y - 1950;
		return 29.07 + t * (0.407 + t * (-1 / 233.0 + t / 2547));
	}
	if (y < 1986)
	{
		t = y - 1975;
		return 45.45 + t * (1.067 + t * (-1 / 260.0 - t / 718));
	}
	t = y - 2000;
	if (y < 2005)
		return 63.86 + t * (0.3345 + t * (-0.060374 + t * (0.0017275 + t * (0.000651814 + t * 0.00002373599))));
	if (y < 2050)
		return 62.92 + t * (0.32217 + t * 0.005589);
	return -20 + 32 * ((y - 1820) / 100) * ((y - 1820) / 100) -
		0.5628 * (2150 - y);
}

double
ajk_standard_pressure(double elevation_m)
{
	double		z = elevation_m < -430 ? -430 : elevation_m > 11000 ? 11000 : elevation_m;

	return 1013.25 * pow(1 - 2.25577e-5 * z, 5.25588);
}

/* ---- geocentric ---- */

/* 3.2: the sum over orders of the sums of terms; t in millennia */
static double
series(const AjkSpaSeries *s, double t)
{
	double		sum = 0;

	for (int o = s->norders - 1; o >= 0; o--)
	{
		double		part = 0;

		for (int i = 0; i < s->n[o]; i++)
			part += s->terms[o][i].a * cos(s->terms[o][i].b + s->terms[o][i].c * t);
		sum = sum * t + part;
	}
	return sum / 1e8;
}

/* 3.4: nutation; t in centuries of terrestrial time */
static void
nutation(double t, double *dpsi, double *deps)
{
	double		x[5];
	double		p = 0;
	double		e = 0;

	x[0] = 297.85036 + t * (445267.111480 + t * (-0.0019142 + t / 189474));
	x[1] = 357.52772 + t * (35999.050340 + t * (-0.0001603 - t / 300000));
	x[2] = 134.96298 + t * (477198.867398 + t * (0.0086972 + t / 56250));
	x[3] = 93.27191 + t * (483202.017538 + t * (-0.0036825 + t / 327270));
	x[4] = 125.04452 + t * (-1934.136261 + t * (0.0020708 + t / 450000));
	for (int i = 0; i < AJK_SPA_NUTATIONS; i++)
	{
		const AjkSpaNutation *n = &ajk_spa_nutation[i];
		double		arg = 0;

		for (int j = 0; j < 5; j++)
			arg += x[j] * n->y[j];
		arg = AJK_DEG2RAD(arg);
		p += (n->a + n->b * t) * sin(arg);
		e += (n->c + n->d * t) * cos(arg);
	}
	*dpsi = p / 36000000.0;
	*deps = e / 36000000.0;
}

/* 3.8: apparent sidereal time at Greenwich, degrees, not wrapped */
static double
sidereal(double jd, double dpsi, double eps)
{
	double		t = (jd - J2000) / 36525.0;

	return 280.46061837 + 360.98564736629 * (jd - J2000) +
		t * t * (0.000387933 - t / 38710000.0) + dpsi * cos_deg(eps);
}

/* 3.9, 3.10: right ascension and declination */
static void
equatorial(AjkSpaSun *s, double jd)
{
	double		beta = AJK_DEG2RAD(-s->b_deg);
	double		lambda = AJK_DEG2RAD(s->lambda_deg);
	double		eps = AJK_DEG2RAD(s->eps_deg);

	s->alpha_deg = wrap360(AJK_RAD2DEG(atan2(sin(lambda) * cos(eps) - tan(beta) * sin(eps),
											 cos(lambda))));
	s->delta_deg = AJK_RAD2DEG(asin(sin(beta) * cos(eps) +
									cos(beta) * sin(eps) * sin(lambda)));
	s->nu_deg = wrap360(sidereal(jd, s->dpsi_deg, s->eps_deg));
}

void
ajk_spa_sun(double jd, double delta_t_s, AjkSpaSun *s)
{
	double		t = (jd + delta_t_s / 86400.0 - J2000) / 36525.0;	/* centuries */
	double		m = t / 10;		/* millennia */
	double		u = m / 10;
	double		eps0;

	s->l_deg = wrap360(AJK_RAD2DEG(series(&ajk_spa_l, m)));
	s->b_deg = AJK_RAD2DEG(series(&ajk_spa_b, m));
	s->r_au = series(&ajk_spa_r, m);
	nutation(t, &s->dpsi_deg, &s->deps_deg);

	/* 3.5: mean obliquity, arc seconds */
	eps0 = 84381.448 + u * (-4680.93 + u * (-1.55 + u * (1999.25 + u * (-51.38 + u * (-249.67 +
																					  u * (-39.05 + u * (7.12 + u * (27.87 + u * (5.79 + u * 2.45)))))))));
	s->eps_deg = eps0 / 3600 + s->deps_deg;

	/* 3.3, 3.6, 3.7: geocentric longitude, nutation, aberration */
	s->lambda_deg = wrap360(s->l_deg + 180 + s->dpsi_deg -
							20.4898 / (3600 * s->r_au));
	equatorial(s, jd);
}

/* ---- topocentric ---- */

void
ajk_spa_position(const AjkSpaSun *sun, const AjkSpaSite *site,
				 AjkSpaPosition *pos)
{
	double		lat = AJK_DEG2RAD(site->lat_deg);
	double		delta = AJK_DEG2RAD(sun->delta_deg);
	double		hour = wrap360(sun->nu_deg + site->lon_deg - sun->alpha_deg);
	double		h = AJK_DEG2RAD(hour);

	/* 3.12: parallax */
	double		xi = AJK_DEG2RAD(8.794 / (3600 * sun->r_au));
	double		u = atan(0.99664719 * tan(lat));
	double		x = cos(u) + site->elevation_m / 6378140 * cos(lat);
	double		y = 0.99664719 * sin(u) + site->elevation_m / 6378140 * sin(lat);
	double		den = cos(delta) - x * sin(xi) * cos(h);
	double		dalpha = atan2(-x * sin(xi) * sin(h), den);
	double		delta1 = atan2((sin(delta) - y * sin(xi)) * cos(dalpha), den);
	double		h1 = h - dalpha;

	/* 3.14: elevation; refraction only where some of the sun is up */
	double		sin_e = sin(lat) * sin(delta1) + cos(lat) * cos(delta1) * cos(h1);
	double		e0 = AJK_RAD2DEG(asin(sin_e > 1 ? 1 : sin_e < -1 ? -1 : sin_e));
	double		de = 0;

	if (e0 >= -(SUN_RADIUS + HORIZON_REFRACTION))
		de = site->pressure_mbar / 1010 * 283 / (273 + site->temp_c) * 1.02 /
			(60 * tan(AJK_DEG2RAD(e0 + 10.3 / (e0 + 5.11))));
	pos->hour_angle_deg = hour;
	pos->elevation0_deg = e0;
	pos->elevation_deg = e0 + de;
	pos->zenith_deg = 90 - pos->elevation_deg;

	/* 3.15 */
	pos->azimuth_deg = wrap360(180 + AJK_RAD2DEG(atan2(sin(h1),
													   cos(h1) * sin(lat) - tan(delta1) * cos(lat))));
}

/* A.1 */
double
ajk_spa_equation_of_time(double jd, double delta_t_s)
{
	AjkSpaSun	s;
	double		m = (jd + delta_t_s / 86400.0 - J2000) / 365250.0;
	double		mean = 280.4664567 + m * (360007.6982779 + m * (0.03032028 +
																m * (1 / 49931.0 + m * (-1 / 15300.0 - m / 2000000.0))));
	double		e;

	ajk_spa_sun(jd, delta_t_s, &s);
	e = wrap360(mean - 0.0057183 - s.alpha_deg +
				s.dpsi_deg * cos_deg(s.eps_deg)) * 4;
	if (e > 720)
		e -= 1440;
	return e;
}

/* A.2: angle difference interpolated from the day before and after */
static double
between_days(double before, double at, double after, double n)
{
	double		a = at - before;
	double		b = after - at;

	if (fabs(a) > 2)
		a = wrap360(a + 180) - 180;
	if (fabs(b) > 2)
		b = wrap360(b + 180) - 180;
	return at + n * (a + b + (b - a) * n) / 2;
}

void
ajk_spa_rise_set(double jd0, double delta_t_s, double lat_deg, double lon_deg,
				 double *rise, double *transit, double *set)
{
	const double h0 = -(SUN_RADIUS + HORIZON_REFRACTION);
	AjkSpaSun	day[3];
	AjkSpaSun	at0;
	double		cos_h;
	double		hour = 0;
	double		m[3];
	double		frac[3];
	double		h[3];			/* local hour angle, -180..180 */
	double		alt[3];
	double		delta[3];
	bool		crosses;

	/* right ascensions at 0 TT of the days around, sidereal time at 0 UT */
	for (int i = 0; i < 3; i++)
		ajk_spa_sun(jd0 + i - 1, 0, &day[i]);
	ajk_spa_sun(jd0, delta_t_s, &at0);
	cos_h = (sin_deg(h0) - sin_deg(lat_deg) * sin_deg(day[1].delta_deg)) /
		(cos_deg(lat_deg) * cos_deg(day[1].delta_deg));
	crosses = cos_h >= -1 && cos_h <= 1;
	if (crosses)
		hour = AJK_RAD2DEG(acos(cos_h));
	m[0] = (day[1].alpha_deg - lon_deg - at0.nu_deg) / 360;
	m[0] -= floor(m[0]);
	m[1] = m[0] - hour / 360;
	m[2] = m[0] + hour / 360;

	/*
	 * Each estimate is improved twice; the report's one round leaves a second
	 * or two near the poles.
	 */
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 3; i++)
		{
			double		nu = at0.nu_deg + 360.985647 * m[i];
			double		n = m[i] + delta_t_s / 86400;
			double		alpha = between_days(day[0].alpha_deg, day[1].alpha_deg,
											 day[2].alpha_deg, n);

			delta[i] = between_days(day[0].delta_deg, day[1].delta_deg,
									day[2].delta_deg, n);
			h[i] = wrap360(nu + lon_deg - alpha + 180) - 180;
			alt[i] = AJK_RAD2DEG(asin(sin_deg(lat_deg) * sin_deg(delta[i]) +
									  cos_deg(lat_deg) * cos_deg(delta[i]) * cos_deg(h[i])));
			frac[i] = i == 0 ? m[0] - h[0] / 360 :
				m[i] + (alt[i] - h0) / (360 * cos_deg(delta[i]) *
										cos_deg(lat_deg) * sin_deg(h[i]));
			m[i] = i == 0 || crosses ? frac[i] : m[i];
		}
	*transit = m[0];
	*rise = crosses ? m[1] : NAN;
	*set = crosses ? m[2] : NAN;
}

/* ---- many times ---- */

/* What is interpolated between days */
enum
{
	LAMBDA, BETA, RADIUS, DPSI, EPS, QUANTITIES
};

static void
day_quantities(double jd, double last_lambda, double *q)
{
	AjkSpaSun	s;

	ajk_spa_sun(jd, ajk_delta_t(jd), &s);
	q[LAMBDA] = s.lambda_deg;
	if (isfinite(last_lambda))
		q[LAMBDA] += 360 * floor((last_lambda - s.lambda_deg) / 360 + 0.5);
	q[BETA] = s.b_deg;
	q[RADIUS] = s.r_au;
	q[DPSI] = s.dpsi_deg;
	q[EPS] = s.eps_deg;
}

AjkError
ajk_spa_series(const double *jd, int n, const AjkSpaSite *site,
			   AjkSpaPosition *pos, double *r_au, ajk_poll poll, void *arg)
{
	double		q[4][QUANTITIES];	/* days day - 1 .. day + 2 */
	double		day = NAN;		/* the times in hand are in day .. day + 1 */

	for (int i = 0; i < n; i++)
	{
		AjkSpaSun	s;
		double		f;
		double		w[4];
		double		v[QUANTITIES];

		if (!isfinite(jd[i]))
			return AJK_RANGE;
		if (poll && i % 4096 == 0 && poll(arg, (double) i / n))
			return AJK_STOPPED;
		if (!(jd[i] >= day && jd[i] < day + 1))
		{
			double		from = floor(jd[i]);
			int			keep = from == day + 1 ? 3 : 0;

			for (int k = 0; k < keep; k++)
				for (int j = 0; j < QUANTITIES; j++)
					q[k][j] = q[k + 1][j];
			for (int k = keep; k < 4; k++)
				day_quantities(from - 1 + k, k ? q[k - 1][LAMBDA] : NAN, q[k]);
			day = from;
		}
		f = jd[i] - day;
		w[0] = -f * (f - 1) * (f - 2) / 6;
		w[1] = (f + 1) * (f - 1) * (f - 2) / 2;
		w[2] = -(f + 1) * f * (f - 2) / 2;
		w[3] = (f + 1) * f * (f - 1) / 6;
		for (int j = 0; j < QUANTITIES; j++)
			v[j] = w[0] * q[0][j] + w[1] * q[1][j] + w[2] * q[2][j] + w[3] * q[3][j];
		s.lambda_deg = v[LAMBDA];
		s.b_deg = v[BETA];
		s.r_au = v[RADIUS];
		s.dpsi_deg = v[DPSI];
		s.eps_deg = v[EPS];
		equatorial(&s, jd[i]);
		ajk_spa_position(&s, site, &pos[i]);
		if (r_au)
			r_au[i] = s.r_au;
	}
	return AJK_OK;
}
