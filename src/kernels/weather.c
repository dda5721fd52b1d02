/*-------------------------------------------------------------------------
 *
 * weather.c
 *		A year of weather at a place, from the files it comes in.
 *
 * The formats differ in where the place stands, what the columns are called
 * and which part of its interval a time names; the rest is one reader.  The
 * line of column names is the first one that names two known columns; EPW has
 * none and is told by its first word.
 *
 * Nothing is filled in.  What can be computed exactly from the rest is (one of
 * global, beam and diffuse from the other two), and global irradiance alone is
 * split by the correlation of Erbs; flags say so.  A missing value, a gap, an
 * implausible unit, or irradiance at night refuses the file.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "weather.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "solar.h"
#include "spa.h"

/* A year without leap day whose equinox is near the mean of four years */
#define TYPICAL_YEAR 2018

typedef enum Column
{
	COL_TIME, COL_DATE, COL_CLOCK, COL_YEAR, COL_MONTH, COL_DAY, COL_HOUR,
	COL_MINUTE, COL_GHI, COL_DNI, COL_DHI, COL_AIR, COL_WIND, COL_ALBEDO,
	COLUMNS
} Column;

#define FIRST_VALUE COL_GHI

/* Names as ajk_csv_key makes them; a * matches what follows. */
static const struct
{
	Column		column;
	const char *name;
}			names[] =

{
	{COL_TIME, "time"}, {COL_TIME, "timeutc"}, {COL_TIME, "timestamp"},
	{COL_TIME, "datetime"}, {COL_TIME, "at"},
	{COL_DATE, "date"}, {COL_DATE, "datemmddyyyy"},
	{COL_CLOCK, "timehhmm"}, {COL_CLOCK, "hhmm"},
	{COL_YEAR, "year"}, {COL_MONTH, "month"}, {COL_DAY, "day"},
	{COL_HOUR, "hour"}, {COL_MINUTE, "minute"},
	{COL_GHI, "ghi"}, {COL_GHI, "ghiwm2"}, {COL_GHI, "gh"}, {COL_GHI, "globalhorizontal*"},
	{COL_DNI, "dni"}, {COL_DNI, "dniwm2"}, {COL_DNI, "gbn"}, {COL_DNI, "beamirradiance*"},
	{COL_DNI, "beamnormal*"}, {COL_DNI, "directnormal*"}, {COL_DNI, "beam"},
	{COL_DHI, "dhi"}, {COL_DHI, "dhiwm2"}, {COL_DHI, "gdh"}, {COL_DHI, "diffuse*"},
	{COL_AIR, "temperature"}, {COL_AIR, "temperaturec"}, {COL_AIR, "ambienttemperature*"},
	{COL_AIR, "airtemperature*"}, {COL_AIR, "drybulb*"}, {COL_AIR, "t2m"}, {COL_AIR, "tdry"},
	{COL_AIR, "tempair*"}, {COL_AIR, "airc"}, {COL_AIR, "tempc"}, {COL_AIR, "temp"},
	{COL_WIND, "windspeed*"}, {COL_WIND, "wspd*"}, {COL_WIND, "ws10m"}, {COL_WIND, "windms"}, {COL_WIND, "wind"},
	{COL_ALBEDO, "albedo"}, {COL_ALBEDO, "surfacealbedo"}, {COL_ALBEDO, "albunitless"}, {COL_ALBEDO, "alb"}
};

/* EPW has its columns in fixed places, counted from 0. */
static const int epw_columns[COLUMNS] = {
	[COL_TIME] = -1,[COL_DATE] = -1,[COL_CLOCK] = -1,
	[COL_YEAR] = 0,[COL_MONTH] = 1,[COL_DAY] = 2,[COL_HOUR] = 3,[COL_MINUTE] = -1,
	[COL_GHI] = 13,[COL_DNI] = 14,[COL_DHI] = 15,[COL_AIR] = 6,[COL_WIND] = 21,
	[COL_ALBEDO] = -1
};

typedef struct Reader
{
	AjkWeather *w;
	AjkCsvFault *fault;
	int			column[COLUMNS];	/* field of each, or -1 */
	AjkStamp	stamp;
	int			size;			/* of the arrays */
	double	   *t;				/* as written, seconds */
	float	   *value[COLUMNS];
	bool		zoned;			/* times carry an offset */
	bool		yearless;
	bool		clock_from_one; /* hours 1..24 */
} Reader;

