--
-- layout: every promise recomputed from the coordinates that come out
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS asyncjob;
CREATE ROLE regress_layout LOGIN;
SELECT asyncjob.grant_usage('regress_layout');
SET SESSION AUTHORIZATION regress_layout;
\getenv abs_srcdir PG_ABS_SRCDIR
\set read 'cat ' :abs_srcdir '/data/dem/jacksboro_wgs84.asc'
\set asc `:read`
\set read 'cat ' :abs_srcdir '/data/site/demo_site_jacksboro.geojson'
\set geojson `:read`
SELECT asyncjob.load_dem('layout_dem', :'asc') ->> 'complete' AS complete;
SELECT asyncjob.load_site('layout_ridge', :'geojson') ->> 'zones' AS zones;
-- the wind of IEA Wind Task 37's case study 1, as in its file of the rose
SELECT asyncjob.load_wind_rose('layout_wind', '{"direction_deg": [0, 22.5, 45, 67.5, 90, 112.5, 135, 157.5, 180, 202.5, 225, 247.5, 270, 292.5, 315, 337.5],
    "speed_m_s": 9.8, "probability": [0.025, 0.024, 0.029, 0.036, 0.063, 0.065, 0.100, 0.122, 0.063, 0.038, 0.039, 0.083, 0.213, 0.046, 0.032, 0.022]}')
       ->> 'directions' AS directions;

-- On the ellipsoid, between places some kilometres apart: by the radii of
-- curvature at the middle latitude (Gauss), good to 1e-8 of the distance.
CREATE FUNCTION pg_temp.east_m(lon0 float8, lat0 float8, lon1 float8, lat1 float8) RETURNS float8 LANGUAGE sql IMMUTABLE AS
$$ SELECT (lon1 - lon0) * radians(1) * cosd((lat0 + lat1) / 2) * 6378137 / sqrt(1 - 0.0066943799901413 * sind((lat0 + lat1) / 2) ^ 2) $$;
CREATE FUNCTION pg_temp.north_m(lat0 float8, lat1 float8) RETURNS float8 LANGUAGE sql IMMUTABLE AS
$$ SELECT (lat1 - lat0) * radians(1) * 6378137 * (1 - 0.0066943799901413) / (1 - 0.0066943799901413 * sind((lat0 + lat1) / 2) ^ 2) ^ 1.5 $$;
CREATE FUNCTION pg_temp.apart_m(lon0 float8, lat0 float8, lon1 float8, lat1 float8) RETURNS float8 LANGUAGE sql IMMUTABLE AS
$$ SELECT sqrt(pg_temp.east_m(lon0, lat0, lon1, lat1) ^ 2 + pg_temp.north_m(lat0, lat1) ^ 2) $$;
-- 100 km of meridian about 36.5 degrees north, and a degree of the equator
SELECT abs(pg_temp.north_m(36, 37) - 110963.4) < 1 AS meridian, abs(pg_temp.east_m(0, 0, 1, 0) - 111319.49) < 0.01 AS equator;
-- distance of a place from a chain of positions, in the plane about the place
CREATE FUNCTION pg_temp.from_line_m(lon float8, lat float8, line jsonb) RETURNS float8 LANGUAGE sql AS $$
    SELECT min(sqrt((x0 + t * (x1 - x0)) ^ 2 + (y0 + t * (y1 - y0)) ^ 2))
    FROM (SELECT *, least(1, greatest(0, -(x0 * (x1 - x0) + y0 * (y1 - y0)) / ((x1 - x0) ^ 2 + (y1 - y0) ^ 2))) AS t
          FROM (SELECT x AS x0, y AS y0, lead(x) OVER (ORDER BY i) AS x1, lead(y) OVER (ORDER BY i) AS y1
                FROM (SELECT i, pg_temp.east_m(lon, lat, (p ->> 0)::float8, (p ->> 1)::float8) AS x,
                             pg_temp.north_m(lat, (p ->> 1)::float8) AS y
                      FROM jsonb_array_elements(line) WITH ORDINALITY p (p, i)) a) b
          WHERE x1 IS NOT NULL) c
