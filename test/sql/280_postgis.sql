--
-- PostGIS, where it can be installed: inputs out of its tables, results as
-- views. 280_postgis_1.out is what comes where it can't.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS asyncjob;
\set SHOW_CONTEXT never
-- without it the functions say so
SELECT asyncjob.load_site_table('gis', 'pg_class');
SELECT asyncjob.load_dem_table('gis', 'pg_class');
SELECT asyncjob.create_gis_views('public');
SELECT NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'postgis_raster') AS none \gset
\if :none
\quit
\endif
CREATE SCHEMA gis;
CREATE EXTENSION postgis SCHEMA gis;
CREATE EXTENSION postgis_raster SCHEMA gis;
GRANT USAGE ON SCHEMA gis TO PUBLIC;
CREATE ROLE regress_gis LOGIN;
CREATE SCHEMA regress_gis AUTHORIZATION regress_gis;
SELECT asyncjob.grant_usage('regress_gis');
SET SESSION AUTHORIZATION regress_gis;
\getenv abs_srcdir PG_ABS_SRCDIR
\set read 'cat ' :abs_srcdir '/data/site/demo_site_jacksboro.geojson'
\set geojson `:read`
\set read 'cat ' :abs_srcdir '/data/dem/jacksboro_utm16_90m.asc'
\set utm `:read`
SELECT asyncjob.load_site('gis_json', :'geojson') ->> 'zones' AS zones;
SELECT asyncjob.load_dem('gis_asc', :'utm', 32616) ->> 'complete' AS complete;

--
-- a site from a table: in UTM, with columns that say what the rows are
--
CREATE TABLE regress_gis.lease (id int, feature_type text, zone_type text, buffer_m float8, name text, shape gis.geometry(Geometry, 32616));
INSERT INTO regress_gis.lease
SELECT n, f -> 'properties' ->> 'feature_type', f -> 'properties' ->> 'zone_type', (f -> 'properties' ->> 'buffer_m')::float8,
       f -> 'properties' ->> 'name', gis.st_transform(gis.st_setsrid(gis.st_geomfromgeojson(f -> 'geometry'), 4326), 32616)
FROM jsonb_array_elements(:'geojson'::jsonb -> 'features') WITH ORDINALITY f (f, n);
SELECT s ->> 'zones' AS zones, s ->> 'entry_point' AS entry, abs((s ->> 'area_m2')::float8 - j.area_m2) < 1 AS area
FROM asyncjob.load_site_table('gis_table', 'regress_gis.lease') s, asyncjob.site j WHERE j.name = 'gis_json';
-- one row of it is a boundary by itself
SELECT s ->> 'zones' AS zones, abs((s ->> 'area_m2')::float8 - j.area_m2) < 1 AS area
FROM asyncjob.load_site_table('gis_row', 'regress_gis.lease', 'id', '1', 'shape') s, asyncjob.site j WHERE j.name = 'gis_json';
SELECT asyncjob.load_site_table('gis_none', 'regress_gis.lease', 'id', '99');
SELECT asyncjob.load_site_table('gis_none', 'regress_gis.lease', 'id');
SELECT asyncjob.load_site_table('gis_none', 'regress_gis.lease', geometry_column => 'geom');
CREATE TABLE regress_gis.nowhere AS SELECT gis.st_setsrid(shape, 0) AS geom FROM regress_gis.lease WHERE id = 1;
SELECT asyncjob.load_site_table('gis_none', 'regress_gis.nowhere');
CREATE TABLE regress_gis.bow AS SELECT gis.st_geomfromtext('POLYGON((9 50, 9.1 50.1, 9.1 50, 9 50.1, 9 50))', 4326) AS geom;
SELECT asyncjob.load_site_table('gis_none', 'regress_gis.bow');