static AjkError
			fault(AjkCsvFault *f, int line, const char *code, const char *format,...)
			__attribute__((format(printf, 4, 5)));

static AjkError
fault(AjkCsvFault *f, int line, const char *code, const char *format,...)
{
	va_list		ap;

	f->line = line;
	f->code = code;
	va_start(ap, format);
	vsnprintf(f->what, sizeof(f->what), format, ap);
	va_end(ap);
	return AJK_SYNTAX;
}

void
ajk_weather_free(AjkWeather *w)
{
	free(w->ghi);
	free(w->dni);
	free(w->dhi);
	free(w->air_c);
	free(w->wind_m_s);
	free(w->albedo);
	memset(w, 0, sizeof(*w));
}

/* ---- header ---- */

static Column
column_of(const char *key)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		size_t		len = strlen(names[i].name);

		if (names[i].name[len - 1] == '*' ?
			strncmp(key, names[i].name, len - 1) == 0 :
			strcmp(key, names[i].name) == 0)
			return names[i].column;
	}
	return COLUMNS;
}

/* Take a line as the names of columns if two of them are known. */
static bool
column_names(Reader *r, const AjkCsv *csv)
{
	int			values = 0;
	bool		dated = false;

	for (int c = 0; c < COLUMNS; c++)
		r->column[c] = -1;
	for (int i = 0; i < csv->n; i++)
	{
		char		key[AJK_CSV_KEY];
		Column		c;

		ajk_csv_key(&csv->field[i], key);
		c = column_of(key);
		if (c == COLUMNS || r->column[c] >= 0)
			continue;
		r->column[c] = i;
		values += c >= FIRST_VALUE;
		dated = dated || c < FIRST_VALUE;
	}
	return values >= 2 && dated;
}

static void
place(double *to, const AjkCsvField *f)
{
	double		v;

	if (isnan(*to) && ajk_csv_number(f, &v))
		*to = v;
}

/* "39.73, -105.18" as PVWatts and "Latitude: 39.7" as PVGIS write */
static void
place_line(AjkWeather *w, const AjkCsv *csv)
{
	char		key[AJK_CSV_KEY];
	AjkCsvField rest;
	const char *colon;

	/* "Latitude (decimal degrees): 45.1", all in one field */
	ajk_csv_key(&csv->field[0], key);
	colon = memchr(csv->field[0].s, ':', csv->field[0].len);
	if (colon && colon + 1 < csv->field[0].s + csv->field[0].len)
	{
		rest.s = colon + 1;
		while (rest.s < csv->field[0].s + csv->field[0].len && *rest.s == ' ')
			rest.s++;
		rest.len = (int) (csv->field[0].s + csv->field[0].len - rest.s);
		if (strncmp(key, "latitude", 8) == 0)
			place(&w->latitude, &rest);
		else if (strncmp(key, "longitude", 9) == 0)
			place(&w->longitude, &rest);
		else if (strncmp(key, "elevation", 9) == 0)
			place(&w->elevation_m, &rest);
	}
	if (csv->n < 2)
		return;
	if (strcmp(key, "latdegn") == 0 || strcmp(key, "latitude") == 0)
		place(&w->latitude, &csv->field[1]);
	else if (strcmp(key, "longdege") == 0 || strcmp(key, "longitude") == 0)
		place(&w->longitude, &csv->field[1]);
	else if (strcmp(key, "longdegw") == 0)
	{
		double		v;

		/* says west, written positive */
		if (isnan(w->longitude) && ajk_csv_number(&csv->field[1], &v))
			w->longitude = -fabs(v);
	}
	else if (strcmp(key, "elevm") == 0 || strcmp(key, "elevation") == 0)
		place(&w->elevation_m, &csv->field[1]);
}

/* NSRDB and SAM: a line of names and below it one of values. */
static void
place_table(AjkWeather *w, const AjkCsv *head, const AjkCsv *below)
{
	for (int i = 0; i < head->n && i < below->n; i++)
	{
		char		key[AJK_CSV_KEY];

		ajk_csv_key(&head->field[i], key);
		if (strcmp(key, "latitude") == 0 || strcmp(key, "lat") == 0)
			place(&w->latitude, &below->field[i]);
		else if (strcmp(key, "longitude") == 0 || strcmp(key, "lon") == 0)
			place(&w->longitude, &below->field[i]);
		else if (strcmp(key, "elevation") == 0 || strcmp(key, "elev") == 0)
			place(&w->elevation_m, &below->field[i]);
		else if (strcmp(key, "localtimezone") == 0 || strcmp(key, "timezone") == 0 ||
				 strcmp(key, "tz") == 0)
			place(&w->utc_offset_h, &below->field[i]);
	}
}

