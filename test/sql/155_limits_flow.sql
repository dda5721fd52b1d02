-- Limits and workflows: a job has one place, whatever branches it has, and none
-- while it sleeps.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common
\i :engine_off

CREATE ROLE regress_aj_lf LOGIN;
SELECT asyncjob.grant_usage('regress_aj_lf');
SELECT asyncjob.create_queue('regress_lf', max_running_per_key => 1);
SELECT asyncjob.create_queue('regress_lf1', max_running => 1);
CREATE SCHEMA aj_lf AUTHORIZATION regress_aj_lf;
SET ROLE regress_aj_lf;
CREATE TABLE aj_lf.ran (id int GENERATED ALWAYS AS IDENTITY, n int);
CREATE FUNCTION aj_lf.step(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO aj_lf.ran (n) VALUES (coalesce(a -> 'params' ->> 'n', a ->> 'n')::int);
    RETURN a;
END $$;
CREATE FUNCTION aj_lf.nap(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.sleep('nap', '1 hour');
    RETURN a;
END $$;
SELECT asyncjob.create_pipeline('regress_lf', '[{"name": "a", "handler": "aj_lf.step", "after": []}, {"name": "b", "handler": "aj_lf.step", "after": []},
    {"name": "c", "handler": "aj_lf.step", "after": []}, {"name": "d", "handler": "aj_lf.step", "after": ["a", "b", "c"]}]') > 0 AS made;
SELECT asyncjob.create_pipeline('regress_nap', '[{"name": "a", "handler": "aj_lf.nap"}]') > 0 AS made;
SELECT asyncjob.create_pipeline('regress_lfx', '[{"name": "a", "handler": "external"}]') > 0 AS made;

-- one of a key at a time, with all of its branches
SELECT count(asyncjob.submit('regress_lf', jsonb_build_object('n', n), queue => 'regress_lf', concurrency_key => 'k')) FROM generate_series(1, 3) n;
SELECT asyncjob.drain() > 0 AS ran;
SELECT string_agg(n::text, ' ' ORDER BY id) FROM aj_lf.ran;
SELECT state, count(*) FROM asyncjob.list_jobs() GROUP BY 1;

-- a sleeping job leaves its place to others, and waits for one when it wakes
SELECT asyncjob.submit('regress_nap', queue => 'regress_lf1') AS nap \gset
SELECT asyncjob.submit('noop', queue => 'regress_lf1') AS other \gset
SELECT asyncjob.drain() > 0 AS ran;
SELECT (SELECT state FROM asyncjob.status(:nap)) AS nap, (SELECT state FROM asyncjob.status(:other)) AS other;
SELECT asyncjob.explain(:nap) LIKE 'It waits: %nap%' AS explained;
SELECT asyncjob.submit('regress_lfx', queue => 'regress_lf1') AS ext \gset
SELECT token AS t FROM asyncjob.claim('{regress_lf1}') \gset
RESET ROLE;
UPDATE asyncjob.job_memo SET wake_at = now() WHERE job_id = :nap;
UPDATE asyncjob.job SET run_at = now() WHERE id = :nap;
SET ROLE regress_aj_lf;
SELECT asyncjob.drain();
SELECT state FROM asyncjob.status(:nap);
SELECT regexp_replace(asyncjob.explain(:nap), 'job \d+', 'job N') AS explain;
SELECT asyncjob.complete(:ext, :t);
SELECT asyncjob.drain();
SELECT state FROM asyncjob.status(:nap);
RESET ROLE;

-- a dead letter that is redriven waits for a place at once
SET ROLE regress_aj_lf;
CREATE FUNCTION aj_lf.fails(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'AJ001'; END $$;
SELECT asyncjob.create_pipeline('regress_lfe', '[{"name": "a", "handler": "aj_lf.fails"}]') > 0 AS made;
SELECT asyncjob.submit('regress_lfe', queue => 'regress_lf1') AS dead \gset
SELECT asyncjob.drain() > 0 AS ran;
SELECT asyncjob.redrive(to_jsonb(:dead));
SELECT state FROM asyncjob.status(:dead);
SELECT asyncjob.drain() > 0 AS ran;
SELECT state FROM asyncjob.status(:dead);
RESET ROLE;

-- with workers
\i :engine_on
SET ROLE regress_aj_lf;
TRUNCATE aj_lf.ran;
SELECT asyncjob.submit('regress_lf', jsonb_build_object('n', n), queue => 'regress_lf', concurrency_key => 'k') AS last FROM generate_series(1, 20) n ORDER BY 1 DESC LIMIT 1 \gset
SELECT state FROM asyncjob.wait(:last, '1 min');
-- the four steps of each together
SELECT count(*), count(DISTINCT n), bool_and(last - first = 3) AS together FROM (SELECT n, min(place) AS first, max(place) AS last
    FROM (SELECT n, row_number() OVER (ORDER BY id) AS place FROM aj_lf.ran) r GROUP BY n) s;
RESET ROLE;
SET client_min_messages = warning;
SELECT asyncjob.drop_queue('regress_lf');
SELECT asyncjob.drop_queue('regress_lf1');
DROP SCHEMA aj_lf CASCADE;
DROP OWNED BY regress_aj_lf;
DROP ROLE regress_aj_lf;
