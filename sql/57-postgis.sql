----------------------------------------------------------------------
-- PostGIS, where it is installed: inputs from its tables, results as views.
--
-- Nothing here needs it at installation: its functions are called by dynamic
-- statements, in the schema where the extension is. Without it these four
-- functions say so, and nothing else changes.

CREATE FUNCTION asyncjob._gis_schema(extension name)
RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found text;
BEGIN
    SELECT quote_ident(n.nspname) INTO found
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = extension;
    IF found IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'postgis_missing',
            MESSAGE = format('extension "%s" is not installed in this database', extension),
            HINT = format('Have it installed with CREATE EXTENSION %s, or load GeoJSON, KML or an ESRI ASCII grid.', extension);
    END IF;
    RETURN found;
END
$$;
COMMENT ON FUNCTION asyncjob._gis_schema(name) IS
    'Schema of an extension, quoted. Error AJ101: postgis_missing.';

-- The column asked for, or the only one of a type.
CREATE FUNCTION asyncjob._gis_column(source regclass, wanted name, type text)
RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    found text[];
BEGIN
    SELECT array_agg(quote_ident(a.attname) ORDER BY a.attnum) INTO found
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = source AND a.attnum > 0 AND NOT a.attisdropped
      AND (t.typname = type OR type = 'geometry' AND t.typname = 'geography')
      AND (wanted IS NULL OR a.attname = wanted);
    IF coalesce(cardinality(found), 0) <> 1 THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'unit_or_range',
            MESSAGE = CASE WHEN wanted IS NOT NULL THEN format('%s has no column "%s" of type %s', source, wanted, type)
                           ELSE format('%s has %s columns of type %s', source, coalesce(cardinality(found), 0), type) END,
            HINT = 'Name the column.';
    END IF;
    RETURN found[1];
END
$$;
COMMENT ON FUNCTION asyncjob._gis_column(regclass, name, text) IS
    'Name of a column of a type, quoted; a geography is a geometry, too. Error AJ101: unit_or_range.';

CREATE FUNCTION asyncjob.load_site_table(name text, source regclass, key_column name DEFAULT NULL,
                                         key_value text DEFAULT NULL, geometry_column name DEFAULT NULL)
RETURNS jsonb LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    gis    text := asyncjob._gis_schema('postgis');
    geom   text := format('t.%s::%s.geometry', asyncjob._gis_column(source, geometry_column, 'geometry'), gis);
    rows_  text := format('FROM %s t WHERE %s IS NOT NULL', source, geom);
    extra  text;
    doc    jsonb;
    bad    int;
