/*-------------------------------------------------------------------------
 *
 * test_client.c
 *		libasyncjob against a libpq that fails on purpose.
 *
 * The long scenario submits jobs, follows them in three ways and lets them
 * run.  It is done again with the first call to libpq failing, the second,
 * and so on until none is left that could fail; the same with each allocation;
 * and with many failing at random.  Whatever fails, each submission makes one
 * job, and each update comes once, in order.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "lib.h"

#include "fakepq.h"
#include "unit.h"

#define JOBS 6

/* ---- allocations that fail ---- */

static long allocations;		/* made so far */
static long fail_allocation;	/* this one fails, and */
static long fail_more;			/* so many after it */
static long live;				/* blocks that are not freed */

static bool
refuse_memory(void)
{
	allocations++;
	return fail_allocation > 0 && allocations >= fail_allocation &&
		allocations < fail_allocation + 1 + fail_more;
}

static void *
test_alloc(size_t size)
{
	void	   *p = refuse_memory() ? NULL : malloc(size);

	live += p != NULL;
	return p;
}

static void *
test_realloc(void *old, size_t size)
{
	void	   *p = refuse_memory() ? NULL : realloc(old, size);

	live += p != NULL && old == NULL;
	return p;
}

static void
test_free(void *p)
{
	live -= p != NULL;
	free(p);
}

/* ---- what the client tells ---- */

typedef struct Seen
{
	int			last[3][FAKE_JOBS]; /* by subscription: job, session, all */
	int			ends[3][FAKE_JOBS];
	int			progress;
	int			replies[JOBS];
	int			ok;
	int			refused;
	long		ids[JOBS];
	int			errors;
	asyncjob_code code;			/* of the last error */
	char		message[256];
	int			states[4];		/* how often the connection was in each */
	char		wrong[256];		/* the first thing that was not as promised */
}			Seen;

static Seen seen;
static int	kind_job = 0,
			kind_session = 1,
			kind_all = 2;

static void
wrong(const char *fmt, long a, long b)
{
	if (seen.wrong[0] == '\0')
		snprintf(seen.wrong, sizeof(seen.wrong), fmt, a, b);
}

static void
on_update(asyncjob_client *c, const asyncjob_update *u, void *arg)
{
	int			kind = *(int *) arg;
	int		   *last = &seen.last[kind][u->job_id];

	(void) c;
	if (u->kind == ASYNCJOB_UPDATE_PROGRESS)
	{
		seen.progress++;
		if (seen.ends[kind][u->job_id] > 0)
			wrong("job %ld: progress after its end, subscription %ld", u->job_id, kind);
		return;
	}
	if (u->seq != *last + 1)
		wrong("job %ld: update %ld out of order", u->job_id, u->seq);
	*last = u->seq;
}

static void
on_complete(asyncjob_client *c, const asyncjob_update *u, void *arg)
{
	(void) c;
	seen.ends[*(int *) arg][u->job_id]++;
	if (u->state != ASYNCJOB_COMPLETED || u->seq != FAKE_LAST)
		wrong("job %ld ended with update %ld", u->job_id, u->seq);
}

static void
on_error(asyncjob_client *c, asyncjob_subscription sub, int64_t job_id,
		 const asyncjob_error *e, void *arg)
{
	(void) c;
	(void) sub;
	(void) job_id;
	(void) arg;
	seen.errors++;
	seen.code = e->code;
	snprintf(seen.message, sizeof(seen.message), "%s", e->message);
}

static void
on_connection(asyncjob_client *c, asyncjob_connection state,
			  const asyncjob_error *e, void *arg)
{
	(void) c;
	(void) arg;
	seen.states[state]++;
	if (state == ASYNCJOB_CONNECTED && e != NULL)
		wrong("connected with an error%.0ld%.0ld", 0, 0);
}

static asyncjob_callbacks
callbacks(int *kind)
{
	asyncjob_callbacks cb = ASYNCJOB_CALLBACKS_INIT;

	cb.on_update = on_update;
	cb.on_complete = on_complete;
	cb.on_error = on_error;
	cb.on_connection = on_connection;
	cb.arg = kind;
	return cb;
}

static void
on_submitted(asyncjob_client *c, const asyncjob_error *e, asyncjob_rows *rows, void *arg)
{
	int			i = *(int *) arg;

	(void) c;
	seen.replies[i]++;
	if (e == NULL)
	{
		seen.ok++;
		seen.ids[i] = (long) asyncjob_rows_int(rows, 0, 0);
		return;
	}
	seen.refused++;
	seen.code = e->code;
	snprintf(seen.message, sizeof(seen.message), "%s", e->message);
}

/* ---- the loop ---- */

