/*-------------------------------------------------------------------------
 *
 * spa_terms.h
 *		The periodic terms of the solar position algorithm.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_SPA_TERMS_H
#define AJK_SPA_TERMS_H

#include "kernel.h"

/* One term A cos(B + C t), t in Julian millennia since J2000 */
typedef struct AjkSpaTerm
{
	double		a;
	double		b;
	double		c;
} AjkSpaTerm;

/* The coefficients of t^0, t^1, ... of one quantity, in units of 1e-8 */
typedef struct AjkSpaSeries
{
	int			norders;
	int			n[6];
	const AjkSpaTerm *terms[6];
} AjkSpaSeries;

extern const AjkSpaSeries ajk_spa_l;	/* heliocentric longitude, radians */
extern const AjkSpaSeries ajk_spa_b;	/* heliocentric latitude, radians */
extern const AjkSpaSeries ajk_spa_r;	/* radius vector, AU */

/*
 * Nutation: (a + b t) sin(arg) in longitude, (c + d t) cos(arg) in obliquity,
 * 0.0001 arc seconds, t in centuries; arg is the sum of y[i] times the five
 * arguments D, M, M', F, Omega.
 */
typedef struct AjkSpaNutation
{
	signed char y[5];
	double		a;
	double		b;
	double		c;
	double		d;
} AjkSpaNutation;

#define AJK_SPA_NUTATIONS 63

extern const AjkSpaNutation ajk_spa_nutation[AJK_SPA_NUTATIONS];

#endif							/* AJK_SPA_TERMS_H */
