/*-------------------------------------------------------------------------
 *
 * telemetry_loader.h
 *		Samples of a series that is being loaded.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_TELEMETRY_LOADER_H
#define AJ_TELEMETRY_LOADER_H

#include "telemetry.h"

typedef struct AjTelemetrySample
{
	double		t;
	int			row;			/* place in the source */
	double		v[AJ_CHANNELS];
} AjTelemetrySample;

typedef struct AjTelemetryLoader
{
	const char *name;
	JsonbContainer *options;
	JsonbContainer *columns;	/* NULL: by their names */
	char	   *source;
	const char *soc_unit;		/* NULL: by the values */
	bool		discharge_positive;
	pg_tz	   *zone;			/* NULL: none given */
	double		start_s;		/* NaN: none given */
	int			n;
	int			size;
	AjTelemetrySample *s;
	bool		has[AJ_CHANNELS];
	double		last_utc;		/* of the sample before, where zone is used */
	bool		ascending;		/* so it seems */
	int			duplicates;
	int			conflicts;
	int			unsorted;
} AjTelemetryLoader;

extern AJ_NORETURN void aj_telemetry_refuse(const AjTelemetryLoader *l,
											const char *code, const char *what,
											const char *detail,
											const char *hint);
extern char *aj_telemetry_time_text(double t);
extern void aj_telemetry_order(AjTelemetryLoader *l);
extern void aj_telemetry_units(AjTelemetryLoader *l);

#endif							/* AJ_TELEMETRY_LOADER_H */