static void
begin(void)
{
	memset(&seen, 0, sizeof(seen));
	memset(&fake, 0, sizeof(fake));
	fake_now = 1000;
	allocations = 0;
	fail_allocation = 0;
	fail_more = 0;
}

/* Go on: if nothing is to be done now, at the time when something is. */
static void
turn(asyncjob_client *c)
{
	int			timeout = asyncjob_timeout(c);

	if (timeout > 0)
		fake_now += timeout;
	(void) asyncjob_dispatch(c);
}

static asyncjob_client *
new_client(int max_retries)
{
	asyncjob_options o = ASYNCJOB_OPTIONS_INIT;

	o.callbacks = callbacks(&kind_job);
	o.max_retries = max_retries;
	if (max_retries < 0)
		o.subscription_timeout_ms = -1;
	return asyncjob_new(&o);
}

/* Everything was given back, or what was not. */
static const char *
leaks(void)
{
	static char text[128];

	if (live == 0 && fake.results == 0 && fake.open_connections == 0)
		return NULL;
	snprintf(text, sizeof(text), "%ld blocks, %ld results, %ld connections are left",
			 live, fake.results, fake.open_connections);
	return text;
}

/*
 * The long scenario.  Returns NULL, or what went wrong.  With memory failing,
 * calls may be refused, and are done again.
 */
static const char *
scenario(int max_retries)
{
	static int	numbers[JOBS] = {0, 1, 2, 3, 4, 5};
	asyncjob_callbacks session_cb = callbacks(&kind_session);
	asyncjob_callbacks all_cb = callbacks(&kind_all);
	asyncjob_submission submission = ASYNCJOB_SUBMISSION_INIT;
	asyncjob_client *c;
	asyncjob_subscription session = 0,
				all = 0;
	bool		followed[JOBS] = {false};
	int			sent = 0;
	int			ended;
	int			turns;

	while ((c = new_client(max_retries)) == NULL)
		;						/* memory */
	submission.pipeline = "p";
	submission.params = "{}";
	for (turns = 0; turns < 100000; turns++)
	{
		if (session == 0)
			session = asyncjob_subscribe_session(c, "s", &session_cb);
		if (all == 0)
			all = asyncjob_subscribe_all(c, &all_cb);
		if (sent < JOBS && turns >= 10 * sent &&
			asyncjob_send_submit(c, &submission, on_submitted, &numbers[sent]) == ASYNCJOB_OK)
			sent++;
		for (int i = 0; i < sent; i++)
			if (seen.ids[i] > 0 && !followed[i])
				followed[i] = asyncjob_subscribe_job(c, seen.ids[i], 0, NULL) != 0;
		if (turns % 7 == 0)
			for (int job = 1; job <= fake.njobs; job++)
				if (seen.last[kind_job][job] > 0 || turns % 3 == 0)
					fake_advance(job);
		turn(c);
		ended = 0;
		for (int job = 1; job <= fake.njobs; job++)
			ended += seen.ends[kind_job][job] > 0 && seen.ends[kind_session][job] > 0 &&
				seen.ends[kind_all][job] > 0;
		if (sent == JOBS && seen.ok + seen.refused == JOBS && ended == seen.ok)
			break;
	}

	/* a while longer: what is told twice is told late */
	for (int i = 0; i < 60; i++)
		turn(c);
	if (asyncjob_subscriptions(c) != 2)
		wrong("%ld subscriptions are left%.0ld", (long) asyncjob_subscriptions(c), 0);
	asyncjob_free(c);
	if (seen.wrong[0])
		return seen.wrong;
	if (turns == 100000)
		return "it never ended";
	if (fake.njobs != seen.ok)
		return "there are more or fewer jobs than answers";
	for (int i = 0; i < JOBS; i++)
		if (seen.replies[i] != 1)
			return "a submission was not answered once";
	for (int job = 1; job <= fake.njobs; job++)
		for (int kind = 0; kind < 3; kind++)
			if (seen.last[kind][job] != FAKE_LAST || seen.ends[kind][job] != 1)
				return "an update or an end is missing, or came twice";
	return leaks();
}

