-- What the analyses read: elevation, sites, wind resources, turbines.
--
-- Each table holds one kind of input under a name. A row belongs to the role
-- that loaded it and is seen and changed by that role only; rows without an
-- owner are everybody's to read. The load_* functions check what they are
-- given and replace an input of the same name; they run with the caller's
-- rights and need no superuser.

----------------------------------------------------------------------
-- Tables

CREATE TABLE asyncjob.dem (
    dem_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner       name DEFAULT current_user,
    name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    epsg        int NOT NULL,
    ncols       int NOT NULL CHECK (ncols > 0),
    nrows       int NOT NULL CHECK (nrows > 0),
    x0          float8 NOT NULL,
    y0          float8 NOT NULL,
    dx          float8 NOT NULL CHECK (dx > 0),
    dy          float8 NOT NULL CHECK (dy > 0),
    nodata      float8,
    tile_cells  int NOT NULL DEFAULT 256 CHECK (tile_cells > 0),
    rows_loaded int4multirange NOT NULL DEFAULT '{}',
    complete    boolean NOT NULL GENERATED ALWAYS AS
                (rows_loaded @> int4range(0, nrows)) STORED,
    west        float8 NOT NULL,
    south       float8 NOT NULL,
    east        float8 NOT NULL,
    north       float8 NOT NULL,
    cell_m      float8 NOT NULL,
    min_m       real,
    max_m       real,
    loaded_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (owner, name)
);
COMMENT ON TABLE asyncjob.dem IS
    'Digital elevation models. Elevations in metres stand in dem_tile. Load with load_dem() or load_dem_rows().';
COMMENT ON COLUMN asyncjob.dem.owner IS 'Role it belongs to; NULL: everybody may read it.';
COMMENT ON COLUMN asyncjob.dem.epsg IS '4326 (degrees), 32601..32660 or 32701..32760 (UTM, metres).';
COMMENT ON COLUMN asyncjob.dem.x0 IS 'Western edge of the grid, degrees or metres of its EPSG code.';
COMMENT ON COLUMN asyncjob.dem.y0 IS 'Northern edge of the grid, degrees or metres of its EPSG code.';
COMMENT ON COLUMN asyncjob.dem.nodata IS 'NODATA_value of the source; unknown cells are NaN in the tiles.';
COMMENT ON COLUMN asyncjob.dem.rows_loaded IS 'Grid rows present so far, from 0 in the north.';
COMMENT ON COLUMN asyncjob.dem.complete IS 'All rows are present; only a complete model is used.';
COMMENT ON COLUMN asyncjob.dem.west IS 'West, south, east, north: bounding box in degrees on WGS 84.';
COMMENT ON COLUMN asyncjob.dem.cell_m IS 'Smaller side of a cell in the middle of the grid, metres.';

CREATE TABLE asyncjob.dem_tile (
    dem_id   bigint NOT NULL REFERENCES asyncjob.dem ON DELETE CASCADE,
    tile_row int NOT NULL,
    tile_col int NOT NULL,
    owner    name DEFAULT current_user,
    data     bytea NOT NULL,
    PRIMARY KEY (dem_id, tile_row, tile_col)
);
-- Uncompressed, so that a window can be read at the speed of the disk.
ALTER TABLE asyncjob.dem_tile ALTER COLUMN data SET STORAGE EXTERNAL;
COMMENT ON TABLE asyncjob.dem_tile IS
    'Tiles of elevation models: little-endian float4 by rows from the north-west, NaN where unknown; tiles at the eastern and southern rim are narrower.';

CREATE TABLE asyncjob.site (
    site_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner     name DEFAULT current_user,
    name      text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    geojson   jsonb NOT NULL,
    longitude float8 NOT NULL,
    latitude  float8 NOT NULL,
    west      float8 NOT NULL,
    south     float8 NOT NULL,
    east      float8 NOT NULL,
    north     float8 NOT NULL,
    area_m2   float8 NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (owner, name)
);
COMMENT ON TABLE asyncjob.site IS
    'Sites: a boundary, exclusion zones with buffers and an entry point, as GeoJSON. Load with load_site().';
COMMENT ON COLUMN asyncjob.site.longitude IS 'Centre of gravity of the boundary, degrees on WGS 84 (with latitude).';
COMMENT ON COLUMN asyncjob.site.area_m2 IS 'Ground area within the boundary, square metres.';

