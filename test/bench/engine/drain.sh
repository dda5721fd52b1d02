# drain.sh: drain_rate_1, drain_ratio_1, drain_ratio_2, drain_sql_rate_1,
# drain_rate_1m, worker_rss_growth_bytes_per_job.
#
# shellcheck shell=bash disable=SC2119,SC2153

best_batch()
{
    local sessions=$1 n rate best=0 batch=0

    for n in 100 500 1000; do
        reset
        pause
        fill "$JOBS"
        copy_rows
        rate=$(loop "$sessions" "$n")
        remark "  by hand, $sessions session(s), $n a transaction: $rate" >&2
        if [ "$rate" -gt "$best" ]; then
            best=$rate
            batch=$n
        fi
    done
    echo "$batch"
}

# compare WORKERS: $TMP/a gets the engine's rates, $TMP/b the loop's
compare()
{
    local batch i first last before after

    batch=$(best_batch "$1" 2>"$TMP/best")
    cat "$TMP/best"
    reset
    workers "$1"
    fill_and_drain "$((JOBS / 2))" >/dev/null
    : >"$TMP/a"
    : >"$TMP/b"
    : >"$TMP/loop.cpu"
    : >"$TMP/engine.cpu"
    for ((i = 0; i < ROUNDS; i++)); do
        reset
        pause
        fill "$JOBS"
        copy_rows
        read -r first last <<<"$(queued_ids)"
        [ $((i % 2)) = 0 ] || loop "$1" "$batch" >>"$TMP/b"
        before=$(workers_cpu_ns)
        drain "$first" "$last" >>"$TMP/a"
        after=$(workers_cpu_ns)
        calc "($after - $before) / $JOBS" 0 >>"$TMP/engine.cpu"
        echo >>"$TMP/engine.cpu"
        [ $((i % 2)) = 1 ] || loop "$1" "$batch" >>"$TMP/b"
    done
    ratios "$TMP/a" "$TMP/b" >"$TMP/r"
    rounds "the engine, $1 worker(s)" "$TMP/a"
    rounds "by hand, $1 session(s)" "$TMP/b"
    # processor time, which says more than the clock on a busy machine
    rounds "ns of processor a job, the engine's workers" "$TMP/engine.cpu"
    rounds "ns of processor a job, by hand" "$TMP/loop.cpu"
}

# of all workers that there are
workers_cpu_ns()
{
    local pid sum=0

    for pid in $(sql 'SELECT pid FROM asyncjob.workers() WHERE pid <> 0'); do
        sum=$((sum + $(cpu_ns "$pid")))
    done
    echo "$sum"
}

rss_anon()
{
    awk '/^RssAnon:/ { print $2 * 1024 }' "/proc/$1/status"
}

group_drain()
{
    local i pid before after n

    compare 1
    DRAIN_RATE_1=$(median "$TMP/a")
    emit drain_rate_1 "$DRAIN_RATE_1" jobs/s
    emit drain_ratio_1 "$(median "$TMP/r")" ratio
    rounds drain_ratio_1 "$TMP/r"

    # the worker has done more than 100,000 by now
    : >"$TMP/a"
    : >"$TMP/b"
    : >"$TMP/g"
    pid=$(worker_pid)
    for ((i = 0; i < (SCALE == 1 ? 3 : 1); i++)); do
        reset
        fill_and_drain "$JOBS" >>"$TMP/b"
        reset
        pause
        fill "$MILLION"
        before=$(rss_anon "$pid")
        fill_and_drain 1000 >>"$TMP/a"      # all that is queued
        sleep 1
        after=$(rss_anon "$pid")
        calc "($after - $before) / $MILLION" 3 >>"$TMP/g"
        echo >>"$TMP/g"
        [ "$(worker_pid)" = "$pid" ] || die "the worker is another one"
    done
    emit drain_rate_1m "$(median "$TMP/a")" jobs/s
    rounds drain_rate_1m "$TMP/a"
    ratios "$TMP/a" "$TMP/b" >"$TMP/r"
    rounds "drain_rate_1m to drain_rate_1 just before" "$TMP/r"
    emit worker_rss_growth_bytes_per_job "$(median "$TMP/g")" bytes
    rounds worker_rss_growth_bytes_per_job "$TMP/g"

    compare 2
    emit drain_ratio_2 "$(median "$TMP/r")" ratio
    rounds drain_ratio_2 "$TMP/r"

    workers 1
    n=$((20000 / SCALE))
    : >"$TMP/a"
    for ((i = 0; i < ROUNDS; i++)); do
        reset
        pause
        sql "CALL bench.fill($n, pipeline => 'bench_insert')"
        # shellcheck disable=SC2046
        drain $(queued_ids) >>"$TMP/a"
        [ "$(sql 'SELECT count(DISTINCT (job_id, xmin::text)) FROM bench.effect')" = "$n" ] ||
            die "the handlers did not insert a row each in $n transactions"
    done
    emit drain_sql_rate_1 "$(median "$TMP/a")" jobs/s
    rounds drain_sql_rate_1 "$TMP/a"
}
