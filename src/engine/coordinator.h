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

extern PGDLLEXPORT void aj_coordinator_main(Datum arg);

#endif							/* AJ_COORDINATOR_H */
