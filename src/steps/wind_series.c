/*-------------------------------------------------------------------------
 *
 * wind_series.c
 *		Measured series of wind: from text to arrays, and from their table.
 *
 * asyncjob.wind_series holds one row a series, its columns as float8 arrays
 * of equal length: a year of ten-minute means is half a megabyte each, which
 * is read in one piece.  A missing value is NaN there, never NULL, so an
 * array is a plain row of doubles.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "wind_series.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(aj_parse_wind_csv);

static AJ_NORETURN void
refuse_csv(const AjkCsvError *e)
{
	aj_step_error(AJ_ERRCODE_VALIDATION, "wind_series_invalid",
				  e->line > 0 ?
				  psprintf("wind series is invalid in line %zu: %s \"%s\"",
						   e->line, e->what, e->field) :
				  psprintf("wind series is invalid: %s %s", e->what, e->field),
				  NULL,
				  "Give a line of column names (time, speed_m_s, direction_deg), then a line a record, separated by commas, semicolons or tabs, with decimal points; other names can be told in \"columns\".");
}

/*
 * _parse_wind_csv(csv text, options jsonb,
 *		OUT time_s, OUT speed, OUT direction, OUT std, OUT upper float8[])
 */
Datum
aj_parse_wind_csv(PG_FUNCTION_ARGS)
{
	static const char *const keys[AJK_WIND_COLUMNS + 1] = {
		"time", "speed_m_s", "direction_deg", "speed_std_m_s",
		"upper_speed_m_s", NULL
	};
	text	   *csv = PG_GETARG_TEXT_PP(0);
	Jsonb	   *options = PG_GETARG_JSONB_P(1);
	JsonbContainer *columns = aj_param_object(&options->root, "columns");
	const char *names[AJK_WIND_COLUMNS];
	AjkWindSeries s;
	AjkCsvError error;
	AjkError	err;
	TupleDesc	desc;
	Datum		values[AJK_WIND_COLUMNS];
	bool		nulls[AJK_WIND_COLUMNS];

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (columns)
		aj_check_params(columns, keys);
	for (int c = 0; c < AJK_WIND_COLUMNS; c++)
		names[c] = aj_param_text(columns, keys[c], NULL);
	err = ajk_wind_csv(VARDATA_ANY(csv), VARSIZE_ANY_EXHDR(csv), names, &s,
					   &error);
	if (err == AJK_NOMEM)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY),
						errmsg("out of memory")));
	if (err != AJK_OK)
		refuse_csv(&error);

	/* an error between here and the free would leak what the kernel holds */
	PG_TRY();
	{
		for (int c = 0; c < AJK_WIND_COLUMNS; c++)
		{
			int			dims[1] = {(int) s.n};
			int			lbs[1] = {1};
			Size		size = ARR_OVERHEAD_NONULLS(1) + sizeof(double) * s.n;
			ArrayType  *a;

			nulls[c] = s.column[c] == NULL;
			if (nulls[c])
				continue;
			if (s.n > AJ_MAX_SERIES)
				ereport(ERROR,
						(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						 errmsg("wind series has %zu records, allowed are %d",
								s.n, AJ_MAX_SERIES)));
			a = palloc0(size);
			SET_VARSIZE(a, size);
			a->ndim = 1;
			a->elemtype = FLOAT8OID;
			memcpy(ARR_DIMS(a), dims, sizeof(dims));
			memcpy(ARR_LBOUND(a), lbs, sizeof(lbs));
			memcpy(ARR_DATA_PTR(a), s.column[c], sizeof(double) * s.n);
			values[c] = PointerGetDatum(a);
		}
	}
	PG_FINALLY();
	{
		ajk_wind_series_free(&s);
	}
	PG_END_TRY();
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, nulls)));
}

/* A float8[] of n elements without NULLs, in the context; NULL if null. */
static double *
column_array(int column, Size n, MemoryContext context, const char *name)
{
	bool		isnull;
	Datum		d = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
								  column, &isnull);
	ArrayType  *a;
	double	   *out;

	if (isnull)
		return NULL;
	a = DatumGetArrayTypeP(d);
	if (ARR_NDIM(a) != 1 || ARR_HASNULL(a) || ARR_ELEMTYPE(a) != FLOAT8OID ||
		(Size) ARR_DIMS(a)[0] != n)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("wind series \"%s\" has an invalid row in asyncjob.wind_series",
						name),
				 errhint("Load it again with asyncjob.load_wind_series().")));
	out = MemoryContextAllocHuge(context, sizeof(double) * n);
	memcpy(out, ARR_DATA_PTR(a), sizeof(double) * n);
	return out;
}

static double
number_column(int column)
{
	bool		isnull;
	Datum		d = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
								  column, &isnull);

	return isnull ? NAN : DatumGetFloat8(d);
}

AjWindSeries *
aj_wind_series_get(JsonbContainer *params, bool data)
{
	char	   *name = aj_require_text(params, "series");
	AjWindSeries *s = palloc0(sizeof(AjWindSeries));
	Jsonb	   *row;
	char	   *names;

	/* also says which names there are */
	row = aj_input_row("wind_series", "pg_catalog.to_jsonb(records)", name,
					   &names);
	if (row == NULL)
		aj_step_error(AJ_ERRCODE_VALIDATION, "series_unknown",
					  psprintf("wind series \"%s\" is not loaded", name),
					  names[0] ? psprintf("Loaded are: %s.", names) : NULL,
					  "Load it with asyncjob.load_wind_series() or asyncjob.load_wind_series_csv().");
	s->name = name;
	aj_read_begin();
	{
		Oid			types[1] = {TEXTOID};
		Datum		values[1];
		bool		isnull;
		char	   *source;

		values[0] = CStringGetTextDatum(name);
		if (SPI_execute_with_args("SELECT records, interval_s, height_m, upper_height_m, source,"
								  " time_s, speed_m_s, direction_deg, speed_std_m_s, upper_speed_m_s"
								  " FROM asyncjob.wind_series"
								  " WHERE name OPERATOR(pg_catalog.=) $1"
								  " AND (owner OPERATOR(pg_catalog.=) current_user OR owner IS NULL)"
								  " ORDER BY owner IS NULL LIMIT 1",
								  1, types, values, NULL, true, 1) != SPI_OK_SELECT ||
			SPI_processed != 1)
			elog(ERROR, "reading asyncjob.wind_series failed");
		s->data.n = (Size) DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0],
													   SPI_tuptable->tupdesc,
													   1, &isnull));
		s->interval_s = number_column(2);
		s->height_m = number_column(3);
		s->upper_height_m = number_column(4);
		source = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 5);
		if (source)
			s->source = MemoryContextStrdup(aj_read_context, source);
		if (data)
			for (int c = 0; c < AJK_WIND_COLUMNS; c++)
				s->data.column[c] = column_array(6 + c, s->data.n,
												 aj_read_context, name);
	}
	aj_read_end();
	return s;
}
