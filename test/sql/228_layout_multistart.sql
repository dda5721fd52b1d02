--
-- layout_multistart: a search for each seed, the best is taken
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS asyncjob;
CREATE ROLE regress_multi LOGIN;
SELECT asyncjob.grant_usage('regress_multi');
SET SESSION AUTHORIZATION regress_multi;
\set SHOW_CONTEXT never
\getenv abs_srcdir PG_ABS_SRCDIR
\set read 'cat ' :abs_srcdir '/data/dem/jacksboro_wgs84.asc'
\set asc `:read`
\set read 'cat ' :abs_srcdir '/data/site/demo_site_jacksboro.geojson'
\set geojson `:read`
SELECT asyncjob.load_dem('multi_dem', :'asc') ->> 'complete' AS complete;
SELECT asyncjob.load_site('multi_ridge', :'geojson') ->> 'zones' AS zones;
-- the sectors of Horns Rev 1, as in PyWake's example site
SELECT asyncjob.load_weibull('multi_wind', '{"direction_deg": [0, 30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 330], "frequency": [0.03597152, 0.03948682, 0.05167395, 0.07000154, 0.08364547, 0.06434850, 0.08643194, 0.11770510, 0.15157570, 0.14737920, 0.10012050, 0.05165975], "weibull_a_m_s": [9.176929, 9.782334, 9.531809, 9.909545, 10.04269, 9.593921, 9.584007, 10.51499, 11.39895, 11.68746, 11.63732, 10.08803], "weibull_k": [2.392578, 2.447266, 2.412109, 2.591797, 2.755859, 2.595703, 2.583984, 2.548828, 2.470703, 2.607422, 2.626953, 2.326172], "height_m": 70}') ->> 'directions' AS directions;
\set params '{"site": "multi_ridge", "wind": "multi_wind", "n_turbines": 10, "max_evaluations": 10000, "n_starts": 1}'

SELECT asyncjob.submit('layout_multistart', :'params'::jsonb || '{"seeds": [3, 1, 4, 2]}') AS job \gset
SELECT state, step, completed_steps, total_steps, error_message FROM asyncjob.wait(:job, '120s');
CREATE TEMP TABLE multi AS SELECT asyncjob.result(:job) AS r;
-- what each seed came to, in the order of the list
SELECT s ->> 'seed' AS seed, (s ->> 'aep_end_gwh')::float8 > 0 AS energy, s ->> 'evaluations' AS evaluations, jsonb_typeof(s -> 'converged') AS converged,
       jsonb_array_length(s -> 'convergence') > 3 AS convergence
FROM multi, jsonb_array_elements(r -> 'metrics' -> 'starts') s;
-- the best of them is the result
SELECT (r -> 'metrics' ->> 'aep_end_gwh')::numeric = (SELECT max((s ->> 'aep_end_gwh')::numeric) FROM jsonb_array_elements(r -> 'metrics' -> 'starts') s) AS best,
       r -> 'metrics' ->> 'turbine_count' AS turbines, jsonb_array_length(r -> 'layout' -> 'features') AS places,
       (r -> 'metrics' ->> 'min_spacing_m')::float8 >= (r -> 'metrics' ->> 'required_spacing_m')::float8 AS spacing,
       (SELECT bool_and((c ->> 'passed')::boolean) FROM jsonb_array_elements(r -> 'metrics' -> 'compliance') c) AS passed
FROM multi;
-- which is the layout of a single job with that seed
SELECT o -> 'layout' = r -> 'layout' AS same_layout, o -> 'metrics' = (r -> 'metrics') - 'starts' AS same_metrics
FROM multi, LATERAL (SELECT asyncjob.run('layout', :'params'::jsonb || jsonb_build_object('seed', r -> 'metrics' -> 'seed')) AS o) l;
-- and no worse than a single start with as many moves as the four together
SELECT (r -> 'metrics' ->> 'aep_end_gwh')::numeric >= (o -> 'metrics' ->> 'aep_end_gwh')::numeric AS no_worse,
       (SELECT sum((s ->> 'evaluations')::int) FROM jsonb_array_elements(r -> 'metrics' -> 'starts') s) <= 1.01 * (o -> 'metrics' ->> 'evaluations')::int AS of_as_many_moves
FROM multi, LATERAL (SELECT asyncjob.run('layout', :'params'::jsonb || '{"seed": 3, "max_evaluations": 40000}') AS o) l;
-- the same again; another order has the same best
SELECT asyncjob.submit('layout_multistart', :'params'::jsonb || '{"seeds": [3, 1, 4, 2]}') AS again,
       asyncjob.submit('layout_multistart', :'params'::jsonb || '{"seeds": [1, 2, 3, 4]}') AS sorted \gset
