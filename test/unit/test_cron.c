/*-------------------------------------------------------------------------
 *
 * test_cron.c
 *		Cron expressions: what they say, and when that is.
 *
 * The zones' changes of the clock are those of the law: in the European Union
 * the last Sundays of March and October at 01:00 UTC (directive 2000/84/EC),
 * in New York the second Sunday of March and the first of November at 02:00
 * (Energy Policy Act of 2005), on Lord Howe Island, whose clock moves by half
 * an hour, the first Sundays of October and April at 02:00.  What is due then
 * is as cron(8) of Vixie's cron says.  Dates of single expressions are those
 * of the calendar, and of the examples in crontab(5).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include <stdint.h>
#include <time.h>

#include "../../src/engine/cron.h"

typedef struct Zone
{
	const char *name;
	int64_t		first_s;		/* offset before the first change */
	int			n;
	const char *at[8];			/* UTC */
	int64_t		to_s[8];
}			Zone;

static Zone utc_zone =
{
	"UTC", 0, 0,
	{
		NULL
	},
	{
		0
	}
};

static Zone berlin =
{
	"Berlin", 3600, 5,
	{
		"2026-03-29 01:00", "2026-10-25 01:00", "2027-03-28 01:00", "2027-10-31 01:00", "2028-03-26 01:00"
	},
	{
		7200, 3600, 7200, 3600, 7200
	}
};

static Zone new_york =
{
	"New York", -18000, 4,
	{
		"2026-03-08 07:00", "2026-11-01 06:00", "2027-03-14 07:00", "2027-11-07 06:00"
	},
	{
		-14400, -18000, -14400, -18000
	}
};

static Zone lord_howe =
{
	"Lord Howe", 39600, 4,
	{
		"2026-04-04 15:00", "2026-10-03 15:30", "2027-04-03 15:00", "2027-10-02 15:30"
	},
	{
		37800, 39600, 37800, 39600
	}
};

static int64_t
utc(const char *text)
{
	struct tm	tm = {0};

	if (sscanf(text, "%d-%d-%d %d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
			   &tm.tm_hour, &tm.tm_min) != 5)
		abort();
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return timegm(&tm);
}

static void
span_at(int64_t t, AjZoneSpan *span, void *arg)
{
	Zone	   *zone = arg;

	span->offset_s = zone->first_s;
	span->until = INT64_MAX;
	for (int i = 0; i < zone->n; i++)
	{
		if (t < utc(zone->at[i]))
		{
			span->until = utc(zone->at[i]);
			return;
		}
		span->offset_s = zone->to_s[i];
	}
}

static AjCron
parsed(const char *text)
{
	AjCron		cron;
	AjCronError error;

	if (!aj_cron_parse(text, &cron, &error))
	{
		ok(false, "\"%s\" is an expression: %s", text, error.message);
		memset(&cron, 0, sizeof(cron));
	}
	return cron;
}

/* The next times of an expression after one, as UTC, are these. */
static void
due(Zone * zone, const char *text, const char *after, const char *times)
{
	AjCron		cron = parsed(text);
	int64_t		t = utc(after);
	char		got[400] = "";
	size_t		want = strlen(times);

	while (strlen(got) < want && t != AJ_CRON_NEVER)
	{
		char		one[32];

		t = aj_cron_next(&cron, t, span_at, zone);
		if (t == AJ_CRON_NEVER)
			strcpy(one, "never");
		else
		{
			time_t		seconds = t;

			strftime(one, sizeof(one), "%F %R", gmtime(&seconds));
		}
		if (got[0])
			strcat(got, ", ");
		strcat(got, one);
	}
	ok(strcmp(got, times) == 0, "%s in %s after %s: %s", text, zone->name, after, got);
}

static void
refused(const char *text, const char *message)
{
	AjCron		cron;
	AjCronError error;
	bool		good = aj_cron_parse(text, &cron, &error);

	ok(!good && strcmp(error.message, message) == 0 && error.hint[0] != '\0',
	   "\"%s\" is refused: %s", text, good ? "it is not" : error.message);
}