-- a view, several pieces with a hole, arcs, a geography; what names no row or no place
CREATE VIEW regress_gis.view AS SELECT * FROM regress_gis.lease;
SELECT s ->> 'zones' AS zones, s ->> 'entry_point' AS entry, abs((s ->> 'area_m2')::float8 - j.area_m2) < 1 AS area
FROM asyncjob.load_site_table('gis_view', 'regress_gis.view') s, asyncjob.site j WHERE j.name = 'gis_json';
CREATE TABLE regress_gis.pieces AS SELECT gis.st_transform(gis.st_geomfromtext('MULTIPOLYGON(((9 50, 9.02 50, 9.02 50.02, 9 50.02, 9 50), (9.005 50.005, 9.005 50.01, 9.01 50.01, 9.01 50.005, 9.005 50.005)), ((9.03 50, 9.04 50, 9.04 50.01, 9.03 50.01, 9.03 50)))', 4326), 3857) AS geom;
SELECT abs((s ->> 'area_m2')::float8 / gis.st_area(gis.st_transform(geom, 4326)::gis.geography) - 1) < 1e-6 AS area
FROM regress_gis.pieces, asyncjob.load_site_table('gis_pieces', 'regress_gis.pieces') s;
CREATE TABLE regress_gis.round AS SELECT gis.st_geomfromtext('CURVEPOLYGON(CIRCULARSTRING(500000 5500000, 501000 5501000, 502000 5500000, 501000 5499000, 500000 5500000))', 32632) AS geom;
SELECT abs((s ->> 'area_m2')::float8 / (pi() * 1e6) - 1) < 0.002 AS circle FROM asyncjob.load_site_table('gis_round', 'regress_gis.round') s;
CREATE TABLE regress_gis.globe AS SELECT gis.st_transform(geom, 4326)::gis.geography AS place FROM regress_gis.pieces;
SELECT abs((s ->> 'area_m2')::float8 / gis.st_area(place) - 1) < 1e-6 AS area FROM regress_gis.globe, asyncjob.load_site_table('gis_globe', 'regress_gis.globe') s;
SELECT asyncjob.load_site_table('gis_none', 'regress_gis.lease', 'number', '1', 'shape');
CREATE TABLE regress_gis.unknown AS SELECT gis.st_setsrid(geom, 990001) AS geom FROM regress_gis.pieces;
SELECT asyncjob.load_site_table('gis_none', 'regress_gis.unknown');

--
-- an elevation model from raster tiles, as raster2pgsql leaves them
--
CREATE TABLE regress_gis.dem (rid serial, rast gis.raster);
CREATE FUNCTION pg_temp.raster(grid text) RETURNS gis.raster LANGUAGE plpgsql SET search_path = gis, pg_catalog AS $$
DECLARE
    line  text[] := string_to_array(grid, E'\n');
    r     gis.raster;
    rows_ float8[];
BEGIN
    SELECT array_agg(string_to_array(btrim(l), ' ')::float8[] ORDER BY n) INTO rows_
    FROM unnest(line) WITH ORDINALITY u (l, n) WHERE n > 6 AND btrim(l) <> '';
    r := gis.st_makeemptyraster(344, 363, 730939.219, 4036556.162 + 363 * 90, 90, -90, 0, 0, 32616);
    r := gis.st_addband(r, '32BF'::text, -9999, -9999);
    RETURN gis.st_setvalues(r, 1, 1, 1, rows_);
END
$$;
INSERT INTO regress_gis.dem (rast) SELECT gis.st_tile(pg_temp.raster(:'utm'), 100, 100);
SELECT d ->> 'ncols' AS ncols, d ->> 'nrows' AS nrows, d ->> 'complete' AS complete, count(*) AS tiles
FROM asyncjob.load_dem_table('gis_raster', 'regress_gis.dem') d, regress_gis.dem GROUP BY 1, 2, 3;
-- cell by cell the same as from the text
SELECT count(*) AS tiles, count(*) FILTER (WHERE a.data = b.data) AS equal
FROM asyncjob.dem_tile a JOIN asyncjob.dem_tile b USING (tile_row, tile_col)
WHERE a.dem_id = (SELECT dem_id FROM asyncjob.dem WHERE name = 'gis_raster')
  AND b.dem_id = (SELECT dem_id FROM asyncjob.dem WHERE name = 'gis_asc');
