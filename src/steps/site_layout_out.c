/*-------------------------------------------------------------------------
 *
 * site_layout_out.c
 *		Layouts of a site, written out: metrics, rules, GeoJSON, tables.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "site_layout.h"

#include <math.h>

static const char *const classes[] = {"spine", "secondary", "tertiary"};

static void
put(StringInfo buf, const char *key, double value, int decimals)
{
	if (buf->data[buf->len - 1] != '{')
		appendStringInfoChar(buf, ',');
	appendStringInfo(buf, "\"%s\":", key);
	aj_json_number(buf, value, decimals);
}

void
aj_layout_metrics(StringInfo b, const AjLayout *l)
{
	const AjLayoutParams *p = l->p;
	double		cut = l->pad_cut_m3 + l->road_cut_m3;
	double		fill = l->pad_fill_m3 + l->road_fill_m3;
	double		area = 0;
	double		prism_cut = 0,
				prism_fill = 0;
	int			n = 0;

	for (int i = 0; i < l->nassets; i++)
		area += p->types[l->assets[i].kind].pad_m
			* p->types[l->assets[i].kind].pad_m;
	for (int i = 0; i < l->nroads; i++)
	{
		prism_cut += l->roads[i].cut_prism_m3;
		prism_fill += l->roads[i].fill_prism_m3;
	}
	appendStringInfoChar(b, '{');
	put(b, "total_capacity_kw", l->capacity_kw, 3);
	put(b, "target_capacity_kw", p->target_kw, 3);
	put(b, "asset_count", l->nassets, 0);
	put(b, "road_length_m", l->road_m, 1);
	put(b, "cut_volume_m3", cut, 1);
	put(b, "fill_volume_m3", fill, 1);
	put(b, "road_cut_m3", l->road_cut_m3, 1);
	put(b, "road_fill_m3", l->road_fill_m3, 1);
	put(b, "pad_cut_m3", l->pad_cut_m3, 1);
	put(b, "pad_fill_m3", l->pad_fill_m3, 1);
	put(b, "road_cut_prismoidal_m3", prism_cut, 1);
	put(b, "road_fill_prismoidal_m3", prism_fill, 1);
	put(b, "cut_loose_m3", cut * p->swell, 1);
	put(b, "fill_needs_cut_m3", fill / p->shrink, 1);
	put(b, "surplus_cut_m3", cut - fill / p->shrink, 1);
	put(b, "max_road_grade_pct", 100 * l->max_grade, 3);
	put(b, "min_spacing_m", l->nassets > 1 ? l->spacing_m : NAN, 2);
	put(b, "pad_area_m2", area, 1);
	put(b, "kw_per_ha_of_pads", area > 0 ? l->capacity_kw / (area / 1e4) : NAN, 2);
	put(b, "rules_failed", l->failures, 0);
	appendStringInfoString(b, ",\"assets_by_type\":[");
	for (int k = 0; k < AJ_NASSET_TYPES; k++)
	{
		int			count = 0;

		for (int i = 0; i < l->nassets; i++)
			count += l->assets[i].kind == k;
		if (count == 0)
			continue;
		appendStringInfo(b, "%s{\"asset_type\":\"%s\"", n++ ? "," : "",
						 p->types[k].name);
		put(b, "count", count, 0);
		put(b, "capacity_kw_each", aj_asset_kw(&p->types[k]), 3);
		put(b, "pad_m", p->types[k].pad_m, 3);
		put(b, "max_slope_deg", p->types[k].max_slope_deg, 3);
		appendStringInfoChar(b, '}');
	}
	appendStringInfoString(b, "]}");
}

void
aj_layout_compliance(StringInfo b, const AjLayout *l)
{
	appendStringInfoChar(b, '[');
	for (int i = 0; i < l->nrules; i++)
	{
		const AjRule *r = &l->rules[i];

		appendStringInfo(b, "%s{\"rule\":\"%s\",\"%s\":", i ? "," : "", r->rule,
						 r->at_least ? "at_least" : "at_most");
		aj_json_number(b, r->limit, 4);
		appendStringInfo(b, ",\"unit\":\"%s\",\"worst\":", r->unit);
		aj_json_number(b, r->value, 4);
		appendStringInfoString(b, ",\"subject\":");
		if (r->worst < 0)
			appendStringInfoString(b, "null");
		else if (r->of_road)
			aj_json_string(b, psprintf("Road %d", r->worst + 1));
		else
			aj_json_string(b, l->assets[r->worst].name);
		appendStringInfo(b, ",\"failures\":%d,\"passed\":%s}", r->failures,
						 r->failures ? "false" : "true");
	}
	appendStringInfoChar(b, ']');
}

static void
asset_properties(StringInfo b, const AjGroundModel *m, const AjLayout *l,
				 int i)
{
	const AjPlaced *a = &l->assets[i];
	const AjAssetType *t = &l->p->types[a->kind];
	double		half = t->pad_m / 2 * sqrt(2.0);

	appendStringInfo(b, "\"feature_type\":\"asset\",\"asset_id\":%d,\"asset_type\":\"%s\",\"name\":",
					 i + 1, t->name);
	aj_json_string(b, a->name);
	put(b, "capacity_kw", aj_asset_kw(t), 3);
	put(b, "elevation_m", a->pad_m, 3);
	put(b, "ground_m", a->ground_m, 3);
	put(b, "slope_deg", a->slope_deg, 3);
	put(b, "aspect_deg", a->aspect_deg, 1);
	put(b, "suitability_score", a->score, 4);
	put(b, "footprint_length_m", t->length_m, 3);
	put(b, "footprint_width_m", t->width_m, 3);
	put(b, "pad_m", t->pad_m, 3);
	put(b, "rotation_deg", 0, 0);
	put(b, "cut_m3", a->cut_m3, 2);
	put(b, "fill_m3", a->fill_m3, 2);
	put(b, "constraint_margin_m",
		aj_site_margin(m->g, m->g->x0 + a->x * m->g->k,
					   m->g->y0 + a->y * m->g->k,
					   m->g->boundary_setback_m) - half, 2);
	appendStringInfo(b, ",\"reason\":\"%s\"",
					 a->fixed ? "given" : "best suited place left");
}

char *
aj_layout_assets(const AjGroundModel *m, const AjLayout *l)
{
	AjGeoJson	gj;

	aj_geojson_begin(&gj);
	for (int i = 0; i < l->nassets; i++)
	{
		StringInfoData b;
		double		lon,
					lat;

		initStringInfo(&b);
		asset_properties(&b, m, l, i);
		aj_local_lonlat(m, l->assets[i].x, l->assets[i].y, &lon, &lat);
		aj_geojson_point(&gj, b.data, lon, lat);
		pfree(b.data);
	}
	return aj_geojson_end(&gj);
}

char *
aj_layout_pads(const AjGroundModel *m, const AjLayout *l)
{
	AjGeoJson	gj;

	aj_geojson_begin(&gj);
	for (int i = 0; i < l->nassets; i++)
	{
		const AjPlaced *a = &l->assets[i];
		const AjAssetType *t = &l->p->types[a->kind];

		/* the pad, and on it the footprint */
		for (int part = 0; part < 2; part++)
		{
			double		dx = (part ? t->length_m : t->pad_m) / 2;
			double		dy = (part ? t->width_m : t->pad_m) / 2;
			double		lon[4],
						lat[4];
			const double *lons = lon,
					   *lats = lat;
			int			n = 4;

			for (int c = 0; c < 4; c++)
				aj_local_lonlat(m, a->x + (c == 1 || c == 2 ? dx : -dx),
								a->y + (c >= 2 ? dy : -dy), &lon[c], &lat[c]);
			aj_geojson_polygon(&gj,
							   psprintf("\"feature_type\":\"%s\",\"asset_id\":%d,\"asset_type\":\"%s\"",
										part ? "footprint" : "pad", i + 1, t->name),
							   1, &n, &lons, &lats);
		}
	}
	return aj_geojson_end(&gj);
}

