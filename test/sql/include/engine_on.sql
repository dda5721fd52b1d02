-- Workers take jobs again.
\set ECHO none
ALTER SYSTEM RESET asyncjob.enabled;
SELECT pg_reload_conf() AS ignored \gset
\set ECHO all
