/*-------------------------------------------------------------------------
 *
 * battery.c
 *		What a battery's telemetry says about the battery.
 *
 * Charge and energy are integrated by trapezoids between neighbouring samples
 * and never over a gap.  Efficiencies compare what came out with what went in
 * between equal states of charge: the change of the state of charge over each
 * stretch without gap is put on the side of what came out.
 *
 * Capacity is charge over change of the state of charge.  The state of charge
 * of a battery management system is noisy and coarse, the charge is not, so
 * within a window a line is fitted to state of charge over charge: all samples
 * count, not just the two ends.  Windows are then joined by total least
 * squares with both errors (G. L. Plett, J. Power Sources 196 (2011) 2319).
 * What counts is charge on the battery's side of its losses, so charge put in
 * is multiplied by the coulombic efficiency.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "battery.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats.h"

/* relative error of charge counted over a window, one sigma */
#define CHARGE_ERROR 0.003

/* a turn of the state of charge by less is noise */
#define TURN 0.04

/* a step of the state of charge by more is a jump */
#define JUMP 0.1

/*
 * Current and state of charge are compared over so long: from one sample to
 * the next, noise may hide which way the state of charge goes.
 */
#define SIGN_BLOCK_S 3600.0

double
ajk_median_step(const double *t, int n)
{
	double	   *d;
	double		m;

	if (n < 2)
		return NAN;
	d = malloc((n - 1) * sizeof(double));
	if (d == NULL)
		return NAN;
	for (int i = 1; i < n; i++)
		d[i - 1] = t[i] - t[i - 1];
	m = ajk_median(d, n - 1);
	free(d);
	return m;
}

/* ---- validation ---- */

static double
value_at(const double *v, int i)
{
	return v ? v[i] : NAN;
}

/* Median and largest of the absolute values */
static double
known_median(const double *v, int n, double *scratch, double *largest)
{
	int			k = 0;

	*largest = NAN;
	for (int i = 0; v && i < n; i++)
		if (!isnan(v[i]))
		{
			scratch[k] = fabs(v[i]);
			*largest = fmax(*largest, scratch[k]);
			k++;
		}
	return ajk_median(scratch, k);
}

AjkError
ajk_telemetry_check(const AjkTelemetry *d, AjkTelemetryCheck *out)
{
	double	   *scratch = malloc((d->n > 0 ? d->n : 1) * sizeof(double));
	double		sxy = 0;
	double		sxx = 0;
	double		syy = 0;
	double		q = 0;
	int			block = 0;
	double		largest;

	memset(out, 0, sizeof(*out));
	if (scratch == NULL)
		return AJK_NOMEM;
	out->step_s = ajk_median_step(d->t, d->n);
	out->span_s = d->n > 1 ? d->t[d->n - 1] - d->t[0] : 0;
	for (int i = 1; i < d->n; i++)
	{
		bool		known;

		if (ajk_gap_before(d, i))
		{
			out->gaps++;
			if (d->t[i] - d->t[i - 1] > out->longest_gap_s)
			{
				out->longest_gap_s = d->t[i] - d->t[i - 1];
				out->longest_gap_at = d->t[i - 1];
			}
			block = i;
			q = 0;
			continue;
		}
		out->covered_s += d->t[i] - d->t[i - 1];
		known = !isnan(value_at(d->current, i)) && !isnan(value_at(d->current, i - 1)) &&
			!isnan(value_at(d->soc, i)) && !isnan(value_at(d->soc, i - 1));
		if (known)
			q += (d->current[i] + d->current[i - 1]) / 2 * (d->t[i] - d->t[i - 1]);
		if (known && d->t[i] - d->t[block] >= SIGN_BLOCK_S)
		{
			double		ds = d->soc[i] - d->soc[block];

			sxy += q * ds;
			sxx += q * q;
			syy += ds * ds;
			known = false;
		}
		if (!known)
		{
			block = i;
			q = 0;
		}
	}
	out->sign = sxx > 0 && syy > 0 ? sxy / sqrt(sxx * syy) : NAN;
	out->median_voltage = known_median(d->voltage, d->n, scratch, &largest);
	out->median_current = known_median(d->current, d->n, scratch, &out->largest_current);
	free(scratch);
	return AJK_OK;
}

