-- Limits of queues: how many run, how many start, whose turn it is.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common
\i :engine_off

CREATE ROLE regress_aj_lim LOGIN;
SELECT asyncjob.grant_usage('regress_aj_lim');
CREATE SCHEMA aj_lim AUTHORIZATION regress_aj_lim;
SET ROLE regress_aj_lim;
SELECT asyncjob.create_pipeline('regress_lim', '[{"name": "a", "handler": "external", "backoff": ["1 hour"]}]') > 0 AS made;
CREATE FUNCTION aj_lim.fail(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
SELECT asyncjob.create_pipeline('regress_lim_fail', '[{"name": "a", "handler": "aj_lim.fail", "backoff": ["1 hour"]}]') > 0 AS made;
-- end the oldest claimed job of a queue
CREATE FUNCTION aj_lim.done(q text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    j record;
BEGIN
    SELECT id, params, -worker_id AS token INTO j FROM asyncjob.job
        WHERE state = 'running' AND queue_id = (SELECT id FROM asyncjob.queue WHERE name = q) ORDER BY id LIMIT 1;
    PERFORM asyncjob.complete(j.id, j.token);
    RETURN j.params;
END
$$;
RESET ROLE;

-- bad input: nothing is stored
SELECT * FROM tap.err($$SELECT asyncjob.create_queue('regress_lim', max_running => -1)$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_queue('regress_lim', max_running_per_user => -1)$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_queue('regress_lim', max_running_per_key => 2000000)$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_queue('regress_lim', user_limit_mode => 'drop')$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_queue('regress_lim', rate_limit => 5)$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_queue('regress_lim', rate_interval => '1 s')$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_queue('regress_lim', rate_limit => -5, rate_interval => '1 s')$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_queue('regress_lim', rate_limit_per_key => 5, rate_interval_per_key => '-1 s')$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_queue('regress_lim', fair => true, user_weights => '[1]')$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_queue('regress_lim', fair => true, user_weights => '{"ann": 0}')$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_queue('regress_lim', ageing => '0')$$);
SELECT * FROM tap.err($$SELECT asyncjob.alter_queue('regress_none', max_running => 1)$$);
SELECT * FROM tap.err($$SELECT asyncjob.alter_queue('default', clear => '{max_runing}')$$);
SELECT * FROM tap.err($$SELECT asyncjob.alter_queue('default', max_running => 1, clear => '{max_running}')$$);
SELECT * FROM tap.err($$SELECT asyncjob.alter_queue(NULL, max_running => 1)$$);
SELECT * FROM tap.err($$SELECT asyncjob.drop_queue('default')$$);
SELECT * FROM tap.err($$SELECT asyncjob.drop_queue('regress_none')$$);
SELECT code FROM tap.err(format($$SELECT asyncjob.submit('noop', concurrency_key => %L)$$, repeat('k', 513)));
SET ROLE regress_aj_lim;
SELECT * FROM tap.err($$SELECT asyncjob.alter_queue('default', max_running => 1)$$);
SELECT * FROM tap.err($$SELECT asyncjob.drop_queue('default')$$);
RESET ROLE;
SELECT name FROM asyncjob.queues WHERE name LIKE 'regress_lim%';
SELECT count(*) FROM asyncjob.queue_limits;

-- max_running: the rest waits, and says why
SELECT asyncjob.create_queue('regress_lim', max_running => 2);
SELECT * FROM asyncjob.queue_limits \gx
SET ROLE regress_aj_lim;
SELECT count(*) FROM asyncjob.submit_many('regress_lim', ARRAY['1', '2', '3', '4', '5']::jsonb[], queue => 'regress_lim');
SELECT state, count(*) FROM asyncjob.list_jobs() GROUP BY 1;
SELECT string_agg(input::text, ' ') FROM asyncjob.claim('{regress_lim}', 10);
SELECT params, state, asyncjob.explain(id) LIKE 'It is running%' AS runs FROM asyncjob.job ORDER BY id;
SELECT id AS j FROM asyncjob.job WHERE params = '3' \gset
SELECT regexp_replace(asyncjob.explain(:j), '\(jobs? [0-9, ]+\)', '(N)') AS explain;
SELECT count(*) FROM asyncjob.claim('{regress_lim}', 10);
SELECT aj_lim.done('regress_lim');
SELECT string_agg(input::text, ' ') FROM asyncjob.claim('{regress_lim}', 10);
-- a rollback takes the place back
BEGIN;
SELECT aj_lim.done('regress_lim');
SELECT string_agg(input::text, ' ') FROM asyncjob.claim('{regress_lim}', 10);
ROLLBACK;
SELECT count(*) FROM asyncjob.claim('{regress_lim}', 10);
-- a job that failed rests without a place
SELECT asyncjob.fail(id, -worker_id, 'no luck') FROM asyncjob.job WHERE params = '2';
SELECT params, state, run_at > now() AS rests FROM asyncjob.job ORDER BY id;
SELECT string_agg(input::text, ' ') FROM asyncjob.claim('{regress_lim}', 10);
SELECT asyncjob.explain(id) LIKE 'It waits: it is not due before %' AS explained FROM asyncjob.job WHERE params = '2';
-- a cancelled one leaves its place; the next gets it; a retry waits again
SELECT asyncjob.cancel(:j);
SELECT asyncjob.retry(:j);
SELECT state FROM asyncjob.status(:j);
SELECT string_agg(input::text, ' ') FROM asyncjob.claim('{regress_lim}', 10);
SELECT state FROM asyncjob.status(:j);
SELECT regexp_replace(asyncjob.explain(:j), '\(jobs? [0-9, ]+\)', '(N)') AS explain;
-- changed at run time
RESET ROLE;
SELECT asyncjob.alter_queue('regress_lim', max_running => 3);
SET ROLE regress_aj_lim;
SELECT input = '3' AS third FROM asyncjob.claim('{regress_lim}', 10);
RESET ROLE;
SELECT asyncjob.alter_queue('regress_lim', max_running => 0);
SET ROLE regress_aj_lim;
SELECT aj_lim.done('regress_lim'), aj_lim.done('regress_lim'), aj_lim.done('regress_lim');
SELECT asyncjob.submit('regress_lim', '6', queue => 'regress_lim') AS j \gset
SELECT count(*) FROM asyncjob.claim('{regress_lim}', 10);
SELECT regexp_replace(asyncjob.explain(:j), '\(jobs? [0-9, ]+\)', '(N)') AS explain;
RESET ROLE;
SELECT asyncjob.alter_queue('regress_lim', clear => '{max_running}');
SELECT count(*) FROM asyncjob.queue_limits;
SET ROLE regress_aj_lim;
SELECT state FROM asyncjob.status(:j);
SELECT string_agg(input::text, ' ') FROM asyncjob.claim('{regress_lim}', 10);
-- limits on a queue that had none: what is queued waits, what runs counts
SELECT count(*) FROM asyncjob.submit_many('regress_lim', ARRAY['7', '8']::jsonb[], queue => 'regress_lim');
RESET ROLE;
SELECT asyncjob.alter_queue('regress_lim', max_running => 2);
SET ROLE regress_aj_lim;
SELECT params, state FROM asyncjob.job WHERE state NOT IN ('completed', 'cancelled') ORDER BY id;
SELECT string_agg(input::text, ' ') FROM asyncjob.claim('{regress_lim}', 10);
SELECT aj_lim.done('regress_lim');
SELECT string_agg(input::text, ' ') FROM asyncjob.claim('{regress_lim}', 10);
RESET ROLE;
TRUNCATE asyncjob.job, asyncjob.place, asyncjob.lease;
SELECT asyncjob.drop_queue('regress_lim');

-- the same for jobs that drain() runs
SELECT asyncjob.create_queue('regress_lim', max_running => 1);
SET ROLE regress_aj_lim;
SELECT count(*) FROM asyncjob.submit_many('noop', ARRAY['1', '2', '3']::jsonb[], queue => 'regress_lim');
SELECT count(*) FROM asyncjob.submit_many('regress_lim_fail', ARRAY['4', '5']::jsonb[], queue => 'regress_lim');
SELECT asyncjob.drain(2), asyncjob.drain();
SELECT params, state FROM asyncjob.job ORDER BY id;
RESET ROLE;
SELECT * FROM tap.err($$SELECT asyncjob.drop_queue('regress_lim')$$);
SET ROLE regress_aj_lim;
SELECT count(asyncjob.cancel(id)) FROM asyncjob.job WHERE state = 'waiting';
RESET ROLE;
SELECT asyncjob.drop_queue('regress_lim');
SELECT name FROM asyncjob.queues WHERE name LIKE 'regress_lim%';
SET ROLE regress_aj_lim;
SELECT regexp_replace(queue, '\d+', 'N') AS queue, state, count(*) FROM asyncjob.list_jobs() GROUP BY 1, 2 ORDER BY 2;
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop', queue => 'regress_lim')$$);
RESET ROLE;
TRUNCATE asyncjob.job, asyncjob.place;

-- one user, another user, no user
SELECT asyncjob.create_queue('regress_lim', max_running_per_user => 1);
SET ROLE regress_aj_lim;
SELECT count(asyncjob.submit('regress_lim', to_jsonb(u || n), queue => 'regress_lim', user_id => nullif(u, 'none'))) FROM unnest('{ann,bob,none}'::text[]) u, generate_series(1, 2) n;
SELECT string_agg(input::text, ' ') FROM asyncjob.claim('{regress_lim}', 10);
SELECT params, regexp_replace(asyncjob.explain(id), '\(jobs? [0-9, ]+\)', '(N)') AS explain FROM asyncjob.job WHERE state = 'waiting' ORDER BY id;
SELECT aj_lim.done('regress_lim');
SELECT string_agg(input::text, ' ') FROM asyncjob.claim('{regress_lim}', 10);
-- and refused instead
RESET ROLE;
TRUNCATE asyncjob.job, asyncjob.place, asyncjob.lease;
SELECT asyncjob.alter_queue('regress_lim', max_running_per_user => 2, user_limit_mode => 'reject');
SET ROLE regress_aj_lim;
SELECT count(asyncjob.submit('regress_lim', to_jsonb(n), queue => 'regress_lim', user_id => 'ann')) FROM generate_series(1, 2) n;
SELECT * FROM tap.err($$SELECT asyncjob.submit('regress_lim', '3', queue => 'regress_lim', user_id => 'ann')$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit_many('regress_lim', ARRAY['3', '4', '5']::jsonb[], queue => 'regress_lim')$$);
SELECT count(asyncjob.submit('regress_lim', to_jsonb(n), queue => 'regress_lim', user_id => 'bob')) FROM generate_series(1, 2) n;
SELECT string_agg(input::text, ' ') FROM asyncjob.claim('{regress_lim}', 1);
SELECT code FROM tap.err($$SELECT asyncjob.submit('regress_lim', '3', queue => 'regress_lim', user_id => 'ann')$$);
SELECT aj_lim.done('regress_lim');
SELECT asyncjob.submit('regress_lim', '3', queue => 'regress_lim', user_id => 'ann') > 0 AS accepted;
-- a job of another queue or user can't become one that is refused; one that is there already may change
SELECT asyncjob.submit('regress_lim', '4', user_id => 'ann', unique_key => 'k') AS j \gset
SELECT code, message FROM tap.err($$SELECT asyncjob.submit('regress_lim', '5', queue => 'regress_lim', user_id => 'ann', unique_key => 'k', unique_mode => 'replace')$$);
SELECT queue, asyncjob.params(job_id) FROM asyncjob.status(:j);
SELECT asyncjob.submit('regress_lim', '5', queue => 'regress_lim', user_id => 'eve', unique_key => 'k', unique_mode => 'replace') = :j AS same;
SELECT code FROM tap.err($$SELECT asyncjob.submit('regress_lim', '6', queue => 'regress_lim', user_id => 'ann', unique_key => 'k', unique_mode => 'replace')$$);
SELECT asyncjob.submit('regress_lim', '7', queue => 'regress_lim', user_id => 'eve') > 0 AS accepted;
SELECT asyncjob.submit('regress_lim', '8', queue => 'regress_lim', user_id => 'eve', unique_key => 'k', unique_mode => 'replace') = :j AS same;
SELECT code FROM tap.err($$SELECT asyncjob.submit('regress_lim', '9', queue => 'regress_lim', user_id => 'eve')$$);
SELECT count(*) FROM asyncjob.job;
RESET ROLE;
TRUNCATE asyncjob.job, asyncjob.place, asyncjob.lease;
SELECT asyncjob.drop_queue('regress_lim');

-- keys
SELECT asyncjob.create_queue('regress_lim', max_running_per_key => 1);
SET ROLE regress_aj_lim;
SELECT count(asyncjob.submit('regress_lim', to_jsonb(coalesce(k, 'free') || n), queue => 'regress_lim', concurrency_key => k)) FROM unnest('{a,b,NULL}'::text[]) k, generate_series(1, 2) n;
SELECT string_agg(input::text, ' ') FROM asyncjob.claim('{regress_lim}', 10);
SELECT params, regexp_replace(asyncjob.explain(id), '\(jobs? [0-9, ]+\)', '(N)') AS explain FROM asyncjob.job WHERE state = 'waiting' ORDER BY id;
SELECT aj_lim.done('regress_lim');
SELECT string_agg(input::text, ' ') FROM asyncjob.claim('{regress_lim}', 10);
RESET ROLE;
-- a key of another role is another key
SELECT asyncjob.grant_pipeline('noop', 'regress_aj_lim');
SELECT asyncjob.submit('noop', '"root"', queue => 'regress_lim', concurrency_key => 'a') > 0 AS submitted;
SELECT asyncjob.drain();
TRUNCATE asyncjob.job, asyncjob.place, asyncjob.lease;
SELECT asyncjob.drop_queue('regress_lim');

-- rates: starts in any interval; what hasn't started yet counts
SELECT asyncjob.create_queue('regress_lim', rate_limit => 3, rate_interval => '1 hour', rate_limit_per_key => 1, rate_interval_per_key => '1 hour');
SET ROLE regress_aj_lim;
SELECT count(asyncjob.submit('regress_lim', to_jsonb(coalesce(k, 'free') || n), queue => 'regress_lim', concurrency_key => k)) FROM unnest('{a,b,NULL}'::text[]) k, generate_series(1, 2) n;
SELECT string_agg(input::text, ' ') FROM asyncjob.claim('{regress_lim}', 10);
SELECT aj_lim.done('regress_lim'), aj_lim.done('regress_lim'), aj_lim.done('regress_lim');
SELECT count(*) FROM asyncjob.claim('{regress_lim}', 10);
SELECT params, regexp_replace(asyncjob.explain(id), 'until .*', 'until T') FROM asyncjob.job WHERE state = 'waiting' ORDER BY id;
RESET ROLE;
SELECT key, started_at > now() - interval '1 min' AS lately FROM asyncjob.queue_start ORDER BY key;
-- an hour is over for one of them
UPDATE asyncjob.queue_start SET started_at = started_at - interval '1 hour' WHERE key = 'a';
SET ROLE regress_aj_lim;
SELECT string_agg(input::text, ' ') FROM asyncjob.claim('{regress_lim}', 10);
SELECT count(*) FROM asyncjob.claim('{regress_lim}', 10);
RESET ROLE;
SELECT asyncjob.alter_queue('regress_lim', rate_limit => 5, clear => '{rate_limit_per_key,rate_interval_per_key}');
SET ROLE regress_aj_lim;
SELECT string_agg(input::text, ' ') FROM asyncjob.claim('{regress_lim}', 10);
RESET ROLE;
TRUNCATE asyncjob.job, asyncjob.place, asyncjob.lease, asyncjob.queue_start;
SELECT asyncjob.drop_queue('regress_lim');

-- users take turns; weights; who comes late doesn't have to catch up
SELECT asyncjob.create_queue('regress_lim', fair => true, user_weights => '{"cat": 2}');
SET ROLE regress_aj_lim;
SELECT count(asyncjob.submit('noop', to_jsonb('ann' || n), queue => 'regress_lim', user_id => 'ann')) FROM generate_series(1, 8) n;
SELECT asyncjob.drain(3);
SELECT count(asyncjob.submit('noop', to_jsonb('bob' || n), queue => 'regress_lim', user_id => 'bob')) FROM generate_series(1, 2) n;
SELECT count(asyncjob.submit('noop', to_jsonb('cat' || n), queue => 'regress_lim', user_id => 'cat', priority => 'LOW')) FROM generate_series(1, 4) n;
SELECT asyncjob.drain();
SELECT string_agg(params ->> 0, ' ' ORDER BY started_at) FROM asyncjob.job;
RESET ROLE;
TRUNCATE asyncjob.job, asyncjob.place;
SELECT asyncjob.drop_queue('regress_lim');

-- a place that was given in turn is used, although older and more urgent jobs get places after it
SELECT asyncjob.create_queue('regress_lim', fair => true);
SET ROLE regress_aj_lim;
SELECT count(asyncjob.submit('regress_lim', to_jsonb('ann' || n), queue => 'regress_lim', user_id => 'ann', priority => '8', run_at => now() - interval '1 min')) FROM generate_series(1, 4) n;
-- claims for somebody who has no jobs: they only give a place
SET asyncjob.user_id = 'zoe';
SELECT count(*) FROM asyncjob.claim('{regress_lim}', 1);
RESET asyncjob.user_id;
SELECT asyncjob.submit('regress_lim', '"bob1"', queue => 'regress_lim', user_id => 'bob', run_at => now() - interval '30 s') > 0 AS submitted;
SET asyncjob.user_id = 'zoe';
SELECT count(*) FROM asyncjob.claim('{regress_lim}', 1);
RESET asyncjob.user_id;
RESET ROLE;
UPDATE asyncjob.place SET admitted_at = admitted_at - interval '1 s';
SET ROLE regress_aj_lim;
SELECT input FROM asyncjob.claim('{regress_lim}', 1);
-- who claims one user's jobs only isn't held up by another's
SET asyncjob.user_id = 'ann';
SELECT input FROM asyncjob.claim('{regress_lim}', 1);
RESET asyncjob.user_id;
SELECT input FROM asyncjob.claim('{regress_lim}', 1);
SELECT input FROM asyncjob.claim('{regress_lim}', 1);
RESET ROLE;
TRUNCATE asyncjob.job, asyncjob.place, asyncjob.lease;
SELECT asyncjob.drop_queue('regress_lim');

-- the same between owners, for whom one program works
SELECT asyncjob.create_queue('regress_lim', fair => true);
SELECT asyncjob.grant_worker('regress_lim', 'regress_aj_lim');
SET ROLE regress_aj_lim;
SELECT count(asyncjob.submit('regress_lim', to_jsonb('lim' || n), queue => 'regress_lim', run_at => now() - interval '1 min')) FROM generate_series(1, 3) n;
RESET ROLE;
SELECT asyncjob.submit('regress_lim', '"root"', queue => 'regress_lim', run_at => now() - interval '30 s') > 0 AS submitted;
SET ROLE regress_aj_lim;
SET asyncjob.user_id = 'zoe';
SELECT count(*) FROM asyncjob.claim('{regress_lim}', 1);
SELECT count(*) FROM asyncjob.claim('{regress_lim}', 1);
RESET asyncjob.user_id;
SELECT input FROM asyncjob.claim('{regress_lim}', 1);
SELECT input FROM asyncjob.claim('{regress_lim}', 1);
SELECT input FROM asyncjob.claim('{regress_lim}', 1);
RESET ROLE;
TRUNCATE asyncjob.job, asyncjob.place, asyncjob.lease;
SELECT asyncjob.drop_queue('regress_lim');

-- ageing
SELECT asyncjob.create_queue('regress_lim', ageing => '1 min');
SET ROLE regress_aj_lim;
SELECT asyncjob.submit('noop', '"old and low"', queue => 'regress_lim', priority => '3', run_at => now() - interval '190 s') AS a \gset
SELECT asyncjob.submit('noop', '"new"', queue => 'regress_lim', priority => '5') AS b \gset
SELECT asyncjob.submit('noop', '"urgent"', queue => 'regress_lim', priority => '8') AS c \gset
SELECT asyncjob.drain();
SELECT string_agg(params ->> 0, ', ' ORDER BY started_at) FROM asyncjob.job;
SELECT priority FROM asyncjob.status(:a);
RESET ROLE;
TRUNCATE asyncjob.job, asyncjob.place;

-- run() is the caller's own affair
SELECT asyncjob.alter_queue('default', max_running => 0);
SELECT asyncjob.run('noop', '"now"');
SELECT asyncjob.submit('noop') AS j \gset
SELECT asyncjob.drain();
SELECT regexp_replace(asyncjob.explain(:j), '\(jobs? [0-9, ]+\)', '(N)') AS explain;
SELECT asyncjob.alter_queue('default', clear => '{max_running}');
SELECT asyncjob.drain();

-- with workers
\i :engine_on
SELECT asyncjob.drop_queue('regress_lim');
SELECT asyncjob.create_queue('regress_lim', max_running => 3, max_running_per_user => 2, max_running_per_key => 1, rate_limit => 1000, rate_interval => '1 s', fair => true, ageing => '1 s');
SET ROLE regress_aj_lim;
SELECT count(asyncjob.submit('noop', to_jsonb(n), queue => 'regress_lim', user_id => 'user' || n % 5, concurrency_key => 'key' || n % 7)) FROM generate_series(1, 100) n;
SELECT count(*) FROM asyncjob.job j, asyncjob.wait(j.id, '1 min') w WHERE w.state = 'completed';
RESET ROLE;
DELETE FROM asyncjob.place;
DELETE FROM asyncjob.job;
SELECT asyncjob.drop_queue('regress_lim');

SET client_min_messages = warning;
DROP SCHEMA aj_lim CASCADE;
DROP OWNED BY regress_aj_lim;
DROP ROLE regress_aj_lim;