$$;
CREATE TEMP TABLE feature AS
SELECT coalesce(f -> 'properties' ->> 'name', '') AS name, f -> 'properties' ->> 'feature_type' AS feature_type,
       CASE f -> 'geometry' ->> 'type' WHEN 'Polygon' THEN f -> 'geometry' -> 'coordinates' -> 0
                                       WHEN 'Point' THEN NULL ELSE f -> 'geometry' -> 'coordinates' END AS line,
       CASE f -> 'geometry' ->> 'type' WHEN 'Polygon' THEN
           (SELECT string_agg(format('(%s,%s)', p ->> 0, p ->> 1), ',') FROM jsonb_array_elements(f -> 'geometry' -> 'coordinates' -> 0) p)::polygon END AS area,
       CASE f -> 'geometry' ->> 'type' WHEN 'Point' THEN f -> 'geometry' -> 'coordinates' END AS place
FROM jsonb_array_elements(:'geojson'::jsonb -> 'features') f;

--
-- two jobs of the same seed, one of another, one by capacity
--
\set params '{"site": "layout_ridge", "dem": "layout_dem", "wind": "layout_wind", "n_turbines": 16, "max_evaluations": 3000, "n_starts": 2}'
SELECT asyncjob.submit('layout', :'params') AS one,
       asyncjob.submit('layout', :'params') AS two,
       asyncjob.submit('layout', :'params'::jsonb || '{"seed": 43}') AS other,
       asyncjob.submit('layout', :'params'::jsonb - 'n_turbines' || '{"target_capacity_kw": 33701, "turbine": "IEA_3.4MW_130", "max_evaluations": 300}') AS capacity \gset
SELECT n, (asyncjob.wait(job, '120s')).state FROM (VALUES (1, :one), (2, :two), (3, :other), (4, :capacity)) v (n, job) ORDER BY n;
SELECT md5(asyncjob.result(:one)::text) = md5(asyncjob.result(:two)::text) AS same_seed,
       md5(asyncjob.result(:one)::text) = md5(asyncjob.result(:other)::text) AS other_seed,
       (SELECT array_agg(sha256 ORDER BY name) FROM asyncjob.artifacts(:one))
         = (SELECT array_agg(sha256 ORDER BY name) FROM asyncjob.artifacts(:two)) AS same_artifacts;
-- 33,701 kW are 10 turbines of 3,370 kW and one
SELECT asyncjob.result(:capacity) -> 'metrics' ->> 'turbine_count' AS turbines,
       asyncjob.result(:capacity) -> 'metrics' ->> 'total_capacity_kw' AS kw;

CREATE TEMP TABLE turbine AS
SELECT j AS job, (f -> 'properties' ->> 'turbine_id')::int AS id,
       (f -> 'geometry' -> 'coordinates' ->> 0)::float8 AS lon, (f -> 'geometry' -> 'coordinates' ->> 1)::float8 AS lat, f
FROM (VALUES (1, :one), (2, :other), (3, :capacity)) v (j, id), jsonb_array_elements(asyncjob.result(v.id) -> 'layout' -> 'features') f;
-- spacing: 5 rotor diameters of 130 m, exactly; and the least is what is told
SELECT job, count(DISTINCT a.id) AS turbines, min(d) >= 650 AS spacing,
       abs(min(d) - max((asyncjob.result(CASE job WHEN 1 THEN :one WHEN 2 THEN :other ELSE :capacity END) -> 'metrics' ->> 'min_spacing_m')::float8)) < 0.05 AS as_told
FROM (SELECT job, a.id, pg_temp.apart_m(a.lon, a.lat, b.lon, b.lat) AS d
      FROM turbine a JOIN turbine b USING (job) WHERE a.id <> b.id) a GROUP BY job ORDER BY job;
