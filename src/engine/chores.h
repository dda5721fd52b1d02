/*-------------------------------------------------------------------------
 *
 * chores.h
 *		What a coordinator does now and then.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_CHORES_H
#define AJ_CHORES_H

#include "postgres.h"

extern long aj_chores(void);

#endif							/* AJ_CHORES_H */
