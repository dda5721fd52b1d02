/*-------------------------------------------------------------------------
 *
 * telemetry_load.c
 *		load_telemetry() and load_telemetry_from(): samples into blocks.
 *
 * Both gather samples in memory, bring them into order of time, leave out
 * what has a time that was there before, look at the units
 * (telemetry_units.c), and write blocks of BLOCK samples.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "telemetry_loader.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "parser/parse_coerce.h"
#include "pgtime.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "../kernels/csv.h"

#define BLOCK 16384
#define UNIX_TO_PG_S ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * 86400.0)

PG_FUNCTION_INFO_V1(aj_load_telemetry);
PG_FUNCTION_INFO_V1(aj_load_telemetry_from);

/* What exports of battery management systems call the channels. */
static const struct
{
	int			channel;		/* -1: the time */
	const char *key;			/* as ajk_csv_key makes it */
}			names[] =

{
	{-1, "time"}, {-1, "timestamp"}, {-1, "at"}, {-1, "datetime"}, {-1, "times"}, {-1, "date"},
	{AJ_CH_SOC, "soc"}, {AJ_CH_SOC, "stateofcharge"}, {AJ_CH_SOC, "socpct"}, {AJ_CH_SOC, "socpercent"},
	{AJ_CH_CURRENT, "currenta"}, {AJ_CH_CURRENT, "current"}, {AJ_CH_CURRENT, "packcurrent"}, {AJ_CH_CURRENT, "batterycurrent"},
	{AJ_CH_VOLTAGE, "voltagev"}, {AJ_CH_VOLTAGE, "voltage"}, {AJ_CH_VOLTAGE, "overallvoltage"}, {AJ_CH_VOLTAGE, "packvoltage"},
	{AJ_CH_TEMP, "tempc"}, {AJ_CH_TEMP, "temperature"}, {AJ_CH_TEMP, "temperaturec"}, {AJ_CH_TEMP, "temp"},
	{AJ_CH_CELL_MIN, "cellminv"}, {AJ_CH_CELL_MIN, "cellvoltagemin"}, {AJ_CH_CELL_MIN, "mincellvoltage"},
	{AJ_CH_CELL_MAX, "cellmaxv"}, {AJ_CH_CELL_MAX, "cellvoltagemax"}, {AJ_CH_CELL_MAX, "maxcellvoltage"},
	{AJ_CH_PV, "pvw"}, {AJ_CH_PV, "pvpower"}, {AJ_CH_PV, "solarw"}, {AJ_CH_PV, "solarpower"},
	{AJ_CH_LOAD, "loadw"}, {AJ_CH_LOAD, "loadpower"},
	{AJ_CH_GENERATOR, "generatorw"}, {AJ_CH_GENERATOR, "generatorpower"}
};

#define UNKNOWN_COLUMN (-2)

/* The series is invalid. */
void
aj_telemetry_refuse(const AjTelemetryLoader *l, const char *code, const char *what, const char *detail,
					const char *hint)
{
	aj_step_error(AJ_ERRCODE_VALIDATION, code,
				  psprintf("telemetry \"%s\" is invalid: %s", l->name, what), detail, hint);
}

/* ---- options ---- */

static void
read_options(AjTelemetryLoader *l, Jsonb *options)
{
	static const char *const known[] = {
		"columns", "timezone", "start_at", "soc_unit", "current_positive", "source", NULL
	};
	static const char *const channels[] = {
		"time", "soc", "current_a", "voltage_v", "temp_c", "cell_min_v", "cell_max_v",
		"pv_w", "load_w", "generator_w", NULL
	};
	static const char *const soc_units[] = {"fraction", "percent", NULL};
	static const char *const signs[] = {"charge", "discharge", NULL};
	char	   *text;

	if (!JB_ROOT_IS_OBJECT(options))
		aj_step_error(AJ_ERRCODE_VALIDATION, "parameters_not_object",
					  "options is not a JSON object", NULL,
					  "Give an object such as {\"timezone\": \"Europe/Berlin\"}.");
	l->options = &options->root;
	aj_check_params(l->options, known);
	l->columns = aj_param_object(l->options, "columns");
	aj_check_params(l->columns, channels);
	l->soc_unit = aj_param_choice(l->options, "soc_unit", NULL, soc_units);
	l->discharge_positive = aj_param_choice(l->options, "current_positive", "charge", signs) == signs[1];
	l->source = aj_param_text(l->options, "source", NULL);
	text = aj_param_text(l->options, "timezone", NULL);

	if (text)
		l->zone = aj_time_zone(text);
	l->start_s = NAN;
	text = aj_param_text(l->options, "start_at", NULL);

	if (text)
	{
		AjkCsvField f;
		bool		zoned;

		f.s = text;

		f.len = (int) strlen(text);
		if (!ajk_csv_time(&f, &l->start_s, &zoned))
			aj_step_error(AJ_ERRCODE_VALIDATION, "unit_or_range",
						  psprintf("parameter \"start_at\" is not a time: \"%s\"", text), NULL,
						  "Give a time such as 2024-01-01T00:00:00Z.");
	}
}

