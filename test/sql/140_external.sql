-- External steps: claimed, held, finished and failed over SQL.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common

CREATE ROLE regress_aj_ext LOGIN;
CREATE ROLE regress_aj_ext_worker LOGIN;
CREATE ROLE regress_aj_ext_other LOGIN;
SELECT asyncjob.grant_usage(r) FROM unnest('{regress_aj_ext,regress_aj_ext_worker,regress_aj_ext_other}'::regrole[]) r;
SELECT asyncjob.create_queue('regress_ext');
CREATE SCHEMA aj_ext AUTHORIZATION regress_aj_ext;
GRANT USAGE ON SCHEMA aj_ext TO PUBLIC;

-- A lease is over: nobody's clock is waited for.
CREATE FUNCTION aj_ext.let_expire(job bigint) RETURNS void LANGUAGE sql AS $$
    UPDATE asyncjob.lease SET expires_at = clock_timestamp() - interval '1 s' WHERE job_id = job;
$$;

\i :engine_off

-- definition
SET ROLE regress_aj_ext;
SELECT asyncjob.create_pipeline('regress_ext', '[{"name": "fetch", "handler": "external", "max_attempts": 3, "backoff": ["0s"]}]') > 0 AS made;
SELECT asyncjob.create_pipeline('regress_ext2', '[{"name": "fetch", "external": true}]') > 0 AS made;
CREATE FUNCTION aj_ext.before(jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_object('before', $1) $$;
CREATE FUNCTION aj_ext.after(jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_object('after', $1) $$;
SELECT asyncjob.create_pipeline('regress_ext3', '[{"name": "a", "handler": "aj_ext.before"},
    {"name": "b", "handler": "external"}, {"name": "c", "handler": "external"}, {"name": "d", "handler": "aj_ext.after"}]') > 0 AS made;
SELECT name, steps FROM asyncjob.pipelines WHERE name IN ('regress_ext', 'regress_ext2') ORDER BY name;
SELECT * FROM tap.err($$SELECT asyncjob.create_pipeline('regress_x', '[{"name": "a", "external": true, "handler": "aj_ext.before"}]')$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_pipeline('regress_x', '[{"name": "a", "external": "yes"}]')$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_pipeline('regress_x', '[{"name": "a", "external": false}]')$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_pipeline('regress_x', '[{"name": "a", "external": true, "batch": true}]')$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_pipeline('regress_x', '[{"name": "a", "external": true, "timeout": "5s"}]')$$);
SELECT * FROM tap.err($$SELECT asyncjob.run('regress_ext')$$);

-- bad arguments
SELECT * FROM tap.err($$SELECT asyncjob.claim(NULL)$$);
SELECT * FROM tap.err($$SELECT asyncjob.claim('{}')$$);
SELECT * FROM tap.err($$SELECT asyncjob.claim('{regress_ext,NULL}')$$);
SELECT * FROM tap.err($$SELECT asyncjob.claim('{regress_none}')$$);
SELECT * FROM tap.err($$SELECT asyncjob.claim('{regress_ext}', 0)$$);
SELECT * FROM tap.err($$SELECT asyncjob.claim('{regress_ext}', 1001)$$);
SELECT * FROM tap.err($$SELECT asyncjob.claim('{regress_ext}', 1, '0')$$);
SELECT * FROM tap.err($$SELECT asyncjob.claim('{regress_ext}', 1, '-5 min')$$);
SELECT * FROM tap.err($$SELECT asyncjob.claim('{regress_ext}', 1, '400 days')$$);
CALL asyncjob.claim_wait('{regress_ext}', timeout => '21 s');
CALL asyncjob.claim_wait('{regress_ext}', timeout => '-1 s');
BEGIN;
CALL asyncjob.claim_wait('{regress_ext}');
ROLLBACK;
SELECT * FROM tap.err($$SELECT asyncjob.complete(-1, 1)$$);
SELECT * FROM tap.err($$SELECT asyncjob.heartbeat(-1, 1)$$);
SELECT * FROM tap.err($$SELECT asyncjob.fail(-1, 1, 'no')$$);
SELECT * FROM tap.err($$SELECT asyncjob.complete(NULL, 1)$$);
SELECT * FROM tap.err($$SELECT asyncjob.complete(1, NULL)$$);
SELECT count(*) FROM asyncjob.claim('{regress_ext}');
CALL asyncjob.claim_wait('{regress_ext}', timeout => '0');

-- claimed, shown, completed; no worker of ours touches it
SELECT asyncjob.submit('regress_ext', '{"n": 1}', queue => 'regress_ext', user_id => 'ann') AS j \gset
SELECT state, step, attempt, queue_position FROM asyncjob.status(:j);
SELECT asyncjob.explain(:j);
SELECT asyncjob.drain();
SELECT job_id = :j AS job, queue, pipeline, step, attempt, input, lease_until > now() + interval '4 min' AS leased, user_id, session_id
    FROM asyncjob.claim('{regress_ext}', 5) \gx
SELECT count(*) FROM asyncjob.claim('{regress_ext}');
RESET ROLE;
SELECT token AS t FROM asyncjob.lease WHERE job_id = :j \gset
SET ROLE regress_aj_ext;
SELECT state, attempt FROM asyncjob.status(:j);
SELECT asyncjob.explain(:j) LIKE 'It is running step 1 of 1. An external worker of role "%" holds it until %.' AS explained;
SELECT asyncjob.heartbeat(:j, :t, '10 min', 0.25, 'a quarter') BETWEEN now() + interval '9 min' AND now() + interval '11 min' AS held;
SELECT step_progress, message FROM asyncjob.status(:j);
SELECT * FROM tap.err(format('SELECT asyncjob.heartbeat(%s, %s, progress => 1.5)', :j, :t));
SELECT * FROM tap.err(format('SELECT asyncjob.heartbeat(%s, %s, ''-1 s'')', :j, :t));
SELECT code, hint FROM tap.err(format('SELECT asyncjob.complete(%s, %s)', :j, :t + 1000000));
SELECT asyncjob.complete(:j, :t, '{"answer": 42}');
SELECT state, progress, asyncjob.result(job_id) FROM asyncjob.status(:j);
SELECT * FROM tap.history(:j);
SELECT code, regexp_replace(message, '\d+$', 'T') AS message, detail FROM tap.err(format('SELECT asyncjob.complete(%s, %s, ''{"answer": 43}'')', :j, :t));
SELECT code, detail FROM tap.err(format('SELECT asyncjob.heartbeat(%s, %s)', :j, :t));
SELECT code, detail FROM tap.err(format('SELECT asyncjob.fail(%s, %s, ''late'')', :j, :t));
SELECT asyncjob.result(:j);
RESET ROLE;
SELECT count(*) AS leases FROM asyncjob.lease WHERE job_id = :j;
SET ROLE regress_aj_ext;

-- without an output the result is null; a rollback takes claim and end back
SELECT asyncjob.submit('regress_ext', queue => 'regress_ext') AS j \gset
BEGIN;
SELECT token AS t FROM asyncjob.claim('{regress_ext}') \gset
SELECT asyncjob.complete(:j, :t);
ROLLBACK;
SELECT state FROM asyncjob.status(:j);
BEGIN;
SELECT token AS t FROM asyncjob.claim('{regress_ext}') \gset
SELECT asyncjob.complete(:j, :t);
COMMIT;
SELECT state, asyncjob.result(job_id) FROM asyncjob.status(:j);

-- order: priority, then due time; several at once; due jobs only
SELECT asyncjob.submit('regress_ext', '"low"', queue => 'regress_ext', priority => 'LOW') AS a \gset
SELECT asyncjob.submit('regress_ext', '"late"', queue => 'regress_ext', run_at => now() + interval '1 day') AS b \gset
SELECT asyncjob.submit('regress_ext', '"first"', queue => 'regress_ext', run_at => now() - interval '1 day') AS c \gset
SELECT count(*) FROM asyncjob.submit_many('regress_ext', ARRAY['"m1"', '"m2"']::jsonb[], queue => 'regress_ext');
SELECT asyncjob.submit('regress_ext', '"urgent"', queue => 'regress_ext', priority => 'URGENT') AS d \gset
SELECT input, queue_position FROM (SELECT j.params AS input, s.queue_position FROM asyncjob.job j, asyncjob.status(j.id) s WHERE j.state = 'queued' AND j.run_at < now()) x ORDER BY 2;
SELECT string_agg(input::text, ' ') FROM asyncjob.claim('{default,regress_ext}', 3);
SELECT string_agg(input::text, ' ') FROM asyncjob.claim('{default,regress_ext}', 3);
SELECT string_agg(input::text, ' ') FROM asyncjob.claim('{default,regress_ext}', 3);
SELECT state, asyncjob.explain(job_id) LIKE 'It waits: it is not due before %' AS explained FROM asyncjob.status(:b);
SELECT asyncjob.cancel(:b);

-- a paused queue gives nothing out
RESET ROLE;
SELECT asyncjob.pause_queue('regress_ext');
SET ROLE regress_aj_ext;
SELECT asyncjob.submit('regress_ext', '"p"', queue => 'regress_ext') AS j \gset
SELECT count(*) FROM asyncjob.claim('{regress_ext}');
SELECT asyncjob.explain(:j);
RESET ROLE;
SELECT asyncjob.resume_queue('regress_ext');
SET ROLE regress_aj_ext;
SELECT input, token AS t FROM asyncjob.claim('{regress_ext}') \gset

-- an expired lease: the step is claimed again, the late worker is told
RESET ROLE;
SELECT aj_ext.let_expire(:j);
SET ROLE regress_aj_ext;
SELECT job_id = :j AS job, attempt, token > :t AS new_token FROM asyncjob.claim('{regress_ext}');
RESET ROLE;
SELECT token AS t2 FROM asyncjob.lease WHERE job_id = :j \gset
SET ROLE regress_aj_ext;
SELECT code, detail FROM tap.err(format('SELECT asyncjob.complete(%s, %s)', :j, :t));
SELECT code, detail FROM tap.err(format('SELECT asyncjob.heartbeat(%s, %s)', :j, :t));
SELECT code, detail FROM tap.err(format('SELECT asyncjob.fail(%s, %s, ''x'')', :j, :t));
-- expired, but nobody has taken it: the worker may still finish
RESET ROLE;
SELECT aj_ext.let_expire(:j);
SET ROLE regress_aj_ext;
SELECT asyncjob.heartbeat(:j, :t2) > now() AS held_again;
RESET ROLE;
SELECT aj_ext.let_expire(:j);
SET ROLE regress_aj_ext;
SELECT asyncjob.complete(:j, :t2, '"in the end"');
SELECT * FROM tap.history(:j);

-- leases that expire use up the attempts
SELECT asyncjob.submit('regress_ext', '"lost"', queue => 'regress_ext') AS j \gset
SELECT attempt FROM asyncjob.claim('{regress_ext}');
RESET ROLE;
SELECT aj_ext.let_expire(:j);
SET ROLE regress_aj_ext;
SELECT attempt FROM asyncjob.claim('{regress_ext}');
RESET ROLE;
SELECT aj_ext.let_expire(:j);
SET ROLE regress_aj_ext;
SELECT attempt FROM asyncjob.claim('{regress_ext}');
RESET ROLE;
SELECT aj_ext.let_expire(:j);
SET ROLE regress_aj_ext;
SELECT attempt FROM asyncjob.claim('{regress_ext}');
SELECT state, attempt, error_code, error_category, error_message, error_hint FROM asyncjob.status(:j) \gx
SELECT asyncjob.retry(:j);
SELECT token AS t FROM asyncjob.claim('{regress_ext}') \gset

-- fail(): the SQLSTATE steers
SELECT asyncjob.fail(:j, :t, 'no answer', detail => 'HTTP 503', hint => 'Try later.', code => 'http_503');
SELECT state, error_code, error_category, error_message, error_detail, error_hint FROM asyncjob.status(:j);
SELECT attempt, token AS t FROM asyncjob.claim('{regress_ext}') \gset
SELECT asyncjob.fail(:j, :t, 'come back', 'AJ003', '0 s');
SELECT attempt AS still, token AS t FROM asyncjob.claim('{regress_ext}') \gset
\echo :attempt :still
SELECT * FROM tap.err(format('SELECT asyncjob.fail(%s, %s, NULL)', :j, :t));
SELECT * FROM tap.err(format('SELECT asyncjob.fail(%s, %s, ''x'', ''oops'')', :j, :t));
SELECT * FROM tap.err(format('SELECT asyncjob.fail(%s, %s, ''x'', ''00000'')', :j, :t));
SELECT asyncjob.fail(:j, :t, 'later', 'AJ002', '1 hour');
SELECT state, run_at > now() + interval '59 min' AS later FROM asyncjob.status(:j);
SELECT count(*) FROM asyncjob.claim('{regress_ext}');
SELECT asyncjob.cancel(:j);
SELECT asyncjob.retry(:j);
SELECT token AS t FROM asyncjob.claim('{regress_ext}') \gset
SELECT asyncjob.fail(:j, :t, 'never', 'AJ001');
SELECT state FROM asyncjob.status(:j);
SELECT asyncjob.retry(:j);
SELECT token AS t FROM asyncjob.claim('{regress_ext}') \gset
SELECT asyncjob.fail(:j, :t, 'not needed any more', 'AJ004');
SELECT state, message FROM asyncjob.status(:j);

-- cancel(): at once; the worker is told
SELECT asyncjob.submit('regress_ext', '"c"', queue => 'regress_ext') AS j \gset
SELECT token AS t FROM asyncjob.claim('{regress_ext}') \gset
SELECT asyncjob.cancel(:j, 'enough');
SELECT state, message FROM asyncjob.status(:j);
SELECT code, detail, hint FROM tap.err(format('SELECT asyncjob.heartbeat(%s, %s)', :j, :t));

-- inside a pipeline: checkpoints go from step to step
SELECT asyncjob.submit('regress_ext3', '{"n": 3}', queue => 'regress_ext') AS j \gset
SELECT count(*) FROM asyncjob.claim('{regress_ext}');
SELECT asyncjob.drain();
SELECT state, step, completed_steps FROM asyncjob.status(:j);
SELECT step, input, token AS t FROM asyncjob.claim('{regress_ext}') \gset
\echo :step :input
SELECT asyncjob.complete(:j, :t, '{"b": 1}');
SELECT asyncjob.drain();
SELECT step, input, token AS t FROM asyncjob.claim('{regress_ext}') \gset
\echo :step :input
SELECT asyncjob.complete(:j, :t, '{"c": 2}');
SELECT state, step, completed_steps FROM asyncjob.status(:j);
SELECT count(*) FROM asyncjob.claim('{regress_ext}');
SELECT asyncjob.drain();
SELECT state, asyncjob.result(job_id) FROM asyncjob.status(:j);
SELECT step_no, name, state, attempt, started_at <= finished_at AS in_order FROM asyncjob.steps(:j);

-- rights
SELECT asyncjob.submit('regress_ext', '"r"', queue => 'regress_ext') AS j \gset
SELECT * FROM tap.err($$SELECT asyncjob.grant_worker('regress_ext', 'regress_aj_ext_other')$$);
SET ROLE regress_aj_ext_worker;
SELECT count(*) FROM asyncjob.claim('{regress_ext}');
RESET ROLE;
SELECT * FROM tap.err($$SELECT asyncjob.grant_worker('regress_none', 'regress_aj_ext_worker')$$);
SELECT * FROM tap.err($$SELECT asyncjob.grant_worker(NULL, 'regress_aj_ext_worker')$$);
SELECT asyncjob.grant_worker('regress_ext', 'regress_aj_ext_worker');
SET ROLE regress_aj_ext_worker;
SELECT input, token AS t FROM asyncjob.claim('{regress_ext}') \gset
\echo :input
SELECT * FROM tap.err(format('SELECT * FROM asyncjob.status(%s)', :j));
SET ROLE regress_aj_ext_other;
SELECT count(*) FROM asyncjob.claim('{regress_ext}');
SELECT * FROM tap.err(format('SELECT asyncjob.complete(%s, %s)', :j, :t));
SELECT * FROM tap.err(format('SELECT asyncjob.heartbeat(%s, %s)', :j, :t));
SET ROLE regress_aj_ext_worker;
SELECT asyncjob.complete(:j, :t, '"by the worker"');
RESET ROLE;
SELECT asyncjob.revoke_worker('regress_ext', 'regress_aj_ext_worker');
SET ROLE regress_aj_ext;
SELECT state, asyncjob.result(job_id) FROM asyncjob.status(:j);
SELECT asyncjob.submit('regress_ext', '"r2"', queue => 'regress_ext', user_id => 'ann') AS j \gset
SET ROLE regress_aj_ext_worker;
SELECT count(*) FROM asyncjob.claim('{regress_ext}');

-- the application's users
SET ROLE regress_aj_ext;
SET asyncjob.user_id = 'bob';
SELECT count(*) FROM asyncjob.claim('{regress_ext}');
SET asyncjob.user_id = 'ann';
SELECT token AS t FROM asyncjob.claim('{regress_ext}') \gset
SET asyncjob.user_id = 'bob';
SELECT * FROM tap.err(format('SELECT asyncjob.complete(%s, %s)', :j, :t));
RESET asyncjob.user_id;
SELECT asyncjob.complete(:j, :t);
BEGIN READ ONLY;
SELECT code FROM tap.err($$SELECT asyncjob.claim('{regress_ext}')$$);
ROLLBACK;

-- where several steps follow it, the first one can be claimed at once too
SELECT asyncjob.create_pipeline('regress_ext_dag', '[{"name": "out", "handler": "external"}, {"name": "b", "handler": "asyncjob.step_noop", "after": ["out"]},
    {"name": "c", "handler": "asyncjob.step_noop", "after": ["out"]}]') > 0 AS made;
SELECT asyncjob.submit('regress_ext_dag', '{"n": 5}', queue => 'regress_ext') AS j \gset
SELECT step, input, token AS t FROM asyncjob.claim('{regress_ext}') \gset
\echo :step :input
SELECT asyncjob.complete(:j, :t, '"first"');
SELECT asyncjob.drain();
SELECT state, asyncjob.result(job_id) FROM asyncjob.status(:j);

-- cancel() ends steps that run beside each other at once, too; retry() begins them anew
SELECT asyncjob.create_pipeline('regress_ext_two', '[{"name": "a", "handler": "external"}, {"name": "b", "handler": "external", "after": []},
    {"name": "c", "handler": "asyncjob.step_noop", "after": ["a", "b"]}]') > 0 AS made;
SELECT asyncjob.submit('regress_ext_two', queue => 'regress_ext') AS j \gset
SELECT asyncjob.drain();
SELECT job_id AS a, token AS t FROM asyncjob.claim('{regress_ext}') \gset
SELECT asyncjob.cancel(:j, 'enough');
SELECT code, message ~ 'is not held under token' AS fenced, detail FROM tap.err(format('SELECT asyncjob.heartbeat(%s, %s)', :a, :t));
SELECT code, message ~ 'is not held under token' AS fenced, detail FROM tap.err(format('SELECT asyncjob.complete(%s, %s)', :a, :t));
SELECT asyncjob.retry(:j);
SELECT asyncjob.drain();
SELECT count(*), count(asyncjob.complete(c.job_id, c.token, to_jsonb(c.step))) FROM asyncjob.claim('{regress_ext}', 5) c;
SELECT asyncjob.drain();
SELECT state, asyncjob.result(job_id) FROM asyncjob.status(:j);

-- with workers: they do their steps and hand the job over; claim_wait() and
-- listeners hear of it
RESET ROLE;
\i :engine_on
SET ROLE regress_aj_ext;
SELECT asyncjob.submit('regress_ext3', '{"n": 4}', queue => 'regress_ext') AS j \gset
CALL asyncjob.claim_wait('{regress_ext}', 5) \gset
SELECT jsonb_array_length(:'jobs') AS n, :'jobs'::jsonb -> 0 ->> 'step' AS step, :'jobs'::jsonb -> 0 -> 'input' AS input,
       (:'jobs'::jsonb -> 0 ->> 'job_id')::bigint = :j AS job, :'jobs'::jsonb -> 0 ->> 'token' AS t \gset
\echo :n :step :input :job
SELECT asyncjob.complete(:j, :t, '"b"');
SELECT token AS t FROM asyncjob.claim('{regress_ext}') \gset
SELECT asyncjob.complete(:j, :t, '"c"');
SELECT state FROM asyncjob.wait(:j, '1 min');
SELECT asyncjob.result(:j);
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA aj_ext CASCADE;
DROP OWNED BY regress_aj_ext, regress_aj_ext_worker, regress_aj_ext_other;
DROP ROLE regress_aj_ext, regress_aj_ext_worker, regress_aj_ext_other;
