/*-------------------------------------------------------------------------
 *
 * seal.c
 *		Encrypting what jobs of encrypted queues carry.
 *
 * Whether a job is sealed is decided when it is submitted, by its queue, and
 * stays so to its end: its params are an envelope then,
 *		{"$encrypted": "<id of the key>:<OpenPGP message in base64>"}
 * and so are its result, outputs of steps, what its handlers remember, log
 * lines, texts of errors, and artifacts (as bytea, the id in a column).
 * Everything else about it stays clear: ids, states, times, keys, names.  No
 * params that look like an envelope are taken from anybody, so nothing but
 * the engine makes one.
 *
 * The cipher is pgcrypto's pgp_sym_encrypt_bytea(): AES-256 with OpenPGP's
 * modification detection.  Each value has a pass phrase of its own,
 *		encode(hmac('<job>/<what>/<step>/<item>', <key>, 'sha256'), 'hex')
 * so a value that is put into another place, or changed, can't be opened any
 * more, and what one pass phrase opens is one value.  Anybody with the key
 * can open a value by these two functions in plain SQL.  OpenPGP makes
 * guesses at a pass phrase slow by hashing it many times ("s2k"); ours have
 * 256 bits of an HMAC under a key that is itself no pass phrase, of which
 * nobody can guess one, so a salted hash (s2k-mode 1) is all that is needed.
 *
 * pgcrypto's functions are found as members of the extension that are written
 * in C, which nobody but a superuser can make, and are called by their OIDs:
 * no search_path, and no function of that name elsewhere, comes in between.
 * They are called with plaintext and pass phrases as arguments, not through
 * SQL, so neither is ever in the text or the parameters of a statement.
 *
 * Where a key, or pgcrypto, is missing, an error of AJ_ERRCODE_NO_KEY is
 * raised.  A job that meets it is put aside and tried again when it can be
 * opened (queue_flow.c); no attempt is spent.  Reading a job's params when it
 * is claimed raises nothing but notes in the AjJob why they stay closed.
 *
 * The SQL functions of this file are for the engine's own statements.  Their
 * execution is granted to nobody.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/dependency.h"
#include "catalog/pg_language.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "common/base64.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "mb/pg_wchar.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "keyring.h"
#include "seal.h"

#define ENVELOPE		"$encrypted"
#define ENVELOPE_LEN	10
#define CIPHER_OPTIONS \
	"cipher-algo=aes256, compress-algo=0, s2k-mode=1, unicode-mode=0, convert-crlf=0"

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

static FmgrInfo encrypt_info,
			decrypt_info;
static bool functions_found = false;
static bool callback_registered = false;

/* ---------- pgcrypto ---------- */

static void
functions_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	functions_found = false;
}

/* A C function of pgcrypto, by its name and arguments. */
static Oid
find_function(Oid extension, const char *name, const oidvector *args)
{
	CatCList   *list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));
	Oid			found = InvalidOid;

	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);

		if (proc->prolang == ClanguageId && proc->prorettype == BYTEAOID &&
			proc->proargtypes.dim1 == args->dim1 &&
			memcmp(proc->proargtypes.values, args->values,
				   args->dim1 * sizeof(Oid)) == 0 &&
			getExtensionOfObject(ProcedureRelationId, proc->oid) == extension)
			found = proc->oid;
	}
	ReleaseSysCacheList(list);
	return found;
}

static bool
find_functions(const char **why)
{
	Oid			argtypes[3] = {BYTEAOID, TEXTOID, TEXTOID};
	Oid			extension,
				encrypt = InvalidOid,
				decrypt = InvalidOid;

	if (functions_found)
		return true;
	if (!callback_registered)
	{
		CacheRegisterSyscacheCallback(PROCOID, functions_changed, (Datum) 0);
		callback_registered = true;
	}
	extension = get_extension_oid("pgcrypto", true);
	if (OidIsValid(extension))
	{
		encrypt = find_function(extension, "pgp_sym_encrypt_bytea",
								buildoidvector(argtypes, 3));
		decrypt = find_function(extension, "pgp_sym_decrypt_bytea",
								buildoidvector(argtypes, 2));
	}
	if (!OidIsValid(encrypt) || !OidIsValid(decrypt))
	{
		*why = "Extension \"pgcrypto\" is not installed in this database.";
		return false;
	}
	fmgr_info_cxt(encrypt, &encrypt_info, TopMemoryContext);
	fmgr_info_cxt(decrypt, &decrypt_info, TopMemoryContext);
	functions_found = true;
	return true;
}

