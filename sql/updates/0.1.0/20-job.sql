-- The engine checks priorities itself; as a constraint that was parsed again
-- for every statement.
ALTER TABLE asyncjob.job DROP CONSTRAINT job_priority_check;
