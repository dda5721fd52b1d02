/*-------------------------------------------------------------------------
 *
 * site_input.c
 *		Sites: from GeoJSON to checked rings and zones.
 *
 * Read is GeoJSON as RFC 7946 has it, in four shapes: a Polygon or
 * MultiPolygon geometry, a Feature of one, or a FeatureCollection.  In a
 * collection the property feature_type says what a feature is:
 *		site_boundary	the boundary (a single Polygon needs no feature_type)
 *		exclusion		not to be built on, nor within buffer_m of it
 *		entry_point		where the road meets the site
 * Holes of the boundary are no part of the site.
 *
 * An exclusion with a cost_multiplier below 100 excludes nothing: roads pay
 * that much more (or less) within it and its buffer, and assets avoid it.
 *
 * The usual buffers by kind of feature stand in default_buffers; they apply
 * where a feature has no buffer_m of its own.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "inputs.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "../kernels/geodesy.h"
#include "../kernels/geometry.h"

#define MAX_POINTS		200000
#define MAX_ZONES		10000
#define MAX_BUFFER_M	50000.0
#define CIRCLE_POINTS	64

PG_FUNCTION_INFO_V1(aj_check_site);

static const struct
{
	const char *zone_type;
	double		buffer_m;
}			default_buffers[] =

{
	{"environmental", 0}, {"regulatory", 0}, {"infrastructure", 10},
	{"safety", 25}, {"custom", 0},
	{"building", 200}, {"residential", 300}, {"commercial", 300},
	{"industrial", 300}, {"water", 100}, {"forest", 50}, {"motorway", 150},
	{"trunk", 150}, {"primary", 100}, {"secondary", 100}, {"road", 50},
	{"railway", 100}, {"power", 250}, {"power_line", 250}, {"amenity", 150},
	{"leisure", 100}, {"man_made", 100}, {"natural", 50}
};

/* What is being parsed, and what for: names things in messages. */
typedef struct Parse
{
	AjSite	   *site;
	int			feature;		/* from 1; 0 if not in a collection */
	const char *role;			/* "boundary" or "exclusion" */
	const char *code;			/* of an error in it */
	int			npoints;
	int			maxrings;
	int			maxzones;
} Parse;

static AJ_NORETURN void
refuse(Parse *p, const char *what)
{
	char	   *where = p->feature == 0 ? pstrdup(p->role) :
	strcmp(p->role, "feature") == 0 ? psprintf("feature %d", p->feature) :
	psprintf("feature %d (%s)", p->feature, p->role);

	aj_step_error(AJ_ERRCODE_VALIDATION, p->code,
				  psprintf("%s is invalid: %s", where, what), NULL,
				  "Give GeoJSON as of RFC 7946: rings of at least four positions [longitude, latitude], closed.");
}

/* ---- positions ---- */

static void
check_lonlat(double lon, double lat)
{
	if (lon >= -180.0 && lon <= 180.0 && lat >= -90.0 && lat <= 90.0)
		return;
	aj_step_error(AJ_ERRCODE_VALIDATION, "coordinates_out_of_range",
				  psprintf("coordinates are out of range: %.10g, %.10g",
						   lon, lat),
				  fabs(lat) <= 180.0 && fabs(lon) <= 90.0 ?
				  "Longitude and latitude seem to be swapped." :
				  fabs(lon) > 1000.0 || fabs(lat) > 1000.0 ?
				  "These seem to be metres of a projected grid, not degrees." :
				  NULL,
				  "Give longitude -180..180 and latitude -90..90, longitude first.");
}

