--
-- simulation: published energies, through submit()
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS asyncjob;
CREATE ROLE regress_simulation LOGIN;
SELECT asyncjob.grant_usage('regress_simulation');
SET SESSION AUTHORIZATION regress_simulation;
\set SHOW_CONTEXT never

--
-- IEA Wind Task 37, combined case study 1: its wind rose, its turbine of
-- 3.35 MW, its three example layouts in metres, and the annual energy in MWh
-- published with each, in all and by direction.
--
SELECT asyncjob.load_wind_rose('simulation_iea37', '{"direction_deg": [0, 22.5, 45, 67.5, 90, 112.5, 135, 157.5, 180, 202.5, 225, 247.5, 270, 292.5, 315, 337.5],
    "speed_m_s": 9.8, "probability": [0.025, 0.024, 0.029, 0.036, 0.063, 0.065, 0.100, 0.122, 0.063, 0.038, 0.039, 0.083, 0.213, 0.046, 0.032, 0.022]}')
       ->> 'directions' AS directions;
SELECT asyncjob.load_turbine('simulation_iea37', '{"kind": "iea37", "rated_kw": 3350, "rotor_diameter_m": 130, "hub_height_m": 110,
    "cut_in_m_s": 4, "rated_m_s": 9.8, "cut_out_m_s": 25}') ->> 'ct_const' AS ct;
CREATE TEMP TABLE farm (n int, x float8[], y float8[], mwh float8, by_direction float8[], job bigint);
INSERT INTO farm (n, mwh, x, y, by_direction) VALUES
    (16, 366941.57116,
     '{0, 650, 200.861, -525.861, -525.861, 200.861, 1300, 1051.7221, 401.7221, -401.7221, -1051.7221, -1300,
        -1051.7221, -401.7221, 401.7221, 1051.7221}',
     '{0, 0, 618.1867, 382.0604, -382.0604, -618.1867, 0, 764.1208, 1236.3735, 1236.3735, 764.1208, 0, -764.1208,
        -1236.3735, -1236.3735, -764.1208}',
     '{9444.60012, 8497.90004, 11383.32869, 14173.40367, 20979.36776, 25590.86774, 39252.85757, 43197.65856,
        23800.39229, 13539.36766, 15022.89800, 32644.44314, 71157.32322, 18092.10102, 12326.48041, 7838.58128}'),
    (36, 737883.09851,
     '{0, 666.6667, 206.0113, -539.3447, -539.3447, 206.0113, 1333.3333, 1154.7005, 666.6667, 0, -666.6667,
        -1154.7005, -1333.3333, -1154.7005, -666.6667, 0, 666.6667, 1154.7005, 2000, 1879.3852, 1532.0889, 1000,
        347.2964, -347.2964, -1000, -1532.0889, -1879.3852, -2000, -1879.3852, -1532.0889, -1000, -347.2964,
        347.2964, 1000, 1532.0889, 1879.3852}',
     '{0, 0, 634.0377, 391.8568, -391.8568, -634.0377, 0, 666.6667, 1154.7005, 1333.3333, 1154.7005, 666.6667, 0,
        -666.6667, -1154.7005, -1333.3333, -1154.7005, -666.6667, 0, 684.0403, 1285.5752, 1732.0508, 1969.6155,
        1969.6155, 1732.0508, 1285.5752, 684.0403, 0, -684.0403, -1285.5752, -1732.0508, -1969.6155, -1969.6155,
        -1732.0508, -1285.5752, -684.0403}',
     '{20031.56539, 18948.56110, 22909.44283, 27563.57816, 39052.27825, 49767.57168, 78998.07872, 96321.85228,
        50479.54479, 29779.76444, 30833.38985, 63049.88078, 132664.17490, 34943.30742, 25299.19167, 17240.91625}'),
    (64, 1294974.29770,
     '{0, 750, 231.7627, -606.7627, -606.7627, 231.7627, 1500, 1299.0381, 750, 0, -750, -1299.0381, -1500,
        -1299.0381, -750, 0, 750, 1299.0381, 2250, 2114.3084, 1723.6, 1125, 390.7084, -390.7084, -1125, -1723.6,
        -2114.3084, -2250, -2114.3084, -1723.6, -1125, -390.7084, 390.7084, 1125, 1723.6, 2114.3084, 3000, 2924.7837,
        2702.9066, 2345.4944, 1870.4694, 1301.6512, 667.5628, 0, -667.5628, -1301.6512, -1870.4694, -2345.4944,
        -2702.9066, -2924.7837, -3000, -2924.7837, -2702.9066, -2345.4944, -1870.4694, -1301.6512, -667.5628, 0,
        667.5628, 1301.6512, 1870.4694, 2345.4944, 2702.9066, 2924.7837}',
     '{0, 0, 713.2924, 440.8389, -440.8389, -713.2924, 0, 750, 1299.0381, 1500, 1299.0381, 750, 0, -750, -1299.0381,
        -1500, -1299.0381, -750, 0, 769.5453, 1446.2721, 1948.5572, 2215.8174, 2215.8174, 1948.5572, 1446.2721,
        769.5453, 0, -769.5453, -1446.2721, -1948.5572, -2215.8174, -2215.8174, -1948.5572, -1446.2721, -769.5453, 0,
        667.5628, 1301.6512, 1870.4694, 2345.4944, 2702.9066, 2924.7837, 3000, 2924.7837, 2702.9066, 2345.4944,
        1870.4694, 1301.6512, 667.5628, 0, -667.5628, -1301.6512, -1870.4694, -2345.4944, -2702.9066, -2924.7837,
        -3000, -2924.7837, -2702.9066, -2345.4944, -1870.4694, -1301.6512, -667.5628}',
     '{34909.41061, 31961.97110, 38624.65424, 48717.97038, 73194.82922, 87963.00207, 133188.46289, 162473.35310,
        87971.71474, 50459.68229, 51894.57832, 112009.16388, 247734.46985, 62077.36793, 42580.16683, 29213.50027}');
