/*-------------------------------------------------------------------------
 *
 * keyring.c
 *		The keys of encrypted queues.
 *
 * They stand in a file on the server, one a line: an id, white space, the
 * key.  The last one is current, what is encrypted from now on is so with it;
 * the others open what was encrypted before.  A new key is made current by
 * appending a line.
 *
 * asyncjob.encryption_key_file names the file and is shown to superusers only;
 * the keys are in no setting, no shared memory, no message and no log.  Each
 * process that needs one reads the file when it first does, and looks each
 * time whether it has changed since: a configuration reload would reach a
 * worker only after its handler, and the key that was current when a long one
 * began would be used long after it was retired.  A file that can't be read,
 * or isn't sound, gives no keys at all: what is then encrypted, or to be,
 * waits, and does so alike in old and new processes.
 *
 * As with private keys of TLS the file must be a regular one that belongs to
 * the server's user and nobody else may read, or belongs to root and only
 * its group may read it.  It must not lie in the data directory, where every
 * base backup would take it along.
 *
 * Instead of a file there may be a command, asyncjob.encryption_key_command,
 * that writes the same lines (keycommand.c).  Nothing says when it would write
 * others, so it is run again after a reload, when a key is missing, and every
 * few minutes; after a failure not at once.  One that fails says nothing about
 * the keys, so those that it told before are kept, until a reload.
 *
 * Why a key is an opaque string of 32 bytes or more, rather than a pass
 * phrase: see seal.c.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "guc.h"
#include "keycommand.h"
#include "keyring.h"

#define MAX_KEYS	64
#define MAX_FILE	(64 * 1024)
#define COMMAND_AGE_MS		(5 * 60 * 1000) /* a command's keys are used for */
#define COMMAND_AGAIN_MS	10000	/* between two runs for want of a key */
#define COMMAND_SHARE		10	/* part of the time that failures may take */

static AjKey *keys = NULL;
static int	nkeys = 0;
static char loaded_path[MAXPGPATH]; /* as the setting has it */
static struct stat loaded_file; /* all zero: none was read */
static char *loaded_command = NULL; /* NULL: none was run */
static TimestampTz loaded_at = 0;	/* when it was */
static long took_ms = 0;
static bool kept = false;		/* it has failed since */
static const char *source;		/* words for where keys come from */
static char problem[256];		/* why there are no keys, or empty */

static void
forget(void)
{
	if (keys != NULL)
		explicit_bzero(keys, MAX_KEYS * sizeof(AjKey));
	nkeys = 0;
	problem[0] = '\0';
}

/* Is it a file that only we, or root and we, can read?  Else say why not. */
static bool
is_private(int fd, Size *size)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
	{
		snprintf(problem, sizeof(problem),
				 "The key file cannot be examined: %s.", strerror(errno));
		return false;
	}
	loaded_file = st;
	if (!S_ISREG(st.st_mode))
		strlcpy(problem, "The key file is not a regular file.", sizeof(problem));
	else if (st.st_uid != geteuid() && st.st_uid != 0)
		strlcpy(problem, "The key file must belong to the server's user or to root.",
				sizeof(problem));
	else if (st.st_uid == geteuid() ?
			 (st.st_mode & (S_IRWXG | S_IRWXO)) != 0 :
			 (st.st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)) != 0)
		strlcpy(problem, "The key file can be read or written by others; its permissions should be u=rw (0600), or u=rw,g=r (0640) if it belongs to root.",
				sizeof(problem));
	else if (st.st_size > MAX_FILE)
		snprintf(problem, sizeof(problem),
				 "The key file has more than %d bytes.", MAX_FILE);
	*size = (Size) st.st_size;
	return problem[0] == '\0';
}

