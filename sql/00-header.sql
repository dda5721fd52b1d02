-- asyncjob: install script, built from sql/NN-*.sql.
\echo Use "CREATE EXTENSION asyncjob" to load this file. \quit

-- No object of the installing user's schemas may be mistaken for ours.
SET LOCAL search_path TO pg_catalog, pg_temp;