/* ---- energy ---- */

static void
add_power(const double *v, int i, double hours, double *kwh, double *known_h)
{
	if (v && !isnan(v[i]) && !isnan(v[i - 1]))
	{
		*kwh += (v[i] + v[i - 1]) / 2 * hours / 1000;
		*known_h += hours;
	}
}

/* What flows in and what flows out, of which the later sample tells a share */
static void
split_at(double a, double b, double later, double hours, double *in, double *out)
{
	*in += ((1 - later) * fmax(a, 0) + later * fmax(b, 0)) * hours;
	*out += ((1 - later) * fmax(-a, 0) + later * fmax(-b, 0)) * hours;
}

/*
 * The same by trapezoids: right on the whole whether a sample is a moment's
 * value or the mean of the interval before or after it.
 */
static void
split(double a, double b, double hours, double *in, double *out)
{
	split_at(a, b, 0.5, hours, in, out);
}

void
ajk_battery_energy(const AjkTelemetry *d, int from, int to, AjkEnergy *e)
{
	memset(e, 0, sizeof(*e));
	for (int i = from > 1 ? from : 1; i < to; i++)
	{
		double		h = (d->t[i] - d->t[i - 1]) / 3600;
		bool		current = d->current && !isnan(d->current[i]) && !isnan(d->current[i - 1]);

		if (ajk_gap_before(d, i))
			continue;
		e->hours += h;
		if (d->soc && !isnan(d->soc[i]) && !isnan(d->soc[i - 1]))
		{
			double		ds = d->soc[i] - d->soc[i - 1];

			e->soc_h += h;
			e->soc_change += ds;
			e->soc_throughput += fabs(ds);
			if (current)
			{
				e->soc_current_h += h;
				e->soc_change_ah += ds;
				split(d->current[i - 1], d->current[i], h, &e->charge_soc_ah, &e->discharge_soc_ah);
			}
		}
		if (current)
		{
			e->current_h += h;
			split(d->current[i - 1], d->current[i], h, &e->charge_ah, &e->discharge_ah);
			if (d->voltage && !isnan(d->voltage[i]) && !isnan(d->voltage[i - 1]))
			{
				e->power_h += h;
				split(d->current[i - 1] * d->voltage[i - 1] / 1000,
					  d->current[i] * d->voltage[i] / 1000, h,
					  &e->charge_kwh, &e->discharge_kwh);
			}
		}
		add_power(d->pv, i, h, &e->pv_kwh, &e->pv_h);
		add_power(d->load, i, h, &e->load_kwh, &e->load_h);
		add_power(d->generator, i, h, &e->generator_kwh, &e->generator_known_h);
		if (d->generator && d->generator[i] > 0)
			e->generator_h += h;
	}
}

void
ajk_battery_efficiency(const AjkEnergy *e, double capacity_ah, double mean_v,
					   double *coulombic, double *energy)
{
	double		stored = capacity_ah * e->soc_change_ah;

	*coulombic = e->charge_soc_ah > 0 ? (e->discharge_soc_ah + stored) / e->charge_soc_ah : NAN;
	*energy = e->charge_kwh > 0 ?
		(e->discharge_kwh + stored * mean_v / 1000) / e->charge_kwh : NAN;
}

/* ---- capacity ---- */

/*
 * Share of the current between two samples that the later one tells: 1 where
 * a sample is the mean of the time before it, 0 of the time after it, one half
 * of moments' values.  On the whole that is the same, but a window begins at
 * rest and ends under current, so half a step is counted too much or too
 * little.  Told by regressing steps of the state of charge on both currents.
 */
