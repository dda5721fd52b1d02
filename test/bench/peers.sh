#!/bin/bash
# peers.sh: asyncjob beside what users would take instead, on one cluster and
# in one run: graphile-worker and pg-boss (from npm), PgQ (from Debian).  The
# same no-op work, 100 bytes of JSON a job.  One metric a line,
# name<TAB>value<TAB>unit; lines that begin with # are settings and remarks.
#
# Run by test/tools/bench.sh (make bench BENCH=peers).  Needs npm's registry
# and Debian's; all that comes from there goes to the run's own directory.
#
#   QUICK=1              a fraction of the jobs: to try out, not to quote
#   SYSTEMS="pgq ..."    only these beside asyncjob:
#                        graphile_default graphile_tuned pgboss pgq
#
# SYSTEM_enqueue_rate_1     one job a transaction, one client
# SYSTEM_enqueue_rate_1000  1000 a transaction, one client
# SYSTEM_drain_rate         queued jobs, until the last is done in the table
# SYSTEM_pickup_p50_us      clock before the enqueueing call to clock in the
# SYSTEM_pickup_p99_us      handler, idle worker, gaps of 5 to 50 ms
# SYSTEM_pinned_ratio       drain after an old REPEATABLE READ snapshot was
#                           held for 30 s of queueing and draining, to before
# SYSTEM_wal_bytes_enqueue  records without full-page images, one a
# SYSTEM_wal_bytes_process  transaction; and from queued to done
#
# ratio_METRIC_SYSTEM is asyncjob's figure by the system's, the other way
# round for microseconds and bytes: above 1 asyncjob is ahead.
#
# shellcheck disable=SC2034
set -eu
here=$(cd "$(dirname "$0")" && pwd)
WORK=${AJ_WORK:?run me by make bench BENCH=peers}
DATA=$WORK/data
TMP=$WORK/bench
PEERS=$WORK/peers
mkdir -p "$TMP"

for part in engine/common engine/submit engine/latency peers/get peers/systems; do
    # shellcheck source=/dev/null
    . "$here/$part.sh"
done

SCALE=1                         # of engine/*.sh
if [ -n "${QUICK:-}" ]; then
    SECONDS_SINGLE=2 SAMPLES=150 ROUNDS=1
    PIN_SECONDS=5
else
    SECONDS_SINGLE=5 SAMPLES=600 ROUNDS=3
    PIN_SECONDS=30
fi

# jobs of one drain: some seconds' work
jobs_of()
{
    case $1 in
        asyncjob* | pgq) echo $((QUICK_ ? 100000 : 300000)) ;;
        graphile_tuned) echo $((QUICK_ ? 20000 : 60000)) ;;
        pgboss) echo $((QUICK_ ? 10000 : 30000)) ;;
        *) echo $((QUICK_ ? 3000 : 10000)) ;;
    esac
}
QUICK_=${QUICK:+1}
QUICK_=${QUICK_:-0}

# A metric of a system; kept for the ratios and the table.
metric()
{
    emit "$1_$2" "$3" "$4"
    echo "$1 $2 $3" >>"$TMP/metrics"
}

value()
{
    awk -v s="$1" -v m="$2" '$1 == s && $2 == m { v = $3 } END { print v }' "$TMP/metrics"
}

percentile()
{
    sort -g "$2" | awk -v p="$1" '{ v[NR] = $1 } END { print v[int((NR - 1) * p / 100) + 1] }'
}

lsn()
{
    sql 'SELECT pg_current_wal_flush_lsn()'
}

# The snapshot is held in the system's own database.
hold()
{
    mkfifo "$TMP/hold"
    q <"$TMP/hold" >"$TMP/held" &
    HOLDER=$!
    exec 9>"$TMP/hold"
    printf '%s\n' 'BEGIN ISOLATION LEVEL REPEATABLE READ;' \
        'SELECT count(*) FROM pg_class;' >&9
    while [ ! -s "$TMP/held" ]; do
        sleep 0.05
    done
}

release()
{
    [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE backend_xmin IS NOT NULL
              AND state = 'idle in transaction' AND datname = current_database()")" = 1 ] ||
        die "nobody held the snapshot"
    printf 'COMMIT;\n' >&9
    exec 9>&-
    wait "$HOLDER"
    rm -f "$TMP/hold"
}

measure_enqueue()
{
    local name=$1 from to rate n

    "${name}_empty"
    from=$(lsn)
    read -r rate n <<<"$("${name}_single" "$SECONDS_SINGLE")"
    to=$(lsn)
    metric "$name" enqueue_rate_1 "$rate" jobs/s
    metric "$name" wal_bytes_enqueue "$(calc "$(wal_bytes "$from" "$to") / $n" 0)" bytes
}

measure_drain()
{
    local name=$1 n from to i

    n=$(jobs_of "$name")
    : >"$TMP/fill"
    : >"$TMP/rate"
    for ((i = 0; i <= ROUNDS; i++)); do
        "${name}_empty"
        "${name}_fill" "$n" >>"$TMP/fill"
        sql CHECKPOINT
        from=$(lsn)
        "${name}_drain" "$n" >>"$TMP/rate"
        to=$(lsn)
        # the first warms up
        [ "$i" != 0 ] || : >"$TMP/rate"
    done
    case $name in *_2) ;; *)
        metric "$name" enqueue_rate_1000 "$(median "$TMP/fill")" jobs/s
        rounds "enqueue_rate_1000" "$TMP/fill"
    esac
    metric "$name" drain_rate "$(median "$TMP/rate")" jobs/s
    # the peers' processes are started for each; that isn't counted
    rounds "drain_rate, $n jobs each" "$TMP/rate"
    metric "$name" wal_bytes_process "$(calc "$(wal_bytes "$from" "$to") / $n" 0)" bytes
}

