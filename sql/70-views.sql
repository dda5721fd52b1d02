-- Views, with the rights of who reads them.

CREATE VIEW asyncjob.pipelines WITH (security_invoker = true) AS
SELECT p.name, p.version, pg_get_userbyid(p.owner) AS owner,
       jsonb_array_length(p.steps) AS total_steps, p.steps, p.description,
       p.created_at, p.paused_at IS NOT NULL AS paused
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
       j.error ->> 'hint' AS hint, j.created_at, j.finished_at AS failed_at,
       p.steps -> j.step_no::integer ->> 'name' AS step,
       format('%s/%s v%s', q.name, p.name, p.version) AS source,
       j.params, j.error
FROM asyncjob.job j
JOIN asyncjob.pipeline p ON p.id = j.pipeline_id
JOIN asyncjob.queue q ON q.id = j.queue_id
WHERE j.state = 'failed' AND j.item_no IS NULL;
COMMENT ON VIEW asyncjob.dead_letters IS 'Jobs that used up their attempts: where they came from (queue/pipeline and its version), the step and its error, attempts spent on it. asyncjob.redrive() queues them again, asyncjob.purge() deletes them.';


CREATE VIEW asyncjob.alarms WITH (security_invoker = true) AS
SELECT a.name, CASE WHEN a.raised_at IS NULL THEN 'ok' ELSE 'raised' END AS state,
       a.metric, q.name AS queue, a.pipeline, a.threshold, a.value, a.period,
       a.raised_at, a.checked_at
FROM asyncjob.alarm a
LEFT JOIN asyncjob.queue q ON q.id = a.queue_id;
COMMENT ON VIEW asyncjob.alarms IS
'Alarms, for administrators: value is what was found at checked_at, above the threshold while state is raised.';

CREATE VIEW asyncjob.retentions WITH (security_invoker = true) AS
SELECT r.kind, q.name AS queue, r.keep, r.set_here
FROM (SELECT t.queue_id, t.kind, t.keep, true AS set_here FROM asyncjob.retention t
      UNION ALL
      SELECT 0, d.kind, d.keep, false
      FROM asyncjob.retention_defaults d
      WHERE NOT EXISTS (SELECT FROM asyncjob.retention t WHERE t.queue_id = 0 AND t.kind = d.kind)) r
LEFT JOIN asyncjob.queue q ON q.id = r.queue_id;
COMMENT ON VIEW asyncjob.retentions IS
'How long things are kept: keep null is for ever, queue null is every queue without a rule of its own; set_here is false for a default.';
CREATE VIEW asyncjob.events WITH (security_invoker = true) AS
SELECT pg_get_userbyid(e.owner) AS owner, e.event, e.key, e.payload, e.emitted_at
FROM asyncjob.event e
WHERE e.kept;
COMMENT ON VIEW asyncjob.events IS 'Events with a key, which are kept: the reader''s own and those granted to it.';

CREATE VIEW asyncjob.event_subscriptions WITH (security_invoker = true) AS
SELECT s.id, pg_get_userbyid(s.owner) AS owner, pg_get_userbyid(s.event_owner) AS event_owner,
       s.event, s.pipeline, s.filter, s.created_at, s.last_at, s.last_job_id, s.last_error
FROM asyncjob.subscription s;
COMMENT ON VIEW asyncjob.event_subscriptions IS 'Pipelines that events start: the reader''s own. last_at is the time of the last event that fitted.';
