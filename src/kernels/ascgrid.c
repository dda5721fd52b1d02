/*-------------------------------------------------------------------------
 *
 * ascgrid.c
 *		Streaming reader of ESRI ASCII grids.
 *
 * The format: a header of "key value" pairs in any order, keys in any case
 * (ncols, nrows, xllcorner or xllcenter, yllcorner or yllcenter, cellsize or
 * dx and dy, NODATA_value optional), then nrows x ncols numbers from the
 * north-west, separated by white space; line ends mean nothing.  The text
 * comes in pieces that may end anywhere, so a 10,000 x 10,000 grid needs no
 * more memory than one row.  Values equal to NODATA_value come out as NaN.
 *
 * Numbers are read here rather than by strtod, which depends on the locale
 * and wants its input to end in a NUL.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "ascgrid.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum
{
	KEY_NCOLS = 1, KEY_NROWS = 2, KEY_XLL = 4, KEY_YLL = 8, KEY_DX = 16,
	KEY_DY = 32, KEY_NODATA = 64
};

#define KEYS_NEEDED (KEY_NCOLS | KEY_NROWS | KEY_XLL | KEY_YLL | KEY_DX | KEY_DY)

static const struct
{
	const char *name;
	unsigned	bit;
	bool		center;
}			header_keys[] =

{
	{"ncols", KEY_NCOLS, false},
	{"nrows", KEY_NROWS, false},
	{"xllcorner", KEY_XLL, false},
	{"xllcenter", KEY_XLL, true},
	{"yllcorner", KEY_YLL, false},
	{"yllcenter", KEY_YLL, true},
	{"cellsize", KEY_DX | KEY_DY, false},
	{"dx", KEY_DX, false},
	{"dy", KEY_DY, false},
	{"nodata_value", KEY_NODATA, false}
};

#define NKEYS ((int) (sizeof(header_keys) / sizeof(header_keys[0])))

bool
ajk_parse_double(const char *s, int len, double *value)
{
	static const double ten[] = {
		1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12,
		1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22
	};
	uint64_t	mantissa = 0;
	int			digits = 0,
				exponent = 0,
				i = 0;
	bool		negative = false,
				any = false,
				point = false;
	double		v;

	if (i < len && (s[i] == '-' || s[i] == '+'))
		negative = s[i++] == '-';
	if (len - i == 3 && strncasecmp(s + i, "nan", 3) == 0)
	{
		*value = NAN;
		return true;
	}
	for (; i < len; i++)
	{
		if (s[i] == '.' && !point)
		{
			point = true;
			continue;
		}
		if (s[i] < '0' || s[i] > '9')
			break;
		any = true;
		if (digits < 18)
		{
			mantissa = mantissa * 10 + (s[i] - '0');
			if (mantissa != 0)
				digits++;
			if (point)
				exponent--;
		}
		else if (!point)
			exponent++;
	}
	if (!any)
		return false;
	if (i < len && (s[i] == 'e' || s[i] == 'E'))
	{
		bool		eneg = false;
		int			e = 0;

		i++;
		if (i < len && (s[i] == '-' || s[i] == '+'))
			eneg = s[i++] == '-';
		if (i == len)
			return false;
		for (; i < len && s[i] >= '0' && s[i] <= '9'; i++)
			if (e < 10000)
				e = e * 10 + (s[i] - '0');
		exponent += eneg ? -e : e;
	}
	if (i != len)
		return false;

	v = (double) mantissa;
	if (mantissa != 0)
	{
		/* one exact division or product where the power of ten is exact */
		if (exponent < 0 && exponent >= -22)
			v /= ten[-exponent];
		else if (exponent > 0 && exponent <= 22)
			v *= ten[exponent];
		else if (exponent != 0)
			v *= pow(10.0, exponent);
	}
	*value = negative ? -v : v;
	return true;
}

void
ajk_asc_begin(AjkAscReader *r, AjkAscOnHeader on_header, AjkAscOnRow on_row,
			  void *arg)
{
	memset(r, 0, sizeof(*r));
	r->on_header = on_header;
	r->on_row = on_row;
	r->arg = arg;
	r->line = 1;
}

void
ajk_asc_begin_rows(AjkAscReader *r, const AjkAscHeader *header, int first_row,
				   float *values, AjkAscOnRow on_row, void *arg)
{
	memset(r, 0, sizeof(*r));
	r->header = *header;
	r->on_row = on_row;
	r->arg = arg;
	r->row = first_row;
	r->values = values;
	r->line = 1;
}

