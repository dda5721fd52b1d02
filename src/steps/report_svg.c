/*-------------------------------------------------------------------------
 *
 * report_svg.c
 *		The report's drawings: map, wind rose, energy chart.
 *
 * SVG text that stands inside of the HTML.  The map's unit is the ground
 * metre, y downwards, origin at the grid's north-west corner; what has a
 * size of its own (text, symbols, line widths) is a share of the map's
 * width.  A zone's buffer is drawn by a stroke of twice its width with round
 * joins, which is exactly the set of points within that distance.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "report_svg.h"

#include <math.h>

#include "html.h"

static const char *const zone_colors[] = {
	"#1f78b4", "#7b2d8b", "#d98e04", "#0f7b6c", "#8c564b", "#5c677d"
};

/* Colour of a zone type in map and legend. */
static const char *
zone_color(int zone_type)
{
	return zone_colors[zone_type % lengthof(zone_colors)];
}

const char *
aj_turbine_color(int type)
{
	static const char *const colors[] = {
		"#0b3954", "#8a1c4a", "#2f5d1f", "#7a4a00", "#4b2a85", "#00605c"
	};

	return colors[type % lengthof(colors)];
}

/* ---- map ---- */

/* Paths as the d attribute of an SVG path; rings are closed. */
void
aj_svg_paths(StringInfo b, const AjSiteGrid *g, const AjPath *paths, int n,
			 bool closed)
{
	for (int i = 0; i < n; i++)
	{
		for (int k = 0; k < paths[i].n; k++)
			appendStringInfo(b, "%c%.1f %.1f", k ? 'L' : 'M',
							 (paths[i].x[k] - g->x0) / g->k,
							 (g->y0 - paths[i].y[k]) / g->k);
		if (closed)
			appendStringInfoChar(b, 'Z');
	}
}

void
aj_svg_zone(StringInfo b, const AjSiteGrid *g, const AjZone *z, int type,
			double unit)
{
	const char *color = zone_color(type);

	appendStringInfoString(b, "<g><title>");
	aj_html_text(b, z->name ? z->name : z->zone_type);
	appendStringInfo(b, ", buffer %.6g m</title>", z->buffer_m);
	if (z->shape == AJ_SHAPE_POINT)
	{
		for (int i = 0; i < z->npaths; i++)
			for (int k = 0; k < z->paths[i].n; k++)
			{
				double		x = (z->paths[i].x[k] - g->x0) / g->k;
				double		y = (g->y0 - z->paths[i].y[k]) / g->k;

				appendStringInfo(b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\" fill-opacity=\".32\" stroke=\"%s\" stroke-width=\"%.1f\"/>"
								 "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\"/>",
								 x, y, z->buffer_m, color, color, unit,
								 x, y, 4 * unit, color);
			}
	}
	else
	{
		bool		area = z->shape == AJ_SHAPE_POLYGON;

		appendStringInfoString(b, "<path d=\"");
		aj_svg_paths(b, g, z->paths, z->npaths, area);
		appendStringInfo(b, "\" fill=\"%s\" fill-rule=\"evenodd\" stroke=\"%s\" stroke-width=\"%.1f\" stroke-linejoin=\"round\" stroke-linecap=\"round\" opacity=\".32\"/>",
						 area ? color : "none", color, 2 * z->buffer_m);
		appendStringInfoString(b, "<path d=\"");
		aj_svg_paths(b, g, z->paths, z->npaths, area);
		appendStringInfo(b, "\" fill=\"none\" stroke=\"%s\" stroke-width=\"%.1f\"%s/>",
						 color, 2 * unit, area ? "" : " stroke-linejoin=\"round\"");
	}
	appendStringInfoString(b, "</g>");
}

