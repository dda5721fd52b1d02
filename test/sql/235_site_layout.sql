--
-- site_layout: assets, roads and earthwork against closed forms, and what
-- the source documents' planner got wrong
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS asyncjob;
CREATE ROLE regress_site LOGIN;
SELECT asyncjob.grant_usage('regress_site');
SET SESSION AUTHORIZATION regress_site;
\getenv abs_srcdir PG_ABS_SRCDIR
\set SHOW_CONTEXT never
-- 120 x 120 cells of 10 m in UTM zone 32, from 9 E, 49.65254 N: z = c + a x + b y
CREATE FUNCTION pg_temp.plane(a float8, b float8) RETURNS text LANGUAGE sql AS $$
    SELECT E'ncols 120\nnrows 120\nxllcorner 500000\nyllcorner 5500000\ncellsize 10\n' ||
           string_agg(line, E'\n' ORDER BY y DESC)
    FROM (SELECT y, string_agg((1000 + a * (10 * x + 5) + b * (10 * y + 5))::text, ' ' ORDER BY x) AS line
          FROM generate_series(0, 119) x, generate_series(0, 119) y GROUP BY y) l
$$;
SELECT asyncjob.load_dem('site_flat', pg_temp.plane(0, 0), 32632) ->> 'complete' AS flat,
       asyncjob.load_dem('site_north5', pg_temp.plane(0, 0.05), 32632) ->> 'complete' AS north5,
       asyncjob.load_dem('site_north15', pg_temp.plane(0, 0.15), 32632) ->> 'complete' AS north15;
-- metres on the ellipsoid, near enough over a kilometre
CREATE FUNCTION pg_temp.metres(lon0 float8, lat0 float8, lon1 float8, lat1 float8) RETURNS float8 LANGUAGE sql AS $$
    SELECT sqrt(((lon1 - lon0) * 111319.4908 * cosd(m) / sqrt(1 - 0.00669438 * sind(m) ^ 2)) ^ 2
              + ((lat1 - lat0) * 110574.2759 / (1 - 0.00669438 * sind(m) ^ 2) ^ 1.5) ^ 2)
    FROM (VALUES ((lat0 + lat1) / 2)) v (m)
$$;
-- a square kilometre with an entry in the west, and what else is given
CREATE FUNCTION pg_temp.site(more jsonb DEFAULT '[]') RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('type', 'FeatureCollection', 'features', '[
        {"type": "Feature", "properties": {"feature_type": "site_boundary"},
         "geometry": {"type": "Polygon", "coordinates": [[[9.0014, 49.65344], [9.0152, 49.65344], [9.0152, 49.66244], [9.0014, 49.66244], [9.0014, 49.65344]]]}},
        {"type": "Feature", "properties": {"feature_type": "entry_point"},
         "geometry": {"type": "Point", "coordinates": [9.0018, 49.658]}}]'::jsonb || more)
