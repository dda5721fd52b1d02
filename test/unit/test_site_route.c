/*-------------------------------------------------------------------------
 *
 * test_site_route.c
 *		Roads: A* against Dijkstra, closed forms, walls, networks.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"
#include "rng.h"
#include "route.h"

#define N 81

static float z[N * N];
static uint8_t blocked[N * N];
static float multiplier[N * N];

static AjkRouteGrid
flat(void)
{
	AjkRouteGrid g = {N, N, 10, z, blocked, NULL, 1, 0.1, 0.06};

	memset(z, 0, sizeof(z));
	memset(blocked, 0, sizeof(blocked));
	return g;
}

static int32_t
at(int row, int col)
{
	return row * N + col;
}

/* Sum of the edges of a path, each checked by itself; -1 if one is none. */
static AjkCost
path_cost(const AjkRouteGrid *g, const int32_t *cells, int n)
{
	AjkCost		sum = 0;

	for (int i = 1; i < n; i++)
	{
		AjkCost		c = ajk_edge_cost(g, cells[i - 1], cells[i]);

		if (c < 0)
			return -1;
		sum += c;
	}
	return sum;
}

/* length of the shortest lattice way of 16 moves on the level, cells */
static double
moves(int dx, int dy)
{
	int			a = abs(dx) > abs(dy) ? abs(dx) : abs(dy);
	int			b = abs(dx) > abs(dy) ? abs(dy) : abs(dx);

	return 2 * b <= a ? a - 2 * b + b * sqrt(5) :
		(a - b) * sqrt(5) + (2 * b - a) * sqrt(2);
}

static void
level(void)
{
	AjkRouteGrid g = flat();
	AjkRoute	r;
	double		worst = 0,
				detour = 0;
	int64_t		looked = 0;

	for (int i = 0; i < 41; i++)
	{
		int			dx = 40 - i,
					dy = i * 7 % 41;

		ok(ajk_route(&g, at(40, 40), at(40 - dy, 40 + dx), true, &r, NULL, NULL) == AJK_OK,
		   "a way to %d, %d", dx, dy);
		if (dx || dy)
		{
			worst = fmax(worst, fabs(r.cost / AJK_COST_UNIT / (10 * moves(dx, dy)) - 1));
			detour = fmax(detour, r.cost / AJK_COST_UNIT / (10 * hypot(dx, dy)) - 1);
		}
		looked += r.expanded;
		free(r.cells);
	}
	ok(worst < 1e-6, "on the level the cost is the length in moves (%.2g)", worst);
	ok(detour <= 0.0280, "at most 2.8 %% more than straight (%.4f)", detour);
	ok(looked < 41 * N * N / 8, "guided: %lld cells looked at",
	   (long long) looked);
}

/* On a random field of hills, blocks and multipliers, costs are the same. */
static void
same_as_dijkstra(void)
{
	AjkRouteGrid g = flat();
	AjkRng		rng;
	int			found = 0,
				none = 0,
				differ = 0,
				bad = 0,
				fewer = 0;

	ajk_rng_seed(&rng, 7);
	for (int t = 0; t < 150; t++)
	{
		double		a = ajk_rng_uniform(&rng) * 6,
					b = ajk_rng_uniform(&rng) * 6;
		double		relief = ajk_rng_uniform(&rng) * 30;
		AjkRoute	d,
					s;
		AjkError	ed,
					es;
		int32_t		from,
					to;

		g.multiplier = t % 2 ? multiplier : NULL;
		g.min_multiplier = t % 2 ? 0.5 : 1;
		g.max_grade = 0.06 + 0.1 * ajk_rng_uniform(&rng);
		g.easy_grade = 0.03 + 0.2 * ajk_rng_uniform(&rng);
		for (int i = 0; i < N * N; i++)
		{
			z[i] = (float) (relief * sin(a + i / N * 0.1) * cos(b + i % N * 0.13)
							+ 0.4 * ajk_rng_normal(&rng));
			blocked[i] = ajk_rng_uniform(&rng) < 0.15;
			multiplier[i] = (float) (0.5 + 3 * ajk_rng_uniform(&rng));
		}
		z[ajk_rng_below(&rng, N * N)] = NAN;
		from = ajk_rng_below(&rng, N * N);
		to = ajk_rng_below(&rng, N * N);
		ed = ajk_route(&g, from, to, false, &d, NULL, NULL);
		es = ajk_route(&g, from, to, true, &s, NULL, NULL);
		if (ed != es)
			differ++;
		else if (ed == AJK_OK)
		{
			found++;
			differ += d.cost != s.cost;
			fewer += s.expanded <= d.expanded;
			bad += path_cost(&g, s.cells, s.n) != s.cost ||
				path_cost(&g, d.cells, d.n) != d.cost ||
				s.cells[0] != from || s.cells[s.n - 1] != to;

			/* and the way back costs the same */
			free(d.cells);
			ed = ajk_route(&g, to, from, true, &d, NULL, NULL);
			differ += ed != AJK_OK || d.cost != s.cost;
		}
		else
			none++;
		free(d.cells);
		free(s.cells);
	}
	ok(found > 60 && none > 5, "%d ways, %d times none", found, none);
	ok(differ == 0, "A* and Dijkstra agree exactly (%d differ)", differ);
	ok(bad == 0, "every path is made of edges that add up (%d not)", bad);
	ok(fewer == found, "A* looks at no more cells");
}