/* Each failing call, and each failing allocation, one after the other. */
static void
each_failure(void)
{
	const char *bad = NULL;
	long		n;

	for (int late = 0; late < 2; late++)
	{
		for (n = 1; bad == NULL; n++)
		{
			begin();
			fake.late = late;
			fake.fail_at = n;
			bad = scenario(3);

			/* libpq's own lack of memory is the one that is passed on */
			if (bad == NULL && seen.refused > 0 && seen.code != ASYNCJOB_OUT_OF_MEMORY)
				bad = seen.message;
			if (fake.failed == 0)
				break;
		}
		ok(bad == NULL && n > 100, "%ld failing calls of libpq, %s: %s", n - 1,
		   late ? "not carried out" : "carried out", bad ? bad : "as promised");
	}
	for (fail_more = 0; fail_more <= 8; fail_more += 4)
	{
		long		more = fail_more;

		for (n = 1, bad = NULL; bad == NULL; n++)
		{
			begin();
			fail_allocation = n;
			fail_more = more;
			bad = scenario(3);
			if (bad == NULL && seen.refused > 0 && seen.code != ASYNCJOB_OUT_OF_MEMORY)
				bad = seen.message;
			if (allocations < n)
				break;
		}
		ok(bad == NULL && n > 50, "%ld failing allocations, %ld in a row: %s", n - 1,
		   more + 1, bad ? bad : "as promised");
		fail_more = more;
	}
}

static void
random_failures(void)
{
	const char *bad = NULL;
	long		failed = 0;
	unsigned	seed;

	for (seed = 1; seed <= 100 && bad == NULL; seed++)
	{
		begin();
		fake.seed = seed * 7919;
		fake.fail_rate = seed % 3 == 0 ? 0.08 : 0.02;
		fake.late = seed % 2;
		fake.slow_commit = seed % 5;
		fake.silent = seed % 11 == 0;
		bad = scenario(-1);
		failed += fake.failed;
		if (bad == NULL && seen.refused > 0 && seen.code != ASYNCJOB_OUT_OF_MEMORY)
			bad = seen.message;
	}
	ok(bad == NULL, "%ld failures at random in %u runs: %s", failed, seed - 1,
	   bad ? bad : "as promised");
}

/* ---- single things ---- */

static void
backoff(void)
{
	asyncjob_options o = ASYNCJOB_OPTIONS_INIT;
	asyncjob_client *c;
	int64_t		least[8],
				most[8];
	bool		spread = true;

	begin();
	c = asyncjob_new(&o);
	for (int i = 1; i <= 7; i++)
	{
		least[i] = 1000000;
		most[i] = 0;
		for (int n = 0; n < 1000; n++)
		{
			int64_t		ms = ajl_backoff_ms(c, i);

			if (ms < least[i])
				least[i] = ms;
			if (ms > most[i])
				most[i] = ms;
		}
		spread = spread && most[i] - least[i] > least[i] * 9 / 10;
	}
	asyncjob_free(c);
	ok(most[1] <= 1000 && most[1] > 950 && most[2] <= 2000 && most[2] > 1900 &&
	   most[3] <= 4000 && most[3] > 3800 && most[5] <= 16000,
	   "delays of 1, 2, 4 ... s at most: %ld %ld %ld", (long) most[1], (long) most[2],
	   (long) most[3]);
	ok(most[6] <= 30000 && most[7] <= 30000 && most[7] > 28000, "and no more than 30 s");
	ok(spread && least[1] >= 500, "spread over their second half");
	begin();
	o.jitter = 0;
	c = asyncjob_new(&o);
	ok(ajl_backoff_ms(c, 3) == 4000 && ajl_backoff_ms(c, 99) == 30000, "exact without jitter");
	asyncjob_free(c);
}

static void
no_server(void)
{
	asyncjob_client *c;
	asyncjob_subscription sub;
	static int	zero = 0;
	asyncjob_submission submission = ASYNCJOB_SUBMISSION_INIT;
	int64_t		gave_up = 0;

	begin();
	fake.down = true;
	c = new_client(3);
	submission.pipeline = "p";
	sub = asyncjob_subscribe_job(c, 1, 0, NULL);
	(void) asyncjob_send_submit(c, &submission, on_submitted, &zero);
	while (asyncjob_subscriptions(c) > 0 && fake_now < 3600000)
	{
		turn(c);
		if (gave_up == 0 && asyncjob_connection_state(c) == ASYNCJOB_ERROR)
		{
			gave_up = fake_now;
			ok(fake.connections == 4, "state error after 1 + 3 attempts, not %ld", fake.connections);
			ok(seen.replies[0] == 1 && seen.code == ASYNCJOB_SUBMISSION_FAILED,
			   "then submissions fail: %s", asyncjob_code_name(seen.code));
		}
	}
	ok(sub != 0 && seen.errors == 1 && seen.code == ASYNCJOB_TIMEOUT &&
	   fake_now >= 301000 && fake_now < 332000,
	   "a subscription goes on for 5 min, here %ld s: %s", (long) (fake_now - 1000) / 1000,
	   seen.message);
	ok(fake.connections > 10 && fake.connections < 40, "with attempts at most 30 s apart: %ld",
	   fake.connections);
	asyncjob_free(c);
	ok(leaks() == NULL, "nothing is left");
}

