/*-------------------------------------------------------------------------
 *
 * plans.h
 *		Plans of the engine's own statements.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_PLANS_H
#define AJ_PLANS_H

#include "postgres.h"

#include "scope.h"

extern void aj_plans_install(void);
extern int	aj_plan_execute(AjStatement *stmt, bool in_worker, Datum *values,
							const char *nulls, bool read_only, long limit);
extern void aj_forget_plans(void);

#endif							/* AJ_PLANS_H */
