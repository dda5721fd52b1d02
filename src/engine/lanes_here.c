/*-------------------------------------------------------------------------
 *
 * lanes_here.c
 *		Where the living part of the index begins for a drain().
 *
 * drain() runs many jobs in one transaction.  Each leaves dead entries in
 * job_ready_idx that nobody can remove before that transaction's end, so each
 * claim would walk over all that were run before.  It keeps floors as lanes.c
 * does, but of its own, for one call: its claims raise them, and whatever its
 * transaction makes ready meanwhile (wake.c) lowers them at once.  A step that
 * is rolled back leaves the index as it was before it, and no claim of this
 * call has looked at it in between.  A drain() within a handler has floors of
 * its own, and tells those of the outer ones what it makes ready.
 *
 * What other sessions commit nobody tells us.  So before it returns, drain()
 * looks at all once more (aj_lanes_here_anew).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "lanes_here.h"

static AjLanesHere *innermost = NULL;

/* From now on, until the end, for claims of this owner's jobs. */
void
aj_lanes_here_begin(AjLanesHere *here, Oid owner)
{
	memset(here, 0, sizeof(*here));
	here->owner = owner;
	here->context = CurrentMemoryContext;
	here->outer = innermost;
	innermost = here;
}

/* Also when drain() ends by an error. */
void
aj_lanes_here_end(AjLanesHere *here)
{
	innermost = here->outer;
}

/* The floors for this owner's claims; NULL: none are kept. */
AjLanesHere *
aj_lanes_here(Oid owner)
{
	return innermost != NULL && innermost->owner == owner ? innermost : NULL;
}

static AjLaneView *
find_lane(AjLanesHere *here, const AjLaneKey *key)
{
	for (int i = 0; i < here->nlanes; i++)
	{
		if (memcmp(&here->lanes[i].key, key, sizeof(AjLaneKey)) == 0)
			return &here->lanes[i];
	}
	return NULL;
}

static void
lower(AjLanesHere *here, const AjLaneKey *key, AjPlace place)
{
	AjLaneView *lane = find_lane(here, key);

	if (lane != NULL)
	{
		if (aj_place_before(place, lane->floor))
			lane->floor = place;
		return;
	}
	if (here->nlanes == here->max)
	{
		here->max = here->max * 2 + 16;
		if (here->lanes == NULL)
			here->lanes = MemoryContextAlloc(here->context,
											 here->max * sizeof(AjLaneView));
		else
			here->lanes = repalloc(here->lanes, here->max * sizeof(AjLaneView));
	}
	lane = &here->lanes[here->nlanes++];
	lane->key = *key;
	lane->index = -1;
	lane->floor = place;
}

/* A lane of the index, and its head. */
void
aj_lane_here_add(AjLanesHere *here, const AjLaneView *lane)
{
	lower(here, &lane->key, lane->floor);
}

/* This is the head of a lane now. */
void
aj_lane_here_reached(AjLanesHere *here, const AjLaneKey *key, AjPlace head)
{
	AjLaneView *lane = find_lane(here, key);

	if (lane != NULL)
		lane->floor = head;
}

/* This transaction has made a job ready. */
void
aj_lanes_here_ready(const AjLaneKey *key, AjPlace place)
{
	for (AjLanesHere *here = innermost; here; here = here->outer)
	{
		if (here->owner == key->owner)
			lower(here, key, place);
	}
}

/* Let the next claim look at all again. */
void
aj_lanes_here_anew(AjLanesHere *here)
{
	here->nlanes = 0;
	here->known = false;
}

/* This transaction has made jobs ready, who knows where. */
void
aj_lanes_here_reset(void)
{
	for (AjLanesHere *here = innermost; here; here = here->outer)
		aj_lanes_here_anew(here);
}
