/*-------------------------------------------------------------------------
 *
 * pause.h
 *		Pipelines that are paused.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_PAUSE_H
#define AJ_PAUSE_H

#include "postgres.h"

extern bool aj_any_pipeline_paused(void);
extern bool aj_pauses_may_have_changed(void);
extern bool aj_pauses_changed(void);
extern void aj_call_back_here(Oid owner);

#endif							/* AJ_PAUSE_H */
