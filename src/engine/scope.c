/*-------------------------------------------------------------------------
 *
 * scope.c
 *		Running the engine's own statements: as whom, with which settings.
 *
 * A worker is logged in as the owner of its jobs, and the API functions run
 * in the sessions of those who call them.  Both have to write tables that
 * these roles may not touch.  The engine's statements therefore run as the
 * owner of asyncjob.job, under SECURITY_LOCAL_USERID_CHANGE (no SET ROLE, no
 * RESET can undo it) and SECURITY_RESTRICTED_OPERATION (no temp objects, no
 * cursors, nothing deferred to a time when the role has changed back).  They
 * are fixed texts with all names qualified, and are planned and run with
 * search_path = pg_catalog, pg_temp, so that no operator or table of the
 * caller's can take part.  No statement of the engine calls user code.
 *
 * A worker's process has been used by its owner, who can also ALTER ROLE
 * SET anything, so there every setting that could change the outcome of a
 * statement, or make it fail, is pinned as well, unless it happens to be what
 * it should be.  The settings nest like those of a function with SET clauses
 * and are back before the transaction goes on.
 *
 * What the planner makes of the statements is seen to by plans.c.
 *
 * After an error nothing needs to be undone by hand: the abort of the
 * (sub)transaction restores user and settings.  xact_read_only is restored by
 * the abort of the transaction too.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "jit/jit.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/float.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "extension.h"
#include "guc.h"
#include "plans.h"
#include "scope.h"

static bool in_worker = false;	/* the innermost scope is a worker's */

/* What a worker's statements stand on, where it isn't so anyway. */
static void
pin_settings(void)
{
	const char *zone = pg_get_timezone_name(session_timezone);

	if (DateStyle != USE_ISO_DATES)
		aj_set_setting("DateStyle", "ISO, YMD");
	if (IntervalStyle != INTSTYLE_POSTGRES)
		aj_set_setting("IntervalStyle", "postgres");
	if (strcmp(zone, "UTC") != 0 && strcmp(zone, "Etc/UTC") != 0)
		aj_set_setting("TimeZone", "UTC");
	if (bytea_output != BYTEA_OUTPUT_HEX)
		aj_set_setting("bytea_output", "hex");
	if (extra_float_digits != 1)
		aj_set_setting("extra_float_digits", "1");
	if (LockTimeout != 0)
		aj_set_setting("lock_timeout", "0");
	if (plan_cache_mode != PLAN_CACHE_MODE_AUTO)
		aj_set_setting("plan_cache_mode", "auto");
	if (!row_security)
		aj_set_setting("row_security", "on");
	if (StatementTimeout != 0)
		aj_set_setting("statement_timeout", "0");
	if (synchronous_commit != SYNCHRONOUS_COMMIT_ON)
		aj_set_setting("synchronous_commit", "on");
}

/*
 * synchronous_commit must still hold when the transaction commits, which is
 * after the scope is left, so a worker sets it for the whole transaction.
 */
void
aj_worker_defaults(void)
{
	aj_commit_durably(true);
}

/*
 * Whether the commit of the current transaction waits for its WAL.  Called
 * outside of a scope.
 */
