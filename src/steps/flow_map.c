/*-------------------------------------------------------------------------
 *
 * flow_map.c
 *		The wind between the turbines: a raster of the speed at hub height.
 *
 * Either the mean over the climate's directions, each with the mean of its
 * speeds, at most MAX_DIRECTIONS of them (neighbours are merged); or one
 * wind, where flow_direction_deg and flow_speed_m_s are given.  The raster
 * covers the turbines and a border of eight (of the largest) rotor diameters; where that
 * would take more than MAX_CELLS the resolution is lowered, and the result
 * says so.
 *
 * Artifacts: wake_map.asc, an ESRI ASCII grid of m/s, and wake_map.png, the
 * same as a picture with world file, both in the UTM zone of the layout (or
 * in the plain metres in which the layout was given).
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "flow_map.h"
#include "html.h"
#include "report_svg.h"

#include <math.h>

#include "../kernels/pngout.h"

#define MAX_CELLS		40000.0
#define MAX_DIRECTIONS	36
#define BORDER_D		8.0

/*
 * A wake that takes less of the speed is never drawn darkest: the directions
 * that the mean is made of would be seen as rays.
 */
#define FAINT			0.9

AjFlowParams
aj_flow_params(JsonbContainer *params)
{
	AjFlowParams p;

	p.max_cells = MAX_CELLS;
	p.resolution_m = aj_param_number(params, "flow_map_resolution_m", 50,
									 0, 1000);
	if (p.resolution_m > 0 && p.resolution_m < 1)
		aj_param_number(params, "flow_map_resolution_m", 50, 1, 1000);
	p.direction_deg = aj_param_number(params, "flow_direction_deg", NAN, 0, 360);
	p.speed_m_s = aj_param_number(params, "flow_speed_m_s", NAN, 0.1, 75);
	if (isnan(p.direction_deg) != isnan(p.speed_m_s))
		aj_step_error(AJ_ERRCODE_VALIDATION, "parameter_missing",
					  psprintf("parameter \"%s\" is missing",
							   isnan(p.speed_m_s) ? "flow_speed_m_s" :
							   "flow_direction_deg"), NULL,
					  "Give both for the flow of one wind, or neither for the mean over all winds.");
	return p;
}

/* White where the wind is free, over blue to dark where it is slowest */
static void
colour(double share, uint8_t *rgb)
{
	static const double stop[4][3] = {
		{247, 251, 255}, {158, 202, 225}, {49, 130, 189}, {8, 48, 107}
	};
	double		at = fmin(fmax(share, 0), 1) * 3;
	int			i = at >= 3 ? 2 : (int) at;

	for (int c = 0; c < 3; c++)
		rgb[c] = (uint8_t) (stop[i][c] + (at - i) * (stop[i + 1][c] - stop[i][c]) + 0.5);
}

static char *
asc_grid(const AjkFlowGrid *g, const float *speed, double west, double south,
		 double cell)
{
	StringInfoData b;

	initStringInfo(&b);
	appendStringInfo(&b, "ncols %d\nnrows %d\nxllcorner %.6f\nyllcorner %.6f\ncellsize %.10g\nNODATA_value -9999\n",
					 g->ncols, g->nrows, west, south, cell);
	for (int row = 0; row < g->nrows; row++)
		for (int col = 0; col < g->ncols; col++)
			appendStringInfo(&b, "%.3f%c", speed[(Size) row * g->ncols + col],
							 col + 1 < g->ncols ? ' ' : '\n');
	return b.data;
}

/*
 * The speed that gets the darkest colour.  Close behind the rotors a few cells
 * are so slow that nothing else would be seen; one cell of a hundred may be slower.
 */
static double
darkest(const float *speed, Size cells, double lo, double hi)
{
	Size		count[256] = {0};
	Size		seen = 0;

	if (!(hi > lo))
		return lo;
	for (Size i = 0; i < cells; i++)
		count[(int) fmin(255, fmax(0, (speed[i] - lo) / (hi - lo) * 255))]++;
	for (int k = 0; k < 255; k++)
	{
		seen += count[k];
		if (seen * 100 > cells)
			return fmax(lo, fmin(lo + k * (hi - lo) / 255, FAINT * hi));
	}
	return lo;
}

/* The picture, or NULL if there is no memory for it */
static void *
picture(const AjkFlowGrid *g, const float *speed, double lo, double hi,
		Size *len)
{
	Size		cells = (Size) g->ncols * g->nrows;
	uint8_t    *rgb = palloc(cells * 3);
	uint8_t    *png = NULL;
	size_t		size = 0;
	void	   *copy;
	AjkError	err;

	for (Size i = 0; i < cells; i++)
		colour(hi > lo ? (hi - speed[i]) / (hi - lo) : 0, rgb + 3 * i);
	err = ajk_png(rgb, g->ncols, g->nrows, 3, &png, &size, NULL, NULL);
	aj_kernel_failed(err, "drawing the wake map");
	copy = palloc_extended(size, MCXT_ALLOC_NO_OOM);
	if (copy)
		memcpy(copy, png, size);
	free(png);
	*len = size;
	return copy;
}

