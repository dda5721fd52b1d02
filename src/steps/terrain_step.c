/*-------------------------------------------------------------------------
 *
 * terrain_step.c
 *		The step that analyses the ground of a site.
 *
 * From the grid of the site (site_grid.c) it takes the figures of the ground
 * within the boundary, what of it can be built on and which reason takes how
 * much of the rest.  All figures are sums over the cells whose centres lie
 * within the boundary, in ground metres.
 *
 * A grid too large to be held goes by in bands (terrain_stream.c): its figures
 * are the same, its outlines, contours and maps are those of an overview.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "report_svg.h"
#include "terrain_detail.h"

#include <math.h>

#include "utils/memutils.h"

#include "../kernels/mask.h"
#include "../kernels/terrain.h"

PG_FUNCTION_INFO_V1(aj_step_terrain);
PG_FUNCTION_INFO_V1(aj_check_terrain);

static const char *const terrain_params[] = {
	AJ_SITE_GRID_PARAMS, AJ_TERRAIN_DETAIL_PARAMS, NULL
};

/* For wind turbines; a layout's setback is the rotor radius instead. */
static const AjSiteGridDefaults terrain_defaults = {
	.max_slope_deg = 15,.boundary_setback_m = 5,
	.extra_bytes = AJ_TERRAIN_DETAIL_BYTES
};

const double aj_slope_class[AJ_SLOPE_CLASSES + 1] = {
	0, 3, 5, 8, 10, 15, 25, INFINITY
};

static const char *const octants[8] = {
	"N", "NE", "E", "SE", "S", "SW", "W", "NW"
};

/* ---- figures ---- */

AjkError
aj_terrain_add(const AjSiteGrid *g, Size from, Size cells, const float *rough,
			   AjTerrainFigures *f)
{
	if (f->elevated == 0)
	{
		f->elev_min = INFINITY;
		f->elev_max = -INFINITY;
	}
	for (Size i = from; i < from + cells; i++)
	{
		if (i % 262144 == 0 && aj_poll(NULL, 0))
			return AJK_STOPPED;
		if (g->reasons[i] & AJ_REASON_OUTSIDE)
			continue;
		f->inside++;
		if (!isnan(g->elev[i]))
		{
			f->elevated++;
			f->elev_min = Min(f->elev_min, g->elev[i]);
			f->elev_max = Max(f->elev_max, g->elev[i]);
			f->elev_sum += g->elev[i];
		}
		if (!isnan(rough[i]))
		{
			f->rough++;
			f->rough_max = Max(f->rough_max, rough[i]);
			f->rough_sum += rough[i];
		}
		if (isnan(g->slope[i]))
			continue;
		f->known++;
		f->slope_max = Max(f->slope_max, g->slope[i]);
		f->slope_sum += g->slope[i];
		for (int c = 0; c < AJ_SLOPE_CLASSES; c++)
			if (g->slope[i] < aj_slope_class[c + 1])
			{
				f->slopes[c]++;
				break;
			}
		if (isnan(g->aspect[i]))
			f->flat++;
		else
			f->aspects[(int) floor(g->aspect[i] / 45.0 + 0.5) % 8]++;
	}
	return AJK_OK;
}

/* Largest circle that no excluded cell reaches into. */
static AjkError
find_clearing(const AjSiteGrid *g, float *work, AjTerrainFigures *f, AjPoll *poll)
{
	Size		n = (Size) g->ncols * g->nrows;
	AjkError	err = ajk_edt(g->reasons, 0xFFFFFFFF, g->ncols, g->nrows, work,
							  aj_poll, poll);

	if (err == AJK_OK)
		for (Size i = 0; i < n; i++)
			if (!isinf(work[i]) && work[i] > f->clear_cells)
			{
				f->clear_cells = work[i];
				f->clear_at = i;
			}
	return err;
}

/* work is a float per cell */
static void
compute(const AjSiteGrid *g, float *work, AjTerrainFigures *f)
{
	AjPoll		poll = {0.4, 0.48, "computing roughness"};
	AjkError	err;

	aj_compute_begin();
	err = ajk_relief(g->elev, g->ncols, g->nrows, AJK_ROUGHNESS, work,
					 aj_poll, &poll);
	if (err == AJK_OK)
		err = aj_terrain_add(g, 0, (Size) g->ncols * g->nrows, work, f);
	poll = (AjPoll)
	{
		0.48, 0.55, "measuring distances"
	};
	if (err == AJK_OK)
		err = find_clearing(g, work, f, &poll);
	aj_compute_end();
	aj_kernel_check(err);
}

