-- What a handler calls that outlives its run. Written in C
-- (src/engine/api_flow.c); see docs/workflows.md.

CREATE FUNCTION asyncjob.checkpoint(name text, value jsonb) RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_checkpoint_set';
COMMENT ON FUNCTION asyncjob.checkpoint(text, jsonb) IS
'Remember a value under a name of this step of the job, in the current transaction; returns it. In a procedure, COMMIT afterwards. Error 22023: a name over 255 bytes.';

CREATE FUNCTION asyncjob.checkpoint(name text) RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_checkpoint_get';
COMMENT ON FUNCTION asyncjob.checkpoint(text) IS
'The value that this step of the job has remembered under a name; null if none, and outside of a job.';

CREATE FUNCTION asyncjob.sleep(name text, duration interval) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_sleep';
COMMENT ON FUNCTION asyncjob.sleep(text, interval) IS
'End this run of the step and begin it again after the duration (up to 366 days); the same call then returns at once. Work since the last COMMIT is rolled back. The job holds no worker meanwhile. In run() and outside of a job it just sleeps. Error 22023: a duration below zero or above 366 days.';

CREATE FUNCTION asyncjob.wait_for_event(
        event text, key text DEFAULT NULL, timeout interval DEFAULT NULL,
        name text DEFAULT NULL, owner regrole DEFAULT NULL)
    RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_wait_for_event';
COMMENT ON FUNCTION asyncjob.wait_for_event(text, text, interval, text, regrole) IS
'End this run of the step until an event comes; the same call then returns its payload, or null when the timeout is over. With a key the event may have come before; without, the next one counts. name tells waits for the same event apart; owner is the role whose event it is, the caller unless given. Errors: 55000 not in a job, 42501 another role''s event.';

CREATE FUNCTION asyncjob.spawn(
        pipeline text, params jsonb DEFAULT '{}', name text DEFAULT NULL,
        queue text DEFAULT 'default')
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_spawn';
COMMENT ON FUNCTION asyncjob.spawn(text, jsonb, text, text) IS
'Submit a job that belongs to the current one: it is cancelled with it, and wait_for_children() waits for it. On a further run of the step the same call returns the job it spawned before. Outside of a job it is submit().';

CREATE FUNCTION asyncjob.wait_for_children(timeout interval DEFAULT NULL) RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_wait_for_children';
COMMENT ON FUNCTION asyncjob.wait_for_children(interval) IS
'End this run of the step until all jobs that it spawned have ended, or the timeout is over; the same call then returns an array of job_id, name, pipeline, state, result and error of each. Error 55000: not in a job.';

-- Events -----------------------------------------------------------------

CREATE FUNCTION asyncjob.emit(
        event text, payload jsonb DEFAULT '{}', key text DEFAULT NULL)
    RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_emit';
COMMENT ON FUNCTION asyncjob.emit(text, jsonb, text) IS
'Emit an event of the current role, in the caller''s transaction. With a key the first event is kept, and a further one of the same key is none: false is returned then. Errors 22023: event over 255 bytes, key over 512.';

CREATE FUNCTION asyncjob.on_event(
        event text, pipeline text, filter text DEFAULT NULL, owner regrole DEFAULT NULL)
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_on_event';
COMMENT ON FUNCTION asyncjob.on_event(text, text, text, regrole) IS
'Start a job of a pipeline, as the current role, with the payload as params, at each event that is emitted from now on; returns the subscription''s id. filter is a jsonpath on the payload: an event in which it finds nothing, false or null is passed over. owner is the role whose event it is, the caller unless given. Errors: 42704 unknown pipeline, 42501 not granted, 22023 no jsonpath.';

CREATE FUNCTION asyncjob.drop_on_event(id bigint) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_drop_on_event';
COMMENT ON FUNCTION asyncjob.drop_on_event(bigint) IS
'End a subscription of one''s own. Error 42704: there is none of that id.';

CREATE FUNCTION asyncjob.grant_event(event text, role regrole) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_grant_event';
COMMENT ON FUNCTION asyncjob.grant_event(text, regrole) IS
'Let another role (and its members) hear the current role''s event.';

CREATE FUNCTION asyncjob.revoke_event(event text, role regrole) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_revoke_event';
COMMENT ON FUNCTION asyncjob.revoke_event(text, regrole) IS
'Undo grant_event(): what the role waits for or subscribed to is no longer told to it.';

CREATE FUNCTION asyncjob.forget_event(event text, key text) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_forget_event';
COMMENT ON FUNCTION asyncjob.forget_event(text, text) IS
'Forget the event of a key that was kept, so that it can be emitted anew; false if there was none.';