UPDATE farm SET job = asyncjob.submit('simulation', jsonb_build_object(
    'layout', (SELECT jsonb_agg(jsonb_build_array(px, py) ORDER BY i) FROM unnest(x, y) WITH ORDINALITY p (px, py, i)),
    'wind', 'simulation_iea37', 'turbine', 'simulation_iea37', 'wake_model', 'iea37_sbg'));
SELECT n, s.state FROM farm, asyncjob.wait(job, '60s') s ORDER BY n;
ALTER TABLE farm ADD r jsonb;
UPDATE farm SET r = asyncjob.result(job);
-- n turbines of 3.35 MW at rated speed all year make 29,346 MWh each
SELECT n, abs((r ->> 'wake_aep_gwh')::float8 * 1000 - mwh) < 1e-5 AS published,
       abs((r ->> 'gross_aep_gwh')::float8 * 1000 - n * 3.35 * 8760) < 1e-5 AS no_wake,
       r ->> 'wake_model' AS wake_model, r ->> 'superposition' AS superposition, r ->> 'k' AS k, r ->> 'mean_speed_m_s' AS speed
FROM farm ORDER BY n;
-- published with five decimals of MWh, 1e-9 GWh is 1e-6 MWh
SELECT n, count(*) AS directions, bool_and(abs((d ->> 'wake_aep_gwh')::float8 * 1000 - by_direction[i]) < 2e-5) AS published,
       bool_and((d ->> 'direction_deg')::float8 = 22.5 * (i - 1)) AS centred
