-- What is kept for how long, what a pin holds.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common
\i :engine_off
CREATE ROLE regress_aj_keep LOGIN;
CREATE ROLE regress_aj_keep2 LOGIN;
SELECT asyncjob.grant_usage('regress_aj_keep'), asyncjob.grant_usage('regress_aj_keep2');
CREATE SCHEMA aj_keep AUTHORIZATION regress_aj_keep;
SELECT asyncjob.create_queue('regress_keep');
-- nothing of other tests
SELECT asyncjob.set_retention(k, NULL) FROM unnest(ARRAY['result', 'dead_letter', 'queued']) k;
SET ROLE regress_aj_keep;
CREATE FUNCTION aj_keep.paint(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF p ? 'fail' THEN RAISE 'fails' USING ERRCODE = 'AJ001'; END IF;
    PERFORM asyncjob.log('info', 'painting');
    IF p ? 'small' THEN PERFORM asyncjob.artifact('small', 'report', 'text/plain', 'x'); END IF;
    PERFORM asyncjob.artifact(k, k, 'text/plain', 'x') FROM jsonb_array_elements_text(p -> 'kinds') k;
    IF p ? 'big' THEN PERFORM asyncjob.artifact('big', 'raster', 'image/png', decode(repeat('00', 1500000), 'hex')); END IF;
    RETURN p;
END $$;
SELECT asyncjob.create_pipeline('regress_keep', '[{"name": "paint", "handler": "aj_keep.paint"}]') > 0 AS made;
RESET ROLE;
-- jobs as if they had been submitted and had ended that long ago
CREATE FUNCTION aj_keep.age(job bigint, age interval) RETURNS bigint LANGUAGE sql AS $$
    UPDATE asyncjob.artifact a SET created_at = a.created_at - age.age WHERE a.job_id = age.job;
    UPDATE asyncjob.job j SET created_at = j.created_at - age.age, run_at = j.run_at - age.age, finished_at = j.finished_at - age.age WHERE j.id = age.job RETURNING j.id;
$$;
CREATE TABLE aj_keep.made (job bigint, what text);
GRANT SELECT ON aj_keep.made TO PUBLIC;
CREATE FUNCTION aj_keep.make(what text, params jsonb, age interval) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    id bigint := asyncjob.submit('regress_keep', params, queue => 'regress_keep', run_at => CASE WHEN params ? 'queued' THEN now() - '1 s'::interval END);
BEGIN
    IF NOT params ? 'queued' THEN PERFORM asyncjob.drain(); END IF;
    PERFORM aj_keep.age(id, age);
    INSERT INTO aj_keep.made VALUES (id, what);
END $$;
CREATE VIEW aj_keep.there AS
    SELECT m.what, j.state, j.error ->> 'code' AS code, (SELECT string_agg(a.name, ' ' ORDER BY a.name) FROM asyncjob.artifact a WHERE a.job_id = m.job) AS artifacts,
        (SELECT count(*) FROM asyncjob.artifact_chunk c WHERE c.job_id = m.job) AS chunks,
        (SELECT count(*) FROM asyncjob.job_update u WHERE u.job_id = m.job) > 0 AS history
    FROM aj_keep.made m LEFT JOIN asyncjob.job j ON j.id = m.job ORDER BY m.job;

SELECT * FROM asyncjob.retentions WHERE kind NOT LIKE 'artifact:%' ORDER BY 1, 2;
SELECT asyncjob.reset_retention('result'), asyncjob.reset_retention('dead_letter'), asyncjob.reset_retention('queued'), asyncjob.reset_retention('queued');
SELECT * FROM asyncjob.retentions WHERE kind NOT LIKE 'artifact:%' ORDER BY 1, 2;
-- only jobs of our queue, by rules of its own that are the defaults
SELECT asyncjob.set_retention(k, NULL) FROM unnest(ARRAY['result', 'dead_letter', 'queued']) k;
SELECT asyncjob.set_retention('result', '7 days', 'regress_keep'), asyncjob.set_retention('dead_letter', '14 days', 'regress_keep'),
    asyncjob.set_retention('queued', '4 days', 'regress_keep');
SELECT aj_keep.make('young', '{"small": 1}', '6 days'), aj_keep.make('old', '{"small": 1, "big": 1}', '8 days'),
    aj_keep.make('young dead', '{"fail": 1}', '13 days'), aj_keep.make('old dead', '{"fail": 1}', '15 days'),
    aj_keep.make('late', '{"queued": 1}', '5 days'), aj_keep.make('queued', '{"queued": 1}', '3 days');
SELECT * FROM asyncjob.prune();
SELECT * FROM aj_keep.there;
SELECT error ->> 'message' AS message, error ->> 'hint' AS hint, error ->> 'category' AS category FROM asyncjob.job WHERE error ->> 'code' = 'expired';
SELECT u.seq, u.kind, u.state, u.message FROM aj_keep.made m, tap.history(m.job) u WHERE what = 'late';
-- nothing is left to do
SELECT * FROM asyncjob.prune();
-- redriven it is due now
SELECT asyncjob.redrive(to_jsonb(job)) FROM aj_keep.made WHERE what = 'late';
SELECT * FROM asyncjob.prune();
SELECT asyncjob.drain();
SELECT what, state FROM aj_keep.there WHERE what IN ('late', 'queued');

-- per kind of artifact, shorter and longer than the job itself
TRUNCATE aj_keep.made;
SELECT asyncjob.set_retention('artifact:raster', '30 days', 'regress_keep'), asyncjob.set_retention('artifact:report', '2 days', 'regress_keep');
SELECT aj_keep.make('3 days', '{"small": 1, "big": 1}', '3 days'), aj_keep.make('8 days', '{"small": 1, "big": 1}', '8 days'),
    aj_keep.make('31 days', '{"small": 1, "big": 1}', '31 days'), aj_keep.make('8 days, none', '{}', '8 days');
SELECT * FROM asyncjob.prune();
SELECT * FROM aj_keep.there;
-- for ever
SELECT asyncjob.set_retention('artifact:raster', NULL, 'regress_keep');
SELECT aj_keep.age(job, '1 year') IS NOT NULL AS aged FROM aj_keep.made WHERE what = '8 days';
SELECT * FROM asyncjob.prune();
SELECT what, artifacts, chunks FROM aj_keep.there WHERE what = '8 days';
SELECT asyncjob.reset_retention('artifact:raster', 'regress_keep'), asyncjob.reset_retention('artifact:report', 'regress_keep');

-- kinds with a default stay longer than their job would: uploads 90 days, terrain data and exports 30
TRUNCATE aj_keep.made;
SELECT count(*) FILTER (WHERE keep = '90 days') AS uploads, count(*) FILTER (WHERE keep = '30 days') > 20 AS others, bool_and(keep IN ('30 days', '90 days')) AS no_more
FROM asyncjob.retention_defaults WHERE kind LIKE 'artifact:%';
SELECT kind, queue, keep, set_here FROM asyncjob.retentions WHERE kind IN ('artifact:site_upload', 'artifact:contours', 'artifact:wind_farm_report') ORDER BY 1;
SELECT aj_keep.make(age || ' days', '{"kinds": ["site_upload", "contours", "wind_farm_report", "other"]}', age * interval '1 day') FROM unnest(ARRAY[8, 29, 31, 89, 91]) age;
SELECT * FROM asyncjob.prune();
SELECT what, state, artifacts FROM aj_keep.there;
-- never shorter than their job
SELECT asyncjob.set_retention('result', NULL, 'regress_keep');
SELECT aj_keep.make('1 year', '{"kinds": ["contours", "other"]}', '1 year');
SELECT * FROM asyncjob.prune();
SELECT what, artifacts FROM aj_keep.there WHERE what = '1 year';
SELECT asyncjob.set_retention('result', '7 days', 'regress_keep');
-- any rule goes before the defaults
SELECT asyncjob.set_retention('artifact', '1 day', 'regress_keep');
SELECT * FROM asyncjob.prune();
SELECT what, artifacts FROM aj_keep.there WHERE state IS NOT NULL;
SELECT asyncjob.reset_retention('artifact', 'regress_keep');

-- a pin holds all of it, for those who may see the job
TRUNCATE aj_keep.made;
SELECT aj_keep.make('pinned', '{"small": 1}', '0'), aj_keep.make('pinned dead', '{"fail": 1}', '0');
SELECT asyncjob.pin(job, '1 day') > now() AS pinned FROM aj_keep.made;
SELECT asyncjob.pin(job) > now() + interval '23 hours' AS never_shorter FROM aj_keep.made;
SELECT aj_keep.age(job, '20 days') IS NOT NULL AS aged FROM aj_keep.made;
SELECT * FROM asyncjob.prune();
SELECT asyncjob.purge(to_jsonb(job)) FROM aj_keep.made WHERE what = 'pinned dead';
SELECT what, state, artifacts FROM aj_keep.there;
SELECT asyncjob.unpin(job), asyncjob.unpin(job) FROM aj_keep.made WHERE what = 'pinned';
-- the other one's time runs out
UPDATE asyncjob.pin SET until = now();
SELECT * FROM asyncjob.prune();
SELECT what, state, artifacts FROM aj_keep.there;
SELECT count(*) AS pins FROM asyncjob.pin;

-- bad input
SELECT aj_keep.make('any', '{}', '0');
SELECT job AS any FROM aj_keep.made WHERE what = 'any' \gset
SELECT (tap.err(s)).* FROM unnest(ARRAY[$$SELECT asyncjob.set_retention('results', '1 day')$$, $$SELECT asyncjob.set_retention('artifact:', '1 day')$$,
    $$SELECT asyncjob.set_retention(NULL, '1 day')$$, $$SELECT asyncjob.set_retention('result', '-1 day')$$, $$SELECT asyncjob.set_retention('artifact', '10000 years')$$,
    $$SELECT asyncjob.set_retention('result', '1 day', 'none')$$, $$SELECT asyncjob.reset_retention('result', 'none')$$,
    'SELECT asyncjob.pin(0)', 'SELECT asyncjob.unpin(0)', format($$SELECT asyncjob.pin(%s, '0')$$, :any),
    format($$SELECT asyncjob.pin(%s, '31 days')$$, :any), format('SELECT asyncjob.pin(%s, NULL)', :any)]) s;
SET ROLE regress_aj_keep2;
SELECT (tap.err(s)).code FROM unnest(ARRAY[$$SELECT asyncjob.set_retention('result', '1 day')$$, $$SELECT asyncjob.reset_retention('result')$$,
    'SELECT * FROM asyncjob.prune()', format('SELECT asyncjob.pin(%s)', :any), format('SELECT asyncjob.unpin(%s)', :any)]) s;
RESET ROLE;
SELECT asyncjob.reset_retention(kind, queue) FROM asyncjob.retentions WHERE set_here ORDER BY 1;
DROP SCHEMA aj_keep CASCADE;
\i :engine_on
