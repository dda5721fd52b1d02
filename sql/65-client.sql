-- What a client that follows many jobs over one connection asks.

CREATE FUNCTION asyncjob.updates_many(job_ids bigint[], since_seq integer[] DEFAULT NULL)
    RETURNS TABLE (job_id bigint, seq integer, at timestamptz, kind text,
                   state asyncjob.job_state, step text, level text,
                   message text, data jsonb)
    LANGUAGE sql VOLATILE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp AS $$
    SELECT j.id, u.seq, u.at, u.kind, u.state, u.step, u.level, u.message, u.data
    FROM unnest(job_ids, since_seq) AS s (id, since)
    JOIN asyncjob.job j ON j.id = s.id
    LEFT JOIN LATERAL asyncjob.updates(j.id, coalesce(s.since, 0)) u ON true
    ORDER BY j.id, u.seq
$$;
COMMENT ON FUNCTION asyncjob.updates_many(bigint[], integer[]) IS
'updates() of several jobs, each after its own sequence number. A job without news has one row whose seq is null; one that does not exist, or is not the caller''s, has none.';

CREATE FUNCTION asyncjob.recent_jobs(since timestamptz DEFAULT NULL, session_id text DEFAULT NULL)
    RETURNS TABLE (job_id bigint, state asyncjob.job_state, seq integer)
    LANGUAGE sql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp AS $$
    SELECT j.id, j.state, j.seq
    FROM asyncjob.job j
    WHERE (recent_jobs.session_id IS NULL OR j.session_id = recent_jobs.session_id)
      AND (j.state IN ('running', 'waiting')
           OR j.state = 'queued' AND (recent_jobs.session_id IS NOT NULL OR j.seq > 1)
           OR j.finished_at >= recent_jobs.since)
$$;
COMMENT ON FUNCTION asyncjob.recent_jobs(timestamptz, text) IS
'The caller''s jobs, of a session or all, that are under way or ended at or after a time. Jobs that never started are listed for a session only: there may be millions. seq is the number of the last entry of updates().';

CREATE FUNCTION asyncjob.get_artifact_json(job_id bigint, name text) RETURNS jsonb
    LANGUAGE sql STABLE PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp AS $$
    SELECT convert_from(asyncjob.artifact_data($1, $2), 'UTF8')::jsonb
$$;
COMMENT ON FUNCTION asyncjob.get_artifact_json(bigint, text) IS
'An artifact that is JSON or GeoJSON, for front ends that have no bytea. Errors: 42704 no such artifact, 22P02 it is no JSON.';
