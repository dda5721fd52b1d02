/*-------------------------------------------------------------------------
 *
 * cronlink.c
 *		Our one job in pg_cron.
 *
 * pg_cron keeps its jobs in one database of the cluster, cron.database_name,
 * which need not be ours.  In there, a database with schedules has one job,
 * "asyncjob tick OID", that calls asyncjob.tick() in it each minute as the
 * owner of the extension.  asyncjob.schedule is the truth, that job a
 * consequence: schedule() sees that it is there and says what is in the way
 * of it, and the coordinator looks again from time to time (schedule_chore.c),
 * so a job that somebody dropped or changed, a database that was renamed or
 * restored, and an extension pg_cron that came later are put right.
 *
 * As a session stays in its database, the looking is an errand of a background
 * process, which connects to pg_cron's database, does what is to be done
 * there in one transaction, leaves its findings in a piece of shared memory
 * and exits: some 10 ms.  It is a process of the superuser, and the
 * database may belong to somebody else; so it calls nothing but functions in C
 * that belong to the extension pg_cron, which only a superuser can have put
 * there, by names that nothing in that database can redirect, and waits for
 * no lock for longer than five seconds.
 *
 * Jobs of ours whose database is gone, or has another name now, are removed
 * by each errand; DROP DATABASE sends one for that.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "cronlink.h"
#include "extension.h"
#include "registration.h"

#define TICK_SCHEDULE	"* * * * *"
#define TICK_COMMAND	"SELECT asyncjob.tick()"
#define TICK_NAME		"asyncjob tick "
#define VISIT_LIMIT_MS	20000

/* How the process learns its errand: bgw_extra has room for 128 bytes. */
typedef struct CronErrand
{
	AjCronErrand errand;
	Oid			dbid;
	Oid			role;			/* as whom tick() is called */
	dsm_handle	report;			/* 0: nobody wants to know */
} CronErrand;

/* pg_cron's setting, NULL if pg_cron isn't loaded. */
static const char *
cron_database(void)
{
	/* named in postgresql.conf but defined by nobody, it means nothing */
	if (GetConfigOption("cron.database_name", true, false) == NULL ||
		(GetConfigOptionFlags("cron.database_name", true) & GUC_CUSTOM_PLACEHOLDER))
		return NULL;
	return GetConfigOption("cron.database_name", true, false);
}

bool
aj_cron_loaded(void)
{
	return cron_database() != NULL;
}

static void report_problem(AjCronReport *report, const char *hint,
						   const char *fmt,...) pg_attribute_printf(3, 4);

static void
report_problem(AjCronReport *report, const char *hint, const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	vsnprintf(report->problem, sizeof(report->problem), fmt, args);
	va_end(args);
	strlcpy(report->hint, hint, sizeof(report->hint));
}

/* ---------- who sends it ---------- */

/*
 * What can be seen from here to be wrong.
 */
static bool
may_visit(AjCronReport *report)
{
	const char *database = cron_database();

	memset(report, 0, sizeof(*report));
	if (RecoveryInProgress())
	{
		/* no process would start, and pg_cron does nothing here either */
		report_problem(report, "Ask the primary.", "this is a standby");
		return false;
	}
	if (database == NULL)
	{
		report_problem(report,
					   "Install pg_cron, add pg_cron to shared_preload_libraries, set cron.database_name, restart the server, and run CREATE EXTENSION pg_cron in that database.",
					   "pg_cron is not loaded");
		return false;
	}
	strlcpy(report->database, database, sizeof(report->database));
	if (!OidIsValid(get_database_oid(database, true)))
	{
		report_problem(report,
					   "Create it, and run CREATE EXTENSION pg_cron in it; or set cron.database_name to another one and restart the server.",
					   "database \"%s\", which cron.database_name names, does not exist",
					   database);
		return false;
	}
	return true;
}

static bool
start_errand(AjCronErrand errand, Oid dbid, Oid role, dsm_handle report,
			 BackgroundWorkerHandle **handle)
{
	CronErrand	extra = {.errand = errand,.dbid = dbid,.role = role,
	.report = report};

	return aj_start_process("aj_cron_main", "asyncjob pg_cron",
							"asyncjob pg_cron", (Datum) 0, &extra,
							sizeof(extra), handle);
}

/*
 * Send a process to pg_cron's database.  Returns false if that can't be, and
 * the report says why.
 */
bool
aj_cron_begin(AjCronVisit *visit, AjCronErrand errand, AjCronReport *report)
{
	memset(visit, 0, sizeof(*visit));
	if (!may_visit(report))
		return false;
	visit->segment = dsm_create(sizeof(AjCronReport), 0);
	dsm_pin_mapping(visit->segment);
	memcpy(dsm_segment_address(visit->segment), report, sizeof(*report));
	visit->since = GetCurrentTimestamp();
	if (!start_errand(errand, MyDatabaseId, aj_extension_table_owner(),
					  dsm_segment_handle(visit->segment), &visit->handle))
	{
		dsm_detach(visit->segment);
		memset(visit, 0, sizeof(*visit));
		report_problem(report, "You might need to increase max_worker_processes.",
					   "no background process is free to look at pg_cron's database");
		return false;
	}
	return true;
}

