/*-------------------------------------------------------------------------
 *
 * conn.c
 *		The connection: options and environment as psql's, errors, waiting.
 *
 * The command has one client of libasyncjob, which makes a lost connection
 * again for as long as there is patience: a restart of the server does not
 * end a job, so it need not end the view of it.  The first attempt alone
 * decides whether there is a server at all.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "client.h"

#define ROUND_MS	200

asyncjob_client *ajc_client = NULL;

/* How long a lost connection is waited for */
double		ajc_patience_s = 10;

static double lost_since = -1;
static char password[4096];

static const char *role_name(void);

/*
 * Ask on the terminal, without echo; false if there is no terminal.  Ctrl-C
 * ends the program, but not before the terminal echoes again.
 */
static bool
ask_password(void)
{
	FILE	   *tty = fopen("/dev/tty", "r+");
	struct termios saved,
				quiet;
	bool		ok;

	if (tty == NULL)
		return false;
	ajc_catch_interrupts(true);
	fprintf(tty, "Password for user %s: ", role_name());
	fflush(tty);
	if (tcgetattr(fileno(tty), &saved) == 0)
	{
		quiet = saved;
		quiet.c_lflag &= ~(tcflag_t) ECHO;
		tcsetattr(fileno(tty), TCSAFLUSH, &quiet);
		ok = fgets(password, sizeof(password), tty) != NULL;
		tcsetattr(fileno(tty), TCSAFLUSH, &saved);
	}
	else
		ok = fgets(password, sizeof(password), tty) != NULL;
	fputc('\n', tty);
	fclose(tty);
	if (ajc_interrupts > 0)
		exit(EXIT_INTERRUPTED);
	ajc_catch_interrupts(false);
	password[strcspn(password, "\n")] = '\0';
	return ok;
}

/* ---- connection string ---- */

static char *conninfo;
static size_t conninfo_used;

/* Append keyword='value' with its quotes; a NULL value is left out. */
static void
add_setting(const char *keyword, const char *value)
{
	if (value == NULL)
		return;
	conninfo = ajc_alloc(conninfo, conninfo_used + strlen(keyword) + 2 * strlen(value) + 8);
	conninfo_used += (size_t) sprintf(conninfo + conninfo_used, "%s='", keyword);
	for (const char *p = value; *p; p++)
	{
		if (*p == '\'' || *p == '\\')
			conninfo[conninfo_used++] = '\\';
		conninfo[conninfo_used++] = *p;
	}
	strcpy(conninfo + conninfo_used, "' ");
	conninfo_used += 2;
}

/*
 * One connection string of all that was given; -d may itself be one, or a
 * URI, and then overrides the other options, as it does for psql.  False after
 * a message.
 */
static bool
make_conninfo(const AjcOptions *options)
{
	const char *dbname = options->dbname;

	free(conninfo);
	conninfo = NULL;
	conninfo_used = 0;
	add_setting("host", options->host);
	add_setting("port", options->port);
	add_setting("user", options->user);
	if (dbname != NULL && (strchr(dbname, '=') != NULL || strstr(dbname, "://") != NULL))
	{
		char	   *message = NULL;
		PQconninfoOption *parsed = PQconninfoParse(dbname, &message);

		if (parsed == NULL)
		{
			fprintf(stderr, "asyncjob: %s", message ? message : "out of memory\n");
			PQfreemem(message);
			return false;
		}
		for (PQconninfoOption *o = parsed; o->keyword != NULL; o++)
			add_setting(o->keyword, o->val);
		PQconninfoFree(parsed);
	}
	else
		add_setting("dbname", dbname);
	add_setting("password", password[0] ? password : NULL);
	return true;
}

/* Whom we connect as, by what was given and libpq's defaults */
static const char *
role_name(void)
{
	static char name[128];
	PQconninfoOption *sources[] = {PQconninfoParse(conninfo ? conninfo : "", NULL), PQconndefaults()};

	snprintf(name, sizeof(name), "?");
	for (int i = 1; i >= 0; i--)
	{
		for (PQconninfoOption *o = sources[i]; o != NULL && o->keyword != NULL; o++)
			if (strcmp(o->keyword, "user") == 0 && o->val != NULL)
				snprintf(name, sizeof(name), "%s", o->val);
		PQconninfoFree(sources[i]);
	}
	return name;
}

/* ---- what the library tells ---- */

