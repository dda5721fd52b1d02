/*-------------------------------------------------------------------------
 *
 * launcher.c
 *		The process that finds the databases to serve.
 *
 * There is one launcher a cluster.  It is connected to no database, so it
 * can't see which of them have the extension; it starts a coordinator in
 * each, one after the other, and a coordinator that finds no extension
 * leaves.  That happens once, at the start; from then on CREATE EXTENSION
 * announces itself (wake.c).  Where asyncjob.databases is set, only the
 * databases it names are tried.
 *
 * The launcher never looks into a table of ours and never raises an error
 * for what it finds there, so no row can kill it.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "guc.h"
#include "launcher.h"
#include "registration.h"
#include "shmem.h"

#define RETRY_MS			5000	/* rest after a coordinator's failure */
#define START_MS			10000
#define IDLE_MS				60000

/* handles of coordinators by place in AjShared.databases; ours alone */
static BackgroundWorkerHandle **handles = NULL;

static void
launcher_exit(int code, Datum arg)
{
	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	aj_shared->launcher = NULL;
	aj_shared->launcher_pid = 0;
	LWLockRelease(aj_shared->lock);
}

/*
 * Note the databases to try: those that take connections and are no
 * templates.
 */
static void
find_databases(void)
{
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);
		bool		full;

		if (!database->datallowconn || database->datistemplate ||
			database->datconnlimit < -1 ||	/* invalid: half dropped */
			!aj_database_listed(NameStr(database->datname)))
			continue;

		LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
		full = aj_database_want(database->oid) == NULL;
		LWLockRelease(aj_shared->lock);
		if (full)
		{
			ereport(LOG,
					(errmsg("asyncjob cannot serve database \"%s\"",
							NameStr(database->datname)),
					 errhint("You might need to increase asyncjob.max_databases.")));
			break;
		}
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/*
 * See to coordinators that went away, and start one where one is wanted; at
 * most one is being started at a time.  Returns how long to sleep.
 */
static long
tend_databases(void)
{
	TimestampTz now = GetCurrentTimestamp();
	long		wait_ms = IDLE_MS;
	int			start = -1;
	Oid			dbid = InvalidOid;
	bool		starting = false;
	static bool warned = false;

	for (int i = 0; i < aj_shared->ndatabases; i++)
	{
		AjDatabase *db = &aj_shared->databases[i];
		pid_t		pid;

		if (handles[i] != NULL &&
			GetBackgroundWorkerPid(handles[i], &pid) == BGWH_STOPPED)
		{
			pfree(handles[i]);
			handles[i] = NULL;
			LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
			if (db->state == AJ_DB_STARTING || db->state == AJ_DB_RUNNING)
			{
				/* it did not say that it wanted to go */
				db->state = AJ_DB_WANTED;
				db->retry_at = TimestampTzPlusMilliseconds(now, RETRY_MS);
			}
			LWLockRelease(aj_shared->lock);
		}

		LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
		if (handles[i] != NULL)
			starting |= db->state == AJ_DB_STARTING && now < db->retry_at;
		else if (db->state == AJ_DB_WANTED && db->evicting == 0)
		{
			long		rest = TimestampDifferenceMilliseconds(now, db->retry_at);

			if (db->retry_at > now)
				wait_ms = Min(wait_ms, rest + 1);
			else if (start < 0)
			{
				start = i;
				dbid = db->dbid;
			}
		}
		LWLockRelease(aj_shared->lock);
	}

	if (start < 0 || starting)
		return starting ? Min(wait_ms, START_MS) : wait_ms;

	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	aj_shared->databases[start].state = AJ_DB_STARTING;
	/* one that can't get into its database holds up the others so long */
	aj_shared->databases[start].retry_at =
		TimestampTzPlusMilliseconds(now, START_MS);
	LWLockRelease(aj_shared->lock);
	if (aj_start_process("aj_coordinator_main", "asyncjob coordinator",
						 psprintf("asyncjob coordinator %u", dbid),
						 Int32GetDatum(start), &dbid, sizeof(dbid),
						 &handles[start]))
	{
		aj_shared->no_process = false;
		warned = false;
		return wait_ms;
	}

	handles[start] = NULL;
	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	aj_shared->databases[start].state = AJ_DB_WANTED;
	aj_shared->databases[start].retry_at =
		TimestampTzPlusMilliseconds(now, RETRY_MS);
	aj_shared->no_process = true;
	LWLockRelease(aj_shared->lock);
	if (!warned)
		ereport(LOG,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("asyncjob is out of background worker slots"),
				 errhint("You might need to increase max_worker_processes.")));
	warned = true;
	return Min(wait_ms, RETRY_MS);
}

void
aj_launcher_main(Datum arg)
{
	MemoryContext context;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGINT, PG_SIG_IGN);	/* pg_cancel_backend(): nothing to cancel */
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	before_shmem_exit(launcher_exit, (Datum) 0);
	handles = MemoryContextAllocZero(TopMemoryContext,
									 aj_shared->ndatabases * sizeof(*handles));
	context = AllocSetContextCreate(TopMemoryContext, "asyncjob launcher",
									ALLOCSET_DEFAULT_SIZES);

	/*
	 * Coordinators of a launcher that died are not ours to wait for.  They go
	 * when they notice; their databases are wanted then.
	 */
	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	aj_shared->launcher = MyProc;
	aj_shared->launcher_pid = MyProcPid;
	for (int i = 0; i < aj_shared->ndatabases; i++)
	{
		AjDatabase *db = &aj_shared->databases[i];

		if (db->pid != 0)
			kill(db->pid, SIGTERM);
		else if (db->state == AJ_DB_STARTING)
			db->state = AJ_DB_WANTED;
	}
	LWLockRelease(aj_shared->lock);

	MemoryContextSwitchTo(context);
	find_databases();

	for (;;)
	{
		long		wait_ms;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(context);
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			find_databases();
			MemoryContextSwitchTo(context);
		}
		wait_ms = tend_databases();
		MemoryContextReset(context);
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 wait_ms, PG_WAIT_EXTENSION);
	}
}
