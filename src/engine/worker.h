/*-------------------------------------------------------------------------
 *
 * worker.h
 *		Background workers that run jobs.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_WORKER_H
#define AJ_WORKER_H

#include "postgres.h"

/* bgw_extra of a worker */
typedef struct AjWorkerExtra
{
	Oid			dbid;
	Oid			roleid;
	uint32		generation;
} AjWorkerExtra;

extern PGDLLEXPORT void aj_worker_main(Datum arg);
extern void aj_worker_begin(void);
extern void aj_worker_clean_session(void);

#endif							/* AJ_WORKER_H */