static void
test_calendar(void)
{
	AjCron		always = parsed("* * * * *");

	/* 2026-11-22 is a Sunday */
	due(&utc_zone, "0 0 * * 0", "2026-11-21 00:00", "2026-11-22 00:00, 2026-11-29 00:00");
	due(&utc_zone, "0 0 * * 7", "2026-11-22 00:00", "2026-11-29 00:00, 2026-12-06 00:00");
	due(&utc_zone, "0 0 * * sat,SUN", "2026-11-21 00:00", "2026-11-22 00:00, 2026-11-28 00:00");
	due(&utc_zone, "0 0 * * fri-sun", "2026-11-22 00:00", "2026-11-27 00:00, 2026-11-28 00:00, 2026-11-29 00:00");
	due(&utc_zone, "0 0 * * 5-7", "2026-11-22 00:00", "2026-11-27 00:00, 2026-11-28 00:00, 2026-11-29 00:00");
	due(&utc_zone, "* * * * *", "2026-12-31 23:58", "2026-12-31 23:59, 2027-01-01 00:00, 2027-01-01 00:01");
	due(&utc_zone, "0 0 31 * *", "2026-11-22 00:00",
		"2026-12-31 00:00, 2027-01-31 00:00, 2027-03-31 00:00, 2027-05-31 00:00, 2027-07-31 00:00, 2027-08-31 00:00, 2027-10-31 00:00");
	due(&utc_zone, "0 0 1 JAN,jul *", "2026-11-22 00:00", "2027-01-01 00:00, 2027-07-01 00:00, 2028-01-01 00:00");
	/* leap years; 2100 is none */
	due(&utc_zone, "0 0 29 2 *", "2026-11-22 00:00", "2028-02-29 00:00, 2032-02-29 00:00");
	due(&utc_zone, "0 0 29 2 *", "2096-02-29 00:00", "2104-02-29 00:00");
	due(&utc_zone, "0 0 29 2 */7", "2088-03-01 00:00", "2128-02-29 00:00");
	due(&utc_zone, "0 0 30 2 *", "2026-11-22 00:00", "never");
	due(&utc_zone, "0 0 31 4,6,9,11 *", "2026-11-22 00:00", "never");
	/* the examples of crontab(5) */
	due(&utc_zone, "30 4 1,15 * 5", "2026-10-31 00:00",
		"2026-11-01 04:30, 2026-11-06 04:30, 2026-11-13 04:30, 2026-11-15 04:30, 2026-11-20 04:30, 2026-11-27 04:30, 2026-12-01 04:30");
	due(&utc_zone, "15 14 1 * *", "2026-11-22 00:00", "2026-12-01 14:15, 2027-01-01 14:15");
	due(&utc_zone, "0 22 * * 1-5", "2026-11-19 23:00", "2026-11-20 22:00, 2026-11-23 22:00");
	due(&utc_zone, "23 0-23/2 * * *", "2026-11-22 20:23", "2026-11-22 22:23, 2026-11-23 00:23, 2026-11-23 02:23");
	due(&utc_zone, "5 4 * * sun", "2026-11-22 04:05", "2026-11-29 04:05");
	/* a day that begins with a star restricts in addition */
	due(&utc_zone, "0 0 */10 * mon", "2026-11-22 00:00", "2026-12-21 00:00, 2027-01-11 00:00");
	due(&utc_zone, "@yearly", "2026-11-22 00:00", "2027-01-01 00:00, 2028-01-01 00:00");
	due(&utc_zone, "@monthly", "2026-11-22 00:00", "2026-12-01 00:00, 2027-01-01 00:00");
	due(&utc_zone, " @Weekly\t", "2026-11-22 00:00", "2026-11-29 00:00");
	due(&utc_zone, "@daily", "2026-11-22 00:00", "2026-11-23 00:00");
	due(&utc_zone, "@hourly", "2026-11-22 00:00", "2026-11-22 01:00, 2026-11-22 02:00");
	due(&utc_zone, "  0\t12  *  *  * ", "2026-11-22 00:00", "2026-11-22 12:00");
	/* seconds of the time after which */
	ok(aj_cron_next(&always, utc("2026-11-22 10:00") + 59, span_at, &utc_zone) ==
	   utc("2026-11-22 10:01"), "after a minute's last second comes the next minute");
}

