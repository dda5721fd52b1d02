/*-------------------------------------------------------------------------
 *
 * shmem.h
 *		Shared memory of the engine.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_SHMEM_H
#define AJ_SHMEM_H

#include "postgres.h"

#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/spin.h"

#include "latency.h"
#include "types.h"

#define AJ_MESSAGE_LEN		128
#define AJ_CHANNEL_LEN		48
#define AJ_RING_SIZE		8192	/* what one fast worker says in 50 ms */
#define AJ_WAIT_BUCKETS		64
#define AJ_WOKEN_FOR_MORE	2	/* there may be several jobs */

/* what the coordinator has to look at, AjDatabase.flow */
#define AJ_FLOW_WAITS		1	/* jobs began to wait, events were emitted */
#define AJ_FLOW_CHILD_ENDED	2	/* but not by its worker */

/*
 * Life of a worker's slot.
 *
 *	FREE		-> STARTING (a coordinator registers a process)
 *	STARTING	-> IDLE (connected), DEAD (could not connect, never started)
 *	IDLE		-> BUSY (claimed a job), DEAD
 *	BUSY		-> IDLE, DEAD
 *	DEAD		-> FREE (the coordinator has given its jobs back)
 */
typedef enum AjSlotState
{
	AJ_SLOT_FREE,
	AJ_SLOT_STARTING,
	AJ_SLOT_IDLE,
	AJ_SLOT_BUSY,
	AJ_SLOT_DEAD
} AjSlotState;

/*
 * One worker.  Protected by AjShared.lock (shared to read, exclusive to
 * write), except for the last block, which has a spinlock of its own because
 * progress() writes it in inner loops.
 */
typedef struct AjWorkerSlot
{
	AjSlotState state;
	uint32		generation;		/* counts the processes that had this slot */
	Oid			dbid;
	Oid			roleid;
	int64		worker_id;		/* names this process in asyncjob.job, unique
								 * over restarts of the server */
	pid_t		pid;
	PGPROC	   *proc;			/* whose latch wakes the worker */
	TimestampTz since;			/* of this state */
	TimestampTz arrived;		/* when the slot was given to this role */
	bool		connected;		/* reached its database */
	bool		leave;			/* shall exit when it has no job in hand */
	int64		job_id;			/* 0 while idle */
	int			priority;		/* of that job */
	int64		cancel_job;		/* job that cancel() told to stop, or 0 */
	pg_atomic_uint32 woken;		/* for how many jobs, since it last looked */

	slock_t		mutex;			/* protects what follows */
	int64		branch_of;		/* job that the one in hand is a step of, or 0 */
	int			step_no;
	int			step_count;
	int			attempt;
	int			seq;
	TimestampTz step_started;
	double		fraction;		/* of the current step, 0..1 */
	char		message[AJ_MESSAGE_LEN];
	char		session[AJ_CHANNEL_LEN];	/* channel suffix, or empty */
	uint32		changes;		/* bumped by each progress() */
	uint32		published;		/* changes at the last notice, coordinator's */
	TimestampTz published_at;	/* time of the last notice, coordinator's */
} AjWorkerSlot;

/* A change of state that awaits publication. */
typedef struct AjNotice
{
	int64		job_id;
	int			seq;
	AjState		state;
	int			step_no;
	int			step_count;
	char		session[AJ_CHANNEL_LEN];
	TimestampTz at;				/* when it was put into the ring */
} AjNotice;

/*
 * Life of a database's entry, driven by the launcher.
 *
 *	FREE		-> WANTED (found at start, or CREATE EXTENSION announced it)
 *	WANTED		-> STARTING
 *	STARTING	-> RUNNING, ABSENT (has no extension), WANTED (failed to start)
 *	RUNNING		-> WANTED (coordinator died), ABSENT (extension was dropped)
 *	ABSENT		-> WANTED (announced again), FREE
 */