static void
read_position(Parse *p, JsonbContainer *c, double *lon, double *lat)
{
	double		v[2];

	if (!JsonContainerIsArray(c) || JsonContainerSize(c) < 2)
		refuse(p, "a position is not [longitude, latitude]");
	for (int i = 0; i < 2; i++)
	{
		JsonbValue *e = getIthJsonbValueFromContainer(c, i);

		if (e->type != jbvNumeric)
			refuse(p, "a position is not [longitude, latitude]");
		v[i] = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
												  NumericGetDatum(e->val.numeric)));
		pfree(e);
	}
	check_lonlat(v[0], v[1]);
	*lon = v[0];
	*lat = v[1];
	if (++p->npoints > MAX_POINTS)
		aj_step_error(AJ_ERRCODE_VALIDATION, p->code,
					  psprintf("site has more than %d positions", MAX_POINTS),
					  NULL,
					  "Simplify its outlines (QGIS: Simplify; PostGIS: ST_SimplifyPreserveTopology).");
}

static JsonbContainer *
element(Parse *p, JsonbContainer *array, int i)
{
	JsonbValue *e = getIthJsonbValueFromContainer(array, i);

	if (e == NULL || e->type != jbvBinary)
		refuse(p, "coordinates are not nested as the geometry's type requires");
	return e->val.binary.data;
}

/*
 * A list of positions.  Repeated ones are dropped, and of a ring the last,
 * which repeats the first.
 */
static void
read_path(Parse *p, JsonbContainer *c, bool ring, AjPath *path)
{
	int			n;
	int			kept = 0;

	if (!JsonContainerIsArray(c))
		refuse(p, "coordinates are not nested as the geometry's type requires");
	n = JsonContainerSize(c);
	if (n > MAX_POINTS)
		n = MAX_POINTS + 1;		/* read_position() refuses the last */
	memset(path, 0, sizeof(*path));
	path->lon = palloc(Max(n, 1) * sizeof(double));
	path->lat = palloc(Max(n, 1) * sizeof(double));
	for (int i = 0; i < n; i++)
	{
		double		lon,
					lat;

		read_position(p, element(p, c, i), &lon, &lat);
		if (kept > 0 && lon == path->lon[kept - 1] && lat == path->lat[kept - 1])
			continue;
		path->lon[kept] = lon;
		path->lat[kept] = lat;
		kept++;
	}
	if (ring && kept > 1 && path->lon[0] == path->lon[kept - 1] &&
		path->lat[0] == path->lat[kept - 1])
		kept--;
	path->n = kept;
	if (kept < (ring ? 3 : 1))
		refuse(p, ring ? "a ring has fewer than four positions" :
			   "a line has no position");
}

/* ---- geometries ---- */

/* Rings of a Polygon, appended to what is there. */
static void
read_polygon(Parse *p, JsonbContainer *c, int part, int *n, AjPath **paths)
{
	int			nrings;

	if (!JsonContainerIsArray(c) || (nrings = JsonContainerSize(c)) == 0)
		refuse(p, "a polygon has no ring");
	*paths = *paths ? repalloc(*paths, (*n + nrings) * sizeof(AjPath)) :
		palloc(nrings * sizeof(AjPath));
	for (int r = 0; r < nrings; r++)
	{
		AjPath	   *path = &(*paths)[(*n)++];

		read_path(p, element(p, c, r), true, path);
		path->hole = r > 0;
		path->part = part;
	}
}

static AjkPath *
lonlat_paths(int n, const AjPath *paths)
{
	AjkPath    *out = palloc(n * sizeof(AjkPath));

	for (int i = 0; i < n; i++)
		out[i] = (AjkPath)
	{
		paths[i].n, paths[i].lon, paths[i].lat
	};
	return out;
}

/* Does a ring lie within another?  They may touch in points. */
static bool
ring_within(const AjkPath *ring, const AjkPath *other)
{
	for (int i = 0; i < ring->n; i++)
		if (ajk_path_dist(other, true, ring->x[i], ring->y[i]) > 0.0)
			return ajk_in_rings(other, 1, ring->x[i], ring->y[i]);

	/* every corner on the other: the middle of an edge is not */
	return ajk_in_rings(other, 1, (ring->x[0] + ring->x[1]) / 2,
						(ring->y[0] + ring->y[1]) / 2);
}

