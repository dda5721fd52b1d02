/*-------------------------------------------------------------------------
 *
 * pv.c
 *		A photovoltaic system: from irradiance to energy.
 *
 * Sources:
 *	A. P. Dobos, PVWatts Version 5 Manual, NREL/TP-6A20-62641 (2014): cover,
 *	module and inverter.
 *	M. K. Fuentes, A Simplified Thermal Model for Flat-Plate Photovoltaic
 *	Arrays, SAND85-0330 (1987): module temperature.
 *	P. Gilman et al., SAM Photovoltaic Model Technical Reference Update,
 *	NREL/TP-6A20-67399 (2018): cell temperature by NOCT.
 *
 * The sun is taken at the middle of an interval, or, where it rises or sets
 * in it, at the middle of the part with the sun up.
 *
 * Losses are told apart in the order in which they happen: hills, reflection,
 * temperature, the system (soiling, wiring, mismatch, ...), inverter,
 * clipping.  Each is what energy would have been without it, all before it
 * applied, less what is left.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "pv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BOLTZMANN 5.669e-8
#define EMISSIVITY 0.84
#define ABSORPTION 0.83

/* Index of refraction: air, anti-reflective coating, glass */
#define N_AIR 1.0
#define N_COATING 1.3
#define N_GLASS 1.526
#define GLASS_EXTINCTION 4.0	/* per m */
#define GLASS_M 0.002

/* ---- optics ---- */

/* Share that passes from one medium into another, absorption by the second. */
static double
slab(double n1, double n2, double extinction, double thickness, double theta,
	 double *theta2)
{
	double		t2 = asin(n1 / n2 * sin(theta));
	double		reflected;

	if (theta < 1e-4)
		reflected = (n1 - n2) * (n1 - n2) / ((n1 + n2) * (n1 + n2));
	else
	{
		double		s = sin(t2 - theta) / sin(t2 + theta);
		double		p = tan(t2 - theta) / tan(t2 + theta);

		reflected = (s * s + p * p) / 2;
	}
	*theta2 = t2;
	return (1 - reflected) * exp(-extinction * thickness / cos(t2));
}

static double
cover(double theta, bool ar_coated)
{
	double		inner = theta;
	double		t = 1;
	double		last;

	if (ar_coated)
	{
		t = slab(N_AIR, N_COATING, GLASS_EXTINCTION, GLASS_M, theta, &inner);
		t *= slab(N_COATING, N_GLASS, GLASS_EXTINCTION, GLASS_M, inner, &last);
	}
	else
		t = slab(N_AIR, N_GLASS, GLASS_EXTINCTION, GLASS_M, theta, &last);
	return t;
}

double
ajk_cover_transmission(double cos_incidence, bool ar_coated)
{
	double		theta;

	if (!(cos_incidence > 0.001))
		return 0;
	theta = acos(cos_incidence > 1 ? 1 : cos_incidence);
	return cover(theta, ar_coated) / cover(0, ar_coated);
}

/* ---- module and inverter ---- */

double
ajk_pvwatts_dc(double effective, double cell_c, double pdc0, double gamma)
{
	return pdc0 * effective / 1000 * (1 + gamma * (cell_c - 25));
}

double
ajk_pvwatts_ac(double pdc, double pdc0, double efficiency, double reference)
{
	double		limit = efficiency * pdc0;
	double		load = pdc / pdc0;
	double		ac;

	if (!(load > 0))
		return 0;
	ac = efficiency / reference *
		(-0.0162 * load - 0.0059 / load + 0.9858) * pdc;
	return ac < 0 ? 0 : ac > limit ? limit : ac;
}

double
ajk_pvwatts_losses(const double *pct, int n)
{
	double		left = 1;

	for (int i = 0; i < n; i++)
		left *= 1 - pct[i] / 100;
	return 100 * (1 - left);
}

/* ---- temperature ---- */

