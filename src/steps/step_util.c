/*-------------------------------------------------------------------------
 *
 * step_util.c
 *		Input of a step, its parameters, and reading tables without a trace.
 *
 * Parameters are read straight from the jsonb container, without building a
 * tree.  Every refusal goes through aj_step_error, so that all steps name
 * the parameter, the value and what is allowed in the same words.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "step_util.h"

#include <limits.h>
#include <math.h>

#include "access/xact.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/snapmgr.h"
#include "utils/varlena.h"

#if PG_VERSION_NUM >= 180000
PG_MODULE_MAGIC_EXT(.name = "asyncjob_steps");
#else
PG_MODULE_MAGIC;
#endif

void
aj_step_error(int sqlstate, const char *code, const char *msg,
			  const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg_internal("%s", msg),
			 detail ? errdetail_internal("%s", detail) : 0,
			 hint ? errhint("%s", hint) : 0,
			 err_generic_string(PG_DIAG_CONSTRAINT_NAME, code)));
	pg_unreachable();
}

/* ---- input ---- */

/* Value of a key; false where absent or null. */
static bool
get_value(JsonbContainer *c, const char *key, JsonbValue *v)
{
	if (c == NULL || !JsonContainerIsObject(c))
		return false;
	return getKeyJsonValueFromContainer(c, key, strlen(key), v) != NULL &&
		v->type != jbvNull;
}

static JsonbContainer *
get_container(JsonbContainer *c, const char *key)
{
	JsonbValue	v;

	if (!get_value(c, key, &v) || v.type != jbvBinary)
		return NULL;
	return v.val.binary.data;
}

void
aj_step_input(Jsonb *arg, AjStepInput *in)
{
	JsonbContainer *params;
	JsonbContainer *steps;

	if (!JB_ROOT_IS_OBJECT(arg))
		aj_step_error(AJ_ERRCODE_VALIDATION, "parameters_not_object",
					  "parameters are not a JSON object", NULL,
					  "Give an object such as {\"site\": \"name\"}.");
	params = get_container(&arg->root, "params");
	steps = get_container(&arg->root, "steps");
	if (params && steps)
	{
		in->params = params;
		in->steps = steps;
	}
	else
	{
		in->params = &arg->root;
		in->steps = NULL;
	}
}

JsonbContainer *
aj_step_output(const AjStepInput *in, const char *step)
{
	JsonbContainer *c = get_container(in->steps, step);

	return c && JsonContainerIsObject(c) ? c : NULL;
}

/* ---- parameters ---- */

/* A value as text for a message, cut to a sensible length. */
static char *
value_text(JsonbValue *v)
{
	char	   *s;

	switch (v->type)
	{
		case jbvNull:
			return "null";
		case jbvBool:
			return v->val.boolean ? "true" : "false";
		case jbvString:
			s = psprintf("\"%.*s\"", v->val.string.len, v->val.string.val);
			break;
		case jbvNumeric:
			s = DatumGetCString(DirectFunctionCall1(numeric_out,
													NumericGetDatum(v->val.numeric)));
			break;
		default:
			if (v->type == jbvBinary)
				return JsonContainerIsArray(v->val.binary.data) ?
					"an array" : "an object";
			return "another value";
	}
	if (strlen(s) > 60)
	{
		s[pg_mbcliplen(s, strlen(s), 56)] = '\0';
		s = psprintf("%s...", s);
	}
	return s;
}

static AJ_NORETURN void
refuse_type(const char *key, JsonbValue *v, const char *wanted)
{
	aj_step_error(AJ_ERRCODE_VALIDATION, "unit_or_range",
				  psprintf("parameter \"%s\" is not %s", key, wanted),
				  psprintf("The value given is %s.", value_text(v)),
				  psprintf("Give %s for \"%s\".", wanted, key));
}

static AJ_NORETURN void
refuse_missing(const char *key, const char *wanted)
{
	aj_step_error(AJ_ERRCODE_VALIDATION, "parameter_missing",
				  psprintf("parameter \"%s\" is missing", key), NULL,
				  psprintf("Give %s for \"%s\".", wanted, key));
}

