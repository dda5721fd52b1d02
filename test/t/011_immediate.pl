# Immediate shutdowns and crashes of other processes: a running job is never
# blamed, runs again and takes effect exactly once.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $node = aj_node('immediate', conf => "restart_after_crash = on\n");
aj_role($node, 'app');

my $blame = 'failures, free_retries, crashes, suspect';
my $long = aj_submit($node, 'gated', as => 'app');
my $beside = aj_submit($node, 'gated');

# More often than a crasher would be given (asyncjob.crash_limit).
for my $round (1 .. 4)
{
	ok(aj_in_step($node, $_), "round $round: job $_ is in its step") for $long, $beside;
	$node->stop('immediate');
	$node->start;
	ok(aj_in_step($node, $long), "round $round: it runs again after an immediate shutdown");
	is( $node->safe_psql('postgres', "SELECT $blame FROM asyncjob.job WHERE id = $long"),
		'0|0|0|f', "round $round: and is not blamed");
}

# A client's session crashes the server.
my $crashing = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $crashing->query_safe('SELECT pg_backend_pid()');
my $before = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');
ok(kill('SEGV', $pid), 'a client session crashes');
ok( aj_until($node, 'the crash',
		"SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid"),
	'the server restarts by itself');
ok(aj_in_step($node, $_), "job $_ runs again after somebody else's crash") for $long, $beside;
is( $node->safe_psql('postgres', "SELECT $blame FROM asyncjob.job WHERE id = $_"),
	'0|0|0|f', "and job $_ is not blamed")
  for $long, $beside;
is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'),
	$before, 'the postmaster is the same');
eval { $crashing->quit };

aj_gate($node, 1);
for my $id ($long, $beside)
{
	is(aj_wait($node, $id), 'completed', "job $id completes");
	is( $node->safe_psql('postgres',
			"SELECT string_agg(step || '/' || attempt, ' ' ORDER BY step) FROM effects WHERE job = $id"),
		'gated/1 quick/1', 'with the effects of each step once');
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM asyncjob.dead_letters'),
	0, 'there is no dead letter');
is(aj_wait($node, aj_submit($node, "noop")), "completed", "and the queue goes on");

$node->stop;
done_testing();
