/*-------------------------------------------------------------------------
 *
 * battery_stuck.c
 *		Sensors of a battery that have stopped to measure.
 *
 * A value that stays the same to the last digit is nothing odd: a battery
 * rests, a load is constant, a sensor is coarse.  It is stuck where what else
 * is known cannot be while it is right: the state of charge stays while
 * charge flows in or out, the voltage while the state of charge goes through
 * a third of its range, the current while the state of charge goes another
 * way.  What a stuck sensor says is to be taken as not known.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "battery.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* so long at least; so much of the capacity, charge or state of charge */
#define SOC_S (3 * 3600.0)
#define SOC_FLOWN 0.10
#define OTHER_S (6 * 3600.0)
#define VOLTAGE_MOVED 0.30
#define CURRENT_AWAY 0.20

/* a battery management system that corrects itself says nothing of others */
#define JUMP 0.10

typedef struct Range
{
	double		low;
	double		high;
} Range;

static void
widen(Range *r, double v)
{
	r->low = fmin(r->low, v);
	r->high = fmax(r->high, v);
}

/* Does what else is known contradict values from .. to of a channel? */
static bool
contradicted(const AjkTelemetry *d, AjkStuckKind kind, int from, int to,
			 double capacity_ah)
{
	Range		flown = {0, 0};
	Range		soc = {INFINITY, -INFINITY};
	double		away = 0;
	double		q = 0;
	double		path = 0;		/* of the state of charge, without jumps */
	double		last = NAN;
	double		first = d->soc ? d->soc[from] : NAN;

	for (int i = from; i <= to; i++)
	{
		if (i > from && d->current && !isnan(d->current[i]) && !isnan(d->current[i - 1]))
			q += (d->current[i] + d->current[i - 1]) / 2 * (d->t[i] - d->t[i - 1]) / 3600 / capacity_ah;
		widen(&flown, q);
		if (d->soc && !isnan(d->soc[i]))
		{
			widen(&soc, d->soc[i]);
			if (fabs(d->soc[i] - last) < JUMP)
				path += d->soc[i] - last;
			last = d->soc[i];
			away = fmax(away, fabs(path - q));
		}
	}
	switch (kind)
	{
		case AJK_STUCK_SOC:
			/* full and empty are where it may stay */
			return first > 0.02 && first < 0.98 && flown.high - flown.low > SOC_FLOWN;
		case AJK_STUCK_CURRENT:
			return away > CURRENT_AWAY;
		default:
			return soc.high - soc.low > VOLTAGE_MOVED;
	}
}

AjkError
ajk_battery_stuck(const AjkTelemetry *d, double capacity_ah, AjkStuck **out,
				  int *nout)
{
	const double *channel[] = {d->soc, d->current, d->voltage, d->cell_min, d->cell_max};
	int			size = 0;

	*out = NULL;
	*nout = 0;
	for (int k = 0; k < (int) (sizeof(channel) / sizeof(channel[0])); k++)
	{
		const double *v = channel[k];

		for (int i = 0, to; v && i < d->n; i = to + 1)
		{
			to = i;
			while (to + 1 < d->n && fabs(v[to + 1] - v[i]) < 1e-6 && !ajk_gap_before(d, to + 1))
				to++;
			if (isnan(v[i]) || d->t[to] - d->t[i] < (k == AJK_STUCK_SOC ? SOC_S : OTHER_S) ||
				!contradicted(d, k, i, to, capacity_ah))
				continue;
			if (*nout == size)
			{
				AjkStuck   *more;

				size = size ? 2 * size : 16;
				more = realloc(*out, size * sizeof(AjkStuck));
				if (more == NULL)
				{
					free(*out);
					*out = NULL;
					*nout = 0;
					return AJK_NOMEM;
				}
				*out = more;
			}
			(*out)[(*nout)++] = (AjkStuck)
			{
				k, i, to
			};
		}
	}
	return AJK_OK;
}
