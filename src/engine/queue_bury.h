/*-------------------------------------------------------------------------
 *
 * queue_bury.h
 *		Jobs that the engine ends itself.
 *
 * All functions are called inside an AjScope (scope.h).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_QUEUE_BURY_H
#define AJ_QUEUE_BURY_H

#include "postgres.h"

extern void aj_queue_buried(int n);

#endif							/* AJ_QUEUE_BURY_H */
