/*-------------------------------------------------------------------------
 *
 * crashfile.h
 *		Who was running when the server crashed.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_CRASHFILE_H
#define AJ_CRASHFILE_H

#include "postgres.h"

typedef struct AjSuspect
{
	Oid			dbid;
	int64		job_id;
	int64		worker_id;
	int			crashes;		/* the job's count when it was started */
	bool		alone;			/* nothing else was running */
} AjSuspect;

extern void aj_crashfile_collect(void);
extern void aj_crashfile_attach(int slot_no);
extern void aj_crashfile_enter(const AjSuspect *job);
extern void aj_crashfile_leave(void);
extern int	aj_crashfile_suspects(Oid dbid, AjSuspect **suspects);
extern void aj_crashfile_forget(const AjSuspect *suspect);

#endif							/* AJ_CRASHFILE_H */
