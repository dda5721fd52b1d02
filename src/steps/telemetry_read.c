/*-------------------------------------------------------------------------
 *
 * telemetry_read.c
 *		Reading a telemetry series back from its blocks.
 *
 * Each of the eleven steps of a battery analysis that needs samples reads
 * them again: 52,560 samples of five channels take some 5 ms, less than to
 * pass them on as JSON.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "telemetry.h"

#include <ctype.h>
#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "pgtime.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define UNIX_TO_PG_S ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * 86400.0)

const char *const aj_channel_name[AJ_CHANNELS + 1] = {
	"soc", "current_a", "voltage_v", "temp_c", "cell_min_v", "cell_max_v",
	"pv_w", "load_w", "generator_w", NULL
};

/* Append an array column's elements from k on; fills NaN where it is null. */
static void
append_column(double **to, int at, int n, int k, int size, int col,
			  MemoryContext context)
{
	bool		isnull;
	Datum		d = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, col, &isnull);
	ArrayType  *a;

	if (isnull && *to == NULL)
		return;
	if (*to == NULL)
	{
		*to = MemoryContextAllocHuge(context, sizeof(double) * (Size) size);
		for (int i = 0; i < at; i++)
			(*to)[i] = NAN;
	}
	if (isnull)
	{
		for (int i = 0; i < n; i++)
			(*to)[at + i] = NAN;
		return;
	}
	a = DatumGetArrayTypeP(d);
	if (ARR_NDIM(a) != 1 || ARR_DIMS(a)[0] != n + k || ARR_HASNULL(a))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a block of telemetry has columns of different lengths"),
				 errhint("Load the series again with asyncjob.load_telemetry().")));
	if (ARR_ELEMTYPE(a) == FLOAT8OID)
		memcpy(*to + at, (double *) ARR_DATA_PTR(a) + k, sizeof(double) * n);
	else
	{
		const float *v = (const float *) ARR_DATA_PTR(a) + k;

		for (int i = 0; i < n; i++)
			(*to)[at + i] = v[i];
	}
}

static void
read_blocks(AjSeriesData *d, int64 id, double from_s, MemoryContext context)
{
	Oid			types[1] = {INT8OID};
	Datum		v[1] = {Int64GetDatum(id)};
	Portal		cursor;

	d->t = MemoryContextAllocHuge(context, sizeof(double) * (Size) d->samples);
	cursor = SPI_cursor_open_with_args(NULL,
									   "SELECT at_s, soc, current_a, voltage_v, temp_c, cell_min_v, cell_max_v,"
									   " pv_w, load_w, generator_w FROM asyncjob.telemetry_block"
									   " WHERE telemetry_id OPERATOR(pg_catalog.=) $1 ORDER BY block_no",
									   1, types, v, NULL, true, 0);
	for (;;)
	{
		bool		isnull;
		ArrayType  *at;
		const double *t;
		int			n;
		int			k = 0;

		SPI_cursor_fetch(cursor, true, 1);
		if (SPI_processed == 0)
			break;
		at = DatumGetArrayTypeP(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
		t = (const double *) ARR_DATA_PTR(at);
		n = ARR_DIMS(at)[0];
		while (k < n && t[k] < from_s)
			k++;
		if (d->n + n - k > d->samples)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("telemetry \"%s\" has more samples than its row says", d->name),
					 errhint("Load it again with asyncjob.load_telemetry().")));
		memcpy(d->t + d->n, t + k, sizeof(double) * (n - k));
		for (int c = 0; c < AJ_CHANNELS; c++)
			append_column(&d->value[c], d->n, n - k, k, d->samples, c + 2, context);
		d->n += n - k;
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_cursor_close(cursor);
}

