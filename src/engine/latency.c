/*-------------------------------------------------------------------------
 *
 * latency.c
 *		How long things of the engine's own take.
 *
 * What happens to a job can be read off its row later on.  How long a submit()
 * took, a notice was on its way, or a chat session was written to can't, and
 * what failed there leaves no row at all.  So these are counted in shared
 * memory, one histogram a database and kind since the server's start: what
 * Prometheus wants, and percentiles can be had from it.
 *
 * Each number is an atomic of its own and only ever grows.  Who reads while
 * others write may see a sum without its count; the next look has both.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "api.h"
#include "latency.h"
#include "shmem.h"

PG_FUNCTION_INFO_V1(aj_latency_buckets);

/* upper bounds in microseconds; the last bucket has none */
static const int64 bounds[AJ_LATENCY_BUCKETS - 1] = {
	10, 20, 50, 100, 200, 500,
	1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000,
	1000000, 2000000, 5000000, 10000000
};

static const char *const names[AJ_LATENCY_KINDS] = {
	"submit", "notify", "chat_write"
};

/* For the postmaster, and for an entry that becomes another database's. */
void
aj_latency_init(AjLatency *latency)
{
	for (int k = 0; k < AJ_LATENCY_KINDS; k++)
	{
		pg_atomic_init_u64(&latency[k].failed, 0);
		pg_atomic_init_u64(&latency[k].sum_us, 0);
		for (int b = 0; b < AJ_LATENCY_BUCKETS; b++)
			pg_atomic_init_u64(&latency[k].buckets[b], 0);
	}
}

void
aj_latency_reset(AjLatency *latency)
{
	for (int k = 0; k < AJ_LATENCY_KINDS; k++)
	{
		pg_atomic_write_u64(&latency[k].failed, 0);
		pg_atomic_write_u64(&latency[k].sum_us, 0);
		for (int b = 0; b < AJ_LATENCY_BUCKETS; b++)
			pg_atomic_write_u64(&latency[k].buckets[b], 0);
	}
}

/*
 * Histograms of this database, or NULL.  The entry of a database that has the
 * extension doesn't move, so it is looked for only once.
 */
static AjLatency *
my_latency(void)
{
	static AjDatabase *mine = NULL;

	if (aj_shared == NULL)
		return NULL;
	if (mine == NULL || mine->dbid != MyDatabaseId)
	{
		LWLockAcquire(aj_shared->lock, LW_SHARED);
		mine = aj_database_find(MyDatabaseId);
		LWLockRelease(aj_shared->lock);
	}
	return mine ? mine->latency : NULL;
}

void
aj_latency_note(AjLatencyKind kind, TimestampTz start, TimestampTz end)
{
	AjLatency  *latency = my_latency();
	int64		us = Max(end - start, 0);
	int			b = 0;

	if (latency == NULL)
		return;
	while (b < AJ_LATENCY_BUCKETS - 1 && us > bounds[b])
		b++;
	(void) pg_atomic_fetch_add_u64(&latency[kind].buckets[b], 1);
	(void) pg_atomic_fetch_add_u64(&latency[kind].sum_us, us);
}

void
aj_latency_note_failed(AjLatencyKind kind)
{
	AjLatency  *latency = my_latency();

	if (latency != NULL)
		(void) pg_atomic_fetch_add_u64(&latency[kind].failed, 1);
}

/*
 * _latency_buckets(): a row for each bucket of each histogram; none where
 * nothing is preloaded.
 */
Datum
aj_latency_buckets(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	AjLatency  *latency = my_latency();

	InitMaterializedSRF(fcinfo, 0);
	for (int k = 0; latency != NULL && k < AJ_LATENCY_KINDS; k++)
	{
		for (int b = 0; b < AJ_LATENCY_BUCKETS; b++)
		{
			Datum		values[5];
			bool		nulls[5] = {false};

			values[0] = CStringGetTextDatum(names[k]);
			values[1] = Float8GetDatum(b == AJ_LATENCY_BUCKETS - 1 ?
									   INFINITY : bounds[b] / 1e6);
			values[2] = Int64GetDatum((int64) pg_atomic_read_u64(&latency[k].buckets[b]));
			values[3] = Int64GetDatum((int64) pg_atomic_read_u64(&latency[k].failed));
			values[4] = Float8GetDatum(pg_atomic_read_u64(&latency[k].sum_us) / 1e6);
			tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
		}
	}
	return (Datum) 0;
}
