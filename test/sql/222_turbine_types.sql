--
-- Several types of turbines in one farm: spacing and setback of each pair and
-- type recomputed from the coordinates, energies by type, what is refused
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS asyncjob;
CREATE ROLE regress_types LOGIN;
SELECT asyncjob.grant_usage('regress_types');
SET SESSION AUTHORIZATION regress_types;
\set SHOW_CONTEXT never
\getenv abs_srcdir PG_ABS_SRCDIR
\set read 'cat ' :abs_srcdir '/data/dem/jacksboro_wgs84.asc'
\set asc `:read`
\set read 'cat ' :abs_srcdir '/data/site/demo_site_jacksboro.geojson'
\set geojson `:read`
SELECT asyncjob.load_dem('types_dem', :'asc') ->> 'complete' AS complete;
SELECT asyncjob.load_site('types_ridge', :'geojson') ->> 'zones' AS zones;
-- the sectors of Horns Rev 1, as in PyWake's example site, at 70 m with a shear exponent of 1/7
SELECT asyncjob.load_weibull('types_wind', '{"direction_deg": [0, 30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 330], "frequency": [0.03597152, 0.03948682, 0.05167395, 0.07000154, 0.08364547, 0.06434850, 0.08643194, 0.11770510, 0.15157570, 0.14737920, 0.10012050, 0.05165975], "weibull_a_m_s": [9.176929, 9.782334, 9.531809, 9.909545, 10.04269, 9.593921, 9.584007, 10.51499, 11.39895, 11.68746, 11.63732, 10.08803], "weibull_k": [2.392578, 2.447266, 2.412109, 2.591797, 2.755859, 2.595703, 2.583984, 2.548828, 2.470703, 2.607422, 2.626953, 2.326172], "height_m": 70, "shear_alpha": 0.142857142857}') ->> 'directions' AS directions;
-- a turbine whose power is simple: (u / 12)^3 of 800 kW
\set small '{"name": "small", "kind": "iea37", "rated_kw": 800, "rotor_diameter_m": 48, "hub_height_m": 50, "cut_in_m_s": 0, "rated_m_s": 12, "cut_out_m_s": 25}'

-- On the ellipsoid, between places some kilometres apart: by the radii of
-- curvature at the middle latitude (Gauss), good to 1e-8 of the distance.
CREATE FUNCTION pg_temp.apart_m(lon0 float8, lat0 float8, lon1 float8, lat1 float8) RETURNS float8 LANGUAGE sql IMMUTABLE AS
$$ SELECT sqrt(((lon1 - lon0) * radians(1) * cosd((lat0 + lat1) / 2) * 6378137 / sqrt(1 - 0.0066943799901413 * sind((lat0 + lat1) / 2) ^ 2)) ^ 2
             + ((lat1 - lat0) * radians(1) * 6378137 * (1 - 0.0066943799901413) / (1 - 0.0066943799901413 * sind((lat0 + lat1) / 2) ^ 2) ^ 1.5) ^ 2) $$;
-- distance of a place from the site's boundary, in the plane about the place
CREATE TEMP TABLE edge AS
SELECT (p ->> 0)::float8 AS lon0, (p ->> 1)::float8 AS lat0, (lead(p) OVER w ->> 0)::float8 AS lon1, (lead(p) OVER w ->> 1)::float8 AS lat1
FROM jsonb_array_elements(:'geojson'::jsonb -> 'features') f,
     jsonb_array_elements(f -> 'geometry' -> 'coordinates' -> 0) WITH ORDINALITY p (p, i)
WHERE f -> 'properties' ->> 'feature_type' = 'site_boundary' WINDOW w AS (ORDER BY i);
CREATE FUNCTION pg_temp.from_boundary_m(lon float8, lat float8) RETURNS float8 LANGUAGE sql AS $$
    SELECT min(sqrt((x0 + t * (x1 - x0)) ^ 2 + (y0 + t * (y1 - y0)) ^ 2))
    FROM (SELECT *, least(1, greatest(0, -(x0 * (x1 - x0) + y0 * (y1 - y0)) / nullif((x1 - x0) ^ 2 + (y1 - y0) ^ 2, 0))) AS t
          FROM (SELECT sign(lon0 - lon) * pg_temp.apart_m(lon, lat, lon0, lat) AS x0, sign(lat0 - lat) * pg_temp.apart_m(lon, lat, lon, lat0) AS y0,
                       sign(lon1 - lon) * pg_temp.apart_m(lon, lat, lon1, lat) AS x1, sign(lat1 - lat) * pg_temp.apart_m(lon, lat, lon, lat1) AS y1
                FROM edge WHERE lon1 IS NOT NULL) a) b
