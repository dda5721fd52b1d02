-- Jobs that wait, and jobs that belong to others.
ALTER TABLE asyncjob.job
    ADD COLUMN parent_id bigint,
    ADD COLUMN parent_step smallint,
    ADD COLUMN item_no integer,
    ADD COLUMN waiting_for text;
DROP INDEX asyncjob.job_suspect_idx;
ALTER TABLE asyncjob.checkpoint
    ADD COLUMN outcome text CHECK (outcome IN ('skipped', 'failed')),
    ADD COLUMN error jsonb;