/* What these stand for, as items of a list. */
void
aj_svg_key(StringInfo b, const AjSiteGrid *g)
{
	appendStringInfoString(b, "<li><i class=\"line\"></i>Site boundary</li>"
						   "<li><i class=\"toned\"></i>Not buildable: slope, setback or zone</li>");
	for (int i = 0; i < g->nzone_types; i++)
	{
		appendStringInfo(b, "<li><i style=\"background:%s;opacity:.75\"></i>",
						 zone_color(i));
		aj_html_text(b, g->zone_types[i]);
		appendStringInfoString(b, " zone with its buffer</li>");
	}
	if (g->site->has_entry)
		appendStringInfoString(b, "<li><i class=\"diamond\" style=\"background:#f2c14e\"></i>Site entry</li>");
}

/* The largest of 1, 2, 5 times a power of ten that is at most v. */
static double
round_length(double v)
{
	double		p = pow(10, floor(log10(v)));

	return v >= 5 * p ? 5 * p : v >= 2 * p ? 2 * p : p;
}

/* Degrees by which true north is clockwise of the map's up. */
double
aj_grid_north(const AjSiteGrid *g)
{
	return aj_true_north(g->zone, g->south, (g->site->west + g->site->east) / 2,
						 (g->site->south + g->site->north) / 2);
}

void
aj_svg_scale_and_north(StringInfo b, double w, double h, double unit,
					   double true_north_deg)
{
	double		len = round_length(w / 4);
	double		x = w - len - 22 * unit;
	double		y = h - 24 * unit;
	char	   *label = len >= 1000 ? psprintf("%.6g km", len / 1000) :
	psprintf("%.6g m", len);

	appendStringInfo(b, "<g font-size=\"%.1f\" text-anchor=\"middle\" font-weight=\"600\">"
					 "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"%.1f\" fill=\"#fff\" fill-opacity=\".85\"/>"
					 "<path d=\"M%.1f %.1fv%.1fh%.1fv%.1f\" fill=\"none\" stroke=\"#1d2733\" stroke-width=\"%.1f\"/>"
					 "<text x=\"%.1f\" y=\"%.1f\" fill=\"#1d2733\">%s</text></g>",
					 13 * unit, x - 12 * unit, y - 22 * unit, len + 24 * unit,
					 36 * unit, 5 * unit,
					 x, y - unit, 6 * unit, len, -6 * unit, 2 * unit,
					 x + len / 2, y - 5 * unit, label);
	appendStringInfo(b, "<g transform=\"translate(%.1f %.1f) scale(%.3f)\">"
					 "<circle r=\"23\" fill=\"#fff\" fill-opacity=\".85\"/>"
					 "<g transform=\"rotate(%.2f)\"><path d=\"M0 -13L7 12L0 7Z\" fill=\"#1d2733\"/>"
					 "<path d=\"M0 -13L-7 12L0 7Z\" fill=\"#fff\" stroke=\"#1d2733\" stroke-width=\"1\"/>"
					 "<text y=\"-14\" font-size=\"9\" text-anchor=\"middle\" font-weight=\"700\" fill=\"#1d2733\">N</text></g></g>",
					 w - 36 * unit, 36 * unit, unit, true_north_deg);
}