$$;

--
-- a farm of three types, the same twice, and with exchanges of another seed
--
\set params '{"site": "types_ridge", "dem": "types_dem", "wind": "types_wind", "max_evaluations": 6000, "n_starts": 1}'
SELECT :'params'::jsonb || jsonb_build_object('turbines', jsonb_build_array('{"turbine": "IEA_3.4MW_130", "count": 5}'::jsonb,
           jsonb_build_object('turbine', :'small'::jsonb, 'count', 40), '{"turbine": "NREL_5MW_126", "count": 4}'::jsonb)) AS mixed \gset
SELECT asyncjob.submit('layout', :'mixed'::jsonb || '{"seed": 44}') AS one, asyncjob.submit('layout', :'mixed'::jsonb || '{"seed": 44}') AS two, asyncjob.submit('layout', :'mixed'::jsonb || '{"seed": 43}') AS other \gset
SELECT n, s.state, s.error_message FROM (VALUES (1, :one), (2, :two), (3, :other)) v (n, job), asyncjob.wait(job, '120s') s ORDER BY n;
SELECT md5(asyncjob.result(:one)::text) = md5(asyncjob.result(:two)::text) AS same_seed, md5(asyncjob.result(:one)::text) = md5(asyncjob.result(:other)::text) AS other_seed;
CREATE TEMP TABLE farm AS SELECT asyncjob.result(:one) AS r;
CREATE TEMP TABLE turbine AS
SELECT (f -> 'properties' ->> 'turbine_id')::int AS id, f -> 'properties' ->> 'turbine_type' AS type, (f -> 'properties' ->> 'rotor_diameter_m')::float8 AS d,
       (f -> 'properties' ->> 'hub_height_m')::float8 AS hub, (f -> 'properties' ->> 'capacity_mw')::float8 AS mw, (f -> 'properties' ->> 'constraint_margin_m')::float8 AS margin,
       (f -> 'geometry' -> 'coordinates' ->> 0)::float8 AS lon, (f -> 'geometry' -> 'coordinates' ->> 1)::float8 AS lat
FROM farm, jsonb_array_elements(r -> 'layout' -> 'features') f;
SELECT type, count(*), min(d) AS d, max(d) AS d, min(hub) AS hub, sum(mw) AS mw FROM turbine GROUP BY type ORDER BY type;
-- every pair keeps five diameters of the larger rotor, every turbine its own rotor's radius inside of the boundary
SELECT bool_and(pg_temp.apart_m(a.lon, a.lat, b.lon, b.lat) >= 5 * greatest(a.d, b.d)) AS larger,
       bool_or(pg_temp.apart_m(a.lon, a.lat, b.lon, b.lat) < 5 * 130) AS small_ones_nearer
FROM turbine a JOIN turbine b ON a.id < b.id;
SELECT bool_and(pg_temp.from_boundary_m(lon, lat) >= d / 2) AS setback, bool_and(pg_temp.from_boundary_m(lon, lat) - d / 2 >= margin) AS margin FROM turbine;
SELECT r -> 'metrics' ->> 'turbine' AS turbine, r -> 'metrics' ->> 'turbine_count' AS n, r -> 'metrics' ->> 'total_capacity_kw' AS kw, r -> 'metrics' -> 'types' AS types FROM farm;
-- the distance said is that of the pair with least to spare
SELECT abs((r -> 'metrics' ->> 'min_spacing_m')::float8 - m) < 1 AS spacing, (r -> 'metrics' ->> 'required_spacing_m')::float8 = need AS required,
       (SELECT bool_and((c ->> 'passed')::boolean) FROM jsonb_array_elements(r -> 'metrics' -> 'compliance') c) AS passed
FROM farm, (SELECT pg_temp.apart_m(a.lon, a.lat, b.lon, b.lat) AS m, 5 * greatest(a.d, b.d) AS need FROM turbine a JOIN turbine b ON a.id < b.id
            ORDER BY pg_temp.apart_m(a.lon, a.lat, b.lon, b.lat) - 5 * greatest(a.d, b.d) LIMIT 1) p;