double
ajk_noct_sam(double poa, double air_c, double wind_m_s, double noct_c,
			 double module_efficiency)
{
	/* wind at 10 m brought to the module; tau alpha of 0.9 */
	return air_c + poa / 800 * (noct_c - 20) *
		(1 - module_efficiency / 0.9) * 9.5 / (5.7 + 3.8 * 0.51 * wind_m_s);
}

/* Coefficient of convection: free and forced together, W/(m2 K). */
static double
convection(double mean_k, double wind, double difference, bool turbulence)
{
	const double length = 0.5;	/* hydraulic diameter, m */
	double		density = 0.003484 * 101325 / mean_k;
	double		viscosity = 0.24237e-6 * pow(mean_k, 0.76) / density;
	double		conductivity = 2.1695e-4 * pow(mean_k, 0.84);
	double		reynolds = wind * length / viscosity;
	double		grashof = 9.8 / mean_k * difference * length * length * length /
	(viscosity * viscosity) * 0.5;
	double		forced;
	double		free_part = 0.21 * pow(grashof * 0.71, 0.32) * conductivity / length;

	if (turbulence && reynolds > 1.2e5)
		forced = 0.0282 / pow(reynolds, 0.2) * density * wind * 1007 / pow(0.71, 0.4);
	else
		forced = 0.86 / sqrt(reynolds) * density * wind * 1007 / pow(0.71, 0.67);
	return cbrt(free_part * free_part * free_part + forced * forced * forced);
}

static double
pow4(double x)
{
	return x * x * x * x;
}

void
ajk_fuentes_init(AjkFuentes *f, double inoct_c, double module_height_m,
				 double wind_height_m)
{
	double		t = inoct_c + 273.15;
	double		rise = t - 293.15;
	double		h = convection((t + 293.15) / 2, 1.0, rise, false);
	double		hground = EMISSIVITY * BOLTZMANN * (t * t + 293.15 * 293.15) * (t + 293.15);
	double		back = (ABSORPTION * 800 - EMISSIVITY * BOLTZMANN * (pow4(t) - pow4(282.21)) -
						h * rise) / ((hground + h) * rise);
	double		ground = pow(fmax(pow4(t) - back * (pow4(t) - pow4(293.15)), 0), 0.25);

	ground = fmin(fmax(ground, 293.15), t);
	f->ground_ratio = (ground - 293.15) / rise;
	f->convection_ratio = (ABSORPTION * 800 - EMISSIVITY * BOLTZMANN *
						   (2 * pow4(t) - pow4(282.21) - pow4(ground))) / (h * rise);
	f->capacity = 11000;
	if (t > 321.15)
		f->capacity *= 1 + (t - 321.15) / 12;
	f->wind_factor = pow(module_height_m / wind_height_m, 0.2);
	f->module_k = 293.15;
	f->sun = 0;
}

double
ajk_fuentes_step(AjkFuentes *f, double poa, double air_c, double wind_m_s,
				 double hours)
{
	double		air = air_c + 273.15;
	double		sun = poa * ABSORPTION;
	double		sky = 0.68 * (0.0552 * air * sqrt(air)) + 0.32 * air;
	double		wind = wind_m_s * f->wind_factor + 1e-4;
	double		t = f->module_k;

	for (int i = 0; i < 10; i++)
	{
		double		last = t;
		double		h = f->convection_ratio *
		convection((t + air) / 2, wind, fabs(t - air), true);
		double		hsky = EMISSIVITY * BOLTZMANN * (t * t + sky * sky) * (t + sky);
		double		ground = air + f->ground_ratio * (t - air);
		double		hground = EMISSIVITY * BOLTZMANN * (t * t + ground * ground) * (t + ground);
		double		eigen = -(h + hsky + hground) / f->capacity * hours * 3600;
		double		ex = eigen > -10 ? exp(eigen) : 0;

		t = f->module_k * ex + ((1 - ex) * (h * air + hsky * sky + hground * ground +
											f->sun + (sun - f->sun) / eigen) +
								sun - f->sun) / (h + hsky + hground);
		/* ten rounds are the model's; fewer where nothing moves any more */
		if (fabs(t - last) < 1e-6)
			break;
	}
	f->module_k = t;
	f->sun = sun;
	return t - 273.15;
}

