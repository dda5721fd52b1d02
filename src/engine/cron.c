/*-------------------------------------------------------------------------
 *
 * cron.c
 *		Cron expressions: what they say, and when that is next.
 *
 * Five fields, as crontab(5) has them: minute, hour, day of the month, month,
 * day of the week (0 or 7 is Sunday).  A field is a list of numbers, names
 * (jan.., sun..), ranges and stars, ranges and stars with a step.  Where day
 * of the month and day of the week both are restricted, that is, neither
 * begins with a star, a day needs to fit one of them; else both.
 *
 * Times are those of a clock on the wall.  Between two changes of the clock
 * (summer time) local time is UTC and a constant, so we go from span to span
 * and look for the first minute that fits in the local times of each.  What
 * happens at a change is what Vixie's cron does (cron(8), "Daylight Saving
 * Time and other time changes"):
 *
 * - An expression that names a time (neither minute nor hour begins with a
 *   star) has one run for each time it names.  Where the clock is put forward
 *   over it, that run is at the moment of the change; where the clock is put
 *   back, so that the time comes twice, the run is at the first of the two.
 * - One with a star there means every so many minutes or hours.  It runs
 *   whenever the clock shows a time that fits: not in an hour that doesn't
 *   exist, twice in one that comes twice.
 *
 * Days are counted from 1970-01-01; Fliegel and Van Flandern (Communications
 * of the ACM 11, 657, 1968) make dates of them.  Whatever can come at all
 * comes within 40 years: the longest wait is for a certain weekday on February
 * 29, over a century that has no leap year.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cron.h"

#define MINUTE_S	60
#define HOUR_S		3600
#define DAY_S		86400
#define HORIZON_S	((int64_t) 41 * 366 * DAY_S)
#define LOOK_BACK_S	(2 * DAY_S) /* longer than any change of a clock */

static const char *const month_names[] = {
	"jan", "feb", "mar", "apr", "may", "jun",
	"jul", "aug", "sep", "oct", "nov", "dec"
};

static const char *const weekday_names[] = {
	"sun", "mon", "tue", "wed", "thu", "fri", "sat"
};

typedef struct Field
{
	const char *name;
	int			min;
	int			max;
	const char *const *names;	/* of the values from min on */
	int			nnames;
	const char *range;			/* what a hint says */
} Field;

static const Field fields[] =
{
	{"minute", 0, 59, NULL, 0, "0 to 59"},
	{"hour", 0, 23, NULL, 0, "0 to 23"},
	{"day of the month", 1, 31, NULL, 0, "1 to 31"},
	{"month", 1, 12, month_names, 12, "1 to 12 or jan to dec"},
	{"day of the week", 0, 7, weekday_names, 7, "0 to 7 (0 and 7 are Sunday) or sun to sat"}
};

#define NFIELDS		5

static const struct
{
	const char *name;
	const char *means;
}			macros[] =

{
	{"@yearly", "0 0 1 1 *"},
	{"@annually", "0 0 1 1 *"},
	{"@monthly", "0 0 1 * *"},
	{"@weekly", "0 0 * * 0"},
	{"@daily", "0 0 * * *"},
	{"@midnight", "0 0 * * *"},
	{"@hourly", "0 * * * *"}
};

#define NMACROS		((int) (sizeof(macros) / sizeof(macros[0])))

/* ---------- parsing ---------- */

/* Compare n bytes with a word in small letters. */
static bool
is_word(const char *text, int n, const char *word)
{
	if ((int) strlen(word) != n)
		return false;
	for (int i = 0; i < n; i++)
	{
		if (tolower((unsigned char) text[i]) != word[i])
			return false;
	}
	return true;
}

static bool
refuse(AjCronError *error, const Field *field, const char *item, int n,
	   const char *what)
{
	snprintf(error->message, sizeof(error->message), "%s \"%.*s\" %s",
			 field->name, n > 40 ? 40 : n, item, what);
	snprintf(error->hint, sizeof(error->hint),
			 "The %s is %s; a list of these, ranges such as %d-%d, or \"*\", with a step such as */2.",
			 field->name, field->range, field->min, field->max);
	return false;
}

/*
 * A number or a name at *p, which is moved behind it.  Returns -1 if there is
 * none; a number that is too long becomes one that is out of range.
 */
