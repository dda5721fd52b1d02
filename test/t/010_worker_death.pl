# A process of the engine dies: the job it had runs again at once, without
# what the lost attempt did and without an attempt being charged.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = aj_node('worker_death');
aj_role($node, 'app');

sub starts
{
	my ($id) = @_;

	return "SELECT count(*) FROM asyncjob.updates($id) WHERE kind = 'state' AND state = 'running'";
}

# Effects of a job, the committed ones only: step/attempt in order.
sub effects
{
	my ($id) = @_;

	return $node->safe_psql('postgres',
		"SELECT string_agg(step || '/' || attempt, ' ' ORDER BY step) FROM effects WHERE job = $id");
}

# A worker is terminated in a step, several times.
my $id = aj_submit($node, 'gated', as => 'app');
ok(aj_in_step($node, $id), 'the job is in its second step');
for my $round (1 .. 3)
{
	my ($killed, $at) = split /\|/, $node->safe_psql('postgres',
		"SELECT pg_terminate_backend(pid), clock_timestamp() FROM asyncjob.workers() WHERE job_id = $id");
	is($killed, 't', "worker terminated in the step, time $round");
	ok( aj_until($node, 'the next run', "SELECT (" . starts($id) . ") = 1 + $round"),
		"the job runs again after death $round");
	my $delay = aj_seconds($node,
		"SELECT max(at) - '$at'::timestamptz FROM asyncjob.updates($id) WHERE kind = 'state' AND state = 'running'");
	cmp_ok($delay, '<', 1, "it took less than a second");
	ok(aj_in_step($node, $id), 'it is in the second step again');
	is(effects($id), 'quick/1', 'the lost attempt left nothing');
}
is(aj_status($node, $id, 'attempt'), 1, 'no attempt was charged');
is( $node->safe_psql('postgres',
		"SELECT count(*) FROM asyncjob.updates($id) WHERE kind = 'attempt'"),
	0, 'no failed attempt is on record');
aj_gate($node, 1);
is(aj_wait($node, $id), 'completed', 'the job completes');
is(effects($id), 'gated/1 quick/1', 'each step took effect once');

# A fast restart.
aj_gate($node, 0);
$id = aj_submit($node, 'gated', as => 'app');
ok(aj_in_step($node, $id), 'a job is in its second step');
my ($took) = aj_timed(sub { $node->stop('fast') });
cmp_ok($took, '<', 5, 'a fast shutdown does not wait for the step');
$node->start;
ok(aj_in_step($node, $id), 'after the restart it runs again');
is(effects($id), 'quick/1', 'the interrupted attempt left nothing');
is( $node->safe_psql('postgres',
		"SELECT failures, free_retries, crashes, suspect FROM asyncjob.job WHERE id = $id"),
	'0|0|0|f', 'the shutdown was charged to nobody');
aj_gate($node, 1);
is(aj_wait($node, $id), 'completed', 'and completes');
is(effects($id), 'gated/1 quick/1', 'each step took effect once');

# An idle worker dies, and nobody needs it.
my ($worker) = aj_pids($node, 'worker');
ok($worker, 'a worker lingers');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($worker)");
$id = aj_submit($node, 'quick', as => 'app');
is(aj_wait($node, $id), 'completed', 'a job after the death of an idle worker runs');

# The coordinator dies while a job runs: the job is not disturbed, and the
# next one finds a coordinator.
aj_gate($node, 0);
$id = aj_submit($node, 'gated', as => 'app');
ok(aj_in_step($node, $id), 'a job is in its second step');
my ($coordinator) = aj_pids($node, 'coordinator');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($coordinator)");
ok( aj_until($node, 'a new coordinator',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'asyncjob coordinator' AND pid <> $coordinator"),
	'a coordinator that was terminated comes back');
my $other = aj_submit($node, 'quick');
is(aj_wait($node, $other), 'completed', 'a job of a role without a worker runs');
is(aj_status($node, $id, 'state'), 'running', 'the other is still running');
is($node->safe_psql('postgres', starts($id)), 1, 'and was not started again');

# So does the launcher.
my ($launcher) = aj_pids($node, 'launcher');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($launcher)");
ok( aj_until($node, 'a new launcher',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'asyncjob launcher' AND pid <> $launcher"),
	'a launcher that was terminated comes back');
$node->safe_psql('postgres', 'CREATE DATABASE later');
$node->safe_psql('later', 'CREATE EXTENSION asyncjob');
$other = aj_submit($node, 'noop', db => 'later');
is(aj_wait($node, $other, 'later'), 'completed', 'it finds a new database');
$other = aj_submit($node, 'quick');
is(aj_wait($node, $other), 'completed', 'and the old one is served');
is($node->safe_psql('postgres', starts($id)), 1, 'the running job was not started again');
aj_gate($node, 1);
is(aj_wait($node, $id), 'completed', 'the job completes');
is(effects($id), 'gated/1 quick/1', 'each step took effect once');

aj_quiet_log($node);
$node->stop;
done_testing();
