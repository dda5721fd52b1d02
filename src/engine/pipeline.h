/*-------------------------------------------------------------------------
 *
 * pipeline.h
 *		Pipelines: their steps, in the order in which they are run.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_PIPELINE_H
#define AJ_PIPELINE_H

#include "postgres.h"

#include "utils/jsonb.h"

#include "types.h"

#define AJ_MAX_STEPS	1000
#define AJ_EXTERNAL		"external"

typedef struct AjStep
{
	char	   *name;
	char	   *handler;		/* text signature, "schema.name(jsonb)", or
								 * AJ_EXTERNAL */
	bool		external;		/* run by those who claim() it */
	int			nafter;
	int		   *after;			/* places in the run order of what it needs */
	int			max_attempts;	/* 0: asyncjob.max_attempts */
	int			nbackoff;
	int64	   *backoff;		/* ms; the last one repeats */
	int64		timeout;		/* ms, 0: none */
	int64		cache_ttl;		/* ms that an output is reused, 0: never */
	bool		batch;			/* may share a transaction with other jobs */
	bool		is_sink;		/* no other step needs its output */
} AjStep;

typedef struct AjPipeline
{
	int32		id;
	int32		version;
	Oid			owner;
	char	   *name;
	char	   *validator;		/* text signature or NULL */
	int			nsteps;
	AjStep	   *steps;			/* in run order: every step after all it needs */
} AjPipeline;

extern void aj_pipeline_parse(Jsonb *steps, AjPipeline *pipeline);
extern Jsonb *aj_pipeline_normalise(const AjPipeline *pipeline);
extern const AjPipeline *aj_pipeline_get(int32 id);
extern const AjPipeline *aj_pipeline_read(int32 id);
extern void aj_pipeline_forget(void);
extern Oid	aj_handler_lookup(const char *signature, Oid role,
							  bool validator);
extern Oid	aj_handler_find(const char *signature, Oid role, bool validator);
extern char *aj_handler_signature(const char *text, Oid role, bool validator);

#endif							/* AJ_PIPELINE_H */
