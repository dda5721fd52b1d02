# The example page: a browser starts an analysis over GraphQL made of the SQL
# API as it is, sees it progress, and draws its result.

use strict;
use warnings;

use File::Copy;
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($chromium) = grep { -x } map { ("$_/chromium", "$_/chromium-browser", "$_/google-chrome") } split /:/, $ENV{PATH};

foreach my $program ('node', 'npm')
{
	plan skip_all => "$program is not installed"
	  unless grep { -x "$_/$program" } split /:/, $ENV{PATH};
}
plan skip_all => 'chromium is not installed' unless defined $chromium;

# The packages of the example, or a directory that has them already.
my $dir = PostgreSQL::Test::Utils::tempdir();
copy("docs/examples/web/$_", "$dir/$_") or die $! foreach qw(package.json server.js index.html);
local $ENV{HOME} = $dir;
if (my $modules = $ENV{AJ_NODE_MODULES})
{
	symlink $modules, "$dir/node_modules" or die $!;
}
else
{
	my $log = '';

	IPC::Run::run(
		[ 'sh', '-c', "cd $dir && timeout 120 npm install --no-audit --no-fund --loglevel=error" ],
		'>', \$log, '2>&1')
	  or plan skip_all => 'the packages of the example could not be fetched';
}

my $node = PostgreSQL::Test::Cluster->new('web');
$node->init;
$node->append_conf('postgresql.conf', "asyncjob.notify_interval = '20ms'\n");
$node->start;
my $asc = slurp_file('test/data/dem/jacksboro_wgs84.asc');
$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION asyncjob;
CREATE ROLE analyst LOGIN;
SELECT asyncjob.grant_usage('analyst');
SET ROLE analyst;
SELECT asyncjob.load_dem('hills', \$\$$asc\$\$);
-- the twelve sectors of Horns Rev 1, as PyWake's example site has them
SELECT asyncjob.load_weibull('horns_rev_1',
    '{"direction_deg": [0, 30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 330],
      "frequency": [0.03597152, 0.03948682, 0.05167395, 0.07000154, 0.08364547, 0.06434850,
                    0.08643194, 0.11770510, 0.15157570, 0.14737920, 0.10012050, 0.05165975],
      "weibull_a_m_s": [9.176929, 9.782334, 9.531809, 9.909545, 10.04269, 9.593921,
                        9.584007, 10.51499, 11.39895, 11.68746, 11.63732, 10.08803],
      "weibull_k": [2.392578, 2.447266, 2.412109, 2.591797, 2.755859, 2.595703,
                    2.583984, 2.548828, 2.470703, 2.607422, 2.626953, 2.326172],
      "height_m": 70, "turbulence_intensity": 0.1}');
SQL

# The server of the example, as the role; it says where it listens.
delete $ENV{PGAPPNAME};
local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'postgres',
	PGUSER => 'analyst', PORT => 0);
my ($out, $err) = ('', '');
my $server = IPC::Run::start([ 'sh', '-c', "cd $dir && exec node server.js" ], '<', '/dev/null',
	'>', \$out, '2>', \$err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
$server->pump until $out =~ m{(http://127\.0\.0\.1:\d+/)} || !$server->pumpable;
my ($url) = $out =~ m{(http://127\.0\.0\.1:\d+/)};
ok(defined $url, 'PostGraphile serves schema asyncjob as it is') or diag($out, $err);

sub browse
{
	my ($query) = @_;
	my ($page, $why) = ('', '');

	IPC::Run::run(
		[ 'node', 'test/client/browser.js', "$dir/node_modules", $url, $chromium,
			"$dir/profile" . int(rand(1e9)), "$dir/page.png", $query ],
		'<', '/dev/null', '>', \$page, '2>', \$why,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return decode_json($page || '{}') if $page;
	$server->pump_nb;
	diag("$why\n$out\n$err");
	return {};
}

my $page = browse('Full analysis of 6 IEA 3.4 MW turbines at 36.586, -84.258 within 2 km');
like($page->{status}, qr/^Job \d+: completed$/, 'the analysis is started and ends');
is(join(' ', @{ $page->{steps} // [] }),
	'terrain:complete wind_resource:complete layout:complete simulation:complete report:complete', 'its steps are shown');
is($page->{width}, '100%', 'the progress bar is full');
my @progress = map { $_->[2] } @{ $page->{notices} // [] };
cmp_ok(scalar(@progress), '>=', 5, 'it moved while the job ran');
is("@progress", join(' ', sort { $a <=> $b } @progress), 'and never back');
is($page->{turbines}, 6, 'the turbines are on the map');
cmp_ok($page->{shapes}, '>', 2, 'and the terrain');
cmp_ok(-s "$dir/page.png", '>', 10_000, 'the page was painted');

$page = browse('Full analysis of 6 IEA 3.4 MW turbines');
like($page->{error}, qr/names no place.*coordinates/s, 'a sentence without a place: says what is missing, and how');

$server->signal('TERM');
$server->finish;
$node->stop;
done_testing();
