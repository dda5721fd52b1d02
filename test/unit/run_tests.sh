#!/bin/sh
# Run the given unit-test programs; count their ok / not ok / SKIP lines.
# A program that dies, or prints no plan line at its end, counts as a failure.
# As many run at a time as there are processors.
passed=0 failed=0 skipped=0
dir=$(mktemp -d "${TMPDIR:-/tmp}/asyncjob-unit.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
# shellcheck disable=SC2016
printf '%s\n' "$@" | xargs -P "$(nproc)" -I '{}' sh -c '
    out=$2/$(basename "$1")
    "$1" >"$out" 2>&1
    echo $? >"$out.rc"' sh '{}' "$dir"
for t in "$@"; do
    out=$(cat "$dir/$(basename "$t")")
    rc=$(cat "$dir/$(basename "$t").rc")
    printf '# %s\n%s\n' "$(basename "$t")" "$out"
    p=$(printf '%s\n' "$out" | grep -c '^ok ')
    s=$(printf '%s\n' "$out" | grep -c '^ok [0-9]* # SKIP')
    f=$(printf '%s\n' "$out" | grep -c '^not ok ')
    passed=$((passed + p - s))
    skipped=$((skipped + s))
    failed=$((failed + f))
    if ! printf '%s\n' "$out" | grep -q '^1\.\.[0-9]'; then
        echo "not ok - $(basename "$t") ended early (exit $rc)"
        failed=$((failed + 1))
    elif [ "$rc" -ne 0 ] && [ "$f" -eq 0 ]; then
        echo "not ok - $(basename "$t") exited with $rc"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