static char *
range_text(double min, double max)
{
	if (isinf(min) && isinf(max))
		return pstrdup("any number");
	if (isinf(max))
		return psprintf("%.15g or more", min);
	if (isinf(min))
		return psprintf("%.15g or less", max);
	return psprintf("%.15g to %.15g", min, max);
}

static double
number_of(const char *key, JsonbValue *v, double min, double max)
{
	double		d;

	if (v->type != jbvNumeric)
		refuse_type(key, v, "a number");
	d = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
										   NumericGetDatum(v->val.numeric)));
	if (!(d >= min && d <= max) || isinf(d))
		aj_step_error(AJ_ERRCODE_VALIDATION, "unit_or_range",
					  psprintf("parameter \"%s\" is out of range: %s", key,
							   value_text(v)),
					  psprintf("Allowed is %s.", range_text(min, max)),
					  psprintf("Give \"%s\" a value in this range, in the unit its name ends with.",
							   key));
	return d;
}

static int
int_of(const char *key, JsonbValue *v, int min, int max)
{
	double		d = number_of(key, v, min, max);

	if (d != floor(d))
		refuse_type(key, v, "a whole number");
	return (int) d;
}

static char *
text_of(const char *key, JsonbValue *v)
{
	if (v->type != jbvString)
		refuse_type(key, v, "a text");
	return pnstrdup(v->val.string.val, v->val.string.len);
}

bool
aj_param_exists(JsonbContainer *c, const char *key)
{
	JsonbValue	v;

	return get_value(c, key, &v);
}

char *
aj_param_text(JsonbContainer *c, const char *key, const char *dflt)
{
	JsonbValue	v;

	if (!get_value(c, key, &v))
		return dflt ? pstrdup(dflt) : NULL;
	return text_of(key, &v);
}

char *
aj_require_text(JsonbContainer *c, const char *key)
{
	JsonbValue	v;

	if (!get_value(c, key, &v))
		refuse_missing(key, "a text");
	return text_of(key, &v);
}

double
aj_param_number(JsonbContainer *c, const char *key, double dflt,
				double min, double max)
{
	JsonbValue	v;

	return get_value(c, key, &v) ? number_of(key, &v, min, max) : dflt;
}

double
aj_require_number(JsonbContainer *c, const char *key, double min, double max)
{
	JsonbValue	v;

	if (!get_value(c, key, &v))
		refuse_missing(key, psprintf("a number (%s)", range_text(min, max)));
	return number_of(key, &v, min, max);
}

int
aj_param_int(JsonbContainer *c, const char *key, int dflt, int min, int max)
{
	JsonbValue	v;

	return get_value(c, key, &v) ? int_of(key, &v, min, max) : dflt;
}

int
aj_require_int(JsonbContainer *c, const char *key, int min, int max)
{
	JsonbValue	v;

	if (!get_value(c, key, &v))
		refuse_missing(key, psprintf("a whole number (%s)",
									 range_text(min, max)));
	return int_of(key, &v, min, max);
}

bool
aj_param_bool(JsonbContainer *c, const char *key, bool dflt)
{
	JsonbValue	v;

	if (!get_value(c, key, &v))
		return dflt;
	if (v.type != jbvBool)
		refuse_type(key, &v, "true or false");
	return v.val.boolean;
}

const char *
aj_param_choice(JsonbContainer *c, const char *key, const char *dflt,
				const char *const *words)
{
	char	   *got = aj_param_text(c, key, dflt);
	StringInfoData list;

	if (got == NULL)
		return NULL;
	for (int i = 0; words[i]; i++)
		if (strcmp(got, words[i]) == 0)
			return words[i];
	initStringInfo(&list);
	for (int i = 0; words[i]; i++)
		appendStringInfo(&list, "%s%s", i ? ", " : "", words[i]);
	aj_step_error(AJ_ERRCODE_VALIDATION, "unit_or_range",
				  psprintf("parameter \"%s\" is out of range: \"%s\"", key,
						   got),
				  psprintf("Allowed are: %s.", list.data),
				  psprintf("Give \"%s\" one of these words.", key));
	return NULL;
}

