/*-------------------------------------------------------------------------
 *
 * route.c
 *		Cheapest ways over a grid of elevations.
 *
 * A cell has 16 neighbours: 4 by its sides, 4 by its corners and 8 a
 * knight's move away, so that the length of a way is at most 2.8 % more than
 * a straight line's (8 % with 8 neighbours).  An edge of length L, rise dz
 * and grade g = |dz| / L costs
 *		sqrt(L^2 + dz^2) * multiplier * (1 + (g / g0)^2)
 * and is not there if g exceeds the maximum or if it passes a blocked cell:
 * for a step over a corner both cells beside the corner, for a knight's move
 * the two between.  The grade is that along the edge, not the slope of the
 * ground, so a road may follow a contour on a steep hillside.
 *
 * A* (Hart, Nilsson & Raphael 1968) adds a lower bound of the rest.  Over a
 * rise of Z and a horizontal length of L in whatever pieces, the cost is at
 * least (mean of squares >= square of mean)
 *		multiplier * (L + Z^2 / (L g0^2))
 * which falls until L = Z / g0 and rises from there; and L is at least the
 * distance in moves of the 16 kinds, and at least Z / maximum grade.  So the
 * bound is that expression at the largest of the three.  Edges' costs are
 * rounded up and the bound down, so it never exceeds the true cost, and a
 * cell that is found again at a lower cost is expanded again: the result is
 * Dijkstra's, exactly.
 *
 * Networks: H. Takahashi & A. Matsuyama, "An approximate solution for the
 * Steiner problem in graphs", Mathematica Japonica 24 (1980): the terminal
 * nearest to what is connected is connected next, which costs at most twice
 * the optimum.  The search is not begun anew for each: the cells of a new
 * link become sources of the search under way, which lowers costs around
 * them only.
 *
 * The queue is a 4-ary heap with stale entries left in place.  13 bytes a
 * cell, and 16 an entry.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "route.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define POLL_CELLS	16384
#define INFINITE	INT64_MAX
#define NOWHERE		255

/* the 16 moves; i and i ^ 1 are opposite */
static const int move_col[16] = {
	1, -1, 0, 0, 1, -1, 1, -1, 2, -2, 2, -2, 1, -1, 1, -1
};
static const int move_row[16] = {
	0, 0, 1, -1, 1, -1, -1, 1, 1, -1, -1, 1, 2, -2, -2, 2
};

typedef struct Entry
{
	AjkCost		key;
	int32_t		cell;
} Entry;

typedef struct Search
{
	const AjkRouteGrid *g;
	const uint16_t *owner;		/* of a network's terminals, or NULL */
	AjkCost    *cost;			/* [cell] */
	uint8_t    *by;				/* [cell] move that led here */
	uint8_t    *done;			/* [cell] expanded at this cost */
	Entry	   *heap;
	size_t		nheap;
	size_t		maxheap;
	bool		guided;
	int			goal_col;
	int			goal_row;
	double		goal_elev;
	double		length[16];
	double		inv_length[16];
	double		inv_easy2;
	ptrdiff_t	step[16];
	int64_t		expanded;
} Search;

/* ---- the queue ---- */

static bool
push(Search *s, AjkCost key, int32_t cell)
{
	size_t		i = s->nheap;

	if (s->nheap == s->maxheap)
	{
		size_t		more = s->maxheap ? s->maxheap * 2 : 65536;
		Entry	   *e = realloc(s->heap, more * sizeof(Entry));

		if (e == NULL)
			return false;
		s->heap = e;
		s->maxheap = more;
	}
	s->nheap++;
	while (i > 0)
	{
		size_t		up = (i - 1) / 4;

		if (s->heap[up].key <= key)
			break;
		s->heap[i] = s->heap[up];
		i = up;
	}
	s->heap[i].key = key;
	s->heap[i].cell = cell;
	return true;
}

