-- Jobs cancelled, retried and purged by filter, as jobs.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common

CREATE ROLE regress_aj_where LOGIN;
CREATE ROLE regress_aj_where2 LOGIN;
SELECT asyncjob.grant_usage('regress_aj_where'), asyncjob.grant_usage('regress_aj_where2');
SELECT asyncjob.create_queue('regress_where');
SELECT asyncjob.pause_queue('regress_where');
CREATE SCHEMA aj_where AUTHORIZATION regress_aj_where;
SET ROLE regress_aj_where;
CREATE FUNCTION aj_where.fail(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF p ->> 'good' IS NULL THEN RAISE EXCEPTION 'no good' USING ERRCODE = 'AJ001'; END IF;
    RETURN p;
END $$;
SELECT asyncjob.create_pipeline('regress_where', '[{"name": "fail", "handler": "aj_where.fail"}]') > 0 AS made;
CREATE VIEW aj_where.states AS
SELECT q.name AS queue, j.user_id, p.name AS pipeline, j.state, count(*)
FROM asyncjob.job j JOIN asyncjob.queue q ON q.id = j.queue_id JOIN asyncjob.pipeline p ON p.id = j.pipeline_id
WHERE q.name = 'regress_where' OR p.name = 'regress_where'
GROUP BY 1, 2, 3, 4;

-- a worker cancels 1,200 of 1,203 jobs, in batches of their own transactions
SELECT count(*) FROM asyncjob.submit_many('noop', ARRAY(SELECT '{}'::jsonb FROM generate_series(1, 1200)), queue => 'regress_where', user_id => 'ada');
SELECT count(*) FROM asyncjob.submit_many('noop', ARRAY(SELECT '{}'::jsonb FROM generate_series(1, 3)), queue => 'regress_where', user_id => 'bob');
SELECT asyncjob.cancel_where('{"queue": "regress_where", "user_id": "ada"}', 'not wanted') AS job \gset
CALL asyncjob.await(:job, '30 s');
SELECT state, pipeline, priority, progress, message FROM asyncjob.status(:job);
SELECT * FROM aj_where.states ORDER BY 1, 2, 3, 4;
SELECT DISTINCT cancel_reason FROM asyncjob.job WHERE state = 'cancelled';
SELECT count(DISTINCT xmin::text) AS transactions FROM asyncjob.job WHERE state = 'cancelled' AND user_id = 'ada';
-- again: nothing is left of them
SELECT asyncjob.cancel_where('{"queue": "regress_where", "user_id": "ada"}') AS job \gset
CALL asyncjob.await(:job, '30 s');

-- of another role's jobs it sees nothing, whatever the filter
SET ROLE regress_aj_where2;
SELECT asyncjob.cancel_where('{}') AS job \gset
CALL asyncjob.await(:job, '30 s');
SET ROLE regress_aj_where;
-- nor of another user's where the session has one
SET asyncjob.user_id = 'ada';
SELECT asyncjob.cancel_where('{"queue": "regress_where"}') AS job \gset
CALL asyncjob.await(:job, '30 s');
SELECT (tap.err($$SELECT asyncjob.submit('cancel_where', '{"filter": {}}')$$)).*;
RESET asyncjob.user_id;
SELECT * FROM aj_where.states WHERE user_id = 'bob' ORDER BY 1, 2, 3, 4;

-- a running job ends, too; what was submitted after it is left alone
CREATE FUNCTION aj_where.hang(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN PERFORM asyncjob.progress(0.5, 'hangs'); PERFORM pg_sleep(600); RETURN p; END $$;
SELECT asyncjob.create_pipeline('regress_hang', '[{"name": "hang", "handler": "aj_where.hang"}]') > 0 AS made;
SELECT asyncjob.submit('regress_hang') AS hang \gset
DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM asyncjob.list_jobs() WHERE message = 'hangs') LOOP PERFORM pg_sleep(0.01); END LOOP; END $$;
SELECT asyncjob.cancel_where('{"state": "running"}') AS job \gset
SELECT asyncjob.submit('noop', queue => 'regress_where') AS later \gset
CALL asyncjob.await(:job, '30 s');
CALL asyncjob.await(:hang, '30 s');
SELECT state FROM asyncjob.status(:later);

-- a time is what it is where it is said, not where the worker is
SELECT asyncjob.submit('noop', queue => 'regress_where', run_at => now() + interval '1 hour') AS timed \gset
BEGIN;
SET LOCAL TimeZone = 'Etc/GMT+11';
SET LOCAL DateStyle = 'SQL, DMY';
SELECT asyncjob.cancel_where(jsonb_build_object('job_ids', ARRAY[:timed], 'created_after', (now() - interval '1 hour')::text,
    'created_before', (now() + interval '1 hour')::text)) AS job \gset
COMMIT;
CALL asyncjob.await(:job, '30 s');
SELECT asyncjob.cancel_where('{"job_ids": [], "created_before": "today", "finished_after": "infinity"}') AS job \gset
SELECT params -> 'filter' ->> 'finished_after' AS for_ever, (params -> 'filter' ->> 'created_before')::timestamptz = 'today' AS today,
    params -> 'filter' ->> 'created_before' ~ '^\d{4}-\d\d-\d\d 00:00:00[+-]\d' AS settled FROM asyncjob.job WHERE id = :job;
CALL asyncjob.await(:job, '30 s');

-- the rest in drain(), whose transaction it can't commit
RESET ROLE;
\i :engine_off
SET ROLE regress_aj_where;
SELECT asyncjob.cancel_where('{"queue": "regress_where"}') AS job \gset
SELECT asyncjob.drain();
SELECT asyncjob.result(:job);
-- jobs that it belongs to are not cancelled
CREATE FUNCTION aj_where.clean(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.spawn('cancel_where', '{"filter": {}}');
    RETURN asyncjob.wait_for_children() -> 0 -> 'result';
END $$;
SELECT asyncjob.create_pipeline('regress_clean', '[{"name": "clean", "handler": "aj_where.clean"}]') > 0 AS made;
SELECT asyncjob.submit('noop', queue => 'regress_where') AS other \gset
SELECT asyncjob.submit('regress_clean') AS clean \gset
SELECT asyncjob.drain();
SELECT state, asyncjob.result(:clean) FROM asyncjob.status(:clean);

-- retried: dead letters, of one unique_key the newest, none where one is unfinished
SELECT count(*) FROM asyncjob.submit_many('regress_where', ARRAY(SELECT '{}'::jsonb FROM generate_series(1, 600)), user_id => 'ada');
SELECT asyncjob.submit('regress_where', unique_key => 'k') AS k1 \gset
SELECT asyncjob.submit('regress_where', unique_key => 'u') AS u1 \gset
SELECT asyncjob.drain();
SELECT asyncjob.submit('regress_where', unique_key => 'k') AS k2 \gset
SELECT asyncjob.drain();
SELECT asyncjob.submit('noop', unique_key => 'u', run_at => now() + interval '1 day') AS u2 \gset
SELECT count(*) FROM asyncjob.dead_letters WHERE pipeline = 'regress_where';
CREATE OR REPLACE FUNCTION aj_where.fail(p jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT ''{"good": 1}''::jsonb';
SELECT asyncjob.retry_where('{"pipeline": "regress_where", "message": "no%"}') AS job \gset
SELECT asyncjob.drain();
SELECT asyncjob.result(:job);
SELECT (asyncjob.status(:k1)).state AS k1, (asyncjob.status(:k2)).state AS k2, (asyncjob.status(:u1)).state AS u1;
SELECT count(*) FROM asyncjob.job WHERE user_id = 'ada' AND state = 'completed' AND result = '{"good": 1}';
-- and cancelled ones, if that is asked for
SELECT asyncjob.retry_where('{"user_id": "bob", "state": "cancelled"}') AS job \gset
SELECT asyncjob.drain();
SELECT asyncjob.result(:job);
SELECT * FROM aj_where.states WHERE user_id = 'bob' ORDER BY 1, 2, 3, 4;

-- purged, but for one that is held
SELECT asyncjob.pin(:k1) > now() AS held;
SELECT asyncjob.purge_where('{"pipeline": "regress_where"}') AS job \gset
SELECT asyncjob.drain();
SELECT asyncjob.result(:job);
SELECT asyncjob.unpin(:k1);
SELECT asyncjob.purge_where('{"state": "cancelled", "user_id": "ada"}') AS job \gset
SELECT asyncjob.drain();
SELECT asyncjob.result(:job);
SELECT * FROM aj_where.states ORDER BY 1, 2, 3, 4;

-- a second run goes on where the first stopped, and counts nothing twice
SELECT count(*) FROM asyncjob.submit_many('noop', ARRAY(SELECT '{}'::jsonb FROM generate_series(1, 3)), queue => 'regress_where', user_id => 'carl');
SELECT asyncjob.cancel_where('{"user_id": "carl"}') AS job \gset
RESET ROLE;
INSERT INTO asyncjob.job_memo (job_id, step_no, kind, name, value)
SELECT :job, 0, 'checkpoint', 'how far', jsonb_build_object('total', 3, 'last', min(id), 'matched', 1, 'done', 0, 'ended', 1)
FROM asyncjob.job WHERE user_id = 'carl' AND state = 'queued';
SET ROLE regress_aj_where;
SELECT asyncjob.drain();
SELECT asyncjob.result(:job);
SELECT * FROM aj_where.states WHERE user_id = 'carl' ORDER BY 1, 2, 3, 4;
-- run() and the switch for no workers
SELECT asyncjob.run('cancel_where', '{"filter": {"user_id": "carl"}}');
SET asyncjob.synchronous = on;
SELECT asyncjob.result(asyncjob.purge_where('{"user_id": "carl", "state": "cancelled"}'));
RESET asyncjob.synchronous;

-- bad input is refused at once, and nothing is stored
SELECT (tap.err(s)).* FROM unnest(ARRAY[
    $$SELECT asyncjob.cancel_where(NULL)$$, $$SELECT asyncjob.cancel_where('[]')$$, $$SELECT asyncjob.cancel_where('{"pipline": "x"}')$$,
    $$SELECT asyncjob.cancel_where('{"state": "completed"}')$$, $$SELECT asyncjob.retry_where('{"state": "queued"}')$$,
    $$SELECT asyncjob.purge_where('{"state": "running"}')$$, $$SELECT asyncjob.purge_where('{"state": "dead"}')$$,
    $$SELECT asyncjob.cancel_where('{"created_after": "soon"}')$$, $$SELECT asyncjob.cancel_where('0')$$,
    $$SELECT asyncjob.cancel_where('{}', queue => 'none')$$, $$SELECT asyncjob.cancel_where('{}', priority => '11')$$,
    $$SELECT asyncjob.submit('cancel_where')$$, $$SELECT asyncjob.submit('retry_where', '{"filter": {}, "x": 1}')$$,
    $$SELECT asyncjob.submit('cancel_where', '{"filter": {}, "reason": 5}')$$,
    $$CALL asyncjob.step_cancel_where('{"filter": {}}')$$]) s;
SELECT count(*) FROM asyncjob.job j JOIN asyncjob.pipeline p ON p.id = j.pipeline_id WHERE p.name LIKE '%\_where' AND j.state = 'queued';
RESET ROLE;
SELECT asyncjob.resume_queue('regress_where');
\i :engine_on