$$;
CREATE FUNCTION pg_temp.lay(dem text, site jsonb, params jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT asyncjob.run('site_layout', jsonb_build_object('dem', dem, 'site', site) || params)
$$;

--
-- level ground: nothing is moved, the target is met, all rules are kept
--
CREATE TEMP TABLE flat AS SELECT pg_temp.lay('site_flat', pg_temp.site(), '{}') AS r;
SELECT r -> 'metrics' ->> 'total_capacity_kw' AS kw, r -> 'metrics' ->> 'asset_count' AS assets,
       r -> 'metrics' ->> 'cut_volume_m3' AS cut, r -> 'metrics' ->> 'fill_volume_m3' AS fill,
       r -> 'metrics' ->> 'max_road_grade_pct' AS grade, r -> 'metrics' ->> 'rules_failed' AS failed,
       r -> 'grid' ->> 'resolution_m' AS cell_m
FROM flat;
SELECT a ->> 'asset_type' AS asset_type, a ->> 'count' AS count, a ->> 'capacity_kw_each' AS kw
FROM flat, jsonb_array_elements(r -> 'metrics' -> 'assets_by_type') a;
SELECT c ->> 'rule' AS rule, coalesce(c ->> 'at_least', c ->> 'at_most') AS "limit", c ->> 'passed' AS passed
FROM flat, jsonb_array_elements(r -> 'variants' -> 0 -> 'compliance') c;
-- a capacity is that of the footprint's area, the same each time
SELECT bool_and((p ->> 'capacity_kw')::numeric = (p ->> 'footprint_length_m')::numeric * (p ->> 'footprint_width_m')::numeric *
                CASE p ->> 'asset_type' WHEN 'battery' THEN 1.0 WHEN 'generator' THEN 2.5 ELSE 4.0 END) AS from_area
FROM flat, jsonb_array_elements(r -> 'variants' -> 0 -> 'assets' -> 'features') f, LATERAL (SELECT f -> 'properties' AS p) p;
SELECT r::text = pg_temp.lay('site_flat', pg_temp.site(), '{}')::text AS same_again FROM flat;
-- pads are as far apart as told, whatever pair: exact places, not cells
WITH a AS (SELECT n, (f -> 'properties' ->> 'pad_m')::float8 AS pad,
                  (f -> 'geometry' -> 'coordinates' ->> 0)::float8 AS lon, (f -> 'geometry' -> 'coordinates' ->> 1)::float8 AS lat
           FROM flat, jsonb_array_elements(r -> 'variants' -> 0 -> 'assets' -> 'features') WITH ORDINALITY f (f, n))
SELECT count(*) AS pairs, bool_and(greatest(pg_temp.metres(a.lon, a.lat, b.lon, a.lat), pg_temp.metres(a.lon, a.lat, a.lon, b.lat))
                                   - (a.pad + b.pad) / 2 >= 14.9) AS apart
FROM a JOIN a b ON a.n < b.n;

--
-- A road due east is as long as the ground, in UTM and in degrees: one cell
-- size for both, or degrees times 111 km, would make it half as long again
-- here, and 25 % too long at 36.6 N.
--
SELECT asyncjob.load_dem('site_degrees', E'ncols 80\nnrows 60\nxllcorner 9.0\nyllcorner 49.65254\ncellsize 0.0002\n' ||
       (SELECT string_agg('500', ' ') FROM generate_series(1, 4800))) ->> 'complete' AS degrees;
\set east '{"target_capacity_kw": 0, "substations": 0, "fixed_assets": [{"asset_type": "substation", "longitude": 9.0138, "latitude": 49.658, "name": "east"}]}'
SELECT dem, abs((r -> 'metrics' ->> 'road_length_m')::float8 / (pg_temp.metres(9.0018, 49.658, 9.0138, 49.658) - 12.5) - 1) < 0.01 AS as_ground,
       r -> 'metrics' ->> 'asset_count' AS assets
FROM (VALUES ('site_flat'), ('site_degrees')) d (dem), LATERAL pg_temp.lay(dem, pg_temp.site(), :'east') r;
SELECT asyncjob.load_dem('site_south', E'ncols 80\nnrows 80\nxllcorner -84.3\nyllcorner 36.59\ncellsize 0.0002\n' ||
       (SELECT string_agg('500', ' ') FROM generate_series(1, 6400))) ->> 'complete' AS degrees;
SELECT abs((r -> 'metrics' ->> 'road_length_m')::float8 / (pg_temp.metres(-84.298, 36.598, -84.286, 36.598) - 12.5) - 1) < 0.01 AS as_ground
FROM pg_temp.lay('site_south', '{"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": {"feature_type": "site_boundary"},
         "geometry": {"type": "Polygon", "coordinates": [[[-84.2985, 36.592], [-84.285, 36.592], [-84.285, 36.604], [-84.2985, 36.604], [-84.2985, 36.592]]]}},
        {"type": "Feature", "properties": {"feature_type": "entry_point"},
         "geometry": {"type": "Point", "coordinates": [-84.298, 36.598]}}]}',
    '{"target_capacity_kw": 0, "substations": 0, "fixed_assets": [{"asset_type": "substation", "longitude": -84.286, "latitude": 36.598}]}') r;

-- and as long in the south, in another zone
SELECT asyncjob.load_dem('site_cape', E'ncols 120\nnrows 120\nxllcorner 300000\nyllcorner 6250000\ncellsize 10\n' ||
       (SELECT string_agg('100', ' ') FROM generate_series(1, 14400)), 32734) ->> 'complete' AS cape;
SELECT abs((r -> 'metrics' ->> 'road_length_m')::float8 / (pg_temp.metres(18.8405, -33.866, 18.8485, -33.866) - 12.5) - 1) < 0.01 AS as_ground,
       r -> 'grid' ->> 'epsg' AS epsg
FROM pg_temp.lay('site_cape', '{"type": "FeatureCollection", "features": [
        {"type": "Feature", "properties": {"feature_type": "site_boundary"},
         "geometry": {"type": "Polygon", "coordinates": [[[18.8395, -33.87], [18.8495, -33.87], [18.8495, -33.863], [18.8395, -33.863], [18.8395, -33.87]]]}},
        {"type": "Feature", "properties": {"feature_type": "entry_point"},
         "geometry": {"type": "Point", "coordinates": [18.8405, -33.866]}}]}',
    '{"target_capacity_kw": 0, "substations": 0, "fixed_assets": [{"asset_type": "substation", "longitude": 18.8485, "latitude": -33.866}]}') r;

