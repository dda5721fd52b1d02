-- Encrypted queues.
ALTER TABLE asyncjob.queue ADD COLUMN encrypt boolean NOT NULL DEFAULT false;
ALTER TABLE asyncjob.artifact ADD COLUMN key_id text;