static void
end_visit(AjCronVisit *visit, AjCronReport *report)
{
	memcpy(report, dsm_segment_address(visit->segment), sizeof(*report));
	dsm_detach(visit->segment);
	pfree(visit->handle);
	memset(visit, 0, sizeof(*visit));
	if (!report->complete && report->problem[0] == '\0')
		report_problem(report, "See the server log.",
					   "the look at pg_cron's database \"%s\" failed",
					   report->database);
}

/* Is it back?  Then the visit is over. */
bool
aj_cron_done(AjCronVisit *visit, AjCronReport *report)
{
	pid_t		pid;

	if (GetBackgroundWorkerPid(visit->handle, &pid) != BGWH_STOPPED)
	{
		if (TimestampDifferenceExceeds(visit->since, GetCurrentTimestamp(),
									   VISIT_LIMIT_MS))
			TerminateBackgroundWorker(visit->handle);
		return false;
	}
	end_visit(visit, report);
	return true;
}

/* Send a process, and wait for what it finds. */
void
aj_cron_visit(AjCronErrand errand, AjCronReport *report)
{
	AjCronVisit visit;

	if (!aj_cron_begin(&visit, errand, report))
		return;
	PG_TRY();
	{
		(void) WaitForBackgroundWorkerShutdown(visit.handle);
	}
	PG_CATCH();
	{
		dsm_detach(visit.segment);
		PG_RE_THROW();
	}
	PG_END_TRY();
	end_visit(&visit, report);
}

/* Send a process on which nobody waits. */
void
aj_cron_send(AjCronErrand errand, Oid dbid)
{
	const char *database = cron_database();

	if (database != NULL)
		(void) start_errand(errand, dbid, InvalidOid, 0, NULL);
}

/* ---------- what it does there ---------- */

static int
run(const char *sql, int nargs, Oid *types, Datum *values)
{
	if (SPI_execute_with_args(sql, nargs, types, values, NULL, false, 0) < 0)
		elog(ERROR, "a statement in pg_cron's database failed");
	return (int) SPI_processed;
}

static char *
column(int col)
{
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, col);
}

/*
 * Are pg_cron's table and functions those of the extension?  If not, nothing
 * here is touched.
 */
static bool
cron_is_there(AjCronReport *report)
{
	if (run("SELECT FROM pg_extension e WHERE e.extname = 'pg_cron'",
			0, NULL, NULL) == 0)
	{
		report_problem(report, "Run CREATE EXTENSION pg_cron in that database.",
					   "extension pg_cron does not exist in database \"%s\", which cron.database_name names",
					   report->database);
		return false;
	}
	if (run("SELECT FROM pg_extension e, pg_namespace n,"
			" LATERAL (SELECT count(*) FROM pg_proc p"
			"  JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid"
			"   AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid"
			"   AND d.deptype = 'e'"
			"  JOIN pg_language l ON l.oid = p.prolang AND l.lanname = 'c'"
			"  WHERE p.pronamespace = n.oid AND (p.proname = 'schedule_in_database'"
			"    AND oidvectortypes(p.proargtypes) = 'text, text, text, text, text, boolean'"
			"   OR p.proname = 'unschedule'"
			"    AND oidvectortypes(p.proargtypes) = 'bigint')) f (n),"
			" LATERAL (SELECT count(*) FROM pg_class c"
			"  JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid"
			"   AND d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid"
			"   AND d.deptype = 'e'"
			"  WHERE c.relnamespace = n.oid AND c.relkind = 'r'"
			"   AND c.relname IN ('job', 'job_run_details')) t (n)"
			" WHERE e.extname = 'pg_cron' AND n.nspname = 'cron'"
			"  AND f.n = 2 AND t.n = 2", 0, NULL, NULL) == 0)
	{
		report_problem(report, "Run ALTER EXTENSION pg_cron UPDATE in that database; 1.4 is the oldest version that will do.",
					   "pg_cron in database \"%s\" is too old: it has no schedule_in_database()",
					   report->database);
		return false;
	}
	return true;
}

/* Remove the jobs that a query names, by their ids. */
static void
unschedule(const char *where, int nargs, Oid *types, Datum *values)
{
	char	   *sql = psprintf("SELECT cron.unschedule(j.jobid) FROM cron.job j"
							   " WHERE j.jobname ~ '^" TICK_NAME "[0-9]+$' AND %s",
							   where);

	(void) run(sql, nargs, types, values);
}

