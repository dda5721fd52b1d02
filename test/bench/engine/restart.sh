# restart.sh: restart_recovery_s.
#
# shellcheck shell=bash disable=SC2119,SC2153

# From "ready to accept connections" in the server's log to the start of the
# first of a million jobs that were queued when it was stopped.
group_restart()
{
    local i first ready

    : >"$TMP/a"
    for ((i = 0; i < (SCALE == 1 ? 3 : 1); i++)); do
        reset
        setting asyncjob.enabled off
        sql "CALL bench.fill($MILLION)"
        first=$(sql 'SELECT min(id) FROM asyncjob.job')
        sql "ALTER SYSTEM SET asyncjob.enabled = on"
        pg_ctl -D "$DATA" -m immediate -s -w stop
        pg_ctl -D "$DATA" -l "$WORK/server.log" -s -w start >/dev/null
        sql "CALL asyncjob.await($first, '120 s')" >/dev/null
        ready=$(sed -n 's/^\(.*\) \[[0-9]*\] .*database system is ready to accept connections$/\1/p' \
            "$WORK/server.log" | tail -1)
        sql "SELECT round(extract(epoch FROM min(started_at) - '$ready'), 3)
             FROM asyncjob.job WHERE state = 'completed'" >>"$TMP/a"
        setting asyncjob.enabled off
        sleep 1
        [ "$(sql "SELECT count(*) >= $MILLION FROM asyncjob.job")" = t ] || die "jobs were lost"
        reset
        setting asyncjob.enabled on
    done
    emit restart_recovery_s "$(median "$TMP/a")" s
    rounds restart_recovery_s "$TMP/a"
}
