--
-- Inputs of the analyses: what the loaders store, and who sees it
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS asyncjob;
CREATE ROLE regress_inputs LOGIN;
CREATE ROLE regress_inputs_other LOGIN;
SELECT asyncjob.grant_usage('regress_inputs'), asyncjob.grant_usage('regress_inputs_other');
SET SESSION AUTHORIZATION regress_inputs;
\getenv abs_srcdir PG_ABS_SRCDIR
\set SHOW_CONTEXT never

--
-- elevation: figures of the files (cells counted with awk)
--
\set read 'cat ' :abs_srcdir '/data/dem/jacksboro_wgs84.asc'
\set wgs84 `:read`
\set read 'cat ' :abs_srcdir '/data/dem/jacksboro_utm16_90m.asc'
\set utm `:read`
SELECT d ->> 'name' AS name, d ->> 'epsg' AS epsg, d ->> 'ncols' AS ncols, d ->> 'nrows' AS nrows,
       d ->> 'min_m' AS min_m, d ->> 'max_m' AS max_m, d ->> 'unknown_cells' AS unknown_cells,
       round((d ->> 'cell_m')::numeric, 2) AS cell_m, d ->> 'complete' AS complete
FROM (VALUES (asyncjob.load_dem('inputs_wgs84', :'wgs84')),
             (asyncjob.load_dem('inputs_utm', :'utm', 32616))) v (d);
-- the bounding box in degrees: plain from the header of one, the corners of
-- the other out of UTM by Krueger's series, computed apart
SELECT name, round(west::numeric, 5) AS west, round(south::numeric, 5) AS south,
       round(east::numeric, 5) AS east, round(north::numeric, 5) AS north
FROM asyncjob.dem ORDER BY name COLLATE "C";
-- cells of the tiles, at corners and seams, against the text
CREATE FUNCTION pg_temp.cell(dem text, r int, c int) RETURNS real LANGUAGE sql AS $$
    -- little-endian float4, by its bits
    SELECT CASE WHEN bits & 2147483647 > 2139095040 THEN 'NaN'
                ELSE ((1 + (bits & 8388607) / 8388608.0::float8)
                      * 2.0::float8 ^ (((bits >> 23) & 255) - 127))::real END
    FROM asyncjob.dem d
    JOIN asyncjob.dem_tile t ON t.dem_id = d.dem_id AND t.tile_row = r / 256 AND t.tile_col = c / 256,
    LATERAL (SELECT 4 * ((r % 256) * least(256, d.ncols - 256 * (c / 256)) + c % 256) AS at) a,
    LATERAL (SELECT get_byte(data, at) + 256 * (get_byte(data, at + 1)
                  + 256 * (get_byte(data, at + 2) + 256 * get_byte(data, at + 3)::bigint)) AS bits) b
    WHERE d.name = dem
$$;
SELECT r AS row, c AS col,
       pg_temp.cell('inputs_wgs84', r, c) = (regexp_split_to_array(
           trim((string_to_array(:'wgs84', E'\n'))[r + 7]), '\s+'))[c + 1]::real AS as_in_text
FROM (VALUES (0, 0), (0, 402), (172, 255), (172, 256), (256, 100), (343, 0), (343, 402)) v (r, c);
-- a void is NaN whatever the file says, an elevation is not rounded
SELECT pg_temp.cell('inputs_utm', 0, 0) AS void, pg_temp.cell('inputs_utm', 181, 172) AS elevation,
       (regexp_split_to_array(trim((string_to_array(:'utm', E'\n'))[188]), '\s+'))[173] AS in_text;

