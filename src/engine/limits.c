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
 * claim() or drain() where it is their turn.  Holding it, he takes a new
 * snapshot and counts: the places whose jobs are queued or running, and for a
 * rate also the starts within the last interval.  Nobody else adds to these,
 * others can only free places meanwhile, so no limit is ever exceeded,
 * whatever happens at the same time.  A place is free when its job's row says
 * that the job has ended, or waits for something else.  Nothing has to be given
 * back for that, so nothing is forgotten when a process is killed: a claim that
 * didn't commit leaves its job queued and in its place; so does a job that was
 * lost with its worker; a job that was running when the server crashed keeps
 * its place until it has run alone.
 *
 * A rate counts starts in every interval, wherever it begins: a place whose
 * job hasn't started yet counts, because it may start at any time; a start is
 * noted by the claim that makes it, and counts until it is one interval old.
 *
 * Order.  Waiting jobs stand in groups of one owner, user and key, and in each
 * by priority, due time and id.  The first of each group are candidates; of
 * those whose user and key have room the most urgent gets the place.  With
 * ageing, a job is one step of priority more urgent for each such interval it
 * has waited, and keeps that priority.  In a fair queue the user comes first
 * whose turn it is: start-time fair queueing (Goyal, Vin and Cheng, 1996), in
 * which a user's clock goes on by 1/weight with each place, and one who has had
 * nothing to do begins at the clock of the last place given.
 *
 * Where nothing limits the number of places, only so many are given as the
 * workers can use within about WINDOW_MS, so that order and turns are decided
 * late.  A queue with more than GROUPS_MAX groups is looked at in slices.
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
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "clock.h"
#include "guc.h"
#include "limits.h"
#include "queue.h"
#include "scope.h"

#define GROUPS_MAX		1000
#define FETCH_MAX		64
#define WINDOW_MAX		1024
#define WINDOW_MS		100
#define SLICE_MS		5		/* between two slices */
#define BUSY_MS			100		/* somebody else gives out the places */
#define NEW_MS			2000	/* a queue's limits are new for so long */

/* What is counted of a user, or of a key. */
typedef struct Count
{
	uint64		hash;			/* key of the table */
	int			places;
	int			starts;			/* that count for a rate */
	TimestampTz first;			/* oldest of them, 0 if none has started */
	double		vtime;			/* turns that a user has had */
	bool		moved;
	Oid			owner;
	char	   *user_id;
}			Count;

/* Jobs of one group and priority, the first of them a candidate. */
typedef struct WaitGroup
{
	AjWaiter	head;
	AjWaiter   *locked;			/* the next ones, locked by us */
	int			nlocked;
	int			next;
	bool		more;			/* there may be others after them */
	bool		done;
}			WaitGroup;

/* What the coordinator remembers of a queue between two rounds. */
typedef struct Window
{
	int32		queue_id;		/* key of the table */
	int			size;
	TimestampTz last;			/* a place was given */
	TimestampTz new_until;
	TimestampTz next_sweep;
	int64		after_group;	/* where the next slice begins */
	int			after_priority;
	TimestampTz next;			/* we meant to look again then */
	bool		again;			/* something changed between two slices */
}			Window;

/* One time of giving out places. */
typedef struct Admission
{
	AjLimits	limits;
	TimestampTz now;
	HTAB	   *users;
	HTAB	   *keys;
	int			total;
	int			unstarted;
	TimestampTz oldest_unstarted;
	int			starts;
	TimestampTz first_start;
	TimestampTz next;			/* something may start then */
}			Admission;

static Oid	queue_relid = InvalidOid;
static uint64 generation = 1;	/* of what there is to know */
static uint64 filled = 0;		/* of what follows */
static AjLimits * limited = NULL;
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
const		AjLimits *
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
	const		AjLimits *l = nlimited > 0 ? find_limits(queue_id) : NULL;

	return l != NULL && (l->rate >= 0 || l->key_rate >= 0);
}

/* Must each start be noted? */
bool
aj_limits_rated(int32 queue_id)
{
	be_current();
	return aj_limits_known_rated(queue_id);
}

