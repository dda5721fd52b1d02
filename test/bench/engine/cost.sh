# cost.sh: wal_bytes_per_job, xids_per_job, progress_cost_ns.
#
# shellcheck shell=bash disable=SC2119,SC2153

next_xid()
{
    sql 'SELECT pg_snapshot_xmax(pg_current_snapshot())'
}

group_cost()
{
    local from to before after message

    # claim to completed; all that the cluster wrote meanwhile is counted
    workers 1
    reset
    pause
    fill "$JOBS"
    sql CHECKPOINT
    from=$(sql 'SELECT pg_current_wal_flush_lsn()')
    before=$(next_xid)
    # shellcheck disable=SC2046
    drain $(queued_ids) >/dev/null
    after=$(next_xid)
    to=$(sql 'SELECT pg_current_wal_flush_lsn()')
    emit wal_bytes_per_job "$(calc "$(wal_bytes "$from" "$to") / $JOBS" 0)" bytes
    emit xids_per_job "$(calc "($after - $before) / $JOBS" 4)" xids

    reset
    sql "CALL asyncjob.await(asyncjob.submit('bench_progress'))" >/dev/null
    message=$(sql "SELECT result ->> 'message' FROM asyncjob.job WHERE state = 'completed'")
    [ -n "$message" ] || die "progress() was not measured"
    emit progress_cost_ns "$message" ns
    remark "  without a message: $(sql "SELECT result ->> 'plain' FROM asyncjob.job") ns"
    reset
}
