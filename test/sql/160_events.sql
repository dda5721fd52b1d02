-- emit(), wait_for_event(), on_event(), chains; spawn() and wait_for_children().
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common

\i :engine_off

SET statement_timeout = '60 s';
CREATE ROLE regress_aj_ev LOGIN;
CREATE ROLE regress_aj_ev2 LOGIN;
SELECT asyncjob.grant_usage('regress_aj_ev');
SELECT asyncjob.grant_usage('regress_aj_ev2');
CREATE SCHEMA aj_ev AUTHORIZATION regress_aj_ev;
GRANT USAGE ON SCHEMA aj_ev TO regress_aj_ev2;
SET ROLE regress_aj_ev;
-- waits as its params say; counts its runs
CREATE TABLE aj_ev.run (job bigint);
CREATE PROCEDURE aj_ev.waits(INOUT p jsonb) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.progress(0.1);
    p := jsonb_build_object('got', asyncjob.wait_for_event(p ->> 'event', p ->> 'key', (p ->> 'timeout')::interval, owner => (p ->> 'owner')::regrole));
END
$$;
GRANT EXECUTE ON PROCEDURE aj_ev.waits TO regress_aj_ev2;
SELECT asyncjob.create_pipeline('regress_ev', '[{"name": "wait", "handler": "aj_ev.waits", "max_attempts": 1}]') > 0 AS made;
SELECT asyncjob.grant_pipeline('regress_ev', 'regress_aj_ev2');
CREATE FUNCTION aj_ev.show(jobs bigint[]) RETURNS TABLE (state text, result jsonb, runs bigint) LANGUAGE sql AS $$
    SELECT s.state::text, asyncjob.result(j), (SELECT count(*) FROM asyncjob.updates(j) u WHERE u.kind = 'state' AND u.state = 'running')
    FROM unnest(jobs) WITH ORDINALITY u (j, n), asyncjob.status(j) s ORDER BY n
$$;

