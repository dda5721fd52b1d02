/*-------------------------------------------------------------------------
 *
 * test_solar_weather.c
 *		Weather files of all formats, and what is wrong with some.
 *
 * The same two days are written in each format; they must be read to the same
 * values at the same times.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"

#include "weather.h"

static const AjkWeatherOptions none = {NAN, NAN, NAN, NAN, AJK_STAMP_DEFAULT};

static char text[200000];
static AjkWeather w;
static AjkCsvFault fault;

/* Irradiance of an hour of the day in these files, W/m2 */
static double
sun(int hour)
{
	return hour < 7 || hour > 17 ? 0 : 100.0 * (6 - abs(hour - 12));
}

static AjkError
parse(const AjkWeatherOptions *opt)
{
	return ajk_weather_parse(text, strlen(text), opt, &w, &fault);
}

/* 48 hours of 1 and 2 June at 10 E, zone +1 */
static bool
as_meant(const char *format, unsigned flags)
{
	bool		good = w.n == 48 && strcmp(w.format, format) == 0 && w.flags == flags &&
	fabs(w.latitude - 50) < 1e-9 && fabs(w.longitude - 10) < 1e-9 &&
	w.utc_offset_h == 1 && w.interval_s == 3600;
	int			y,
				m,
				d;

	ajk_date((int64_t) floor((w.first_s + 3600) / 86400), &y, &m, &d);
	good = good && m == 6 && d == 1 && fmod(w.first_s + 3600, 86400) == 1800;
	for (int i = 0; good && i < 48; i++)
		good = fabs(w.dni[i] - sun(i % 24)) < 0.01 && fabs(w.dhi[i] - sun(i % 24) / 5) < 0.01 &&
			w.air_c[i] == 20.0f && w.wind_m_s[i] == 2.5f;
	return good;
}

static void
rows(const char *format, int kind)
{
	char	   *p = text + strlen(text);

	for (int i = 0; i < 48; i++)
	{
		int			day = 1 + i / 24;
		int			h = i % 24;
		double		dni = sun(h);
		double		ghi = dni;

		switch (kind)
		{
			case 0:				/* month, day, hour from 0 */
				p += sprintf(p, format, 6, day, h, dni, dni / 5, 20.0, 2.5);
				break;
			case 1:				/* year, month, day, hour, minute */
				p += sprintf(p, format, 2012, 6, day, h, 30, ghi, dni, dni / 5, 20.0, 2.5);
				break;
			case 2:				/* end of hour, US date */
				p += sprintf(p, format, 6, day, 1998, h + 1, ghi, dni, dni / 5, 20.0, 2.5);
				break;
			case 3:				/* end of hour, EPW */
				p += sprintf(p, format, 1998, 6, day, h + 1, 20.0, ghi, dni, dni / 5, 2.5);
				break;
			case 4:				/* UTC, middle */
				p += sprintf(p, format, h == 0 ? (day == 1 ? 5 : 6) : 6,
							 h == 0 ? (day == 1 ? 31 : 1) : day, (h + 23) % 24,
							 20.0, ghi, dni, dni / 5, 2.5);
				break;
			case 5:				/* ISO with offset, start */
				p += sprintf(p, format, day, h, ghi, dni, dni / 5, 20.0, 2.5);
				break;
		}
	}
}

