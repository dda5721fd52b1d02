/*-------------------------------------------------------------------------
 *
 * api_handler.c
 *		What SQL handlers call: current_job(), attempt(), progress(), log(),
 *		artifact().
 *
 * The twins of AjStepApi (asyncjob.h) for handlers in SQL and procedural
 * languages.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "api.h"
#include "asyncjob.h"
#include "publish.h"

PG_FUNCTION_INFO_V1(aj_current_job);
PG_FUNCTION_INFO_V1(aj_attempt_number);
PG_FUNCTION_INFO_V1(aj_progress_sql);
PG_FUNCTION_INFO_V1(aj_log_sql);
PG_FUNCTION_INFO_V1(aj_artifact_sql);
PG_FUNCTION_INFO_V1(aj_noop);
PG_FUNCTION_INFO_V1(aj_channel);

#define MAX_NAME_LEN	255

/* current_job() returns bigint, null outside of a job */
Datum
aj_current_job(PG_FUNCTION_ARGS)
{
	if (aj_job_id() == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT64(aj_job_id());
}

/* attempt() returns int, null outside of a job */
Datum
aj_attempt_number(PG_FUNCTION_ARGS)
{
	if (aj_job_id() == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT32(aj_attempt());
}

/* progress(fraction float8, message text) */
Datum
aj_progress_sql(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		aj_null_argument("fraction");
	aj_progress(PG_GETARG_FLOAT8(0), aj_text_arg(fcinfo, 1));
	PG_RETURN_VOID();
}

/* log(level text, message text, data jsonb) */
Datum
aj_log_sql(PG_FUNCTION_ARGS)
{
	char	   *data = NULL;

	if (PG_ARGISNULL(0))
		aj_null_argument("level");
	if (PG_ARGISNULL(1))
		aj_null_argument("message");
	if (!PG_ARGISNULL(2))
	{
		Jsonb	   *jb = PG_GETARG_JSONB_P(2);

		data = JsonbToCString(NULL, &jb->root, VARSIZE(jb));
	}
	aj_log(aj_text_arg(fcinfo, 0), aj_text_arg(fcinfo, 1), data);
	PG_RETURN_VOID();
}

/* artifact(name text, kind text, media_type text, data bytea) */
Datum
aj_artifact_sql(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"name", "kind", "media_type", "data"};
	bytea	   *data;

	for (int i = 0; i < 4; i++)
	{
		if (PG_ARGISNULL(i))
			aj_null_argument(names[i]);
	}
	for (int i = 0; i < 3; i++)
	{
		char	   *text = aj_text_arg(fcinfo, i);

		if (text[0] == '\0' || strlen(text) > MAX_NAME_LEN)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s of an artifact has %zu bytes", names[i], strlen(text)),
					 errhint("Give 1 to %d bytes.", MAX_NAME_LEN)));
	}
	data = PG_GETARG_BYTEA_PP(3);
	aj_artifact(aj_text_arg(fcinfo, 0), aj_text_arg(fcinfo, 1),
				aj_text_arg(fcinfo, 2), VARDATA_ANY(data),
				VARSIZE_ANY_EXHDR(data));
	PG_RETURN_VOID();
}

/* step_noop(jsonb) returns jsonb: its input */
Datum
aj_noop(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/* channel(session_id text): the channel its jobs' notices are sent on */
Datum
aj_channel(PG_FUNCTION_ARGS)
{
	char		suffix[AJ_CHANNEL_LEN];

	aj_session_channel(text_to_cstring(PG_GETARG_TEXT_PP(0)), suffix);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("asyncjob_session_%s", suffix)));
}
