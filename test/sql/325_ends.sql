-- What expires and what goes: jobs that a limit holds, jobs of jobs, kept events; and the events of ends that no worker made.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common
\i :engine_off
CREATE ROLE regress_aj_ends LOGIN;
SELECT asyncjob.grant_usage('regress_aj_ends');
CREATE SCHEMA aj_ends AUTHORIZATION regress_aj_ends;
SELECT asyncjob.create_queue('regress_ends', max_running => 0);
-- nothing of other tests
SELECT asyncjob.set_retention(k, NULL) FROM unnest(ARRAY['result', 'dead_letter', 'queued']) k;
SELECT asyncjob.set_retention('queued', '4 days', 'regress_ends');
SET ROLE regress_aj_ends;
CREATE FUNCTION aj_ends.tell(p jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT p - 'job_id' $$;
CREATE FUNCTION aj_ends.spawns(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.spawn('regress_ends_child', p, name => 'one'), asyncjob.spawn('regress_ends_child', '{"fail": 1}', name => 'two');
    RETURN asyncjob.wait_for_children();
END $$;
CREATE FUNCTION aj_ends.child(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF p ? 'fail' THEN RAISE 'fails' USING ERRCODE = 'AJ001'; END IF;
    PERFORM asyncjob.log('info', 'born');
    IF p ? 'art' THEN PERFORM asyncjob.artifact('a', 'report', 'text/plain', 'x'); END IF;
    RETURN p;
END $$;
SELECT asyncjob.create_pipeline('regress_ends', '[{"name": "a", "handler": "asyncjob.step_noop"}]') > 0 AS made,
    asyncjob.create_pipeline('regress_ends_told', '[{"name": "a", "handler": "aj_ends.tell"}]') > 0 AS made,
    asyncjob.create_pipeline('regress_ends_child', '[{"name": "a", "handler": "aj_ends.child"}]') > 0 AS made,
    asyncjob.create_pipeline('regress_ends_parent', '[{"name": "a", "handler": "aj_ends.spawns"}]') > 0 AS made;

-- jobs that a limit holds, and jobs of a paused pipeline, expire too; the session hears of it, and who subscribed
SELECT asyncjob.create_chat_session('regress_ends');
SELECT asyncjob.on_event('regress_ends-failed', 'regress_ends_told') > 0 AS subscribed;
SELECT asyncjob.submit('regress_ends', '1', queue => 'regress_ends', run_at => now() - interval '5 days', session_id => 'regress_ends') AS held,
    asyncjob.submit('regress_ends', '2', queue => 'regress_ends', run_at => now() - interval '3 days') AS young \gset
SELECT state, asyncjob.explain(job_id) FROM asyncjob.status(:held);
RESET ROLE;
SELECT deleted, expired FROM asyncjob.prune();
SET ROLE regress_aj_ends;
SELECT state, error_code, error_message FROM asyncjob.status(:held);
SELECT state FROM asyncjob.status(:young);
SELECT limit_group, waiting_for FROM asyncjob.job WHERE id = :held;
SELECT role, content FROM asyncjob.chat_message WHERE session_id = 'regress_ends';
SELECT asyncjob.drain();
SELECT j.state, j.result FROM asyncjob.job j JOIN asyncjob.pipeline p ON p.id = j.pipeline_id WHERE p.name = 'regress_ends_told';
SELECT asyncjob.redrive(to_jsonb(:held::bigint));
SELECT asyncjob.cancel(:held), asyncjob.cancel(:young);

-- jobs of jobs go with the one they belong to: all by purge() ...
SELECT asyncjob.submit('regress_ends_parent', '{"art": 1}') AS p1, asyncjob.submit('regress_ends_parent', '{"art": 1}') AS p2, asyncjob.submit('regress_ends_parent', '{}') AS p3 \gset
SELECT asyncjob.drain();
CREATE VIEW aj_ends.left AS SELECT j.state, count(*), count(*) FILTER (WHERE EXISTS (SELECT FROM asyncjob.artifacts(j.id))) AS with_artifacts
    FROM asyncjob.job j JOIN asyncjob.pipeline p ON p.id = j.pipeline_id WHERE p.name LIKE 'regress_ends_child' GROUP BY 1 ORDER BY 1;
SELECT state, count(*) FROM asyncjob.job WHERE id IN (:p1, :p2, :p3) GROUP BY 1;
TABLE aj_ends.left;
RESET ROLE;
UPDATE asyncjob.job SET state = 'failed' WHERE id = :p1;
SET ROLE regress_aj_ends;
SELECT asyncjob.purge(to_jsonb(:p1::bigint));
TABLE aj_ends.left;
-- ... and by retention those that no rule of their own keeps, nor a pin
SELECT asyncjob.pin(id) > now() AS pinned FROM asyncjob.job WHERE parent_id = :p3 AND state = 'completed';
RESET ROLE;
UPDATE asyncjob.job SET created_at = created_at - interval '8 days', finished_at = finished_at - interval '8 days' WHERE id IN (:p2, :p3);
SELECT asyncjob.set_retention('result', '7 days', 'default'), asyncjob.set_retention('dead_letter', '14 days', 'default');
SELECT deleted FROM asyncjob.prune();
SELECT count(*) FROM asyncjob.job WHERE id IN (:p2, :p3);
SET ROLE regress_aj_ends;
TABLE aj_ends.left;
SELECT asyncjob.unpin(id) FROM asyncjob.job WHERE parent_id = :p3 AND state = 'completed';
RESET ROLE;
SELECT count(*) AS orphans FROM asyncjob.job_memo m WHERE m.job_id >= :p1 AND NOT EXISTS (SELECT FROM asyncjob.job j WHERE j.id = m.job_id);
SELECT count(*) AS orphans FROM asyncjob.job_update m WHERE m.job_id >= :p1 AND NOT EXISTS (SELECT FROM asyncjob.job j WHERE j.id = m.job_id);
SELECT count(*) AS orphans FROM asyncjob.artifact m WHERE m.job_id >= :p1 AND NOT EXISTS (SELECT FROM asyncjob.job j WHERE j.id = m.job_id);
SELECT count(*) AS orphans FROM asyncjob.pin m WHERE m.job_id >= :p1 AND NOT EXISTS (SELECT FROM asyncjob.job j WHERE j.id = m.job_id);

-- kept events: 30 days, or as a rule says; others by their name
SET ROLE regress_aj_ends;
SELECT asyncjob.emit('old', '1', 'k'), asyncjob.emit('young', '1', 'k'), asyncjob.emit('dear', '1', 'k'), asyncjob.emit('cheap', '1', 'k');
SELECT asyncjob.drain();
RESET ROLE;
UPDATE asyncjob.event SET emitted_at = emitted_at - CASE event WHEN 'old' THEN interval '31 days' WHEN 'young' THEN interval '29 days'
    WHEN 'dear' THEN interval '99 days' ELSE interval '2 days' END WHERE owner = 'regress_aj_ends'::regrole;
SELECT * FROM asyncjob.retentions WHERE kind LIKE 'event%';
SELECT asyncjob.set_retention('event:dear', NULL), asyncjob.set_retention('event:cheap', '1 day');
SELECT deleted FROM asyncjob.prune();
SELECT event FROM asyncjob.event WHERE owner = 'regress_aj_ends'::regrole AND kept ORDER BY 1;
SELECT asyncjob.set_retention('event', '20 days');
SELECT deleted FROM asyncjob.prune();
SELECT event FROM asyncjob.event WHERE owner = 'regress_aj_ends'::regrole AND kept ORDER BY 1;
-- what went can be emitted again
SET ROLE regress_aj_ends;
SELECT asyncjob.emit('old', '2', 'k'), asyncjob.emit('dear', '2', 'k');
RESET ROLE;
SELECT (tap.err(s)).* FROM unnest(ARRAY[$$SELECT asyncjob.set_retention('event', '1 day', 'default')$$, $$SELECT asyncjob.set_retention('event:', '1 day')$$,
    $$SELECT asyncjob.set_retention('events', '1 day')$$]) s;
SELECT asyncjob.reset_retention(kind, queue) FROM asyncjob.retentions WHERE set_here ORDER BY 1;
DROP SCHEMA aj_ends CASCADE;
\i :engine_on
