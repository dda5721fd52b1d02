/*-------------------------------------------------------------------------
 *
 * filter.c
 *		Jobs chosen by what they have in common.
 *
 * redrive(), purge() and their like take a JSON object whose keys all have to
 * fit a job.  A key that isn't known is refused: taken for nothing, it would
 * choose jobs that nobody meant.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "filter.h"
#include "types.h"

/* in the order of the statement's parameters */
static const struct
{
	const char *key;
	bool		time;
}			keys[AJ_FILTER_ARGS] =

{
	{"job_ids", false},
	{"pipeline", false},
	{"queue", false},
	{"owner", false},
	{"user_id", false},
	{"session_id", false},
	{"state", false},
	{"code", false},
	{"category", false},
	{"message", false},
	{"created_after", true},
	{"created_before", true},
	{"finished_after", true},
	{"finished_before", true},
};

#define STATE_KEY	6
#define MESSAGE_KEY	9

pg_noreturn static void bad_value(const char *key, const char *what) AJ_NORETURN;

static void
bad_value(const char *key, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" of the filter is not %s", key, what)));
}

static Datum
job_number(const JsonbValue *value, const char *key)
{
	Datum		number;
	double		approximately;

	if (value->type != jbvNumeric)
		bad_value(key, "a job's id");
	number = NumericGetDatum(value->val.numeric);
	approximately = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
													   number));
	if (!(fabs(approximately) < 9e18) ||
		DatumGetBool(DirectFunctionCall2(numeric_ne, number,
										 DirectFunctionCall1(numeric_floor, number))))
		bad_value(key, "a job's id");
	return DirectFunctionCall1(numeric_int8, number);
}

static void
set_ids(AjFilter *filter, Datum *ids, int n)
{
	filter->values[0] = PointerGetDatum(construct_array(ids, n, INT8OID, 8,
														FLOAT8PASSBYVAL, 'd'));
	filter->nulls[0] = ' ';
}

static void
set_id_array(AjFilter *filter, JsonbContainer *array)
{
	JsonbIterator *it = JsonbIteratorInit(array);
	JsonbIteratorToken token;
	JsonbValue	value;
	Datum	   *ids = palloc((JsonContainerSize(array) + 1) * sizeof(Datum));
	int			n = 0;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM)
			ids[n++] = job_number(&value, "job_ids");
	}
	set_ids(filter, ids, n);
	filter->named = false;
}

static void
set_one_id(AjFilter *filter, const JsonbValue *value)
{
	Datum		id = job_number(value, "job_id");

	set_ids(filter, &id, 1);
	filter->named = true;
	filter->job_id = DatumGetInt64(id);
}