CREATE TABLE asyncjob.wind_resource (
    wind_id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner            name DEFAULT current_user,
    name             text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    kind             text NOT NULL CHECK (kind IN ('rose', 'weibull')),
    definition       jsonb NOT NULL,
    directions       int NOT NULL,
    mean_speed_m_s   float8 NOT NULL,
    height_m         float8,
    source           text,
    loaded_at        timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (owner, name)
);
COMMENT ON TABLE asyncjob.wind_resource IS
    'Wind resources: probability by direction and speed (rose), or frequency, A and k by sector (weibull). Load with load_wind_rose() or load_weibull().';

CREATE TABLE asyncjob.wind_series (
    series_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner            name DEFAULT current_user,
    name             text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    records          int NOT NULL CHECK (records > 0),
    from_time        timestamptz,
    to_time          timestamptz,
    interval_s       float8 CHECK (interval_s > 0),
    height_m         float8,
    upper_height_m   float8,
    source           text,
    time_s           float8[],
    speed_m_s        float8[] NOT NULL,
    direction_deg    float8[] NOT NULL,
    speed_std_m_s    float8[],
    upper_speed_m_s  float8[],
    loaded_at        timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (owner, name)
);
COMMENT ON TABLE asyncjob.wind_series IS
    'Measured series of wind: arrays of equal length, NaN where a value is missing. Load with load_wind_series() or load_wind_series_csv().';
COMMENT ON COLUMN asyncjob.wind_series.time_s IS 'Seconds since 1970-01-01 UTC, ascending; NULL if the series has no times.';
COMMENT ON COLUMN asyncjob.wind_series.direction_deg IS 'Where the wind comes from, degrees clockwise from north.';
COMMENT ON COLUMN asyncjob.wind_series.interval_s IS 'Averaging interval, seconds; NULL: the median step of time_s.';
COMMENT ON COLUMN asyncjob.wind_series.upper_speed_m_s IS 'Speed at upper_height_m, for the shear exponent.';

CREATE TABLE asyncjob.turbine (
    turbine_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner            name DEFAULT current_user,
    name             text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    kind             text NOT NULL DEFAULT 'table' CHECK (kind IN ('table', 'iea37')),
    rated_kw         float8 NOT NULL,
    rotor_diameter_m float8 NOT NULL,
    hub_height_m     float8 NOT NULL,
    cut_in_m_s       float8 NOT NULL,
    rated_m_s        float8,
    cut_out_m_s      float8 NOT NULL,
    speed_m_s        float8[],
    power_kw         float8[],
    ct               float8[],
    ct_const         float8,
    source           text,
    loaded_at        timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (owner, name)
);
COMMENT ON TABLE asyncjob.turbine IS
    'Wind turbines: power and thrust coefficient over wind speed at hub height (kind table), or the cubic formula of IEA Wind Task 37 (kind iea37). Load with load_turbine().';

----------------------------------------------------------------------
-- A role sees and changes its own rows, and sees those without an owner.

ALTER TABLE asyncjob.dem ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON asyncjob.dem
    USING (owner OPERATOR(pg_catalog.=) current_user)
    WITH CHECK (owner OPERATOR(pg_catalog.=) current_user);
CREATE POLICY everybodys ON asyncjob.dem FOR SELECT USING (owner IS NULL);

ALTER TABLE asyncjob.dem_tile ENABLE ROW LEVEL SECURITY;
-- The tile must belong to a model of the same owner, or one role could put
-- tiles under another's model.
CREATE POLICY own ON asyncjob.dem_tile
    USING (owner OPERATOR(pg_catalog.=) current_user)
    WITH CHECK (owner OPERATOR(pg_catalog.=) current_user
                AND EXISTS (SELECT FROM asyncjob.dem d
                            WHERE d.dem_id OPERATOR(pg_catalog.=) dem_tile.dem_id
                              AND d.owner OPERATOR(pg_catalog.=) current_user));
CREATE POLICY everybodys ON asyncjob.dem_tile FOR SELECT USING (owner IS NULL);

ALTER TABLE asyncjob.site ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON asyncjob.site
    USING (owner OPERATOR(pg_catalog.=) current_user)
    WITH CHECK (owner OPERATOR(pg_catalog.=) current_user);
CREATE POLICY everybodys ON asyncjob.site FOR SELECT USING (owner IS NULL);

