-- schedule() and what belongs to it: when something is due, what comes of it,
-- and who may. (165_schedules.pl has pg_cron; here tick() is called by hand.)
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common
\i :engine_off
SET TimeZone = 'UTC';
SET DateStyle = 'ISO';
SET asyncjob.require_pg_cron = off;

-- when: by the calendar, and over changes of the clock
SELECT to_char(t, 'YYYY-MM-DD HH24:MI Dy') FROM asyncjob.next_runs('30 4 1,15 * fri', 'UTC', 5, '2026-11-01') t;
SELECT zone, array_agg(to_char(t, 'MM-DD HH24:MI') || to_char(t AT TIME ZONE zone, ' (HH24:MI)')) FROM (VALUES
    ('Europe/Berlin', '30 2 * * *', '2026-03-28 00:00Z'::timestamptz), ('Europe/Berlin', '30 2 * * *', '2026-10-24 00:00Z'),
    ('Europe/Berlin', '*/30 2 * * *', '2026-03-28 00:00Z'), ('Europe/Berlin', '*/30 2 * * *', '2026-10-24 00:30Z'),
    ('Europe/Berlin', '0 * * * *', '2026-10-24 23:00Z'), ('America/New_York', '30 2 * * *', '2026-03-07 00:00Z'),
    ('Australia/Lord_Howe', '15 2 * * *', '2026-10-03 00:00Z'), ('Asia/Kathmandu', '@daily', '2026-11-22 00:00Z')) v (zone, cron, after),
    LATERAL (SELECT v.zone AS z, t FROM asyncjob.next_runs(v.cron, v.zone, 4, v.after) t) r GROUP BY v.zone, v.cron, v.after ORDER BY v.zone, v.cron, v.after;
-- PostgreSQL's own clocks say the same
SELECT zone, count(*) > 1000 AS many, count(*) FILTER (WHERE ours IS NULL OR theirs IS NULL) AS differences
FROM unnest('{UTC,Europe/Berlin,America/St_Johns,Australia/Lord_Howe,Africa/Casablanca,Pacific/Apia}'::text[]) zone,
LATERAL (SELECT ours, theirs FROM asyncjob.next_runs('*/15 0-4 * * *', zone, 10000, '2026-01-01') ours
    FULL JOIN (SELECT t AS theirs FROM generate_series('2026-01-01'::timestamptz + '5 min', '2026-12-31', '5 min') t
               WHERE extract(hour FROM t AT TIME ZONE zone) <= 4 AND extract(minute FROM t AT TIME ZONE zone) IN (0, 15, 30, 45)) t ON ours = theirs
    WHERE coalesce(ours, theirs) < '2026-12-31') c GROUP BY zone ORDER BY zone;
-- the same hour of each day, one run a day whatever the clock does
SELECT zone, count(*) AS runs, count(DISTINCT (t AT TIME ZONE zone)::date) AS days
FROM unnest('{UTC,Europe/Berlin,America/St_Johns,Australia/Lord_Howe,Africa/Casablanca}'::text[]) zone,
LATERAL (SELECT t FROM asyncjob.next_runs('30 2 * * *', zone, 365, '2025-12-31 12:00Z') t) c GROUP BY zone ORDER BY zone;
SELECT (tap.err(s)).* FROM unnest(ARRAY[
    $$SELECT asyncjob.next_runs('* * * *')$$, $$SELECT asyncjob.next_runs('*/5 * * * * *')$$, $$SELECT asyncjob.next_runs('* 25 * * *')$$,
    $$SELECT asyncjob.next_runs('0 0 * jun-may *')$$, $$SELECT asyncjob.next_runs('*/90 * * * *')$$, $$SELECT asyncjob.next_runs('@reboot')$$,
    $$SELECT asyncjob.next_runs('0 0 31 2 *')$$, $$SELECT asyncjob.next_runs(NULL)$$,
    $$SELECT asyncjob.next_runs('@daily', 'Europe/Berln')$$, $$SELECT asyncjob.next_runs('@daily', 'UTC+2')$$,
    $$SELECT asyncjob.next_runs('@daily', 'Europe/Berlin2')$$, $$SELECT asyncjob.next_runs('@daily', '')$$, $$SELECT asyncjob.next_runs('@daily', NULL)$$,
    $$SELECT asyncjob.next_runs('@daily', max_rows => 0)$$, $$SELECT asyncjob.next_runs('@daily', max_rows => 10001)$$,
    $$SELECT asyncjob.next_runs('@daily', after => 'infinity')$$]) s;

