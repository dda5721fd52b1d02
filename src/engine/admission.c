/*-------------------------------------------------------------------------
 *
 * admission.c
 *		Places of a queue with limits: who has one, and who gets the next.
 *
 * The queue's limits are locked (limits.c).  What is taken are the places whose
 * jobs are queued or running, and for a rate also the starts within the last
 * interval.  A place is free when its job's row says that the job has ended, or
 * waits for something else.  Nothing has to be given back for that, so nothing
 * is forgotten when a process is killed: a claim that didn't commit leaves its
 * job queued and in its place; so does a job that was lost with its worker; a
 * job that was running when the server crashed keeps its place until it has run
 * alone.
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
 * Claims know nothing of turns: of the jobs that have places they take the most
 * urgent and oldest.  So in a fair queue an owner gets no further place while a
 * job of his has had one for TURN_MS without having been claimed; what stands
 * before it, given places earlier, is used up then, and it comes next.
 *
 * A queue with more than GROUPS_MAX groups is looked at in slices.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "admission.h"
#include "clock.h"
#include "queue.h"

#define GROUPS_MAX		1000
#define FETCH_MAX		64
#define SLICE_MS		5		/* between two slices */
#define TURN_MS			200		/* in which a place should be used */

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
} Count;

/* Jobs of one group and priority, the first of them a candidate. */
typedef struct WaitGroup
{
	AjWaiter	head;
	AjWaiter   *locked;			/* the next ones, locked by us */
	int			nlocked;
	int			next;
	bool		more;			/* there may be others after them */
	bool		done;
} WaitGroup;

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
count_start(AjAdmission *a, Oid owner, const char *key, TimestampTz at)
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

/* Places of an owner that should have been used, by us or by programs. */
static Count *
unused_of(AjAdmission *a, Oid owner, bool external)
{
	return count_of(a->unused, owner, external ? "external" : NULL);
}

/* Count what is taken, and forget what is not any more. */
void
aj_admission_count(AjAdmission *a)
{
	bool		rated = a->limits.rate >= 0 || a->limits.key_rate >= 0;
	AjPlaceHeld *places;
	int			n = aj_queue_places(&a->limits, &places);
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
		if (p->ready_at != 0 && TimestampDifferenceExceeds(p->ready_at, a->now, TURN_MS))
			unused_of(a, p->owner, p->external)->places++;
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
look_again(AjAdmission *a, TimestampTz at)
{
	if (a->next == 0 || at < a->next)
		a->next = at;
}

/* When the oldest start of a window has left it. */
static void
look_after(AjAdmission *a, TimestampTz first, int64 ms)
{
	if (first != 0)
		look_again(a, first + ms * 1000);
}

static int
urgency(const AjAdmission *a, const AjWaiter *w)
{
	int64		waited_ms;

	if (a->limits.ageing_ms <= 0)
		return w->priority;
	waited_ms = Max((a->now - w->run_at) / 1000, 0);
	return Min(10, w->priority + (int) Min(waited_ms / a->limits.ageing_ms, 10));
}

/* A user's clock, which doesn't run behind that of the queue. */
static double
turn_of(AjAdmission *a, const AjWaiter *w)
{
	return Max(count_of(a->users, w->owner, w->user_id)->vtime, a->limits.vtime);
}

/* May this job start, as far as its user and key are concerned? */
static bool
has_room(AjAdmission *a, const AjWaiter *w)
{
	const AjLimits *l = &a->limits;

	if (l->fair && !a->out_of_turn && unused_of(a, w->owner, w->external)->places > 0)
	{
		look_again(a, a->now + 1000 * TURN_MS / 4);
		return false;
	}
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
comes_before(AjAdmission *a, const AjWaiter *x, const AjWaiter *y)
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
weight_of(const AjLimits *l, const char *user_id)
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
lock_head(AjAdmission *a, WaitGroup *g, int external, int max)
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
give_place(AjAdmission *a, const AjWaiter *w)
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
store_turns(AjAdmission *a)
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
 * an owner (or 0), external ones (1), others (0) or all (-1).  *slice says which
 * of the groups to look at.  Returns how many were given.
 */
int
aj_admission_give(AjAdmission *a, AjSlice *slice, int max, Oid owner, int external)
{
	const AjLimits *l = &a->limits;
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

	ngroups = aj_queue_waiting_groups(l->queue_id, slice->after_group,
									  slice->after_priority, GROUPS_MAX, &heads);
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
		slice->after_group = heads[ngroups - 1].group;
		slice->after_priority = heads[ngroups - 1].priority;
		look_again(a, a->now + 1000 * SLICE_MS);
	}
	else if (slice->after_group != PG_INT64_MIN)
	{
		/* the slice was the last one */
		slice->after_group = PG_INT64_MIN;
		slice->after_priority = -1;
		if (slice->again)
			look_again(a, a->now + 1000 * SLICE_MS);
		slice->again = false;
	}

	ids = palloc(Min(max, AJ_WINDOW_MAX) * sizeof(int64));
	max = Min(max, AJ_WINDOW_MAX);
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

/*
 * Lock the limits of a queue.  Returns false if it has none, or (not wait)
 * somebody else is giving out its places.
 */
bool
aj_admission_begin(AjAdmission *a, int32 queue_id, bool wait)
{
	memset(a, 0, sizeof(*a));
	if (!aj_queue_lock_limits(queue_id, wait, &a->limits))
		return false;
	a->now = aj_now();
	a->users = count_table("asyncjob users");
	a->keys = count_table("asyncjob keys");
	a->unused = count_table("asyncjob unused places");
	return true;
}
