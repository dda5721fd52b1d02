#!/bin/bash
# prereqs.sh: install what building and testing asyncjob needs and this
# machine lacks.  Debian and its derivatives; root, or a user who may sudo.
# Where nothing is missing it does nothing and needs no rights.  "browser" as
# argument: where Node.js is, also a browser, for the test of the example page.
set -eu

PG_CONFIG=${PG_CONFIG:-pg_config}
BROWSER=no
[ "${1:-}" != browser ] || BROWSER=yes
OPTIONAL='^chromium$|-(cron|pgtap|postgis-3)$' # tests that need them are skipped

have_header()
{
    printf '#include <%s>\n' "$1" | gcc ${2:+-I"$2"} -E - >/dev/null 2>&1
}

# What is missing, as names of packages; $1 is the major version or nothing.
missing()
{
    local v=$1 sharedir

    command -v gcc >/dev/null || echo gcc libc6-dev
    command -v make >/dev/null || echo make
    command -v perl >/dev/null || echo perl
    command -v gzip >/dev/null || echo gzip
    command -v nm >/dev/null || echo binutils
    command -v pkg-config >/dev/null || echo pkg-config
    command -v setpriv >/dev/null || echo util-linux
    perl -MIPC::Run -e1 2>/dev/null || echo libipc-run-perl
    perl -MTAP::Harness -MTest::More -MTime::HiRes -e1 2>/dev/null || echo perl
    have_header png.h || echo libpng-dev
    have_header ncurses.h || echo libncurses-dev
    have_header stdlib.h || echo libc6-dev
    if [ $BROWSER = yes ] && command -v node >/dev/null && command -v npm >/dev/null; then
        command -v chromium chromium-browser google-chrome >/dev/null || echo chromium
    fi

    if [ -f "$("$PG_CONFIG" --pgxs 2>/dev/null)" ] &&
        [ -f "$("$PG_CONFIG" --includedir-server)/postgres.h" ]; then
        have_header libpq-fe.h "$("$PG_CONFIG" --includedir)" || echo libpq-dev
    else
        echo "postgresql-server-dev-$v" libpq-dev
    fi
    if [ -x "$("$PG_CONFIG" --bindir 2>/dev/null)/initdb" ]; then
        sharedir=$("$PG_CONFIG" --sharedir)
        [ -f "$sharedir/extension/pg_cron.control" ] || echo "postgresql-$v-cron"
        [ -f "$sharedir/extension/pgtap.control" ] || echo "postgresql-$v-pgtap"
        [ -f "$sharedir/extension/postgis_raster.control" ] || echo "postgresql-$v-postgis-3"
    else
        echo "postgresql-$v" "postgresql-$v-cron" "postgresql-$v-pgtap" "postgresql-$v-postgis-3"
    fi
}

major()
{
    if command -v "$PG_CONFIG" >/dev/null && [ -f "$("$PG_CONFIG" --pgxs)" ]; then
        "$PG_CONFIG" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/'
    elif command -v apt-cache >/dev/null; then
        apt-cache depends postgresql 2>/dev/null |
            sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p' | head -1
    fi
}

list=$(missing "$(major)")
[ -n "$list" ] || exit 0

# What only some tests use is no reason to ask for rights, nor to fail.
do_without()
{
    echo "Not installed: $(echo "$list" | tr '\n' ' ')- tests that need them are skipped." >&2
    exit 0
}

needed()
{
    echo "$list" | tr ' ' '\n' | grep -vE -- "$OPTIONAL|^$" | tr '\n' ' '
}

if ! command -v apt-get >/dev/null; then
    [ -n "$(needed)" ] || do_without
    echo "Missing: $(echo "$list" | tr '\n' ' ')(Debian's names)." >&2
    echo "Install PostgreSQL 15 or later with its server headers, libpq and libpng's headers, gcc, make and perl's IPC::Run." >&2
    exit 1
fi

sudo=
if [ "$(id -u)" != 0 ]; then
    [ -n "$(needed)" ] || do_without
    command -v sudo >/dev/null || {
        echo "Missing packages: $(echo "$list" | tr '\n' ' ')" >&2
        echo "Run this as root, or install them with: apt-get install $(echo "$list" | tr '\n' ' ')" >&2
        exit 1
    }
    sudo='sudo'
fi

export DEBIAN_FRONTEND=noninteractive
APT="$sudo apt-get -o Dpkg::Use-Pty=0 -qq"
log=$(mktemp "${TMPDIR:-/tmp}/asyncjob-apt.XXXXXX")

# A bare machine has no package lists yet; others may have stale ones.
if ! $APT update >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    [ -n "$(needed)" ] || do_without
    exit 1
fi
list=$(missing "$(major)" | tr ' ' '\n' | sort -u | tr '\n' ' ')
echo "Installing: $list"

# The tests bring their own clusters: keep the package from creating and
# starting one, and leave no trace of that wish.
guard=
case " $list" in
    *" postgresql-"[0-9][0-9]" "*)
        guard=/etc/postgresql-common/createcluster.d/asyncjob-prereqs.conf
        $sudo mkdir -p "$(dirname $guard)"
        echo 'create_main_cluster = false' | $sudo tee $guard >/dev/null
        ;;
esac
rc=0
# shellcheck disable=SC2086
$APT install -y --no-install-recommends $list >"$log" 2>&1 || rc=$?

# Some releases lack an optional one; tests then skip.
if [ $rc != 0 ]; then
    rc=0
    # shellcheck disable=SC2046
    [ -z "$(needed)" ] || $APT install -y --no-install-recommends $(needed) >"$log" 2>&1 || rc=$?
    for one in $(echo "$list" | tr ' ' '\n' | grep -E -- "$OPTIONAL"); do
        $APT install -y --no-install-recommends "$one" >/dev/null 2>&1 || :
    done
fi
[ -z "$guard" ] || $sudo rm -f $guard
if [ $rc != 0 ]; then
    cat "$log" >&2
    echo "Could not install: $list" >&2
    exit 1
fi
rm -f "$log"
