#!/bin/bash
# prereqs.sh: what peers.sh needs from Debian: npm, and package lists that
# know PgQ.  Run by test/tools/bench.sh before it gives up its rights.  All
# else (the peers, the Node.js that they ask for, PgQ's files) peers.sh gets
# itself, into its temporary directory.
set -eu

PG_CONFIG=${PG_CONFIG:-pg_config}

sudo=
[ "$(id -u)" = 0 ] || sudo=sudo

apt()
{
    command -v apt-get >/dev/null || return 1
    [ -z "$sudo" ] || command -v sudo >/dev/null || return 1
    DEBIAN_FRONTEND=noninteractive $sudo apt-get -o Dpkg::Use-Pty=0 -qq "$@" >/dev/null 2>&1
}

v=$("$PG_CONFIG" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
if command -v apt-cache >/dev/null && [ -z "$(apt-cache madison "postgresql-$v-pgq3" 2>/dev/null)" ]; then
    apt update || :
fi
if ! command -v npm >/dev/null; then
    echo "Installing: nodejs npm"
    apt install -y --no-install-recommends nodejs npm || {
        apt update || :
        apt install -y --no-install-recommends nodejs npm
    } || {
        echo "The peers need npm, and it could not be installed (Debian: apt-get install nodejs npm)." >&2
        exit 1
    }
fi