static Entry
pop(Search *s)
{
	Entry		top = s->heap[0];
	Entry		last = s->heap[--s->nheap];
	size_t		n = s->nheap;
	size_t		i = 0;

	for (;;)
	{
		size_t		first = 4 * i + 1;
		size_t		end = first + 4 < n ? first + 4 : n;
		size_t		least = first;

		if (first >= n)
			break;
		for (size_t c = first + 1; c < end; c++)
			if (s->heap[c].key < s->heap[least].key)
				least = c;
		if (s->heap[least].key >= last.key)
			break;
		s->heap[i] = s->heap[least];
		i = least;
	}
	s->heap[i] = last;
	return top;
}

/* ---- edges ---- */

/* No way through a cell, as seen by an edge that leads to cell to. */
static inline bool
closed(const Search *s, size_t cell, size_t to)
{
	return s->g->blocked[cell] ||
		(s->owner && s->owner[cell] != 0 && s->owner[cell] != s->owner[to]);
}

/* The cells that a move passes between its ends. */
static inline bool
passes(const Search *s, size_t from, int move, size_t to)
{
	int			dc = move_col[move];
	int			dr = move_row[move];
	ptrdiff_t	ncols = s->g->ncols;

	if (move < 4)
		return true;
	if (move < 8)
		return !closed(s, from + dc, to) && !closed(s, from + dr * ncols, to);
	if (move < 12)
		return !closed(s, from + dc / 2, to) &&
			!closed(s, from + dc / 2 + dr * ncols, to);
	return !closed(s, from + dr / 2 * ncols, to) &&
		!closed(s, from + dr / 2 * ncols + dc, to);
}

/* Cost of a move whose way is free, -1 if too steep or unknown. */
static inline AjkCost
move_cost(const Search *s, size_t from, int move, size_t to)
{
	const AjkRouteGrid *g = s->g;
	double		dz = (double) g->elev[to] - g->elev[from];
	double		grade = fabs(dz) * s->inv_length[move];
	double		c;

	/* also if either is NaN */
	if (!(grade <= g->max_grade))
		return -1;
	c = s->length[move] * sqrt(1.0 + grade * grade)
		* (1.0 + grade * grade * s->inv_easy2);
	if (g->multiplier)
		c *= 0.5 * ((double) g->multiplier[from] + g->multiplier[to]);

	/* rounded up: never below what the lower bound reckons with */
	return (AjkCost) (c * AJK_COST_UNIT) + 1;
}

/* Lower bound of the cost from a cell to the goal. */
static inline AjkCost
lower_bound(const Search *s, int row, int col, size_t cell)
{
	const AjkRouteGrid *g = s->g;
	double		dx = abs(col - s->goal_col);
	double		dy = abs(row - s->goal_row);
	double		most = dx > dy ? dx : dy;
	double		least = dx > dy ? dy : dx;
	double		rise = fabs(g->elev[cell] - s->goal_elev);
	double		run;

	/* in moves: straight and knight's, or knight's and diagonal */
	if (2 * least <= most)
		run = most - 2 * least + least * sqrt(5.0);
	else
		run = (most - least) * sqrt(5.0) + (2 * least - most) * sqrt(2.0);
	run *= g->cell;
	run = fmax(run, rise / fmin(g->max_grade, g->easy_grade));
	if (run <= 0)
		return 0;
	return (AjkCost) ((run + rise * rise * s->inv_easy2 / run)
					  * g->min_multiplier * (AJK_COST_UNIT * (1 - 1e-12)));
}

/* ---- the search ---- */

static AjkError
search_begin(Search *s, const AjkRouteGrid *g)
{
	size_t		n = (size_t) g->ncols * g->nrows;

	memset(s, 0, sizeof(*s));
	s->g = g;
	if (!(g->cell > 0) || !(g->max_grade > 0) || !(g->easy_grade > 0) ||
		!(g->min_multiplier > 0) || n > INT32_MAX)
		return AJK_INVALID;
	for (int i = 0; i < 16; i++)
	{
		s->length[i] = g->cell * sqrt(move_col[i] * move_col[i]
									  + move_row[i] * move_row[i]);
		s->inv_length[i] = 1.0 / s->length[i];
		s->step[i] = move_col[i] + (ptrdiff_t) move_row[i] * g->ncols;
	}
	s->inv_easy2 = 1.0 / (g->easy_grade * g->easy_grade);
	s->cost = malloc(n * sizeof(AjkCost));
	s->by = malloc(n);
	s->done = calloc(n, 1);
	if (s->cost == NULL || s->by == NULL || s->done == NULL)
		return AJK_NOMEM;
	for (size_t i = 0; i < n; i++)
		s->cost[i] = INFINITE;
	return AJK_OK;
}