--
-- pads: level where cut makes the fill. s L^3 / 8 on a plane of slope s.
--
\set pad '{"target_capacity_kw": 0, "substations": 0, "batter_cut": 0, "batter_fill": 0, "assets": {"battery": {"pad_m": 25}}, "fixed_assets": [{"asset_type": "battery", "longitude": 9.008, "latitude": 49.658}]}'
SELECT abs((r -> 'metrics' ->> 'pad_cut_m3')::float8 / 97.65625 - 1) < 0.005 AS cut,
       abs((r -> 'metrics' ->> 'pad_fill_m3')::float8 / 97.65625 - 1) < 0.005 AS fill
FROM pg_temp.lay('site_north5', pg_temp.site(), :'pad'::jsonb || '{"shrink": 1}') r;
-- compacted to 0.9, loosened by 1.25
SELECT abs(0.9 * cut - fill) < 0.2 AS balanced, abs((r -> 'metrics' ->> 'cut_loose_m3')::float8 - 1.25 * total_cut) < 0.2 AS loose,
       abs((r -> 'metrics' ->> 'surplus_cut_m3')::float8 - (total_cut - total_fill / 0.9)) < 0.3 AS surplus,
       abs(total_cut - cut - (r -> 'metrics' ->> 'road_cut_m3')::float8) < 0.2 AS adds_up
FROM pg_temp.lay('site_north5', pg_temp.site(), :'pad') r,
     LATERAL (SELECT (r -> 'metrics' ->> 'pad_cut_m3')::float8 AS cut, (r -> 'metrics' ->> 'pad_fill_m3')::float8 AS fill,
                     (r -> 'metrics' ->> 'cut_volume_m3')::float8 AS total_cut, (r -> 'metrics' ->> 'fill_volume_m3')::float8 AS total_fill) v;

--
-- A hillside of 15 % to the north. Along the contour a road is level and
-- moves s (w / 2)^2 / 2 / (1 - 2 s) to each side per metre; its rule on the
-- asset's slope is broken, which is a result.
--
CREATE TEMP TABLE hill AS SELECT pg_temp.lay('site_north15', pg_temp.site(), :'east') AS r;
SELECT abs((r -> 'metrics' ->> 'road_cut_m3')::float8 / (r -> 'metrics' ->> 'road_length_m')::float8 / (0.15 * 2.5 ^ 2 / 2 / (1 - 0.3)) - 1) < 0.05 AS cut,
       abs((r -> 'metrics' ->> 'road_fill_m3')::float8 / (r -> 'metrics' ->> 'road_length_m')::float8 / (0.15 * 2.5 ^ 2 / 2 / (1 - 0.3)) - 1) < 0.05 AS fill,
       abs((f -> 'properties' -> 'stationing' -> 10 ->> 'grade_pct')::float8) < 0.3 AS level,
       r -> 'metrics' ->> 'rules_failed' AS failed
FROM hill, jsonb_array_elements(r -> 'variants' -> 0 -> 'roads' -> 'features') f;
SELECT c ->> 'rule' AS rule, c ->> 'at_most' AS at_most, round((c ->> 'worst')::numeric, 2) AS worst, c ->> 'subject' AS subject
FROM hill, jsonb_array_elements(r -> 'variants' -> 0 -> 'compliance') c WHERE c ->> 'passed' = 'false';
-- Uphill the road winds: the grade is that along it, not the ground's
-- slope; nine hundred metres at 15 % are at least 1350 at 10 %.
CREATE TEMP TABLE up AS
SELECT pg_temp.lay('site_north15', pg_temp.site(),
    '{"target_capacity_kw": 0, "substations": 0, "fixed_assets": [{"asset_type": "battery", "longitude": 9.0018, "latitude": 49.6615},
      {"asset_type": "battery", "longitude": 9.008, "latitude": 49.6545, "name": "south"}]}') AS r;
SELECT r -> 'metrics' ->> 'max_road_grade_pct' AS max_grade_pct,
       (f -> 'properties' ->> 'length_m')::float8 > 0.15 / 0.1 * 370 AS winds, f -> 'properties' ->> 'road_class' AS class,
       f -> 'properties' ->> 'kpi_flags' AS flags
