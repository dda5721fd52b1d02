/*-------------------------------------------------------------------------
 *
 * redact.c
 *		Taking personal data out of logs and errors.
 *
 * Administrators name patterns, such as that of e-mail addresses
 * (asyncjob.redaction).  What fits one is replaced before it is stored, or
 * shown, in what handlers say beside their work: log lines, texts of errors,
 * of progress, and what they make a worker write to the server log.  Params,
 * results and artifacts are their work; for those there is encryption.
 *
 * A process reads the patterns when it runs its next step after they have
 * changed, of which a trigger on the table tells by a relcache invalidation;
 * until then a step costs the look at a flag.  They are compiled for the C
 * collation, which needs no catalog, and executed without raising errors, since
 * a message for the log may come from a transaction that has failed.
 *
 * The server log of a worker goes through emit_log_hook.  What comes out of a
 * sealed job's handler (seal.c) is left out as a whole.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "regex/regex.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/jsonfuncs.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "executor.h"
#include "redact.h"
#include "seal.h"
#include "types.h"

typedef struct Pattern
{
	regex_t    *regex;
	char	   *replacement;
} Pattern;

static MemoryContext patterns_context = NULL;
static Pattern *patterns = NULL;
static int	npatterns = 0;
static bool current = false;
static bool callback_registered = false;
static Oid	relid = InvalidOid;
static emit_log_hook_type next_hook = NULL;

static const struct
{
	const char *name;
	const char *pattern;
}			presets[] =

{
	{"email", "[[:alnum:]_][[:alnum:]._%+'-]*@[[:alnum:]-]+(\\.[[:alnum:]-]+)+"},
	/* with a country's code, or a trunk prefix and a separator */
	{"phone", "(\\+|\\m00)[1-9][0-9]{0,2}([ ()/.-]*[0-9]){6,13}"
	"|\\m0[1-9][0-9]{1,4}[ /-][0-9]([ /-]?[0-9]){4,}"},
	/* two numbers with three decimals or more */
	{"coordinates", "-?\\m[0-9]{1,3}\\.[0-9]{3,}°?\\s*[,;/ ]\\s*-?[0-9]{1,3}\\.[0-9]{3,}"},
	{"ip_address", "\\m([0-9]{1,3}\\.){3}[0-9]{1,3}\\M"},
};

/* The pattern that comes with a name, or NULL. */
const char *
aj_redact_preset(const char *name)
{
	for (int i = 0; i < lengthof(presets); i++)
	{
		if (strcmp(presets[i].name, name) == 0)
			return presets[i].pattern;
	}
	return NULL;
}

/* A compiled pattern, or NULL, and what is wrong with it. */
regex_t *
aj_redact_compile(const char *pattern, char **wrong)
{
	pg_wchar   *wide = palloc((strlen(pattern) + 1) * sizeof(pg_wchar));
	int			len = pg_mb2wchar_with_len(pattern, wide, strlen(pattern));
	regex_t    *regex = palloc0(sizeof(regex_t));
	int			rc = pg_regcomp(regex, wide, len, REG_ADVANCED | REG_ICASE,
								C_COLLATION_OID);

	pfree(wide);
	if (rc == REG_OKAY)
		return regex;
	if (wrong != NULL)
	{
		*wrong = palloc0(100);
		pg_regerror(rc, regex, *wrong, 100);
	}
	return NULL;
}

static void
patterns_changed(Datum arg, Oid changed)
{
	if (changed == relid || !OidIsValid(changed))
		current = false;
}

/*
 * Know today's patterns.  Called in a scope, when a job is claimed: where a
 * handler runs no table of ours is locked.
 */
void
aj_redact_prepare(void)
{
	MemoryContext context,
				old;
	AjRedaction *found;
	int			n;

	if (current)
		return;
	if (!callback_registered)
	{
		CacheRegisterRelcacheCallback(patterns_changed, (Datum) 0);
		callback_registered = true;
	}
	relid = get_relname_relid("redaction", get_namespace_oid(AJ_SCHEMA, false));

	/* one that comes while we read is for the next time */
	current = true;
	context = AllocSetContextCreate(TopMemoryContext, "asyncjob redaction",
									ALLOCSET_SMALL_SIZES);
	n = aj_queue_redactions(context, &found);
	for (int i = 0; i < npatterns; i++)
		pg_regfree(patterns[i].regex);
	npatterns = 0;
	if (patterns_context != NULL)
		MemoryContextDelete(patterns_context);
	patterns_context = context;

	old = MemoryContextSwitchTo(context);
	patterns = palloc((n + 1) * sizeof(Pattern));
	for (int i = 0; i < n; i++)
	{
		patterns[npatterns].regex = aj_redact_compile(found[i].pattern, NULL);
		patterns[npatterns].replacement = found[i].replacement;
		npatterns += patterns[npatterns].regex != NULL;
	}
	MemoryContextSwitchTo(old);
}