ALTER TABLE asyncjob.wind_resource ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON asyncjob.wind_resource
    USING (owner OPERATOR(pg_catalog.=) current_user)
    WITH CHECK (owner OPERATOR(pg_catalog.=) current_user);
CREATE POLICY everybodys ON asyncjob.wind_resource FOR SELECT USING (owner IS NULL);

ALTER TABLE asyncjob.wind_series ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON asyncjob.wind_series
    USING (owner OPERATOR(pg_catalog.=) current_user)
    WITH CHECK (owner OPERATOR(pg_catalog.=) current_user);
CREATE POLICY everybodys ON asyncjob.wind_series FOR SELECT USING (owner IS NULL);

ALTER TABLE asyncjob.turbine ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON asyncjob.turbine
    USING (owner OPERATOR(pg_catalog.=) current_user)
    WITH CHECK (owner OPERATOR(pg_catalog.=) current_user);
CREATE POLICY everybodys ON asyncjob.turbine FOR SELECT USING (owner IS NULL);

----------------------------------------------------------------------
-- Elevation

CREATE FUNCTION asyncjob.load_dem(name text, asc_grid text, epsg int DEFAULT 4326)
RETURNS jsonb LANGUAGE c VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_load_dem';
COMMENT ON FUNCTION asyncjob.load_dem(text, text, int) IS
    'Load an elevation model from the text of an ESRI ASCII grid; elevations in metres. epsg: 4326 (cells in degrees), 32601..32660, 32701..32760 (UTM, cells in metres). Replaces a model of the same name. Errors AJ101: dem_invalid (names the line), crs_unsupported, coordinates_out_of_range.';

CREATE FUNCTION asyncjob.load_dem_rows(name text, first_row int, asc_grid text, epsg int DEFAULT 4326)
RETURNS jsonb LANGUAGE c VOLATILE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_load_dem_rows';
COMMENT ON FUNCTION asyncjob.load_dem_rows(text, int, text, int) IS
    'Load an elevation model in pieces of whole grid rows. The piece with first_row 0 comes first and begins with the header of the ESRI ASCII grid; the others hold rows only, in any order (multiples of 256 rows are fastest). The model is used once all rows are there. Errors as load_dem.';

CREATE FUNCTION asyncjob.dem_covering(longitude float8, latitude float8, radius_m float8 DEFAULT 0)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT d.name
    FROM asyncjob.dem d,
         (SELECT radius_m / 110574.0 AS dlat,
                 radius_m / (111319.0 * greatest(cos(radians(latitude)), 0.01)) AS dlon) r,
         (VALUES (0), (360), (-360)) v (turn)
    WHERE (d.owner = current_user OR d.owner IS NULL) AND d.complete
      AND d.west <= longitude + turn - dlon AND longitude + turn + dlon <= d.east
      AND d.south <= latitude - dlat AND latitude + dlat <= d.north
    ORDER BY d.owner IS NULL, d.cell_m, d.name
    LIMIT 1
$$;
COMMENT ON FUNCTION asyncjob.dem_covering(float8, float8, float8) IS
    'Name of the finest complete elevation model that covers a circle (degrees, metres), the caller''s own first; NULL if none does.';

----------------------------------------------------------------------
-- Sites

CREATE FUNCTION asyncjob._require_input(name text, definition jsonb)
RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF coalesce(length(name), 0) NOT BETWEEN 1 AND 200 THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'parameter_missing',
            MESSAGE = 'name is null, empty or longer than 200 characters',
            HINT = 'Give a name of 1 to 200 characters.';
    END IF;
    IF definition IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'parameter_missing',
            MESSAGE = format('the definition of "%s" is null', name),
            HINT = 'Give a JSON object.';
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION asyncjob._require_input(text, jsonb) IS
    'Refuse an input without a name or a definition. Error AJ101: parameter_missing.';

CREATE FUNCTION asyncjob.check_site(geojson jsonb)
RETURNS jsonb LANGUAGE c STRICT STABLE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_check_site';
COMMENT ON FUNCTION asyncjob.check_site(jsonb) IS
    'Check a site and return its figures (area_m2, longitude, latitude, bbox, zones). Errors AJ101: boundary_invalid, zone_invalid, coordinates_out_of_range, boundary_missing.';

CREATE FUNCTION asyncjob.load_site(name text, geojson jsonb)
RETURNS jsonb LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    given boolean := asyncjob._require_input(load_site.name, load_site.geojson);
    s jsonb := asyncjob.check_site(load_site.geojson);