/* Merged to few directions: direction, speed and share of each */
static AjkError
compute(const AjkFarm *farm, const AjkWind *climate, const AjFlowParams *p,
		const AjkFlowGrid *g, float *speed, double *free_m_s, int *directions,
		AjPoll *poll)
{
	AjkWind		w;
	AjkError	err;
	double		from = poll->from;
	double		to = poll->to;

	*free_m_s = 0;
	*directions = 1;
	if (!isnan(p->direction_deg))
	{
		*free_m_s = p->speed_m_s;
		return ajk_farm_flow(farm, p->direction_deg, p->speed_m_s, 1, g, speed,
							 aj_poll, poll);
	}
	err = ajk_wind_coarsen(climate, MAX_DIRECTIONS, &w);
	if (err != AJK_OK)
		return err;
	*directions = w.nwd;
	for (int i = 0; i < w.nwd && err == AJK_OK; i++)
	{
		double		share = 0;
		double		sum = 0;

		for (int j = 0; j < w.nws; j++)
		{
			share += w.prob[(Size) i * w.nws + j];
			sum += w.prob[(Size) i * w.nws + j] * w.ws[j];
		}
		poll->from = from + (to - from) * i / w.nwd;
		poll->to = from + (to - from) * (i + 1) / w.nwd;
		if (!(share > 0) || !(sum > 0))
			continue;
		*free_m_s += sum / w.mass;
		err = ajk_farm_flow(farm, w.wd[i], sum / share, share / w.mass, g,
							speed, aj_poll, poll);
	}
	ajk_wind_free(&w);
	return err;
}

AjFlowRaster *
aj_flow_compute(const AjFlowParams *p, const AjkFarm *farm,
				const AjPositions *pos, const AjkWind *climate, double from,
				double to)
{
	AjFlowRaster *r = palloc0(sizeof(AjFlowRaster));
	double		west = INFINITY;
	double		east = -INFINITY;
	double		south = INFINITY;
	double		north = -INFINITY;
	double		border = 0;
	double		cell = p->resolution_m;
	AjPoll		poll = {from, to, "computing the flow between the turbines"};
	Size		cells;
	AjkError	err;

	for (int i = 0; i < pos->n; i++)
	{
		int			type = farm->type ? farm->type[i] : 0;

		border = fmax(border, BORDER_D * farm->turbine[type].diameter_m);
		west = fmin(west, pos->x[i]);
		east = fmax(east, pos->x[i]);
		south = fmin(south, pos->y[i]);
		north = fmax(north, pos->y[i]);
	}
	west -= border;
	east += border;
	south -= border;
	north += border;
	cell = fmax(cell, sqrt((east - west) * (north - south) / p->max_cells));
	r->west = west;
	r->south = south;
	r->grid.ncols = (int) ceil((east - west) / cell);
	r->grid.nrows = (int) ceil((north - south) / cell);
	r->grid.cell_m = cell;
	r->grid.x0 = west + cell / 2;
	r->grid.y0 = south + r->grid.nrows * cell - cell / 2;
	cells = (Size) r->grid.ncols * r->grid.nrows;
	r->speed = palloc0(sizeof(float) * cells);
	r->direction_deg = p->direction_deg;

	aj_compute_begin();
	err = compute(farm, climate, p, &r->grid, r->speed, &r->free_m_s,
				  &r->directions, &poll);
	aj_compute_end();
	aj_kernel_failed(err, "flow map");
	r->lowest_m_s = INFINITY;
	for (Size i = 0; i < cells; i++)
		r->lowest_m_s = fmin(r->lowest_m_s, r->speed[i]);
	r->dark_m_s = darkest(r->speed, cells, r->lowest_m_s, r->free_m_s);
	r->png = picture(&r->grid, r->speed, r->dark_m_s, r->free_m_s,
					 &r->png_len);
	return r;
}

void
aj_flow_map(const AjFlowRaster *r, const AjPositions *pos, StringInfo out)
{
	const AjkFlowGrid *g = &r->grid;
	double		gx = pos->mx + r->west * pos->k;
	double		gy = pos->my + r->south * pos->k;
	double		cell = g->cell_m * pos->k;	/* the zone's metres, if any */
	char	   *text = asc_grid(g, r->speed, gx, gy, cell);

	aj_artifact("wake_map.asc", "wake_map", "text/plain", text, strlen(text));
	if (r->png)
	{
		aj_artifact("wake_map.png", "wake_map", "image/png", r->png, r->png_len);
		text = psprintf("%.10f\n0\n0\n%.10f\n%.6f\n%.6f\n", cell, -cell,
						gx + cell / 2, gy + (g->nrows - 0.5) * cell);
		aj_artifact("wake_map.pgw", "world_file", "text/plain", text,
					strlen(text));
		if (pos->zone > 0)
		{
			text = psprintf("<PAMDataset>\n  <SRS>EPSG:%d</SRS>\n</PAMDataset>\n",
							(pos->south ? 32700 : 32600) + pos->zone);
			aj_artifact("wake_map.png.aux.xml", "coordinate_system",
						"application/xml", text, strlen(text));
		}
	}

	appendStringInfo(out, ",\"flow_map\":{\"ncols\":%d,\"nrows\":%d,\"resolution_m\":",
					 g->ncols, g->nrows);
	aj_json_number(out, g->cell_m, 4);
	if (pos->zone > 0)
		appendStringInfo(out, ",\"epsg\":%d", (pos->south ? 32700 : 32600) + pos->zone);
	appendStringInfo(out, ",\"directions\":%d,\"free_speed_m_s\":", r->directions);
	aj_json_number(out, r->free_m_s, 4);
	appendStringInfoString(out, ",\"lowest_speed_m_s\":");
	aj_json_number(out, r->lowest_m_s, 4);
	appendStringInfoString(out, ",\"artifacts\":[\"wake_map.asc\"");
	if (r->png)
		appendStringInfoString(out, ",\"wake_map.png\",\"wake_map.pgw\"");
	appendStringInfoString(out, "]}");
}

