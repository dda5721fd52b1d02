/*-------------------------------------------------------------------------
 *
 * client.h
 *		What the files of the asyncjob command share.
 *
 * The command speaks to a server through libasyncjob and the SQL API of the
 * extension, nothing else: what it can do, any program can.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJC_CLIENT_H
#define AJC_CLIENT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "asyncjob_client.h"

/* Exit codes; documented in --help and docs/client.md */
enum
{
	EXIT_OK = 0,
	EXIT_ERROR = 1,				/* usage, an SQL error, anything else */
	EXIT_CONNECTION = 2,
	EXIT_JOB_FAILED = 3,
	EXIT_JOB_CANCELLED = 4,
	EXIT_INTERRUPTED = 130		/* Ctrl-C while the job goes on */
};

/* Options of the command line; NULL or false where not given. */
typedef struct AjcOptions
{
	const char *host;
	const char *port;
	const char *user;
	const char *dbname;
	bool		no_password;
	bool		ask_password;

	bool		wait;
	bool		watch;
	bool		all;
	bool		json;
	bool		plain;
	const char *queue;
	const char *priority;
	const char *run_at;
	const char *session;
	const char *user_id;
	const char *unique_key;
	const char *state;
	const char *limit;
	const char *save;
	const char *name;
	const char *epsg;
	const char *pipeline;
	bool		open;
} AjcOptions;

/* One row of asyncjob.status(); strings belong to the struct. */
typedef struct AjcStatus
{
	int64_t		job_id;
	char		pipeline[128];
	char		state[16];
	bool		partial;
	char		step[128];
	int			step_no;
	int			completed_steps;
	int			total_steps;
	double		progress;		/* 0..1 over the whole job */
	double		step_progress;	/* 0..1 */
	char		message[256];
	double		eta_s;			/* seconds left, < 0 if unknown */
	double		elapsed_s;		/* since the start, < 0 if not started */
	int64_t		queue_position; /* 0 if not waiting */
	char	   *error_message;	/* malloc'ed or NULL, as the next two */
	char	   *error_detail;
	char	   *error_hint;
	char		error_code[64];
} AjcStatus;

typedef struct AjcStep
{
	int			step_no;
	char		name[128];
	char		state[16];
	double		progress;
	double		elapsed_s;		/* < 0 if not started */
} AjcStep;

/* The answer to a statement: rows, or an error. */
typedef struct AjcResult
{
	asyncjob_rows *rows;
	asyncjob_code code;
	char		sqlstate[6];
	char	   *message;
	char	   *detail;
	char	   *hint;
	bool		done;
	bool		abandoned;		/* freed when its answer comes after all */
} AjcResult;

#define AJC_BINARY	1			/* values in binary format */
#define AJC_ONCE	2			/* must not be run twice */

/* conn.c */
extern asyncjob_client *ajc_client;
extern double ajc_patience_s;
extern int	ajc_connect(const AjcOptions *options);
extern void ajc_disconnect(void);
extern AjcResult *ajc_query(const char *sql, int nparams,
							const char *const *params, int flags);
extern AjcResult *ajc_submit(const asyncjob_submission *submission);
extern bool ajc_query_ok(const AjcResult *res);
extern int	ajc_ntuples(const AjcResult *res);
extern bool ajc_is_null(const AjcResult *res, int row, int column);
extern char *ajc_value(const AjcResult *res, int row, int column);
extern size_t ajc_length(const AjcResult *res, int row, int column);
extern void ajc_clear(AjcResult *res);
extern void ajc_report_error(const AjcResult *res);
extern int	ajc_failed(AjcResult *res);
extern int	ajc_print_lines(const char *sql, int nparams, const char *const *params);
extern bool ajc_connection_lost(void);
extern bool ajc_gave_up(void);
extern void ajc_say_connection_lost(const char *job);

/* util.c */
extern volatile sig_atomic_t ajc_interrupts;
extern volatile sig_atomic_t ajc_terminated;
extern void ajc_catch_interrupts(bool on);
extern double ajc_now(void);
extern void *ajc_alloc(void *old, size_t size);
extern void ajc_format_duration(char *buf, size_t size, double seconds);
extern void ajc_format_size(char *buf, size_t size, double bytes);
extern size_t ajc_fit(const char *s, int width, int *used);
extern int	ajc_width(const char *s);
extern void ajc_print_padded(const char *s, int width);
extern char *ajc_read_params(const char *arg);
extern void ajc_sanitize(char *s);
extern void ajc_sanitize_text(char *s);
extern void ajc_say_none(const char *what);

/* status.c */
extern bool ajc_get_status(const char *job, AjcStatus *st);
extern bool ajc_get_statuses(const char *jobs, void (*found) (const AjcStatus *st));
extern void ajc_free_status(AjcStatus *st);
extern int	ajc_get_steps(const char *job, AjcStep **steps);
extern bool ajc_final(const AjcStatus *st);
extern int	ajc_exit_code(const AjcStatus *st);
extern void ajc_print_job_error(const AjcStatus *st);

/* display.c */
extern void ajc_display_begin(const AjcOptions *options);
extern void ajc_display_job(const AjcStatus *st, const AjcStep *steps,
							int nsteps);
extern void ajc_display_jobs(const AjcStatus *st, int njobs);
extern void ajc_display_note(const char *fmt,...) __attribute__((format(printf, 1, 2)));
extern bool ajc_displaying(void);
extern void ajc_display_end(void);

/* One function per command; argv holds its own arguments only. */
extern int	ajc_cmd_submit(const AjcOptions *options, int argc, char **argv);
extern int	ajc_cmd_watch(const AjcOptions *options, int argc, char **argv);
extern int	ajc_cmd_status(const AjcOptions *options, int argc, char **argv);
extern int	ajc_cmd_list(const AjcOptions *options, int argc, char **argv);
extern int	ajc_cmd_cancel(const AjcOptions *options, int argc, char **argv);
extern int	ajc_cmd_result(const AjcOptions *options, int argc, char **argv);
extern int	ajc_cmd_artifacts(const AjcOptions *options, int argc, char **argv);
extern int	ajc_cmd_retry(const AjcOptions *options, int argc, char **argv);
extern int	ajc_cmd_queues(const AjcOptions *options, int argc, char **argv);
extern int	ajc_cmd_pipelines(const AjcOptions *options, int argc, char **argv);
extern int	ajc_cmd_quiesce(const AjcOptions *options, int argc, char **argv);
extern int	ajc_cmd_resume(const AjcOptions *options, int argc, char **argv);
extern int	ajc_cmd_dead(const AjcOptions *options, int argc, char **argv);
extern int	ajc_cmd_check(const AjcOptions *options, int argc, char **argv);
extern int	ajc_cmd_report(const AjcOptions *options, int argc, char **argv);
extern int	ajc_cmd_load(const AjcOptions *options, int argc, char **argv);
extern int	ajc_cmd_top(const AjcOptions *options, int argc, char **argv);

/* result.c */
extern int	ajc_save_artifact(const char *job, const char *name, const char *path,
							  long long expected);

/* watch.c: follow one job to its end; shows nothing if quiet */
extern int	ajc_follow(const AjcOptions *options, const char *job, bool quiet,
					   AjcStatus *last);

#endif							/* AJC_CLIENT_H */
