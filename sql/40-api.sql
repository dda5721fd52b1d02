-- Functions of the queue. All are written in C (src/engine/api_*.c), decide
-- themselves who may do what, and are granted to no one but by
-- asyncjob.grant_usage() and its kin.

-- Sessions that remember names of pipelines, queues and owners are told when
-- one of their tables changes.
CREATE FUNCTION asyncjob._names_changed() RETURNS trigger
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_names_changed';
COMMENT ON FUNCTION asyncjob._names_changed() IS
'Internal: tells all sessions to forget what they know of pipelines, queues and owners.';
CREATE TRIGGER names_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON asyncjob.owner EXECUTE FUNCTION asyncjob._names_changed();
CREATE TRIGGER names_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON asyncjob.pipeline EXECUTE FUNCTION asyncjob._names_changed();
CREATE TRIGGER names_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON asyncjob.pipeline_grant EXECUTE FUNCTION asyncjob._names_changed();
CREATE TRIGGER names_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON asyncjob.queue EXECUTE FUNCTION asyncjob._names_changed();

-- Define ------------------------------------------------------------------

CREATE FUNCTION asyncjob.create_queue(
        name text, max_running integer DEFAULT NULL,
        max_running_per_user integer DEFAULT NULL, user_limit_mode text DEFAULT NULL,
        max_running_per_key integer DEFAULT NULL,
        rate_limit integer DEFAULT NULL, rate_interval interval DEFAULT NULL,
        rate_limit_per_key integer DEFAULT NULL, rate_interval_per_key interval DEFAULT NULL,
        fair boolean DEFAULT NULL, user_weights jsonb DEFAULT NULL,
        ageing interval DEFAULT NULL, encrypt boolean DEFAULT NULL)
    RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_create_queue';
COMMENT ON FUNCTION asyncjob.create_queue(text, integer, integer, text, integer, integer, interval, integer, interval, boolean, jsonb, interval, boolean) IS
'Make a queue. Its jobs may be limited: how many run at a time in all, of one user, of one concurrency_key; how many start within any interval, in all and of one key; user_limit_mode wait (default) or reject (submit() refuses with 53400); fair: users take turns, by user_weights such as {"alice": 3}; ageing: a job gains one step of priority for each such interval it waits. Null is no limit, 0 lets nothing start. encrypt: params, results and all else that its jobs carry are stored encrypted (docs/encryption.md). Administrators only. Errors: 55000 no pgcrypto or no key, 42602 bad name, 42710 exists, 22023 out of range.';

