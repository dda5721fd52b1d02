-- Queues and pipelines: what can be defined, and what is refused.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\i :common

CREATE ROLE regress_aj_def LOGIN;
CREATE ROLE regress_aj_def2 LOGIN;
SELECT asyncjob.grant_usage('regress_aj_def');
SELECT asyncjob.grant_usage('regress_aj_def2');
CREATE SCHEMA aj_def AUTHORIZATION regress_aj_def;

-- queues
SELECT asyncjob.create_queue('regress_q.1-a');
SELECT name, paused, queued, running FROM asyncjob.queues WHERE name LIKE 'regress%';
SELECT asyncjob.pause_queue('regress_q.1-a');
SELECT paused FROM asyncjob.queues WHERE name = 'regress_q.1-a';
SELECT asyncjob.resume_queue('regress_q.1-a');
SELECT paused FROM asyncjob.queues WHERE name = 'regress_q.1-a';
SELECT * FROM tap.err($$SELECT asyncjob.create_queue('regress_q.1-a')$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_queue('default')$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_queue(NULL)$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_queue('')$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_queue('9lives')$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_queue('two words')$$);
SELECT code FROM tap.err(format($$SELECT asyncjob.create_queue(%L)$$, repeat('q', 49)));
SELECT * FROM tap.err($$SELECT asyncjob.pause_queue('regress_none')$$);
SELECT * FROM tap.err($$SELECT asyncjob.resume_queue('regress_none')$$);
BEGIN READ ONLY;
SELECT * FROM tap.err($$SELECT asyncjob.create_queue('regress_ro')$$);
SELECT * FROM tap.err($$SELECT asyncjob.pause_queue('default')$$);
ROLLBACK;

