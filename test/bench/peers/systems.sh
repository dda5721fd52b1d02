# systems.sh: what each system that peers.sh measures does for a measurement.
#
# For a system NAME: NAME_setup; NAME_empty; NAME_single SECONDS and NAME_fill
# N, which print rates of queueing one and 1000 a transaction (NAME_single
# prints how many, too); NAME_drain N, which prints the rate of the N queued;
# NAME_pickup N, which prints so many microseconds.  PGDATABASE is its own.
#
# shellcheck shell=bash disable=SC2119,SC2153,SC2154

node_peer()
{
    local driver=$1
    shift
    (cd "$PEERS" && exec ./node "$driver.mjs" "$@")
}

# single_of SECONDS: stdin's script by one pgbench; "rate count"
single_of()
{
    bench -T "$1" | tr '\n' ' '
    awk '/^number of transactions actually processed/ { print $6 + 0 }' "$TMP/pgbench"
}

# fill_of N: stdin's script queues 1000; a rate
fill_of()
{
    bench -t "$(($1 / 1000))" >/dev/null
    awk '$1 == "tps" { printf "%.0f\n", 1000 * $3 }' "$TMP/pgbench"
}

# pickup_of N SCRIPT COMMAND...: the command, which says when it is ready,
# prints the samples that pgbench's script makes; $SENT is the time in it
pickup_of()
{
    local n=$1 script=$2 pid i
    shift 2

    : >"$TMP/samples"
    "$@" >"$TMP/samples" &
    pid=$!
    for ((i = 0; i < 300; i++)); do
        ! grep -q ready "$TMP/samples" || break
        sleep 0.1
    done
    printf '%s\n' '\set gap random(5, 50)' '\sleep :gap ms' \
        'SELECT extract(epoch FROM clock_timestamp()) * 1000 AS sent \gset' \
        "$script" | bench -t "$n" >/dev/null
    wait "$pid" || return 1
    grep -v ready "$TMP/samples"
}

# asyncjob, one worker or two

asyncjob_setup()
{
    workers 1
}

asyncjob_2_setup()
{
    workers 2
}

asyncjob_empty()
{
    reset
    pause
}

asyncjob_single()
{
    submit_script "$SUBMIT" | single_of "$1"
}

asyncjob_fill()
{
    pause
    fill_of "$1" <<'SQL'
SELECT count(*) FROM asyncjob.submit_many('noop', array_fill(bench.params(), ARRAY[1000]));
SQL
    sql 'ANALYZE asyncjob.job'
}

asyncjob_drain()
{
    # shellcheck disable=SC2046
    drain $(queued_ids)
}

asyncjob_pickup()
{
    resume
    pickup "$1"
    sql "SELECT round((result ->> 'us')::numeric) FROM asyncjob.job WHERE result ? 'us'"
}

asyncjob_2_empty() { asyncjob_empty; }
asyncjob_2_fill() { asyncjob_fill "$@"; }
asyncjob_2_drain() { asyncjob_drain "$@"; }

# graphile-worker: its two configurations have a database each

graphile_default_setup()
{
    node_peer graphile setup
}

graphile_default_empty()
{
    sql 'TRUNCATE graphile_worker._private_jobs'
    sql CHECKPOINT
}

graphile_default_single()
{
    submit_script "SELECT graphile_worker.add_job('noop', :params);" | single_of "$1"
}

graphile_default_fill()
{
    submit_script "SELECT count(*) FROM graphile_worker.add_jobs((SELECT array_agg(
 ('noop', :params, NULL, NULL, NULL, NULL, NULL, NULL)::graphile_worker.job_spec)
 FROM generate_series(1, 1000)));" | fill_of "$1"
    sql 'ANALYZE graphile_worker._private_jobs'
}

graphile_default_drain()
{
    node_peer graphile drain "$1"
}

graphile_default_pickup()
{
    pickup_of "$1" "SELECT graphile_worker.add_job('stamp', json_build_object('sent', :sent::float8));" \
        node_peer graphile pickup "$1"
}

graphile_tuned_setup() { graphile_default_setup; }
graphile_tuned_empty() { graphile_default_empty; }
graphile_tuned_single() { graphile_default_single "$@"; }
graphile_tuned_fill() { graphile_default_fill "$@"; }
graphile_tuned_drain() { TUNED=1 graphile_default_drain "$@"; }
graphile_tuned_pickup() { TUNED=1 graphile_default_pickup "$@"; }

# pg-boss: only its own library can queue

pgboss_setup()
{
    node_peer pgboss setup
}

pgboss_empty()
{
    node_peer pgboss empty
    sql CHECKPOINT
}

pgboss_single()
{
    node_peer pgboss single "$1" | paste -sd' '
}

pgboss_fill()
{
    node_peer pgboss fill "$1"
    sql 'ANALYZE pgboss.job'
}

pgboss_drain()
{
    node_peer pgboss drain "$1"
}

pgboss_pickup()
{
    local pid i

    node_peer pgboss pickup "$1" >"$TMP/samples" &
    pid=$!
    for ((i = 0; i < 300; i++)); do
        ! grep -q ready "$TMP/samples" || break
        sleep 0.1
    done
    node_peer pgboss send "$1"
    wait "$pid" || return 1
    grep -v ready "$TMP/samples"
}

# PgQ: a tick after every 1000 events, which is a batch then

pgq_setup()
{
    sql 'CREATE EXTENSION pgq'
    sql "SELECT pgq.create_queue('bench'), pgq.register_consumer('bench', 'bench')" >/dev/null
    sql "SELECT pgq.set_queue_config('bench', 'ticker_max_lag', '0'),
         pgq.set_queue_config('bench', 'ticker_idle_period', '0')" >/dev/null
}

pgq_empty()
{
    sql 'SELECT pgq.ticker()' >/dev/null
    sql "SELECT pgq.unregister_consumer('bench', 'bench'), pgq.register_consumer('bench', 'bench')" >/dev/null
    sql CHECKPOINT
}

pgq_single()
{
    submit_script "SELECT pgq.insert_event('bench', 'noop', :params);" | single_of "$1"
}

# two transactions: a tick sees only what was committed before it
pgq_fill()
{
    submit_script "SELECT count(pgq.insert_event('bench', 'noop', :params))
 FROM generate_series(1, 1000);
SELECT pgq.ticker('bench');" | fill_of "$1"
}

pgq_drain()
{
    node_peer pgq drain "$1"
}

pgq_pickup()
{
    pickup_of "$1" "SELECT pgq.insert_event('bench', 'stamp', :sent);" \
        node_peer pgq pickup "$1" "${TICK:-1000}"
}