static void
test_changes_of_the_clock(void)
{
	/* put forward: 02:30 does not exist */
	due(&berlin, "30 2 * * *", "2026-03-28 00:00", "2026-03-28 01:30, 2026-03-29 01:00, 2026-03-30 00:30");
	due(&berlin, "0,30 2 * * *", "2026-03-28 12:00", "2026-03-29 01:00, 2026-03-30 00:00");
	due(&berlin, "0 2,3 * * *", "2026-03-28 12:00", "2026-03-29 01:00, 2026-03-30 00:00");
	due(&berlin, "30 3 * * *", "2026-03-28 12:00", "2026-03-29 01:30, 2026-03-30 01:30");
	due(&berlin, "0 * * * *", "2026-03-28 23:30", "2026-03-29 00:00, 2026-03-29 01:00, 2026-03-29 02:00");
	due(&berlin, "*/30 2 * * *", "2026-03-28 12:00", "2026-03-30 00:00, 2026-03-30 00:30");
	due(&berlin, "30 2 29 3 *", "2026-01-01 00:00", "2026-03-29 01:00, 2027-03-29 00:30");
	due(&new_york, "30 2 * * *", "2026-03-07 12:00", "2026-03-08 07:00, 2026-03-09 06:30");
	due(&new_york, "0 3 * * *", "2026-03-07 12:00", "2026-03-08 07:00, 2026-03-09 07:00");
	due(&lord_howe, "15 2 * * *", "2026-10-03 00:00", "2026-10-03 15:30, 2026-10-04 15:15");
	/* put back: 02:30 comes twice */
	due(&berlin, "30 2 * * *", "2026-10-24 12:00", "2026-10-25 00:30, 2026-10-26 01:30");
	due(&berlin, "30 2 * * *", "2026-10-25 00:30", "2026-10-26 01:30");
	due(&berlin, "30 2 * * *", "2026-10-25 01:10", "2026-10-26 01:30");
	due(&berlin, "0 3 * * *", "2026-10-24 12:00", "2026-10-25 02:00");
	due(&berlin, "0 * * * *", "2026-10-24 23:30", "2026-10-25 00:00, 2026-10-25 01:00, 2026-10-25 02:00, 2026-10-25 03:00");
	due(&berlin, "*/30 2 * * *", "2026-10-24 12:00",
		"2026-10-25 00:00, 2026-10-25 00:30, 2026-10-25 01:00, 2026-10-25 01:30, 2026-10-26 01:00");
	due(&new_york, "30 1 * * *", "2026-10-31 12:00", "2026-11-01 05:30, 2026-11-02 06:30");
	due(&lord_howe, "45 1 * * *", "2026-04-04 00:00", "2026-04-04 14:45, 2026-04-05 15:15");
	/* and the days between are ordinary */
	due(&berlin, "0 12 * * *", "2026-03-28 00:00", "2026-03-28 11:00, 2026-03-29 10:00");
	due(&new_york, "59 23 31 12 *", "2026-01-01 12:00", "2027-01-01 04:59, 2028-01-01 04:59");
}

/*
 * Each minute of two years, by the C library's calendar: an expression with
 * stars is due whenever the clock on the wall fits; one without, once for
 * each time that the clock passes.
 */
static void
test_every_minute(Zone * zone, const char *text)
{
	AjCron		cron = parsed(text);
	int64_t		from = utc("2026-01-01 00:00"),
				end = utc("2028-01-01 00:00"),
				expected = aj_cron_next(&cron, from, span_at, zone),
				offset_s = 0,
				repeated_until = INT64_MIN;
	int			wrong = 0,
				n = 0;

	for (int64_t t = from - 172800; t < end; t += 60)
	{
		AjZoneSpan	span;
		time_t		local;
		struct tm	tm;
		bool		by_day,
					by_weekday,
					fits = false;

		span_at(t, &span, zone);
		if (t == from - 172800)
			offset_s = span.offset_s;
		/* from what the clock showed last to what it shows now */
		for (local = t + (span.offset_s > offset_s ? offset_s : span.offset_s);
			 local <= t + span.offset_s; local += 60)
		{
			bool		shown = local == t + span.offset_s;

			gmtime_r(&local, &tm);
			by_day = cron.days >> tm.tm_mday & 1;
			by_weekday = cron.weekdays >> tm.tm_wday & 1;
			if (!(cron.minutes >> tm.tm_min & 1) || !(cron.hours >> tm.tm_hour & 1) ||
				!(cron.months >> (tm.tm_mon + 1) & 1) ||
				!(cron.any_day || cron.any_weekday ? by_day && by_weekday : by_day || by_weekday))
				continue;
			if (cron.wildcard ? shown : local >= repeated_until)
				fits = true;
		}
		if (span.offset_s < offset_s)
		{
			repeated_until = t + offset_s;
			if (!cron.wildcard)
				fits = false;
		}
		offset_s = span.offset_s;
		if (t <= from)
			continue;
		if (fits != (t == expected))
			wrong++;
		if (t == expected)
		{
			n++;
			expected = aj_cron_next(&cron, t, span_at, zone);
		}
	}
	ok(wrong == 0 && n > 0, "%s in %s: %d times in two years, %d wrong", text, zone->name, n, wrong);
}

