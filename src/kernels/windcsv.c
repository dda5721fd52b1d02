/*-------------------------------------------------------------------------
 *
 * windcsv.c
 *		Reads a measured series of wind from the text of a table.
 *
 * The first line names the columns; their order is free and others are
 * ignored.  Empty fields, "NaN", "NA" and "null", and numbers of -99 and
 * below or 9999 and above, which loggers write for a missing value, are
 * missing.  Time is ISO 8601 (without a zone: UTC) or seconds since 1970.
 * Numbers have a decimal point whatever the locale.
 *
 * Dates to days by the civil-calendar formula (era of 400 years), so no
 * library call depends on a time zone.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "windseries.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ascgrid.h"

#define MAX_FIELDS 256

/* Usual headings, in lower case */
static const char *const usual[AJK_WIND_COLUMNS][9] = {
	{"time", "timestamp", "date", "datetime", "date_time", "time_utc", "ts", NULL},
	{"speed_m_s", "speed", "ws_mps", "ws", "wind_speed", "windspeed", "wspd", "speed_mps", NULL},
	{"direction_deg", "direction", "wd_deg", "wd", "wind_direction", "winddirection", "wdir", NULL},
	{"speed_std_m_s", "ws_std_mps", "ws_std", "speed_std", "std", "sd", NULL},
	{"upper_speed_m_s", "upper_speed", "ws_upper", "ws2", NULL}
};

void
ajk_wind_series_free(AjkWindSeries *s)
{
	for (int c = 0; c < AJK_WIND_COLUMNS; c++)
		free(s->column[c]);
	memset(s, 0, sizeof(*s));
}

static AjkError
refuse(AjkCsvError *e, size_t line, const char *what, const char *field,
	   size_t len)
{
	e->line = line;
	e->what = what;
	snprintf(e->field, sizeof(e->field), "%.*s", (int) (len < 60 ? len : 60),
			 field);
	return AJK_SYNTAX;
}

/* Without blanks and quotes around it */
static void
trim(const char **s, size_t *len)
{
	while (*len > 0 && ((*s)[*len - 1] == ' ' || (*s)[*len - 1] == '\r' ||
						(*s)[*len - 1] == '\t' || (*s)[*len - 1] == '"'))
		(*len)--;
	while (*len > 0 && (**s == ' ' || **s == '"'))
	{
		(*s)++;
		(*len)--;
	}
}

/* Split a line; returns the number of fields, at most max. */
static int
split(const char *line, size_t len, char sep, const char **field,
	  size_t *flen, int max)
{
	int			n = 0;
	size_t		from = 0;

	for (size_t i = 0; i <= len; i++)
	{
		if (i < len && line[i] != sep)
			continue;
		if (n < max)
		{
			field[n] = line + from;
			flen[n] = i - from;
			trim(&field[n], &flen[n]);
			n++;
		}
		from = i + 1;
	}
	return n;
}

static bool
is_missing(const char *s, size_t len)
{
	static const char *const word[] = {"nan", "na", "n/a", "null", "-"};

	if (len == 0)
		return true;
	for (size_t i = 0; i < sizeof(word) / sizeof(word[0]); i++)
		if (strlen(word[i]) == len && strncasecmp(s, word[i], len) == 0)
			return true;
	return false;
}

/* Exactly n digits */
static bool
digits(const char **s, const char *end, int n, int *value)
{
	*value = 0;
	for (int i = 0; i < n; i++)
	{
		if (*s >= end || **s < '0' || **s > '9')
			return false;
		*value = *value * 10 + (*(*s)++ - '0');
	}
	return true;
}

