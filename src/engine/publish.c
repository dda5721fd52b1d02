/*-------------------------------------------------------------------------
 *
 * publish.c
 *		Notices of changed jobs, from workers to whoever LISTENs.
 *
 * NOTIFY takes a cluster-wide lock at commit, so no worker and no user's
 * transaction sends one for us.  They put their notices into the ring of
 * their database, after their commit; the coordinator sends what it finds
 * there in a transaction of its own.  Progress inside a step isn't put
 * anywhere: the coordinator looks at the workers' slots and sends what has
 * changed since it last did, at most one notice a job in notify_interval.
 * A branch (dag.c) is nothing that a listener knows: its progress is that of
 * the job it belongs to, whose row the coordinator reads for it.
 *
 * Order: a worker clears its slot before it puts the notice of the end into
 * the ring, and the coordinator empties the ring before it looks at the
 * slots.  So what the slots show is never older than what the ring said, and
 * nothing about a job is sent after its end.
 *
 * To wake the coordinator takes as long as a short handler, so the beginning
 * of a step is told by a timer a millisecond later, or with the step's end if
 * that comes first.
 *
 * A full ring makes a worker wait for the coordinator, up to a few seconds,
 * so that no state is lost under load.  A commit callback can't wait; what it
 * can't store is lost, and then, as when the coordinator stays away, the next
 * notice on channel asyncjob says {"lost": true} and clients re-read.
 *
 * Payloads hold fields of the engine only, since any role may LISTEN.  Many
 * short jobs are digested into one payload on channel asyncjob.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <time.h>

#include "access/xact.h"
#include "commands/async.h"
#include "common/cryptohash.h"
#include "common/md5.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "extension.h"
#include "guc.h"
#include "publish.h"
#include "queue_dag.h"
#include "scope.h"

#define AJ_CHANNEL			"asyncjob"
#define PAYLOAD_MAX			7900
#define RING_WAIT_MS		5000
#define TAKE_AT_ONCE		256 /* out of the ring, under its spinlock */
#define SESSION_PLAIN_MAX	46
#define TOLD_MAX			4096

/*
 * What is put into the ring after a quiet time is sent at once.  Under load
 * each transaction of ours waits this long for more to say.  It wakes every
 * session of the database that listens to anything, and costs each of them
 * some fifty times what it costs us to wake it.  So that together they take
 * no more than about a quarter of a processor, it waits with many of them so
 * many times as long as the last commit's processor time, up to
 * notify_interval.
 */
#define DIGEST_MS			2
#define DIGEST_TIMES		200

#define TELL_MS				1

/* in the coordinator */
static TimestampTz last_sent = 0;
static TimestampTz digest_us = DIGEST_MS * 1000;
static TimestampTz put_at[AJ_RING_SIZE];	/* of what it sends now */
static int	nput = 0;

/* jobs, by their numbers modulo TOLD_MAX, and the last that was told of each */
static struct
{
	int64		job_id;
	int			seq;
}			told[TOLD_MAX];

/* in a worker: the coordinator shall be told of what is in the ring */
static TimeoutId tell_timeout = MAX_TIMEOUTS;
static PGPROC *volatile tell_whom = NULL;

/* a notice together with the progress a slot showed */
typedef struct Outgoing
{
	AjNotice	notice;
	double		fraction;		/* of the step; < 0: none */
} Outgoing;

/*
 * Suffix of a chat session's channel: the session's id, or its MD5 where
 * that is too long for a channel name.
 */
void
aj_session_channel(const char *session, char *suffix)
{
	suffix[0] = '\0';
	if (session == NULL)
		return;
	if (strlen(session) <= SESSION_PLAIN_MAX)
		strlcpy(suffix, session, AJ_CHANNEL_LEN);
	else
	{
		const char *errstr = NULL;

		if (!pg_md5_hash(session, strlen(session), suffix, &errstr))
			suffix[0] = '\0';
	}
}

void
aj_notice_fill(AjNotice *notice, int64 job_id, int seq, AjState state,
			   int step_no, int step_count, const char *session)
{
	notice->job_id = job_id;
	notice->seq = seq;
	notice->state = state;
	notice->step_no = step_no;
	notice->step_count = step_count;
	aj_session_channel(session, notice->session);
}

/*
 * Store a notice if there is room.  The coordinator has to be told of the
 * first one since it emptied the ring, and of the one that makes it half
 * full; in between it knows that there is something to send.
 */
static bool
ring_put(AjDatabase *db, const AjNotice *notice, TimestampTz now, bool *tell)
{
	bool		stored = false;
	uint32		used;

	SpinLockAcquire(&db->mutex);
	used = db->tail - db->head;
	if (used < AJ_RING_SIZE)
	{
		db->ring[db->tail % AJ_RING_SIZE] = *notice;
		db->ring[db->tail % AJ_RING_SIZE].at = now;
		db->tail++;
		stored = true;
		*tell |= used == 0 || used + 1 == AJ_RING_SIZE / 2;
	}
	SpinLockRelease(&db->mutex);
	return stored;
}

