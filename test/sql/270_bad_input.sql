--
-- Bad input: refused at submit, with a code, what is wrong and what to do;
-- nothing is stored
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS asyncjob;
CREATE ROLE regress_bad LOGIN;
SELECT asyncjob.grant_usage('regress_bad');
SET SESSION AUTHORIZATION regress_bad;
\getenv abs_srcdir PG_ABS_SRCDIR
\set read 'cat ' :abs_srcdir '/data/dem/jacksboro_wgs84.asc'
\set asc `:read`
\set read 'cat ' :abs_srcdir '/data/site/demo_site_jacksboro.geojson'
\set geojson `:read`
SELECT asyncjob.load_dem('bad_dem', :'asc') ->> 'complete' AS complete,
       asyncjob.load_site('bad_ridge', :'geojson') ->> 'zones' AS zones,
       asyncjob.load_weibull('bad_wind', '{"direction_deg": [0, 180], "frequency": [0.5, 0.5], "weibull_a_m_s": [9, 9], "weibull_k": [2, 2]}') ->> 'kind' AS kind;
SELECT asyncjob.load_dem_rows('bad_half', 0, E'ncols 3\nnrows 2\nxllcorner 10\nyllcorner 50\ncellsize 0.01\n1 2 3\n') ->> 'complete' AS half;

CREATE FUNCTION pg_temp.refusal(pipeline text, params jsonb, OUT category text, OUT code text, OUT said text) LANGUAGE plpgsql AS $$
DECLARE
    state text;
    message text;
    detail text;
    hint text;
BEGIN
    PERFORM asyncjob.submit(pipeline, params);
    code := 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, code = CONSTRAINT_NAME, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    category := CASE state WHEN 'AJ101' THEN 'validation' WHEN 'AJ102' THEN 'infeasible' WHEN 'AJ103' THEN 'resource' ELSE state END;
    said := concat_ws(E'\n', message, nullif(detail, ''), nullif(hint, ''));
END $$;
CREATE TEMP TABLE bad (n serial, pipeline text, params jsonb);
\set base '{"site": "bad_ridge", "dem": "bad_dem", "wind": "bad_wind", "n_turbines": 5}'
\set square '[[[-84.27, 36.57], [-84.24, 36.57], [-84.24, 36.59], [-84.27, 36.59], [-84.27, 36.57]]]'

-- places and boundaries
INSERT INTO bad (pipeline, params) VALUES
('terrain', '{}'), ('terrain', '[]'), ('terrain', '"bad_ridge"'),
('terrain', '{"site": "bad_rigde"}'), ('terrain', '{"site": 7}'), ('terrain', '{"site": null}'),
('terrain', '{"longitude": 181, "latitude": 36}'), ('terrain', '{"longitude": -84.25}'), ('terrain', '{"longitude": -84.25, "latitude": 89}'),
('terrain', '{"longitude": -84.25, "latitude": "36.58"}'), ('terrain', '{"longitude": -84.25, "latitude": 36.58, "radius_km": 0}'),
('terrain', '{"longitude": -84.25, "latitude": 36.58, "radius_km": 1e400}'),
('terrain', '{"site": {"longitude": -84.25, "latitude": 36.58, "radius": 2}}'),
('terrain', '{"site": {"type": "Polygon", "coordinates": [[[36.57, -84.27], [36.57, -184.24], [36.59, -84.24], [36.57, -84.27]]]}}'),
('terrain', '{"site": {"type": "Polygon", "coordinates": [[[736570, 4050000], [737000, 4050000], [737000, 4051000], [736570, 4050000]]]}}'),
('terrain', '{"site": {"type": "Polygon", "coordinates": [[[-84.27, 36.57], [-84.24, 36.59], [-84.24, 36.57], [-84.27, 36.59], [-84.27, 36.57]]]}}'),
('terrain', '{"site": {"type": "Polygon", "coordinates": [[[-84.27, 36.57], [-84.24, 36.57], [-84.27, 36.57]]]}}'),
('terrain', '{"site": {"type": "Polygon", "coordinates": [[[-84.27, 36.57], [-84.26, 36.57], [-84.24, 36.57], [-84.27, 36.57]]]}}'),
('terrain', '{"site": {"type": "Polygon", "coordinates": []}}'),
('terrain', '{"site": {"type": "Polygon", "coordinates": [[["a", "b"], [1, 2], [3, 4], [5, 6]]]}}'),
('terrain', '{"site": {"type": "Polygon", "coordinates": [[1, 2], [3, 4], [5, 6]]}}'),
('terrain', '{"site": {"type": "Point", "coordinates": [-84.27, 36.57]}}'),
('terrain', '{"site": {"type": "Circle", "coordinates": [-84.27, 36.57]}}'),
('terrain', '{"site": {"type": "FeatureCollection", "features": []}}'),
('terrain', '{"site": {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"feature_type": "house"}, "geometry": {"type": "Point", "coordinates": [-84, 36]}}]}}'),
('terrain', '{"site": {"type": "Polygon", "crs": {"type": "name", "properties": {"name": "EPSG:3857"}}, "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}}'),
('terrain', jsonb_build_object('site', jsonb_build_object('type', 'FeatureCollection', 'features', jsonb_build_array(
    jsonb_build_object('type', 'Feature', 'properties', '{"feature_type": "site_boundary"}'::jsonb, 'geometry', jsonb_build_object('type', 'Polygon', 'coordinates', :'square'::jsonb)),
    '{"type": "Feature", "properties": {"feature_type": "exclusion", "buffer_m": -5}, "geometry": {"type": "Point", "coordinates": [-84.25, 36.58]}}'::jsonb)))),
