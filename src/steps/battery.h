/*-------------------------------------------------------------------------
 *
 * battery.h
 *		What the steps of battery_insights share.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_BATTERY_H
#define AJ_BATTERY_H

#include "telemetry.h"

#include "pgtime.h"

typedef struct AjBatteryConfig
{
	char	   *telemetry;
	double		capacity_ah;
	double		nominal_voltage_v;
	const char *chemistry;
	double		window_days;	/* INFINITY: all */
	char	   *timezone;
	pg_tz	   *zone;
	double		max_gap_factor;
	double		min_coverage_pct;
	double		min_window_dsoc;
	double		max_dod;
	double		eol_retention;
	double		horizon_years;
	double		anomaly_limit;
	double		ambient_c;		/* NaN: not told */
} AjBatteryConfig;

/* A step's input: parameters, what came before, and the samples. */
typedef struct AjBatteryInput
{
	AjStepInput in;
	AjBatteryConfig config;
	AjSeriesData *series;
	AjkTelemetry d;
	AjkStuck   *stuck;			/* what is not known for that reason */
	double	   *stuck_at;		/* the value it was stuck at */
	int			nstuck;
} AjBatteryInput;

extern void aj_battery_config(JsonbContainer *params, AjBatteryConfig *c);

/* values: also read the samples. */
extern void aj_battery_input(Jsonb *arg, bool values, AjBatteryInput *b);

/* Output of an earlier step; raises step_missing. */
extern JsonbContainer *aj_battery_step(const AjBatteryInput *b,
									   const char *step);

/* Local time of a Unix time: day number of the local calendar, hour 0..24. */
extern void aj_local_time(const AjBatteryConfig *c, double t, int64 *day,
						  double *hour);

/* 2024-05-31T13:30:00Z, and 2024-05-31 of a day number */
extern char *aj_utc_text(double t);
extern char *aj_day_text(int64 day);

/*
 * What cannot be said yet, and why: "key": {"status": ..., "reason": ...,
 * "have": ..., "need": ...}.
 */
extern void aj_json_not_yet(StringInfo b, const char *key, const char *reason,
							const char *have, const char *need);

/* Numbers of an earlier output; NaN where absent or null. */
extern double aj_number_at(JsonbContainer *c, const char *key);
extern double aj_number_at2(JsonbContainer *c, const char *object,
							const char *key);

/* Is the object at key there with status "determined"? Then itself. */
extern JsonbContainer *aj_determined(JsonbContainer *c, const char *key);

#define AJ_NOT_YET "not yet determinable"

#endif							/* AJ_BATTERY_H */
