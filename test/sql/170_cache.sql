-- Outputs of steps that are reused: by equal input, of the same owner.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common
\i :engine_off

CREATE ROLE regress_aj_cache LOGIN;
CREATE ROLE regress_aj_cache2 LOGIN;
SELECT asyncjob.grant_usage(r) FROM unnest('{regress_aj_cache,regress_aj_cache2}'::regrole[]) r;
CREATE SCHEMA aj_cache AUTHORIZATION regress_aj_cache;
GRANT USAGE ON SCHEMA aj_cache TO PUBLIC;
CREATE TABLE aj_cache.ran (id int GENERATED ALWAYS AS IDENTITY, who name DEFAULT current_user, what jsonb);
GRANT SELECT, INSERT ON aj_cache.ran TO PUBLIC;
SET ROLE regress_aj_cache;
CREATE FUNCTION aj_cache.terrain(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF a ? 'fail' THEN RAISE EXCEPTION 'no' USING ERRCODE = 'AJ001'; END IF;
    INSERT INTO aj_cache.ran (what) VALUES (a);
    PERFORM asyncjob.artifact('map', 'text', 'text/plain', convert_to('map of ' || (a ->> 'site'), 'UTF8'));
    PERFORM asyncjob.artifact('big', 'text', 'text/plain', convert_to(repeat('x', 1500000), 'UTF8'));
    RETURN jsonb_build_object('ran', (SELECT count(*) FROM aj_cache.ran));
END $$;
CREATE FUNCTION aj_cache.report(a jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT a';
SELECT asyncjob.create_pipeline('regress_cache', '[{"name": "terrain", "handler": "aj_cache.terrain", "cache_ttl": "1 hour"},
    {"name": "report", "handler": "aj_cache.report"}]') > 0 AS made;
SELECT asyncjob.create_pipeline('regress_cache1', '[{"name": "only", "handler": "aj_cache.terrain", "cache_ttl": "1 hour"}]') > 0 AS made;
SELECT steps -> 0 AS step FROM asyncjob.pipelines WHERE name = 'regress_cache1';
SELECT * FROM tap.err($$SELECT asyncjob.create_pipeline('regress_x', '[{"name": "a", "handler": "aj_cache.report", "cache_ttl": 60}]')$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_pipeline('regress_x', '[{"name": "a", "handler": "aj_cache.report", "cache_ttl": "-1 h"}]')$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_pipeline('regress_x', '[{"name": "a", "handler": "external", "cache_ttl": "1 h"}]')$$);

-- equal input: key order, spaces and trailing zeros don't matter
SELECT asyncjob.submit('regress_cache', '{"site": "alpha", "n": 1}') AS a \gset
SELECT asyncjob.drain();
SELECT asyncjob.submit('regress_cache', '{ "n":1.0,  "site": "alpha" }') AS b \gset
SELECT asyncjob.submit('regress_cache', '{"site": "beta", "n": 1}') AS c \gset
SELECT asyncjob.submit('regress_cache1', '{"site": "alpha", "n": 1}') AS d \gset
SELECT asyncjob.drain();
SELECT asyncjob.result(j) FROM unnest(ARRAY[:a, :b, :c, :d]) j;
SELECT id, what FROM aj_cache.ran ORDER BY id;
SELECT kind, step, state, level, regexp_replace(message, '\d+', 'N') AS message FROM asyncjob.updates(:b);
-- with the artifacts
SELECT name, step, size, sha256 = (SELECT sha256 FROM asyncjob.artifacts(:a) x WHERE x.name = b.name) AS same FROM asyncjob.artifacts(:b) b;
SELECT convert_from(asyncjob.artifact_data(:d, 'map'), 'UTF8') AS map, length(asyncjob.artifact_data(:d, 'big')) AS big;
SELECT asyncjob.run('regress_cache1', '{"site": "alpha", "n": 1}');
-- a number isn't an array of it
SELECT asyncjob.create_pipeline('regress_cache3', '[{"name": "only", "handler": "aj_cache.report", "cache_ttl": "1 hour"}]') > 0 AS made;
SELECT asyncjob.run('regress_cache3', '7'), asyncjob.run('regress_cache3', '[7]'), asyncjob.run('regress_cache3', '["7"]'), asyncjob.run('regress_cache3', '7.00');
-- what failed isn't kept
SELECT asyncjob.submit('regress_cache1', '{"fail": true}') AS f \gset
SELECT asyncjob.drain(), asyncjob.retry(:f), asyncjob.drain();
SELECT state FROM asyncjob.status(:f);

-- not when it is too old, or its artifacts are gone, or the handler is another
RESET ROLE;
UPDATE asyncjob.step_cache SET expires_at = now() - interval '1 s' WHERE artifacts > 0 AND output @> '{"ran": 1}';
SET ROLE regress_aj_cache;
SELECT asyncjob.run('regress_cache1', '{"site": "alpha", "n": 1}');
SELECT asyncjob.run('regress_cache1', '{"site": "alpha", "n": 1}');
RESET ROLE;
DELETE FROM asyncjob.artifact WHERE name = 'map' AND job_id = (SELECT job_id FROM asyncjob.step_cache WHERE output @> '{"ran": 3}');
SET ROLE regress_aj_cache;
SELECT asyncjob.run('regress_cache1', '{"site": "alpha", "n": 1}');
CREATE OR REPLACE FUNCTION aj_cache.report(a jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT a || ''{"v": 1}''';
SELECT asyncjob.create_pipeline('regress_cache2', '[{"name": "only", "handler": "aj_cache.report", "cache_ttl": "1 hour"}]') > 0 AS made;
SELECT asyncjob.run('regress_cache2', '{}');
CREATE OR REPLACE FUNCTION aj_cache.report(a jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT a || ''{"v": 2}''';
SELECT asyncjob.run('regress_cache2', '{}');

-- another role's is its own
SELECT asyncjob.grant_pipeline('regress_cache1', 'regress_aj_cache2');
SET ROLE regress_aj_cache2;
SELECT asyncjob.run('regress_cache1', '{"site": "alpha", "n": 1}');
SELECT asyncjob.clear_cache();
SET ROLE regress_aj_cache;
SELECT asyncjob.run('regress_cache1', '{"site": "alpha", "n": 1}');
SELECT asyncjob.clear_cache() > 0 AS some, asyncjob.clear_cache();
SELECT asyncjob.run('regress_cache1', '{"site": "alpha", "n": 1}');
RESET ROLE;

-- by workers
\i :engine_on
SET ROLE regress_aj_cache;
SELECT asyncjob.submit('regress_cache', '{"site": "gamma"}') AS a \gset
SELECT state FROM asyncjob.wait(:a, '1 min');
SELECT asyncjob.submit('regress_cache', '{"site": "gamma"}') AS b \gset
SELECT state FROM asyncjob.wait(:b, '1 min');
SELECT asyncjob.result(:a) = asyncjob.result(:b) AS same, (SELECT count(*) FROM asyncjob.artifacts(:b)) AS artifacts;
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA aj_cache CASCADE;
DROP OWNED BY regress_aj_cache, regress_aj_cache2;
DROP ROLE regress_aj_cache, regress_aj_cache2;
