/*-------------------------------------------------------------------------
 *
 * crashfile.c
 *		Who was running when the server crashed.
 *
 * A handler that brings down the server must be recognised afterwards, when
 * shared memory and uncommitted changes are gone.  The jobs in hand
 * therefore stand in a small memory-mapped file in the data directory, one
 * entry per worker slot.  It is never flushed: a crash of a process keeps
 * the page cache, and after a power failure nobody is to be blamed.
 *
 * When a process of the cluster dies, the postmaster sends SIGQUIT to all
 * others.  A worker's SIGQUIT handler marks its entry as that of a bystander
 * before it exits; the one that died couldn't.  An immediate shutdown sends
 * SIGQUIT to everybody, so it leaves only bystanders; every other exit goes
 * through aj_crashfile_leave().
 *
 * At the next start, before any worker runs, the entries that are not marked
 * become suspects, in a second array of the file; there they stay until the
 * coordinator of their database has noted them in asyncjob.job.  Only a
 * crash while a job ran alone is held against it, and the new count is the
 * one the entry carries plus one, so that noting it twice changes nothing.
 *
 * A base backup or a file-system copy takes the file along; there it tells
 * of processes of another server.  It names its own device and inode, so that
 * a copy is recognised and emptied.
 *
 * The file is written by one process per entry; the suspects by the
 * postmaster while nothing else runs, then by the coordinator of the
 * suspect's database.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libpq/pqsignal.h"
#include "postmaster/interrupt.h"
#include "storage/fd.h"

#include "crashfile.h"
#include "shmem.h"

#define AJ_CRASHFILE		"asyncjob.running"
#define AJ_CRASHFILE_MAGIC	0x414a4352
#define AJ_CRASHFILE_VERSION 2
#define AJ_MAX_SUSPECTS		1024

typedef struct CrashEntry
{
	AjSuspect	job;			/* job_id 0: nothing in hand */
	volatile sig_atomic_t bystander;
} CrashEntry;

typedef struct CrashFile
{
	uint32		magic;
	uint32		version;
	int			nslots;
	dev_t		device;			/* of this very file: a copy in a base backup */
	ino_t		inode;			/* tells of another server's processes */
	AjSuspect	suspects[AJ_MAX_SUSPECTS];	/* job_id 0: free */
	CrashEntry	entries[FLEXIBLE_ARRAY_MEMBER];
} CrashFile;

static CrashFile *crash_file = NULL;
static dev_t crash_file_device;
static ino_t crash_file_inode;
static CrashEntry *my_entry = NULL;

static Size
crash_file_size(int nslots)
{
	return offsetof(CrashFile, entries) + nslots * sizeof(CrashEntry);
}

/*
 * Map the file, if need be making it.  Without it jobs run all the same, only
 * a crash isn't attributed, so a failure is reported and survived.
 */
static bool
map_file(void)
{
	struct stat st;
	Size		size = crash_file_size(aj_shmem_slot_count());
	int			fd;
	void	   *map;

	if (crash_file != NULL)
		return true;

	fd = BasicOpenFile(AJ_CRASHFILE, O_RDWR | O_CREAT | PG_BINARY);
	if (fd < 0)
	{
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", AJ_CRASHFILE),
				 errdetail("A job that crashes the server will not be recognised.")));
		return false;
	}
	if (fstat(fd, &st) < 0 ||
		(st.st_size < (off_t) size && ftruncate(fd, size) < 0))
	{
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not extend file \"%s\": %m", AJ_CRASHFILE)));
		close(fd);
		return false;
	}
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
	{
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not map file \"%s\": %m", AJ_CRASHFILE)));
		return false;
	}
	crash_file = map;
	crash_file_device = st.st_dev;
	crash_file_inode = st.st_ino;
	return true;
}

/*
 * Turn what the last server left behind into suspects.  Runs in the
 * postmaster when it makes shared memory, that is at its start and after a
 * crash, when no worker exists.
 */
void
aj_crashfile_collect(void)
{
	int			nslots = aj_shmem_slot_count();

	if (!map_file())
		return;

	if (crash_file->magic != AJ_CRASHFILE_MAGIC ||
		crash_file->version != AJ_CRASHFILE_VERSION ||
		crash_file->device != crash_file_device ||
		crash_file->inode != crash_file_inode)
		memset(crash_file, 0, crash_file_size(nslots));
	else
	{
		int			known = Min(nslots, crash_file->nslots);

		for (int i = 0; i < known; i++)
		{
			CrashEntry *entry = &crash_file->entries[i];

			if (entry->job.job_id == 0 || entry->bystander)
				continue;
			for (int s = 0; s < AJ_MAX_SUSPECTS; s++)
			{
				AjSuspect  *suspect = &crash_file->suspects[s];

				if (suspect->job_id == 0)
				{
					*suspect = entry->job;
					break;
				}
			}
		}
		memset(crash_file->entries, 0, nslots * sizeof(CrashEntry));
	}
	crash_file->magic = AJ_CRASHFILE_MAGIC;
	crash_file->version = AJ_CRASHFILE_VERSION;
	crash_file->nslots = nslots;
	crash_file->device = crash_file_device;
	crash_file->inode = crash_file_inode;
}

/*
 * SIGQUIT: some process crashed or the server shuts down at once.  Whoever
 * can still run this is innocent.
 */
static void
worker_quickdie(SIGNAL_ARGS)
{
	if (my_entry != NULL)
		my_entry->bystander = 1;
	SignalHandlerForCrashExit(AJ_PASS_SIGNAL_ARGS);
}

/* A worker prepares to enter its jobs. */
void
aj_crashfile_attach(int slot_no)
{
	if (map_file())
	{
		my_entry = &crash_file->entries[slot_no];
		memset(my_entry, 0, sizeof(CrashEntry));
	}
	pqsignal(SIGQUIT, worker_quickdie);
}

void
aj_crashfile_enter(const AjSuspect *job)
{
	if (my_entry == NULL)
		return;
	my_entry->bystander = 0;
	my_entry->job.dbid = job->dbid;
	my_entry->job.worker_id = job->worker_id;
	my_entry->job.crashes = job->crashes;
	my_entry->job.alone = job->alone;
	/* the id last: it makes the entry valid */
	pg_compiler_barrier();
	my_entry->job.job_id = job->job_id;
}

void
aj_crashfile_leave(void)
{
	if (my_entry != NULL)
		my_entry->job.job_id = 0;
}

/*
 * Suspects of one database, as a palloc'd array.
 */
int
aj_crashfile_suspects(Oid dbid, AjSuspect **suspects)
{
	int			n = 0;

	*suspects = NULL;
	if (!map_file())
		return 0;
	for (int s = 0; s < AJ_MAX_SUSPECTS; s++)
	{
		if (crash_file->suspects[s].job_id == 0 ||
			crash_file->suspects[s].dbid != dbid)
			continue;
		if (*suspects == NULL)
			*suspects = palloc(AJ_MAX_SUSPECTS * sizeof(AjSuspect));
		(*suspects)[n++] = crash_file->suspects[s];
	}
	return n;
}

/* The database knows about this one now. */
void
aj_crashfile_forget(const AjSuspect *suspect)
{
	for (int s = 0; crash_file && s < AJ_MAX_SUSPECTS; s++)
	{
		if (crash_file->suspects[s].dbid == suspect->dbid &&
			crash_file->suspects[s].job_id == suspect->job_id &&
			crash_file->suspects[s].worker_id == suspect->worker_id)
			crash_file->suspects[s].job_id = 0;
	}
}
