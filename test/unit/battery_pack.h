/*-------------------------------------------------------------------------
 *
 * battery_pack.h
 *		A made-up battery of which the truth is known.
 *
 * Lithium iron phosphate, 16 cells in series: capacity fades linearly, a
 * charge loses 1 - eta, the terminal is the open circuit voltage plus R I.
 * A day's sun charges it, the evening and night discharge it; measurements are
 * taken every step with noise.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef BATTERY_PACK_H
#define BATTERY_PACK_H

#include <math.h>
#include <stdlib.h>

#include "battery.h"
#include "rng.h"

typedef struct Pack
{
	double		capacity_ah;
	double		fade_per_year;	/* of the first capacity */
	double		eta;
	double		ohm;
	double		soc_noise;
	double		volt_noise;
	double		amp_noise;
	double		step_s;
	double		days;
	int			seed;
}			Pack;

typedef struct PackData
{
	int			n;
	double	   *t;
	double	   *soc;
	double	   *current;
	double	   *voltage;
	double	   *temp;
	double	   *cell_min;
	double	   *cell_max;
}			PackData;

static inline double
pack_ocv(double soc)
{
	return 16 * (3.0 + 0.32 * (1 - exp(-18 * soc)) + 0.06 * soc + 0.12 * exp(30 * (soc - 1)));
}

static inline PackData
pack_run(const Pack * p)
{
	PackData	d;
	AjkRng		rng;
	double		soc = 0.5;
	double		cloud = 1;
	int			last_day = -1;

	d.n = (int) (p->days * 86400 / p->step_s);
	d.t = malloc(d.n * 7 * sizeof(double));
	d.soc = d.t + d.n;
	d.current = d.soc + d.n;
	d.voltage = d.current + d.n;
	d.temp = d.voltage + d.n;
	d.cell_min = d.temp + d.n;
	d.cell_max = d.cell_min + d.n;
	ajk_rng_seed(&rng, p->seed);
	for (int i = 0; i < d.n; i++)
	{
		double		t = i * p->step_s;
		double		hour = fmod(t / 3600, 24);
		int			day = (int) (t / 86400);
		double		q = p->capacity_ah * (1 - p->fade_per_year * t / (365 * 86400));
		double		sun = hour > 6 && hour < 18 ? sin((hour - 6) / 12 * AJK_PI) : 0;
		double		amp;

		if (day != last_day)
		{
			cloud = 0.7 + 0.6 * ajk_rng_uniform(&rng);
			last_day = day;
		}
		amp = 0.25 * p->capacity_ah * cloud * sun - (hour > 17 || hour < 5 ? 0.11 : 0.04) * p->capacity_ah *
			(1 + 0.5 * (ajk_rng_uniform(&rng) - 0.5)) *
			(ajk_rng_uniform(&rng) < 0.06 ? 2.5 : 1);

		/*
		 * the charger and the load stop before the battery would be full or
		 * empty
		 */
		amp = fmin(amp, fmax(0.995 - soc, 0) * q / (p->eta * p->step_s / 3600));
		amp = fmax(amp, -fmax(soc - 0.03, 0) * q / (p->step_s / 3600));
		d.t[i] = 1.7e9 + t;
		d.soc[i] = fmin(fmax(soc + p->soc_noise * ajk_rng_normal(&rng), 0), 1);
		d.current[i] = amp + p->amp_noise * ajk_rng_normal(&rng);
		d.voltage[i] = pack_ocv(soc) + p->ohm * amp + p->volt_noise * ajk_rng_normal(&rng);
		d.temp[i] = 18 + 8 * sin(2 * AJK_PI * t / (365 * 86400.0)) + 3 * sun + 0.2 * ajk_rng_normal(&rng);
		d.cell_min[i] = d.voltage[i] / 16 - 0.006;
		d.cell_max[i] = d.voltage[i] / 16 + 0.006 + 0.001 * ajk_rng_normal(&rng);

		/* held until the next sample */
		soc += (amp > 0 ? p->eta * amp : amp) * p->step_s / 3600 / q;
	}
	return d;
}

static inline AjkTelemetry
pack_view(const PackData * d)
{
	AjkTelemetry v = {d->n, d->t, d->soc, d->current, d->voltage, d->temp,
	d->cell_min, d->cell_max, NULL, NULL, NULL, 0};

	v.max_gap_s = 5 * ajk_median_step(d->t, d->n);
	return v;
}

#endif							/* BATTERY_PACK_H */
