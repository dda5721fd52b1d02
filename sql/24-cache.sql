-- Outputs of steps with a cache_ttl, by owner and a hash of handler and input.
-- Not part of a dump: owners are OIDs of this server.
CREATE TABLE asyncjob.step_cache (
    owner       oid NOT NULL,
    key         text NOT NULL,
    job_id      bigint NOT NULL,
    step_no     smallint NOT NULL,
    artifacts   integer NOT NULL,
    output      jsonb,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (owner, key)
);
COMMENT ON TABLE asyncjob.step_cache IS 'Outputs of steps that later jobs of the same owner reuse; artifacts are those of the job they came from.';
CREATE INDEX step_cache_expires_idx ON asyncjob.step_cache (expires_at);
CREATE INDEX step_cache_job_idx ON asyncjob.step_cache (job_id, step_no);