/* Rings must not cross themselves or each other. */
static void
check_rings(Parse *p, int n, const AjPath *paths)
{
	AjkPath    *rings = lonlat_paths(n, paths);
	AjkRingFault fault;
	int			ring;
	double		x,
				y;

	switch (ajk_rings_check(rings, n, &fault, &ring, &x, &y))
	{
		case AJK_OK:
			break;
		case AJK_NOMEM:
			ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY),
							errmsg("out of memory")));
			break;
		default:
			if (fault == AJK_RING_CROSSES)
				aj_step_error(AJ_ERRCODE_VALIDATION, p->code,
							  psprintf("%s is invalid: ring %d crosses itself or another ring",
									   p->role, ring + 1),
							  psprintf("Ring %d crosses near (%.7f, %.7f).",
									   ring + 1, x, y),
							  "Repair it (QGIS: Fix geometries; PostGIS: ST_MakeValid) and submit again.");
			refuse(p, psprintf("ring %d encloses no area near (%.7f, %.7f)",
							   ring + 1, x, y));
	}

	/*
	 * By the even-odd rule a ring is a hole if an odd number of the others
	 * lie around it; the nesting given must say the same.
	 */
	for (int i = 0; i < n; i++)
	{
		bool		inside = false;

		for (int j = 0; j < n; j++)
			if (j != i && ring_within(&rings[i], &rings[j]))
				inside = !inside;
		if (inside != paths[i].hole)
			refuse(p, psprintf(paths[i].hole ?
							   "ring %d is a hole but lies outside of its polygon" :
							   "ring %d lies inside of another polygon",
							   i + 1));
	}
	for (int i = 0; i < n; i++)
	{
		double		w = 180,
					e = -180;

		for (int j = 0; j < paths[i].n; j++)
		{
			w = Min(w, paths[i].lon[j]);
			e = Max(e, paths[i].lon[j]);
		}
		if (e - w > 90.0)
			refuse(p, "a ring spans more than 90 degrees; split it at the 180th meridian if it crosses that");
	}
}

/* Geometry object into paths; the type decides the shape. */
static void
read_geometry(Parse *p, JsonbContainer *geometry, AjShape *shape, int *n,
			  AjPath **paths)
{
	char	   *type = aj_param_text(geometry, "type", "");
	JsonbContainer *c = aj_param_array(geometry, "coordinates");

	*n = 0;
	*paths = NULL;
	if (c == NULL)
		refuse(p, "the geometry has no coordinates");
	if (strcmp(type, "Polygon") == 0)
	{
		*shape = AJ_SHAPE_POLYGON;
		read_polygon(p, c, 0, n, paths);
	}
	else if (strcmp(type, "MultiPolygon") == 0)
	{
		*shape = AJ_SHAPE_POLYGON;
		for (int i = 0; i < (int) JsonContainerSize(c); i++)
			read_polygon(p, element(p, c, i), i, n, paths);
	}
	else if (strcmp(type, "LineString") == 0)
	{
		*shape = AJ_SHAPE_LINE;
		*paths = palloc(sizeof(AjPath));
		read_path(p, c, false, &(*paths)[(*n)++]);
	}
	else if (strcmp(type, "MultiLineString") == 0 &&
			 JsonContainerSize(c) > 0)
	{
		*shape = AJ_SHAPE_LINE;
		*paths = palloc(JsonContainerSize(c) * sizeof(AjPath));
		for (int i = 0; i < (int) JsonContainerSize(c); i++)
			read_path(p, element(p, c, i), false, &(*paths)[(*n)++]);
	}
	else if (strcmp(type, "Point") == 0 || strcmp(type, "MultiPoint") == 0)
	{
		bool		many = type[0] == 'M';
		int			count = many ? JsonContainerSize(c) : 1;

		*shape = AJ_SHAPE_POINT;
		*paths = palloc0(Max(count, 1) * sizeof(AjPath));
		for (int i = 0; i < count; i++)
		{
			AjPath	   *path = &(*paths)[(*n)++];

			path->n = 1;
			path->lon = palloc(sizeof(double));
			path->lat = palloc(sizeof(double));
			read_position(p, many ? element(p, c, i) : c, path->lon, path->lat);
		}
	}
	else
		refuse(p, psprintf("geometry type \"%s\" is not supported", type));
	if (*n == 0)
		refuse(p, "the geometry is empty");
}

