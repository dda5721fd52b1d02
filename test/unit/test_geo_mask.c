/*-------------------------------------------------------------------------
 *
 * test_geo_mask.c
 *		Distance transform, patches and outlines against brute force.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"
#include "mask.h"

enum
{
	NC = 61, NR = 47
};

static uint32_t state = 99;

static uint32_t
random_bits(void)
{
	state = state * 1664525u + 1013904223u;
	return state >> 16;
}

static void
distances(unsigned share)
{
	static uint32_t cells[NC * NR];
	static float dist[NC * NR];
	int			set = 0,
				wrong = 0;

	for (int i = 0; i < NC * NR; i++)
	{
		cells[i] = random_bits() % 1000 < share ? 6 : 1;
		set += cells[i] == 6;
	}
	ok(ajk_edt(cells, 4, NC, NR, dist, NULL, NULL) == AJK_OK, "transform");
	for (int r = 0; r < NR; r++)
		for (int c = 0; c < NC; c++)
		{
			long		best = -1;

			for (int i = 0; i < NC * NR; i++)
				if (cells[i] & 4)
				{
					long		dr = i / NC - r,
								dc = i % NC - c,
								d2 = dr * dr + dc * dc;

					if (best < 0 || d2 < best)
						best = d2;
				}
			if (best < 0)
				wrong += !isinf(dist[r * NC + c]);
			else
				wrong += dist[r * NC + c] != (float) sqrt((double) best);
		}
	ok(wrong == 0, "distance to %d cells equals brute force in all cells (%d wrong)", set, wrong);
}

static void
outlines(int seed)
{
	static uint32_t cells[NC * NR],
				back[NC * NR];
	AjkOutline	o;
	double		area = 0;
	int			n = 0,
				wrong = 0;
	bool		order = true;
	AjkFrame	f = {NC, NR, 0, 0, 1, 0};
	AjkPath    *paths;
	double	   *x,
			   *y;

	state = seed;
	for (int i = 0; i < NC * NR; i++)
	{
		cells[i] = random_bits() % 100 < 45 ? 1 : 0;
		n += cells[i] == 0;
	}
	if (!ok(ajk_outline(cells, 1, 0, false, NC, NR, &o, NULL, NULL) == AJK_OK, "outline"))
		return;

	x = malloc(o.start[o.nrings] * sizeof(double));
	y = malloc(o.start[o.nrings] * sizeof(double));
	paths = malloc(o.nrings * sizeof(AjkPath));
	for (int i = 0; i < o.start[o.nrings]; i++)
	{
		x[i] = o.col[i];
		y[i] = -o.row[i];
	}
	for (int i = 0; i < o.nrings; i++)
	{
		double		a;

		paths[i] = (AjkPath)
		{
			o.start[i + 1] - o.start[i], x + o.start[i],
				y + o.start[i]
		};
		a = ajk_ring_area(&paths[i]);
		area += a;
		order = order && (a < 0) == o.hole[i] &&
			(i == 0 ? !o.hole[i] :
			 o.patch[i] == o.patch[i - 1] ? o.hole[i] :
			 (o.patch[i] == o.patch[i - 1] + 1 && !o.hole[i]));
	}
	ok(area == n, "outlines enclose %g of %d cells", area, n);
	ok(order, "each patch is one exterior, then its holes");
	memset(back, 0, sizeof(back));
	ajk_raster_rings(&f, paths, o.nrings, false, 1, back, NULL, NULL);
	for (int i = 0; i < NC * NR; i++)
		wrong += back[i] != cells[i];
	ok(wrong == 0, "rasterised they give the cells back (%d wrong)", wrong);
	free(x);
	free(y);
	free(paths);
	ajk_outline_free(&o);
}

static bool
stop(void *arg, double fraction)
{
	(void) arg;
	(void) fraction;
	return true;
}

static void
patches(void)
{
	/* two patches that touch at a corner only, and a single cell */
	static const char *picture[] = {
		"##....#",
		"##....#",
		"..##..#",
		"..##...",
		"......#"
	};
	uint32_t	cells[35];
	int32_t		label[35];
	int			n;
	AjkError	err;
	AjkOutline	o;
	size_t		all[32],
				alone[32],
				none;

	for (int i = 0; i < 35; i++)
		cells[i] = picture[i / 7][i % 7] == '#' ? 0 : 2;
	err = ajk_mask_patches(cells, 7, 5, 3, 8, label, &n, NULL, NULL);
	ok(err == AJK_OK && n == 3, "%d patches of 3 cells and more", n);
	ok(label[0] == 1 && label[8] == 1 && label[6] == 2 && label[16] == 3 &&
	   label[24] == 3 && label[2] == 0 && label[34] == 0, "their numbers");
	ok(cells[34] == 8 && cells[0] == 0 && cells[2] == 2,
	   "the small one is marked, nothing else");
	cells[33] |= 8;
	cells[32] |= 64;
	err = ajk_mask_counts(cells, 35, 64, all, alone, &none, NULL, NULL);
	ok(err == AJK_OK && none == 11 && all[1] == 22 && alone[1] == 21 &&
	   all[3] == 2 && alone[3] == 1 && all[6] == 0,
	   "counts: %zu free, bit 1 %zu (%zu alone), bit 3 %zu (%zu alone)", none,
	   all[1], alone[1], all[3], alone[3]);
	ok(ajk_mask_patches(cells, 7, 5, 3, 8, label, &n, stop, NULL) ==
	   AJK_STOPPED && ajk_outline(cells, 1, 0, false, 7, 5, &o, stop, NULL)
	   == AJK_STOPPED && o.nrings == 0, "the caller can stop it");
}

/*
 * A ring of cells that is closed by a corner only: its outline is an
 * exterior and a hole that touch there, neither of which touches itself.
 */
static void
touching(void)
{
	uint32_t	cells[9] = {
		0, 0, 0,
		0, 1, 0,
		0, 0, 1
	};
	AjkOutline	o;
	bool		simple = true;
	AjkError	err = ajk_outline(cells, 1, 0, false, 3, 3, &o, NULL, NULL);

	ok(err == AJK_OK && o.nrings == 2 && !o.hole[0] && o.hole[1] && o.patch[1] == 0,
	   "%d rings, an exterior and a hole", o.nrings);
	for (int r = 0; r < o.nrings; r++)
		for (int i = o.start[r]; i < o.start[r + 1]; i++)
			for (int j = o.start[r]; j < i; j++)
				simple = simple && (o.col[i] != o.col[j] || o.row[i] != o.row[j]);
	ok(simple && o.start[1] == 6 && o.start[2] - o.start[1] == 4,
	   "no ring comes to a corner twice");
	ajk_outline_free(&o);
}

static void
above(void)
{
	float		v[] = {1, 15, 15.001f, NAN};
	uint32_t	cells[4] = {0, 0, 64, 0};

	ajk_mask_above(v, 4, 15, 1, 2, cells, NULL, NULL);
	ok(cells[0] == 0 && cells[1] == 0 && cells[2] == 65 && cells[3] == 2,
	   "above the limit, at it, unknown");
}

int
main(void)
{
	distances(0);
	distances(1);
	distances(30);
	distances(700);
	patches();
	outlines(7);
	outlines(8);
	touching();
	above();
	return unit_done();
}
