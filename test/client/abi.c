/*-------------------------------------------------------------------------
 *
 * abi.c
 *		Prints what the interface of libasyncjob is made of: sizes, offsets
 *		and numbers, for a comparison with those of a release.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <asyncjob_client.h>
#include <stdio.h>

#define SIZE(type) printf("sizeof %s %zu\n", #type, sizeof(type))
#define FIELD(type, field) printf("offset %s.%s %zu\n", #type, #field, offsetof(type, field))
#define NUMBER(name) printf("number %s %d\n", #name, (int) name)

int
main(void)
{
	SIZE(asyncjob_error);
	FIELD(asyncjob_error, sqlstate);
	FIELD(asyncjob_error, hint);
	SIZE(asyncjob_update);
	FIELD(asyncjob_update, job_id);
	FIELD(asyncjob_update, seq);
	FIELD(asyncjob_update, state);
	FIELD(asyncjob_update, is_final);
	FIELD(asyncjob_update, at);
	FIELD(asyncjob_update, data);
	FIELD(asyncjob_update, progress);
	SIZE(asyncjob_callbacks);
	FIELD(asyncjob_callbacks, on_connection);
	FIELD(asyncjob_callbacks, arg);
	SIZE(asyncjob_options);
	FIELD(asyncjob_options, max_retries);
	FIELD(asyncjob_options, callbacks);
	FIELD(asyncjob_options, on_notice);
	SIZE(asyncjob_submission);
	FIELD(asyncjob_submission, unique_key);
	NUMBER(ASYNCJOB_JOB_FAILED);
	NUMBER(ASYNCJOB_CANCELLED);
	NUMBER(ASYNCJOB_UPDATE_PROGRESS);
	NUMBER(ASYNCJOB_ERROR);
	NUMBER(ASYNCJOB_RETRY);
	NUMBER(ASYNCJOB_READ);
	NUMBER(ASYNCJOB_WRITE);
	return 0;
}
