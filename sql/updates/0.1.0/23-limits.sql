-- Limits of queues.
ALTER TABLE asyncjob.queue ADD COLUMN gated boolean NOT NULL DEFAULT false,
    ADD COLUMN dropped boolean NOT NULL DEFAULT false;
ALTER TABLE asyncjob.job ADD COLUMN concurrency_key text, ADD COLUMN limit_group bigint;
