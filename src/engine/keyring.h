/*-------------------------------------------------------------------------
 *
 * keyring.h
 *		The keys of encrypted queues.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_KEYRING_H
#define AJ_KEYRING_H

#include "postgres.h"

#define AJ_KEY_ID_LEN		32	/* bytes of an id, without the zero */
#define AJ_KEY_MIN			32	/* bytes of a key */
#define AJ_KEY_MAX			256

typedef struct AjKey
{
	char		id[AJ_KEY_ID_LEN + 1];
	Size		len;
	char		secret[AJ_KEY_MAX + 1];
} AjKey;

extern const AjKey *aj_key_current(const char **why);
extern const AjKey *aj_key_find(const char *id, const char **why);
extern int	aj_keys(const AjKey **keys);

#endif							/* AJ_KEYRING_H */