static double
later_share(const AjkTelemetry *d, double coulombic)
{
	double		aa = 0;
	double		bb = 0;
	double		ab = 0;
	double		ay = 0;
	double		by = 0;
	double		yy = 0;
	double		det;
	double		a;
	double		b;
	double		se;
	int			n = 0;

	for (int i = 1; i < d->n; i++)
	{
		double		h = (d->t[i] - d->t[i - 1]) / 3600;
		double		x = d->current[i - 1] * h * (d->current[i - 1] > 0 ? coulombic : 1);
		double		z = d->current[i] * h * (d->current[i] > 0 ? coulombic : 1);
		double		y = d->soc[i] - d->soc[i - 1];

		/* a jump is none of the current's doing */
		if (ajk_gap_before(d, i) || isnan(x) || isnan(z) || !(fabs(y) < JUMP))
			continue;
		aa += x * x;
		bb += z * z;
		ab += x * z;
		ay += x * y;
		by += z * y;
		yy += y * y;
		n++;
	}
	det = aa * bb - ab * ab;
	if (n < 100 || !(det > 1e-3 * aa * bb))
		return 0.5;
	a = (bb * ay - ab * by) / det;
	b = (aa * by - ab * ay) / det;
	se = sqrt(fmax(yy - a * ay - b * by, 0) / (n - 2) * fmax(aa, bb) / det);
	if (!(a + b > 0) || se > 0.1 * (a + b))
		return 0.5;
	return fmin(fmax(b / (a + b), 0), 1);
}

/* Fit state of charge over charge in samples from .. to. */
static bool
fit_window(const AjkTelemetry *d, int from, int to, double coulombic,
		   double later, AjkWindow *w)
{
	int			n = to - from + 1;
	double		q = 0;
	double		mq = 0;
	double		ms = 0;
	double		sqq = 0;
	double		sqs = 0;
	double		sss = 0;
	double		sse;
	double		b;
	double		temp = 0;
	int			temps = 0;

	if (n < 3)
		return false;
	/* two passes: means, then moments about them */
	for (int pass = 0; pass < 2; pass++)
	{
		q = 0;
		for (int i = from; i <= to; i++)
		{
			if (i > from)
			{
				double		in = 0;
				double		out = 0;

				split_at(d->current[i - 1], d->current[i], later,
						 (d->t[i] - d->t[i - 1]) / 3600, &in, &out);
				q += in * coulombic - out;
			}
			if (pass == 0)
			{
				mq += q / n;
				ms += d->soc[i] / n;
				if (d->temp && !isnan(d->temp[i]))
					temp += d->temp[i], temps++;
			}
			else
			{
				sqq += (q - mq) * (q - mq);
				sqs += (q - mq) * (d->soc[i] - ms);
				sss += (d->soc[i] - ms) * (d->soc[i] - ms);
			}
		}
	}
	if (!(sqq > 0) || !(sqs > 0))
		return false;
	b = sqs / sqq;
	sse = fmax(sss - b * sqs, 0);
	w->from = from;
	w->to = to;
	w->charging = q > 0;
	w->t = (d->t[from] + d->t[to]) / 2;
	w->ah = q;
	w->dsoc = b * q;
	w->capacity_ah = 1 / b;
	/* an exact fit is one of numbers rounded alike, not of no error */
	w->se_ah = w->capacity_ah * fmax(sqrt(sse / (n - 2) / sqq) / b, 1e-4);
	w->temp = temps ? temp / temps : NAN;
	return true;
}

