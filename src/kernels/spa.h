/*-------------------------------------------------------------------------
 *
 * spa.h
 *		Where the sun stands: the solar position algorithm of NREL.
 *
 * Times are Julian days of universal time (UT), longitudes degrees east,
 * azimuths degrees clockwise from true north, zeniths and elevations degrees.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_SPA_H
#define AJK_SPA_H

#include "kernel.h"

/* Julian day of the Unix epoch, 1970-01-01 00:00 UT */
#define AJK_JD_UNIX 2440587.5

/* The sun as seen from the centre of the earth. */
typedef struct AjkSpaSun
{
	double		l_deg;			/* heliocentric longitude of the earth */
	double		b_deg;			/* heliocentric latitude of the earth */
	double		r_au;			/* distance to the sun */
	double		dpsi_deg;		/* nutation in longitude */
	double		deps_deg;		/* nutation in obliquity */
	double		eps_deg;		/* true obliquity of the ecliptic */
	double		lambda_deg;		/* apparent longitude of the sun */
	double		alpha_deg;		/* right ascension */
	double		delta_deg;		/* declination */
	double		nu_deg;			/* apparent sidereal time at Greenwich */
} AjkSpaSun;

typedef struct AjkSpaSite
{
	double		lat_deg;
	double		lon_deg;
	double		elevation_m;
	double		pressure_mbar;	/* annual mean; for the refraction */
	double		temp_c;			/* annual mean; for the refraction */
} AjkSpaSite;

/* The sun as seen from a site. */
typedef struct AjkSpaPosition
{
	double		hour_angle_deg; /* geocentric local hour angle, 0..360 */
	double		elevation0_deg; /* without refraction */
	double		elevation_deg;	/* with refraction */
	double		zenith_deg;		/* 90 - elevation_deg */
	double		azimuth_deg;
} AjkSpaPosition;

/* TT - UT in seconds (Espenak and Meeus 2006), for the years 1900 to 2150. */
extern double ajk_delta_t(double jd);

/* Julian day of a date of the Gregorian calendar. */
extern double ajk_julian_day(int year, int month, double day);

extern void ajk_spa_sun(double jd, double delta_t_s, AjkSpaSun *sun);
extern void ajk_spa_position(const AjkSpaSun *sun, const AjkSpaSite *site,
							 AjkSpaPosition *pos);

/* Apparent solar time less mean solar time, minutes, -20..20. */
extern double ajk_spa_equation_of_time(double jd, double delta_t_s);

/*
 * Sunrise, transit and sunset of the UT day that begins at jd0, in days after
 * jd0 (sunrise may be negative, sunset beyond 1: they belong to the transit).
 * rises is false where the sun does not cross the horizon that day; rise and
 * set are then NaN.
 */
extern void ajk_spa_rise_set(double jd0, double delta_t_s, double lat_deg,
							 double lon_deg, double *rise, double *transit,
							 double *set);

/*
 * Sun positions at n times that don't descend.  Exact as ajk_spa_sun within
 * 1e-6 degrees, at a fraction of its cost where times are dense.
 */
extern AjkError ajk_spa_series(const double *jd, int n,
							   const AjkSpaSite *site, AjkSpaPosition *pos,
							   double *r_au, ajk_poll poll, void *arg);

/* Standard atmosphere's pressure at a height, mbar. */
extern double ajk_standard_pressure(double elevation_m);

#endif							/* AJK_SPA_H */