/* The pass phrase of a place. */
static text *
pass_phrase(const AjKey * key, const AjSealPlace * place)
{
	char	   *name = psprintf(INT64_FORMAT "/%s/%d/%d", place->job_id, place->what,
								place->step_no, place->item_no);
	pg_hmac_ctx *ctx = pg_hmac_create(PG_SHA256);
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	char		hex[2 * PG_SHA256_DIGEST_LENGTH];
	text	   *result;

	if (ctx == NULL ||
		pg_hmac_init(ctx, (const uint8 *) key->secret, key->len) < 0 ||
		pg_hmac_update(ctx, (const uint8 *) name, strlen(name)) < 0 ||
		pg_hmac_final(ctx, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute an HMAC");
	pg_hmac_free(ctx);
	pfree(name);
	hex_encode((const char *) digest, sizeof(digest), hex);
	result = cstring_to_text_with_len(hex, sizeof(hex));
	explicit_bzero(digest, sizeof(digest));
	explicit_bzero(hex, sizeof(hex));
	return result;
}

/* Encrypt by the current key. */
static bytea *
encrypt(const AjSealPlace * place, bytea *plain, const AjKey * *key)
{
	const char *why;
	text	   *phrase;
	bytea	   *result;

	*key = aj_key_current(&why);
	if (*key == NULL || !find_functions(&why))
		aj_not_opened(why);
	phrase = pass_phrase(*key, place);
	result = DatumGetByteaPP(FunctionCall3(&encrypt_info, PointerGetDatum(plain),
										   PointerGetDatum(phrase),
										   CStringGetTextDatum(CIPHER_OPTIONS)));
	explicit_bzero(VARDATA(phrase), VARSIZE(phrase) - VARHDRSZ);
	return result;
}

/* Decrypt; NULL, and why, if that can't be. */
static bytea *
decrypt(const AjSealPlace * place, const char *key_id, bytea *sealed, char **why)
{
	MemoryContext context = CurrentMemoryContext;
	uint32		holdoff = InterruptHoldoffCount;
	uint32		cancel_holdoff = QueryCancelHoldoffCount;
	const char *reason = "";
	const		AjKey *key = aj_key_find(key_id, &reason);
	text	   *phrase;
	bytea	   *volatile result = NULL;

	if (key == NULL)
	{
		*why = psprintf("Key \"%s\" is not available. %s", key_id, reason);
		return NULL;
	}
	if (!find_functions(&reason))
	{
		*why = pstrdup(reason);
		return NULL;
	}
	phrase = pass_phrase(key, place);

	/*
	 * pgcrypto has let go of everything when it raises its error, and has
	 * touched nothing that an abort would have to undo.
	 */
	PG_TRY();
	{
		result = DatumGetByteaPP(FunctionCall2(&decrypt_info,
											   PointerGetDatum(sealed),
											   PointerGetDatum(phrase)));
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		if (geterrcode() != ERRCODE_EXTERNAL_ROUTINE_INVOCATION_EXCEPTION)
			PG_RE_THROW();
		FlushErrorState();
		/* an error lets go of what our caller holds off */
		InterruptHoldoffCount = holdoff;
		QueryCancelHoldoffCount = cancel_holdoff;
		*why = psprintf("It was changed or moved, or the key \"%s\" of today is not the one it was encrypted with.",
						key_id);
	}
	PG_END_TRY();
	explicit_bzero(VARDATA(phrase), VARSIZE(phrase) - VARHDRSZ);
	return result;
}

/* ---------- envelopes ---------- */

void
aj_not_opened(const char *why)
{
	ereport(ERROR,
			(errcode(AJ_ERRCODE_NO_KEY),
			 errmsg("encrypted data is not available"),
			 errdetail("%s", why),
			 errhint("Nothing is lost; it goes on as soon as that is mended. See docs/encryption.md.")));
}

/* The string in an envelope; false if the value is none. */
static bool
envelope(const Jsonb *value, JsonbValue *string)
{
	JsonbValue *v;

	if (!JB_ROOT_IS_OBJECT(value) || JB_ROOT_COUNT(value) != 1)
		return false;
	v = getKeyJsonValueFromContainer((JsonbContainer *) &value->root, ENVELOPE,
									 ENVELOPE_LEN, string);
	return v != NULL && v->type == jbvString;
}

bool
aj_is_sealed(const Jsonb *value)
{
	JsonbValue	string;

	return envelope(value, &string);
}

/* Nobody but us makes envelopes. */
void
aj_refuse_sealed(const Jsonb *value, const char *name)
{
	if (aj_is_sealed(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be an object with the one key \"%s\"",
						name, ENVELOPE),
				 errdetail("That is how encrypted values are stored."),
				 errhint("Name the key otherwise, or put a second one beside it.")));
}

/* Copy the id of an envelope's key; returns where what follows it begins. */
static const char *
split_envelope(const JsonbValue *string, char *key_id)
{
	const char *colon = memchr(string->val.string.val, ':', string->val.string.len);
	size_t		len = colon ? colon - string->val.string.val : 0;

	if (len == 0 || len > AJ_KEY_ID_LEN)
		return NULL;
	memcpy(key_id, string->val.string.val, len);
	key_id[len] = '\0';
	return colon + 1;
}

/* A value as UTF-8 text, so that a dump can be restored into any encoding. */
static bytea *
to_bytes(Jsonb *value)
{
	char	   *string = JsonbToCString(NULL, &value->root, VARSIZE(value));
	char	   *utf8 = pg_server_to_any(string, strlen(string), PG_UTF8);

	return (bytea *) cstring_to_text(utf8);
}

static Jsonb *
from_bytes(bytea *bytes)
{
	char	   *utf8 = text_to_cstring((text *) bytes);
	char	   *string = pg_any_to_server(utf8, strlen(utf8), PG_UTF8);

	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(string)));
}

