/*-------------------------------------------------------------------------
 *
 * seal.h
 *		Encrypting what jobs of encrypted queues carry.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_SEAL_H
#define AJ_SEAL_H

#include "postgres.h"

#include "compat.h"
#include "types.h"

/* something can't be encrypted or opened now; nothing is wrong with the job */
#define AJ_ERRCODE_NO_KEY	MAKE_SQLSTATE('A','J','0','1','0')

/* an encrypted value is an object of this one member */
#define AJ_ENVELOPE			"$encrypted"

/* stands where a text of a sealed job would be; its owner sees the text */
#define AJ_HIDDEN	"(encrypted)"

/* The place of a value, which it can't leave. */
typedef struct AjSealPlace
{
	int64		job_id;			/* of the job that was submitted */
	const char *what;
	int			step_no;
	int			item_no;
} AjSealPlace;

extern bool aj_is_sealed(const Jsonb *value);
extern void aj_refuse_sealed(const Jsonb *value, const char *name);
extern Jsonb *aj_seal(const AjSealPlace *place, Jsonb *value);
extern Jsonb *aj_open(const AjSealPlace *place, Jsonb *value);
extern Jsonb *aj_try_open(const AjSealPlace *place, Jsonb *value,
						  char **why);
extern char *aj_seal_key(void);
extern bytea *aj_seal_bytes(const AjSealPlace *place, const char *key_id,
							const char *data, Size len);
extern bytea *aj_open_bytes(const AjSealPlace *place, const char *key_id,
							bytea *sealed);
extern bool aj_seal_possible(const char **why);
extern void aj_seal_require(void);
pg_noreturn extern void aj_not_opened(const char *why) AJ_NORETURN;
extern void aj_job_open_params(AjJob *job);
extern Jsonb *aj_job_seal(const AjJob *job, const char *what, Jsonb *value);
extern void aj_require_content_of(int64 job_id, Oid owner, Oid reader);

#endif							/* AJ_SEAL_H */
