-- Dead letters, alarms, back-pressure. C: src/engine/api_dead.c.

CREATE FUNCTION asyncjob.redrive(
        filter jsonb DEFAULT '{}', params jsonb DEFAULT NULL, max_jobs integer DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_redrive';
COMMENT ON FUNCTION asyncjob.redrive(jsonb, jsonb, integer) IS
'Queue dead letters again, oldest first, at most max_jobs; returns how many. filter is a job''s id, or an object of job_id, job_ids, pipeline, queue, owner, user_id, session_id, code, category, message (a LIKE pattern), created_after, created_before, finished_after, finished_before; {} is all. params are merged over each job''s own, and its steps begin anew. Of jobs with one unique_key only the latest is queued, and none where another is unfinished. Errors: 22023 unknown filter or value, 42704 unknown job, 55000 no dead letter, 23505 unique_key in use, those of the pipeline''s validator.';

CREATE FUNCTION asyncjob.purge(filter jsonb, max_jobs integer DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_purge';
COMMENT ON FUNCTION asyncjob.purge(jsonb, integer) IS
'Delete dead letters with their history and artifacts, oldest first, at most max_jobs; returns how many. filter as for redrive(). Errors: 22023 unknown filter or value, 42704 unknown job, 55000 no dead letter.';

CREATE FUNCTION asyncjob.set_max_depth(queue text, max_depth integer) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_set_max_depth';
COMMENT ON FUNCTION asyncjob.set_max_depth(text, integer) IS
'Let submit() refuse with 53400 where a queue has this many queued jobs; null: never. Transactions that have not committed are not counted. Administrators only. Errors: 42704 no such queue, 22023 below 0.';

CREATE FUNCTION asyncjob.set_alarm(
        metric text, threshold double precision DEFAULT NULL, queue text DEFAULT NULL,
        pipeline text DEFAULT NULL, period interval DEFAULT '15 minutes', name text DEFAULT NULL)
    RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_set_alarm';
COMMENT ON FUNCTION asyncjob.set_alarm(text, double precision, text, text, interval, text) IS
'Raise an alarm while a metric is above a threshold: queue_depth (jobs queued and due; default 10), dead_letters (5), oldest_age (seconds that the oldest due job waits; 300) or failure_rate (0..1 of the jobs that ended within the period; 0.1). Of one queue or pipeline, or of all. Returns the alarm''s name, by default made of these; an alarm of that name is replaced. Raised and cleared alarms are NOTIFYed on asyncjob_alarm. Administrators only. Errors: 22023 unknown metric, bad threshold or period; 42704 no such queue or pipeline; 42602 bad name.';

CREATE FUNCTION asyncjob.drop_alarm(name text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_drop_alarm';
COMMENT ON FUNCTION asyncjob.drop_alarm(text) IS
'Forget an alarm. Administrators only. Error 42704: there is none of that name.';

CREATE FUNCTION asyncjob.check_alarms() RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_check_alarms';
COMMENT ON FUNCTION asyncjob.check_alarms() IS
'Look at all alarms now, as the coordinator does each asyncjob.alarm_interval; returns how many are raised. Administrators only.';
