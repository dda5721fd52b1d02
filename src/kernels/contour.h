/*-------------------------------------------------------------------------
 *
 * contour.h
 *		Lines of equal value through a grid.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef AJK_CONTOUR_H
#define AJK_CONTOUR_H

#include "kernel.h"

/*
 * Receives one line: places in cells from the grid's north-west corner, so
 * that the centre of the first cell is at 0.5, 0.5.  Of a closed line the
 * last place is the first.  Anything but AJK_OK ends the work.
 */
typedef AjkError (*AjkContourLine) (void *arg, double level, bool closed,
									int n, const double *col,
									const double *row);

/*
 * All lines at base + i * interval, levels ascending.  Open lines end at
 * the rim of the grid or beside a cell that is NaN.
 */
extern AjkError ajk_contours(const float *z, int ncols, int nrows,
							 double base, double interval,
							 AjkContourLine line, void *arg,
							 ajk_poll poll, void *poll_arg);

#endif							/* AJK_CONTOUR_H */