typedef enum AjDatabaseState
{
	AJ_DB_FREE,
	AJ_DB_WANTED,
	AJ_DB_STARTING,
	AJ_DB_RUNNING,
	AJ_DB_ABSENT
} AjDatabaseState;

/*
 * One database.  Protected by AjShared.lock, the ring by its own spinlock.
 */
typedef struct AjDatabase
{
	AjDatabaseState state;
	Oid			dbid;
	pid_t		pid;
	PGPROC	   *proc;			/* the coordinator's */
	TimestampTz retry_at;		/* a coordinator that failed rests till then */
	int			evicting;		/* sessions that want us out of the database */
	bool		paused;			/* foreign origin: nothing may be started */
	pg_atomic_uint32 work;		/* jobs became ready */
	pg_atomic_uint32 orphans;	/* a worker died */
	pg_atomic_uint32 flow;		/* AJ_FLOW_* */
	pg_atomic_uint64 wake_at;	/* the first of new waits ends, or DT_NOEND */
	pg_atomic_uint32 chains;	/* somebody wants to hear of ends of jobs */
	pg_atomic_uint64 external;	/* queues with new external jobs (external.c) */

	slock_t		mutex;
	uint32		head;			/* next notice to publish */
	uint32		tail;			/* next free entry; tail - head <= size */
	bool		lost;			/* a notice found no room */
	AjNotice	ring[AJ_RING_SIZE];
	ConditionVariable room;		/* the coordinator has emptied the ring */

	AjLatency	latency[AJ_LATENCY_KINDS];	/* atomics */
} AjDatabase;

/*
 * Running a suspect of a server crash alone: GATHERING lets no worker claim
 * until all are idle; then the one job runs; then things go on.
 */
typedef enum AjAloneMode
{
	AJ_ALONE_NONE,
	AJ_ALONE_GATHERING,
	AJ_ALONE_RUNNING
} AjAloneMode;

typedef struct AjShared
{
	LWLock	   *lock;

	/*
	 * A worker was told to leave so that this role gets its slot, which is
	 * kept for it until then.
	 */
	Oid			promised_db;
	Oid			promised_role;
	TimestampTz promised_until;
	pid_t		launcher_pid;
	PGPROC	   *launcher;
	pg_atomic_uint64 next_worker_id;

	AjAloneMode alone_mode;
	Oid			alone_db;
	Oid			alone_role;
	int64		alone_job;
	TimestampTz alone_until;	/* end of gathering */

	bool		no_process;		/* max_worker_processes ran out lately */

	ConditionVariable waiters[AJ_WAIT_BUCKETS]; /* wait(): by job id */

	int			ndatabases;
	int			nslots;
	AjDatabase *databases;
	AjWorkerSlot *slots;
} AjShared;

/* NULL where the library was not preloaded */
extern AjShared *aj_shared;

/* This process' slot, or NULL when it is no worker. */
extern AjWorkerSlot *aj_my_slot;

extern void aj_shmem_install(void);
extern int	aj_shmem_slot_count(void);
extern AjDatabase *aj_database_find(Oid dbid);
extern AjDatabase *aj_database_want(Oid dbid);
extern void aj_wake_launcher(void);
extern void aj_wake_coordinator(Oid dbid);
extern void aj_ask_coordinator(Oid dbid);
extern bool aj_wake_for_job(Oid dbid, Oid roleid);
extern bool aj_signal_cancel(Oid dbid, int64 job_id);
extern void aj_wake_waiters(int64 job_id);
extern void aj_slot_begin_job(int64 job_id, int priority);
extern void aj_slot_end_job(void);
extern bool aj_slot_cancel_wanted(int64 job_id);
extern bool aj_slot_copy(Oid dbid, int64 job_id, AjWorkerSlot *copy);
extern bool aj_slot_missed;

static inline ConditionVariable *
aj_wait_bucket(int64 job_id)
{
	return &aj_shared->waiters[(uint64) job_id % AJ_WAIT_BUCKETS];
}

#endif							/* AJ_SHMEM_H */
