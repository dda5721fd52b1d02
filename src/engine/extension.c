/*-------------------------------------------------------------------------
 *
 * extension.c
 *		The extension in the current database.
 *
 * Each of the background transactions that touch the queue begins with
 * aj_extension_lock(): a share lock on the extension object, released at
 * commit, keeps DROP EXTENSION and ALTER EXTENSION UPDATE out for those few
 * milliseconds; DROP in turn makes the next transaction find nothing and its
 * process leave.  No lock is held while a handler runs.
 *
 * Tables of another version than the library's are left alone: background
 * processes take the extension for absent, functions refuse to work.  ALTER
 * EXTENSION UPDATE announces itself as CREATE EXTENSION does, and changes
 * asyncjob.job, by which all processes learn that they have to look again.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/namespace.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "extension.h"
#include "names.h"
#include "pipeline.h"
#include "plans.h"
#include "publish.h"
#include "queue.h"
#include "scope.h"
#include "types.h"

static Oid	table = InvalidOid; /* asyncjob.job, the last time we looked */
static Oid	table_owner = InvalidOid;	/* InvalidOid: look again */
static bool callback_registered = false;
static char *version = NULL;	/* of the extension; NULL: look again */

static void
forget_owner(Datum arg, Oid relid)
{
	if (relid == table || relid == InvalidOid)
	{
		table_owner = InvalidOid;
		if (version != NULL)
			free(version);
		version = NULL;
	}
}

static void
register_callback(void)
{
	if (!callback_registered)
		CacheRegisterRelcacheCallback(forget_owner, (Datum) 0);
	callback_registered = true;
}

/*
 * Version of the extension, "" where there is none.  It is remembered only if
 * it is this library's; another one is for somebody to change.
 */
static const char *
extension_version(void)
{
	Relation	rel;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	const char *found = "";

	if (version != NULL)
		return version;
	register_callback();
	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum(AJ_EXTENSION));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, Anum_pg_extension_extversion,
										 RelationGetDescr(rel), &isnull);

		if (!isnull)
			found = TextDatumGetCString(value);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	if (strcmp(found, AJ_VERSION) == 0)
		version = strdup(found);
	return found;
}

/*
 * Functions whose arguments have changed ask this first: until ALTER EXTENSION
 * UPDATE they are called by the definitions of an older version.
 */
void
aj_check_nargs(FunctionCallInfo fcinfo, int nargs)
{
	if (PG_NARGS() != nargs)
		aj_extension_refuse();
}

/* The SQL objects and the library don't fit. */
void
aj_extension_refuse(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("extension \"%s\" is of version %s in this database, its library of version %s",
					AJ_EXTENSION, extension_version(), AJ_VERSION),
			 errhint("Run ALTER EXTENSION asyncjob UPDATE, or restart the server if its library is the older one.")));
}

/*
 * Lock the extension against DROP for the rest of the transaction.  Returns
 * false if the database has none that this library can work with.
 */
bool
aj_extension_lock(void)
{
	static Oid	known = InvalidOid; /* while table_owner is valid */
	Oid			extension;

	/*
	 * Its catalog has no cache.  But while no invalidation of its main table
	 * has come, it is the one we found last; and if it is dropped, that
	 * invalidation is there when we get the lock.
	 */
	if (OidIsValid(known) && OidIsValid(table_owner))
	{
		LockDatabaseObject(ExtensionRelationId, known, 0, AccessShareLock);
		AcceptInvalidationMessages();
		if (OidIsValid(table_owner))
			return true;
	}

	known = InvalidOid;
	extension = get_extension_oid(AJ_EXTENSION, true);
	if (!OidIsValid(extension))
		return false;
	LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);

	/* It may have been dropped while we waited. */
	AcceptInvalidationMessages();
	if (get_extension_oid(AJ_EXTENSION, true) != extension)
		return false;
	if (strcmp(extension_version(), AJ_VERSION) == 0)
	{
		(void) aj_extension_table_owner();
		known = extension;
		return true;
	}
	ereport(LOG,
			(errmsg("asyncjob leaves database \"%s\" alone: the extension is of version %s there, the library of version %s",
					get_database_name(MyDatabaseId), extension_version(),
					AJ_VERSION),
			 errhint("Run ALTER EXTENSION asyncjob UPDATE.")));
	return false;
}

/*
 * Transactions that hold that lock now, without waiting for any: those in
 * which a job may just be being claimed.
 */
VirtualTransactionId *
aj_extension_lockers(int *n)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, ExtensionRelationId,
					   get_extension_oid(AJ_EXTENSION, false), 0);
	return GetLockConflicts(&tag, AccessExclusiveLock, n);
}

/*
 * Role that owns the engine's tables, as which its statements run.  Where the
 * extension was dropped and created again since, what this process remembers
 * of it is forgotten.
 */
Oid
aj_extension_table_owner(void)
{
	register_callback();
	if (!OidIsValid(table_owner))
	{
		Oid			schema = get_namespace_oid(AJ_SCHEMA, true);
		Oid			found = OidIsValid(schema) ?
		get_relname_relid("job", schema) : InvalidOid;
		HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(found));

		if (!HeapTupleIsValid(tuple))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_TABLE),
					 errmsg("extension \"%s\" is not installed in this database",
							AJ_EXTENSION),
					 errhint("Run CREATE EXTENSION asyncjob.")));
		if (!creating_extension && strcmp(extension_version(), AJ_VERSION) != 0)
			aj_extension_refuse();
		if (found != table)
		{
			aj_forget_plans();
			aj_pipeline_forget();
			aj_names_forget();
			aj_publish_forget();
			table = found;
		}
		table_owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
	}
	return table_owner;
}

/*
 * Are these jobs meant to be run here?  Not when the tables came with a
 * dump, a TEMPLATE copy or a clone.  The caller is in a scope.
 */
bool
aj_origin_is_ours(void)
{
	return aj_queue_origin_matches((int64) GetSystemIdentifier(), MyDatabaseId);
}

/* They are now. */
void
aj_origin_adopt(void)
{
	aj_queue_set_origin((int64) GetSystemIdentifier(), MyDatabaseId);
}
