/*-------------------------------------------------------------------------
 *
 * queue_steer.c
 *		Statements that cancel, retry and reprioritize a job.
 *
 * Their caller has looked at the job with aj_queue_head(), which found it for
 * who asks and locked its row.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "queue_steer.h"
#include "scope.h"

AJ_STATEMENT(cancel_now,
			 "UPDATE asyncjob.job SET state = 'cancelled', suspect = false,"
			 " limit_group = NULL,"
			 " seq = seq + 1, finished_at = clock_timestamp(),"
			 " cancel_requested = true, cancel_reason = $2, waiting_for = NULL"
			 " WHERE id = $1",
			 INT8OID, TEXTOID);

/* the first reason is the one that counts */
AJ_STATEMENT(ask_cancel,
			 "UPDATE asyncjob.job SET cancel_requested = true,"
			 " cancel_reason = coalesce(cancel_reason, $2) WHERE id = $1",
			 INT8OID, TEXTOID);

/* what ended before becomes history */
AJ_STATEMENT(keep_end,
			 "INSERT INTO asyncjob.job_update"
			 " (job_id, seq, at, kind, state, step_no, message, data)"
			 " SELECT j.id, j.seq, j.finished_at, 'state', j.state, j.step_no,"
			 "  coalesce(j.error ->> 'message', j.cancel_reason), j.error"
			 " FROM asyncjob.job j WHERE j.id = $1",
			 INT8OID);

AJ_STATEMENT(queue_again,
			 "UPDATE asyncjob.job SET state = 'queued', seq = seq + 1,"
			 " run_at = clock_timestamp(), finished_at = NULL, failures = 0,"
			 " free_retries = 0, crashes = 0, error = NULL, waiting_for = NULL,"
			 " cancel_requested = false, cancel_reason = NULL"
			 " WHERE id = $1 RETURNING seq",
			 INT8OID);

AJ_STATEMENT(find_rival,
			 "SELECT r.id FROM asyncjob.job j JOIN asyncjob.job r"
			 " ON r.owner = j.owner AND r.unique_key = j.unique_key"
			 " AND r.state IN ('queued', 'running', 'waiting')"
			 " WHERE j.id = $1 AND r.id <> j.id",
			 INT8OID);

AJ_STATEMENT(note_queued,
			 "INSERT INTO asyncjob.job_update (job_id, seq, kind, state, step_no)"
			 " VALUES ($1, $2, 'state', 'queued', $3)",
			 INT8OID, INT4OID, INT2OID);

AJ_STATEMENT(set_priority,
			 "UPDATE asyncjob.job SET priority = $2"
			 " WHERE id = $1 AND state IN ('queued', 'waiting')",
			 INT8OID, INT2OID);

static void
cancel(AjStatement *stmt, const AjJobHead *head, const char *reason)
{
	Datum		values[2] = {Int64GetDatum(head->id)};
	char		nulls[3] = "  ";

	values[1] = aj_text_or_null(reason, &nulls[1]);
	aj_execute(stmt, values, nulls, 0);
}

/* End a locked job that doesn't run. */
void
aj_queue_cancel_now(const AjJobHead *head, const char *reason)
{
	cancel(&cancel_now, head, reason);
}

/* Ask the worker that has a locked job to end it. */
void
aj_queue_ask_cancel(const AjJobHead *head, const char *reason)
{
	cancel(&ask_cancel, head, reason);
}

/* The unfinished job that has a job's unique key, or 0. */
int64
aj_queue_find_rival(const AjJobHead *head)
{
	Datum		values[1] = {Int64GetDatum(head->id)};
	bool		isnull;

	if (aj_execute(&find_rival, values, NULL, 0) == 0)
		return 0;
	return DatumGetInt64(aj_value(0, 1, &isnull));
}

/* Queue a locked job that ended again.  Returns its seq. */
int
aj_queue_retry(const AjJobHead *head)
{
	Datum		values[3] = {Int64GetDatum(head->id)};
	bool		isnull;
	int			seq;

	aj_execute(&keep_end, values, NULL, 0);
	aj_execute(&queue_again, values, NULL, 0);
	seq = DatumGetInt32(aj_value(0, 1, &isnull));
	values[1] = Int32GetDatum(seq);
	values[2] = Int16GetDatum(head->step_no);
	aj_execute(&note_queued, values, NULL, 0);
	return seq;
}

bool
aj_queue_reprioritize(int64 job_id, int priority)
{
	Datum		values[2] = {Int64GetDatum(job_id), Int16GetDatum(priority)};

	return aj_execute(&set_priority, values, NULL, 0) > 0;
}
