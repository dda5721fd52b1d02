# backlog.sh: future_backlog_ratio, blocked_head_ratio, limited_head_ratio,
# drain_roles_longest_wait_ms.
#
# shellcheck shell=bash disable=SC2119,SC2153

# Drain with what a command put there first, and without.
with_and_without()
{
    local i

    : >"$TMP/a"
    : >"$TMP/b"
    for ((i = 0; i < (SCALE == 1 ? 3 : 2); i++)); do
        reset
        pause
        "$@"
        fill_and_drain "$JOBS" >>"$TMP/a"
        reset
        fill_and_drain "$JOBS" >>"$TMP/b"
    done
    ratios "$TMP/a" "$TMP/b" >"$TMP/r"
}

future_jobs()
{
    # of the same queue, role and priority
    fill "$MILLION" default 5 "interval '1 day'"
}

blocked_jobs()
{
    # older and more urgent than what is drained
    pause blocked
    fill "$MILLION" blocked 10
}

limited_jobs()
{
    local last

    # of a queue of which none may run
    last=$(last_id)
    sql "CALL bench.fill($MILLION, 'limited', '10')"
    [ "$(sql "SELECT count(*) FROM asyncjob.job WHERE id > $last AND state = 'waiting'")" = "$MILLION" ] ||
        die "jobs of a queue whose limit is none do not wait"
    sql 'ANALYZE asyncjob.job'
}

group_backlog()
{
    local i

    workers 1
    fill_and_drain "$((JOBS / 2))" >/dev/null
    with_and_without future_jobs
    emit future_backlog_ratio "$(median "$TMP/r")" ratio
    rounds "behind $MILLION future jobs" "$TMP/a"
    rounds "without" "$TMP/b"
    with_and_without blocked_jobs
    emit blocked_head_ratio "$(median "$TMP/r")" ratio
    rounds "behind $MILLION jobs of a paused queue" "$TMP/a"
    rounds "without" "$TMP/b"
    reset
    resume blocked
    with_and_without limited_jobs
    emit limited_head_ratio "$(median "$TMP/r")" ratio
    rounds "behind $MILLION jobs of a queue at its limit" "$TMP/a"
    rounds "without" "$TMP/b"
    reset
    roles
}

# One role with 9,000 jobs, 99 with 10 or 11, on four slots.
roles()
{
    local i begun

    for ((i = 0; i < 100; i++)); do
        echo "CREATE ROLE bench_role$i LOGIN;"
        echo "SELECT asyncjob.grant_usage('bench_role$i');"
    done | q >/dev/null
    workers 4
    : >"$TMP/a"
    : >"$TMP/b"
    for ((i = 0; i < 3; i++)); do
        reset
        pause
        q >/dev/null <<'SQL'
SET ROLE bench_role0;
SELECT count(*) FROM asyncjob.submit_many('noop', array_fill('{"role": 0}'::jsonb, ARRAY[9000]));
RESET ROLE;
SELECT format($$SET ROLE bench_role%s;
SELECT count(*) FROM asyncjob.submit_many('noop', array_fill('{"role": %s}'::jsonb, ARRAY[%s]));
RESET ROLE$$, r, r, CASE WHEN r <= 10 THEN 11 ELSE 10 END)
FROM generate_series(1, 99) r \gexec
SQL
        [ "$(sql "SELECT count(*) || ' ' || count(DISTINCT owner) FROM asyncjob.job")" = "10000 100" ] ||
            die "these are not 10,000 jobs of 100 roles"
        begun=$(sql 'SELECT clock_timestamp()')
        resume
        # shellcheck disable=SC2046
        until_done $(sql "SELECT min(id) || ' ' || max(id) FROM asyncjob.job")
        sql "SELECT round(1000 * extract(epoch FROM max(started_at) - '$begun'))
             FROM asyncjob.job WHERE state = 'completed'" >>"$TMP/a"
        sql "SELECT round(1000 * extract(epoch FROM max(finished_at) - '$begun'))
             FROM asyncjob.job WHERE owner = 'bench_role0'::regrole" >>"$TMP/b"
        [ "$(sql "SELECT count(*) FROM asyncjob.job WHERE state <> 'completed'")" = 0 ] ||
            die "some role's jobs were not completed"
    done
    emit drain_roles_longest_wait_ms "$(median "$TMP/a")" ms
    rounds drain_roles_longest_wait_ms "$TMP/a"
    rounds "ms until the big role was done" "$TMP/b"
    reset
    workers 1
}