static void
search_end(Search *s)
{
	free(s->cost);
	free(s->by);
	free(s->done);
	free(s->heap);
}

static bool
add_source(Search *s, int32_t cell)
{
	s->cost[cell] = 0;
	s->by[cell] = NOWHERE;
	s->done[cell] = 0;
	return push(s, s->guided ?
				lower_bound(s, cell / s->g->ncols, cell % s->g->ncols, cell) :
				0, cell);
}

/* Look at all that can be reached from a cell by one move. */
static AjkError
expand(Search *s, int32_t cell)
{
	const AjkRouteGrid *g = s->g;
	int			row = cell / g->ncols;
	int			col = cell % g->ncols;
	AjkCost		here = s->cost[cell];
	bool		within = row >= 2 && row < g->nrows - 2 &&
	col >= 2 && col < g->ncols - 2;

	s->expanded++;
	for (int i = 0; i < 16; i++)
	{
		int			r = row + move_row[i];
		int			c = col + move_col[i];
		size_t		to = cell + s->step[i];
		AjkCost		cost;

		if (!within && (r < 0 || c < 0 || r >= g->nrows || c >= g->ncols))
			continue;

		/* the cheapest tests first: most neighbours are done already */
		if (s->cost[to] <= here || g->blocked[to])
			continue;
		cost = move_cost(s, cell, i, to);
		if (cost < 0 || here + cost >= s->cost[to] ||
			!passes(s, cell, i, to))
			continue;
		s->cost[to] = here + cost;
		s->by[to] = (uint8_t) i;
		s->done[to] = 0;
		if (!push(s, s->cost[to] +
				  (s->guided ? lower_bound(s, r, c, to) : 0), (int32_t) to))
			return AJK_NOMEM;
	}
	return AJK_OK;
}

/* The way to a cell, from its source on. */
static AjkError
trace(const Search *s, int32_t to, int32_t **cells, int *n)
{
	int32_t		c = to;
	int			count = 1;

	while (s->by[c] != NOWHERE)
	{
		c -= (int32_t) s->step[s->by[c]];
		count++;
	}
	*cells = malloc(count * sizeof(int32_t));
	if (*cells == NULL)
		return AJK_NOMEM;
	*n = count;
	c = to;
	for (int i = count - 1; i >= 0; i--)
	{
		(*cells)[i] = c;
		if (i > 0)
			c -= (int32_t) s->step[s->by[c]];
	}
	return AJK_OK;
}

AjkCost
ajk_edge_cost(const AjkRouteGrid *g, int32_t from, int32_t to)
{
	Search		s;
	int			dr = to / g->ncols - from / g->ncols;
	int			dc = to % g->ncols - from % g->ncols;

	memset(&s, 0, sizeof(s));
	s.g = g;
	s.inv_easy2 = 1.0 / (g->easy_grade * g->easy_grade);
	for (int i = 0; i < 16; i++)
		if (move_row[i] == dr && move_col[i] == dc)
		{
			s.length[i] = g->cell * sqrt((double) dr * dr + dc * dc);
			s.inv_length[i] = 1.0 / s.length[i];
			if (g->blocked[from] || g->blocked[to] ||
				!passes(&s, from, i, to))
				return -1;
			return move_cost(&s, from, i, to);
		}
	return -1;
}

