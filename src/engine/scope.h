/*-------------------------------------------------------------------------
 *
 * scope.h
 *		Running the engine's own statements: as whom, with which settings.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_SCOPE_H
#define AJ_SCOPE_H

#include "postgres.h"

#include "executor/spi.h"

/* What aj_scope_enter() changed and aj_scope_leave() puts back. */
typedef struct AjScope
{
	Oid			userid;
	int			sec_context;
	int			nestlevel;
	bool		xact_read_only;
	bool		snapshot_pushed;
	bool		outer_in_worker;
} AjScope;

/*
 * One statement of the engine: fixed text, prepared once per process.  The
 * parameters are numbered $1.. in the order of argtypes.
 */
typedef struct AjStatement
{
	const char *sql;
	int			nargs;
	const Oid  *argtypes;
	SPIPlanPtr	plan;			/* NULL until first used */
	uint64		epoch;			/* value of the plan epoch it was made in */
} AjStatement;

/* AJ_STATEMENT(name, "text", types of parameters...) defines a static one. */
#define AJ_STATEMENT(name, text, ...) \
	static const Oid name##_types[] = {__VA_ARGS__}; \
	static AjStatement name = {text, lengthof(name##_types), name##_types, \
		NULL, 0}

extern void aj_scope_enter(AjScope *scope, bool worker);
extern void aj_scope_leave(AjScope *scope);
extern int	aj_scope_wait_for_locks(int ms);
extern bool aj_scope_begin(AjScope *scope);
extern void aj_scope_commit(AjScope *scope);
extern ErrorData *aj_try(void (*work) (void *arg), void *arg);
extern int	aj_execute(AjStatement *stmt, Datum *values, const char *nulls,
					   long limit);
extern int	aj_execute_latest(AjStatement *stmt, Datum *values,
							  const char *nulls);

/* A column (from 1) of a row (from 0) of the last statement's result. */
static inline Datum
aj_value(int row, int col, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, col,
						 isnull);
}

extern Datum aj_text_or_null(const char *text, char *null);
extern void aj_worker_defaults(void);
extern void aj_commit_durably(bool durably);

#endif							/* AJ_SCOPE_H */
