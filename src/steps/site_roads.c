/*-------------------------------------------------------------------------
 *
 * site_roads.c
 *		Roads to the assets of a site, and the earth that they and the pads
 *		move.
 *
 * The network is found over the grid (route.c), each link then straightened
 * to within a metre and measured every few metres: ground by bilinear
 * interpolation, its mean over some length as what the road would like to
 * follow, and the profile nearest to that within the greatest grade
 * (earthwork.c).  A road begins at the height of the one that it leaves and
 * ends at that of its pad.
 *
 * Volumes are by average end areas of cross sections with side slopes,
 *		V = sum of L (A1 + A2) / 2
 * and, as a check, by prismoids over each two lengths.  Where roads meet,
 * their sections overlap by half a road's width; that is counted twice.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "site_layout.h"

#include <math.h>

#include "utils/memutils.h"

#define SAMPLE_M		5.0		/* between sections, at most */
#define STRAIGHTEN_M	1.0
#define BEND_M			25.0	/* of road that a right angle is worth */

static void
check(AjkError err)
{
	if (err == AJK_INVALID)
		aj_step_error(AJ_ERRCODE_VALIDATION, "no_elevation",
					  "the elevation under a road is unknown", NULL,
					  "Load an elevation model without voids here.");
	aj_kernel_check(err);
}

/* ---- pads ---- */

void
aj_level_pads(AjGroundModel *m, AjLayout *l)
{
	for (int i = 0; i < l->nassets; i++)
	{
		AjPlaced   *a = &l->assets[i];
		double		side = l->p->types[a->kind].pad_m;
		AjkPad		pad = {a->x, a->y, side, side};
		AjkSides	sides = l->p->sides;
		AjkPadGround *ground;
		double		lo,
					hi;

		CHECK_FOR_INTERRUPTS();
		sides.step_m = fmax(side / 50, 0.5);
		sides.reach_m = 25;
		ground = ajk_pad_ground(aj_ground_at, &m->dem, &pad, &sides);
		if (ground == NULL)
			check(AJK_NOMEM);
		ajk_pad_range(ground, &lo, &hi, &a->ground_m);
		a->pad_m = ajk_pad_balance(ground, l->p->shrink);
		ajk_pad_volumes(ground, a->pad_m, &a->cut_m3, &a->fill_m3);
		ajk_pad_ground_free(ground);
		if (isnan(a->pad_m))
			check(AJK_INVALID);
		l->pad_cut_m3 += a->cut_m3;
		l->pad_fill_m3 += a->fill_m3;
	}
}

/* ---- the network ---- */

