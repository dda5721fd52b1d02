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
#include <stdatomic.h>
#include <unistd.h>

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

/* ---- the external worker: its threads and the loop ---- */

#define STEPS 300

static asyncjob_worker *worker;
static atomic_int handled;
static atomic_int odd;			/* handlers that saw something strange */

static int
handle(asyncjob_task *task, void *arg)
{
	int			n = atomic_fetch_add(&handled, 1) + 1;

	if (arg != NULL || strcmp(asyncjob_task_input(task), "{\"n\": 1}") != 0 ||
		strcmp(asyncjob_task_queue(task), "q") != 0 || asyncjob_task_attempt(task) != 1)
		atomic_fetch_add(&odd, 1);
	asyncjob_task_progress(task, 0.5, "half of it");
	if (asyncjob_task_job_id(task) % 50 == 1)
		usleep(400000);			/* longer than a third of the lease */
	(void) asyncjob_task_lost(task);
	if (n == STEPS && !asyncjob_task_stopping(task))
		asyncjob_worker_stop(worker);	/* once: twice would be at once */
	if (asyncjob_task_job_id(task) % 11 == 5)
		return asyncjob_task_output(task, "no JSON");
	if (asyncjob_task_job_id(task) % 11 == 6)
		return asyncjob_task_error(task, "nonsense", "not in a SQLSTATE", NULL, NULL) + 1;
	if (asyncjob_task_job_id(task) % 3 == 0)
		return asyncjob_task_error(task, NULL, "every third", NULL, NULL) + 1;
	return asyncjob_task_output(task, "{}");
}

static void
work(void)
{
	static const char *const queues[] = {"q", "with \"quotes\"", NULL};
	asyncjob_worker_options o = ASYNCJOB_WORKER_OPTIONS_INIT;
	int			rc;

	memset(&fake, 0, sizeof(fake));
	fake.claimable = STEPS;
	fake.cancel_every = 7;
	o.queues = queues;
	o.handler = handle;
	o.threads = THREADS;
	o.batch = 2 * THREADS;
	o.lease_ms = 1000;
	worker = asyncjob_worker_new(&o);
	rc = asyncjob_worker_run(worker);
	ok(rc == ASYNCJOB_OK && fake.claimed == STEPS && atomic_load(&handled) <= STEPS,
	   "the worker stops when it is told to, after %d steps", fake.claimed);
	ok(fake.completed + fake.given_up == STEPS && fake.completed > STEPS / 3,
	   "each step has one end: %d completed, %d not", fake.completed, fake.given_up);
	ok(fake.beats > 0 && atomic_load(&odd) == 0, "leases are renewed meanwhile, %d times",
	   fake.beats);
	ok(asyncjob_worker_run(worker) == ASYNCJOB_INVALID_INPUT, "a worker runs once: %s",
	   asyncjob_worker_error(worker)->message);
	asyncjob_worker_free(worker);
	ok(fake.results == 0 && fake.open_connections == 0, "nothing is left");
	o.lease_ms = 10;
	ok(asyncjob_worker_new(&o) == NULL, "a lease too short is refused");
}

int
main(void)
{
	Thread		threads[THREADS];
	int64_t		(*clock) (void) = ajl_clock;

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
	ajl_clock = clock;
	work();
	return unit_done();
}