/* A job was claimed.  The caller is in a scope. */
void
aj_limits_started(int32 queue_id, int64 job_id, TimestampTz at)
{
	if (aj_limits_rated(queue_id))
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
 * Jobs were added: refuse them if they are beyond the user's limit, where the
 * queue is to do so.  From here to the end of the transaction no other can
 * submit for that user; the lock's tag is one that SQL can't take.  The caller
 * is in a scope.
 */
void
aj_limits_check_user(const AjSubmission *s, const char *queue, int added)
{
	const		AjLimits *l = aj_limits_of(s->queue_id);
	LOCKTAG		tag;
	uint32		user;
	int			n;

	if (l == NULL || !l->reject || l->max_per_user < 0)
		return;
	user = hash_combine(hash_uint32(s->owner), s->user_id ?
						hash_bytes((const unsigned char *) s->user_id,
								   strlen(s->user_id)) : 0);
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, user, (uint32) s->queue_id, 9);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
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

/* ---------- counting ---------- */

static uint64
hash_of(Oid owner, const char *text)
{
	uint64		h = hash_bytes_uint32_extended(owner, 0);

	if (text == NULL)
		return h;
	return hash_combine64(h, hash_bytes_extended((const unsigned char *) text,
												 strlen(text), 1));
}

static Count *
count_of(HTAB *table, Oid owner, const char *text)
{
	uint64		h = hash_of(owner, text);
	bool		found;
	Count	   *count = hash_search(table, &h, HASH_ENTER, &found);

	if (!found)
	{
		memset(count, 0, sizeof(Count));
		count->hash = h;
		count->owner = owner;
		count->user_id = (char *) text;
	}
	return count;
}

static HTAB *
count_table(const char *name)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(uint64);
	ctl.entrysize = sizeof(Count);
	ctl.hcxt = CurrentMemoryContext;
	return hash_create(name, 256, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static bool
within(TimestampTz at, TimestampTz now, int64 ms)
{
	return at > now - ms * 1000;
}

static void
note_first(TimestampTz *first, TimestampTz at)
{
	if (at != 0 && (*first == 0 || at < *first))
		*first = at;
}

/* A start that counts for the rates; at 0: one that may come at any time. */
static void
count_start(Admission * a, Oid owner, const char *key, TimestampTz at)
{
	if (a->limits.rate >= 0 && (at == 0 || within(at, a->now, a->limits.rate_ms)))
	{
		a->starts++;
		note_first(&a->first_start, at);
	}
	if (a->limits.key_rate >= 0 && key != NULL &&
		(at == 0 || within(at, a->now, a->limits.key_rate_ms)))
	{
		Count	   *count = count_of(a->keys, owner, key);

		count->starts++;
		note_first(&count->first, at);
	}
}

/* Count what is taken, and forget what is not any more. */
static void
take_stock(Admission * a)
{
	bool		rated = a->limits.rate >= 0 || a->limits.key_rate >= 0;
	AjPlaceHeld *places;
	int			n = aj_queue_places(a->limits.queue_id, &places);
	int64	   *gone = palloc((n + 1) * sizeof(int64));
	int			ngone = 0;

	for (int i = 0; i < n; i++)
	{
		AjPlaceHeld *p = &places[i];

		if (p->state == 0)
		{
			gone[ngone++] = p->job_id;
			continue;
		}
		a->total++;
		count_of(a->users, p->owner, p->user_id)->places++;
		if (p->key != NULL)
			count_of(a->keys, p->owner, p->key)->places++;
		if (p->state == 1)
		{
			a->unstarted++;
			note_first(&a->oldest_unstarted, p->admitted_at);
		}
		if (rated && p->started_at != 0)
			count_start(a, p->owner, p->key, p->started_at);
		if (rated && p->state == 1)
			count_start(a, p->owner, p->key, 0);
	}
	if (ngone > 0)
		aj_queue_drop_places(ngone, gone, rated);
	if (rated)
	{
		n = aj_queue_starts(a->limits.queue_id,
							a->now - 1000 * Max(a->limits.rate_ms, a->limits.key_rate_ms),
							&places);
		for (int i = 0; i < n; i++)
			count_start(a, places[i].owner, places[i].key, places[i].started_at);
	}
	if (a->limits.fair)
	{
		double	   *vtimes;

		n = aj_queue_turns(a->limits.queue_id, &places, &vtimes);
		for (int i = 0; i < n; i++)
		{
			const char *user = places[i].user_id[0] ? places[i].user_id : NULL;

			count_of(a->users, places[i].owner, user)->vtime = vtimes[i];
		}
	}
}

/* ---------- choosing ---------- */

static void
look_again(Admission * a, TimestampTz at)
{
	if (a->next == 0 || at < a->next)
		a->next = at;
}

/* When the oldest start of a window has left it. */
static void
look_after(Admission * a, TimestampTz first, int64 ms)
{
	if (first != 0)
		look_again(a, first + ms * 1000);
}

static int
urgency(const Admission * a, const AjWaiter * w)
{
	int64		waited_ms;

	if (a->limits.ageing_ms <= 0)
		return w->priority;
	waited_ms = Max((a->now - w->run_at) / 1000, 0);
	return Min(10, w->priority + (int) Min(waited_ms / a->limits.ageing_ms, 10));
}

/* A user's clock, which doesn't run behind that of the queue. */
static double
turn_of(Admission * a, const AjWaiter * w)
{
	return Max(count_of(a->users, w->owner, w->user_id)->vtime, a->limits.vtime);
}

/* May this job start, as far as its user and key are concerned? */
static bool
has_room(Admission * a, const AjWaiter * w)
{
	const		AjLimits *l = &a->limits;

	if (l->max_per_user >= 0 &&
		count_of(a->users, w->owner, w->user_id)->places >= l->max_per_user)
		return false;
	if (w->key != NULL && (l->max_per_key >= 0 || l->key_rate >= 0))
	{
		Count	   *key = count_of(a->keys, w->owner, w->key);

		if (l->max_per_key >= 0 && key->places >= l->max_per_key)
			return false;
		if (l->key_rate >= 0 && key->starts >= l->key_rate)
		{
			look_after(a, key->first, l->key_rate_ms);
			return false;
		}
	}
	return true;
}

/* Should a get a place before b? */
static bool
comes_before(Admission * a, const AjWaiter * x, const AjWaiter * y)
{
	AjPlace		px = {x->run_at, x->id},
				py = {y->run_at, y->id};

	if (a->limits.fair)
	{
		double		tx = turn_of(a, x),
					ty = turn_of(a, y);

		if (tx != ty)
			return tx < ty;
	}
	if (urgency(a, x) != urgency(a, y))
		return urgency(a, x) > urgency(a, y);
	return aj_place_before(px, py);
}

static double
weight_of(const AjLimits * l, const char *user_id)
{
	JsonbValue *v;

	if (user_id == NULL)
		return 1;
	v = getKeyJsonValueFromContainer(&l->weights->root, user_id,
									 strlen(user_id), NULL);
	if (v == NULL || v->type != jbvNumeric)
		return 1;
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8,
											  NumericGetDatum(v->val.numeric)));
}

