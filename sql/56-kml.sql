----------------------------------------------------------------------
-- Sites from KML.

-- The positions of one <coordinates> element, as a GeoJSON list.
CREATE FUNCTION asyncjob._kml_positions(coordinates text)
RETURNS jsonb LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    list    jsonb := '[]';
    number  CONSTANT text := '[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?';
    places  text[] := regexp_split_to_array(btrim(coordinates, E' \t\r\n'), '\s+');
    bad     text;
BEGIN
    SELECT p INTO bad FROM unnest(places) p
    WHERE p !~ ('^' || number || ',' || number || '(?:,' || number || ')?$') LIMIT 1;
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'kml_invalid',
            MESSAGE = format('KML coordinates are not longitude,latitude[,altitude]: "%s"', left(bad, 60)),
            HINT = 'Separate positions by blanks and their numbers by commas, longitude first.';
    END IF;
    SELECT jsonb_agg(jsonb_build_array(split_part(p, ',', 1)::numeric, split_part(p, ',', 2)::numeric) ORDER BY n)
    INTO list FROM unnest(places) WITH ORDINALITY u (p, n);
    RETURN list;
END
$$;
COMMENT ON FUNCTION asyncjob._kml_positions(text) IS
    'Positions of a KML coordinates element as a GeoJSON list. Error AJ101: kml_invalid.';

CREATE FUNCTION asyncjob.kml_to_geojson(kml text)
RETURNS jsonb LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    limit_bytes CONSTANT int := 10 * 1024 * 1024;
    doc        xml;
    mark       xml;
    polygon    xml;
    ring       text;
    polygons   jsonb;
    rings      jsonb;
    geometry   jsonb;
    properties jsonb;
    features   jsonb := '[]';
    boundary   boolean := false;
    ignored    int := 0;
    what       text;
    value      text;
    found      text[];
