/*-------------------------------------------------------------------------
 *
 * queue_where.h
 *		Statements that find the jobs a filter chooses.
 *
 * All functions are called inside an AjScope (scope.h).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_QUEUE_WHERE_H
#define AJ_QUEUE_WHERE_H

#include "postgres.h"

#include "filter.h"

/* Which jobs, besides what the filter says. */
typedef struct AjChoice
{
	const AjFilter *filter;
	const AjCaller *caller;
	const char *states;			/* an array of them, as text */
	int64		after;			/* ids above this, */
	int64		last;			/* up to this one (0: all), */
	int64		job_id;			/* and below this job's, which is not one of
								 * them, nor is one that it belongs to */
	bool		by_key;			/* tell who is the newest of its unique_key */
} AjChoice;

/* One that was found. */
typedef struct AjChosen
{
	int64		id;
	bool		newest;
} AjChosen;

extern int64 aj_queue_count_chosen(const AjChoice *choice);
extern int	aj_queue_find_chosen(const AjChoice *choice, AjChosen **chosen);

#endif							/* AJ_QUEUE_WHERE_H */
