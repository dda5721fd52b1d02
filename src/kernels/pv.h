/*-------------------------------------------------------------------------
 *
 * pv.h
 *		A photovoltaic system: from irradiance to energy.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_PV_H
#define AJK_PV_H

#include "solar.h"
#include "spa.h"

/* PVWatts' relative loss of the beam by reflection, 0..1: cos of incidence */
extern double ajk_cover_transmission(double cos_incidence, bool ar_coated);

/* DC power, the same unit as pdc0; gamma per degree C. */
extern double ajk_pvwatts_dc(double effective_w_m2, double cell_c, double pdc0,
							 double gamma_per_c);

/* AC power of an inverter of DC limit pdc0; negative values are 0. */
extern double ajk_pvwatts_ac(double pdc, double pdc0, double efficiency,
							 double reference_efficiency);

/* Losses in per cent that are not additive, n of them, in per cent. */
extern double ajk_pvwatts_losses(const double *pct, int n);

/* Cell temperature by the NOCT equation as SAM has it. */
extern double ajk_noct_sam(double poa, double air_c, double wind_m_s,
						   double noct_c, double module_efficiency);

/*
 * Module temperature step by step (Fuentes 1987), as PVWatts uses it.  Start
 * with ajk_fuentes_init, then call ajk_fuentes_step for each interval.
 */
typedef struct AjkFuentes
{
	double		ground_ratio;
	double		convection_ratio;
	double		capacity;		/* J/(m2 K) */
	double		wind_factor;
	double		module_k;		/* state */
	double		sun;			/* state: absorbed, W/m2 */
} AjkFuentes;

extern void ajk_fuentes_init(AjkFuentes *f, double inoct_c,
							 double module_height_m, double wind_height_m);
extern double ajk_fuentes_step(AjkFuentes *f, double poa, double air_c,
							   double wind_m_s, double hours);

typedef struct AjkPvSystem
{
	double		dc_kw;			/* at 1000 W/m2 and 25 C */
	bool		tracking;		/* single axis; else fixed */
	double		tilt_deg;		/* fixed */
	double		azimuth_deg;	/* fixed: faces; tracking: of the axis */
	double		max_angle_deg;	/* tracking */
	double		gcr;			/* tracking: ground coverage, 0 no backtrack */
	double		albedo;
	double		losses_pct;
	double		dc_ac_ratio;
	double		inverter_efficiency;
	double		gamma_per_c;
	double		inoct_c;
	bool		ar_coated;
	const double *horizon;		/* AJK_HORIZON_BINS, or NULL */
} AjkPvSystem;

/* n intervals of equal length; jd is their middle.  albedo may be NULL. */
typedef struct AjkPvWeather
{
	int			n;
	double		hours;			/* length of an interval */
	const double *jd;
	const float *ghi;
	const float *dni;
	const float *dhi;
	const float *air_c;
	const float *wind_m_s;
	const float *albedo;		/* NaN: the system's */
} AjkPvWeather;

/* Per interval; every pointer may be NULL. */
typedef struct AjkPvSeries
{
	float	   *elevation_deg;	/* of the sun at the time used */
	float	   *azimuth_deg;
	float	   *poa;			/* W/m2, after the horizon */
	float	   *cell_c;
	float	   *dc_kw;			/* after losses */
	float	   *ac_kw;
} AjkPvSeries;

/* Sums over all intervals: kWh/m2, and kWh of the system's */
typedef struct AjkPvTotals
{
	double		ghi_kwh_m2;
	double		poa_open_kwh_m2;	/* without horizon */
	double		poa_kwh_m2;
	double		beam_kwh_m2;	/* parts of poa_kwh_m2 */
	double		sky_kwh_m2;
	double		ground_kwh_m2;
	double		nominal_kwh;	/* poa_open at the efficiency of 25 C */
	double		horizon_kwh;	/* lost to ... */
	double		reflection_kwh;
	double		temperature_kwh;	/* negative: gained */
	double		system_kwh;
	double		dc_kwh;			/* what is left, at the inverter */
	double		inverter_kwh;
	double		clipping_kwh;
	double		ac_kwh;
	double		peak_ac_kw;
	double		sun_hours;		/* sun above the horizontal */
	double		shaded_hours;	/* ... and behind a hill */
	double		dark_ghi_kwh_m2;	/* irradiance with the sun 3 deg or more
									 * below: a wrong clock */
} AjkPvTotals;

extern AjkError ajk_pv_run(const AjkPvSystem *sys, const AjkSpaSite *site,
						   const AjkPvWeather *w, AjkPvSeries *out,
						   AjkPvTotals *totals, ajk_poll poll, void *arg);

#endif							/* AJK_PV_H */
