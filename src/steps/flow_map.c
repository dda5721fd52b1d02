/*-------------------------------------------------------------------------
 *
 * flow_map.c
 *		The wind between the turbines: a raster of the speed at hub height.
 *
 * Either the mean over the climate's directions, each with the mean of its
 * speeds, at most MAX_DIRECTIONS of them (neighbours are merged); or one
 * wind, where flow_direction_deg and flow_speed_m_s are given.  The raster
 * covers the turbines and a border of eight rotor diameters; where that
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

#include <math.h>

#include "../kernels/pngout.h"

#define MAX_CELLS		40000.0
#define MAX_DIRECTIONS	36
#define BORDER_D		8.0

AjFlowParams
aj_flow_params(JsonbContainer *params)
{
	AjFlowParams p;

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

void
aj_flow_map(const AjFlowParams *p, const AjkFarm *farm,
			const AjPositions *pos, const AjkWind *climate, StringInfo out)
{
	double		west = INFINITY;
	double		east = -INFINITY;
	double		south = INFINITY;
	double		north = -INFINITY;
	double		border = BORDER_D * farm->turbine->diameter_m;
	double		cell = p->resolution_m;
	double		lo = INFINITY;
	double		free_m_s;
	int			directions;
	AjkFlowGrid g;
	AjPoll		poll = {0.8, 0.97, "computing the flow between the turbines"};
	Size		cells;
	Size		len;
	float	   *speed;
	char	   *text;
	void	   *png;
	double		gx;
	double		gy;
	AjkError	err;

	for (int i = 0; i < pos->n; i++)
	{
		west = fmin(west, pos->x[i]);
		east = fmax(east, pos->x[i]);
		south = fmin(south, pos->y[i]);
		north = fmax(north, pos->y[i]);
	}
	west -= border;
	east += border;
	south -= border;
	north += border;
	cell = fmax(cell, sqrt((east - west) * (north - south) / MAX_CELLS));
	g.ncols = (int) ceil((east - west) / cell);
	g.nrows = (int) ceil((north - south) / cell);
	g.cell_m = cell;
	g.x0 = west + cell / 2;
	g.y0 = south + g.nrows * cell - cell / 2;
	cells = (Size) g.ncols * g.nrows;
	speed = palloc0(sizeof(float) * cells);

	aj_compute_begin();
	err = compute(farm, climate, p, &g, speed, &free_m_s, &directions, &poll);
	aj_compute_end();
	aj_kernel_failed(err, "flow map");
	for (Size i = 0; i < cells; i++)
		lo = fmin(lo, speed[i]);

	/* to the zone's metres, if the layout has any */
	gx = pos->mx + west * pos->k;
	gy = pos->my + south * pos->k;
	cell *= pos->k;
	text = asc_grid(&g, speed, gx, gy, cell);
	aj_artifact("wake_map.asc", "wake_map", "text/plain", text, strlen(text));
	png = picture(&g, speed, lo, free_m_s, &len);
	if (png)
	{
		aj_artifact("wake_map.png", "wake_map", "image/png", png, len);
		text = psprintf("%.10f\n0\n0\n%.10f\n%.6f\n%.6f\n", cell, -cell,
						gx + cell / 2, gy + (g.nrows - 0.5) * cell);
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
					 g.ncols, g.nrows);
	aj_json_number(out, g.cell_m, 4);
	if (pos->zone > 0)
		appendStringInfo(out, ",\"epsg\":%d", (pos->south ? 32700 : 32600) + pos->zone);
	appendStringInfo(out, ",\"directions\":%d,\"free_speed_m_s\":", directions);
	aj_json_number(out, free_m_s, 4);
	appendStringInfoString(out, ",\"lowest_speed_m_s\":");
	aj_json_number(out, lo, 4);
	appendStringInfoString(out, ",\"artifacts\":[\"wake_map.asc\"");
	if (png)
		appendStringInfoString(out, ",\"wake_map.png\",\"wake_map.pgw\"");
	appendStringInfoString(out, "]}");
}
