/*-------------------------------------------------------------------------
 *
 * queue_explain.c
 *		Statements that find out why a job is as it is.
 *
 * They are asked about jobs that the caller sees, but answers speak of others
 * too: of these only those that the caller sees are named.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "queue_explain.h"
#include "queue_pause.h"
#include "scope.h"

AJ_STATEMENT(facts_of,
			 "SELECT p.steps -> CASE WHEN j.state = 'failed'"
			 "   THEN coalesce((j.error ->> 'step_no')::integer - 1, j.step_no)"
			 "   ELSE least(j.step_no, jsonb_array_length(p.steps) - 1) END ->> 'name',"
			 "  j.failures, j.partial, j.error ->> 'message', (SELECT u.level"
			 "   FROM asyncjob.job_update u WHERE u.job_id = j.id"
			 "   AND u.kind = 'attempt' AND u.step_no = j.step_no"
			 "   ORDER BY u.seq DESC LIMIT 1),"
			 "  (SELECT pg_get_userbyid(l.role) FROM asyncjob.lease l"
			 "   WHERE l.job_id = j.id AND j.state = 'running'),"
			 "  (SELECT CASE count(*) WHEN 1 THEN 'job ' ELSE 'jobs ' END"
			 "    || string_agg(c.id::text, ', ' ORDER BY c.id)"
			 "    || CASE WHEN count(*) = 6 THEN ', ...' ELSE '' END"
			 "   FROM (SELECT c.id FROM asyncjob.job c WHERE c.parent_id = j.id"
			 "    AND c.item_no IS NULL AND c.state IN ('queued', 'running', 'waiting')"
			 "    ORDER BY c.id LIMIT 6) c),"
			 "  j.cancel_reason, j.finished_at"
			 " FROM asyncjob.job j JOIN asyncjob.pipeline p ON p.id = j.pipeline_id"
			 " WHERE j.id = $1",
			 INT8OID);

/* a place that counts (limits.c) */
#define TAKEN(o) \
	" (" o ".state IN ('queued', 'running') OR " o ".state = 'waiting'" \
	"  AND (" o ".suspect OR " o ".waiting_for = 'branches')) "

/*
 * Who has the places of job j's queue of which $1 would need one: the first
 * five that the caller sees, and how many others.
 */
#define HELD_BY(which) \
	"(SELECT concat_ws(' and ', CASE count(*) FILTER (WHERE s.seen)" \
	"   WHEN 0 THEN NULL WHEN 1 THEN 'job ' ELSE 'jobs ' END" \
	"   || string_agg(s.id::text, ', ' ORDER BY s.id) FILTER (WHERE s.seen AND s.n <= 5)" \
	"   || CASE WHEN count(*) FILTER (WHERE s.seen) > 5 THEN ', ...' ELSE '' END," \
	"  CASE WHEN count(*) FILTER (WHERE NOT s.seen) > 0" \
	"   THEN count(*) FILTER (WHERE NOT s.seen) || ' of others' END)" \
	" FROM (SELECT t.*, row_number() OVER (PARTITION BY t.seen ORDER BY t.id) AS n" \
	"  FROM (SELECT o.id, (o.owner = $2 OR $3)" \
	"    AND ($4 = 0 OR $4 = 1 AND coalesce(o.user_id = $5, false)) AS seen" \
	"   FROM asyncjob.place p JOIN asyncjob.job o ON o.id = p.job_id" \
	"   WHERE p.queue_id = j.queue_id AND" TAKEN("o") which ") t) s)"

#define OF_USER \
	" AND p.owner = j.owner AND p.user_id IS NOT DISTINCT FROM j.user_id"
#define OF_KEY		" AND p.owner = j.owner AND p.key = j.concurrency_key"

/* starts within an interval, and jobs that may start at any time */
#define STARTS(interval, of_place, of_start) \
	"(SELECT count(*) AS n, min(s.at) AS first FROM" \
	"  (SELECT p.started_at AS at FROM asyncjob.place p" \
	"    WHERE p.queue_id = j.queue_id" of_place " AND (p.started_at IS NULL" \
	"     OR p.started_at > clock_timestamp() - " interval ")" \
	"   UNION ALL SELECT x.started_at FROM asyncjob.queue_start x" \
	"    WHERE x.queue_id = j.queue_id" of_start \
	"     AND x.started_at > clock_timestamp() - " interval ") s)"

/* none of them need have started yet */
#define UNTIL(time) \
	"coalesce('until ' || (" time "), 'by jobs that have a place and are about to start')"