('terrain', jsonb_build_object('site', jsonb_build_object('type', 'FeatureCollection', 'features', jsonb_build_array(
    jsonb_build_object('type', 'Feature', 'properties', '{"feature_type": "site_boundary"}'::jsonb, 'geometry', jsonb_build_object('type', 'Polygon', 'coordinates', :'square'::jsonb)),
    '{"type": "Feature", "properties": {"feature_type": "exclusion"}, "geometry": {"type": "Polygon", "coordinates": [[[-84.25, 36.58], [-84.25, 36.58]]]}}'::jsonb))));
-- elevation
INSERT INTO bad (pipeline, params) VALUES
('terrain', '{"longitude": 10, "latitude": 50}'), ('terrain', '{"longitude": 36.58, "latitude": -84.25}'), ('terrain', '{"longitude": 36.58, "latitude": -74.25, "dem": "bad_dem"}'),
('terrain', '{"longitude": -84.41, "latitude": 36.6, "radius_km": 2, "dem": "bad_dem"}'),
('terrain', '{"site": "bad_ridge", "dem": "bad_mountain"}'), ('terrain', '{"longitude": 10.015, "latitude": 50.01, "radius_km": 0.1, "dem": "bad_half"}');
-- numbers and names
INSERT INTO bad (pipeline, params) VALUES
('terrain', '{"site": "bad_ridge", "max_slope_deg": 91}'), ('terrain', '{"site": "bad_ridge", "max_slope_deg": -1}'), ('terrain', '{"site": "bad_ridge", "max_slope_deg": "steep"}'),
('terrain', '{"site": "bad_ridge", "max_slope_deg": [15]}'), ('terrain', '{"site": "bad_ridge", "resolution_m": 0}'), ('terrain', '{"site": "bad_ridge", "margin_m": 1e9}'),
('terrain', '{"site": "bad_ridge", "max_slope_dge": 10}'), ('terrain', '{"site": "bad_ridge", "colour": "red"}'),
('layout', :'base'::jsonb || '{"n_turbines": 0}'), ('layout', :'base'::jsonb || '{"n_turbines": 2.5}'), ('layout', :'base'::jsonb || '{"n_turbines": 5001}'),
('layout', :'base'::jsonb - 'n_turbines'), ('layout', :'base'::jsonb || '{"target_capacity_kw": 5000}'), ('layout', :'base'::jsonb - 'n_turbines' || '{"target_capacity_kw": -1}'),
('layout', :'base'::jsonb || '{"min_spacing_d": 0.5}'), ('layout', :'base'::jsonb || '{"wake_model": "gauss"}'), ('layout', :'base'::jsonb || '{"seed": -1}'),
('layout', :'base'::jsonb || '{"turbine": "IEA_34MW_130"}'), ('layout', :'base'::jsonb || '{"turbine": "windmill"}'),
('layout', :'base'::jsonb || '{"turbine": {"rated_kw": 100, "rotor_diameter_m": 20, "hub_height_m": 30, "speed_m_s": [3, 2], "power_kw": [0, 100], "ct": [0.8, 0.1]}}'),
('layout', :'base'::jsonb || '{"turbine": {"rated_kw": 100, "rotor_diameter_m": 20, "hub_height_m": 30, "speed_m_s": [3, 20], "power_kw": [0, 100000], "ct": [0.8, 0.1]}}'),
('layout', :'base'::jsonb || '{"turbine": {"rated_kw": 100, "hub_height_m": 30}}');
-- wind
INSERT INTO bad (pipeline, params) VALUES
('layout', :'base'::jsonb - 'wind'), ('layout', :'base'::jsonb || '{"wind": "bad_breeze"}'),
('layout', :'base'::jsonb || '{"wind": {"direction_deg": [0, 180], "speed_m_s": 9, "probability": [0.5, 0.4]}}'),
('layout', :'base'::jsonb || '{"wind": {"direction_deg": [0, 180], "speed_m_s": 9, "probability": [50, 50]}}'),
('layout', :'base'::jsonb || '{"wind": {"direction_deg": [180, 0], "speed_m_s": 9, "probability": [0.5, 0.5]}}'),
('layout', :'base'::jsonb || '{"wind": {"direction_deg": [0, 360], "speed_m_s": 9, "probability": [0.5, 0.5]}}'),
('layout', :'base'::jsonb || '{"wind": {"direction_deg": [0, 180], "speed_m_s": 9, "probability": [1.5, -0.5]}}'),
('layout', :'base'::jsonb || '{"wind": {"direction_deg": [0, 90], "frequency": [0.5, 0.5], "weibull_a_m_s": [9, 9], "weibull_k": [2, 2]}}'),
('layout', :'base'::jsonb || '{"wind": {"direction_deg": [0, 180], "frequency": [0.5, 0.5], "weibull_a_m_s": [9], "weibull_k": [2, 2]}}');
-- layouts
INSERT INTO bad (pipeline, params) VALUES
('simulation', '{"wind": "bad_wind"}'), ('simulation', '{"wind": "bad_wind", "layout": []}'), ('simulation', '{"wind": "bad_wind", "layout": "there"}'),
('simulation', '{"wind": "bad_wind", "layout": [[0, 0], [0, 0]]}'), ('simulation', '{"wind": "bad_wind", "layout": [[0]]}'),
('simulation', '{"wind": "bad_wind", "layout": {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": {"type": "Point", "coordinates": [200, 10]}}]}}'),
('simulation', '{"wind": "bad_wind", "layout": [[0, 0]], "availability_loss_pct": 101}'), ('simulation', '{"wind": "bad_wind", "layout": [[0, 0]], "n_turbines": 5}'),
('full_analysis', '{"site": "bad_ridge", "n_turbines": 5}'), ('full_analysis', :'base'::jsonb || '{"title": 5}'), ('full_analysis', :'base'::jsonb || '{"layout": [[0, 0]]}');
-- too much: the figure, and what would do
INSERT INTO bad (pipeline, params) VALUES
('terrain', '{"site": "bad_ridge", "resolution_m": 0.1}'), ('full_analysis', :'base'::jsonb || '{"resolution_m": 0.1}');
-- not the pipeline's business
INSERT INTO bad (pipeline, params) VALUES ('terain', '{"site": "bad_ridge"}');