static AjDatabase *
my_database(void)
{
	AjDatabase *db;

	if (aj_shared == NULL)
		return NULL;
	LWLockAcquire(aj_shared->lock, LW_SHARED);
	db = aj_database_find(MyDatabaseId);
	LWLockRelease(aj_shared->lock);
	return db;
}

/* For commit callbacks: store it if there is room. */
void
aj_publish_nowait(const AjNotice *notice)
{
	AjDatabase *db = my_database();
	bool		tell = false;

	if (db == NULL)
		return;
	if (!ring_put(db, notice, GetCurrentTimestamp(), &tell))
	{
		aj_latency_note_failed(AJ_LATENCY_NOTIFY);
		SpinLockAcquire(&db->mutex);
		db->lost = true;
		SpinLockRelease(&db->mutex);
		tell = true;
	}
	if (tell)
		aj_wake_coordinator(MyDatabaseId);
}

/* In a signal handler. */
static void
tell_now(void)
{
	PGPROC	   *whom = tell_whom;

	tell_whom = NULL;
	if (whom != NULL)
		SetLatch(&whom->procLatch);
}

/* For workers: prepare to tell later. */
void
aj_publish_install(void)
{
	tell_timeout = RegisterTimeout(USER_TIMEOUT, tell_now);
}

/*
 * See that the coordinator is told, before long.  If it is another process by
 * then, or none, it looks into the ring when it starts.
 */
static void
tell_soon(AjDatabase *db)
{
	PGPROC	   *whom;

	LWLockAcquire(aj_shared->lock, LW_SHARED);
	whom = db->proc;
	LWLockRelease(aj_shared->lock);
	if (whom == NULL || tell_whom != NULL)
		return;
	tell_whom = whom;
	enable_timeout_after(tell_timeout, TELL_MS);
}

/* For workers, outside of a transaction: store them, waiting for room. */
static void
put_all(const AjNotice *notices, int n, bool soon)
{
	AjDatabase *db = my_database();
	bool		waited = false;
	bool		tell = false;
	TimestampTz now;

	if (db == NULL || n == 0)
		return;
	if (!soon && tell_whom != NULL)
	{
		disable_timeout(tell_timeout, false);
		tell = tell_whom != NULL;
		tell_whom = NULL;
	}
	now = GetCurrentTimestamp();
	for (int i = 0; i < n; i++)
	{
		TimestampTz start = 0;

		while (!ring_put(db, &notices[i], now, &tell))
		{
			if (!waited)
				ConditionVariablePrepareToSleep(&db->room);
			waited = true;
			if (start == 0)
				start = GetCurrentTimestamp();
			aj_wake_coordinator(MyDatabaseId);
			if (TimestampDifferenceExceeds(start, GetCurrentTimestamp(),
										   RING_WAIT_MS))
			{
				aj_publish_nowait(&notices[i]);
				break;
			}
			(void) ConditionVariableTimedSleep(&db->room, 1000, PG_WAIT_EXTENSION);
		}
	}
	if (waited)
		ConditionVariableCancelSleep();
	if (tell && soon)
		tell_soon(db);
	else if (tell)
		aj_wake_coordinator(MyDatabaseId);
}

void
aj_publish_many(const AjNotice *notices, int n)
{
	put_all(notices, n, false);
}

/* A change that others soon follow, or that nobody is in a hurry to know. */
void
aj_publish_soon(const AjNotice *notice)
{
	put_all(notice, 1, true);
}

void
aj_publish(const AjNotice *notice)
{
	put_all(notice, 1, false);
}

/*
 * Is there something to send?  If not, wait_ms is lowered to when a job that
 * made progress may be spoken of again, or to when the next digest is due.
 */
bool
aj_publish_pending(AjDatabase *db, long *wait_ms)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		pending;
	uint32		used;

	SpinLockAcquire(&db->mutex);
	used = db->tail - db->head;
	pending = used > 0 || db->lost;
	SpinLockRelease(&db->mutex);

	if (pending && used < AJ_RING_SIZE / 2 && now < last_sent + digest_us)
	{
		*wait_ms = Min(*wait_ms, (long) (last_sent + digest_us - now) / 1000 + 1);
		return false;
	}

	LWLockAcquire(aj_shared->lock, LW_SHARED);
	for (int i = 0; i < aj_shared->nslots; i++)
	{
		AjWorkerSlot *slot = &aj_shared->slots[i];

		if (slot->state == AJ_SLOT_BUSY && slot->dbid == db->dbid)
		{
			TimestampTz due;

			SpinLockAcquire(&slot->mutex);
			due = TimestampTzPlusMilliseconds(slot->published_at,
											  aj_guc_notify_interval);
			if (slot->changes != slot->published && due <= now)
				pending = true;
			SpinLockRelease(&slot->mutex);

			/* progress() wakes nobody, so look again before long */
			*wait_ms = Min(*wait_ms, aj_guc_notify_interval);
		}
	}
	LWLockRelease(aj_shared->lock);
	return pending;
}

