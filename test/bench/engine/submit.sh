# submit.sh: submit_rate_1, submit_ratio_1, submit_rate_live,
# submit_many_rate, wal_bytes_per_submit.
#
# shellcheck shell=bash disable=SC2119,SC2153

SUBMIT="SELECT asyncjob.submit('noop', :params);"

# What submit() inserts, by hand.  id, state and the rest are defaults there
# and here.
INSERT="INSERT INTO bench.job (created_at, run_at, owner, pipeline_id,
 queue_id, priority, user_id, session_id, unique_key, params)
 VALUES (clock_timestamp(), clock_timestamp(), 10, 1, 1, 5, NULL, NULL, NULL,
 :params) RETURNING id;"

submit_script()
{
    # pgbench takes a statement on several lines
    printf '%s\n' "$1" | sed "s/:params/'$(sql 'SELECT bench.params()')'/"
}

group_submit()
{
    local seconds=$((SCALE == 1 ? 8 : 2)) i n from to

    workers 1
    : >"$TMP/a"
    : >"$TMP/b"
    for ((i = 0; i < ROUNDS; i++)); do
        reset
        pause
        submit_script "$SUBMIT" | bench -T "$seconds" >>"$TMP/a"
        submit_script "$INSERT" | bench -T "$seconds" >>"$TMP/b"
    done
    ratios "$TMP/a" "$TMP/b" >"$TMP/r"
    emit submit_rate_1 "$(median "$TMP/a")" jobs/s
    rounds submit_rate_1 "$TMP/a"
    emit submit_ratio_1 "$(median "$TMP/r")" ratio
    rounds "the bare insert" "$TMP/b"
    rounds submit_ratio_1 "$TMP/r"

    : >"$TMP/a"
    for ((i = 0; i < 3; i++)); do
        reset
        resume
        submit_script "$SUBMIT" | bench -T "$seconds" >>"$TMP/a"
    done
    emit submit_rate_live "$(median "$TMP/a")" jobs/s
    rounds submit_rate_live "$TMP/a"

    : >"$TMP/a"
    reset
    pause
    rm -f "$TMP"/many.*
    echo "SELECT count(*) FROM asyncjob.submit_many('noop',
          array_fill(bench.params(), ARRAY[10000]));" |
        bench -t $((4 * ROUNDS)) -l --log-prefix="$TMP/many" >/dev/null
    [ "$(sql 'SELECT count(*) FROM asyncjob.job')" = $((4 * ROUNDS * 10000)) ] ||
        die "not all jobs of submit_many() are there"
    # third field: microseconds of a transaction
    awk '{ printf "%.0f\n", 10000 / $3 * 1e6 }' "$TMP"/many.* >"$TMP/a"
    emit submit_many_rate "$(median "$TMP/a")" jobs/s
    rounds submit_many_rate "$TMP/a"

    n=$((20000 / SCALE))
    reset
    pause
    from=$(sql 'SELECT pg_current_wal_flush_lsn()')
    submit_script "$SUBMIT" | bench -t "$n" >/dev/null
    to=$(sql 'SELECT pg_current_wal_flush_lsn()')
    emit wal_bytes_per_submit "$(calc "$(wal_bytes "$from" "$to") / $n" 0)" bytes
    reset
    resume
}

# Bytes of all records between two places, whoever wrote them, without
# full-page images.
wal_bytes()
{
    pg_waldump --stats -p "$DATA/pg_wal" -s "$1" -e "$2" 2>"$TMP/waldump" |
        awk '$1 == "Total" { print $3; found = 1 } END { exit !found }' || {
        cat "$TMP/waldump" >&2
        die "pg_waldump failed"
    }
}
