/*-------------------------------------------------------------------------
 *
 * main.c
 *		The asyncjob command: its words and options.
 *
 * Options may stand before or after the command's word.  One that the command
 * has no use for is an error, not ignored.  What can be said to be wrong
 * without a server is said before one is looked for.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "client.h"

/* Which commands an option belongs to; connection options belong to all. */
enum
{
	SUBMIT = 1,
	WATCH = 2,
	STATUS = 4,
	LIST = 8,
	CANCEL = 16,
	RESULT = 32,
	ARTIFACTS = 64,
	RETRY = 128,
	QUEUES = 256,
	DEAD = 512,
	CHECK = 1024,
	REPORT = 2048,
	LOAD = 4096,
	TOP = 8192,
	PIPELINES = 16384,
	QUIESCE = 32768,
	RESUME = 65536,
	EVERY = 131071
};

typedef struct Command
{
	const char *name;
	int			bit;
	int			(*run) (const AjcOptions *options, int argc, char **argv);
	int			least;			/* arguments */
	int			most;
	const char *arguments;
	const char *missing;		/* what to ask for if there are too few */
} Command;

static const Command commands[] = {
	{"submit", SUBMIT, ajc_cmd_submit, 1, 2, "PIPELINE [PARAMS | @FILE | -]", "which pipeline?"},
	{"watch", WATCH, ajc_cmd_watch, 0, 1, "JOB | --session ID | --all", NULL},
	{"status", STATUS, ajc_cmd_status, 1, 1, "JOB", "which job?"},
	{"result", RESULT, ajc_cmd_result, 1, 1, "JOB", "which job?"},
	{"artifacts", ARTIFACTS, ajc_cmd_artifacts, 1, 1, "JOB [--save DIR]", "which job?"},
	{"cancel", CANCEL, ajc_cmd_cancel, 1, 2, "JOB [REASON]", "which job?"},
	{"list", LIST, ajc_cmd_list, 0, 0, "[OPTIONS]", NULL},
	{"retry", RETRY, ajc_cmd_retry, 1, 1, "JOB [--watch]", "which job?"},
	{"queues", QUEUES, ajc_cmd_queues, 0, 2, "[pause QUEUE | resume QUEUE] [--json]", NULL},
	{"pipelines", PIPELINES, ajc_cmd_pipelines, 0, 2, "[pause PIPELINE | resume PIPELINE] [--json]", NULL},
	{"quiesce", QUIESCE, ajc_cmd_quiesce, 0, 1, "[QUEUE]", NULL},
	{"resume", RESUME, ajc_cmd_resume, 0, 0, "", NULL},
	{"top", TOP, ajc_cmd_top, 0, 0, "", NULL},
	{"dead", DEAD, ajc_cmd_dead, 0, 2, "[list | show JOB | redrive WHICH | purge WHICH]", NULL},
	{"load", LOAD, ajc_cmd_load, 2, 2, "dem|site|wind|turbine|telemetry FILE [--name NAME]",
	"what, and from which file?"},
	{"check", CHECK, ajc_cmd_check, 0, 0, "[--json]", NULL},
	{"report", REPORT, ajc_cmd_report, 1, 1, "JOB [--open]", "which job?"},
};

typedef struct Option
{
	const char *name;
	int			letter;			/* short form, or a number above 255 */
	bool		has_value;
	size_t		offset;			/* of the field in AjcOptions */
	int			commands;
} Option;

#define FIELD(f) offsetof(AjcOptions, f)

