-- Pipelines that are paused, databases that are quiesced, and what explain() says of all that waits.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common
\i :engine_off
CREATE ROLE regress_aj_pause LOGIN;
CREATE ROLE regress_aj_pause2 LOGIN;
SELECT asyncjob.grant_usage('regress_aj_pause'), asyncjob.grant_usage('regress_aj_pause2');
CREATE SCHEMA aj_pause AUTHORIZATION regress_aj_pause;
SET ROLE regress_aj_pause;
CREATE FUNCTION aj_pause.step(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF p = '"snooze"' THEN RAISE EXCEPTION USING ERRCODE = 'AJ003', MESSAGE = 'later', DETAIL = '1 hour'; END IF;
    IF p = '"fail"' THEN RAISE EXCEPTION 'no wind'; END IF;
    RETURN p;
END $$;
SELECT asyncjob.create_pipeline('regress_pause_a', '[{"name": "a", "handler": "aj_pause.step", "max_attempts": 2, "backoff": ["1 hour"]}]') > 0 AS made,
    asyncjob.create_pipeline('regress_pause_b', '[{"name": "b", "handler": "aj_pause.step"}]') > 0 AS made,
    asyncjob.create_pipeline('regress_pause_x', '[{"name": "x", "handler": "external"}]') > 0 AS made;
SELECT asyncjob.grant_pipeline('regress_pause_a', 'regress_aj_pause2');
CREATE VIEW aj_pause.jobs AS SELECT j.params, j.state, j.waiting_for FROM asyncjob.job j WHERE j.item_no IS NULL ORDER BY j.id;

-- a paused pipeline: its jobs wait, those between them run
SELECT asyncjob.submit('regress_pause_a', '1') AS j \gset
SELECT asyncjob.submit('regress_pause_b', '2') IS NOT NULL AS submitted;
SELECT asyncjob.submit('regress_pause_a', '3', priority => '9') IS NOT NULL AS submitted;
SELECT asyncjob.pause_pipeline('regress_pause_a');
SELECT name, paused FROM asyncjob.pipelines WHERE name LIKE 'regress_pause%' ORDER BY 1;
SELECT asyncjob.explain(:j);
SELECT asyncjob.drain();
TABLE aj_pause.jobs;
SELECT asyncjob.explain(:j);
-- pausing again changes nothing, new jobs are accepted, a new version is paused too
SELECT paused_at FROM asyncjob.pipeline WHERE name = 'regress_pause_a' \gset
SELECT asyncjob.pause_pipeline('regress_pause_a');
SELECT asyncjob.create_pipeline('regress_pause_a', '[{"name": "a", "handler": "aj_pause.step", "max_attempts": 2, "backoff": ["1 hour"]}]') > 0 AS made;
SELECT asyncjob.submit('regress_pause_a', '4') IS NOT NULL AS submitted;
SELECT version, paused_at = :'paused_at' AS paused FROM asyncjob.pipeline WHERE name = 'regress_pause_a' ORDER BY 1;
SELECT asyncjob.drain();
SELECT asyncjob.drain(until => now() + interval '1 day');
-- neither at once
SET asyncjob.synchronous = on;
SELECT asyncjob.submit('regress_pause_a', '5') IS NOT NULL AS submitted;
RESET asyncjob.synchronous;
-- but run() is the caller's own will
SELECT asyncjob.run('regress_pause_a', '6');
-- a job that is set aside can be steered as any other
SELECT asyncjob.reprioritize(:j, 10), asyncjob.cancel(:j, 'enough');
SELECT asyncjob.explain(:j);
SELECT asyncjob.retry(:j);
SELECT asyncjob.drain();
TABLE aj_pause.jobs;
SELECT asyncjob.resume_pipeline('regress_pause_a');
SELECT asyncjob.explain(id) LIKE 'It waits: asyncjob.enabled is off.' AS explained FROM asyncjob.job WHERE params = '4';
SELECT asyncjob.drain();
TABLE aj_pause.jobs;
SELECT name, paused FROM asyncjob.pipelines WHERE name LIKE 'regress_pause%' ORDER BY 1;

-- more than are set aside at a time, and a job behind them
SELECT asyncjob.pause_pipeline('regress_pause_a');
SELECT count(*) FROM asyncjob.submit_many('regress_pause_a', ARRAY(SELECT to_jsonb(n) FROM generate_series(1, 2500) n));
SELECT asyncjob.submit('regress_pause_b', '"behind"') AS j \gset
SELECT asyncjob.drain();
SELECT state FROM asyncjob.status(:j);
SELECT waiting, queued FROM asyncjob.queue_stats WHERE queue = 'default';
SELECT asyncjob.resume_pipeline('regress_pause_a');
SELECT asyncjob.drain();
SELECT waiting, queued FROM asyncjob.queue_stats WHERE queue = 'default';

-- external steps, with a limit and without
RESET ROLE;
SELECT asyncjob.create_queue('regress_pause'), asyncjob.create_queue('regress_pause_1', max_running => 1);
SET ROLE regress_aj_pause;
SELECT asyncjob.submit('regress_pause_x', '"open"', queue => 'regress_pause') AS x1, asyncjob.submit('regress_pause_x', '"one"', queue => 'regress_pause_1') AS x2,
    asyncjob.submit('regress_pause_x', '"two"', queue => 'regress_pause_1') AS x3 \gset
SELECT asyncjob.pause_pipeline('regress_pause_x');
SELECT input FROM asyncjob.claim('{regress_pause,regress_pause_1}', 5);
SELECT state, waiting_for FROM asyncjob.job WHERE id IN (:x1, :x2, :x3) ORDER BY id;
SELECT asyncjob.explain(:x1);
SELECT asyncjob.resume_pipeline('regress_pause_x');
SELECT input FROM asyncjob.claim('{regress_pause,regress_pause_1}', 5);
SELECT asyncjob.drain();
SELECT input FROM asyncjob.claim('{regress_pause,regress_pause_1}', 5);
SELECT -worker_id AS t1 FROM asyncjob.job WHERE id = :x1 \gset
SELECT -worker_id AS t3 FROM asyncjob.job WHERE id = :x3 \gset
SELECT regexp_replace(asyncjob.explain(:x3), 'until .*', 'until ...');
SELECT replace(asyncjob.explain(:x2), :'x3', 'X3');
-- others are counted, not named
RESET ROLE;
SELECT asyncjob.grant_worker('regress_pause_1', 'regress_aj_pause2');
SET ROLE regress_aj_pause;
SELECT asyncjob.grant_pipeline('regress_pause_x', 'regress_aj_pause2');
SET ROLE regress_aj_pause2;
SELECT asyncjob.submit('regress_pause_x', '"other"', queue => 'regress_pause_1') AS y \gset
SELECT asyncjob.explain(:y);
RESET ROLE;
SELECT replace(asyncjob.explain(:y), :'x3', 'X3');

-- who may: owner and administrators
SET ROLE regress_aj_pause2;
SELECT * FROM tap.err($$SELECT asyncjob.pause_pipeline('regress_pause_a')$$);
SELECT * FROM tap.err($$SELECT asyncjob.resume_pipeline('noop')$$);
SELECT * FROM tap.err($$SELECT asyncjob.pause_pipeline('regress_pause_none')$$);
SELECT * FROM tap.err($$SELECT asyncjob.pause_pipeline(NULL)$$);
SELECT code, message FROM tap.err($$SELECT asyncjob.quiesce()$$);
SELECT code, message FROM tap.err($$CALL asyncjob.quiesce_wait()$$);
RESET ROLE;
SELECT asyncjob.pause_pipeline('regress_pause_b'), asyncjob.resume_pipeline('regress_pause_b');

-- the whole database
SELECT * FROM tap.err($$SELECT asyncjob.quiesce('regress_none')$$);
CALL asyncjob.quiesce_wait('regress_none', '10 s');
SELECT asyncjob.quiesce() AS running;
SELECT asyncjob.create_queue('regress_pause_new');
SELECT count(*) FROM asyncjob.queue WHERE quiesced_at IS NULL;
SELECT item, ok, regexp_replace(detail, 'since .*:', 'since ...:') AS detail, hint FROM asyncjob.check() WHERE item = 'quiesced';
SELECT p ->> 'item' AS item, regexp_replace(p ->> 'detail', 'since .*:', 'since ...:') AS detail FROM asyncjob.health() h, jsonb_array_elements(h.problems) p WHERE p ->> 'item' = 'quiesced';
SET ROLE regress_aj_pause;
SELECT asyncjob.submit('regress_pause_b', '"new"', queue => 'regress_pause_new') IS NOT NULL AS submitted;
SELECT asyncjob.submit('regress_pause_b', '"quiet"') AS j \gset
SELECT asyncjob.drain(), asyncjob.drain(until => now() + interval '1 day');
SELECT input FROM asyncjob.claim('{regress_pause,regress_pause_1,default}', 5);
SELECT regexp_replace(asyncjob.explain(:j), 'since .*;', 'since ...;');
-- what runs may finish
SELECT asyncjob.complete(:x1, :t1);
RESET ROLE;
CALL asyncjob.quiesce_wait(timeout => '0.2 s');
SET ROLE regress_aj_pause;
SELECT asyncjob.complete(:x3, :t3);
RESET ROLE;
CALL asyncjob.quiesce_wait(timeout => '1 min');
SELECT asyncjob.resume();
SELECT count(*) FROM asyncjob.queue WHERE quiesced_at IS NOT NULL;
SELECT ok, detail FROM asyncjob.check() WHERE item = 'quiesced';
SET ROLE regress_aj_pause;
SELECT asyncjob.drain();
RESET ROLE;
-- one queue
SELECT asyncjob.quiesce('regress_pause') AS running;
CALL asyncjob.quiesce_wait('regress_pause', '1 min');
SELECT name, paused FROM asyncjob.queues WHERE name LIKE 'regress_pause%' ORDER BY 1;
SELECT asyncjob.resume_queue('regress_pause');
BEGIN;
SELECT code, message FROM tap.err($$CALL asyncjob.quiesce_wait()$$);
ROLLBACK;
CALL asyncjob.quiesce_wait(timeout => '-1 s');

-- explain() of what is tried again, and of what has ended
SET ROLE regress_aj_pause;
SELECT asyncjob.submit('regress_pause_a', '"fail"') AS f, asyncjob.submit('regress_pause_a', '"snooze"') AS s, asyncjob.submit('regress_pause_a', '"good"', run_at => now() + interval '1 min') AS g \gset
SELECT asyncjob.explain(:g) LIKE 'It waits: it is not due before 20%.' AS explained;
SELECT asyncjob.drain();
SELECT regexp_replace(asyncjob.explain(i), 'before [^;]*;', 'before ...;') FROM unnest(ARRAY[:f, :s]) i;
SELECT asyncjob.drain(until => now() + interval '65 min');
SELECT asyncjob.explain(i) FROM unnest(ARRAY[:f, :g]) i;
RESET ROLE;
SELECT asyncjob.cancel(id) FROM asyncjob.job WHERE state IN ('queued', 'waiting', 'running') AND owner IN ('regress_aj_pause'::regrole, 'regress_aj_pause2'::regrole);
DROP SCHEMA aj_pause CASCADE;
\i :engine_on
