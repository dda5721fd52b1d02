--
-- Wind farm steps: layout, simulation, report
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS asyncjob;
\getenv abs_srcdir PG_ABS_SRCDIR
\set read 'cat ' :abs_srcdir '/data/dem/jacksboro_wgs84.asc'
\set asc `:read`
\set read 'cat ' :abs_srcdir '/data/site/demo_site_jacksboro.geojson'
\set geojson `:read`
SELECT asyncjob.load_dem('wind_dem', :'asc', 4326) ->> 'complete' AS complete;
SELECT asyncjob.load_site('wind_site', :'geojson') ->> 'zones' AS zones;
-- IEA Wind Task 37, combined case study 1: rose, turbine, example layout of
-- 16 turbines; its published energy is 366941.57116 MWh
\set iea37_wind '{"direction_deg": [0, 22.5, 45, 67.5, 90, 112.5, 135, 157.5, 180, 202.5, 225, 247.5, 270, 292.5, 315, 337.5], "speed_m_s": 9.8, "probability": [0.025, 0.024, 0.029, 0.036, 0.063, 0.065, 0.100, 0.122, 0.063, 0.038, 0.039, 0.083, 0.213, 0.046, 0.032, 0.022]}'
\set iea37_turbine '{"kind": "iea37", "rated_kw": 3350, "rotor_diameter_m": 130, "hub_height_m": 110, "cut_in_m_s": 4, "rated_m_s": 9.8, "cut_out_m_s": 25}'
\set iea37_16 '[[0, 0], [650, 0], [200.861, 618.1867], [-525.861, 382.0604], [-525.861, -382.0604], [200.861, -618.1867], [1300, 0], [1051.7221, 764.1208], [401.7221, 1236.3735], [-401.7221, 1236.3735], [-1051.7221, 764.1208], [-1300, 0], [-1051.7221, -764.1208], [-401.7221, -1236.3735], [401.7221, -1236.3735], [1051.7221, -764.1208]]'
SELECT asyncjob.load_wind_rose('wind_rose', :'iea37_wind') ->> 'directions' AS directions;
-- the sectors of Horns Rev 1, scaled to an inland site
SELECT asyncjob.load_weibull('wind_sectors', '{
  "direction_deg": [0, 30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 330],
  "frequency": [3.597152, 3.948682, 5.167395, 7.000154, 8.364547, 6.43485, 8.643194, 11.77051, 15.15757, 14.73792, 10.01205, 5.165975],
  "normalize": true, "height_m": 80, "shear_alpha": 0.14, "source": "sectors of Horns Rev 1, scaled",
  "weibull_a_m_s": [6.6, 7.0, 6.9, 7.1, 7.2, 6.9, 6.9, 7.6, 8.2, 8.4, 8.4, 7.3],
  "weibull_k": [2.392578, 2.447266, 2.412109, 2.591797, 2.755859, 2.595703, 2.583984, 2.548828, 2.470703, 2.607422, 2.626953, 2.326172]}')
  ->> 'kind' AS kind;

--
-- simulation: published energies
--
CREATE TEMP TABLE sim AS
SELECT asyncjob.step_simulation(jsonb_build_object(
    'layout', :'iea37_16'::jsonb, 'wind', 'wind_rose',
    'turbine', :'iea37_turbine'::jsonb, 'wake_model', 'iea37_sbg')) AS o;
SELECT abs((o ->> 'wake_aep_gwh')::float8 * 1000 - 366941.57116) < 1e-5 AS iea37_16,
       abs((o ->> 'gross_aep_gwh')::float8 * 1000 - 469536) < 1e-5 AS no_wake,
       jsonb_array_length(o -> 'turbines') AS turbines,
       jsonb_array_length(o -> 'directions') AS directions
