/*-------------------------------------------------------------------------
 *
 * guc.c
 *		Settings of the engine, in alphabetical order.
 *
 * What sizes shared memory (max_databases) can only be set at server start
 * and exists only where the library is preloaded.  Everything else can be
 * changed by a reload; user_id and require_user_id belong to the session.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <limits.h>

#include "nodes/pg_list.h"
#include "utils/varlena.h"

#include "guc.h"

int			aj_guc_alarm_interval = 10000;
int			aj_guc_backoff = 5000;
int			aj_guc_crash_limit = 3;
char	   *aj_guc_databases = NULL;
bool		aj_guc_enabled = true;
char	   *aj_guc_encryption_key_command = NULL;
char	   *aj_guc_encryption_key_file = NULL;
int			aj_guc_max_attempts = 3;
int			aj_guc_max_databases = 16;
int			aj_guc_max_step_memory = 1024 * 1024;
int			aj_guc_max_workers = 4;
int			aj_guc_notify_interval = 250;
int			aj_guc_poll_interval = 5000;
bool		aj_guc_require_pg_cron = true;
bool		aj_guc_require_user_id = false;
bool		aj_guc_synchronous = false;
char	   *aj_guc_user_id = NULL;
int			aj_guc_worker_idle_timeout = 30000;

void
aj_guc_define(bool preloading)
{
	DefineCustomIntVariable("asyncjob.alarm_interval",
							"Time between two looks at the alarms.",
							NULL,
							&aj_guc_alarm_interval,
							10000, 100, 3600 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomIntVariable("asyncjob.backoff",
							"Delay before a failed step is tried again, where its pipeline names none.",
							"It doubles with each further failure of the step, up to ten minutes.",
							&aj_guc_backoff,
							5000, 0, 3600 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomIntVariable("asyncjob.crash_limit",
							"Number of server crashes a job may cause before it becomes a dead letter.",
							"Only crashes while the job ran alone are counted.",
							&aj_guc_crash_limit,
							3, 1, 100,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);

	DefineCustomStringVariable("asyncjob.databases",
							   "Comma-separated list of the databases whose jobs are run.",
							   "Empty means every database that has the extension.",
							   &aj_guc_databases,
							   "",
							   PGC_SIGHUP, GUC_LIST_INPUT,
							   NULL, NULL, NULL);

	DefineCustomBoolVariable("asyncjob.enabled",
							 "Runs jobs in background workers.",
							 "When off, running jobs go on and no further job is started.",
							 &aj_guc_enabled,
							 true,
							 PGC_SIGHUP, 0,
							 NULL, NULL, NULL);

	DefineCustomStringVariable("asyncjob.encryption_key_command",
							   "Command that writes the keys of encrypted queues to its standard output.",
							   "Run by the shell as the server's user; what it writes is what asyncjob.encryption_key_file holds.",
							   &aj_guc_encryption_key_command,
							   "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);

	DefineCustomStringVariable("asyncjob.encryption_key_file",
							   "File with the keys of encrypted queues.",
							   "An absolute path outside of the data directory; one key a line, after its id, the current one last.",
							   &aj_guc_encryption_key_file,
							   "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);

	DefineCustomIntVariable("asyncjob.max_attempts",
							"Number of times a step is tried, where its pipeline names none.",
							NULL,
							&aj_guc_max_attempts,
							3, 1, 100,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);

	if (preloading)
		DefineCustomIntVariable("asyncjob.max_databases",
								"Largest number of databases whose jobs are run.",
								NULL,
								&aj_guc_max_databases,
								16, 1, 1024,
								PGC_POSTMASTER, 0,
								NULL, NULL, NULL);

	DefineCustomIntVariable("asyncjob.max_step_memory",
							"Largest amount of memory a compiled step may ask for.",
							NULL,
							&aj_guc_max_step_memory,
							1024 * 1024, 1024, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_KB,
							NULL, NULL, NULL);

	DefineCustomIntVariable("asyncjob.max_workers",
							"Largest number of workers of the whole server.",
							"Each takes one of max_worker_processes.",
							&aj_guc_max_workers,
							4, 0, 1024,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("asyncjob.notify_interval",
							"Shortest time between two progress notices of one job.",
							"A change of state is sent at once.",
							&aj_guc_notify_interval,
							250, 10, 60 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomIntVariable("asyncjob.poll_interval",
							"Time between two looks at the queue when nothing announces work.",
							"Submitting wakes a worker at once; this is the fallback for COMMIT PREPARED, logical replication and restores.",
							&aj_guc_poll_interval,
							5000, 100, 3600 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomBoolVariable("asyncjob.require_pg_cron",
							 "Refuses schedules where pg_cron cannot call tick().",
							 "Off for tests with drain(), or where something else calls tick() each minute.",
							 &aj_guc_require_pg_cron,
							 true,
							 PGC_USERSET, 0,
							 NULL, NULL, NULL);

	DefineCustomBoolVariable("asyncjob.require_user_id",
							 "Shows no job where asyncjob.user_id is not set.",
							 NULL,
							 &aj_guc_require_user_id,
							 false,
							 PGC_USERSET, 0,
							 NULL, NULL, NULL);

	DefineCustomBoolVariable("asyncjob.synchronous",
							 "Runs a job within submit(), in the caller's transaction.",
							 "How it ends is in the job, as if a worker had run it.",
							 &aj_guc_synchronous,
							 false,
							 PGC_USERSET, 0,
							 NULL, NULL, NULL);

	DefineCustomStringVariable("asyncjob.user_id",
							   "The application's user whose jobs this session sees and submits.",
							   "A filter for applications that share one role, not a security boundary.",
							   &aj_guc_user_id,
							   "",
							   PGC_USERSET, 0,
							   NULL, NULL, NULL);

	DefineCustomIntVariable("asyncjob.worker_idle_timeout",
							"Time an idle worker waits for further jobs before it exits.",
							NULL,
							&aj_guc_worker_idle_timeout,
							30000, 0, 24 * 3600 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);

	MarkGUCPrefixReserved("asyncjob");
}

/* Is this database named in asyncjob.databases? */
bool
aj_database_listed(const char *name)
{
	char	   *copy;
	List	   *names;
	ListCell   *cell;
	bool		listed = false;

	if (aj_guc_databases == NULL || aj_guc_databases[0] == '\0')
		return true;
	copy = pstrdup(aj_guc_databases);
	if (!SplitIdentifierString(copy, ',', &names))
	{
		pfree(copy);
		return false;
	}
	foreach(cell, names)
		listed |= strcmp(lfirst(cell), name) == 0;
	list_free(names);
	pfree(copy);
	return listed;
}

/*
 * A setting of the session, until the end of the caller's GUC nest level or of
 * the (sub)transaction.
 */
void
aj_set_setting(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}
