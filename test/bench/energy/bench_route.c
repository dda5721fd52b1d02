/*-------------------------------------------------------------------------
 *
 * bench_route.c
 *		How long the cheapest way over a million cells takes, on one core.
 *
 * Prints astar_1m_ms: A* from corner to corner of 1,000 x 1,000 cells of
 * 10 m over hills (grade at most 10 %) with a quarter of the ground blocked,
 * and dijkstra_1m_ms, the same without guidance, which looks at every cell
 * that can be reached.  The costs are the same or the program fails.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "route.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SIDE	1000
#define PASSES	3

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return 1e3 * t.tv_sec + 1e-6 * t.tv_nsec;
}

int
main(void)
{
	size_t		n = (size_t) SIDE * SIDE;
	float	   *z = malloc(n * sizeof(float));
	uint8_t    *blocked = calloc(n, 1);
	AjkRouteGrid g = {SIDE, SIDE, 10, z, blocked, NULL, 1, 0.1, 0.06};
	AjkCost		cost[2];

	if (z == NULL || blocked == NULL)
		return 1;
	for (int r = 0; r < SIDE; r++)
		for (int c = 0; c < SIDE; c++)
		{
			z[(size_t) r * SIDE + c] = (float)
				(400 + 60 * sin(r * 0.02) * cos(c * 0.023) +
				 8 * sin(r * 0.11 + c * 0.07) + 3 * cos(c * 0.31));
			blocked[(size_t) r * SIDE + c] =
				sin(r * 0.045) * sin(c * 0.037) > 0.3;
		}
	blocked[0] = blocked[n - 1] = 0;
	for (int guided = 1; guided >= 0; guided--)
	{
		double		best = INFINITY;

		for (int i = 0; i < PASSES; i++)
		{
			AjkRoute	route;
			double		t = now_ms();

			if (ajk_route(&g, 0, (int32_t) n - 1, guided, &route, NULL, NULL) != AJK_OK)
			{
				fprintf(stderr, "there is no way\n");
				return 1;
			}
			t = now_ms() - t;
			best = t < best ? t : best;
			cost[guided] = route.cost;
			fprintf(stderr, "# %s looked at %lld cells\n",
					guided ? "A*" : "Dijkstra", (long long) route.expanded);
			free(route.cells);
		}
		printf("%s\t%.0f\tms\n", guided ? "astar_1m_ms" : "dijkstra_1m_ms",
			   best);
	}
	if (cost[0] != cost[1])
	{
		fprintf(stderr, "the costs differ\n");
		return 1;
	}
	free(z);
	free(blocked);
	return 0;
}
