--
-- Solar yield: loader, step, report, and what is refused.
--
-- The figures for real weather are in test/unit/test_solar_pv.c; here a made
-- up clear year stands at 40 N, 105 W, written with an approximate sun.
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS asyncjob;
CREATE ROLE regress_solar LOGIN;
SELECT asyncjob.grant_usage('regress_solar');
SET SESSION AUTHORIZATION regress_solar;
\pset null '<null>'
\set SHOW_CONTEXT never

-- A year of hours at a latitude; times are the starts of hours at UTC-7.
CREATE FUNCTION pg_temp.csv(lat float8, header text DEFAULT 'time,ghi,temp_air,wind_speed', days int DEFAULT 365)
RETURNS text LANGUAGE sql AS $$
    SELECT header || E'\n' || string_agg(format(E'%s,%s,%s,2', to_char(t, 'YYYY-MM-DD HH24:MI'),
               round((1000 * greatest(sind(lat) * sind(decl) + cosd(lat) * cosd(decl) * cosd(15 * (h + 0.5 - 12)), 0))::numeric, 3),
               round((15 - 10 * sign(lat) * cosd(doy * 0.986))::numeric, 2)), E'\n' ORDER BY t) || E'\n'
    FROM (SELECT t, extract(doy FROM t)::float8 AS doy, extract(hour FROM t)::float8 AS h,
                 23.45 * sind(360 * (284 + extract(doy FROM t)::float8) / 365) AS decl
          FROM generate_series(timestamp '2019-01-01', timestamp '2019-01-01' + (days * 24 - 1) * interval '1 hour', '1 hour') t) s
$$;

SELECT r ->> 'format' AS format, r ->> 'intervals' AS intervals, r -> 'derived' AS derived, r ->> 'typical_year' AS typical
FROM asyncjob.load_weather('plain', pg_temp.csv(40), '{"latitude": 40, "longitude": -105, "elevation_m": 1600, "utc_offset_h": -7, "source": "made up"}') r;
SELECT asyncjob.load_weather('austral', pg_temp.csv(-40), '{"latitude": -40, "longitude": -105, "utc_offset_h": -7}') ->> 'latitude' AS latitude;
SELECT asyncjob.load_weather('half', pg_temp.csv(40, days => 180), '{"latitude": 40, "longitude": -105, "utc_offset_h": -7}') ->> 'intervals' AS intervals;
SELECT name, owner, interval_s, first_at AT TIME ZONE 'UTC' AS first, array_length(dni_w_m2, 1) AS n FROM asyncjob.weather ORDER BY name;

\set base '{"weather": "plain", "dc_capacity_kw": 10}'
-- the last step's output is the result; artifacts of both
SELECT jsonb_object_keys(r) AS key, jsonb_typeof(r -> 'summary') AS summary FROM asyncjob.run('solar_yield', :'base') r ORDER BY 1;
CREATE TEMP TABLE y AS
SELECT name, asyncjob.step_solar_yield(:'base'::jsonb || p) AS r FROM (VALUES
    ('fixed', '{}'::jsonb), ('flat', '{"tilt_deg": 0}'), ('double', '{"dc_capacity_kw": 20}'), ('north', '{"azimuth_deg": 0}'),
    ('austral', '{"weather": "austral"}'), ('tracker', '{"tracking": "single_axis"}'),
    ('tracker_free', '{"tracking": "single_axis", "backtracking": false}'), ('roof', '{"mounting": "roof"}'),
    ('premium', '{"module_type": "premium"}'), ('level', '{"horizon_deg": [0, 0, 0, 0]}'), ('valley', '{"horizon_deg": [15, 15, 15, 15]}'),
    ('lossless', '{"losses_pct": 0}')) v (name, p);
CREATE FUNCTION pg_temp.ac(which text) RETURNS float8 LANGUAGE sql AS $$ SELECT (r ->> 'annual_ac_kwh')::float8 FROM y WHERE name = which $$;
SELECT r -> 'system' ->> 'tilt_deg' AS tilt, r -> 'system' ->> 'azimuth_deg' AS azimuth, r -> 'place' ->> 'elevation_m' AS elevation FROM y WHERE name IN ('fixed', 'austral') ORDER BY name DESC;
SELECT (r ->> 'specific_yield_kwh_kwp')::float8 BETWEEN 1600 AND 2600 AS plausible,
       (r ->> 'performance_ratio')::float8 BETWEEN 0.70 AND 0.90 AS ratio,
       abs((SELECT sum((m ->> 'ac_kwh')::float8) FROM jsonb_array_elements(r -> 'monthly') m) - (r ->> 'annual_ac_kwh')::float8) < 0.1 AS months_add_up,
       abs((r ->> 'nominal_kwh')::float8 - (SELECT sum((l ->> 'kwh')::float8) FROM jsonb_array_elements(r -> 'losses') l) - (r ->> 'annual_ac_kwh')::float8) < 0.1 AS losses_add_up,
       jsonb_array_length(r -> 'monthly') AS months
