# lib.sh: what the shell tools share.  Sourced by bash, after set -eu.
#
# A tool that needs a server calls enter_copy first: that installs what is
# missing, copies the tree into a temporary directory and runs the tool again
# there, as user postgres where we are root (a server refuses root).  So a
# run leaves nothing in the tree, in the system or in a running cluster.
#
# shellcheck shell=bash

# One locale everywhere: messages, order and encoding of the test clusters.
export LANG=C.UTF-8 LC_ALL=C.UTF-8

TOOLS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$TOOLS/../.." && pwd)
# Data that may not stand in the repository, beside it where there is any.
export AJ_SHARED_DATA="${AJ_SHARED_DATA:-$ROOT/../shared/data}"
CHILD=

die()
{
    printf '%s\n' "$*" >&2
    exit 1
}

# Run a command so that a signal to this shell ends it, and all that it
# started, at once: it gets a session of its own, so also Ctrl-C comes to it
# through this shell only.
run()
{
    local rc=0

    setsid "$@" &
    CHILD=$!
    wait "$CHILD" || rc=$?
    CHILD=
    return $rc
}

end_child()
{
    [ -z "$CHILD" ] || kill -TERM -- "-$CHILD" 2>/dev/null || :
    [ -z "$CHILD" ] || wait "$CHILD" 2>/dev/null || :
}

# Where PostgreSQL's files are: BINDIR PKGLIBDIR SHAREDIR PGTEST MAJOR
pg_vars()
{
    PG_CONFIG=${PG_CONFIG:-pg_config}
    export PG_CONFIG
    BINDIR=$("$PG_CONFIG" --bindir)
    PKGLIBDIR=$("$PG_CONFIG" --pkglibdir)
    SHAREDIR=$("$PG_CONFIG" --sharedir)
    export PGTEST
    PGTEST=$(dirname "$("$PG_CONFIG" --pgxs)")/../../src/test
    MAJOR=$("$PG_CONFIG" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
}

# copy_tree FROM TO: the sources, without what a build or a run made
copy_tree()
{
    mkdir -p "$2"
    (cd "$1" && tar -cf - --exclude=./.git --exclude='*.o' --exclude='*.d' \
        --exclude='*.so' --exclude='*.so.0' --exclude='*.a' --exclude='*.bc' --exclude='*.gcda' \
        --exclude='*.gcno' --exclude='./sql/asyncjob--*.sql' \
        --exclude=./src/client/asyncjob --exclude=./test/unit/bin \
        --exclude=./build --exclude=./demo --exclude=./results \
        --exclude=./tmp_check --exclude=./tmp_check_iso \
        --exclude=./output_iso --exclude='./regression.*' \
        --exclude=./log .) | tar -xf - -C "$2"
}

# enter_copy "$@": returns only in the copy (WORK is then its directory)
enter_copy()
{
    local base=${TMPDIR:-/tmp} user='' cmd=() rc=0 name

    if [ -n "${AJ_WORK:-}" ]; then
        WORK=$AJ_WORK
        pg_vars
        trap 'stop_servers' EXIT
        trap 'end_child; exit 130' INT TERM HUP
        return 0
    fi

    name=$(basename "$0")
    "$TOOLS/prereqs.sh" ${NEEDS:+"$NEEDS"}

    # a socket's path has room for 107 bytes
    [ ${#base} -le 40 ] || base=/tmp
    if [ "$(id -u)" = 0 ]; then
        user=postgres
        id "$user" >/dev/null 2>&1 || user=nobody
        cmd=(setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups)
        "${cmd[@]}" test -w "$base" -a -x "$base" || base=/tmp
    fi
    WORK=$(mktemp -d "$base/asyncjob.XXXXXX")
    trap 'end_child; rm -rf "$WORK"; exit 130' INT TERM HUP
    copy_tree "$ROOT" "$WORK/src"
    [ -z "$user" ] || chown -R "$user" "$WORK"

    cd "$WORK/src" || exit 1
    run env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS -u PGHOST -u PGPORT -u PGUSER \
        -u PGDATABASE -u PGSERVICE -u PGOPTIONS \
        HOME="$WORK" AJ_WORK="$WORK" LC_ALL=C.UTF-8 \
        "${cmd[@]}" "$WORK/src/test/tools/$name" "$@" || rc=$?
    cd "$ROOT" || exit 1
    if declare -F leave_copy >/dev/null; then
        leave_copy "$rc"
    fi
    if [ "$rc" = 0 ]; then
        rm -rf "$WORK"
    else
        printf 'The files of this run are kept in %s\n' "$WORK" >&2
    fi
    exit "$rc"
}

# Build the tree of the copy and install it below $WORK/dest only.
build_dest()
{
    local conf=$WORK/test.conf

    make -s -j"$(nproc)" PG_CONFIG="$PG_CONFIG" all || return 1
    make -s PG_CONFIG="$PG_CONFIG" install DESTDIR="$WORK/dest" >/dev/null || return 1
    # so that a test can begin with an older version
    cp sql/updates/*/asyncjob--*.sql "$WORK/dest$SHAREDIR/extension/"

    cp test/asyncjob.conf "$conf"
    if [ ! -e "$PKGLIBDIR/pg_cron.so" ]; then
        sed -i -e "s/,pg_cron'/'/" -e '/^cron\./d' "$conf"
    fi
    {
        echo "dynamic_library_path = '$WORK/dest$PKGLIBDIR:\$libdir'"
        if [ "$MAJOR" -ge 18 ]; then
            echo "extension_control_path = '$WORK/dest$SHAREDIR:\$system'"
        else
            echo "extension_destdir = '$WORK/dest'"
        fi
    } >>"$conf"
    export TEMP_CONFIG=$conf
    PATH=$WORK/dest$BINDIR:$BINDIR:$PATH
    export PATH
}

# start_server: a cluster of its own in $WORK/data; sets PGHOST and friends
start_server()
{
    mkdir -p "$WORK/s"
    initdb -D "$WORK/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 \
        --no-sync >"$WORK/initdb.log" 2>&1 || {
        cat "$WORK/initdb.log" >&2
        die "initdb failed"
    }
    cat "$TEMP_CONFIG" >>"$WORK/data/postgresql.conf"
    echo "unix_socket_directories = '$WORK/s'" >>"$WORK/data/postgresql.conf"
    export PGHOST=$WORK/s PGPORT=5432 PGUSER=postgres
    pg_ctl -D "$WORK/data" -l "$WORK/server.log" -w -s start >/dev/null 2>&1 || {
        cat "$WORK/server.log" >&2
        die "the private PostgreSQL did not start"
    }
}

# Stop every server whose data directory lies in this run's directory.
stop_servers()
{
    local pidfile

    end_child
    while IFS= read -r pidfile; do
        pg_ctl -D "$(dirname "$pidfile")" -m immediate -s -w stop \
            >/dev/null 2>&1 || :
    done < <(find "$WORK" -name postmaster.pid 2>/dev/null)
}
