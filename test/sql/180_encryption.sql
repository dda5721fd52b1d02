-- Encrypted queues: nothing in clear, nobody but the owner reads, keys change.
\getenv abs_srcdir PG_ABS_SRCDIR
\getenv abs_builddir PG_ABS_BUILDDIR
\set common :abs_srcdir '/sql/include/common.sql'
\set engine_off :abs_srcdir '/sql/include/engine_off.sql'
\set engine_on :abs_srcdir '/sql/include/engine_on.sql'
\i :common
\i :engine_off
\set keys :abs_builddir '/regress_encryption.keys'
\set to_keys 'umask 077; cat > ' :keys
\set add_key 'cat >> ' :keys
\set no_keys 'cat > /dev/null; rm ' :keys

CREATE ROLE regress_aj_enc LOGIN;
CREATE ROLE regress_aj_enc2 LOGIN;
CREATE ROLE regress_aj_enc_admin LOGIN;
CREATE ROLE regress_aj_enc_worker LOGIN;
SELECT asyncjob.grant_usage(r) FROM unnest('{regress_aj_enc,regress_aj_enc2,regress_aj_enc_worker}'::regrole[]) r;
SELECT asyncjob.grant_admin('regress_aj_enc_admin');
-- everything the engine has stored, as text
CREATE FUNCTION stored() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(t, E'\n') FROM (
        SELECT j::text FROM asyncjob.job j
        UNION ALL SELECT c::text FROM asyncjob.checkpoint c
        UNION ALL SELECT u::text FROM asyncjob.job_update u
        UNION ALL SELECT m::text FROM asyncjob.job_memo m
        UNION ALL SELECT l::text FROM asyncjob.lease l
        UNION ALL SELECT s::text FROM asyncjob.step_cache s
        UNION ALL SELECT g::text FROM asyncjob.chat_message g
        UNION ALL SELECT a.name || encode(a.data, 'escape') FROM asyncjob.artifact a
        UNION ALL SELECT encode(k.data, 'escape') FROM asyncjob.artifact_chunk k) s (t)
$$;

-- without pgcrypto, and without keys
DROP EXTENSION IF EXISTS pgcrypto;
SELECT * FROM tap.err($$SELECT asyncjob.create_queue('regress_enc', encrypt => true)$$);
CREATE SCHEMA regress_crypto;
CREATE EXTENSION pgcrypto SCHEMA regress_crypto;
SELECT * FROM tap.err($$SELECT asyncjob.create_queue('regress_enc', encrypt => true)$$);
SELECT * FROM tap.err($$SELECT asyncjob.alter_queue('default', encrypt => true)$$);
SELECT count(*) FROM asyncjob.queue WHERE name = 'regress_enc' OR encrypt;

-- files that are refused
SELECT set_config('regress.keys', :'keys', false) AS ignored \gset
ALTER SYSTEM SET asyncjob.encryption_key_file = :'keys';
SELECT pg_reload_conf();
\c -
\set VERBOSITY default
\set SHOW_CONTEXT never
\pset null '<null>'
SELECT detail FROM tap.err($$SELECT asyncjob.create_queue('regress_enc', encrypt => true)$$);
COPY (SELECT 'k1 short') TO PROGRAM :'to_keys';
SELECT detail FROM tap.err($$SELECT asyncjob.create_queue('regress_enc', encrypt => true)$$);
COPY (SELECT l FROM unnest(ARRAY['# a comment', '', 'k:1 ' || repeat('x', 40)]) l) TO PROGRAM :'to_keys';
SELECT detail FROM tap.err($$SELECT asyncjob.create_queue('regress_enc', encrypt => true)$$);
COPY (SELECT l FROM unnest(ARRAY['k1 ' || repeat('x', 40), 'k1 ' || repeat('y', 40)]) l) TO PROGRAM :'to_keys';
SELECT detail FROM tap.err($$SELECT asyncjob.create_queue('regress_enc', encrypt => true)$$);
COPY (SELECT 'k1 ' || repeat('x', 40) || ' more') TO PROGRAM :'to_keys';
SELECT detail FROM tap.err($$SELECT asyncjob.create_queue('regress_enc', encrypt => true)$$);
\set chmod 'cat > ' :keys '; chmod 0644 ' :keys
COPY (SELECT 'k1 ' || repeat('x', 40)) TO PROGRAM :'chmod';
SELECT detail FROM tap.err($$SELECT asyncjob.create_queue('regress_enc', encrypt => true)$$);
\set chmod 'cat > ' :keys '; chmod 0600 ' :keys
COPY (SELECT 'k1 Key-One-' || repeat('x', 40)) TO PROGRAM :'chmod';

