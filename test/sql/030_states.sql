-- States of a job: what each of them says, and the ways between them.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common

\i :engine_off

CREATE ROLE regress_aj_st LOGIN;
SELECT asyncjob.grant_usage('regress_aj_st');
SELECT asyncjob.create_queue('regress_st');
CREATE SCHEMA aj_st AUTHORIZATION regress_aj_st;
SET ROLE regress_aj_st;
CREATE TABLE aj_st.switch (fail boolean);
INSERT INTO aj_st.switch VALUES (true);
CREATE TABLE aj_st.ran (step text);
CREATE FUNCTION aj_st.first(jsonb) RETURNS jsonb LANGUAGE sql AS $$
    INSERT INTO aj_st.ran VALUES ('first');
    SELECT jsonb_build_object('first', $1);
$$;
CREATE FUNCTION aj_st.second(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO aj_st.ran VALUES ('second');
    PERFORM asyncjob.log('info', 'second runs');
    IF (SELECT fail FROM aj_st.switch) THEN
        RAISE EXCEPTION 'switched to fail' USING ERRCODE = 'AJ001', DETAIL = 'aj_st.switch is on.', HINT = 'Turn it off.';
    END IF;
    RETURN jsonb_build_object('second', $1);
END
$$;
SELECT asyncjob.create_pipeline('regress_st', '[{"name": "first", "handler": "aj_st.first"}, {"name": "second", "handler": "aj_st.second"}]') > 0 AS made;

-- queued
SELECT asyncjob.submit('regress_st', '{"n": 1}', user_id => 'ann') AS j \gset
SELECT state, step, step_no, completed_steps, total_steps, progress, queue_position, attempt FROM asyncjob.status(:j);
SELECT step_no, name, state, attempt, progress, started_at, finished_at, error_message FROM asyncjob.steps(:j);
SELECT asyncjob.explain(:j);
SELECT asyncjob.result(:j);
SELECT * FROM tap.history(:j);
SELECT * FROM tap.err(format('SELECT asyncjob.retry(%s)', :j));

-- failed: the first step stays done, the second is rolled back, its log kept
SELECT asyncjob.drain();
SELECT state, step, step_no, completed_steps, total_steps, progress, attempt, queue_position,
       error_code, error_category, error_message, error_detail, error_hint FROM asyncjob.status(:j) \gx
SELECT step_no, name, state, attempt, progress, started_at IS NOT NULL AS started, finished_at IS NOT NULL AS finished, error_message FROM asyncjob.steps(:j);
SELECT asyncjob.explain(:j);
SELECT asyncjob.result(:j);
SELECT * FROM tap.history(:j);
SELECT * FROM aj_st.ran;
SELECT pipeline, queue, owner, user_id, step_no, attempts, sqlstate, category, message, detail, hint FROM asyncjob.dead_letters \gx
SELECT asyncjob.cancel(:j);
SELECT state FROM asyncjob.wait(:j, '1 min');

-- retry(): the finished step is not run again
UPDATE aj_st.switch SET fail = false;
SELECT asyncjob.retry(:j);
SELECT state, step, completed_steps, attempt, error_code, error_message, finished_at FROM asyncjob.status(:j);
SELECT asyncjob.drain();
SELECT state, step, step_no, completed_steps, progress, step_progress, attempt, error_message FROM asyncjob.status(:j);
SELECT asyncjob.result(:j);
SELECT step, count(*) FROM aj_st.ran GROUP BY 1 ORDER BY 1;
SELECT step_no, name, state, attempt, progress, started_at <= finished_at AS in_order, error_message FROM asyncjob.steps(:j);
SELECT * FROM tap.history(:j);
SELECT seq, kind FROM asyncjob.updates(:j, 8);
SELECT asyncjob.explain(:j);
SELECT * FROM tap.err(format('SELECT asyncjob.retry(%s)', :j));
SELECT asyncjob.cancel(:j) AS too_late;
SELECT asyncjob.reprioritize(:j, 9) AS too_late;
SELECT count(*) FROM asyncjob.dead_letters;

-- cancelled before it ran, and queued again
SELECT asyncjob.submit('noop', '{"n": 2}') AS j \gset
SELECT asyncjob.cancel(:j, 'changed my mind');
SELECT asyncjob.cancel(:j, 'again');
SELECT state, attempt, started_at, finished_at IS NOT NULL AS finished FROM asyncjob.status(:j);
SELECT asyncjob.explain(:j);
SELECT * FROM tap.history(:j);
SELECT asyncjob.drain();
SELECT asyncjob.retry(:j);
SELECT asyncjob.drain();
SELECT asyncjob.result(:j);
SELECT * FROM tap.history(:j);

-- order: priority, then due time, then id
SELECT asyncjob.submit('noop', '"third"', run_at => now() - interval '1 min') AS a \gset
SELECT asyncjob.submit('noop', '"fourth"', run_at => now() - interval '1 s') AS b \gset
SELECT asyncjob.submit('noop', '"fifth"', run_at => now() - interval '1 s') AS c \gset
SELECT asyncjob.submit('noop', '"second"', run_at => now() - interval '1 hour') AS d \gset
SELECT asyncjob.submit('noop', '"first"', priority => '6') AS e \gset
SELECT asyncjob.submit('noop', '"last"', priority => '4', run_at => now() - interval '1 day') AS f \gset
SELECT asyncjob.submit('noop', '"not yet"', priority => '10', run_at => now() + interval '1 hour') AS g \gset
SELECT j.params, s.queue_position FROM asyncjob.job j, asyncjob.status(j.id) s WHERE j.state = 'queued' AND j.run_at < now() ORDER BY j.id;
SELECT asyncjob.drain(2);
SELECT params FROM asyncjob.job WHERE state = 'completed' AND id >= :a ORDER BY started_at;
SELECT asyncjob.drain(0), asyncjob.drain(2), asyncjob.drain(NULL), asyncjob.drain();
SELECT params FROM asyncjob.job WHERE state = 'completed' AND id >= :a ORDER BY started_at;
SELECT state, asyncjob.explain(:g) LIKE 'It waits: it is not due before %' AS explained FROM asyncjob.status(:g);
SELECT asyncjob.cancel(:g);
SELECT * FROM tap.err('SELECT asyncjob.drain(-1)');

-- reprioritize()
SELECT asyncjob.submit('noop', '"a"') AS a \gset
SELECT asyncjob.submit('noop', '"b"') AS b \gset
SELECT asyncjob.reprioritize(:b, 7);
SELECT priority, queue_position FROM asyncjob.status(:b);
SELECT queue_position FROM asyncjob.status(:a);
SELECT asyncjob.drain(1);
SELECT (SELECT state FROM asyncjob.status(:a)) AS a, (SELECT state FROM asyncjob.status(:b)) AS b;
SELECT * FROM tap.err(format('SELECT asyncjob.reprioritize(%s, 11)', :a));
SELECT * FROM tap.err(format('SELECT asyncjob.reprioritize(%s, -1)', :a));
SELECT * FROM tap.err(format('SELECT asyncjob.reprioritize(%s, NULL)', :a));
SELECT asyncjob.drain();

-- a paused queue waits; other queues do not
SELECT asyncjob.submit('noop', queue => 'regress_st', priority => '10') AS a \gset
SELECT asyncjob.submit('noop') AS b \gset
RESET ROLE;
SELECT asyncjob.pause_queue('regress_st');
SET ROLE regress_aj_st;
SELECT asyncjob.drain();
SELECT (SELECT state FROM asyncjob.status(:a)) AS a, (SELECT state FROM asyncjob.status(:b)) AS b;
SELECT asyncjob.explain(:a);
RESET ROLE;
SELECT asyncjob.resume_queue('regress_st');
SET ROLE regress_aj_st;
SELECT asyncjob.drain();
SELECT state FROM asyncjob.status(:a);

-- drain() leaves other roles' jobs alone
RESET ROLE;
SELECT asyncjob.submit('noop', '"of the superuser"') AS s \gset
SET ROLE regress_aj_st;
SELECT asyncjob.drain();
RESET ROLE;
SELECT state FROM asyncjob.status(:s);
SELECT asyncjob.cancel(:s);
SET ROLE regress_aj_st;

-- one claim takes one job, also where the table had one row when it was
-- analyzed, as autovacuum may do at any time
RESET ROLE;
BEGIN;
TRUNCATE asyncjob.job;
SET LOCAL ROLE regress_aj_st;
SELECT asyncjob.submit('noop') > 0 AS submitted;
RESET ROLE;
ANALYZE asyncjob.job;
SET LOCAL ROLE regress_aj_st;
SELECT count(*) FROM asyncjob.submit_many('noop', array_fill('{}'::jsonb, ARRAY[20]));
SELECT asyncjob.drain(3);
SELECT state, count(*) FROM asyncjob.job GROUP BY 1 ORDER BY 1;
ROLLBACK;
SET ROLE regress_aj_st;

-- list_jobs()
SELECT pipeline, state, user_id FROM asyncjob.list_jobs(user_id => 'ann');
SELECT count(*), bool_and(state = 'cancelled') FROM asyncjob.list_jobs(state => 'cancelled');
SELECT count(*) FROM asyncjob.list_jobs(session_id => 'none');
SELECT job_id AS last FROM asyncjob.list_jobs(max_rows => 2) OFFSET 1 \gset
SELECT count(*), max(job_id) < :last AS older FROM asyncjob.list_jobs(after => :last, max_rows => 3);
SELECT array_agg(job_id) = array_agg(job_id ORDER BY job_id DESC) AS newest_first FROM asyncjob.list_jobs();
SELECT * FROM tap.err($$SELECT asyncjob.list_jobs(state => 'done')$$);
SELECT * FROM tap.err($$SELECT asyncjob.list_jobs(max_rows => 0)$$);
SELECT * FROM tap.err($$SELECT asyncjob.list_jobs(max_rows => 10001)$$);

-- wait() and await()
BEGIN;
SELECT asyncjob.submit('noop') AS j \gset
SELECT * FROM tap.err(format('SELECT asyncjob.wait(%s)', :j));
SAVEPOINT s;
SELECT asyncjob.reprioritize(:j, 6);
SELECT * FROM tap.err(format('SELECT asyncjob.wait(%s)', :j));
ROLLBACK;
SELECT asyncjob.submit('noop', '"w"') AS j \gset
SELECT state FROM asyncjob.wait(:j, '0');
SELECT state FROM asyncjob.wait(:j, '10 ms');
CALL asyncjob.await(:j, '10 ms');
SELECT * FROM tap.err(format('SELECT asyncjob.wait(%s, ''-1 s'')', :j));
SELECT * FROM tap.err('SELECT asyncjob.wait(NULL)');
SELECT * FROM tap.err(format('CALL asyncjob.await(%s)', :j));
BEGIN;
CALL asyncjob.await(:j);
ROLLBACK;
CALL asyncjob.await(NULL);
CALL asyncjob.await(:j, '-1 s');
SELECT asyncjob.drain();
SELECT state FROM asyncjob.wait(:j);
CALL asyncjob.await(:j);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT state FROM asyncjob.wait(:j);
COMMIT;

RESET ROLE;
\i :engine_on
-- with workers: a running job is waited for, cancelled and gone
SET ROLE regress_aj_st;
CREATE FUNCTION aj_st.sleep(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.progress(0.5, 'asleep');
    PERFORM pg_sleep(300);
    RETURN '{}';
END
$$;
SELECT asyncjob.create_pipeline('regress_sleep', '[{"name": "a", "handler": "asyncjob.step_noop"}, {"name": "b", "handler": "aj_st.sleep"}]') > 0 AS made;
SELECT asyncjob.submit('noop', '"by a worker"') AS j \gset
CALL asyncjob.await(:j);
SELECT state, attempt FROM asyncjob.status(:j);
SELECT asyncjob.submit('regress_sleep') AS j \gset
-- live progress is seen while the step runs
DO $$
BEGIN
    WHILE (SELECT message IS DISTINCT FROM 'asleep' FROM asyncjob.list_jobs(max_rows => 1)) LOOP
        PERFORM pg_sleep(0.01);
    END LOOP;
END
$$;
SELECT state, step, step_no, completed_steps, progress, step_progress, message, attempt, queue_position FROM asyncjob.status(:j);
SELECT step_no, name, state, attempt, progress FROM asyncjob.steps(:j);
SELECT role, state, job_id = :j AS this_job, step_progress FROM asyncjob.workers() WHERE state = 'busy';
SELECT asyncjob.explain(:j);
SELECT * FROM tap.err(format('SELECT asyncjob.retry(%s)', :j));
SELECT asyncjob.reprioritize(:j, 9) AS too_late;
SELECT asyncjob.cancel(:j, 'enough');
SELECT state FROM asyncjob.wait(:j, '1 min');
SELECT * FROM tap.history(:j);
SELECT step_no, name, state, error_message FROM asyncjob.steps(:j);

-- a pending cancel does not hit the worker's next job
SELECT asyncjob.submit('noop', '"next"') AS j \gset
SELECT state FROM asyncjob.wait(:j, '1 min');
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA aj_st CASCADE;
DROP OWNED BY regress_aj_st;
DROP ROLE regress_aj_st;
