/*-------------------------------------------------------------------------
 *
 * solar.h
 *		Irradiance on a plane, and what hills take away from it.
 *
 * Irradiances W/m2, angles degrees; azimuths clockwise from north; a plane's
 * tilt is 0 lying and 90 standing, its azimuth the way it faces.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_SOLAR_H
#define AJK_SOLAR_H

#include "kernel.h"

/* Total solar irradiance at 1 AU, W/m2 (Gueymard 2018) */
#define AJK_SOLAR_CONSTANT 1361.1

/* Azimuths at which a horizon is kept: i * 360 / AJK_HORIZON_BINS */
#define AJK_HORIZON_BINS 360

/* Relative optical air mass (Kasten and Young 1989); NaN below the horizon. */
extern double ajk_airmass(double apparent_zenith_deg);

/* Irradiance outside of the atmosphere on a plane facing the sun. */
extern double ajk_extraterrestrial(double r_au);

/* Diffuse horizontal irradiance from global horizontal (Erbs et al. 1982). */
extern double ajk_erbs_dhi(double ghi, double zenith_deg, double dni_extra);

/* Clear sky (Ineichen and Perez 2002), absolute air mass, Linke turbidity. */
extern void ajk_ineichen(double apparent_zenith_deg, double airmass_absolute,
						 double linke, double altitude_m, double dni_extra,
						 double *ghi, double *dni, double *dhi);

/* Cosine of the angle of incidence, negative behind the plane. */
extern double ajk_cos_incidence(double tilt, double azimuth,
								double sun_zenith, double sun_azimuth);

/* The three parts of the sky's light on a plane, by Perez et al. 1990. */
typedef struct AjkPerez
{
	double		isotropic;
	double		circumsolar;
	double		horizon;
} AjkPerez;

extern void ajk_perez(double tilt, double azimuth, double dhi, double dni,
					  double dni_extra, double sun_zenith, double sun_azimuth,
					  double airmass, AjkPerez *out);

/*
 * Single-axis tracker on level ground: rotation that follows the sun, turned
 * back where rows would shade each other (Anderson and Mikofski 2020) if
 * gcr > 0, within +-max_angle.  Positive rotation faces axis_azimuth + 90.
 */
extern double ajk_tracker_rotation(double sun_zenith, double sun_azimuth,
								   double axis_azimuth, double max_angle,
								   double gcr);

/* ---- horizon ---- */

/* Height of the horizon at an azimuth, degrees; 0 if horizon is NULL. */
extern double ajk_horizon_at(const double *horizon, double azimuth);

/* Share of an even sky's light that reaches the plane over the horizon. */
extern double ajk_sky_share(const double *horizon, double tilt,
							double azimuth);

/*
 * The horizon of a place in a grid of elevations, row 0 northernmost, NaN
 * unknown.  dx_m is the cells' width row by row.  col and row are the place,
 * in cells from the centre of cell 0, 0; observer_m its height above ground.
 * Looked for up to distance_m, as far as the grid goes; *seen_m is how far it
 * goes in the least favourable direction.  Curvature of the earth and a
 * refraction of 0.13 of it are taken into account.
 */
extern AjkError ajk_horizon(const float *z, int ncols, int nrows,
							const double *dx_m, double dy_m, double col,
							double row, double observer_m, double distance_m,
							double *horizon, double *seen_m, ajk_poll poll,
							void *arg);

#endif							/* AJK_SOLAR_H */
