# get.sh: get what peers.sh measures into the run's own directory: packages of
# npm, whose versions package.json names, and Debian's package of PgQ.
#
# shellcheck shell=bash disable=SC2034,SC2154

get_peers()
{
    local bin

    mkdir -p "$PEERS"
    cp "$here/peers"/*.mjs "$here/peers/package.json" "$PEERS"
    case " $systems " in
        *" graphile"* | *" pgboss "* | *" pgq "*) get_npm ;;
    esac
    case " $systems " in
        *" pgq "*) get_pgq ;;
    esac
}

get_npm()
{
    command -v npm >/dev/null || die "npm is not there (Debian: apt-get install nodejs npm)"
    (cd "$PEERS" && npm install --no-audit --no-fund --no-update-notifier \
        --no-package-lock --loglevel=error --fetch-retries=1 --fetch-timeout=60000 \
        --cache "$WORK/npm") >"$TMP/npm.log" 2>&1 || {
        tail -5 "$TMP/npm.log" >&2
        die "peers are not measured: npm could not get them.  Is its registry reachable from here (npm config get registry; npm_config_registry names another)?"
    }
    # the Node.js that the peers ask for, or else the system's
    bin=$(echo "$PEERS"/node_modules/node-linux-*/bin/node)
    [ -x "$bin" ] || bin=$(command -v node || command -v nodejs)
    ln -s "$bin" "$PEERS/node"
}

version_of()
{
    sed -n 's/^  "version": "\(.*\)",*$/\1/p' "$PEERS/node_modules/$1/package.json"
}

# PgQ's files come beside the extension's own, where the server looks.
get_pgq()
{
    local major sharedir

    major=$("$PG_CONFIG" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
    sharedir=$("$PG_CONFIG" --sharedir)
    mkdir -p "$WORK/pgq"
    if ! (cd "$WORK/pgq" && apt-get -qq download "postgresql-$major-pgq3" &&
        dpkg-deb -x postgresql-*-pgq3_*.deb .) >"$TMP/apt.log" 2>&1; then
        remark "postgresql-$major-pgq3 can't be had here: PgQ is not measured"
        systems=$(echo " $systems " | sed 's/ pgq / /')
        return
    fi
    PGQ_VERSION=$(dpkg-deb -f "$WORK"/pgq/*.deb Version)
    cp "$WORK/pgq$sharedir"/extension/pgq* "$WORK/dest$sharedir/extension/"
    cp "$WORK/pgq$("$PG_CONFIG" --pkglibdir)"/*.so "$WORK/dest$("$PG_CONFIG" --pkglibdir)/"
}
