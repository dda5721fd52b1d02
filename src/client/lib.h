/*-------------------------------------------------------------------------
 *
 * lib.h
 *		What the files of libasyncjob share.
 *
 * libmem.c		memory, errors, text buffers, time
 * libclient.c	the object, its options, the loop's questions, dispatch
 * libconn.c	connecting, losing and making a connection again
 * librequest.c	statements in flight, one at a time; rows; submission
 * libsub.c		subscriptions: LISTEN, what is known of each job, delivery
 * libsync.c	which statement subscriptions need next, and its answer
 * libnotice.c	payloads of notifications
 * libblock.c	the blocking functions
 * libworker.c	the external worker; a user of all the others
 *
 * Arrows point down: libclient -> libconn -> librequest, libsync -> libsub ->
 * libmem.  Everything runs in the thread that calls asyncjob_dispatch().
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJL_LIB_H
#define AJL_LIB_H

#include <libpq-fe.h>

#include "asyncjob_client.h"

#define AJL_HASH_SIZE 1024		/* chains of known jobs; a power of two */
#define AJL_BATCH 500			/* jobs or channels in one statement */

/* An error that needs no memory of its own. */
typedef struct AjlError
{
	asyncjob_error pub;			/* points into the buffers */
	char		sqlstate[6];
	char		message[1024];
	char		detail[1024];
	char		hint[512];
} AjlError;

typedef struct AjlBuf
{
	char	   *data;
	size_t		len;
	size_t		size;
	bool		failed;			/* out of memory; data is gone */
} AjlBuf;

struct asyncjob_rows
{
	PGresult   *res;
	int			refs;
};

typedef enum AjlStage
{
	AJL_START,					/* nothing sent; of a submission: BEGIN is */
	AJL_SUBMIT,					/* asyncjob.submit() was sent */
	AJL_COMMIT,					/* COMMIT was sent: from here on check */
	AJL_CHECK,					/* after a lost COMMIT: ask for its fate */
	AJL_ROLLBACK				/* submit() was refused */
} AjlStage;

/* A statement, or a submission, that somebody waits for. */
typedef struct AjlRequest
{
	struct AjlRequest *next;
	char	   *sql;
	char	  **params;
	int			nparams;
	bool		is_submit;
	bool		may_retry;
	bool		binary;
	AjlStage	stage;
	int			attempts;		/* that ended with a lost connection or 40001 */
	int64_t		not_before;		/* ms */
	char		xid[24];		/* of the submitting transaction */
	char		pid[12];		/* its backend */
	char		at[48];			/* and the server's time after submit() */
	asyncjob_rows *rows;		/* the id, until COMMIT is certain */
	bool		refused;		/* submit() failed, with this: */
	bool		again;			/* but may be tried again */
	AjlError	refusal;
	asyncjob_reply reply;
	void	   *arg;
} AjlRequest;

typedef enum AjlSubKind
{
	AJL_SUB_JOB,
	AJL_SUB_SESSION,
	AJL_SUB_ALL,
	AJL_SUB_QUEUE				/* external work; no jobs are followed */
} AjlSubKind;

/* How far a subscription has come on the present connection. */
typedef enum AjlSubState
{
	AJL_SUB_NAMELESS,			/* session: the channel's name is not known */
	AJL_SUB_NEW,				/* LISTEN is to be sent */
	AJL_SUB_LISTENING,			/* was sent */
	AJL_SUB_UNLISTED,			/* session, all: read which jobs changed */
	AJL_SUB_LIVE
} AjlSubState;

typedef struct AjlSub
{
	struct AjlSub *next;
	asyncjob_subscription id;
	AjlSubKind	kind;
	AjlSubState state;
	bool		dead;			/* freed by ajl_sweep */
	bool		deaf;			/* a standby refuses LISTEN: polling is all */
	int64_t		job_id;			/* of kind JOB */
	char	   *session;
	char	   *channel;
	double		floor;			/* session, all: what is older is not news, s */
	double		synced;			/* server's time when it was last complete */
	int64_t		synced_at;		/* the same by our clock, ms */
	int64_t		relist_at;		/* ms; look again: memory was short */
	asyncjob_callbacks cb;
} AjlSub;

