-- Jobs cancelled, retried or purged by filter, as a job.
-- C: src/engine/api_where.c.

CREATE FUNCTION asyncjob.cancel_where(
        filter jsonb, reason text DEFAULT NULL,
        queue text DEFAULT 'default', priority text DEFAULT 'URGENT')
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_cancel_where';
COMMENT ON FUNCTION asyncjob.cancel_where(jsonb, text, text, text) IS
'Submit a job of pipeline cancel_where, which cancels the queued, running and waiting jobs that the caller sees, that were submitted before it and that a filter chooses, 250 in a transaction; returns its id at once. filter as for redrive(), and state: queued, running or waiting. The result counts matched, cancelled, skipped, and skipped ones by reason. Errors: 22023 unknown filter or value, 42704 unknown job, those of submit().';

CREATE FUNCTION asyncjob.retry_where(
        filter jsonb, queue text DEFAULT 'default', priority text DEFAULT 'URGENT')
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_retry_where';
COMMENT ON FUNCTION asyncjob.retry_where(jsonb, text, text) IS
'Submit a job of pipeline retry_where, which queues dead letters again, or cancelled jobs if the filter has "state": "cancelled", as cancel_where() cancels; returns its id. The result counts matched, queued, skipped. Of jobs with one unique_key only the newest is queued, and none where another is unfinished. Errors as cancel_where().';

CREATE FUNCTION asyncjob.purge_where(
        filter jsonb, queue text DEFAULT 'default', priority text DEFAULT 'URGENT')
    RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_purge_where';
COMMENT ON FUNCTION asyncjob.purge_where(jsonb, text, text) IS
'Submit a job of pipeline purge_where, which deletes dead letters with all that hangs on them, or completed or cancelled jobs if the filter asks for that state; returns its id. The result counts matched, deleted, skipped (pinned ones). Errors as cancel_where().';

CREATE FUNCTION asyncjob.check_cancel_where(params jsonb) RETURNS void
    LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_check_cancel_where';
COMMENT ON FUNCTION asyncjob.check_cancel_where(jsonb) IS 'Validator of pipeline cancel_where.';
CREATE FUNCTION asyncjob.check_retry_where(params jsonb) RETURNS void
    LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_check_retry_where';
COMMENT ON FUNCTION asyncjob.check_retry_where(jsonb) IS 'Validator of pipeline retry_where.';
CREATE FUNCTION asyncjob.check_purge_where(params jsonb) RETURNS void
    LANGUAGE c STRICT VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_check_purge_where';
COMMENT ON FUNCTION asyncjob.check_purge_where(jsonb) IS 'Validator of pipeline purge_where.';

CREATE PROCEDURE asyncjob.step_cancel_where(INOUT params jsonb)
    LANGUAGE c AS 'MODULE_PATHNAME', 'aj_step_cancel_where';
COMMENT ON PROCEDURE asyncjob.step_cancel_where(jsonb) IS 'Handler of pipeline cancel_where.';
CREATE PROCEDURE asyncjob.step_retry_where(INOUT params jsonb)
    LANGUAGE c AS 'MODULE_PATHNAME', 'aj_step_retry_where';
COMMENT ON PROCEDURE asyncjob.step_retry_where(jsonb) IS 'Handler of pipeline retry_where.';
CREATE PROCEDURE asyncjob.step_purge_where(INOUT params jsonb)
    LANGUAGE c AS 'MODULE_PATHNAME', 'aj_step_purge_where';
COMMENT ON PROCEDURE asyncjob.step_purge_where(jsonb) IS 'Handler of pipeline purge_where.';

SELECT asyncjob.create_pipeline(
    'cancel_where', '[{"name": "cancel", "handler": "asyncjob.step_cancel_where"}]',
    description => 'Cancels jobs by filter: see asyncjob.cancel_where().',
    validator => 'asyncjob.check_cancel_where');
SELECT asyncjob.create_pipeline(
    'retry_where', '[{"name": "retry", "handler": "asyncjob.step_retry_where"}]',
    description => 'Queues failed or cancelled jobs again by filter: see asyncjob.retry_where().',
    validator => 'asyncjob.check_retry_where');
SELECT asyncjob.create_pipeline(
    'purge_where', '[{"name": "purge", "handler": "asyncjob.step_purge_where"}]',
    description => 'Deletes dead letters by filter: see asyncjob.purge_where().',
    validator => 'asyncjob.check_purge_where');
