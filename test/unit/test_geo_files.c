/*-------------------------------------------------------------------------
 *
 * test_geo_files.c
 *		ESRI ASCII grids in, PNG out.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"
#include "ascgrid.h"
#include "pngout.h"

#include <png.h>

static AjkAscHeader header;
static float values[100];
static float row_room[10];

static float *
on_header(void *arg, const AjkAscHeader *h)
{
	(void) arg;
	header = *h;
	return row_room;
}

static AjkError
on_row(void *arg, int row, const float *v)
{
	(*(int *) arg)++;
	memcpy(values + row * header.ncols, v, header.ncols * sizeof(float));
	return AJK_OK;
}

/* Read text in pieces of a size. */
static AjkError
read_text(const char *text, size_t piece, AjkAscReader *reader, int *rows)
{
	AjkError	err = AJK_OK;
	size_t		len = strlen(text);

	*rows = 0;
	memset(&header, 0, sizeof(header));
	ajk_asc_begin(reader, on_header, on_row, rows);
	for (size_t at = 0; err == AJK_OK && at < len; at += piece)
		err = ajk_asc_feed(reader, text + at,
						   len - at < piece ? len - at : piece);
	return err == AJK_OK ? ajk_asc_end(reader, true) : err;
}

static void
refused(const char *text, AjkError want, const char *message)
{
	AjkAscReader reader;
	int			rows;
	AjkError	err = read_text(text, 7, &reader, &rows);

	ok(err == want && strcmp(reader.message, message) == 0,
	   "refused: %s", err ? reader.message : "(accepted)");
}

static void
ascii_grids(void)
{
	static const char *good =
	"NCOLS 3\r\nnrows 2\r\nxllcenter 10.5\r\nYLLCORNER -20\r\ndx 2\r\n"
	"dy 4\r\nNODATA_value -9999\r\n1 2.5 -9999\r\n-4e1 5.\t+6";
	AjkAscReader reader;
	int			rows;
	double		v;

	for (size_t piece = 1; piece < 200; piece += 66)
	{
		AjkError	err = read_text(good, piece, &reader, &rows);

		ok(err == AJK_OK && rows == 2 && header.ncols == 3 &&
		   header.nrows == 2 && header.x0 == 9.5 && header.y0 == -12 &&
		   header.dx == 2 && header.dy == 4, "read in pieces of %zu", piece);
		ok(values[0] == 1 && values[1] == 2.5f && isnan(values[2]) &&
		   values[3] == -40 && values[4] == 5 && values[5] == 6, "its values");
	}

#define HEAD "ncols 2\nnrows 2\nxllcorner 0\nyllcorner 0\ncellsize 1\n"
	ok(read_text(HEAD "nan 1 2 3", 100, &reader, &rows) == AJK_OK &&
	   isnan(values[0]), "a grid may begin with nan and have no NODATA_value");
	refused(HEAD "1 2\n3 x4\n", AJK_SYNTAX, "line 7: \"x4\" is not a number");
	refused(HEAD "1 2\n3\n", AJK_SYNTAX,
			"line 8: the text ends after 1 of 2 numbers of row 2 of 2");
	refused(HEAD "1 2\n3 4\n5\n", AJK_SYNTAX,
			"line 8: more numbers than 2 rows of 2");
	refused(HEAD, AJK_SYNTAX, "line 6: the text ends without any elevation");
	refused("ncols 2\nnrows 2\nxllcorner 0\nyllcorner 0\n1 2 3 4", AJK_SYNTAX,
			"line 5: the header ends without cellsize");
	refused("1 2 3 4", AJK_SYNTAX, "line 1: the header ends without ncols");
	refused("ncols 2\nncols 3\n", AJK_SYNTAX, "line 2: ncols is given twice");
	refused("ncols 0\n", AJK_RANGE,
			"line 1: ncols is 0, allowed are whole numbers from 1 to 1000000");
	refused("ncols 2\nwidth 3\n", AJK_SYNTAX,
			"line 2: \"width\" is not a key of the header");
	refused("cellsize -1\n", AJK_RANGE,
			"line 1: cellsize is -1, it must be more than 0");

	/* rows only */
	header.ncols = 2;
	header.nrows = 5;
	rows = 0;
	ajk_asc_begin_rows(&reader, &header, 3, row_room, on_row, &rows);
	ok(ajk_asc_feed(&reader, "7 8\n9 10", 8) == AJK_OK &&
	   ajk_asc_end(&reader, false) == AJK_OK && rows == 2 &&
	   values[6] == 7 && values[9] == 10, "rows 3 and 4 of 5");

	/* every double that has 17 digits or fewer comes out as strtod reads it */
	static const char *numbers[] = {"-84.413750000000", "0.000833333333",
		"730939.219465799048", "1e-5", "-9999.000", "3.4028235e38", "0.1",
	".5", "1e22", "123456789012345678901234567890"};

	for (int i = 0; i < 10; i++)
	{
		double		want = strtod(numbers[i], NULL);

		ok(ajk_parse_double(numbers[i], (int) strlen(numbers[i]), &v) &&
		   fabs(v - want) <= fabs(want) * 2.3e-16, "number %s", numbers[i]);
	}
	ok(!ajk_parse_double("", 0, &v) && !ajk_parse_double("-", 1, &v) &&
	   !ajk_parse_double("1e", 2, &v) && !ajk_parse_double("1.2.3", 5, &v) &&
	   !ajk_parse_double("0x10", 4, &v) && !ajk_parse_double("inf", 3, &v),
	   "words that are no numbers");
}

/* What was written is read back by libpng's own reader. */
static void
round_trip(int channels, uint32_t format)
{
	enum
	{
		W = 37, H = 11
	};
	uint8_t		pixels[W * H * 4],
				back[W * H * 4];
	uint8_t    *out,
			   *again;
	size_t		len,
				len2;
	png_image	image;
	bool		same;

	for (int i = 0; i < W * H * channels; i++)
		pixels[i] = (uint8_t) (i * 7 + i / 13);
	if (!ok(ajk_png(pixels, W, H, channels, &out, &len, NULL, NULL) == AJK_OK,
			"PNG of %d channels", channels))
		return;
	ok(ajk_png(pixels, W, H, channels, &again, &len2, NULL, NULL) == AJK_OK &&
	   len == len2 && memcmp(out, again, len) == 0, "same bytes again");
	memset(&image, 0, sizeof(image));
	image.version = PNG_IMAGE_VERSION;
	same = png_image_begin_read_from_memory(&image, out, len) &&
		image.width == W && image.height == H && image.format == format &&
		png_image_finish_read(&image, NULL, back, 0, NULL) &&
		memcmp(back, pixels, W * H * channels) == 0;
	ok(same, "reads back as it was");
	free(out);
	free(again);
}

int
main(void)
{
	uint8_t    *out;
	size_t		len;
	uint8_t		one = 0;

	ascii_grids();
	round_trip(1, PNG_FORMAT_GRAY);
	round_trip(3, PNG_FORMAT_RGB);
	round_trip(4, PNG_FORMAT_RGBA);
	ok(ajk_png(&one, 0, 1, 1, &out, &len, NULL, NULL) == AJK_INVALID && out == NULL &&
	   ajk_png(&one, 1, 1, 2, &out, &len, NULL, NULL) == AJK_INVALID, "no pixels, no file");
	return unit_done();
}