CREATE FUNCTION asyncjob.pause_queue(name text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_pause_queue';
COMMENT ON FUNCTION asyncjob.pause_queue(text) IS
'Start no further job of a queue; running ones go on. Administrators only.';

CREATE FUNCTION asyncjob.resume_queue(name text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_resume_queue';
COMMENT ON FUNCTION asyncjob.resume_queue(text) IS
'Start jobs of a paused queue again. Administrators only.';

CREATE FUNCTION asyncjob.pause_pipeline(name text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_pause_pipeline';
COMMENT ON FUNCTION asyncjob.pause_pipeline(text) IS
'Start no further step of a pipeline''s jobs, of whichever version and in whichever queue; running ones go on. New jobs are accepted, and wait. Its owner and administrators. Errors: 42704 no such pipeline, 42501.';

CREATE FUNCTION asyncjob.resume_pipeline(name text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_resume_pipeline';
COMMENT ON FUNCTION asyncjob.resume_pipeline(text) IS
'Start jobs of a paused pipeline again. Its owner and administrators. Errors: 42704 no such pipeline, 42501.';

CREATE FUNCTION asyncjob.quiesce(queue text DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_quiesce';
COMMENT ON FUNCTION asyncjob.quiesce(text) IS
'Start nothing further in this database, until resume(); what runs may finish. Returns how many jobs run. With a queue the same as pause_queue(). Administrators only. Error 42704: no such queue.';

CREATE PROCEDURE asyncjob.quiesce_wait(
        IN queue text DEFAULT NULL, IN timeout interval DEFAULT NULL,
        INOUT running bigint DEFAULT NULL)
    LANGUAGE c AS 'MODULE_PATHNAME', 'aj_quiesce_wait';
COMMENT ON PROCEDURE asyncjob.quiesce_wait(text, interval, bigint) IS
'quiesce(), commit, and wait, holding no snapshot, until nothing runs any more or the timeout is over; running is 0, or how many jobs still run. Administrators only. Errors: 42704 no such queue, 2D000 inside a transaction block, 22023 timeout below 0.';

CREATE FUNCTION asyncjob.create_pipeline(
        name text, steps jsonb, description text DEFAULT NULL, validator text DEFAULT NULL)
    RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_create_pipeline';
COMMENT ON FUNCTION asyncjob.create_pipeline(text, jsonb, text, text) IS
'Make a pipeline, or a new version of one''s own; returns its id. steps is an array of objects with the keys name, handler (a function (jsonb) RETURNS jsonb or a procedure (INOUT jsonb)), after (names of steps it needs, default the one before), max_attempts (1..100), backoff (array of delays such as "5s", the last one repeats, or an object for exponential delays and jitter), backoff_for (an object of such by SQLSTATE or category), timeout (such as "5 min"), optional (true: the job goes on without it), when (a jsonpath on the input; if it finds nothing, false or null the step is skipped), for_each (a jsonpath on the input: runs once for each item), batch (true: jobs may share a transaction, see docs/writing-a-step.md), cache_ttl (such as "1 hour": how long other jobs reuse the output for an equal input). Handler external, or external (true), is a step for claim(). validator is a function (jsonb) RETURNS void that submit() calls as the submitter to refuse bad params.';

CREATE FUNCTION asyncjob.drop_pipeline(name text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_drop_pipeline';
COMMENT ON FUNCTION asyncjob.drop_pipeline(text) IS
'Retire a pipeline: no further job can be submitted; those that were keep their version. Its owner and superusers. Errors: 42704 no such pipeline, 42501.';

CREATE FUNCTION asyncjob.grant_pipeline(pipeline text, role regrole) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_grant_pipeline';
COMMENT ON FUNCTION asyncjob.grant_pipeline(text, regrole) IS
'Let another role (and its members) submit a pipeline. Its jobs run with the submitter''s rights. Its owner and superusers. Errors: 42704 no such pipeline, 42501.';

CREATE FUNCTION asyncjob.revoke_pipeline(pipeline text, role regrole) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_revoke_pipeline';
COMMENT ON FUNCTION asyncjob.revoke_pipeline(text, regrole) IS
'Take back what grant_pipeline() granted; jobs that the role has submitted go on. Its owner and superusers. Errors: 42704 no such pipeline, 42501.';

CREATE FUNCTION asyncjob.resume() RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_resume';
COMMENT ON FUNCTION asyncjob.resume() IS
'Run jobs again after quiesce(), and run those of a restored dump or a copied database here, whose owners are found again by name. Administrators only.';

-- Submit and steer --------------------------------------------------------

CREATE FUNCTION asyncjob.submit(
        pipeline text, params jsonb DEFAULT '{}', queue text DEFAULT 'default',
        priority text DEFAULT '5', run_at timestamptz DEFAULT NULL,
        user_id text DEFAULT NULL, session_id text DEFAULT NULL,
        unique_key text DEFAULT NULL, concurrency_key text DEFAULT NULL,
        unique_mode text DEFAULT 'keep')
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_submit';
COMMENT ON FUNCTION asyncjob.submit(text, jsonb, text, text, timestamptz, text, text, text, text, text) IS
'Submit a job in the caller''s transaction; returns its id. It runs as the caller, after commit. priority is 0..10 (higher is more urgent) or LOW, MEDIUM, HIGH, URGENT; run_at at most 366 days ahead. With a unique_key and an unfinished job of the same key and role, that job''s id is returned: with unique_mode keep it stays as it is, with replace it gets these params, with debounce also this run_at; where it has started, replace and debounce submit another. concurrency_key is what a queue''s limits per key count by. Errors: 42704 unknown pipeline, queue or session, 42501 not granted, or a handler that the caller may not execute, 42883 one that is gone, 22023 out of range, 53400 the queue is full, or accepts no more of this user, and those of the pipeline''s validator; nothing is stored then.';

CREATE FUNCTION asyncjob.submit_many(
        pipeline text, params jsonb[], queue text DEFAULT 'default',
        priority text DEFAULT '5', run_at timestamptz DEFAULT NULL,
        user_id text DEFAULT NULL, session_id text DEFAULT NULL,
        concurrency_key text DEFAULT NULL)
    RETURNS SETOF bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_submit_many';
COMMENT ON FUNCTION asyncjob.submit_many(text, jsonb[], text, text, timestamptz, text, text, text) IS
'Submit one job for each element of params; returns their ids in order. All or none.';

CREATE FUNCTION asyncjob.run(pipeline text, params jsonb DEFAULT '{}') RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_run';
COMMENT ON FUNCTION asyncjob.run(text, jsonb) IS
'Run a pipeline now, in the caller''s transaction, and return its result. An error is the caller''s; nothing is retried.';

CREATE FUNCTION asyncjob.drain(max_jobs integer DEFAULT NULL, until timestamptz DEFAULT NULL) RETURNS integer
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_drain';
COMMENT ON FUNCTION asyncjob.drain(integer, timestamptz) IS
'Run the caller''s ready jobs here, in the caller''s transaction, at most max_jobs; returns how many times one was run. With until also those that fall due by then, retries among them: each when a clock of drain()''s own, which jumps from one to the next, shows its time. Made for applications'' tests; works without workers.';

CREATE FUNCTION asyncjob.status(job_id bigint) RETURNS asyncjob.job_status
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_status';
COMMENT ON FUNCTION asyncjob.status(bigint) IS
'State and live progress of a job. Error 42704: no such job, or not the caller''s.';

CREATE FUNCTION asyncjob.result(job_id bigint) RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_result';
COMMENT ON FUNCTION asyncjob.result(bigint) IS
'Output of the last step of a completed job (of several sinks, an object by name); null before.';

CREATE FUNCTION asyncjob.step_result(job_id bigint, step text) RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_step_result';
COMMENT ON FUNCTION asyncjob.step_result(bigint, text) IS
'Output of a finished step, also while others run; null before, and where the step was skipped or failed. Error 42704: no such job or step.';

CREATE FUNCTION asyncjob.wait(job_id bigint, timeout interval DEFAULT NULL)
    RETURNS asyncjob.job_status
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_wait';
COMMENT ON FUNCTION asyncjob.wait(bigint, interval) IS
'Wait until a job has ended or the timeout is over; returns its status. Error 55000: the job was submitted in this transaction and cannot have started.';

CREATE PROCEDURE asyncjob.await(
        IN job_id bigint, IN timeout interval DEFAULT NULL,
        INOUT state text DEFAULT NULL, INOUT result jsonb DEFAULT NULL)
    LANGUAGE c AS 'MODULE_PATHNAME', 'aj_await';
COMMENT ON PROCEDURE asyncjob.await(bigint, interval, text, jsonb) IS
'Commit, then wait until a job has ended or the timeout is over, holding no snapshot; returns state and result.';

CREATE FUNCTION asyncjob.list_jobs(
        user_id text DEFAULT NULL, session_id text DEFAULT NULL,
        state text DEFAULT NULL, after bigint DEFAULT NULL,
        max_rows integer DEFAULT 100, parent bigint DEFAULT NULL)
    RETURNS SETOF asyncjob.job_status
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_list_jobs';
COMMENT ON FUNCTION asyncjob.list_jobs(text, text, text, bigint, integer, bigint) IS
'Jobs of the caller, newest first; after is the last id of the page before; at most 10,000 rows. Jobs that another job spawned are listed only where that is named as parent.';

CREATE FUNCTION asyncjob.steps(job_id bigint)
    RETURNS TABLE (step_no integer, name text, state text, attempt integer,
                   progress double precision, started_at timestamptz,
                   finished_at timestamptz, error_message text)
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_steps';
COMMENT ON FUNCTION asyncjob.steps(bigint) IS
'Steps of a job in run order, numbered from 1; progress is 0..1.';

CREATE FUNCTION asyncjob.updates(job_id bigint, since_seq integer DEFAULT 0)
    RETURNS TABLE (seq integer, at timestamptz, kind text,
                   state asyncjob.job_state, step text, level text,
                   message text, data jsonb)
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_updates';
COMMENT ON FUNCTION asyncjob.updates(bigint, integer) IS
'Durable history of a job after a sequence number: changes of state, finished steps, failed attempts, log lines. kind is state, step, attempt or log; level of an attempt is error, warning if it was free of charge, info for a snooze.';

CREATE FUNCTION asyncjob.artifacts(job_id bigint)
    RETURNS TABLE (name text, step text, kind text, media_type text,
                   size bigint, sha256 text, created_at timestamptz)
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_artifacts';
COMMENT ON FUNCTION asyncjob.artifacts(bigint) IS 'Named results of a job; size in bytes.';

CREATE FUNCTION asyncjob.artifact_data(
        job_id bigint, name text, start bigint DEFAULT 0, length integer DEFAULT NULL)
    RETURNS bytea
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_artifact_data';
COMMENT ON FUNCTION asyncjob.artifact_data(bigint, text, bigint, integer) IS
'Contents of an artifact, from byte start (0-based), at most length bytes.';

CREATE FUNCTION asyncjob.cancel(job_id bigint, reason text DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_cancel';
COMMENT ON FUNCTION asyncjob.cancel(bigint, text) IS
'Cancel a job; true if it ends, or has ended, as cancelled. A running step is interrupted at once, and a rollback does not undo that.';

CREATE FUNCTION asyncjob.retry(job_id bigint) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_retry';
COMMENT ON FUNCTION asyncjob.retry(bigint) IS
'Queue a failed or cancelled job again; finished steps are not run again. Error 55000: it is neither.';

CREATE FUNCTION asyncjob.reprioritize(job_id bigint, priority integer) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_reprioritize';
COMMENT ON FUNCTION asyncjob.reprioritize(bigint, integer) IS
'Change the priority (0..10) of a job; false if it has already started.';

CREATE FUNCTION asyncjob.explain(job_id bigint) RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_explain';
COMMENT ON FUNCTION asyncjob.explain(bigint) IS 'Why a job is not running.';

CREATE FUNCTION asyncjob.channel(session_id text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aj_channel';
COMMENT ON FUNCTION asyncjob.channel(text) IS
'Channel to LISTEN on for the jobs of a chat session. Ids over 46 bytes are hashed.';

-- Inside a handler --------------------------------------------------------

CREATE FUNCTION asyncjob.current_job() RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'aj_current_job';
COMMENT ON FUNCTION asyncjob.current_job() IS 'Id of the job this process is running; null outside of one.';

CREATE FUNCTION asyncjob.attempt() RETURNS integer
    LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'aj_attempt_number';
COMMENT ON FUNCTION asyncjob.attempt() IS 'Number of this attempt of the step, from 1; null outside of a job.';

CREATE FUNCTION asyncjob.progress(fraction double precision, message text DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'aj_progress_sql';
COMMENT ON FUNCTION asyncjob.progress(double precision, text) IS
'Show how far the step is, 0..1, at once and without a transaction. The message is cut at 127 bytes.';

CREATE FUNCTION asyncjob.log(level text, message text, data jsonb DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'aj_log_sql';
COMMENT ON FUNCTION asyncjob.log(text, text, jsonb) IS
'Add a line to the job''s updates, written when the step ends, even if it fails. level is debug, info, warning or error.';

CREATE FUNCTION asyncjob.artifact(name text, kind text, media_type text, data bytea) RETURNS void
    LANGUAGE c VOLATILE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'aj_artifact_sql';
COMMENT ON FUNCTION asyncjob.artifact(text, text, text, bytea) IS
'Store a named result of the job when the step commits; one of the same name is replaced.';

CREATE FUNCTION asyncjob.step_noop(params jsonb) RETURNS jsonb
    LANGUAGE c VOLATILE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'aj_noop';
COMMENT ON FUNCTION asyncjob.step_noop(jsonb) IS 'Handler of pipeline noop: returns its input.';

-- Monitoring --------------------------------------------------------------

CREATE FUNCTION asyncjob.workers()
    RETURNS TABLE (pid integer, role text, state text, since timestamptz,
                   job_id bigint, step_progress double precision)
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_workers';
COMMENT ON FUNCTION asyncjob.workers() IS
'Background workers of this database; of other roles for administrators only.';

-- Internal ----------------------------------------------------------------

CREATE FUNCTION asyncjob._live(
        IN job_id bigint, OUT progress double precision, OUT message text,
        OUT started_at timestamptz, OUT pid integer)
    RETURNS SETOF record
    LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1 AS 'MODULE_PATHNAME', 'aj_live';
COMMENT ON FUNCTION asyncjob._live(bigint) IS 'What the worker of a running job shows.';

CREATE FUNCTION asyncjob._install() RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'aj_install';
COMMENT ON FUNCTION asyncjob._install() IS 'Called once by CREATE EXTENSION.';


CREATE FUNCTION asyncjob._updated() RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'aj_updated';
COMMENT ON FUNCTION asyncjob._updated() IS 'Called by ALTER EXTENSION UPDATE at its end.';
