/*-------------------------------------------------------------------------
 *
 * coordinator.h
 *		The process that keeps one database's queue going.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_COORDINATOR_H
#define AJ_COORDINATOR_H

#include "postgres.h"

#include "scope.h"
#include "shmem.h"

/* the database that this process serves */
extern AjDatabase *aj_my_db;

extern void aj_coordinator_begin(AjScope *scope);
extern PGDLLEXPORT void aj_coordinator_main(Datum arg);

#endif							/* AJ_COORDINATOR_H */
