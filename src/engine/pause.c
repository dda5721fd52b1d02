/*-------------------------------------------------------------------------
 *
 * pause.c
 *		Pipelines that are paused.
 *
 * A queue that is paused is a lane that nobody looks at, and so is each queue
 * while the database is quiesced: a claim asks for both in the row of the
 * queue that it reads anyway.  Jobs of a paused pipeline, however, stand in the
 * lanes between others.  So whoever claims from a lane while any pipeline is
 * paused first sets aside what is in the way at the lane's head: such a job
 * waits, in a group of job_held_idx of its own, where no claim, no limit and
 * no alarm clock walks over it.  And the claim itself asks for jobs of
 * other pipelines only, which is what makes a pause exact: a claim that
 * begins after it was committed starts none of its jobs.
 *
 * Which pipelines are paused is asked of the table, in the claim's snapshot.
 * That any is, each process remembers until a relcache invalidation of
 * asyncjob.pipeline, which a trigger sends; where none is paused, a claim is
 * the plain one.
 *
 * To resume a pipeline is to take the mark off.  Those who were set aside are
 * queued again by the coordinator (or drain(), or an external worker's claim()),
 * some at a time, when it hears of it, and at each poll: a claim that still
 * saw the pause may set one aside after that.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

#include "pause.h"
#include "queue_pause.h"
#include "types.h"

static Oid	pipeline_relid = InvalidOid;
static uint64 generation = 1;	/* of what there is to know */
static uint64 filled = 0;		/* of what follows */
static bool any_paused = false;
static bool changed = true;		/* since it was last asked */

static void
pipeline_invalidated(Datum arg, Oid relid)
{
	if (relid == pipeline_relid || !OidIsValid(relid))
	{
		generation++;
		changed = true;
	}
}

/* Is any pipeline paused?  The caller is in a scope. */
bool
aj_any_pipeline_paused(void)
{
	static bool registered = false;
	uint64		before;

	if (filled == generation)
		return any_paused;
	if (!registered)
	{
		CacheRegisterRelcacheCallback(pipeline_invalidated, (Datum) 0);
		registered = true;
	}
	pipeline_relid = get_relname_relid("pipeline",
									   get_namespace_oid(AJ_SCHEMA, false));
	before = generation;		/* an invalidation may come meanwhile */
	any_paused = aj_queue_any_paused();

	/* what an older snapshot than the invalidation's shows can't be kept */
	if (!IsolationUsesXactSnapshot())
		filled = before;
	return any_paused;
}

/* What the next one would answer. */
bool
aj_pauses_may_have_changed(void)
{
	return changed;
}

/* Has any pipeline been paused or resumed since this was last asked? */
bool
aj_pauses_changed(void)
{
	bool		result = changed;

	changed = false;
	return result;
}

/*
 * Queue again, in this transaction, all jobs of an owner, or (0) of all, that
 * were set aside for no reason.
 */
void
aj_call_back_here(Oid owner)
{
	while (aj_queue_call_back(owner) > 0)
		;
}
