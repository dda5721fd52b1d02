/*-------------------------------------------------------------------------
 *
 * keycommand.c
 *		The command that tells the keys of encrypted queues.
 *
 * It is run by the shell, as the server's user, in a process group of its own,
 * with nothing to read, and what it writes to its standard output are the keys.
 * Its standard error is the server's log.  A command that hasn't ended in time,
 * or whose caller is to stop, is killed with all that it has started: a key
 * manager that doesn't answer must not hold up a session for ever, nor the
 * coordinator.
 *
 * Not by popen(): that gives no process to kill.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/fd.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "keycommand.h"

#define TIMEOUT_MS	5000
#define LOOK_MS		50			/* for interrupts, and for its end */

extern char **environ;

static bool
start(const char *command, int fds[2], pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t	none,
				all;
	char	   *const argv[] = {"sh", "-c", (char *) command, NULL};
	int			rc;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
	posix_spawnattr_init(&attributes);
	/* what we ignore or block, it needn't */
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK |
							 POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	rc = posix_spawn(pid, "/bin/sh", &actions, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	errno = rc;
	return rc == 0;
}

static bool
must_stop(void)
{
	return InterruptPending && (QueryCancelPending || ProcDiePending);
}

/*
 * Wait for the command's next output, or with fd -1 for its end.  Returns false
 * where that doesn't come.
 */
static bool
wait_for(int fd, pid_t pid, int *status, TimestampTz until)
{
	for (;;)
	{
		long		ms = Min(LOOK_MS,
							 TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until));
		struct pollfd p = {.fd = fd,.events = POLLIN};

		if (fd < 0 && waitpid(pid, status, WNOHANG) == pid)
			return true;
		if (ms <= 0 || must_stop())
			return false;
		if (poll(&p, 1, fd < 0 ? 1 : (int) ms) > 0)
			return true;
	}
}

/*
 * Run a command and take its output, as a string.  If that fails, *problem says
 * why, in a sentence.
 */
bool
aj_key_command_run(const char *command, char *output, Size size, char *problem,
				   Size problem_size)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), TIMEOUT_MS);
	int			fds[2];
	pid_t		pid;
	int			status = 0;
	Size		got = 0;
	ssize_t		n = 0;
	bool		ended;

	problem[0] = '\0';
	if (pipe(fds) != 0)
	{
		snprintf(problem, problem_size, "The key command cannot be run: %s.",
				 strerror(errno));
		return false;
	}
	(void) fcntl(fds[0], F_SETFD, FD_CLOEXEC);
	(void) fcntl(fds[1], F_SETFD, FD_CLOEXEC);
	if (!start(command, fds, &pid))
	{
		snprintf(problem, problem_size, "The key command cannot be run: %s.",
				 strerror(errno));
		close(fds[0]);
		close(fds[1]);
		return false;
	}
	close(fds[1]);

	pgstat_report_wait_start(PG_WAIT_EXTENSION);
	while (got < size - 1 && (ended = wait_for(fds[0], pid, NULL, until)))
	{
		n = read(fds[0], output + got, size - 1 - got);
		if (n <= 0)
			break;
		got += n;
	}
	output[got] = '\0';
	if (got == size - 1)
		snprintf(problem, problem_size, "The key command writes more than %d bytes.",
				 (int) size - 2);
	ended = problem[0] == '\0' && ended && n == 0 &&
		wait_for(-1, pid, &status, until);
	close(fds[0]);
	if (!ended)
	{
		kill(-pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	pgstat_report_wait_end();

	if (problem[0] != '\0')
		return false;
	if (!ended && must_stop())
		strlcpy(problem, "The key command was interrupted.", problem_size);
	else if (!ended)
		snprintf(problem, problem_size, "The key command did not end within %d s.",
				 TIMEOUT_MS / 1000);
	else if (WIFSIGNALED(status))
		snprintf(problem, problem_size, "The key command was terminated by signal %d.",
				 WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		snprintf(problem, problem_size, "The key command failed with exit code %d; the server's log may have more.",
				 WEXITSTATUS(status));
	return problem[0] == '\0';
}