BEGIN
    IF (key_column IS NULL) <> (key_value IS NULL) THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'parameter_missing',
            MESSAGE = 'key_column and key_value go together', HINT = 'Give both, or neither for all rows.';
    END IF;
    IF key_column IS NOT NULL THEN
        IF NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = source AND a.attname = key_column AND a.attnum > 0 AND NOT a.attisdropped) THEN
            RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'unit_or_range',
                MESSAGE = format('%s has no column "%s"', source, key_column), HINT = 'Name the column of the key.';
        END IF;
        rows_ := rows_ || format(' AND t.%I::text = $1', key_column);
    END IF;
    -- columns of these names say what a row is
    SELECT string_agg(format('%L, t.%I', a.attname, a.attname), ', ' ORDER BY a.attname) INTO extra
    FROM pg_attribute a
    WHERE a.attrelid = source AND a.attnum > 0 AND NOT a.attisdropped
      AND a.attname IN ('feature_type', 'zone_type', 'buffer_m', 'cost_multiplier', 'name');
    EXECUTE format('SELECT count(*) %s AND NOT EXISTS (SELECT FROM %s.spatial_ref_sys r WHERE r.srid = %s.st_srid(%s))',
                   rows_, gis, gis, geom)
    INTO bad USING key_value;
    IF bad > 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'crs_unsupported',
            MESSAGE = format('%s rows of %s have a geometry without a known coordinate system', bad, source),
            HINT = 'Say which it is with ST_SetSRID() or UpdateGeometrySRID().';
    END IF;
    -- arcs become lines; tables keep the order of their rows, views have none
    EXECUTE format('SELECT jsonb_build_object(''type'', ''FeatureCollection'', ''features'', jsonb_agg('
                   'jsonb_build_object(''type'', ''Feature'', ''properties'', jsonb_strip_nulls(jsonb_build_object(%s)), '
                   '''geometry'', %s.st_asgeojson(%s.st_transform(%s.st_curvetoline(%s), 4326), 9)::jsonb)%s)) %s',
                   coalesce(extra, ''), gis, gis, gis, geom,
                   (SELECT ' ORDER BY t.ctid' FROM pg_class c WHERE c.oid = source AND c.relkind IN ('r', 'm', 'p')), rows_)
    INTO doc USING key_value;
    IF doc -> 'features' = 'null' THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ104', CONSTRAINT = 'data_source_unavailable',
            MESSAGE = format('%s has no row%s', source, CASE WHEN key_column IS NOT NULL THEN format(' whose %s is "%s"', key_column, key_value) END),
            HINT = 'Load its geometries, or give the key of a row that is there.';
    END IF;
    RETURN asyncjob.load_site(name, doc);
END
$$;
COMMENT ON FUNCTION asyncjob.load_site_table(text, regclass, name, text, name) IS
    'Load a site from the geometry or geography column of a PostGIS table or view, in any coordinate system that PostGIS knows: the rows whose key_column equals key_value, or all. Columns feature_type, zone_type, buffer_m (metres), cost_multiplier and name are used where there are; a single row without them is the boundary. Needs PostGIS and SELECT on the table. Errors AJ101: postgis_missing, crs_unsupported, unit_or_range, and those of load_site; AJ104: data_source_unavailable.';

CREATE FUNCTION asyncjob.load_dem_table(name text, source regclass, raster_column name DEFAULT NULL)
RETURNS jsonb LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    gis    text := asyncjob._gis_schema('postgis_raster');
    rast   text := asyncjob._gis_column(source, raster_column, 'raster');
    tiles  text;
    m      record;
    strip  record;
    cells  float8[];
    header text;
    body   text;
    loaded jsonb;
    width  int;
    height int;
    left_  int;
    above  int;
    off_grid float8;
    unknown bigint := 0;
BEGIN
    -- some of postgis_raster's functions call others without their schema
    PERFORM set_config('search_path', 'pg_catalog, ' || gis || ', pg_temp', true);
    tiles := format('(SELECT %1$s AS r, %2$s.st_upperleftx(%1$s) AS x, %2$s.st_upperlefty(%1$s) AS y, %2$s.st_width(%1$s) AS w, %2$s.st_height(%1$s) AS h '
                    'FROM %3$s t WHERE %1$s IS NOT NULL AND NOT %2$s.st_isempty(%1$s) AND NOT %2$s.st_hasnoband(%1$s, 1)) t', rast, gis, source);
    EXECUTE format('SELECT count(*) AS tiles, count(DISTINCT %1$s.st_srid(r)) AS srids, min(%1$s.st_srid(r)) AS srid, '
                   'min(%1$s.st_scalex(r)) AS dx, max(%1$s.st_scalex(r)) AS dx2, min(-%1$s.st_scaley(r)) AS dy, max(-%1$s.st_scaley(r)) AS dy2, '
                   'max(abs(%1$s.st_skewx(r)) + abs(%1$s.st_skewy(r))) AS skew, max(h) AS h, min(x) AS x0, max(y) AS y0, '
                   'max(x + w * %1$s.st_scalex(r)) AS x1, min(y + h * %1$s.st_scaley(r)) AS y1 FROM %2$s', gis, tiles)
    INTO m;
    IF m.tiles = 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ104', CONSTRAINT = 'data_source_unavailable',
            MESSAGE = format('%s has no rows with a raster of a band', source), HINT = 'Load the rasters with raster2pgsql.';
    END IF;
    IF m.srids = 1 AND m.srid <> 4326 AND m.srid NOT BETWEEN 32601 AND 32660 AND m.srid NOT BETWEEN 32701 AND 32760 THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'crs_unsupported',
            MESSAGE = format('the rasters of %s are in EPSG:%s', source, m.srid),
            DETAIL = 'Supported are 4326 (degrees), 32601 to 32660 and 32701 to 32760 (UTM on WGS 84).',
            HINT = 'Warp them (gdalwarp -t_srs EPSG:326NN, or ST_Transform) and load that; where they have no coordinate system, say which with ST_SetSRID().';
    END IF;
    EXECUTE format('SELECT max(greatest(abs((x - $1) / $3 - round((x - $1) / $3)), abs((y - $2) / $4 - round((y - $2) / $4)))) FROM %s', tiles)
    INTO off_grid USING m.x0, m.y0, m.dx, m.dy;
    IF m.srids > 1 OR m.skew > 0 OR m.dx <= 0 OR m.dy <= 0 OR off_grid > 0.01
       OR (m.dx2 - m.dx) > 1e-6 * m.dx OR (m.dy2 - m.dy) > 1e-6 * m.dy THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'dem_invalid',
            MESSAGE = format('the rasters of %s are not tiles of one grid with north up', source),
            HINT = 'Warp them to one grid (gdalwarp, or ST_Transform with an alignment) and load that.';
    END IF;
    width := round((m.x1 - m.x0) / m.dx);
    height := round((m.y0 - m.y1) / m.dy);
    header := format(E'ncols %s\nnrows %s\nxllcorner %s\nyllcorner %s\n', width, height, m.x0, m.y1) ||
              CASE WHEN m.dx = m.dy THEN format(E'cellsize %s\n', m.dx) ELSE format(E'dx %s\ndy %s\n', m.dx, m.dy) END ||
              E'NODATA_value -99999\n';

    -- as many rows as the highest tile has, from the north; tiles need not begin in the same row
    FOR first_row IN 0 .. height - 1 BY m.h LOOP
        EXECUTE format('SELECT %1$s.st_union(r) AS r, min(x) AS x, max(y) AS y FROM %2$s '
                       'WHERE ($1 - y) / $2 < $3 + $4 - 0.5 AND ($1 - y) / $2 + h > $3 + 0.5', gis, tiles)
        INTO strip USING m.y0, m.dy, first_row, m.h;
        IF strip.r IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'dem_incomplete',
                MESSAGE = format('the rasters of %s leave whole rows of their grid uncovered', source),
                HINT = 'Load the missing tiles, or those of one connected area.';
        END IF;
        EXECUTE format('SELECT %s.st_dumpvalues($1, 1)', gis) INTO cells USING strip.r;
        left_ := round((strip.x - m.x0) / m.dx);
        above := first_row - round((m.y0 - strip.y) / m.dy)::int;     -- rows of the union that were loaded before
        SELECT string_agg(CASE WHEN above + i BETWEEN 1 AND array_length(cells, 1) THEN
                              repeat('-99999 ', left_) || array_to_string(cells[above + i:above + i], ' ', '-99999')
                              || repeat(' -99999', width - left_ - array_length(cells, 2))
                          ELSE repeat('-99999 ', width) END, E'\n' ORDER BY i)
        INTO body FROM generate_series(1, least(m.h, height - first_row)) i;
        loaded := asyncjob.load_dem_rows(name, first_row, header || body || E'\n', m.srid);
        header := '';
        unknown := unknown + (loaded ->> 'unknown_cells')::bigint;
    END LOOP;
    RETURN loaded || jsonb_build_object('unknown_cells', unknown);
END
$$;
COMMENT ON FUNCTION asyncjob.load_dem_table(text, regclass, name) IS
    'Load an elevation model (metres) from the raster column of a PostGIS table, band 1, as raster2pgsql makes it of one file or several: tiles of one grid with north up, in EPSG:4326 or UTM on WGS 84. Some rows of tiles are in memory at a time. Needs postgis_raster and SELECT on the table. Errors AJ101: postgis_missing, dem_invalid, dem_incomplete, crs_unsupported; AJ104: data_source_unavailable.';

CREATE FUNCTION asyncjob.create_gis_views(schema name)
RETURNS SETOF text LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    gis text := asyncjob._gis_schema('postgis');
    v   record;
BEGIN
    FOR v IN SELECT * FROM (VALUES
        ('layout_asset', 'site_assets', 'Point', 'asset_id int, asset_type text, name text, capacity_kw float8, elevation_m float8, slope_deg float8, suitability_score float8, pad_m float8, cut_m3 float8, fill_m3 float8'),
        ('layout_pad', 'site_pads', 'Polygon', 'feature_type text, asset_id int, asset_type text'),
        ('layout_road', 'site_roads', 'LineString', 'road_id int, road_class text, "to" text, length_m float8, width_m float8, max_grade_pct float8, avg_grade_pct float8, cut_m3 float8, fill_m3 float8'),
        ('layout_turbine', 'wind_farm_layout', 'Point', 'turbine_id int, capacity_mw float8, hub_height_m float8, rotor_diameter_m float8, elevation_m float8, slope_deg float8'),
        ('exclusion_zone', 'exclusion_zones', 'Geometry', 'feature_type text, zone_type text, name text, buffer_m float8, reason text, area_m2 float8'),
        ('buildable_area', 'buildable_area', 'Polygon', 'compartment int, area_m2 float8, slope_mean_deg float8, suitability_mean float8'),
        ('contour', 'contours', 'LineString', 'elevation_m float8, index boolean')) AS t (name, kind, shape, columns)
    LOOP
        EXECUTE format('DROP VIEW IF EXISTS %I.%I', schema, v.name);
        EXECUTE format(
            'CREATE VIEW %1$I.%2$I WITH (security_invoker) AS '
            'SELECT j.id * 1000000 + f.n AS gid, j.id AS job_id, a.name AS artifact, p.*, '
            '%3$s.st_setsrid(%3$s.st_geomfromgeojson(f.feature -> ''geometry''), 4326)::%3$s.geometry(%4$s, 4326) AS geom '
            'FROM asyncjob.job j CROSS JOIN LATERAL asyncjob.artifacts(j.id) a '
            'CROSS JOIN LATERAL jsonb_array_elements(convert_from(asyncjob.artifact_data(j.id, a.name), ''UTF8'')::jsonb -> ''features'') '
            'WITH ORDINALITY f (feature, n) '
            'CROSS JOIN LATERAL jsonb_to_record(f.feature -> ''properties'') p (%5$s) '
            'WHERE j.state = ''completed'' AND a.kind = %6$L AND a.media_type = ''application/geo+json''',
            schema, v.name, gis, v.shape, v.columns, v.kind);
        EXECUTE format('COMMENT ON VIEW %I.%I IS %L', schema, v.name,
                       format('Artifacts of kind %s of the completed jobs that you may see; WGS 84.', v.kind));
        RETURN NEXT format('%I.%I', schema, v.name);
    END LOOP;
END
$$;
COMMENT ON FUNCTION asyncjob.create_gis_views(name) IS
    'Make views of results in a schema of yours, with a geometry column that QGIS opens: layout_asset, layout_pad, layout_road, layout_turbine, exclusion_zone, buildable_area, contour. They show the completed jobs that whoever reads them may see. Views of these names there are replaced. Needs PostGIS and CREATE on the schema. Error AJ101: postgis_missing.';
