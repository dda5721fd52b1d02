/*-------------------------------------------------------------------------
 *
 * csv.h
 *		Reading delimited text, line by line, without copying it.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_CSV_H
#define AJK_CSV_H

#include "kernel.h"

#define AJK_CSV_FIELDS 128
#define AJK_CSV_KEY 48

typedef struct AjkCsvField
{
	const char *s;				/* not terminated */
	int			len;
} AjkCsvField;

typedef struct AjkCsv
{
	const char *p;
	const char *end;
	char		separator;
	int			line;			/* of the fields in hand, from 1 */
	int			n;
	AjkCsvField field[AJK_CSV_FIELDS];
} AjkCsv;

/* What is wrong with a file, for the user. */
typedef struct AjkCsvFault
{
	int			line;			/* 0: no line in particular */
	const char *code;
	char		what[240];
} AjkCsvFault;

/* The separator (comma, semicolon or tab) is the most frequent of the text's
 * first lines. */
extern void ajk_csv_open(AjkCsv *csv, const char *text, size_t len);

/* The next line that is not blank; false at the end. */
extern bool ajk_csv_next(AjkCsv *csv);

/* The whole field as a finite number. */
extern bool ajk_csv_number(const AjkCsvField *f, double *value);

/* Letters and digits of a field, lower case, at most AJK_CSV_KEY - 1. */
extern void ajk_csv_key(const AjkCsvField *f, char *key);

/*
 * A date and time: 2024-05-31, 2024-05-31 13:30[:15[.5]], with T or a blank
 * between, 20240531:1330, optionally followed by Z or an offset like +02:00.
 * *t is seconds since 1970 of what is written, less the offset if there is
 * one; *zoned tells.
 */
extern bool ajk_csv_time(const AjkCsvField *f, double *t, bool *zoned);

/* Days since 1970-01-01 of a date of the Gregorian calendar, and back. */
extern int64_t ajk_days(int year, int month, int day);
extern void ajk_date(int64_t days, int *year, int *month, int *day);

#endif							/* AJK_CSV_H */
