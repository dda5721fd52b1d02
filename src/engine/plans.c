/*-------------------------------------------------------------------------
 *
 * plans.c
 *		Plans of the engine's own statements.
 *
 * A statement is prepared once per process.  A process may live for days, and
 * in this time the tables of jobs are empty now and hold millions then, of
 * which none is queued, or all are; whatever ANALYZE said of them is wrong a
 * minute later.  A plan that was good for an empty table, such as to read all
 * of it by its primary key, keeps the coordinator busy for minutes when it is
 * full.  Every statement of a worker or coordinator is written to read few
 * rows by an index, and stays good for an empty table.
 *
 * So the planner is told the same at all times when it plans for the engine:
 * what grows with the jobs is big, other tables of the engine have a thousand
 * rows, indexes on some of the rows are much smaller than those on all, and
 * nothing is known of the values.  For a worker the methods that read whole
 * tables are off, too, and a statement gets one generic plan, which depends on
 * nothing but the schema and the server's version.  In a client's session the
 * planner's settings are those of the session.
 *
 * An invalidation that arrives after a worker has looked whether there is a
 * plan makes the plan cache plan with its owner's settings; that plan serves
 * once.
 *
 * The hooks are active in no other planning, since no statement of the engine
 * calls user code.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/namespace.h"
#include "optimizer/plancat.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/selfuncs.h"

#include "guc.h"
#include "plans.h"
#include "types.h"

#define ROWS_BIG		1000000
#define ROWS_SMALL		1000
#define ROWS_PER_PAGE	30
#define INDEX_ENTRIES_PER_PAGE	250
#define PARTIAL_SHARE	100

/* The tables that get rows with each job, step, event or limit's start. */
static const char *const growing[] = {
	"artifact", "artifact_chunk", "chat_message", "chat_session", "checkpoint",
	"event", "event_wait", "job", "job_memo", "job_update", "lease", "place",
	"queue_start", "step_cache",
};

static const struct
{
	const char *name;
	const char *value;
}			planner_settings[] =

{
	{"enable_bitmapscan", "off"},
	{"enable_hashjoin", "off"},
	{"enable_indexonlyscan", "on"},
	{"enable_indexscan", "on"},
	{"enable_mergejoin", "off"},
	{"enable_nestloop", "on"},
	{"enable_seqscan", "off"},
	{"enable_sort", "on"},
	{"jit", "off"},
};

static uint64 plan_epoch = 1;
static bool planning = false;	/* for the engine */
static AjRelationHook next_relation_hook = NULL;
static get_relation_stats_hook_type next_stats_hook = NULL;

static bool
is_ours(Oid relid)
{
	return relid >= FirstNormalObjectId &&
		get_rel_namespace(relid) == get_namespace_oid(AJ_SCHEMA, true);
}

static bool
grows(Oid relid)
{
	const char *name = get_rel_name(relid);

	for (int i = 0; name != NULL && i < lengthof(growing); i++)
		if (strcmp(name, growing[i]) == 0)
			return true;
	return false;
}

static void
tell_size(AJ_RELATION_HOOK_PARAMETERS)
{
	ListCell   *lc;

	if (next_relation_hook != NULL)
		next_relation_hook(AJ_RELATION_HOOK_ARGUMENTS);
	if (!planning || !is_ours(AJ_RELATION_HOOK_RELID))
		return;
	rel->tuples = grows(AJ_RELATION_HOOK_RELID) ? ROWS_BIG : ROWS_SMALL;
	rel->pages = (BlockNumber) rel->tuples / ROWS_PER_PAGE;
	rel->allvisfrac = 0;
	foreach(lc, rel->indexlist)
	{
		IndexOptInfo *index = lfirst(lc);

		index->tuples = rel->tuples /
			(index->indpred != NIL ? PARTIAL_SHARE : 1);
		index->pages = 1 + (BlockNumber) index->tuples / INDEX_ENTRIES_PER_PAGE;
		index->tree_height = index->tuples > ROWS_SMALL ? 2 : 1;
	}
}

/* Nothing is known of the values. */
static bool
tell_values(PlannerInfo *root, RangeTblEntry *rte, AttrNumber attnum,
			VariableStatData *vardata)
{
	if (planning && rte->rtekind == RTE_RELATION && is_ours(rte->relid))
		return true;
	return next_stats_hook != NULL && next_stats_hook(root, rte, attnum, vardata);
}

void
aj_plans_install(void)
{
	next_relation_hook = aj_relation_hook;
	aj_relation_hook = tell_size;
	next_stats_hook = get_relation_stats_hook;
	get_relation_stats_hook = tell_values;
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
prepared(AjStatement *stmt, bool in_worker)
{
	SPIPlanPtr	plan;

	if (stmt->plan != NULL && stmt->epoch == plan_epoch)
		return stmt->plan;
	if (stmt->plan != NULL)
	{
		SPI_freeplan(stmt->plan);
		stmt->plan = NULL;
	}
	plan = SPI_prepare_cursor(stmt->sql, stmt->nargs, (Oid *) stmt->argtypes,
							  in_worker ? CURSOR_OPT_GENERIC_PLAN : 0);
	if (plan == NULL)
		elog(ERROR, "could not prepare a statement of the engine: %s",
			 SPI_result_code_string(SPI_result));
	SPI_keepplan(plan);
	stmt->plan = plan;
	stmt->epoch = plan_epoch;
	return plan;
}

/* Its generic plan, or NULL if there is none that could be used now. */
static const CachedPlan *
valid_plan(SPIPlanPtr plan)
{
	CachedPlanSource *source = linitial(SPI_plan_get_plan_sources(plan));

	return source->is_valid && source->gplan != NULL &&
		source->gplan->is_valid ? source->gplan : NULL;
}

/* Execute a statement, with our view of the tables if it has to be planned. */
static int
execute(SPIPlanPtr plan, Datum *values, const char *nulls, bool read_only,
		long limit)
{
	bool		outer = planning;
	int			rc;

	planning = true;
	PG_TRY();
	{
		rc = SPI_execute_plan(plan, values, nulls, read_only, limit);
	}
	PG_FINALLY();
	{
		planning = outer;
	}
	PG_END_TRY();
	return rc;
}

/*
 * Execute a statement of the engine, for which aj_execute() has prepared the
 * ground.  in_worker: this process belongs to a job's owner or is the
 * coordinator.  Returns what SPI does.
 */
int
aj_plan_execute(AjStatement *stmt, bool in_worker, Datum *values,
				const char *nulls, bool read_only, long limit)
{
	SPIPlanPtr	plan = prepared(stmt, in_worker);
	const CachedPlan *before;
	int			rc;

	if (!in_worker)
		return execute(plan, values, nulls, read_only, limit);
	before = valid_plan(plan);
	if (before == NULL)
	{
		int			nestlevel = NewGUCNestLevel();

		for (int i = 0; i < lengthof(planner_settings); i++)
			aj_set_setting(planner_settings[i].name, planner_settings[i].value);
		rc = execute(plan, values, nulls, read_only, limit);
		AtEOXact_GUC(false, nestlevel);
		return rc;
	}
	rc = execute(plan, values, nulls, read_only, limit);
	if (valid_plan(plan) != before)
		stmt->epoch = 0;		/* prepare it anew */
	return rc;
}
