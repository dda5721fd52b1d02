-- A session reads changed settings between two commands, so the loop is one
-- of psql's.  A worker that starts after this reads them at its start.
SELECT current_setting('asyncjob.enabled') = 'on' AS still_on \gset
\if :still_on
SELECT pg_sleep(0.01) AS ignored \gset
\ir wait_off.sql
\endif
