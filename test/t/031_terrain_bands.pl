# A grid of a site that goes by in bands says what one that is held says: the
# same jobs under a large and under a small asyncjob.max_step_memory.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use AsyncJobTest;

my $data = "$FindBin::RealBin/../data";
my $node = aj_node('bands', conf => "asyncjob.max_step_memory = 1GB\n");

sub sql
{
	return $node->safe_psql('postgres', $_[0]);
}

# Elevations with two voids, one of them across rows that end a band.
my $wgs84 = slurp_file("$data/dem/jacksboro_wgs84.asc");
my @line = split /\n/, $wgs84;
my ($first) = grep { $line[$_] =~ /^\s*-?\d/ } 0 .. $#line;
my $voids = join("\n", map {
		my $r = $_ - $first;
		my @v = split ' ', $line[$_];

		if ($r >= 0 && ($r % 97 < 9))
		{
			@v[ 100 .. 140 ] = (-9999) x 41;
		}
		$r < 0 ? $line[$_] : join(' ', @v);
	} 0 .. $#line);
$voids = "NODATA_value -9999\n$voids" if $voids !~ /NODATA/i;
sql("SELECT asyncjob.load_dem('whole', \$asc\$$wgs84\$asc\$)");
sql("SELECT asyncjob.load_dem('voids', \$asc\$$voids\$asc\$)");
sql("SELECT asyncjob.load_dem('utm', \$asc\$" . slurp_file("$data/dem/jacksboro_utm16_90m.asc") . "\$asc\$, 32616)");
sql("SELECT asyncjob.load_site('ridge', \$geo\$" . slurp_file("$data/site/demo_site_jacksboro.geojson") . "\$geo\$)");

# Two parts, one with a hole.
my $parts = '{"type": "MultiPolygon", "coordinates": [
	[[[-84.30, 36.56], [-84.20, 36.56], [-84.20, 36.66], [-84.30, 36.66], [-84.30, 36.56]],
	 [[-84.27, 36.59], [-84.27, 36.63], [-84.23, 36.63], [-84.23, 36.59], [-84.27, 36.59]]],
	[[[-84.19, 36.50], [-84.15, 36.52], [-84.17, 36.55], [-84.19, 36.50]]]]}';

my @cases = (
	[ 'the demo site', '{"site": "ridge", "dem": "whole"}' ],
	[ 'small patches, coarse', '{"site": "ridge", "dem": "whole", "resolution_m": 40, "min_patch_m2": 200000}' ],
	[ 'voids, a hole and two parts', qq({"site": $parts, "dem": "voids", "resolution_m": 45, "suitability_for": "solar_array", "max_slope_deg": 12}) ],
	[ 'the model\'s own cells', qq({"site": $parts, "dem": "utm", "min_patch_m2": 0}) ],
	[ 'cells averaged', qq({"site": $parts, "dem": "utm", "resolution_m": 180, "margin_m": 5000}) ],
	[ 'a crooked cell', '{"site": "ridge", "dem": "utm", "resolution_m": 33.3, "margin_m": 1234.5, "slope_method": "zevenbergen_thorne"}' ]);

my @held = map { sql("SELECT asyncjob.run('terrain', '$_->[1]'::jsonb)") } @cases;
sql("ALTER SYSTEM SET asyncjob.max_step_memory = '1MB'");
sql('SELECT pg_reload_conf()');
ok($node->poll_query_until('postgres', q{SELECT current_setting('asyncjob.max_step_memory') = '1MB'}), 'little memory');

# What differs: numbers by more than rounding, and anything else at all.
sql(<<'SQL');
CREATE FUNCTION leaves(path text, v jsonb) RETURNS TABLE (at text, leaf jsonb) LANGUAGE plpgsql AS $$
BEGIN
	IF jsonb_typeof(v) = 'object' THEN
		RETURN QUERY SELECT l.* FROM jsonb_each(v) e, leaves(path || '.' || e.key, e.value) l;
	ELSIF jsonb_typeof(v) = 'array' THEN
		RETURN QUERY SELECT l.* FROM jsonb_array_elements(v) WITH ORDINALITY e (v, i), leaves(path || '.' || i, e.v) l;
	ELSE
		RETURN QUERY SELECT path, v;
	END IF;
