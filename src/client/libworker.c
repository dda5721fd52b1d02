/*-------------------------------------------------------------------------
 *
 * libworker.c
 *		The external worker: claims steps, has them handled, reports.
 *
 * The thread that calls asyncjob_worker_run() owns the connection and does
 * all that concerns the server: it claims when the server announces work or
 * a poll is due, renews leases after a third of their time, and sends what
 * came of a task.  Handlers run in threads of their own and share with it
 * only the lists and the tasks, under one lock; a byte in a pipe wakes the
 * loop.  So a handler that computes for an hour keeps its lease, and one that
 * crashes the program lets it expire.
 *
 * Delivery is at least once: a claim whose answer is lost comes back when its
 * lease has expired.  complete() and fail() are fenced by the token and
 * therefore sent again after a lost connection; if the first was carried out
 * the second is refused with 55000, which is then no news.
 *
 * An output or an error that the server refuses for what it is (no JSON, a
 * wrong SQLSTATE) fails the step with the refusal as its message: the lease
 * would else have to expire before anybody heard of it.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"

#define NOT_HELD "55000"

struct asyncjob_task
{
	asyncjob_task *next;		/* in todo or done */
	asyncjob_task *next_held;
	asyncjob_worker *worker;
	asyncjob_rows *rows;		/* of the claim, and the row in it */
	int			row;
	int64_t		job_id;
	char		token[24];
	int64_t		beat_at;		/* ms; main thread only, as the next */
	bool		beating;		/* a heartbeat has no answer yet */
	bool		gone;			/* freed with that answer */
	atomic_bool lost;
	int			result;
	int			connection;		/* over which its end was sent */
	bool		refused;		/* what the handler gave; this says so instead */
	AjlError	refusal;

	/* under the worker's lock */
	double		progress;		/* < 0: none */
	char		message[128];
	char	   *output;
	char	   *error[4];		/* SQLSTATE, message, detail, hint */
	bool		begun;
};

struct asyncjob_worker
{
	asyncjob_worker_options options;
	asyncjob_client *client;
	char	   *queues;			/* as an array's text */
	AjlError	error;
	int			pipe[2];
	atomic_int	stops;			/* how often it was told to stop */

	/* main thread */
	asyncjob_task *held;		/* and those gone but for a heartbeat's answer */
	int			nheld;			/* without the latter */
	bool		ran;
	int			connections;	/* made so far */
	bool		claiming;
	bool		may_be_work;
	int64_t		next_poll;

	/* handlers' threads */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t  *threads;
	int			nthreads;
	asyncjob_task *todo;
	asyncjob_task **todo_end;
	asyncjob_task *done;
	bool		leave;
};

/* ---- what a handler may call ---- */

int64_t
asyncjob_task_job_id(const asyncjob_task *t)
{
	return t->job_id;
}

const char *
asyncjob_task_queue(const asyncjob_task *t)
{
	return asyncjob_rows_text(t->rows, t->row, 2);
}

const char *
asyncjob_task_pipeline(const asyncjob_task *t)
{
	return asyncjob_rows_text(t->rows, t->row, 3);
}

const char *
asyncjob_task_step(const asyncjob_task *t)
{
	return asyncjob_rows_text(t->rows, t->row, 4);
}

int
asyncjob_task_attempt(const asyncjob_task *t)
{
	return (int) asyncjob_rows_int(t->rows, t->row, 5);
}

const char *
asyncjob_task_input(const asyncjob_task *t)
{
	return asyncjob_rows_text(t->rows, t->row, 6);
}

void
asyncjob_task_progress(asyncjob_task *t, double fraction, const char *message)
{
	pthread_mutex_lock(&t->worker->lock);
	t->progress = fraction > 1 ? 1 : fraction >= 0 ? fraction : 0;
	snprintf(t->message, sizeof(t->message), "%s", message ? message : "");
	pthread_mutex_unlock(&t->worker->lock);
}

bool
asyncjob_task_lost(asyncjob_task *t)
{
	return atomic_load(&t->lost);
}

bool
asyncjob_task_stopping(asyncjob_task *t)
{
	return atomic_load(&t->worker->stops) > 0;
}

int
asyncjob_task_output(asyncjob_task *t, const char *json)
{
	char	   *copy = json ? ajl_strdup(json) : NULL;

	if (json != NULL && copy == NULL)
		return ASYNCJOB_OUT_OF_MEMORY;
	ajl_free(t->output);
	t->output = copy;
	return ASYNCJOB_OK;
}

