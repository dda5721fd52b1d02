-- What the tests share; each test includes it first, and runs alone too.
\set ECHO none
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset null '<null>'
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS asyncjob;

CREATE SCHEMA IF NOT EXISTS tap;
GRANT USAGE ON SCHEMA tap TO PUBLIC;

-- Run a statement that should fail, and tell how: SQLSTATE, message, detail
-- and hint, with the numbers of jobs, which differ from run to run, taken out.
CREATE OR REPLACE FUNCTION tap.err(
    statement text, OUT code text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    code := 'none';
    message := 'the statement did not fail';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE,
        message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
        hint = PG_EXCEPTION_HINT;
    message := regexp_replace(message, '\mjob \d+', 'job N', 'g');
    detail := regexp_replace(nullif(detail, ''), '\mJob \d+', 'Job N', 'g');
    hint := nullif(hint, '');
END
$$;

-- The history of a job without its times.
CREATE OR REPLACE FUNCTION tap.history(job bigint)
RETURNS TABLE (seq int, kind text, state text, step text, level text, message text)
LANGUAGE sql AS $$
    SELECT u.seq, u.kind, u.state::text, u.step, u.level, u.message
    FROM asyncjob.updates(job) u
$$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA tap TO PUBLIC;
RESET client_min_messages;
\set ECHO all
