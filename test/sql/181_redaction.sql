-- Redaction: personal data is taken out of logs and errors before they are stored.
\getenv abs_srcdir PG_ABS_SRCDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common
\i :engine_off

CREATE ROLE regress_aj_red LOGIN;
CREATE ROLE regress_aj_red_admin LOGIN;
SELECT asyncjob.grant_usage('regress_aj_red');
SELECT asyncjob.grant_admin('regress_aj_red_admin');
CREATE FUNCTION regress_red_talk(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.log('info', p ->> 'text', jsonb_build_object('text', p -> 'text', 'n', 52.5200, 'list', jsonb_build_array('a@b.example', 7)));
    IF p ? 'fail' THEN
        RAISE EXCEPTION 'no such customer: %', p ->> 'text'
            USING ERRCODE = 'AJ101', DETAIL = 'Detail: ' || (p ->> 'text'), HINT = 'Hint: ' || (p ->> 'text');
    END IF;
    RETURN p;
END $$;
CREATE FUNCTION regress_red_wait(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN asyncjob.wait_for_event('regress_red', 'ann@mail.example', name => 'w');
END $$;

-- bad input
SET ROLE regress_aj_red;
SELECT code, message FROM tap.err($$SELECT asyncjob.set_redaction('email')$$);
SELECT code FROM tap.err($$SELECT asyncjob.drop_redaction('email')$$);
SELECT code FROM tap.err($$INSERT INTO asyncjob.redaction VALUES ('a', 'b', 'c')$$);
RESET ROLE;
SET ROLE regress_aj_red_admin;
SELECT * FROM tap.err($$SELECT asyncjob.set_redaction('customer')$$);
SELECT * FROM tap.err($$SELECT asyncjob.set_redaction('a b', 'x')$$);
SELECT * FROM tap.err($$SELECT asyncjob.set_redaction('customer', 'c(')$$);
SELECT * FROM tap.err($$SELECT asyncjob.set_redaction('customer', 'c*')$$);
SELECT code, message FROM tap.err($$SELECT asyncjob.set_redaction('customer', '')$$);
SELECT code, message FROM tap.err($$SELECT asyncjob.set_redaction('customer', repeat('c', 1001))$$);
SELECT code, message FROM tap.err($$SELECT asyncjob.set_redaction('customer', 'c', repeat('c', 101))$$);
SELECT * FROM tap.err($$SELECT asyncjob.drop_redaction('customer')$$);
RESET ROLE;
SELECT count(*) FROM asyncjob.redaction;

SET ROLE regress_aj_red;
SELECT asyncjob.create_pipeline('regress_red', '[{"name": "a", "handler": "public.regress_red_talk"}]') > 0 AS made;
SELECT asyncjob.create_pipeline('regress_red_wait', '[{"name": "a", "handler": "public.regress_red_wait"}]') > 0 AS made;
SELECT asyncjob.create_pipeline('regress_red_ext', '[{"name": "a", "handler": "external"}]') > 0 AS made;
-- nothing is redacted until somebody says so
SELECT asyncjob.submit('regress_red', '{"text": "ann@mail.example"}') AS j \gset
SELECT asyncjob.drain();
SELECT message, data FROM asyncjob.updates(:j) WHERE kind = 'log';
RESET ROLE;

SET ROLE regress_aj_red_admin;
SELECT asyncjob.set_redaction(n) FROM unnest('{email,phone,coordinates,ip_address}'::text[]) n;
SELECT asyncjob.set_redaction('customer', 'K-[0-9]{4}', '<customer>');
RESET ROLE;
SET ROLE regress_aj_red;
SELECT name, replacement FROM asyncjob.redaction ORDER BY name;
-- what is found, and what isn't
CREATE TEMP TABLE texts (n int, text text);
INSERT INTO texts VALUES
    (1, 'write to Ann.O''Neil+x@sub.mail.example, or BOB@MAIL.EXAMPLE.'),
    (2, 'call +49 30 1234567, 0049 (30) 123-4567, 030 1234567 or +1-202-555-0143'),
    (3, 'at 52.5200, 13.4050 and -33.8688;151.2093'),
    (4, 'from 192.168.0.12:5432'),
    (5, 'customer K-1234 and k-5678, not K-12'),
    (6, 'job 123456 took 0.123456 s at 2026-11-22 10:20:30, 1500000 Wh, 12.5 %, p = 3.141593'),
    (7, 'äöü@example is no address, ü ann@mail.example ü'),
    (8, ''), (9, 'a@b.example');
SELECT n, asyncjob.submit('regress_red', jsonb_build_object('text', text)) AS j INTO TEMP jobs FROM texts ORDER BY n;
SELECT asyncjob.drain();
SELECT n, u.message FROM jobs, asyncjob.updates(j) u WHERE u.kind = 'log' ORDER BY n;
SELECT u.data FROM jobs, asyncjob.updates(j) u WHERE u.kind = 'log' AND n = 1;
-- params and results are what they are
SELECT asyncjob.result(j) ->> 'text' AS result FROM jobs WHERE n = 9;

-- errors, and what is derived from them
SELECT asyncjob.create_chat_session('regress_red');
SELECT asyncjob.submit('regress_red', '{"text": "ann@mail.example", "fail": true}', session_id => 'regress_red') AS j \gset
SELECT asyncjob.drain();
SELECT error_message, error_detail, error_hint FROM asyncjob.status(:j);
SELECT message, data ->> 'detail' AS detail FROM asyncjob.updates(:j) WHERE kind IN ('attempt', 'state') AND message IS NOT NULL;
SELECT content FROM asyncjob.chat_message WHERE session_id = 'regress_red';
SELECT message, detail, hint FROM asyncjob.dead_letters WHERE job_id = :j;
-- external workers
SELECT asyncjob.submit('regress_red_ext') AS j \gset
SELECT token FROM asyncjob.claim('{default}') \gset
SELECT asyncjob.heartbeat(:j, :token, progress => 0.5, message => 'with ann@mail.example') IS NOT NULL AS held;
SELECT message FROM asyncjob.status(:j);
SELECT asyncjob.fail(:j, :token, 'ann@mail.example has gone', 'AJ001', 'detail: ann@mail.example', 'hint: ann@mail.example');
SELECT error_message, error_detail, error_hint FROM asyncjob.status(:j);
-- a wait whose name is redacted is still one
SELECT asyncjob.submit('regress_red_wait') AS j \gset
SELECT asyncjob.drain();
SELECT state FROM asyncjob.status(:j);
SELECT asyncjob.explain(:j);
SELECT asyncjob.emit('regress_red', '"ann@mail.example"', 'ann@mail.example');
SELECT asyncjob.drain();
SELECT asyncjob.result(:j);
RESET ROLE;

-- no more
SET ROLE regress_aj_red_admin;
SELECT asyncjob.drop_redaction(name) FROM asyncjob.redaction;
RESET ROLE;
SET ROLE regress_aj_red;
SELECT asyncjob.submit('regress_red', '{"text": "ann@mail.example"}') AS j \gset
SELECT asyncjob.drain();
SELECT message FROM asyncjob.updates(:j) WHERE kind = 'log';
RESET ROLE;
DROP FUNCTION regress_red_talk(jsonb), regress_red_wait(jsonb);
DROP OWNED BY regress_aj_red, regress_aj_red_admin;
DROP ROLE regress_aj_red, regress_aj_red_admin;
\i :engine_on
