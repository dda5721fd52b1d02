/*-------------------------------------------------------------------------
 *
 * names.c
 *		What submit() knows of pipelines, queues and owners by name.
 *
 * submit() is one insert behind cheap checks; three index lookups through
 * SPI would cost more than the insert.  So each process remembers what it has
 * looked up: the current version of a pipeline with its owner and grants, the
 * id of a queue, the owners whose names are stored.  What does not exist is
 * not remembered.
 *
 * The cache is emptied by a relcache invalidation of one of the four tables,
 * which a statement trigger on each of them sends (_names_changed()), whoever
 * writes them, when that transaction commits, and in the writer's own session
 * with its next command.
 *
 * An entry must not be older than an invalidation that has already been
 * taken in.  The generation is read before the query takes its snapshot; if
 * it has changed afterwards, the answer is used once and not kept.  Under
 * REPEATABLE READ the snapshot is older than that, so nothing is kept.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "names.h"
#include "queue_submit.h"
#include "scope.h"

PG_FUNCTION_INFO_V1(aj_names_changed);

typedef struct QueueName
{
	char		name[NAMEDATALEN];	/* key */
	int32		id;
	int			max_depth;		/* -1: none */
	bool		encrypt;
} QueueName;

typedef struct OwnerName
{
	Oid			role;			/* key */
	NameData	rolname;
} OwnerName;

static const char *const tables[] =
{
	"owner", "pipeline", "pipeline_grant", "queue"
};

static Oid	relids[lengthof(tables)];
static uint64 generation = 0;
static bool callback_registered = false;
static MemoryContext names_context = NULL;	/* NULL: nothing is known */
static HTAB *pipelines,
		   *queues,
		   *owners;

static void
names_invalidated(Datum arg, Oid relid)
{
	for (int i = 0; i < lengthof(relids); i++)
	{
		if (relid == relids[i] || !OidIsValid(relid))
			generation++;
	}
}

/* Trigger of the four tables. */
Datum
aj_names_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("_names_changed() was not called by a trigger")));
	CacheInvalidateRelcache(((TriggerData *) fcinfo->context)->tg_relation);
	return PointerGetDatum(NULL);
}

static HTAB *
make_table(const char *name, Size keysize, Size entrysize, int flags)
{
	HASHCTL		ctl = {0};

	ctl.keysize = keysize;
	ctl.entrysize = entrysize;
	ctl.hcxt = names_context;
	return hash_create(name, 32, &ctl, HASH_ELEM | HASH_CONTEXT | flags);
}

/* Forget all. */
void
aj_names_forget(void)
{
	generation++;
}

/*
 * Make the tables, empty, if there are none or what they hold is out of
 * date.
 */
static void
be_current(void)
{
	static uint64 filled = 0;

	if (names_context != NULL && filled == generation)
		return;
	if (!callback_registered)
	{
		CacheRegisterRelcacheCallback(names_invalidated, (Datum) 0);
		callback_registered = true;
	}
	if (names_context != NULL)
		MemoryContextDelete(names_context);
	names_context = NULL;
	names_context = AllocSetContextCreate(CacheMemoryContext, "asyncjob names",
										  ALLOCSET_SMALL_SIZES);
	pipelines = make_table("asyncjob pipeline names", NAMEDATALEN,
						   sizeof(AjPipelineName), HASH_STRINGS);
	queues = make_table("asyncjob queue names", NAMEDATALEN,
						sizeof(QueueName), HASH_STRINGS);
	owners = make_table("asyncjob owners", sizeof(Oid), sizeof(OwnerName),
						HASH_BLOBS);
	for (int i = 0; i < lengthof(tables); i++)
		relids[i] = get_relname_relid(tables[i],
									  get_namespace_oid(AJ_SCHEMA, false));
	filled = generation;
}

static bool
may_keep(uint64 before)
{
	return generation == before && !IsolationUsesXactSnapshot();
}

/*
 * Current version of a pipeline, or NULL.  Valid until the next call.
 */
const AjPipelineName *
aj_name_pipeline(const char *name)
{
	static AjPipelineName found;
	AjPipelineName *entry;
	MemoryContext context = CurrentMemoryContext;
	AjScope		scope;
	uint64		before;
	Oid		   *grants;

	if (strlen(name) >= NAMEDATALEN)
		return NULL;
	be_current();
	entry = hash_search(pipelines, name, HASH_FIND, NULL);
	if (entry != NULL)
		return entry;

	before = generation;
	memset(&found, 0, sizeof(found));
	strlcpy(found.name, name, sizeof(found.name));
	aj_scope_enter(&scope, false);
	MemoryContextSwitchTo(context);
	found.id = aj_queue_find_pipeline(name, &found.owner);
	if (found.id != 0)
		found.ngrants = aj_queue_pipeline_grants(name, &grants);
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);
	if (found.id == 0)
		return NULL;

	found.grants = grants;
	if (!may_keep(before))
		return &found;
	found.grants = MemoryContextAlloc(names_context,
									  Max(found.ngrants, 1) * sizeof(Oid));
	memcpy(found.grants, grants, found.ngrants * sizeof(Oid));
	entry = hash_search(pipelines, name, HASH_ENTER, NULL);
	*entry = found;
	return entry;
}

/*
 * Id of a queue, or 0; how many jobs it may hold (-1: any number), and whether
 * they are encrypted.
 */
int32
aj_name_queue(const char *name, int *max_depth, bool *encrypt)
{
	QueueName  *entry;
	MemoryContext context = CurrentMemoryContext;
	AjScope		scope;
	uint64		before;
	int32		id;
	int			depth = -1;
	bool		sealed = false;

	if (strlen(name) >= NAMEDATALEN)
		return 0;
	be_current();
	entry = hash_search(queues, name, HASH_FIND, NULL);
	if (entry != NULL)
	{
		if (max_depth != NULL)
			*max_depth = entry->max_depth;
		if (encrypt != NULL)
			*encrypt = entry->encrypt;
		return entry->id;
	}

	before = generation;
	aj_scope_enter(&scope, false);
	id = aj_queue_read_queue(name, &depth, &sealed);
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);
	if (id != 0 && may_keep(before))
	{
		entry = hash_search(queues, name, HASH_ENTER, NULL);
		entry->id = id;
		entry->max_depth = depth;
		entry->encrypt = sealed;
	}
	if (max_depth != NULL)
		*max_depth = depth;
	if (encrypt != NULL)
		*encrypt = sealed;
	return id;
}

/* See that the name of a role that owns jobs is stored. */
void
aj_name_note_owner(Oid role, const char *rolname)
{
	OwnerName  *entry;
	MemoryContext context = CurrentMemoryContext;
	AjScope		scope;
	uint64		before;
	bool		known;

	be_current();
	entry = hash_search(owners, &role, HASH_FIND, NULL);
	if (entry != NULL && strcmp(NameStr(entry->rolname), rolname) == 0)
		return;

	before = generation;
	aj_scope_enter(&scope, false);
	known = aj_queue_note_owner(role, rolname);
	aj_scope_leave(&scope);
	MemoryContextSwitchTo(context);
	if (known && may_keep(before))
	{
		entry = hash_search(owners, &role, HASH_ENTER, NULL);
		namestrcpy(&entry->rolname, rolname);
	}
}
