/*-------------------------------------------------------------------------
 *
 * degradation.c
 *		How a battery's capacity will fade under a repeated profile.
 *
 * Model: P. Gasper et al., J. Energy Storage 73 (2023) 109042, the LFP-Gr
 * cell of 250 Ah; simulation as in NREL's BLAST-Lite, whose results are met.
 * The profile is cut where a cycle ends after more than one equivalent full
 * cycle, or daily, and its pieces are gone through again and again.  Each adds
 * to a loss that grows with the root (nearly) of time and one with cycles,
 *
 *		calendar	p1 exp(p2/T) exp(p3 Ua/T) t^0.526
 *		cycles		(p4 + p5 dod + p6 rate) (exp(p7/T) + exp(-p8/T)) efc^0.828
 *
 * Ua, the anode's potential, is a function of the state of charge (Safari and
 * Delacourt 2011).  Charge and rate are of the new battery, so the same swings
 * of the state of charge count for less as capacity fades.  The step between
 * two pieces belongs to none, neither its time nor its charge.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "degradation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rainflow.h"

#define P1 8.37e4
#define P2 (-5.21e3)
#define P3 (-3.56e3)
#define PCAL 0.526
#define P4 4.38e-8
#define P5 1.55e-8
#define P6 1.68e-7
#define P7 2.19e3
#define P8 1.55e5
#define PCYC 0.828

#define DAY_S 86400.0
#define YEAR_S (365 * DAY_S)
#define REST_RATE 1e-2			/* slower changes count as rest, 1/h */

typedef struct Profile
{
	const double *t;
	const double *soc;
	double	   *calendar;		/* rate at each sample */
	double	   *thermal;		/* exp(p7/T) + exp(-p8/T) */
} Profile;

/* What a piece of the profile does to a battery, apart from its health */
typedef struct Piece
{
	double		span;			/* seconds */
	double		efc;
	double		dod;
	double		rate;			/* 1/h */
	double		calendar;		/* mean rates */
	double		thermal;
} Piece;

static double
anode_potential(double soc)
{
	double		x = 8.5e-3 + soc * (0.78 - 8.5e-3);

	return 0.6379 + 0.5416 * exp(-305.5309 * x) +
		0.044 * tanh(-(x - 0.1958) / 0.1088) - 0.1978 * tanh((x - 1.0571) / 0.0854) -
		0.6875 * tanh((x + 0.0117) / 0.0529) - 0.0175 * tanh((x - 0.5692) / 0.0875);
}

/* Growth of y = k x^p from y0 by dx */
static double
grow(double y0, double dx, double k, double p)
{
	if (!(dx > 0) || !(k > 0))
		return 0;
	if (y0 == 0)
		return k * pow(dx, p);
	return k * p * pow(y0 / k, (p - 1) / p) * dx;
}

/* Samples from .. to */
static Piece
piece_of(const Profile *p, int from, int to)
{
	Piece		a = {0};
	double		low = p->soc[from];
	double		high = low;
	double		last_rate = NAN;

	a.span = p->t[to] - p->t[from];
	if (!(a.span > 0))
		return a;
	for (int i = from + 1; i <= to; i++)
	{
		double		dt = p->t[i] - p->t[i - 1];
		double		d = fabs(p->soc[i] - p->soc[i - 1]);
		double		r = d / (dt / 3600);

		low = fmin(low, p->soc[i]);
		high = fmax(high, p->soc[i]);
		a.efc += d / 2;
		r = r < REST_RATE ? 0 : r;
		if (isfinite(last_rate))
			a.rate += dt * (r + last_rate) / 2;
		last_rate = r;
		a.calendar += dt * (p->calendar[i] + p->calendar[i - 1]) / 2;
		a.thermal += dt * (p->thermal[i] + p->thermal[i - 1]) / 2;
	}
	a.dod = high - low;
	a.rate /= a.span;
	a.calendar /= a.span;
	a.thermal /= a.span;
	return a;
}

static void
age(AjkFade *f, const Piece *a)
{
	double		efc = a->efc * f->q;
	double		rate = a->rate * f->q;

	f->q_calendar -= grow(1 - f->q_calendar, a->span / DAY_S, a->calendar, PCAL);
	f->q_cycles -= grow(1 - f->q_cycles, efc,
						(P4 + P5 * a->dod + P6 * rate) * a->thermal, PCYC);
	f->efc += efc;
	f->years += a->span / YEAR_S;
	f->q = f->q_calendar + f->q_cycles - 1;
}

static int
ascending(const void *a, const void *b)
{
	return *(const int *) a - *(const int *) b;
}

