/*-------------------------------------------------------------------------
 *
 * guc.h
 *		Settings of the engine; see docs/sql-api.md for their meaning.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_GUC_H
#define AJ_GUC_H

#include "postgres.h"

extern int	aj_guc_alarm_interval;	/* ms */
extern int	aj_guc_backoff;		/* ms, first retry delay by default */
extern int	aj_guc_crash_limit;
extern char *aj_guc_databases;
extern bool aj_guc_enabled;
extern char *aj_guc_encryption_key_command;
extern char *aj_guc_encryption_key_file;
extern int	aj_guc_max_attempts;
extern int	aj_guc_max_databases;
extern int	aj_guc_max_step_memory; /* kB */
extern int	aj_guc_max_workers;
extern int	aj_guc_notify_interval; /* ms */
extern int	aj_guc_poll_interval;	/* ms */
extern bool aj_guc_require_pg_cron;
extern bool aj_guc_require_user_id;
extern bool aj_guc_synchronous;
extern char *aj_guc_user_id;
extern int	aj_guc_worker_idle_timeout; /* ms */

extern void aj_guc_define(bool preloading);
extern void aj_set_setting(const char *name, const char *value);
extern bool aj_database_listed(const char *name);

#endif							/* AJ_GUC_H */
