/*-------------------------------------------------------------------------
 *
 * admission.h
 *		Places of a queue with limits: who has one, and who gets the next.
 *
 * All functions are called inside an AjScope (scope.h).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_ADMISSION_H
#define AJ_ADMISSION_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "queue_limits.h"
#include "utils/hsearch.h"

#define AJ_WINDOW_MAX	1024	/* places given at once */

/* One time of giving out places. */
typedef struct AjAdmission
{
	AjLimits	limits;
	TimestampTz now;
	HTAB	   *users;
	HTAB	   *keys;
	HTAB	   *unused;			/* fair: places by owner, used too late */
	bool		out_of_turn;	/* don't care about these */
	int			total;
	int			unstarted;
	TimestampTz oldest_unstarted;
	int			starts;
	TimestampTz first_start;
	TimestampTz next;			/* something may start then */
} AjAdmission;

/* Where to go on in a queue of many groups. */
typedef struct AjSlice
{
	int64		after_group;
	int			after_priority;
	bool		again;			/* something changed between two slices */
} AjSlice;

#define AJ_SLICE_FIRST	{.after_group = PG_INT64_MIN,.after_priority = -1}

extern bool aj_admission_begin(AjAdmission *a, int32 queue_id, bool wait);
extern void aj_admission_count(AjAdmission *a);
extern int	aj_admission_give(AjAdmission *a, AjSlice *w, int max, Oid owner,
							  int external);

#endif							/* AJ_ADMISSION_H */
