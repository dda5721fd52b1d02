/*-------------------------------------------------------------------------
 *
 * terrain.c
 *		What a grid of elevations says about the ground.
 *
 * With the neighbours named
 *		a b c
 *		d e f
 *		g h i
 * Horn (1981), "Hill shading and the reflectance map", Proc. IEEE 69, takes
 *		p = ((c + 2f + i) - (a + 2d + g)) / (8 dx)
 *		q = ((g + 2h + i) - (a + 2b + c)) / (8 dy)
 * and Zevenbergen & Thorne (1987), Earth Surface Processes and Landforms 12,
 *		p = (f - d) / (2 dx),	q = (h - b) / (2 dy)
 * p is the rise to the east, q that to the south.  The slope is
 * atan(hypot(p, q)), the aspect the direction of steepest descent.
 *
 * Ruggedness: Riley, DeGloria & Elliot (1999), root of the summed squares
 * of the differences to the eight neighbours.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "terrain.h"

#include <math.h>

/* A row in this many cells of work is when the caller is asked. */
#define POLL_CELLS	65536

/* Cells of a row whose gradients are kept before they are used. */
#define BLOCK		2048

/* Gradient at row r, column c (not on the rim); false if unknown. */
static inline bool
gradient(const float *z, int ncols, int r, int c, double dx, double dy,
		 double *p, double *q)
{
	const float *n = z + (size_t) (r - 1) * ncols + c;
	const float *m = n + ncols;
	const float *s = m + ncols;

	/* float32, in this order, as below */
	float		east = n[1] + m[1] + m[1] + s[1];
	float		west = n[-1] + m[-1] + m[-1] + s[-1];
	float		south = s[-1] + s[0] + s[0] + s[1];
	float		north = n[-1] + n[0] + n[0] + n[1];

	*p = (east - west) / (8.0 * dx);
	*q = (south - north) / (8.0 * dy);
	return !isnan(*p + *q + m[0]);
}

/*
 * Slopes and aspects are computed a row at a time by loops without a branch
 * or a call, which the compiler turns into vector instructions; a library
 * call to atan() a cell would cost twenty times as much.
 */

/*
 * Gradients of columns 1 .. n of a row; the pointers are to column 0.  The
 * sums are float32 and in this order because gdaldem's are; in double the
 * aspect of nearly flat ground would differ from what users compare with by
 * up to 0.006 degrees.  NaN in any of the nine cells makes both NaN.
 */
static void
gradient_row(const float *restrict n, const float *restrict m,
			 const float *restrict s, int count, float kx, float ky,
			 AjkSlopeMethod method, float *restrict p, float *restrict q)
{
	if (method == AJK_SLOPE_HORN)
		for (int i = 0; i < count; i++)
		{
			float		east = n[i + 2] + m[i + 2] + m[i + 2] + s[i + 2];
			float		west = n[i] + m[i] + m[i] + s[i];
			float		south = s[i] + s[i + 1] + s[i + 1] + s[i + 2];
			float		north = n[i] + n[i + 1] + n[i + 1] + n[i + 2];
			float		zero = m[i + 1] * 0.0f;

			p[i] = (east - west) * kx + zero;
			q[i] = (south - north) * ky + zero;
		}
	else
		for (int i = 0; i < count; i++)
		{
			float		zero = (n[i] + n[i + 2] + m[i + 1] + s[i] + s[i + 2])
			* 0.0f;

			p[i] = (m[i + 2] - m[i]) * kx + zero;
			q[i] = (s[i + 1] - n[i + 1]) * ky + zero;
		}
}

/*
 * Arc tangent of 0 <= t <= 1, in degrees: t times an even polynomial, the
 * Chebyshev interpolant of atan(t)/t at ten nodes; wrong by at most 2e-6
 * degrees before rounding to float32.
 */
static inline float
atan_deg(float t)
{
	float		u = t * t;

	return t * (((((((((-0.0974698649f * u + 0.600898039f) * u - 1.73903375f) * u
					  + 3.27099061f) * u - 4.78404001f) * u + 6.26377028f) * u
				   - 8.17038737f) * u + 11.4580531f) * u - 19.0985605f) * u
				+ 57.2957794f);
}

