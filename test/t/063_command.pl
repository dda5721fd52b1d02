# The asyncjob command beyond following a job: operation, inputs, reports,
# completion, and what it looks like on a terminal.

use strict;
use warnings;

use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = PostgreSQL::Test::Cluster->new('command');
$node->init;
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION asyncjob;
SELECT asyncjob.create_queue('reports');
CREATE TABLE weather (bad boolean);
INSERT INTO weather VALUES (true);
CREATE FUNCTION get_weather(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT bad FROM public.weather) THEN
        RAISE EXCEPTION 'the station is down' USING ERRCODE = 'AJ001', HINT = 'Repair it.';
    END IF;
    PERFORM asyncjob.log('info', 'a "quoted" line');
    PERFORM asyncjob.artifact('report.html', 'report', 'text/html', convert_to('<p>fine</p>', 'UTF8'));
    RETURN a;
END $$;
CREATE FUNCTION slow(a jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1 .. 600 LOOP
        PERFORM pg_sleep(0.1);
        PERFORM asyncjob.progress(0.25);
    END LOOP;
    RETURN a;
END $$;
SELECT asyncjob.create_pipeline('fetch', '[{"name": "fetch", "handler": "public.get_weather"}]');
SELECT asyncjob.create_pipeline('slow', '[{"name": "slow", "handler": "public.slow"}]');
SQL

my $dir = PostgreSQL::Test::Utils::tempdir();
my $data = "$ENV{PWD}/test/data";
local %ENV = (
	%ENV,
	PGHOST => $node->host,
	PGPORT => $node->port,
	PGDATABASE => 'postgres',
	PGUSER => $node->safe_psql('postgres', 'SELECT current_user'),
	NO_COLOR => '1');

# Run the command; returns its exit code, standard output and error.
sub client
{
	my ($stdin, @args) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'asyncjob', @args ], \$stdin, \$out, \$err,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return ($? >> 8, $out, $err);
}

sub client_is
{
	my ($name, $args, $code, $out_like, $err_like) = @_;
	my ($rc, $out, $err) = client('', @$args);

	is($rc, $code, "$name: exit code");
	like($out, $out_like, "$name: standard output");
	like($err, $err_like, "$name: standard error");
	is((grep { length > 80 } split /\n/, $out), 0, "$name: 80 columns")
	  unless grep { /json/ } @$args;
	return $out;
}
my $none = qr/\A\z/;

# ---- check -------------------------------------------------------------
client_is('check', ['check'], 0, qr/^ok      preload: .*^ok      login/ms, $none);
my $out = client_is('check --json', [ 'check', '--json' ], 0, qr/\A(\{.*\}\n)+\z/, $none);
ok(exists decode_json((split /\n/, $out)[0])->{item}, 'check --json is JSON');
$node->safe_psql('postgres', 'ALTER SYSTEM SET asyncjob.enabled = off');
$node->reload;
$node->poll_query_until('postgres', q(SELECT current_setting('asyncjob.enabled') = 'off'));
client_is('check finds something', ['check'], 1,
	qr/^missing enabled: .*\n        Set asyncjob\.enabled = on.*^1 of these must be mended/ms, $none);
$node->safe_psql('postgres', 'ALTER SYSTEM RESET asyncjob.enabled');
$node->reload;
$node->poll_query_until('postgres', q(SELECT current_setting('asyncjob.enabled') = 'on'));

# ---- dead letters ------------------------------------------------------
my @dead = map { (client('', 'submit', 'fetch', "{\"n\": $_}"))[1] =~ /(\d+)/ } 1 .. 3;
$node->poll_query_until('postgres', q(SELECT count(*) = 3 FROM asyncjob.dead_letters));
client_is('dead', ['dead'], 0, qr/\A +job .*\n( +\d+ +fetch .* the station is down\n){3}\z/, $none);
client_is('dead of a queue', [ 'dead', '--queue', 'reports' ], 0, $none, $none);
client_is('dead show', [ 'dead', 'show', $dead[0] ], 0, qr/^message +the station is down$.*/m, $none);
client_is('dead show of none', [ 'dead', 'show', '999' ], 1, $none, qr/job 999 is no dead letter\nHINT/);
client_is('dead show of no job', [ 'dead', 'show', 'x' ], 1, $none, qr/"x" is not the id of a job/);
client_is('dead redrive of a word', [ 'dead', 'redrive', 'fetch' ], 1, $none,
	qr/"fetch" is neither a job nor a filter in JSON\nHINT:  --pipeline fetch/);
client_is('dead purge without saying which', [ 'dead', 'purge' ], 1, $none, qr/which dead letters\?/);
client_is('dead nonsense', [ 'dead', 'bury' ], 1, $none, qr/usage: asyncjob dead/);

