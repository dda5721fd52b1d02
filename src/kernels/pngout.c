/*-------------------------------------------------------------------------
 *
 * pngout.c
 *		Pixels to a PNG in memory.
 *
 * No time stamp or text is written and the compression is fixed, so the
 * same pixels give the same bytes.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "pngout.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

typedef struct Sink
{
	uint8_t    *data;
	size_t		len;
	size_t		room;
	bool		stopped;
} Sink;

static void
sink_write(png_structp png, png_bytep data, png_size_t n)
{
	Sink	   *sink = png_get_io_ptr(png);

	if (n > sink->room - sink->len)
	{
		size_t		room = sink->room + n + sink->room / 2 + 4096;
		uint8_t    *more = realloc(sink->data, room);

		if (more == NULL)
			png_error(png, "out of memory");
		sink->data = more;
		sink->room = room;
	}
	memcpy(sink->data + sink->len, data, n);
	sink->len += n;
}

static void
sink_flush(png_structp png)
{
	(void) png;
}

/* libpng's own handlers print; ours only come back. */
static void
on_error(png_structp png, png_const_charp message)
{
	(void) message;
	png_longjmp(png, 1);
}

static void
on_warning(png_structp png, png_const_charp message)
{
	(void) png;
	(void) message;
}

static int
color_type(int channels)
{
	return channels == 1 ? PNG_COLOR_TYPE_GRAY :
		channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_RGBA;
}

AjkError
ajk_png(const uint8_t *pixels, int width, int height, int channels,
		uint8_t **out, size_t *len, ajk_poll poll, void *arg)
{
	png_structp png;
	png_infop	info;
	Sink	   *sink;
	bool		stopped;

	*out = NULL;
	*len = 0;
	if (width < 1 || height < 1 || channels < 1 || channels == 2 ||
		channels > 4)
		return AJK_INVALID;

	/* on the heap, since locals are uncertain after a longjmp */
	sink = calloc(1, sizeof(Sink));
	if (sink == NULL)
		return AJK_NOMEM;
	png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_error,
								  on_warning);
	if (png == NULL)
	{
		free(sink);
		return AJK_NOMEM;
	}
	info = png_create_info_struct(png);
	if (info == NULL || setjmp(png_jmpbuf(png)))
		goto done;

	png_set_write_fn(png, sink, sink_write, sink_flush);
	png_set_compression_level(png, 6);
	png_set_IHDR(png, info, width, height, 8, color_type(channels), PNG_INTERLACE_NONE,
				 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
	png_write_info(png, info);
	for (int row = 0; row < height; row++)
	{
		if (poll && row % (65536 / width + 1) == 0 &&
			poll(arg, (double) row / height))
		{
			sink->stopped = true;
			goto done;
		}
		png_write_row(png, pixels + (size_t) row * width * channels);
	}
	png_write_end(png, NULL);
	*out = sink->data;
	*len = sink->len;
	sink->data = NULL;

done:
	png_destroy_write_struct(&png, &info);
	stopped = sink->stopped;
	free(sink->data);
	free(sink);
	return *out ? AJK_OK : stopped ? AJK_STOPPED : AJK_NOMEM;
}
