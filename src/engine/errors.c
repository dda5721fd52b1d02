/*-------------------------------------------------------------------------
 *
 * errors.c
 *		What a failed step says, and what follows from it.
 *
 * A handler steers by SQLSTATE (asyncjob.h).  Errors that come from the
 * weather of a busy server (serialization, deadlock, lock not available,
 * a terminated worker) are retried free of charge with a short backoff, at
 * most AJ_MAX_FREE_RETRIES times a step, so that nothing loops for ever.
 * All others spend an attempt and are retried by the step's own backoff,
 * unless they can't go away by themselves.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "common/pg_prng.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "asyncjob.h"
#include "errors.h"
#include "guc.h"
#include "redact.h"
#include "seal.h"

#define RATE_LIMIT_MS	(5 * 60 * 1000)
#define SNOOZE_LEAST_MS	100

const char *const aj_error_categories[] = {
	"validation", "infeasible", "resource", "external", "rate_limit",
	"timeout", "system", "handler", NULL
};

/* A copy that outlives the transaction, without personal data (redact.c). */
AjError *
aj_error_copy(const ErrorData *edata, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	AjError    *error = palloc0(sizeof(AjError));

/* what was raised as an empty string is as good as not given */
#define COPY(field, value) \
	error->field = (value) && *(value) ? aj_redact(pstrdup(value)) : NULL
	error->sqlerrcode = edata->sqlerrcode;
	COPY(message, edata->message ? edata->message : "missing error text");
	COPY(detail, edata->detail);
	COPY(hint, edata->hint);
	COPY(context, edata->context);
	COPY(code, edata->constraint_name);
#undef COPY
	MemoryContextSwitchTo(old);
	return error;
}

/* The kind of failure, in the words of the docs. */
const char *
aj_error_category(int sqlerrcode)
{
	switch (sqlerrcode)
	{
		case AJ_ERRCODE_VALIDATION:
			return "validation";
		case AJ_ERRCODE_INFEASIBLE:
			return "infeasible";
		case AJ_ERRCODE_RESOURCE:
			return "resource";
		case AJ_ERRCODE_EXTERNAL:
			return "external";
		case AJ_ERRCODE_RATE_LIMIT:
			return "rate_limit";
		case ERRCODE_QUERY_CANCELED:
			return "timeout";
	}
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case MAKE_SQLSTATE('5', '3', '0', '0', '0'):
		case MAKE_SQLSTATE('5', '4', '0', '0', '0'):
			return "resource";
		case MAKE_SQLSTATE('0', '8', '0', '0', '0'):
			return "external";
		case MAKE_SQLSTATE('4', '0', '0', '0', '0'):
		case MAKE_SQLSTATE('5', '5', '0', '0', '0'):
		case MAKE_SQLSTATE('5', '7', '0', '0', '0'):
		case MAKE_SQLSTATE('5', '8', '0', '0', '0'):
		case MAKE_SQLSTATE('X', 'X', '0', '0', '0'):
			return "system";
	}
	return "handler";
}

/* May what raised an error of the engine's go well another time? */
bool
aj_error_may_pass(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
			return true;
		default:
			return sqlerrcode == AJ_ERRCODE_NO_KEY;
	}
}

typedef struct Member
{
	const char *key;
	const char *value;			/* or NULL */
} Member;

static void
append_members(StringInfo s, const Member *members, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (members[i].value == NULL)
			continue;
		appendStringInfo(s, ", \"%s\": ", members[i].key);
		escape_json(s, members[i].value);
	}
}

/*
 * As it is stored in asyncjob.job and asyncjob.job_update.  What a sealed job's
 * error says is encrypted; its kind and step are not.
 */
Jsonb *
aj_error_to_jsonb(const AjError *error, const AjJob *job)
{
	StringInfoData s;
	const Member members[] = {
		{"sqlstate", unpack_sql_state(error->sqlerrcode)},
		{"category", aj_error_category(error->sqlerrcode)},
		{"code", error->code},
		{"message", job->sealed ? AJ_HIDDEN : error->message},
	};
	const Member texts[] = {
		{"message", error->message},
		{"detail", error->detail},
		{"hint", error->hint},
		{"context", error->context},
	};

	initStringInfo(&s);
	appendStringInfo(&s, "{\"step_no\": %d, \"attempt\": %d",
					 job->step_no + 1, Max(job->failures, 1));
	append_members(&s, members, lengthof(members));
	if (job->sealed)
	{
		AjSealPlace place = {aj_job_root(job), "error", 0, 0};
		StringInfoData t;
		Jsonb	   *sealed;

		initStringInfo(&t);
		appendStringInfoString(&t, "{\"step_no\": ");
		appendStringInfo(&t, "%d", job->step_no + 1);
		append_members(&t, texts, lengthof(texts));
		appendStringInfoChar(&t, '}');
		sealed = aj_seal(&place, DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
																	CStringGetDatum(t.data))));
		appendStringInfoString(&s, ", \"sealed\": ");
		JsonbToCString(&s, &sealed->root, VARSIZE(sealed));
	}
	else
		append_members(&s, texts + 1, lengthof(texts) - 1);
	appendStringInfoChar(&s, '}');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											  CStringGetDatum(s.data)));
}

