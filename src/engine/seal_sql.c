/*-------------------------------------------------------------------------
 *
 * seal_sql.c
 *		Encrypted values in the engine's own statements.
 *
 * Where a statement moves a value from one place to another, shows an error
 * or a line of history to whoever may read it, or encrypts by a new key, it
 * calls a function of this file.  Their execution is granted to nobody.
 *
 * Envelopes that stand within a value, as in the error of an optional step,
 * are found in its text.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"

#include "keyring.h"
#include "seal.h"

PG_FUNCTION_INFO_V1(aj_seal_sql);
PG_FUNCTION_INFO_V1(aj_open_sql);
PG_FUNCTION_INFO_V1(aj_can_open_sql);
PG_FUNCTION_INFO_V1(aj_open_error_sql);
PG_FUNCTION_INFO_V1(aj_open_update_sql);
PG_FUNCTION_INFO_V1(aj_reseal_bytes_sql);
PG_FUNCTION_INFO_V1(aj_reseal_sql);
PG_FUNCTION_INFO_V1(aj_seal_problem_sql);
PG_FUNCTION_INFO_V1(aj_sealed_by_sql);
PG_FUNCTION_INFO_V1(aj_stale_sql);

static AjSealPlace
place_args(FunctionCallInfo fcinfo)
{
	AjSealPlace place = {PG_GETARG_INT64(0), text_to_cstring(PG_GETARG_TEXT_PP(1)),
	PG_GETARG_INT32(2), PG_GETARG_INT32(3)};

	return place;
}

/*
 * _seal(job_id, what, step_no, item_no, value jsonb, like_this jsonb): sealed
 * for its place if like_this is sealed
 */
Datum
aj_seal_sql(PG_FUNCTION_ARGS)
{
	AjSealPlace place = place_args(fcinfo);

	if (!aj_is_sealed(PG_GETARG_JSONB_P(5)))
		PG_RETURN_JSONB_P(PG_GETARG_JSONB_P(4));
	PG_RETURN_JSONB_P(aj_seal(&place, PG_GETARG_JSONB_P(4)));
}

/* _open(job_id, what, step_no, item_no, value jsonb, like_this jsonb) */
Datum
aj_open_sql(PG_FUNCTION_ARGS)
{
	AjSealPlace place = place_args(fcinfo);

	if (!aj_is_sealed(PG_GETARG_JSONB_P(5)))
		PG_RETURN_JSONB_P(PG_GETARG_JSONB_P(4));
	PG_RETURN_JSONB_P(aj_open(&place, PG_GETARG_JSONB_P(4)));
}

/* _can_open(job_id, what, step_no, item_no, value jsonb) */
Datum
aj_can_open_sql(PG_FUNCTION_ARGS)
{
	AjSealPlace place = place_args(fcinfo);
	char	   *why;
	const char *reason;

	PG_RETURN_BOOL(aj_seal_possible(&reason) &&
				   aj_try_open(&place, PG_GETARG_JSONB_P(4), &why) != NULL);
}

/*
 * Find an envelope in a value's text, from *at on.  The quotes within a JSON
 * string are escaped, so it can't be but an envelope.  Sets *at and *end to
 * where it begins and ends; stale says whether its key isn't the current one.
 */
static bool
next_envelope(char **at, char **end, const char *current, bool *stale)
{
	static const char head[] = "{\"" AJ_ENVELOPE "\": \"";
	char	   *begin = strstr(*at, head);
	char	   *id;

	if (begin == NULL)
		return false;
	id = begin + sizeof(head) - 1;
	*at = begin;
	*end = strstr(id, "\"}");
	if (*end == NULL)
		elog(ERROR, "encrypted data is damaged");
	*end += 2;
	*stale = strncmp(id, current, strlen(current)) != 0 ||
		id[strlen(current)] != ':';
	return true;
}

/* Text of a member, or NULL. */
static char *
member(Jsonb *object, const char *key)
{
	JsonbValue	v;

	if (!JB_ROOT_IS_OBJECT(object) ||
		getKeyJsonValueFromContainer(&object->root, key, strlen(key), &v) == NULL ||
		v.type != jbvString)
		return NULL;
	return pnstrdup(v.val.string.val, v.val.string.len);
}

/*
 * What an error that is stored for a sealed job hides, or NULL: it hides
 * nothing, it can't be opened, or the reader isn't of the owner's.
 */