static void
comes_back(void)
{
	asyncjob_client *c;

	begin();
	(void) fake_add_job();
	c = new_client(3);
	(void) asyncjob_subscribe_job(c, 1, 0, NULL);
	for (int i = 0; i < 20; i++)
		turn(c);
	fake.down = true;
	fake_kill();
	for (int i = 0; i < 8; i++)
		turn(c);
	ok(asyncjob_connection_state(c) == ASYNCJOB_ERROR, "a server that stays away: state %s",
	   asyncjob_connection_name(asyncjob_connection_state(c)));
	for (int i = 0; i < FAKE_LAST; i++)
		fake_advance(1);
	fake.down = false;
	for (int i = 0; i < 20; i++)
		turn(c);
	ok(seen.ends[0][1] == 1 && seen.last[0][1] == FAKE_LAST && seen.wrong[0] == '\0',
	   "what happened meanwhile is told when it is back");
	ok(seen.states[ASYNCJOB_CONNECTED] == 2 && seen.states[ASYNCJOB_DISCONNECTED] == 1 &&
	   seen.states[ASYNCJOB_ERROR] == 1, "states are told once each");
	asyncjob_free(c);
}

static void
refusals(void)
{
	static int	zero = 0;
	static const struct
	{
		const char *sqlstate;
		asyncjob_code code;
		long		tries;
	}			cases[] = {
		{"42704", ASYNCJOB_INVALID_INPUT, 1},
		{"22023", ASYNCJOB_INVALID_INPUT, 1},
		{"AJ101", ASYNCJOB_INVALID_INPUT, 1},
		{"42501", ASYNCJOB_AUTH_REQUIRED, 1},
		{"28P01", ASYNCJOB_AUTH_REQUIRED, 1},
		{"53200", ASYNCJOB_UNKNOWN_ERROR, 1},
		{"40001", ASYNCJOB_SUBMISSION_FAILED, 4},
	};
	asyncjob_submission submission = ASYNCJOB_SUBMISSION_INIT;

	submission.pipeline = "p";
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		asyncjob_client *c;

		begin();
		fake.refuse_submit = cases[i].sqlstate;
		c = new_client(3);
		(void) asyncjob_send_submit(c, &submission, on_submitted, &zero);
		for (int t = 0; t < 100 && asyncjob_pending(c) > 0; t++)
			turn(c);
		ok(seen.refused == 1 && seen.code == cases[i].code && fake.njobs == 0 &&
		   fake.statements == 1 + 3 * cases[i].tries, "SQLSTATE %s is %s after %ld attempts",
		   cases[i].sqlstate, asyncjob_code_name(seen.code), (fake.statements - 1) / 3);
		asyncjob_free(c);
	}
	begin();
	fake.down = true;
	fake.connect_error = "FATAL:  password authentication failed for user \"x\"\n";
	{
		asyncjob_client *c = new_client(3);

		(void) asyncjob_send_submit(c, &submission, on_submitted, &zero);
		for (int t = 0; t < 100 && asyncjob_pending(c) > 0; t++)
			turn(c);
		ok(seen.code == ASYNCJOB_AUTH_REQUIRED && fake.connections == 1,
		   "a wrong password is AUTH_REQUIRED and not tried again");
		fake.down = false;
		(void) asyncjob_set_conninfo(c, "password=right");
		(void) asyncjob_send_submit(c, &submission, on_submitted, &zero);
		for (int t = 0; t < 100 && asyncjob_pending(c) > 0; t++)
			turn(c);
		ok(seen.ok == 1, "another one is tried at once");
		asyncjob_free(c);
	}

	/* what libpq says of two hosts, the second in another language */
	begin();
	fake.down = true;
	fake.connect_verbose =
		"connection to server at \"a\", port 5432 failed: FATAL:  57P03: the database system is starting up\n"
		"LOCATION:  ProcessStartupPacket, postmaster.c:2290\n"
		"connection to server at \"b\", port 5432 failed: FATAL:  28000: Rolle \"x\" existiert nicht\n"
		"ORT:  InitializeSessionUserId, miscinit.c:736\n";
	{
		asyncjob_client *c = new_client(3);

		(void) asyncjob_send_submit(c, &submission, on_submitted, &zero);
		for (int t = 0; t < 100 && asyncjob_pending(c) > 0; t++)
			turn(c);
		ok(seen.code == ASYNCJOB_AUTH_REQUIRED && fake.connections == 1 &&
		   strcmp(asyncjob_connection_error(c)->sqlstate, "28000") == 0,
		   "no such role is AUTH_REQUIRED, in whatever language, and not tried again");
		ok(strcmp(seen.message,
				  "connection to server at \"a\", port 5432 failed: FATAL:  the database system is starting up\n"
				  "connection to server at \"b\", port 5432 failed: FATAL:  Rolle \"x\" existiert nicht") == 0,
		   "and said as psql says it: %s", strrchr(seen.message, '\n') + 1);
		asyncjob_free(c);
	}
	begin();
	{
		asyncjob_client *c = new_client(3);

		(void) asyncjob_set_conninfo(c, "nonsense=1");
		(void) asyncjob_send_submit(c, &submission, on_submitted, &zero);
		for (int t = 0; t < 100 && asyncjob_pending(c) > 0; t++)
			turn(c);
		ok(seen.code == ASYNCJOB_INVALID_INPUT && fake.connections == 1,
		   "a connection string that is none is not tried again: %s", seen.message);
		asyncjob_free(c);
	}
	begin();
	fake.no_extension = true;
	{
		asyncjob_client *c = new_client(3);

		(void) asyncjob_send_submit(c, &submission, on_submitted, &zero);
		for (int t = 0; t < 100 && asyncjob_pending(c) > 0; t++)
			turn(c);
		ok(seen.code == ASYNCJOB_INVALID_INPUT && strstr(seen.message, "extension") != NULL,
		   "a database without the extension: %s", seen.message);
		asyncjob_free(c);
	}
	begin();
	{
		asyncjob_client *c = new_client(3);
		asyncjob_submission none = ASYNCJOB_SUBMISSION_INIT;
		asyncjob_options old = ASYNCJOB_OPTIONS_INIT;

		ok(asyncjob_send_submit(c, &none, on_submitted, &zero) == ASYNCJOB_INVALID_INPUT &&
		   asyncjob_last_error(c)->message[0] != '\0', "no pipeline: %s",
		   asyncjob_last_error(c)->message);
		ok(asyncjob_subscribe_job(c, 0, 0, NULL) == 0 &&
		   asyncjob_subscribe_session(c, "", NULL) == 0, "no job, no session");
		asyncjob_free(c);
		old.max_retries = -2;
		ok(asyncjob_new(&old) == NULL, "an option out of range");
		old.max_retries = 3;
		old.struct_size = offsetof(asyncjob_options, callbacks);
		c = asyncjob_new(&old);
		ok(c != NULL && c->options.subscription_timeout_ms == 300000 && c->options.on_notice == NULL,
		   "the shorter options of an older header");
		asyncjob_free(c);
	}
}

