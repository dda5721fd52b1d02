# Owners that go or may not log in, and a server that is out of processes.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use AsyncJobTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = aj_node('roles', conf => "asyncjob.poll_interval = 100ms\n");
my $new = $node->safe_psql('postgres', "SELECT current_setting('server_version_num')::int >= 170000") eq 't';
aj_role($node, $_) for qw(leaver runner mute steady);
my @engine = (aj_pids($node, 'launcher'), aj_pids($node, 'coordinator'));

sub pause_default
{
	my ($pause) = @_;

	$node->safe_psql('postgres',
		$pause ? "SELECT asyncjob.pause_queue('default')" : "SELECT asyncjob.resume_queue('default')");
	return;
}

# The owner of queued jobs is dropped.
pause_default(1);
my @left = map { aj_submit($node, 'quick', as => 'leaver') } 1 .. 2;
push @left, aj_submit($node, 'quick', as => 'leaver', args => "run_at => now() + interval '1 day'");
$node->safe_psql('postgres', "SELECT asyncjob.grant_event('quick-failed', 'runner')", extra_params => [ '-U', 'leaver' ]);
$node->safe_psql('postgres', "SELECT asyncjob.on_event('quick-failed', 'noop', owner => 'leaver')", extra_params => [ '-U', 'runner' ]);
$node->safe_psql('postgres', 'DROP OWNED BY leaver; DROP ROLE leaver');
for my $id (@left)
{
	ok( aj_until($node, 'the dead letter', "SELECT state = 'failed' FROM asyncjob.job WHERE id = $id"),
		"job $id of a dropped role becomes a dead letter");
	is( aj_status($node, $id, 'error_code, error_message'),
		'owner_dropped|the role that owned the job was dropped', 'that says so');
	like(aj_status($node, $id, 'error_detail'), qr/"leaver"/, 'and names the role');
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM effects'), 0, 'none has run');
ok( aj_until($node, 'their events',
		"SELECT count(*) = 3 FROM asyncjob.job WHERE params ->> 'state' = 'failed' AND owner = 'runner'::regrole"),
	'who may hear of their ends is told');
pause_default(0);

# The owner of a running job is dropped.
my $id = aj_submit($node, 'gated', as => 'runner');
ok(aj_in_step($node, $id), 'a job is in its step');
$node->safe_psql('postgres', 'DROP OWNED BY runner; DROP ROLE runner');
aj_gate($node, 1);
ok( aj_until($node, 'its end',
		"SELECT state IN ('completed', 'failed') FROM asyncjob.job WHERE id = $id"),
	'the running job of a dropped role ends');

# The owner loses LOGIN, or CONNECT, after it has submitted.
sub locked_out
{
	my ($what, $lock, $reason, $unlock) = @_;

	pause_default(1);
	my $job = aj_submit($node, 'quick', as => 'mute');
	$node->safe_psql('postgres', $lock);
	pause_default(0);
	my $log = -s $node->logfile;
	like($node->safe_psql('postgres', "SELECT asyncjob.explain($job)"), $reason, "$what: explain() says so");
	ok($node->wait_for_log(qr/FATAL: .*(mute|permission denied for database)/, $log),
		"$what: a worker tried in vain");
	is(aj_status($node, $job, 'state, attempt'), 'queued|0', "$what: the job waits, no attempt is spent");
	is(aj_wait($node, aj_submit($node, 'quick', as => 'steady')),
		'completed', "$what: others are served meanwhile");
	$node->safe_psql('postgres', $unlock);
	is(aj_wait($node, $job), 'completed', "$what: once that is over, it runs");
	$node->safe_psql('postgres',
		"SELECT pg_terminate_backend(pid) FROM asyncjob.workers() WHERE role = 'mute'");
	return;
}

SKIP:
{
	skip 'owners need no LOGIN from PostgreSQL 17 on', 5 if $new;
	locked_out('no LOGIN', 'ALTER ROLE mute NOLOGIN',
		qr/role "mute", is not permitted to log in/, 'ALTER ROLE mute LOGIN');
}
$node->safe_psql('postgres', <<'SQL');
REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;
GRANT CONNECT ON DATABASE postgres TO mute, steady;
SQL
locked_out('no CONNECT', 'REVOKE CONNECT ON DATABASE postgres FROM mute',
	qr/role "mute", may not connect to this database/, 'GRANT CONNECT ON DATABASE postgres TO mute');

is_deeply([ (aj_pids($node, 'launcher'), aj_pids($node, 'coordinator')) ],
	\@engine, 'launcher and coordinator are those of the beginning');
aj_quiet_log($node);
$node->stop;

# Launcher, coordinator and one worker are all that fit.
$node = aj_node('slots', conf => <<'CONF');
max_worker_processes = 3
max_logical_replication_workers = 0
max_parallel_workers = 0
asyncjob.poll_interval = 100ms
CONF
aj_role($node, $_) for qw(first second);

for my $streak (1 .. 2)
{
	aj_gate($node, 0);
	my $holder = aj_submit($node, 'gated', as => $streak == 1 ? 'first' : 'second');
	ok(aj_in_step($node, $holder), "streak $streak: the only worker is in a step");
	my @waiting = map { aj_submit($node, 'quick', as => $streak == 1 ? 'second' : 'first') } 1 .. 3;
	ok( aj_until($node, 'explain()',
			"SELECT asyncjob.explain($waiting[0]) ~ 'no background process is free; raise max_worker_processes'"),
		"streak $streak: explain() says that no process is free");
	ok(aj_rounds($node, 'postgres', 30), "streak $streak: the coordinator tries again and again");
	is( $node->safe_psql('postgres',
			"SELECT string_agg(DISTINCT state::text, ' ') FROM asyncjob.job WHERE id IN (" . join(',', @waiting) . ")"),
		'queued', "streak $streak: the jobs stay queued");
	my $lines = () = slurp_file($node->logfile) =~ /asyncjob is out of background worker slots/g;
	is($lines, $streak, "streak $streak: the log has one line about it");
	aj_gate($node, 1);
	is(aj_wait($node, $holder), 'completed', "streak $streak: the running job completes");
	my ($took) = aj_timed(
		sub { is(aj_wait($node, $_), 'completed', "streak $streak: job $_ runs") for @waiting });
	cmp_ok($took, '<', 10, "streak $streak: they need not wait for the other role's worker to leave by itself");
}

aj_quiet_log($node);

# Not even the coordinator.
$node->append_conf('postgresql.conf', 'max_worker_processes = 1');
$node->restart;
my $alone = aj_submit($node, 'quick', as => 'first');
ok(aj_until($node, 'explain()', "SELECT asyncjob.explain($alone) ~ 'no background process is free; raise max_worker_processes'"),
	'explain() says that no process is free for the coordinator');
$node->stop;
done_testing();
