#!/bin/bash
# bench_battery.sh: battery_insights over a year at ten minutes.
#
# Prints battery_year_ms, the time from the start of the job's first step to the
# end of its eleventh in a worker (52,560 samples of six channels, checkpoints
# committed with fsync on, report included), the best of seven; and
# battery_load_ms, the time of load_telemetry() for the same series.
set -eu
"$KERNEL_CC" pack_csv.c "$BENCH_TMP/pack_csv"
"$BENCH_TMP/pack_csv" >"$BENCH_TMP/pack.csv"
psql -qXAt -v ON_ERROR_STOP=1 -v csv_file="$BENCH_TMP/pack.csv" <<'SQL'
\set read 'cat ' :csv_file
\set csv `:read`
SELECT clock_timestamp() AS began \gset
SELECT asyncjob.load_telemetry('bench', :'csv') \g /dev/null
SELECT format(E'battery_load_ms\t%s\tms', round((1000 * extract(epoch FROM clock_timestamp() - :'began'::timestamptz))::numeric, 1));
SQL
for _ in 1 2 3 4 5 6 7; do
    psql -qXAt -v ON_ERROR_STOP=1 <<'SQL'
SELECT asyncjob.submit('battery_insights', '{"telemetry": "bench", "capacity_ah": 280}') AS job \gset
SELECT state = 'completed' AS good FROM asyncjob.wait(:job, '60 s') \gset
\if :good
SELECT 1000 * extract(epoch FROM finished_at - started_at) FROM asyncjob.job WHERE id = :job;
\else
SELECT state, error_message FROM asyncjob.status(:job);
\endif
SQL
done | sort -g | awk 'NR == 1 { printf "battery_year_ms\t%.1f\tms\n", $1 }'