/*
 * The connection is lost at each point of a submission, and the next one is
 * to a server where our transaction's id is somebody else's.
 */
static void
another_server(void)
{
	static int	zero = 0;
	asyncjob_submission submission = ASYNCJOB_SUBMISSION_INIT;
	int			unknown = 0;
	int			wrong_answers = 0;

	submission.pipeline = "p";
	for (long n = 1;; n++)
	{
		asyncjob_client *c;

		begin();
		c = new_client(3);
		fake.fail_at = n;
		fake.other_server = true;
		(void) asyncjob_send_submit(c, &submission, on_submitted, &zero);
		for (int t = 0; t < 100 && asyncjob_pending(c) > 0; t++)
			turn(c);
		asyncjob_free(c);
		if (fake.failed == 0)
			break;
		if (seen.refused > 0 && seen.code == ASYNCJOB_SUBMISSION_FAILED &&
			strstr(seen.message, "job 1 was being submitted") != NULL)
			unknown++;
		else if (seen.replies[0] != 1 || fake.njobs != seen.ok)
			wrong_answers++;
	}
	ok(unknown > 0 && wrong_answers == 0,
	   "a transaction that is another server's is not taken for ours, %d times", unknown);

	/* The server crashes before COMMIT is on disk; its id is given away. */
	for (long n = 1, again = 0;; n++)
	{
		asyncjob_client *c;

		begin();
		c = new_client(3);
		fake.fail_at = n;
		fake.crashed = true;
		(void) asyncjob_send_submit(c, &submission, on_submitted, &zero);
		for (int t = 0; t < 100 && asyncjob_pending(c) > 0 && seen.replies[0] == 0; t++)
			turn(c);
		asyncjob_free(c);
		if (fake.failed == 0)
		{
			ok(again > 0, "a COMMIT that was lost in a crash is done again, %ld times", again);
			break;
		}
		again += seen.ok == 1 && fake.njobs == 1 && fake.nxids == 2;
	}
}