/* Where the profile is cut; ends holds the ends of cycles, ascending. */
static int
cuts(const Profile *p, int n, const int *ends, int nends, const double *efc,
	 int *out)
{
	int			count = 0;
	int			last = 0;

	for (int k = 0; k < nends; k++)
	{
		int			i = ends[k];

		if (p->t[i] - p->t[last] > DAY_S)
		{
			for (int j = last; j < i; j++)
				if (p->t[j] - p->t[last] > DAY_S)
					out[count++] = last = j;
		}
		else if (efc[i] - efc[last] > 1)
			out[count++] = last = i;
	}
	if (count == 0 || out[count - 1] != n - 1)
		out[count++] = n - 1;
	return count;
}

AjkError
ajk_fade_lfp(const double *t_s, const double *soc, const double *temp_c,
			 int n, double years, AjkFade *out, int max, int *nout,
			 ajk_poll poll, void *arg)
{
	Profile		p = {t_s, soc, NULL, NULL};
	double	   *efc;
	int		   *ends = NULL;
	int		   *cut = NULL;
	Piece	   *pieces = NULL;
	AjkCycle   *cycle = NULL;
	int			ncycles;
	int			ncuts;
	int			npieces = 0;
	double		span = 0;
	AjkFade		f = {0, 1, 1, 1, 0};
	int64_t		step = 0;
	int64_t		stride = 1;
	AjkError	rc = AJK_NOMEM;

	*nout = 0;
	if (n < 3 || max < 2 || !(t_s[n - 1] > t_s[0]))
		return AJK_RANGE;
	p.calendar = malloc(n * sizeof(double));
	p.thermal = malloc(n * sizeof(double));
	efc = malloc(n * sizeof(double));
	if (!p.calendar || !p.thermal || !efc)
		goto done;
	for (int i = 0; i < n; i++)
	{
		double		t = temp_c[i] + 273.15;

		p.calendar[i] = P1 * exp(P2 / t) * exp(P3 * anode_potential(soc[i]) / t);
		p.thermal[i] = exp(P7 / t) + exp(-P8 / t);
		efc[i] = i ? efc[i - 1] + fabs(soc[i] - soc[i - 1]) / 2 : 0;
	}
	rc = ajk_rainflow(soc, n, &cycle, &ncycles);
	if (rc != AJK_OK)
		goto done;
	rc = AJK_NOMEM;
	ends = malloc((ncycles + 1) * sizeof(int));
	cut = malloc(((size_t) ncycles + (size_t) ((t_s[n - 1] - t_s[0]) / DAY_S) + 2) * sizeof(int));
	if (!ends || !cut)
		goto done;
	for (int k = 0; k < ncycles; k++)
		ends[k] = cycle[k].end;
	qsort(ends, ncycles, sizeof(int), ascending);
	ncuts = cuts(&p, n, ends, ncycles, efc, cut);
	pieces = malloc(ncuts * sizeof(Piece));
	if (pieces == NULL)
		goto done;
	for (int k = 0, from = 0; k < ncuts; from = cut[k++] + 1)
		if (cut[k] > from)
		{
			pieces[npieces] = piece_of(&p, from, cut[k]);
			span += pieces[npieces].span;
			npieces += pieces[npieces].span > 0;
		}
	rc = AJK_RANGE;
	if (!(span > 0))
		goto done;
	while (f.years < years)
	{
		for (int k = 0; k < npieces && f.years < years; k++)
		{
			age(&f, &pieces[k]);
			if (*nout == max)
			{
				/* every second point is enough */
				for (int i = 0; i < max / 2; i++)
					out[i] = out[2 * i + 1];
				*nout = max / 2;
				stride *= 2;
			}
			if (++step % stride == 0 || f.years >= years)
				out[(*nout)++] = f;
		}
		if (poll && poll(arg, fmin(f.years / years, 1)))
		{
			rc = AJK_STOPPED;
			goto done;
		}
	}
	rc = AJK_OK;
done:
	free(p.calendar);
	free(p.thermal);
	free(efc);
	free(cycle);
	free(ends);
	free(cut);
	free(pieces);
	return rc;
}

AjkFade
ajk_fade_at(const AjkFade *f, int n, double years)
{
	AjkFade		a = {0, 1, 1, 1, 0};
	int			lo = 0;
	int			hi = n;

	while (lo < hi)
	{
		int			mid = (lo + hi) / 2;

		if (f[mid].years < years)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (n == 0)
		return a;
	if (lo >= n)
		return f[n - 1];
	if (lo > 0)
		a = f[lo - 1];
	{
		double		w = f[lo].years > a.years ? (years - a.years) / (f[lo].years - a.years) : 1;

		a.q += w * (f[lo].q - a.q);
		a.q_calendar += w * (f[lo].q_calendar - a.q_calendar);
		a.q_cycles += w * (f[lo].q_cycles - a.q_cycles);
		a.efc += w * (f[lo].efc - a.efc);
		a.years = years;
	}
	return a;
}