/* Every column the options name must be there. */
static void
check_columns(const AjTelemetryLoader *l, const bool *found)
{
	for (int c = -1; l->columns && c < AJ_CHANNELS; c++)
	{
		const char *key = c < 0 ? "time" : aj_channel_name[c];
		char	   *given = aj_param_text(l->columns, key, NULL);

		if (given && !found[c + 1])
			aj_step_error(AJ_ERRCODE_VALIDATION, "telemetry_columns",
						  psprintf("telemetry \"%s\" has no column \"%s\"", l->name, given),
						  psprintf("It is given for %s in the option \"columns\".", key),
						  "Correct its name, or leave it out.");
	}
}

static AJ_NORETURN void
two_columns(const AjTelemetryLoader *l, int channel, const char *first, const char *second)
{
	const char *key = channel < 0 ? "time" : aj_channel_name[channel];

	aj_telemetry_refuse(l, "telemetry_columns", psprintf("columns \"%s\" and \"%s\" may both be %s", first, second, key),
						channel < 0 ? "A date and a time of day in two columns are not put together." : NULL,
						psprintf("Say which it is with {\"columns\": {\"%s\": \"its name\"}}.", key));
}

/* Which column of the source a name stands for. */
static int
channel_of(const AjTelemetryLoader *l, const char *column)
{
	AjkCsvField f = {column, (int) strlen(column)};
	char		key[AJK_CSV_KEY];

	if (l->columns)
	{
		char	   *given = aj_param_text(l->columns, "time", NULL);

		if (given && strcmp(given, column) == 0)
			return -1;
		for (int c = 0; c < AJ_CHANNELS; c++)
		{
			given = aj_param_text(l->columns, aj_channel_name[c], NULL);
			if (given && strcmp(given, column) == 0)
				return c;
		}
	}
	ajk_csv_key(&f, key);
	for (Size i = 0; i < lengthof(names); i++)
		if (strcmp(key, names[i].key) == 0)
		{
			/* a name given otherwise is not looked for by its own */
			if (l->columns && aj_param_exists(l->columns, names[i].channel < 0 ? "time" : aj_channel_name[names[i].channel]))
				return UNKNOWN_COLUMN;
			return names[i].channel;
		}
	return UNKNOWN_COLUMN;
}

/* ---- samples ---- */

static AjTelemetrySample *
new_sample(AjTelemetryLoader *l, double t)
{
	AjTelemetrySample *s;

	if (l->n == l->size)
	{
		int			old = l->size;

		/* both are in memory while the one is copied into the other */
		l->size = old ? old + (old < 1000000 ? old : old / 2) : 65536;
		aj_check_memory(((double) l->size + old) * sizeof(AjTelemetrySample), psprintf("%d samples of telemetry", l->size),
						"Load the series in parts of fewer years, or raise asyncjob.max_step_memory.");
		l->s = l->s ? repalloc_huge(l->s, sizeof(AjTelemetrySample) * (Size) l->size) :
			MemoryContextAllocHuge(CurrentMemoryContext, sizeof(AjTelemetrySample) * (Size) l->size);
	}
	s = &l->s[l->n];
	s->t = t;
	s->row = l->n++;
	for (int c = 0; c < AJ_CHANNELS; c++)
		s->v[c] = NAN;
	return s;
}

/* Unix time of seconds of local time, as of the zone's standard time if both fit. */
static double
zone_to_utc(const AjTelemetryLoader *l, double local)
{
	struct pg_tm tm;
	double		days = floor(local / 86400);
	int			second = (int) floor(local - days * 86400);
	int			y,
				m,
				d;

	ajk_date((int64) days, &y, &m, &d);
	tm.tm_year = y;
	tm.tm_mon = m;
	tm.tm_mday = d;
	tm.tm_hour = second / 3600;
	tm.tm_min = second / 60 % 60;
	tm.tm_sec = second % 60;
	tm.tm_isdst = -1;
	return local + DetermineTimeZoneOffset(&tm, l->zone);
}