/* What a subscription knows of one job. */
typedef struct AjlTrack
{
	struct AjlTrack *next;		/* in its chain */
	struct AjlTrack *next_dirty;
	AjlSub	   *sub;
	int64_t		job_id;
	int32_t		last_seq;
	bool		dirty;			/* updates are to be fetched */
	bool		again;			/* it changed while they were */
	bool		fetching;
	bool		seen;			/* the answer had the job */
	bool		solo;			/* a batch with it failed: fetch it alone */
	bool		dead;
	bool		final;
	bool		whole;			/* deliver also what is older than the floor */
	int64_t		final_at;		/* ms */
} AjlTrack;

/* Whose statement is in flight */
typedef enum AjlFlight
{
	AJL_IDLE,
	AJL_SETUP,
	AJL_CHANNEL,
	AJL_LISTEN,
	AJL_LIST,
	AJL_FETCH,
	AJL_REQUEST
} AjlFlight;

typedef enum AjlLink
{
	AJL_LINK_NONE,
	AJL_LINK_POLLING,			/* PQconnectPoll */
	AJL_LINK_SETUP,
	AJL_LINK_READY,
	AJL_LINK_PAUSE				/* before the next attempt */
} AjlLink;

struct asyncjob_client
{
	AjlError	error;			/* of the last function that failed */
	AjlError	link_error;		/* of the last attempt to connect */
	asyncjob_options options;
	char	   *conninfo;
	char	   *application_name;
	uint64_t	random;

	/* connection */
	PGconn	   *conn;
	AjlLink		link;
	asyncjob_connection state;
	PostgresPollingStatusType polling;
	int			attempts;		/* that failed in a row */
	int64_t		deadline;		/* of the attempt, or end of the pause, ms */
	int64_t		lost_at;		/* ms; 0: not lost */
	char		last_words[256];	/* of a server that ends the connection */
	bool		broken;			/* something could not be sent: start over */

	/* the statement in flight */
	AjlFlight	flight;
	PGresult   *answer;
	bool		flushing;
	AjlSub	   *flight_sub;
	int64_t		flight_jobs[AJL_BATCH]; /* whose updates are being fetched */
	int			flight_njobs;
	bool		turn;			/* requests and subscriptions take turns */

	/* requests: the first may be in flight */
	AjlRequest *requests;
	AjlRequest **requests_end;
	size_t		nrequests;

	/* subscriptions */
	AjlSub	   *subs;
	size_t		nsubs;
	asyncjob_subscription last_sub;
	AjlTrack  **hash;
	AjlTrack   *dirty;
	AjlTrack  **dirty_end;
	AjlBuf		unlisten;
	bool		garbage;		/* something is dead */
	int64_t		alive_at;		/* ms; the last answer */
	int64_t		polled_at;		/* ms */
	int64_t		next_poll;
	int64_t		fetch_at;		/* ms; not before: memory was short */
	int64_t		deaf_at;		/* ms; a standby refused LISTEN */

	int			depth;			/* of calls that call back */
	bool		doomed;			/* asyncjob_free() from a callback */
};

/* libmem.c */
extern int64_t (*ajl_clock) (void);
extern double ajl_strtod(const char *s, char **end);
extern void ajl_format_micros(char *buf, size_t size, double value);
extern void *ajl_alloc(size_t size);
extern void *ajl_realloc(void *p, size_t size);
extern void ajl_free(void *p);
extern char *ajl_strdup(const char *s);
extern void ajl_buf_add(AjlBuf *buf, const char *s);
extern void ajl_buf_addf(AjlBuf *buf, const char *fmt,...) __attribute__((format(printf, 2, 3)));
extern void ajl_buf_reset(AjlBuf *buf);
extern void ajl_error_clear(AjlError *e);
extern asyncjob_code ajl_error_set(AjlError *e, asyncjob_code code,
								   const char *fmt,...) __attribute__((format(printf, 3, 4)));
