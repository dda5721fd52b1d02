/*-------------------------------------------------------------------------
 *
 * json_out.c
 *		Writing JSON and GeoJSON.
 *
 * GeoJSON as RFC 7946 has it: longitude before latitude on WGS 84, seven
 * decimals (a centimetre), exterior rings counterclockwise and holes
 * clockwise, closed, a bbox, and no crs member.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "step_util.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"

#define LONLAT_DECIMALS 7

Jsonb *
aj_jsonb_from_text(const char *json)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
}

void
aj_json_number(StringInfo buf, double value, int decimals)
{
	char		text[400];
	char	   *end;

	if (!isfinite(value))
	{
		appendStringInfoString(buf, "null");
		return;
	}
	snprintf(text, sizeof(text), "%.*f", decimals, value);
	if (strchr(text, '.'))
	{
		end = text + strlen(text) - 1;
		while (*end == '0')
			*end-- = '\0';
		if (*end == '.')
			*end = '\0';
	}
	appendStringInfoString(buf, strcmp(text, "-0") == 0 ? "0" : text);
}

void
aj_json_string(StringInfo buf, const char *str)
{
	escape_json(buf, str);
}

static void
key_of(StringInfo buf, const char *key)
{
	char		last = buf->len > 0 ? buf->data[buf->len - 1] : '{';

	appendStringInfo(buf, "%s\"%s\":", last == '{' ? "" : ",", key);
}

void
aj_json_field(StringInfo buf, const char *key, double value, int decimals)
{
	key_of(buf, key);
	aj_json_number(buf, value, decimals);
}

void
aj_json_text_field(StringInfo buf, const char *key, const char *value)
{
	key_of(buf, key);
	if (value)
		aj_json_string(buf, value);
	else
		appendStringInfoString(buf, "null");
}

void
aj_geojson_begin(AjGeoJson *gj)
{
	initStringInfo(&gj->buf);
	gj->nfeatures = 0;
	gj->west = gj->south = INFINITY;
	gj->east = gj->north = -INFINITY;
}

static void
position(AjGeoJson *gj, double lon, double lat)
{
	gj->west = fmin(gj->west, lon);
	gj->east = fmax(gj->east, lon);
	gj->south = fmin(gj->south, lat);
	gj->north = fmax(gj->north, lat);
	appendStringInfoChar(&gj->buf, '[');
	aj_json_number(&gj->buf, lon, LONLAT_DECIMALS);
	appendStringInfoChar(&gj->buf, ',');
	aj_json_number(&gj->buf, lat, LONLAT_DECIMALS);
	appendStringInfoChar(&gj->buf, ']');
}

static bool
same_position(double lon0, double lat0, double lon1, double lat1)
{
	double		scale = pow(10, LONLAT_DECIMALS);

	return rint(lon0 * scale) == rint(lon1 * scale) &&
		rint(lat0 * scale) == rint(lat1 * scale);
}

static void
feature_begin(AjGeoJson *gj, const char *properties, const char *type)
{
	appendStringInfo(&gj->buf,
					 "%s{\"type\":\"Feature\",\"properties\":{%s},"
					 "\"geometry\":{\"type\":\"%s\",\"coordinates\":",
					 gj->nfeatures++ ? "," : "", properties, type);
}

static void
feature_end(AjGeoJson *gj)
{
	appendStringInfoString(&gj->buf, "}}");
}

void
aj_geojson_point(AjGeoJson *gj, const char *properties, double lon, double lat)
{
	feature_begin(gj, properties, "Point");
	position(gj, lon, lat);
	feature_end(gj);
}

void
aj_geojson_line(AjGeoJson *gj, const char *properties, int n,
				const double *lon, const double *lat)
{
	feature_begin(gj, properties, "LineString");
	appendStringInfoChar(&gj->buf, '[');
	for (int i = 0, last = 0; i < n; i++)
	{
		/* what is the same to the last digit written is written once */
		if (i && i < n - 1 && same_position(lon[i], lat[i], lon[last], lat[last]))
			continue;
		if (i == n - 1 && last > 0 && same_position(lon[i], lat[i], lon[last], lat[last]))
			break;
		if (i)
			appendStringInfoChar(&gj->buf, ',');
		position(gj, lon[i], lat[i]);
		last = i;
	}
	appendStringInfoChar(&gj->buf, ']');
	feature_end(gj);
}

static void
one_ring(AjGeoJson *gj, int n, const double *lon, const double *lat, bool hole)
{
	double		twice = 0.0;
	bool		reverse;

	if (n > 1 && lon[0] == lon[n - 1] && lat[0] == lat[n - 1])
		n--;
	for (int i = 1; i + 1 < n; i++)
		twice += (lon[i] - lon[0]) * (lat[i + 1] - lat[0])
			- (lon[i + 1] - lon[0]) * (lat[i] - lat[0]);
	reverse = (twice < 0.0) != hole;
	appendStringInfoChar(&gj->buf, '[');
	for (int i = 0; i < n; i++)
	{
		int			k = reverse ? (n - i) % n : i;

		position(gj, lon[k], lat[k]);
		appendStringInfoChar(&gj->buf, ',');
	}
	position(gj, lon[0], lat[0]);
	appendStringInfoChar(&gj->buf, ']');
}

void
aj_geojson_polygon(AjGeoJson *gj, const char *properties, int nrings,
				   const int *n, const double *const *lon,
				   const double *const *lat)
{
	feature_begin(gj, properties, "Polygon");
	appendStringInfoChar(&gj->buf, '[');
	for (int r = 0; r < nrings; r++)
	{
		if (r)
			appendStringInfoChar(&gj->buf, ',');
		one_ring(gj, n[r], lon[r], lat[r], r > 0);
	}
	appendStringInfoChar(&gj->buf, ']');
	feature_end(gj);
}

char *
aj_geojson_end(AjGeoJson *gj)
{
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfoString(&out, "{\"type\":\"FeatureCollection\",");
	if (gj->nfeatures > 0)
	{
		appendStringInfoString(&out, "\"bbox\":[");
		aj_json_number(&out, gj->west, LONLAT_DECIMALS);
		appendStringInfoChar(&out, ',');
		aj_json_number(&out, gj->south, LONLAT_DECIMALS);
		appendStringInfoChar(&out, ',');
		aj_json_number(&out, gj->east, LONLAT_DECIMALS);
		appendStringInfoChar(&out, ',');
		aj_json_number(&out, gj->north, LONLAT_DECIMALS);
		appendStringInfoString(&out, "],");
	}
	appendStringInfo(&out, "\"features\":[%s]}", gj->buf.data);
	pfree(gj->buf.data);
	return out.data;
}