static void
walls(void)
{
	AjkRouteGrid g = flat();
	AjkRoute	r;
	bool		through = false;

	/* a wall with a gap of one cell */
	for (int i = 0; i < N; i++)
		blocked[at(40, i)] = i != 70;
	ok(ajk_route(&g, at(20, 10), at(60, 10), true, &r, NULL, NULL) == AJK_OK,
	   "there is a way by the gap");
	for (int i = 0; i < r.n; i++)
		through |= r.cells[i] == at(40, 70);
	ok(through, "which it takes");

	/*
	 * The best by hand: from (20, 10) to the cell above the gap, straight
	 * through it, and the same on the other side.
	 */
	near(r.cost / AJK_COST_UNIT / 10, 2 * moves(60, 19) + 2, 1e-4,
		 "its length in cells");
	free(r.cells);

	/* closed: no way, not a straight line */
	blocked[at(40, 70)] = 1;
	ok(ajk_route(&g, at(20, 10), at(60, 10), true, &r, NULL, NULL) == AJK_INFEASIBLE &&
	   r.cells == NULL, "a closed wall is not crossed");

	/* a diagonal wall has no gap between its corners */
	memset(blocked, 0, sizeof(blocked));
	for (int i = 0; i < N; i++)
		blocked[at(i, i)] = 1;
	ok(ajk_route(&g, at(60, 10), at(10, 60), true, &r, NULL, NULL) == AJK_INFEASIBLE,
	   "nor a diagonal one, by corners or knight's moves");
	ok(ajk_edge_cost(&g, at(41, 40), at(40, 41)) == -1 &&
	   ajk_edge_cost(&g, at(42, 40), at(40, 41)) == -1, "no such edge");
	memset(blocked, 0, sizeof(blocked));
	blocked[at(5, 5)] = 1;
	ok(ajk_route(&g, at(5, 5), at(9, 9), true, &r, NULL, NULL) == AJK_INFEASIBLE,
	   "nor is there one from a blocked cell");
}

/*
 * Grade is that along the road.  A plane of 30 % may be crossed at up to 10
 * % only by going across; straight up there is no edge at all.
 */