/* ---- features ---- */

static void
add_boundary(Parse *p, JsonbContainer *geometry)
{
	AjSite	   *site = p->site;
	AjShape		shape;
	int			n;
	AjPath	   *paths;

	p->role = "boundary";
	p->code = "boundary_invalid";
	read_geometry(p, geometry, &shape, &n, &paths);
	if (shape != AJ_SHAPE_POLYGON)
		refuse(p, "it is not a Polygon or MultiPolygon");
	if (site->nrings > 0)
		refuse(p, "there is more than one boundary; make them one MultiPolygon");
	site->nrings = n;
	site->rings = paths;
	check_rings(p, n, paths);
}

static void
add_zone(Parse *p, JsonbContainer *geometry, JsonbContainer *properties)
{
	AjSite	   *site = p->site;
	AjZone	   *zone;
	double		dflt = 0;

	p->role = "exclusion";
	p->code = "zone_invalid";
	if (site->nzones == MAX_ZONES)
		refuse(p, psprintf("there are more than %d exclusions", MAX_ZONES));
	if (site->nzones == p->maxzones)
	{
		p->maxzones = p->maxzones ? p->maxzones * 2 : 16;
		site->zones = site->zones ?
			repalloc(site->zones, p->maxzones * sizeof(AjZone)) :
			palloc(p->maxzones * sizeof(AjZone));
	}
	zone = &site->zones[site->nzones++];
	memset(zone, 0, sizeof(*zone));
	zone->zone_type = aj_param_text(properties, "zone_type", "custom");
	if (zone->zone_type[0] == '\0' || strlen(zone->zone_type) > 40)
		refuse(p, "zone_type must have 1 to 40 characters");
	zone->name = aj_param_text(properties, "name", NULL);
	for (int i = 0; i < lengthof(default_buffers); i++)
		if (strcmp(zone->zone_type, default_buffers[i].zone_type) == 0)
			dflt = default_buffers[i].buffer_m;
	zone->buffer_m = aj_param_number(properties, "buffer_m", dflt, 0,
									 MAX_BUFFER_M);
	zone->cost_multiplier = aj_param_number(properties, "cost_multiplier",
											AJ_HARD_ZONE, 0.01, 1e6);
	read_geometry(p, geometry, &zone->shape, &zone->npaths, &zone->paths);
	if (zone->shape == AJ_SHAPE_POLYGON)
		check_rings(p, zone->npaths, zone->paths);
}

static void
add_feature(Parse *p, JsonbContainer *f)
{
	JsonbContainer *properties = aj_param_object(f, "properties");
	JsonbContainer *geometry = aj_param_object(f, "geometry");
	char	   *type;

	p->role = "feature";
	p->code = "boundary_invalid";
	if (geometry == NULL)
		refuse(p, "it has no geometry");
	type = aj_param_text(properties, "feature_type", "");
	if (strcmp(type, "exclusion") == 0 || strcmp(type, "exclusion_zone") == 0)
		add_zone(p, geometry, properties);
	else if (strcmp(type, "entry_point") == 0)
	{
		AjShape		shape;
		int			n;
		AjPath	   *paths;

		p->role = "entry_point";
		read_geometry(p, geometry, &shape, &n, &paths);
		if (shape != AJ_SHAPE_POINT || n != 1)
			refuse(p, "it is not a Point");
		p->site->has_entry = true;
		p->site->entry_lon = paths[0].lon[0];
		p->site->entry_lat = paths[0].lat[0];
	}
	else if (strcmp(type, "site_boundary") == 0 ||
			 strcmp(type, "boundary") == 0 || type[0] == '\0')
		add_boundary(p, geometry);
	else
		refuse(p, psprintf("feature_type \"%s\" is not one of site_boundary, exclusion, entry_point",
						   type));
}

