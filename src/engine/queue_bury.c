/*-------------------------------------------------------------------------
 *
 * queue_bury.c
 *		Jobs that the engine ends itself.
 *
 * A job whose worker was lost too often, whose handler crashes the server,
 * whose owner was dropped, or that wasn't started in time, ends without a
 * worker having it.  What a worker does at an end has to be done for it all the
 * same, in the transaction that ends it: the event of its end, the message to
 * its chat session, the notice, and a look at the job that it belongs to.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "dag.h"
#include "events.h"
#include "executor.h"
#include "queue.h"
#include "queue_bury.h"
#include "queue_event.h"
#include "scope.h"
#include "types.h"
#include "wake.h"

AJ_STATEMENT(read_ended,
			 "SELECT j.id, j.seq, j.step_no, jsonb_array_length(p.steps),"
			 "  j.session_id, j.item_no IS NOT NULL, j.parent_id IS NOT NULL,"
			 "  j.state::text, p.steps -> j.step_no::integer ->> 'name',"
			 "  j.error ->> 'message'"
			 " FROM asyncjob.job j JOIN asyncjob.pipeline p ON p.id = j.pipeline_id"
			 " WHERE j.id = ANY ($1) ORDER BY j.id",
			 INT8ARRAYOID);

static char *
text_of(HeapTuple row, TupleDesc desc, int col)
{
	bool		isnull;
	Datum		value = SPI_getbinval(row, desc, col, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* One job, as read_ended has it. */
static void
tell_end(HeapTuple row, TupleDesc desc)
{
	AjJob		job = {0};
	AjRun		run = {.job = &job};
	AjState		state = aj_state_by_name(text_of(row, desc, 8));
	const char *step = text_of(row, desc, 9);
	const char *message = text_of(row, desc, 10);
	bool		isnull;
	int			seq;

	job.id = DatumGetInt64(SPI_getbinval(row, desc, 1, &isnull));
	job.seq = seq = DatumGetInt32(SPI_getbinval(row, desc, 2, &isnull));
	job.step_no = DatumGetInt16(SPI_getbinval(row, desc, 3, &isnull));
	job.session_id = text_of(row, desc, 5);
	if (DatumGetBool(SPI_getbinval(row, desc, 6, &isnull)))
	{
		aj_dag_sweep_soon();	/* a step of another job */
		return;
	}
	if (DatumGetBool(SPI_getbinval(row, desc, 7, &isnull)))
		aj_at_commit_flow();	/* one may wait for its children */
	aj_tell_chat(&run, state == AJ_CANCELLED ? "Analysis was cancelled." :
				 psprintf("Analysis failed at step %s: %s", step ? step : "?",
						  message ? message : "unknown error"), state);
	if (job.seq != seq)
	{
		/* the chat's failure was logged: the end comes after it */
		job.seq++;
		aj_queue_set_seq(&job);
	}
	aj_at_commit_changed(job.id, job.seq, state, job.step_no,
						 DatumGetInt32(SPI_getbinval(row, desc, 4, &isnull)),
						 job.session_id);
}

/*
 * The last statement has ended n jobs; their ids are the first column of what
 * it returned.
 */
void
aj_queue_buried(int n)
{
	int64	   *ids;
	Datum	   *elements,
				values[1];
	SPITupleTable *rows;
	bool		isnull;

	if (n == 0)
		return;
	ids = palloc(n * sizeof(int64));
	elements = palloc(n * sizeof(Datum));
	for (int i = 0; i < n; i++)
	{
		elements[i] = aj_value(i, 1, &isnull);
		ids[i] = DatumGetInt64(elements[i]);
	}
	values[0] = PointerGetDatum(construct_array(elements, n, INT8OID, 8,
												FLOAT8PASSBYVAL, 'd'));
	n = aj_execute(&read_ended, values, NULL, 0);
	rows = SPI_tuptable;
	for (int i = 0; i < n; i++)
		tell_end(rows->vals[i], rows->tupdesc);
	if (n > 0 && aj_chains_wanted())
		aj_queue_chain(ids, n);
	aj_at_commit_look();		/* their places are free */
}
