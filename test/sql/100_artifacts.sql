-- Artifacts: stored whole or in chunks, read whole or in ranges.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common

\i :engine_off

-- contents that differ at every place: the digests of 1, 2, 3, ...
CREATE FUNCTION tap.bytes(n int) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT substr(coalesce(string_agg(sha256(i::text::bytea), '' ORDER BY i), ''), 1, n) FROM generate_series(1, (n + 31) / 32) i
$$;
CREATE FUNCTION tap.make(p jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT asyncjob.artifact(a ->> 'name', 'bytes', 'application/octet-stream', tap.bytes((a ->> 'size')::int)) FROM jsonb_array_elements(coalesce(p -> 'params', p)) a;
    SELECT '{}'::jsonb;
$$;
SELECT asyncjob.create_pipeline('regress_make', '[{"name": "make", "handler": "tap.make"}]') > 0 AS made;
SELECT asyncjob.create_pipeline('regress_twice', '[{"name": "make", "handler": "tap.make"}, {"name": "again", "handler": "tap.make"}]') > 0 AS made;
SELECT asyncjob.submit('regress_make', '[{"name": "none", "size": 0}, {"name": "small", "size": 1000},
    {"name": "full", "size": 1048576}, {"name": "more", "size": 1048577}, {"name": "big", "size": 2621441}]') AS j \gset
SELECT asyncjob.drain();
SELECT a.name, a.step, a.kind, a.media_type, a.size, a.sha256 = encode(sha256(tap.bytes(a.size::int)), 'hex') AS digest
    FROM asyncjob.artifacts(:j) a ORDER BY a.size;
-- stored inline up to 1 MB, else in chunks of 1 MB
SELECT a.name, a.data IS NULL AS chunked, array_agg(length(c.data) ORDER BY c.chunk_no) AS chunks
    FROM asyncjob.artifact a LEFT JOIN asyncjob.artifact_chunk c USING (job_id, name) WHERE a.job_id = :j GROUP BY 1, 2, a.size ORDER BY a.size;
-- read whole
SELECT a.name, asyncjob.artifact_data(:j, a.name) = tap.bytes(a.size::int) AS same FROM asyncjob.artifacts(:j) a ORDER BY a.size;
-- in ranges: within a chunk, at its ends, over one and over two ends, past the end
SELECT a.name, r.start, r.len, length(d) AS got, d = substr(tap.bytes(a.size::int), r.start + 1, r.len) AS same
    FROM asyncjob.artifacts(:j) a, (VALUES (0, 0), (0, 1), (999, 1), (1000, 1), (1048575, 2), (1048576, 1), (1048570, 20), (1, 2097152), (2097151, 2), (2621440, 100), (2621441, 1)) r (start, len),
    LATERAL asyncjob.artifact_data(:j, a.name, r.start, r.len) d
    WHERE a.name IN ('small', 'full', 'big') ORDER BY a.size, r.start, r.len;
SELECT length(asyncjob.artifact_data(:j, 'big', 2621400)) AS rest, length(asyncjob.artifact_data(:j, 'big', NULL, 10)) AS from_start,
       length(asyncjob.artifact_data(:j, 'none')) AS none, length(asyncjob.artifact_data(:j, 'small', 5000000000)) AS far_past;
-- refused
SELECT * FROM tap.err(format('SELECT asyncjob.artifact_data(%s, ''other'')', :j));
SELECT * FROM tap.err(format('SELECT asyncjob.artifact_data(%s, NULL)', :j));
SELECT * FROM tap.err(format('SELECT asyncjob.artifact_data(%s, ''big'', -1)', :j));
SELECT * FROM tap.err(format('SELECT asyncjob.artifact_data(%s, ''big'', 0, -1)', :j));
SELECT * FROM tap.err('SELECT asyncjob.artifact_data(0, ''big'')');
SELECT * FROM tap.err('SELECT asyncjob.artifacts(0)');
-- a later one of the same name replaces it, chunks and all
SELECT asyncjob.submit('regress_twice', '[{"name": "a", "size": 3000000}, {"name": "a", "size": 10}, {"name": "b", "size": 10}, {"name": "b", "size": 1500000}]') AS k \gset
SELECT asyncjob.drain();
SELECT name, step, size, asyncjob.artifact_data(:k, name) = tap.bytes(size::int) AS same FROM asyncjob.artifacts(:k);
SELECT name, count(*) FROM asyncjob.artifact_chunk WHERE job_id = :k GROUP BY 1;

SET client_min_messages = warning;
DROP FUNCTION tap.bytes(int), tap.make(jsonb);
\i :engine_on