static Jsonb *
make_envelope(const AjKey * key, bytea *sealed)
{
	Size		len = VARSIZE_ANY_EXHDR(sealed);
	Size		room = strlen(key->id) + 1 + pg_b64_enc_len(len);
	char	   *string = palloc(room);
	size_t		id_len = strlen(key->id);
	int			n;
	JsonbParseState *state = NULL;
	JsonbValue	v = {.type = jbvString},
			   *object;

	memcpy(string, key->id, id_len);
	string[id_len] = ':';
	n = pg_b64_encode((const void *) VARDATA_ANY(sealed), len,
					  string + id_len + 1, room - id_len - 1);
	if (n < 0)
		elog(ERROR, "could not encode encrypted data");
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	v.val.string.val = ENVELOPE;
	v.val.string.len = ENVELOPE_LEN;
	pushJsonbValue(&state, WJB_KEY, &v);
	v.val.string.val = string;
	v.val.string.len = id_len + 1 + n;
	pushJsonbValue(&state, WJB_VALUE, &v);
	object = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(object);
}

/* Encrypt a value for its place. */
Jsonb *
aj_seal(const AjSealPlace * place, Jsonb *value)
{
	const		AjKey *key;
	bytea	   *plain = to_bytes(value);
	bytea	   *sealed = encrypt(place, plain, &key);

	explicit_bzero(VARDATA(plain), VARSIZE(plain) - VARHDRSZ);
	return make_envelope(key, sealed);
}