FROM farm, jsonb_array_elements(r -> 'directions') WITH ORDINALITY d (d, i) GROUP BY n ORDER BY n;
-- parts and whole; losses of 3, 2 and 3 per cent; quantiles of the normal
-- distribution, 0.674490 and 1.281552; one turbine's wakes as the farm's
SELECT n, abs((SELECT sum((t ->> 'wake_aep_gwh')::float8) FROM jsonb_array_elements(r -> 'turbines') t) - (r ->> 'wake_aep_gwh')::float8) < 1e-6 AS turbines,
       abs((SELECT sum((d ->> 'wake_aep_gwh')::float8) FROM jsonb_array_elements(r -> 'directions') d) - (r ->> 'wake_aep_gwh')::float8) < 1e-6 AS directions,
       abs((SELECT sum((d ->> 'frequency')::float8) FROM jsonb_array_elements(r -> 'directions') d) - 1) < 1e-6 AS frequencies,
       abs((r ->> 'net_aep_gwh')::float8 - (r ->> 'wake_aep_gwh')::float8 * 0.97 * 0.98 * 0.97) < 1e-6 AS net,
       abs((r ->> 'wake_loss_pct')::float8 - 100 * (1 - (r ->> 'wake_aep_gwh')::float8 / (r ->> 'gross_aep_gwh')::float8)) < 1e-5 AS wake_loss,
       abs((r ->> 'capacity_factor')::float8 - (r ->> 'net_aep_gwh')::float8 / (n * 0.00335 * 8760)) < 1e-6 AS capacity_factor,
       abs((r ->> 'net_aep_p75_gwh')::float8 / (r ->> 'net_aep_gwh')::float8 - (1 - 0.674490 * 0.1)) < 1e-6 AS p75,
       abs((r ->> 'net_aep_p90_gwh')::float8 / (r ->> 'net_aep_gwh')::float8 - (1 - 1.281552 * 0.1)) < 1e-6 AS p90
FROM farm ORDER BY n;
-- turbines are those asked for, in their order
SELECT n, count(*) AS turbines, bool_and((t ->> 'x_m')::float8 = x[i] AND (t ->> 'y_m')::float8 = y[i] AND (t ->> 'turbine_id')::int = i) AS in_order,
       bool_and((t ->> 'wake_aep_gwh')::float8 BETWEEN 0 AND (t ->> 'gross_aep_gwh')::float8) AS less_than_gross
FROM farm, jsonb_array_elements(r -> 'turbines') WITH ORDINALITY t (t, i) GROUP BY n ORDER BY n;
SELECT a.name, a.kind, a.media_type, convert_from(asyncjob.artifact_data(job, a.name), 'UTF8')::jsonb = r - 'artifacts' AS as_result
FROM farm, asyncjob.artifacts(job) a WHERE n = 16 AND a.media_type = 'application/json';
-- the report: one file, no network
SELECT html LIKE '<!DOCTYPE html>%</html>%' AS whole, html !~ '(href|src)="(http|//)' AS no_network, html !~ '\mnan\M|\minf\M' AS finite
FROM farm, LATERAL convert_from(asyncjob.artifact_data(job, 'simulation_report.html'), 'UTF8') html WHERE n = 16;
-- north is up: the same farm moved has the same energy, turned has not
SELECT asyncjob.run('simulation', jsonb_build_object('wind', 'simulation_iea37', 'turbine', 'simulation_iea37', 'wake_model', 'iea37_sbg', 'layout',
           (SELECT jsonb_agg(jsonb_build_array(px + 5000, py - 7000) ORDER BY i) FROM unnest(x, y) WITH ORDINALITY p (px, py, i)))) -> 'wake_aep_gwh' = r -> 'wake_aep_gwh' AS moved,
       abs((asyncjob.run('simulation', jsonb_build_object('wind', 'simulation_iea37', 'turbine', 'simulation_iea37', 'wake_model', 'iea37_sbg', 'layout',
           (SELECT jsonb_agg(jsonb_build_array(-py, px) ORDER BY i) FROM unnest(x, y) WITH ORDINALITY p (px, py, i)))) ->> 'wake_aep_gwh')::float8
           - (r ->> 'wake_aep_gwh')::float8) < 1e-3 AS turned
FROM farm WHERE n = 16;

--
-- One wake, in the textbook: Jensen 1983, Nibe. Free wind 8.1 m/s, Ct 8/9,
-- k 0.1, rotor of 40 m: 4.35 m/s at 40 m behind it and 5.70 m/s at 100 m. A
-- turbine whose power is rated (u / 10)^3 tells its speed by its energy.
--
CREATE FUNCTION pg_temp.behind(place jsonb, wind_from float8, options jsonb DEFAULT '{}') RETURNS float8 LANGUAGE sql AS $$
    SELECT round((10 * ((t ->> 'wake_aep_gwh')::float8 / (0.001 * 8760)) ^ (1 / 3.0))::numeric, 2)
    FROM asyncjob.run('simulation', jsonb_build_object('layout', jsonb_build_array('[0, 0]'::jsonb, place),
             'wind', jsonb_build_object('direction_deg', jsonb_build_array(wind_from), 'speed_m_s', 8.1, 'probability', '[1]'::jsonb),
             'turbine', '{"kind": "iea37", "rated_kw": 1000, "rotor_diameter_m": 40, "hub_height_m": 50, "cut_in_m_s": 0, "rated_m_s": 10, "cut_out_m_s": 25}'::jsonb,
             'wake_model', 'noj', 'k', 0.1) || options) r, LATERAL (SELECT r -> 'turbines' -> 1 AS t) t