static Jsonb *
hidden(Oid reader, Oid owner, int64 job_id, Jsonb *error)
{
	AjSealPlace place = {job_id, "error", 0, 0};
	JsonbValue *v;
	Jsonb	   *sealed;
	char	   *why;

	if (!JB_ROOT_IS_OBJECT(error))
		return NULL;
	v = getKeyJsonValueFromContainer(&error->root, "sealed", 6, NULL);
	if (v == NULL)
		return NULL;
	sealed = JsonbValueToJsonb(v);
	if (!aj_is_sealed(sealed) || !has_privs_of_role(reader, owner))
		return NULL;
	return aj_try_open(&place, sealed, &why);
}

static Jsonb *
merge(Jsonb *a, Jsonb *b)
{
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(a),
											  JsonbPGetDatum(b)));
}

static Jsonb *
without_sealed(Jsonb *error)
{
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_delete, JsonbPGetDatum(error),
											  CStringGetTextDatum("sealed")));
}

/* Put a text where AJ_HIDDEN stands in another. */
static char *
reveal(const char *message, const char *text)
{
	const char *at = message ? strstr(message, AJ_HIDDEN) : NULL;

	if (at == NULL || text == NULL)
		return message ? pstrdup(message) : NULL;
	return psprintf("%.*s%s%s", (int) (at - message), message, text,
					at + strlen(AJ_HIDDEN));
}

/*
 * Open what is sealed in an error's parts: those of items that failed, of
 * steps that are missing.  Returns the error itself if there is nothing.
 */
static Jsonb *
open_parts(Oid reader, Oid owner, int64 job_id, Jsonb *error)
{
	AjSealPlace place = {job_id, "error", 0, 0};
	char	   *text = JsonbToCString(NULL, &error->root, VARSIZE(error));
	char	   *at = text,
			   *end,
			   *why;
	bool		stale,
				any = false;
	StringInfoData s;

	initStringInfo(&s);
	for (; next_envelope(&at, &end, "", &stale); at = text = end)
	{
		char	   *part = pnstrdup(at, end - at);
		Jsonb	   *opened = NULL;

		if (has_privs_of_role(reader, owner))
			opened = aj_try_open(&place, DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
																			CStringGetDatum(part))),
								 &why);
		appendBinaryStringInfo(&s, text, at - text);
		if (opened != NULL)
			JsonbToCString(&s, &opened->root, VARSIZE(opened));
		else
			appendStringInfoString(&s, part);
		any |= opened != NULL;
	}
	appendStringInfoString(&s, text);
	return any ? DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(s.data))) :
		error;
}

static Jsonb *
open_error(Oid reader, Oid owner, int64 job_id, Jsonb *error)
{
	Jsonb	   *opened = hidden(reader, owner, job_id, error);
	char	   *message = member(error, "message");
	StringInfoData s;

	if (opened == NULL)
		return open_parts(reader, owner, job_id, error);
	message = reveal(message, member(opened, "message"));
	error = merge(without_sealed(error), opened);
	if (message == NULL)
		return error;
	initStringInfo(&s);
	appendStringInfoString(&s, "{\"message\": ");
	escape_json(&s, message);
	appendStringInfoChar(&s, '}');
	return merge(error, DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
														   CStringGetDatum(s.data))));
}

/*
 * _open_error(reader oid, owner oid, job_id bigint, error jsonb): with its
 * texts, if they are hidden and for the reader
 */
Datum
aj_open_error_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_JSONB_P(open_error(PG_GETARG_OID(0), PG_GETARG_OID(1),
								 PG_GETARG_INT64(2), PG_GETARG_JSONB_P(3)));
}

/*
 * _open_update(reader oid, owner oid, job_id bigint, message text, data jsonb)
 * returns {"message", "data"} of a line of a job's history, or null if it
 * hides nothing from the reader
 */
Datum
aj_open_update_sql(PG_FUNCTION_ARGS)
{
	Oid			reader = PG_GETARG_OID(0),
				owner = PG_GETARG_OID(1);
	AjSealPlace place = {PG_GETARG_INT64(2), "log", 0, 0};
	char	   *message,
			   *why;
	Jsonb	   *data,
			   *opened;
	StringInfoData s;

	if (PG_ARGISNULL(4))
		PG_RETURN_NULL();
	message = PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3));
	data = PG_GETARG_JSONB_P(4);
	if (aj_is_sealed(data))
	{
		/* a line of a handler's log */
		if (!has_privs_of_role(reader, owner) ||
			(opened = aj_try_open(&place, data, &why)) == NULL)
			PG_RETURN_NULL();
		message = reveal(message, member(opened, "message"));
	}
	else
	{
		Jsonb	   *text = hidden(reader, owner, place.job_id, data);

		opened = open_error(reader, owner, place.job_id, data);
		if (opened == data)
			PG_RETURN_NULL();
		if (text != NULL)
			message = reveal(message, member(text, "message"));
		data = opened;
		opened = NULL;
	}
	initStringInfo(&s);
	appendStringInfoString(&s, "{\"message\": ");
	if (message != NULL)
		escape_json(&s, message);
	else
		appendStringInfoString(&s, "null");
	if (opened == NULL)
	{
		appendStringInfoString(&s, ", \"data\": ");
		JsonbToCString(&s, &data->root, VARSIZE(data));
	}
	appendStringInfoChar(&s, '}');
	data = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(s.data)));
	PG_RETURN_JSONB_P(opened ? merge(opened, data) : data);
}