/* Stations at the interval asked for, of those measured; the end always. */
static bool
next_station(const AjLayout *l, const AjRoad *r, int *i, double *due)
{
	for ((*i)++; *i < r->nstations; (*i)++)
		if (r->st[*i].s >= *due - 1e-6 || *i == r->nstations - 1)
		{
			*due = (floor(r->st[*i].s / l->p->station_m + 1e-9) + 1)
				* l->p->station_m;
			return true;
		}
	return false;
}

/* Grade at a station, of the way on from it. */
static double
grade_pct(const AjRoad *r, int i)
{
	int			a = Min(i, r->nstations - 2);

	return 100 * (r->st[a + 1].height_m - r->st[a].height_m)
		/ (r->st[a + 1].s - r->st[a].s);
}

static void
road_properties(StringInfo b, const AjGroundModel *m, const AjLayout *l, int n)
{
	const AjRoad *r = &l->roads[n];
	double		due = 0;
	int			flags = 0;

	appendStringInfo(b, "\"feature_type\":\"road\",\"road_id\":%d,\"road_class\":\"%s\",\"to\":",
					 n + 1, classes[Min(r->depth, 2)]);
	aj_json_string(b, l->assets[r->to].name);
	put(b, "length_m", r->length_m, 2);
	put(b, "width_m", l->p->road_width_m, 2);
	put(b, "max_grade_pct", 100 * r->max_grade, 3);
	put(b, "avg_grade_pct", 100 * r->mean_grade, 3);
	put(b, "route_cost_m", r->cost / AJK_COST_UNIT, 2);
	put(b, "cut_m3", r->cut_m3, 2);
	put(b, "fill_m3", r->fill_m3, 2);
	put(b, "pad_step_m", r->step_m, 3);
	appendStringInfoString(b, ",\"kpi_flags\":[");
	if (r->max_grade > l->p->max_grade + 1e-9)
		appendStringInfo(b, "%s\"grade_above_limit\"", flags++ ? "," : "");
	if (fabs(r->step_m) > 0.1)
		appendStringInfo(b, "%s\"step_at_pad\"", flags++ ? "," : "");
	if (r->open_sections > 0)
		appendStringInfo(b, "%s\"side_slope_open\"", flags++ ? "," : "");
	appendStringInfoString(b, "],\"stationing\":[");
	for (int i = -1, k = 0; next_station(l, r, &i, &due); k++)
	{
		const AjStation *st = &r->st[i];
		double		lon,
					lat;

		aj_local_lonlat(m, st->x, st->y, &lon, &lat);
		appendStringInfoString(b, k ? ",{" : "{");
		put(b, "station_m", st->s, 2);
		put(b, "x", lon, 7);
		put(b, "y", lat, 7);
		put(b, "elevation_m", st->height_m, 3);
		put(b, "ground_m", st->ground_m, 3);
		put(b, "grade_pct", grade_pct(r, i), 3);
		put(b, "cut_m2", st->cut_m2, 3);
		put(b, "fill_m2", st->fill_m2, 3);
		appendStringInfoChar(b, '}');
	}
	appendStringInfoChar(b, ']');
}