$$;
SELECT pg_temp.behind('[40, 0]', 270) AS west_40_m, pg_temp.behind('[100, 0]', 270) AS west_100_m,
       pg_temp.behind('[-100, 0]', 90) AS east_100_m, pg_temp.behind('[0, -100]', 0) AS north_100_m, pg_temp.behind('[0, 100]', 180) AS south_100_m,
       pg_temp.behind('[100, 0]', 90) AS ahead, pg_temp.behind('[0, 100]', 270) AS beside;
-- the same through degrees: 100 m at the equator are 0.000898315 of longitude
SELECT round((10 * ((r -> 'turbines' -> 1 ->> 'wake_aep_gwh')::float8 / (0.001 * 8760)) ^ (1 / 3.0))::numeric, 2) AS east_of_it
FROM asyncjob.run('simulation', '{"layout": {"type": "FeatureCollection", "features": [
    {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [9, 0]}},
    {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [9.000898315, 0]}}]},
    "wind": {"direction_deg": [270], "speed_m_s": 8.1, "probability": [1]}, "wake_model": "noj", "k": 0.1,
    "turbine": {"kind": "iea37", "rated_kw": 1000, "rotor_diameter_m": 40, "hub_height_m": 50, "cut_in_m_s": 0, "rated_m_s": 10, "cut_out_m_s": 25}}') r;
-- two wakes on a third turbine, by each superposition: deficits of 2/3 over
-- 1.5^2 and over 2^2 of the free wind, 8/27 and 1/6
SELECT s AS superposition, round((10 * ((r -> 'turbines' -> 2 ->> 'wake_aep_gwh')::float8 / (0.001 * 8760)) ^ (1 / 3.0))::numeric, 3) AS speed_m_s,
       round(8.1 * (1 - deficit), 3) AS reckoned
FROM (VALUES ('rss', sqrt((8 / 27.0) ^ 2 + (1 / 6.0) ^ 2)), ('linear', 8 / 27.0 + 1 / 6.0), ('max', 8 / 27.0)) v (s, deficit),
     LATERAL asyncjob.run('simulation', jsonb_build_object('superposition', s) || '{"layout": [[0, 0], [100, 0], [200, 0]],
         "wind": {"direction_deg": [270], "speed_m_s": 8.1, "probability": [1]}, "wake_model": "noj", "k": 0.1,
         "turbine": {"kind": "iea37", "rated_kw": 1000, "rotor_diameter_m": 40, "hub_height_m": 50, "cut_in_m_s": 0, "rated_m_s": 10, "cut_out_m_s": 25}}') r;
-- shear: (hub / height)^alpha, 100 m above 50 m and alpha 0.2, where it is known
SELECT a AS shear_alpha, round((10 * ((r ->> 'gross_aep_gwh')::float8 / (0.001 * 8760)) ^ (1 / 3.0))::numeric, 4) AS speed_m_s, round(8 * 2 ^ coalesce(a, 0), 4) AS reckoned,
       (SELECT string_agg(regexp_replace(x, '( \(factor|, so they).*$', ''), '; ') FROM jsonb_array_elements_text(r -> 'assumptions') x WHERE x LIKE 'Wind speeds%') AS assumption
FROM (VALUES (0.2), (NULL)) v (a),
     LATERAL asyncjob.run('simulation', jsonb_strip_nulls(jsonb_build_object('shear_alpha', a)) || '{"layout": [[0, 0]],
         "wind": {"name": "mast", "direction_deg": [270], "speed_m_s": 8, "probability": [1], "height_m": 50},
         "turbine": {"kind": "iea37", "rated_kw": 1000, "rotor_diameter_m": 40, "hub_height_m": 100, "cut_in_m_s": 0, "rated_m_s": 10, "cut_out_m_s": 25}}') r;
