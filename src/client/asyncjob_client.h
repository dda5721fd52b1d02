/*-------------------------------------------------------------------------
 *
 * asyncjob_client.h
 *		libasyncjob: submit jobs to a PostgreSQL database with the extension
 *		asyncjob, follow them, and work on them from outside.
 *
 * One client object holds one connection and any number of subscriptions.
 * The core never blocks: a program's event loop watches asyncjob_socket() for
 * asyncjob_events(), for at most asyncjob_timeout() ms, and then calls
 * asyncjob_dispatch(), which calls back.  Programs without a loop use the
 * functions under "Blocking".  docs/libasyncjob.md explains all of it.
 *
 * Threads: a client belongs to one thread at a time; different clients may be
 * used by different threads at once.  asyncjob_set_allocator() comes before
 * all else.  Only asyncjob_worker_stop() and the functions of a task may be
 * called from other threads.
 *
 * Errors: functions that can fail return an asyncjob_code and leave the rest
 * in the client, see asyncjob_last_error().
 *
 * Structs that a program fills in begin with their size, so that they can
 * grow; those that the library passes to a callback live until it returns.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef ASYNCJOB_CLIENT_H
#define ASYNCJOB_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C"
{
#endif

/* Version of the interface: the number in the name of libasyncjob.so. */
#define ASYNCJOB_SOVERSION 0

typedef struct asyncjob_client asyncjob_client;
typedef struct asyncjob_rows asyncjob_rows;
typedef struct asyncjob_worker asyncjob_worker;
typedef struct asyncjob_task asyncjob_task;
typedef uint64_t asyncjob_subscription; /* 0: none */

/* ---- errors ---- */

typedef enum asyncjob_code
{
	ASYNCJOB_OK = 0,
	ASYNCJOB_AUTH_REQUIRED = 1, /* password, role, or a right is missing */
	ASYNCJOB_INVALID_INPUT = 2, /* refused; the same again will be refused */
	ASYNCJOB_SUBMISSION_FAILED = 3, /* not submitted, after all retries */
	ASYNCJOB_UNKNOWN_ERROR = 4, /* any other error of the server */
	ASYNCJOB_CONNECTION_FAILED = 5,
	ASYNCJOB_TIMEOUT = 6,
	ASYNCJOB_OUT_OF_MEMORY = 7,
	ASYNCJOB_JOB_FAILED = 8		/* the job waited for failed or was cancelled */
} asyncjob_code;

typedef struct asyncjob_error
{
	asyncjob_code code;
	const char *sqlstate;		/* five characters, or "" if not the server's */
	const char *message;		/* never NULL, as the next two */
	const char *detail;
	const char *hint;
} asyncjob_error;

/* "AUTH_REQUIRED" and so on */
extern const char *asyncjob_code_name(asyncjob_code code);

/* Of the last function that failed; never NULL, valid until the next call. */
extern const asyncjob_error *asyncjob_last_error(const asyncjob_client *client);

/* ---- jobs ---- */

typedef enum asyncjob_job_state
{
	ASYNCJOB_UNKNOWN = 0,		/* a state of a newer server */
	ASYNCJOB_QUEUED,
	ASYNCJOB_RUNNING,
	ASYNCJOB_WAITING,
	ASYNCJOB_COMPLETED,
	ASYNCJOB_FAILED,
	ASYNCJOB_CANCELLED
} asyncjob_job_state;

extern const char *asyncjob_state_name(asyncjob_job_state state);
extern bool asyncjob_state_is_final(asyncjob_job_state state);

typedef enum asyncjob_update_kind
{
	ASYNCJOB_UPDATE_STATE = 1,	/* the job changed its state */
	ASYNCJOB_UPDATE_STEP,		/* a step finished */
	ASYNCJOB_UPDATE_ATTEMPT,	/* an attempt failed; data holds the error */
	ASYNCJOB_UPDATE_LOG,		/* a handler's log line */
	ASYNCJOB_UPDATE_PROGRESS	/* live, not replayed, seq is 0 */
} asyncjob_update_kind;

/* Strings are UTF-8; those that do not apply are NULL. */
typedef struct asyncjob_update
{
	asyncjob_subscription subscription;
	int64_t		job_id;
	int32_t		seq;			/* as of asyncjob.updates(); 0 for progress */
	asyncjob_update_kind kind;
	asyncjob_job_state state;	/* of kind STATE and PROGRESS */
	bool		is_final;		/* STATE: the job has ended */
	double		at;				/* seconds since 1970; 0 for progress */
	const char *step;
	const char *level;
	const char *message;
	const char *data;			/* JSON */
	int32_t		step_no;		/* of kind PROGRESS: from 1, */
	int32_t		step_count;		/* of how many, */
	double		progress;		/* and 0..1 over the whole job */
} asyncjob_update;