FROM sim;
-- east (90) as published; parts add up; net is after 3, 2 and 3 per cent
SELECT abs((d ->> 'wake_aep_gwh')::float8 * 1000 - 20979.36776) < 2e-5 AS east
FROM sim, jsonb_array_elements(o -> 'directions') d WHERE d ->> 'direction_deg' = '90';
SELECT abs(sum((t ->> 'wake_aep_gwh')::float8) - max((o ->> 'wake_aep_gwh')::float8)) < 1e-7 AS adds_up
FROM sim, jsonb_array_elements(o -> 'turbines') t;
SELECT abs((o ->> 'net_aep_gwh')::float8 - (o ->> 'wake_aep_gwh')::float8 * 0.97 * 0.98 * 0.97) < 1e-8 AS net,
       abs((o ->> 'capacity_factor')::float8 - (o ->> 'net_aep_gwh')::float8 / (16 * 0.00335 * 8760)) < 1e-6 AS cf
FROM sim;
-- PyWake's figures for the same farm
SELECT m AS wake_model, abs((asyncjob.step_simulation(jsonb_build_object(
    'layout', :'iea37_16'::jsonb, 'wind', 'wind_rose', 'turbine', :'iea37_turbine'::jsonb,
    'wake_model', m, 'k', k)) ->> 'wake_aep_gwh')::float8 * 1000 / mwh - 1) < 1e-9 AS as_pywake
FROM (VALUES ('noj', 0.1, 367205.0846866496),
             ('bastankhah_2014', 0.0324555, 355971.9717035484)) v (m, k, mwh);

--
-- layout: constraints, determinism
--
\set params '{"site": "wind_site", "wind": "wind_sectors", "n_turbines": 12, "max_evaluations": 3000, "n_starts": 2, "title": "A <b>bold</b> & \\"quoted\\" farm"}'
SELECT asyncjob.check_full_analysis(:'params') IS NOT NULL AS checked;
CREATE TEMP TABLE lay AS SELECT asyncjob.step_layout(:'params') AS o;
SELECT o -> 'metrics' ->> 'turbine_count' AS turbines,
       o -> 'metrics' ->> 'total_capacity_kw' AS kw,
       (o -> 'metrics' ->> 'min_spacing_m')::float8 >= 650 AS spacing,
       (o -> 'metrics' ->> 'aep_end_gwh')::float8 >= (o -> 'metrics' ->> 'aep_start_gwh')::float8 AS improved,
       (o -> 'metrics' ->> 'evaluations')::int BETWEEN 3000 AND 3010 AS budget,
       o -> 'layout' ->> 'type' AS type, o -> 'layout' ? 'bbox' AS bbox, o -> 'layout' ? 'crs' AS crs
FROM lay;
SELECT count(DISTINCT f -> 'properties' -> 'turbine_id') AS turbines,
       bool_and((f -> 'properties' ->> 'slope_deg')::float8 <= 15) AS slope,
       bool_and((f -> 'properties' ->> 'constraint_margin_m')::float8 >= 0) AS margin,
       bool_and((f -> 'properties' ->> 'elevation_m')::float8 BETWEEN 236 AND 1076) AS elevation,
       array_agg(DISTINCT k ORDER BY k) AS properties
FROM lay, jsonb_array_elements(o -> 'layout' -> 'features') f, jsonb_object_keys(f -> 'properties') k;
SELECT asyncjob.step_layout(:'params') = o AS same_seed FROM lay;
SELECT asyncjob.step_layout(:'params'::jsonb || '{"seed": 7}') -> 'layout' = o -> 'layout' AS other_seed FROM lay;
-- 20,000 kW take six turbines of 3,370 kW
SELECT asyncjob.step_layout(:'params'::jsonb - 'n_turbines' || '{"target_capacity_kw": 20000, "max_evaluations": 200}') -> 'metrics' ->> 'turbine_count' AS turbines;

--
-- report
--
CREATE TEMP TABLE rep AS
SELECT jsonb_build_object('params', :'params'::jsonb, 'steps', jsonb_build_object('layout', lay.o, 'simulation',
       asyncjob.step_simulation(jsonb_build_object('params', :'params'::jsonb, 'steps', jsonb_build_object('layout', lay.o))))) AS i