/* Append a piece of a string of wide characters. */
static void
append_wide(StringInfo s, const pg_wchar *wide, size_t len)
{
	enlargeStringInfo(s, len * pg_database_encoding_max_length() + 1);
	s->len += pg_wchar2mb_with_len(wide, s->data + s->len, len);
}

/*
 * Replace what fits one pattern.  By pg_regexec() itself, which says so instead
 * of raising an error if it gives up; then the whole string goes.
 */
static char *
replace(const Pattern *pattern, char *string)
{
	size_t		bytes = strlen(string),
				len,
				at = 0,
				kept = 0;
	pg_wchar   *wide = palloc((bytes + 1) * sizeof(pg_wchar));
	regmatch_t	match[1];
	StringInfoData s;
	int			rc = REG_NOMATCH;

	len = pg_mb2wchar_with_len(string, wide, bytes);
	initStringInfo(&s);
	while (at <= len &&
		   (rc = pg_regexec(pattern->regex, wide, len, at, NULL, 1, match, 0)) == REG_OKAY)
	{
		append_wide(&s, wide + kept, match[0].rm_so - kept);
		if (match[0].rm_eo > match[0].rm_so)
			appendStringInfoString(&s, pattern->replacement);
		kept = match[0].rm_eo;
		at = Max(match[0].rm_eo, match[0].rm_so + 1);
	}
	if (rc != REG_OKAY && rc != REG_NOMATCH)
		return pstrdup("(could not be redacted)");
	if (kept == 0 && s.len == 0)
		return string;
	append_wide(&s, wide + kept, len - kept);
	return s.data;
}

/* A string without what fits the patterns; itself if there is nothing. */
char *
aj_redact(const char *string)
{
	char	   *result = unconstify(char *, string);

	for (int i = 0; i < npatterns && result != NULL; i++)
		result = replace(&patterns[i], result);
	return result;
}

static text *
redact_value(void *state, char *value, int len)
{
	return cstring_to_text(aj_redact(pnstrdup(value, len)));
}

/* All strings in a value. */
Jsonb *
aj_redact_jsonb(Jsonb *value)
{
	if (npatterns == 0 || value == NULL)
		return value;
	return transform_jsonb_string_values(value, NULL, redact_value);
}

/* ---------- the server log ---------- */

static void
hide(ErrorData *edata, const char *instead)
{
	edata->message = MemoryContextStrdup(ErrorContext, instead);
	edata->detail = NULL;
	edata->detail_log = NULL;
	edata->hint = NULL;
	edata->context = NULL;
	edata->internalquery = NULL;
	edata->hide_stmt = true;
	edata->hide_ctx = true;
}

/* What goes to the log of a worker. */
static void
redact_log(ErrorData *edata)
{
	static bool busy = false;
	const AjRun *run = aj_current_run();

	if (busy || !edata->output_to_server)
		;
	else if (run != NULL && run->job->sealed)
		hide(edata, psprintf("a message of job " INT64_FORMAT ", which is encrypted, is not shown",
							 aj_job_root(run->job)));
	else if (npatterns > 0 && CritSectionCount == 0)
	{
		MemoryContext context = MemoryContextSwitchTo(ErrorContext);

		busy = true;
		HOLD_INTERRUPTS();
		edata->message = aj_redact(edata->message);
		edata->detail = aj_redact(edata->detail);
		edata->detail_log = aj_redact(edata->detail_log);
		edata->hint = aj_redact(edata->hint);
		edata->context = aj_redact(edata->context);
		edata->internalquery = aj_redact(edata->internalquery);
		RESUME_INTERRUPTS();
		MemoryContextSwitchTo(context);
		busy = false;
	}
	if (next_hook)
		next_hook(edata);
}

/* This process is a worker. */
void
aj_redact_install(void)
{
	next_hook = emit_log_hook;
	emit_log_hook = redact_log;
}