/* The delay that a handler asked for in its DETAIL, or -1. */
static int64
requested_delay(const AjError *error)
{
	Interval   *interval = error->detail ? aj_read_interval(error->detail) : NULL;
	int64		ms;

	if (interval == NULL)
		return -1;
	ms = interval->time / 1000 +
		((int64) interval->day + (int64) interval->month * DAYS_PER_MONTH) *
		SECS_PER_DAY * 1000;
	return ms > (int64) 366 * SECS_PER_DAY * 1000 ? -1 : Max(ms, -1);
}

static int64
with_jitter(int64 ms, double jitter)
{
	return ms - (int64) (pg_prng_double(&pg_global_prng_state) * jitter * ms);
}

/* Delay after so many failures before this one. */
static int64
backoff_delay(const AjBackoff *backoff, int failures)
{
	double		ms;

	if (backoff->n > 0)
		return with_jitter(backoff->delays[Min(failures, backoff->n - 1)],
						   backoff->jitter);
	ms = backoff->initial * pow(backoff->factor, failures);
	return with_jitter((int64) Min(ms, (double) backoff->max), backoff->jitter);
}

/*
 * Delay before the next attempt of a step: what the step says about failures
 * of this SQLSTATE, else of this category, else in general.
 */
static int64
step_backoff(const AjStep *step, int failures, int sqlerrcode)
{
	const char *names[] = {unpack_sql_state(sqlerrcode),
	aj_error_category(sqlerrcode)};

	for (int n = 0; n < lengthof(names); n++)
	{
		for (int r = 0; r < step->nrules; r++)
		{
			if (strcmp(step->rules[r].failure, names[n]) == 0)
				return backoff_delay(&step->rules[r].backoff, failures);
		}
	}
	if (sqlerrcode == AJ_ERRCODE_RATE_LIMIT)
		return RATE_LIMIT_MS;
	if (step->backoff.given)
		return backoff_delay(&step->backoff, failures);
	return Min((int64) aj_guc_backoff << Min(failures, 20), 600 * 1000);
}

/* 100 ms to 30 s, doubling, with jitter so that rivals part. */
static int64
free_backoff(int free_retries)
{
	int64		ms = Min((int64) 100 << Min(free_retries, 16), 30 * 1000);

	return ms / 2 + (int64) (pg_prng_double(&pg_global_prng_state) * ms / 2);
}

/*
 * What becomes of a job whose current step failed like this.
 */
AjVerdict
aj_error_verdict(const AjError *error, const AjJob *job, const AjStep *step,
				 int64 *delay_ms)
{
	int			max_attempts = step->max_attempts ? step->max_attempts :
	aj_guc_max_attempts;
	bool		may_be_free = job->free_retries < AJ_MAX_FREE_RETRIES;

	*delay_ms = step_backoff(step, job->failures, error->sqlerrcode);

	switch (error->sqlerrcode)
	{
		case AJ_ERRCODE_DO_NOT_RETRY:
		case AJ_ERRCODE_VALIDATION:
		case AJ_ERRCODE_INFEASIBLE:
			return AJ_VERDICT_DEAD;

		case AJ_ERRCODE_CANCEL:
			return AJ_VERDICT_CANCELLED;

		case AJ_ERRCODE_RETRY_AFTER:
		case AJ_ERRCODE_SNOOZE:
			{
				int64		wanted = requested_delay(error);

				if (wanted >= 0)
					*delay_ms = wanted;
				if (error->sqlerrcode == AJ_ERRCODE_SNOOZE)
				{
					/* nothing counts these, and a worker must not spin */
					if (!step->external)
						*delay_ms = Max(*delay_ms, SNOOZE_LEAST_MS);
					return AJ_VERDICT_SNOOZE;
				}
				break;
			}

		case AJ_ERRCODE_RESOURCE:
			max_attempts = Min(max_attempts, 2);
			break;

		case ERRCODE_T_R_SERIALIZATION_FAILURE:
		case ERRCODE_T_R_DEADLOCK_DETECTED:
		case ERRCODE_LOCK_NOT_AVAILABLE:
		case ERRCODE_ADMIN_SHUTDOWN:
			if (may_be_free)
			{
				*delay_ms = free_backoff(job->free_retries);
				return AJ_VERDICT_RETRY_FREE;
			}
			break;
	}
	return job->failures + 1 < max_attempts ? AJ_VERDICT_RETRY :
		AJ_VERDICT_DEAD;
}