static void
grade(void)
{
	AjkRouteGrid g = flat();
	AjkRoute	r;
	double		worst = 0;

	for (int i = 0; i < N * N; i++)
		z[i] = (float) (3.0 * (i / N));
	ok(ajk_edge_cost(&g, at(40, 40), at(41, 40)) == -1, "straight up is too steep");
	ok(ajk_edge_cost(&g, at(40, 40), at(40, 41)) == (AjkCost) (10 * AJK_COST_UNIT) + 1,
	   "along the contour it is level");
	ok(ajk_route(&g, at(40, 10), at(40, 70), true, &r, NULL, NULL) == AJK_OK &&
	   fabs(r.cost / AJK_COST_UNIT - 600) < 1e-3, "60 cells along the contour");
	free(r.cells);

	/*
	 * knight's moves rise by 30 % / sqrt 5 = 13.4 %: with that allowed,
	 * zigzags
	 */
	ok(ajk_route(&g, at(40, 40), at(30, 40), true, &r, NULL, NULL) == AJK_INFEASIBLE,
	   "not up at 10 %%");
	g.max_grade = 0.135;
	ok(ajk_route(&g, at(40, 40), at(30, 40), true, &r, NULL, NULL) == AJK_OK,
	   "up in zigzags at 13.5 %%");
	for (int i = 1; i < r.n; i++)
	{
		int			dr = r.cells[i] / N - r.cells[i - 1] / N,
					dc = r.cells[i] % N - r.cells[i - 1] % N;

		worst = fmax(worst, 3.0 * abs(dr) / (10 * hypot(dr, dc)));
	}
	ok(worst <= 0.135, "steepest piece %.4f", worst);
	/* ten knight's moves, each 10 sqrt 5 m and 3 m up */
	near(r.cost / AJK_COST_UNIT,
		 10 * sqrt(500 + 9) * (1 + pow(3 / sqrt(500) / 0.06, 2)), 1e-3,
		 "cost of ten knight's moves");
	free(r.cells);
}

static void
network(void)
{
	AjkRouteGrid g = flat();
	static uint16_t owner[N * N];
	AjkNetwork	net;
	int			unreached;
	int32_t		source = at(40, 5);
	double		sum = 0;
	int			passes = 0;

	/* three pads of 3 x 3 in a row and one aside */
	int			rows[4] = {40, 40, 40, 60},
				cols[4] = {25, 45, 65, 45};

	memset(owner, 0, sizeof(owner));
	for (int t = 0; t < 4; t++)
		for (int i = -1; i <= 1; i++)
			for (int j = -1; j <= 1; j++)
				owner[at(rows[t] + i, cols[t] + j)] = (uint16_t) (t + 1);
	ok(ajk_network(&g, &source, 1, owner, 4, 0, &net, &unreached, NULL, NULL) == AJK_OK &&
	   net.nlinks == 4 && unreached == -1, "four pads connected");
	for (int i = 0; i < net.nlinks; i++)
	{
		AjkLink    *l = &net.links[i];

		ok(owner[l->cells[l->n - 1]] == l->terminal + 1 &&
		   path_cost(&g, l->cells, l->n) == l->cost,
		   "link %d ends at its pad and costs what its edges do", i);
		for (int j = 0; j < l->n - 1; j++)
			passes += owner[l->cells[j]] != 0;
		sum += l->cost / AJK_COST_UNIT / 10;
	}
	ok(passes == 0, "no link passes a pad");
	ok(net.links[0].terminal == 0, "the nearest is first");
	/* a star would have 19 + 39 + 59 and the fourth apart */
	ok(sum < 19 + 20 + 20 + 25 + 8, "%.1f cells of road in all", sum);
	ajk_network_free(&net);

	/* one behind a wall: named, the others are connected all the same */
	for (int i = 0; i < N; i++)
		blocked[at(52, i)] = 1;
	ok(ajk_network(&g, &source, 1, owner, 4, 0, &net, &unreached, NULL, NULL) == AJK_INFEASIBLE &&
	   unreached == 3 && net.nlinks == 3, "the terminal behind a wall is named");
	ajk_network_free(&net);

	/* one terminal: the network is the cheapest way */
	memset(blocked, 0, sizeof(blocked));
	memset(owner, 0, sizeof(owner));
	for (int i = 0; i < N * N; i++)
		z[i] = (float) (8 * sin(i / N * 0.2) * cos(i % N * 0.17));
	owner[at(70, 70)] = 1;
	{
		AjkRoute	r;

		ajk_route(&g, source, at(70, 70), true, &r, NULL, NULL);
		ok(ajk_network(&g, &source, 1, owner, 1, 0, &net, &unreached, NULL, NULL) == AJK_OK &&
		   net.links[0].cost == r.cost, "one terminal: as the cheapest way");
		free(r.cells);
		ajk_network_free(&net);
	}

	/*
	 * up a hillside: the cheapest way may be a saw, the eased one has few
	 * bends, keeps the grade and costs little more
	 */
	{
		int			bends[2] = {0, 0};
		AjkCost		cost[2] = {0, 0};

		for (int i = 0; i < N * N; i++)
			z[i] = (float) (2.2 * (i / N) + 0.002 * ((i * 7919) % 13));
		memset(owner, 0, sizeof(owner));
		owner[at(70, 40)] = 1;
		source = at(10, 40);
		for (int eased = 0; eased < 2; eased++)
		{
			AjkLink    *l;

			ok(ajk_network(&g, &source, 1, owner, 1, eased ? 25 : 0, &net,
						   &unreached, NULL, NULL) == AJK_OK, "a way up");
			l = &net.links[0];
			ok(path_cost(&g, l->cells, l->n) == l->cost &&
			   l->cells[0] == source && l->cells[l->n - 1] == at(70, 40),
			   "its edges keep the grade and add up");
			cost[eased] = l->cost;
			for (int i = 2; i < l->n; i++)
				bends[eased] += l->cells[i] - l->cells[i - 1] !=
					l->cells[i - 1] - l->cells[i - 2];
			ajk_network_free(&net);
		}
		ok(bends[1] * 3 < bends[0], "%d bends, %d eased", bends[0], bends[1]);
		ok(cost[1] >= cost[0] && cost[1] < 1.1 * cost[0], "eased costs %.4f times as much",
		   (double) cost[1] / cost[0]);
		source = at(40, 5);
		for (int i = 0; i < N * N; i++)
			z[i] = (float) (8 * sin(i / N * 0.2) * cos(i % N * 0.17));
	}

	/* what can be reached */
	{
		static AjkCost cost[N * N];
		AjkRoute	r;

		for (int i = 0; i < N; i++)
			blocked[at(i, 75)] = 1;
		ajk_reach(&g, &source, 1, cost, NULL, NULL);
		ajk_route(&g, source, at(3, 60), false, &r, NULL, NULL);
		ok(cost[source] == 0 && cost[at(3, 60)] == r.cost &&
		   cost[at(3, 78)] == -1, "costs of all cells");
		free(r.cells);
	}
}