void
aj_svg_map(StringInfo b, const AjReport *r)
{
	const AjSiteGrid *g = r->grid;
	double		w = g->ncols * g->cell_m / g->k;
	double		h = g->nrows * g->cell_m / g->k;
	double		unit = Max(w, h) / 1000;
	Size		len;
	void	   *png = aj_site_hillshade_png(g, true, &len);

	appendStringInfo(b, "<svg class=\"map\" viewBox=\"0 0 %.1f %.1f\" role=\"img\" aria-label=\"Map of the site with boundary, exclusion zones and turbines\">"
					 "<defs><clipPath id=\"frame\"><rect width=\"%.1f\" height=\"%.1f\"/></clipPath></defs><g clip-path=\"url(#frame)\">"
					 "<image width=\"%.1f\" height=\"%.1f\" preserveAspectRatio=\"none\" href=\"",
					 w, h, w, h, w, h);
	aj_html_png(b, png, len);
	appendStringInfoString(b, "\"/>");

	/* ground outside of the site steps back */
	appendStringInfo(b, "<path d=\"M0 0H%.1fV%.1fH0Z", w, h);
	aj_svg_paths(b, g, g->site->rings, g->site->nrings, true);
	appendStringInfoString(b, "\" fill=\"#fff\" fill-opacity=\".5\" fill-rule=\"evenodd\"/>");

	for (int i = 0; i < g->site->nzones; i++)
		aj_svg_zone(b, g, &g->site->zones[i],
					g->zone_type ? g->zone_type[i] : 0, unit);

	appendStringInfoString(b, "<path d=\"");
	aj_svg_paths(b, g, g->site->rings, g->site->nrings, true);
	appendStringInfo(b, "\" fill=\"none\" stroke=\"#fff\" stroke-width=\"%.1f\" stroke-linejoin=\"round\"/><path d=\"",
					 6 * unit);
	aj_svg_paths(b, g, g->site->rings, g->site->nrings, true);
	appendStringInfo(b, "\" fill=\"none\" stroke=\"#1d2733\" stroke-width=\"%.1f\" stroke-linejoin=\"round\"/>",
					 2.6 * unit);

	if (g->site->has_entry)
		appendStringInfo(b, "<g transform=\"translate(%.1f %.1f) scale(%.3f)\"><title>Site entry</title>"
						 "<path d=\"M0 -9L9 0L0 9L-9 0Z\" fill=\"#f2c14e\" stroke=\"#1d2733\" stroke-width=\"2\"/></g>",
						 (g->entry_x - g->x0) / g->k,
						 (g->y0 - g->entry_y) / g->k, unit);

	appendStringInfo(b, "<g font-size=\"%.1f\" font-weight=\"700\" text-anchor=\"middle\">",
					 r->pos->n > 99 ? 10 * unit : 13 * unit);
	for (int i = 0; i < r->pos->n; i++)
	{
		double		x,
					y;
		double		radius = r->pos->n > 99 ? 10 * unit : 12.5 * unit;

		aj_site_xy(g, r->pos->lon[i], r->pos->lat[i], &x, &y);
		x = (x - g->x0) / g->k;
		y = (g->y0 - y) / g->k;
		appendStringInfo(b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\" stroke=\"#fff\" stroke-width=\"%.1f\"/>"
						 "<text x=\"%.1f\" y=\"%.1f\" fill=\"#fff\">%d</text>",
						 x, y, radius, aj_turbine_color(r->pos->type ? r->pos->type[i] : 0), 2 * unit, x, y + radius * 0.37, i + 1);
	}
	appendStringInfoString(b, "</g>");
	aj_svg_scale_and_north(b, w, h, unit, r->pos->true_north_deg);
	appendStringInfoString(b, "</g></svg>");
}

/* Values of the cells in colours, half a page wide. */
void
aj_svg_values(StringInfo b, const AjSiteGrid *g, const void *png, Size len,
			  const char *about)
{
	double		w = g->ncols * g->cell_m / g->k;
	double		h = g->nrows * g->cell_m / g->k;
	double		unit = Max(w, h) / 500;

	appendStringInfo(b, "<svg class=\"map fit\" viewBox=\"0 0 %.1f %.1f\" role=\"img\" aria-label=\"%s\">"
					 "<image width=\"%.1f\" height=\"%.1f\" preserveAspectRatio=\"none\" href=\"",
					 w, h, about, w, h);
	aj_html_png(b, png, len);
	appendStringInfoString(b, "\"/><path d=\"");
	aj_svg_paths(b, g, g->site->rings, g->site->nrings, true);
	appendStringInfo(b, "\" fill=\"none\" stroke=\"#1d2733\" stroke-width=\"%.1f\" stroke-linejoin=\"round\"/>",
					 2 * unit);
	aj_svg_scale_and_north(b, w, h, unit, aj_grid_north(g));
	appendStringInfoString(b, "</svg>");
}