/* ---- outlines ---- */

static char *
compartment_properties(const AjTerrainDetail *d, int patch)
{
	const AjCompartment *c = &d->compartments[patch];
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, ",\"compartment\":%d,\"slope_mean_deg\":",
					 patch + 1);
	aj_json_number(&buf, c->slope_sum / c->cells, 3);
	appendStringInfoString(&buf, ",\"suitability_mean\":");
	aj_json_number(&buf, c->suitability_sum / c->cells, 4);
	return buf.data;
}

/*
 * The cells that match, as one polygon feature per patch; detail, if not
 * NULL, says more of each patch.
 */
static void
outline_features(const AjSiteGrid *g, AjGeoJson *gj, uint32 mask,
				 uint32 value, const char *properties,
				 const AjTerrainDetail *detail)
{
	AjkOutline	o;
	AjkError	err;
	double		cell_area = g->cell_m * g->cell_m / (g->k * g->k);

	err = ajk_outline(g->reasons, mask, value, false, g->ncols, g->nrows, &o,
					  aj_poll, NULL);
	aj_kernel_check(err);
	PG_TRY();
	{
		for (int first = 0, end; first < o.nrings; first = end)
		{
			int			nrings;
			int		   *n;
			double	  **lon,
					  **lat;
			double		area = 0;

			for (end = first; end < o.nrings && o.patch[end] == o.patch[first];)
				end++;
			nrings = end - first;
			n = palloc(nrings * sizeof(int));
			lon = palloc(nrings * sizeof(double *));
			lat = palloc(nrings * sizeof(double *));
			for (int r = 0; r < nrings; r++)
			{
				int			start = o.start[first + r];

				n[r] = o.start[first + r + 1] - start;
				lon[r] = palloc(n[r] * sizeof(double));
				lat[r] = palloc(n[r] * sizeof(double));
				for (int i = 0; i < n[r]; i++)
				{
					int			j = start + (i + 1 < n[r] ? i + 1 : 0);

					aj_site_lonlat(g, g->x0 + o.col[start + i] * g->cell_m,
								   g->y0 - o.row[start + i] * g->cell_m,
								   &lon[r][i], &lat[r][i]);
					area -= 0.5 * ((double) o.col[start + i] * o.row[j]
								   - (double) o.col[j] * o.row[start + i]);
				}
			}
			aj_geojson_polygon(gj,
							   psprintf("%s,\"area_m2\":%.1f%s", properties,
										area * cell_area,
										detail ? compartment_properties(detail, o.patch[first]) : ""),
							   nrings, n, (const double *const *) lon,
							   (const double *const *) lat);
			for (int r = 0; r < nrings; r++)
			{
				pfree(lon[r]);
				pfree(lat[r]);
			}
			pfree(n);
			pfree(lon);
			pfree(lat);
			CHECK_FOR_INTERRUPTS();
		}
	}
	PG_FINALLY();
	{
		ajk_outline_free(&o);
	}
	PG_END_TRY();
}

static char *
buildable_geojson(const AjSiteGrid *g, const AjTerrainDetail *detail)
{
	AjGeoJson	gj;

	aj_geojson_begin(&gj);
	outline_features(g, &gj, 0xFFFFFFFF, 0,
					 "\"feature_type\":\"buildable_area\"", detail);
	return aj_geojson_end(&gj);
}

