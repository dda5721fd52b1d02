/*-------------------------------------------------------------------------
 *
 * test_geo_patches.c
 *		Patches and clearings row by row against those of a whole grid, and
 *		bands of a grid against the grid.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"
#include "mask.h"
#include "patches.h"
#include "rng.h"
#include "terrain.h"

enum
{
	NC = 83, NR = 71
};

typedef struct Seen
{
	int			n;
	AjkPatch	patch[NC * NR];
}			Seen;

static AjkError
keep(void *arg, const AjkPatch *patch)
{
	Seen	   *s = arg;

	s->patch[s->n++] = *patch;
	return AJK_OK;
}

static int
by_first(const void *a, const void *b)
{
	int64_t		fa = ((const AjkPatch *) a)->first;
	int64_t		fb = ((const AjkPatch *) b)->first;

	return fa < fb ? -1 : fa > fb;
}

static void
compare(int kind, double share, uint64_t seed)
{
	static uint32_t cells[NC * NR];
	static int32_t label[NC * NR];
	static float value[NC * NR];
	static float dist[NC * NR];
	static bool member[NC];
	static uint8_t bits[(NC * NR + 7) / 8];
	static Seen seen;
	AjkPatches *p;
	AjkRng		rng;
	int			n;
	int			wrong = 0;
	double		radius;
	double		want = 0.0;
	size_t		at;
	size_t		want_at = 0;

	ajk_rng_seed(&rng, seed);
	for (int i = 0; i < NC * NR; i++)
	{
		int			r = i / NC;
		int			c = i % NC;

		/* noise; a spiral of walls; combs that meet at their ends */
		cells[i] = kind == 0 ? ajk_rng_uniform(&rng) >= share :
			kind == 1 ? (r % 4 == 0 && c % 7 != 0) : (c % 2 == 1 && r != (c % 4 == 1 ? 0 : NR - 1));
		value[i] = floorf(100.0f * (float) ajk_rng_uniform(&rng));
	}
	memset(&seen, 0, sizeof(seen));
	memset(bits, 0, sizeof(bits));
	ok(ajk_patches_begin(&p, NC, keep, &seen) == AJK_OK, "kind %d, %.2f free", kind, share);
	for (int r = 0; r < NR; r++)
	{
		const float *v[AJK_PATCH_SUMS] = {value + r * NC, NULL, value + r * NC};

		for (int c = 0; c < NC; c++)
		{
			member[c] = cells[r * NC + c] == 0;
			if (member[c])
				ajk_set_bit(bits, (size_t) (r * NC + c));
		}
		(void) ajk_patches_row(p, member, v);
	}
	ok(ajk_patches_end(p) == AJK_OK, "end");
	ajk_patches_free(p);
	ok(ajk_mask_patches(cells, NC, NR, 0, 0, label, &n, NULL, NULL) == AJK_OK, "the whole");
	ok(seen.n == n, "%d patches of %d", seen.n, n);
	qsort(seen.patch, (size_t) seen.n, sizeof(AjkPatch), by_first);
	for (int k = 0; k < n && k < seen.n; k++)
	{
		AjkPatch	w = {.best = -INFINITY};

		for (int i = NC * NR - 1; i >= 0; i--)
			if (label[i] == k + 1)
			{
				w.cells++;
				w.first = i;
				w.sum[0] += value[i];
				if (value[i] >= w.best)
				{
					w.best = value[i];
					w.best_at = i;
				}
			}
		wrong += w.cells != seen.patch[k].cells || w.first != seen.patch[k].first ||
			w.sum[0] != seen.patch[k].sum[0] || seen.patch[k].sum[1] != 0.0 ||
			w.sum[0] != seen.patch[k].sum[2] || w.best != seen.patch[k].best ||
			w.best_at != seen.patch[k].best_at;
	}
	ok(wrong == 0, "of the same cells, sums and best places, in the same order (%d wrong)", wrong);

	/* the clearing, before and after the small ones are gone */
	for (int round = 0; round < 2; round++)
	{
		want = 0.0;
		want_at = 0;
		ok(ajk_edt(cells, 1, NC, NR, dist, NULL, NULL) == AJK_OK, "distances");
		for (int i = 0; i < NC * NR; i++)
			if (!isinf(dist[i]) && dist[i] > want)
			{
				want = dist[i];
				want_at = (size_t) i;
			}
		ok(ajk_bits_clearing(bits, NC, NR, &radius, &at, NULL, NULL) == AJK_OK, "clearing");
		near(radius, want, 0.0, "of the same radius");
		ok(want == 0.0 || at == want_at, "in the same place");
		wrong = 0;
		for (int k = 0; k < seen.n; k++)
			if (seen.patch[k].cells < 5 && round == 0)
				ok(ajk_bits_erase(bits, NC, NR, (size_t) seen.patch[k].first) == AJK_OK, "erased");
		ok(ajk_mask_patches(cells, NC, NR, 5, 1, NULL, NULL, NULL, NULL) == AJK_OK, "small ones of the whole");
		for (int i = 0; i < NC * NR; i++)
			wrong += ajk_bit(bits, (size_t) i) != (cells[i] == 0);
		ok(wrong == 0, "the same cells are left (%d wrong)", wrong);
	}
}