/* ---- wind rose ---- */

static const double class_limit[] = {0, 4, 7, 10, 13, 16, INFINITY};
static const char *const class_color[] = {
	"#d7e8f2", "#a5cbe0", "#6aa6c8", "#357fab", "#1b587f", "#0b3954"
};
#define NCLASSES ((int) lengthof(class_color))

static void
sector_shares(const AjFarmInput *in, int sector, double *share)
{
	const AjWind *w = in->wind;

	for (int c = 0; c < NCLASSES; c++)
		share[c] = 0;
	if (w->kind == AJ_WIND_WEIBULL)
	{
		double		a = w->weibull_a_m_s[sector] * in->shear_factor;
		double		below = 0;

		for (int c = 0; c < NCLASSES; c++)
		{
			double		upto = isinf(class_limit[c + 1]) ? 1 :
			ajk_weibull_cdf(a, w->weibull_k[sector], class_limit[c + 1]);

			share[c] = w->frequency[sector] * (upto - below);
			below = upto;
		}
		return;
	}
	for (int j = 0; j < w->nspeed; j++)
	{
		double		u = w->speed_m_s[j] * in->shear_factor;
		int			c = 0;

		while (u >= class_limit[c + 1])
			c++;
		share[c] += w->probability[(Size) sector * w->nspeed + j];
	}
}

static void
petal(StringInfo b, double mid_deg, double width_deg, double r0, double r1,
	  const char *color)
{
	double		a0 = AJK_DEG2RAD(mid_deg - width_deg / 2);
	double		a1 = AJK_DEG2RAD(mid_deg + width_deg / 2);

	if (r1 - r0 < 0.01)
		return;
	appendStringInfo(b, "<path d=\"M%.2f %.2fL%.2f %.2fA%.2f %.2f 0 0 1 %.2f %.2fL%.2f %.2fA%.2f %.2f 0 0 0 %.2f %.2fZ\" fill=\"%s\"/>",
					 r0 * sin(a0), -r0 * cos(a0), r1 * sin(a0), -r1 * cos(a0),
					 r1, r1, r1 * sin(a1), -r1 * cos(a1),
					 r0 * sin(a1), -r0 * cos(a1), r0, r0,
					 r0 * sin(a0), -r0 * cos(a0), color);
}