BEGIN
    INSERT INTO asyncjob.site (name, geojson, longitude, latitude, west, south, east, north, area_m2)
    VALUES (load_site.name, load_site.geojson, (s->>'longitude')::float8, (s->>'latitude')::float8,
            (s->'bbox'->>0)::float8, (s->'bbox'->>1)::float8,
            (s->'bbox'->>2)::float8, (s->'bbox'->>3)::float8, (s->>'area_m2')::float8)
    ON CONFLICT (owner, name) DO UPDATE
    SET geojson = excluded.geojson, longitude = excluded.longitude, latitude = excluded.latitude,
        west = excluded.west, south = excluded.south, east = excluded.east, north = excluded.north,
        area_m2 = excluded.area_m2, loaded_at = now();
    RETURN jsonb_build_object('name', load_site.name) || s;
END
$$;
COMMENT ON FUNCTION asyncjob.load_site(text, jsonb) IS
    'Load a site from GeoJSON (WGS 84, longitude first): a Polygon or MultiPolygon, or a FeatureCollection whose features say in feature_type what they are: site_boundary; exclusion (with zone_type, buffer_m in metres and cost_multiplier, which below 100 makes it a cost instead; any geometry); entry_point. Replaces a site of the same name. Errors as check_site.';

----------------------------------------------------------------------
-- Wind resources

CREATE FUNCTION asyncjob.check_wind_resource(definition jsonb)
RETURNS jsonb LANGUAGE c STRICT STABLE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_check_wind_resource';
COMMENT ON FUNCTION asyncjob.check_wind_resource(jsonb) IS
    'Check a wind resource and return its figures (kind, directions, mean_speed_m_s, height_m). Errors AJ101: wind_probabilities_not_one, wind_invalid, unit_or_range, parameter_missing.';

CREATE FUNCTION asyncjob.load_wind_resource(name text, definition jsonb, kind text)
RETURNS jsonb LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    given boolean := asyncjob._require_input(load_wind_resource.name, load_wind_resource.definition);
    d jsonb := load_wind_resource.definition
               || jsonb_build_object('name', load_wind_resource.name, 'kind', load_wind_resource.kind);
    s jsonb := asyncjob.check_wind_resource(d);
BEGIN
    INSERT INTO asyncjob.wind_resource (name, kind, definition, directions, mean_speed_m_s, height_m, source)
    VALUES (load_wind_resource.name, load_wind_resource.kind, d, (s->>'directions')::int,
            (s->>'mean_speed_m_s')::float8, (s->>'height_m')::float8, d->>'source')
    ON CONFLICT (owner, name) DO UPDATE
    SET kind = excluded.kind, definition = excluded.definition, directions = excluded.directions,
        mean_speed_m_s = excluded.mean_speed_m_s, height_m = excluded.height_m,
        source = excluded.source, loaded_at = now();
    RETURN jsonb_build_object('name', load_wind_resource.name) || s;
END
$$;
COMMENT ON FUNCTION asyncjob.load_wind_resource(text, jsonb, text) IS
    'What load_wind_rose() and load_weibull() have in common.';

CREATE FUNCTION asyncjob.load_wind_rose(name text, rose jsonb)
RETURNS jsonb LANGUAGE sql VOLATILE PARALLEL UNSAFE
RETURN asyncjob.load_wind_resource($1, $2, 'rose');
COMMENT ON FUNCTION asyncjob.load_wind_rose(text, jsonb) IS
    'Load a wind rose: {"direction_deg": [...], "speed_m_s": [...] or one number, "probability": [[one row per direction], ...] or one list if there is one speed}; optional turbulence_intensity, height_m, shear_alpha, air_density_kg_m3, source, normalize. Directions are where the wind comes from, clockwise from north; the probabilities sum to 1. Errors as check_wind_resource.';

CREATE FUNCTION asyncjob.load_weibull(name text, sectors jsonb)
RETURNS jsonb LANGUAGE sql VOLATILE PARALLEL UNSAFE
RETURN asyncjob.load_wind_resource($1, $2, 'weibull');
COMMENT ON FUNCTION asyncjob.load_weibull(text, jsonb) IS
    'Load Weibull distributions by sector: {"direction_deg": [...], "frequency": [...], "weibull_a_m_s": [...], "weibull_k": [...]}; optional keys as load_wind_rose. The frequencies sum to 1. Errors as check_wind_resource.';

