-- Figures: of queues, pipelines and steps, as OpenMetrics text, and a verdict.
-- They are about the jobs that the reader may see: a role's own, for
-- administrators everybody's.

CREATE VIEW asyncjob.queue_stats WITH (security_invoker = true) AS
SELECT q.name AS queue, q.paused, q.max_depth,
       count(j.id) FILTER (WHERE j.state = 'queued') AS queued,
       count(j.id) FILTER (WHERE j.state = 'queued' AND j.run_at <= clock_timestamp()) AS due,
       count(j.id) FILTER (WHERE j.state = 'running') AS running,
       count(j.id) FILTER (WHERE j.state = 'waiting') AS waiting,
       count(j.id) FILTER (WHERE j.state = 'failed') AS dead_letters,
       coalesce(extract(epoch FROM clock_timestamp() - min(j.run_at)
           FILTER (WHERE j.state = 'queued' AND j.run_at <= clock_timestamp())), 0)::double precision AS oldest_due_s
FROM asyncjob.queue q
LEFT JOIN asyncjob.job j ON j.queue_id = q.id AND j.state IN ('queued', 'running', 'waiting', 'failed')
GROUP BY q.id
-- of dropped queues those with dead letters
HAVING NOT q.dropped OR count(j.id) > 0;
COMMENT ON VIEW asyncjob.queue_stats IS
'Jobs of each queue by state, and for how many seconds the oldest due one has waited.';

CREATE FUNCTION asyncjob.pipeline_stats(
        period interval DEFAULT '1 hour',
        OUT pipeline text, OUT ended bigint, OUT completed bigint, OUT failed bigint,
        OUT cancelled bigint, OUT partial bigint, OUT success_rate double precision,
        OUT start_latency_p50_s double precision, OUT start_latency_p95_s double precision,
        OUT start_latency_p99_s double precision, OUT duration_p50_s double precision,
        OUT duration_p95_s double precision, OUT duration_p99_s double precision,
        OUT duration_sum_s double precision,
        OUT chat_writes bigint, OUT chat_latency_p95_s double precision, OUT chat_size_p95_bytes double precision,
        OUT chat_failures bigint, OUT chat_success_rate double precision)
    RETURNS SETOF record
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp AS $$
    WITH ended AS MATERIALIZED (
        SELECT p.name, j.id, j.state, j.partial,
               -- a job of the future starts when it is due
               extract(epoch FROM j.started_at - greatest(j.created_at, least(j.run_at, j.started_at)))::double precision AS latency,
               CASE WHEN j.state <> 'cancelled' THEN
                   extract(epoch FROM j.finished_at - j.started_at)::double precision END AS duration,
               m.latency AS chat_latency, m.size AS chat_size,
               j.session_id IS NOT NULL AND m.size IS NULL AS chat_failed
        FROM asyncjob.job j
        JOIN asyncjob.pipeline p ON p.id = j.pipeline_id
        LEFT JOIN LATERAL (
            -- with a job that went well it is written just before its end
            SELECT greatest(extract(epoch FROM c.created_at - j.finished_at)::double precision, 0) AS latency,
                   octet_length(c.content) + octet_length(c.artifacts::text)
                       + octet_length(c.thought_steps::text) AS size
            FROM asyncjob.chat_message c
            WHERE c.session_id = j.session_id AND c.job_id = j.id AND c.role = 'ai'
            ORDER BY c.id DESC LIMIT 1) m ON j.session_id IS NOT NULL
        WHERE j.state IN ('completed', 'failed', 'cancelled')
          AND j.finished_at > clock_timestamp() - period)
    SELECT e.name, count(*), count(*) FILTER (WHERE e.state = 'completed'),
           count(*) FILTER (WHERE e.state = 'failed'), count(*) FILTER (WHERE e.state = 'cancelled'),
           count(*) FILTER (WHERE e.partial),
           avg((e.state = 'completed')::integer) FILTER (WHERE e.state <> 'cancelled'),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY e.latency),
           percentile_cont(0.95) WITHIN GROUP (ORDER BY e.latency),
           percentile_cont(0.99) WITHIN GROUP (ORDER BY e.latency),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY e.duration),
           percentile_cont(0.95) WITHIN GROUP (ORDER BY e.duration),
           percentile_cont(0.99) WITHIN GROUP (ORDER BY e.duration),
           coalesce(sum(e.duration), 0), count(e.chat_size),
           percentile_cont(0.95) WITHIN GROUP (ORDER BY e.chat_latency),
           percentile_cont(0.95) WITHIN GROUP (ORDER BY e.chat_size),
           count(*) FILTER (WHERE e.chat_failed),
           count(e.chat_size)::double precision / nullif(count(e.chat_size) + count(*) FILTER (WHERE e.chat_failed), 0)
    FROM ended e GROUP BY e.name ORDER BY e.name
