/*-------------------------------------------------------------------------
 *
 * test_client_threads.c
 *		The thread rule of libasyncjob: a client for each thread, several
 *		threads at once.  Built with the thread sanitizer, which reports what
 *		they share by mistake and ends the program.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <pthread.h>

#include "lib.h"

#include "fakepq.h"
#include "unit.h"

#define THREADS 4
#define JOBS 20

typedef struct Thread
{
	pthread_t	id;
	int			ended;
	int			updates;
	int			refused;
	asyncjob_client *client;
}			Thread;

static void
on_update(asyncjob_client *c, const asyncjob_update *u, void *arg)
{
	(void) c;
	((Thread *) arg)->updates += u->kind != ASYNCJOB_UPDATE_PROGRESS;
}

static void
on_complete(asyncjob_client *c, const asyncjob_update *u, void *arg)
{
	(void) c;
	(void) u;
	((Thread *) arg)->ended++;
}

static void
on_submitted(asyncjob_client *c, const asyncjob_error *e, asyncjob_rows *rows, void *arg)
{
	if (e != NULL ||
		asyncjob_subscribe_job(c, asyncjob_rows_int(rows, 0, 0), 0, NULL) == 0)
		((Thread *) arg)->refused++;
}

static void *
run(void *arg)
{
	Thread	   *t = arg;
	asyncjob_options o = ASYNCJOB_OPTIONS_INIT;
	asyncjob_submission s = ASYNCJOB_SUBMISSION_INIT;

	fake.seed = (unsigned) (t->id ^ t->id >> 16);
	fake.fail_rate = 0.01;
	o.max_retries = -1;
	o.subscription_timeout_ms = -1;
	o.callbacks.on_update = on_update;
	o.callbacks.on_complete = on_complete;
	o.callbacks.arg = t;
	t->client = asyncjob_new(&o);
	s.pipeline = "p";
	for (int i = 0; i < JOBS; i++)
		t->refused += asyncjob_send_submit(t->client, &s, on_submitted, t) != ASYNCJOB_OK;
	for (int i = 0; i < 100000 && t->ended + t->refused < JOBS; i++)
	{
		int			timeout = asyncjob_timeout(t->client);

		if (timeout > 0)
			fake_now += timeout;
		(void) asyncjob_dispatch(t->client);
		if (i % 5 == 0)
			for (int job = 1; job <= fake.njobs; job++)
				fake_advance(job);
	}
	asyncjob_free(t->client);
	return NULL;
}

int
main(void)
{
	Thread		threads[THREADS];

	ajl_clock = fake_clock;
	memset(threads, 0, sizeof(threads));
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i].id, NULL, run, &threads[i]) != 0)
			return 1;
	for (int i = 0; i < THREADS; i++)
		(void) pthread_join(threads[i].id, NULL);
	for (int i = 0; i < THREADS; i++)
		ok(threads[i].ended + threads[i].refused == JOBS &&
		   threads[i].updates == threads[i].ended * FAKE_LAST,
		   "thread %d: %d jobs with %d updates, %d refused", i, threads[i].ended,
		   threads[i].updates, threads[i].refused);
	return unit_done();
}
