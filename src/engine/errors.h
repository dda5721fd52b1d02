/*-------------------------------------------------------------------------
 *
 * errors.h
 *		What a failed step says, and what follows from it.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_ERRORS_H
#define AJ_ERRORS_H

#include "postgres.h"

#include "pipeline.h"
#include "queue.h"
#include "types.h"

#define AJ_MAX_FREE_RETRIES		20

extern const char *const aj_error_categories[];

extern AjError *aj_error_copy(const ErrorData *edata, MemoryContext context);
extern const char *aj_error_category(int sqlerrcode);
extern bool aj_error_may_pass(int sqlerrcode);
extern Jsonb *aj_error_to_jsonb(const AjError *error, const AjJob *job);
extern AjVerdict aj_error_verdict(const AjError *error, const AjJob *job,
								  const AjStep *step, int64 *delay_ms);

#endif							/* AJ_ERRORS_H */
