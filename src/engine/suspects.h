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

#include "crashfile.h"

#define AJ_GATHER_AGAIN_MS	30000

extern int	aj_suspects_note(AjSuspect **left);
extern long aj_suspects_tend(void);

#endif							/* AJ_SUSPECTS_H */
