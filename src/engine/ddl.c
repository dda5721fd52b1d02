/*-------------------------------------------------------------------------
 *
 * ddl.c
 *		Leaving a database that is to be dropped, renamed or copied.
 *
 * DROP DATABASE, ALTER DATABASE ... RENAME and SET TABLESPACE, and CREATE
 * DATABASE ... TEMPLATE wait five seconds for other connections to go and
 * then fail.  A lingering worker or the coordinator must not be the reason.
 * So before such a command the database is marked as being left: the
 * coordinator and idle workers exit, and the command proceeds.  A worker
 * with a job in hand stays, as any session would; FORCE ends it.  After the
 * command, done or failed, the mark is taken back and the launcher starts
 * the coordinator again if the database still exists.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "nodes/parsenodes.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "cronlink.h"
#include "ddl.h"
#include "lanes.h"
#include "shmem.h"

#define EVICT_WAIT_MS	4000

static ProcessUtility_hook_type prev_ProcessUtility = NULL;

/*
 * The database that the command wants to itself, if the user may do that to
 * it at all.  To copy one that isn't marked as a template, and templates are
 * not served, takes its owner too.
 */
static Oid
database_wanted(Node *stmt)
{
	const char *name = NULL;
	Oid			dbid;

	switch (nodeTag(stmt))
	{
		case T_DropdbStmt:
			name = ((DropdbStmt *) stmt)->dbname;
			break;
		case T_RenameStmt:
			if (((RenameStmt *) stmt)->renameType == OBJECT_DATABASE)
				name = ((RenameStmt *) stmt)->subname;
			break;
		case T_AlterDatabaseStmt:
			{
				ListCell   *cell;

				foreach(cell, ((AlterDatabaseStmt *) stmt)->options)
				{
					if (strcmp(((DefElem *) lfirst(cell))->defname,
							   "tablespace") == 0)
						name = ((AlterDatabaseStmt *) stmt)->dbname;
				}
				break;
			}
		case T_CreatedbStmt:
			{
				ListCell   *cell;

				foreach(cell, ((CreatedbStmt *) stmt)->options)
				{
					DefElem    *option = lfirst(cell);

					if (strcmp(option->defname, "template") == 0 && option->arg)
						name = defGetString(option);
				}
				break;
			}
		default:
			break;
	}
	if (name == NULL)
		return InvalidOid;
	dbid = get_database_oid(name, true);
	if (!OidIsValid(dbid))
		return InvalidOid;
	if (!aj_database_ownercheck(dbid, GetUserId()))
		return InvalidOid;
	return dbid;
}

/*
 * Tell our processes to leave, or that they may come back.
 */
static bool
mark_evicting(Oid dbid, int change)
{
	AjDatabase *db;

	LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
	db = aj_database_find(dbid);
	if (db != NULL)
	{
		db->evicting = Max(db->evicting + change, 0);
		if (db->proc)
			SetLatch(&db->proc->procLatch);
		for (int i = 0; i < aj_shared->nslots; i++)
		{
			AjWorkerSlot *slot = &aj_shared->slots[i];

			if (slot->dbid == dbid && slot->proc)
				SetLatch(&slot->proc->procLatch);
		}
		if (aj_shared->launcher)
			SetLatch(&aj_shared->launcher->procLatch);
	}
	LWLockRelease(aj_shared->lock);
	return db != NULL;
}

static bool
somebody_leaving(Oid dbid)
{
	AjDatabase *db;
	bool		some;

	LWLockAcquire(aj_shared->lock, LW_SHARED);
	db = aj_database_find(dbid);
	some = db != NULL && db->pid != 0;
	for (int i = 0; i < aj_shared->nslots; i++)
	{
		AjWorkerSlot *slot = &aj_shared->slots[i];

		if (slot->dbid == dbid && (slot->state == AJ_SLOT_IDLE ||
								   slot->state == AJ_SLOT_STARTING))
			some = true;
	}
	LWLockRelease(aj_shared->lock);
	return some;
}

static void
allow_back(int code, Datum arg)
{
	(void) mark_evicting(DatumGetObjectId(arg), -1);
}

static void
aj_ProcessUtility(PlannedStmt *pstmt, const char *queryString,
				  bool readOnlyTree, ProcessUtilityContext context,
				  ParamListInfo params, QueryEnvironment *queryEnv,
				  DestReceiver *dest, QueryCompletion *qc)
{
	ProcessUtility_hook_type next = prev_ProcessUtility ?
	prev_ProcessUtility : standard_ProcessUtility;
	Oid			dbid = InvalidOid;

	/* a failed transaction may not look into the catalogs */
	if (aj_shared != NULL && IsTransactionState() &&
		context == PROCESS_UTILITY_TOPLEVEL)
		dbid = database_wanted(pstmt->utilityStmt);

	if (!OidIsValid(dbid) || dbid == MyDatabaseId ||
		!mark_evicting(dbid, +1))
	{
		next(pstmt, queryString, readOnlyTree, context, params, queryEnv,
			 dest, qc);
		return;
	}

	PG_ENSURE_ERROR_CLEANUP(allow_back, ObjectIdGetDatum(dbid));
	{
		TimestampTz start = GetCurrentTimestamp();

		while (somebody_leaving(dbid) &&
			   !TimestampDifferenceExceeds(start, GetCurrentTimestamp(),
										   EVICT_WAIT_MS))
		{
			(void) WaitLatch(MyLatch,
							 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 10, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
			CHECK_FOR_INTERRUPTS();
		}
		next(pstmt, queryString, readOnlyTree, context, params, queryEnv,
			 dest, qc);
	}
	PG_END_ENSURE_ERROR_CLEANUP(allow_back, ObjectIdGetDatum(dbid));
	(void) mark_evicting(dbid, -1);
	if (nodeTag(pstmt->utilityStmt) == T_DropdbStmt)
	{
		AjDatabase *db;

		LWLockAcquire(aj_shared->lock, LW_EXCLUSIVE);
		db = aj_database_find(dbid);
		if (db != NULL && db->pid == 0)
			db->state = AJ_DB_FREE;
		LWLockRelease(aj_shared->lock);
		aj_lanes_empty(dbid);
		aj_cron_send(AJ_CRON_TIDY, dbid);
	}
}

void
aj_ddl_install(void)
{
	prev_ProcessUtility = ProcessUtility_hook;
	ProcessUtility_hook = aj_ProcessUtility;
}