END $$;
SQL
for my $i (0 .. $#cases)
{
	my ($what, $params) = @{ $cases[$i] };
	my $banded = sql("SELECT asyncjob.run('terrain', '$params'::jsonb)");
	my $differs = "SELECT coalesce(a.at, b.at), a.leaf, b.leaf FROM leaves('', '$held[$i]') a FULL JOIN leaves('', '$banded') b ON b.at = a.at
		WHERE coalesce(a.at, b.at) !~ '^\\.(streamed|contour_interval_m)' AND coalesce(a.at, b.at) !~ 'compartments\\.\\d+\\.compartment\$'";

	is(sql("SELECT ('$banded'::jsonb -> 'streamed' ->> 'bands')::int > 3"), 't', "$what: in bands");
	is(sql("SELECT ('$banded'::jsonb -> 'streamed' ->> 'memory_mb')::int"), 1, 'in the memory allowed');

	# sums over patches are put together in another order
	is(sql("$differs AND a.leaf IS DISTINCT FROM b.leaf AND (a.at IS NULL OR b.at IS NULL OR a.at !~ '(suitability|slope_mean_deg|suitability_mean)' OR
			abs((a.leaf #>> '{}')::float8 - (b.leaf #>> '{}')::float8) > 1.1e-4)"), '', 'says the same');
	is(sql("SELECT count(*) > 60 FROM leaves('', '$held[$i]')"), 't', 'which is much');
}

# Drawings are an overview's.
my $job = sql("SELECT asyncjob.submit('terrain', '$cases[0][1]')");
is(sql("SELECT state, error_message FROM asyncjob.wait($job, '60s')"), 'completed|', 'as a job');
my $artifacts = sql("SELECT string_agg(name, ' ' ORDER BY name COLLATE \"C\") FROM asyncjob.artifacts($job)");
is($artifacts, 'buildable_area contours exclusion_zones hillshade.pgw hillshade.png hillshade.png.aux.xml slope.pgw slope.png slope.png.aux.xml '
	  . 'suitability.pgw suitability.png suitability.png.aux.xml terrain_metrics terrain_report.html', 'all artifacts');
is(sql("SELECT split_part(convert_from(asyncjob.artifact_data($job, 'slope.pgw'), 'UTF8'), E'\\n', 1)::float8 >= (asyncjob.result($job) -> 'streamed' ->> 'overview_resolution_m')::float8 * 0.999"),
	't', 'a map of the overview');

is(sql("SELECT convert_from(asyncjob.artifact_data($job, 'terrain_report.html'), 'UTF8') ~ 'an overview with cells of [0-9]+ m; all figures are those of the grid of 30 m'"),
	't', 'and the report says so');

# The buildable ground of the overview is about that of the grid.
is(sql("SELECT abs(sum((f -> 'properties' ->> 'area_m2')::float8) / (asyncjob.result($job) ->> 'buildable_area_m2')::float8 - 1) < 0.25
	FROM jsonb_array_elements(convert_from(asyncjob.artifact_data($job, 'buildable_area'), 'UTF8')::jsonb -> 'features') f"), 't', 'outlines of about the same area');

# Steps that need the grid as a whole refuse as they did.
my ($ret, $out, $err) = $node->psql('postgres', q{SELECT asyncjob.check_layout('{"site": "ridge", "dem": "whole", "n_turbines": 3, "wind": {"direction_deg": [0], "speed_m_s": 8, "probability": [1]}}')});
like($err, qr/cells need \d+ MB/, 'a layout needs all of it');
($ret, $out, $err) = $node->psql('postgres', q{SELECT asyncjob.check_terrain('{"site": "ridge", "dem": "whole", "resolution_m": 2}')});
like($err, qr/cells, in bands, need \d+ MB/, 'too many even for bands are refused');
like($err, qr/^HINT:  Raise resolution_m to \d+ or asyncjob\.max_step_memory\.$/m, 'with what would do');
my ($fits) = $err =~ /resolution_m to (\d+)/;
is(sql("SELECT asyncjob.check_terrain('{\"site\": \"ridge\", \"dem\": \"whole\", \"resolution_m\": $fits}') IS NOT NULL"), 't', 'which does');

$node->stop;
done_testing();
