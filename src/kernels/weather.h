/*-------------------------------------------------------------------------
 *
 * weather.h
 *		A year of weather at a place, from the files it comes in.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_WEATHER_H
#define AJK_WEATHER_H

#include "csv.h"

typedef enum AjkStamp
{
	AJK_STAMP_DEFAULT,			/* as the format has it */
	AJK_STAMP_START,
	AJK_STAMP_MIDDLE,
	AJK_STAMP_END
} AjkStamp;

/* What the user says; NaN: as the file says. */
typedef struct AjkWeatherOptions
{
	double		latitude;
	double		longitude;
	double		elevation_m;
	double		utc_offset_h;
	AjkStamp	stamp;			/* what part of its interval a time names */
} AjkWeatherOptions;

/* What had to be computed from the others */
#define AJK_WEATHER_GHI_DERIVED		1	/* dhi + dni cos(zenith) */
#define AJK_WEATHER_DHI_DERIVED		2	/* ghi - dni cos(zenith) */
#define AJK_WEATHER_SPLIT_DERIVED	4	/* dni, dhi from ghi (Erbs 1982) */
#define AJK_WEATHER_TYPICAL_YEAR	8	/* months of several years, or none
										 * told: dated 2018 */

typedef struct AjkWeather
{
	const char *format;
	double		latitude;
	double		longitude;
	double		elevation_m;
	double		utc_offset_h;
	double		first_s;		/* middle of the first interval, Unix time */
	double		interval_s;
	int			n;
	unsigned	flags;
	float	   *ghi;			/* W/m2 */
	float	   *dni;
	float	   *dhi;
	float	   *air_c;
	float	   *wind_m_s;
	float	   *albedo;			/* NULL if the file has none */
} AjkWeather;

/*
 * Reads PVWatts hourly exports, NSRDB and SAM CSV, TMY3, EPW, PVGIS TMY, and
 * any table with a time column and named ones.  AJK_SYNTAX, AJK_RANGE: fault
 * says what and where.
 */
extern AjkError ajk_weather_parse(const char *text, size_t len,
								  const AjkWeatherOptions *opt,
								  AjkWeather *w, AjkCsvFault *fault);
extern void ajk_weather_free(AjkWeather *w);

#endif							/* AJK_WEATHER_H */
