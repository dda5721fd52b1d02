-- Queues may be full.
ALTER TABLE asyncjob.queue ADD COLUMN max_depth integer CHECK (max_depth >= 0);
