--
-- terrain: a whole elevation model against GDAL's figures of it, planes in
-- closed form, and the areas of exclusions
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS asyncjob;
CREATE ROLE regress_terrain LOGIN;
SELECT asyncjob.grant_usage('regress_terrain');
SET SESSION AUTHORIZATION regress_terrain;
\getenv abs_srcdir PG_ABS_SRCDIR
\set read 'cat ' :abs_srcdir '/data/dem/jacksboro_utm16_90m.asc'
\set utm `:read`
\set read 'cat ' :abs_srcdir '/data/dem/jacksboro_wgs84.asc'
\set wgs84 `:read`
SELECT asyncjob.load_dem('terrain_utm', :'utm', 32616) ->> 'complete' AS utm,
       asyncjob.load_dem('terrain_wgs84', :'wgs84') ->> 'complete' AS wgs84;
\set read 'cat ' :abs_srcdir '/data/site/demo_site_jacksboro.geojson'
\set geojson `:read`
SELECT asyncjob.load_site('terrain_ridge', :'geojson') ->> 'zones' AS zones;

--
-- The site is the whole grid, less a metre around: its corners, from UTM to
-- degrees by Krueger's series. Nothing is excluded but what has no slope.
--
SELECT asyncjob.submit('terrain', '{"dem": "terrain_utm", "max_slope_deg": 90, "boundary_setback_m": 0, "min_patch_m2": 0, "margin_m": 0,
    "site": {"type": "Polygon", "coordinates": [[[-84.42328493, 36.44647566], [-84.07825304, 36.43852370],
        [-84.06713746, 36.73264229], [-84.41347821, 36.74067949], [-84.42328493, 36.44647566]]]}}') AS job \gset
SELECT state, partial, step, completed_steps, total_steps, progress, attempt, error_code
FROM asyncjob.wait(:job, '60s');
CREATE TEMP TABLE whole AS SELECT asyncjob.result(:job) AS r;
-- the model's own cells (and two more around); 344 x 363 of them within
SELECT r -> 'grid' ->> 'epsg' AS epsg, r -> 'grid' ->> 'resolution_m' AS cell_m,
       (r -> 'grid' ->> 'ncols')::int - 4 AS ncols, (r -> 'grid' ->> 'nrows')::int - 4 AS nrows,
       ((r -> 'grid' ->> 'west_m')::numeric + 2 * 90, (r -> 'grid' ->> 'north_m')::numeric - (363 + 2) * 90)
         = (730939.219, 4036556.162) AS corner
FROM whole;
-- gdaldem 3.6.2 on the same file: reference/gdaldem.json
\set read 'cat ' :abs_srcdir '/data/reference/gdaldem.json'
\set gdaldem `:read`
SELECT abs((r -> 'slope_deg' ->> 'mean')::float8 - (g -> 'slope_Horn' ->> 'mean')::float8) < 1e-4 AS slope_mean,
       abs((r -> 'slope_deg' ->> 'max')::float8 - (g -> 'slope_Horn' ->> 'max')::float8) < 1e-4 AS slope_max,
       abs((r -> 'roughness_m' ->> 'mean')::float8 - (g -> 'rough' ->> 'mean')::float8) < 1e-3 AS roughness_mean,
       abs((r -> 'roughness_m' ->> 'max')::float8 - (g -> 'rough' ->> 'max')::float8) < 1e-3 AS roughness_max,
       r -> 'elevation_m' ->> 'min' AS elevation_min, r -> 'elevation_m' ->> 'max' AS elevation_max
FROM whole, (SELECT :'gdaldem'::jsonb -> 'stats' AS g) g;
-- cells per class, counted in gdaldem's own rasters of five decimals
CREATE FUNCTION pg_temp.raster(file text) RETURNS SETOF float8 LANGUAGE sql AS
$$ SELECT v::float8 FROM string_to_table(regexp_replace(file, '^.*NODATA_value\s+\S+', ''), ' ') v WHERE v !~ '^\s*$' AND v::float8 <> -9999 $$;
\set read 'gzip -dc ' :abs_srcdir '/data/reference/gdaldem_slope_Horn.asc.gz'
\set slope `:read`
\set read 'gzip -dc ' :abs_srcdir '/data/reference/gdaldem_aspect_Horn.asc.gz'
\set aspect `:read`
\set cell_m2 '(8100 / (r -> ''grid'' ->> ''scale_factor'')::float8 ^ 2)'
WITH gdal AS (
    SELECT width_bucket(v, ARRAY[0, 3, 5, 8, 10, 15, 25]::float8[]) AS class, count(*) AS cells
    FROM pg_temp.raster(:'slope') v GROUP BY 1)
