/*-------------------------------------------------------------------------
 *
 * ascgrid.h
 *		Streaming reader of ESRI ASCII grids.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_ASCGRID_H
#define AJK_ASCGRID_H

#include "kernel.h"

#define AJK_ASC_MAX_SIDE	1000000
#define AJK_ASC_TOKEN		64

typedef struct AjkAscHeader
{
	int			ncols;
	int			nrows;
	double		x0;				/* west edge */
	double		y0;				/* north edge */
	double		dx;
	double		dy;
	bool		has_nodata;
	double		nodata;
} AjkAscHeader;

/*
 * Called once the header is complete: returns room for one row of ncols
 * floats, which the caller keeps until the end; NULL stops the reading with
 * AJK_STOPPED.
 */
typedef float *(*AjkAscOnHeader) (void *arg, const AjkAscHeader *header);

/* Called for each complete row, counted from 0 in the north. */
typedef AjkError (*AjkAscOnRow) (void *arg, int row, const float *values);

typedef struct AjkAscReader
{
	AjkAscHeader header;
	AjkAscOnHeader on_header;
	AjkAscOnRow on_row;
	void	   *arg;
	float	   *values;			/* row being read */
	int			row;
	int			col;
	int64_t		line;			/* of the text, from 1 */
	unsigned	keys;			/* header keys seen */
	bool		x_is_center;
	bool		y_is_center;
	double		xll;
	double		yll;
	char		key[AJK_ASC_TOKEN]; /* header key waiting for its value */
	char		token[AJK_ASC_TOKEN];
	int			ntoken;
	char		message[160];	/* what is wrong, after an error */
} AjkAscReader;

/* Read a whole grid, header first. */
extern void ajk_asc_begin(AjkAscReader *reader, AjkAscOnHeader on_header,
						  AjkAscOnRow on_row, void *arg);

/* Read rows only, from first_row of a grid whose header is known. */
extern void ajk_asc_begin_rows(AjkAscReader *reader,
							   const AjkAscHeader *header, int first_row,
							   float *values, AjkAscOnRow on_row, void *arg);

extern AjkError ajk_asc_feed(AjkAscReader *reader, const char *text,
							 size_t len);

/*
 * End of the text.  whole requires that the last row has been read;
 * otherwise any number of complete rows is accepted.
 */
extern AjkError ajk_asc_end(AjkAscReader *reader, bool whole);

/*
 * A decimal number, without regard to the locale.  False if text is none.
 */
extern bool ajk_parse_double(const char *text, int len, double *value);

#endif							/* AJK_ASCGRID_H */
