/*-------------------------------------------------------------------------
 *
 * procedure.c
 *		Calling a handler that is a procedure.
 *
 * A procedure may end its transaction and go on in the next, and the server
 * does that only for a CALL that runs in a portal of its own at top level:
 * the portal owns the snapshot, which a COMMIT takes away and the next
 * statement brings back.  So CALL is parsed, planned and run here as it is
 * for a client, with the input as its parameter, and the INOUT argument that
 * it returns is caught by a receiver.
 *
 * Everything lives in the caller's memory context, which outlives the
 * transactions of the procedure.
 *
 * Where the handler runs in somebody else's transaction (run(), drain()) the
 * call is not at top level, and COMMIT in it is refused by the server.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <limits.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "nodes/params.h"
#include "nodes/parsenodes.h"
#include "tcop/dest.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "procedure.h"

/* Catches the one value of the one row that a CALL returns. */
typedef struct OutputReceiver
{
	DestReceiver pub;
	MemoryContext context;
	Jsonb	   *output;			/* NULL: it was null */
} OutputReceiver;

static bool
receive_output(TupleTableSlot *slot, DestReceiver *self)
{
	OutputReceiver *receiver = (OutputReceiver *) self;
	bool		isnull;
	Datum		value = slot_getattr(slot, 1, &isnull);
	MemoryContext old;

	if (!isnull)
	{
		old = MemoryContextSwitchTo(receiver->context);
		receiver->output = DatumGetJsonbPCopy(value);
		MemoryContextSwitchTo(old);
	}
	return true;
}

static void
receive_startup(DestReceiver *self, int operation, TupleDesc typeinfo)
{
}

static void
receive_nothing(DestReceiver *self)
{
}

/*
 * After a COMMIT the server begins the next transaction with the session's
 * defaults, which ALTER ROLE SET may have changed.
 */
static void
set_transaction_defaults(void)
{
	static const char *const settings[][2] = {
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
	};

	for (int i = 0; i < lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_USERSET,
						PGC_S_SESSION);
}

/*
 * Call a procedure (INOUT jsonb) as the current user.  Returns its output in
 * the given context; NULL for a null.  On return a transaction is under way,
 * not necessarily the one of the call.
 */
Jsonb *
aj_call_procedure(Oid procedure, Jsonb *input, bool may_commit,
				  MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	char	   *sql;
	RawStmt    *parsed;
	List	   *queries,
			   *plans;
	Oid			argtype = JSONBOID;
	ParamListInfo params;
	Portal		portal;
	OutputReceiver receiver = {0};
	QueryCompletion qc;

	sql = psprintf("CALL %s($1)",
				   quote_qualified_identifier(get_namespace_name(get_func_namespace(procedure)),
											  get_func_name(procedure)));
	params = makeParamList(1);
	params->params[0].value = JsonbPGetDatum(input);
	params->params[0].isnull = false;
	params->params[0].pflags = PARAM_FLAG_CONST;
	params->params[0].ptype = JSONBOID;

	if (may_commit)
		set_transaction_defaults();
	PushActiveSnapshot(GetTransactionSnapshot());
	parsed = linitial_node(RawStmt, pg_parse_query(sql));
	queries = pg_analyze_and_rewrite_fixedparams(parsed, sql, &argtype, 1, NULL);
	plans = pg_plan_queries(queries, sql, CURSOR_OPT_PARALLEL_OK, NULL);
	PopActiveSnapshot();

	receiver.pub.receiveSlot = receive_output;
	receiver.pub.rStartup = receive_startup;
	receiver.pub.rShutdown = receive_nothing;
	receiver.pub.rDestroy = receive_nothing;
	receiver.pub.mydest = DestNone;
	receiver.context = context;

	portal = CreateNewPortal();
	portal->visible = false;
	PortalDefineQuery(portal, NULL, sql, CMDTAG_CALL, plans, NULL);
	PortalStart(portal, params, 0, InvalidSnapshot);
	(void) aj_portal_run(portal, may_commit, &receiver.pub, &qc);
	PortalDrop(portal, false);
	MemoryContextSwitchTo(old);
	return receiver.output;
}