/* Open a value; NULL, and why, if that can't be.  One that is clear stays. */
Jsonb *
aj_try_open(const AjSealPlace * place, Jsonb *value, char **why)
{
	JsonbValue	string;
	char		key_id[AJ_KEY_ID_LEN + 1];
	const char *base64;
	bytea	   *sealed,
			   *plain;
	int			len,
				room;

	if (!envelope(value, &string))
		return value;
	base64 = split_envelope(&string, key_id);
	if (base64 != NULL)
	{
		len = string.val.string.len - (base64 - string.val.string.val);
		room = pg_b64_dec_len(len);
		sealed = palloc(room + VARHDRSZ);
		len = pg_b64_decode(base64, len, (void *) VARDATA(sealed), room);
		if (len >= 0)
		{
			SET_VARSIZE(sealed, len + VARHDRSZ);
			plain = decrypt(place, key_id, sealed, why);
			return plain ? from_bytes(plain) : NULL;
		}
	}
	*why = pstrdup("It was changed.");
	return NULL;
}

Jsonb *
aj_open(const AjSealPlace * place, Jsonb *value)
{
	char	   *why = NULL;
	Jsonb	   *result = aj_try_open(place, value, &why);

	if (result == NULL)
		aj_not_opened(why);
	return result;
}

/* The same for an artifact, or a piece of one. */
bytea *
aj_seal_bytes(const AjSealPlace * place, const char *data, Size len,
			  const char **key_id)
{
	const		AjKey *key;
	bytea	   *result = encrypt(place,
								 (bytea *) cstring_to_text_with_len(data, len), &key);

	*key_id = key->id;
	return result;
}

bytea *
aj_open_bytes(const AjSealPlace * place, const char *key_id, bytea *sealed)
{
	char	   *why = NULL;
	bytea	   *result = decrypt(place, key_id, sealed, &why);

	if (result == NULL)
		aj_not_opened(why);
	return result;
}

/* Could something be encrypted now? */
bool
aj_seal_possible(const char **why)
{
	return aj_key_current(why) != NULL && find_functions(why);
}

/* Refuse a queue to be encrypted where that can't be. */
void
aj_seal_require(void)
{
	const char *why;

	if (!find_functions(&why))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a queue cannot be encrypted without extension \"pgcrypto\""),
				 errhint("CREATE EXTENSION pgcrypto.")));
	if (aj_key_current(&why) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a queue cannot be encrypted without a key"),
				 errdetail("%s", why),
				 errhint("Let a superuser set asyncjob.encryption_key_file or asyncjob.encryption_key_command, and reload; see docs/encryption.md.")));
}

/* ---------- jobs ---------- */

/*
 * Open the params of a job that was just read, if they are sealed.  Those of
 * a step of another job are the item that it runs for.
 */
void
aj_job_open_params(AjJob *job)
{
	bool		branch = job->item_no >= 0;
	AjSealPlace place = {aj_job_root(job), branch ? "item" : "params",
	branch ? job->step_no : 0, branch ? job->item_no : 0};
	char	   *why = NULL;
	Jsonb	   *params;

	job->locked = NULL;
	job->sealed = aj_is_sealed(job->params);
	if (!job->sealed)
		return;
	params = aj_try_open(&place, job->params, &why);
	if (params != NULL)
		job->params = params;
	else
		job->locked = why;
}

/* Seal something of a job's current step, if the job is sealed. */
Jsonb *
aj_job_seal(const AjJob *job, const char *what, Jsonb *value)
{
	AjSealPlace place = {aj_job_root(job), what, job->step_no,
	Max(job->item_no, 0)};

	if (!job->sealed || value == NULL)
		return value;
	return aj_seal(&place, value);
}

/*
 * The content of a sealed job is for its owner, not for administrators, who
 * may steer it.
 */
void
aj_require_content_of(int64 job_id, Oid owner, Oid reader)
{
	if (!has_privs_of_role(reader, owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("job " INT64_FORMAT " is encrypted", job_id),
				 errdetail("Its params, results and artifacts are for its owner only.")));
}

/* ---------- for the engine's statements ---------- */

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
	static const char head[] = "{\"" ENVELOPE "\": \"";
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
		if (text !=NULL)
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
	const		AjKey *key = aj_key_current(&why);
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
		char	   *id = at + 2 + ENVELOPE_LEN + 4;

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
	const		AjKey *key = aj_key_current(&why);
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
	const char *key_id;

	PG_RETURN_BYTEA_P(aj_seal_bytes(&place, VARDATA_ANY(plain),
									VARSIZE_ANY_EXHDR(plain), &key_id));
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