/* A search does not give up, however many cells it has to look at. */
static void
far(void)
{
	enum
	{
		SIDE = 400
	};
	static float ground[SIDE * SIDE];
	static uint8_t shut[SIDE * SIDE];
	AjkRouteGrid g = {SIDE, SIDE, 10, ground, shut, NULL, 1, 0.1, 0.06};
	AjkRoute	r;
	AjkError	err;

	/* a labyrinth: walls with gaps at alternate ends */
	for (int row = 4; row < SIDE; row += 4)
		for (int i = 0; i < SIDE; i++)
			shut[row * SIDE + i] = row % 8 == 0 ? i > 1 : i < SIDE - 2;
	err = ajk_route(&g, 0, SIDE * SIDE - 1, true, &r, NULL, NULL);
	ok(err == AJK_OK && r.expanded > 50000, "a way through a labyrinth, %lld cells looked at",
	   (long long) r.expanded);
	ok(r.cost / AJK_COST_UNIT > 10.0 * SIDE * (SIDE / 4 - 2),
	   "all of its %.0f m", r.cost / AJK_COST_UNIT);
	free(r.cells);
}

static void
simplify(void)
{
	double		x[] = {0, 1, 2, 3, 4, 5, 6},
				y[] = {0, .4, 0, 3, 0, -.4, 0};
	bool		keep[7];

	ajk_simplify(7, x, y, 1.2, keep);
	ok(keep[0] && !keep[1] && keep[2] && keep[3] && keep[4] && !keep[5] && keep[6],
	   "the peak stays, the ripples go");
	ajk_simplify(7, x, y, 5, keep);
	ok(keep[0] && !keep[3] && keep[6], "the ends stay");
}

int
main(void)
{
	level();
	same_as_dijkstra();
	walls();
	grade();
	network();
	far();
	simplify();
	return unit_done();
}