AjkError
ajk_route(const AjkRouteGrid *g, int32_t from, int32_t to, bool guided,
		  AjkRoute *route, ajk_poll poll, void *arg)
{
	Search		s;
	AjkError	err = search_begin(&s, g);

	memset(route, 0, sizeof(*route));
	s.guided = guided;
	s.goal_row = to / g->ncols;
	s.goal_col = to % g->ncols;
	s.goal_elev = g->elev[to];
	if (err == AJK_OK && (g->blocked[from] || g->blocked[to]))
		err = AJK_INFEASIBLE;
	if (err == AJK_OK && !add_source(&s, from))
		err = AJK_NOMEM;
	while (err == AJK_OK)
	{
		Entry		e;

		if (s.nheap == 0)
		{
			err = AJK_INFEASIBLE;
			break;
		}
		e = pop(&s);
		if (e.cell == to)
			break;
		if (s.done[e.cell])
			continue;
		s.done[e.cell] = 1;
		err = expand(&s, e.cell);
		if (err == AJK_OK && poll && s.expanded % POLL_CELLS == 0 &&
			poll(arg, (double) s.expanded / ((double) g->ncols * g->nrows)))
			err = AJK_STOPPED;
	}
	if (err == AJK_OK)
	{
		route->cost = s.cost[to];
		err = trace(&s, to, &route->cells, &route->n);
	}
	route->expanded = s.expanded;
	search_end(&s);
	return err;
}

AjkError
ajk_reach(const AjkRouteGrid *g, const int32_t *sources, int nsources,
		  AjkCost *cost, ajk_poll poll, void *arg)
{
	Search		s;
	AjkError	err = search_begin(&s, g);
	size_t		n = (size_t) g->ncols * g->nrows;

	for (int i = 0; err == AJK_OK && i < nsources; i++)
		if (!add_source(&s, sources[i]))
			err = AJK_NOMEM;
	while (err == AJK_OK && s.nheap > 0)
	{
		Entry		e = pop(&s);

		if (s.done[e.cell])
			continue;
		s.done[e.cell] = 1;
		err = expand(&s, e.cell);
		if (err == AJK_OK && poll && s.expanded % POLL_CELLS == 0 &&
			poll(arg, (double) s.expanded / n))
			err = AJK_STOPPED;
	}
	for (size_t i = 0; err == AJK_OK && i < n; i++)
		cost[i] = s.cost[i] == INFINITE ? -1 : s.cost[i];
	search_end(&s);
	return err;
}

/* ---- bends ---- */

/*
 * What a link costs does not depend on the order of its moves, so on an even
 * hillside the search returns a saw of as many hairpins as there are cells.
 * Here the way is sought once more among the cells near it, with a cost for
 * each bend: a state is a cell and the move that led to it.
 */
struct Bends
{
	Search	   *s;				/* over a grid in which other pads are closed */
	int32_t    *id;				/* [cell] number in the corridor, from 1 */
	int32_t    *cell;			/* [id - 1] */
	int			ncells;
	AjkCost    *cost;			/* [state] */
	int32_t    *from;			/* [state] state before, -1 for the first */
	AjkCost		bend[16][16];
};

static AjkError
find_corridor(struct Bends *b, const AjkLink *link, int half)
{
	const AjkRouteGrid *g = b->s->g;
	size_t		most = (size_t) link->n * (2 * half + 1) * (2 * half + 1);
	size_t		n = (size_t) g->ncols * g->nrows;

	b->cell = malloc((most < n ? most : n) * sizeof(int32_t));
	if (b->cell == NULL)
		return AJK_NOMEM;
	for (int i = 0; i < link->n; i++)
	{
		int			row = link->cells[i] / g->ncols;
		int			col = link->cells[i] % g->ncols;

		for (int r = row - half; r <= row + half; r++)
			for (int c = col - half; c <= col + half; c++)
			{
				size_t		at = (size_t) r * g->ncols + c;

				if (r < 0 || c < 0 || r >= g->nrows || c >= g->ncols ||
					b->id[at] || g->blocked[at])
					continue;
				b->cell[b->ncells++] = (int32_t) at;
				b->id[at] = b->ncells;
			}
	}
	return AJK_OK;
}