static void
test_refusals(void)
{
	refused("", "it has 0 fields instead of 5");
	refused("* * * *", "it has 4 fields instead of 5");
	refused("*/5 * * * * *", "it has 6 fields instead of 5");
	refused("30 seconds", "it has 2 fields instead of 5");
	refused("60 * * * *", "minute \"60\" is out of range");
	refused("* 24 * * *", "hour \"24\" is out of range");
	refused("* * 0 * *", "day of the month \"0\" is out of range");
	refused("* * 32 * *", "day of the month \"32\" is out of range");
	refused("* * * 13 *", "month \"13\" is out of range");
	refused("* * * * 8", "day of the week \"8\" is out of range");
	refused("99999999999999999999 * * * *", "minute \"99999999999999999999\" is out of range");
	refused("-1 * * * *", "minute \"-1\" is not understood");
	refused("1.5 * * * *", "minute \"1.5\" is not understood");
	refused("* * * january *", "month \"january\" is not understood");
	refused("jan * * * *", "minute \"jan\" is not understood");
	refused("* * L * *", "day of the month \"L\" is not understood");
	refused("* * ? * *", "day of the month \"?\" is not understood");
	refused("*5 * * * *", "minute \"*5\" is not understood");
	refused("30-10 * * * *", "minute \"30-10\" ends before it begins");
	refused("* 22-2 * * *", "hour \"22-2\" ends before it begins");
	refused("1- * * * *", "minute \"1-\" is not understood");
	refused("1-60 * * * *", "minute \"1-60\" is out of range");
	refused("*/0 * * * *", "minute \"*/0\" has a step that is not 1 to 59");
	refused("*/60 * * * *", "minute \"*/60\" has a step that is not 1 to 59");
	refused("* */24 * * *", "hour \"*/24\" has a step that is not 1 to 23");
	refused("*/ * * * *", "minute \"*/\" has no number as its step");
	refused("*/x * * * *", "minute \"*/x\" has no number as its step");
	refused("5/15 * * * *", "minute \"5/15\" has a step but is no range");
	refused("1,,2 * * * *", "minute \"1,,2\" has an empty place in its list");
	refused("1, * * * *", "minute \"1,\" has an empty place in its list");
	refused(",1 * * * *", "minute \",1\" has an empty place in its list");
	refused("@reboot", "\"@reboot\" is not understood");
	refused("@daily x", "it has 2 fields instead of 5");
	{
		char		text[400];

		memset(text, '1', sizeof(text));
		memcpy(text + 300, " * * * *", 9);
		refused(text, "it has 308 bytes");
	}
}

int
main(void)
{
	static const char *const expressions[] = {
		"*/7 * * * *", "13 * * * *", "*/20 1-3 * * *", "30 2 * * *", "0,30 1,2,3 * * *",
		"5 0 13 * fri", "59 23 28-31 * *", "0 */6 1-7 * */2", "15 2 * 3,4,10,11 sun"
	};
	Zone	   *zones[] = {&utc_zone, &berlin, &new_york, &lord_howe};

	test_calendar();
	test_changes_of_the_clock();
	for (size_t z = 0; z < sizeof(zones) / sizeof(zones[0]); z++)
	{
		for (size_t i = 0; i < sizeof(expressions) / sizeof(expressions[0]); i++)
			test_every_minute(zones[z], expressions[i]);
	}
	test_refusals();
	return unit_done();
}
