# notify.sh: notify_p50_us, notify_cost_pct.
#
# shellcheck shell=bash disable=SC2119,SC2153

LISTENER=

# start_listeners N: sessions
start_listeners()
{
    [ "$1" -gt 0 ] || return 0
    "$TMP/listen" asyncjob "$1" >"$TMP/heard" &
    LISTENER=$!
    until grep -q listening "$TMP/heard"; do
        kill -0 "$LISTENER" || die "the listeners could not connect"
        sleep 0.05
    done
}

stop_listeners()
{
    [ -n "$LISTENER" ] || return 0
    kill "$LISTENER"
    wait "$LISTENER" 2>/dev/null || :
    LISTENER=
}

group_notify()
{
    # from started_at and finished_at, both before their commits, to the
    # client's clock
    workers 1
    notify_latency 1 $((1000 / SCALE))
    emit notify_p50_us "$NOTIFY_P50" us
    remark "  p99: $NOTIFY_P99 us"

    notify_cost
}

# notify_latency SESSIONS N: NOTIFY_P50 and NOTIFY_P99 of N jobs, some
# milliseconds apart, with so many sessions that listen
notify_latency()
{
    local n=$2 got last i

    reset
    resume
    sleep 1
    start_listeners "$1"
    bench -t "$n" >/dev/null <<'SQL'
\set gap random(5, 50)
\sleep :gap ms
SELECT asyncjob.submit('noop', '{"x": 1}');
SQL
    last=$(last_id)
    for ((i = 0; i < 100; i++)); do
        ! grep -qE "\"job\":$last,[^}]*\"completed\"" "$TMP/heard" || break
        sleep 0.1
    done
    stop_listeners
    sql 'TRUNCATE bench.heard'
    grep -v listening "$TMP/heard" >"$TMP/notices"
    q -c "\\copy bench.heard FROM '$TMP/notices'"
    read -r got NOTIFY_P50 NOTIFY_P99 <<<"$(q <<'SQL'
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
}

# pids of the coordinator and of the sessions that listen
notifiers()
{
    sql "SELECT pid FROM pg_stat_activity WHERE datname = current_database()
         AND (query LIKE 'LISTEN%' OR backend_type = 'asyncjob coordinator')"
}

notifiers_cpu_ns()
{
    local pid sum=0

    for pid in $(notifiers); do
        sum=$((sum + $(cpu_ns "$pid")))
    done
    echo "$sum"
}

# At a steady 10,000 jobs a second: STEADY, ns of the worker's processor for a
# job, and STEADY_NOTIFY, of the coordinator's and the listening sessions'
steady()
{
    local pid before told jobs

    reset
    resume
    start_listeners "$1"
    pid=$(worker_pid)
    told=$(notifiers_cpu_ns)
    before=$(cpu_ns "$pid")
    bench -R 100 -T $((SCALE == 1 ? 10 : 3)) >/dev/null <<'SQL'
SELECT count(*) FROM asyncjob.submit_many('noop', array_fill(bench.params(), ARRAY[100]));
SQL
    sleep 0.5
    jobs=$(completed)
    STEADY=$(calc "($(cpu_ns "$pid") - $before) / $jobs" 1)
    STEADY_NOTIFY=$(calc "($(notifiers_cpu_ns) - $told) / $jobs" 1)
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