/*
 * See that the head of a group is a job that we have locked.  Returns false if
 * the group has none.
 */
static bool
lock_head(Admission * a, WaitGroup * g, int external, int max)
{
	if (g->next >= g->nlocked)
	{
		bool		first = g->locked == NULL;

		if (!first && !g->more)
			return false;
		max = Min(max, FETCH_MAX);
		g->nlocked = aj_queue_lock_waiters(a->limits.queue_id, &g->head, first,
										   external, max, &g->locked);
		g->more = g->nlocked == max;
		g->next = 0;
		if (g->nlocked == 0)
			return false;
	}
	g->head = g->locked[g->next];
	return true;
}

/* Take note of a job that gets a place. */
static void
give_place(Admission * a, const AjWaiter * w)
{
	Count	   *user = count_of(a->users, w->owner, w->user_id);

	a->total++;
	a->unstarted++;
	user->places++;
	if (w->key != NULL)
		count_of(a->keys, w->owner, w->key)->places++;
	count_start(a, w->owner, w->key, 0);
	if (a->limits.fair)
	{
		a->limits.vtime = turn_of(a, w);
		user->vtime = a->limits.vtime + 1 / weight_of(&a->limits, w->user_id);
		user->moved = true;
	}
}

static void
store_turns(Admission * a)
{
	HASH_SEQ_STATUS seq;
	Count	   *user;

	hash_seq_init(&seq, a->users);
	while ((user = hash_seq_search(&seq)) != NULL)
	{
		if (user->moved)
			aj_queue_store_turn(a->limits.queue_id, user->owner, user->user_id,
								user->vtime);
	}
	aj_queue_store_vtime(a->limits.queue_id, a->limits.vtime);
}

