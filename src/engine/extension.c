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
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xlog.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/namespace.h"
#include "commands/extension.h"
#include "storage/lmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "extension.h"
#include "names.h"
#include "pipeline.h"
#include "queue.h"
#include "scope.h"
#include "types.h"

static Oid	table = InvalidOid; /* asyncjob.job, the last time we looked */
static Oid	table_owner = InvalidOid;	/* InvalidOid: look again */
static bool callback_registered = false;

static void
forget_owner(Datum arg, Oid relid)
{
	if (relid == table || relid == InvalidOid)
		table_owner = InvalidOid;
}

/*
 * Lock the extension against DROP for the rest of the transaction.  Returns
 * false if the database has none.
 */
bool
aj_extension_lock(void)
{
	Oid			extension = get_extension_oid(AJ_EXTENSION, true);

	if (!OidIsValid(extension))
		return false;
	LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);

	/* It may have been dropped while we waited. */
	AcceptInvalidationMessages();
	return OidIsValid(get_extension_oid(AJ_EXTENSION, true));
}

/*
 * Role that owns the engine's tables, as which its statements run.  Where the
 * extension was dropped and created again since, what this process remembers
 * of it is forgotten.
 */
Oid
aj_extension_table_owner(void)
{
	if (!callback_registered)
	{
		CacheRegisterRelcacheCallback(forget_owner, (Datum) 0);
		callback_registered = true;
	}
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
		if (found != table)
		{
			aj_forget_plans();
			aj_pipeline_forget();
			aj_names_forget();
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
