# The external worker of libasyncjob: the example of the documents, as it is
# compiled by whoever reads them, against a server that is restarted, with
# connections that are cut and workers that are killed.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dest = "$ENV{AJ_WORK}/dest";
my $libdir = $ENV{PG_CONFIG} ? `$ENV{PG_CONFIG} --libdir` : `pg_config --libdir`;
chomp $libdir;
my $dir = PostgreSQL::Test::Utils::tempdir();

plan skip_all => 'pkg-config is not installed'
  unless grep { -x "$_/pkg-config" } split /:/, $ENV{PATH};
plan skip_all => 'pkg-config lacks something that libpq names'
  if system('pkg-config --exists libpq') != 0;

local %ENV = (
	%ENV,
	PKG_CONFIG_PATH => "$dest$libdir/pkgconfig",
	PKG_CONFIG_SYSROOT_DIR => $dest,
	LD_LIBRARY_PATH => join(':', "$dest$libdir", $ENV{LD_LIBRARY_PATH} // ()));
my $cc = $ENV{CC} // 'cc';
foreach my $example ('first', 'worker')
{
	command_ok(
		[ 'sh', '-c', "$cc -Wall -Wextra -Werror -o $dir/$example docs/examples/$example.c \$(pkg-config --cflags --libs libasyncjob)" ],
		"example $example.c compiles");
}

my $node = PostgreSQL::Test::Cluster->new('worker');
$node->init;
$node->start;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION asyncjob;
SELECT asyncjob.create_queue('words');
SELECT asyncjob.create_pipeline('count_words', '[{"name": "count", "handler": "external"}]');
SQL
delete $ENV{PGAPPNAME};
local %ENV = (
	%ENV,
	PGHOST => $node->host,
	PGPORT => $node->port,
	PGDATABASE => 'postgres',
	PGUSER => $node->safe_psql('postgres', 'SELECT current_user'));

my $job = command_like([ "$dir/first", 'noop', '{"hello": "world"}' ],
	qr/\Ajob \d+: \{"hello": "world"\}\n\z/, 'the first program prints a result');

sub submit
{
	my ($n, $seconds) = @_;

	return split /\n/, $node->safe_psql('postgres',
		qq(SELECT asyncjob.submit_many('count_words',
		   array_fill('{"text": "to be or not", "seconds": $seconds}'::jsonb, ARRAY[$n]), queue => 'words')));
}

my @workers;
sub worker
{
	my %run = (out => '', err => '');

	$run{h} = IPC::Run::start([ "$dir/worker", 'words' ], \'', \$run{out}, \$run{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	push @workers, \%run;
	return \%run;
}

sub until_true
{
	my ($what, $query) = @_;

	return ok($node->poll_query_until('postgres', $query), $what);
}

my $counted = q(state = 'completed' AND result = '{"words": 4}');

# ---- work, and input that is refused -----------------------------------
my $worker = worker();
my @jobs = submit(40, 0);
until_true('steps are claimed in batches and completed',
	"SELECT count(*) = 40 FROM asyncjob.job WHERE $counted");
my $bad = $node->safe_psql('postgres',
	"SELECT asyncjob.submit('count_words', '{}', queue => 'words')");
until_true('a handler that fails makes a dead letter',
	"SELECT state = 'failed' AND error_message = 'text is missing' AND error_hint LIKE 'Submit%'
	 FROM asyncjob.status($bad)");

# ---- the connection is cut, the server restarted -----------------------
@jobs = submit(24, 0.3);
foreach my $round (1 .. 3)
{
	until_true("cut $round: the worker is at work",
		"SELECT count(*) > 0 FROM asyncjob.job WHERE state = 'running'");
	$node->safe_psql('postgres',
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'asyncjob worker'");
}
$node->restart;
until_true('after cuts and a restart all are counted once',
	"SELECT count(*) = 64 FROM asyncjob.job WHERE $counted");
is($node->safe_psql('postgres',
		"SELECT count(*) FROM asyncjob.job j, LATERAL asyncjob.updates(j.id) u
		 WHERE u.kind = 'state' AND u.state = 'completed' AND j.id <> 1"),
	64, 'no job ended twice');

unlike($worker->{err}, qr/not held/, 'that an end was told twice is no news');

# ---- a cancelled job is let go -----------------------------------------
($job) = submit(1, 60);
until_true('progress is shown with the heartbeat',
	"SELECT coalesce(step_progress, 0) > 0 AND message = 'counting' FROM asyncjob.status($job)");
$node->safe_psql('postgres', "SELECT asyncjob.cancel($job)");
# its thread is free again when as many as there are threads run at once
@jobs = submit(4, 5);
until_true('a cancelled job gives its thread back',
	"SELECT count(*) = 4 FROM asyncjob.job WHERE state = 'running'");

# ---- SIGTERM -----------------------------------------------------------
$worker->{h}->signal('TERM');
$worker->{h}->finish;
is($worker->{h}->full_result(0) >> 8, 0, 'SIGTERM: the worker ends well');
is($node->safe_psql('postgres',
		"SELECT count(*) FROM asyncjob.job WHERE id IN (" . join(',', @jobs) . ") AND $counted"),
	4, 'SIGTERM: what it had in hand is done');

# ---- kill -9: the lease expires, another worker gets the step ----------
$worker = worker();
($job) = submit(1, 2);
until_true('the doomed worker is at work',
	"SELECT state = 'running' FROM asyncjob.status($job)");
$worker->{h}->signal('KILL');
$worker->{h}->finish;
$worker = worker();
until_true('a killed worker\'s step is done by another',
	"SELECT state = 'completed' AND attempt = 2 FROM asyncjob.status($job)");
$worker->{h}->signal('TERM');
$worker->{h}->finish;
is($workers[-1]{err}, '', 'no error was reported');

$node->stop;
done_testing();