FROM up, jsonb_array_elements(r -> 'variants' -> 0 -> 'roads' -> 'features') f WHERE f -> 'properties' ->> 'to' <> 'south';
-- stations every 25 m, the grade between them kept, the ends told
SELECT bool_and(abs((s ->> 'grade_pct')::float8) <= 10.001) AS grades,
       bool_and((s ->> 'station_m')::float8 - coalesce((before ->> 'station_m')::float8, 0) <= 30) AS intervals,
       bool_and(s ?& ARRAY['station_m', 'x', 'y', 'elevation_m', 'grade_pct', 'ground_m', 'cut_m2', 'fill_m2']) AS keys
FROM (SELECT s, lag(s) OVER (PARTITION BY f ORDER BY n) AS before
      FROM up, jsonb_array_elements(r -> 'variants' -> 0 -> 'roads' -> 'features') f,
           jsonb_array_elements(f -> 'properties' -> 'stationing') WITH ORDINALITY s (s, n)) v;
-- volumes by average end areas and by prismoids agree
SELECT abs((r -> 'metrics' ->> 'road_cut_m3')::float8 / (r -> 'metrics' ->> 'road_cut_prismoidal_m3')::float8 - 1) < 0.02 AS cut,
       abs((r -> 'metrics' ->> 'road_fill_m3')::float8 / (r -> 'metrics' ->> 'road_fill_prismoidal_m3')::float8 - 1) < 0.02 AS fill
FROM up;

--
-- Exclusions. A wall across the site with a gap in the north: the road takes
-- it; without the gap there is none, and no straight line.
--
CREATE FUNCTION pg_temp.wall(north float8) RETURNS jsonb LANGUAGE sql AS $$
    SELECT pg_temp.site(jsonb_build_array(jsonb_build_object('type', 'Feature',
        'properties', '{"feature_type": "exclusion", "zone_type": "safety", "buffer_m": 10}'::jsonb,
        'geometry', jsonb_build_object('type', 'LineString', 'coordinates', jsonb_build_array(
            jsonb_build_array(9.008, 49.6530), jsonb_build_array(9.008, north))))))
$$;
SELECT (r -> 'metrics' ->> 'road_length_m')::float8
       BETWEEN pg_temp.metres(9.0018, 49.658, 9.008, 49.6618) + pg_temp.metres(9.008, 49.6618, 9.0138, 49.658) - 30
           AND pg_temp.metres(9.0018, 49.658, 9.008, 49.6618) + pg_temp.metres(9.008, 49.6618, 9.0138, 49.658) + 60 AS by_the_gap
FROM pg_temp.lay('site_flat', pg_temp.wall(49.6616), :'east') r;
SELECT pg_temp.lay('site_flat', pg_temp.wall(49.6630), :'east');
-- the layout that may choose stays on this side
SELECT r -> 'metrics' ->> 'asset_count' AS assets,
       (SELECT bool_and((f -> 'geometry' -> 'coordinates' ->> 0)::float8 < 9.008)
        FROM jsonb_array_elements(r -> 'variants' -> 0 -> 'assets' -> 'features') f) AS this_side
FROM pg_temp.lay('site_flat', pg_temp.wall(49.6630), '{}') r;
-- too steep is another reason
SELECT pg_temp.lay('site_north15', pg_temp.site(), '{"max_road_grade_pct": 3, "target_capacity_kw": 0, "substations": 0,
    "fixed_assets": [{"asset_type": "battery", "longitude": 9.0018, "latitude": 49.6615, "name": "hilltop"}]}');
-- a road keeps its whole width out of a zone's buffer, in metres
\set zone '[{"type": "Feature", "properties": {"feature_type": "exclusion", "zone_type": "building", "buffer_m": 150}, "geometry": {"type": "Point", "coordinates": [9.0078, 49.658]}}]'
CREATE TEMP TABLE around AS SELECT pg_temp.lay('site_flat', pg_temp.site(:'zone'), :'east') AS r;
WITH p AS (SELECT n, (p ->> 0)::float8 AS lon, (p ->> 1)::float8 AS lat,
                  lag((p ->> 0)::float8) OVER w AS lon0, lag((p ->> 1)::float8) OVER w AS lat0
           FROM around, jsonb_array_elements(r -> 'variants' -> 0 -> 'roads' -> 'features') f,
                jsonb_array_elements(f -> 'geometry' -> 'coordinates') WITH ORDINALITY p (p, n) WINDOW w AS (ORDER BY n))
SELECT min(pg_temp.metres(lon0 + t * (lon - lon0) / 50, lat0 + t * (lat - lat0) / 50, 9.0078, 49.658)) BETWEEN 152.5 AND 175 AS clear
FROM p, generate_series(0, 50) t WHERE lon0 IS NOT NULL;
SELECT (r -> 'metrics' ->> 'road_length_m')::float8 > pg_temp.metres(9.0018, 49.658, 9.0138, 49.658) + 40 AS goes_around FROM around;

