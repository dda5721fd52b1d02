-- A job keeps the version of its pipeline that it was submitted with, wherever it stands when a new one comes.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common
\i :engine_off
CREATE ROLE regress_aj_ver LOGIN;
SELECT asyncjob.grant_usage('regress_aj_ver');
CREATE SCHEMA aj_ver AUTHORIZATION regress_aj_ver;
SET ROLE regress_aj_ver;
CREATE FUNCTION aj_ver.old(j jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '"old"'::jsonb $$;
CREATE FUNCTION aj_ver.new(j jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '"new"'::jsonb $$;
CREATE FUNCTION aj_ver.fails(j jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RAISE 'not yet'; END $$;
CREATE FUNCTION aj_ver.naps(j jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN PERFORM asyncjob.sleep('nap', '1 h'); RETURN '"old"'; END $$;
SELECT asyncjob.create_pipeline('regress_ver', '[{"name": "a", "handler": "aj_ver.old"}]') > 0 AS plain,
    asyncjob.create_pipeline('regress_ver2', '[{"name": "a", "handler": "external"}, {"name": "b", "handler": "aj_ver.old"}]') > 0 AS midway,
    asyncjob.create_pipeline('regress_ver3', '[{"name": "a", "handler": "aj_ver.naps"}, {"name": "b", "handler": "aj_ver.old"}]') > 0 AS asleep,
    asyncjob.create_pipeline('regress_ver4', '[{"name": "a", "handler": "aj_ver.fails", "max_attempts": 5, "backoff": "1 h"}, {"name": "b", "handler": "aj_ver.old"}]') > 0 AS retried,
    asyncjob.create_pipeline('regress_ver5', '[{"name": "a", "handler": "external", "after": []}, {"name": "b", "handler": "aj_ver.old", "after": []}, {"name": "c", "handler": "aj_ver.old", "after": ["a", "b"]}]') > 0 AS branches;
SELECT asyncjob.submit('regress_ver') AS queued, asyncjob.submit('regress_ver2') AS midway \gset
SELECT job_id, token FROM asyncjob.claim('{default}') \gset
SELECT asyncjob.submit('regress_ver3') AS asleep, asyncjob.submit('regress_ver4') AS retried, asyncjob.submit('regress_ver5') AS branches,
    asyncjob.submit('regress_ver', run_at => now() + interval '1 h') AS later \gset
RESET ROLE;
UPDATE asyncjob.job SET run_at = now() + interval '1 min' WHERE id = :queued;
SET ROLE regress_aj_ver;
SELECT asyncjob.drain();
SELECT j.state, p.version FROM asyncjob.job j JOIN asyncjob.pipeline p ON p.id = j.pipeline_id
WHERE j.id IN (:queued, :midway, :asleep, :retried, :branches, :later) ORDER BY j.id;
-- other steps, fewer and more of them, of other names
SELECT asyncjob.create_pipeline(p, '[{"name": "x", "handler": "aj_ver.new"}, {"name": "y", "handler": "aj_ver.new"}, {"name": "z", "handler": "aj_ver.new"}]') > 0 AS made
FROM unnest(ARRAY['regress_ver', 'regress_ver2', 'regress_ver4']) p;
SELECT asyncjob.create_pipeline(p, '[{"name": "x", "handler": "aj_ver.new"}]') > 0 AS made FROM unnest(ARRAY['regress_ver3', 'regress_ver5']) p;
CREATE OR REPLACE FUNCTION aj_ver.fails(j jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '"mended"'::jsonb $$;
SELECT asyncjob.complete(:job_id, :token, '1');
SELECT job_id, token FROM asyncjob.claim('{default}') \gset
SELECT asyncjob.complete(:job_id, :token, '1');
SELECT asyncjob.submit('regress_ver') AS new \gset
SELECT asyncjob.drain(until => now() + interval '3 h');
SELECT j.state, p.version, p.name, asyncjob.result(j.id), (SELECT string_agg(s.name, ' ' ORDER BY s.step_no) FROM asyncjob.steps(j.id) s) AS steps
FROM asyncjob.job j JOIN asyncjob.pipeline p ON p.id = j.pipeline_id
WHERE j.id IN (:queued, :midway, :asleep, :retried, :branches, :later, :new) ORDER BY j.id;
-- also when it is retired meanwhile
SELECT asyncjob.submit('regress_ver') AS last \gset
SELECT asyncjob.drop_pipeline('regress_ver');
SELECT asyncjob.drain();
SELECT state, asyncjob.result(:last) FROM asyncjob.status(:last);
SELECT asyncjob.drop_pipeline('regress_ver' || n) FROM generate_series(2, 5) n;
RESET ROLE;
SET client_min_messages = warning;
DROP SCHEMA aj_ver CASCADE;
\i :engine_on
