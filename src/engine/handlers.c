/*-------------------------------------------------------------------------
 *
 * handlers.c
 *		The functions that pipelines name.
 *
 * A handler is stored as a text signature with its schema, since an OID would
 * not outlive a dump, and is looked up when it is to be called.  Each process
 * remembers what it has found until a catalog says that something changed.
 *
 * submit() refuses a pipeline of which the submitter may not execute every
 * handler: it would run with the submitter's rights and fail.  That a role may
 * execute all of a pipeline is remembered, too, until functions, schemas or
 * roles change, so it costs a submit one look.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

#include "pipeline.h"

#define MAX_SIGNATURE	256

typedef struct FunctionCacheEntry
{
	char		signature[MAX_SIGNATURE];	/* key */
	Oid			function;
	bool		validator;
} FunctionCacheEntry;

/* A pipeline all of whose handlers a role may execute. */
typedef struct AllowedEntry
{
	int32		pipeline_id;	/* key */
	Oid			role;
} AllowedEntry;

static bool functions_valid = false;
static bool allowed_valid = false;
static bool callbacks_registered = false;

/* to_regprocedure(), which gives NULL instead of an error */
static Oid
resolve_signature(const char *text)
{
	LOCAL_FCINFO(fcinfo, 1);
	Datum		result;

	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = CStringGetTextDatum(text);
	fcinfo->args[0].isnull = false;
	result = to_regprocedure(fcinfo);
	return fcinfo->isnull ? InvalidOid : DatumGetObjectId(result);
}

/* Is the one argument of this procedure INOUT? */
static bool
is_inout(HeapTuple tuple)
{
	Oid		   *types;
	char	  **names;
	char	   *modes;

	return get_func_arg_info(tuple, &types, &names, &modes) == 1 &&
		modes != NULL && modes[0] == FUNC_PARAM_INOUT;
}

/*
 * Function of a stored signature, which this role must be allowed to
 * execute: a handler (jsonb) RETURNS jsonb or procedure (INOUT jsonb), or a
 * validator that returns void.
 */
Oid
aj_handler_lookup(const char *signature, Oid role, bool validator)
{
	const char *what = validator ? "validator" : "handler";
	Oid			function = resolve_signature(signature);
	HeapTuple	tuple;
	Form_pg_proc proc;
	bool		fits;

	if (!OidIsValid(function))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("%s %s does not exist", what, signature),
				 errhint("A %s is a function with one argument of type jsonb.", what)));

	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	fits = proc->pronargs == 1 && proc->proargtypes.values[0] == JSONBOID &&
		!proc->proretset;
	if (proc->prokind == PROKIND_PROCEDURE)
		fits &= !validator && is_inout(tuple);
	else
		fits &= proc->prokind == PROKIND_FUNCTION &&
			proc->prorettype == (validator ? VOIDOID : JSONBOID);
	ReleaseSysCache(tuple);
	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("%s cannot be a %s", signature, what),
				 errhint("It must be a function (jsonb) RETURNS %s.",
						 validator ? "void" : "jsonb, or a procedure (INOUT jsonb)")));

	if (aj_proc_aclcheck(function, role, ACL_EXECUTE) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for %s %s", what, signature),
				 errdetail("Role \"%s\" may not execute it.",
						   GetUserNameFromId(role, true)),
				 errhint("Let its owner GRANT EXECUTE ON ROUTINE %s TO %s.", signature,
						 quote_identifier(GetUserNameFromId(role, false)))));
	return function;
}

static void
functions_invalidated(Datum arg, int cacheid, uint32 hashvalue)
{
	functions_valid = false;
	allowed_valid = false;
}

static void
roles_invalidated(Datum arg, int cacheid, uint32 hashvalue)
{
	allowed_valid = false;
}

static void
register_callbacks(void)
{
	if (callbacks_registered)
		return;
	CacheRegisterSyscacheCallback(PROCOID, functions_invalidated, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, functions_invalidated, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, functions_invalidated, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, roles_invalidated, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, roles_invalidated, (Datum) 0);
	callbacks_registered = true;
}

/*
 * aj_handler_lookup() of a stored signature, all of whose names are
 * qualified, remembering the function.  That the role may execute it is
 * checked each time.
 */
Oid
aj_handler_find(const char *signature, Oid role, bool validator)
{
	static HTAB *functions = NULL;
	FunctionCacheEntry *entry;
	Oid			function;

	register_callbacks();
	if (functions == NULL || !functions_valid)
	{
		HASHCTL		ctl = {0};

		if (functions != NULL)
			hash_destroy(functions);
		ctl.keysize = MAX_SIGNATURE;
		ctl.entrysize = sizeof(FunctionCacheEntry);
		ctl.hcxt = CacheMemoryContext;
		functions = hash_create("asyncjob handlers", 32, &ctl,
								HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
		functions_valid = true;
	}
	entry = strlen(signature) >= MAX_SIGNATURE ? NULL :
		hash_search(functions, signature, HASH_FIND, NULL);
	if (entry != NULL && entry->validator == validator &&
		aj_proc_aclcheck(entry->function, role, ACL_EXECUTE) == ACLCHECK_OK)
		return entry->function;

	function = aj_handler_lookup(signature, role, validator);
	/* the lookup may have taken in that something changed before it began */
	if (functions_valid && strlen(signature) < MAX_SIGNATURE)
	{
		entry = hash_search(functions, signature, HASH_ENTER, NULL);
		entry->function = function;
		entry->validator = validator;
	}
	return function;
}

/*
 * Refuse a pipeline of which a role may not execute every handler.
 */
void
aj_handlers_check(const AjPipeline *pipeline, Oid role)
{
	static HTAB *allowed = NULL;
	AllowedEntry key = {pipeline->id, role};

	register_callbacks();
	if (allowed == NULL || !allowed_valid)
	{
		HASHCTL		ctl = {0};

		if (allowed != NULL)
			hash_destroy(allowed);
		ctl.keysize = sizeof(AllowedEntry);
		ctl.entrysize = sizeof(AllowedEntry);
		ctl.hcxt = CacheMemoryContext;
		allowed = hash_create("asyncjob allowed pipelines", 32, &ctl,
							  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
		allowed_valid = true;
	}
	if (hash_search(allowed, &key, HASH_FIND, NULL) != NULL)
		return;
	for (int i = 0; i < pipeline->nsteps; i++)
	{
		if (!pipeline->steps[i].external)
			(void) aj_handler_find(pipeline->steps[i].handler, role, false);
	}
	/* as in aj_handler_find() */
	if (allowed_valid)
		(void) hash_search(allowed, &key, HASH_ENTER, NULL);
}

/*
 * What to store for a handler named by a user, with or without its argument
 * list and found by the search path of now.
 */
char *
aj_handler_signature(const char *text, Oid role, bool validator)
{
	char	   *signature = pstrdup(text);
	Oid			function;

	if (strchr(signature, '(') == NULL)
		signature = psprintf("%s(pg_catalog.jsonb)", signature);
	function = aj_handler_lookup(signature, role, validator);
	return format_procedure_qualified(function);
}
