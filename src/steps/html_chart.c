/*-------------------------------------------------------------------------
 *
 * html_chart.c
 *		Charts of the reports as SVG: lines, bars, areas, dots.
 *
 * A chart is 480 wide, half of a page, or 1000 wide; its text has the page's
 * size there and stays readable on a phone, where half-page charts take the
 * full width and wide ones can be scrolled.  Ticks stand at round numbers;
 * of times at months or years.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "html.h"

#include <math.h>

#include "../kernels/csv.h"

#define TOP 26
#define BOTTOM 34
#define LEFT 52
#define RIGHT 20

typedef struct Frame
{
	const AjChart *c;
	double		width;
	double		height;
	double		x0;				/* data at the frame's edges */
	double		x1;
	double		y0;
	double		y1;
	double		y_step;
} Frame;

void
aj_chart_init(AjChart *chart, const char *about, const char *y_title)
{
	memset(chart, 0, sizeof(*chart));
	chart->about = about;
	chart->y_title = y_title;
	chart->scale = AJ_X_NUMBER;
	chart->x_min = chart->x_max = chart->x_step = NAN;
	chart->y_min = chart->y_max = NAN;
}

AjSeries *
aj_chart_add(AjChart *chart, AjMark mark, const char *name, const char *color,
			 int n, const double *x, const double *y)
{
	AjSeries   *s = &chart->series[chart->nseries++];

	Assert(chart->nseries <= AJ_CHART_SERIES);
	s->name = name;
	s->color = color;
	s->mark = mark;
	s->n = n;
	s->x = x;
	s->y = y;
	return s;
}

void
aj_heat_color(double v, uint8 *rgb)
{
	static const uint8 stop[6][3] = {
		{13, 27, 52}, {27, 88, 127}, {43, 138, 137}, {122, 182, 92}, {240, 196, 60}, {253, 241, 190}
	};
	double		at = Min(Max(v, 0), 1) * 5;
	int			i = Min((int) at, 4);

	for (int k = 0; k < 3; k++)
		rgb[k] = (uint8) (stop[i][k] + (at - i) * (stop[i + 1][k] - stop[i][k]) + 0.5);
}

void
aj_html_ramp(StringInfo b)
{
	appendStringInfoString(b, "<i class=\"ramp\" style=\"width:110px;background:linear-gradient(90deg");
	for (int i = 0; i <= 5; i++)
	{
		uint8		rgb[3];

		aj_heat_color(i / 5.0, rgb);
		appendStringInfo(b, ",#%02x%02x%02x", rgb[0], rgb[1], rgb[2]);
	}
	appendStringInfoString(b, ")\"></i>");
}

static double
series_x(const AjSeries *s, int i)
{
	return s->x ? s->x[i] : i;
}

static double
px(const Frame *f, double x)
{
	return LEFT + (x - f->x0) / (f->x1 - f->x0) * (f->width - LEFT - RIGHT);
}

static double
py(const Frame *f, double y)
{
	return f->height - BOTTOM - (y - f->y0) / (f->y1 - f->y0) *
		(f->height - TOP - BOTTOM);
}

/* A step of 1, 2 or 5 times a power of ten: about n of them in a span. */
static double
round_step(double span, int n)
{
	double		raw = span / n;
	double		p = pow(10, floor(log10(raw)));

	return raw <= p ? p : raw <= 2 * p ? 2 * p : raw <= 5 * p ? 5 * p : 10 * p;
}

static void
find_ranges(Frame *f)
{
	const AjChart *c = f->c;
	bool		from_zero = false;

	f->x0 = f->y0 = INFINITY;
	f->x1 = f->y1 = -INFINITY;
	for (int k = 0; k < c->nseries; k++)
	{
		const AjSeries *s = &c->series[k];

		if (s->mark == AJ_MARK_BARS || (s->mark == AJ_MARK_AREA && !s->low))
			from_zero = true;
		for (int i = 0; i < s->n; i++)
		{
			if (!isfinite(s->y[i]))
				continue;
			f->x0 = Min(f->x0, series_x(s, i));
			f->x1 = Max(f->x1, series_x(s, i));
			f->y0 = Min(f->y0, s->low && isfinite(s->low[i]) ? s->low[i] : s->y[i]);
			f->y1 = Max(f->y1, s->y[i]);
		}
	}
	if (f->x0 > f->x1)
		f->x0 = f->y0 = 0, f->x1 = f->y1 = 1;
	if (from_zero)
	{
		f->y0 = Min(f->y0, 0);
		f->y1 = Max(f->y1, 0);
	}
	if (c->scale == AJ_X_CATEGORIES)
	{
		f->x0 = -0.5;
		f->x1 = c->ncategories - 0.5;
	}
	if (isfinite(c->x_min))
		f->x0 = c->x_min;
	if (isfinite(c->x_max))
		f->x1 = c->x_max;
	if (isfinite(c->y_min))
		f->y0 = c->y_min;
	if (isfinite(c->y_max))
		f->y1 = c->y_max;
	if (f->x1 <= f->x0)
		f->x1 = f->x0 + 1;
	/* values that hardly differ are a level line, not noise blown up */
	if (f->y1 - f->y0 < 1e-6 * Max(fabs(f->y1), 1e-6))
	{
		double		pad = Max(fabs(f->y1) * 0.05, 0.5e-3);

		f->y0 -= from_zero && f->y0 == 0 ? 0 : pad;
		f->y1 += pad;
	}
	f->y_step = round_step(f->y1 - f->y0, 5);
	if (!isfinite(c->y_min))
		f->y0 = floor(f->y0 / f->y_step + 1e-9) * f->y_step;
	if (!isfinite(c->y_max))
		f->y1 = ceil(f->y1 / f->y_step - 1e-9) * f->y_step;
}