-- pipelines, as an ordinary role
SET ROLE regress_aj_def;
CREATE FUNCTION aj_def.echo(jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION aj_def.check_it(jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT $1 ? 'n' THEN
        RAISE EXCEPTION 'n is missing' USING ERRCODE = 'AJ101', HINT = 'Give n.';
    END IF;
END
$$;
CREATE FUNCTION aj_def.of_text(text) RETURNS jsonb LANGUAGE sql AS 'SELECT to_jsonb($1)';
CREATE FUNCTION aj_def.to_text(jsonb) RETURNS text LANGUAGE sql AS 'SELECT $1::text';
CREATE FUNCTION aj_def.rows(jsonb) RETURNS SETOF jsonb LANGUAGE sql AS 'SELECT $1';
CREATE PROCEDURE aj_def.proc(jsonb) LANGUAGE sql AS 'SELECT 1';

-- names are resolved by the caller's search path and stored in full; the
-- steps are put into an order that "after" allows
SET search_path = aj_def;
SELECT asyncjob.create_pipeline('regress_full', '[
    {"name": "last", "handler": "echo", "after": ["mid", "first"]},
    {"name": "first", "handler": "aj_def.echo(jsonb)", "after": []},
    {"name": "mid", "handler": "echo(pg_catalog.jsonb)", "max_attempts": 7,
     "backoff": ["5s", "1 min"], "timeout": "2 hours", "batch": true}]',
    description => 'All keys.', validator => 'check_it') > 0 AS made;
RESET search_path;
SELECT name, version, owner, total_steps, description FROM asyncjob.pipelines
    WHERE name LIKE 'regress%';
SELECT jsonb_pretty(steps) FROM asyncjob.pipelines WHERE name = 'regress_full';
-- without "after" each step needs the one before
SELECT asyncjob.create_pipeline('regress_line', '[
    {"name": "a", "handler": "aj_def.echo"}, {"name": "b", "handler": "aj_def.echo"},
    {"name": "c", "handler": "aj_def.echo"}]') > 0 AS made;
SELECT s ->> 'name' AS name, s -> 'after' AS after
    FROM asyncjob.pipelines, jsonb_array_elements(steps) s WHERE name = 'regress_line';

-- a new version replaces, and is what is submitted from now on
SELECT asyncjob.create_pipeline('regress_line', '[{"name": "only", "handler": "aj_def.echo"}]') > 0 AS made;
SELECT name, version, total_steps FROM asyncjob.pipelines WHERE name = 'regress_line';
SELECT name, version, is_current FROM asyncjob.pipeline WHERE name = 'regress_line' ORDER BY version;

-- what is refused
SELECT * FROM tap.err($$SELECT asyncjob.create_pipeline(NULL, '[]')$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_pipeline('regress_x', NULL)$$);
SELECT * FROM tap.err($$SELECT asyncjob.create_pipeline('1x', '[]')$$);
SELECT code, message FROM tap.err(format($$SELECT asyncjob.create_pipeline(%L, '[]')$$, repeat('p', 64)));
\set mk 'SELECT code, message, hint FROM tap.err(format($$SELECT asyncjob.create_pipeline(''regress_x'', %L)$$, '
:mk '[]'));
:mk '{}'));
:mk '1'));
:mk '[1]'));
:mk '[{"handler": "aj_def.echo"}]'));
:mk '[{"name": "", "handler": "aj_def.echo"}]'));
:mk '[{"name": "a"}]'));
:mk '[{"name": "a", "handler": 5}]'));
:mk '[{"name": "a", "handler": "aj_def.echo", "retries": 3}]'));
:mk '[{"name": "a", "handler": "aj_def.echo"}, {"name": "a", "handler": "aj_def.echo"}]'));
:mk '[{"name": "a", "handler": "aj_def.echo", "after": ["z"]}]'));
:mk '[{"name": "a", "handler": "aj_def.echo", "after": "z"}]'));
:mk '[{"name": "a", "handler": "aj_def.echo", "after": [1]}]'));
:mk '[{"name": "a", "handler": "aj_def.echo", "after": ["a"]}]'));
:mk '[{"name": "a", "handler": "aj_def.echo", "after": ["b"]}, {"name": "b", "handler": "aj_def.echo", "after": ["a"]}, {"name": "c", "handler": "aj_def.echo", "after": []}]'));
:mk '[{"name": "a", "handler": "aj_def.echo", "max_attempts": 0}]'));
:mk '[{"name": "a", "handler": "aj_def.echo", "max_attempts": 101}]'));
:mk '[{"name": "a", "handler": "aj_def.echo", "max_attempts": "3"}]'));
:mk '[{"name": "a", "handler": "aj_def.echo", "max_attempts": 1e30}]'));
:mk '[{"name": "a", "handler": "aj_def.echo", "backoff": {"initial": "1s", "factor": 1e400}}]'));
:mk '[{"name": "a", "handler": "aj_def.echo", "batch": "yes"}]'));
:mk '[{"name": "a", "handler": "aj_def.echo", "timeout": 5}]'));
:mk '[{"name": "a", "handler": "aj_def.echo", "timeout": "-1 s"}]'));
:mk '[{"name": "a", "handler": "aj_def.echo", "timeout": "367 days"}]'));
:mk '[{"name": "a", "handler": "aj_def.echo", "timeout": "soon"}]'));
:mk '[{"name": "a", "handler": "aj_def.echo", "backoff": []}]'));
:mk '[{"name": "a", "handler": "aj_def.echo", "backoff": 5}]'));
:mk '[{"name": "a", "handler": "aj_def.echo", "backoff": ["never"]}]'));
SELECT code, message, hint FROM tap.err(format($$SELECT asyncjob.create_pipeline('regress_x', %L)$$,
    jsonb_build_array(jsonb_build_object('name', 'a', 'handler', 'aj_def.echo',
        'backoff', array_fill('1s'::text, ARRAY[101])))));
SELECT code, message, hint FROM tap.err(format($$SELECT asyncjob.create_pipeline('regress_x', %L)$$,
    (SELECT jsonb_agg(jsonb_build_object('name', i, 'handler', 'aj_def.echo')) FROM generate_series(1, 1001) i)));
SELECT code, message FROM tap.err(format($$SELECT asyncjob.create_pipeline('regress_x', %L)$$,
    jsonb_build_array(jsonb_build_object('name', repeat('n', 64), 'handler', 'aj_def.echo'))));
