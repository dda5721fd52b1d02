#!/bin/bash
# scaling.sh: how the cost of a job grows: with the backlog, the payload, the
# workers, the listeners and the finished jobs that are kept; and where a
# worker's time goes.  One metric a line, name<TAB>value<TAB>unit; lines that
# begin with # are settings and remarks.
#
# Run by test/tools/bench.sh (make bench BENCH=scaling).
#
#   QUICK=1              a tenth of the jobs: to try out, not to quote
#   PARTS="payload ..."  some groups only: backlog payload workers listeners
#                        history profile
#
# drain_cpu_us is the worker's processor time for a job, which other load on
# the machine changes less than it changes a rate.
#
# shellcheck disable=SC2034
set -eu
here=$(cd "$(dirname "$0")" && pwd)
WORK=${AJ_WORK:?run me by make bench BENCH=scaling}
DATA=$WORK/data
TMP=$WORK/bench
mkdir -p "$TMP"

SCALE=1
ROUNDS=3
if [ -n "${QUICK:-}" ]; then
    SCALE=10 ROUNDS=1
fi

for part in common submit drain latency pin notify; do
    # shellcheck source=/dev/null
    . "$here/engine/$part.sh"
done

# drained NAME ROUNDS FILL...: FILL queues jobs in a paused queue; their rate
# and the worker's time
drained()
{
    local name=$1 rounds=$2 i n first last before after
    shift 2

    : >"$TMP/a"
    : >"$TMP/c"
    for ((i = 0; i < rounds; i++)); do
        pause
        "$@"
        sql 'ANALYZE asyncjob.job'
        read -r first last <<<"$(queued_ids)"
        n=$((last - first + 1))
        before=$(workers_cpu_ns)
        drain "$first" "$last" >>"$TMP/a"
        after=$(workers_cpu_ns)
        calc "($after - $before) / 1000 / $n" 1 >>"$TMP/c"
        echo >>"$TMP/c"
    done
    emit "drain_rate_$name" "$(median "$TMP/a")" jobs/s
    [ "$rounds" = 1 ] || rounds "drain_rate_$name" "$TMP/a"
    emit "drain_cpu_us_$name" "$(median "$TMP/c")" us
}

# 10^3 to 10^6 queued
group_backlog()
{
    local n

    workers 1
    reset
    fill_and_drain $((100000 / SCALE)) >/dev/null
    for n in 1000 10000 100000 1000000; do
        n=$((n / SCALE))
        reset
        drained "backlog_$n" "$((n >= 100000 ? 1 : ROUNDS))" fill "$n"
    done
    # one more when there are a million
    for n in 1000 1000000; do
        n=$((n / SCALE))
        reset
        pause
        fill "$n"
        submit_script "$SUBMIT" | bench -T 3 >"$TMP/a"
        emit "submit_rate_backlog_$n" "$(median "$TMP/a")" jobs/s
    done
    reset
    resume
}

# N jobs of so many bytes of JSON, which can't be compressed
fill_bytes()
{
    q -v n="$1" -v size="$2" >/dev/null <<'SQL'
SELECT count(*) FROM generate_series(1, :n) i CROSS JOIN LATERAL asyncjob.submit('noop',
    jsonb_build_object('k', left((SELECT string_agg(sha512((i + 1000 * c)::text::bytea)::text, '')
    FROM generate_series(0, :size / 128) c), :size - 9))) s;
SQL
}

group_payload()
{
    local size n from to

    workers 1
    for size in 100 1000 10000 100000 1000000; do
        n=$((10000000 / SCALE / (size + 900)))
        [ "$n" -ge 20 ] || n=20
        [ "$n" -le 10000 ] || n=10000
        reset
        pause
        from=$(sql 'SELECT pg_current_wal_flush_lsn()')
        fill_bytes "$n" "$size"
        to=$(sql 'SELECT pg_current_wal_flush_lsn()')
        emit "submit_wal_bytes_payload_$size" "$(calc "$(wal_bytes "$from" "$to") / $n" 0)" bytes
        sql CHECKPOINT
        from=$(sql 'SELECT pg_current_wal_flush_lsn()')
        drained "payload_$size" 1 true
        to=$(sql 'SELECT pg_current_wal_flush_lsn()')
        emit "process_wal_bytes_payload_$size" "$(calc "$(wal_bytes "$from" "$to") / $n" 0)" bytes
    done
    reset
    resume
}

fill_inserts()
{
    sql "CALL bench.fill($1, pipeline => 'bench_insert')"
}