$$;
COMMENT ON FUNCTION asyncjob.pipeline_stats(interval) IS
'Of each pipeline''s jobs that ended within the period: how many and how, the share of completed ones among those not cancelled, percentiles of the seconds from being due to the first start and from there to the end (cancelled ones left out), how many told their chat session, how many seconds after their end, in messages of how many bytes (text, list of artifacts and thought steps), and how many could not tell it.';

CREATE FUNCTION asyncjob.step_stats(
        period interval DEFAULT '1 hour',
        OUT pipeline text, OUT step text, OUT finished bigint, OUT failed_attempts bigint,
        OUT duration_p50_s double precision, OUT duration_p95_s double precision,
        OUT duration_p99_s double precision)
    RETURNS SETOF record
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp AS $$
    WITH done AS (
        SELECT p.name, s.name AS step, extract(epoch FROM s.finished_at - s.started_at)::double precision AS duration
        FROM asyncjob.job j
        JOIN asyncjob.pipeline p ON p.id = j.pipeline_id
        CROSS JOIN LATERAL asyncjob.steps(j.id) s
        WHERE j.state IN ('completed', 'failed', 'cancelled')
          AND j.finished_at > clock_timestamp() - period AND s.state = 'completed'),
    failed AS (
        SELECT p.name, u.step, count(*) AS attempts
        FROM asyncjob.job j
        JOIN asyncjob.pipeline p ON p.id = j.pipeline_id
        CROSS JOIN LATERAL asyncjob.updates(j.id) u
        WHERE j.error IS NOT NULL AND coalesce(j.finished_at, j.run_at) > clock_timestamp() - period
          AND u.kind = 'attempt' AND u.level = 'error'
        GROUP BY 1, 2)
    SELECT coalesce(d.name, f.name), coalesce(d.step, f.step), coalesce(d.n, 0), coalesce(f.attempts, 0), d.p50, d.p95, d.p99
    FROM (SELECT d.name, d.step, count(*) AS n,
                 percentile_cont(0.5) WITHIN GROUP (ORDER BY d.duration) AS p50,
                 percentile_cont(0.95) WITHIN GROUP (ORDER BY d.duration) AS p95,
                 percentile_cont(0.99) WITHIN GROUP (ORDER BY d.duration) AS p99
          FROM done d GROUP BY 1, 2) d
    FULL JOIN failed f ON f.name = d.name AND f.step = d.step
    ORDER BY 1, 2
$$;
COMMENT ON FUNCTION asyncjob.step_stats(interval) IS
'Of the steps of jobs that ended within the period: how many finished, percentiles of their seconds, and how many attempts failed. Reads the history of each of these jobs; for a look, not for a dashboard.';

CREATE FUNCTION asyncjob._latency_buckets()
    RETURNS TABLE (what text, upper_s double precision, n bigint, failed bigint, sum_s double precision)
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_latency_buckets';
COMMENT ON FUNCTION asyncjob._latency_buckets() IS
'Histograms of latency_stats(): how many took up to so many seconds, and longer than those of the bucket before. No row where nothing is preloaded.';

