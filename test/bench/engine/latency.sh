# latency.sh: pickup_p50_us, pickup_p99_us, pickup_cold_p50_ms,
# roundtrip_p50_us, priority_inversion_max.
#
# shellcheck shell=bash disable=SC2119,SC2153

# pickup N: submit a job N times, 5 to 50 ms apart.  "sent" is the server's
# clock, fetched by a statement of its own before.
pickup()
{
    bench -t "$1" >/dev/null <<'SQL'
\set gap random(5, 50)
\sleep :gap ms
SELECT clock_timestamp() AS sent \gset
SELECT asyncjob.submit('bench_stamp', jsonb_build_object('sent', :sent::text));
SQL
    # shellcheck disable=SC2046
    until_done $(sql "SELECT max(id) - $1 + 1 || ' ' || max(id) FROM asyncjob.job")
}

# median of an expression of the last pickup's jobs
part()
{
    sql "SELECT round(1000000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY
         extract(epoch FROM $1))::numeric)
         FROM (SELECT created_at, started_at, (params ->> 'sent')::timestamptz AS sent,
                      (result ->> 'us')::float8 AS us FROM asyncjob.job
               WHERE result ? 'us') j"
}

group_latency()
{
    local n p50 p99

    workers 1
    reset
    n=$((2000 / SCALE))
    pickup "$n"
    read -r p50 p99 <<<"$(pickup_percentiles bench_stamp "$n")"
    [ "$p50" != lost ] || die "$p99 of $n jobs were picked up"
    emit pickup_p50_us "$p50" us
    emit pickup_p99_us "$p99" us
    # created_at is taken in submit(), started_at before the claim
    remark "  medians, us: to submit $(part 'created_at - sent'), it and its commit and the wake $(part 'started_at - created_at'), claim, its commit and the handler $(part "sent + us * interval '1 us' - started_at")"

    # every job finds that the worker of the one before has gone
    reset
    n=$((100 / SCALE))
    setting asyncjob.worker_idle_timeout 50ms
    sql "SELECT pg_terminate_backend(pid, 5000) FROM asyncjob.workers() WHERE pid <> 0" >/dev/null
    bench -t "$n" >/dev/null <<'SQL'
\sleep 400 ms
SELECT clock_timestamp() AS sent \gset
SELECT asyncjob.submit('bench_stamp', jsonb_build_object('sent', :sent::text));
SQL
    sleep 1
    read -r p50 p99 <<<"$(pickup_percentiles bench_stamp "$n")"
    [ "$p50" != lost ] || die "$p99 of $n jobs were picked up"
    [ "$(sql "SELECT count(DISTINCT result ->> 'pid') FROM asyncjob.job")" = "$n" ] ||
        die "a worker was still there"
    emit pickup_cold_p50_ms "$(calc "$p50 / 1000" 2)" ms
    remark "  p99: $(calc "$p99 / 1000" 2) ms, $n samples"
    setting asyncjob.worker_idle_timeout 10min

    workers 1
    reset
    n=$((2000 / SCALE))
    rm -f "$TMP"/trip.*
    bench -t "$n" -l --log-prefix="$TMP/trip" >/dev/null <<'SQL'
SELECT asyncjob.submit('noop', '{"x": 1}') AS id \gset
CALL asyncjob.await(:id::bigint);
SQL
    awk '{ print $3 }' "$TMP"/trip.* >"$TMP/a"
    [ "$(sql "SELECT count(*) FROM asyncjob.job WHERE state = 'completed'")" = "$n" ] ||
        die "not all of the $n jobs were awaited"
    emit roundtrip_p50_us "$(median "$TMP/a")" us
    remark "  p99: $(sort -g "$TMP/a" | awk '{ v[NR] = $1 } END { print v[int(NR * 0.99)] }') us"

    inversion
}

# Urgent jobs while a deep backlog is drained.  A job of the backlog counts as
# before if it started after the urgent one was committed, and so does the wait:
# the commit itself may wait for the WAL of the drain to reach the disk, and for
# a processor.  The client hears of it a little later than it is, so what
# started in the 0.2 ms before counts, too: rather more than the name asks for.
inversion()
{
    local pid last n

    reset
    sql 'TRUNCATE bench.urgent'
    pause
    fill "$((3 * JOBS))"
    last=$(queued_ids)
    last=${last#* }
    resume
    # until the backlog has gone
    printf '%s\n' '\set gap random(20, 60)' '\sleep :gap ms' \
        "SELECT asyncjob.submit('noop', '{\"urgent\": true}', priority => 'URGENT') AS id \gset" \
        "INSERT INTO bench.urgent VALUES (:id, clock_timestamp());" >"$TMP/urgent"
    pgbench -n -M prepared -f "$TMP/urgent" -T 60 >"$TMP/urgent.log" 2>&1 &
    pid=$!
    sql "CALL asyncjob.await($last)" >/dev/null
    kill -TERM "$pid"
    wait "$pid" || :
    sleep 1
    q -v last="$last" >"$TMP/a" <<'SQL'
WITH urgent AS (
    SELECT u.created_at, u.started_at,
           c.committed_at - interval '0.2 ms' AS committed_at,
           greatest(u.started_at - c.committed_at, interval '0') AS wait,
           c.committed_at - u.created_at AS commit
    FROM asyncjob.job u JOIN bench.urgent c USING (id)
    WHERE u.state = 'completed'
      AND u.started_at < (SELECT max(started_at) FROM asyncjob.job WHERE id <= :last)
      AND u.created_at > (SELECT min(started_at) FROM asyncjob.job WHERE id <= :last))
SELECT count(*), max(before), round(1000 * max(extract(epoch FROM wait)), 2),
       round(avg(before)),
       round(1000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY
             extract(epoch FROM wait))::numeric, 2),
       round(1000 * max(extract(epoch FROM commit)), 2)
FROM urgent u CROSS JOIN LATERAL
    (SELECT count(*) AS before FROM asyncjob.job b WHERE b.id <= :last
     AND b.priority < 10 AND b.started_at > u.committed_at
     AND b.started_at < u.started_at) b;
SQL
    n=$(cut -d'|' -f1 "$TMP/a")
    [ "$n" -ge $((50 / SCALE)) ] || die "only $n urgent jobs met the backlog"
    emit priority_inversion_max "$(cut -d'|' -f2 "$TMP/a")" jobs
    emit priority_inversion_max_ms "$(cut -d'|' -f3 "$TMP/a")" ms
    remark "  $n urgent jobs; on average $(cut -d'|' -f4 "$TMP/a") jobs came before, median wait $(cut -d'|' -f5 "$TMP/a") ms; submit() and its commit took $(cut -d'|' -f6 "$TMP/a") ms at most"
    reset
}
