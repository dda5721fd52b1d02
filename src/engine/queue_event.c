/*-------------------------------------------------------------------------
 *
 * queue_event.c
 *		Statements that emit events, wait for them and subscribe to them.
 *
 * They only leave rows; what follows is queue_dispatch.c's, which explains how
 * nothing is lost or done twice.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "errors.h"
#include "external.h"
#include "jsonpath.h"
#include "limits.h"
#include "queue.h"
#include "queue_dead.h"
#include "queue_event.h"
#include "queue_limits.h"
#include "queue_submit.h"
#include "scope.h"
#include "seal.h"
#include "wake.h"

AJ_STATEMENT(add_event,
			 "INSERT INTO asyncjob.event (owner, event, key, payload, kept)"
			 " VALUES ($1, $2, $3, $4, $3 IS NOT NULL)"
			 " ON CONFLICT (owner, event, key) WHERE kept DO NOTHING",
			 OIDOID, TEXTOID, TEXTOID, JSONBOID);

AJ_STATEMENT(find_kept,
			 "SELECT e.payload FROM asyncjob.event e WHERE e.owner = $1"
			 " AND e.event = $2 AND e.key = $3 AND e.kept",
			 OIDOID, TEXTOID, TEXTOID);

AJ_STATEMENT(find_end, AJ_END_OF_JOB("$1", "$2", "$3"), OIDOID, TEXTOID, TEXTOID);

/* what was to follow from it still does; then it goes as one without a key */
AJ_STATEMENT(forget_kept,
			 "UPDATE asyncjob.event e SET kept = false WHERE e.owner = $1"
			 " AND e.event = $2 AND e.key = $3 AND e.kept",
			 OIDOID, TEXTOID, TEXTOID);

AJ_STATEMENT(granted,
			 "SELECT true FROM asyncjob.event_grant g WHERE g.owner = $1"
			 " AND g.event = $2 AND pg_has_role($3, g.role, 'USAGE') LIMIT 1",
			 OIDOID, TEXTOID, OIDOID);

AJ_STATEMENT(add_grant,
			 "INSERT INTO asyncjob.event_grant (owner, event, role)"
			 " VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
			 OIDOID, TEXTOID, OIDOID);

AJ_STATEMENT(drop_grant,
			 "DELETE FROM asyncjob.event_grant"
			 " WHERE owner = $1 AND event = $2 AND role = $3",
			 OIDOID, TEXTOID, OIDOID);

AJ_STATEMENT(add_wait,
			 "INSERT INTO asyncjob.event_wait AS w"
			 " (job_id, name, event_owner, event, key)"
			 " VALUES ($1, $2, $3, $4, $5)"
			 " ON CONFLICT (job_id) DO UPDATE SET name = excluded.name,"
			 "  event_owner = excluded.event_owner, event = excluded.event,"
			 "  key = excluded.key, fresh = true, xid = excluded.xid,"
			 "  seen_xid = NULL, since = CASE"
			 "   WHEN w.name = excluded.name THEN w.since ELSE excluded.since END",
			 INT8OID, TEXTOID, OIDOID, TEXTOID, TEXTOID);

AJ_STATEMENT(add_subscription,
			 "INSERT INTO asyncjob.subscription"
			 " (owner, event_owner, event, pipeline, filter)"
			 " VALUES ($1, $2, $3, $4, $5) RETURNING id",
			 OIDOID, OIDOID, TEXTOID, TEXTOID, TEXTOID);

AJ_STATEMENT(drop_subscription,
			 "DELETE FROM asyncjob.subscription WHERE id = $1"
			 " AND (owner = $2 OR $3)",
			 INT8OID, OIDOID, BOOLOID);

AJ_STATEMENT(chain,
			 "INSERT INTO asyncjob.event (owner, event, key, payload)"
			 " SELECT j.owner, p.name || '-' || j.state, j.id::text,"
			 "  " AJ_JOB_EVENT
			 " FROM asyncjob.job j JOIN asyncjob.pipeline p ON p.id = j.pipeline_id"
			 " WHERE j.id = ANY ($1) AND j.item_no IS NULL"
			 "  AND j.state IN ('completed', 'failed')"
			 "  AND (EXISTS (SELECT FROM asyncjob.subscription s"
			 "    WHERE s.event_owner = j.owner AND s.event = p.name || '-' || j.state)"
			 "   OR EXISTS (SELECT FROM asyncjob.event_wait w"
			 "    WHERE w.event_owner = j.owner AND w.event = p.name || '-' || j.state))",
			 INT8ARRAYOID);

