/*-------------------------------------------------------------------------
 *
 * cronlink.h
 *		Our one job in pg_cron.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_CRONLINK_H
#define AJ_CRONLINK_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"

/* What pg_cron's database is visited for. */
typedef enum AjCronErrand
{
	AJ_CRON_LOOK,				/* change nothing */
	AJ_CRON_KEEP,				/* see that tick() is called */
	AJ_CRON_REMOVE,				/* see that it isn't */
	AJ_CRON_TIDY				/* a database is being dropped */
} AjCronErrand;

#define AJ_CRON_TEXT_LEN	320

/* What was found there. */
typedef struct AjCronReport
{
	bool		complete;		/* else the visit failed */
	bool		ticking;		/* tick() is to be called */
	char		database[NAMEDATALEN];
	char		problem[AJ_CRON_TEXT_LEN];	/* "": none */
	char		hint[AJ_CRON_TEXT_LEN];
	char		last_status[32];	/* of pg_cron's last call, "": none */
	char		last_message[AJ_CRON_TEXT_LEN];
} AjCronReport;

/* One that is under way. */
typedef struct AjCronVisit
{
	BackgroundWorkerHandle *handle; /* NULL: there is none */
	dsm_segment *segment;
	TimestampTz since;
} AjCronVisit;

extern bool aj_cron_loaded(void);
extern bool aj_cron_begin(AjCronVisit *visit, AjCronErrand errand,
						  AjCronReport *report);
extern bool aj_cron_done(AjCronVisit *visit, AjCronReport *report);
extern void aj_cron_visit(AjCronErrand errand, AjCronReport *report);
extern void aj_cron_send(AjCronErrand errand, Oid dbid);
extern PGDLLEXPORT void aj_cron_main(Datum arg);

#endif							/* AJ_CRONLINK_H */