static int
value_at(const Field *field, const char **p)
{
	const char *start = *p;
	int			value = 0;

	if (isdigit((unsigned char) *start))
	{
		while (isdigit((unsigned char) **p))
		{
			if (value < 10000)
				value = value * 10 + (**p - '0');
			(*p)++;
		}
		return value;
	}
	while (isalpha((unsigned char) **p))
		(*p)++;
	for (int i = 0; i < field->nnames; i++)
	{
		if (is_word(start, (int) (*p - start), field->names[i]))
			return field->min + i;
	}
	*p = start;
	return -1;
}

/* One item of a field's list, from p to end. */
static bool
parse_item(const Field *field, const char *p, const char *end,
		   uint64_t *bits, AjCronError *error)
{
	const char *item = p;
	int			n = (int) (end - p);
	int			first,
				last,
				step = 1;
	bool		many = false;

	if (*p == '*')
	{
		p++;
		first = field->min;
		last = field->max;
		many = true;
	}
	else
	{
		first = last = value_at(field, &p);
		if (first < 0)
			return refuse(error, field, item, n, "is not understood");
		if (first < field->min || first > field->max)
			return refuse(error, field, item, n, "is out of range");
		if (*p == '-')
		{
			p++;
			last = value_at(field, &p);
			if (last < 0)
				return refuse(error, field, item, n, "is not understood");
			/* a week may end with its Sunday */
			if (last == 0 && first > 0 && field->max == 7)
				last = 7;
			if (last > field->max)
				return refuse(error, field, item, n, "is out of range");
			if (last < first)
				return refuse(error, field, item, n, "ends before it begins");
			many = true;
		}
	}
	if (p < end && *p == '/')
	{
		p++;
		if (!isdigit((unsigned char) *p))
			return refuse(error, field, item, n, "has no number as its step");
		step = value_at(field, &p);
		if (!many)
			return refuse(error, field, item, n, "has a step but is no range");
		if (step < 1 || step > field->max - field->min)
		{
			char		what[60];

			snprintf(what, sizeof(what), "has a step that is not 1 to %d",
					 field->max - field->min);
			return refuse(error, field, item, n, what);
		}
	}
	if (p != end)
		return refuse(error, field, item, n, "is not understood");
	for (int v = first; v <= last; v += step)
		*bits |= UINT64_C(1) << v;
	return true;
}

static bool
parse_field(const Field *field, const char *p, const char *end,
			uint64_t *bits, AjCronError *error)
{
	const char *start = p;

	*bits = 0;
	for (;;)
	{
		const char *comma = memchr(p, ',', end - p);
		const char *item_end = comma ? comma : end;

		if (p == item_end)
			return refuse(error, field, start, (int) (end - start),
						  "has an empty place in its list");
		if (!parse_item(field, p, item_end, bits, error))
			return false;
		if (comma == NULL)
			return true;
		p = comma + 1;
	}
}

static bool
parse_macro(const char *text, int n, AjCron *cron, AjCronError *error)
{
	for (int i = 0; i < NMACROS; i++)
	{
		if (is_word(text, n, macros[i].name))
			return aj_cron_parse(macros[i].means, cron, error);
	}
	snprintf(error->message, sizeof(error->message),
			 "\"%.*s\" is not understood", n > 40 ? 40 : n, text);
	snprintf(error->hint, sizeof(error->hint),
			 "There are @yearly, @monthly, @weekly, @daily and @hourly.");
	return false;
}

/* Returns false, and says why, if the text is no cron expression. */
bool
aj_cron_parse(const char *text, AjCron *cron, AjCronError *error)
{
	static const char blanks[] = " \t\r\n";
	const char *start[NFIELDS],
			   *end[NFIELDS];
	uint64_t	bits[NFIELDS];
	int			n = 0;
	size_t		len = strlen(text);
	const char *p = text + strspn(text, blanks);

	if (len > AJ_CRON_MAX_LEN)
	{
		snprintf(error->message, sizeof(error->message), "it has %zu bytes", len);
		snprintf(error->hint, sizeof(error->hint), "Give %d bytes at most.",
				 AJ_CRON_MAX_LEN);
		return false;
	}
	while (*p)
	{
		size_t		width = strcspn(p, blanks);

		if (n < NFIELDS)
		{
			start[n] = p;
			end[n] = p + width;
		}
		n++;
		p += width;
		p += strspn(p, blanks);
	}
	if (n == 1 && *start[0] == '@')
		return parse_macro(start[0], (int) (end[0] - start[0]), cron, error);
	if (n != NFIELDS)
	{
		snprintf(error->message, sizeof(error->message),
				 "it has %d fields instead of 5", n);
		snprintf(error->hint, sizeof(error->hint),
				 "Give minute, hour, day of the month, month and day of the week, such as \"30 3 * * 1-5\", or @hourly, @daily, @weekly, @monthly, @yearly.");
		return false;
	}
	for (int i = 0; i < NFIELDS; i++)
	{
		if (!parse_field(&fields[i], start[i], end[i], &bits[i], error))
			return false;
	}
	cron->minutes = bits[0];
	cron->hours = (uint32_t) bits[1];
	cron->days = (uint32_t) bits[2];
	cron->months = (uint32_t) bits[3];
	cron->weekdays = (uint32_t) ((bits[4] | bits[4] >> 7) & 0x7f);
	cron->any_day = *start[2] == '*';
	cron->any_weekday = *start[4] == '*';
	cron->wildcard = *start[0] == '*' || *start[1] == '*';
	return true;
}