AJ_STATEMENT(chains_wanted,
			 "SELECT true WHERE EXISTS (SELECT FROM asyncjob.subscription)"
			 " OR EXISTS (SELECT FROM asyncjob.event_wait) AND $1",
			 BOOLOID);

/* Returns false where an event of this key is kept already. */
bool
aj_queue_emit(Oid owner, const char *event, const char *key, Jsonb *payload)
{
	Datum		values[4] = {ObjectIdGetDatum(owner), CStringGetTextDatum(event)};
	char		nulls[5] = "    ";

	values[2] = aj_text_or_null(key, &nulls[2]);
	values[3] = JsonbPGetDatum(payload);
	return aj_execute(&add_event, values, nulls, 0) == 1;
}

/* Payload of the event of this key, in the memory context of the call. */
bool
aj_queue_find_event(Oid owner, const char *event, const char *key,
					Jsonb **payload)
{
	MemoryContext context = CurrentMemoryContext,
				old;
	Datum		values[3] = {ObjectIdGetDatum(owner), CStringGetTextDatum(event),
	CStringGetTextDatum(key)};
	bool		isnull;

	if (aj_execute(&find_kept, values, NULL, 0) == 0 &&
		aj_execute(&find_end, values, NULL, 0) == 0)
		return false;
	old = MemoryContextSwitchTo(context);
	*payload = DatumGetJsonbPCopy(aj_value(0, 1, &isnull));
	MemoryContextSwitchTo(old);
	return true;
}

bool
aj_queue_forget_event(Oid owner, const char *event, const char *key)
{
	Datum		values[3] = {ObjectIdGetDatum(owner), CStringGetTextDatum(event),
	CStringGetTextDatum(key)};

	return aj_execute(&forget_kept, values, NULL, 0) > 0;
}

/* May a role hear another role's event? */
bool
aj_queue_event_granted(Oid owner, const char *event, Oid role)
{
	Datum		values[3] = {ObjectIdGetDatum(owner), CStringGetTextDatum(event),
	ObjectIdGetDatum(role)};

	return aj_execute(&granted, values, NULL, 0) > 0;
}

void
aj_queue_grant_event(Oid owner, const char *event, Oid role, bool grant)
{
	Datum		values[3] = {ObjectIdGetDatum(owner), CStringGetTextDatum(event),
	ObjectIdGetDatum(role)};

	aj_execute(grant ? &add_grant : &drop_grant, values, NULL, 0);
}

/* A job that is put aside waits for an event. */
void
aj_queue_add_wait(const AjJob *job, const AjSuspend *why)
{
	Datum		values[5] = {Int64GetDatum(job->id), CStringGetTextDatum(why->name),
	ObjectIdGetDatum(why->event_owner), CStringGetTextDatum(why->event)};
	char		nulls[6] = "     ";

	values[4] = aj_text_or_null(why->key, &nulls[4]);
	aj_execute(&add_wait, values, nulls, 0);
}

int64
aj_queue_subscribe(Oid owner, Oid event_owner, const char *event,
				   const char *pipeline, const char *filter)
{
	Datum		values[5] = {ObjectIdGetDatum(owner), ObjectIdGetDatum(event_owner),
	CStringGetTextDatum(event), CStringGetTextDatum(pipeline)};
	char		nulls[6] = "     ";
	bool		isnull;

	values[4] = aj_text_or_null(filter, &nulls[4]);
	aj_execute(&add_subscription, values, nulls, 0);
	return DatumGetInt64(aj_value(0, 1, &isnull));
}

bool
aj_queue_unsubscribe(int64 id, Oid role, bool admin)
{
	Datum		values[3] = {Int64GetDatum(id), ObjectIdGetDatum(role),
	BoolGetDatum(admin)};

	return aj_execute(&drop_subscription, values, NULL, 0) > 0;
}

/* Jobs have ended: emit that, where somebody wants to hear it. */
void
aj_queue_chain(const int64 *job_ids, int n)
{
	Datum	   *ids = palloc(n * sizeof(Datum));
	Datum		values[1];

	for (int i = 0; i < n; i++)
		ids[i] = Int64GetDatum(job_ids[i]);
	values[0] = PointerGetDatum(construct_array(ids, n, INT8OID, 8,
												FLOAT8PASSBYVAL, 'd'));
	if (aj_execute(&chain, values, NULL, 0) > 0)
		aj_at_commit_flow();
}

/* Does anybody wait for ends of jobs?  More often yes than need be. */
bool
aj_queue_chains_wanted(void)
{
	Datum		values[1] = {BoolGetDatum(true)};

	return aj_execute(&chains_wanted, values, NULL, 0) > 0;
}