static const Option option_table[] = {
	{"host", 'h', true, FIELD(host), EVERY},
	{"port", 'p', true, FIELD(port), EVERY},
	{"username", 'U', true, FIELD(user), EVERY},
	{"dbname", 'd', true, FIELD(dbname), EVERY},
	{"no-password", 'w', false, FIELD(no_password), EVERY},
	{"password", 'W', false, FIELD(ask_password), EVERY},
	{"wait", 256, false, FIELD(wait), SUBMIT},
	{"watch", 257, false, FIELD(watch), SUBMIT | RETRY},
	{"all", 258, false, FIELD(all), WATCH | DEAD},
	{"json", 259, false, FIELD(json), STATUS | LIST | WATCH | SUBMIT | ARTIFACTS | QUEUES | PIPELINES | DEAD | CHECK | LOAD},
	{"plain", 260, false, FIELD(plain), SUBMIT | WATCH | RETRY},
	{"queue", 261, true, FIELD(queue), SUBMIT | DEAD},
	{"priority", 262, true, FIELD(priority), SUBMIT},
	{"run-at", 263, true, FIELD(run_at), SUBMIT},
	{"session", 264, true, FIELD(session), SUBMIT | WATCH | LIST},
	{"user", 265, true, FIELD(user_id), SUBMIT | LIST},
	{"unique-key", 266, true, FIELD(unique_key), SUBMIT},
	{"state", 268, true, FIELD(state), LIST},
	{"limit", 269, true, FIELD(limit), LIST | DEAD},
	{"save", 270, true, FIELD(save), ARTIFACTS},
	{"name", 271, true, FIELD(name), LOAD},
	{"epsg", 272, true, FIELD(epsg), LOAD},
	{"pipeline", 273, true, FIELD(pipeline), DEAD},
	{"open", 274, false, FIELD(open), REPORT},
};

#define NOPTIONS (sizeof(option_table) / sizeof(option_table[0]))
#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

static void
help(void)
{
	fputs("asyncjob submits jobs to a PostgreSQL database with the extension asyncjob,\n"
		  "and follows them.\n"
		  "\n"
		  "Usage: asyncjob [OPTIONS] COMMAND\n"
		  "\n"
		  "Jobs:\n"
		  "  submit PIPELINE [PARAMS]  hand in a job, print its id\n"
		  "  watch JOB                 show a job's progress to its end\n"
		  "  watch --session ID        the unfinished jobs of a session\n"
		  "  watch --all               all jobs, until Ctrl-C\n"
		  "  status JOB                how a job stands, step by step\n"
		  "  result JOB                a completed job's result as JSON\n"
		  "  artifacts JOB             what a job made: names, sizes\n"
		  "  report JOB                save a job's report as report-JOB.html\n"
		  "  cancel JOB [REASON]       ask a job to stop\n"
		  "  retry JOB                 queue a failed or cancelled job again\n"
		  "  list                      the newest jobs\n"
		  "Operation:\n"
		  "  check                     is the server set up? What is to be mended?\n"
		  "  queues                    the queues and what is in them\n"
		  "  queues pause QUEUE        start no job of a queue; resume it again\n"
		  "  pipelines                 the pipelines; pause and resume as queues\n"
		  "  quiesce [QUEUE]           start nothing further, wait until nothing runs\n"
		  "  resume                    start jobs again after quiesce\n"
		  "  top                       queues, workers and jobs, live\n"
		  "  dead [list]               jobs that failed for good\n"
		  "  dead show JOB             all about one of them\n"
		  "  dead redrive WHICH        queue them again\n"
		  "  dead purge WHICH          delete them\n"
		  "Inputs of the energy pipelines:\n"
		  "  load dem FILE             elevations: ESRI ASCII grid; GeoTIFF by GDAL\n"
		  "  load site FILE            a site: GeoJSON or KML\n"
		  "  load wind FILE            a wind rose or Weibull resource (JSON), or a CSV\n"
		  "  load turbine FILE         a turbine's power curve (JSON)\n"
		  "  load telemetry FILE       measured wind (CSV)\n"
		  "\n"
		  "PARAMS is a JSON object: the text itself, @FILE, or - for standard input.\n"
		  "WHICH is a job, a filter in JSON, --queue NAME, --pipeline NAME or --all.\n"
		  "\n"
		  "Options of submit:\n"
		  "  --wait                 wait for the end, then print the result\n"
		  "  --watch                show progress until the end (retry, too)\n"
		  "  --queue NAME           queue of the job\n"
		  "  --priority N           0 to 10, higher is sooner; or low, medium, high, urgent\n"
		  "  --run-at TIME          not before this time, e.g. '2026-12-01 06:00+01'\n"
		  "  --session ID           session that the job belongs to\n"
		  "  --user ID              the application's user that the job belongs to\n"
		  "  --unique-key KEY       at most one unfinished job of this key\n"
		  "Options of watch, submit --watch and retry --watch:\n"
		  "  --plain                lines instead of bars, also on a terminal\n"
		  "Options of list and dead:\n"
		  "  --state STATE          queued, running, waiting, completed, failed, cancelled\n"
		  "  --session ID, --user ID, --queue NAME, --pipeline NAME\n"
		  "  --limit N              how many (20)\n"
		  "Other options:\n"
		  "  --save DIR             artifacts: write them into files of that directory\n"
		  "  --open                 report: show it in the browser\n"
		  "  --name NAME            load: what to call it (the file's name)\n"
		  "  --epsg N               load dem: coordinate system (4326, or the raster's own)\n"
		  "  --json                 one JSON object a line: watch, status, list, artifacts,\n"
		  "                         queues, pipelines, dead, check, load\n"
		  "\n"
		  "Connection options, as psql's:\n"
		  "  -h, --host HOST        server or directory of its socket (PGHOST)\n"
		  "  -p, --port PORT        port (PGPORT)\n"
		  "  -U, --username NAME    role (PGUSER)\n"
		  "  -d, --dbname NAME      database or connection string (PGDATABASE)\n"
		  "  -w, --no-password      never ask for a password\n"
		  "  -W, --password         ask for one at once (it is asked for when needed)\n"
		  "  -V, --version          print the version, then exit\n"
		  "  -?, --help             print this, then exit\n"
		  "\n"
		  "While watching, Ctrl-C stops watching and the job goes on; a second Ctrl-C\n"
		  "within two seconds cancels it.\n"
		  "\n"
		  "Exit codes:\n"
		  "  0    done; with --wait, --watch, watch and result: the job completed\n"
		  "  1    usage, an error of the server, no result yet, check found something,\n"
		  "       anything else\n"
		  "  2    no connection\n"
		  "  3    the job failed\n"
		  "  4    the job was cancelled\n"
		  "  130  stopped by Ctrl-C or SIGTERM; the job goes on\n", stdout);
}