/* All states that can be reached, until the goal is; which state that is. */
static AjkError
search_bends(struct Bends *b, int32_t start, int32_t goal, int32_t *end,
			 ajk_poll poll, void *arg)
{
	Search	   *s = b->s;
	const AjkRouteGrid *g = s->g;

	/* a first state without a move has number -1 - 0: it is expanded apart */
	*end = -1;
	for (int32_t state = -1;;)
	{
		int32_t		here = state < 0 ? start : b->cell[state / 16];
		int			by = state < 0 ? -1 : state % 16;
		AjkCost		so_far = state < 0 ? 0 : b->cost[state];
		Entry		e;

		if (here == goal && state >= 0)
		{
			*end = state;
			return AJK_OK;
		}
		if (poll && ++s->expanded % POLL_CELLS == 0 &&
			poll(arg, (double) s->expanded / (16.0 * b->ncells)))
			return AJK_STOPPED;
		for (int i = 0; i < 16; i++)
		{
			int			r = here / g->ncols + move_row[i];
			int			c = here % g->ncols + move_col[i];
			size_t		to = (size_t) r * g->ncols + c;
			AjkCost		cost;
			int32_t		next;

			if (r < 0 || c < 0 || r >= g->nrows || c >= g->ncols ||
				b->id[to] == 0)
				continue;
			cost = move_cost(s, here, i, to);
			if (cost < 0 || !passes(s, here, i, to))
				continue;
			cost += so_far + (by < 0 ? 0 : b->bend[by][i]);
			next = (b->id[to] - 1) * 16 + i;
			if (cost >= b->cost[next])
				continue;
			b->cost[next] = cost;
			b->from[next] = state;
			if (!push(s, cost, next))
				return AJK_NOMEM;
		}
		do
		{
			if (s->nheap == 0)
				return AJK_INFEASIBLE;
			e = pop(s);
		} while (b->cost[e.cell] != e.key);
		state = e.cell;
	}
}

/* Replace the way of a link by one with fewer bends. */
static AjkError
ease_bends(const AjkRouteGrid *g, const uint16_t *owner, AjkLink *link,
		   double bend_m, int32_t *id, uint8_t *closed_cells,
		   ajk_poll poll, void *arg)
{
	AjkRouteGrid near = *g;
	Search		s;
	struct Bends b = {.s = &s,.id = id};
	size_t		n = (size_t) g->ncols * g->nrows;
	AjkError	err = AJK_OK;
	int32_t		end = -1;
	size_t		nstates;

	if (link->n < 3)
		return AJK_OK;
	for (size_t i = 0; i < n; i++)
		closed_cells[i] = g->blocked[i] ||
			(owner[i] != 0 && owner[i] != link->terminal + 1);
	near.blocked = closed_cells;
	memset(&s, 0, sizeof(s));
	s.g = &near;
	s.inv_easy2 = 1.0 / (g->easy_grade * g->easy_grade);
	for (int i = 0; i < 16; i++)
	{
		s.length[i] = g->cell * sqrt(move_col[i] * move_col[i]
									 + move_row[i] * move_row[i]);
		s.inv_length[i] = 1.0 / s.length[i];
		for (int j = 0; j < 16; j++)
		{
			double		turn = fabs(remainder(atan2(move_row[i], move_col[i])
											  - atan2(move_row[j], move_col[j]),
											  2 * AJK_PI)) / (AJK_PI / 2);

			b.bend[i][j] = (AjkCost) (bend_m * turn * turn * AJK_COST_UNIT);
		}
	}
	err = find_corridor(&b, link, 12);
	nstates = (size_t) b.ncells * 16;

	/* a road of hundreds of kilometres stays as it is */
	if (err == AJK_OK && nstates < 16 * 1024 * 1024)
	{
		b.cost = malloc(nstates * sizeof(AjkCost));
		b.from = malloc(nstates * sizeof(int32_t));
		if (b.cost == NULL || b.from == NULL)
			err = AJK_NOMEM;
		for (size_t i = 0; err == AJK_OK && i < nstates; i++)
			b.cost[i] = INFINITE;
		if (err == AJK_OK)
			err = search_bends(&b, link->cells[0], link->cells[link->n - 1],
							   &end, poll, arg);
	}
	if (err == AJK_OK && end >= 0)
	{
		int			count = 1;
		int32_t    *cells;

		for (int32_t st = end; st >= 0; st = b.from[st])
			count++;
		cells = malloc(count * sizeof(int32_t));
		if (cells == NULL)
			err = AJK_NOMEM;
		else
		{
			int			k = count;

			link->cost = 0;
			for (int32_t st = end; st >= 0; st = b.from[st])
				cells[--k] = b.cell[st / 16];
			cells[0] = link->cells[0];
			free(link->cells);
			link->cells = cells;
			link->n = count;
			for (k = 1; k < count; k++)
				link->cost += ajk_edge_cost(&near, cells[k - 1], cells[k]);
		}
	}
	for (int i = 0; i < b.ncells; i++)
		id[b.cell[i]] = 0;
	free(b.cell);
	free(b.cost);
	free(b.from);
	free(s.heap);

	/* the way itself lies in the corridor, so there always is one */
	return err == AJK_INFEASIBLE ? AJK_OK : err;
}