static void
on_connection(asyncjob_client *client, asyncjob_connection state,
			  const asyncjob_error *error, void *arg)
{
	(void) client;
	(void) error;
	(void) arg;
	if (state == ASYNCJOB_CONNECTED)
	{
		if (lost_since >= 0 && ajc_displaying())
			ajc_display_note("connected again");
		lost_since = -1;
	}
	else if (state == ASYNCJOB_DISCONNECTED && lost_since < 0)
	{
		lost_since = ajc_now();
		if (ajc_displaying())
			ajc_display_note("connection lost; trying again");
	}
}

/* What a server says unasked goes to standard error. */
static void
on_notice(asyncjob_client *client, const char *severity, const char *message, void *arg)
{
	char	   *text = strcpy(ajc_alloc(NULL, strlen(message) + 1), message);

	(void) client;
	(void) arg;
	ajc_sanitize_text(text);
	fprintf(stderr, "%s:  %s\n", severity, text);
	free(text);
}

/* Returns an exit code; errors are reported. */
int
ajc_connect(const AjcOptions *options)
{
	asyncjob_options o = ASYNCJOB_OPTIONS_INIT;
	const asyncjob_error *error;

	if (!make_conninfo(options))
		return EXIT_ERROR;
	if (options->ask_password && (!ask_password() || !make_conninfo(options)))
	{
		fprintf(stderr, "asyncjob: there is no terminal to ask for a password on\n");
		return EXIT_CONNECTION;
	}
	o.conninfo = conninfo;
	o.application_name = "asyncjob";
	o.max_retries = -1;
	o.retry_delay_ms = 200;
	o.max_delay_ms = 5000;
	o.poll_interval_ms = 1000;
	o.callbacks.on_connection = on_connection;
	o.on_notice = on_notice;
	ajc_client = asyncjob_new(&o);
	if (ajc_client == NULL)
	{
		fprintf(stderr, "asyncjob: out of memory\n");
		return EXIT_ERROR;
	}
	(void) asyncjob_connect(ajc_client);
	while (asyncjob_connection_state(ajc_client) != ASYNCJOB_CONNECTED)
	{
		error = asyncjob_connection_error(ajc_client);
		if (asyncjob_reconnect_attempts(ajc_client) == 0 && ajc_interrupts == 0)
		{
			(void) asyncjob_run(ajc_client, ROUND_MS);
			continue;
		}
		if (error->code == ASYNCJOB_AUTH_REQUIRED && password[0] == '\0' &&
			strstr(error->message, "no password supplied") != NULL &&
			!options->no_password && ask_password())
		{
			if (!make_conninfo(options) ||
				asyncjob_set_conninfo(ajc_client, conninfo) != ASYNCJOB_OK)
				return EXIT_ERROR;
			continue;
		}
		fprintf(stderr, "asyncjob: %s\n", error->message);
		if (error->hint[0])
			fprintf(stderr, "HINT:  %s\n", error->hint);
		return error->code == ASYNCJOB_INVALID_INPUT ? EXIT_ERROR : EXIT_CONNECTION;
	}
	return EXIT_OK;
}

void
ajc_disconnect(void)
{
	asyncjob_free(ajc_client);
	ajc_client = NULL;
	free(conninfo);
	conninfo = NULL;
}

bool
ajc_connection_lost(void)
{
	return asyncjob_connection_state(ajc_client) != ASYNCJOB_CONNECTED;
}

/* Lost for longer than we have patience for */
bool
ajc_gave_up(void)
{
	return ajc_connection_lost() &&
		(asyncjob_connection_state(ajc_client) == ASYNCJOB_ERROR ||
		 (lost_since >= 0 && ajc_now() - lost_since > ajc_patience_s));
}

void
ajc_say_connection_lost(const char *job)
{
	fprintf(stderr, "asyncjob: lost the connection: %s\n",
			asyncjob_connection_error(ajc_client)->message);
	if (job)
		fprintf(stderr, "HINT:  The job goes on. Look again with: asyncjob watch %s\n", job);
}

/* ---- statements ---- */

static char *
copy_text(const char *text)
{
	char	   *copy = strcpy(ajc_alloc(NULL, strlen(text) + 1), text);

	ajc_sanitize_text(copy);
	return copy;
}

/* Which of our own functions gives a right that the server says is missing */
static const char *
grant_for(const AjcResult *res)
{
	if (strcmp(res->sqlstate, "42501") != 0 || res->hint[0])
		return NULL;
	if (strstr(res->message, "schema asyncjob") != NULL)
		return "grant_usage";
	return strstr(res->message, "denied for function") != NULL ? "grant_admin" : NULL;
}

static void
fill_error(AjcResult *res, const asyncjob_error *error)
{
	res->code = error->code;
	snprintf(res->sqlstate, sizeof(res->sqlstate), "%s", error->sqlstate);
	res->message = copy_text(error->message);
	res->detail = copy_text(error->detail);
	res->hint = copy_text(error->hint);
}

