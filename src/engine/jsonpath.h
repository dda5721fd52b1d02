/*-------------------------------------------------------------------------
 *
 * jsonpath.h
 *		Users' jsonpaths, evaluated within bounds.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_JSONPATH_H
#define AJ_JSONPATH_H

#include "postgres.h"

#include "utils/jsonb.h"

typedef enum AjPathResult
{
	AJ_PATH_NO,
	AJ_PATH_YES,
	AJ_PATH_TOO_LONG			/* it was given up */
} AjPathResult;

extern void aj_check_jsonpath(const char *text, const char *what);
extern AjPathResult aj_jsonpath_true(Jsonb *input, const char *path, int ms);
extern AjPathResult aj_jsonpath_items(Jsonb *input, const char *path, int ms,
									  Jsonb **items);

#endif							/* AJ_JSONPATH_H */