-- handlers
:mk '[{"name": "a", "handler": "aj_def.none"}]'));
:mk '[{"name": "a", "handler": "aj_def.of_text(text)"}]'));
:mk '[{"name": "a", "handler": "aj_def.to_text"}]'));
:mk '[{"name": "a", "handler": "aj_def.rows"}]'));
:mk '[{"name": "a", "handler": "aj_def.proc"}]'));
:mk '[{"name": "a", "handler": "aj_def.check_it"}]'));
-- whose it is, whatever the server's version says of it
DO $$
DECLARE
    context text;
BEGIN
    PERFORM asyncjob.create_pipeline('regress_x', '[{"name": "a", "handler": "aj_def.echo"}, {"name": "b", "handler": "aj_def.echo("}]');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
    RAISE NOTICE '%', split_part(context, E'\n', 1);
END $$;
SELECT code, message, hint FROM tap.err($$SELECT asyncjob.create_pipeline('regress_x',
    '[{"name": "a", "handler": "aj_def.echo"}]', validator => 'aj_def.none')$$);
SELECT code, message, hint FROM tap.err($$SELECT asyncjob.create_pipeline('regress_x',
    '[{"name": "a", "handler": "aj_def.echo"}]', validator => 'aj_def.echo')$$);
REVOKE EXECUTE ON FUNCTION aj_def.echo(jsonb) FROM PUBLIC, regress_aj_def;
:mk '[{"name": "a", "handler": "aj_def.echo"}]'));
GRANT EXECUTE ON FUNCTION aj_def.echo(jsonb) TO PUBLIC;
BEGIN READ ONLY;
SELECT * FROM tap.err($$SELECT asyncjob.create_pipeline('regress_x', '[{"name": "a", "handler": "aj_def.echo"}]')$$);
SELECT * FROM tap.err($$SELECT asyncjob.drop_pipeline('regress_line')$$);
SELECT * FROM tap.err($$SELECT asyncjob.grant_pipeline('regress_line', 'regress_aj_def2')$$);
ROLLBACK;
-- nothing of all that was stored
SELECT count(*) FROM asyncjob.pipeline WHERE name = 'regress_x';

-- another role's pipeline
SET ROLE regress_aj_def2;
SELECT name FROM asyncjob.pipelines WHERE name LIKE 'regress%';
SELECT * FROM tap.err($$SELECT asyncjob.create_pipeline('regress_line', '[{"name": "a", "handler": "asyncjob.step_noop"}]')$$);
SELECT * FROM tap.err($$SELECT asyncjob.drop_pipeline('regress_line')$$);
SELECT * FROM tap.err($$SELECT asyncjob.grant_pipeline('regress_line', 'regress_aj_def2')$$);
SELECT * FROM tap.err($$SELECT asyncjob.drop_pipeline('noop')$$);
SELECT * FROM tap.err($$SELECT asyncjob.drop_pipeline('regress_none')$$);
SELECT * FROM tap.err($$SELECT asyncjob.grant_pipeline('regress_none', 'regress_aj_def2')$$);
SELECT * FROM tap.err($$SELECT asyncjob.run('regress_line')$$);

-- a grant lets others run it, with their own rights
SET ROLE regress_aj_def;
SELECT * FROM tap.err($$SELECT asyncjob.grant_pipeline('regress_line', NULL)$$);
SELECT asyncjob.grant_pipeline('regress_line', 'regress_aj_def2');
SELECT asyncjob.grant_pipeline('regress_line', 'regress_aj_def2');
GRANT USAGE ON SCHEMA aj_def TO regress_aj_def2;
SET ROLE regress_aj_def2;
SELECT name FROM asyncjob.pipelines WHERE name LIKE 'regress%';
SELECT asyncjob.run('regress_line', '{"by": "grant"}');
-- and can be taken back
SELECT code, message FROM tap.err($$SELECT asyncjob.revoke_pipeline('regress_line', 'regress_aj_def2')$$);
SET ROLE regress_aj_def;
SELECT (tap.err(s)).* FROM unnest(ARRAY[$$SELECT asyncjob.revoke_pipeline('regress_none', 'regress_aj_def2')$$,
    $$SELECT asyncjob.revoke_pipeline('regress_line', NULL)$$, $$SELECT asyncjob.revoke_pipeline('regress_line', 'regress_nobody')$$]) s;