/* ---- networks ---- */

AjkError
ajk_network(const AjkRouteGrid *g, const int32_t *sources, int nsources,
			const uint16_t *owner, int nterminals, double bend_m,
			AjkNetwork *net, int *unreached, ajk_poll poll, void *arg)
{
	Search		s;
	AjkError	err = search_begin(&s, g);
	bool	   *joined = calloc(nterminals + 1, sizeof(bool));
	size_t		n = (size_t) g->ncols * g->nrows;
	int32_t    *id = bend_m > 0 ? calloc(n, sizeof(int32_t)) : NULL;
	uint8_t    *closed_cells = bend_m > 0 ? malloc(n) : NULL;

	memset(net, 0, sizeof(*net));
	s.owner = owner;
	net->links = calloc(nterminals + 1, sizeof(AjkLink));
	if (err == AJK_OK && (joined == NULL || net->links == NULL ||
						  (bend_m > 0 && (id == NULL || closed_cells == NULL))))
		err = AJK_NOMEM;
	for (int i = 0; err == AJK_OK && i < nsources; i++)
	{
		/* a terminal that holds a source is there already */
		if (owner[sources[i]])
			joined[owner[sources[i]]] = true;
		if (!add_source(&s, sources[i]))
			err = AJK_NOMEM;
	}
	while (err == AJK_OK && s.nheap > 0)
	{
		Entry		e = pop(&s);
		int			t = owner[e.cell];
		AjkLink    *link;

		if (s.done[e.cell])
			continue;
		s.done[e.cell] = 1;
		if (t == 0 || s.by[e.cell] == NOWHERE)
		{
			err = expand(&s, e.cell);
			if (err == AJK_OK && poll && s.expanded % POLL_CELLS == 0 &&
				poll(arg, fmin((double) s.expanded / n, 1)))
				err = AJK_STOPPED;
			continue;
		}

		/* a terminal's ground is where links end, not where they pass */
		if (joined[t])
			continue;
		joined[t] = true;
		link = &net->links[net->nlinks];
		link->terminal = t - 1;
		link->cost = s.cost[e.cell];
		err = trace(&s, e.cell, &link->cells, &link->n);
		if (err != AJK_OK)
			break;
		net->nlinks++;
		if (bend_m > 0)
			err = ease_bends(g, owner, link, bend_m, id, closed_cells,
							 poll, arg);
		for (int i = 1; err == AJK_OK && i < link->n - 1; i++)
			if (!add_source(&s, link->cells[i]))
				err = AJK_NOMEM;
	}
	*unreached = -1;
	for (int t = 1; err == AJK_OK && t <= nterminals; t++)
		if (!joined[t])
		{
			*unreached = t - 1;
			err = AJK_INFEASIBLE;
		}
	free(joined);
	free(id);
	free(closed_cells);
	search_end(&s);
	if (err != AJK_OK && err != AJK_INFEASIBLE)
		ajk_network_free(net);
	return err;
}

void
ajk_network_free(AjkNetwork *net)
{
	for (int i = 0; i < net->nlinks; i++)
		free(net->links[i].cells);
	free(net->links);
	memset(net, 0, sizeof(*net));
}
