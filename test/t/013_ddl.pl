# DROP and CREATE EXTENSION, DROP, RENAME and TEMPLATE of a database, while
# the engine idles and while it works.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = aj_node('ddl', conf => "asyncjob.poll_interval = 100ms\n");

# Run a statement; returns seconds, exit code and what it said.
sub run_sql
{
	my ($sql, $db) = @_;
	my ($took, $rc, $out, $err) = aj_timed(sub { $node->psql($db // 'postgres', $sql) });

	return ($took, $rc, $err);
}

sub engine_in
{
	my ($db) = @_;

	return "SELECT count(*) FROM pg_stat_activity WHERE datname = '$db' AND backend_type LIKE 'asyncjob%'";
}

# DROP EXTENSION while idle: a worker lingers.
is(aj_wait($node, aj_submit($node, 'quick')), 'completed', 'a job runs');
cmp_ok(scalar(aj_pids($node, 'worker', 'postgres')), '>', 0, 'its worker lingers');
my ($took, $rc, $err) = run_sql("SET lock_timeout = '20s'; DROP EXTENSION asyncjob");
is($rc, 0, 'DROP EXTENSION while idle');
cmp_ok($took, '<', 2, 'it is not blocked');
ok(aj_until($node, 'all to leave', 'SELECT (' . engine_in('postgres') . ') = 0'),
	'coordinator and worker leave');

# And back again.
sub recreate
{
	$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION asyncjob;
SELECT asyncjob.create_pipeline('quick', '[{"name": "quick", "handler": "public.quick"}]');
SELECT asyncjob.create_pipeline('gated',
    '[{"name": "first", "handler": "public.quick"},
      {"name": "second", "handler": "public.gated"}]');
SQL
	return;
}
recreate();
is(aj_wait($node, aj_submit($node, 'quick')), 'completed', 'created again, it runs jobs');

# DROP EXTENSION while a handler runs, and CREATE before the handler is done:
# the old job must find neither its own nor the new tables its business.
my $busy = aj_submit($node, 'gated');
ok(aj_in_step($node, $busy), 'a job is in its step');
($took, $rc, $err) = run_sql("SET lock_timeout = '20s'; DROP EXTENSION asyncjob");
is($rc, 0, 'DROP EXTENSION while a handler runs');
cmp_ok($took, '<', 2, 'it does not wait for the handler');
aj_gate($node, 1);
ok(aj_until($node, 'all to leave', 'SELECT (' . engine_in('postgres') . ') = 0'),
	'the worker ends');
is($node->safe_psql('postgres', "SELECT count(*) FROM effects WHERE step = 'gated'"),
	0, 'the step that could not be recorded had no effect');
recreate();
is(aj_wait($node, aj_submit($node, 'quick')), 'completed', 'created again, it runs jobs');

aj_gate($node, 0);
$busy = aj_submit($node, 'gated');
ok(aj_in_step($node, $busy), 'a job is in its step');
($took, $rc) = run_sql('DROP EXTENSION asyncjob');
is($rc, 0, 'DROP EXTENSION while a handler runs');
recreate();
my @new = map { aj_submit($node, 'quick') } 1 .. 3;
is(aj_wait($node, $_), 'completed', "job $_ of the new extension completes") for @new;
aj_gate($node, 1);
ok( aj_until($node, 'the old worker',
		"SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'asyncjob worker' AND state = 'active'"),
	'the old handler ends');
is( $node->safe_psql('postgres', "SELECT count(*) FROM effects WHERE step = 'gated'"),
	0, 'without effect');
is( $node->safe_psql('postgres', "SELECT string_agg(state::text, ' ') FROM asyncjob.job"),
	'completed completed completed', 'and the new jobs are as they were');

# DROP DATABASE while idle.
aj_database($node, 'idle');
is(aj_wait($node, aj_submit($node, 'quick', db => 'idle'), 'idle'), 'completed', 'a job runs');
cmp_ok($node->safe_psql('postgres', engine_in('idle')), '>=', 2, 'coordinator and worker linger');
($took, $rc, $err) = run_sql('DROP DATABASE idle');
is($rc, 0, 'DROP DATABASE while idle') or diag($err);
cmp_ok($took, '<', 4, 'it does not wait for the worker to leave by itself');

# DROP DATABASE while busy.
aj_database($node, 'busy');
$busy = aj_submit($node, 'gated', db => 'busy');
ok(aj_in_step($node, $busy, 'busy'), 'a job is in its step');
($took, $rc, $err) = run_sql('DROP DATABASE busy');
isnt($rc, 0, 'DROP DATABASE while busy fails');
like($err, qr/is being accessed by other users/, 'as with any session');
is(aj_status($node, $busy, 'state', 'busy'), 'running', 'the job goes on');
is( $node->safe_psql('busy',
		"SELECT count(*) FROM asyncjob.updates($busy) WHERE kind = 'state' AND state = 'running'"),
	1, 'and was not disturbed');
aj_gate($node, 1, 'busy');
is(aj_wait($node, $busy, 'busy'), 'completed', 'it completes');
is(aj_wait($node, aj_submit($node, 'quick', db => 'busy'), 'busy'),
	'completed', 'the database is served as before');

# Somebody who may not drop it disturbs nobody.
$node->safe_psql('postgres', 'CREATE ROLE stranger LOGIN');
aj_gate($node, 0, 'busy');
my ($coordinator) = aj_pids($node, 'coordinator', 'busy');
($rc) = $node->psql('postgres', 'DROP DATABASE busy', extra_params => [ '-U', 'stranger' ]);
isnt($rc, 0, 'a stranger may not drop the database');
is((aj_pids($node, 'coordinator', 'busy'))[0], $coordinator, 'and sends nobody away');

# WITH (FORCE).
$busy = aj_submit($node, 'gated', db => 'busy');
ok(aj_in_step($node, $busy, 'busy'), 'a job is in its step');
($took, $rc, $err) = run_sql('DROP DATABASE busy WITH (FORCE)');
is($rc, 0, 'DROP DATABASE WITH (FORCE) while busy') or diag($err);
cmp_ok($took, '<', 4, 'it is quick');

# A copy does not run the jobs of the original.
aj_database($node, 'original');
$node->safe_psql('original', "SELECT asyncjob.pause_queue('default')");
my @jobs = map { aj_submit($node, 'quick', db => 'original') } 1 .. 2;
ok(aj_until($node, 'the coordinator', "SELECT (" . engine_in('original') . ") > 0"),
	'the original is served');
($took, $rc, $err) = run_sql('CREATE DATABASE copy TEMPLATE original');
is($rc, 0, 'CREATE DATABASE ... TEMPLATE while idle') or diag($err);
cmp_ok($took, '<', 4, 'it is quick');
$node->safe_psql('copy', "SELECT asyncjob.resume_queue('default')");
like($node->safe_psql('copy', "SELECT asyncjob.explain($jobs[0])"),
	qr/copied from another server or database; asyncjob\.resume\(\)/, 'explain() in the copy says what is up');
$node->restart;    # the launcher looks into every database
ok(aj_until($node, 'a coordinator in the copy', "SELECT (" . engine_in('copy') . ") > 0"),
	'the copy has a coordinator');
ok(aj_rounds($node, 'copy', 10), 'which looks at the queue again and again');
is($node->safe_psql('copy', "SELECT string_agg(state::text, ' ') FROM asyncjob.job"),
	'queued queued', 'and runs nothing');
like($node->safe_psql('copy', "SELECT asyncjob.explain($jobs[0])"),
	qr/asyncjob\.resume\(\)/, 'explain() still says so');
$node->safe_psql('copy', 'SELECT asyncjob.resume()');
is(aj_wait($node, $_, 'copy'), 'completed', "after resume() job $_ of the copy runs") for @jobs;
is($node->safe_psql('original', "SELECT string_agg(state::text, ' ') FROM asyncjob.job"),
	'queued queued', 'those of the original are its own');
$node->safe_psql('original', "SELECT asyncjob.resume_queue('default')");
is(aj_wait($node, $_, 'original'), 'completed', "job $_ of the original runs") for @jobs;

# RENAME while a worker lingers.
cmp_ok(scalar(aj_pids($node, 'worker', 'original')), '>', 0, 'a worker lingers');
($took, $rc, $err) = run_sql('ALTER DATABASE original RENAME TO renamed');
is($rc, 0, 'ALTER DATABASE ... RENAME while idle') or diag($err);
cmp_ok($took, '<', 4, 'it is quick');
is(aj_wait($node, aj_submit($node, 'quick', db => 'renamed'), 'renamed'),
	'completed', 'and jobs run afterwards');

aj_quiet_log($node);
$node->stop;
done_testing();
