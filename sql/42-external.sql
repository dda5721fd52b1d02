-- External workers: programs that claim steps over SQL.

CREATE FUNCTION asyncjob.claim(
        queues text[], n integer DEFAULT 1, lease interval DEFAULT '5 min')
    RETURNS TABLE (job_id bigint, token bigint, queue text, pipeline text,
                   step text, attempt integer, input jsonb,
                   lease_until timestamptz, user_id text, session_id text)
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_claim';
COMMENT ON FUNCTION asyncjob.claim(text[], integer, interval) IS
'Claim up to n (1..1000) ready external steps of these queues for the length of a lease (1 ms to 366 days), the most urgent first: one''s own jobs, and those of queues one was given by grant_worker(). Every row''s token is needed to finish it. Errors: 42704 unknown queue, 22023 n or lease out of range.';

CREATE PROCEDURE asyncjob.claim_wait(
        IN queues text[], IN n integer DEFAULT 1,
        IN lease interval DEFAULT '5 min', IN timeout interval DEFAULT '20 s',
        INOUT jobs jsonb DEFAULT NULL)
    LANGUAGE c AS 'MODULE_PATHNAME', 'aj_claim_wait';
COMMENT ON PROCEDURE asyncjob.claim_wait(text[], integer, interval, interval, jsonb) IS
'As claim(), but waits for work up to timeout (0 to 20 s), holding no transaction meanwhile; returns an array of objects with the columns of claim() as keys, empty if nothing came. Not inside a transaction block.';

CREATE FUNCTION asyncjob.heartbeat(
        job_id bigint, token bigint, lease interval DEFAULT '5 min',
        progress double precision DEFAULT NULL, message text DEFAULT NULL)
    RETURNS timestamptz
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_heartbeat';
COMMENT ON FUNCTION asyncjob.heartbeat(bigint, bigint, interval, double precision, text) IS
'Hold a claimed job for the length of a lease from now, and show progress (0..1); returns the lease''s end. Error 55000: the job is not held under this token any more; stop working on it.';

CREATE FUNCTION asyncjob.complete(job_id bigint, token bigint, output jsonb DEFAULT NULL)
    RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_complete';
COMMENT ON FUNCTION asyncjob.complete(bigint, bigint, jsonb) IS
'Finish a claimed step with its output, in the caller''s transaction; returns the job''s state: completed, or queued if steps follow. Error 55000: the job is not held under this token any more; nothing is stored.';

CREATE FUNCTION asyncjob.fail(
        job_id bigint, token bigint, message text, sqlstate text DEFAULT 'AJ104',
        detail text DEFAULT NULL, hint text DEFAULT NULL, code text DEFAULT NULL)
    RETURNS text
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_fail';
COMMENT ON FUNCTION asyncjob.fail(bigint, bigint, text, text, text, text, text) IS
'Report that a claimed step failed; the SQLSTATE decides, as that of a handler''s error, whether and when it is tried again. Returns the job''s state: queued, failed or cancelled. Errors: 55000 not held under this token any more, 22023 not an SQLSTATE.';

CREATE FUNCTION asyncjob.grant_worker(queue text, role regrole) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_grant_worker';
COMMENT ON FUNCTION asyncjob.grant_worker(text, regrole) IS
'Let a role, and its members, claim everybody''s external steps of a queue, and so read their input. Administrators only. Error 42704: no such queue.';

CREATE FUNCTION asyncjob.revoke_worker(queue text, role regrole) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_revoke_worker';
COMMENT ON FUNCTION asyncjob.revoke_worker(text, regrole) IS
'Take back what grant_worker() gave. Administrators only.';