SELECT (r -> 'metrics' ->> 'aep_end_gwh')::float8 >= (r -> 'metrics' ->> 'aep_start_gwh')::float8 AS gained FROM farm;
SELECT html LIKE '%<th>Type</th>%' AS types, html LIKE '%<td>small</td>%' AS small, html LIKE '%Turbine</th><td>5 x IEA\_3.4MW\_130: 3370 kW, rotor 130 m, hub 110 m</td>%' AS rows
FROM convert_from(asyncjob.artifact_data(:one, 'layout_report.html'), 'UTF8') html;

--
-- its energy: types by name, each with the wind of its hub's height
--
SELECT asyncjob.submit('simulation', jsonb_build_object('layout', r, 'wind', 'types_wind', 'turbines', :'mixed'::jsonb -> 'turbines', 'flow_map_resolution_m', 100)) AS job FROM farm \gset
SELECT state, error_message FROM asyncjob.wait(:job, '60s');
CREATE TEMP TABLE energy AS SELECT asyncjob.result(:job) AS s;
SELECT s ->> 'turbine' AS turbine, s ->> 'turbine_count' AS n, s ->> 'total_capacity_kw' AS kw FROM energy;
SELECT t ->> 'turbine' AS type, t ->> 'count' AS n, t ->> 'capacity_kw' AS kw,
       abs((t ->> 'mean_speed_m_s')::float8 / (s ->> 'mean_speed_m_s')::float8 - ((t ->> 'hub_height_m')::float8 / 110) ^ (1 / 7.0)) < 1e-4 AS speed,
       abs((t ->> 'gross_aep_gwh')::float8 - (SELECT sum((u ->> 'gross_aep_gwh')::float8) FROM jsonb_array_elements(s -> 'turbines') u WHERE u -> 'turbine_type' = t -> 'turbine')) < 1e-7 AS gross,
       abs((t ->> 'wake_aep_gwh')::float8 - (SELECT sum((u ->> 'wake_aep_gwh')::float8) FROM jsonb_array_elements(s -> 'turbines') u WHERE u -> 'turbine_type' = t -> 'turbine')) < 1e-7 AS wake,
       abs((t ->> 'capacity_factor')::float8 - (t ->> 'net_aep_gwh')::float8 * 1e6 / 8760 / (t ->> 'capacity_kw')::float8) < 1e-6 AS factor
FROM energy, jsonb_array_elements(s -> 'types') t;
SELECT abs((s ->> 'gross_aep_gwh')::float8 - (SELECT sum((t ->> 'gross_aep_gwh')::float8) FROM jsonb_array_elements(s -> 'types') t)) < 1e-7 AS gross,
       abs((s ->> 'wake_aep_gwh')::float8 - (SELECT sum((t ->> 'wake_aep_gwh')::float8) FROM jsonb_array_elements(s -> 'types') t)) < 1e-7 AS wake,
       (s ->> 'wake_loss_pct')::float8 BETWEEN 0.1 AND 25 AS loss,
       (SELECT bool_and(t.type = u ->> 'turbine_type') FROM jsonb_array_elements(s -> 'turbines') u JOIN turbine t ON t.id = (u ->> 'turbine_id')::int) AS types,
       (SELECT string_agg(a, E'\n') FROM jsonb_array_elements_text(s -> 'assumptions') a WHERE a LIKE 'Hubs%') AS assumption
FROM energy;
SELECT html LIKE '%<h2>Types of turbines</h2>%' AS section, html LIKE '%<th>Type</th>%' AS column FROM convert_from(asyncjob.artifact_data(:job, 'simulation_report.html'), 'UTF8') html;
-- one wind along a row: a small turbine 400 m behind a large one, whose hub is
-- 60 m higher, by the published formula; 9 m/s at 70 m
WITH c AS (SELECT 9 * (110 / 70.0) ^ (1 / 7.0) AS u1, 9 * (50 / 70.0) ^ (1 / 7.0) AS u2, 0.0324555 * 400 + 130 / sqrt(8) AS sigma),
     u AS (SELECT u1, u2 - u1 * (1 - sqrt(1 - 8 / 9.0 * 130 ^ 2 / (8 * sigma ^ 2))) * exp(-(60 ^ 2) / (2 * sigma ^ 2)) AS behind FROM c)
SELECT abs((r -> 'turbines' -> 1 ->> 'wake_aep_gwh')::float8 / (8.76 * 0.8 * (behind / 12) ^ 3) - 1) < 1e-6 AS behind, r -> 'turbines' -> 0 ->> 'wake_loss_pct' AS before,
       r -> 'turbines' -> 1 ->> 'turbine_type' AS type
