/*-------------------------------------------------------------------------
 *
 * limits.c
 *		Limits of queues: who may start, and when.
 *
 * A job of a queue with limits is not queued at once.  It waits, in an index
 * of its own, until it is given a place: a row of asyncjob.place.  Only then is
 * it queued, and claimed as any other job; a claim takes no job of such a queue
 * that has no place.  So a limit costs nothing where there is none, and where
 * there is one, what it holds back stands in nobody's way.
 *
 * Who gives out places holds the lock on the queue's row of
 * asyncjob.queue_limit, so there is one at a time: the coordinator, or a
 * claim(), drain() or synchronous submit() where it is their turn.  Holding it,
 * he counts with a new snapshot (admission.c).  Others can only free places
 * meanwhile, so no limit is ever exceeded, whatever happens at the same time.
 *
 * Where nothing limits the number of places, only so many are given as the
 * workers can use within about WINDOW_MS, so that order and turns are decided
 * late.
 *
 * Each process remembers which queues have limits, until a relcache
 * invalidation of asyncjob.queue, which a trigger sends.  That memory only says
 * where to look: what is queued without a place, because somebody didn't know,
 * isn't claimed, and is taken back here.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "common/hashfn.h"
#include "storage/lock.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "admission.h"
#include "guc.h"
#include "limits.h"
#include "queue.h"
#include "queue_external.h"
#include "scope.h"

#define WINDOW_MS		100
#define BUSY_MS			100		/* somebody else gives out the places */
#define SOON_MS			200		/* and has soon done, if it is the coordinator */
#define NEW_MS			2000	/* a queue's limits are new for so long */

/* What the coordinator remembers of a queue between two rounds. */
typedef struct Window
{
	int32		queue_id;		/* key of the table */
	int			size;
	TimestampTz last;			/* a place was given */
	TimestampTz new_until;
	TimestampTz next_sweep;
	AjSlice		slice;			/* that comes next */
	TimestampTz next;			/* we meant to look again then */
} Window;

static Oid	queue_relid = InvalidOid;
static uint64 generation = 1;	/* of what there is to know */
static uint64 filled = 0;		/* of what follows */
static AjLimits *limited = NULL;
static int	nlimited = 0;
static MemoryContext limits_context = NULL;
static HTAB *windows = NULL;

/* ---------- which queues have limits ---------- */

static void
queue_invalidated(Datum arg, Oid relid)
{
	if (relid == queue_relid || !OidIsValid(relid))
		generation++;
}

/* Read it again.  The caller is in a scope. */
static void
be_current(void)
{
	MemoryContext old;
	uint64		before;

	if (filled == generation)
		return;
	if (limits_context == NULL)
	{
		limits_context = AllocSetContextCreate(TopMemoryContext, "asyncjob limits",
											   ALLOCSET_SMALL_SIZES);
		CacheRegisterRelcacheCallback(queue_invalidated, (Datum) 0);
	}
	queue_relid = get_relname_relid("queue", get_namespace_oid(AJ_SCHEMA, false));
	before = generation;		/* an invalidation may come meanwhile */
	nlimited = 0;
	MemoryContextReset(limits_context);
	old = MemoryContextSwitchTo(limits_context);
	nlimited = aj_queue_read_limits(&limited);
	MemoryContextSwitchTo(old);

	/* what an older snapshot than the invalidation's shows can't be kept */
	if (!IsolationUsesXactSnapshot())
		filled = before;
}

static const AjLimits *
find_limits(int32 queue_id)
{
	for (int i = 0; i < nlimited; i++)
	{
		if (limited[i].queue_id == queue_id)
			return &limited[i];
	}
	return NULL;
}

/*
 * Limits of a queue, or NULL.  The caller is in a scope.
 */
const AjLimits *
aj_limits_of(int32 queue_id)
{
	be_current();
	return nlimited == 0 ? NULL : find_limits(queue_id);
}

/* The same as far as it is known, wherever the caller is. */
bool
aj_limits_known(int32 queue_id)
{
	return nlimited > 0 && find_limits(queue_id) != NULL;
}

/* The same for a queue with a rate. */
bool
aj_limits_known_rated(int32 queue_id)
{
	const AjLimits *l = nlimited > 0 ? find_limits(queue_id) : NULL;

	return l != NULL && (l->rate >= 0 || l->key_rate >= 0);
}

