-- The engine checks priorities itself; as a constraint that was parsed again
-- for every statement.
ALTER TABLE asyncjob.job DROP CONSTRAINT job_priority_check;

DROP INDEX asyncjob.job_running_idx;
CREATE INDEX job_running_idx ON asyncjob.job (worker_id, id) WHERE state = 'running';

-- Claims don't need vacuum to be quick any more; it need not take a processor.
ALTER TABLE asyncjob.job RESET (autovacuum_vacuum_cost_delay);