static bool
field_is(const AjkCsvField *f, const char *word)
{
	return f->len == (int) strlen(word) && memcmp(f->s, word, f->len) == 0;
}

static AjkError
read_header(Reader *r, AjkCsv *csv)
{
	AjkWeather *w = r->w;
	AjkCsv		last;
	bool		first = true;

	last.n = 0;
	w->format = "table";
	while (ajk_csv_next(csv))
	{
		if (first && csv->n >= 10 && field_is(&csv->field[0], "LOCATION"))
		{
			w->format = "epw";
			place(&w->latitude, &csv->field[6]);
			place(&w->longitude, &csv->field[7]);
			place(&w->utc_offset_h, &csv->field[8]);
			place(&w->elevation_m, &csv->field[9]);
			while (ajk_csv_next(csv))
				if (field_is(&csv->field[0], "DATA PERIODS"))
				{
					memcpy(r->column, epw_columns, sizeof(r->column));
					if (r->stamp == AJK_STAMP_DEFAULT)
						r->stamp = AJK_STAMP_END;
					r->clock_from_one = true;
					return AJK_OK;
				}
			return fault(r->fault, csv->line, "weather_invalid",
						 "the line DATA PERIODS is missing");
		}
		/* TMY3 begins with station, "name", state, zone, lat, lon, height */
		if (first && csv->n == 7)
		{
			double		v;

			if (ajk_csv_number(&csv->field[4], &v) && ajk_csv_number(&csv->field[5], &v) &&
				ajk_csv_number(&csv->field[3], &v))
			{
				w->format = "tmy3";
				place(&w->utc_offset_h, &csv->field[3]);
				place(&w->latitude, &csv->field[4]);
				place(&w->longitude, &csv->field[5]);
				place(&w->elevation_m, &csv->field[6]);
			}
		}
		first = false;
		if (column_names(r, csv))
		{
			char		key[AJK_CSV_KEY] = "";

			if (r->column[COL_DATE] >= 0 && r->column[COL_CLOCK] >= 0)
			{
				if (r->stamp == AJK_STAMP_DEFAULT)
					r->stamp = AJK_STAMP_END;
			}
			else if (r->column[COL_YEAR] >= 0 && r->column[COL_MINUTE] >= 0)
			{
				/* half past: the middle of an hour; on the hour: its start */
				w->format = "nsrdb";
				if (r->stamp == AJK_STAMP_DEFAULT)
					r->stamp = AJK_STAMP_MIDDLE;
			}
			else if (r->column[COL_MONTH] >= 0 && r->column[COL_YEAR] < 0)
			{
				w->format = "pvwatts";
				if (r->stamp == AJK_STAMP_DEFAULT)
					r->stamp = AJK_STAMP_START;
			}
			if (r->column[COL_TIME] >= 0)
				ajk_csv_key(&csv->field[r->column[COL_TIME]], key);
			if (strcmp(key, "timeutc") == 0)
			{
				w->format = "pvgis";
				if (isnan(w->utc_offset_h))
					w->utc_offset_h = 0;
				if (r->stamp == AJK_STAMP_DEFAULT)
					r->stamp = AJK_STAMP_MIDDLE;
			}
			if (r->stamp == AJK_STAMP_DEFAULT)
				r->stamp = AJK_STAMP_START;
			return AJK_OK;
		}
		place_line(w, csv);
		if (last.n > 3)
			place_table(w, &last, csv);
		last = *csv;
		if (csv->line > 100)
			break;
	}
	return fault(r->fault, 0, "weather_columns",
				 "no line names a time column and at least two of ghi, dni, dhi, temperature, wind speed");
}

/* ---- rows ---- */

static bool
whole(const Reader *r, const AjkCsv *csv, Column c, int low, int high, int *v)
{
	double		d;

	if (r->column[c] < 0)
		return true;
	if (!ajk_csv_number(&csv->field[r->column[c]], &d) || d != floor(d) ||
		d < low || d > high)
		return false;
	*v = (int) d;
	return true;
}

