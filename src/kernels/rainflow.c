/*-------------------------------------------------------------------------
 *
 * rainflow.c
 *		Cycle counting after ASTM E1049-85, section 5.4.4.
 *
 * The first and last points count as reversals; equal neighbours are one.  A
 * stack holds the reversals not yet used up, so the work is linear.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "rainflow.h"

#include <math.h>
#include <stdlib.h>

typedef struct Counter
{
	const double *x;
	int		   *stack;
	int			depth;
	AjkCycle   *out;
	int			n;
} Counter;

static void
emit(Counter *c, int from, int to, double count)
{
	AjkCycle   *y = &c->out[c->n++];

	y->range = fabs(c->x[to] - c->x[from]);
	y->mean = (c->x[to] + c->x[from]) / 2;
	y->count = count;
	y->start = from;
	y->end = to;
}

/* A new reversal closes what it can. */
static void
reversal(Counter *c, int i)
{
	c->stack[c->depth++] = i;
	while (c->depth >= 3)
	{
		int		   *top = c->stack + c->depth;
		double		newest = fabs(c->x[top[-1]] - c->x[top[-2]]);
		double		before = fabs(c->x[top[-2]] - c->x[top[-3]]);

		if (newest < before)
			break;
		if (c->depth == 3)
		{
			/* it contains the starting point: half a cycle */
			emit(c, c->stack[0], c->stack[1], 0.5);
			c->stack[0] = c->stack[1];
			c->stack[1] = c->stack[2];
			c->depth = 2;
		}
		else
		{
			emit(c, top[-3], top[-2], 1.0);
			top[-3] = top[-1];
			c->depth -= 2;
		}
	}
}

AjkError
ajk_rainflow(const double *x, int n, AjkCycle **out, int *ncycles)
{
	Counter		c = {x, NULL, 0, NULL, 0};
	int			turn = 0;		/* last point that differed */
	double		direction = 0;

	*out = NULL;
	*ncycles = 0;
	if (n < 2)
		return AJK_OK;
	c.stack = malloc(n * sizeof(int));
	c.out = malloc(n * sizeof(AjkCycle));
	if (!c.stack || !c.out)
	{
		free(c.stack);
		free(c.out);
		return AJK_NOMEM;
	}
	reversal(&c, 0);
	for (int i = 1; i < n; i++)
	{
		double		d = x[i] - x[turn];

		if (d == 0)
			continue;
		/* index of the last of equal points, where the turn is left */
		if (direction * d < 0)
			reversal(&c, i - 1);
		direction = d;
		turn = i;
	}
	reversal(&c, n - 1);
	for (int i = 0; i + 1 < c.depth; i++)
		emit(&c, c.stack[i], c.stack[i + 1], 0.5);
	free(c.stack);
	*out = c.out;
	*ncycles = c.n;
	return AJK_OK;
}
