/*-------------------------------------------------------------------------
 *
 * weather_load.c
 *		load_weather(): a file of weather into one row, and back.
 *
 * A year of weather is one row of asyncjob.weather: columns of real[], one
 * element an interval, at an even step from first_at.  8760 hours take 200 kB
 * and are read in a millisecond.  The kernel has checked and completed them.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "solar.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(aj_load_weather);

#define UNIX_TO_PG_S ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * 86400.0)

static const char *const stamps[] = {"start", "middle", "end", NULL};

static Datum
float_array(const float *v, int n)
{
	Datum	   *d = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(Datum) * (Size) n);

	for (int i = 0; i < n; i++)
		d[i] = Float4GetDatum(v[i]);
	return PointerGetDatum(construct_array(d, n, FLOAT4OID, sizeof(float4), true, TYPALIGN_INT));
}

/* What to do about each fault of a file. */
static const char *
remedy(const char *code)
{
	static const struct
	{
		const char *code;
		const char *hint;
	}			hints[] =
	{
		{"weather_columns", "Give a PVWatts, NSRDB, SAM, TMY3, EPW or PVGIS file, or a table whose first line names the columns time, ghi (and dni, dhi), temp_air, wind_speed."},
		{"weather_gaps", "Fill the gap from the source of the data, or load a complete year; nothing is filled in here."},
		{"weather_invalid", "Correct the line, or save the file again as its source made it."},
		{"weather_place_missing", "Give latitude and longitude in options, degrees, north and east positive."},
		{"time_zone_missing", "Give utc_offset_h in options, hours east of Greenwich, of the standard time the file is written in."},
		{"weather_time_zone", "Give the utc_offset_h of the times in the file, and check the signs of longitude (east positive) and latitude."},
		{"unit_or_range", "Give irradiance in W/m2, temperature in degrees C, wind speed in m/s."},
		{"coordinates_out_of_range", "Give longitude -180..180 and latitude -90..90, north and east positive."}
	};

	for (Size i = 0; i < lengthof(hints); i++)
		if (strcmp(code, hints[i].code) == 0)
			return hints[i].hint;
	return NULL;
}