SELECT asyncjob.revoke_pipeline('regress_line', 'regress_aj_def2');
SELECT asyncjob.revoke_pipeline('regress_line', 'regress_aj_def2');
SET ROLE regress_aj_def2;
SELECT code FROM tap.err($$SELECT asyncjob.run('regress_line')$$);
SELECT name FROM asyncjob.pipelines WHERE name LIKE 'regress%';
SET ROLE regress_aj_def;
SELECT asyncjob.grant_pipeline('regress_line', 'regress_aj_def2');

-- a validator refuses as the submitter, and nothing is stored
SET ROLE regress_aj_def;
SELECT * FROM tap.err($$SELECT asyncjob.submit('regress_full', '{"m": 1}')$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit_many('regress_full', ARRAY['{"n": 1}', '{"m": 1}']::jsonb[])$$);
SELECT * FROM tap.err($$SELECT asyncjob.run('regress_full', '{"m": 1}')$$);
SELECT count(*) FROM asyncjob.job;

-- one in SQL may end in anything
CREATE TABLE aj_def.seen (p jsonb);
CREATE FUNCTION aj_def.note(p jsonb) RETURNS void LANGUAGE sql AS 'INSERT INTO aj_def.seen VALUES (p)';
SELECT asyncjob.create_pipeline('regress_note', '[{"name": "a", "handler": "aj_def.echo"}]', validator => 'aj_def.note') > 0 AS made;
SELECT asyncjob.run('regress_note', '{"o": 1}');
SELECT p FROM aj_def.seen;
SELECT asyncjob.drop_pipeline('regress_note');

-- a dropped pipeline takes no more jobs; its name stays its owner's
SELECT asyncjob.drop_pipeline('regress_line');
SELECT * FROM tap.err($$SELECT asyncjob.drop_pipeline('regress_line')$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit('regress_line')$$);
SELECT asyncjob.create_pipeline('regress_line', '[{"name": "a", "handler": "aj_def.echo"}]') > 0 AS made;
SELECT version, total_steps FROM asyncjob.pipelines WHERE name = 'regress_line';
SELECT asyncjob.drop_pipeline('regress_line'), asyncjob.drop_pipeline('regress_full');
RESET ROLE;

-- that of a dropped role is a superuser's to set free, without its grants
CREATE ROLE regress_aj_def3 LOGIN;
SELECT asyncjob.grant_usage('regress_aj_def3');
SET ROLE regress_aj_def3;
SELECT asyncjob.create_pipeline('regress_gone', '[{"name": "a", "handler": "asyncjob.step_noop"}]') > 0 AS made;
SELECT asyncjob.grant_pipeline('regress_gone', 'regress_aj_def2');
RESET ROLE;
DROP OWNED BY regress_aj_def3;
DROP ROLE regress_aj_def3;
SET ROLE regress_aj_def;
SELECT * FROM tap.err($$SELECT asyncjob.create_pipeline('regress_gone', '[{"name": "a", "handler": "asyncjob.step_noop"}]')$$);
RESET ROLE;
SELECT asyncjob.drop_pipeline('regress_gone');
SET ROLE regress_aj_def;
SELECT asyncjob.create_pipeline('regress_gone', '[{"name": "a", "handler": "asyncjob.step_noop"}]') > 0 AS made;
SET ROLE regress_aj_def2;
SELECT * FROM tap.err($$SELECT asyncjob.submit('regress_gone')$$);
RESET ROLE;
SELECT version, owner FROM asyncjob.pipelines WHERE name = 'regress_gone';
SELECT asyncjob.drop_pipeline('regress_gone');

SET client_min_messages = warning;
DROP SCHEMA aj_def CASCADE;
DROP OWNED BY regress_aj_def, regress_aj_def2;
DROP ROLE regress_aj_def, regress_aj_def2;