-- the power curve of a table is linear between its points, nothing beyond
SELECT u AS speed_m_s, round((r ->> 'gross_aep_gwh')::numeric / 0.00876, 3) AS kw
FROM (VALUES (2.9), (3), (6.5), (10), (15), (20), (20.1)) v (u),
     LATERAL asyncjob.run('simulation', jsonb_build_object('wind', jsonb_build_object('direction_deg', '[0]'::jsonb, 'speed_m_s', u, 'probability', '[1]'::jsonb))
         || '{"layout": [[0, 0]], "turbine": {"rated_kw": 100, "rotor_diameter_m": 20, "hub_height_m": 30,
              "speed_m_s": [3, 10, 20], "power_kw": [10, 100, 100], "ct": [0.8, 0.7, 0.1]}}') r
ORDER BY u;
-- Weibull with k = 2 and A = 10, in bins of 1 m/s about the whole speeds 4
-- to 12: 1,000 kW in all of them for exp(-0.35^2) - exp(-1.25^2) of the year
SELECT abs((r ->> 'gross_aep_gwh')::float8 / 8.76 - (exp(-0.1225) - exp(-1.5625))) < 1e-8 AS energy,
       abs((r ->> 'probability_covered')::float8 - (exp(-0.1225) - exp(-1.5625))) < 1e-8 AS covered
FROM asyncjob.run('simulation', '{"layout": [[0, 0]], "wind": {"direction_deg": [0, 180], "frequency": [0.5, 0.5], "weibull_a_m_s": [10, 10], "weibull_k": [2, 2]},
    "turbine": {"rated_kw": 1000, "rotor_diameter_m": 20, "hub_height_m": 30, "speed_m_s": [4, 12], "power_kw": [1000, 1000], "ct": [0, 0]}}') r;

--
-- Horns Rev 1, 80 turbines, 360 directions, 23 speeds: PyWake's figures in
-- GWh, by the induction it was run with
--
SELECT asyncjob.load_turbine('simulation_v80', '{"rated_kw": 2000, "rotor_diameter_m": 80, "hub_height_m": 70,
    "speed_m_s": [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25],
    "power_kw": [0, 66.6, 154, 282, 460, 696, 996, 1341, 1661, 1866, 1958, 1988, 1997, 1999, 2000, 2000, 2000, 2000, 2000, 2000,
        2000, 2000, 2000],
    "ct": [0, 0.818, 0.806, 0.804, 0.805, 0.806, 0.807, 0.793, 0.739, 0.709, 0.409, 0.314, 0.249, 0.202, 0.167, 0.14, 0.119,
        0.102, 0.088, 0.077, 0.067, 0.06, 0.053]}') ->> 'rated_kw' AS kw;
SELECT asyncjob.load_weibull('simulation_hornsrev', '{
    "direction_deg": [0, 30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 330], "normalize": true,
    "frequency": [3.597152, 3.948682, 5.167395, 7.000154, 8.364547, 6.43485, 8.643194, 11.77051, 15.15757, 14.73792, 10.01205, 5.165975],
    "weibull_a_m_s": [9.176929, 9.782334, 9.531809, 9.909545, 10.04269, 9.593921, 9.584007, 10.51499, 11.39895, 11.68746, 11.63732, 10.08803],
    "weibull_k": [2.392578, 2.447266, 2.412109, 2.591797, 2.755859, 2.595703, 2.583984, 2.548828, 2.470703, 2.607422, 2.626953, 2.326172]}') ->> 'kind' AS kind;
CREATE TEMP TABLE hornsrev AS
SELECT jsonb_agg(jsonb_build_array(x - 424000, y - 6147000) ORDER BY i) AS layout
FROM unnest('{423974, 424042, 424111, 424179, 424247, 424315, 424384, 424452, 424534, 424602, 424671, 424739, 424807,
        424875, 424944, 425012, 425094, 425162, 425231, 425299, 425367, 425435, 425504, 425572, 425654, 425722,
        425791, 425859, 425927, 425995, 426064, 426132, 426214, 426282, 426351, 426419, 426487, 426555, 426624,
        426692, 426774, 426842, 426911, 426979, 427047, 427115, 427184, 427252, 427334, 427402, 427471, 427539,
        427607, 427675, 427744, 427812, 427894, 427962, 428031, 428099, 428167, 428235, 428304, 428372, 428454,
        428522, 428591, 428659, 428727, 428795, 428864, 428932, 429014, 429082, 429151, 429219, 429287, 429355,
        429424, 429492}'::int[]) WITH ORDINALITY px (x, i)
