-- Pipelines that are paused, databases that are quiesced.
ALTER TABLE asyncjob.queue ADD COLUMN quiesced_at timestamptz;
ALTER TABLE asyncjob.pipeline ADD COLUMN paused_at timestamptz;
