# pin.sh: pinned_ratio, pinned_mixed_ratio, pinned_pickup_p99_us.
#
# What was before and what is at the end are measured in the same way on the
# same table; nothing is truncated between.  The snapshot is held to the end.
#
# shellcheck shell=bash disable=SC2119,SC2153

drain_mixed()
{
    local first last begun i

    for ((i = 0; i < 10; i++)); do
        pause "mixed$i"
    done
    first=$(($(last_id) + 1))
    sql "CALL bench.fill_mixed($1)"
    last=$(last_id)
    [ "$(count_queued $((first - 1)) 'mixed_')" = "$1" ] || die "jobs of paused queues were run"
    begun=$(sql 'SELECT clock_timestamp()')
    sql "SELECT asyncjob.resume_queue('mixed' || i) FROM generate_series(0, 9) i" >/dev/null
    until_done "$first" "$last"
    sql "SELECT round($1 / extract(epoch FROM max(finished_at) - '$begun'))
         FROM asyncjob.job WHERE id BETWEEN $first AND $last
         AND state = 'completed' HAVING count(*) = $1" >"$TMP/mixed"
    [ -s "$TMP/mixed" ] || die "some of the mixed jobs were not completed"
    cat "$TMP/mixed"
}

completed()
{
    sql "SELECT count(*) FROM asyncjob.job WHERE state = 'completed'"
}

# three RATES CPU JOBS DRAIN...: three drains, right after a checkpoint, so that
# none that the WAL of what was before has called for is under way
three()
{
    local rates=$1 cpu=$2 jobs=$3 i before
    shift 3

    sql CHECKPOINT
    : >"$rates"
    : >"$cpu"
    for ((i = 0; i < 3; i++)); do
        FROM_ID=$(last_id)
        before=$(workers_cpu_ns)
        "$@" "$jobs" >>"$rates"
        echo $((($(workers_cpu_ns) - before) / jobs)) >>"$cpu"
    done
}

# pinned NAME JOBS DRAIN...: $TMP/b rates before, $TMP/a at the end of the pin
pinned()
{
    local name=$1 jobs=$2 holder begun done=0
    shift 2

    reset
    "$@" "$((jobs / 2))" >/dev/null
    three "$TMP/b" "$TMP/b.cpu" "$jobs" "$@"

    mkfifo "$TMP/hold"
    q <"$TMP/hold" >"$TMP/held" &
    holder=$!
    exec 9>"$TMP/hold"
    printf '%s\n' 'BEGIN ISOLATION LEVEL REPEATABLE READ;' \
        'SELECT count(*) FROM pg_class;' >&9
    begun=$SECONDS
    while [ $((SECONDS - begun)) -lt $((SCALE == 1 ? 120 : 12)) ] || [ "$done" -lt "$MILLION" ]; do
        FROM_ID=$(last_id)
        "$@" "$jobs" >>"$TMP/under"
        done=$((done + jobs))       # the drain has seen to it
    done
    remark "  $name: $done jobs completed in $((SECONDS - begun)) s under the snapshot"
    three "$TMP/a" "$TMP/a.cpu" "$jobs" "$@"
    if [ "$name" = pinned_ratio ]; then
        sql "DELETE FROM asyncjob.job WHERE pipeline_id =
             (SELECT id FROM asyncjob.pipeline WHERE name = 'bench_stamp')"
        pickup "$((1000 / SCALE))"
    fi
    [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL
              AND state = 'idle in transaction' AND datname = current_database()")" = 1 ] ||
        die "nobody held the snapshot"
    printf 'COMMIT;\n' >&9
    exec 9>&-
    wait "$holder"
    rm -f "$TMP/hold"
    FROM_ID=0
    emit "$name" "$(calc "$(median "$TMP/a") / $(median "$TMP/b")")" ratio
    rounds "before" "$TMP/b"
    rounds "at the end" "$TMP/a"
    rounds "ns of processor a job, before" "$TMP/b.cpu"
    rounds "ns of processor a job, at the end" "$TMP/a.cpu"
}

group_pin()
{
    local n=$((1000 / SCALE)) p50 p99

    workers 1
    pinned pinned_ratio "$JOBS" fill_and_drain
    read -r p50 p99 <<<"$(pickup_percentiles bench_stamp "$n")"
    [ "$p50" != lost ] || die "$p99 of $n jobs were picked up"
    emit pinned_pickup_p99_us "$p99" us
    remark "  p50: $p50 us, $n samples"

    resume
    # these are slower: a quarter of them in one drain, as many in all
    pinned pinned_mixed_ratio $((JOBS / 4)) drain_mixed
    reset
}
