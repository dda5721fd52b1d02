-- How a handler fails decides what becomes of its job.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common

\i :engine_off

CREATE ROLE regress_aj_err LOGIN;
SELECT asyncjob.grant_usage('regress_aj_err');
CREATE SCHEMA aj_err AUTHORIZATION regress_aj_err;
SET ROLE regress_aj_err;
-- fails as its params say, until the attempt they name
CREATE FUNCTION aj_err.fail(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF asyncjob.attempt() >= (p ->> 'good_from')::int THEN
        RETURN to_jsonb(asyncjob.attempt());
    END IF;
    RAISE EXCEPTION '%', p ->> 'say' USING ERRCODE = p ->> 'code',
        DETAIL = coalesce(p ->> 'detail', ''), HINT = coalesce(p ->> 'hint', ''),
        CONSTRAINT = coalesce(p ->> 'word', '');
END
$$;
SELECT asyncjob.create_pipeline('regress_err', '[{"name": "a", "handler": "aj_err.fail", "backoff": ["0 s"], "max_attempts": 4}]') > 0 AS made;

-- one job for each code: how often it is tried, how it ends, what is said
CREATE TABLE aj_err.tried (code text, job bigint);
WITH codes (code) AS (VALUES ('22012'), ('P0001'), ('XX000'), ('53200'), ('54000'), ('08006'), ('58000'),
    ('AJ001'), ('AJ002'), ('AJ004'), ('AJ101'), ('AJ102'), ('AJ103'), ('AJ104'))
INSERT INTO aj_err.tried SELECT code, asyncjob.submit('regress_err',
    jsonb_build_object('code', code, 'say', 'fails with ' || code, 'hint', 'Mend it.', 'word', 'a_word')) FROM codes;
SELECT asyncjob.drain();
SELECT t.code, s.state, s.attempt, s.error_code, s.error_category, s.error_message, s.error_hint
    FROM aj_err.tried t, asyncjob.status(t.job) s ORDER BY t.code COLLATE "C";
SELECT * FROM tap.history((SELECT job FROM aj_err.tried WHERE code = '22012'));
SELECT u.data - 'context' AS data FROM aj_err.tried t, asyncjob.updates(t.job) u WHERE t.code = 'AJ104' AND u.kind = 'attempt';
SELECT * FROM tap.history((SELECT job FROM aj_err.tried WHERE code = 'AJ004'));
SELECT count(*) FROM asyncjob.dead_letters;

-- without a word of its own, the error's code is its SQLSTATE
SELECT asyncjob.submit('regress_err', '{"code": "AJ101", "say": "plain"}') AS j \gset
SELECT asyncjob.drain();
SELECT state, error_code, error_category, error_message, error_detail, error_hint FROM asyncjob.status(:j);

-- a later attempt may succeed
SELECT asyncjob.submit('regress_err', '{"code": "22012", "say": "not yet", "good_from": 3}') AS j \gset
SELECT asyncjob.drain();
SELECT state, attempt, error_code, error_message FROM asyncjob.status(:j);
SELECT asyncjob.result(:j);
SELECT * FROM tap.history(:j);

-- AJ002 tells when: DETAIL is the delay, and malformed it is none
SELECT asyncjob.submit('regress_err', '{"code": "AJ002", "say": "later", "detail": "2 hours"}') AS j \gset
SELECT asyncjob.submit('regress_err', '{"code": "AJ002", "say": "later", "detail": "in a while", "good_from": 2}') AS k \gset
SELECT asyncjob.submit('regress_err', '{"code": "AJ002", "say": "later", "detail": "-1 s", "good_from": 2}') AS l \gset
SELECT asyncjob.drain();
SELECT state, attempt, run_at - now() BETWEEN '119 min' AND '121 min' AS in_two_hours, error_message FROM asyncjob.status(:j);
SELECT state, attempt FROM asyncjob.status(:k);
SELECT state, attempt FROM asyncjob.status(:l);
SELECT asyncjob.cancel(:j);

-- AJ003 snoozes: no attempt is spent
SELECT asyncjob.submit('regress_err', '{"code": "AJ003", "say": "snooze", "detail": "3 hours"}') AS j \gset
SELECT asyncjob.drain();
SELECT state, attempt, run_at - now() BETWEEN '179 min' AND '181 min' AS in_three_hours FROM asyncjob.status(:j);
SELECT * FROM tap.history(:j);
SELECT asyncjob.cancel(:j);

-- but a step can't spin
SELECT asyncjob.submit('regress_err', '{"code": "AJ003", "say": "snooze", "detail": "0 s"}') AS j \gset
SELECT asyncjob.drain(10);
SELECT state, attempt, run_at - (SELECT max(u.at) FROM asyncjob.updates(job_id) u) > '50 ms' AS rests FROM asyncjob.status(:j);
SELECT asyncjob.cancel(:j);

-- the backoff of a step: the last one repeats; max_attempts of the step
SELECT asyncjob.create_pipeline('regress_back', '[{"name": "a", "handler": "aj_err.fail", "backoff": ["1 h", "2 h"], "max_attempts": 2}]') > 0 AS made;
SELECT asyncjob.submit('regress_back', '{"code": "22012", "say": "no"}') AS j \gset
SELECT asyncjob.drain();
SELECT state, attempt, run_at - now() BETWEEN '59 min' AND '61 min' AS in_an_hour, error_message FROM asyncjob.status(:j);
SELECT asyncjob.explain(:j) LIKE 'It waits: it is not due before %' AS explained;
SELECT asyncjob.cancel(:j);
-- the defaults: 3 attempts, 5 s
SELECT asyncjob.create_pipeline('regress_default', '[{"name": "a", "handler": "aj_err.fail"}]') > 0 AS made;
SELECT asyncjob.submit('regress_default', '{"code": "22012", "say": "no"}') AS j \gset
SELECT asyncjob.drain();
SELECT state, attempt, run_at - now() BETWEEN '0 s' AND '5 s' AS in_five_seconds FROM asyncjob.status(:j);
SELECT asyncjob.cancel(:j);
SHOW asyncjob.max_attempts;
SHOW asyncjob.backoff;

-- 40001, 40P01 and 55P03 are retried free of charge, after a short while
WITH codes (code) AS (VALUES ('40001'), ('40P01'), ('55P03'))
INSERT INTO aj_err.tried SELECT code, asyncjob.submit('regress_err', jsonb_build_object('code', code, 'say', 'busy')) FROM codes;
SELECT asyncjob.drain(3);
SELECT t.code, s.state, s.attempt, s.run_at - now() < '1 s' AS soon, s.error_category
    FROM aj_err.tried t, asyncjob.status(t.job) s WHERE s.state = 'queued' ORDER BY t.code;
SELECT count(asyncjob.cancel(job)) FROM aj_err.tried, asyncjob.status(job) WHERE state = 'queued';
-- but not for ever: after 20 they spend attempts as all do
SELECT asyncjob.submit('regress_err', '{"code": "40001", "say": "busy"}') AS j \gset
RESET ROLE;
UPDATE asyncjob.job SET free_retries = 20 WHERE id = :j;
SET ROLE regress_aj_err;
SELECT asyncjob.drain();
SELECT state, attempt, error_code, error_category FROM asyncjob.status(:j);

-- a handler that is gone, or may not be executed any more
CREATE FUNCTION aj_err.gone(jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT $1';
SELECT asyncjob.create_pipeline('regress_gone', '[{"name": "a", "handler": "aj_err.gone", "max_attempts": 1}]') > 0 AS made;
SELECT asyncjob.submit('regress_gone') AS j \gset
SELECT asyncjob.submit('regress_gone') AS k \gset
REVOKE EXECUTE ON FUNCTION aj_err.gone(jsonb) FROM PUBLIC, regress_aj_err;
SELECT asyncjob.drain(1);
DROP FUNCTION aj_err.gone(jsonb);
SELECT asyncjob.drain(1);
SELECT state, error_code, error_message, error_detail, error_hint FROM asyncjob.status(:j);
SELECT state, error_code, error_message, error_detail, error_hint FROM asyncjob.status(:k);
RESET ROLE;

\i :engine_on
-- with a worker: a step's timeout; a deferred trigger is part of the step
SET ROLE regress_aj_err;
CREATE FUNCTION aj_err.sleep(jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT pg_sleep(300); SELECT '{}'::jsonb $$;
CREATE TABLE aj_err.t (n int);
CREATE FUNCTION aj_err.late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.n = 1 THEN
        RAISE EXCEPTION 'refused by a deferred trigger' USING ERRCODE = 'AJ001';
    END IF;
    PERFORM pg_sleep(300);
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON aj_err.t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION aj_err.late();
CREATE FUNCTION aj_err.put(jsonb) RETURNS jsonb LANGUAGE sql AS $$ INSERT INTO aj_err.t VALUES ($1::int); SELECT '{}'::jsonb $$;
SELECT asyncjob.create_pipeline('regress_slow', '[{"name": "a", "handler": "aj_err.sleep", "timeout": "50 ms", "max_attempts": 2, "backoff": ["0 s"]}]') > 0 AS made;
SELECT asyncjob.create_pipeline('regress_put', '[{"name": "a", "handler": "aj_err.put", "timeout": "50 ms", "max_attempts": 1}]') > 0 AS made;
SELECT asyncjob.submit('regress_slow') AS j \gset
SELECT state, attempt, error_code, error_category, error_message, error_hint FROM asyncjob.wait(:j, '1 min');
SELECT asyncjob.submit('regress_put', '1') AS j \gset
SELECT state, attempt, error_code, error_message FROM asyncjob.wait(:j, '1 min');
SELECT asyncjob.submit('regress_put', '2') AS j \gset
SELECT state, attempt, error_code, error_message FROM asyncjob.wait(:j, '1 min');
SELECT count(*) FROM aj_err.t;
-- a free retry does not spend the only attempt
CREATE SEQUENCE aj_err.calls;
CREATE FUNCTION aj_err.busy(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('aj_err.calls') < 3 THEN
        RAISE EXCEPTION 'busy' USING ERRCODE = '40001';
    END IF;
    RETURN to_jsonb(asyncjob.attempt());
END
$$;
SELECT asyncjob.create_pipeline('regress_busy', '[{"name": "a", "handler": "aj_err.busy", "max_attempts": 1}]') > 0 AS made;
SELECT asyncjob.submit('regress_busy') AS j \gset
SELECT state, attempt FROM asyncjob.wait(:j, '1 min');
SELECT asyncjob.result(:j), last_value AS calls FROM aj_err.calls;
-- a worker that has caught an error of its own still can be interrupted
SELECT asyncjob.submit('regress_err', '{"code": "AJ002", "say": "later", "detail": "in a while", "good_from": 2}') AS j \gset
SELECT state, attempt FROM asyncjob.wait(:j, '1 min');
SELECT asyncjob.submit('regress_slow') AS j \gset
SELECT state, attempt, error_message FROM asyncjob.wait(:j, '1 min');
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA aj_err CASCADE;
DROP OWNED BY regress_aj_err;
DROP ROLE regress_aj_err;
