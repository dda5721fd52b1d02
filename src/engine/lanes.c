/*-------------------------------------------------------------------------
 *
 * lanes.c
 *		Where in the index of queued jobs the living part begins.
 *
 * A finished job leaves a dead entry in job_ready_idx, and every claim starts
 * at the head of its lane (one owner, queue and priority), where the dead
 * ones are.  Vacuum removes them, unless an old snapshot keeps it from doing
 * so: then a claim walks over all jobs that were finished since, and the
 * queue comes to a standstill.  Shared memory therefore holds a floor for each
 * lane: no job that could be claimed stands before it.  A claim begins there.
 *
 * The floor is only a bound, and must never be too high.
 *
 * - A scan may raise it to the place of the first job that it could lock: all
 *	 before are dead, or locked by others who will end them.  But a job may
 *	 have been committed that the scan's snapshot doesn't show.  Whoever
 *	 commits a job says so after it became visible (wake.c), and tells every
 *	 scan of the lane that is under way, which then raises the floor to that
 *	 job's place at most.  Either the job was visible to the scan's snapshot,
 *	 or it is announced after the scan began; and if it is announced after the
 *	 scan ended, it lowers the floor itself.
 *
 * - Whoever makes jobs ready that stand before the floor lowers it: a retry, a
 *	 batch that leaves some of its jobs, a transaction that had locked queued
 *	 jobs and is rolled back, the coordinator when a worker died.  Where it
 *	 isn't known which lanes are concerned, all of the database start anew
 *	 (aj_lanes_reset).
 *
 * - What happens without our knowing (COMMIT PREPARED, logical replication) is
 *	 found by the coordinator, which looks for each lane's true head from time
 *	 to time.
 *
 * A floor in the future says that the lane has no job due before, one at
 * infinity that it is empty, so lanes without ready jobs cost nothing.
 *
 * The table has a fixed size.  When it is full, a lane that is empty makes
 * room for a new one.  When none is, aj_lanes_complete() says no from then on
 * and lanes are found by skipping through the index instead, as they are
 * where nothing is preloaded.
 *
 * Locks: LanesShared.lock guards the table (shared to look up, exclusive to
 * add); a lane's spinlock guards its floor, the scans that work on it and,
 * since scans begin without the table's lock, its key.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "common/hashfn.h"
#include "storage/lwlock.h"
#include "storage/spin.h"
#include "utils/timestamp.h"

#include "lanes.h"
#include "shmem.h"

#define MAX_LANES		2048
#define TABLE_SIZE		4096	/* a power of 2, twice MAX_LANES */
#define MAX_SCANS		8		/* per lane at a time; more don't raise it */

typedef struct Lane
{
	AjLaneKey	key;
	slock_t		mutex;
	AjPlace		floor;

	/* scans under way: by whom, and the first place announced meanwhile */
	int			scan_pid[MAX_SCANS];
	AjPlace		scan_low[MAX_SCANS];
} Lane;

typedef struct LanesShared
{
	LWLock	   *lock;
	int			nlanes;
	bool		full;			/* some lane has no entry */
	int16		table[TABLE_SIZE];	/* hash table of index + 1, 0 is free */
	Lane		lanes[MAX_LANES];
} LanesShared;

static LanesShared *lanes = NULL;
static int	scanning = -1;		/* lane of this process' scan */

static const AjPlace beginning = {DT_NOBEGIN, 0};
static const AjPlace never = {DT_NOEND, 0};

Size
aj_lanes_size(void)
{
	return MAXALIGN(sizeof(LanesShared));
}

void
aj_lanes_init(void *base)
{
	lanes = base;
	lanes->lock = &(GetNamedLWLockTranche("asyncjob"))[1].lock;
	for (int i = 0; i < MAX_LANES; i++)
		SpinLockInit(&lanes->lanes[i].mutex);
}