static void
test_formats(void)
{
	AjkWeatherOptions here = {50, 10, NAN, 1, AJK_STAMP_DEFAULT};

	strcpy(text, "PVWatts: Hourly PV Performance Data,,\nLat (deg N):,50\nLong (deg W):,-10\nElev (m):,300\n"
		   "Month,Day,Hour,Beam Irradiance (W/m^2),Diffuse Irradiance (W/m^2),Ambient Temperature (C),Wind Speed (m/s)\n");
	rows("%d,%d,%d,%g,%g,%g,%g\n", 0);
	ok(parse(&here) == AJK_OK && as_meant("pvwatts", AJK_WEATHER_GHI_DERIVED | AJK_WEATHER_TYPICAL_YEAR) &&
	   w.elevation_m == 300, "PVWatts: %s", fault.what);
	ajk_weather_free(&w);

	strcpy(text, "Source,Location ID,City,State,Country,Latitude,Longitude,Time Zone,Elevation,Local Time Zone\n"
		   "NSRDB,1,-,-,-,50,10,1,300,1\nYear,Month,Day,Hour,Minute,GHI,DNI,DHI,Temperature,Wind Speed\n");
	rows("%d,%d,%d,%d,%d,%g,%g,%g,%g,%g\n", 1);
	ok(parse(&none) == AJK_OK && as_meant("nsrdb", 0) && w.elevation_m == 300, "NSRDB: %s", fault.what);
	ajk_weather_free(&w);

	strcpy(text, "123456,\"SOMEWHERE, TOWN\",XX,1.0,50.000,10.000,300\n"
		   "Date (MM/DD/YYYY),Time (HH:MM),GHI (W/m^2),DNI (W/m^2),DHI (W/m^2),Dry-bulb (C),Wspd (m/s)\n");
	rows("%02d/%02d/%d,%02d:00,%g,%g,%g,%g,%g\n", 2);
	ok(parse(&none) == AJK_OK && as_meant("tmy3", 0), "TMY3: %s", fault.what);
	ajk_weather_free(&w);

	strcpy(text, "LOCATION,Town,-,XX,TMY,123,50.0,10.0,1.0,300.0\nDESIGN CONDITIONS,0\nTYPICAL/EXTREME PERIODS,0\n"
		   "GROUND TEMPERATURES,0\nHOLIDAYS/DAYLIGHT SAVINGS,No,0,0,0\nCOMMENTS 1,a\nCOMMENTS 2,b\nDATA PERIODS,1,1,Data,Sunday,1/1,12/31\n");
	rows("%d,%d,%d,%d,60,?9,%g,10,50,99000,0,0,300,%g,%g,%g,0,0,0,0,180,%g,0,0\n", 3);
	ok(parse(&none) == AJK_OK && as_meant("epw", 0), "EPW: %s", fault.what);
	ajk_weather_free(&w);

	strcpy(text, "Latitude (decimal degrees): 50.0\nLongitude (decimal degrees): 10.0\nElevation (m): 300.0\n"
		   "time(UTC),T2m,G(h),Gb(n),Gd(h),WS10m\n");
	rows("2012%02d%02d:%02d30,%g,%g,%g,%g,%g\n", 4);
	strcat(text, "T2m: 2-m air temperature\nPVGIS (c) European Union\n");
	here.utc_offset_h = 1;
	ok(parse(&here) == AJK_OK && w.first_s + 3600 > 0 && w.n == 48 && strcmp(w.format, "pvgis") == 0, "PVGIS: %s", fault.what);
	ajk_weather_free(&w);

	strcpy(text, "\xEF\xBB\xBFtime;ghi;dni;dhi;temp_air;wind_speed\n");
	rows("2012-06-%02dT%02d:00:00+01:00;%g;%g;%g;%g;%g\r\n", 5);
	here.utc_offset_h = NAN;
	ok(parse(&here) == AJK_OK && as_meant("table", 0), "a table with ISO times: %s", fault.what);
	ajk_weather_free(&w);

	strcpy(text, "time,ghi,temp_air,wind_speed\n");
	{
		char	   *p = text + strlen(text);

		for (int i = 0; i < 48; i++)
			p += sprintf(p, "2012-06-%02d %02d:00,%g,20,2\n", 1 + i / 24, i % 24, sun(i % 24));
	}
	here.utc_offset_h = 1;
	ok(parse(&here) == AJK_OK && w.flags == AJK_WEATHER_SPLIT_DERIVED, "global irradiance alone: %s", fault.what);
	ok(w.dni[12] > 0 && w.dhi[12] > 0 && w.dni[0] == 0, "is split into beam and diffuse");
	ajk_weather_free(&w);
}

static bool
refused(const AjkWeatherOptions *opt, const char *code)
{
	bool		yes = parse(opt) != AJK_OK && fault.code && strcmp(fault.code, code) == 0 && fault.what[0];

	if (!yes)
		printf("# got %s: %s (line %d)\n", fault.code ? fault.code : "accepted", fault.what, fault.line);
	return yes;
}

