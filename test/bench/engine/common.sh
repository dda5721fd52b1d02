# common.sh: what the groups of engine.sh share.
#
# shellcheck shell=bash disable=SC2119,SC2120,SC2154

q()
{
    psql -qXAt -v ON_ERROR_STOP=1 "$@"
}

sql()
{
    q -c "$1"
}

die()
{
    printf '%s\n' "$*" >&2
    exit 1
}

remark()
{
    printf '# %s\n' "$*"
}

emit()
{
    case $2 in
        '' | *[!0-9.e+-]*) die "$1 has no value: $2" ;;
    esac
    printf '%s\t%s\t%s\n' "$1" "$2" "$3"
}

calc()
{
    awk "BEGIN { printf \"%.${2:-3}f\", $1 }"
}

# median of the numbers of a file
median()
{
    sort -g "$1" | awk '{ v[NR] = $1 }
        END { if (NR == 0) exit 1
              print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# all rounds of a figure, for the remark under it
rounds()
{
    remark "  rounds of $1: $(paste -sd' ' "$2")"
}

# line N of FILE divided by line N of the other
ratios()
{
    paste "$1" "$2" | awk '{ printf "%.3f\n", $1 / $2 }'
}

# What the benchmark needs in its database.
prepare_bench()
{
    make -s -C "$here/loop" PG_CONFIG="$PG_CONFIG" \
        AJ_INCLUDE="$here/../../src/include" >"$TMP/loop.log" 2>&1 || {
        cat "$TMP/loop.log" >&2
        die "the hand-written loop did not build"
    }
    gcc -O2 -Wall -Wextra -I"$("$PG_CONFIG" --includedir)" -o "$TMP/listen" \
        "$here/client/listen.c" -L"$("$PG_CONFIG" --libdir)" -lpq
    sql "ALTER SYSTEM SET dynamic_library_path =
         '$here/loop:$(sql 'SHOW dynamic_library_path')'" >/dev/null
    sql 'SELECT pg_reload_conf()' >/dev/null
    sleep 0.2
    q -f "$here/engine/setup.sql" >/dev/null
}

# settings TITLE: on what it is measured, in remarks
settings()
{
    local name

    remark "$1, $(date -u +%Y-%m-%d)${QUICK:+, QUICK: too few jobs to quote}"
    remark "$(sql 'SELECT version()')"
    remark "$(nproc) processors, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(sed -n 's/^MemTotal: *//p' /proc/meminfo)"
    for name in fsync synchronous_commit full_page_writes wal_sync_method \
        wal_level shared_buffers max_wal_size min_wal_size checkpoint_timeout autovacuum \
        jit asyncjob.max_workers asyncjob.notify_interval \
        asyncjob.worker_idle_timeout asyncjob.poll_interval; do
        remark "$name = $(sql "SHOW $name")"
    done
    remark "fdatasync of 8 kB: $(pg_test_fsync -s 1 -f "$TMP/fsync" 2>/dev/null |
        awk '$1 == "fdatasync" { print $4, $5; exit }') (pg_test_fsync)"
    [ "$(sql 'SHOW fsync')/$(sql 'SHOW synchronous_commit')" = on/on ] ||
        die "the cluster is not durable"
}

# An empty queue.  The checkpoint is here so that none is in what follows.
reset()
{
    sql 'TRUNCATE asyncjob.job, asyncjob.job_update, asyncjob.checkpoint,
         bench.job, bench.effect'
    sql CHECKPOINT
}

pause()
{
    sql "SELECT asyncjob.pause_queue('${1:-default}')" >/dev/null
}

resume()
{
    sql "SELECT asyncjob.resume_queue('${1:-default}')" >/dev/null
}

setting()
{
    sql "ALTER SYSTEM SET $1 = '$2'"
    sql 'SELECT pg_reload_conf()' >/dev/null
    sleep 0.2
}

# No worker but at most so many from now on, and one of them at hand.
workers()
{
    setting asyncjob.max_workers "$1"
    sql "SELECT pg_terminate_backend(pid, 5000) FROM asyncjob.workers() WHERE pid <> 0" >/dev/null
    warm
}

warm()
{
    sql "CALL asyncjob.await(asyncjob.submit('noop', queue => 'warm'), '10 s')" |
        grep -q completed || die "no worker came"
}

# pid of the one worker
worker_pid()
{
    local pid

    pid=$(sql 'SELECT pid FROM asyncjob.workers()')
    case $pid in
        '' | *[!0-9]*) die "there is not one worker but: $pid" ;;
    esac
    echo "$pid"
}

# Queries of the benchmark itself look at jobs from this id on, by the primary
# key.  Where millions are kept, to read all would push what is measured out of
# memory and have it pay for writing out what was dirty.
FROM_ID=0

# fill N [queue priority delay]
fill()
{
    local queue=${2:-default} last

    last=$(last_id)
    sql "CALL bench.fill($1, '$queue', '${3:-5}', ${4:-NULL})"
    [ "$(count_queued "$last" "$queue")" = "$1" ] ||
        die "jobs of the paused queue $queue were run"
    [ "$FROM_ID" != 0 ] || sql 'ANALYZE asyncjob.job'
}

last_id()
{
    sql 'SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM asyncjob.job_id_seq'
}

# count_queued ID QUEUE: jobs after that id
count_queued()
{
    sql "SELECT count(*) FROM asyncjob.job j JOIN asyncjob.queue q
         ON q.id = j.queue_id
         WHERE j.id > $1 AND q.name LIKE '$2' AND j.state = 'queued'"
}

