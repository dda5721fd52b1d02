--
-- full_analysis: ground and wind beside each other, then layout, energy, one
-- report; a retry does not repeat what is done
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS asyncjob;
CREATE ROLE regress_full LOGIN;
SELECT asyncjob.grant_usage('regress_full');
SET SESSION AUTHORIZATION regress_full;
\getenv abs_srcdir PG_ABS_SRCDIR
\set read 'cat ' :abs_srcdir '/data/dem/jacksboro_wgs84.asc'
\set asc `:read`
\set read 'cat ' :abs_srcdir '/data/site/demo_site_jacksboro.geojson'
\set geojson `:read`
SELECT asyncjob.load_dem('full_dem', :'asc') ->> 'complete' AS complete;
SELECT asyncjob.load_site('full_ridge', :'geojson') ->> 'zones' AS zones;
-- the sectors of Horns Rev 1, as in PyWake's example site; they stand in for
-- a measurement here
\set wind '{"direction_deg": [0, 30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 330], "frequency": [0.03597152, 0.03948682, 0.05167395, 0.07000154, 0.08364547, 0.06434850, 0.08643194, 0.11770510, 0.15157570, 0.14737920, 0.10012050, 0.05165975], "weibull_a_m_s": [9.176929, 9.782334, 9.531809, 9.909545, 10.04269, 9.593921, 9.584007, 10.51499, 11.39895, 11.68746, 11.63732, 10.08803], "weibull_k": [2.392578, 2.447266, 2.412109, 2.591797, 2.755859, 2.595703, 2.583984, 2.548828, 2.470703, 2.607422, 2.626953, 2.326172], "height_m": 70, "source": "Horns Rev 1"}'
SELECT asyncjob.load_weibull('full_wind', :'wind') ->> 'directions' AS directions;
-- a turbine of one's own, so that it can be gone
CREATE TEMP TABLE mill AS
SELECT jsonb_build_object('rated_kw', rated_kw, 'rotor_diameter_m', rotor_diameter_m, 'hub_height_m', hub_height_m,
                          'speed_m_s', speed_m_s, 'power_kw', power_kw, 'ct', ct) AS t
FROM asyncjob.turbine WHERE name = 'IEA_3.4MW_130' AND owner IS NULL;
SELECT asyncjob.load_turbine('full_mill', t) ->> 'name' AS turbine FROM mill;
\set params '{"site": "full_ridge", "dem": "full_dem", "wind": "full_wind", "turbine": "full_mill", "n_turbines": 8, "max_evaluations": 1000, "n_starts": 1, "title": "Ridge <script>alert(1)</script> & \\"co\\"", "availability_loss_pct": 4}'

SELECT asyncjob.submit('full_analysis', :'params') AS job \gset
SELECT state, partial, step, step_no, completed_steps, total_steps, progress, attempt, error_code
FROM asyncjob.wait(:job, '120s');
SELECT step_no, name, state, attempt, progress, started_at <= finished_at AS took_time,
       CASE WHEN step_no > 2 THEN started_at >= max(finished_at) FILTER (WHERE step_no < 3) OVER () END AS after_ground_and_wind,
       CASE WHEN step_no > 2 THEN started_at >= lag(finished_at) OVER (ORDER BY step_no) END AS after_the_one_before
FROM asyncjob.steps(:job) ORDER BY step_no;
SELECT state, message FROM asyncjob.updates(:job) WHERE message LIKE 'begins %';
-- which of the two that run beside each other ends first is left open
SELECT kind, state, level FROM asyncjob.updates(:job) WHERE step IS DISTINCT FROM 'wind_resource' AND state <> 'waiting' ORDER BY seq;
SELECT name, step, kind, media_type, size > 100 AS size, sha256 = encode(sha256(asyncjob.artifact_data(:job, name)), 'hex') AS sha256
FROM asyncjob.artifacts(:job) ORDER BY step, name COLLATE "C";
-- all that is made is kept for as long
SELECT a.name, a.kind FROM asyncjob.artifacts(:job) a WHERE NOT EXISTS (SELECT FROM asyncjob.retention_defaults d WHERE d.kind = 'artifact:' || a.kind AND d.keep = '30 days');
-- in ranges as in one piece
SELECT string_agg(asyncjob.artifact_data(:job, 'report.html', at, 10000), NULL ORDER BY at) = asyncjob.artifact_data(:job, 'report.html') AS in_ranges
FROM asyncjob.artifacts(:job) a, generate_series(0, a.size, 10000) at WHERE a.name = 'report.html';