# measure_pickup SYSTEM METRIC-PREFIX SAMPLES
measure_pickup()
{
    "$1_empty"
    "$1_pickup" "$3" >"$TMP/us" || die "$1: not all of $3 jobs were picked up"
    [ "$(wc -l <"$TMP/us")" = "$3" ] || die "$1: $(wc -l <"$TMP/us") samples of $3"
    metric "$1" "$2_p50_us" "$(percentile 50 "$TMP/us")" us
    metric "$1" "$2_p99_us" "$(percentile 99 "$TMP/us")" us
}

measure_pinned()
{
    local name=$1 n i begun done=0

    n=$(jobs_of "$name")
    "${name}_empty"
    : >"$TMP/before"
    : >"$TMP/under"
    : >"$TMP/after"
    for ((i = 0; i < ROUNDS + (ROUNDS == 1); i++)); do
        "${name}_fill" "$n" >/dev/null
        "${name}_drain" "$n" >>"$TMP/before"
    done
    hold
    begun=$SECONDS
    while [ $((SECONDS - begun)) -lt "$PIN_SECONDS" ]; do
        "${name}_fill" "$n" >/dev/null
        "${name}_drain" "$n" >>"$TMP/under"
        done=$((done + n))
    done
    remark "  $name: $done jobs done in $((SECONDS - begun)) s under the snapshot"
    for ((i = 0; i < (ROUNDS + 1) / 2; i++)); do
        "${name}_fill" "$n" >/dev/null
        "${name}_drain" "$n" >>"$TMP/after"
    done
    release
    metric "$name" pinned_drain_rate "$(median "$TMP/after")" jobs/s
    metric "$name" pinned_ratio "$(calc "$(median "$TMP/after") / $(median "$TMP/before")")" ratio
    rounds before "$TMP/before"
    rounds "under the snapshot" "$TMP/under"
    rounds "at the end" "$TMP/after"
}

measure()
{
    local name=$1 begun=$SECONDS

    remark "$name: load $(cut -d' ' -f1-3 /proc/loadavg)"
    if [ "$name" != asyncjob ]; then
        export PGDATABASE=peer_$name
        createdb "$PGDATABASE"
        sql "CREATE SCHEMA bench;
             CREATE FUNCTION bench.params() RETURNS jsonb IMMUTABLE LANGUAGE sql
             AS \$\$ SELECT jsonb_build_object('k', repeat('x', 91)) \$\$"
    fi
    "${name}_setup"
    measure_enqueue "$name"
    measure_drain "$name"
    if [ "$name" = pgq ]; then
        # pgqd ticks once a second and no faster; by hand it can be
        TICK=1000 measure_pickup pgq pickup "$SAMPLES"
        TICK=20 measure_pickup pgq pickup_20ms "$SAMPLES"
    else
        measure_pickup "$name" pickup "$SAMPLES"
    fi
    measure_pinned "$name"
    if [ "$name" = asyncjob ]; then
        # its peers may take two processes, too
        asyncjob_2_setup
        measure_drain asyncjob_2
        workers 1
    fi
    export PGDATABASE=bench
    remark "  $name took $((SECONDS - begun)) s"
}

METRICS="enqueue_rate_1 enqueue_rate_1000 drain_rate pickup_p50_us pickup_p99_us
    pinned_drain_rate pinned_ratio wal_bytes_enqueue wal_bytes_process"

ratios_to()
{
    local name=$1 m ours theirs

    for m in $METRICS; do
        ours=$(value asyncjob "$m")
        theirs=$(value "$name" "$m")
        [ -n "$theirs" ] || continue
        case $m in
            *_us | wal_*) emit "ratio_${m}_$name" "$(calc "$theirs / ($ours > 0 ? $ours : 1)" 2)" ratio ;;
            *) emit "ratio_${m}_$name" "$(calc "$ours / ($theirs > 0 ? $theirs : 1)" 2)" ratio ;;
        esac
    done
}

table()
{
    local name m line

    line=$(printf '%-18s' '')
    for name in asyncjob $systems; do
        line+=$(printf '%18s' "$name")
    done
    remark "$line"
    for m in $METRICS; do
        line=$(printf '%-18s' "$m")
        for name in asyncjob $systems; do
            line+=$(printf '%18s' "$(value "$name" "$m")")
        done
        remark "$line"
    done
}

systems=${SYSTEMS:-graphile_default graphile_tuned pgboss pgq}
: >"$TMP/metrics"
get_peers
settings "asyncjob and its peers"
prepare_bench
remark "graphile-worker $(version_of graphile-worker), pg-boss $(version_of pg-boss), Node.js $("$PEERS/node" --version), PgQ ${PGQ_VERSION:-not there}"
for system in asyncjob $systems; do
    measure "$system"
done
for system in $systems; do
    ratios_to "$system"
done
table
