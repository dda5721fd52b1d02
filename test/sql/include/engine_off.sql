-- From here on no worker takes jobs, so that drain() does.
\set ECHO none
ALTER SYSTEM SET asyncjob.enabled = off;
SELECT pg_reload_conf() AS ignored \gset
\ir wait_off.sql
DO $$
BEGIN
    WHILE EXISTS (SELECT FROM asyncjob.workers()) LOOP
        PERFORM pg_sleep(0.01);
    END LOOP;
END
$$;
\set ECHO all