SELECT asyncjob.load_dem_table('gis_none', 'regress_gis.lease');
CREATE TABLE regress_gis.other (rast gis.raster);
SELECT asyncjob.load_dem_table('gis_none', 'regress_gis.other');
INSERT INTO regress_gis.other SELECT gis.st_makeemptyraster(10, 10, 0, 0, 90, -90, 5, 5, 32616);
SELECT asyncjob.load_dem_table('gis_none', 'regress_gis.other');

-- several files of one grid in a table: their tiles begin in different rows and columns; some rows are empty
CREATE FUNCTION pg_temp.part(col int, row_ int, width int, height int) RETURNS gis.raster LANGUAGE sql SET search_path = gis, pg_catalog AS $$
    SELECT st_clip(st_union(rast), st_makeenvelope(st_upperleftx(st_union(rast)) + 90 * col, st_upperlefty(st_union(rast)) - 90 * (row_ + height),
                   st_upperleftx(st_union(rast)) + 90 * (col + width), st_upperlefty(st_union(rast)) - 90 * row_, 32616)) FROM regress_gis.dem
$$;
CREATE TABLE regress_gis.files (rast gis.raster);
INSERT INTO regress_gis.files VALUES (NULL), (gis.st_makeemptyraster(0, 0, 0, 0, 90, -90, 0, 0, 32616)), (gis.st_makeemptyraster(5, 5, 0, 0, 90, -90, 0, 0, 32616)),
    (pg_temp.part(0, 0, 150, 200)), (pg_temp.part(0, 200, 150, 163)), (pg_temp.part(150, 0, 194, 77)), (pg_temp.part(150, 77, 100, 286)), (pg_temp.part(250, 77, 94, 286));
CREATE VIEW regress_gis.mosaic AS SELECT rast AS tile FROM regress_gis.files;
SELECT d ->> 'complete' AS complete, (d ->> 'unknown_cells')::int = (SELECT sum(gis.st_count(rast, 1, false) - gis.st_count(rast, 1, true)) FROM regress_gis.dem) AS unknown
FROM asyncjob.load_dem_table('gis_mosaic', 'regress_gis.mosaic') d;
SELECT count(*) AS tiles, count(*) FILTER (WHERE a.data = b.data) AS equal
FROM asyncjob.dem_tile a JOIN asyncjob.dem_tile b USING (tile_row, tile_col)
WHERE a.dem_id = (SELECT dem_id FROM asyncjob.dem WHERE name = 'gis_mosaic')
  AND b.dem_id = (SELECT dem_id FROM asyncjob.dem WHERE name = 'gis_asc');
-- a tile that is missing is unknown ground, all of it counted
CREATE VIEW regress_gis.hole AS SELECT rast FROM regress_gis.dem WHERE rid <> 6;
SELECT d ->> 'complete' AS complete, (d ->> 'unknown_cells')::int = gis.st_count(rast, 1, true) + (SELECT sum(gis.st_count(rast, 1, false) - gis.st_count(rast, 1, true)) FROM regress_gis.dem) AS unknown
FROM asyncjob.load_dem_table('gis_hole', 'regress_gis.hole') d, regress_gis.dem WHERE rid = 6;
CREATE TABLE regress_gis.off AS SELECT rast FROM regress_gis.dem WHERE rid = 1 UNION ALL SELECT gis.st_setupperleft(rast, gis.st_upperleftx(rast) + 45, gis.st_upperlefty(rast)) FROM regress_gis.dem WHERE rid = 2;
SELECT asyncjob.load_dem_table('gis_none', 'regress_gis.off');
CREATE VIEW regress_gis.mercator AS SELECT gis.st_setsrid(rast, 3857) AS rast FROM regress_gis.dem;
SELECT asyncjob.load_dem_table('gis_none', 'regress_gis.mercator');
CREATE VIEW regress_gis.empty AS SELECT rast FROM regress_gis.files WHERE rast IS NULL;
SELECT asyncjob.load_dem_table('gis_none', 'regress_gis.empty');

--
-- results as views: what the job says, in geometry
--
SELECT * FROM asyncjob.create_gis_views('regress_gis');
SELECT asyncjob.submit('site_layout', '{"site": "gis_table", "dem": "gis_raster", "resolution_m": 30, "profile": "solar_farm", "substations": 0, "max_road_grade_pct": 20}') AS layout,
       asyncjob.submit('terrain', '{"site": "gis_table", "dem": "gis_raster"}') AS terrain \gset