/* One key with its value. */
static AjkError
header_pair(AjkAscReader *r)
{
	double		v;
	int			k = 0;

	while (k < NKEYS && strcasecmp(r->key, header_keys[k].name) != 0)
		k++;
	if (k == NKEYS)
	{
		snprintf(r->message, sizeof(r->message),
				 "line %lld: \"%.40s\" is not a key of the header",
				 (long long) r->line, r->key);
		return AJK_SYNTAX;
	}
	if (!ajk_parse_double(r->token, r->ntoken, &v) ||
		(isnan(v) && header_keys[k].bit != KEY_NODATA))
	{
		snprintf(r->message, sizeof(r->message),
				 "line %lld: \"%.40s\" is not a number", (long long) r->line,
				 r->token);
		return AJK_SYNTAX;
	}
	if (r->keys & header_keys[k].bit)
	{
		snprintf(r->message, sizeof(r->message),
				 "line %lld: %s is given twice", (long long) r->line,
				 header_keys[k].name);
		return AJK_SYNTAX;
	}
	r->keys |= header_keys[k].bit;
	switch (header_keys[k].bit)
	{
		case KEY_NCOLS:
		case KEY_NROWS:
			if (v < 1 || v > AJK_ASC_MAX_SIDE || v != floor(v))
			{
				snprintf(r->message, sizeof(r->message),
						 "line %lld: %s is %.40s, allowed are whole numbers from 1 to %d",
						 (long long) r->line, header_keys[k].name, r->token,
						 AJK_ASC_MAX_SIDE);
				return AJK_RANGE;
			}
			if (header_keys[k].bit == KEY_NCOLS)
				r->header.ncols = (int) v;
			else
				r->header.nrows = (int) v;
			break;
		case KEY_XLL:
			r->xll = v;
			r->x_is_center = header_keys[k].center;
			break;
		case KEY_YLL:
			r->yll = v;
			r->y_is_center = header_keys[k].center;
			break;
		case KEY_NODATA:
			r->header.has_nodata = true;
			r->header.nodata = v;
			break;
		default:
			if (!(v > 0.0))
			{
				snprintf(r->message, sizeof(r->message),
						 "line %lld: %s is %.40s, it must be more than 0",
						 (long long) r->line, header_keys[k].name, r->token);
				return AJK_RANGE;
			}
			if (header_keys[k].bit & KEY_DX)
				r->header.dx = v;
			if (header_keys[k].bit & KEY_DY)
				r->header.dy = v;
			break;
	}
	r->key[0] = '\0';
	return AJK_OK;
}

/* The first number where a key could stand ends the header. */
static AjkError
header_complete(AjkAscReader *r)
{
	AjkAscHeader *h = &r->header;
	unsigned	missing = KEYS_NEEDED & ~r->keys;

	if (missing)
	{
		const char *name = "cellsize";

		for (int k = NKEYS - 1; k >= 0; k--)
			if (!header_keys[k].center && strlen(header_keys[k].name) > 2 &&
				(header_keys[k].bit & missing))
				name = header_keys[k].name;
		snprintf(r->message, sizeof(r->message),
				 "line %lld: the header ends without %s",
				 (long long) r->line, name);
		return AJK_SYNTAX;
	}
	h->x0 = r->xll - (r->x_is_center ? h->dx / 2.0 : 0.0);
	h->y0 = r->yll - (r->y_is_center ? h->dy / 2.0 : 0.0) + h->nrows * h->dy;
	r->values = r->on_header(r->arg, h);
	return r->values ? AJK_OK : AJK_STOPPED;
}

static AjkError
number(AjkAscReader *r, const char *s, int len)
{
	double		v;

	if (!ajk_parse_double(s, len, &v))
	{
		snprintf(r->message, sizeof(r->message),
				 "line %lld: \"%.*s\" is not a number", (long long) r->line,
				 len > 40 ? 40 : len, s);
		return AJK_SYNTAX;
	}
	if (r->row >= r->header.nrows)
	{
		snprintf(r->message, sizeof(r->message),
				 "line %lld: more numbers than %d rows of %d",
				 (long long) r->line, r->header.nrows, r->header.ncols);
		return AJK_SYNTAX;
	}
	r->values[r->col++] =
		r->header.has_nodata && v == r->header.nodata ? NAN : (float) v;
	if (r->col == r->header.ncols)
	{
		AjkError	err = r->on_row(r->arg, r->row, r->values);

		r->col = 0;
		r->row++;
		return err;
	}
	return AJK_OK;
}

static AjkError
token(AjkAscReader *r)
{
	AjkError	err;

	r->token[r->ntoken] = '\0';
	if (r->values == NULL)
	{
		bool		word = (r->token[0] >= 'A' && r->token[0] <= 'Z') ||
		(r->token[0] >= 'a' && r->token[0] <= 'z');
		double		v;

		if (r->key[0] != '\0')
			return header_pair(r);
		/* "nan" may be the first value of the grid */
		if (word && !ajk_parse_double(r->token, r->ntoken, &v))
		{
			memcpy(r->key, r->token, r->ntoken + 1);
			return AJK_OK;
		}
		err = header_complete(r);
		if (err != AJK_OK)
			return err;
	}
	return number(r, r->token, r->ntoken);
}

static inline bool
is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

AjkError
ajk_asc_feed(AjkAscReader *r, const char *text, size_t len)
{
	AjkError	err;

	for (size_t i = 0; i < len; i++)
	{
		char		c = text[i];

		if (is_space(c))
		{
			if (r->ntoken > 0)
			{
				err = token(r);
				r->ntoken = 0;
				if (err != AJK_OK)
					return err;
			}
			if (c == '\n')
				r->line++;
			continue;
		}
		if (r->ntoken == AJK_ASC_TOKEN - 1)
		{
			snprintf(r->message, sizeof(r->message),
					 "line %lld: a word of more than %d characters",
					 (long long) r->line, AJK_ASC_TOKEN - 1);
			return AJK_SYNTAX;
		}
		r->token[r->ntoken++] = c;
	}
	return AJK_OK;
}

AjkError
ajk_asc_end(AjkAscReader *r, bool whole)
{
	if (r->ntoken > 0)
	{
		AjkError	err = token(r);

		r->ntoken = 0;
		if (err != AJK_OK)
			return err;
	}
	if (r->values == NULL)
	{
		snprintf(r->message, sizeof(r->message),
				 "line %lld: the text ends without any elevation",
				 (long long) r->line);
		return AJK_SYNTAX;
	}
	if (r->col != 0 || (whole && r->row != r->header.nrows))
	{
		snprintf(r->message, sizeof(r->message),
				 "line %lld: the text ends after %d of %d numbers of row %d of %d",
				 (long long) r->line, r->col, r->header.ncols, r->row + 1,
				 r->header.nrows);
		return AJK_SYNTAX;
	}
	return AJK_OK;
}