/* Slope in degrees from gradients. */
static void
slope_row(const float *restrict p, const float *restrict q, int count,
		  float *restrict slope)
{
	for (int i = 0; i < count; i++)
	{
		float		t = sqrtf(p[i] * p[i] + q[i] * q[i]);
		float		over = 1.0f / t;
		float		a = atan_deg(t <= 1.0f ? t : over);
		float		steep = 90.0f - a;

		/* NaN compares as greater and stays NaN */
		slope[i] = t <= 1.0f ? a : steep;
	}
}

/* Direction downhill, degrees clockwise from north; NaN where flat. */
static void
aspect_row(const float *restrict p, const float *restrict q, int count,
		   float *restrict aspect)
{
	for (int i = 0; i < count; i++)
	{
		/* downhill is -p east and +q north */
		float		east = fabsf(p[i]);
		float		north = fabsf(q[i]);
		float		lo = east < north ? east : north;
		float		hi = east < north ? north : east;
		float		a = atan_deg(lo / hi);	/* 0 / 0 is NaN: flat */

		float		other = 90.0f - a;

		a = east < north ? a : other;
		other = 180.0f - a;
		a = q[i] < 0.0f ? other : a;
		other = 360.0f - a;
		a = p[i] > 0.0f ? other : a;
		aspect[i] = a >= 360.0f ? 0.0f : a;
	}
}

AjkError
ajk_slope_aspect(const float *z, int ncols, int nrows, const double *dx_row,
				 const double *dy_row, double dx, double dy,
				 AjkSlopeMethod method, float *slope, float *aspect,
				 ajk_poll poll, void *arg)
{
	int			every = POLL_CELLS / (ncols > 0 ? ncols : 1) + 1;
	double		span = method == AJK_SLOPE_HORN ? 8.0 : 2.0;
	float		p[BLOCK],
				q[BLOCK];

	for (int r = 0; r < nrows; r++)
	{
		size_t		at = (size_t) r * ncols;
		bool		rim = r == 0 || r == nrows - 1;
		float		kx = (float) (1.0 / (span * (dx_row ? dx_row[r] : dx)));
		float		ky = (float) (1.0 / (span * (dy_row ? dy_row[r] : dy)));

		for (int c = 0; c < ncols; c += rim ? 1 : ncols - 1)
		{
			if (slope)
				slope[at + c] = NAN;
			if (aspect)
				aspect[at + c] = NAN;
			if (ncols == 1)
				break;
		}

		/* the gradients of a block stay in the nearest cache */
		for (int c = 1; !rim && c < ncols - 1; c += BLOCK)
		{
			int			n = ncols - 1 - c < BLOCK ? ncols - 1 - c : BLOCK;
			const float *m = z + at + c - 1;

			gradient_row(m - ncols, m, m + ncols, n, kx, ky, method, p, q);
			if (slope)
				slope_row(p, q, n, slope + at + c);
			if (aspect)
				aspect_row(p, q, n, aspect + at + c);
		}
		if (poll && r % every == 0 && poll(arg, (double) r / nrows))
			return AJK_STOPPED;
	}
	return AJK_OK;
}

AjkError
ajk_relief(const float *z, int ncols, int nrows, AjkRelief what, float *out,
		   ajk_poll poll, void *arg)
{
	int			every = POLL_CELLS / (ncols > 0 ? ncols : 1) + 1;

	for (int r = 0; r < nrows; r++)
	{
		for (int c = 0; c < ncols; c++)
		{
			size_t		at = (size_t) r * ncols + c;
			double		e = z[at];
			double		lo = e,
						hi = e,
						sum = 0.0,
						squares = 0.0;

			out[at] = NAN;
			if (r == 0 || r == nrows - 1 || c == 0 || c == ncols - 1)
				continue;
			for (int i = -1; i <= 1; i++)
				for (int j = -1; j <= 1; j++)
				{
					double		v = z[at + (ptrdiff_t) i * ncols + j];

					if (v < lo)
						lo = v;
					if (v > hi)
						hi = v;
					sum += v;	/* NaN stays NaN */
					squares += (v - e) * (v - e);
				}
			if (isnan(sum))
				continue;
			switch (what)
			{
				case AJK_ROUGHNESS:
					out[at] = (float) (hi - lo);
					break;
				case AJK_TRI:
					out[at] = (float) sqrt(squares);
					break;
				case AJK_TPI:
					out[at] = (float) (e - (sum - e) / 8.0);
					break;
			}
		}
		if (poll && r % every == 0 && poll(arg, (double) r / nrows))
			return AJK_STOPPED;
	}
	return AJK_OK;
}

