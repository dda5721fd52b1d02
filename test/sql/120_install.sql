-- What CREATE EXTENSION leaves in the catalogs. Each query lists offenders, so
-- the right answer is no row.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\i :common

CREATE TEMP VIEW routine AS
SELECT p.*, p.oid::regprocedure AS signature FROM pg_proc p
JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'asyncjob';
CREATE TEMP VIEW relation AS
SELECT c.*, c.oid::regclass AS name FROM pg_class c
JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'asyncjob';

-- the extension and what is looked at
SELECT e.extname, n.nspname, e.extrelocatable FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'asyncjob';
SELECT (SELECT count(*) FROM routine) >= 35 AS routines,
       (SELECT count(*) FROM relation WHERE relkind = 'r') >= 11 AS tables, (SELECT count(*) FROM relation WHERE relkind = 'v') >= 3 AS views;
-- everything in the schema belongs to the extension, and the reverse
SELECT proname FROM pg_proc WHERE pronamespace = 'asyncjob'::regnamespace AND oid NOT IN (SELECT oid FROM routine);
SELECT relname FROM pg_class WHERE relnamespace = 'asyncjob'::regnamespace AND relkind IN ('r', 'v', 'm', 'p', 'f') AND oid NOT IN (SELECT oid FROM relation);
SELECT signature FROM routine WHERE pronamespace <> 'asyncjob'::regnamespace;
SELECT name FROM relation WHERE relnamespace <> 'asyncjob'::regnamespace;

-- nothing is PUBLIC's
SELECT signature FROM routine, LATERAL aclexplode(coalesce(proacl, acldefault('f', proowner))) a WHERE a.grantee = 0;
SELECT name, a.privilege_type FROM relation, LATERAL aclexplode(coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))) a WHERE a.grantee = 0;
SELECT attrelid::regclass, attname FROM pg_attribute WHERE attrelid IN (SELECT oid FROM relation) AND attacl IS NOT NULL;
SELECT nspname, a.privilege_type FROM pg_namespace, LATERAL aclexplode(coalesce(nspacl, acldefault('n', nspowner))) a WHERE nspname = 'asyncjob' AND a.grantee = 0;

-- no function switches roles by being SECURITY DEFINER
SELECT signature FROM routine WHERE prosecdef;
-- those that aren't C have bodies bound to objects, or a search path of their own
SELECT signature FROM routine WHERE prolang <> (SELECT oid FROM pg_language WHERE lanname = 'c')
    AND prosqlbody IS NULL AND NOT coalesce(array_to_string(proconfig, ','), '') ~ '^search_path=pg_catalog, pg_temp$|search_path="?pg_catalog"?, "?pg_temp"?$';
SELECT signature FROM routine p JOIN pg_language l ON l.oid = p.prolang WHERE l.lanname NOT IN ('c', 'sql', 'plpgsql');
-- who changes or waits for something is volatile; who is parallel safe is stable at most
SELECT signature, provolatile FROM routine WHERE provolatile <> 'v'
    AND proname ~ '^(create_|alter_|drop_|pause_|resume|submit|run$|drain$|status$|result$|wait$|await$|list_jobs$|steps$|updates$|artifact|cancel$|retry$|reprioritize$|explain$|current_job$|attempt$|progress$|log$|grant_|start_|load_|workers$|_live$|_install$)';
SELECT signature, proparallel FROM routine WHERE proparallel = 's' AND proname ~ '^(create_|drop_|submit|run$|drain$|wait$|cancel$|retry$|load_|grant_)';
SELECT signature, provolatile, proparallel FROM routine WHERE proname IN ('channel', '_may_see', '_role', 'step_noop') ORDER BY proname;

-- everything says what it is
SELECT signature FROM routine WHERE obj_description(oid, 'pg_proc') IS NULL;
SELECT name FROM relation WHERE relkind IN ('r', 'v') AND obj_description(oid, 'pg_class') IS NULL;
SELECT t.typname FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE t.typnamespace = 'asyncjob'::regnamespace AND t.typelem = 0 AND (t.typtype IN ('e', 'd') OR c.relkind = 'c') AND obj_description(t.oid, 'pg_type') IS NULL;
-- in one line, in sentences
SELECT signature FROM routine WHERE obj_description(oid, 'pg_proc') ~ '\n' OR obj_description(oid, 'pg_proc') !~ '[.?]$';

