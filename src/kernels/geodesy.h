/*-------------------------------------------------------------------------
 *
 * geodesy.h
 *		Longitude/latitude on WGS 84 to metres and back.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_GEODESY_H
#define AJK_GEODESY_H

#include "kernel.h"

/* A transverse Mercator projection of WGS 84. */
typedef struct AjkTm
{
	double		lon0_deg;		/* central meridian */
	double		k0;				/* scale on it */
	double		false_e_m;
	double		false_n_m;
} AjkTm;

/* UTM zone 1..60 of a longitude (no exceptions for Norway and Svalbard) */
extern int	ajk_utm_zone(double lon_deg);
extern AjkTm ajk_tm_utm(int zone, bool south);

/* True scale at lon/lat, which becomes 0, 0. */
extern AjkTm ajk_tm_local(double lon_deg, double lat_deg);

extern void ajk_tm_forward(const AjkTm *tm, double lon_deg, double lat_deg,
						   double *x_m, double *y_m);
extern void ajk_tm_inverse(const AjkTm *tm, double x_m, double y_m,
						   double *lon_deg, double *lat_deg);

/* Projected metres per metre on the ellipsoid at a place. */
extern double ajk_tm_scale(const AjkTm *tm, double lon_deg, double lat_deg);

/* Metres on the ellipsoid per degree of longitude and latitude. */
extern void ajk_metres_per_degree(double lat_deg, double *per_lon,
								  double *per_lat);

/*
 * EPSG code of the grids understood: 4326, 326zz, 327zz.  False for others;
 * *zone is 0 for 4326.
 */
extern bool ajk_epsg_known(int epsg, int *zone, bool *south);

#endif							/* AJK_GEODESY_H */