void
aj_commit_durably(bool durably)
{
	if (synchronous_commit == (durably ? SYNCHRONOUS_COMMIT_ON :
							   SYNCHRONOUS_COMMIT_OFF))
		return;
	(void) set_config_option("synchronous_commit", durably ? "on" : "off",
							 PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
}

/*
 * Become the engine.  worker says that this process belongs to a job's
 * owner rather than to a client.  SPI is connected on return.
 */
void
aj_scope_enter(AjScope *scope, bool worker)
{
	Oid			owner = aj_extension_table_owner();

	GetUserIdAndSecContext(&scope->userid, &scope->sec_context);
	scope->nestlevel = NewGUCNestLevel();
	scope->xact_read_only = XactReadOnly;

	SetUserIdAndSecContext(owner,
						   scope->sec_context |
						   SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	aj_set_setting("search_path", "pg_catalog, pg_temp");
	scope->outer_in_worker = in_worker;
	in_worker = worker;
	if (worker)
	{
		pin_settings();

		/*
		 * The handler may have said SET TRANSACTION READ ONLY; that was meant
		 * for its own statements.
		 */
		XactReadOnly = false;
	}
	else if (jit_enabled)
	{
		/* never worth it here, and tables without statistics invite it */
		aj_set_setting("jit", "off");
	}
	/* rows that statements return may hold toasted values */
	scope->snapshot_pushed = !ActiveSnapshotSet();
	if (scope->snapshot_pushed)
		PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
}

void
aj_scope_leave(AjScope *scope)
{
	in_worker = scope->outer_in_worker;
	SPI_finish();
	if (scope->snapshot_pushed)
		PopActiveSnapshot();
	XactReadOnly = scope->xact_read_only;
	AtEOXact_GUC(false, scope->nestlevel);
	SetUserIdAndSecContext(scope->userid, scope->sec_context);
}

/*
 * Statements from here on fail rather than wait longer for a lock.  The caller
 * ends that with AtEOXact_GUC() and what is returned.
 */
int
aj_scope_wait_for_locks(int ms)
{
	int			nestlevel = NewGUCNestLevel();

	aj_set_setting("lock_timeout", psprintf("%d", ms));
	return nestlevel;
}

/*
 * A transaction of the coordinator on the queue's tables, in a scope.  Returns
 * false, and nothing is begun, where the extension has gone; otherwise DROP
 * EXTENSION waits for the end of the transaction.
 */
bool
aj_scope_begin(AjScope *scope)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	XactReadOnly = false;
	if (!aj_extension_lock())
	{
		CommitTransactionCommand();
		return false;
	}
	aj_scope_enter(scope, true);
	return true;
}

void
aj_scope_commit(AjScope *scope)
{
	aj_scope_leave(scope);
	CommitTransactionCommand();
}

/*
 * Do something that may fail without harm to the rest: in a subtransaction,
 * which is rolled back then.  Returns the error, in the memory context of the
 * call, or NULL.
 */
ErrorData *
aj_try(void (*work) (void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	uint32		holdoff = QueryCancelHoldoffCount;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		work(arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		/* an error lets go of what our caller holds off */
		QueryCancelHoldoffCount = holdoff;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}

/*
 * Run a statement of the engine with a new snapshot, as the isolation level
 * of the transaction has it.  Returns the number of rows; SPI_tuptable holds
 * them.  The current memory context stays what it is.
 */
int
aj_execute(AjStatement *stmt, Datum *values, const char *nulls, long limit)
{
	MemoryContext context = CurrentMemoryContext;
	int			rc = aj_plan_execute(stmt, in_worker, values, nulls, false, limit);

	MemoryContextSwitchTo(context); /* SPI leaves its own behind */
	if (rc < 0)
		elog(ERROR, "a statement of the engine failed: %s",
			 SPI_result_code_string(rc));
	return (int) SPI_processed;
}

/*
 * Run a query of the engine that sees what is committed now, whatever the
 * isolation level of the caller's transaction.
 */
int
aj_execute_latest(AjStatement *stmt, Datum *values, const char *nulls)
{
	MemoryContext context = CurrentMemoryContext;
	int			rc;

	PushActiveSnapshot(GetLatestSnapshot());
	rc = aj_plan_execute(stmt, in_worker, values, nulls, true, 0);
	PopActiveSnapshot();
	MemoryContextSwitchTo(context);
	if (rc < 0)
		elog(ERROR, "a statement of the engine failed: %s",
			 SPI_result_code_string(rc));
	return (int) SPI_processed;
}

/* A text parameter and its place in the string of nulls. */
Datum
aj_text_or_null(const char *text, char *null)
{
	*null = text ? ' ' : 'n';
	return text ? CStringGetTextDatum(text) : (Datum) 0;
}
