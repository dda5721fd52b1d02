-- Solar yield: weather, the steps, the check at submit.

CREATE TABLE asyncjob.weather (
    weather_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner        name DEFAULT current_user,
    name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    latitude     float8 NOT NULL CHECK (latitude BETWEEN -90 AND 90),
    longitude    float8 NOT NULL CHECK (longitude BETWEEN -180 AND 180),
    elevation_m  float8 NOT NULL,
    utc_offset_h float8 NOT NULL,
    first_at     timestamptz NOT NULL,
    interval_s   float8 NOT NULL CHECK (interval_s > 0),
    intervals    int NOT NULL CHECK (intervals > 0),
    flags        int NOT NULL DEFAULT 0,
    format       text NOT NULL,
    source       text,
    ghi_w_m2     real[] NOT NULL,
    dni_w_m2     real[] NOT NULL,
    dhi_w_m2     real[] NOT NULL,
    air_c        real[] NOT NULL,
    wind_m_s     real[] NOT NULL,
    albedo       real[],
    loaded_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (owner, name)
);
ALTER TABLE asyncjob.weather
    ALTER COLUMN ghi_w_m2 SET STORAGE EXTERNAL, ALTER COLUMN dni_w_m2 SET STORAGE EXTERNAL,
    ALTER COLUMN dhi_w_m2 SET STORAGE EXTERNAL, ALTER COLUMN air_c SET STORAGE EXTERNAL,
    ALTER COLUMN wind_m_s SET STORAGE EXTERNAL, ALTER COLUMN albedo SET STORAGE EXTERNAL;
COMMENT ON TABLE asyncjob.weather IS
    'Weather series at places, one row a series: an element of each array is one interval. Load with load_weather().';
COMMENT ON COLUMN asyncjob.weather.owner IS 'Role it belongs to; NULL: everybody may read it.';
COMMENT ON COLUMN asyncjob.weather.utc_offset_h IS 'Hours of local standard time east of Greenwich.';
COMMENT ON COLUMN asyncjob.weather.first_at IS 'Middle of the first interval.';
COMMENT ON COLUMN asyncjob.weather.flags IS 'What was derived: 1 ghi, 2 dhi, 4 dni and dhi from ghi; 8 typical year, dated 2018.';
COMMENT ON COLUMN asyncjob.weather.ghi_w_m2 IS 'Global horizontal irradiance, mean of the interval, W/m2.';
COMMENT ON COLUMN asyncjob.weather.dni_w_m2 IS 'Direct normal irradiance, W/m2.';
COMMENT ON COLUMN asyncjob.weather.dhi_w_m2 IS 'Diffuse horizontal irradiance, W/m2.';
COMMENT ON COLUMN asyncjob.weather.air_c IS 'Air temperature, degrees C.';
COMMENT ON COLUMN asyncjob.weather.wind_m_s IS 'Wind speed at 10 m, m/s.';
COMMENT ON COLUMN asyncjob.weather.albedo IS 'Albedo of the ground, NaN where unknown; NULL: none.';

ALTER TABLE asyncjob.weather ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON asyncjob.weather
    USING (owner OPERATOR(pg_catalog.=) current_user)
    WITH CHECK (owner OPERATOR(pg_catalog.=) current_user);
CREATE POLICY everybodys ON asyncjob.weather FOR SELECT USING (owner IS NULL);

SELECT pg_catalog.pg_extension_config_dump('asyncjob.weather', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.weather_weather_id_seq', '');

CREATE FUNCTION asyncjob.load_weather(name text, csv text, options jsonb DEFAULT '{}')
RETURNS jsonb LANGUAGE c VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_load_weather';
COMMENT ON FUNCTION asyncjob.load_weather(text, text, jsonb) IS
    'Load a weather series from the text of a file: PVWatts hourly export, NSRDB or SAM CSV, TMY3, EPW, PVGIS TMY, or a table with columns time, ghi, dni, dhi (W/m2), temp_air (degrees C), wind_speed (m/s). options: latitude, longitude (degrees), elevation_m, utc_offset_h (where the file doesn''t say), stamp (start, middle, end: what part of its interval a time names), source. Of ghi, dni, dhi there must be ghi, or dni and dhi; nothing else is filled in. Replaces a series of the same name. Errors AJ101: weather_columns, weather_gaps, weather_invalid, weather_place_missing, time_zone_missing, weather_time_zone, unit_or_range, coordinates_out_of_range, parameter_missing, parameter_unknown.';

CREATE FUNCTION asyncjob.step_solar_yield(input jsonb)
RETURNS jsonb LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_step_solar_yield';
COMMENT ON FUNCTION asyncjob.step_solar_yield(jsonb) IS
    'Annual energy of a photovoltaic system. Parameters: weather, dc_capacity_kw; tilt_deg (latitude), azimuth_deg (180, south of the equator 0), or tracking single_axis with axis_azimuth_deg, max_angle_deg (60), backtracking (true), gcr (0.4); module_type (standard, premium, thin_film), mounting (open_rack, roof), gamma_pdc_per_c (-0.0047), albedo (0.2), losses_pct (14.08), dc_ac_ratio (1.2), inverter_eff (0.96); longitude and latitude, or site (the weather''s place); dem or horizon_deg (none), horizon_distance_km (20); uncertainty_pct (7); hourly (false). Artifacts solar_yield, monthly.csv, solar_array.geojson, hourly.csv. Errors AJ101: weather_missing, weather_unknown, weather_gaps, weather_too_far, dem_does_not_cover_site, unit_or_range, parameter_missing, parameter_unknown.';

CREATE FUNCTION asyncjob.render_solar_report(input jsonb)
RETURNS text LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_render_solar_report';
COMMENT ON FUNCTION asyncjob.render_solar_report(jsonb) IS
    'The HTML text of the report of a solar yield: one file that needs no network. Parameters and errors as step_solar_yield, and title.';

CREATE FUNCTION asyncjob.step_solar_report(input jsonb)
RETURNS jsonb LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_step_solar_report';
COMMENT ON FUNCTION asyncjob.step_solar_report(jsonb) IS
    'Write the report of a solar yield. Parameters and errors as step_solar_yield, and title. Returns {"summary": {...}, "artifacts": [...]}; artifact report.html.';

CREATE FUNCTION asyncjob.check_solar_yield(params jsonb)
RETURNS void LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_check_solar_yield';
COMMENT ON FUNCTION asyncjob.check_solar_yield(jsonb) IS
    'Raise what step_solar_yield would refuse in these params.';