SELECT (asyncjob.wait(:layout, '60s')).error_message AS layout, (asyncjob.wait(:terrain, '60s')).error_message AS terrain;
SELECT count(*) = (r -> 'metrics' ->> 'asset_count')::int AS assets, sum(capacity_kw) FILTER (WHERE asset_type <> 'substation')
         = (r -> 'metrics' ->> 'total_capacity_kw')::float8 AS kw,
       count(DISTINCT gid) = count(*) AS keys, bool_and(gis.st_srid(geom) = 4326 AND gis.geometrytype(geom) = 'POINT') AS points
FROM regress_gis.layout_asset, (SELECT asyncjob.result(:layout) AS r) j GROUP BY r;
SELECT abs(sum(gis.st_length(gis.st_transform(geom, 4326)::gis.geography)) / (r -> 'metrics' ->> 'road_length_m')::float8 - 1) < 0.001 AS length,
       bool_and(NOT gis.st_intersects(geom, z.g)) AS clear_of_zones
FROM regress_gis.layout_road, (SELECT asyncjob.result(:layout) AS r) j,
     (SELECT gis.st_union(gis.st_buffer(gis.st_transform(geom, 4326)::gis.geography, buffer_m)::gis.geometry) AS g
      FROM regress_gis.exclusion_zone WHERE feature_type = 'exclusion') z
GROUP BY r;
-- pads lie on ground that is not excluded, by PostGIS' own measure
SELECT count(*) > 0 AS pads, bool_and(gis.st_within(p.geom, b.g)) AS within_boundary,
       bool_and(NOT gis.st_intersects(p.geom, z.g)) AS clear_of_zones,
       bool_and(abs(gis.st_area(p.geom::gis.geography) / CASE asset_type WHEN 'solar_array' THEN 35 * 35 ELSE 25 * 25 END - 1) < 0.001) AS area
FROM regress_gis.layout_pad p,
     (SELECT gis.st_transform(shape, 4326) AS g FROM regress_gis.lease WHERE id = 1) b,
     (SELECT gis.st_union(gis.st_buffer(geom::gis.geography, buffer_m)::gis.geometry) AS g
      FROM regress_gis.exclusion_zone WHERE feature_type = 'exclusion') z
WHERE feature_type = 'pad';
-- areas of buildable ground and of zones with their buffers
SELECT abs(sum(gis.st_area(geom::gis.geography)) / (asyncjob.result(:terrain) ->> 'buildable_area_m2')::float8 - 1) < 0.001 AS buildable,
       bool_and(gis.st_isvalid(geom)) AS valid
FROM regress_gis.buildable_area;
SELECT count(*) > 100 AS contours, min(elevation_m) AS lowest, bool_and(gis.st_isvalid(geom)) AS valid FROM regress_gis.contour;
-- another role's jobs are not in them
RESET SESSION AUTHORIZATION;
CREATE ROLE regress_gis_other LOGIN;
SELECT asyncjob.grant_usage('regress_gis_other');
GRANT USAGE ON SCHEMA regress_gis TO regress_gis_other;
GRANT SELECT ON ALL TABLES IN SCHEMA regress_gis TO regress_gis_other;
REVOKE SELECT ON regress_gis.lease, regress_gis.dem FROM regress_gis_other;
SET SESSION AUTHORIZATION regress_gis_other;
-- nor a table that it may not read
SELECT asyncjob.load_site_table('gis_theft', 'regress_gis.lease');
SELECT asyncjob.load_dem_table('gis_theft', 'regress_gis.dem');
SELECT count(*) AS others FROM regress_gis.layout_asset;
RESET SESSION AUTHORIZATION;
DELETE FROM asyncjob.dem WHERE name LIKE 'gis\_%';
DELETE FROM asyncjob.site WHERE name LIKE 'gis\_%';
DROP OWNED BY regress_gis_other;
DROP ROLE regress_gis_other;
DROP OWNED BY regress_gis CASCADE;
DROP ROLE regress_gis;
DROP EXTENSION postgis_raster;
DROP EXTENSION postgis;
DROP SCHEMA gis;