AJ_STATEMENT(why_held,
			 "SELECT CASE"
			 " WHEN l.max_running = 0 THEN format('max_running of queue \"%s\" is 0, so nothing of it starts', q.name)"
			 " WHEN l.max_running <= c.total THEN format('max_running of queue \"%s\" is %s, and as many of its jobs have a place (%s); it may go when one of them ends', q.name, l.max_running, " HELD_BY("") ")"
			 " WHEN l.max_running_per_user <= c.of_user THEN format('max_running_per_user of queue \"%s\" is %s, and as many jobs of %s have a place (%s); it may go when one of them ends', q.name, l.max_running_per_user,"
			 "  coalesce('user \"' || j.user_id || '\"', 'those without a user'), " HELD_BY(OF_USER) ")"
			 " WHEN l.max_running_per_key <= c.of_key THEN format('max_running_per_key of queue \"%s\" is %s, and as many jobs of key \"%s\" have a place (%s); it may go when one of them ends', q.name, l.max_running_per_key, j.concurrency_key, " HELD_BY(OF_KEY) ")"
			 " WHEN l.rate_limit <= r.n THEN format('rate_limit of queue \"%s\" is %s in %s, which is used up %s', q.name, l.rate_limit, l.rate_interval, " UNTIL("r.first + l.rate_interval") ")"
			 " WHEN l.rate_limit_per_key <= k.n THEN format('rate_limit_per_key of queue \"%s\" is %s in %s, which key \"%s\" has used up %s', q.name, l.rate_limit_per_key, l.rate_interval_per_key, j.concurrency_key, " UNTIL("k.first + l.rate_interval_per_key") ")"
			 " ELSE format('it is in line for a place in queue \"%s\", behind others if there are any', q.name) END"
			 " FROM asyncjob.job j JOIN asyncjob.queue q ON q.id = j.queue_id"
			 " JOIN asyncjob.queue_limit l ON l.queue_id = q.id"
			 " CROSS JOIN LATERAL (SELECT count(*) AS total, count(*) FILTER"
			 "   (WHERE p.owner = j.owner AND p.user_id IS NOT DISTINCT FROM j.user_id) AS of_user,"
			 "   count(*) FILTER (WHERE p.owner = j.owner AND p.key = j.concurrency_key) AS of_key"
			 "  FROM asyncjob.place p JOIN asyncjob.job o ON o.id = p.job_id"
			 "  WHERE p.queue_id = j.queue_id AND" TAKEN("o") ") c"
			 " CROSS JOIN LATERAL " STARTS("l.rate_interval", "", "") " r"
			 " CROSS JOIN LATERAL " STARTS("l.rate_interval_per_key", OF_KEY,
										   " AND x.owner = j.owner AND x.key = j.concurrency_key") " k"
			 " WHERE j.id = $1 AND j.state = 'waiting' AND j.limit_group < "
			 AJ_PAUSE_GROUPS,
			 INT8OID, AJ_VISIBLE_TYPES);

/*
 * Where no step of job $1 that is a job of its own runs, the one of them that
 * should come first.
 */
AJ_STATEMENT(idle_branch,
			 "SELECT c.id FROM asyncjob.job c WHERE c.parent_id = $1"
			 " AND c.item_no IS NOT NULL AND c.state IN ('queued', 'waiting')"
			 " AND NOT EXISTS (SELECT FROM asyncjob.job r WHERE r.parent_id = $1"
			 "  AND r.item_no IS NOT NULL AND r.state = 'running')"
			 " ORDER BY c.run_at, c.id LIMIT 1",
			 INT8OID);

/* A text column of the only row, in the memory context of the call. */
static char *
text_of(int col)
{
	bool		isnull;
	Datum		value = aj_value(0, col, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* In the memory context of the call. */
void
aj_queue_facts(int64 job_id, AjFacts *facts)
{
	MemoryContext context = CurrentMemoryContext,
				old;
	Datum		values[1] = {Int64GetDatum(job_id)},
				v;
	bool		isnull;

	memset(facts, 0, sizeof(*facts));
	if (aj_execute(&facts_of, values, NULL, 0) == 0)
		return;
	old = MemoryContextSwitchTo(context);
	facts->step = text_of(1);
	facts->failures = DatumGetInt16(aj_value(0, 2, &isnull));
	facts->partial = DatumGetBool(aj_value(0, 3, &isnull));
	facts->error = text_of(4);
	facts->last = text_of(5);
	v = aj_value(0, 6, &isnull);
	facts->holder = isnull ? NULL : pstrdup(NameStr(*DatumGetName(v)));
	facts->children = text_of(7);
	facts->reason = text_of(8);
	v = aj_value(0, 9, &isnull);
	facts->finished_at = isnull ? 0 : DatumGetTimestampTz(v);
	MemoryContextSwitchTo(old);
}

/* What keeps a job from a place, in the memory context of the call. */
char *
aj_queue_why_held(const AjCaller *caller, int64 job_id)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		values[AJ_VISIBLE_ARGS];
	char		nulls[AJ_VISIBLE_ARGS + 1];
	char	   *why;

	aj_visible_values(caller, job_id, values, nulls);
	if (aj_execute(&why_held, values, nulls, 0) == 0)
		return NULL;
	why = text_of(1);
	return why ? MemoryContextStrdup(context, why) : NULL;
}

/* Which of a job's branches keeps it waiting, 0 if one of them runs. */
int64
aj_queue_idle_branch(int64 job_id)
{
	Datum		values[1] = {Int64GetDatum(job_id)};
	bool		isnull;

	if (aj_execute(&idle_branch, values, NULL, 0) == 0)
		return 0;
	return DatumGetInt64(aj_value(0, 1, &isnull));
}