# one transaction for a batch (noop), and one for each job
group_workers()
{
    local w

    for w in 1 2 4; do
        workers "$w"
        reset
        drained "workers_$w" "$ROUNDS" fill $((200000 / SCALE))
        reset
        drained "sql_workers_$w" "$ROUNDS" fill_inserts $((20000 / SCALE))
    done
    workers 1
    reset
    resume
}

# at a steady 10,000 jobs/s, as engine.sh's notify_cost_pct, and how soon the
# last of so many sessions hears of a change when there are 36 jobs a second
group_listeners()
{
    local n

    setting max_connections 1100
    pg_ctl -D "$DATA" -l "$WORK/server.log" -s -m fast -w restart >/dev/null
    workers 1
    for n in 0 1 10 100 1000; do
        steady "$n"
        emit "worker_us_listeners_$n" "$(calc "$STEADY / 1000" 1)" us
        emit "notify_us_listeners_$n" "$(calc "$STEADY_NOTIFY / 1000" 1)" us
        remark "  $STEADY_RATE jobs/s"
        [ "$n" -gt 0 ] || continue
        notify_latency "$n" $((1000 / SCALE))
        emit "notify_p50_us_listeners_$n" "$NOTIFY_P50" us
        remark "  p99: $NOTIFY_P99 us"
    done
    reset
}

# finished jobs that nothing has deleted, up to ten million, and how fast
# retention then deletes them
group_history()
{
    local n total=0 deleted seconds=$((SCALE == 1 ? 20 : 5))

    workers 1
    reset
    for n in 0 100000 1000000 10000000; do
        n=$((n / SCALE))
        while [ "$total" -lt "$n" ]; do
            pause
            fill $((n - total > 500000 ? 500000 : n - total))
            # shellcheck disable=SC2046
            drain $(queued_ids) >/dev/null
            total=$(sql "SELECT count(*) FROM asyncjob.job")
        done
        sql 'VACUUM (ANALYZE) asyncjob.job'
        sql CHECKPOINT
        drained "history_$n" 1 fill $((100000 / SCALE))
        pause
        submit_script "$SUBMIT" | bench -T 3 >"$TMP/a"
        emit "submit_rate_history_$n" "$(median "$TMP/a")" jobs/s
        # shellcheck disable=SC2046
        drain $(queued_ids) >/dev/null
        total=$(sql 'SELECT count(*) FROM asyncjob.job')
    done

    deleted=$(oldest_id)
    sql "SELECT asyncjob.set_retention('result', '1 s')" >/dev/null
    until [ "$(oldest_id)" != "$deleted" ]; do
        sleep 0.1
    done
    deleted=$(oldest_id)
    sleep "$seconds"
    emit prune_rate "$((($(oldest_id) - deleted) / seconds))" jobs/s
    drained pruning 1 fill $((100000 / SCALE))
    sql "SELECT asyncjob.reset_retention('result')" >/dev/null
    reset
    resume
}

# ids have no gaps here, so this counts what has been deleted
oldest_id()
{
    sql 'SELECT coalesce(min(id), 0) FROM asyncjob.job'
}

# profile NAME SECONDS: the functions that a worker spends most time in, and
# what is under the parts of a job
profile()
{
    perf record -q -F 1999 -g -p "$(worker_pid)" -o "$TMP/perf.data" -- sleep "$2" \
        >"$TMP/perf.log" 2>&1 || {
        remark "  no profile: $(head -1 "$TMP/perf.log")"
        return 0
    }
    remark "  $1: functions by their own time"
    perf report -i "$TMP/perf.data" --no-children --stdio -g none -s symbol --percent-limit 1 2>/dev/null |
        grep -E '^ +[0-9]' | head -25 | sed 's/^/# /'
    remark "  $1: with what they call"
    perf report -i "$TMP/perf.data" --children --stdio -g none -s symbol --percent-limit 3 2>/dev/null |
        grep -E ' (aj|Commit|XLog|Exec|index|heap|fmgr|Start|Portal|jsonb|pg_fsync|_SPI)' |
        head -40 | sed 's/^/# /'
}

group_profile()
{
    command -v perf >/dev/null || {
        remark "  perf is not there"
        return 0
    }
    workers 1
    reset
    pause
    fill $((500000 / SCALE))
    resume
    profile "no-op jobs in batches" "$((SCALE == 1 ? 3 : 1))"
    reset
    pause
    fill_inserts $((50000 / SCALE))
    resume
    profile "jobs of a plpgsql handler that inserts a row" "$((SCALE == 1 ? 5 : 1))"
    # what is left is not waited for
    pause
    reset
    resume
}

prepare_bench
settings "how asyncjob scales"
for group in ${PARTS:-backlog payload workers listeners history profile}; do
    remark "$group: load $(cut -d' ' -f1-3 /proc/loadavg)"
    "group_$group"
done
