/*-------------------------------------------------------------------------
 *
 * test_geo_terrain.c
 *		Derivatives against gdaldem over whole rasters, and closed forms.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"
#include "ascgrid.h"
#include "terrain.h"

typedef struct Grid
{
	AjkAscHeader h;
	float	   *z;
	float	   *row;
}			Grid;

static float *
on_header(void *arg, const AjkAscHeader *h)
{
	Grid	   *g = arg;

	g->h = *h;
	g->z = malloc((size_t) h->ncols * h->nrows * sizeof(float));
	g->row = malloc(h->ncols * sizeof(float));
	return g->row;
}

static AjkError
on_row(void *arg, int row, const float *v)
{
	Grid	   *g = arg;

	memcpy(g->z + (size_t) row * g->h.ncols, v, g->h.ncols * sizeof(float));
	return AJK_OK;
}

/* Read a grid of test/data, gunzipping what ends in .gz. */
static bool
read_grid(const char *name, Grid * g)
{
	char		cmd[1200];
	char		buf[4099];		/* odd, so that words are cut in two */
	size_t		n;
	AjkAscReader reader;
	AjkError	err = AJK_OK;
	FILE	   *f;

	memset(g, 0, sizeof(*g));
	snprintf(cmd, sizeof(cmd), "%s '%s'",
			 strstr(name, ".gz") ? "gzip -dc" : "cat", test_data(name));
	f = popen(cmd, "r");
	if (f == NULL)
		return false;
	ajk_asc_begin(&reader, on_header, on_row, g);
	while (err == AJK_OK && (n = fread(buf, 1, sizeof(buf), f)) > 0)
		err = ajk_asc_feed(&reader, buf, n);
	if (err == AJK_OK)
		err = ajk_asc_end(&reader, true);
	pclose(f);
	if (err != AJK_OK)
		printf("# %s: %s\n", name, reader.message);
	return err == AJK_OK;
}

static void
free_grid(Grid * g)
{
	free(g->z);
	free(g->row);
}

/*
 * Compare with a reference raster; skip names cells that do not count (where
 * the slope is too small for the aspect to mean anything).
 */
static void
compare(const char *name, const float *got, size_t n, double tol,
		bool circular, const float *slope, size_t want_cells)
{
	Grid		ref;
	size_t		cells = 0,
				only_one = 0;
	double		worst = 0;

	if (!ok(read_grid(name, &ref), "%s is read", name))
	{
		free_grid(&ref);
		return;
	}
	for (size_t i = 0; i < n; i++)
	{
		double		d = fabs((double) got[i] - ref.z[i]);

		if (slope && slope[i] <= 0.1)
			continue;
		if (isnan(got[i]) != isnan(ref.z[i]))
			only_one++;
		if (isnan(got[i]) || isnan(ref.z[i]))
			continue;
		if (circular && d > 180)
			d = 360 - d;
		cells++;
		worst = fmax(worst, d);
	}
	ok(only_one == 0, "%s: known in the same cells (%zu differ)", name, only_one);
	ok(cells >= want_cells, "%s: %zu cells compared (>= %zu)", name, cells,
	   want_cells);
	ok(worst <= tol, "%s: largest difference %.3g (<= %g)", name, worst, tol);
	free_grid(&ref);
}

static void
against_gdaldem(void)
{
	Grid		dem;
	size_t		n;
	float	   *a,
			   *b;
	uint8_t    *shade;
	Grid		ref;

	if (!ok(read_grid("dem/jacksboro_utm16_90m.asc", &dem), "DEM is read"))
		return;
	n = (size_t) dem.h.ncols * dem.h.nrows;
	ok(dem.h.ncols == 344 && dem.h.nrows == 363 && dem.h.dx == 90,
	   "its header");
	a = malloc(n * sizeof(float));
	b = malloc(n * sizeof(float));
	shade = malloc(n);

	ajk_slope_aspect(dem.z, dem.h.ncols, dem.h.nrows, NULL, NULL, 90, 90,
					 AJK_SLOPE_HORN, a, b, NULL, NULL);
	compare("reference/gdaldem_slope_Horn.asc.gz", a, n, 1e-4, false, NULL,
			116720);
	compare("reference/gdaldem_aspect_Horn.asc.gz", b, n, 1e-3, true, a,
			116000);
	ajk_slope_aspect(dem.z, dem.h.ncols, dem.h.nrows, NULL, NULL, 90, 90,
					 AJK_SLOPE_ZEVENBERGEN_THORNE, a, NULL, NULL, NULL);
	compare("reference/gdaldem_slope_ZevenbergenThorne.asc.gz", a, n, 1e-4,
			false, NULL, 116720);
	ajk_relief(dem.z, dem.h.ncols, dem.h.nrows, AJK_ROUGHNESS, a, NULL, NULL);
	compare("reference/gdaldem_rough.asc.gz", a, n, 1e-4, false, NULL, 116720);
	ajk_relief(dem.z, dem.h.ncols, dem.h.nrows, AJK_TRI, a, NULL, NULL);
	compare("reference/gdaldem_tri.asc.gz", a, n, 1e-3, false, NULL, 116720);
	ajk_relief(dem.z, dem.h.ncols, dem.h.nrows, AJK_TPI, a, NULL, NULL);
	compare("reference/gdaldem_tpi.asc.gz", a, n, 1e-3, false, NULL, 116720);

	/* shades are whole numbers, rounded */
	ajk_hillshade(dem.z, dem.h.ncols, dem.h.nrows, 90, 90, 1, 315, 45, shade,
				  NULL, NULL);
	for (size_t i = 0; i < n; i++)
		a[i] = shade[i] == 0 ? NAN : shade[i];
	compare("reference/gdaldem_hs.asc.gz", a, n, 1, false, NULL, 116720);

	/* one known cell by hand, so that row and column are not swapped */
	if (read_grid("reference/gdaldem_slope_Horn.asc.gz", &ref))
	{
		near(ref.z[181 * 344 + 172], 11.71418, 1e-5, "row 181, column 172");
		free_grid(&ref);
	}
	free(a);
	free(b);
	free(shade);
	free_grid(&dem);
}

