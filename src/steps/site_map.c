/*-------------------------------------------------------------------------
 *
 * site_map.c
 *		Pictures of the grid of a site.
 *
 * Shaded relief, tinted by elevation or coloured by any values of the cells,
 * as PNG: one pixel a cell as far as MAX_MAP_PIXELS, else the cell that is
 * nearest to the middle of each pixel.  A picture stored as an artifact has
 * a world file beside it (six lines: pixel width, two rotations, minus
 * pixel height, and the centre of the first pixel), and the coordinate
 * system in GDAL's auxiliary file, which is what GIS programs look for.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "site_grid.h"

#include <math.h>

#include "utils/memutils.h"

#include "../kernels/pngout.h"
#include "../kernels/terrain.h"

/* Colours of the ground from low to high. */
static const uint8 tints[][3] = {
	{150, 180, 140}, {190, 203, 152}, {224, 215, 168}, {214, 188, 148},
	{196, 166, 140}, {236, 232, 228}
};

#define MAX_MAP_PIXELS	2000	/* along the longer side */

#define NTINTS ((int) lengthof(tints))

/* Colours of values, by AjPalette. */
static const uint8 slope_tints[][3] = {
	{236, 240, 228}, {247, 225, 170}, {240, 170, 90}, {208, 84, 60},
	{128, 24, 48}
};
static const uint8 suitability_tints[][3] = {
	{190, 60, 50}, {235, 160, 90}, {250, 230, 140}, {150, 200, 110},
	{26, 130, 80}
};

static void
blend(const uint8 (*of)[3], int n, double level, double rgb[3])
{
	double		at = level * (n - 1);
	int			i = Min(Max((int) floor(at), 0), n - 2);

	at = Min(Max(at - i, 0.0), 1.0);
	for (int c = 0; c < 3; c++)
		rgb[c] = of[i][c] + at * (of[i + 1][c] - of[i][c]);
}

/* Lowest and highest elevation of the grid. */
static void
elevation_range(const AjSiteGrid *g, float *lo, float *hi)
{
	Size		n = (Size) g->ncols * g->nrows;

	*lo = INFINITY;
	*hi = -INFINITY;
	for (Size i = 0; i < n; i++)
	{
		if (g->elev[i] < *lo)
			*lo = g->elev[i];
		if (g->elev[i] > *hi)
			*hi = g->elev[i];
		if (i % 1048576 == 0)
			CHECK_FOR_INTERRUPTS();
	}
}

/* What a picture shows. */
typedef struct Picture
{
	const AjSiteGrid *g;
	uint8	   *shade;
	float		lo;				/* elevation */
	float		hi;
	bool		show_excluded;
	const float *values;		/* or NULL: elevation is shown */
	double		from;			/* range of the values */
	double		to;
	AjPalette	palette;
} Picture;

/* One pixel for the cell at row r, column c. */
static void
paint(const Picture *pic, int r, int c, uint8 *pixel)
{
	const AjSiteGrid *g = pic->g;
	const uint8 *shade = pic->shade;
	float		lo = pic->lo,
				hi = pic->hi;
	Size		i = (Size) r * g->ncols + c;

	/* the rim has no shade of its own */
	int			sr = Min(Max(r, 1), Max(g->nrows - 2, 0));
	int			sc = Min(Max(c, 1), Max(g->ncols - 2, 0));
	int			s = shade[(Size) sr * g->ncols + sc];
	double		rgb[3] = {238, 238, 238};

	if (s > 0 && !isnan(g->elev[i]))
	{
		blend(tints, NTINTS, hi > lo ? (g->elev[i] - lo) / (hi - lo) : 0.3,
			  rgb);
		if (pic->values)
		{
			double		v = (pic->values[i] - pic->from) / (pic->to - pic->from);

			if (isnan(v))
				rgb[0] = rgb[1] = rgb[2] = 225;
			else if (pic->palette == AJ_PALETTE_SLOPE)
				blend(slope_tints, lengthof(slope_tints), v, rgb);
			else
				blend(suitability_tints, lengthof(suitability_tints), v, rgb);
		}
		for (int k = 0; k < 3; k++)
			rgb[k] *= Min(0.35 + 0.85 * s / 255.0, 1.08);
	}
	if (g->reasons[i] & AJ_REASON_OUTSIDE)
		for (int k = 0; k < 3; k++)
			rgb[k] = 0.55 * rgb[k] + 0.45 * 245;
	else if (pic->show_excluded && g->reasons[i] != 0)
	{
		static const double red[3] = {200, 70, 60};

		for (int k = 0; k < 3; k++)
			rgb[k] = 0.72 * rgb[k] + 0.28 * red[k];
	}
	for (int k = 0; k < 3; k++)
		pixel[k] = (uint8) Min(Max(rgb[k] + 0.5, 0.0), 255.0);
}