static void
append_notice(StringInfo s, const Outgoing *out)
{
	const AjNotice *n = &out->notice;
	double		done = n->step_no;

	if (n->state == AJ_COMPLETED)
		done = n->step_count;
	else if (out->fraction > 0)
		done += out->fraction;
	appendStringInfo(s, "{\"job\":" INT64_FORMAT ",\"seq\":%d,\"state\":\"%s\","
					 "\"step\":%d,\"steps\":%d,\"progress\":%.4f}",
					 n->job_id, n->seq, aj_state_names[n->state],
					 Min(n->step_no + 1, n->step_count), n->step_count,
					 n->step_count > 0 ? done / n->step_count : 0.0);
}

static void
notify(const char *channel, const char *payload)
{
	Async_Notify(channel, payload);
}

/* Says this that a job waits, perhaps for its branches? */
static bool
may_have_branches(const AjNotice *notice)
{
	return notice->state == AJ_WAITING && notice->step_count > 1;
}

static bool
is_due(const AjWorkerSlot *slot, TimestampTz now)
{
	return slot->changes != slot->published &&
		TimestampTzPlusMilliseconds(slot->published_at,
									aj_guc_notify_interval) <= now;
}

/*
 * Progress of the jobs whose branches have made some, added to the n notices
 * of the ring.  What the slots show is only the reason to look: how far such
 * a job is, its rows say.  Where it has gone on in the meantime there is
 * nothing to tell.
 *
 * So that progress never seems to go back, a notice of the ring that a job
 * waits gets the share that its branches have done since, and is left out if
 * the job has gone on: what came of it is told by a later one.
 */
static int
branches_progress(AjDatabase *db, Outgoing *out, int n, TimestampTz now)
{
	int64	   *jobs = palloc(aj_shared->nslots * sizeof(int64));
	int			njobs = 0;
	int			nring = n;
	int			kept = 0;
	bool		waiting = false;
	AjScope		scope;

	for (int i = 0; i < n; i++)
		waiting |= may_have_branches(&out[i].notice);

	LWLockAcquire(aj_shared->lock, LW_SHARED);
	for (int pass = 0; pass < 2; pass++)
	{
		for (int i = 0; i < aj_shared->nslots; i++)
		{
			AjWorkerSlot *slot = &aj_shared->slots[i];
			int			k = 0;

			if (slot->state != AJ_SLOT_BUSY || slot->dbid != db->dbid)
				continue;
			SpinLockAcquire(&slot->mutex);
			while (k < njobs && jobs[k] != slot->branch_of)
				k++;
			if (pass == 0 && k == njobs && slot->branch_of != 0 &&
				is_due(slot, now))
				jobs[njobs++] = slot->branch_of;
			else if (pass == 1 && k < njobs)
			{
				/* one notice tells of all branches of a job */
				slot->published = slot->changes;
				slot->published_at = now;
			}
			SpinLockRelease(&slot->mutex);
		}
	}
	LWLockRelease(aj_shared->lock);
	if ((njobs == 0 && !waiting) || !aj_extension_lock())
		return n;

	aj_scope_enter(&scope, true);
	for (int i = 0; i < nring; i++)
	{
		AjBranchProgress p;

		if (may_have_branches(&out[i].notice) &&
			aj_queue_branch_progress(out[i].notice.job_id, &p))
		{
			if (p.seq != out[i].notice.seq)
				continue;
			if (p.waits)
				out[i].fraction = p.done;
		}
		out[kept++] = out[i];
	}
	n = kept;
	for (int i = 0; i < njobs; i++)
	{
		AjBranchProgress p;

		if (!aj_queue_branch_progress(jobs[i], &p) || !p.waits)
			continue;
		aj_notice_fill(&out[n].notice, jobs[i], p.seq, AJ_WAITING, p.step_no,
					   p.step_count, p.session_id);
		out[n++].fraction = p.done;
	}
	aj_scope_leave(&scope);
	return n;
}

/* The extension is another, whose jobs have the numbers of the old one's. */
void
aj_publish_forget(void)
{
	memset(told, 0, sizeof(told));
}

/*
 * Has something later been told of this job?  A step that ends makes its job
 * ready, and another worker may have run the job to its end before the first
 * gets to say so.  Those are milliseconds: to remember some thousand jobs is
 * enough.
 */
