/*-------------------------------------------------------------------------
 *
 * queue_seal.h
 *		Statements about keys of what is encrypted.
 *
 * All functions are called inside an AjScope (scope.h).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_QUEUE_SEAL_H
#define AJ_QUEUE_SEAL_H

#include "postgres.h"

extern int64 aj_queue_reseal(int64 after, int max, const char *key_id,
							 int64 *changed);
extern int64 aj_queue_highest_job(void);
extern int	aj_queue_keys_in_use(char ***ids, int64 **counts);

#endif							/* AJ_QUEUE_SEAL_H */