/*
 * Give out up to max places of a queue whose limits we have locked, to jobs of
 * an owner (or 0), external ones (1), others (0) or all (-1).  *w says which
 * slice of the groups to look at.  Returns how many were given.
 */
static int
admit(Admission * a, Window * w, int max, Oid owner, int external)
{
	const		AjLimits *l = &a->limits;
	AjWaiter   *heads;
	WaitGroup  *groups;
	int64	   *ids;
	int			ngroups,
				n = 0;

	if (l->max_running >= 0)
		max = Min(max, l->max_running - a->total);
	if (l->rate >= 0 && l->rate - a->starts < max)
	{
		max = l->rate - a->starts;
		if (max <= 0)
			look_after(a, a->first_start, l->rate_ms);
	}
	if (max <= 0)
		return 0;

	ngroups = aj_queue_waiting_groups(l->queue_id, w->after_group,
									  w->after_priority, GROUPS_MAX, &heads);
	groups = palloc0((ngroups + 1) * sizeof(WaitGroup));
	for (int i = 0; i < ngroups; i++)
	{
		groups[i].head = heads[i];
		if (heads[i].run_at > a->now)
			look_again(a, heads[i].run_at);
		groups[i].done = heads[i].run_at > a->now ||
			(OidIsValid(owner) && heads[i].owner != owner);
	}
	if (ngroups == GROUPS_MAX)
	{
		w->after_group = heads[ngroups - 1].group;
		w->after_priority = heads[ngroups - 1].priority;
		look_again(a, a->now + 1000 * SLICE_MS);
	}
	else if (w->after_group != PG_INT64_MIN)
	{
		/* the slice was the last one */
		w->after_group = PG_INT64_MIN;
		w->after_priority = -1;
		if (w->again)
			look_again(a, a->now + 1000 * SLICE_MS);
		w->again = false;
	}

	ids = palloc(Min(max, WINDOW_MAX) * sizeof(int64));
	max = Min(max, WINDOW_MAX);
	while (n < max)
	{
		WaitGroup  *best = NULL;

		for (int i = 0; i < ngroups; i++)
		{
			WaitGroup  *g = &groups[i];

			if (g->done || !has_room(a, &g->head))
				continue;
			if (best == NULL || comes_before(a, &g->head, &best->head))
				best = g;
		}
		if (best == NULL)
			break;

		/* another job than the one we saw may be the first by now */
		if (best->locked == NULL || best->next >= best->nlocked)
		{
			if (!lock_head(a, best, external, max - n))
				best->done = true;
			continue;
		}
		give_place(a, &best->head);
		ids[n++] = best->head.id;
		best->next++;
		if (best->next < best->nlocked)
			best->head = best->locked[best->next];
	}
	if (n > 0)
	{
		n = aj_queue_admit(l->queue_id, n, ids, l->ageing_ms);
		if (l->fair)
			store_turns(a);
	}
	return n;
}

static bool
begin_admission(Admission * a, int32 queue_id, bool wait)
{
	memset(a, 0, sizeof(*a));
	if (!aj_queue_lock_limits(queue_id, wait, &a->limits))
		return false;
	a->now = aj_now();
	a->users = count_table("asyncjob users");
	a->keys = count_table("asyncjob keys");
	return true;
}

