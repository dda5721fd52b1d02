# An elevation model of 10,000 x 10,000 cells, loaded in slices, and sites in
# it, one as large as the model, analysed within asyncjob.max_step_memory.
#
# The ground is made of planes: 200 m + (column modulo 1000) + 2 (row modulo
# 256), cells of 10 m, so within one slice of 256 rows and one block of 1000
# columns slope is atan(hypot(1, 2) / 10) everywhere and aspect north-west.

use strict;
use warnings;

use FindBin;
use JSON::PP;
use lib $FindBin::RealBin;
use Math::Trig qw(rad2deg);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use AsyncJobTest;

use constant { COLS => 10000, ROWS => 10000, SLICE => 256 };

my $node = aj_node('big_dem', conf => <<'CONF');
asyncjob.max_step_memory = 256MB
shared_buffers = 16MB
max_wal_size = 1GB
full_page_writes = off
CONF

# The rows repeat after 256, so the text of a slice is made once.
my @row;
for my $r (0 .. SLICE - 1)
{
	my $block = join(' ', map { 200 + $_ + 2 * $r } 0 .. 999);
	push @row, join(' ', ($block) x (COLS / 1000));
}
my $header = sprintf("ncols %d\nnrows %d\nxllcorner 450000\nyllcorner 5400000\ncellsize 10\nNODATA_value -9999\n",
	COLS, ROWS);

my ($host, $port) = ($node->host, $node->port);
open(my $psql, '|-', 'psql', '-qXAt', '-v', 'ON_ERROR_STOP=1', '-h', $host, '-p', $port, '-d', 'postgres')
  or die "psql: $!";
my $slices = 0;
for (my $r = 0; $r < ROWS; $r += SLICE)
{
	my $last = ROWS - $r < SLICE ? ROWS - $r - 1 : SLICE - 1;

	print $psql "SELECT asyncjob.load_dem_rows('big', $r, \$asc\$",
	  ($r == 0 ? $header : ''), join("\n", @row[ 0 .. $last ]),
	  "\$asc\$, 32632) \\g /dev/null\n";
	$slices++;
}
ok(close($psql), 'streamed in slices');
is($slices, 40, 'of 256 rows');
is($node->safe_psql('postgres',
		q{SELECT ncols, nrows, complete, rows_loaded, min_m, max_m FROM asyncjob.dem WHERE name = 'big'}),
	'10000|10000|t|{[0,10000)}|200|1709', 'the model is complete');
is($node->safe_psql('postgres',
		q{SELECT count(*), sum(length(data)) FROM asyncjob.dem_tile}),
	'1600|400000000', 'tiles are float4, nothing else');

# What a job's worker has used at most, without what it shares with others.
sub peak_mb
{
	my ($pid) = @_;
	my $status = slurp_file("/proc/$pid/status");
	my ($peak) = $status =~ /^VmHWM:\s+(\d+) kB/m or die "no VmHWM";
	my ($shared) = $status =~ /^RssShmem:\s+(\d+) kB/m or die "no RssShmem";

	return ($peak - $shared) / 1024;
}

# Blocks of so many rows or columns, without the two at their ends, that the
# cells 50 to 9949 reach into
sub blocks
{
	my ($size) = @_;
	my %seen;

	for my $i (50 .. 9949)
	{
		$seen{ int($i / $size) } = 1 if $i % $size != 0 && $i % $size != $size - 1;
	}
	return scalar keys %seen;
}

sub worker
{
	return $node->safe_psql('postgres',
		q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'asyncjob worker'});
}

sub analyse
{
	my ($params) = @_;
	my $job = $node->safe_psql('postgres', "SELECT asyncjob.submit('terrain', '$params')");

	is($node->safe_psql('postgres', "SELECT state, error_message FROM asyncjob.wait($job, '120s')"),
		'completed|', "analysed: job $job");
	return $job;
}

