/*-------------------------------------------------------------------------
 *
 * asyncjob.h
 *		The public interface of a compiled step.
 *
 * A step's handler is an ordinary SQL-callable C function
 * (jsonb) RETURNS jsonb.  The engine calls it through fmgr in the worker
 * that runs the job.  What a handler may want from the engine (report
 * progress, write a log line, store an artifact, compute without holding
 * back vacuum) goes through the table of functions below, which the engine
 * publishes as a rendezvous variable.  Where the engine is not loaded, or
 * the handler is called from plain SQL, every call is a harmless no-op, so
 * a step can be tried with SELECT.
 *
 * A step includes postgres.h, fmgr.h and this file, nothing else of
 * asyncjob.  See docs/writing-a-step.md.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef ASYNCJOB_H
#define ASYNCJOB_H

#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"

#define AJ_STEP_API_VERSION		1
#define AJ_STEP_API_VARIABLE	"asyncjob_step_api"

/*
 * SQLSTATEs by which a handler steers its run (DESIGN of the engine: these
 * are part of the SQL API, any language can raise them).
 */
#define AJ_ERRCODE_DO_NOT_RETRY	MAKE_SQLSTATE('A','J','0','0','1')
#define AJ_ERRCODE_RETRY_AFTER	MAKE_SQLSTATE('A','J','0','0','2')
#define AJ_ERRCODE_SNOOZE		MAKE_SQLSTATE('A','J','0','0','3')
#define AJ_ERRCODE_CANCEL		MAKE_SQLSTATE('A','J','0','0','4')

/*
 * SQLSTATEs that name the category of a failure.  The first two are never
 * retried, a resource failure once, an external one by the step's backoff, and
 * one of a rate limit after five minutes unless the step says otherwise.
 */
#define AJ_ERRCODE_VALIDATION	MAKE_SQLSTATE('A','J','1','0','1')
#define AJ_ERRCODE_INFEASIBLE	MAKE_SQLSTATE('A','J','1','0','2')
#define AJ_ERRCODE_RESOURCE		MAKE_SQLSTATE('A','J','1','0','3')
#define AJ_ERRCODE_EXTERNAL		MAKE_SQLSTATE('A','J','1','0','4')
#define AJ_ERRCODE_RATE_LIMIT	MAKE_SQLSTATE('A','J','1','0','5')

typedef struct AjStepApi
{
	uint32		version;		/* AJ_STEP_API_VERSION of the engine */

	/*
	 * Id of the job this process is running, 0 outside of a job.
	 */
	int64		(*job_id) (void);

	/*
	 * Number of this attempt of the current step, from 1; 0 outside of a job.
	 */
	int			(*attempt) (void);

	/*
	 * Show how far the current step is, 0..1, at once, without a transaction.
	 * The message may be NULL; it is cut at 128 bytes.  Cheap enough for an
	 * inner loop.
	 */
	void		(*progress) (double fraction, const char *message);

	/*
	 * Add a line to the job's updates.  level is 'debug', 'info', 'warning'
	 * or 'error'; data is a JSON text or NULL.  Kept even if the step fails.
	 */
	void		(*log) (const char *level, const char *message,
						const char *data);

	/*
	 * Store a named result of the job.  kind is what it is to the user
	 * ('wind_farm_layout'), media_type how to read it ('application/json').
	 * An artifact of the same name of the same job is replaced.  It becomes
	 * visible when the step commits.
	 */
	void		(*artifact) (const char *name, const char *kind,
							 const char *media_type,
							 const void *data, Size len);

	/*
	 * Drop the snapshots that the engine holds for this call, so that a long
	 * computation does not hold back vacuum; compute_end brings them back.
	 * Between the two no catalog or table may be touched and no toasted value
	 * fetched.
	 */
	void		(*compute_begin) (void);
	void		(*compute_end) (void);

	/* asyncjob.max_step_memory in bytes */
	Size		(*max_step_memory) (void);
} AjStepApi;

/* The engine's table, or NULL where it is not loaded. */
static inline const AjStepApi *
aj_step_api(void)
{
	static const AjStepApi **slot = NULL;

	if (slot == NULL)
		slot = (const AjStepApi **)
			find_rendezvous_variable(AJ_STEP_API_VARIABLE);
	if (*slot != NULL && (*slot)->version < AJ_STEP_API_VERSION)
		return NULL;
	return *slot;
}

static inline int64
aj_job_id(void)
{
	const AjStepApi *api = aj_step_api();

	return api ? api->job_id() : 0;
}

static inline int
aj_attempt(void)
{
	const AjStepApi *api = aj_step_api();

	return api ? api->attempt() : 0;
}

static inline void
aj_progress(double fraction, const char *message)
{
	const AjStepApi *api = aj_step_api();

	if (api)
		api->progress(fraction, message);
}

static inline void
aj_log(const char *level, const char *message, const char *data)
{
	const AjStepApi *api = aj_step_api();

	if (api)
		api->log(level, message, data);
}

static inline void
aj_artifact(const char *name, const char *kind, const char *media_type,
			const void *data, Size len)
{
	const AjStepApi *api = aj_step_api();

	if (api)
		api->artifact(name, kind, media_type, data, len);
}

static inline void
aj_compute_begin(void)
{
	const AjStepApi *api = aj_step_api();

	if (api)
		api->compute_begin();
	InvalidateCatalogSnapshotConditionally();
}

static inline void
aj_compute_end(void)
{
	const AjStepApi *api = aj_step_api();

	if (api)
		api->compute_end();
}

static inline Size
aj_max_step_memory(void)
{
	const AjStepApi *api = aj_step_api();

	return api ? api->max_step_memory() : (Size) 1024 * 1024 * 1024;
}

#endif							/* ASYNCJOB_H */
