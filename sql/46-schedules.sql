-- Schedules. C: src/engine/api_schedule.c.

CREATE FUNCTION asyncjob.schedule(
        name text, cron text, pipeline text, params jsonb DEFAULT '{}',
        time_zone text DEFAULT 'UTC', queue text DEFAULT 'default',
        priority text DEFAULT '5', overlap boolean DEFAULT false,
        catch_up text DEFAULT 'one', catch_up_limit integer DEFAULT 100,
        user_id text DEFAULT NULL, concurrency_key text DEFAULT NULL)
    RETURNS timestamptz
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_schedule';
COMMENT ON FUNCTION asyncjob.schedule(text, text, text, jsonb, text, text, text, boolean, text, integer, text, text) IS
'Submit a job of a pipeline, as the current role, whenever a cron expression (minute, hour, day of the month, month, day of the week; or @hourly, @daily, @weekly, @monthly, @yearly) is due in a time zone; returns the next time. A schedule of one''s own of that name is replaced; if it is paused it stays so. overlap false: a run is skipped while the last job has not ended. catch_up says what becomes of runs that were missed: none, one (the latest of them) or all (one after the other, the latest catch_up_limit of them). The other arguments are those of submit(). Needs pg_cron. Errors: 22023 bad expression, one that never comes, unknown time zone or policy, out of range; 42602 bad name; 42710 one of another asyncjob.user_id has it; 42704 and 42501 as submit(); 55000 what is wrong with pg_cron; those of the pipeline''s validator.';

CREATE FUNCTION asyncjob.alter_schedule(
        name text, cron text DEFAULT NULL, pipeline text DEFAULT NULL,
        params jsonb DEFAULT NULL, time_zone text DEFAULT NULL,
        queue text DEFAULT NULL, priority text DEFAULT NULL,
        overlap boolean DEFAULT NULL, catch_up text DEFAULT NULL,
        catch_up_limit integer DEFAULT NULL, user_id text DEFAULT NULL,
        concurrency_key text DEFAULT NULL, clear text[] DEFAULT '{}')
    RETURNS timestamptz
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_alter_schedule';
COMMENT ON FUNCTION asyncjob.alter_schedule(text, text, text, jsonb, text, text, text, boolean, text, integer, text, text, text[]) IS
'Change a schedule of one''s own; what is not given stays, and user_id and concurrency_key go where clear names them. Returns the next time. Errors: 42704 there is none of that name; 22023 clear names something else, or what is also given; those of schedule().';

CREATE FUNCTION asyncjob.unschedule(name text, owner regrole DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_unschedule';
COMMENT ON FUNCTION asyncjob.unschedule(text, regrole) IS
'Drop a schedule, with the list of its runs; jobs that it has submitted go on. Another role''s schedule (owner) for administrators only. Errors: 42704 there is none of that name, 42501.';

CREATE FUNCTION asyncjob.pause_schedule(name text, owner regrole DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_pause_schedule';
COMMENT ON FUNCTION asyncjob.pause_schedule(text, regrole) IS
'Let a schedule submit nothing until resume_schedule(). Another role''s schedule (owner) for administrators only. Errors: 42704 there is none of that name, 42501.';

CREATE FUNCTION asyncjob.resume_schedule(name text, owner regrole DEFAULT NULL) RETURNS timestamptz
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_resume_schedule';
COMMENT ON FUNCTION asyncjob.resume_schedule(text, regrole) IS
'Let a paused schedule go on, from now: times that came in the pause count as neither due nor missed. Returns the next time. Another role''s schedule (owner) for administrators only. Errors: 42704 there is none of that name, 42501, 22023 its time zone is no longer known.';

CREATE FUNCTION asyncjob.next_runs(
        cron text, time_zone text DEFAULT 'UTC', max_rows integer DEFAULT 10,
        after timestamptz DEFAULT NULL)
    RETURNS SETOF timestamptz
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'aj_next_runs';
COMMENT ON FUNCTION asyncjob.next_runs(text, text, integer, timestamptz) IS
'The next times of a cron expression in a time zone, after a time (by default now), at most max_rows (1 to 10,000). Errors 22023: bad expression, unknown time zone, out of range.';

CREATE FUNCTION asyncjob.scheduled_for() RETURNS timestamptz
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_scheduled_for';
COMMENT ON FUNCTION asyncjob.scheduled_for() IS
'The time at which the current job was due by its schedule; null in a job of no schedule and outside of one.';

CREATE FUNCTION asyncjob.tick() RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_tick';
COMMENT ON FUNCTION asyncjob.tick() IS
'Submit what schedules are due for; returns how many jobs. pg_cron calls it each minute; calling it more often, or twice at once, does no harm. Administrators only.';

CREATE FUNCTION asyncjob._cron_state(
        OUT cron_ok boolean, OUT cron_detail text, OUT cron_hint text,
        OUT tick_ok boolean, OUT tick_detail text, OUT tick_hint text)
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_cron_state';
COMMENT ON FUNCTION asyncjob._cron_state() IS 'What check() says of pg_cron and of schedules.';

CREATE VIEW asyncjob.schedules WITH (security_invoker = true) AS
SELECT s.name, pg_get_userbyid(s.owner) AS owner, s.cron, s.time_zone, s.pipeline,
       s.params, s.queue, s.priority, s.overlap, s.catch_up, s.catch_up_limit,
       s.user_id, s.concurrency_key, s.paused, s.problem,
       CASE WHEN NOT s.paused THEN s.next_at END AS next_run,
       s.last_due_at AS last_run, s.last_state, s.last_reason, s.last_job_id,
       (SELECT j.state FROM asyncjob.job j WHERE j.id = s.last_job_id) AS last_job_state,
       (SELECT count(*) FROM asyncjob.schedule_run r
        WHERE r.schedule_id = s.id AND r.state = 'pending') AS pending_runs,
       s.created_at
FROM asyncjob.schedule s;
COMMENT ON VIEW asyncjob.schedules IS
'The reader''s schedules: next_run is null while one is paused, problem says why the engine paused it. last_state (submitted, skipped or refused) and last_reason tell what came of last_run, the latest due time; last_job_id is the latest job; pending_runs wait to be caught up on.';

CREATE VIEW asyncjob.schedule_runs WITH (security_invoker = true) AS
SELECT s.name AS schedule, pg_get_userbyid(s.owner) AS owner, r.due_at, r.at,
       r.state, r.reason, r.job_id, j.state AS job_state, j.started_at, j.finished_at
FROM asyncjob.schedule_run r
JOIN asyncjob.schedule s ON s.id = r.schedule_id
LEFT JOIN asyncjob.job j ON j.id = r.job_id;
COMMENT ON VIEW asyncjob.schedule_runs IS
'What came of the due times of the reader''s schedules in the last 30 days: submitted (job_id, and the job''s state while it is kept), skipped or refused (reason), or pending, waiting to be caught up on.';
