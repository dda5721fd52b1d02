-- Types.

CREATE TYPE asyncjob.job_state AS ENUM
    ('queued', 'running', 'waiting', 'completed', 'failed', 'cancelled');
COMMENT ON TYPE asyncjob.job_state IS
'State of a job. failed is a dead letter; completed, failed and cancelled are final.';

CREATE TYPE asyncjob.job_status AS (
    job_id          bigint,
    pipeline        text,
    queue           text,
    state           asyncjob.job_state,
    partial         boolean,
    step            text,
    step_no         integer,
    completed_steps integer,
    total_steps     integer,
    progress        double precision,
    step_progress   double precision,
    message         text,
    eta             interval,
    queue_position  bigint,
    priority        smallint,
    attempt         integer,
    error_code      text,
    error_category  text,
    error_message   text,
    error_detail    text,
    error_hint      text,
    created_at      timestamptz,
    run_at          timestamptz,
    started_at      timestamptz,
    finished_at     timestamptz,
    user_id         text,
    session_id      text,
    seq             integer
);
COMMENT ON TYPE asyncjob.job_status IS
'What status() says of a job. progress is 0..1 over the whole job, step_progress 0..1 of the current step, step_no counts from 1, eta is an estimate of the time left or null, queue_position is 1 for the job that starts next.';