FROM u, asyncjob.run('simulation', jsonb_build_object('layout', '[[0, 0, "large"], [400, 0, "small"]]'::jsonb, 'wake_model', 'iea37_sbg', 'flow_map_resolution_m', 0,
    'wind', '{"direction_deg": [270], "speed_m_s": 9, "probability": [1], "height_m": 70, "shear_alpha": 0.142857142857}'::jsonb,
    'turbines', jsonb_build_array(jsonb_build_object('turbine', :'small'::jsonb),
        '{"turbine": {"name": "large", "kind": "iea37", "rated_kw": 3350, "rotor_diameter_m": 130, "hub_height_m": 110, "cut_in_m_s": 4, "rated_m_s": 9.8, "cut_out_m_s": 25}}'::jsonb))) r;
-- types that a layout names are looked up; one type under two names is one
SELECT a -> 'turbines' -> 2 ->> 'wake_aep_gwh' = b -> 'turbines' -> 2 ->> 'wake_aep_gwh' AS same, a ->> 'turbine' AS a, b ->> 'turbine' AS b, a ? 'types' AS types
FROM asyncjob.run('simulation', '{"layout": [[0, 0, "NREL_5MW_126"], [700, 0, "NREL_5MW_126"], [1400, 0, "NREL_5MW_126"]], "wind": "types_wind", "flow_map_resolution_m": 0}') a,
     asyncjob.run('simulation', '{"layout": [[0, 0], [700, 0], [1400, 0]], "turbine": "NREL_5MW_126", "wind": "types_wind", "flow_map_resolution_m": 0}') b;
SELECT r ->> 'turbine' AS turbine, r ->> 'total_capacity_kw' AS kw
FROM asyncjob.run('simulation', '{"layout": [[0, 0, "NREL_5MW_126"], [700, 0], [1400, 0, "IEA_10MW_198"]], "wind": "types_wind", "flow_map_resolution_m": 0}') r;

