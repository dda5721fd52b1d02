/*-------------------------------------------------------------------------
 *
 * lanes_here.h
 *		Where the living part of the index begins for a drain().
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_LANES_HERE_H
#define AJ_LANES_HERE_H

#include "postgres.h"

#include "lanes.h"

typedef struct AjLanesHere
{
	Oid			owner;
	bool		known;			/* all lanes of the index are in */
	AjLaneView *lanes;
	int			nlanes;
	int			max;
	MemoryContext context;		/* of lanes */
	struct AjLanesHere *outer;	/* of the drain() that this one runs in */
} AjLanesHere;

extern void aj_lanes_here_begin(AjLanesHere *here, Oid owner);
extern void aj_lanes_here_end(AjLanesHere *here);
extern AjLanesHere *aj_lanes_here(Oid owner);
extern void aj_lane_here_add(AjLanesHere *here, const AjLaneView *lane);
extern void aj_lane_here_reached(AjLanesHere *here, const AjLaneKey *key,
								 AjPlace head);
extern void aj_lanes_here_ready(const AjLaneKey *key, AjPlace place);
extern void aj_lanes_here_reset(void);
extern void aj_lanes_here_anew(AjLanesHere *here);

#endif							/* AJ_LANES_HERE_H */