/* The clock of the zone at a Unix time, as seconds. */
static double
utc_to_zone(const AjTelemetryLoader *l, double t)
{
	pg_time_t	s = (pg_time_t) floor(t);
	struct pg_tm *tm = pg_localtime(&s, l->zone);

	return t + tm->tm_gmtoff;
}

/*
 * Seconds of local time in the zone given to Unix time.  In autumn an hour of
 * the clock comes twice: which one it is the sample before tells, in the
 * direction in which the source goes.
 */
static double
local_to_utc(AjTelemetryLoader *l, double local)
{
	double		t = zone_to_utc(l, local);
	double		last = l->last_utc;
	double		best = t;

	for (int i = 0; l->n > 0 && i < 4; i++)
	{
		double		other = t + (i < 2 ? 1800 : 3600) * (i % 2 ? 1 : -1);

		if (fabs(utc_to_zone(l, other) - local) > 1e-3)
			continue;
		/* the same time again is less likely than the other hour */
		if (best == last || (other != last && (fabs(other - last) < fabs(best - last) ||
											   (fabs(other - last) == fabs(best - last) && (other > best) == l->ascending))))
			best = other;
	}
	if (best != last)
		l->ascending = best > last;
	l->last_utc = best;
	return best;
}

static AJ_NORETURN void
no_zone(const AjTelemetryLoader *l)
{
	aj_telemetry_refuse(l, "time_zone_missing", "its times carry no offset from UTC", NULL,
						"Give the option \"timezone\", a name such as UTC or Europe/Berlin.");
}

/* A number of seconds: since 1970, or since the start given. */
static double
seconds_to_utc(const AjTelemetryLoader *l, double v)
{
	if (!isnan(l->start_s))
		return l->start_s + v;
	/* milliseconds since 1970 are beyond any number of seconds */
	if (v > 1e11 && v < 1e14)
		return v / 1000;
	if (v < 1e8)
		aj_telemetry_refuse(l, "time_zone_missing", psprintf("its times begin with %.15g, which is no date", v), NULL,
							"Give the option \"start_at\", the time to which seconds are added, such as 2024-01-01T00:00:00Z.");
	return v;
}

static void
read_csv(AjTelemetryLoader *l, text *csv_text)
{
	AjkCsv		csv;
	int			channel[AJK_CSV_FIELDS];
	int			columns;
	int			time_column = -1;
	int			seen[AJ_CHANNELS];
	bool		found[AJ_CHANNELS + 1];

	ajk_csv_open(&csv, VARDATA_ANY(csv_text), VARSIZE_ANY_EXHDR(csv_text));
	if (!ajk_csv_next(&csv))
		aj_telemetry_refuse(l, "telemetry_columns", "it is empty", NULL, "Give a line of column names and one line a sample.");
	columns = csv.n;
	for (int c = 0; c < AJ_CHANNELS; c++)
		seen[c] = -1;
	for (int i = 0; i < columns; i++)
	{
		int			first;

		channel[i] = channel_of(l, pnstrdup(csv.field[i].s, csv.field[i].len));
		if (channel[i] == UNKNOWN_COLUMN)
			continue;
		first = channel[i] < 0 ? time_column : seen[channel[i]];
		if (first >= 0)
			two_columns(l, channel[i], pnstrdup(csv.field[first].s, csv.field[first].len), pnstrdup(csv.field[i].s, csv.field[i].len));
		if (channel[i] < 0)
			time_column = i;
		else
		{
			seen[channel[i]] = i;
			l->has[channel[i]] = true;
		}
	}
	found[0] = time_column >= 0;
	for (int c = 0; c < AJ_CHANNELS; c++)
		found[c + 1] = l->has[c];
	check_columns(l, found);
	if (time_column < 0)
		aj_telemetry_refuse(l, "telemetry_columns", "no column is a time", NULL,
							"Name it time in the first line, or give {\"columns\": {\"time\": \"its name\"}}.");
	while (ajk_csv_next(&csv))
	{
		const AjkCsvField *f;
		double		t;
		bool		zoned;
		AjTelemetrySample *s;

		if (csv.n <= time_column)
			aj_telemetry_refuse(l, "telemetry_invalid", psprintf("line %d has %d fields", csv.line, csv.n), NULL,
								"Give every line as many fields as the first.");
		f = &csv.field[time_column];
		if (ajk_csv_number(f, &t))
			t = seconds_to_utc(l, t);
		else if (ajk_csv_time(f, &t, &zoned))
		{
			if (!zoned)
			{
				if (l->zone == NULL)
					no_zone(l);
				t = local_to_utc(l, t);
			}
		}
		else
			aj_telemetry_refuse(l, "telemetry_invalid", psprintf("line %d: \"%s\" is not a time", csv.line, pnstrdup(f->s, Min(f->len, 40))),
								NULL, "Write times as 2024-05-31T13:30:00Z or as a number of seconds.");
		s = new_sample(l, t);
		for (int i = 0; i < columns && i < csv.n; i++)
		{
			double		v;

			if (channel[i] < 0 || csv.field[i].len == 0)
				continue;
			if (ajk_csv_number(&csv.field[i], &v))
				s->v[channel[i]] = v;
			else if (pg_strncasecmp(csv.field[i].s, "nan", csv.field[i].len) != 0 &&
					 pg_strncasecmp(csv.field[i].s, "null", csv.field[i].len) != 0)
				aj_telemetry_refuse(l, "telemetry_invalid", psprintf("line %d: \"%s\" is not a number", csv.line,
																	 pnstrdup(csv.field[i].s, Min(csv.field[i].len, 40))),
									NULL, memchr(csv.field[i].s, ',', csv.field[i].len) ? "Write decimals with a point." :
									"Leave the field empty where a value is not known.");
		}
		if (l->n % 4096 == 0)
			CHECK_FOR_INTERRUPTS();
	}
}

