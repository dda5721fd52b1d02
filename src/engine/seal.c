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
 * What statements of the engine need of it is in seal_sql.c.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/dependency.h"
#include "catalog/pg_language.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "common/base64.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "mb/pg_wchar.h"
#include "utils/acl.h"
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

#define CIPHER_OPTIONS \
	"cipher-algo=aes256, compress-algo=0, s2k-mode=1, unicode-mode=0, convert-crlf=0"

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
pass_phrase(const AjKey *key, const AjSealPlace *place)
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

/* Encrypt by the key of this id, or (NULL) the current one. */
static bytea *
encrypt(const AjSealPlace *place, bytea *plain, const char *key_id,
		const AjKey **key)
{
	const char *why;
	text	   *phrase;
	bytea	   *result;

	*key = key_id ? aj_key_find(key_id, &why) : aj_key_current(&why);
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
decrypt(const AjSealPlace *place, const char *key_id, bytea *sealed, char **why)
{
	MemoryContext context = CurrentMemoryContext;
	uint32		holdoff = InterruptHoldoffCount;
	uint32		cancel_holdoff = QueryCancelHoldoffCount;
	const char *reason = "";
	const AjKey *key = aj_key_find(key_id, &reason);
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
	v = getKeyJsonValueFromContainer((JsonbContainer *) &value->root, AJ_ENVELOPE,
									 sizeof(AJ_ENVELOPE) - 1, string);
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
						name, AJ_ENVELOPE),
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
make_envelope(const AjKey *key, bytea *sealed)
{
	Size		len = VARSIZE_ANY_EXHDR(sealed);
	Size		room = strlen(key->id) + 1 + pg_b64_enc_len(len);
	char	   *string = palloc(room);
	size_t		id_len = strlen(key->id);
	int			n;
	AjJsonbState state = {0};
	JsonbValue	v = {.type = jbvString},
			   *object;

	memcpy(string, key->id, id_len);
	string[id_len] = ':';
	n = pg_b64_encode((const void *) VARDATA_ANY(sealed), len,
					  string + id_len + 1, room - id_len - 1);
	if (n < 0)
		elog(ERROR, "could not encode encrypted data");
	aj_push_jsonb(&state, WJB_BEGIN_OBJECT, NULL);
	v.val.string.val = AJ_ENVELOPE;
	v.val.string.len = sizeof(AJ_ENVELOPE) - 1;
	aj_push_jsonb(&state, WJB_KEY, &v);
	v.val.string.val = string;
	v.val.string.len = id_len + 1 + n;
	aj_push_jsonb(&state, WJB_VALUE, &v);
	object = aj_push_jsonb(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(object);
}

/* Encrypt a value for its place. */
Jsonb *
aj_seal(const AjSealPlace *place, Jsonb *value)
{
	const AjKey *key;
	bytea	   *plain = to_bytes(value);
	bytea	   *sealed = encrypt(place, plain, NULL, &key);

	explicit_bzero(VARDATA(plain), VARSIZE(plain) - VARHDRSZ);
	return make_envelope(key, sealed);
}

/* Open a value; NULL, and why, if that can't be.  One that is clear stays. */
Jsonb *
aj_try_open(const AjSealPlace *place, Jsonb *value, char **why)
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
aj_open(const AjSealPlace *place, Jsonb *value)
{
	char	   *why = NULL;
	Jsonb	   *result = aj_try_open(place, value, &why);

	if (result == NULL)
		aj_not_opened(why);
	return result;
}

/*
 * Id of the current key, for what is encrypted in pieces by one key, whatever
 * becomes of the current one meanwhile.
 */
char *
aj_seal_key(void)
{
	const char *why;
	const AjKey *key = aj_key_current(&why);

	if (key == NULL)
		aj_not_opened(why);
	return pstrdup(key->id);
}

/* Encrypt an artifact, or a piece of one, by the key of this id. */
bytea *
aj_seal_bytes(const AjSealPlace *place, const char *key_id, const char *data,
			  Size len)
{
	const AjKey *key;

	return encrypt(place, (bytea *) cstring_to_text_with_len(data, len), key_id,
				   &key);
}

bytea *
aj_open_bytes(const AjSealPlace *place, const char *key_id, bytea *sealed)
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
