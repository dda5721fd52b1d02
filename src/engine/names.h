/*-------------------------------------------------------------------------
 *
 * names.h
 *		What submit() knows of pipelines, queues and owners by name.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_NAMES_H
#define AJ_NAMES_H

#include "postgres.h"

/* Current version of a pipeline, and who may submit it. */
typedef struct AjPipelineName
{
	char		name[NAMEDATALEN];	/* key */
	int32		id;
	Oid			owner;
	int			ngrants;
	Oid		   *grants;			/* roles; InvalidOid is everybody */
} AjPipelineName;

extern const AjPipelineName *aj_name_pipeline(const char *name);
extern int32 aj_name_queue(const char *name, int *max_depth, bool *encrypt);
extern void aj_name_note_owner(Oid role, const char *rolname);
extern void aj_names_forget(void);

#endif							/* AJ_NAMES_H */
