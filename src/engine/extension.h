/*-------------------------------------------------------------------------
 *
 * extension.h
 *		The extension in the current database.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_EXTENSION_H
#define AJ_EXTENSION_H

#include "postgres.h"

#include "compat.h"
#include "fmgr.h"
#include "storage/lock.h"

extern bool aj_extension_lock(void);
extern VirtualTransactionId *aj_extension_lockers(int *n);
pg_noreturn extern void aj_extension_refuse(void) AJ_NORETURN;
extern void aj_check_nargs(FunctionCallInfo fcinfo, int nargs);
extern Oid	aj_extension_table_owner(void);
extern bool aj_origin_is_ours(void);
extern void aj_origin_adopt(void);

#endif							/* AJ_EXTENSION_H */
