#!/bin/bash
# engine.sh: the figures that docs/performance.md promises, one a line:
# name<TAB>value<TAB>unit.  Lines that begin with # are settings and remarks.
#
# Run by test/tools/bench.sh (make bench BENCH=engine), which gives it a
# durable private cluster and a database "bench" with the extension.
#
#   QUICK=1               a tenth of the jobs: to try out, not to quote
#   PARTS="submit pin"  some groups only: submit drain backlog latency pin
#                         notify cost restart
#
# A ratio compares within one run: its two sides alternate, and the ratio is
# the median of the rounds'.  Other figures are medians of the rounds.
#
# shellcheck disable=SC2034
set -eu
here=$(cd "$(dirname "$0")" && pwd)
WORK=${AJ_WORK:?run me by make bench BENCH=engine}
DATA=$WORK/data
TMP=$WORK/bench
mkdir -p "$TMP"

if [ -n "${QUICK:-}" ]; then
    SCALE=10 ROUNDS=3
else
    SCALE=1 ROUNDS=5
fi
JOBS=$((200000 / SCALE))        # of one drain
MILLION=$((1000000 / SCALE))

for part in common submit drain backlog latency pin notify cost restart; do
    # shellcheck source=/dev/null
    . "$here/engine/$part.sh"
done

prepare_bench
settings "asyncjob engine benchmark"
for group in ${PARTS:-submit drain backlog latency pin notify cost restart}; do
    remark "$group: load $(cut -d' ' -f1-3 /proc/loadavg)"
    "group_$group"
done