/* Does every lane of the database have an entry? */
bool
aj_lanes_complete(void)
{
	return lanes != NULL && !lanes->full;
}

/* Index of a lane, or -1 and the place in the hash table where it belongs. */
static int
find_lane(const AjLaneKey *key, int *place)
{
	uint32		h = hash_bytes((const unsigned char *) key, sizeof(AjLaneKey));

	for (;; h++)
	{
		int			index = lanes->table[h & (TABLE_SIZE - 1)] - 1;

		*place = h & (TABLE_SIZE - 1);
		if (index < 0 ||
			memcmp(&lanes->lanes[index].key, key, sizeof(AjLaneKey)) == 0)
			return index;
	}
}

/*
 * The lanes of an owner (of all, for InvalidOid) in a database, in a palloc'd
 * array.
 */
int
aj_lanes_list(Oid dbid, Oid owner, AjLaneView **views)
{
	int			n = 0;

	LWLockAcquire(lanes->lock, LW_SHARED);
	*views = palloc((lanes->nlanes + 1) * sizeof(AjLaneView));
	for (int i = 0; i < lanes->nlanes; i++)
	{
		Lane	   *lane = &lanes->lanes[i];

		if (lane->key.dbid != dbid ||
			(OidIsValid(owner) && lane->key.owner != owner))
			continue;
		(*views)[n].key = lane->key;
		(*views)[n].index = i;
		SpinLockAcquire(&lane->mutex);
		(*views)[n].floor = lane->floor;
		SpinLockRelease(&lane->mutex);
		n++;
	}
	LWLockRelease(lanes->lock);
	return n;
}

/*
 * Index of a lane that can be given to another key, or -1.  The caller holds
 * the table's lock exclusively.
 */
static int
find_empty_lane(void)
{
	for (int i = 0; i < lanes->nlanes; i++)
	{
		Lane	   *lane = &lanes->lanes[i];
		bool		empty;

		SpinLockAcquire(&lane->mutex);
		empty = lane->floor.run_at == DT_NOEND;
		for (int s = 0; s < MAX_SCANS; s++)
			empty &= lane->scan_pid[s] == 0;
		SpinLockRelease(&lane->mutex);
		if (empty)
			return i;
	}
	return -1;
}

/*
 * Make an entry for a lane; -1 if there is no room.  The caller holds the
 * table's lock exclusively.
 */
static int
add_lane(const AjLaneKey *key)
{
	Lane	   *lane;
	int			i,
				slot;

	i = lanes->nlanes < MAX_LANES ? lanes->nlanes++ : find_empty_lane();
	if (i < 0)
	{
		lanes->full = true;
		return -1;
	}
	lane = &lanes->lanes[i];
	SpinLockAcquire(&lane->mutex);
	lane->key = *key;
	lane->floor = beginning;
	memset(lane->scan_pid, 0, sizeof(lane->scan_pid));
	SpinLockRelease(&lane->mutex);

	/* with open addressing nothing can be taken out */
	memset(lanes->table, 0, sizeof(lanes->table));
	for (int j = 0; j < lanes->nlanes; j++)
	{
		(void) find_lane(&lanes->lanes[j].key, &slot);
		lanes->table[slot] = j + 1;
	}
	return i;
}

/*
 * A job at this place can be claimed, and is visible to whoever takes a
 * snapshot from now on.  Runs in commit callbacks, so it must not fail.
 */
void
aj_lane_ready(const AjLaneKey *key, AjPlace place)
{
	int			i,
				slot;
	Lane	   *lane;

	if (lanes == NULL)
		return;
	LWLockAcquire(lanes->lock, LW_SHARED);
	i = find_lane(key, &slot);
	if (i < 0)
	{
		LWLockRelease(lanes->lock);
		LWLockAcquire(lanes->lock, LW_EXCLUSIVE);
		i = find_lane(key, &slot);
		if (i < 0)
			i = add_lane(key);
		if (i < 0)
		{
			LWLockRelease(lanes->lock);
			return;
		}
	}
	lane = &lanes->lanes[i];
	SpinLockAcquire(&lane->mutex);
	if (aj_place_before(place, lane->floor))
		lane->floor = place;
	for (int s = 0; s < MAX_SCANS; s++)
	{
		if (lane->scan_pid[s] != 0 && aj_place_before(place, lane->scan_low[s]))
			lane->scan_low[s] = place;
	}
	SpinLockRelease(&lane->mutex);
	LWLockRelease(lanes->lock);
}