----------------------------------------------------------------------
-- Measured series of wind

CREATE FUNCTION asyncjob.load_wind_series(
    name text, speed_m_s float8[], direction_deg float8[],
    "time" timestamptz[] DEFAULT NULL, interval_s float8 DEFAULT NULL, height_m float8 DEFAULT NULL,
    speed_std_m_s float8[] DEFAULT NULL, upper_speed_m_s float8[] DEFAULT NULL, upper_height_m float8 DEFAULT NULL,
    source text DEFAULT NULL)
RETURNS jsonb LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    given boolean := asyncjob._require_input(load_wind_series.name, '{}');
    n int := coalesce(array_length(load_wind_series.speed_m_s, 1), 0);
    bad record;
BEGIN
    IF n = 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'wind_series_invalid',
            MESSAGE = 'wind series is invalid: speed_m_s is empty',
            HINT = 'Give one array of speeds and one of directions, and the times if they are known.';
    END IF;
    FOR bad IN SELECT c, coalesce(len, 0) AS len, dims FROM (VALUES
            ('speed_m_s', n, array_ndims(load_wind_series.speed_m_s), true),
            ('direction_deg', array_length(load_wind_series.direction_deg, 1), array_ndims(load_wind_series.direction_deg), true),
            ('time', array_length(load_wind_series."time", 1), array_ndims(load_wind_series."time"), load_wind_series."time" IS NOT NULL),
            ('speed_std_m_s', array_length(load_wind_series.speed_std_m_s, 1), array_ndims(load_wind_series.speed_std_m_s), load_wind_series.speed_std_m_s IS NOT NULL),
            ('upper_speed_m_s', array_length(load_wind_series.upper_speed_m_s, 1), array_ndims(load_wind_series.upper_speed_m_s), load_wind_series.upper_speed_m_s IS NOT NULL))
            v (c, len, dims, present) WHERE present AND (len IS DISTINCT FROM n OR dims <> 1) LOOP
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'wind_series_invalid',
            MESSAGE = format('wind series is invalid: %s has %s values, speed_m_s has %s', bad.c, bad.len, n),
            HINT = 'Give arrays of one dimension and equal length; a missing value is NULL.';
    END LOOP;
    IF n > 20000000 THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'unit_or_range',
            MESSAGE = format('wind series has %s records, allowed are 20000000', n),
            HINT = 'Load means over longer intervals.';
    END IF;
    IF load_wind_series.interval_s <= 0 OR load_wind_series.interval_s > 86400 OR load_wind_series.interval_s = 'NaN' THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'unit_or_range',
            MESSAGE = format('parameter "interval_s" is out of range: %s', load_wind_series.interval_s),
            HINT = 'Give the averaging interval in seconds, up to 86400.';
    END IF;
    FOR bad IN SELECT * FROM (VALUES ('height_m', load_wind_series.height_m), ('upper_height_m', load_wind_series.upper_height_m)) v (c, h)
            WHERE NOT h BETWEEN 1 AND 500 LOOP
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'unit_or_range',
            MESSAGE = format('parameter "%s" is out of range: %s', bad.c, bad.h),
            HINT = 'Give metres above ground, 1 to 500.';
    END LOOP;
    IF (load_wind_series.upper_speed_m_s IS NULL) <> (load_wind_series.upper_height_m IS NULL)
       OR (load_wind_series.upper_height_m IS NOT NULL AND load_wind_series.height_m IS NULL)
       OR load_wind_series.upper_height_m = load_wind_series.height_m THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'parameter_missing',
            MESSAGE = 'speeds at a second height need upper_speed_m_s, upper_height_m and another height_m',
            HINT = 'Give all three, or neither upper_speed_m_s nor upper_height_m.';
    END IF;
    SELECT i, t, before INTO bad
    FROM (SELECT i, t, lag(t) OVER (ORDER BY i) AS before
          FROM unnest(load_wind_series."time") WITH ORDINALITY x (t, i)) y
    WHERE t IS NULL OR NOT isfinite(t) OR t <= before ORDER BY i LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'wind_series_invalid',
            MESSAGE = CASE WHEN bad.t = bad.before
                      THEN format('wind series is invalid: record %s has the time of the one before it', bad.i)
                      ELSE format('wind series is invalid: time does not ascend at record %s', bad.i) END,
            DETAIL = format('It is %s, after %s.', coalesce(to_json(bad.t) #>> '{}', 'null'), coalesce(to_json(bad.before) #>> '{}', 'nothing')),
            HINT = 'Sort the records by time, give every time once, and give times with their zone where clocks are changed.';
    END IF;
    INSERT INTO asyncjob.wind_series (name, records, from_time, to_time, interval_s, height_m, upper_height_m, source,
                                      time_s, speed_m_s, direction_deg, speed_std_m_s, upper_speed_m_s)
    VALUES (load_wind_series.name, n, load_wind_series."time"[array_lower(load_wind_series."time", 1)],
            load_wind_series."time"[array_upper(load_wind_series."time", 1)],
            load_wind_series.interval_s, load_wind_series.height_m, load_wind_series.upper_height_m,
            load_wind_series.source,
            (SELECT array_agg(extract(epoch FROM t)::float8 ORDER BY i)
             FROM unnest(load_wind_series."time") WITH ORDINALITY x (t, i)),
            array_replace(load_wind_series.speed_m_s, NULL, 'NaN'),
            array_replace(load_wind_series.direction_deg, NULL, 'NaN'),
            array_replace(load_wind_series.speed_std_m_s, NULL, 'NaN'),
            array_replace(load_wind_series.upper_speed_m_s, NULL, 'NaN'))
    ON CONFLICT (owner, name) DO UPDATE
    SET records = excluded.records, from_time = excluded.from_time, to_time = excluded.to_time,
        interval_s = excluded.interval_s, height_m = excluded.height_m, upper_height_m = excluded.upper_height_m,
        source = excluded.source, time_s = excluded.time_s, speed_m_s = excluded.speed_m_s,
        direction_deg = excluded.direction_deg, speed_std_m_s = excluded.speed_std_m_s,
        upper_speed_m_s = excluded.upper_speed_m_s, loaded_at = now();
    RETURN jsonb_build_object('name', load_wind_series.name, 'records', n,
        'from', load_wind_series."time"[array_lower(load_wind_series."time", 1)],
        'to', load_wind_series."time"[array_upper(load_wind_series."time", 1)]);
END
$$;
COMMENT ON FUNCTION asyncjob.load_wind_series(text, float8[], float8[], timestamptz[], float8, float8, float8[], float8[], float8, text) IS
    'Load a measured series of wind from arrays, such as array_agg() over a table ordered by time: speeds in m/s, directions in degrees (where the wind comes from), optionally times, standard deviations, and speeds at a second height; a missing value is NULL. Replaces a series of the same name. Errors AJ101: wind_series_invalid (names the record), unit_or_range, parameter_missing.';

CREATE FUNCTION asyncjob._parse_wind_csv(csv text, options jsonb, OUT time_s float8[], OUT speed_m_s float8[],
    OUT direction_deg float8[], OUT speed_std_m_s float8[], OUT upper_speed_m_s float8[])
LANGUAGE c STRICT IMMUTABLE PARALLEL SAFE
AS '$libdir/asyncjob_steps', 'aj_parse_wind_csv';
COMMENT ON FUNCTION asyncjob._parse_wind_csv(text, jsonb) IS
    'The columns of a table of wind records; NaN where a value is missing. Error AJ101: wind_series_invalid (names the line).';

CREATE FUNCTION asyncjob.load_wind_series_csv(name text, csv text, options jsonb DEFAULT '{}')
RETURNS jsonb LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given boolean := asyncjob._require_input(name, options);
    s record;
    o record;
    unknown text;
BEGIN
    SELECT k INTO unknown FROM jsonb_object_keys(options) k
    WHERE k NOT IN ('columns', 'interval_s', 'height_m', 'upper_height_m', 'source') LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'parameter_unknown',
            MESSAGE = format('option "%s" is unknown', unknown),
            HINT = 'Options are columns, interval_s, height_m, upper_height_m and source.';
    END IF;
    IF csv IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'parameter_missing',
            MESSAGE = format('the text of "%s" is null', name),
            HINT = 'Give the table as text, its first line naming the columns.';
    END IF;
    SELECT * INTO o FROM jsonb_to_record(options) AS (interval_s float8, height_m float8, upper_height_m float8, source text);
    SELECT * INTO s FROM asyncjob._parse_wind_csv(csv, options);
    RETURN asyncjob.load_wind_series(name, s.speed_m_s, s.direction_deg,
        (SELECT array_agg(to_timestamp(t) ORDER BY i) FROM unnest(s.time_s) WITH ORDINALITY x (t, i)),
        o.interval_s, o.height_m, s.speed_std_m_s,
        CASE WHEN o.upper_height_m IS NOT NULL THEN s.upper_speed_m_s END, o.upper_height_m, o.source);
END
$$;
COMMENT ON FUNCTION asyncjob.load_wind_series_csv(text, text, jsonb) IS
    'Load a measured series of wind from the text of a table (comma, semicolon or tab; decimal point). The first line names the columns: speed_m_s (or ws, wind_speed, ...), direction_deg (wd, ...), optionally time (ISO 8601, UTC without a zone, or seconds since 1970), speed_std_m_s, upper_speed_m_s. Options: columns {"speed_m_s": heading, ...}, interval_s, height_m, upper_height_m (m), source. Errors AJ101: wind_series_invalid (names the line), unit_or_range, parameter_unknown, parameter_missing.';

----------------------------------------------------------------------
-- Turbines

CREATE FUNCTION asyncjob.check_turbine(turbine jsonb)
RETURNS jsonb LANGUAGE c STRICT STABLE PARALLEL UNSAFE
AS '$libdir/asyncjob_steps', 'aj_check_turbine';
COMMENT ON FUNCTION asyncjob.check_turbine(jsonb) IS
    'Check a turbine and return its figures. Errors AJ101: turbine_invalid, unit_or_range, parameter_missing.';

CREATE FUNCTION asyncjob.load_turbine(name text, turbine jsonb)
RETURNS jsonb LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    given boolean := asyncjob._require_input(load_turbine.name, load_turbine.turbine);
    s jsonb := asyncjob.check_turbine(load_turbine.turbine || jsonb_build_object('name', load_turbine.name));
    t record;
BEGIN
    SELECT * INTO t FROM jsonb_to_record(load_turbine.turbine || s) AS
        (kind text, rated_kw float8, rotor_diameter_m float8, hub_height_m float8, cut_in_m_s float8,
         rated_m_s float8, cut_out_m_s float8, speed_m_s float8[], power_kw float8[], ct float8[],
         ct_const float8, source text);
    INSERT INTO asyncjob.turbine (name, kind, rated_kw, rotor_diameter_m, hub_height_m, cut_in_m_s,
                                  rated_m_s, cut_out_m_s, speed_m_s, power_kw, ct, ct_const, source)
    VALUES (load_turbine.name, t.kind, t.rated_kw, t.rotor_diameter_m, t.hub_height_m, t.cut_in_m_s,
            t.rated_m_s, t.cut_out_m_s, t.speed_m_s, t.power_kw, t.ct, t.ct_const, t.source)
    ON CONFLICT (owner, name) DO UPDATE
    SET kind = excluded.kind, rated_kw = excluded.rated_kw,
        rotor_diameter_m = excluded.rotor_diameter_m, hub_height_m = excluded.hub_height_m,
        cut_in_m_s = excluded.cut_in_m_s, rated_m_s = excluded.rated_m_s,
        cut_out_m_s = excluded.cut_out_m_s, speed_m_s = excluded.speed_m_s,
        power_kw = excluded.power_kw, ct = excluded.ct, ct_const = excluded.ct_const,
        source = excluded.source, loaded_at = now();
    RETURN jsonb_build_object('name', load_turbine.name) || s;
END
$$;
COMMENT ON FUNCTION asyncjob.load_turbine(text, jsonb) IS
    'Load a turbine: {"rated_kw", "rotor_diameter_m", "hub_height_m", "speed_m_s": [...], "power_kw": [...], "ct": [...]}, optional cut_in_m_s, cut_out_m_s (first and last speed of the table), source; or {"kind": "iea37", ..., "cut_in_m_s", "rated_m_s", "cut_out_m_s", "ct_const"}. Replaces a turbine of the same name. Errors as check_turbine.';

----------------------------------------------------------------------
-- What roles have loaded is data, and is dumped as such.

SELECT pg_catalog.pg_extension_config_dump('asyncjob.dem', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.dem_dem_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.dem_tile', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.site', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.site_site_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.wind_resource', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.wind_resource_wind_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.wind_series', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.wind_series_series_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.turbine', 'WHERE owner IS NOT NULL');
SELECT pg_catalog.pg_extension_config_dump('asyncjob.turbine_turbine_id_seq', '');
