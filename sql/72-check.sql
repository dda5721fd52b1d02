-- Is everything set up?

CREATE FUNCTION asyncjob.check()
    RETURNS TABLE (item text, ok boolean, detail text, hint text)
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    -- first of all: where nothing is preloaded this loads the library, and
    -- with it the settings
    library    text := asyncjob._library_version();
    preloaded  boolean := current_setting('asyncjob.max_databases', true) IS NOT NULL;
    workers    integer := current_setting('asyncjob.max_workers')::integer;
    processes  integer := current_setting('max_worker_processes')::integer;
    cron       record;
BEGIN
    item := 'preload'; ok := preloaded;
    detail := CASE WHEN ok THEN 'asyncjob is preloaded'
                   ELSE 'asyncjob is not preloaded, so no worker runs; submit(), status(), run() and drain() work' END;
    hint := CASE WHEN NOT ok THEN 'Add asyncjob to shared_preload_libraries and restart the server.' END;
    RETURN NEXT;

    item := 'enabled'; ok := current_setting('asyncjob.enabled')::boolean AND workers > 0;
    detail := format('asyncjob.enabled = %s, asyncjob.max_workers = %s',
                     current_setting('asyncjob.enabled'), workers);
    hint := CASE WHEN NOT ok THEN 'Set asyncjob.enabled = on and asyncjob.max_workers to 1 or more, and reload.' END;
    RETURN NEXT;

    -- the launcher, one coordinator a database, the workers
    item := 'max_worker_processes'; ok := processes >= workers + 2;
    detail := format('max_worker_processes = %s, needed for asyncjob %s or more', processes, workers + 2);
    hint := CASE WHEN NOT ok THEN 'Raise max_worker_processes, or lower asyncjob.max_workers.' END;
    RETURN NEXT;

    item := 'coordinator';
    -- who may not read the type of other roles' processes may read their names,
    -- which are what they say themselves; a coordinator is the first superuser's
    ok := EXISTS (SELECT FROM pg_stat_activity
                  WHERE coalesce(backend_type, CASE usesysid WHEN 10 THEN application_name END) = 'asyncjob coordinator'
                    AND datname = current_database());
    detail := CASE WHEN ok THEN 'the coordinator of this database runs'
                   WHEN pg_is_in_recovery() THEN 'this server is a standby: jobs run here when it is promoted'
                   ELSE 'no coordinator runs for this database' END;
    ok := ok OR (preloaded AND pg_is_in_recovery());
    hint := CASE WHEN ok THEN NULL WHEN NOT preloaded THEN 'Preload asyncjob first.'
                 ELSE 'See asyncjob.databases, asyncjob.max_databases and the server log.' END;
    RETURN NEXT;

    item := 'origin'; ok := asyncjob._origin_is_ours();
    detail := CASE WHEN ok THEN 'the queue belongs to this server and database'
                   ELSE 'the queue was copied from another server or database and is paused' END;
    hint := CASE WHEN NOT ok THEN 'Run asyncjob.resume() if its jobs are to run here.' END;
    RETURN NEXT;

    item := 'quiesced';
    SELECT q.quiesced_at IS NULL,
           CASE WHEN q.quiesced_at IS NULL THEN 'the database is not quiesced'
                ELSE format('the database is quiesced since %s: nothing is started', q.quiesced_at) END
    INTO ok, detail FROM asyncjob.queue q WHERE q.id = 1;
    hint := CASE WHEN NOT ok THEN 'An administrator ends that with asyncjob.resume().' END;
    RETURN NEXT;

    item := 'version';
    SELECT e.extversion = library,
           format('extension %s, library %s', e.extversion, library)
    INTO ok, detail FROM pg_extension e WHERE e.extname = 'asyncjob';
    hint := CASE WHEN NOT ok THEN 'Run ALTER EXTENSION asyncjob UPDATE, or restart the server with the newer library.' END;
    RETURN NEXT;

    item := 'login';
    ok := (SELECT r.rolcanlogin OR current_setting('server_version_num')::integer >= 170000
           FROM pg_roles r WHERE r.rolname = current_user)
          AND has_database_privilege(current_database(), 'CONNECT');
    detail := format('role %I %s own jobs', current_user, CASE WHEN ok THEN 'can' ELSE 'cannot' END);
    hint := CASE WHEN NOT ok THEN format('Run ALTER ROLE %I LOGIN and GRANT CONNECT ON DATABASE %I TO %I.',
                                         current_user, current_database(), current_user) END;
    RETURN NEXT;

    -- roles that lost their right to connect after they had submitted
    item := 'owners';
    SELECT count(*) = 0,
           CASE WHEN count(*) = 0 THEN 'all owners of queued jobs can connect'
                ELSE format('no worker can connect as %s, with queued jobs', string_agg(quote_ident(r.rolname), ', ')) END,
           string_agg(format('%sGRANT CONNECT ON DATABASE %I TO %I.',
                             CASE WHEN current_setting('server_version_num')::integer < 170000
                                  THEN format('ALTER ROLE %I LOGIN; ', r.rolname) ELSE '' END,
                             current_database(), r.rolname), ' ')
    INTO ok, detail, hint
    FROM pg_roles r
    WHERE ((NOT r.rolcanlogin AND current_setting('server_version_num')::integer < 170000)
           OR NOT has_database_privilege(r.oid, current_database(), 'CONNECT'))
      AND EXISTS (SELECT FROM asyncjob.job j
                  WHERE j.owner = r.oid AND j.state = 'queued' AND NOT j.external);
    RETURN NEXT;

    item := 'rights';
    SELECT count(*) = 0,
           CASE WHEN count(*) > 0 THEN format('role %I may not execute %s', current_user, string_agg(f, ', '))
                WHEN has_function_privilege('asyncjob.pause_queue(text)', 'EXECUTE')
                THEN format('role %I may submit, follow and administer', current_user)
                ELSE format('role %I may submit and follow', current_user) END,
           CASE WHEN count(*) > 0
                THEN format('Run asyncjob.grant_usage(%L) again.',
                            current_user) END
    INTO ok, detail, hint
    FROM (SELECT DISTINCT p.proname || '()' AS f FROM pg_proc p
          WHERE p.pronamespace = 'asyncjob'::regnamespace
            AND p.proname IN ('artifact_data', 'artifacts', 'cancel', 'channel', 'explain', 'list_jobs',
                              'recent_jobs', 'redrive', 'result', 'retry', 'status', 'steps', 'submit',
                              'updates', 'updates_many', 'wait')
            AND NOT has_function_privilege(p.oid, 'EXECUTE')) missing;
    RETURN NEXT;

    item := 'encryption';
    ok := NOT EXISTS (SELECT FROM asyncjob.queue q WHERE q.encrypt)
          OR asyncjob._seal_problem() IS NULL;
    detail := CASE WHEN NOT ok THEN asyncjob._seal_problem()
                   WHEN EXISTS (SELECT FROM asyncjob.queue q WHERE q.encrypt)
                   THEN 'jobs of encrypted queues can be encrypted'
                   ELSE 'no queue is encrypted' END;
    hint := CASE WHEN NOT ok THEN 'See docs/encryption.md; jobs of encrypted queues wait.' END;
    RETURN NEXT;

    SELECT c.cron_ok, c.cron_detail, c.cron_hint, c.tick_ok, c.tick_detail, c.tick_hint
    INTO cron FROM asyncjob._cron_state() c;
    item := 'pg_cron'; ok := cron.cron_ok; detail := cron.cron_detail; hint := cron.cron_hint;
    RETURN NEXT;

    item := 'schedules'; ok := cron.tick_ok; detail := cron.tick_detail; hint := cron.tick_hint;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION asyncjob.check() IS
'Is the server set up for asyncjob? One row an item, with how to mend it.';

CREATE FUNCTION asyncjob._origin_is_ours() RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_origin_is_ours_sql';
COMMENT ON FUNCTION asyncjob._origin_is_ours() IS 'Does the queue belong to this server and database?';

CREATE FUNCTION asyncjob._library_version() RETURNS text
    LANGUAGE c IMMUTABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'aj_library_version';
COMMENT ON FUNCTION asyncjob._library_version() IS 'Version of the loaded library.';