CREATE ROLE regress_aj_sc LOGIN;
CREATE ROLE regress_aj_sc2 LOGIN;
CREATE ROLE regress_aj_sc3 LOGIN;
SELECT asyncjob.grant_usage(r::regrole) FROM unnest('{regress_aj_sc,regress_aj_sc2,regress_aj_sc3}'::text[]) r;
SELECT asyncjob.grant_admin('regress_aj_sc2');
CREATE SCHEMA aj_sc AUTHORIZATION regress_aj_sc;
GRANT USAGE ON SCHEMA aj_sc TO PUBLIC;
SET ROLE regress_aj_sc;
CREATE TABLE aj_sc.ran (who name DEFAULT current_user, p jsonb, due timestamptz);
GRANT INSERT ON aj_sc.ran TO PUBLIC;
CREATE FUNCTION aj_sc.work(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO aj_sc.ran (p, due) VALUES (p, asyncjob.scheduled_for());
    RETURN p;
END $$;
CREATE FUNCTION aj_sc.valid(p jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF p ? 'bad' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'params are bad';
    END IF;
END $$;
SELECT asyncjob.create_pipeline('regress_sc', '[{"name": "work", "handler": "aj_sc.work"}]', validator => 'aj_sc.valid') > 0 AS made;
SELECT asyncjob.grant_pipeline('regress_sc', 'regress_aj_sc3');
-- this minute, or one before, is due
RESET ROLE;
CREATE FUNCTION aj_sc.due(which text, minutes_ago int DEFAULT 0) RETURNS void LANGUAGE sql AS $$
    UPDATE asyncjob.schedule SET next_at = m, cron = to_char(m AT TIME ZONE 'UTC', 'MI HH24') || ' * * *', time_zone = 'UTC'
    FROM (SELECT date_trunc('minute', now()) - minutes_ago * interval '1 min' AS m) t WHERE name = which
$$;
-- each day at an hour that is half a day away, and so often already
CREATE FUNCTION aj_sc.missed(which text, days int) RETURNS void LANGUAGE sql AS $$
    UPDATE asyncjob.schedule SET next_at = h - days * interval '1 day', cron = to_char(h AT TIME ZONE 'UTC', '"0" HH24') || ' * * *', time_zone = 'UTC'
    FROM (SELECT date_trunc('hour', now()) - interval '12 hours' AS h) t WHERE name = which
$$;
CREATE VIEW aj_sc.runs WITH (security_invoker = true) AS
    SELECT schedule, round(extract(epoch FROM date_trunc('hour', now()) - interval '12 hours' - due_at) / 86400, 1) AS days_ago, state,
           regexp_replace(reason, 'job \d+', 'job N') AS reason, job_state FROM asyncjob.schedule_runs ORDER BY schedule, due_at;
GRANT SELECT ON aj_sc.runs TO PUBLIC;
SET ROLE regress_aj_sc;

-- what is refused, before anything is stored
SELECT (tap.err('SELECT asyncjob.schedule(' || a || ')')).* FROM unnest(ARRAY[
    $$NULL, '@daily', 'regress_sc'$$, $$'', '@daily', 'regress_sc'$$, $$'a b', '@daily', 'regress_sc'$$,
    $$'a', NULL, 'regress_sc'$$, $$'a', '@daily', NULL$$, $$'a', '@daily', 'regress_sc', NULL$$,
    $$'a', '0 24 * * *', 'regress_sc'$$, $$'a', '0 0 30 2 *', 'regress_sc'$$,
    $$'a', '@daily', 'regress_sc_none'$$, $$'a', '@daily', 'regress_sc', '{"bad": 1}'$$,
    $$'a', '@daily', 'regress_sc', '{"$encrypted": "x"}'$$,
    $$'a', '@daily', 'regress_sc', time_zone => 'Mars/Phobos'$$, $$'a', '@daily', 'regress_sc', queue => 'none'$$,
    $$'a', '@daily', 'regress_sc', priority => '11'$$, $$'a', '@daily', 'regress_sc', overlap => NULL$$,
    $$'a', '@daily', 'regress_sc', catch_up => 'some'$$, $$'a', '@daily', 'regress_sc', catch_up_limit => 0$$,
    $$'a', '@daily', 'regress_sc', catch_up_limit => 10001$$, $$'a', '@daily', 'regress_sc', user_id => ''$$,
    $$'a', '@daily', 'regress_sc', concurrency_key => ''$$]) a;
SELECT (tap.err(s)).* FROM unnest(ARRAY[$$SELECT asyncjob.alter_schedule('a', '@daily')$$, $$SELECT asyncjob.unschedule('a')$$,
    $$SELECT asyncjob.pause_schedule('a')$$, $$SELECT asyncjob.resume_schedule('a')$$, $$SELECT asyncjob.unschedule(NULL)$$,
    $$SELECT asyncjob.tick()$$, $$SELECT asyncjob.pause_schedule('a', 'regress_aj_sc2')$$]) s;
SELECT count(*) FROM asyncjob.schedules;

-- a year of a schedule, in a moment: each run is a job of its owner
SELECT asyncjob.schedule('a', '30 2 * * *', 'regress_sc', '{"n": 1}', time_zone => 'Europe/Berlin') = t AS next_run
    FROM asyncjob.next_runs('30 2 * * *', 'Europe/Berlin', 1) t;
SELECT name, owner, cron, time_zone, pipeline, params, queue, priority, overlap, catch_up, catch_up_limit, paused, problem, next_run > now() AS next_run,
    last_run, last_state, last_job_id, pending_runs FROM asyncjob.schedules \gx
BEGIN;
SELECT asyncjob.drain(until => date_trunc('day', now()) + interval '365 days 12 hours') BETWEEN 365 AND 366 AS runs;
SELECT count(*) BETWEEN 365 AND 366 AS runs, array_agg(DISTINCT who), array_agg(DISTINCT p), count(DISTINCT due) = count(*) AS each_its_time FROM aj_sc.ran;
SELECT count(*) AS other_times FROM (SELECT due FROM aj_sc.ran EXCEPT SELECT asyncjob.next_runs('30 2 * * *', 'Europe/Berlin', 400)) d;
SELECT DISTINCT state, job_state, reason FROM asyncjob.schedule_runs;
SELECT last_state, last_job_state, next_run > now() + interval '364 days' AS next_run FROM asyncjob.schedules;
ROLLBACK;
SELECT asyncjob.scheduled_for();
-- it is one's own name; a further call replaces it
SELECT asyncjob.schedule('a', '0 12 * * *', 'regress_sc', '{"n": 2}', priority => 'HIGH', overlap => true, catch_up => 'all', catch_up_limit => 7,
    user_id => 'u', concurrency_key => 'k') IS NOT NULL AS replaced;
SELECT name, cron, time_zone, params, priority, overlap, catch_up, catch_up_limit, user_id, concurrency_key FROM asyncjob.schedules;
SELECT asyncjob.alter_schedule('a', time_zone => 'Asia/Tokyo', catch_up => 'none') = t AS next_run FROM asyncjob.next_runs('0 12 * * *', 'Asia/Tokyo', 1) t;
SELECT name, cron, time_zone, params, priority, overlap, catch_up, catch_up_limit, user_id, concurrency_key FROM asyncjob.schedules;
SELECT (tap.err($$SELECT asyncjob.alter_schedule('a', '0 0 0 * *')$$)).*;
SELECT (tap.err($$SELECT asyncjob.alter_schedule('a', params => '{"bad": 1}')$$)).message;
SELECT asyncjob.schedule('a', '0 12 * * *', 'regress_sc') IS NOT NULL AS replaced;
SELECT name, cron, time_zone, params, priority, overlap, catch_up, catch_up_limit, user_id, concurrency_key FROM asyncjob.schedules;
-- what is optional can be taken away again
SELECT asyncjob.alter_schedule('a', user_id => 'ann', concurrency_key => 'k') > now() AS altered;
SELECT user_id, concurrency_key FROM asyncjob.schedules WHERE name = 'a';
SELECT asyncjob.alter_schedule('a', clear => '{user_id}') > now() AS altered;
SELECT user_id, concurrency_key FROM asyncjob.schedules WHERE name = 'a';
SELECT (tap.err(s)).* FROM unnest(ARRAY[$$SELECT asyncjob.alter_schedule('a', clear => '{params}')$$, $$SELECT asyncjob.alter_schedule('a', clear => '{NULL}')$$,
    $$SELECT asyncjob.alter_schedule('a', concurrency_key => 'l', clear => '{user_id,concurrency_key}')$$]) s;
SELECT user_id, concurrency_key FROM asyncjob.schedules WHERE name = 'a';
SELECT asyncjob.alter_schedule('a', user_id => 'ann', clear => '{concurrency_key}') > now() AS altered;
SET asyncjob.user_id = 'ann';
SELECT * FROM tap.err($$SELECT asyncjob.alter_schedule('a', clear => '{user_id}')$$);
RESET asyncjob.user_id;
SELECT user_id, concurrency_key FROM asyncjob.schedules WHERE name = 'a';
SELECT asyncjob.alter_schedule('a', clear => '{user_id}') > now() AS altered;
-- what was due by the same rule before still is, after a change of anything else
RESET ROLE;
SELECT aj_sc.due('a');
SET ROLE regress_aj_sc;
SELECT cron AS c FROM asyncjob.schedules \gset
SELECT asyncjob.alter_schedule('a', params => '{"n": 3}') <= now() AS still_due, asyncjob.schedule('a', :'c', 'regress_sc') <= now() AS still_due;
SELECT asyncjob.alter_schedule('a', time_zone => 'Europe/London') > now() AS another_rule;

-- one job a due time, however often somebody ticks
RESET ROLE;
SELECT aj_sc.due('a');
SELECT asyncjob.tick(), asyncjob.tick();
SELECT schedule, state, reason, job_state FROM aj_sc.runs;
SELECT aj_sc.due('a');
SELECT asyncjob.tick();
SELECT schedule, state, reason, job_state FROM aj_sc.runs;
-- no second one beside a job that has not ended, unless that is allowed
SELECT aj_sc.due('a', 1);
SELECT asyncjob.tick();
UPDATE asyncjob.schedule SET overlap = true WHERE name = 'a';
SELECT aj_sc.due('a', 2);
SELECT asyncjob.tick();
UPDATE asyncjob.schedule SET overlap = false WHERE name = 'a';
SELECT schedule, state, reason, job_state FROM aj_sc.runs ORDER BY state, reason;
SET ROLE regress_aj_sc;
SELECT asyncjob.drain();
SELECT count(*) AS ran FROM aj_sc.ran;
RESET ROLE;
SELECT aj_sc.due('a', 3);
SELECT asyncjob.tick();
SET ROLE regress_aj_sc;
SELECT asyncjob.drain();
SELECT last_state, last_job_state FROM asyncjob.schedules;
-- a dead letter has ended
DELETE FROM aj_sc.ran;
SELECT asyncjob.unschedule('a');
SELECT count(*) FROM asyncjob.schedule_runs;

-- runs that were missed: none, the latest, or all of them in their order
SELECT count(*) FROM unnest('{none,one,all}'::text[]) c, asyncjob.schedule(c, '@daily', 'regress_sc', to_jsonb(c), catch_up => c, catch_up_limit => 4);
RESET ROLE;
SELECT aj_sc.missed(c, 6) FROM unnest('{none,one,all}'::text[]) c;
SELECT asyncjob.tick();
SELECT * FROM aj_sc.runs;
SELECT name, last_state, pending_runs, next_run > now() AS future FROM asyncjob.schedules ORDER BY name;
SELECT asyncjob.tick();
SET ROLE regress_aj_sc;
SELECT asyncjob.drain(1);
RESET ROLE;
SELECT asyncjob.tick();
SET ROLE regress_aj_sc;
SELECT name, pending_runs FROM asyncjob.schedules ORDER BY name;
SELECT asyncjob.drain();
SELECT * FROM aj_sc.runs;
SELECT count(*), count(DISTINCT due) FROM aj_sc.ran;
SELECT array_agg(due) = array_agg(due ORDER BY due) AS in_order FROM aj_sc.ran WHERE p = '"all"';
-- all at once where they may overlap; a regular run comes behind those that wait
SELECT asyncjob.unschedule(c) FROM unnest('{none,one,all}'::text[]) c;
SELECT asyncjob.schedule('all', '@daily', 'regress_sc', catch_up => 'all', overlap => true) IS NOT NULL AS made,
       asyncjob.schedule('behind', '@daily', 'regress_sc', catch_up => 'all', catch_up_limit => 3) IS NOT NULL AS made;
RESET ROLE;
SELECT aj_sc.missed('all', 2), aj_sc.missed('behind', 2);
SELECT asyncjob.tick();
SELECT aj_sc.due('behind');
SELECT asyncjob.tick();
SELECT schedule, state, count(*) FROM aj_sc.runs GROUP BY 1, 2 ORDER BY 1, 2;
-- more than a year: what came before doesn't count
SELECT aj_sc.missed('all', 800);
UPDATE asyncjob.schedule SET overlap = false, catch_up = 'one' WHERE name = 'all';
DELETE FROM asyncjob.schedule_run WHERE schedule_id = (SELECT id FROM asyncjob.schedule WHERE name = 'all');
SELECT asyncjob.tick();
SELECT state, reason FROM aj_sc.runs WHERE schedule = 'all';
SET ROLE regress_aj_sc;
SELECT asyncjob.drain() > 0 AS ran;
-- paused: nothing is submitted, and nothing was missed
SELECT asyncjob.unschedule('behind'), asyncjob.pause_schedule('all');
RESET ROLE;
SELECT aj_sc.missed('all', 3);
SELECT asyncjob.tick();
SET ROLE regress_aj_sc;
SELECT asyncjob.schedule('all', '@daily', 'regress_sc') > now() AS replaced;
SELECT name, paused, next_run, problem FROM asyncjob.schedules;
SELECT asyncjob.resume_schedule('all') = t, asyncjob.resume_schedule('all') = t FROM asyncjob.next_runs('@daily', max_rows => 1) t;
SELECT paused, next_run > now() AS next_run FROM asyncjob.schedules;

-- what submit() would refuse is refused at its time, and the next is tried again
RESET ROLE;
DELETE FROM asyncjob.schedule_run;
SELECT aj_sc.due('all');
SELECT asyncjob.drop_pipeline('regress_sc');
SELECT asyncjob.tick();
SET ROLE regress_aj_sc;
SELECT asyncjob.create_pipeline('regress_sc', '[{"name": "work", "handler": "aj_sc.work"}]', validator => 'aj_sc.valid') > 0 AS made;
RESET ROLE;
SELECT aj_sc.due('all', 1);
SELECT asyncjob.tick();
SELECT state, reason, job_state FROM aj_sc.runs ORDER BY state;
SET ROLE regress_aj_sc;
SELECT asyncjob.drain();
SELECT asyncjob.unschedule('all');
-- one that may not run it, or may no longer log in; others go on
SET ROLE regress_aj_sc3;
SELECT asyncjob.schedule('theirs', '@daily', 'regress_sc', user_id => 'u1') IS NOT NULL AS made;
SELECT (tap.err($$SELECT asyncjob.schedule('x', '@daily', 'regress_sc', user_id => 'u2')$$)).code;
SET asyncjob.user_id = 'u1';
SELECT name FROM asyncjob.schedules;
SET asyncjob.user_id = 'u2';
SELECT name FROM asyncjob.schedules;
SELECT (tap.err(s)).* FROM unnest(ARRAY[$$SELECT asyncjob.alter_schedule('theirs', '@daily')$$, $$SELECT asyncjob.pause_schedule('theirs')$$,
    $$SELECT asyncjob.unschedule('theirs')$$, $$SELECT asyncjob.schedule('theirs', '@daily', 'noop')$$,
    $$SELECT asyncjob.schedule('y', '@daily', 'noop', user_id => 'u1')$$]) s;
RESET asyncjob.user_id;
SET ROLE regress_aj_sc;
SELECT asyncjob.schedule('mine', '@daily', 'regress_sc') IS NOT NULL AS made;
SELECT name, owner FROM asyncjob.schedules;
SELECT (tap.err(s)).* FROM unnest(ARRAY[$$SELECT asyncjob.pause_schedule('theirs', 'regress_aj_sc3')$$, $$SELECT asyncjob.unschedule('theirs')$$,
    $$INSERT INTO asyncjob.schedule DEFAULT VALUES$$, $$UPDATE asyncjob.schedule SET paused = true$$]) s;
RESET ROLE;
DELETE FROM asyncjob.pipeline_grant WHERE pipeline = 'regress_sc';
SELECT aj_sc.due('theirs'), aj_sc.due('mine');
SET ROLE regress_aj_sc2;
SELECT asyncjob.tick();
SELECT schedule, owner, state, reason FROM asyncjob.schedule_runs ORDER BY 1;
SELECT asyncjob.pause_schedule('mine', 'regress_aj_sc');
SELECT name, paused FROM asyncjob.schedules ORDER BY 1;
SELECT asyncjob.unschedule('mine', 'regress_aj_sc');
-- a job that was submitted goes on
SET ROLE regress_aj_sc;
SELECT asyncjob.drain();
SET ROLE regress_aj_sc2;
SELECT (tap.err($$SELECT asyncjob.resume_schedule('mine', 'regress_aj_sc')$$)).message;
-- a full queue
SELECT asyncjob.create_queue('regress_sc');
SELECT asyncjob.set_max_depth('regress_sc', 0);
SET ROLE regress_aj_sc;
SELECT asyncjob.schedule('full', '@daily', 'noop', queue => 'regress_sc') IS NOT NULL AS made;
RESET ROLE;
SELECT aj_sc.due('full');
SELECT asyncjob.tick();
SELECT state, reason FROM aj_sc.runs WHERE schedule = 'full';
-- a queue with limits: the job waits for its place as any other
SELECT asyncjob.set_max_depth('regress_sc', NULL);
SELECT asyncjob.alter_queue('regress_sc', max_running => 1);
SELECT aj_sc.due('full', 1);
SELECT asyncjob.tick();
SELECT state, reason, job_state FROM aj_sc.runs WHERE schedule = 'full' AND state = 'submitted';
SET ROLE regress_aj_sc;
SELECT asyncjob.drain() > 0 AS ran;
SELECT last_job_state FROM asyncjob.schedules WHERE name = 'full';
RESET ROLE;
SELECT asyncjob.unschedule('full', 'regress_aj_sc');
SELECT asyncjob.drop_queue('regress_sc');
-- what can't go on is paused, and says why; it goes on when it can
UPDATE asyncjob.schedule SET time_zone = 'Mars/Phobos', next_at = now() WHERE name = 'theirs';
SELECT asyncjob.tick();
SELECT name, paused, problem FROM asyncjob.schedules ORDER BY name;
SELECT (tap.err($$SELECT asyncjob.resume_schedule('theirs', 'regress_aj_sc3')$$)).*;
SET ROLE regress_aj_sc3;
SELECT asyncjob.alter_schedule('theirs', time_zone => 'UTC', pipeline => 'noop') > now() AS altered;
SELECT asyncjob.resume_schedule('theirs') > now() AS resumed;
SELECT name, paused, problem FROM asyncjob.schedules ORDER BY name;
-- pg_cron isn't asked for anything here, but check() always says something
SELECT item, ok FROM asyncjob.check() WHERE item = 'schedules';
RESET ROLE;
DELETE FROM aj_sc.ran;
DROP OWNED BY regress_aj_sc3;
DROP ROLE regress_aj_sc3;
UPDATE asyncjob.schedule SET next_at = now() WHERE name = 'theirs';
SELECT asyncjob.tick();
SELECT name, owner LIKE 'unknown%' AS owner, paused, problem FROM asyncjob.schedules ORDER BY name;
DELETE FROM asyncjob.schedule;
DELETE FROM asyncjob.schedule_run;

SELECT count(*) FROM asyncjob.job WHERE state NOT IN ('completed', 'failed', 'cancelled') AND owner = 'regress_aj_sc'::regrole;

SET client_min_messages = warning;
DROP SCHEMA aj_sc CASCADE;
SELECT asyncjob.drop_pipeline('regress_sc');
DROP OWNED BY regress_aj_sc, regress_aj_sc2;
DROP ROLE regress_aj_sc, regress_aj_sc2;
\i :engine_on
