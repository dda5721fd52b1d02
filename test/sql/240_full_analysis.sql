--
-- full_analysis: four steps, one report; a retry does not repeat what is done
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
\set params '{"site": "full_ridge", "dem": "full_dem", "wind": "full_wind", "n_turbines": 8, "max_evaluations": 1000, "n_starts": 1, "title": "Ridge <script>alert(1)</script> & \\"co\\"", "availability_loss_pct": 4}'

SELECT asyncjob.submit('full_analysis', :'params') AS job \gset
SELECT state, partial, step, step_no, completed_steps, total_steps, progress, attempt, error_code
FROM asyncjob.wait(:job, '120s');
SELECT step_no, name, state, attempt, progress, started_at <= finished_at AS took_time,
       started_at >= lag(finished_at) OVER (ORDER BY step_no) AS after_the_one_before
FROM asyncjob.steps(:job) ORDER BY step_no;
SELECT seq, kind, state, step, level FROM asyncjob.updates(:job) ORDER BY seq;
SELECT name, step, kind, media_type, size > 100 AS size, sha256 = encode(sha256(asyncjob.artifact_data(:job, name)), 'hex') AS sha256
FROM asyncjob.artifacts(:job) ORDER BY step, name COLLATE "C";
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
SELECT position(round((r -> 'summary' ->> 'net_aep_gwh')::numeric, 1)::text IN html) > 0 AS net,
       (SELECT count(*) FROM regexp_matches(html, '<tr><td>[0-9]+</td>', 'g')) >= 8 AS turbine_rows
FROM full_result;
-- the same again: the same bytes
SELECT asyncjob.submit('full_analysis', :'params') AS again \gset
SELECT state FROM asyncjob.wait(:again, '120s');
SELECT asyncjob.result(:job) = asyncjob.result(:again) AS result,
       (SELECT count(*) FROM asyncjob.artifacts(:job) a JOIN asyncjob.artifacts(:again) b USING (name, sha256)) AS same_artifacts;

--
-- A failure in the middle. While the queue stands still the wind goes, so
-- that terrain is done and layout is not; then it comes back.
--
RESET SESSION AUTHORIZATION;
SELECT asyncjob.pause_queue('default');
SET SESSION AUTHORIZATION regress_full;
SELECT asyncjob.submit('full_analysis', :'params') AS broken \gset
DELETE FROM asyncjob.wind_resource WHERE name = 'full_wind';
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
SELECT asyncjob.load_weibull('full_wind', :'wind') ->> 'directions' AS directions;
SELECT asyncjob.retry(:broken);
SELECT state, completed_steps, error_code FROM asyncjob.wait(:broken, '120s');
-- terrain kept its times, its only attempt and its artifacts' rows
SELECT name, s.started_at = b.started_at AND s.finished_at = b.finished_at AS not_run_again, s.attempt
FROM before b JOIN asyncjob.steps(:broken) s USING (name);
SELECT count(*) AS artifacts, count(*) FILTER (WHERE a.created_at = b.created_at AND a.sha256 = b.sha256) AS untouched
FROM artifact_before b JOIN asyncjob.artifacts(:broken) a USING (name);
SELECT kind, state, step, level FROM asyncjob.updates(:broken) ORDER BY seq;
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

RESET SESSION AUTHORIZATION;
DELETE FROM asyncjob.dem WHERE owner = 'regress_full';
DELETE FROM asyncjob.site WHERE owner = 'regress_full';
DELETE FROM asyncjob.wind_resource WHERE owner = 'regress_full';
DROP OWNED BY regress_full;
DROP ROLE regress_full;
