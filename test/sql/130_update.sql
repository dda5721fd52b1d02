-- A database that was updated from an older version has what a new one has.
-- (040_upgrade.pl does it with jobs in flight.)
\getenv abs_srcdir PG_ABS_SRCDIR
\set describe :abs_srcdir '/upgrade/describe.sql'
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE DATABASE regression_update TEMPLATE template0;
CREATE DATABASE regression_fresh TEMPLATE template0;

\c regression_update
CREATE EXTENSION asyncjob VERSION '0.1.0';
ALTER EXTENSION asyncjob UPDATE;
SET client_min_messages = warning;
\o /dev/null
\i :describe
SELECT array_agg(line) AS updated FROM described \gset
\o

\c regression_fresh
CREATE EXTENSION asyncjob;
\o /dev/null
\i :describe
\o
SELECT count(*) > 300 AS says_something FROM described;
\pset format unaligned
\pset tuples_only
SELECT 'only in a new database: ' || line FROM described WHERE line <> ALL (:'updated'::text[])
UNION ALL
SELECT 'only in an updated one: ' || line FROM unnest(:'updated'::text[]) u (line) WHERE line NOT IN (TABLE described)
UNION ALL
SELECT unnest(ARRAY[
    'HELP: whoever changes sql/ sees to the update from 0.1.0 as well:',
    'HELP: - functions, views, policies, comments, rights, and new tables, types and indexes come into the update',
    'HELP:   script by themselves (sql/updates/build.awk);',
    'HELP: - what changes a table, type, index or row that 0.1.0 has is written by hand into a part of one''s own,',
    'HELP:   sql/updates/0.1.0/NN-topic.sql: ALTER TABLE asyncjob.x ADD COLUMN; ALTER TYPE ... ADD ATTRIBUTE;',
    'HELP:   DROP FUNCTION before a change of its result, DROP VIEW before one of its columns.',
    'HELP:   NN below 50 runs before today''s functions are there, from 50 on after that;',
    'HELP: - new columns of a table that 0.1.0 has go to its end, so does a new attribute of a type;',
    'HELP: - a built-in pipeline is never changed but gets a further version, there with the same id below 1000.',
    'HELP: See docs/architecture.md, "Updates".'])
WHERE EXISTS (SELECT FROM described WHERE line <> ALL (:'updated'::text[]))
   OR EXISTS (SELECT FROM unnest(:'updated'::text[]) u (line) WHERE line NOT IN (TABLE described));
-- an update again, and one that calls what belongs to it
ALTER EXTENSION asyncjob UPDATE;
SELECT asyncjob._updated();

\c contrib_regression
DROP DATABASE regression_update;
DROP DATABASE regression_fresh;