/* Has that become out of date? */
bool
aj_limits_stale(void)
{
	return filled != generation;
}

/* May any queue have limits, as far as is known? */
bool
aj_limits_may_be(void)
{
	return nlimited > 0 || filled != generation;
}

/* A job was claimed.  The caller is in a scope. */
void
aj_limits_started(int32 queue_id, int64 job_id, TimestampTz at)
{
	be_current();
	if (aj_limits_known_rated(queue_id))
		aj_queue_note_place_start(job_id, at);
}

/*
 * A job was queued again.  Where its queue has limits it has to wait for a
 * place.  The caller is in a scope.
 */
bool
aj_limits_hold(int32 queue_id, int64 job_id)
{
	return aj_limits_of(queue_id) != NULL && aj_queue_hold(job_id);
}

/*
 * Where a queue refuses what is beyond a user's limit, one transaction at a
 * time submits for a user; the lock's tag is one that SQL can't take.  Returns
 * false if another one does, and we don't wait for it.  The caller is in a
 * scope.
 */
bool
aj_limits_lock_user(const AjSubmission *s, bool wait)
{
	const AjLimits *l = aj_limits_of(s->queue_id);
	LOCKTAG		tag;
	uint32		user;

	if (l == NULL || !l->reject || l->max_per_user < 0)
		return true;
	user = hash_combine(hash_uint32(s->owner), s->user_id ?
						hash_bytes((const unsigned char *) s->user_id,
								   strlen(s->user_id)) : 0);
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, user, (uint32) s->queue_id, 9);
	return LockAcquire(&tag, ExclusiveLock, false, !wait) != LOCKACQUIRE_NOT_AVAIL;
}

/*
 * Jobs were added: refuse them if they are beyond the user's limit, where the
 * queue is to do so.  The caller is in a scope.
 */
void
aj_limits_check_user(const AjSubmission *s, const char *queue, int added)
{
	const AjLimits *l = aj_limits_of(s->queue_id);
	int			n;

	if (l == NULL || !l->reject || l->max_per_user < 0)
		return;
	(void) aj_limits_lock_user(s, true);
	n = aj_queue_count_unfinished(s);
	if (n > l->max_per_user)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 s->user_id ?
				 errmsg("user \"%s\" has %d unfinished jobs in queue \"%s\"",
						s->user_id, n - added, queue) :
				 errmsg("there are %d unfinished jobs without a user in queue \"%s\"",
						n - added, queue),
				 errdetail("The queue accepts %d of each user.", l->max_per_user),
				 errhint("Submit again when one of them has ended.")));
}

/*
 * Begin to give out places, unless an owner (0: any) has nothing to gain.  Of
 * somebody else who does so the coordinator has done in a moment, but another
 * session may take as long as its transaction does: only who wants to wait for
 * that does, and only if his own holds the limits of no queue, so that no two
 * wait for each other.
 */
static bool
begin_here(AjAdmission *a, int32 queue_id, Oid owner, bool wait)
{
	static TransactionId holder = InvalidTransactionId; /* ours, of limits */
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), SOON_MS);

	if (TransactionIdIsValid(holder) && holder == GetTopTransactionIdIfAny())
		wait = false;
	while (!aj_admission_begin(a, queue_id, false))
	{
		if (!aj_queue_has_waiting(queue_id, owner))
			return false;
		if (wait)
		{
			if (!aj_admission_begin(a, queue_id, true))
				return false;
			break;
		}
		if (GetCurrentTimestamp() >= until)
			return false;
		pg_usleep(1000);
		CHECK_FOR_INTERRUPTS();
	}
	holder = GetTopTransactionIdIfAny();
	return true;
}

/*
 * Give out places in this transaction, for a drain(), a synchronous submit() or
 * a claim() by a role of jobs of these queues (NULL: all).  They go to the
 * role's own jobs; of external ones, in a queue that it works for, to anybody's.
 * The caller is in a scope.  Returns how many were given; a transaction with an
 * old snapshot can't count and gives none.
 */