static void
make(const char *header, int skip_row, const char *insert, double scale)
{
	char	   *p = text;

	p += sprintf(p, "%s\n", header);
	for (int i = 0; i < 48; i++)
	{
		if (i == skip_row)
		{
			p += sprintf(p, "%s", insert);
			continue;
		}
		p += sprintf(p, "2012-06-%02d %02d:00,%g,20,2\n", 1 + i / 24, i % 24, scale * sun(i % 24));
	}
}

static void
test_faults(void)
{
	AjkWeatherOptions here = {50, 10, NAN, 1, AJK_STAMP_DEFAULT};
	AjkWeatherOptions there = {50, -100, NAN, 1, AJK_STAMP_DEFAULT};
	AjkWeatherOptions zoneless = {50, 10, NAN, NAN, AJK_STAMP_DEFAULT};
	const char *header = "time,ghi,temp_air,wind_speed";

	strcpy(text, "");
	ok(refused(&here, "weather_columns"), "an empty file");
	strcpy(text, "hello\nworld\n");
	ok(refused(&here, "weather_columns"), "another file");
	make(header, -1, "", 1);
	ok(refused(&none, "weather_place_missing"), "no place");
	ok(refused(&zoneless, "time_zone_missing"), "no time zone");
	ok(refused(&there, "weather_time_zone"), "a clock seven hours off");
	make(header, 20, "", 1);
	ok(refused(&here, "weather_gaps"), "an hour is missing");
	make(header, 20, "2012-06-01 20:00,,20,2\n", 1);
	ok(refused(&here, "weather_gaps") && fault.line == 22, "a value is missing");
	make(header, 20, "2012-06-01 20:00,-9900,20,2\n", 1);
	ok(refused(&here, "weather_gaps"), "a value is marked missing");
	make(header, 20, "2012-06-01 20:00,0,293.15,2\n", 1);
	ok(refused(&here, "unit_or_range"), "kelvin");
	make(header, -1, "", 0.001);
	ok(refused(&here, "unit_or_range"), "kilowatts");
	make(header, 20, "2012-06-01 25:00,0,20,2\n", 1);
	ok(refused(&here, "weather_invalid"), "hour 25");
	make(header, 20, "2012-06-01 20:00,0\n", 1);
	ok(refused(&here, "weather_invalid"), "a short line");
	make("time,ghi,temp_air", -1, "", 1);
	ok(refused(&here, "weather_columns"), "no wind");
	there.longitude = 200;
	make(header, -1, "", 1);
	ok(refused(&there, "coordinates_out_of_range"), "longitude 200");
}

static bool
time_is(const char *s, double want, bool want_zoned)
{
	AjkCsvField f = {s, (int) strlen(s)};
	double		t;
	bool		zoned;

	if (isnan(want))
		return !ajk_csv_time(&f, &t, &zoned);
	return ajk_csv_time(&f, &t, &zoned) && t == want && zoned == want_zoned;
}

static void
test_csv(void)
{
	int			y,
				m,
				d;
	bool		back = true;

	ok(time_is("1970-01-02", 86400, false) && time_is("2024-02-29T12:30:15.5Z", 1709209815.5, true) &&
	   time_is("2024-02-29 12:30:15+05:30", 1709209815 - 19800, true) &&
	   time_is("20240229:1230", 1709209800, false), "times");
	ok(time_is("2023-02-29", NAN, false) && time_is("2024-13-01", NAN, false) && time_is("yesterday", NAN, false) &&
	   time_is("2024-02-29 12:61", NAN, false) && time_is("2024-02-29 12:30 later", NAN, false) && time_is("", NAN, false),
	   "no times");
	for (int64_t i = -800000; i < 800000; i += 37)
	{
		ajk_date(i, &y, &m, &d);
		back = back && ajk_days(y, m, d) == i;
	}
	ok(back && ajk_days(2000, 3, 1) == 11017, "days and dates");
}

int
main(void)
{
	test_csv();
	test_formats();
	test_faults();
	return unit_done();
}
