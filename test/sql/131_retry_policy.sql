-- How long a failed step waits: lists, exponential, by kind of failure.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common

\i :engine_off

CREATE ROLE regress_aj_rp LOGIN;
SELECT asyncjob.grant_usage('regress_aj_rp');
CREATE SCHEMA aj_rp AUTHORIZATION regress_aj_rp;
SET ROLE regress_aj_rp;
CREATE FUNCTION aj_rp.fail(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF asyncjob.attempt() >= (p ->> 'good_from')::int THEN
        RETURN to_jsonb(asyncjob.attempt());
    END IF;
    RAISE EXCEPTION 'no' USING ERRCODE = coalesce(p ->> 'code', 'P0001'), DETAIL = coalesce(p ->> 'detail', '');
END
$$;
CREATE FUNCTION aj_rp.make(step jsonb) RETURNS void LANGUAGE sql AS $$
    SELECT asyncjob.create_pipeline('regress_rp', jsonb_build_array('{"name": "a", "handler": "aj_rp.fail"}'::jsonb || step));
$$;

-- what is refused
SELECT e.* FROM (VALUES
    ('{"backoff": "5s"}'), ('{"backoff": []}'), ('{"backoff": ["soon"]}'), ('{"backoff": ["-1 s"]}'), ('{"backoff": [5]}'),
    ('{"backoff": 5}'), ('{"backoff": {}}'), ('{"backoff": {"initial": 1}}'), ('{"backoff": {"initial": "1 s", "factor": 0.5}}'),
    ('{"backoff": {"initial": "1 s", "jitter": 2}}'), ('{"backoff": {"initial": "1 s", "jiter": 1}}'),
    ('{"backoff": {"delays": ["1 s"], "factor": 2}}'), ('{"backoff": {"delays": []}}'),
    ('{"backoff_for": []}'), ('{"backoff_for": {"weather": "5 min"}}'), ('{"backoff_for": {"rate_limit": true}}'),
    ('{"max_attempts": 0}'), ('{"max_attempts": 101}'), ('{"max_attempts": "many"}'),
    ('{"max_attempts": 2.5}')) v (step),
    tap.err(format('SELECT aj_rp.make(%L)', v.step)) e;

-- fifteen attempts with a list whose last delay repeats
SELECT aj_rp.make('{"max_attempts": 15, "backoff": ["5s", "10s", "30s", "60s"]}');
SELECT asyncjob.submit('regress_rp', '{}') AS j \gset
RESET ROLE;
CREATE TABLE aj_rp.delays (attempt int, seconds numeric);
-- the clock is moved by making the job due
CREATE FUNCTION aj_rp.play(id bigint, most int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    s record;
BEGIN
    TRUNCATE aj_rp.delays;
    FOR i IN 1 .. most LOOP
        SET LOCAL ROLE regress_aj_rp;
        PERFORM asyncjob.drain();
        RESET ROLE;
        SELECT * INTO s FROM asyncjob.status(play.id);
        EXIT WHEN s.state <> 'queued';
        INSERT INTO aj_rp.delays VALUES (s.attempt, round(extract(epoch FROM s.run_at - (SELECT max(u.at) FROM asyncjob.updates(play.id) u))));
        UPDATE asyncjob.job SET run_at = clock_timestamp() WHERE job.id = play.id;
    END LOOP;
END
$$;
SELECT aj_rp.play(:j, 20);
SELECT array_agg(seconds ORDER BY attempt) FROM aj_rp.delays;
SELECT state, attempt FROM asyncjob.status(:j);
SELECT count(*) FROM asyncjob.updates(:j) WHERE kind = 'attempt';

-- exponential, with a ceiling
SET ROLE regress_aj_rp;
SELECT aj_rp.make('{"max_attempts": 8, "backoff": {"initial": "2 s", "factor": 3, "max": "1 min"}}');
SELECT asyncjob.submit('regress_rp', '{"good_from": 7}') AS j \gset
RESET ROLE;
SELECT aj_rp.play(:j, 20);
SELECT array_agg(seconds ORDER BY attempt) FROM aj_rp.delays;
SELECT state, attempt FROM asyncjob.status(:j);

-- jitter: each delay is somewhere between the half and the whole
SET ROLE regress_aj_rp;
SELECT aj_rp.make('{"max_attempts": 100, "backoff": {"delays": ["1000 s"], "jitter": 0.5}}');
SELECT asyncjob.submit('regress_rp', '{"good_from": 31}') AS j \gset
RESET ROLE;
SELECT aj_rp.play(:j, 100);
SELECT count(*), min(seconds) >= 500 AND max(seconds) <= 1000 AS within, count(DISTINCT seconds) > 10 AS scattered FROM aj_rp.delays;

-- a rate limit waits for five minutes, other failures as the step says
SET ROLE regress_aj_rp;
SELECT aj_rp.make('{"max_attempts": 3, "backoff": ["7 s"]}');
SELECT asyncjob.submit('regress_rp', '{"code": "AJ105"}') AS j \gset
SELECT asyncjob.submit('regress_rp', '{"code": "AJ104"}') AS k \gset
RESET ROLE;
SELECT aj_rp.play(:j, 20);
SELECT array_agg(seconds ORDER BY attempt) FROM aj_rp.delays;
SELECT state, attempt, error_code, error_category FROM asyncjob.status(:j);
SELECT aj_rp.play(:k, 20);
SELECT array_agg(seconds ORDER BY attempt) FROM aj_rp.delays;
-- a SQLSTATE goes before its category, and both before the rest
SET ROLE regress_aj_rp;
SELECT aj_rp.make('{"max_attempts": 4, "backoff": ["7 s"], "backoff_for": {"rate_limit": {"delays": ["1 min", "2 min"]}, "08006": "1 s", "external": {"initial": "20 s"}}}');
SELECT steps -> 0 ->> 'backoff_for' AS backoff_for FROM asyncjob.pipelines WHERE name = 'regress_rp';
SELECT asyncjob.submit('regress_rp', '{"code": "AJ105"}') AS a \gset
SELECT asyncjob.submit('regress_rp', '{"code": "08006"}') AS b \gset
SELECT asyncjob.submit('regress_rp', '{"code": "08001"}') AS c \gset
SELECT asyncjob.submit('regress_rp', '{"code": "22012"}') AS d \gset
RESET ROLE;
SELECT aj_rp.play(:a, 20);
SELECT array_agg(seconds ORDER BY attempt) FROM aj_rp.delays;
SELECT aj_rp.play(:b, 20);
SELECT array_agg(seconds ORDER BY attempt) FROM aj_rp.delays;
SELECT aj_rp.play(:c, 20);
SELECT array_agg(seconds ORDER BY attempt) FROM aj_rp.delays;
SELECT aj_rp.play(:d, 20);
SELECT array_agg(seconds ORDER BY attempt) FROM aj_rp.delays;
-- a delay that the handler names goes before all
SET ROLE regress_aj_rp;
SELECT asyncjob.submit('regress_rp', '{"code": "AJ002", "detail": "42 s"}') AS j \gset
RESET ROLE;
SELECT aj_rp.play(:j, 20);
SELECT array_agg(seconds ORDER BY attempt) FROM aj_rp.delays;
-- a free retry takes no attempt; when all of them are used up, each does
SET ROLE regress_aj_rp;
SELECT aj_rp.make('{"max_attempts": 2, "backoff": ["0 s"], "backoff_for": {"40001": "9 s"}}');
SELECT asyncjob.submit('regress_rp', '{"code": "40001"}') AS j \gset
RESET ROLE;
SELECT aj_rp.play(:j, 100);
SELECT attempt, count(*), max(seconds) <= 30 AS short FROM aj_rp.delays GROUP BY 1 ORDER BY 1;
SELECT state, attempt FROM asyncjob.status(:j);

\i :engine_on
SET client_min_messages = warning;
DROP SCHEMA aj_rp CASCADE;
DROP OWNED BY regress_aj_rp;
DROP ROLE regress_aj_rp;
