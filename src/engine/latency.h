/*-------------------------------------------------------------------------
 *
 * latency.h
 *		How long things of the engine's own take.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_LATENCY_H
#define AJ_LATENCY_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "port/atomics.h"

#define AJ_LATENCY_BUCKETS	20

typedef enum AjLatencyKind
{
	AJ_LATENCY_SUBMIT,			/* a call of submit() or submit_many() */
	AJ_LATENCY_NOTIFY,			/* commit of a change to commit of its NOTIFY */
	AJ_LATENCY_CHAT,			/* a message to a chat session */
	AJ_LATENCY_KINDS
} AjLatencyKind;

typedef struct AjLatency
{
	pg_atomic_uint64 failed;
	pg_atomic_uint64 sum_us;
	pg_atomic_uint64 buckets[AJ_LATENCY_BUCKETS];
} AjLatency;

extern void aj_latency_init(AjLatency *latency);
extern void aj_latency_reset(AjLatency *latency);
extern void aj_latency_note(AjLatencyKind kind, TimestampTz start,
							TimestampTz end);
extern void aj_latency_note_failed(AjLatencyKind kind);

#endif							/* AJ_LATENCY_H */