/* Bands of a grid: masks and elevations are those of the whole, bit by bit. */
static void
bands(void)
{
	enum
	{
		N = 60, W = 50
	};
	static float z[N * N];
	static float whole[W * W];
	static float part[W * W];
	static uint32_t mask[W * W];
	static uint32_t some[W * W];
	AjkTm		tm = ajk_tm_utm(16, false);
	AjkDem		dem = {N, N, -84.3, 36.65, 1.0 / 1200, 1.0 / 1200, NULL, z, 0, 0};
	AjkFrame	f = {W, W, 0, 0, 33.3, 0};
	double		rx[5] = {100, 1200, 1500, 700, 90};
	double		ry[5] = {-200, -130, -1400, -900, -1500};
	double		x,
				y;
	AjkPath		ring = {5, rx, ry};

	for (int i = 0; i < N * N; i++)
		z[i] = 300.0f + 40.0f * sinf(0.013f * (float) i) + (float) (i % 17);
	ajk_tm_forward(&tm, -84.29, 36.64, &x, &y);
	f.x0 = x;
	f.y0 = y;
	for (int i = 0; i < 5; i++)
	{
		rx[i] += x;
		ry[i] += y;
	}
	ajk_resample(&dem, &tm, &f, whole, NULL, NULL);
	ajk_raster_rings(&f, &ring, 1, false, 1, mask, NULL, NULL);
	ajk_raster_near(&f, &ring, true, 77.7, 2, mask, NULL, NULL);
	for (int rows = 1; rows <= 17; rows += 4)
	{
		memset(some, 0, sizeof(some));
		for (int r = 0; r < W; r += rows)
		{
			AjkFrame	b = f;
			int			first;

			b.row0 = r;
			b.nrows = W - r < rows ? W - r : rows;

			/* as few rows of the model as a reader would hold, and some */
			dem.row0 = first = (int) ((36.65 - 36.64) * 1200) + (int) (r * 33.3 / 93.0) - 3;
			dem.row0 = first < 0 ? 0 : first;
			dem.held = (int) (b.nrows * 33.3 / 90.0) + 9;
			if (dem.row0 + dem.held > N)
				dem.held = N - dem.row0;
			dem.z = z + dem.row0 * N;
			ajk_resample(&dem, &tm, &b, part + r * W, NULL, NULL);
			ajk_raster_rings(&b, &ring, 1, false, 1, some + r * W, NULL, NULL);
			ajk_raster_near(&b, &ring, true, 77.7, 2, some + r * W, NULL, NULL);
		}
		ok(memcmp(whole, part, sizeof(whole)) == 0, "elevations in bands of %d rows", rows);
		ok(memcmp(mask, some, sizeof(mask)) == 0, "masks in bands of %d rows", rows);
	}
	ok(!isnan(whole[W * W - 1]), "known to the last row");
}

int
main(void)
{
	for (uint64_t seed = 1; seed <= 6; seed++)
		compare(0, 0.25 + 0.12 * (double) (seed - 1), seed);
	compare(0, 0.0, 7);
	compare(0, 1.0, 8);
	compare(1, 0.0, 9);
	compare(2, 0.0, 10);
	bands();
	return unit_done();
}