FROM lay;
SELECT asyncjob.step_report(i) -> 'summary' ->> 'turbine_count' AS turbines,
       (asyncjob.step_report(i) -> 'summary' ->> 'net_aep_gwh')::numeric
         = round((i -> 'steps' -> 'simulation' ->> 'net_aep_gwh')::numeric, 6) AS same_energy
FROM rep;
SELECT html LIKE '<!DOCTYPE html>%' AND html LIKE '%</html>_' AS whole,
       html LIKE '%<h1>A &lt;b&gt;bold&lt;/b&gt; &amp; &quot;quoted&quot; farm</h1>%' AS escaped,
       html ~ 'https?:|<script|src=|url\(http|@import' AS external,
       (length(html) - length(replace(html, '<circle', ''))) / 7 > 12 AS turbines_drawn,
       html LIKE '%data:image/png;base64,iVBOR%' AS hillshade,
       html LIKE '%power law with exponent 0.14%' AS shear_told,
       html ~* '[^a-z](nan|inf|null)[^a-z]' AS not_a_number
FROM (SELECT replace(regexp_replace(asyncjob.render_report(i), 'base64,iVBOR[^"]*', 'base64,iVBOR'), 'url(#frame)', '') AS html FROM rep) h;

--
-- errors: what is wrong, and what to do
--
\set SHOW_CONTEXT never
SELECT asyncjob.check_layout('{"site": "wind_site", "wind": "wind_sectors"}');
SELECT asyncjob.check_layout('{"site": "wind_site", "wind": "wind_sectors", "n_turbines": 5, "target_capacity_kw": 100}');
SELECT asyncjob.check_layout('{"site": "wind_site", "wind": "wind_sectors", "n_turbine": 5}');
SELECT asyncjob.check_layout('{"site": "wind_site", "wind": "wind_sectors", "n_turbines": 0}');
SELECT asyncjob.check_layout('{"site": "wind_site", "n_turbines": 5}');
SELECT asyncjob.check_simulation('{"wind": "wind_rose"}');
SELECT asyncjob.check_simulation('{"wind": "wind_rose", "layout": [[0, 0], [0, 0.5]]}');
SELECT asyncjob.check_simulation('{"wind": "wind_rose", "layout": [[0, "a"]]}');
SELECT asyncjob.check_simulation('{"wind": "wind_rose", "layout": {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": {"type": "Point", "coordinates": [10, 95]}}]}}');
SELECT asyncjob.check_simulation('{"wind": "wind_sectors", "layout": [[0, 0]], "wd_step_deg": 7}');
SELECT asyncjob.check_simulation('{"wind": "wind_rose", "layout": [[0, 0]], "wake_model": "park"}');
SELECT asyncjob.check_full_analysis(:'params'::jsonb || '{"layout": []}');
SELECT asyncjob.step_report('{"params": {"site": "wind_site"}, "steps": {}}');
-- too many: a program sees category and code, and the number said does fit
DO $$
DECLARE
    params jsonb := '{"site": "wind_site", "wind": "wind_sectors", "max_evaluations": 200}';
    state text;
    code text;
    message text;
    hint text;
    fits int;
BEGIN
    PERFORM asyncjob.step_layout(params || '{"n_turbines": 2000}');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, code = CONSTRAINT_NAME,
        message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    fits := substring(message FROM ': (\d+) is the largest number found that does');
    RAISE WARNING '% %: % in 100..140: %', state, code, regexp_replace(message, ': \d+', ': N'), fits BETWEEN 100 AND 140;
    RAISE WARNING 'hint names it: %', hint LIKE format('Ask for at most %s turbines%%', fits);
    RAISE WARNING 'placed: %', asyncjob.step_layout(params || jsonb_build_object('n_turbines', fits))
        -> 'metrics' -> 'turbine_count' = to_jsonb(fits);
END $$;
-- nothing to build on
SELECT asyncjob.step_layout(:'params'::jsonb || '{"boundary_setback_m": 5000}');

-- a cancel ends a running search at once
SET statement_timeout = '500ms';
SELECT asyncjob.step_layout(:'params'::jsonb || '{"max_evaluations": 1000000000}');
RESET statement_timeout;