/* MM/DD/YYYY and HH:MM of TMY3 */
static bool
us_date(const AjkCsvField *date, const AjkCsvField *clock, double *t)
{
	int			m,
				d,
				y,
				hh,
				mm;
	char		buf[40];

	if (date->len + clock->len + 2 > (int) sizeof(buf))
		return false;
	snprintf(buf, sizeof(buf), "%.*s %.*s", date->len, date->s, clock->len, clock->s);
	if (sscanf(buf, "%2d/%2d/%4d %2d:%2d", &m, &d, &y, &hh, &mm) != 5 ||
		m < 1 || m > 12 || d < 1 || d > 31 || hh < 0 || hh > 24 || mm < 0 || mm > 59)
		return false;
	*t = ajk_days(y, m, d) * 86400.0 + hh * 3600.0 + mm * 60.0;
	return true;
}

static AjkError
read_time(Reader *r, const AjkCsv *csv, double *t)
{
	int			year = TYPICAL_YEAR;
	int			month = 1;
	int			day = 1;
	int			hour = 0;
	int			minute = 0;

	if (r->column[COL_TIME] >= 0)
	{
		const AjkCsvField *f = &csv->field[r->column[COL_TIME]];
		bool		zoned;

		if (!ajk_csv_time(f, t, &zoned))
			return fault(r->fault, csv->line, "weather_invalid",
						 "\"%.*s\" is not a time; write 2024-05-31 13:00",
						 f->len > 40 ? 40 : f->len, f->s);
		if (r->w->n > 0 && zoned != r->zoned)
			return fault(r->fault, csv->line, "weather_invalid",
						 "some times have an offset from UTC and some do not");
		r->zoned = zoned;
		return AJK_OK;
	}
	if (r->column[COL_DATE] >= 0 && r->column[COL_CLOCK] >= 0)
	{
		if (!us_date(&csv->field[r->column[COL_DATE]],
					 &csv->field[r->column[COL_CLOCK]], t))
			return fault(r->fault, csv->line, "weather_invalid",
						 "date and time are not MM/DD/YYYY and HH:MM");
		return AJK_OK;
	}
	if (r->column[COL_MONTH] < 0 || r->column[COL_DAY] < 0 || r->column[COL_HOUR] < 0)
		return fault(r->fault, csv->line, "weather_columns",
					 "there is neither a time column nor month, day and hour");
	if (!whole(r, csv, COL_YEAR, 1900, 2150, &year) ||
		!whole(r, csv, COL_MONTH, 1, 12, &month) ||
		!whole(r, csv, COL_DAY, 1, 31, &day) ||
		!whole(r, csv, COL_HOUR, 0, 24, &hour) ||
		!whole(r, csv, COL_MINUTE, 0, 59, &minute))
		return fault(r->fault, csv->line, "weather_invalid",
					 "year, month, day, hour or minute is not a whole number in its range");
	r->yearless = r->column[COL_YEAR] < 0;
	*t = ajk_days(year, month, day) * 86400.0 + hour * 3600.0 + minute * 60.0;
	return AJK_OK;
}

static bool
grow(Reader *r)
{
	int			size = r->size ? r->size * 2 : 16384;
	double	   *t = realloc(r->t, size * sizeof(double));

	if (t == NULL)
		return false;
	r->t = t;
	for (int c = FIRST_VALUE; c < COLUMNS; c++)
	{
		float	   *v;

		if (r->column[c] < 0)
			continue;
		v = realloc(r->value[c], size * sizeof(float));
		if (v == NULL)
			return false;
		r->value[c] = v;
	}
	r->size = size;
	return true;
}

