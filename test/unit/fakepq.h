/*-------------------------------------------------------------------------
 *
 * fakepq.h
 *		A libpq without a server, for unit tests of libasyncjob.
 *
 * Defines the functions of libpq that the library calls, and a little server
 * behind them that knows just its statements.  Every call that can fail is
 * counted, and fails where a test says so.  Each thread has a server of its
 * own.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef FAKEPQ_H
#define FAKEPQ_H

#include <stdbool.h>
#include <stdint.h>

#define FAKE_JOBS 64

typedef struct FakeServer
{
	/* what a test sets */
	long		fail_at;		/* this call fails; 0: none */
	double		fail_rate;		/* and so many of all others */
	unsigned	seed;
	bool		late;			/* carry statements out when read, not when
								 * sent */
	bool		down;			/* refuse connections */
	bool		no_extension;
	bool		silent;			/* lose notifications */
	int			claimable;		/* external steps that can be claimed */
	int			cancel_every;	/* each so manieth is cancelled meanwhile */
	const char *refuse_submit;	/* SQLSTATE of submit() */
	const char *connect_error;	/* message, instead of the usual one */
	const char *connect_verbose;	/* the same at PQERRORS_VERBOSE */
	bool		standby;		/* LISTEN is refused */
	bool		other_server;	/* has transactions, but not our jobs */
	bool		crashed;		/* and so has ours: it lost COMMIT */
	int			slow_commit;	/* so many answers say "in progress" */
	int			refuse_updates; /* so many of updates_many() time out */

	/* what it sees */
	long		calls;
	long		failed;			/* calls that failed */
	long		statements;
	long		listens;
	long		connections;
	long		open_connections;
	long		results;		/* PGresults that exist */
	int			claimed;
	int			completed;
	int			given_up;		/* fail(), and leases lost with their claim */
	int			beats;
	char		steps[1024];	/* of each claimed step: c claimed, d done */
	int			nxids;			/* transactions */
	int			njobs;
	int			updates[FAKE_JOBS]; /* of each: 1 to FAKE_LAST */
	bool		foreign[FAKE_JOBS]; /* another role's */
	char		listening[65536];	/* of the last connection */
}			FakeServer;

#define FAKE_LAST 5				/* the last update is "completed" */

extern __thread FakeServer fake;
extern __thread int64_t fake_now;

extern int64_t fake_clock(void);
extern int	fake_add_job(void);
extern void fake_advance(int job);	/* one more update, and its notice */
extern void fake_notify(const char *channel, const char *payload);
extern void fake_kill(void);	/* the server ends the connection */

#endif							/* FAKEPQ_H */
