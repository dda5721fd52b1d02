/*-------------------------------------------------------------------------
 *
 * api_chat.c
 *		Chat sessions that jobs belong to.
 *
 * A session belongs to the role that made it.  Submitting into another's is
 * refused exactly as into one that does not exist, and so is adding a
 * message.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "utils/builtins.h"

#include "api.h"
#include "queue_submit.h"

PG_FUNCTION_INFO_V1(aj_create_chat_session);
PG_FUNCTION_INFO_V1(aj_add_chat_message);

/* create_chat_session(id text, title text) */
Datum
aj_create_chat_session(PG_FUNCTION_ARGS)
{
	char	   *id = aj_limited_text_arg(fcinfo, 0, "id", AJ_MAX_ID_LEN, true);
	AjCaller	caller;
	AjScope		scope;

	PreventCommandIfReadOnly("create_chat_session()");
	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	if (!aj_queue_add_session(id, caller.role, caller.user_id,
							  aj_text_arg(fcinfo, 1)))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("chat session \"%s\" already exists", id)));
	(void) aj_queue_note_owner(caller.role, GetUserNameFromId(caller.role, false));
	aj_scope_leave(&scope);
	PG_RETURN_VOID();
}

/* add_chat_message(session_id text, content text, job_id bigint) */
Datum
aj_add_chat_message(PG_FUNCTION_ARGS)
{
	char	   *session = aj_limited_text_arg(fcinfo, 0, "session_id", AJ_MAX_ID_LEN, true);
	char	   *content = aj_text_arg(fcinfo, 1);
	AjCaller	caller;
	AjScope		scope;
	int64		id;

	if (content == NULL)
		aj_null_argument("content");
	PreventCommandIfReadOnly("add_chat_message()");
	aj_caller(&caller);
	aj_scope_enter(&scope, false);
	if (!aj_queue_session_exists(session, caller.role, caller.user_id))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("chat session \"%s\" does not exist", session),
				 errhint("Make it with asyncjob.create_chat_session().")));
	id = aj_queue_add_message(session, caller.role, caller.user_id, content,
							  PG_ARGISNULL(2) ? 0 : PG_GETARG_INT64(2));
	aj_scope_leave(&scope);
	PG_RETURN_INT64(id);
}
