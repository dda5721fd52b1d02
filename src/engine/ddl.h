/*-------------------------------------------------------------------------
 *
 * ddl.h
 *		Leaving a database that is to be dropped, renamed or copied.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_DDL_H
#define AJ_DDL_H

extern void aj_ddl_install(void);

#endif							/* AJ_DDL_H */
