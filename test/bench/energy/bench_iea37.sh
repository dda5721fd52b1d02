# Layouts of IEA Wind Task 37's case study 1 by the optimiser, seed 42, one
# core: within 60 s (with LONG=1 also 600 s) of wall time, scored by
# rescore.pl, which accepts no violation of a limit however small.
set -eu
perl rescore.pl --self-test
"$KERNEL_CC" iea37.c "$BENCH_TMP/iea37"
for seconds in 60 ${LONG:+600}; do
    for n in 16 36 64; do
        began=$(date +%s.%N)
        # half a second for reading, starting and writing
        "$BENCH_TMP/iea37" $n $((seconds - 1)).5 42 >"$BENCH_TMP/layout"
        took=$(perl -e 'printf "%.1f", $ARGV[0] - $ARGV[1]' "$(date +%s.%N)" "$began")
        echo "bench_iea37: $n turbines in $took s" >&2
        if [ -n "${KEEP_LAYOUTS:-}" ]; then
            cp "$BENCH_TMP/layout" "$KEEP_LAYOUTS/iea37_${n}_${seconds}s.txt"
        fi
        printf 'iea37_%d_%ds_mwh\t%s\tMWh\n' "$n" "$seconds" "$(perl rescore.pl "$BENCH_TMP/layout")"
    done
done
