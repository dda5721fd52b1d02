/*-------------------------------------------------------------------------
 *
 * surrogate_tables.c
 *		Setting up the fast estimate of a wind farm's energy.
 *
 * What surrogate.c looks up and never changes: the thrust coefficient that
 * stands for a type of turbine, and by type and direction the energy over the
 * relative loss of speed.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "surrogate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Entries of a table: loss of speed 0, 1/steps, ... 1; fewer directions, more */
#define STEPS_FINE 2048
#define STEPS_COARSE 512
#define FEW_DIRECTIONS 36

/* Ct weighted by what a small loss of speed costs at each speed. */
static double
typical_ct(const AjkTurbine *turbine, const AjkWind *wind, double factor)
{
	double		weight = 0.0;
	double		sum = 0.0;

	for (int j = 0; j < wind->nws; j++)
	{
		double		u = wind->ws[j] * factor;
		double		cost = ajk_turbine_power(turbine, u) -
		ajk_turbine_power(turbine, 0.95 * u);
		double		p = 0.0;

		for (int i = 0; i < wind->nwd; i++)
			p += wind->prob[(size_t) i * wind->nws + j];
		if (cost > 0.0)
		{
			weight += p * cost;
			sum += p * cost * ajk_turbine_ct(turbine, u);
		}
	}
	if (weight > 0.0)
		return sum / weight;
	return ajk_turbine_ct(turbine, ajk_wind_mean_speed(wind) * factor);
}

void
ajk_surrogate_free(AjkSurrogate *s)
{
	free(s->east);
	free(s->north);
	free(s->table);
	free(s->x);
	free(s->y);
	free(s->down);
	free(s->across);
	free(s->sum);
	free(s->energy);
	free(s->base);
	free(s->base_energy);
	free(s->scratch);
	free(s->type);
	free(s->row);
	free(s->type_ct);
	free(s->place_sigma0);
	free(s->place_c);
	free(s->hub);
	free(s->factor2);
	memset(s, 0, sizeof(*s));
}

/* Tables of one type in all directions */
static void
make_tables(AjkSurrogate *s, int type, double ct, double factor,
			const AjkWind *wind)
{
	const AjkTurbine *t = &s->turbine[type];
	double		d = t->diameter_m;
	double		ref = ajk_wake_deficit(&s->wake, d, ct, 7.0 * d, 0.0, d);

	for (int i = 0; i < s->nwd; i++)
	{
		double	   *row = s->table + (size_t) i * ajk_table_width(s) +
		(size_t) type * ((size_t) s->steps + 2);

		memset(row, 0, sizeof(double) * ((size_t) s->steps + 2));
		for (int j = 0; j < wind->nws; j++)
		{
			double		p = wind->prob[(size_t) i * wind->nws + j];
			double		u = wind->ws[j] * factor;
			double		ratio = 1.0;

			if (p == 0.0)
				continue;
			if (ref > 0.0)
				ratio = ajk_wake_deficit(&s->wake, d, ajk_turbine_ct(t, u),
										 7.0 * d, 0.0, d) / ref;
			for (int k = 0; k < s->steps + 2; k++)
			{
				double		loss = ratio * k / s->steps;

				row[k] += p * AJK_HOURS_PER_YEAR / 1000.0 *
					ajk_turbine_power(t, u * fmax(0.0, 1.0 - loss));
			}
		}
	}
}

/* What the turbine of each place is; places beyond them are of type 0. */
static bool
set_types(AjkSurrogate *s, const AjkFarm *farm)
{
	size_t		size = sizeof(double) * (size_t) s->cap;

	s->type = calloc((size_t) s->cap, sizeof(int));
	s->row = calloc((size_t) s->cap, sizeof(int));
	s->place_sigma0 = calloc((size_t) s->cap, sizeof(double));
	s->place_c = malloc(size);
	s->hub = malloc(size);
	s->factor2 = malloc(size);
	if (!s->type || !s->row || !s->place_sigma0 || !s->place_c || !s->hub ||
		!s->factor2)
		return false;
	for (int i = 0; i < s->cap; i++)
	{
		int			type = i < farm->n ? farm->type[i] : 0;
		const AjkTurbine *t = &s->turbine[type];
		double		factor = farm->speed_factor ? farm->speed_factor[type] : 1.0;
		double		k;

		s->type[i] = type;
		(void) ajk_wake_gauss(&s->wake, t->diameter_m, s->type_ct[type], &k,
							  &s->place_sigma0[i]);
		s->place_c[i] = s->type_ct[type] * t->diameter_m * t->diameter_m / 8.0;
		s->hub[i] = t->hub_height_m;
		s->factor2[i] = factor * factor;
	}
	return true;
}

