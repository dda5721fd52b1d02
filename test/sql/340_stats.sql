-- Figures of queues, pipelines and steps; OpenMetrics text; health.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common
\i :engine_off
CREATE ROLE regress_aj_stats LOGIN;
CREATE ROLE regress_aj_stats2 LOGIN;
SELECT asyncjob.grant_usage('regress_aj_stats'), asyncjob.grant_usage('regress_aj_stats2');
CREATE SCHEMA aj_stats AUTHORIZATION regress_aj_stats;
SELECT asyncjob.create_queue('regress_stats');
SET ROLE regress_aj_stats;
CREATE FUNCTION aj_stats.step(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF p ? 'fail' THEN RAISE 'fails' USING ERRCODE = 'AJ001'; END IF;
    RETURN p;
END $$;
SELECT asyncjob.create_pipeline('regress_stats', '[{"name": "one", "handler": "aj_stats.step"}, {"name": "two", "handler": "aj_stats.step"}]') > 0 AS made;
SELECT asyncjob.create_chat_session('regress_stats');
SELECT count(*) FROM asyncjob.submit_many('regress_stats', ARRAY(SELECT '{}'::jsonb FROM generate_series(1, 100)), session_id => 'regress_stats') \gset
SELECT asyncjob.submit('regress_stats', '{"fail": true}') IS NOT NULL AS submitted FROM generate_series(1, 25);
SELECT asyncjob.drain();
SELECT asyncjob.cancel(asyncjob.submit('regress_stats', '{}', queue => 'regress_stats'));
SELECT asyncjob.submit('regress_stats', '{}', queue => 'regress_stats', run_at => now() - interval '20 min') IS NOT NULL AS due,
    asyncjob.submit('regress_stats', '{}', queue => 'regress_stats', run_at => now() + interval '1 hour') IS NOT NULL AS later;
RESET ROLE;
-- known times: the n-th of a hundred started n seconds after it was due and took n / 10 seconds
UPDATE asyncjob.job j SET created_at = t - n * interval '1.1 s', run_at = t - n * interval '1.1 s', started_at = t - n * interval '0.1 s', finished_at = t
    FROM (SELECT id, row_number() OVER (ORDER BY id) AS n, clock_timestamp() AS t FROM asyncjob.job WHERE session_id = 'regress_stats') x WHERE x.id = j.id;
UPDATE asyncjob.chat_message m SET created_at = j.finished_at + interval '0.5 s' FROM asyncjob.job j WHERE j.id = m.job_id AND m.session_id = 'regress_stats';
SET ROLE regress_aj_stats;
SELECT queue, paused, max_depth, queued, due, running, waiting, dead_letters, oldest_due_s > 1200 AS old FROM asyncjob.queue_stats WHERE queue IN ('default', 'regress_stats') ORDER BY 1;
SELECT pipeline, ended, completed, failed, cancelled, partial, success_rate FROM asyncjob.pipeline_stats();
RESET ROLE;
UPDATE asyncjob.job SET finished_at = finished_at - interval '2 hours' WHERE owner = 'regress_aj_stats'::regrole AND state = 'failed';
SET ROLE regress_aj_stats;
-- percentiles of 1..100 and 0.1..10 (linear between ranks, as percentile_cont)
SELECT completed, failed, start_latency_p50_s, start_latency_p95_s, start_latency_p99_s,
    round(duration_p50_s::numeric, 3) AS d50, round(duration_p95_s::numeric, 3) AS d95, round(duration_p99_s::numeric, 3) AS d99, round(duration_sum_s::numeric, 3) AS d_sum,
    chat_writes, chat_failures, chat_success_rate, chat_latency_p95_s,
    chat_size_p95_bytes = (SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY octet_length(m.content) + octet_length(m.artifacts::text)
        + octet_length(m.thought_steps::text)) FROM asyncjob.chat_message m WHERE m.session_id = 'regress_stats') AS size FROM asyncjob.pipeline_stats();
SELECT failed FROM asyncjob.pipeline_stats('1 day');
SELECT pipeline, step, finished, failed_attempts, duration_p50_s >= 0 AS timed FROM asyncjob.step_stats('1 day');
-- others see none of it
SET ROLE regress_aj_stats2;
SELECT queued, due, dead_letters FROM asyncjob.queue_stats WHERE queue = 'regress_stats';
SELECT count(*) FROM asyncjob.pipeline_stats();
SET ROLE regress_aj_stats;

-- OpenMetrics: each line is a description of a family or a sample of the last one described; the end is marked
CREATE TEMP TABLE line AS SELECT n, l FROM regexp_split_to_table(asyncjob.metrics(), '\n') WITH ORDINALITY t (l, n);
SELECT l FROM line WHERE l !~ '^(# (TYPE|HELP) [a-z_]+ .+|# EOF|[a-z_]+(\{[a-z]+="([^"\\\n]|\\["\\n])*"(,[a-z]+="([^"\\\n]|\\["\\n])*")*\})? ([-+]?[0-9.]+(e[-+]?[0-9]+)?|[-+]Inf|NaN))$' AND l <> '';
SELECT l FROM line WHERE n = (SELECT max(n) FROM line);
SELECT l AS in_no_family FROM line s WHERE l !~ '^(#|$)' AND regexp_replace(substring(l FROM '^[a-z_]+'), '_(total|bucket|count|sum)$', '')
    <> (SELECT split_part(f.l, ' ', 3) FROM line f WHERE f.l LIKE '# TYPE %' AND f.n < s.n ORDER BY f.n DESC LIMIT 1);
