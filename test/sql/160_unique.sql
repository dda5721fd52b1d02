-- Unique keys: keep, replace, debounce.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common
\i :engine_off

CREATE ROLE regress_aj_uni LOGIN;
CREATE ROLE regress_aj_uni2 LOGIN;
SELECT asyncjob.grant_usage(r) FROM unnest('{regress_aj_uni,regress_aj_uni2}'::regrole[]) r;
SELECT asyncjob.create_queue('regress_uni', max_running => 1);
CREATE VIEW jobs AS SELECT j.params, j.state, j.priority, j.unique_key, j.user_id, q.name AS queue,
    CASE WHEN j.run_at > now() + interval '30 min' THEN 'later' ELSE 'now' END AS due
    FROM asyncjob.job j JOIN asyncjob.queue q ON q.id = j.queue_id WHERE pg_get_userbyid(j.owner) = 'regress_aj_uni' ORDER BY j.id;
GRANT SELECT ON jobs TO PUBLIC;
SET ROLE regress_aj_uni;
SELECT asyncjob.create_pipeline('regress_uni', '[{"name": "a", "handler": "external", "backoff": ["0s"]}]') > 0 AS made;

-- bad input
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop', unique_mode => 'replace')$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop', unique_key => 'k', unique_mode => 'debounce')$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop', unique_key => 'k', unique_mode => 'drop')$$);
SELECT code FROM tap.err(format($$SELECT asyncjob.submit('noop', unique_key => %L)$$, repeat('k', 513)));
SELECT count(*) FROM asyncjob.job;

-- keep: the job that is there
SELECT asyncjob.submit('noop', '{"n": 1}', unique_key => 'k') AS j \gset
SELECT asyncjob.submit('noop', '{"n": 2}', unique_key => 'k', priority => '9') = :j AS same;
SELECT asyncjob.submit('noop', '{"n": 2}', unique_key => 'k', unique_mode => 'keep') = :j AS same;
TABLE jobs;

-- replace: it gets the new parameters, and keeps its due time
SELECT asyncjob.submit('noop', '{"n": 3}', unique_key => 'k', unique_mode => 'replace', priority => '9', user_id => 'ann') = :j AS same;
TABLE jobs;
SELECT asyncjob.submit('noop', '{"n": 4}', unique_key => 'k', unique_mode => 'replace', run_at => now() + interval '1 hour') = :j AS same;
TABLE jobs;
SELECT asyncjob.drain();
SELECT asyncjob.submit('noop', '{"n": 5}', unique_key => 'k', unique_mode => 'replace', queue => 'regress_uni') = :j AS same;
TABLE jobs;
SELECT asyncjob.submit('noop', '{"n": 6}', unique_key => 'k', unique_mode => 'replace', run_at => now()) = :j AS same;
SELECT asyncjob.drain();
TABLE jobs;
-- its key is free now
SELECT asyncjob.submit('noop', '{"n": 7}', unique_key => 'k', unique_mode => 'replace') > :j AS another;
SELECT asyncjob.drain();

-- debounce: run once, at the time of the last call, with its parameters
SELECT asyncjob.submit('noop', '{"n": 8}', unique_key => 'd', unique_mode => 'debounce', run_at => now()) AS j \gset
SELECT asyncjob.submit('noop', '{"n": 9}', unique_key => 'd', unique_mode => 'debounce', run_at => now() + interval '1 hour') = :j AS same;
SELECT asyncjob.drain();
SELECT asyncjob.submit('noop', '{"n": 10}', unique_key => 'd', unique_mode => 'debounce', run_at => now()) = :j AS same;
SELECT asyncjob.drain(), asyncjob.result(:j);

-- one that has started goes on; what comes later is another job
SELECT asyncjob.submit('regress_uni', '{"n": 11}', unique_key => 's') AS j \gset
SELECT token AS t FROM asyncjob.claim('{default}') \gset
SELECT asyncjob.submit('regress_uni', '{"n": 12}', unique_key => 's') = :j AS same;
SELECT asyncjob.submit('regress_uni', '{"n": 13}', unique_key => 's', unique_mode => 'replace') AS j2 \gset
SELECT :j2 > :j AS another;
SELECT asyncjob.complete(:j, :t);
SELECT asyncjob.submit('regress_uni', '{"n": 14}', unique_key => 's', unique_mode => 'replace') = :j2 AS same;
SELECT params, state, unique_key FROM asyncjob.job WHERE id IN (:j, :j2) ORDER BY id;
SELECT token AS t FROM asyncjob.claim('{default}') \gset
SELECT asyncjob.fail(:j2, :t, 'again');
-- also where it rests between two attempts
SELECT asyncjob.submit('regress_uni', '{"n": 15}', unique_key => 's', unique_mode => 'debounce', run_at => now()) > :j2 AS another;
SELECT params, state, unique_key FROM asyncjob.job WHERE id >= :j2 ORDER BY id;
SELECT string_agg(input::text, ' ' ORDER BY job_id) FROM asyncjob.claim('{default}', 10);