char *
aj_layout_roads(const AjGroundModel *m, const AjLayout *l)
{
	AjGeoJson	gj;

	aj_geojson_begin(&gj);
	for (int i = 0; i < l->nroads; i++)
	{
		const AjRoad *r = &l->roads[i];
		double	   *lon = palloc(r->npoints * sizeof(double));
		double	   *lat = palloc(r->npoints * sizeof(double));
		StringInfoData b;

		for (int k = 0; k < r->npoints; k++)
			aj_local_lonlat(m, r->px[k], r->py[k], &lon[k], &lat[k]);
		initStringInfo(&b);
		road_properties(&b, m, l, i);
		aj_geojson_line(&gj, b.data, r->npoints, lon, lat);
		pfree(b.data);
		pfree(lon);
		pfree(lat);
	}
	return aj_geojson_end(&gj);
}

char *
aj_layout_stations_csv(const AjGroundModel *m, const AjLayout *l)
{
	StringInfoData b;

	initStringInfo(&b);
	appendStringInfoString(&b, "road_id,station_m,longitude,latitude,ground_m,elevation_m,grade_pct,cut_m2,fill_m2\n");
	for (int n = 0; n < l->nroads; n++)
	{
		const AjRoad *r = &l->roads[n];
		double		due = 0;

		for (int i = -1; next_station(l, r, &i, &due);)
		{
			const AjStation *st = &r->st[i];
			double		lon,
						lat;

			aj_local_lonlat(m, st->x, st->y, &lon, &lat);
			appendStringInfo(&b, "%d,%.2f,%.7f,%.7f,%.3f,%.3f,%.3f,%.3f,%.3f\n",
							 n + 1, st->s, lon, lat, st->ground_m, st->height_m,
							 grade_pct(r, i), st->cut_m2, st->fill_m2);
		}
	}
	return b.data;
}

char *
aj_layout_earthwork_csv(const AjLayout *l)
{
	StringInfoData b;

	initStringInfo(&b);
	appendStringInfoString(&b, "item,id,elevation_m,length_m,cut_m3,fill_m3,cut_loose_m3,fill_needs_cut_m3\n");
	for (int i = 0; i < l->nassets; i++)
	{
		const AjPlaced *a = &l->assets[i];

		appendStringInfo(&b, "pad,%d,%.3f,%.2f,%.2f,%.2f,%.2f,%.2f\n", i + 1,
						 a->pad_m, l->p->types[a->kind].pad_m, a->cut_m3,
						 a->fill_m3, a->cut_m3 * l->p->swell,
						 a->fill_m3 / l->p->shrink);
	}
	for (int i = 0; i < l->nroads; i++)
	{
		const AjRoad *r = &l->roads[i];

		appendStringInfo(&b, "road,%d,,%.2f,%.2f,%.2f,%.2f,%.2f\n", i + 1,
						 r->length_m, r->cut_m3, r->fill_m3,
						 r->cut_m3 * l->p->swell, r->fill_m3 / l->p->shrink);
	}
	return b.data;
}