-- rows of roles are behind row-level security; tables without it are readable
-- by the extension's owner alone, but for the two that hold no role's rows
CREATE ROLE regress_aj_inst;
SELECT asyncjob.grant_admin('regress_aj_inst');
SELECT name FROM relation WHERE relkind = 'r' AND NOT relrowsecurity
    AND has_table_privilege('regress_aj_inst', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER, REFERENCES') ORDER BY 1;
SELECT name FROM relation WHERE relkind = 'v' AND NOT coalesce(reloptions::text ~ 'security_invoker=(true|on|1)', false);
SELECT name FROM relation WHERE relkind = 'r' AND has_table_privilege('regress_aj_inst', oid, 'TRUNCATE, TRIGGER, REFERENCES');
-- (a role that loads inputs of its own draws their numbers)
SELECT name FROM relation r WHERE CASE WHEN relkind = 'S' THEN has_sequence_privilege('regress_aj_inst', oid, 'USAGE, UPDATE') END AND NOT EXISTS
    (SELECT FROM pg_depend d JOIN pg_policy p ON p.polrelid = d.refobjid WHERE d.objid = r.oid AND d.refclassid = 'pg_class'::regclass AND p.polcmd IN ('a', '*'));
-- the queue's own tables are the engine's to write
SELECT name FROM relation WHERE name::text IN ('asyncjob.job', 'asyncjob.queue', 'asyncjob.pipeline', 'asyncjob.pipeline_grant', 'asyncjob.owner', 'asyncjob.origin',
    'asyncjob.checkpoint', 'asyncjob.job_update', 'asyncjob.artifact', 'asyncjob.artifact_chunk') AND has_table_privilege('regress_aj_inst', oid, 'INSERT, UPDATE, DELETE');
-- what no role but the owner may call
SELECT proname FROM routine WHERE NOT has_function_privilege('regress_aj_inst', oid, 'EXECUTE') ORDER BY 1;
-- and what takes being an administrator
CREATE ROLE regress_aj_inst2;
SELECT asyncjob.grant_usage('regress_aj_inst2');
SELECT proname FROM routine WHERE has_function_privilege('regress_aj_inst', oid, 'EXECUTE') AND NOT has_function_privilege('regress_aj_inst2', oid, 'EXECUTE') ORDER BY 1;

-- what a dump takes along: every table and its sequences
SELECT name FROM relation r, pg_extension e WHERE e.extname = 'asyncjob' AND r.relkind IN ('r', 'S') AND r.oid <> ALL (e.extconfig) ORDER BY 1;
-- pg_upgrade refuses columns of these types
SELECT attrelid::regclass, attname, atttypid::regtype FROM pg_attribute JOIN pg_class c ON c.oid = attrelid AND c.relkind = 'r'
    WHERE attrelid IN (SELECT oid FROM relation) AND attnum > 0
    AND atttypid IN ('regproc'::regtype, 'regprocedure'::regtype, 'regoper'::regtype, 'regoperator'::regtype, 'regconfig'::regtype, 'regdictionary'::regtype, 'regnamespace'::regtype, 'regcollation'::regtype);

-- DROP leaves nothing, and a new one starts afresh in the same session
DROP OWNED BY regress_aj_inst, regress_aj_inst2;
DROP ROLE regress_aj_inst, regress_aj_inst2;
BEGIN;
CREATE FUNCTION tap.one(jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '"one"'::jsonb $$;
CREATE FUNCTION tap.two(jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT '"two"'::jsonb $$;
DROP EXTENSION asyncjob;
SELECT count(*) FROM pg_class WHERE relnamespace = 'asyncjob'::regnamespace;
SELECT count(*) FROM pg_proc WHERE pronamespace = 'asyncjob'::regnamespace;
CREATE EXTENSION asyncjob;
SELECT asyncjob.create_pipeline('regress_x', '[{"name": "a", "handler": "tap.one"}]') AS first \gset
SELECT asyncjob.run('regress_x');
DROP EXTENSION asyncjob;
CREATE EXTENSION asyncjob;
SELECT asyncjob.create_pipeline('regress_x', '[{"name": "a", "handler": "tap.two"}]') = :first AS same_id;
SELECT asyncjob.run('regress_x');
DROP EXTENSION asyncjob;
-- the hint differs between versions of PostgreSQL
\set VERBOSITY terse
SELECT asyncjob.run('regress_x');
\set VERBOSITY default
ROLLBACK;
SELECT asyncjob.run('noop');