/* ---- the client ---- */

typedef enum asyncjob_connection
{
	ASYNCJOB_DISCONNECTED = 0,
	ASYNCJOB_CONNECTING,
	ASYNCJOB_CONNECTED,
	ASYNCJOB_ERROR				/* max_retries were in vain */
} asyncjob_connection;

extern const char *asyncjob_connection_name(asyncjob_connection state);

/*
 * What a subscription calls; any may be NULL.  A callback may call every
 * function of the library that does not block; asyncjob_free() too, but not
 * from within a blocking function.
 *
 * on_update: each durable update once and in order, and live progress.
 * on_complete: after on_update, once for each final state.  A subscription to
 *		one job ends with it.
 * on_error: the subscription has ended without a final state.
 * on_connection: of the client's callbacks only.
 */
typedef struct asyncjob_callbacks
{
	size_t		struct_size;
	void		(*on_update) (asyncjob_client *client,
							  const asyncjob_update *update, void *arg);
	void		(*on_complete) (asyncjob_client *client,
								const asyncjob_update *update, void *arg);
	void		(*on_error) (asyncjob_client *client,
							 asyncjob_subscription subscription, int64_t job_id,
							 const asyncjob_error *error, void *arg);
	void		(*on_connection) (asyncjob_client *client,
								  asyncjob_connection state,
								  const asyncjob_error *error, void *arg);
	void	   *arg;
	void	   *reserved[4];	/* NULL */
} asyncjob_callbacks;

/* ASYNCJOB_OPTIONS_INIT gives the defaults, which are named here. */
typedef struct asyncjob_options
{
	size_t		struct_size;
	const char *conninfo;		/* as of PQconnectdb; NULL or "": environment */
	const char *application_name;	/* "libasyncjob", where not set otherwise */
	int			max_retries;	/* 3; -1: for ever */
	int			retry_delay_ms; /* 1000 */
	double		backoff_multiplier; /* 2 */
	int			max_delay_ms;	/* 30000 */
	double		jitter;			/* 0.5: a delay is cut by up to this part */
	int			subscription_timeout_ms;	/* 300000; without a connection;
											 * -1: never */
	int			connect_timeout_ms; /* 20000, of one attempt */
	int			poll_interval_ms;	/* 5000; look without being told; -1:
									 * never */
	asyncjob_callbacks callbacks;	/* of subscriptions without their own */
	void		(*on_notice) (asyncjob_client *client, const char *severity,
							  const char *message, void *arg);	/* none */
} asyncjob_options;

#define ASYNCJOB_CALLBACKS_INIT {sizeof(asyncjob_callbacks), 0, 0, 0, 0, 0, {0}}
#define ASYNCJOB_OPTIONS_INIT \
	{sizeof(asyncjob_options), 0, 0, 3, 1000, 2.0, 30000, 0.5, 300000, \
	20000, 5000, ASYNCJOB_CALLBACKS_INIT, 0}

/*
 * Memory of this library; libpq's own is not covered.  All three, before any
 * other call; NULLs mean the C library's again.
 */
extern void asyncjob_set_allocator(void *(*alloc_fn) (size_t),
								   void *(*realloc_fn) (void *, size_t),
								   void (*free_fn) (void *));

/* Version of the library, "0.1.0" */
extern const char *asyncjob_version(void);

/* NULL: out of memory or an option out of range.  Connects at first use. */
extern asyncjob_client *asyncjob_new(const asyncjob_options *options);

/* Ends the connection and all subscriptions; calls nothing back. */
extern void asyncjob_free(asyncjob_client *client);

/* Begin to connect, also after asyncjob_disconnect() or in state ERROR. */
extern int	asyncjob_connect(asyncjob_client *client);

/* Close the connection; subscriptions stay for the next one. */
extern void asyncjob_disconnect(asyncjob_client *client);

/* Other credentials or server: reconnects, keeps subscriptions and requests. */
extern int	asyncjob_set_conninfo(asyncjob_client *client, const char *conninfo);

extern asyncjob_connection asyncjob_connection_state(const asyncjob_client *client);

/* Why the last attempt failed, or the connection ended; code OK: neither. */
extern const asyncjob_error *asyncjob_connection_error(const asyncjob_client *client);
extern int	asyncjob_reconnect_attempts(const asyncjob_client *client);

/* ---- event loop ---- */

#define ASYNCJOB_READ	1
#define ASYNCJOB_WRITE	2