static AjkError
check_value(Reader *r, int line, Column c, double *v)
{
	static const struct
	{
		const char *name;
		double		low;
		double		high;
		const char *unit;
	}			range[COLUMNS] =
	{
		[COL_GHI] = {"global horizontal irradiance", -20, 1800, "W/m2"},
		[COL_DNI] = {"direct normal irradiance", -20, 1500, "W/m2"},
		[COL_DHI] = {"diffuse irradiance", -20, 1200, "W/m2"},
		[COL_AIR] = {"air temperature", -80, 65, "degrees C"},
		[COL_WIND] = {"wind speed", 0, 100, "m/s"},
		[COL_ALBEDO] = {"albedo", -INFINITY, INFINITY, ""}
	};

	if (c == COL_ALBEDO)
	{
		/* 0 and sentinels: not known in this hour */
		if (*v <= 0 || *v > 1)
			*v = NAN;
		return AJK_OK;
	}
	if (*v < range[c].low || *v > range[c].high)
		return fault(r->fault, line,
					 *v <= -999 || *v >= 9990 || (c == COL_AIR && *v == 99.9) ?
					 "weather_gaps" : "unit_or_range",
					 "%s is %.6g, allowed is %.6g to %.6g %s",
					 range[c].name, *v, range[c].low, range[c].high, range[c].unit);
	if (*v < 0 && c != COL_AIR)
		*v = 0;					/* a pyranometer's offset at night */
	return AJK_OK;
}

static AjkError
read_rows(Reader *r, AjkCsv *csv)
{
	AjkWeather *w = r->w;

	while (ajk_csv_next(csv))
	{
		double		v;
		int			year,
					month,
					day;

		/* PVGIS ends with notes, SAM has a line of units below the names */
		if (!ajk_csv_number(&csv->field[0], &v) &&
			(csv->field[0].len == 0 || csv->field[0].s[0] < '0' || csv->field[0].s[0] > '9'))
		{
			if (w->n == 0)
				continue;
			break;
		}
		for (int c = 0; c < COLUMNS; c++)
			if (r->column[c] >= csv->n)
				return fault(r->fault, csv->line, "weather_invalid",
							 "the line has %d fields, too few for the columns",
							 csv->n);
		if (w->n == r->size && !grow(r))
			return AJK_NOMEM;
		{
			AjkError	rc = read_time(r, csv, &r->t[w->n]);

			if (rc != AJK_OK)
				return rc;
		}
		/* a typical year has no leap day */
		ajk_date((int64_t) floor((r->t[w->n] - (r->stamp == AJK_STAMP_END ? 1 : 0)) / 86400),
				 &year, &month, &day);
		if (r->yearless && month == 2 && day == 29)
			continue;
		for (int c = FIRST_VALUE; c < COLUMNS; c++)
		{
			AjkError	rc;

			if (r->column[c] < 0)
				continue;
			if (!ajk_csv_number(&csv->field[r->column[c]], &v))
			{
				if (c != COL_ALBEDO)
					return fault(r->fault, csv->line, "weather_gaps",
								 "column %d is \"%.*s\", not a number",
								 r->column[c] + 1,
								 csv->field[r->column[c]].len > 40 ? 40 : csv->field[r->column[c]].len,
								 csv->field[r->column[c]].s);
				v = NAN;
			}
			rc = check_value(r, csv->line, c, &v);
			if (rc != AJK_OK)
				return rc;
			r->value[c][w->n] = (float) v;
		}
		w->n++;
	}
	if (w->n < 24)
		return fault(r->fault, 0, "weather_gaps", "the file has %d rows of weather", w->n);
	return AJK_OK;
}

/* ---- time line ---- */

/*
 * Bring the times to one even line.  Months of a typical year come from
 * different years, so a step back or over more than 20 days makes it one.
 */
