# A full analysis from submit to report, in seconds: the demo's site of 59 km2
# on SRTM elevations, 20 turbines, default parameters, seed 42.
set -eu
data=$(cd ../../data && pwd)
psql -qX -v ON_ERROR_STOP=1 <<SQL >&2
\\set asc \`cat '$data/dem/jacksboro_wgs84.asc'\`
\\set site \`cat '$data/site/demo_site_jacksboro.geojson'\`
\\o /dev/null
SELECT asyncjob.load_dem('jacksboro', :'asc', 4326);
SELECT asyncjob.load_site('ridge', :'site'::jsonb);
SELECT asyncjob.load_weibull('horns_rev_1',
    '{"direction_deg": [0, 30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 330],
      "frequency": [3.597152, 3.948682, 5.167395, 7.000154, 8.364547, 6.43485, 8.643194, 11.77051, 15.15757, 14.73792, 10.01205, 5.165975],
      "weibull_a_m_s": [9.176929, 9.782334, 9.531809, 9.909545, 10.04269, 9.593921, 9.584007, 10.51499, 11.39895, 11.68746, 11.63732, 10.08803],
      "weibull_k": [2.392578, 2.447266, 2.412109, 2.591797, 2.755859, 2.595703, 2.583984, 2.548828, 2.470703, 2.607422, 2.626953, 2.326172],
      "height_m": 70, "shear_alpha": 0.14, "normalize": true}');
SQL
job=$(psql -qXAt -v ON_ERROR_STOP=1 -c \
    "SELECT asyncjob.submit('full_analysis', '{\"site\": \"ridge\", \"wind\": \"horns_rev_1\", \"n_turbines\": 20}')")
psql -qXAt -v ON_ERROR_STOP=1 -v job="$job" <<'SQL'
SELECT CASE WHEN state = 'completed'
    THEN format(E'full_analysis_s\t%s\ts', round(extract(epoch FROM finished_at - created_at), 3))
    ELSE format('the job is %s: %s', state, error_message) END
FROM asyncjob.wait(:job, '300 s');
SQL
psql -qXAt -v job="$job" <<'SQL' >&2
SELECT format('bench_full_analysis: %s %s s', name, round(extract(epoch FROM finished_at - started_at), 3))
FROM asyncjob.steps(:job);
SQL
