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

/*
 * How long to wait before the next attempt: a list of delays, of which the
 * last repeats, or initial * factor^n, at most max.  jitter, 0..1, is the
 * part of each delay that is left to chance.
 */
typedef struct AjBackoff
{
	bool		given;
	int			n;				/* of the list; 0: exponential */
	int64	   *delays;			/* ms */
	int64		initial;		/* ms */
	int64		max;			/* ms */
	double		factor;
	double		jitter;
} AjBackoff;

/* The same for failures of one SQLSTATE or category. */
typedef struct AjBackoffRule
{
	char	   *failure;
	AjBackoff	backoff;
} AjBackoffRule;

typedef struct AjStep
{
	char	   *name;
	char	   *handler;		/* text signature, "schema.name(jsonb)", or
								 * AJ_EXTERNAL */
	bool		external;		/* run by those who claim() it */
	int			nafter;
	int		   *after;			/* places in the run order of what it needs */
	int			max_attempts;	/* 0: asyncjob.max_attempts */
	bool		optional;		/* the job goes on without it if it fails */
	char	   *when;			/* jsonpath: skipped if false, or NULL */
	char	   *for_each;		/* jsonpath: runs once for each item, or NULL */
	AjBackoff	backoff;
	int			nrules;
	AjBackoffRule *rules;
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
	bool		dag;			/* it is more than a chain of plain steps */
	AjStep	   *steps;			/* in run order: every step after all it needs */
} AjPipeline;

extern char *aj_json_cstring(const JsonbValue *v);
extern JsonbValue *aj_json_key(JsonbContainer *object, const char *key);
extern Interval *aj_read_interval(const char *text);
extern int64 aj_json_duration(const char *text, const char *step,
							  const char *key);
extern char **aj_json_strings(const JsonbValue *v, const char *step,
							  const char *key, int *n);
extern void aj_pipeline_parse(Jsonb *steps, AjPipeline *pipeline);
extern Jsonb *aj_pipeline_normalise(const AjPipeline *pipeline);
extern const AjPipeline *aj_pipeline_get(int32 id);
extern const AjPipeline *aj_pipeline_read(int32 id);
extern void aj_pipeline_forget(void);
extern bool aj_pipeline_begins_outside(const AjPipeline *pipeline);
extern bool aj_pipeline_may_go_outside(const AjPipeline *pipeline);
extern Oid	aj_handler_lookup(const char *signature, Oid role,
							  bool validator);
extern Oid	aj_handler_find(const char *signature, Oid role, bool validator);
extern void aj_handlers_check(const AjPipeline *pipeline, Oid role);
extern char *aj_handler_signature(const char *text, Oid role, bool validator);

#endif							/* AJ_PIPELINE_H */
