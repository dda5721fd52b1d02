/*-------------------------------------------------------------------------
 *
 * suspects.h
 *		Running alone what ran when the server crashed.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_SUSPECTS_H
#define AJ_SUSPECTS_H

#include "postgres.h"

#define AJ_GATHER_AGAIN_MS	30000

extern void aj_suspects_note(void);
extern long aj_suspects_tend(void);

#endif							/* AJ_SUSPECTS_H */