static void
on_reply(asyncjob_client *client, const asyncjob_error *error, asyncjob_rows *rows, void *arg)
{
	AjcResult  *res = arg;

	(void) client;
	if (res->abandoned)
	{
		ajc_clear(res);
		return;
	}
	if (error != NULL)
		fill_error(res, error);
	else
		res->rows = asyncjob_rows_keep(rows);
	res->done = true;
}

/*
 * Wait for the answer of what was sent.  Without a connection the wait ends
 * when there is no patience left, or at Ctrl-C.
 */
static AjcResult *
wait_for(AjcResult *res, int sent)
{
	if (sent != ASYNCJOB_OK)
	{
		fill_error(res, asyncjob_last_error(ajc_client));
		return res;
	}
	while (!res->done)
	{
		(void) asyncjob_run(ajc_client, ROUND_MS);

		/* Somebody insists on leaving while the server doesn't answer. */
		if (ajc_interrupts > 2)
			_exit(EXIT_INTERRUPTED);
		if (!res->done && ajc_connection_lost() && (ajc_interrupts > 0 || ajc_gave_up()))
		{
			res->abandoned = true;
			res = ajc_alloc(NULL, sizeof(*res));
			memset(res, 0, sizeof(*res));
			fill_error(res, asyncjob_connection_error(ajc_client));
			break;
		}
	}
	return res;
}

static AjcResult *
new_result(void)
{
	AjcResult  *res = ajc_alloc(NULL, sizeof(*res));

	memset(res, 0, sizeof(*res));
	return res;
}

/*
 * Run one statement; parameters travel apart from its text.  The result may
 * be an error: see ajc_query_ok.  Never returns NULL.
 */
AjcResult *
ajc_query(const char *sql, int nparams, const char *const *params, int flags)
{
	AjcResult  *res = new_result();

	return wait_for(res, asyncjob_send_query(ajc_client, sql, nparams, params,
											 (flags & AJC_BINARY ? ASYNCJOB_BINARY : 0) |
											 (flags & AJC_ONCE ? 0 : ASYNCJOB_RETRY),
											 on_reply, res));
}

AjcResult *
ajc_submit(const asyncjob_submission *submission)
{
	AjcResult  *res = new_result();

	return wait_for(res, asyncjob_send_submit(ajc_client, submission, on_reply, res));
}

bool
ajc_query_ok(const AjcResult *res)
{
	return res->rows != NULL;
}

int
ajc_ntuples(const AjcResult *res)
{
	return res->rows ? asyncjob_rows_count(res->rows) : 0;
}

bool
ajc_is_null(const AjcResult *res, int row, int column)
{
	return asyncjob_rows_value(res->rows, row, column) == NULL;
}

/* The rows are ours alone, so a value may be changed in place. */
char *
ajc_value(const AjcResult *res, int row, int column)
{
	return (char *) asyncjob_rows_text(res->rows, row, column);
}

size_t
ajc_length(const AjcResult *res, int row, int column)
{
	return asyncjob_rows_length(res->rows, row, column);
}

void
ajc_clear(AjcResult *res)
{
	asyncjob_rows_free(res->rows);
	free(res->message);
	free(res->detail);
	free(res->hint);
	free(res);
}

/* Print an error with its detail and hint, in psql's form. */
void
ajc_report_error(const AjcResult *res)
{
	fprintf(stderr, "asyncjob: %s\n", res->message);
	if (res->detail[0])
		fprintf(stderr, "DETAIL:  %s\n", res->detail);
	if (res->hint[0])
		fprintf(stderr, "HINT:  %s\n", res->hint);
	if (grant_for(res) != NULL)
		fprintf(stderr, "HINT:  Have an administrator run: SELECT asyncjob.%s('%s');\n",
				grant_for(res), role_name());
}

/* Report an error and give the exit code for it. */
int
ajc_failed(AjcResult *res)
{
	ajc_report_error(res);
	ajc_clear(res);
	return ajc_connection_lost() ? EXIT_CONNECTION : EXIT_ERROR;
}

/* Print a one-column result as it is. */
int
ajc_print_lines(const char *sql, int nparams, const char *const *params)
{
	AjcResult  *res = ajc_query(sql, nparams, params, 0);

	if (!ajc_query_ok(res))
		return ajc_failed(res);
	for (int i = 0; i < ajc_ntuples(res); i++)
		printf("%s\n", ajc_value(res, i, 0));
	ajc_clear(res);
	return EXIT_OK;
}
