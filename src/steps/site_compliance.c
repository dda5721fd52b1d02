/*-------------------------------------------------------------------------
 *
 * site_compliance.c
 *		Rules that a layout keeps or breaks.
 *
 * A broken rule is a result, not an error: what was asked for may be worth
 * it, and who asks should know.  Limits are those of the source documents;
 * they are stated with each result, as the worst value found.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "site_layout.h"

#include <math.h>

/* Limits by jurisdiction. */
static const struct
{
	const char *name;
	double		boundary_m;
	double		wetland_m;		/* 0: no such rule */
	double		setback_m;
}			limits[] =

{
	{"default", 5, 0, 0}, {"CA", 10, 30, 0}, {"TX", 5, 0, 25}
};

#define EPSILON 1e-6

static AjRule *
add_rule(AjLayout *l, const char *rule, const char *unit, bool at_least,
		 double limit, bool of_road)
{
	AjRule	   *r = &l->rules[l->nrules++];

	r->rule = rule;
	r->unit = unit;
	r->at_least = at_least;
	r->limit = limit;
	r->value = NAN;
	r->worst = -1;
	r->of_road = of_road;
	return r;
}

/* excess: by how much a value is better than its own limit */
static void
look_at(AjRule *r, double value, double limit, int subject, double *least)
{
	double		spare = r->at_least ? value - limit : limit - value;

	r->failures += spare < -EPSILON;
	if (r->worst < 0 || spare < *least)
	{
		*least = spare;
		r->value = value;
		r->limit = limit;
		r->worst = subject;
	}
}

/* Is a type of zone a wetland's? */
static bool
is_wetland(const AjZone *z)
{
	return strcmp(z->zone_type, "environmental") == 0 ||
		strcmp(z->zone_type, "wetland") == 0 ||
		strcmp(z->zone_type, "water") == 0;
}

/* Ground metres from the nearest point of a pad to a wetland; INFINITY. */
static double
wetland_distance(const AjGroundModel *m, double x, double y, double half)
{
	const AjSiteGrid *g = m->g;
	double		gx = g->x0 + x * g->k,
				gy = g->y0 + y * g->k;
	double		best = INFINITY;

	for (int z = 0; z < g->nzone; z++)
	{
		const AjZone *zone = &g->site->zones[z];
		bool		area = zone->shape == AJ_SHAPE_POLYGON;

		if (!is_wetland(zone))
			continue;
		for (int i = 0; i < zone->npaths; i++)
			best = fmin(best, ajk_path_dist(&g->zone_paths[z][i], area, gx, gy) / g->k);
		if (area && ajk_in_rings(g->zone_paths[z], zone->npaths, gx, gy))
			best = 0;
	}
	return fmax(best - half * sqrt(2.0), 0);
}

/* Ground metres from the circle around a pad to the boundary. */
static double
boundary_distance(const AjGroundModel *m, const AjPlaced *a, double half)
{
	const AjSiteGrid *g = m->g;
	double		best = INFINITY;

	for (int i = 0; i < g->site->nrings; i++)
		best = fmin(best, ajk_path_dist(&g->rings[i], true,
										g->x0 + a->x * g->k,
										g->y0 + a->y * g->k) / g->k);
	return best - half * sqrt(2.0);
}

void
aj_check_compliance(const AjGroundModel *m, AjLayout *l)
{
	const AjLayoutParams *p = l->p;
	AjRule	   *r;
	double		least = 0;
	int			j = 0;

	for (int i = 0; i < (int) lengthof(limits); i++)
		if (strcmp(limits[i].name, p->jurisdiction) == 0)
			j = i;

	r = add_rule(l, "max_slope", "deg", false, 0, false);
	for (int i = 0; i < l->nassets; i++)
		look_at(r, l->assets[i].slope_deg,
				p->types[l->assets[i].kind].max_slope_deg, i, &least);

	r = add_rule(l, "min_spacing", "m", true, p->spacing_m, false);
	l->spacing_m = INFINITY;
	for (int i = 0; i < l->nassets; i++)
		for (int k = 0; k < i; k++)
		{
			double		gap = aj_pad_gap(l, i, k);

			l->spacing_m = fmin(l->spacing_m, gap);
			look_at(r, gap, p->spacing_m, i, &least);
		}

	r = add_rule(l, "min_distance_to_boundary", "m", true, limits[j].boundary_m,
				 false);
	for (int i = 0; i < l->nassets; i++)
		look_at(r, boundary_distance(m, &l->assets[i],
									 p->types[l->assets[i].kind].pad_m / 2),
				limits[j].boundary_m, i, &least);

	if (limits[j].setback_m > 0)
	{
		r = add_rule(l, "setback", "m", true, limits[j].setback_m, false);
		for (int i = 0; i < l->nassets; i++)
			look_at(r, boundary_distance(m, &l->assets[i],
										 p->types[l->assets[i].kind].pad_m / 2),
					limits[j].setback_m, i, &least);
	}
	if (limits[j].wetland_m > 0)
	{
		r = add_rule(l, "wetland_buffer", "m", true, limits[j].wetland_m, false);
		for (int i = 0; i < l->nassets; i++)
		{
			double		d = wetland_distance(m, l->assets[i].x, l->assets[i].y,
											 p->types[l->assets[i].kind].pad_m / 2);

			if (!isinf(d))
				look_at(r, d, limits[j].wetland_m, i, &least);
		}
	}

	r = add_rule(l, "min_pad_size", "m", true, 0, false);
	for (int i = 0; i < l->nassets; i++)
		look_at(r, p->types[l->assets[i].kind].pad_m,
				aj_asset_types[l->assets[i].kind].pad_m, i, &least);

	r = add_rule(l, "max_road_grade", "pct", false, 100 * p->max_grade, true);
	for (int i = 0; i < l->nroads; i++)
		look_at(r, 100 * l->roads[i].max_grade, 100 * p->max_grade, i, &least);

	/* the road meets its pad within a hand's breadth */
	r = add_rule(l, "road_meets_pad", "m", false, 0.1, true);
	for (int i = 0; i < l->nroads; i++)
		look_at(r, fabs(l->roads[i].step_m), 0.1, i, &least);

	for (int i = 0; i < l->nrules; i++)
		l->failures += l->rules[i].failures > 0;
}