static void
write_row(const char *name, const AjkWeather *w, const char *source)
{
	Oid			types[17] = {TEXTOID, FLOAT8OID, FLOAT8OID, FLOAT8OID, FLOAT8OID,
		TIMESTAMPTZOID, FLOAT8OID, INT4OID, INT4OID, TEXTOID, TEXTOID,
	FLOAT4ARRAYOID, FLOAT4ARRAYOID, FLOAT4ARRAYOID, FLOAT4ARRAYOID, FLOAT4ARRAYOID, FLOAT4ARRAYOID};
	Datum		v[17];
	char		nulls[18] = "                 ";

	v[0] = CStringGetTextDatum(name);
	v[1] = Float8GetDatum(w->latitude);
	v[2] = Float8GetDatum(w->longitude);
	v[3] = Float8GetDatum(w->elevation_m);
	v[4] = Float8GetDatum(w->utc_offset_h);
	v[5] = TimestampTzGetDatum((TimestampTz) rint((w->first_s - UNIX_TO_PG_S) * 1e6));
	v[6] = Float8GetDatum(w->interval_s);
	v[7] = Int32GetDatum(w->n);
	v[8] = Int32GetDatum((int) w->flags);
	v[9] = CStringGetTextDatum(w->format);
	v[10] = source ? CStringGetTextDatum(source) : (Datum) 0;
	nulls[10] = source ? ' ' : 'n';
	v[11] = float_array(w->ghi, w->n);
	v[12] = float_array(w->dni, w->n);
	v[13] = float_array(w->dhi, w->n);
	v[14] = float_array(w->air_c, w->n);
	v[15] = float_array(w->wind_m_s, w->n);
	v[16] = w->albedo ? float_array(w->albedo, w->n) : (Datum) 0;
	nulls[16] = w->albedo ? ' ' : 'n';
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args("INSERT INTO asyncjob.weather (name, latitude, longitude, elevation_m, utc_offset_h,"
							  " first_at, interval_s, intervals, flags, format, source,"
							  " ghi_w_m2, dni_w_m2, dhi_w_m2, air_c, wind_m_s, albedo)"
							  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
							  " ON CONFLICT (owner, name) DO UPDATE SET latitude = excluded.latitude,"
							  " longitude = excluded.longitude, elevation_m = excluded.elevation_m,"
							  " utc_offset_h = excluded.utc_offset_h, first_at = excluded.first_at,"
							  " interval_s = excluded.interval_s, intervals = excluded.intervals, flags = excluded.flags,"
							  " format = excluded.format, source = excluded.source, ghi_w_m2 = excluded.ghi_w_m2,"
							  " dni_w_m2 = excluded.dni_w_m2, dhi_w_m2 = excluded.dhi_w_m2, air_c = excluded.air_c,"
							  " wind_m_s = excluded.wind_m_s, albedo = excluded.albedo, loaded_at = pg_catalog.now()",
							  17, types, v, nulls, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not store the weather");
	SPI_finish();
}

static void
summary(StringInfo b, const char *name, const AjkWeather *w)
{
	double		sum[3] = {0, 0, 0};

	for (int i = 0; i < w->n; i++)
	{
		sum[0] += w->ghi[i];
		sum[1] += w->dni[i];
		sum[2] += w->dhi[i];
	}
	initStringInfo(b);
	appendStringInfoString(b, "{\"name\":");
	aj_json_string(b, name);
	appendStringInfo(b, ",\"format\":\"%s\",\"intervals\":%d,\"interval_s\":%.6g,\"latitude\":", w->format, w->n,
					 w->interval_s);
	aj_json_number(b, w->latitude, 7);
	appendStringInfoString(b, ",\"longitude\":");
	aj_json_number(b, w->longitude, 7);
	appendStringInfoString(b, ",\"elevation_m\":");
	aj_json_number(b, w->elevation_m, 2);
	appendStringInfoString(b, ",\"utc_offset_h\":");
	aj_json_number(b, w->utc_offset_h, 2);
	for (int i = 0; i < 3; i++)
	{
		appendStringInfo(b, ",\"%s\":", i == 0 ? "ghi_kwh_m2" : i == 1 ? "dni_kwh_m2" : "dhi_kwh_m2");
		aj_json_number(b, sum[i] * w->interval_s / 3.6e6, 3);
	}
	appendStringInfo(b, ",\"typical_year\":%s,\"derived\":[%s%s%s]}",
					 w->flags & AJK_WEATHER_TYPICAL_YEAR ? "true" : "false",
					 w->flags & AJK_WEATHER_GHI_DERIVED ? "\"ghi\"" : "",
					 w->flags & AJK_WEATHER_DHI_DERIVED ? "\"dhi\"" : "",
					 w->flags & AJK_WEATHER_SPLIT_DERIVED ? "\"dni\",\"dhi\"" : "");
}

/*
 * load_weather(name text, csv text, options jsonb) returns jsonb
 */
Datum
aj_load_weather(PG_FUNCTION_ARGS)
{
	static const char *const known[] = {
		"latitude", "longitude", "elevation_m", "utc_offset_h", "stamp", "source", NULL
	};
	char	   *name;
	text	   *csv;
	Jsonb	   *options;
	JsonbContainer *o;
	AjkWeatherOptions opt;
	AjkWeather	w;
	AjkCsvFault fault;
	AjkError	err;
	const char *stamp;
	char	   *source;
	StringInfoData b;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		aj_step_error(AJ_ERRCODE_VALIDATION, "parameter_missing",
					  PG_ARGISNULL(0) ? "name is null" : "csv is null", NULL,
					  "Give a name of 1 to 200 characters and the text of a weather file.");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	csv = PG_GETARG_TEXT_PP(1);
	if (name[0] == '\0' || strlen(name) > 200)
		aj_step_error(AJ_ERRCODE_VALIDATION, "parameter_missing",
					  "name is empty or longer than 200 characters", NULL,
					  "Give a name of 1 to 200 characters.");
	options = PG_ARGISNULL(2) ? aj_jsonb_from_text("{}") : PG_GETARG_JSONB_P(2);
	o = &options->root;
	if (!JB_ROOT_IS_OBJECT(options))
		aj_step_error(AJ_ERRCODE_VALIDATION, "parameters_not_object",
					  "options is not a JSON object", NULL,
					  "Give an object such as {\"latitude\": 39.7, \"longitude\": -105.2, \"utc_offset_h\": -7}.");
	aj_check_params(o, known);
	opt.latitude = aj_param_number(o, "latitude", NAN, -90, 90);
	opt.longitude = aj_param_number(o, "longitude", NAN, -180, 180);
	opt.elevation_m = aj_param_number(o, "elevation_m", NAN, -450, 9000);
	opt.utc_offset_h = aj_param_number(o, "utc_offset_h", NAN, -12, 14);
	stamp = aj_param_choice(o, "stamp", NULL, stamps);
	opt.stamp = stamp == NULL ? AJK_STAMP_DEFAULT :
		stamp == stamps[0] ? AJK_STAMP_START :
		stamp == stamps[1] ? AJK_STAMP_MIDDLE : AJK_STAMP_END;
	source = aj_param_text(o, "source", NULL);

	err = ajk_weather_parse(VARDATA_ANY(csv), VARSIZE_ANY_EXHDR(csv), &opt, &w, &fault);
	if (err == AJK_SYNTAX)
		aj_step_error(AJ_ERRCODE_VALIDATION, fault.code,
					  fault.line ? psprintf("weather \"%s\" is invalid in line %d: %s", name, fault.line, fault.what) :
					  psprintf("weather \"%s\" is invalid: %s", name, fault.what),
					  NULL, remedy(fault.code));
	if (err != AJK_OK)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory"),
						errdetail("Failed on the weather \"%s\".", name)));
	PG_TRY();
	{
		write_row(name, &w, source);
		summary(&b, name, &w);
	}
	PG_FINALLY();
	{
		ajk_weather_free(&w);
	}
	PG_END_TRY();
	PG_RETURN_JSONB_P(aj_jsonb_from_text(b.data));
}