/* A zone as it was given. */
static void
zone_feature(const AjSiteGrid *g, AjGeoJson *gj, const AjZone *zone)
{
	StringInfoData props;

	initStringInfo(&props);
	appendStringInfoString(&props, "\"feature_type\":\"exclusion\",\"zone_type\":");
	aj_json_string(&props, zone->zone_type);
	if (zone->name)
	{
		appendStringInfoString(&props, ",\"name\":");
		aj_json_string(&props, zone->name);
	}
	appendStringInfoString(&props, ",\"buffer_m\":");
	aj_json_number(&props, zone->buffer_m, 3);
	if (zone->cost_multiplier < AJ_HARD_ZONE)
	{
		appendStringInfoString(&props, ",\"cost_multiplier\":");
		aj_json_number(&props, zone->cost_multiplier, 4);
	}

	for (int i = 0, end; i < zone->npaths; i = end)
	{
		AjPath	   *p = &zone->paths[i];

		end = i + 1;
		if (zone->shape == AJ_SHAPE_POINT)
			aj_geojson_point(gj, props.data, p->lon[0], p->lat[0]);
		else if (zone->shape == AJ_SHAPE_LINE)
			aj_geojson_line(gj, props.data, p->n, p->lon, p->lat);
		else
		{
			int		   *n;
			const double **lon,
					  **lat;

			while (end < zone->npaths && zone->paths[end].part == p->part)
				end++;
			n = palloc((end - i) * sizeof(int));
			lon = palloc((end - i) * sizeof(double *));
			lat = palloc((end - i) * sizeof(double *));
			for (int r = i; r < end; r++)
			{
				n[r - i] = zone->paths[r].n;
				lon[r - i] = zone->paths[r].lon;
				lat[r - i] = zone->paths[r].lat;
			}
			aj_geojson_polygon(gj, props.data, end - i, n, lon, lat);
		}
	}
}

/*
 * The zones as given, then for each reason the outline of the cells within
 * the boundary that it takes.
 */
static char *
exclusions_geojson(const AjSiteGrid *g)
{
	AjGeoJson	gj;

	aj_geojson_begin(&gj);
	for (int z = 0; z < g->nzone; z++)
		zone_feature(g, &gj, &g->site->zones[z]);
	for (int b = 0; b < AJ_REASON_ZONE_SHIFT + g->nzone_types; b++)
	{
		uint32		bit = 1u << b;
		StringInfoData props;

		if (bit == AJ_REASON_OUTSIDE)
			continue;
		initStringInfo(&props);
		appendStringInfoString(&props, "\"feature_type\":\"excluded_area\",\"reason\":");
		aj_json_string(&props, aj_reason_name(g, bit));
		outline_features(g, &gj, bit | AJ_REASON_OUTSIDE, bit, props.data,
						 NULL);
	}
	return aj_geojson_end(&gj);
}

/* ---- the result ---- */

static void
put(StringInfo buf, const char *key, double value, int decimals)
{
	if (buf->data[buf->len - 1] != '{')
		appendStringInfoChar(buf, ',');
	appendStringInfo(buf, "\"%s\":", key);
	aj_json_number(buf, value, decimals);
}

static double
mean(double sum, Size n)
{
	return n > 0 ? sum / n : NAN;
}

static void
put_classes(StringInfo buf, const AjSiteGrid *g, const AjTerrainFigures *f)
{
	double		cell = g->cell_m * g->cell_m / (g->k * g->k);

	appendStringInfoString(buf, ",\"slope_histogram\":[");
	for (int c = 0; c < AJ_SLOPE_CLASSES; c++)
	{
		appendStringInfoString(buf, c ? ",{" : "{");
		put(buf, "from_deg", aj_slope_class[c], 0);
		put(buf, "to_deg", isinf(aj_slope_class[c + 1]) ? 90 : aj_slope_class[c + 1], 0);
		put(buf, "area_m2", f->slopes[c] * cell, 1);
		put(buf, "share", mean(f->slopes[c], f->known), 6);
		appendStringInfoChar(buf, '}');
	}
	appendStringInfoString(buf, "],\"aspect_octants\":[");
	for (int o = 0; o < 8; o++)
	{
		appendStringInfo(buf, "%s{\"octant\":\"%s\"", o ? "," : "", octants[o]);
		put(buf, "area_m2", f->aspects[o] * cell, 1);
		put(buf, "share", mean(f->aspects[o], f->known), 6);
		appendStringInfoChar(buf, '}');
	}
	appendStringInfoChar(buf, ']');
	put(buf, "flat_area_m2", f->flat * cell, 1);

	appendStringInfoString(buf, ",\"area_lost\":[");
	for (int b = 0, n = 0; b < AJ_REASON_ZONE_SHIFT + g->nzone_types; b++)
	{
		uint32		bit = 1u << b;
		double		area,
					alone;

		if (bit == AJ_REASON_OUTSIDE ||
			(b > 4 && b < AJ_REASON_ZONE_SHIFT))
			continue;
		aj_area_lost(g, bit, &area, &alone);
		appendStringInfo(buf, "%s{\"reason\":", n++ ? "," : "");
		aj_json_string(buf, aj_reason_name(g, bit));
		put(buf, "area_m2", area, 1);
		put(buf, "only_this_reason_m2", alone, 1);
		appendStringInfoChar(buf, '}');
	}
	appendStringInfoChar(buf, ']');
}