/* ---------- the next time ---------- */

/* Month and day of the month of a day's number since 1970-01-01. */
static void
date_of(int64_t day, int *month, int *mday)
{
	int64_t		l = day + 2440588 + 68569;	/* Julian day number */
	int64_t		n = 4 * l / 146097;
	int64_t		i,
				j;

	l -= (146097 * n + 3) / 4;
	i = 4000 * (l + 1) / 1461001;
	l -= 1461 * i / 4 - 31;
	j = 80 * l / 2447;
	*mday = (int) (l - 2447 * j / 80);
	*month = (int) (j + 2 - 12 * (j / 11));
}

static bool
day_fits(const AjCron *cron, int mday, int64_t day)
{
	/* 1970-01-01 was a Thursday */
	int			wday = (int) (((day + 4) % 7 + 7) % 7);
	bool		by_mday = cron->days >> mday & 1;
	bool		by_wday = cron->weekdays >> wday & 1;

	if (cron->any_day || cron->any_weekday)
		return by_mday && by_wday;
	return by_mday || by_wday;
}

/* The first local minute from one time on that fits, end if none before it. */
static int64_t
first_fit(const AjCron *cron, int64_t from, int64_t end)
{
	int64_t		t = from;

	if (t % MINUTE_S != 0)
		t += MINUTE_S - (t % MINUTE_S + MINUTE_S) % MINUTE_S;
	while (t < end)
	{
		int64_t		day = (t >= 0 ? t : t - DAY_S + 1) / DAY_S;
		int			month,
					mday,
					hour = (int) ((t - day * DAY_S) / HOUR_S),
					minute = (int) ((t - day * DAY_S) % HOUR_S / MINUTE_S);

		date_of(day, &month, &mday);
		if (!(cron->months >> month & 1))
		{
			/* no month has more than 31 days; its first is found below */
			t = (day + (mday <= 28 ? 29 - mday : 1)) * DAY_S;
			continue;
		}
		if (day_fits(cron, mday, day))
		{
			for (; hour < 24; hour++, minute = 0)
			{
				if (!(cron->hours >> hour & 1))
					continue;
				for (; minute < 60; minute++)
				{
					if (cron->minutes >> minute & 1)
					{
						t = day * DAY_S + hour * HOUR_S + minute * MINUTE_S;
						return t < end ? t : end;
					}
				}
			}
		}
		t = (day + 1) * DAY_S;
	}
	return end;
}

/*
 * The first time after one (seconds since 1970) at which the expression is
 * due in a zone, or AJ_CRON_NEVER.
 */
int64_t
aj_cron_next(const AjCron *cron, int64_t after, AjZoneSpanAt span_at,
			 void *zone)
{
	int64_t		t = after - LOOK_BACK_S;
	int64_t		horizon = after + HORIZON_S;
	int64_t		before_s = 0;	/* offset of the span before */
	bool		first = true;

	while (t < horizon)
	{
		AjZoneSpan	span;
		int64_t		from,
					end,
					found;

		span_at(t, &span, zone);
		end = (span.until < horizon ? span.until : horizon) + span.offset_s;
		if (!first && !cron->wildcard)
		{
			/* put forward: times that the clock never shows */
			if (span.offset_s > before_s && t > after &&
				first_fit(cron, t + before_s, t + span.offset_s) <
				t + span.offset_s)
				return t;
		}
		from = (t > after ? t : after + 1) + span.offset_s;
		/* put back: these times have been */
		if (!first && !cron->wildcard && span.offset_s < before_s &&
			from < t + before_s)
			from = t + before_s;
		if (from < end)
		{
			found = first_fit(cron, from, end);
			if (found < end)
				return found - span.offset_s;
		}
		if (span.until == INT64_MAX)
			break;
		before_s = span.offset_s;
		first = false;
		t = span.until;
	}
	return AJ_CRON_NEVER;
}