-- inside, and the rotor too; clear of every zone: to the millimetre, though
-- edges here are straight in degrees and the search's in UTM, which differ by
-- 0.2 m in the middle of the boundary's and by 1.4 m of the power line's
SELECT job, bool_and(area @> point(lon, lat)) AS inside, min(pg_temp.from_line_m(lon, lat, line)) >= 65 AS rotor_inside
FROM turbine, feature WHERE feature_type = 'site_boundary' GROUP BY job ORDER BY job;
SELECT job, bool_or(area @> point(lon, lat)) FILTER (WHERE name = 'wetland') AS in_wetland,
       min(pg_temp.from_line_m(lon, lat, line)) FILTER (WHERE name = 'wetland') >= 50 AS wetland,
       min(pg_temp.from_line_m(lon, lat, line)) FILTER (WHERE name = 'power line') >= 100 AS power_line,
       min(pg_temp.apart_m(lon, lat, (place ->> 0)::float8, (place ->> 1)::float8)) FILTER (WHERE name = 'dwelling') >= 500 AS dwelling
FROM turbine, feature WHERE feature_type = 'exclusion' GROUP BY job ORDER BY job;
-- the margin that is told is the least of these, rounded down, or less by as much as edges may bend to either side
SELECT bool_and(least(b.m - 65, z.m) - (f -> 'properties' ->> 'constraint_margin_m')::float8 BETWEEN -0.2 AND 3) AS margin
FROM turbine t,
     LATERAL (SELECT min(pg_temp.from_line_m(lon, lat, line)) AS m FROM feature WHERE feature_type = 'site_boundary') b,
     LATERAL (SELECT min(CASE name WHEN 'wetland' THEN pg_temp.from_line_m(lon, lat, line) - 50
                                   WHEN 'power line' THEN pg_temp.from_line_m(lon, lat, line) - 100
                                   ELSE pg_temp.apart_m(lon, lat, (place ->> 0)::float8, (place ->> 1)::float8) - 500 END) AS m
              FROM feature WHERE feature_type = 'exclusion') z;
-- numbered from west to east, seven decimals, slope as allowed
SELECT job, array_agg(id ORDER BY lon) = array_agg(id ORDER BY id) AS west_to_east,
       bool_and(scale((f -> 'geometry' -> 'coordinates' ->> 0)::numeric) <= 7 AND scale((f -> 'geometry' -> 'coordinates' ->> 1)::numeric) <= 7) AS decimals,
       max((f -> 'properties' ->> 'slope_deg')::float8) <= 15 AS slope,
       bool_and((f -> 'properties' ->> 'capacity_mw')::float8 = 3.37 AND (f -> 'properties' ->> 'rotor_diameter_m')::float8 = 130
                AND (f -> 'properties' ->> 'hub_height_m')::float8 = 110) AS turbine
FROM turbine GROUP BY job ORDER BY job;
-- the energy told is that of a simulation of the places, rounded as they are
SELECT abs((m ->> 'aep_end_gwh')::float8 / (s ->> 'wake_aep_gwh')::float8 - 1) < 1e-5 AS as_simulated,
       (m ->> 'aep_end_gwh')::float8 > (m ->> 'aep_start_gwh')::float8 AS improved,
       abs((m ->> 'improvement_pct')::float8 - 100 * ((m ->> 'aep_end_gwh')::float8 / (m ->> 'aep_start_gwh')::float8 - 1)) < 1e-3 AS pct,
       (SELECT bool_and(e >= b) FROM (SELECT (c ->> 1)::float8 AS e, lag((c ->> 1)::float8) OVER (ORDER BY i) AS b
                                      FROM jsonb_array_elements(m -> 'convergence') WITH ORDINALITY c (c, i)) x) AS ascending
FROM (SELECT asyncjob.result(:one) -> 'metrics' AS m, asyncjob.result(:one) -> 'layout' AS l) r,
     LATERAL asyncjob.run('simulation', jsonb_build_object('layout', l, 'wind', 'layout_wind', 'wake_model', 'iea37_sbg')) s;
