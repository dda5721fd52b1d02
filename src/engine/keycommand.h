/*-------------------------------------------------------------------------
 *
 * keycommand.h
 *		The command that tells the keys of encrypted queues.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_KEYCOMMAND_H
#define AJ_KEYCOMMAND_H

#include "postgres.h"

extern bool aj_key_command_run(const char *command, char *output, Size size,
							   char *problem, Size problem_size);

#endif							/* AJ_KEYCOMMAND_H */