AjkError
ajk_curvature(const float *z, int ncols, int nrows, double dx, double dy,
			  float *profile, float *plan, float *total, ajk_poll poll,
			  void *arg)
{
	int			every = POLL_CELLS / (ncols > 0 ? ncols : 1) + 1;

	for (int r = 0; r < nrows; r++)
	{
		for (int c = 0; c < ncols; c++)
		{
			size_t		at = (size_t) r * ncols + c;
			double		along = NAN,
						across = NAN,
						sum = NAN;

			if (r > 0 && r < nrows - 1 && c > 0 && c < ncols - 1)
			{
				const float *n = z + at - ncols;
				const float *m = z + at;
				const float *s = z + at + ncols;
				double		zxx = ((double) m[-1] + m[1] - 2.0 * m[0]) / (dx * dx);
				double		zyy = ((double) n[0] + s[0] - 2.0 * m[0]) / (dy * dy);
				double		zxy = ((double) n[1] - n[-1] + s[-1] - s[1])
				/ (4 * dx * dy);
				double		zx = ((double) m[1] - m[-1]) / (2 * dx);
				double		zy = ((double) n[0] - s[0]) / (2 * dy);
				double		g2 = zx * zx + zy * zy;

				/* unknown, as everything here, if any of the nine cells is */
				sum = zxx + zyy + 0.0 * zxy;
				if (g2 == 0.0)
					along = across = 0.0 * sum;
				else
				{
					along = -(zxx * zx * zx + 2 * zxy * zx * zy
							  + zyy * zy * zy) / g2;
					across = (zxx * zy * zy - 2 * zxy * zx * zy
							  + zyy * zx * zx) / g2;
				}
			}
			if (profile)
				profile[at] = (float) along;
			if (plan)
				plan[at] = (float) across;
			if (total)
				total[at] = (float) sum;
		}
		if (poll && r % every == 0 && poll(arg, (double) r / nrows))
			return AJK_STOPPED;
	}
	return AJK_OK;
}

AjkError
ajk_hillshade(const float *z, int ncols, int nrows, double dx, double dy,
			  double exaggeration, double azimuth_deg, double altitude_deg,
			  uint8_t *out, ajk_poll poll, void *arg)
{
	/* the unit vector towards the light: east, north, up */
	double		az = AJK_DEG2RAD(azimuth_deg),
				alt = AJK_DEG2RAD(altitude_deg);
	double		le = sin(az) * cos(alt),
				ln = cos(az) * cos(alt),
				lu = sin(alt);
	int			every = POLL_CELLS / (ncols > 0 ? ncols : 1) + 1;

	for (int r = 0; r < nrows; r++)
	{
		for (int c = 0; c < ncols; c++)
		{
			size_t		at = (size_t) r * ncols + c;
			double		p,
						q,
						cosine;

			out[at] = 0;
			if (r == 0 || r == nrows - 1 || c == 0 || c == ncols - 1 ||
				!gradient(z, ncols, r, c, dx, dy, &p, &q))
				continue;
			p *= exaggeration;
			q *= exaggeration;
			/* the surface normal is (-p, q, 1) */
			cosine = (-p * le + q * ln + lu) / sqrt(1.0 + p * p + q * q);
			out[at] = cosine <= 0.0 ? 1 : (uint8_t) (1.5 + 254.0 * cosine);
		}
		if (poll && r % every == 0 && poll(arg, (double) r / nrows))
			return AJK_STOPPED;
	}
	return AJK_OK;
}

double
ajk_dem_at(const AjkDem *dem, double x, double y)
{
	double		u = (x - dem->x0) / dem->dx - 0.5;
	double		v = (dem->y0 - y) / dem->dy - 0.5;
	double		c0,
				r0;
	double		sum = 0.0;

	/*
	 * A centre that coincides with a source cell's to a millionth of a cell
	 * takes that value as it is, so that resampling onto the same grid
	 * changes nothing.
	 */
	if (fabs(u - round(u)) < 1e-6)
		u = round(u);
	if (fabs(v - round(v)) < 1e-6)
		v = round(v);
	c0 = floor(u);
	r0 = floor(v);
	u -= c0;
	v -= r0;
	for (int i = 0; i < 2; i++)
		for (int j = 0; j < 2; j++)
		{
			double		w = (i ? v : 1.0 - v) * (j ? u : 1.0 - u);
			double		r = r0 + i,
						c = c0 + j;

			if (w == 0.0)
				continue;
			if (!(r >= 0 && r < dem->nrows && c >= 0 && c < dem->ncols))
				return NAN;
			if (dem->held > 0)
			{
				r -= dem->row0;
				if (!(r >= 0 && r < dem->held))
					return NAN;
			}
			sum += w * dem->z[(size_t) r * dem->ncols + (size_t) c];
		}
	return sum;
}