AjkError
ajk_surrogate_init(AjkSurrogate *s, int cap, const AjkFarm *farm,
				   const AjkWind *wind, int max_wd)
{
	const AjkTurbine *turbine = farm->turbine;
	const AjkWake *wake = &farm->wake;
	AjkWind		coarse;
	size_t		cells;
	double		d = turbine->diameter_m;
	AjkError	err;

	memset(s, 0, sizeof(*s));
	err = ajk_wind_coarsen(wind, max_wd, &coarse);
	if (err != AJK_OK)
		return err;
	cap = (cap + 1 + AJK_LANES - 1) / AJK_LANES * AJK_LANES;
	s->cap = cap;
	s->nwd = coarse.nwd;
	s->wake = *wake;
	s->turbine = turbine;
	s->ntypes = farm->type ? farm->ntypes : 1;
	s->steps = s->nwd <= FEW_DIRECTIONS ? STEPS_FINE : STEPS_COARSE;

	cells = (size_t) s->nwd * (size_t) cap;
	s->east = malloc(sizeof(double) * (size_t) s->nwd);
	s->north = malloc(sizeof(double) * (size_t) s->nwd);
	s->table = malloc(sizeof(double) * (size_t) s->nwd * ajk_table_width(s));
	s->x = malloc(sizeof(double) * (size_t) cap);
	s->y = malloc(sizeof(double) * (size_t) cap);
	s->down = malloc(sizeof(double) * cells);
	s->across = malloc(sizeof(double) * cells);
	s->sum = malloc(sizeof(double) * cells);
	s->energy = malloc(sizeof(double) * cells);
	s->base = malloc(sizeof(double) * cells);
	s->base_energy = malloc(sizeof(double) * cells);
	s->scratch = malloc(sizeof(double) * (size_t) cap);
	s->type_ct = malloc(sizeof(double) * (size_t) s->ntypes);
	if (!s->east || !s->north || !s->table || !s->x || !s->y || !s->down ||
		!s->across || !s->sum || !s->energy || !s->base || !s->base_energy ||
		!s->scratch || !s->type_ct)
	{
		ajk_surrogate_free(s);
		ajk_wind_free(&coarse);
		return AJK_NOMEM;
	}

	for (int i = 0; i < s->nwd; i++)
	{
		double		angle = AJK_DEG2RAD(coarse.wd[i] + farm->true_north_deg);

		s->east[i] = -sin(angle);
		s->north[i] = -cos(angle);
	}
	for (int t = 0; t < s->ntypes; t++)
	{
		double		factor = farm->type && farm->speed_factor ?
		farm->speed_factor[t] : 1.0;

		s->type_ct[t] = typical_ct(&turbine[t], wind, factor);
		make_tables(s, t, s->type_ct[t], factor, &coarse);
	}
	ajk_wind_free(&coarse);
	s->ct = s->type_ct[0];
	s->gauss = ajk_wake_gauss(wake, d, s->ct, &s->k, &s->sigma0);
	s->c = s->ct * d * d / 8.0;
	if (farm->type && !set_types(s, farm))
	{
		ajk_surrogate_free(s);
		return AJK_NOMEM;
	}

	for (int i = 0; i < s->nwd; i++)
	{
		const double *row = s->table + (size_t) i * ajk_table_width(s);

		if (!farm->type)
			s->gross_mwh += row[0];
		else
			for (int k = 0; k < farm->n; k++)
				s->gross_mwh += row[(size_t) farm->type[k] *
									((size_t) s->steps + 2)] / farm->n;
	}
	return AJK_OK;
}
