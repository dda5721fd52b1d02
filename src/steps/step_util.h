/*-------------------------------------------------------------------------
 *
 * step_util.h
 *		What the glue between jsonb and the kernels has in common.
 *
 * Reading a step's input, refusing bad parameters in one voice, reading
 * tables without leaving a lock or snapshot behind, and writing JSON.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_STEP_UTIL_H
#define AJ_STEP_UTIL_H

#include "asyncjob.h"

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"
#include "utils/palloc.h"
#include "utils/resowner.h"

#include "../kernels/kernel.h"

/* PostgreSQL 18 renamed its own; this works with every compiler we build on */
#define AJ_NORETURN __attribute__((noreturn))

/* ----
 * Errors
 *
 * The code is the short word that names the error to programs
 * ("unit_or_range", "no_buildable_area"); it is put where PostgreSQL keeps
 * the constraint name, so every driver can read it.  msg, detail and hint
 * are already formatted (psprintf); detail and hint may be NULL.
 * ----
 */
extern AJ_NORETURN void aj_step_error(int sqlstate, const char *code,
									  const char *msg, const char *detail,
									  const char *hint);

/* ----
 * Input of a step
 *
 * The first step of a job gets the job's params object, a later one gets
 * {"params": {...}, "steps": {name: output, ...}}.  An object that has both
 * keys is the latter.  steps is NULL in the former case.
 *
 * The containers point into arg, which must be detoasted and stay.
 * ----
 */
typedef struct AjStepInput
{
	JsonbContainer *params;
	JsonbContainer *steps;
} AjStepInput;

extern void aj_step_input(Jsonb *arg, AjStepInput *in);

/* Output object of an earlier step, or NULL. */
extern JsonbContainer *aj_step_output(const AjStepInput *in, const char *step);

/* ----
 * Parameters
 *
 * Each returns the default where the key is absent or null, and refuses a
 * value of the wrong type or out of range (unit_or_range, naming parameter,
 * value and range).  The require forms refuse absence (parameter_missing).
 * Use -INFINITY/INFINITY for no limit.  c may be NULL: everything is absent.
 * Text is palloc'd.
 * ----
 */
extern bool aj_param_exists(JsonbContainer *c, const char *key);
extern char *aj_param_text(JsonbContainer *c, const char *key,
						   const char *dflt);
extern double aj_param_number(JsonbContainer *c, const char *key, double dflt,
							  double min, double max);
extern int	aj_param_int(JsonbContainer *c, const char *key, int dflt,
						 int min, int max);
extern bool aj_param_bool(JsonbContainer *c, const char *key, bool dflt);

/* one of a NULL-terminated list of words */
extern const char *aj_param_choice(JsonbContainer *c, const char *key,
								   const char *dflt,
								   const char *const *words);
extern JsonbContainer *aj_param_object(JsonbContainer *c, const char *key);
extern JsonbContainer *aj_param_array(JsonbContainer *c, const char *key);

/*
 * Elements of an array in another step's output, which anybody could have
 * made up who calls a handler with SELECT: refused (step_output_invalid)
 * where they are something else.
 */
extern JsonbContainer *aj_item_object(JsonbContainer *array, uint32 i);
extern JsonbContainer *aj_item_array(JsonbContainer *array, uint32 i);
extern double aj_item_number(JsonbContainer *array, uint32 i);

/* Array of numbers within min..max; NULL and *n = 0 where absent. */
extern double *aj_param_numbers(JsonbContainer *c, const char *key, int *n,
								double min, double max);

extern char *aj_require_text(JsonbContainer *c, const char *key);
extern double aj_require_number(JsonbContainer *c, const char *key,
								double min, double max);
extern int	aj_require_int(JsonbContainer *c, const char *key,
						   int min, int max);
extern JsonbContainer *aj_require_object(JsonbContainer *c, const char *key);
extern JsonbContainer *aj_require_array(JsonbContainer *c, const char *key);

/*
 * Refuse a key that is not in the NULL-terminated list, suggesting the
 * closest one (parameter_unknown).
 */
extern void aj_check_params(JsonbContainer *c, const char *const *known);

/* The entry of a NULL-terminated list closest to a word, or NULL. */
extern const char *aj_closest(const char *word, const char *const *known);

