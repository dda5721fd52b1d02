/*-------------------------------------------------------------------------
 *
 * lanes.h
 *		Where in the index of queued jobs the living part begins.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_LANES_H
#define AJ_LANES_H

#include "postgres.h"

#include "datatype/timestamp.h"

/* One owner's jobs of one queue and priority. */
typedef struct AjLaneKey
{
	Oid			dbid;
	Oid			owner;
	int32		queue_id;
	int32		priority;
} AjLaneKey;

/* A place in a lane, in claim order. */
typedef struct AjPlace
{
	TimestampTz run_at;
	int64		id;
} AjPlace;

/* A lane as it was when somebody looked. */
typedef struct AjLaneView
{
	AjLaneKey	key;
	int			index;			/* for aj_lane_scan_begin() */
	AjPlace		floor;
} AjLaneView;

extern Size aj_lanes_size(void);
extern void aj_lanes_init(void *base);
extern bool aj_lanes_complete(void);
extern int	aj_lanes_list(Oid dbid, Oid owner, AjLaneView **views);
extern void aj_lane_ready(const AjLaneKey *key, AjPlace place);
extern AjPlace aj_lane_scan_begin(const AjLaneView *view);
extern void aj_lane_scan_end(int index, const AjPlace *reached);
extern void aj_lane_scan_abandon(void);
extern void aj_lanes_reset(Oid dbid);
extern void aj_lanes_empty(Oid dbid);

static inline bool
aj_place_before(AjPlace a, AjPlace b)
{
	return a.run_at < b.run_at || (a.run_at == b.run_at && a.id < b.id);
}

#endif							/* AJ_LANES_H */
