-- How long things are kept, and what is held meanwhile.

CREATE TABLE asyncjob.retention (
    queue_id  integer NOT NULL,
    kind      text NOT NULL CHECK (kind ~ '^(result|dead_letter|queued|(artifact|event)(:.{1,100})?)$'),
    keep      interval CHECK (keep >= '0'),
    PRIMARY KEY (queue_id, kind)
);
COMMENT ON TABLE asyncjob.retention IS
'Rules of set_retention(): queue_id 0 is for all queues, keep null is for ever.';

CREATE TABLE asyncjob.pin (
    job_id  bigint NOT NULL,
    role    oid NOT NULL,
    until   timestamptz NOT NULL,
    PRIMARY KEY (job_id, role)
);
COMMENT ON TABLE asyncjob.pin IS 'Jobs that nothing is pruned of, and until when.';
