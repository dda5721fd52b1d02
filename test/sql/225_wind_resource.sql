--
-- wind_resource: measured series in, distributions out
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS asyncjob;
CREATE ROLE regress_wind_a LOGIN;
CREATE ROLE regress_wind_b LOGIN;
SELECT asyncjob.grant_usage('regress_wind_a'), asyncjob.grant_usage('regress_wind_b');
SET SESSION AUTHORIZATION regress_wind_a;
SET timezone = 'UTC';
\set SHOW_CONTEXT never

--
-- A year of hours whose speeds are the quantiles of a Weibull distribution,
-- A 8 m/s and k 2, in shuffled order; 40 % come from 210 degrees, the rest
-- from 300; at 80 m 2 ^ 0.2 times as fast as at 40 m.
--
CREATE TEMP TABLE mast AS
SELECT i, timestamptz '2021-01-01 00:00Z' + i * interval '1 hour' AS t,
       8 * sqrt(-ln(1 - (((i * 4793) % 8760) + 0.5) / 8760)) AS ws,
       CASE WHEN i % 10 < 4 THEN 210 ELSE 300 END AS wd
FROM generate_series(0, 8759) i;
SELECT asyncjob.load_wind_series('mast',
    array_agg(ws ORDER BY i), array_agg(wd ORDER BY i)::float8[], array_agg(t ORDER BY i), height_m => 40,
    speed_std_m_s => array_agg(0.12 * ws ORDER BY i),
    upper_speed_m_s => array_agg(ws * 2 ^ 0.2 ORDER BY i), upper_height_m => 80, source => 'made for this test') FROM mast;
SELECT asyncjob.submit('wind_resource', '{"series": "mast", "hub_height_m": 120}') AS job \gset
SELECT state FROM asyncjob.wait(:job, '60s');
CREATE TEMP TABLE r AS SELECT asyncjob.result(:job) AS o;
SELECT abs((o ->> 'mean_speed_m_s')::float8 / (8 * sqrt(pi()) / 2) - 1) < 1e-3 AS mean,
       abs((o -> 'weibull_mle' ->> 'k')::float8 - 2) < 5e-3 AS k_mle, abs((o -> 'weibull_mle' ->> 'a_m_s')::float8 - 8) < 5e-3 AS a_mle,
       abs((o -> 'weibull_wasp' ->> 'k')::float8 - 2) < 5e-3 AS k_wasp, abs((o -> 'weibull_wasp' ->> 'a_m_s')::float8 - 8) < 5e-3 AS a_wasp,
       -- 1/2 rho A^3 Gamma(2.5)
       abs((o ->> 'power_density_w_m2')::float8 / (0.5 * 1.225 * 512 * 0.75 * sqrt(pi())) - 1) < 3e-3 AS power,
       abs((o ->> 'turbulence_intensity')::float8 - 0.12) < 1e-6 AS ti
FROM r;
SELECT abs((o -> 'shear' ->> 'alpha')::float8 - 0.2) < 1e-8 AS alpha,
       abs((o -> 'at_hub_height' ->> 'factor')::float8 - 3 ^ 0.2) < 1e-8 AS factor,
       o -> 'weibull' = o -> 'weibull_mle' AS mle, o ->> 'weibull_method' AS method
FROM r;
SELECT s ->> 'direction_deg' AS direction, s ->> 'frequency' AS frequency, s ->> 'fitted' AS fitted
FROM r, jsonb_array_elements(o -> 'sectors') s WHERE (s ->> 'frequency')::float8 > 0;
SELECT o -> 'quality' ->> 'valid' AS valid, o -> 'quality' ->> 'recovery_pct' AS recovery, o -> 'quality' ->> 'from' AS "from",
       o -> 'quality' ->> 'to' AS "to", o -> 'quality' ->> 'gaps' AS gaps, o -> 'warnings' AS warnings
FROM r;
SELECT o -> 'wind_rose' ->> 'predominantDirection' AS predominant, jsonb_array_length(o -> 'wind_rose' -> 'directionBins') AS bins,
       abs((SELECT sum((x ->> 'frequency')::float8) FROM jsonb_path_query(o, '$.wind_rose.directionBins[*].speedBins[*]') x) - 100) < 1e-2 AS sums,
       jsonb_array_length(o -> 'monthly_mean_speed_m_s') AS months
