/*-------------------------------------------------------------------------
 *
 * simplify.c
 *		Straightening paths: D. Douglas & T. Peucker, "Algorithms for the
 *		reduction of the number of points required to represent a digitized
 *		line", Cartographica 10 (1973).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "route.h"

#include <stdlib.h>

AjkError
ajk_simplify(int n, const double *x, const double *y, double tolerance,
			 bool *keep)
{
	int		   *stack;
	int			top = 0;

	if (n <= 0)
		return AJK_OK;
	stack = malloc(2 * (size_t) n * sizeof(int) + 2 * sizeof(int));
	if (stack == NULL)
		return AJK_NOMEM;
	for (int i = 0; i < n; i++)
		keep[i] = i == 0 || i == n - 1;
	stack[top++] = 0;
	stack[top++] = n - 1;
	while (top > 0)
	{
		int			b = stack[--top];
		int			a = stack[--top];
		double		dx = x[b] - x[a],
					dy = y[b] - y[a];
		double		len2 = dx * dx + dy * dy;
		double		worst = tolerance * tolerance;
		int			at = -1;

		for (int i = a + 1; i < b; i++)
		{
			double		t = len2 > 0 ?
			((x[i] - x[a]) * dx + (y[i] - y[a]) * dy) / len2 : 0;
			double		ex,
						ey;

			t = t < 0 ? 0 : t > 1 ? 1 : t;
			ex = x[i] - x[a] - t * dx;
			ey = y[i] - y[a] - t * dy;
			if (ex * ex + ey * ey > worst)
			{
				worst = ex * ex + ey * ey;
				at = i;
			}
		}
		if (at >= 0)
		{
			keep[at] = true;
			stack[top++] = a;
			stack[top++] = at;
			stack[top++] = at;
			stack[top++] = b;
		}
	}
	free(stack);
	return AJK_OK;
}