SELECT h ->> 'from_deg' AS from_deg, h ->> 'to_deg' AS to_deg, cells,
       round((h ->> 'area_m2')::float8 / :cell_m2) - cells AS more_than_gdal,
       abs((h ->> 'share')::float8 - cells / 116720.0) < 1e-6 AS share
FROM whole, jsonb_array_elements(r -> 'slope_histogram') WITH ORDINALITY h (h, n) LEFT JOIN gdal ON class = n
ORDER BY n;
WITH gdal AS (
    SELECT floor(v / 45 + 0.5)::int % 8 AS octant, count(*) AS cells
    FROM pg_temp.raster(:'aspect') v GROUP BY 1)
SELECT a ->> 'octant' AS octant, cells,
       round((a ->> 'area_m2')::float8 / :cell_m2) - cells AS more_than_gdal
FROM whole, jsonb_array_elements(r -> 'aspect_octants') WITH ORDINALITY a (a, n) LEFT JOIN gdal ON octant = n - 1
ORDER BY n;
-- 116720 cells have slope, of these 41 no aspect; the others have neither
SELECT round((r ->> 'flat_area_m2')::float8 / :cell_m2) AS flat,
       round((r ->> 'buildable_area_m2')::float8 / :cell_m2) AS buildable,
       l ->> 'reason' AS reason, round((l ->> 'area_m2')::float8 / :cell_m2) AS cells
FROM whole, jsonb_array_elements(r -> 'area_lost') l WHERE (l ->> 'area_m2')::float8 > 0;
-- ruggedness and topographic position, against the same
SELECT abs((r -> 'ruggedness_m' ->> 'mean')::float8 - (g -> 'tri' ->> 'mean')::float8) < 1e-3 AS ruggedness_mean,
       abs((r -> 'ruggedness_m' ->> 'max')::float8 - (g -> 'tri' ->> 'max')::float8) < 1e-3 AS ruggedness_max,
       abs((r -> 'topographic_position_m' ->> 'min')::float8 - (g -> 'tpi' ->> 'min')::float8) < 1e-3 AS position_min,
       abs((r -> 'topographic_position_m' ->> 'max')::float8 - (g -> 'tpi' ->> 'max')::float8) < 1e-3 AS position_max
FROM whole, (SELECT :'gdaldem'::jsonb -> 'stats' AS g) g;
-- what each kind of asset could use: cells up to its slope, in gdaldem's raster
SELECT a ->> 'asset_type' AS asset_type, a ->> 'max_slope_deg' AS max_slope_deg,
       abs(round((a ->> 'area_m2')::float8 / :cell_m2)
           - (SELECT count(*) FROM pg_temp.raster(:'slope') v WHERE v <= (a ->> 'max_slope_deg')::float8)) <= 1 AS as_gdal,
       (a ->> 'largest_patch_m2')::float8 <= (a ->> 'area_m2')::float8 AS largest
FROM whole, jsonb_array_elements(r -> 'buildable_by_asset') WITH ORDINALITY a (a, n) ORDER BY n;
-- the other method
SELECT abs((r -> 'slope_deg' ->> 'mean')::float8 - (g -> 'slope_ZevenbergenThorne' ->> 'mean')::float8) < 1e-4 AS slope_mean,
       abs((r -> 'slope_deg' ->> 'max')::float8 - (g -> 'slope_ZevenbergenThorne' ->> 'max')::float8) < 1e-4 AS slope_max,
       r -> 'parameters' ->> 'slope_method' AS slope_method
FROM asyncjob.run('terrain', '{"dem": "terrain_utm", "max_slope_deg": 90, "boundary_setback_m": 0, "min_patch_m2": 0, "margin_m": 0,
    "slope_method": "zevenbergen_thorne", "contour_interval_m": 0,
    "site": {"type": "Polygon", "coordinates": [[[-84.42328493, 36.44647566], [-84.07825304, 36.43852370],
        [-84.06713746, 36.73264229], [-84.41347821, 36.74067949], [-84.42328493, 36.44647566]]]}}') r,
    (SELECT :'gdaldem'::jsonb -> 'stats' AS g) g;