static AJ_NORETURN void
refuse_item(uint32 i, const char *wanted)
{
	aj_step_error(AJ_ERRCODE_VALIDATION, "step_output_invalid",
				  psprintf("element %u of an array in a step's output is not %s",
						   i, wanted), NULL,
				  "Give the outputs as the steps of the pipeline made them.");
}

static JsonbContainer *
item_container(JsonbContainer *array, uint32 i, bool is_array)
{
	JsonbValue *v = getIthJsonbValueFromContainer(array, i);

	if (v == NULL || v->type != jbvBinary ||
		JsonContainerIsArray(v->val.binary.data) != is_array)
		refuse_item(i, is_array ? "an array" : "an object");
	return v->val.binary.data;
}

JsonbContainer *
aj_item_object(JsonbContainer *array, uint32 i)
{
	return item_container(array, i, false);
}

JsonbContainer *
aj_item_array(JsonbContainer *array, uint32 i)
{
	return item_container(array, i, true);
}

double
aj_item_number(JsonbContainer *array, uint32 i)
{
	JsonbValue *v = getIthJsonbValueFromContainer(array, i);

	if (v == NULL || v->type != jbvNumeric)
		refuse_item(i, "a number");
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
											  NumericGetDatum(v->val.numeric)));
}

static JsonbContainer *
container_of(const char *key, JsonbValue *v, bool array)
{
	if (v->type != jbvBinary ||
		JsonContainerIsArray(v->val.binary.data) != array ||
		JsonContainerIsScalar(v->val.binary.data))
		refuse_type(key, v, array ? "an array" : "an object");
	return v->val.binary.data;
}

JsonbContainer *
aj_param_object(JsonbContainer *c, const char *key)
{
	JsonbValue	v;

	return get_value(c, key, &v) ? container_of(key, &v, false) : NULL;
}

JsonbContainer *
aj_param_array(JsonbContainer *c, const char *key)
{
	JsonbValue	v;

	return get_value(c, key, &v) ? container_of(key, &v, true) : NULL;
}

JsonbContainer *
aj_require_object(JsonbContainer *c, const char *key)
{
	JsonbContainer *o = aj_param_object(c, key);

	if (o == NULL)
		refuse_missing(key, "an object");
	return o;
}

JsonbContainer *
aj_require_array(JsonbContainer *c, const char *key)
{
	JsonbContainer *a = aj_param_array(c, key);

	if (a == NULL)
		refuse_missing(key, "an array");
	return a;
}

double *
aj_param_numbers(JsonbContainer *c, const char *key, int *n,
				 double min, double max)
{
	JsonbContainer *a = aj_param_array(c, key);
	double	   *out;

	*n = 0;
	if (a == NULL)
		return NULL;
	out = palloc(Max(JsonContainerSize(a), 1) * sizeof(double));
	for (uint32 i = 0; i < JsonContainerSize(a); i++)
	{
		JsonbValue *v = getIthJsonbValueFromContainer(a, i);

		out[i] = number_of(psprintf("%s[%u]", key, i), v, min, max);
		pfree(v);
	}
	*n = JsonContainerSize(a);
	return out;
}

const char *
aj_closest(const char *word, const char *const *known)
{
	const char *best = NULL;
	int			len = Min(strlen(word), 63);
	int			limit = Max(len / 2, 2);

	for (int i = 0; known[i]; i++)
	{
		int			d = varstr_levenshtein_less_equal(word, len, known[i],
													  Min(strlen(known[i]), 63),
													  1, 1, 1, limit, true);

		if (d <= limit)
		{
			best = known[i];
			limit = d - 1;
		}
		if (limit < 0)
			break;
	}
	return best;
}

