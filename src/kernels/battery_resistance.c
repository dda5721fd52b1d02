/*-------------------------------------------------------------------------
 *
 * battery_resistance.c
 *		The resistance of a battery, from its telemetry.
 *
 * Resistance is dV/dI.  Between samples minutes apart the open circuit voltage
 * moves as well, so differences of neighbours would mix the two.  Samples are
 * compared with others of the same state of charge instead: within a band of
 * 5 % and one direction of current, which takes out the hysteresis, voltage is
 * regressed on current and state of charge; all bands share the resistance.
 * With S the sums of products of deviations within a band,
 *
 *		R = sum_b (Siv - Sis Ssv / Sss) / sum_b (Sii - Sis^2 / Sss)
 *
 * It is the resistance at the time scale of the sampling.
 *
 * A state of charge that is wrong for days spoils that, so the resistance is
 * also told from differences of neighbours, regressed on those of current and
 * state of charge: less exact, but no drift comes into it.  Where the two are
 * far apart neither is to be believed.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "battery.h"

#include <math.h>
#include <string.h>

/* bands of the state of charge; the steep ends of the curve stay out */
#define BANDS 20
#define LOWEST_BAND 0.10
#define HIGHEST_BAND 0.9499

/* a current below this share of capacity (1/h) is rest */
#define REST_SHARE 0.01

/* standard deviation of current within bands, share of capacity (1/h) */
#define MIN_SPREAD 0.004

/* Sums about the means of a group of samples */
typedef struct Group
{
	double		n;
	double		v;				/* means */
	double		i;
	double		s;
	double		vv;				/* sums of products of deviations */
	double		ii;
	double		ss;
	double		iv;
	double		is;
	double		sv;
} Group;

static void
add_sample(Group *g, double v, double i, double s)
{
	double		dv = v - g->v;
	double		di = i - g->i;
	double		ds = s - g->s;

	g->n++;
	g->v += dv / g->n;
	g->i += di / g->n;
	g->s += ds / g->n;
	g->vv += dv * (v - g->v);
	g->ii += di * (i - g->i);
	g->ss += ds * (s - g->s);
	g->iv += di * (v - g->v);
	g->is += di * (s - g->s);
	g->sv += ds * (v - g->v);
}

/* May a sample tell the resistance? */
static bool
usable(const AjkTelemetry *d, int i, double capacity_ah)
{
	return d->soc[i] >= LOWEST_BAND && d->soc[i] <= HIGHEST_BAND &&
		!isnan(d->voltage[i]) && fabs(d->current[i]) >= REST_SHARE * capacity_ah;
}

/* By differences of neighbours: dV = R dI + slope dsoc */
static void
between_neighbours(const AjkTelemetry *d, int from, int to, double capacity_ah,
				   AjkResistance *r)
{
	double		ii = 0;
	double		ss = 0;
	double		is = 0;
	double		iv = 0;
	double		sv = 0;
	double		vv = 0;
	double		det;
	double		slope;
	int			n = 0;

	for (int i = from + 1; i < to; i++)
	{
		double		di;
		double		ds;
		double		dv;

		if (ajk_gap_before(d, i) || !usable(d, i, capacity_ah) ||
			!usable(d, i - 1, capacity_ah) || d->current[i] * d->current[i - 1] < 0)
			continue;
		di = d->current[i] - d->current[i - 1];
		ds = d->soc[i] - d->soc[i - 1];
		dv = d->voltage[i] - d->voltage[i - 1];
		ii += di * di;
		ss += ds * ds;
		is += di * ds;
		iv += di * dv;
		sv += ds * dv;
		vv += dv * dv;
		n++;
	}
	det = ii * ss - is * is;
	if (n < 20 || !(det > 0) || !(ii / n > pow(MIN_SPREAD * capacity_ah, 2)))
		return;
	r->step_ohm = (iv * ss - sv * is) / det;
	slope = (sv * ii - iv * is) / det;
	r->step_se_ohm = sqrt(fmax(vv - r->step_ohm * iv - slope * sv, 0) / (n - 2) * ss / det);
}

AjkResistance
ajk_battery_resistance(const AjkTelemetry *d, int from, int to,
					   double capacity_ah)
{
	Group		group[BANDS][2];
	double		num = 0;
	double		den = 0;
	double		vv = 0;
	double		dof = 0;
	AjkResistance r = {0, NAN, NAN, NAN, NAN};

	if (!d->current || !d->voltage || !d->soc)
		return r;
	memset(group, 0, sizeof(group));
	for (int i = from; i < to; i++)
	{
		int			b;

		if (!usable(d, i, capacity_ah))
			continue;
		b = (int) (d->soc[i] * BANDS);
		add_sample(&group[b][d->current[i] > 0], d->voltage[i], d->current[i], d->soc[i]);
		r.samples++;
	}
	for (int k = 0; k < 2 * BANDS; k++)
	{
		const Group *g = &group[k / 2][k % 2];
		double		fix_i;
		double		fix_v;

		if (g->n < 5 || !(g->ss > 0))
			continue;
		fix_i = g->is / g->ss;
		fix_v = g->sv / g->ss;
		num += g->iv - fix_i * g->sv;
		den += g->ii - fix_i * g->is;
		vv += g->vv - fix_v * g->sv;
		dof += g->n - 2;
	}
	/* currents must differ by some per cent of the capacity */
	if (r.samples < 30 || dof < 20 || !(den / dof > pow(MIN_SPREAD * capacity_ah, 2)))
		return r;
	r.ohm = num / den;
	r.se_ohm = sqrt(fmax(vv - r.ohm * num, 0) / (dof - 1) / den);
	between_neighbours(d, from, to, capacity_ah, &r);
	return r;
}
