-- What this script has not replaced is gone in this version. A function that
-- came back under its name with other arguments keeps the rights it had.
DO $$
DECLARE
    f  record;
    n  record;
BEGIN
    FOR f IN
        SELECT p.oid, p.oid::regprocedure AS name, p.proname, p.prokind, p.proacl
        FROM pg_proc p
        JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
        JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass
            AND d.refobjid = e.oid AND e.extname = 'asyncjob'
        WHERE p.xmin <> (SELECT u.xmin FROM pg_proc u WHERE u.oid = 'asyncjob._updated()'::regprocedure)
    LOOP
        FOR n IN
            SELECT p.oid::regprocedure AS name, a.grantee::regrole AS grantee
            FROM pg_proc p, aclexplode(f.proacl) a
            WHERE p.pronamespace = 'asyncjob'::regnamespace AND p.proname = f.proname
              AND p.oid <> f.oid AND a.grantee NOT IN (0, p.proowner)
        LOOP
            EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %s', n.name, n.grantee);
        END LOOP;
        EXECUTE format('DROP ROUTINE %s', f.name);
    END LOOP;

    -- what is new is for those who were let in before
    FOR n IN
        SELECT DISTINCT a.grantee::regrole AS grantee FROM pg_proc p, aclexplode(p.proacl) a
        WHERE p.oid = 'asyncjob.status(bigint)'::regprocedure AND a.grantee NOT IN (0, p.proowner)
    LOOP
        PERFORM asyncjob.grant_usage(n.grantee);
    END LOOP;
    FOR n IN
        SELECT DISTINCT a.grantee::regrole AS grantee FROM pg_proc p, aclexplode(p.proacl) a
        WHERE p.oid = 'asyncjob.resume()'::regprocedure AND a.grantee NOT IN (0, p.proowner)
    LOOP
        PERFORM asyncjob.grant_admin(n.grantee);
    END LOOP;
END
$$;

-- The engine, which has left the older tables alone, may come.
SELECT asyncjob._updated();
