-- Limits of queues. The row of a queue is locked by whoever gives out its
-- places, so there is one at a time (src/engine/limits.c).

CREATE TABLE asyncjob.queue_limit (
    queue_id              integer PRIMARY KEY,
    max_running           integer,
    max_running_per_user  integer,
    user_limit_mode       text NOT NULL DEFAULT 'wait',
    max_running_per_key   integer,
    rate_limit            integer,
    rate_interval         interval,
    rate_limit_per_key    integer,
    rate_interval_per_key interval,
    fair                  boolean NOT NULL DEFAULT false,
    user_weights          jsonb NOT NULL DEFAULT '{}',
    ageing                interval,
    vtime                 double precision NOT NULL DEFAULT 0
);
COMMENT ON TABLE asyncjob.queue_limit IS 'What create_queue() and alter_queue() set; read through the view asyncjob.queue_limits.';

-- A job of a limited queue that may be claimed, or runs, has a place.
CREATE TABLE asyncjob.place (
    job_id       bigint PRIMARY KEY,
    queue_id     integer NOT NULL,
    owner        oid NOT NULL,
    user_id      text,
    key          text,
    admitted_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at   timestamptz
);
COMMENT ON TABLE asyncjob.place IS 'Places of limited queues, by the jobs that have them.';
CREATE INDEX place_queue_idx ON asyncjob.place (queue_id);

-- Starts within the last interval, of queues with a rate.
CREATE TABLE asyncjob.queue_start (
    queue_id    integer NOT NULL,
    owner       oid NOT NULL,
    key         text,
    started_at  timestamptz NOT NULL
);
COMMENT ON TABLE asyncjob.queue_start IS 'Starts that still count for a rate limit, of jobs that have no place any more.';
CREATE INDEX queue_start_idx ON asyncjob.queue_start (queue_id, started_at);

-- Whose turn it is in a fair queue. Who isn't here is at queue_limit.vtime.
CREATE TABLE asyncjob.queue_turn (
    queue_id  integer NOT NULL,
    owner     oid NOT NULL,
    user_id   text NOT NULL,
    vtime     double precision NOT NULL,
    PRIMARY KEY (queue_id, owner, user_id)
);
COMMENT ON TABLE asyncjob.queue_turn IS 'Turns that users of fair queues have had, divided by their weights; user '''' is who has none.';

-- jobs that wait for a place: group by group, by priority and due time
CREATE INDEX job_held_idx ON asyncjob.job (queue_id, limit_group, priority, run_at, id)
    WHERE state = 'waiting' AND limit_group IS NOT NULL;