void
ajk_geographic_cells(double y0_deg, double dx_deg, double dy_deg, int nrows,
					 double *dx_m, double *dy_m)
{
	for (int r = 0; r < nrows; r++)
	{
		double		per_lon,
					per_lat;

		ajk_metres_per_degree(y0_deg - (r + 0.5) * dy_deg, &per_lon, &per_lat);
		if (dx_m)
			dx_m[r] = dx_deg * per_lon;
		if (dy_m)
			dy_m[r] = dy_deg * per_lat;
	}
}

double
ajk_rix(const AjkDem *dem, double x, double y, double radius,
		double threshold, int nradii, double *known)
{
	double		cell = dem->dx < dem->dy ? dem->dx : dem->dy;
	int			nsteps = (int) fmax(ceil(radius / cell - 1e-9), 1);
	double		step = radius / nsteps;
	long		seen = 0,
				steep = 0;

	for (int i = 0; i < nradii; i++)
	{
		double		a = 2 * AJK_PI * i / nradii;
		double		before = ajk_dem_at(dem, x, y);

		for (int j = 1; j <= nsteps; j++)
		{
			double		here = ajk_dem_at(dem, x + j * step * sin(a),
										  y + j * step * cos(a));
			double		rise = fabs(here - before) / step;

			if (!isnan(rise))
			{
				seen++;
				steep += rise > threshold;
			}
			before = here;
		}
	}
	if (known)
		*known = (double) seen / ((double) nradii * nsteps);
	return seen > 0 ? (double) steep / seen : NAN;
}

/* Exact projection at every STRIDE-th column, linear in between. */
#define STRIDE	8

AjkError
ajk_resample(const AjkDem *dem, const AjkTm *tm, const AjkFrame *f,
			 float *out, ajk_poll poll, void *arg)
{
	bool		same = dem->tm && dem->tm->lon0_deg == tm->lon0_deg &&
	dem->tm->false_n_m == tm->false_n_m;
	int			every = POLL_CELLS / 4 / (f->ncols > 0 ? f->ncols : 1) + 1;

	for (int r = 0; r < f->nrows; r++)
	{
		double		y = ajk_row_y(f, r);
		double		xa = 0,
					ya = 0,
					xb = 0,
					yb = 0;

		for (int c = 0; c < f->ncols; c++)
		{
			double		x = f->x0 + (c + 0.5) * f->cell;
			double		sx = x,
						sy = y;

			/*
			 * Over STRIDE cells of 30 m the meridians bend by less than a
			 * millimetre, so the projection need not be evaluated for each.
			 */
			if (!same)
			{
				int			k = c % STRIDE;

				if (k == 0)
				{
					double		lon,
								lat;

					for (int end = c == 0 ? 0 : 1; end < 2; end++)
					{
						xa = xb;
						ya = yb;
						ajk_tm_inverse(tm, x + end * STRIDE * f->cell, y,
									   &lon, &lat);
						if (dem->tm)
							ajk_tm_forward(dem->tm, lon, lat, &xb, &yb);
						else
						{
							/* the grid's own turn of the longitude */
							xb = lon + 360.0 * round((dem->x0 - lon) / 360.0);
							if (xb < dem->x0 - 1.0)
								xb += 360.0;
							yb = lat;
						}
					}
				}
				sx = xa + (xb - xa) * k / STRIDE;
				sy = ya + (yb - ya) * k / STRIDE;
			}
			out[(size_t) r * f->ncols + c] = (float) ajk_dem_at(dem, sx, sy);
		}
		if (poll && r % every == 0 && poll(arg, (double) r / f->nrows))
			return AJK_STOPPED;
	}
	return AJK_OK;
}