extern void ajl_error_detail(AjlError *e, const char *detail);
extern void ajl_error_hint(AjlError *e, const char *hint);
extern asyncjob_code ajl_error_copy(AjlError *to, const AjlError *from);
extern asyncjob_code ajl_error_of_result(AjlError *e, const PGconn *conn,
										 const PGresult *res);
extern asyncjob_code ajl_error_of_connection(AjlError *e, const PGconn *conn);
extern asyncjob_code ajl_no_memory(asyncjob_client *c);
extern bool ajl_result_ok(const PGresult *res);

/* libclient.c */
extern void ajl_enter(asyncjob_client *c);
extern bool ajl_leave(asyncjob_client *c);

/* libconn.c */
extern void ajl_link_start(asyncjob_client *c);
extern void ajl_link_drop(asyncjob_client *c);
extern void ajl_link_lost(asyncjob_client *c);
extern void ajl_link_dispatch(asyncjob_client *c);
extern int64_t ajl_backoff_ms(asyncjob_client *c, int attempt);

/* librequest.c */
extern void ajl_send(asyncjob_client *c, AjlFlight flight, const char *sql,
					 int nparams, const char *const *params);
extern bool ajl_request_start(asyncjob_client *c);
extern void ajl_request_answered(asyncjob_client *c, PGresult *res);
extern void ajl_request_lost(asyncjob_client *c);
extern void ajl_requests_fail(asyncjob_client *c, const AjlError *e);
extern void ajl_requests_forget(asyncjob_client *c, const void *arg);
extern void ajl_requests_free(asyncjob_client *c);
extern asyncjob_rows *ajl_rows_new(PGresult *res);

/* libsub.c */
extern asyncjob_subscription ajl_subscribe_queue(asyncjob_client *c, const char *queue,
												 const asyncjob_callbacks *callbacks);
extern AjlSub *ajl_sub_find(const asyncjob_client *c, asyncjob_subscription id);
extern void ajl_sub_end(asyncjob_client *c, AjlSub *sub, const AjlError *e,
						int64_t job_id);
extern void ajl_subs_fail(asyncjob_client *c, const AjlError *e);
extern AjlTrack *ajl_track_find(const asyncjob_client *c, const AjlSub *sub,
								int64_t job_id);
extern AjlTrack *ajl_track_new(asyncjob_client *c, AjlSub *sub, int64_t job_id);
extern void ajl_track_dirty(asyncjob_client *c, AjlTrack *track);
extern AjlTrack **ajl_chain(const asyncjob_client *c, int64_t job_id);
extern void ajl_deliver(asyncjob_client *c, AjlTrack *track,
						asyncjob_update *update);
extern void ajl_sweep(asyncjob_client *c);
extern void ajl_subs_free(asyncjob_client *c);

/* libsync.c */
extern void ajl_track_kill(asyncjob_client *c, AjlTrack *track);
extern void ajl_sync_reset(asyncjob_client *c);
extern bool ajl_sync_start(asyncjob_client *c);
extern void ajl_sync_answered(asyncjob_client *c, AjlFlight flight,
							  PGresult *res);
extern void ajl_sync_poll(asyncjob_client *c);
extern int64_t ajl_sync_due(const asyncjob_client *c);

/* libnotice.c */
typedef struct AjlNotice
{
	int64_t		job_id;
	int32_t		seq;
	int32_t		step_no;
	int32_t		step_count;
	double		progress;
	asyncjob_job_state state;
} AjlNotice;

extern asyncjob_job_state ajl_state_of(const char *name, size_t len);
extern bool ajl_parse_notices(const char *payload,
							  void (*found) (void *arg, const AjlNotice *n),
							  void *arg);
extern void ajl_notified(asyncjob_client *c, const PGnotify *notify);

#endif							/* AJL_LIB_H */