SELECT split_part(l, ' ', 3) AS twice FROM line WHERE l LIKE '# TYPE %' GROUP BY 1 HAVING count(*) > 1;
SELECT regexp_replace(l, ' .*', '') AS sample_twice FROM line WHERE l !~ '^(#|$)' GROUP BY 1 HAVING count(*) > 1;
SELECT l FROM line WHERE l ~ '(queue="regress_stats"|pipeline="regress_stats",state|outcome=)' AND l !~ 'oldest' ORDER BY n;
-- buckets: each holds those before, the last one all
SELECT substring(l FROM '^([a-z_]+)_bucket') AS histogram, count(*), bool_and(v >= before) AS grows, max(v) = max(total) AS all_in_last,
    string_agg(le, ' ' ORDER BY n) AS bounds
FROM (SELECT n, l, v, le, lag(v, 1, 0::numeric) OVER (PARTITION BY f ORDER BY n) AS before,
          (SELECT split_part(c.l, ' ', 2)::numeric FROM line c WHERE c.l LIKE f || '\_count %') AS total
      FROM (SELECT n, l, substring(l FROM '^([a-z_]+)_bucket') AS f, substring(l FROM 'le="(.*)"') AS le, split_part(l, ' ', 2)::numeric AS v
            FROM line WHERE l LIKE '%\_bucket{%') b) s
GROUP BY 1 ORDER BY 1;
SELECT asyncjob._sample('m', '{"a": "x\"y\\z\nq"}', 'Infinity');
-- health: the engine is off here, so nothing can start
SELECT status, problems @> '[{"item": "enabled"}, {"item": "waiting"}]' AS enabled_waiting FROM asyncjob.health();
-- a message that could not be written
SELECT count, failed FROM asyncjob.latency_stats() WHERE what = 'chat_write' \gset chat_
SELECT count FROM asyncjob.latency_stats() WHERE what = 'submit' \gset submit_
RESET ROLE;
ALTER TABLE asyncjob.chat_message ADD CONSTRAINT regress_full CHECK (content NOT LIKE '%regress_stats%') NOT VALID;
SET ROLE regress_aj_stats;
SELECT count(*) FROM asyncjob.submit_many('regress_stats', ARRAY(SELECT '{}'::jsonb FROM generate_series(1, 25)), session_id => 'regress_stats');
SELECT asyncjob.drain();
RESET ROLE;
ALTER TABLE asyncjob.chat_message DROP CONSTRAINT regress_full;
SET ROLE regress_aj_stats;
SELECT completed, chat_writes, chat_failures, chat_success_rate FROM asyncjob.pipeline_stats();
SELECT count - :chat_count AS written, failed - :chat_failed AS failed, p50_s > 0 AND p50_s <= p95_s AND p95_s <= p99_s AND sum_s > 0 AS taken
FROM asyncjob.latency_stats() WHERE what = 'chat_write';
SELECT count - :submit_count AS submits, failed, p50_s > 0 AND p99_s < 10 AND sum_s > 0 AS taken FROM asyncjob.latency_stats() WHERE what = 'submit';
SELECT l FROM regexp_split_to_table(asyncjob.metrics(), '\n') l WHERE l LIKE 'asyncjob_last_hour_chat_writes%';
RESET ROLE;
-- percentiles by the rule of a histogram: evenly within a bucket, the last bound where there is no other
BEGIN;
CREATE OR REPLACE FUNCTION asyncjob._latency_buckets() RETURNS TABLE (what text, upper_s float8, n bigint, failed bigint, sum_s float8) LANGUAGE sql AS $$
    VALUES ('even', 0.1::float8, 0::bigint, 1::bigint, 15::float8), ('even', 0.2, 100, 1, 15), ('even', 'Infinity', 0, 1, 15),
        ('long', 0.1, 90, 0, 20), ('long', 0.2, 0, 0, 20), ('long', 'Infinity', 10, 0, 20), ('none', 0.1, 0, 0, 0), ('none', 'Infinity', 0, 0, 0) $$;
SELECT what, count, failed, round(success_rate::numeric, 4) AS rate, sum_s, round(p50_s::numeric, 6) AS p50, round(p95_s::numeric, 6) AS p95, round(p99_s::numeric, 6) AS p99
FROM asyncjob.latency_stats();
ROLLBACK;
-- a queue that was dropped is told of only while it has dead letters
SELECT asyncjob.create_queue('regress_stats_gone'), asyncjob.create_queue('regress_stats_dead');
SET ROLE regress_aj_stats;
SELECT asyncjob.submit('regress_stats', '{"fail": true}', queue => 'regress_stats_dead') IS NOT NULL AS submitted;
SELECT asyncjob.drain() > 0 AS drained;
RESET ROLE;
SELECT asyncjob.drop_queue('regress_stats_gone'), asyncjob.drop_queue('regress_stats_dead');
SET ROLE regress_aj_stats;
SELECT regexp_replace(queue, '\d+$', 'N') AS queue, dead_letters FROM asyncjob.queue_stats WHERE queue LIKE 'regress_stats_%';
RESET ROLE;
DROP SCHEMA aj_stats CASCADE;
\i :engine_on
