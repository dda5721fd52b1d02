/*-------------------------------------------------------------------------
 *
 * pngout.h
 *		Pixels to a PNG in memory.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_PNGOUT_H
#define AJK_PNGOUT_H

#include "kernel.h"

/*
 * channels: 1 grey, 3 RGB, 4 RGBA; 8 bits each, rows from the top without
 * padding.  *out is malloc'd, free() it.
 */
extern AjkError ajk_png(const uint8_t *pixels, int width, int height,
						int channels, uint8_t **out, size_t *len, ajk_poll poll,
						void *arg);

#endif							/* AJK_PNGOUT_H */
