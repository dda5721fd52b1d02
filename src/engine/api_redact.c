/*-------------------------------------------------------------------------
 *
 * api_redact.c
 *		set_redaction() and drop_redaction().
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "utils/builtins.h"

#include "api.h"
#include "redact.h"

PG_FUNCTION_INFO_V1(aj_set_redaction);
PG_FUNCTION_INFO_V1(aj_drop_redaction);

#define MAX_PATTERN_LEN		1000
#define MAX_REPLACEMENT_LEN 100

static void
check_pattern(const char *pattern)
{
	regex_t    *regex;
	char	   *wrong;
	regmatch_t	match[1];
	pg_wchar	nothing[1] = {0};

	if (pattern[0] == '\0' || strlen(pattern) > MAX_PATTERN_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("pattern has %zu bytes", strlen(pattern)),
				 errhint("Give a regular expression of 1 to %d bytes.", MAX_PATTERN_LEN)));
	regex = aj_redact_compile(pattern, &wrong);
	if (regex == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_REGULAR_EXPRESSION),
				 errmsg("pattern is no regular expression: %s", wrong)));
	if (pg_regexec(regex, nothing, 0, 0, NULL, 1, match, 0) != REG_NOMATCH)
	{
		pg_regfree(regex);
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("pattern matches the empty string"),
				 errhint("Ask for one character at least, for example by + instead of *.")));
	}
	pg_regfree(regex);
}

/* set_redaction(name text, pattern text, replacement text) */
Datum
aj_set_redaction(PG_FUNCTION_ARGS)
{
	char	   *name = aj_name_arg(fcinfo, 0, "redaction", 63);
	const char *pattern = aj_text_arg(fcinfo, 1);
	const char *replacement = aj_text_arg(fcinfo, 2);
	AjScope		scope;

	aj_require_admin("redact logs and errors");
	PreventCommandIfReadOnly("set_redaction()");
	if (pattern == NULL && (pattern = aj_redact_preset(name)) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("no pattern is known for \"%s\"", name),
				 errhint("Give a pattern, or one of the names email, phone, coordinates and ip_address.")));
	check_pattern(pattern);
	if (replacement == NULL)
		replacement = psprintf("[%s]", name);
	if (strlen(replacement) > MAX_REPLACEMENT_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("replacement has %zu bytes", strlen(replacement)),
				 errhint("Give at most %d bytes.", MAX_REPLACEMENT_LEN)));
	aj_scope_enter(&scope, false);
	aj_queue_set_redaction(name, pattern, replacement);
	aj_scope_leave(&scope);
	PG_RETURN_VOID();
}

/* drop_redaction(name text) */
Datum
aj_drop_redaction(PG_FUNCTION_ARGS)
{
	char	   *name = aj_name_arg(fcinfo, 0, "redaction", 63);
	AjScope		scope;

	aj_require_admin("redact logs and errors");
	PreventCommandIfReadOnly("drop_redaction()");
	aj_scope_enter(&scope, false);
	if (!aj_queue_drop_redaction(name))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("redaction \"%s\" does not exist", name),
				 errhint("asyncjob.redaction lists them.")));
	aj_scope_leave(&scope);
	PG_RETURN_VOID();
}