SELECT count(*) AS jobs FROM asyncjob.job \gset
\pset format unaligned
\pset tuples_only on
SELECT format(E'%s. %s: %s %s\n%s\n', n, pipeline, coalesce(category, '-'), code, said) FROM bad, LATERAL pg_temp.refusal(pipeline, params) ORDER BY n;
\pset format aligned
\pset tuples_only off
SELECT count(*) = :jobs AS nothing_stored FROM asyncjob.job;
-- the rules: every refusal has category, code word and a sentence what to do
SELECT count(*) AS refusals, count(*) FILTER (WHERE category IN ('validation', 'resource') AND code ~ '^[a-z0-9_]+$') AS with_code
FROM bad, LATERAL pg_temp.refusal(pipeline, params) WHERE pipeline <> 'terain';
-- submit_many: all or none
CREATE FUNCTION pg_temp.many() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.submit_many('terrain', ARRAY['{"site": "bad_ridge"}', '{"site": "bad_rigde"}']::jsonb[]);
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    RETURN sqlstate || ' ' || sqlerrm;
END $$;
SELECT pg_temp.many();
-- run() refuses the same, without a job
\set SHOW_CONTEXT never
SELECT asyncjob.run('terrain', '{"site": "bad_rigde"}');
-- what the refusal of a grid says would do, does
SELECT substring(said FROM 'Raise resolution_m to (\d+) or') AS coarser FROM pg_temp.refusal('terrain', '{"site": "bad_ridge", "resolution_m": 0.1}') \gset
SELECT asyncjob.check_terrain(jsonb_build_object('site', 'bad_ridge', 'resolution_m', :coarser)) IS NOT NULL AS accepted;

RESET SESSION AUTHORIZATION;
DELETE FROM asyncjob.dem WHERE owner = 'regress_bad';
DELETE FROM asyncjob.site WHERE owner = 'regress_bad';
DELETE FROM asyncjob.wind_resource WHERE owner = 'regress_bad';
DROP OWNED BY regress_bad;
DROP ROLE regress_bad;

-- An input needs a name and a definition.
\set SHOW_CONTEXT never
SELECT asyncjob.load_site(NULL, '{}');
SELECT asyncjob.load_turbine('', '{}');
SELECT asyncjob.load_weibull(repeat('x', 201), '{}');
SELECT asyncjob.load_wind_rose('rose', NULL);
SELECT asyncjob.grant_usage(NULL);
