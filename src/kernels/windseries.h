/*-------------------------------------------------------------------------
 *
 * windseries.h
 *		A measured series of wind: reading, quality control, statistics.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_WINDSERIES_H
#define AJK_WINDSERIES_H

#include "kernel.h"
#include "weibull.h"

/* Columns of a series */
typedef enum AjkWindColumn
{
	AJK_WIND_TIME,				/* seconds since 1970, UTC */
	AJK_WIND_SPEED,				/* m/s */
	AJK_WIND_DIRECTION,			/* degrees, from where it blows */
	AJK_WIND_STD,				/* standard deviation of the speed, m/s */
	AJK_WIND_UPPER,				/* speed at a second height, m/s */
	AJK_WIND_COLUMNS
}			AjkWindColumn;

/* n records; NaN is a missing value; a column that isn't there is NULL. */
typedef struct AjkWindSeries
{
	size_t		n;
	double	   *column[AJK_WIND_COLUMNS];
} AjkWindSeries;

/* Where and why a text was refused */
typedef struct AjkCsvError
{
	size_t		line;			/* from 1; 0: the text as a whole */
	const char *what;
	char		field[64];
} AjkCsvError;

/*
 * Read a table with a header line, fields separated by comma, semicolon or
 * tab.  names[c] is the heading of a column, or NULL for the usual ones.
 * The arrays are malloc'd; ajk_wind_series_free.
 */
extern AjkError ajk_wind_csv(const char *text, size_t len,
							 const char *const names[AJK_WIND_COLUMNS],
							 AjkWindSeries *series, AjkCsvError *error);
extern void ajk_wind_series_free(AjkWindSeries *series);

/* Why a record isn't used; the first reason that holds */
typedef enum AjkWindFlaw
{
	AJK_WIND_GOOD,
	AJK_WIND_NO_SPEED,			/* missing */
	AJK_WIND_BAD_SPEED,			/* negative or beyond max_speed */
	AJK_WIND_NO_DIRECTION,
	AJK_WIND_BAD_DIRECTION,		/* outside of 0..360 */
	AJK_WIND_FROZEN,			/* the same value for too long */
	AJK_WIND_FLAWS
}			AjkWindFlaw;

typedef struct AjkWindRules
{
	double		max_speed;		/* m/s */
	double		calm;			/* below, m/s; a still vane isn't frozen */
	int			frozen;			/* so many equal records are, 0 never */
	double		interval_s;		/* 0: the median step of the time column */
} AjkWindRules;

#define AJK_WIND_GAPS 20

typedef struct AjkWindQuality
{
	size_t		count[AJK_WIND_FLAWS];
	double		interval_s;		/* NaN unknown */
	size_t		expected;		/* records from first to last time */
	double		first_s;		/* NaN without a time column */
	double		last_s;
	size_t		ngaps;			/* steps over 1.5 intervals */
	double		gap_s;			/* in all */
	size_t		at[AJK_WIND_GAPS];	/* the longest: record before it */
	double		longest[AJK_WIND_GAPS];
} AjkWindQuality;

/*
 * flaw[n] gets each record's.  AJK_SYNTAX with *at the record whose time
 * doesn't ascend.
 */
extern AjkError ajk_wind_quality(const AjkWindSeries *s,
								 const AjkWindRules *rules, uint8_t *flaw,
								 AjkWindQuality *quality, size_t *at);

#define AJK_WIND_MAX_SECTORS 72
#define AJK_WIND_MAX_BINS 80

typedef struct AjkWindSector
{
	AjkSpeedStats stats;
	double		frequency;
	AjkWeibullFit fit;
	bool		fitted;
} AjkWindSector;

typedef struct AjkWindStats
{
	AjkSpeedStats all;
	size_t		calms;
	size_t		zeros;			/* speeds of 0, which the fit mle leaves out */
	AjkWeibullFit mle;
	AjkWeibullFit wasp;
	AjkWindSector sector[AJK_WIND_MAX_SECTORS];
	int			nbins;
	double		prob[AJK_WIND_MAX_SECTORS][AJK_WIND_MAX_BINS];
	double		month_mean[12]; /* NaN where there is no record */
	size_t		month_n[12];
	double		hour_mean[24];	/* by UTC hour */
	double		ti;				/* mean of std / speed at 4 m/s and more */
	double		ti15;			/* the same, 14.5 to 15.5 m/s */
	size_t		shear_n;
	double		shear_lower;	/* mean speeds of the records both are in */
	double		shear_upper;
} AjkWindStats;

/*
 * Statistics of the good records: sectors of 360 / nsectors degrees about 0,
 * ..., speed bins of bin_ms from 0.  AJK_INFEASIBLE if there are too few or
 * no distribution can be fitted.
 */
extern AjkError ajk_wind_stats(const AjkWindSeries *s,
							   const AjkWindRules *rules, const uint8_t *flaw,
							   int nsectors, double bin_ms, double shear_min,
							   AjkWeibullMethod method,
							   AjkWindStats *stats, ajk_poll poll, void *arg);

/* Exponent of the power law, or NaN */
extern double ajk_shear_exponent(double lower_ms, double lower_m,
								 double upper_ms, double upper_m);

#endif							/* AJK_WINDSERIES_H */