/*
 * Give out places in this transaction, for a drain(), a synchronous submit() or
 * a claim() of jobs of these queues (NULL: all).  The caller is in a scope.
 * Returns how many were given; a transaction with an old snapshot can't count
 * and gives none.
 *
 * Who comes back anyway leaves a queue alone whose places somebody else is
 * giving out.  Others wait for that one, if the owner has anything to gain.
 */
int
aj_limits_admit_here(const int32 *queues, int n, Oid owner, bool external,
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
		Window		w = {.after_group = PG_INT64_MIN,.after_priority = -1};
		Admission	a;
		bool		wanted = queues == NULL;
		int32		queue_id = limited[i].queue_id;

		for (int q = 0; q < n && !wanted; q++)
			wanted = queues[q] == queue_id;
		if (!wanted)
			continue;
		old = MemoryContextSwitchTo(context);
		if ((begin_admission(&a, queue_id, false) ||
			 (wait && aj_queue_has_waiting(queue_id, owner) &&
			  begin_admission(&a, queue_id, true))) && !a.limits.paused)
		{
			(void) aj_queue_hold_strays(queue_id);
			take_stock(&a);
			do
				given += admit(&a, &w, max - given, owner, external ? 1 : 0);
			while (given == 0 && w.after_group != PG_INT64_MIN);
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
		w->after_group = PG_INT64_MIN;
		w->after_priority = -1;
		w->new_until = TimestampTzPlusMilliseconds(now, NEW_MS);
	}
	return w;
}

/*
 * How many may stand ready: twice as many as there can be workers, and more
 * while all are gone soon.
 */
static void
size_window(Window * w, const Admission * a)
{
	int			least = 2 * Max(aj_guc_max_workers, 1);

	if (a->unstarted == 0 && w->last != 0 &&
		!TimestampDifferenceExceeds(w->last, a->now, WINDOW_MS))
		w->size = Min(w->size * 2, WINDOW_MAX);
	else if (a->unstarted > 0 &&
			 TimestampDifferenceExceeds(a->oldest_unstarted, a->now, WINDOW_MS))
		w->size /= 2;
	w->size = Max(w->size, least);
}

/*
 * Give out places in all queues with limits.  The caller is in a scope and
 * commits.  Returns whether any were given; *next is when to look again, 0 if
 * only when something changes.
 */
bool
aj_limits_round(TimestampTz *next)
{
	MemoryContext context,
				old;
	TimestampTz now = GetCurrentTimestamp();
	bool		given = false;

	be_current();
	*next = 0;
	if (nlimited == 0)
		return false;
	context = AllocSetContextCreate(CurrentMemoryContext, "asyncjob admission",
									ALLOCSET_DEFAULT_SIZES);
	for (int i = 0; i < nlimited; i++)
	{
		Window	   *w = window_of(limited[i].queue_id, now);
		Admission	a;
		int			n = 0;

		if (now < w->next)
			w->again = true;
		old = MemoryContextSwitchTo(context);
		if (!begin_admission(&a, w->queue_id, false))
			a.next = TimestampTzPlusMilliseconds(now, BUSY_MS);
		else if (!a.limits.paused)
		{
			if (now < w->new_until || now >= w->next_sweep)
			{
				if (aj_queue_hold_strays(w->queue_id) > 0 || now < w->new_until)
					a.next = TimestampTzPlusMilliseconds(now, BUSY_MS);
				w->next_sweep = TimestampTzPlusMilliseconds(now, aj_guc_poll_interval);
			}
			take_stock(&a);
			size_window(w, &a);
			n = admit(&a, w, w->size - a.unstarted, InvalidOid, -1);
			if (n > 0)
				w->last = a.now;
			given |= n > 0;
		}
		w->next = a.next;
		if (a.next != 0 && (*next == 0 || a.next < *next))
			*next = a.next;
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	return given;
}
