/*-------------------------------------------------------------------------
 *
 * registration.c
 *		Starting the engine's background processes.
 *
 * The launcher is static and restarted by the postmaster.  Coordinators and
 * workers are dynamic and never restarted: whoever started them looks after
 * them.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "utils/memutils.h"

#include "launcher.h"
#include "registration.h"

#define LAUNCHER_RESTART_S	5

static void
fill(BackgroundWorker *bgw, const char *main_function, const char *type,
	 const char *name)
{
	memset(bgw, 0, sizeof(BackgroundWorker));
	bgw->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	bgw->bgw_start_time = BgWorkerStart_RecoveryFinished;
	bgw->bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(bgw->bgw_library_name, "asyncjob", sizeof(bgw->bgw_library_name));
	strlcpy(bgw->bgw_function_name, main_function, BGW_MAXLEN);
	strlcpy(bgw->bgw_type, type, BGW_MAXLEN);
	strlcpy(bgw->bgw_name, name, BGW_MAXLEN);
}

void
aj_register_launcher(void)
{
	BackgroundWorker bgw;

	fill(&bgw, "aj_launcher_main", "asyncjob launcher", "asyncjob launcher");
	bgw.bgw_restart_time = LAUNCHER_RESTART_S;
	RegisterBackgroundWorker(&bgw);
}

/*
 * Start a process; the caller's latch is set when it starts and stops, if it
 * asks for a handle.
 * Returns false when max_worker_processes is used up.
 */
bool
aj_start_process(const char *main_function, const char *type,
				 const char *name, Datum arg,
				 const void *extra, Size extra_len,
				 BackgroundWorkerHandle **handle)
{
	BackgroundWorker bgw;
	MemoryContext old;
	bool		registered;

	fill(&bgw, main_function, type, name);
	bgw.bgw_main_arg = arg;
	bgw.bgw_notify_pid = handle != NULL ? MyProcPid : 0;
	Assert(extra_len <= BGW_EXTRALEN);
	if (extra_len > 0)
		memcpy(bgw.bgw_extra, extra, extra_len);

	/* the handle outlives the caller's round */
	old = MemoryContextSwitchTo(TopMemoryContext);
	registered = RegisterDynamicBackgroundWorker(&bgw, handle);
	MemoryContextSwitchTo(old);
	return registered;
}
