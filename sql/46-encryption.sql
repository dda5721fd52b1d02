-- Encrypted queues. C: src/engine/seal.c, src/engine/api_seal.c.

CREATE FUNCTION asyncjob.params(job_id bigint) RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_params';
COMMENT ON FUNCTION asyncjob.params(bigint) IS
'What a job was submitted with, also where it is encrypted. Errors: 42704 no such job, or not the caller''s; 42501 it is encrypted and another role''s; AJ010 its key is missing.';

CREATE FUNCTION asyncjob.encryption_keys()
    RETURNS TABLE (key_id text, is_current boolean, configured boolean, in_use bigint)
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_encryption_keys';
COMMENT ON FUNCTION asyncjob.encryption_keys() IS
'Ids of the keys by asyncjob.encryption_key_file or asyncjob.encryption_key_command, and of others by which something is encrypted (configured false: a key that is missing); in_use is the number of values. Reads all encrypted jobs. Administrators only.';

CREATE PROCEDURE asyncjob.reencrypt(INOUT report jsonb DEFAULT '{}')
    LANGUAGE c AS 'MODULE_PATHNAME', 'aj_reencrypt';
COMMENT ON PROCEDURE asyncjob.reencrypt(jsonb) IS
'Encrypt by the current key whatever is encrypted by another one, {"batch": n} jobs a transaction (100); says how many rows it changed. Nobody is kept waiting but for one batch. Can be a handler: then its progress is the job''s. Administrators only. Error AJ010: a key is missing.';

-- For the engine's own statements; nobody else is given them.

CREATE FUNCTION asyncjob._seal(job_id bigint, what text, step_no integer,
        item_no integer, value jsonb, like_this jsonb) RETURNS jsonb
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_seal_sql';
COMMENT ON FUNCTION asyncjob._seal(bigint, text, integer, integer, jsonb, jsonb) IS
'Internal: a value encrypted for its place, if like_this is encrypted.';

CREATE FUNCTION asyncjob._open(job_id bigint, what text, step_no integer,
        item_no integer, value jsonb, like_this jsonb) RETURNS jsonb
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_open_sql';
COMMENT ON FUNCTION asyncjob._open(bigint, text, integer, integer, jsonb, jsonb) IS
'Internal: a value decrypted, if like_this is encrypted.';

CREATE FUNCTION asyncjob._can_open(job_id bigint, what text, step_no integer,
        item_no integer, value jsonb) RETURNS boolean
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_can_open_sql';
COMMENT ON FUNCTION asyncjob._can_open(bigint, text, integer, integer, jsonb) IS
'Internal: can a value be decrypted now?';

CREATE FUNCTION asyncjob._open_error(reader oid, owner oid, job_id bigint, error jsonb)
    RETURNS jsonb
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_open_error_sql';
COMMENT ON FUNCTION asyncjob._open_error(oid, oid, bigint, jsonb) IS
'Internal: an error with what it says, if that is for the reader.';

CREATE FUNCTION asyncjob._open_update(reader oid, owner oid, job_id bigint,
        message text, data jsonb) RETURNS jsonb
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_open_update_sql';
COMMENT ON FUNCTION asyncjob._open_update(oid, oid, bigint, text, jsonb) IS
'Internal: a line of history decrypted, if that is for the reader; null if nothing of it is encrypted.';

CREATE FUNCTION asyncjob._stale(value jsonb) RETURNS boolean
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_stale_sql';
COMMENT ON FUNCTION asyncjob._stale(jsonb) IS
'Internal: is something in it encrypted by another key than the current one?';

CREATE FUNCTION asyncjob._sealed_by(value jsonb) RETURNS text[]
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_sealed_by_sql';
COMMENT ON FUNCTION asyncjob._sealed_by(jsonb) IS 'Internal: ids of the keys by which something in it is encrypted.';

CREATE FUNCTION asyncjob._reseal(job_id bigint, what text, step_no integer,
        item_no integer, value jsonb) RETURNS jsonb
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_reseal_sql';
COMMENT ON FUNCTION asyncjob._reseal(bigint, text, integer, integer, jsonb) IS
'Internal: a value, what is encrypted in it by the current key.';

CREATE FUNCTION asyncjob._reseal_bytes(job_id bigint, what text, step_no integer,
        item_no integer, data bytea, key_id text) RETURNS bytea
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_reseal_bytes_sql';
COMMENT ON FUNCTION asyncjob._reseal_bytes(bigint, text, integer, integer, bytea, text) IS
'Internal: a piece of an artifact, encrypted by the current key.';

CREATE FUNCTION asyncjob._seal_problem() RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_seal_problem_sql';
COMMENT ON FUNCTION asyncjob._seal_problem() IS 'Internal: why nothing can be encrypted here, or null.';
