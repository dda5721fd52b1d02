#!/bin/bash
# energy.sh: the energy kernels and pipelines, as lines name<TAB>value<TAB>unit.
#
# Every test/bench/energy/bench_*.c is a program of its own, linked with the
# kernels as they were built for the server; every bench_*.sh is run with
# KERNEL_CC (compiles a program against the kernels), the database of this
# benchmark and BENCH_TMP, a directory to leave things in. Both print such lines
# and nothing else; what they have to say goes to stderr.
#
#   METRICS="iea37 wake"   runs bench_iea37 and bench_wake only
#   LONG=1                 also what takes minutes
set -u
cd "$(dirname "$0")/energy" || exit 1
TOP=$(cd ../../.. && pwd)
BENCH_TMP=$(mktemp -d)
trap 'rm -rf "$BENCH_TMP"' EXIT
export BENCH_TMP

cat >"$BENCH_TMP/kernel-cc" <<CC
#!/bin/sh
# kernel-cc PROGRAM.c OUTPUT
exec ${CC:-gcc} -std=gnu11 -O3 -fno-math-errno -fno-trapping-math -ffp-contract=off -Wall \\
    -I'$TOP/src/kernels' -o "\$2" "\$1" '$TOP'/src/kernels/*.o -lpng -lm
CC
chmod +x "$BENCH_TMP/kernel-cc"
export KERNEL_CC="$BENCH_TMP/kernel-cc"

rc=0
for bench in bench_*.c bench_*.sh; do
    [ -e "$bench" ] || continue
    name=${bench#bench_}
    name=${name%.*}
    if [ -n "${METRICS:-}" ] && [[ " $METRICS " != *" $name "* ]]; then
        continue
    fi
    case $bench in
    *.c) "$KERNEL_CC" "$bench" "$BENCH_TMP/$name" && "$BENCH_TMP/$name" ;;
    *.sh) bash "$bench" ;;
    esac || {
        echo "energy.sh: $bench failed" >&2
        rc=1
    }
done
exit $rc
