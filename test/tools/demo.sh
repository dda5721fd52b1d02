#!/bin/bash
# demo.sh: a whole analysis inside a private PostgreSQL, from a bare tree.
#
# Builds asyncjob, starts a server, loads a real elevation model (SRTM,
# Cumberland Mountains, Tennessee) and a lease on it, submits full_analysis
# as an ordinary role, shows its progress, and saves what it made in ./demo.
set -eu
# shellcheck source=test/tools/lib.sh
. "$(dirname "$0")/lib.sh"

# Outside of the copy, when the run is over: fetch what it made.
# shellcheck disable=SC2317
leave_copy()
{
    [ "$1" = 0 ] || return 0
    mkdir -p "$ROOT/demo"
    cp -f "$WORK"/src/demo/* "$ROOT/demo/"
    if [ "$(id -u)" = 0 ]; then
        chown -R --reference="$ROOT" "$ROOT/demo"
    fi
    cat "$WORK/last-line"
}

enter_copy "$@"

TURBINES=${TURBINES:-20}
SEED=${SEED:-42}

echo "Building asyncjob for $("$PG_CONFIG" --version) ..."
build_dest >"$WORK/build.log" 2>&1 || {
    cat "$WORK/build.log" >&2
    die "the build failed"
}
echo "Starting a private PostgreSQL on a unix socket ..."
start_server

createdb demo
psql -qX -v ON_ERROR_STOP=1 -d demo <<'SQL'
SET client_min_messages = warning;
CREATE EXTENSION asyncjob;
CREATE ROLE analyst LOGIN;
SELECT asyncjob.grant_usage('analyst') \g /dev/null
SQL

echo "Loading an elevation model (SRTM, Tennessee), a lease on it and a wind climate"
echo "(Horns Rev 1, published; it stands in for a measurement on the site) ..."
export PGUSER=analyst PGDATABASE=demo
# The wind climate is published: the twelve sectors of Horns Rev 1 (as in
# PyWake's example site), measured offshore at 70 m. The site has no public
# measurement of its own, so it stands in for one, and the report says so.
cat >"$WORK/horns_rev_1.json" <<'EOT'
{"direction_deg": [0, 30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 330],
 "frequency": [0.03597152, 0.03948682, 0.05167395, 0.07000154,
               0.08364547, 0.06434850, 0.08643194, 0.11770510,
               0.15157570, 0.14737920, 0.10012050, 0.05165975],
 "weibull_a_m_s": [9.176929, 9.782334, 9.531809, 9.909545, 10.04269, 9.593921,
                   9.584007, 10.51499, 11.39895, 11.68746, 11.63732, 10.08803],
 "weibull_k": [2.392578, 2.447266, 2.412109, 2.591797, 2.755859, 2.595703,
               2.583984, 2.548828, 2.470703, 2.607422, 2.626953, 2.326172],
 "height_m": 70, "turbulence_intensity": 0.1,
 "source": "Horns Rev 1, 12 sectors, as in the example site of PyWake; stands in for a measurement on the site"}
EOT
asyncjob load dem test/data/dem/jacksboro_wgs84.asc --name jacksboro >/dev/null
asyncjob load site test/data/site/demo_site_jacksboro.geojson --name ridge >/dev/null
asyncjob load wind "$WORK/horns_rev_1.json" >/dev/null

cat >"$WORK/params.json" <<EOT
{"site": "ridge", "dem": "jacksboro", "wind": "horns_rev_1",
 "turbine": "IEA_3.4MW_130", "n_turbines": $TURBINES, "seed": $SEED}
EOT
job=$(asyncjob submit full_analysis @"$WORK/params.json")
echo
echo "Submitted job $job: full_analysis of the lease \"ridge\", $TURBINES turbines of 3.4 MW."
rc=0
run asyncjob watch "$job" || rc=$?
[ "$rc" = 0 ] || { asyncjob status "$job" >&2; exit "$rc"; }

echo
asyncjob artifacts "$job" --save demo
asyncjob result "$job" >demo/result.json

echo
psql -qAtX -v job="$job" <<'SQL'
WITH r AS (SELECT asyncjob.result(:job) -> 'summary' AS s)
SELECT format('  %-22s %12s', label, value)
FROM r, LATERAL (VALUES
    (1, 'turbines', s ->> 'turbine_count'),
    (2, 'capacity, MW', round((s ->> 'total_capacity_kw')::numeric / 1000, 1)::text),
    (3, 'gross energy, GWh/yr', round((s ->> 'gross_aep_gwh')::numeric, 2)::text),
    (4, 'wake loss, %', round((s ->> 'wake_loss_pct')::numeric, 2)::text),
    (5, 'net energy, GWh/yr', round((s ->> 'net_aep_gwh')::numeric, 2)::text),
    (6, 'capacity factor', round((s ->> 'capacity_factor')::numeric, 3)::text)
) AS v (n, label, value)
ORDER BY n;
SQL

psql -qAtX -v job="$job" >"$WORK/last-line" <<'SQL'
SELECT format('demo: job %s completed in %s s: %s turbines, %s GWh/yr net, wake loss %s %%, report %s',
    :job, round(extract(epoch FROM j.finished_at - j.created_at)::numeric, 1),
    s ->> 'turbine_count', round((s ->> 'net_aep_gwh')::numeric, 2),
    round((s ->> 'wake_loss_pct')::numeric, 2), './demo/report.html')
FROM asyncjob.status(:job) j, LATERAL (SELECT asyncjob.result(:job) -> 'summary') AS r (s);
SQL
grep -q '^demo: job [0-9]* completed in ' "$WORK/last-line" ||
    die "the result has no summary"
[ -s demo/report.html ] || die "the job made no report"
