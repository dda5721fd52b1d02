/*-------------------------------------------------------------------------
 *
 * api.h
 *		What the SQL-callable functions have in common.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_API_H
#define AJ_API_H

#include "postgres.h"

#include "compat.h"
#include "fmgr.h"
#include "scope.h"
#include "storage/condition_variable.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

struct AjPipeline;
struct AjSubmission;

#define AJ_MAX_KEY_LEN	512
#define AJ_MAX_ID_LEN	256
#define AJ_MAX_AHEAD_S	(366 * (int64) SECS_PER_DAY)	/* how far ahead a job
														 * may be due */

/* Who asks. */
typedef enum AjUserFilter
{
	AJ_ALL_USERS,				/* asyncjob.user_id is not set */
	AJ_ONE_USER,
	AJ_NO_USER					/* not set, and asyncjob.require_user_id */
} AjUserFilter;

typedef struct AjCaller
{
	Oid			role;
	bool		admin;			/* may see and steer everybody's jobs */
	AjUserFilter filter;
	const char *user_id;		/* for AJ_ONE_USER */
} AjCaller;

extern void aj_caller(AjCaller *caller);
extern void aj_check_pipeline(const char *pipeline);
extern void aj_require_admin(const char *what);
pg_noreturn extern void aj_unknown_job(int64 job_id) AJ_NORETURN;
extern void aj_return_rows(FunctionCallInfo fcinfo);
extern Datum aj_status_of(FunctionCallInfo fcinfo, int64 job_id);
extern int64 aj_job_arg(FunctionCallInfo fcinfo);
extern char *aj_text_arg(FunctionCallInfo fcinfo, int n);
extern int	aj_compare_days(Interval *interval, int days);
extern void aj_sleep_for_news(ConditionVariable *cv, long ms);
extern TimestampTz aj_deadline_arg(FunctionCallInfo fcinfo, int n);
extern char *aj_limited_text_arg(FunctionCallInfo fcinfo, int n,
								 const char *name, int limit, bool required);
extern char *aj_name_arg(FunctionCallInfo fcinfo, int n, const char *what,
						 int limit);
extern void aj_check_name(const char *name, const char *what, int limit);
extern int	aj_priority_arg(FunctionCallInfo fcinfo, int n);
extern char *aj_user_arg(FunctionCallInfo fcinfo, int n,
						 const AjCaller *caller);
extern void aj_check_submit(const char *pipeline, const char *queue,
							Jsonb *params);
extern int64 aj_submit_for(const struct AjSubmission *s, const char *pipeline,
						   const char *queue, Jsonb *params);
extern void aj_validate_params(const struct AjPipeline *pipeline,
							   Jsonb *params);
extern void aj_validate_params_of(Oid owner, const struct AjPipeline *pipeline,
								  Jsonb *params);
extern void aj_require_room(const char *queue, int32 queue_id, int max_depth);
pg_noreturn extern void aj_unknown_queue(const char *queue) AJ_NORETURN;
pg_noreturn extern void aj_null_argument(const char *name) AJ_NORETURN;

/*
 * The first five parameters of every statement about the jobs of a caller,
 * and the condition on asyncjob.job j that uses $2 to $5.  $1 is the job.
 */
#define AJ_VISIBLE \
	" (j.owner = $2 OR $3) AND" \
	" ($4 = 0 OR ($4 = 1 AND j.user_id = $5)) "
#define AJ_VISIBLE_TYPES	OIDOID, BOOLOID, INT4OID, TEXTOID
#define AJ_VISIBLE_ARGS		5

extern void aj_visible_values(const AjCaller *caller, int64 job_id,
							  Datum *values, char *nulls);

#endif							/* AJ_API_H */