/*
 * The scan that this process has under way, if any, won't come to its end.
 */
void
aj_lane_scan_abandon(void)
{
	if (scanning >= 0)
		aj_lane_scan_end(scanning, NULL);
}

/*
 * Begin a scan of a lane, before its snapshot is taken.  Returns where to
 * begin.  If the entry has become another lane's, that is the beginning, and
 * the end of the scan will change nothing.
 */
AjPlace
aj_lane_scan_begin(const AjLaneView *view)
{
	Lane	   *lane = &lanes->lanes[view->index];
	AjPlace		floor;
	int			mine = -1;

	aj_lane_scan_abandon();
	SpinLockAcquire(&lane->mutex);
	if (memcmp(&lane->key, &view->key, sizeof(AjLaneKey)) != 0)
	{
		SpinLockRelease(&lane->mutex);
		return beginning;
	}
	scanning = view->index;
	floor = lane->floor;
	for (int s = 0; s < MAX_SCANS; s++)
	{
		if (lane->scan_pid[s] == 0)
		{
			mine = s;
			break;
		}
	}
	if (mine >= 0)
	{
		lane->scan_pid[mine] = MyProcPid;
		lane->scan_low[mine] = never;
	}
	SpinLockRelease(&lane->mutex);
	return floor;
}

/*
 * End a scan.  reached is the first place from which on jobs may be claimed
 * as far as the scan could see, or NULL if it can't say.
 */
void
aj_lane_scan_end(int index, const AjPlace *reached)
{
	Lane	   *lane = &lanes->lanes[index];

	scanning = -1;
	SpinLockAcquire(&lane->mutex);
	for (int s = 0; s < MAX_SCANS; s++)
	{
		if (lane->scan_pid[s] != MyProcPid)
			continue;
		lane->scan_pid[s] = 0;
		if (reached != NULL)
		{
			AjPlace		place = *reached;

			if (aj_place_before(lane->scan_low[s], place))
				place = lane->scan_low[s];
			if (aj_place_before(lane->floor, place))
				lane->floor = place;
		}
	}
	SpinLockRelease(&lane->mutex);
}

/* The database has no jobs any more. */
void
aj_lanes_empty(Oid dbid)
{
	LWLockAcquire(lanes->lock, LW_SHARED);
	for (int i = 0; i < lanes->nlanes; i++)
	{
		Lane	   *lane = &lanes->lanes[i];

		if (lane->key.dbid != dbid)
			continue;
		SpinLockAcquire(&lane->mutex);
		lane->floor = never;
		SpinLockRelease(&lane->mutex);
	}
	LWLockRelease(lanes->lock);
}

/*
 * Jobs may have become ready anywhere in the database: look at all lanes
 * from their beginning.  Scans under way learn it too.
 */
void
aj_lanes_reset(Oid dbid)
{
	if (lanes == NULL)
		return;
	LWLockAcquire(lanes->lock, LW_SHARED);
	for (int i = 0; i < lanes->nlanes; i++)
	{
		Lane	   *lane = &lanes->lanes[i];

		if (lane->key.dbid != dbid)
			continue;
		SpinLockAcquire(&lane->mutex);
		lane->floor = beginning;
		for (int s = 0; s < MAX_SCANS; s++)
			lane->scan_low[s] = beginning;
		SpinLockRelease(&lane->mutex);
	}
	LWLockRelease(lanes->lock);
}
