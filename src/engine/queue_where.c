/*-------------------------------------------------------------------------
 *
 * queue_where.c
 *		Statements that find the jobs a filter chooses.
 *
 * They are read by id, 100,000 at a time, so that a million of jobs is read
 * once and not once for each batch that is worked off.  Until a batch's turn
 * comes its jobs may have changed, so those of the batch are looked at again.  Steps of jobs are
 * never chosen: they go as their job goes.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "queue_where.h"
#include "scope.h"

#define FROM_CHOSEN \
	" FROM asyncjob.job j" \
	" JOIN asyncjob.pipeline p ON p.id = j.pipeline_id" \
	" JOIN asyncjob.queue q ON q.id = j.queue_id" \
	" WHERE j.id > $1 AND j.id < $20 AND j.id <= $23 AND j.item_no IS NULL" \
	" AND j.state = ANY (ARRAY(SELECT unnest($21::asyncjob.job_state[])))" \
	" AND NOT EXISTS (WITH RECURSIVE up AS (" \
	"   SELECT m.parent_id FROM asyncjob.job m WHERE m.id = $20" \
	"   UNION ALL SELECT a.parent_id FROM up JOIN asyncjob.job a" \
	"    ON a.id = up.parent_id)" \
	"  SELECT FROM up WHERE up.parent_id = j.id)" \
	" AND" AJ_VISIBLE "AND" AJ_FILTER

#define CHOICE_ARGS		(AJ_VISIBLE_ARGS + AJ_FILTER_ARGS + 4)

AJ_STATEMENT(count_chosen,
			 "SELECT count(*)" FROM_CHOSEN "AND $22 IS NOT NULL",
			 INT8OID, AJ_VISIBLE_TYPES, AJ_FILTER_TYPES, INT8OID, TEXTOID,
			 BOOLOID, INT8OID);

AJ_STATEMENT(find_chosen,
			 "SELECT j.id, true" FROM_CHOSEN "AND $22 IS NOT NULL"
			 " ORDER BY j.id LIMIT 100000",
			 INT8OID, AJ_VISIBLE_TYPES, AJ_FILTER_TYPES, INT8OID, TEXTOID,
			 BOOLOID, INT8OID);

AJ_STATEMENT(find_newest,
			 "SELECT d.id, d.newest FROM (SELECT j.id, j.unique_key IS NULL OR"
			 "  row_number() OVER (PARTITION BY j.owner, j.unique_key"
			 "   ORDER BY j.id DESC) = 1 AS newest" FROM_CHOSEN
			 " AND $22 IS NOT NULL) d ORDER BY d.id LIMIT 100000",
			 INT8OID, AJ_VISIBLE_TYPES, AJ_FILTER_TYPES, INT8OID, TEXTOID,
			 BOOLOID, INT8OID);

static void
choice_values(const AjChoice *choice, Datum *values, char *nulls)
{
	memset(nulls, ' ', CHOICE_ARGS);
	aj_filter_values(choice->filter, choice->caller, choice->after, values,
					 nulls);
	values[AJ_VISIBLE_ARGS + AJ_FILTER_ARGS] = Int64GetDatum(choice->job_id);
	values[AJ_VISIBLE_ARGS + AJ_FILTER_ARGS + 1] = CStringGetTextDatum(choice->states);
	values[AJ_VISIBLE_ARGS + AJ_FILTER_ARGS + 2] = BoolGetDatum(choice->by_key);
	values[AJ_VISIBLE_ARGS + AJ_FILTER_ARGS + 3] =
		Int64GetDatum(choice->last ? choice->last : PG_INT64_MAX);
}

/* How many there are. */
int64
aj_queue_count_chosen(const AjChoice *choice)
{
	Datum		values[CHOICE_ARGS];
	char		nulls[CHOICE_ARGS];
	bool		isnull;

	choice_values(choice, values, nulls);
	aj_execute(&count_chosen, values, nulls, 0);
	return DatumGetInt64(aj_value(0, 1, &isnull));
}

/* The next of them, by id, in the memory context of the call; 0: no more. */
int
aj_queue_find_chosen(const AjChoice *choice, AjChosen **chosen)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		values[CHOICE_ARGS];
	char		nulls[CHOICE_ARGS];
	bool		isnull;
	int			n;

	choice_values(choice, values, nulls);
	n = aj_execute(choice->by_key ? &find_newest : &find_chosen, values, nulls, 0);
	*chosen = MemoryContextAlloc(context, (n + 1) * sizeof(AjChosen));
	for (int i = 0; i < n; i++)
	{
		(*chosen)[i].id = DatumGetInt64(aj_value(i, 1, &isnull));
		(*chosen)[i].newest = DatumGetBool(aj_value(i, 2, &isnull));
	}
	return n;
}