/* Ask anew after each dispatch: the socket changes when connecting. */
extern int	asyncjob_socket(const asyncjob_client *client); /* -1: none */
extern int	asyncjob_events(const asyncjob_client *client);
extern int	asyncjob_timeout(const asyncjob_client *client);	/* ms; -1: none */

/* Do what can be done now.  Fails only when there is no connection to be had. */
extern int	asyncjob_dispatch(asyncjob_client *client);

/* Requests that have no answer yet, and live subscriptions */
extern size_t asyncjob_pending(const asyncjob_client *client);
extern size_t asyncjob_subscriptions(const asyncjob_client *client);

/* ---- subscriptions ---- */

/*
 * callbacks NULL: the client's.  Returns 0 where it fails at once; an id that
 * does not exist, or is another role's, comes to on_error.  since_seq is the
 * last update already known, 0 for all.
 */
extern asyncjob_subscription asyncjob_subscribe_job(asyncjob_client *client,
													int64_t job_id, int32_t since_seq,
													const asyncjob_callbacks *callbacks);

/* Jobs of a session: those not finished now, from their beginning, and new ones. */
extern asyncjob_subscription asyncjob_subscribe_session(asyncjob_client *client,
														const char *session_id,
														const asyncjob_callbacks *callbacks);

/* All jobs that the role may see: those that run now, and what comes. */
extern asyncjob_subscription asyncjob_subscribe_all(asyncjob_client *client,
													const asyncjob_callbacks *callbacks);
extern void asyncjob_unsubscribe(asyncjob_client *client,
								 asyncjob_subscription subscription);

/* ---- requests ---- */

/* Of asyncjob.submit(); what is NULL keeps the server's default. */
typedef struct asyncjob_submission
{
	size_t		struct_size;
	const char *pipeline;
	const char *params;			/* JSON text */
	const char *queue;
	const char *priority;		/* "0" to "10", "HIGH", ... */
	const char *run_at;			/* timestamptz */
	const char *user_id;
	const char *session_id;
	const char *unique_key;
} asyncjob_submission;

#define ASYNCJOB_SUBMISSION_INIT {sizeof(asyncjob_submission), 0, 0, 0, 0, 0, 0, 0, 0}

/* Exactly one of error and rows is set; the callback may keep rows. */
typedef void (*asyncjob_reply) (asyncjob_client *client,
								const asyncjob_error *error,
								asyncjob_rows *rows, void *arg);

/*
 * Submit once, whatever happens to the connection: the answer's only value is
 * the job's id.  See docs/libasyncjob.md about how.
 */
extern int	asyncjob_send_submit(asyncjob_client *client,
								 const asyncjob_submission *submission,
								 asyncjob_reply reply, void *arg);

#define ASYNCJOB_RETRY	1		/* may be run twice: send again after a lost
								 * connection */
#define ASYNCJOB_BINARY	2		/* values in PostgreSQL's binary format */

/* Any one statement; parameters are text or NULL, $1 and so on. */
extern int	asyncjob_send_query(asyncjob_client *client, const char *sql,
								int nparams, const char *const *params,
								int flags, asyncjob_reply reply, void *arg);

extern int	asyncjob_rows_count(const asyncjob_rows *rows);
extern int	asyncjob_rows_columns(const asyncjob_rows *rows);
extern const char *asyncjob_rows_name(const asyncjob_rows *rows, int column);
extern const char *asyncjob_rows_value(const asyncjob_rows *rows, int row,
									   int column); /* NULL if null */

/* As asyncjob_rows_value, but "" if null. */
extern const char *asyncjob_rows_text(const asyncjob_rows *rows, int row,
									  int column);
extern size_t asyncjob_rows_length(const asyncjob_rows *rows, int row,
								   int column);
extern int64_t asyncjob_rows_int(const asyncjob_rows *rows, int row,
								 int column);	/* 0 if null */
extern double asyncjob_rows_double(const asyncjob_rows *rows, int row,
								   int column); /* 0 if null */

/* Keep the rows of a reply beyond it; then free them. */
extern asyncjob_rows *asyncjob_rows_keep(asyncjob_rows *rows);
extern void asyncjob_rows_free(asyncjob_rows *rows);

/* ---- blocking ---- */

/*
 * These run the loop until their answer is there, so callbacks of other
 * subscriptions happen meanwhile; not from within a callback.
 */

/* One round: wait at most timeout_ms (-1: as long as it takes), dispatch. */
extern int	asyncjob_run(asyncjob_client *client, int timeout_ms);

/* Wait until connected, or until that has failed for good. */
extern int	asyncjob_connect_wait(asyncjob_client *client, int timeout_ms);
extern int	asyncjob_submit(asyncjob_client *client,
							const asyncjob_submission *submission,
							int64_t *job_id);

