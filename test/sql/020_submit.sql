-- submit(), submit_many() and run(): what is stored, and what is refused.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common

\i :engine_off

CREATE ROLE regress_aj_sub LOGIN;
CREATE ROLE regress_aj_nologin;
SELECT asyncjob.grant_usage('regress_aj_sub');
SELECT asyncjob.grant_usage('regress_aj_nologin');
SELECT asyncjob.create_queue('regress_sub');
CREATE SCHEMA aj_sub AUTHORIZATION regress_aj_sub;
SET ROLE regress_aj_sub;
CREATE FUNCTION aj_sub.plus_one(jsonb) RETURNS jsonb LANGUAGE sql
    AS $$ SELECT jsonb_build_object('n', (coalesce($1 -> 'params', $1) ->> 'n')::int + 1) $$;
CREATE FUNCTION aj_sub.show(jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION aj_sub.nothing(jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb';
CREATE FUNCTION aj_sub.fail(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'no luck' USING ERRCODE = '22012', HINT = 'Try again.';
END
$$;
SELECT asyncjob.create_pipeline('regress_two', '[{"name": "one", "handler": "aj_sub.plus_one"}, {"name": "two", "handler": "aj_sub.show"}]') > 0 AS made;
SELECT asyncjob.create_pipeline('regress_sinks', '[{"name": "one", "handler": "aj_sub.plus_one"},
    {"name": "left", "handler": "aj_sub.show", "after": []}, {"name": "right", "handler": "aj_sub.show", "after": ["one"]}]') > 0 AS made;
SELECT asyncjob.create_pipeline('regress_null', '[{"name": "a", "handler": "aj_sub.nothing"}]') > 0 AS made;
SELECT asyncjob.create_pipeline('regress_fail', '[{"name": "a", "handler": "aj_sub.fail"}]') > 0 AS made;

-- defaults
SELECT asyncjob.submit('noop') AS j \gset
SELECT pipeline, queue, state, partial, step, step_no, completed_steps, total_steps, progress, step_progress,
       message, eta, queue_position, priority, attempt, error_code, error_message,
       created_at = run_at AS due_now, started_at, finished_at, user_id, session_id, seq
    FROM asyncjob.status(:j) \gx
SELECT id = :j AS same, owner::regrole, state, priority, params, result FROM asyncjob.job;
-- everything given
SELECT asyncjob.submit('regress_two', '{"n": 1}', queue => 'regress_sub', priority => 'high',
    run_at => '2001-02-03 04:05:06+00', user_id => 'ann', unique_key => 'k') AS j \gset
SELECT pipeline, queue, state, step, total_steps, priority, run_at AT TIME ZONE 'UTC' AS run_at, user_id
    FROM asyncjob.status(:j);
-- the words for priorities, in any case
SELECT array_agg(s.priority ORDER BY p.place) FROM
    unnest('{LOW,Medium,high,URGENT,0,10,5}'::text[]) WITH ORDINALITY p (word, place),
    LATERAL asyncjob.submit('noop', priority => p.word) j, LATERAL asyncjob.status(j) s;

-- unique_key: the unfinished job is returned, whatever else is asked for
SELECT asyncjob.submit('noop', unique_key => 'k') = :j AS same_job;
SELECT asyncjob.submit('noop', unique_key => 'l') <> :j AS other_job;
SELECT asyncjob.cancel(:j);
SELECT asyncjob.submit('noop', unique_key => 'k') <> :j AS new_job;
SELECT * FROM tap.err(format('SELECT asyncjob.retry(%s)', :j));

-- many: ids in the order of the params
SELECT array_agg(id) AS ids FROM asyncjob.submit_many('noop',
    (SELECT array_agg(jsonb_build_object('n', i) ORDER BY i DESC) FROM generate_series(1, 5) i),
    priority => 'HIGH', user_id => 'bea') AS id \gset
SELECT array_agg(j.params ->> 'n' ORDER BY place) AS ns, bool_and(j.priority = 8 AND j.user_id = 'bea') AS as_told,
       array_agg(id ORDER BY place) = array_agg(id ORDER BY id) AS ascending
    FROM unnest(:'ids'::bigint[]) WITH ORDINALITY m (id, place) JOIN asyncjob.job j USING (id);
SELECT count(*) FROM asyncjob.submit_many('noop', '{}');

-- a rollback takes the job along, a savepoint too
SELECT count(*) AS before FROM asyncjob.job \gset
BEGIN;
SELECT asyncjob.submit('noop') > 0 AS submitted;
ROLLBACK;
BEGIN;
SAVEPOINT s;
SELECT asyncjob.submit('noop') > 0 AS submitted;
ROLLBACK TO s;
COMMIT;
SELECT count(*) - :before AS more FROM asyncjob.job;

-- refused, with nothing stored
SELECT * FROM tap.err($$SELECT asyncjob.submit(NULL)$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop', NULL)$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit('regress_unknown')$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop', queue => 'regress_unknown')$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop', queue => NULL)$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop', priority => NULL)$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop', priority => '11')$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop', priority => '-1')$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop', priority => 'soon')$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop', priority => '')$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop', priority => '5.5')$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop', priority => '99999999999999999999')$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop', run_at => 'infinity')$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop', run_at => '-infinity')$$);
SELECT code, hint FROM tap.err($$SELECT asyncjob.submit('noop', run_at => now() + interval '367 days')$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop', user_id => '')$$);
SELECT * FROM tap.err(format($$SELECT asyncjob.submit('noop', user_id => %L)$$, repeat('u', 257)));
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop', unique_key => '')$$);
SELECT * FROM tap.err(format($$SELECT asyncjob.submit('noop', unique_key => %L)$$, repeat('k', 513)));
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop', session_id => '')$$);
SELECT code, message FROM tap.err($$SELECT asyncjob.submit('noop', session_id => 'regress_unknown')$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit_many(NULL, '{}')$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit_many('noop', NULL)$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit_many('noop', ARRAY['1', NULL]::jsonb[])$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit_many('noop', '{}', queue => 'regress_unknown')$$);
SELECT * FROM tap.err($$SELECT asyncjob.run(NULL)$$);
SELECT * FROM tap.err($$SELECT asyncjob.run('noop', NULL)$$);
SELECT * FROM tap.err($$SELECT asyncjob.run('regress_unknown')$$);
BEGIN READ ONLY;
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop')$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit_many('noop', '{}')$$);
SELECT * FROM tap.err($$SELECT asyncjob.run('noop')$$);
ROLLBACK;
SELECT count(*) - :before AS more FROM asyncjob.job;

-- run(): the same steps at once, in this transaction
SELECT asyncjob.run('noop');
SELECT asyncjob.run('noop', '[1, "two"]');
SELECT asyncjob.run('regress_two', '{"n": 1}');
SELECT asyncjob.run('regress_sinks', '{"n": 1}');
SELECT asyncjob.run('regress_null');
SELECT * FROM tap.err($$SELECT asyncjob.run('regress_fail')$$);
SELECT pipeline, state, completed_steps, total_steps, progress FROM asyncjob.list_jobs(state => 'completed');

-- an owner that no worker could connect as is refused at once
RESET ROLE;
SELECT current_setting('server_version_num')::int < 170000 AS login_needed \gset
SET ROLE regress_aj_nologin;
-- (before 17, a worker can't connect as a role without LOGIN)
SELECT CASE WHEN :'login_needed' THEN e.code = '42501' AND e.message LIKE '%is not permitted to log in'
    ELSE e.code = 'none' END AS as_it_should
    FROM tap.err($$SELECT asyncjob.submit('noop')$$) e;
SELECT asyncjob.run('noop', '"needs no worker"');
RESET ROLE;
SELECT current_database() AS db \gset
REVOKE CONNECT ON DATABASE :"db" FROM PUBLIC;
SET ROLE regress_aj_sub;
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop')$$);
RESET ROLE;
GRANT CONNECT ON DATABASE :"db" TO PUBLIC;

SET client_min_messages = warning;
SELECT count(asyncjob.cancel(id)) FILTER (WHERE state = 'queued') > 0 AS cancelled FROM asyncjob.job WHERE owner = 'regress_aj_sub'::regrole;
DROP SCHEMA aj_sub CASCADE;
DROP OWNED BY regress_aj_sub, regress_aj_nologin;
DROP ROLE regress_aj_sub, regress_aj_nologin;
\i :engine_on