static char *
metrics_json(const AjSiteGrid *g, const AjTerrainFigures *f,
			 const AjTerrainDetail *detail, const AjSiteBands *bands)
{
	StringInfoData buf;
	double		cell = g->cell_m * g->cell_m / (g->k * g->k);
	double		lon,
				lat;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "{\"site\":");
	aj_json_string(&buf, g->site->name);
	appendStringInfoString(&buf, ",\"dem\":");
	aj_json_string(&buf, g->dem_name);
	put(&buf, "site_area_m2", g->site_area_m2, 1);
	put(&buf, "buildable_area_m2", g->buildable_area_m2, 1);
	put(&buf, "buildable_share", g->buildable_area_m2 / (f->inside * cell), 6);
	appendStringInfoString(&buf, ",\"elevation_m\":{");
	put(&buf, "min", f->elevated ? f->elev_min : NAN, 3);
	put(&buf, "max", f->elevated ? f->elev_max : NAN, 3);
	put(&buf, "mean", mean(f->elev_sum, f->elevated), 3);
	appendStringInfoString(&buf, "},\"slope_deg\":{");
	put(&buf, "mean", mean(f->slope_sum, f->known), 5);
	put(&buf, "max", f->known ? f->slope_max : NAN, 5);
	appendStringInfoString(&buf, "},\"roughness_m\":{");
	put(&buf, "mean", mean(f->rough_sum, f->rough), 4);
	put(&buf, "max", f->rough ? f->rough_max : NAN, 4);
	appendStringInfoChar(&buf, '}');
	put_classes(&buf, g, f);
	aj_terrain_detail_json(&buf, g, detail);
	if (f->clear_cells > 0)
	{
		aj_site_lonlat(g, g->x0 + (f->clear_at % g->ncols + 0.5) * g->cell_m,
					   g->y0 - (f->clear_at / g->ncols + 0.5) * g->cell_m,
					   &lon, &lat);
		appendStringInfoString(&buf, ",\"largest_clearing\":{");
		put(&buf, "radius_m", (f->clear_cells - 0.5) * g->cell_m / g->k, 1);
		put(&buf, "longitude", lon, 7);
		put(&buf, "latitude", lat, 7);
		appendStringInfoChar(&buf, '}');
	}
	appendStringInfoString(&buf, ",\"grid\":{");
	put(&buf, "epsg", (g->south ? 32700 : 32600) + g->zone, 0);
	put(&buf, "ncols", g->ncols, 0);
	put(&buf, "nrows", g->nrows, 0);
	put(&buf, "resolution_m", g->cell_m, 3);
	put(&buf, "west_m", g->x0, 3);
	put(&buf, "north_m", g->y0, 3);
	put(&buf, "scale_factor", g->k, 8);
	put(&buf, "dem_cell_m", g->dem_cell_m, 3);
	if (bands)
	{
		appendStringInfoString(&buf, "},\"streamed\":{");
		put(&buf, "bands", bands->bands, 0);
		put(&buf, "band_rows", bands->most_rows, 0);
		put(&buf, "memory_mb", ceil(bands->bytes / 1048576), 0);
		put(&buf, "overview_resolution_m", bands->overview_cell_m, 3);
	}
	appendStringInfoString(&buf, "},\"parameters\":{");
	put(&buf, "max_slope_deg", g->max_slope_deg, 3);
	put(&buf, "boundary_setback_m", g->boundary_setback_m, 3);
	put(&buf, "min_patch_m2", g->min_patch_m2, 1);
	appendStringInfo(&buf, ",\"slope_method\":\"%s\"}}",
					 g->slope_method == AJK_SLOPE_HORN ? "horn" :
					 "zevenbergen_thorne");
	return buf.data;
}

