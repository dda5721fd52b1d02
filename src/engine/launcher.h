/*-------------------------------------------------------------------------
 *
 * launcher.h
 *		The process that finds the databases to serve.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_LAUNCHER_H
#define AJ_LAUNCHER_H

#include "postgres.h"

extern PGDLLEXPORT void aj_launcher_main(Datum arg);

#endif							/* AJ_LAUNCHER_H */