/* A batch that is refused for one of its jobs is done one by one, once. */
static void
one_by_one(void)
{
	asyncjob_client *c;
	long		before;

	begin();
	c = new_client(3);
	for (int i = 0; i < 20; i++)
		(void) asyncjob_subscribe_job(c, fake_add_job(), 0, NULL);
	fake.refuse_updates = 1;
	for (int i = 0; i < 40; i++)
		(void) asyncjob_dispatch(c);
	before = fake.statements;
	for (int job = 1; job <= 20; job++)
		fake_advance(job);
	for (int i = 0; i < 40; i++)
		(void) asyncjob_dispatch(c);
	ok(seen.last[kind_job][20] == 2 && fake.statements <= before + 2,
	   "after a refused batch of 20 jobs %ld statements fetch them again",
	   fake.statements - before);
	asyncjob_free(c);
}

/* A statement that must not be run twice, and one that may. */
static void
queries(void)
{
	static int	zero = 0,
				one = 1;
	asyncjob_client *c;

	begin();
	c = new_client(3);
	(void) asyncjob_send_query(c, "SELECT 1", 0, NULL, 0, on_submitted, &zero);
	(void) asyncjob_send_query(c, "SELECT 1", 0, NULL, ASYNCJOB_RETRY, on_submitted, &one);
	while (asyncjob_connection_state(c) != ASYNCJOB_CONNECTED)
		turn(c);
	while (c->flight != AJL_REQUEST && asyncjob_pending(c) == 2)
		turn(c);
	ok(asyncjob_pending(c) < 2, "answers come as fast as they can");
	while (asyncjob_pending(c) > 0)
		turn(c);
	ok(seen.ok == 2 && seen.ids[0] == 1 && seen.ids[1] == 1, "statements are answered");
	asyncjob_free(c);

	for (int flags = 0; flags <= ASYNCJOB_RETRY; flags += ASYNCJOB_RETRY)
	{
		begin();
		c = new_client(3);
		while (asyncjob_connection_state(c) != ASYNCJOB_CONNECTED)
		{
			(void) asyncjob_connect(c);
			turn(c);
		}
		(void) asyncjob_send_query(c, "SELECT 1", 0, NULL, flags, on_submitted, &zero);
		fake.fail_at = fake.calls + 4;	/* consume, send, flush, consume */
		while (asyncjob_pending(c) > 0)
			turn(c);
		ok(seen.replies[0] == 1 && (flags ? seen.ok == 1 : seen.code == ASYNCJOB_CONNECTION_FAILED),
		   "a lost answer: %s", flags ? "asked again" : seen.message);
		asyncjob_free(c);
	}
	begin();
	c = new_client(0);
	(void) asyncjob_send_query(c, "COPY t TO STDOUT", 0, NULL, 0, on_submitted, &zero);
	for (int i = 0; i < 20 && asyncjob_pending(c) > 0; i++)
		turn(c);
	ok(seen.refused == 1, "COPY ends with an error, not with a hang: %s", seen.message);
	asyncjob_free(c);
}

/* What is announced to all but not ours; forged and broken notices. */
static void
notices(void)
{
	static const char *const payloads[] = {
		"", "{", "{}", "[]", "nonsense", "{\"job\":", "{\"job\":1", "{\"job\":\"x\"}",
		"{\"job\":-1,\"seq\":9}", "{\"job\":1e99,\"seq\":1e99}", "{\"jobs\":[", "{\"jobs\":[]}",
		"{\"jobs\":[{\"job\":1,\"seq\":99}]}", "{\"job\":1,\"seq\":99,\"state\":\"failed\"}",
		"{\"job\":40,\"seq\":2}", "{\"job\" : 1 , \"seq\" : 99 , \"x\" : {}}", "{\"lost\":true}",
		"{\"job\":1,\"seq\":0,\"state\":\"running\",\"progress\":7}"
	};
	asyncjob_callbacks all = callbacks(&kind_all);
	asyncjob_client *c;
	long		before;

	begin();
	(void) fake_add_job();
	(void) fake_add_job();
	fake.foreign[2] = true;
	fake.updates[1] = 2;
	c = new_client(3);
	(void) asyncjob_subscribe_all(c, &all);
	(void) asyncjob_subscribe_job(c, 2, 0, NULL);
	for (int i = 0; i < 10; i++)
		turn(c);
	ok(seen.errors == 1 && seen.code == ASYNCJOB_INVALID_INPUT, "another role's job: %s",
	   seen.message);
	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++)
	{
		fake_notify("asyncjob", payloads[i]);
		(void) asyncjob_dispatch(c);
	}
	ok(seen.last[kind_all][1] == 2 && seen.ends[kind_all][1] == 0 && seen.wrong[0] == '\0' &&
	   asyncjob_connection_state(c) == ASYNCJOB_CONNECTED, "forged notices tell nothing");
	ok(seen.progress == 1, "only progress is believed");
	fake_advance(2);
	(void) asyncjob_dispatch(c);
	ok(seen.last[kind_all][2] == 0 && ajl_track_find(c, c->subs, 2) == NULL,
	   "another role's job leaves no trace");
	before = fake.statements;
	for (int i = 0; i < 3; i++)
		fake_advance(1);
	(void) asyncjob_dispatch(c);
	ok(seen.last[kind_all][1] == FAKE_LAST && fake.statements == before + 1,
	   "several notices are one statement");
	asyncjob_free(c);

	/* where nobody announces anything */
	begin();
	fake.silent = true;
	(void) fake_add_job();
	c = new_client(3);
	(void) asyncjob_subscribe_job(c, 1, 0, NULL);
	for (int i = 0; i < 6; i++)
		turn(c);
	for (int i = 0; i < FAKE_LAST; i++)
		fake_advance(1);
	before = (long) fake_now;
	while (seen.ends[0][1] == 0 && fake_now < before + 60000)
		turn(c);
	ok(fake_now <= before + 5000, "a silent server is asked after 5 s: after %ld ms",
	   (long) fake_now - before);
	asyncjob_free(c);
}

