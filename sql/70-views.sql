-- Views, with the rights of who reads them.

CREATE VIEW asyncjob.pipelines WITH (security_invoker = true) AS
SELECT p.name, p.version, pg_get_userbyid(p.owner) AS owner,
       jsonb_array_length(p.steps) AS total_steps, p.steps, p.description,
       p.created_at
FROM asyncjob.pipeline p
WHERE p.is_current;
COMMENT ON VIEW asyncjob.pipelines IS 'Current versions of the pipelines that the reader may submit.';

CREATE VIEW asyncjob.queues WITH (security_invoker = true) AS
SELECT q.name, q.paused, q.created_at,
       (SELECT count(*) FROM asyncjob.job j WHERE j.queue_id = q.id AND j.state = 'queued') AS queued,
       (SELECT count(*) FROM asyncjob.job j WHERE j.queue_id = q.id AND j.state = 'running') AS running,
       (SELECT count(*) FROM asyncjob.job j WHERE j.queue_id = q.id AND j.state = 'waiting') AS waiting
FROM asyncjob.queue q
WHERE NOT q.dropped;
COMMENT ON VIEW asyncjob.queues IS 'Queues, with the numbers of the reader''s own queued, running and waiting jobs.';

CREATE VIEW asyncjob.dead_letters WITH (security_invoker = true) AS
SELECT j.id AS job_id, p.name AS pipeline, q.name AS queue,
       pg_get_userbyid(j.owner) AS owner, j.user_id, j.session_id,
       j.step_no + 1 AS step_no, j.failures AS attempts,
       j.error ->> 'sqlstate' AS sqlstate, j.error ->> 'category' AS category,
       j.error ->> 'message' AS message, j.error ->> 'detail' AS detail,
       j.error ->> 'hint' AS hint, j.created_at, j.finished_at AS failed_at
FROM asyncjob.job j
JOIN asyncjob.pipeline p ON p.id = j.pipeline_id
JOIN asyncjob.queue q ON q.id = j.queue_id
WHERE j.state = 'failed';
COMMENT ON VIEW asyncjob.dead_letters IS 'Jobs that used up their attempts; asyncjob.retry() queues one again.';

