#!/bin/bash
# bench.sh: run every test/bench/*.sh against a private cluster of its own
# build.  A script gets PGHOST, PGPORT and PGUSER, a database "bench" with the
# extension, and prints its figures; BENCH="name ..." picks some.  The cluster
# is durable (fsync on): a rate without it says nothing.  Its other settings
# are test/bench/bench.conf's.
set -eu
# shellcheck source=test/tools/lib.sh
. "$(dirname "$0")/lib.sh"

scripts=("$ROOT"/test/bench/*.sh)
if [ ! -e "${scripts[0]}" ]; then
    die "there is no benchmark in test/bench"
fi
# what a benchmark needs beside what the tests do, while we may install it
if [ -z "${AJ_WORK:-}" ]; then
    for name in ${BENCH:-$(basename -s .sh "${scripts[@]}")}; do
        if [ -x "$ROOT/test/bench/$name/prereqs.sh" ]; then
            "$ROOT/test/bench/$name/prereqs.sh"
        fi
    done
fi
enter_copy "$@"

build_dest
# pg_cron would look for its own database all the time
sed -i -e '/^fsync = off/d' -e "s/,pg_cron'/'/" -e '/^cron\./d' "$TEMP_CONFIG"
cat test/bench/bench.conf >>"$TEMP_CONFIG"
start_server

# A server that has run for a while writes into files of WAL that it has used
# before.  In a new one each has to be filled with zeros first, which takes as
# long as thousands of jobs.
psql -qX -d postgres -o /dev/null <<'SQL'
DO $$
BEGIN
    FOR i IN 1..250 LOOP
        PERFORM pg_logical_emit_message(false, 'bench', 'the next file');
        PERFORM pg_switch_wal();
    END LOOP;
END $$;
CHECKPOINT;
CHECKPOINT;
SQL

# Nor has it memory that is free.  A virtual machine may have to ask for each
# page of it that is used anew, at more than the cost of a whole job, so a table
# that grows would be slower than one that stays.  Pages of the holes of a file
# take the place of what a server has read in the meantime: they are given up
# as soon as others are wanted.
free=$(awk '/^MemFree:/ { print int($2 / 1024) }' /proc/meminfo)
truncate -s "${free}M" "$WORK/memory"
cat "$WORK/memory" >/dev/null

rc=0
for script in test/bench/*.sh; do
    name=$(basename "$script" .sh)
    if [ -n "${BENCH:-}" ] && [[ " $BENCH " != *" $name "* ]]; then
        continue
    fi
    echo "== $name"
    dropdb --if-exists --force bench 2>/dev/null
    createdb bench
    psql -qX -d bench -c 'CREATE EXTENSION asyncjob'
    PGDATABASE=bench run "$script" || rc=1
done
exit $rc
