-- Chat sessions, and the names of the source systems: thin wrappers over
-- submit(), status() and artifacts(), in their words (pending, processing,
-- completed, failed).

CREATE FUNCTION asyncjob.create_chat_session(id text, title text DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_create_chat_session';
COMMENT ON FUNCTION asyncjob.create_chat_session(text, text) IS
'Make a chat session of the caller''s, for jobs to write their results to. Error 42710: the id is taken.';

CREATE FUNCTION asyncjob.add_chat_message(session_id text, content text, job_id bigint DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_add_chat_message';
COMMENT ON FUNCTION asyncjob.add_chat_message(text, text, bigint) IS
'Add what a person wrote to a chat session; returns the message''s id. Error 42704: no such session, or not the caller''s.';

CREATE TYPE asyncjob.renewable_job AS (
    id                        bigint,
    chat_session_id           text,
    user_id                   text,
    status                    text,
    query                     text,
    job_type                  text,
    current_step              text,
    total_steps               integer,
    completed_steps           integer,
    estimated_time_remaining  integer,
    result_message            text,
    artifacts                 jsonb,
    thought_steps             jsonb,
    error_message             text,
    error_type                text,
    error_remediation         text,
    created_at                timestamptz,
    updated_at                timestamptz,
    completed_at              timestamptz
);
COMMENT ON TYPE asyncjob.renewable_job IS
'A job in the words of the chat systems: status is pending (not yet begun), processing, completed or failed; estimated_time_remaining in seconds.';

CREATE FUNCTION asyncjob.parse_query(query text) RETURNS jsonb
    LANGUAGE plpgsql STABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    result  jsonb := '{}';
    m       text[];
    lat     numeric;
    lon     numeric;
    types   text[] := '{}';
    layout  boolean;
    squeezed text;
    found   text;
    named   boolean := false;
    num     CONSTANT text := '([0-9]+(?:\.[0-9]+)?)';
    degrees CONSTANT text := '([-+]?[0-9]{1,3}(?:\.[0-9]+)?)';
    unit    CONSTANT text := '(?:km|kilomet\w+|m|met\w+|gw|mw|kw)\M';
BEGIN
    IF query IS NULL OR length(query) > 10000 THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = 'query is null or longer than 10,000 characters';
    END IF;

    -- what is wanted; a layout of other things than wind turbines is one of a
    -- site, with its roads and earthwork
    layout := query ~* '\m(layouts?|optimi[sz]\w*|plac(e|ing|ement)|sit(e|ing) turbines?)\M';
    IF query ~* '\m(earth\s?works?|cut (and|&) fill|grading|(access|site) roads?|site.?(layouts?|plans?))\M'
        OR layout AND query ~* '\m(bess|solar|pv|photovoltaics?|batter(y|ies)|storage|generators?|substations?|hybrid)\M' THEN
        types := ARRAY['site_layout'];
    ELSIF query ~* '\m(batter(y|ies)|bms|telemetry)\M'
        AND query ~* '\m(insights?|analy[sz]\w+|performance|health|degrad\w+|ag(e|ing)|cycles?|capacity|state of)\M'
        OR query ~* '\mgenerate.insights\M' THEN
        types := ARRAY['battery_insights'];
    ELSIF query ~* '\m(solar|pv|photovoltaics?)\M' THEN
        types := ARRAY['solar_yield'];
    ELSIF query ~* '\m(full|complete|whole|end.to.end)\M.*\m(analysis|assessment|study)\M' THEN
        types := ARRAY['full_analysis'];
    ELSE
        IF query ~* '\m(terrain|slopes?|elevation)\M' THEN
            types := types || 'terrain'::text;
        END IF;
        IF layout THEN
            types := types || 'layout'::text;
        END IF;
        IF query ~* '\m(simulat\w*|wakes?|yield|aep|energy production)\M' THEN
            types := types || 'simulation'::text;
        END IF;
    END IF;
    IF cardinality(types) = 1 THEN
        result := result || jsonb_build_object('job_type', types[1]);
    ELSIF cardinality(types) > 1 THEN
        result := result || jsonb_build_object('job_type', 'full_analysis');
    END IF;

    -- where: decimal degrees, by name or latitude first, with signs or N/S
    -- and E/W; at least one of the two with decimals or a hemisphere, and
    -- neither the amount of something
    m := regexp_match(query, '\mlat(?:itude)?\s*[:=]?\s*' || degrees || '\s*(?:\u00B0|\u00C2\u00B0)?\s*(N(?:orth)?\M|S(?:outh)?\M)?', 'i') ||
         regexp_match(query, '\m(?:longitude|long?|lng)\s*[:=]?\s*' || degrees || '\s*(?:\u00B0|\u00C2\u00B0)?\s*(E(?:ast)?\M|W(?:est)?\M)?', 'i');
    IF coalesce(cardinality(m), 0) <> 4 THEN
        m := regexp_match(query, '(?<![0-9.])' || degrees || '\s*(?:\u00B0|\u00C2\u00B0)?\s*(N(?:orth)?\M|S(?:outh)?\M)?\s*[,;/ ]\s*' ||
            degrees || '\s*(?:\u00B0|\u00C2\u00B0)?\s*(E(?:ast)?\M|W(?:est)?\M)?(?!\.?[0-9]|[a-z%]|\s*(?:' || unit || '|turbines?\M))', 'i');
    ELSE
        named := true;
    END IF;
    IF m IS NOT NULL AND (named OR m[1] LIKE '%.%' OR m[3] LIKE '%.%' OR m[2] IS NOT NULL) THEN
        lat := m[1]::numeric * CASE WHEN m[2] ILIKE 's%' THEN -1 ELSE 1 END;
        lon := m[3]::numeric * CASE WHEN m[4] ILIKE 'w%' THEN -1 ELSE 1 END;
        IF abs(lat) > 90 OR abs(lon) > 180 THEN
            RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'coordinates_out_of_range',
                MESSAGE = format('coordinates %s, %s are out of range', lat, lon),
                HINT = 'Give latitude -90..90 first, then longitude -180..180.';
        END IF;
        result := result || jsonb_build_object('latitude', lat, 'longitude', lon);
    END IF;

    m := regexp_match(query, '(?:radius|within)(?: of)?\s*[:=]?\s*' || num || '\s*(km|kilomet\w+|m|met\w+)\M', 'i');
    IF m IS NULL THEN
        m := regexp_match(query, num || '\s*-?\s*(km|kilomet\w+|m|met\w+)\s+radius', 'i');
    END IF;
    IF m IS NOT NULL THEN
        result := result || jsonb_build_object('radius_km',
            trim_scale(CASE WHEN m[2] ILIKE 'k%' THEN m[1]::numeric ELSE m[1]::numeric / 1000 END));
    END IF;

    -- how many, how much, of what
    m := regexp_match(query, '(?<![0-9.,-])\m([0-9]{1,5})\s+(?!' || unit || ')'
        '(?:(?:[0-9.]+\s*-?mw|[[:alpha:]_][[:alnum:]_.-]*)\s+){0,5}?turbines?\M', 'i');
    IF m IS NOT NULL THEN
        result := result || jsonb_build_object('n_turbines', m[1]::int);
    END IF;

    -- the longest name that the sentence holds, spelt as it likes
    squeezed := lower(regexp_replace(query, '[^[:alnum:].]', '', 'g'));
    SELECT t.name INTO found
    FROM asyncjob.turbine t
    CROSS JOIN LATERAL (VALUES
        (lower(regexp_replace(t.name, '[^[:alnum:].]', '', 'g'))),
        (lower(regexp_replace(t.name, '_[0-9]+$|_Reference|[^[:alnum:].]', '', 'g')))) n (name)
    WHERE position(n.name IN squeezed) > 0
    ORDER BY length(n.name) DESC, t.name LIMIT 1;
    IF found IS NOT NULL THEN
        result := result || jsonb_build_object('turbine', found);
    END IF;

    -- a capacity is a number of MW that is no part of a turbine's name, nor
    -- what one turbine has
    FOR m IN SELECT regexp_matches(query, '([[:alpha:]_]*)[-\s]*(?<![0-9.])' || num ||
            '\s*-?\s*(gw|mw|kw)(?:p|dc|ac)?\M(?!\s+(?:wind\s+)?(?:turbine|machine))', 'gi') LOOP
        IF lower(m[1]) NOT IN ('iea', 'nrel', 'reference') AND m[1] !~ '_$' THEN
            result := result || jsonb_build_object('target_capacity_kw',
                trim_scale(m[2]::numeric * CASE lower(m[3]) WHEN 'gw' THEN 1000000
                                                            WHEN 'mw' THEN 1000 ELSE 1 END));
            EXIT;
        END IF;
    END LOOP;

    -- of what else
    CASE result ->> 'job_type'
    WHEN 'site_layout' THEN
        result := result || jsonb_strip_nulls(jsonb_build_object('profile', CASE
            WHEN query ~* '\mwind\M' THEN 'wind_hybrid'
            WHEN query ~* '\mhybrid\M'
                 OR query ~* '\m(solar|pv|photovoltaics?)\M' AND query ~* '\m(bess|batter(y|ies)|storage|generators?|gas)\M' THEN 'hybrid'
            WHEN query ~* '\m(solar|pv|photovoltaics?)\M' THEN 'solar_farm'
            WHEN query ~* '\m(bess|gas|generators?)\M' THEN 'gas_bess' END));
    WHEN 'solar_yield' THEN
        m := regexp_match(query, '\mtilt\w*\s*(?:of|angle|at|by|:|=)*\s*' || num, 'i');
        IF m IS NULL THEN
            m := regexp_match(query, num || '\s*(?:\u00B0|\u00C2\u00B0|deg(?:rees?)?\M)?\s*tilt', 'i');
        END IF;
        IF m IS NOT NULL THEN
            result := result || jsonb_build_object('tilt_deg', m[1]::numeric);
        END IF;
        IF query ~* '\mtrack(ers?|ing)\M' THEN
            result := result || '{"tracking": "single_axis"}';
        END IF;
    WHEN 'battery_insights' THEN
        m := regexp_match(query, num || '\s*-?\s*a\.?h\M', 'i');
        IF m IS NOT NULL THEN
            result := result || jsonb_build_object('capacity_ah', m[1]::numeric);
        END IF;
        m := regexp_match(query, '(?<![0-9.])([0-9]{1,5})\s*-?\s*(day|week|month|year)', 'i');
        IF m IS NOT NULL THEN
            result := result || jsonb_build_object('window_days', m[1]::int *
                CASE lower(m[2]) WHEN 'day' THEN 1 WHEN 'week' THEN 7 WHEN 'month' THEN 30 ELSE 365 END);
        END IF;
    ELSE
        NULL;
    END CASE;
    RETURN result;
END
$$;
COMMENT ON FUNCTION asyncjob.parse_query(text) IS
'What a sentence asks for: an object with those of job_type, latitude, longitude, radius_km, n_turbines, target_capacity_kw and turbine that it has; for a site layout also profile, for a solar yield tilt_deg and tracking, for battery insights capacity_ah and window_days.';

-- The one of these names that a sentence means: the only one there is, or the
-- one it says. Null if there is none; more than one is an error.
CREATE FUNCTION asyncjob._meant(query text, names text[], what text) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    said  text[];
BEGIN
    IF coalesce(cardinality(names), 0) < 2 THEN
        RETURN names[1];
    END IF;
    SELECT array_agg(n ORDER BY n) INTO said FROM unnest(names) n
    WHERE query ~* ('(?<![[:alnum:]_])' || regexp_replace(n, '([^[:alnum:]])', '\\\1', 'g') || '(?![[:alnum:]_])');
    IF coalesce(cardinality(said), 0) <> 1 THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = what || '_ambiguous',
            MESSAGE = format('the query does not say which %s to use', CASE what WHEN 'wind' THEN 'wind resource' WHEN 'weather' THEN 'weather series' ELSE what END),
            HINT = 'Name one of those that you loaded in the query.';
    END IF;
    RETURN said[1];
END
$$;
COMMENT ON FUNCTION asyncjob._meant(text, text[], text) IS 'Which of several names a sentence means.';


-- What the pipelines need, out of a sentence. A place becomes a circle, or is
-- a loaded site that the sentence names; wind, weather and telemetry are the
-- caller's only ones, those the sentence names, or none, which the pipeline's
-- validator then complains about.
CREATE FUNCTION asyncjob._renewable_params(query text, job_type text) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    q       jsonb := asyncjob.parse_query(query);
    params  jsonb := '{}';
    names   text[];
BEGIN
    IF job_type = 'simulation' THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'layout_missing',
            MESSAGE = 'a simulation needs the places of the turbines, which the query cannot give',
            HINT = 'Ask for a full analysis, which places them first; or submit() the pipeline simulation with the layout of a layout job''s result.';
    END IF;

    IF job_type = 'battery_insights' THEN
        SELECT array_agg(t.name) INTO names FROM asyncjob.telemetry t WHERE t.owner = current_user;
        IF NOT q ? 'capacity_ah' THEN
            RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'capacity_missing',
                MESSAGE = 'the query does not say the battery''s nominal capacity',
                HINT = 'Give it in ampere-hours, such as "Analyze battery performance, 280 Ah".';
        END IF;
        RETURN jsonb_strip_nulls(jsonb_build_object(
            'telemetry', asyncjob._meant(query, names, 'telemetry'),
            'capacity_ah', q -> 'capacity_ah', 'window_days', q -> 'window_days'));
    END IF;
    IF job_type = 'solar_yield' THEN
        SELECT array_agg(w.name) INTO names FROM asyncjob.weather w WHERE w.owner = current_user;
        IF NOT q ? 'target_capacity_kw' THEN
            RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'capacity_missing',
                MESSAGE = 'the query does not say the capacity of the modules',
                HINT = 'Give it in kW or MW, such as "solar yield of 4 kW at 39.74, -105.18".';
        END IF;
        RETURN jsonb_strip_nulls(jsonb_build_object(
            'weather', asyncjob._meant(query, names, 'weather'),
            'dc_capacity_kw', q -> 'target_capacity_kw', 'tilt_deg', q -> 'tilt_deg', 'tracking', q -> 'tracking',
            'latitude', q -> 'latitude', 'longitude', q -> 'longitude'));
    END IF;

    IF q ? 'latitude' THEN
        params := jsonb_build_object('site', jsonb_build_object(
            'longitude', q -> 'longitude', 'latitude', q -> 'latitude',
            'radius_km', coalesce(q -> 'radius_km', '5')));
    ELSE
        SELECT array_agg(s.name) INTO names FROM asyncjob.site s
        WHERE s.owner = current_user
          AND query ~* ('(?<![[:alnum:]_])' || regexp_replace(s.name, '([^[:alnum:]])', '\\\1', 'g') || '(?![[:alnum:]_])');
        IF names IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'site_missing',
                MESSAGE = 'the query names no place',
                HINT = 'Give coordinates in decimal degrees, latitude first, such as "at 36.58, -84.25", or the name of a site that you loaded.';
        END IF;
        -- the longest: "ridge north" is not "ridge"
        SELECT jsonb_build_object('site', n) INTO params FROM unnest(names) n ORDER BY length(n) DESC, n LIMIT 1;
    END IF;
    IF job_type = 'terrain' THEN
        RETURN params;
    END IF;
    IF job_type = 'site_layout' THEN
        RETURN params || jsonb_strip_nulls(jsonb_build_object(
            'target_capacity_kw', q -> 'target_capacity_kw', 'profile', q -> 'profile'));
    END IF;

    SELECT array_agg(w.name ORDER BY w.name) INTO names
    FROM asyncjob.wind_resource w WHERE w.owner = current_user;
    names := ARRAY[asyncjob._meant(query, names, 'wind')];
    IF names[1] IS NOT NULL THEN
        params := params || jsonb_build_object('wind', names[1]);
    END IF;
    RETURN params || (q - ARRAY['latitude', 'longitude', 'radius_km', 'job_type', 'profile', 'tilt_deg', 'tracking', 'capacity_ah', 'window_days']);
END
$$;
COMMENT ON FUNCTION asyncjob._renewable_params(text, text) IS 'Params of a pipeline, out of a sentence.';

CREATE FUNCTION asyncjob.start_renewable_job(
        IN chat_session_id text, IN query text, IN job_type text DEFAULT NULL,
        OUT job_id bigint, OUT status text, OUT message text)
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kind  text := coalesce(job_type, asyncjob.parse_query(query) ->> 'job_type');
BEGIN
    IF kind IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'AJ101', CONSTRAINT = 'job_type_missing',
            MESSAGE = 'the query does not say what to do',
            HINT = 'Ask for a terrain analysis, a layout, a simulation, a full analysis, a site layout, a solar yield or battery insights, or give job_type.';
    END IF;
    IF kind NOT IN ('terrain', 'layout', 'simulation', 'full_analysis', 'site_layout', 'solar_yield', 'battery_insights') THEN
        RAISE EXCEPTION USING ERRCODE = '22023',
            MESSAGE = format('unknown job type "%s"', kind),
            HINT = 'The job types are terrain, layout, simulation, full_analysis, site_layout, solar_yield and battery_insights.';
    END IF;
    job_id := asyncjob.submit(kind, asyncjob._renewable_params(query, kind),
                              session_id => chat_session_id);
    IF chat_session_id IS NOT NULL THEN
        PERFORM asyncjob.add_chat_message(chat_session_id, query, job_id);
    END IF;
    status := 'pending';
    message := format('Analysis started. Job ID: %s', job_id);
END
$$;
COMMENT ON FUNCTION asyncjob.start_renewable_job(text, text, text) IS
'Start an analysis asked for in a sentence, as part of a chat session (or of none, null). job_type is terrain, layout, simulation, full_analysis, site_layout, solar_yield or battery_insights, by default what the sentence says. Refused with what is missing, error AJ101, before anything is stored.';

CREATE FUNCTION asyncjob._renewable(s asyncjob.job_status) RETURNS asyncjob.renewable_job
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.job_id, s.session_id, s.user_id,
           CASE WHEN s.state = 'completed' THEN 'completed'
                WHEN s.state IN ('failed', 'cancelled') THEN 'failed'
                WHEN s.state = 'running' OR s.started_at IS NOT NULL THEN 'processing'
                ELSE 'pending' END,
           (SELECT m.content FROM asyncjob.chat_message m
            WHERE m.session_id = s.session_id AND m.job_id = s.job_id AND m.role = 'human'
            ORDER BY m.id LIMIT 1),
           s.pipeline, CASE WHEN s.state = 'completed' THEN 'complete' ELSE s.step END,
           s.total_steps, s.completed_steps,
           ceil(extract(epoch FROM s.eta))::integer,
           (SELECT m.content FROM asyncjob.chat_message m
            WHERE m.session_id = s.session_id AND m.job_id = s.job_id AND m.role = 'ai'
            ORDER BY m.id DESC LIMIT 1),
           (SELECT coalesce(jsonb_agg(jsonb_build_object('type', a.kind, 'name', a.name,
                       'media_type', a.media_type, 'size', a.size, 'sha256', a.sha256)), '[]')
            FROM asyncjob.artifacts(s.job_id) a),
           (SELECT coalesce(jsonb_agg(jsonb_build_object('step', t.step_no, 'action', t.name,
                       'status', CASE t.state WHEN 'completed' THEN 'complete'
                                              WHEN 'failed' THEN 'error'
                                              WHEN 'running' THEN 'in_progress' ELSE t.state END,
                       'timestamp', t.started_at,
                       'duration', round(1000 * extract(epoch FROM t.finished_at - t.started_at)))
                   ORDER BY t.step_no), '[]')
            FROM asyncjob.steps(s.job_id) t WHERE t.state <> 'pending'),
           CASE WHEN s.state = 'cancelled' THEN 'The job was cancelled.' ELSE s.error_message END,
           CASE WHEN s.state = 'cancelled' THEN 'cancelled' ELSE s.error_category END,
           s.error_hint, s.created_at,
           (SELECT max(u.at) FROM asyncjob.updates(s.job_id) u), s.finished_at
$$;
COMMENT ON FUNCTION asyncjob._renewable(asyncjob.job_status) IS 'A job''s status in the words of the chat systems.';

CREATE FUNCTION asyncjob.get_renewable_job(job_id bigint) RETURNS asyncjob.renewable_job
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp AS $$
    SELECT asyncjob._renewable(asyncjob.status($1))
$$;
COMMENT ON FUNCTION asyncjob.get_renewable_job(bigint) IS
'A job in the words of the chat systems. Error 42704: no such job, or not the caller''s.';

CREATE FUNCTION asyncjob.list_renewable_jobs(chat_session_id text) RETURNS SETOF asyncjob.renewable_job
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.* FROM asyncjob.list_jobs(session_id => $1, max_rows => 10000) s,
           LATERAL asyncjob._renewable(s) r
$$;
COMMENT ON FUNCTION asyncjob.list_renewable_jobs(text) IS
'Jobs of a chat session, newest first; none for another owner''s session.';

CREATE FUNCTION asyncjob.get_layout_status(
        IN layout_id bigint, OUT status text, OUT error_message text,
        OUT total_capacity_kw double precision, OUT asset_count integer,
        OUT road_length_m double precision, OUT cut_volume_m3 double precision,
        OUT fill_volume_m3 double precision)
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN s.state = 'completed' THEN 'completed'
                WHEN s.state IN ('failed', 'cancelled') THEN 'failed'
                WHEN s.state = 'running' OR s.started_at IS NOT NULL THEN 'processing'
                ELSE 'queued' END,
           CASE WHEN s.state = 'cancelled' THEN 'The job was cancelled.' ELSE s.error_message END,
           (m ->> 'total_capacity_kw')::float8,
           coalesce(m ->> 'asset_count', m ->> 'turbine_count')::integer,
           (m ->> 'road_length_m')::float8, (m ->> 'cut_volume_m3')::float8,
           (m ->> 'fill_volume_m3')::float8
    FROM asyncjob.status($1) s
    CROSS JOIN LATERAL (SELECT asyncjob.result($1) AS r) r
    CROSS JOIN LATERAL (SELECT coalesce(r.r -> 'metrics', r.r -> 'summary', r.r) AS m) m
$$;
COMMENT ON FUNCTION asyncjob.get_layout_status(bigint) IS
'State and figures of a layout job: status is queued, processing, completed or failed; figures the pipeline does not compute are null.';