/* ---- a series ---- */

/*
 * The time within an interval at which the sun is taken: its middle, or the
 * middle of the part with the sun up.  e0 and e1 are the elevations at its
 * ends; half the interval in days.
 */
static double
sun_time(double jd, double half, double e0, double e1)
{
	double		f;

	if ((e0 > 0) == (e1 > 0))
		return jd;
	f = e0 / (e0 - e1);			/* where it crosses, 0..1 */
	return e1 > 0 ? jd + half * f : jd - half * (1 - f);
}

AjkError
ajk_pv_run(const AjkPvSystem *sys, const AjkSpaSite *site,
		   const AjkPvWeather *w, AjkPvSeries *out, AjkPvTotals *tot,
		   ajk_poll poll, void *arg)
{
	const double half = w->hours / 48;
	const double pdc0_inv = sys->dc_kw / sys->dc_ac_ratio / sys->inverter_efficiency;
	size_t		n = w->n;
	double	   *jd = malloc(n * 2 * sizeof(double));
	AjkSpaPosition *ends = malloc(n * 2 * sizeof(AjkSpaPosition));
	AjkSpaPosition *sun = malloc(n * sizeof(AjkSpaPosition));
	double	   *r_au = malloc(n * sizeof(double));
	AjkFuentes	thermal;
	AjkError	rc = AJK_NOMEM;
	double		share_fixed = ajk_sky_share(sys->horizon, sys->tilt_deg,
											sys->azimuth_deg);

	if (!jd || !ends || !sun || !r_au)
		goto done;
	memset(tot, 0, sizeof(*tot));
	for (size_t i = 0; i < n; i++)
	{
		jd[2 * i] = w->jd[i] - half;
		jd[2 * i + 1] = w->jd[i] + half;
	}
	rc = ajk_spa_series(jd, 2 * w->n, site, ends, NULL, NULL, NULL);
	for (size_t i = 0; rc == AJK_OK && i < n; i++)
		jd[i] = sun_time(w->jd[i], half, ends[2 * i].elevation_deg,
						 ends[2 * i + 1].elevation_deg);
	if (rc == AJK_OK)
		rc = ajk_spa_series(jd, w->n, site, sun, r_au, NULL, NULL);
	if (rc != AJK_OK)
		goto done;
	ajk_fuentes_init(&thermal, sys->inoct_c, 5.0, 9.144);

	for (size_t i = 0; i < n; i++)
	{
		double		zenith = sun[i].zenith_deg;
		double		azimuth = sun[i].azimuth_deg;
		double		tilt = sys->tilt_deg;
		double		facing = sys->azimuth_deg;
		double		ghi = w->ghi[i];
		double		dni = w->dni[i];
		double		dhi = w->dhi[i];
		double		ground_part = w->albedo && !isnan(w->albedo[i]) ?
		w->albedo[i] : sys->albedo;
		double		share = share_fixed;
		double		extra = ajk_extraterrestrial(r_au[i]);
		double		cos_i;
		AjkPerez	sky;
		double		beam;
		double		ground;
		double		open;
		double		poa;
		double		effective;
		double		cell;
		double		dc;
		double		ac;
		double		ac_free;
		bool		shaded;

		if (poll && i % 512 == 0 && poll(arg, (double) i / n))
		{
			rc = AJK_STOPPED;
			goto done;
		}
		tot->ghi_kwh_m2 += ghi * w->hours / 1000;
		if (zenith >= 93)
			tot->dark_ghi_kwh_m2 += fmax(ghi, fmax(dni, dhi)) * w->hours / 1000;
		if (sys->tracking)
		{
			double		rotation = zenith < 90 ?
			ajk_tracker_rotation(zenith, azimuth, sys->azimuth_deg,
								 sys->max_angle_deg, sys->gcr) : 0;

			tilt = fabs(rotation);
			facing = sys->azimuth_deg + (rotation >= 0 ? 90 : -90);
			if (sys->horizon && zenith < 90)
				share = ajk_sky_share(sys->horizon, tilt, facing);
		}
		shaded = zenith < 90 && sys->horizon &&
			90 - zenith < ajk_horizon_at(sys->horizon, azimuth);
		if (zenith < 90)
		{
			tot->sun_hours += w->hours;
			tot->shaded_hours += shaded ? w->hours : 0;
		}
		cos_i = zenith < 90 ? ajk_cos_incidence(tilt, facing, zenith, azimuth) : 0;
		beam = dni * fmax(cos_i, 0);
		if (zenith < 90)
			ajk_perez(tilt, facing, dhi, dni, extra, zenith, azimuth,
					  ajk_airmass(zenith), &sky);
		else
		{
			/* what is left of twilight comes from everywhere */
			sky.isotropic = dhi * (1 + cos(AJK_DEG2RAD(tilt))) / 2;
			sky.circumsolar = sky.horizon = 0;
		}
		ground = ghi * ground_part * (1 - cos(AJK_DEG2RAD(tilt))) / 2;
		open = beam + sky.isotropic + sky.circumsolar + sky.horizon + ground;
		if (shaded)
			beam = sky.circumsolar = 0;
		sky.isotropic *= share;
		sky.horizon *= share;
		poa = fmax(beam + sky.isotropic + sky.circumsolar + sky.horizon + ground, 0);
		effective = poa - (1 - ajk_cover_transmission(cos_i, sys->ar_coated)) * beam;

		cell = ajk_fuentes_step(&thermal, poa, w->air_c[i], w->wind_m_s[i], w->hours);
		if (poa <= 0)
			cell = w->air_c[i];
		dc = fmax(ajk_pvwatts_dc(effective, cell, sys->dc_kw, sys->gamma_per_c), 0);

		tot->poa_open_kwh_m2 += open * w->hours / 1000;
		tot->poa_kwh_m2 += poa * w->hours / 1000;
		tot->beam_kwh_m2 += beam * w->hours / 1000;
		tot->ground_kwh_m2 += ground * w->hours / 1000;
		tot->nominal_kwh += open * sys->dc_kw * w->hours / 1000;
		tot->horizon_kwh += (open - poa) * sys->dc_kw * w->hours / 1000;
		tot->reflection_kwh += (poa - effective) * sys->dc_kw * w->hours / 1000;
		tot->temperature_kwh += (effective * sys->dc_kw / 1000 - dc) * w->hours;
		tot->system_kwh += dc * sys->losses_pct / 100 * w->hours;
		dc *= 1 - sys->losses_pct / 100;
		ac = ajk_pvwatts_ac(dc, pdc0_inv, sys->inverter_efficiency, 0.9637);
		/* the inverter's own loss, had it no limit */
		ac_free = dc > 0 ? fmax(sys->inverter_efficiency / 0.9637 *
								(-0.0162 * dc / pdc0_inv - 0.0059 * pdc0_inv / dc + 0.9858) * dc, 0) : 0;
		tot->dc_kwh += dc * w->hours;
		tot->inverter_kwh += (dc - ac_free) * w->hours;
		tot->clipping_kwh += (ac_free - ac) * w->hours;
		tot->ac_kwh += ac * w->hours;
		tot->peak_ac_kw = fmax(tot->peak_ac_kw, ac);
		if (out->elevation_deg)
			out->elevation_deg[i] = (float) (90 - zenith);
		if (out->azimuth_deg)
			out->azimuth_deg[i] = (float) azimuth;
		if (out->poa)
			out->poa[i] = (float) poa;
		if (out->cell_c)
			out->cell_c[i] = (float) cell;
		if (out->dc_kw)
			out->dc_kw[i] = (float) dc;
		if (out->ac_kw)
			out->ac_kw[i] = (float) ac;
	}
	tot->sky_kwh_m2 = tot->poa_kwh_m2 - tot->beam_kwh_m2 - tot->ground_kwh_m2;
done:
	free(jd);
	free(ends);
	free(sun);
	free(r_au);
	return rc;
}