/* Take one line, without its newline.  Says what is wrong with it. */
static const char *
parse_line(char *line)
{
	static const char allowed[] = "0123456789.-_"
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	char	   *id = line + strspn(line, " \t");
	size_t		id_len = strcspn(id, " \t\r");
	char	   *secret = id + id_len + strspn(id + id_len, " \t");
	size_t		secret_len = strcspn(secret, " \t\r");

	if (id[0] == '#' || id_len == 0)
		return NULL;
	if (id_len > AJ_KEY_ID_LEN || strspn(id, allowed) < id_len)
		return "does not begin with an id of 1 to 32 letters, digits, \"_\", \".\" or \"-\"";
	if (secret_len < AJ_KEY_MIN || secret_len > AJ_KEY_MAX)
		return "has no key of 32 to 256 bytes after the id";
	if (secret[secret_len + strspn(secret + secret_len, " \t\r")] != '\0')
		return "goes on after the key";
	for (size_t i = 0; i < secret_len; i++)
	{
		if (secret[i] < 0x21 || secret[i] > 0x7e)
			return "has a key with other than printable ASCII characters";
	}
	for (int i = 0; i < nkeys; i++)
	{
		if (strlen(keys[i].id) == id_len && strncmp(keys[i].id, id, id_len) == 0)
			return "has the id of another line";
	}
	if (nkeys == MAX_KEYS)
		return "is one key too many; 64 are allowed";
	memcpy(keys[nkeys].id, id, id_len);
	keys[nkeys].id[id_len] = '\0';
	memcpy(keys[nkeys].secret, secret, secret_len);
	keys[nkeys].secret[secret_len] = '\0';
	keys[nkeys].len = secret_len;
	nkeys++;
	return NULL;
}

static void
parse(char *text)
{
	int			line_no = 0;

	for (char *line = text, *next; line != NULL; line = next)
	{
		const char *wrong;

		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		line_no++;
		wrong = parse_line(line);
		if (wrong != NULL)
		{
			forget();
			snprintf(problem, sizeof(problem), "Line %d of the %s %s.",
					 line_no, source, wrong);
			return;
		}
	}
	if (nkeys == 0)
		snprintf(problem, sizeof(problem), "The %s has no keys.", source);
}

static void
read_file(const char *path)
{
	char	   *text;
	Size		size = 0,
				got = 0;
	int			fd;

	fd = OpenTransientFile(path, O_RDONLY | O_NONBLOCK | PG_BINARY);
	if (fd < 0)
	{
		snprintf(problem, sizeof(problem), "The key file cannot be opened: %s.",
				 strerror(errno));
		return;
	}
	if (!is_private(fd, &size))
	{
		CloseTransientFile(fd);
		return;
	}
	text = palloc0(size + 1);
	while (got < size)
	{
		ssize_t		n = read(fd, text + got, size - got);

		if (n <= 0)
			break;
		got += n;
	}
	CloseTransientFile(fd);
	if (got < size)
		strlcpy(problem, "The key file cannot be read.", sizeof(problem));
	else
		parse(text);
	explicit_bzero(text, size);
	pfree(text);
}

static void
load_from_file(void)
{
	char		canonical[MAXPGPATH];

	source = "key file";
	strlcpy(loaded_path, aj_guc_encryption_key_file, sizeof(loaded_path));
	strlcpy(canonical, aj_guc_encryption_key_file, sizeof(canonical));
	canonicalize_path(canonical);
	if (!is_absolute_path(canonical))
		strlcpy(problem, "asyncjob.encryption_key_file is not an absolute path.",
				sizeof(problem));
	else if (path_is_prefix_of_path(DataDir, canonical))
		strlcpy(problem, "The key file must not lie in the data directory, of which every backup takes a copy.",
				sizeof(problem));
	else
		read_file(canonical);
}

static void
load_from_command(void)
{
	char	   *text = palloc0(MAX_FILE + 2);

	source = "output of the key command";
	loaded_command = MemoryContextStrdup(TopMemoryContext,
										 aj_guc_encryption_key_command);
	loaded_at = GetCurrentTimestamp();
	if (aj_key_command_run(loaded_command, text, MAX_FILE + 2, problem, sizeof(problem)))
	{
		forget();
		parse(text);
		kept = false;
	}
	else
		kept = nkeys > 0;
	took_ms = TimestampDifferenceMilliseconds(loaded_at, GetCurrentTimestamp());
	explicit_bzero(text, MAX_FILE + 2);
	pfree(text);
}

static bool
is_set(const char *setting)
{
	return setting != NULL && setting[0] != '\0';
}