static bool
is_outdated(const AjNotice *notice)
{
	int			i = notice->job_id % TOLD_MAX;

	/* the lock makes us hear whether the extension is still the same */
	if (told[i].job_id == notice->job_id && told[i].seq > notice->seq &&
		aj_extension_lock() && told[i].seq > notice->seq)
		return true;
	told[i].job_id = notice->job_id;
	told[i].seq = notice->seq;
	return false;
}

/*
 * Send all that is pending.  The caller has begun a transaction and commits
 * it.
 */
void
aj_publish_send(AjDatabase *db)
{
	TimestampTz now = GetCurrentTimestamp();
	Outgoing   *out;
	StringInfoData one,
				all;
	int			n = 0,
				digested = 0;
	bool		lost = false,
				more;

	nput = 0;
	out = palloc((AJ_RING_SIZE + 2 * aj_shared->nslots) * sizeof(Outgoing));

	do
	{
		SpinLockAcquire(&db->mutex);
		for (int i = 0; i < TAKE_AT_ONCE && n < AJ_RING_SIZE &&
			 db->head != db->tail; i++)
		{
			out[n].notice = db->ring[db->head % AJ_RING_SIZE];
			out[n].fraction = -1;
			put_at[nput++] = out[n].notice.at;
			db->head++;
			n++;
		}
		more = db->head != db->tail && n < AJ_RING_SIZE;
		lost |= db->lost;
		db->lost = false;
		SpinLockRelease(&db->mutex);
	} while (more);
	ConditionVariableBroadcast(&db->room);
	n = branches_progress(db, out, n, now);

	LWLockAcquire(aj_shared->lock, LW_SHARED);
	for (int i = 0; i < aj_shared->nslots; i++)
	{
		AjWorkerSlot *slot = &aj_shared->slots[i];

		if (slot->state != AJ_SLOT_BUSY || slot->dbid != db->dbid)
			continue;
		SpinLockAcquire(&slot->mutex);
		if (slot->branch_of == 0 && is_due(slot, now))
		{
			out[n].notice.job_id = slot->job_id;
			out[n].notice.seq = slot->seq;
			out[n].notice.state = AJ_RUNNING;
			out[n].notice.step_no = slot->step_no;
			out[n].notice.step_count = slot->step_count;
			memcpy(out[n].notice.session, slot->session, AJ_CHANNEL_LEN);
			out[n].fraction = slot->fraction;
			slot->published = slot->changes;
			slot->published_at = now;
			n++;
		}
		SpinLockRelease(&slot->mutex);
	}
	LWLockRelease(aj_shared->lock);

	initStringInfo(&one);
	initStringInfo(&all);
	for (int i = 0; i < n; i++)
	{
		char		channel[NAMEDATALEN];

		if (is_outdated(&out[i].notice))
			continue;
		resetStringInfo(&one);
		append_notice(&one, &out[i]);

		snprintf(channel, sizeof(channel), AJ_CHANNEL "_job_" INT64_FORMAT,
				 out[i].notice.job_id);
		notify(channel, one.data);
		if (out[i].notice.session[0] != '\0')
		{
			snprintf(channel, sizeof(channel), AJ_CHANNEL "_session_%s",
					 out[i].notice.session);
			notify(channel, one.data);
		}

		if (n == 1)
		{
			notify(AJ_CHANNEL, one.data);
			continue;
		}
		if (digested > 0 && all.len + one.len + 16 > PAYLOAD_MAX)
		{
			appendStringInfoString(&all, "]}");
			notify(AJ_CHANNEL, all.data);
			digested = 0;
		}
		if (digested == 0)
		{
			resetStringInfo(&all);
			appendStringInfoString(&all, "{\"jobs\":[");
		}
		else
			appendStringInfoChar(&all, ',');
		appendBinaryStringInfo(&all, one.data, one.len);
		digested++;
	}
	if (digested > 0)
	{
		appendStringInfoString(&all, "]}");
		notify(AJ_CHANNEL, all.data);
	}
	if (lost)
		notify(AJ_CHANNEL, "{\"lost\":true}");
}

/* Processor time of this process, which other load doesn't lengthen. */
static int64
cpu_us(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) != 0)
		return 0;
	return t.tv_sec * USECS_PER_SEC + t.tv_nsec / 1000;
}

/* Commit what aj_publish_send() did, and note how long it was on the way. */
void
aj_publish_commit(void)
{
	int64		took = -cpu_us();

	CommitTransactionCommand();
	took += cpu_us();
	digest_us = Min(DIGEST_TIMES * took,
					aj_guc_notify_interval * INT64CONST(1000));
	digest_us = Max(digest_us, DIGEST_MS * 1000);
	last_sent = GetCurrentTimestamp();
	for (int i = 0; i < nput; i++)
		aj_latency_note(AJ_LATENCY_NOTIFY, put_at[i], last_sent);
	nput = 0;
}
