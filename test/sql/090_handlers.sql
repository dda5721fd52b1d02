-- What a handler can call: the job it runs for, log lines, artifacts, nested
-- runs; and what is left of it when it fails.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common

\i :engine_off

CREATE ROLE regress_aj_h LOGIN;
SELECT asyncjob.grant_usage('regress_aj_h');
CREATE SCHEMA aj_h AUTHORIZATION regress_aj_h;
SET ROLE regress_aj_h;
-- outside of a job they do nothing, or say that there is none
SELECT asyncjob.current_job(), asyncjob.attempt();
SELECT asyncjob.progress(0.5, 'nobody sees it'), asyncjob.log('info', 'nobody reads it'),
       asyncjob.artifact('a', 'text', 'text/plain', 'x');
SELECT asyncjob.step_noop('{"x": 1}'), asyncjob.step_noop(NULL);
SELECT asyncjob.channel('abc'), length(asyncjob.channel(repeat('é', 23))), length(asyncjob.channel(repeat('x', 47))),
       asyncjob.channel(repeat('x', 47)) = 'asyncjob_session_' || md5(repeat('x', 47)) AS hashed, asyncjob.channel(NULL);
SELECT a.statement, e.code, e.message, e.hint FROM (VALUES
    (1, $$SELECT asyncjob.progress(NULL)$$), (2, $$SELECT asyncjob.log(NULL, 'x')$$), (3, $$SELECT asyncjob.log('info', NULL)$$),
    (4, $$SELECT asyncjob.log('loud', 'x')$$), (5, $$SELECT asyncjob.artifact(NULL, 'k', 'm', '')$$),
    (6, $$SELECT asyncjob.artifact('n', NULL, 'm', '')$$), (7, $$SELECT asyncjob.artifact('n', 'k', NULL, '')$$),
    (8, $$SELECT asyncjob.artifact('n', 'k', 'm', NULL)$$), (9, $$SELECT asyncjob.artifact('', 'k', 'm', '')$$),
    (10, $$SELECT asyncjob.artifact('n', '', 'm', '')$$), (11, $$SELECT asyncjob.artifact('n', 'k', repeat('m', 256), '')$$)
    ) a (n, statement), tap.err(statement) e ORDER BY n;