/* A hot standby refuses LISTEN; then it is promoted. */
static void
standby(void)
{
	asyncjob_callbacks session_cb = callbacks(&kind_session);
	asyncjob_callbacks all_cb = callbacks(&kind_all);
	asyncjob_client *c;
	int64_t		until;

	begin();
	fake.standby = true;
	(void) fake_add_job();
	c = new_client(3);
	(void) asyncjob_subscribe_job(c, 1, 0, NULL);
	(void) asyncjob_subscribe_session(c, "s", &session_cb);
	(void) asyncjob_subscribe_all(c, &all_cb);
	for (until = fake_now + 20000; fake_now < until;)
		turn(c);
	for (int i = 0; i < FAKE_LAST; i++)
		fake_advance(1);
	for (until = fake_now + 20000; fake_now < until;)
		turn(c);
	ok(seen.ends[kind_job][1] == 1 && seen.ends[kind_session][1] == 1 && seen.ends[kind_all][1] == 1 &&
	   seen.errors == 0 && seen.wrong[0] == '\0', "a standby is asked without being told");
	ok(fake.listens <= 4, "which LISTEN is not tried on all the time: %ld times", fake.listens);
	fake.standby = false;
	for (until = fake_now + 120000; fake_now < until;)
		turn(c);
	(void) fake_add_job();
	until = fake_now;
	fake_advance(2);
	for (int i = 0; i < 10; i++)
		(void) asyncjob_dispatch(c);
	ok(seen.last[kind_all][2] == 2, "after its promotion it tells");
	asyncjob_free(c);
	ok(leaks() == NULL, "nothing is left");
}

/* ---- what a callback may do ---- */

static asyncjob_subscription victim;

static void
unsubscribe_other(asyncjob_client *c, const asyncjob_update *u, void *arg)
{
	on_update(c, u, arg);
	asyncjob_unsubscribe(c, victim);
	(void) asyncjob_subscribe_job(c, u->job_id, FAKE_LAST - 1, NULL);
}

static void
free_client(asyncjob_client *c, const asyncjob_update *u, void *arg)
{
	on_update(c, u, arg);
	asyncjob_free(c);
}

static void
free_when_connecting(asyncjob_client *c, asyncjob_connection state,
					 const asyncjob_error *e, void *arg)
{
	(void) e;
	(void) arg;
	if (state == ASYNCJOB_CONNECTING)
		asyncjob_free(c);
}

static void
blocking_call(asyncjob_client *c, const asyncjob_update *u, void *arg)
{
	bool		done;

	on_update(c, u, arg);
	seen.code = (asyncjob_code) asyncjob_cancel(c, u->job_id, NULL, &done);
}