static void
map_size(const AjSiteGrid *g, int *width, int *height)
{
	int			most = Max(g->ncols, g->nrows);
	double		shrink = most > MAX_MAP_PIXELS ?
	(double) MAX_MAP_PIXELS / most : 1.0;

	*width = Max((int) rint(g->ncols * shrink), 1);
	*height = Max((int) rint(g->nrows * shrink), 1);
}

static void *
draw(Picture *pic, Size *len)
{
	const AjSiteGrid *g = pic->g;
	int			width,
				height;
	uint8	   *pixels;
	uint8_t    *png = NULL;
	size_t		size = 0;
	void	   *copy = NULL;
	AjkError	err;

	map_size(g, &width, &height);
	pic->shade = MemoryContextAllocHuge(CurrentMemoryContext,
										(Size) g->ncols * g->nrows);
	pixels = MemoryContextAllocHuge(CurrentMemoryContext,
									(Size) width * height * 3);
	elevation_range(g, &pic->lo, &pic->hi);
	err = ajk_hillshade(g->elev, g->ncols, g->nrows, g->cell_m, g->cell_m,
						1.0, 315, 45, pic->shade, aj_poll, NULL);
	if (err == AJK_OK)
	{
		for (int i = 0; i < height; i++)
			for (int j = 0; j < width; j++)
				paint(pic, (int) ((i + 0.5) * g->nrows / height),
					  (int) ((j + 0.5) * g->ncols / width),
					  pixels + 3 * ((Size) i * width + j));
		err = ajk_png(pixels, width, height, 3, &png, &size, aj_poll, NULL);
	}
	if (err == AJK_OK)
		copy = MemoryContextAllocExtended(CurrentMemoryContext, size,
										  MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	if (copy)
		memcpy(copy, png, size);
	free(png);
	pfree(pic->shade);
	pfree(pixels);
	if (err == AJK_STOPPED)
		aj_poll_finish();
	if (copy == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY),
						errmsg("out of memory"),
						errdetail("Failed on a map of %d x %d pixels.",
								  width, height)));
	*len = size;
	return copy;
}

void *
aj_site_hillshade_png(const AjSiteGrid *g, bool show_excluded, Size *len)
{
	Picture		pic = {.g = g,.show_excluded = show_excluded};

	return draw(&pic, len);
}

void *
aj_site_values_png(const AjSiteGrid *g, const float *values, double lo,
				   double hi, AjPalette palette, Size *len)
{
	Picture		pic = {.g = g,.values = values,.from = lo,.to = hi,
	.palette = palette};

	return draw(&pic, len);
}

void
aj_site_ramp(StringInfo b, AjPalette palette, const char *low, const char *high)
{
	const uint8 (*of)[3] = palette == AJ_PALETTE_SLOPE ? slope_tints : suitability_tints;
	int			n = palette == AJ_PALETTE_SLOPE ? lengthof(slope_tints) : lengthof(suitability_tints);

	appendStringInfo(b, "<ul class=\"key\"><li>%s <i class=\"ramp\" style=\"width:110px;background:linear-gradient(90deg", low);
	for (int i = 0; i < n; i++)
		appendStringInfo(b, ",#%02x%02x%02x", of[i][0], of[i][1], of[i][2]);
	appendStringInfo(b, ")\"></i> %s</li></ul>", high);
}

void
aj_site_map_artifact(const AjSiteGrid *g, const char *name, const char *kind,
					 const void *png, Size len)
{
	int			width,
				height;
	double		w,
				h;
	char	   *text;

	map_size(g, &width, &height);
	w = g->ncols * g->cell_m / width;
	h = g->nrows * g->cell_m / height;
	aj_artifact(psprintf("%s.png", name), kind, "image/png", png, len);
	text = psprintf("%.10f\n0\n0\n%.10f\n%.6f\n%.6f\n", w, -h,
					g->x0 + w / 2, g->y0 - h / 2);
	aj_artifact(psprintf("%s.pgw", name), "world_file", "text/plain", text,
				strlen(text));
	text = psprintf("<PAMDataset>\n  <SRS>EPSG:%d</SRS>\n</PAMDataset>\n",
					(g->south ? 32700 : 32600) + g->zone);
	aj_artifact(psprintf("%s.png.aux.xml", name), "coordinate_system",
				"application/xml", text, strlen(text));
}