CREATE FUNCTION aj_h.full(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.log('debug', 'one');
    PERFORM asyncjob.log('info', 'two', '{"n": 2}');
    BEGIN
        PERFORM asyncjob.log('warning', 'three, in a block that fails');
        PERFORM 1 / 0;
    EXCEPTION WHEN division_by_zero THEN
        PERFORM asyncjob.log('error', 'four');
    END;
    PERFORM asyncjob.artifact('greeting', 'text', 'text/plain', 'first');
    PERFORM asyncjob.artifact('greeting', 'text', 'text/plain', 'hello');
    PERFORM asyncjob.progress('NaN'), asyncjob.progress(-1), asyncjob.progress(2, 'far');
    IF p ? 'fail' THEN
        RAISE EXCEPTION 'told to fail' USING ERRCODE = 'AJ001';
    END IF;
    RETURN jsonb_build_object('job', asyncjob.current_job() = (SELECT max(id) FROM asyncjob.job), 'attempt', asyncjob.attempt());
END
$$;
SELECT asyncjob.create_pipeline('regress_h_full', '[{"name": "a", "handler": "aj_h.full"}]') > 0 AS made;
SELECT asyncjob.submit('regress_h_full') AS j \gset
SELECT asyncjob.submit('regress_h_full', '{"fail": true}', priority => 'LOW') AS k \gset
SELECT asyncjob.cancel(:k);
SELECT asyncjob.retry(:k);
SELECT asyncjob.drain();
SELECT u.seq, u.kind, u.state, u.step, u.level, u.message, u.data FROM asyncjob.updates(:j) u;
SELECT name, step, kind, media_type, size, sha256 = encode(sha256('hello'), 'hex') AS digest FROM asyncjob.artifacts(:j);
SELECT convert_from(asyncjob.artifact_data(:j, 'greeting'), 'UTF8');
-- the job that failed keeps its log and no artifact
SELECT u.seq, u.kind, u.state, u.level, u.message FROM asyncjob.updates(:k) u;
SELECT count(*) FROM asyncjob.artifacts(:k);

-- a run() inside a handler is a job of its own; its failure can be caught
CREATE FUNCTION aj_h.nest(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    outer_job bigint := asyncjob.current_job();
    inner_result jsonb;
BEGIN
    PERFORM asyncjob.log('info', 'before');
    inner_result := asyncjob.run('regress_h_inner');
    BEGIN
        PERFORM asyncjob.run('regress_h_full', '{"fail": 1}');
    EXCEPTION WHEN SQLSTATE 'AJ001' THEN
        PERFORM asyncjob.log('info', 'caught');
    END;
    RETURN jsonb_build_object('same_after', asyncjob.current_job() = outer_job,
        'inner_differs', (inner_result ->> 'job')::bigint <> outer_job);
END
$$;
CREATE FUNCTION aj_h.inner(jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT asyncjob.log('info', 'inside');
    SELECT jsonb_build_object('job', asyncjob.current_job());
$$;
SELECT asyncjob.create_pipeline('regress_h_inner', '[{"name": "a", "handler": "aj_h.inner"}]') > 0 AS made;
SELECT asyncjob.create_pipeline('regress_h_nest', '[{"name": "a", "handler": "aj_h.nest"}]') > 0 AS made;
SELECT asyncjob.submit('regress_h_nest') AS j \gset
SELECT asyncjob.drain();
SELECT asyncjob.result(:j);
SELECT level, message FROM asyncjob.updates(:j) WHERE kind = 'log';
SELECT u.level, u.message FROM asyncjob.job j, asyncjob.pipeline p, asyncjob.updates(j.id) u
    WHERE p.id = j.pipeline_id AND p.name = 'regress_h_inner' AND u.kind = 'log';

-- more log lines than are kept
CREATE FUNCTION aj_h.talk(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..10003 LOOP
        PERFORM asyncjob.log('info', i::text);
    END LOOP;
    RETURN '{}';
END
$$;
SELECT asyncjob.create_pipeline('regress_h_talk', '[{"name": "a", "handler": "aj_h.talk"}]') > 0 AS made;
SELECT asyncjob.submit('regress_h_talk') AS j \gset
SELECT asyncjob.drain();
SELECT count(*) FROM asyncjob.updates(:j) WHERE kind = 'log';
SELECT level, message FROM asyncjob.updates(:j) WHERE kind = 'log' ORDER BY seq OFFSET 9999;

-- an interrupt of the caller is the caller's, and undoes the drain
CREATE FUNCTION aj_h.sleep(jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT pg_sleep(300); SELECT '{}'::jsonb $$;
SELECT asyncjob.create_pipeline('regress_h_sleep', '[{"name": "a", "handler": "aj_h.sleep"}]') > 0 AS made;
SELECT asyncjob.submit('regress_h_sleep') AS j \gset
SET statement_timeout = '50 ms';
SELECT asyncjob.drain();
SELECT asyncjob.run('regress_h_sleep');
RESET statement_timeout;
SELECT state, attempt, started_at FROM asyncjob.status(:j);
SELECT asyncjob.cancel(:j);
RESET ROLE;

\i :engine_on
-- in a worker: nothing of a job is left in the session for the next one
SET ROLE regress_aj_h;
CREATE FUNCTION aj_h.litter(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    SET work_mem = '77MB';
    SET search_path = pg_temp;
    CREATE TEMP TABLE litter (n int);
    PERFORM pg_catalog.pg_advisory_lock(4711);
    EXECUTE 'PREPARE litter AS SELECT 1';
    EXECUTE 'DECLARE litter CURSOR WITH HOLD FOR SELECT 1';
    RETURN to_jsonb(pg_backend_pid());
END
$$;
CREATE FUNCTION aj_h.look(jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_build_object('work_mem_set', current_setting('work_mem') = '77MB', 'search_path', current_setting('search_path'),
        'temp', to_regclass('pg_temp.litter'), 'locks', (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711),
        'prepared', (SELECT count(*) FROM pg_prepared_statements WHERE name = 'litter'),
        'cursors', (SELECT count(*) FROM pg_cursors WHERE name = 'litter'))
$$;
SELECT asyncjob.create_pipeline('regress_h_litter', '[{"name": "a", "handler": "aj_h.litter"}]') > 0 AS made;
SELECT asyncjob.create_pipeline('regress_h_look', '[{"name": "a", "handler": "aj_h.look"}]') > 0 AS made;
SELECT asyncjob.submit('regress_h_litter') AS j \gset
SELECT state, error_message FROM asyncjob.wait(:j, '1 min');
SELECT asyncjob.submit('regress_h_look') AS k \gset
SELECT state FROM asyncjob.wait(:k, '1 min');
SELECT asyncjob.result(:k);
-- a message is cut between characters
CREATE FUNCTION aj_h.long(jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT asyncjob.progress(0.25, repeat('é', 100));
    SELECT jsonb_build_object('message', message, 'octets', octet_length(message)) FROM asyncjob.status(asyncjob.current_job());
$$;
SELECT asyncjob.create_pipeline('regress_h_long', '[{"name": "a", "handler": "aj_h.long"}]') > 0 AS made;
SELECT asyncjob.submit('regress_h_long') AS j \gset
SELECT state FROM asyncjob.wait(:j, '1 min');
SELECT asyncjob.result(:j);
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA aj_h CASCADE;
DROP OWNED BY regress_aj_h;
DROP ROLE regress_aj_h;