int
aj_limits_admit_here(const int32 *queues, int n, Oid role, bool external,
					 int max, bool wait)
{
	MemoryContext context,
				old;
	int			given = 0;

	be_current();
	if (nlimited == 0 || IsolationUsesXactSnapshot())
		return 0;
	context = AllocSetContextCreate(CurrentMemoryContext, "asyncjob admission",
									ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < nlimited && given < max; i++)
	{
		AjSlice		slice = AJ_SLICE_FIRST;
		AjAdmission a;
		bool		wanted = queues == NULL;
		int32		queue_id = limited[i].queue_id;
		Oid			owner;

		for (int q = 0; q < n && !wanted; q++)
			wanted = queues[q] == queue_id;
		if (!wanted)
			continue;
		old = MemoryContextSwitchTo(context);
		owner = external && aj_queue_works_for(queue_id, role) ? InvalidOid : role;

		/*
		 * Who has the limits locked keeps everybody's jobs there from
		 * starting until the end of his transaction, and should not where
		 * nothing is in it for him.
		 */
		if (aj_queue_has_waiting(queue_id, owner) &&
			begin_here(&a, queue_id, owner, wait) && !a.limits.paused)
		{
			(void) aj_queue_hold_strays(queue_id);
			aj_admission_count(&a);
			/* who claims one user's jobs only doesn't use others' places */
			a.out_of_turn = external && aj_guc_user_id != NULL && *aj_guc_user_id;
			do
				given += aj_admission_give(&a, &slice, max - given, owner, external ? 1 : 0);
			while (given == 0 && slice.after_group != PG_INT64_MIN);
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	return given;
}

/* ---------- the coordinator ---------- */

static Window *
window_of(int32 queue_id, TimestampTz now)
{
	HASHCTL		ctl = {0};
	Window	   *w;
	bool		found;

	if (windows == NULL)
	{
		ctl.keysize = sizeof(int32);
		ctl.entrysize = sizeof(Window);
		ctl.hcxt = TopMemoryContext;
		windows = hash_create("asyncjob windows", 16, &ctl,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	w = hash_search(windows, &queue_id, HASH_ENTER, &found);
	if (!found)
	{
		memset(w, 0, sizeof(Window));
		w->queue_id = queue_id;
		w->size = 1;
		w->slice.after_group = PG_INT64_MIN;
		w->slice.after_priority = -1;
		w->new_until = TimestampTzPlusMilliseconds(now, NEW_MS);
	}
	return w;
}

/*
 * How many may stand ready: twice as many as there can be workers, and more
 * while all are gone soon.  What comes after a rest may take longer than what
 * went before it.
 */
static void
size_window(Window *w, const AjAdmission *a)
{
	int			least = 2 * Max(aj_guc_max_workers, 1);

	if (a->unstarted == 0)
		w->size = w->last != 0 &&
			!TimestampDifferenceExceeds(w->last, a->now, WINDOW_MS) ?
			Min(w->size * 2, AJ_WINDOW_MAX) : least;
	else if (TimestampDifferenceExceeds(a->oldest_unstarted, a->now, WINDOW_MS))
		w->size /= 2;
	w->size = Max(w->size, least);
}

/*
 * Give out places in all queues with limits.  The caller is in a scope and
 * commits.  *next is when to look again, 0 if only when something changes.
 */
void
aj_limits_round(TimestampTz *next)
{
	MemoryContext context,
				old;
	TimestampTz now = GetCurrentTimestamp();

	be_current();
	*next = 0;
	if (nlimited == 0)
		return;
	context = AllocSetContextCreate(CurrentMemoryContext, "asyncjob admission",
									ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < nlimited; i++)
	{
		Window	   *w = window_of(limited[i].queue_id, now);
		AjAdmission a;
		int			n = 0;

		if (now < w->next)
			w->slice.again = true;
		old = MemoryContextSwitchTo(context);
		if (!aj_admission_begin(&a, w->queue_id, false))
			a.next = TimestampTzPlusMilliseconds(now, BUSY_MS);
		else if (!a.limits.paused)
		{
			if (now < w->new_until || now >= w->next_sweep)
			{
				if (aj_queue_hold_strays(w->queue_id) > 0 || now < w->new_until)
					a.next = TimestampTzPlusMilliseconds(now, BUSY_MS);
				w->next_sweep = TimestampTzPlusMilliseconds(now, aj_guc_poll_interval);
			}
			aj_admission_count(&a);
			size_window(w, &a);
			n = aj_admission_give(&a, &w->slice, w->size - a.unstarted, InvalidOid, -1);
			if (n > 0)
				w->last = a.now;
		}
		w->next = a.next;
		if (a.next != 0 && (*next == 0 || a.next < *next))
			*next = a.next;
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
}