-- the artifact is the layout
SELECT name, kind, media_type FROM asyncjob.artifacts(:one) ORDER BY name COLLATE "C";
SELECT convert_from(asyncjob.artifact_data(:one, 'turbine_layout'), 'UTF8')::jsonb = asyncjob.result(:one) -> 'layout' AS layout,
       convert_from(asyncjob.artifact_data(:one, 'layout_metrics'), 'UTF8')::jsonb = asyncjob.result(:one) -> 'metrics' AS metrics,
       asyncjob.result(:one) -> 'layout' ? 'crs' AS crs, jsonb_array_length(asyncjob.result(:one) -> 'layout' -> 'bbox') AS bbox;

--
-- too many: the job fails at once, is not retried, and says how many fit
--
\set small '{"dem": "layout_dem", "wind": "layout_wind", "max_slope_deg": 40, "max_evaluations": 200, "n_starts": 1, "site": {"longitude": -84.25, "latitude": 36.6, "radius_km": 1.5}}'
SELECT asyncjob.submit('layout', :'small'::jsonb || '{"n_turbines": 200}') AS many \gset
SELECT state, attempt, error_code, error_category, regexp_replace(error_message, '\d+ is', 'N is') AS error_message,
       error_detail ~ '^[0-9.]+ ha of the site''s 705\.7 ha are buildable; turbines must stand 650\.0 m \(5 rotor diameters\) apart\.$' AS detail
FROM asyncjob.wait(:many, '60s');
SELECT substring(error_message FROM ': (\d+) is') AS fits,
       error_hint = format('Ask for at most %s turbines (%s kW), or lower min_spacing_d from 5.', substring(error_message FROM ': (\d+) is'),
                           3370 * substring(error_message FROM ': (\d+) is')::int) AS hint
FROM asyncjob.status(:many) \gset
\echo :hint
-- circles of 325 m, packed as close as can be in one of 1825 m, are no more
-- than area allows, 0.9069 (1825 / 325)^2; a square grid of them has 13 in it
SELECT :fits BETWEEN 13 AND 0.9069 * (1825.0 / 325) ^ 2 AS plausible;
SELECT asyncjob.submit('layout', :'small'::jsonb || jsonb_build_object('n_turbines', :fits)) AS few \gset
SELECT state FROM asyncjob.wait(:few, '60s');
SELECT asyncjob.result(:few) -> 'metrics' -> 'turbine_count' = to_jsonb(:fits) AS that_many;
SELECT asyncjob.result(:many) IS NULL AS no_result, (SELECT count(*) FROM asyncjob.artifacts(:many)) AS artifacts;
-- nothing to build on
SELECT asyncjob.submit('layout', :'small'::jsonb || '{"n_turbines": 1, "max_slope_deg": 0}') AS none \gset
SELECT state, error_code, error_category, error_message FROM asyncjob.wait(:none, '60s');
SELECT error_detail ~ 'slope > 0 deg removes 100 %' AS reasons, error_hint FROM asyncjob.status(:none);
-- small ground: what a smaller min_patch_m2 would leave, and a site narrower than a cell
\set small '{"site": {"type": "Polygon", "coordinates": [[[-84.2511, 36.5791], [-84.2489, 36.5791], [-84.2489, 36.5809], [-84.2511, 36.5809], [-84.2511, 36.5791]]]}, "n_turbines": 1, "wind": {"direction_deg": [0], "speed_m_s": 9, "probability": [1]}, "max_slope_deg": 90, "resolution_m": 10}'
SELECT asyncjob.step_layout(:'small'::jsonb || '{"min_patch_m2": 10000}');
SELECT asyncjob.step_layout(:'small'::jsonb) #>> '{metrics,turbine_count}' AS turbines;
SELECT asyncjob.step_layout(:'small'::jsonb || '{"site": {"type": "Polygon", "coordinates": [[[-84.2511, 36.5791], [-84.2489, 36.5791], [-84.2489, 36.579102], [-84.2511, 36.5791]]]}}');

RESET SESSION AUTHORIZATION;
DELETE FROM asyncjob.dem WHERE name LIKE 'layout\_%';
DELETE FROM asyncjob.site WHERE name LIKE 'layout\_%';
DELETE FROM asyncjob.wind_resource WHERE name LIKE 'layout\_%';
DROP OWNED BY regress_layout;
DROP ROLE regress_layout;
