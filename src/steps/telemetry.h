/*-------------------------------------------------------------------------
 *
 * telemetry.h
 *		Telemetry of batteries in asyncjob.telemetry and telemetry_block.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_TELEMETRY_H
#define AJ_TELEMETRY_H

#include "step_util.h"

#include "pgtime.h"

#include "../kernels/battery.h"

typedef enum AjChannel
{
	AJ_CH_SOC, AJ_CH_CURRENT, AJ_CH_VOLTAGE, AJ_CH_TEMP, AJ_CH_CELL_MIN,
	AJ_CH_CELL_MAX, AJ_CH_PV, AJ_CH_LOAD, AJ_CH_GENERATOR, AJ_CHANNELS
} AjChannel;

/* Names as the columns of telemetry_block */
extern const char *const aj_channel_name[AJ_CHANNELS + 1];

/* A series, or the head of one */
typedef struct AjSeriesData
{
	char	   *name;
	char	   *source;			/* NULL if not told */
	int			samples;		/* in the table */
	int			duplicates;
	int			conflicts;
	int			unsorted;
	double		first_s;		/* Unix time */
	double		last_s;
	int			n;				/* read */
	double	   *t;
	double	   *value[AJ_CHANNELS]; /* NULL: the series has none */
} AjSeriesData;

/*
 * The series named; its samples from from_s on if values, else its head only.
 * Raises telemetry_unknown.
 */
extern AjSeriesData *aj_telemetry_get(const char *name, bool values,
									  double window_days);

/* The zone of the parameter "timezone". */
extern pg_tz *aj_time_zone(const char *name);

extern AjkTelemetry aj_telemetry_view(const AjSeriesData *d,
									  double max_gap_factor);

#endif							/* AJ_TELEMETRY_H */
