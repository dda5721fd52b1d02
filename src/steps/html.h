/*-------------------------------------------------------------------------
 *
 * html.h
 *		What all reports have in common: page, styles, figures, charts.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJ_HTML_H
#define AJ_HTML_H

#include "step_util.h"

/* ---- page ---- */

/* Append text with the characters escaped that mean something in HTML. */
extern void aj_html_text(StringInfo b, const char *text);

/*
 * Everything up to the open header: <h1> with the title; the caller goes on
 * with <p> and closes </header>.
 */
extern void aj_html_begin(StringInfo b, const char *title);
extern void aj_html_end(StringInfo b, const char *footer);

/* A number with thin blanks between thousands. */
extern char *aj_html_number(double v, int decimals);

/* One of the tiles in <div class="figures">; value and label are HTML. */
extern void aj_html_figure(StringInfo b, bool lead, const char *value,
						   const char *label);

/* A row of a table: label is HTML, text is escaped. */
extern void aj_html_row(StringInfo b, const char *label, const char *text);

/* A list of sentences from an array of JSON strings. */
extern void aj_html_notes(StringInfo b, JsonbContainer *notes);

/* <image> or <img> source: a PNG as a data URI. */
extern void aj_html_png(StringInfo b, const void *png, Size len);

/* ---- charts ---- */

typedef enum AjMark
{
	AJ_MARK_LINE,
	AJ_MARK_BARS,				/* at the places of categories */
	AJ_MARK_AREA,				/* between low and y, or 0 and y */
	AJ_MARK_DOTS
} AjMark;

typedef struct AjSeries
{
	const char *name;			/* HTML; NULL: not in the legend */
	const char *color;
	AjMark		mark;
	int			n;
	const double *x;			/* NULL: 0, 1, 2, ... */
	const double *y;			/* NaN breaks a line */
	const double *low;			/* area: its lower rim; NULL: 0 */
	bool		dashed;
} AjSeries;

typedef enum AjScale
{
	AJ_X_CATEGORIES,
	AJ_X_NUMBER,
	AJ_X_TIME					/* Unix seconds, UTC */
} AjScale;

#define AJ_CHART_SERIES 8

typedef struct AjChart
{
	const char *about;			/* for those who cannot see it */
	const char *y_title;
	const char *x_title;		/* may be NULL */
	AjScale		scale;
	const char *const *categories;
	int			ncategories;
	bool		wide;			/* across the page, not half of it */
	double		x_min;			/* NaN: from the data */
	double		x_max;
	double		x_step;			/* number: between ticks, NaN: chosen */
	double		y_min;
	double		y_max;
	int			nseries;
	AjSeries	series[AJ_CHART_SERIES];
} AjChart;

extern void aj_chart_init(AjChart *chart, const char *about,
						  const char *y_title);
extern AjSeries *aj_chart_add(AjChart *chart, AjMark mark, const char *name,
							  const char *color, int n, const double *x,
							  const double *y);
extern void aj_chart_draw(StringInfo b, const AjChart *chart);

/* Colour of a value 0..1: dark blue over green to yellow. */
extern void aj_heat_color(double v, uint8 *rgb);

/* A strip of these colours, for a legend. */
extern void aj_html_ramp(StringInfo b);

#endif							/* AJ_HTML_H */