# Wait until none of the queued jobs from an id on, to another, is left.
until_done()
{
    local i

    for ((i = 0; i < 3600; i++)); do
        [ "$(sql "SELECT EXISTS (SELECT FROM asyncjob.job WHERE id BETWEEN $1
              AND $2 AND state NOT IN ('completed', 'failed', 'cancelled'))")" = t ] ||
            return 0
        sleep 0.5
    done
    die "jobs $1 to $2 were not done in time"
}

# Release a paused queue that holds the jobs of ids $1 to $2 and nothing else
# that is ready; jobs per second from before the release to the end of the
# last, which is the later of await()'s return and the last finished_at.
drain()
{
    local got

    # await() speaks of the last job; with two workers another may end later
    q -v first="$1" -v last="$2" -v queue="${3:-default}" >"$TMP/drain" <<'SQL'
SELECT clock_timestamp() AS begun \gset
SELECT asyncjob.resume_queue(:'queue') \g /dev/null
CALL asyncjob.await(:last) \g /dev/null
SELECT clock_timestamp() AS ended \gset
SELECT pg_sleep(0.1) \g /dev/null
SELECT count(*) || ' ' || round(count(*) / extract(epoch FROM
    greatest(:'ended', max(finished_at)) - :'begun'))
FROM asyncjob.job
WHERE id BETWEEN :first AND :last AND state = 'completed' AND result = params;
SQL
    read -r got rate <"$TMP/drain"
    [ "$got" = $(($2 - $1 + 1)) ] || die "$got jobs of $(($2 - $1 + 1)) are completed"
    echo "$rate"
}

# ids of the jobs of a queue that are queued: "first last"
queued_ids()
{
    sql "SELECT min(j.id) || ' ' || max(j.id) FROM asyncjob.job j
         JOIN asyncjob.queue q ON q.id = j.queue_id
         WHERE j.id >= $FROM_ID AND q.name = '${1:-default}'
           AND j.state = 'queued' AND j.run_at <= now()"
}

# fill_and_drain N: a rate
fill_and_drain()
{
    local first last

    pause
    fill "$1"
    read -r first last <<<"$(queued_ids)"
    drain "$first" "$last"
}

# Scans of the index that a claim loop has to read.
ready_scans()
{
    sql "SELECT sum(idx_scan) FROM pg_stat_user_indexes
         WHERE relid = 'bench.job'::regclass
           AND pg_get_indexdef(indexrelid) LIKE '% (owner, queue_id, priority, run_at, id)%'"
}

# The hand-written loop in so many sessions, on the rows in bench.job.
loop()
{
    local sessions=$1 batch=$2 n i pids=() scans

    n=$(sql "SELECT count(*) FROM bench.job WHERE state = 'queued'")
    scans=$(ready_scans)
    for ((i = 0; i < sessions; i++)); do
        # a generic plan knows no LIMIT and may think of reading all rows, or of
        # sorting them instead of reading the index in its order
        PGOPTIONS='-c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off -c enable_bitmapscan=off -c enable_sort=off' \
            q >"$TMP/loop.$i" <<SQL &
SELECT extract(epoch FROM clock_timestamp()), bench.cpu_ns();
CALL bench.claim_loop($batch, NULL);
SELECT extract(epoch FROM clock_timestamp()), bench.cpu_ns();
SQL
        pids+=($!)
    done
    wait "${pids[@]}"
    [ "$(sql "SELECT count(*) FROM bench.job WHERE state = 'completed'
              AND result = params")" = "$n" ] || die "the loop left rows"
    [ "$(ready_scans)" -ge $((scans + n / batch)) ] ||
        die "the loop by hand did not read the index of ready jobs"
    for ((i = 0; i < sessions; i++)); do
        tr '|' ' ' <"$TMP/loop.$i" | paste -sd' '
    done | awk -v n="$n" -v cpu="$TMP/loop.cpu" '
        NR == 1 || $1 < begun { begun = $1 }
        NR == 1 || $4 > ended { ended = $4 }
        { used += $5 - $2 }
        END { printf "%.0f\n", n / (ended - begun)
              printf "%.0f\n", used / n >>cpu }'
}

# The queued rows again, for the loop.
copy_rows()
{
    sql "INSERT INTO bench.job SELECT * FROM asyncjob.job WHERE state = 'queued' ORDER BY id"
    sql 'ANALYZE bench.job'
}

# percentile P of result.us of completed jobs of a pipeline; $2 must be their
# number
pickup_percentiles()
{
    q -v pipeline="$1" -v n="$2" <<'SQL'
SELECT CASE WHEN count(*) = :n THEN round(percentile_cont(0.5) WITHIN GROUP (ORDER BY us)::numeric)
            || ' ' || round(percentile_cont(0.99) WITHIN GROUP (ORDER BY us)::numeric)
       ELSE 'lost ' || count(*) END
FROM (SELECT (j.result ->> 'us')::float8 AS us FROM asyncjob.job j
      JOIN asyncjob.pipeline p ON p.id = j.pipeline_id
      WHERE p.name = :'pipeline' AND j.state = 'completed') s;
SQL
}

# nanoseconds that a process has had a processor
cpu_ns()
{
    cut -d' ' -f1 "/proc/$1/schedstat"
}

# bench TRANSACTIONS-OR-SECONDS-OPTIONS...: pgbench of stdin's script
bench()
{
    cat >"$TMP/script"
    pgbench -n -M prepared -f "$TMP/script" "$@" >"$TMP/pgbench" 2>&1 || {
        cat "$TMP/pgbench" >&2
        die "pgbench failed"
    }
    ! grep -q '^number of failed transactions: [1-9]' "$TMP/pgbench" ||
        die "transactions of pgbench failed"
    awk '$1 == "tps" { printf "%.0f\n", $3 }' "$TMP/pgbench"
}