$node->safe_psql('postgres', 'UPDATE weather SET bad = false');
client_is('retry --watch', [ 'retry', $dead[0], '--watch' ], 0,
	qr/info: fetch: a "quoted" line\n.*completed/s, $none);
client_is('retry of a completed job', [ 'retry', $dead[0] ], 1, $none, qr/\S/);
SKIP:
{
	skip 'the server has no redrive()', 12
	  if $node->safe_psql('postgres', q(SELECT to_regproc('asyncjob.redrive') IS NULL)) eq 't';
	client_is('dead redrive of one', [ 'dead', 'redrive', $dead[1] ], 0,
		qr/\A1 dead letter queued again\n\z/, $none);
	client_is('dead purge of a pipeline', [ 'dead', 'purge', '--pipeline', 'fetch' ], 0,
		qr/\A1 dead letter deleted\n\z/, $none);
	client_is('dead redrive of all', [ 'dead', 'redrive', '--all' ], 0,
		qr/\A0 dead letters queued again\n\z/, $none);
}

# ---- queues ------------------------------------------------------------
client_is('queues', ['queues'], 0, qr/^default +open +\d+ +\d+\nreports +open +0 +0\n\z/m, $none);
$out = client_is('queues --json', [ 'queues', '--json' ], 0, qr/\A(\{.*\}\n){2}\z/, $none);

# ---- a report ----------------------------------------------------------
{
	my ($rc, $o, $e) = ('', '', '');

	append_to_file("$dir/browser", "#!/bin/sh\ncp \"\$1\" $dir/seen\n");
	chmod 0755, "$dir/browser";
	local $ENV{BROWSER} = "$dir/browser";
	IPC::Run::run([ 'sh', '-c', "cd $dir && exec asyncjob report $dead[0] --open" ], \'', \$o, \$e);
	is($? >> 8, 0, 'report --open: exit code');
	is($o, "report-$dead[0].html\n", 'report: says where it is');
	is(slurp_file("$dir/seen"), '<p>fine</p>', 'report: is shown');
	my $none_such = (client('', 'submit', 'noop', '{}', '--wait'))[0];
	my $noop = $node->safe_psql('postgres', 'SELECT max(id) FROM asyncjob.job');
	client_is('report of a job without', [ 'report', $noop ], 1, $none, qr/has no report\nHINT/);
}