--
-- in pieces: the same tiles, in whatever order the pieces come
--
CREATE TEMP TABLE line AS
SELECT n - 7 AS row, line FROM string_to_table(:'wgs84', E'\n') WITH ORDINALITY t (line, n) WHERE line <> '';
CREATE FUNCTION pg_temp.piece(first int, last int) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(line, E'\n' ORDER BY row) FROM line WHERE row BETWEEN first AND last $$;
SELECT asyncjob.load_dem_rows('inputs_pieces', 0, pg_temp.piece(-6, 9)) ->> 'complete' AS complete;
SELECT asyncjob.load_dem_rows('inputs_pieces', 250, pg_temp.piece(250, 343)) ->> 'complete' AS complete;
SELECT rows_loaded, complete FROM asyncjob.dem WHERE name = 'inputs_pieces';
-- an incomplete model is not used, and not found for a site
SELECT asyncjob.check_terrain('{"longitude": -84.25, "latitude": 36.6, "radius_km": 2, "dem": "inputs_pieces"}');
SELECT asyncjob.dem_covering(-84.25, 36.6, 2000);
SELECT asyncjob.load_dem_rows('inputs_pieces', 10, pg_temp.piece(10, 249)) ->> 'complete' AS complete;
SELECT count(*) AS tiles, count(*) FILTER (WHERE a.data = b.data) AS equal
FROM asyncjob.dem_tile a
JOIN asyncjob.dem_tile b USING (tile_row, tile_col)
WHERE a.dem_id = (SELECT dem_id FROM asyncjob.dem WHERE name = 'inputs_wgs84')
  AND b.dem_id = (SELECT dem_id FROM asyncjob.dem WHERE name = 'inputs_pieces');
SELECT p.min_m = w.min_m AND p.max_m = w.max_m AS same_range, p.rows_loaded
FROM asyncjob.dem p, asyncjob.dem w WHERE p.name = 'inputs_pieces' AND w.name = 'inputs_wgs84';
-- longitudes counted from 0 to 360, and a UTM grid that goes over the 180th meridian: found for the sites that
-- they cover, and for no other on the same latitude
SELECT asyncjob.load_dem('inputs_360', E'ncols 4\nnrows 4\nxllcorner 239.48\nyllcorner 39.98\ncellsize 0.01\n' || repeat('50 ', 16)) -> 'bbox' AS bbox_360,
       asyncjob.load_dem('inputs_utm60', E'ncols 3\nnrows 3\nxllcorner 690000\nyllcorner 5735000\ncellsize 10000\n' || repeat('50 ', 9), 32660) ->> 'complete' AS utm60;
SELECT lon, lat, asyncjob.dem_covering(lon, lat, 200), asyncjob.check_terrain(jsonb_build_object('longitude', lon, 'latitude', lat, 'radius_km', 0.2)) IS NOT NULL AS found
FROM (VALUES (-120.5, 40), (179.95, 51.9), (-179.95, 51.9)) v (lon, lat);
SELECT asyncjob.dem_covering(9.2, 51.9), asyncjob.dem_covering(120.5, 40) AS east;
SELECT asyncjob.check_terrain('{"longitude": 9.2, "latitude": 51.9, "radius_km": 0.2}');
DELETE FROM asyncjob.dem WHERE name IN ('inputs_360', 'inputs_utm60');
-- loading again replaces: one row, no tiles left behind
SELECT asyncjob.load_dem('inputs_pieces', E'ncols 3\nnrows 2\nxllcorner 10\nyllcorner 50\ncellsize 0.01\nNODATA_value -1\n1 2 3\n4 -1 6\n')
       - 'bbox' - 'cell_m' AS replaced;
SELECT count(*) AS models, sum(t.tiles) AS tiles
FROM asyncjob.dem d, LATERAL (SELECT count(*) AS tiles FROM asyncjob.dem_tile t WHERE t.dem_id = d.dem_id) t
WHERE name = 'inputs_pieces';
SELECT count(*) AS orphans FROM asyncjob.dem_tile t WHERE NOT EXISTS (SELECT FROM asyncjob.dem d WHERE d.dem_id = t.dem_id);
-- refused, and what was there stays
SELECT asyncjob.load_dem('inputs_pieces', E'ncols 3\nnrows 2\nxllcorner 10\nyllcorner 50\ncellsize 0.01\n1 2 3\n4 5\n');
SELECT asyncjob.load_dem('inputs_pieces', E'ncols 3\nnrows 2\nxllcorner 10\nyllcorner 50\ncellsize 0.01\n1 2 3\n4 five 6\n');
SELECT asyncjob.load_dem('inputs_pieces', E'ncols 3\nnrows 2\nxllcorner 10\nyllcorner 50\ncellsize 0.01\n1 2 3\n4 -32768 6\n');
SELECT asyncjob.load_dem('inputs_pieces', E'ncols 3\nnrows 2\nxllcorner 700000\nyllcorner 4000000\ncellsize 90\n1 2 3\n4 5 6\n');
SELECT asyncjob.load_dem('inputs_pieces', E'ncols 3\nnrows 2\nxllcorner 10\nyllcorner 50\ncellsize 0.01\n1 2 3\n4 5 6\n', 3857);
SELECT asyncjob.load_dem('inputs_pieces', NULL);
SELECT asyncjob.load_dem('', :'wgs84');
SELECT asyncjob.load_dem_rows('inputs_new', 5, '1 2 3');
SELECT asyncjob.load_dem_rows('inputs_pieces', 2, '1 2 3');
SELECT asyncjob.load_dem_rows('inputs_pieces', 1, '1 2 3 4');
SELECT min_m, max_m, rows_loaded FROM asyncjob.dem WHERE name = 'inputs_pieces';
-- the model is found by place: the finest that holds the circle
SELECT asyncjob.dem_covering(-84.25, 36.6, 2000) AS both, asyncjob.dem_covering(-84.42, 36.73, 0) AS rim_of_utm,
       asyncjob.dem_covering(-84.25, 36.6, 50000) AS too_far, asyncjob.dem_covering(10.015, 50.01, 0) AS small;