static void
inside_callbacks(void)
{
	asyncjob_client *c;
	asyncjob_callbacks cb = callbacks(&kind_session);

	begin();
	(void) fake_add_job();
	c = new_client(3);
	victim = asyncjob_subscribe_job(c, 1, 0, NULL);
	cb.on_update = unsubscribe_other;
	(void) asyncjob_subscribe_job(c, 1, 0, &cb);
	for (int i = 0; i < 10; i++)
		turn(c);
	for (int i = 0; i < FAKE_LAST; i++)
		fake_advance(1);
	for (int i = 0; i < 10; i++)
		turn(c);
	ok(seen.ends[kind_session][1] == 1 && seen.last[kind_session][1] == FAKE_LAST,
	   "a callback may end other subscriptions and begin new ones");
	ok(asyncjob_subscriptions(c) == 0, "all of which end");
	asyncjob_free(c);
	ok(leaks() == NULL, "and leave nothing");

	begin();
	(void) fake_add_job();
	c = new_client(3);
	cb.on_update = free_client;
	(void) asyncjob_subscribe_job(c, 1, 0, &cb);
	(void) asyncjob_subscribe_job(c, 1, 0, NULL);
	for (int i = 0; i < 10 && fake.open_connections + fake.connections != 1; i++)
	{
		turn(c);
		if (seen.last[kind_session][1] > 0)
			break;
	}
	ok(seen.last[kind_session][1] == 1 && leaks() == NULL, "a callback may free the client");

	for (int kind = 0; kind < 4; kind++)
	{
		asyncjob_options o = ASYNCJOB_OPTIONS_INIT;
		asyncjob_subscription sub = 1;

		begin();
		o.callbacks.on_connection = free_when_connecting;
		c = asyncjob_new(&o);
		if (kind == 0)
			sub = asyncjob_subscribe_job(c, 1, 0, NULL);
		else if (kind == 1)
			sub = asyncjob_subscribe_session(c, "s", NULL);
		else if (kind == 2)
			sub = asyncjob_subscribe_all(c, NULL);
		else
			sub = asyncjob_connect(c) == ASYNCJOB_OK ? 0 : 1;
		ok(sub == 0 && leaks() == NULL, "also where subscribing connects, %d", kind);
	}

	begin();
	(void) fake_add_job();
	c = new_client(3);
	cb.on_update = blocking_call;
	(void) asyncjob_subscribe_job(c, 1, 0, &cb);
	for (int i = 0; i < 10; i++)
		turn(c);
	ok(seen.code == ASYNCJOB_INVALID_INPUT, "a blocking call from a callback is refused");
	asyncjob_free(c);
}

/* ---- blocking functions ---- */

static void
blocking(void)
{
	asyncjob_client *c;
	asyncjob_submission submission = ASYNCJOB_SUBMISSION_INIT;
	asyncjob_rows *rows;
	asyncjob_job_state state;
	int64_t		id;

	begin();
	c = new_client(0);
	submission.pipeline = "p";
	ok(asyncjob_connect_wait(c, 1000) == ASYNCJOB_OK, "connect_wait");
	ok(asyncjob_submit(c, &submission, &id) == ASYNCJOB_OK && id == 1, "submit");
	ok(asyncjob_query(c, "SELECT 1", 0, NULL, 0, &rows) == ASYNCJOB_OK &&
	   asyncjob_rows_count(rows) == 1 && asyncjob_rows_int(rows, 0, 0) == 1 &&
	   asyncjob_rows_value(rows, 1, 0) == NULL && asyncjob_rows_value(rows, 0, 9) == NULL &&
	   asyncjob_rows_text(rows, 7, 7)[0] == '\0', "query, and rows that are not there");
	asyncjob_rows_free(rows);
	ok(asyncjob_query(c, "nonsense", 0, NULL, 0, &rows) == ASYNCJOB_INVALID_INPUT &&
	   rows == NULL && strcmp(asyncjob_last_error(c)->sqlstate, "42601") == 0,
	   "an error of the server: %s", asyncjob_last_error(c)->message);
	ok(asyncjob_wait(c, 1, 0, &state) == ASYNCJOB_TIMEOUT && asyncjob_subscriptions(c) == 0,
	   "wait, in vain");
	for (int i = 0; i < FAKE_LAST; i++)
		fake_advance(1);
	ok(asyncjob_wait(c, 1, -1, &state) == ASYNCJOB_OK && state == ASYNCJOB_COMPLETED, "wait");
	ok(asyncjob_wait(c, 60, -1, &state) == ASYNCJOB_INVALID_INPUT, "wait for no job: %s",
	   asyncjob_last_error(c)->message);
	fake.down = true;
	asyncjob_disconnect(c);
	ok(asyncjob_submit(c, &submission, &id) == ASYNCJOB_SUBMISSION_FAILED && id == 0,
	   "submit without a server: %s", asyncjob_last_error(c)->message);
	asyncjob_free(c);
	ok(leaks() == NULL, "nothing is left");
}

int
main(void)
{
	ajl_clock = fake_clock;
	asyncjob_set_allocator(test_alloc, test_realloc, test_free);
	begin();
	ok(scenario(3) == NULL, "the scenario, with nothing failing: %s", seen.wrong);
	each_failure();
	random_failures();
	backoff();
	no_server();
	comes_back();
	refusals();
	another_server();
	one_by_one();
	queries();
	notices();
	standby();
	inside_callbacks();
	blocking();
	return unit_done();
}
