-- Limits of queues. C: src/engine/api_limits.c.

CREATE FUNCTION asyncjob.alter_queue(
        name text, max_running integer DEFAULT NULL,
        max_running_per_user integer DEFAULT NULL, user_limit_mode text DEFAULT NULL,
        max_running_per_key integer DEFAULT NULL,
        rate_limit integer DEFAULT NULL, rate_interval interval DEFAULT NULL,
        rate_limit_per_key integer DEFAULT NULL, rate_interval_per_key interval DEFAULT NULL,
        fair boolean DEFAULT NULL, user_weights jsonb DEFAULT NULL,
        ageing interval DEFAULT NULL, clear text[] DEFAULT '{}',
        encrypt boolean DEFAULT NULL)
    RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_alter_queue';
COMMENT ON FUNCTION asyncjob.alter_queue(text, integer, integer, text, integer, integer, interval, integer, interval, boolean, jsonb, interval, text[], boolean) IS
'Change limits of a queue, or whether new jobs are encrypted, at any time; what is not given stays, the limits named in clear go. See create_queue(). Jobs that run beyond a lowered limit go on, and none starts before there is a place. Administrators only. Errors: 42704 no such queue, 22023 out of range, 55000 no pgcrypto or no key.';

CREATE FUNCTION asyncjob.drop_queue(name text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_drop_queue';
COMMENT ON FUNCTION asyncjob.drop_queue(text) IS
'Drop a queue. Its finished jobs stay, under a name that ends with .dropped and a number. Administrators only. Errors: 42704 no such queue, 55006 it has unfinished jobs, 42501 it belongs to the extension.';

CREATE VIEW asyncjob.queue_limits WITH (security_invoker = true) AS
SELECT q.name, l.max_running, l.max_running_per_user, l.user_limit_mode,
       l.max_running_per_key, l.rate_limit, l.rate_interval,
       l.rate_limit_per_key, l.rate_interval_per_key, l.fair, l.user_weights,
       l.ageing
FROM asyncjob.queue q
JOIN asyncjob.queue_limit l ON l.queue_id = q.id
WHERE q.gated;
COMMENT ON VIEW asyncjob.queue_limits IS 'Queues with limits. See docs/limits.md.';