--
-- sites
--
\set read 'cat ' :abs_srcdir '/data/site/demo_site_jacksboro.geojson'
\set geojson `:read`
-- 59485410.6 m2 is the area by Lambert's equal-area projection of the
-- ellipsoid, computed apart; the local plane may differ by 1e-6
SELECT s ->> 'zones' AS zones, s ->> 'entry_point' AS entry_point, s -> 'bbox' AS bbox,
       abs((s ->> 'area_m2')::float8 / 59485410.6 - 1) < 1e-6 AS area
FROM asyncjob.load_site('inputs_ridge', :'geojson') s;
-- a square with a square hole, two parts, a bare Feature and a bare Polygon;
-- one tenth of a degree at the equator is 11132 by 11057 m
SELECT kind, round((asyncjob.check_site(g) ->> 'area_m2')::numeric / 1e6, 1) AS km2
FROM (VALUES
    ('polygon', '{"type": "Polygon", "coordinates": [[[0,0],[0.1,0],[0.1,0.1],[0,0.1],[0,0]]]}'::jsonb),
    ('clockwise', '{"type": "Polygon", "coordinates": [[[0,0],[0,0.1],[0.1,0.1],[0.1,0],[0,0]]]}'),
    ('inner hole', '{"type": "Polygon", "coordinates": [[[0,0],[0.1,0],[0.1,0.1],[0,0.1],[0,0]],[[0.02,0.02],[0.02,0.07],[0.07,0.07],[0.07,0.02],[0.02,0.02]]]}'),
    ('two parts', '{"type": "MultiPolygon", "coordinates": [[[[0,0],[0.1,0],[0.1,0.1],[0,0.1],[0,0]]],[[[0.2,0],[0.3,0],[0.3,0.1],[0.2,0.1],[0.2,0]]]]}'),
    ('feature', '{"type": "Feature", "properties": null, "geometry": {"type": "Polygon", "coordinates": [[[0,0],[0.1,0],[0.1,0.1],[0,0.1],[0,0]]]}}')
) v (kind, g);
-- a hole that touches the outer ring along a side is no valid polygon
SELECT asyncjob.check_site('{"type": "Polygon", "coordinates": [[[0,0],[0.1,0],[0.1,0.1],[0,0.1],[0,0]],[[0.05,0.05],[0.05,0.1],[0.1,0.1],[0.1,0.05],[0.05,0.05]]]}');
SELECT asyncjob.load_site('inputs_ridge', '{"type": "Polygon", "coordinates": [[[0,0],[0.1,0],[0.1,0.1],[0,0.1],[0,0]]]}') ->> 'zones' AS replaced;
SELECT count(*) AS sites, min(round(latitude::numeric, 6)) AS latitude FROM asyncjob.site;

--
-- wind: means in closed form. A rose's is the sum of p u; a Weibull's
-- A Gamma(1 + 1/k), which is A for k = 1 and A sqrt(pi)/2 for k = 2
--
SELECT asyncjob.load_wind_rose('inputs_rose', '{"direction_deg": [0, 90, 180, 270], "speed_m_s": [5, 10],
    "probability": [[0.1, 0.1], [0.2, 0.1], [0.1, 0.1], [0.1, 0.2]], "height_m": 80, "source": "four directions"}') AS rose;