FROM r;
-- what makes a fit mislead is said: calms written as 0, speeds that are no wind's distribution
SELECT asyncjob.load_wind_series(n, array_agg(u ORDER BY i), array_agg(wd ORDER BY i)::float8[], array_agg(t ORDER BY i)) ->> 'records' AS records
FROM mast, LATERAL (VALUES ('still', CASE WHEN i % 20 = 0 THEN 0 ELSE ws END), ('two_speeds', 5 + i % 2)) v (n, u) GROUP BY n ORDER BY n;
SELECT n, m, w FROM unnest(ARRAY['still', 'two_speeds']) n, unnest(ARRAY['mle', 'wasp']) m,
     jsonb_array_elements_text(asyncjob.run('wind_resource', jsonb_build_object('series', n, 'weibull_method', m)) -> 'warnings') w ORDER BY 1, 2, 3;
DELETE FROM asyncjob.wind_series WHERE name IN ('still', 'two_speeds');
SELECT name, kind, media_type FROM asyncjob.artifacts(:job) ORDER BY name;
-- all that is made is kept for as long
SELECT a.name, a.kind FROM asyncjob.artifacts(:job) a WHERE NOT EXISTS (SELECT FROM asyncjob.retention_defaults d WHERE d.kind = 'artifact:' || a.kind AND d.keep = '30 days');
-- the report: one file, no network; of a part of a year too
SELECT html LIKE '<!DOCTYPE html>%</html>%' AS whole, html !~ '(href|src)="(http|//)' AS no_network, html ~ 'Mean speed by month' AS months,
       html ~ 'maximum likelihood' AS method, html ~ 'At hub height' = (asyncjob.result(:job) ? 'at_hub_height') AS hub
FROM convert_from(asyncjob.artifact_data(:job, 'wind_resource_report.html'), 'UTF8') html;
SELECT asyncjob.load_wind_series('spring', array_agg(ws ORDER BY i), array_agg(wd ORDER BY i)::float8[], array_agg(t ORDER BY i), height_m => 40) IS NOT NULL AS loaded
FROM mast WHERE i BETWEEN 2000 AND 4000;
SELECT asyncjob.run('wind_resource', '{"series": "spring"}') -> 'monthly_mean_speed_m_s' -> 0 AS january;
-- the definition is a wind resource: it loads, and its energy is that of A 8, k 2
SELECT asyncjob.load_weibull('from_mast', o -> 'definition') ->> 'directions' AS sectors FROM r;
SELECT asyncjob.step_wind_resource('{"wind": "from_mast"}') ->> 'power_density_w_m2' IS NOT NULL AS described;
SELECT abs((asyncjob.step_wind_resource('{"wind": "from_mast"}') ->> 'power_density_w_m2')::float8 /
           (0.5 * 1.225 * 512 * 0.75 * sqrt(pi())) - 1) < 1e-2 AS same_power;
-- a later step of the job finds it where no parameter names another
SELECT asyncjob.step_simulation(jsonb_build_object('params', '{"series": "mast", "layout": [[0, 0]]}'::jsonb,
           'steps', jsonb_build_object('wind_resource', o))) ->> 'wind' AS wind FROM r;
-- the same params, the same bytes; another method, other sectors
SELECT asyncjob.step_wind_resource('{"series": "mast", "hub_height_m": 120}') = o AS same FROM r;
SELECT o ->> 'weibull_method' AS method, o -> 'weibull' = o -> 'weibull_wasp' AS wasp, jsonb_array_length(o -> 'sectors') AS sectors,
       o -> 'shear' ->> 'alpha' AS alpha, o ->> 'air_density_kg_m3' AS density
FROM asyncjob.step_wind_resource('{"series": "mast", "weibull_method": "wasp", "sectors": 36, "shear_alpha": 0.1,
    "elevation_m": 1000, "temperature_c": 20}') o;

--
-- Text; gaps, missing values, a frozen cup
--
SELECT asyncjob.load_wind_series_csv('text', E'Time;WS;WD\n2020-02-28T23:50Z;5.5;10\n2020-02-29 00:00;;20\n2020-02-29T01:10+01:00;7;30\n',
    '{"height_m": 100}');