SELECT asyncjob.check_terrain('{"site": "terrain_ridge", "slope_method": "sobel"}');
SELECT asyncjob.check_terrain('{"site": "terrain_ridge", "suitability_for": "castle"}');
SELECT asyncjob.check_terrain('{"site": "terrain_ridge", "contour_interval_m": -1}');
-- the world file: cell, no rotation, centre of the first cell (90 m cells, 45 m in)
SELECT l[1]::float8 = 90 AND l[2]::float8 = 0 AND l[3]::float8 = 0 AND l[4]::float8 = -90 AS cell,
       abs(l[5]::float8 - (r -> 'grid' ->> 'west_m')::float8 - 45) < 1e-3
       AND abs(l[6]::float8 - (r -> 'grid' ->> 'north_m')::float8 + 45) < 1e-3 AS centre,
       convert_from(asyncjob.artifact_data(:job, 'slope.png.aux.xml'), 'UTF8') LIKE '%<SRS>EPSG:32616</SRS>%' AS system
FROM whole, string_to_array(convert_from(asyncjob.artifact_data(:job, 'slope.pgw'), 'UTF8'), E'\n') l(l);

--
-- Planes: z = a x + b y has slope atan(hypot(a, b)) everywhere, and faces
-- the way down. 40 x 40 cells of 10 m in UTM zone 32, cells' centres counted
-- from the south-west.
--
CREATE FUNCTION pg_temp.plane(a float8, b float8) RETURNS text LANGUAGE sql AS $$
    SELECT E'ncols 40\nnrows 40\nxllcorner 500000\nyllcorner 5500000\ncellsize 10\n' ||
           string_agg(line, E'\n' ORDER BY y DESC)
    FROM (SELECT y, string_agg((1000 + a * 10 * x + b * 10 * y)::text, ' ' ORDER BY x) AS line
          FROM generate_series(0, 39) x, generate_series(0, 39) y GROUP BY y) l
$$;
-- well within the 400 m, which begin at 9 E, 49.65254 N
\set in_plane '{"type": "Polygon", "coordinates": [[[9.0015, 49.6535], [9.0040, 49.6535], [9.0040, 49.6550], [9.0015, 49.6550], [9.0015, 49.6535]]]}'
CREATE TEMP TABLE plane (faces text, a float8, b float8, job bigint);
INSERT INTO plane (faces, a, b) VALUES
    ('N', 0, -0.1), ('NE', -0.05, -0.05), ('E', -0.2, 0), ('SE', -0.1, 0.1),
    ('S', 0, 0.3), ('SW', 0.1, 0.1), ('W', 0.5, 0), ('NW', 1, -1), ('', 0, 0);
SELECT count(asyncjob.load_dem('terrain_plane_' || faces, pg_temp.plane(a, b), 32632)) AS planes FROM plane;
UPDATE plane SET job = asyncjob.submit('terrain', jsonb_build_object(
    'dem', 'terrain_plane_' || faces, 'site', :'in_plane'::jsonb, 'resolution_m', 10));
SELECT count((asyncjob.wait(job, '60s')).state) AS ended FROM plane;
SELECT faces, abs((r -> 'slope_deg' ->> 'mean')::float8 - atand(sqrt(a * a + b * b))) < 1e-4 AS mean,
       abs((r -> 'slope_deg' ->> 'max')::float8 - atand(sqrt(a * a + b * b))) < 1e-4 AS max,
       (SELECT string_agg(o ->> 'octant', ' ') FROM jsonb_array_elements(r -> 'aspect_octants') o
        WHERE (o ->> 'area_m2')::float8 > 0) AS octants,
       r ->> 'flat_area_m2' = l.inside AS all_flat,
       CASE WHEN atand(sqrt(a * a + b * b)) > 15 THEN r ->> 'buildable_area_m2' END AS buildable_if_steep
FROM plane, LATERAL (SELECT asyncjob.result(job) AS r) r,
     LATERAL (SELECT sum((h ->> 'area_m2')::numeric)::text AS inside FROM jsonb_array_elements(r -> 'slope_histogram') h) l