/* Read a relation through its columns, as the caller. */
static void
read_table(AjTelemetryLoader *l, Oid relid)
{
	char	   *relation = get_rel_name(relid);
	StringInfoData sql;
	char	   *qualified;
	int			channel[AJ_CHANNELS];
	int			n = 0;
	bool		naive = false;
	bool		number = false;
	bool		have_time = false;
	bool		found[AJ_CHANNELS + 1];
	int			from[AJ_CHANNELS + 1];
	Portal		cursor;
	StringInfoData list;
	TupleDesc	td;

	if (relation == NULL)
		aj_telemetry_refuse(l, "telemetry_columns", "the source does not exist", NULL, "Name a table or view.");
	qualified = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), relation);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute(psprintf("SELECT * FROM %s LIMIT 0", qualified), true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read %s", qualified);
	td = SPI_tuptable->tupdesc;
	initStringInfo(&sql);
	initStringInfo(&list);
	for (int i = 0; i < td->natts; i++)
	{
		Form_pg_attribute a = TupleDescAttr(td, i);
		int			c = channel_of(l, NameStr(a->attname));
		const char *column = quote_identifier(NameStr(a->attname));

		if (c == UNKNOWN_COLUMN)
			continue;
		if (c < 0 ? have_time : l->has[c])
			two_columns(l, c, NameStr(TupleDescAttr(td, from[c + 1])->attname), NameStr(a->attname));
		from[c + 1] = i;
		if (TypeCategory(a->atttypid) != TYPCATEGORY_NUMERIC &&
			(c >= 0 || (a->atttypid != TIMESTAMPTZOID && a->atttypid != TIMESTAMPOID && a->atttypid != DATEOID)))
			aj_telemetry_refuse(l, "telemetry_columns", psprintf("column \"%s\" is of type %s", NameStr(a->attname), format_type_be(a->atttypid)),
								c < 0 ? "A time is of type timestamptz, timestamp, date, or a number of seconds." : "A channel is a number.",
								"Cast it in a view and load that, or leave it out there.");
		if (c == -1)
		{
			have_time = true;
			naive = a->atttypid == TIMESTAMPOID || a->atttypid == DATEOID;
			number = !naive && a->atttypid != TIMESTAMPTZOID;
			if (naive && l->zone == NULL)
				no_zone(l);
			appendStringInfo(&sql, number ? "SELECT %s::pg_catalog.float8" :
							 naive ? "SELECT extract(epoch FROM %s::pg_catalog.timestamp)::pg_catalog.float8" :
							 "SELECT extract(epoch FROM %s)::pg_catalog.float8", column);
		}
		else
		{
			l->has[c] = true;
			channel[n++] = c;
			appendStringInfo(&list, ", %s::pg_catalog.float8", column);
		}
	}
	found[0] = have_time;
	for (int c = 0; c < AJ_CHANNELS; c++)
		found[c + 1] = l->has[c];
	check_columns(l, found);
	if (!have_time)
		aj_telemetry_refuse(l, "telemetry_columns", "no column is a time", NULL,
							"Name it time, or give {\"columns\": {\"time\": \"its name\"}}.");
	appendStringInfo(&sql, "%s FROM %s", list.data, qualified);
	cursor = SPI_cursor_open_with_args(NULL, sql.data, 0, NULL, NULL, NULL, true, 0);
	for (;;)
	{
		SPI_cursor_fetch(cursor, true, 5000);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			bool		isnull;
			double		t = DatumGetFloat8(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
			AjTelemetrySample *s;

			if (isnull || !isfinite(t))
				aj_telemetry_refuse(l, "telemetry_invalid", "a row has no time", NULL, "Leave such rows out by a view.");
			s = new_sample(l, number ? seconds_to_utc(l, t) : naive ? local_to_utc(l, t) : t);
			for (int c = 0; c < n; c++)
			{
				double		v = DatumGetFloat8(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, c + 2, &isnull));

				if (!isnull && isfinite(v))
					s->v[channel[c]] = v;
			}
		}
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_cursor_close(cursor);
}

