/*-------------------------------------------------------------------------
 *
 * publish.h
 *		Notices of changed jobs, from workers to whoever LISTENs.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_PUBLISH_H
#define AJ_PUBLISH_H

#include "postgres.h"

#include "shmem.h"

extern void aj_session_channel(const char *session, char *suffix);
extern void aj_notice_fill(AjNotice *notice, int64 job_id, int seq,
						   AjState state, int step_no, int step_count,
						   const char *session);
extern void aj_publish_nowait(const AjNotice *notice);
extern void aj_publish_install(void);
extern void aj_publish(const AjNotice *notice);
extern void aj_publish_soon(const AjNotice *notice);
extern void aj_publish_many(const AjNotice *notices, int n);
extern bool aj_publish_pending(AjDatabase *db, long *wait_ms);
extern void aj_publish_send(AjDatabase *db);
extern void aj_publish_forget(void);
extern void aj_publish_commit(void);

#endif							/* AJ_PUBLISH_H */