FROM y WHERE name = 'fixed';
SELECT abs(pg_temp.ac('double') / pg_temp.ac('fixed') - 2) < 1e-6 AS scales,
       pg_temp.ac('fixed') > 1.05 * pg_temp.ac('flat') AS tilt_helps,
       pg_temp.ac('north') < 0.7 * pg_temp.ac('fixed') AS not_to_the_pole,
       abs(pg_temp.ac('austral') / pg_temp.ac('fixed') - 1) < 0.03 AS hemispheres_alike,
       pg_temp.ac('tracker') > 1.05 * pg_temp.ac('fixed') AS tracker_helps,
       pg_temp.ac('tracker_free') >= pg_temp.ac('tracker') AS unshaded_collects_more,
       pg_temp.ac('roof') < pg_temp.ac('fixed') AS roof_is_warmer,
       pg_temp.ac('premium') > pg_temp.ac('fixed') AS premium_is_cooler,
       abs(pg_temp.ac('level') / pg_temp.ac('fixed') - 1) < 1e-4 AS level_horizon_is_none,
       pg_temp.ac('valley') < 0.97 * pg_temp.ac('fixed') AS hills_take,
       pg_temp.ac('lossless') > 1.1 * pg_temp.ac('fixed') AS losses_take;

-- a real elevation model: the valley has a horizon, its bottom loses light
\getenv abs_srcdir PG_ABS_SRCDIR
\set read 'cat ' :abs_srcdir '/data/dem/jacksboro_wgs84.asc'
\set asc `:read`
SELECT asyncjob.load_dem('solar_dem', :'asc') ->> 'complete' AS complete;
SELECT asyncjob.load_weather('ridge', pg_temp.csv(36.6), '{"latitude": 36.6, "longitude": -84.25, "utc_offset_h": -5.6}') ->> 'name' AS name;
SELECT (r -> 'horizon' ->> 'dem') AS dem, jsonb_array_length(r -> 'horizon' -> 'elevation_deg') AS azimuths,
       (SELECT max(e::float8) FROM jsonb_array_elements_text(r -> 'horizon' -> 'elevation_deg') e) BETWEEN 3 AND 30 AS hills,
       (r -> 'losses' -> 0 ->> 'kwh')::float8 > 0 AS taken
FROM asyncjob.step_solar_yield('{"weather": "ridge", "dc_capacity_kw": 10, "dem": "solar_dem", "longitude": -84.27, "latitude": 36.52, "horizon_distance_km": 5}') r;

-- a hill 5 km true north of the array, in a UTM grid whose north points 2.5 degrees away from that
SELECT asyncjob.load_dem('solar_utm', E'ncols 50\nnrows 100\nxllcorner 335949\nyllcorner 6652015\ncellsize 100\n' ||
       (SELECT string_agg(CASE WHEN i / 50 BETWEEN 19 AND 21 AND i % 50 BETWEEN 24 AND 26 THEN '400' ELSE '0' END, ' ' ORDER BY i) FROM generate_series(0, 4999) i), 32632) ->> 'complete' AS complete;