ORDER BY a, b;

-- a site of 20 m has cells of its own size, unless told otherwise
SELECT r #>> '{grid,resolution_m}' AS cell_m, r ->> 'site_area_m2' AS site, abs((r ->> 'buildable_area_m2')::float8 / (r ->> 'site_area_m2')::float8 - 1) < 0.12 AS buildable
FROM (VALUES ('{}'::jsonb), ('{"resolution_m": 4}')) p (p), LATERAL asyncjob.step_terrain(p || '{"site": {"type": "Polygon", "coordinates": [[[-84.25, 36.58], [-84.249776, 36.58], [-84.249776, 36.58018], [-84.25, 36.58018], [-84.25, 36.58]]]},
    "max_slope_deg": 90, "boundary_setback_m": 0, "min_patch_m2": 0, "contour_interval_m": 0}') r;

--
-- The demo site, as an ordinary user would: 30 m cells out of degrees
--
SELECT asyncjob.submit('terrain', '{"site": "terrain_ridge", "dem": "terrain_wgs84", "max_slope_deg": 15}') AS job \gset
SELECT state FROM asyncjob.wait(:job, '60s');
CREATE TEMP TABLE ridge AS SELECT asyncjob.result(:job) AS r;
-- areas add up: within the boundary is what slope classes say, and what is
-- lost is at least each reason's own and at most the sum of all
WITH s AS (
    SELECT r, (r ->> 'site_area_m2')::numeric AS site, (r ->> 'buildable_area_m2')::numeric AS buildable,
           (SELECT sum((h ->> 'area_m2')::numeric) FROM jsonb_array_elements(r -> 'slope_histogram') h) AS inside,
           (SELECT sum((l ->> 'area_m2')::numeric) FROM jsonb_array_elements(r -> 'area_lost') l) AS lost,
           (SELECT max((l ->> 'area_m2')::numeric) FROM jsonb_array_elements(r -> 'area_lost') l) AS most,
           (SELECT sum((l ->> 'only_this_reason_m2')::numeric) FROM jsonb_array_elements(r -> 'area_lost') l) AS alone
    FROM ridge)
SELECT abs(inside / site - 1) < 0.001 AS inside, abs(site / 59485410.6 - 1) < 1e-5 AS site,
       buildable BETWEEN inside - lost AND inside - most AS buildable,
       inside - buildable >= alone AS alone, abs((r ->> 'buildable_share')::numeric - buildable / inside) < 1e-6 AS share,
       abs((SELECT sum((o ->> 'area_m2')::numeric) FROM jsonb_array_elements(r -> 'aspect_octants') o)
           + (r ->> 'flat_area_m2')::numeric - inside) < 1 AS aspects,
       abs((SELECT sum((h ->> 'area_m2')::numeric) FROM jsonb_array_elements(r -> 'slope_histogram') h
            WHERE (h ->> 'from_deg')::int >= 15)
           - (SELECT (l ->> 'area_m2')::numeric FROM jsonb_array_elements(r -> 'area_lost') l WHERE l ->> 'reason' = 'slope')) < 1 AS steep
FROM s;
-- Areas of the exclusions, reckoned apart: the wetland, convex, and 50 m
-- around it have area + 50 perimeter + 50^2 pi; the boundary's 5 m, 5 times
-- its length of 29474.6 m; power line and dwelling by testing every 10 m.
SELECT l ->> 'reason' AS reason, (l ->> 'only_this_reason_m2')::numeric <= (l ->> 'area_m2')::numeric AS alone_is_less,
       round(abs(100 * ((l ->> 'area_m2')::numeric / m2 - 1)), 1) <= tolerance_pct AS as_reckoned
FROM ridge, jsonb_array_elements(r -> 'area_lost') l
LEFT JOIN (VALUES ('zone_environmental', 1117246.3 + 50 * 4244.72 + 7854.0, 0.5), ('boundary_setback', 5 * 29474.6, 3),
                  ('zone_infrastructure', 2545164, 0.5), ('no_elevation', NULL, NULL)) v (reason, m2, tolerance_pct)
       ON reason = l ->> 'reason'