/*
 * Section of a report: the flow as a layer, with the site's outline where it
 * is known in the same zone, and the turbines by their numbers.
 */
void
aj_report_flow(StringInfo b, const AjFlowRaster *r, const AjPositions *pos,
			   const AjSiteGrid *site)
{
	const AjkFlowGrid *g = &r->grid;
	double		w = g->ncols * g->cell_m;
	double		h = g->nrows * g->cell_m;
	double		north = r->south + h;
	double		unit = Max(w, h) / 1000;
	double		radius = pos->n > 99 ? 4 * unit : 5 * unit;
	uint8_t		rgb[3];

	if (r->png == NULL)
		return;
	appendStringInfo(b, "<section><h2>Wind between the turbines</h2><div class=\"scroll\"><svg class=\"map flow\" viewBox=\"0 0 %.1f %.1f\" role=\"img\" aria-label=\"Map of the wind speed with the wakes of all turbines\">"
					 "<defs><clipPath id=\"flow\"><rect width=\"%.1f\" height=\"%.1f\"/></clipPath></defs><g clip-path=\"url(#flow)\"><image width=\"%.1f\" height=\"%.1f\" preserveAspectRatio=\"none\" href=\"",
					 w, h, w, h, w, h);
	aj_html_png(b, r->png, r->png_len);
	appendStringInfoString(b, "\"/>");
	if (site && site->zone == pos->zone && site->south == pos->south)
	{
		appendStringInfoString(b, "<path d=\"");
		for (int i = 0; i < site->site->nrings; i++)
		{
			const AjPath *ring = &site->site->rings[i];

			for (int k = 0; k < ring->n; k++)
				appendStringInfo(b, "%c%.1f %.1f", k ? 'L' : 'M',
								 (ring->x[k] - pos->mx) / pos->k - r->west,
								 north - (ring->y[k] - pos->my) / pos->k);
			appendStringInfoChar(b, 'Z');
		}
		appendStringInfo(b, "\" fill=\"none\" stroke=\"#1d2733\" stroke-width=\"%.1f\" stroke-linejoin=\"round\"/>",
						 2.6 * unit);
	}
	appendStringInfo(b, "<g font-size=\"%.1f\" font-weight=\"700\" stroke-linejoin=\"round\" style=\"paint-order:stroke\">",
					 pos->n > 99 ? 10 * unit : 13 * unit);
	for (int i = 0; i < pos->n; i++)
		appendStringInfo(b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"#d1495b\" stroke=\"#fff\" stroke-width=\"%.1f\"/>"
						 "<text x=\"%.1f\" y=\"%.1f\" fill=\"#1d2733\" stroke=\"#fff\" stroke-width=\"%.1f\">%d</text>",
						 pos->x[i] - r->west, north - pos->y[i], radius, 1.2 * unit,
						 pos->x[i] - r->west + 1.5 * radius,
						 north - pos->y[i] - 1.2 * radius, 3 * unit, i + 1);
	appendStringInfoString(b, "</g>");
	aj_svg_scale_and_north(b, w, h, unit, pos->true_north_deg);
	appendStringInfo(b, "</g></svg></div><ul class=\"key\"><li>%s%.2f m/s<i class=\"ramp\" style=\"width:110px;background:linear-gradient(90deg",
					 r->dark_m_s > r->lowest_m_s ? "at most " : "", r->dark_m_s);
	for (int i = 0; i <= 6; i++)
	{
		colour(1 - i / 6.0, rgb);
		appendStringInfo(b, ",#%02x%02x%02x", rgb[0], rgb[1], rgb[2]);
	}
	appendStringInfo(b, ")\"></i>%.2f m/s, the free wind</li><li><i class=\"dot\" style=\"background:#d1495b\"></i>Turbine</li></ul>",
					 r->free_m_s);
	if (isnan(r->direction_deg))
		appendStringInfo(b, "<p class=\"muted\">Mean wind speed at hub height over %d directions and the speeds of the power curve, with the wakes of all turbines.</p></section>\n",
						 r->directions);
	else
		appendStringInfo(b, "<p class=\"muted\">Wind speed at hub height for wind of %.4g m/s from %.4g&deg;, with the wakes of all turbines.</p></section>\n",
						 r->free_m_s, r->direction_deg);
}