/* ---- writing ---- */

static Datum
array_of(const AjTelemetryLoader *l, int channel, int from, int n, bool wide)
{
	Datum	   *d = palloc(sizeof(Datum) * n);

	for (int i = 0; i < n; i++)
	{
		double		v = channel < 0 ? l->s[from + i].t : l->s[from + i].v[channel];

		d[i] = wide ? Float8GetDatum(v) : Float4GetDatum((float) v);
	}
	return PointerGetDatum(wide ? construct_array(d, n, FLOAT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE) :
						   construct_array(d, n, FLOAT4OID, 4, true, TYPALIGN_INT));
}

static void
write_series(const AjTelemetryLoader *l)
{
	Oid			head_types[8] = {TEXTOID, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID, INT4OID, INT4OID, TEXTOID};
	Datum		head[8];
	char		nulls[9] = "        ";
	Oid			types[12] = {INT8OID, INT4OID, FLOAT8ARRAYOID, FLOAT8ARRAYOID, FLOAT4ARRAYOID, FLOAT4ARRAYOID,
	FLOAT4ARRAYOID, FLOAT4ARRAYOID, FLOAT4ARRAYOID, FLOAT4ARRAYOID, FLOAT4ARRAYOID, FLOAT4ARRAYOID};
	SPIPlanPtr	put;
	Datum		id;
	bool		isnull;
	MemoryContext block = AllocSetContextCreate(CurrentMemoryContext, "telemetry block", ALLOCSET_DEFAULT_SIZES);

	head[0] = CStringGetTextDatum(l->name);
	head[1] = Int32GetDatum(l->n);
	head[2] = TimestampTzGetDatum((TimestampTz) rint((l->s[0].t - UNIX_TO_PG_S) * 1e6));
	head[3] = TimestampTzGetDatum((TimestampTz) rint((l->s[l->n - 1].t - UNIX_TO_PG_S) * 1e6));
	head[4] = Int32GetDatum(l->duplicates);
	head[5] = Int32GetDatum(l->conflicts);
	head[6] = Int32GetDatum(l->unsorted);
	head[7] = l->source ? CStringGetTextDatum(l->source) : (Datum) 0;
	nulls[7] = l->source ? ' ' : 'n';
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute_with_args("DELETE FROM asyncjob.telemetry WHERE name OPERATOR(pg_catalog.=) $1"
							  " AND owner OPERATOR(pg_catalog.=) current_user", 1, head_types, head, NULL, false, 0) != SPI_OK_DELETE ||
		SPI_execute_with_args("INSERT INTO asyncjob.telemetry (name, samples, first_at, last_at, duplicates, conflicts, unsorted, source)"
							  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING telemetry_id",
							  8, head_types, head, nulls, false, 0) != SPI_OK_INSERT_RETURNING)
		elog(ERROR, "could not store the telemetry");
	id = Int64GetDatum(DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull)));
	put = SPI_prepare("INSERT INTO asyncjob.telemetry_block (telemetry_id, block_no, at_s, soc, current_a, voltage_v, temp_c,"
					  " cell_min_v, cell_max_v, pv_w, load_w, generator_w)"
					  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)", 12, types);
	for (int from = 0, no = 0; from < l->n; from += BLOCK, no++)
	{
		int			n = Min(BLOCK, l->n - from);
		Datum		v[12];
		char		null[13] = "            ";
		MemoryContext old = MemoryContextSwitchTo(block);

		v[0] = id;
		v[1] = Int32GetDatum(no);
		v[2] = array_of(l, -1, from, n, true);
		for (int c = 0; c < AJ_CHANNELS; c++)
		{
			v[3 + c] = l->has[c] ? array_of(l, c, from, n, c == AJ_CH_SOC) : (Datum) 0;
			null[3 + c] = l->has[c] ? ' ' : 'n';
		}
		MemoryContextSwitchTo(old);
		if (SPI_execute_plan(put, v, null, false, 0) != SPI_OK_INSERT)
			elog(ERROR, "could not store the telemetry");
		MemoryContextReset(block);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_finish();
}