--
-- the result: a summary that is what layout and simulation said
--
CREATE TEMP TABLE full_result AS
SELECT asyncjob.result(:job) AS r,
       convert_from(asyncjob.artifact_data(:job, 'energy_yield'), 'UTF8')::jsonb AS e,
       convert_from(asyncjob.artifact_data(:job, 'layout_metrics'), 'UTF8')::jsonb AS m,
       convert_from(asyncjob.artifact_data(:job, 'turbine_layout'), 'UTF8')::jsonb AS l,
       convert_from(asyncjob.artifact_data(:job, 'report.html'), 'UTF8') AS html;
SELECT jsonb_object_keys(r) COLLATE "C" AS key FROM full_result ORDER BY 1;
SELECT r -> 'artifacts' AS artifacts, r -> 'summary' -> 'turbine_count' AS turbines, r -> 'summary' -> 'total_capacity_kw' AS kw FROM full_result;
-- each figure of the summary that energy_yield has, too
SELECT s.key COLLATE "C" AS key, CASE WHEN jsonb_typeof(s.value) = 'number' THEN abs((s.value #>> '{}')::numeric / (e ->> s.key)::numeric - 1) < 1e-5 ELSE s.value = e -> s.key END AS same
FROM full_result, jsonb_each(r -> 'summary') s WHERE e ? s.key ORDER BY 1;
SELECT (e ->> 'availability_loss_pct')::int AS availability_loss_pct,
       abs((e ->> 'net_aep_gwh')::float8 - (e ->> 'wake_aep_gwh')::float8 * 0.96 * 0.98 * 0.97) < 1e-6 AS net,
       jsonb_array_length(l -> 'features') AS turbines,
       -- the simulation is of this layout
       (SELECT bool_and((t ->> 'longitude')::numeric = (f -> 'geometry' -> 'coordinates' ->> 0)::numeric
                        AND (t ->> 'latitude')::numeric = (f -> 'geometry' -> 'coordinates' ->> 1)::numeric)
        FROM jsonb_array_elements(e -> 'turbines') WITH ORDINALITY t (t, i)
        JOIN jsonb_array_elements(l -> 'features') WITH ORDINALITY f (f, i) USING (i)) AS same_places,
       m ->> 'wake_model' AS layout_by, e ->> 'wake_model' AS simulated_by
FROM full_result;
-- the report: one file, nothing loaded from elsewhere, nothing unescaped
SELECT html LIKE '<!DOCTYPE html>%' AS doctype, rtrim(html, E'\n') LIKE '%</html>' AS whole,
       html ~* '(src|href|xlink:href|action|data|poster)\s*=\s*["'']?\s*(https?:)?//' AS loads,
       html ~* 'url\(\s*["'']?(https?:|//)|@import|<script|<link|<iframe' AS external,
       html ~ '(src|href)\s*=\s*"data:image/png;base64,iVBOR' AS hillshade,
       html LIKE '%Ridge &lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;co&quot;%' AS escaped,
       html LIKE '%Horns Rev 1%' AS source_named, html ~* '[^a-z](nan|infinity)[^a-z]' AS not_a_number
FROM (SELECT html FROM full_result) h;
-- the drawings are XML, but for HTML's names of signs; the figures are there
SELECT count(*) AS drawings, bool_and(xml_is_well_formed_content(regexp_replace(svg, '&(minus|ndash|middot|deg);', '-', 'g'))) AS well_formed
FROM full_result, LATERAL (SELECT (regexp_matches(html, '<svg.*?</svg>', 'g'))[1] AS svg) s;
SELECT html LIKE '%<h2>Wind between the turbines</h2>%' AS wake_map, (SELECT count(*) FROM regexp_matches(html, 'data:image/png;base64', 'g')) AS pictures FROM full_result;
SELECT position(round((r -> 'summary' ->> 'net_aep_gwh')::numeric, 1)::text IN html) > 0 AS net,
       (SELECT count(*) FROM regexp_matches(html, '<tr><td>[0-9]+</td>', 'g')) >= 8 AS turbine_rows
FROM full_result;
-- the same again: the same bytes
SELECT asyncjob.submit('full_analysis', :'params') AS again \gset
SELECT state FROM asyncjob.wait(:again, '120s');
SELECT asyncjob.result(:job) = asyncjob.result(:again) AS result,
       (SELECT count(*) FROM asyncjob.artifacts(:job) a JOIN asyncjob.artifacts(:again) b USING (name, sha256)) AS same_artifacts;

--
-- A failure in the middle. While the queue stands still the turbine goes, so
-- that terrain and wind are done and layout is not; then it comes back.
--
RESET SESSION AUTHORIZATION;
SELECT asyncjob.pause_queue('default');
SET SESSION AUTHORIZATION regress_full;
SELECT asyncjob.submit('full_analysis', :'params') AS broken \gset
DELETE FROM asyncjob.turbine WHERE name = 'full_mill';
RESET SESSION AUTHORIZATION;
SELECT asyncjob.resume_queue('default');
SET SESSION AUTHORIZATION regress_full;
SELECT state, step, completed_steps, total_steps, attempt, error_code, error_category, error_message, error_hint
FROM asyncjob.wait(:broken, '60s');
SELECT step_no, name, state, attempt, error_message FROM asyncjob.steps(:broken) ORDER BY step_no;
SELECT asyncjob.result(:broken) IS NULL AS no_result, array_agg(name ORDER BY name COLLATE "C") AS artifacts FROM asyncjob.artifacts(:broken);
SELECT pipeline, step_no, attempts, sqlstate, category FROM asyncjob.dead_letters WHERE job_id = :broken;
CREATE TEMP TABLE before AS SELECT name, started_at, finished_at, attempt FROM asyncjob.steps(:broken) WHERE state = 'completed';
CREATE TEMP TABLE artifact_before AS SELECT * FROM asyncjob.artifacts(:broken);
SELECT asyncjob.load_turbine('full_mill', t) ->> 'name' AS turbine FROM mill;
SELECT asyncjob.retry(:broken);
SELECT state, completed_steps, error_code FROM asyncjob.wait(:broken, '120s');
-- terrain and wind kept their times, their only attempt and their artifacts' rows
SELECT name, s.started_at = b.started_at AND s.finished_at = b.finished_at AS not_run_again, s.attempt
FROM before b JOIN asyncjob.steps(:broken) s USING (name) ORDER BY name;
SELECT count(*) AS artifacts, count(*) FILTER (WHERE a.created_at = b.created_at AND a.sha256 = b.sha256) AS untouched
FROM artifact_before b JOIN asyncjob.artifacts(:broken) a USING (name);
SELECT kind, state, level FROM asyncjob.updates(:broken) WHERE step IS DISTINCT FROM 'wind_resource' AND state <> 'waiting' ORDER BY seq;
-- and the result is that of the job that went well
SELECT asyncjob.result(:broken) = asyncjob.result(:job) AS same_result,
       (SELECT count(*) FROM asyncjob.artifacts(:job) a JOIN asyncjob.artifacts(:broken) b USING (name, sha256)) AS same_artifacts;
-- what has ended well is not run again
CREATE FUNCTION pg_temp.retry(job bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.retry(job);
    RETURN 'queued';
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RETURN replace(sqlerrm, job::text, 'N');
END $$;
SELECT pg_temp.retry(:broken);

--
-- from a measured series: its distributions are the wind of layout, energy
-- and report. Speeds are the quantiles of a Weibull distribution, A 8 m/s and
-- k 2, at 80 m; 40 % come from 210 degrees, the rest from 300.
--
CREATE TEMP TABLE mast AS
SELECT i, timestamptz '2021-01-01 00:00Z' + i * interval '1 hour' AS t,
       8 * sqrt(-ln(1 - (((i * 4793) % 8760) + 0.5) / 8760)) AS ws,
       CASE WHEN i % 10 < 4 THEN 210 ELSE 300 END AS wd
FROM generate_series(0, 8759) i;
SELECT asyncjob.load_wind_series('full_mast', array_agg(ws ORDER BY i), array_agg(wd ORDER BY i)::float8[], array_agg(t ORDER BY i),
    height_m => 80, source => 'made for this test') IS NOT NULL AS loaded FROM mast;
SELECT asyncjob.submit('full_analysis', :'params'::jsonb - 'wind' || '{"series": "full_mast", "shear_alpha": 0.14, "weibull_method": "wasp"}') AS measured \gset
SELECT state, partial, error_message FROM asyncjob.wait(:measured, '120s');
SELECT asyncjob.step_result(:measured, 'wind_resource') ->> 'weibull_method' AS method,
       -- the mean at hub height is that of A 8, k 2 by the power law
       abs((asyncjob.result(:measured) -> 'summary' ->> 'mean_speed_m_s')::float8 / (4 * sqrt(pi()) * (110 / 80.0) ^ 0.14) - 1) < 2e-3 AS mean_speed;
-- the same energy as of the resource that comes out of the series
SELECT asyncjob.load_weibull('full_definition', asyncjob.step_result(:measured, 'wind_resource') -> 'definition') ->> 'kind' AS kind;
SELECT abs((asyncjob.run('simulation', jsonb_build_object('layout', asyncjob.step_result(:measured, 'layout') -> 'layout', 'wind', 'full_definition',
           'turbine', 'full_mill', 'shear_alpha', 0.14, 'availability_loss_pct', 4, 'flow_map_resolution_m', 0)) ->> 'net_aep_gwh')::float8 /
           (asyncjob.result(:measured) -> 'summary' ->> 'net_aep_gwh')::float8 - 1) < 1e-6 AS same_energy;
SELECT html LIKE '%Mean speed by month%' AS months, html LIKE '%made for this test%' AS source
FROM convert_from(asyncjob.artifact_data(:measured, 'report.html'), 'UTF8') html;
SELECT name, kind FROM asyncjob.artifacts(:measured) WHERE step = 'wind_resource' ORDER BY name COLLATE "C";
-- a wind that is an object and has no name; one that never blows, one turbine
SELECT r -> 'summary' ->> 'turbine_count' AS turbines, (r -> 'summary' ->> 'net_aep_gwh')::float8 > 1 AS energy
FROM asyncjob.run('full_analysis', :'params'::jsonb || '{"n_turbines": 1, "flow_map_resolution_m": 0}' || jsonb_build_object('wind', :'wind'::jsonb)) r;
SELECT r -> 'summary' ->> 'net_aep_gwh' AS energy, r -> 'summary' ->> 'wake_loss_pct' AS wake_loss, r -> 'summary' ->> 'turbine_count' AS turbines
FROM asyncjob.run('full_analysis', :'params'::jsonb || '{"wind": {"direction_deg": [0, 180], "frequency": [0.5, 0.5], "weibull_a_m_s": [0.1, 0.1], "weibull_k": [2, 2]}}') r;
SELECT l ->> 'rule' AS rule, l ->> 'actual' IS NULL AS none, l ->> 'passed' AS passed
FROM asyncjob.run('layout', jsonb_build_object('site', 'full_ridge', 'wind', 'full_wind', 'n_turbines', 1, 'max_evaluations', 500)) r,
     jsonb_array_elements(r -> 'metrics' -> 'compliance') l;
-- one of the two, and one that there is
CREATE FUNCTION pg_temp.refusal(params jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.submit('full_analysis', params);
    RETURN 'submitted';
EXCEPTION WHEN OTHERS THEN
    RETURN sqlerrm;
END $$;
SELECT pg_temp.refusal(:'params'::jsonb || '{"series": "full_mast"}');
SELECT pg_temp.refusal(:'params'::jsonb - 'wind' || '{"series": "full_tower"}');
SELECT pg_temp.refusal(:'params'::jsonb - 'wind');
SELECT pg_temp.refusal(:'params'::jsonb || '{"hub_height_m": 120}');
-- in the words of the chat systems
SELECT status, current_step, completed_steps, total_steps, jsonb_path_query_array(thought_steps, '$[*].action') AS steps FROM asyncjob.get_renewable_job(:job);

RESET SESSION AUTHORIZATION;
DELETE FROM asyncjob.wind_series WHERE owner = 'regress_full';
DELETE FROM asyncjob.turbine WHERE owner = 'regress_full';
DELETE FROM asyncjob.dem WHERE owner = 'regress_full';
DELETE FROM asyncjob.site WHERE owner = 'regress_full';
DELETE FROM asyncjob.wind_resource WHERE owner = 'regress_full';
DROP OWNED BY regress_full;
DROP ROLE regress_full;
