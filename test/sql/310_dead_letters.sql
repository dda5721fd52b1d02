-- Dead letters: looked at, redriven, purged; alarms; full queues.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common
\i :engine_off

CREATE ROLE regress_aj_dead LOGIN;
CREATE ROLE regress_aj_dead2 LOGIN;
SELECT asyncjob.grant_usage('regress_aj_dead'), asyncjob.grant_usage('regress_aj_dead2');
CREATE SCHEMA aj_dead AUTHORIZATION regress_aj_dead;
SELECT asyncjob.create_queue('regress_dead');
SET ROLE regress_aj_dead;
CREATE TABLE aj_dead.ran (step text, job bigint);
CREATE FUNCTION aj_dead.first(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO aj_dead.ran VALUES ('first', asyncjob.current_job());
    PERFORM asyncjob.artifact('note', 'text', 'text/plain', 'x');
    RETURN p -> 'n';
END $$;
CREATE FUNCTION aj_dead.second(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF p -> 'params' ->> 'good' IS NULL THEN
        RAISE EXCEPTION 'no good: %', p -> 'params' ->> 'n' USING HINT = 'Be good.', CONSTRAINT = 'not_good';
    END IF;
    INSERT INTO aj_dead.ran VALUES ('second', asyncjob.current_job());
    RETURN jsonb_build_object('n', p -> 'params' -> 'n', 'first', p -> 'steps' -> 'first');
END $$;
CREATE FUNCTION aj_dead.check(p jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF p ->> 'good' = 'forbidden' THEN
        RAISE EXCEPTION 'good may not be forbidden';
    END IF;
END $$;
SELECT asyncjob.create_pipeline('regress_dead', '[{"name": "first", "handler": "aj_dead.first"},
    {"name": "second", "handler": "aj_dead.second", "max_attempts": 1}]', validator => 'aj_dead.check') > 0 AS made;

SELECT array_agg(id) AS jobs FROM asyncjob.submit_many('regress_dead',
    ARRAY(SELECT jsonb_build_object('n', n) FROM generate_series(1, 6) n), user_id => 'ada') id \gset
SELECT asyncjob.submit('regress_dead', '{"n": 7}', queue => 'regress_dead', unique_key => 'k') AS j7 \gset
SELECT asyncjob.drain();
SELECT pipeline, queue, owner, user_id, step, step_no, attempts, code, category, message, hint, params, source
    FROM (SELECT d.*, error ->> 'code' AS code FROM asyncjob.dead_letters d) d ORDER BY job_id;

-- one; its first step isn't run again, and it fails again
SELECT asyncjob.redrive(to_jsonb((:'jobs'::bigint[])[1]));
SELECT asyncjob.drain();
SELECT count(*) FROM aj_dead.ran WHERE job = (:'jobs'::bigint[])[1];
SELECT * FROM tap.history((:'jobs'::bigint[])[1]);
-- by filter, with other params: all steps run anew
SELECT asyncjob.redrive(jsonb_build_object('user_id', 'ada', 'message', 'no good: %', 'code', 'not_good'),
    '{"good": true, "n": 40}', max_jobs => 2);
SELECT asyncjob.drain();
SELECT id = ANY (:'jobs'::bigint[]) AS ours, state, params, result FROM asyncjob.job WHERE state = 'completed' ORDER BY id;
SELECT step, count(*) FROM aj_dead.ran WHERE job = (:'jobs'::bigint[])[2] GROUP BY 1 ORDER BY 1;
-- what doesn't fit is not chosen
SELECT asyncjob.redrive('{"queue": "default", "code": "22012"}'), asyncjob.redrive('{"job_ids": []}'),
    asyncjob.redrive('{"finished_before": "2020-01-01"}'), asyncjob.redrive('{"pipeline": "noop"}'), asyncjob.redrive('{}', max_jobs => 0);
-- the validator is asked about other params
SELECT * FROM tap.err($$SELECT asyncjob.redrive('{}', '{"good": "forbidden"}')$$);
-- of two of one unique key the newer, and none where one is unfinished
SELECT asyncjob.submit('regress_dead', '{"n": 8}', unique_key => 'k') AS j8 \gset
SELECT * FROM tap.err(format('SELECT asyncjob.redrive(to_jsonb(%s))', :j7));
SELECT asyncjob.redrive('{"queue": "regress_dead"}');
-- which is no reason to leave others alone that come after it
SELECT asyncjob.submit('regress_dead', '{"n": 9}', priority => '9') AS j9 \gset
SELECT asyncjob.drain(1);
SELECT asyncjob.redrive(jsonb_build_object('job_ids', jsonb_build_array(:j7, :j9)), max_jobs => 1);
SELECT state FROM asyncjob.status(:j9);
SELECT asyncjob.cancel(:j9);
SELECT asyncjob.drain();
SELECT asyncjob.redrive(jsonb_build_object('job_ids', jsonb_build_array(:j7, :j8)));
SELECT id = :j8 AS newer FROM asyncjob.job WHERE state = 'queued';
SELECT asyncjob.cancel(:j8);

-- somebody who steers everybody's jobs has the validator asked as their owner, who can't become more by it
CREATE FUNCTION aj_dead.who(p jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF p ? 'who' THEN
        PERFORM set_config('search_path', 'aj_dead', false);
        RAISE EXCEPTION 'asked as %, % after SET ROLE', current_user, (SELECT message FROM tap.err('SET ROLE NONE'));
    END IF;
END $$;
SELECT asyncjob.create_pipeline('regress_dead_who', '[{"name": "first", "handler": "aj_dead.second", "max_attempts": 1}]', validator => 'aj_dead.who') > 0 AS made;
SELECT asyncjob.submit('regress_dead_who') AS who \gset
SELECT asyncjob.drain();
RESET ROLE;
SELECT code, message FROM tap.err(format($$SELECT asyncjob.redrive('%s', '{"who": 1}')$$, :who));
SELECT current_user = session_user AS myself, current_setting('search_path') AS search_path, asyncjob.redrive(:'who', '{"other": 1}');
SET ROLE regress_aj_dead;
SELECT asyncjob.cancel(:who);

-- another role's are not there
SET ROLE regress_aj_dead2;
SELECT count(*) FROM asyncjob.dead_letters;
SELECT asyncjob.redrive(), asyncjob.purge('{}');
SELECT code, message FROM tap.err(format('SELECT asyncjob.redrive(to_jsonb(%s))', :j7));
SELECT code, message FROM tap.err(format('SELECT asyncjob.purge(to_jsonb(%s))', :j7));
SET ROLE regress_aj_dead;

-- bad input
SELECT (tap.err(s)).* FROM unnest(ARRAY[
    $$SELECT asyncjob.redrive('{"pipline": "x"}')$$, $$SELECT asyncjob.redrive('{"state": "queued"}')$$,
    $$SELECT asyncjob.redrive('[]')$$, $$SELECT asyncjob.redrive('"x"')$$, $$SELECT asyncjob.redrive('1.5')$$,
    $$SELECT asyncjob.redrive('{"job_ids": 5}')$$, $$SELECT asyncjob.purge('{"job_id": 1, "job_ids": [2]}')$$, $$SELECT asyncjob.redrive('{"job_ids": ["5"]}')$$,
    $$SELECT asyncjob.redrive('{"queue": 5}')$$, $$SELECT asyncjob.redrive('{"message": "x%\\\\\\"}')$$, $$SELECT asyncjob.redrive('{"created_after": "soon"}')$$, $$SELECT asyncjob.redrive('{"job_id": 1e300}')$$,
    $$SELECT asyncjob.redrive('{}', '[]')$$, $$SELECT asyncjob.redrive('{}', max_jobs => -1)$$,
    $$SELECT asyncjob.redrive(NULL)$$, $$SELECT asyncjob.purge(NULL)$$, $$SELECT asyncjob.redrive('0')$$,
    format('SELECT asyncjob.redrive(to_jsonb(%s))', :j8), format('SELECT asyncjob.purge(to_jsonb(%s))', :j8)]) s;

-- purged with all that hangs on it
SELECT asyncjob.purge(to_jsonb((:'jobs'::bigint[])[6]));
SELECT code, message FROM tap.err(format('SELECT asyncjob.status(%s)', (:'jobs'::bigint[])[6]));
SELECT asyncjob.purge('{"user_id": "ada"}', max_jobs => 1), asyncjob.purge('{"user_id": "ada"}'), asyncjob.purge('{}');
SELECT count(*) FROM asyncjob.dead_letters;
RESET ROLE;
SELECT (SELECT count(*) FROM asyncjob.job WHERE id = ANY (:'jobs')) AS jobs,
    (SELECT count(*) FROM asyncjob.artifact WHERE job_id = ANY (:'jobs')) AS artifacts,
    (SELECT count(DISTINCT job_id) FROM asyncjob.job_update WHERE job_id = ANY (:'jobs')) AS histories,
    (SELECT count(*) FROM asyncjob.checkpoint WHERE job_id = ANY (:'jobs')) AS checkpoints;

-- a thousand at once
SET ROLE regress_aj_dead;
SELECT count(*) FROM asyncjob.submit_many('regress_dead', ARRAY(SELECT jsonb_build_object('n', n) FROM generate_series(1, 1000) n));
SELECT asyncjob.drain(), count(*) FROM asyncjob.dead_letters;
SELECT asyncjob.redrive('{"pipeline": "regress_dead"}', '{"good": true}');
SELECT asyncjob.drain();
SELECT count(*), count(DISTINCT result), min((result ->> 'n')::int), max((result ->> 'n')::int) FROM asyncjob.job WHERE state = 'completed' AND params ->> 'n' <> '40';
SELECT count(*) FROM asyncjob.dead_letters;
RESET ROLE;

-- alarms
SELECT asyncjob.set_alarm('dead_letters', 1, pipeline => 'regress_dead'),
    asyncjob.set_alarm('queue_depth', queue => 'regress_dead'),
    asyncjob.set_alarm('oldest_age', 60, queue => 'regress_dead', name => 'regress_old'),
    asyncjob.set_alarm('failure_rate', 0.2, pipeline => 'regress_dead', period => '1 hour');
SELECT asyncjob.check_alarms();
SELECT name, state, metric, queue, pipeline, threshold, value, period, raised_at, checked_at IS NOT NULL AS checked FROM asyncjob.alarms ORDER BY 1;
SET ROLE regress_aj_dead;
SELECT count(*) FROM asyncjob.submit_many('regress_dead', ARRAY(SELECT '{"n": 1}'::jsonb FROM generate_series(1, 300)));
SELECT asyncjob.drain();
SELECT count(*) FROM asyncjob.submit_many('regress_dead', ARRAY(SELECT '{"n": 1}'::jsonb FROM generate_series(1, 11)),
    queue => 'regress_dead', run_at => now() - interval '2 minutes');
SELECT count(*) FROM asyncjob.submit_many('regress_dead', ARRAY['{"n": 1}'::jsonb], queue => 'regress_dead', run_at => now() + interval '1 hour');
-- for administrators only
SELECT count(*) FROM asyncjob.alarms;
SELECT (tap.err(s)).code FROM unnest(ARRAY['SELECT asyncjob.check_alarms()', $$SELECT asyncjob.set_alarm('queue_depth')$$,
    $$SELECT asyncjob.drop_alarm('regress_old')$$, $$SELECT asyncjob.set_max_depth('default', 1)$$]) s;
RESET ROLE;
SELECT asyncjob.check_alarms();
SELECT name, state, value >= 60 AND value < 600 AS old, CASE WHEN metric <> 'oldest_age' THEN round(value::numeric, 3) END AS value,
    raised_at <= checked_at AS just_raised FROM asyncjob.alarms ORDER BY 1;
SELECT asyncjob.check_alarms();
SELECT name, raised_at < checked_at AS raised_before FROM asyncjob.alarms ORDER BY 1;
-- it clears
SET ROLE regress_aj_dead;
SELECT asyncjob.purge('{"pipeline": "regress_dead"}');
RESET ROLE;
SELECT asyncjob.check_alarms();
SELECT name, state FROM asyncjob.alarms ORDER BY 1;
SELECT asyncjob.drop_alarm('regress_old');
SELECT (tap.err(s)).* FROM unnest(ARRAY[
    $$SELECT asyncjob.drop_alarm('regress_old')$$, $$SELECT asyncjob.set_alarm('depth')$$, $$SELECT asyncjob.set_alarm(NULL)$$,
    $$SELECT asyncjob.set_alarm('queue_depth', -1)$$, $$SELECT asyncjob.set_alarm('queue_depth', 'NaN')$$,
    $$SELECT asyncjob.set_alarm('failure_rate', 2)$$, $$SELECT asyncjob.set_alarm('queue_depth', queue => 'none')$$,
    $$SELECT asyncjob.set_alarm('queue_depth', pipeline => 'none')$$, $$SELECT asyncjob.set_alarm('queue_depth', period => '0')$$,
    $$SELECT asyncjob.set_alarm('queue_depth', period => '-1 day')$$, $$SELECT asyncjob.set_alarm('failure_rate', period => '10000 years')$$, $$SELECT asyncjob.set_alarm('queue_depth', name => 'a b')$$]) s;
SELECT asyncjob.drop_alarm(name) FROM asyncjob.alarms;

-- back-pressure
SELECT asyncjob.set_max_depth('regress_dead', 14);
SET ROLE regress_aj_dead;
SELECT asyncjob.submit('regress_dead', '{}', queue => 'regress_dead', unique_key => 'full') AS full \gset
SELECT * FROM tap.err($$SELECT asyncjob.submit_many('regress_dead', ARRAY['{}', '{}']::jsonb[], queue => 'regress_dead')$$);
SELECT asyncjob.submit('regress_dead', '{}', queue => 'regress_dead') IS NOT NULL AS last_one;
SELECT * FROM tap.err($$SELECT asyncjob.submit('regress_dead', '{}', queue => 'regress_dead')$$);
SELECT count(*) FROM asyncjob.job WHERE queue_id = (SELECT id FROM asyncjob.queue WHERE name = 'regress_dead') AND state = 'queued';
-- what is there already may be named, and replaced; what is elsewhere can't come in
SELECT asyncjob.submit('regress_dead', '{}', queue => 'regress_dead', unique_key => 'full') = :full AS the_same;
SELECT asyncjob.submit('regress_dead', '{}', queue => 'regress_dead', unique_key => 'full', unique_mode => 'replace') = :full AS the_same;
SELECT asyncjob.submit('regress_dead', '{"good": 1}', unique_key => 'out', run_at => now() + interval '1 hour') AS out \gset
SELECT code, message FROM tap.err($$SELECT asyncjob.submit('regress_dead', '{"good": 1}', queue => 'regress_dead', unique_key => 'out', unique_mode => 'replace')$$);
SELECT queue FROM asyncjob.status(:out);
SELECT asyncjob.cancel(:out);
-- other queues have room
SELECT asyncjob.submit('regress_dead', '{"good": 1}') IS NOT NULL AS elsewhere;
SELECT asyncjob.drain();
SELECT asyncjob.submit('regress_dead', '{}', queue => 'regress_dead') IS NOT NULL AS room_again;
RESET ROLE;
SELECT asyncjob.set_max_depth('regress_dead', 0);
SELECT code, message FROM tap.err($$SELECT asyncjob.submit('noop', '{}', queue => 'regress_dead')$$);
SELECT asyncjob.set_max_depth('regress_dead', NULL);
SELECT asyncjob.submit('noop', '{}', queue => 'regress_dead') IS NOT NULL AS no_limit;
SELECT (tap.err(s)).* FROM unnest(ARRAY[$$SELECT asyncjob.set_max_depth('none', 1)$$, $$SELECT asyncjob.set_max_depth('regress_dead', -1)$$,
    $$SELECT asyncjob.set_max_depth(NULL, 1)$$]) s;
SELECT asyncjob.drain();
-- jobs that a limit holds back are in the queue
SELECT asyncjob.create_queue('regress_held', max_running => 0);
SELECT asyncjob.set_max_depth('regress_held', 2), asyncjob.set_alarm('queue_depth', 1, queue => 'regress_held');
SELECT count(*) FROM asyncjob.submit_many('noop', ARRAY['{}', '{}']::jsonb[], queue => 'regress_held');
SELECT code, message FROM tap.err($$SELECT asyncjob.submit('noop', '{}', queue => 'regress_held')$$);
SELECT asyncjob.check_alarms();
SELECT name, state, value FROM asyncjob.alarms;
SELECT asyncjob.drop_alarm('queue_depth.regress_held');
SELECT count(asyncjob.cancel(id)) FROM asyncjob.job WHERE queue_id = (SELECT id FROM asyncjob.queue WHERE name = 'regress_held');

\i :engine_on
