/*-------------------------------------------------------------------------
 *
 * solar.h
 *		What the solar steps share: weather tables and the computed year.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_SOLAR_H
#define AJ_SOLAR_H

#include "inputs.h"

#include "../kernels/pv.h"
#include "../kernels/weather.h"

/* A row of asyncjob.weather */
typedef struct AjWeather
{
	char	   *name;
	char	   *source;			/* NULL if not told */
	char	   *format;
	unsigned	flags;			/* AJK_WEATHER_... */
	double		latitude;
	double		longitude;
	double		elevation_m;
	double		utc_offset_h;
	double		first_s;		/* middle of the first interval, Unix time */
	double		interval_s;
	int			n;
	float	   *ghi;
	float	   *dni;
	float	   *dhi;
	float	   *air_c;
	float	   *wind_m_s;
	float	   *albedo;			/* NULL: none */
} AjWeather;

/* The weather that params["weather"] names; only its head if !values. */
extern AjWeather *aj_weather_get(JsonbContainer *params, bool values);

/* Sums of a calendar month, average over the years there are */
typedef struct AjSolarMonth
{
	double		ghi_kwh_m2;
	double		poa_kwh_m2;
	double		ac_kwh;
	double		air_c;			/* mean */
} AjSolarMonth;

typedef struct AjSolarYear
{
	AjWeather  *weather;
	AjkPvSystem sys;
	AjkSpaSite	place;
	const char *module_type;
	const char *mounting;
	double		uncertainty_pct;
	double		years;			/* covered by the weather */
	double	   *horizon;		/* NULL: not asked for */
	char	   *dem;			/* it is from this model; NULL: given */
	double		horizon_seen_m;
	double		distance_km;	/* from the weather's place */
	AjkPvTotals tot;			/* per year */
	AjSolarMonth month[12];
	float	   *ac_kw;			/* per interval */
	float	   *poa;
	float	   *cell_c;
	float	   *elevation_deg;
	float	   *azimuth_deg;
	char	  **assumptions;	/* NULL-terminated */
} AjSolarYear;

#define AJ_SOLAR_PARAMS \
	"weather", "dc_capacity_kw", "tilt_deg", "azimuth_deg", "tracking", \
	"axis_azimuth_deg", "max_angle_deg", "backtracking", "gcr", "albedo", \
	"losses_pct", "dc_ac_ratio", "inverter_eff", "gamma_pdc_per_c", \
	"module_type", "mounting", "longitude", "latitude", "site", "dem", \
	"horizon", "horizon_deg", "horizon_distance_km", "hourly", \
	"uncertainty_pct", "title"

/* Read parameters and weather's head; refuses what can be told so early. */
extern AjSolarYear *aj_solar_input(JsonbContainer *params, bool values);

/* Compute the year; progress goes from..to. */
extern void aj_solar_compute(AjSolarYear *y,
							 double from, double to);

/* Local standard time of an interval: month 0..11, day of the year, hour. */
extern void aj_solar_local(const AjWeather *w, int i, int *month, int *day,
						   double *hour);

#endif							/* AJ_SOLAR_H */