int
asyncjob_task_error(asyncjob_task *t, const char *sqlstate, const char *message,
					const char *detail, const char *hint)
{
	const char *texts[] = {sqlstate, message, detail, hint};

	for (int i = 0; i < 4; i++)
	{
		char	   *copy = texts[i] ? ajl_strdup(texts[i]) : NULL;

		if (texts[i] != NULL && copy == NULL)
			return ASYNCJOB_OUT_OF_MEMORY;
		ajl_free(t->error[i]);
		t->error[i] = copy;
	}
	return ASYNCJOB_OK;
}

/* ---- the handlers' threads ---- */

static void
ring(asyncjob_worker *w)
{
	int			saved = errno;

	/* full is as good: the loop is awake then */
	if (write(w->pipe[1], "", 1) < 0)
		errno = saved;
}

void
asyncjob_worker_stop(asyncjob_worker *w)
{
	atomic_fetch_add(&w->stops, 1);
	ring(w);
}

static void *
handle_tasks(void *arg)
{
	asyncjob_worker *w = arg;

	pthread_mutex_lock(&w->lock);
	for (;;)
	{
		asyncjob_task *t = w->todo;

		if (t == NULL)
		{
			if (w->leave)
				break;
			pthread_cond_wait(&w->wake, &w->lock);
			continue;
		}
		w->todo = t->next;
		if (w->todo == NULL)
			w->todo_end = &w->todo;
		t->begun = true;
		pthread_mutex_unlock(&w->lock);
		t->result = w->options.handler(t, w->options.arg);
		pthread_mutex_lock(&w->lock);
		t->next = w->done;
		w->done = t;
		ring(w);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* ---- the loop ---- */

static void
report(asyncjob_worker *w, int64_t job_id, const asyncjob_error *e)
{
	if (w->options.on_error != NULL)
		w->options.on_error(w, job_id, e, w->options.arg);
}

static void
free_task(asyncjob_task *t)
{
	asyncjob_rows_free(t->rows);
	ajl_free(t->output);
	for (int i = 0; i < 4; i++)
		ajl_free(t->error[i]);
	ajl_free(t);
}

static void
forget_task(asyncjob_worker *w, asyncjob_task *t)
{
	asyncjob_task **p = &w->held;

	while (*p != t)
		p = &(*p)->next_held;
	*p = t->next_held;
	free_task(t);
}

/* The server knows what came of the task, or has given it to another. */
static void
let_go(asyncjob_worker *w, asyncjob_task *t)
{
	w->nheld--;
	w->may_be_work = true;
	t->gone = true;
	if (!t->beating)
		forget_task(w, t);
}

static bool finish(asyncjob_worker *w, asyncjob_task *t, bool give_back);

static void
on_finished(asyncjob_client *c, const asyncjob_error *e, asyncjob_rows *rows, void *arg)
{
	asyncjob_task *t = arg;

	(void) c;
	(void) rows;
	if (e != NULL && !(strcmp(e->sqlstate, NOT_HELD) == 0 &&
					   (atomic_load(&t->lost) || t->connection != t->worker->connections)))
		report(t->worker, t->job_id, e);
	if (e != NULL && e->code == ASYNCJOB_INVALID_INPUT && strcmp(e->sqlstate, NOT_HELD) != 0 &&
		!t->refused)
	{
		t->refused = true;
		ajl_error_set(&t->refusal, ASYNCJOB_INVALID_INPUT, "the handler's %s was refused: %s",
					  t->result == 0 ? "output" : "error", e->message);
		ajl_error_detail(&t->refusal, e->detail);
		if (finish(t->worker, t, false))
			return;
	}
	let_go(t->worker, t);
}

/* Send what came of a task; what can't be sent now is tried again. */
static bool
finish(asyncjob_worker *w, asyncjob_task *t, bool give_back)
{
	char		id[24];
	const char *params[] = {id, t->token, t->output, NULL, NULL, NULL};
	int			rc;

	t->connection = w->connections;
	snprintf(id, sizeof(id), "%lld", (long long) t->job_id);
	if (give_back)
		rc = asyncjob_send_query(w->client, "SELECT asyncjob.fail($1, $2,"
								 " 'the worker was stopped before it began', 'AJ003', '0 s')",
								 2, params, ASYNCJOB_RETRY, on_finished, t);
	else if (t->refused)
	{
		params[2] = t->refusal.message;
		params[3] = "AJ104";
		params[4] = t->refusal.detail[0] ? t->refusal.detail : NULL;
		rc = asyncjob_send_query(w->client, "SELECT asyncjob.fail($1, $2, $3, $4, $5)", 5,
								 params, ASYNCJOB_RETRY, on_finished, t);
	}
	else if (t->result == 0)
		rc = asyncjob_send_query(w->client, "SELECT asyncjob.complete($1, $2, $3)", 3,
								 params, ASYNCJOB_RETRY, on_finished, t);
	else
	{
		params[2] = t->error[1] ? t->error[1] : "the handler failed";
		params[3] = t->error[0] ? t->error[0] : "AJ104";
		params[4] = t->error[2];
		params[5] = t->error[3];
		rc = asyncjob_send_query(w->client, "SELECT asyncjob.fail($1, $2, $3, $4, $5, $6)",
								 6, params, ASYNCJOB_RETRY, on_finished, t);
	}
	return rc == ASYNCJOB_OK;
}

static void
on_beat(asyncjob_client *c, const asyncjob_error *e, asyncjob_rows *rows, void *arg)
{
	asyncjob_task *t = arg;

	(void) c;
	(void) rows;
	t->beating = false;
	if (e != NULL && strcmp(e->sqlstate, NOT_HELD) == 0)
		atomic_store(&t->lost, true);
	if (t->gone)
		forget_task(t->worker, t);
}

static void
beat(asyncjob_worker *w, asyncjob_task *t, int64_t now)
{
	char		id[24],
				lease[32],
				progress[32],
				message[128];
	const char *params[] = {id, t->token, lease, progress, message};

	t->beat_at = now + w->options.lease_ms / 3;
	snprintf(id, sizeof(id), "%lld", (long long) t->job_id);
	snprintf(lease, sizeof(lease), "%d ms", w->options.lease_ms);
	pthread_mutex_lock(&w->lock);
	if (t->progress < 0)
		params[3] = NULL;
	ajl_format_micros(progress, sizeof(progress), t->progress);
	snprintf(message, sizeof(message), "%s", t->message);
	pthread_mutex_unlock(&w->lock);
	if (message[0] == '\0')
		params[4] = NULL;
	if (asyncjob_send_query(w->client, "SELECT asyncjob.heartbeat($1, $2, $3, $4, $5)", 5,
							params, ASYNCJOB_RETRY, on_beat, t) == ASYNCJOB_OK)
		t->beating = true;
}

static void
on_claimed(asyncjob_client *c, const asyncjob_error *e, asyncjob_rows *rows, void *arg)
{
	asyncjob_worker *w = arg;

	(void) c;
	w->claiming = false;
	if (e != NULL)
	{
		report(w, 0, e);
		return;
	}
	/* claim until nothing comes */
	w->may_be_work = asyncjob_rows_count(rows) > 0;
	for (int i = 0; i < asyncjob_rows_count(rows); i++)
	{
		asyncjob_task *t = ajl_alloc(sizeof(*t));

		if (t == NULL)
		{
			AjlError	none;

			/* its lease expires, and somebody gets it */
			ajl_error_set(&none, ASYNCJOB_OUT_OF_MEMORY, "out of memory");
			report(w, asyncjob_rows_int(rows, i, 0), &none.pub);
			continue;
		}
		t->worker = w;
		t->rows = asyncjob_rows_keep(rows);
		t->row = i;
		t->job_id = asyncjob_rows_int(rows, i, 0);
		t->progress = -1;
		t->beat_at = ajl_clock() + w->options.lease_ms / 3;
		snprintf(t->token, sizeof(t->token), "%s", asyncjob_rows_text(rows, i, 1));
		t->next_held = w->held;
		w->held = t;
		w->nheld++;
		pthread_mutex_lock(&w->lock);
		*w->todo_end = t;
		w->todo_end = &t->next;
		pthread_cond_signal(&w->wake);
		pthread_mutex_unlock(&w->lock);
	}
}

static void
claim(asyncjob_worker *w)
{
	char		n[16],
				lease[32];
	const char *params[] = {w->queues, n, lease};

	snprintf(n, sizeof(n), "%d", w->options.batch - w->nheld);
	snprintf(lease, sizeof(lease), "%d ms", w->options.lease_ms);
	w->claiming = asyncjob_send_query(w->client, "SELECT * FROM asyncjob.claim($1, $2, $3)",
									  3, params, 0, on_claimed, w) == ASYNCJOB_OK;
}

static void
on_work(asyncjob_client *c, const asyncjob_update *u, void *arg)
{
	(void) c;
	(void) u;
	((asyncjob_worker *) arg)->may_be_work = true;
}

static void
on_connection(asyncjob_client *c, asyncjob_connection state, const asyncjob_error *e, void *arg)
{
	(void) c;
	(void) e;
	if (state == ASYNCJOB_CONNECTED)
		((asyncjob_worker *) arg)->connections++;
}

static void
on_refused(asyncjob_client *c, asyncjob_subscription sub, int64_t job_id,
		   const asyncjob_error *e, void *arg)
{
	(void) c;
	(void) sub;
	(void) job_id;
	report(arg, 0, e);
}

/* Report what handlers have finished; when stopping give back what none began. */
static void
collect(asyncjob_worker *w)
{
	asyncjob_task *done;
	asyncjob_task *unbegun = NULL;
	asyncjob_task *next;

	pthread_mutex_lock(&w->lock);
	done = w->done;
	w->done = NULL;
	if (atomic_load(&w->stops) > 0)
	{
		unbegun = w->todo;
		w->todo = NULL;
		w->todo_end = &w->todo;
	}
	pthread_mutex_unlock(&w->lock);
	for (; done != NULL; done = next)
	{
		next = done->next;
		if (!finish(w, done, false))
		{
			/* no memory: the next round tries again */
			pthread_mutex_lock(&w->lock);
			done->next = w->done;
			w->done = done;
			pthread_mutex_unlock(&w->lock);
		}
	}
	for (; unbegun != NULL; unbegun = next)
	{
		next = unbegun->next;
		if (!finish(w, unbegun, true))
			let_go(w, unbegun);
	}
}

/* Wait for the server, a handler, a signal, or what is due. */
static void
wait_for_something(asyncjob_worker *w)
{
	struct pollfd fds[2] = {
		{.fd = asyncjob_socket(w->client)},
		{.fd = w->pipe[0],.events = POLLIN}
	};
	int			events = asyncjob_events(w->client);
	int			timeout = asyncjob_timeout(w->client);
	int64_t		now = ajl_clock();
	int64_t		due = w->next_poll;
	char		bytes[64];

	for (asyncjob_task *t = w->held; t != NULL; t = t->next_held)
		if (t->beat_at < due && !t->gone)
			due = t->beat_at;
	if (timeout < 0 || due - now < timeout)
		timeout = due > now ? (int) (due - now) : 0;
	fds[0].events = (short) ((events & ASYNCJOB_READ ? POLLIN : 0) |
							 (events & ASYNCJOB_WRITE ? POLLOUT : 0));
	if (poll(fds, 2, timeout) > 0 && (fds[1].revents & POLLIN))
		while (read(w->pipe[0], bytes, sizeof(bytes)) == (ssize_t) sizeof(bytes))
			;
}

static bool
subscribe_queues(asyncjob_worker *w)
{
	asyncjob_callbacks cb = ASYNCJOB_CALLBACKS_INIT;

	cb.on_update = on_work;
	cb.on_error = on_refused;
	cb.arg = w;
	for (const char *const *q = w->options.queues; *q != NULL; q++)
		if (ajl_subscribe_queue(w->client, *q, &cb) == 0)
			return false;
	return true;
}

int
asyncjob_worker_run(asyncjob_worker *w)
{
	int			rc = ASYNCJOB_OK;

	if (w->ran)
		return (int) ajl_error_set(&w->error, ASYNCJOB_INVALID_INPUT,
								   "a worker runs once; make another one to go on");
	w->ran = true;
	while (w->nthreads < w->options.threads &&
		   pthread_create(&w->threads[w->nthreads], NULL, handle_tasks, w) == 0)
		w->nthreads++;
	if (w->nthreads == 0 || !subscribe_queues(w))
		rc = (int) ajl_error_set(&w->error, ASYNCJOB_OUT_OF_MEMORY,
								 "could not start the worker: out of memory or threads");
	w->may_be_work = true;
	w->next_poll = ajl_clock() + w->options.poll_interval_ms;
	while (rc == ASYNCJOB_OK)
	{
		int64_t		now = ajl_clock();
		int			stops = atomic_load(&w->stops);

		collect(w);
		if (stops > 1 || (stops > 0 && w->nheld == 0 && !w->claiming))
			break;
		if (now >= w->next_poll)
		{
			w->may_be_work = true;
			w->next_poll = now + w->options.poll_interval_ms;
		}
		for (asyncjob_task *t = w->held; t != NULL; t = t->next_held)
			if (t->gone)
				continue;		/* but for an answer */
			else if (now >= t->beat_at && !t->beating && !atomic_load(&t->lost))
				beat(w, t, now);
			else if (now >= t->beat_at)
				t->beat_at = now + w->options.lease_ms / 3;
		if (stops == 0 && w->may_be_work && !w->claiming && w->nheld < w->options.batch &&
			asyncjob_connection_state(w->client) == ASYNCJOB_CONNECTED)
		{
			w->may_be_work = false;
			claim(w);
		}
		if (asyncjob_timeout(w->client) != 0)
			wait_for_something(w);
		(void) asyncjob_dispatch(w->client);

		/* refused: handlers' results could not be told anyway */
		if (asyncjob_connection_state(w->client) == ASYNCJOB_ERROR)
			rc = (int) ajl_error_copy(&w->error, &w->client->link_error);
	}

	/* What handlers still do is in vain; those that ask may return at once. */
	for (asyncjob_task *t = w->held; t != NULL; t = t->next_held)
		atomic_store(&t->lost, true);
	pthread_mutex_lock(&w->lock);
	w->leave = true;
	w->todo = NULL;
	w->todo_end = &w->todo;
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
	while (w->nthreads > 0)
		(void) pthread_join(w->threads[--w->nthreads], NULL);
	return rc;
}

/* ---- making and freeing one ---- */

const asyncjob_error *
asyncjob_worker_error(const asyncjob_worker *w)
{
	return &w->error.pub;
}

/* Names of queues as the text of an array. */
static char *
array_text(const char *const *names)
{
	AjlBuf		buf = {NULL, 0, 0, false};

	ajl_buf_add(&buf, "{");
	for (const char *const *q = names; *q != NULL; q++)
	{
		ajl_buf_add(&buf, q == names ? "\"" : ",\"");
		for (const char *p = *q; *p; p++)
		{
			char text[	3] = {*p, '\0', '\0'};

			if (*p == '"' || *p == '\\')
			{
				text[		0] = '\\';
				text[		1] = *p;
			}
			ajl_buf_add(&buf, text);
		}
		ajl_buf_add(&buf, "\"");
	}
	ajl_buf_add(&buf, "}");
	return buf.failed ? NULL : buf.data;
}

asyncjob_worker *
asyncjob_worker_new(const asyncjob_worker_options *options)
{
	asyncjob_worker_options o = ASYNCJOB_WORKER_OPTIONS_INIT;
	asyncjob_options client = ASYNCJOB_OPTIONS_INIT;
	asyncjob_worker *w;

	if (options == NULL || options->struct_size < sizeof(size_t) ||
		options->struct_size > sizeof(o))
		return NULL;
	memcpy(&o, options, options->struct_size);
	if (o.batch == 0)
		o.batch = o.threads;
	if (o.handler == NULL || o.queues == NULL || o.queues[0] == NULL || o.threads < 1 ||
		o.threads > 1000 || o.batch < 1 || o.batch > 1000 || o.lease_ms < 1000 ||
		o.poll_interval_ms < 1)
		return NULL;
	w = ajl_alloc(sizeof(*w));
	if (w == NULL)
		return NULL;
	w->options = o;
	w->pipe[0] = w->pipe[1] = -1;
	w->todo_end = &w->todo;
	ajl_error_clear(&w->error);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	client.conninfo = o.conninfo;
	client.application_name = "asyncjob worker";
	client.max_retries = -1;
	client.subscription_timeout_ms = -1;
	client.callbacks.on_connection = on_connection;
	client.callbacks.arg = w;
	w->client = asyncjob_new(&client);
	w->queues = array_text(o.queues);
	w->threads = ajl_alloc(sizeof(pthread_t) * (size_t) o.threads);
	if (w->client == NULL || w->queues == NULL || w->threads == NULL ||
		pipe2(w->pipe, O_NONBLOCK | O_CLOEXEC) != 0)
	{
		asyncjob_worker_free(w);
		return NULL;
	}
	return w;
}

void
asyncjob_worker_free(asyncjob_worker *w)
{
	if (w == NULL)
		return;
	asyncjob_free(w->client);
	while (w->held != NULL)
	{
		asyncjob_task *t = w->held;

		w->held = t->next_held;
		free_task(t);
	}
	if (w->pipe[0] >= 0)
	{
		(void) close(w->pipe[0]);
		(void) close(w->pipe[1]);
	}
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	ajl_free(w->threads);
	ajl_free(w->queues);
	ajl_free(w);
}
