-- checkpoint() and sleep(); handlers that are procedures.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common

\i :engine_off

SET statement_timeout = '60 s';
CREATE ROLE regress_aj_sl LOGIN;
SELECT asyncjob.grant_usage('regress_aj_sl');
CREATE SCHEMA aj_sl AUTHORIZATION regress_aj_sl;
SET ROLE regress_aj_sl;
CREATE TABLE aj_sl.ran (what text);
-- WHEN OTHERS does not keep a job awake
CREATE FUNCTION aj_sl.nap(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO aj_sl.ran VALUES ('nap begins');
    BEGIN
        PERFORM asyncjob.sleep('nap', '1 hour');
    EXCEPTION WHEN OTHERS THEN
        INSERT INTO aj_sl.ran VALUES ('caught');
    END;
    INSERT INTO aj_sl.ran VALUES ('nap ends');
    RETURN to_jsonb(asyncjob.attempt());
END
$$;
SELECT asyncjob.create_pipeline('regress_sl', '[{"name": "first", "handler": "asyncjob.step_noop"}, {"name": "nap", "handler": "aj_sl.nap"}]') > 0 AS made;

SELECT asyncjob.submit('regress_sl') AS j \gset
SELECT asyncjob.drain();
SELECT state, step, completed_steps, attempt, run_at - now() BETWEEN '59 min' AND '61 min' AS in_an_hour FROM asyncjob.status(:j);
SELECT regexp_replace(asyncjob.explain(:j), 'until .*', 'until ...');
SELECT * FROM aj_sl.ran;
-- nothing wakes it before its time
SELECT asyncjob.drain();
SELECT * FROM tap.err(format('SELECT asyncjob.retry(%s)', :j));
-- an hour later
RESET ROLE;
CREATE FUNCTION aj_sl.pass(j bigint, t interval) RETURNS void LANGUAGE sql AS $$
    UPDATE asyncjob.job SET run_at = run_at - t WHERE id = j AND state = 'waiting';
    UPDATE asyncjob.job_memo SET wake_at = wake_at - t WHERE job_id = j;
$$;
-- a job that is woken too early goes back to sleep
UPDATE asyncjob.job SET run_at = now() WHERE id = :j;
SET ROLE regress_aj_sl;
SELECT asyncjob.drain();
SELECT state, run_at - now() BETWEEN '59 min' AND '61 min' AS in_an_hour FROM asyncjob.status(:j);
RESET ROLE;
SELECT aj_sl.pass(:j, '1 hour');
SET ROLE regress_aj_sl;
SELECT asyncjob.drain();
SELECT state, attempt FROM asyncjob.status(:j);
SELECT asyncjob.result(:j);
SELECT * FROM aj_sl.ran;
SELECT * FROM tap.history(:j);

-- cancelled in its sleep, and begun again: it need not sleep anew
TRUNCATE aj_sl.ran;
SELECT asyncjob.submit('regress_sl') AS j \gset
SELECT asyncjob.drain();
SELECT asyncjob.cancel(:j, 'no need');
SELECT state, message FROM asyncjob.status(:j);
RESET ROLE;
SELECT aj_sl.pass(:j, '1 hour');
SET ROLE regress_aj_sl;
SELECT asyncjob.drain();
SELECT asyncjob.retry(:j);
SELECT asyncjob.drain();
SELECT state FROM asyncjob.status(:j);
SELECT * FROM aj_sl.ran;

-- what is refused
SELECT * FROM tap.err($$SELECT asyncjob.sleep('a', '-1 s')$$);
SELECT * FROM tap.err($$SELECT asyncjob.sleep('a', '367 days')$$);
SELECT * FROM tap.err($$SELECT asyncjob.sleep('a', '100000 years')$$);
SELECT * FROM tap.err($$SELECT asyncjob.sleep('a', NULL)$$);
SELECT * FROM tap.err($$SELECT asyncjob.sleep(NULL, '1 s')$$);
SELECT * FROM tap.err($$SELECT asyncjob.sleep('', '1 s')$$);
SELECT * FROM tap.err($$SELECT asyncjob.checkpoint(repeat('x', 256), '1')$$);
SELECT * FROM tap.err($$SELECT asyncjob.checkpoint(NULL)$$);
-- outside of a job, and in run(), sleep() sleeps
SELECT asyncjob.sleep('a', '1 ms'), asyncjob.sleep('a', '0');
SELECT asyncjob.checkpoint('a', '{"b": 1}'), asyncjob.checkpoint('a'), asyncjob.checkpoint('a', NULL);
CREATE FUNCTION aj_sl.blink(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.sleep('blink', '1 ms');
    RETURN '"blinked"';
END
$$;
SELECT asyncjob.create_pipeline('regress_sl_blink', '[{"name": "a", "handler": "aj_sl.blink"}]') > 0 AS made;
SELECT asyncjob.run('regress_sl_blink');

-- a step that says "batch" may sleep, too
SELECT asyncjob.create_pipeline('regress_sl_batch', '[{"name": "a", "handler": "aj_sl.nap", "batch": true}]') > 0 AS made;

-- a procedure: what it committed before a checkpoint is not done again
CREATE PROCEDURE aj_sl.work(INOUT p jsonb) LANGUAGE plpgsql AS $$
BEGIN
    IF asyncjob.checkpoint('paid') IS NULL THEN
        INSERT INTO aj_sl.ran VALUES ('paid');
        PERFORM asyncjob.artifact('receipt', 'receipt', 'text/plain', 'paid');
        PERFORM asyncjob.checkpoint('paid', '{"eur": 5}');
        COMMIT;
    END IF;
    INSERT INTO aj_sl.ran VALUES ('tries to send');
    IF asyncjob.attempt() < 3 THEN
        RAISE EXCEPTION 'could not send';
    END IF;
    COMMIT;
    INSERT INTO aj_sl.ran VALUES ('sent');
    p := p || asyncjob.checkpoint('paid');
END
$$;
SELECT asyncjob.create_pipeline('regress_sl_proc', '[{"name": "work", "handler": "aj_sl.work", "backoff": ["0 s"]}]') > 0 AS made;
SELECT steps -> 0 ->> 'handler' AS handler FROM asyncjob.pipelines WHERE name = 'regress_sl_proc';
-- in another's transaction it cannot commit
SELECT * FROM tap.err($$SELECT asyncjob.run('regress_sl_proc')$$);
SELECT asyncjob.submit('regress_sl_proc', '{"n": 1}') AS j \gset
SELECT asyncjob.drain();
SELECT state, attempt, error_code FROM asyncjob.status(:j);

-- procedures that don't fit
CREATE PROCEDURE aj_sl.in_only(IN p jsonb) LANGUAGE sql AS '';
CREATE PROCEDURE aj_sl.of_text(INOUT p text) LANGUAGE sql AS 'SELECT p';
SELECT * FROM tap.err($$SELECT asyncjob.create_pipeline('regress_sl_bad', '[{"name": "a", "handler": "aj_sl.in_only"}]')$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_pipeline('regress_sl_bad', '[{"name": "a", "handler": "aj_sl.of_text"}]')$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_pipeline('regress_sl_bad', '[{"name": "a", "handler": "asyncjob.step_noop"}]', validator => 'aj_sl.work')$$);
RESET ROLE;

\i :engine_on
-- with workers
SET ROLE regress_aj_sl;
TRUNCATE aj_sl.ran;
SELECT asyncjob.submit('regress_sl_proc', '{"n": 1}') AS j \gset
SELECT state, attempt FROM asyncjob.wait(:j, '1 min');
SELECT asyncjob.result(:j);
SELECT * FROM aj_sl.ran;
SELECT name, size FROM asyncjob.artifacts(:j);

-- a procedure that sleeps between two transactions, and returns null;
-- what its role has set for later transactions does not matter
RESET ROLE;
ALTER ROLE regress_aj_sl SET default_transaction_read_only = on;
ALTER ROLE regress_aj_sl SET default_transaction_isolation = 'repeatable read';
SELECT coalesce(bool_and(pg_terminate_backend(pid)), true) AS ended FROM asyncjob.workers() WHERE role = 'regress_aj_sl' AND pid <> 0;
SET ROLE regress_aj_sl;
TRUNCATE aj_sl.ran;
CREATE PROCEDURE aj_sl.rest(INOUT p jsonb) LANGUAGE plpgsql AS $$
DECLARE
    n int;
BEGIN
    INSERT INTO aj_sl.ran VALUES (current_setting('transaction_isolation'));
    COMMIT;
    INSERT INTO aj_sl.ran VALUES (current_setting('transaction_isolation'));
    FOR n IN SELECT generate_series(1, 2) LOOP
        COMMIT;
    END LOOP;
    ROLLBACK;
    PERFORM asyncjob.sleep('rest', '20 ms');
    p := NULL;
END
$$;
SELECT asyncjob.create_pipeline('regress_sl_rest', '[{"name": "a", "handler": "aj_sl.rest"}, {"name": "b", "handler": "asyncjob.step_noop"}]') > 0 AS made;
SELECT asyncjob.submit('regress_sl_rest', '{"n": 1}') AS j \gset
SELECT state, error_message FROM asyncjob.wait(:j, '1 min');
SELECT asyncjob.result(:j);
SELECT what, count(*) FROM aj_sl.ran GROUP BY 1;
-- cancel() in the middle of one
CREATE PROCEDURE aj_sl.hang(INOUT p jsonb) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO aj_sl.ran VALUES ('hangs');
    COMMIT;
    INSERT INTO aj_sl.ran VALUES ('gone');
    PERFORM asyncjob.progress(0.5);
    PERFORM pg_sleep(300);
END
$$;
SELECT asyncjob.create_pipeline('regress_sl_hang', '[{"name": "a", "handler": "aj_sl.hang", "timeout": "10 min"}]') > 0 AS made;
SELECT asyncjob.submit('regress_sl_hang') AS j \gset
DO $$
BEGIN
    WHILE NOT EXISTS (SELECT FROM asyncjob.workers() WHERE step_progress = 0.5) LOOP
        PERFORM pg_sleep(0.01);
    END LOOP;
END
$$;
SELECT asyncjob.cancel(:j);
SELECT state FROM asyncjob.wait(:j, '1 min');
SELECT what FROM aj_sl.ran WHERE what IN ('hangs', 'gone');
-- and a timeout that counts across its transactions
SELECT asyncjob.create_pipeline('regress_sl_hang', '[{"name": "a", "handler": "aj_sl.hang", "timeout": "100 ms", "max_attempts": 1}]') > 0 AS made;
SELECT asyncjob.submit('regress_sl_hang') AS j \gset
SELECT state, error_category, error_message FROM asyncjob.wait(:j, '1 min');

-- many sleepers hold no worker
SELECT count(*) FROM asyncjob.submit_many('regress_sl_batch', array_fill('{}'::jsonb, ARRAY[50]));
SELECT asyncjob.submit('regress_sl_blink') AS j \gset
SELECT state FROM asyncjob.wait(:j, '1 min');
DO $$
BEGIN
    WHILE (SELECT count(*) FROM asyncjob.list_jobs(state => 'waiting')) < 50 LOOP
        PERFORM pg_sleep(0.01);
    END LOOP;
END
$$;
DO $$
BEGIN
    WHILE EXISTS (SELECT FROM asyncjob.workers() WHERE state = 'busy') LOOP
        PERFORM pg_sleep(0.01);
    END LOOP;
END
$$;
RESET ROLE;
SELECT count(asyncjob.cancel(id)) FROM asyncjob.job WHERE state = 'waiting';

SET client_min_messages = warning;
DROP SCHEMA aj_sl CASCADE;
DROP OWNED BY regress_aj_sl;
DROP ROLE regress_aj_sl;