SELECT asyncjob.load_weather('fjord', pg_temp.csv(60), '{"latitude": 60, "longitude": 6.1, "utc_offset_h": 0.4}') ->> 'name' AS name;
SELECT abs((r #>> '{horizon,elevation_deg,0}')::float8 - degrees(atan(398 / 5013.0))) < 0.5 AS true_north,
       (SELECT count(*) FROM jsonb_array_elements_text(r #> '{horizon,elevation_deg}') e WHERE e::float8 > 0) AS hills
FROM asyncjob.step_solar_yield('{"weather": "fjord", "dc_capacity_kw": 10, "dem": "solar_utm"}') r;
-- figures are of 365 days, also of weather of a leap year or of a few days less
SELECT days, abs((r ->> 'ghi_kwh_m2')::float8 * days / 365 - (l ->> 'ghi_kwh_m2')::float8) < 0.01 AS of_365_days,
       (SELECT string_agg(a, '') FROM jsonb_array_elements_text(r -> 'assumptions') a WHERE a LIKE '%days;%') AS says
FROM (VALUES (361), (365), (366)) v (days), LATERAL asyncjob.load_weather('days' || days, pg_temp.csv(40, days => days), '{"latitude": 40, "longitude": -105, "utc_offset_h": -7}') l,
     LATERAL asyncjob.step_solar_yield(jsonb_build_object('weather', l ->> 'name', 'dc_capacity_kw', 10)) r ORDER BY days;
DELETE FROM asyncjob.weather WHERE name LIKE 'days%' OR name = 'fjord';

-- the report: one file, no network, user's text escaped
SELECT html LIKE '<!DOCTYPE html>%' AS html, html LIKE '%</html>%' AS whole, html !~ '(href|src)="(http|//)' AS no_network,
       html LIKE '%&lt;b&gt;Park&lt;/b&gt;%' AND html NOT LIKE '%<b>Park</b>%' AS escaped, html ~ 'Sun and horizon' AS sun_path, html !~ 'nan|inf' AS finite
FROM asyncjob.render_solar_report(:'base'::jsonb || '{"title": "<b>Park</b>", "tracking": "single_axis"}') html;

-- what is refused
CREATE FUNCTION pg_temp.refusal(statement text, OUT code text, OUT said text) LANGUAGE plpgsql AS $$
DECLARE
    state text;
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE statement;
    code := 'accepted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, code = CONSTRAINT_NAME, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    code := state || ' ' || code;
    said := concat_ws(E'\n', message, nullif(detail, ''), nullif(hint, ''));
END $$;
\pset format unaligned
\pset tuples_only on
SELECT format(E'%s: %s\n%s\n', p, code, said) FROM (VALUES
    (1, '{"dc_capacity_kw": 10}'), (2, '{"weather": "plane", "dc_capacity_kw": 10}'), (3, '{"weather": "plain"}'), (4, '{"weather": "half", "dc_capacity_kw": 10}'),
    (5, '{"weather": "plain", "dc_capacity_kw": 0}'), (6, '{"weather": "plain", "dc_capacity_kw": 10, "tilt_deg": 91}'),
    (7, '{"weather": "plain", "dc_capacity_kw": 10, "tracking": "dual"}'), (8, '{"weather": "plain", "dc_capacity_kw": 10, "tracking": "single_axis", "tilt_deg": 20}'),
    (9, '{"weather": "plain", "dc_capacity_kw": 10, "latitude": 50, "longitude": 8}'), (10, '{"weather": "plain", "dc_capacity_kw": 10, "dem": "solar_dem"}'),
    (11, '{"weather": "plain", "dc_capacity_kw": 10, "horizon_deg": [1, 2]}'), (12, '{"weather": "plain", "dc_capacity_kw": 10, "azimut_deg": 180}'),
    (13, '{"weather": "plain", "dc_capacity_kw": 10, "horizon_deg": [1, 2, 3, 4], "dem": "solar_dem"}'), (14, '{"weather": "plain", "dc_capacity_kw": 10, "latitude": 39.9}')) v (n, p),
    LATERAL pg_temp.refusal(format('SELECT asyncjob.submit(''solar_yield'', %L)', p)) ORDER BY n;
SELECT format(E'%s: %s\n%s\n', what, code, said) FROM (VALUES
    (1, 'no place', pg_temp.csv(40), '{}'), (2, 'no zone', pg_temp.csv(40), '{"latitude": 40, "longitude": -105}'),
    (3, 'wrong zone', pg_temp.csv(40), '{"latitude": 40, "longitude": -105, "utc_offset_h": 2}'),
    (4, 'a gap', regexp_replace(pg_temp.csv(40), '2019-03-04 05:00[^\n]*\n', ''), '{"latitude": 40, "longitude": -105, "utc_offset_h": -7}'),
    (5, 'a missing value', regexp_replace(pg_temp.csv(40), '2019-03-04 05:00,[^,]*', '2019-03-04 05:00,'), '{"latitude": 40, "longitude": -105, "utc_offset_h": -7}'),
    (6, 'kelvin', replace(pg_temp.csv(40), ',2' || E'\n', ',2' || E'\n') || E'2020-01-01 00:00,0,280,2\n', '{"latitude": 40, "longitude": -105, "utc_offset_h": -7}'),
    (7, 'other columns', pg_temp.csv(40, 'a,b,c,d'), '{"latitude": 40, "longitude": -105, "utc_offset_h": -7}'),
    (8, 'unknown option', pg_temp.csv(40), '{"lat": 40}'), (9, 'no object', pg_temp.csv(40), '[]')) v (n, what, csv, options),
    LATERAL pg_temp.refusal(format('SELECT asyncjob.load_weather(''bad'', %L, %L)', csv, options)) ORDER BY n;
SELECT format(E'%s: %s\n', code, said) FROM pg_temp.refusal('SELECT asyncjob.load_weather(NULL, ''x'')');
\pset format aligned
\pset tuples_only off
SELECT count(*) AS bad FROM asyncjob.weather WHERE name = 'bad';
RESET SESSION AUTHORIZATION;

-- another role sees none of it
CREATE ROLE regress_solar2 LOGIN;
SELECT asyncjob.grant_usage('regress_solar2');
SET SESSION AUTHORIZATION regress_solar2;
SELECT count(*) AS seen FROM asyncjob.weather;
RESET SESSION AUTHORIZATION;
DELETE FROM asyncjob.weather WHERE owner = 'regress_solar';
DELETE FROM asyncjob.dem WHERE owner = 'regress_solar';
DROP OWNED BY regress_solar, regress_solar2;
DROP ROLE regress_solar, regress_solar2;