/* A plane has one slope and aspect everywhere, also with cells not square. */
static void
plane(double east, double north, double want_aspect)
{
	enum
	{
		N = 12
	};
	float		z[N * N],
				slope[N * N],
				aspect[N * N];
	double		dx_row[N];
	double		dx = 20,
				dy = 30;
	double		want = AJK_RAD2DEG(atan(hypot(east, north)));
	double		worst_slope = 0,
				worst_aspect = 0;
	int			known = 0;

	for (int r = 0; r < N; r++)
		dx_row[r] = dx;
	for (int r = 0; r < N; r++)
		for (int c = 0; c < N; c++)
			z[r * N + c] = (float) (100 + east * c * dx - north * r * dy);
	z[0] = NAN;
	for (int method = 0; method < 2; method++)
	{
		ajk_slope_aspect(z, N, N, dx_row, NULL, 1, dy, (AjkSlopeMethod) method,
						 slope, aspect, NULL, NULL);
		for (int i = 0; i < N * N; i++)
			if (!isnan(slope[i]))
			{
				known++;
				worst_slope = fmax(worst_slope, fabs(slope[i] - want));
				worst_aspect = fmax(worst_aspect, fabs(aspect[i] - want_aspect));
			}
	}
	ok(known == 2 * (10 * 10 - 1), "plane: %d cells known", known);
	ok(worst_slope < 1e-4 && worst_aspect < 1e-3,
	   "plane %g east %g north: slope off %.2g, aspect off %.2g", east, north,
	   worst_slope, worst_aspect);
}

static void
resampling(void)
{
	enum
	{
		N = 60
	};
	static float z[N * N],
				out[40 * 40];
	AjkTm		tm = ajk_tm_utm(16, false);
	AjkDem		dem = {N, N, -84.3, 36.65, 1.0 / 1200, 1.0 / 1200, NULL, z, 0, 0};
	AjkFrame	f = {40, 40, 0, 0, 60, 0};
	double		x,
				y,
				worst = 0;
	AjkDem		utm;
	int			unknown = 0;

	/* elevation linear in longitude and latitude: bilinear is exact */
	for (int r = 0; r < N; r++)
		for (int c = 0; c < N; c++)
			z[r * N + c] = (float) (300 + 7 * c - 3 * r);
	ajk_tm_forward(&tm, -84.295, 36.645, &x, &y);
	f.x0 = x;
	f.y0 = y;
	ok(ajk_resample(&dem, &tm, &f, out, NULL, NULL) == AJK_OK, "resampled");
	for (int r = 0; r < 40; r++)
		for (int c = 0; c < 40; c++)
		{
			double		lon,
						lat,
						want;

			ajk_tm_inverse(&tm, f.x0 + (c + 0.5) * 60, f.y0 - (r + 0.5) * 60,
						   &lon, &lat);
			want = 300 + 7 * ((lon + 84.3) * 1200 - 0.5)
				- 3 * ((36.65 - lat) * 1200 - 0.5);
			worst = fmax(worst, fabs(out[r * 40 + c] - want));
		}
	ok(worst < 1e-3, "off by %.2g m at most", worst);

	/* a hole in the source is a hole in the result */
	z[20 * N + 20] = NAN;
	ajk_resample(&dem, &tm, &f, out, NULL, NULL);
	for (int i = 0; i < 1600; i++)
		unknown += isnan(out[i]);
	ok(unknown >= 1 && unknown < 20, "%d cells around a void", unknown);

	/* the same grid comes out as it went in */
	utm = (AjkDem)
	{
		N, N, 730000, 4050000, 30, 30, &tm, z, 0, 0
	};
	f = (AjkFrame)
	{
		40, 40, 730000 + 30 * 5, 4050000 - 30 * 7, 30, 0
	};
	ajk_resample(&utm, &tm, &f, out, NULL, NULL);
	ok(out[0] == z[7 * N + 5] && out[39 * 40 + 39] == z[46 * N + 44],
	   "an aligned grid is copied");
	ok(isnan(ajk_dem_at(&utm, 729999, 4049000)) &&
	   isnan(ajk_dem_at(&utm, 730001, 4049000)), "outside is unknown");
}

int
main(void)
{
	against_gdaldem();
	plane(0.2, 0, 270);			/* rises east, so falls west */
	plane(-0.2, 0, 90);
	plane(0, 0.1, 180);
	plane(-0.05, -0.05, 45);
	resampling();
	return unit_done();
}
