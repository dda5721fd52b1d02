/*-------------------------------------------------------------------------
 *
 * degradation.h
 *		How a battery's capacity will fade under a repeated profile.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_DEGRADATION_H
#define AJK_DEGRADATION_H

#include "kernel.h"

typedef struct AjkFade
{
	double		years;
	double		q;				/* capacity left, 1 new */
	double		q_calendar;		/* what time alone leaves */
	double		q_cycles;		/* what cycling alone leaves */
	double		efc;
} AjkFade;

/*
 * Lithium iron phosphate and graphite, large prismatic cells (Gasper et al.
 * 2023 as in NREL's BLAST-Lite): a profile of n samples (seconds ascending
 * from 0, state of charge 0..1, degrees C), repeated for some years.  out gets
 * one entry a day or cycle; where these are more than max, which is 2 at least,
 * every second, fourth, ... and the last.  *nout says how many.
 */
extern AjkError ajk_fade_lfp(const double *t_s, const double *soc,
							 const double *temp_c, int n, double years,
							 AjkFade *out, int max, int *nout, ajk_poll poll,
							 void *arg);

/* Interpolated at a time. */
extern AjkFade ajk_fade_at(const AjkFade *f, int n, double years);

#endif							/* AJK_DEGRADATION_H */
