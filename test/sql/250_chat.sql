--
-- The chat systems' names: sessions, messages, start, get, list
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS asyncjob;
CREATE ROLE regress_chat LOGIN;
CREATE ROLE regress_chat_other LOGIN;
SELECT asyncjob.grant_usage('regress_chat'), asyncjob.grant_usage('regress_chat_other');
\getenv abs_srcdir PG_ABS_SRCDIR
\set SHOW_CONTEXT never
SET SESSION AUTHORIZATION regress_chat;
\set read 'cat ' :abs_srcdir '/data/dem/jacksboro_wgs84.asc'
\set asc `:read`
SELECT asyncjob.load_dem('chat_dem', :'asc') ->> 'complete' AS complete;
-- jobs have ids that depend on what ran before: messages without them
CREATE FUNCTION pg_temp.attempt(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text;
    state text;
    code text;
    hint text;
BEGIN
    EXECUTE command;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, code = CONSTRAINT_NAME, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(E'\n', concat_ws(' ', state, nullif(code, '')), message, nullif(hint, ''));
END $$;
CREATE FUNCTION pg_temp.jobs() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM asyncjob.job';

SELECT asyncjob.create_chat_session('chat-one', 'Ridge study');
SELECT asyncjob.create_chat_session('chat-two');
SELECT pg_temp.attempt($$SELECT asyncjob.create_chat_session('chat-one')$$);
SELECT pg_temp.attempt($$SELECT asyncjob.create_chat_session('')$$);
SELECT pg_temp.attempt($$SELECT asyncjob.create_chat_session(repeat('x', 257))$$);
SELECT id, title FROM asyncjob.chat_session ORDER BY id;

--
-- a job of a sentence, from question to answer
--
SELECT job_id AS job, status, regexp_replace(message, '\d+', 'N') AS message
FROM asyncjob.start_renewable_job('chat-one', 'Analyze terrain at 36.58, -84.25 within 2 km') \gset
\echo :status - :message
SELECT state FROM asyncjob.wait(:job, '60s');
SELECT chat_session_id, status, query, job_type, current_step, total_steps, completed_steps, estimated_time_remaining,
       result_message, error_message, error_type, error_remediation,
       created_at <= updated_at AND updated_at <= completed_at AS times
FROM asyncjob.get_renewable_job(:job);
SELECT a ->> 'type' AS type, a ->> 'name' AS name, a ->> 'media_type' AS media_type, (a ->> 'size')::int > 0 AS size
FROM asyncjob.get_renewable_job(:job) j, jsonb_array_elements(j.artifacts) a ORDER BY a ->> 'name' COLLATE "C";
SELECT t ->> 'step' AS step, t ->> 'action' AS action, t ->> 'status' AS status, (t ->> 'duration')::int >= 0 AS duration, t ? 'timestamp' AS timestamp
FROM asyncjob.get_renewable_job(:job) j, jsonb_array_elements(j.thought_steps) t;
-- what was asked, what was answered; the answer is whole when it appears
SELECT role, content, job_id = :job AS of_job, response_complete, jsonb_array_length(artifacts) AS artifacts, jsonb_array_length(thought_steps) AS thought_steps
FROM asyncjob.chat_message WHERE session_id = 'chat-one' ORDER BY id;
SELECT a - 'sha256' - 'size' AS artifact FROM asyncjob.chat_message m, jsonb_array_elements(m.artifacts) a
WHERE m.session_id = 'chat-one' ORDER BY a ->> 'name' COLLATE "C";
SELECT t ->> 'action' AS action, t ->> 'status' AS status FROM asyncjob.chat_message m, jsonb_array_elements(m.thought_steps) t WHERE m.session_id = 'chat-one';
-- the site is the circle the sentence says: a 64-cornered one of 2 km
SELECT abs((asyncjob.result(:job) ->> 'site_area_m2')::float8 / (32 * 2000 ^ 2 * sind(360 / 64.0)) - 1) < 1e-4 AS circle;

-- a session of none's; a job without a session tells nobody
SELECT pg_temp.attempt($$SELECT asyncjob.start_renewable_job('chat-none', 'Analyze terrain at 36.58, -84.25')$$);
SELECT job_id AS quiet FROM asyncjob.start_renewable_job(NULL, 'Analyze terrain at 36.58, -84.25, radius 2 km') \gset
SELECT state FROM asyncjob.wait(:quiet, '60s');
SELECT status, query, result_message FROM asyncjob.get_renewable_job(:quiet);
-- submit() itself tells the session, too; a word is no session's if it is not one
SELECT asyncjob.submit('noop', '{"n": 1}', session_id => 'chat-two') AS noop \gset
SELECT state FROM asyncjob.wait(:noop, '60s');
SELECT role, content, response_complete, artifacts FROM asyncjob.chat_message WHERE session_id = 'chat-two';

--
-- refused, with what is missing, and nothing stored
--
SELECT pg_temp.jobs() AS jobs, (SELECT count(*) FROM asyncjob.chat_message) AS messages \gset
SELECT q AS query, pg_temp.attempt(format('SELECT asyncjob.start_renewable_job(%L, %L)', 'chat-one', q)) AS answer
FROM (VALUES (1, 'Hello there'), (2, 'Analyze terrain please'), (3, 'Analyze terrain at 95.0, -74.0060'),
             (4, 'Analyze terrain at 40.7128, -74.0060'), (5, 'Optimize the layout at 36.58, -84.25 within 2 km'),
             (6, 'Simulate the wakes at 36.58, -84.25')) v (n, q) ORDER BY n;
SELECT pg_temp.attempt($$SELECT asyncjob.start_renewable_job('chat-one', 'Analyze terrain at 36.58, -84.25', 'magic')$$);
SELECT pg_temp.attempt($$SELECT asyncjob.start_renewable_job('chat-one', NULL)$$);
SELECT pg_temp.jobs() = :jobs AS no_job, (SELECT count(*) FROM asyncjob.chat_message) = :messages AS no_message;

--
-- a layout by sentence: the wind is the only one loaded
--
SELECT asyncjob.load_weibull('chat_wind', '{"direction_deg": [0, 180], "frequency": [0.5, 0.5], "weibull_a_m_s": [9, 9], "weibull_k": [2, 2], "height_m": 110}') ->> 'kind' AS kind;
SELECT job_id AS layout FROM asyncjob.start_renewable_job('chat-one', 'Place 3 wind turbines at 36.58, -84.25 within 3 km, IEA 3.4 MW') \gset
SELECT state FROM asyncjob.wait(:layout, '120s');
SELECT status, error_message, total_capacity_kw, asset_count, road_length_m, cut_volume_m3, fill_volume_m3 FROM asyncjob.get_layout_status(:layout);
SELECT job_type, status, total_steps FROM asyncjob.get_renewable_job(:layout);
-- with two winds the sentence must say which
SELECT asyncjob.load_weibull('chat_gale', '{"direction_deg": [0, 180], "frequency": [0.5, 0.5], "weibull_a_m_s": [12, 12], "weibull_k": [2, 2], "height_m": 110}') ->> 'kind' AS kind;
SELECT pg_temp.attempt($$SELECT asyncjob.start_renewable_job('chat-one', 'Place 3 wind turbines at 36.58, -84.25 within 3 km')$$);
BEGIN;
SELECT job_id AS named FROM asyncjob.start_renewable_job('chat-one', 'Place 3 wind turbines at 36.58, -84.25 within 3 km using chat_gale') \gset
SELECT params FROM asyncjob.job WHERE id = :named;
ROLLBACK;
-- a place can be a loaded site, too: the longest name that the sentence says
\set read 'cat ' :abs_srcdir '/data/site/demo_site_jacksboro.geojson'
\set geojson `:read`
SELECT asyncjob.load_site('chat ridge', :'geojson') ->> 'zones' AS zones, asyncjob.load_site('chat', :'geojson') ->> 'zones' AS zones;
BEGIN;
SELECT job_id AS named FROM asyncjob.start_renewable_job('chat-one', 'Full analysis of 20 turbines on chat ridge, wind chat_gale') \gset
SELECT pipeline, (SELECT params FROM asyncjob.job WHERE id = job_id) FROM asyncjob.status(:named);
ROLLBACK;
-- assets, roads and earthwork of a site; the figures of the front end
SELECT job_id AS assets FROM asyncjob.start_renewable_job('chat-one', 'Generate a site layout of gas and BESS with 1000 kW on "chat ridge"') \gset
SELECT state FROM asyncjob.wait(:assets, '120s');
SELECT status, error_message, total_capacity_kw >= 1000 AS capacity, asset_count > 3 AS assets, road_length_m > 0 AS roads, cut_volume_m3 > 0 AS cut, fill_volume_m3 > 0 AS fill
FROM asyncjob.get_layout_status(:assets);
SELECT job_type, status, jsonb_path_query_array(thought_steps, '$[*].action') AS steps FROM asyncjob.get_renewable_job(:assets);
-- a battery and the sun: what is missing is said; of what there is one, it is taken
SELECT q AS query, pg_temp.attempt(format('SELECT asyncjob.start_renewable_job(%L, %L)', 'chat-one', q)) AS answer
FROM (VALUES (1, 'Analyze battery performance'), (2, 'Analyze battery performance, 100 Ah'), (3, 'What does a solar system yield?'),
             (4, 'What does a solar system of 4 kW yield?'), (5, 'site layout of 2 MW somewhere')) v (n, q) ORDER BY n;
SELECT asyncjob.load_telemetry(n, 'time,soc,current_a' || string_agg(format(E'\n%s,%s,%s', 1704067200 + 600 * i, 0.5 + 0.3 * sin(i / 20.0), 10 * cos(i / 20.0)), ''), '{}') IS NOT NULL AS loaded
FROM unnest(ARRAY['chat house', 'chat barn']) n, generate_series(0, 500) i GROUP BY n;
BEGIN;
SELECT pg_temp.attempt($$SELECT asyncjob.start_renewable_job('chat-one', 'Analyze battery performance, 100 Ah')$$);
SELECT job_id AS battery FROM asyncjob.start_renewable_job('chat-one', 'Analyze battery performance of chat barn, 100 Ah, last 2 days') \gset
SELECT pipeline, (SELECT params FROM asyncjob.job WHERE id = job_id) FROM asyncjob.status(:battery);
ROLLBACK;
-- a failure is told, too, in the words of the error
SELECT job_id AS failing FROM asyncjob.start_renewable_job('chat-one', 'Place 900 wind turbines at 36.58, -84.25 within 2 km using chat_gale') \gset
SELECT state FROM asyncjob.wait(:failing, '60s');
SELECT status, error_type, regexp_replace(error_message, '\d+ is', 'N is') AS error_message,
       error_remediation ~ '^Ask for at most \d+ turbines \(\d+ kW\), or lower min_spacing_d from 5\.$' AS remediation
FROM asyncjob.get_renewable_job(:failing);
SELECT status, regexp_replace(error_message, '\d+ is', 'N is') AS error_message, asset_count FROM asyncjob.get_layout_status(:failing);
SELECT t ->> 'action' AS action, t ->> 'status' AS status FROM asyncjob.get_renewable_job(:failing) j, jsonb_array_elements(j.thought_steps) t;
SELECT regexp_replace(content, '\d+', 'N', 'g') AS content, response_complete, thought_steps -> 0 ->> 'action' AS action, thought_steps -> 0 ->> 'status' AS status FROM asyncjob.chat_message WHERE job_id = :failing AND role = 'ai';
SELECT row_number() OVER () AS newest_first, job_type, status FROM asyncjob.list_renewable_jobs('chat-one');

--
-- another role: its sessions, and jobs in them, are as unknown
--
SET SESSION AUTHORIZATION regress_chat_other;
SELECT asyncjob.load_dem('chat_dem', :'asc') ->> 'complete' AS complete;
SELECT s AS session, pg_temp.attempt(format('SELECT asyncjob.start_renewable_job(%L, ''Analyze terrain at 36.58, -84.25 within 2 km'')', s)) AS answer
FROM (VALUES ('chat-one'), ('chat-none')) v (s);
SELECT s AS session, pg_temp.attempt(format('SELECT asyncjob.submit(''noop'', session_id => %L)', s)) AS answer,
       pg_temp.attempt(format('SELECT asyncjob.add_chat_message(%L, ''psst'')', s)) AS message
FROM (VALUES ('chat-one'), ('chat-none')) v (s);
SELECT f AS function, regexp_replace(pg_temp.attempt(format('SELECT asyncjob.%I(%s)', f, j)), 'job \d+', 'job N') AS answer
FROM (VALUES ('get_renewable_job', :job), ('get_renewable_job', 999999999), ('get_layout_status', :layout), ('get_layout_status', 999999999)) v (f, j);
SELECT (SELECT count(*) FROM asyncjob.list_renewable_jobs('chat-one')) AS jobs, (SELECT count(*) FROM asyncjob.chat_session) AS sessions,
       (SELECT count(*) FROM asyncjob.chat_message) AS messages;
-- the name is taken all the same, and nothing more is said
SELECT pg_temp.attempt($$SELECT asyncjob.create_chat_session('chat-one')$$);
SELECT pg_temp.attempt($$INSERT INTO asyncjob.chat_message (session_id, owner, role, content) VALUES ('chat-one', 0, 'ai', 'psst')$$);

--
-- a chat that cannot be written to: the job is completed all the same, and
-- its history says what happened
--
RESET SESSION AUTHORIZATION;
ALTER TABLE asyncjob.chat_message ADD CONSTRAINT regress_full_up CHECK (role <> 'ai' OR session_id <> 'chat-two') NOT VALID;
SET SESSION AUTHORIZATION regress_chat;
SELECT job_id AS unheard FROM asyncjob.start_renewable_job('chat-two', 'Analyze terrain at 36.58, -84.25 within 2 km') \gset
SELECT state, partial, error_code FROM asyncjob.wait(:unheard, '60s');
SELECT asyncjob.result(:unheard) ->> 'buildable_area_m2' = asyncjob.result(:job) ->> 'buildable_area_m2' AS result,
       (SELECT count(*) FROM asyncjob.artifacts(:unheard)) AS artifacts;
SELECT kind, state, step, level, message FROM asyncjob.updates(:unheard) ORDER BY seq;
SELECT role FROM asyncjob.chat_message WHERE job_id = :unheard;
SELECT status, result_message FROM asyncjob.get_renewable_job(:unheard);
RESET SESSION AUTHORIZATION;
ALTER TABLE asyncjob.chat_message DROP CONSTRAINT regress_full_up;
-- a session that is gone when the job ends
SELECT asyncjob.pause_queue('default');
SET SESSION AUTHORIZATION regress_chat;
SELECT asyncjob.submit('noop', '{"n": 2}', session_id => 'chat-two') AS orphan \gset
RESET SESSION AUTHORIZATION;
DELETE FROM asyncjob.chat_session WHERE id = 'chat-two';
SELECT asyncjob.resume_queue('default');
SET SESSION AUTHORIZATION regress_chat;
SELECT state FROM asyncjob.wait(:orphan, '60s');
SELECT asyncjob.result(:orphan) AS result, (SELECT count(*) FROM asyncjob.chat_message WHERE job_id = :orphan) AS messages;
-- a cancelled job counts as failed
SELECT job_id AS later FROM asyncjob.start_renewable_job('chat-one', 'Analyze terrain at 36.58, -84.25 within 2 km') \gset
BEGIN;
SELECT asyncjob.submit('noop', session_id => 'chat-one', run_at => now() + interval '1 day') AS future \gset
COMMIT;
SELECT status, current_step, completed_at FROM asyncjob.get_renewable_job(:future);
SELECT asyncjob.cancel(:future, 'no longer wanted');
SELECT status, error_message, error_type FROM asyncjob.get_renewable_job(:future);
SELECT state FROM asyncjob.wait(:later, '60s');

RESET SESSION AUTHORIZATION;
DELETE FROM asyncjob.chat_session WHERE id LIKE 'chat-%';
DELETE FROM asyncjob.dem WHERE name = 'chat_dem';
DELETE FROM asyncjob.wind_resource WHERE owner = 'regress_chat';
DELETE FROM asyncjob.site WHERE owner = 'regress_chat';
DELETE FROM asyncjob.telemetry WHERE owner = 'regress_chat';
DROP OWNED BY regress_chat, regress_chat_other;
DROP ROLE regress_chat, regress_chat_other;