/* ---- reading ---- */

/* A real[] column without nulls, copied to a context. */
static float *
array_column(int col, int n, const char *name, MemoryContext context)
{
	bool		isnull;
	Datum		d = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, col, &isnull);
	ArrayType  *a;
	float	   *out;

	if (isnull)
		return NULL;
	a = DatumGetArrayTypeP(d);
	if (ARR_NDIM(a) != 1 || ARR_DIMS(a)[0] != n || ARR_HASNULL(a) || ARR_ELEMTYPE(a) != FLOAT4OID)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("weather \"%s\" has an invalid row in asyncjob.weather", name),
				 errhint("Load it again with asyncjob.load_weather().")));
	out = MemoryContextAllocHuge(context, sizeof(float) * (Size) Max(n, 1));
	memcpy(out, ARR_DATA_PTR(a), sizeof(float) * (Size) n);
	return out;
}

AjWeather *
aj_weather_get(JsonbContainer *params, bool values)
{
	AjWeather  *w = palloc0(sizeof(AjWeather));
	char	   *name;
	volatile bool found = false;
	char	   *volatile names = NULL;

	if (!aj_param_exists(params, "weather"))
		aj_step_error(AJ_ERRCODE_VALIDATION, "weather_missing",
					  "parameter \"weather\" is missing", NULL,
					  "Load a year of weather with asyncjob.load_weather(name, csv) and give its name.");
	name = aj_require_text(params, "weather");
	aj_read_begin();
	{
		Oid			types[1] = {TEXTOID};
		Datum		v[1];
		bool		isnull;
		MemoryContext ctx = aj_read_context;

		v[0] = CStringGetTextDatum(name);
		if (SPI_execute_with_args("SELECT name, source, format, flags, latitude, longitude, elevation_m, utc_offset_h,"
								  " first_at, interval_s, intervals, ghi_w_m2, dni_w_m2, dhi_w_m2, air_c, wind_m_s, albedo"
								  " FROM asyncjob.weather WHERE name OPERATOR(pg_catalog.=) $1"
								  " AND (owner OPERATOR(pg_catalog.=) current_user OR owner IS NULL)"
								  " ORDER BY owner IS NULL LIMIT 1", 1, types, v, NULL, true, 1) != SPI_OK_SELECT)
			elog(ERROR, "reading asyncjob.weather failed");
		found = SPI_processed == 1;
		if (found)
		{
			HeapTuple	t = SPI_tuptable->vals[0];
			TupleDesc	td = SPI_tuptable->tupdesc;
			char	   *source = SPI_getvalue(t, td, 2);

			w->name = MemoryContextStrdup(ctx, SPI_getvalue(t, td, 1));
			w->source = source ? MemoryContextStrdup(ctx, source) : NULL;
			w->format = MemoryContextStrdup(ctx, SPI_getvalue(t, td, 3));
			w->flags = DatumGetInt32(SPI_getbinval(t, td, 4, &isnull));
			w->latitude = DatumGetFloat8(SPI_getbinval(t, td, 5, &isnull));
			w->longitude = DatumGetFloat8(SPI_getbinval(t, td, 6, &isnull));
			w->elevation_m = DatumGetFloat8(SPI_getbinval(t, td, 7, &isnull));
			w->utc_offset_h = DatumGetFloat8(SPI_getbinval(t, td, 8, &isnull));
			w->first_s = DatumGetTimestampTz(SPI_getbinval(t, td, 9, &isnull)) / 1e6 + UNIX_TO_PG_S;
			w->interval_s = DatumGetFloat8(SPI_getbinval(t, td, 10, &isnull));
			w->n = DatumGetInt32(SPI_getbinval(t, td, 11, &isnull));
			if (values)
			{
				w->ghi = array_column(12, w->n, name, ctx);
				w->dni = array_column(13, w->n, name, ctx);
				w->dhi = array_column(14, w->n, name, ctx);
				w->air_c = array_column(15, w->n, name, ctx);
				w->wind_m_s = array_column(16, w->n, name, ctx);
				w->albedo = array_column(17, w->n, name, ctx);
			}
		}
		else
		{
			char	   *list;

			if (SPI_execute("SELECT pg_catalog.string_agg(name, ', ' ORDER BY name)"
							" FROM (SELECT name FROM asyncjob.weather ORDER BY name LIMIT 10) w", true, 1) != SPI_OK_SELECT)
				elog(ERROR, "reading asyncjob.weather failed");
			list = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
			names = list ? MemoryContextStrdup(ctx, list) : NULL;
		}
	}
	aj_read_end();
	if (!found)
		aj_step_error(AJ_ERRCODE_VALIDATION, "weather_unknown",
					  psprintf("weather \"%s\" is not loaded", name),
					  names ? psprintf("Loaded are: %s.", names) : "None is loaded.",
					  "Load it with asyncjob.load_weather(name, csv).");
	return w;
}
