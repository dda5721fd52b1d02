/*-------------------------------------------------------------------------
 *
 * route.h
 *		Cheapest ways over a grid of elevations.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_ROUTE_H
#define AJK_ROUTE_H

#include "kernel.h"

/*
 * Costs are whole numbers of 2^-20 metres of easy road, so that sums are
 * exact and two algorithms can be compared by equality.
 */
typedef int64_t AjkCost;

#define AJK_COST_UNIT	1048576.0

typedef struct AjkRouteGrid
{
	int			ncols;
	int			nrows;
	double		cell;			/* ground metres */
	const float *elev;			/* [row * ncols + col] */
	const uint8_t *blocked;		/* not 0: no way through this cell */
	const float *multiplier;	/* of the cost there, or NULL for 1 */
	double		min_multiplier; /* the smallest of them; 1 without */
	double		max_grade;		/* rise over run that a road may have */
	double		easy_grade;		/* at which a road costs twice a level one */
} AjkRouteGrid;

/*
 * Cost of the edge between two cells, or -1 if there is none: 16 neighbours,
 * no cell that the edge passes blocked, no more than max_grade along it.
 */
extern AjkCost ajk_edge_cost(const AjkRouteGrid *grid, int32_t from,
							 int32_t to);

typedef struct AjkRoute
{
	AjkCost		cost;
	int			n;
	int32_t    *cells;			/* from one end to the other; malloc'd */
	int64_t		expanded;		/* cells looked at */
} AjkRoute;

/*
 * Cheapest way from one cell to another.  guided is A*, else Dijkstra's
 * algorithm: the cost is the same.  AJK_INFEASIBLE if there is no way.
 */
extern AjkError ajk_route(const AjkRouteGrid *grid, int32_t from, int32_t to,
						  bool guided, AjkRoute *route, ajk_poll poll,
						  void *arg);

/*
 * Which cells can be reached: cost from the nearest of the sources, or -1.
 */
extern AjkError ajk_reach(const AjkRouteGrid *grid, const int32_t *sources,
						  int nsources, AjkCost *cost, ajk_poll poll,
						  void *arg);

/* One road of a network, from where it leaves it to the terminal's ground. */
typedef struct AjkLink
{
	int			terminal;		/* from 0 */
	AjkCost		cost;
	int			n;
	int32_t    *cells;
} AjkLink;

typedef struct AjkNetwork
{
	int			nlinks;
	AjkLink    *links;			/* in the order in which they were added */
} AjkNetwork;

/*
 * Connect all terminals to the sources and each other.  owner[cell] is the
 * number of the terminal, from 1, whose ground a cell is, or 0; a link ends
 * at the first cell of its terminal, and no other link enters it.  With
 * bend_m, each link is then eased: a bend of a right angle counts as so many
 * metres of easy road, others by the square of their angle, and the way is
 * sought again among the cells near it.
 * AJK_INFEASIBLE if a terminal can't be reached, *unreached then is the
 * first such terminal; the links found are returned all the same.
 */
extern AjkError ajk_network(const AjkRouteGrid *grid, const int32_t *sources,
							int nsources, const uint16_t *owner,
							int nterminals, double bend_m,
							AjkNetwork *network, int *unreached,
							ajk_poll poll, void *arg);
extern void ajk_network_free(AjkNetwork *network);

/*
 * Leave out places of a path that lie within tolerance of what remains
 * (Douglas & Peucker 1973).  keep[n] is set; the ends are always kept.
 */
extern AjkError ajk_simplify(int n, const double *x, const double *y,
							 double tolerance, bool *keep);

#endif							/* AJK_ROUTE_H */