/* ----
 * Reading tables
 *
 *		aj_read_begin();
 *		SPI_execute_with_args(...);
 *		... copy what is needed into the caller's memory context ...
 *		aj_read_end();
 *
 * Runs what is between the two, connected to SPI, in a subtransaction with
 * its own snapshot, and rolls that back: no lock on the tables read and no
 * snapshot is left, so what follows can compute for long without holding
 * back vacuum or DDL.  Nothing written in between stays.  SPI results die
 * at aj_read_end(); the current memory context in between is SPI's, the
 * caller's is aj_read_context.  Don't return, break or goto out of it.
 * ----
 */
typedef struct AjReadState
{
	MemoryContext context;
	ResourceOwner owner;
	int			nest_level;
} AjReadState;

extern void aj_read_enter(AjReadState *state);
extern void aj_read_leave(AjReadState *state);
extern AJ_NORETURN void aj_read_rethrow(AjReadState *state);

#define aj_read_begin() \
	do { \
		AjReadState aj_read_state; \
		MemoryContext aj_read_context pg_attribute_unused() = CurrentMemoryContext; \
		aj_read_state.context = CurrentMemoryContext; \
		aj_read_state.owner = CurrentResourceOwner; \
		aj_read_state.nest_level = GetCurrentTransactionNestLevel(); \
		PG_TRY(); \
		{ \
			aj_read_enter(&aj_read_state)

#define aj_read_end() \
		} \
		PG_CATCH(); \
		{ \
			aj_read_rethrow(&aj_read_state); \
		} \
		PG_END_TRY(); \
		aj_read_leave(&aj_read_state); \
	} while (0)

/* ----
 * Kernels
 *
 * aj_poll is an ajk_poll callback: it stops the kernel when a cancel or
 * shutdown is pending and shows progress, the kernel's 0..1 mapped to
 * from..to.  After the kernel has returned "stopped", free what was
 * malloc'd and call aj_poll_finish(), which raises the pending interrupt.
 * ----
 */
typedef struct AjPoll
{
	double		from;
	double		to;
	const char *message;
} AjPoll;

extern bool aj_poll(void *arg, double fraction);
extern void aj_poll_finish(void);

/* What a kernel returned that fails only for being stopped or out of memory. */
extern void aj_kernel_check(AjkError err);

/*
 * Refuse a computation that needs more than asyncjob.max_step_memory.
 * what says what needs it ("8000 x 9000 cells"), hint what to do.
 */
extern void aj_check_memory(double bytes, const char *what, const char *hint);

/* ----
 * Writing JSON
 *
 * aj_json_number writes a finite double with at most the given decimals,
 * without trailing zeros; anything else as null.
 * ----
 */
extern Jsonb *aj_jsonb_from_text(const char *json);
extern void aj_json_number(StringInfo buf, double value, int decimals);
extern void aj_json_string(StringInfo buf, const char *str);

/* A member of an object; the comma where another stands before it. */
extern void aj_json_field(StringInfo buf, const char *key, double value,
						  int decimals);
extern void aj_json_text_field(StringInfo buf, const char *key,
							   const char *value);

/*
 * GeoJSON (RFC 7946): WGS 84 longitude, latitude with 7 decimals, exterior
 * rings counterclockwise, bbox, no crs member.
 *
 *		aj_geojson_begin(&gj);
 *		aj_geojson_feature(&gj, "\"turbine_id\":1", ...);	-- properties text
 *		... one geometry ...
 *		json = aj_geojson_end(&gj);		-- text of the FeatureCollection
 */
typedef struct AjGeoJson
{
	StringInfoData buf;			/* features so far */
	int			nfeatures;
	double		west,
				south,
				east,
				north;
} AjGeoJson;

extern void aj_geojson_begin(AjGeoJson *gj);

/* properties: the inside of a JSON object, "" for none */
extern void aj_geojson_point(AjGeoJson *gj, const char *properties,
							 double lon, double lat);
extern void aj_geojson_line(AjGeoJson *gj, const char *properties,
							int n, const double *lon, const double *lat);

/*
 * nrings closed or open rings, the first the exterior, the others holes;
 * the orientation is corrected and the ring closed here.
 */
extern void aj_geojson_polygon(AjGeoJson *gj, const char *properties,
							   int nrings, const int *n,
							   const double *const *lon,
							   const double *const *lat);
extern char *aj_geojson_end(AjGeoJson *gj);

#endif							/* AJ_STEP_UTIL_H */