void
aj_svg_wind_rose(StringInfo b, const AjReport *r)
{
	static const char *const points[] = {"N", "E", "S", "W"};
	const AjWind *w = r->farm.wind;
	double		most = 0;
	double		ring;
	double		scale;
	double		width = 360.0 / Max(w->ndir, 4) * 0.86;
	bool		used[NCLASSES] = {false};

	for (int i = 0; i < w->ndir; i++)
		most = Max(most, w->frequency[i]);
	ring = round_length(most * 100 / 2.5);
	if (most * 100 / ring > 4)
		ring *= 2;
	scale = 100 / (ceil(most * 100 / ring) * ring / 100);	/* 100 px radius */

	appendStringInfoString(b, "<svg class=\"rose\" viewBox=\"-132 -128 264 256\" role=\"img\" aria-label=\"Wind rose\">");
	for (double f = ring; f / 100 * scale <= 100.01; f += ring)
		appendStringInfo(b, "<circle r=\"%.2f\" fill=\"none\" stroke=\"#c9d1d9\" stroke-width=\".7\"/>",
						 f / 100 * scale);
	for (int i = 0; i < 8; i++)
		appendStringInfo(b, "<path d=\"M0 0L%.2f %.2f\" stroke=\"#e1e6eb\" stroke-width=\".7\"/>",
						 100 * sin(i * AJK_PI / 4), -100 * cos(i * AJK_PI / 4));
	for (int i = 0; i < w->ndir; i++)
	{
		double		share[NCLASSES];
		double		from = 0;

		sector_shares(&r->farm, i, share);
		for (int c = 0; c < NCLASSES; c++)
		{
			used[c] = used[c] || share[c] > 0;
			petal(b, w->direction_deg[i], width, from * scale,
				  (from + share[c]) * scale, class_color[c]);
			from += share[c];
		}
	}
	for (double f = ring; f / 100 * scale <= 100.01; f += ring)
		appendStringInfo(b, "<text x=\"%.2f\" y=\"%.2f\" class=\"halo\" font-size=\"8.5\">%.4g %%</text>",
						 f / 100 * scale * 0.3827 + 1, -f / 100 * scale * 0.9239,
						 f);
	for (int i = 0; i < 4; i++)
		appendStringInfo(b, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"12\" font-weight=\"700\" text-anchor=\"middle\">%s</text>",
						 113 * sin(i * AJK_PI / 2),
						 -113 * cos(i * AJK_PI / 2) + 4, points[i]);
	appendStringInfoString(b, "</svg><ul class=\"key\">");
	for (int c = 0; c < NCLASSES; c++)
	{
		if (!used[c])
			continue;
		appendStringInfo(b, "<li><i style=\"background:%s\"></i>", class_color[c]);
		if (isinf(class_limit[c + 1]))
			appendStringInfo(b, "%.0f m/s and more</li>", class_limit[c]);
		else
			appendStringInfo(b, "%.0f&ndash;%.0f m/s</li>", class_limit[c],
							 class_limit[c + 1]);
	}
	appendStringInfoString(b, "</ul>");
}

/* ---- energy ---- */

void
aj_svg_energy(StringInfo b, const AjReport *r)
{
	JsonbContainer *s = r->sim;
	double		gross = aj_require_number(s, "gross_aep_gwh", 0, INFINITY);
	double		wake = aj_require_number(s, "wake_aep_gwh", 0, INFINITY);
	double		net = aj_require_number(s, "net_aep_gwh", 0, INFINITY);
	double		avail = wake * (1 - aj_require_number(s, "availability_loss_pct", 0, 100) / 100);
	double		elec = avail * (1 - aj_require_number(s, "electrical_loss_pct", 0, 100) / 100);
	const char *label[] = {"Gross", "Wakes", "Availability", "Electrical",
	"Other", "Net"};
	double		from[] = {0, wake, avail, elec, net, 0};
	double		to[] = {gross, gross, wake, avail, elec, net};

	appendStringInfoString(b, "<svg class=\"bars\" viewBox=\"0 0 440 196\" role=\"img\" aria-label=\"From gross to net energy\">");
	for (int i = 0; i < 6; i++)
	{
		double		y = 6 + i * 32;
		double		x0 = 96 + (gross > 0 ? from[i] / gross * 240 : 0);
		double		x1 = 96 + (gross > 0 ? to[i] / gross * 240 : 0);
		bool		total = i == 0 || i == 5;

		appendStringInfo(b, "<text x=\"88\" y=\"%.1f\" text-anchor=\"end\" font-size=\"13\"%s>%s</text>"
						 "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"20\" rx=\"2\" fill=\"%s\"/>",
						 y + 15, total ? " font-weight=\"700\"" : "", label[i],
						 x0, y, Max(x1 - x0, 1.5), total ? "#0b3954" : "#d1495b");
		if (total)
			appendStringInfo(b, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"13\" font-weight=\"700\">%.1f GWh</text>",
							 x1 + 7, y + 15, to[i]);
		else
			appendStringInfo(b, "<text x=\"344\" y=\"%.1f\" font-size=\"13\">&minus;%.1f GWh</text>",
							 y + 15, to[i] - from[i]);
	}
	appendStringInfoString(b, "</svg>");
}