-- an event and a key with a slash between them aren't those of another wait
CREATE FUNCTION aj_ev.two(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN jsonb_build_array(asyncjob.wait_for_event('a/b', 'c'), asyncjob.wait_for_event('a', 'b/c'), asyncjob.wait_for_event('a\', 'b/c'));
END
$$;
SELECT asyncjob.create_pipeline('regress_ev_two', '[{"name": "wait", "handler": "aj_ev.two"}]') > 0 AS made;
SELECT asyncjob.emit('a/b', '1', 'c'), asyncjob.emit('a', '2', 'b/c'), asyncjob.emit('a\', '3', 'b/c');
SELECT asyncjob.submit('regress_ev_two') AS a \gset
SELECT asyncjob.drain();
SELECT asyncjob.result(:a);
SELECT asyncjob.forget_event('a/b', 'c'), asyncjob.forget_event('a', 'b/c'), asyncjob.forget_event('a\', 'b/c');

-- with a key the first emit is kept
SELECT asyncjob.emit('paid', '{"eur": 1}', 'order-1'), asyncjob.emit('paid', '{"eur": 2}', 'order-1'), asyncjob.emit('paid', '{"eur": 3}', 'order-2');
SELECT owner, event, key, payload FROM asyncjob.events ORDER BY key;
-- it waits for nobody: before the wait
SELECT asyncjob.submit('regress_ev', '{"event": "paid", "key": "order-1"}') AS a \gset
SELECT asyncjob.drain();
SELECT * FROM aj_ev.show(ARRAY[:a]);
-- after it, and another key wakes nobody
SELECT asyncjob.submit('regress_ev', '{"event": "paid", "key": "order-3"}') AS a \gset
SELECT asyncjob.submit('regress_ev', '{"event": "paid", "key": "order-3"}') AS b \gset
SELECT asyncjob.drain();
SELECT asyncjob.explain(:a);
SELECT asyncjob.emit('paid', '{"eur": 4}', 'order-4'), asyncjob.emit('sent', '{"eur": 4}', 'order-3');
SELECT asyncjob.drain();
SELECT asyncjob.emit('paid', '[5]', 'order-3');
SELECT asyncjob.drain();
SELECT * FROM aj_ev.show(ARRAY[:a, :b]);
SELECT asyncjob.forget_event('paid', 'order-3'), asyncjob.forget_event('paid', 'order-3'), asyncjob.emit('paid', '6', 'order-3');
-- rolled back is not emitted
BEGIN;
SELECT asyncjob.emit('paid', '{}', 'order-9');
ROLLBACK;
SELECT asyncjob.emit('paid', '{}', 'order-9');

-- what is forgotten at once has been for those who waited
SELECT asyncjob.submit('regress_ev', '{"event": "paid", "key": "order-5"}') AS a \gset
SELECT asyncjob.drain();
SELECT asyncjob.emit('paid', '7', 'order-5'), asyncjob.forget_event('paid', 'order-5'), asyncjob.emit('paid', '8', 'order-5');
SELECT asyncjob.forget_event('paid', 'order-5'), asyncjob.forget_event('paid', 'order-5');
SELECT asyncjob.submit('regress_ev', '{"event": "paid", "key": "order-5"}') AS b \gset
SELECT asyncjob.drain();
SELECT * FROM aj_ev.show(ARRAY[:a, :b]);
SELECT asyncjob.emit('paid', '9', 'order-5');
SELECT asyncjob.drain();

-- without a key: those who wait have it, who comes later has not
SELECT asyncjob.emit('tick', '1');
SELECT asyncjob.submit('regress_ev', '{"event": "tick"}') AS a \gset
SELECT asyncjob.submit('regress_ev', '{"event": "tick"}') AS b \gset
SELECT asyncjob.drain();
SELECT state FROM asyncjob.status(:a);
SELECT asyncjob.emit('tick', '2'), asyncjob.emit('tick', '3');
SELECT asyncjob.submit('regress_ev', '{"event": "tick"}') AS c \gset
SELECT asyncjob.drain();
SELECT * FROM aj_ev.show(ARRAY[:a, :b, :c]);
SELECT asyncjob.emit('tick', 'null');
SELECT asyncjob.drain();
SELECT * FROM aj_ev.show(ARRAY[:c]);
-- nothing of them stays
RESET ROLE;
SELECT count(*) FROM asyncjob.event_wait;
SELECT count(*) FROM asyncjob.event WHERE NOT kept AND pending;
SET ROLE regress_aj_ev;

-- time is up
SELECT asyncjob.submit('regress_ev', '{"event": "never", "timeout": "1 hour"}') AS a \gset
SELECT asyncjob.drain();
SELECT regexp_replace(asyncjob.explain(:a), 'latest .*', 'latest ...') AS explained;
RESET ROLE;
UPDATE asyncjob.job SET run_at = now() WHERE id = :a;
UPDATE asyncjob.job_memo SET wake_at = now() WHERE job_id = :a;
SET ROLE regress_aj_ev;
SELECT asyncjob.drain();
SELECT * FROM aj_ev.show(ARRAY[:a]);
-- cancelled while it waits; what comes then is not for it, retry() waits again
SELECT asyncjob.submit('regress_ev', '{"event": "tock"}') AS a \gset
SELECT asyncjob.drain();
SELECT asyncjob.cancel(:a);
SELECT asyncjob.emit('tock', '1');
SELECT asyncjob.drain();
SELECT state FROM asyncjob.status(:a);
SELECT asyncjob.retry(:a);
SELECT asyncjob.drain();
SELECT state FROM asyncjob.status(:a);
SELECT asyncjob.emit('tock', '2');
SELECT asyncjob.drain();
SELECT * FROM aj_ev.show(ARRAY[:a]);

-- another role's event: only by grant
SELECT asyncjob.submit('regress_ev', '{"event": "paid", "key": "order-1", "owner": "regress_aj_ev2"}') AS a \gset
SELECT asyncjob.drain();
SELECT state, error_message, error_hint FROM asyncjob.status(:a);
RESET ROLE;
SET ROLE regress_aj_ev2;
SELECT asyncjob.emit('paid', '{"eur": 7}', 'order-1');
SELECT count(*) FROM asyncjob.events;
SELECT * FROM tap.err($$SELECT asyncjob.on_event('paid', 'noop', owner => 'regress_aj_ev')$$);
SELECT asyncjob.grant_event('paid', 'regress_aj_ev');
RESET ROLE;
SET ROLE regress_aj_ev;
SELECT asyncjob.submit('regress_ev', '{"event": "paid", "key": "order-1", "owner": "regress_aj_ev2"}') AS a \gset
SELECT asyncjob.drain();
SELECT * FROM aj_ev.show(ARRAY[:a]);
SELECT owner, key FROM asyncjob.events WHERE event = 'paid' AND key = 'order-1' ORDER BY 1;

-- subscriptions
SELECT asyncjob.emit('loaded', '{"rows": 20, "before": true}');
SELECT asyncjob.on_event('loaded', 'noop', '$.rows > 10') AS s \gset
SELECT asyncjob.on_event('loaded', 'noop', '$.tags[*] ? (@ == "urgent")') AS t \gset
SELECT asyncjob.emit('loaded', '{"rows": 11}'), asyncjob.emit('loaded', '{"rows": 10}'), asyncjob.emit('loaded', '{"rows": 12, "tags": ["urgent"]}'), asyncjob.emit('loaded', '"odd"');
SELECT asyncjob.drain();
SELECT params, count(*) FROM asyncjob.job WHERE params ? 'rows' GROUP BY 1 ORDER BY 1;
SELECT owner, event_owner, event, pipeline, filter, last_job_id IS NOT NULL AS fired, last_error FROM asyncjob.event_subscriptions ORDER BY id;
-- each event once, with a key too
SELECT asyncjob.emit('loaded', '{"rows": 100}', 'k'), asyncjob.emit('loaded', '{"rows": 101}', 'k');
SELECT asyncjob.drain();
SELECT params FROM asyncjob.job WHERE (params -> 'rows')::int >= 100;
SELECT asyncjob.drop_on_event(:s);
SELECT asyncjob.drop_on_event(:t);
SELECT * FROM tap.err('SELECT asyncjob.drop_on_event(0)');
SELECT asyncjob.emit('loaded', '{"rows": 1000}');
SELECT asyncjob.drain();
-- a subscription whose pipeline went away says so, and others go on
SELECT asyncjob.create_pipeline('regress_evgn', '[{"name": "a", "handler": "asyncjob.step_noop"}]') > 0 AS made;
SELECT asyncjob.on_event('x', 'regress_evgn') AS s, asyncjob.on_event('x', 'noop') AS t \gset
SELECT asyncjob.drop_pipeline('regress_evgn');
SELECT asyncjob.emit('x', '{"x": 1}');
SELECT asyncjob.drain();
SELECT pipeline, last_error FROM asyncjob.event_subscriptions ORDER BY 1;
SELECT asyncjob.drop_on_event(:s), asyncjob.drop_on_event(:t);

-- where the queue of such jobs is full, an event waits as a submit() would be refused
RESET ROLE;
SELECT asyncjob.set_max_depth('default', 1);
SET ROLE regress_aj_ev2;
SELECT asyncjob.submit('noop') > 0 AS submitted;
SET ROLE regress_aj_ev;
SELECT asyncjob.on_event('flood', 'noop') AS s \gset
SELECT asyncjob.emit('flood', '{"flood": 1}');
SELECT asyncjob.drain();
SELECT count(*) FROM asyncjob.job WHERE params ? 'flood';
RESET ROLE;
SELECT asyncjob.set_max_depth('default', NULL);
SET ROLE regress_aj_ev;
SELECT asyncjob.drain();
SELECT count(*) FROM asyncjob.job WHERE params ? 'flood';
SELECT asyncjob.drop_on_event(:s);

-- nor does a filter that would take hours hold up others
WITH RECURSIVE r (n, deep) AS (SELECT 1, '{"a": 1}'::jsonb UNION ALL SELECT n + 1, jsonb_build_object('a', deep, 'b', deep) FROM r WHERE n < 15)
SELECT deep FROM r WHERE n = 15 \gset
SELECT asyncjob.on_event('deep', 'noop', '$.**.**.**.**.**.** ? (@.nothing == 1)') AS s, asyncjob.on_event('deep', 'noop', '$.a') AS t \gset
SELECT asyncjob.emit('deep', :'deep');
SELECT asyncjob.drain();
SELECT filter, last_job_id IS NOT NULL AS fired, last_error FROM asyncjob.event_subscriptions ORDER BY id;
SELECT asyncjob.drop_on_event(:s), asyncjob.drop_on_event(:t);
-- nor a condition, whatever the job's own worker has to do
SELECT asyncjob.create_pipeline('regress_ev_deep', '[{"name": "a", "handler": "asyncjob.step_noop", "when": "$.**.**.**.**.**.**"}]') > 0 AS made;
SELECT asyncjob.create_pipeline('regress_ev_items', '[{"name": "a", "handler": "asyncjob.step_noop", "for_each": "$.**.**.**.**.**.**"}]') > 0 AS made;
SELECT asyncjob.submit('regress_ev_deep', :'deep') AS a, asyncjob.submit('regress_ev_items', :'deep') AS b \gset
SELECT asyncjob.drain();
SELECT state, error_code, error_message, error_hint FROM unnest(ARRAY[:a, :b]) j, asyncjob.status(j);
SELECT code, message FROM tap.err(format('SELECT asyncjob.run(''regress_ev_deep'', %L)', :'deep'));

-- chains: the ends of jobs are events
CREATE FUNCTION aj_ev.fails(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF p ? 'fail' THEN
        RAISE EXCEPTION 'no' USING ERRCODE = 'AJ001';
    END IF;
    RETURN p;
END
$$;
SELECT asyncjob.create_pipeline('regress_evfst', '[{"name": "a", "handler": "aj_ev.fails"}]') > 0 AS made;
SELECT asyncjob.create_pipeline('regress_evaft', '[{"name": "a", "handler": "asyncjob.step_noop"}]') > 0 AS made;
SELECT asyncjob.on_event('regress_evfst-completed', 'regress_evaft') AS s, asyncjob.on_event('regress_evfst-failed', 'regress_evaft', '$.error') AS t \gset
SELECT asyncjob.submit('regress_evfst', '{}') AS a, asyncjob.submit('regress_evfst', '{"fail": 1}') AS b \gset
SELECT asyncjob.submit('regress_ev', jsonb_build_object('event', 'regress_evfst-failed', 'key', :b::text)) AS c \gset
SELECT asyncjob.drain();
SELECT result - 'job_id' AS result, (result ->> 'job_id')::bigint = :a AS a, (result ->> 'job_id')::bigint = :b AS b
    FROM asyncjob.list_jobs() l, asyncjob.result(l.job_id) result WHERE pipeline = 'regress_evaft' ORDER BY l.job_id;
SELECT state, result -> 'got' ->> 'state' AS got FROM aj_ev.show(ARRAY[:c]);
SELECT asyncjob.drop_on_event(:s), asyncjob.drop_on_event(:t);

-- children
CREATE PROCEDURE aj_ev.parent(INOUT p jsonb) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. (p ->> 'n')::int LOOP
        PERFORM asyncjob.spawn('regress_evfst', CASE i WHEN 2 THEN '{"fail": 1}' ELSE jsonb_build_object('i', i) END::jsonb);
    END LOOP;
    BEGIN
        PERFORM asyncjob.spawn('regress_evfst', '{"i": "undone"}');
        RAISE EXCEPTION 'undo';
    EXCEPTION WHEN raise_exception THEN
        NULL;
    END;
    p := asyncjob.wait_for_children((p ->> 'timeout')::interval);
END
$$;
SELECT asyncjob.create_pipeline('regress_evprnt', '[{"name": "a", "handler": "aj_ev.parent"}]') > 0 AS made;
SELECT asyncjob.submit('regress_evprnt', '{"n": 3}') AS a \gset
SELECT asyncjob.drain(1);
SELECT regexp_replace(asyncjob.explain(:a), 'jobs [0-9, ]+', 'jobs ...') AS explain;
SELECT count(*) AS listed FROM asyncjob.list_jobs() WHERE pipeline = 'regress_evfst' AND job_id > :a;
SELECT count(*) AS listed FROM asyncjob.list_jobs(parent => :a);
SELECT asyncjob.drain();
SELECT c ->> 'state' AS state, c -> 'result' AS result, c ->> 'error' AS error FROM jsonb_array_elements(asyncjob.result(:a)) c;
-- none
SELECT asyncjob.submit('regress_evprnt', '{"n": 0}') AS a \gset
SELECT asyncjob.drain();
SELECT * FROM aj_ev.show(ARRAY[:a]);
-- time is up
SELECT asyncjob.submit('regress_evprnt', '{"n": 1, "timeout": "1 hour"}') AS a \gset
SELECT asyncjob.drain(1);
RESET ROLE;
UPDATE asyncjob.job SET run_at = now() + interval '1 hour' WHERE parent_id = :a;
UPDATE asyncjob.job SET run_at = now() WHERE id = :a;
UPDATE asyncjob.job_memo SET wake_at = now() WHERE job_id = :a AND kind = 'sleep';
SET ROLE regress_aj_ev;
SELECT asyncjob.drain();
SELECT c ->> 'state' AS state FROM jsonb_array_elements(asyncjob.result(:a)) c;
-- cancelled with their parent
SELECT asyncjob.submit('regress_evprnt', '{"n": 3}') AS a \gset
SELECT asyncjob.drain(1);
SELECT asyncjob.cancel(:a);
SELECT state, message FROM asyncjob.list_jobs(parent => :a);
SELECT asyncjob.drain();

-- what is refused
SELECT e.* FROM (VALUES ($$asyncjob.emit('')$$), ($$asyncjob.emit(NULL)$$), ($$asyncjob.emit(repeat('x', 256))$$), ($$asyncjob.emit('x', '1', repeat('x', 513))$$),
    ($$asyncjob.emit('x', NULL)$$), ($$asyncjob.on_event('x', 'none_such')$$), ($$asyncjob.on_event('x', 'noop', '$.a >')$$),
    ($$asyncjob.on_event('x', NULL)$$), ($$asyncjob.wait_for_event('x')$$), ($$asyncjob.wait_for_children()$$), ($$asyncjob.wait_for_event('x', NULL, '-1 s')$$),
    ($$asyncjob.grant_event('x', 0::regrole)$$), ($$asyncjob.spawn('none_such')$$), ($$asyncjob.forget_event('x', NULL)$$)) v (call), tap.err('SELECT ' || v.call) e;
RESET ROLE;

\i :engine_on
-- with workers: many waits, one event, each woken once
SET ROLE regress_aj_ev;
SELECT count(*) FROM asyncjob.submit_many('regress_ev', array_fill('{"event": "start"}'::jsonb, ARRAY[30]));
DO $$
BEGIN
    WHILE (SELECT count(*) FROM asyncjob.list_jobs(state => 'waiting') WHERE pipeline = 'regress_ev') < 30 LOOP
        PERFORM pg_sleep(0.01);
    END LOOP;
END
$$;
SELECT asyncjob.emit('start', '"now"');
DO $$
BEGIN
    WHILE EXISTS (SELECT FROM asyncjob.list_jobs() WHERE pipeline = 'regress_ev' AND state IN ('queued', 'running', 'waiting')) LOOP
        PERFORM pg_sleep(0.01);
    END LOOP;
END
$$;
SELECT state, result, runs, count(*) FROM aj_ev.show((SELECT array_agg(job_id) FROM (SELECT job_id FROM asyncjob.list_jobs() WHERE pipeline = 'regress_ev' LIMIT 30) j)) GROUP BY 1, 2, 3;
SELECT asyncjob.submit('regress_evprnt', '{"n": 20}') AS a \gset
SELECT state FROM asyncjob.wait(:a, '50 s');
SELECT c ->> 'state' AS state, count(*) FROM jsonb_array_elements(asyncjob.result(:a)) c GROUP BY 1 ORDER BY 1;
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA aj_ev CASCADE;
DROP OWNED BY regress_aj_ev, regress_aj_ev2;
DELETE FROM asyncjob.event;
DELETE FROM asyncjob.event_grant;
DELETE FROM asyncjob.subscription;
DROP ROLE regress_aj_ev, regress_aj_ev2;
