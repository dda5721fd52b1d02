/*-------------------------------------------------------------------------
 *
 * turbine.c
 *		Power and thrust of a wind turbine as functions of the wind speed.
 *
 * A tabulated curve is interpolated linearly.  Outside of the table, and of
 * cut-in to cut-out speed, the turbine stands idle: no power, and the thrust coefficient of the last row
 * (the convention of PyWake's tabular curves, whose figures the tests
 * compare with).
 *
 * The formula curve is the turbine of IEA Wind Task 37's case studies 1 and
 * 2: nothing below cut-in, rated power times ((u - cut_in) / (rated -
 * cut_in))^3 below rated speed, rated power up to cut-out, and one thrust
 * coefficient for all speeds.
 *
 * Units: m/s, kW.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "turbine.h"

#include <math.h>

/*
 * The row at or below ws, which lies within the table, but never the last.
 * Most tables are even, so the row is guessed and the guess mended.
 */
static inline int
row_of(const AjkTurbine *t, double ws)
{
	int			last = t->npoints - 2;
	int			i = (int) ((ws - t->ws[0]) /
						   (t->ws[t->npoints - 1] - t->ws[0]) *
						   (t->npoints - 1));

	i = i > last ? last : i;
	while (i < last && t->ws[i + 1] <= ws)
		i++;
	while (i > 0 && t->ws[i] > ws)
		i--;
	return i;
}

/* Linear interpolation; ws lies within the table. */
static inline double
interpolate(const AjkTurbine *t, const double *value, int row, double ws)
{
	double		f = (ws - t->ws[row]) / (t->ws[row + 1] - t->ws[row]);

	return value[row] + f * (value[row + 1] - value[row]);
}

/* Is a speed outside of a table, or of cut-in to cut-out? */
static bool
idle(const AjkTurbine *t, double ws)
{
	return !(ws >= t->ws[0]) || ws > t->ws[t->npoints - 1] ||
		ws < t->cut_in_ms || (t->cut_out_ms > 0.0 && ws > t->cut_out_ms);
}

double
ajk_turbine_power(const AjkTurbine *t, double ws)
{
	if (t->curve == AJK_CURVE_IEA37)
	{
		double		f;

		if (!(ws >= t->cut_in_ms) || ws > t->cut_out_ms)
			return 0.0;
		if (ws >= t->rated_ms)
			return t->rated_kw;
		f = (ws - t->cut_in_ms) / (t->rated_ms - t->cut_in_ms);
		return t->rated_kw * f * f * f;
	}

	if (idle(t, ws))
		return 0.0;
	return interpolate(t, t->power_kw, row_of(t, ws), ws);
}

double
ajk_turbine_ct(const AjkTurbine *t, double ws)
{
	double		ct;

	if (t->curve == AJK_CURVE_IEA37)
		ct = t->ct_const;
	else if (idle(t, ws))
		ct = t->ct[t->npoints - 1];
	else
		ct = interpolate(t, t->ct, row_of(t, ws), ws);

	return ct < AJK_CT_MAX ? ct : AJK_CT_MAX;
}

void
ajk_turbine_both(const AjkTurbine *t, double ws, double *power, double *ct)
{
	int			row;

	if (t->curve == AJK_CURVE_IEA37 || idle(t, ws))
	{
		*power = ajk_turbine_power(t, ws);
		*ct = ajk_turbine_ct(t, ws);
		return;
	}
	row = row_of(t, ws);
	*power = interpolate(t, t->power_kw, row, ws);
	*ct = interpolate(t, t->ct, row, ws);
	if (!(*ct < AJK_CT_MAX))
		*ct = AJK_CT_MAX;
}

static bool
within(double v, double lo, double hi)
{
	return v >= lo && v <= hi;	/* false for NaN */
}

AjkError
ajk_turbine_check(const AjkTurbine *t, int *point, const char **what)
{
	*point = -1;
	*what = NULL;

	if (!within(t->diameter_m, 1.0, 500.0))
		*what = "rotor_diameter_m";
	else if (!within(t->hub_height_m, 1.0, 500.0))
		*what = "hub_height_m";
	else if (!within(t->rated_kw, 0.1, 100000.0))
		*what = "rated_kw";
	if (*what)
		return AJK_RANGE;

	if (t->curve == AJK_CURVE_IEA37)
	{
		if (!within(t->cut_in_ms, 0.0, 100.0))
			*what = "cut_in_ms";
		else if (!within(t->rated_ms, 0.0, 100.0) ||
				 t->rated_ms <= t->cut_in_ms)
			*what = "rated_ms";
		else if (!within(t->cut_out_ms, 0.0, 100.0) ||
				 t->cut_out_ms < t->rated_ms)
			*what = "cut_out_ms";
		else if (!within(t->ct_const, 0.0, 1.5))
			*what = "ct";
		return *what ? AJK_RANGE : AJK_OK;
	}

	if (t->npoints < 2)
	{
		*what = "number of points";
		return AJK_RANGE;
	}
	for (int i = 0; i < t->npoints; i++)
	{
		*point = i;
		if (!within(t->ws[i], 0.0, 100.0) ||
			(i > 0 && t->ws[i] <= t->ws[i - 1]))
			*what = "wind speed";
		else if (!within(t->power_kw[i], 0.0, 1.1 * t->rated_kw))
			*what = "power_kw";
		else if (!within(t->ct[i], 0.0, 1.5))
			*what = "ct";
		if (*what)
			return AJK_RANGE;
	}
	*point = -1;
	return AJK_OK;
}
