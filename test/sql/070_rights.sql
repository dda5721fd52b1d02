-- With whose rights jobs run, and who may call what.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common


CREATE ROLE regress_aj_owner LOGIN;
CREATE ROLE regress_aj_user LOGIN;
CREATE ROLE regress_aj_group;
CREATE ROLE regress_aj_admin LOGIN;
SELECT asyncjob.grant_usage('regress_aj_owner'), asyncjob.grant_usage('regress_aj_user');
SELECT asyncjob.grant_admin('regress_aj_admin');
CREATE SCHEMA aj_r AUTHORIZATION regress_aj_owner;
GRANT USAGE ON SCHEMA aj_r TO PUBLIC;
SET ROLE regress_aj_owner;
CREATE TABLE aj_r.mine (n int);
CREATE FUNCTION aj_r.who(jsonb) RETURNS jsonb LANGUAGE sql
    AS $$ SELECT jsonb_build_object('current', current_user, 'session', session_user) $$;
CREATE FUNCTION aj_r.read_mine(jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT to_jsonb(count(*)) FROM aj_r.mine $$;
-- tries all it knows to become somebody else
CREATE FUNCTION aj_r.escape(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    r text[];
    s text;
BEGIN
    FOREACH s IN ARRAY ARRAY['SET ROLE regress_aj_admin', 'RESET ROLE', 'SET SESSION AUTHORIZATION DEFAULT', 'RESET SESSION AUTHORIZATION', 'SET ROLE NONE'] LOOP
        BEGIN
            EXECUTE s;
            r := r || format('%s: %s', s, current_user);
        EXCEPTION WHEN insufficient_privilege THEN
            r := r || format('%s: refused', s);
        END;
    END LOOP;
    RETURN to_jsonb(r);
END
$$;
CREATE FUNCTION aj_r.submit_as_owner(p text) RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$ SELECT asyncjob.submit(p) $$;
SELECT asyncjob.create_pipeline('regress_who', '[{"name": "a", "handler": "aj_r.who"}]') > 0 AS made;
SELECT asyncjob.create_pipeline('regress_read', '[{"name": "a", "handler": "aj_r.read_mine", "max_attempts": 1}]') > 0 AS made;
SELECT asyncjob.create_pipeline('regress_escape', '[{"name": "a", "handler": "aj_r.escape"}]') > 0 AS made;
SELECT asyncjob.grant_pipeline('regress_who', 'regress_aj_user'), asyncjob.grant_pipeline('regress_escape', 'regress_aj_user'),
       asyncjob.grant_pipeline('regress_read', 'regress_aj_group');

-- a job runs as who submits it, logged in as that role
SET ROLE regress_aj_user;
SELECT asyncjob.submit('regress_who') AS j \gset
SELECT state FROM asyncjob.wait(:j, '1 min');
SELECT asyncjob.result(:j);
SELECT asyncjob.submit('regress_escape') AS j \gset
SELECT state FROM asyncjob.wait(:j, '1 min');
SELECT asyncjob.result(:j);
-- inside a SECURITY DEFINER function that is its definer
SELECT aj_r.submit_as_owner('regress_who') AS j \gset
SELECT code, message FROM tap.err(format('SELECT asyncjob.status(%s)', :j));
SET ROLE regress_aj_owner;
SELECT state FROM asyncjob.wait(:j, '1 min');
SELECT asyncjob.result(:j);
-- run() stays in the caller's session
SELECT asyncjob.run('regress_who') ->> 'current' AS current;

-- membership in a role that has the grant is enough to submit, and gives the
-- job no right on the owner's table
SET ROLE regress_aj_user;
SELECT code, message FROM tap.err($$SELECT asyncjob.submit('regress_read')$$);
RESET ROLE;
GRANT regress_aj_group TO regress_aj_user;
SET ROLE regress_aj_user;
SELECT name FROM asyncjob.pipelines WHERE name LIKE 'regress%' ORDER BY 1;
SELECT asyncjob.submit('regress_read') AS j \gset
SELECT state, error_code, error_message FROM asyncjob.wait(:j, '1 min');
SELECT code, message FROM tap.err($$SELECT asyncjob.run('regress_read')$$);

-- what an ordinary role may not call
SELECT a.statement, e.code, e.message FROM (VALUES
    (1, 'SELECT asyncjob.create_queue(''regress_r'')'), (2, 'SELECT asyncjob.pause_queue(''default'')'),
    (3, 'SELECT asyncjob.resume_queue(''default'')'), (4, 'SELECT asyncjob.resume()'),
    (5, 'SELECT asyncjob.grant_usage(''regress_aj_user'')'), (6, 'SELECT asyncjob.grant_admin(''regress_aj_user'')'),
    (7, 'SELECT asyncjob._install()'), (8, 'SELECT * FROM asyncjob._live(1)')) a (n, statement), tap.err(statement) e ORDER BY n;
SELECT count(*) AS workers_of_others FROM asyncjob.workers() WHERE role <> 'regress_aj_user';
-- and an administrator may
SET ROLE regress_aj_admin;
SELECT asyncjob.create_queue('regress_r');
SELECT asyncjob.pause_queue('regress_r');
SELECT asyncjob.resume_queue('regress_r');
SELECT asyncjob.resume();
SELECT code, message FROM tap.err('SELECT asyncjob.grant_usage(''regress_aj_group'')');
SELECT code, message FROM tap.err('SELECT * FROM asyncjob._live(1)');
SELECT * FROM tap.err($$SELECT asyncjob.drop_pipeline('regress_who')$$);
RESET ROLE;
SELECT code, message FROM tap.err('SELECT asyncjob._install()');
SELECT asyncjob.resume();

-- resume() where the jobs are at home changes no owner, whatever roles are
-- called by now
ALTER ROLE regress_aj_user RENAME TO regress_aj_renamed;
CREATE ROLE regress_aj_user LOGIN;
SELECT asyncjob.resume();
SELECT count(*) FROM asyncjob.job WHERE owner = 'regress_aj_user'::regrole;
SELECT count(*) > 0 AS kept FROM asyncjob.job WHERE owner = 'regress_aj_renamed'::regrole;
DROP ROLE regress_aj_user;

SET client_min_messages = warning;
DROP SCHEMA aj_r CASCADE;
DROP OWNED BY regress_aj_owner, regress_aj_renamed, regress_aj_group, regress_aj_admin;
DROP ROLE regress_aj_owner, regress_aj_renamed, regress_aj_group, regress_aj_admin;
