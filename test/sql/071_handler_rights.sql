-- Who may not execute all handlers of a pipeline can't submit it, and is told at once.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common
\i :engine_off
CREATE ROLE regress_aj_hown LOGIN;
CREATE ROLE regress_aj_huse LOGIN;
CREATE ROLE regress_aj_hgroup;
SELECT asyncjob.grant_usage(r) FROM unnest(ARRAY['regress_aj_hown', 'regress_aj_huse']::regrole[]) r;
CREATE SCHEMA aj_hr AUTHORIZATION regress_aj_hown;
SET ROLE regress_aj_hown;
GRANT USAGE ON SCHEMA aj_hr TO PUBLIC;
CREATE FUNCTION aj_hr.first(j jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT j';
CREATE FUNCTION aj_hr.second(j jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT j';
CREATE PROCEDURE aj_hr.third(INOUT j jsonb) LANGUAGE plpgsql AS 'BEGIN COMMIT; END';
REVOKE EXECUTE ON FUNCTION aj_hr.second(jsonb) FROM PUBLIC;
SELECT asyncjob.create_pipeline('regress_hr', '[{"name": "a", "handler": "aj_hr.first"}, {"name": "x", "handler": "external"}, {"name": "b", "handler": "aj_hr.second"},
    {"name": "c", "handler": "aj_hr.third"}]') > 0 AS made;
SELECT asyncjob.grant_pipeline('regress_hr', 'regress_aj_huse');
SELECT asyncjob.submit('regress_hr') > 0 AS owner_submits;
SET ROLE regress_aj_huse;
SELECT * FROM tap.err($$SELECT asyncjob.submit('regress_hr')$$);
-- however it would be submitted
SELECT (tap.err(s)).code FROM unnest(ARRAY[$$SELECT asyncjob.submit_many('regress_hr', ARRAY['{}', '{}']::jsonb[])$$, $$SELECT asyncjob.run('regress_hr')$$,
    $$SELECT asyncjob.on_event('regress_hr', 'regress_hr')$$]) s;
SET asyncjob.require_pg_cron = off;
SELECT code, message FROM tap.err($$SELECT asyncjob.schedule('regress_hr', '0 0 1 1 *', 'regress_hr')$$);
SELECT count(*) FROM asyncjob.job WHERE owner = 'regress_aj_huse'::regrole;
-- what changes meanwhile, this session hears of
SET ROLE regress_aj_hown;
GRANT EXECUTE ON FUNCTION aj_hr.second(jsonb) TO regress_aj_hgroup;
SET ROLE regress_aj_huse;
SELECT code FROM tap.err($$SELECT asyncjob.submit('regress_hr')$$);
RESET ROLE;
GRANT regress_aj_hgroup TO regress_aj_huse;
SET ROLE regress_aj_huse;
SELECT asyncjob.submit('regress_hr') > 0 AS as_a_member, asyncjob.submit('regress_hr') > 0 AS again;
RESET ROLE;
REVOKE regress_aj_hgroup FROM regress_aj_huse;
SET ROLE regress_aj_huse;
SELECT code, message FROM tap.err($$SELECT asyncjob.submit('regress_hr')$$);
SET ROLE regress_aj_hown;
GRANT EXECUTE ON FUNCTION aj_hr.second(jsonb) TO PUBLIC;
REVOKE EXECUTE ON PROCEDURE aj_hr.third(jsonb) FROM PUBLIC;
SET ROLE regress_aj_huse;
SELECT message, hint FROM tap.err($$SELECT asyncjob.submit('regress_hr')$$);
SET ROLE regress_aj_hown;
GRANT EXECUTE ON PROCEDURE aj_hr.third(jsonb) TO regress_aj_huse;
SET ROLE regress_aj_huse;
SELECT asyncjob.submit('regress_hr') > 0 AS submitted;
-- a handler that is gone
SET ROLE regress_aj_hown;
DROP FUNCTION aj_hr.second(jsonb);
SELECT code, message, hint FROM tap.err($$SELECT asyncjob.submit('regress_hr')$$);
CREATE FUNCTION aj_hr.second(j jsonb) RETURNS text LANGUAGE sql AS 'SELECT j::text';
SELECT code, message FROM tap.err($$SELECT asyncjob.submit('regress_hr')$$);
-- a schedule of what has become forbidden is refused when it is due, and the others are not
DROP FUNCTION aj_hr.second(jsonb);
CREATE FUNCTION aj_hr.second(j jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT j';
SET asyncjob.require_pg_cron = off;
SELECT asyncjob.schedule('regress_hr', '* * * * *', 'regress_hr') > now() AS scheduled, asyncjob.schedule('regress_hr2', '* * * * *', 'noop') > now() AS scheduled2;
RESET ROLE;
REVOKE EXECUTE ON FUNCTION aj_hr.second(jsonb) FROM PUBLIC, regress_aj_hown;
UPDATE asyncjob.schedule SET next_at = now() - interval '1 min' WHERE name LIKE 'regress_hr%';
SELECT asyncjob.tick();
SELECT s.name, r.state, r.reason FROM asyncjob.schedule_run r JOIN asyncjob.schedule s ON s.id = r.schedule_id WHERE s.name LIKE 'regress_hr%' AND r.state <> 'skipped' ORDER BY 1;
SET client_min_messages = warning;
DELETE FROM asyncjob.schedule WHERE name LIKE 'regress_hr%';
DELETE FROM asyncjob.job WHERE owner IN ('regress_aj_hown'::regrole, 'regress_aj_huse'::regrole);
SET ROLE regress_aj_hown;
SELECT asyncjob.drop_pipeline('regress_hr');
RESET ROLE;
DROP SCHEMA aj_hr CASCADE;
\i :engine_on