ORDER BY 1;
-- one square cell for both directions, or degrees taken for metres, would be
-- far off the same ground in UTM
WITH utm AS (SELECT asyncjob.run('terrain', '{"site": "terrain_ridge", "dem": "terrain_utm", "resolution_m": 90}') AS u),
     deg AS (SELECT asyncjob.run('terrain', '{"site": "terrain_ridge", "dem": "terrain_wgs84", "resolution_m": 90}') AS d)
SELECT abs((u -> 'slope_deg' ->> 'mean')::float8 / (d -> 'slope_deg' ->> 'mean')::float8 - 1) < 0.02 AS slope,
       abs((u ->> 'buildable_area_m2')::float8 / (d ->> 'buildable_area_m2')::float8 - 1) < 0.05 AS buildable,
       abs((u -> 'elevation_m' ->> 'mean')::float8 - (d -> 'elevation_m' ->> 'mean')::float8) < 1 AS elevation
FROM utm, deg;
-- a dwelling alone takes a circle: pi r2, to a cell's share of its rim
CREATE TEMP TABLE circle AS
SELECT asyncjob.run('terrain', jsonb_build_object('dem', 'terrain_wgs84', 'resolution_m', 10, 'max_slope_deg', 90,
    'boundary_setback_m', 0, 'min_patch_m2', 0, 'site', '{"type": "FeatureCollection", "features": [
    {"type": "Feature", "properties": {"feature_type": "site_boundary"},
     "geometry": {"type": "Polygon", "coordinates": [[[-84.27, 36.57], [-84.24, 36.57], [-84.24, 36.59], [-84.27, 36.59], [-84.27, 36.57]]]}},
    {"type": "Feature", "properties": {"feature_type": "exclusion", "zone_type": "building", "buffer_m": 500},
     "geometry": {"type": "Point", "coordinates": [-84.255, 36.58]}}]}'::jsonb)) AS r;
SELECT l ->> 'reason' AS reason, abs((l ->> 'area_m2')::float8 / (pi() * 500 ^ 2) - 1) < 0.005 AS circle,
       l -> 'area_m2' = l -> 'only_this_reason_m2' AS alone,
       abs((SELECT sum((h ->> 'area_m2')::float8) FROM jsonb_array_elements(r -> 'slope_histogram') h)
           - (l ->> 'area_m2')::float8 - (r ->> 'buildable_area_m2')::float8) < 1 AS rest_is_buildable