BEGIN
    IF kml IS NULL OR octet_length(kml) > limit_bytes THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'kml_too_large',
            MESSAGE = 'the KML text is null or larger than 10 MB',
            HINT = 'Leave out what is not the site, or simplify its outlines. Unpack a KMZ file: it is a zip archive with a .kml in it.';
    END IF;
    IF kml ~* '<!(DOCTYPE|ENTITY)' THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'kml_invalid',
            MESSAGE = 'the KML text has a document type declaration',
            HINT = 'Take it out; KML needs none, and entities are not read.';
    END IF;
    -- what editors put in front: a byte order mark, blank lines
    IF getdatabaseencoding() = 'UTF8' THEN
        kml := ltrim(kml, chr(65279));
    END IF;
    BEGIN
        doc := xmlparse(DOCUMENT ltrim(kml, E' \t\r\n'));
    EXCEPTION WHEN invalid_xml_document OR invalid_xml_content THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'kml_invalid',
            MESSAGE = 'the KML text is not well-formed XML',
            DETAIL = CASE WHEN kml LIKE 'PK%' THEN 'It looks like a KMZ file, a zip archive.' ELSE format('%s characters; it begins with "%s".', length(kml), left(kml, 40)) END,
            HINT = 'Give the text of a .kml file.';
    END;

    FOREACH mark IN ARRAY xpath('//*[local-name()="Placemark"]', doc) LOOP
        properties := '{}';
        FOREACH what IN ARRAY ARRAY['feature_type', 'zone_type', 'buffer_m', 'cost_multiplier'] LOOP
            found := xpath(format('//*[local-name()="Data" and @name="%1$s"]/*[local-name()="value"]/text()'
                                  '|//*[local-name()="SimpleData" and @name="%1$s"]/text()', what), mark)::text[];
            IF found[1] IS NOT NULL THEN
                value := btrim(found[1]);
                properties := properties || jsonb_build_object(what,
                    CASE WHEN what IN ('buffer_m', 'cost_multiplier') AND value ~ '^[0-9]+\.?[0-9]*$'
                         THEN to_jsonb(value::numeric) ELSE to_jsonb(value) END);
            END IF;
        END LOOP;
        found := xpath('/*/*[local-name()="name"]/text()', mark)::text[];
        IF found[1] IS NOT NULL THEN
            -- text() comes out escaped
            properties := properties || jsonb_build_object('name',
                replace(replace(replace(replace(found[1], '&lt;', '<'), '&gt;', '>'), '&quot;', '"'), '&amp;', '&'));
        END IF;

        geometry := NULL;
        polygons := '[]';
        FOREACH polygon IN ARRAY xpath('//*[local-name()="Polygon"]', mark) LOOP
            rings := '[]';
            FOREACH ring IN ARRAY
                xpath('/*/*[local-name()="outerBoundaryIs"]//*[local-name()="coordinates"]/text()', polygon)::text[]
                || xpath('/*/*[local-name()="innerBoundaryIs"]//*[local-name()="coordinates"]/text()', polygon)::text[]
            LOOP
                rings := rings || jsonb_build_array(asyncjob._kml_positions(ring));
            END LOOP;
            polygons := polygons || jsonb_build_array(rings);
        END LOOP;
        IF jsonb_array_length(polygons) = 1 THEN
            geometry := jsonb_build_object('type', 'Polygon', 'coordinates', polygons -> 0);
        ELSIF jsonb_array_length(polygons) > 1 THEN
            geometry := jsonb_build_object('type', 'MultiPolygon', 'coordinates', polygons);
        ELSE
            found := xpath('//*[local-name()="LineString"]/*[local-name()="coordinates"]/text()', mark)::text[];
            IF found[1] IS NOT NULL THEN
                geometry := jsonb_build_object('type', 'LineString', 'coordinates', asyncjob._kml_positions(found[1]));
            ELSE
                found := xpath('//*[local-name()="Point"]/*[local-name()="coordinates"]/text()', mark)::text[];
                IF found[1] IS NOT NULL THEN
                    geometry := jsonb_build_object('type', 'Point', 'coordinates', asyncjob._kml_positions(found[1]) -> 0);
                END IF;
            END IF;
        END IF;

        -- the first polygon that says nothing else is the boundary
        IF geometry IS NOT NULL AND NOT properties ? 'feature_type' AND NOT boundary
           AND jsonb_array_length(polygons) > 0 THEN
            properties := properties || '{"feature_type": "site_boundary"}';
        END IF;
        IF geometry IS NULL OR NOT properties ? 'feature_type' THEN
            ignored := ignored + 1;
            CONTINUE;
        END IF;
        boundary := boundary OR properties ->> 'feature_type' IN ('site_boundary', 'boundary');
        features := features || jsonb_build_object('type', 'Feature', 'properties', properties, 'geometry', geometry);
    END LOOP;
    IF NOT boundary THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'kml_no_polygon',
            MESSAGE = 'the KML text has no polygon that could be the boundary',
            DETAIL = format('Placemarks seen: %s.', jsonb_array_length(features) + ignored),
            HINT = 'Draw the boundary as a Polygon; a closed LineString is none.';
    END IF;
    RETURN jsonb_build_object('type', 'FeatureCollection', 'features', features, 'ignored_placemarks', ignored);
END
$$;
COMMENT ON FUNCTION asyncjob.kml_to_geojson(text) IS
    'A site as GeoJSON, from the text of a KML file of at most 10 MB. The first placemark with polygons is the boundary (holes included); others count if their ExtendedData has feature_type (exclusion, entry_point), and zone_type and buffer_m (metres); the rest is counted as ignored_placemarks. Errors AJ101: kml_too_large, kml_invalid, kml_no_polygon.';

CREATE FUNCTION asyncjob.load_site_kml(name text, kml text)
RETURNS jsonb LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    doc jsonb := asyncjob.kml_to_geojson(kml);
BEGIN
    RETURN asyncjob.load_site(name, doc - 'ignored_placemarks')
           || jsonb_build_object('ignored_placemarks', doc -> 'ignored_placemarks');
END
$$;
COMMENT ON FUNCTION asyncjob.load_site_kml(text, text) IS
    'Load a site from the text of a KML file; see kml_to_geojson and load_site. Replaces a site of the same name. Errors as both.';