SELECT time_s, speed_m_s, direction_deg, interval_s, height_m FROM asyncjob.wind_series WHERE name = 'text';
CREATE TEMP TABLE csv AS
SELECT E'stamp,v,dir\n' || string_agg(format('%s,%s,%s', to_char(t, 'YYYY-MM-DD HH24:MI'),
           CASE WHEN i BETWEEN 100 AND 130 THEN 9.9 WHEN i = 200 THEN -1 WHEN i = 201 THEN -999 ELSE round(ws::numeric, 6) END, wd), E'\n' ORDER BY i) AS csv
FROM mast WHERE i NOT BETWEEN 500 AND 523;
SELECT asyncjob.load_wind_series_csv('gaps', csv, '{"columns": {"time": "stamp", "speed_m_s": "v", "direction_deg": "dir"}}') ->> 'records' AS records FROM csv;
SELECT jsonb_pretty((o -> 'quality') - 'recovery_pct') AS quality, o -> 'warnings' AS warnings
FROM asyncjob.step_wind_resource('{"series": "gaps"}') o;

--
-- A series is its owner's
--
SET SESSION AUTHORIZATION regress_wind_b;
SELECT count(*) FROM asyncjob.wind_series;
SELECT asyncjob.submit('wind_resource', '{"series": "mast"}');
SET SESSION AUTHORIZATION regress_wind_a;

--
-- What is refused
--
SELECT asyncjob.submit('wind_resource', '{}');
SELECT asyncjob.submit('wind_resource', '{"series": "mast", "wind": "from_mast"}');
SELECT asyncjob.submit('wind_resource', '{"series": "mast", "sector": 12}');
SELECT asyncjob.submit('wind_resource', '{"series": "mast", "sectors": 3}');
SELECT asyncjob.submit('wind_resource', '{"series": "mast", "weibull_method": "moments"}');
SELECT asyncjob.submit('wind_resource', '{"series": "mast", "temperature_c": 20}');
SELECT asyncjob.submit('wind_resource', '{"series": "gaps", "hub_height_m": 120}');
SELECT asyncjob.submit('wind_resource', '{"series": "text", "hub_height_m": 120}');
SELECT asyncjob.step_wind_resource('{"series": "text"}');
SELECT asyncjob.step_wind_resource('{"series": "gaps", "min_recovery_pct": 99.9}');
SELECT asyncjob.step_simulation('{"series": "mast", "layout": [[0, 0]]}');
SELECT asyncjob.load_wind_series('x', '{}', '{}');
SELECT asyncjob.load_wind_series('x', '{1,2,3}', '{1,2}');
SELECT asyncjob.load_wind_series('x', '{1,2,3}', '{1,2,3}', '{2020-01-01,2020-01-02,2020-01-02}');
SELECT asyncjob.load_wind_series('x', '{1,2,3}', '{1,2,3}', '{2020-01-01,2020-01-03,2020-01-02}');
SELECT asyncjob.load_wind_series('x', '{1,2,3}', '{1,2,3}', height_m => 1000);
SELECT asyncjob.load_wind_series('x', '{1,2,3}', '{1,2,3}', interval_s => 0);
SELECT asyncjob.load_wind_series('x', '{1,2,3}', '{1,2,3}', height_m => 40, upper_height_m => 80);
SELECT asyncjob.load_wind_series(NULL, '{1,2,3}', '{1,2,3}');
SELECT asyncjob.load_wind_series_csv('x', E'ws,wd\n5,6\nfive,6\n');
SELECT asyncjob.load_wind_series_csv('x', E'speed,heading\n5,6\n');
SELECT asyncjob.load_wind_series_csv('x', E'ws,wd\n5,6\n', '{"column": {}}');
SELECT asyncjob.load_wind_series_csv('x', E'ws,wd\n5,6\n', '{"columns": {"speed": "ws"}}');
SELECT asyncjob.load_wind_series_csv('x', NULL);
SELECT name FROM asyncjob.wind_series ORDER BY name;

RESET SESSION AUTHORIZATION;
DELETE FROM asyncjob.wind_series WHERE owner LIKE 'regress\_wind\__';
DELETE FROM asyncjob.wind_resource WHERE owner LIKE 'regress\_wind\__';
DROP OWNED BY regress_wind_a, regress_wind_b;
DROP ROLE regress_wind_a, regress_wind_b;