void
aj_check_params(JsonbContainer *c, const char *const *known)
{
	JsonbIterator *it;
	JsonbValue	v;
	JsonbIteratorToken tok;

	if (c == NULL || !JsonContainerIsObject(c))
		return;
	it = JsonbIteratorInit(c);
	while ((tok = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		char	   *key;
		const char *near;
		bool		found = false;

		if (tok != WJB_KEY)
			continue;
		key = pnstrdup(v.val.string.val, v.val.string.len);
		for (int i = 0; known[i] && !found; i++)
			found = strcmp(key, known[i]) == 0;
		if (found)
			continue;
		near = aj_closest(key, known);
		if (near == NULL)
		{
			StringInfoData list;

			initStringInfo(&list);
			for (int i = 0; known[i]; i++)
				appendStringInfo(&list, "%s%s", i ? ", " : "", known[i]);
			near = list.data;
			aj_step_error(AJ_ERRCODE_VALIDATION, "parameter_unknown",
						  psprintf("parameter \"%s\" is unknown", key),
						  psprintf("Known are: %s.", near),
						  "Remove the parameter or correct its name.");
		}
		aj_step_error(AJ_ERRCODE_VALIDATION, "parameter_unknown",
					  psprintf("parameter \"%s\" is unknown", key), NULL,
					  psprintf("Perhaps you meant \"%s\".", near));
	}
}

/* ---- reading tables ---- */

void
aj_read_enter(AjReadState *state)
{
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(state->context);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

void
aj_read_leave(AjReadState *state)
{
	SPI_finish();
	PopActiveSnapshot();
	RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(state->context);
	CurrentResourceOwner = state->owner;
}

void
aj_read_rethrow(AjReadState *state)
{
	ErrorData  *edata;

	/*
	 * Whoever catches the error next, a plpgsql block for one, expects to
	 * find the subtransaction it started, so ours must be gone by then.
	 */
	MemoryContextSwitchTo(state->context);
	edata = CopyErrorData();
	FlushErrorState();
	if (GetCurrentTransactionNestLevel() > state->nest_level)
		RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(state->context);
	CurrentResourceOwner = state->owner;
	ReThrowError(edata);
}

/* ---- kernels ---- */

bool
aj_poll(void *arg, double fraction)
{
	AjPoll	   *poll = arg;

	if (poll)
		aj_progress(poll->from + fraction * (poll->to - poll->from),
					poll->message);
	if (!InterruptPending)
		return false;
	if (QueryCancelPending || ProcDiePending)
		return true;

	/*
	 * Something else, such as a barrier that DROP DATABASE waits for: serve
	 * it here, since a computation may take a minute.  None of these raises
	 * an ERROR, which would jump over the kernel.
	 */
	CHECK_FOR_INTERRUPTS();
	return false;
}

void
aj_poll_finish(void)
{
	CHECK_FOR_INTERRUPTS();

	/*
	 * The kernel stopped, but the interrupt turned out to be none (held off,
	 * or taken back).  There is no result to go on with.
	 */
	ereport(ERROR,
			(errcode(ERRCODE_QUERY_CANCELED),
			 errmsg("computation was stopped")));
}

void
aj_kernel_check(AjkError err)
{
	if (err == AJK_STOPPED)
		aj_poll_finish();
	if (err != AJK_OK)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY),
						errmsg("out of memory")));
}

static char *
bytes_text(double bytes)
{
	/* as the units of the setting: powers of 1024 */
	if (bytes >= 1024.0 * 1024 * 1024)
		return psprintf("%.1f GB", bytes / (1024.0 * 1024 * 1024));
	return psprintf("%.0f MB", ceil(bytes / (1024.0 * 1024)));
}

void
aj_check_memory(double bytes, const char *what, const char *hint)
{
	double		limit = (double) aj_max_step_memory();

	if (bytes <= limit)
		return;
	aj_step_error(AJ_ERRCODE_RESOURCE, "grid_too_large",
				  psprintf("%s need %s", what, bytes_text(bytes)),
				  psprintf("asyncjob.max_step_memory is %s.",
						   bytes_text(limit)),
				  hint);
}