-- a zone that costs instead of excluding: cheap, it is crossed; dear, not;
-- it takes no buildable ground
CREATE FUNCTION pg_temp.field(multiplier float8) RETURNS jsonb LANGUAGE sql AS $$
    SELECT pg_temp.site(jsonb_build_array(jsonb_build_object('type', 'Feature',
        'properties', jsonb_build_object('feature_type', 'exclusion', 'zone_type', 'field', 'cost_multiplier', multiplier),
        'geometry', '{"type": "Polygon", "coordinates": [[[9.007, 49.6565], [9.009, 49.6565], [9.009, 49.6595], [9.007, 49.6595], [9.007, 49.6565]]]}'::jsonb)))
$$;
SELECT multiplier, round((r -> 'metrics' ->> 'road_length_m')::numeric / (SELECT (s -> 'metrics' ->> 'road_length_m')::numeric
       FROM pg_temp.lay('site_flat', pg_temp.site(), :'east') s), 1) AS times_as_long
FROM (VALUES (0.5), (1.2), (50), (100)) v (multiplier), LATERAL pg_temp.lay('site_flat', pg_temp.field(multiplier), :'east') r ORDER BY 1;
SELECT a ->> 'buildable_area_m2' = b ->> 'buildable_area_m2' AS soft, a ->> 'buildable_area_m2' = c ->> 'buildable_area_m2' AS hard
FROM asyncjob.run('terrain', jsonb_build_object('dem', 'site_flat', 'site', pg_temp.site())) a,
     asyncjob.run('terrain', jsonb_build_object('dem', 'site_flat', 'site', pg_temp.field(99.9))) b,
     asyncjob.run('terrain', jsonb_build_object('dem', 'site_flat', 'site', pg_temp.field(100))) c;
SELECT asyncjob.submit('site_layout', jsonb_build_object('site', pg_temp.field(0)));

--
-- the demo's ridge: variants compared
--
\set read 'cat ' :abs_srcdir '/data/dem/jacksboro_wgs84.asc'
\set wgs84 `:read`
SELECT asyncjob.load_dem('site_ridge', :'wgs84') ->> 'complete' AS complete;
\set read 'cat ' :abs_srcdir '/data/site/demo_site_jacksboro.geojson'
\set geojson `:read`
SELECT asyncjob.load_site('site_ridge', :'geojson') ->> 'zones' AS zones;
SELECT asyncjob.submit('site_layout', '{"site": "site_ridge", "dem": "site_ridge", "profile": "hybrid", "target_capacity_kw": 3000,
    "variants": ["balanced", "density", "low_earthwork", {"name": "near", "strategy": "clustered"}]}') AS job \gset
SELECT status IN ('queued', 'processing', 'completed') AS under_way FROM asyncjob.get_layout_status(:job);
SELECT state, progress FROM asyncjob.wait(:job, '120s');
CREATE TEMP TABLE ridge AS SELECT asyncjob.result(:job) AS r;
SELECT v ->> 'name' AS name, v ->> 'strategy' AS strategy, (v -> 'metrics' ->> 'total_capacity_kw')::float8 >= 3000 AS reached,
       v -> 'metrics' ->> 'asset_count' AS assets, v -> 'metrics' ->> 'rules_failed' AS failed,
       (v -> 'metrics' ->> 'max_road_grade_pct')::float8 <= 10.0001 AS grade,
       (v -> 'metrics' ->> 'min_spacing_m')::float8 >= CASE v ->> 'strategy' WHEN 'balanced' THEN 15 WHEN 'density' THEN 10
                                                       WHEN 'low_earthwork' THEN 20 ELSE 12 END AS spacing
FROM ridge, jsonb_array_elements(r -> 'variants') WITH ORDINALITY v (v, n) ORDER BY n;
-- recommended: fewest broken rules, then least earth for a kilowatt; clustered by road is nearest
SELECT (SELECT count(*) FROM jsonb_array_elements(r -> 'variants') v WHERE (v ->> 'recommended')::boolean) AS recommended,
       (SELECT v ->> 'name' FROM jsonb_array_elements(r -> 'variants') v
        ORDER BY (v -> 'metrics' ->> 'rules_failed')::int, (v ->> 'earth_m3_per_kw')::float8 LIMIT 1) = r ->> 'variant' AS the_best,
       (SELECT v ->> 'name' FROM jsonb_array_elements(r -> 'variants') v WHERE v ->> 'strategy' <> 'low_earthwork'
        ORDER BY (v -> 'metrics' ->> 'road_length_m')::float8 LIMIT 1) AS shortest_roads