SELECT state FROM asyncjob.wait(:again, '120s') UNION ALL SELECT state FROM asyncjob.wait(:sorted, '120s');
SELECT r = asyncjob.result(:again) AS same, r -> 'layout' = asyncjob.result(:sorted) -> 'layout' AS same_best FROM multi;
SELECT name, kind, step FROM asyncjob.artifacts(:job) ORDER BY name COLLATE "C";
SELECT split_part(convert_from(asyncjob.artifact_data(:job, 'convergence.csv'), 'UTF8'), E'\n', 1) AS columns,
       (SELECT count(DISTINCT split_part(l, ',', 1)) FROM regexp_split_to_table(convert_from(asyncjob.artifact_data(:job, 'convergence.csv'), 'UTF8'), E'\n') l WHERE l ~ '^[0-9]') AS seeds;
SELECT html LIKE '%<h2>Starts</h2>%' AS starts, html LIKE '%seed 4%' AS legend, (SELECT count(*) FROM regexp_matches(html, '</b>, taken', 'g')) AS taken
FROM convert_from(asyncjob.artifact_data(:job, 'layout_report.html'), 'UTF8') html;
-- in run(), one after the other
SELECT asyncjob.run('layout_multistart', :'params'::jsonb || '{"seeds": [3, 1, 4, 2]}') = r AS same FROM multi;

--
-- refused
--
CREATE FUNCTION pg_temp.refusal(params jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.submit('layout_multistart', params);
    RETURN 'submitted';
EXCEPTION WHEN OTHERS THEN
    RETURN sqlerrm;
END $$;
SELECT p, pg_temp.refusal(:'params'::jsonb || p::jsonb)
FROM unnest(ARRAY['{}', '{"seeds": []}', '{"seeds": 3}', '{"seeds": [1, 2, 1]}', '{"seeds": [1.5]}', '{"seeds": [-1]}', '{"seeds": ["1"]}',
                  '{"seeds": [[1]]}', '{"seeds": [1], "seed": 2}', '{"seeds": [1], "n_turbines": 0}']) p;
SELECT pg_temp.refusal(:'params'::jsonb || jsonb_build_object('seeds', (SELECT jsonb_agg(i) FROM generate_series(1, 101) i)));
-- more than fit: the first that finds out ends the job
SELECT asyncjob.submit('layout_multistart', :'params'::jsonb || '{"seeds": [1, 2], "n_turbines": 1500, "max_evaluations": 100}') AS crowd \gset
SELECT state, step, error_code, error_category FROM asyncjob.wait(:crowd, '120s');
SELECT asyncjob.step_layout_start('{"params": {}, "steps": {}}');
SELECT asyncjob.step_layout_best('{"params": {}, "steps": {}}');
-- outputs that somebody made up: refused, whatever they hold
CREATE FUNCTION pg_temp.made_up(handler text, input jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SELECT asyncjob.%I($1)', handler) USING input;
    RETURN 'taken';
EXCEPTION WHEN OTHERS THEN
    RETURN sqlerrm;
END $$;
CREATE TEMP TABLE outputs AS SELECT :'params'::jsonb || '{"flow_map_resolution_m": 0}' AS p, jsonb_build_object('layout', r, 'starts', jsonb_build_array(r),
    'simulation', asyncjob.run('simulation', jsonb_build_object('layout', r -> 'layout', 'wind', 'multi_wind', 'flow_map_resolution_m', 0))) AS s FROM multi;
SELECT handler, path, value, pg_temp.made_up(handler, jsonb_build_object('params', p, 'steps', jsonb_set(s, path::text[], value)))
FROM outputs, (VALUES
    ('step_layout_best', '{starts,0}', '1'::jsonb), ('step_layout_best', '{starts,0}', '[]'), ('step_layout_best', '{starts,0}', 'null'),
    ('step_layout_best', '{starts,0,metrics,convergence,0}', '1'), ('step_layout_best', '{starts,0,metrics,convergence,0}', '{}'),
    ('step_layout_best', '{starts,0,metrics,convergence,0}', '["a", 1]'), ('step_layout_best', '{starts,0,metrics,convergence,0}', '[1]'),
    ('step_layout_best', '{starts,0,metrics,compliance}', '[1]'), ('step_layout_best', '{starts,0,metrics}', '"much"'),
    ('render_report', '{simulation,turbines,0}', '1'), ('render_report', '{simulation,turbines,0}', '[1]'), ('render_report', '{simulation,turbines}', '{}'),
    ('render_report', '{layout,layout,features,0}', '1')) v (handler, path, value);

RESET SESSION AUTHORIZATION;
DELETE FROM asyncjob.dem WHERE owner = 'regress_multi';
DELETE FROM asyncjob.site WHERE owner = 'regress_multi';
DELETE FROM asyncjob.wind_resource WHERE owner = 'regress_multi';
DROP OWNED BY regress_multi;
DROP ROLE regress_multi;