# The worker of a job without input: what any worker takes.
my $noop = $node->safe_psql('postgres', q{SELECT asyncjob.submit('noop')});
$node->safe_psql('postgres', "SELECT asyncjob.wait($noop, '60s')");
my $pid = worker();
SKIP:
{
	skip 'no /proc here', 35 unless -r "/proc/$pid/status";

	my $plain = peak_mb($pid);

	# 2.0 by 1.3 km within one plane: in UTM 502000..504000, 5447000..5448300
	my $small = '{"dem": "big", "resolution_m": 10, "max_slope_deg": 12.7, "boundary_setback_m": 0,
		"site": {"type": "Polygon", "coordinates": [[[9.0274406, 49.1758063], [9.0548812, 49.1757966],
			[9.0548941, 49.1874905], [9.0274471, 49.1875003], [9.0274406, 49.1758063]]]}}';
	my $job = analyse($small);
	my ($min, $mean, $max, $octants, $share, $km2) = split /\|/, $node->safe_psql('postgres', qq{
		SELECT r -> 'elevation_m' ->> 'min', r -> 'slope_deg' ->> 'mean', r -> 'slope_deg' ->> 'max',
		       (SELECT string_agg(o ->> 'octant', ' ') FROM jsonb_array_elements(r -> 'aspect_octants') o
		        WHERE (o ->> 'area_m2')::float8 > 0),
		       r ->> 'buildable_share', round((r ->> 'site_area_m2')::numeric / 1e6, 2)
		FROM (SELECT asyncjob.result($job) AS r) r});
	my $slope = rad2deg(atan2(sqrt(5), 10));

	# its north-west corner is in column 5200 and row 5170, 50 rows into a slice
	is($min, 200 + 200 + 2 * 50, 'the elevations of that place');
	cmp_ok(abs($mean - $slope), '<', 1e-4, 'mean slope of the plane');
	cmp_ok(abs($max - $slope), '<', 1e-4, 'greatest slope of the plane');
	is($octants, 'NW', 'it faces north-west');
	is($share, 1, 'all of it can be built on');
	is($km2, '2.60', 'two kilometres by 1.3');
	is(worker(), $pid, 'the same worker');
	my $peak = peak_mb($pid);
	note(sprintf "a small site: %.0f MB beside the %.0f MB of any worker", $peak - $plain, $plain);
	cmp_ok($peak - $plain, '<', 32, 'a small site takes little memory');

	# 23 by 23 km, 5.3 million cells of 10 m, near the limit
	my $corners = '[[8.8632182, 49.0228057], [9.1778162, 49.0227498], [9.1785576, 49.2296434], [8.8626479, 49.2296997], [8.8632182, 49.0228057]]';
	my $large = '{"dem": "big", "resolution_m": %s, "margin_m": 0, "max_slope_deg": 45,
		"site": {"type": "Polygon", "coordinates": [' . $corners . ']}}';
	analyse(sprintf $large, '10');
	is(worker(), $pid, 'the same worker');
	$peak = peak_mb($pid);
	note(sprintf "a large site: %.0f MB beside the %.0f MB of any worker", $peak - $plain, $plain);
	cmp_ok($peak - $plain, '<', 256, 'a large site stays within asyncjob.max_step_memory');

	# one that does not fit even in bands is refused at submit, before anything is read
	my ($ret, $out, $err) = $node->psql('postgres',
		"SELECT asyncjob.submit('terrain', '" . sprintf($large, 0.5) . "')");
	isnt($ret, 0, 'too fine a resolution is refused');
	like($err, qr/^psql:.*ERROR:  4[67]\d{3} x 4[67]\d{3} cells, in bands, need (\d+) MB$/m, 'with the cells and what they need');
	my ($need) = $err =~ /need (\d+) MB/;
	cmp_ok($need, '>', 256, 'that is more than allowed');
	like($err, qr/^DETAIL:  asyncjob\.max_step_memory is 256 MB\.$/m, 'with the limit');
	like($err, qr/^HINT:  Raise resolution_m to \d+ or asyncjob\.max_step_memory\.$/m, 'and what would do');
	my ($coarser) = $err =~ /Raise resolution_m to (\d+)/;
	is($node->safe_psql('postgres', "SELECT asyncjob.check_terrain('" . sprintf($large, $coarser) . "') IS NOT NULL"),
		't', 'which is accepted');
	is($node->safe_psql('postgres', q{SELECT count(*) FROM asyncjob.job WHERE pipeline_id = (SELECT id FROM asyncjob.pipeline WHERE name = 'terrain')}),
		'2', 'nothing was stored for what was refused');

	# with the model's cells averaged the coarse grid of everything fits, too
	analyse('{"dem": "big", "resolution_m": 100, "margin_m": 0, "site": {"type": "Polygon", "coordinates": [' . $corners . ']}}');
	is(worker(), $pid, 'the same worker');
	cmp_ok(peak_mb($pid) - $plain, '<', 256, 'a coarse grid stays within it as well');

	# forget the peaks before: the kernel takes 5 for that
	open(my $refs, '>', "/proc/$pid/clear_refs") or die "clear_refs: $!";
	print $refs "5\n";
	close($refs) or die "clear_refs: $!";

	# the whole model but its rim, 99 by 99 km: 98 million cells of 10 m, which
	# would take 3.9 GB at once
	$job = analyse('{"dem": "big", "resolution_m": 10, "max_slope_deg": 12.7, "boundary_setback_m": 0, "contour_interval_m": 0,
		"site": {"type": "Polygon", "coordinates": [[[8.3265268, 48.7555431], [9.6734732, 48.7555431], [9.6856751, 49.6460154],
			[8.3143249, 49.6460154], [8.3265268, 48.7555431]]]}}');
	is(worker(), $pid, 'the same worker');
	$peak = peak_mb($pid);
	note(sprintf "the whole model: %.0f MB beside the %.0f MB of any worker", $peak - $plain, $plain);
	cmp_ok($peak - $plain, '<', 256, 'all of it in bands stays within asyncjob.max_step_memory');
	my $r = decode_json($node->safe_psql('postgres', "SELECT asyncjob.result($job)"));
	cmp_ok($r->{streamed}{memory_mb}, '<=', 256, 'as was reckoned');
	cmp_ok($peak - $plain, '<', $r->{streamed}{memory_mb} + 16, 'and not much more than that is used');
	note("in $r->{streamed}{bands} bands of $r->{streamed}{band_rows} rows, reckoned $r->{streamed}{memory_mb} MB, overview of $r->{streamed}{overview_resolution_m} m");

	# What columns and rows there are, by their rise to the east and the south:
	# the figures are sums over their products.
	my (%east, %south);
	my ($sum_x, $sum_y, $low, $high) = (0, 0, 1e9, -1e9);
	for my $i (50 .. 9949)
	{
		$east{ ($i + 1) % 1000 - ($i - 1) % 1000 }++;
		$south{ 2 * (($i + 1) % 256 - ($i - 1) % 256) }++;
		$sum_x += $i % 1000;
		$sum_y += 2 * ($i % 256);
	}
	my ($steepest, $slopes, $flat_enough, %octant) = (0, 0, 0);
	for my $p (keys %east)
	{
		for my $q (keys %south)
		{
			my $n = $east{$p} * $south{$q};
			my $deg = rad2deg(atan2(sqrt($p**2 + $q**2), 20));

			$slopes += $n * $deg;
			$steepest = $deg if $deg > $steepest;
			$flat_enough += $n if $deg <= 12.7;
		}
	}
	my $cells = 9900**2;
	my $area = 0;
	$area += $_->{area_m2} for @{ $r->{slope_histogram} };
	my $ground = 100 / $r->{grid}{scale_factor}**2;

	cmp_ok(abs($area / $ground - $cells), '<', 0.01 * 7, 'every cell of the site is in a class of slope');
	is($r->{elevation_m}{min}, 200, 'lowest');
	is($r->{elevation_m}{max}, 200 + 999 + 510, 'highest');
	cmp_ok(abs($r->{elevation_m}{mean} - (200 + ($sum_x + $sum_y) / 9900)), '<', 6e-4, 'mean elevation');
	cmp_ok(abs($r->{slope_deg}{mean} - $slopes / $cells), '<', 1e-4, 'mean slope');
	cmp_ok(abs($r->{slope_deg}{max} - $steepest), '<', 1e-4, 'greatest slope');
	cmp_ok(abs($r->{buildable_area_m2} / $ground - $flat_enough), '<', 1, 'buildable are the cells that are not too steep');

	# planes of 998 x 254 cells, cut by the site's edges
	is($r->{compartment_count}, blocks(1000) * blocks(256), 'a compartment for each plane');
	cmp_ok(abs($r->{compartments}[0]{area_m2} / $ground - 998 * 254), '<', 1, 'the largest are whole');
	cmp_ok(abs($r->{largest_clearing}{radius_m} - (127 - 0.5) * 10 / $r->{grid}{scale_factor}), '<', 0.1, 'half of 254 rows are clear');
}

$node->stop;
done_testing();
