/*-------------------------------------------------------------------------
 *
 * queue_redact.c
 *		Statements about what is taken out of logs and errors.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "redact.h"
#include "scope.h"

AJ_STATEMENT(list,
			 "SELECT r.pattern, r.replacement FROM asyncjob.redaction r"
			 " WHERE $1 ORDER BY r.name",
			 BOOLOID);

AJ_STATEMENT(set,
			 "INSERT INTO asyncjob.redaction (name, pattern, replacement)"
			 " VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE"
			 " SET pattern = excluded.pattern, replacement = excluded.replacement",
			 TEXTOID, TEXTOID, TEXTOID);

AJ_STATEMENT(drop, "DELETE FROM asyncjob.redaction WHERE name = $1", TEXTOID);

/* All patterns, in a memory context. */
int
aj_queue_redactions(MemoryContext context, AjRedaction **redactions)
{
	Datum		values[1] = {BoolGetDatum(true)};
	int			n = aj_execute(&list, values, NULL, 0);
	MemoryContext old = MemoryContextSwitchTo(context);
	bool		isnull;

	*redactions = palloc((n + 1) * sizeof(AjRedaction));
	for (int i = 0; i < n; i++)
	{
		(*redactions)[i].pattern = TextDatumGetCString(aj_value(i, 1, &isnull));
		(*redactions)[i].replacement = TextDatumGetCString(aj_value(i, 2, &isnull));
	}
	MemoryContextSwitchTo(old);
	return n;
}

void
aj_queue_set_redaction(const char *name, const char *pattern,
					   const char *replacement)
{
	Datum		values[3] = {CStringGetTextDatum(name),
	CStringGetTextDatum(pattern), CStringGetTextDatum(replacement)};

	aj_execute(&set, values, NULL, 0);
}

bool
aj_queue_drop_redaction(const char *name)
{
	Datum		values[1] = {CStringGetTextDatum(name)};

	return aj_execute(&drop, values, NULL, 0) > 0;
}