/* As many decimals as the step needs. */
static char *
tick_text(double v, double step)
{
	int			decimals = step >= 1 ? 0 : (int) ceil(-log10(step) - 1e-9);

	return aj_html_number(v, decimals);
}

static void
x_tick(StringInfo b, const Frame *f, double x, const char *text, bool mark)
{
	if (mark)
		appendStringInfo(b, "<path d=\"M%.1f %.1fv4\" stroke=\"#8a96a1\"/>", px(f, x),
						 f->height - BOTTOM);
	appendStringInfo(b, "<text class=\"axis\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>",
					 px(f, x), f->height - BOTTOM + 16, text);
}

static void
time_ticks(StringInfo b, const Frame *f)
{
	static const char *const month_name[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
	"Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	double		days = (f->x1 - f->x0) / 86400;
	int			most = f->c->wide ? 14 : 7;
	int			y,
				m,
				d;

	if (days < 70)
	{
		int			step = Max((int) ceil(days / most), 1);

		for (int64 k = (int64) ceil(f->x0 / 86400); k * 86400.0 <= f->x1; k += step)
		{
			ajk_date(k, &y, &m, &d);
			x_tick(b, f, k * 86400.0, psprintf("%d %s", d, month_name[m - 1]), true);
		}
		return;
	}
	ajk_date((int64) floor(f->x0 / 86400), &y, &m, &d);
	if (days / 30 <= 4 * most)
	{
		int			step = Max((int) ceil(days / 30.4 / most), 1);

		step = step > 4 ? 6 : step > 3 ? 4 : step;
		for (int k = y * 12 + (m - 1 + step - 1) / step * step;; k += step)
		{
			double		x = ajk_days(k / 12, k % 12 + 1, 1) * 86400.0;

			if (x > f->x1)
				break;
			if (x >= f->x0)
				x_tick(b, f, x, k % 12 == 0 ? psprintf("%d", k / 12) : month_name[k % 12], true);
		}
		return;
	}
	for (int k = y + 1;; k += Max((int) ceil(days / 365 / most), 1))
	{
		double		x = ajk_days(k, 1, 1) * 86400.0;

		if (x > f->x1)
			break;
		x_tick(b, f, x, psprintf("%d", k), true);
	}
}

static void
axes(StringInfo b, const Frame *f)
{
	const AjChart *c = f->c;

	for (double y = ceil(f->y0 / f->y_step - 1e-9) * f->y_step; y <= f->y1 + f->y_step * 1e-6; y += f->y_step)
		appendStringInfo(b, "<path d=\"M%d %.1fH%.1f\" stroke=\"%s\"/><text class=\"axis\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>",
						 LEFT, py(f, y), f->width - RIGHT,
						 fabs(y) < f->y_step * 1e-6 ? "#8a96a1" : "#e1e6eb", LEFT - 7, py(f, y) + 4,
						 tick_text(y, f->y_step));
	appendStringInfo(b, "<text class=\"axis\" x=\"4\" y=\"14\">%s</text>", c->y_title);
	if (c->x_title)
		appendStringInfo(b, "<text class=\"axis\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>",
						 f->width - RIGHT, f->height - 3, c->x_title);
	switch (c->scale)
	{
		case AJ_X_CATEGORIES:
			for (int i = 0; i < c->ncategories; i++)
				if (c->ncategories <= 13 || i % ((c->ncategories + 12) / 13) == 0)
					x_tick(b, f, i, c->categories[i], false);
			break;
		case AJ_X_NUMBER:
			{
				double		step = isfinite(c->x_step) ? c->x_step :
				round_step(f->x1 - f->x0, c->wide ? 12 : 6);

				for (double x = ceil(f->x0 / step - 1e-9) * step; x <= f->x1 + step * 1e-6; x += step)
					x_tick(b, f, x, tick_text(x, step), true);
				break;
			}
		case AJ_X_TIME:
			time_ticks(b, f);
			break;
	}
}

/* Line through the known points, a new one after each gap. */
static void
line_path(StringInfo b, const Frame *f, const AjSeries *s)
{
	bool		pen = false;

	for (int i = 0; i < s->n; i++)
	{
		if (!isfinite(s->y[i]))
		{
			pen = false;
			continue;
		}
		appendStringInfo(b, "%c%.1f %.1f", pen ? 'L' : 'M', px(f, series_x(s, i)), py(f, s->y[i]));
		pen = true;
	}
}

static void
area_path(StringInfo b, const Frame *f, const AjSeries *s)
{
	int			i = 0;

	while (i < s->n)
	{
		int			from;

		while (i < s->n && !isfinite(s->y[i]))
			i++;
		from = i;
		for (; i < s->n && isfinite(s->y[i]); i++)
			appendStringInfo(b, "%c%.1f %.1f", i == from ? 'M' : 'L', px(f, series_x(s, i)), py(f, s->y[i]));
		for (int k = i - 1; k >= from; k--)
			appendStringInfo(b, "L%.1f %.1f", px(f, series_x(s, k)),
							 py(f, s->low ? s->low[k] : Max(f->y0, 0)));
		if (i > from)
			appendStringInfoChar(b, 'Z');
	}
}

static void
draw_series(StringInfo b, const Frame *f, const AjSeries *s, int bar, int nbars)
{
	switch (s->mark)
	{
		case AJ_MARK_LINE:
			appendStringInfoString(b, "<path d=\"");
			line_path(b, f, s);
			appendStringInfo(b, "\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-linejoin=\"round\"%s/>",
							 s->color, s->dashed ? " stroke-dasharray=\"6 4\"" : "");
			break;
		case AJ_MARK_AREA:
			appendStringInfoString(b, "<path d=\"");
			area_path(b, f, s);
			appendStringInfo(b, "\" fill=\"%s\"/>", s->color);
			break;
		case AJ_MARK_DOTS:
			appendStringInfo(b, "<g fill=\"%s\">", s->color);
			for (int i = 0; i < s->n; i++)
				if (isfinite(s->y[i]))
					appendStringInfo(b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.2\"/>",
									 px(f, series_x(s, i)), py(f, s->y[i]));
			appendStringInfoString(b, "</g>");
			break;
		case AJ_MARK_BARS:
			{
				double		slot = px(f, 1) - px(f, 0);
				double		w = slot * 0.78 / nbars;

				appendStringInfo(b, "<g fill=\"%s\">", s->color);
				for (int i = 0; i < s->n; i++)
				{
					double		y0 = py(f, Max(f->y0, 0));
					double		y1 = isfinite(s->y[i]) ? py(f, s->y[i]) : y0;

					if (y0 == y1)
						continue;
					appendStringInfo(b, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>%s</title></rect>",
									 px(f, series_x(s, i)) - slot * 0.39 + bar * w, Min(y0, y1), w * 0.94,
									 fabs(y1 - y0), aj_html_number(s->y[i], fabs(s->y[i]) < 10 ? 2 : 0));
				}
				appendStringInfoString(b, "</g>");
			}
	}
}

void
aj_chart_draw(StringInfo b, const AjChart *c)
{
	Frame		f;
	int			nbars = 0;
	int			bar = 0;
	bool		legend = false;

	f.c = c;
	f.width = c->wide ? 1000 : 480;
	f.height = c->wide ? 280 : 240;
	find_ranges(&f);
	appendStringInfo(b, "%s<svg class=\"chart%s\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"",
					 c->wide ? "<div class=\"scroll\">" : "", c->wide ? " wide" : "", f.width, f.height);
	aj_html_text(b, c->about);
	appendStringInfoString(b, "\">");
	axes(b, &f);
	/* what a fixed range leaves outside is cut off, not drawn over the axes */
	appendStringInfo(b, "<svg x=\"%d\" y=\"%d\" width=\"%.0f\" height=\"%.0f\" viewBox=\"%d %d %.0f %.0f\">",
					 LEFT - 4, TOP - 4, f.width - LEFT - RIGHT + 8, f.height - TOP - BOTTOM + 8,
					 LEFT - 4, TOP - 4, f.width - LEFT - RIGHT + 8, f.height - TOP - BOTTOM + 8);
	for (int k = 0; k < c->nseries; k++)
		nbars += c->series[k].mark == AJ_MARK_BARS;
	for (int k = 0; k < c->nseries; k++)
	{
		draw_series(b, &f, &c->series[k], bar, Max(nbars, 1));
		bar += c->series[k].mark == AJ_MARK_BARS;
		legend = legend || c->series[k].name;
	}
	appendStringInfo(b, "</svg></svg>%s", c->wide ? "</div>" : "");
	if (!legend)
		return;
	appendStringInfoString(b, "<ul class=\"key\">");
	for (int k = 0; k < c->nseries; k++)
		if (c->series[k].name)
			appendStringInfo(b, "<li><i class=\"%s\" style=\"background:%s\"></i>%s</li>",
							 c->series[k].mark == AJ_MARK_LINE ? "stroke" :
							 c->series[k].mark == AJ_MARK_DOTS ? "dot" : "box",
							 c->series[k].color, c->series[k].name);
	appendStringInfoString(b, "</ul>");
}