CREATE FUNCTION asyncjob.latency_stats(
        OUT what text, OUT count bigint, OUT failed bigint, OUT success_rate double precision,
        OUT sum_s double precision, OUT p50_s double precision, OUT p95_s double precision,
        OUT p99_s double precision)
    RETURNS SETOF record
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp AS $$
    WITH bucket AS (
        SELECT b.what, b.n, b.failed, b.sum_s, b.upper_s,
               lag(b.upper_s, 1, 0) OVER w AS lower_s, sum(b.n) OVER w AS up_to
        FROM asyncjob._latency_buckets() b WINDOW w AS (PARTITION BY b.what ORDER BY b.upper_s)),
    total AS (
        SELECT b.what, sum(b.n)::bigint AS n, max(b.failed) AS failed, max(b.sum_s) AS sum_s
        FROM bucket b GROUP BY b.what)
    SELECT t.what, t.n, t.failed, t.n::double precision / nullif(t.n + t.failed, 0), t.sum_s, v.p[1], v.p[2], v.p[3]
    FROM total t CROSS JOIN LATERAL (
        -- spread evenly over the bucket; what is longer than all bounds is taken for the last one
        SELECT array_agg((SELECT CASE WHEN b.upper_s = 'Infinity' THEN b.lower_s
                                 ELSE b.lower_s + (b.upper_s - b.lower_s) * ((q.q * t.n - (b.up_to - b.n)) / b.n)::double precision END
                          FROM bucket b WHERE b.what = t.what AND b.n > 0 AND b.up_to >= q.q * t.n
                          ORDER BY b.upper_s LIMIT 1) ORDER BY q.q) AS p
        FROM (VALUES (0.5), (0.95), (0.99)) q (q)) v
    ORDER BY 1
$$;
COMMENT ON FUNCTION asyncjob.latency_stats() IS
'What the engine itself took, in this database and since the server''s start, in seconds: submit, calls of submit() and submit_many() without the commit; notify, from the commit of a change of state to that of its NOTIFY (failed: notices that found no room); chat_write, messages to chat sessions (failed: could not be written). Percentiles are estimated from a histogram with the bounds 1, 2, 5, 10 ... . No row where nothing is preloaded.';

