-- Rights. Nothing is granted to PUBLIC. A role sees its own rows, an
-- administrator (who may execute pause_queue) all of them, both through the
-- filter of asyncjob.user_id.

CREATE FUNCTION asyncjob._role() RETURNS oid
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'aj_role';
COMMENT ON FUNCTION asyncjob._role() IS 'OID of current_user.';

CREATE FUNCTION asyncjob._may_see(owner oid, user_id text) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (owner = asyncjob._role()
            OR has_function_privilege('asyncjob.pause_queue(text)', 'EXECUTE'))
       AND CASE
           WHEN coalesce(current_setting('asyncjob.user_id', true), '') <> ''
               THEN user_id IS NOT DISTINCT FROM current_setting('asyncjob.user_id', true)
           ELSE coalesce(current_setting('asyncjob.require_user_id', true), 'off') <> 'on'
       END;
COMMENT ON FUNCTION asyncjob._may_see(oid, text) IS 'The rule of row-level security.';

ALTER TABLE asyncjob.job ENABLE ROW LEVEL SECURITY;
CREATE POLICY job_own ON asyncjob.job FOR SELECT
    USING (asyncjob._may_see(owner, user_id));

ALTER TABLE asyncjob.chat_session ENABLE ROW LEVEL SECURITY;
CREATE POLICY chat_session_own ON asyncjob.chat_session FOR SELECT
    USING (asyncjob._may_see(owner, user_id));

ALTER TABLE asyncjob.chat_message ENABLE ROW LEVEL SECURITY;
CREATE POLICY chat_message_own ON asyncjob.chat_message FOR SELECT
    USING (asyncjob._may_see(owner, user_id));

ALTER TABLE asyncjob.event ENABLE ROW LEVEL SECURITY;
CREATE POLICY event_own ON asyncjob.event FOR SELECT
    USING (owner = asyncjob._role() OR EXISTS (SELECT FROM asyncjob.event_grant g
        WHERE g.owner = event.owner AND g.event = event.event
          AND pg_has_role(g.role, 'USAGE')));

ALTER TABLE asyncjob.event_grant ENABLE ROW LEVEL SECURITY;
CREATE POLICY event_grant_own ON asyncjob.event_grant FOR SELECT
    USING (owner = asyncjob._role() OR pg_has_role(role, 'USAGE'));

ALTER TABLE asyncjob.subscription ENABLE ROW LEVEL SECURITY;
CREATE POLICY subscription_own ON asyncjob.subscription FOR SELECT
    USING (owner = asyncjob._role()
        OR has_function_privilege('asyncjob.pause_queue(text)', 'EXECUTE'));

ALTER TABLE asyncjob.pipeline ENABLE ROW LEVEL SECURITY;
CREATE POLICY pipeline_usable ON asyncjob.pipeline FOR SELECT
    USING (owner = asyncjob._role()
        OR has_function_privilege('asyncjob.pause_queue(text)', 'EXECUTE')
        OR EXISTS
        (SELECT FROM asyncjob.pipeline_grant g
         WHERE g.pipeline = name
           AND (g.role = 0 OR pg_has_role(g.role, 'USAGE'))));

ALTER TABLE asyncjob.alarm ENABLE ROW LEVEL SECURITY;
CREATE POLICY alarm_admin ON asyncjob.alarm FOR SELECT
    USING (has_function_privilege('asyncjob.pause_queue(text)', 'EXECUTE'));

ALTER TABLE asyncjob.schedule ENABLE ROW LEVEL SECURITY;
CREATE POLICY schedule_own ON asyncjob.schedule FOR SELECT
    USING (asyncjob._may_see(owner, user_id));

ALTER TABLE asyncjob.schedule_run ENABLE ROW LEVEL SECURITY;
CREATE POLICY schedule_run_own ON asyncjob.schedule_run FOR SELECT
    USING (EXISTS (SELECT FROM asyncjob.schedule s WHERE s.id = schedule_run.schedule_id));

CREATE FUNCTION asyncjob._admin_functions() RETURNS SETOF text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp AS $$
    VALUES
        ('alter_queue'),
        ('check_alarms'),
        ('create_queue'),
        ('drop_alarm'),
        ('drop_queue'),
        ('drop_redaction'),
        ('encryption_keys'),
        ('grant_worker'),
        ('pause_queue'),
        ('prune'),
        ('quiesce'),
        ('quiesce_wait'),
        ('reencrypt'),
        ('reset_retention'),
        ('resume'),
        ('resume_queue'),
        ('revoke_worker'),
        ('set_alarm'),
        ('set_max_depth'),
        ('set_redaction'),
        ('set_retention'),
        ('tick')