/* Outlines, maps and report: of grid, drawn on map, which may be coarser */
static void
store(JsonbContainer *params, AjSiteGrid *grid, AjSiteGrid *map,
	  const AjTerrainDetail *detail, const char *metrics)
{
	char	   *zones;
	char	   *buildable;
	void	   *png;
	void	   *slope;
	Size		slope_len;
	Size		len;

	aj_progress(0.75, "drawing outlines");
	zones = exclusions_geojson(map);
	aj_progress(0.85, "drawing outlines");
	buildable = buildable_geojson(map, map == grid ? detail : NULL);

	aj_progress(0.9, "storing results");
	aj_artifact("terrain_metrics", "wind_farm_terrain_analysis",
				"application/json", metrics, strlen(metrics));
	aj_artifact("exclusion_zones", "exclusion_zones", "application/geo+json",
				zones, strlen(zones));
	aj_artifact("buildable_area", "buildable_area", "application/geo+json",
				buildable, strlen(buildable));
	if (detail->contour_interval_m > 0)
		aj_artifact("contours", "contours", "application/geo+json",
					detail->contours, strlen(detail->contours));
	aj_progress(0.93, "drawing maps");
	png = aj_site_hillshade_png(map, true, &len);
	aj_site_map_artifact(map, "hillshade", "terrain_map", png, len);
	pfree(png);
	slope = aj_site_values_png(map, map->slope, 0, 30, AJ_PALETTE_SLOPE, &slope_len);
	aj_site_map_artifact(map, "slope", "slope_map", slope, slope_len);
	png = aj_site_values_png(map, detail->suitability, 0, 1,
							 AJ_PALETTE_SUITABILITY, &len);
	aj_site_map_artifact(map, "suitability", "suitability_map", png, len);
	aj_terrain_report(params, grid, map, metrics, slope, slope_len, png, len);
}

/* A grid that can be held */
static char *
analyse(JsonbContainer *params)
{
	AjTerrainFigures f = {0};
	AjSiteGrid *g = aj_site_grid_load(params, &terrain_defaults, 0.0, 0.4);
	float	   *work = MemoryContextAllocHuge(CurrentMemoryContext,
											  (Size) g->ncols * g->nrows * sizeof(float));
	AjTerrainDetail *detail;
	char	   *metrics;

	compute(g, work, &f);
	detail = aj_terrain_detail(g, params, work, 0.55, 0.75);
	pfree(work);
	metrics = metrics_json(g, &f, detail, NULL);
	store(params, g, g, detail, metrics);
	return metrics;
}

/* One that cannot: figures of all of its cells, drawings of an overview */
static char *
analyse_in_bands(JsonbContainer *params)
{
	AjTerrainFigures f = {0};
	AjSiteBands *bands = aj_site_bands(params, &terrain_defaults);
	AjSiteGridDefaults coarse = terrain_defaults;
	AjSiteGrid *overview;
	AjTerrainDetail *detail;
	char	   *metrics;

	coarse.force_cell_m = bands->overview_cell_m;
	overview = aj_site_grid_load(params, &coarse, 0.0, 0.1);
	detail = aj_terrain_stream(bands, params, overview, &f, 0.1, 0.7);
	aj_terrain_contours(overview, params, detail, 0.7, 0.75);
	metrics = metrics_json(bands->grid, &f, detail, bands);
	store(params, bands->grid, overview, detail, metrics);
	return metrics;
}

/*
 * step_terrain(input jsonb) returns jsonb
 */
Datum
aj_step_terrain(PG_FUNCTION_ARGS)
{
	Jsonb	   *arg = PG_GETARG_JSONB_P_COPY(0);
	AjStepInput in;

	aj_step_input(arg, &in);
	aj_terrain_detail_check(in.params);
	if (aj_site_grid_fits(in.params, &terrain_defaults))
		PG_RETURN_JSONB_P(aj_jsonb_from_text(analyse(in.params)));
	PG_RETURN_JSONB_P(aj_jsonb_from_text(analyse_in_bands(in.params)));
}

/*
 * check_terrain(params jsonb) returns void
 */
Datum
aj_check_terrain(PG_FUNCTION_ARGS)
{
	Jsonb	   *arg = PG_GETARG_JSONB_P(0);
	AjStepInput in;

	aj_step_input(arg, &in);
	aj_check_params(in.params, terrain_params);
	aj_terrain_detail_check(in.params);
	(void) aj_site_grid_fits(in.params, &terrain_defaults);
	PG_RETURN_VOID();
}
