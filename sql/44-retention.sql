-- Retention. C: src/engine/api_retention.c.

CREATE FUNCTION asyncjob.set_retention(kind text, keep interval, queue text DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_set_retention';
COMMENT ON FUNCTION asyncjob.set_retention(text, interval, text) IS
'Keep things of a kind for so long (null: for ever), in one queue or in all that have no rule of their own: result (completed and cancelled jobs, 7 days after their end), dead_letter (14 days), queued (4 days after it was due a job becomes a dead letter), artifact and artifact:KIND (as long as their job, and what retention_defaults has for the kind; a job stays as long as it has artifacts), event and event:NAME (events with a key, 30 days; they belong to no queue). Administrators only. Errors: 22023 unknown kind or negative time, 42704 no such queue.';

CREATE FUNCTION asyncjob.reset_retention(kind text, queue text DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_reset_retention';
COMMENT ON FUNCTION asyncjob.reset_retention(text, text) IS
'Forget a rule of set_retention(); false if there was none. Administrators only. Error 42704: no such queue.';

CREATE FUNCTION asyncjob.pin(job_id bigint, duration interval DEFAULT '1 hour') RETURNS timestamptz
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_pin';
COMMENT ON FUNCTION asyncjob.pin(bigint, interval) IS
'Hold a job and its artifacts: nothing of it is pruned or purged until then, or until unpin(). Called again it holds longer, never shorter. Errors: 42704 unknown job, 22023 duration not above 0 or above 30 days.';

CREATE FUNCTION asyncjob.unpin(job_id bigint) RETURNS boolean
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_unpin';
COMMENT ON FUNCTION asyncjob.unpin(bigint) IS
'Let go of a job that this role pinned; false if it had not. Error 42704: unknown job.';

CREATE FUNCTION asyncjob.prune(OUT deleted bigint, OUT artifacts bigint, OUT expired bigint)
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_prune';
COMMENT ON FUNCTION asyncjob.prune() IS
'Delete now what is kept no longer, as the coordinator does in small steps; tells how many jobs and artifacts were deleted, and how many queued jobs became dead letters. Administrators only.';