/* See that tick() is called in a database. */
static void
keep(const CronErrand *errand, AjCronReport *report)
{
	char	   *database = get_database_name(errand->dbid);
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(errand->role));
	Oid			types[5] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
	Datum		values[5];
	bool		login;
	char	   *role;

	if (database == NULL || !HeapTupleIsValid(tuple))
		return;					/* dropped meanwhile */
	login = ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	role = pstrdup(NameStr(((Form_pg_authid) GETSTRUCT(tuple))->rolname));
	ReleaseSysCache(tuple);
	if (!login)
	{
		report_problem(report, "ALTER ROLE ... LOGIN is enough where cron.use_background_workers is on.",
					   "pg_cron cannot log in as \"%s\", the owner of extension asyncjob",
					   role);
		return;
	}
	values[0] = CStringGetTextDatum(psprintf(TICK_NAME "%u", errand->dbid));
	values[1] = CStringGetTextDatum(TICK_SCHEDULE);
	values[2] = CStringGetTextDatum(TICK_COMMAND);
	values[3] = CStringGetTextDatum(database);
	values[4] = CStringGetTextDatum(role);
	report->ticking = run("SELECT FROM cron.job j WHERE j.jobname = $1"
						  " AND j.schedule = $2 AND j.command = $3"
						  " AND j.database = $4 AND j.username = $5 AND j.active",
						  5, types, values) == 1;
	if (report->ticking || errand->errand == AJ_CRON_LOOK)
		return;
	unschedule("j.jobname = $1", 1, types, values);
	(void) run("SELECT cron.schedule_in_database($1, $2, $3, $4, $5, true)",
			   5, types, values);
	report->ticking = true;
}

/* What became of pg_cron's last call. */
static void
last_call(const CronErrand *errand, AjCronReport *report)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1] = {CStringGetTextDatum(psprintf(TICK_NAME "%u", errand->dbid))};

	if (run("SELECT d.status, left(d.return_message, 200)"
			" FROM cron.job j JOIN cron.job_run_details d ON d.jobid = j.jobid"
			" WHERE j.jobname = $1 AND d.end_time IS NOT NULL"
			" ORDER BY d.runid DESC LIMIT 1", 1, types, values) == 0)
		return;
	strlcpy(report->last_status, column(1) ? column(1) : "",
			sizeof(report->last_status));
	strlcpy(report->last_message, column(2) ? column(2) : "",
			sizeof(report->last_message));
}

static void
do_errand(const CronErrand *errand, AjCronReport *report)
{
	Oid			types[1] = {TEXTOID};
	Datum		values[1];

	if (!cron_is_there(report))
		return;
	if (errand->errand != AJ_CRON_LOOK)
		unschedule("NOT EXISTS (SELECT FROM pg_database d WHERE d.datname = j.database"
				   " AND j.jobname = '" TICK_NAME "' || d.oid)", 0, NULL, NULL);
	switch (errand->errand)
	{
		case AJ_CRON_LOOK:
			keep(errand, report);
			last_call(errand, report);
			break;
		case AJ_CRON_KEEP:
			keep(errand, report);
			break;
		case AJ_CRON_REMOVE:
			values[0] = CStringGetTextDatum(psprintf(TICK_NAME "%u", errand->dbid));
			unschedule("j.jobname = $1", 1, types, values);
			break;
		case AJ_CRON_TIDY:
			break;
	}
}

/* Statements here depend on nothing that the database or a role has set. */
static void
pin(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
}

void
aj_cron_main(Datum arg)
{
	CronErrand	errand;
	dsm_segment *segment = NULL;
	AjCronReport nobody,
			   *report = &nobody;
	const char *database;

	memcpy(&errand, MyBgworkerEntry->bgw_extra, sizeof(errand));
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	database = cron_database();
	if (database == NULL)
		proc_exit(0);
	BackgroundWorkerInitializeConnection(database, NULL, 0);
	pgstat_report_appname("asyncjob pg_cron");

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactIsoLevel = XACT_READ_COMMITTED;
	XactReadOnly = false;
	memset(&nobody, 0, sizeof(nobody));
	if (errand.report != 0)
	{
		segment = dsm_attach(errand.report);
		if (segment == NULL)	/* who sent us is gone */
			proc_exit(0);
		dsm_pin_mapping(segment);
		report = dsm_segment_address(segment);
	}
	SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID,
						   SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	pin("search_path", "pg_catalog, pg_temp");
	pin("lock_timeout", "5s");
	pin("row_security", "on");

	PG_TRY();
	{
		/* a database that is being dropped is gone when its lock is free */
		if (errand.errand == AJ_CRON_TIDY)
			LockSharedObject(DatabaseRelationId, errand.dbid, 0, AccessShareLock);
		PushActiveSnapshot(GetTransactionSnapshot());
		SPI_connect();
		do_errand(&errand, report);
		SPI_finish();
		PopActiveSnapshot();
		SetUserIdAndSecContext(BOOTSTRAP_SUPERUSERID, 0);
		CommitTransactionCommand();
		report->complete = true;
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		MemoryContextSwitchTo(TopMemoryContext);
		edata = CopyErrorData();
		report_problem(report, "See the server log, and the settings of pg_cron.",
					   "pg_cron in database \"%s\" refused the call of tick(): %s",
					   report->database, edata->message);
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
	}
	PG_END_TRY();
	if (segment != NULL)
		dsm_detach(segment);
	proc_exit(0);
}