AjSite *
aj_site_parse(JsonbContainer *geojson, const char *name)
{
	Parse		p = {0};
	char	   *type;

	p.site = palloc0(sizeof(AjSite));
	p.site->name = pstrdup(name);
	p.role = "site";
	p.code = "boundary_invalid";
	if (!JsonContainerIsObject(geojson))
		refuse(&p, "it is not a GeoJSON object");
	if (aj_param_exists(geojson, "crs"))
		aj_step_error(AJ_ERRCODE_VALIDATION, "crs_unsupported",
					  "GeoJSON has a crs member",
					  "RFC 7946 knows WGS 84 (EPSG:4326) only.",
					  "Transform to EPSG:4326 or install PostGIS, and leave the crs member out.");
	type = aj_param_text(geojson, "type", "");
	if (strcmp(type, "FeatureCollection") == 0)
	{
		JsonbContainer *features = aj_require_array(geojson, "features");

		for (int i = 0; i < (int) JsonContainerSize(features); i++)
		{
			p.feature = i + 1;
			p.role = "feature";
			add_feature(&p, element(&p, features, i));
		}
	}
	else if (strcmp(type, "Feature") == 0)
		add_feature(&p, geojson);
	else
		add_boundary(&p, geojson);

	if (p.site->nrings == 0)
		aj_step_error(AJ_ERRCODE_VALIDATION, "boundary_missing",
					  psprintf("site \"%s\" has no boundary", name), NULL,
					  "Give one Polygon feature with \"feature_type\": \"site_boundary\".");

	p.site->west = p.site->south = INFINITY;
	p.site->east = p.site->north = -INFINITY;
	for (int i = 0; i < p.site->nrings; i++)
		for (int j = 0; j < p.site->rings[i].n; j++)
		{
			p.site->west = Min(p.site->west, p.site->rings[i].lon[j]);
			p.site->east = Max(p.site->east, p.site->rings[i].lon[j]);
			p.site->south = Min(p.site->south, p.site->rings[i].lat[j]);
			p.site->north = Max(p.site->north, p.site->rings[i].lat[j]);
		}
	if (p.site->east - p.site->west > 90.0)
		aj_step_error(AJ_ERRCODE_VALIDATION, "coordinates_out_of_range",
					  p.site->west < -179 && p.site->east > 179 ?
					  "site crosses the 180th meridian" :
					  "site reaches over more than 90 degrees of longitude",
					  psprintf("It reaches from %.7g to %.7g degrees.",
							   p.site->west, p.site->east),
					  "Load the parts on either side as two sites.");
	if (p.site->south < -80.0 || p.site->north > 84.0)
		aj_step_error(AJ_ERRCODE_VALIDATION, "coordinates_out_of_range",
					  psprintf("latitude is out of range: %.7g",
							   p.site->south < -80.0 ? p.site->south :
							   p.site->north),
					  "UTM grids reach from 80 degrees south to 84 north.",
					  "Give longitude -180..180 and latitude -80..84, longitude first.");
	return p.site;
}

/* ---- the site a step works on ---- */