# ---- watch --json ------------------------------------------------------
{
	my ($rc, $o, $e) = client('', 'submit', 'fetch', '{}', '--watch', '--json');
	my @updates = map { decode_json($_) } split /\n/, $o;

	is($rc, 0, 'watch --json: exit code');
	is(join(' ', map { $_->{seq} // () } @updates), join(' ', 1 .. 4),
		'watch --json: each update once');
	is((grep { $_->{kind} eq 'log' } @updates)[0]->{message}, 'a "quoted" line',
		'watch --json: strings are escaped');
	is($updates[-1]{state}, 'completed', 'watch --json: the end');
}

# ---- what rests --------------------------------------------------------
client_is('queues pause', [ 'queues', 'pause', 'default' ], 0, qr/^default paused$/, $none);
client_is('queues', ['queues'], 0, qr/^default +paused /m, $none);
client_is('queues resume', [ 'queues', 'resume', 'default' ], 0, qr/^default resumed$/, $none);
client_is('queues pause, unknown', [ 'queues', 'pause', 'nowhere' ], 1, $none, qr/queue "nowhere" does not exist/);
client_is('pipelines pause', [ 'pipelines', 'pause', 'noop' ], 0, qr/^noop paused$/, $none);
client_is('pipelines', ['pipelines'], 0, qr/^noop +paused +1 +1$/m, $none);
client_is('pipelines resume', [ 'pipelines', 'resume', 'noop' ], 0, qr/^noop resumed$/, $none);
client_is('quiesce', ['quiesce'], 0, qr/^database quiesced; nothing runs any more$/, $none);
client_is('queues, quiesced', ['queues'], 0, qr/^default +quiesced /m, $none);
client_is('check, quiesced', ['check'], 1, qr/missing +quiesced: the database is quiesced since/, $none);
client_is('resume', ['resume'], 0, qr/^database resumed$/, $none);
client_is('resume, with a name', [ 'resume', 'default' ], 1, $none, qr/resume/);

# ---- inputs ------------------------------------------------------------
client_is('load dem', [ 'load', 'dem', "$data/dem/jacksboro_wgs84.asc", '--name', 'hills' ],
	0, qr/^name +hills$/m, $none);
client_is('load site, GeoJSON', [ 'load', 'site', "$data/site/demo_site_jacksboro.geojson" ],
	0, qr/^name +demo_site_jacksboro$/m, $none);
client_is('load site, KML', [ 'load', 'site', "$data/site/demo_site_jacksboro.kml", '--name', 'kml' ],
	0, qr/^area_m2 +5\d{7}/m, $none);
is($node->safe_psql('postgres',
		"SELECT count(DISTINCT round(area_m2)) FROM asyncjob.site"),
	1, 'KML and GeoJSON are the same site');
append_to_file("$dir/empty.kml", '<kml xmlns="http://www.opengis.net/kml/2.2"><Placemark><Point><coordinates>1,2</coordinates></Point></Placemark></kml>');
client_is('load site, KML without a polygon', [ 'load', 'site', "$dir/empty.kml" ],
	1, $none, qr/no polygon.*\nDETAIL.*\nHINT/);
append_to_file("$dir/ring.kml", '<kml xmlns="http://www.opengis.net/kml/2.2"><Placemark><Polygon><outerBoundaryIs><LinearRing><coordinates>1,2 3</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark></kml>');
client_is('load site, KML with a broken ring', [ 'load', 'site', "$dir/ring.kml" ],
	1, $none, qr/not longitude,latitude.*\nHINT/);
append_to_file("$dir/mast.csv", join("\n", 'time,wind_speed,wd',
		map { sprintf '2024-01-01T%02d:%02d:00,%.1f,%d', $_ / 6, $_ % 6 * 10, 5 + $_ % 7, $_ % 360 } 0 .. 143));
client_is('load telemetry', [ 'load', 'telemetry', "$dir/mast.csv" ], 0, qr/^name +mast$/m, $none);
append_to_file("$dir/t.tif", 'x');
{
	local $ENV{PATH} = join ':', grep { !-x "$_/gdal_translate" } split /:/, $ENV{PATH};
	client_is('load dem, GeoTIFF without GDAL', [ 'load', 'dem', "$dir/t.tif" ],
		1, $none, qr/gdal_translate is not installed\nHINT/);

	# what GDAL would write
	# (of cells that are not square it is not to make square ones by calling
	# them so); what it warns of is seen only where it fails
	mkdir "$dir/bin";
	append_to_file("$dir/bin/gdal_translate", <<"SH");
#!/bin/sh
echo 'a warning' >&2
case "\$*" in *FORCE_CELLSIZE*|*bad.tif*) exit 1 ;; esac
for last; do :; done
/bin/cp $data/dem/jacksboro_utm16_90m.asc "\$last"
SH
	append_to_file("$dir/bin/gdalsrsinfo", "#!/bin/sh\necho\ncase \"\$*\" in *t.tif*) echo EPSG:32616 ;; *) echo EPSG:-1 ;; esac\n");
	chmod 0755, "$dir/bin/gdal_translate", "$dir/bin/gdalsrsinfo";
	local $ENV{PATH} = "$dir/bin:$ENV{PATH}";
	client_is('load dem, GeoTIFF', [ 'load', 'dem', "$dir/t.tif" ], 0,
		qr/^epsg +32616\n(?s:.*)^ncols +344\n/m, $none);
	append_to_file("$dir/-u.1.tif", 'x');
	client_is('load dem, GeoTIFF without coordinate system', [ 'load', 'dem', "$dir/-u.1.tif" ], 1, $none,
		qr/does not say in which coordinate system it is\nHINT:.*--epsg/);
	client_is('load dem, GeoTIFF with --epsg', [ 'load', 'dem', "$dir/-u.1.tif", '--epsg', '32616' ], 0,
		qr/^name +-u\.1$/m, $none);
	append_to_file("$dir/bad.tif", 'x');
	client_is('load dem, no GeoTIFF', [ 'load', 'dem', "$dir/bad.tif" ], 1, $none,
		qr/gdal_translate could not read .*\na warning/);
	client_is('load dem, GeoTIFF that is not there', [ 'load', 'dem', "$dir/none.tif" ], 1, $none, qr/could not open/);
}
client_is('load without a name', [ 'load', 'site', "$dir/" ], 1, $none, qr/\S/);
client_is('load of what is no input', [ 'load', 'dinner', "$dir/t.tif" ], 1, $none, qr/cannot load "dinner"/);
client_is('load of a file that is not there', [ 'load', 'site', "$dir/none" ], 1, $none, qr/could not open/);

# ---- completion --------------------------------------------------------
sub complete
{
	my ($line) = @_;
	my ($o, $e) = ('', '');

	IPC::Run::run([ 'bash', '--norc', '-c', <<"SH" ], \'', \$o, \$e);
. src/client/asyncjob.bash
COMP_WORDS=($line ''); COMP_CWORD=\$((\${#COMP_WORDS[@]} - 1))
[[ "$line" != *' -' ]] || { COMP_WORDS=($line); COMP_CWORD=\$((\${#COMP_WORDS[@]} - 1)); }
_asyncjob; printf '%s\\n' "\${COMPREPLY[@]}"
SH
	return join ' ', sort split(/\n/, $o), split(/\n/, $e);
}
like(complete('asyncjob'), qr/\bcancel check dead list load\b/, 'completion: commands');
like(complete('asyncjob load'), qr/\Adem site telemetry turbine wind\z/, 'completion: kinds of input');
like(complete('asyncjob submit --queue'), qr/\Adefault reports\z/, 'completion: queues of the server');
like(complete('asyncjob status'), qr/\b$dead[0]\b/, 'completion: jobs of the server');
like(complete('asyncjob dead -'), qr/--pipeline/, 'completion: options of the command');
{
	my @commands = (client('', '--help'))[1] =~ /^  ([a-z]+)\b.* {2}\S/mg;
	my %offered = map { $_ => 1 } split / /, complete('asyncjob');

	is(join(' ', grep { !$offered{$_} } @commands), '', 'completion: every command of --help');
	cmp_ok(scalar(@commands), '>', 12, 'completion: there are some');
}

# ---- on a terminal -----------------------------------------------------
SKIP:
{
	skip 'tmux is not installed', 15 unless grep { -x "$_/tmux" } split /:/, $ENV{PATH};
	my @tmux = ('tmux', '-S', "$dir/tmux");
	my $screen = sub {
		my ($pattern) = @_;
		my $text = '';

		for (1 .. 100)
		{
			IPC::Run::run([ @tmux, 'capture-pane', '-p' ], '>', \$text);
			last if $text =~ $pattern;
			usleep(100_000);
		}
		return $text;
	};
	my $slow = (client('', 'submit', 'slow', '{}'))[1];

	chomp $slow;
	local $ENV{TERM} = 'screen';
	system(@tmux, 'new-session', '-d', '-x', '80', '-y', '24', 'asyncjob top; sleep 60');
	my $text = $screen->(qr/$slow +slow +slow .* 25 %/);
	like($text, qr/\Aasyncjob top .* workers \d+, busy 1/, 'top: head');
	like($text, qr/^ +default +open +0 +1$/m, 'top: queues');
	like($text, qr/^ +$slow +slow +slow +.* 25 % ####/m, 'top: jobs with bars');
	system(@tmux, 'send-keys', 'e');
	like($screen->(qr/is running step/), qr/^ *$slow: It is running step 1 of 1/m, 'top: e explains');
	system(@tmux, 'send-keys', 'w');
	like($screen->(qr/WORKER/), qr/^ *> WORKER .*\n +\d+ +\w+ +busy +[\d.]+ s +$slow\b/m, 'top: w shows the workers');
	system(@tmux, 'send-keys', 'w');
	$screen->(qr/> JOB/);
	system(@tmux, 'send-keys', 'Tab', 'p');
	like($screen->(qr/default +paused/), qr/default: paused/, 'top: p pauses a queue');
	is($node->safe_psql('postgres', q(SELECT paused FROM asyncjob.queues WHERE name = 'default')),
		't', 'and it is paused');
	system(@tmux, 'send-keys', 'p');
	like($screen->(qr/default: resumed/), qr/default +open/, 'top: p resumes it');
	system(@tmux, 'send-keys', 'Tab', 'c');
	like($screen->(qr/Cancel job/), qr/^ *Cancel job $slow\?/m, 'top: c asks');
	system(@tmux, 'send-keys', 'n');
	like($screen->(qr/goes on/), qr/^ *$slow: goes on/m, 'top: n leaves it alone');
	system(@tmux, 'send-keys', 'c', 'y');
	$node->poll_query_until('postgres', "SELECT state = 'cancelled' FROM asyncjob.status($slow)");
	is($node->safe_psql('postgres', "SELECT message FROM asyncjob.status($slow)"),
		'cancelled in asyncjob top', 'top: c cancels');
	$node->restart;
	like($screen->(qr/connection lost|ended/), qr/asyncjob top/, 'top: outlives a restart');
	system(@tmux, 'send-keys', 'q');
	unlike($screen->(qr/\A\s*\z/), qr/QUEUE/, 'top: q leaves a clean screen');
	system(@tmux, 'kill-server');

	$slow = (client('', 'submit', 'slow', '{}'))[1];
	chomp $slow;
	system(@tmux, 'new-session', '-d', '-x', '80', '-y', '24', "asyncjob watch $slow; sleep 60");
	like($screen->(qr/25 %/), qr/^job $slow  slow +running .*\n  slow +\[#+\.+\]  25 %/m,
		'watch: bars on a terminal');
	system(@tmux, 'send-keys', 'C-c');
	like($screen->(qr/Ctrl-C again/), qr/Stopped watching; job $slow goes on/, 'watch: Ctrl-C');
	system(@tmux, 'kill-server');
}
client_is('top without a terminal', ['top'], 1, $none, qr/top needs a terminal\nHINT/);

$node->stop;
done_testing();
