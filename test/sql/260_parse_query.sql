--
-- parse_query: what a sentence says, and nothing that it does not
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS asyncjob;
\set SHOW_CONTEXT never
CREATE FUNCTION pg_temp.shown(q jsonb) RETURNS text LANGUAGE sql AS
$$ SELECT coalesce(string_agg(key || ' ' || (value #>> '{}'), ', ' ORDER BY array_position(ARRAY['job_type', 'latitude', 'longitude', 'radius_km', 'n_turbines', 'target_capacity_kw', 'turbine', 'profile', 'tilt_deg', 'tracking', 'capacity_ah', 'window_days'], key)), '-')
   FROM jsonb_each(q) $$;
CREATE TEMP TABLE sentence (n serial, query text, expected text);

-- the source documents' own, and the kinds of job
INSERT INTO sentence (query, expected) VALUES
('Analyze terrain at 40.7128, -74.0060', 'job_type terrain, latitude 40.7128, longitude -74.0060'),
('analyse the slopes around 36.58, -84.25', 'job_type terrain, latitude 36.58, longitude -84.25'),
('Optimize layout at 36.58, -84.25 with 20 turbines', 'job_type layout, latitude 36.58, longitude -84.25, n_turbines 20'),
('Optimise the placement of 9 wind turbines', 'job_type layout, n_turbines 9'),
('Simulate wakes for the wind farm', 'job_type simulation'),
('What is the annual yield (AEP)?', 'job_type simulation'),
('Run a full analysis at 36.58, -84.25', 'job_type full_analysis, latitude 36.58, longitude -84.25'),
('complete wind farm assessment', 'job_type full_analysis'),
('An end-to-end study please', 'job_type full_analysis'),
('Analyze terrain and optimize the layout', 'job_type full_analysis'),
('terrain, layout and wake simulation', 'job_type full_analysis'),
('TERRAIN ANALYSIS', 'job_type terrain');

-- places: signs, hemispheres, separators, whole degrees
INSERT INTO sentence (query, expected) VALUES
('terrain at 40.7128 N, 74.0060 W', 'job_type terrain, latitude 40.7128, longitude -74.0060'),
('terrain at 40.7128°N 74.0060°W', 'job_type terrain, latitude 40.7128, longitude -74.0060'),
('terrain at 33.8688 S, 151.2093 E', 'job_type terrain, latitude -33.8688, longitude 151.2093'),
('terrain at 34.6° s, 58.4° w', 'job_type terrain, latitude -34.6, longitude -58.4'),
('terrain at -33.8688, 151.2093', 'job_type terrain, latitude -33.8688, longitude 151.2093'),
('terrain at +51.5, -0.12', 'job_type terrain, latitude 51.5, longitude -0.12'),
('terrain at (36.58,-84.25)', 'job_type terrain, latitude 36.58, longitude -84.25'),
('terrain at 36.58;-84.25', 'job_type terrain, latitude 36.58, longitude -84.25'),
('terrain at 36.58/-84.25', 'job_type terrain, latitude 36.58, longitude -84.25'),
('terrain at 36.58 -84.25', 'job_type terrain, latitude 36.58, longitude -84.25'),
('terrain at lat 36.58, lon -84.25', 'job_type terrain, latitude 36.58, longitude -84.25'),
('terrain at latitude 36.58 and longitude -84.25', 'job_type terrain, latitude 36.58, longitude -84.25'),
('terrain at lat: 36.58, lng: -84.25', 'job_type terrain, latitude 36.58, longitude -84.25'),
('terrain at lon -84.25, lat 36.58', 'job_type terrain, latitude 36.58, longitude -84.25'),
('terrain at longitude=-84, latitude=36', 'job_type terrain, latitude 36, longitude -84'),
('terrain at lat 33.9 S, lon 18.4 E', 'job_type terrain, latitude -33.9, longitude 18.4'),
('terrain at 40.7128 North, 74.0060 West', 'job_type terrain, latitude 40.7128, longitude -74.0060'),
('terrain at 40.7128, 74.0060 west of here', 'job_type terrain, latitude 40.7128, longitude -74.0060'),
('terrain at 36.58, -84.25.', 'job_type terrain, latitude 36.58, longitude -84.25'),
('terrain at 36.58, -84.25 and the slopes', 'job_type terrain, latitude 36.58, longitude -84.25'),
('terrain at 60N, 5E', 'job_type terrain, latitude 60, longitude 5'),
('terrain at 0.0, 0.0', 'job_type terrain, latitude 0.0, longitude 0.0'),
('terrain at 90.0, 180.0', 'job_type terrain, latitude 90.0, longitude 180.0'),
('terrain at -90.0, -180.0', 'job_type terrain, latitude -90.0, longitude -180.0'),
('terrain of the 3 5 ridge', 'job_type terrain'),
('terrain in 2024, 12 plots', 'job_type terrain'),
('terrain of 1136.58 by 84.25', 'job_type terrain'),
('terrain of 36.58', 'job_type terrain');

-- radius
INSERT INTO sentence (query, expected) VALUES
('terrain at 36.58, -84.25 within 3 km', 'job_type terrain, latitude 36.58, longitude -84.25, radius_km 3'),
('terrain at 36.58, -84.25 with a radius of 2.5 km', 'job_type terrain, latitude 36.58, longitude -84.25, radius_km 2.5'),
('terrain at 36.58, -84.25, 4 km radius', 'job_type terrain, latitude 36.58, longitude -84.25, radius_km 4'),
('terrain in a 10-kilometer radius of 36.58, -84.25', 'job_type terrain, latitude 36.58, longitude -84.25, radius_km 10'),
('terrain at 36.58, -84.25 radius 1500 m', 'job_type terrain, latitude 36.58, longitude -84.25, radius_km 1.5'),
('terrain within 800 metres of 36.58, -84.25', 'job_type terrain, latitude 36.58, longitude -84.25, radius_km 0.8'),
('terrain 3.5km radius around 36.58, -84.25', 'job_type terrain, latitude 36.58, longitude -84.25, radius_km 3.5'),
('terrain at 36.58, -84.25 radius: 2 km', 'job_type terrain, latitude 36.58, longitude -84.25, radius_km 2'),
('terrain at 36.58, -84.25 within 5 minutes', 'job_type terrain, latitude 36.58, longitude -84.25');

-- how many, how much, of what
INSERT INTO sentence (query, expected) VALUES
('layout of 12 IEA 3.4 MW turbines at 36.58, -84.25', 'job_type layout, latitude 36.58, longitude -84.25, n_turbines 12, turbine IEA_3.4MW_130'),
('layout for 100 MW at 36.58, -84.25', 'job_type layout, latitude 36.58, longitude -84.25, target_capacity_kw 100000'),
('layout for 1.5 GW', 'job_type layout, target_capacity_kw 1500000'),
('layout for 5000 kW', 'job_type layout, target_capacity_kw 5000'),
('layout for 60 MW of NREL 5 MW machines', 'job_type layout, target_capacity_kw 60000, turbine NREL_5MW_126'),
('layout with 20 3.4 MW turbines at 36.58, -84.25', 'job_type layout, latitude 36.58, longitude -84.25, n_turbines 20'),
('layout at 36.58, -84.25 within 2 km for wind turbines', 'job_type layout, latitude 36.58, longitude -84.25, radius_km 2'),
('layout at 36.58, -84.25, 12 turbines', 'job_type layout, latitude 36.58, longitude -84.25, n_turbines 12'),
('layout within 2 km of 36.58, -84.25 of 100 MW of wind turbines', 'job_type layout, latitude 36.58, longitude -84.25, radius_km 2, target_capacity_kw 100000'),
('layout of 60 MW with IEA_15MW_240', 'job_type layout, target_capacity_kw 60000, turbine IEA_15MW_240'),
('layout with iea 10mw turbines', 'job_type layout, turbine IEA_10MW_198'),
('layout of 8 IEA-15MW turbines', 'job_type layout, n_turbines 8, turbine IEA_15MW_240'),
('layout of 8 NREL 5MW turbines', 'job_type layout, n_turbines 8, turbine NREL_5MW_126'),
('layout with one turbine', 'job_type layout'),
('layout of 25 turbines', 'job_type layout, n_turbines 25'),
('layout of 25 large modern wind turbines', 'job_type layout, n_turbines 25'),
('Place 16 turbines at 36.58, -84.25 within 3 km', 'job_type layout, latitude 36.58, longitude -84.25, radius_km 3, n_turbines 16'),
('place turbines at 36.58, -84.25 within 3 km: 16 turbines', 'job_type layout, latitude 36.58, longitude -84.25, radius_km 3, n_turbines 16');

-- sites of other things, the sun, batteries
INSERT INTO sentence (query, expected) VALUES
('Analyze battery performance', 'job_type battery_insights'),
('Analyze battery performance, 280 Ah, over the last 90 days', 'job_type battery_insights, capacity_ah 280, window_days 90'),
('generate-insights', 'job_type battery_insights'),
('battery insights for 314Ah over 3 months', 'job_type battery_insights, capacity_ah 314, window_days 90'),
('How did my BMS telemetry age in 1 year?', 'job_type battery_insights, window_days 365'),
('state of health of a 100 Ah battery', 'job_type battery_insights, capacity_ah 100'),
('Generate a site layout with 1000 kW at 36.58, -84.25', 'job_type site_layout, latitude 36.58, longitude -84.25, target_capacity_kw 1000'),
('Generate a terrain-aware layout of gas and BESS, 1.5 MW', 'job_type site_layout, target_capacity_kw 1500, profile gas_bess'),
('layout of a solar farm of 5 MWp at 36.58, -84.25 within 1 km', 'job_type site_layout, latitude 36.58, longitude -84.25, radius_km 1, target_capacity_kw 5000, profile solar_farm'),
('hybrid site layout', 'job_type site_layout, profile hybrid'),
('layout of solar and battery storage, 3 MW', 'job_type site_layout, target_capacity_kw 3000, profile hybrid'),
('site layout of wind and storage', 'job_type site_layout, profile wind_hybrid'),
('roads: cut and fill for 2 MW', 'job_type site_layout, target_capacity_kw 2000'),
('access roads and earthworks at 36.58, -84.25', 'job_type site_layout, latitude 36.58, longitude -84.25'),
('What does a solar system of 4 kW yield at 39.74, -105.18?', 'job_type solar_yield, latitude 39.74, longitude -105.18, target_capacity_kw 4'),
('PV energy of 10 kWp with a tilt of 25 degrees', 'job_type solar_yield, target_capacity_kw 10, tilt_deg 25'),
('solar yield, 2.5 MWdc, tilted at 20°', 'job_type solar_yield, target_capacity_kw 2500, tilt_deg 20'),
('solar production of 50 MW with single-axis trackers', 'job_type solar_yield, target_capacity_kw 50000, tracking single_axis');

-- nonsense, hostile text, other languages
INSERT INTO sentence (query, expected) VALUES
('', '-'),
('   ', '-'),
('hello', '-'),
('???', '-'),
('what is the weather like', '-'),
('outer rain and forestall', '-'),
('''; DROP TABLE asyncjob.job; --', '-'),
('terrain at 36.58, -84.25''); SELECT pg_sleep(100); --', 'job_type terrain, latitude 36.58, longitude -84.25'),
('$$ || pg_read_file(''/etc/passwd'') || $$', '-'),
('<script>alert("terrain")</script>', 'job_type terrain'),
('{"job_type": "layout", "latitude": 1}', 'job_type layout'),
('((((((((((((((((((((((((((((((((', '-'),
('\1\2 (?:.*)+$ [[:alpha:]', '-'),
(E'terrain\nat\n36.58,\n-84.25', 'job_type terrain, latitude 36.58, longitude -84.25'),
(E'terrain\tat\t36.58,\t-84.25', 'job_type terrain, latitude 36.58, longitude -84.25'),
('Gelände bei 36.58, -84.25 — terrain, bitte', 'job_type terrain, latitude 36.58, longitude -84.25'),
('分析地形 terrain 36.58, -84.25', 'job_type terrain, latitude 36.58, longitude -84.25');

SELECT query, shown AS parsed, CASE WHEN shown IS DISTINCT FROM expected THEN expected END AS "not as expected"
FROM sentence, LATERAL (SELECT pg_temp.shown(asyncjob.parse_query(query)) AS shown) p
WHERE n <= 1 OR shown IS DISTINCT FROM expected ORDER BY n;
SELECT count(*) AS sentences, count(*) FILTER (WHERE pg_temp.shown(asyncjob.parse_query(query)) = expected) AS as_expected FROM sentence;
-- types: numbers are numbers
SELECT key, jsonb_typeof(value) AS type
FROM jsonb_each(asyncjob.parse_query('layout of 4 IEA 3.4 MW turbines, 10 MW, at 1.5 S, 2.5 E within 3 km')) ORDER BY key COLLATE "C";

-- out of range, too long, null
SELECT asyncjob.parse_query('terrain at 91.5, 10.5');
SELECT asyncjob.parse_query('terrain at 10.5, 181.0');
SELECT asyncjob.parse_query('terrain at -120.5, 36.5');
SELECT asyncjob.parse_query(repeat('x', 10001));
SELECT asyncjob.parse_query(NULL);
-- the longest there is, and the worst: an answer within a second each
SET statement_timeout = '5s';
SELECT n, pg_temp.shown(asyncjob.parse_query(q)) AS parsed
FROM (VALUES (1, repeat('terrain ', 1250)), (2, repeat('1', 10000)), (3, repeat('1 ', 5000)), (4, repeat('12 a ', 1999)),
             (5, repeat('full ', 2000)), (6, repeat('(', 10000)), (7, repeat('1.1,', 2500)), (8, repeat('a.b_c-d', 1428)),
             (9, 'terrain at 36.58, -84.25 ' || repeat('blah ', 1900))) v (n, q) ORDER BY n;
RESET statement_timeout;
-- it reads nothing but turbines, and a turbine of one's own is known by name
CREATE ROLE regress_parse LOGIN;
SELECT asyncjob.grant_usage('regress_parse');
SET SESSION AUTHORIZATION regress_parse;
SELECT asyncjob.load_turbine('Mill_One_12', '{"rated_kw": 100, "rotor_diameter_m": 20, "hub_height_m": 30, "speed_m_s": [3, 20], "power_kw": [0, 100], "ct": [0.8, 0.1]}') ->> 'name' AS name;
SELECT pg_temp.shown(asyncjob.parse_query('layout of 7 mill one turbines')) AS own;
RESET SESSION AUTHORIZATION;
SELECT pg_temp.shown(asyncjob.parse_query('layout of 7 Vestas turbines')) AS unknown;
DELETE FROM asyncjob.turbine WHERE owner = 'regress_parse';
DROP OWNED BY regress_parse;
DROP ROLE regress_parse;
