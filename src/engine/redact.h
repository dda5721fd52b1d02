/*-------------------------------------------------------------------------
 *
 * redact.h
 *		Taking personal data out of logs and errors.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_REDACT_H
#define AJ_REDACT_H

#include "postgres.h"

#include "regex/regex.h"
#include "utils/jsonb.h"

extern void aj_redact_prepare(void);
extern char *aj_redact(const char *string);
extern Jsonb *aj_redact_jsonb(Jsonb *value);
extern void aj_redact_install(void);
extern regex_t * aj_redact_compile(const char *pattern, char **wrong);
extern const char *aj_redact_preset(const char *name);

/* queue_redact.c */
typedef struct AjRedaction
{
	char	   *pattern;
	char	   *replacement;
} AjRedaction;

extern int	aj_queue_redactions(MemoryContext context,
								AjRedaction **redactions);
extern void aj_queue_set_redaction(const char *name, const char *pattern,
								   const char *replacement);
extern bool aj_queue_drop_redaction(const char *name);

#endif							/* AJ_REDACT_H */
