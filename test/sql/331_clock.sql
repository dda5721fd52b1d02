-- drain() with its clock: sleeps, waits for events and their timeouts, and jobs of queues with limits.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common
\i :engine_off
CREATE ROLE regress_aj_clock LOGIN;
SELECT asyncjob.grant_usage('regress_aj_clock');
CREATE SCHEMA aj_clock AUTHORIZATION regress_aj_clock;
SELECT asyncjob.create_queue('regress_clock', max_running => 1);
SET ROLE regress_aj_clock;
CREATE TABLE aj_clock.did (job bigint, what text, n serial);
CREATE FUNCTION aj_clock.step(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    e jsonb;
BEGIN
    IF p ? 'sleep' THEN PERFORM asyncjob.sleep('nap', (p ->> 'sleep')::interval); END IF;
    IF p ? 'event' THEN e := asyncjob.wait_for_event(p ->> 'event', timeout => (p ->> 'timeout')::interval); END IF;
    INSERT INTO aj_clock.did VALUES (asyncjob.current_job(), p ->> 'what');
    RETURN coalesce(e, '"no event"');
END $$;
SELECT asyncjob.create_pipeline('regress_clock', '[{"name": "a", "handler": "aj_clock.step", "max_attempts": 1}]') > 0 AS made;

-- sleeps of a day and of an hour, an event that comes and one that does not
SELECT asyncjob.submit('regress_clock', '{"what": "day", "sleep": "1 day"}') AS day, asyncjob.submit('regress_clock', '{"what": "hour", "sleep": "1 hour"}') AS hour,
    asyncjob.submit('regress_clock', '{"what": "comes", "event": "comes", "timeout": "2 days"}') AS comes, asyncjob.submit('regress_clock', '{"what": "never", "event": "never", "timeout": "3 days"}') AS never \gset
SELECT asyncjob.drain();
SELECT asyncjob.drain(until => now() + interval '2 hours');
SELECT array_agg(what ORDER BY n) FROM aj_clock.did;
SELECT asyncjob.emit('comes', '"here"');
SELECT asyncjob.drain(until => now() + interval '2 hours');
SELECT asyncjob.drain(until => now() + interval '4 days');
SELECT array_agg(what ORDER BY n) FROM aj_clock.did;
SELECT state, asyncjob.result(job_id) FROM unnest(ARRAY[:day, :hour, :comes, :never]) i, asyncjob.status(i);
-- after the timeout a sleep begins, in one go
SELECT asyncjob.submit('regress_clock', '{"what": "both", "sleep": "1 day", "event": "never", "timeout": "1 day"}') AS j \gset
SELECT asyncjob.drain(until => now() + interval '47 hours');
SELECT state FROM asyncjob.status(:j);
SELECT asyncjob.drain(until => now() + interval '49 hours');
SELECT state FROM asyncjob.status(:j);

-- a queue with limits: jobs of the future, and one that slept, get their places in time
TRUNCATE aj_clock.did;
SELECT asyncjob.submit('regress_clock', '{"what": "later"}', queue => 'regress_clock', run_at => now() + interval '2 hours') AS a,
    asyncjob.submit('regress_clock', '{"what": "soon"}', queue => 'regress_clock', run_at => now() + interval '1 hour') AS b,
    asyncjob.submit('regress_clock', '{"what": "slept", "sleep": "90 min"}', queue => 'regress_clock') AS c \gset
SELECT asyncjob.drain();
SELECT asyncjob.drain(until => now() + interval '3 hours');
SELECT array_agg(what ORDER BY n) FROM aj_clock.did;
SELECT state FROM unnest(ARRAY[:a, :b, :c]) i, asyncjob.status(i);
RESET ROLE;
DROP SCHEMA aj_clock CASCADE;
\i :engine_on
