/*-------------------------------------------------------------------------
 *
 * cron.h
 *		Cron expressions: what they say, and when that is next.
 *
 * Includes nothing of the server, so that it can be tested without one.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_CRON_H
#define AJ_CRON_H

#include <stdbool.h>
#include <stdint.h>

#define AJ_CRON_MAX_LEN	255
#define AJ_CRON_NEVER	INT64_MAX

/* A parsed expression: bit n of a field says that its value n is meant. */
typedef struct AjCron
{
	uint64_t	minutes;		/* 0..59 */
	uint32_t	hours;			/* 0..23 */
	uint32_t	days;			/* 1..31 */
	uint32_t	months;			/* 1..12 */
	uint32_t	weekdays;		/* 0..6, 0 is Sunday */
	bool		any_day;		/* the field begins with a star */
	bool		any_weekday;
	bool		wildcard;		/* minute or hour begins with a star */
} AjCron;

typedef struct AjCronError
{
	char		message[160];
	char		hint[200];
} AjCronError;

/* A stretch of time in which a zone's clock isn't put forward or back. */
typedef struct AjZoneSpan
{
	int64_t		offset_s;		/* what local time is ahead of UTC */
	int64_t		until;			/* its end, INT64_MAX if it has none */
} AjZoneSpan;

/* The span of a zone that the second t since 1970 is in. */
typedef void (*AjZoneSpanAt) (int64_t t, AjZoneSpan *span, void *zone);

extern bool aj_cron_parse(const char *text, AjCron *cron,
						  AjCronError *error);
extern int64_t aj_cron_next(const AjCron *cron, int64_t after,
							AjZoneSpanAt span_at, void *zone);

#endif							/* AJ_CRON_H */