FROM circle, jsonb_array_elements(r -> 'area_lost') l WHERE (l ->> 'area_m2')::float8 > 0;
-- without buffer_m the kind of zone decides: a building has 200 m
SELECT abs((l ->> 'area_m2')::float8 / (pi() * 200 ^ 2) - 1) < 0.01 AS circle
FROM jsonb_array_elements(asyncjob.run('terrain', '{"dem": "terrain_wgs84", "resolution_m": 10, "max_slope_deg": 90,
    "boundary_setback_m": 0, "min_patch_m2": 0, "site": {"type": "FeatureCollection", "features": [
    {"type": "Feature", "properties": {"feature_type": "site_boundary"},
     "geometry": {"type": "Polygon", "coordinates": [[[-84.27, 36.57], [-84.24, 36.57], [-84.24, 36.59], [-84.27, 36.59], [-84.27, 36.57]]]}},
    {"type": "Feature", "properties": {"feature_type": "exclusion", "zone_type": "building"},
     "geometry": {"type": "Point", "coordinates": [-84.255, 36.58]}}]}}') -> 'area_lost') l
WHERE l ->> 'reason' = 'zone_building';

--
-- artifacts: what they are, and that they say the same
--
SELECT name, step, kind, media_type, size = length(asyncjob.artifact_data(:job, name)) AS size,
       sha256 = encode(sha256(asyncjob.artifact_data(:job, name)), 'hex') AS sha256
FROM asyncjob.artifacts(:job) ORDER BY name COLLATE "C";
SELECT convert_from(asyncjob.artifact_data(:job, 'terrain_metrics'), 'UTF8')::jsonb = r AS metrics,
       encode(asyncjob.artifact_data(:job, 'hillshade.png', 0, 8), 'hex') = '89504e470d0a1a0a' AS png,
       encode(asyncjob.artifact_data(:job, 'hillshade.png', (SELECT size - 8 FROM asyncjob.artifacts(:job) WHERE name = 'hillshade.png'), 4), 'escape') AS last_chunk
FROM ridge;
-- GeoJSON of RFC 7946: exterior rings run counterclockwise, holes clockwise,
-- closed, seven decimals at most, within a bbox; no crs. Areas are those told.
CREATE TEMP TABLE ring AS
WITH doc AS (SELECT name, convert_from(asyncjob.artifact_data(:job, name), 'UTF8')::jsonb AS doc
             FROM (VALUES ('buildable_area'), ('exclusion_zones')) v (name)),
     feature AS (SELECT name, doc, f, n FROM doc, jsonb_array_elements(doc -> 'features') WITH ORDINALITY f (f, n))
SELECT name, doc - 'features' AS doc, f -> 'properties' AS properties, n, ring_no, ring,
       -- signed area in square metres, on the ellipsoid's mean radii there
       (SELECT sum((x1 - x0) * (y0 + y1) / -2) FROM (
            SELECT (p ->> 0)::float8 AS x0, (p ->> 1)::float8 AS y0,
                   lead((p ->> 0)::float8) OVER w AS x1, lead((p ->> 1)::float8) OVER w AS y1
            FROM jsonb_array_elements(ring) WITH ORDINALITY p (p, i) WINDOW w AS (ORDER BY i)) s)
       * 111319.4908 * cosd(36.5872) / sqrt(1 - 0.00669438 * sind(36.5872) ^ 2)
       * 110574.2759 / (1 - 0.00669438 * sind(36.5872) ^ 2) ^ 1.5 AS area
FROM feature, jsonb_array_elements(f -> 'geometry' -> 'coordinates') WITH ORDINALITY r (ring, ring_no)
WHERE f -> 'geometry' ->> 'type' = 'Polygon';
SELECT name, count(*) > 0 AS rings, bool_and(doc ->> 'type' = 'FeatureCollection') AS type, bool_or(doc ? 'crs') AS crs,
       bool_and(ring -> 0 = ring -> -1) AS closed, bool_and(jsonb_array_length(ring) >= 4) AS four,
       bool_and(CASE WHEN ring_no = 1 THEN area > 0 ELSE area < 0 END) AS right_hand_rule
FROM ring GROUP BY name ORDER BY 1;
SELECT name, bool_and(scale(v::numeric) <= 7) AS decimals,
       bool_and(CASE WHEN c = 1 THEN v::numeric BETWEEN (doc -> 'bbox' ->> 0)::numeric AND (doc -> 'bbox' ->> 2)::numeric
                     ELSE v::numeric BETWEEN (doc -> 'bbox' ->> 1)::numeric AND (doc -> 'bbox' ->> 3)::numeric END) AS within_bbox
FROM ring, jsonb_array_elements(ring) p, jsonb_array_elements_text(p) WITH ORDINALITY v (v, c)
GROUP BY name ORDER BY 1;
SELECT abs(sum((properties ->> 'area_m2')::float8) FILTER (WHERE ring_no = 1)
           - (SELECT (r ->> 'buildable_area_m2')::float8 FROM ridge)) < 100 AS as_told,
       abs(sum(area) / (SELECT (r ->> 'buildable_area_m2')::float8 FROM ridge) - 1) < 0.001 AS as_drawn
FROM ring WHERE name = 'buildable_area';
SELECT reason, abs(drawn / (SELECT (l ->> 'area_m2')::float8 FROM ridge, jsonb_array_elements(r -> 'area_lost') l
                            WHERE l ->> 'reason' = reason) - 1) < 0.001 AS as_drawn
FROM (SELECT properties ->> 'reason' AS reason, sum(area) AS drawn FROM ring
      WHERE name = 'exclusion_zones' AND properties ->> 'feature_type' = 'excluded_area' GROUP BY 1) e
ORDER BY 1;
-- compartments: one per polygon, the largest first, and they add up
SELECT r ->> 'compartment_count' = (SELECT count(*)::text FROM ring WHERE name = 'buildable_area' AND ring_no = 1) AS count,
       (SELECT bool_and((c ->> 'area_m2')::float8 = (properties ->> 'area_m2')::float8
                        AND c -> 'slope_mean_deg' = properties -> 'slope_mean_deg'
                        AND c -> 'suitability_mean' = properties -> 'suitability_mean')
        FROM jsonb_array_elements(r -> 'compartments') c
        JOIN ring ON name = 'buildable_area' AND ring_no = 1 AND properties -> 'compartment' = c -> 'compartment') AS same,
       (SELECT array_agg((c ->> 'area_m2')::float8) = array_agg((c ->> 'area_m2')::float8 ORDER BY (c ->> 'area_m2')::float8 DESC)
        FROM jsonb_array_elements(r -> 'compartments') c) AS sorted,
       (SELECT bool_and((c ->> 'slope_mean_deg')::float8 BETWEEN 0 AND 15 AND (c ->> 'suitability_mean')::float8 BETWEEN 0 AND 1
                        AND (c -> 'best_place' ->> 'suitability')::float8 >= (c ->> 'suitability_mean')::float8)
        FROM jsonb_array_elements(r -> 'compartments') c) AS within
FROM ridge;
-- no position stands twice in a row, as written
SELECT count(*) AS repeated FROM jsonb_array_elements(convert_from(asyncjob.artifact_data(:job, 'contours'), 'UTF8')::jsonb -> 'features') f,
     LATERAL (SELECT p, lag(p) OVER (ORDER BY n) AS before FROM jsonb_array_elements(f -> 'geometry' -> 'coordinates') WITH ORDINALITY c (p, n)) c WHERE p = before;
-- the report has the slope and the suitability beside the map, each with its colours
SELECT (SELECT count(*) FROM regexp_matches(html, '<svg class="map[^>]*aria-label="[^"]+"', 'g')) AS maps, html ~ 'Map of the slope' AS slope, html ~ 'Map of the suitability' AS suitability,
       (SELECT count(*) FROM regexp_matches(html, 'class="ramp"', 'g')) AS ramps, html !~ '(src|href)="?(https?:)?//' AS alone
FROM convert_from(asyncjob.artifact_data(:job, 'terrain_report.html'), 'UTF8') html;
-- contours: every 10 m of the model's range, on lines that hold the level
SELECT count(DISTINCT f -> 'properties' ->> 'elevation_m')::int = max((f -> 'properties' ->> 'elevation_m')::int) / 10
         - min((f -> 'properties' ->> 'elevation_m')::int) / 10 + 1 AS levels,
       bool_and((f -> 'properties' ->> 'elevation_m')::numeric % 10 = 0) AS multiples,
       bool_and((f -> 'properties' ->> 'index')::boolean = ((f -> 'properties' ->> 'elevation_m')::numeric % 50 = 0)) AS index_lines,
       bool_and(f -> 'geometry' ->> 'type' = 'LineString' AND jsonb_array_length(f -> 'geometry' -> 'coordinates') > 1) AS lines
FROM jsonb_array_elements(convert_from(asyncjob.artifact_data(:job, 'contours'), 'UTF8')::jsonb -> 'features') f;
-- the ruggedness index looks 3.5 km around and says how much of that it knew
SELECT (r -> 'rix' ->> 'value')::float8 BETWEEN 0.1 AND 0.9 AS rix, (r -> 'rix' ->> 'known_share')::float8 > 0.9 AS known
FROM ridge;
-- zones come back as they were given
SELECT f -> 'properties' AS properties, f -> 'geometry' ->> 'type' AS type
FROM jsonb_array_elements(convert_from(asyncjob.artifact_data(:job, 'exclusion_zones'), 'UTF8')::jsonb -> 'features') WITH ORDINALITY f (f, n)
WHERE f -> 'properties' ->> 'feature_type' = 'exclusion' ORDER BY n;
-- the same job twice gives the same bytes
SELECT asyncjob.submit('terrain', '{"site": "terrain_ridge", "dem": "terrain_wgs84", "max_slope_deg": 15}') AS again \gset
SELECT state FROM asyncjob.wait(:again, '60s');
SELECT asyncjob.result(:job)::text = asyncjob.result(:again)::text AS result,
       (SELECT array_agg(sha256 ORDER BY name) FROM asyncjob.artifacts(:job))
         = (SELECT array_agg(sha256 ORDER BY name) FROM asyncjob.artifacts(:again)) AS artifacts;

RESET SESSION AUTHORIZATION;
DELETE FROM asyncjob.dem WHERE name LIKE 'terrain\_%';
DELETE FROM asyncjob.site WHERE name LIKE 'terrain\_%';
DROP OWNED BY regress_terrain;
DROP ROLE regress_terrain;