static AjSite *
circle_site(JsonbContainer *c)
{
	double		lon = aj_require_number(c, "longitude", -180, 180);
	double		lat = aj_require_number(c, "latitude", -80, 84);
	double		radius = 1000 * aj_param_number(c, "radius_km", 5, 0.1, 100);
	AjkTm		tm = ajk_tm_local(lon, lat);
	AjSite	   *site = palloc0(sizeof(AjSite));
	AjPath	   *ring = palloc0(sizeof(AjPath));

	site->name = psprintf("%.7g, %.7g, %.4g km", lon, lat, radius / 1000);
	site->nrings = 1;
	site->rings = ring;
	ring->n = CIRCLE_POINTS;
	ring->lon = palloc(CIRCLE_POINTS * sizeof(double));
	ring->lat = palloc(CIRCLE_POINTS * sizeof(double));
	site->west = site->south = INFINITY;
	site->east = site->north = -INFINITY;
	for (int i = 0; i < CIRCLE_POINTS; i++)
	{
		double		a = 2 * AJK_PI * i / CIRCLE_POINTS;

		ajk_tm_inverse(&tm, radius * cos(a), radius * sin(a), &ring->lon[i],
					   &ring->lat[i]);
		site->west = Min(site->west, ring->lon[i]);
		site->east = Max(site->east, ring->lon[i]);
		site->south = Min(site->south, ring->lat[i]);
		site->north = Max(site->north, ring->lat[i]);
	}
	if (site->east - site->west > 90.0)
		aj_step_error(AJ_ERRCODE_VALIDATION, "coordinates_out_of_range",
					  "site crosses the 180th meridian", NULL,
					  "Choose a smaller radius_km or two sites.");
	return site;
}

/* Names of a table's rows visible to the caller, for a hint. */
static char *
loaded_names(const char *table)
{
	StringInfoData list;
	int			ret;

	initStringInfo(&list);
	ret = SPI_execute(psprintf("SELECT DISTINCT name FROM asyncjob.%s"
							   " WHERE owner OPERATOR(pg_catalog.=) current_user"
							   " OR owner IS NULL ORDER BY name LIMIT 10", table),
					  true, 0);
	if (ret != SPI_OK_SELECT)
		elog(ERROR, "reading asyncjob.%s failed: %s", table,
			 SPI_result_code_string(ret));
	for (uint64 i = 0; i < SPI_processed; i++)
		appendStringInfo(&list, "%s%s", i ? ", " : "",
						 SPI_getvalue(SPI_tuptable->vals[i],
									  SPI_tuptable->tupdesc, 1));
	return list.data;
}

Jsonb *
aj_input_row(const char *table, const char *expression, const char *name,
			 char **names)
{
	Jsonb	   *volatile result = NULL;

	*names = NULL;
	aj_read_begin();
	{
		Oid			types[1] = {TEXTOID};
		Datum		values[1];
		int			ret;
		bool		isnull;

		values[0] = CStringGetTextDatum(name);
		ret = SPI_execute_with_args(psprintf("SELECT %s FROM asyncjob.%s"
											 " WHERE name OPERATOR(pg_catalog.=) $1"
											 " AND (owner OPERATOR(pg_catalog.=) current_user OR owner IS NULL)"
											 " ORDER BY owner IS NULL LIMIT 1",
											 expression, table),
									1, types, values, NULL, true, 1);
		if (ret != SPI_OK_SELECT)
			elog(ERROR, "reading asyncjob.%s failed: %s", table,
				 SPI_result_code_string(ret));
		if (SPI_processed == 1)
		{
			Datum		d = SPI_getbinval(SPI_tuptable->vals[0],
										  SPI_tuptable->tupdesc, 1, &isnull);
			MemoryContext old = MemoryContextSwitchTo(aj_read_context);

			result = DatumGetJsonbPCopy(d);
			MemoryContextSwitchTo(old);
		}
		else
			*names = MemoryContextStrdup(aj_read_context, loaded_names(table));
	}
	aj_read_end();
	return result;
}