-- a queue
SELECT asyncjob.create_queue('regress_enc', encrypt => true);
SELECT asyncjob.create_queue('regress_enc_lim', encrypt => true, max_running => 1);
SELECT asyncjob.create_queue('regress_enc_plain');
SELECT asyncjob.grant_worker('regress_enc', 'regress_aj_enc_worker');
SELECT name, encrypt FROM asyncjob.queue WHERE name LIKE 'regress_enc%' ORDER BY name;
SELECT ok, detail FROM asyncjob.check() WHERE item = 'encryption';

-- handlers that use all there is
CREATE FUNCTION regress_enc_talk(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.log('info', 'Secret-Log of ' || (p #>> '{name}'), '{"data": "Secret-LogData"}');
    PERFORM asyncjob.checkpoint('memo', '"Secret-Memo"');
    IF asyncjob.checkpoint('memo') <> '"Secret-Memo"' THEN
        RAISE EXCEPTION 'the memo is another';
    END IF;
    PERFORM asyncjob.artifact('small.txt', 'text', 'text/plain', convert_to('Secret-Artifact ' || (p #>> '{name}'), 'UTF8'));
    PERFORM asyncjob.artifact('big.txt', 'text', 'text/plain', convert_to(repeat('Secret-Artifact.', 100000), 'UTF8'));
    RETURN p || '{"talked": true}';
END $$;
CREATE FUNCTION regress_enc_items(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    PERFORM asyncjob.log('info', 'Secret-ItemLog ' || (p ->> 'item_no'));
    IF p ->> 'item' = 'Secret-Item-bad' THEN
        RAISE EXCEPTION 'Secret-ItemError' USING ERRCODE = 'AJ101';
    END IF;
    RETURN p -> 'item';
END $$;
CREATE FUNCTION regress_enc_fail(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Secret-Error for %', coalesce(p -> 'params' ->> 'name', p ->> 'name')
        USING ERRCODE = 'AJ101', DETAIL = 'Secret-Detail', HINT = 'Secret-Hint';
END $$;
CREATE FUNCTION regress_enc_flow(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    e  jsonb;
    c  jsonb;
BEGIN
    PERFORM asyncjob.spawn('noop', jsonb_build_object('child', p ->> 'name'), queue => 'regress_enc_plain');
    c := asyncjob.wait_for_children();
    e := asyncjob.wait_for_event('regress_enc_go', 'k', name => 'go');
    RETURN jsonb_build_object('event', e, 'children', c #> '{0,result}');
END $$;
CREATE FUNCTION regress_enc_cancel(p jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Secret-Cancel' USING ERRCODE = 'AJ004';
END $$;
SET ROLE regress_aj_enc;
SELECT asyncjob.create_pipeline('regress_enc_chain', '[{"name": "a", "handler": "public.regress_enc_talk", "cache_ttl": "1 h"},
    {"name": "b", "handler": "asyncjob.step_noop", "when": "$.params.name"}, {"name": "c", "handler": "asyncjob.step_noop", "after": ["a", "b"]}]') > 0 AS made;
SELECT asyncjob.create_pipeline('regress_enc_plainchain', '[{"name": "a", "handler": "public.regress_enc_talk"}, {"name": "b", "handler": "asyncjob.step_noop"}]') > 0 AS made;
SELECT asyncjob.create_pipeline('regress_enc_branches', '[{"name": "a", "handler": "public.regress_enc_items", "for_each": "$.params.list[*]", "optional": true},
    {"name": "b", "handler": "asyncjob.step_noop", "after": []}, {"name": "bad", "handler": "public.regress_enc_fail", "after": [], "optional": true},
    {"name": "c", "handler": "asyncjob.step_noop", "after": ["a", "b", "bad"]}]') > 0 AS made;
SELECT asyncjob.create_pipeline('regress_enc_fail', '[{"name": "a", "handler": "public.regress_enc_fail"}]') > 0 AS made;
SELECT asyncjob.create_pipeline('regress_enc_flow', '[{"name": "a", "handler": "public.regress_enc_flow"}]') > 0 AS made;
SELECT asyncjob.create_pipeline('regress_enc_ext', '[{"name": "a", "handler": "external"}, {"name": "b", "handler": "asyncjob.step_noop"}]') > 0 AS made;
SELECT asyncjob.create_pipeline('regress_enc_cancel', '[{"name": "a", "handler": "public.regress_enc_cancel"}]') > 0 AS made;

-- each kind of job
SELECT asyncjob.submit('noop', '{"name": "Secret-Noop"}', queue => 'regress_enc') AS noop \gset
SELECT asyncjob.submit('noop', '"Secret-Scalar"', queue => 'regress_enc') AS scalar \gset
SELECT asyncjob.submit('regress_enc_chain', '{"name": "Secret-Chain äöü"}', queue => 'regress_enc') AS chain \gset
SELECT asyncjob.submit('regress_enc_plainchain', '{"name": "Secret-Plainchain"}', queue => 'regress_enc') AS plainchain \gset
SELECT asyncjob.submit('regress_enc_branches', '{"name": "Secret-Branches", "list": ["Secret-Item-1", "Secret-Item-2", "Secret-Item-bad"]}', queue => 'regress_enc') AS branches \gset
SELECT asyncjob.create_chat_session('regress_enc');
SELECT asyncjob.submit('regress_enc_fail', '{"name": "Secret-Failed"}', queue => 'regress_enc', session_id => 'regress_enc') AS failed \gset
SELECT asyncjob.submit('regress_enc_flow', '{"name": "Secret-Flow"}', queue => 'regress_enc') AS flow \gset
SELECT asyncjob.submit('regress_enc_ext', '{"name": "Secret-Ext"}', queue => 'regress_enc') AS ext \gset
SELECT asyncjob.submit('regress_enc_cancel', '{"name": "Secret-Cancelled"}', queue => 'regress_enc') AS cancelled \gset
SELECT array_agg(j) AS many FROM asyncjob.submit_many('noop', ARRAY['{"name": "Secret-Many-1"}', '{"name": "Secret-Many-2"}']::jsonb[], queue => 'regress_enc') j \gset
SELECT asyncjob.submit('noop', '{"name": "Secret-Limited"}', queue => 'regress_enc_lim', concurrency_key => 'Clear-Key2') AS limited \gset
SELECT asyncjob.submit('noop', '{"name": "Secret-Old"}', queue => 'regress_enc', unique_key => 'Clear-Key', run_at => now() + interval '1 h') AS uniq \gset
SELECT asyncjob.submit('noop', '{"name": "Secret-New"}', queue => 'regress_enc', unique_key => 'Clear-Key', unique_mode => 'replace') = :uniq AS same;
SELECT asyncjob.submit('noop', '{"name": "Clear-Plain"}', queue => 'regress_enc_plain') AS plain \gset
SELECT asyncjob.params(:uniq), asyncjob.params(:plain), asyncjob.params(:scalar);
SELECT asyncjob.drain() > 0 AS ran;
SELECT asyncjob.emit('regress_enc_go', '{"go": "Clear-Event"}', 'k');
SELECT asyncjob.drain() > 0 AS ran;
RESET ROLE;
SET ROLE regress_aj_enc_worker;
SELECT job_id = :ext AS is_it, token, input FROM asyncjob.claim('{regress_enc}') \gset claim_
SELECT :'claim_is_it' AS is_it, :'claim_input' AS input;
SELECT asyncjob.heartbeat(:ext, :claim_token, progress => 0.5, message => 'Secret-Heartbeat') IS NOT NULL AS held;
SELECT asyncjob.complete(:ext, :claim_token, '{"out": "Secret-Output"}');
RESET ROLE;
SET ROLE regress_aj_enc;
SELECT asyncjob.drain();

-- the owner sees all of it
SELECT asyncjob.result(:noop) AS noop, asyncjob.result(:scalar) AS scalar, asyncjob.result(:chain) AS chain;
SELECT asyncjob.result(:plainchain) AS plainchain, asyncjob.step_result(:plainchain, 'a') AS a, asyncjob.step_result(:plainchain, 'b') IS NOT NULL AS b;
SELECT asyncjob.result(:flow) AS flow, asyncjob.result(:ext) AS ext, asyncjob.result(:limited) AS limited;
SELECT array_agg(asyncjob.result(j) ->> 'name') FROM unnest(:'many'::bigint[]) j;
SELECT (SELECT state FROM asyncjob.status(:branches)), asyncjob.step_result(:branches, 'a') AS items,
    asyncjob.result(:branches) #>> '{steps,b,name}' AS b;
SELECT seq, kind, state, step, level, message, data ->> 'detail' AS detail, data ->> 'item_no' AS item,
    data #>> '{missing,1,sealed,message}' AS missing
    FROM asyncjob.updates(:branches) ORDER BY message COLLATE "C", seq;
SELECT name, state, error_message FROM asyncjob.steps(:branches);
SELECT state, error_code, error_category, error_message, error_detail, error_hint FROM asyncjob.status(:failed);
SELECT error_message FROM asyncjob.list_jobs(state => 'failed');
SELECT error_message FROM asyncjob.steps(:failed);
SELECT kind, level, message, data FROM asyncjob.updates(:chain) WHERE kind = 'log';
SELECT state, message FROM asyncjob.status(:cancelled);
SELECT kind, state, level, message FROM asyncjob.updates(:cancelled) WHERE seq > 2;
SELECT name, size, convert_from(asyncjob.artifact_data(:plainchain, name, size - 9), 'UTF8') AS tail, sha256 = encode(sha256(asyncjob.artifact_data(:plainchain, name)), 'hex') AS whole
    FROM asyncjob.artifacts(:plainchain) ORDER BY name;
SELECT convert_from(asyncjob.artifact_data(:plainchain, 'big.txt', 1048570, 16), 'UTF8') AS across_chunks;
SELECT content FROM asyncjob.chat_message WHERE session_id = 'regress_enc';
-- as a table it shows the envelope
SELECT params ? '$encrypted' AS params, result ? '$encrypted' AS result, split_part(params ->> '$encrypted', ':', 1) AS key_id FROM asyncjob.job WHERE id = :noop;
SELECT message, detail, params ? '$encrypted' AS params FROM asyncjob.dead_letters WHERE job_id = :failed;
RESET ROLE;

-- nothing of it is stored in clear; what isn't encrypted is found by this
SELECT substring(stored() FROM '.{0,200}Secret-.{0,20}') AS leak, stored() ~ 'Clear-Plain' AS finds, stored() ~ 'Clear-Key' AS keys;
SELECT count(*) AS cached FROM asyncjob.step_cache WHERE owner = 'regress_aj_enc'::regrole;

-- an administrator steers, but doesn't read
SET ROLE regress_aj_enc_admin;
SELECT code, message, detail FROM tap.err(format('SELECT asyncjob.result(%s)', :noop));
SELECT code FROM tap.err(format('SELECT asyncjob.params(%s)', :noop));
SELECT code FROM tap.err(format($$SELECT asyncjob.step_result(%s, 'a')$$, :plainchain));
SELECT code FROM tap.err(format($$SELECT asyncjob.artifact_data(%s, 'small.txt')$$, :plainchain));
SELECT state, error_category, error_message, error_detail FROM asyncjob.status(:failed);
SELECT kind, message, data - 'sealed' AS data FROM asyncjob.updates(:failed) WHERE kind = 'attempt';
SELECT message, data ? '$encrypted' AS encrypted FROM asyncjob.updates(:chain) WHERE kind = 'log';
SELECT code FROM tap.err(format($$SELECT asyncjob.redrive('{"job_id": %s}', '{"name": "x"}')$$, :failed));
SELECT asyncjob.redrive(jsonb_build_object('job_id', :failed));
RESET ROLE;
-- nobody else even learns that it exists, and nobody decrypts by hand
SET ROLE regress_aj_enc2;
SELECT code, message FROM tap.err(format('SELECT asyncjob.params(%s)', :noop));
SELECT code FROM tap.err($$SELECT asyncjob._open(1, 'params', 0, 0, '{}', '{}')$$);
SELECT code FROM tap.err($$SELECT * FROM asyncjob.encryption_keys()$$);
SELECT code FROM tap.err($$CALL asyncjob.reencrypt()$$);
SELECT code FROM tap.err($$SHOW asyncjob.encryption_key_file$$);
SELECT count(*) FROM pg_settings WHERE name = 'asyncjob.encryption_key_file';
SET asyncjob.encryption_key_file = '/etc/passwd';
-- nobody makes envelopes
SELECT * FROM tap.err($$SELECT asyncjob.submit('noop', '{"$encrypted": "k1:abcd"}')$$);
SELECT code FROM tap.err($$SELECT asyncjob.submit_many('noop', ARRAY['{}', '{"$encrypted": "k1:abcd"}']::jsonb[])$$);
SELECT code FROM tap.err($$SELECT asyncjob.run('noop', '{"$encrypted": "k1:abcd"}')$$);
SELECT code FROM tap.err($$SELECT asyncjob.emit('e', '{"$encrypted": "k1:abcd"}')$$);
SELECT asyncjob.run('noop', '{"$encrypted": "k1:abcd", "and": 1}');
RESET ROLE;
SET ROLE regress_aj_enc;
SELECT asyncjob.drain();
SELECT asyncjob.redrive(jsonb_build_object('job_id', :failed), '{"name": "Secret-Other", "more": 1}');
SELECT asyncjob.params(:failed);
SELECT asyncjob.drain();
SELECT error_message FROM asyncjob.status(:failed);
RESET ROLE;

-- what is moved to another row can't be opened there
BEGIN;
UPDATE asyncjob.job a SET result = b.result FROM asyncjob.job b WHERE a.id = :noop AND b.id = :scalar;
SET ROLE regress_aj_enc;
SELECT * FROM tap.err(format('SELECT asyncjob.result(%s)', :noop));
ROLLBACK;
BEGIN;
UPDATE asyncjob.job SET result = params WHERE id = :noop;
SET ROLE regress_aj_enc;
SELECT code FROM tap.err(format('SELECT asyncjob.result(%s)', :noop));
ROLLBACK;

-- anybody with the key can do without us
SELECT convert_from(regress_crypto.pgp_sym_decrypt_bytea(decode(split_part(params ->> '$encrypted', ':', 2), 'base64'),
        encode(regress_crypto.hmac(format('%s/params/0/0', id), 'Key-One-' || repeat('x', 40), 'sha256'), 'hex')), 'UTF8')
    FROM asyncjob.job WHERE id = :noop;

-- a new key: what is new is encrypted by it, what is old still opens
COPY (SELECT 'k2 Key-Two-' || repeat('y', 40)) TO PROGRAM :'add_key';
SET ROLE regress_aj_enc;
SELECT asyncjob.submit('noop', '{"name": "Secret-K2"}', queue => 'regress_enc') AS k2 \gset
SELECT asyncjob.submit('regress_enc_plainchain', '{"name": "Secret-Both"}', queue => 'regress_enc', run_at => now() + interval '1 h') AS later \gset
SELECT split_part(params ->> '$encrypted', ':', 1) AS key_id FROM asyncjob.job WHERE id = :k2;
SELECT asyncjob.result(:noop);
RESET ROLE;
SELECT key_id, is_current, configured, in_use > 0 AS in_use FROM asyncjob.encryption_keys();
CALL asyncjob.reencrypt('{"batch": 0}');
CALL asyncjob.reencrypt('{"batch": "many"}');
SET ROLE regress_aj_enc_admin;
CALL asyncjob.reencrypt('{"batch": 3}');
SELECT key_id, is_current, configured, in_use > 0 AS in_use FROM asyncjob.encryption_keys();
CALL asyncjob.reencrypt();
RESET ROLE;
-- the old key can go
COPY (SELECT 'k2 Key-Two-' || repeat('y', 40)) TO PROGRAM :'to_keys';
SET ROLE regress_aj_enc;
SELECT asyncjob.result(:noop) AS noop, asyncjob.result(:scalar) AS scalar, asyncjob.result(:chain) AS chain;
SELECT asyncjob.step_result(:plainchain, 'a') AS a, asyncjob.result(:flow) AS flow, asyncjob.result(:ext) AS ext;
SELECT asyncjob.step_result(:branches, 'a') AS items;
SELECT name, error_message FROM asyncjob.steps(:branches);
SELECT message FROM asyncjob.updates(:branches) WHERE kind IN ('log', 'attempt') ORDER BY message COLLATE "C";
SELECT error_message, error_detail FROM asyncjob.status(:failed);
SELECT name, size, convert_from(asyncjob.artifact_data(:plainchain, name, size - 9), 'UTF8') AS tail FROM asyncjob.artifacts(:plainchain) ORDER BY name;

-- a key is missing: jobs wait, and say why; no attempt is spent
SELECT asyncjob.submit('noop', '{"name": "Secret-Waits"}', queue => 'regress_enc') AS waits \gset
SELECT asyncjob.submit('regress_enc_ext', '{"name": "Secret-ExtWaits"}', queue => 'regress_enc') AS extwaits \gset
RESET ROLE;
COPY (SELECT 'k3 Key-Three-' || repeat('z', 40)) TO PROGRAM :'to_keys';
SELECT key_id, is_current, configured, in_use > 0 AS in_use FROM asyncjob.encryption_keys();
SET ROLE regress_aj_enc;
SELECT * FROM tap.err(format('SELECT asyncjob.result(%s)', :noop));
SELECT error_message FROM asyncjob.status(:failed);
SELECT asyncjob.drain() > 0 AS ran;
SELECT state, attempt, error_message FROM asyncjob.status(:waits);
SELECT asyncjob.explain(:waits);
RESET ROLE;
SET ROLE regress_aj_enc_worker;
SELECT count(*) FROM asyncjob.claim('{regress_enc}');
RESET ROLE;
SET ROLE regress_aj_enc;
SELECT asyncjob.explain(:extwaits);
SELECT asyncjob.drain(until => now() + interval '1 min');
RESET ROLE;
CALL asyncjob.reencrypt();
-- no keys at all
COPY (SELECT '') TO PROGRAM :'no_keys';
SELECT ok, detail FROM asyncjob.check() WHERE item = 'encryption';
SELECT * FROM asyncjob.encryption_keys() WHERE configured;
SET ROLE regress_aj_enc;
SELECT code, message, detail FROM tap.err($$SELECT asyncjob.submit('noop', '{"name": "Secret-Refused"}', queue => 'regress_enc')$$);
SELECT asyncjob.submit('noop', '{"name": "Clear-Other"}', queue => 'regress_enc_plain') > 0 AS others_go_on;
RESET ROLE;
-- it is back
COPY (SELECT 'k2 Key-Two-' || repeat('y', 40)) TO PROGRAM :'to_keys';
SET ROLE regress_aj_enc;
SELECT asyncjob.drain(until => now() + interval '1 min') > 0 AS ran;
SELECT asyncjob.result(:waits), (SELECT attempt FROM asyncjob.status(:waits));
SELECT asyncjob.drain(until => now() + interval '2 h') > 0 AS ran;
SELECT asyncjob.result(:later) #>> '{params,name}' AS later;
RESET ROLE;
SET ROLE regress_aj_enc_worker;
SELECT job_id = :extwaits AS is_it, input FROM asyncjob.claim('{regress_enc}');
RESET ROLE;
-- without pgcrypto
DROP EXTENSION pgcrypto;
SET ROLE regress_aj_enc;
SELECT code, detail FROM tap.err(format('SELECT asyncjob.result(%s)', :noop));
RESET ROLE;
CREATE EXTENSION pgcrypto SCHEMA regress_crypto;
SET ROLE regress_aj_enc;
SELECT asyncjob.result(:noop);
RESET ROLE;

-- a function that pretends to be pgcrypto's sees nothing
CREATE FUNCTION regress_crypto.pgp_sym_decrypt_bytea(bytea, text, integer) RETURNS bytea LANGUAGE sql AS 'SELECT NULL::bytea';
SET ROLE regress_aj_enc;
SELECT asyncjob.result(:noop);
RESET ROLE;

-- off again: for new jobs
SELECT asyncjob.alter_queue('regress_enc', encrypt => false);
SET ROLE regress_aj_enc;
SELECT asyncjob.submit('noop', '{"name": "Clear-Again"}', queue => 'regress_enc') AS clear \gset
SELECT asyncjob.drain() > 0 AS ran;
SELECT asyncjob.result(:clear), asyncjob.result(:noop), (SELECT params FROM asyncjob.job WHERE id = :clear);
RESET ROLE;
SELECT substring(stored() FROM '.{0,200}Secret-.{0,20}') AS leak;
SELECT asyncjob.alter_queue('regress_enc', encrypt => true);
-- synchronous, and in the caller's transaction
SET ROLE regress_aj_enc;
SET asyncjob.synchronous = on;
SELECT asyncjob.submit('regress_enc_plainchain', '{"name": "Secret-Sync"}', queue => 'regress_enc') AS sync \gset
SELECT asyncjob.result(:sync) #>> '{params,name}' AS sync;
RESET asyncjob.synchronous;
RESET ROLE;
SELECT asyncjob.alter_queue('default', encrypt => true);
SET ROLE regress_aj_enc;
SELECT asyncjob.run('regress_enc_plainchain', '{"name": "Secret-Run"}') #>> '{params,name}' AS run;
SELECT asyncjob.run('regress_enc_branches', '{"name": "Secret-Run", "list": ["Secret-Item-1", "Secret-Item-bad"]}') #> '{steps,a}' AS items;
RESET ROLE;
SELECT asyncjob.alter_queue('default', encrypt => false);
SELECT substring(stored() FROM '.{0,200}Secret-.{0,20}') AS leak;

-- a new key in the midst of an artifact, or of reencrypt(): what is one is encrypted by one
SELECT set_config('regress.keys', :'keys', false) AS ignored \gset
CREATE FUNCTION regress_enc_rotate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF position(TG_ARGV[0] IN pg_read_file(current_setting('regress.keys'))) = 0 THEN
        EXECUTE format('COPY (SELECT %L) TO PROGRAM %L', TG_ARGV[0] || repeat('w', 40), 'cat >> ' || current_setting('regress.keys'));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER regress_enc_rotate BEFORE INSERT ON asyncjob.artifact FOR EACH ROW WHEN (NEW.name = 'big.txt') EXECUTE FUNCTION regress_enc_rotate('k4 ');
CREATE TRIGGER regress_enc_rotate BEFORE UPDATE ON asyncjob.artifact_chunk FOR EACH ROW EXECUTE FUNCTION regress_enc_rotate('k5 ');
SET ROLE regress_aj_enc;
SELECT asyncjob.submit('regress_enc_plainchain', '{"name": "Secret-Pieces"}', queue => 'regress_enc') AS pieces \gset
SELECT asyncjob.drain() > 0 AS ran;
SELECT name, convert_from(asyncjob.artifact_data(:pieces, name, size - 9), 'UTF8') AS tail FROM asyncjob.artifacts(:pieces) ORDER BY name;
RESET ROLE;
SELECT name, key_id FROM asyncjob.artifact WHERE job_id = :pieces ORDER BY name;
SELECT code, message FROM tap.err('CALL asyncjob.reencrypt()');
DROP TRIGGER regress_enc_rotate ON asyncjob.artifact;
DROP TRIGGER regress_enc_rotate ON asyncjob.artifact_chunk;
DROP FUNCTION regress_enc_rotate();

\set no_keys 'cat > /dev/null; rm -f ' :keys
COPY (SELECT '') TO PROGRAM :'no_keys';
ALTER SYSTEM RESET asyncjob.encryption_key_file;
SELECT pg_reload_conf();
SELECT asyncjob.cancel(id) FROM asyncjob.job WHERE owner = 'regress_aj_enc'::regrole AND state IN ('queued', 'running', 'waiting') AND item_no IS NULL;
DELETE FROM asyncjob.queue_worker WHERE role = 'regress_aj_enc_worker'::regrole;
DROP SCHEMA regress_crypto CASCADE;
DROP FUNCTION stored();
DROP FUNCTION regress_enc_talk(jsonb), regress_enc_items(jsonb), regress_enc_fail(jsonb), regress_enc_flow(jsonb), regress_enc_cancel(jsonb);
DROP OWNED BY regress_aj_enc, regress_aj_enc2, regress_aj_enc_admin, regress_aj_enc_worker;
DROP ROLE regress_aj_enc, regress_aj_enc2, regress_aj_enc_admin, regress_aj_enc_worker;
\i :engine_on