static int
usage_error(void)
{
	fprintf(stderr, "Try \"asyncjob --help\" for more information.\n");
	return EXIT_ERROR;
}

/* A job's id is a number: say so here rather than by a cast's error. */
static bool
valid_job(const char *arg)
{
	if (arg[0] != '\0' && strlen(arg) <= 19 &&
		strspn(arg, "0123456789") == strlen(arg))
		return true;
	fprintf(stderr, "asyncjob: \"%s\" is not the id of a job\n"
			"HINT:  Ids are numbers; asyncjob list shows them.\n", arg);
	return false;
}

static bool
valid_number(const char *option, const char *value)
{
	if (value == NULL || (value[0] != '\0' && strlen(value) <= 9 &&
						  strspn(value, "0123456789") == strlen(value)))
		return true;
	fprintf(stderr, "asyncjob: --%s takes a number, not \"%s\"\n", option, value);
	return false;
}

/* How many letters are to be added, taken away or changed */
static int
distance(const char *a, const char *b)
{
	int			row[32];
	int			n = (int) strlen(b);

	if (strlen(a) > 20 || n > 20)
		return 99;
	for (int j = 0; j <= n; j++)
		row[j] = j;
	for (int i = 1; a[i - 1]; i++)
	{
		int			above = row[0];

		row[0] = i;
		for (int j = 1; j <= n; j++)
		{
			int			best = above + (a[i - 1] != b[j - 1]);

			above = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[n];
}

static int
unknown_command(const char *word)
{
	const Command *like = NULL;
	int			least = 3;

	for (size_t i = 0; i < NCOMMANDS; i++)
		if (distance(word, commands[i].name) < least)
		{
			like = &commands[i];
			least = distance(word, like->name);
		}
	fprintf(stderr, "asyncjob: unknown command \"%s\"\n", word);
	if (like)
		fprintf(stderr, "HINT:  Did you mean \"%s\"?\n", like->name);
	return usage_error();
}

/* Too few or too many arguments; false after a message. */
static bool
valid_arguments(const Command *command, int argc, char **argv)
{
	if (argc >= command->least && argc <= command->most)
		return true;
	if (argc < command->least)
		fprintf(stderr, "asyncjob: %s Usage: asyncjob %s %s\n", command->missing,
				command->name, command->arguments);
	else
		fprintf(stderr, "asyncjob: \"%s\" is one argument too many; usage: asyncjob %s %s\n",
				argv[command->most], command->name, command->arguments);
	if (command->bit == SUBMIT && argc > command->most)
		fprintf(stderr, "HINT:  JSON is to be quoted for the shell: '{\"key\": 1}'\n");
	return false;
}

/* What was printed may not have come to where it should. */
static int
flush_output(int rc)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return rc;
	fprintf(stderr, "asyncjob: could not write the output\n");
	return rc == EXIT_OK ? EXIT_ERROR : rc;
}

int
main(int argc, char **argv)
{
	struct option long_options[NOPTIONS + 3];
	char		short_options[NOPTIONS * 2 + 4] = "V?";
	AjcOptions	options;
	bool		given[NOPTIONS] = {false};
	const Command *command = NULL;
	int			letter;
	int			rc;

	setlocale(LC_CTYPE, "");
	memset(&options, 0, sizeof(options));
	memset(long_options, 0, sizeof(long_options));
	for (size_t i = 0; i < NOPTIONS; i++)
	{
		const Option *o = &option_table[i];

		long_options[i].name = o->name;
		long_options[i].has_arg = o->has_value ? required_argument : no_argument;
		long_options[i].val = o->letter;
		if (o->letter < 256)
		{
			char		text[3] = {(char) o->letter, o->has_value ? ':' : '\0', '\0'};

			strcat(short_options, text);
		}
	}
	long_options[NOPTIONS].name = "version";
	long_options[NOPTIONS].val = 'V';
	long_options[NOPTIONS + 1].name = "help";
	long_options[NOPTIONS + 1].val = 300;

	while ((letter = getopt_long(argc, argv, short_options, long_options, NULL)) != -1)
	{
		size_t		i = 0;

		if (letter == 300 || (letter == '?' && strcmp(argv[optind - 1], "-?") == 0))
		{
			help();
			return EXIT_OK;
		}
		if (letter == 'V')
		{
			puts("asyncjob " AJC_VERSION);
			return EXIT_OK;
		}
		while (i < NOPTIONS && option_table[i].letter != letter)
			i++;
		if (i == NOPTIONS)
			return usage_error();
		given[i] = true;
		if (option_table[i].has_value)
			*(const char **) ((char *) &options + option_table[i].offset) = optarg;
		else
			*(bool *) ((char *) &options + option_table[i].offset) = true;
	}
	argc -= optind;
	argv += optind;
	if (argc == 0)
	{
		fprintf(stderr, "asyncjob: no command given\n");
		return usage_error();
	}
	if (strcmp(argv[0], "help") == 0)
	{
		help();
		return EXIT_OK;
	}
	for (size_t i = 0; i < NCOMMANDS; i++)
		if (strcmp(commands[i].name, argv[0]) == 0)
			command = &commands[i];
	if (command == NULL)
		return unknown_command(argv[0]);
	argc--;
	argv++;
	for (size_t i = 0; i < NOPTIONS; i++)
		if (given[i] && !(option_table[i].commands & command->bit))
		{
			fprintf(stderr, "asyncjob: %s has no option --%s\n", command->name,
					option_table[i].name);
			return usage_error();
		}
	if (options.wait && options.watch)
	{
		fprintf(stderr, "asyncjob: --wait and --watch exclude each other\n");
		return usage_error();
	}
	if (!valid_arguments(command, argc, argv) || !valid_number("limit", options.limit) ||
		!valid_number("epsg", options.epsg))
		return EXIT_ERROR;
	if ((command->bit & (WATCH | STATUS | RESULT | ARTIFACTS | CANCEL | RETRY | REPORT)) && argc > 0 && !valid_job(argv[0]))
		return EXIT_ERROR;
	if (command->bit == DEAD && argc == 2 && strcmp(argv[0], "show") == 0 && !valid_job(argv[1]))
		return EXIT_ERROR;

	rc = ajc_connect(&options);
	if (rc == EXIT_OK)
		rc = command->run(&options, argc, argv);
	ajc_disconnect();
	return flush_output(rc);
}
