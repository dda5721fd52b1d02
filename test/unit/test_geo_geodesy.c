/*-------------------------------------------------------------------------
 *
 * test_geo_geodesy.c
 *		Transverse Mercator against PROJ, scale and degrees against closed forms.
 *
 * Copyright (c) 2026, asyncjob contributors
 *
 *-------------------------------------------------------------------------
 */
#include "unit.h"
#include "geodesy.h"

static void
against_proj(void)
{
	FILE	   *f = fopen(test_data("reference/utm_proj911.csv"), "r");
	char		line[256];
	int			n = 0;

	if (!ok(f != NULL, "reference/utm_proj911.csv can be read"))
		return;
	if (fgets(line, sizeof(line), f) == NULL)
		line[0] = '\0';
	while (fgets(line, sizeof(line), f))
	{
		double		lon,
					lat,
					e,
					n_m,
					x,
					y,
					lon2,
					lat2;
		int			epsg,
					zone;
		bool		south;
		AjkTm		tm;

		if (sscanf(line, "%lf,%lf,%d,%lf,%lf", &lon, &lat, &epsg, &e, &n_m) != 5)
			continue;
		n++;
		if (!ok(ajk_epsg_known(epsg, &zone, &south), "EPSG:%d is known", epsg))
			continue;
		tm = ajk_tm_utm(zone, south);
		ajk_tm_forward(&tm, lon, lat, &x, &y);
		near(x, e, 1e-6, "easting");
		near(y, n_m, 1e-6, "northing");
		ajk_tm_inverse(&tm, e, n_m, &lon2, &lat2);
		near(lon2, lon, 1e-11, "longitude back");
		near(lat2, lat, 1e-11, "latitude back");
	}
	fclose(f);
	ok(n == 6, "%d reference points", n);
}

int
main(void)
{
	double		per_lon,
				per_lat,
				x,
				y,
				x2,
				y2,
				lon,
				lat,
				worst = 0;
	int			zone;
	bool		south;
	AjkTm		tm;

	against_proj();

	/* there and back over the whole of a zone, both hemispheres */
	tm = ajk_tm_utm(31, true);
	for (double la = -80; la <= 84; la += 4)
		for (double lo = -1; lo <= 7; lo += 0.5)
		{
			ajk_tm_forward(&tm, lo, la, &x, &y);
			ajk_tm_inverse(&tm, x, y, &lon, &lat);
			worst = fmax(worst, fmax(fabs(lon - lo), fabs(lat - la)));
		}
	ok(worst < 1e-11, "forward and back within %.2g degrees", worst);

	/* across the date line */
	tm = ajk_tm_utm(60, false);
	ajk_tm_forward(&tm, 179.5, 10, &x, &y);
	ajk_tm_forward(&tm, -180.5, 10, &x2, &y2);
	ok(x == x2 && y == y2, "longitude -180.5 is 179.5");
	ajk_tm_forward(&tm, -179.9, 10, &x, &y);
	ajk_tm_inverse(&tm, x, y, &lon, &lat);
	near(lon, -179.9, 1e-11, "longitude east of the date line");

	/* scale: k0 on the meridian, else the ratio of small steps */
	near(ajk_tm_scale(&tm, 177, 45), 0.9996, 1e-12, "scale on the meridian");
	ajk_tm_forward(&tm, 179.5, 45, &x, &y);
	ajk_tm_forward(&tm, 179.5 + 1e-5, 45, &x2, &y2);
	ajk_metres_per_degree(45, &per_lon, &per_lat);
	near(hypot(x2 - x, y2 - y) / (1e-5 * per_lon),
		 ajk_tm_scale(&tm, 179.5, 45), 1e-7, "scale along the parallel");
	ajk_tm_forward(&tm, 179.5, 45 + 1e-5, &x2, &y2);
	near(hypot(x2 - x, y2 - y) / (1e-5 * per_lat),
		 ajk_tm_scale(&tm, 179.5, 45), 1e-7, "scale along the meridian");

	/* equator: a degree of longitude is pi a / 180 */
	ajk_metres_per_degree(0, &per_lon, &per_lat);
	near(per_lon, 6378137.0 * AJK_PI / 180, 1e-9, "degree of longitude at 0");
	near(per_lat, 110574.2758, 1e-4, "degree of latitude at 0");
	ajk_metres_per_degree(60, &per_lon, &per_lat);
	near(per_lon, 55800.0, 1.0, "degree of longitude at 60");

	tm = ajk_tm_local(-84.25, 36.6);
	ajk_tm_forward(&tm, -84.25, 36.6, &x, &y);
	ok(x == 0 && y == 0, "the local projection begins at 0, 0");
	near(ajk_tm_scale(&tm, -84.25, 36.6), 1, 1e-12, "and is true there");

	ok(ajk_utm_zone(-84.25) == 16 && ajk_utm_zone(-180) == 1 &&
	   ajk_utm_zone(180) == 60 && ajk_utm_zone(2.95) == 31 &&
	   ajk_utm_zone(6) == 32, "zones of longitudes");
	ok(!ajk_epsg_known(3857, &zone, &south) &&
	   !ajk_epsg_known(32600, &zone, &south) &&
	   !ajk_epsg_known(32661, &zone, &south) &&
	   ajk_epsg_known(32733, &zone, &south) && zone == 33 && south &&
	   ajk_epsg_known(4326, &zone, &south) && zone == 0,
	   "which EPSG codes are understood");
	return unit_done();
}