/*
 * _stale(value jsonb): is something in it encrypted by another key than the
 * current one?
 */
Datum
aj_stale_sql(PG_FUNCTION_ARGS)
{
	Jsonb	   *value = PG_GETARG_JSONB_P(0);
	char	   *at = JsonbToCString(NULL, &value->root, VARSIZE(value));
	const char *why;
	const AjKey *key = aj_key_current(&why);
	char	   *end;
	bool		stale;

	if (key == NULL)
		aj_not_opened(why);
	for (; next_envelope(&at, &end, key->id, &stale); at = end)
	{
		if (stale)
			PG_RETURN_BOOL(true);
	}
	PG_RETURN_BOOL(false);
}

/* _sealed_by(value jsonb) returns text[]: ids of the keys, one an envelope */
Datum
aj_sealed_by_sql(PG_FUNCTION_ARGS)
{
	Jsonb	   *value = PG_GETARG_JSONB_P(0);
	char	   *at = JsonbToCString(NULL, &value->root, VARSIZE(value));
	ArrayBuildState *ids = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	char	   *end;
	bool		stale;

	for (; next_envelope(&at, &end, "", &stale); at = end)
	{
		char	   *id = at + 2 + (sizeof(AJ_ENVELOPE) - 1) + 4;

		ids = accumArrayResult(ids,
							   PointerGetDatum(cstring_to_text_with_len(id, strcspn(id, ":"))),
							   false, TEXTOID, CurrentMemoryContext);
	}
	PG_RETURN_DATUM(makeArrayResult(ids, CurrentMemoryContext));
}

/*
 * _reseal(job_id, what, step_no, item_no, value jsonb): encrypted by the
 * current key, wherever in it something is encrypted by another
 */
Datum
aj_reseal_sql(PG_FUNCTION_ARGS)
{
	AjSealPlace place = place_args(fcinfo);
	Jsonb	   *value = PG_GETARG_JSONB_P(4);
	char	   *text = JsonbToCString(NULL, &value->root, VARSIZE(value));
	const char *why;
	const AjKey *key = aj_key_current(&why);
	char	   *at = text,
			   *end;
	bool		stale;
	StringInfoData s;

	if (key == NULL)
		aj_not_opened(why);
	initStringInfo(&s);
	for (; next_envelope(&at, &end, key->id, &stale); at = text = end)
	{
		char	   *old = pnstrdup(at, end - at);
		Jsonb	   *sealed;

		appendBinaryStringInfo(&s, text, at - text);
		if (!stale)
		{
			appendStringInfoString(&s, old);
			continue;
		}
		sealed = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(old)));
		sealed = aj_seal(&place, aj_open(&place, sealed));
		JsonbToCString(&s, &sealed->root, VARSIZE(sealed));
	}
	appendStringInfoString(&s, text);
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(s.data)));
}

/*
 * _reseal_bytes(job_id, what, step_no, item_no, data bytea, key_id text): the
 * same for a piece of an artifact
 */
Datum
aj_reseal_bytes_sql(PG_FUNCTION_ARGS)
{
	AjSealPlace place = place_args(fcinfo);
	bytea	   *plain = aj_open_bytes(&place, text_to_cstring(PG_GETARG_TEXT_PP(5)),
									  PG_GETARG_BYTEA_PP(4));

	PG_RETURN_BYTEA_P(aj_seal_bytes(&place, NULL, VARDATA_ANY(plain),
									VARSIZE_ANY_EXHDR(plain)));
}

/* _seal_problem() returns text: why nothing can be encrypted here, or null */
Datum
aj_seal_problem_sql(PG_FUNCTION_ARGS)
{
	const char *why;

	if (aj_seal_possible(&why))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(why));
}