static Jsonb *
summary(const AjTelemetryLoader *l)
{
	StringInfoData b;
	bool		first = true;

	initStringInfo(&b);
	appendStringInfoString(&b, "{\"name\":");
	aj_json_string(&b, l->name);
	appendStringInfo(&b, ",\"samples\":%d,\"first_at\":\"%s\",\"last_at\":\"%s\",\"duplicates\":%d,\"conflicts\":%d,\"unsorted\":%d,\"channels\":{",
					 l->n, aj_telemetry_time_text(l->s[0].t), aj_telemetry_time_text(l->s[l->n - 1].t), l->duplicates, l->conflicts, l->unsorted);
	for (int c = 0; c < AJ_CHANNELS; c++)
	{
		int			known = 0;

		if (!l->has[c])
			continue;
		for (int i = 0; i < l->n; i++)
			known += !isnan(l->s[i].v[c]);
		appendStringInfo(&b, "%s\"%s\":%d", first ? "" : ",", aj_channel_name[c], known);
		first = false;
	}
	appendStringInfoString(&b, "}}");
	return aj_jsonb_from_text(b.data);
}

static void
begin(AjTelemetryLoader *l, FunctionCallInfo fcinfo, const char *second)
{
	memset(l, 0, sizeof(*l));
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		aj_step_error(AJ_ERRCODE_VALIDATION, "parameter_missing",
					  psprintf("%s is null", PG_ARGISNULL(0) ? "name" : second), NULL,
					  "Give a name of 1 to 200 characters, and the telemetry.");
	l->name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (l->name[0] == '\0' || strlen(l->name) > 200)
		aj_step_error(AJ_ERRCODE_VALIDATION, "parameter_missing",
					  "name is empty or longer than 200 characters", NULL,
					  "Give a name of 1 to 200 characters.");
	read_options(l, PG_ARGISNULL(2) ? aj_jsonb_from_text("{}") : PG_GETARG_JSONB_P(2));
}

static Datum
finish(AjTelemetryLoader *l)
{
	bool		any = false;

	for (int c = 0; c < AJ_CHANNELS; c++)
		any = any || l->has[c];
	if (!l->has[AJ_CH_SOC] && !l->has[AJ_CH_CURRENT])
		aj_telemetry_refuse(l, "telemetry_columns", any ? "there is neither soc nor current_a" : "no column is a channel", NULL,
							"Name columns soc, current_a, voltage_v, temp_c, ..., or map them with the option \"columns\".");
	aj_telemetry_order(l);
	aj_telemetry_units(l);
	write_series(l);
	return JsonbPGetDatum(summary(l));
}

/*
 * load_telemetry(name text, csv text, options jsonb) returns jsonb
 */
Datum
aj_load_telemetry(PG_FUNCTION_ARGS)
{
	AjTelemetryLoader l;

	begin(&l, fcinfo, "csv");
	read_csv(&l, PG_GETARG_TEXT_PP(1));
	PG_RETURN_DATUM(finish(&l));
}

/*
 * load_telemetry_from(name text, source regclass, options jsonb) returns jsonb
 */
Datum
aj_load_telemetry_from(PG_FUNCTION_ARGS)
{
	AjTelemetryLoader l;
	MemoryContext context = CurrentMemoryContext;

	begin(&l, fcinfo, "source");
	/* samples outlive the SPI connection they are read by */
	l.size = 65536;
	l.s = MemoryContextAllocHuge(context, sizeof(AjTelemetrySample) * (Size) l.size);
	read_table(&l, PG_GETARG_OID(1));
	SPI_finish();
	PG_RETURN_DATUM(finish(&l));
}
