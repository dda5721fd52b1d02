/*-------------------------------------------------------------------------
 *
 * csv.c
 *		Reading delimited text, line by line, without copying it.
 *
 * Fields may stand in double quotes, which are taken off; a doubled quote
 * inside stays as it is, and a quoted field ends with its line.  That is
 * enough for the files of measurements it is for.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "csv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void
ajk_csv_open(AjkCsv *csv, const char *text, size_t len)
{
	int			commas = 0;
	int			semicolons = 0;
	int			tabs = 0;
	size_t		look = len < 4000 ? len : 4000;

	for (size_t i = 0; i < look; i++)
	{
		commas += text[i] == ',';
		semicolons += text[i] == ';';
		tabs += text[i] == '\t';
	}
	csv->p = text;
	csv->end = text + len;
	csv->separator = semicolons > commas && semicolons >= tabs ? ';' :
		tabs > commas ? '\t' : ',';
	csv->line = 0;
	csv->n = 0;
	/* byte order mark */
	if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
		csv->p += 3;
}

static void
add_field(AjkCsv *csv, const char *s, const char *end)
{
	while (s < end && (*s == ' ' || *s == '\t' || *s == '\r'))
		s++;
	while (end > s && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
		end--;
	if (end - s >= 2 && *s == '"' && end[-1] == '"')
	{
		s++;
		end--;
	}
	if (csv->n < AJK_CSV_FIELDS)
	{
		csv->field[csv->n].s = s;
		csv->field[csv->n].len = (int) (end - s);
		csv->n++;
	}
}

bool
ajk_csv_next(AjkCsv *csv)
{
	while (csv->p < csv->end)
	{
		const char *eol = memchr(csv->p, '\n', csv->end - csv->p);
		const char *stop = eol ? eol : csv->end;
		const char *s = csv->p;
		bool		quoted = false;

		csv->line++;
		csv->n = 0;
		for (const char *q = s; q < stop; q++)
		{
			if (*q == '"')
				quoted = !quoted;
			else if (*q == csv->separator && !quoted)
			{
				add_field(csv, s, q);
				s = q + 1;
			}
		}
		add_field(csv, s, stop);
		csv->p = eol ? eol + 1 : csv->end;
		for (int i = 0; i < csv->n; i++)
			if (csv->field[i].len > 0)
				return true;
	}
	return false;
}

bool
ajk_csv_number(const AjkCsvField *f, double *value)
{
	char		buf[64];
	char	   *end;

	if (f->len == 0 || f->len >= (int) sizeof(buf))
		return false;
	memcpy(buf, f->s, f->len);
	buf[f->len] = '\0';
	/* no hexadecimals, no infinities */
	if (strspn(buf, "+-0123456789.eE") != (size_t) f->len)
		return false;
	*value = strtod(buf, &end);
	return *end == '\0' && end != buf && isfinite(*value);
}

void
ajk_csv_key(const AjkCsvField *f, char *key)
{
	int			n = 0;

	for (int i = 0; i < f->len && n < AJK_CSV_KEY - 1; i++)
	{
		char		c = f->s[i];

		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			key[n++] = c;
	}
	key[n] = '\0';
}

/* ---- time ---- */

/* Howard Hinnant's civil calendar, days from 1970-01-01 */
int64_t
ajk_days(int year, int month, int day)
{
	int64_t		y = year - (month <= 2);
	int64_t		era = (y >= 0 ? y : y - 399) / 400;
	int64_t		yoe = y - era * 400;
	int64_t		doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t		doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return era * 146097 + doe - 719468;
}

void
ajk_date(int64_t days, int *year, int *month, int *day)
{
	int64_t		z = days + 719468;
	int64_t		era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t		doe = z - era * 146097;
	int64_t		yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t		doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t		mp = (5 * doy + 2) / 153;

	*day = (int) (doy - (153 * mp + 2) / 5 + 1);
	*month = (int) (mp < 10 ? mp + 3 : mp - 9);
	*year = (int) (yoe + era * 400 + (*month <= 2));
}

/* Exactly n digits, or -1 */
static int
digits(const char **p, const char *end, int n)
{
	int			v = 0;

	if (end - *p < n)
		return -1;
	for (int i = 0; i < n; i++)
	{
		char		c = (*p)[i];

		if (c < '0' || c > '9')
			return -1;
		v = v * 10 + c - '0';
	}
	*p += n;
	return v;
}

static bool
month_has(int year, int month, int day)
{
	static const int len[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool		leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month >= 1 && month <= 12 && day >= 1 &&
		day <= len[month - 1] + (month == 2 && leap);
}

bool
ajk_csv_time(const AjkCsvField *f, double *t, bool *zoned)
{
	const char *p = f->s;
	const char *end = f->s + f->len;
	bool		dashes;
	int			year = digits(&p, end, 4);
	int			month;
	int			day;
	int			hour = 0;
	int			minute = 0;
	double		second = 0;
	int			offset = 0;

	*zoned = false;
	dashes = p < end && (*p == '-' || *p == '/');
	if (year < 0)
		return false;
	p += dashes;
	month = digits(&p, end, 2);
	if (dashes && (p >= end || (*p != '-' && *p != '/')))
		return false;
	p += dashes;
	day = digits(&p, end, 2);
	if (month < 0 || day < 0 || !month_has(year, month, day))
		return false;
	if (p < end && (*p == ' ' || *p == 'T' || *p == 't' || *p == ':'))
	{
		p++;
		hour = digits(&p, end, 2);
		p += p < end && *p == ':';
		minute = digits(&p, end, 2);
		if (hour < 0 || minute < 0 || hour > 24 || minute > 59)
			return false;
		if (p < end && *p == ':')
		{
			double		unit = 1;
			int			s;

			p++;
			s = digits(&p, end, 2);
			if (s < 0 || s > 60)
				return false;
			second = s;
			if (p < end && *p == '.')
				for (p++; p < end && *p >= '0' && *p <= '9'; p++)
					second += (*p - '0') * (unit /= 10);
		}
		while (p < end && *p == ' ')
			p++;
		if (p < end && (*p == 'Z' || *p == 'z'))
		{
			*zoned = true;
			p++;
		}
		else if (end - p == 3 && memcmp(p, "UTC", 3) == 0)
		{
			*zoned = true;
			p += 3;
		}
		else if (p < end && (*p == '+' || *p == '-'))
		{
			int			sign = *p++ == '-' ? -1 : 1;
			int			h = digits(&p, end, 2);
			int			m = 0;

			if (p < end)
			{
				p += *p == ':';
				m = digits(&p, end, 2);
			}
			if (h < 0 || m < 0 || h > 15 || m > 59)
				return false;
			offset = sign * (h * 3600 + m * 60);
			*zoned = true;
		}
	}
	if (p != end)
		return false;
	*t = ajk_days(year, month, day) * 86400.0 + hour * 3600.0 + minute * 60.0 +
		second - offset;
	return true;
}