SELECT (w ->> 'mean_speed_m_s')::float8 = 10 AS exponential
FROM asyncjob.load_weibull('inputs_weibull', '{"direction_deg": [0, 180], "frequency": [0.5, 0.5], "weibull_a_m_s": [8, 12], "weibull_k": [1, 1]}') w;
SELECT abs((w ->> 'mean_speed_m_s')::float8 - (8 + 12) / 2.0 * sqrt(pi()) / 2) < 5e-5 AS rayleigh
FROM asyncjob.load_weibull('inputs_weibull', '{"direction_deg": [0, 180], "frequency": [0.5, 0.5], "weibull_a_m_s": [8, 12], "weibull_k": [2, 2]}') w;
-- per cent, scaled on request only
SELECT asyncjob.load_weibull('inputs_weibull', '{"direction_deg": [0, 180], "frequency": [40, 60], "weibull_a_m_s": [8, 12], "weibull_k": [2, 2]}');
SELECT abs((w ->> 'mean_speed_m_s')::float8 - (0.4 * 8 + 0.6 * 12) * sqrt(pi()) / 2) < 5e-5 AS scaled
FROM asyncjob.load_weibull('inputs_weibull', '{"direction_deg": [0, 180], "frequency": [40, 60], "weibull_a_m_s": [8, 12], "weibull_k": [2, 2], "normalize": true}') w;
SELECT name, kind, directions, height_m, source FROM asyncjob.wind_resource ORDER BY name COLLATE "C";

--
-- turbines: the built-in ones by their published figures
--
SELECT name, rated_kw, rotor_diameter_m, hub_height_m, cardinality(speed_m_s) AS points,
       cardinality(speed_m_s) = cardinality(power_kw) AND cardinality(speed_m_s) = cardinality(ct) AS whole,
       round(100 * (SELECT max(p) FROM unnest(power_kw) p) / rated_kw) AS pct_of_rated
FROM asyncjob.turbine WHERE owner IS NULL ORDER BY rated_kw;
SELECT asyncjob.load_turbine('inputs_mill', '{"rated_kw": 100, "rotor_diameter_m": 20, "hub_height_m": 30,
    "speed_m_s": [3, 10, 20], "power_kw": [0, 100, 100], "ct": [0.8, 0.7, 0.1], "source": "three points"}') AS mill;
SELECT kind, cut_in_m_s, cut_out_m_s, speed_m_s, power_kw, ct FROM asyncjob.turbine WHERE name = 'inputs_mill';
-- a rotor that would reach the ground: a radius or a height is wrong
SELECT asyncjob.load_turbine('inputs_low', '{"rated_kw": 100, "rotor_diameter_m": 61, "hub_height_m": 30,
    "speed_m_s": [3, 10, 20], "power_kw": [0, 100, 100], "ct": [0.8, 0.7, 0.1]}') AS mill;
-- parcels that meet at a corner, and a hole that reaches the outline at one, are sites; side by side they are not
SELECT round((asyncjob.check_site(g) ->> 'area_m2')::numeric / (asyncjob.check_site('{"type": "Polygon", "coordinates": [[[9, 47], [9.01, 47], [9.01, 47.01], [9, 47.01], [9, 47]]]}') ->> 'area_m2')::numeric, 3) AS squares
FROM (VALUES ('{"type": "MultiPolygon", "coordinates": [[[[9, 47], [9.01, 47], [9.01, 47.01], [9, 47.01], [9, 47]]], [[[9.01, 47.01], [9.02, 47.01], [9.02, 47.02], [9.01, 47.02], [9.01, 47.01]]]]}'::jsonb),
             ('{"type": "Polygon", "coordinates": [[[9, 47], [9.01, 47], [9.01, 47.01], [9, 47.01], [9, 47]], [[9, 47], [9.005, 47.0025], [9.0025, 47.005], [9, 47]]]}')) v (g);
SELECT asyncjob.check_site('{"type": "MultiPolygon", "coordinates": [[[[9, 47], [9.01, 47], [9.01, 47.01], [9, 47.01], [9, 47]]], [[[9.01, 47], [9.02, 47], [9.02, 47.01], [9.01, 47.01], [9.01, 47]]]]}');
-- a site on both sides of the 180th meridian, split there as RFC 7946 wants it: not as one site
SELECT asyncjob.load_site('inputs_dateline', '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"feature_type": "boundary"}, "geometry": {"type": "MultiPolygon", "coordinates": [
    [[[179.9, -17], [180, -17], [180, -16.9], [179.9, -16.9], [179.9, -17]]], [[[-180, -17], [-179.9, -17], [-179.9, -16.9], [-180, -16.9], [-180, -17]]]]}}]}');