AjkError
ajk_capacity_windows(const AjkTelemetry *d, double min_dsoc, double coulombic,
					 AjkWindow **out, int *nout)
{
	int			size = 0;
	int			i = 0;
	double		later;

	*out = NULL;
	*nout = 0;
	if (d->current == NULL || d->soc == NULL)
		return AJK_OK;
	later = later_share(d, coulombic);
	while (i < d->n)
	{
		int			start;
		int			low;
		int			high;
		int			end;

		/* a stretch without gaps and unknowns: start .. end - 1 */
		while (i < d->n && (isnan(d->soc[i]) || isnan(d->current[i])))
			i++;
		start = i;
		for (end = start + 1; end < d->n && !ajk_gap_before(d, end) &&
			 !isnan(d->soc[end]) && !isnan(d->current[end]); end++)
			;
		/* turning points: where it comes back by more than noise */
		low = high = start;
		for (int k = start; k <= end && start < d->n; k++)
		{
			int			from = -1;
			int			to = -1;
			bool		last = k == end || k == d->n;

			if (!last)
			{
				if (d->soc[k] < d->soc[low])
					low = k;
				if (d->soc[k] > d->soc[high])
					high = k;
			}
			if (low < high && (last || d->soc[high] - d->soc[k] > TURN))
				from = low, to = high;
			else if (high < low && (last || d->soc[k] - d->soc[low] > TURN))
				from = high, to = low;
			if (from >= 0)
			{
				AjkWindow	w;

				if (fabs(d->soc[to] - d->soc[from]) >= min_dsoc &&
					fit_window(d, from, to, coulombic, later, &w))
				{
					if (*nout == size)
					{
						AjkWindow  *more;

						size = size ? 2 * size : 64;
						more = realloc(*out, size * sizeof(AjkWindow));
						if (more == NULL)
						{
							free(*out);
							*out = NULL;
							*nout = 0;
							return AJK_NOMEM;
						}
						*out = more;
					}
					(*out)[(*nout)++] = w;
				}
				if (last)
					break;
				/* the next window begins at the turn and goes the other way */
				if (to == high)
					low = k;
				else
					high = k;
			}
			if (last)
				break;
		}
		i = end;
	}
	return AJK_OK;
}

/* Sum of squares to be least, at capacity q */
static double
tls_cost(const AjkWindow *w, int n, double q)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
	{
		double		sx = w[i].se_ah / w[i].capacity_ah * fabs(w[i].dsoc);
		double		sy = CHARGE_ERROR * fabs(w[i].ah);
		double		e = w[i].ah - q * w[i].dsoc;

		sum += e * e / (sy * sy + q * q * sx * sx);
	}
	return sum;
}

bool
ajk_capacity_tls(const AjkWindow *w, int n, double *capacity_ah, double *se_ah)
{
	const double golden = 0.6180339887498949;
	double		lo = INFINITY;
	double		hi = 0;
	double		a,
				b;
	double		info = 0;

	for (int i = 0; i < n; i++)
	{
		lo = fmin(lo, w[i].capacity_ah);
		hi = fmax(hi, w[i].capacity_ah);
	}
	if (n == 0)
		return false;
	a = hi - golden * (hi - lo);
	b = lo + golden * (hi - lo);
	for (int i = 0; i < 80 && hi - lo > 1e-9 * hi; i++)
	{
		if (tls_cost(w, n, a) < tls_cost(w, n, b))
		{
			hi = b;
			b = a;
			a = hi - golden * (hi - lo);
		}
		else
		{
			lo = a;
			a = b;
			b = lo + golden * (hi - lo);
		}
	}
	*capacity_ah = (lo + hi) / 2;
	for (int i = 0; i < n; i++)
	{
		double		sx = w[i].se_ah / w[i].capacity_ah * fabs(w[i].dsoc);
		double		sy = CHARGE_ERROR * fabs(w[i].ah);

		info += w[i].dsoc * w[i].dsoc /
			(sy * sy + *capacity_ah * *capacity_ah * sx * sx);
	}
	*se_ah = 1 / sqrt(info);
	/* where windows differ by more than their errors say, they say too little */
	if (n > 2)
		*se_ah *= fmax(sqrt(tls_cost(w, n, *capacity_ah) / (n - 1)), 1);
	return true;
}