static AjkError
time_line(Reader *r, AjkCsvFault *f)
{
	AjkWeather *w = r->w;
	double		step = r->t[1] - r->t[0];
	bool		typical = r->yearless;

	for (int i = 1; i < w->n && !typical; i++)
		typical = r->t[i] < r->t[i - 1] || r->t[i] - r->t[i - 1] > 20 * 86400;
	if (!(step >= 60 && step <= 3600) || fmod(86400, step) != 0)
		return fault(f, 0, "weather_invalid",
					 "the first two rows are %.6g s apart; a series has steps of 1 to 60 minutes that divide a day",
					 step);
	if (typical)
	{
		w->flags |= AJK_WEATHER_TYPICAL_YEAR;
		for (int i = 0; i < w->n; i++)
		{
			int			y,
						m,
						d;
			double		shift = r->stamp == AJK_STAMP_END ? step / 2 : 0;
			int64_t		days = (int64_t) floor((r->t[i] - shift) / 86400);

			ajk_date(days, &y, &m, &d);
			if (m == 2 && d == 29)
				return fault(f, 0, "weather_invalid",
							 "a typical year has a 29th of February");
			r->t[i] += (ajk_days(TYPICAL_YEAR, m, d) - days) * 86400.0;
		}
	}
	for (int i = 1; i < w->n; i++)
		if (fabs(r->t[i] - r->t[i - 1] - step) > 1)
		{
			int			y,
						m,
						d;

			ajk_date((int64_t) floor(r->t[i - 1] / 86400), &y, &m, &d);
			return fault(f, 0, "weather_gaps",
						 "after %d rows, on %04d-%02d-%02d, the next row is %.6g s later, not %.6g s",
						 i, y, m, d, r->t[i] - r->t[i - 1], step);
		}
	w->interval_s = step;
	w->first_s = r->t[0];
	if (r->stamp == AJK_STAMP_MIDDLE && strcmp(w->format, "nsrdb") == 0 &&
		fmod(r->t[0], step) == 0)
		r->stamp = AJK_STAMP_START; /* files on the hour */
	if (r->stamp == AJK_STAMP_START)
		w->first_s += step / 2;
	else if (r->stamp == AJK_STAMP_END)
		w->first_s -= step / 2;
	if (!r->zoned)
	{
		if (isnan(w->utc_offset_h) && strcmp(w->format, "pvwatts") == 0)
			w->utc_offset_h = floor(w->longitude / 15 + 0.5);
		if (isnan(w->utc_offset_h))
			return fault(f, 0, "time_zone_missing",
						 "the times carry no offset from UTC and the file names none");
		w->first_s -= w->utc_offset_h * 3600;
	}
	else if (isnan(w->utc_offset_h))
		w->utc_offset_h = floor(w->longitude / 15 + 0.5);
	return AJK_OK;
}

/* ---- irradiance ---- */

static float *
new_column(int n)
{
	return malloc(n * sizeof(float));
}

/* Complete the three irradiances, and check the clock by them. */
static AjkError
irradiance(AjkWeather *w, AjkCsvFault *f)
{
	double	   *jd = malloc(w->n * sizeof(double));
	AjkSpaPosition *pos = malloc(w->n * sizeof(AjkSpaPosition));
	double	   *r_au = malloc(w->n * sizeof(double));
	AjkSpaSite	site = {w->latitude, w->longitude, w->elevation_m,
	ajk_standard_pressure(w->elevation_m), 12};
	AjkError	rc = AJK_NOMEM;
	double		total = 0;
	double		dark = 0;
	double		east = 0;
	double		west = 0;
	double		lag;
	double		largest = 0;

	if (!jd || !pos || !r_au)
		goto done;
	for (int i = 0; i < w->n; i++)
		jd[i] = AJK_JD_UNIX + (w->first_s + i * w->interval_s) / 86400;
	rc = ajk_spa_series(jd, w->n, &site, pos, r_au, NULL, NULL);
	if (rc != AJK_OK)
		goto done;
	rc = AJK_NOMEM;
	if (w->ghi && !w->dni)
	{
		bool		split = !w->dhi;

		if ((w->dni = new_column(w->n)) == NULL ||
			(split && (w->dhi = new_column(w->n)) == NULL))
			goto done;
		w->flags |= split ? AJK_WEATHER_SPLIT_DERIVED : AJK_WEATHER_GHI_DERIVED;
		for (int i = 0; i < w->n; i++)
		{
			double		cz = cos(AJK_DEG2RAD(pos[i].zenith_deg));
			double		extra = ajk_extraterrestrial(r_au[i]);

			if (split)
				w->dhi[i] = (float) ajk_erbs_dhi(w->ghi[i], pos[i].zenith_deg, extra);
			/* near the horizon the quotient means nothing */
			w->dni[i] = cz > 0.0523 ?
				(float) fmin(fmax((w->ghi[i] - w->dhi[i]) / cz, 0), extra) : 0;
		}
		if (!split)
			w->flags = (w->flags & ~AJK_WEATHER_GHI_DERIVED) | AJK_WEATHER_SPLIT_DERIVED;
	}
	else if (w->dni && !w->dhi && w->ghi)
	{
		if ((w->dhi = new_column(w->n)) == NULL)
			goto done;
		w->flags |= AJK_WEATHER_DHI_DERIVED;
		for (int i = 0; i < w->n; i++)
			w->dhi[i] = (float) fmax(w->ghi[i] - w->dni[i] *
									 fmax(cos(AJK_DEG2RAD(pos[i].zenith_deg)), 0), 0);
	}
	else if (w->dni && w->dhi && !w->ghi)
	{
		if ((w->ghi = new_column(w->n)) == NULL)
			goto done;
		w->flags |= AJK_WEATHER_GHI_DERIVED;
		for (int i = 0; i < w->n; i++)
			w->ghi[i] = (float) (w->dhi[i] + w->dni[i] *
								 fmax(cos(AJK_DEG2RAD(pos[i].zenith_deg)), 0));
	}
	else if (!w->ghi)
	{
		rc = fault(f, 0, "weather_columns",
				   "of the irradiances ghi, dni and dhi there must be ghi, or dni and dhi");
		goto done;
	}
	rc = AJK_OK;
	for (int i = 0; i < w->n; i++)
	{
		/* a computed global irradiance is none at night, whatever the clock */
		double		g = w->flags & AJK_WEATHER_GHI_DERIVED ?
		w->dni[i] + w->dhi[i] : w->ghi[i];

		total += g;
		west += g * sin(AJK_DEG2RAD(pos[i].hour_angle_deg));
		east += g * cos(AJK_DEG2RAD(pos[i].hour_angle_deg));
		dark += pos[i].zenith_deg > 93 ? g : 0;
		largest = fmax(largest, w->ghi[i]);
	}
	/* the mean hour angle of the light, hours after noon */
	lag = AJK_RAD2DEG(atan2(west, east)) / 15;
	if (largest < 20)
		rc = fault(f, 0, "unit_or_range",
				   "the largest global irradiance is %.4g; it must be in W/m2, not in kW/m2 or MJ/m2",
				   largest);
	else if (dark > 0.005 * total || fabs(lag) > 1.5)
		rc = fault(f, 0, "weather_time_zone",
				   "the irradiance is centred %.1f h %s solar noon, and %.1f %% of it falls while the sun is down; utc_offset_h is %.4g, %.1f would fit",
				   fabs(lag), lag < 0 ? "before" : "after",
				   100 * dark / total, w->utc_offset_h, w->utc_offset_h + lag);
done:
	free(jd);
	free(pos);
	free(r_au);
	return rc;
}

