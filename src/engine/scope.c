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
 * statement, or make it fail, is pinned as well.  The settings nest like
 * those of a function with SET clauses and are back before the transaction
 * goes on.
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
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "extension.h"
#include "scope.h"

static uint64 plan_epoch = 1;

/*
 * Every statement of a worker or coordinator reads few rows by an index,
 * whatever the statistics of tables that change so fast make of it.
 */
static const struct
{
	const char *name;
	const char *value;
}			worker_settings[] =

{
	{"DateStyle", "ISO, YMD"},
	{"IntervalStyle", "postgres"},
	{"TimeZone", "UTC"},
	{"bytea_output", "hex"},
	{"enable_bitmapscan", "off"},
	{"enable_hashjoin", "off"},
	{"enable_indexonlyscan", "on"},
	{"enable_indexscan", "on"},
	{"enable_mergejoin", "off"},
	{"enable_nestloop", "on"},
	{"enable_seqscan", "off"},
	{"enable_sort", "on"},
	{"extra_float_digits", "1"},
	{"jit", "off"},
	{"lock_timeout", "0"},
	{"plan_cache_mode", "auto"},
	{"row_security", "on"},
	{"statement_timeout", "0"},
	{"synchronous_commit", "on"},
};

static void
set_setting(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
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
	set_setting("search_path", "pg_catalog, pg_temp");
	if (worker)
	{
		for (int i = 0; i < lengthof(worker_settings); i++)
			set_setting(worker_settings[i].name, worker_settings[i].value);

		/*
		 * The handler may have said SET TRANSACTION READ ONLY; that was meant
		 * for its own statements.
		 */
		XactReadOnly = false;
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
	SPI_finish();
	if (scope->snapshot_pushed)
		PopActiveSnapshot();
	XactReadOnly = scope->xact_read_only;
	AtEOXact_GUC(false, scope->nestlevel);
	SetUserIdAndSecContext(scope->userid, scope->sec_context);
}

/*
 * Forget all plans, because the extension they were made for is gone.
 */
void
aj_forget_plans(void)
{
	plan_epoch++;
}

/* Prepare a statement the first time it is used. */
static SPIPlanPtr
prepared(AjStatement *stmt)
{
	SPIPlanPtr	plan;

	if (stmt->plan != NULL && stmt->epoch == plan_epoch)
		return stmt->plan;
	if (stmt->plan != NULL)
	{
		SPI_freeplan(stmt->plan);
		stmt->plan = NULL;
	}
	plan = SPI_prepare(stmt->sql, stmt->nargs, (Oid *) stmt->argtypes);
	if (plan == NULL)
		elog(ERROR, "could not prepare a statement of the engine: %s",
			 SPI_result_code_string(SPI_result));
	SPI_keepplan(plan);
	stmt->plan = plan;
	stmt->epoch = plan_epoch;
	return plan;
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
	int			rc;

	rc = SPI_execute_plan(prepared(stmt), values, nulls, false, limit);
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
	SPIPlanPtr	plan = prepared(stmt);
	int			rc;

	PushActiveSnapshot(GetLatestSnapshot());
	rc = SPI_execute_plan(plan, values, nulls, true, 0);
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