/* Days from 1970-01-01 in the proleptic Gregorian calendar */
static double
days_from_civil(int y, int m, int d)
{
	int			era;
	int			yoe;
	int			doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097.0 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* yyyy-mm-dd[(T| )hh:mm[:ss[.f]][Z|+hh[[:]mm]]], or seconds */
static bool
parse_time(const char *s, size_t len, double *value)
{
	static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	const char *end = s + len;
	int			y,
				mo,
				d,
				h = 0,
				mi = 0,
				sec = 0,
				zh = 0,
				zm = 0;
	double		fraction = 0.0;
	double		sign = 0.0;

	if (ajk_parse_double(s, (int) len, value))
		return isfinite(*value) && fabs(*value) < 1e11;
	if (!digits(&s, end, 4, &y) || s >= end || (*s != '-' && *s != '/'))
		return false;
	s++;
	if (!digits(&s, end, 2, &mo) || s >= end || (*s != '-' && *s != '/'))
		return false;
	s++;
	if (!digits(&s, end, 2, &d) || mo < 1 || mo > 12 || d < 1 ||
		d > month_days[mo - 1] ||
		(mo == 2 && d == 29 && (y % 4 != 0 || (y % 100 == 0 && y % 400 != 0))))
		return false;
	if (s < end && (*s == 'T' || *s == 't' || *s == ' '))
	{
		s++;
		if (!digits(&s, end, 2, &h) || s >= end || *s++ != ':' ||
			!digits(&s, end, 2, &mi))
			return false;
		if (s < end && *s == ':')
		{
			s++;
			if (!digits(&s, end, 2, &sec))
				return false;
			if (s < end && *s == '.')
			{
				double		unit = 0.1;

				for (s++; s < end && *s >= '0' && *s <= '9'; s++, unit /= 10.0)
					fraction += unit * (*s - '0');
			}
		}
	}
	while (s < end && *s == ' ')
		s++;
	if (s < end && (*s == 'Z' || *s == 'z'))
		s++;
	else if (s < end && (*s == '+' || *s == '-'))
	{
		sign = *s++ == '-' ? -1.0 : 1.0;
		if (!digits(&s, end, 2, &zh))
			return false;
		if (s < end && *s == ':')
			s++;
		if (s < end && !digits(&s, end, 2, &zm))
			return false;
	}
	if (s != end || h > 24 || mi > 59 || sec > 60 || zh > 15 || zm > 59)
		return false;
	*value = days_from_civil(y, mo, d) * 86400.0 + h * 3600.0 + mi * 60.0 +
		sec + fraction - sign * (zh * 3600.0 + zm * 60.0);
	return true;
}

static char
separator(const char *line, size_t len)
{
	static const char sep[] = {',', ';', '\t'};
	char		best = ',';
	size_t		most = 0;

	for (size_t k = 0; k < sizeof(sep); k++)
	{
		size_t		n = 0;

		for (size_t i = 0; i < len; i++)
			n += line[i] == sep[k];
		if (n > most)
		{
			most = n;
			best = sep[k];
		}
	}
	return best;
}

/* Which field holds a column: by the name given, or a usual one; -1: none. */
static int
find_column(int c, const char *name, const char **field, const size_t *flen,
			int nfields)
{
	for (int k = 0; name ? k < 1 : usual[c][k] != NULL; k++)
	{
		const char *want = name ? name : usual[c][k];

		for (int f = 0; f < nfields; f++)
			if (strlen(want) == flen[f] &&
				strncasecmp(field[f], want, flen[f]) == 0)
				return f;
	}
	return -1;
}

AjkError
ajk_wind_csv(const char *text, size_t len,
			 const char *const names[AJK_WIND_COLUMNS],
			 AjkWindSeries *series, AjkCsvError *error)
{
	const char *field[MAX_FIELDS];
	size_t		flen[MAX_FIELDS];
	int			where[AJK_WIND_COLUMNS];
	const char *p = text;
	const char *end = text + len;
	size_t		line = 0;
	size_t		rows = 1;
	int			nfields;
	char		sep = ',';

	memset(series, 0, sizeof(*series));
	memset(error, 0, sizeof(*error));
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		p += 3;
	for (const char *s = p; s < end; s++)
		rows += *s == '\n';

	while (p < end)
	{
		const char *nl = memchr(p, '\n', (size_t) (end - p));
		const char *stop = nl ? nl : end;
		size_t		n = (size_t) (stop - p);
		const char *trimmed = p;
		size_t		tlen = n;

		line++;
		trim(&trimmed, &tlen);
		if (tlen > 0 && series->column[AJK_WIND_SPEED] == NULL)
		{
			/* the header */
			sep = separator(p, n);
			nfields = split(p, n, sep, field, flen, MAX_FIELDS);
			for (int c = 0; c < AJK_WIND_COLUMNS; c++)
			{
				where[c] = find_column(c, names[c], field, flen, nfields);
				if (where[c] < 0 && names[c])
					return refuse(error, line, "no column is named",
								  names[c], strlen(names[c]));
			}
			if (where[AJK_WIND_SPEED] < 0)
				return refuse(error, line, "no column of speeds in", p, n);
			if (where[AJK_WIND_DIRECTION] < 0)
				return refuse(error, line, "no column of directions in", p, n);
			for (int c = 0; c < AJK_WIND_COLUMNS; c++)
			{
				if (where[c] >= 0)
					series->column[c] = malloc(sizeof(double) * rows);
				if (where[c] >= 0 && series->column[c] == NULL)
				{
					ajk_wind_series_free(series);
					return AJK_NOMEM;
				}
			}
		}
		else if (tlen > 0)
		{
			nfields = split(p, n, sep, field, flen, MAX_FIELDS);
			for (int c = 0; c < AJK_WIND_COLUMNS; c++)
			{
				double		v = NAN;
				int			f = where[c];
				bool		good = true;

				if (f < 0)
					continue;
				if (f >= nfields)
					good = false;
				else if (c == AJK_WIND_TIME)
					good = parse_time(field[f], flen[f], &v);
				else if (!is_missing(field[f], flen[f]))
					good = ajk_parse_double(field[f], (int) flen[f], &v);
				if (!good)
				{
					refuse(error, line, f >= nfields ? "too few fields in" :
						   c == AJK_WIND_TIME ? "no time:" : "no number:",
						   f >= nfields ? p : field[f],
						   f >= nfields ? n : flen[f]);
					ajk_wind_series_free(series);
					return AJK_SYNTAX;
				}
				if (c != AJK_WIND_TIME && (v <= -99.0 || v >= 9999.0))
					v = NAN;
				series->column[c][series->n] = v;
			}
			series->n++;
		}
		p = nl ? nl + 1 : end;
	}
	if (series->n == 0)
	{
		ajk_wind_series_free(series);
		return refuse(error, 0, "no records in", "the text", 8);
	}
	return AJK_OK;
}
