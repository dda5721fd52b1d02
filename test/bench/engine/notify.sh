# notify.sh: notify_p50_us, notify_cost_pct.
#
# shellcheck shell=bash disable=SC2119,SC2153

LISTENERS=()

start_listeners()
{
    local i

    for ((i = 0; i < $1; i++)); do
        "$TMP/listen" asyncjob >"$TMP/heard.$i" &
        LISTENERS+=($!)
    done
    for ((i = 0; i < $1; i++)); do
        until grep -q listening "$TMP/heard.$i"; do
            sleep 0.05
        done
    done
}

stop_listeners()
{
    [ ${#LISTENERS[@]} = 0 ] || kill "${LISTENERS[@]}"
    [ ${#LISTENERS[@]} = 0 ] || wait "${LISTENERS[@]}" 2>/dev/null || :
    LISTENERS=()
}

group_notify()
{
    local n=$((1000 / SCALE)) p50 p99 got

    # from started_at and finished_at, both before their commits, to the
    # client's clock
    reset
    resume
    workers 1
    sleep 1
    start_listeners 1
    bench -t "$n" >/dev/null <<'SQL'
\set gap random(5, 50)
\sleep :gap ms
SELECT asyncjob.submit('noop', '{"x": 1}');
SQL
    sleep 1
    stop_listeners
    sql 'TRUNCATE bench.heard'
    grep -v listening "$TMP/heard.0" >"$TMP/notices"
    q -c "\\copy bench.heard FROM '$TMP/notices'"
    read -r got p50 p99 <<<"$(q <<'SQL'
SELECT count(DISTINCT n.job) FILTER (WHERE n.state = 'completed') || ' ' ||
       round(percentile_cont(0.5) WITHIN GROUP (ORDER BY n.us - t.us)::numeric) || ' ' ||
       round(percentile_cont(0.99) WITHIN GROUP (ORDER BY n.us - t.us)::numeric)
FROM (SELECT h.us, (e ->> 'job')::bigint AS job, e ->> 'state' AS state
      FROM bench.heard h CROSS JOIN LATERAL jsonb_array_elements(
          coalesce(h.payload::jsonb -> 'jobs', jsonb_build_array(h.payload::jsonb))) e) n
JOIN asyncjob.job j ON j.id = n.job
CROSS JOIN LATERAL (SELECT 1000000 * extract(epoch FROM CASE n.state
    WHEN 'completed' THEN j.finished_at WHEN 'running' THEN j.started_at END) AS us) t
WHERE n.state IN ('completed', 'running');
SQL
)"
    [ "$got" = "$n" ] || die "the end of $got jobs of $n was heard of"
    emit notify_p50_us "$p50" us
    remark "  p99: $p99 us"

    notify_cost
}

# CPU of the worker for a job at a steady 10,000 a second
steady()
{
    local pid before jobs

    reset
    resume
    start_listeners "$1"
    pid=$(worker_pid)
    before=$(cpu_ns "$pid")
    bench -R 100 -T $((SCALE == 1 ? 10 : 3)) >/dev/null <<'SQL'
SELECT count(*) FROM asyncjob.submit_many('noop', array_fill(bench.params(), ARRAY[100]));
SQL
    sleep 0.5
    jobs=$(completed)
    STEADY=$(calc "($(cpu_ns "$pid") - $before) / $jobs" 1)
    STEADY_RATE=$((jobs / (SCALE == 1 ? 10 : 3)))
    stop_listeners
    [ "$(worker_pid)" = "$pid" ] || die "the worker is another one"
}

notify_cost()
{
    local i

    : >"$TMP/a"
    : >"$TMP/b"
    for ((i = 0; i < ROUNDS; i++)); do
        steady 10
        echo "$STEADY" >>"$TMP/a"
        steady 0
        echo "$STEADY" >>"$TMP/b"
    done
    ratios "$TMP/a" "$TMP/b" | awk '{ print ($1 - 1) * 100 }' >"$TMP/r"
    emit notify_cost_pct "$(median "$TMP/r")" %
    rounds notify_cost_pct "$TMP/r"
    rounds "ns a job with 10 listeners" "$TMP/a"
    rounds "ns a job with none" "$TMP/b"
    remark "  $STEADY_RATE jobs/s"
    reset
}
