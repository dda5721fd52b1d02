-- Cached outputs of steps. C: src/engine/cache.c.

CREATE FUNCTION asyncjob.clear_cache() RETURNS bigint
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'aj_clear_cache';
COMMENT ON FUNCTION asyncjob.clear_cache() IS
'Forget the cached outputs of the caller''s steps (keys cache_ttl of pipelines); returns how many there were.';
