-- Steps beside each other, optional and conditional ones, one for each item.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common

\i :engine_off

SET statement_timeout = '60 s';
CREATE ROLE regress_aj_dag LOGIN;
SELECT asyncjob.grant_usage('regress_aj_dag');
CREATE SCHEMA aj_dag AUTHORIZATION regress_aj_dag;
SET ROLE regress_aj_dag;
-- says what it got, and fails for the items and in the cases params name
CREATE FUNCTION aj_dag.tell(j jsonb) RETURNS jsonb LANGUAGE sql AS $$
    SELECT CASE WHEN j ? 'steps' THEN j -> 'steps' ELSE '"begin"' END;
$$;
CREATE TABLE aj_dag.broken (what text);
CREATE TABLE aj_dag.ran (what text);
CREATE FUNCTION aj_dag.may_break(j jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    me text := coalesce(j ->> 'item', 'step');
BEGIN
    PERFORM asyncjob.log('info', me || ' runs');
    INSERT INTO aj_dag.ran VALUES (me);
    IF EXISTS (SELECT FROM aj_dag.broken b WHERE b.what = me) THEN
        RAISE EXCEPTION '% is broken', me USING HINT = 'Mend it.';
    END IF;
    PERFORM asyncjob.artifact(me || '.txt', 'text', 'text/plain', 'x');
    RETURN to_jsonb(me || ' done');
END
$$;
CREATE FUNCTION aj_dag.make(name text, steps jsonb) RETURNS void LANGUAGE sql AS $$
    SELECT asyncjob.create_pipeline(name, steps);
$$;

-- what is refused
SELECT e.* FROM (VALUES ('{"optional": 1}'), ('{"when": true}'), ('{"when": "$.a >"}'), ('{"for_each": ["a"]}'),
    ('{"for_each": "no path"}'), ('{"wen": "$.a"}')) v (step),
    tap.err(format('SELECT aj_dag.make(''regress_bad_dag'', jsonb_build_array(''{"name": "a", "handler": "aj_dag.tell"}''::jsonb || %L))', v.step)) e;
SELECT count(*) FROM asyncjob.pipelines WHERE name = 'regress_bad_dag';

-- a diamond: b and c are jobs of their own, d is not
SELECT aj_dag.make('regress_diamond', '[
    {"name": "a", "handler": "aj_dag.tell"},
    {"name": "b", "handler": "aj_dag.tell", "after": ["a"]},
    {"name": "c", "handler": "aj_dag.may_break", "after": ["a"], "optional": true, "backoff": "0 s", "max_attempts": 2},
    {"name": "d", "handler": "aj_dag.tell", "after": ["b", "c"]}]');
SELECT steps -> 2 AS c FROM asyncjob.pipelines WHERE name = 'regress_diamond';
SELECT asyncjob.submit('regress_diamond') AS j \gset
SELECT asyncjob.drain(1);
SELECT state, step, completed_steps, progress, run_at FROM asyncjob.status(:j);
SELECT asyncjob.explain(:j);
RESET ROLE;
SELECT asyncjob.pause_queue('default');
SET ROLE regress_aj_dag;
SELECT asyncjob.explain(:j);
RESET ROLE;
SELECT asyncjob.resume_queue('default');
SET ROLE regress_aj_dag;
SELECT step_no, name, state, attempt FROM asyncjob.steps(:j);
SELECT asyncjob.step_result(:j, 'a'), asyncjob.step_result(:j, 'b'), asyncjob.result(:j);
SELECT * FROM tap.err(format('SELECT asyncjob.step_result(%s, ''x'')', :j));
SELECT count(*) FROM asyncjob.list_jobs() WHERE pipeline = 'regress_diamond';
-- a step of a job is steered with the job
SELECT min(id) AS b FROM asyncjob.job WHERE parent_id = :j \gset
SELECT e.code, replace(e.message, :'j', 'N') AS message, e.hint FROM tap.err(format('SELECT asyncjob.cancel(%s)', :b)) e;
SELECT e.code, replace(e.message, :'j', 'N') AS message, e.hint FROM tap.err(format('SELECT asyncjob.retry(%s)', :b)) e;
-- one branch is done, and its result is there
SELECT asyncjob.drain(1);
SELECT state, step, completed_steps, progress FROM asyncjob.status(:j);
SELECT asyncjob.step_result(:j, 'b');
SELECT asyncjob.drain();
SELECT state, partial, step, completed_steps, progress, error_message FROM asyncjob.status(:j);
SELECT asyncjob.result(:j);
SELECT * FROM tap.history(:j);
SELECT step_no, name, state, attempt, started_at <= finished_at AS in_order FROM asyncjob.steps(:j);
SELECT name, step FROM asyncjob.artifacts(:j);
-- nothing of its branches stays
SELECT count(*) FROM asyncjob.job WHERE parent_id IS NOT NULL;
RESET ROLE;
SELECT count(*) FROM asyncjob.job_update u WHERE NOT EXISTS (SELECT FROM asyncjob.job j WHERE j.id = u.job_id);
SET ROLE regress_aj_dag;

-- its optional branch fails: the job is completed, partial, and says what is missing
INSERT INTO aj_dag.broken VALUES ('step');
SELECT asyncjob.submit('regress_diamond') AS j \gset
SELECT asyncjob.drain();
SELECT state, partial, error_code, error_category, error_message, error_hint FROM asyncjob.status(:j);
SELECT asyncjob.result(:j);
SELECT step_no, name, state, attempt, error_message FROM asyncjob.steps(:j);
SELECT kind, state, step, level, message FROM tap.history(:j) WHERE step = 'c' OR seq > 14;
SELECT u.data - 'context' - 'missing' AS data, u.data -> 'missing' -> 0 ->> 'step' AS missing FROM asyncjob.updates(:j) u WHERE state = 'completed';
SELECT count(*) FROM asyncjob.dead_letters;

-- without "optional" the job fails when the others have ended, and retry() goes on
SELECT aj_dag.make('regress_diamond', '[
    {"name": "a", "handler": "aj_dag.tell"},
    {"name": "c", "handler": "aj_dag.may_break", "after": ["a"], "max_attempts": 1},
    {"name": "b", "handler": "aj_dag.tell", "after": ["a"]},
    {"name": "d", "handler": "aj_dag.tell", "after": ["b", "c"]}]');
SELECT asyncjob.submit('regress_diamond') AS j \gset
SELECT asyncjob.drain();
SELECT state, step, step_no, completed_steps, error_message, error_hint FROM asyncjob.status(:j);
SELECT step_no, name, state, attempt, error_message FROM asyncjob.steps(:j);
SELECT step_no, attempts, message FROM asyncjob.dead_letters;
SELECT state, step, message FROM asyncjob.updates(:j) WHERE kind = 'state' AND state = 'failed';
TRUNCATE aj_dag.broken;
SELECT asyncjob.retry(:j);
SELECT asyncjob.drain();
SELECT state, partial, error_message FROM asyncjob.status(:j);
SELECT asyncjob.result(:j);

-- an optional step of a chain, and one that comes first
INSERT INTO aj_dag.broken VALUES ('step');
SELECT aj_dag.make('regress_chain', '[
    {"name": "a", "handler": "aj_dag.may_break", "optional": true, "max_attempts": 2, "backoff": "0 s"},
    {"name": "b", "handler": "aj_dag.tell"}]');
SELECT asyncjob.submit('regress_chain') AS j \gset
SELECT asyncjob.drain();
SELECT state, partial, error_message FROM asyncjob.status(:j);
SELECT asyncjob.result(:j);
SELECT name, state, attempt FROM asyncjob.steps(:j);
SELECT asyncjob.run('regress_chain');
TRUNCATE aj_dag.broken;

-- conditions; what is skipped is not missing
SELECT aj_dag.make('regress_when', '[
    {"name": "a", "handler": "asyncjob.step_noop"},
    {"name": "big", "handler": "aj_dag.tell", "when": "$.params.n > 10", "after": ["a"]},
    {"name": "small", "handler": "aj_dag.tell", "when": "$.steps.a ? (@.n <= 10)", "after": ["a"]},
    {"name": "never", "handler": "aj_dag.tell", "when": "$.params.nothing", "after": ["big"]},
    {"name": "end", "handler": "aj_dag.tell", "after": ["big", "small", "never"]}]');
SELECT asyncjob.submit('regress_when', '{"n": 11}') AS j \gset
SELECT asyncjob.submit('regress_when', '{"n": 10}') AS k \gset
SELECT asyncjob.drain();
SELECT state, partial FROM asyncjob.status(:j);
SELECT name, state, attempt, progress, started_at IS NULL AS never_started FROM asyncjob.steps(:j);
SELECT asyncjob.result(:j);
SELECT asyncjob.result(:k);
SELECT asyncjob.run('regress_when', '{"n": 11}') = asyncjob.result(:j) AS same_in_run;
-- all steps skipped
SELECT aj_dag.make('regress_none', '[{"name": "a", "handler": "aj_dag.tell", "when": "$.params.x"}]');
SELECT asyncjob.submit('regress_none') AS j \gset
SELECT asyncjob.drain();
SELECT state, asyncjob.result(:j) FROM asyncjob.status(:j);

-- for each of 100 items, of which one fails
SELECT aj_dag.make('regress_fan', '[
    {"name": "list", "handler": "asyncjob.step_noop"},
    {"name": "each", "handler": "aj_dag.may_break", "for_each": "$.steps.list.items[*]", "optional": true, "max_attempts": 1},
    {"name": "end", "handler": "aj_dag.tell"}]');
INSERT INTO aj_dag.broken VALUES ('17');
TRUNCATE aj_dag.ran;
SELECT asyncjob.submit('regress_fan', jsonb_build_object('items', (SELECT jsonb_agg(i) FROM generate_series(1, 100) i))) AS j \gset
SELECT asyncjob.drain(51);
SELECT state, step, completed_steps, round(progress::numeric, 3) AS progress FROM asyncjob.status(:j);
SELECT name, state, progress FROM asyncjob.steps(:j);
SELECT asyncjob.drain();
SELECT state, partial, error_message FROM asyncjob.status(:j);
SELECT jsonb_array_length(asyncjob.result(:j) -> 'each') AS items, asyncjob.result(:j) -> 'each' -> 15 AS item_16,
    asyncjob.result(:j) -> 'each' -> 16 AS item_17, asyncjob.result(:j) -> 'each' -> 99 AS item_100;
SELECT data #>> '{missing,0,step}' AS step, data #>> '{missing,0,items,0,item_no}' AS item_no, data #>> '{missing,0,items,0,hint}' AS hint
    FROM asyncjob.updates(:j) WHERE state = 'completed';
SELECT message FROM asyncjob.updates(:j) WHERE kind = 'attempt' OR message LIKE 'item 18:%';
SELECT count(*) FROM asyncjob.artifacts(:j);
SELECT count(*), count(DISTINCT what) FROM aj_dag.ran;
-- items that aren't there, one, and all broken
SELECT asyncjob.submit('regress_fan', '{"items": []}') AS a \gset
SELECT asyncjob.submit('regress_fan', '{}') AS b \gset
SELECT asyncjob.submit('regress_fan', '{"items": "one"}') AS c \gset
SELECT asyncjob.submit('regress_fan', '{"items": [17, 17]}') AS d \gset
SELECT asyncjob.drain();
SELECT s.state, s.partial, s.error_message, asyncjob.result(s.job_id) FROM unnest(ARRAY[:a, :b, :c, :d]) i, asyncjob.status(i) s;
SELECT asyncjob.run('regress_fan', '{"items": [1, 2]}');
-- in run() as in the queue: the output of an item that fails is null, and no item stays behind for the steps that follow
SELECT asyncjob.run('regress_fan', '{"items": [16, 17, 18]}');
SELECT asyncjob.run('regress_fan', '{"items": [17, 17]}');
-- an item may be an array, even if it is the only one; an array is taken for its items only where the path finds just it
SELECT aj_dag.make('regress_arrays', '[{"name": "each", "handler": "asyncjob.step_noop", "for_each": "$.params.a[*]", "after": []},
    {"name": "all", "handler": "asyncjob.step_noop", "for_each": "$.params.a", "after": []}]');
SELECT p, jsonb_path_query_array(asyncjob.run('regress_arrays', p), '$.each[*].item') AS each,
    jsonb_path_query_array(asyncjob.run('regress_arrays', p), '$.all[*].item') AS all
FROM unnest(ARRAY['{"a": [[1, 2]]}', '{"a": [[1, 2], [3]]}', '{"a": [7]}', '{"a": []}', '{"a": null}', '{"a": 7}']::jsonb[]) p;
-- the input is the same for params and outputs of all kinds
SELECT aj_dag.make('regress_kinds', '[{"name": "a", "handler": "asyncjob.step_noop"}, {"name": "b", "handler": "asyncjob.step_noop", "after": ["a"]},
    {"name": "e", "handler": "asyncjob.step_noop", "for_each": "$.params[*]", "after": ["a"]},
    {"name": "end", "handler": "asyncjob.step_noop", "after": ["a", "b", "e"]}]');
SELECT p, asyncjob.run('regress_kinds', p) FROM unnest(ARRAY['1.50', '"a\"b"', 'null', '[]', '{}', '[[], {}, null, "x"]', '{"k": [true, {"l": -0.1}]}']::jsonb[]) p;
-- too many
SELECT asyncjob.submit('regress_fan', jsonb_build_object('items', (SELECT jsonb_agg(i) FROM generate_series(1, 10001) i))) AS j \gset
SELECT asyncjob.drain();
SELECT state, step, error_message, error_hint FROM asyncjob.status(:j);
SELECT aj_dag.make('regress_many', '[{"name": "each", "handler": "asyncjob.step_noop", "for_each": "$.params", "after": []}]');
SELECT * FROM tap.err('SELECT asyncjob.run(''regress_many'', (SELECT jsonb_agg(i) FROM generate_series(1, 10001) i))');
-- what would run beside it is cancelled
SELECT aj_dag.make('regress_many', '[
    {"name": "a", "handler": "asyncjob.step_noop"}, {"name": "b", "handler": "aj_dag.may_break", "after": ["a"]},
    {"name": "c", "handler": "asyncjob.step_noop", "after": ["a"]}, {"name": "d", "handler": "aj_dag.may_break", "after": ["b"]},
    {"name": "each", "handler": "asyncjob.step_noop", "for_each": "$.params", "after": ["c"]}]');
TRUNCATE aj_dag.ran;
SELECT asyncjob.submit('regress_many', (SELECT jsonb_agg(i) FROM generate_series(1, 10001) i)) AS j \gset
SELECT asyncjob.drain();
SELECT state, error_message FROM asyncjob.status(:j);
SELECT count(*) AS branches FROM asyncjob.job WHERE parent_id = :j;
SELECT count(*) FROM aj_dag.ran;
-- a step that must not fail: of its items only those that aren't done are run again
SELECT aj_dag.make('regress_fan', '[{"name": "each", "handler": "aj_dag.may_break", "for_each": "$.params", "max_attempts": 1}]');
TRUNCATE aj_dag.ran;
SELECT asyncjob.submit('regress_fan', '[15, 16, 17, 18, 19]') AS j \gset
SELECT asyncjob.drain();
SELECT state, step, error_message FROM asyncjob.status(:j);
SELECT what FROM aj_dag.ran ORDER BY 1;
TRUNCATE aj_dag.broken;
SELECT asyncjob.retry(:j);
SELECT asyncjob.drain();
SELECT state, asyncjob.result(:j) FROM asyncjob.status(:j);
SELECT what, count(*) FROM aj_dag.ran GROUP BY 1 HAVING count(*) > 1;

-- cancel() takes the branches along; retry() begins them again
SELECT asyncjob.submit('regress_diamond') AS j \gset
SELECT asyncjob.drain(2);
SELECT asyncjob.cancel(:j, 'not now');
SELECT state, message FROM asyncjob.status(:j);
SELECT count(*) FROM asyncjob.job WHERE parent_id = :j;
SELECT asyncjob.drain();
SELECT asyncjob.retry(:j);
SELECT asyncjob.drain();
SELECT state, asyncjob.result(:j) FROM asyncjob.status(:j);
-- a handler that cancels, in a branch
CREATE FUNCTION aj_dag.cancels(j jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'no use' USING ERRCODE = 'AJ004';
END
$$;
SELECT aj_dag.make('regress_cancels', '[
    {"name": "a", "handler": "aj_dag.cancels", "after": []}, {"name": "b", "handler": "aj_dag.tell", "after": []},
    {"name": "c", "handler": "aj_dag.tell", "after": ["a", "b"]}]');
SELECT asyncjob.submit('regress_cancels') AS j \gset
SELECT asyncjob.drain();
SELECT state, message FROM asyncjob.status(:j);

-- a branch that sleeps; two sinks; several roots
CREATE FUNCTION aj_dag.nap(j jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.sleep('nap', '1 hour');
    RETURN to_jsonb(asyncjob.current_job() = (j ->> 'none')::bigint IS NULL);
END
$$;
SELECT aj_dag.make('regress_roots', '[
    {"name": "a", "handler": "aj_dag.nap", "after": []}, {"name": "b", "handler": "aj_dag.tell", "after": []},
    {"name": "c", "handler": "aj_dag.tell", "after": ["b"]}]');
SELECT asyncjob.submit('regress_roots') AS j \gset
SELECT asyncjob.drain();
SELECT state, step, completed_steps FROM asyncjob.status(:j);
SELECT name, state FROM asyncjob.steps(:j);
RESET ROLE;
UPDATE asyncjob.job SET run_at = now() WHERE parent_id = :j;
UPDATE asyncjob.job_memo SET wake_at = now() WHERE job_id = :j;
SET ROLE regress_aj_dag;
SELECT asyncjob.drain();
SELECT state, asyncjob.result(:j) FROM asyncjob.status(:j);
RESET ROLE;

\i :engine_on
-- an item that looks encrypted would wait for its key
SET ROLE regress_aj_dag;
SELECT aj_dag.make('regress_sealed', '[{"name": "a", "handler": "aj_dag.tell", "for_each": "$.params[*]"}]');
SELECT asyncjob.submit('regress_sealed', '[1, {"$encrypted": "x"}]') AS j \gset
SELECT state, error_message, error_hint FROM asyncjob.wait(:j, '50 s');
RESET ROLE;
-- with workers: branches run beside each other
SET ROLE regress_aj_dag;
CREATE FUNCTION aj_dag.meet(j jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    -- goes on when the other one runs, too
    PERFORM asyncjob.progress(0.5);
    WHILE (SELECT count(*) FROM asyncjob.workers() w WHERE w.step_progress >= 0.5) < 2
        AND asyncjob.step_result(asyncjob.current_job(), 'b') IS NULL
        AND asyncjob.step_result(asyncjob.current_job(), 'c') IS NULL LOOP
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN '"met"';
END
$$;
SELECT aj_dag.make('regress_meet', '[
    {"name": "a", "handler": "aj_dag.tell"},
    {"name": "b", "handler": "aj_dag.meet", "after": ["a"]},
    {"name": "c", "handler": "aj_dag.meet", "after": ["a"]},
    {"name": "d", "handler": "aj_dag.tell", "after": ["b", "c"]}]');
SELECT asyncjob.submit('regress_meet') AS j \gset
SELECT state FROM asyncjob.wait(:j, '50 s');
SELECT asyncjob.result(:j);
-- one of them runs when the job is cancelled
CREATE FUNCTION aj_dag.hang(j jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.progress(0.5);
    PERFORM pg_sleep(300);
END
$$;
SELECT aj_dag.make('regress_meet', '[
    {"name": "b", "handler": "aj_dag.hang", "after": []}, {"name": "c", "handler": "aj_dag.hang", "after": []}]');
SELECT asyncjob.submit('regress_meet') AS j \gset
DO $$
BEGIN
    WHILE (SELECT count(*) FROM asyncjob.workers() w WHERE w.step_progress = 0.5) < 2 LOOP
        PERFORM pg_sleep(0.01);
    END LOOP;
END
$$;
SELECT state, step, progress FROM asyncjob.status(:j);
SELECT asyncjob.cancel(:j);
DO $$
BEGIN
    WHILE EXISTS (SELECT FROM asyncjob.job WHERE parent_id IS NOT NULL) LOOP
        PERFORM pg_sleep(0.01);
    END LOOP;
END
$$;
SELECT state FROM asyncjob.status(:j);
-- outputs that can't be put together end the job, and retry() begins their step anew
RESET ROLE;
CREATE FUNCTION aj_dag.too_large() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'total size exceeds the maximum' USING ERRCODE = '54000';
END
$$;
CREATE TRIGGER too_large BEFORE INSERT ON asyncjob.checkpoint FOR EACH ROW
    WHEN (NEW.output @> '["large"]') EXECUTE FUNCTION aj_dag.too_large();
SET ROLE regress_aj_dag;
CREATE FUNCTION aj_dag.item(j jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT j -> 'item' $$;
SELECT aj_dag.make('regress_large', '[{"name": "a", "handler": "aj_dag.tell", "after": []},
    {"name": "b", "handler": "aj_dag.item", "for_each": "$.params[*]", "after": []}]');
SELECT asyncjob.submit('regress_large', '["small", "large"]') AS j \gset
SELECT state, error_code, error_category, error_message FROM asyncjob.wait(:j, '50 s');
SELECT name, state, error_message FROM asyncjob.steps(:j);
RESET ROLE;
DROP TRIGGER too_large ON asyncjob.checkpoint;
SET ROLE regress_aj_dag;
SELECT asyncjob.retry(:j);
SELECT state, asyncjob.result(job_id) FROM asyncjob.wait(:j, '50 s');
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA aj_dag CASCADE;
DROP OWNED BY regress_aj_dag;
DROP ROLE regress_aj_dag;