AjkError
ajk_weather_parse(const char *text, size_t len, const AjkWeatherOptions *opt,
				  AjkWeather *w, AjkCsvFault *f)
{
	AjkCsv		csv;
	Reader		r;
	AjkError	rc;

	memset(w, 0, sizeof(*w));
	memset(&r, 0, sizeof(r));
	memset(f, 0, sizeof(*f));
	r.w = w;
	r.fault = f;
	r.stamp = opt->stamp;
	w->latitude = opt->latitude;
	w->longitude = opt->longitude;
	w->elevation_m = opt->elevation_m;
	w->utc_offset_h = opt->utc_offset_h;
	ajk_csv_open(&csv, text, len);
	rc = read_header(&r, &csv);
	if (rc == AJK_OK)
		rc = read_rows(&r, &csv);
	w->ghi = r.value[COL_GHI];
	w->dni = r.value[COL_DNI];
	w->dhi = r.value[COL_DHI];
	w->air_c = r.value[COL_AIR];
	w->wind_m_s = r.value[COL_WIND];
	w->albedo = r.value[COL_ALBEDO];
	if (rc == AJK_OK && (isnan(w->latitude) || isnan(w->longitude)))
		rc = fault(f, 0, "weather_place_missing",
				   "the file does not say where it is from");
	if (rc == AJK_OK && (fabs(w->latitude) > 90 || fabs(w->longitude) > 180))
		rc = fault(f, 0, "coordinates_out_of_range",
				   "latitude %.6g, longitude %.6g", w->latitude, w->longitude);
	if (rc == AJK_OK && (!w->air_c || !w->wind_m_s))
		rc = fault(f, 0, "weather_columns", "there is no column of %s",
				   w->air_c ? "wind speed" : "air temperature");
	if (rc == AJK_OK && isnan(w->elevation_m))
		w->elevation_m = 0;
	if (rc == AJK_OK)
		rc = time_line(&r, f);
	if (rc == AJK_OK)
		rc = irradiance(w, f);
	free(r.t);
	if (rc != AJK_OK)
		ajk_weather_free(w);
	return rc;
}