/* Is the command the one that was run, and that since the last reload? */
static bool
is_same_command(void)
{
	return loaded_command != NULL && !is_set(aj_guc_encryption_key_file) &&
		strcmp(loaded_command, aj_guc_encryption_key_command) == 0 &&
		loaded_at > PgReloadTime;
}

static void
load(void)
{
	bool		file = is_set(aj_guc_encryption_key_file);
	bool		command = is_set(aj_guc_encryption_key_command);

	if (keys == NULL)
		keys = MemoryContextAllocZero(TopMemoryContext, MAX_KEYS * sizeof(AjKey));
	if (!is_same_command())
		forget();
	memset(&loaded_file, 0, sizeof(loaded_file));
	loaded_path[0] = '\0';
	if (loaded_command != NULL)
		pfree(loaded_command);
	loaded_command = NULL;
	if (file && command)
		strlcpy(problem, "Both asyncjob.encryption_key_file and asyncjob.encryption_key_command are set.",
				sizeof(problem));
	else if (file)
		load_from_file();
	else if (command)
		load_from_command();
	else
		strlcpy(problem, "Neither asyncjob.encryption_key_file nor asyncjob.encryption_key_command is set.",
				sizeof(problem));

	/* if the command was cut short, it says nothing about the keys */
	if (loaded_command != NULL && (nkeys == 0 || kept) &&
		(QueryCancelPending || ProcDiePending))
	{
		if (nkeys == 0)
		{
			pfree(loaded_command);
			loaded_command = NULL;
		}
		CHECK_FOR_INTERRUPTS();
	}
}

/* Is the file that was read as it was then?  If none was read, it isn't. */
static bool
file_is_unchanged(void)
{
	struct stat st;

	return !is_set(aj_guc_encryption_key_command) && loaded_file.st_ino != 0 && strcmp(loaded_path, aj_guc_encryption_key_file) == 0 &&
		stat(loaded_path, &st) == 0 && st.st_ino == loaded_file.st_ino &&
		st.st_dev == loaded_file.st_dev && st.st_size == loaded_file.st_size &&
		st.st_mtim.tv_sec == loaded_file.st_mtim.tv_sec &&
		st.st_mtim.tv_nsec == loaded_file.st_mtim.tv_nsec &&
		st.st_ctim.tv_sec == loaded_file.st_ctim.tv_sec &&
		st.st_ctim.tv_nsec == loaded_file.st_ctim.tv_nsec;
}

static bool
older_than(long ms)
{
	return TimestampDifferenceExceeds(loaded_at, GetCurrentTimestamp(), ms);
}

/* Is it too early to run the command again? */
static bool
command_rests(void)
{
	return !older_than(Max(COMMAND_AGAIN_MS, COMMAND_SHARE * took_ms));
}

/* Was the command run, and shall not be again now? */
static bool
command_is_unchanged(void)
{
	return is_same_command() &&
		(nkeys > 0 && !kept ? !older_than(COMMAND_AGE_MS) : command_rests());
}

static void
be_current(void)
{
	if (!command_is_unchanged() && !file_is_unchanged())
		load();
}

/* The key to encrypt with; NULL, and why, if there is none. */
const AjKey *
aj_key_current(const char **why)
{
	be_current();
	if (nkeys == 0)
	{
		*why = problem;
		return NULL;
	}
	return &keys[nkeys - 1];
}

static const AjKey *
find(const char *id)
{
	for (int i = 0; i < nkeys; i++)
	{
		if (strcmp(keys[i].id, id) == 0)
			return &keys[i];
	}
	return NULL;
}

/* The key of this id; NULL, and why, if there is none. */
const AjKey *
aj_key_find(const char *id, const char **why)
{
	const AjKey *key;

	be_current();
	key = find(id);
	if (key == NULL && loaded_command != NULL && !command_rests())
	{
		load();
		key = find(id);
	}
	if (key == NULL)
		*why = nkeys > 0 ? psprintf("The %s has no key of this id.", source) : problem;
	return key;
}

/* All of them, the current one last. */
int
aj_keys(const AjKey **all)
{
	be_current();
	*all = keys;
	return nkeys;
}