CREATE FUNCTION asyncjob._sample(metric text, labels jsonb, value double precision) RETURNS text
    LANGUAGE sql IMMUTABLE
    SET search_path = pg_catalog, pg_temp AS $$
    SELECT metric
        || coalesce('{' || (SELECT string_agg(format('%s="%s"', l.key,
               replace(replace(replace(l.value, '\', '\\'), '"', '\"'), E'\n', '\n')), ',' ORDER BY l.key)
               FROM jsonb_each_text(labels) l) || '}', '')
        || ' ' || CASE value WHEN 'Infinity' THEN '+Inf' WHEN '-Infinity' THEN '-Inf' ELSE value::text END || E'\n'
$$;
COMMENT ON FUNCTION asyncjob._sample(text, jsonb, double precision) IS 'A line of OpenMetrics text.';

CREATE FUNCTION asyncjob.metrics() RETURNS text
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp AS $$
    WITH family (place, name, type, help) AS (VALUES
        (1, 'asyncjob_up', 'gauge', 'Whether the coordinator of this database runs.'),
        (2, 'asyncjob_jobs', 'gauge', 'Jobs by queue and state.'),
        (3, 'asyncjob_jobs_due', 'gauge', 'Queued jobs that are due.'),
        (4, 'asyncjob_queue_paused', 'gauge', 'Whether a queue is paused.'),
        (5, 'asyncjob_queue_max_depth', 'gauge', 'Queued jobs at which submit() refuses.'),
        (6, 'asyncjob_queue_oldest_due_seconds', 'gauge', 'How long the oldest due job has waited.'),
        (7, 'asyncjob_workers', 'gauge', 'Background workers of this database by state.'),
        (8, 'asyncjob_workers_max', 'gauge', 'Setting asyncjob.max_workers, for the whole server.'),
        (9, 'asyncjob_alarm_raised', 'gauge', 'Whether an alarm is raised.'),
        (10, 'asyncjob_last_hour_jobs', 'gauge', 'Jobs that ended within the last hour, by pipeline and state.'),
        (11, 'asyncjob_last_hour_start_latency_seconds', 'summary', 'From being due to the first start, over the last hour.'),
        (12, 'asyncjob_last_hour_duration_seconds', 'summary', 'From the first start to the end, over the last hour.'),
        (13, 'asyncjob_last_hour_chat_writes', 'gauge', 'Messages to chat sessions of jobs that ended within the last hour, by outcome.'),
        (14, 'asyncjob_last_hour_chat_size_bytes', 'summary', 'Size of these messages with their artifacts and thought steps.'),
        (15, 'asyncjob_submit_seconds', 'histogram', 'Calls of submit() and submit_many(), without the commit.'),
        (16, 'asyncjob_notify_latency_seconds', 'histogram', 'From the commit of a change of state to that of its NOTIFY.'),
        (17, 'asyncjob_chat_write_seconds', 'histogram', 'Writing a message to a chat session.'),
        (18, 'asyncjob_notices_lost', 'counter', 'Notices that found no room; listeners were told to look again.'),
        (19, 'asyncjob_chat_write_failures', 'counter', 'Messages to chat sessions that could not be written.')),
    bucket AS MATERIALIZED (SELECT * FROM asyncjob._latency_buckets()),
    histogram (place, name, what) AS (VALUES (15, 'asyncjob_submit_seconds', 'submit'),
        (16, 'asyncjob_notify_latency_seconds', 'notify'), (17, 'asyncjob_chat_write_seconds', 'chat_write')),
    queue AS MATERIALIZED (SELECT * FROM asyncjob.queue_stats),
    pipeline AS MATERIALIZED (SELECT * FROM asyncjob.pipeline_stats('1 hour')),
    sample (place, line) AS (
        SELECT 1, asyncjob._sample('asyncjob_up', '{}', (SELECT count(*) FROM pg_stat_activity a
            WHERE coalesce(a.backend_type, CASE a.usesysid WHEN 10 THEN a.application_name END) = 'asyncjob coordinator' AND a.datname = current_database() LIMIT 1))
        UNION ALL SELECT 2, asyncjob._sample('asyncjob_jobs', jsonb_build_object('queue', q.queue, 'state', s.state), s.n)
        FROM queue q CROSS JOIN LATERAL (VALUES ('queued', q.queued), ('running', q.running), ('waiting', q.waiting),
            ('failed', q.dead_letters)) s (state, n)
        UNION ALL SELECT 3, asyncjob._sample('asyncjob_jobs_due', jsonb_build_object('queue', q.queue), q.due) FROM queue q
        UNION ALL SELECT 4, asyncjob._sample('asyncjob_queue_paused', jsonb_build_object('queue', q.queue), q.paused::integer) FROM queue q
        UNION ALL SELECT 5, asyncjob._sample('asyncjob_queue_max_depth', jsonb_build_object('queue', q.queue), q.max_depth)
        FROM queue q WHERE q.max_depth IS NOT NULL
        UNION ALL SELECT 6, asyncjob._sample('asyncjob_queue_oldest_due_seconds', jsonb_build_object('queue', q.queue), q.oldest_due_s) FROM queue q
        UNION ALL SELECT 7, asyncjob._sample('asyncjob_workers', jsonb_build_object('state', s.state),
            (SELECT count(*) FROM asyncjob.workers() w WHERE w.state = s.state))
        FROM (VALUES ('starting'), ('idle'), ('busy')) s (state)
        UNION ALL SELECT 8, asyncjob._sample('asyncjob_workers_max', '{}', current_setting('asyncjob.max_workers')::double precision)
        UNION ALL SELECT 9, asyncjob._sample('asyncjob_alarm_raised', jsonb_build_object('alarm', a.name), (a.raised_at IS NOT NULL)::integer)
        FROM asyncjob.alarm a
        UNION ALL SELECT 10, asyncjob._sample('asyncjob_last_hour_jobs', jsonb_build_object('pipeline', p.pipeline, 'state', s.state), s.n)
        FROM pipeline p CROSS JOIN LATERAL (VALUES ('completed', p.completed), ('failed', p.failed), ('cancelled', p.cancelled)) s (state, n)
        UNION ALL SELECT 11, asyncjob._sample('asyncjob_last_hour_start_latency_seconds', jsonb_build_object('pipeline', p.pipeline, 'quantile', s.q), s.v)
        FROM pipeline p CROSS JOIN LATERAL (VALUES ('0.5', p.start_latency_p50_s), ('0.95', p.start_latency_p95_s), ('0.99', p.start_latency_p99_s)) s (q, v)
        WHERE s.v IS NOT NULL
        UNION ALL SELECT 12, asyncjob._sample('asyncjob_last_hour_duration_seconds', jsonb_build_object('pipeline', p.pipeline, 'quantile', s.q), s.v)
        FROM pipeline p CROSS JOIN LATERAL (VALUES ('0.5', p.duration_p50_s), ('0.95', p.duration_p95_s), ('0.99', p.duration_p99_s)) s (q, v)
        WHERE s.v IS NOT NULL
        UNION ALL SELECT 13, asyncjob._sample('asyncjob_last_hour_chat_writes', jsonb_build_object('pipeline', p.pipeline, 'outcome', s.outcome), s.n)
        FROM pipeline p CROSS JOIN LATERAL (VALUES ('written', p.chat_writes), ('failed', p.chat_failures)) s (outcome, n)
        WHERE p.chat_writes + p.chat_failures > 0
        UNION ALL SELECT 14, asyncjob._sample('asyncjob_last_hour_chat_size_bytes', jsonb_build_object('pipeline', p.pipeline, 'quantile', '0.95'), p.chat_size_p95_bytes)
        FROM pipeline p WHERE p.chat_size_p95_bytes IS NOT NULL
        -- one line for all of a histogram, whose buckets have an order
        UNION ALL SELECT h.place, string_agg(asyncjob._sample(h.name || '_bucket', jsonb_build_object('le',
                CASE b.upper_s WHEN 'Infinity' THEN '+Inf' ELSE to_char(b.upper_s, 'FM90.099999') END), b.up_to), '' ORDER BY b.upper_s)
            || asyncjob._sample(h.name || '_count', '{}', sum(b.n)::double precision) || asyncjob._sample(h.name || '_sum', '{}', max(b.sum_s))
        FROM histogram h JOIN (SELECT b.what, b.upper_s, b.n, b.sum_s, (sum(b.n) OVER (PARTITION BY b.what ORDER BY b.upper_s))::double precision AS up_to
            FROM bucket b) b ON b.what = h.what GROUP BY h.place, h.name
        UNION ALL SELECT c.place, asyncjob._sample(c.name, '{}', b.failed)
        FROM (VALUES (18, 'asyncjob_notices_lost_total', 'notify'), (19, 'asyncjob_chat_write_failures_total', 'chat_write')) c (place, name, what)
        JOIN bucket b ON b.what = c.what AND b.upper_s = 'Infinity')
    SELECT string_agg(format(E'# TYPE %s %s\n# HELP %s %s\n', f.name, f.type, f.name, f.help) || s.lines, '' ORDER BY f.place)
        -- the end of the last line is whoever prints it: psql ends it, and a second one would be an error
        || '# EOF'
    FROM family f
    JOIN (SELECT s.place, string_agg(s.line, '' ORDER BY s.line) AS lines FROM sample s GROUP BY s.place) s ON s.place = f.place
$$;
COMMENT ON FUNCTION asyncjob.metrics() IS
'State of the queue as OpenMetrics text, of the jobs that the caller may see. Errors: none.';

CREATE FUNCTION asyncjob.health(OUT status text, OUT problems jsonb)
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp AS $$
    WITH found (grave, item, detail) AS (
        SELECT c.item NOT IN ('max_worker_processes', 'login', 'owners', 'rights', 'encryption', 'quiesced', 'schedules'),
               c.item, rtrim(c.detail, '.') || '. ' || c.hint
        FROM asyncjob.check() c WHERE NOT c.ok AND c.item <> 'pg_cron'
        UNION ALL
        SELECT false, 'alarm', format('alarm %s is raised since %s: %s is %s, above %s',
                                      a.name, a.raised_at, a.metric, a.value, a.threshold)
        FROM asyncjob.alarm a WHERE a.raised_at IS NOT NULL
        UNION ALL
        SELECT false, 'waiting', format('a job of queue %s has been due for %s s', q.queue, round(q.oldest_due_s))
        FROM asyncjob.queue_stats q JOIN asyncjob.queue s ON s.name = q.queue AND s.quiesced_at IS NULL
        WHERE NOT q.paused AND q.oldest_due_s > 600)
    SELECT CASE WHEN bool_or(f.grave) THEN 'down' WHEN count(*) > 0 THEN 'degraded' ELSE 'ok' END,
           coalesce(jsonb_agg(jsonb_build_object('item', f.item, 'detail', f.detail) ORDER BY f.item, f.detail), '[]')
    FROM found f
$$;
COMMENT ON FUNCTION asyncjob.health() IS
'One row for a health check: status is ok, degraded (the database is quiesced, an alarm is raised, a job of a queue that is not paused has been due for ten minutes, too few processes, owners that cannot connect, rights or keys that are missing, schedules that pg_cron does not call) or down (no job can start); problems is an array of item and detail.';
