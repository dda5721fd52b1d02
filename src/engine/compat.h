/*-------------------------------------------------------------------------
 *
 * compat.h
 *		Every difference between the supported PostgreSQL majors, 15 to 19.
 *
 * Nothing else in the engine tests PG_VERSION_NUM.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_COMPAT_H
#define AJ_COMPAT_H

#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_database.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "optimizer/pathnode.h"
#include "optimizer/plancat.h"
#include "postmaster/bgworker.h"
#include "utils/acl.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/jsonb.h"

#if PG_VERSION_NUM < 150000
#error "asyncjob needs PostgreSQL 15 or later"
#endif

#if PG_VERSION_NUM >= 180000
#define AJ_MODULE_MAGIC(module_name) \
	PG_MODULE_MAGIC_EXT(.name = module_name, .version = AJ_VERSION)
#else
#define AJ_MODULE_MAGIC(module_name) PG_MODULE_MAGIC
#endif

/* 16 replaced one aclcheck function per catalog by a common one. */
#if PG_VERSION_NUM >= 160000
#define aj_proc_aclcheck(oid, role, mode) \
	object_aclcheck(ProcedureRelationId, (oid), (role), (mode))
#define aj_database_aclcheck(oid, role, mode) \
	object_aclcheck(DatabaseRelationId, (oid), (role), (mode))
#define aj_namespace_aclcheck(oid, role, mode) \
	object_aclcheck(NamespaceRelationId, (oid), (role), (mode))
#define aj_database_ownercheck(oid, role) \
	object_ownercheck(DatabaseRelationId, (oid), (role))
#else
#define aj_proc_aclcheck(oid, role, mode) \
	pg_proc_aclcheck((oid), (role), (mode))
#define aj_database_aclcheck(oid, role, mode) \
	pg_database_aclcheck((oid), (role), (mode))
#define aj_namespace_aclcheck(oid, role, mode) \
	pg_namespace_aclcheck((oid), (role), (mode))
#define aj_database_ownercheck(oid, role) \
	pg_database_ownercheck((oid), (role))
#endif

/*
 * Since 17 a background worker may connect as a role without LOGIN; before
 * that such an owner is refused when it submits.
 */
#if PG_VERSION_NUM >= 170000
#define AJ_WORKER_CONNECT_FLAGS	BGWORKER_BYPASS_ROLELOGINCHECK
#define AJ_OWNER_NEEDS_LOGIN	false
#else
#define AJ_WORKER_CONNECT_FLAGS	0
#define AJ_OWNER_NEEDS_LOGIN	true
#endif

/* 19 has a hook of another shape where the planner learns of a relation. */
#if PG_VERSION_NUM >= 190000
#define aj_relation_hook	build_simple_rel_hook
#define AJ_RELATION_HOOK_PARAMETERS \
	PlannerInfo *root, RelOptInfo *rel, RangeTblEntry *rte
#define AJ_RELATION_HOOK_ARGUMENTS	root, rel, rte
#define AJ_RELATION_HOOK_RELID	(rte->rtekind == RTE_RELATION ? rte->relid : InvalidOid)
typedef build_simple_rel_hook_type AjRelationHook;
#else
#define aj_relation_hook	get_relation_info_hook
#define AJ_RELATION_HOOK_PARAMETERS \
	PlannerInfo *root, Oid relid, bool inhparent, RelOptInfo *rel
#define AJ_RELATION_HOOK_ARGUMENTS	root, relid, inhparent, rel
#define AJ_RELATION_HOOK_RELID	relid
typedef get_relation_info_hook_type AjRelationHook;
#endif

/* 18: "pg_noreturn void f(void)"; before, an attribute after it. */
#ifndef pg_noreturn
#define pg_noreturn
#define AJ_NORETURN pg_attribute_noreturn()
#else
#define AJ_NORETURN
#endif

/* 18 took PortalRun()'s run_once away. */
#if PG_VERSION_NUM >= 180000
#define aj_portal_run(portal, top, dest, qc) \
	PortalRun((portal), FETCH_ALL, (top), (dest), (dest), (qc))
#else
#define aj_portal_run(portal, top, dest, qc) \
	PortalRun((portal), FETCH_ALL, (top), true, (dest), (dest), (qc))
#endif

/* 19 hands a signal handler one more argument; SIGNAL_ARGS covers it. */
#if PG_VERSION_NUM >= 190000
#define AJ_PASS_SIGNAL_ARGS	postgres_signal_arg, pg_siginfo
#else
#define AJ_PASS_SIGNAL_ARGS	postgres_signal_arg
#endif

/* 19's pqsignal() wants its own type of handler. */
#ifndef PG_SIG_IGN
#define PG_SIG_IGN	SIG_IGN
#endif

/* 19 has a statement for it. */
#ifndef pg_fallthrough
#define pg_fallthrough	__attribute__((fallthrough))
#endif

/* 19 takes the tranche's name when it makes a new id. */
#if PG_VERSION_NUM >= 190000
#define aj_new_tranche(name)	LWLockNewTrancheId(name)
#else
#define aj_new_tranche(name)	LWLockNewTrancheId()
#endif

/*
 * What a jsonb is built in.  19 keeps the result in the state; before,
 * pushJsonbValue() returned it.
 */
#if PG_VERSION_NUM >= 190000
typedef JsonbInState AjJsonbState;
#else
typedef JsonbParseState *AjJsonbState;
#endif

static inline JsonbValue *
aj_push_jsonb(AjJsonbState *state, JsonbIteratorToken token, JsonbValue *value)
{
#if PG_VERSION_NUM >= 190000
	pushJsonbValue(state, token, value);
	return state->result;
#else
	return pushJsonbValue(state, token, value);
#endif
}

#endif							/* AJ_COMPAT_H */
