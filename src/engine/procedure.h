/*-------------------------------------------------------------------------
 *
 * procedure.h
 *		Calling a handler that is a procedure.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_PROCEDURE_H
#define AJ_PROCEDURE_H

#include "postgres.h"

#include "utils/jsonb.h"

extern Jsonb *aj_call_procedure(Oid procedure, Jsonb *input, bool may_commit,
								MemoryContext context);

#endif							/* AJ_PROCEDURE_H */
