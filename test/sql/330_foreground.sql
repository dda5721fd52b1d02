-- In the caller's own transaction: asyncjob.synchronous, and drain() with a clock.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common
\i :engine_off
CREATE ROLE regress_aj_fore LOGIN;
SELECT asyncjob.grant_usage('regress_aj_fore');
CREATE SCHEMA aj_fore AUTHORIZATION regress_aj_fore;
SET ROLE regress_aj_fore;
CREATE TABLE aj_fore.ran (n int, attempt int);
CREATE FUNCTION aj_fore.first(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.log('info', 'first');
    PERFORM asyncjob.artifact('note', 'text', 'text/plain', 'x');
    RETURN p;
END $$;
CREATE FUNCTION aj_fore.second(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO aj_fore.ran VALUES ((p -> 'params' ->> 'n')::int, asyncjob.attempt());
    IF asyncjob.attempt() <= (p -> 'params' ->> 'bad')::int THEN
        RAISE EXCEPTION 'attempt % is bad', asyncjob.attempt();
    END IF;
    RETURN p;
END $$;
SELECT asyncjob.create_pipeline('regress_fore', '[{"name": "first", "handler": "aj_fore.first"},
    {"name": "second", "handler": "aj_fore.second", "max_attempts": 4, "backoff": ["1 min", "1 h", "1 day"]}]') > 0 AS made;

-- the same job by the queue and at once
SELECT asyncjob.submit('regress_fore', '{"n": 1}') AS queued \gset
SELECT asyncjob.drain();
SET asyncjob.synchronous = on;
SELECT asyncjob.submit('regress_fore', '{"n": 1}') AS sync \gset
SELECT state, completed_steps, progress, attempt, error_code, seq FROM asyncjob.status(:sync);
SELECT count(*) AS differences FROM (SELECT to_jsonb(s) - '{job_id,created_at,run_at,started_at,finished_at}'::text[] FROM asyncjob.status(:sync) s
    EXCEPT SELECT to_jsonb(s) - '{job_id,created_at,run_at,started_at,finished_at}'::text[] FROM asyncjob.status(:queued) s) d;
SELECT asyncjob.result(:sync) = asyncjob.result(:queued) AS same_result;
SELECT count(*) AS differences FROM (SELECT * FROM tap.history(:sync) EXCEPT SELECT * FROM tap.history(:queued)) d;
SELECT name, kind, size, sha256 FROM asyncjob.artifacts(:sync) EXCEPT SELECT name, kind, size, sha256 FROM asyncjob.artifacts(:queued);
SELECT count(*), count(*) FILTER (WHERE (asyncjob.status(id)).state = 'completed') AS completed
    FROM asyncjob.submit_many('regress_fore', ARRAY['{"n": 2}', '{"n": 3}']::jsonb[]) id;
SELECT count(*) FROM asyncjob.job WHERE state = 'queued';
-- a failure is the job's, not the caller's
SELECT asyncjob.submit('regress_fore', '{"n": 4, "bad": 1}') AS j \gset
SELECT state, step, attempt, error_message, run_at > now() AS later FROM asyncjob.status(:j);
SELECT * FROM tap.history(:j);
SELECT asyncjob.cancel(:j);
-- what isn't due isn't run; an existing job of the key isn't run again
SELECT asyncjob.submit('regress_fore', '{"n": 5}', run_at => now() + interval '1 hour', unique_key => 'five') AS j5 \gset
SELECT asyncjob.submit('regress_fore', '{"n": 5}', unique_key => 'five') = :j5 AS the_same;
SELECT state FROM asyncjob.status(:j5);
-- it is undone with the transaction, effects and all
BEGIN;
SELECT asyncjob.submit('regress_fore', '{"n": 6}') AS j6 \gset
SELECT state FROM asyncjob.status(:j6);
ROLLBACK;
SELECT (tap.err(format('SELECT asyncjob.status(%s)', :j6))).code, count(*) FROM aj_fore.ran WHERE n = 6;
-- branches and items too, and one that fails waits for its next attempt
SELECT asyncjob.create_pipeline('regress_fore_dag', '[{"name": "a", "handler": "asyncjob.step_noop"},
    {"name": "b", "handler": "asyncjob.step_noop", "for_each": "$.params.items[*]", "after": ["a"]},
    {"name": "c", "handler": "aj_fore.second", "after": ["a"], "backoff": "1 min"},
    {"name": "d", "handler": "asyncjob.step_noop", "after": ["b", "c"]}]') > 0 AS made;
SELECT asyncjob.submit('regress_fore_dag', '{"n": 20, "items": [1, 2, 3]}') AS sync \gset
SELECT state, completed_steps FROM asyncjob.status(:sync);
RESET asyncjob.synchronous;
SELECT asyncjob.submit('regress_fore_dag', '{"n": 20, "items": [1, 2, 3]}') AS queued \gset
SELECT asyncjob.drain();
SELECT asyncjob.result(:sync) = asyncjob.result(:queued) AS same_result, asyncjob.result(:sync) = asyncjob.run('regress_fore_dag', '{"n": 20, "items": [1, 2, 3]}') AS same_in_run;
SELECT count(*) AS differences FROM (SELECT * FROM tap.history(:sync) EXCEPT SELECT * FROM tap.history(:queued)) d;
SET asyncjob.synchronous = on;
SELECT asyncjob.submit('regress_fore_dag', '{"n": 21, "bad": 1, "items": []}') AS j \gset
SELECT state, step, error_message FROM asyncjob.status(:j);
SELECT asyncjob.drain(until => now() + interval '5 min');
SELECT state FROM asyncjob.status(:j);
RESET asyncjob.synchronous;
SELECT asyncjob.submit('regress_fore', '{"n": 7}') AS j7 \gset
SELECT state FROM asyncjob.status(:j7);
SELECT asyncjob.drain();
SELECT asyncjob.cancel(:j5);

-- each is looked for where the last one was: what a claim reads doesn't grow with what was run before in the transaction
BEGIN;
SELECT count(*) FROM asyncjob.submit_many('noop', ARRAY(SELECT '{}'::jsonb FROM generate_series(1, 600)));
SELECT pg_stat_get_xact_tuples_returned('asyncjob.job_ready_idx'::regclass) AS before \gset
SELECT asyncjob.drain();
SELECT pg_stat_get_xact_tuples_returned('asyncjob.job_ready_idx'::regclass) - :before < 20 * 600 AS linear;
ROLLBACK;
-- what a handler makes ready that comes before what was run is found, of whatever lane, and also in a drain() of its own
CREATE TABLE aj_fore.ordered (n serial, what text);
CREATE FUNCTION aj_fore.note(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO aj_fore.ordered (what) VALUES (p ->> 'what');
    FOR i IN 0 .. coalesce(jsonb_array_length(p -> 'then'), 0) - 1 LOOP
        PERFORM asyncjob.submit('regress_note', p -> 'then' -> i, priority => coalesce(p -> 'then' -> i ->> 'priority', '5'),
            queue => coalesce(p -> 'then' -> i ->> 'queue', 'default'), run_at => now() - coalesce(p -> 'then' -> i ->> 'ago', '1 min')::interval);
    END LOOP;
    IF p ? 'drain' THEN PERFORM asyncjob.drain((p ->> 'drain')::int); END IF;
    IF p ? 'fail' THEN RAISE EXCEPTION 'as wished'; END IF;
    RETURN p;
END $$;
SELECT asyncjob.create_pipeline('regress_note', '[{"name": "note", "handler": "aj_fore.note", "max_attempts": 1}]') > 0 AS made;
RESET ROLE;
SELECT asyncjob.create_queue('regress_fore');
SET ROLE regress_aj_fore;
-- two queues of one priority, by their due times
SELECT asyncjob.submit('regress_note', jsonb_build_object('what', n), queue => CASE WHEN n % 3 = 0 THEN 'default' ELSE 'regress_fore' END,
    run_at => now() - (10 - n) * interval '1 min') > 0 AS made FROM generate_series(9, 1, -1) n;
SELECT asyncjob.drain();
SELECT string_agg(what, ' ' ORDER BY n) FROM aj_fore.ordered;
TRUNCATE aj_fore.ordered;
SELECT asyncjob.submit('regress_note', '{"what": "1", "then": [{"what": "earlier", "ago": "1 hour"}, {"what": "low", "priority": "2"},
    {"what": "urgent", "priority": "9"}, {"what": "earlier elsewhere", "queue": "regress_fore", "ago": "2 hours"}]}', run_at => now() - interval '3 min') > 0 AS made;
SELECT asyncjob.submit('regress_note', '{"what": "2", "drain": 1, "then": [{"what": "inner, urgent", "priority": "9"}, {"what": "inner, earlier", "ago": "1 hour"}]}') > 0 AS made;
SELECT asyncjob.submit('regress_note', '{"what": "3", "fail": 1, "drain": 5, "then": [{"what": "rolled back"}]}') > 0 AS made;
SELECT asyncjob.submit('regress_note', '{"what": "4"}', run_at => now() + interval '1 hour') > 0 AS made;
SELECT asyncjob.drain(until => now() + interval '2 hours');
SELECT string_agg(what, ', ' ORDER BY n) FROM aj_fore.ordered;
SELECT state, count(*) FROM asyncjob.job WHERE pipeline_id = (SELECT max(id) FROM asyncjob.pipeline WHERE name = 'regress_note') GROUP BY 1 ORDER BY 1;

-- the clock: retries after a minute, an hour and a day, in a moment
SELECT asyncjob.submit('regress_fore', '{"n": 8, "bad": 3}') AS j8 \gset
SELECT asyncjob.submit('regress_fore', '{"n": 9}', run_at => now() + interval '30 min') AS j9 \gset
SELECT asyncjob.drain();
SELECT asyncjob.drain(until => now() + interval '2 min');
SELECT array_agg((n, attempt)) FROM aj_fore.ran WHERE n IN (8, 9);
SELECT attempt, round(extract(epoch FROM run_at - now()) / 60) AS next_in_min FROM asyncjob.status(:j8);
-- each at its time
SELECT asyncjob.drain(until => now() + interval '2 days');
SELECT array_agg((n, attempt)) FROM aj_fore.ran WHERE n IN (8, 9);
SELECT j.state FROM unnest(ARRAY[:j8, :j9]) i, asyncjob.status(i) j;
-- a clock that was put forward is back
SELECT asyncjob.submit('regress_fore', '{"n": 10}', run_at => now() + interval '1 min') AS j10 \gset
SELECT asyncjob.drain();
SELECT asyncjob.drain(max_jobs => 0, until => now() + interval '1 day'), asyncjob.drain(max_jobs => 1, until => now() + interval '1 day');
SELECT asyncjob.drain(until => now() - interval '1 day');
SELECT (tap.err(s)).* FROM unnest(ARRAY[$$SELECT asyncjob.drain(until => 'infinity')$$, $$SELECT asyncjob.drain(until => '-infinity')$$,
    $$SELECT asyncjob.drain(-1)$$]) s;
RESET ROLE;
\i :engine_on