FROM ridge;
-- low_earthwork is what it says, with the roads counted
SELECT (l -> 'metrics' ->> 'cut_volume_m3')::float8 + (l -> 'metrics' ->> 'fill_volume_m3')::float8 <=
       (b -> 'metrics' ->> 'cut_volume_m3')::float8 + (b -> 'metrics' ->> 'fill_volume_m3')::float8 AS less_earth,
       l ->> 'strategy' AS strategy, (l -> 'metrics' ->> 'min_spacing_m')::float8 >= 20 AS spacing
FROM pg_temp.lay('site_ridge', '"site_ridge"', '{"profile": "solar_farm", "target_capacity_kw": 3000, "max_road_grade_pct": 12, "variants": ["balanced", "low_earthwork"]}') r,
     LATERAL (SELECT r -> 'variants' -> 0 AS b, r -> 'variants' -> 1 AS l) v;
-- the same words as the source documents' status
SELECT s.status, s.error_message, s.total_capacity_kw = (m ->> 'total_capacity_kw')::float8 AS kw, s.asset_count = (m ->> 'asset_count')::int AS assets,
       s.road_length_m = (m ->> 'road_length_m')::float8 AS roads, s.cut_volume_m3 = (m ->> 'cut_volume_m3')::float8 AS cut,
       s.fill_volume_m3 = (m ->> 'fill_volume_m3')::float8 AS fill
FROM asyncjob.get_layout_status(:job) s, (SELECT r -> 'metrics' AS m FROM ridge) r;
SELECT name, kind, media_type, size > 50 AS size FROM asyncjob.artifacts(:job)
WHERE name NOT LIKE '%.density' AND name NOT LIKE '%.near' AND name NOT LIKE '%.balanced' AND name NOT LIKE '%.low\_earthwork'
ORDER BY name COLLATE "C";
-- all that is made is kept for as long
SELECT a.name, a.kind FROM asyncjob.artifacts(:job) a WHERE NOT EXISTS (SELECT FROM asyncjob.retention_defaults d WHERE d.kind = 'artifact:' || a.kind AND d.keep = '30 days');
-- the report: one file, nothing fetched, names escaped
SELECT r ->> 'report' AS report, html LIKE '<!DOCTYPE html>%' AND html LIKE '%</html>%' AS whole,
       html !~* '(src|href)="?(https?:)?//' AND html !~* '<script' AS alone,
       html LIKE '%<h2>Variants</h2>%' AND html LIKE '%Profiles of the longest roads%' AS sections,
       (SELECT count(*) FROM regexp_matches(html, '<rect[^>]*/><rect', 'g')) = (r -> 'metrics' ->> 'asset_count')::int AS pads_drawn
FROM ridge, convert_from(asyncjob.artifact_data(:job, 'report.html'), 'UTF8') html;
SELECT asyncjob.submit('site_layout', jsonb_build_object('dem', 'site_flat', 'site', pg_temp.site(), 'title', '<b>x</b>',
      'fixed_assets', '[{"asset_type": "battery", "longitude": 9.008, "latitude": 49.658, "name": "<b>x</b>"}]'::jsonb)) AS titled \gset
SELECT state FROM asyncjob.wait(:titled, '60s');
SELECT html LIKE '%<b>x</b>%' AS raw, html LIKE '%&lt;b&gt;x&lt;/b&gt;%' AS escaped
FROM convert_from(asyncjob.artifact_data(:titled, 'report.html'), 'UTF8') html;
SELECT asyncjob.step_site_report('{"site": "site_ridge"}');
-- every asset stands on ground that it bears, clear of what is excluded
SELECT count(*) AS assets, bool_and((p ->> 'constraint_margin_m')::float8 >= 0) AS clear,
       bool_and((p ->> 'slope_deg')::float8 <= CASE p ->> 'asset_type' WHEN 'solar_array' THEN 10 WHEN 'battery' THEN 4
                                               WHEN 'generator' THEN 5 ELSE 3 END) AS slope
FROM ridge, jsonb_array_elements(r -> 'variants') v, jsonb_array_elements(v -> 'assets' -> 'features') f, LATERAL (SELECT f -> 'properties' AS p) p;
-- turbines keep their distance
SELECT a ->> 'count' AS turbines FROM pg_temp.lay('site_ridge', '"site_ridge"', '{"profile": "wind_hybrid", "target_capacity_kw": 10000, "max_road_grade_pct": 12}') r,
    jsonb_array_elements(r -> 'metrics' -> 'assets_by_type') a WHERE a ->> 'asset_type' = 'wind_turbine';