$$;
COMMENT ON FUNCTION asyncjob._admin_functions() IS 'Names of the functions that grant_admin() grants.';

CREATE FUNCTION asyncjob.grant_usage(role regrole) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    f regprocedure;
    t regclass;
BEGIN
    IF role IS NULL OR role = 0 THEN
        RAISE EXCEPTION USING ERRCODE = '22004', MESSAGE = 'role must name a role';
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA asyncjob TO %s', role);
    FOR f IN
        SELECT p.oid FROM pg_catalog.pg_proc p
        WHERE p.pronamespace = 'asyncjob'::regnamespace
          AND p.proname NOT LIKE '\_%'
          AND p.proname NOT LIKE 'grant\_%'
          AND p.proname NOT IN (SELECT asyncjob._admin_functions())
    LOOP
        EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %s', f, role);
    END LOOP;
    EXECUTE format('GRANT EXECUTE ON FUNCTION asyncjob._role(), asyncjob._may_see(oid, text), '
                   'asyncjob._renewable(asyncjob.job_status), '
                   'asyncjob._renewable_params(text, text), asyncjob._meant(text, text[], text), '
                   'asyncjob._require_input(text, jsonb), asyncjob._kml_positions(text), '
                   'asyncjob._sample(text, jsonb, double precision), asyncjob._latency_buckets(), '
                   'asyncjob._gis_schema(name), asyncjob._gis_column(regclass, name, text), '
                   'asyncjob._parse_wind_csv(text, jsonb), '
                   'asyncjob._origin_is_ours(), asyncjob._library_version(), asyncjob._seal_problem(), '
                   'asyncjob._cron_state(), '
                   'asyncjob.grant_event(text, regrole), '
                   'asyncjob.grant_pipeline(text, regrole) TO %s', role);
    EXECUTE format('GRANT SELECT ON asyncjob.schedule, asyncjob.schedule_run, asyncjob.schedules, '
                   'asyncjob.schedule_runs TO %s', role);
    EXECUTE format('GRANT SELECT ON asyncjob.event, asyncjob.subscription, asyncjob.event_grant, '
                   'asyncjob.events, asyncjob.event_subscriptions TO %s', role);
    EXECUTE format('GRANT SELECT ON asyncjob.job, asyncjob.queue, asyncjob.pipeline, '
                   'asyncjob.pipeline_grant, asyncjob.chat_session, asyncjob.chat_message, '
                   'asyncjob.pipelines, asyncjob.queues, asyncjob.dead_letters, '
                   'asyncjob.alarm, asyncjob.alarms, asyncjob.redaction, '
                   'asyncjob.retention, asyncjob.retention_defaults, asyncjob.retentions, asyncjob.queue_stats TO %s', role);
    -- inputs of the energy pipelines: each role its own, by row-level security
    FOR t IN
        SELECT c.oid FROM pg_catalog.pg_class c
        WHERE c.relnamespace = 'asyncjob'::regnamespace AND c.relkind = 'r'
          AND EXISTS (SELECT FROM pg_catalog.pg_policy p
                      WHERE p.polrelid = c.oid AND p.polcmd IN ('a', 'w', '*'))
    LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s', t, role);
    END LOOP;
END
$$;
ALTER FUNCTION asyncjob.grant_usage(regrole) SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION asyncjob.grant_usage(regrole) IS
'Let a role submit jobs and see its own, define pipelines and load inputs. For the owner of the extension.';

CREATE FUNCTION asyncjob.grant_admin(role regrole) RETURNS void
    LANGUAGE plpgsql AS $$
DECLARE
    f regprocedure;
BEGIN
    PERFORM asyncjob.grant_usage(role);
    FOR f IN
        SELECT p.oid FROM pg_catalog.pg_proc p
        WHERE p.pronamespace = 'asyncjob'::regnamespace
          AND p.proname IN (SELECT asyncjob._admin_functions())
    LOOP
        EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO %s', f, role);
    END LOOP;
    EXECUTE format('GRANT SELECT ON asyncjob.queue_limit, asyncjob.queue_limits TO %s', role);
END
$$;
ALTER FUNCTION asyncjob.grant_admin(regrole) SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION asyncjob.grant_admin(regrole) IS
'Let a role also see and steer everybody''s jobs and manage queues. For the owner of the extension.';

REVOKE ALL ON ALL ROUTINES IN SCHEMA asyncjob FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA asyncjob FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA asyncjob FROM PUBLIC;

