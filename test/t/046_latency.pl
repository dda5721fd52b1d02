# How long notices and submissions take, as the engine counts it: what is made
# to take long is found to have taken so long, and counts outlive a coordinator.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = aj_node('latency');

sub stats
{
	my ($what, $columns) = @_;

	return $node->safe_psql('postgres',
		"SELECT $columns FROM asyncjob.latency_stats() WHERE what = '$what'");
}

# Each change of state that a listener hears of: running, and the end.
my $before = stats('notify', 'count');
my $id = aj_submit($node, 'quick');
is(aj_wait($node, $id), 'completed', 'a job runs');
ok(aj_until($node, 'its notices to be counted',
		"SELECT count >= $before + 1 FROM asyncjob.latency_stats() WHERE what = 'notify'"),
	'its notices are counted');
is(stats('notify', 'p99_s < 1'), 't', 'they took less than a second');

# A coordinator that stands still: the notice of the end waits for it.
my ($coordinator) = aj_pids($node, 'coordinator', 'postgres');
my $slow = stats('notify', 'sum_s');
aj_gate($node, 0);
$id = aj_submit($node, 'gated');
ok(aj_in_step($node, $id), 'a job runs');
kill 'STOP', $coordinator or die "cannot stop $coordinator: $!";
aj_gate($node, 1);
aj_until($node, 'the end of the job', "SELECT state = 'completed' FROM asyncjob.job WHERE id = $id");
usleep(1_200_000);    # for which it is to be found late
kill 'CONT', $coordinator or die "cannot continue $coordinator: $!";
ok(aj_until($node, 'the late notice',
		"SELECT sum_s >= $slow + 1 FROM asyncjob.latency_stats() WHERE what = 'notify'"),
	'a notice that was more than a second late is counted as such');
like($node->safe_psql('postgres', 'SELECT asyncjob.metrics()'),
	qr/^asyncjob_notify_latency_seconds_bucket\{le="1.0"\} (\d+)\n.*le="2.0"\} (?!\1\n)/m,
	'in the bucket above one second');

# A validator that takes its time.
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION slowly(jsonb) RETURNS void LANGUAGE sql AS 'SELECT pg_sleep(0.3)';
SELECT asyncjob.create_pipeline('slow', '[{"name": "a", "handler": "public.quick"}]', validator => 'public.slowly');
SQL
my $submits = stats('submit', 'sum_s');
aj_submit($node, 'slow');
cmp_ok(stats('submit', 'sum_s') - $submits, '>=', 0.3, 'a submit() that takes long is counted as such');

# The counts are the server's, not the coordinator's.
my $count = stats('notify', 'count');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($coordinator)");
aj_until($node, 'another coordinator', "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'asyncjob coordinator' AND datname = 'postgres' AND pid <> $coordinator");
cmp_ok(stats('notify', 'count'), '>=', $count, 'another coordinator goes on counting');

# Each database has its own.
aj_database($node, 'other');
is($node->safe_psql('other', "SELECT count FROM asyncjob.latency_stats() WHERE what = 'notify'"),
	0, 'another database counts by itself');

aj_quiet_log($node);
$node->stop;
done_testing();