/* A time, as the caller's settings read it; the error names the key. */
static Datum
time_of(const char *key, char *text)
{
	MemoryContext context = CurrentMemoryContext;
	volatile Datum result = (Datum) 0;
	volatile bool known = true;

	/* timestamptz_in() touches nothing that an abort would have to undo */
	PG_TRY();
	{
		result = DirectFunctionCall3(timestamptz_in, CStringGetDatum(text),
									 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		FlushErrorState();
		known = false;
	}
	PG_END_TRY();
	if (!known)
		bad_value(key, "a time");
	return result;
}

static void
set_text(AjFilter *filter, int no, const JsonbValue *value)
{
	char	   *text;
	bool		known = false;

	if (value->type != jbvString)
		bad_value(keys[no].key, keys[no].time ? "a time" : "a text");
	text = pnstrdup(value->val.string.val, value->val.string.len);
	if (no == MESSAGE_KEY)
	{
		const char *at = text;

		while (*at != '\0' && (at[0] != '\\' || at[1] != '\0'))
			at += at[0] == '\\' ? 2 : 1;
		if (*at != '\0')
			bad_value("message", "a LIKE pattern: it ends with an escape");
	}
	if (no == STATE_KEY)
	{
		for (int s = AJ_QUEUED; s <= AJ_CANCELLED; s++)
			known |= strcmp(text, aj_state_names[s]) == 0;
		if (!known)
			bad_value("state", "a state: queued, running, waiting, completed, failed or cancelled");
	}
	filter->values[no] = keys[no].time ? time_of(keys[no].key, text) :
		CStringGetTextDatum(text);
	filter->nulls[no] = ' ';
}

/*
 * Read a filter: an object, or a number, which is a job's id.  states says
 * whether the state of a job may be asked for.
 */
void
aj_filter_parse(Jsonb *json, bool states, AjFilter *filter)
{
	JsonbIterator *it = JsonbIteratorInit(&json->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *key = NULL;

	memset(filter->nulls, 'n', sizeof(filter->nulls));
	memset(filter->values, 0, sizeof(filter->values));
	filter->named = false;
	filter->job_id = 0;

	if (JB_ROOT_IS_SCALAR(json) && JsonbExtractScalar(&json->root, &value) &&
		value.type == jbvNumeric)
	{
		set_one_id(filter, &value);
		return;
	}
	if (!JB_ROOT_IS_OBJECT(json))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("filter is neither a JSON object nor a job's id"),
				 errhint("For example {\"pipeline\": \"bill\", \"code\": \"tariff_missing\"}.")));

	(void) JsonbIteratorNext(&it, &value, true);
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		int			no = 0;

		if (token == WJB_KEY)
		{
			key = pnstrdup(value.val.string.val, value.val.string.len);
			continue;
		}
		if (token != WJB_VALUE)
			continue;
		if (strcmp(key, "job_id") == 0)
		{
			set_one_id(filter, &value);
			continue;
		}
		while (no < AJ_FILTER_ARGS && strcmp(keys[no].key, key) != 0)
			no++;
		if (no == AJ_FILTER_ARGS || (no == STATE_KEY && !states))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("filter \"%s\" is unknown", key),
					 errhint("The filters are job_id, job_ids, pipeline, queue, owner, user_id, session_id,%s code, category, message, created_after, created_before, finished_after and finished_before.",
							 states ? " state," : "")));
		if (no > 0)
			set_text(filter, no, &value);
		else if (filter->named)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the filter has both \"job_id\" and \"job_ids\""),
					 errhint("Name all jobs in job_ids.")));
		else if (value.type == jbvBinary && JsonContainerIsArray(value.val.binary.data))
			set_id_array(filter, value.val.binary.data);
		else
			bad_value(key, "an array of job ids");
	}
}

/*
 * The same filter for another session to read: what "today" is, or
 * "2026-11-01", depends on when and with which time zone and date style it is
 * read.
 */
Jsonb *
aj_filter_settle(Jsonb *json)
{
	AjFilter	filter;
	StringInfoData times;

	aj_filter_parse(json, true, &filter);
	initStringInfo(&times);
	for (int i = 0; i < AJ_FILTER_ARGS; i++)
	{
		if (!keys[i].time || filter.nulls[i] == 'n')
			continue;
		appendStringInfo(&times, "%s\"%s\": \"%s\"", times.len > 0 ? ", " : "{",
						 keys[i].key,
						 timestamptz_to_str(DatumGetTimestampTz(filter.values[i])));
	}
	if (times.len == 0)
		return json;
	appendStringInfoChar(&times, '}');
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(json),
											  DirectFunctionCall1(jsonb_in,
																  CStringGetDatum(times.data))));
}

/* The state that a filter asks for, NULL for any. */
char *
aj_filter_state(const AjFilter *filter)
{
	return filter->nulls[STATE_KEY] == 'n' ? NULL :
		TextDatumGetCString(filter->values[STATE_KEY]);
}

/* The parameters $1 to $19 of a statement with AJ_VISIBLE and AJ_FILTER. */
void
aj_filter_values(const AjFilter *filter, const AjCaller *caller, int64 after,
				 Datum *values, char *nulls)
{
	aj_visible_values(caller, after, values, nulls);
	memcpy(values + AJ_VISIBLE_ARGS, filter->values, sizeof(filter->values));
	memcpy(nulls + AJ_VISIBLE_ARGS, filter->nulls, sizeof(filter->nulls));
}
