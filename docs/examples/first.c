/*-------------------------------------------------------------------------
 *
 * first.c
 *		Submit a job, wait for it, print its result.
 *
 *		cc -o first first.c $(pkg-config --cflags --libs libasyncjob)
 *		PGDATABASE=mydb ./first noop '{"hello": "world"}'
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <asyncjob_client.h>
#include <stdio.h>

int
main(int argc, char **argv)
{
	asyncjob_client *client = asyncjob_new(NULL);	/* PGHOST and so on */
	asyncjob_submission job = ASYNCJOB_SUBMISSION_INIT;
	int64_t		id;
	char	   *json;

	if (client == NULL)
		return 1;
	job.pipeline = argc > 1 ? argv[1] : "noop";
	job.params = argc > 2 ? argv[2] : "{}";
	if (asyncjob_submit(client, &job, &id) != ASYNCJOB_OK ||
		asyncjob_wait(client, id, 60000, NULL) != ASYNCJOB_OK ||
		asyncjob_result(client, id, &json) != ASYNCJOB_OK)
	{
		const asyncjob_error *e = asyncjob_last_error(client);

		fprintf(stderr, "%s: %s\n%s\n", asyncjob_code_name(e->code), e->message, e->hint);
		asyncjob_free(client);
		return 1;
	}
	printf("job %lld: %s\n", (long long) id, json);
	asyncjob_free_memory(json);
	asyncjob_free(client);
	return 0;
}
