-- External steps: which jobs wait for them, out of the way of our workers.
ALTER TABLE asyncjob.job ADD COLUMN external boolean NOT NULL DEFAULT false;
DROP INDEX asyncjob.job_ready_idx;
CREATE INDEX job_ready_idx ON asyncjob.job (owner, queue_id, priority, run_at, id)
    WHERE state = 'queued' AND NOT external;
