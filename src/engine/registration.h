/*-------------------------------------------------------------------------
 *
 * registration.h
 *		Starting the engine's background processes.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_REGISTRATION_H
#define AJ_REGISTRATION_H

#include "postgres.h"

#include "postmaster/bgworker.h"

extern void aj_register_launcher(void);
extern bool aj_start_process(const char *main_function, const char *type,
							 const char *name, Datum arg,
							 const void *extra, Size extra_len,
							 BackgroundWorkerHandle **handle);

#endif							/* AJ_REGISTRATION_H */