-- in a queue with limits: a place isn't kept
SELECT asyncjob.submit('regress_uni', '{"n": 16}', unique_key => 'l', queue => 'regress_uni') AS j \gset
SELECT asyncjob.submit('regress_uni', '{"n": 17}', unique_key => 'l', unique_mode => 'replace', queue => 'regress_uni', concurrency_key => 'c') = :j AS same;
SELECT state, params FROM asyncjob.job WHERE id = :j;
SELECT input FROM asyncjob.claim('{regress_uni}', 10);
SELECT count(*) FROM asyncjob.submit_many('regress_uni', ARRAY['1', '2']::jsonb[], queue => 'regress_uni');
SELECT count(*) FROM asyncjob.claim('{regress_uni}', 10);

-- another role's key is another key
SET ROLE regress_aj_uni2;
SELECT asyncjob.submit('noop', '{"n": 18}', unique_key => 'l', unique_mode => 'replace') > :j AS another;
SELECT asyncjob.drain();
RESET ROLE;
SELECT params, state FROM asyncjob.job WHERE unique_key = 'l' ORDER BY id;

-- a place isn't kept where the job goes elsewhere: each queue counts what is in it
TRUNCATE asyncjob.job, asyncjob.lease, asyncjob.place;
SELECT asyncjob.create_queue('regress_uni2', max_running => 1);
SET ROLE regress_aj_uni;
SELECT asyncjob.submit('regress_uni', '{"n": 20}', unique_key => 'm', queue => 'regress_uni2') AS j \gset
-- it gets a place there, but somebody else's claim doesn't start it
SET asyncjob.user_id = 'zoe';
SELECT count(*) FROM asyncjob.claim('{regress_uni2}', 10);
RESET asyncjob.user_id;
SELECT state FROM asyncjob.job WHERE id = :j;
SELECT asyncjob.submit('regress_uni', '{"n": 21}', unique_key => 'm', unique_mode => 'replace', queue => 'regress_uni') = :j AS same;
SELECT count(*) FROM asyncjob.submit_many('regress_uni', ARRAY['3', '4']::jsonb[], queue => 'regress_uni');
SELECT count(*) FROM asyncjob.submit_many('regress_uni', ARRAY['5', '6']::jsonb[], queue => 'regress_uni2');
SELECT input FROM asyncjob.claim('{regress_uni}', 10);
SELECT input FROM asyncjob.claim('{regress_uni}', 10);
SELECT input FROM asyncjob.claim('{regress_uni2}', 10);
SELECT asyncjob.complete(l.job_id, l.token) FROM asyncjob.list_jobs(state => 'running') s, LATERAL (SELECT id AS job_id, -worker_id AS token FROM asyncjob.job WHERE id = s.job_id) l;
SELECT asyncjob.submit('regress_uni', '{"n": 22}', unique_key => 'm', queue => 'regress_uni2', priority => '10') AS j \gset
SET asyncjob.user_id = 'zoe';
SELECT count(*) FROM asyncjob.claim('{regress_uni2}', 10);
RESET asyncjob.user_id;
SELECT asyncjob.submit('regress_uni', '{"n": 23}', unique_key => 'm', unique_mode => 'debounce', run_at => now() + interval '1 hour') = :j AS same;
SELECT input FROM asyncjob.claim('{regress_uni2}', 10);
RESET ROLE;

TRUNCATE asyncjob.job, asyncjob.lease, asyncjob.place;
SELECT asyncjob.drop_queue('regress_uni');
SELECT asyncjob.drop_queue('regress_uni2');
\i :engine_on
SET client_min_messages = warning;
DROP VIEW jobs;
SET ROLE regress_aj_uni;
SELECT asyncjob.drop_pipeline('regress_uni');
RESET ROLE;
DROP OWNED BY regress_aj_uni, regress_aj_uni2;
DROP ROLE regress_aj_uni, regress_aj_uni2;
