/*-------------------------------------------------------------------------
 *
 * filter.h
 *		Jobs chosen by what they have in common.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_FILTER_H
#define AJ_FILTER_H

#include "postgres.h"

#include "api.h"
#include "utils/jsonb.h"

/*
 * What a filter adds to the parameters of a statement that begin with those
 * of AJ_VISIBLE, and the condition on asyncjob.job j, its pipeline p and its
 * queue q.
 */
#define AJ_FILTER_ARGS		14
#define AJ_FILTER_TYPES \
	INT8ARRAYOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, \
	TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, \
	TIMESTAMPTZOID, TIMESTAMPTZOID
#define AJ_FILTER \
	" ($6 IS NULL OR j.id = ANY ($6))" \
	" AND ($7 IS NULL OR p.name = $7)" \
	" AND ($8 IS NULL OR q.name = $8)" \
	" AND ($9 IS NULL OR pg_catalog.pg_get_userbyid(j.owner) = $9)" \
	" AND ($10 IS NULL OR j.user_id = $10)" \
	" AND ($11 IS NULL OR j.session_id = $11)" \
	" AND ($12 IS NULL OR j.state::text = $12)" \
	" AND ($13 IS NULL OR $13 IN (j.error ->> 'code', j.error ->> 'sqlstate'))" \
	" AND ($14 IS NULL OR j.error ->> 'category' = $14)" \
	" AND ($15 IS NULL OR j.error ->> 'message' LIKE $15)" \
	" AND ($16 IS NULL OR j.created_at >= $16)" \
	" AND ($17 IS NULL OR j.created_at < $17)" \
	" AND ($18 IS NULL OR j.finished_at >= $18)" \
	" AND ($19 IS NULL OR j.finished_at < $19) "

typedef struct AjFilter
{
	Datum		values[AJ_FILTER_ARGS];
	char		nulls[AJ_FILTER_ARGS];
	bool		named;			/* one job was named by its id */
	int64		job_id;			/* which */
} AjFilter;

extern void aj_filter_parse(Jsonb *json, bool states, AjFilter *filter);
extern Jsonb *aj_filter_settle(Jsonb *json);
extern char *aj_filter_state(const AjFilter *filter);
extern void aj_filter_values(const AjFilter *filter, const AjCaller *caller,
							 int64 after, Datum *values, char *nulls);

#endif							/* AJ_FILTER_H */