--
-- KML
--
\set read 'cat ' :abs_srcdir '/data/site/demo_site_jacksboro.kml'
\set kml `:read`
SELECT k ->> 'area_m2' = g.area AS same_area, k ->> 'ignored_placemarks' AS ignored
FROM asyncjob.load_site_kml('site_kml', :'kml') k, (SELECT area_m2::text AS area FROM asyncjob.site WHERE name = 'site_ridge') g;
SELECT r -> 'metrics' ->> 'asset_count' AS assets FROM pg_temp.lay('site_ridge', '"site_kml"', '{}') r;
SELECT jsonb_pretty(asyncjob.kml_to_geojson('<kml xmlns="http://www.opengis.net/kml/2.2"><Document>
  <Placemark><name>A &amp; B</name><Polygon><outerBoundaryIs><LinearRing><coordinates> 9,50,0
     9.1,50 9.1,50.1 9,50.1,0 9,50</coordinates></LinearRing></outerBoundaryIs>
    <innerBoundaryIs><LinearRing><coordinates>9.04,50.04 9.05,50.04 9.05,50.05 9.04,50.04</coordinates></LinearRing></innerBoundaryIs></Polygon></Placemark>
  <Placemark><name>pond</name><ExtendedData><Data name="feature_type"><value>exclusion</value></Data><Data name="zone_type"><value>water</value></Data><Data name="buffer_m"><value>20</value></Data></ExtendedData>
    <Point><coordinates>9.02,50.02,100</coordinates></Point></Placemark>
  <Placemark><name>note</name><Point><coordinates>9.02,50.02</coordinates></Point></Placemark></Document></kml>'));
SELECT asyncjob.load_site_kml('site_bad', '<kml><Placemark><LineString><coordinates>9,50 9.1,50</coordinates></LineString></Placemark></kml>');
SELECT asyncjob.kml_to_geojson(E'\n<?xml version="1.0"?><kml><Placemark><Polygon><outerBoundaryIs><LinearRing><coordinates>9,50 9.1,50 9.1,50.1 9,50</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark></kml>')
       = asyncjob.kml_to_geojson(chr(65279) || E'<?xml version="1.0"?><kml><Placemark><Polygon><outerBoundaryIs><LinearRing><coordinates>9,50 9.1,50 9.1,50.1 9,50</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark></kml>') AS as_editors_save_it;
SELECT asyncjob.load_site_kml('site_bad', 'PK');
SELECT asyncjob.load_site_kml('site_bad', '<kml><Placemark>');
SELECT asyncjob.load_site_kml('site_bad', '');
SELECT asyncjob.load_site_kml('site_bad', '<kml><Placemark><Polygon><outerBoundaryIs><LinearRing><coordinates>9;50 9.1;50</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark></kml>');
SELECT asyncjob.load_site_kml('site_bad', '<kml><Placemark><Polygon><outerBoundaryIs><LinearRing><coordinates>9,50 9.1,50.1 9.1,50 9,50.1 9,50</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark></kml>');
SELECT asyncjob.load_site_kml('site_bad', '<kml><Placemark><Polygon><outerBoundaryIs><LinearRing><coordinates>50,109 50,109.1 50.1,109.1 50,109</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark></kml>');
SELECT asyncjob.load_site_kml('site_bad', repeat(' ', 10 * 1024 * 1024 + 1));
-- entities, which could read files, are refused
SELECT asyncjob.kml_to_geojson('<!DOCTYPE kml [<!ENTITY x SYSTEM "file:///etc/passwd">]><kml><Placemark><name>&x;</name><Polygon><outerBoundaryIs><LinearRing><coordinates>9,50 9.1,50 9.1,50.1 9,50</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark></kml>')
       -> 'features' -> 0 -> 'properties' AS properties;
SELECT count(*) AS stored FROM asyncjob.site WHERE name = 'site_bad';

--
-- refused before anything is stored
--
\set VERBOSITY default
SELECT asyncjob.submit('site_layout', '{"site": "site_ridge", "strategy": "dense"}');
SELECT asyncjob.submit('site_layout', '{"site": "site_ridge", "variants": ["balanced", "balancd"]}');
SELECT asyncjob.submit('site_layout', '{"site": "site_ridge", "variants": ["balanced", {"strategy": "balanced"}]}');
SELECT asyncjob.submit('site_layout', '{"site": "site_ridge", "profile": "nuclear"}');
SELECT asyncjob.submit('site_layout', '{"site": "site_ridge", "target_capacity_kw": 9000000}');
SELECT asyncjob.submit('site_layout', '{"site": "site_ridge", "target_capacity_kw": 0, "substations": 0}');
SELECT asyncjob.submit('site_layout', '{"site": "site_ridge", "max_road_grade_pct": 90}');
SELECT asyncjob.submit('site_layout', '{"site": "site_ridge", "assets": {"batery": {}}}');
SELECT asyncjob.submit('site_layout', '{"site": "site_ridge", "assets": {"battery": {"pad_m": 5}}}');
SELECT asyncjob.submit('site_layout', '{"site": "site_ridge", "fixed_assets": [{"longitude": 1, "latitude": 2}]}');
SELECT asyncjob.submit('site_layout', '{"site": "site_ridge", "road_with_m": 5}');
-- infeasible, as the job finds
SELECT pg_temp.lay('site_north15', pg_temp.site(), '{}');
SELECT pg_temp.lay('site_flat', pg_temp.site(), '{"profile": "solar_farm", "target_capacity_kw": 400000}');
SELECT pg_temp.lay('site_flat', pg_temp.site(:'zone'), '{"fixed_assets": [{"asset_type": "battery", "longitude": 9.0078, "latitude": 49.6581, "name": "in the house"}]}');
SELECT pg_temp.lay('site_flat', pg_temp.site(), '{"fixed_assets": [{"asset_type": "battery", "longitude": 9.5, "latitude": 49.6581}]}');
SELECT pg_temp.lay('site_flat', pg_temp.site('[{"type": "Feature", "properties": {"feature_type": "exclusion", "buffer_m": 200}, "geometry": {"type": "Point", "coordinates": [9.0018, 49.658]}}]'), '{}');

--
-- each refusal has its code, its category and what to do; a job ends at once, and says so
--
CREATE FUNCTION pg_temp.refusal(statement text, OUT code text, OUT category text, OUT hint text) LANGUAGE plpgsql AS $$
DECLARE
    state text;
BEGIN
    EXECUTE statement;
    code := 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, code = CONSTRAINT_NAME, hint = PG_EXCEPTION_HINT;
    category := CASE state WHEN 'AJ101' THEN 'validation' WHEN 'AJ102' THEN 'infeasible' ELSE state END;
END $$;
CREATE FUNCTION pg_temp.layout(dem text, site jsonb, params jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT format('SELECT asyncjob.run(''site_layout'', %L)', jsonb_build_object('dem', dem, 'site', site) || params)
$$;
\pset format unaligned
SELECT code, category, hint FROM (VALUES
    (1, format('SELECT asyncjob.load_site_kml(''site_bad'', %L)', repeat(' ', 10 * 1024 * 1024 + 1))),
    (2, 'SELECT asyncjob.load_site_kml(''site_bad'', ''<kml><Placemark><Point><coordinates>9,50</coordinates></Point></Placemark></kml>'')'),
    (3, 'SELECT asyncjob.load_site_kml(''site_bad'', ''<kml><Placemark>'')'),
    (4, pg_temp.layout('site_flat', pg_temp.wall(49.6630), :'east')),
    (5, pg_temp.layout('site_north15', pg_temp.site(), '{"max_road_grade_pct": 3, "target_capacity_kw": 0, "substations": 0, "fixed_assets": [{"asset_type": "battery", "longitude": 9.0018, "latitude": 49.6615, "name": "hilltop"}]}')),
    (6, pg_temp.layout('site_north15', pg_temp.site(), '{}')),
    (7, pg_temp.layout('site_flat', pg_temp.site(), '{"fixed_assets": [{"asset_type": "battery", "longitude": 9.5, "latitude": 49.6581}]}')),
    (8, pg_temp.layout('site_flat', pg_temp.site('[{"type": "Feature", "properties": {"feature_type": "exclusion", "buffer_m": 200}, "geometry": {"type": "Point", "coordinates": [9.0018, 49.658]}}]'), '{}')),
    (9, pg_temp.layout('site_flat', pg_temp.site('[{"type": "Feature", "properties": {"feature_type": "exclusion", "buffer_m": 5000}, "geometry": {"type": "Point", "coordinates": [9.0018, 49.658]}}]') #- '{features,1}', '{}'))) v (n, s),
    LATERAL pg_temp.refusal(s) ORDER BY n;
\pset format aligned
SELECT asyncjob.submit('site_layout', jsonb_build_object('dem', 'site_flat', 'site', pg_temp.wall(49.6630)) || :'east') AS walled \gset
SELECT state, error_code, error_category, attempt, error_hint IS NOT NULL AS hint FROM asyncjob.wait(:walled, '60s');

RESET SESSION AUTHORIZATION;
DELETE FROM asyncjob.dem WHERE name LIKE 'site\_%';
DELETE FROM asyncjob.site WHERE name LIKE 'site\_%';
DROP OWNED BY regress_site;
DROP ROLE regress_site;
