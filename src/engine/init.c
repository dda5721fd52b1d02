/*-------------------------------------------------------------------------
 *
 * init.c
 *		Loading the library.
 *
 * Everything that is registered for the life of a process is registered
 * here, once.  Without preloading there is no shared memory: the functions
 * work, nothing runs in the background.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "ddl.h"
#include "executor.h"
#include "guc.h"
#include "plans.h"
#include "registration.h"
#include "shmem.h"
#include "wake.h"

AJ_MODULE_MAGIC("asyncjob");

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	bool		preloading = process_shared_preload_libraries_in_progress;

	aj_guc_define(preloading);
	aj_step_api_install();
	aj_wake_install();
	aj_plans_install();
	if (!preloading || IsBinaryUpgrade)
		return;
	aj_shmem_install();
	aj_ddl_install();
	aj_register_launcher();
}
