#!/bin/bash
# check.sh: build asyncjob and run all its tests in private clusters.
#
# Stages, in order: lint, unit, regress, isolation, tap.  SUITES="unit tap"
# runs some of them.  TESTS="name ..." picks tests of regress, isolation and
# tap by name.  The last line is "N passed, N failed, N skipped", with every
# single test counted; the exit code is 0 only where nothing failed.
set -eu
# shellcheck source=test/tools/lib.sh
. "$(dirname "$0")/lib.sh"

SUITES=${SUITES:-lint unit regress isolation tap}
case " $SUITES " in
    *" tap "*) export NEEDS=browser ;; # prereqs.sh
esac
enter_copy "$@"

TESTS=${TESTS:-}
passed=0 failed=0 skipped=0

# tally STAGE PASSED FAILED SKIPPED EXPECTED EXIT-CODE
# EXPECTED is how many test files there are: none run of some is a failure,
# and so is a runner that fails without naming a test.
tally()
{
    local stage=$1 p=$2 f=$3 s=$4 expected=$5 rc=$6

    if [ "$rc" != 0 ] && [ "$f" = 0 ]; then
        echo "$stage: the runner failed with exit code $rc"
        f=1
    fi
    if [ "$expected" -gt 0 ] && [ $((p + f + s)) = 0 ]; then
        echo "$stage: there are $expected test files, but nothing ran"
        f=1
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    echo "== $stage: $p passed, $f failed, $s skipped ($((SECONDS - started)) s)"
    echo
}

count()
{
    grep -cE "$1" "$2" || :
}

# Names of the tests of one kind that $TESTS allows: pick GLOB SUFFIX
pick()
{
    local file name

    for file in $1; do
        [ -e "$file" ] || continue
        name=$(basename "$file" "$2")
        if [ -z "$TESTS" ] || [[ " $TESTS " == *" $name "* ]]; then
            echo "$name"
        fi
    done
}

# stage_tap_lines NAME FILES COMMAND...: a runner that prints ok / not ok
stage_tap_lines()
{
    local stage=$1 files=$2 log=$WORK/$1.log rc=0

    shift 2
    run "$@" >"$log" 2>&1 || rc=$?
    cat "$log"
    tally "$stage" \
        "$(grep -E '^ok( |$)' "$log" | grep -cviE '# *skip' || :)" \
        "$(count '^not ok( |$)' "$log")" \
        "$(grep -E '^ok( |$)' "$log" | grep -ciE '# *skip' || :)" \
        "$files" "$rc"
}

# pg_regress prints "test name ... ok" up to PostgreSQL 15 and TAP after that
stage_regress()
{
    local stage=$1 runner=$2 out=$3 log=$WORK/$1.log rc=0 p f missing

    shift 3
    # shellcheck disable=SC2086
    run "$runner" --inputdir=test --bindir="$BINDIR" \
        --temp-instance="$WORK/$stage" --temp-config="$TEMP_CONFIG" \
        --outputdir="$out" $EXTRA "$@" >"$log" 2>&1 || rc=$?
    cat "$log"
    p=$(count '^(test .* \.\.\. +ok|ok [0-9]+ )' "$log")
    f=$(count '^(test .* \.\.\. +FAILED|not ok [0-9]+ )' "$log")
    # a server that went away leaves the rest unrun
    missing=$(($# - p - f))
    if [ "$missing" -gt 0 ]; then
        echo "$stage: $missing of $# tests did not run"
        f=$((f + missing))
    fi
    if [ "$f" != 0 ]; then
        [ ! -s "$out/regression.diffs" ] || head -n 500 "$out/regression.diffs"
        tail -n 40 "$out/log/postmaster.log" 2>/dev/null || :
    fi
    tally "$stage" "$p" "$f" 0 $# "$rc"
}

stage_prove()
{
    local rc=0 log p=0 f=0 s=0

    mkdir -p tmp_check
    run env TESTDIR="$PWD" TESTDATADIR="$PWD/tmp_check" \
        TESTLOGDIR="$PWD/tmp_check/log" PGPORT=65432 \
        PG_REGRESS="$PGTEST/regress/pg_regress" \
        PG_TEST_TIMEOUT_DEFAULT="${PG_TEST_TIMEOUT_DEFAULT:-180}" \
        perl test/tools/prove.pl --lib "$PGTEST/perl" --lib "$PWD/test/t" \
        --counts "$WORK/tap.counts" "$@" 2>&1 || rc=$?
    if [ -s "$WORK/tap.counts" ]; then
        read -r p f s <"$WORK/tap.counts"
    fi
    if [ "$f" != 0 ] || [ "$rc" != 0 ]; then
        for log in tmp_check/log/regress_log_*; do
            if grep -qE 'not ok|died|Bail ?out|timed out|exited with' "$log"; then
                echo "--- $log"
                tail -n 60 "$log"
            fi
        done
    fi
    tally tap "$p" "$f" "$s" $# "$rc"
}

started=$SECONDS
echo "== build, PostgreSQL $("$PG_CONFIG" --version | sed 's/^PostgreSQL //')"
if ! build_dest; then
    echo "the build failed; no test ran"
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi
echo "== built ($((SECONDS - started)) s)"
echo

for suite in $SUITES; do
    started=$SECONDS
    case $suite in
        lint)
            stage_tap_lines lint 1 perl test/tools/layers.pl
            ;;
        unit)
            files=(test/unit/test_*.c)
            [ -e "${files[0]}" ] || continue
            stage_tap_lines unit ${#files[@]} make -s -k -j"$(nproc)" -C test/unit check
            ;;
        regress)
            mapfile -t tests < <(pick 'test/sql/*.sql' .sql)
            [ ${#tests[@]} -gt 0 ] || continue
            EXTRA='--dbname=contrib_regression' \
                stage_regress regress "$PGTEST/regress/pg_regress" . "${tests[@]}"
            ;;
        isolation)
            mapfile -t tests < <(pick 'test/specs/*.spec' .spec)
            [ ${#tests[@]} -gt 0 ] || continue
            EXTRA='--dbname=contrib_regression' \
                stage_regress isolation "$PGTEST/isolation/pg_isolation_regress" \
                . "${tests[@]}"
            ;;
        tap)
            mapfile -t tests < <(pick 'test/t/[0-9]*.pl' .pl)
            [ ${#tests[@]} -gt 0 ] || continue
            stage_prove "${tests[@]/%/.pl}"
            ;;
        *)
            die "unknown suite \"$suite\": lint, unit, regress, isolation, tap"
            ;;
    esac
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