JOIN unnest('{6151447, 6150891, 6150335, 6149779, 6149224, 6148668, 6148112, 6147556}'::int[]) WITH ORDINALITY py (y, j) ON j = (i - 1) % 8 + 1;
SELECT m AS wake_model, abs((r ->> 'wake_aep_gwh')::float8 / gwh - 1) < 1e-9 AS as_pywake,
       abs((r ->> 'gross_aep_gwh')::float8 / 744.0358905988 - 1) < 1e-9 AS gross, r ->> 'induction' AS induction
FROM (VALUES ('noj', 0.1, 'madsen', 701.8641902501), ('iea37_sbg', 0.0324555, 'momentum', 694.1483188596),
             ('bastankhah_2014', 0.0324555, 'madsen', 682.1920555491)) v (m, k, i, gwh), hornsrev,
     asyncjob.run('simulation', jsonb_build_object('layout', layout, 'wind', 'simulation_hornsrev', 'turbine', 'simulation_v80',
         'wake_model', m, 'k', k, 'induction', i, 'flow_map_resolution_m', 0)) r;
-- a wake that widens with turbulence: less loss where there is more of it
SELECT (a ->> 'wake_loss_pct')::float8 > (b ->> 'wake_loss_pct')::float8 AS less, a ->> 'k' AS k, a ->> 'turbulence_intensity' AS ti,
       (SELECT min((t ->> 'turbulence_intensity')::float8) >= 0.06 AND max((t ->> 'turbulence_intensity')::float8) BETWEEN 0.08 AND 0.3
        FROM jsonb_array_elements(a -> 'turbines') t) AS of_turbines
FROM hornsrev, LATERAL (VALUES (jsonb_build_object('layout', layout, 'wind', 'simulation_hornsrev', 'turbine', 'simulation_v80',
         'wake_model', 'niayifar_2016', 'superposition', 'linear', 'wd_step_deg', 30, 'flow_map_resolution_m', 0))) v (p),
     asyncjob.run('simulation', p || '{"turbulence_intensity": 0.06}') a, asyncjob.run('simulation', p || '{"turbulence_intensity": 0.12}') b;

--
-- The flow map of one wind behind one turbine: the published formula in every
-- cell, 9 m/s before it
--
SELECT asyncjob.submit('simulation', '{"layout": [[100, 50]], "wind": "simulation_iea37", "turbine": "simulation_iea37",
    "wake_model": "iea37_sbg", "flow_direction_deg": 270, "flow_speed_m_s": 9, "flow_map_resolution_m": 26}') AS job \gset
SELECT state FROM asyncjob.wait(:job, '60 s');
SELECT asyncjob.result(:job) -> 'flow_map' AS flow_map;
SELECT name, kind, media_type FROM asyncjob.artifacts(:job) ORDER BY name;
CREATE TEMP TABLE map AS
SELECT regexp_split_to_array(trim(line), '\s+') AS v, i
FROM regexp_split_to_table(convert_from(asyncjob.artifact_data(:job, 'wake_map.asc'), 'UTF8'), E'\n') WITH ORDINALITY l (line, i);
SELECT array_to_string(v, ' ') AS header FROM map WHERE i <= 6 ORDER BY i;
SELECT count(*) AS cells, count(*) FILTER (WHERE x < 0 AND u = 9) AS free, max(abs(u - CASE WHEN x > 0 THEN
           9 * (1 - (1 - sqrt(1 - (8 / 9.0) * 130 ^ 2 / (8 * (0.0324555 * x + 130 / sqrt(8)) ^ 2)))
                    * exp(-0.5 * (y / (0.0324555 * x + 130 / sqrt(8))) ^ 2)) ELSE 9 END)) < 6e-4 AS formula
