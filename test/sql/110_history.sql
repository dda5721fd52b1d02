-- The history of a job whose end could not be told to its chat session, and the
-- jobs of a database that came from elsewhere.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common

\i :engine_off
CREATE ROLE regress_aj_hist LOGIN;
CREATE ROLE regress_aj_moved LOGIN;
SELECT asyncjob.grant_usage('regress_aj_hist'), asyncjob.grant_usage('regress_aj_moved');

-- a chat that fails is a line in the log, in the right place: numbers stay
-- unique, the end comes last, and retry() goes on from there
CREATE FUNCTION tap.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the chat is closed'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON asyncjob.chat_message FOR EACH ROW EXECUTE FUNCTION tap.refuse();
INSERT INTO asyncjob.chat_session (id, owner) VALUES ('regress_hist', 'regress_aj_hist'::regrole);
CREATE FUNCTION tap.fail(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF p ? 'fail' THEN
        RAISE EXCEPTION 'told to fail' USING ERRCODE = 'AJ001';
    END IF;
    RETURN p;
END
$$;
SET ROLE regress_aj_hist;
SELECT asyncjob.create_pipeline('regress_hist', '[{"name": "a", "handler": "tap.fail"}]') > 0 AS made;
SELECT asyncjob.submit('regress_hist', session_id => 'regress_hist') AS j \gset
SELECT asyncjob.submit('regress_hist', '{"fail": 1}', session_id => 'regress_hist') AS k \gset
SELECT asyncjob.drain();
SELECT * FROM tap.history(:j);
SELECT kind, state, level, message, row_number() OVER (ORDER BY seq) FROM tap.history(:k);
SELECT count(*) = count(DISTINCT seq) AS numbers_differ, max(seq) = (SELECT seq FROM asyncjob.status(:k)) AS end_is_last FROM tap.history(:k);
SELECT asyncjob.retry(:k);
SELECT asyncjob.drain();
SELECT kind, state, level, message, row_number() OVER (ORDER BY seq) FROM tap.history(:k);
SELECT count(*) = count(DISTINCT seq) AS numbers_differ FROM tap.history(:k);
RESET ROLE;
DROP TRIGGER refuse ON asyncjob.chat_message;

-- a dump keeps owners by name; here is what one looks like where the OIDs are
-- others: regress_aj_gone does not exist, and its OID is a stranger's
SET ROLE regress_aj_hist;
SELECT asyncjob.submit('noop', '"of regress_aj_moved"', run_at => now() + interval '1 h') AS m \gset
SET ROLE regress_aj_moved;
SELECT asyncjob.submit('noop', '"of regress_aj_gone"', run_at => now() + interval '1 h') AS g \gset
SELECT asyncjob.create_pipeline('regress_hist_gone', '[{"name": "a", "handler": "tap.fail"}]') > 0 AS made;
RESET ROLE;
BEGIN;
UPDATE asyncjob.owner SET rolname = 'regress_aj_gone' WHERE role = 'regress_aj_moved'::regrole;
UPDATE asyncjob.owner SET rolname = 'regress_aj_moved' WHERE role = 'regress_aj_hist'::regrole;
UPDATE asyncjob.origin SET system_identifier = system_identifier + 1;
SELECT asyncjob.resume();
SELECT params, owner = 'regress_aj_moved'::regrole AS of_moved, owner = 0 AS of_nobody FROM asyncjob.job WHERE id IN (:m, :g) ORDER BY id;
SELECT owner = 0 AS of_nobody FROM asyncjob.pipeline WHERE name = 'regress_hist_gone';
ROLLBACK;

SET ROLE regress_aj_hist;
SELECT asyncjob.cancel(:m);
SET ROLE regress_aj_moved;
SELECT asyncjob.cancel(:g);
RESET ROLE;
SET client_min_messages = warning;
DELETE FROM asyncjob.chat_session WHERE id = 'regress_hist';
DROP FUNCTION tap.refuse(), tap.fail(jsonb);
DROP OWNED BY regress_aj_hist, regress_aj_moved;
DROP ROLE regress_aj_hist, regress_aj_moved;
\i :engine_on