AjSite *
aj_site_get(JsonbContainer *params)
{
	JsonbValue	v;
	bool		here = aj_param_exists(params, "site");

	if (!here && (aj_param_exists(params, "longitude") ||
				  aj_param_exists(params, "latitude")))
		return circle_site(params);
	if (!here)
		aj_step_error(AJ_ERRCODE_VALIDATION, "site_missing",
					  "parameter \"site\" is missing", NULL,
					  "Name a site loaded with asyncjob.load_site(), or give GeoJSON, or longitude, latitude and radius_km.");
	getKeyJsonValueFromContainer(params, "site", 4, &v);
	if (v.type == jbvString)
	{
		char	   *name = pnstrdup(v.val.string.val, v.val.string.len);
		char	   *names;
		Jsonb	   *row = aj_input_row("site", "geojson", name, &names);

		if (row == NULL)
			aj_step_error(AJ_ERRCODE_VALIDATION, "site_unknown",
						  psprintf("site \"%s\" is not loaded", name),
						  names[0] ? psprintf("Loaded are: %s.", names) : NULL,
						  "Load it with asyncjob.load_site(name, geojson), or give GeoJSON as \"site\".");
		return aj_site_parse(&row->root, name);
	}
	else
	{
		JsonbContainer *c = aj_require_object(params, "site");

		if (aj_param_exists(c, "longitude") || aj_param_exists(c, "latitude"))
		{
			static const char *const known[] = {"longitude", "latitude",
			"radius_km", NULL};

			aj_check_params(c, known);
			return circle_site(c);
		}
		return aj_site_parse(c, "inline");
	}
}

/*
 * check_site(geojson jsonb) returns jsonb
 */
Datum
aj_check_site(PG_FUNCTION_ARGS)
{
	Jsonb	   *arg = PG_GETARG_JSONB_P(0);
	AjSite	   *site = aj_site_parse(&arg->root, "site");
	AjkTm		tm = ajk_tm_local((site->west + site->east) / 2,
								  (site->south + site->north) / 2);
	double		area = 0,
				sx = 0,
				sy = 0,
				lon,
				lat;
	StringInfoData buf;

	for (int i = 0; i < site->nrings; i++)
	{
		AjPath	   *r = &site->rings[i];
		AjkPath		ring;
		double		a,
					cx,
					cy;

		r->x = palloc(r->n * sizeof(double));
		r->y = palloc(r->n * sizeof(double));
		for (int j = 0; j < r->n; j++)
			ajk_tm_forward(&tm, r->lon[j], r->lat[j], &r->x[j], &r->y[j]);
		ring = (AjkPath)
		{
			r->n, r->x, r->y
		};
		ajk_ring_centroid(&ring, &cx, &cy);
		a = fabs(ajk_ring_area(&ring)) * (r->hole ? -1 : 1);
		area += a;
		sx += a * cx;
		sy += a * cy;
	}
	ajk_tm_inverse(&tm, sx / area, sy / area, &lon, &lat);

	initStringInfo(&buf);
	appendStringInfoString(&buf, "{\"longitude\":");
	aj_json_number(&buf, lon, 7);
	appendStringInfoString(&buf, ",\"latitude\":");
	aj_json_number(&buf, lat, 7);
	appendStringInfoString(&buf, ",\"area_m2\":");
	aj_json_number(&buf, area, 1);
	appendStringInfoString(&buf, ",\"bbox\":[");
	aj_json_number(&buf, site->west, 7);
	appendStringInfoChar(&buf, ',');
	aj_json_number(&buf, site->south, 7);
	appendStringInfoChar(&buf, ',');
	aj_json_number(&buf, site->east, 7);
	appendStringInfoChar(&buf, ',');
	aj_json_number(&buf, site->north, 7);
	appendStringInfo(&buf, "],\"zones\":%d,\"entry_point\":%s}", site->nzones,
					 site->has_entry ? "true" : "false");
	PG_RETURN_JSONB_P(aj_jsonb_from_text(buf.data));
}