--
-- a capacity: whole turbines by share, then what is farthest below its share
--
CREATE FUNCTION pg_temp.counts(params jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT (SELECT string_agg((t ->> 'turbine') || ' ' || (t ->> 'count'), ', ') FROM jsonb_array_elements(r -> 'metrics' -> 'types') t) || ': ' || (r -> 'metrics' ->> 'total_capacity_kw')
    FROM asyncjob.run('layout', params || '{"max_evaluations": 100}') r
$$;
-- 40 MW in equal shares of 3.37 and 5 MW: 5 and 4 are 36.85; 3.15 below 20 of the one, none of the other
SELECT pg_temp.counts(:'params'::jsonb || '{"target_capacity_kw": 40000, "turbines": [{"turbine": "IEA_3.4MW_130"}, {"turbine": "NREL_5MW_126"}]}');
SELECT pg_temp.counts(:'params'::jsonb || '{"target_capacity_kw": 40000, "turbines": [{"turbine": "IEA_3.4MW_130", "share": 0.25}, {"turbine": "NREL_5MW_126", "share": 0.75}]}');
SELECT pg_temp.counts(:'params'::jsonb || '{"turbines": [{"turbine": "IEA_3.4MW_130", "count": 3}]}') AS one_type;
-- a share too small for a turbine is none
SELECT asyncjob.submit('full_analysis', :'params'::jsonb || '{"max_evaluations": 100, "flow_map_resolution_m": 0, "contour_interval_m": 0, "target_capacity_kw": 3000,
    "turbines": [{"turbine": "NREL_5MW_126", "share": 0.1}, {"turbine": "IEA_3.4MW_130", "share": 0.9}]}') AS job \gset
SELECT state, error_message FROM asyncjob.wait(:job, '60s');
SELECT asyncjob.step_result(:job, 'layout') -> 'metrics' ->> 'turbine' AS layout, asyncjob.step_result(:job, 'simulation') ->> 'turbine' AS simulation,
       asyncjob.result(:job) -> 'summary' ->> 'total_capacity_kw' AS kw,
       (SELECT array_agg(html LIKE '%Turbine</th><td>IEA\_3.4MW\_130: 3370 kW%') FROM (VALUES ('layout_report.html'), ('report.html')) v (name),
            convert_from(asyncjob.artifact_data(:job, name), 'UTF8') html) AS reports;

--
-- through the whole analysis, and several starts
--
SELECT asyncjob.submit('full_analysis', :'mixed'::jsonb || '{"seed": 44, "flow_map_resolution_m": 200, "contour_interval_m": 0}') AS job \gset
SELECT state, error_message FROM asyncjob.wait(:job, '120s');
SELECT asyncjob.result(:job) -> 'summary' ->> 'turbine_count' AS n, asyncjob.result(:job) -> 'summary' ->> 'total_capacity_kw' AS kw,
       abs((asyncjob.result(:job) -> 'summary' ->> 'wake_aep_gwh')::float8 - (s ->> 'wake_aep_gwh')::float8) < 1e-5 AS same_energy FROM energy;
SELECT html LIKE '%<h2>Types of turbines</h2>%' AS section, html LIKE '%Turbine</th><td>40 x small: 800 kW, rotor 48 m, hub 50 m</td>%' AS rows,
       (SELECT count(*) FROM regexp_matches(html, '<td>small</td><td>-84', 'g')) AS small
FROM convert_from(asyncjob.artifact_data(:job, 'report.html'), 'UTF8') html;
SELECT r -> 'metrics' ->> 'turbine' AS turbine, r -> 'metrics' ->> 'aep_end_gwh' = (SELECT max((s ->> 'aep_end_gwh')::numeric)::text FROM jsonb_array_elements(r -> 'metrics' -> 'starts') s) AS best
FROM asyncjob.run('layout_multistart', :'mixed'::jsonb || '{"seeds": [42, 43], "max_evaluations": 2000}') r;

--
-- refused
--
CREATE FUNCTION pg_temp.refusal(pipeline text, params jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE code text; hint text;
BEGIN
    PERFORM asyncjob.submit(pipeline, params);
    RETURN 'submitted';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = CONSTRAINT_NAME, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(E'\n', code || ': ' || sqlerrm, nullif(hint, ''));
END $$;
SELECT p, pg_temp.refusal('layout', :'params'::jsonb || p::jsonb)
FROM unnest(ARRAY['{"turbines": []}', '{"turbines": {"turbine": "NREL_5MW_126", "count": 1}}', '{"turbines": ["NREL_5MW_126"]}',
    '{"turbines": [{"turbine": "NREL_5MW_126"}]}', '{"turbines": [{"count": 3}]}', '{"turbines": [{"turbine": "NREL_5MW_126", "count": 0}]}',
    '{"turbines": [{"turbine": "NREL_5MW_126", "count": 2}, {"turbine": "NREL_5MW_126", "count": 2}]}',
    '{"turbines": [{"turbine": "NREL_5MW_126", "count": 2, "number": 3}]}', '{"turbines": [{"turbine": "NREL_5MW_126", "count": 2}], "turbine": "IEA_3.4MW_130"}',
    '{"turbines": [{"turbine": "NREL_5MW_126", "count": 2}], "n_turbines": 2}', '{"turbines": [{"turbine": "NREL_5MW_126", "count": 2}], "target_capacity_kw": 20000}',
    '{"turbines": [{"turbine": "NREL_5MW_126", "share": 0.5}, {"turbine": "IEA_3.4MW_130", "share": 0.4}], "target_capacity_kw": 20000}',
    '{"turbines": [{"turbine": "NREL_5MW_126", "share": 1}, {"turbine": "IEA_3.4MW_130"}], "target_capacity_kw": 20000}',
    '{"turbines": [{"turbine": "NREL_5MW_126", "share": 1, "count": 2}]}', '{"turbines": [{"turbine": "NREL_5MW_162", "count": 2}]}',
    '{"turbines": [{"turbine": "NREL_5MW_126", "count": 2000}, {"turbine": "IEA_3.4MW_130", "count": 1}]}']) p;
SELECT p, pg_temp.refusal('simulation', '{"wind": "types_wind"}'::jsonb || p::jsonb)
FROM unnest(ARRAY['{"layout": [[0, 0, "windmill"]]}', '{"layout": [[0, 0], [800, 0, "NREL_5MW_126"]], "turbines": [{"turbine": "NREL_5MW_126"}, {"turbine": "IEA_3.4MW_130"}]}']) p;
SELECT asyncjob.submit('layout', :'mixed'::jsonb || '{"turbines": [{"turbine": "IEA_15MW_240", "count": 60}, {"turbine": "IEA_3.4MW_130", "count": 60}]}') AS job \gset
SELECT state, error_code, error_message, error_hint FROM asyncjob.wait(:job, '120s');

RESET SESSION AUTHORIZATION;
DELETE FROM asyncjob.dem WHERE owner = 'regress_types';
DELETE FROM asyncjob.site WHERE owner = 'regress_types';
DELETE FROM asyncjob.wind_resource WHERE owner = 'regress_types';
DROP OWNED BY regress_types;
DROP ROLE regress_types;
