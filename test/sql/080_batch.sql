-- Steps that may share a transaction: every job ends on its own all the same.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\i :common

CREATE ROLE regress_aj_batch LOGIN;
SELECT asyncjob.grant_usage('regress_aj_batch');
CREATE SCHEMA aj_b AUTHORIZATION regress_aj_batch;
SET ROLE regress_aj_batch;
CREATE TABLE aj_b.done (n int, job bigint);
CREATE FUNCTION aj_b.put(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO aj_b.done VALUES (p::int, asyncjob.current_job());
    IF p::int % 50 = 25 THEN
        RAISE EXCEPTION '% fails', p USING ERRCODE = 'AJ001';
    ELSIF p::int % 50 = 30 THEN
        PERFORM asyncjob.log('info', 'a line');
        PERFORM asyncjob.artifact('a', 'text', 'text/plain', 'x');
    ELSIF p::int % 50 = 35 THEN
        SET work_mem = '77MB';
    END IF;
    RETURN jsonb_build_object('n', p);
END
$$;
CREATE TABLE aj_b.late (n int);
CREATE FUNCTION aj_b.put_late(p jsonb) RETURNS jsonb LANGUAGE sql AS $$
    INSERT INTO aj_b.late VALUES (p::int);
    SELECT p;
$$;
SELECT asyncjob.create_pipeline('regress_batch', '[{"name": "a", "handler": "aj_b.put", "batch": true}]') > 0 AS made;
-- results, effects, log lines and artifacts of each; failures of those that fail
SELECT array_agg(j) AS jobs FROM asyncjob.submit_many('regress_batch', (SELECT array_agg(to_jsonb(i) ORDER BY i) FROM generate_series(1, 200) i)) j \gset
SELECT s.state, count(*), count(*) FILTER (WHERE s.attempt = 1) AS first_attempt FROM unnest(:'jobs'::bigint[]) j, asyncjob.wait(j, '1 min') s GROUP BY 1 ORDER BY 1;
SELECT count(*), count(DISTINCT d.n), bool_and(j.params = to_jsonb(d.n)) AS right_job, bool_and(j.state = 'completed') AS all_completed,
       bool_and(j.result = jsonb_build_object('n', d.n)) AS right_result, bool_and(j.seq >= 3 AND j.started_at <= j.finished_at) AS in_order
    FROM aj_b.done d JOIN asyncjob.job j ON j.id = d.job;
SELECT j.params, s.state, s.error_message FROM unnest(:'jobs'::bigint[]) i, asyncjob.status(i) s, asyncjob.job j WHERE j.id = i AND s.state <> 'completed' ORDER BY i;
SELECT j.params, u.seq, u.kind, u.state, u.message, (SELECT count(*) FROM asyncjob.artifacts(j.id)) AS artifacts
    FROM asyncjob.job j, asyncjob.updates(j.id) u WHERE j.id = ANY (:'jobs') AND j.params IN ('29', '30', '31', '75') ORDER BY j.id, u.seq;
-- a deferred trigger's error is that of its job, not of the batch
CREATE FUNCTION aj_b.check_late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        PERFORM 1 / (NEW.n % 2);
    EXCEPTION WHEN division_by_zero THEN
        NULL;
    END;
    IF NEW.n = 20 THEN
        RAISE EXCEPTION 'refused late' USING ERRCODE = 'AJ001';
    END IF;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER check_late AFTER INSERT ON aj_b.late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION aj_b.check_late();
SELECT asyncjob.create_pipeline('regress_late', '[{"name": "a", "handler": "aj_b.put_late", "batch": true}]') > 0 AS made;
SELECT array_agg(j) AS jobs FROM asyncjob.submit_many('regress_late', (SELECT array_agg(to_jsonb(i) ORDER BY i) FROM generate_series(1, 40) i)) j \gset
SELECT s.state, count(*) FROM unnest(:'jobs'::bigint[]) j, asyncjob.wait(j, '1 min') s GROUP BY 1 ORDER BY 1;
SELECT count(*), count(DISTINCT n), bool_or(n = 20) AS has_20 FROM aj_b.late;
-- whatever the order in which they fall due, each gets its own result
SELECT array_agg(asyncjob.submit('noop', to_jsonb(i), run_at => now() - (i * 37 % 100) * interval '1 s')) AS jobs FROM generate_series(1, 300) i \gset
SELECT count(*), bool_and(s.state = 'completed') AS completed, bool_and(asyncjob.result(j) = (SELECT params FROM asyncjob.job WHERE id = j)) AS own_result
    FROM unnest(:'jobs'::bigint[]) j, asyncjob.wait(j, '1 min') s;
-- after all that a worker still can be interrupted
CREATE FUNCTION aj_b.sleep(jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT pg_sleep(300); SELECT $1 $$;
SELECT asyncjob.create_pipeline('regress_b_sleep', '[{"name": "a", "handler": "aj_b.sleep", "timeout": "50 ms", "max_attempts": 1}]') > 0 AS made;
SELECT asyncjob.submit('regress_b_sleep') AS j \gset
SELECT state, error_message FROM asyncjob.wait(:j, '1 min');
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA aj_b CASCADE;
DROP OWNED BY regress_aj_batch;
DROP ROLE regress_aj_batch;