AjSeriesData *
aj_telemetry_get(const char *name, bool values, double window_days)
{
	AjSeriesData *d = palloc0(sizeof(AjSeriesData));
	volatile bool found = false;
	char	   *volatile names = NULL;

	aj_read_begin();
	{
		Oid			types[1] = {TEXTOID};
		Datum		v[1];
		bool		isnull;
		MemoryContext ctx = aj_read_context;

		v[0] = CStringGetTextDatum(name);
		if (SPI_execute_with_args("SELECT telemetry_id, name, source, samples, duplicates, conflicts, unsorted, first_at, last_at"
								  " FROM asyncjob.telemetry WHERE name OPERATOR(pg_catalog.=) $1"
								  " AND (owner OPERATOR(pg_catalog.=) current_user OR owner IS NULL)"
								  " ORDER BY owner IS NULL LIMIT 1", 1, types, v, NULL, true, 1) != SPI_OK_SELECT)
			elog(ERROR, "reading asyncjob.telemetry failed");
		found = SPI_processed == 1;
		if (found)
		{
			HeapTuple	t = SPI_tuptable->vals[0];
			TupleDesc	td = SPI_tuptable->tupdesc;
			int64		id = DatumGetInt64(SPI_getbinval(t, td, 1, &isnull));
			char	   *source = SPI_getvalue(t, td, 3);

			d->name = MemoryContextStrdup(ctx, SPI_getvalue(t, td, 2));
			d->source = source ? MemoryContextStrdup(ctx, source) : NULL;
			d->samples = DatumGetInt32(SPI_getbinval(t, td, 4, &isnull));
			d->duplicates = DatumGetInt32(SPI_getbinval(t, td, 5, &isnull));
			d->conflicts = DatumGetInt32(SPI_getbinval(t, td, 6, &isnull));
			d->unsorted = DatumGetInt32(SPI_getbinval(t, td, 7, &isnull));
			d->first_s = DatumGetTimestampTz(SPI_getbinval(t, td, 8, &isnull)) / 1e6 + UNIX_TO_PG_S;
			d->last_s = DatumGetTimestampTz(SPI_getbinval(t, td, 9, &isnull)) / 1e6 + UNIX_TO_PG_S;
			if (values)
				read_blocks(d, id, isfinite(window_days) ? d->last_s - window_days * 86400 : -INFINITY, ctx);
		}
		else
		{
			char	   *list;

			if (SPI_execute("SELECT pg_catalog.string_agg(name, ', ' ORDER BY name)"
							" FROM (SELECT name FROM asyncjob.telemetry ORDER BY name LIMIT 10) w", true, 1) != SPI_OK_SELECT)
				elog(ERROR, "reading asyncjob.telemetry failed");
			list = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
			names = list ? MemoryContextStrdup(ctx, list) : NULL;
		}
	}
	aj_read_end();
	if (!found)
		aj_step_error(AJ_ERRCODE_VALIDATION, "telemetry_unknown",
					  psprintf("telemetry \"%s\" is not loaded", name),
					  names ? psprintf("Loaded are: %s.", names) : "None is loaded.",
					  "Load it with asyncjob.load_telemetry(name, csv) or asyncjob.load_telemetry_from(name, table).");
	return d;
}

/*
 * What stands for an offset in POSIX's way counts to the west: "UTC+2" would
 * be two hours behind.  Who writes it means the opposite, so it is no name.
 */
pg_tz *
aj_time_zone(const char *name)
{
	bool		offset = strchr(name, '/') == NULL && name[strcspn(name, "+-")] != '\0' &&
	isdigit((unsigned char) name[strcspn(name, "+-") + 1]);
	pg_tz	   *zone = offset ? NULL : pg_tzset(name);

	if (zone == NULL)
		aj_step_error(AJ_ERRCODE_VALIDATION, "unit_or_range",
					  psprintf("parameter \"timezone\" is out of range: \"%s\"", name),
					  offset ? "An offset is no name; its sign would be read the other way round." :
					  "There is no time zone of this name.",
					  "Give a name such as UTC or Europe/Berlin; pg_timezone_names lists them. Etc/GMT-2 is two hours ahead of UTC all year.");
	return zone;
}

AjkTelemetry
aj_telemetry_view(const AjSeriesData *d, double max_gap_factor)
{
	AjkTelemetry v;

	v.n = d->n;
	v.t = d->t;
	v.soc = d->value[AJ_CH_SOC];
	v.current = d->value[AJ_CH_CURRENT];
	v.voltage = d->value[AJ_CH_VOLTAGE];
	v.temp = d->value[AJ_CH_TEMP];
	v.cell_min = d->value[AJ_CH_CELL_MIN];
	v.cell_max = d->value[AJ_CH_CELL_MAX];
	v.pv = d->value[AJ_CH_PV];
	v.load = d->value[AJ_CH_LOAD];
	v.generator = d->value[AJ_CH_GENERATOR];
	v.max_gap_s = max_gap_factor * ajk_median_step(d->t, d->n);
	return v;
}
