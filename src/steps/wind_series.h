/*-------------------------------------------------------------------------
 *
 * wind_series.h
 *		Measured series of wind, as the steps read them.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_WIND_SERIES_H
#define AJ_WIND_SERIES_H

#include "inputs.h"

#include "../kernels/windseries.h"

/* Five arrays of this many stay below a gigabyte. */
#define AJ_MAX_SERIES	20000000

typedef struct AjWindSeries
{
	char	   *name;
	char	   *source;			/* NULL if not told */
	double		interval_s;		/* NaN unknown, like the next two */
	double		height_m;
	double		upper_height_m;
	AjkWindSeries data;			/* palloc'd, don't ajk_wind_series_free */
} AjWindSeries;

/*
 * The series that params["series"] names; without its arrays unless data.
 */
extern AjWindSeries *aj_wind_series_get(JsonbContainer *params, bool data);

#endif							/* AJ_WIND_SERIES_H */