/* Mark the ground of each pad, half a road's width around included. */
static uint16 *
pad_owners(const AjGroundModel *m, const AjLayout *l)
{
	const AjSiteGrid *g = m->g;
	uint16	   *owner = MemoryContextAllocExtended(CurrentMemoryContext,
												   (Size) g->ncols * g->nrows * sizeof(uint16),
												   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	for (int i = 0; i < l->nassets; i++)
	{
		const AjPlaced *a = &l->assets[i];
		double		half = (l->p->types[a->kind].pad_m + l->p->road_width_m) / 2;
		int			c0 = Max((int) ceil((a->x - half) / m->cell - 0.5), 0),
					c1 = Min((int) floor((a->x + half) / m->cell - 0.5), g->ncols - 1);
		int			r0 = Max((int) ceil((-a->y - half) / m->cell - 0.5), 0),
					r1 = Min((int) floor((-a->y + half) / m->cell - 0.5), g->nrows - 1);

		for (int r = r0; r <= r1; r++)
			for (int c = c0; c <= c1; c++)
				owner[(Size) r * g->ncols + c] = (uint16) (i + 1);
		owner[a->cell] = (uint16) (i + 1);
	}
	return owner;
}

int
aj_find_roads(AjGroundModel *m, AjLayout *l, bool eased, AjkNetwork *net)
{
	uint16	   *owner = pad_owners(m, l);
	int			unreached;
	AjkError	err;

	aj_compute_begin();
	err = ajk_network(&m->route, &m->entry_cell, 1, owner, l->nassets,
					  eased ? BEND_M : 0, net, &unreached, aj_poll, NULL);
	aj_compute_end();
	pfree(owner);
	if (err == AJK_INFEASIBLE)
		return unreached;
	check(err);
	return -1;
}

/* Is it the grade, the zones, or another pad? */
void
aj_road_unreachable(AjGroundModel *m, const AjLayout *l, int asset)
{
	const AjPlaced *a = &l->assets[asset];
	AjkRouteGrid steep = m->route;
	AjkRoute	route;
	AjkError	err;
	const char *why,
			   *hint;

	if (m->blocked[a->cell])
	{
		why = "the ground around it is in an exclusion zone, its buffer, or too near the boundary for a road";
		hint = "Move the asset, or lower buffer_m of the zone or boundary distance there.";
	}
	else if (m->reach[a->cell] >= 0)
	{
		why = "other pads shut it in";
		hint = "Raise min_spacing_m, or lower resolution_m so that narrower ways are seen.";
	}
	else
	{
		steep.max_grade = 1000;
		aj_compute_begin();
		err = ajk_route(&steep, m->entry_cell, (int32_t) a->cell, true, &route,
						aj_poll, NULL);
		aj_compute_end();
		free(route.cells);
		if (err != AJK_INFEASIBLE)
			check(err);
		if (err == AJK_OK)
		{
			why = psprintf("every way there is steeper than %.4g %%",
						   100 * l->p->max_grade);
			hint = "Raise max_road_grade_pct, lower resolution_m, or move the asset.";
		}
		else
		{
			why = "exclusion zones or the boundary cut it off";
			hint = "Leave a gap in the zones, lower their buffer_m, or move the asset or the entry_point.";
		}
	}
	{
		double		lon,
					lat;

		aj_local_lonlat(m, a->x, a->y, &lon, &lat);
		aj_step_error(AJ_ERRCODE_INFEASIBLE, "road_unreachable",
					  psprintf("no road reaches asset \"%s\"", a->name),
					  psprintf("At %.7f, %.7f (longitude, latitude) %s.", lon,
							   lat, why), hint);
	}
}

/* ---- one road ---- */

/* The nearest place of an earlier road; false if there is none near. */
static bool
junction(const AjLayout *l, double x, double y, double within, double *jx,
		 double *jy, double *jh, int *depth)
{
	double		best = within;
	bool		found = false;

	for (int i = 0; i < l->nroads; i++)
		for (int j = 0; j < l->roads[i].nstations; j++)
		{
			const AjStation *st = &l->roads[i].st[j];
			double		d = hypot(st->x - x, st->y - y);

			if (d < best)
			{
				best = d;
				*jx = st->x;
				*jy = st->y;
				*jh = st->height_m;
				*depth = l->roads[i].depth + 1;
				found = true;
			}
		}
	return found;
}

/* Does a straight road keep clear of the boundary and all zones? */
static bool
straight_is_clear(const AjGroundModel *m, const AjLayout *l, double ax,
				  double ay, double bx, double by)
{
	const AjSiteGrid *g = m->g;
	int			n = (int) ceil(hypot(bx - ax, by - ay));

	for (int i = 0; i <= n; i++)
	{
		double		t = n > 0 ? (double) i / n : 0;

		if (aj_site_margin(g, g->x0 + (ax + t * (bx - ax)) * g->k,
						   g->y0 + (ay + t * (by - ay)) * g->k, 0)
			< l->p->road_width_m / 2)
			return false;
	}
	return true;
}

/* The centre line of a link, straightened. */
static void
centre_line(AjGroundModel *m, const AjLayout *l, const AjkLink *link,
			AjRoad *road, double *first_height)
{
	const AjPlaced *a = &l->assets[link->terminal];
	double		half = l->p->types[a->kind].pad_m / 2;
	int			n = 0;
	double	   *x = palloc((link->n + 3) * sizeof(double));
	double	   *y = palloc((link->n + 3) * sizeof(double));
	bool	   *keep = palloc((link->n + 3) * sizeof(bool));
	double		jx,
				jy,
				jh;
	int			skip = 0;

	*first_height = NAN;
	x[1] = (link->cells[0] % m->g->ncols + 0.5) * m->cell;
	y[1] = -(link->cells[0] / m->g->ncols + 0.5) * m->cell;
	if (junction(l, x[1], y[1], m->cell + STRAIGHTEN_M + SAMPLE_M, &jx, &jy,
				 &jh, &road->depth))
	{
		x[n] = jx;
		y[n++] = jy;
		*first_height = jh;
		skip = 1;
	}
	else if (m->has_entry)
	{
		/*
		 * From the entry point itself to the cell where the grid begins, or
		 * past it if that lies behind.
		 */
		x[n] = m->entry_x;
		y[n++] = m->entry_y;
		if (link->n > 1)
		{
			double		nx = (link->cells[1] % m->g->ncols + 0.5) * m->cell;
			double		ny = -(link->cells[1] / m->g->ncols + 0.5) * m->cell;

			if ((nx - x[1]) * (x[0] - x[1]) + (ny - y[1]) * (y[0] - y[1]) > 0 &&
				straight_is_clear(m, l, x[0], y[0], nx, ny))
				skip = 1;
		}
	}
	for (int i = skip; i < link->n; i++)
	{
		x[n] = (link->cells[i] % m->g->ncols + 0.5) * m->cell;
		y[n++] = -(link->cells[i] / m->g->ncols + 0.5) * m->cell;
	}

	/* on to the edge of the pad, or back to it from within */
	x[n] = fmin(fmax(x[n - 1], a->x - half), a->x + half);
	y[n] = fmin(fmax(y[n - 1], a->y - half), a->y + half);
	if (hypot(x[n] - x[n - 1], y[n] - y[n - 1]) > 0.01)
		n++;
	check(ajk_simplify(n, x, y, STRAIGHTEN_M, keep));
	road->px = palloc((n + 1) * sizeof(double));
	road->py = palloc((n + 1) * sizeof(double));
	for (int i = 0; i < n; i++)
		if (keep[i] && (road->npoints == 0 ||
						hypot(x[i] - road->px[road->npoints - 1],
							  y[i] - road->py[road->npoints - 1]) > 0.01))
		{
			road->px[road->npoints] = x[i];
			road->py[road->npoints++] = y[i];
		}

	/* a pad that holds the very beginning: a stub, so that it is a line */
	if (road->npoints == 1)
	{
		road->px[1] = road->px[0] + 0.02;
		road->py[road->npoints++] = road->py[0];
	}
	pfree(x);
	pfree(y);
	pfree(keep);
}

/* Places along the line, evenly spaced. */
static void
place_stations(AjRoad *r)
{
	double		len = 0,
				at = 0;
	int			seg = 0;

	for (int i = 1; i < r->npoints; i++)
		len += hypot(r->px[i] - r->px[i - 1], r->py[i] - r->py[i - 1]);
	r->length_m = len;

	/* an even number of lengths, for the prismoids */
	r->nstations = 2 * (int) fmax(ceil(len / SAMPLE_M / 2), 1) + 1;
	r->st = palloc0(r->nstations * sizeof(AjStation));
	for (int i = 0; i < r->nstations; i++)
	{
		AjStation  *st = &r->st[i];
		double		piece,
					t;

		st->s = len * i / (r->nstations - 1);
		for (;;)
		{
			piece = hypot(r->px[seg + 1] - r->px[seg],
						  r->py[seg + 1] - r->py[seg]);
			if (seg + 2 >= r->npoints || at + piece >= st->s)
				break;
			at += piece;
			seg++;
		}
		t = piece > 0 ? fmin((st->s - at) / piece, 1) : 0;
		st->x = r->px[seg] + t * (r->px[seg + 1] - r->px[seg]);
		st->y = r->py[seg] + t * (r->py[seg + 1] - r->py[seg]);
	}
}

static void
set_heights(AjGroundModel *m, const AjLayout *l, AjRoad *r, double first,
			double last)
{
	int			n = r->nstations;
	double		step = r->length_m / (n - 1);
	double	   *s = palloc(n * sizeof(double));
	double	   *z = palloc(n * sizeof(double));
	double	   *want = palloc(n * sizeof(double));
	double	   *h = palloc(n * sizeof(double));

	for (int i = 0; i < n; i++)
	{
		s[i] = r->st[i].s;
		z[i] = r->st[i].ground_m = ajk_dem_at(&m->dem, r->st[i].x, r->st[i].y);
	}
	check(ajk_moving_mean(n, z, (int) (l->p->smoothing_m / 2 / step), want));
	check(ajk_profile(n, s, want, l->p->max_grade, first, last, h));
	for (int i = 0; i < n; i++)
	{
		r->st[i].height_m = h[i];
		if (i > 0)
		{
			double		grade = fabs(h[i] - h[i - 1]) / step;

			r->max_grade = fmax(r->max_grade, grade);
			r->mean_grade += grade / (n - 1);
		}
	}
	r->step_m = last - h[n - 1];
	pfree(s);
	pfree(z);
	pfree(want);
	pfree(h);
}

static void
measure(AjGroundModel *m, const AjLayout *l, AjRoad *r)
{
	int			n = r->nstations;
	double		step = r->length_m / (n - 1);

	for (int i = 0; i < n; i++)
	{
		AjStation  *st = &r->st[i];
		int			a = Max(i - 1, 0),
					b = Min(i + 1, n - 1);
		double		dx = r->st[b].x - r->st[a].x,
					dy = r->st[b].y - r->st[a].y;
		double		len = hypot(dx, dy);

		if (len <= 0)
		{
			dx = 1;
			len = 1;
		}
		r->open_sections += !ajk_section(aj_ground_at, &m->dem, st->x, st->y,
										 -dy / len, dx / len, st->height_m,
										 l->p->road_width_m, &l->p->sides,
										 &st->cut_m2, &st->fill_m2);
	}
	for (int i = 1; i < n; i++)
	{
		r->cut_m3 += step * (r->st[i - 1].cut_m2 + r->st[i].cut_m2) / 2;
		r->fill_m3 += step * (r->st[i - 1].fill_m2 + r->st[i].fill_m2) / 2;
	}
	for (int i = 1; i < n - 1; i += 2)
	{
		r->cut_prism_m3 += 2 * step * (r->st[i - 1].cut_m2 + 4 * r->st[i].cut_m2
									   + r->st[i + 1].cut_m2) / 6;
		r->fill_prism_m3 += 2 * step * (r->st[i - 1].fill_m2 + 4 * r->st[i].fill_m2
										+ r->st[i + 1].fill_m2) / 6;
	}
}

void
aj_build_roads(AjGroundModel *m, AjLayout *l)
{
	AjkNetwork	net;
	int			unreached = aj_find_roads(m, l, true, &net);

	PG_TRY();
	{
		if (unreached >= 0)
			aj_road_unreachable(m, l, unreached);
		l->roads = palloc0((net.nlinks + 1) * sizeof(AjRoad));
		for (int i = 0; i < net.nlinks; i++)
		{
			AjRoad	   *r = &l->roads[i];
			double		first;

			CHECK_FOR_INTERRUPTS();
			r->to = net.links[i].terminal;
			r->cost = net.links[i].cost;
			centre_line(m, l, &net.links[i], r, &first);
			place_stations(r);
			set_heights(m, l, r, first, l->assets[r->to].pad_m);
			measure(m, l, r);
			l->road_m += r->length_m;
			l->road_cut_m3 += r->cut_m3;
			l->road_fill_m3 += r->fill_m3;
			l->max_grade = fmax(l->max_grade, r->max_grade);
			l->nroads++;
		}
	}
	PG_FINALLY();
	{
		ajk_network_free(&net);
	}
	PG_END_TRY();
}
