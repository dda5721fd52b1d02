/*-------------------------------------------------------------------------
 *
 * rainflow.h
 *		Cycle counting after ASTM E1049-85, section 5.4.4.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_RAINFLOW_H
#define AJK_RAINFLOW_H

#include "kernel.h"

typedef struct AjkCycle
{
	double		range;
	double		mean;
	double		count;			/* 1 or 0.5 */
	int			start;			/* indexes into the series */
	int			end;
} AjkCycle;

/* *out is malloc'd, in the order in which cycles close. */
extern AjkError ajk_rainflow(const double *x, int n, AjkCycle **out,
							 int *ncycles);

#endif							/* AJK_RAINFLOW_H */
