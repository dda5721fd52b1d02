-- Alarms: thresholds that the coordinator looks at.

CREATE TABLE asyncjob.alarm (
    name        text PRIMARY KEY CHECK (name ~ '^[A-Za-z_][A-Za-z0-9_.-]{0,62}$'),
    metric      text NOT NULL CHECK (metric IN ('queue_depth', 'dead_letters', 'oldest_age', 'failure_rate')),
    queue_id    integer,
    pipeline    text,
    threshold   double precision NOT NULL CHECK (threshold >= 0),
    period      interval NOT NULL CHECK (period > '0'),
    value       double precision,
    checked_at  timestamptz,
    raised_at   timestamptz
);
COMMENT ON TABLE asyncjob.alarm IS
'Thresholds of alarms, and what was last found; read through the view asyncjob.alarms. raised_at is null while all is well.';
CREATE INDEX job_failed_idx ON asyncjob.job (id) WHERE state = 'failed';