FROM (SELECT -1040 + (c - 0.5) * 26 AS x, 1040 - (i - 6 - 0.5) * 26 AS y, u::float8
      FROM map, unnest(v) WITH ORDINALITY w (u, c) WHERE i > 6 AND u <> '') cells;
-- the mean over all winds: between the slowest turbine and the free wind
SELECT (m ->> 'free_speed_m_s')::float8 = 9.8 AS free, (m ->> 'lowest_speed_m_s')::float8 BETWEEN 4 AND 9.5 AS lowest, m -> 'directions' AS directions
FROM (SELECT asyncjob.step_simulation('{"layout": [[0, 0], [650, 0]], "wind": "simulation_iea37", "turbine": "simulation_iea37"}') -> 'flow_map') s (m);
SELECT asyncjob.step_simulation('{"layout": [[0, 0]], "wind": "simulation_iea37", "flow_map_resolution_m": 0}') ? 'flow_map' AS map;
SELECT asyncjob.check_simulation('{"layout": [[0, 0]], "wind": "simulation_iea37", "flow_speed_m_s": 9}');
SELECT asyncjob.check_simulation('{"layout": [[0, 0]], "wind": "simulation_iea37", "wake_model": "niayifar_2016", "k": 0.03}');
SELECT asyncjob.check_simulation('{"layout": [[0, 0]], "wind": "simulation_iea37", "induction": "glauert"}');

-- the mean over the rotor: below rated speed power goes with its cube, (0.7^2 + 1 + 1.3^2) / 3 for an exponent of 2/3
SELECT abs((r ->> 'gross_aep_gwh')::float8 / 8.76 / (1.06 * 0.512) - 1) < 1e-4 AS rotor_average
FROM asyncjob.run('simulation', '{"layout": [[0, 0]], "wind": {"direction_deg": [0], "speed_m_s": 8, "probability": [1]}, "flow_map_resolution_m": 0,
    "turbine": {"kind": "iea37", "rated_kw": 1000, "rotor_diameter_m": 120, "hub_height_m": 100, "cut_in_m_s": 0, "rated_m_s": 10, "cut_out_m_s": 25},
    "rotor_average": "points", "shear_alpha": 0.66666666666}') r;
SELECT asyncjob.check_simulation('{"layout": [[0, 0]], "wind": "simulation_iea37", "rotor_average": "rews"}');
--
-- Where the turbines stand on Earth does not matter: a row of three on the
-- equator, 0.0058 degrees apart, is the same at 10 degrees east, across a
-- boundary of UTM zones and across the 180th meridian; at 78 degrees north
-- degrees of longitude are short, and a farm may cover many.
--
CREATE FUNCTION pg_temp.in_a_row(longitude float8, latitude float8, step float8) RETURNS jsonb LANGUAGE sql AS $$
    SELECT asyncjob.run('simulation', jsonb_build_object('wind', 'simulation_iea37', 'turbine', 'simulation_iea37', 'flow_map_resolution_m', 0, 'layout',
        jsonb_build_object('type', 'FeatureCollection', 'features', jsonb_agg(jsonb_build_object('type', 'Feature', 'properties', '{}'::jsonb, 'geometry',
            jsonb_build_object('type', 'Point', 'coordinates', jsonb_build_array(CASE WHEN x > 180 THEN x - 360 ELSE x END, latitude)))))))
    FROM (SELECT longitude + k * step AS x FROM generate_series(0, 2) k) p
$$;
SELECT v.longitude, abs((pg_temp.in_a_row(v.longitude, 0, 0.0058) ->> 'wake_aep_gwh')::float8 / (pg_temp.in_a_row(10, 0, 0.0058) ->> 'wake_aep_gwh')::float8 - 1) < 1e-6 AS same_energy
FROM (VALUES (5.995), (179.995), (-179.9942), (-100)) v (longitude);
SELECT pg_temp.in_a_row(15, 78, 2) ->> 'turbine_count' AS turbines;
SELECT pg_temp.in_a_row(15, 0, 2) ->> 'turbine_count' AS turbines;

RESET SESSION AUTHORIZATION;
DELETE FROM asyncjob.wind_resource WHERE owner = 'regress_simulation';
DELETE FROM asyncjob.turbine WHERE owner = 'regress_simulation';
DROP OWNED BY regress_simulation;
DROP ROLE regress_simulation;