-- one's own turbine of a built-in's name goes first, and is one's own only
SELECT asyncjob.load_turbine('NREL_5MW_126', '{"kind": "iea37", "rated_kw": 100, "rotor_diameter_m": 20, "hub_height_m": 30,
    "cut_in_m_s": 3, "rated_m_s": 10, "cut_out_m_s": 20}') ->> 'kind' AS kind;
SELECT asyncjob.step_simulation('{"layout": [[0, 0]], "wind": "inputs_rose", "turbine": "NREL_5MW_126"}') ->> 'total_capacity_kw' AS own_kw;

--
-- another role sees none of it, not even by name
--
SET SESSION AUTHORIZATION regress_inputs_other;
SELECT (SELECT count(*) FROM asyncjob.dem) AS dem, (SELECT count(*) FROM asyncjob.dem_tile) AS tiles,
       (SELECT count(*) FROM asyncjob.site) AS site, (SELECT count(*) FROM asyncjob.wind_resource) AS wind,
       (SELECT count(*) FROM asyncjob.turbine) AS turbines;
SELECT asyncjob.dem_covering(-84.25, 36.6, 2000);
SELECT asyncjob.check_terrain('{"site": "inputs_ridge"}');
SELECT asyncjob.check_terrain('{"longitude": -84.25, "latitude": 36.6, "dem": "inputs_wgs84"}');
SELECT asyncjob.check_simulation('{"layout": [[0, 0]], "wind": "inputs_rose"}');
SELECT asyncjob.check_simulation('{"layout": [[0, 0]], "wind": {"direction_deg": [0], "speed_m_s": 9, "probability": [1]}, "turbine": "inputs_mill"}');
SELECT asyncjob.step_simulation('{"layout": [[0, 0]], "wind": {"direction_deg": [0], "speed_m_s": 9, "probability": [1]}, "turbine": "NREL_5MW_126"}')
       ->> 'total_capacity_kw' AS built_in_kw;
-- nor can it add rows as another, or under another's model
INSERT INTO asyncjob.site (owner, name, geojson, longitude, latitude, west, south, east, north, area_m2)
VALUES ('regress_inputs', 'planted', '{}', 0, 0, 0, 0, 0, 0, 0);
INSERT INTO asyncjob.turbine (owner, name, rated_kw, rotor_diameter_m, hub_height_m, cut_in_m_s, cut_out_m_s)
VALUES (NULL, 'planted', 1, 1, 1, 1, 1);
UPDATE asyncjob.turbine SET rated_kw = 1 WHERE name = 'IEA_15MW_240';
DELETE FROM asyncjob.turbine;
SELECT count(*) AS turbines FROM asyncjob.turbine;
-- the same name twice, one for each
SELECT asyncjob.load_site('inputs_ridge', :'geojson') ->> 'zones' AS zones;
-- a row without an owner is everybody's to read
RESET SESSION AUTHORIZATION;
UPDATE asyncjob.dem SET owner = NULL WHERE name = 'inputs_wgs84';
UPDATE asyncjob.dem_tile SET owner = NULL
WHERE dem_id = (SELECT dem_id FROM asyncjob.dem WHERE name = 'inputs_wgs84');
SET SESSION AUTHORIZATION regress_inputs_other;
SELECT asyncjob.check_terrain('{"site": "inputs_ridge"}') IS NOT NULL AS accepted;
SELECT asyncjob.dem_covering(-84.25, 36.6, 2000);

RESET SESSION AUTHORIZATION;
DELETE FROM asyncjob.dem WHERE name LIKE 'inputs\_%';
DELETE FROM asyncjob.site WHERE owner LIKE 'regress\_inputs%';
DELETE FROM asyncjob.wind_resource WHERE owner LIKE 'regress\_inputs%';
DELETE FROM asyncjob.turbine WHERE owner LIKE 'regress\_inputs%';
DROP OWNED BY regress_inputs, regress_inputs_other;
DROP ROLE regress_inputs, regress_inputs_other;
