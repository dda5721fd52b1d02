/*-------------------------------------------------------------------------
 *
 * worker.c
 *		An external worker: counts the words of {"text": "..."}.
 *
 *		cc -o worker worker.c $(pkg-config --cflags --libs libasyncjob)
 *		PGDATABASE=mydb ./worker words
 *
 * and in the database, once:
 *
 *		SELECT asyncjob.create_queue('words');
 *		SELECT asyncjob.create_pipeline('count_words',
 *			'[{"name": "count", "handler": "external"}]');
 *		SELECT asyncjob.submit('count_words', '{"text": "to be or not"}',
 *			queue => 'words');
 *
 * SIGTERM and SIGINT end it when the step in hand is done; a second one at
 * once.  {"seconds": 5} beside the text makes it take its time.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <asyncjob_client.h>
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static asyncjob_worker *worker;

static void
on_signal(int signo)
{
	(void) signo;
	asyncjob_worker_stop(worker);
}

/* The value of a key, by search: a real worker uses a JSON library. */
static const char *
value_of(const char *json, const char *key)
{
	const char *p = strstr(json, key);

	p = p ? strchr(p, ':') : NULL;
	return p ? p + 1 + strspn(p + 1, " ") : NULL;
}

static int
count_words(asyncjob_task *task, void *arg)
{
	const char *text = value_of(asyncjob_task_input(task), "\"text\"");
	const char *seconds = value_of(asyncjob_task_input(task), "\"seconds\"");
	int			tenths = seconds ? (int) (atof(seconds) * 10) : 0;
	int			words = 0;
	char		output[64];

	(void) arg;
	if (text == NULL || *text != '"')
	{
		asyncjob_task_error(task, "AJ101", "text is missing", NULL,
							"Submit {\"text\": \"...\"}.");
		return 1;
	}
	for (int i = 0; i < tenths; i++)
	{
		if (asyncjob_task_lost(task))
			return 1;			/* cancelled, or somebody else has it */
		asyncjob_task_progress(task, (double) i / tenths, "counting");
		usleep(100000);
	}
	for (const char *p = text + 1; *p != '\0' && *p != '"'; p++)
		if (!isspace((unsigned char) *p) && (isspace((unsigned char) p[-1]) || p == text + 1))
			words++;
	snprintf(output, sizeof(output), "{\"words\": %d}", words);
	return asyncjob_task_output(task, output);
}

static void
on_error(asyncjob_worker *w, int64_t job_id, const asyncjob_error *e, void *arg)
{
	(void) w;
	(void) arg;
	fprintf(stderr, "job %lld: %s\n", (long long) job_id, e->message);
}

int
main(int argc, char **argv)
{
	asyncjob_worker_options options = ASYNCJOB_WORKER_OPTIONS_INIT;
	struct sigaction action;
	int			rc;

	if (argc < 2)
	{
		fprintf(stderr, "usage: worker QUEUE...\n");
		return 1;
	}
	options.queues = (const char *const *) argv + 1;
	options.handler = count_words;
	options.on_error = on_error;
	options.threads = 4;
	options.lease_ms = 10000;
	worker = asyncjob_worker_new(&options);
	if (worker == NULL)
		return 1;
	memset(&action, 0, sizeof(action));
	action.sa_handler = on_signal;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	rc = asyncjob_worker_run(worker);
	if (rc != ASYNCJOB_OK)
		fprintf(stderr, "%s: %s\n", asyncjob_code_name((asyncjob_code) rc),
				asyncjob_worker_error(worker)->message);
	asyncjob_worker_free(worker);
	return rc == ASYNCJOB_OK ? 0 : 1;
}