/* Free *rows in the end.  flags as of asyncjob_send_query. */
extern int	asyncjob_query(asyncjob_client *client, const char *sql,
						   int nparams, const char *const *params, int flags,
						   asyncjob_rows **rows);

/* *rows: one row of asyncjob.job_status, columns by name */
extern int	asyncjob_status(asyncjob_client *client, int64_t job_id,
							asyncjob_rows **rows);

/* *json: NULL as long as there is none; free with asyncjob_free_memory. */
extern int	asyncjob_result(asyncjob_client *client, int64_t job_id,
							char **json);

/*
 * Wait for the end of a job.  JOB_FAILED if it failed or was cancelled; then
 * the error is the job's own.
 */
extern int	asyncjob_wait(asyncjob_client *client, int64_t job_id,
						  int timeout_ms, asyncjob_job_state *state);

/* *done false: it had already ended */
extern int	asyncjob_cancel(asyncjob_client *client, int64_t job_id,
							const char *reason, bool *done);
extern int	asyncjob_retry(asyncjob_client *client, int64_t job_id);
extern void asyncjob_free_memory(void *p);

/* ---- external worker ---- */

/*
 * Works on the steps of queues whose handler is external.  The handler runs in
 * threads of the worker's own, so it must be fit for that, as must be the
 * allocator; meanwhile the thread in asyncjob_worker_run() keeps the leases.
 * It sets an output or an error and returns; 0 means success.
 */
typedef int (*asyncjob_handler) (asyncjob_task *task, void *arg);

typedef struct asyncjob_worker_options
{
	size_t		struct_size;
	const char *conninfo;		/* as of asyncjob_options */
	const char *const *queues;	/* names, then NULL */
	asyncjob_handler handler;
	void	   *arg;
	int			threads;		/* 1: handlers that run at once */
	int			batch;			/* 0: as many as threads; steps held at once */
	int			lease_ms;		/* 60000; renewed after a third of it */
	int			poll_interval_ms;	/* 5000; claim without being told */
	void		(*on_error) (asyncjob_worker *worker, int64_t job_id,
							 const asyncjob_error *error, void *arg);
} asyncjob_worker_options;

#define ASYNCJOB_WORKER_OPTIONS_INIT \
	{sizeof(asyncjob_worker_options), 0, 0, 0, 0, 1, 0, 60000, 5000, 0}

/* NULL: out of memory or an option out of range. */
extern asyncjob_worker *asyncjob_worker_new(const asyncjob_worker_options *options);

/*
 * Work until asyncjob_worker_stop().  Then running handlers are waited for,
 * and steps that none has begun are given back.  A connection that is lost is
 * made again for ever; fails where the server refuses us.  A worker runs once.
 */
extern int	asyncjob_worker_run(asyncjob_worker *worker);

/*
 * May be called by any thread and by a signal handler.  Called twice, the
 * worker reports nothing more and returns as soon as the running handlers
 * have, to whom their tasks are lost then; leases expire.
 */
extern void asyncjob_worker_stop(asyncjob_worker *worker);
extern const asyncjob_error *asyncjob_worker_error(const asyncjob_worker *worker);
extern void asyncjob_worker_free(asyncjob_worker *worker);

/* Of a task, by the handler that has it; strings live as long as the task. */
extern int64_t asyncjob_task_job_id(const asyncjob_task *task);
extern const char *asyncjob_task_queue(const asyncjob_task *task);
extern const char *asyncjob_task_pipeline(const asyncjob_task *task);
extern const char *asyncjob_task_step(const asyncjob_task *task);
extern int	asyncjob_task_attempt(const asyncjob_task *task);
extern const char *asyncjob_task_input(const asyncjob_task *task);	/* JSON */

/* Shown with the next heartbeat; fraction is 0..1. */
extern void asyncjob_task_progress(asyncjob_task *task, double fraction,
								   const char *message);

/* The job was cancelled or given to another: what is done now is in vain. */
extern bool asyncjob_task_lost(asyncjob_task *task);

/* The worker has been told to stop; who takes long may fail with AJ003. */
extern bool asyncjob_task_stopping(asyncjob_task *task);

/* JSON; without it null.  Returns a code, as the next. */
extern int	asyncjob_task_output(asyncjob_task *task, const char *json);

/* For fail(); NULLs: SQLSTATE AJ104, no detail, no hint. */
extern int	asyncjob_task_error(asyncjob_task *task, const char *sqlstate,
								const char *message, const char *detail,
								const char *hint);

#ifdef __cplusplus
}
#endif

#endif							/* ASYNCJOB_CLIENT_H */
