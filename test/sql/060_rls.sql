-- What roles see of each other, and the filter of asyncjob.user_id.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common

\i :engine_off

CREATE ROLE regress_aj_a LOGIN;
-- names that differ in case only, or look like an OID
CREATE ROLE "Regress_aj_a" LOGIN;
CREATE ROLE "10" LOGIN;
CREATE ROLE regress_aj_b LOGIN;
CREATE ROLE regress_aj_member LOGIN IN ROLE regress_aj_a;
CREATE ROLE regress_aj_admin LOGIN;
CREATE ROLE regress_aj_none LOGIN;
SELECT asyncjob.grant_usage(r) FROM unnest('{regress_aj_a,regress_aj_b,regress_aj_member}'::regrole[]) r;
SELECT asyncjob.grant_usage('"Regress_aj_a"'), asyncjob.grant_usage('"10"'::regrole);
SELECT asyncjob.grant_admin('regress_aj_admin');
CREATE SCHEMA aj_a AUTHORIZATION regress_aj_a;

SELECT asyncjob.submit('noop', '"of the superuser"') AS su \gset
SET ROLE regress_aj_a;
CREATE FUNCTION aj_a.fail(jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.log('info', 'private');
    PERFORM asyncjob.artifact('private', 'text', 'text/plain', 'private');
    RAISE EXCEPTION 'private' USING ERRCODE = 'AJ001';
END
$$;
SELECT asyncjob.create_pipeline('regress_a', '[{"name": "a", "handler": "aj_a.fail"}]') > 0 AS made;
SELECT asyncjob.submit('regress_a', '"of a"') AS j \gset
SELECT asyncjob.submit('noop', '"of a too"', run_at => now() + interval '1 h') AS k \gset
SELECT asyncjob.drain();
SELECT pipeline, state FROM asyncjob.list_jobs();

-- every way to ask, for another role's job and for none: the same error
CREATE TEMP TABLE ask (n serial, statement text);
INSERT INTO ask (statement) VALUES ('SELECT asyncjob.status(%s)'), ('SELECT asyncjob.result(%s)'),
    ('SELECT asyncjob.wait(%s, ''0'')'), ('SELECT asyncjob.steps(%s)'), ('SELECT asyncjob.updates(%s)'),
    ('SELECT asyncjob.artifacts(%s)'), ('SELECT asyncjob.artifact_data(%s, ''private'')'),
    ('SELECT asyncjob.cancel(%s)'), ('SELECT asyncjob.retry(%s)'),
    ('SELECT asyncjob.reprioritize(%s, 1)'), ('SELECT asyncjob.explain(%s)');
GRANT SELECT ON ask TO PUBLIC;
SET ROLE regress_aj_b;
SELECT a.statement, o.*, o IS NOT DISTINCT FROM u AS same_as_unknown FROM ask a, tap.err(format(statement, :j)) o, tap.err(format(statement, 0)) u ORDER BY n;
CALL asyncjob.await(0);
SELECT format('CALL asyncjob.await(%s)', :j) AS call \gset
\set VERBOSITY sqlstate
:call;
\set VERBOSITY default
SELECT count(*) FROM asyncjob.job;
SELECT count(*) FROM asyncjob.list_jobs();
SELECT count(*) FROM asyncjob.dead_letters;
SELECT name FROM asyncjob.pipelines WHERE name = 'regress_a';
SELECT queued, running FROM asyncjob.queues WHERE name = 'default';
-- arguments are looked at before the job, so they tell nothing of it
SELECT a.statement, o.code, o.message FROM (VALUES (1, 'SELECT asyncjob.status(NULL)'), (2, 'SELECT asyncjob.result(NULL)'),
    (3, 'SELECT asyncjob.steps(NULL)'), (4, 'SELECT asyncjob.updates(NULL)'), (5, 'SELECT asyncjob.artifacts(NULL)'),
    (6, 'SELECT asyncjob.artifact_data(NULL, ''a'')'), (7, 'SELECT asyncjob.cancel(NULL)'), (8, 'SELECT asyncjob.retry(NULL)'),
    (9, 'SELECT asyncjob.reprioritize(NULL, 1)'), (10, 'SELECT asyncjob.explain(NULL)')) a (n, statement), tap.err(statement) o ORDER BY n;

SET ROLE "Regress_aj_a";
SELECT count(*) FROM asyncjob.job;
SET ROLE "10";
SELECT count(*) FROM asyncjob.job;
-- a member of the role has its own jobs, not those
SET ROLE regress_aj_member;
SELECT count(*) FROM asyncjob.job;
SELECT code FROM tap.err(format('SELECT asyncjob.status(%s)', :j));
-- nobody without a grant gets anywhere
SET ROLE regress_aj_none;
SELECT code, message FROM tap.err('SELECT asyncjob.submit(''noop'')');
SELECT code, message FROM tap.err('SELECT count(*) FROM asyncjob.job');
-- an administrator sees and steers all
SET ROLE regress_aj_admin;
SELECT o.name, j.params FROM asyncjob.job j, pg_get_userbyid(j.owner) o (name) WHERE j.id IN (:j, :k) ORDER BY j.id;
SELECT pipeline, owner, message FROM asyncjob.dead_letters WHERE pipeline = 'regress_a';
SELECT asyncjob.cancel(:k), asyncjob.cancel(:su);
SELECT asyncjob.drain();
-- nobody writes the tables by hand
SET ROLE regress_aj_a;
SELECT code, message FROM tap.err('UPDATE asyncjob.job SET priority = 10');
SELECT code, message FROM tap.err('DELETE FROM asyncjob.job');
SELECT code, message FROM tap.err('INSERT INTO asyncjob.job (owner, pipeline_id) VALUES (10, 1)');
SELECT code, message FROM tap.err('SELECT * FROM asyncjob.checkpoint');
SELECT code, message FROM tap.err('SELECT * FROM asyncjob.job_update');
SELECT code, message FROM tap.err('SELECT * FROM asyncjob.artifact');
SELECT code, message FROM tap.err('SELECT * FROM asyncjob.owner');
SELECT code, message FROM tap.err('SELECT nextval(''asyncjob.job_id_seq'')');

-- the application's users, a filter within the role
SELECT asyncjob.submit('noop', '"for nobody"', run_at => now() + interval '1 h') AS n \gset
SET asyncjob.user_id = 'ann';
SELECT asyncjob.submit('noop', '"for ann"', run_at => now() + interval '1 h') AS ann \gset
SELECT asyncjob.submit('noop', '"for ann"', run_at => now() + interval '1 h', user_id => 'ann') > 0 AS submitted;
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop', user_id => 'bea')$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit_many('noop', ARRAY['1']::jsonb[], user_id => 'bea')$$);
SELECT user_id, params FROM asyncjob.job;
SELECT user_id FROM asyncjob.list_jobs();
SELECT count(*) FROM asyncjob.list_jobs(user_id => 'bea');
SET asyncjob.user_id = 'bea';
SELECT count(*) FROM asyncjob.job;
SELECT count(*) FROM asyncjob.list_jobs();
SELECT a.statement, o.code, o IS NOT DISTINCT FROM u AS same_as_unknown FROM ask a, tap.err(format(statement, :ann)) o, tap.err(format(statement, 0)) u ORDER BY n;
-- the filter holds for an administrator too
SET ROLE regress_aj_admin;
SELECT count(*) FROM asyncjob.job WHERE owner = 'regress_aj_a'::regrole;
SELECT code FROM tap.err(format('SELECT asyncjob.status(%s)', :ann));
SET ROLE regress_aj_a;
-- unset is all, or nothing where it is required
RESET asyncjob.user_id;
SELECT user_id, count(*) FROM asyncjob.job WHERE state = 'queued' GROUP BY 1 ORDER BY 1;
SET asyncjob.require_user_id = on;
SELECT count(*) FROM asyncjob.job;
SELECT count(*) FROM asyncjob.list_jobs();
SELECT code FROM tap.err(format('SELECT asyncjob.status(%s)', :n));
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop')$$);
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop', user_id => 'ann')$$);
SET asyncjob.user_id = 'ann';
SELECT count(*) FROM asyncjob.job;
RESET asyncjob.user_id;
RESET asyncjob.require_user_id;
SELECT count(asyncjob.cancel(id)) AS cancelled FROM asyncjob.job WHERE state = 'queued';
RESET ROLE;

SET client_min_messages = warning;
DROP SCHEMA aj_a CASCADE;
DROP OWNED BY regress_aj_a, "Regress_aj_a", "10", regress_aj_b, regress_aj_member, regress_aj_admin;
DROP ROLE regress_aj_a, "Regress_aj_a", "10", regress_aj_b, regress_aj_member, regress_aj_admin, regress_aj_none;
\i :engine_on
